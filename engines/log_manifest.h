// The manifest of a log: which segments there are and in which use, and where recovery begins.
//
// Pure functions over memory, as in log_format.h. On disk it is the file MANIFEST, which is only
// ever replaced whole, by rename.
//
//     offset  bytes  what
//     0       4      magic "rlMF"
//     4       2      version, 1
//     6       2      the version's complement, which tells a newer version from a damaged one
//     8       8      checksum: XXH3 of all that follows
//     16      8      id of the log
//     24      8      seed of hash_key()
//     32      4      vnodes
//     36      4      bytes of a segment
//     40      4      number of this shard
//     44      4      shards that the data is spread over
//     48      8      epoch: of the run that wrote this
//     56      8      generation: of the newest use of a segment
//     64      8      durable: all frames up to this one were, when this was written
//     72      8      stamp: no smaller one is given to a record from now on
//     80      8      checkpoint: its number, 0 for none
//     88      8      the frame after which replay begins with that checkpoint
//     96      4      segments
//     100     4      drops
//     104            for each segment, in ascending order of number:
//                    number 4, state 1, zero 3, generation 8, first and last sequence 8 and 8,
//                    used bytes 8, smallest stamp 8, largest stamp of a removal 8, length classes
//                    of its records 8
//                    for each drop: vnode 4, zero 4, stamp 8
//
// A drop is listed when the log may not say it, since it had no room, and what the checkpoint leads
// to may not tell: all records of the vnode with smaller stamps are gone.
#pragma once

#include "core/slice.h"

#include <stdbool.h>
#include <stdint.h>

enum {
    LOG_MANIFEST_HEADER_BYTES = 104,
    LOG_MANIFEST_SEGMENT_BYTES = 64,
    LOG_MANIFEST_DROP_BYTES = 16,
};

enum log_manifest_state {
    LOG_MANIFEST_USED = 1,  // holds frames of this generation, or may at any moment
    LOG_MANIFEST_SPARE = 2, // holds nothing that counts
    LOG_MANIFEST_BAD = 3,   // used, and part of it is damaged
};

struct log_manifest {
    uint64_t log_id;
    uint64_t hash_seed;
    uint32_t vnodes;
    uint32_t segment_bytes;
    uint32_t shard;
    uint32_t shards;
    uint64_t epoch;
    uint64_t generation;
    uint64_t durable;
    uint64_t stamp;
    uint64_t checkpoint;
    uint64_t checkpoint_sequence;
    uint32_t segments;
    uint32_t drops; // of different vnodes
};

struct log_manifest_drop {
    uint32_t vnode;
    uint64_t stamp;
};

struct log_manifest_segment {
    uint32_t number;
    enum log_manifest_state state;
    uint64_t generation;
    uint64_t sequence_first; // 0: no frame was known when this was written
    uint64_t sequence_last;  // 0: it was being filled, and what follows is not known
    uint64_t used;           // bytes
    uint64_t stamp_min;
    uint64_t removal_stamp_max; // 0: none
    uint64_t filled;            // sum of the length classes of its records, in bytes
};

static inline size_t log_manifest_bytes(uint32_t segments, uint32_t drops)
{
    return LOG_MANIFEST_HEADER_BYTES + (size_t)segments * LOG_MANIFEST_SEGMENT_BYTES +
           (size_t)drops * LOG_MANIFEST_DROP_BYTES;
}

// Writes the header; then each segment and drop at its index, then the seal. `bytes` has
// log_manifest_bytes().
void log_manifest_write(uint8_t *bytes, const struct log_manifest *manifest);
void log_manifest_write_segment(uint8_t *bytes, uint32_t index,
                                const struct log_manifest_segment *segment);
void log_manifest_write_drop(uint8_t *bytes, uint32_t segments, uint32_t index,
                             const struct log_manifest_drop *drop);
void log_manifest_seal(uint8_t *bytes, size_t size);

// The version that a manifest is of, where log_manifest_read() says that it is a newer one.
static inline uint32_t log_manifest_version(struct slice bytes)
{
    return bytes.bytes[4] | (uint32_t)bytes.bytes[5] << 8;
}

// 0, -EPROTONOSUPPORT for a newer version, -EBADMSG for what is damaged or no manifest.
int log_manifest_read(struct slice bytes, struct log_manifest *ret_manifest);

// A segment of a manifest that was read. False when it is not well-formed.
bool log_manifest_read_segment(struct slice bytes, uint32_t index,
                               struct log_manifest_segment *ret_segment);

// And a drop.
bool log_manifest_read_drop(struct slice bytes, const struct log_manifest *manifest, uint32_t index,
                            struct log_manifest_drop *ret_drop);
