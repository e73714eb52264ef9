// Which operation is next, and when.
//
// Closed loop: as soon as there is room, which the caller decides. Open loop: at its time, whatever
// the server does; latencies count from that time and not from the sending, so that a server that
// stalls pays for all the requests that it kept waiting ("coordinated omission", as Gil Tene called
// it). The sequence of operations and keys of a thread depends on the seed and the thread's number
// alone, but for reads of keys that were inserted meanwhile.
#pragma once

#include "cli/bench_keys.h"

struct bench_item {
    uint64_t key;
    uint64_t start_ns; // from when its latency counts; 0: from its sending
    uint32_t version;  // of what it writes
    uint32_t floor;    // --verify: the smallest version that it may read
    uint32_t length;   // of a scan
    uint8_t operation; // enum bench_operation
    bool writing;      // the second half of a read-modify-write
    bool measured;     // after the warm-up
};

struct bench_source {
    const struct bench_plan *plan;
    struct bench_keys keys;
    struct random random;
    uint32_t thread;

    bool loading;        // all keys once, in order, instead of the mix
    uint64_t start_ns;   // of the phase
    uint64_t measure_ns; // when the warm-up is over
    uint64_t end_ns;     // UINT64_MAX: the number of operations decides
    uint64_t limit;      // measured operations of this thread; UINT64_MAX: the time decides
    uint64_t drawn;      // operations given out
    uint64_t measured;   // of these, the measured ones
    double due_ns;       // open loop: when the next is due
    double interval_ns;  // mean time between two of this thread; 0: closed loop
    double mix[BENCH_OPERATIONS]; // cumulative shares
};

void bench_source_init(struct bench_source *source, const struct bench_plan *plan, uint32_t thread,
                       uint64_t in_flight_max);
void bench_source_free(struct bench_source *source);

// Begins the loading, or the run.
void bench_source_start(struct bench_source *source, bool loading, uint64_t start_ns);

// The next operation, if one is due now. False: none is, or the phase is over.
bool bench_source_next(struct bench_source *source, uint64_t now_ns, struct bench_item *ret_item);

// Whether no more will come.
bool bench_source_ended(const struct bench_source *source, uint64_t now_ns);

// When the next may be due, for a caller who has nothing else to do: now_ns or later, UINT64_MAX
// when ended.
uint64_t bench_source_due_ns(const struct bench_source *source, uint64_t now_ns);

// Open loop: how many were due up to the end and not taken.
uint64_t bench_source_unsent(const struct bench_source *source);
