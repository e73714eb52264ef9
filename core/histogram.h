// A histogram of latencies, sizes or whatever has a wide range, with a bounded relative error.
//
// The idea is Gil Tene's HdrHistogram (hdrhistogram.org): buckets that are linear inside each power
// of two. With b = sub_bits, values below 2^b have a bucket each; above, each octave [2^k, 2^(k+1))
// is cut in 2^b equal buckets, so that a bucket is at most 1/2^b of its values wide:
//
//     values    0 .. 2^b-1 | 2^b .. 2^(b+1)-1 | 2^(b+1) .. 2^(b+2)-1 | ...
//     width              1 |                1 |                    2 | 4, 8 ...
//     buckets          2^b |              2^b |                  2^b | 2^b each
//
// The unit is the caller's (the tree uses ns). Values of 2^value_bits and more are counted in the
// last bucket; sum and max stay exact. sub_bits 4 (6% wide buckets, reported by their highest
// value) and value_bits 40 (18 minutes in ns) take 592 buckets, 4.6 KiB: what shards use. A load
// generator wants finer ones: sub_bits 8 is three significant digits.
//
// A histogram belongs to one thread. Buckets are the caller's memory, of histogram_bucket_count()
// cells: embedded in a struct with a constant count, or allocated.
#pragma once

#include <stddef.h>
#include <stdint.h>

struct histogram {
    uint64_t count;
    uint64_t sum; // saturates at UINT64_MAX
    uint64_t max;
    uint32_t sub_bits;
    uint32_t bucket_count;
    uint64_t *buckets; // the caller's
};

enum {
    HISTOGRAM_SUB_BITS_MAX = 12,
    HISTOGRAM_VALUE_BITS_MAX = 63,

    // The shape of all latencies of a shard, in ns.
    HISTOGRAM_LATENCY_SUB_BITS = 4,
    HISTOGRAM_LATENCY_VALUE_BITS = 40,
    HISTOGRAM_LATENCY_BUCKETS = (40 - 4 + 1) << 4,
};

// A latency histogram with its buckets, to embed. Call histogram_latency_init() before use, and
// again after it was copied or moved.
struct histogram_latency {
    struct histogram histogram;
    uint64_t buckets[HISTOGRAM_LATENCY_BUCKETS];
};

// (value_bits - sub_bits + 1) * 2^sub_bits. sub_bits <= value_bits.
size_t histogram_bucket_count(unsigned sub_bits, unsigned value_bits);

// `buckets` has histogram_bucket_count(sub_bits, value_bits) cells; they are cleared.
void histogram_init(struct histogram *histogram, unsigned sub_bits, unsigned value_bits,
                    uint64_t *buckets);
void histogram_latency_init(struct histogram_latency *latency);

void histogram_clear(struct histogram *histogram);

// Which bucket counts `value`, and the lowest and highest value of a bucket (the last one's highest
// is UINT64_MAX).
uint32_t histogram_index(uint32_t sub_bits, uint32_t bucket_count, uint64_t value);
uint64_t histogram_bucket_low(uint32_t sub_bits, uint32_t index);
uint64_t histogram_bucket_high(uint32_t sub_bits, uint32_t bucket_count, uint32_t index);

void histogram_record_n(struct histogram *histogram, uint64_t value, uint64_t count);

static inline void histogram_record(struct histogram *histogram, uint64_t value)
{
    histogram_record_n(histogram, value, 1);
}

// Adds `from` to `histogram`. Both have the same shape.
void histogram_merge(struct histogram *histogram, const struct histogram *from);

// The smallest value that at least `percent` (0..100) of what was recorded does not exceed, rounded
// up to its bucket's highest value and never above max. 0 when nothing was recorded.
uint64_t histogram_percentile(const struct histogram *histogram, double percent);

double histogram_mean(const struct histogram *histogram);

// How many of the recorded values lie in buckets that end at or below `value`.
uint64_t histogram_count_below(const struct histogram *histogram, uint64_t value);
