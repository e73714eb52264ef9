// An item: one key, loaded on the shard that owns it, while a command works on it.
//
// It joins the engine (bytes) and the object (versions): handlers see a value that is there or not,
// and change it by the verbs below, each of which stamps one new dot, encodes the object and stores
// it. This is the coordinator's part of a cluster of one: read, change, write, with the clock and
// the actor of the vnode.
//
// A changing verb returns false when the engine refused: it has replied the error then, and nothing
// was changed. It also returns false when what is long was asked for in slices (haul.h): nothing is
// replied then, and the handler returns. At most one changing verb runs on an item in one command.
//
// What a reply shows or acknowledges may have to become durable first: loading and changing raise
// x->commit to the group commit that it waits for (hold.h).
#pragma once

#include "cluster/object.h"
#include "core/slice.h"
#include "engines/engine.h"

#include <stdbool.h>
#include <stdint.h>

struct exec;
struct shard;

struct item {
    struct engine_op op; // key, hash, vnode; after loading where and what it is
    uint32_t argument;   // place of the key in argv
    uint16_t slot;
    bool exists;     // a live value: not deleted, not expired
    bool stored;     // a record is there, be it a tombstone; `object` is valid
    bool unreadable; // one is there that is damaged, and the command does without (COMMAND_BLIND)
    struct object_view object;
    char digits[24]; // a counter's value as text
};

// Finds where a key lives. Pure; run on any shard.
void item_place(const struct shard *shard, struct item *item, struct slice key, uint32_t argument,
                uint32_t *ret_core);

// Reads it from x's shard's engine. LOADED: the fields above are valid, until a change. WAITS: its
// record is on disk, and nothing was begun (load.h). REFUSED: it cannot be read, and the error is
// replied.
enum item_result { ITEM_LOADED, ITEM_WAITS, ITEM_REFUSED };
enum item_result item_load(struct exec *x, struct item *item);

// Its two halves. After the first either the op is ENGINE_PENDING (at_hand: it would wait, and
// nothing was begun; begin: item->op.done is called when the record was read), or item_loaded() is
// to be called: false when it has replied an error.
void item_load_at_hand(const struct exec *x, struct item *item);
void item_load_begin(struct shard *shard, struct item *item, bool touches);
bool item_loaded(struct exec *x, struct item *item);

// Reads the record so that it is at hand when it is wanted, if it stays so: what is long does not,
// and is not read. Pending as by item_load_begin(); else there is nothing to wait for.
void item_load_ahead(struct shard *shard, struct item *item);

// Whether loading counts as a use, for the lru policy.
bool item_touches(const struct exec *x);

// The value as Redis shows it: valid while item->object is. Only when item->exists.
struct slice item_value(struct item *item);

// Wall time in ms at which it expires, 0 for never. Only when item->exists.
uint64_t item_expire_ms(const struct item *item);

// The value as an integer; false when it is none (as Redis' getLongLongFromObject). Only when
// item->exists.
bool item_integer(struct item *item, int64_t *ret_value);

// What OBJECT ENCODING says of the value: how Redis would keep one of these bytes.
const char *item_encoding(struct item *item);

// Counts a hit or a miss of a command that reads.
void item_count_access(struct shard *shard, const struct item *item);

// SET: replaces the value. The bytes may not lie in the engine's memory. expire_ms 0: never
// expires.
bool item_set(struct exec *x, struct item *item, struct slice value, uint64_t expire_ms);

// Replaces the value and keeps the expiry (KEEPTTL, INCRBYFLOAT).
bool item_replace(struct exec *x, struct item *item, struct slice value);

// Writes a part of the value, which grows for it, with zeros where nothing was (SETRANGE, APPEND).
bool item_splice(struct exec *x, struct item *item, size_t offset, struct slice part);

// INCR and its kin: adds to the value, which is an integer or absent (then 0). Also false, with the
// error replied, when it is no integer or the total would leave int64.
bool item_add(struct exec *x, struct item *item, int64_t delta, int64_t *ret_total);

// EXPIRE, PERSIST (0). Only when item->exists.
bool item_expire(struct exec *x, struct item *item, uint64_t expire_ms);

// DEL. Only when item->exists, or is unreadable; the space comes back later.
bool item_delete(struct exec *x, struct item *item);

// RLDB.PUT: replaces what the context has seen (NULL: nothing, the value becomes a sibling).
// ret_seen is what the client knows now.
bool item_put(struct exec *x, struct item *item, const struct causal_history *context,
              struct slice value, uint64_t expire_ms, struct causal_history *ret_seen);

// RLDB.DEL: removes what the context has seen (NULL: everything). Also for items that do not exist.
bool item_remove(struct exec *x, struct item *item, const struct causal_history *context,
                 bool *ret_removed);
