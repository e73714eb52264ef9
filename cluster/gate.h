// Gates: who may touch which keys of a shard while a command over several keys is under way.
//
// Commands on one key take effect at once and need no gate; neither does a short command whose keys
// are all on one core. What takes longer than that (keys on several cores, more keys than one slice
// can do, all keys of the node) keeps others away meanwhile. There are two kinds of guests:
//
//     single   a command on one key that met a gate which is taken, or that waits for its record
//              to be read from disk: it holds the gate of its key meanwhile, so that those that
//              come later stay behind it.
//     group    a command's share of one core. It takes the gates of many keys, or the whole shard:
//              shared (it reads all keys) or exclusive (it empties them).
//
//     line of groups:   [exclusive] [keys] [shared] [shared] ...   one at a time comes to its turn
//     gate of a key:    holder <- [group] [single] [single] [group]
//     halted singles:   behind a group that holds the whole shard exclusively
//
// Deadlock. A group stands in the queues of all its gates, or in none: while one takes its place in
// them, which may last several slices, no other group does. So of two groups that meet at several
// gates of a shard the same one is in front at all of them, and no order of keys is needed. Over
// cores, commands take gates by ascending core, and none releases one before it has all (two-phase
// locking; Bernstein, Hadzilacos, Goodman, 1987, chapter 3). Of all that wait look at those on the
// highest core that has any: what they wait for stands in front of them there, or runs.
//
//     keys       its turn comes when nobody holds or awaits the whole shard in front of it
//     shared     holds when no group has a gate and none is exclusive; singles pass, since each is
//                one moment on one core
//     exclusive  holds when no group has a gate and nobody holds the shard; nothing passes
//
// A single that holds a gate has not taken effect yet: it does so in one moment, which may lie
// before or after, or in between where it is one key of one core. So groups of the whole shard do
// not wait for singles, of which there may always be some.
//
// A gate is known by the key's 64-bit hash. Two keys of one hash share a gate: that costs a wait,
// never a wrong result. There are at most LIMIT_GATES gates in a shard; a group asks with
// gate_room() before it takes its first.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct gate_table;
struct gate_waiter;
struct gate_group;

// These are called from functions of this header, perhaps before they return, and must only note
// the fact (a list to work on later).
typedef void gate_granted_fn(struct gate_waiter *waiter);
typedef void gate_admitted_fn(struct gate_group *group);

// Embedded in what waits; owned by it. `next` belongs to the table while it is queued.
struct gate_waiter {
    struct gate_waiter *next;
    gate_granted_fn *granted;
    struct gate_group *group; // NULL: a single
    uint64_t hash;
};

enum gate_scope { GATE_KEYS, GATE_SHARED, GATE_EXCLUSIVE };

// Embedded in its owner, as above.
struct gate_group {
    struct gate_group *next;
    gate_admitted_fn *admitted;
    uint8_t scope; // enum gate_scope
};

int gate_table_open(struct gate_table **ret_table);
void gate_table_close(struct gate_table *table);

// True while a gate is taken or a group is about: the one test that every command pays.
static inline bool gate_any(const struct gate_table *table);

// Whether a single with this hash has to wait.
bool gate_taken(const struct gate_table *table, uint64_t hash);

// A single whose gate is not taken takes it: see gate_room().
void gate_hold(struct gate_table *table, struct gate_waiter *waiter);

// A single, for which gate_taken() is true, queues. granted() is called when it may run.
void gate_wait(struct gate_table *table, struct gate_waiter *waiter);

// A single that has run, or a group's waiter that was granted, leaves its gate. The next comes.
void gate_release(struct gate_table *table, struct gate_waiter *waiter);

// A group comes. True: it is its turn; else admitted() is called when it is. Its turn means with
// GATE_KEYS that it goes on with gate_take() and gate_entered(), else that it holds the shard,
// until gate_leave().
bool gate_enter(struct gate_table *table, struct gate_group *group);

// Whether so many gates more may be taken.
bool gate_room(const struct gate_table *table, uint32_t count);

// GATE_OWN: the same group stands there already; this waiter is not used.
enum gate_result { GATE_GRANTED, GATE_QUEUED, GATE_OWN };
enum gate_result gate_take(struct gate_table *table, struct gate_waiter *waiter);

// The group has its place in the queues of all its gates: the next in line may come.
void gate_entered(struct gate_table *table, struct gate_group *group);
void gate_leave(struct gate_table *table, struct gate_group *group);

// Only the counts are for others to read.
struct gate_table {
    uint32_t taken;   // gates
    uint32_t grouped; // places that groups have at them
    uint32_t groups;  // in the line, at their turn, or holding the shard
    uint32_t shared;  // of them, hold it shared
    bool exclusive;   // one holds it so
    uint32_t used;    // gates at or past it were never taken: their memory is untouched
    struct gate *free;
    struct gate *gates;
    struct gate **buckets;
    struct gate_group *entering; // takes its places in queues
    uint64_t turn;               // of its kind, counted
    struct gate_group *line_first, *line_last;
    struct gate_waiter *halted_first, *halted_last;
};

static inline bool gate_any(const struct gate_table *table)
{
    return (table->taken | table->groups) != 0;
}
