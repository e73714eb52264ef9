# A write that fails.
#
# What is on the disk after a failed write or sync nobody can tell, and the kernel may have thrown
# the pages away: it is not tried again. All writing ends, nothing more is acknowledged, and what is
# there can be read. A start looks at what the disk has.
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
disk fails write EIO
put apple=blue
  apple is put in group 2
  frame 2 is on its way to segment-00000 at 4096: 1 record, 4096 bytes
  segment-00000: write fails: Input/output error
  apple is not acknowledged: Input/output error
put plum=yellow
  plum is not put: Input/output error
remove pear
  pear is not removed: Input/output error
get apple pear
  apple is blue
  pear is green
disk works
put plum=yellow
  plum is not put: Input/output error
kill
start
  it is started: epoch 2, 2 records
get apple pear plum
  plum is not there
  apple is red
  pear is green
put plum=yellow
  plum is put in group 1
  frame 2 is on its way to segment-00001 at 0: 1 record, 4096 bytes
  frame 2 is written to segment-00001 at 0: 1 record, 4096 bytes
  frame 2 is durable
  plum is acknowledged

# Nor can anybody tell which MANIFEST is there when one cannot take the other's name.
show files frames
disk fails rename EIO
checkpoint
  checkpoint-0000000001 is made
  frame 3 is on its way to segment-00002 at 0: 2 records, 4096 bytes
  segment-00005 is made
  frame 3 is written to segment-00002 at 0: 2 records, 4096 bytes
  frame 3 is durable
  checkpoint-0000000001 is written
  segment-00005 is given room
  checkpoint-0000000001 is written
  checkpoint-0000000001 is durable
  log is durable
  segment-00005 is durable
  MANIFEST.new is made
  log is durable
  MANIFEST.new is written
  MANIFEST.new is durable
  MANIFEST.new: rename fails: Input/output error
disk works
put plum=purple
  plum is not put: Input/output error
get plum
  plum is yellow
power-loss nothing
start
  it is started: epoch 3, 3 records
get apple pear plum
  apple is red
  pear is green
  plum is yellow
