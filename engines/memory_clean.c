// Making room, and taking out what has expired.
//
// The cleaner empties a dirty segment by moving what is reachable in it to a cold head. Which one:
// the best by benefit and cost, (free space gained) * age / (bytes to move), as in Rosenblum and
// Ousterhout, "The design and implementation of a log-structured file system", 1992, among the
// first few of each class of dirt. It works in slices, from step(), and from put in proportion to
// what was appended: the more, the shorter memory is.
//
// Eviction is the same walk with another choice: it empties a segment by evicting records, and
// moves (lru) or leaves (ttl) those that it spares.
//
//  - lru: the oldest segment; a record read since the last visit is moved instead, and its count
//    of reads goes down: the second chance of CLOCK (Corbato, 1968), with two bits.
//  - random: the segment of a record picked at random.
//  - ttl: of some dozens of segments, that in which something expires first; what expires in the
//  first
//    eighth of the time that the segment spans goes.
//
// The live bytes are kept below 15/16 of the memory for records, so that the cleaner always gains,
// and some segments are for it alone. So a load that only overwrites goes on for ever at the limit.
#include "engines/memory.h"

enum {
    WALK_BATCH = 16,  // records whose index lines are prefetched together
    CANDIDATES = 4,   // looked at in a class of dirt
    EVICT_TRIES = 16, // segments looked at by lru and random
    EVICT_SLICE_BYTES = 16 << 10,
    TTL_LOOK = 64, // segments looked at by ttl; up to TTL_LOOK_MAX if nothing in them expires
    TTL_LOOK_MAX = 4096,
    EVICT_LOOK_BYTES = 128 << 10,   // a put looks at so much before it evicts without choice
    FORCED_CLEAN_BYTES = 512 << 10, // and cleans so much at once, if pacing was not enough
    RECORD_COST_BYTES = 128,        // a record dropped or let go of, as part of a step's budget
    KEEP_RUNS = 8,                  // free 2 MiB runs that stay
    REAP_LOOK = 256,                // segments looked at in a step
    REAP_ROUND_MS_MIN = 100,
    REAP_SEGMENT_MS_MAX = 10000,
};

// What becomes of a reachable record.
enum verdict { RECORD_MOVE, RECORD_EVICT, RECORD_LEAVE };
enum walk_mode { WALK_CLEAN, WALK_EVICT_ALL, WALK_EVICT_LRU, WALK_EVICT_TTL, WALK_REAP };

struct walk {
    struct memory_engine *engine;
    struct sweep *sweep;
    enum walk_mode mode;
    uint64_t threshold_ms; // ttl: what expires until then is evicted
    bool stuck;            // no room to move to
};

// walking a segment -----------------------------------------------------------------------------

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
        // Dropped, or kept: then its segment is not walked through for moving.
        (void)drop_kill(engine, hash, record);
        return;
    }
    if (record_expired(engine, record)) {
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

// Walks on for about `budget` bytes, or to the segment's end. Returns the bytes looked at.
static uint64_t walk_on(struct walk *walk, uint64_t budget)
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

            record_read(engine->arena.base + segment_place(engine, number) + offset,
                        engine->vnode_bytes, record);
            offset += record->bytes;
            looked += record->bytes;
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
                    (uint32_t)(record_place(engine, &records[i]) - segment_place(engine, number));
            }
        }
        if (sweep->segment == number + 1) {
            sweep->offset = offset;
        }
    }
    return looked;
}

// cleaning --------------------------------------------------------------------------------------

static uint64_t clean_score(const struct memory_engine *engine, const struct segment *segment)
{
    const uint64_t live = segment->used - segment->dead;
    const uint64_t age = (uint32_t)engine->order - segment->birth + 1;

    return (SEGMENT_BYTES - live) * age / (live / 1024 + 1);
}

static bool clean_choose(struct memory_engine *engine)
{
    uint64_t best = 0;

    for (uint32_t dirt = DIRT_CLASSES - 1; dirt > 0; dirt--) {
        uint32_t number = engine->dirt_first[dirt];

        for (uint32_t i = 0; i < CANDIDATES && number != SEGMENT_NONE; i++) {
            const struct segment *const segment = &engine->segments[number - 1];
            const uint64_t score = segment->kept == 0 ? clean_score(engine, segment) : 0;

            if (score > best) {
                best = score;
                engine->clean = (struct sweep){.segment = number};
            }
            number = segment->dirt_next;
        }
    }
    return best != 0;
}

// Cleans about `budget` bytes. False when there is nothing to clean.
static bool clean_some(struct memory_engine *engine, uint64_t budget)
{
    uint64_t looked = 0;

    while (looked < budget) {
        // Something that a snapshot keeps may have come in since the last slice.
        if (engine->clean.segment != SEGMENT_NONE &&
            engine->segments[engine->clean.segment - 1].kept != 0) {
            engine->clean.segment = SEGMENT_NONE;
        }
        if (engine->clean.segment == SEGMENT_NONE && !clean_choose(engine)) {
            return false;
        }
        struct walk walk = {.engine = engine, .sweep = &engine->clean, .mode = WALK_CLEAN};
        const uint32_t number = engine->clean.segment;

        looked += walk_on(&walk, budget - looked);
        if (walk.stuck) {
            return false;
        }
        if (engine->clean.segment == number &&
            engine->clean.offset >= engine->segments[number - 1].used) {
            // Something in it was left: a record that is kept.
            engine->clean.segment = SEGMENT_NONE;
            return false;
        }
    }
    return true;
}

// Segments that fresh heads may still take; many when there is no limit.
static uint64_t segments_left(const struct memory_engine *engine)
{
    const uint64_t allocated =
        memory_allocated(engine) + (SEGMENT_RESERVE + 1) * (uint64_t)SEGMENT_BYTES;

    if (engine->options.memory_max_bytes == 0) {
        return UINT32_MAX;
    }
    return allocated < engine->options.memory_max_bytes
               ? (engine->options.memory_max_bytes - allocated) / SEGMENT_BYTES
               : 0;
}

void memory_pace(struct memory_engine *engine)
{
    const uint64_t appended = engine->appended_bytes;
    const uint64_t data = engine->blocks * SEGMENT_BYTES;
    const uint64_t left = segments_left(engine);
    const uint64_t low = 4 + engine->blocks / 64;
    uint64_t rate = 0;

    engine->appended_bytes = 0;
    if (appended == 0) {
        return;
    }
    if (left < low) {
        // A cleaner that gains a sixteenth of what it looks at keeps up at 16; half way down it
        // does.
        rate = 4 + 28 * (low - left) / low;
    } else if (engine->dead_bytes > data / 6 + SEGMENT_BYTES) {
        rate = 4;
    }
    if (rate != 0) {
        (void)drop_step(engine, 2);
        (void)clean_some(engine, appended * rate);
    }
}

// room and eviction -----------------------------------------------------------------------------

// Whether so many bytes more would still leave the cleaner something to gain.
static bool live_fits(const struct memory_engine *engine, uint64_t bytes, uint64_t replaced)
{
    const uint64_t max = engine->options.memory_max_bytes;
    uint64_t fixed = memory_index_bytes(engine) + engine->large_bytes +
                     (SEGMENT_RESERVE + 2) * (uint64_t)SEGMENT_BYTES;
    uint64_t small = engine->used_bytes - engine->dead_bytes;

    if (max == 0) {
        return true;
    }
    if (bytes > LARGE_RECORD_BYTES) {
        fixed += arena_extent_bytes(bytes);
    } else if (bytes <= replaced) {
        return true;
    } else {
        small += bytes - replaced;
    }
    return max > fixed && small <= (max - fixed) / 16 * 15;
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
static bool evict_until_fits(struct memory_engine *engine, uint64_t bytes, uint64_t replaced)
{
    uint64_t looked = 0;

    while (!live_fits(engine, bytes, replaced)) {
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
            return live_fits(engine, bytes, replaced);
        }
    }
    return true;
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
    if (clean_some(engine, slice)) {
        return slice;
    }
    if (engine->kept_bytes != 0) {
        snapshot_break_all(engine);
        return slice;
    }
    return may_evict ? evict_some(engine, slice, false) : 0;
}

uint64_t memory_make_room(struct memory_engine *engine, uint64_t bytes, uint64_t replaced)
{
    const bool large = bytes > LARGE_RECORD_BYTES;
    const bool may_evict = engine->options.eviction != EVICTION_REFUSE;

    engine->appended_bytes += bytes;
    if (engine->options.memory_max_bytes != 0 && !live_fits(engine, bytes, replaced) &&
        !evict_until_fits(engine, bytes, replaced)) {
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

// expiry ----------------------------------------------------------------------------------------

// What gets have met.
static void reap_queued(struct memory_engine *engine)
{
    struct record record;

    for (uint32_t i = 0; i < engine->reap_count; i++) {
        const struct reap *const it = &engine->reaps[i];
        uint64_t *const slot =
            memory_find_place(engine, &engine->vnodes[it->vnode].table, it->hash, it->place);

        // It may be another record by now.
        if (slot != NULL) {
            record_read(engine->arena.base + it->place, engine->vnode_bytes, &record);
            if (record_expired(engine, &record)) {
                memory_remove(engine, it->hash, slot, &record, ENGINE_REMOVED_EXPIRED);
                engine->moves++;
            }
        }
    }
    engine->reap_count = 0;
}

// How long a segment is left alone after it was looked through: so long that looking through all of
// them takes a few percent of the core's time.
static uint64_t reap_interval_ms(const struct memory_engine *engine)
{
    const uint64_t ms = REAP_ROUND_MS_MIN + engine->blocks;

    return ms < REAP_SEGMENT_MS_MAX ? ms : REAP_SEGMENT_MS_MAX;
}

// Goes to the next segment that has something expired. False when there is none in this round.
static bool reap_next(struct memory_engine *engine, uint32_t *looks)
{
    const uint64_t now_ms = engine->options.io->wall_ms;

    while (engine->reap.segment != SEGMENT_NONE && *looks > 0) {
        struct segment *const segment = &engine->segments[engine->reap.segment - 1];

        if (engine->reaping) {
            return true;
        }
        (*looks)--;
        if (segment->expire_ms_min <= now_ms && segment->reap_ms <= now_ms) {
            segment->reap_ms = now_ms + reap_interval_ms(engine);
            segment->expire_ms_min = EXPIRE_NEVER; // what stays is noted again
            engine->reap.offset = 0;
            engine->reaping = true;
            return true;
        }
        engine->reap = (struct sweep){.segment = segment->age_next};
    }
    return false;
}

// Reaps in about `budget` bytes of records. True when there is more to do now.
static bool reap_some(struct memory_engine *engine, uint64_t budget)
{
    const uint64_t now_ms = engine->options.io->wall_ms;
    uint32_t looks = REAP_LOOK;
    uint64_t looked = 0;

    if (engine->with_expiry == 0) {
        return false;
    }
    if (engine->reap.segment == SEGMENT_NONE) {
        if (now_ms < engine->reap_round_ms) {
            return false;
        }
        engine->reap_round_ms = now_ms + REAP_ROUND_MS_MIN + engine->blocks / 16;
        engine->reap = (struct sweep){.segment = engine->age_first};
        engine->reaping = false;
    }
    while (looked < budget && reap_next(engine, &looks)) {
        const uint32_t number = engine->reap.segment;
        struct walk walk = {.engine = engine, .sweep = &engine->reap, .mode = WALK_REAP};

        looked += walk_on(&walk, budget - looked);
        if (engine->reap.segment != number) {
            engine->reaping = false; // it was freed, and the sweep went on
        } else if (engine->reap.offset >= engine->segments[number - 1].used) {
            engine->reap = (struct sweep){.segment = engine->segments[number - 1].age_next};
            engine->reaping = false;
        }
    }
    return engine->reap.segment != SEGMENT_NONE;
}

// steps -----------------------------------------------------------------------------------------

bool memory_step(struct engine *base, uint32_t budget_bytes)
{
    struct memory_engine *const engine = (struct memory_engine *)base;
    const uint32_t records = budget_bytes / RECORD_COST_BYTES + 1;
    const uint64_t data = engine->blocks * SEGMENT_BYTES;

    reap_queued(engine);
    if (engine->dropped != NULL || engine->condemned != SEGMENT_NONE) {
        (void)drop_step(engine, records);
        return true;
    }
    if (engine->snapshots_ending != 0) {
        (void)snapshot_step(engine, records);
        return true;
    }
    if (reap_some(engine, budget_bytes)) {
        return true;
    }
    const bool is_short = segments_left(engine) < 8 + engine->blocks / 32;

    if ((is_short || engine->dead_bytes > data / 10 + SEGMENT_BYTES) && engine->dead_bytes > 0 &&
        clean_some(engine, budget_bytes)) {
        return true;
    }
    return arena_release(&engine->arena, budget_bytes, KEEP_RUNS);
}
