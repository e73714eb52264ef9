// What is written under a key, so that whoever reads it can tell whether it was written so.
//
//     offset  size
//     0       8     number of the key, little-endian
//     8       8     version: which write of that key it was, from 1 on, little-endian
//     16      ...   bytes of a pool of random letters, from an offset that key and version decide
//
// A value shorter than 16 bytes is the first bytes of that. Its size depends on key and version
// too, if sizes vary.
#pragma once

#include "cli/bench.h"

enum {
    BENCH_VALUE_HEADER_BYTES = 16,
    BENCH_POOL_BYTES = 64 << 10, // a power of two; from L2 rather than from memory
};

struct bench_values {
    enum bench_size_kind kind;
    uint32_t bytes_min;
    uint32_t bytes_max;
    uint32_t bytes_mean;
    uint8_t *pool; // twice BENCH_POOL_BYTES, the second half a copy of the first
};

// The pool's letters come from the plan's seed.
void bench_values_init(struct bench_values *values, const struct bench_plan *plan);
void bench_values_free(struct bench_values *values);

uint32_t bench_value_size(const struct bench_values *values, uint64_t key, uint64_t version);

// Writes a value of that size.
void bench_value_write(const struct bench_values *values, uint64_t key, uint64_t version,
                       uint32_t size, uint8_t *value);

// A value that is being read in pieces.
struct bench_value_check {
    uint64_t key;
    uint64_t size;     // announced
    uint64_t position; // bytes seen
    bool wrong;
    uint8_t header[BENCH_VALUE_HEADER_BYTES];
};

void bench_value_check_start(struct bench_value_check *check, uint64_t key, uint64_t size);
void bench_value_check_bytes(struct bench_value_check *check, const struct bench_values *values,
                             const uint8_t *bytes, size_t size);

// After the last byte: whether it is a value of that key; *ret_version is which one.
bool bench_value_check_end(const struct bench_value_check *check, const struct bench_values *values,
                           uint64_t *ret_version);
