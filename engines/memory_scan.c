// Reading many records of a vnode: scans, counts, samples.
#include "engines/memory.h"

#include "core/planted.h"

enum { SCAN_BUFFER = 32 }; // entries whose records are prefetched together

struct scan {
    struct memory_engine *engine;
    engine_scan_fn *each;
    void *context;
    bool go_on;
    size_t count;
    uint64_t entries[SCAN_BUFFER];
};

void record_show(const struct memory_engine *engine, uint64_t place,
                 struct engine_record *ret_record)
{
    struct record record;

    record_read(engine->arena.base + place, engine->vnode_bytes, &record);
    *ret_record = (struct engine_record){
        .key = record.key,
        .object = record.object,
        .vnode = record.vnode,
        .flags = (record.flags & RECORD_TOMBSTONE) != 0 ? ENGINE_TOMBSTONE : 0,
        .expire_ms = record.expire_ms,
    };
}

static void scan_flush(struct scan *scan)
{
    struct engine_record record;

    for (size_t i = 0; i < scan->count; i++) {
        record_show(scan->engine, payload_place(scan->entries[i]), &record);
        // A bucket is shown whole, so that the next call begins with another.
        scan->go_on = scan->each(scan->context, &record) && scan->go_on;
    }
    scan->count = 0;
}

static void scan_entry(void *context, uint64_t entry)
{
    struct scan *const scan = context;

    if (planted(PLANTED_SCAN_SKIP) && payload_place(entry) % 128 == 64) {
        return;
    }
    __builtin_prefetch(scan->engine->arena.base + payload_place(entry));
    scan->entries[scan->count++] = entry;
    if (scan->count == SCAN_BUFFER) {
        scan_flush(scan);
    }
}

enum engine_status memory_scan(struct engine *base, struct engine_scan *it, size_t buckets_max)
{
    struct memory_engine *const engine = (struct memory_engine *)base;
    struct scan scan = {.engine = engine, .each = it->each, .context = it->context, .go_on = true};

    CHECK(it->vnode < engine->options.vnodes);
    if (it->cursor >> INDEX_POSITION_BITS != 0) {
        it->cursor = 0; // no cursor of ours: clients send them
        return ENGINE_OK;
    }
    for (size_t i = 0; i < buckets_max && scan.go_on; i++) {
        it->cursor = index_scan(&engine->index, &engine->vnodes[it->vnode].table, it->cursor,
                                scan_entry, &scan);
        scan_flush(&scan);
        if (it->cursor == 0) {
            break;
        }
    }
    return ENGINE_OK;
}

// Nothing ever pends.
void memory_scan_end(struct engine *base, struct engine_scan *scan)
{
    (void)base;
    (void)scan;
}

uint64_t memory_count(struct engine *base, uint32_t vnode)
{
    const struct memory_engine *const engine = (const struct memory_engine *)base;

    if (vnode == ENGINE_ALL_VNODES) {
        return engine->records - engine->tombstones;
    }
    CHECK(vnode < engine->options.vnodes);
    return engine->vnodes[vnode].table.entries - engine->vnodes[vnode].tombstones;
}

bool memory_pick(const struct memory_engine *engine, uint64_t random,
                 struct engine_record *ret_record)
{
    if (engine->records == 0) {
        return false;
    }
    // A vnode by the number of its records, then a record in it.
    uint64_t chosen = random_split(&random) % engine->records;
    uint32_t vnode = 0;

    while (chosen >= engine->vnodes[vnode].table.entries) {
        chosen -= engine->vnodes[vnode].table.entries;
        vnode++;
        CHECK(vnode < engine->options.vnodes);
    }
    const uint64_t entry =
        index_sample(&engine->index, &engine->vnodes[vnode].table, random_split(&random));

    if (entry == 0) {
        return false;
    }
    record_show(engine, payload_place(entry), ret_record);
    return true;
}

enum engine_status memory_sample(struct engine *base, struct engine_scan *scan, uint64_t random)
{
    struct engine_record record;

    if (!memory_pick((const struct memory_engine *)base, random, &record)) {
        return ENGINE_MISS;
    }
    (void)scan->each(scan->context, &record);
    return ENGINE_OK;
}
