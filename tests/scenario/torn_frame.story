# A torn frame.
#
# A frame of several blocks is on its way when the power goes, and the disk has some of its
# sectors. What a torn frame holds counts for nothing, and neither does anything behind it; what was
# durable before it is there. The log goes on in a new segment, in another epoch.
cast log
start
  it is started: epoch 1, 0 records
put apple=red pear=#3000
  apple is put in group 1
  pear is put in group 1
  frame 1 is on its way to segment-00000 at 0: 2 records, 4096 bytes
  frame 1 is written to segment-00000 at 0: 2 records, 4096 bytes
  frame 1 is durable
  apple is acknowledged
  pear is acknowledged
put plum=#30K quince=#30K, until frame 2 is written
  plum is put in group 2
  quince is put in group 2
  frame 2 is on its way to segment-00000 at 4096: 2 records, 65536 bytes
  frame 2 is written to segment-00000 at 4096: 2 records, 65536 bytes
power-loss sectors 40
start
  the log says: the log ends with frame 1: what was written after it was torn by the stop, and is not used
  it is started: epoch 2, 2 records
get apple pear plum quince
  plum is not there
  quince is not there
  apple is red
  pear is abcd..., 3000 bytes
put plum=blue
  plum is put in group 1
  frame 2 is on its way to segment-00001 at 0: 1 record, 4096 bytes
  frame 2 is written to segment-00001 at 0: 1 record, 4096 bytes
  frame 2 is durable
  plum is acknowledged
close
start
  it is started: epoch 3, 3 records, from checkpoint 1
get apple plum
  apple is red
  plum is blue

# Torn in its first sector: not even its header is there.
put quince=#30K, until is written
  quince is put in group 1
  frame 3 is on its way to segment-00002 at 0: 1 record, 32768 bytes
  frame 3 is written to segment-00002 at 0: 1 record, 32768 bytes
power-loss sectors 0
start
  it is started: epoch 4, 3 records, from checkpoint 1
get quince
  quince is not there

# All of it but the last sector that counts.
put quince=#30K, until is written
  quince is put in group 1
  frame 3 is on its way to segment-00002 at 0: 1 record, 32768 bytes
  frame 3 is written to segment-00002 at 0: 1 record, 32768 bytes
power-loss sectors 59
start
  the log says: the log ends with frame 2: what was written after it was torn by the stop, and is not used
  it is started: epoch 5, 3 records, from checkpoint 1
get quince
  quince is not there

# A kill tears nothing: what was written is there, durable or not.
put quince=#30K, until is written
  quince is put in group 1
  frame 3 is on its way to segment-00002 at 0: 1 record, 32768 bytes
  frame 3 is written to segment-00002 at 0: 1 record, 32768 bytes
kill
start
  it is started: epoch 6, 4 records, from checkpoint 1
get quince
  quince is abcd..., 30720 bytes
