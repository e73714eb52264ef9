# A snapshot, taken while clients write.
#
# Each core is taken as a whole, one after another, and let go when all are. So what one client has
# been told before another thing is done is in it before that, on whatever core; and a command over
# both cores is in it as a whole, or not at all.
cast node
hide-wakes
node 2 storage: { engine: log, segment: 2MiB, cache: 2MiB }
  the node is up
where apple plum
  apple lives on core 0
  plum lives on core 1
connect ann 0
connect bob 1
say ann MSET apple red plum blue
  ann hears +OK

# Bob wants a snapshot, and at the same moment Ann goes on.
say bob RLDB.SNAPSHOT CREATE monday ; ann MSET apple green plum yellow
  ann hears +OK
  bob hears +OK
wait 2s
say ann MSET apple brown plum brown
  ann hears +OK
say bob RLDB.SNAPSHOT LIST
  bob hears *1
  bob hears $6
  bob hears monday
say bob RLDB.SNAPSHOT CREATE monday
  bob hears -ERR there is a snapshot 'monday' already: delete it, or take another name

# The machine ends in the middle of another one: nothing of it is left.
disk 20ms
say bob RLDB.SNAPSHOT CREATE tuesday
wait 200ms
power-loss
disk 100us
restart
  the node is up
connect bob 1
say bob RLDB.SNAPSHOT LIST
  bob hears *1
  bob hears $6
  bob hears monday
connect ann 0
say ann MGET apple plum
  ann hears *2
  ann hears $5
  ann hears brown
  ann hears $5
  ann hears brown

# The one that is whole is a directory like any other: a node starts on it, and has that moment.
kill
restore monday
  the node is up
connect ann 0
  bob's connection ends
say ann MGET apple plum
  ann hears *2
  ann hears $5
  ann hears green
  ann hears $6
  ann hears yellow
say ann SET apple black
  ann hears +OK

# On three cores its data is spread anew.
stop
  ann's connection ends
  the node has ended
restore monday 3
  the node is up
connect ann 2
say ann MGET apple plum
  ann hears *2
  ann hears $5
  ann hears black
  ann hears $6
  ann hears yellow
