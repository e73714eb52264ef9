// Looking through the directory of a log while no engine runs on it, and mending it. For people
// with a disk that they do not trust: what an engine does when it opens is to find what it needs,
// and here every record that a key leads to is read. And for who wants them all, in one pass over
// the disk.
//
// Waits in io_turn().
#pragma once

#include "core/slice.h"
#include "engines/engine.h"

#include <stdbool.h>
#include <stdint.h>

struct io;

struct log_check {
    // set by the caller
    struct io *io;
    const char *directory; // of a shard
    bool mend;             // else nothing is changed
    // what the manifest would say, where it cannot be read; no vnodes: that is not known
    uint32_t shard;
    uint32_t shards;
    uint32_t vnodes;
    uint64_t hash_seed;
    void *context;
    engine_report_fn *say;
    // Of each record that a key leads to and that cannot be read. The key is what its bytes say; no
    // bytes at all (NULL) where they say nothing.
    void (*lost)(void *context, uint32_t vnode, struct slice key);
    // Or NULL: of each record that a key leads to and that is whole, with its object whatever its
    // size, in the order in which they lie on the disk. 0, or what log_check_run() ends with. May
    // wait in io_turn().
    int (*each)(void *context, const struct engine_record *record);
    bool brief; // opens the log, and reads no record
    // set by log_check_run()
    uint64_t records; // that keys lead to
    uint64_t bytes;   // that they take on the disk, about
    uint64_t unreadable;
    uint32_t damages; // said
    uint32_t aside;   // files that were copied or renamed
};

// Reads the whole of a directory. Mending: the engine recovers there as it does at a start;
// segments with records that cannot be read are copied to files aside-*; the keys of those records
// lead nowhere then, and a checkpoint says so. Blocks that the disk fails to read, in the copying
// and once more, are written over with zeros. No file is deleted.
//
// A manifest that is lost or damaged is damage like any other, where the caller knows what it would
// say: the segments tell the rest, and mending makes it anew.
//
// 0, also where much is damaged; -ENOENT where there is no log; -EBADMSG where its manifest cannot
// be read and it is not known what the directory is of; -EPROTONOSUPPORT for a newer version; or
// -errno.
int log_check_run(struct log_check *check);
