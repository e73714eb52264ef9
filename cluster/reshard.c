#include "cluster/reshard.h"

#include "cluster/identity_record.h"
#include "core/check.h"
#include "core/hash.h"
#include "core/io.h"
#include "core/limits.h"
#include "core/memory.h"
#include "core/random.h"
#include "engines/engine.h"
#include "engines/log_check.h"
#include "ring/placement.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum {
    SETTLE_BYTES = 1 << 20, // put between two looks at files, clocks and signals
    SETTLE_RECORDS = 4096,
    PROGRESS_MS = 1000,
    FULL_MS = 3000, // without any room all that time, the disk is full: engines ask again each 1 s
    PAUSE_NS = 1000 * 1000,
    CACHE_BYTES = 4 << 20,
    SEGMENTS_OF_SHARD = 6, // heads, what is made ready ahead, and the end of the last one
    CHECKPOINT_OF_RECORD = 10,
    SPARE_SHARE = 16, // of what is copied: ends of frames and segments
    MIB = 1 << 20,
};

struct target {
    struct engine *engine;
    char directory[DATA_DIR_PATH_BYTES]; // the engine's, while it is open
};

// What is under way.
struct spreading {
    struct reshard *reshard;
    struct placement *before;
    struct placement *after;
    struct target *targets;     // the new shards
    struct actor_table *actors; // of each partition that is held, in their order
    struct random random;
    uint32_t shard; // old, being read
    uint64_t lease; // the largest
    bool unproven;  // a lease is missing
    bool unknown;   // actors are missing, and data is there
    bool has_actors;
    bool has_lease;
    uint64_t records; // that there are, the shards' own included
    uint64_t seen;    // of them
    uint64_t bytes;
    uint64_t unsettled_bytes;
    uint32_t unsettled_records;
    uint64_t said_ms;
    char *error;
};

__attribute__((format(printf, 3, 4))) static int fail(struct spreading *spreading, int error,
                                                      const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    (void)vsnprintf(spreading->error, RESHARD_ERROR_BYTES, format, arguments);
    va_end(arguments);
    return error;
}

// Progress -------------------------------------------------------------------------------------

static void tell(struct spreading *spreading, const char *message)
{
    const struct reshard *reshard = spreading->reshard;
    struct log_line line;
    log_begin(&line, reshard->log, LOG_LEVEL_INFO, message);
    log_u64(&line, "from_shards", reshard->from.shards);
    log_u64(&line, "to_shards", reshard->shards);
    log_u64(&line, "records", spreading->seen);
    log_u64(&line, "of", spreading->records);
    log_u64(&line, "percent",
            spreading->records == 0 ? 100 : spreading->seen * 100 / spreading->records);
    log_end(&line);
}

static void tell_found(void *context, bool damage, const char *text)
{
    struct spreading *spreading = context;
    struct log_line line;
    log_begin(&line, spreading->reshard->log, damage ? LOG_LEVEL_ERROR : LOG_LEVEL_WARNING,
              damage ? "damaged data" : "read before re-sharding");
    log_u64(&line, "shard", spreading->shard);
    log_text(&line, "what", text);
    log_end(&line);
}

// The engines take their turn; and so does whoever wants it to end.
static int settle(struct spreading *spreading, uint64_t pause_ns)
{
    struct reshard *reshard = spreading->reshard;
    for (uint32_t i = 0; i < reshard->shards; i++) {
        int error;
        (void)engine_step(spreading->targets[i].engine, LIMIT_BACKGROUND_BYTES);
        engine_commit(spreading->targets[i].engine);
        (void)engine_committed(spreading->targets[i].engine, &error);
        if (error < 0) {
            return fail(spreading, error, "cannot write to %.200s: %s", reshard->directory,
                        strerror(-error));
        }
    }
    io_turn(reshard->io, pause_ns);
    spreading->unsettled_bytes = spreading->unsettled_records = 0;
    if (reshard->io->wall_ms - spreading->said_ms >= PROGRESS_MS) {
        spreading->said_ms = reshard->io->wall_ms;
        tell(spreading, "re-sharding");
    }
    if (reshard->interrupted != NULL && reshard->interrupted(reshard->context)) {
        return fail(spreading, -EINTR,
                    "stopped while it was re-sharding: the data is as it was, and the next start "
                    "begins anew");
    }
    return 0;
}

// Putting --------------------------------------------------------------------------------------

struct put {
    struct engine_op op; // first
    bool done;
};

static void put_done(struct engine_op *op)
{
    ((struct put *)(void *)op)->done = true;
}

static int no_room(struct spreading *spreading)
{
    const struct reshard *reshard = spreading->reshard;
    return fail(spreading, -ENOSPC,
                "the disk of %.200s has become full while re-sharding from %u shards to %u, %llu "
                "MiB had been written: make room, or set node.shards to %u",
                reshard->directory, reshard->from.shards, reshard->shards,
                (unsigned long long)(spreading->bytes / MIB), reshard->from.shards);
}

// Puts one record, however long it takes to make room for it.
static int put(struct spreading *spreading, uint32_t shard, const struct engine_record *record)
{
    struct reshard *reshard = spreading->reshard;
    struct put put = {.done = false};
    struct engine_op *op = &put.op;
    uint64_t full_since_ms = reshard->io->wall_ms;
    do {
        put = (struct put){.op = {.hash = hash_key(reshard->from.hash_seed, record->key),
                                  .key = record->key,
                                  .vnode = record->vnode,
                                  .flags = record->flags & ENGINE_TOMBSTONE,
                                  .expire_ms = record->expire_ms,
                                  .parts = {record->object},
                                  .done = put_done}};
        engine_put(spreading->targets[shard].engine, &op, 1);
        while (op->status == ENGINE_PENDING && !put.done) {
            engine_commit(spreading->targets[shard].engine);
            io_turn(reshard->io, UINT64_MAX);
        }
        if (op->status == ENGINE_OK) {
            return 0;
        }
        if (op->status == ENGINE_ERROR) {
            return fail(spreading, op->error, "cannot write to %.200s: %s", reshard->directory,
                        strerror(-op->error));
        }
        CHECK(op->status == ENGINE_FULL); // what one log had, another can have
        int error = settle(spreading, PAUSE_NS);
        if (error < 0) {
            return error;
        }
        if (engine_stalled(spreading->targets[shard].engine)) {
            full_since_ms = reshard->io->wall_ms;
        }
    } while (reshard->io->wall_ms - full_since_ms < FULL_MS);
    return no_room(spreading);
}

// Reading ----------------------------------------------------------------------------------------

// Those of a shard's vnodes: partitions are in the same order in all placements.
static struct actor_table *tables_of(struct spreading *spreading, const struct placement *placement)
{
    return &spreading->actors[placement->starts[spreading->shard]];
}

// Who stamped the old shard's records.
static int take_identity(struct spreading *spreading, const struct engine_record *record)
{
    const uint32_t vnodes = placement_vnodes(spreading->before, spreading->shard);
    const uint32_t newer = identity_record_newer(record->object);
    uint64_t lease;
    if (newer != 0) {
        return fail(spreading, -EPROTONOSUPPORT,
                    "the record \"%.*s\" of shard %u of %.200s was written by a newer version of "
                    "rldb (its format is %u, this one reads up to %u): start that one",
                    (int)(record->key.size < 16 ? record->key.size : 16),
                    (const char *)record->key.bytes, spreading->shard,
                    spreading->reshard->directory, newer, (uint32_t)IDENTITY_VERSION);
    }
    if (slice_equal(record->key, slice_from_text(IDENTITY_KEY_ACTORS))) {
        if (!identity_actors_read(record->object, tables_of(spreading, spreading->before),
                                  vnodes)) {
            return fail(spreading, -EBADMSG,
                        "the record of actors of shard %u of %.200s cannot be read: set "
                        "node.shards to %u",
                        spreading->shard, spreading->reshard->directory,
                        spreading->reshard->from.shards);
        }
        spreading->has_actors = true;
    } else if (slice_equal(record->key, slice_from_text(IDENTITY_KEY_LEASE)) &&
               identity_lease_read(record->object, &lease)) {
        spreading->lease = lease > spreading->lease ? lease : spreading->lease;
        spreading->has_lease = true;
    }
    return 0;
}

static int take_record(void *context, const struct engine_record *record)
{
    struct spreading *spreading = context;
    struct reshard *reshard = spreading->reshard;
    const uint32_t vnodes = placement_vnodes(spreading->before, spreading->shard);
    int error;
    spreading->seen++;
    if (record->vnode >= vnodes) {
        return take_identity(spreading, record);
    }
    const uint32_t partition =
        placement_partition(spreading->before, spreading->shard, record->vnode);
    struct engine_record moved = *record;
    moved.vnode = placement_vnode(spreading->after, partition);
    error = put(spreading, placement_core(spreading->after, partition), &moved);
    if (error < 0) {
        return error;
    }
    reshard->records++;
    spreading->bytes += record->key.size + record->object.size;
    spreading->unsettled_bytes += record->key.size + record->object.size;
    spreading->unsettled_records++;
    return spreading->unsettled_bytes >= SETTLE_BYTES ||
                   spreading->unsettled_records >= SETTLE_RECORDS
               ? settle(spreading, 0)
               : 0;
}

static bool any_name(void *context, const char *name)
{
    bool *any = context;
    (void)name;
    *any = true;
    return false;
}

// A shard that never came to write anything has no log.
static bool is_empty(struct spreading *spreading, const char *path)
{
    bool any = false;
    return io_list(spreading->reshard->io, path, any_name, &any) == -ENOENT || !any;
}

// Reads an old shard; `brief`: only what there is.
static int read_shard(struct spreading *spreading, bool brief, struct log_check *ret_check)
{
    struct reshard *reshard = spreading->reshard;
    char path[DATA_DIR_PATH_BYTES];
    data_dir_shard_path(reshard->directory, &reshard->from, spreading->shard, path);
    *ret_check = (struct log_check){
        .io = reshard->io,
        .directory = path,
        .context = spreading,
        .say = tell_found,
        .each = take_record,
        .brief = brief,
    };
    spreading->error[0] = '\0';
    int error = log_check_run(ret_check);
    ret_check->directory = NULL;
    if (error == -ENOENT && is_empty(spreading, path)) {
        return 0;
    }
    if (error == -EPROTONOSUPPORT && spreading->error[0] == '\0') {
        return fail(spreading, error,
                    "%.200s was written by a newer version of rldb: start that one", path);
    }
    if (error < 0 && spreading->error[0] == '\0') {
        const bool damaged = error == -EBADMSG || error == -ENOENT;
        return fail(spreading, error, "%.200s cannot be read (%s): set node.shards to %u%s", path,
                    damaged ? "its MANIFEST is damaged or missing" : strerror(-error),
                    reshard->from.shards,
                    damaged ? ", or let rldb repair make what it lacks, then start again" : "");
    }
    if (error == 0 && (ret_check->damages != 0 || ret_check->unreadable != 0)) {
        return fail(spreading, -EBADMSG,
                    "%.200s is damaged, and what cannot be read of it would be lost by "
                    "re-sharding: see rldb check, and set node.shards to %u, or let rldb repair "
                    "set aside what is damaged",
                    path, reshard->from.shards);
    }
    return error;
}

// What there is, and whether there is room for it once more.
static int look(struct spreading *spreading)
{
    struct reshard *reshard = spreading->reshard;
    struct io_space space;
    uint64_t needed = (uint64_t)reshard->shards * SEGMENTS_OF_SHARD * reshard->segment_bytes;
    for (spreading->shard = 0; spreading->shard < reshard->from.shards; spreading->shard++) {
        struct log_check check;
        int error = read_shard(spreading, true, &check);
        if (error < 0) {
            return error;
        }
        spreading->records += check.records;
        needed += check.bytes + check.bytes / SPARE_SHARE + check.records * CHECKPOINT_OF_RECORD;
    }
    int error = io_space(reshard->io, reshard->directory, &space);
    if (error < 0) {
        return fail(spreading, error, "cannot tell how much room %.200s has: %s",
                    reshard->directory, strerror(-error));
    }
    if (space.free_bytes < needed) {
        return fail(
            spreading, -ENOSPC,
            "%.200s was written with %u shards and this node has %u: to re-shard it %" PRIu64
            " MiB are needed beside it, and %" PRIu64 " MiB are free; make room, or set "
            "node.shards to %u",
            reshard->directory, reshard->from.shards, reshard->shards, needed / MIB + 1,
            space.free_bytes / MIB, reshard->from.shards);
    }
    return 0;
}

static int read_all(struct spreading *spreading)
{
    const struct reshard *reshard = spreading->reshard;
    for (spreading->shard = 0; spreading->shard < reshard->from.shards; spreading->shard++) {
        struct log_check check;
        const bool has_vnodes = placement_vnodes(spreading->before, spreading->shard) != 0;
        spreading->has_actors = spreading->has_lease = false;
        int error = read_shard(spreading, false, &check);
        if (error < 0) {
            return error;
        }
        spreading->unknown =
            spreading->unknown || (has_vnodes && !spreading->has_actors && check.records != 0);
        spreading->unproven = spreading->unproven || (has_vnodes && !spreading->has_lease);
    }
    return 0;
}

// Who stamps from now on -------------------------------------------------------------------------

// Tables of equal length, and a new life where a lease is not known.
static int level_actors(struct spreading *spreading)
{
    uint32_t lives = spreading->unknown ? IDENTITY_LIVES_SKIPPED + 1 : 1;
    for (uint32_t i = 0; i < spreading->before->held; i++) {
        const uint32_t count = spreading->actors[i].count;
        lives = count > lives ? count : lives;
    }
    lives += spreading->unproven ? 1 : 0;
    for (uint32_t i = 0; i < spreading->before->held; i++) {
        while (spreading->actors[i].count < lives) {
            int error = identity_enter_next(&spreading->actors[i], &spreading->random);
            if (error < 0) {
                return error;
            }
        }
    }
    return 0;
}

static int write_identity(struct spreading *spreading)
{
    const uint32_t vnodes = placement_vnodes(spreading->after, spreading->shard);
    const struct actor_table *tables = tables_of(spreading, spreading->after);
    uint8_t lease[IDENTITY_LEASE_BYTES];
    if (vnodes == 0) {
        return 0;
    }
    const size_t size = identity_actors_bytes(tables, vnodes);
    uint8_t *bytes = memory_allocate(size);
    if (bytes == NULL) {
        return -ENOMEM;
    }
    identity_actors_write(bytes, size, tables, vnodes);
    identity_lease_write(lease, spreading->lease);
    const struct engine_record actors = {.key = slice_from_text(IDENTITY_KEY_ACTORS),
                                         .object = slice_of(bytes, size),
                                         .vnode = vnodes};
    const struct engine_record until = {.key = slice_from_text(IDENTITY_KEY_LEASE),
                                        .object = slice_of(lease, sizeof lease),
                                        .vnode = vnodes};
    int error = put(spreading, spreading->shard, &actors);
    error = error < 0 ? error : put(spreading, spreading->shard, &until);
    memory_free(bytes);
    return error;
}

// The new generation -----------------------------------------------------------------------------

static int open_engines(struct spreading *spreading)
{
    struct reshard *reshard = spreading->reshard;
    int error = data_dir_begin_generation(reshard->io, reshard->directory, &reshard->to);
    for (uint32_t i = 0; i < reshard->shards && error == 0; i++) {
        char *path = spreading->targets[i].directory;
        data_dir_shard_path(reshard->directory, &reshard->to, i, path);
        const struct engine_options options = {
            .io = reshard->io,
            .directory = path,
            .shard = i,
            .shards = reshard->shards,
            .durability.sync = ENGINE_SYNC_NEVER, // all at once, at the end
            .cache_bytes = CACHE_BYTES,
            .segment_bytes = reshard->segment_bytes,
            .hash_seed = reshard->from.hash_seed,
            .vnodes = placement_vnodes(spreading->after, i) + 1,
        };
        error = log_engine_open(&options, &spreading->targets[i].engine);
    }
    return error < 0 ? fail(spreading, error, "cannot re-shard %.200s: %s", reshard->directory,
                            strerror(-error))
                     : 0;
}

// Until all is on the disk, and counted.
static int make_durable(struct spreading *spreading)
{
    struct reshard *reshard = spreading->reshard;
    uint64_t records = 0;
    for (uint32_t i = 0; i < reshard->shards; i++) {
        struct engine_stats stats;
        engine_sync_all(spreading->targets[i].engine);
        engine_stats(spreading->targets[i].engine, &stats);
        while (stats.unsynced_bytes != 0) {
            int error = settle(spreading, PAUSE_NS);
            if (error < 0) {
                return error;
            }
            engine_sync_all(spreading->targets[i].engine);
            engine_stats(spreading->targets[i].engine, &stats);
        }
        const uint32_t vnodes = placement_vnodes(spreading->after, i);
        for (uint32_t vnode = 0; vnode < vnodes; vnode++) {
            records += engine_count(spreading->targets[i].engine, vnode);
        }
        records += stats.tombstones + stats.expired; // which compaction may have reaped
    }
    return records == reshard->records
               ? 0
               : fail(spreading, -EBADMSG,
                      "re-sharding %.200s moved %llu records and %llu arrived: this is a fault of "
                      "rldb; nothing was changed, set node.shards to %u",
                      reshard->directory, (unsigned long long)reshard->records,
                      (unsigned long long)records, reshard->from.shards);
}

// Each writes a checkpoint, so that its shard replays nothing.
static void close_engines(struct spreading *spreading)
{
    for (uint32_t i = 0; spreading->targets != NULL && i < spreading->reshard->shards; i++) {
        if (spreading->targets[i].engine != NULL) {
            engine_close(spreading->targets[i].engine);
            spreading->targets[i].engine = NULL;
        }
    }
}

static int spread(struct spreading *spreading)
{
    struct reshard *reshard = spreading->reshard;
    int error = look(spreading);
    if (error < 0) {
        return error;
    }
    tell(spreading, "re-sharding begins");
    error = open_engines(spreading);
    error = error < 0 ? error : read_all(spreading);
    error = error < 0 ? error : level_actors(spreading);
    for (spreading->shard = 0; spreading->shard < reshard->shards && error == 0;
         spreading->shard++) {
        error = write_identity(spreading);
    }
    error = error < 0 ? error : make_durable(spreading);
    close_engines(spreading);
    if (error < 0) {
        (void)data_dir_remove_generation(reshard->io, reshard->directory, reshard->to.generation);
        return error;
    }
    error = data_dir_switch(reshard->io, reshard->directory, &reshard->to);
    if (error < 0) {
        return error;
    }
    tell(spreading, "re-sharded");
    // What cannot be removed now the next start removes.
    (void)data_dir_remove_generation(reshard->io, reshard->directory, reshard->from.generation);
    return 0;
}

static int open_spreading(struct spreading *spreading)
{
    const struct reshard *reshard = spreading->reshard;
    uint64_t seed = 0;
    int error = io_entropy(reshard->io, &seed, sizeof seed);
    random_seed(&spreading->random, seed);
    error = error < 0
                ? error
                : placement_create(reshard->ring, 0, reshard->from.shards, &spreading->before);
    error =
        error < 0 ? error : placement_create(reshard->ring, 0, reshard->shards, &spreading->after);
    spreading->targets = memory_allocate_zeroed(reshard->shards * sizeof(struct target));
    spreading->actors =
        memory_allocate_zeroed(reshard->from.partitions * sizeof(struct actor_table));
    if (error == 0 && (spreading->targets == NULL || spreading->actors == NULL)) {
        error = -ENOMEM;
    }
    for (uint32_t i = 0; error == 0 && i < reshard->from.partitions; i++) {
        actor_table_init(&spreading->actors[i]);
    }
    return error;
}

int reshard_run(struct reshard *reshard, char *ret_error)
{
    struct spreading spreading = {.reshard = reshard, .error = ret_error};
    reshard->records = 0;
    reshard->to = reshard->from;
    reshard->to.shards = reshard->shards;
    reshard->to.generation++;
    ret_error[0] = '\0';
    int error = open_spreading(&spreading);
    error = error < 0 ? error : spread(&spreading);
    if (error < 0 && ret_error[0] == '\0') {
        error = fail(&spreading, error, "cannot re-shard %.200s: %s", reshard->directory,
                     strerror(-error));
    }
    for (uint32_t i = 0; spreading.actors != NULL && i < reshard->from.partitions; i++) {
        actor_table_free(&spreading.actors[i]);
    }
    memory_free(spreading.actors);
    memory_free(spreading.targets);
    placement_destroy(spreading.before);
    placement_destroy(spreading.after);
    return error;
}
