// A seeded generator of pseudo-random numbers: xoshiro256**.
//
// Every shard has one, seeded once from io_entropy(); the simulator seeds it from its own seed, and
// then a run can be replayed. It is fast (about a nanosecond) and statistically sound, but whoever
// sees enough of its output can compute the rest: keys, tokens and nonces come from io_entropy().
//
// Sources: Blackman and Vigna, "Scrambled linear pseudorandom number generators", 2021; for the
// seeding, Steele, Lea and Flood, "Fast splittable pseudorandom number generators", 2014; for the
// range, Lemire, "Fast random integer generation in an interval", 2019.
#pragma once

#include "core/check.h"

#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct random {
    uint64_t state[4]; // never all zero
};

// One step of splitmix64. Also good to derive several seeds from one.
static inline uint64_t random_split(uint64_t *state)
{
    uint64_t z = *state += UINT64_C(0x9e3779b97f4a7c15);

    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

static inline void random_seed(struct random *random, uint64_t seed)
{
    // splitmix64 visits every value once in its period, so four in a row cannot all be zero.
    for (size_t i = 0; i < 4; i++) {
        random->state[i] = random_split(&seed);
    }
}

static inline uint64_t random_rotate(uint64_t value, unsigned bits)
{
    return (value << bits) | (value >> (64 - bits));
}

static inline uint64_t random_u64(struct random *random)
{
    uint64_t *const s = random->state;
    const uint64_t result = random_rotate(s[1] * 5, 7) * 9;
    const uint64_t shifted = s[1] << 17;

    s[2] ^= s[0];
    s[3] ^= s[1];
    s[1] ^= s[2];
    s[0] ^= s[3];
    s[2] ^= shifted;
    s[3] = random_rotate(s[3], 45);
    return result;
}

// The low half of a * b; the high half goes to *ret_high.
static inline uint64_t random_multiply(uint64_t a, uint64_t b, uint64_t *ret_high)
{
    __extension__ const unsigned __int128 product = (unsigned __int128)a * b;

    *ret_high = (uint64_t)(product >> 64);
    return (uint64_t)product;
}

// Every number of [0, bound) with the same probability; bound > 0.
static inline uint64_t random_below(struct random *random, uint64_t bound)
{
    uint64_t high = 0;

    CHECK(bound > 0);
    uint64_t low = random_multiply(random_u64(random), bound, &high);

    // The low half tells which of the 2^64 mod bound surplus values to reject.
    if (low < bound) {
        const uint64_t surplus = (0 - bound) % bound;

        while (low < surplus) {
            low = random_multiply(random_u64(random), bound, &high);
        }
    }
    return high;
}

static inline void random_bytes(struct random *random, void *bytes, size_t size)
{
    uint8_t *at = bytes;

    while (size != 0) {
        const uint64_t value = random_u64(random);
        const size_t part = size < sizeof value ? size : sizeof value;

        memcpy(at, &value, part);
        at += part;
        size -= part;
    }
}
