// Snapshots: copies of the data directory as it is at one moment, taken while the node serves.
//
// A snapshot is a directory of the same kind as node.data_dir, below it in snapshots/NAME, made of
// hard links but for what each core was filling (engines/log_copy.h): beside that it takes no room
// but for what the node lets go of later. To restore one, start rldbd on it, or on a copy of it,
// with any number of shards.
//
//     core 0    makes .unfinished-NAME/, tells all cores -----------------> CURRENT, rename
//     cores     PREPARE   | ENTER, one after another | CUT    | WRITE       | END
//               all ready | takes the whole shard    | lets   | links, in   |
//                         |                          | it go  | background  |
//
// One moment for all clients: each core is taken as FLUSHALL takes it (gate.h), in ascending order,
// and no core is cut, and so let go, before all are taken. So what several cores do for one command
// is in the snapshot as a whole or not at all, and so is whatever a client did before another thing
// that is. Clients wait from ENTER to CUT, a message between cores; nothing waits for the disk
// then.
//
// It is whole when its name is NAME: CURRENT is written last, all is made durable, then it is
// renamed. What an error leaves is removed, what the end of the process leaves by the next start.
// CURRENT names the snapshot by a random number, by which vnodes that start on it know that they
// need new identities (identity.h).
//
// Only core 0 keeps snapshots, one work on them at a time. A struct snapshot is the part's of the
// command that asked (multi.h), which waits until it has ended.
#pragma once

#include "cluster/data_dir.h"
#include "cluster/gate.h"
#include "cluster/message.h"
#include "cluster/removal.h"
#include "cluster/work.h"
#include "core/io.h"
#include "engines/engine.h"

enum snapshot_order { SNAPSHOT_CREATE, SNAPSHOT_DELETE };

enum snapshot_part_step {
    SNAPSHOT_PREPARE,
    SNAPSHOT_ENTER,
    SNAPSHOT_LEAVE, // without a cut
    SNAPSHOT_CUT,
    SNAPSHOT_WRITE,
    SNAPSHOT_END,
};

struct snapshot;

// One core's part.
struct snapshot_part {
    struct message message; // first
    struct work work;
    struct gate_group group;
    struct engine_copy copy;
    struct snapshot *snapshot; // core 0's
    struct shard *at;          // whose part it is, while that works on it
    uint8_t step;              // enum snapshot_part_step
    bool held;                 // the shard is taken
    bool begun;                // it needs SNAPSHOT_END
    int error;                 // of the step
    char directory[DATA_DIR_PATH_BYTES];
};

typedef void snapshot_done_fn(struct snapshot *snapshot);

struct snapshot {
    struct io_op op; // first
    struct shard *shard;
    snapshot_done_fn *done;
    void *context;  // the caller's
    uint8_t order;  // enum snapshot_order
    uint8_t step;   // of snapshot.c
    uint8_t sync;   // of a directory: opened, synced, closed
    int error;      // 0 or -errno, when it is done
    int step_error; // of the parts of a step
    int fd;         // open; or -1
    uint64_t began_ns;
    uint32_t tries;
    uint32_t core;    // ENTER: the one at its turn
    uint32_t open;    // parts under way
    uint64_t number;  // CURRENT's
    uint32_t written; // of it
    uint8_t current[DATA_DIR_CURRENT_BYTES];
    char name[LIMIT_SNAPSHOT_NAME_BYTES + 1];
    char path[DATA_DIR_PATH_BYTES];       // of the snapshot
    char unfinished[DATA_DIR_PATH_BYTES]; // as long as it is none, or goes
    char at[DATA_DIR_PATH_BYTES];         // what the present operation is about
    struct removal removal;
    uint32_t part_count;
    struct snapshot_part parts[];
};

// For a snapshot of this shard's node: zeroed memory, the caller's to free with memory_free().
size_t snapshot_bytes(const struct shard *shard);

// On shard 0, of a durable node. Calls done(), not before it returns. `name` is valid. False: one
// is under way.
bool snapshot_begin(struct snapshot *snapshot, struct shard *shard, enum snapshot_order order,
                    struct slice name, snapshot_done_fn *done);

// What error means for the client that asked, and what to do, into ret_text.
void snapshot_explain(const struct snapshot *snapshot, char *ret_text, size_t size);

// A part has come to its core; or back.
void snapshot_part_receive(struct shard *shard, struct snapshot_part *part);
void snapshot_part_return(struct shard *shard, struct snapshot_part *part);
