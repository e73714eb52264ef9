# A slow disk.
#
# Each operation on it takes three seconds, and clients are closed after one in which they say
# nothing. What is durable is read from RAM at once. A write is acknowledged when it is durable,
# however long that takes, and so is a read that would show it; who waits for a reply is not idle.
cast node
node 1 storage: { engine: log } ; clients: { idle_timeout: 1s }
  the node is up
connect ann 0
connect bob 0
connect eve 0
say ann SET apple red
  ann hears +OK
say bob GET apple
  bob hears $3
  bob hears red
disk 3s
say ann SET apple blue ; bob GET apple ; eve GET plum
  eve hears $-1
wait 2s
  eve's connection ends
wait 2s
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
connect ann 0
say ann INCR plum
wait 7s
  ann hears :2
  ann's connection ends

# The power goes while a write is on its way. It was not acknowledged, and is not there.
connect ann 0
say ann INCR plum
power-loss
disk 100us
restart
  the node is up
connect ann 0
say ann MGET apple plum
  ann hears *2
  ann hears $4
  ann hears blue
  ann hears $1
  ann hears 2
