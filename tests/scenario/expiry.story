# An expiry, through compaction and crashes.
#
# The time is in the record. Readers see nothing of it from that time on; the record goes when
# compaction meets it. A crash between the two brings nothing back.
cast log
disk segments 8
start
  it is started: epoch 1, 0 records
put expires 2s apple=red pear=green
  apple is put in group 1
  pear is put in group 1
  frame 1 is on its way to segment-00000 at 0: 2 records, 4096 bytes
  frame 1 is written to segment-00000 at 0: 2 records, 4096 bytes
  frame 1 is durable
  apple is acknowledged
  pear is acknowledged
put plum*60=#12K
  60 of plum* are put in group 2
  frame 2 is on its way to segment-00000 at 4096: 60 records, 741376 bytes
  frame 2 is written to segment-00000 at 4096: 60 records, 741376 bytes
  frame 2 is durable
  60 of plum* are acknowledged
get apple pear
  apple is red
  pear is green
kill
start
  it is started: epoch 2, 62 records
get apple
  apple is red
wait 3s
get apple pear
  apple is not there
  pear is not there
kill
start
  it is started: epoch 3, 62 records
get apple pear
  apple is not there
  pear is not there

# What expires can be put anew, and a crash then does not take it away.
put apple=blue
  apple is put in group 1
  frame 3 is on its way to segment-00001 at 0: 1 record, 4096 bytes
  frame 3 is written to segment-00001 at 0: 1 record, 4096 bytes
  frame 3 is durable
  apple is acknowledged
power-loss nothing
start
  it is started: epoch 4, 62 records
wait 3s
  frame 4 is on its way to segment-00002 at 0: 1 record, 4096 bytes
  frame 4 is written to segment-00002 at 0: 1 record, 4096 bytes
  frame 4 is durable
get apple pear
  apple is blue
  pear is not there

# Compaction puts a removal for what has expired: the key leaves nothing then, and what is put to it
# names no place that it takes. A crash does not bring back the old record beside it.
put plum*60=#11K
  60 of plum* are put in group 1
  frame 5 is on its way to segment-00003 at 0: 60 records, 679936 bytes
  frame 5 is written to segment-00003 at 0: 60 records, 679936 bytes
  frame 5 is durable
  60 of plum* are acknowledged
put plum*60=#10K
  60 of plum* are put in group 2
  frame 6 is on its way to segment-00003 at 679936: 60 records, 618496 bytes
  frame 6 is written to segment-00003 at 679936: 60 records, 618496 bytes
  frame 6 is durable
  60 of plum* are acknowledged
work
  frame 7 is on its way to segment-00003 at 1298432: 1 record, 4096 bytes
  frame 7 is written to segment-00003 at 1298432: 1 record, 4096 bytes
  frame 7 is durable
put pear=yellow
  pear is put in group 4
  frame 8 is on its way to segment-00003 at 1302528: 1 record, 4096 bytes
  frame 8 is written to segment-00003 at 1302528: 1 record, 4096 bytes
  frame 8 is durable
  pear is acknowledged
kill
start
  it is started: epoch 5, 62 records
get pear
  pear is yellow
checkpoint
  frame 9 is on its way to segment-00004 at 0: 1 record, 4096 bytes
  frame 9 is written to segment-00004 at 0: 1 record, 4096 bytes
  frame 9 is durable
work
power-loss nothing
start
  it is started: epoch 6, 62 records, from checkpoint 1
get apple pear
  apple is blue
  pear is yellow
get plum*60
  60 of plum* are abcd..., 10240 bytes
