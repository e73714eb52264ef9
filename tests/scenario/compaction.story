# Compaction, and a stop at each step of it.
#
# A segment of which most is dead is read, and what is live of it is appended to another, the cold
# head, naming the place that it had. When those copies are durable the segment may be used anew
# where no replay would read it. At whatever step it stops, each key is there once.
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
segments
  segment-00000 is sealed, some of it live
  segment-00001 is written to, all of it live
  segment-00002 is ready, nothing of it live
  segment-00003 is ready, nothing of it live
  segment-00004 is ready, nothing of it live
show frames files reads zeroing uses

# The disk loses what it has not promised; it keeps all; it has a part of what was moved; the process
# ends.
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
  segment-00005 is zeroed
  segment-00005 is zeroed
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
  segment-00005 is zeroed
  segment-00005 is zeroed
  segment-00005 is durable
  log is durable
  segment-00005 is being prepared
  MANIFEST.new is made
  MANIFEST.new is written
  MANIFEST.new is durable
  MANIFEST.new becomes MANIFEST
  log is durable
  segment-00005 is ready
work, at each step power-loss sectors 20, then show nothing, then start, then get apple*100 pear*70
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
    the log says: the log ends with frame 6: what was written after it was torn by the stop, and is not used
    it is started: epoch 2, 170 records
    64 of apple* are abcd..., 10240 bytes
    36 of apple* are abcd..., 10240 bytes
    28 of pear* are abcd..., 10240 bytes
    22 of pear* are abcd..., 10240 bytes
    20 of pear* are abcd..., 12288 bytes
  frame 7 is durable
    it is started: epoch 2, 170 records
    64 of apple* are abcd..., 10240 bytes
    36 of apple* are abcd..., 10240 bytes
    28 of pear* are abcd..., 10240 bytes
    22 of pear* are abcd..., 10240 bytes
    20 of pear* are abcd..., 12288 bytes
  segment-00005 is given room
  segment-00005 is zeroed
  segment-00005 is zeroed
  segment-00005 is durable
  log is durable
  segment-00005 is being prepared
  MANIFEST.new is made
  MANIFEST.new is written
  MANIFEST.new is durable
  MANIFEST.new becomes MANIFEST
  log is durable
  segment-00005 is ready
work, at each step kill, then show nothing, then start, then get apple*100 pear*70
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
  segment-00005 is zeroed
  segment-00005 is zeroed
  segment-00005 is durable
  log is durable
  segment-00005 is being prepared
  MANIFEST.new is made
  MANIFEST.new is written
  MANIFEST.new is durable
  MANIFEST.new becomes MANIFEST
  log is durable
  segment-00005 is ready

# In the meantime one of the records that are moved is written anew, and one is removed.
work, at each step show nothing, then put pear60=newest, until is acknowledged, then remove pear61, until is acknowledged, then power-loss nothing, then start, then get pear60 pear61, then get pear*70
  2084864 bytes are read at 0 of segment-00000
    pear60 is put in group 7
    pear60 is acknowledged
    pear61 is removed in group 8
    pear61 is acknowledged
    it is started: epoch 2, 169 records
    pear61 is not there
    pear60 is newest
    1 of pear* are newest
    1 of pear* are not there
    50 of pear* are abcd..., 10240 bytes
    14 of pear* are abcd..., 12288 bytes
    4 of pear* are abcd..., 12288 bytes
  segment-00002 is written to
  frame 7 is on its way to segment-00002 at 0: 19 records, 237568 bytes
  segment-00000 is emptied
  segment-00005 is made
  frame 7 is written to segment-00002 at 0: 19 records, 237568 bytes
  frame 7 is durable
  segment-00005 is given room
  segment-00005 is zeroed
  segment-00005 is zeroed
  segment-00005 is durable
  log is durable
  segment-00005 is being prepared
  MANIFEST.new is made
  MANIFEST.new is written
  MANIFEST.new is durable
  MANIFEST.new becomes MANIFEST
  log is durable
  segment-00005 is ready
work, at each step show nothing, then put pear60=newest, then remove pear61, then work, then kill, then start, then get pear60 pear61, then get pear*70
  2084864 bytes are read at 0 of segment-00000
    pear60 is put in group 7
    pear60 is acknowledged
    pear61 is removed in group 8
    pear61 is acknowledged
    it is started: epoch 2, 169 records
    pear61 is not there
    pear60 is newest
    1 of pear* are newest
    1 of pear* are not there
    50 of pear* are abcd..., 10240 bytes
    14 of pear* are abcd..., 12288 bytes
    4 of pear* are abcd..., 12288 bytes
  segment-00002 is written to
  frame 7 is on its way to segment-00002 at 0: 19 records, 237568 bytes
  segment-00000 is emptied
  segment-00005 is made
  frame 7 is written to segment-00002 at 0: 19 records, 237568 bytes
  frame 7 is durable
  segment-00005 is given room
  segment-00005 is zeroed
  segment-00005 is zeroed
  segment-00005 is durable
  log is durable
  segment-00005 is being prepared
  MANIFEST.new is made
  MANIFEST.new is written
  MANIFEST.new is durable
  MANIFEST.new becomes MANIFEST
  log is durable
  segment-00005 is ready

# The segment is emptied, and when a checkpoint leads to nothing in it, it is made ready for another
# use.
work
  2084864 bytes are read at 0 of segment-00000
  segment-00002 is written to
  frame 7 is on its way to segment-00002 at 0: 19 records, 237568 bytes
  segment-00000 is emptied
  segment-00005 is made
  frame 7 is written to segment-00002 at 0: 19 records, 237568 bytes
  frame 7 is durable
  segment-00005 is given room
  segment-00005 is zeroed
  segment-00005 is zeroed
  segment-00005 is durable
  log is durable
  segment-00005 is being prepared
  MANIFEST.new is made
  MANIFEST.new is written
  MANIFEST.new is durable
  MANIFEST.new becomes MANIFEST
  log is durable
  segment-00005 is ready
show frames files uses
checkpoint
  checkpoint-0000000001 is made
  checkpoint-0000000001 is written
  checkpoint-0000000001 is written
  checkpoint-0000000001 is durable
  log is durable
  MANIFEST.new is made
  MANIFEST.new is written
  MANIFEST.new is durable
  MANIFEST.new becomes MANIFEST
  log is durable
  segment-00000 is spare
put apple*100=#11K, at each step power-loss nothing, then show nothing, then start, then get apple*100 pear*70
  46 of apple* are put in group 7
    it is started: epoch 2, 170 records, from checkpoint 1
    64 of apple* are abcd..., 10240 bytes
    36 of apple* are abcd..., 10240 bytes
    28 of pear* are abcd..., 10240 bytes
    22 of pear* are abcd..., 10240 bytes
    20 of pear* are abcd..., 12288 bytes
  18 of apple* are put in group 8
  frame 8 is on its way to segment-00001 at 1564672: 46 records, 520192 bytes
  segment-00000 is being prepared
  segment-00001 is sealed
  segment-00003 is written to
  MANIFEST.new is made
  frame 8 is written to segment-00001 at 1564672: 46 records, 520192 bytes
  frame 8 is durable
    it is started: epoch 2, 170 records, from checkpoint 1
    46 of apple* are abcd..., 11264 bytes
    18 of apple* are abcd..., 10240 bytes
    36 of apple* are abcd..., 10240 bytes
    28 of pear* are abcd..., 10240 bytes
    22 of pear* are abcd..., 10240 bytes
    20 of pear* are abcd..., 12288 bytes
  36 of apple* are put in group 8
  46 of apple* are acknowledged
  frame 9 is on its way to segment-00003 at 0: 54 records, 610304 bytes
  MANIFEST.new is written
  segment-00001 is written
  frame 9 is written to segment-00003 at 0: 54 records, 610304 bytes
  frame 9 is durable
    it is started: epoch 2, 170 records, from checkpoint 1
    64 of apple* are abcd..., 11264 bytes
    36 of apple* are abcd..., 11264 bytes
    28 of pear* are abcd..., 10240 bytes
    22 of pear* are abcd..., 10240 bytes
    20 of pear* are abcd..., 12288 bytes
  54 of apple* are acknowledged
  MANIFEST.new is durable
  segment-00001 is durable
  segment-00001 is written
  MANIFEST.new becomes MANIFEST
  log is durable
  segment-00000 is ready
put apple*100=#11K, at each step power-loss everything, then show nothing, then start, then get apple*100 pear*70
  46 of apple* are put in group 7
    it is started: epoch 2, 170 records, from checkpoint 1
    64 of apple* are abcd..., 10240 bytes
    36 of apple* are abcd..., 10240 bytes
    28 of pear* are abcd..., 10240 bytes
    22 of pear* are abcd..., 10240 bytes
    20 of pear* are abcd..., 12288 bytes
  18 of apple* are put in group 8
  frame 8 is on its way to segment-00001 at 1564672: 46 records, 520192 bytes
  segment-00000 is being prepared
  segment-00001 is sealed
  segment-00003 is written to
  MANIFEST.new is made
  frame 8 is written to segment-00001 at 1564672: 46 records, 520192 bytes
    it is started: epoch 2, 170 records, from checkpoint 1
    46 of apple* are abcd..., 11264 bytes
    18 of apple* are abcd..., 10240 bytes
    36 of apple* are abcd..., 10240 bytes
    28 of pear* are abcd..., 10240 bytes
    22 of pear* are abcd..., 10240 bytes
    20 of pear* are abcd..., 12288 bytes
  frame 8 is durable
  36 of apple* are put in group 8
  46 of apple* are acknowledged
  frame 9 is on its way to segment-00003 at 0: 54 records, 610304 bytes
  MANIFEST.new is written
  segment-00001 is written
  frame 9 is written to segment-00003 at 0: 54 records, 610304 bytes
    it is started: epoch 2, 170 records, from checkpoint 1
    64 of apple* are abcd..., 11264 bytes
    36 of apple* are abcd..., 11264 bytes
    28 of pear* are abcd..., 10240 bytes
    22 of pear* are abcd..., 10240 bytes
    20 of pear* are abcd..., 12288 bytes
  frame 9 is durable
  54 of apple* are acknowledged
  MANIFEST.new is durable
  segment-00001 is durable
  segment-00001 is written
  MANIFEST.new becomes MANIFEST
  log is durable
  segment-00000 is ready
put apple*100=#11K
  46 of apple* are put in group 7
  18 of apple* are put in group 8
  frame 8 is on its way to segment-00001 at 1564672: 46 records, 520192 bytes
  segment-00000 is being prepared
  segment-00001 is sealed
  segment-00003 is written to
  MANIFEST.new is made
  frame 8 is written to segment-00001 at 1564672: 46 records, 520192 bytes
  frame 8 is durable
  36 of apple* are put in group 8
  46 of apple* are acknowledged
  frame 9 is on its way to segment-00003 at 0: 54 records, 610304 bytes
  MANIFEST.new is written
  segment-00001 is written
  frame 9 is written to segment-00003 at 0: 54 records, 610304 bytes
  frame 9 is durable
  54 of apple* are acknowledged
  MANIFEST.new is durable
  segment-00001 is durable
  segment-00001 is written
  MANIFEST.new becomes MANIFEST
  log is durable
  segment-00000 is ready
segments
  segment-00000 is ready, nothing of it live
  segment-00001 is sealed, some of it live
  segment-00002 is written to, all of it live
  segment-00003 is written to, all of it live
  segment-00004 is ready, nothing of it live
  segment-00005 is ready, nothing of it live

# It is written to, over what it held, which no start takes for anything any more.
put apple*100=#12K
  64 of apple* are put in group 9
  frame 10 is on its way to segment-00003 at 610304: 64 records, 790528 bytes
  frame 10 is written to segment-00003 at 610304: 64 records, 790528 bytes
  frame 10 is durable
  36 of apple* are put in group 10
  64 of apple* are acknowledged
  frame 11 is on its way to segment-00003 at 1400832: 36 records, 446464 bytes
  frame 11 is written to segment-00003 at 1400832: 36 records, 446464 bytes
  frame 11 is durable
  36 of apple* are acknowledged
put apple*100=#13K, at each step power-loss nothing, then show nothing, then start, then get apple*100 pear*70
  18 of apple* are put in group 11
    it is started: epoch 2, 170 records, from checkpoint 1
    64 of apple* are abcd..., 12288 bytes
    36 of apple* are abcd..., 12288 bytes
    28 of pear* are abcd..., 10240 bytes
    22 of pear* are abcd..., 10240 bytes
    20 of pear* are abcd..., 12288 bytes
  46 of apple* are put in group 12
  frame 12 is on its way to segment-00003 at 1847296: 18 records, 241664 bytes
  frame 13 is on its way to segment-00000 at 0: 46 records, 614400 bytes
  segment-00000 is written to
  segment-00003 is sealed
  segment-00006 is made
  frame 12 is written to segment-00003 at 1847296: 18 records, 241664 bytes
  frame 13 is written to segment-00000 at 0: 46 records, 614400 bytes
  frame 12 is durable
    it is started: epoch 2, 170 records, from checkpoint 1
    18 of apple* are abcd..., 13312 bytes
    46 of apple* are abcd..., 12288 bytes
    36 of apple* are abcd..., 12288 bytes
    28 of pear* are abcd..., 10240 bytes
    22 of pear* are abcd..., 10240 bytes
    20 of pear* are abcd..., 12288 bytes
  frame 13 is durable
    it is started: epoch 2, 170 records, from checkpoint 1
    64 of apple* are abcd..., 13312 bytes
    36 of apple* are abcd..., 12288 bytes
    28 of pear* are abcd..., 10240 bytes
    22 of pear* are abcd..., 10240 bytes
    20 of pear* are abcd..., 12288 bytes
  36 of apple* are put in group 13
  64 of apple* are acknowledged
  frame 14 is on its way to segment-00000 at 614400: 36 records, 483328 bytes
  segment-00006 is given room
  segment-00003 is written
  frame 14 is written to segment-00000 at 614400: 36 records, 483328 bytes
  frame 14 is durable
    it is started: epoch 2, 170 records, from checkpoint 1
    64 of apple* are abcd..., 13312 bytes
    36 of apple* are abcd..., 13312 bytes
    28 of pear* are abcd..., 10240 bytes
    22 of pear* are abcd..., 10240 bytes
    20 of pear* are abcd..., 12288 bytes
  36 of apple* are acknowledged
  segment-00003 is durable
  segment-00003 is written
  segment-00006 is durable
  log is durable
  segment-00006 is being prepared
  MANIFEST.new is made
  MANIFEST.new is written
  MANIFEST.new is durable
  MANIFEST.new becomes MANIFEST
  log is durable
  segment-00006 is ready
put apple*100=#13K, at each step power-loss sectors 20, then show nothing, then start, then get apple*100 pear*70
  18 of apple* are put in group 11
    it is started: epoch 2, 170 records, from checkpoint 1
    64 of apple* are abcd..., 12288 bytes
    36 of apple* are abcd..., 12288 bytes
    28 of pear* are abcd..., 10240 bytes
    22 of pear* are abcd..., 10240 bytes
    20 of pear* are abcd..., 12288 bytes
  46 of apple* are put in group 12
  frame 12 is on its way to segment-00003 at 1847296: 18 records, 241664 bytes
  frame 13 is on its way to segment-00000 at 0: 46 records, 614400 bytes
  segment-00000 is written to
  segment-00003 is sealed
  segment-00006 is made
  frame 12 is written to segment-00003 at 1847296: 18 records, 241664 bytes
    the log says: the log ends with frame 11: what was written after it was torn by the stop, and is not used
    it is started: epoch 2, 170 records, from checkpoint 1
    64 of apple* are abcd..., 12288 bytes
    36 of apple* are abcd..., 12288 bytes
    28 of pear* are abcd..., 10240 bytes
    22 of pear* are abcd..., 10240 bytes
    20 of pear* are abcd..., 12288 bytes
  frame 13 is written to segment-00000 at 0: 46 records, 614400 bytes
  frame 12 is durable
    the log says: the log ends with frame 12: what was written after it was torn by the stop, and is not used
    it is started: epoch 2, 170 records, from checkpoint 1
    18 of apple* are abcd..., 13312 bytes
    46 of apple* are abcd..., 12288 bytes
    36 of apple* are abcd..., 12288 bytes
    28 of pear* are abcd..., 10240 bytes
    22 of pear* are abcd..., 10240 bytes
    20 of pear* are abcd..., 12288 bytes
  frame 13 is durable
    it is started: epoch 2, 170 records, from checkpoint 1
    64 of apple* are abcd..., 13312 bytes
    36 of apple* are abcd..., 12288 bytes
    28 of pear* are abcd..., 10240 bytes
    22 of pear* are abcd..., 10240 bytes
    20 of pear* are abcd..., 12288 bytes
  36 of apple* are put in group 13
  64 of apple* are acknowledged
  frame 14 is on its way to segment-00000 at 614400: 36 records, 483328 bytes
  segment-00006 is given room
  segment-00003 is written
  frame 14 is written to segment-00000 at 614400: 36 records, 483328 bytes
    the log says: the log ends with frame 13: what was written after it was torn by the stop, and is not used
    it is started: epoch 2, 170 records, from checkpoint 1
    64 of apple* are abcd..., 13312 bytes
    36 of apple* are abcd..., 12288 bytes
    28 of pear* are abcd..., 10240 bytes
    22 of pear* are abcd..., 10240 bytes
    20 of pear* are abcd..., 12288 bytes
  frame 14 is durable
    it is started: epoch 2, 170 records, from checkpoint 1
    64 of apple* are abcd..., 13312 bytes
    36 of apple* are abcd..., 13312 bytes
    28 of pear* are abcd..., 10240 bytes
    22 of pear* are abcd..., 10240 bytes
    20 of pear* are abcd..., 12288 bytes
  36 of apple* are acknowledged
  segment-00003 is durable
  segment-00003 is written
  segment-00006 is durable
  log is durable
  segment-00006 is being prepared
  MANIFEST.new is made
  MANIFEST.new is written
  MANIFEST.new is durable
  MANIFEST.new becomes MANIFEST
  log is durable
  segment-00006 is ready
put apple*100=#13K, at each step kill, then show nothing, then start, then get apple*100 pear*70
  18 of apple* are put in group 11
    it is started: epoch 2, 170 records, from checkpoint 1
    64 of apple* are abcd..., 12288 bytes
    36 of apple* are abcd..., 12288 bytes
    28 of pear* are abcd..., 10240 bytes
    22 of pear* are abcd..., 10240 bytes
    20 of pear* are abcd..., 12288 bytes
  46 of apple* are put in group 12
  frame 12 is on its way to segment-00003 at 1847296: 18 records, 241664 bytes
  frame 13 is on its way to segment-00000 at 0: 46 records, 614400 bytes
  segment-00000 is written to
  segment-00003 is sealed
  segment-00006 is made
  frame 12 is written to segment-00003 at 1847296: 18 records, 241664 bytes
    it is started: epoch 2, 170 records, from checkpoint 1
    18 of apple* are abcd..., 13312 bytes
    46 of apple* are abcd..., 12288 bytes
    36 of apple* are abcd..., 12288 bytes
    28 of pear* are abcd..., 10240 bytes
    22 of pear* are abcd..., 10240 bytes
    20 of pear* are abcd..., 12288 bytes
  frame 13 is written to segment-00000 at 0: 46 records, 614400 bytes
    it is started: epoch 2, 170 records, from checkpoint 1
    64 of apple* are abcd..., 13312 bytes
    36 of apple* are abcd..., 12288 bytes
    28 of pear* are abcd..., 10240 bytes
    22 of pear* are abcd..., 10240 bytes
    20 of pear* are abcd..., 12288 bytes
  frame 12 is durable
  frame 13 is durable
  36 of apple* are put in group 13
  64 of apple* are acknowledged
  frame 14 is on its way to segment-00000 at 614400: 36 records, 483328 bytes
  segment-00006 is given room
  segment-00003 is written
  frame 14 is written to segment-00000 at 614400: 36 records, 483328 bytes
    it is started: epoch 2, 170 records, from checkpoint 1
    64 of apple* are abcd..., 13312 bytes
    36 of apple* are abcd..., 13312 bytes
    28 of pear* are abcd..., 10240 bytes
    22 of pear* are abcd..., 10240 bytes
    20 of pear* are abcd..., 12288 bytes
  frame 14 is durable
  36 of apple* are acknowledged
  segment-00003 is durable
  segment-00003 is written
  segment-00006 is durable
  log is durable
  segment-00006 is being prepared
  MANIFEST.new is made
  MANIFEST.new is written
  MANIFEST.new is durable
  MANIFEST.new becomes MANIFEST
  log is durable
  segment-00006 is ready
put apple*100=#13K
  18 of apple* are put in group 11
  46 of apple* are put in group 12
  frame 12 is on its way to segment-00003 at 1847296: 18 records, 241664 bytes
  frame 13 is on its way to segment-00000 at 0: 46 records, 614400 bytes
  segment-00000 is written to
  segment-00003 is sealed
  segment-00006 is made
  frame 12 is written to segment-00003 at 1847296: 18 records, 241664 bytes
  frame 13 is written to segment-00000 at 0: 46 records, 614400 bytes
  frame 12 is durable
  frame 13 is durable
  36 of apple* are put in group 13
  64 of apple* are acknowledged
  frame 14 is on its way to segment-00000 at 614400: 36 records, 483328 bytes
  segment-00006 is given room
  segment-00003 is written
  frame 14 is written to segment-00000 at 614400: 36 records, 483328 bytes
  frame 14 is durable
  36 of apple* are acknowledged
  segment-00003 is durable
  segment-00003 is written
  segment-00006 is durable
  log is durable
  segment-00006 is being prepared
  MANIFEST.new is made
  MANIFEST.new is written
  MANIFEST.new is durable
  MANIFEST.new becomes MANIFEST
  log is durable
  segment-00006 is ready
segments
  segment-00000 is written to, all of it live
  segment-00001 is sealed, some of it live
  segment-00002 is written to, all of it live
  segment-00003 is sealed, some of it live
  segment-00004 is ready, nothing of it live
  segment-00005 is ready, nothing of it live
  segment-00006 is ready, nothing of it live

# Of the next one a checkpoint has all frames when it is emptied. So it takes no other: it is spare
# when what was moved out of it is durable, and not before.
show frames
checkpoint
  frame 15 is on its way to segment-00002 at 237568: 51 records, 528384 bytes
  frame 15 is written to segment-00002 at 237568: 51 records, 528384 bytes
  frame 15 is durable
  frame 16 is on its way to segment-00002 at 765952: 18 records, 241664 bytes
  frame 16 is written to segment-00002 at 765952: 18 records, 241664 bytes
  frame 16 is durable
put apple*100=#12K
  64 of apple* are put in group 14
  frame 17 is on its way to segment-00000 at 1097728: 64 records, 790528 bytes
  frame 17 is written to segment-00000 at 1097728: 64 records, 790528 bytes
  frame 17 is durable
  16 of apple* are put in group 15
  20 of apple* are put in group 16
  64 of apple* are acknowledged
  frame 18 is on its way to segment-00000 at 1888256: 16 records, 200704 bytes
  frame 18 is written to segment-00000 at 1888256: 16 records, 200704 bytes
  frame 18 is durable
  16 of apple* are acknowledged
  frame 19 is on its way to segment-00004 at 0: 20 records, 249856 bytes
  frame 19 is written to segment-00004 at 0: 20 records, 249856 bytes
  frame 19 is durable
  20 of apple* are acknowledged
checkpoint
put apple*78=#9K
  64 of apple* are put in group 17
  frame 20 is on its way to segment-00004 at 249856: 64 records, 593920 bytes
  frame 20 is written to segment-00004 at 249856: 64 records, 593920 bytes
  frame 20 is durable
  14 of apple* are put in group 18
  64 of apple* are acknowledged
  frame 21 is on its way to segment-00004 at 843776: 14 records, 131072 bytes
  frame 21 is written to segment-00004 at 843776: 14 records, 131072 bytes
  frame 21 is durable
  14 of apple* are acknowledged
segments
  segment-00000 is sealed, some of it live
  segment-00001 is ready, nothing of it live
  segment-00002 is written to, some of it live
  segment-00003 is spare, nothing of it live
  segment-00004 is written to, all of it live
  segment-00005 is ready, nothing of it live
  segment-00006 is ready, nothing of it live
show frames files reads uses
work, at each step power-loss nothing, then show nothing, then start, then get apple*100 pear*70
  2088960 bytes are read at 0 of segment-00000
    it is started: epoch 2, 170 records, from checkpoint 3
    64 of apple* are abcd..., 9216 bytes
    14 of apple* are abcd..., 9216 bytes
    22 of apple* are abcd..., 12288 bytes
    28 of pear* are abcd..., 10240 bytes
    22 of pear* are abcd..., 10240 bytes
    20 of pear* are abcd..., 12288 bytes
  frame 22 is on its way to segment-00002 at 1007616: 2 records, 28672 bytes
  segment-00000 is emptied
  frame 22 is written to segment-00002 at 1007616: 2 records, 28672 bytes
  frame 22 is durable
  segment-00000 is spare
work
  2088960 bytes are read at 0 of segment-00000
  frame 22 is on its way to segment-00002 at 1007616: 2 records, 28672 bytes
  segment-00000 is emptied
  frame 22 is written to segment-00002 at 1007616: 2 records, 28672 bytes
  frame 22 is durable
  segment-00000 is spare
