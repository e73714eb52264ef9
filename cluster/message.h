// What one core sends to another. A message belongs to its sender, which gets it back through the
// queue in the other direction when the receiver is done: the receiver never frees one, and never
// touches one that it has sent back.
//
// Queues between two cores hold LIMIT_MESSAGES_QUEUE pointers. Each core has at most
// LIMIT_MESSAGES_OUT of its own messages under way to each other core, so that both these and the
// returning ones of the other side fit: a push cannot meet a full queue. Who has no credit left
// waits (back-pressure); nothing is dropped.
#pragma once

#include "cluster/client.h"
#include "cluster/command.h"
#include "cluster/gate.h"
#include "cluster/item.h"

#include <assert.h>
#include <stdalign.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum message_kind {
    MESSAGE_HOP,     // one command of one key or shard: hop.c
    MESSAGE_PART,    // a step of a command over several cores: multi.c
    MESSAGE_METRICS, // metrics_page.c
    MESSAGE_SOCKET,  // an accepted socket that this core shall serve
};

// Embedded first in each message.
struct message {
    struct message *next; // in lists of whoever holds it
    uint8_t kind;         // enum message_kind
    uint8_t from, to;     // cores
    bool returning;       // on its way back
};

enum { HOP_ARGUMENTS_INLINE = 6 };

// A request that runs elsewhere or later: on another core, or here behind a gate.
//
// Laid out by cache lines, since a hop crosses from one core to the other and back: the request in
// the first, the reply in the second, the arguments behind them; what only one side looks at comes
// last.
struct hop {
    alignas(LIMIT_CACHE_LINE_BYTES) struct message message;
    const struct command *command;
    const struct slice *argv;
    uint64_t hash;
    uint32_t argc;
    uint32_t argument; // which of them is the key
    uint32_t vnode;
    uint16_t slot;
    uint8_t protocol;
    bool timed;  // took_ns is what it took
    bool scoped; // the client came by a shard port
    struct hop *next_granted;
    struct pending pending; // the place of its reply, on the sender
    struct slice arguments[HOP_ARGUMENTS_INLINE];
    struct gate_waiter waiter; // the receiver's, when a gate is taken
    struct shard *waiting_at;  // the receiver, while it queues at a gate or holds it
    struct client_lease lease; // the sender's
    uint64_t took_ns;          // for the sender's slow log
    void *argument_bytes;      // a copy of them where the batch owned them; else NULL
};

static_assert(offsetof(struct hop, pending) <= LIMIT_CACHE_LINE_BYTES + 8,
              "the request is in the first line");

// An accepted socket, handed from core 0 (the listener of a unix path) to another.
struct socket_message {
    struct message message;
    int fd;
    uint32_t flags; // of the client
};
