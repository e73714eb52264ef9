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
    uint16_t bytes;       // of its lines, from the message on, that are used: asked for ahead
};

enum {
    HOP_LINES = 16, // what crosses between the cores, as far as it is used
    HOP_INSIDE_BYTES = 960,
    HOP_REQUESTS = 8,  // in one message
    HOP_ARGUMENTS = 8, // the most that are packed, or referred to without a block of their own
};

// One of its requests: what there is to do. Behind it lie its packed arguments, their sizes, two
// bytes each, and then their bytes.
struct hop_request {
    const struct command *command;
    uint64_t hash;
    uint32_t vnode;
    uint32_t argc;
    uint16_t slot;
    uint16_t argument; // which of them is the key
    uint32_t bytes;    // to the next one
};

// Requests that run elsewhere or later: on another core, or here behind a gate.
//
// What crosses from one core to the other and back costs by the line of the cache, each as much as
// 100 instructions, and by the message, each some hundred. So requests and replies travel in the
// message itself, and what a connection asks of one core in one turn, with nothing for a third
// between, is one message:
//
//     line 0         what each message has; the sizes of the replies
//     lines 1 to 15  inside: the requests on the way there, the replies on the way back
//     beyond         the sender's own; and what is seldom
//
// A GET and its reply of 64 bytes are two lines each way, eight of them nine or ten. What does not
// fit stays where it is: arguments in the sender's receive buffer, which is leased until the hop is
// back (such a request travels alone); replies in chunks of the receiver's.
//
// The receiver runs the requests one after another, and sends the hop back when all are done. One
// that has to wait there (behind a gate, for the disk, for a long value) does so as a hop of the
// receiver to itself, its stand-in, so that it keeps up nobody but the replies. A hop of a core to
// itself carries one request.
struct hop {
    alignas(LIMIT_CACHE_LINE_BYTES) struct message message; // next: in the lists of the receiver
    uint8_t count;                                          // requests
    uint8_t ran;   // of them, here or as stand-ins, in their order
    uint8_t stood; // bit by request: those with a stand-in
    uint8_t protocol;
    bool no_touch;
    bool packed;     // the arguments are inside, until the replies are; else they are in argv
    bool outside;    // the replies, those that are there, are in pending.out and not inside
    bool timed;      // one request: took_ns is what it took; the arguments stay, for the slow log
    uint64_t commit; // that the replies wait for
    uint32_t reply_bytes[HOP_REQUESTS];
    alignas(LIMIT_CACHE_LINE_BYTES) uint8_t inside[HOP_INSIDE_BYTES];

    struct pending pending;              // the place of its replies, on the sender
    size_t late_before[HOP_REQUESTS];    // as of a place, from the second request on
    uint32_t reply_at;                   // of those inside, how much was taken
    const struct slice *argv;            // the arguments, unless packed
    struct slice spans[HOP_ARGUMENTS];   // theirs, unless there are more
    struct client_lease lease;           // of their bytes
    void *argument_bytes;                // a copy of them where the batch owned them; else NULL
    uint64_t took_ns;                    // for the sender's slow log
    struct hold hold;                    // the receiver's, while its commit is not durable
    struct hop *stand_ins[HOP_REQUESTS]; // the receiver's, by `stood`
    uint32_t standing;                   // of them, not done yet
    // of a hop of a core to itself
    bool gated; // queues at a gate, or holds it
    struct gate_waiter waiter;
    struct shard *waiting_at; // while `gated`: the core
    struct haul *haul;        // while `gated`: what it has asked for, or NULL
    struct hop *stands_in;    // for a request of this one, or NULL
};

static_assert(offsetof(struct hop, inside) == LIMIT_CACHE_LINE_BYTES &&
                  offsetof(struct hop, pending) == (size_t)HOP_LINES * LIMIT_CACHE_LINE_BYTES,
              "what crosses has its lines for itself");
static_assert(HOP_REQUESTS <= 8 * sizeof((struct hop *)0)->stood, "a bit for each");

static inline const struct hop_request *hop_first(const struct hop *hop)
{
    return (const struct hop_request *)(const void *)hop->inside;
}

static inline const struct hop_request *hop_next(const struct hop_request *request)
{
    return (const struct hop_request *)(const void *)((const uint8_t *)request + request->bytes);
}

// A message that was drained lies in the other core's cache, and a line that comes from there costs
// as much as a hop's work. Asks for what every message has.
static inline void message_fetch(const void *message)
{
    cache_fetch_to_write(message);
    cache_fetch_to_write((const char *)message + LIMIT_CACHE_LINE_BYTES);
}

// And for the rest of a long one, by its first line, which is to be there by now. Of one on its way
// back also all that the requests took, since the next ones are written there.
static inline void message_fetch_rest(const struct message *message)
{
    const char *const end = (const char *)message + message->bytes;
    for (const char *line = (const char *)message + (size_t)2 * LIMIT_CACHE_LINE_BYTES; line < end;
         line += LIMIT_CACHE_LINE_BYTES) {
        cache_fetch_to_write(line);
    }
    if (message->returning && message->kind == MESSAGE_HOP) {
        __builtin_prefetch(&((const struct hop *)(const void *)message)->pending, 1);
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
