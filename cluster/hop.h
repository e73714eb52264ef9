// Hops: requests that run on another core, or here behind a gate, or when a record was read.
//
// A hop carries requests of one connection to the core that owns their keys and the replies back,
// in the message itself where they fit (message.h).
#pragma once

#include "cluster/message.h"

struct exec;
struct hop;
struct hop_request;
struct item;

// Sends x's request to `core`, for a credit that the caller took, or with this core behind the gate
// of its key. False when there is no memory: nothing was done.
bool hop_send(struct exec *x, uint32_t core);

// Gives x's request to the hop that was sent last, if that goes to `core` too, in this turn, for
// the same connection with nothing else between, and has room. No credit is taken.
bool hop_join(const struct exec *x, uint32_t core);

// Makes x's request a hop of this core to itself, whose record is on disk. False as above.
bool hop_load(struct exec *x);

// Makes x's request a hop of this core to itself, for a haul (haul.h). NULL when there is no room.
struct hop *hop_haul(struct exec *x);

// The item of a request, not loaded; `argv` as of hop_arguments().
void hop_item(const struct hop_request *request, const struct slice *argv, struct item *ret_item);

// Makes *ret_exec the execution of one of a hop's requests on its receiver, whose replies follow
// each other in the shard's hop_replies; takes packed arguments apart into spans[HOP_ARGUMENTS].
// Its item is the caller's. What only ROUTE_ALL reads is left as it is.
void hop_request_exec(struct shard *shard, struct hop *hop, const struct hop_request *request,
                      struct slice *spans, struct exec *ret_exec);

// And of the only one of a hop of this core to itself, whose reply goes to the shard's hop_reply.
void hop_exec(struct shard *shard, struct hop *hop, struct slice *spans, struct exec *ret_exec);

// The arguments of a request that has not run yet: those the hop refers to, or packed ones taken
// apart into spans[HOP_ARGUMENTS].
const struct slice *hop_arguments(const struct hop *hop, const struct hop_request *request,
                                  struct slice *spans);

// In this batch no more of the requests of another core's hop are run; hop_replies holds the
// replies to those that were, and is empty then. Goes back if it was the last and none has a
// stand-in.
void hop_ran(struct shard *shard, struct hop *hop);

// A hop of this core to itself is done, with its reply in `reply`, which is empty then: it is taken
// as soon as the group commit is durable (0: at once).
void hop_done(struct shard *shard, struct hop *hop, struct outbuf *reply, uint64_t commit);

// Back on the sender: the replies take their place.
void hop_return(struct shard *shard, struct hop *hop);

// A hop of this core to itself queues behind the gate of its key, which is taken.
void hop_wait(struct shard *shard, struct hop *hop);

// Takes the gate of its key, which is free.
void hop_hold_gate(struct shard *shard, struct hop *hop);

// The place of a hop is at the head of the FIFO: its replies go behind `to`, the client's output,
// with what was ready between them.
void hop_take_replies(struct shard *shard, struct pending *pending, struct outbuf *to);

void hop_free(struct shard *shard, struct pending *pending);
