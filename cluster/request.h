// The turn of a shard: from received bytes to replies, in batches.
//
//     parse      up to LIMIT_BATCH requests, from all clients that sent something
//     prefetch   the index lines and records of all keys of the batch (engine_prepare)
//     run        each in its order, replies in place
//
// A memory access that misses the caches costs as much as all the rest of a GET. Reading a batch's
// keys ahead lets these misses overlap (perf/README, The engine alone).
//
// Whatever decides by the connection's state (authentication, rights, CLIENT REPLY) does so when
// the request runs, not when it is parsed: the one before it in the same pipeline may have changed
// that state.
#pragma once

#include "cluster/command.h"
#include "cluster/item.h"

#include <stdbool.h>

struct batch;
struct hop;
struct shard;

int batch_open(struct batch **ret_batch);
void batch_close(struct batch *batch);

// Works off what is ready: hops of other cores, requests freed by gates, requests of clients; up to
// LIMIT_REQUESTS_A_TURN. True when something is left.
bool request_execute(struct shard *shard);

// The checks before every command (admit.c): false when it may not run; the error is replied then.
bool request_admit(struct exec *x);

// Whether they refuse the request for what it is, its keys and values aside: it is unknown, its
// arity is wrong, the user may not run it. x->client and x->command are set; replies nothing.
bool request_is_refused(const struct exec *x);

// The part of them that is about one key of a command that may have many, at argv[argument]:
// multi.c asks; true at once where request_admit() has looked at all keys.
bool request_admit_key(struct exec *x, uint32_t argument);

// Makes the caller the owner of x->argv, to be freed with memory_free(), where it is an allocation
// of the batch.
bool request_take_spill(const struct exec *x);

// Counts a command that was not run in a batch, and took so long.
void request_count_late(const struct exec *x, uint64_t took_ns);
