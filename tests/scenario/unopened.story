# A start that cannot open a segment.
#
# A file that is there and cannot be opened now (no descriptor is free, the disk fails) is not one
# that is lost. To serve without it would be to lose what it holds: the start fails, and the next
# one has all.
cast log
start
  it is started: epoch 1, 0 records
put apple=red
  apple is put in group 1
  frame 1 is on its way to segment-00000 at 0: 1 record, 4096 bytes
  frame 1 is written to segment-00000 at 0: 1 record, 4096 bytes
  frame 1 is durable
  apple is acknowledged
kill
disk fails open EIO after 3
start
  segment-00000: open fails: Input/output error
  segment-00000: open fails: Input/output error
  segment-00001: open fails: Input/output error
  segment-00002: open fails: Input/output error
  segment-00003: open fails: Input/output error
  segment-00000: open fails: Input/output error
  the log finds damage: segment-00000 is there and cannot be opened (Input/output error): a start without it would lose what it holds; see to that, then start again
  it does not start: Input/output error
disk works
start
  it is started: epoch 2, 1 records
get apple
  apple is red
