// Put and remove: where the new record goes, and what becomes of the one that it replaces.
//
//  - In place, where it takes as much room.
//  - Before the tail: a long object whose beginning changes (an expiry, mostly) gets another head
//    in front of what stays, in the lead of its extent.
//  - Instead: a large record that nobody else needs is given up before its successor is written, so
//    that both never have to have room.
//  - Else appended, and the old one is dead then.
#include "engines/memory.h"

#include "core/planted.h"

static void count_record(struct memory_engine *engine, struct memory_vnode *vnode, uint32_t flags,
                         uint64_t change)
{
    engine->records += change;
    if ((flags & RECORD_TOMBSTONE) != 0) {
        engine->tombstones += change;
        vnode->tombstones += change;
    }
    if ((flags & RECORD_EXPIRES) != 0) {
        engine->with_expiry += change;
        vnode->with_expiry += change;
    }
}

static void tell_removed(struct memory_engine *engine, const struct record *record,
                         enum engine_removal why)
{
    if (why == ENGINE_REMOVED_EXPIRED) {
        engine->expired++;
    } else {
        engine->evicted++;
    }
    if (engine->options.removed != NULL) {
        engine->options.removed(engine->options.removed_context, record->vnode, record->key, why);
    }
}

// No entry leads to the record any more.
static void release_record(struct memory_engine *engine, uint64_t hash, const struct record *record)
{
    struct memory_vnode *const vnode = &engine->vnodes[record->vnode];

    count_record(engine, vnode, record->flags, UINT64_MAX);
    engine->live_bytes -= record->bytes;
    vnode->live_bytes -= record->bytes;
    if (vnode->snapshots == 0 || !snapshot_keep(engine, hash, record)) {
        segment_kill(engine, record_place(engine, record), record->bytes);
    }
}

void memory_remove(struct memory_engine *engine, uint64_t hash, uint64_t *slot,
                   const struct record *record, enum engine_removal why)
{
    if (why != ENGINE_REMOVED_EVICTED || !planted(PLANTED_EVICT_UNCOUNTED)) {
        tell_removed(engine, record, why);
    }
    index_remove(&engine->index, &engine->vnodes[record->vnode].table, hash, slot);
    release_record(engine, hash, record);
}

// put -------------------------------------------------------------------------------------------

// A put under way.
struct put {
    struct memory_engine *engine;
    struct memory_vnode *vnode;
    struct engine_op *op;
    uint64_t *slot;    // of the key, NULL when it is not there
    struct record old; // what it leads to
    uint64_t moves;    // of the engine when slot and old were found
    uint64_t bytes;    // of the new record
};

static void put_find(struct put *put)
{
    struct engine_op *const op = put->op;

    put->slot = memory_find(put->engine, op->vnode, op->hash, op->key, &put->old);
    put->moves = put->engine->moves;
}

static bool put_misses_tail(const struct put *put)
{
    return put->op->tail_bytes != 0 &&
           (put->slot == NULL || put->old.object.size < put->op->tail_bytes);
}

static struct record_new put_record(const struct put *put)
{
    const struct engine_op *const op = put->op;
    struct record_new it = {
        .vnode = op->vnode,
        .flags = (op->flags & ENGINE_TOMBSTONE) != 0 ? RECORD_TOMBSTONE : 0,
        .expire_ms = op->expire_ms,
        .key = op->key,
        .parts = {op->parts[0], op->parts[1]},
    };

    if (put->slot != NULL) {
        const struct slice object = put->old.object;

        it.flags |= put->old.flags & RECORD_RECENCY_MASK;
        it.tail = slice_of(object.bytes + (object.size - op->tail_bytes), op->tail_bytes);
    }
    return it;
}

static void put_write(struct put *put, uint64_t place, const struct record_new *it)
{
    struct memory_engine *const engine = put->engine;
    uint8_t *const at = engine->arena.base + place;

    record_write(at, engine->vnode_bytes, it);
    count_record(engine, put->vnode, *at, 1);
    engine->live_bytes += put->bytes;
    put->vnode->live_bytes += put->bytes;
    if (it->expire_ms != 0) {
        segment_note_expiry(engine, place, it->expire_ms);
    }
}

static void put_slot(const struct put *put, uint64_t place)
{
    *put->slot = index_entry(index_fingerprint(&put->engine->index, put->op->hash),
                             payload_of(place, put->bytes));
}

// Where the old record begins: over it, so nothing of it is counted any more.
static void put_over(struct put *put, uint64_t place, const struct record_new *it)
{
    struct memory_engine *const engine = put->engine;

    count_record(engine, put->vnode, put->old.flags, UINT64_MAX);
    engine->live_bytes -= put->old.bytes;
    put->vnode->live_bytes -= put->old.bytes;
    put_write(put, place, it);
}

// The tail stays, and a new head comes before it. False when it would not fit.
static bool put_before_tail(struct put *put)
{
    struct memory_engine *const engine = put->engine;
    struct record_new it = put_record(put);
    const uint64_t from = record_place(engine, &put->old);
    const uint64_t tail = (uint64_t)(it.tail.bytes - engine->arena.base);
    const uint64_t head_bytes = record_new_head_bytes(&it, engine->vnode_bytes);
    const uint64_t first = segment_place(engine, segment_number(engine, from));

    if (it.tail.size == 0 || put->old.bytes <= LARGE_RECORD_BYTES ||
        record_new_object_bytes(&it) <= UINT16_MAX || tail < first + head_bytes) {
        return false;
    }
    it.pad = (uint32_t)((tail - head_bytes) % RECORD_ALIGN);

    const uint64_t to = tail - head_bytes - it.pad;

    if (to != from) {
        segment_move_large(engine, from, to);
    }
    put->bytes = record_round(it.pad + head_bytes + it.tail.size);
    put_over(put, to, &it);
    put_slot(put, to);
    return true;
}

// What was there goes first. Only where the new one is certain to have room then.
static bool put_instead(struct put *put)
{
    struct memory_engine *const engine = put->engine;
    const struct record_new it = put_record(put);

    if (put->old.bytes <= LARGE_RECORD_BYTES || put->op->tail_bytes != 0 ||
        !memory_fits_instead(engine, put->bytes, &put->old, put->op->flags)) {
        return false;
    }
    release_record(engine, put->op->hash, &put->old);

    const uint64_t place = put->bytes > LARGE_RECORD_BYTES
                               ? segment_append_large(engine, put->bytes)
                               : segment_append(engine, &engine->fresh, put->bytes);

    CHECK(place != PLACE_NONE);
    put_write(put, place, &it);
    put_slot(put, place);
    return true;
}

// Room for a record of its own, and for its entry.
static uint64_t put_room(struct put *put)
{
    struct memory_engine *const engine = put->engine;

    for (;;) {
        const uint64_t place = memory_make_room(
            engine, put->bytes, put->slot != NULL ? put->old.bytes : 0, put->op->flags);

        if (place == PLACE_NONE) {
            return PLACE_NONE;
        }
        if (engine->moves != put->moves) {
            put_find(put);
        }
        if (!put_misses_tail(put) &&
            (put->slot != NULL || index_insert(&engine->index, &put->vnode->table, put->op->hash,
                                               payload_of(place, put->bytes)))) {
            return place;
        }
        segment_unappend(engine, place, put->bytes);
        if (put_misses_tail(put) || !memory_make_index_room(engine)) {
            return PLACE_NONE;
        }
        put_find(put);
    }
}

static enum engine_status put_appended(struct put *put)
{
    const uint64_t place = put_room(put);

    if (place == PLACE_NONE) {
        return put_misses_tail(put) ? ENGINE_MISS : ENGINE_FULL;
    }
    const struct record_new it = put_record(put);

    put_write(put, place, &it);
    if (put->slot != NULL) {
        put_slot(put, place);
        release_record(put->engine, put->op->hash, &put->old);
    }
    return ENGINE_OK;
}

static enum engine_status put_one(struct memory_engine *engine, struct engine_op *op)
{
    const uint64_t object_bytes = op->parts[0].size + op->parts[1].size + op->tail_bytes;
    struct put put = {.engine = engine, .vnode = &engine->vnodes[op->vnode], .op = op};

    if (op->key.size > RECORD_KEY_MAX || op->key.size + object_bytes > engine->record_max_bytes) {
        return ENGINE_TOO_LARGE;
    }
    put.bytes = record_bytes(op->key.size, object_bytes, op->expire_ms, engine->vnode_bytes);
    put_find(&put);
    if (put.slot != NULL && record_expired(engine, &put.old)) {
        memory_remove(engine, op->hash, put.slot, &put.old, ENGINE_REMOVED_EXPIRED);
        put.slot = NULL;
    }
    if (put_misses_tail(&put)) {
        return ENGINE_MISS;
    }
    if (put.slot == NULL ||
        (put.vnode->snapshots != 0 && snapshot_sees(engine, op->hash, &put.old))) {
        return put_appended(&put);
    }
    if (put_before_tail(&put)) {
        return ENGINE_OK;
    }
    if (put.bytes == put.old.bytes) {
        const struct record_new it = put_record(&put);

        put_over(&put, record_place(engine, &put.old), &it);
        return ENGINE_OK;
    }
    return put_instead(&put) ? ENGINE_OK : put_appended(&put);
}

// The index leads to it, or has no room for one more key.
static bool put_staged_slot(struct put *put, uint64_t place)
{
    struct memory_engine *const engine = put->engine;

    while (put->slot == NULL && !index_insert(&engine->index, &put->vnode->table, put->op->hash,
                                              payload_of(place, put->bytes))) {
        if (!memory_make_index_room(engine)) {
            return false;
        }
        put_find(put);
    }
    return true;
}

enum engine_status memory_put_staged(struct memory_engine *engine, struct engine_op *op)
{
    struct engine_stage *const stage = op->stage;
    struct put put = {.engine = engine,
                      .vnode = &engine->vnodes[op->vnode],
                      .op = op,
                      .bytes = stage->memory_bytes};

    CHECK(stage->object != NULL && op->tail_bytes == 0);
    put_find(&put);
    if (put.slot != NULL && record_expired(engine, &put.old)) {
        memory_remove(engine, op->hash, put.slot, &put.old, ENGINE_REMOVED_EXPIRED);
        put.slot = NULL;
    }
    if (!put_staged_slot(&put, stage->place)) {
        return ENGINE_FULL;
    }
    struct record_new it = put_record(&put);

    it.parts[0] = it.parts[1] = slice_of(NULL, 0);
    it.tail = slice_of(stage->object, stage->bytes);
    CHECK(engine->arena.base + stage->place + record_new_head_bytes(&it, engine->vnode_bytes) ==
          stage->object);
    segment_publish_large(engine, stage->place);
    put_write(&put, stage->place, &it);
    if (put.slot != NULL) {
        put_slot(&put, stage->place);
        release_record(engine, op->hash, &put.old);
    }
    stage->object = NULL;
    return ENGINE_OK;
}

void memory_put(struct engine *base, struct engine_op *const *ops, size_t count)
{
    struct memory_engine *const engine = (struct memory_engine *)base;

    memory_pace(engine); // before, so that it does not evict what was just put
    for (size_t i = 0; i < count; i++) {
        if (i % MEMORY_BATCH == 0 && count > 1) {
            memory_prepare(base, ops + i, count - i < MEMORY_BATCH ? count - i : MEMORY_BATCH);
        }
        CHECK(ops[i]->vnode < engine->options.vnodes);
        ops[i]->status = (ops[i]->flags & ENGINE_STAGED) != 0 ? memory_put_staged(engine, ops[i])
                                                              : put_one(engine, ops[i]);
        if (ops[i]->status == ENGINE_FULL) {
            engine->refused++;
        }
    }
}

// remove ----------------------------------------------------------------------------------------

static enum engine_status remove_one(struct memory_engine *engine, struct engine_op *op)
{
    struct record old;
    uint64_t *const slot = memory_find(engine, op->vnode, op->hash, op->key, &old);

    if (slot == NULL) {
        return ENGINE_MISS;
    }
    if (record_expired(engine, &old)) {
        memory_remove(engine, op->hash, slot, &old, ENGINE_REMOVED_EXPIRED);
        return ENGINE_MISS;
    }
    index_remove(&engine->index, &engine->vnodes[op->vnode].table, op->hash, slot);
    release_record(engine, op->hash, &old);
    return ENGINE_OK;
}

void memory_remove_batch(struct engine *base, struct engine_op *const *ops, size_t count)
{
    struct memory_engine *const engine = (struct memory_engine *)base;

    for (size_t i = 0; i < count; i++) {
        if (i % MEMORY_BATCH == 0 && count > 1) {
            memory_prepare(base, ops + i, count - i < MEMORY_BATCH ? count - i : MEMORY_BATCH);
        }
        ops[i]->status = remove_one(engine, ops[i]);
    }
}
