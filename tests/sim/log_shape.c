#include "tests/sim/log_shape.h"

#include "core/random.h"

static bool chance(struct random *random, uint32_t percent)
{
    return random_below(random, 100) < percent;
}

struct log_shape log_shape_draw(uint64_t seed)
{
    struct log_shape shape = {
        .remove_percent = 10, .reads_slow_per_mille = 20, .reads_slow_times = 500};
    struct random random;

    if (seed % 2 == 0) {
        return shape;
    }
    random_seed(&random, seed ^ UINT64_C(0x7368617065));
    if (chance(&random, 75)) {
        shape.churn_bytes = 8192U << random_below(&random, 4);
    }
    if (chance(&random, 20)) {
        shape.large_every = 8U << random_below(&random, 4);
    }
    if (chance(&random, 40)) {
        shape.remove_percent = 30;
    }
    if (chance(&random, 40)) {
        shape.reads_slow_per_mille = 60;
        shape.reads_slow_times = 20U << random_below(&random, 6);
    }
    if (chance(&random, 30)) {
        shape.drop_every = 100U << random_below(&random, 5);
    }
    if (chance(&random, 30)) {
        shape.rot_percent = 70;
    }
    shape.unsynced = chance(&random, 30);
    shape.power_loss = chance(&random, 40);
    shape.forgetful = chance(&random, 50);
    return shape;
}
