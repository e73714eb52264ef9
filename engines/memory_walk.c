#include "engines/memory_walk.h"

#include "core/planted.h"

enum { WALK_BATCH = 16 }; // records whose index lines are prefetched together

// What becomes of a reachable record.
enum verdict { RECORD_MOVE, RECORD_EVICT, RECORD_LEAVE };

static enum verdict record_verdict(const struct walk *walk, struct record *record)
{
    switch (walk->mode) {
    case WALK_CLEAN:
        return RECORD_MOVE;
    case WALK_EVICT_ALL:
        return RECORD_EVICT;
    case WALK_EVICT_LRU:
        if ((record->flags & RECORD_RECENCY_MASK) == 0) {
            return RECORD_EVICT;
        }
        record->flags = (uint8_t)(record->flags - RECORD_RECENCY_ONE);
        *record->at = record->flags;
        return RECORD_MOVE;
    case WALK_EVICT_TTL:
        return record->expire_ms != 0 && record->expire_ms <= walk->threshold_ms ? RECORD_EVICT
                                                                                 : RECORD_LEAVE;
    case WALK_REAP:
        break;
    }
    return RECORD_LEAVE;
}

// The head, of the cold or the spared ones, for a record's side of the open snapshots.
static struct head *head_of_side(struct memory_engine *engine, struct head *heads, uint64_t place)
{
    const uint64_t order = snapshot_order(engine, place);
    uint32_t chosen = COLD_HEADS - 1;

    for (uint32_t i = 0; i < COLD_HEADS; i++) {
        if (heads[i].order == order) {
            return &heads[i];
        }
        // The first is for what is old to all; of the others the least recent, whose snapshot is
        // the likeliest to be closed.
        if (i > 0 && heads[i].order < heads[chosen].order) {
            chosen = i;
        }
    }
    segment_seal(engine, &heads[chosen]);
    heads[chosen].order = order;
    return &heads[chosen];
}

static bool move_record(struct walk *walk, uint64_t *slot, const struct record *record)
{
    struct memory_engine *const engine = walk->engine;
    const uint64_t from = record_place(engine, record);
    const uint32_t number = segment_number(engine, from);
    const bool cleaning = walk->mode == WALK_CLEAN;

    engine->moves++;
    if (record->bytes > LARGE_RECORD_BYTES) {
        segment_renew(engine, number);
        walk->sweep->segment = SEGMENT_NONE;
        return true;
    }
    // What the cleaner moves stays as old as it is; what eviction spares becomes young again.
    struct head *const head = head_of_side(engine, cleaning ? engine->cold : engine->spared, from);

    engine->moving_from = cleaning ? number + 1 : SEGMENT_NONE;
    const uint64_t place = segment_append(engine, head, record->bytes);

    engine->moving_from = SEGMENT_NONE;
    if (place == PLACE_NONE) {
        return false;
    }
    memcpy(engine->arena.base + place, record->at, record->bytes);
    if (record->expire_ms != 0) {
        segment_note_expiry(engine, place, record->expire_ms);
    }
    *slot = (*slot & ~INDEX_PAYLOAD_MASK) | payload_of(place, record->bytes);
    engine->compacted_bytes += record->bytes;
    segment_kill(engine, from, record->bytes);
    return true;
}

// One record that is not dead.
static void walk_record(struct walk *walk, struct record *record, uint64_t hash)
{
    struct memory_engine *const engine = walk->engine;
    const uint64_t place = record_place(engine, record);
    uint64_t *const slot =
        memory_find_place(engine, &engine->vnodes[record->vnode].table, hash, place);

    if (slot == NULL) {
        // Of a dropped table, or kept by a snapshot.
        CHECK(drop_kill(engine, hash, record) ||
              engine->segments[segment_number(engine, place)].kept != 0);
        return;
    }
    bool mistaken = planted(PLANTED_LOSE_MOVED) && record->bytes % 64 == 8;
    if (record_expired(engine, record) || mistaken) {
        memory_remove(engine, hash, slot, record, ENGINE_REMOVED_EXPIRED);
        engine->moves++;
        return;
    }
    switch (record_verdict(walk, record)) {
    case RECORD_MOVE:
        walk->stuck = !move_record(walk, slot, record);
        break;
    case RECORD_EVICT:
        memory_remove(engine, hash, slot, record, ENGINE_REMOVED_EVICTED);
        engine->moves++;
        break;
    case RECORD_LEAVE:
        segment_note_expiry(engine, place,
                            record->expire_ms != 0 ? record->expire_ms : EXPIRE_NEVER);
        break;
    }
}

// Whether the walk has to look at the record at all.
static bool walk_wants(const struct walk *walk, const struct record *record)
{
    if ((record->flags & RECORD_DEAD) != 0) {
        return false;
    }
    if (walk->mode != WALK_REAP && walk->mode != WALK_EVICT_TTL) {
        return true;
    }
    if (record->expire_ms == 0) {
        return false;
    }
    if (record->expire_ms > walk->engine->options.io->wall_ms &&
        record->expire_ms > walk->threshold_ms) {
        segment_note_expiry(walk->engine, record_place(walk->engine, record), record->expire_ms);
        return false;
    }
    return true;
}

uint64_t walk_on(struct walk *walk, uint64_t budget)
{
    struct memory_engine *const engine = walk->engine;
    struct sweep *const sweep = walk->sweep;
    const uint32_t number = sweep->segment - 1;
    const struct segment *const segment = &engine->segments[number];
    struct record records[WALK_BATCH];
    uint64_t hashes[WALK_BATCH];
    uint64_t looked = 0;

    while (sweep->segment == number + 1 && sweep->offset < segment->used && looked < budget &&
           !walk->stuck) {
        uint32_t count = 0;
        uint32_t offset = sweep->offset;

        while (count < WALK_BATCH && offset < segment->used && looked < budget) {
            struct record *const record = &records[count];

            record_read(engine->arena.base + segment_first(engine, number) + offset,
                        engine->vnode_bytes, record);
            offset += record->bytes;
            looked += record_cost(record->bytes);
            if (walk_wants(walk, record)) {
                hashes[count] = memory_hash(engine, record->key);
                __builtin_prefetch(index_line(&engine->index, &engine->vnodes[record->vnode].table,
                                              hashes[count]));
                count++;
            }
        }
        for (uint32_t i = 0; i < count && !walk->stuck; i++) {
            walk_record(walk, &records[i], hashes[i]);
            if (walk->stuck) {
                offset =
                    (uint32_t)(record_place(engine, &records[i]) - segment_first(engine, number));
            }
        }
        if (sweep->segment == number + 1) {
            sweep->offset = offset;
        }
    }
    return looked;
}
