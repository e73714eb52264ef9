// A run: threads, the loading, the run itself, and what came of them.
#pragma once

#include "cli/bench_cpu.h"
#include "cli/bench_stats.h"
#include "cli/verb.h"

struct bench_phase {
    bool done; // it took place
    struct bench_stats stats;
    double seconds;      // from the first measured request's start to the last one's end
    uint64_t replies;    // between the two looks at the CPU
    uint64_t bytes_sent; // of the whole phase, with the warm-up
    uint64_t bytes_received;
    struct bench_cpu server; // used while `replies` were answered
    struct bench_cpu client;
};

struct bench_result {
    double connect_seconds;
    uint32_t nodes; // that keys were sent to
    bool stopped;   // by Ctrl-C
    struct bench_phase load;
    struct bench_phase run;
};

// Runs the plan. EXIT_DONE or EXIT_FAILED after saying why it could not; what went wrong with
// requests is in the result, which is freed in both cases.
int bench_run(struct cli *cli, const struct bench_plan *plan, struct bench_result *ret_result);
void bench_result_free(struct bench_result *result);
