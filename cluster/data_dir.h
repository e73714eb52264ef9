// The directory that a node keeps its data in (node.data_dir), for engines that have files.
//
//     DIR/LOCK             locked while a node runs on it: two at a time would destroy each other
//     DIR/CURRENT          who the node is, and which generation holds its data
//     DIR/generation-1/    one directory for each shard, its engine's
//         shard-0/ shard-1/ ...
//     DIR/generation-2/UNFINISHED    while data is written anew (reshard.h)
//     DIR/snapshots/NAME/    a snapshot (snapshot.h): a directory of the same kind as DIR
//
// In snapshots/ names that begin with a point are what an interrupted snapshot has left, or one
// that has begun to go: the next start removes them.
//
// CURRENT is only ever replaced whole, by rename. Data that is written anew for another number of
// shards goes into the next generation, which becomes the node's by that rename. Until then it
// has a file UNFINISHED, and the next start removes it; one older than CURRENT's is what that
// start had no time to remove. A newer one without that file is nothing that a node has left: then
// it is CURRENT that is old.
//
//     offset  bytes  what
//     0       8      "rldbNODE"
//     8       4      version, 2
//     12      4      zero; from version 3 on the version's complement, by which a later version is
//                    told from a flipped bit
//     16      8      checksum: XXH3 of all that follows
//     24      20     id of the node
//     44      4      number of the generation
//     48      8      seed of hash_key()
//     56      4      shards
//     60      4      partitions
//     64      52     what contexts are signed with: key 32, id of the cluster 20
//     116     8      number of the snapshot that the directory was made as, 0 for none; not in
//                    version 1. A shard that has not begun a new life for it does (identity.h)
//
// All functions wait in io_turn(), so they are for start and stop.
#pragma once

#include "cluster/context.h"
#include "ring/ring.h"

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

struct io;

enum { DATA_DIR_PATH_BYTES = 2048, DATA_DIR_ERROR_BYTES = 512, DATA_DIR_CURRENT_BYTES = 124 };

// What outlives a stop.
struct data_identity {
    struct node_id id;
    uint64_t hash_seed;
    struct context_secret secret;
    uint32_t generation;
    uint32_t shards;
    uint32_t partitions;
    uint64_t snapshot;
};

// CURRENT as bytes. Reading: 0, -EPROTONOSUPPORT for a newer version, -EBADMSG for what is damaged.
void data_dir_write_current(uint8_t ret_bytes[DATA_DIR_CURRENT_BYTES],
                            const struct data_identity *identity);
int data_dir_read_current(struct slice bytes, struct data_identity *ret_identity);

// The version of bytes that are of a newer one, and what is said of such a CURRENT in that
// directory, into ret_error[DATA_DIR_ERROR_BYTES].
static inline uint32_t data_dir_current_version(struct slice bytes)
{
    uint32_t version;

    memcpy(&version, bytes.bytes + 8, sizeof version);
    return version;
}
void data_dir_explain_newer(const char *path, uint32_t version, char *ret_error);

// Makes the directory if it is not there, takes its lock, and reads who lived here. In a new one
// `identity` is what it will be, and is written. One of another number of partitions is refused; of
// another number of shards it is the caller's to see (reshard.h). Removes what an interrupted start
// has left. 0 with the lock's descriptor and the identity that holds; or -errno, with what is wrong
// and what to do in ret_error[DATA_DIR_ERROR_BYTES].
int data_dir_open(struct io *io, const char *path, struct data_identity *identity, int *ret_lock,
                  char *ret_error);

// Lets go of the lock.
void data_dir_close(struct io *io, int lock);

// The directory of a shard, into ret_path[DATA_DIR_PATH_BYTES].
void data_dir_shard_path(const char *path, const struct data_identity *identity, uint32_t shard,
                         char *ret_path);

// A generation for an identity, not yet the node's: its directory, empty and marked UNFINISHED.
// What is there of that number is removed. 0 or -errno.
int data_dir_begin_generation(struct io *io, const char *path,
                              const struct data_identity *identity);

// The identity's generation, whole and durable, becomes the node's by the rename of CURRENT. 0, or
// -errno: which of the two it is then the next start will see. What was before is left there.
int data_dir_switch(struct io *io, const char *path, const struct data_identity *identity);

// The directory of a generation, and that of snapshots or of one of them, into
// ret_path[DATA_DIR_PATH_BYTES].
void data_dir_generation_path(const char *path, uint32_t generation, char *ret_path);
void data_dir_snapshots_path(const char *path, const char *name, char *ret_path);

// Whether a snapshot may have this name: letters, digits, "_", "-" and ".", the first no point, at
// most LIMIT_SNAPSHOT_NAME_BYTES.
bool data_dir_is_snapshot_name(struct slice name);

// Removes a generation that is not the node's, with all that is in it. 0 or -errno.
int data_dir_remove_generation(struct io *io, const char *path, uint32_t generation);
