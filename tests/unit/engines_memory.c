// The memory engine against a plain model.
#include "tests/unit/engines_model.h"

static uint32_t object_size(struct random *random)
{
    const uint64_t kind = random_below(random, 100);

    if (kind < 70) {
        return (uint32_t)random_below(random, 200);
    }
    if (kind < 97) {
        return (uint32_t)random_below(random, 3000);
    }
    return (uint32_t)random_below(random, MODEL_OBJECT_BYTES_MAX);
}

static void random_step(struct model *model, uint32_t put_percent)
{
    struct random *const random = &model->random;
    const uint32_t number = (uint32_t)random_below(random, model->keys);
    const uint64_t kind = random_below(random, 100);

    if (kind < put_percent) {
        const uint32_t flags = random_below(random, 10) == 0 ? ENGINE_TOMBSTONE : 0;
        const uint64_t expire_ms =
            random_below(random, 4) == 0 ? model->io.wall_ms + random_below(random, 2000) : 0;
        // Often the size that is there, which is written in place.
        const uint32_t bytes = random_below(random, 2) == 0 && model->records[number].version != 0
                                   ? model->records[number].bytes
                                   : object_size(random);

        cr_assert_eq(model_put(model, number, bytes, flags, expire_ms), ENGINE_OK);
    } else if (kind < 90) {
        model_delete(model, number);
    } else {
        model_get(model, number);
    }
    if (random_below(random, 64) == 0) {
        engine_step(model->engine, 16384);
        model->io.wall_ms += random_below(random, 10);
    }
}

static void random_run(uint64_t seed, uint32_t keys, uint32_t steps, struct engine_options options)
{
    struct model model;

    model_open(&model, seed, keys, options);
    for (uint32_t phase = 0; phase < 6; phase++) {
        for (uint32_t i = 0; i < steps; i++) {
            random_step(&model, phase % 2 == 0 ? 75 : 25);
        }
        model_get_all(&model);
        model_verify(&model);
        model_check_counts(&model);
    }
    // Down to nothing.
    for (uint32_t number = 0; number < keys; number++) {
        model_delete(&model, number);
    }
    while (engine_step(model.engine, 65536)) {
    }
    model_verify(&model);
    model_check_counts(&model);
    model_close(&model);
}

Test(engines_memory, follows_the_model)
{
    for (uint64_t seed = 1; seed <= 3; seed++) {
        random_run(seed, 20000, 60000, (struct engine_options){.vnodes = 16});
    }
}

Test(engines_memory, follows_the_model_in_one_vnode)
{
    random_run(4, 5000, 30000, (struct engine_options){.vnodes = 1});
}

Test(engines_memory, follows_the_model_in_many_vnodes)
{
    random_run(5, 20000, 60000, (struct engine_options){.vnodes = 1000});
}

Test(engines_memory, tells_keys_with_one_hash_apart)
{
    random_run(6, 700, 20000, (struct engine_options){.vnodes = 2, .hash = model_bad_hash});
}

// Batches take effect in their order, also on one key.
Test(engines_memory, batches_take_effect_in_order)
{
    enum { OPS = 100 };
    struct model model;
    struct engine_op ops[OPS];
    struct engine_op *pointers[OPS];
    uint8_t keys[OPS][MODEL_KEY_BYTES_MAX];
    uint8_t objects[OPS][64];

    model_open(&model, 10, 30, (struct engine_options){.vnodes = 4});
    for (uint32_t round = 0; round < 2000; round++) {
        const uint32_t count = (uint32_t)random_below(&model.random, OPS + 1);
        const uint64_t kind = random_below(&model.random, 4);
        bool there[OPS];

        for (uint32_t i = 0; i < count; i++) {
            const uint32_t number = (uint32_t)random_below(&model.random, model.keys);

            ops[i] = model_op(&model, number, keys[i]);
            pointers[i] = &ops[i];
            there[i] = model.records[number].version != 0;
            if (kind < 2) {
                const uint32_t bytes = (uint32_t)random_below(&model.random, 64);

                model.records[number] = (struct model_record){++model.version, bytes, 0, 0};
                model_object(number, model.version, bytes, objects[i]);
                ops[i].parts[1] = slice_of(objects[i], bytes);
            } else if (kind == 2) {
                model.records[number] = (struct model_record){0};
            }
        }
        if (random_below(&model.random, 2) == 0) {
            engine_prepare(model.engine, pointers, count);
        }
        if (kind < 2) {
            engine_put(model.engine, pointers, count);
        } else if (kind == 2) {
            engine_remove(model.engine, pointers, count);
        } else {
            engine_get(model.engine, pointers, count);
        }
        for (uint32_t i = 0; i < count; i++) {
            if (kind < 2) {
                cr_assert_eq(ops[i].status, ENGINE_OK);
            } else {
                cr_assert_eq(ops[i].status, there[i] ? ENGINE_OK : ENGINE_MISS);
            }
            if (kind == 3 && there[i]) {
                model_compare(&model, model_number(ops[i].key), ops[i].object, ops[i].flags,
                              ops[i].expire_ms);
            }
        }
        model_get_all(&model);
    }
    model_verify(&model);
    model_close(&model);
}

static enum engine_status put_bytes(struct engine *engine, const uint8_t *key, size_t key_bytes,
                                    const uint8_t *object, size_t object_bytes)
{
    struct engine_op op = {
        .key = slice_of(key, key_bytes),
        .parts = {slice_of(object, object_bytes / 3),
                  slice_of(object + object_bytes / 3, object_bytes - object_bytes / 3)},
    };
    struct engine_op *ops[1] = {&op};

    op.hash = memory_hash((struct memory_engine *)engine, op.key);
    engine_put(engine, ops, 1);
    return op.status;
}

static void expect_bytes(struct engine *engine, const uint8_t *key, size_t key_bytes,
                         const uint8_t *object, size_t object_bytes)
{
    struct engine_op op = {.key = slice_of(key, key_bytes)};
    struct engine_op *ops[1] = {&op};

    op.hash = memory_hash((struct memory_engine *)engine, op.key);
    engine_get(engine, ops, 1);
    cr_assert_eq(op.status, ENGINE_OK);
    cr_assert(slice_equal(op.object, slice_of(object, object_bytes)));
}

Test(engines_memory, takes_every_length)
{
    static const size_t key_sizes[] = {0, 1, 255, 256, 65535};
    static const size_t object_sizes[] = {
        0, 1, 255, 256, LARGE_RECORD_BYTES - 30, 65535, 65536, 1 << 20, (64 << 20) + 7, 3,
    };
    struct io io = {.wall_ms = 1};
    struct engine_options options = {.io = &io, .vnodes = 1, .record_max_bytes = 65 << 20};
    uint8_t *const bytes = malloc(65 << 20);
    struct engine *engine = NULL;
    struct engine_stats stats;

    for (uint32_t i = 0; i < 65 << 20; i++) {
        bytes[i] = (uint8_t)(i * 31 >> 3);
    }
    cr_assert_eq(memory_engine_open(&options, &engine), 0);
    for (size_t round = 0; round < 2; round++) {
        for (size_t o = 0; o < sizeof object_sizes / sizeof object_sizes[0]; o++) {
            for (size_t k = 0; k < sizeof key_sizes / sizeof key_sizes[0]; k++) {
                cr_assert_eq(put_bytes(engine, bytes + k, key_sizes[k], bytes + o, object_sizes[o]),
                             ENGINE_OK);
            }
            for (size_t k = 0; k < sizeof key_sizes / sizeof key_sizes[0]; k++) {
                expect_bytes(engine, bytes + k, key_sizes[k], bytes + o, object_sizes[o]);
            }
            engine_step(engine, 1 << 20);
        }
    }
    cr_assert_eq(put_bytes(engine, bytes, 65536, bytes, 1), ENGINE_TOO_LARGE);
    cr_assert_eq(put_bytes(engine, bytes, 1, bytes, 65 << 20), ENGINE_TOO_LARGE);
    engine_stats(engine, &stats);
    cr_assert_eq(stats.records, 5);
    while (engine_step(engine, 1 << 20)) {
    }
    engine_stats(engine, &stats);
    cr_assert_lt(stats.data_bytes, 4 << 20);
    engine_close(engine);
    free(bytes);
}

static void forget_vnode(struct model *model, uint32_t vnode)
{
    for (uint32_t number = 0; number < model->keys; number++) {
        if (vnode == ENGINE_ALL_VNODES || model_vnode(model, number) == vnode) {
            model->records[number] = (struct model_record){0};
        }
    }
}

// Dropped at once for readers, with writers going on while the memory comes back.
Test(engines_memory, drops_vnodes)
{
    struct model model;

    model_open(&model, 11, 30000, (struct engine_options){.vnodes = 8});
    for (uint32_t round = 0; round < 24; round++) {
        const uint32_t vnode =
            round % 6 == 5 ? ENGINE_ALL_VNODES : (uint32_t)random_below(&model.random, 8);

        for (uint32_t i = 0; i < 20000; i++) {
            random_step(&model, 80);
        }
        engine_drop(model.engine, vnode);
        forget_vnode(&model, vnode);
        cr_assert_eq(engine_count(model.engine, vnode), 0);
        model_get_all(&model);
        if (round % 2 == 0) {
            engine_drop(model.engine, vnode); // nothing is there any more
            model_verify(&model);
        } else {
            while (engine_step(model.engine, 4096)) {
            }
            model_verify(&model);
            model_check_counts(&model);
        }
    }
    for (uint32_t i = 0; i < 20000; i++) {
        random_step(&model, 80);
    }
    engine_drop(model.engine, ENGINE_ALL_VNODES);
    forget_vnode(&model, ENGINE_ALL_VNODES);
    uint32_t steps = 0;

    while (engine_step(model.engine, 4096)) {
        steps++;
    }
    cr_assert_gt(steps, 3, "memory comes back in slices");
    struct engine_stats stats;

    engine_stats(model.engine, &stats);
    cr_assert_eq(stats.data_bytes, 0);
    cr_assert_lt(stats.index_bytes, 32 << 10);
    cr_assert_eq(stats.live_bytes, 0);
    model_verify(&model);
    model_close(&model);
}

// A table that is being given up when all is dropped must not touch its records any more.
Test(engines_memory, drops_all_while_a_vnode_is_being_dropped)
{
    struct model model;

    model_open(&model, 18, 30000, (struct engine_options){.vnodes = 8});
    for (uint32_t round = 0; round < 4; round++) {
        for (uint32_t number = 0; number < model.keys; number++) {
            cr_assert_eq(model_put(&model, number, 100 + round, 0, 0), ENGINE_OK);
        }
        engine_drop(model.engine, round);
        engine_drop(model.engine, ENGINE_ALL_VNODES);
        forget_vnode(&model, ENGINE_ALL_VNODES);
        // Segments are freed first, and new records come to lie where the old ones were.
        for (uint32_t number = 0; number < 2000; number++) {
            cr_assert_eq(model_put(&model, number, 90, 0, 0), ENGINE_OK);
            engine_step(model.engine, 1024);
        }
        while (engine_step(model.engine, 65536)) {
        }
        model_get_all(&model);
        model_verify(&model);
        model_check_counts(&model);
    }
    model_close(&model);
}

// What nobody reads is reaped all the same, soon after its time, and no step looks at much.
Test(engines_memory, reaps_what_has_expired)
{
    struct model model;
    struct engine_stats stats;

    model_open(&model, 12, 40000, (struct engine_options){.vnodes = 16});
    for (uint32_t number = 0; number < model.keys; number++) {
        const uint64_t expire_ms = number % 4 == 0 ? 0 : model.io.wall_ms + 1 + number % 1000;

        cr_assert_eq(model_put(&model, number, 100, 0, expire_ms), ENGINE_OK);
    }
    while (engine_step(model.engine, 65536)) {
    }
    cr_assert_eq(model.removed[ENGINE_REMOVED_EXPIRED], 0);
    // A second of steps, ten milliseconds apart.
    for (uint32_t tick = 0; tick < 100; tick++) {
        model.io.wall_ms += 10;
        engine_step(model.engine, 65536);
    }
    cr_assert_gt(model.removed[ENGINE_REMOVED_EXPIRED], 15000);
    // Looked through, a segment knows again what does not expire before: it is left alone until
    // then.
    const struct memory_engine *const engine = model_memory(&model);

    while (engine_step(model.engine, 65536)) {
    }
    for (uint32_t i = 0; i < 512; i++) { // 128 MiB hold them all
        if (engine->segments[i].state == SEGMENT_FULL) {
            cr_assert_gt(engine->segments[i].expire_ms_min, model.io.wall_ms - 250);
        }
    }
    model.io.wall_ms += 1000;
    while (engine_step(model.engine, 65536)) {
    }
    engine_stats(model.engine, &stats);
    cr_assert_eq(stats.expired, 30000);
    cr_assert_eq(stats.with_expiry, 0);
    cr_assert_eq(model.removed[ENGINE_REMOVED_EXPIRED], 30000);
    model_get_all(&model);
    model_verify(&model);
    model_check_counts(&model);
    model_close(&model);
}

// A read of an expired record is a miss, and the next step tells of it.
Test(engines_memory, a_read_finds_what_has_expired)
{
    struct model model;

    model_open(&model, 13, 100, (struct engine_options){.vnodes = 1});
    cr_assert_eq(model_put(&model, 7, 50, 0, model.io.wall_ms + 5), ENGINE_OK);
    model_get(&model, 7);
    model.io.wall_ms += 5;
    model_get(&model, 7);
    cr_assert_eq(model.removed[ENGINE_REMOVED_EXPIRED], 0);
    engine_step(model.engine, 128);
    cr_assert_eq(model.removed[ENGINE_REMOVED_EXPIRED], 1);
    model_get(&model, 7);
    // Replaced or deleted before the step: told of once, too.
    for (uint32_t i = 0; i < 2; i++) {
        cr_assert_eq(model_put(&model, 8, 50, 0, model.io.wall_ms + 5), ENGINE_OK);
        model.io.wall_ms += 5;
        model_get(&model, 8);
        if (i == 0) {
            cr_assert_eq(model_put(&model, 8, 50, 0, 0), ENGINE_OK);
        } else {
            model_delete(&model, 8);
        }
        engine_step(model.engine, 128);
        cr_assert_eq(model.removed[ENGINE_REMOVED_EXPIRED], 2 + i);
    }
    model_get_all(&model);
    model_close(&model);
}

struct scan_seen {
    struct model *model;
    uint32_t *counts;
};

static bool see_record(void *context, const struct engine_record *record)
{
    const struct scan_seen *const seen = context;
    const uint32_t number = model_number(record->key);

    seen->counts[number]++;
    model_compare(seen->model, number, record->object, record->flags, record->expire_ms);
    return true;
}

Test(engines_memory, scans_show_all_that_stays)
{
    struct model model;
    struct scan_seen seen = {.model = &model};
    const uint32_t steady = 4000;

    model_open(&model, 14, 40000, (struct engine_options){.vnodes = 3});
    for (uint32_t number = 0; number < model.keys; number++) {
        cr_assert_eq(model_put(&model, number, number % 300, 0, 0), ENGINE_OK);
    }
    seen.counts = calloc(model.keys, sizeof seen.counts[0]);
    for (uint32_t vnode = 0; vnode < 3; vnode++) {
        struct engine_scan scan = {.each = see_record, .context = &seen, .vnode = vnode};
        uint32_t calls = 0;

        do {
            cr_assert_eq(engine_scan(model.engine, &scan, 10), ENGINE_OK);
            for (uint32_t i = 0; i < 200; i++) {
                const uint32_t number =
                    steady + (uint32_t)random_below(&model.random, model.keys - steady);

                if (calls % 200 < 100) {
                    model_delete(&model, number);
                } else {
                    cr_assert_eq(model_put(&model, number, 50, 0, 0), ENGINE_OK);
                }
            }
            calls++;
        } while (scan.cursor != 0);
        cr_assert_gt(calls, 50);
    }
    for (uint32_t number = 0; number < steady; number++) {
        cr_assert_eq(seen.counts[number], 1);
    }
    struct engine_scan scan = {.each = see_record, .context = &seen, .cursor = UINT64_MAX};

    cr_assert_eq(engine_scan(model.engine, &scan, 1), ENGINE_OK);
    cr_assert_eq(scan.cursor, 0);
    free(seen.counts);
    model_close(&model);
}

struct sampling {
    struct model *model;
    uint64_t samples[200];
};

static bool see_sample(void *context, const struct engine_record *record)
{
    struct sampling *const sampling = context;

    model_compare(sampling->model, model_number(record->key), record->object, record->flags,
                  record->expire_ms);
    sampling->samples[record->vnode]++;
    return true;
}

Test(engines_memory, counts_and_samples_by_vnode)
{
    struct model model;
    uint64_t counts[200] = {0};
    struct sampling sampling = {.model = &model};
    struct engine_scan scan = {.each = see_sample, .context = &sampling};

    model_open(&model, 15, 3000, (struct engine_options){.vnodes = 200});
    cr_assert_eq(engine_sample(model.engine, &scan, 1), ENGINE_MISS);
    for (uint32_t number = 0; number < model.keys; number += number < 2000 ? 1 : 20) {
        const uint32_t flags = number % 10 == 0 ? ENGINE_TOMBSTONE : 0;

        cr_assert_eq(model_put(&model, number, 30, flags, 0), ENGINE_OK);
        counts[model_vnode(&model, number)] += flags == 0;
    }
    for (uint32_t vnode = 0; vnode < 200; vnode++) {
        cr_assert_eq(engine_count(model.engine, vnode), counts[vnode]);
    }
    for (uint32_t i = 0; i < 100000; i++) {
        cr_assert_eq(engine_sample(model.engine, &scan, random_u64(&model.random)), ENGINE_OK);
    }
    for (uint32_t vnode = 0; vnode < 200; vnode++) {
        cr_assert(counts[vnode] == 0 || sampling.samples[vnode] > 0);
    }
    model_close(&model);
}

#ifndef __SANITIZE_ADDRESS__
static uint64_t resident_bytes(void)
{
    FILE *const file = fopen("/proc/self/statm", "r");
    char text[128] = "";
    char *end = NULL;

    cr_assert_neq(file, NULL);
    const size_t size = fread(text, 1, sizeof text - 1, file);

    cr_assert_gt(size, 0);
    fclose(file);
    (void)strtoull(text, &end, 10);
    return strtoull(end, NULL, 10) * 4096;
}

Test(engines_memory, takes_little_while_it_holds_little)
{
    struct model model;
    const uint64_t before = resident_bytes();

    model_open(&model, 16, 2000, (struct engine_options){.vnodes = 256});
    cr_assert_lt(resident_bytes() - before, 1 << 20);
    for (uint32_t number = 0; number < model.keys; number++) {
        cr_assert_eq(model_put(&model, number, 100, 0, 0), ENGINE_OK);
    }
    cr_assert_lt(resident_bytes() - before, 6 << 20);
    model_close(&model);
}

// After a flush the memory is the system's again.
Test(engines_memory, gives_memory_back)
{
    struct model model;

    model_open(&model, 17, 600000, (struct engine_options){.vnodes = 64});
    const uint64_t before = resident_bytes();

    for (uint32_t number = 0; number < model.keys; number++) {
        cr_assert_eq(model_put(&model, number, 200, 0, 0), ENGINE_OK);
    }
    cr_assert_gt(resident_bytes() - before, 120 << 20);
    engine_drop(model.engine, ENGINE_ALL_VNODES);
    forget_vnode(&model, ENGINE_ALL_VNODES);
    while (engine_step(model.engine, 65536)) {
    }
    cr_assert_lt(resident_bytes() - before, 24 << 20);
    model_close(&model);
}
#endif
