# Snapshots where the filesystem makes no hard link: it has none, or a file has as many as it may.
#
# Who asks is told so, with what to do about it, and nothing of the snapshot is left. The node serves
# on, and when links are made again, so are snapshots.
cast node
hide-wakes
node 2 storage: { engine: log, segment: 2MiB, cache: 2MiB }
  the node is up
connect ann 0
say ann SET apple red
  ann hears +OK

# As on vfat.
disk fails link EPERM
say ann RLDB.SNAPSHOT CREATE monday
  ann hears -IOERR the filesystem of node.data_dir refuses the hard links that snapshot 'monday' is made of (Operation not permitted): move node.data_dir to one that has them, or copy it while the node is stopped
wait 1s
list data/snapshots
  and no more in data/snapshots
say ann RLDB.SNAPSHOT LIST
  ann hears *0
say ann SET apple green
  ann hears +OK

# As on ext4 behind 65,000 of them.
disk fails link EMLINK
say ann RLDB.SNAPSHOT CREATE monday
  ann hears -IOERR a file that snapshot 'monday' needs has as many names as the filesystem allows: delete other snapshots
wait 1s
list data/snapshots
  and no more in data/snapshots
say ann SET apple brown
  ann hears +OK

disk works
say ann RLDB.SNAPSHOT CREATE monday
  ann hears +OK
wait 1s
list data/snapshots
  there is monday
  and no more in data/snapshots
say ann GET apple
  ann hears $5
  ann hears brown
