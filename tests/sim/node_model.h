// What a node must look like from outside: a small model of Redis, and a checker of histories.
//
// Keys are grouped into objects of up to MODEL_KEYS keys. Every command of the workload stays
// inside one object, so objects can be checked one by one: linearizability is a local property
// (Herlihy and Wing, "Linearizability", 1990, theorem 1). The checker looks for an order of an
// object's operations, each at one moment between its request and its reply, in which the model
// gives the replies that were seen. It is the search of Wing and Gong ("Testing and verifying
// concurrent objects", 1993) with Lowe's memory of configurations ("Testing for linearizability",
// 2017).
//
// Beyond linearizability it holds a connection to the order that rldb promises it: what touches one
// key takes effect in the order of the requests, a command over several cores after all before it.
//
// An operation without a reply (the connection ended first) may have happened at any later time, or
// never. Keys with an expiry may be gone from the earliest moment on at which they may have
// expired, and must be gone after the latest. Where the node evicts, any key may be gone at any
// time, and stays gone until it is set.
#pragma once

#include "core/slice.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

enum { MODEL_KEYS = 4 };

// Values are told apart by number; 0 is none.
struct model_values;
struct model_values *model_values_open(void);
void model_values_close(struct model_values *values);
uint32_t model_value(struct model_values *values, struct slice bytes);
struct slice model_value_bytes(const struct model_values *values, uint32_t value);

enum model_kind {
    MODEL_GET,
    MODEL_SET, // with enum model_flags
    MODEL_SETNX,
    MODEL_GETSET,
    MODEL_GETDEL,
    MODEL_APPEND,
    MODEL_STRLEN,
    MODEL_INCRBY, // `number`
    MODEL_DEL,
    MODEL_EXISTS,
    MODEL_MGET,
    MODEL_MSET,
    MODEL_MSETNX,
    MODEL_RENAME, // keys[0] to keys[1]
    MODEL_RENAMENX,
    MODEL_COPY,
    MODEL_PEXPIRE, // `number`, ms
    MODEL_PERSIST,
    MODEL_CLEAR, // an object's share of FLUSHALL
    MODEL_KINDS,
};

enum model_flags {
    MODEL_NX = 1,
    MODEL_XX = 2,
    MODEL_RETURN = 4, // SET ... GET
    MODEL_KEEPTTL = 8,
    MODEL_PX = 16,   // `number`, ms
    MODEL_LOOK = 64, // of GET: `number` is its expiry too, ms; 0: none
    MODEL_REPLACE = 32,
};

enum model_reply_kind {
    MODEL_NO_REPLY, // none came, or nobody asked for one
    MODEL_REFUSED,  // an error that says that nothing was done (OVERLOADED)
    MODEL_ERROR,    // any other
    MODEL_OK,
    MODEL_INTEGER, // `number`
    MODEL_VALUE,   // values[0], 0 is null
    MODEL_ARRAY,   // values[], one a key
};

// A value that is there and that nobody can read: whoever asks for it gets an error, until
// something takes its place.
static const uint32_t MODEL_BAD = UINT32_MAX;

struct model_reply {
    uint8_t kind; // enum model_reply_kind
    int64_t number;
    uint32_t values[MODEL_KEYS];
};

static const uint64_t MODEL_NEVER = UINT64_MAX;

struct model_op {
    uint64_t invoked_ns;  // its last byte was sent
    uint64_t answered_ns; // its reply was whole; MODEL_NEVER
    uint32_t connection;
    uint32_t sequence; // in its connection
    uint8_t kind;      // enum model_kind
    uint8_t flags;     // enum model_flags
    uint8_t key_count;
    uint8_t keys[MODEL_KEYS]; // numbers in the object, in the order of the arguments
    uint32_t values[MODEL_KEYS];
    int64_t number;
    struct model_reply reply;
    bool stuck; // set by model_check(): the search got no further than to this reply
};

// Whether more than one key may be meant: such a command waits for all before it.
bool model_kind_is_wide(enum model_kind kind);

// Whether it may be answered an error.
bool model_kind_may_fail(enum model_kind kind);

// State of an object. An expiry is known as well as the times of the operations tell: it lies in
// [expire_from_ms, expire_to_ms]; 0, 0: none.
struct model_state {
    uint32_t values[MODEL_KEYS];
    uint32_t evicts; // bool, the same all the time
    uint64_t expire_from_ms[MODEL_KEYS];
    uint64_t expire_to_ms[MODEL_KEYS];
};

// Bits of keys of `op` that may be either there or expired or evicted.
unsigned model_undecided(const struct model_state *state, const struct model_op *op);

// Takes the operation in `state`; of the undecided keys those in `alive` are there. False, and
// `state` undefined, when the reply is not what the model says.
bool model_apply(struct model_values *values, struct model_state *state, const struct model_op *op,
                 unsigned alive);

enum model_verdict { MODEL_FINE, MODEL_WRONG, MODEL_UNDECIDED };

struct model_rules {
    bool in_order; // requests of a connection take effect in their order whatever their keys are (a
                   // node of one core)
    bool evicts;   // keys may vanish
    bool refuses;  // what has no reply may have been refused, and what was asked after it not
};

// Checks the history of one object, which it sorts, from this state on (NULL: no key is there).
// MODEL_UNDECIDED: the search grew too long.
enum model_verdict model_check(struct model_values *values, const struct model_state *start,
                               struct model_op *ops, uint32_t count,
                               const struct model_rules *rules);

void model_print_op(FILE *to, const struct model_values *values, const struct model_op *op);
