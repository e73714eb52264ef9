// The log engine, for its own files: what they share. Others see engines/engine.h only.
// It is one thing, since all of them work on struct log_engine.
//
//     log_format.h, .c            frames and records as bytes
//     log_manifest.h, .c          the list of segments as bytes
//     log.c                       looking up; get
//     log_put.c                   put and remove
//     log_open.c                  open, close, steps, figures
//     log_tail.c                  frames: appended to, written, durable in their order
//     log_segment.c               segments: taken, sealed; the manifest on disk
//     log_ready.c                 segments: made ready, and given back
//     log_footer.h, .c, log_seal.h, .c  footers of sealed segments, as bytes and as work
//     log_reclaim.c               segments given up: when they may be used anew
//     log_space.c                 room on the disk: what is kept, who may write
//     log_cache.h, .c             records in RAM
//     log_read.c                  records from disk, one read each
//     log_scan.c                  scans and samples
//     log_snapshot.c              frozen views
//     log_copy.h, .c              a copy of the directory, made of links; log_copy_head.h, .c of
//                                 what heads had filled
//     log_large.h, .c             values with files of their own
//     log_large_stage.c           put together, and told, over several turns
//     log_large_look.c            whose such files are, after a start
//     log_checkpoint.h, .c        the index on disk, written in slices
//     log_recover.h, .c           from what a stop left to an engine that serves
//     log_files.h, .c             which file is which segment
//     log_replay.h, .c, log_stream.h, .c, log_apply.c, log_salvage.c
//                                 the part of it that reads frames; log_ahead.h, .c ahead of it
//     log_check.h, .c             looking through a directory, and mending it
//     log_pace.h, .c              how fast compaction goes
//     log_compact.c               room: segments emptied, and reused
//     log_drop.h, .c              a vnode dropped
//
// A write goes three ways at once: the record is appended to the open frame of the hot head, it is
// put into the cache, and the index leads to it there. The frame goes to disk at the end of the
// turn, or when it is full; a reply waits for it (engine_op.commit).
//
//       put --> | open frame |  -closed->  | frames on their way to disk, in order |  --> segment
//          `--> | cache slot: key, object, location in the log |
//                      ^ index entry (or the location itself, once the cache has let go of it)
//
// Where a record is, for readers: a cache slot if the entry says so; else a location. A location in
// a frame that is still in RAM is read there; any other is one read from disk.
//
// Invariants:
//
//  - Every reachable record has exactly one entry, and exactly one location in the log; a cache
//    slot knows the location of what it holds.
//  - Frames get their sequence when they are closed, and are closed in the order in which what they
//    hold took effect, as far as one concerns the other, over both heads. `durable` is the last of
//    a run without gaps. What is beyond it after a crash is cut off, so nothing that counts depends
//    on something that is lost.
//  - segment.live_bytes is the sum of the length classes of what is reachable in it.
//  - A segment is taken for new use only when it has nothing live, no read is under way in it, and
//    recovery needs nothing of it (log_reclaim.c). A file that has another name, in a copy of the
//    directory made of links, is never taken: the segment gets a new one.
#pragma once

#include "core/arena.h"
#include "core/io.h"
#include "core/limits.h"
#include "core/planted.h"
#include "engines/engine.h"
#include "engines/index.h"
#include "engines/log_cache.h"
#include "engines/log_format.h"
#include "engines/log_large.h"
#include "engines/log_manifest.h"
#include "engines/log_pace.h"
#include "engines/log_seal.h"

enum {
    LOG_FRAME_CAPACITY = 2 << 20,     // of a frame's buffer
    LOG_FRAME_FULL_BYTES = 256 << 10, // a frame this large goes to disk beside another one
    LOG_RECORD_BYTES_MAX = 1 << 20,   // what is larger has a file of its own
    // Key and object together, of what goes into a frame; a record that compaction moves is a
    // little longer.
    LOG_OBJECT_BYTES_MAX = LOG_RECORD_BYTES_MAX - 64,
    LOG_FRAMES_WRITING = 2,
    LOG_PATH_BYTES = 4096,
    LOG_BATCH = 16,         // ops that are prefetched together
    LOG_VNODES_MAX = 16000, // whose counts are in one block of a checkpoint
    LOG_SEGMENT_BYTES_MIN = 2 << 20,
    LOG_STALL_BYTES = 4 << 20, // more than callers put before they look whether there is room
    LOG_SEGMENT_SMALL_BYTES = LOG_STALL_BYTES + (2 << 20), // a large record may end it early
    LOG_SPACE_RETRY_MS = 1000,                             // a disk that had no room is asked again
    LOG_SEGMENTS_SPARED = 2,       // of a full disk, kept from puts: one that removals fill, while
                                   // compaction packs what they filled before
    LOG_SEGMENTS_RESERVED = 1,     // of those that are ready, for what compaction moves
    LOG_BUCKET_ENTRIES_MAX = 1024, // far beyond what chance puts into one bucket of the index
    LOG_REPLAY_RECORD_BYTES = 384, // that are read in the time in which a record is applied
};

// Entry payloads: bit 41 cached, bits 36..40 length class of the record in the log, bits 0..35 its
// location, or the cache slot in 16 bytes.
#define LOG_PAYLOAD_CACHED (UINT64_C(1) << 41)
#define LOG_PAYLOAD_WHERE ((UINT64_C(1) << LOG_LOCATION_BITS) - 1)

static inline uint64_t log_payload(uint64_t location, uint32_t class)
{
    return (uint64_t) class << LOG_LOCATION_BITS | location;
}

static inline uint64_t log_payload_cached(uint64_t place, uint32_t class)
{
    return LOG_PAYLOAD_CACHED | log_payload(place / CACHED_ALIGN, class);
}

static inline uint32_t log_payload_class(uint64_t payload)
{
    return (uint32_t)(payload >> LOG_LOCATION_BITS) & (LOG_CLASSES - 1);
}

static inline uint64_t log_payload_place(uint64_t payload)
{
    return (payload & LOG_PAYLOAD_WHERE) * CACHED_ALIGN;
}

enum log_frame_state { LOG_FRAME_CLOSED = 1, LOG_FRAME_WRITING, LOG_FRAME_WRITTEN };

struct log_frame {
    struct io_op op; // first
    struct log_engine *engine;
    struct log_frame *next; // of the free ones, or in order of sequence
    uint8_t *bytes;
    struct log_frame_header header;
    uint32_t capacity; // its buffer's, or what the segment has left
    uint32_t written;
    uint64_t commit;   // hot frames: number of the group commit
    uint32_t waits;    // for files that it names
    uint64_t began_ns; // when it was submitted
    enum log_frame_state state;
    bool hot;
};

// Where records are appended. Two: what clients write, and what compaction moves.
struct log_head {
    uint32_t segment; // LOG_SEGMENTS_MAX: none
    uint32_t offset;  // where the open frame begins, or the next one
    struct log_frame *open;
    struct log_seal *seal; // what the segment's footer will say; NULL: it will have none
    bool hot;
};

enum log_segment_state {
    LOG_SEGMENT_ABSENT,    // zeroed memory: no file
    LOG_SEGMENT_MAKING,    // its file is being made
    LOG_SEGMENT_PREPARING, // the manifest is told of its new use
    LOG_SEGMENT_READY,
    LOG_SEGMENT_HEAD,
    LOG_SEGMENT_SEALED,
    LOG_SEGMENT_EMPTIED, // nothing live; recovery may still need what it was
    LOG_SEGMENT_SPARE,   // a file to be used anew
    LOG_SEGMENT_BAD,     // its file cannot be opened
};

struct log_segment {
    uint64_t generation;
    uint64_t sequence_first; // of the frames in it; 0: none yet
    uint64_t sequence_last;
    uint64_t emptied;        // number of the checkpoint that was the next to begin then
    uint64_t emptied_commit; // group commit that was filling then, or the next
    uint64_t settled;        // all that emptied it is in frames up to this one; 0: not known yet
    uint64_t sweep_ms;       // when it is to be swept; UINT64_MAX: nothing in it will expire
    uint64_t stamp_min;      // the smallest of its records, UINT64_MAX without any
    uint64_t removal_stamp_max;
    uint64_t live_bytes;   // length classes of what is reachable
    uint64_t filled_bytes; // of all that ever was
    uint32_t limit; // bytes that may be written to: they have room on the disk, and were before
    uint32_t used;
    uint32_t packed; // bytes of all its records, dead ones and removals too; after a start `used`
    uint32_t loaded_to; // the checkpoint that a start has loaded leads to nothing at or behind it
    uint64_t order;     // of the hot head's in this run; 0: what snapshots take for old
    uint32_t pins;      // reads under way, and records kept for snapshots
    int32_t fd;
    uint8_t state; // enum log_segment_state
    bool dirty;    // written to since it was last made durable
    bool stuck;    // compaction could not empty it
    bool unsaid;   // records of it went with their vnode, and no removal says so of each
    bool copied;   // it belongs to the copy that is being made, which has a pin
    bool unread;   // recovery has passed some of it that the disk fails to read
    bool cut;      // its file has not the size that it should: it is made anew before it is used
    bool patchy;   // a start has found room for `limit` bytes of it, and nobody knows for which
};

// A record read from disk. When it has arrived it stays at hand, in the table and with its segment
// pinned, until the turn ends and no scan holds it: so what a get was told stays valid, and a put
// after it finds the old record.
struct log_read {
    struct io_op op; // first
    struct log_engine *engine;
    struct log_read *next;        // in the table, by location; of the free ones
    struct log_read *next_listed; // of those that wait for their turn; of those that have arrived
    struct engine_op *waiting;
    uint64_t location;
    uint8_t *bytes;
    uint32_t capacity; // of `bytes`
    uint64_t offset;   // in the segment, of bytes[0]
    uint32_t size;     // to be read
    uint32_t got;
    uint32_t from;  // place of the record in `bytes`
    uint32_t holds; // once it has arrived: by scans, and one until the turn ends
    bool arrived;
    bool cacheable; // somebody asked for it who is no scan
};

// A record that a scan waits for, or holds, or could not read.
struct log_hold {
    struct engine_op op;      // first
    struct engine_scan *scan; // NULL: it was given up
    struct log_hold *next;
    struct log_read *read; // NULL while it waits, and when it cannot be read
    uint64_t location;
    bool waits;
};

enum { LOG_READ_BUCKETS = 256 };

struct log_vnode {
    struct index_table table;
    uint64_t tombstones;
    uint64_t with_expiry;
    // Stamps that no record has when it was dropped, 0: none. It was, and the log had no room to
    // say so: nothing is put before. And what the manifest lists until a checkpoint began after the
    // log has said it: log_drop.c.
    uint64_t drop_owed;
    uint64_t drop_listed;
};

static_assert(sizeof(struct log_vnode) == LIMIT_CACHE_LINE_BYTES, "every look-up reads it");

// What a search met.
struct log_found {
    uint64_t *slot;  // of the index; NULL: there is none
    uint8_t *cached; // the cache slot, or NULL
    uint32_t cached_bytes;
    uint32_t class;
    uint64_t location; // in the log
    struct slice object;
    uint64_t expire_ms; // UINT64_MAX: it has one, which is not known
    uint64_t large;     // number of the file with the object, 0: none. `object` is its name then
    bool tombstone;
    bool remembered; // from an earlier look-up for the op: its object is not in RAM
};

// UNREADABLE: no record that can be read has the key, and one that cannot be read may have it.
enum log_find_result { LOG_FOUND, LOG_ABSENT, LOG_ON_DISK, LOG_UNREADABLE };

// In engine_op.memory_flags, beside those of records: memory_damaged is where a record could not be
// read.
enum { LOG_MEMORY_DAMAGED = 128 };

enum engine_memory { ENGINE_MEMORY_NONE, ENGINE_MEMORY_SEARCHING, ENGINE_MEMORY_RESOLVED };
enum engine_intent {
    ENGINE_INTENT_GET,
    ENGINE_INTENT_PUT,
    ENGINE_INTENT_REMOVE,
    ENGINE_INTENT_SCAN,
    ENGINE_INTENT_OWNER, // of a file: log_large_look.c
};

// The table of a vnode that was dropped, and is being given up.
struct log_dropped {
    struct log_dropped *next;
    struct index_table table;
    uint32_t vnode;
};

struct log_snapshot {
    bool open;
    bool walked; // through the index
    int error;   // that has ended it
    uint32_t vnode;
    uint64_t order; // of the segment that was the hot head
    uint64_t head_offset;
    uint64_t position; // where the walk is
    uint64_t *kept;    // payloads of what was replaced and has to be shown
    uint32_t kept_count;
    uint32_t kept_shown;
    uint32_t kept_capacity;
};

struct log_checkpoint;
struct log_compaction;
struct log_copy;
struct log_manifest_task;
struct log_preparation;
struct log_sync;

struct log_engine {
    struct engine engine; // first
    struct engine_options options;
    struct arena arena; // the index's
    struct index index;
    struct log_vnode *vnodes;
    struct cache cache;
    int directory_fd;
    uint64_t log_id;
    uint64_t epoch;
    uint64_t stamp; // of the next record
    uint64_t moves; // counts relocations: what ops remember is void
    uint64_t record_max;
    uint32_t segment_bytes;
    int failed;   // -errno of what ended all writing
    bool looking; // nothing is changed: log_check.c
    bool closing; // no segment is made ready any more

    struct log_segment *segments; // LOG_SEGMENTS_MAX, touched only where used
    uint32_t segment_top;         // all that were ever used are below
    uint32_t segments_max;
    uint32_t segments_ready;
    uint32_t segments_spare;
    uint32_t segments_emptied;
    uint32_t segments_held;   // of these, when last looked at: only the next checkpoint frees them
    uint32_t segments_pinned; // or reads and snapshots hold them
    uint32_t segments_least;  // spare ones, in the present window of log_segments_trim()
    uint32_t segments_excess; // of them, that are given back
    uint32_t quiet_windows;   // in which no frame was closed, one after the other
    uint32_t segment_limit;   // of those that are made ready now (log_segment.c)
    bool small;               // little is there, and nobody writes: what waits for writers is small
    uint64_t unused_bytes;    // of segments, behind their limits: their files have holes there
    uint64_t window_ms;       // wall time at which the window ends
    uint64_t window_sequence; // when it began
    uint32_t segments_unmade; // numbers below the top that have no file, nor one under way
    uint64_t generation;      // of the newest use of a segment
    bool space_refused;       // the disk has no room for one more
    bool space_short;         // less than the reserve is free: puts are refused
    uint64_t space_left;      // bytes free beyond the reserve
    uint64_t space_last;      // beyond what checkpoints take
    uint64_t space_next_ns;   // when they are looked at again
    uint64_t reserved_bytes;  // of records that belong together: log_reserve()
    uint64_t space_retry_ms;  // wall time before which it is not asked again
    struct log_preparation *preparation;
    struct log_manifest_task *manifest;
    uint64_t manifest_wanted; // version
    uint64_t manifest_durable;
    uint64_t manifest_retry_ms; // wall time to write it again, after space ran out; 0: it did not
    int manifest_error;         // that put it off

    struct log_head hot;
    struct log_head cold;
    struct log_frame *frames_free;
    struct log_frame *frames_first; // closed and not yet written up to, in order
    struct log_frame *frames_last;
    uint32_t frames; // buffers there are
    uint32_t frames_kept;
    uint32_t frames_writing;
    uint64_t frames_closed_bytes;
    uint64_t sequence;       // of the frame closed last
    uint64_t written;        // all frames up to it are written
    uint64_t durable;        // and durable
    uint64_t chain;          // checksum of the frame closed last
    uint64_t commit_open;    // number of the hot frame that is filling, or of the next one
    uint64_t commit_last;    // group commits up to it are written
    uint64_t commit_written; // and durable with `always`
    uint64_t always_from;    // `always` is in force once frames up to it are durable
    uint64_t commit_removal; // of the newest removal: who misses a key waits for it
    uint64_t flush;          // frames up to it are to be durable soon
    struct log_sync *sync;
    struct log_seals *seals;

    struct log_read *reads[LOG_READ_BUCKETS];
    struct log_read *reads_free;
    struct log_read *reads_queued_first;
    struct log_read *reads_queued_last;
    struct log_read *reads_arrived; // in this turn
    uint32_t reads_kept;
    uint32_t reads_flying;

    struct log_checkpoint *checkpoint;
    uint64_t checkpoint_next;
    uint64_t checkpoint_number;   // the newest that the manifest names
    uint64_t checkpoint_own;      // the newest of this run that the durable manifest names, or 0
    uint64_t checkpoint_previous; // to be removed
    uint64_t checkpoint_sequence; // frames after it are replayed
    uint64_t replay_bytes;        // what replay after the last checkpoint costs, in bytes read
    struct log_compaction *compaction;
    struct log_pace pace; // of compaction
    struct log_copy *copy;
    struct log_larges large;
    struct log_snapshot snapshots[LIMIT_ENGINE_SNAPSHOTS];
    uint32_t snapshots_open;
    uint64_t order; // of the newest segment of the hot head
    struct log_dropped *dropped;
    uint32_t drops_owed; // vnodes
    uint64_t synced_ms;  // `interval`: wall time of the last flush

    // figures
    uint64_t records;
    uint64_t tombstones;
    uint64_t with_expiry;
    uint64_t live_bytes; // length classes of what is reachable
    uint64_t expired;
    uint64_t refused;
    uint64_t disk_reads;
    uint64_t disk_read_bytes;
    uint64_t coalesced_reads;
    uint64_t corrupt_records;
    uint64_t damages;      // told
    uint64_t record_bytes; // of what was put
    uint64_t compacted_bytes;
    uint64_t written_bytes; // of frames
    uint64_t zeroed_bytes;
    uint64_t footer_bytes;
    uint64_t footers; // written
    uint64_t checkpoint_bytes;
    uint64_t checkpoints;
    uint64_t checkpoint_failures;
    uint64_t commits;
    uint64_t loaded_records;
    uint64_t replayed_frames;
    uint64_t replayed_records;
    uint64_t replayed_bytes;
    uint64_t footer_records; // of the replayed ones, that footers told of
    uint64_t load_ns;
    uint64_t replay_ns;
    uint64_t open_ns;
};

// The entries of a bucket.
struct log_bucket {
    const struct log_engine *engine;
    uint32_t count;
    uint64_t entries[LOG_BUCKET_ENTRIES_MAX];
};

// An empty one. Most of its room is never touched.
static inline void log_bucket_begin(struct log_bucket *bucket, const struct log_engine *engine)
{
    bucket->engine = engine;
    bucket->count = 0;
}

static inline struct log_engine *log_engine_of(struct engine *engine)
{
    return (struct log_engine *)(void *)engine;
}

// log.c

uint64_t log_hash(const struct log_engine *engine, struct slice key);

// Looks for the key of an op in RAM. ON_DISK: the record at ret_found's location may be it, and has
// to be read first.
enum log_find_result log_find(struct log_engine *engine, struct engine_op *op,
                              struct log_found *ret_found);

// The record at a location that is in RAM though not in the cache: in a frame on its way, or read
// and at hand. NULL when it is not.
const uint8_t *log_in_ram(const struct log_engine *engine, uint64_t location);

// One op, as far as RAM leads; it may be pending then. The op's intent is set.
void log_get_one(struct log_engine *engine, struct engine_op *op);
void log_write_one(struct log_engine *engine, struct engine_op *op);

// The op has found that, and needs not read it again while nothing is moved.
void log_remember(const struct log_engine *engine, struct engine_op *op,
                  const struct log_found *found, bool damaged);

// The slot of the entry that leads to a location and not to the cache; NULL when there is none.
uint64_t *log_slot_of(const struct log_engine *engine, uint32_t vnode, uint64_t hash,
                      uint64_t location);

// The entry of a dropped table that leads to a cache slot, NULL when there is none.
uint64_t *log_dropped_slot(const struct log_engine *engine, uint32_t vnode, uint64_t hash,
                           uint64_t payload);

// All writing ends: what is on the disk is not known any more.
void log_fail(struct log_engine *engine, int error);

// Takes a record out of the index, the cache and the files of large values. A removal in the hot
// frame says so: else recovery would find it again, beside what was put to its key since and names
// no place that it took. Returns the removal's bytes; 0: there is no room for it, nothing changed.
uint32_t log_take_out(struct log_engine *engine, uint32_t vnode, struct slice key, uint64_t hash,
                      const struct log_found *old);

// Frees an engine whose process is held dead, by a test that plays its end: its operations never
// complete.
void log_engine_abandon(struct engine *base);

// Opens an engine, as log_engine_open() does; or, looking, one that only shows what is there: it
// changes no file, and takes no writes.
struct log_recovery;
int log_engine_begin(const struct engine_options *options, bool looking,
                     struct log_recovery *report, struct log_engine **ret_engine);

// log_verify.c: CHECKs all that is said above. For tests.
void log_verify(const struct engine *base);

// Tells of damage that was met, or of something that is none.
void log_report(struct log_engine *engine, bool damage, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

// For index_shed().
void log_ignore_entry(void *context, uint64_t entry);

// `change` records more (or, negative, less) in a vnode.
void log_count(struct log_engine *engine, uint32_t vnode, bool tombstone, bool expires,
               uint64_t change);

// For batches: asks for what the ops will look at.
void log_prefetch(const struct log_engine *engine, struct engine_op *const *ops, size_t count,
                  size_t from);

static inline bool log_expired(const struct log_engine *engine, const struct log_found *found)
{
    return found->expire_ms != 0 && found->expire_ms <= engine->options.io->wall_ms;
}

// engine.h
void log_prepare(struct engine *base, struct engine_op *const *ops, size_t count);
void log_get(struct engine *base, struct engine_op *const *ops, size_t count);
void log_put(struct engine *base, struct engine_op *const *ops, size_t count);
void log_remove(struct engine *base, struct engine_op *const *ops, size_t count);

// log_tail.c

// Room for a record at a head, in its open frame: where to write it, and its location. NULL when no
// segment is ready or memory is short.
uint8_t *log_append(struct log_engine *engine, struct log_head *head, uint32_t bytes,
                    uint64_t *ret_location);

// The same at the hot head, for a record that replaces the one at a location; LOG_LOCATION_NONE:
// any.
uint8_t *log_append_after(struct log_engine *engine, uint64_t replaces, uint32_t bytes,
                          uint64_t *ret_location);

// Takes back what was just appended to the hot head.
void log_unappend(struct log_engine *engine, uint32_t bytes);

// Closes the open frame of a head, if there is one: it has its sequence then.
void log_close_frame(struct log_engine *engine, struct log_head *head);

// Starts writing what may be written now.
void log_submit(struct log_engine *engine);

// Makes everything so far durable, whatever the setting of `sync`.
void log_flush(struct log_engine *engine);

// The bytes at a location that is in a frame still in RAM; NULL when it is not.
uint8_t *log_in_frame(const struct log_engine *engine, uint64_t location);

// Whether a location is in the hot frame that is filling.
bool log_is_filling(const struct log_engine *engine, uint64_t location);

// The group commit that a reader of the record at a location has to wait for; 0: none.
uint64_t log_commit_of(const struct log_engine *engine, uint64_t location);

int log_tail_open(struct log_engine *engine);
bool log_tail_busy(const struct log_engine *engine);
bool log_tail_syncs(const struct log_engine *engine); // files of segments, one after another
void log_tail_close(struct log_engine *engine);

// The engine's call: from one way of being durable to another while writers go on.
void log_set_durability(struct engine *base, const struct engine_durability *durability);

// log_space.c

// Whether an error says that something has run out (space, a quota, descriptors, memory), so that
// the same may succeed later if nothing depends on what the failed attempt has left.
bool log_may_pass(int error);

// Looks at the filesystem now; or when it is time to.
void log_space_look(struct log_engine *engine);
void log_space_step(struct log_engine *engine);

// How many segments there may be by the options; how many more can be made without touching the
// disk's reserve.
uint32_t log_segments_allowed(const struct log_engine *engine);
uint32_t log_segments_to_come(const struct log_engine *engine);

// Whether there is room for so many more that it need not be counted where some are small.
bool log_space_is_ample(const struct log_engine *engine);

// Whether the disk is so full that what is left is for removals: a record of so many bytes would
// take what is kept for them, or what is reserved.
bool log_is_full(const struct log_engine *engine, uint64_t bytes);

// Whether there is room for a file of a large value, in memory and on disk; or would be, were
// nothing under way.
bool log_large_has_room(const struct log_engine *engine, uint64_t size);
bool log_large_fits(const struct log_engine *engine, uint64_t size);

// The engine's calls. What is reserved is told by its bytes and records, which may each take a
// frame of its own.
enum engine_status log_reserve(struct engine *base, uint64_t bytes, uint64_t records);
void log_unreserve(struct engine *base, uint64_t bytes, uint64_t records);

// log_segment.c

int log_segments_open(struct log_engine *engine);
void log_segments_close(struct log_engine *engine);
void log_path(const struct log_engine *engine, char *path, const char *name);
void log_segment_path(const struct log_engine *engine, char *path, uint32_t number);

// Whether a segment's file has a name elsewhere too, in a copy of the directory that was made of
// links: then it is not written to again, and stays there as it is.
bool log_segment_shared(const struct log_engine *engine, uint32_t number);

// Writes the manifest anew; `manifest_durable` reaches what it returns when that is done.
uint64_t log_manifest_changed(struct log_engine *engine);

// Whether one is being written.
bool log_manifest_busy(const struct log_engine *engine);

// Goes on where it was put off for want of space.
void log_manifest_retry(struct log_engine *engine);

// Whether the manifest that was asked for is on its way.
static inline bool log_manifest_comes(const struct log_engine *engine)
{
    return engine->failed == 0 && engine->manifest_retry_ms == 0;
}

// Bytes that the hot head has left in its segment.
uint64_t log_hot_left(const struct log_engine *engine);

// Gives a head its next segment. False when none is ready.
bool log_head_advance(struct log_engine *engine, struct log_head *head);

// A head goes on elsewhere.
void log_segment_seal(struct log_engine *engine, uint32_t number);

// Both heads close their frames, and begin the next ones in other segments.
void log_heads_leave(struct log_engine *engine);

// Bytes of a head's segment that may be written to.
static inline uint32_t log_head_limit(const struct log_engine *engine, const struct log_head *head)
{
    return engine->segments[head->segment].limit;
}

// What the manifest says of the log now, without its segments; which drops it lists (NULL: how many
// are counted); and of a segment.
struct log_manifest log_manifest_of(const struct log_engine *engine);
uint32_t log_manifest_drops(const struct log_engine *engine, struct log_manifest_drop *drops);
struct log_manifest_segment log_manifest_entry(uint32_t number, const struct log_segment *segment);

// The engine closes: no segment is filling or about to be, so that the manifest which comes with
// the last checkpoint leaves nothing to be looked for in them.
void log_segments_retire(struct log_engine *engine);

// Gives a sealed segment up if nothing of it is needed.
void log_segment_reconsider(struct log_engine *engine, uint32_t number);

// The smallest stamp of a record that may be dead and is still in a segment, other than `except`:
// removals with larger ones have to outlive it. UINT64_MAX: there is none. What is live does not
// count: a removal is of a key whose older records were dead when it came. ret_number (or NULL) is
// where it is, LOG_SEGMENTS_MAX for nowhere.
uint64_t log_oldest_dead(const struct log_engine *engine, uint32_t except, uint32_t *ret_number);

// Whether the removals in a segment may be forgotten: no older record is anywhere else.
bool log_segment_expendable(const struct log_engine *engine, uint32_t number);

// log_ready.c

int log_ready_open(struct log_engine *engine);
void log_ready_close(struct log_engine *engine);

// Makes more segments ready, if it should and can.
void log_segments_step(struct log_engine *engine);
bool log_segments_busy(const struct log_engine *engine);

// Removes the file of a spare segment that no checkpoint leads to. False when it cannot now.
bool log_segment_give_back(struct log_engine *engine, uint32_t number);

// Whether one is being made ready.
bool log_segments_preparing(const struct log_engine *engine);

static inline void log_ready_to_spare(struct log_engine *engine, struct log_segment *segment)
{
    segment->state = LOG_SEGMENT_SPARE;
    engine->segments_ready--;
    engine->segments_spare++;
}

// The hot head has filled a segment: what is made ready from now on is larger than what was, up to
// the whole.
void log_segments_grow(struct log_engine *engine);

// Nobody writes: where little is there, what waits for writers is small from now on, and larger
// ones become spare.
void log_segments_shrink(struct log_engine *engine);

// The same at the start. And the other way where the disk has no ample room any more.
void log_segments_begin_small(struct log_engine *engine);
void log_segments_enlarge(struct log_engine *engine);

// Whether little enough is there that what waits for writers may be small, on a disk with room.
bool log_segments_may_be_small(const struct log_engine *engine);

// log_reclaim.c

// Nothing live is left in a segment that is no head.
void log_segment_give_up(struct log_engine *engine, struct log_segment *segment);

// What is given up, and recovery does not need any more, may be used anew.
void log_segments_reclaim(struct log_engine *engine);

// Gives files of spare segments back that were not needed for a while. Now and then.
void log_segments_trim(struct log_engine *engine);

// Whether there will be something to give back, as time goes by.
bool log_segments_trim_later(const struct log_engine *engine);

// Whether a checkpoint is wanted for the segments that it frees.
bool log_segments_want_checkpoint(const struct log_engine *engine);

// Segments that hold nothing, or will when the next checkpoint is there, or may still be made.
uint32_t log_segments_free(const struct log_engine *engine);

// The record at a location is not reachable any more, or is now.
void log_kill(struct log_engine *engine, uint64_t location, uint32_t class);

static inline void log_revive(struct log_engine *engine, uint64_t location, uint32_t class)
{
    struct log_segment *const segment = &engine->segments[log_location_segment(location)];

    segment->live_bytes += log_class_bytes(class);
    segment->filled_bytes += log_class_bytes(class);
    engine->live_bytes += log_class_bytes(class);
}

// A record with this stamp was appended at a location.
void log_note_stamp(struct log_engine *engine, uint64_t location, uint64_t stamp, bool removal);

static inline uint64_t log_record_seed_at(const struct log_engine *engine, uint64_t location)
{
    if (planted(PLANTED_TRUST_PLACE)) {
        return 0;
    }
    return log_record_seed(engine->log_id,
                           engine->segments[log_location_segment(location)].generation,
                           log_location_offset(location));
}

// log_read.c

// Reads the record at a location, and goes on with the op then.
void log_read_for(struct log_engine *engine, struct engine_op *op, uint64_t location,
                  uint32_t class);

// The read of the record at a location if that is at hand, else NULL.
struct log_read *log_read_at_hand(const struct log_engine *engine, uint64_t location);

// The turn ends: what has arrived in it goes into the cache.
void log_reads_settle(struct log_engine *engine);

void log_read_hold(struct log_read *read);
void log_read_release(struct log_read *read);
void log_reads_close(struct log_engine *engine);

// log_snapshot.c
int log_snapshot_open(struct engine *base, uint32_t vnode, uint32_t *ret_snapshot);
int log_snapshot_scan(struct engine *base, uint32_t number, struct engine_scan *scan,
                      size_t buckets_max);
void log_snapshot_close(struct engine *base, uint32_t number);

// The record at a location is going to be replaced or removed. Only while snapshots are open.
void log_snapshots_keep(struct log_engine *engine, uint32_t vnode, uint64_t hash, uint64_t location,
                        uint32_t class);

// Ends those of a vnode, or all.
void log_snapshots_give_up(struct log_engine *engine, uint32_t vnode, int error);

// Whether what is moved from a segment stays on its side of all snapshots.
bool log_snapshots_allow(const struct log_engine *engine, const struct log_segment *victim);

// log_scan.c
enum engine_status log_scan(struct engine *base, struct engine_scan *scan, size_t buckets_max);
void log_scan_end(struct engine *base, struct engine_scan *scan);
enum engine_status log_sample(struct engine *base, struct engine_scan *scan, uint64_t random);

// Whether all of a bucket is in RAM or cannot be read; shows it; asks for what is missing of it.
bool log_bucket_is_present(const struct log_engine *engine, const struct engine_scan *scan,
                           const struct log_bucket *bucket);
bool log_bucket_show(const struct log_engine *engine, struct engine_scan *scan,
                     const struct log_bucket *bucket);
bool log_bucket_request(struct log_engine *engine, struct engine_scan *scan,
                        const struct log_bucket *bucket, bool *ret_enough);

// Adds an entry to a struct log_bucket, for index_scan(), and asks for its cache slot.
void log_bucket_entry(void *context, uint64_t entry);

// A read for a hold has ended; `read` is NULL when the record cannot be read.
void log_scan_arrived(struct engine_op *op, struct log_read *read);

// log_compact.c

int log_compaction_open(struct log_engine *engine);
void log_compaction_close(struct log_engine *engine);

// Moves about `budget` bytes of records, if segments are short. True when there is more to do now.
bool log_compact(struct log_engine *engine, uint32_t budget);
bool log_compaction_busy(const struct log_engine *engine);

// Compaction's share of the time, in percent; and whether it rests, to go on by itself.
uint32_t log_compaction_share(const struct log_engine *engine);
bool log_compaction_rests(const struct log_engine *engine);
