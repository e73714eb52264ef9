// Replies as a client reads them, RESP2 and RESP3, strictly: what the specification does not allow
// is an error, since here it is the server that is under test.
//
// Bytes come in as the network cuts them (sim_replies_feed()), whole replies come out as trees
// (sim_replies_next()). Source: the RESP specification of redis.io, both versions.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum sim_reply_type {
    SIM_STATUS,   // +
    SIM_ERROR,    // -
    SIM_INTEGER,  // :
    SIM_STRING,   // $
    SIM_ARRAY,    // *
    SIM_NULL,     // $-1, *-1; in RESP3 _
    SIM_MAP,      // %: elements are keys and values in turn
    SIM_SET,      // ~
    SIM_DOUBLE,   // ,
    SIM_BOOLEAN,  // #: integer
    SIM_VERBATIM, // =: text without its "txt:"
    SIM_BIG,      // (
    SIM_PUSH,     // >
};

struct sim_reply {
    enum sim_reply_type type;
    int64_t integer;
    char *text; // of all that have one, NUL behind it; else ""
    size_t size;
    size_t count; // elements
    struct sim_reply *elements;
};

struct sim_replies {
    uint8_t *bytes;
    size_t size;
    size_t capacity;
    size_t at;          // where the reply under way begins
    size_t seen;        // behind it: its values that are whole
    uint64_t remaining; // values that it still lacks; 0: none is under way
    bool resp3;         // types of RESP3 are expected, and null is `_` only
    const char *error;  // what is wrong; stays
};

void sim_replies_open(struct sim_replies *replies);
void sim_replies_close(struct sim_replies *replies);

// From the next reply on.
void sim_replies_protocol(struct sim_replies *replies, bool resp3);

void sim_replies_feed(struct sim_replies *replies, const void *bytes, size_t size);

// The next whole reply, to be freed with sim_reply_free(); NULL: there is none yet, or
// replies->error says what is wrong.
struct sim_reply *sim_replies_next(struct sim_replies *replies);
void sim_reply_free(struct sim_reply *reply);
