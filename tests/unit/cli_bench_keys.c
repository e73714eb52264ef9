#include "cli/bench_keys.h"

#include <criterion/criterion.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { DRAWS = 1000000, SEED = 7 };

Test(cli_bench_keys, zeta_is_the_sum_on_both_sides_of_the_formula)
{
    static const uint64_t counts[] = {1, 2, 9999, 10000, 10001, 1000000};

    for (size_t i = 0; i < sizeof counts / sizeof counts[0]; i++) {
        double sum = 0;

        for (uint64_t j = counts[i]; j > 0; j--) {
            sum += pow((double)j, -0.99);
        }
        cr_assert_float_eq(bench_zeta(counts[i], 0.99) / sum, 1, 1e-12);
    }
    // What YCSB has as a constant for its ten billion items.
    cr_assert_float_eq(bench_zeta(UINT64_C(10000000000), 0.99), 26.46902820178302, 1e-8);
}

// The share of draws that fall below `below`.
static double share_below(const struct bench_zipf *zipf, uint64_t below)
{
    struct random random;
    int count = 0;

    random_seed(&random, SEED);
    for (int i = 0; i < DRAWS; i++) {
        const uint64_t number = bench_zipf_next(zipf, &random);

        cr_assert_lt(number, zipf->items);
        count += number < below ? 1 : 0;
    }
    return (double)count / DRAWS;
}

Test(cli_bench_keys, zipfian_numbers_come_with_their_probability)
{
    static const double thetas[] = {0.5, 0.9, 0.99};

    for (size_t t = 0; t < sizeof thetas / sizeof thetas[0]; t++) {
        struct bench_zipf zipf;

        bench_zipf_init(&zipf, 1000, thetas[t]);
        // The first two are exact; beyond them the method draws from a smooth curve.
        cr_assert_float_eq(share_below(&zipf, 1), 1 / zipf.zeta, 0.002);
        cr_assert_float_eq(share_below(&zipf, 2), zipf.zeta_2 / zipf.zeta, 0.002);
        cr_assert_float_eq(share_below(&zipf, 10), bench_zeta(10, thetas[t]) / zipf.zeta, 0.02);
        cr_assert_float_eq(share_below(&zipf, 100), bench_zeta(100, thetas[t]) / zipf.zeta, 0.02);
    }
}

Test(cli_bench_keys, growing_gives_what_starting_larger_gives)
{
    struct bench_zipf grown;
    struct bench_zipf whole;

    bench_zipf_init(&grown, 100, 0.99);
    for (uint64_t items = 101; items <= 5000; items += 7) {
        bench_zipf_grow(&grown, items);
    }
    bench_zipf_grow(&grown, 5000);
    bench_zipf_init(&whole, 5000, 0.99);
    cr_assert_float_eq(grown.zeta, whole.zeta, 1e-9);
    cr_assert_float_eq(grown.eta, whole.eta, 1e-9);
}

Test(cli_bench_keys, small_ranges_work)
{
    for (uint64_t items = 1; items <= 3; items++) {
        struct bench_zipf zipf;

        bench_zipf_init(&zipf, items, 0.99);
        cr_assert_float_eq(share_below(&zipf, items), 1, 1e-9);
    }
}

static struct bench_plan plan_of(enum bench_distribution distribution, uint64_t keys)
{
    return (struct bench_plan){.distribution = distribution,
                               .theta = 0.99,
                               .hot_keys = 0.2,
                               .hot_share = 0.8,
                               .keys = keys,
                               .threads = 2,
                               .key_bytes = 16};
}

// How many draws fell on each of the first keys, in one array of `keys` counts.
static unsigned *histogram_of(const struct bench_plan *plan)
{
    unsigned *const counts = calloc(plan->keys, sizeof *counts);
    struct bench_keys keys;
    struct random random;

    random_seed(&random, SEED);
    bench_keys_init(&keys, plan, 1, 16);
    for (int i = 0; i < DRAWS; i++) {
        const uint64_t key = bench_keys_next(&keys, &random);

        cr_assert_lt(key, plan->keys);
        counts[key]++;
    }
    bench_keys_free(&keys);
    return counts;
}

Test(cli_bench_keys, uniform_gives_all_keys_alike)
{
    const struct bench_plan plan = plan_of(BENCH_UNIFORM, 100);
    unsigned *const counts = histogram_of(&plan);

    for (int i = 0; i < 100; i++) {
        cr_assert_float_eq((double)counts[i], DRAWS / 100.0, DRAWS / 100.0 * 0.05);
    }
    free(counts);
}

Test(cli_bench_keys, hotspot_gives_the_hot_keys_their_share)
{
    const struct bench_plan plan = plan_of(BENCH_HOTSPOT, 1000);
    unsigned *const counts = histogram_of(&plan);
    unsigned hot = 0;

    for (int i = 0; i < 200; i++) {
        hot += counts[i];
    }
    cr_assert_float_eq((double)hot / DRAWS, 0.8, 0.005);
    free(counts);
}

static int descending(const void *a, const void *b)
{
    const unsigned x = *(const unsigned *)a;
    const unsigned y = *(const unsigned *)b;

    return x < y ? 1 : x > y ? -1 : 0;
}

Test(cli_bench_keys, scrambled_zipfian_scatters_the_popular_keys)
{
    const struct bench_plan plan = plan_of(BENCH_ZIPFIAN, 10000);
    unsigned *const counts = histogram_of(&plan);
    unsigned first_tenth = 0;

    for (int i = 0; i < 1000; i++) {
        first_tenth += counts[i];
    }
    // Scattered: the first keys are not the popular ones.
    cr_assert_lt((double)first_tenth / DRAWS, 0.3);
    qsort(counts, plan.keys, sizeof *counts, descending);
    // The most popular key is rank 0 of ten billion, and a little of the tail.
    cr_assert_float_eq((double)counts[0] / DRAWS, 1 / 26.469, 0.002);
    free(counts);
}

Test(cli_bench_keys, latest_prefers_the_newest_answered_insert)
{
    struct bench_plan plan = plan_of(BENCH_LATEST, 1000);
    struct bench_keys keys;
    struct random random;
    uint64_t inserted[8];
    int newest = 0;

    random_seed(&random, SEED);
    bench_keys_init(&keys, &plan, 1, 8);
    for (int i = 0; i < 8; i++) {
        inserted[i] = bench_keys_insert(&keys);
        // Of thread 1 of 2.
        cr_assert_eq(inserted[i], 1000U + 1 + 2 * (unsigned)i);
    }
    // Answers in another order: what follows a gap is not known yet.
    bench_keys_inserted(&keys, inserted[1]);
    bench_keys_inserted(&keys, inserted[2]);
    cr_assert_eq(keys.inserts_answered, 0);
    bench_keys_inserted(&keys, inserted[0]);
    cr_assert_eq(keys.inserts_answered, 3);
    for (int i = 0; i < 100000; i++) {
        const uint64_t key = bench_keys_next(&keys, &random);

        cr_assert(key < 1000 || key <= inserted[2]);
        newest += key == inserted[2] ? 1 : 0;
    }
    cr_assert_float_eq(newest / 1e5, 1 / bench_zeta(1003, 0.99), 0.005);
    // The window is a ring: it goes on for ever.
    for (int i = 3; i < 8; i++) {
        bench_keys_inserted(&keys, inserted[i]);
    }
    for (int i = 0; i < 100; i++) {
        bench_keys_inserted(&keys, bench_keys_insert(&keys));
    }
    cr_assert_eq(keys.inserts_answered, 108);
    bench_keys_free(&keys);
}

Test(cli_bench_keys, names_are_as_long_as_the_plan_says)
{
    struct bench_plan plan = plan_of(BENCH_UNIFORM, 1);
    uint8_t name[64];

    bench_key_write(&plan, 1234, name);
    cr_assert_arr_eq(name, "key:000000001234", 16);
    plan.key_bytes = 13;
    bench_key_write(&plan, 999999999999, name);
    cr_assert_arr_eq(name, "k999999999999", 13);
    plan.key_bytes = 30;
    bench_key_write(&plan, 0, name);
    cr_assert_arr_eq(name, "key:00000000000000000000000000", 30);
}
