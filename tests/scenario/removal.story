# A removal, through compaction and crashes.
#
# The record that a removal took away is still in its segment. While it is, the removal has to be
# there too: else a recovery that reads the old record would bring the key back.
cast log
disk segments 8
start
  it is started: epoch 1, 0 records
put apple=red pear*100=#12K quince*60=#12K
  apple is put in group 1
  100 of pear* are put in group 1
  60 of quince* are put in group 1
  frame 1 is on its way to segment-00000 at 0: 161 records, 1974272 bytes
  frame 1 is written to segment-00000 at 0: 161 records, 1974272 bytes
  frame 1 is durable
  apple is acknowledged
  100 of pear* are acknowledged
  60 of quince* are acknowledged
remove apple
  apple is removed in group 2
  frame 2 is on its way to segment-00000 at 1974272: 1 record, 4096 bytes
  frame 2 is written to segment-00000 at 1974272: 1 record, 4096 bytes
  frame 2 is durable
  apple is acknowledged
put plum*100=#12K
  8 of plum* are put in group 3
  92 of plum* are put in group 4
  frame 3 is on its way to segment-00000 at 1978368: 8 records, 102400 bytes
  frame 4 is on its way to segment-00001 at 0: 92 records, 1134592 bytes
  frame 3 is written to segment-00000 at 1978368: 8 records, 102400 bytes
  frame 4 is written to segment-00001 at 0: 92 records, 1134592 bytes
  frame 3 is durable
  frame 4 is durable
  100 of plum* are acknowledged
close
start
  it is started: epoch 2, 260 records, from checkpoint 1
get apple
  apple is not there

# The segment with the removal is compacted, and the one with what it removed is not: it moves.
put plum*100=#11K
  64 of plum* are put in group 1
  frame 5 is on its way to segment-00002 at 0: 64 records, 724992 bytes
  frame 5 is written to segment-00002 at 0: 64 records, 724992 bytes
  frame 5 is durable
  36 of plum* are put in group 2
  64 of plum* are acknowledged
  frame 6 is on its way to segment-00002 at 724992: 36 records, 409600 bytes
  frame 6 is written to segment-00002 at 724992: 36 records, 409600 bytes
  frame 6 is durable
  36 of plum* are acknowledged
put plum*100=#10K
  64 of plum* are put in group 3
  frame 7 is on its way to segment-00002 at 1134592: 64 records, 659456 bytes
  frame 7 is written to segment-00002 at 1134592: 64 records, 659456 bytes
  frame 7 is durable
  28 of plum* are put in group 4
  8 of plum* are put in group 5
  64 of plum* are acknowledged
  frame 8 is on its way to segment-00002 at 1794048: 28 records, 290816 bytes
  frame 8 is written to segment-00002 at 1794048: 28 records, 290816 bytes
  frame 8 is durable
  28 of plum* are acknowledged
  frame 9 is on its way to segment-00003 at 0: 8 records, 86016 bytes
  frame 9 is written to segment-00003 at 0: 8 records, 86016 bytes
  frame 9 is durable
  8 of plum* are acknowledged
segments
  segment-00000 is sealed, some of it live
  segment-00001 is emptied, nothing of it live
  segment-00002 is sealed, some of it live
  segment-00003 is written to, all of it live
  segment-00004 is ready, nothing of it live
  segment-00005 is ready, nothing of it live
  segment-00006 is ready, nothing of it live
work
segments
  segment-00000 is sealed, some of it live
  segment-00001 is emptied, nothing of it live
  segment-00002 is sealed, some of it live
  segment-00003 is written to, all of it live
  segment-00004 is ready, nothing of it live
  segment-00005 is ready, nothing of it live
  segment-00006 is ready, nothing of it live
kill
start
  it is started: epoch 3, 260 records, from checkpoint 1
get apple
  apple is not there
checkpoint
power-loss nothing
start
  it is started: epoch 4, 260 records, from checkpoint 2
get apple
  apple is not there

# The segment that held it goes: the removal may go as well.
remove pear*100 quince*60
  64 of pear* are removed in group 1
  frame 10 is on its way to segment-00004 at 0: 64 records, 4096 bytes
  frame 10 is written to segment-00004 at 0: 64 records, 4096 bytes
  frame 10 is durable
  36 of pear* are removed in group 2
  28 of quince* are removed in group 2
  64 of pear* are acknowledged
  frame 11 is on its way to segment-00004 at 4096: 64 records, 4096 bytes
  frame 11 is written to segment-00004 at 4096: 64 records, 4096 bytes
  frame 11 is durable
  32 of quince* are removed in group 3
  36 of pear* are acknowledged
  28 of quince* are acknowledged
  frame 12 is on its way to segment-00004 at 8192: 32 records, 4096 bytes
  frame 12 is written to segment-00004 at 8192: 32 records, 4096 bytes
  frame 12 is durable
  32 of quince* are acknowledged
put plum*100=#11K
  64 of plum* are put in group 4
  frame 13 is on its way to segment-00004 at 12288: 64 records, 724992 bytes
  frame 13 is written to segment-00004 at 12288: 64 records, 724992 bytes
  frame 13 is durable
  36 of plum* are put in group 5
  64 of plum* are acknowledged
  frame 14 is on its way to segment-00004 at 737280: 36 records, 409600 bytes
  frame 14 is written to segment-00004 at 737280: 36 records, 409600 bytes
  frame 14 is durable
  36 of plum* are acknowledged
work
checkpoint
work
segments
  segment-00000 is spare, nothing of it live
  segment-00001 is spare, nothing of it live
  segment-00002 is spare, nothing of it live
  segment-00003 is spare, nothing of it live
  segment-00004 is written to, all of it live
  segment-00005 is ready, nothing of it live
  segment-00006 is ready, nothing of it live
  segment-00007 is ready, nothing of it live
kill
start
  it is started: epoch 5, 100 records, from checkpoint 4
get apple
  apple is not there
get pear*100
  100 of pear* are not there
