// What a thread of the load generator counts. Each thread has one, and the main thread adds them up
// when they have stopped.
#pragma once

#include "cli/bench.h"
#include "core/histogram.h"

#include <stddef.h>

enum {
    BENCH_LATENCY_SUB_BITS = 8,    // three significant digits
    BENCH_LATENCY_VALUE_BITS = 40, // 18 minutes in ns
    BENCH_ERROR_KINDS = 8,         // distinct errors that are told apart
    BENCH_ERROR_BYTES_MAX = 80,
};

struct bench_error {
    uint64_t count;
    char text[BENCH_ERROR_BYTES_MAX]; // the first of its kind, cut, terminated
};

struct bench_stats {
    struct histogram latencies[BENCH_OPERATIONS]; // ns, of measured operations that succeeded
    uint64_t *buckets;

    uint64_t misses; // nulls where a value was asked for
    uint64_t errors; // error replies, and replies of a wrong type
    uint64_t lost;   // operations whose connection was lost, or that were not answered in time
    uint64_t unsent; // open loop: were due and never sent
    uint64_t values_checked; // --verify
    uint64_t values_wrong;   // not what was written, or never written
    uint64_t values_missing; // gone
    uint64_t values_stale;   // older than an answered write
    struct bench_error kinds[BENCH_ERROR_KINDS];
    uint64_t errors_other; // of kinds for which there was no room
    uint64_t first_ns;     // start of the first and end of the last measured operation
    uint64_t last_ns;
};

void bench_stats_init(struct bench_stats *stats);
void bench_stats_clear(struct bench_stats *stats);
void bench_stats_free(struct bench_stats *stats);
void bench_stats_merge(struct bench_stats *stats, const struct bench_stats *from);

// A measured operation that succeeded.
void bench_stats_record(struct bench_stats *stats, enum bench_operation operation,
                        uint64_t start_ns, uint64_t end_ns);

// Counts an error by the kind that its first word names.
void bench_stats_error(struct bench_stats *stats, const char *text, size_t size);

// Operations recorded, of all kinds.
uint64_t bench_stats_operations(const struct bench_stats *stats);

// Whether something happened that a run without errors must not have.
bool bench_stats_failed(const struct bench_stats *stats);
