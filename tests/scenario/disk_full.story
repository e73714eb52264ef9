# A full disk, and room again.
#
# Puts are refused before the room is gone: what compaction needs to move records, and what removals
# need, is kept. Reads and removals go on, and what they free can be used.
cast log
disk segments 6
start
  it is started: epoch 1, 0 records
put apple*80=#20K
  80 of apple* are put in group 1
  frame 1 is on its way to segment-00000 at 0: 80 records, 1642496 bytes
  frame 1 is written to segment-00000 at 0: 80 records, 1642496 bytes
  frame 1 is durable
  80 of apple* are acknowledged
put pear*80=#20K
  21 of pear* are put in group 2
  59 of pear* are put in group 3
  frame 2 is on its way to segment-00000 at 1642496: 21 records, 434176 bytes
  frame 3 is on its way to segment-00001 at 0: 59 records, 1212416 bytes
  frame 2 is written to segment-00000 at 1642496: 21 records, 434176 bytes
  frame 3 is written to segment-00001 at 0: 59 records, 1212416 bytes
  frame 2 is durable
  frame 3 is durable
  80 of pear* are acknowledged
work
put plum*80=#20K
  42 of plum* are put in group 4
  38 of plum* are put in group 5
  frame 4 is on its way to segment-00001 at 1212416: 42 records, 864256 bytes
  frame 5 is on its way to segment-00002 at 0: 38 records, 782336 bytes
  frame 4 is written to segment-00001 at 1212416: 42 records, 864256 bytes
  frame 5 is written to segment-00002 at 0: 38 records, 782336 bytes
  frame 4 is durable
  frame 5 is durable
  80 of plum* are acknowledged
put quince*80=#20K
  63 of quince* are put in group 6
  17 of quince* are not put: the disk is full
  frame 6 is on its way to segment-00002 at 782336: 63 records, 1294336 bytes
  frame 6 is written to segment-00002 at 782336: 63 records, 1294336 bytes
  frame 6 is durable
  63 of quince* are acknowledged
work
put fig*80=#20K
  80 of fig* are not put: the disk is full
work
put cherry*80=#20K
  80 of cherry* are not put: the disk is full
work

# The refused ones are as they were, also after a crash.
put apple1=red
  apple1 is put in group 7
  frame 7 is on its way to segment-00002 at 2076672: 1 record, 4096 bytes
  frame 7 is written to segment-00002 at 2076672: 1 record, 4096 bytes
  frame 7 is durable
  apple1 is acknowledged
get apple1 pear80 cherry80
  apple1 is red
  cherry80 is not there
  pear80 is abcd..., 20480 bytes
kill
start
  it is started: epoch 2, 303 records
get apple1 pear80 cherry80
  cherry80 is not there
  apple1 is red
  pear80 is abcd..., 20480 bytes

# Removals go through, and make room.
remove apple*80
  1 of apple* are removed in group 1
  frame 8 is on its way to segment-00003 at 0: 1 record, 4096 bytes
  frame 8 is written to segment-00003 at 0: 1 record, 4096 bytes
  frame 8 is durable
  64 of apple* are removed in group 2
  1 of apple* are acknowledged
  frame 9 is on its way to segment-00003 at 4096: 64 records, 4096 bytes
  frame 9 is written to segment-00003 at 4096: 64 records, 4096 bytes
  frame 9 is durable
  15 of apple* are removed in group 3
  64 of apple* are acknowledged
  frame 10 is on its way to segment-00003 at 8192: 15 records, 4096 bytes
  frame 10 is written to segment-00003 at 8192: 15 records, 4096 bytes
  frame 10 is durable
  15 of apple* are acknowledged
remove pear*80
  64 of pear* are removed in group 4
  frame 11 is on its way to segment-00003 at 12288: 64 records, 4096 bytes
  frame 11 is written to segment-00003 at 12288: 64 records, 4096 bytes
  frame 11 is durable
  16 of pear* are removed in group 5
  64 of pear* are acknowledged
  frame 12 is on its way to segment-00003 at 16384: 16 records, 4096 bytes
  frame 12 is written to segment-00003 at 16384: 16 records, 4096 bytes
  frame 12 is durable
  16 of pear* are acknowledged
work
  frame 13 is on its way to segment-00004 at 0: 42 records, 864256 bytes
  frame 13 is written to segment-00004 at 0: 42 records, 864256 bytes
  frame 13 is durable
checkpoint
work
put lime*40=#20K
  40 of lime* are put in group 6
  frame 14 is on its way to segment-00003 at 20480: 40 records, 823296 bytes
  frame 14 is written to segment-00003 at 20480: 40 records, 823296 bytes
  frame 14 is durable
  40 of lime* are acknowledged
get apple1 lime1 plum1
  apple1 is not there
  lime1 is abcd..., 20480 bytes
  plum1 is abcd..., 20480 bytes
