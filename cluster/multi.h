// Commands over several keys or several cores.
//
// The connection's core coordinates; each core that holds some of the keys does its part.
//
//     at once           all keys live here and no gate is taken: no part, no message, no waiting
//     one core          SOLO: that core takes the gates, checks, applies, releases
//     several cores     round 1, cores in ascending order, one after another: GATE takes the gates
//     of the part's
//                       keys and runs what only reads (MGET's values, MSETNX's check, RENAME's
//                       source). The last core of a command that nothing can veto does all of its
//                       part at once (SOLO). round 2, all at once: FINISH applies or not, and
//                       releases. RENAME and COPY finish the destination, which may be refused for
//                       want of memory, before the source (round 3).
//     every core        ALL (DBSIZE, INFO, CLIENT LIST): run on each, without gates; then finish()
//     here.
//
// So other clients see all of a command or nothing of it: two-phase locking (Bernstein, Hadzilacos,
// Goodman, 1987, chapter 3). All coordinators take gates in one order, by core and then by hash, so
// no two wait for each other.
//
// A command over several cores is a barrier in its own connection: it starts when everything before
// it has been replied, and nothing after it is parsed until it is done.
#pragma once

#include "cluster/message.h"

enum part_step { PART_SOLO, PART_GATE, PART_FINISH, PART_ALL };

struct multi;

// A key of a part.
struct part_key {
    uint64_t hash;
    uint32_t vnode;
    uint32_t argument;
    uint32_t reply_bytes; // MERGE_ARRAY: length of its reply in result.out
    uint16_t slot;
};

struct part_waiter {
    struct gate_waiter waiter; // first
    struct multi_part *part;
};

struct multi_part {
    struct message message;
    struct multi *
        multi; // the sender's. The receiver reads it, and writes `carried` when it holds the source
    struct shard *at; // the receiver, while it works on it
    struct multi_part *next_granted;
    uint8_t step; // enum part_step
    bool failed;  // an error is in result.out
    bool veto;
    uint32_t key_count;
    struct part_key *keys;       // in the order of the arguments
    struct part_waiter *waiters; // one for each different hash, ascending
    uint32_t waiter_count;
    uint32_t granted; // the first so many hold their gates
    struct part result;
};

// What RENAME and COPY move, read under the gates of both keys.
struct transfer {
    uint8_t *bytes;
    size_t size;
    uint64_t expire_ms;
    bool found; // the source
    bool destination_exists;
};

struct multi {
    struct pending pending;
    struct shard *shard; // coordinator
    struct client_lease lease;
    const struct command *command;
    const struct slice *argv;
    void *argument_bytes; // a copy of them where the batch owned them; else NULL
    uint32_t argc;
    uint64_t began_ns;
    uint64_t caller_id; // of the client: it may be gone before its command is
    uint8_t protocol;
    bool apply;
    bool failed;
    bool scoped;
    uint8_t round;
    uint32_t key_count;
    uint32_t part_count;
    uint32_t part_next;  // round 1: the next to gate
    uint32_t parts_open; // that have been sent and are not back
    struct multi_part *parts;
    struct transfer transfer;
};

// Starts a ROUTE_KEYS, ROUTE_TRANSFER or ROUTE_ALL command of x->client. True: it is done, the
// reply is written. False: it is under way; the client has a place in its FIFO and its barrier set.
bool multi_start(struct exec *x);

// A part arrived here from another core: does its step. A part came back.
void multi_part_receive(struct shard *shard, struct multi_part *part);
void multi_part_return(struct shard *shard, struct multi_part *part);

// A part that queued at a gate here holds it now: called by the shard's loop.
void multi_part_granted(struct shard *shard, struct multi_part *part);

// One slice of a part that is long, in the background phase. True when there is more to do.
bool multi_slice(struct shard *shard);

void multi_free(struct shard *shard, struct pending *pending);

// transfer.c: the steps of RENAME, RENAMENX and COPY on the core that holds the part's keys, and
// the outcome.
bool transfer_valid(struct exec *x); // false: it has replied an error
void transfer_read(struct exec *x, struct multi *multi, const struct multi_part *part);
bool transfer_decide(struct exec *x, struct multi *multi); // true to apply; else it has replied
void transfer_reply(struct exec *x);                       // of one that was applied
bool transfer_holds_destination(const struct multi_part *part);
void transfer_apply(struct exec *x, struct multi *multi, const struct multi_part *part);
