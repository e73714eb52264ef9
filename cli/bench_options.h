// The options of rldb bench.
#pragma once

#include "cli/bench.h"
#include "cli/options.h"

enum bench_option {
    BENCH_WORKLOAD,
    BENCH_MIX,
    BENCH_DISTRIBUTION,
    BENCH_THETA,
    BENCH_HOT,
    BENCH_SCAN_LENGTH,
    BENCH_KEYS,
    BENCH_KEY_SIZE,
    BENCH_VALUE_SIZE,
    BENCH_TTL,
    BENCH_CONNECTIONS,
    BENCH_IDLE,
    BENCH_THREADS,
    BENCH_PIPELINE,
    BENCH_WINDOW,
    BENCH_RATE,
    BENCH_POISSON,
    BENCH_LOAD,
    BENCH_LOAD_ONLY,
    BENCH_REQUESTS,
    BENCH_DURATION,
    BENCH_WARMUP,
    BENCH_SEED,
    BENCH_CLUSTER,
    BENCH_RESP3,
    BENCH_VERIFY,
    BENCH_ALLOW_ERRORS,
    BENCH_SERVER_PID,
    BENCH_OPTIONS,
};

enum { BENCH_OPTIONS_ERROR_SIZE = 256 };

extern const struct option bench_option_table[BENCH_OPTIONS];

// Makes a plan of the options' values. 0, or -EINVAL with what is wrong and what was expected.
int bench_options_read(const char *const *values, struct bench_plan *ret_plan,
                       char error[BENCH_OPTIONS_ERROR_SIZE]);
