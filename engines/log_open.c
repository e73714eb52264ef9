// The log engine's beginning and end, and what concerns the whole of it.
#include "core/hash.h"
#include "core/memory.h"
#include "core/wait.h"
#include "engines/log.h"
#include "engines/log_checkpoint.h"
#include "engines/log_copy.h"
#include "engines/log_drop.h"
#include "engines/log_recover.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>

enum {
    STEP_ENTRIES_SHARE = 64, // bytes of a step's budget that an entry of a checkpoint counts
    STALL_FRAMES = LIMIT_LOG_FRAMES / 2,
};

static const uint64_t reservation_bytes = UINT64_C(1) << 36; // addresses of the index: 64 GiB

void log_ignore_entry(void *context, uint64_t entry)
{
    (void)context;
    (void)entry;
}

void log_fail(struct log_engine *engine, int error)
{
    if (engine->failed == 0) {
        engine->failed = error;
        if (engine->options.committed != NULL) {
            engine->options.committed(engine->options.committed_context);
        }
    }
}

void log_report(struct log_engine *engine, bool damage, const char *format, ...)
{
    char text[LOG_REPORT_TEXT_MAX];
    va_list arguments;

    engine->damages += damage ? 1 : 0;
    if (engine->options.report == NULL) {
        return;
    }
    va_start(arguments, format);
    (void)vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    engine->options.report(engine->options.report_context, damage, text);
}

// The slot whose payload, length class aside, is `where`.
static uint64_t *slot_with(const struct log_engine *engine, const struct index_table *table,
                           uint64_t hash, uint64_t where)
{
    const uint64_t mask = LOG_PAYLOAD_CACHED | LOG_PAYLOAD_WHERE;
    struct index_probe probe;
    uint64_t *slot;

    index_probe_begin(&engine->index, table, hash, &probe);
    while ((slot = index_probe_next(&engine->index, &probe)) != NULL) {
        if ((index_payload(*slot) & mask) == where) {
            return slot;
        }
    }
    return NULL;
}

uint64_t *log_slot_of(const struct log_engine *engine, uint32_t vnode, uint64_t hash,
                      uint64_t location)
{
    return slot_with(engine, &engine->vnodes[vnode].table, hash, location);
}

uint64_t *log_dropped_slot(const struct log_engine *engine, uint32_t vnode, uint64_t hash,
                           uint64_t payload)
{
    for (const struct log_dropped *dropped = engine->dropped; dropped != NULL;
         dropped = dropped->next) {
        uint64_t *const slot =
            dropped->vnode == vnode ? slot_with(engine, &dropped->table, hash, payload) : NULL;

        if (slot != NULL) {
            return slot;
        }
    }
    return NULL;
}

// The cache has moved a slot, or let go of it.
static void cache_moved(void *context, const struct cached *cached, uint64_t from, uint64_t to)
{
    struct log_engine *const engine = context;
    const uint64_t hash = log_hash(engine, cached->key);
    const uint64_t where = LOG_PAYLOAD_CACHED | from / CACHED_ALIGN;
    uint64_t *slot = slot_with(engine, &engine->vnodes[cached->vnode].table, hash, where);

    if (slot == NULL) {
        slot = log_dropped_slot(engine, cached->vnode, hash, where);
    }
    CHECK(slot != NULL);
    *slot = index_entry(index_fingerprint(&engine->index, hash),
                        to == CACHE_NONE ? log_payload(cached->location, cached->class)
                                         : log_payload_cached(to, cached->class));
}

// Steps ------------------------------------------------------------------------------------------

// A checkpoint is due by what was appended, or because what was given up waits for it.
static bool checkpoint_wanted(const struct log_engine *engine)
{
    return log_checkpoint_due(engine) || log_segments_want_checkpoint(engine);
}

static bool log_step(struct engine *base, uint32_t budget_bytes)
{
    struct log_engine *const engine = log_engine_of(base);
    const uint64_t now_ms = engine->options.io->wall_ms;
    bool more = false;

    log_reads_settle(engine);
    log_large_settle(engine);
    more = log_copy_step(engine);
    if (engine->failed != 0) {
        return false;
    }
    if (engine->options.durability.sync == ENGINE_SYNC_INTERVAL &&
        engine->sequence + 1 > engine->flush &&
        now_ms - engine->synced_ms >= engine->options.durability.sync_interval_ms) {
        engine->synced_ms = now_ms;
        log_flush(engine);
    }
    more = log_large_step(engine) || more;
    log_space_step(engine);
    if (now_ms >= engine->manifest_retry_ms) {
        log_manifest_retry(engine);
    }
    if (engine->space_refused && now_ms >= engine->space_retry_ms) {
        engine->space_refused = false; // somebody else may have given room back
    }
    log_segments_reclaim(engine);
    log_segments_trim(engine);
    log_segments_step(engine);
    // It would take the room that the manifest waits for, which has to name it.
    if (!log_checkpoint_busy(engine) && checkpoint_wanted(engine) && log_manifest_comes(engine) &&
        now_ms >= engine->space_retry_ms) {
        log_checkpoint_begin(engine);
    }
    (void)log_drop_settle(engine);
    more = log_drop_step(engine, budget_bytes / STEP_ENTRIES_SHARE) || more;
    more = log_checkpoint_collect(engine, budget_bytes / STEP_ENTRIES_SHARE) || more;
    return log_compact(engine, budget_bytes) || more;
}

static enum engine_status log_stage_open(struct engine *base, const struct engine_op *op,
                                         struct engine_stage *stage)
{
    return log_large_stage_open(log_engine_of(base), op, stage);
}

static void log_stage_close(struct engine *base, struct engine_stage *stage)
{
    log_large_stage_close(log_engine_of(base), stage);
}

// A get leaves the number of the file in the op.
static bool log_pin(struct engine *base, const struct engine_op *op, uint64_t *ret_pin)
{
    if (op->memory != ENGINE_MEMORY_RESOLVED ||
        !log_large_pin(log_engine_of(base), op->memory_large)) {
        return false;
    }
    *ret_pin = op->memory_large;
    return true;
}

static void log_unpin(struct engine *base, uint64_t pin)
{
    log_large_unpin(log_engine_of(base), pin);
}

// The end of a turn: what was put in it goes to disk, what was read in it into the cache.
static void log_commit(struct engine *base)
{
    log_reads_settle(log_engine_of(base));
    log_large_settle(log_engine_of(base));
    log_submit(log_engine_of(base));
}

static uint64_t log_committed(struct engine *base, int *ret_error)
{
    const struct log_engine *const engine = log_engine_of(base);

    *ret_error = engine->failed;
    return engine->commit_written;
}

static uint64_t log_newest(struct engine *base)
{
    const struct log_engine *const engine = log_engine_of(base);
    const uint64_t newest = log_drop_commit(engine);

    return engine->options.durability.sync == ENGINE_SYNC_ALWAYS && newest > engine->commit_written
               ? newest
               : 0;
}

// A disk that is behind, or a segment that is being made ready: what is under way ends it.
static bool log_stalled(struct engine *base)
{
    struct log_engine *const engine = log_engine_of(base);

    if (engine->frames - engine->frames_kept >= STALL_FRAMES && engine->frames_first != NULL &&
        engine->failed == 0) {
        return true;
    }
    if (engine->segments_ready > LOG_SEGMENTS_RESERVED || log_hot_left(engine) >= LOG_STALL_BYTES ||
        engine->failed != 0) {
        return false;
    }
    log_segments_step(engine);
    return log_segments_busy(engine);
}

// Its memory is the cache, whose size is fixed, and the index.
static void log_set_memory_max(struct engine *base, uint64_t bytes, enum engine_eviction eviction)
{
    (void)base;
    (void)bytes;
    (void)eviction;
}

static uint64_t log_sync_all(struct engine *base)
{
    log_flush(log_engine_of(base));
    return log_engine_of(base)->flush;
}

static uint64_t log_synced(struct engine *base)
{
    return log_engine_of(base)->durable;
}

static void log_save(struct engine *base)
{
    log_checkpoint_begin(log_engine_of(base));
}

// Figures ----------------------------------------------------------------------------------------

static uint64_t log_count_of(struct engine *base, uint32_t vnode)
{
    const struct log_engine *const engine = log_engine_of(base);

    if (vnode == ENGINE_ALL_VNODES) {
        return engine->records - engine->tombstones;
    }
    CHECK(vnode < engine->options.vnodes);
    return engine->vnodes[vnode].table.entries - engine->vnodes[vnode].tombstones;
}

static void log_stats(struct engine *base, struct engine_stats *ret_stats)
{
    const struct log_engine *const engine = log_engine_of(base);

    *ret_stats = (struct engine_stats){
        .records = engine->records,
        .tombstones = engine->tombstones,
        .with_expiry = engine->with_expiry,
        .index_bytes = index_bytes(&engine->index),
        .data_bytes = cache_touched(&engine->cache),
        .live_bytes = engine->live_bytes + engine->large.bytes,
        .expired = engine->expired,
        .refused = engine->refused,
        .compacted_bytes = engine->compacted_bytes,
        .snapshots = engine->snapshots_open,
        .index_overflow_lines = engine->index.overflow_lines,
        .checkpoints = engine->checkpoints,
        .checkpoint_failures = engine->checkpoint_failures,
        .checkpoints_running = log_checkpoint_busy(engine) ? 1 : 0,
        .disk_bytes =
            (uint64_t)(engine->segment_top - engine->segments_unmade) * engine->segment_bytes -
            engine->unused_bytes,
        .disk_live_bytes = engine->live_bytes,
        .disk_reads = engine->disk_reads,
        .written_bytes = engine->written_bytes,
        .record_bytes = engine->record_bytes,
        .commits = engine->commits,
        .corrupt_records = engine->corrupt_records,
        .damages = engine->damages,
        .zeroed_bytes = engine->zeroed_bytes,
        .footer_bytes = engine->footer_bytes,
        .checkpoint_bytes = engine->checkpoint_bytes,
        .loaded_records = engine->loaded_records,
        .replayed_frames = engine->replayed_frames,
        .replayed_records = engine->replayed_records,
        .replayed_bytes = engine->replayed_bytes,
        .footer_records = engine->footer_records,
        .load_ns = engine->load_ns,
        .replay_ns = engine->replay_ns,
        .open_ns = engine->open_ns,
        .disk_short = engine->space_short ? 1 : 0,
        .step_later = log_segments_trim_later(engine) || log_compaction_rests(engine) ? 1 : 0,
        .compaction_share = log_compaction_share(engine),
        .commit_latency_ns = engine->pace.latency_ns,
        .write_ended = engine->failed != 0 ? 1 : 0,
        .unsynced_bytes = (engine->hot.open != NULL ? engine->hot.open->header.bytes : 0) +
                          engine->frames_closed_bytes +
                          (engine->written > engine->durable ? LOG_BLOCK_BYTES : 0),
    };
}

// Opening and closing ----------------------------------------------------------------------------

static void release(struct log_engine *engine)
{
    log_snapshots_give_up(engine, ENGINE_ALL_VNODES, -ESTALE);
    log_reads_close(engine);
    log_large_close(engine);
    log_compaction_close(engine);
    log_copy_close(engine);
    log_checkpoint_close(engine);
    log_seals_close(engine);
    log_tail_close(engine);
    while (engine->dropped != NULL) {
        struct log_dropped *const dropped = engine->dropped;

        engine->dropped = dropped->next;
        index_table_close(&engine->index, &dropped->table);
        memory_free(dropped);
    }
    for (uint32_t i = 0; engine->vnodes != NULL && i < engine->options.vnodes; i++) {
        index_table_close(&engine->index, &engine->vnodes[i].table);
    }
    memory_free(engine->vnodes);
    if (engine->cache.base != NULL) {
        cache_close(&engine->cache);
    }
    log_segments_close(engine);
    arena_close(&engine->arena);
    memory_free(engine);
}

static void close_files(struct log_engine *engine)
{
    log_checkpoint_give_up(engine);
    log_copy_give_up(engine);
    for (uint32_t i = 0; i < engine->segment_top; i++) {
        if (engine->segments[i].state != LOG_SEGMENT_ABSENT && engine->segments[i].fd >= 0) {
            (void)wait_close(engine->options.io, engine->segments[i].fd);
        }
    }
    if (engine->directory_fd >= 0) {
        (void)wait_close(engine->options.io, engine->directory_fd);
    }
}

static bool busy(const struct log_engine *engine)
{
    return engine->reads_flying != 0 || log_tail_busy(engine) || log_compaction_busy(engine) ||
           log_segments_busy(engine) || log_checkpoint_busy(engine) || log_large_busy(engine) ||
           log_seals_busy(engine) || log_copy_busy(engine);
}

static void wait_idle(struct log_engine *engine)
{
    while (busy(engine)) {
        log_reads_settle(engine);
        log_large_settle(engine);
        if (!log_checkpoint_collect(engine, 4096) && busy(engine)) {
            io_turn(engine->options.io, UINT64_MAX);
        }
    }
}

// Writes a checkpoint, so that the next start replays nothing; then closes. Waits in io_turn(). Of
// an engine that has failed only what is under way is waited for.
static void log_close(struct engine *base)
{
    struct log_engine *const engine = log_engine_of(base);

    engine->options.committed = NULL;
    log_manifest_retry(engine);
    wait_idle(engine); // a checkpoint that is under way may have begun before the last write
    (void)log_drop_settle(engine); // else the manifest lists it
    if (engine->failed == 0) {
        log_segments_retire(engine);
    }
    log_checkpoint_begin(engine);
    wait_idle(engine);
    close_files(engine);
    release(engine);
}

static const struct engine_vtable log_vtable = {
    .name = "log",
    .prepare = log_prepare,
    .get = log_get,
    .put = log_put,
    .remove = log_remove,
    .scan = log_scan,
    .scan_end = log_scan_end,
    .sample = log_sample,
    .snapshot_open = log_snapshot_open,
    .snapshot_scan = log_snapshot_scan,
    .snapshot_close = log_snapshot_close,
    .drop = log_drop,
    .count = log_count_of,
    .step = log_step,
    .commit = log_commit,
    .committed = log_committed,
    .newest = log_newest,
    .stalled = log_stalled,
    .stage_open = log_stage_open,
    .stage_close = log_stage_close,
    .pin = log_pin,
    .unpin = log_unpin,
    .reserve = log_reserve,
    .unreserve = log_unreserve,
    .set_memory_max = log_set_memory_max,
    .set_durability = log_set_durability,
    .sync = log_sync_all,
    .synced = log_synced,
    .save = log_save,
    .copy = log_copy,
    .stats = log_stats,
    .close = log_close,
};

static int open_parts(struct log_engine *engine)
{
    int error = arena_open(&engine->arena, reservation_bytes);

    if (error != 0) {
        return error;
    }
    engine->vnodes = memory_allocate_zeroed(engine->options.vnodes * sizeof engine->vnodes[0]);
    if (engine->vnodes == NULL) {
        return -ENOMEM;
    }
    index_open(&engine->index, &engine->arena, engine->options.vnodes,
               engine->options.index_buckets_log);
    error = cache_open(&engine->cache, engine->options.cache_bytes, cache_moved, engine);
    error = error != 0 ? error : log_segments_open(engine);
    error = error != 0 ? error : log_tail_open(engine);
    error = error != 0 ? error : log_seals_open(engine);
    error = error != 0 ? error : log_checkpoint_open(engine);
    error = error != 0 ? error : log_copy_open(engine);
    return error != 0 ? error : log_compaction_open(engine);
}

int log_engine_begin(const struct engine_options *options, bool looking,
                     struct log_recovery *report, struct log_engine **ret_engine)
{
    CHECK(options->vnodes > 0 && options->vnodes <= LOG_VNODES_MAX && options->io != NULL);
    CHECK(options->segment_bytes % LOG_BLOCK_BYTES == 0 &&
          options->segment_bytes >= LOG_SEGMENT_BYTES_MIN &&
          options->segment_bytes <= LOG_SEGMENT_BYTES_MAX);
    struct log_engine *const engine = memory_allocate_zeroed(sizeof *engine);

    if (engine == NULL) {
        return -ENOMEM;
    }
    engine->engine.vtable = &log_vtable;
    engine->options = *options;
    engine->directory_fd = -1;
    engine->looking = looking;
    engine->record_max =
        options->record_max_bytes != 0 ? options->record_max_bytes : LIMIT_ENGINE_RECORD_BYTES;
    engine->segments_max = LOG_SEGMENTS_MAX;
    if (options->disk_max_bytes != 0 &&
        options->disk_max_bytes / options->segment_bytes < LOG_SEGMENTS_MAX) {
        engine->segments_max = (uint32_t)(options->disk_max_bytes / options->segment_bytes);
    }
    int error = open_parts(engine);

    if (error != 0) { // nothing is under way, and not all of it is there
        release(engine);
        return error;
    }
    error = log_recover(engine, report);
    if (error != 0) {
        engine->failed = error;
        while (busy(engine)) {
            io_turn(options->io, UINT64_MAX);
        }
        close_files(engine);
        release(engine);
        return error;
    }
    engine->damages += report->damages;
    if (looking) {
        engine->failed = -EROFS;
    }
    *ret_engine = engine;
    return 0;
}

int log_engine_open(const struct engine_options *options, struct engine **ret_engine)
{
    struct log_recovery report = {.say = options->report, .context = options->report_context};
    struct log_engine *engine = NULL;
    const int error = log_engine_begin(options, false, &report, &engine);

    if (error == 0) {
        *ret_engine = &engine->engine;
    }
    return error;
}

void log_engine_abandon(struct engine *base)
{
    struct log_engine *const engine = log_engine_of(base);

    engine->frames_writing = 0;
    engine->reads_flying = 0;
    release(engine);
}
