// Large records that are put together over several turns. Such a record lies in its extent from the
// start, as SEGMENT_STAGED: it counts as allocated, and no entry, list or snapshot knows of it. Its
// key and header are written by the put, which makes it a large segment like any other, the newest.
#include "engines/memory.h"

enum { GIVE_BACK_BYTES = 256 << 10 }; // of freed extents, in a call: some 15 us

// Whether a put would give up first what it replaces, so that nothing has to be freed for it, and
// room for both would have to be made.
static bool is_put_instead(struct memory_engine *engine, const struct engine_op *op, uint64_t bytes)
{
    struct record old;

    return !segment_allowed(engine, large_bytes(bytes), SEGMENT_RESERVE) &&
           memory_find(engine, op->vnode, op->hash, op->key, &old) != NULL &&
           old.bytes > LARGE_RECORD_BYTES && memory_fits_instead(engine, bytes, &old, op->flags);
}

enum engine_status memory_stage_open(struct engine *base, const struct engine_op *op,
                                     struct engine_stage *stage)
{
    struct memory_engine *const engine = (struct memory_engine *)base;
    const uint64_t bytes =
        record_bytes(op->key.size, stage->bytes, op->expire_ms, engine->vnode_bytes);
    uint64_t place;

    if (stage->bytes <= UINT16_MAX || op->key.size + stage->bytes > engine->record_max_bytes ||
        op->key.size > RECORD_KEY_MAX || is_put_instead(engine, op, bytes)) {
        return ENGINE_FULL;
    }
    if (!arena_extent_ready(&engine->arena, LARGE_LEAD_BYTES + bytes, GIVE_BACK_BYTES) ||
        !memory_stage_room(engine, bytes, op->flags, &stage->looked, &place)) {
        return ENGINE_PENDING;
    }
    if (place == PLACE_NONE) {
        return ENGINE_FULL;
    }
    const uint32_t flags = record_flags(op->key.size, stage->bytes, op->expire_ms);

    stage->place = place;
    stage->memory_bytes = bytes;
    stage->object =
        engine->arena.base + place + record_header_bytes(flags, engine->vnode_bytes) + op->key.size;
    return ENGINE_OK;
}

void memory_stage_close(struct engine *base, struct engine_stage *stage)
{
    struct memory_engine *const engine = (struct memory_engine *)base;

    if (stage->object != NULL) {
        segment_give(engine, segment_number(engine, stage->place));
        stage->object = NULL;
    }
}

// What a get finds may move, or be evicted, in the next turn: it is looked up anew.
bool memory_pin(struct engine *base, const struct engine_op *op, uint64_t *ret_pin)
{
    (void)base;
    (void)op;
    (void)ret_pin;
    return false;
}

void memory_unpin(struct engine *base, uint64_t pin)
{
    (void)base;
    (void)pin;
}
