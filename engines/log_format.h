// What the log engine writes: frames, records, manifests, checkpoints, as bytes.
//
// Pure functions over memory: no files, no state. Little-endian. Everything that is read back is
// taken for hostile: lengths are checked against what is there before they are used, and nothing is
// believed before its checksum.
//
// A shard's directory:
//
//     MANIFEST           which segments there are, and the newest checkpoint; replaced by rename
//     segment-00000 ...  frames, storage.segment bytes each, recycled
//     checkpoint-N       the index as it was, N counting up
//     large-N            an object that is too large for a frame
//
// VERSIONS. Each of these carries the version of its format; a later one is refused by name
// (log_newer.h), and never taken for damage. So whatever a later version changes, this stays of a
// frame (F), of a block of a checkpoint (C, log_checkpoint.h), and of the header of a large value's
// file (L):
//
//     offset  bytes  what
//     0       4      magic
//     4       2      version
//     8       8      checksum: XXH3 of what follows up to the end, seeded with the log's id and the
//                    version (log_version_seed): a flipped bit in the version is damage
//     40      4      F: the end, from the beginning on; 64 MiB at most, as of C and L
//     28      4      C: the end
//     6, 44   2, 4   L: both together are the end
//     80      8      F: id of the log
//
// And a program that raises the version begins segments anew, and writes no frame behind one of an
// earlier version: the first frame says which version a segment is of. The manifest has its own
// rule (log_manifest.h).
//
// FRAME: what one group commit writes, on 4 KiB borders of a segment.
//
//     offset  bytes  what
//     0       4      magic "rlFR"
//     4       2      version, 1
//     6       2      bytes of this header, 96
//     8       8      checksum of all that follows up to `bytes`
//     16      8      sequence of the frame in this log, from 1, without gaps
//     24      8      generation of the segment: unique in the log for each use of a segment
//     32      4      number of the segment
//     36      4      place in the segment, in 4 KiB
//     40      4      bytes: header and records; zeros follow up to the next 4 KiB
//     44      4      records
//     48      8      epoch: counts the runs of the log
//     56      8      checksum of the frame before this one, 0 for the first
//     64      8      durable: all frames up to this sequence were durable when this one was
//     submitted 72      8      stamp of the first record that has none of its own; the next has one
//     more 80      8      id of the log 88      8      zero 96             records
//
// The log's id seeds checksums, so a frame of another log, or of another use of the same file, is
// not taken for ours even where a file was copied over.
//
// RECORD, on 16-byte borders:
//
//     offset  bytes  what
//     0       4      checksum: low half of XXH3 of all that follows, seeded with id, segment's
//                    generation and place
//     4       1      kind (bits 0..2); bit 3 has an expiry, bit 4 has a stamp of its own, bit 5
//     names
//                    a file
//     5       5      location that this one replaces; bits 36 and 37: that was a tombstone, had an
//                    expiry; LOG_LOCATION_NONE when there was none
//     10      2      vnode
//     12      2      key bytes
//     14      4      object bytes
//     18      0, 8   expiry, milliseconds since the epoch
//     .       0, 8   stamp: of records that compaction has moved, which keep theirs
//     .              key, object, zeros to the next 16
//
// Kinds: a value, a tombstone (both reachable by the index), a removal (of a key, nothing is left
// of it), a drop (of all records of a vnode with smaller stamps; no key).
//
// A record with bit 5 of the kind names a file: its object is the number of the file and the bytes
// of the object that is there, 8 and 8.
//
// FILE OF A LARGE VALUE, large-N:
//
//     offset  bytes  what
//     0       4      magic "rlLV"
//     4       2      version, 1
//     6       2      bytes of this header, 64
//     8       8      checksum of what follows up to the key's end
//     16      8      number N
//     24      8      object bytes
//     32      8      checksum: XXH3 of the object, seeded with the log's id xor N
//     40      4      vnode
//     44      4      key bytes
//     48      16     zero
//     64             key, zeros to the next 4 KiB, object, zeros to the next 4 KiB
//
// A location is 36 bits: segment number (14) and place in it, in units of 16 bytes (22). The index
// holds it with a length class of 5 bits (log_class), and one bit that says that the rest is a slot
// of the cache instead.
#pragma once

#include "core/check.h"
#include "core/hash.h"
#include "core/slice.h"

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

enum {
    LOG_VERSION = 1,
    LOG_BLOCK_BYTES = 4096,
    LOG_FRAME_HEADER_BYTES = 96,
    LOG_RECORD_HEADER_BYTES = 18,
    LOG_RECORD_ALIGN = 16,
    LOG_OFFSET_BITS = 22,  // in units of LOG_RECORD_ALIGN: segments of up to 64 MiB
    LOG_SEGMENT_BITS = 14, // 16,384 segments: 1 TiB a core
    LOG_LOCATION_BITS = LOG_OFFSET_BITS + LOG_SEGMENT_BITS,
    LOG_SEGMENT_BYTES_MAX = 1 << (LOG_OFFSET_BITS + 4),
    LOG_SEGMENTS_MAX = 1 << LOG_SEGMENT_BITS,
    LOG_KEY_BYTES_MAX = 65535,
    LOG_CLASSES = 32,
};

#define LOG_MAGIC_FRAME "rlFR"
#define LOG_MAGIC_CHECKPOINT "rlCP"
#define LOG_MAGIC_LARGE "rlLV"

enum { LOG_MAGIC_BYTES = 4 };

#define LOG_LOCATION_NONE ((UINT64_C(1) << 40) - 1)
#define LOG_REPLACES_TOMBSTONE (UINT64_C(1) << 36)
#define LOG_REPLACES_EXPIRY (UINT64_C(1) << 37)

enum log_kind { LOG_VALUE = 1, LOG_TOMBSTONE = 2, LOG_REMOVAL = 3, LOG_DROP = 4 };

enum {
    LOG_KIND_MASK = 7,
    LOG_EXPIRES = 8,
    LOG_STAMPED = 16,
    LOG_LARGE = 32,
    LOG_FLAGS_KNOWN = LOG_KIND_MASK | LOG_EXPIRES | LOG_STAMPED | LOG_LARGE,
};

static inline uint64_t log_location(uint32_t segment, uint64_t offset)
{
    return (uint64_t)segment << LOG_OFFSET_BITS | offset / LOG_RECORD_ALIGN;
}

static inline uint32_t log_location_segment(uint64_t location)
{
    return (uint32_t)(location >> LOG_OFFSET_BITS);
}

static inline uint64_t log_location_offset(uint64_t location)
{
    return (location & ((UINT64_C(1) << LOG_OFFSET_BITS) - 1)) * LOG_RECORD_ALIGN;
}

// Length classes: two an octave from 32 bytes on. log_class() is the smallest that holds `bytes`
// (> 0, <= log_class_bytes(LOG_CLASSES - 1), 1.5 MiB); reading log_class_bytes() at a location
// reads the whole record.
static inline uint32_t log_class_bytes(uint32_t class)
{
    return (class % 2 == 0 ? 32U : 48U) << class / 2;
}

static inline uint32_t log_class(uint64_t bytes)
{
    if (bytes <= 32) {
        return 0;
    }
    const uint32_t octave =
        63 - (uint32_t)__builtin_clzll(bytes - 1); // 2^octave < bytes <= 2^(octave + 1)

    return (octave - 5) * 2 + (bytes > (UINT64_C(3) << (octave - 1)) ? 2 : 1);
}

// Versions --------------------------------------------------------------------------------------

// What checksums of a version are seeded with.
static inline uint64_t log_version_seed(uint64_t log_id, uint32_t version)
{
    return log_id + (uint64_t)(version - 1) * UINT64_C(0x9e3779b97f4a7c15);
}

enum { LOG_NEWER_LOOK_BYTES = 96 }; // that tell of a later version

// The version that the first bytes of a file name, where that is a later one: 0 otherwise. Nothing
// is sure before log_newer_holds(). With how many bytes that wants.
uint32_t log_newer_version(struct slice bytes, uint32_t *ret_end);

// Whether bytes that name a later version are what such a program wrote: their checksum holds.
bool log_newer_holds(struct slice bytes, uint64_t log_id);

// Frames ----------------------------------------------------------------------------------------

struct log_frame_header {
    uint64_t sequence;
    uint64_t generation;
    uint32_t segment;
    uint32_t offset; // bytes
    uint32_t bytes;
    uint32_t records;
    uint64_t epoch;
    uint64_t previous_checksum;
    uint64_t durable;
    uint64_t stamp;
    uint64_t log_id;
    uint64_t checksum; // set by log_frame_seal() and log_frame_open()
};

// Writes the header into the first bytes of `frame`, whose records are in place, zeroes the rest of
// the last block, and returns the frame's checksum.
uint64_t log_frame_seal(uint8_t *frame, struct log_frame_header *header);

enum log_frame_status {
    LOG_FRAME_VALID,
    LOG_FRAME_NONE,    // no header: other bytes, or of another log
    LOG_FRAME_CUT,     // a header that asks for more bytes than there are
    LOG_FRAME_DAMAGED, // a header whose checksum does not hold, or of another version than ours:
                       // log_newer_look() has looked for those of a later one
};

// Looks at `bytes`, which begin on a block's border, for a frame of this log. The header is set for
// all but NONE; of a DAMAGED or CUT one nothing is sure.
enum log_frame_status log_frame_open(struct slice bytes, uint64_t log_id,
                                     struct log_frame_header *ret_header);

// Whether bytes begin as a frame of whatever log does; and the id of that log, of which nothing is
// sure.
bool log_frame_is_any(struct slice bytes);
uint64_t log_frame_id(const uint8_t *frame);

// What a frame of `bytes` takes in its segment.
static inline uint32_t log_frame_span(uint32_t bytes)
{
    return (bytes + (LOG_BLOCK_BYTES - 1)) & ~(uint32_t)(LOG_BLOCK_BYTES - 1);
}

// Records ---------------------------------------------------------------------------------------

struct log_record {
    enum log_kind kind;
    uint32_t vnode;
    uint64_t replaces;  // location
    uint64_t expire_ms; // 0: never
    uint64_t stamp;     // 0: that of its place in the frame
    bool large;         // names a file
    struct slice key;
    struct slice object[3]; // one after the other; only the first in what is read
    uint32_t bytes;         // with header and padding; set by log_record_read()
};

static inline uint64_t log_record_bytes(size_t key_bytes, uint64_t object_bytes, uint64_t expire_ms,
                                        uint64_t stamp)
{
    const uint64_t header =
        LOG_RECORD_HEADER_BYTES + (expire_ms != 0 ? 8U : 0U) + (stamp != 0 ? 8U : 0U);

    return (header + key_bytes + object_bytes + (LOG_RECORD_ALIGN - 1)) &
           ~(uint64_t)(LOG_RECORD_ALIGN - 1);
}

// What a record's checksum is seeded with, so that it holds at this place alone.
static inline uint64_t log_record_seed(uint64_t log_id, uint64_t generation, uint64_t offset)
{
    return log_id ^ (generation * UINT64_C(0x9e3779b97f4a7c15) + offset);
}

// Writes log_record_bytes() bytes at `at`, and returns where the object is there. The third part of
// the object may lie in what is written over, at the end of the record that is there.
struct slice log_record_write(uint8_t *at, const struct log_record *record, uint64_t seed);

// Reads the record that `bytes` begins with. False when it is not whole, not well-formed, or its
// checksum does not hold.
bool log_record_read(struct slice bytes, uint64_t seed, struct log_record *ret_record);

// The same without the checksum, for records in frames whose own was verified.
bool log_record_parse(struct slice bytes, struct log_record *ret_record);

// What a record of exactly these bytes, whose checksum does not hold, says of its vnode and key.
// Nothing in it is sure. False when it cannot be one.
bool log_record_parse_damaged(struct slice bytes, struct log_record *ret_record);

// Calls `each` for the records of a valid frame, in order, with the offset of each in the segment.
// False when it is not made as it says. `each` returns false to stop.
typedef bool log_record_fn(void *context, const struct log_record *record, uint64_t stamp,
                           uint64_t offset);
bool log_frame_each(const uint8_t *frame, const struct log_frame_header *header,
                    log_record_fn *each, void *context);

// Large values ----------------------------------------------------------------------------------

enum { LOG_LARGE_HEADER_BYTES = 64, LOG_LARGE_NAME_BYTES = 16 };

struct log_large_header {
    uint64_t number;
    uint64_t object_bytes;
    uint64_t checksum; // of the object
    uint32_t vnode;
    struct slice key;
};

// Where the object begins in the file.
static inline uint32_t log_large_object_from(size_t key_bytes)
{
    return log_frame_span(LOG_LARGE_HEADER_BYTES + (uint32_t)key_bytes);
}

// Writes the header before the key, which is in its place.
void log_large_header_write(uint8_t *at, const struct log_large_header *header, uint64_t log_id);

// False when it is not whole, not well-formed, or its checksum does not hold.
bool log_large_header_read(struct slice bytes, uint64_t log_id,
                           struct log_large_header *ret_header);

// The object of a record that names a file.
static inline struct slice log_large_name(uint8_t *bytes, uint64_t number, uint64_t object_bytes)
{
    memcpy(bytes, &number, 8);
    memcpy(bytes + 8, &object_bytes, 8);
    return slice_of(bytes, LOG_LARGE_NAME_BYTES);
}

// The number in it, 0 when it is none.
static inline uint64_t log_large_number(struct slice name)
{
    uint64_t number = 0;

    if (name.size == LOG_LARGE_NAME_BYTES) {
        memcpy(&number, name.bytes, 8);
    }
    return number;
}
