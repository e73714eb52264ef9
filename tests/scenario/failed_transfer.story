# A command over two cores, and a write that fails.
#
# COPY finds that its destination is there, and says so: 0. But what it has found is not durable yet
# on the core that has it, and when that core's disk fails it never will be. The command is answered
# once, with the error: the 0 that was ready is taken back.
cast node
node 2 storage: { engine: log }
  the node is up
connect ann 0
connect bob 1
where apple plum
  apple lives on core 0
  plum lives on core 1
say ann SET apple red
  ann hears +OK
disk 5ms
disk fails write
say bob SET plum blue ; ann COPY apple plum ; ann PING
  core 0 wakes core 1
  core 1 wakes core 0
  core 0 wakes core 1
  core 1 wakes core 0
  bob's connection ends
  ann hears -IOERR writing to the disk failed: this core takes no writes until the node is started anew; the write may or may not be there then
  ann hears +PONG
disk works
say ann PING ; bob PING
  ann hears +PONG
