// Eviction: the cleaner's walk with another choice. It empties a segment by evicting records, and
// moves (lru) or leaves (ttl) those that it spares.
//
//  - lru: the oldest segment; a record read since the last visit is moved instead, and its count of
//    reads goes down: the second chance of CLOCK (Corbato, 1968), with two bits.
//  - random: the segment of a record picked at random.
//  - ttl: of some dozens of the segments with an expiry, that in which something expires first;
//    what expires in the first eighth of the time that the segment spans goes.
//
// As long as something may be evicted, some of it is found: heads are sealed and snapshots given up
// for that, when nothing else is left. Each call evicts, or counts down what will be evicted.
#include "engines/memory_walk.h"

enum {
    OLDEST_LOOK = 512, // segments looked at by lru: of those that it passes something is kept
    RANDOM_TRIES = 16,
    TTL_LOOK = 64,         // segments looked at by ttl
    CHOICE_COST = 8 << 10, // of choosing a segment
};

static bool evictable(const struct memory_engine *engine, uint32_t number)
{
    const struct segment *const segment = &engine->segments[number];

    return segment->state != SEGMENT_HEAD && segment->kept == 0 && segment->dead < segment->used;
}

static uint32_t choose_oldest(const struct memory_engine *engine)
{
    uint32_t number = engine->age_first;

    for (uint32_t i = 0; i < OLDEST_LOOK && number != SEGMENT_NONE; i++) {
        if (evictable(engine, number - 1)) {
            return number;
        }
        number = engine->segments[number - 1].age_next;
    }
    return SEGMENT_NONE;
}

// The segment of a record picked at random.
static uint32_t choose_random(struct memory_engine *engine)
{
    struct engine_record record;

    for (uint32_t i = 0; i < RANDOM_TRIES; i++) {
        if (memory_pick(engine, random_u64(&engine->random), &record)) {
            const uint64_t place = (uint64_t)(record.key.bytes - engine->arena.base);
            const uint32_t number = segment_number(engine, place);

            if (evictable(engine, number)) {
                return number + 1;
            }
        }
    }
    return choose_oldest(engine);
}

// Of the next segments with an expiry, round and round, that in which something expires first.
static uint32_t choose_soonest(struct memory_engine *engine)
{
    uint64_t soonest = EXPIRE_NEVER;
    uint32_t chosen = SEGMENT_NONE;
    uint32_t first = SEGMENT_NONE;

    for (uint32_t i = 0; i < TTL_LOOK || chosen == SEGMENT_NONE; i++) {
        if (engine->expiring_look == SEGMENT_NONE) {
            engine->expiring_look = engine->expiring_first;
        }
        const uint32_t number = engine->expiring_look;

        if (number == SEGMENT_NONE || number == first) {
            break; // there is none, or all were looked at
        }
        first = first == SEGMENT_NONE ? number : first;

        const struct segment *const segment = &engine->segments[number - 1];

        if (segment->expire_ms_min < soonest && evictable(engine, number - 1)) {
            soonest = segment->expire_ms_min;
            chosen = number;
        }
        engine->expiring_look = segment->expiring_next;
    }
    return chosen;
}

static uint32_t choose(struct memory_engine *engine)
{
    switch (engine->options.eviction) {
    case EVICTION_LRU:
        return choose_oldest(engine);
    case EVICTION_RANDOM:
        return choose_random(engine);
    case EVICTION_TTL:
        return choose_soonest(engine);
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

// What there is to evict may be in heads, or where the reaping sweep is, which notes expiries anew.
static uint32_t choose_again(struct memory_engine *engine)
{
    seal_heads(engine);
    if (engine->reaping && engine->reap.segment != SEGMENT_NONE) {
        segment_set_expiry(engine, engine->reap.segment - 1, 0);
        engine->reaping = false;
    }
    return choose(engine);
}

// The end of the first eighth of the time in which what is in the segment expires.
static uint64_t ttl_threshold(const struct memory_engine *engine, uint32_t number)
{
    const struct segment *const segment = &engine->segments[number];
    uint64_t first = EXPIRE_NEVER;
    uint64_t last = 0;
    struct record record;

    for (uint32_t offset = 0; offset < segment->used; offset += record.bytes) {
        record_read(engine->arena.base + segment_first(engine, number) + offset,
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
    uint32_t chosen = choose(engine);

    if (chosen == SEGMENT_NONE) {
        chosen = choose_again(engine);
    }
    engine->evict = (struct sweep){.segment = chosen};
    if (chosen == SEGMENT_NONE) {
        return false;
    }
    if (engine->options.eviction == EVICTION_TTL) {
        engine->ttl_threshold_ms = ttl_threshold(engine, chosen - 1);
        segment_set_expiry(engine, chosen - 1, EXPIRE_NEVER); // what stays is noted again
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

static bool may_evict(const struct memory_engine *engine)
{
    switch (engine->options.eviction) {
    case EVICTION_LRU:
    case EVICTION_RANDOM:
        return engine->records != 0;
    case EVICTION_TTL:
        return engine->with_expiry != 0;
    case EVICTION_REFUSE:
        break;
    }
    return false;
}

uint64_t memory_evict(struct memory_engine *engine, uint64_t budget, bool choosy)
{
    uint64_t looked = 0;

    if (!may_evict(engine)) {
        return 0;
    }
    if (engine->evict.segment != SEGMENT_NONE && !evictable(engine, engine->evict.segment - 1)) {
        segment_set_expiry(engine, engine->evict.segment - 1, 0); // was not noted to its end
        engine->evict.segment = SEGMENT_NONE;
    }
    if (engine->evict.segment == SEGMENT_NONE) {
        if (!evict_begin(engine)) {
            if (engine->kept_now == 0) {
                return 0;
            }
            snapshot_break_all(engine); // what they keep is all that is left
            return budget;
        }
        looked += CHOICE_COST;
    }
    const uint32_t number = engine->evict.segment;
    struct walk walk = {
        .engine = engine,
        .sweep = &engine->evict,
        .mode = evict_mode(engine, choosy),
        .threshold_ms = engine->ttl_threshold_ms,
    };
    looked += walk_on(&walk, budget);
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
