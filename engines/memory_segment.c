#include "engines/memory.h"

// lists -----------------------------------------------------------------------------------------

static void age_link_before(struct memory_engine *engine, uint32_t number, uint32_t before)
{
    struct segment *const it = &engine->segments[number];

    it->age_next = before;
    it->age_previous =
        before != SEGMENT_NONE ? engine->segments[before - 1].age_previous : engine->age_last;
    if (it->age_previous != SEGMENT_NONE) {
        engine->segments[it->age_previous - 1].age_next = number + 1;
    } else {
        engine->age_first = number + 1;
    }
    if (before != SEGMENT_NONE) {
        engine->segments[before - 1].age_previous = number + 1;
    } else {
        engine->age_last = number + 1;
    }
}

static void age_unlink(struct memory_engine *engine, uint32_t number)
{
    const struct segment *const it = &engine->segments[number];

    if (it->age_previous != SEGMENT_NONE) {
        engine->segments[it->age_previous - 1].age_next = it->age_next;
    } else {
        engine->age_first = it->age_next;
    }
    if (it->age_next != SEGMENT_NONE) {
        engine->segments[it->age_next - 1].age_previous = it->age_previous;
    } else {
        engine->age_last = it->age_previous;
    }
}

// What moving the rest elsewhere would gain. Room at the end that was too short for the next record
// would be unused there too, so it does not count, unless the segment was sealed early.
static uint8_t dirt_class(const struct segment *segment)
{
    const uint32_t unused = SEGMENT_BYTES - segment->used;
    const uint32_t waste = segment->dead + (unused > SEGMENT_BYTES / 2 ? unused : 0);
    const uint32_t dirt = waste / (SEGMENT_BYTES / DIRT_CLASSES);

    return (uint8_t)(dirt < DIRT_CLASSES ? dirt : DIRT_CLASSES - 1);
}

static void dirt_link(struct memory_engine *engine, uint32_t number)
{
    struct segment *const it = &engine->segments[number];

    it->dirt = dirt_class(it);
    it->dirt_next = engine->dirt_first[it->dirt];
    it->dirt_previous = SEGMENT_NONE;
    if (it->dirt_next != SEGMENT_NONE) {
        engine->segments[it->dirt_next - 1].dirt_previous = number + 1;
    }
    engine->dirt_first[it->dirt] = number + 1;
}

static void dirt_unlink(struct memory_engine *engine, uint32_t number)
{
    const struct segment *const it = &engine->segments[number];

    if (it->dirt_previous != SEGMENT_NONE) {
        engine->segments[it->dirt_previous - 1].dirt_next = it->dirt_next;
    } else {
        CHECK(engine->dirt_first[it->dirt] == number + 1);
        engine->dirt_first[it->dirt] = it->dirt_next;
    }
    if (it->dirt_next != SEGMENT_NONE) {
        engine->segments[it->dirt_next - 1].dirt_previous = it->dirt_previous;
    }
}

static void expiring_link(struct memory_engine *engine, uint32_t number)
{
    struct segment *const it = &engine->segments[number];

    it->expiring_next = engine->expiring_first;
    it->expiring_previous = SEGMENT_NONE;
    if (it->expiring_next != SEGMENT_NONE) {
        engine->segments[it->expiring_next - 1].expiring_previous = number + 1;
    }
    engine->expiring_first = number + 1;
}

static void expiring_unlink(struct memory_engine *engine, uint32_t number)
{
    const struct segment *const it = &engine->segments[number];

    if (engine->expiring_look == number + 1) {
        engine->expiring_look = it->expiring_next;
    }
    if (it->expiring_previous != SEGMENT_NONE) {
        engine->segments[it->expiring_previous - 1].expiring_next = it->expiring_next;
    } else {
        CHECK(engine->expiring_first == number + 1);
        engine->expiring_first = it->expiring_next;
    }
    if (it->expiring_next != SEGMENT_NONE) {
        engine->segments[it->expiring_next - 1].expiring_previous = it->expiring_previous;
    }
}

void segment_set_expiry(struct memory_engine *engine, uint32_t number, uint64_t expire_ms_min)
{
    const uint64_t was = engine->segments[number].expire_ms_min;

    if (was == EXPIRE_NEVER && expire_ms_min != EXPIRE_NEVER) {
        expiring_link(engine, number);
    } else if (was != EXPIRE_NEVER && expire_ms_min == EXPIRE_NEVER) {
        expiring_unlink(engine, number);
    }
    engine->segments[number].expire_ms_min = expire_ms_min;
}

void segment_note_expiry(struct memory_engine *engine, uint64_t place, uint64_t expire_ms)
{
    const uint32_t number = segment_number(engine, place);

    if (expire_ms < engine->segments[number].expire_ms_min) {
        segment_set_expiry(engine, number, expire_ms);
    }
}

// segments --------------------------------------------------------------------------------------

uint64_t memory_index_bytes(const struct memory_engine *engine)
{
    return index_bytes(&engine->index) + engine->options.vnodes * sizeof engine->vnodes[0];
}

uint64_t memory_allocated(const struct memory_engine *engine)
{
    return memory_index_bytes(engine) + engine->blocks * SEGMENT_BYTES + engine->large_bytes;
}

void memory_bound_index(struct memory_engine *engine)
{
    const uint64_t max = engine->options.memory_max_bytes;
    const uint64_t others = memory_allocated(engine) - index_bytes(&engine->index);

    engine->index.bytes_max = max == 0 ? UINT64_MAX : max > others ? max - others : 0;
}

// One segment's worth is left for the index, which then hardly ever has to wait for room.
bool segment_allowed(const struct memory_engine *engine, uint64_t bytes, uint64_t reserve)
{
    return engine->options.memory_max_bytes == 0 ||
           memory_allocated(engine) + bytes + (reserve + 1) * SEGMENT_BYTES <=
               engine->options.memory_max_bytes;
}

void segment_free(struct memory_engine *engine, uint32_t number)
{
    struct segment *const it = &engine->segments[number];

    CHECK(it->kept == 0 && it->dead == it->used && it->state != SEGMENT_HEAD);
    if (number < engine->block_segments) {
        engine->used_bytes -= it->used;
        engine->dead_bytes -= it->dead;
    }
    engine->moves++;
    age_unlink(engine, number);
    if (it->state == SEGMENT_FULL) {
        dirt_unlink(engine, number);
    }
    if (engine->clean.segment == number + 1) {
        engine->clean.segment = SEGMENT_NONE;
    }
    if (engine->evict.segment == number + 1) {
        engine->evict.segment = SEGMENT_NONE;
    }
    if (engine->reap.segment == number + 1) {
        engine->reap = (struct sweep){.segment = it->age_next};
    }
    segment_set_expiry(engine, number, EXPIRE_NEVER);
    if (engine->moving_from == number + 1) {
        engine->moving_from = SEGMENT_NONE;
    }
    segment_give(engine, number);
}

void segment_give(struct memory_engine *engine, uint32_t number)
{
    const uint64_t place = segment_place(engine, number);
    struct segment *const it = &engine->segments[number];

    if (number < engine->block_segments) {
        engine->blocks--;
        arena_block_free(&engine->pool, place);
    } else {
        engine->large_bytes -= arena_extent_bytes(it->lead + it->used);
        arena_extent_free(&engine->arena, place, it->lead + it->used);
    }
    *it = (struct segment){0};
    memory_bound_index(engine);
}

// Ends what is appended to a head; its segment is freed if nothing in it is needed.
void segment_seal(struct memory_engine *engine, struct head *head)
{
    if (head->segment == SEGMENT_NONE) {
        return;
    }
    const uint32_t number = head->segment - 1;
    struct segment *const it = &engine->segments[number];

    CHECK(it->state == SEGMENT_HEAD);
    head->segment = SEGMENT_NONE;
    it->state = SEGMENT_FULL;
    dirt_link(engine, number);
    if (it->dead == it->used && it->kept == 0) {
        segment_free(engine, number);
    }
}

static bool head_open(struct memory_engine *engine, struct head *head, uint64_t reserve)
{
    if (!segment_allowed(engine, SEGMENT_BYTES, reserve)) {
        return false;
    }
    const uint64_t place = arena_block_take(&engine->pool);

    if (place == ARENA_NONE) {
        return false;
    }
    const uint32_t number = segment_number(engine, place);
    const bool fresh = head == &engine->fresh;

    engine->blocks++;
    engine->begun_bytes += SEGMENT_BYTES;
    memory_bound_index(engine);
    engine->segments[number] = (struct segment){
        .state = SEGMENT_HEAD,
        .order = fresh ? ++engine->order : head->order,
        .expire_ms_min = EXPIRE_NEVER,
        .reap_tick = reap_tick(engine->options.io->wall_ms),
        .birth = (uint32_t)engine->order,
    };
    // What the cleaner moves is as old as where it comes from.
    age_link_before(engine, number, fresh ? SEGMENT_NONE : engine->moving_from);
    head->segment = number + 1;
    return true;
}

uint64_t segment_append(struct memory_engine *engine, struct head *head, uint64_t bytes)
{
    CHECK(bytes <= LARGE_RECORD_BYTES);
    if (head->segment == SEGMENT_NONE ||
        SEGMENT_BYTES - engine->segments[head->segment - 1].used < bytes) {
        const uint64_t reserve = head == &engine->fresh ? SEGMENT_RESERVE : 0;
        struct head next = {.order = head->order};

        // The full one stays the head until there is another, so that nothing changes in vain.
        if (!segment_allowed(engine, SEGMENT_BYTES, reserve)) {
            return PLACE_NONE;
        }
        segment_seal(engine, head);
        *head = next;
        if (!head_open(engine, head, reserve)) {
            return PLACE_NONE;
        }
    }
    struct segment *const it = &engine->segments[head->segment - 1];
    const uint64_t place = segment_place(engine, head->segment - 1) + it->used;

    it->used += (uint32_t)bytes;
    engine->used_bytes += bytes;
    return place;
}

uint64_t segment_stage_large(struct memory_engine *engine, uint64_t bytes)
{
    if (!segment_allowed(engine, large_bytes(bytes), SEGMENT_RESERVE)) {
        return PLACE_NONE;
    }
    const uint64_t place = arena_extent_take(&engine->arena, LARGE_LEAD_BYTES + bytes);

    if (place == ARENA_NONE) {
        return PLACE_NONE;
    }
    const uint32_t number = segment_number(engine, place);

    engine->large_bytes += large_bytes(bytes);
    memory_bound_index(engine);
    engine->segments[number] = (struct segment){
        .state = SEGMENT_STAGED,
        .expire_ms_min = EXPIRE_NEVER,
        .used = (uint32_t)bytes,
        .lead = LARGE_LEAD_BYTES,
    };
    return place + LARGE_LEAD_BYTES;
}

void segment_publish_large(struct memory_engine *engine, uint64_t place)
{
    const uint32_t number = segment_number(engine, place);
    struct segment *const it = &engine->segments[number];

    CHECK(it->state == SEGMENT_STAGED);
    it->state = SEGMENT_LARGE;
    it->order = ++engine->order;
    it->birth = (uint32_t)engine->order;
    it->reap_tick = reap_tick(engine->options.io->wall_ms);
    age_link_before(engine, number, SEGMENT_NONE);
}

uint64_t segment_append_large(struct memory_engine *engine, uint64_t bytes)
{
    const uint64_t place = segment_stage_large(engine, bytes);

    if (place != PLACE_NONE) {
        segment_publish_large(engine, place);
    }
    return place;
}

void segment_move_large(struct memory_engine *engine, uint64_t from, uint64_t to)
{
    const uint32_t number = segment_number(engine, from);
    struct segment *const it = &engine->segments[number];

    CHECK(it->state == SEGMENT_LARGE && from == segment_first(engine, number));
    CHECK(to >= segment_place(engine, number) && to < from + it->used && it->dead == 0);
    it->used = (uint32_t)(from + it->used - to);
    it->lead = (uint16_t)(to - segment_place(engine, number));
    engine->moves++;
}

void segment_unappend(struct memory_engine *engine, uint64_t place, uint64_t bytes)
{
    const uint32_t number = segment_number(engine, place);
    struct segment *const it = &engine->segments[number];

    if (it->state == SEGMENT_LARGE) {
        it->dead = it->used;
        segment_free(engine, number);
        return;
    }
    CHECK(it->state == SEGMENT_HEAD && place + bytes == segment_first(engine, number) + it->used);
    it->used -= (uint32_t)bytes;
    engine->used_bytes -= bytes;
}

void segment_kill(struct memory_engine *engine, uint64_t place, uint32_t bytes)
{
    const uint32_t number = segment_number(engine, place);
    struct segment *const it = &engine->segments[number];
    uint8_t *const at = engine->arena.base + place;

    CHECK((*at & RECORD_DEAD) == 0 && it->dead + bytes <= it->used);
    *at |= RECORD_DEAD;
    it->dead += bytes;
    if (number < engine->block_segments) {
        engine->dead_bytes += bytes;
    }
    if (it->state == SEGMENT_HEAD) {
        return;
    }
    if (it->dead == it->used && it->kept == 0) {
        segment_free(engine, number);
    } else if (it->state == SEGMENT_FULL && dirt_class(it) != it->dirt) {
        dirt_unlink(engine, number);
        dirt_link(engine, number);
    }
}

void segment_renew(struct memory_engine *engine, uint32_t number)
{
    age_unlink(engine, number);
    age_link_before(engine, number, SEGMENT_NONE);
}
