// Which key an operation takes, and what the key is called.
//
// Keys have numbers. Those below plan->keys are there from the start (--load stores them). Thread t
// of T inserts plan->keys + t, + t + T, + t + 2T ...: so threads need not talk about it. A thread
// reads, beside the first ones, only what it inserted itself, and only once that was answered. The
// popular keys of zipfian and hotspot are among the first ones.
#pragma once

#include "cli/bench.h"
#include "cli/bench_zipf.h"
#include "core/random.h"

struct bench_keys {
    const struct bench_plan *plan;
    uint32_t thread;
    struct bench_zipf zipf;    // zipfian: over 10^10 items; latest: over all keys this thread knows
    uint64_t inserts_begun;    // inserts of this thread
    uint64_t inserts_answered; // all before this one are
    uint64_t window_size;      // bits in `window`: as many as can be in flight
    uint8_t *window;           // whether insert i is answered, at i mod window_size
};

// `in_flight_max`: operations that this thread ever has on the way.
void bench_keys_init(struct bench_keys *keys, const struct bench_plan *plan, uint32_t thread,
                     uint64_t in_flight_max);
void bench_keys_free(struct bench_keys *keys);

// The number of the key to read, update or scan from.
uint64_t bench_keys_next(struct bench_keys *keys, struct random *random);

// The number of a key to insert.
uint64_t bench_keys_insert(struct bench_keys *keys);

// That insert was answered.
void bench_keys_inserted(struct bench_keys *keys, uint64_t number);

// Writes the key's name, of plan->key_bytes bytes: "key:" (or "k" in names below 16 bytes) and the
// number in decimal after as many zeros as it takes. 16 bytes give what redis-benchmark writes.
void bench_key_write(const struct bench_plan *plan, uint64_t number, uint8_t *name);
