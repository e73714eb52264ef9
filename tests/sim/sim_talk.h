// A conversation with a node in the simulated world, for tests that tell a story: say something,
// let some time pass, look at what was answered.
#pragma once

#include "tests/sim/sim_client.h"

#include <stdbool.h>

struct sim_talk;

// `to` and `node` as of sim_client_connect().
struct sim_talk *sim_talk_open(struct sim_world *world, struct sim_node *node, const char *to);
void sim_talk_close(struct sim_talk *talk, bool reset);

// Sends it as there is room; the rest goes as the world runs.
void sim_talk_send(struct sim_talk *talk, const void *bytes, size_t size);
void sim_talk_say(struct sim_talk *talk, const char *text);

// Nothing is received from now on, or again.
void sim_talk_deaf(struct sim_talk *talk, bool deaf);

// No more to send: the node sees the end when all is sent.
void sim_talk_shutdown(struct sim_talk *talk);

// Lets the world run for so long, and returns what has come since the last call. Terminated, valid
// until the next call.
const char *sim_talk_hear(struct sim_talk *talk, uint64_t ms, size_t *ret_size);

// The node has closed the connection, or reset it.
bool sim_talk_ended(const struct sim_talk *talk);
