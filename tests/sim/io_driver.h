// What the conformance suite of core/io.h needs to run one case over both backends: a core, peers
// that are not behind core/io.h, a place for files, and several cores at once.
//
// Over io_uring peers are plain sockets, and other cores are threads. Over the simulated world
// peers are its clients, and other cores are stepped by it. The suite only turns its own core and
// polls its peers; it cannot tell which one it is on.
#pragma once

#include "core/io.h"

// That each case is run with over the simulated world. Every other one makes it a harsh world:
// nearly all is cut, sockets hold little, and receive buffers come back late.
enum { IO_DRIVER_SEEDS = 30 };

enum io_driver_kind { IO_DRIVER_URING, IO_DRIVER_SIM };

struct sim_world;
struct sim_node;

struct io_driver {
    enum io_driver_kind kind;
    uint64_t seed;
    struct io_uring_options options;
    struct io *io;       // core 0, the caller's thread's
    char directory[64];  // for files; without a slash at its end
    char broken[80];     // a path in it
    uint64_t limit_left; // to be restored: RLIMIT_NOFILE
    bool mounted;        // the directory is a file system of its own
    struct sim_world *world;
    struct sim_node *node;
};

struct io_driver *io_driver_open(enum io_driver_kind kind, uint64_t seed,
                                 const struct io_uring_options *options);
void io_driver_close(struct io_driver *driver);

// From now on no more than `more` descriptors can be opened; -1: as many as before.
void io_driver_limit(struct io_driver *driver, int more);

// From now on, before anything was made in the directory, its file system has no more than `bytes`.
// False: the system does not let us (mounting one takes a user namespace, or root).
bool io_driver_disk_max(struct io_driver *driver, uint64_t bytes);

// A file that is there and can be opened, but from now on reads of it fail with -EIO, or writes
// with -EFBIG. All writes do, and over the simulated world all reads.
enum io_driver_broken { IO_DRIVER_READS_FAIL, IO_DRIVER_WRITES_FAIL };
const char *io_driver_broken_file(struct io_driver *driver, enum io_driver_broken what);

// Connections from outside. Nothing here blocks.
struct io_peer;
struct io_peer *io_peer_connect(struct io_driver *driver, const struct io_address *to);
bool io_peer_connected(struct io_peer *peer);
long io_peer_send(struct io_peer *peer, const void *bytes, size_t size); // 0: no room now
long io_peer_recv(struct io_peer *peer, void *bytes, size_t size);       // -EAGAIN: nothing now
void io_peer_shutdown(struct io_peer *peer);                             // no more will be sent
void io_peer_close(struct io_peer *peer, bool reset);

// Some cores at once, each with a loop of its own: `step` does one turn, which ends with io_turn(),
// and returns false when it is done (it is not called again then). Returns when all are done.
struct io_actor {
    bool (*step)(struct io_actor *actor);
    struct io *io; // the driver's
    void *context;
    bool done;
};

void io_driver_run(struct io_driver *driver, struct io_actor *actors, unsigned count);
