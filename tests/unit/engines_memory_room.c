// Room for what is put, at the limit: nothing is refused while something may be evicted, the limit
// holds, and what one put does to make room is bounded. Sizes are mixed, from nothing to megabytes.
#include "tests/unit/engines_model.h"

enum {
    MIB = 1 << 20,
    KEYS = 20000,
    // Work of one put: records moved and evicted, as bytes.
    RECORD_WORK = 128,
    WORK_FIXED = 768 << 10,
    WORK_A_BYTE = 6,
};

typedef uint32_t size_fn(struct random *random, uint32_t step);

// What users reported: nothing small, nothing that fills a segment evenly.
static uint32_t sizes_to_200k(struct random *random, uint32_t step)
{
    (void)step;
    return 1 + (uint32_t)random_below(random, 200 << 10);
}

static uint32_t sizes_skewed(struct random *random, uint32_t step)
{
    static const uint32_t most[] = {200, 200, 2000, 20000, 200000, 3 * MIB};
    const uint64_t kind = random_below(random, 1000);

    (void)step;
    return (uint32_t)random_below(random, most[kind < 900   ? kind % 3
                                               : kind < 970 ? 3
                                               : kind < 997 ? 4
                                                            : 5]);
}

// One size after the other fills the memory.
static uint32_t sizes_in_phases(struct random *random, uint32_t step)
{
    static const uint32_t phases[] = {20, 3000, 150 << 10, 2 * MIB, 30000, 8};
    static const uint32_t steps[] = {20000, 10000, 600, 60, 2500, 20000};
    uint32_t phase = 0;

    while (phase < 5 && step >= steps[phase]) {
        step -= steps[phase++];
    }
    return phases[phase] + (uint32_t)random_below(random, 1 + phases[phase] / 8);
}

struct room {
    uint64_t memory_max_bytes;
    enum engine_eviction eviction;
    uint32_t vnodes;
    uint32_t puts;
    uint32_t expiring_percent; // of the puts
    uint32_t step_every;       // puts; 0: never
    size_fn *size;
};

struct work {
    uint64_t moved;
    uint64_t gone;
};

static struct work work_now(const struct model *model)
{
    struct engine_stats stats;

    engine_stats(model->engine, &stats);
    cr_assert_leq(stats.index_bytes + stats.data_bytes, stats.memory_max_bytes);
    return (struct work){stats.compacted_bytes, stats.evicted + stats.expired};
}

static void put_one(struct model *model, const struct room *room, uint32_t bytes)
{
    const uint32_t number = (uint32_t)random_below(&model->random, model->keys);
    const bool expires = random_below(&model->random, 100) < room->expiring_percent;
    const uint64_t expire_ms =
        expires ? model->io.wall_ms + 1000 + random_below(&model->random, 100000) : 0;
    const struct work before = work_now(model);
    const enum engine_status status = model_put(model, number, bytes, 0, expire_ms);
    const struct work after = work_now(model);
    struct engine_stats stats;

    engine_stats(model->engine, &stats);
    if (status != ENGINE_OK) {
        cr_assert_eq(status, ENGINE_FULL);
        cr_assert(room->eviction == EVICTION_TTL && stats.with_expiry == 0,
                  "%u bytes were refused, %llu records and %llu with an expiry", bytes,
                  (unsigned long long)stats.records, (unsigned long long)stats.with_expiry);
    }
    const uint64_t work = after.moved - before.moved + RECORD_WORK * (after.gone - before.gone);

    if (room->eviction != EVICTION_TTL) {
        cr_assert_leq(work, WORK_FIXED + WORK_A_BYTE * (uint64_t)bytes,
                      "a put of %u bytes moved %llu and removed %llu", bytes,
                      (unsigned long long)(after.moved - before.moved),
                      (unsigned long long)(after.gone - before.gone));
    }
}

static void room_run(uint64_t seed, const struct room *room)
{
    struct model model;
    struct engine_stats stats;

    model_open(&model, seed, KEYS,
               (struct engine_options){.vnodes = room->vnodes,
                                       .memory_max_bytes = room->memory_max_bytes,
                                       .eviction = room->eviction});
    for (uint32_t i = 0; i < room->puts; i++) {
        put_one(&model, room, room->size(&model.random, i));
        if (room->step_every != 0 && i % room->step_every == 0) {
            model.io.wall_ms++;
            (void)engine_step(model.engine, 64 << 10);
            (void)work_now(&model);
        }
        if (i % 64 == 0) {
            model_delete(&model, (uint32_t)random_below(&model.random, model.keys));
        }
    }
    engine_stats(model.engine, &stats);
    cr_assert_gt(stats.evicted, 0);
    // It is used well too.
    cr_assert(room->size == sizes_in_phases || stats.live_bytes > room->memory_max_bytes / 5 * 3);
    model_get_all(&model);
    model_verify(&model);
    model_check_counts(&model);
    model_close(&model);
}

// As one shard and as each of two have it, with 48 and 64 MiB for the node.
static void room_runs(uint64_t seed, enum engine_eviction eviction, size_fn *size, uint32_t puts)
{
    for (uint32_t shards = 1; shards <= 2; shards++) {
        for (uint64_t all = 48; all <= 64; all += 16) {
            const struct room room = {
                .memory_max_bytes = all * MIB / shards,
                .eviction = eviction,
                .vnodes = 256 / shards,
                .puts = puts,
                .expiring_percent = eviction == EVICTION_TTL ? 60 : 10,
                .step_every = all == 48 ? 4 : 0,
                .size = size,
            };

            room_run(seed + all + shards, &room);
        }
    }
}

Test(engines_memory_room, lru_refuses_nothing_of_200k)
{
    room_runs(100, EVICTION_LRU, sizes_to_200k, 3000);
}

Test(engines_memory_room, lru_refuses_nothing_skewed)
{
    room_runs(200, EVICTION_LRU, sizes_skewed, 20000);
}

Test(engines_memory_room, lru_refuses_nothing_in_phases)
{
    room_runs(300, EVICTION_LRU, sizes_in_phases, 55000);
}

Test(engines_memory_room, random_refuses_nothing_of_200k)
{
    room_runs(400, EVICTION_RANDOM, sizes_to_200k, 3000);
}

Test(engines_memory_room, random_refuses_nothing_skewed)
{
    room_runs(500, EVICTION_RANDOM, sizes_skewed, 20000);
}

Test(engines_memory_room, random_refuses_nothing_in_phases)
{
    room_runs(600, EVICTION_RANDOM, sizes_in_phases, 55000);
}

Test(engines_memory_room, ttl_refuses_only_when_nothing_expires)
{
    room_runs(700, EVICTION_TTL, sizes_to_200k, 3000);
    room_runs(800, EVICTION_TTL, sizes_skewed, 20000);
    room_runs(900, EVICTION_TTL, sizes_in_phases, 55000);
}

// Every table takes memory with its first record: that must not exceed the limit either.
Test(engines_memory_room, new_tables_stay_within_the_limit)
{
    struct model model;

    model_open(&model, 20, 400000,
               (struct engine_options){
                   .vnodes = 512, .memory_max_bytes = 12 * MIB, .eviction = EVICTION_LRU});
    uint32_t last = 0;

    // Nearly all of the memory for records of a few vnodes, then one in each of the others.
    for (uint32_t number = 0; number < 400000; number++) {
        if (model_vnode(&model, number) < 4) {
            cr_assert_eq(model_put(&model, number, 8000, 0, 0), ENGINE_OK);
            last = number;
        }
    }
    for (uint32_t i = 0; i < 4 * 512; i++) {
        const uint32_t number = (last + i) % model.keys;

        cr_assert_eq(model_put(&model, number, 8, 0, 0), ENGINE_OK);
        (void)work_now(&model);
    }
    model_verify(&model);
    model_close(&model);
}

// Keys that are read every now and then survive far oftener than those that are not, though sizes
// are mixed and all are written alike.
Test(engines_memory_room, lru_keeps_what_is_read)
{
    struct model model;
    uint64_t there[2] = {0, 0};
    uint64_t count[2] = {0, 0};

    model_open(&model, 30, 60000,
               (struct engine_options){
                   .vnodes = 256, .memory_max_bytes = 16 * MIB, .eviction = EVICTION_LRU});
    for (uint32_t number = 0; number < model.keys; number++) {
        cr_assert_eq(model_put(&model, number, sizes_skewed(&model.random, 0) % 40000, 0, 0),
                     ENGINE_OK);
        // One in ten is hot: some of those that were written lately are read each time.
        for (uint32_t i = 0; i < 4; i++) {
            const uint32_t back = (uint32_t)random_below(&model.random, 30000);

            model_get(&model, number > back ? (number - back) / 10 * 10 : 0);
        }
        (void)engine_step(model.engine, 64 << 10);
    }
    for (uint32_t number = model.keys - 30000; number < model.keys; number++) {
        count[number % 10 == 0]++;
        there[number % 10 == 0] += model.records[number].version != 0;
    }
    const double hot = (double)there[1] / (double)count[1];
    const double cold = (double)there[0] / (double)count[0];

    fprintf(stderr, "of what was read %.3f is there, of the rest %.3f\n", hot, cold);
    cr_assert_gt(hot, 0.9);
    cr_assert_gt(hot, 2 * cold);
    model_close(&model);
}

static void get_quietly(struct model *model, uint32_t number, uint32_t flags)
{
    uint8_t key[MODEL_KEY_BYTES_MAX];
    struct engine_op op = model_op(model, number, key);
    struct engine_op *ops[1] = {&op};

    op.flags = flags;
    engine_get(model->engine, ops, 1);
}

// A read that does not count leaves the key as cold as it was.
Test(engines_memory_room, no_touch_does_not_count)
{
    struct model model;
    uint32_t there[2] = {0, 0};

    model_open(&model, 31, 30000,
               (struct engine_options){
                   .vnodes = 16, .memory_max_bytes = 12 * MIB, .eviction = EVICTION_LRU});
    for (uint32_t number = 0; number < model.keys; number++) {
        cr_assert_eq(model_put(&model, number, 1000, 0, 0), ENGINE_OK);
        for (uint32_t i = 0; i < 200 && number % 1000 == 0; i++) {
            get_quietly(&model, i, i % 2 == 0 ? ENGINE_NO_TOUCH : 0);
        }
    }
    for (uint32_t i = 0; i < 200; i++) {
        there[i % 2] += model.records[i].version != 0;
    }
    cr_assert_eq(there[0], 0);
    cr_assert_eq(there[1], 100);
    model_close(&model);
}

// Before a segment or the index takes memory that nobody has touched yet, a step has it cleared.
Test(engines_memory_room, memory_is_cleared_ahead)
{
    struct model model;

    model_open(&model, 32, 200000, (struct engine_options){.vnodes = 128});
    const struct memory_engine *const engine = model_memory(&model);

    for (uint32_t number = 0; number < model.keys; number++) {
        cr_assert_eq(model_put(&model, number, 100, 0, 0), ENGINE_OK);
        if (number % 64 == 0) {
            while (engine_step(model.engine, 64 << 10)) {
            }
            const uint32_t runs = (arena_blocks_left(&engine->pool) < 2 ? 1U : 0U) +
                                  (arena_blocks_left(&engine->index.pool) < 32 ? 1U : 0U);

            cr_assert_geq(engine->arena.runs_dirty_count, runs, "at %u", number);
        }
    }
    model_close(&model);
}

// A step clears one run and no more, however fast memory is taken: that is some hundreds of us.
Test(engines_memory_room, memory_is_cleared_a_run_at_a_time)
{
    struct model model;
    uint32_t runs_most = 0;

    model_open(&model, 32, 100000, (struct engine_options){.vnodes = 8});
    const struct memory_engine *const engine = model_memory(&model);

    for (uint32_t number = 0; number < model.keys; number++) {
        cr_assert_eq(model_put(&model, number, 500, 0, 0), ENGINE_OK);
        if (number % 10000 == 9999) { // 5 MB: three runs
            for (bool more = true; more;) {
                const uint32_t before = engine->arena.runs_dirty_count;

                more = engine_step(model.engine, 64 << 10);
                cr_assert_leq(engine->arena.runs_dirty_count, before + 1);
            }
            runs_most = engine->arena.runs_dirty_count > runs_most ? engine->arena.runs_dirty_count
                                                                   : runs_most;
        }
    }
    cr_assert_geq(runs_most, 3, "%u: as many as will be taken", runs_most);
    model_close(&model);
}
