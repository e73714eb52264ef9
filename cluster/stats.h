// What a shard counts: plain fields, written by its own thread, declared as metric tables in
// stats.c.
#pragma once

#include "cluster/command.h"
#include "cluster/error_counts.h"
#include "core/histogram.h"
#include "core/metrics.h"

#include <stdint.h>

// One command, in one shard.
struct command_stats {
    uint64_t calls;
    uint64_t time_ns;         // its share of the batches in which it ran
    uint64_t rejected;        // refused before it ran: arity, rights, pause
    uint64_t failed;          // replied an error
    struct histogram latency; // ns from the turn's clock to the end of its batch; shares `buckets`
};

// What a request's time goes to, each a histogram of its own. They overlap: a command over several
// keys has batches too, its own and those of its parts.
enum stage {
    STAGE_BATCH, // one batch, from parse to the last reply
    STAGE_HOP,   // a request that another core ran, from sending it to its reply
    STAGE_WAIT,  // one that waited on its own core, behind a gate or for the disk, to its reply
    STAGE_MULTI, // a command over several keys in several steps, from taking it to its reply
    STAGE_COUNT,
};

struct stats {
    uint64_t connections_received;
    uint64_t connections_refused;
    uint64_t commands;
    uint64_t errors;
    uint64_t net_input_bytes;
    uint64_t net_output_bytes;
    uint64_t keyspace_hits;
    uint64_t keyspace_misses;
    uint64_t keys_expired;
    uint64_t keys_evicted;
    uint64_t output_limit_disconnections;
    uint64_t clients_evicted;
    uint64_t input_gathered_bytes; // gauge
    uint64_t hops_sent;
    uint64_t hops_received;
    uint64_t gate_waits;
    uint64_t multis;
    uint64_t snapshots;
    uint64_t snapshot_failures;
    uint64_t snapshots_running; // gauge
    uint64_t holds;
    uint64_t loads;
    uint64_t load_errors;
    uint64_t stalls;
    uint64_t failed_commit_disconnections;
    uint64_t batches;
    uint64_t wakes_sent;
    uint64_t auth_failures;
    uint64_t accept_errors;
    uint64_t commands_a_second;                   // gauge: over the last tenth of a second
    struct histogram_latency stages[STAGE_COUNT]; // ns, by enum stage
    struct error_counts error_counts;             // `errors` by code
    struct command_stats of[COMMAND_INDEX_MAX];
    uint64_t *latency_buckets; // HISTOGRAM_LATENCY_BUCKETS for each command
};

int stats_open(struct stats *stats);
void stats_close(struct stats *stats);

static inline void stats_note_stage(struct stats *stats, enum stage stage, uint64_t took_ns)
{
    histogram_record(&stats->stages[stage].histogram, took_ns);
}

// Many that took equally long, such as the hops that were sent in one turn and came back in one,
// are noted together: counted while they come, and recorded when another time comes, or the run
// ends.
struct stage_run {
    uint64_t took_ns;
    uint64_t count;
};

static inline void stats_end_stage_run(struct stats *stats, enum stage stage, struct stage_run *run)
{
    if (run->count != 0) {
        histogram_record_n(&stats->stages[stage].histogram, run->took_ns, run->count);
        run->count = 0;
    }
}

static inline void stats_note_stage_run(struct stats *stats, enum stage stage,
                                        struct stage_run *run, uint64_t took_ns, uint64_t count)
{
    if (took_ns != run->took_ns) {
        stats_end_stage_run(stats, stage, run);
        run->took_ns = took_ns;
    }
    run->count += count;
}

// An error was replied: `text` without its '-'.
void stats_note_error(struct stats *stats, struct slice text);

// CONFIG RESETSTAT: everything that counts from start.
void stats_reset(struct stats *stats);

extern const struct metrics_table stats_table;

// Of struct engine_stats, which every engine fills alike.
extern const struct metrics_table engine_stats_table;
