// Spreads what a data directory holds over another number of shards, before any shard opens.
//
// The number of shards is that of the machine's cores, or what node.shards says, so it changes when
// data moves to another machine. Partitions are what moves: each partition's vnode, with the actors
// that its objects name by number, goes from the engine that has it to the one that will have it.
//
//     generation-1/shard-0 --records in the order of the disk--> generation-2/shard-0, 1, 2
//     generation-1/shard-1 --/
//
// The old generation is only read. The new one is written whole, counted, and made durable; then
// CURRENT names it, by one rename, and the old one is removed. Whatever ends that before the rename
// leaves the old generation as it was: the next start begins from scratch, with whatever number of
// shards it has then (data_dir.h).
//
// What survives: all that the engines hold, byte by byte: values and versions, tombstones, expiry,
// counters; and who stamped them. A new shard's clock begins at the largest lease of all old ones.
// The tables of actors of one shard are equally long (identity.h), so a vnode that comes to others
// which had more lives gets as many.
//
// Values with files of their own are copied as well: the file's checksums hold in the log alone
// that it was written for (log_format.h), so a link to it would be of no use to another.
//
// Refused, with nothing changed: where the filesystem has not the room; and where the old data is
// damaged, since what cannot be read would be lost without a trace.
#pragma once

#include "cluster/data_dir.h"
#include "core/log.h"
#include "ring/ring.h"

#include <stdbool.h>
#include <stdint.h>

enum { RESHARD_ERROR_BYTES = 512 };

struct reshard {
    // set by the caller
    struct io *io;
    struct log *log; // progress
    const char *directory;
    const struct ring *ring;
    struct data_identity from; // what CURRENT says
    uint32_t shards;           // that there shall be
    uint32_t segment_bytes;
    bool (*interrupted)(void *context); // or NULL: asked now and then; true ends it
    void *context;
    // set by reshard_run()
    struct data_identity to; // what CURRENT says then
    uint64_t records;        // moved
};

// Waits in io_turn(). 0; -EINTR when it was interrupted; -ENOSPC; -EBADMSG; or -errno; with what is
// wrong and what to do in ret_error[RESHARD_ERROR_BYTES].
int reshard_run(struct reshard *reshard, char *ret_error);
