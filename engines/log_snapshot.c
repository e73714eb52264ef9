// Snapshots: one instant of a vnode, for a scan, while writers go on.
//
// A record is new to a snapshot when it was written after the snapshot was opened, which its place
// tells: segments of the hot head are numbered by an `order` that rises from one to the next, and
// in the one that was the head at that moment the offset decides. The scan walks the index in order
// of position and shows what is old. What a write takes the place of, and the scan has not passed,
// is kept: its place is noted, and its segment is not used anew before the snapshot has shown it.
//
// What compaction moves stays old: while snapshots are open it only empties segments that are old
// to all of them, and the segments of the cold head count as old. When room is short for that the
// snapshots are given up.
#include "core/memory.h"
#include "engines/log.h"

#include <errno.h>

enum {
    KEPT_MAX = LIMIT_ENGINE_SNAPSHOT_KEPT / LIMIT_ENGINE_SNAPSHOTS, // of one snapshot
    KEPT_A_BUCKET = 16, // kept records shown for each bucket that the caller allows
    KEPT_FIRST = 64,
};

static bool is_new(const struct log_engine *engine, const struct log_snapshot *it,
                   uint64_t location)
{
    const struct log_segment *const segment = &engine->segments[log_location_segment(location)];

    return segment->order > it->order || (segment->order == it->order && segment->order != 0 &&
                                          log_location_offset(location) >= it->head_offset);
}

// Keeping ----------------------------------------------------------------------------------------

static struct log_segment *segment_of(struct log_engine *engine, uint64_t payload)
{
    return &engine->segments[log_location_segment(payload & LOG_PAYLOAD_WHERE)];
}

// Nothing is kept for it any more.
static void let_go(struct log_engine *engine, struct log_snapshot *it)
{
    for (uint32_t i = it->kept_shown; i < it->kept_count; i++) {
        segment_of(engine, it->kept[i])->pins--;
    }
    memory_free(it->kept);
    it->kept = NULL;
    it->kept_count = it->kept_shown = it->kept_capacity = 0;
}

static void give_up(struct log_engine *engine, struct log_snapshot *it, int error)
{
    if (it->open && it->error == 0) {
        it->error = error;
        let_go(engine, it);
    }
}

static void keep(struct log_engine *engine, struct log_snapshot *it, uint64_t payload)
{
    if (it->kept_count == it->kept_capacity) {
        const uint32_t capacity = it->kept_capacity == 0 ? KEPT_FIRST : 2 * it->kept_capacity;
        uint64_t *const kept =
            capacity > KEPT_MAX ? NULL : memory_resize(it->kept, capacity * sizeof *kept);

        if (kept == NULL) {
            give_up(engine, it, -ENOBUFS);
            return;
        }
        it->kept = kept;
        it->kept_capacity = capacity;
    }
    it->kept[it->kept_count++] = payload;
    segment_of(engine, payload)->pins++;
}

void log_snapshots_keep(struct log_engine *engine, uint32_t vnode, uint64_t hash, uint64_t location,
                        uint32_t class)
{
    for (uint32_t i = 0; i < LIMIT_ENGINE_SNAPSHOTS; i++) {
        struct log_snapshot *const it = &engine->snapshots[i];

        if (it->open && it->error == 0 && it->vnode == vnode && !it->walked &&
            !is_new(engine, it, location) && index_position(&engine->index, hash) >= it->position) {
            keep(engine, it, log_payload(location, class));
        }
    }
}

void log_snapshots_give_up(struct log_engine *engine, uint32_t vnode, int error)
{
    for (uint32_t i = 0; i < LIMIT_ENGINE_SNAPSHOTS; i++) {
        if (vnode == ENGINE_ALL_VNODES || engine->snapshots[i].vnode == vnode) {
            give_up(engine, &engine->snapshots[i], error);
        }
    }
}

bool log_snapshots_allow(const struct log_engine *engine, const struct log_segment *victim)
{
    for (uint32_t i = 0; i < LIMIT_ENGINE_SNAPSHOTS; i++) {
        const struct log_snapshot *const it = &engine->snapshots[i];

        if (it->open && it->error == 0 && victim->order != 0 && victim->order >= it->order) {
            return false;
        }
    }
    return true;
}

// The calls --------------------------------------------------------------------------------------

int log_snapshot_open(struct engine *base, uint32_t vnode, uint32_t *ret_snapshot)
{
    struct log_engine *const engine = log_engine_of(base);
    uint32_t number = 0;

    CHECK(vnode < engine->options.vnodes);
    while (number < LIMIT_ENGINE_SNAPSHOTS && engine->snapshots[number].open) {
        number++;
    }
    if (number == LIMIT_ENGINE_SNAPSHOTS) {
        return -EMFILE;
    }
    // What is put from now on is not written over what is filling.
    log_close_frame(engine, &engine->hot);
    engine->snapshots[number] = (struct log_snapshot){
        .open = true,
        .vnode = vnode,
        .order = engine->order,
        // Where it has left its segment, the next one is of a larger order.
        .head_offset = engine->hot.segment == LOG_SEGMENTS_MAX ? UINT64_MAX : engine->hot.offset,
    };
    engine->snapshots_open++;
    *ret_snapshot = number;
    return 0;
}

static uint64_t entry_location(const struct log_engine *engine, uint64_t payload)
{
    struct cached cached;

    if ((payload & LOG_PAYLOAD_CACHED) == 0) {
        return payload & LOG_PAYLOAD_WHERE;
    }
    cached_read(cache_at(&engine->cache, log_payload_place(payload)), &cached);
    return cached.location;
}

// The old entries of the bucket at a position; returns where the next begins.
static uint64_t old_bucket(const struct log_engine *engine, const struct log_snapshot *it,
                           uint64_t position, struct log_bucket *bucket)
{
    uint32_t count = 0;

    bucket->engine = engine;
    bucket->count = 0;
    const uint64_t next = index_scan(&engine->index, &engine->vnodes[it->vnode].table, position,
                                     log_bucket_entry, bucket);

    for (uint32_t i = 0; i < bucket->count; i++) {
        if (!is_new(engine, it, entry_location(engine, index_payload(bucket->entries[i])))) {
            bucket->entries[count++] = bucket->entries[i];
        }
    }
    bucket->count = count;
    return next;
}

// Shows what is kept, and then buckets, as far as they are in RAM. Returns how much.
static size_t show_some(struct log_engine *engine, struct log_snapshot *it,
                        struct engine_scan *scan, size_t buckets_max)
{
    struct log_bucket bucket;
    bool go_on = true;
    size_t shown = 0;

    for (size_t i = 0; i < buckets_max * KEPT_A_BUCKET && go_on && it->kept_shown < it->kept_count;
         i++) {
        log_bucket_begin(&bucket, engine);
        bucket.entries[bucket.count++] = it->kept[it->kept_shown];
        if (!log_bucket_is_present(engine, scan, &bucket)) {
            return shown;
        }
        go_on = log_bucket_show(engine, scan, &bucket);
        segment_of(engine, it->kept[it->kept_shown++])->pins--;
        shown++;
    }
    for (size_t i = 0; i < buckets_max && go_on && !it->walked; i++) {
        const uint64_t next = old_bucket(engine, it, it->position, &bucket);

        if (!log_bucket_is_present(engine, scan, &bucket)) {
            return shown;
        }
        go_on = log_bucket_show(engine, scan, &bucket);
        it->position = next;
        it->walked = next == 0;
        shown++;
    }
    return shown;
}

// Asks for what show_some() will want next. False when memory is short.
static bool request_some(struct log_engine *engine, const struct log_snapshot *it,
                         struct engine_scan *scan, size_t buckets_max)
{
    struct log_bucket bucket;
    uint64_t position = it->position;
    bool enough = false;

    log_bucket_begin(&bucket, engine);
    for (uint32_t i = it->kept_shown; i < it->kept_count && bucket.count < KEPT_FIRST; i++) {
        bucket.entries[bucket.count++] = it->kept[i];
    }
    if (!log_bucket_request(engine, scan, &bucket, &enough)) {
        return false;
    }
    for (size_t i = 0; i < buckets_max && !enough && !it->walked && (i == 0 || position != 0);
         i++) {
        position = old_bucket(engine, it, position, &bucket);
        if (!log_bucket_request(engine, scan, &bucket, &enough)) {
            return false;
        }
    }
    return true;
}

int log_snapshot_scan(struct engine *base, uint32_t number, struct engine_scan *scan,
                      size_t buckets_max)
{
    struct log_engine *const engine = log_engine_of(base);
    struct log_snapshot *const it = &engine->snapshots[number];
    int result = 1;

    CHECK(number < LIMIT_ENGINE_SNAPSHOTS && it->open && scan->waiting == 0);
    if (it->error != 0) {
        result = it->error;
    } else if (it->walked && it->kept_shown == it->kept_count) {
        result = 0;
    } else if (show_some(engine, it, scan, buckets_max) != 0) {
        result = it->walked && it->kept_shown == it->kept_count ? 0 : 1;
    } else if (!request_some(engine, it, scan, buckets_max) && scan->waiting == 0) {
        result = -ENOMEM;
    } else if (scan->waiting != 0) {
        return -EINPROGRESS;
    }
    log_scan_end(base, scan); // lets go of what it held
    return result;
}

void log_snapshot_close(struct engine *base, uint32_t number)
{
    struct log_engine *const engine = log_engine_of(base);

    CHECK(number < LIMIT_ENGINE_SNAPSHOTS && engine->snapshots[number].open);
    let_go(engine, &engine->snapshots[number]);
    engine->snapshots[number].open = false;
    engine->snapshots_open--;
}
