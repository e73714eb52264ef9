# `sync: interval` and `sync: never`.
#
# A write counts at once. With an interval what was written is made durable that often: no more
# than what came since is lost with the power, and what is lost has no holes.
cast log
start interval 1s
  it is started: epoch 1, 0 records
put apple=red
  apple is put
put pear=green
  pear is put
wait 2s
  frame 1 is on its way to segment-00000 at 0: 2 records, 4096 bytes
  frame 1 is written to segment-00000 at 0: 2 records, 4096 bytes
  frame 1 is done
put plum=blue
  plum is put
power-loss nothing
start interval 1s
  it is started: epoch 2, 2 records
get apple pear plum
  plum is not there
  apple is red
  pear is green
close

# Never: but a close, or a checkpoint, makes it durable all the same.
start never
  it is started: epoch 3, 2 records, from checkpoint 1
put plum=blue
  plum is put
close
  frame 2 is on its way to segment-00001 at 0: 1 record, 4096 bytes
  frame 2 is written to segment-00001 at 0: 1 record, 4096 bytes
  frame 2 is done
start never
  it is started: epoch 4, 3 records, from checkpoint 2
get plum
  plum is blue
put fig=brown
  fig is put
checkpoint
  frame 3 is on its way to segment-00002 at 0: 1 record, 4096 bytes
  frame 3 is written to segment-00002 at 0: 1 record, 4096 bytes
  frame 3 is done
  frame 4 is on its way to segment-00003 at 0: 2 records, 4096 bytes
  frame 4 is written to segment-00003 at 0: 2 records, 4096 bytes
  frame 4 is done
  frame 5 is on its way to segment-00003 at 4096: 1 record, 4096 bytes
  frame 5 is written to segment-00003 at 4096: 1 record, 4096 bytes
  frame 5 is done
put lime=green
  lime is put
power-loss nothing
start never
  it is started: epoch 5, 4 records, from checkpoint 3
get plum fig lime
  lime is not there
  plum is blue
  fig is brown

# A process that is killed takes with it what had not been handed to the kernel, and that only.
put lime=green
  lime is put
kill
start never
  it is started: epoch 6, 4 records, from checkpoint 3
get lime
  lime is not there
