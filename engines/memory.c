#include "engines/memory.h"

#include "core/hash.h"
#include "core/memory.h"
#include "core/planted.h"

#include <errno.h>

enum { PREFETCH_LINES_MAX = 8 }; // of a record; the hardware sees the stream then

static const uint64_t reservation_bytes = UINT64_C(512) << 30; // what a place can say

static_assert(INDEX_PAYLOAD_BITS - LENGTH_CLASS_BITS + 2 == 39, "512 GiB in units of 4 bytes");

// looking up ------------------------------------------------------------------------------------

uint64_t memory_hash(const struct memory_engine *engine, struct slice key)
{
    return engine->options.hash != NULL ? engine->options.hash(engine->options.hash_seed, key)
                                        : hash_key(engine->options.hash_seed, key);
}

static bool record_is(const struct memory_engine *engine, uint64_t entry, uint32_t vnode,
                      struct slice key, struct record *ret_record)
{
    record_read(engine->arena.base + payload_place(entry), engine->vnode_bytes, ret_record);
    CHECK(ret_record->vnode == vnode);
    return slice_equal(ret_record->key, key);
}

static void prefetch_record(const struct memory_engine *engine, uint64_t entry)
{
    const uint8_t *const at = engine->arena.base + payload_place(entry);
    const uint8_t *const end =
        at + (entry & ((1U << LENGTH_CLASS_BITS) - 1)) * LENGTH_CLASS_UNIT_BYTES;
    const uint8_t *line = at;

    for (uint32_t i = 0; i < PREFETCH_LINES_MAX && line < end; i++) {
        __builtin_prefetch(line);
        line += LIMIT_CACHE_LINE_BYTES;
    }
    __builtin_prefetch(end - 1);
}

static uint64_t *probe_key(const struct memory_engine *engine, struct index_probe *probe,
                           uint32_t vnode, struct slice key, struct record *ret_record)
{
    uint64_t *slot;

    while ((slot = index_probe_next(&engine->index, probe)) != NULL) {
        if (record_is(engine, *slot, vnode, key, ret_record)) {
            return slot;
        }
    }
    return NULL;
}

uint64_t *memory_find(struct memory_engine *engine, uint32_t vnode, uint64_t hash, struct slice key,
                      struct record *ret_record)
{
    struct index_probe probe;

    CHECK(vnode < engine->options.vnodes);
    index_probe_begin(&engine->index, &engine->vnodes[vnode].table, hash, &probe);
    if (probe.matches != 0) {
        // The object's lines come along with the key's, not after it.
        prefetch_record(engine, probe.line[__builtin_ctz(probe.matches)]);
    }
    return probe_key(engine, &probe, vnode, key, ret_record);
}

uint64_t *memory_find_place(const struct memory_engine *engine, const struct index_table *table,
                            uint64_t hash, uint64_t place)
{
    struct index_probe probe;
    uint64_t *slot;

    index_probe_begin(&engine->index, table, hash, &probe);
    while ((slot = index_probe_next(&engine->index, &probe)) != NULL) {
        if (payload_place(*slot) == place) {
            return slot;
        }
    }
    return NULL;
}

// The first wave: index lines.
static void prefetch_lines(const struct memory_engine *engine, struct engine_op *const *ops,
                           size_t count)
{
    for (size_t i = 0; i < count; i++) {
        CHECK(ops[i]->vnode < engine->options.vnodes);
        index_prefetch(&engine->index, &engine->vnodes[ops[i]->vnode].table, ops[i]->hash);
    }
}

// The second: the record of the first entry that fits.
static void prefetch_records(const struct memory_engine *engine, struct engine_op *const *ops,
                             size_t count, struct index_probe *ret_probes)
{
    for (size_t i = 0; i < count; i++) {
        struct index_probe *const probe = &ret_probes[i];

        index_probe_begin(&engine->index, &engine->vnodes[ops[i]->vnode].table, ops[i]->hash,
                          probe);
        while (probe->matches == 0 && index_probe_more(probe) &&
               index_probe_advance(&engine->index, probe)) {
        }
        if (probe->matches != 0) {
            prefetch_record(engine, probe->line[__builtin_ctz(probe->matches)]);
        }
    }
}

static size_t wave_size(size_t count, size_t from)
{
    return from >= count ? 0 : count - from < MEMORY_BATCH ? count - from : MEMORY_BATCH;
}

// The index lines of a group of ops are under way while the records of the one before are asked
// for.
void memory_prepare(struct engine *base, struct engine_op *const *ops, size_t count)
{
    const struct memory_engine *const engine = (struct memory_engine *)base;
    struct index_probe probes[MEMORY_BATCH];

    prefetch_lines(engine, ops, wave_size(count, 0));
    for (size_t i = 0; i < count; i += MEMORY_BATCH) {
        prefetch_lines(engine, ops + i + MEMORY_BATCH, wave_size(count, i + MEMORY_BATCH));
        prefetch_records(engine, ops + i, wave_size(count, i), probes);
    }
}

// get -------------------------------------------------------------------------------------------

bool record_expired(const struct memory_engine *engine, const struct record *record)
{
    return record->expire_ms != 0 && record->expire_ms <= engine->options.io->wall_ms;
}

// A get must not change what other gets have found: step() reaps the record.
static void reap_later(struct memory_engine *engine, uint64_t hash, const struct record *record)
{
    if (engine->reap_count < REAP_QUEUE) {
        engine->reaps[engine->reap_count++] = (struct reap){
            .hash = hash,
            .place = record_place(engine, record),
            .vnode = record->vnode,
        };
    }
}

static void get_found(struct memory_engine *engine, struct engine_op *op, uint64_t *slot,
                      const struct record *record)
{
    if (slot == NULL) {
        op->status = ENGINE_MISS;
        return;
    }
    if (record_expired(engine, record) && !planted(PLANTED_SERVE_EXPIRED)) {
        op->status = ENGINE_MISS;
        reap_later(engine, op->hash, record);
        return;
    }
    if (engine->options.eviction == EVICTION_LRU && engine->options.memory_max_bytes != 0 &&
        (op->flags & ENGINE_NO_TOUCH) == 0 &&
        (record->flags & RECORD_RECENCY_MASK) != RECORD_RECENCY_MASK) {
        *record->at = (uint8_t)(record->flags + RECORD_RECENCY_ONE);
    }
    op->object = record->object;
    op->flags = (record->flags & RECORD_TOMBSTONE) != 0 ? ENGINE_TOMBSTONE : 0;
    op->expire_ms = record->expire_ms;
    op->status = ENGINE_OK;
}

static void get_group(struct memory_engine *engine, struct engine_op *const *ops, size_t count,
                      struct index_probe *probes)
{
    struct record record;

    for (size_t i = 0; i < count; i++) {
        uint64_t *const slot = probe_key(engine, &probes[i], ops[i]->vnode, ops[i]->key, &record);

        get_found(engine, ops[i], slot, &record);
    }
}

static void memory_get(struct engine *base, struct engine_op *const *ops, size_t count)
{
    struct memory_engine *const engine = (struct memory_engine *)base;
    struct index_probe probes[2][MEMORY_BATCH];
    struct record record;

    if (count == 1) {
        uint64_t *const slot =
            memory_find(engine, ops[0]->vnode, ops[0]->hash, ops[0]->key, &record);

        get_found(engine, ops[0], slot, &record);
        return;
    }
    // Three groups of ops are under way: index lines of one, records of the next, results of the
    // third.
    prefetch_lines(engine, ops, wave_size(count, 0));
    for (size_t i = 0; i < count + MEMORY_BATCH; i += MEMORY_BATCH) {
        prefetch_lines(engine, ops + i + MEMORY_BATCH, wave_size(count, i + MEMORY_BATCH));
        prefetch_records(engine, ops + i, wave_size(count, i), probes[i / MEMORY_BATCH % 2]);
        if (i >= MEMORY_BATCH) {
            const size_t before = i - MEMORY_BATCH;

            get_group(engine, ops + before, wave_size(count, before),
                      probes[before / MEMORY_BATCH % 2]);
        }
    }
}

// the rest --------------------------------------------------------------------------------------

static void memory_set_max(struct engine *base, uint64_t bytes, enum engine_eviction eviction)
{
    struct memory_engine *const engine = (struct memory_engine *)base;

    engine->options.memory_max_bytes = bytes;
    engine->options.eviction = eviction;
    memory_bound_index(engine);
}

static void memory_stats(struct engine *base, struct engine_stats *ret_stats)
{
    const struct memory_engine *const engine = (struct memory_engine *)base;

    *ret_stats = (struct engine_stats){
        .records = engine->records,
        .tombstones = engine->tombstones,
        .with_expiry = engine->with_expiry,
        .index_bytes = memory_index_bytes(engine),
        .data_bytes = engine->blocks * SEGMENT_BYTES + engine->large_bytes,
        .live_bytes = engine->live_bytes,
        .memory_max_bytes = engine->options.memory_max_bytes,
        .evicted = engine->evicted,
        .expired = engine->expired,
        .refused = engine->refused,
        .compacted_bytes = engine->compacted_bytes,
        .index_overflow_lines = engine->index.overflow_lines,
        .snapshots = engine->snapshots_open,
    };
}

// Nothing is on disk, so nothing waits for it.
static void memory_commit(struct engine *base)
{
    (void)base;
}

static void memory_set_durability(struct engine *base, const struct engine_durability *durability)
{
    (void)base;
    (void)durability;
}

static bool memory_stalled(struct engine *base)
{
    (void)base;
    return false;
}

static uint64_t memory_newest(struct engine *base)
{
    (void)base;
    return 0;
}

// Nothing is durable, and nothing comes that would be.
static uint64_t memory_sync(struct engine *base)
{
    (void)base;
    return 0;
}

static uint64_t memory_committed(struct engine *base, int *ret_error)
{
    (void)base;
    *ret_error = 0;
    return UINT64_MAX;
}

static void memory_close(struct engine *base)
{
    struct memory_engine *const engine = (struct memory_engine *)base;

    for (uint32_t i = 0; i < LIMIT_ENGINE_SNAPSHOTS; i++) {
        if (engine->snapshots[i].open) {
            snapshot_close(base, i);
        }
    }
    snapshot_forget_kept(engine);
    for (uint32_t i = 0; i < engine->options.vnodes; i++) {
        index_table_close(&engine->index, &engine->vnodes[i].table);
    }
    while (engine->dropped != NULL) {
        struct dropped *const dropped = engine->dropped;

        engine->dropped = dropped->next;
        index_table_close(&engine->index, &dropped->table);
        memory_free(dropped);
    }
    arena_table_close(engine->segments, engine->segment_count * sizeof engine->segments[0]);
    arena_close(&engine->arena);
    memory_free(engine->vnodes);
    memory_free(engine);
}

static const struct engine_vtable memory_vtable = {
    .name = "memory",
    .prepare = memory_prepare,
    .get = memory_get,
    .put = memory_put,
    .remove = memory_remove_batch,
    .scan = memory_scan,
    .scan_end = memory_scan_end,
    .snapshot_open = snapshot_open,
    .snapshot_scan = snapshot_scan,
    .snapshot_close = snapshot_close,
    .drop = memory_drop,
    .count = memory_count,
    .sample = memory_sample,
    .step = memory_step,
    .stage_open = memory_stage_open,
    .stage_close = memory_stage_close,
    .pin = memory_pin,
    .unpin = memory_unpin,
    .reserve = memory_reserve,
    .unreserve = memory_unreserve,
    .set_memory_max = memory_set_max,
    .set_durability = memory_set_durability,
    .commit = memory_commit,
    .committed = memory_committed,
    .newest = memory_newest,
    .stalled = memory_stalled,
    .sync = memory_sync,
    .synced = memory_sync,
    .save = memory_commit,
    .stats = memory_stats,
    .close = memory_close,
};

static int open_memory(struct memory_engine *engine)
{
    const int error = arena_open(&engine->arena, reservation_bytes);

    if (error != 0) {
        return error;
    }
    engine->block_segments = (uint32_t)(engine->arena.extents_start / SEGMENT_BYTES);
    engine->segment_count =
        engine->block_segments +
        (uint32_t)((engine->arena.bytes - engine->arena.extents_start) / ARENA_EXTENT_UNIT_BYTES);
    engine->segments = arena_table_open(engine->segment_count * sizeof engine->segments[0]);
    engine->vnodes = memory_allocate_zeroed(engine->options.vnodes * sizeof engine->vnodes[0]);
    if (engine->segments == NULL || engine->vnodes == NULL) {
        arena_table_close(engine->segments, engine->segment_count * sizeof engine->segments[0]);
        memory_free(engine->vnodes);
        arena_close(&engine->arena);
        return -ENOMEM;
    }
    return 0;
}

int memory_engine_open(const struct engine_options *options, struct engine **ret_engine)
{
    CHECK(options->vnodes > 0 && options->vnodes <= LIMIT_ENGINE_VNODES);
    CHECK(options->record_max_bytes <= LIMIT_ENGINE_RECORD_BYTES && options->io != NULL);
    struct memory_engine *const engine = memory_allocate_zeroed(sizeof *engine);

    if (engine == NULL) {
        return -ENOMEM;
    }
    engine->engine.vtable = &memory_vtable;
    engine->options = *options;
    engine->record_max_bytes =
        options->record_max_bytes != 0 ? options->record_max_bytes : LIMIT_ENGINE_RECORD_BYTES;
    engine->vnode_bytes = options->vnodes <= 256 ? 1 : 2;
    const int error = open_memory(engine);

    if (error != 0) {
        memory_free(engine);
        return error;
    }
    arena_pool_open(&engine->pool, &engine->arena, SEGMENT_BYTES);
    index_open(&engine->index, &engine->arena, options->vnodes, options->index_buckets_log);
    memory_bound_index(engine);
    random_seed(&engine->random, options->random_seed);
    *ret_engine = &engine->engine;
    return 0;
}
