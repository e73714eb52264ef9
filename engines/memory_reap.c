// Expiry. A read of an expired record is a miss, and has it reaped by the next step. What nobody
// reads is found by walking through segments: each knows a time before which nothing in it expires,
// and is looked through when that has passed, but not again before an interval that grows with the
// number of segments. So the cost is bounded to a few percent of the core whatever the expiries
// are, and with few records they go within a tenth of a second.
#include "engines/memory_walk.h"

enum {
    REAP_LOOK = 256,             // segments looked at in a step
    REAP_ROUND_MS_MIN = 100,     // from the begin of one round to the next
    REAP_SEGMENT_MS_MAX = 10000, // from one walk through a segment to the next
};

void reap_queued(struct memory_engine *engine)
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
        if (segment->expire_ms_min <= now_ms &&
            (int32_t)(reap_tick(now_ms) - segment->reap_tick) >= 0) {
            segment->reap_tick = reap_tick(now_ms + reap_interval_ms(engine));
            // What stays is noted again.
            segment_set_expiry(engine, engine->reap.segment - 1, EXPIRE_NEVER);
            engine->reap.offset = 0;
            engine->reaping = true;
            return true;
        }
        engine->reap = (struct sweep){.segment = segment->age_next};
    }
    return false;
}

bool reap_some(struct memory_engine *engine, uint64_t budget)
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
