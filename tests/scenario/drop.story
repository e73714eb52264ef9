# A vnode that is dropped, through compaction and crashes.
#
# As removals do, a drop moves when its segment is emptied and what it took away is elsewhere still.
# It comes behind records then that were put after it: those stay.
cast log
disk segments 8
start
  it is started: epoch 1, 0 records
put pear*100=#12K quince*60=#12K
  100 of pear* are put in group 1
  60 of quince* are put in group 1
  frame 1 is on its way to segment-00000 at 0: 160 records, 1974272 bytes
  frame 1 is written to segment-00000 at 0: 160 records, 1974272 bytes
  frame 1 is durable
  100 of pear* are acknowledged
  60 of quince* are acknowledged
put plum*20=#12K
  9 of plum* are put in group 2
  11 of plum* are put in group 3
  frame 2 is on its way to segment-00000 at 1974272: 9 records, 114688 bytes
  frame 2 is written to segment-00000 at 1974272: 9 records, 114688 bytes
  frame 2 is durable
  9 of plum* are acknowledged
  frame 3 is on its way to segment-00001 at 0: 11 records, 139264 bytes
  frame 3 is written to segment-00001 at 0: 11 records, 139264 bytes
  frame 3 is durable
  11 of plum* are acknowledged
drop 0
  vnode 0 is dropped
  frame 4 is on its way to segment-00001 at 139264: 1 record, 4096 bytes
  frame 4 is written to segment-00001 at 139264: 1 record, 4096 bytes
  frame 4 is durable
get pear1 pear2 pear3 pear4
  pear1 is not there
  pear2 is not there
  pear3 is not there
  pear4 is not there
put plum*100=#12K
  100 of plum* are put in group 5
  frame 5 is on its way to segment-00001 at 143360: 100 records, 1232896 bytes
  frame 5 is written to segment-00001 at 143360: 100 records, 1232896 bytes
  frame 5 is durable
  100 of plum* are acknowledged
put plum*100=#11K
  63 of plum* are put in group 6
  1 of plum* are put in group 7
  frame 6 is on its way to segment-00001 at 1376256: 63 records, 712704 bytes
  frame 6 is written to segment-00001 at 1376256: 63 records, 712704 bytes
  frame 6 is durable
  36 of plum* are put in group 7
  63 of plum* are acknowledged
  frame 7 is on its way to segment-00002 at 0: 37 records, 421888 bytes
  frame 7 is written to segment-00002 at 0: 37 records, 421888 bytes
  frame 7 is durable
  37 of plum* are acknowledged
put plum*100=#10K
  64 of plum* are put in group 8
  frame 8 is on its way to segment-00002 at 421888: 64 records, 659456 bytes
  frame 8 is written to segment-00002 at 421888: 64 records, 659456 bytes
  frame 8 is durable
  36 of plum* are put in group 9
  64 of plum* are acknowledged
  frame 9 is on its way to segment-00002 at 1081344: 36 records, 372736 bytes
  frame 9 is written to segment-00002 at 1081344: 36 records, 372736 bytes
  frame 9 is durable
  36 of plum* are acknowledged
put plum*100=#9K
  64 of plum* are put in group 10
  frame 10 is on its way to segment-00002 at 1454080: 64 records, 593920 bytes
  frame 10 is written to segment-00002 at 1454080: 64 records, 593920 bytes
  frame 10 is durable
  4 of plum* are put in group 11
  32 of plum* are put in group 12
  64 of plum* are acknowledged
  frame 11 is on its way to segment-00002 at 2048000: 4 records, 40960 bytes
  frame 12 is on its way to segment-00003 at 0: 32 records, 299008 bytes
  frame 11 is written to segment-00002 at 2048000: 4 records, 40960 bytes
  frame 12 is written to segment-00003 at 0: 32 records, 299008 bytes
  frame 11 is durable
  frame 12 is durable
  36 of plum* are acknowledged
put apple=red cherry=black grape=blue lemon=sour
  apple is put in group 13
  cherry is put in group 13
  grape is put in group 13
  lemon is put in group 13
  frame 13 is on its way to segment-00003 at 299008: 4 records, 4096 bytes
  frame 13 is written to segment-00003 at 299008: 4 records, 4096 bytes
  frame 13 is durable
  apple is acknowledged
  cherry is acknowledged
  grape is acknowledged
  lemon is acknowledged
work
  frame 14 is on its way to segment-00004 at 0: 1 record, 4096 bytes
  frame 14 is written to segment-00004 at 0: 1 record, 4096 bytes
  frame 14 is durable
  frame 15 is on its way to segment-00004 at 4096: 60 records, 741376 bytes
  frame 15 is written to segment-00004 at 4096: 60 records, 741376 bytes
  frame 15 is durable
  frame 16 is on its way to segment-00004 at 745472: 68 records, 630784 bytes
  frame 16 is written to segment-00004 at 745472: 68 records, 630784 bytes
  frame 16 is durable
segments
  segment-00000 is emptied, nothing of it live
  segment-00001 is spare, nothing of it live
  segment-00002 is spare, nothing of it live
  segment-00003 is written to, all of it live
  segment-00004 is written to, all of it live
  segment-00005 is ready, nothing of it live
  segment-00006 is ready, nothing of it live
  segment-00007 is ready, nothing of it live

# No checkpoint can be read after this, and the index is made of all that is there: pear1 and its kin
# lie where they lay, in a segment that is spare, and lemon in front of the drop.
checkpoint
kill
rot checkpoint-0000000002 100
start
  the log finds damage: checkpoint 2 cannot be read (Bad message): the index is made anew from all segments
  it is started: epoch 2, 164 records
get apple cherry grape lemon pear1 pear2 pear3 pear4
  pear1 is not there
  pear2 is not there
  pear3 is not there
  pear4 is not there
  apple is red
  cherry is black
  grape is blue
  lemon is sour
