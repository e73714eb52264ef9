// The log engine alone on a simulated disk, through several lives: it is worked on, ends in the
// middle of anything (closed, killed, or with the machine's power), is opened again, and every key
// is looked at.
//
// Each put writes a version of its own, from which the object follows. For every key the model
// keeps what was put or removed since it last was known to be durable, with the group commit that
// each belongs to. After a life
//
//  - what was acknowledged is there: with `sync: always` what is of a commit up to
//    engine_committed(); after a close all of it, whatever `sync` says;
//  - nothing is there that was not put, or that has expired;
//  - no hole: with one commit of those not acknowledged all before it are there.
//
// What a seed draws: sync, how many keys and how large, how full the disk is, how slow it is, how
// often operations on it fail, where bits rot in the last life; and what it leans towards
// (log_shape.h). One seed in eight has larger segments, and times in which nobody writes.
#pragma once

#include "tests/sim/sim_oracle.h"

#include <stdbool.h>
#include <stdint.h>

// X(NAME, "what was met")
#define LOG_MARKS(X)                                                                               \
    X(CLOSED, "a log was closed and opened again")                                                 \
    X(KILLED, "a process was killed with writes under way")                                        \
    X(POWER_LOSS, "power was lost with writes under way")                                          \
    X(TORN, "recovery met a torn frame")                                                           \
    X(LOST, "a write that was not acknowledged was lost")                                          \
    X(KEPT, "a write that was not acknowledged was kept")                                          \
    X(COLD_READ, "a record was read from disk")                                                    \
    X(MOVED, "compaction moved records")                                                           \
    X(REUSED, "a segment was used anew")                                                           \
    X(CHECKPOINT, "a checkpoint was written")                                                      \
    X(SMALL, "segments that wait for writers were small")                                          \
    X(GIVEN_BACK, "the file of a spare segment was removed")                                       \
    X(FULL, "a write was refused for want of room")                                                \
    X(READ_FAILED, "a read failed")                                                                \
    X(WRITING_ENDED, "a failed write ended all writing")                                           \
    X(INDEX_ANEW, "the index was made anew from all segments")                                     \
    X(ROTTEN, "a record was damaged, and not served")                                              \
    X(DROPPED, "a vnode was dropped")                                                              \
    X(REAPED, "compaction reaped an expired record")                                               \
    X(ANEW, "a key was put anew after that")                                                       \
    X(LARGE, "a value with a file of its own was written")

#define LOG_MARK_ENUM(name, text) LOG_MARK_##name,
enum log_mark { LOG_MARKS(LOG_MARK_ENUM) LOG_MARK_COUNT };
#undef LOG_MARK_ENUM

struct log_result {
    bool fine;
    enum sim_oracle oracle;
    uint64_t hash;
    uint64_t operations;
    uint64_t lives;
    uint64_t virtual_ns;
    bool marks[LOG_MARK_COUNT];
};

// Runs a seed. A violation is printed.
void log_run(uint64_t seed, bool tell, struct log_result *ret_result);
