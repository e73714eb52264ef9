// A hybrid logical clock: timestamps of 64 bits that follow the wall clock and never repeat.
//
//     bits 63..16   milliseconds since the epoch (48 bits: until the year 10889)
//     bits 15..0    a logical counter within the millisecond
//
// As one integer the stamps of a clock are strictly increasing. The clock is never behind the wall
// clock given to it, and is ahead of it only when the wall clock went back, when more than 65,536
// stamps were taken in a millisecond (the counter carries into the physical part), or when it
// followed a remote stamp. It follows one only within a bound, so that a node whose clock is wrong
// cannot drag the others along.
//
// The paper keeps the physical and the logical part apart and caps neither; here both are one
// integer, so that a stamp is compared, stored and incremented as one. Source: Kulkarni, Demirbas,
// Madappa, Avva, Leone, "Logical physical clocks and consistent snapshots in globally distributed
// databases", 2014 (algorithm in figure 5).
#pragma once

#include "core/check.h"

#include <stdbool.h>
#include <stdint.h>

enum { HLC_LOGICAL_BITS = 16 };

#define HLC_MS_MAX (UINT64_MAX >> HLC_LOGICAL_BITS)

struct hlc {
    uint64_t
        last; // the newest stamp given out or followed; restore it from a durable lease at start
};

static inline uint64_t hlc_of(uint64_t ms, uint16_t logical)
{
    CHECK(ms <= HLC_MS_MAX);
    return (ms << HLC_LOGICAL_BITS) | logical;
}

static inline uint64_t hlc_ms(uint64_t stamp)
{
    return stamp >> HLC_LOGICAL_BITS;
}

static inline uint16_t hlc_logical(uint64_t stamp)
{
    return (uint16_t)stamp;
}

// The next stamp: larger than every one before, and not before the wall clock.
static inline uint64_t hlc_next(struct hlc *clock, uint64_t wall_ms)
{
    const uint64_t now = hlc_of(wall_ms, 0);

    CHECK(clock->last < UINT64_MAX);
    clock->last = now > clock->last ? now : clock->last + 1;
    return clock->last;
}

// Makes later stamps larger than `remote`, a stamp that came from elsewhere. Returns false and
// leaves the clock alone when `remote` is more than skew_max_ms ahead of the wall clock.
static inline bool hlc_observe(struct hlc *clock, uint64_t remote, uint64_t wall_ms,
                               uint64_t skew_max_ms)
{
    const uint64_t remote_ms = hlc_ms(remote);

    CHECK(wall_ms <= HLC_MS_MAX);
    // The second test leaves hlc_next() room to count on, whatever skew the caller allows.
    if ((remote_ms > wall_ms && remote_ms - wall_ms > skew_max_ms) || remote_ms == HLC_MS_MAX) {
        return false;
    }
    if (remote > clock->last) {
        clock->last = remote;
    }
    return true;
}
