// Room for what is put: the limit, and eviction.
//
// Eviction is the cleaner's walk with another choice: it empties a segment by evicting records, and
// moves (lru) or leaves (ttl) those that it spares.
//
//  - lru: the oldest segment; a record read since the last visit is moved instead, and its count of
//    reads goes down: the second chance of CLOCK (Corbato, 1968), with two bits.
//  - random: the segment of a record picked at random.
//  - ttl: of some dozens of segments, that in which something expires first; what expires in the
//    first eighth of the time that the segment spans goes.
//
// What is not dead is kept below 15/16 of the memory for segments (with ENGINE_SPARED 31/32), so
// that the cleaner always gains, and some segments are for it alone. So a load that only overwrites
// goes on for ever at the limit.
#include "core/check.h"
#include "engines/memory_walk.h"

enum {
    FORCED_CLEAN_BYTES = 512 << 10, // cleaned by one put if pacing was not enough
    EVICT_TRIES = 16,               // segments looked at by lru and random
    EVICT_SLICE_BYTES = 16 << 10,
    EVICT_LOOK_BYTES = 128 << 10, // a put looks at so much before it evicts without choice
    TTL_LOOK = 64,                // segments looked at by ttl; if nothing in them expires,
    TTL_LOOK_MAX = 4096,          // up to so many
    RECORD_COST_BYTES = 128,      // a record dropped or let go of, as part of a slice
};

// Whether so many bytes more would still leave the cleaner something to gain.
static bool live_fits(const struct memory_engine *engine, uint64_t bytes, uint64_t replaced,
                      uint32_t flags)
{
    const uint64_t max = engine->options.memory_max_bytes;
    uint64_t fixed = memory_index_bytes(engine) + engine->large_bytes +
                     (SEGMENT_RESERVE + 2) * (uint64_t)SEGMENT_BYTES;
    const bool spared = (flags & ENGINE_SPARED) != 0;
    uint64_t small = engine->used_bytes - engine->dead_bytes;

    if (max == 0) {
        return true;
    }
    if ((flags & ENGINE_RESERVED) == 0 && engine->options.eviction == EVICTION_REFUSE) {
        small += engine->reserved_bytes;
    }
    if (bytes > LARGE_RECORD_BYTES) {
        fixed += arena_extent_bytes(bytes);
    } else if (bytes <= replaced) {
        return true;
    } else {
        small += bytes - replaced;
    }
    return max > fixed && small <= (max - fixed) / 32 * (spared ? 31 : 30);
}

static bool evictable(const struct memory_engine *engine, uint32_t number)
{
    const struct segment *const segment = &engine->segments[number];

    return segment->state != SEGMENT_HEAD && segment->kept == 0 && segment->dead < segment->used;
}

static uint32_t evict_choose_oldest(const struct memory_engine *engine)
{
    uint32_t number = engine->age_first;

    for (uint32_t i = 0; i < EVICT_TRIES && number != SEGMENT_NONE; i++) {
        if (evictable(engine, number - 1)) {
            return number;
        }
        number = engine->segments[number - 1].age_next;
    }
    return SEGMENT_NONE;
}

// The segment of a record picked at random.
static uint32_t evict_choose_random(struct memory_engine *engine)
{
    struct engine_record record;

    for (uint32_t i = 0; i < EVICT_TRIES; i++) {
        if (memory_sample(&engine->engine, random_u64(&engine->random), &record)) {
            const uint64_t place = (uint64_t)(record.key.bytes - engine->arena.base);
            const uint32_t number = segment_number(engine, place);

            if (evictable(engine, number)) {
                return number + 1;
            }
        }
    }
    return SEGMENT_NONE;
}

// Of the next segments by age, round and round, the one in which something expires first.
static uint32_t evict_choose_ttl(struct memory_engine *engine)
{
    uint64_t soonest = EXPIRE_NEVER;
    uint32_t chosen = SEGMENT_NONE;

    if (engine->with_expiry == 0) {
        return SEGMENT_NONE;
    }
    for (uint32_t i = 0; i < TTL_LOOK_MAX && (i < TTL_LOOK || chosen == SEGMENT_NONE); i++) {
        if (engine->ttl.segment == SEGMENT_NONE) {
            engine->ttl.segment = engine->age_first;
        }
        if (engine->ttl.segment == SEGMENT_NONE) {
            break;
        }
        const uint32_t number = engine->ttl.segment;
        const struct segment *const segment = &engine->segments[number - 1];

        if (segment->expire_ms_min < soonest && evictable(engine, number - 1)) {
            soonest = segment->expire_ms_min;
            chosen = number;
        }
        engine->ttl.segment = segment->age_next;
    }
    return chosen;
}

static uint32_t evict_choose(struct memory_engine *engine)
{
    switch (engine->options.eviction) {
    case EVICTION_LRU:
        return evict_choose_oldest(engine);
    case EVICTION_RANDOM:
        return evict_choose_random(engine);
    case EVICTION_TTL:
        return evict_choose_ttl(engine);
    case EVICTION_REFUSE:
        break;
    }
    return SEGMENT_NONE;
}

static void seal_heads(struct memory_engine *engine)
{
    segment_seal(engine, &engine->fresh);
    for (uint32_t i = 0; i < COLD_HEADS; i++) {
        segment_seal(engine, &engine->cold[i]);
        segment_seal(engine, &engine->spared[i]);
    }
}

// The end of the first eighth of the time in which what is in the segment expires.
static uint64_t ttl_threshold(const struct memory_engine *engine, uint32_t number)
{
    const struct segment *const segment = &engine->segments[number];
    uint64_t first = EXPIRE_NEVER;
    uint64_t last = 0;
    struct record record;

    for (uint32_t offset = 0; offset < segment->used; offset += record.bytes) {
        record_read(engine->arena.base + segment_place(engine, number) + offset,
                    engine->vnode_bytes, &record);
        if ((record.flags & RECORD_DEAD) == 0 && record.expire_ms != 0) {
            first = record.expire_ms < first ? record.expire_ms : first;
            last = record.expire_ms > last ? record.expire_ms : last;
        }
    }
    return first < last ? first + (last - first) / 8 : first;
}

static bool evict_begin(struct memory_engine *engine)
{
    struct segment *segment;

    engine->evict.segment = evict_choose(engine);
    if (engine->evict.segment == SEGMENT_NONE && engine->options.eviction != EVICTION_REFUSE) {
        seal_heads(engine); // what there is may all be there
        engine->evict.segment = evict_choose(engine);
    }
    if (engine->evict.segment == SEGMENT_NONE) {
        return false;
    }
    engine->evict.offset = 0;
    if (engine->options.eviction == EVICTION_TTL) {
        engine->ttl_threshold_ms = ttl_threshold(engine, engine->evict.segment - 1);
        segment = &engine->segments[engine->evict.segment - 1];
        segment->expire_ms_min = EXPIRE_NEVER; // what stays is noted again
    }
    return true;
}

static enum walk_mode evict_mode(const struct memory_engine *engine, bool choosy)
{
    switch (engine->options.eviction) {
    case EVICTION_TTL:
        return WALK_EVICT_TTL;
    case EVICTION_LRU:
        return choosy ? WALK_EVICT_LRU : WALK_EVICT_ALL;
    case EVICTION_RANDOM:
    case EVICTION_REFUSE:
        break;
    }
    return WALK_EVICT_ALL;
}

// Evicts from about `budget` bytes; returns how many it looked at, 0 when nothing may be evicted.
static uint64_t evict_some(struct memory_engine *engine, uint64_t budget, bool choosy)
{
    if (engine->evict.segment != SEGMENT_NONE && !evictable(engine, engine->evict.segment - 1)) {
        engine->segments[engine->evict.segment - 1].expire_ms_min = 0; // was not noted to its end
        engine->evict.segment = SEGMENT_NONE;
    }
    if (engine->evict.segment == SEGMENT_NONE && !evict_begin(engine)) {
        return 0;
    }
    const uint32_t number = engine->evict.segment;
    struct walk walk = {
        .engine = engine,
        .sweep = &engine->evict,
        .mode = evict_mode(engine, choosy),
        .threshold_ms = engine->ttl_threshold_ms,
    };
    uint64_t looked = walk_on(&walk, budget);

    if (walk.stuck) {
        // Nowhere to move what was spared: it goes too.
        walk.stuck = false;
        walk.mode = WALK_EVICT_ALL;
        looked += walk_on(&walk, budget);
    }
    if (engine->evict.segment == number &&
        engine->evict.offset >= engine->segments[number - 1].used) {
        engine->evict.segment = SEGMENT_NONE;
    }
    return looked + 1;
}

// Evicts until the record fits. False when it cannot be made to.
static bool evict_until_fits(struct memory_engine *engine, uint64_t bytes, uint64_t replaced,
                             uint32_t flags)
{
    uint64_t looked = 0;

    while (!live_fits(engine, bytes, replaced, flags)) {
        if (engine->dropped != NULL || engine->condemned != SEGMENT_NONE) {
            (void)drop_step(engine, EVICT_SLICE_BYTES / RECORD_COST_BYTES);
            looked += EVICT_SLICE_BYTES;
        } else if (engine->kept_bytes > engine->options.memory_max_bytes / 8) {
            snapshot_break_all(engine);
            (void)snapshot_step(engine, EVICT_SLICE_BYTES / RECORD_COST_BYTES);
            looked += EVICT_SLICE_BYTES;
        } else {
            const uint64_t part =
                evict_some(engine, EVICT_SLICE_BYTES, looked < EVICT_LOOK_BYTES + 2 * bytes);

            if (part == 0) {
                return false;
            }
            looked += part;
        }
        if (looked > EVICT_LOOK_BYTES * 4 + 4 * bytes) {
            return live_fits(engine, bytes, replaced, flags);
        }
    }
    return true;
}

// Of a record beside its key and object (its header, an expiry), and of the index.
enum { RECORD_OVERHEAD_BYTES = 48 };

bool memory_reserve(struct engine *base, uint64_t bytes, uint64_t records)
{
    struct memory_engine *const engine = (struct memory_engine *)base;
    const uint64_t all = bytes + records * RECORD_OVERHEAD_BYTES;

    // As if all of it were there already, would one more record of no size fit?
    engine->reserved_bytes += all;
    if (engine->options.eviction == EVICTION_REFUSE && !live_fits(engine, 1, 0, 0)) {
        engine->reserved_bytes -= all;
        return false;
    }
    return true;
}

void memory_unreserve(struct engine *base, uint64_t bytes, uint64_t records)
{
    struct memory_engine *const engine = (struct memory_engine *)base;
    const uint64_t all = bytes + records * RECORD_OVERHEAD_BYTES;

    CHECK(engine->reserved_bytes >= all);
    engine->reserved_bytes -= all;
}

// Frees some memory; returns the bytes looked at, 0 when there is nothing to gain.
static uint64_t free_some(struct memory_engine *engine, bool may_evict)
{
    const uint64_t slice = EVICT_SLICE_BYTES;

    if (engine->dropped != NULL || engine->condemned != SEGMENT_NONE) {
        (void)drop_step(engine, (uint32_t)slice / RECORD_COST_BYTES);
        return slice;
    }
    if (engine->snapshots_ending != 0) {
        (void)snapshot_step(engine, (uint32_t)slice / RECORD_COST_BYTES);
        return slice;
    }
    if (memory_clean(engine, slice)) {
        return slice;
    }
    if (engine->kept_bytes != 0) {
        snapshot_break_all(engine);
        return slice;
    }
    return may_evict ? evict_some(engine, slice, false) : 0;
}

uint64_t memory_make_room(struct memory_engine *engine, uint64_t bytes, uint64_t replaced,
                          uint32_t flags)
{
    const bool large = bytes > LARGE_RECORD_BYTES;
    const bool may_evict = engine->options.eviction != EVICTION_REFUSE;

    engine->appended_bytes += large ? 0 : bytes;
    if (engine->options.memory_max_bytes != 0 && !live_fits(engine, bytes, replaced, flags) &&
        !evict_until_fits(engine, bytes, replaced, flags)) {
        return PLACE_NONE;
    }
    for (uint64_t looked = 0;;) {
        const uint64_t place = large ? segment_append_large(engine, bytes)
                                     : segment_append(engine, &engine->fresh, bytes);

        if (place != PLACE_NONE || looked > FORCED_CLEAN_BYTES + 8 * bytes) {
            return place;
        }
        const uint64_t part = free_some(engine, may_evict);

        if (part == 0) {
            return PLACE_NONE;
        }
        looked += part;
    }
}
