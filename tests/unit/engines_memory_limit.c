// The memory engine at its limit: refusal, eviction, cleaning, and that nothing else is lost.
#include "tests/unit/engines_model.h"

static const uint64_t limit_bytes = UINT64_C(12) << 20;

static uint32_t fill_until_full(struct model *model, uint32_t bytes)
{
    uint32_t number = 0;

    while (number < model->keys && model_put(model, number, bytes, 0, 0) == ENGINE_OK) {
        number++;
    }
    return number;
}

Test(engines_memory_limit, refuses_when_full_and_loses_nothing)
{
    struct model model;
    struct engine_stats stats;

    model_open(&model, 1, 200000,
               (struct engine_options){.vnodes = 16, .memory_max_bytes = limit_bytes});
    const uint32_t stored = fill_until_full(&model, 100);

    cr_assert_lt(stored, model.keys);
    engine_stats(model.engine, &stats);
    cr_assert_eq(stats.refused, 1);
    cr_assert_gt(stats.live_bytes, limit_bytes / 4 * 3);
    model_check_counts(&model);

    // Deletes and reads work, and each delete makes room for as much.
    model_get_all(&model);
    for (uint32_t number = 0; number < stored; number += 2) {
        model_delete(&model, number);
    }
    uint32_t again = 0;

    for (uint32_t number = 0; number < stored; number += 2) {
        again += model_put(&model, number, 100, 0, 0) == ENGINE_OK;
    }
    cr_assert_geq(again, stored / 2 - 1);
    model_get_all(&model);
    model_verify(&model);
    model_check_counts(&model);
    model_close(&model);
}

// Found by tests/sim: records that leave the ends of segments unused make segments dirty that have
// nothing dead. The cleaner of a full engine went round and round, and its idle core never slept.
Test(engines_memory_limit, full_and_idle_it_has_nothing_to_do)
{
    struct model model;
    uint32_t steps = 0;
    uint32_t stored = 0;

    model_open(&model, 4, 10000,
               (struct engine_options){.vnodes = 16, .memory_max_bytes = UINT64_C(4) << 20});
    while (model_put(&model, stored, 20000 + stored * 997 % 10000, 0, 0) == ENGINE_OK) {
        stored++;
    }
    model_delete(&model, stored / 2);
    while (engine_step(model.engine, LIMIT_BACKGROUND_BYTES)) {
        cr_assert_lt(++steps, 10000, "no end of background work");
    }
    model_get_all(&model);
    model_verify(&model);
    model_close(&model);
}

// Sizes differ, so nothing is written in place: the cleaner has to keep up, for ever.
Test(engines_memory_limit, overwrites_go_on_at_the_limit)
{
    struct model model;
    uint32_t refused = 0;

    model_open(&model, 2, 100000,
               (struct engine_options){.vnodes = 16, .memory_max_bytes = limit_bytes});
    const uint32_t stored = fill_until_full(&model, 200);

    for (uint32_t i = 0; i < 10 * stored; i++) {
        const uint32_t number = (uint32_t)random_below(&model.random, stored);
        const uint32_t bytes = model.records[number].bytes == 200 ? 180 : 200;

        refused += model_put(&model, number, bytes, 0, 0) != ENGINE_OK;
    }
    // Only what makes a record longer may be refused, when all happen to be long.
    cr_assert_lt(refused, stored / 100);
    model_get_all(&model);
    model_verify(&model);
    model_check_counts(&model);
    model_close(&model);
}

// A key is read every so often: it stays. Others go, oldest first, and each is reported.
static void evict_run(enum engine_eviction eviction, uint64_t seed)
{
    struct model model;
    struct engine_stats stats;

    model_open(&model, seed, 300000,
               (struct engine_options){
                   .vnodes = 16, .memory_max_bytes = limit_bytes, .eviction = eviction});
    for (uint32_t number = 0; number < model.keys; number++) {
        const uint64_t expire_ms =
            eviction == EVICTION_TTL ? model.io.wall_ms + 1000 + number % 1000 : 0;

        cr_assert_eq(model_put(&model, number, 60 + number % 90, 0, expire_ms), ENGINE_OK);
        if (number % 50 == 0) {
            for (uint32_t hot = 0; hot < 100; hot++) {
                model_get(&model, hot);
            }
        }
        if (number % 30000 == 0) {
            model_check_counts(&model);
        }
    }
    engine_stats(model.engine, &stats);
    cr_assert_eq(stats.evicted, model.removed[ENGINE_REMOVED_EVICTED]);
    cr_assert_gt(stats.evicted, model.keys / 2);
    cr_assert_gt(stats.live_bytes, limit_bytes / 2);
    cr_assert_eq(stats.refused, 0);
    if (eviction == EVICTION_LRU) {
        for (uint32_t hot = 0; hot < 100; hot++) {
            cr_assert(model.records[hot].version != 0, "hot key %u was evicted", hot);
        }
    }
    if (eviction == EVICTION_TTL) {
        uint64_t soon = 0;
        uint64_t late = 0;

        for (uint32_t number = 0; number < model.keys; number++) {
            soon += model.records[number].version != 0 && number % 1000 < 300;
            late += model.records[number].version != 0 && number % 1000 >= 700;
        }
        cr_assert_lt(soon * 2, late, "%llu of what expires soon stayed, %llu of what does late",
                     (unsigned long long)soon, (unsigned long long)late);
    }
    model_get_all(&model);
    model_verify(&model);
    model_check_counts(&model);
    model_close(&model);
}

Test(engines_memory_limit, lru_keeps_what_is_read)
{
    evict_run(EVICTION_LRU, 3);
}

Test(engines_memory_limit, random_evicts)
{
    evict_run(EVICTION_RANDOM, 4);
}

Test(engines_memory_limit, ttl_evicts_what_expires_soon)
{
    evict_run(EVICTION_TTL, 5);
}

Test(engines_memory_limit, ttl_refuses_when_nothing_expires)
{
    struct model model;

    model_open(&model, 6, 200000,
               (struct engine_options){
                   .vnodes = 16, .memory_max_bytes = limit_bytes, .eviction = EVICTION_TTL});
    const uint32_t stored = fill_until_full(&model, 100);

    cr_assert_lt(stored, model.keys);
    cr_assert_eq(model.removed[ENGINE_REMOVED_EVICTED], 0);
    // One that expires makes room for another.
    model_delete(&model, 0);
    model_delete(&model, 1);
    cr_assert_eq(model_put(&model, 0, 100, 0, model.io.wall_ms + 5000), ENGINE_OK);
    cr_assert_eq(model_put(&model, 1, 100, 0, 0), ENGINE_OK);
    cr_assert_eq(model_put(&model, stored + 1, 90, 0, 0), ENGINE_OK);
    cr_assert_eq(model.records[0].version, 0);
    cr_assert_eq(model.removed[ENGINE_REMOVED_EVICTED], 1);
    model_close(&model);
}

// Everything at once at the limit: sizes up to the large ones, deletes, expiry, drops, snapshots
// that are broken when memory is short.
static void mixed_run(enum engine_eviction eviction, uint64_t seed)
{
    struct model model;
    struct engine_stats stats;
    uint32_t snapshot = 0;

    model_open(&model, seed, 30000,
               (struct engine_options){
                   .vnodes = 8, .memory_max_bytes = limit_bytes, .eviction = eviction});
    for (uint32_t i = 0; i < 120000; i++) {
        const uint32_t number = (uint32_t)random_below(&model.random, model.keys);
        const uint64_t kind = random_below(&model.random, 100);
        const uint64_t expire_ms =
            kind % 3 == 0 ? model.io.wall_ms + random_below(&model.random, 3000) : 0;

        if (kind < 70) {
            const uint64_t bytes_max = kind == 0 ? MODEL_OBJECT_BYTES_MAX : kind < 10 ? 5000 : 600;

            (void)model_put(&model, number, (uint32_t)random_below(&model.random, bytes_max), 0,
                            expire_ms);
        } else if (kind < 80) {
            model_delete(&model, number);
        } else {
            model_get(&model, number);
        }
        if (i % 50 == 0) {
            model.io.wall_ms += random_below(&model.random, 20);
            engine_step(model.engine, 16384);
        }
        if (i % 5000 == 0) {
            cr_assert_eq(engine_snapshot_open(model.engine, 0, &snapshot), 0);
        }
        if (i % 5000 == 3000) {
            engine_snapshot_close(model.engine, snapshot);
        }
        if (i % 40000 == 39999) {
            const uint32_t dropped = (uint32_t)random_below(&model.random, 8);

            engine_drop(model.engine, dropped);
            for (uint32_t key = 0; key < model.keys; key++) {
                if (model_vnode(&model, key) == dropped) {
                    model.records[key] = (struct model_record){0};
                }
            }
        }
        if (i % 8192 == 0) {
            model_check_counts(&model);
            model_verify(&model);
        }
    }
    engine_stats(model.engine, &stats);
    cr_assert(eviction == EVICTION_REFUSE ? stats.refused > 0 : stats.evicted > 0);
    model_get_all(&model);
    model_verify(&model);
    model_check_counts(&model);
    model_close(&model);
}

Test(engines_memory_limit, mixed_load_refusing)
{
    mixed_run(EVICTION_REFUSE, 10);
}

Test(engines_memory_limit, mixed_load_lru)
{
    mixed_run(EVICTION_LRU, 11);
}

Test(engines_memory_limit, mixed_load_random)
{
    mixed_run(EVICTION_RANDOM, 12);
}

Test(engines_memory_limit, mixed_load_ttl)
{
    mixed_run(EVICTION_TTL, 13);
    mixed_run(EVICTION_TTL, 23); // a sweep is given up for a snapshot, and its bound must not stay
}

// The limit can be lowered at run time: what is over it goes as puts come.
Test(engines_memory_limit, may_be_changed)
{
    struct model model;
    struct engine_stats stats;

    model_open(&model, 14, 100000, (struct engine_options){.vnodes = 16});
    for (uint32_t number = 0; number < 80000; number++) {
        cr_assert_eq(model_put(&model, number, 150, 0, 0), ENGINE_OK);
    }
    engine_set_memory_max(model.engine, UINT64_C(8) << 20, EVICTION_LRU);
    uint32_t refused = 0;

    for (uint32_t number = 80000; number < 100000; number++) {
        refused += model_put(&model, number, 150, 0, 0) != ENGINE_OK;
    }
    // While far above, a put may be refused: what it may evict is bounded.
    cr_assert_lt(refused, 200);
    engine_stats(model.engine, &stats);
    cr_assert_leq(stats.index_bytes + stats.data_bytes, UINT64_C(8) << 20);
    model_get_all(&model);
    model_verify(&model);
    model_close(&model);
}

Test(engines_memory_limit, too_little_for_anything_is_refused)
{
    struct model model;

    model_open(
        &model, 15, 100,
        (struct engine_options){.vnodes = 1, .memory_max_bytes = 4096, .eviction = EVICTION_LRU});
    cr_assert_eq(model_put(&model, 1, 10, 0, 0), ENGINE_FULL);
    model_get(&model, 1);
    model_close(&model);
}

// What is set aside is there, however much others put in between.
Test(engines_memory_limit, what_is_reserved_can_be_put)
{
    enum { RESERVED = 5000, BYTES = 150 };
    static const uint64_t reserved_bytes = (uint64_t)RESERVED * (BYTES + MODEL_KEY_BYTES_MAX);
    struct model model;

    model_open(&model, 16, 200000,
               (struct engine_options){.vnodes = 16, .memory_max_bytes = limit_bytes});
    cr_assert_eq(engine_reserve(model.engine, limit_bytes, 1), ENGINE_FULL, "more than there is");
    cr_assert_eq(engine_reserve(model.engine, reserved_bytes, RESERVED), ENGINE_OK);
    uint32_t number = RESERVED;

    for (uint32_t i = 0; i < RESERVED; i++) { // others go on until the end
        while (number < model.keys && model_put(&model, number, 100, 0, 0) == ENGINE_OK) {
            number++;
        }
        cr_assert_lt(number, model.keys);
        cr_assert_eq(model_put(&model, i, BYTES, ENGINE_RESERVED, 0), ENGINE_OK, "put %u", i);
    }
    engine_unreserve(model.engine, reserved_bytes, RESERVED);
    cr_assert_eq(engine_reserve(model.engine, reserved_bytes, RESERVED), ENGINE_FULL,
                 "now it is full");
    model_get_all(&model);
    model_verify(&model);
    model_close(&model);
}
