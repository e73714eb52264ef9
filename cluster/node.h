// A node: what its cores share, all of it fixed before the first core starts or written by one
// thread alone.
//
// node_open() prepares everything that can fail early (addresses, users, placement), node_settle()
// the data directory; each core then opens its shard on its own thread. The program (cli/rldbd.c)
// makes the threads; the simulator steps the shards itself.
#pragma once

#include "cluster/acl.h"
#include "cluster/command.h"
#include "cluster/data_dir.h"
#include "core/config.h"
#include "core/limits.h"
#include "core/log.h"
#include "core/spsc.h"
#include "ring/placement.h"
#include "ring/ring.h"

#include <stdalign.h>
#include <stdatomic.h>
#include <stdint.h>

struct io;
struct shard;

enum {
    NODE_ERROR_BYTES = 512,
    NODE_DESCRIPTION_BYTES = LIMIT_CONFIG_LISTENERS * sizeof(struct config_address) + 128,
};

struct node {
    struct config config; // as it was at start; what may change lives in each shard
    struct acl *acl;
    struct command_index *commands;
    struct ring *ring;
    struct placement *placement;
    uint32_t shard_count;
    char id_text[NODE_ID_TEXT_BYTES];
    char run_id[NODE_ID_TEXT_BYTES]; // anew at each start
    struct data_identity identity;   // with an engine that has files the data directory's
    struct io *io;                   // node_open()'s
    int data_lock;                   // -1: no engine has files
    uint64_t started_wall_ms;
    uint64_t started_ns;
    uint64_t memory_total_bytes; // the machine's
    uint16_t client_port;        // as told to clients; 0 when there is no TCP listener
    uint16_t shard_port_base;
    char advertise[LIMIT_CONFIG_HOST_BYTES];
    char host[LIMIT_CONFIG_HOST_BYTES];  // the first TCP listener's, without the port
    struct shard *shards[LIMIT_SHARDS];  // set by each shard before any of them serves
    struct spsc *queues;                 // [from * shard_count + to]; the diagonal is unused
    _Atomic uint32_t clients;            // connections of all shards
    _Atomic uint32_t write_ended;        // shards whose disk failed: they take no writes any more
    _Atomic bool stop;                   // node_stop() was called
    _Atomic uint32_t drained;            // shards that have no clients any more
    void (*request_stop)(void *context); // asks the program to call node_stop() (SHUTDOWN)
    void *request_stop_context;
    bool (*interrupted)(void *context); // or NULL: asks the program whether to end node_settle()
    void *interrupted_context;
    log_sink_fn *log_sink;
    void *log_context;
    uint32_t index_buckets_log; // of struct engine_options; before shard_open(), in simulation
};

// Whether the users file of the configuration is one: what node_open() would say of it. 0 or -errno
// with ret_error[NODE_ERROR_BYTES].
int node_check_users(const struct config *config, char *ret_error);

// Prepares a node from its configuration, and takes its data directory where its engine has files;
// `io` is used during the call, and by node_close(). 0 or -errno, ret_error[NODE_ERROR_BYTES] says
// what is wrong.
int node_open(const struct config *config, const struct cpu_facts *facts, uint32_t shards,
              struct io *io, struct node **ret_node, char *ret_error);
void node_close(struct node *node);

// What has to be done before shards open, and may take minutes: data that another number of shards
// wrote is spread over those of today (reshard.h). Logs; `io` as above. 0; -EINTR when
// node->interrupted said so; or -errno, with what is wrong in ret_error[NODE_ERROR_BYTES].
int node_settle(struct node *node, struct io *io, char *ret_error);

// Asks all shards to end. `io` is the caller's own; the wakes go out with its next turn. From any
// thread.
void node_stop(struct node *node, struct io *io);

// Whether what the node is told outlives a stop.
static inline bool node_is_durable(const struct node *node)
{
    return node->config.storage.engine != CONFIG_ENGINE_MEMORY;
}

static inline struct spsc *node_queue(struct node *node, uint32_t from, uint32_t to)
{
    return &node->queues[from * node->shard_count + to];
}

// A connection comes to a shard, or has gone. Shards that accept at the same moment are told
// different numbers, so that clients.max is kept to the one.
static inline uint32_t node_client_came(struct node *node) // returns how many there were before
{
    return atomic_fetch_add_explicit(&node->clients, 1, memory_order_relaxed);
}

static inline void node_client_gone(struct node *node)
{
    atomic_fetch_sub_explicit(&node->clients, 1, memory_order_relaxed);
}

// Why nobody can listen on an address, and what to do, into ret_error[NODE_ERROR_BYTES]. `key` of
// the configuration is where the address comes from.
void node_listen_error(const char *address, const char *key, int error, char *ret_error);

// "client 127.0.0.1:7379,unix:/run/rldb.sock peer off shards 2 engine memory", all addresses that
// clients may use: what rldbd prints after "ready: ".
void node_describe(const struct node *node, char ret_text[NODE_DESCRIPTION_BYTES]);
