// Work that is too long for one turn is done in slices, and what counts is counted in units.
//
// A unit is about 10 ns on the machine that the costs below were measured on. A turn may spend
// LIMIT_SLICE_UNITS on commands that can be long while it executes requests, and as many in the
// background phase; what is left then waits in a list of the shard, each taking its slice in turn.
// So no command holds up the others for longer than two slices and one indivisible step (a copy of
// one value).
#pragma once

#include "core/limits.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct shard;
struct work;

typedef void work_fn(struct shard *shard, struct work *work);

// Embedded in what works; owned by it.
struct work {
    struct work *next;
    work_fn *run; // does a slice, and adds it again when there is more
};

// The list and the account of a shard.
struct work_list {
    struct work *first, *last;
    uint64_t spent;     // units, in this phase
    uint64_t spent_max; // in any phase so far
    uint64_t slices;
};

// What things cost, in units.
enum {
    WORK_KEY_LOOK = 10,           // hash, slot; or its gate; or a record that a walk passes
    WORK_KEY_RUN = 120,           // a command on one key that is not in the caches
    WORK_LINE = 300,              // a client described: two system calls
    WORK_BYTES_A_UNIT = 64,       // copied
    WORK_FRESH_BYTES_A_UNIT = 16, // copied into memory that may be touched for the first time
    WORK_TOLD_BYTES_A_UNIT = 8,   // of a reply made of many small pieces
    WORK_STEPS_A_UNIT = 4,        // of glob.h
    WORK_ARGUMENT = 4,            // looked at
    WORK_WAIT = 1500,             // asked in vain: so that a slice is for those that can go on
    WORK_ARGUMENT_PARSED = 2,     // of a request with many
    WORK_READ = 1000,             // a read of the disk begun, most of it in the kernel
};

static inline void work_spend(struct work_list *list, uint64_t units)
{
    list->spent += units;
}

// Whether the slice is over.
static inline bool work_over(const struct work_list *list)
{
    return list->spent >= LIMIT_SLICE_UNITS;
}

// Whether there is room in it for so much more.
static inline bool work_room(const struct work_list *list, uint64_t units)
{
    return list->spent + units <= LIMIT_SLICE_UNITS;
}

// Nothing more can be done in this slice.
static inline void work_end(struct work_list *list)
{
    if (list->spent < LIMIT_SLICE_UNITS) {
        list->spent = LIMIT_SLICE_UNITS;
    }
}

// A phase ends: the next one has a slice of its own.
static inline void work_settle(struct work_list *list)
{
    if (list->spent > list->spent_max) {
        list->spent_max = list->spent;
    }
    list->spent = 0;
}

static inline void work_add(struct work_list *list, struct work *work)
{
    work->next = NULL;
    if (list->last != NULL) {
        list->last->next = work;
    } else {
        list->first = work;
    }
    list->last = work;
}

// Works until the slice is over or nothing is left. True when something is left.
static inline bool work_slice(struct shard *shard, struct work_list *list)
{
    while (list->first != NULL && !work_over(list)) {
        struct work *work = list->first;
        list->first = work->next;
        if (list->first == NULL) {
            list->last = NULL;
        }
        list->slices++;
        work->run(shard, work);
    }
    return list->first != NULL;
}
