# What a connection asks for in a row, on one core.
#
# FLUSHALL is of all keys, so it waits for what was asked before it on its connection, be that a read
# from disk: else it would empty first, and leave what was to be gone.
cast node
node 1 storage: { engine: log }
  the node is up
connect ann 0
say ann SET plum blue
  ann hears +OK
kill
restart
  the node is up
disk 10ms
connect ann 0
say ann SET plum red GET ; ann FLUSHALL ; ann EXISTS plum
  ann hears $4
  ann hears blue
  ann hears +OK
  ann hears :0
disk 100us
wait 100ms
say ann EXISTS plum ; ann DBSIZE
  ann hears :0
  ann hears :0
