// Hauls: what takes a command long with a long value, in slices.
//
// Handlers are synchronous. What one would copy beyond LIMIT_HAUL_BYTES it asks a haul for instead,
// and returns with nothing changed and nothing replied. Some of it is copied in each slice
// (work.h); when all of it is there the handler runs anew, from its beginning, and is given it:
//
//     run --asks--> copied in slices --> run --asks for something else--> ... --> run to its end
//
//     BULK    bytes of the value, as a reply: GET, GETRANGE, MGET, the old value of GETSET
//     BLOCK   bytes of the value, in memory of their own: RENAME, COPY
//     STAGE   the new object, in the memory in which the engine keeps it: SET, APPEND, ...
//
// Meanwhile the command is a hop behind the gate of its key, or a part with gates (multi.h), so the
// value stays as it is. But on the memory engine it may go, evicted or expired: it is looked up
// anew in each slice, and if it is not what it was the command runs at once, on what there is then.
// The log engine pins what was read. A stage that finds no room beside what is there is given up
// too: done at once, the engine may give up the old value first.
//
// One haul of a shard's hops is under way at a time, the others wait in a line: so what is copied
// and not yet counted as any client's, or the engine's, is one value.
//
// Without a haul (exec.may_haul is off, memory is short, an object of many writers) all is done at
// once.
#pragma once

#include "cluster/item.h"
#include "cluster/object.h"
#include "cluster/work.h"
#include "core/number.h"
#include "core/outbuf.h"
#include "engines/engine.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct exec;
struct hop;
struct shard;

enum haul_kind { HAUL_BULK = 1, HAUL_BLOCK = 2, HAUL_STAGE = 4 };

// Where some of it comes from: NULL bytes and no argument: zeros.
struct haul_piece {
    size_t size;
    size_t offset;        // in the object, or the argument
    const uint8_t *bytes; // that stay where they are
    uint32_t argument;    // place in argv; 0: none
    bool object;
};

enum { HAUL_PIECES = 5 };

struct haul {
    struct work work; // first; a hop's
    struct haul *next;
    struct hop *hop;
    uint64_t began_ns;
    uint64_t commit; // what the runs so far have shown is durable with it
    bool asked;      // something is to be copied
    bool refused;    // the next run does it at once
    uint8_t kind;    // enum haul_kind, of what is asked for
    uint8_t brought; // and of all that is there, as bits
    struct haul_piece pieces[HAUL_PIECES];
    uint32_t piece_count;
    uint32_t piece_at;
    size_t piece_done; // bytes of it
    uint8_t *to;       // where the next byte goes; not of BULK
    // the object that the runs saw
    bool stored;
    bool pinned;
    uint64_t pin;
    struct slice object; // where it is, while it is pinned; else where it was
    uint8_t object_head[OBJECT_HEAD_SMALL];
    // what was brought
    struct outbuf out;
    size_t out_size; // of the bulk string in it
    uint8_t *block;
    size_t block_size;
    size_t block_capacity;
    struct engine_stage stage;
    uint32_t stage_flags;
    uint64_t stage_expire_ms;
    uint8_t head[OBJECT_HEAD_SMALL]; // of the staged object
    uint8_t digits[NUMBER_I64_BYTES_MAX];
};

// For handlers and item.c -----------------------------------------------------------------------

// Appends bytes of the item's value to `to`, as a bulk string. False: it was asked for, and the
// handler returns.
bool haul_bulk(struct exec *x, struct outbuf *to, struct slice bytes);

// What haul_bulk() has brought is needed again in the next run.
void haul_bulk_return(struct exec *x, struct outbuf *from);

// A copy of bytes of the item's value, to be freed by haul_block_free(). False: it was asked for,
// or the error was replied that there is no memory.
bool haul_block(struct exec *x, struct slice bytes, uint8_t **ret_bytes, size_t *ret_capacity);
void haul_block_free(struct shard *shard, uint8_t *bytes, size_t size, size_t capacity);

// Asks for an object of a head and parts to be staged; parts without bytes are zeros. The parts are
// of the item's object, of arguments, or stay where they are. False: it is to be stored at once.
bool haul_stage(struct exec *x, struct slice head, const struct slice *parts, uint32_t count,
                uint32_t flags, uint64_t expire_ms);

// The object that was staged for the item as it is now, or NULL.
struct haul *haul_staged(struct exec *x);

// For those who run handlers ---------------------------------------------------------------------

static inline bool haul_asked(const struct haul *haul)
{
    return haul != NULL && haul->asked;
}

// Copies what is asked for; x->item has its key, and is not loaded. True when the handler is to run
// anew; else there is more to do.
bool haul_slice(struct haul *haul, struct exec *x);

// NULL is allowed.
void haul_free(struct shard *shard, struct haul *haul);

// Runs x's handler, its item loaded, for a hop, or for a request that becomes one if it has to
// (NULL). True: it is through. False: it goes on later, and all about it was noted.
bool haul_run(struct exec *x, struct hop *hop);
