// Clients of the simulated world: a test's own ends of connections to nodes, without a core.
//
// All calls take no virtual time and return at once; what was sent arrives, and what comes back can
// be received, as the world runs. A client belongs to the world and lives until sim_client_close().
#pragma once

#include "tests/sim/sim_world.h"

struct sim_client;

// Called from the world's loop when there may be something to receive, room to send, or an end.
typedef void sim_ready_fn(struct sim_client *client, void *context);

// `to` as io_address_parse() takes it, "10.0.0.1:7379"; for "unix:/path" `node` is where the path
// is, otherwise it is the machine the client runs on; NULL: one of its own. `ready` may be NULL.
struct sim_client *sim_client_connect(struct sim_world *world, struct sim_node *node,
                                      const char *to, sim_ready_fn *ready, void *context);

// 0 when connected, -EINPROGRESS, or why not (-ECONNREFUSED, ...).
int sim_client_state(const struct sim_client *client);

// Bytes taken: up to size, 0 when there is no room now; or -EPIPE, -ECONNRESET.
long sim_client_send(struct sim_client *client, const void *bytes, size_t size);

// Bytes received; 0 at the end of the stream; -EAGAIN when there is nothing now; -ECONNRESET.
long sim_client_recv(struct sim_client *client, void *bytes, size_t size);

// No more to send: the other side sees the end of the stream.
void sim_client_shutdown(struct sim_client *client);

// With `reset` the other side sees -ECONNRESET instead of an end.
void sim_client_close(struct sim_client *client, bool reset);
