// Dropping vnodes. Readers see an empty table at once; the old table is given up bucket by bucket
// in steps, and its records die one by one, since other vnodes' records lie between them. When all
// is dropped no record needs to be looked at: the segments are given back as they are.
//
// Until a dropped table is given up, the cleaner may meet its records: they are in no table of the
// engine, but still in the dropped one, and drop_kill() takes them out of there.
#include "core/memory.h"
#include "engines/memory.h"

static void forget_entry(void *context, uint64_t entry)
{
    (void)context;
    (void)entry;
}

static void kill_entry(void *context, uint64_t entry)
{
    struct memory_engine *const engine = context;
    const uint64_t place = payload_place(entry);
    struct record record;

    record_read(engine->arena.base + place, engine->vnode_bytes, &record);
    segment_kill(engine, place, record.bytes);
}

// Gives up one bucket; returns how much work that was.
static uint32_t shed_bucket(struct memory_engine *engine, struct dropped *dropped)
{
    const size_t entries = index_shed(&engine->index, &dropped->table,
                                      dropped->forgotten ? forget_entry : kill_entry, engine);

    engine->moves++;
    return dropped->forgotten ? 1 : 1 + (uint32_t)entries;
}

static void empty_vnode(struct memory_engine *engine, struct memory_vnode *vnode)
{
    engine->records -= vnode->table.entries;
    engine->tombstones -= vnode->tombstones;
    engine->with_expiry -= vnode->with_expiry;
    engine->live_bytes -= vnode->live_bytes;
    *vnode = (struct memory_vnode){.snapshots = vnode->snapshots};
}

static void drop_table(struct memory_engine *engine, uint32_t number, bool forget)
{
    struct memory_vnode *const vnode = &engine->vnodes[number];
    struct dropped *const dropped = memory_allocate(sizeof *dropped);
    struct dropped now = {.table = vnode->table, .vnode = number, .forgotten = forget};

    empty_vnode(engine, vnode);
    if (dropped != NULL) {
        now.next = engine->dropped;
        *dropped = now;
        engine->dropped = dropped;
        return;
    }
    // No memory to remember it by: slowly, but at once.
    while (now.table.buckets != 0) {
        shed_bucket(engine, &now);
    }
}

// Lets go of everything that lies in segments.
static void condemn_all(struct memory_engine *engine)
{
    for (struct dropped *it = engine->dropped; it != NULL; it = it->next) {
        it->forgotten = true;
    }
    if (engine->age_last != SEGMENT_NONE) {
        engine->segments[engine->age_last - 1].age_next = engine->condemned;
        engine->condemned = engine->age_first;
    }
    engine->age_first = SEGMENT_NONE;
    engine->age_last = SEGMENT_NONE;
    for (uint32_t i = 0; i < DIRT_CLASSES; i++) {
        engine->dirt_first[i] = SEGMENT_NONE;
    }
    engine->fresh.segment = SEGMENT_NONE;
    for (uint32_t i = 0; i < COLD_HEADS; i++) {
        engine->cold[i].segment = SEGMENT_NONE;
        engine->spared[i].segment = SEGMENT_NONE;
    }
    engine->clean.segment = SEGMENT_NONE;
    engine->evict.segment = SEGMENT_NONE;
    engine->reap.segment = SEGMENT_NONE;
    engine->reap_count = 0;
    snapshot_forget_kept(engine);
    engine->expiring_first = SEGMENT_NONE;
    engine->expiring_look = SEGMENT_NONE;
    engine->used_bytes = 0;
    engine->dead_bytes = 0;
    engine->moves++;
}

uint64_t memory_drop(struct engine *base, uint32_t vnode)
{
    struct memory_engine *const engine = (struct memory_engine *)base;
    const bool all = vnode == ENGINE_ALL_VNODES;

    CHECK(all || vnode < engine->options.vnodes);
    snapshot_dropped(engine, vnode);
    for (uint32_t i = all ? 0 : vnode; i < (all ? engine->options.vnodes : vnode + 1); i++) {
        if (engine->vnodes[i].table.buckets != 0) {
            drop_table(engine, i, all);
        }
    }
    if (all) {
        condemn_all(engine);
    }
    return 0;
}

bool drop_step(struct memory_engine *engine, uint32_t budget)
{
    uint32_t done = 0;

    while (done < budget && engine->condemned != SEGMENT_NONE) {
        const uint32_t number = engine->condemned - 1;

        engine->condemned = engine->segments[number].age_next;
        segment_give(engine, number);
        done++;
    }
    while (done < budget && engine->dropped != NULL) {
        struct dropped *const dropped = engine->dropped;

        done += shed_bucket(engine, dropped);
        if (dropped->table.buckets == 0) {
            engine->dropped = dropped->next;
            memory_free(dropped);
        }
    }
    return engine->condemned != SEGMENT_NONE || engine->dropped != NULL;
}

bool drop_kill(struct memory_engine *engine, uint64_t hash, const struct record *record)
{
    const uint64_t place = record_place(engine, record);

    for (struct dropped *it = engine->dropped; it != NULL; it = it->next) {
        if (it->vnode != record->vnode || it->forgotten) {
            continue;
        }
        uint64_t *const slot = memory_find_place(engine, &it->table, hash, place);

        if (slot != NULL) {
            index_remove(&engine->index, &it->table, hash, slot);
            segment_kill(engine, place, record->bytes);
            return true;
        }
    }
    return false;
}
