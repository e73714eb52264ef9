// What a run of sim_log leans towards: most of what can go wrong in the log needs several rare
// things at once, and a workload that does a little of everything hardly ever has them together.
//
// Drawn from a generator of its own. Seeds that are even have none and stay what they were when
// they found something: tests/sim/meson.build names some.
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct log_shape {
    // So many keys are put once at the beginning, and seldom after: what compaction has to move,
    // and readers have to read, while few hot ones churn. 0: none are.
    uint32_t crowd;
    // Every third object is this large: so segments fill, are emptied and used anew in one life.
    // 0: few are.
    uint32_t churn_bytes;
    // One in so many is over LOG_RECORD_BYTES_MAX, and so in a file of its own. 0: none.
    uint32_t large_every;
    uint32_t remove_percent; // of operations
    // So many puts have an expiry, up to so many milliseconds ahead.
    uint32_t expire_percent;
    uint32_t expire_ms_max;
    uint64_t turn_ns; // up to twice that passes between some of them
    // Reads that take so many times as long, while compaction goes on beneath them.
    uint32_t reads_slow_per_mille;
    uint32_t reads_slow_times;
    // A vnode is dropped once in so many operations, and after some lives' last one. 0: never.
    uint32_t drop_every;
    uint32_t rot_percent; // of lives after which the checkpoints rot
    bool unsynced;        // `interval` or `never`
    bool power_loss;      // is how all lives end
    bool forgetful;       // and of what was not durable then nothing is left, or but some sectors
    // Of the run, which sets them:
    uint32_t hot_keys;   // the first ones, of which half of all operations are, or more
    uint32_t object_max; // bytes of every eighth object
};

struct log_shape log_shape_draw(uint64_t seed);

// Objects follow from the number of their key and their version, which they begin with.
uint32_t log_object_bytes(const struct log_shape *shape, uint32_t number, uint64_t version);
// Milliseconds until it expires, 0: it does not.
uint64_t log_object_expires(const struct log_shape *shape, uint32_t number, uint64_t version);
void log_object_fill(uint8_t *bytes, uint32_t size, uint32_t number, uint64_t version);
uint32_t log_object_flags(uint32_t number, uint64_t version); // of engine.h
