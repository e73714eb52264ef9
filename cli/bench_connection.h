// One connection of the load generator: a socket, and the operations in flight on it in their
// order.
#pragma once

#include "cli/bench_reply.h"
#include "cli/bench_route.h"
#include "cli/bench_source.h"
#include "cli/bench_values.h"

struct bench_connection {
    int fd; // -1: lost, or never opened
    uint16_t node;
    bool idle_listed; // waits in its node's list for something to send

    uint32_t flight_head; // a ring of flight_capacity items
    uint32_t flight_count;
    uint32_t flight_capacity;
    struct bench_item *flight;

    uint8_t *spill; // what the socket did not take yet; NULL: nothing
    size_t spill_size;
    size_t spill_sent;

    struct bench_reader reader;
    struct bench_value_check check; // --verify: of the value that is being read
    uint32_t element;               // which value of the reply that is
    bool value_wrong;               // of the reply being read
};

enum { BENCH_CONNECT_ERROR_SIZE = 400 };

// Opens a socket to the node, blocking, lets the plan's user in, and asks for RESP3 if the plan
// does. 0 and a non-blocking *ret_fd, or -errno with the reason.
int bench_connect(const struct bench_plan *plan, const struct bench_node *node, int *ret_fd,
                  char error[BENCH_CONNECT_ERROR_SIZE]);

void bench_connection_init(struct bench_connection *connection, int fd, uint16_t node,
                           uint32_t flight_capacity);
void bench_connection_free(struct bench_connection *connection);

static inline struct bench_item *bench_connection_first(const struct bench_connection *connection)
{
    return &connection->flight[connection->flight_head];
}

// There is room: flight_count < flight_capacity.
void bench_connection_push(struct bench_connection *connection, const struct bench_item *item);
void bench_connection_pop(struct bench_connection *connection);

// Sends bytes, and keeps what the socket does not take now; nothing is kept yet. 0, or -errno: it
// is lost.
int bench_connection_send(struct bench_connection *connection, const uint8_t *bytes, size_t size);

// Sends what was kept. 0, or -errno.
int bench_connection_flush(struct bench_connection *connection);
