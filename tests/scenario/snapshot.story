# A snapshot, taken while clients write.
#
# Each core is taken as a whole, one after another, and let go when all are. So what one client has
# been told before another thing is done is in it before that, on whatever core; and a command over
# both cores is in it as a whole, or not at all.
cast node
show disk counted
node 2 storage: { engine: log, segment: 2MiB, cache: 2MiB }
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
  generation-1/shard-1 is made
  generation-1 is durable
  generation-1 is durable
  generation-1/shard-0: made 6, written 3, given room 2, zeroed 4, durable 10, renamed 3, frames begun 1, frames written 1, frames durable 1
  generation-1/shard-1: made 6, written 3, given room 2, zeroed 4, durable 10, renamed 3, frames begun 1, frames written 1, frames durable 1
  the node is up
where apple plum
  apple lives on core 0
  plum lives on core 1
connect ann 0
  generation-1/shard-0: given room 2, zeroed 4, durable 8, made 3, written 2, renamed 2
  generation-1/shard-1: given room 2, zeroed 4, durable 8, made 3, written 2, renamed 2
connect bob 1
say ann MSET apple red plum blue
  core 0 wakes core 1
  generation-1/shard-1: frames begun 1, frames written 1, frames durable 1
  core 1 wakes core 0
  generation-1/shard-0: frames begun 1, frames written 1, frames durable 1
  ann hears +OK

# Bob wants a snapshot, and at the same moment Ann goes on.
say bob RLDB.SNAPSHOT CREATE monday ; ann MSET apple green plum yellow
  core 1 wakes core 0
  core 0 wakes core 1
  frame 3 is on its way to generation-1/shard-1/segment-00000 at 8192: 1 record, 4096 bytes
  snapshots is made
  generation-1/shard-1: frames written 1, frames durable 1
  core 1 wakes core 0
  generation-1/shard-0: frames begun 1, frames written 1, frames durable 1
  data is durable
  ann hears +OK
  snapshots/.unfinished-monday is made
  snapshots/.unfinished-monday/generation-1 is made
  core 0 wakes core 1
  snapshots/.unfinished-monday/generation-1/shard-0 is made
  snapshots/.unfinished-monday/generation-1/shard-1 is made
  generation-1/shard-0: made 2, written 3, durable 4, renamed 1
  generation-1/shard-1: made 2, written 3, durable 4, renamed 1
  core 1 wakes core 0
  core 0 wakes core 1
  these 2 lines 3 times
  generation-1/shard-0: linked 1, read 1
  generation-1/shard-1: linked 1, read 1
  snapshots/.unfinished-monday/generation-1/shard-0: made 2, given room 1, frames begun 1, frames written 1, frames done 1, durable 3, written 1
  snapshots/.unfinished-monday/generation-1/shard-1: made 2, given room 1, frames begun 1, frames written 1, frames done 1, durable 3, written 1
  core 1 wakes core 0
  core 0 wakes core 1
  core 1 wakes core 0
  core 0 wakes core 1
  core 1 wakes core 0
  snapshots/.unfinished-monday/generation-1 is durable
  snapshots/.unfinished-monday/CURRENT is made
  snapshots/.unfinished-monday/CURRENT is written
  snapshots/.unfinished-monday/CURRENT is durable
  snapshots/.unfinished-monday is durable
  snapshots/.unfinished-monday becomes monday
  snapshots is durable
  core 0 wakes core 1
  bob hears +OK
wait 2s
say ann MSET apple brown plum brown
  core 0 wakes core 1
  generation-1/shard-1: frames begun 1, frames written 1, frames durable 1
  core 1 wakes core 0
  generation-1/shard-0: frames begun 1, frames written 1, frames durable 1
  ann hears +OK
say bob RLDB.SNAPSHOT LIST
  core 1 wakes core 0
  core 0 wakes core 1
  bob hears *1
  bob hears $6
  bob hears monday
say bob RLDB.SNAPSHOT CREATE monday
  core 1 wakes core 0
  data is durable
  core 0 wakes core 1
  bob hears -ERR there is a snapshot 'monday' already: delete it, or take another name

# The machine ends at each step of another one: nothing of it is left until it is whole.
say bob RLDB.SNAPSHOT CREATE tuesday, at each step power-loss, then show disk above, then restart, then connect bob 1, then say bob RLDB.SNAPSHOT LIST
  core 1 wakes core 0
    124 bytes are read at 0 of CURRENT
    0 bytes are read at 124 of CURRENT
    generation-1 is durable
    generation-1 is durable
    the node is up
    core 1 wakes core 0
    core 0 wakes core 1
    bob hears *1
    bob hears $6
    bob hears monday
  data is durable
  snapshots/.unfinished-tuesday is made
  snapshots/.unfinished-tuesday/generation-1 is made
  core 0 wakes core 1
  snapshots/.unfinished-tuesday/generation-1/shard-0 is made
  snapshots/.unfinished-tuesday/generation-1/shard-1 is made
  generation-1/shard-0: made 2, written 3, durable 4, renamed 1, removed 1
  generation-1/shard-1: made 2, written 3, durable 4, renamed 1, removed 1
  core 1 wakes core 0
  core 0 wakes core 1
  these 2 lines 3 times
  generation-1/shard-0: linked 1, read 1
  generation-1/shard-1: linked 1, read 1
  snapshots/.unfinished-tuesday/generation-1/shard-0: made 2, given room 1, frames begun 1, frames written 1, frames done 1, durable 3, written 1
  snapshots/.unfinished-tuesday/generation-1/shard-1: made 2, given room 1, frames begun 1, frames written 1, frames done 1, durable 3, written 1
  core 1 wakes core 0
  core 0 wakes core 1
  core 1 wakes core 0
  core 0 wakes core 1
  core 1 wakes core 0
  snapshots/.unfinished-tuesday/generation-1 is durable
  snapshots/.unfinished-tuesday/CURRENT is made
  snapshots/.unfinished-tuesday/CURRENT is written
  snapshots/.unfinished-tuesday/CURRENT is durable
  snapshots/.unfinished-tuesday is durable
  snapshots/.unfinished-tuesday becomes tuesday
  snapshots is durable
    124 bytes are read at 0 of CURRENT
    0 bytes are read at 124 of CURRENT
    generation-1 is durable
    generation-1 is durable
    the node is up
    core 1 wakes core 0
    core 0 wakes core 1
    bob hears *2
    bob hears $6
    bob hears monday
    bob hears $7
    bob hears tuesday
  core 0 wakes core 1
  bob hears +OK
say bob RLDB.SNAPSHOT CREATE tuesday, at each step kill, then show disk above, then restart, then connect bob 1, then say bob RLDB.SNAPSHOT LIST
  core 1 wakes core 0
    124 bytes are read at 0 of CURRENT
    0 bytes are read at 124 of CURRENT
    generation-1 is durable
    generation-1 is durable
    the node is up
    ann's connection ends
    core 1 wakes core 0
    core 0 wakes core 1
    bob hears *1
    bob hears $6
    bob hears monday
  data is durable
  snapshots/.unfinished-tuesday is made
    124 bytes are read at 0 of CURRENT
    0 bytes are read at 124 of CURRENT
    snapshots/.unfinished-tuesday is removed
    generation-1 is durable
    generation-1 is durable
    the node is up
    ann's connection ends
    core 1 wakes core 0
    core 0 wakes core 1
    bob hears *1
    bob hears $6
    bob hears monday
  snapshots/.unfinished-tuesday/generation-1 is made
    124 bytes are read at 0 of CURRENT
    0 bytes are read at 124 of CURRENT
    snapshots/.unfinished-tuesday/generation-1 is removed
    snapshots/.unfinished-tuesday is removed
    generation-1 is durable
    generation-1 is durable
    the node is up
    ann's connection ends
    core 1 wakes core 0
    core 0 wakes core 1
    bob hears *1
    bob hears $6
    bob hears monday
  core 0 wakes core 1
  snapshots/.unfinished-tuesday/generation-1/shard-0 is made
    124 bytes are read at 0 of CURRENT
    0 bytes are read at 124 of CURRENT
    snapshots/.unfinished-tuesday/generation-1/shard-0 is removed
    snapshots/.unfinished-tuesday/generation-1 is removed
    snapshots/.unfinished-tuesday is removed
    generation-1 is durable
    generation-1 is durable
    the node is up
    ann's connection ends
    core 1 wakes core 0
    core 0 wakes core 1
    bob hears *1
    bob hears $6
    bob hears monday
  snapshots/.unfinished-tuesday/generation-1/shard-1 is made
    124 bytes are read at 0 of CURRENT
    0 bytes are read at 124 of CURRENT
    snapshots/.unfinished-tuesday/generation-1/shard-0 is removed
    snapshots/.unfinished-tuesday/generation-1/shard-1 is removed
    snapshots/.unfinished-tuesday/generation-1 is removed
    snapshots/.unfinished-tuesday is removed
    generation-1 is durable
    generation-1 is durable
    the node is up
    ann's connection ends
    core 1 wakes core 0
    core 0 wakes core 1
    bob hears *1
    bob hears $6
    bob hears monday
  generation-1/shard-0: made 2, written 3, durable 4, renamed 1, removed 1
  generation-1/shard-1: made 2, written 3, durable 4, renamed 1, removed 1
  core 1 wakes core 0
  core 0 wakes core 1
  these 2 lines 3 times
  generation-1/shard-0: linked 1, read 1
  generation-1/shard-1: linked 1, read 1
  snapshots/.unfinished-tuesday/generation-1/shard-0: made 2, given room 1, frames begun 1, frames written 1, frames done 1, durable 3, written 1
  snapshots/.unfinished-tuesday/generation-1/shard-1: made 2, given room 1, frames begun 1, frames written 1, frames done 1, durable 3, written 1
  core 1 wakes core 0
  core 0 wakes core 1
  core 1 wakes core 0
  core 0 wakes core 1
  core 1 wakes core 0
  snapshots/.unfinished-tuesday/generation-1 is durable
  snapshots/.unfinished-tuesday/CURRENT is made
    124 bytes are read at 0 of CURRENT
    0 bytes are read at 124 of CURRENT
    snapshots/.unfinished-tuesday/CURRENT is removed
    snapshots/.unfinished-tuesday/generation-1/shard-0 is removed
    snapshots/.unfinished-tuesday/generation-1/shard-1 is removed
    snapshots/.unfinished-tuesday/generation-1 is removed
    snapshots/.unfinished-tuesday is removed
    generation-1 is durable
    generation-1 is durable
    the node is up
    ann's connection ends
    core 1 wakes core 0
    core 0 wakes core 1
    bob hears *1
    bob hears $6
    bob hears monday
  snapshots/.unfinished-tuesday/CURRENT is written
  snapshots/.unfinished-tuesday/CURRENT is durable
  snapshots/.unfinished-tuesday is durable
  snapshots/.unfinished-tuesday becomes tuesday
    124 bytes are read at 0 of CURRENT
    0 bytes are read at 124 of CURRENT
    generation-1 is durable
    generation-1 is durable
    the node is up
    ann's connection ends
    core 1 wakes core 0
    core 0 wakes core 1
    bob hears *2
    bob hears $6
    bob hears monday
    bob hears $7
    bob hears tuesday
  snapshots is durable
  core 0 wakes core 1
  bob hears +OK
say bob RLDB.SNAPSHOT CREATE tuesday, until CURRENT is durable
  core 1 wakes core 0
  data is durable
  snapshots/.unfinished-tuesday is made
  snapshots/.unfinished-tuesday/generation-1 is made
  core 0 wakes core 1
  snapshots/.unfinished-tuesday/generation-1/shard-0 is made
  snapshots/.unfinished-tuesday/generation-1/shard-1 is made
  generation-1/shard-0: made 2, written 3, durable 4, renamed 1, removed 1
  generation-1/shard-1: made 2, written 3, durable 4, renamed 1, removed 1
  core 1 wakes core 0
  core 0 wakes core 1
  these 2 lines 3 times
  generation-1/shard-0: linked 1, read 1
  generation-1/shard-1: linked 1, read 1
  snapshots/.unfinished-tuesday/generation-1/shard-0: made 2, given room 1, frames begun 1, frames written 1, frames done 1, durable 3, written 1
  snapshots/.unfinished-tuesday/generation-1/shard-1: made 2, given room 1, frames begun 1, frames written 1, frames done 1, durable 3, written 1
  core 1 wakes core 0
  core 0 wakes core 1
  core 1 wakes core 0
  core 0 wakes core 1
  core 1 wakes core 0
  snapshots/.unfinished-tuesday/generation-1 is durable
  snapshots/.unfinished-tuesday/CURRENT is made
  snapshots/.unfinished-tuesday/CURRENT is written
  snapshots/.unfinished-tuesday/CURRENT is durable
power-loss
restart
  124 bytes are read at 0 of CURRENT
  0 bytes are read at 124 of CURRENT
  generation-1 is durable
  generation-1 is durable
  generation-1/shard-0: read 30, made 4, written 4, durable 7, renamed 3, frames begun 1, frames written 1, frames durable 1
  generation-1/shard-1: read 30, made 4, written 4, durable 7, renamed 3, frames begun 1, frames written 1, frames durable 1
  the node is up
connect bob 1
  generation-1/shard-0: read 1, frames begun 1, renamed 3, frames written 1, frames durable 1, durable 9, made 4, given room 2, zeroed 4, written 2
  generation-1/shard-1: read 1, frames begun 1, renamed 3, frames written 1, frames durable 1, durable 9, made 4, given room 2, zeroed 4, written 2
say bob RLDB.SNAPSHOT LIST
  core 1 wakes core 0
  core 0 wakes core 1
  bob hears *1
  bob hears $6
  bob hears monday
connect ann 0
say ann MGET apple plum
  4096 bytes are read at 0 of generation-1/shard-0/segment-00002
  core 0 wakes core 1
  4096 bytes are read at 0 of generation-1/shard-1/segment-00002
  core 1 wakes core 0
  ann hears *2
  ann hears $5
  ann hears brown
  ann hears $5
  ann hears brown

# The one that is whole is a directory like any other: a node starts on it, and has that moment.
kill
restore monday
  snapshots/monday/LOCK is made
  124 bytes are read at 0 of snapshots/monday/CURRENT
  0 bytes are read at 124 of snapshots/monday/CURRENT
  snapshots/monday/generation-1 is durable
  snapshots/monday/generation-1 is durable
  snapshots/monday/generation-1/shard-0: read 10, made 6, written 3, given room 3, zeroed 5, durable 10, renamed 3, frames begun 1, frames written 1, frames durable 1
  snapshots/monday/generation-1/shard-1: read 10, made 6, written 3, given room 3, zeroed 5, durable 10, renamed 3, frames begun 1, frames written 1, frames durable 1
  the node is up
connect ann 0
  bob's connection ends
  snapshots/monday/generation-1/shard-0: zeroed 5, read 1, frames begun 1, frames written 1, durable 12, frames durable 1, made 5, written 3, renamed 3, given room 2
  snapshots/monday/generation-1/shard-1: zeroed 5, read 1, frames begun 1, frames written 1, durable 12, frames durable 1, made 5, written 3, renamed 3, given room 2
say ann MGET apple plum
  4096 bytes are read at 0 of snapshots/monday/generation-1/shard-0/segment-00002
  core 0 wakes core 1
  4096 bytes are read at 0 of snapshots/monday/generation-1/shard-1/segment-00002
  core 1 wakes core 0
  ann hears *2
  ann hears $5
  ann hears green
  ann hears $6
  ann hears yellow
say ann SET apple black
  snapshots/monday/generation-1/shard-0: frames begun 1, frames written 1, frames durable 1
  ann hears +OK

# On three cores its data is spread anew.
stop
  ann's connection ends
  snapshots/monday/generation-1/shard-0: frames begun 1, made 2, frames written 1, frames durable 1, written 3, durable 4, renamed 1, removed 1
  snapshots/monday/generation-1/shard-1: frames begun 1, made 2, frames written 1, frames durable 1, written 3, durable 4, renamed 1, removed 1
  the node has ended
restore monday 3
  124 bytes are read at 0 of snapshots/monday/CURRENT
  0 bytes are read at 124 of snapshots/monday/CURRENT
  snapshots/monday/generation-1/shard-0: read 20
  snapshots/monday/generation-1/shard-1: read 20
  snapshots/monday/generation-2 is made
  snapshots/monday is durable
  snapshots/monday/generation-2/UNFINISHED is made
  snapshots/monday/generation-2/UNFINISHED is durable
  snapshots/monday/generation-2 is durable
  snapshots/monday/generation-2/shard-0 is made
  snapshots/monday/generation-2 is durable
  snapshots/monday/generation-2/shard-0: made 5, written 3, given room 2, zeroed 4, durable 10, renamed 3
  snapshots/monday/generation-2/shard-1 is made
  snapshots/monday/generation-2 is durable
  snapshots/monday/generation-2/shard-1: made 5, written 3, given room 2, zeroed 4, durable 10, renamed 3
  snapshots/monday/generation-2/shard-2 is made
  snapshots/monday/generation-2 is durable
  snapshots/monday/generation-2/shard-2: made 11, written 8, given room 4, zeroed 8, durable 23, renamed 6, frames begun 1, frames written 1, frames done 1
  snapshots/monday/generation-1/shard-0: read 24
  snapshots/monday/generation-2/shard-1: made 6, given room 2, zeroed 4, durable 13, written 5, renamed 3, frames begun 1, frames written 1, frames done 1
  snapshots/monday/generation-1/shard-1: read 25
  snapshots/monday/generation-2/shard-0: frames begun 1, made 6, frames written 1, frames done 1, given room 2, durable 13, zeroed 4, written 5, renamed 3
  snapshots/monday/CURRENT.new is made
  snapshots/monday/CURRENT.new is written
  snapshots/monday/CURRENT.new is durable
  snapshots/monday/CURRENT.new becomes CURRENT
  snapshots/monday is durable
  snapshots/monday/generation-2/UNFINISHED is removed
  snapshots/monday/generation-1 becomes removed-1
  snapshots/monday is durable
  snapshots/monday/removed-1/shard-0: removed 8
  snapshots/monday/removed-1/shard-0 is removed
  snapshots/monday/removed-1/shard-1: removed 8
  snapshots/monday/removed-1/shard-1 is removed
  snapshots/monday/removed-1 is removed
  snapshots/monday/generation-2 is durable, 3 times
  snapshots/monday/generation-2/shard-0: read 16, made 4, written 4, durable 7, renamed 3, frames begun 1, frames written 1, frames durable 1
  snapshots/monday/generation-2/shard-1: read 16, made 4, written 4, durable 7, renamed 3, frames begun 1, frames written 1, frames durable 1
  snapshots/monday/generation-2/shard-2: read 16, made 4, written 4, durable 7, renamed 3, frames begun 1, frames written 1, frames durable 1
  the node is up
connect ann 2
  snapshots/monday/generation-2/shard-1: read 1, frames begun 1, renamed 3, frames written 1, frames durable 1, durable 9, made 4, given room 2, zeroed 4, written 2
  snapshots/monday/generation-2/shard-0: renamed 2, durable 5, made 2, given room 1, zeroed 2, written 1
  snapshots/monday/generation-2/shard-2: renamed 2, durable 5, made 2, given room 1, zeroed 2, written 1
say ann MGET apple plum
  core 2 wakes core 1
  snapshots/monday/generation-2/shard-1: read 2
  core 1 wakes core 2
  ann hears *2
  ann hears $5
  ann hears black
  ann hears $6
  ann hears yellow
