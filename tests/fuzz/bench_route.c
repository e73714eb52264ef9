// Any reply as the answer to CLUSTER SLOTS: refused with a reason, or a route by which each slot
// leads to a node that was named.
#include "cli/bench_route.h"

#include "core/check.h"

#include <ctype.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

// hiredis takes memory for as many elements as are announced: its matter, and not what is tested.
static bool announces_too_much(const uint8_t *bytes, size_t size)
{
    for (size_t i = 0; i < size; i++) {
        uint64_t count = 0;

        if (bytes[i] != '*' && bytes[i] != '$') {
            continue;
        }
        for (size_t at = i + 1; at < size && isdigit(bytes[at]) && count <= size; at++) {
            count = count * 10 + (uint64_t)(bytes[at] - '0');
        }
        if (count > size) {
            return true;
        }
    }
    return false;
}

static void check_route(const struct bench_route *route)
{
    CHECK(route->by_slot);
    CHECK(route->node_count > 0 && route->node_count <= BENCH_NODES_MAX);
    for (uint32_t i = 0; i < route->node_count; i++) {
        const struct bench_node *const node = &route->nodes[i];

        CHECK(node->port >= 1 && node->port <= 65535);
        CHECK(strnlen(node->host, sizeof node->host) < sizeof node->host);
        CHECK(node->host[0] != '\0');
        for (uint32_t j = 0; j < i; j++) {
            CHECK(node->port != route->nodes[j].port ||
                  strcmp(node->host, route->nodes[j].host) != 0);
        }
    }
    for (uint32_t slot = 0; slot < BENCH_SLOTS; slot++) {
        CHECK(route->node_of_slot[slot] < route->node_count);
    }
    CHECK(bench_route_node(route, slice_from_text("{x}y")) ==
          bench_route_node(route, slice_from_text("x")));
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    static struct bench_route route;
    char error[BENCH_ROUTE_ERROR_SIZE] = "";
    void *reply = NULL;

    if (announces_too_much(bytes, size)) {
        return 0;
    }
    redisReader *const reader = redisReaderCreate();

    CHECK(reader != NULL);
    redisReaderFeed(reader, (const char *)bytes, size);
    if (redisReaderGetReply(reader, &reply) == REDIS_OK && reply != NULL) {
        if (bench_route_read(&route, reply, "127.0.0.1", error) == 0) {
            check_route(&route);
        } else {
            CHECK(error[0] != '\0' && strnlen(error, sizeof error) < sizeof error);
        }
        freeReplyObject(reply);
    }
    redisReaderFree(reader);
    return 0;
}
