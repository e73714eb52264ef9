// Dropping a vnode, and saying so: log_drop.h.
#include "engines/log_drop.h"

#include "core/memory.h"
#include "core/planted.h"
#include "engines/log.h"

#include <errno.h>

// `stamp`: of a drop that comes behind records which were put after it, as where it was moved; else
// 0.
static bool log_drop_record(struct log_engine *engine, uint32_t vnode, uint64_t stamp)
{
    const struct log_record record = {
        .kind = LOG_DROP,
        .vnode = vnode,
        .replaces = LOG_LOCATION_NONE,
        .stamp = stamp,
    };
    uint64_t location;
    uint8_t *const at = log_append_after(engine, LOG_LOCATION_NONE,
                                         (uint32_t)log_record_bytes(0, 0, 0, stamp), &location);

    if (at == NULL) {
        return false;
    }
    log_record_write(at, &record, log_record_seed_at(engine, location));
    log_note_stamp(engine, location, stamp != 0 ? stamp : engine->stamp, true);
    engine->stamp += stamp != 0 ? 0 : 1;
    engine->commit_removal =
        engine->options.durability.sync == ENGINE_SYNC_ALWAYS ? engine->commit_open : 0;
    return true;
}

static void entry_dropped(void *context, uint64_t entry)
{
    struct log_engine *const engine = context;
    const uint64_t payload = index_payload(entry);
    const bool is_cached = (payload & LOG_PAYLOAD_CACHED) != 0;
    struct cached cached;

    if (is_cached) {
        cached_read(cache_at(&engine->cache, log_payload_place(payload)), &cached);
        cache_kill(&engine->cache, log_payload_place(payload));
    }
    const uint64_t location = is_cached ? cached.location : payload & LOG_PAYLOAD_WHERE;

    engine->segments[log_location_segment(location)].unsaid = true;
    log_kill(engine, location, is_cached ? cached.class : log_payload_class(payload));
}

// Takes the table away, to be given up in steps: at once where memory is short.
static void table_take(struct log_engine *engine, uint32_t number)
{
    struct index_table *const table = &engine->vnodes[number].table;
    struct log_dropped *const dropped = memory_allocate(sizeof *dropped);

    if (dropped != NULL) {
        *dropped = (struct log_dropped){.next = engine->dropped, .table = *table, .vnode = number};
        engine->dropped = dropped;
        return;
    }
    while (table->entries != 0) {
        (void)index_shed(&engine->index, table, entry_dropped, engine);
    }
    index_table_close(&engine->index, table);
}

static void drop_one(struct log_engine *engine, uint32_t number)
{
    struct log_vnode *const vnode = &engine->vnodes[number];

    if (vnode->table.entries == 0) {
        return;
    }
    engine->records -= vnode->table.entries;
    engine->tombstones -= vnode->tombstones;
    engine->with_expiry -= vnode->with_expiry;
    engine->drops_owed += vnode->drop_owed == 0 ? 1 : 0;
    log_snapshots_give_up(engine, number, -ESTALE);
    table_take(engine, number);
    *vnode = (struct log_vnode){.drop_owed = engine->stamp, .drop_listed = engine->stamp};
    if (!log_drop_settle(engine) && engine->options.durability.sync == ENGINE_SYNC_ALWAYS) {
        engine->commit_removal = log_drop_commit(engine);
    }
}

bool log_drop_settle(struct log_engine *engine)
{
    for (uint32_t i = 0; engine->drops_owed != 0 && i < engine->options.vnodes; i++) {
        struct log_vnode *const vnode = &engine->vnodes[i];

        if (vnode->drop_owed == 0) {
            continue;
        }
        const bool unsaid = log_drop_is_unsaid(vnode);

        if (engine->failed != 0 || !log_drop_record(engine, i, unsaid ? 0 : vnode->drop_owed)) {
            return false;
        }
        vnode->drop_owed = 0;
        engine->drops_owed--;
        if (unsaid) {
            log_large_drop(engine, i); // nothing was put there since
        }
    }
    return engine->drops_owed == 0;
}

uint64_t log_drop_commit(const struct log_engine *engine)
{
    const bool filling = engine->hot.open != NULL && engine->hot.open->header.records != 0;
    const uint64_t newest = filling ? engine->commit_open : engine->commit_open - 1;

    return engine->drops_owed != 0 ? newest + 1 : newest;
}

uint64_t log_drop(struct engine *base, uint32_t vnode)
{
    struct log_engine *const engine = log_engine_of(base);

    for (uint32_t i = 0; i < engine->options.vnodes; i++) {
        if (vnode == ENGINE_ALL_VNODES || vnode == i) {
            drop_one(engine, i);
        }
    }
    if (engine->options.durability.sync != ENGINE_SYNC_ALWAYS || planted(PLANTED_EARLY_DROP)) {
        return 0;
    }
    return log_drop_commit(engine);
}

bool log_drop_step(struct log_engine *engine, uint32_t budget)
{
    uint32_t seen = 0;

    while (engine->dropped != NULL && seen < budget) {
        struct log_dropped *const dropped = engine->dropped;

        if (dropped->table.buckets != 0) {
            seen +=
                1 + (uint32_t)index_shed(&engine->index, &dropped->table, entry_dropped, engine);
            continue;
        }
        engine->dropped = dropped->next;
        memory_free(dropped);
    }
    return engine->dropped != NULL;
}
