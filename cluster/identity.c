#include "cluster/identity.h"

#include "cluster/shard.h"
#include "core/check.h"
#include "core/hash.h"
#include "core/memory.h"
#include "core/planted.h"

#include <errno.h>
#include <string.h>

enum {
    LEASE_MS = 60 * 1000,       // a start after a crash may begin so much ahead of the clock
    LEASE_RENEW_MS = 30 * 1000, // before its end
    LEASE_SPARE_MS = 1000,      // whose stamps are there for when the wall clock is past it
};

uint32_t identity_vnodes(const struct data_identity *identity, uint32_t shard)
{
    const struct ring_member self = {
        .id = identity->id, .name = "self", .weight = 1, .cores = identity->shards};
    struct placement *placement = NULL;
    struct ring *ring = NULL;
    uint32_t vnodes = 0;
    if (ring_single(&self, identity->partitions, &ring) == 0 &&
        placement_create(ring, 0, identity->shards, &placement) == 0) {
        vnodes = placement_vnodes(placement, shard) + 1;
    }
    placement_destroy(placement);
    ring_destroy(ring);
    return vnodes;
}

// Records of the engine ------------------------------------------------------------------------

struct identity_wait {
    struct engine_op op; // first
    bool done;
};

static void identity_done(struct engine_op *op)
{
    ((struct identity_wait *)(void *)op)->done = true;
}

static struct identity_wait identity_op(const struct shard *shard, const char *key)
{
    struct slice bytes = slice_from_text(key);
    return (struct identity_wait){.op = {.hash = hash_key(shard->node->identity.hash_seed, bytes),
                                         .key = bytes,
                                         .vnode = shard->vnode_count,
                                         .done = identity_done}};
}

static void identity_end(struct shard *shard, struct identity_wait *wait)
{
    while (wait->op.status == ENGINE_PENDING && !wait->done) {
        engine_commit(shard->engine);
        io_turn(shard->io, UINT64_MAX);
    }
}

// 0, also where there is none or it cannot be read; -EPROTONOSUPPORT, and it is told.
static int identity_get(struct shard *shard, const char *key, struct identity_wait *wait)
{
    *wait = identity_op(shard, key);
    struct engine_op *op = &wait->op;
    engine_get(shard->engine, &op, 1);
    identity_end(shard, wait);
    const uint32_t newer = op->status == ENGINE_OK ? identity_record_newer(op->object) : 0;
    if (newer != 0) {
        shard_log_newer(shard, key, newer, IDENTITY_VERSION);
    }
    return newer != 0 ? -EPROTONOSUPPORT : 0;
}

static int identity_put(struct shard *shard, const char *key, struct slice value)
{
    struct identity_wait wait = identity_op(shard, key);
    struct engine_op *op = &wait.op;
    op->flags = ENGINE_SPARED; // a start needs it, also on a disk that has only its reserve
    op->parts[0] = value;
    engine_put(shard->engine, &op, 1);
    identity_end(shard, &wait);
    return op->status == ENGINE_OK ? 0 : op->status == ENGINE_ERROR ? op->error : -ENOSPC;
}

// Actors ---------------------------------------------------------------------------------------

// All take it together, so that the present actor has one index in all tables.
static int identity_new_lives(struct shard *shard, uint32_t skipped)
{
    int error = 0;
    for (uint32_t vnode = 0; vnode < shard->vnode_count; vnode++) {
        for (uint32_t life = 0; life <= skipped && error == 0; life++) {
            error = identity_enter_next(&shard->actors[vnode], &shard->random);
        }
        if (error < 0) {
            return error;
        }
    }
    shard->identity.actor = shard->actors[0].count - 1;
    return 0;
}

// The same for vnodes that begin on a snapshot.
static int identity_lives_apart(struct shard *shard)
{
    for (uint32_t vnode = 0; vnode < shard->vnode_count; vnode++) {
        int error = identity_enter_apart(&shard->actors[vnode], &shard->random);
        if (error < 0) {
            return error;
        }
    }
    shard->identity.actor = shard->actors[0].count - 1;
    return 0;
}

static int identity_write_actors(struct shard *shard)
{
    size_t size = identity_actors_bytes(shard->actors, shard->vnode_count);
    uint8_t *bytes = memory_allocate(size);
    if (bytes == NULL) {
        return -ENOMEM;
    }
    identity_actors_write(bytes, size, shard->actors, shard->vnode_count);
    int error = identity_put(shard, IDENTITY_KEY_ACTORS, slice_of(bytes, size));
    memory_free(bytes);
    return error;
}

// Not known: there are none, or they cannot be read.
static int identity_read_actors(struct shard *shard, bool *ret_known)
{
    struct identity_wait wait;
    const int error = identity_get(shard, IDENTITY_KEY_ACTORS, &wait);
    *ret_known = false;
    if (error < 0 || wait.op.status != ENGINE_OK) {
        return error;
    }
    bool valid = identity_actors_read(wait.op.object, shard->actors, shard->vnode_count) &&
                 shard->actors[0].count != 0;
    for (uint32_t vnode = 1; valid && vnode < shard->vnode_count; vnode++) {
        valid = shard->actors[vnode].count == shard->actors[0].count;
    }
    if (!valid) {
        for (uint32_t vnode = 0; vnode < shard->vnode_count; vnode++) {
            actor_table_free(&shard->actors[vnode]);
            actor_table_init(&shard->actors[vnode]);
        }
        return 0;
    }
    shard->identity.actor = shard->actors[0].count - 1;
    *ret_known = true;
    return 0;
}

// The lease --------------------------------------------------------------------------------------

static int identity_read_lease(struct shard *shard, uint64_t *ret_lease, bool *ret_proven)
{
    struct identity_wait wait;
    const int error = identity_get(shard, IDENTITY_KEY_LEASE, &wait);
    *ret_proven =
        error == 0 && wait.op.status == ENGINE_OK && identity_lease_read(wait.op.object, ret_lease);
    return error;
}

static void identity_extended(struct identity *identity, uint64_t lease)
{
    identity->lease = lease;
    identity->lease_ms = hlc_ms(lease) - LEASE_SPARE_MS;
    identity->renew_ms = identity->lease_ms - LEASE_RENEW_MS;
}

// What was put counts when it is durable.
static void identity_settle(struct shard *shard)
{
    struct identity *identity = &shard->identity;
    if (identity->written && engine_synced(shard->engine) >= identity->sync) {
        identity->written = false;
        identity_extended(identity, identity->next);
    }
}

static void identity_put_done(struct shard *shard)
{
    struct identity *identity = &shard->identity;
    identity->extending = false;
    if (identity->op.status == ENGINE_OK) {
        identity->written = true;
        identity->sync = planted(PLANTED_EARLY_LEASE) ? 0 : engine_sync_all(shard->engine);
        identity_settle(shard);
    }
}

static void identity_op_done(struct engine_op *op)
{
    struct identity *identity = (struct identity *)((uint8_t *)op - offsetof(struct identity, op));
    identity_put_done((struct shard *)((uint8_t *)identity - offsetof(struct shard, identity)));
}

void identity_extend(struct shard *shard)
{
    struct identity *identity = &shard->identity;
    const uint64_t wall_ms = shard->io->wall_ms;
    const uint64_t clock_ms = hlc_ms(shard->clock.last);
    const uint64_t now_ms = wall_ms > clock_ms ? wall_ms : clock_ms;
    if (now_ms < identity->renew_ms || identity->extending) {
        return;
    }
    if (identity->written) {
        identity_settle(shard);
        return;
    }
    struct engine_op *op = &identity->op;
    *op = identity_op(shard, IDENTITY_KEY_LEASE).op;
    op->done = identity_op_done;
    op->flags = ENGINE_SPARED;
    op->parts[0] = slice_of(identity->bytes, sizeof identity->bytes);
    identity->next = hlc_of(now_ms + LEASE_MS + LEASE_SPARE_MS, 0);
    identity->extending = true;
    identity_lease_write(identity->bytes,
                         planted(PLANTED_LATE_LEASE) ? shard->clock.last + 1 : identity->next);
    engine_put(shard->engine, &op, 1);
    if (op->status != ENGINE_PENDING) {
        identity_put_done(shard);
    }
}

bool identity_stamp(struct shard *shard, uint64_t *ret_stamp)
{
    const struct identity *identity = &shard->identity;
    const uint64_t wall_ms = shard->io->wall_ms;
    if (shard->clock.last >= identity->lease - 1) {
        return false;
    }
    *ret_stamp =
        hlc_next(&shard->clock, wall_ms < identity->lease_ms ? wall_ms : identity->lease_ms);
    return true;
}

// Of the snapshot that the lives began with; 0: of none.
static int identity_read_life(struct shard *shard, uint64_t *ret_snapshot)
{
    struct identity_wait wait;
    const int error = identity_get(shard, IDENTITY_KEY_LIFE, &wait);
    *ret_snapshot = 0;
    if (error == 0 && wait.op.status == ENGINE_OK) {
        (void)identity_life_read(wait.op.object, ret_snapshot);
    }
    return error;
}

static int identity_write_life(struct shard *shard)
{
    uint8_t bytes[IDENTITY_LIFE_BYTES];
    identity_life_write(bytes, shard->node->identity.snapshot);
    return identity_put(shard, IDENTITY_KEY_LIFE, slice_of(bytes, sizeof bytes));
}

// Opening and closing -----------------------------------------------------------------------------

static bool identity_lacks_records(const struct shard *shard)
{
    struct engine_stats stats;
    engine_stats(shard->engine, &stats);
    return stats.damages != 0;
}

// Whether the lease is on its way, and may come to be durable.
static bool identity_waits(struct shard *shard)
{
    int error;
    (void)engine_committed(shard->engine, &error);
    return shard->identity.extending || (shard->identity.written && error == 0);
}

static int identity_open_kept(struct shard *shard)
{
    struct identity *identity = &shard->identity;
    uint64_t lease = 0;
    uint64_t life = 0;
    bool known = false;
    bool proven = false;
    const bool empty = engine_count(shard->engine, ENGINE_ALL_VNODES) == 0;
    const uint64_t snapshot = shard->node->identity.snapshot;
    int error = identity_read_actors(shard, &known);
    error = error < 0 ? error : identity_read_lease(shard, &lease, &proven);
    error = error < 0 ? error : identity_read_life(shard, &life);
    if (error < 0) {
        return error;
    }
    // Where records were lost, one may be the lease that covers stamps which are there, and one the
    // last table of actors.
    const bool lacks = identity_lacks_records(shard);
    if (snapshot != 0 && life != snapshot) {
        error = identity_lives_apart(shard);
        error = error < 0 ? error : identity_write_actors(shard);
        error = error < 0 ? error : identity_write_life(shard);
    } else if (!known || !proven || lacks) {
        const bool certain = known || empty;
        error = identity_new_lives(shard, certain && !lacks ? 0 : IDENTITY_LIVES_SKIPPED);
        error = error < 0 ? error : identity_write_actors(shard);
    }
    if (error < 0) {
        return error;
    }
    // Nothing is stamped before a longer one is there. Where that is refused (the disk is full) the
    // node serves what it has.
    shard->clock.last = lease;
    identity->lease = lease == 0 ? 1 : lease;
    identity_extend(shard);
    while (identity_waits(shard)) {
        io_turn(shard->io, UINT64_MAX);
        identity_extend(shard);
    }
    return 0;
}

int identity_open(struct shard *shard)
{
    if (shard->vnode_count == 0) { // more cores than partitions
        return 0;
    }
    shard->actors = memory_allocate(shard->vnode_count * sizeof *shard->actors);
    if (shard->actors == NULL) {
        return -ENOMEM;
    }
    for (uint32_t vnode = 0; vnode < shard->vnode_count; vnode++) {
        actor_table_init(&shard->actors[vnode]);
    }
    int error = 0;
    if (shard->durable) {
        error = identity_open_kept(shard);
    } else {
        // In memory nothing outlives a stop, so each start is a new life.
        error = identity_new_lives(shard, 0);
        identity_extended(&shard->identity, hlc_of(HLC_MS_MAX, 0));
    }
    for (uint32_t vnode = 0; error == 0 && vnode < shard->vnode_count; vnode++) {
        actor_table_durable(&shard->actors[vnode], shard->actors[vnode].count);
    }
    return error;
}

void identity_close(struct shard *shard)
{
    uint8_t bytes[IDENTITY_LEASE_BYTES];
    if (!shard->durable || shard->identity.lease == 0) { // it was not opened
        return;
    }
    while (shard->identity.extending) {
        io_turn(shard->io, UINT64_MAX);
    }
    identity_lease_write(bytes, shard->clock.last + 1);
    (void)identity_put(shard, IDENTITY_KEY_LEASE, slice_of(bytes, sizeof bytes));
}
