// Zipfian numbers: number i of [0, n) comes with a probability in proportion to 1 / (i + 1)^theta.
//
// The method is that of Gray, Sundaresan, Englert, Baclawski and Weinberger, "Quickly generating
// billion- record synthetic databases", SIGMOD 1994, which YCSB uses too: a constant time per
// number from the two sums zeta(2) and zeta(n). zeta(n) = 1 + 1/2^theta + ... + 1/n^theta is summed
// up to a bound, and continued by the Euler-Maclaurin formula, so that 10^10 items cost no more
// than 10^5.
//
// bench_zipf_scramble spreads the popular numbers over the whole range, as YCSB's
// ScrambledZipfianGenerator does: its numbers are drawn from 10^10 items and hashed with FNV-1a. So
// the popularity of keys does not depend on how many there are, and two ranks may meet in one key.
#pragma once

#include "core/random.h"

#include <stdint.h>

#define BENCH_ZIPF_SCRAMBLED_ITEMS UINT64_C(10000000000)

struct bench_zipf {
    uint64_t items;
    double theta; // 0 < theta < 1
    double zeta;  // zeta(items)
    double zeta_2;
    double alpha;
    double eta;
    double second; // 1 + 0.5^theta: below it the second number
};

// sum of 1 / i^theta for i = 1..items; relative error below 1e-12.
double bench_zeta(uint64_t items, double theta);

// items > 0.
void bench_zipf_init(struct bench_zipf *zipf, uint64_t items, double theta);

// The same with more items: adds to the sum what is new.
void bench_zipf_grow(struct bench_zipf *zipf, uint64_t items);

// The next number of [0, items).
uint64_t bench_zipf_next(const struct bench_zipf *zipf, struct random *random);

// A number of [0, range) that stands for `rank`, always the same.
uint64_t bench_zipf_scramble(uint64_t rank, uint64_t range);

// A real number of [0, 1).
double bench_unit(struct random *random);
