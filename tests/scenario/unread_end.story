# A start that cannot read the end of the log.
#
# Where a read has failed nobody can tell whether the log ends there. To take it for a torn tail would
# be to lose what was acknowledged: the start fails, and one that can read it has all.
cast log
start
  it is started: epoch 1, 0 records
put apple=red
  apple is put in group 1
  frame 1 is on its way to segment-00000 at 0: 1 record, 4096 bytes
  frame 1 is written to segment-00000 at 0: 1 record, 4096 bytes
  frame 1 is durable
  apple is acknowledged
put apple=blue
  apple is put in group 2
  frame 2 is on its way to segment-00000 at 4096: 1 record, 4096 bytes
  frame 2 is written to segment-00000 at 4096: 1 record, 4096 bytes
  frame 2 is durable
  apple is acknowledged
kill
disk fails read EIO after 9
start
  segment-00002: read fails: Input/output error
  segment-00003: read fails: Input/output error
  segment-00000: read fails: Input/output error, 514 times
  segment-00001: read fails: Input/output error, 514 times
  segment-00002: read fails: Input/output error, 514 times
  segment-00003: read fails: Input/output error, 514 times
  the log finds damage: segment-00000 behind 0: the disk fails to read the log; start again, and where that fails too, let rldb repair set aside what cannot be read, or copy the file to a disk that works
  it does not start: Input/output error
disk works
start
  it is started: epoch 2, 1 records
get apple
  apple is blue
