# A disk full of what has expired.
#
# Nobody reads the keys again, and no segment has anything dead in it: nothing tells compaction what
# to move. It looks through the segments one by one then, and puts a removal for each expired record
# that it finds; what has not expired stays where it is.
cast log
disk segments 7
start
  it is started: epoch 1, 0 records
put fig=green
  fig is put in group 1
  frame 1 is on its way to segment-00000 at 0: 1 record, 4096 bytes
  frame 1 is written to segment-00000 at 0: 1 record, 4096 bytes
  frame 1 is durable
  fig is acknowledged
put expires 2s apple*100=#20K
  100 of apple* are put in group 2
  frame 2 is on its way to segment-00000 at 4096: 100 records, 2056192 bytes
  frame 2 is written to segment-00000 at 4096: 100 records, 2056192 bytes
  frame 2 is durable
  100 of apple* are acknowledged
put expires 2s berry*100=#20K
  1 of berry* are put in group 3
  99 of berry* are put in group 4
  frame 3 is on its way to segment-00000 at 2060288: 1 record, 24576 bytes
  frame 4 is on its way to segment-00001 at 0: 99 records, 2035712 bytes
  frame 3 is written to segment-00000 at 2060288: 1 record, 24576 bytes
  frame 4 is written to segment-00001 at 0: 99 records, 2035712 bytes
  frame 3 is durable
  frame 4 is durable
  100 of berry* are acknowledged
put expires 2s cherry*100=#20K
  2 of cherry* are put in group 5
  98 of cherry* are put in group 6
  frame 5 is on its way to segment-00001 at 2035712: 2 records, 45056 bytes
  frame 6 is on its way to segment-00002 at 0: 98 records, 2015232 bytes
  frame 5 is written to segment-00001 at 2035712: 2 records, 45056 bytes
  frame 6 is written to segment-00002 at 0: 98 records, 2015232 bytes
  frame 5 is durable
  frame 6 is durable
  100 of cherry* are acknowledged
wait 1s
put date=brown
  date is put in group 7
  frame 7 is on its way to segment-00002 at 2015232: 1 record, 4096 bytes
  frame 7 is written to segment-00002 at 2015232: 1 record, 4096 bytes
  frame 7 is durable
  date is acknowledged
wait 10s
  frame 8 is on its way to segment-00002 at 2019328: 4 records, 4096 bytes
  frame 8 is written to segment-00002 at 2019328: 4 records, 4096 bytes
  frame 8 is durable
  frame 9 is on its way to segment-00002 at 2023424: 97 records, 4096 bytes
  frame 9 is written to segment-00002 at 2023424: 97 records, 4096 bytes
  frame 9 is durable
  frame 10 is on its way to segment-00003 at 0: 1 record, 4096 bytes
  frame 10 is written to segment-00003 at 0: 1 record, 4096 bytes
  frame 10 is durable
  frame 11 is on its way to segment-00002 at 2027520: 4 records, 4096 bytes
  frame 11 is written to segment-00002 at 2027520: 4 records, 4096 bytes
  frame 11 is durable
  frame 12 is on its way to segment-00002 at 2031616: 97 records, 4096 bytes
  frame 12 is written to segment-00002 at 2031616: 97 records, 4096 bytes
  frame 12 is durable
put plum*100=#20K
  2 of plum* are put in group 12
  98 of plum* are put in group 13
  frame 13 is on its way to segment-00002 at 2035712: 2 records, 45056 bytes
  frame 14 is on its way to segment-00004 at 0: 98 records, 2011136 bytes
  frame 13 is written to segment-00002 at 2035712: 2 records, 45056 bytes
  frame 14 is written to segment-00004 at 0: 98 records, 2011136 bytes
  frame 13 is durable
  frame 14 is durable
  100 of plum* are acknowledged
work
  frame 15 is on its way to segment-00004 at 2011136: 4 records, 4096 bytes
  frame 15 is written to segment-00004 at 2011136: 4 records, 4096 bytes
  frame 15 is durable
  frame 16 is on its way to segment-00004 at 2015232: 94 records, 4096 bytes
  frame 16 is written to segment-00004 at 2015232: 94 records, 4096 bytes
  frame 16 is durable
  frame 17 is on its way to segment-00003 at 4096: 3 records, 45056 bytes
  frame 17 is written to segment-00003 at 4096: 3 records, 45056 bytes
  frame 17 is durable
work
put plum*100=#20K
  3 of plum* are put in group 16
  61 of plum* are put in group 17
  frame 18 is on its way to segment-00004 at 2019328: 3 records, 65536 bytes
  frame 19 is on its way to segment-00000 at 0: 61 records, 1253376 bytes
  frame 18 is written to segment-00004 at 2019328: 3 records, 65536 bytes
  frame 19 is written to segment-00000 at 0: 61 records, 1253376 bytes
  frame 18 is durable
  frame 19 is durable
  36 of plum* are put in group 18
  64 of plum* are acknowledged
  frame 20 is on its way to segment-00000 at 1253376: 36 records, 741376 bytes
  frame 20 is written to segment-00000 at 1253376: 36 records, 741376 bytes
  frame 20 is durable
  36 of plum* are acknowledged
get fig apple1 berry1 cherry1 plum1
  fig is green
  apple1 is not there
  berry1 is not there
  cherry1 is not there
  plum1 is abcd..., 20480 bytes
kill
start
  it is started: epoch 2, 102 records, from checkpoint 2
get fig apple1 berry1 cherry1 plum1
  apple1 is not there
  berry1 is not there
  cherry1 is not there
  fig is green
  plum1 is abcd..., 20480 bytes
get plum*100
  64 of plum* are abcd..., 20480 bytes
  36 of plum* are abcd..., 20480 bytes
