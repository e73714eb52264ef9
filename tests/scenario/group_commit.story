# A group commit, and power lost at each step of it.
#
# With `sync: always` a write counts when its frame is durable. Before that it may be there after a
# power loss, or not; after that it has to be.
cast log
start
  it is started: epoch 1, 0 records
put apple=red pear=green
  apple is put in group 1
  pear is put in group 1
  frame 1 is on its way to segment-00000 at 0: 2 records, 4096 bytes
  frame 1 is written to segment-00000 at 0: 2 records, 4096 bytes
  frame 1 is durable
  apple is acknowledged
  pear is acknowledged

# The frame has not left the core.
put plum=blue, until plum is put
  plum is put in group 2
power-loss everything
start
  it is started: epoch 2, 2 records
get apple pear plum
  plum is not there
  apple is red
  pear is green

# It is on its way, and the disk has not seen it.
put plum=blue, until frame 2 is on its way
  plum is put in group 1
  frame 2 is on its way to segment-00001 at 0: 1 record, 4096 bytes
power-loss everything
start
  it is started: epoch 3, 2 records
get plum
  plum is not there

# The disk has it in its cache only, and loses it.
put plum=blue, until frame 2 is written
  plum is put in group 1
  frame 2 is on its way to segment-00001 at 0: 1 record, 4096 bytes
  frame 2 is written to segment-00001 at 0: 1 record, 4096 bytes
power-loss nothing
start
  it is started: epoch 4, 2 records
get plum
  plum is not there

# The same, and the disk was quicker than the power: nobody was told, and it is there all the same.
put plum=blue, until frame 2 is written
  plum is put in group 1
  frame 2 is on its way to segment-00001 at 0: 1 record, 4096 bytes
  frame 2 is written to segment-00001 at 0: 1 record, 4096 bytes
power-loss everything
start
  it is started: epoch 5, 3 records
get plum
  plum is blue

# It is durable, and the core has not heard of it.
put plum=yellow, until is durable
  plum is put in group 1
  frame 3 is on its way to segment-00002 at 0: 1 record, 4096 bytes
  frame 3 is written to segment-00002 at 0: 1 record, 4096 bytes
  frame 3 is durable
power-loss nothing
start
  it is started: epoch 6, 3 records
get plum
  plum is yellow

# And it was acknowledged.
put plum=purple, until plum is acknowledged
  plum is put in group 1
  frame 4 is on its way to segment-00003 at 0: 1 record, 4096 bytes
  frame 4 is written to segment-00003 at 0: 1 record, 4096 bytes
  frame 4 is durable
  plum is acknowledged
power-loss nothing
start
  it is started: epoch 7, 3 records
get plum
  plum is purple
