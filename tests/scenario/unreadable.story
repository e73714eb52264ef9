# A record that cannot be read is not one that is not there.
#
# Two ways: the disk says that it cannot, or what it gives has another checksum. Who asks gets an
# error; and gets the value when the disk has it again.
cast log
start
  it is started: epoch 1, 0 records
put apple=red
  apple is put in group 1
  frame 1 is on its way to segment-00000 at 0: 1 record, 4096 bytes
  frame 1 is written to segment-00000 at 0: 1 record, 4096 bytes
  frame 1 is durable
  apple is acknowledged
put pear=green
  pear is put in group 2
  frame 2 is on its way to segment-00000 at 4096: 1 record, 4096 bytes
  frame 2 is written to segment-00000 at 4096: 1 record, 4096 bytes
  frame 2 is durable
  pear is acknowledged
close
start
  it is started: epoch 2, 2 records, from checkpoint 1
show frames reads
disk fails read EIO
get apple
  segment-00000: read fails: Input/output error
  apple is not to be read: Input/output error
get quince
  quince is not there
disk works
get apple
  4096 bytes are read at 0 of segment-00000
  apple is red
close

# Behind everyone's back a bit turns over in the frame of the pear.
rot segment-00000 4200
start
  it is started: epoch 3, 2 records, from checkpoint 2
get apple
  4096 bytes are read at 0 of segment-00000
  apple is red
get pear
  4096 bytes are read at 4096 of segment-00000
  pear is not to be read: Bad message
put pear=yellow
  4096 bytes are read at 4096 of segment-00000
  the log finds damage: segment-00000 at 4192: a record of vnode 0 that cannot be read was written over
  pear is put in group 1
  frame 3 is on its way to segment-00001 at 0: 1 record, 4096 bytes
  frame 3 is written to segment-00001 at 0: 1 record, 4096 bytes
  frame 3 is durable
  pear is acknowledged
get pear
  pear is yellow
