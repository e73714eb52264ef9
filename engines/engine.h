/* What every storage engine offers to the shard above it.
 *
 * One instance per core holds all vnodes of that core. It stores (key, encoded object) and never
 * looks inside an object: what it must know of it (tombstone, expiry) the caller says beside it.
 *
 * Calls take batches of caller-owned ops and take effect in their order. An op that needs the disk
 * (log engine) is ENGINE_PENDING and calls its `done` later from io_turn(); the memory engine never
 * pends. The caller serialises ops on one key while one of them is pending (key gates).
 *
 *  - prepare announces ops that will run soon, in this order: memory is prefetched in two waves
 *    (index lines, then records), cold records are read together. Optional; changes nothing that
 *    can be observed.
 *  - get finds the records. Results point into the engine: they stay valid until the next call of
 *    put, remove or step on this engine, or until the turn ends.
 *  - put stores or replaces, remove removes.
 *
 * A put or remove right after a get of the same op costs no further misses: what it reads is in the
 * cache, or the engine remembers it in the op.
 *
 * A put that changes only the beginning of an object says so by `tail_bytes`, and the engine keeps
 * the rest: an expiry on a value of 64 MiB is written without touching the value, where the engine
 * can, and never copied more than once.
 *
 * A large object may be put together over several turns, in the memory in which it stays: a stage.
 * engine_stage_open() takes that memory, the caller fills it, and a put with ENGINE_STAGED takes
 * effect at once then, whatever the size. Nobody sees anything of it before. What a get has found
 * large may be kept where it is meanwhile: engine_pin().
 *
 * A record that cannot be read is an ENGINE_ERROR to a get, unless another one turns out to be the
 * key's. A put or remove of the key takes its place all the same.
 *
 * Scans: by cursor in hash order, as Redis' SCAN promises (what is there from start to end is
 * returned at least once; growth and shrinking in between lose nothing). Snapshots: a scan that
 * shows one instant, while writers go on. Samples: some record. All three call back for what they
 * show, over a struct engine_scan of the caller. Where records have to be read from disk first, a
 * call shows nothing, reads those of the next buckets together, and answers ENGINE_PENDING: when
 * `done` is called the caller calls again. What they read does not fill the cache.
 */
#pragma once

#include "core/slice.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct engine;
struct engine_op;
struct io;

enum engine_status {
    ENGINE_OK,        /* get: found. put: stored. delete: there was one */
    ENGINE_MISS,      /* get, delete, put with tail_bytes: no record */
    ENGINE_PENDING,   /* `done` will be called */
    ENGINE_FULL,      /* put: no room and nothing may be evicted; what was there is untouched */
    ENGINE_TOO_LARGE, /* put: beyond what a record may hold */
    ENGINE_ERROR,     /* op->error is -errno: a read error is never a miss */
};

enum engine_flags {
    ENGINE_TOMBSTONE = 1, /* the object says that the key is deleted */
    ENGINE_SPARED = 2,    /* put: may use what is kept from others when memory is short. For what
                             hardly adds to it, such as an expiry or a new name */
    ENGINE_RESERVED = 4,  /* put: memory was set aside for it by engine_reserve() */
    ENGINE_NO_TOUCH = 8,  /* get: does not count as a use, for the lru policy */
    ENGINE_AT_HAND = 16,  /* get: does not wait. PENDING means that it would have to: nothing was
                             begun, and `done` is not called */
    ENGINE_PARTIAL = 32,  /* scans: the object is left out, since it is large; a get has it.
                             get: OK without it, if it would not stay at hand once it was read */
    ENGINE_STAGED = 64,   /* put: the object is that of op->stage, and not `parts` */
};

typedef void engine_done_fn(struct engine_op *op);

/* The caller's, zeroed but for `bytes`. */
struct engine_stage {
    uint64_t bytes;  /* of the object; set by the caller */
    uint8_t *object; /* where it is to be written; NULL while the stage is not open */
    /* the engine's own */
    void *memory;
    uint64_t memory_bytes;
    uint64_t place;
    uint64_t looked; /* work done for its room; the log engine: the number of its file */
};

struct engine_op {
    /* set by the caller */
    uint64_t hash;         /* hash_key(engine's seed, key) */
    struct slice key;      /* 0..65,535 bytes; stays valid until the op is done */
    uint32_t vnode;        /* index of the vnode inside this engine, < engine_options.vnodes */
    uint32_t flags;        /* enum engine_flags; after a get: of the record found */
    uint64_t expire_ms;    /* put: wall time of expiry, 0 for never. get: of the record found */
    struct slice parts[2]; /* put: the object is parts[0] followed by parts[1]; none may point into
                              the engine's own memory */
    uint64_t tail_bytes;   /* put: and then by as many bytes from the end of the object that is
                              there. It has as many, or ENGINE_MISS: it went meanwhile */
    struct engine_stage *stage; /* put, with ENGINE_STAGED: whole; tail_bytes is 0 */
    engine_done_fn *done;       /* for ENGINE_PENDING */
    /* set by the engine */
    struct slice object; /* get: the object, in place */
    enum engine_status status;
    int error;
    uint64_t commit; /* group commit that must be durable before the result is told; 0: none */
    /* the engine's own, from the first call for an op to its last */
    struct engine_op *next;
    uint64_t memory_location;
    uint64_t memory_damaged;
    uint64_t memory_large;
    uint64_t memory_moves;
    uint8_t memory; /* 0 before the first call */
    uint8_t memory_flags;
    uint8_t intent;
};

enum engine_eviction { EVICTION_REFUSE, EVICTION_LRU, EVICTION_RANDOM, EVICTION_TTL };

/* Told of each record that the engine removes by itself: expired ones and evicted ones. Called from
 * any call that may write and from step(). The key is valid during the call. */
enum engine_removal { ENGINE_REMOVED_EXPIRED, ENGINE_REMOVED_EVICTED };
typedef void engine_removed_fn(void *context, uint32_t vnode, struct slice key,
                               enum engine_removal why);

/* Told of what is found in files, a line without a newline. Damage: bytes that were there, and that
 * somebody may have been told of, are lost. Else it is as it may be after a stop, such as a frame
 * that was torn in its writing. */
typedef void engine_report_fn(void *context, bool damage, const char *text);

/* Key and seed to hash. */
typedef uint64_t engine_hash_fn(uint64_t seed, struct slice key);

/* When a write counts as done: when it is durable, or at once, with what was written made durable
 * every sync_interval_ms, or never but by checkpoints. */
enum engine_sync { ENGINE_SYNC_ALWAYS, ENGINE_SYNC_INTERVAL, ENGINE_SYNC_NEVER };

struct engine_durability {
    enum engine_sync sync;
    uint64_t sync_interval_ms;
    uint32_t disk_reserve_percent; /* of the filesystem: puts leave so much of it free */
};

struct engine_options {
    struct io *io; /* time (wall_ms), entropy, files */
    /* the log engine's: directory to be made or opened, in an existing one; of which shard of how
       many it is; told when `committed` goes on */
    const char *directory;
    uint32_t shard;
    uint32_t shards;
    struct engine_durability durability;
    uint64_t cache_bytes;
    uint32_t segment_bytes;
    uint64_t disk_max_bytes; /* of segments; 0: what their numbers allow, 1 TiB */
    void (*committed)(void *context);
    void *committed_context;
    engine_report_fn *report; /* NULL: nobody is told */
    void *report_context;
    /* both engines' */
    uint64_t hash_seed;         /* of hash_key(); the log engine keeps its own in its manifest */
    engine_hash_fn *hash;       /* NULL for hash_key(); tests make hashes that collide. What an op's
                                   hash must be: engines hash keys that they find in records */
    uint64_t random_seed;       /* sampling */
    uint32_t vnodes;            /* number of vnodes this engine holds */
    uint32_t index_buckets_log; /* index_open()'s; 0 but in simulation. The log engine's checkpoints
                                  can be read with the same one only */
    uint64_t memory_max_bytes;  /* index and records together; 0: no limit */
    enum engine_eviction eviction;
    uint64_t record_max_bytes; /* key and object together */
    engine_removed_fn *removed;
    void *removed_context;
};

/* One record seen by a scan. The slices are valid during the call. Must not call the engine.
 * Returns false to stop after this record's bucket. */
struct engine_record {
    struct slice key;
    struct slice object;
    uint32_t vnode;
    uint32_t flags;
    uint64_t expire_ms;
};
typedef bool engine_scan_fn(void *context, const struct engine_record *record);

/* A place in one vnode's hash order. Zero is the start; after the last bucket it is zero again.
 * Survives growth and shrinking of the table between calls. Below 2^48. */
typedef uint64_t engine_cursor;

struct engine_scan;
typedef void engine_scan_done_fn(struct engine_scan *scan);

/* Who scans. Zeroed but for what the caller sets; lives until a call has answered anything but
 * ENGINE_PENDING, or engine_scan_end(). */
struct engine_scan {
    /* set by the caller */
    engine_scan_fn *each;
    void *context;
    engine_scan_done_fn *done; /* for ENGINE_PENDING: call again, now or later */
    uint32_t vnode;            /* engine_scan() */
    engine_cursor cursor;      /* engine_scan(): where to go on; moved on by it */
    /* set by the engine */
    uint64_t unreadable; /* records that were left out since they could not be read: added to */
    /* the engine's own */
    void *held;
    uint32_t waiting;
};

struct engine_stats {
    uint64_t records; /* tombstones and expired ones that are not yet reaped included */
    uint64_t tombstones;
    uint64_t with_expiry;
    uint64_t index_bytes; /* allocated for the index, directories included */
    uint64_t data_bytes;  /* of RAM, taken for records; cached ones of an engine on disk */
    uint64_t live_bytes;  /* of records that are reachable, headers included */
    uint64_t memory_max_bytes;
    uint64_t evicted;           /* since open */
    uint64_t expired;           /* reaped since open */
    uint64_t refused;           /* puts answered ENGINE_FULL */
    uint64_t compacted_bytes;   /* moved since open */
    uint64_t compaction_share;  /* of the time that it may take now, in percent: the log engine's */
    uint64_t commit_latency_ns; /* of small group commits, mean of the last ones; the same */
    uint64_t index_overflow_lines;
    uint64_t snapshots;      /* open now */
    uint64_t unsynced_bytes; /* written, and not known to be durable; the log engine's, as what
                                follows */
    uint64_t checkpoints;    /* since open */
    uint64_t checkpoint_failures;
    uint64_t checkpoints_running; /* 0 or 1 */
    uint64_t disk_bytes;          /* of segments, spare ones included */
    uint64_t disk_live_bytes;
    uint64_t disk_reads;
    uint64_t written_bytes;
    uint64_t record_bytes; /* of what was put: written_bytes by this is the amplification */
    uint64_t commits;      /* frames of puts */
    uint64_t corrupt_records;
    uint64_t damages;      /* told: those that a start has met, and since */
    uint64_t zeroed_bytes; /* of new segments, ahead of their first use */
    uint64_t footer_bytes; /* of sealed segments */
    uint64_t checkpoint_bytes;
    uint64_t loaded_records;  /* when it was opened: entries of the checkpoint */
    uint64_t replayed_frames; /* and what was read of the log after it */
    uint64_t replayed_records;
    uint64_t replayed_bytes;
    uint64_t footer_records; /* of replayed_records, those that were told of by footers */
    uint64_t load_ns;        /* of open_ns */
    uint64_t replay_ns;
    uint64_t open_ns;
    uint64_t disk_short;  /* 1 while puts are refused since too little of the disk is free */
    uint64_t step_later;  /* 1 while step() has to be called now and then, for work that waits */
    uint64_t write_ended; /* 1 once a failed write or sync has ended all writing */
};

/* A copy of all that an engine has in files, as it is at one moment (log_copy.h). In three steps,
 * each begun when the one before it has ended: */
enum engine_copy_step {
    ENGINE_COPY_PREPARE, /* makes the directory, and what a start on the copy begins with */
    ENGINE_COPY_CUT,     /* the moment: at once */
    ENGINE_COPY_WRITE,   /* what belongs to the copy is linked, or copied; durable when this has
                            ended well. -EAGAIN: what was prepared is outdated, prepare anew */
    ENGINE_COPY_END,     /* after that, and wherever a step has failed: it is the caller's again */
};

/* The caller's, zeroed but for what it sets; the engine's until ENGINE_COPY_END. One at a time. */
struct engine_copy {
    /* set by the caller */
    const char *directory;                  /* on the engine's filesystem; not there */
    void (*done)(struct engine_copy *copy); /* PREPARE or WRITE has ended; not before they return */
    uint64_t leap;                          /* any number, another one for each copy */
    /* set by the engine */
    int error; /* of the step that has ended: 0 or -errno. What was made until then is left there */
    uint64_t files; /* linked, or copied */
    uint64_t bytes; /* of segments */
};

struct engine_vtable {
    const char *name;
    void (*prepare)(struct engine *engine, struct engine_op *const *ops, size_t count);
    void (*get)(struct engine *engine, struct engine_op *const *ops, size_t count);
    void (*put)(struct engine *engine, struct engine_op *const *ops, size_t count);
    void (*remove)(struct engine *engine, struct engine_op *const *ops, size_t count);
    enum engine_status (*scan)(struct engine *engine, struct engine_scan *scan, size_t buckets_max);
    void (*scan_end)(struct engine *engine, struct engine_scan *scan);
    int (*snapshot_open)(struct engine *engine, uint32_t vnode, uint32_t *ret_snapshot);
    int (*snapshot_scan)(struct engine *engine, uint32_t snapshot, struct engine_scan *scan,
                         size_t buckets_max);
    void (*snapshot_close)(struct engine *engine, uint32_t snapshot);
    uint64_t (*drop)(struct engine *engine, uint32_t vnode);
    uint64_t (*count)(struct engine *engine, uint32_t vnode);
    enum engine_status (*sample)(struct engine *engine, struct engine_scan *scan, uint64_t random);
    bool (*step)(struct engine *engine, uint32_t budget_bytes);
    enum engine_status (*stage_open)(struct engine *engine, const struct engine_op *op,
                                     struct engine_stage *stage);
    void (*stage_close)(struct engine *engine, struct engine_stage *stage);
    bool (*pin)(struct engine *engine, const struct engine_op *op, uint64_t *ret_pin);
    void (*unpin)(struct engine *engine, uint64_t pin);
    enum engine_status (*reserve)(struct engine *engine, uint64_t bytes, uint64_t records);
    void (*unreserve)(struct engine *engine, uint64_t bytes, uint64_t records);
    bool (*stalled)(struct engine *engine);
    void (*set_memory_max)(struct engine *engine, uint64_t bytes, enum engine_eviction eviction);
    void (*set_durability)(struct engine *engine, const struct engine_durability *durability);
    void (*commit)(struct engine *engine);
    uint64_t (*committed)(struct engine *engine, int *ret_error);
    uint64_t (*newest)(struct engine *engine);
    uint64_t (*sync)(struct engine *engine);
    uint64_t (*synced)(struct engine *engine);
    void (*save)(struct engine *engine);
    int (*copy)(struct engine *engine, struct engine_copy *copy, enum engine_copy_step step);
    void (*stats)(struct engine *engine, struct engine_stats *ret_stats);
    void (*close)(struct engine *engine);
};

/* Embedded first in each engine's own struct. */
struct engine {
    const struct engine_vtable *vtable;
};

static inline void engine_prepare(struct engine *engine, struct engine_op *const *ops, size_t count)
{
    engine->vtable->prepare(engine, ops, count);
}

static inline void engine_get(struct engine *engine, struct engine_op *const *ops, size_t count)
{
    engine->vtable->get(engine, ops, count);
}

static inline void engine_put(struct engine *engine, struct engine_op *const *ops, size_t count)
{
    engine->vtable->put(engine, ops, count);
}

static inline void engine_remove(struct engine *engine, struct engine_op *const *ops, size_t count)
{
    engine->vtable->remove(engine, ops, count);
}

/* Visits whole buckets, at most buckets_max of them. Shows records as they are, tombstones and
 * expired ones included. OK: scan->cursor is where to go on, 0 at the end. PENDING: nothing was
 * shown, and the cursor is where it was; likewise ERROR, when memory is short. */
static inline enum engine_status engine_scan(struct engine *engine, struct engine_scan *scan,
                                             size_t buckets_max)
{
    return engine->vtable->scan(engine, scan, buckets_max);
}

/* Gives up a scan, a scan of a snapshot or a sample that was answered ENGINE_PENDING, in place of
 * calling again: `done` is not called any more. Does nothing to any other. */
static inline void engine_scan_end(struct engine *engine, struct engine_scan *scan)
{
    engine->vtable->scan_end(engine, scan);
}

/* A frozen view of one vnode, for scans only. Writers are never stopped: what they replace stays
 * until the snapshot has passed it. -EMFILE when LIMIT_ENGINE_SNAPSHOTS are open. */
static inline int engine_snapshot_open(struct engine *engine, uint32_t vnode,
                                       uint32_t *ret_snapshot)
{
    return engine->vtable->snapshot_open(engine, vnode, ret_snapshot);
}

/* Goes on with the snapshot, at most buckets_max buckets: 1 when there is more, 0 at its end,
 * -EINPROGRESS when records have to be read first (ENGINE_PENDING above), -ENOMEM, -ENOBUFS when
 * more was replaced under it than LIMIT_ENGINE_SNAPSHOT_KEPT or the engine needs the room (close it
 * and begin anew), -ESTALE when its vnode was dropped. Each record of the instant is shown exactly
 * once. */
static inline int engine_snapshot_scan(struct engine *engine, uint32_t snapshot,
                                       struct engine_scan *scan, size_t buckets_max)
{
    return engine->vtable->snapshot_scan(engine, snapshot, scan, buckets_max);
}

/* Not while a scan of it is pending. */
static inline void engine_snapshot_close(struct engine *engine, uint32_t snapshot)
{
    engine->vtable->snapshot_close(engine, snapshot);
}

#define ENGINE_ALL_VNODES UINT32_MAX

/* Empties a vnode (or all): effective at once for readers; memory comes back in steps. Returns the
 * group commit that must be durable before it is told, as engine_op.commit. */
static inline uint64_t engine_drop(struct engine *engine, uint32_t vnode)
{
    return engine->vtable->drop(engine, vnode);
}

/* Records in the vnode (or all), as stats.records counts them, less tombstones. */
static inline uint64_t engine_count(struct engine *engine, uint32_t vnode)
{
    return engine->vtable->count(engine, vnode);
}

/* Shows a record picked about evenly by `random`. MISS when the pick met nothing (try another
 * number; an engine that has any record answers within a few tries on average), ERROR when it
 * cannot be read, PENDING: call again with the same number. */
static inline enum engine_status engine_sample(struct engine *engine, struct engine_scan *scan,
                                               uint64_t random)
{
    return engine->vtable->sample(engine, scan, random);
}

/* A slice of background work (cleaning, reaping, shrinking, freeing) of about budget_bytes of
 * records looked at. True when there is more to do now; false when the engine is content until
 * something changes. Time is such a thing: it wants a call every 100 ms or so while records have an
 * expiry. */
static inline bool engine_step(struct engine *engine, uint32_t budget_bytes)
{
    return engine->vtable->step(engine, budget_bytes);
}

/* Opens a stage for an object of stage->bytes, to be put by an op with the key, hash, vnode, flags
 * and expire_ms of this one. OK: stage->object is to be filled. PENDING: some memory was freed for
 * it, a slice of work, or its file is being made; call again, or close it. FULL: it has no room
 * beside what is there, or it is not large enough to be staged. A put without a stage may succeed
 * then, since it may give up first what it replaces. */
static inline enum engine_status
engine_stage_open(struct engine *engine, const struct engine_op *op, struct engine_stage *stage)
{
    return engine->vtable->stage_open(engine, op, stage);
}

/* Gives the memory back, unless a put that was answered OK has taken it. */
static inline void engine_stage_close(struct engine *engine, struct engine_stage *stage)
{
    engine->vtable->stage_close(engine, stage);
}

/* Keeps op->object, which a get has just found, where it is until engine_unpin(), whatever happens
 * to the key. False: this engine cannot, or not so small a one; look it up anew in each turn. */
static inline bool engine_pin(struct engine *engine, const struct engine_op *op, uint64_t *ret_pin)
{
    return engine->vtable->pin(engine, op, ret_pin);
}

static inline void engine_unpin(struct engine *engine, uint64_t pin)
{
    engine->vtable->unpin(engine, pin);
}

/* Sets memory aside for so many records, of so many bytes of keys and objects, that belong together
 * and are put with ENGINE_RESERVED: what others put meanwhile leaves room for them. FULL: there is
 * not so much (puts that replace might succeed all the same). PENDING: what is under way takes it,
 * ask again in a later turn; `done` is not called. What is set aside counts until
 * engine_unreserve() of the same, also for what of it was put already. */
static inline enum engine_status engine_reserve(struct engine *engine, uint64_t bytes,
                                                uint64_t records)
{
    return engine->vtable->reserve(engine, bytes, records);
}

static inline void engine_unreserve(struct engine *engine, uint64_t bytes, uint64_t records)
{
    engine->vtable->unreserve(engine, bytes, records);
}

/* Whether room is being made without which puts may be refused: who can, waits with them until
 * something has completed. Not at a bound of memory or disk: there they are refused at once. */
static inline bool engine_stalled(struct engine *engine)
{
    return engine->vtable->stalled(engine);
}

static inline void engine_set_memory_max(struct engine *engine, uint64_t bytes,
                                         enum engine_eviction eviction)
{
    engine->vtable->set_memory_max(engine, bytes, eviction);
}

/* From now on; all that was put before a change to `always` is durable when what is put after it
 * is. Does nothing to an engine without files. */
static inline void engine_set_durability(struct engine *engine,
                                         const struct engine_durability *durability)
{
    engine->vtable->set_durability(engine, durability);
}

/* The end of a turn: what was written in it goes on its way to the disk. */
static inline void engine_commit(struct engine *engine)
{
    engine->vtable->commit(engine);
}

/* Group commits up to the one returned are durable. ret_error is 0, or the -errno that ended all
 * writing: what waits for a later one will never be. */
static inline uint64_t engine_committed(struct engine *engine, int *ret_error)
{
    return engine->vtable->committed(engine, ret_error);
}

/* The group commit that all written so far is durable with; 0: none. For what shows many records,
 * or drops them. */
static inline uint64_t engine_newest(struct engine *engine)
{
    return engine->vtable->newest(engine);
}

/* Begins to make all that was written so far durable, whatever `sync` says. It is once
 * engine_synced() has come to the number returned, which it never does if writing has ended. */
static inline uint64_t engine_sync_all(struct engine *engine)
{
    return engine->vtable->sync(engine);
}

static inline uint64_t engine_synced(struct engine *engine)
{
    return engine->vtable->synced(engine);
}

/* Begins a checkpoint: a start after its end replays nothing from before it. */
static inline void engine_save(struct engine *engine)
{
    engine->vtable->save(engine);
}

/* A step of a copy. 0 or -errno: PREPARE -EBUSY while there is another; of one that has failed END
 * is to follow. Not of an engine without files. */
static inline int engine_copy(struct engine *engine, struct engine_copy *copy,
                              enum engine_copy_step step)
{
    return engine->vtable->copy(engine, copy, step);
}

static inline void engine_stats(struct engine *engine, struct engine_stats *ret_stats)
{
    engine->vtable->stats(engine, ret_stats);
}

static inline void engine_close(struct engine *engine)
{
    engine->vtable->close(engine);
}

/* The engines. 0 or -errno. */
int memory_engine_open(const struct engine_options *options, struct engine **ret_engine);

/* Recovers what is in the directory, or makes a new log there. Waits in io_turn(). */
int log_engine_open(const struct engine_options *options, struct engine **ret_engine);
