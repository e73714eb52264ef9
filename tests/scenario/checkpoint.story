# A checkpoint, half written.
#
# The index goes to a file of its own, slice by slice, while clients go on; it counts from the
# moment on at which the MANIFEST that names it is durable. Whatever was there of it before that
# does no harm, and is removed. A start replays what came after the newest checkpoint that counts.
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

# Its file is there in part.
checkpoint, until checkpoint-0000000001 is written
  checkpoint-0000000001 is written
power-loss everything
start
  it is started: epoch 2, 50 records
get apple*50
  50 of apple* are abcd..., 400 bytes

# All of it, and nothing that leads to it.
checkpoint, until MANIFEST.new is written
  checkpoint-0000000001 is written
  checkpoint-0000000001 is durable
  log is durable
  MANIFEST.new is written
power-loss everything
start
  it is started: epoch 3, 50 records
get apple*50
  50 of apple* are abcd..., 400 bytes

# The new MANIFEST has its name, which is not durable: the disk forgets it.
checkpoint, until MANIFEST.new becomes MANIFEST
  checkpoint-0000000001 is written
  checkpoint-0000000001 is durable
  log is durable
  MANIFEST.new is written
  MANIFEST.new is durable
  MANIFEST.new becomes MANIFEST
power-loss nothing
start
  it is started: epoch 4, 50 records
get apple*50
  50 of apple* are abcd..., 400 bytes

# Or does not.
checkpoint, until MANIFEST.new becomes MANIFEST
  checkpoint-0000000001 is written
  checkpoint-0000000001 is durable
  log is durable
  MANIFEST.new is written
  MANIFEST.new is durable
  MANIFEST.new becomes MANIFEST
power-loss everything
start
  it is started: epoch 5, 50 records
get apple*50
  50 of apple* are abcd..., 400 bytes

checkpoint
  checkpoint-0000000002 is written
  checkpoint-0000000002 is durable
  log is durable
  MANIFEST.new is written
  MANIFEST.new is durable
  MANIFEST.new becomes MANIFEST
  log is durable
  checkpoint-0000000001 is removed
power-loss nothing
start
  it is started: epoch 6, 50 records
get apple*50
  50 of apple* are abcd..., 400 bytes
