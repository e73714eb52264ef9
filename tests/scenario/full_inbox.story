# A full inbox.
#
# Messages from one core to another have a credit; what a connection asks for in one turn shares one,
# so each request comes in a turn of its own here. When the credit is used up those that follow wait
# at their connection, which reads no more; nothing is dropped, and nobody else waits.
cast node
node 2
  the node is up
bound credits 3
where apple plum
  apple lives on core 0
  plum lives on core 1
connect ann 0
connect bob 0

hang 1
say ann INCR plum
  core 0 wakes core 1
say ann INCR plum
say ann INCR plum
say ann INCR plum
say ann INCR plum
say ann INCR apple
say bob INCR apple
  bob hears :1
say bob INCR plum
resume 1
  core 1 wakes core 0
  core 0 wakes core 1
  core 1 wakes core 0
  ann hears :1
  ann hears :2
  ann hears :3
  ann hears :4
  ann hears :5
  ann hears :2
  bob hears :6

# Again, and the one whose requests are under way leaves: what it asked for is done, and the credit
# comes back.
hang 1
say ann INCR plum
  core 0 wakes core 1
say ann INCR plum
say ann INCR plum
connect ann 0
say bob INCR plum
resume 1
  core 1 wakes core 0
  core 0 wakes core 1
  core 1 wakes core 0
  bob hears :10
say ann GET plum
  core 0 wakes core 1
  core 1 wakes core 0
  ann hears $2
  ann hears 10
