# A credit that nobody needed.
#
# A core has room for one request under way, and that one is at a core that hangs. Two more come
# together for a third core, and there is one credit towards it: the first takes it and is refused,
# since it has no room; the second finds no credit left and waits. What was not needed comes back
# without a message from anybody, and the one that waits must hear of that.
cast node
node 3
  the node is up
bound credits 1 hops 1
where plum kiwi
  plum lives on core 1
  kiwi lives on core 2
connect ann 0
connect bob 0
connect dan 0

hang 1
say ann INCR plum
  core 0 wakes core 1
hang 0
say bob INCR kiwi ; dan INCR kiwi
resume 0
  bob hears -OVERLOADED the core that owns this key has too many requests waiting; retry
  dan hears -OVERLOADED the core that owns this key has too many requests waiting; retry
resume 1
  core 1 wakes core 0
  ann hears :1
