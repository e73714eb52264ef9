// Removing a directory and all that is in it, while its disk serves others.
//
// To free a file takes as long as the file is large: where the file system tells the disk of each
// block (ext4 mounted with discard) 64 MiB took 14 ms, in which no frame of a log became durable.
// So a file that has no other name gives its room back in slices, with rests of REST_SHARE times
// what they took, before it loses its name. When the shard drains nothing is spared any more.
//
// What is left when the process ends is somebody else's to find: a name that begins with a dot in
// snapshots/ goes with the next start (data_dir.h).
#pragma once

#include "cluster/data_dir.h"
#include "core/io.h"
#include "core/timer.h"

struct removal;
struct shard;

typedef void removal_done_fn(struct removal *removal, int error);

// All but done is its own. Embedded where it is used; zeroed memory.
struct removal {
    struct io_op op; // first
    struct timer timer;
    struct shard *shard;
    removal_done_fn *done;
    const char *root;
    uint8_t step; // of removal.c
    int fd;
    uint64_t size;                // of the file, as far as it has been cut
    char at[DATA_DIR_PATH_BYTES]; // what is removed now
};

// `root` stays valid. done() gets 0, also where there was nothing, or -errno; it may be called
// before this returns.
void removal_begin(struct removal *removal, struct shard *shard, const char *root,
                   removal_done_fn *done);
