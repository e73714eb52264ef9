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
