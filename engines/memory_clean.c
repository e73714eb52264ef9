// The cleaner, and the slices of background work.
//
// It empties a dirty segment by moving what is reachable in it to a cold head. Which one: the best
// by benefit and cost, (free space gained) * age / (bytes to move), as in Rosenblum and Ousterhout,
// "The design and implementation of a log-structured file system", 1992, among the first few of
// each class of dirt. It works in slices, from step(), and from put in proportion to what was
// appended: the more, the shorter memory is.
#include "engines/memory_walk.h"

enum {
    CANDIDATES = 4,             // segments looked at in a class of dirt
    PACE_BYTES_MAX = 512 << 10, // cleaned after a batch of puts: some 300 us
    RECORD_COST_BYTES = 128,    // a record dropped or let go of, as part of a step's budget
    KEEP_RUNS = 8,              // free 2 MiB runs that are not given back
};

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

bool memory_clean(struct memory_engine *engine, uint64_t budget)
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
        (void)memory_clean(engine,
                           appended * rate < PACE_BYTES_MAX ? appended * rate : PACE_BYTES_MAX);
    }
}

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
        memory_clean(engine, budget_bytes)) {
        return true;
    }
    return arena_release(&engine->arena, budget_bytes, KEEP_RUNS);
}
