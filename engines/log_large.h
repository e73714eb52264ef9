// Values that are too large for a frame: each has a file of its own, large-N. For the log engine's
// own files.
//
// The record in the log, which the index leads to, only names the file and says how large the
// object is (log_format.h). So what compaction, recovery and scans do with it is what they do with
// any small record, and the value itself is written once and never moved.
//
//       put --> buffer --written in chunks--> large-N, made durable with its name
//         `---> frame with the record that names it: goes to disk when the file is durable
//
// Invariants:
//
//  - A frame is submitted only when every file that it names is durable. So a record that is there
//    after a crash names a whole file.
//  - A file is removed only when the frame with what took its record's place is durable, and nobody
//    reads it. So a record that comes back after a crash finds its file.
//  - A value that was staged is named when its file has all the blocks that it needs: where the
//    disk has none for it (ENOSPC, EDQUOT, EFBIG) that value is refused, and nothing else. One that
//    is put without a stage is named before, and such a failure ends all writing.
//  - A file that no reachable record names after a crash is found by its own header, which has the
//    key, and removed in the background.
#pragma once

#include "core/block.h"
#include "core/io.h"
#include "core/slice.h"
#include "engines/engine.h"

#include <stdbool.h>
#include <stdint.h>

struct log_engine;
struct log_frame;
struct log_large_look;
struct log_large_work;

enum { LOG_LARGE_BUCKETS = 1024 };

struct log_large {
    struct io_op op; // first
    struct log_engine *engine;
    struct log_large *next;        // in the table
    struct log_large *next_listed; // of those that are to be read, or whose buffers are given back
    struct log_large *next_dead;
    uint64_t number;
    uint64_t size; // of the file, and of `buffer`
    uint64_t
        object_bytes;     // of a file found at the start 0 until it is read, and so is what follows
    uint32_t object_from; // place of the object in the file
    uint32_t key_bytes;
    uint32_t vnode;
    int32_t fd;
    struct log_frame *frame; // that waits for it
    struct engine_op *waiting;
    struct log_large_work *work;
    uint8_t *buffer;     // the file, while it is written or read, or pinned: a block
    size_t capacity;     // of the block
    uint32_t pins;       // who keeps it where it is
    uint64_t at;         // written or read so far
    uint64_t summed;     // of what was read
    uint64_t dead_after; // sequence of the frame that has to be durable before it is removed
    int error;
    uint8_t step; // of log_large.c, 0: nothing is under way
    bool known;   // a record names it, or it is dead; false for what the start has found
    bool at_hand; // the object is in `buffer`
    bool dead;
    bool aside;    // not removed but set aside
    bool staged;   // of a stage that is open: no record names it yet
    bool settling; // its buffer is given back when the turn ends
};

// What an engine has of them.
struct log_larges {
    struct log_large *table[LOG_LARGE_BUCKETS]; // by number
    struct log_large *settling;                 // whose buffers are given back
    struct log_large *wanted;                   // to be read when there is memory
    struct log_large *dead_first;               // in order of dead_after
    struct log_large *dead_last;
    struct log_large *dead_unsure; // from it on they wait for the hot frame that is open
    struct log_large_look *look;
    struct block_store blocks; // buffers that were given back: unmapped in slices
    uint64_t bytes;            // of files
    uint64_t buffer_bytes;     // of buffers, stages included
    uint64_t reserved_bytes;   // of objects that may come: log_reserve()
    uint64_t count;            // written in this run
    uint64_t refused_bytes;    // of a file that the disk had no room for
    uint64_t refused_until_ms; // wall time before which none of that size is begun
    uint32_t busy;             // that have something under way
    uint32_t unknown;
    bool removing;
    bool damaged; // the log was, at the start
};

// Begins to write a file for an object in three parts, or the op's stage: its number, or 0 when
// there is no room for it, in memory or on disk.
uint64_t log_large_write(struct log_engine *engine, const struct engine_op *op,
                         const struct slice parts[3]);

// A frame names the file, and waits until it is durable. Not for one that is durable already.
void log_large_named(struct log_engine *engine, uint64_t number, struct log_frame *frame);

// Its record is not reachable any more.
void log_large_kill(struct log_engine *engine, uint64_t number);

// So are those of a vnode.
void log_large_drop(struct log_engine *engine, uint32_t vnode);

// The object, if it is in RAM: on its way to disk, or read in this turn.
bool log_large_at_hand(const struct log_engine *engine, uint64_t number, struct slice *ret_object);

// Reads it for an op, which goes on then. The op is pending, or has failed.
void log_large_read(struct log_engine *engine, struct engine_op *op, uint64_t number);

// The turn ends: buffers of what was written or read are given back.
void log_large_settle(struct log_engine *engine);

// Removes what is dead, and looks for files that nothing names. True when there is more to do now.
bool log_large_step(struct log_engine *engine);

bool log_large_busy(const struct log_engine *engine);

void log_large_close(struct log_engine *engine);

// The size of the file for such an object.
uint64_t log_large_file_bytes(size_t key_bytes, uint64_t object_bytes);

struct log_large *log_large_find(const struct log_engine *engine, uint64_t number);

// Its buffer is given back when the turn ends.
void log_large_settle_later(struct log_large *large);

// Begins to make the file for an object of so many bytes, of a stage: its number, or 0 without
// memory. It is made when log_large_made() says so; false: not yet. ret_error: 0, or why it cannot
// be. Then, or when it is given up, the file goes, and nobody may ask any more.
uint64_t log_large_make(struct log_engine *engine, size_t key_bytes, uint64_t object_bytes);
bool log_large_made(struct log_engine *engine, uint64_t number, int *ret_error);
void log_large_give_up(struct log_engine *engine, uint64_t number);

// log_large_stage.c: engine_stage_open() and what follows it, and engine_pin().
enum engine_status log_large_stage_open(struct log_engine *engine, const struct engine_op *op,
                                        struct engine_stage *stage);
void log_large_stage_close(struct log_engine *engine, struct engine_stage *stage);
bool log_large_pin(struct log_engine *engine, uint64_t number);
void log_large_unpin(struct log_engine *engine, uint64_t number);

struct log_large *log_large_add(struct log_engine *engine, uint64_t number);

// The hot frame was closed: what died meanwhile waits for it.
void log_large_hot_closed(struct log_engine *engine);

// It is removed when the frame `after` is durable; UINT64_MAX: the hot one that is open.
void log_large_die(struct log_large *large, uint64_t after);

// log_large_look.c

// Finds the files of the directory: 0 or -errno. Of a log that is damaged, those that no record
// names are set aside as aside-large-N, since the record may have been lost.
int log_large_open(struct log_engine *engine, bool damaged);

// Looks whose the next file is, if nobody knows.
void log_large_look(struct log_engine *engine);
bool log_large_is_looked_at(const struct log_large *large);

// Goes on with that: a read that it asked for has ended.
void log_large_owner(struct log_engine *engine, struct engine_op *op);
void log_large_look_close(struct log_engine *engine);
