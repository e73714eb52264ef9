#include "cli/bench_route.h"

#include "core/check.h"
#include "ring/slot.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

static_assert((int)BENCH_SLOTS == (int)SLOT_COUNT, "one table for all slots");

enum { SLOT_UNSERVED = UINT16_MAX };

void bench_route_single(struct bench_route *route, const struct target *target)
{
    route->by_slot = false;
    route->node_count = 1;
    route->nodes[0].port = target->port;
    snprintf(route->nodes[0].host, sizeof route->nodes[0].host, "%s",
             target->socket_path != NULL ? "" : target->host);
}

static int route_wrong(char *error, const char *reason)
{
    snprintf(error, BENCH_ROUTE_ERROR_SIZE, "CLUSTER SLOTS: %s", reason);
    return -EINVAL;
}

// The index of that address, which is added if it is new; -1 when there is no room.
static int route_node(struct bench_route *route, const char *host, int port)
{
    for (uint32_t i = 0; i < route->node_count; i++) {
        if (route->nodes[i].port == port && strcmp(route->nodes[i].host, host) == 0) {
            return (int)i;
        }
    }
    if (route->node_count == BENCH_NODES_MAX) {
        return -1;
    }
    struct bench_node *const node = &route->nodes[route->node_count];

    snprintf(node->host, sizeof node->host, "%s", host);
    node->port = port;
    return (int)route->node_count++;
}

// One entry: first slot, last slot, then the nodes, of which the first is the one to write to.
static int route_entry(struct bench_route *route, const redisReply *entry, const char *default_host,
                       char *error)
{
    if (entry->type != REDIS_REPLY_ARRAY || entry->elements < 3 ||
        entry->element[0]->type != REDIS_REPLY_INTEGER ||
        entry->element[1]->type != REDIS_REPLY_INTEGER ||
        entry->element[2]->type != REDIS_REPLY_ARRAY || entry->element[2]->elements < 2 ||
        entry->element[2]->element[1]->type != REDIS_REPLY_INTEGER) {
        return route_wrong(error, "an answer of another shape");
    }
    const long long first = entry->element[0]->integer;
    const long long last = entry->element[1]->integer;
    const redisReply *const host = entry->element[2]->element[0];
    const long long port = entry->element[2]->element[1]->integer;
    const bool named = host->type == REDIS_REPLY_STRING && host->len != 0;

    if (named && (host->len >= BENCH_HOST_SIZE || strlen(host->str) != (size_t)host->len)) {
        return route_wrong(error, "a host that is none");
    }
    if (first < 0 || last < first || last >= BENCH_SLOTS || port < 1 || port > 65535) {
        return route_wrong(error, "slots or ports out of range");
    }
    const int node = route_node(route, named ? host->str : default_host, (int)port);

    if (node < 0) {
        return route_wrong(error, "more than 256 nodes");
    }
    for (long long slot = first; slot <= last; slot++) {
        route->node_of_slot[slot] = (uint16_t)node;
    }
    return 0;
}

int bench_route_read(struct bench_route *route, const redisReply *reply, const char *default_host,
                     char error[BENCH_ROUTE_ERROR_SIZE])
{
    static_assert((int)BENCH_NODES_MAX < (int)SLOT_UNSERVED, "no node has the number of none");
    if (reply->type != REDIS_REPLY_ARRAY) {
        return route_wrong(error, reply->type == REDIS_REPLY_ERROR ? reply->str
                                                                   : "an answer that is no list");
    }
    route->by_slot = true;
    route->node_count = 0;
    for (size_t i = 0; i < BENCH_SLOTS; i++) {
        route->node_of_slot[i] = SLOT_UNSERVED;
    }
    for (size_t i = 0; i < reply->elements; i++) {
        const int result = route_entry(route, reply->element[i], default_host, error);

        if (result != 0) {
            return result;
        }
    }
    for (size_t i = 0; i < BENCH_SLOTS; i++) {
        if (route->node_of_slot[i] == SLOT_UNSERVED) {
            return route_wrong(error, "there are slots that no node serves");
        }
    }
    return 0;
}

uint32_t bench_route_node(const struct bench_route *route, struct slice key)
{
    return route->by_slot ? route->node_of_slot[slot_of_key(key)] : 0;
}
