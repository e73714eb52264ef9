// Hops: a request that runs on another core, or here behind a gate.
//
// A hop carries the request to the core that owns its key and the reply back. Its arguments lie in
// the sender's receive buffer, which stays leased until the hop is back: the other core reads them
// in place.
#pragma once

#include "cluster/message.h"

struct exec;

// Sends x's request to `core`, for a credit that the caller took, or with this core behind the gate
// of its key. False when there is no memory: nothing was done.
bool hop_send(struct exec *x, uint32_t core);

// Back on the sender: the reply takes its place.
void hop_return(struct shard *shard, struct hop *hop);

// Done on the receiver: goes back, or is at home already.
void hop_done(struct shard *shard, struct hop *hop);

// Queues behind the gate of its key, on the receiver. False when the table of gates is full.
bool hop_wait(struct shard *shard, struct hop *hop);

void hop_free(struct shard *shard, struct pending *pending);
