#include "cli/bench_values.h"

#include "cli/verb.h"
#include "core/check.h"
#include "core/memory.h"
#include "core/random.h"

#include <assert.h>
#include <math.h>
#include <string.h>

static_assert((BENCH_POOL_BYTES & (BENCH_POOL_BYTES - 1)) == 0, "offsets are masked");

enum { VALUE_EXPONENTIAL_BOUND = 10 }; // times the mean: one value in 22,000 is cut

void bench_values_init(struct bench_values *values, const struct bench_plan *plan)
{
    static const char letters[] =
        "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz-_";
    struct random random;

    static_assert(sizeof letters == 64 + 1, "six random bits choose a letter");
    *values = (struct bench_values){
        .kind = plan->size_kind,
        .bytes_min = plan->value_bytes_min,
        .bytes_max = plan->value_bytes_max,
        .bytes_mean = plan->value_bytes_mean,
        .pool = cli_allocate(2 * (size_t)BENCH_POOL_BYTES),
    };
    random_seed(&random, plan->seed);
    for (size_t i = 0; i < BENCH_POOL_BYTES; i++) {
        values->pool[i] = (uint8_t)letters[random_u64(&random) >> 58];
    }
    memcpy(values->pool + BENCH_POOL_BYTES, values->pool, BENCH_POOL_BYTES);
}

void bench_values_free(struct bench_values *values)
{
    memory_free(values->pool);
    values->pool = NULL;
}

// The same number for the same write, whoever asks.
static uint64_t value_hash(uint64_t key, uint64_t version)
{
    uint64_t state = key * UINT64_C(0x9e3779b97f4a7c15) ^ version;

    return random_split(&state);
}

uint32_t bench_value_size(const struct bench_values *values, uint64_t key, uint64_t version)
{
    if (values->kind == BENCH_SIZE_UNIFORM) {
        const uint32_t range = values->bytes_max - values->bytes_min;

        return values->bytes_min +
               (range == 0 ? 0 : (uint32_t)(value_hash(key, version) % ((uint64_t)range + 1)));
    }
    CHECK(values->kind == BENCH_SIZE_EXPONENTIAL);
    const double unit = (double)((value_hash(key, version) >> 11) + 1) * 0x1p-53;
    const double size = -log(unit) * values->bytes_mean;
    const double bound = (double)values->bytes_mean * VALUE_EXPONENTIAL_BOUND;

    return (uint32_t)(size < bound ? size : bound) + values->bytes_min;
}

static void value_header(uint64_t key, uint64_t version, uint8_t header[BENCH_VALUE_HEADER_BYTES])
{
    memcpy(header, &key, 8); // little-endian, as the machines this runs on
    memcpy(header + 8, &version, 8);
}

// Where the pool's bytes for a position of the value are; at least BENCH_POOL_BYTES follow.
static const uint8_t *value_pool_at(const struct bench_values *values, uint64_t key,
                                    uint64_t version, uint64_t position)
{
    return values->pool + ((value_hash(key, version) + position) & (BENCH_POOL_BYTES - 1));
}

void bench_value_write(const struct bench_values *values, uint64_t key, uint64_t version,
                       uint32_t size, uint8_t *value)
{
    uint8_t header[BENCH_VALUE_HEADER_BYTES];
    uint32_t at = size < BENCH_VALUE_HEADER_BYTES ? size : BENCH_VALUE_HEADER_BYTES;

    value_header(key, version, header);
    memcpy(value, header, at);
    while (at < size) {
        const uint32_t left = size - at;
        const uint32_t part = left < BENCH_POOL_BYTES ? left : BENCH_POOL_BYTES;

        memcpy(value + at, value_pool_at(values, key, version, at), part);
        at += part;
    }
}

void bench_value_check_start(struct bench_value_check *check, uint64_t key, uint64_t size)
{
    *check = (struct bench_value_check){.key = key, .size = size};
}

static uint64_t check_version(const struct bench_value_check *check)
{
    uint64_t version = 0;

    memcpy(&version, check->header + 8, 8);
    return version;
}

void bench_value_check_bytes(struct bench_value_check *check, const struct bench_values *values,
                             const uint8_t *bytes, size_t size)
{
    while (size != 0 && check->position < BENCH_VALUE_HEADER_BYTES) {
        check->header[check->position++] = *bytes++;
        size--;
    }
    while (size != 0) {
        const size_t part = size < BENCH_POOL_BYTES ? size : BENCH_POOL_BYTES;
        const uint8_t *const expected =
            value_pool_at(values, check->key, check_version(check), check->position);

        check->wrong = check->wrong || memcmp(bytes, expected, part) != 0;
        check->position += part;
        bytes += part;
        size -= part;
    }
}

bool bench_value_check_end(const struct bench_value_check *check, const struct bench_values *values,
                           uint64_t *ret_version)
{
    const uint64_t version = check_version(check);
    uint64_t key = 0;

    CHECK(check->position == check->size);
    memcpy(&key, check->header, 8);
    if (check->wrong || check->size < BENCH_VALUE_HEADER_BYTES || key != check->key ||
        check->size != bench_value_size(values, key, version)) {
        return false;
    }
    *ret_version = version;
    return true;
}
