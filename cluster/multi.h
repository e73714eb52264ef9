// Commands over several keys or several cores.
//
// The connection's core coordinates (multi.c); each core that holds some of the keys does its part
// (part.c).
//
//     at once           few keys, all here, and nobody has a gate: no part, no message, no waiting
//     placing           each key's core and place are found; each core's keys are a chain
//     round 1           cores in ascending order, one after another. GATE: takes the gates of the
//                       part's keys, then runs what only reads (MGET's values, MSETNX's check,
//                       RENAME's source) and reserves memory for what will be written. The last
//                       core of a command that nothing can veto does all of its part (SOLO), and so
//                       does the only one of any.
//     round 2           all at once. FINISH: applies or not, and releases. RENAME and COPY finish
//                       the destination, which may be refused for want of memory, before the source
//                       (round 3).
//     merging           the replies of the parts become one.
//
// A part whose next key has its record on disk waits for that (load.h) and goes on. When a part has
// shown or written what is not durable yet, it goes back when that is durable.
//
// Commands about all keys (ROUTE_ALL with COMMAND_WALK or COMMAND_WHOLE) take the same rounds with
// the whole shard as their gate: shared to read (DBSIZE, KEYS), exclusive to empty (FLUSHALL).
// Other ROUTE_ALL commands (INFO, CLIENT LIST) take no gates: ALL, on each core, then finish()
// here.
//
// So other clients see all of a command or nothing of it: two-phase locking, gate.h. Each of these
// phases is done in slices (work.h): its progress is in struct multi and struct multi_part.
//
// A command over several cores is a barrier in its own connection: it starts when everything before
// it has been replied, and nothing after it is parsed until it is done.
#pragma once

#include "cluster/gate.h"
#include "cluster/hold.h"
#include "cluster/message.h"
#include "cluster/work.h"

// What the coordinator asks of a part.
enum part_step { PART_SOLO, PART_GATE, PART_FINISH, PART_ALL };

// Where the part is.
enum part_phase {
    PART_ENTER,   // comes to the gates
    PART_LINE,    // stands in the line of groups
    PART_TAKE,    // takes its place at each gate
    PART_WAIT,    // until all of them are granted
    PART_CHECK,   // reads, and reserves memory
    PART_APPLY,   // writes
    PART_RELEASE, // gives up gates and what is left of the reservation
    PART_DONE,
};

struct multi;

#define PART_KEY_NONE UINT32_MAX // no key; no int, so no enumerator

// A key of the command, in the order of the arguments; those of one core are chained by `next`.
struct part_key {
    struct gate_waiter waiter; // first. `waiter.hash` is the key's
    uint32_t vnode;
    uint32_t argument;
    uint32_t reply_bytes; // MERGE_ARRAY: length of its reply in the part's result.out
    uint32_t next;
    uint16_t slot;
    uint8_t core;
    bool gated; // it has a place at a gate: not one with an earlier key of the same hash
};

struct multi_part {
    struct message message;
    struct work work;
    struct gate_group group;
    struct multi *
        multi; // the sender's. The receiver reads it, and writes `carried` when it holds the source
    struct shard *at; // the receiver, while it works on it
    struct multi_part *next_granted;
    uint8_t step;  // enum part_step
    uint8_t phase; // enum part_phase
    bool gated;    // it has gates
    bool failed;   // an error is in result.out
    bool veto;
    bool loading;       // its next key is being read from disk
    uint32_t ahead;     // keys that are read ahead of need
    uint64_t commit;    // what it has shown or written is durable with it
    struct hold hold;   // until then, when it is done
    uint32_t key_first; // in multi->keys
    uint32_t key_at;    // where the phase is; PART_KEY_NONE past the last
    struct haul *haul;  // what the key there has asked for, or NULL
    uint32_t ungranted; // gates that others still hold
    uint64_t bytes;     // of keys and values of pairs
    uint32_t key_count;
    bool reserved;
    size_t counted_bytes;  // of result.out: memory of the receiver's clients, while it grows,
    size_t returned_bytes; // and of the sender's client from then on (client_memory.h)
    struct part result;
};

// What RENAME and COPY move, read under the gates of both keys.
struct transfer {
    uint8_t *bytes;
    size_t size;
    size_t capacity; // haul_block()
    uint64_t expire_ms;
    bool found; // the source
    bool destination_exists;
};

// The keys of one core while they are placed.
struct multi_core {
    uint32_t first, last;
    uint32_t count;
    uint32_t part; // in multi->parts
    uint64_t bytes;
};

struct multi {
    struct pending pending;
    struct work work;    // placing and merging
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
    bool failed; // before its parts began
    bool scoped;
    bool no_touch;
    bool merging;
    bool headed; // the head of the array is replied
    uint8_t round;
    size_t memory_bytes; // what it keeps until it is through: the client's
    uint32_t argument_first, argument_step;
    uint32_t key_count;
    uint32_t key_at; // placing and merging: the next
    struct part_key *keys;
    struct multi_core *cores; // of the node
    uint32_t part_count;
    uint32_t part_next;  // round 1: the next to gate
    uint32_t parts_open; // that have been sent and are not back
    struct multi_part *parts;
    struct transfer transfer;
};

// Starts a ROUTE_KEYS, ROUTE_TRANSFER or ROUTE_ALL command of x->client. True: it is done, the
// reply is written. False: it is under way; the client has a place in its FIFO and its barrier set.
bool multi_start(struct exec *x);

// A part came back.
void multi_part_return(struct shard *shard, struct multi_part *part);

void multi_free(struct shard *shard, struct pending *pending);

// What it keeps beside its replies.
size_t multi_memory(const struct pending *pending);

// part.c -------------------------------------------------------------------------------------

// A part arrived here: does its step, or a slice of it.
void multi_part_receive(struct shard *shard, struct multi_part *part);

// A part whose run() has left it waiting is worked on again: called by what it waited for.
void part_wake(struct shard *shard, struct part *part);

// A part whose turn at the gates has come goes on: called by the shard's loop.
void multi_part_granted(struct shard *shard, struct multi_part *part);

// Where a command's key lives, from argv[argument].
void part_key_place(const struct shard *shard, const struct slice *argv, uint32_t argument,
                    struct part_key *ret_key);
void part_key_item(const struct part_key *key, const struct slice *argv, struct item *ret_item);

// Calls fn for the keys of a chain from *at on, loaded, in order; stops at the first error. Lengths
// of replies are noted in the keys. SLICE: the slice was over before they were through. DISK: the
// record of the key at *at is on disk.
enum keys_result { KEYS_THROUGH, KEYS_SLICE, KEYS_DISK };
enum keys_result part_keys_run(struct exec *x, struct part_key *keys, uint32_t *at, command_fn *fn);

// The record of the part's next key was read, or cannot be: the key is run. The part goes on with
// its work after that.
void multi_part_loaded(struct shard *shard, struct multi_part *part, struct item *item);

// A key that was read ahead is there.
void multi_part_ahead(struct shard *shard, struct multi_part *part);

// transfer.c: the steps of RENAME, RENAMENX and COPY on the core that holds the part's keys, and
// the outcome. transfer_read() and transfer_apply() are for each of its keys, the destination
// first.
bool transfer_valid(struct exec *x); // false: it has replied an error
void transfer_read(struct exec *x);
bool transfer_decide(struct exec *x, struct multi *multi); // true to apply; else it has replied
void transfer_reply(struct exec *x);                       // of one that was applied
void transfer_free(struct shard *shard, struct transfer *transfer);
bool transfer_holds_destination(const struct multi_part *part);
void transfer_apply(struct exec *x);
