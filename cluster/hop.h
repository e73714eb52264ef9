// Hops: a request that runs on another core, or here behind a gate, or when its record was read.
//
// A hop carries the request to the core that owns its key and the reply back, in the message itself
// where they fit (message.h).
#pragma once

#include "cluster/message.h"

struct exec;
struct hop;
struct item;

// Sends x's request to `core`, for a credit that the caller took, or with this core behind the gate
// of its key. False when there is no memory: nothing was done.
bool hop_send(struct exec *x, uint32_t core);

// Makes x's request a hop of this core to itself, whose record is on disk. False as above.
bool hop_load(struct exec *x);

// Makes x's request a hop of this core to itself, for a haul (haul.h). NULL when there is no room.
struct hop *hop_haul(struct exec *x);

// The item of a hop's key, not loaded; `argv` as of hop_arguments().
void hop_item(const struct hop *hop, const struct slice *argv, struct item *ret_item);

// Makes *ret_exec the execution of a hop on its receiver; takes packed arguments apart into
// spans[HOP_ARGUMENTS]. Its item is the caller's. What only ROUTE_ALL reads is left as it is.
void hop_exec(struct shard *shard, struct hop *hop, struct slice *spans, struct exec *ret_exec);

// The arguments of a request that has not run yet: those it refers to, or packed ones taken apart
// into spans[HOP_ARGUMENTS].
const struct slice *hop_arguments(const struct hop *hop, struct slice *spans);

// Done on the receiver, with its reply in `reply`, which is empty then: goes back, or is at home
// already, as soon as the group commit is durable (0: at once).
void hop_done(struct shard *shard, struct hop *hop, struct outbuf *reply, uint64_t commit);

// Back on the sender: the reply takes its place.
void hop_return(struct shard *shard, struct hop *hop);

// Queues behind the gate of its key, which is taken, on the receiver.
void hop_wait(struct shard *shard, struct hop *hop);

// Takes the gate of its key, which is free, on the receiver.
void hop_hold_gate(struct shard *shard, struct hop *hop);

// The place of a hop is at the head of the FIFO: its reply goes behind `to`.
void hop_take_reply(struct shard *shard, struct pending *pending, struct outbuf *to);

void hop_free(struct shard *shard, struct pending *pending);
