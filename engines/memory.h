// The memory engine, for its own files: what they share. Others see engines/engine.h only.
//
//     memory.c          open, close; looking up, get
//     memory_put.c      put and remove
//     memory_stage.c    large records that are put together over several turns
//     memory_segment.c  where records lie: segments, what is dead in them, the write heads
//     memory_walk.c     walking through a segment: moving, evicting, reaping
//     memory_clean.c    the cleaner
//     memory_room.c     room for what is put: the limit, and what is done ahead of it
//     memory_evict.c    eviction: which segment, which records
//     memory_reap.c     expiry
//     memory_scan.c     scans, samples, counts
//     memory_snapshot.c frozen views
//     memory_drop.c     dropping vnodes
//
// Records (engines/memory_record.h) are appended to segments of 256 KiB; one larger than
// LARGE_RECORD_BYTES has a segment of its own, an extent of the arena:
//
//     block segment   | record | record | dead | record | ...  | unused |
//     large segment   | lead | record                                   |
//
// The lead is room for a longer head (an expiry) before an object that stays where it is.
//
// The index (engines/index.h) leads to records. A payload says where, and how much of it to
// prefetch:
//
//     bits 41..5 place in the arena / 4     bits 4..0 length in units of 16 bytes, at most 31
//
// A record is reachable (an entry leads to it), kept (only a snapshot knows it), or dead.
// Invariants, which memory_verify() checks:
//
//  - live_bytes is the sum of the sizes of reachable records.
//  - a segment's `dead` is the sum of the sizes of its dead records, and `kept` counts its kept
//    ones; the rest of `used` is reachable.
//  - a segment that is no head and has nothing but dead records is freed at once.
//  - a segment is in the list of those with an expiry exactly when its expire_ms_min is not
//    EXPIRE_NEVER; no record in it expires before that, but while a sweep notes it anew.
//  - index_bytes + data_bytes <= memory_max, after it was lowered once they have come down.
#pragma once

#include "core/arena.h"
#include "core/io.h"
#include "core/limits.h"
#include "core/random.h"
#include "engines/engine.h"
#include "engines/index.h"
#include "engines/memory_record.h"

enum {
    SEGMENT_BYTES = 256 << 10,
    LARGE_RECORD_BYTES =
        SEGMENT_BYTES / 8, // at most an eighth of a segment is left unused at its end
    LARGE_LEAD_BYTES = 64,
    LENGTH_CLASS_BITS = 5,
    LENGTH_CLASS_UNIT_BYTES = 16,
    MEMORY_BATCH = 16, // ops that are prefetched together
    SEGMENT_NONE = 0,  // segments are linked by number + 1
    DIRT_CLASSES = 64, // segments by 64ths of what cleaning them would gain
    DIRT_SOME = 1,
    DIRT_HALF = DIRT_CLASSES / 2,
    COLD_HEADS = LIMIT_ENGINE_SNAPSHOTS + 1,
    REAP_QUEUE = 64,
    SEGMENT_RESERVE = 2, // segments that only the cleaner may take
};

#define PLACE_NONE UINT64_MAX
#define EXPIRE_NEVER UINT64_MAX

enum segment_state {
    SEGMENT_FREE, // zeroed memory: not there
    SEGMENT_HEAD, // being appended to
    SEGMENT_FULL,
    SEGMENT_LARGE,     // an extent with one record
    SEGMENT_STAGED,    // one that is being put together: in no list, and in no snapshot's way
    SEGMENT_CONDEMNED, // all was dropped; to be freed
};

struct segment {
    uint64_t order;         // of writing, unique for fresh ones: see memory_snapshot.c
    uint64_t expire_ms_min; // no record expires before; EXPIRE_NEVER when none does
    uint32_t reap_tick;     // not to be looked through for expired records before: reap_tick()
    uint32_t used;          // bytes of records, dead ones included
    uint32_t dead;          // of those
    uint32_t kept;          // records
    uint32_t birth;         // engine's order when it was begun
    uint32_t age_next;      // all segments in order of age
    uint32_t age_previous;
    uint32_t dirt_next; // full segments of a class of dirt
    uint32_t dirt_previous;
    uint32_t expiring_next; // those in which something expires
    uint32_t expiring_previous;
    uint8_t state;
    uint8_t dirt;
    uint16_t lead; // bytes before the record of a large one
};

static_assert(sizeof(struct segment) <= 64, "one cache line");

// Where records are appended.
struct head {
    uint32_t segment; // number + 1
    uint64_t order;   // cold heads: where in the log the records that are moved here count
};

// A walk through the records of a segment, in slices.
struct sweep {
    uint32_t segment; // number + 1
    uint32_t offset;
};

struct memory_vnode {
    struct index_table table;
    uint64_t tombstones;
    uint64_t with_expiry;
    uint64_t live_bytes;
    uint32_t snapshots; // open ones, as bits
};

static_assert(sizeof(struct memory_vnode) == LIMIT_CACHE_LINE_BYTES, "every look-up reads it");

// A table that was dropped and is being given up.
struct dropped {
    struct dropped *next;
    struct index_table table;
    uint32_t vnode;
    bool forgotten; // its records are gone with their segments
};

struct snapshot {
    bool open;
    bool walked; // the index, to its end
    int error;   // -ESTALE: its vnode was dropped; -ENOBUFS: more was replaced than may be kept
    uint32_t vnode;
    uint64_t order; // segments with a higher one are new to it
    uint32_t head;  // the head when it was opened: number + 1, its order, and where it ended
    uint32_t head_offset;
    uint64_t head_order;
    uint64_t position;  // in the index: what is before has been shown
    uint64_t kept_seen; // number of the next kept record to look at
};

// A record that is in no table any more, and that the snapshots in `snapshots` (bits) have to show.
struct kept {
    uint64_t place; // PLACE_NONE when it was let go
    uint32_t snapshots;
    uint32_t bytes;
};

enum { KEPT_A_BLOCK = 1024 };

struct kept_block {
    struct kept_block *next;
    uint64_t first; // number of the first one
    uint32_t left;  // not yet let go of
    struct kept kept[KEPT_A_BLOCK];
};

// An expired record that a get has met.
struct reap {
    uint64_t hash;
    uint64_t place;
    uint32_t vnode;
};

struct memory_engine {
    struct engine engine; // first
    struct engine_options options;
    uint32_t vnode_bytes; // width of a vnode in a record
    struct arena arena;
    struct arena_pool pool; // of segments
    struct index index;
    struct memory_vnode *vnodes;
    struct segment *segments; // of blocks by number, then those of extents
    uint32_t block_segments;
    uint32_t segment_count;
    struct random random;

    struct head fresh;
    struct head cold[COLD_HEADS];   // what the cleaner moves, by side of the open snapshots
    struct head spared[COLD_HEADS]; // what eviction spares
    uint64_t order;                 // of the newest fresh segment
    uint32_t age_first;
    uint32_t age_last;
    uint32_t dirt_first[DIRT_CLASSES];
    uint32_t expiring_first;
    uint32_t expiring_look; // where the ttl policy looks next
    uint64_t blocks;        // segments of blocks
    uint64_t large_bytes;   // of extents
    uint64_t used_bytes;    // of blocks: appended
    uint64_t dead_bytes;    // of them
    uint64_t moves; // counts what moved or removed records: what was found must be found anew

    uint64_t records;
    uint64_t tombstones;
    uint64_t with_expiry;
    uint64_t live_bytes;
    uint64_t kept_bytes;
    uint64_t reserved_bytes; // set aside for puts to come
    uint64_t evicted;
    uint64_t expired;
    uint64_t refused;
    uint64_t compacted_bytes;

    uint64_t record_max_bytes;
    uint64_t appended_cost; // of small records, since memory_pace(); see record_cost()
    uint64_t owed_cost;     // that memory_pace() has not done yet
    uint64_t begun_bytes;   // of segments, since a step found enough cleared ahead
    uint64_t large_ahead;   // room that large records took lately

    struct sweep clean;
    struct sweep evict;
    struct sweep reap;
    uint32_t moving_from; // segment that records are being moved out of: number + 1
    uint64_t ttl_threshold_ms;
    bool reaping;           // the segment of the reaping sweep is being walked through
    uint64_t reap_round_ms; // when the next round may begin
    uint32_t condemned;     // list, by age_next
    struct dropped *dropped;

    struct reap reaps[REAP_QUEUE];
    uint32_t reap_count;

    struct snapshot snapshots[LIMIT_ENGINE_SNAPSHOTS];
    uint32_t snapshots_open;
    uint32_t snapshots_ending;   // bits: numbers for which something may still be kept
    uint32_t snapshots_sweeping; // those of them that the sweep under way began with
    struct kept_block *kept_first;
    struct kept_block *kept_last;
    struct kept_block *kept_sweep; // where the sweep is
    uint32_t kept_sweep_next;
    uint64_t kept_count; // that were ever kept
    uint64_t kept_now;
};

// memory.c

// The slot of a key, and its record; NULL when there is none.
uint64_t *memory_find(struct memory_engine *engine, uint32_t vnode, uint64_t hash, struct slice key,
                      struct record *ret_record);

// The slot of a table that leads to a place; NULL when there is none.
uint64_t *memory_find_place(const struct memory_engine *engine, const struct index_table *table,
                            uint64_t hash, uint64_t place);

// Takes a record that expired or is evicted out of the index, and tells.
void memory_remove(struct memory_engine *engine, uint64_t hash, uint64_t *slot,
                   const struct record *record, enum engine_removal why);

uint64_t memory_hash(const struct memory_engine *engine, struct slice key);

bool record_expired(const struct memory_engine *engine, const struct record *record);

void memory_prepare(struct engine *base, struct engine_op *const *ops, size_t count);

// memory_put.c

void memory_put(struct engine *base, struct engine_op *const *ops, size_t count);
void memory_remove_batch(struct engine *base, struct engine_op *const *ops, size_t count);

// Puts what is staged, where it lies.
enum engine_status memory_put_staged(struct memory_engine *engine, struct engine_op *op);

// memory_stage.c

enum engine_status memory_stage_open(struct engine *base, const struct engine_op *op,
                                     struct engine_stage *stage);
void memory_stage_close(struct engine *base, struct engine_stage *stage);
bool memory_pin(struct engine *base, const struct engine_op *op, uint64_t *ret_pin);
void memory_unpin(struct engine *base, uint64_t pin);

// memory_segment.c

uint64_t memory_index_bytes(const struct memory_engine *engine);

// Index and records.
uint64_t memory_allocated(const struct memory_engine *engine);

// Whether `bytes` more may be allocated, with `reserve` segments left for others.
bool segment_allowed(const struct memory_engine *engine, uint64_t bytes, uint64_t reserve);

// Room for `bytes` of a record at a head; PLACE_NONE when there is none. Cold heads may use the
// reserve.
uint64_t segment_append(struct memory_engine *engine, struct head *head, uint64_t bytes);
uint64_t segment_append_large(struct memory_engine *engine, uint64_t bytes);

// The same in two steps: what is staged counts as written when it is published.
uint64_t segment_stage_large(struct memory_engine *engine, uint64_t bytes);
void segment_publish_large(struct memory_engine *engine, uint64_t place);

// Takes back what was just appended.
void segment_unappend(struct memory_engine *engine, uint64_t place, uint64_t bytes);

// Ends what is appended to a head; its segment is freed if nothing in it is needed.
void segment_seal(struct memory_engine *engine, struct head *head);

// The record at `place` is dead: marks it, accounts for it, frees its segment if it was the last.
void segment_kill(struct memory_engine *engine, uint64_t place, uint32_t bytes);

// Makes a segment the youngest.
void segment_renew(struct memory_engine *engine, uint32_t number);

// Of a large segment: its record is moved within the extent, and its end stays.
void segment_move_large(struct memory_engine *engine, uint64_t from, uint64_t to);

// Says before when nothing in a segment expires; of the segment of `place` lowers it.
void segment_set_expiry(struct memory_engine *engine, uint32_t number, uint64_t expire_ms_min);
void segment_note_expiry(struct memory_engine *engine, uint64_t place, uint64_t expire_ms);

// Tells the index how much it may take. After the limit or what segments take has changed.
void memory_bound_index(struct memory_engine *engine);

// Frees a segment without kept or reachable records, which is in the lists; or (give) is in none.
void segment_free(struct memory_engine *engine, uint32_t number);
void segment_give(struct memory_engine *engine, uint32_t number);

// memory_room.c

// Room for a record that replaces one of `replaced` bytes (0: none): frees memory where that is
// needed, however much work it is. PLACE_NONE when there is no room and nothing may be evicted.
uint64_t memory_make_room(struct memory_engine *engine, uint64_t bytes, uint64_t replaced,
                          uint32_t flags);

// The same for one that is staged, in slices: false when another call may bring it further.
// *looked, 0 at first, counts the work over all calls.
bool memory_stage_room(struct memory_engine *engine, uint64_t bytes, uint32_t flags,
                       uint64_t *looked, uint64_t *ret_place);

// The same for what an insertion may take of the index. False too when the index has that room.
bool memory_make_index_room(struct memory_engine *engine);

// Whether a record of `bytes` can be appended, without freeing anything else, once a large one is
// gone.
bool memory_fits_instead(const struct memory_engine *engine, uint64_t bytes,
                         const struct record *old, uint32_t flags);

enum engine_status memory_reserve(struct engine *base, uint64_t bytes, uint64_t records);
void memory_unreserve(struct engine *base, uint64_t bytes, uint64_t records);

// Frees memory in proportion to what was appended since the last call, as far as it is short.
void memory_pace(struct memory_engine *engine);

bool memory_step(struct engine *base, uint32_t budget_bytes);

// memory_evict.c

// Evicts from about `budget` of records; `choosy` lets lru spare some. Returns the work done, 0
// when there is nothing to evict.
uint64_t memory_evict(struct memory_engine *engine, uint64_t budget, bool choosy);

// memory_clean.c

// Cleans about `budget` bytes, in segments of the class of dirt `dirt_min` or dirtier. False when
// there is nothing to clean.
bool memory_clean(struct memory_engine *engine, uint64_t budget, uint32_t dirt_min);

// memory_reap.c

// Removes the expired records that gets have met.
void reap_queued(struct memory_engine *engine);

// Looks for expired ones in about `budget` bytes of records. True when there is more to do now.
bool reap_some(struct memory_engine *engine, uint64_t budget);

// memory_scan.c

enum engine_status memory_scan(struct engine *base, struct engine_scan *scan, size_t buckets_max);
void memory_scan_end(struct engine *base, struct engine_scan *scan);
uint64_t memory_count(struct engine *base, uint32_t vnode);

// engine_sample() without the call back.
bool memory_pick(const struct memory_engine *engine, uint64_t random,
                 struct engine_record *ret_record);
enum engine_status memory_sample(struct engine *base, struct engine_scan *scan, uint64_t random);
void record_show(const struct memory_engine *engine, uint64_t place,
                 struct engine_record *ret_record);

// memory_snapshot.c

int snapshot_open(struct engine *base, uint32_t vnode, uint32_t *ret_snapshot);
int snapshot_scan(struct engine *base, uint32_t number, struct engine_scan *scan,
                  size_t buckets_max);
void snapshot_close(struct engine *base, uint32_t number);

// Whether an open snapshot still has to show this reachable record.
bool snapshot_sees(const struct memory_engine *engine, uint64_t hash, const struct record *record);

// Keeps a record, which no entry leads to any more, for the snapshots that see it. False when none
// does: then it is dead.
bool snapshot_keep(struct memory_engine *engine, uint64_t hash, const struct record *record);

// Ends all snapshots with -ENOBUFS.
void snapshot_break_all(struct memory_engine *engine);

// Ends those of a vnode, or all, with -ESTALE.
void snapshot_dropped(struct memory_engine *engine, uint32_t vnode);

// Lets go of up to `budget` kept records of snapshots that have ended. True when there may be more.
bool snapshot_step(struct memory_engine *engine, uint32_t budget);

// Forgets all kept records, whose segments are given up.
void snapshot_forget_kept(struct memory_engine *engine);

// The order of a segment to which the record at `place` may be moved, if it has the same side for
// all open snapshots: 0 when it is old to them all.
uint64_t snapshot_order(const struct memory_engine *engine, uint64_t place);

// memory_drop.c

uint64_t memory_drop(struct engine *base, uint32_t vnode);

// Gives up about `budget` records or segments of what was dropped. True when there is more.
bool drop_step(struct memory_engine *engine, uint32_t budget);

// Kills the record at `place` if it belongs to a table that is being given up: false if not.
bool drop_kill(struct memory_engine *engine, uint64_t hash, const struct record *record);

static inline uint32_t segment_number(const struct memory_engine *engine, uint64_t place)
{
    return place < engine->arena.extents_start
               ? (uint32_t)(place / SEGMENT_BYTES)
               : engine->block_segments +
                     (uint32_t)((place - engine->arena.extents_start) / ARENA_EXTENT_UNIT_BYTES);
}

static inline uint64_t segment_place(const struct memory_engine *engine, uint32_t number)
{
    return number < engine->block_segments
               ? (uint64_t)number * SEGMENT_BYTES
               : engine->arena.extents_start +
                     (uint64_t)(number - engine->block_segments) * ARENA_EXTENT_UNIT_BYTES;
}

// Where the records of a segment begin.
static inline uint64_t segment_first(const struct memory_engine *engine, uint32_t number)
{
    return segment_place(engine, number) + engine->segments[number].lead;
}

// Wall time in steps of 64 ms, to be compared by difference: 32 bits are four years either way.
static inline uint32_t reap_tick(uint64_t wall_ms)
{
    return (uint32_t)(wall_ms / 64);
}

// What a large record takes of memory.
static inline uint64_t large_bytes(uint64_t bytes)
{
    return arena_extent_bytes(LARGE_LEAD_BYTES + bytes);
}

// The work that a record is to whoever walks over it, in bytes: each costs some cache misses, and
// a large one is not read.
static inline uint64_t record_cost(uint64_t bytes)
{
    return bytes < 96 ? 96 : bytes > LARGE_RECORD_BYTES ? 1024 : bytes;
}

static inline uint64_t record_place(const struct memory_engine *engine, const struct record *record)
{
    return (uint64_t)(record->at - engine->arena.base);
}

static inline uint64_t payload_of(uint64_t place, uint64_t bytes)
{
    const uint64_t units = (bytes + LENGTH_CLASS_UNIT_BYTES - 1) / LENGTH_CLASS_UNIT_BYTES;
    const uint64_t class_max = (1U << LENGTH_CLASS_BITS) - 1;

    return place / RECORD_ALIGN << LENGTH_CLASS_BITS | (units < class_max ? units : class_max);
}

static inline uint64_t payload_place(uint64_t payload)
{
    return (payload & INDEX_PAYLOAD_MASK) >> LENGTH_CLASS_BITS << 2;
}
