// Who stamps a shard's writes, over stops and starts: the actors of its vnodes, and how far its
// clock may have come.
//
// A dot (actor, hlc) must never be given out twice. With an engine in memory nothing outlives a
// stop: each start has new actors. One that has files keeps two records, the actors and a lease
// (identity_record.h).
//
// A lease counts once it is durable, whatever `sync` says: a write that a crash loses here may have
// gone elsewhere before, and its dot must not be given out again. It is put half a minute before
// the one before it ends, so nobody waits for it but a start: for this and, since they lie in front
// of it in the same log, for new actors. At start the clock begins at the lease; without one that
// can be read, or where the data is damaged and a later one may be lost, each vnode takes a new
// incarnation. On a snapshot (snapshot.h) each takes a new id, once: the node that it was made of
// goes on with its own, and may give out next what would be given out here.
#pragma once

#include "cluster/identity_record.h"
#include "core/hlc.h"
#include "engines/engine.h"

#include <stdbool.h>
#include <stdint.h>

struct data_identity;
struct shard;

// Embedded in the shard, which writes none of it.
struct identity {
    uint32_t actor;    // index of each vnode's present actor in its table
    uint64_t lease;    // stamps stay below it
    uint64_t lease_ms; // stamps follow the wall clock up to here
    uint64_t renew_ms; // from here on it is to be extended
    uint64_t next;     // what it is being extended to
    bool extending;    // `op` is under way
    bool written;      // it was put, and counts once engine_synced() has come to `sync`
    uint64_t sync;
    struct engine_op op; // of the lease
    uint8_t bytes[IDENTITY_LEASE_BYTES];
};

// How many vnodes a shard of a single node has: its data's and one of the node's own. 0: no memory.
uint32_t identity_vnodes(const struct data_identity *identity, uint32_t shard);

// Fills the shard's actors, its clock and `identity`. Waits in io_turn(). 0, -EPROTONOSUPPORT where
// a later version of rldb has written the records, which is told, or -errno.
int identity_open(struct shard *shard);

// Before the engine is closed: the lease is cut to what was used, so that the next start does not
// begin ahead of time. Waits in io_turn().
void identity_close(struct shard *shard);

// Puts a longer lease to the engine, when it is time to: asked before each batch.
void identity_extend(struct shard *shard);

// The next stamp, in ret_stamp. False when the lease allows no more: the engine takes no writes.
bool identity_stamp(struct shard *shard, uint64_t *ret_stamp);
