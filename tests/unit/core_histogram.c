#include "core/histogram.h"

#include "core/memory.h"

#include <criterion/criterion.h>

#include <stdint.h>
#include <stdlib.h>

static uint64_t next_random(uint64_t *state)
{
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    return *state;
}

static int compare(const void *a, const void *b)
{
    const uint64_t x = *(const uint64_t *)a;
    const uint64_t y = *(const uint64_t *)b;

    return x < y ? -1 : x > y ? 1 : 0;
}

// Buckets follow each other without a gap, each value is in its own, and none is wider than
// promised.
Test(core_histogram, buckets_tile_the_range)
{
    for (unsigned sub_bits = 0; sub_bits <= 8; sub_bits++) {
        const unsigned value_bits = sub_bits + 20;
        const uint32_t count = (uint32_t)histogram_bucket_count(sub_bits, value_bits);
        uint64_t next = 0;
        for (uint32_t i = 0; i < count; i++) {
            const uint64_t low = histogram_bucket_low(sub_bits, i);
            const uint64_t high = histogram_bucket_high(sub_bits, count, i);
            cr_assert_eq(low, next, "bits %u bucket %u", sub_bits, i);
            cr_assert_eq(histogram_index(sub_bits, count, low), i);
            cr_assert_eq(histogram_index(sub_bits, count, high), i);
            if (i + 1 < count) {
                cr_assert_leq((high - low) << sub_bits, low, "bits %u bucket %u", sub_bits, i);
                next = high + 1;
            } else {
                cr_assert_eq(high, UINT64_MAX);
            }
        }
        // The last bucket begins below 2^value_bits, and the next octave would not.
        cr_assert_lt(next, UINT64_C(1) << value_bits);
        cr_assert_geq(histogram_bucket_low(sub_bits, count), UINT64_C(1) << value_bits);
    }
}

Test(core_histogram, an_empty_one_answers_zero)
{
    struct histogram_latency latency;

    histogram_latency_init(&latency);
    cr_expect_eq(histogram_percentile(&latency.histogram, 50), 0);
    cr_expect_eq(histogram_mean(&latency.histogram), 0.0);
    cr_expect_eq(histogram_count_below(&latency.histogram, UINT64_MAX), 0);
}

Test(core_histogram, small_values_are_exact)
{
    struct histogram_latency latency;

    histogram_latency_init(&latency);
    for (uint64_t i = 1; i <= 10; i++) {
        histogram_record(&latency.histogram, i);
    }
    cr_expect_eq(histogram_percentile(&latency.histogram, 0), 1);
    cr_expect_eq(histogram_percentile(&latency.histogram, 10), 1);
    cr_expect_eq(histogram_percentile(&latency.histogram, 10.5), 2);
    cr_expect_eq(histogram_percentile(&latency.histogram, 50), 5);
    cr_expect_eq(histogram_percentile(&latency.histogram, 90), 9);
    cr_expect_eq(histogram_percentile(&latency.histogram, 100), 10);
    cr_expect_eq(histogram_mean(&latency.histogram), 5.5);
    cr_expect_eq(latency.histogram.max, 10);
}

// 99.9% of 1000 values is 999 of them, whatever doubles make of 99.9.
Test(core_histogram, percentiles_name_the_right_rank)
{
    struct histogram_latency latency;

    histogram_latency_init(&latency);
    histogram_record_n(&latency.histogram, 1, 999);
    histogram_record(&latency.histogram, 7);
    cr_expect_eq(histogram_percentile(&latency.histogram, 99.9), 1);
    cr_expect_eq(histogram_percentile(&latency.histogram, 99.91), 7);
    histogram_record_n(&latency.histogram, 1, 8991);
    histogram_record_n(&latency.histogram, 7, 9);
    cr_expect_eq(histogram_percentile(&latency.histogram, 99.9), 1);
    cr_expect_eq(histogram_percentile(&latency.histogram, 99.99), 7);
}

// Against sorted values: never below the true percentile, and above it by at most a bucket's width.
Test(core_histogram, percentiles_are_as_near_as_promised)
{
    enum { COUNT = 20000 };
    static uint64_t values[COUNT];
    static const double percents[] = {0.1, 1, 25, 50, 75, 90, 99, 99.9, 99.99, 100};

    for (unsigned sub_bits = 2; sub_bits <= 8; sub_bits += 3) {
        const size_t count = histogram_bucket_count(sub_bits, 40);
        uint64_t *buckets = memory_allocate(count * sizeof(*buckets));
        struct histogram histogram;
        uint64_t state = 88172645463325252U + sub_bits;
        uint64_t sum = 0;
        histogram_init(&histogram, sub_bits, 40, buckets);
        for (size_t i = 0; i < COUNT; i++) {
            values[i] = next_random(&state) >> (25 + next_random(&state) % 39);
            sum += values[i];
            histogram_record(&histogram, values[i]);
        }
        qsort(values, COUNT, sizeof(values[0]), compare);
        cr_expect_eq(histogram.sum, sum);
        cr_expect_eq(histogram.max, values[COUNT - 1]);
        for (size_t p = 0; p < sizeof(percents) / sizeof(percents[0]); p++) {
            size_t rank = (size_t)(percents[p] / 100 * COUNT + 0.999);
            rank = rank == 0 ? 1 : rank;
            const uint64_t exact = values[rank - 1];
            const uint64_t got = histogram_percentile(&histogram, percents[p]);
            cr_expect_geq(got, exact, "p%g bits %u", percents[p], sub_bits);
            cr_expect_leq(got, exact + (exact >> sub_bits), "p%g bits %u", percents[p], sub_bits);
        }
        memory_free(buckets);
    }
}

Test(core_histogram, merging_is_recording_both)
{
    struct histogram_latency a;
    struct histogram_latency b;
    struct histogram_latency both;
    uint64_t state = 42;

    histogram_latency_init(&a);
    histogram_latency_init(&b);
    histogram_latency_init(&both);
    for (int i = 0; i < 5000; i++) {
        const uint64_t value = next_random(&state) >> (20 + i % 40);
        histogram_record(i % 3 == 0 ? &a.histogram : &b.histogram, value);
        histogram_record(&both.histogram, value);
    }
    histogram_merge(&a.histogram, &b.histogram);
    cr_expect_eq(a.histogram.count, both.histogram.count);
    cr_expect_eq(a.histogram.sum, both.histogram.sum);
    cr_expect_eq(a.histogram.max, both.histogram.max);
    cr_expect_arr_eq(a.buckets, both.buckets, sizeof(a.buckets));
    histogram_clear(&b.histogram);
    histogram_merge(&a.histogram, &b.histogram);
    cr_expect_arr_eq(a.buckets, both.buckets, sizeof(a.buckets));
}

Test(core_histogram, values_beyond_the_range_are_counted_and_kept_exact_in_max)
{
    struct histogram_latency latency;

    histogram_latency_init(&latency);
    histogram_record(&latency.histogram, UINT64_MAX - 1);
    cr_expect_eq(latency.buckets[HISTOGRAM_LATENCY_BUCKETS - 1], 1);
    cr_expect_eq(histogram_percentile(&latency.histogram, 50), UINT64_MAX - 1);
    histogram_record(&latency.histogram, 5);
    cr_expect_eq(latency.histogram.sum, UINT64_MAX, "the sum saturates");
    histogram_record_n(&latency.histogram, UINT64_MAX / 2, 3);
    cr_expect_eq(latency.histogram.sum, UINT64_MAX);
    cr_expect_eq(latency.histogram.count, 5);
}

Test(core_histogram, count_below_takes_whole_buckets)
{
    struct histogram_latency latency;

    histogram_latency_init(&latency);
    histogram_record(&latency.histogram, 1000);
    histogram_record(&latency.histogram, 1024);
    cr_expect_eq(histogram_count_below(&latency.histogram, 1023), 1);
    cr_expect_eq(histogram_count_below(&latency.histogram, 999), 0);
    cr_expect_eq(histogram_count_below(&latency.histogram, UINT64_MAX), 2);
}
