// Room for what is put.
//
// A put that finds no room makes it, however much work that is: where something may be evicted
// nothing is refused, and without eviction only what does not fit. So that this is rare, and a
// put's work small, room is made ahead: by step() until memory_ahead() is free, and by each put in
// proportion to what it appends, the more the shorter memory is. A record larger than what is ahead
// pays for the rest itself, in proportion to its size.
//
// lru and random empty whole segments, so what they free is free. ttl and refuse leave holes, and
// need the cleaner: what is reachable is kept below 15/16 of the memory for segments (31/32 with
// ENGINE_SPARED, 7/8 where ttl has something to evict), so that it always gains, and some segments
// are for it alone. So a load that only overwrites goes on for ever at the limit.
#include "engines/memory_walk.h"

enum {
    FREE_SLICE_BYTES = 16 << 10,
    CHOOSY_BYTES = 128 << 10,     // a put looks at so much before lru spares nothing
    PACE_SLICE_BYTES = 2 << 10,   // what pacing waits for: some 16 records, prefetched together
    PACE_BYTES_MAX = 256 << 10,   // after one put, and 8 times what it appended: some 200 us
    STAGE_SLICE_BYTES = 16 << 10, // looked at in a call for room of what is staged
    RECORD_COST_BYTES = 128,      // a record dropped or let go of, as part of a budget
    KEEP_RUNS = 8,                // free 2 MiB runs that are not given back
    PREFAULT_BYTES = 1 << 20,     // what is cleared ahead of segments and of the index
    PREFAULT_RUNS_MAX = 4,
};

static bool evicts_segments(const struct memory_engine *engine)
{
    return engine->options.eviction == EVICTION_LRU || engine->options.eviction == EVICTION_RANDOM;
}

static bool evicts_with_holes(const struct memory_engine *engine)
{
    return engine->options.eviction == EVICTION_TTL && engine->with_expiry != 0;
}

// How much may be reachable in segments, when `fixed` is taken by all else.
static uint64_t live_max(const struct memory_engine *engine, uint64_t fixed, bool spared)
{
    const uint64_t max = engine->options.memory_max_bytes;
    const uint64_t share = (evicts_with_holes(engine) ? 28U : 30U) + (spared ? 1U : 0U);

    return max > fixed ? (max - fixed) / 32 * share : 0;
}

static uint64_t fixed_bytes(const struct memory_engine *engine)
{
    return memory_index_bytes(engine) + engine->large_bytes +
           (SEGMENT_RESERVE + 2) * (uint64_t)SEGMENT_BYTES;
}

// Whether so many bytes more would still leave the cleaner something to gain.
static bool live_fits(const struct memory_engine *engine, uint64_t bytes, uint64_t replaced,
                      uint32_t flags)
{
    uint64_t fixed = fixed_bytes(engine);
    uint64_t small = engine->used_bytes - engine->dead_bytes;

    if (engine->options.memory_max_bytes == 0 || evicts_segments(engine) || bytes <= replaced) {
        return true;
    }
    if ((flags & ENGINE_RESERVED) == 0 && engine->reserved_bytes != 0) {
        small += engine->reserved_bytes;
        fixed += replaced == 0 ? index_table_bytes_min(&engine->index) : 0; // its entry's
    }
    if (replaced > LARGE_RECORD_BYTES) {
        fixed -= large_bytes(replaced);
    } else {
        small -= replaced;
    }
    if (bytes > LARGE_RECORD_BYTES) {
        fixed += large_bytes(bytes);
    } else {
        small += bytes;
    }
    return small <= live_max(engine, fixed, (flags & ENGINE_SPARED) != 0);
}

// What is set aside, in whole segments that are filled to seven eighths at least, and in tables.
static uint64_t reserved_room(const struct memory_engine *engine)
{
    const uint64_t filled = SEGMENT_BYTES - LARGE_RECORD_BYTES;

    return engine->reserved_bytes == 0
               ? 0
               : (engine->reserved_bytes / filled + 1) * (uint64_t)SEGMENT_BYTES;
}

// Whether `bytes` more can be allocated, and the cleaner's segments and what is set aside be left.
static bool room_is_left(const struct memory_engine *engine, uint64_t bytes)
{
    const uint64_t max = engine->options.memory_max_bytes;

    return max == 0 || memory_allocated(engine) + (SEGMENT_RESERVE + 1) * (uint64_t)SEGMENT_BYTES +
                               reserved_room(engine) + bytes <=
                           max;
}

// Whether a put takes nothing that is set aside for others.
static bool leaves_reserved(const struct memory_engine *engine, uint64_t bytes, uint64_t replaced,
                            uint32_t flags)
{
    const uint64_t table = replaced == 0 ? index_table_bytes_min(&engine->index) : 0;
    const uint64_t taken = bytes > LARGE_RECORD_BYTES ? large_bytes(bytes) : SEGMENT_BYTES;

    return (flags & ENGINE_RESERVED) != 0 || engine->reserved_bytes == 0 ||
           evicts_segments(engine) || bytes <= replaced || room_is_left(engine, taken + table);
}

bool memory_fits_instead(const struct memory_engine *engine, uint64_t bytes,
                         const struct record *old, uint32_t flags)
{
    const struct segment *const segment =
        &engine->segments[segment_number(engine, record_place(engine, old))];
    const uint64_t max = engine->options.memory_max_bytes;
    const uint64_t freed = arena_extent_bytes(segment->lead + segment->used);
    uint64_t needed = large_bytes(bytes);

    if (bytes <= LARGE_RECORD_BYTES) {
        needed = SEGMENT_BYTES;
        if (!arena_block_available(&engine->pool)) {
            return false;
        }
    } else if (!arena_extent_available(&engine->arena, LARGE_LEAD_BYTES + bytes)) {
        return false;
    }
    return max == 0 || (live_fits(engine, bytes, old->bytes, flags) &&
                        leaves_reserved(engine, bytes, old->bytes, flags) &&
                        memory_allocated(engine) + needed + (SEGMENT_RESERVE + 1) * SEGMENT_BYTES <=
                            max + freed);
}

// Whether it would fit if there were nothing else.
static bool fits_alone(const struct memory_engine *engine, uint64_t bytes)
{
    const uint64_t table_bytes = index_table_bytes_min(&engine->index) + sizeof engine->vnodes[0];

    return engine->options.memory_max_bytes == 0 ||
           engine->options.vnodes * table_bytes + large_bytes(bytes) +
                   (SEGMENT_RESERVE + 2) * (uint64_t)SEGMENT_BYTES <=
               engine->options.memory_max_bytes;
}

// What was dropped, and what ended snapshots keep, is given up in steps. False when there is none.
static bool free_ended(struct memory_engine *engine, uint64_t budget)
{
    const uint32_t records = (uint32_t)(budget / RECORD_COST_BYTES) + 1;

    if (engine->dropped != NULL || engine->condemned != SEGMENT_NONE) {
        (void)drop_step(engine, records);
        return true;
    }
    if (engine->snapshots_ending != 0) {
        (void)snapshot_step(engine, records);
        return true;
    }
    return false;
}

// Frees some memory for a put that cannot go on: `live_full` says that live_fits() is in its way.
// Returns the work done, 0 when there is nothing to gain.
static uint64_t free_some(struct memory_engine *engine, bool live_full, bool choosy)
{
    const uint64_t slice = FREE_SLICE_BYTES;

    if (free_ended(engine, slice)) {
        return slice;
    }
    if (evicts_segments(engine)) {
        if (memory_clean(engine, slice, DIRT_HALF)) {
            return slice;
        }
        return memory_evict(engine, slice, choosy);
    }
    if (!live_full && memory_clean(engine, slice, DIRT_SOME)) {
        return slice;
    }
    const uint64_t evicted = memory_evict(engine, slice, choosy);

    if (evicted == 0 && engine->kept_now != 0) {
        snapshot_break_all(engine);
        return slice;
    }
    return evicted;
}

// Of a record beside its key and object (its header, an expiry), and of its entry.
enum { RECORD_OVERHEAD_BYTES = 48 };

// The most that so many records can take: each may be the first of its vnode, whose table begins
// then, and large ones take whole pages.
static uint64_t reserve_bytes(const struct memory_engine *engine, uint64_t bytes, uint64_t records)
{
    const uint64_t tables = records < engine->options.vnodes ? records : engine->options.vnodes;

    return bytes + bytes / LARGE_RECORD_BYTES * large_bytes(0) + records * RECORD_OVERHEAD_BYTES +
           tables * index_table_bytes_min(&engine->index);
}

enum engine_status memory_reserve(struct engine *base, uint64_t bytes, uint64_t records)
{
    struct memory_engine *const engine = (struct memory_engine *)base;
    const uint64_t all = reserve_bytes(engine, bytes, records);
    uint64_t looked = 0;
    uint64_t part = fits_alone(engine, bytes) ? 1 : 0;

    engine->reserved_bytes += all;
    while (part != 0 && looked <= 8 * engine->options.memory_max_bytes) {
        // As if all of it were there already, would one more record of no size fit?
        const bool fits = live_fits(engine, 1, 0, 0);

        if (fits && (evicts_segments(engine) || room_is_left(engine, 0))) {
            return ENGINE_OK;
        }
        part = free_some(engine, !fits, false);
        looked += part;
    }
    engine->reserved_bytes -= all;
    return ENGINE_FULL;
}

void memory_unreserve(struct engine *base, uint64_t bytes, uint64_t records)
{
    struct memory_engine *const engine = (struct memory_engine *)base;
    const uint64_t all = reserve_bytes(engine, bytes, records);

    CHECK(engine->reserved_bytes >= all);
    engine->reserved_bytes -= all;
}

static void note_appended(struct memory_engine *engine, uint64_t bytes)
{
    const uint64_t most = engine->options.memory_max_bytes / 8;

    if (bytes <= LARGE_RECORD_BYTES) {
        engine->appended_cost += record_cost(bytes);
    } else if (bytes > engine->large_ahead) {
        engine->large_ahead = bytes < most ? bytes : most;
    } else {
        engine->large_ahead -= engine->large_ahead / 64;
    }
}

// Room for a record that is wanted.
struct wanted {
    uint64_t bytes;
    uint64_t replaced;
    uint32_t flags;
    bool staged;
    uint64_t looked; // work done for it
};

// Takes it, or frees some memory for it. False when there is more to be done; else *ret_place is
// set, to PLACE_NONE when nothing can be gained.
static bool room_step(struct memory_engine *engine, struct wanted *it, uint64_t *ret_place)
{
    const bool fits = live_fits(engine, it->bytes, it->replaced, it->flags);

    *ret_place = PLACE_NONE;
    if (fits && leaves_reserved(engine, it->bytes, it->replaced, it->flags)) {
        *ret_place = it->staged ? segment_stage_large(engine, it->bytes)
                     : it->bytes > LARGE_RECORD_BYTES
                         ? segment_append_large(engine, it->bytes)
                         : segment_append(engine, &engine->fresh, it->bytes);
        if (*ret_place != PLACE_NONE) {
            return true;
        }
    }
    // All of the memory was worked through over and over: that cannot be, and must not hang.
    if (it->looked > 8 * engine->options.memory_max_bytes ||
        (it->looked == 0 && !fits_alone(engine, it->bytes))) {
        return true;
    }
    const uint64_t part = free_some(engine, !fits, it->looked < CHOOSY_BYTES + 2 * it->bytes);

    it->looked += part;
    return part == 0;
}

uint64_t memory_make_room(struct memory_engine *engine, uint64_t bytes, uint64_t replaced,
                          uint32_t flags)
{
    struct wanted wanted = {.bytes = bytes, .replaced = replaced, .flags = flags};
    uint64_t place;

    note_appended(engine, bytes);
    while (!room_step(engine, &wanted, &place)) {
    }
    return place;
}

bool memory_stage_room(struct memory_engine *engine, uint64_t bytes, uint32_t flags,
                       uint64_t *looked, uint64_t *ret_place)
{
    struct wanted wanted = {.bytes = bytes, .flags = flags, .staged = true, .looked = *looked};
    bool over;

    if (*looked == 0) {
        note_appended(engine, bytes);
    }
    do {
        over = room_step(engine, &wanted, ret_place);
    } while (!over && wanted.looked - *looked < STAGE_SLICE_BYTES);
    *looked = wanted.looked;
    return over;
}

static bool index_has_room(const struct memory_engine *engine)
{
    const struct index *const index = &engine->index;

    return index_bytes(index) + index_table_bytes_min(index) + INDEX_CHUNK_BYTES <=
           index->bytes_max;
}

bool memory_make_index_room(struct memory_engine *engine)
{
    if (index_has_room(engine)) {
        return false; // that was not what the insertion failed for
    }
    do {
        if (free_some(engine, false, false) == 0) {
            return false;
        }
    } while (!index_has_room(engine));
    return true;
}

// ahead -----------------------------------------------------------------------------------------

// What may still become reachable, where evicting makes that more.
static uint64_t live_left(const struct memory_engine *engine)
{
    const uint64_t small = engine->used_bytes - engine->dead_bytes;
    const uint64_t most = live_max(engine, fixed_bytes(engine), false);

    if (!evicts_with_holes(engine)) {
        return UINT64_MAX;
    }
    return small < most ? most - small : 0;
}

// What fresh records may still take; very much when there is no limit.
static uint64_t memory_left(const struct memory_engine *engine)
{
    const uint64_t max = engine->options.memory_max_bytes;
    const uint64_t taken =
        memory_allocated(engine) + (SEGMENT_RESERVE + 1) * (uint64_t)SEGMENT_BYTES;
    const uint64_t live = live_left(engine);

    if (max == 0) {
        return UINT64_MAX;
    }
    if (taken >= max) {
        return 0;
    }
    return max - taken < live ? max - taken : live;
}

// How much of that shall be there before it is asked for.
static uint64_t memory_ahead(const struct memory_engine *engine)
{
    return 3 * (uint64_t)SEGMENT_BYTES + engine->options.memory_max_bytes / 64 +
           engine->large_ahead;
}

// Gains about `budget` bytes' worth of work. Returns the work done, 0 when there is nothing to
// gain.
static uint64_t gain_some(struct memory_engine *engine, uint64_t budget)
{
    const uint64_t ahead = memory_ahead(engine);
    const bool dirty = engine->dead_bytes > engine->blocks * SEGMENT_BYTES / 8 + SEGMENT_BYTES;

    if (free_ended(engine, budget)) {
        return budget;
    }
    if (dirty && memory_clean(engine, budget, DIRT_SOME)) {
        return budget;
    }
    if (evicts_segments(engine) || live_left(engine) < ahead) {
        const uint64_t evicted = memory_evict(engine, budget, memory_left(engine) > ahead / 4);

        if (evicted != 0) {
            return evicted;
        }
    }
    return memory_clean(engine, budget, DIRT_SOME) ? budget : 0;
}

// Works until enough is left, or for about `budget`. False when there was nothing to do.
static bool gain_ahead(struct memory_engine *engine, uint64_t budget)
{
    uint64_t done = 0;

    while (done < budget && memory_left(engine) < memory_ahead(engine)) {
        const uint64_t rest = budget - done;
        const uint64_t part = gain_some(engine, rest < FREE_SLICE_BYTES ? rest : FREE_SLICE_BYTES);

        if (part == 0) {
            break;
        }
        done += part;
    }
    return done != 0;
}

void memory_pace(struct memory_engine *engine)
{
    const uint64_t appended = engine->appended_cost;
    const uint64_t left = memory_left(engine);
    const uint64_t ahead = memory_ahead(engine);
    uint64_t rate = 0;

    engine->appended_cost = 0;
    if (appended == 0) {
        return;
    }
    engine->large_ahead -=
        engine->large_ahead < appended / 16 ? engine->large_ahead : appended / 16;
    if (left < ahead) {
        // Who gains a sixteenth of what he looks at keeps up at 16; half way down he does.
        rate = 4 + 28 * (ahead - left) / ahead;
    } else if (engine->dead_bytes > engine->blocks * SEGMENT_BYTES / 6 + SEGMENT_BYTES) {
        rate = 4;
    } else {
        engine->owed_cost = 0;
        return;
    }
    const uint64_t owed = engine->owed_cost + appended * rate;
    const uint64_t most = PACE_BYTES_MAX + 8 * appended;

    engine->owed_cost = owed < most ? owed : most;
    if (owed < PACE_SLICE_BYTES) {
        return;
    }
    if (left < ahead) {
        (void)gain_ahead(engine, engine->owed_cost);
    } else {
        (void)memory_clean(engine, engine->owed_cost, DIRT_SOME);
    }
    engine->owed_cost = 0;
}

// Has memory cleared that segments and the index will take soon, a run at a time: that alone is
// some hundreds of us. True when there was some to clear.
static bool prefault(struct memory_engine *engine)
{
    const uint64_t ahead = PREFAULT_BYTES + 2 * engine->begun_bytes;
    const uint64_t segments_left = arena_blocks_left(&engine->pool) * SEGMENT_BYTES;
    const uint64_t index_left = arena_blocks_left(&engine->index.pool) * INDEX_CHUNK_BYTES;
    uint64_t runs = 0;

    if (engine->blocks == 0 ||
        (engine->options.memory_max_bytes != 0 &&
         memory_allocated(engine) + PREFAULT_BYTES / 2 > engine->options.memory_max_bytes)) {
        engine->begun_bytes = 0;
        return false; // nothing is there, or no more will be
    }
    if (segments_left < ahead) {
        runs += 1 + (ahead - segments_left) / ARENA_RUN_BYTES;
    }
    if (index_left < PREFAULT_BYTES / 2) {
        runs++;
    }
    runs = runs < PREFAULT_RUNS_MAX ? runs : PREFAULT_RUNS_MAX;
    if (arena_prefault(&engine->arena, (uint32_t)runs)) {
        return true;
    }
    engine->begun_bytes = 0;
    return false;
}

bool memory_step(struct engine *base, uint32_t budget_bytes)
{
    struct memory_engine *const engine = (struct memory_engine *)base;
    const uint64_t data = engine->blocks * SEGMENT_BYTES;

    reap_queued(engine);
    if (prefault(engine) || free_ended(engine, budget_bytes) || reap_some(engine, budget_bytes) ||
        gain_ahead(engine, budget_bytes)) {
        return true;
    }
    if (engine->dead_bytes > data / 10 + SEGMENT_BYTES &&
        memory_clean(engine, budget_bytes, DIRT_SOME)) {
        return true;
    }
    return arena_release(&engine->arena, budget_bytes, KEEP_RUNS);
}
