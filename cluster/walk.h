// Walks over the records of a shard: SCAN, KEYS and the keys of a slot, in slices (work.h).
//
// A match of a pattern with a key can take pattern x key steps, which for 64 KiB each is seconds.
// So a match that is not over soon is put aside with a copy of its key, and goes on in later
// slices; the walk does not leave its buckets before all such matches are over.
//
// Where the engine has to read records from disk first, the part waits (part.waits), and is woken
// when they are there.
#pragma once

#include "core/reply.h"
#include "engines/engine.h"

#include <stdbool.h>
#include <stdint.h>

struct exec;
struct part;
struct shard;
struct walk_match;

struct walk {
    struct engine_scan scan;
    struct shard *shard;
    struct part *part;
    struct reply reply; // the keys found, as bulks
    bool counts;        // tells no keys, only how many
    bool nothing;       // SCAN TYPE of what nothing is
    bool has_pattern;
    bool has_slot;
    bool failed; // no memory
    uint16_t slot;
    struct slice pattern;
    uint64_t seen;    // records
    uint64_t matched; // keys
    uint64_t most;    // stops telling keys after so many
    struct walk_match *late;
};

// The walk of the part that x runs: made at the first slice (*ret_first), the same in all others.
// NULL: it has replied that there is no memory.
struct walk *walk_of_part(struct exec *x, bool *ret_first);

// False: it has replied that the pattern is longer than any key.
bool walk_set_pattern(struct exec *x, struct walk *walk, struct slice pattern);

// Looks at up to `buckets` buckets of the vnode from the cursor on, moves that (to 0 at the end),
// and finishes what is late. False: the cursor stays, since a match is late or the part waits.
bool walk_go(struct walk *walk, uint32_t vnode, engine_cursor *cursor, size_t buckets);

// Ends a walk that has no memory, or has found more than a connection may have unread, with an
// error: true then.
bool walk_failed(struct exec *x, struct walk *walk);

// Ends a walk that has met records which cannot be read, with an error, for commands that promise
// all keys.
void walk_unreadable(struct exec *x, struct walk *walk);

// Whether a match is late: only walk_go() helps, in another slice.
static inline bool walk_is_late(const struct walk *walk)
{
    return walk->late != NULL;
}

// Whether clients see the record.
bool walk_is_live(const struct shard *shard, const struct engine_record *record);

// Ends a walk with an error: what is late or read is dropped. The part keeps the struct.
void walk_drop(struct walk *walk);
