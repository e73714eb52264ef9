# Removals in a segment that compaction could not read.
#
# All of a segment is dead but for a removal, which has to stay, since the record that it took away is
# still there: compaction is to move it. The disk fails to read the segment. What was in it is not
# known then, so it is not given up: else it would be used anew, and a recovery that has lost the
# checkpoint and reads the old record would bring the key back.
cast log
disk segments 16
start
  it is started: epoch 1, 0 records
put apple=red pear*160=#12K
  apple is put in group 1
  160 of pear* are put in group 1
  frame 1 is on its way to segment-00000 at 0: 161 records, 1974272 bytes
  frame 1 is written to segment-00000 at 0: 161 records, 1974272 bytes
  frame 1 is durable
  apple is acknowledged
  160 of pear* are acknowledged
put plum*100=#12K
  9 of plum* are put in group 2
  91 of plum* are put in group 3
  frame 2 is on its way to segment-00000 at 1974272: 9 records, 114688 bytes
  frame 3 is on its way to segment-00001 at 0: 91 records, 1122304 bytes
  frame 2 is written to segment-00000 at 1974272: 9 records, 114688 bytes
  frame 3 is written to segment-00001 at 0: 91 records, 1122304 bytes
  frame 2 is durable
  frame 3 is durable
  100 of plum* are acknowledged
remove apple
  apple is removed in group 4
  frame 4 is on its way to segment-00001 at 1122304: 1 record, 4096 bytes
  frame 4 is written to segment-00001 at 1122304: 1 record, 4096 bytes
  frame 4 is durable
  apple is acknowledged
put plum*100=#11K
  64 of plum* are put in group 5
  frame 5 is on its way to segment-00001 at 1126400: 64 records, 724992 bytes
  frame 5 is written to segment-00001 at 1126400: 64 records, 724992 bytes
  frame 5 is durable
  21 of plum* are put in group 6
  15 of plum* are put in group 7
  64 of plum* are acknowledged
  frame 6 is on its way to segment-00001 at 1851392: 21 records, 237568 bytes
  frame 6 is written to segment-00001 at 1851392: 21 records, 237568 bytes
  frame 6 is durable
  21 of plum* are acknowledged
  frame 7 is on its way to segment-00002 at 0: 15 records, 172032 bytes
  frame 7 is written to segment-00002 at 0: 15 records, 172032 bytes
  frame 7 is durable
  15 of plum* are acknowledged
put plum*100=#10K
  64 of plum* are put in group 8
  frame 8 is on its way to segment-00002 at 172032: 64 records, 659456 bytes
  frame 8 is written to segment-00002 at 172032: 64 records, 659456 bytes
  frame 8 is durable
  36 of plum* are put in group 9
  64 of plum* are acknowledged
  frame 9 is on its way to segment-00002 at 831488: 36 records, 372736 bytes
  frame 9 is written to segment-00002 at 831488: 36 records, 372736 bytes
  frame 9 is durable
  36 of plum* are acknowledged
put plum*40=#10K
  40 of plum* are put in group 10
  frame 10 is on its way to segment-00002 at 1204224: 40 records, 413696 bytes
  frame 10 is written to segment-00002 at 1204224: 40 records, 413696 bytes
  frame 10 is durable
  40 of plum* are acknowledged
segments
  segment-00000 is sealed, some of it live
  segment-00001 is sealed, nothing of it live
  segment-00002 is written to, some of it live
  segment-00003 is ready, nothing of it live
  segment-00004 is ready, nothing of it live
  segment-00005 is ready, nothing of it live
disk fails read EIO
work
  segment-00001: read fails: Input/output error
disk works
segments
  segment-00000 is sealed, some of it live
  segment-00001 is sealed, nothing of it live
  segment-00002 is written to, some of it live
  segment-00003 is ready, nothing of it live
  segment-00004 is ready, nothing of it live
  segment-00005 is ready, nothing of it live
checkpoint
work
put cherry*160=#12K
  38 of cherry* are put in group 11
  122 of cherry* are put in group 12
  frame 11 is on its way to segment-00002 at 1617920: 38 records, 471040 bytes
  frame 12 is on its way to segment-00003 at 0: 122 records, 1503232 bytes
  frame 11 is written to segment-00002 at 1617920: 38 records, 471040 bytes
  frame 12 is written to segment-00003 at 0: 122 records, 1503232 bytes
  frame 11 is durable
  frame 12 is durable
  160 of cherry* are acknowledged
put cherry*160=#12K
  47 of cherry* are put in group 13
  17 of cherry* are put in group 14
  frame 13 is on its way to segment-00003 at 1503232: 47 records, 581632 bytes
  frame 13 is written to segment-00003 at 1503232: 47 records, 581632 bytes
  frame 13 is durable
  64 of cherry* are put in group 14
  47 of cherry* are acknowledged
  frame 14 is on its way to segment-00004 at 0: 81 records, 999424 bytes
  frame 14 is written to segment-00004 at 0: 81 records, 999424 bytes
  frame 14 is durable
  32 of cherry* are put in group 15
  81 of cherry* are acknowledged
  frame 15 is on its way to segment-00004 at 999424: 32 records, 397312 bytes
  frame 15 is written to segment-00004 at 999424: 32 records, 397312 bytes
  frame 15 is durable
  32 of cherry* are acknowledged
work
checkpoint
segments
  segment-00000 is sealed, some of it live
  segment-00001 is sealed, nothing of it live
  segment-00002 is sealed, some of it live
  segment-00003 is sealed, some of it live
  segment-00004 is written to, all of it live
  segment-00005 is ready, nothing of it live
  segment-00006 is ready, nothing of it live
  segment-00007 is ready, nothing of it live
kill
rot checkpoint-0000000002 100
start
  the log finds damage: checkpoint 2 cannot be read (Bad message): the index is made anew from all segments
  it is started: epoch 2, 420 records
get apple
  apple is not there
get pear*160
  64 of pear* are abcd..., 12288 bytes
  64 of pear* are abcd..., 12288 bytes
  32 of pear* are abcd..., 12288 bytes
get plum*100
  64 of plum* are abcd..., 10240 bytes
  36 of plum* are abcd..., 10240 bytes
