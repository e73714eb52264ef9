// What the connections of a shard hold in memory: input that is not a whole request yet, replies
// that nobody reads, places of requests under way. Each connection is bounded by itself
// (clients.request_max, clients.output_max), but a thousand of them are not: together they may hold
// the shard's share of clients.memory_max. Past it the one that holds most is closed, and the log
// says so, until the others fit; the others are not slowed.
//
//     what a client holds     out, late, replies of its places that came, what it has gathered,
//                             and what a command over several keys keeps of it
//     class                   its power of two: the largest is found by looking at the highest
//                             class that has any, so "most" is true up to a factor of two
//
//     shard:  held_bytes of all  =  clients that live  +  what is on its way out (leaving_bytes:
//                                   of clients that are closed, of requests whose client went on)
//
// The bound is on the first part: what is leaving goes by itself, and to close yet another client
// for it would bring nothing. Redis has the same as maxmemory-clients, off unless it is set.
//
// Memory goes back to the system when it is not needed any more. All that is long lies in blocks
// (core/block.h): those that nobody needed for a second are unmapped, a piece a turn, and when
// memory is short all that nobody holds.
#pragma once

#include "core/log.h"
#include "core/timer.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct client;
struct shard;

// Class c holds clients with [4 KiB * 2^c, 4 KiB * 2^(c + 1)); who holds less is in none.
enum { CLIENT_MEMORY_CLASSES = 24, CLIENT_MEMORY_CLASS_MIN_BITS = 12 };

// The most that one client had, for INFO.
struct client_recent {
    uint64_t input_bytes_max;
    uint64_t output_bytes_max;
};

struct client_memory {
    uint64_t held_bytes;
    uint64_t leaving_bytes; // of them
    uint64_t peak_bytes;    // the most that was held since the last tick
    uint64_t max_bytes;     // 0: no bound
    bool tight;             // more than three quarters of it
    struct client *largest[CLIENT_MEMORY_CLASSES];
    uint32_t used;                  // bits: classes that have any
    struct client_recent recent[2]; // of the last seconds, and of those before
    uint64_t recent_until_ns;
    struct timer tick;       // armed while there is something to give back
    bool freed;              // much, since the last one
    struct log_limit closed; // lines about clients closed for it
};

// By the shard's settings, at start and when they change.
void client_memory_configure(struct shard *shard);

// It is closed: what it still holds is leaving. (client_memory_note() is in client.h.)
void client_memory_leave(struct client *client);

// It is freed.
void client_memory_end(struct client *client);

// Memory that no living client answers for: of requests whose client has gone on.
void client_memory_orphan(struct shard *shard, int64_t bytes);

// Of the last seconds.
struct client_recent client_memory_recent(struct shard *shard);

// Whether so much more may be held for a command that keeps it until it is through, with what is
// leaving counted.
bool client_memory_room(const struct shard *shard, uint64_t bytes);

// Once a turn: closes whom it has to, and gives some memory back. True when there is more to do
// now.
bool client_memory_step(struct shard *shard);
