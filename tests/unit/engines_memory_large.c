// Large records: what a put keeps of one, and what room it needs beside it.
#include "tests/unit/engines_model.h"

enum { MIB = 1 << 20 };

// Puts `head_bytes` before the last `tail_bytes` of what is there. The object must then be that.
static enum engine_status put_head(struct model *model, uint32_t number, const uint8_t *head,
                                   size_t head_bytes, uint64_t tail_bytes, uint64_t expire_ms)
{
    uint8_t key[MODEL_KEY_BYTES_MAX];
    struct engine_op op = model_op(model, number, key);
    struct engine_op *ops[1] = {&op};

    op.parts[0] = slice_of(head, head_bytes / 2);
    op.parts[1] = slice_of(head + head_bytes / 2, head_bytes - head_bytes / 2);
    op.tail_bytes = tail_bytes;
    op.expire_ms = expire_ms;
    engine_put(model->engine, ops, 1);
    return op.status;
}

static struct slice object_of(struct model *model, uint32_t number, uint64_t *ret_expire_ms)
{
    uint8_t key[MODEL_KEY_BYTES_MAX];
    struct engine_op op = model_op(model, number, key);
    struct engine_op *ops[1] = {&op};

    engine_get(model->engine, ops, 1);
    cr_assert_eq(op.status, ENGINE_OK);
    *ret_expire_ms = op.expire_ms;
    return op.object;
}

// Heads that grow, shrink and stay, before tails of all sizes, against a plain copy.
static void tail_run(uint64_t seed, uint32_t bytes_max, bool snapshots)
{
    enum { KEYS = 8, HEAD_MAX = 200 };
    struct model model;
    uint8_t *objects[KEYS];
    size_t sizes[KEYS] = {0};
    uint8_t head[HEAD_MAX];
    uint32_t snapshot = 0;

    model_open(&model, seed, KEYS, (struct engine_options){.vnodes = 2});
    for (uint32_t i = 0; i < KEYS; i++) {
        objects[i] = malloc(bytes_max + 100 * HEAD_MAX);
    }
    for (uint32_t round = 0; round < 1500; round++) {
        struct random *const random = &model.random;
        const uint32_t number = (uint32_t)random_below(random, KEYS);
        const size_t size = sizes[number];
        const size_t cut = size != 0 ? random_below(random, size < 100 ? size : 100) : 0;
        const size_t head_bytes = random_below(random, HEAD_MAX);
        uint64_t expire_ms = random_below(random, 2) * (model.io.wall_ms + 5);
        uint64_t found_ms;

        if (snapshots && round % 8 == 0) {
            if (round != 0) {
                engine_snapshot_close(model.engine, snapshot);
                while (engine_step(model.engine, 65536)) {
                }
            }
            cr_assert_eq(engine_snapshot_open(model.engine, 0, &snapshot), 0);
        }
        if (size == 0 || size > bytes_max + 90 * HEAD_MAX || round % 16 == 0) {
            const uint32_t bytes = 1 + (uint32_t)random_below(random, bytes_max);

            cr_assert_eq(model_put(&model, number, bytes, 0, 0), ENGINE_OK);
            memcpy(objects[number], model.object, bytes);
            sizes[number] = bytes;
            continue;
        }
        for (size_t i = 0; i < head_bytes; i++) {
            head[i] = (uint8_t)random_u64(random);
        }
        memmove(objects[number] + head_bytes, objects[number] + cut, size - cut);
        memcpy(objects[number], head, head_bytes);
        sizes[number] = head_bytes + size - cut;
        cr_assert_eq(put_head(&model, number, head, head_bytes, size - cut, expire_ms), ENGINE_OK);

        const struct slice object = object_of(&model, number, &found_ms);

        cr_assert_eq(found_ms, expire_ms);
        cr_assert_eq(object.size, sizes[number]);
        cr_assert_eq(memcmp(object.bytes, objects[number], object.size), 0);
        if (round % 64 == 0) {
            while (engine_step(model.engine, 65536)) {
            }
            model_verify(&model);
        }
    }
    model_verify(&model);
    for (uint32_t i = 0; i < KEYS; i++) {
        free(objects[i]);
    }
    model_close(&model);
}

Test(engines_memory_large, tails_are_kept)
{
    tail_run(1, 300, false);
    tail_run(2, 60000, false);
    tail_run(3, 400000, false);
    tail_run(4, 400000, true);
}

Test(engines_memory_large, no_tail_is_a_miss)
{
    struct model model;
    const uint8_t head[4] = {1, 2, 3, 4};

    model_open(&model, 5, 4, (struct engine_options){.vnodes = 1});
    cr_assert_eq(put_head(&model, 1, head, 4, 10, 0), ENGINE_MISS);
    cr_assert_eq(model_put(&model, 1, 9, 0, model.io.wall_ms + 10), ENGINE_OK);
    cr_assert_eq(put_head(&model, 1, head, 4, 10, 0), ENGINE_MISS);
    cr_assert_eq(put_head(&model, 1, head, 4, 9, model.io.wall_ms + 10), ENGINE_OK);
    model.io.wall_ms += 10;
    cr_assert_eq(put_head(&model, 1, head, 4, 9, 0), ENGINE_MISS);
    model_close(&model);
}

// An expiry comes and goes, and the value lies where it lay: nothing of it was copied.
Test(engines_memory_large, an_expiry_leaves_the_value_where_it_is)
{
    const uint32_t bytes = 64 * MIB;
    const uint8_t head[32] = {7};
    struct model model;
    uint64_t expire_ms;

    model_open(&model, 6, 4,
               (struct engine_options){.vnodes = 1, .memory_max_bytes = UINT64_C(256) * MIB});
    cr_assert_eq(model_put(&model, 1, bytes, 0, 0), ENGINE_OK);

    const uint8_t *const end = object_of(&model, 1, &expire_ms).bytes + bytes;

    cr_assert_eq(put_head(&model, 1, head, 32, bytes - 12, model.io.wall_ms + 1000), ENGINE_OK);

    struct slice object = object_of(&model, 1, &expire_ms);

    cr_assert_eq(object.bytes + object.size, end);
    cr_assert_eq(object.size, bytes + 20);
    cr_assert_eq(expire_ms, model.io.wall_ms + 1000);
    cr_assert_eq(put_head(&model, 1, head, 12, bytes - 12, 0), ENGINE_OK);
    object = object_of(&model, 1, &expire_ms);
    cr_assert_eq(object.bytes + object.size, end);
    cr_assert_eq(object.size, bytes);
    cr_assert_eq(expire_ms, 0);
    model_verify(&model);
    model_close(&model);
}

// Three values of 64 MiB fit into 256 MiB, and each can be replaced, by a longer one and a shorter
// one too, though the old and the new one together would not fit.
Test(engines_memory_large, what_fits_is_not_refused)
{
    static const enum engine_eviction policies[] = {EVICTION_REFUSE, EVICTION_LRU, EVICTION_TTL};
    static const uint32_t sizes[] = {64 * MIB, 64 * MIB - 100000, 50 * MIB,
                                     64 * MIB, 20 * MIB,          64 * MIB};

    for (size_t p = 0; p < sizeof policies / sizeof policies[0]; p++) {
        struct model model;
        struct engine_stats stats;

        model_open(&model, 7, 200,
                   (struct engine_options){.vnodes = 16,
                                           .memory_max_bytes = UINT64_C(256) * MIB,
                                           .eviction = policies[p]});
        for (uint32_t i = 0; i < 3 * sizeof sizes / sizeof sizes[0]; i++) {
            cr_assert_eq(model_put(&model, i % 3, sizes[i / 3], 0, 0), ENGINE_OK);
            engine_stats(model.engine, &stats);
            cr_assert_leq(stats.index_bytes + stats.data_bytes, stats.memory_max_bytes);
        }
        cr_assert_eq(stats.evicted, 0);
        // There is room for small ones beside them.
        for (uint32_t i = 3; i < 200; i++) {
            cr_assert_eq(model_put(&model, i, 1000, 0, 0), ENGINE_OK);
        }
        model_get_all(&model);
        // A fourth does not fit; a small one in place of a large one does, and makes room for it.
        if (policies[p] != EVICTION_LRU) {
            cr_assert_eq(model_put(&model, 4, 64 * MIB, 0, 0), ENGINE_FULL);
        }
        cr_assert_eq(model_put(&model, 0, 100, 0, 0), ENGINE_OK);
        cr_assert_eq(model_put(&model, 4, 64 * MIB, 0, 0), ENGINE_OK);
        cr_assert_eq(model_put(&model, 1, 10, 0, model.io.wall_ms + 5), ENGINE_OK);
        model.io.wall_ms += 10;
        while (engine_step(model.engine, 65536)) {
        }
        model_get_all(&model);
        model_verify(&model);
        model_check_counts(&model);
        model_close(&model);
    }
}
