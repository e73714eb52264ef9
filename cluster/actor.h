// Actors: who stamps events. An actor is one life of one vnode: its random 64-bit id and an
// incarnation that is raised durably whenever the vnode can no longer be sure of the stamps it gave
// out (it starts without its lease, its data was lost or restored, it meets a dot of its own from
// its future). An incarnation that was used is never used again: reused actors are how acknowledged
// writes get lost.
//
// Inside a vnode an actor is a small number, its index in the vnode's actor table: that is what
// objects store. Indexes mean nothing outside the vnode; contexts and messages carry the whole
// identity. A table only grows. The vnode's own present actor is entered first when the vnode is
// new, so its index is small and takes one byte in an object.
//
// Durability: an entry must be on disk before an object that uses its index. The table keeps the
// count of entries known durable; whoever writes objects looks at actor_table_pending() and makes
// the entries [durable, count) durable ahead of them, then says so with actor_table_durable(). An
// engine in memory says so at once. At start the saved identities are entered again, in order.
#pragma once

#include "core/check.h"

#include <stdbool.h>
#include <stdint.h>

struct actor_id {
    uint64_t vnode_id; // random, given when the vnode is made
    uint32_t incarnation;
};

struct actor_table {
    struct actor_id *ids; // the table's own
    uint32_t count;
    uint32_t capacity;
    uint32_t durable; // the first so many are on disk
};

// An event: which actor, and when by its hybrid logical clock. One event a dot. The null dot {0, 0}
// is no event; hlc is 1..DOT_HLC_MAX otherwise.
struct dot {
    uint64_t hlc;
    uint32_t actor; // index into the vnode's actor table
};

#define DOT_HLC_MAX (UINT64_MAX - 1)

// Empty, without memory yet.
void actor_table_init(struct actor_table *table);
void actor_table_free(struct actor_table *table);

// The index of the identity, entered if it is not there. 0, -ENOSPC at LIMIT_ACTORS, -ENOMEM.
int actor_table_enter(struct actor_table *table, const struct actor_id *id, uint32_t *ret_index);

// The index of the identity; false when it is not in the table.
bool actor_table_find(const struct actor_table *table, const struct actor_id *id,
                      uint32_t *ret_index);

static inline const struct actor_id *actor_table_id(const struct actor_table *table, uint32_t index)
{
    CHECK(index < table->count);
    return &table->ids[index];
}

static inline bool actor_table_pending(const struct actor_table *table)
{
    return table->durable < table->count;
}

// Entries [0, count) are on disk.
void actor_table_durable(struct actor_table *table, uint32_t count);

// < 0, 0, > 0: by vnode_id, then incarnation. The order is the same on all nodes.
int actor_id_compare(const struct actor_id *a, const struct actor_id *b);

// < 0, 0, > 0: by hlc, then by the actors' identities. The greater of two is the newer; the newest
// of an object's values is what plain GET shows. An index beyond the table counts as older than all
// in it, by number, so that damaged bytes still have an order.
int dot_compare(const struct actor_table *table, struct dot a, struct dot b);

static inline bool dot_equal(struct dot a, struct dot b)
{
    return a.hlc == b.hlc && a.actor == b.actor;
}
