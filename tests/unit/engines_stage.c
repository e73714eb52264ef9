// Stages: records that are put together over several turns, in the memory engine; and pins of the
// log engine. That what was staged reads as what was put at once is the models' matter, which stage
// every second long object.
#include "tests/unit/engines_model.h"

enum { MIB = 1 << 20 };

static uint64_t data_bytes(struct model *model)
{
    struct engine_stats stats;

    engine_stats(model->engine, &stats);
    return stats.data_bytes;
}

static uint64_t evicted(struct model *model)
{
    return model->removed[ENGINE_REMOVED_EVICTED];
}

Test(engines_stage, one_that_is_given_up_leaves_nothing)
{
    struct model model;
    uint8_t key[MODEL_KEY_BYTES_MAX];

    model_open(&model, 1, 4, (struct engine_options){.vnodes = 2});
    cr_assert_eq(model_put(&model, 1, 100, 0, 0), ENGINE_OK);
    const uint64_t before = data_bytes(&model);

    for (uint32_t number = 0; number < 4; number++) {
        struct engine_op op = model_op(&model, number, key);
        struct engine_stage stage = {.bytes = 5 * MIB};

        cr_assert_eq(engine_stage_open(model.engine, &op, &stage), ENGINE_OK);
        memset(stage.object, 'x', stage.bytes);
        cr_assert_geq(data_bytes(&model), before + 5 * MIB, "it counts as taken");
        model_get_all(&model); // nobody sees it
        engine_stage_close(model.engine, &stage);
        engine_stage_close(model.engine, &stage); // of one that is not open: nothing
        cr_assert_eq(data_bytes(&model), before);
        while (engine_step(model.engine, 1 << 16)) {
        }
    }
    model_verify(&model);
    model_close(&model);
}

Test(engines_stage, its_room_is_made_in_slices)
{
    enum { KEYS = 400000 };
    struct model model;
    uint8_t key[MODEL_KEY_BYTES_MAX];
    uint32_t calls = 0;

    model_open(&model, 2, KEYS,
               (struct engine_options){
                   .vnodes = 2, .memory_max_bytes = 32 * MIB, .eviction = EVICTION_LRU});
    for (uint32_t number = 1; number < KEYS && evicted(&model) == 0; number++) {
        cr_assert_eq(model_put(&model, number, 100, 0, 0), ENGINE_OK);
    }
    struct engine_op op = model_op(&model, 0, key);
    struct engine_stage stage = {.bytes = 8 * MIB};
    enum engine_status status = ENGINE_PENDING;
    uint64_t most = 0;

    while (status == ENGINE_PENDING) {
        const uint64_t before = evicted(&model);

        status = engine_stage_open(model.engine, &op, &stage);
        most = evicted(&model) - before > most ? evicted(&model) - before : most;
        calls++;
    }
    cr_assert_eq(status, ENGINE_OK);
    cr_assert_gt(evicted(&model), 30000);
    cr_assert_lt(most, 1000, "%zu records went in one call", (size_t)most);
    cr_assert_gt(calls, 50);
    model_object(0, 7, 8 * MIB, model.object);
    memcpy(stage.object, model.object, 8 * MIB);
    struct engine_op *ops[1] = {&op};

    op.flags = ENGINE_STAGED;
    op.stage = &stage;
    engine_put(model.engine, ops, 1);
    cr_assert_eq(op.status, ENGINE_OK);
    cr_assert_null(stage.object, "the record has it");
    model.records[0] = (struct model_record){.version = 7, .bytes = 8 * MIB};
    model_get(&model, 0);
    model_verify(&model);
    model_check_counts(&model);
    model_close(&model);
}

// A put gives up the old one first; for a stage both would have to have room.
Test(engines_stage, what_replaces_a_large_record_at_the_limit_evicts_nothing)
{
    struct model model;
    uint8_t key[MODEL_KEY_BYTES_MAX];

    model_open(&model, 3, 1000,
               (struct engine_options){
                   .vnodes = 2, .memory_max_bytes = 32 * MIB, .eviction = EVICTION_LRU});
    cr_assert_eq(model_put(&model, 0, 20 * MIB, 0, 0), ENGINE_OK);
    for (uint32_t number = 1; number < 1000; number++) {
        cr_assert_eq(model_put(&model, number, 1000, 0, 0), ENGINE_OK);
    }
    struct engine_op op = model_op(&model, 0, key);
    struct engine_stage stage = {.bytes = 21 * MIB};

    cr_assert_eq(engine_stage_open(model.engine, &op, &stage), ENGINE_FULL);
    cr_assert_eq(evicted(&model), 0);
    cr_assert_eq(model_put(&model, 0, 21 * MIB, 0, 0), ENGINE_OK);
    cr_assert_eq(evicted(&model), 0);
    model_verify(&model);
    model_close(&model);
}

Test(engines_stage, all_may_be_dropped_meanwhile)
{
    struct model model;
    uint8_t key[MODEL_KEY_BYTES_MAX];

    model_open(&model, 4, 10, (struct engine_options){.vnodes = 2});
    for (uint32_t number = 0; number < 10; number++) {
        cr_assert_eq(model_put(&model, number, 100000, 0, 0), ENGINE_OK);
    }
    struct engine_op op = model_op(&model, 0, key);
    struct engine_op *ops[1] = {&op};
    struct engine_stage stage = {.bytes = MIB};

    cr_assert_eq(engine_stage_open(model.engine, &op, &stage), ENGINE_OK);
    engine_drop(model.engine, ENGINE_ALL_VNODES);
    memset(model.records, 0, 10 * sizeof *model.records);
    while (engine_step(model.engine, 1 << 16)) {
    }
    model_object(0, 9, MIB, model.object);
    memcpy(stage.object, model.object, MIB);
    op.flags = ENGINE_STAGED;
    op.stage = &stage;
    engine_put(model.engine, ops, 1);
    cr_assert_eq(op.status, ENGINE_OK);
    model.records[0] = (struct model_record){.version = 9, .bytes = MIB};
    model_get_all(&model);
    model_verify(&model);
    model_check_counts(&model);
    model_close(&model);
}

static bool count_record(void *context, const struct engine_record *record)
{
    uint32_t *const count = context;

    (void)record;
    (*count)++;
    return true;
}

// It is as new as its put, not as its stage.
Test(engines_stage, a_snapshot_from_between_does_not_show_it)
{
    struct model model;
    uint8_t key[MODEL_KEY_BYTES_MAX];
    uint32_t snapshot, count = 0;

    model_open(&model, 5, 4, (struct engine_options){.vnodes = 1});
    cr_assert_eq(model_put(&model, 1, 100, 0, 0), ENGINE_OK);
    struct engine_op op = model_op(&model, 0, key);
    struct engine_op *ops[1] = {&op};
    struct engine_stage stage = {.bytes = MIB};
    struct engine_scan scan = {.each = count_record, .context = &count};

    cr_assert_eq(engine_stage_open(model.engine, &op, &stage), ENGINE_OK);
    cr_assert_eq(engine_snapshot_open(model.engine, 0, &snapshot), 0);
    memset(stage.object, 1, MIB);
    op.flags = ENGINE_STAGED;
    op.stage = &stage;
    engine_put(model.engine, ops, 1);
    cr_assert_eq(op.status, ENGINE_OK);
    while (engine_snapshot_scan(model.engine, snapshot, &scan, 16) == 1) {
    }
    cr_assert_eq(count, 1);
    engine_snapshot_close(model.engine, snapshot);
    model_close(&model);
}
