#include "tests/sim/log_shape.h"

#include "core/random.h"
#include "engines/log.h"

#include <string.h>

enum { COLD_BYTES_MAX = 12 << 10 };

static bool chance(struct random *random, uint32_t percent)
{
    return random_below(random, 100) < percent;
}

// What is found with several at once only.
static void lean(struct random *random, struct log_shape *shape)
{
    switch (random_below(random, 5)) {
    case 0: // syncs that lag behind writers
        shape->churn_bytes = UINT32_C(65536) << random_below(random, 2);
        shape->turn_ns = 20000;
        shape->unsynced = shape->power_loss = shape->forgetful = true;
        return;
    case 1: // reads of what compaction moves
        shape->crowd = 400;
        shape->churn_bytes = UINT32_C(32768) << random_below(random, 2);
        shape->turn_ns = UINT64_C(200000) << random_below(random, 3);
        shape->reads_slow_per_mille = 60;
        shape->reads_slow_times = 20U << random_below(random, 6);
        return;
    case 2: // removals that have to outlive what they removed
        shape->crowd = 400;
        shape->churn_bytes = UINT32_C(32768) << random_below(random, 2);
        shape->turn_ns = UINT64_C(200000) << random_below(random, 3);
        shape->remove_percent = 30;
        shape->rot_percent = 70;
        return;
    case 3: // what has expired, is reaped, and is put anew
        shape->crowd = 400;
        shape->churn_bytes = UINT32_C(32768) << random_below(random, 2);
        shape->turn_ns = UINT64_C(50000) << random_below(random, 3);
        shape->expire_percent = 40;
        shape->expire_ms_max = 4U << random_below(random, 8);
        return;
    default:
        return;
    }
}

struct log_shape log_shape_draw(uint64_t seed)
{
    struct log_shape shape = {.remove_percent = 10,
                              .turn_ns = 20000,
                              .reads_slow_per_mille = 20,
                              .reads_slow_times = 500};
    struct random random;

    if (seed % 2 == 0) {
        return shape;
    }
    random_seed(&random, seed ^ UINT64_C(0x7368617065));
    if (chance(&random, 75)) {
        shape.churn_bytes = 8192U << random_below(&random, 4);
    }
    if (chance(&random, 60)) {
        shape.turn_ns = UINT64_C(50000) << random_below(&random, 6);
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
    lean(&random, &shape);
    if (shape.expire_percent == 0 && chance(&random, 25)) {
        shape.expire_percent = 15;
        shape.expire_ms_max = 2U << random_below(&random, 10);
    }
    return shape;
}

// Objects -----------------------------------------------------------------------------------------

static uint64_t mixed(uint32_t number, uint64_t version)
{
    uint64_t state = number * UINT64_C(0x9e3779b97f4a7c15) + version;

    return random_split(&state);
}

uint32_t log_object_bytes(const struct log_shape *shape, uint32_t number, uint64_t version)
{
    const uint64_t bits = mixed(number, version);
    uint32_t most = bits % 8 == 0 ? shape->object_max : 300;

    if (shape->large_every != 0 && (bits >> 40) % shape->large_every == 0) {
        return LOG_RECORD_BYTES_MAX + (uint32_t)((bits >> 8) % LOG_RECORD_BYTES_MAX);
    }
    if (shape->crowd != 0 && number >= shape->hot_keys) {
        most = COLD_BYTES_MAX;
    } else if (shape->churn_bytes != 0 && bits % 3 == 0) {
        most = shape->churn_bytes;
    }
    return 8 + (uint32_t)((bits >> 8) % most);
}

uint64_t log_object_expires(const struct log_shape *shape, uint32_t number, uint64_t version)
{
    const uint64_t bits = mixed(number, version) * UINT64_C(0x9e3779b97f4a7c15);

    return (bits >> 32) % 100 < shape->expire_percent ? 1 + (bits >> 40) % shape->expire_ms_max : 0;
}

void log_object_fill(uint8_t *bytes, uint32_t size, uint32_t number, uint64_t version)
{
    uint64_t state = mixed(number, version) ^ 1;

    for (uint32_t i = 0; i < size; i += 8) {
        const uint64_t bits = random_split(&state);

        memcpy(bytes + i, &bits, size - i < 8 ? size - i : 8);
    }
    memcpy(bytes, &version, sizeof version);
}

uint32_t log_object_flags(uint32_t number, uint64_t version)
{
    return mixed(number, version) % 10 == 3 ? ENGINE_TOMBSTONE : 0;
}
