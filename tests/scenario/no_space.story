# A file system without room for more, while the log's own share of it is not used up.
#
# Values are refused as soon as that is seen: what is left is for what makes room. What needs a new
# file is put off, and asked for again when a second has passed. A checkpoint that found no room
# leaves nothing behind. A start that finds no room for a manifest serves what is there: nothing is
# written in its epoch, which the next start has too, until there is room.
cast log
disk segments 8
start
  it is started: epoch 1, 0 records
put apple*80=#20K
  80 of apple* are put in group 1
  frame 1 is on its way to segment-00000 at 0: 80 records, 1642496 bytes
  frame 1 is written to segment-00000 at 0: 80 records, 1642496 bytes
  frame 1 is durable
  80 of apple* are acknowledged
work
disk full
show frames files
checkpoint
  checkpoint-0000000001 is made
  checkpoint-0000000001: write fails: No space left on device
  checkpoint-0000000001 is removed
put pear*80=#20K
  21 of pear* are put in group 2
  1 of pear* are put in group 3
  58 of pear* are not put: the disk is full
  frame 2 is on its way to segment-00000 at 1642496: 21 records, 434176 bytes
  frame 2 is written to segment-00000 at 1642496: 21 records, 434176 bytes
  frame 2 is durable
  21 of pear* are acknowledged
  frame 3 is on its way to segment-00001 at 0: 1 record, 24576 bytes
  segment-00000 is written
  frame 3 is written to segment-00001 at 0: 1 record, 24576 bytes
  frame 3 is durable
  1 of pear* are acknowledged
  segment-00000 is durable
  segment-00000 is written
work
put plum*80=#20K
  80 of plum* are not put: the disk is full
work
put quince*80=#20K
  80 of quince* are not put: the disk is full
work
put fig*80=#20K
  80 of fig* are not put: the disk is full
get apple1 pear1 quince80
  quince80 is not there
  apple1 is abcd..., 20480 bytes
  pear1 is abcd..., 20480 bytes
disk roomy
wait 2s
  segment-00004 is made
  segment-00004 is given room
  segment-00004 is durable
  log is durable
  MANIFEST.new is made
  MANIFEST.new is written
  MANIFEST.new is durable
  MANIFEST.new becomes MANIFEST
  log is durable
work
put fig*80=#20K
  80 of fig* are put in group 4
  frame 4 is on its way to segment-00001 at 24576: 80 records, 1642496 bytes
  frame 4 is written to segment-00001 at 24576: 80 records, 1642496 bytes
  frame 4 is durable
  80 of fig* are acknowledged
checkpoint
  checkpoint-0000000002 is made
  checkpoint-0000000002 is written
  checkpoint-0000000002 is written
  checkpoint-0000000002 is durable
  log is durable
  MANIFEST.new is made
  MANIFEST.new is written
  MANIFEST.new is durable
  MANIFEST.new becomes MANIFEST
  log is durable
close
  checkpoint-0000000003 is made
  checkpoint-0000000003 is written
  checkpoint-0000000003 is written
  checkpoint-0000000003 is durable
  log is durable
  MANIFEST.new is made
  MANIFEST.new is written
  MANIFEST.new is durable
  MANIFEST.new becomes MANIFEST
  log is durable
  checkpoint-0000000002 is removed
start
  it is started: epoch 2, 182 records, from checkpoint 3
get apple1 pear1 fig80
  apple1 is abcd..., 20480 bytes
  pear1 is abcd..., 20480 bytes
  fig80 is abcd..., 20480 bytes
disk full
kill
show files starts
start
   is durable
  MANIFEST.new is made
  MANIFEST.new: write fails: No space left on device
  the log says: MANIFEST cannot be written, for want of room: make some, writes are refused until then
  it is started: epoch 3, 182 records, from checkpoint 3
get apple1 pear1 fig80
  apple1 is abcd..., 20480 bytes
  pear1 is abcd..., 20480 bytes
  fig80 is abcd..., 20480 bytes
put kiwi*2=#20K lime=#1500K
  2 of kiwi* are not put: the disk is full
  lime is not put: the disk is full
remove apple1
  apple1 is not removed: the disk is full
kill
start
   is durable
  MANIFEST.new: write fails: No space left on device
  the log says: MANIFEST cannot be written, for want of room: make some, writes are refused until then
  it is started: epoch 3, 182 records, from checkpoint 3
put kiwi*2=#20K
  2 of kiwi* are not put: the disk is full
wait 3s
  MANIFEST.new: write fails: No space left on device, 3 times
disk roomy
wait 3s
  MANIFEST.new is written
  MANIFEST.new is durable
  MANIFEST.new becomes MANIFEST
  log is durable
  MANIFEST.new is made
  MANIFEST.new is written
  MANIFEST.new is durable
  MANIFEST.new becomes MANIFEST
  log is durable
  MANIFEST.new is made
  MANIFEST.new is written
  MANIFEST.new is durable
  MANIFEST.new becomes MANIFEST
  log is durable
put kiwi*2=#20K
  2 of kiwi* are put in group 1
  segment-00005 is made
  2 of kiwi* are acknowledged
  segment-00005 is given room
  segment-00005 is durable
  log is durable
  MANIFEST.new is made
  MANIFEST.new is written
  MANIFEST.new is durable
  MANIFEST.new becomes MANIFEST
  log is durable
remove apple1
  apple1 is removed in group 2
  apple1 is acknowledged
kill
show frames
start
  it is started: epoch 4, 183 records, from checkpoint 3
get apple1 kiwi2 fig80
  apple1 is not there
  kiwi2 is abcd..., 20480 bytes
  fig80 is abcd..., 20480 bytes
