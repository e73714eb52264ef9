// Key gates: who may touch a key while a command over several cores is under way.
//
// Commands on keys of one core take effect at once and need no gate. A command over several cores
// takes the gates of its keys core by core in ascending order, and inside a core by ascending
// hash, then applies, then releases: two of them can never wait for each other, and other clients
// see all of it or nothing. Whoever meets a gate that is taken queues behind it, in order of
// arrival.
//
// A gate is known by the key's 64-bit hash. Two keys of one hash share a gate: that costs a wait,
// never a wrong result. There are at most LIMIT_GATES gates taken in a shard; who asks beyond that
// is told so (gate_take returns GATE_TABLE_FULL) before anything was changed.
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct gate_table;
struct gate_waiter;

typedef void gate_granted_fn(struct gate_waiter *waiter);

// Embedded in what waits; owned by it. Fields belong to the table while it is queued or holds.
struct gate_waiter {
    struct gate_waiter *next;
    gate_granted_fn *granted; // called from gate_release() of the one before
    uint64_t hash;
};

enum gate_result { GATE_GRANTED, GATE_QUEUED, GATE_TABLE_FULL };

int gate_table_open(struct gate_table **ret_table);
void gate_table_close(struct gate_table *table);

// True while any gate is taken: the one test that every command pays.
static inline bool gate_any(const struct gate_table *table);

// Takes the gate of waiter->hash, or queues for it.
enum gate_result gate_take(struct gate_table *table, struct gate_waiter *waiter);

// Whether somebody holds the gate of this hash.
bool gate_taken(const struct gate_table *table, uint64_t hash);

// Gives the gate up; the next in line gets it and its granted() is called before this returns.
// granted() must only note the fact (a list to work on later): one that went on to release would
// recurse as deep as the queue.
void gate_release(struct gate_table *table, struct gate_waiter *holder);

// Only its count is for others to read.
struct gate_table {
    uint32_t taken;
    uint32_t used; // gates at or past it were never taken: their memory is untouched
    struct gate *free;
    struct gate *gates;
    struct gate **buckets;
};

static inline bool gate_any(const struct gate_table *table)
{
    return table->taken != 0;
}
