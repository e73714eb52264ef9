# FLUSHALL and a slow disk.
#
# What was dropped is gone for every reader at once, but it stays gone only when the log says so: the
# command is answered when it has been written down, and so is who would see that a key is gone. What
# was not answered before a crash did not happen.
cast node
node 1 storage: { engine: log, segment: 2MiB }
  the node is up
connect ann 0
say ann SET plum blue
  ann hears +OK
kill
restart
  the node is up
disk 500ms
connect ann 0
connect bob 0
say ann FLUSHALL
say bob GET plum
kill
disk 100us
restart
  the node is up
connect ann 0
  bob's connection ends
say ann GET plum
  ann hears $4
  ann hears blue
disk 500ms
say ann FLUSHALL
wait 20s
  ann hears +OK
kill
disk 100us
restart
  the node is up
connect ann 0
say ann GET plum
  ann hears $-1
