# A wake: sent, not needed, lost and found.
#
# A core that has nothing to do announces that it sleeps, looks at its inboxes once more, and waits.
# Who puts something into one of them wakes it only where it has announced that: a wake costs more
# than a GET.
cast node
node 2
  the node is up
where apple plum
  apple lives on core 0
  plum lives on core 1
connect ann 0
connect bob 1

# Ann is at core 0, and asks for what lives on core 1, which sleeps; then core 0 sleeps.
say ann SET plum blue
  core 0 wakes core 1
  core 1 wakes core 0
  ann hears +OK
say ann GET plum
  core 0 wakes core 1
  core 1 wakes core 0
  ann hears $4
  ann hears blue

# Core 1 is awake, since Bob asks at the same moment: it need not be woken.
say ann GET plum ; bob PING
  core 0 wakes core 1
  core 1 wakes core 0
  bob hears +PONG
  ann hears $4
  ann hears blue

# It is on its way to sleep: what Ann asked for arrives between its look at the clock and its
# announcement. It looks once more.
interleave
say bob PING ; ann GET plum
  core 1 wakes core 0
  bob hears +PONG
  ann hears $4
  ann hears blue

# A wake gets lost (none does in Linux): the next timer of the core finds what is there.
lose-wake
say ann GET plum
  core 0 wakes core 1, and it gets lost
  core 1 wakes core 0
  ann hears $4
  ann hears blue
wait 2s
