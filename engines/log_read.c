#include "engines/log.h"

#include "core/memory.h"

#include <errno.h>

enum {
    READS_DEPTH = 64,             // under way at a time: deeper queues only add latency
    READS_KEPT = 2 * READS_DEPTH, // free ones that are not given back
    BUFFER_KEPT_BYTES = 16 << 10, // of a free one
};

static void read_done(struct io_op *op, int32_t result);

static uint32_t bucket_of(uint64_t location)
{
    return (uint32_t)((location * UINT64_C(0x9e3779b97f4a7c15)) >> 56);
}

static_assert(LOG_READ_BUCKETS == 256, "bucket_of() takes 8 bits");

static void read_free(struct log_read *read)
{
    memory_free(read->bytes);
    memory_free(read);
}

static void read_give(struct log_engine *engine, struct log_read *read)
{
    if (engine->reads_kept == READS_KEPT || read->capacity > BUFFER_KEPT_BYTES) {
        read_free(read);
        return;
    }
    read->next = engine->reads_free;
    engine->reads_free = read;
    engine->reads_kept++;
}

// A read with a buffer of at least `size` bytes, NULL when memory is short.
static struct log_read *read_take(struct log_engine *engine, uint32_t size)
{
    struct log_read *read = engine->reads_free;

    if (read != NULL) {
        engine->reads_free = read->next;
        engine->reads_kept--;
    } else {
        read = memory_allocate_zeroed(sizeof *read);
        if (read == NULL) {
            return NULL;
        }
        read->engine = engine;
        read->op.done = read_done;
    }
    if (read->capacity < size) {
        memory_free(read->bytes);
        read->capacity = size < 2 * LOG_BLOCK_BYTES ? 2 * LOG_BLOCK_BYTES : size;
        read->bytes = memory_allocate_aligned(read->capacity, LOG_BLOCK_BYTES);
        if (read->bytes == NULL) {
            read->capacity = 0;
            read_free(read);
            return NULL;
        }
    }
    return read;
}

static void read_submit(struct log_read *read)
{
    struct log_engine *const engine = read->engine;
    const struct log_segment *const segment =
        &engine->segments[log_location_segment(read->location)];

    io_read(engine->options.io, &read->op, segment->fd, read->bytes + read->got,
            read->size - read->got, read->offset + read->got);
}

static void read_start(struct log_engine *engine, struct log_read *read)
{
    if (engine->reads_flying < READS_DEPTH) {
        engine->reads_flying++;
        engine->disk_reads++;
        read_submit(read);
        return;
    }
    read->next_listed = NULL;
    if (engine->reads_queued_last != NULL) {
        engine->reads_queued_last->next_listed = read;
    } else {
        engine->reads_queued_first = read;
    }
    engine->reads_queued_last = read;
}

void log_read_for(struct log_engine *engine, struct engine_op *op, uint64_t location,
                  uint32_t class)
{
    struct log_read **const bucket = &engine->reads[bucket_of(location)];
    const uint64_t offset = log_location_offset(location);
    const uint64_t start = offset & ~(uint64_t)(LOG_BLOCK_BYTES - 1);
    uint64_t end = (offset + log_class_bytes(class) + (LOG_BLOCK_BYTES - 1)) &
                   ~(uint64_t)(LOG_BLOCK_BYTES - 1);

    if (op->memory != ENGINE_MEMORY_SEARCHING) {
        op->memory_flags = 0;
    }
    op->memory_moves = engine->moves;
    for (struct log_read *read = *bucket; read != NULL; read = read->next) {
        if (read->location == location) {
            CHECK(!read->arrived); // it would have been found in RAM
            op->next = read->waiting;
            read->waiting = op;
            read->cacheable = read->cacheable || op->intent != ENGINE_INTENT_SCAN;
            engine->coalesced_reads++;
            return;
        }
    }
    end = end < engine->segment_bytes ? end : engine->segment_bytes;
    struct log_read *const read = read_take(engine, (uint32_t)(end - start));

    if (read == NULL) {
        op->status = ENGINE_ERROR;
        op->error = -ENOMEM;
        return;
    }
    read->location = location;
    read->offset = start;
    read->size = (uint32_t)(end - start);
    read->from = (uint32_t)(offset - start);
    read->got = 0;
    read->waiting = op;
    read->holds = 0;
    read->arrived = false;
    read->cacheable = op->intent != ENGINE_INTENT_SCAN;
    op->next = NULL;
    read->next = *bucket;
    *bucket = read;
    engine->segments[log_location_segment(location)].pins++;
    read_start(engine, read);
}

// It is not under way any more: the next one is.
static void read_landed(struct log_engine *engine)
{
    struct log_read *const next = engine->reads_queued_first;

    engine->reads_flying--;
    if (next != NULL) {
        engine->reads_queued_first = next->next_listed;
        if (engine->reads_queued_first == NULL) {
            engine->reads_queued_last = NULL;
        }
        read_start(engine, next);
    }
}

static void read_remove(struct log_engine *engine, struct log_read *read)
{
    struct log_read **at = &engine->reads[bucket_of(read->location)];

    while (*at != read) {
        at = &(*at)->next;
    }
    *at = read->next;
    engine->segments[log_location_segment(read->location)].pins--;
}

struct log_read *log_read_at_hand(const struct log_engine *engine, uint64_t location)
{
    struct log_read *read = engine->reads[bucket_of(location)];

    while (read != NULL && read->location != location) {
        read = read->next;
    }
    return read != NULL && read->arrived ? read : NULL;
}

void log_read_hold(struct log_read *read)
{
    read->holds++;
}

void log_read_release(struct log_read *read)
{
    CHECK(read->arrived && read->holds > 0);
    if (--read->holds == 0) {
        read_remove(read->engine, read);
        read_give(read->engine, read);
    }
}

// Whether what was read is the record that belongs there.
static int read_verify(const struct log_read *read)
{
    struct log_record record;
    struct log_engine *const engine = read->engine;
    const uint64_t seed = log_record_seed_at(engine, read->location);

    if (read->got < read->from ||
        !log_record_read(slice_of(read->bytes + read->from, read->got - read->from), seed,
                         &record) ||
        record.vnode >= engine->options.vnodes) {
        engine->corrupt_records++;
        return -EBADMSG;
    }
    return 0;
}

// What was read from disk goes into the cache, if its entry still leads to where it was read.
static void read_cache(struct log_engine *engine, uint64_t location,
                       const struct log_record *record)
{
    const uint64_t hash = log_hash(engine, record->key);
    uint64_t *const slot = log_slot_of(engine, record->vnode, hash, location);
    const struct slice parts[2] = {record->object[0], slice_of(NULL, 0)};
    struct cached cached = {
        .key = record->key,
        .location = location,
        .expire_ms = record->expire_ms,
        .vnode = record->vnode,
        .flags = (record->kind == LOG_TOMBSTONE ? CACHED_TOMBSTONE : 0U) |
                 (record->large ? CACHED_LARGE : 0U),
    };

    if (slot == NULL) {
        return;
    }
    const uint64_t place =
        cache_take(&engine->cache, CACHE_YOUNG,
                   cached_bytes(record->key.size, record->object[0].size, record->expire_ms));

    if (place == CACHE_NONE) {
        return;
    }
    cached.class = log_payload_class(index_payload(*slot));
    cached_write(cache_at(&engine->cache, place), &cached, parts);
    *slot = index_entry(index_fingerprint(&engine->index, hash),
                        log_payload_cached(place, cached.class));
}

void log_reads_settle(struct log_engine *engine)
{
    struct log_read *read = engine->reads_arrived;

    engine->reads_arrived = NULL;
    for (struct log_read *next; read != NULL; read = next) {
        struct log_record record;

        next = read->next_listed;
        if (read->cacheable) {
            const bool whole = log_record_parse(
                slice_of(read->bytes + read->from, read->size - read->from), &record);

            CHECK(whole); // it was verified when it arrived
            read_cache(engine, read->location, &record);
        }
        log_read_release(read);
    }
}

// The op goes on where it was: it finds what was read in RAM, or another record to read.
static void resume(struct log_engine *engine, struct engine_op *op, uint64_t location)
{
    // Where something was moved since the read began, the search begins anew.
    if (op->memory_moves != engine->moves) {
        location = 0;
    }
    op->memory = ENGINE_MEMORY_SEARCHING;
    op->memory_moves = engine->moves;
    op->memory_location = location;
    if (op->intent == ENGINE_INTENT_OWNER) {
        log_large_owner(engine, op);
        return;
    }
    if (op->intent == ENGINE_INTENT_GET) {
        log_get_one(engine, op);
    } else {
        log_write_one(engine, op);
    }
    if (op->status != ENGINE_PENDING) {
        op->done(op);
    }
}

// What an op has met that cannot be read: it goes on behind it, since the key may have another
// record.
static void resume_damaged(struct log_engine *engine, struct engine_op *op, uint64_t location,
                           int error)
{
    if (error == -ENOMEM && op->intent != ENGINE_INTENT_OWNER) {
        op->status = ENGINE_ERROR;
        op->error = error;
        op->done(op);
        return;
    }
    // The first of them is remembered, for as long as it is there: compaction may have moved it.
    if ((op->memory_flags & LOG_MEMORY_DAMAGED) == 0 ||
        log_slot_of(engine, op->vnode, op->hash, op->memory_damaged) == NULL) {
        op->memory_flags |= LOG_MEMORY_DAMAGED;
        op->memory_damaged = location;
        op->error = error;
    }
    resume(engine, op, location);
}

static void read_arrived(struct log_engine *engine, struct log_read *read)
{
    struct engine_op *waiting = read->waiting;

    read->arrived = true;
    read->holds = 1;
    read->next_listed = engine->reads_arrived;
    engine->reads_arrived = read;
    log_read_hold(read); // `done` may end the turn as far as we are concerned
    for (struct engine_op *next; waiting != NULL; waiting = next) {
        next = waiting->next;
        if (waiting->intent == ENGINE_INTENT_SCAN) {
            log_scan_arrived(waiting, read);
        } else {
            resume(engine, waiting, read->location);
        }
    }
    log_read_release(read);
}

// Whoever asks for it from now on starts a read of its own.
static void read_failed(struct log_engine *engine, struct log_read *read, int error)
{
    read_remove(engine, read);
    for (struct engine_op *next, *waiting = read->waiting; waiting != NULL; waiting = next) {
        next = waiting->next;
        if (waiting->intent == ENGINE_INTENT_SCAN) {
            log_scan_arrived(waiting, NULL);
        } else {
            resume_damaged(engine, waiting, read->location, error);
        }
    }
    read_give(engine, read);
}

// A failure of the disk may pass. That the segment's file is missing, which was told when the
// engine opened, does not: what was in it is damaged.
static int read_error(const struct log_read *read, int32_t result)
{
    struct log_engine *const engine = read->engine;

    if (engine->segments[log_location_segment(read->location)].fd >= 0) {
        return result;
    }
    engine->corrupt_records++;
    return -EBADMSG;
}

static void read_done(struct io_op *op, int32_t result)
{
    struct log_read *const read = (struct log_read *)(void *)op;
    struct log_engine *const engine = read->engine;
    int error = result < 0 ? read_error(read, result) : 0;

    if (error == 0) {
        read->got += (uint32_t)result;
        engine->disk_read_bytes += (uint32_t)result;
        // O_DIRECT goes on from whole blocks only: less than that is the file's end, of one that
        // was cut.
        if (read->got < read->size && result != 0 && result % LOG_BLOCK_BYTES == 0) {
            read_submit(read);
            return;
        }
        error = read_verify(read);
    }
    read_landed(engine);
    if (error == 0) {
        read_arrived(engine, read);
    } else {
        read_failed(engine, read, error);
    }
}

void log_reads_close(struct log_engine *engine)
{
    CHECK(engine->reads_flying == 0);
    // Of a test that plays the end of a process: what was under way.
    for (uint32_t i = 0; i < LOG_READ_BUCKETS; i++) {
        while (engine->reads[i] != NULL) {
            struct log_read *const read = engine->reads[i];

            engine->reads[i] = read->next;
            read_free(read);
        }
    }
    while (engine->reads_free != NULL) {
        struct log_read *const read = engine->reads_free;

        engine->reads_free = read->next;
        read_free(read);
    }
}
