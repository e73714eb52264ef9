#include "core/histogram.h"

#include "core/check.h"

#include <math.h>
#include <string.h>

size_t histogram_bucket_count(unsigned sub_bits, unsigned value_bits)
{
    CHECK(sub_bits <= HISTOGRAM_SUB_BITS_MAX);
    CHECK(value_bits >= sub_bits && value_bits <= HISTOGRAM_VALUE_BITS_MAX);
    return ((size_t)(value_bits - sub_bits) + 1) << sub_bits;
}

void histogram_init(struct histogram *histogram, unsigned sub_bits, unsigned value_bits,
                    uint64_t *buckets)
{
    CHECK(buckets != NULL);
    *histogram = (struct histogram){
        .sub_bits = sub_bits,
        .bucket_count = (uint32_t)histogram_bucket_count(sub_bits, value_bits),
        .buckets = buckets,
    };
    histogram_clear(histogram);
}

void histogram_latency_init(struct histogram_latency *latency)
{
    histogram_init(&latency->histogram, HISTOGRAM_LATENCY_SUB_BITS, HISTOGRAM_LATENCY_VALUE_BITS,
                   latency->buckets);
    CHECK(latency->histogram.bucket_count == HISTOGRAM_LATENCY_BUCKETS);
}

void histogram_clear(struct histogram *histogram)
{
    histogram->count = 0;
    histogram->sum = 0;
    histogram->max = 0;
    memset(histogram->buckets, 0, histogram->bucket_count * sizeof(histogram->buckets[0]));
}

uint32_t histogram_index(uint32_t sub_bits, uint32_t bucket_count, uint64_t value)
{
    uint64_t index = value;

    if (value >> sub_bits != 0) {
        // The octave counts from the first that is cut, which is [2^b, 2^(b+1)); the shift leaves b
        // bits below the leading one.
        const uint32_t octave = 63U - (uint32_t)__builtin_clzll(value) - sub_bits;
        index = ((uint64_t)octave << sub_bits) + (value >> octave);
    }
    return index < bucket_count ? (uint32_t)index : bucket_count - 1;
}

uint64_t histogram_bucket_low(uint32_t sub_bits, uint32_t index)
{
    const uint32_t group = index >> sub_bits;

    if (group == 0) {
        return index;
    }
    const uint64_t within = (uint64_t)index & ((UINT64_C(1) << sub_bits) - 1);
    return ((UINT64_C(1) << sub_bits) + within) << (group - 1);
}

uint64_t histogram_bucket_high(uint32_t sub_bits, uint32_t bucket_count, uint32_t index)
{
    CHECK(index < bucket_count);
    if (index + 1 == bucket_count) {
        return UINT64_MAX;
    }
    return histogram_bucket_low(sub_bits, index + 1) - 1;
}

void histogram_record_n(struct histogram *histogram, uint64_t value, uint64_t count)
{
    uint64_t product;

    histogram->buckets[histogram_index(histogram->sub_bits, histogram->bucket_count, value)] +=
        count;
    histogram->count += count;
    if (__builtin_mul_overflow(value, count, &product) ||
        __builtin_add_overflow(histogram->sum, product, &histogram->sum)) {
        histogram->sum = UINT64_MAX;
    }
    if (count != 0 && value > histogram->max) {
        histogram->max = value;
    }
}

void histogram_merge(struct histogram *histogram, const struct histogram *from)
{
    CHECK(histogram->sub_bits == from->sub_bits);
    CHECK(histogram->bucket_count == from->bucket_count);
    if (from->count == 0) {
        return;
    }
    for (uint32_t i = 0; i < from->bucket_count; i++) {
        histogram->buckets[i] += from->buckets[i];
    }
    histogram->count += from->count;
    if (__builtin_add_overflow(histogram->sum, from->sum, &histogram->sum)) {
        histogram->sum = UINT64_MAX;
    }
    if (from->max > histogram->max) {
        histogram->max = from->max;
    }
}

uint64_t histogram_percentile(const struct histogram *histogram, double percent)
{
    CHECK(percent >= 0 && percent <= 100);
    if (histogram->count == 0) {
        return 0;
    }
    // 99.9 / 100 * 1000 is a little more than 999 in doubles, and must not become the 1000th value:
    // hence the tolerance, which is far below one for any count that fits in hours.
    const double exact = percent / 100.0 * (double)histogram->count;
    uint64_t wanted = (uint64_t)ceil(exact * (1.0 - 1e-12));
    if (wanted == 0) {
        wanted = 1;
    }
    uint64_t seen = 0;
    for (uint32_t i = 0; i < histogram->bucket_count; i++) {
        seen += histogram->buckets[i];
        if (seen >= wanted) {
            const uint64_t high =
                histogram_bucket_high(histogram->sub_bits, histogram->bucket_count, i);
            return high < histogram->max ? high : histogram->max;
        }
    }
    return histogram->max;
}

double histogram_mean(const struct histogram *histogram)
{
    return histogram->count == 0 ? 0.0 : (double)histogram->sum / (double)histogram->count;
}

uint64_t histogram_count_below(const struct histogram *histogram, uint64_t value)
{
    uint64_t count = 0;

    for (uint32_t i = 0; i < histogram->bucket_count; i++) {
        if (histogram_bucket_high(histogram->sub_bits, histogram->bucket_count, i) > value) {
            break;
        }
        count += histogram->buckets[i];
    }
    return count;
}
