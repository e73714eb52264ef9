# A checkpoint, and a stop at each step of it.
#
# The index goes to a file of its own, slice by slice, while clients go on; it counts from the
# moment on at which the MANIFEST that names it is durable, and the one before it is removed after
# that. A start takes the one that counts, and replays what came after it; whatever there is of
# another does no harm.
cast log
start
  it is started: epoch 1, 0 records
put apple*50=#400
  50 of apple* are put in group 1
  frame 1 is on its way to segment-00000 at 0: 50 records, 24576 bytes
  frame 1 is written to segment-00000 at 0: 50 records, 24576 bytes
  frame 1 is durable
  50 of apple* are acknowledged
show files

# The first one. The disk loses all that it has not promised to keep.
checkpoint, at each step power-loss nothing, then start, then get apple*50
  checkpoint-0000000001 is made
    it is started: epoch 2, 50 records
    50 of apple* are abcd..., 400 bytes
  checkpoint-0000000001 is written
  checkpoint-0000000001 is written
  checkpoint-0000000001 is durable
  log is durable
  MANIFEST.new is made
  MANIFEST.new is written
  MANIFEST.new is durable
  MANIFEST.new becomes MANIFEST
  log is durable
    it is started: epoch 2, 50 records, from checkpoint 1
    50 of apple* are abcd..., 400 bytes

# It keeps all; or the process ends, and the machine goes on.
checkpoint, at each step power-loss everything, then start, then get apple*50
  checkpoint-0000000001 is made
    it is started: epoch 2, 50 records
    50 of apple* are abcd..., 400 bytes
  checkpoint-0000000001 is written
  checkpoint-0000000001 is written
  checkpoint-0000000001 is durable
  log is durable
  MANIFEST.new is made
  MANIFEST.new is written
  MANIFEST.new is durable
  MANIFEST.new becomes MANIFEST
    it is started: epoch 2, 50 records, from checkpoint 1
    50 of apple* are abcd..., 400 bytes
  log is durable
checkpoint, at each step kill, then start, then get apple*50
  checkpoint-0000000001 is made
    it is started: epoch 2, 50 records
    50 of apple* are abcd..., 400 bytes
  checkpoint-0000000001 is written
  checkpoint-0000000001 is written
  checkpoint-0000000001 is durable
  log is durable
  MANIFEST.new is made
  MANIFEST.new is written
  MANIFEST.new is durable
  MANIFEST.new becomes MANIFEST
    it is started: epoch 2, 50 records, from checkpoint 1
    50 of apple* are abcd..., 400 bytes
  log is durable

# It keeps the names of files, and not what is in them.
checkpoint, at each step power-loss names, then start, then get apple*50
  checkpoint-0000000001 is made
    it is started: epoch 2, 50 records
    50 of apple* are abcd..., 400 bytes
  checkpoint-0000000001 is written
  checkpoint-0000000001 is written
  checkpoint-0000000001 is durable
  log is durable
  MANIFEST.new is made
  MANIFEST.new is written
  MANIFEST.new is durable
  MANIFEST.new becomes MANIFEST
    it is started: epoch 2, 50 records, from checkpoint 1
    50 of apple* are abcd..., 400 bytes
  log is durable

# The second one, after which the first is removed. Some records are newer than that one.
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
show frames
put apple*20=#300
  20 of apple* are put in group 2
  frame 2 is on its way to segment-00000 at 24576: 20 records, 8192 bytes
  frame 2 is written to segment-00000 at 24576: 20 records, 8192 bytes
  frame 2 is durable
  20 of apple* are acknowledged
show files
checkpoint, at each step power-loss nothing, then start, then get apple*50
  checkpoint-0000000002 is made
    it is started: epoch 2, 50 records, from checkpoint 1
    20 of apple* are abcd..., 300 bytes
    30 of apple* are abcd..., 400 bytes
  checkpoint-0000000002 is written
  checkpoint-0000000002 is written
  checkpoint-0000000002 is durable
  log is durable
  MANIFEST.new is made
  MANIFEST.new is written
  MANIFEST.new is durable
  MANIFEST.new becomes MANIFEST
  log is durable
    it is started: epoch 2, 50 records, from checkpoint 2
    20 of apple* are abcd..., 300 bytes
    30 of apple* are abcd..., 400 bytes
  checkpoint-0000000001 is removed
checkpoint, at each step power-loss everything, then start, then get apple*50
  checkpoint-0000000002 is made
    it is started: epoch 2, 50 records, from checkpoint 1
    20 of apple* are abcd..., 300 bytes
    30 of apple* are abcd..., 400 bytes
  checkpoint-0000000002 is written
  checkpoint-0000000002 is written
  checkpoint-0000000002 is durable
  log is durable
  MANIFEST.new is made
  MANIFEST.new is written
  MANIFEST.new is durable
  MANIFEST.new becomes MANIFEST
    it is started: epoch 2, 50 records, from checkpoint 2
    20 of apple* are abcd..., 300 bytes
    30 of apple* are abcd..., 400 bytes
  log is durable
  checkpoint-0000000001 is removed
checkpoint, at each step kill, then start, then get apple*50
  checkpoint-0000000002 is made
    it is started: epoch 2, 50 records, from checkpoint 1
    20 of apple* are abcd..., 300 bytes
    30 of apple* are abcd..., 400 bytes
  checkpoint-0000000002 is written
  checkpoint-0000000002 is written
  checkpoint-0000000002 is durable
  log is durable
  MANIFEST.new is made
  MANIFEST.new is written
  MANIFEST.new is durable
  MANIFEST.new becomes MANIFEST
    it is started: epoch 2, 50 records, from checkpoint 2
    20 of apple* are abcd..., 300 bytes
    30 of apple* are abcd..., 400 bytes
  log is durable
  checkpoint-0000000001 is removed
checkpoint, at each step power-loss names, then start, then get apple*50
  checkpoint-0000000002 is made
    it is started: epoch 2, 50 records, from checkpoint 1
    20 of apple* are abcd..., 300 bytes
    30 of apple* are abcd..., 400 bytes
  checkpoint-0000000002 is written
  checkpoint-0000000002 is written
  checkpoint-0000000002 is durable
  log is durable
  MANIFEST.new is made
  MANIFEST.new is written
  MANIFEST.new is durable
  MANIFEST.new becomes MANIFEST
    it is started: epoch 2, 50 records, from checkpoint 2
    20 of apple* are abcd..., 300 bytes
    30 of apple* are abcd..., 400 bytes
  log is durable
  checkpoint-0000000001 is removed

# What is written in the midst of it is not lost by it, whichever of the two counts then.
checkpoint, at each step show frames, then put apple20=newest, until is acknowledged, then power-loss nothing, then start, then get apple20, then get apple*50
  checkpoint-0000000002 is made
    apple20 is put in group 3
    frame 3 is on its way to segment-00000 at 32768: 1 record, 4096 bytes
    frame 3 is written to segment-00000 at 32768: 1 record, 4096 bytes
    frame 3 is durable
    apple20 is acknowledged
    it is started: epoch 2, 50 records, from checkpoint 1
    apple20 is newest
    1 of apple* are newest
    19 of apple* are abcd..., 300 bytes
    30 of apple* are abcd..., 400 bytes
  checkpoint-0000000002 is written
  checkpoint-0000000002 is written
  checkpoint-0000000002 is durable
  log is durable
  MANIFEST.new is made
  MANIFEST.new is written
  MANIFEST.new is durable
  MANIFEST.new becomes MANIFEST
    apple20 is put in group 3
    frame 3 is on its way to segment-00000 at 32768: 1 record, 4096 bytes
    frame 3 is written to segment-00000 at 32768: 1 record, 4096 bytes
    frame 3 is durable
    apple20 is acknowledged
    it is started: epoch 2, 50 records, from checkpoint 2
    apple20 is newest
    1 of apple* are newest
    19 of apple* are abcd..., 300 bytes
    30 of apple* are abcd..., 400 bytes
  log is durable
  checkpoint-0000000001 is removed
