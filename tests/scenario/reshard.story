# Another number of cores, and a stop at each step of the start that makes it so.
#
# What the data directory holds is written anew for the other number of cores, as another generation
# beside the one in use, which is only read. The rename of CURRENT changes from one to the other.
# Whatever ends a start before that leaves everything as it was, and the next start begins from
# scratch, with as many cores as it has; whatever ends it after, the data is there as it is to be.
# Of what the cores' engines do in their directories it is told how often.
cast node
show disk counted
node 2 storage: { engine: log, segment: 2MiB }
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
connect ann 0
  generation-1/shard-0: given room 2, zeroed 4, durable 8, made 3, written 2, renamed 2
  generation-1/shard-1: given room 2, zeroed 4, durable 8, made 3, written 2, renamed 2
say ann MSET apple red pear green plum blue quince yellow
  core 0 wakes core 1
  generation-1/shard-1: frames begun 1, frames written 1, frames durable 1
  core 1 wakes core 0
  generation-1/shard-0: frames begun 1, frames written 1, frames durable 1
  ann hears +OK
say ann SETRANGE fig 700000 x
  generation-1/shard-0: frames begun 1, frames written 1, frames durable 1
  ann hears :700001
say ann SETRANGE lime 700000 x
  generation-1/shard-0: frames begun 1, frames written 1, frames durable 1
  ann hears :700001
say ann SETRANGE date 700000 x
  generation-1/shard-0: frames begun 1, written 1, made 1, frames written 1, frames durable 1, given room 1, durable 1
  ann hears :700001
  generation-1/shard-0: written 2, zeroed 2, durable 4, made 1, renamed 1
say ann DEL pear
  generation-1/shard-0: frames begun 1, frames written 1, frames durable 1
  ann hears :1
stop
  ann's connection ends
  generation-1/shard-0: frames begun 1, made 2, frames written 1, frames durable 1, written 3, durable 4, renamed 1
  generation-1/shard-1: frames begun 1, made 2, frames written 1, frames durable 1, written 3, durable 4, renamed 1
  the node has ended

# From two to three, and the power fails. The next start is with two, as before: it removes what
# there is of the other generation; or spreads the data again, where CURRENT was changed for good.
restart 3, at each step power-loss, then show disk above, then restart 2, then show nothing, then connect ann 0, then say ann MGET apple pear plum quince, then say ann STRLEN fig ; ann STRLEN lime ; ann STRLEN date
  124 bytes are read at 0 of CURRENT
    124 bytes are read at 0 of CURRENT
    0 bytes are read at 124 of CURRENT
    generation-1 is durable
    generation-1 is durable
    the node is up
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
    ann hears :700001, 3 times
  0 bytes are read at 124 of CURRENT
  generation-1/shard-0: read 18
  generation-1/shard-1: read 16
  generation-2 is made
  data is durable
    124 bytes are read at 0 of CURRENT
    0 bytes are read at 124 of CURRENT
    generation-2 becomes removed-2
    data is durable
    removed-2 is removed
    generation-1 is durable
    generation-1 is durable
    the node is up
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
    ann hears :700001, 3 times
  generation-2/UNFINISHED is made
  generation-2/UNFINISHED is durable
  generation-2 is durable
    124 bytes are read at 0 of CURRENT
    0 bytes are read at 124 of CURRENT
    generation-2 becomes removed-2
    data is durable
    removed-2/UNFINISHED is removed
    removed-2 is removed
    generation-1 is durable
    generation-1 is durable
    the node is up
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
    ann hears :700001, 3 times
  generation-2/shard-0 is made
  generation-2 is durable
    124 bytes are read at 0 of CURRENT
    0 bytes are read at 124 of CURRENT
    generation-2 becomes removed-2
    data is durable
    removed-2/UNFINISHED is removed
    removed-2/shard-0 is removed
    removed-2 is removed
    generation-1 is durable
    generation-1 is durable
    the node is up
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
    ann hears :700001, 3 times
  generation-2/shard-0: made 5, written 3, given room 2, zeroed 4, durable 10, renamed 3
  generation-2/shard-1 is made
  generation-2 is durable
    124 bytes are read at 0 of CURRENT
    0 bytes are read at 124 of CURRENT
    generation-2 becomes removed-2
    data is durable
    removed-2/UNFINISHED is removed
    removed-2/shard-0 is removed
    removed-2/shard-1 is removed
    removed-2 is removed
    generation-1 is durable
    generation-1 is durable
    the node is up
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
    ann hears :700001, 3 times
  generation-2/shard-1: made 5, written 3, given room 2, zeroed 4, durable 10, renamed 3
  generation-2/shard-2 is made
  generation-2 is durable
    124 bytes are read at 0 of CURRENT
    0 bytes are read at 124 of CURRENT
    generation-2 becomes removed-2
    data is durable
    removed-2/UNFINISHED is removed
    removed-2/shard-0 is removed
    removed-2/shard-1 is removed
    removed-2/shard-2 is removed
    removed-2 is removed
    generation-1 is durable
    generation-1 is durable
    the node is up
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
    ann hears :700001, 3 times
  generation-2/shard-2: made 11, written 8, given room 4, zeroed 8, durable 23, renamed 6, frames begun 1, frames written 1, frames done 1
  generation-1/shard-0: read 24
  generation-2/shard-0: frames begun 2, made 8, frames written 2, frames done 2, given room 3, zeroed 6, durable 20, written 8, renamed 4
  generation-2/shard-1: made 6, given room 2, zeroed 4, durable 13, written 5, renamed 3, frames begun 1, frames written 1, frames done 1
  generation-1/shard-1: read 18
  CURRENT.new is made
  CURRENT.new is written
  CURRENT.new is durable
  CURRENT.new becomes CURRENT
  data is durable
    124 bytes are read at 0 of CURRENT
    0 bytes are read at 124 of CURRENT
    generation-1 becomes removed-1
    data is durable
    removed-1/shard-0 is removed
    removed-1/shard-1 is removed
    removed-1 is removed
    generation-2/UNFINISHED is removed
    generation-3 is made
    data is durable
    generation-3/UNFINISHED is made
    generation-3/UNFINISHED is durable
    generation-3 is durable
    generation-3/shard-0 is made
    generation-3 is durable
    generation-3/shard-1 is made
    generation-3 is durable
    CURRENT.new is made
    CURRENT.new is written
    CURRENT.new is durable
    CURRENT.new becomes CURRENT
    data is durable
    generation-3/UNFINISHED is removed
    generation-2 becomes removed-2
    data is durable
    removed-2/shard-0 is removed
    removed-2/shard-1 is removed
    removed-2/shard-2 is removed
    removed-2 is removed
    generation-3 is durable
    generation-3 is durable
    the node is up
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
    ann hears :700001, 3 times
  generation-2/UNFINISHED is removed
  generation-1 becomes removed-1
  data is durable
    124 bytes are read at 0 of CURRENT
    0 bytes are read at 124 of CURRENT
    removed-1/shard-0 is removed
    removed-1/shard-1 is removed
    removed-1 is removed
    generation-2/UNFINISHED is removed
    generation-3 is made
    data is durable
    generation-3/UNFINISHED is made
    generation-3/UNFINISHED is durable
    generation-3 is durable
    generation-3/shard-0 is made
    generation-3 is durable
    generation-3/shard-1 is made
    generation-3 is durable
    CURRENT.new is made
    CURRENT.new is written
    CURRENT.new is durable
    CURRENT.new becomes CURRENT
    data is durable
    generation-3/UNFINISHED is removed
    generation-2 becomes removed-2
    data is durable
    removed-2/shard-0 is removed
    removed-2/shard-1 is removed
    removed-2/shard-2 is removed
    removed-2 is removed
    generation-3 is durable
    generation-3 is durable
    the node is up
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
    ann hears :700001, 3 times
  removed-1/shard-0: removed 7
  removed-1/shard-0 is removed
  removed-1/shard-1: removed 6
  removed-1/shard-1 is removed
  removed-1 is removed
  generation-2 is durable
    124 bytes are read at 0 of CURRENT
    0 bytes are read at 124 of CURRENT
    removed-1/shard-0 is removed
    removed-1/shard-1 is removed
    removed-1 is removed
    generation-3 is made
    data is durable
    generation-3/UNFINISHED is made
    generation-3/UNFINISHED is durable
    generation-3 is durable
    generation-3/shard-0 is made
    generation-3 is durable
    generation-3/shard-1 is made
    generation-3 is durable
    CURRENT.new is made
    CURRENT.new is written
    CURRENT.new is durable
    CURRENT.new becomes CURRENT
    data is durable
    generation-3/UNFINISHED is removed
    generation-2 becomes removed-2
    data is durable
    removed-2/shard-0 is removed
    removed-2/shard-1 is removed
    removed-2/shard-2 is removed
    removed-2 is removed
    generation-3 is durable
    generation-3 is durable
    the node is up
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
    ann hears :700001, 3 times
  generation-2 is durable
  generation-2 is durable
  generation-2/shard-0: read 18, made 4, written 4, durable 7, renamed 3, frames begun 1, frames written 1, frames durable 1
  generation-2/shard-1: read 16, made 4, written 4, durable 7, renamed 3, frames begun 1, frames written 1, frames durable 1
  generation-2/shard-2: read 16, made 4, written 4, durable 7, renamed 3, frames begun 1, frames written 1, frames durable 1
  the node is up

# The process ends, or the disk has kept all; and the next start is with three again, or with four.
restart 3, at each step kill, then show nothing, then restart 3, then connect ann 0, then say ann MGET apple pear plum quince, then say ann STRLEN fig ; ann STRLEN lime ; ann STRLEN date
  124 bytes are read at 0 of CURRENT
    the node is up
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
    ann hears :700001, 3 times
  0 bytes are read at 124 of CURRENT
  generation-1/shard-0: read 18
  generation-1/shard-1: read 16
  generation-2 is made
  data is durable
  generation-2/UNFINISHED is made
  generation-2/UNFINISHED is durable
  generation-2 is durable
  generation-2/shard-0 is made
  generation-2 is durable
  generation-2/shard-0: made 5, written 3, given room 2, zeroed 4, durable 10, renamed 3
  generation-2/shard-1 is made
  generation-2 is durable
  generation-2/shard-1: made 5, written 3, given room 2, zeroed 4, durable 10, renamed 3
  generation-2/shard-2 is made
  generation-2 is durable
  generation-2/shard-2: made 11, written 8, given room 4, zeroed 8, durable 23, renamed 6, frames begun 1, frames written 1, frames done 1
  generation-1/shard-0: read 24
  generation-2/shard-0: frames begun 2, made 8, frames written 2, frames done 2, given room 3, zeroed 6, durable 20, written 8, renamed 4
  generation-2/shard-1: made 6, given room 2, zeroed 4, durable 13, written 5, renamed 3, frames begun 1, frames written 1, frames done 1
  generation-1/shard-1: read 18
  CURRENT.new is made
  CURRENT.new is written
  CURRENT.new is durable
  CURRENT.new becomes CURRENT
  data is durable
  generation-2/UNFINISHED is removed
  generation-1 becomes removed-1
  data is durable
  removed-1/shard-0: removed 7
  removed-1/shard-0 is removed
  removed-1/shard-1: removed 6
  removed-1/shard-1 is removed
  removed-1 is removed
  generation-2 is durable, 3 times
  generation-2/shard-0: read 18, made 4, written 4, durable 7, renamed 3, frames begun 1, frames written 1, frames durable 1
  generation-2/shard-1: read 16, made 4, written 4, durable 7, renamed 3, frames begun 1, frames written 1, frames durable 1
  generation-2/shard-2: read 16, made 4, written 4, durable 7, renamed 3, frames begun 1, frames written 1, frames durable 1
  the node is up
restart 3, at each step power-loss everything, then show nothing, then restart 4, then connect ann 0, then say ann MGET apple pear plum quince, then say ann STRLEN fig ; ann STRLEN lime ; ann STRLEN date
  124 bytes are read at 0 of CURRENT
    the node is up
    core 0 wakes core 1
    core 1 wakes core 0
    core 0 wakes core 2
    core 2 wakes core 0
    core 0 wakes core 3
    core 3 wakes core 0
    core 0 wakes core 1
    core 0 wakes core 2
    core 1 wakes core 0
    ann hears *4
    ann hears $3
    ann hears red
    ann hears $-1
    ann hears $4
    ann hears blue
    ann hears $6
    ann hears yellow
    core 0 wakes core 1
    core 1 wakes core 0
    ann hears :700001, 3 times
  0 bytes are read at 124 of CURRENT
  generation-1/shard-0: read 18
  generation-1/shard-1: read 16
  generation-2 is made
  data is durable
  generation-2/UNFINISHED is made
  generation-2/UNFINISHED is durable
  generation-2 is durable
  generation-2/shard-0 is made
  generation-2 is durable
  generation-2/shard-0: made 5, written 3, given room 2, zeroed 4, durable 10, renamed 3
  generation-2/shard-1 is made
  generation-2 is durable
  generation-2/shard-1: made 5, written 3, given room 2, zeroed 4, durable 10, renamed 3
  generation-2/shard-2 is made
  generation-2 is durable
  generation-2/shard-2: made 11, written 8, given room 4, zeroed 8, durable 23, renamed 6, frames begun 1, frames written 1, frames done 1
  generation-1/shard-0: read 24
  generation-2/shard-0: frames begun 2, made 8, frames written 2, frames done 2, given room 3, zeroed 6, durable 20, written 8, renamed 4
  generation-2/shard-1: made 6, given room 2, zeroed 4, durable 13, written 5, renamed 3, frames begun 1, frames written 1, frames done 1
  generation-1/shard-1: read 18
  CURRENT.new is made
  CURRENT.new is written
  CURRENT.new is durable
  CURRENT.new becomes CURRENT
  data is durable
  generation-2/UNFINISHED is removed
  generation-1 becomes removed-1
  data is durable
  removed-1/shard-0: removed 7
  removed-1/shard-0 is removed
  removed-1/shard-1: removed 6
  removed-1/shard-1 is removed
  removed-1 is removed
  generation-2 is durable, 3 times
  generation-2/shard-0: read 18, made 4, written 4, durable 7, renamed 3, frames begun 1, frames written 1, frames durable 1
  generation-2/shard-1: read 16, made 4, written 4, durable 7, renamed 3, frames begun 1, frames written 1, frames durable 1
  generation-2/shard-2: read 16, made 4, written 4, durable 7, renamed 3, frames begun 1, frames written 1, frames durable 1
  the node is up

# The start that removes what is left of another ends too, at each step.
restart 3, until CURRENT.new is durable
  124 bytes are read at 0 of CURRENT
  0 bytes are read at 124 of CURRENT
  generation-1/shard-0: read 18
  generation-1/shard-1: read 16
  generation-2 is made
  data is durable
  generation-2/UNFINISHED is made
  generation-2/UNFINISHED is durable
  generation-2 is durable
  generation-2/shard-0 is made
  generation-2 is durable
  generation-2/shard-0: made 5, written 3, given room 2, zeroed 4, durable 10, renamed 3
  generation-2/shard-1 is made
  generation-2 is durable
  generation-2/shard-1: made 5, written 3, given room 2, zeroed 4, durable 10, renamed 3
  generation-2/shard-2 is made
  generation-2 is durable
  generation-2/shard-2: made 11, written 8, given room 4, zeroed 8, durable 23, renamed 6, frames begun 1, frames written 1, frames done 1
  generation-1/shard-0: read 24
  generation-2/shard-0: frames begun 2, made 8, frames written 2, frames done 2, given room 3, zeroed 6, durable 20, written 8, renamed 4
  generation-2/shard-1: made 6, given room 2, zeroed 4, durable 13, written 5, renamed 3, frames begun 1, frames written 1, frames done 1
  generation-1/shard-1: read 18
  CURRENT.new is made
  CURRENT.new is written
  CURRENT.new is durable
power-loss
restart 2, at each step power-loss names, then show disk above, then restart 2, then show nothing, then connect ann 0, then say ann MGET apple pear plum quince, then say ann STRLEN fig ; ann STRLEN lime ; ann STRLEN date
  124 bytes are read at 0 of CURRENT
    124 bytes are read at 0 of CURRENT
    0 bytes are read at 124 of CURRENT
    generation-2 becomes removed-2
    data is durable
    removed-2/UNFINISHED is removed
    removed-2/shard-0 is removed
    removed-2/shard-1 is removed
    removed-2/shard-2 is removed
    removed-2 is removed
    generation-1 is durable
    generation-1 is durable
    the node is up
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
    ann hears :700001, 3 times
  0 bytes are read at 124 of CURRENT
  generation-2 becomes removed-2
    124 bytes are read at 0 of CURRENT
    0 bytes are read at 124 of CURRENT
    removed-2/UNFINISHED is removed
    removed-2/shard-0 is removed
    removed-2/shard-1 is removed
    removed-2/shard-2 is removed
    removed-2 is removed
    generation-1 is durable
    generation-1 is durable
    the node is up
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
    ann hears :700001, 3 times
  data is durable
  removed-2/UNFINISHED is removed
    124 bytes are read at 0 of CURRENT
    0 bytes are read at 124 of CURRENT
    removed-2/shard-0 is removed
    removed-2/shard-1 is removed
    removed-2/shard-2 is removed
    removed-2 is removed
    generation-1 is durable
    generation-1 is durable
    the node is up
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
    ann hears :700001, 3 times
  removed-2/shard-0: removed 7
  removed-2/shard-0 is removed
    124 bytes are read at 0 of CURRENT
    0 bytes are read at 124 of CURRENT
    removed-2/shard-1 is removed
    removed-2/shard-2 is removed
    removed-2 is removed
    generation-1 is durable
    generation-1 is durable
    the node is up
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
    ann hears :700001, 3 times
  removed-2/shard-1: removed 6
  removed-2/shard-1 is removed
    124 bytes are read at 0 of CURRENT
    0 bytes are read at 124 of CURRENT
    removed-2/shard-2 is removed
    removed-2 is removed
    generation-1 is durable
    generation-1 is durable
    the node is up
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
    ann hears :700001, 3 times
  removed-2/shard-2: removed 6
  removed-2/shard-2 is removed
    124 bytes are read at 0 of CURRENT
    0 bytes are read at 124 of CURRENT
    removed-2 is removed
    generation-1 is durable
    generation-1 is durable
    the node is up
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
    ann hears :700001, 3 times
  removed-2 is removed
    124 bytes are read at 0 of CURRENT
    0 bytes are read at 124 of CURRENT
    generation-1 is durable
    generation-1 is durable
    the node is up
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
    ann hears :700001, 3 times
  generation-1 is durable
  generation-1 is durable
  generation-1/shard-0: read 18, made 4, written 4, durable 7, renamed 3, frames begun 1, frames written 1, frames durable 1
  generation-1/shard-1: read 16, made 4, written 4, durable 7, renamed 3, frames begun 1, frames written 1, frames durable 1
  the node is up
