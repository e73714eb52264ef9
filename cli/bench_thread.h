// One thread of the load generator: its connections in one epoll, its operations, its counts.
// Threads share what never changes, the ledger of --verify, and a few counters that the main thread
// looks at.
//
// At most connections * pipeline operations are outstanding: given out by the source, and not yet
// answered. One waits in its node's queue until a connection is idle, and is then in flight. So a
// closed loop is a fixed number of users, each of whom sends its next request when the last is
// answered, also where keys decide the connection; and an open loop that outruns the server stops
// at a bound.
//
// A connection is idle when nothing is in flight on it; then it takes up to `pipeline` operations
// in one send, as redis-benchmark -P does. With --window, and in an open loop, it is idle as long
// as there is room in its pipeline.
#pragma once

#include "cli/bench_connection.h"
#include "cli/bench_ledger.h"
#include "cli/bench_queue.h"
#include "cli/bench_request.h"
#include "cli/bench_stats.h"

#include <pthread.h>
#include <stdatomic.h>

enum {
    BENCH_RECEIVE_BYTES = 256 << 10, // of one recv: the replies of a deep pipeline
    BENCH_SEND_BYTES = 1 << 20,      // a connection takes no more operations at once than make this
    BENCH_EVENTS = 256,              // of one epoll_wait
};

// Written by one thread, read by the main one.
struct bench_live {
    _Alignas(64) atomic_uint_fast64_t replies; // and not operations: a read-modify-write has two
    atomic_uint_fast64_t operations;
    atomic_uint_fast64_t bytes_sent;
    atomic_uint_fast64_t bytes_received;
    atomic_bool finished; // with the phase
};

// What all threads share.
struct bench_shared {
    const struct bench_plan *plan;
    struct bench_values values;
    struct bench_request request;
    struct bench_route route;
    struct bench_ledger *ledger; // NULL without --verify
    uint64_t phase_start_ns;
    bool loading;     // the phase
    bool ending;      // no phase follows
    atomic_bool stop; // someone pressed Ctrl-C, or a thread could not start
    pthread_barrier_t barrier;
};

struct bench_thread {
    struct bench_live live;
    struct bench_shared *shared;
    pthread_t thread;
    uint32_t number;
    struct bench_stats stats;
    struct bench_source source;
    char error[BENCH_CONNECT_ERROR_SIZE]; // why it could not start; "": it could

    int epoll;
    uint32_t connection_count;
    uint32_t open_count; // not lost
    struct bench_connection *connections;
    uint32_t idle_count; // sockets of --idle
    int *idle_sockets;
    struct bench_queue *queues; // by node
    uint32_t *open_of_node;     // connections of each node that are not lost
    uint64_t outstanding;       // operations given out by the source and not yet answered
    uint64_t in_flight_max;
    uint32_t pipeline; // of the phase
    uint32_t version;  // of the next write, without a ledger
    uint8_t *received;
    uint8_t *sending;
    size_t request_bytes_max;
    uint64_t now_ns;
};

// The pipeline of the loading, which nobody measures: deep enough that round trips do not count.
uint32_t bench_load_pipeline(const struct bench_plan *plan);

// How many of the plan's connections a thread has.
uint32_t bench_thread_connections(const struct bench_plan *plan, uint32_t thread);

// Opens the thread's connections. 0, or -errno with thread->error set.
int bench_thread_open(struct bench_thread *thread);
void bench_thread_close(struct bench_thread *thread);

// Runs one phase to its end.
void bench_thread_phase(struct bench_thread *thread);

// The rest is between bench_thread.c, which sends, and bench_answer.c, which receives.

// Takes what is due from the source into the queues, then drains them.
void bench_thread_feed(struct bench_thread *thread);

// Sends what waits in the queues, as far as connections are idle.
void bench_thread_drain(struct bench_thread *thread);

// Lists the connection as idle if it may take operations.
void bench_thread_offer(struct bench_thread *thread, uint32_t index);

// Closes a connection and counts what was in flight on it as lost.
void bench_thread_lose(struct bench_thread *thread, struct bench_connection *connection,
                       const char *reason);

// Counts all that is outstanding as lost, and closes the connections that it is on.
void bench_thread_abandon(struct bench_thread *thread);

// Whether epoll tells when the connection can be written to.
void bench_thread_watch(struct bench_thread *thread, uint32_t index, bool writing);

// Reads what has arrived on the connection, and finishes what it answers.
void bench_thread_receive(struct bench_thread *thread, uint32_t index);
