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
  70 of pear* are put in group 2
  frame 2 is on its way to segment-00000 at 1232896: 70 records, 864256 bytes
  frame 2 is written to segment-00000 at 1232896: 70 records, 864256 bytes
  frame 2 is durable
  70 of pear* are acknowledged
put apple*100=#10K
  64 of apple* are put in group 3
  frame 3 is on its way to segment-00001 at 0: 64 records, 659456 bytes
  frame 3 is written to segment-00001 at 0: 64 records, 659456 bytes
  frame 3 is durable
  36 of apple* are put in group 4
  64 of apple* are acknowledged
  frame 4 is on its way to segment-00001 at 659456: 36 records, 372736 bytes
  frame 4 is written to segment-00001 at 659456: 36 records, 372736 bytes
  frame 4 is durable
  36 of apple* are acknowledged
put pear*50=#10K
  50 of pear* are put in group 5
  frame 5 is on its way to segment-00001 at 1032192: 50 records, 516096 bytes
  frame 5 is written to segment-00001 at 1032192: 50 records, 516096 bytes
  frame 5 is durable
  50 of pear* are acknowledged

# In a dead record: what is live is moved.
rot segment-00000 100
show frames files reads uses
work, at each step power-loss nothing, then show nothing, then start, then get apple*100 pear*70
  2097152 bytes are read at 0 of segment-00000
    the log finds damage: frames 1 to 1 are missing or damaged
    the log finds damage: segment-00000 at 0: 1232896 bytes are damaged: 99 records in them can be read, 0 are known by their key only, and of 12320 bytes nothing is known
    it is started: epoch 2, 170 records
    64 of apple* are abcd..., 10240 bytes
    36 of apple* are abcd..., 10240 bytes
    28 of pear* are abcd..., 10240 bytes
    22 of pear* are abcd..., 10240 bytes
    20 of pear* are abcd..., 12288 bytes
  segment-00002 is written to
  frame 6 is on its way to segment-00002 at 0: 20 records, 249856 bytes
  segment-00000 is emptied
  segment-00005 is made
  frame 6 is written to segment-00002 at 0: 20 records, 249856 bytes
  frame 6 is durable
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
  2097152 bytes are read at 0 of segment-00000
    the log finds damage: frames 1 to 1 are missing or damaged
    the log finds damage: segment-00000 at 0: 1232896 bytes are damaged: 99 records in them can be read, 0 are known by their key only, and of 12320 bytes nothing is known
    it is started: epoch 2, 170 records
    64 of apple* are abcd..., 10240 bytes
    36 of apple* are abcd..., 10240 bytes
    28 of pear* are abcd..., 10240 bytes
    22 of pear* are abcd..., 10240 bytes
    20 of pear* are abcd..., 12288 bytes
  segment-00002 is written to
  frame 6 is on its way to segment-00002 at 0: 20 records, 249856 bytes
  segment-00000 is emptied
  segment-00005 is made
  frame 6 is written to segment-00002 at 0: 20 records, 249856 bytes
  frame 6 is durable
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
  2097152 bytes are read at 0 of segment-00000
  segment-00002 is written to
  frame 6 is on its way to segment-00002 at 0: 20 records, 249856 bytes
  segment-00000 is emptied
  segment-00005 is made
  frame 6 is written to segment-00002 at 0: 20 records, 249856 bytes
  frame 6 is durable
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
  40 of pear* are put in group 6
  frame 7 is on its way to segment-00001 at 1548288: 40 records, 372736 bytes
  frame 7 is written to segment-00001 at 1548288: 40 records, 372736 bytes
  frame 7 is durable
  40 of pear* are acknowledged
put apple*90=#9K
  19 of apple* are put in group 7
  45 of apple* are put in group 8
  frame 8 is on its way to segment-00001 at 1921024: 19 records, 176128 bytes
  frame 9 is on its way to segment-00003 at 0: 45 records, 417792 bytes
  segment-00000 is being prepared
  segment-00001 is sealed
  segment-00003 is written to
  frame 8 is written to segment-00001 at 1921024: 19 records, 176128 bytes
  frame 9 is written to segment-00003 at 0: 45 records, 417792 bytes
  frame 8 is durable
  frame 9 is durable
  26 of apple* are put in group 9
  64 of apple* are acknowledged
  frame 10 is on its way to segment-00003 at 417792: 26 records, 241664 bytes
  frame 10 is written to segment-00003 at 417792: 26 records, 241664 bytes
  frame 10 is durable
  26 of apple* are acknowledged
  segment-00000 is ready
put pear*40=#8K
  40 of pear* are put in group 10
  frame 11 is on its way to segment-00003 at 659456: 40 records, 331776 bytes
  frame 11 is written to segment-00003 at 659456: 40 records, 331776 bytes
  frame 11 is durable
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
  2097152 bytes are read at 0 of segment-00001
    it is started: epoch 2, 170 records, from checkpoint 1
    64 of apple* are abcd..., 9216 bytes
    26 of apple* are abcd..., 9216 bytes
    10 of apple* are abcd..., 10240 bytes
    28 of pear* are abcd..., 8192 bytes
    12 of pear* are abcd..., 8192 bytes
    4 of pear* are abcd..., 10240 bytes
    1 of pear* are not to be read: Bad message
    5 of pear* are abcd..., 10240 bytes
    20 of pear* are abcd..., 12288 bytes
  frame 12 is on its way to segment-00002 at 249856: 29 records, 282624 bytes
  frame 12 is written to segment-00002 at 249856: 29 records, 282624 bytes
  frame 12 is durable
work, at each step kill, then show nothing, then start, then work, then get apple*100 pear*70
  2097152 bytes are read at 0 of segment-00001
    it is started: epoch 2, 170 records, from checkpoint 1
    64 of apple* are abcd..., 9216 bytes
    26 of apple* are abcd..., 9216 bytes
    10 of apple* are abcd..., 10240 bytes
    28 of pear* are abcd..., 8192 bytes
    12 of pear* are abcd..., 8192 bytes
    4 of pear* are abcd..., 10240 bytes
    1 of pear* are not to be read: Bad message
    5 of pear* are abcd..., 10240 bytes
    20 of pear* are abcd..., 12288 bytes
  frame 12 is on its way to segment-00002 at 249856: 29 records, 282624 bytes
  frame 12 is written to segment-00002 at 249856: 29 records, 282624 bytes
  frame 12 is durable
work
  2097152 bytes are read at 0 of segment-00001
  frame 12 is on its way to segment-00002 at 249856: 29 records, 282624 bytes
  frame 12 is written to segment-00002 at 249856: 29 records, 282624 bytes
  frame 12 is durable
show frames uses
get pear*50
  40 of pear* are abcd..., 8192 bytes
  4 of pear* are abcd..., 10240 bytes
  1 of pear* are not to be read: Bad message
  5 of pear* are abcd..., 10240 bytes
segments
  segment-00000 is ready, nothing of it live
  segment-00001 is sealed, some of it live
  segment-00002 is written to, all of it live
  segment-00003 is written to, all of it live
  segment-00004 is ready, nothing of it live
  segment-00005 is ready, nothing of it live

# It is written over, and the segment goes.
put pear*70=#7K, at each step power-loss nothing, then show nothing, then start, then get pear*70
  44 of pear* are put in group 11
    it is started: epoch 2, 170 records, from checkpoint 1
    40 of pear* are abcd..., 8192 bytes
    4 of pear* are abcd..., 10240 bytes
    1 of pear* are not to be read: Bad message
    5 of pear* are abcd..., 10240 bytes
    14 of pear* are abcd..., 12288 bytes
    6 of pear* are abcd..., 12288 bytes
  the log finds damage: segment-00001 at 1484256: a record of vnode 0 that cannot be read was written over
  20 of pear* are put in group 11
  frame 13 is on its way to segment-00003 at 991232: 64 records, 462848 bytes
  segment-00001 is emptied
  frame 13 is written to segment-00003 at 991232: 64 records, 462848 bytes
  frame 13 is durable
    it is started: epoch 2, 170 records, from checkpoint 1
    64 of pear* are abcd..., 7168 bytes
    6 of pear* are abcd..., 12288 bytes
  6 of pear* are put in group 12
  64 of pear* are acknowledged
  frame 14 is on its way to segment-00003 at 1454080: 6 records, 45056 bytes
  frame 14 is written to segment-00003 at 1454080: 6 records, 45056 bytes
  frame 14 is durable
    it is started: epoch 2, 170 records, from checkpoint 1
    64 of pear* are abcd..., 7168 bytes
    6 of pear* are abcd..., 7168 bytes
  6 of pear* are acknowledged
put pear*70=#7K
  44 of pear* are put in group 11
  the log finds damage: segment-00001 at 1484256: a record of vnode 0 that cannot be read was written over
  20 of pear* are put in group 11
  frame 13 is on its way to segment-00003 at 991232: 64 records, 462848 bytes
  segment-00001 is emptied
  frame 13 is written to segment-00003 at 991232: 64 records, 462848 bytes
  frame 13 is durable
  6 of pear* are put in group 12
  64 of pear* are acknowledged
  frame 14 is on its way to segment-00003 at 1454080: 6 records, 45056 bytes
  frame 14 is written to segment-00003 at 1454080: 6 records, 45056 bytes
  frame 14 is durable
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
