#include "cli/bench_ledger.h"
#include "cli/bench_values.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

static struct bench_values values_of(enum bench_size_kind kind, uint32_t min, uint32_t max)
{
    const struct bench_plan plan = {.size_kind = kind,
                                    .value_bytes_min = min,
                                    .value_bytes_max = max,
                                    .value_bytes_mean = max,
                                    .seed = 3};
    struct bench_values values;

    bench_values_init(&values, &plan);
    return values;
}

// Reads a value in pieces; whether it is one of `key`.
static bool check(const struct bench_values *values, uint64_t key, const uint8_t *value,
                  size_t size, size_t piece, uint64_t *ret_version)
{
    struct bench_value_check state;

    bench_value_check_start(&state, key, size);
    for (size_t at = 0; at < size; at += piece) {
        bench_value_check_bytes(&state, values, value + at, size - at < piece ? size - at : piece);
    }
    return bench_value_check_end(&state, values, ret_version);
}

Test(cli_bench_values, what_is_written_is_recognised_in_any_pieces)
{
    struct bench_values values = values_of(BENCH_SIZE_UNIFORM, 16, 300);
    uint8_t value[300];

    for (uint64_t key = 0; key < 100; key++) {
        const uint32_t size = bench_value_size(&values, key, key + 5);
        uint64_t version = 0;

        cr_assert(size >= 16 && size <= 300);
        bench_value_write(&values, key, key + 5, size, value);
        for (size_t piece = 1; piece <= size; piece += 7) {
            cr_assert(check(&values, key, value, size, piece, &version));
            cr_assert_eq(version, key + 5);
        }
    }
    bench_values_free(&values);
}

Test(cli_bench_values, any_change_is_seen)
{
    struct bench_values values = values_of(BENCH_SIZE_UNIFORM, 100, 100);
    uint8_t value[100];
    uint64_t version = 0;

    bench_value_write(&values, 7, 1, 100, value);
    cr_assert_not(check(&values, 8, value, 100, 100, &version)); // of another key
    cr_assert_not(check(&values, 7, value, 99, 100, &version));  // cut
    cr_assert_not(check(&values, 7, value, 8, 100, &version));   // cut before the version
    for (size_t i = 0; i < 100; i++) {
        value[i] ^= 1;
        cr_assert_not(check(&values, 7, value, 100, 100, &version), "byte %zu", i);
        value[i] ^= 1;
    }
    cr_assert(check(&values, 7, value, 100, 100, &version));
    bench_values_free(&values);
}

Test(cli_bench_values, values_larger_than_the_pool)
{
    const uint32_t size = 3 * BENCH_POOL_BYTES + 11;
    struct bench_values values = values_of(BENCH_SIZE_UNIFORM, size, size);
    uint8_t *const value = malloc(size);
    uint64_t version = 0;

    bench_value_write(&values, 1, 2, size, value);
    cr_assert(check(&values, 1, value, size, 100000, &version));
    cr_assert(check(&values, 1, value, size, size, &version));
    value[size - 1] ^= 1;
    cr_assert_not(check(&values, 1, value, size, size, &version));
    free(value);
    bench_values_free(&values);
}

Test(cli_bench_values, sizes_follow_their_distribution)
{
    struct bench_values uniform = values_of(BENCH_SIZE_UNIFORM, 50, 150);
    struct bench_values exponential = values_of(BENCH_SIZE_EXPONENTIAL, 0, 1000);
    double uniform_sum = 0;
    double exponential_sum = 0;
    uint32_t largest = 0;

    for (uint64_t i = 0; i < 100000; i++) {
        const uint32_t size = bench_value_size(&exponential, i, 1);

        uniform_sum += bench_value_size(&uniform, i, 1);
        exponential_sum += size;
        largest = size > largest ? size : largest;
    }
    cr_assert_float_eq(uniform_sum / 1e5, 100, 1);
    cr_assert_float_eq(exponential_sum / 1e5, 1000, 20);
    cr_assert(largest > 5000 && largest <= 10000);
    bench_values_free(&uniform);
    bench_values_free(&exponential);
}

Test(cli_bench_values, the_ledger_forbids_only_what_is_surely_over)
{
    static struct bench_ledger ledger;

    bench_ledger_init(&ledger, 10);
    cr_assert_eq(bench_ledger_floor(&ledger, 3), 0);
    // One after another: each answered write ends the ones before it.
    cr_assert_eq(bench_ledger_issue(&ledger, 3), 1);
    cr_assert_eq(bench_ledger_floor(&ledger, 3), 0);
    bench_ledger_answer(&ledger, 3, 1);
    cr_assert_eq(bench_ledger_floor(&ledger, 3), 1);
    // 2 and 3 are on the way together: whichever is answered first, 2 may still be the last.
    cr_assert_eq(bench_ledger_issue(&ledger, 3), 2);
    cr_assert_eq(bench_ledger_issue(&ledger, 3), 3);
    bench_ledger_answer(&ledger, 3, 3);
    cr_assert_eq(bench_ledger_floor(&ledger, 3), 1);
    bench_ledger_answer(&ledger, 3, 2);
    cr_assert_eq(bench_ledger_floor(&ledger, 3), 2);
    // Now alone again: 4 ends both.
    cr_assert_eq(bench_ledger_issue(&ledger, 3), 4);
    bench_ledger_answer(&ledger, 3, 4);
    cr_assert_eq(bench_ledger_floor(&ledger, 3), 4);
    cr_assert_eq(bench_ledger_issued(&ledger, 3), 4);
    cr_assert_eq(bench_ledger_issued(&ledger, 4), 0);
    bench_ledger_free(&ledger);
}
