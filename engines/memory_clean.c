// The cleaner: it empties a dirty segment by moving what is reachable in it to a cold head. Which
// one: the best by benefit and cost, (free space gained) * age / (bytes to move), as in Rosenblum
// and Ousterhout, "The design and implementation of a log-structured file system", 1992, among the
// first few of each class of dirt. It works in slices: memory_room.c says when.
#include "engines/memory_walk.h"

enum { CANDIDATES = 4 }; // segments looked at in a class of dirt

static uint64_t clean_score(const struct memory_engine *engine, const struct segment *segment)
{
    const uint64_t live = segment->used - segment->dead;
    const uint64_t age = (uint32_t)engine->order - segment->birth + 1;

    return (SEGMENT_BYTES - live) * age / (live / 1024 + 1);
}

static bool clean_choose(struct memory_engine *engine, uint32_t dirt_min)
{
    uint64_t best = 0;

    for (uint32_t dirt = DIRT_CLASSES - 1; dirt >= dirt_min; dirt--) {
        uint32_t number = engine->dirt_first[dirt];

        for (uint32_t i = 0; i < CANDIDATES && number != SEGMENT_NONE; i++) {
            const struct segment *const segment = &engine->segments[number - 1];
            // Were a segment cleaned from under the eviction sweep, both could go round for ever.
            const bool taken = segment->kept != 0 || number == engine->evict.segment;
            const uint64_t score = taken ? 0 : clean_score(engine, segment);

            if (score > best) {
                best = score;
                engine->clean = (struct sweep){.segment = number};
            }
            number = segment->dirt_next;
        }
    }
    return best != 0;
}

bool memory_clean(struct memory_engine *engine, uint64_t budget, uint32_t dirt_min)
{
    uint64_t looked = 0;

    while (looked < budget) {
        // Something that a snapshot keeps may have come in since the last slice.
        if (engine->clean.segment != SEGMENT_NONE &&
            engine->segments[engine->clean.segment - 1].kept != 0) {
            engine->clean.segment = SEGMENT_NONE;
        }
        if (engine->clean.segment == SEGMENT_NONE && !clean_choose(engine, dirt_min)) {
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
