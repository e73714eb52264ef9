// Reading many records of a vnode: scans, samples.
//
// A bucket of the index is shown whole. What of it is not in RAM is read first, one read a record,
// together with what the buckets behind it need; the reads are held until the scan has gone on.
// Meanwhile entries may change: what is missing then is read in another round.
#include "core/memory.h"
#include "core/random.h"
#include "engines/log.h"

enum {
    READS_A_ROUND = 64,           // more are asked for only to complete a bucket
    READ_BYTES_A_ROUND = 1 << 18, // of one bucket: likewise
};

void log_bucket_entry(void *context, uint64_t entry)
{
    struct log_bucket *const bucket = context;

    CHECK(bucket->count < LOG_BUCKET_ENTRIES_MAX);
    bucket->entries[bucket->count++] = entry;
    if ((entry & LOG_PAYLOAD_CACHED) != 0) {
        __builtin_prefetch(
            cache_at(&bucket->engine->cache, log_payload_place(index_payload(entry))));
    }
}

// Holds ------------------------------------------------------------------------------------------

void log_scan_arrived(struct engine_op *op, struct log_read *read)
{
    struct log_hold *const hold = (struct log_hold *)(void *)op;
    struct engine_scan *const scan = hold->scan;

    if (scan == NULL) {
        memory_free(hold);
        return;
    }
    hold->waits = false;
    hold->read = read;
    if (read != NULL) {
        log_read_hold(read);
    }
    CHECK(scan->waiting > 0);
    if (--scan->waiting == 0) {
        scan->done(scan);
    }
}

void log_scan_end(struct engine *base, struct engine_scan *scan)
{
    (void)base;
    while (scan->held != NULL) {
        struct log_hold *const hold = scan->held;

        scan->held = hold->next;
        if (hold->waits) {
            hold->scan = NULL; // freed when its read has ended
            continue;
        }
        if (hold->read != NULL) {
            log_read_release(hold->read);
        }
        memory_free(hold);
    }
    scan->waiting = 0;
}

// The hold of a location, NULL when there is none.
static const struct log_hold *hold_of(const struct engine_scan *scan, uint64_t location)
{
    const struct log_hold *hold = scan->held;

    while (hold != NULL && hold->location != location) {
        hold = hold->next;
    }
    return hold;
}

static bool is_unreadable(const struct engine_scan *scan, uint64_t location)
{
    const struct log_hold *const hold = hold_of(scan, location);

    return hold != NULL && !hold->waits && hold->read == NULL;
}

// Asks for the record that a payload leads to, or holds it where it is at hand. False when memory
// is short.
static bool request(struct log_engine *engine, struct engine_scan *scan, uint64_t payload)
{
    struct log_hold *const hold = memory_allocate_zeroed(sizeof *hold);

    if (hold == NULL) {
        return false;
    }
    hold->scan = scan;
    hold->location = payload & LOG_PAYLOAD_WHERE;
    hold->read = log_read_at_hand(engine, hold->location);
    if (hold->read != NULL) {
        log_read_hold(hold->read);
    } else {
        hold->waits = true;
        hold->op.intent = ENGINE_INTENT_SCAN;
        hold->op.status = ENGINE_PENDING;
        log_read_for(engine, &hold->op, hold->location, log_payload_class(payload));
        if (hold->op.status != ENGINE_PENDING) {
            memory_free(hold);
            return false;
        }
        scan->waiting++;
    }
    hold->next = scan->held;
    scan->held = hold;
    return true;
}

// Showing ----------------------------------------------------------------------------------------

enum presence { PRESENT, MISSING, UNREADABLE };

static void leave_out(struct engine_record *record, bool large)
{
    if (large) {
        record->object = slice_of(NULL, 0);
        record->flags |= ENGINE_PARTIAL;
    }
}

// The record that an entry leads to, if it is in RAM.
static enum presence find_record(const struct log_engine *engine, const struct engine_scan *scan,
                                 uint64_t payload, struct engine_record *ret_record)
{
    if ((payload & LOG_PAYLOAD_CACHED) != 0) {
        struct cached cached;

        cached_read(cache_at(&engine->cache, log_payload_place(payload)), &cached);
        *ret_record = (struct engine_record){
            .key = cached.key,
            .object = cached.object,
            .vnode = cached.vnode,
            .flags = (cached.flags & CACHED_TOMBSTONE) != 0 ? ENGINE_TOMBSTONE : 0,
            .expire_ms = cached.expire_ms,
        };
        leave_out(ret_record, (cached.flags & CACHED_LARGE) != 0);
        return PRESENT;
    }
    const uint64_t location = payload & LOG_PAYLOAD_WHERE;
    const uint8_t *const at = log_in_ram(engine, location);
    struct log_record record;

    if (at == NULL) {
        return is_unreadable(scan, location) ? UNREADABLE : MISSING;
    }
    const bool whole =
        log_record_parse(slice_of(at, log_class_bytes(log_payload_class(payload))), &record);

    CHECK(whole); // it was written or verified in this run
    *ret_record = (struct engine_record){
        .key = record.key,
        .object = record.object[0],
        .vnode = record.vnode,
        .flags = record.kind == LOG_TOMBSTONE ? ENGINE_TOMBSTONE : 0,
        .expire_ms = record.expire_ms,
    };
    leave_out(ret_record, record.large);
    return PRESENT;
}

bool log_bucket_is_present(const struct log_engine *engine, const struct engine_scan *scan,
                           const struct log_bucket *bucket)
{
    struct engine_record record;

    for (uint32_t i = 0; i < bucket->count; i++) {
        if (find_record(engine, scan, index_payload(bucket->entries[i]), &record) == MISSING) {
            return false;
        }
    }
    return true;
}

bool log_bucket_show(const struct log_engine *engine, struct engine_scan *scan,
                     const struct log_bucket *bucket)
{
    bool go_on = true;
    struct engine_record record;

    for (uint32_t i = 0; i < bucket->count; i++) {
        if (find_record(engine, scan, index_payload(bucket->entries[i]), &record) == PRESENT) {
            go_on = scan->each(scan->context, &record) && go_on;
        } else {
            scan->unreadable++;
        }
    }
    return go_on;
}

// Shows buckets from the scan's cursor on as far as they are in RAM. False when not even the first
// is.
static bool show_some(struct log_engine *engine, struct engine_scan *scan, size_t buckets_max)
{
    const struct index_table *const table = &engine->vnodes[scan->vnode].table;
    struct log_bucket bucket;
    bool go_on = true;
    size_t shown = 0;

    log_bucket_begin(&bucket, engine);
    while (shown < buckets_max && go_on) {
        bucket.count = 0;
        const uint64_t next =
            index_scan(&engine->index, table, scan->cursor, log_bucket_entry, &bucket);

        if (!log_bucket_is_present(engine, scan, &bucket)) {
            break;
        }
        go_on = log_bucket_show(engine, scan, &bucket);
        scan->cursor = next;
        shown++;
        if (next == 0) {
            break;
        }
    }
    return shown != 0 || buckets_max == 0;
}

// Whether the scan has to hold the record that a payload leads to: it is not in RAM, or at hand in
// this turn only.
static bool is_wanted(const struct log_engine *engine, const struct engine_scan *scan,
                      uint64_t payload)
{
    const uint64_t location = payload & LOG_PAYLOAD_WHERE;

    return (payload & LOG_PAYLOAD_CACHED) == 0 && hold_of(scan, location) == NULL &&
           log_in_frame(engine, location) == NULL;
}

// Sets *ret_enough when no more should be asked for in this round.
bool log_bucket_request(struct log_engine *engine, struct engine_scan *scan,
                        const struct log_bucket *bucket, bool *ret_enough)
{
    uint64_t bytes = 0;

    for (uint32_t i = 0; i < bucket->count; i++) {
        const uint64_t payload = index_payload(bucket->entries[i]);

        if (!is_wanted(engine, scan, payload)) {
            continue;
        }
        bytes += log_class_bytes(log_payload_class(payload));
        if (!request(engine, scan, payload)) {
            return false;
        }
    }
    *ret_enough = scan->waiting >= READS_A_ROUND || bytes >= READ_BYTES_A_ROUND;
    return true;
}

// Asks for what is missing of the next buckets. False when memory is short.
static bool request_some(struct log_engine *engine, struct engine_scan *scan, size_t buckets_max)
{
    const struct index_table *const table = &engine->vnodes[scan->vnode].table;
    struct log_bucket bucket;
    uint64_t position = scan->cursor;
    bool enough = false;

    log_bucket_begin(&bucket, engine);
    for (size_t i = 0; i < buckets_max && !enough && (i == 0 || position != 0); i++) {
        bucket.count = 0;
        position = index_scan(&engine->index, table, position, log_bucket_entry, &bucket);
        if (!log_bucket_request(engine, scan, &bucket, &enough)) {
            return false;
        }
    }
    return true;
}

enum engine_status log_scan(struct engine *base, struct engine_scan *scan, size_t buckets_max)
{
    struct log_engine *const engine = log_engine_of(base);

    CHECK(scan->vnode < engine->options.vnodes && scan->waiting == 0);
    if (scan->cursor >> INDEX_POSITION_BITS != 0) {
        scan->cursor = 0; // no cursor of ours: clients send them
        return ENGINE_OK;
    }
    enum engine_status status = ENGINE_OK;

    if (!show_some(engine, scan, buckets_max)) {
        status = request_some(engine, scan, buckets_max) || scan->waiting != 0 ? ENGINE_PENDING
                                                                               : ENGINE_ERROR;
    }
    if (status != ENGINE_PENDING) {
        log_scan_end(base, scan); // lets go of what it held
    }
    return status;
}

// Samples ----------------------------------------------------------------------------------------

static uint64_t sample_entry(const struct log_engine *engine, uint64_t random)
{
    // A vnode by the number of its records, then a record in it.
    uint64_t chosen = random_split(&random) % engine->records;
    uint32_t vnode = 0;

    while (chosen >= engine->vnodes[vnode].table.entries) {
        chosen -= engine->vnodes[vnode].table.entries;
        vnode++;
        CHECK(vnode < engine->options.vnodes);
    }
    return index_sample(&engine->index, &engine->vnodes[vnode].table, random_split(&random));
}

enum engine_status log_sample(struct engine *base, struct engine_scan *scan, uint64_t random)
{
    struct log_engine *const engine = log_engine_of(base);
    const uint64_t entry = engine->records == 0 ? 0 : sample_entry(engine, random);
    struct engine_record record;
    enum engine_status status = ENGINE_MISS;

    CHECK(scan->waiting == 0);
    if (entry != 0) {
        enum presence presence = find_record(engine, scan, index_payload(entry), &record);

        if (presence == MISSING) {
            log_scan_end(base,
                         scan); // another one was read, and is not what the number leads to now
            presence = request(engine, scan, index_payload(entry)) ? MISSING : UNREADABLE;
        }
        status = presence == PRESENT   ? ENGINE_OK
                 : presence == MISSING ? ENGINE_PENDING
                                       : ENGINE_ERROR;
    }
    if (status == ENGINE_OK) {
        (void)scan->each(scan->context, &record);
    }
    if (status != ENGINE_PENDING) {
        log_scan_end(base, scan);
    }
    return status;
}
