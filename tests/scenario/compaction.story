# Compaction, and a stop at each step of it.
#
# A segment of which most is dead is read, and what is live of it is appended to another, the cold
# head, naming the place that it had. When those copies are durable the segment is given up, and
# may be used anew where no replay would read it. At whatever step it stops, each key is there once.
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
segments
  segment-00000 is sealed, some of it live
  segment-00001 is written to, all of it live
  segment-00002 is ready, nothing of it live
  segment-00003 is ready, nothing of it live
  segment-00004 is ready, nothing of it live

# The victim is read.
show frames reads
work, until are read
  2097152 bytes are read at 0 of segment-00000
power-loss everything
start
  it is started: epoch 2, 170 records
show frames
get apple*100
  64 of apple* are abcd..., 10240 bytes
  36 of apple* are abcd..., 10240 bytes
get pear*70
  50 of pear* are abcd..., 10240 bytes
  14 of pear* are abcd..., 12288 bytes
  6 of pear* are abcd..., 12288 bytes

# What was moved is on its way, and the disk loses it.
work, until is written
  frame 6 is on its way to segment-00002 at 0: 20 records, 249856 bytes
  frame 6 is written to segment-00002 at 0: 20 records, 249856 bytes
power-loss nothing
start
  it is started: epoch 3, 170 records
get apple*100
  64 of apple* are abcd..., 10240 bytes
  36 of apple* are abcd..., 10240 bytes

# Or it is torn.
work, until is written
  frame 6 is on its way to segment-00002 at 0: 20 records, 249856 bytes
  frame 6 is written to segment-00002 at 0: 20 records, 249856 bytes
power-loss sectors 20
start
  the log says: the log ends with frame 5: what was written after it was torn by the stop, and is not used
  it is started: epoch 4, 170 records
get apple*100
  64 of apple* are abcd..., 10240 bytes
  36 of apple* are abcd..., 10240 bytes

# Or it is there, and the segment it came from as well: the copies name what they replace.
work, until is written
  frame 6 is on its way to segment-00002 at 0: 20 records, 249856 bytes
  frame 6 is written to segment-00002 at 0: 20 records, 249856 bytes
power-loss everything
start
  it is started: epoch 5, 170 records
get apple*100
  64 of apple* are abcd..., 10240 bytes
  36 of apple* are abcd..., 10240 bytes

# Once more, until it is through. What was given up is spare.
put pear*70=#10K
  64 of pear* are put in group 1
  frame 7 is on its way to segment-00003 at 0: 64 records, 659456 bytes
  frame 7 is written to segment-00003 at 0: 64 records, 659456 bytes
  frame 7 is durable
  6 of pear* are put in group 2
  64 of pear* are acknowledged
  frame 8 is on its way to segment-00003 at 659456: 6 records, 65536 bytes
  frame 8 is written to segment-00003 at 659456: 6 records, 65536 bytes
  frame 8 is durable
  6 of pear* are acknowledged
put apple*100=#9K
  64 of apple* are put in group 3
  frame 9 is on its way to segment-00003 at 724992: 64 records, 593920 bytes
  frame 9 is written to segment-00003 at 724992: 64 records, 593920 bytes
  frame 9 is durable
  36 of apple* are put in group 4
  64 of apple* are acknowledged
  frame 10 is on its way to segment-00003 at 1318912: 36 records, 335872 bytes
  frame 10 is written to segment-00003 at 1318912: 36 records, 335872 bytes
  frame 10 is durable
  36 of apple* are acknowledged
work
segments
  segment-00000 is emptied, nothing of it live
  segment-00001 is emptied, nothing of it live
  segment-00002 is emptied, nothing of it live
  segment-00003 is written to, all of it live
  segment-00004 is ready, nothing of it live
  segment-00005 is ready, nothing of it live
  segment-00006 is ready, nothing of it live
power-loss nothing
start
  it is started: epoch 6, 170 records
get apple*100
  64 of apple* are abcd..., 9216 bytes
  36 of apple* are abcd..., 9216 bytes
get pear*70
  64 of pear* are abcd..., 10240 bytes
  6 of pear* are abcd..., 10240 bytes
checkpoint
work
segments
  segment-00000 is spare, nothing of it live
  segment-00001 is spare, nothing of it live
  segment-00002 is spare, nothing of it live
  segment-00003 is sealed, all of it live
  segment-00004 is ready, nothing of it live
  segment-00005 is ready, nothing of it live
  segment-00006 is ready, nothing of it live
