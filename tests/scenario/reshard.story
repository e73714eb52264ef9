# Another number of cores, interrupted at each step.
#
# What the data directory holds is written anew for the other number of cores, as another generation
# beside the one in use, which is only read. The rename of CURRENT changes from one to the other.
# Whatever ends a start before that leaves everything as it was, and the next start begins from
# scratch, with as many cores as it has; whatever ends it after, the data is there as it is to be.
cast node
node 2 storage: { engine: log, segment: 2MiB }
  the node is up
connect ann 0
say ann MSET apple red pear green plum blue quince yellow
  core 0 wakes core 1
  core 1 wakes core 0
  ann hears +OK
say ann DEL pear
  ann hears :1
stop
  ann's connection ends
  the node has ended
show files

# Before anything is there; with the mark that it is not finished; with some of it written.
restart 3, until generation-2 is made
  generation-2 is made
kill
restart 3, until UNFINISHED is durable
  generation-2 becomes removed-2
  generation-2 is made
  UNFINISHED is durable
power-loss
restart 3, until shard-2 is made
  generation-2 becomes removed-2
  generation-2 is made
  UNFINISHED is durable
  generation-2 is durable
  shard-0 is made
  generation-2 is durable
  shard-1 is made
  generation-2 is durable
  shard-2 is made
kill
restart 2
  generation-2 becomes removed-2
  UNFINISHED is removed
  shard-0 is removed
  shard-1 is removed
  shard-2 is removed
  generation-1 is durable
  the node is up
connect ann 0
say ann MGET apple pear plum quince
  core 0 wakes core 1
  core 1 wakes core 0
  ann hears *4
  ann hears $3
  ann hears red
  ann hears $-1
  ann hears $4
  ann hears blue
  ann hears $6
  ann hears yellow
kill

# All of it is written, and CURRENT still names the other.
restart 3, until CURRENT.new is durable
  generation-2 is made
  UNFINISHED is durable
  generation-2 is durable
  shard-0 is made
  generation-2 is durable
  shard-1 is made
  generation-2 is durable
  shard-2 is made
  generation-2 is durable
  CURRENT.new is written
  CURRENT.new is durable
power-loss
  ann's connection ends
restart 2
  generation-2 becomes removed-2
  UNFINISHED is removed
  shard-0 is removed
  shard-1 is removed
  shard-2 is removed
  generation-1 is durable
  the node is up
connect ann 0
say ann MGET apple pear plum quince
  core 0 wakes core 1
  core 1 wakes core 0
  ann hears *4
  ann hears $3
  ann hears red
  ann hears $-1
  ann hears $4
  ann hears blue
  ann hears $6
  ann hears yellow
stop
  ann's connection ends
  the node has ended

# CURRENT has been replaced, and no power loss undoes that once its directory is durable.
restart 3, until CURRENT.new becomes CURRENT
  generation-2 is made
  UNFINISHED is durable
  generation-2 is durable
  shard-0 is made
  generation-2 is durable
  shard-1 is made
  generation-2 is durable
  shard-2 is made
  generation-2 is durable
  CURRENT.new is written
  CURRENT.new is durable
  CURRENT.new becomes CURRENT
power-loss
restart 3
  generation-2 becomes removed-2
  UNFINISHED is removed
  shard-0 is removed
  shard-1 is removed
  shard-2 is removed
  generation-2 is made
  UNFINISHED is durable
  generation-2 is durable
  shard-0 is made
  generation-2 is durable
  shard-1 is made
  generation-2 is durable
  shard-2 is made
  generation-2 is durable
  CURRENT.new is written
  CURRENT.new is durable
  CURRENT.new becomes CURRENT
  UNFINISHED is removed
  generation-1 becomes removed-1
  shard-0 is removed
  shard-1 is removed
  generation-2 is durable
  the node is up
connect ann 0
say ann MGET apple pear plum quince
  core 0 wakes core 1
  core 1 wakes core 0
  core 0 wakes core 2
  core 2 wakes core 0
  core 0 wakes core 1
  core 1 wakes core 0
  ann hears *4
  ann hears $3
  ann hears red
  ann hears $-1
  ann hears $4
  ann hears blue
  ann hears $6
  ann hears yellow
say ann INCR cherry
  core 0 wakes core 1
  core 1 wakes core 0
  ann hears :1
kill

# Down to one; it is ended when the old generation begins to go, and when a part of it is gone.
restart 1, until UNFINISHED is removed
  generation-3 is made
  UNFINISHED is durable
  generation-3 is durable
  shard-0 is made
  generation-3 is durable
  CURRENT.new is written
  CURRENT.new is durable
  CURRENT.new becomes CURRENT
  UNFINISHED is removed
kill
  ann's connection ends
restart 1, until removed-2
  generation-2 becomes removed-2
kill
restart 1
  shard-0 is removed
  shard-1 is removed
  shard-2 is removed
  generation-3 is durable
  the node is up
connect ann 0
say ann MGET apple pear plum quince cherry
  ann hears *5
  ann hears $3
  ann hears red
  ann hears $-1
  ann hears $4
  ann hears blue
  ann hears $6
  ann hears yellow
  ann hears $1
  ann hears 1
kill
restart 4, until shard-0 is removed
  generation-4 is made
  UNFINISHED is durable
  generation-4 is durable
  shard-0 is made
  generation-4 is durable
  shard-1 is made
  generation-4 is durable
  shard-2 is made
  generation-4 is durable
  shard-3 is made
  generation-4 is durable
  CURRENT.new is written
  CURRENT.new is durable
  CURRENT.new becomes CURRENT
  UNFINISHED is removed
  generation-3 becomes removed-3
  shard-0 is removed
power-loss
  ann's connection ends
restart 4
  UNFINISHED is removed
  generation-4 is durable
  the node is up
connect ann 0
say ann MGET apple pear plum quince cherry
  core 0 wakes core 1
  core 1 wakes core 0
  core 0 wakes core 2
  core 2 wakes core 0
  core 0 wakes core 3
  core 3 wakes core 0
  core 0 wakes core 1
  core 0 wakes core 2
  core 1 wakes core 0
  ann hears *5
  ann hears $3
  ann hears red
  ann hears $-1
  ann hears $4
  ann hears blue
  ann hears $6
  ann hears yellow
  ann hears $1
  ann hears 1
