# A slow disk.
#
# Each operation on it takes three seconds, and clients are closed after one in which they say
# nothing. What is durable is read from RAM at once. A write is acknowledged when it is durable,
# however long that takes, and so is a read that would show it; who waits for a reply is not idle.
cast node
show disk counted
node 1 storage: { engine: log } ; clients: { idle_timeout: 1s }
  data is made
  . is durable
  LOCK is made
  generation-1 is made
  data is durable
  CURRENT.new is made
  CURRENT.new is written
  CURRENT.new is durable
  CURRENT.new becomes CURRENT
  data is durable
  generation-1/shard-0 is made
  generation-1 is durable
  generation-1/shard-0: made 5, written 3, given room 2, zeroed 8, durable 10, renamed 3, frames begun 1, frames written 1, frames durable 1
  the node is up
show disk
connect ann 0
connect bob 0
connect eve 0
say ann SET apple red
  frame 2 is on its way to generation-1/shard-0/segment-00000 at 8192: 1 record, 4096 bytes
  frame 2 is written to generation-1/shard-0/segment-00000 at 8192: 1 record, 4096 bytes
  frame 2 of generation-1/shard-0/segment-00000 is durable
  ann hears +OK
say bob GET apple
  bob hears $3
  bob hears red
disk 3s
say ann SET apple blue ; bob GET apple ; eve GET plum
  frame 3 is on its way to generation-1/shard-0/segment-00000 at 12288: 1 record, 4096 bytes
  eve hears $-1
wait 2s
  eve's connection ends
wait 2s
  frame 3 is written to generation-1/shard-0/segment-00000 at 12288: 1 record, 4096 bytes
  frame 3 of generation-1/shard-0/segment-00000 is durable
  ann hears +OK
  bob hears $4
  bob hears blue
  ann's connection ends
  bob's connection ends
wait 2s

# A client that does not wait so long goes away and comes again. What it asked for first is done all
# the same: when it is answered, the other was there before.
connect ann 0
say ann INCR plum
  frame 4 is on its way to generation-1/shard-0/segment-00000 at 16384: 1 record, 4096 bytes
connect ann 0
say ann INCR plum
wait 7s
  frame 4 is written to generation-1/shard-0/segment-00000 at 16384: 1 record, 4096 bytes
  frame 4 of generation-1/shard-0/segment-00000 is durable
  frame 5 is on its way to generation-1/shard-0/segment-00000 at 20480: 1 record, 4096 bytes
  frame 5 is written to generation-1/shard-0/segment-00000 at 20480: 1 record, 4096 bytes
  frame 5 of generation-1/shard-0/segment-00000 is durable
  ann hears :2
  ann's connection ends

# The power goes while a write is on its way. It was not acknowledged, and is not there.
connect ann 0
say ann INCR plum
  frame 6 is on its way to generation-1/shard-0/segment-00000 at 24576: 1 record, 4096 bytes
power-loss
disk 100us
show disk counted
restart
  124 bytes are read at 0 of CURRENT
  0 bytes are read at 124 of CURRENT
  generation-1 is durable
  generation-1/shard-0: read 23, durable 13, made 5, written 4, renamed 4, given room 2, zeroed 8, frames begun 1, frames written 1, frames durable 1
  the node is up
connect ann 0
  generation-1/shard-0: read 1, frames begun 1, made 2, frames written 1, frames durable 1, given room 1, zeroed 6, durable 4, written 1, renamed 1
say ann MGET apple plum
  generation-1/shard-0: read 2
  ann hears *2
  ann hears $4
  ann hears blue
  ann hears $1
  ann hears 2
