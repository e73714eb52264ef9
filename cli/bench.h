// rldb bench: what a run is, as its options say it. Every part of the load generator reads this;
// nothing changes it after the start.
//
// The parts, in reading order:
//
//     bench_options.c   the options -> struct bench_plan
//     bench_zipf.h      zipfian numbers
//     bench_keys.h      which key is next, and its name
//     bench_values.h    what is written, and whether what was read is that
//     bench_ledger.h    --verify: which versions of a key may still be read
//     bench_reply.h     RESP2 and RESP3 replies, incrementally
//     bench_stats.h     counts and latencies of a thread, errors
//     bench_route.h     --cluster: which port serves which slot
//     bench_source.h    which operation is next, and when
//     bench_connection.h  a socket with what is in flight on it
//     bench_thread.h    one thread: epoll, sends, replies
//     bench_cpu.h       CPU of the server
//     bench_run.h       threads and phases
//     bench_report.h    what is printed
#pragma once

#include "cli/client.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// The kinds of YCSB's operations (Cooper et al., "Benchmarking cloud serving systems with YCSB",
// 2010).
enum bench_operation {
    BENCH_READ,              // GET
    BENCH_UPDATE,            // SET of a key that is there
    BENCH_INSERT,            // SET of a key that is not
    BENCH_SCAN,              // MGET of keys with consecutive numbers
    BENCH_READ_MODIFY_WRITE, // GET, then SET of the same key
    BENCH_OPERATIONS,
};

enum bench_distribution {
    BENCH_ZIPFIAN, // a few keys are popular, and these lie scattered
    BENCH_UNIFORM, // all alike
    BENCH_LATEST,  // zipfian, the newest keys are the popular ones
    BENCH_HOTSPOT, // a share of the keys takes a share of the operations
};

enum bench_size_kind {
    BENCH_SIZE_UNIFORM,     // between min and max; fixed when they are equal
    BENCH_SIZE_EXPONENTIAL, // of this mean, at most ten times that
};

enum {
    BENCH_CONNECTIONS_MAX = 100000, // one address has 28,000 ports to connect from
    BENCH_THREADS_MAX = 256,
    BENCH_PIPELINE_MAX = 10000,
    BENCH_IN_FLIGHT_MAX = 4 << 20, // connections times pipeline: 48 bytes each
    BENCH_KEY_BYTES_MIN = 13,      // "k" and twelve digits: more keys than can be written
    BENCH_KEY_BYTES_MAX = 1024,
    BENCH_VALUE_BYTES_MAX = 64 << 20, // value_max of the server
    BENCH_SCAN_LENGTH_MAX = 10000,
    BENCH_NODES_MAX = 256, // ports that CLUSTER SLOTS may name
    BENCH_SLOTS = 16384,
};

struct bench_plan {
    struct target target;
    const char *password; // NULL: none

    const char *workload;         // as it was named
    double mix[BENCH_OPERATIONS]; // shares; their sum is 1
    enum bench_distribution distribution;
    double theta;     // of zipfian and latest
    double hot_keys;  // hotspot: this share of the keys
    double hot_share; // takes this share of the operations
    uint32_t scan_length_max;

    uint64_t keys;
    uint32_t key_bytes;
    enum bench_size_kind size_kind;
    uint32_t value_bytes_min;
    uint32_t value_bytes_max;
    uint32_t value_bytes_mean; // exponential
    uint64_t ttl_ms;           // 0: values stay

    uint32_t connections;
    uint32_t idle_connections; // opened, and left alone
    uint32_t threads;
    uint32_t pipeline;
    bool window; // keep the pipeline full instead of sending it anew when it is empty
    double rate; // operations a second of all threads; 0: closed loop
    bool poisson;

    bool load;
    bool run;
    uint64_t requests; // operations of all threads; 0: duration decides
    uint64_t duration_ns;
    uint64_t warmup_ns;
    uint64_t seed;

    bool cluster;
    bool resp3;
    bool verify;
    bool allow_errors;
    int64_t server_pid; // 0: ask INFO
};

const char *bench_operation_name(enum bench_operation operation);
const char *bench_distribution_name(enum bench_distribution distribution);
