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
#include "cluster/hold.h"
#include "cluster/item.h"
#include "core/cache.h"
#include "core/limits.h"

#include <assert.h>
#include <stdalign.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum message_kind {
    MESSAGE_HOP,      // one command of one key or shard: hop.c
    MESSAGE_PART,     // a step of a command over several cores: multi.c
    MESSAGE_METRICS,  // metrics_page.c
    MESSAGE_SNAPSHOT, // snapshot.c
    MESSAGE_SOCKET,   // an accepted socket that this core shall serve
};

// Embedded first in each message.
struct message {
    struct message *next; // in lists of whoever holds it
    uint8_t kind;         // enum message_kind
    uint8_t from, to;     // cores
    bool returning;       // on its way back
};

enum {
    HOP_LINES = 4, // what crosses between the cores, as far as it is used
    HOP_INSIDE_BYTES = 204,
    HOP_ARGUMENTS = 8, // the most that are packed, or referred to without a block of their own
};

// A request that runs elsewhere or later: on another core, or here behind a gate.
//
// It crosses from one core to the other and back, and each line of the cache that does costs what
// 100 instructions cost. So request and reply travel in the message itself:
//
//     line 0         what there is to do  |  inside
//     lines 1 to 3   inside: the arguments on the way there, the reply on the way back
//     beyond         the sender's own; and what is seldom
//
// Packed arguments are their sizes, two bytes each, and then their bytes. A GET and its reply of 64
// bytes are two lines each way. What does not fit stays where it is: arguments in the sender's
// receive buffer, which is leased until the hop is back; a reply in chunks of the receiver's.
struct hop {
    alignas(LIMIT_CACHE_LINE_BYTES) struct message message; // next: in the lists of the receiver
    const struct command *command;
    uint64_t hash;
    uint32_t vnode;
    uint32_t argc;
    uint16_t slot;
    uint16_t argument;     // which of them is the key
    uint16_t packed_bytes; // arguments inside, until the reply is; 0: they are in argv
    uint16_t reply_bytes;  // of it inside; 0: it is in pending.out
    uint8_t protocol;
    bool no_touch;
    bool timed; // took_ns is what it took; the arguments stay, for the slow log
    bool gated; // queues at a gate of the receiver, or holds it
    uint8_t inside[HOP_INSIDE_BYTES];

    struct pending pending;            // the place of its reply, on the sender
    const struct slice *argv;          // the arguments, unless packed
    struct slice spans[HOP_ARGUMENTS]; // theirs, unless there are more
    struct client_lease lease;         // of their bytes
    void *argument_bytes;              // a copy of them where the batch owned them; else NULL
    uint64_t took_ns;                  // for the sender's slow log
    struct gate_waiter waiter;         // the receiver's, when a gate is taken
    struct shard *waiting_at;          // the receiver, while `gated`
    struct haul *haul;                 // while `gated`: what it has asked for, or NULL
    struct hold hold;                  // the receiver's, while its commit is not durable
};

static_assert(offsetof(struct hop, pending) == (size_t)HOP_LINES * LIMIT_CACHE_LINE_BYTES,
              "what crosses has its lines for itself");

// A message that was drained lies in the other core's cache, and a line that comes from there costs
// as much as a hop's work. Asks for what every message has.
static inline void message_fetch(const void *message)
{
    cache_fetch_to_write(message);
    cache_fetch_to_write((const char *)message + LIMIT_CACHE_LINE_BYTES);
}

// And for the rest of a long one, by its first line, which is to be there by now. Of one on its way
// back also all that the request took, since the next one is written there.
static inline void message_fetch_rest(const struct message *message)
{
    const struct hop *hop = (const struct hop *)(const void *)message;
    if (message->kind != MESSAGE_HOP) {
        return;
    }
    size_t inside = message->returning && hop->reply_bytes > hop->packed_bytes ? hop->reply_bytes
                                                                               : hop->packed_bytes;
    const char *end = (const char *)hop->inside + inside;
    for (const char *line = (const char *)message + (size_t)2 * LIMIT_CACHE_LINE_BYTES; line < end;
         line += LIMIT_CACHE_LINE_BYTES) {
        cache_fetch_to_write(line);
    }
    if (message->returning) {
        __builtin_prefetch(&hop->pending, 1);
    } else if (hop->packed_bytes == 0) {
        __builtin_prefetch(&hop->argv);
        __builtin_prefetch(hop->spans);
    }
}

// Hops in a row, by message.next.
struct hop_list {
    struct hop *first, *last;
};

static inline void hop_list_add(struct hop_list *list, struct hop *hop)
{
    hop->message.next = NULL;
    if (list->last != NULL) {
        list->last->message.next = &hop->message;
    } else {
        list->first = hop;
    }
    list->last = hop;
}

// NULL when there is none.
static inline struct hop *hop_list_take(struct hop_list *list)
{
    struct hop *hop = list->first;
    if (hop != NULL) {
        list->first = (struct hop *)hop->message.next;
        if (list->first == NULL) {
            list->last = NULL;
        }
    }
    return hop;
}

// An accepted socket, handed from core 0 (the listener of a unix path) to another.
struct socket_message {
    struct message message;
    int fd;
    uint32_t flags; // of the client
};
