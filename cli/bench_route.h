// Where to send a key: to the one address that was given, or, with --cluster, to the port that
// CLUSTER SLOTS names for the key's slot.
#pragma once

#include "cli/bench.h"
#include "core/slice.h"

#include <hiredis/hiredis.h>

enum { BENCH_HOST_SIZE = 256, BENCH_ROUTE_ERROR_SIZE = 200 };

struct bench_node {
    char host[BENCH_HOST_SIZE]; // "": the unix socket of the target
    int port;
};

struct bench_route {
    uint32_t node_count;
    struct bench_node nodes[BENCH_NODES_MAX];
    bool by_slot; // else all keys go to node 0
    uint16_t node_of_slot[BENCH_SLOTS];
};

// All keys go to the target.
void bench_route_single(struct bench_route *route, const struct target *target);

// Reads what CLUSTER SLOTS answered; an entry without a host means `default_host`. 0, or -EINVAL
// with the reason: not the shape of CLUSTER SLOTS, a slot that nobody serves, too many nodes.
int bench_route_read(struct bench_route *route, const redisReply *reply, const char *default_host,
                     char error[BENCH_ROUTE_ERROR_SIZE]);

// The node of a key.
uint32_t bench_route_node(const struct bench_route *route, struct slice key);
