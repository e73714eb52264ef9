# Compaction of a segment of which the disk has damaged a block, and a stop at each step of it.
#
# What is damaged and dead hinders nobody. Where it is live, all else is moved, and the segment stays
# for it: whoever asks for that record is told that it cannot be read, and not what the key had
# before, nor that it is not there. When something newer is written to it, the segment is empty.
cast log
disk segments 8
start
  it is started: epoch 1, 0 records
put apple*100=#12K
  100 of apple* are put in group 1
  frame 1 is on its way to segment-00000 at 0: 100 records, 1232896 bytes
  frame 1 is written to segment-00000 at 0: 100 records, 1232896 bytes
  frame 1 is durable
  100 of apple* are acknowledged
put pear*70=#12K
  69 of pear* are put in group 2
  1 of pear* are put in group 3
  frame 2 is on its way to segment-00000 at 1232896: 69 records, 851968 bytes
  frame 2 is written to segment-00000 at 1232896: 69 records, 851968 bytes
  frame 2 is durable
  69 of pear* are acknowledged
  frame 3 is on its way to segment-00001 at 0: 1 record, 16384 bytes
  frame 3 is written to segment-00001 at 0: 1 record, 16384 bytes
  frame 3 is durable
  1 of pear* are acknowledged
put apple*100=#10K
  64 of apple* are put in group 4
  frame 4 is on its way to segment-00001 at 16384: 64 records, 659456 bytes
  frame 4 is written to segment-00001 at 16384: 64 records, 659456 bytes
  frame 4 is durable
  36 of apple* are put in group 5
  64 of apple* are acknowledged
  frame 5 is on its way to segment-00001 at 675840: 36 records, 372736 bytes
  frame 5 is written to segment-00001 at 675840: 36 records, 372736 bytes
  frame 5 is durable
  36 of apple* are acknowledged
put pear*50=#10K
  50 of pear* are put in group 6
  frame 6 is on its way to segment-00001 at 1048576: 50 records, 516096 bytes
  frame 6 is written to segment-00001 at 1048576: 50 records, 516096 bytes
  frame 6 is durable
  50 of pear* are acknowledged

# In a dead record: what is live is moved.
rot segment-00000 100
show frames files reads uses
work, at each step power-loss nothing, then show nothing, then start, then get apple*100 pear*70
  2084864 bytes are read at 0 of segment-00000
    it is started: epoch 2, 170 records
    64 of apple* are abcd..., 10240 bytes
    36 of apple* are abcd..., 10240 bytes
    28 of pear* are abcd..., 10240 bytes
    22 of pear* are abcd..., 10240 bytes
    20 of pear* are abcd..., 12288 bytes
  segment-00002 is written to
  frame 7 is on its way to segment-00002 at 0: 19 records, 237568 bytes
  segment-00000 is emptied
  segment-00005 is made
  frame 7 is written to segment-00002 at 0: 19 records, 237568 bytes
  frame 7 is durable
  segment-00005 is given room
  segment-00005 is durable
  log is durable
  segment-00005 is being prepared
  MANIFEST.new is made
  MANIFEST.new is written
  MANIFEST.new is durable
  MANIFEST.new becomes MANIFEST
  log is durable
  segment-00005 is ready
work, at each step power-loss everything, then show nothing, then start, then get apple*100 pear*70
  2084864 bytes are read at 0 of segment-00000
    it is started: epoch 2, 170 records
    64 of apple* are abcd..., 10240 bytes
    36 of apple* are abcd..., 10240 bytes
    28 of pear* are abcd..., 10240 bytes
    22 of pear* are abcd..., 10240 bytes
    20 of pear* are abcd..., 12288 bytes
  segment-00002 is written to
  frame 7 is on its way to segment-00002 at 0: 19 records, 237568 bytes
  segment-00000 is emptied
  segment-00005 is made
  frame 7 is written to segment-00002 at 0: 19 records, 237568 bytes
  frame 7 is durable
  segment-00005 is given room
  segment-00005 is durable
  log is durable
  segment-00005 is being prepared
  MANIFEST.new is made
  MANIFEST.new is written
  MANIFEST.new is durable
  MANIFEST.new becomes MANIFEST
  log is durable
  segment-00005 is ready
work
  2084864 bytes are read at 0 of segment-00000
  segment-00002 is written to
  frame 7 is on its way to segment-00002 at 0: 19 records, 237568 bytes
  segment-00000 is emptied
  segment-00005 is made
  frame 7 is written to segment-00002 at 0: 19 records, 237568 bytes
  frame 7 is durable
  segment-00005 is given room
  segment-00005 is durable
  log is durable
  segment-00005 is being prepared
  MANIFEST.new is made
  MANIFEST.new is written
  MANIFEST.new is durable
  MANIFEST.new becomes MANIFEST
  log is durable
  segment-00005 is ready
show frames uses
checkpoint
  segment-00000 is spare
put pear*40=#9K
  40 of pear* are put in group 7
  frame 8 is on its way to segment-00001 at 1564672: 40 records, 372736 bytes
  frame 8 is written to segment-00001 at 1564672: 40 records, 372736 bytes
  frame 8 is durable
  40 of pear* are acknowledged
put apple*90=#9K
  16 of apple* are put in group 8
  48 of apple* are put in group 9
  frame 9 is on its way to segment-00001 at 1937408: 16 records, 151552 bytes
  frame 10 is on its way to segment-00003 at 0: 48 records, 446464 bytes
  segment-00000 is being prepared
  segment-00001 is sealed
  segment-00003 is written to
  frame 9 is written to segment-00001 at 1937408: 16 records, 151552 bytes
  frame 10 is written to segment-00003 at 0: 48 records, 446464 bytes
  frame 9 is durable
  frame 10 is durable
  26 of apple* are put in group 10
  64 of apple* are acknowledged
  frame 11 is on its way to segment-00003 at 446464: 26 records, 241664 bytes
  frame 11 is written to segment-00003 at 446464: 26 records, 241664 bytes
  frame 11 is durable
  26 of apple* are acknowledged
  segment-00000 is ready
put pear*40=#8K
  40 of pear* are put in group 11
  frame 12 is on its way to segment-00003 at 688128: 40 records, 331776 bytes
  frame 12 is written to segment-00003 at 688128: 40 records, 331776 bytes
  frame 12 is durable
  40 of pear* are acknowledged
segments
  segment-00000 is ready, nothing of it live
  segment-00001 is sealed, some of it live
  segment-00002 is written to, all of it live
  segment-00003 is written to, all of it live
  segment-00004 is ready, nothing of it live
  segment-00005 is ready, nothing of it live

# In a live one: the rest is moved, and the segment stays.
rot segment-00001 1490000
show frames files reads uses
work, at each step power-loss nothing, then show nothing, then start, then get apple*100 pear*70
  2088960 bytes are read at 0 of segment-00001
    it is started: epoch 2, 170 records, from checkpoint 1
    64 of apple* are abcd..., 9216 bytes
    26 of apple* are abcd..., 9216 bytes
    10 of apple* are abcd..., 10240 bytes
    28 of pear* are abcd..., 8192 bytes
    12 of pear* are abcd..., 8192 bytes
    2 of pear* are abcd..., 10240 bytes
    1 of pear* are not to be read: Bad message
    7 of pear* are abcd..., 10240 bytes
    20 of pear* are abcd..., 12288 bytes
  frame 13 is on its way to segment-00002 at 237568: 27 records, 266240 bytes
  frame 13 is written to segment-00002 at 237568: 27 records, 266240 bytes
  frame 13 is durable
work, at each step kill, then show nothing, then start, then work, then get apple*100 pear*70
  2088960 bytes are read at 0 of segment-00001
    it is started: epoch 2, 170 records, from checkpoint 1
    64 of apple* are abcd..., 9216 bytes
    26 of apple* are abcd..., 9216 bytes
    10 of apple* are abcd..., 10240 bytes
    28 of pear* are abcd..., 8192 bytes
    12 of pear* are abcd..., 8192 bytes
    2 of pear* are abcd..., 10240 bytes
    1 of pear* are not to be read: Bad message
    7 of pear* are abcd..., 10240 bytes
    20 of pear* are abcd..., 12288 bytes
  frame 13 is on its way to segment-00002 at 237568: 27 records, 266240 bytes
  frame 13 is written to segment-00002 at 237568: 27 records, 266240 bytes
  frame 13 is durable
work
  2088960 bytes are read at 0 of segment-00001
  frame 13 is on its way to segment-00002 at 237568: 27 records, 266240 bytes
  frame 13 is written to segment-00002 at 237568: 27 records, 266240 bytes
  frame 13 is durable
show frames uses
get pear*50
  40 of pear* are abcd..., 8192 bytes
  2 of pear* are abcd..., 10240 bytes
  1 of pear* are not to be read: Bad message
  7 of pear* are abcd..., 10240 bytes
segments
  segment-00000 is ready, nothing of it live
  segment-00001 is sealed, some of it live
  segment-00002 is written to, all of it live
  segment-00003 is written to, all of it live
  segment-00004 is ready, nothing of it live
  segment-00005 is ready, nothing of it live

# It is written over, and the segment goes.
put pear*70=#7K, at each step power-loss nothing, then show nothing, then start, then get pear*70
  42 of pear* are put in group 12
    it is started: epoch 2, 170 records, from checkpoint 1
    40 of pear* are abcd..., 8192 bytes
    2 of pear* are abcd..., 10240 bytes
    1 of pear* are not to be read: Bad message
    7 of pear* are abcd..., 10240 bytes
    14 of pear* are abcd..., 12288 bytes
    6 of pear* are abcd..., 12288 bytes
  the log finds damage: segment-00001 at 1480096: a record of vnode 0 that cannot be read was written over
  22 of pear* are put in group 12
  frame 14 is on its way to segment-00003 at 1019904: 64 records, 462848 bytes
  segment-00001 is emptied
  frame 14 is written to segment-00003 at 1019904: 64 records, 462848 bytes
  frame 14 is durable
    it is started: epoch 2, 170 records, from checkpoint 1
    64 of pear* are abcd..., 7168 bytes
    6 of pear* are abcd..., 12288 bytes
  6 of pear* are put in group 13
  64 of pear* are acknowledged
  frame 15 is on its way to segment-00003 at 1482752: 6 records, 45056 bytes
  frame 15 is written to segment-00003 at 1482752: 6 records, 45056 bytes
  frame 15 is durable
    it is started: epoch 2, 170 records, from checkpoint 1
    64 of pear* are abcd..., 7168 bytes
    6 of pear* are abcd..., 7168 bytes
  6 of pear* are acknowledged
put pear*70=#7K
  42 of pear* are put in group 12
  the log finds damage: segment-00001 at 1480096: a record of vnode 0 that cannot be read was written over
  22 of pear* are put in group 12
  frame 14 is on its way to segment-00003 at 1019904: 64 records, 462848 bytes
  segment-00001 is emptied
  frame 14 is written to segment-00003 at 1019904: 64 records, 462848 bytes
  frame 14 is durable
  6 of pear* are put in group 13
  64 of pear* are acknowledged
  frame 15 is on its way to segment-00003 at 1482752: 6 records, 45056 bytes
  frame 15 is written to segment-00003 at 1482752: 6 records, 45056 bytes
  frame 15 is durable
  6 of pear* are acknowledged
work
checkpoint
  segment-00001 is spare
segments
  segment-00000 is ready, nothing of it live
  segment-00001 is spare, nothing of it live
  segment-00002 is written to, some of it live
  segment-00003 is written to, some of it live
  segment-00004 is ready, nothing of it live
  segment-00005 is ready, nothing of it live
kill
start
  it is started: epoch 2, 170 records, from checkpoint 2
  segment-00005 is ready
get apple*100 pear*70
  64 of apple* are abcd..., 9216 bytes
  26 of apple* are abcd..., 9216 bytes
  10 of apple* are abcd..., 10240 bytes
  28 of pear* are abcd..., 7168 bytes
  42 of pear* are abcd..., 7168 bytes
