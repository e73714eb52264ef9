// Footers: at the end of a sealed segment, what the index has to know of all frames in it, so that
// a start after a crash need not read the records themselves. For the log engine's own files.
//
// Pure functions over memory, as in log_format.h. log_seal.h writes footers, log_stream.h reads
// them. Whatever a footer says is in the frames too: where there is none, or a damaged one, they
// are read.
//
//     | frame | frame | ... | frame | unused | body | last block |
//                                                     ^ begins with the header
//
// FOOTER, its header at the beginning of the segment's last 4 KiB, the rest of which is no part:
//
//     offset  bytes  what
//     0       4      magic "rlFT"
//     4       2      version, 1
//     6       2      the version's complement, which tells a newer version from a damaged one
//     8       8      checksum: XXH3 of bytes 16 to 127, seeded with the log's id
//     16      8      id of the log
//     24      8      seed of hash_key()
//     32      8      generation of the segment
//     40      8      epoch of the run that wrote it, and so of all frames in it
//     48      8      sequence of the first frame
//     56      8      sequence of the last one
//     64      8      checksum of the last frame
//     72      8      checksum of the body: XXH3, seeded with the log's id xor the generation
//     80      8      `durable` of the first frame
//     88      8      stamp of the first frame
//     96      4      number of the segment
//     100     4      frames: all that there are in the segment, from its beginning on
//     104     4      records in them
//     108     4      bytes of the body, which begins at the last border of 4 KiB before which all
//     of
//                    it and zeros up to the last block have room
//     112     4      vnodes
//     116     1      bits of a key's hash that follow, as many as index.h takes of it
//     117     1      bytes of a record's leaf and hash: 6, or 0 where the log has no hash trees
//     118     10     zero
//
// BODY, frame by frame, without gaps. Numbers are LEB128 (core/codec.h); signed ones zigzag, the
// sign in bit 0.
//
//     frames between this one and the one before it in the segment (of other heads)
//     bytes of the frame, in units of 16
//     records
//     what `durable` has grown by since the frame before
//     stamp, less the one that would follow from the frame before: signed
//     for each record:
//
//     1       kind - 1 (bits 0, 1); bit 2 has an expiry, bit 3 a stamp of its own, bit 4 names a
//             file, bit 5 is of another length than the record before; bits 6, 7: it replaces
//             nothing (0), the location that follows (1), a location near the one before (2)
//     n       vnode in as many bits as `vnodes` needs, then the hash's lowest bits, in whole bytes
//     varint  if bit 5: its bytes, in units of 16
//     5       if 1: location that it replaces, with the two bits of a RECORD
//     varint  if 2: that location less the last one that a record of this footer named: signed
//     varint  if bit 3: stamp less the last such stamp in the footer, signed
//     6       leaf of the vnode's hash tree 2, and 4 of what is added to it: the object's hash xor
//             that of the object replaced. Not where bit 3 is set: what only moves changes nothing
//
// Arithmetic is modulo 2^64. A record with a key of 16 bytes and a value of 100 that is new takes 6
// bytes of 144 here at 128 vnodes, one that is put over 11, one that was moved about 8 of 160.
//
// A value with a file of its own (large-N) has no other footer than the record that names it, and
// that file's header, which says all of the one record that it holds.
#pragma once

#include "engines/log_format.h"

enum {
    LOG_FOOTER_VERSION = 1,
    LOG_FOOTER_HEADER_BYTES = 128,
    LOG_FOOTER_TREE_BYTES = 6,
    LOG_FOOTER_SHARE = 4,             // of a segment, that its footer takes at most
    LOG_FOOTER_FRAME_BYTES_MAX = 40,  // of a body, for what is said of a frame
    LOG_FOOTER_RECORD_BYTES_MAX = 32, // and of a record, with what is read at once
};

struct log_footer_header {
    uint64_t log_id;
    uint64_t hash_seed;
    uint64_t generation;
    uint64_t epoch;
    uint64_t sequence_first;
    uint64_t sequence_last;
    uint64_t last_checksum;
    uint64_t body_checksum;
    uint64_t durable_first;
    uint64_t stamp_first;
    uint32_t segment;
    uint32_t frames;
    uint32_t records;
    uint32_t body_bytes;
    uint32_t vnodes;
    uint8_t hash_bits;
    uint8_t tree_bytes;
    uint16_t zero; // so that equal ones have equal bytes
};

static_assert(sizeof(struct log_footer_header) == 104, "without padding");

// What a footer says of a record.
struct log_footer_record {
    uint64_t hash;      // its lowest hash_bits
    uint64_t replaces;  // location, as in a record
    uint64_t own_stamp; // 0: the one that follows from its frame
    uint64_t stamp;     // that or this one; set by log_footer_next()
    uint32_t vnode;
    uint32_t bytes;
    enum log_kind kind;
    bool expires;
    bool large;
    uint16_t leaf;
    uint32_t tree_hash;
};

// What is said of a record of a frame. It is in no hash tree.
static inline struct log_footer_record log_footer_record_of(const struct log_record *record,
                                                            uint64_t stamp, uint64_t hash)
{
    return (struct log_footer_record){
        .hash = hash,
        .replaces = record->replaces,
        .own_stamp = record->stamp,
        .stamp = stamp,
        .vnode = record->vnode,
        .bytes = record->bytes,
        .kind = record->kind,
        .expires = record->expire_ms != 0,
        .large = record->large,
    };
}

// What the next thing that is said is relative to.
struct log_footer_state {
    uint64_t sequence;
    uint64_t durable;
    uint64_t stamp; // of the next record without one of its own
    uint64_t own_stamp;
    uint64_t replaced;
    uint32_t record_bytes;
    uint32_t offset; // of the next frame in the segment
};

// Writing: begin, then each frame with its records, then the seal. The memory is the caller's.
struct log_footer_writer {
    struct log_footer_header header;
    struct log_footer_state state;
    uint8_t *bytes; // the body
    uint32_t capacity;
    uint32_t records_left; // of the frame, which have to follow
};

// header: log_id, hash_seed, generation, epoch, segment, vnodes, hash_bits and tree_bytes are set.
void log_footer_begin(struct log_footer_writer *writer, const struct log_footer_header *header,
                      uint8_t *bytes, uint32_t capacity);

// False when there is no room for it and all of its records.
bool log_footer_add_frame(struct log_footer_writer *writer, const struct log_frame_header *frame);
void log_footer_add(struct log_footer_writer *writer, const struct log_footer_record *record);

// Writes the last block, of LOG_BLOCK_BYTES, and zeros from the body's end up to the next border of
// 4 KiB. There was a frame.
void log_footer_seal(struct log_footer_writer *writer, uint8_t *block);

enum log_footer_status {
    LOG_FOOTER_VALID,
    LOG_FOOTER_NONE,    // no footer of this use of the segment
    LOG_FOOTER_NEWER,   // one of a newer version
    LOG_FOOTER_DAMAGED, // one whose checksum does not hold, or which says what cannot be
};

// Looks at a segment's last block for the footer of its present use.
enum log_footer_status log_footer_open(struct slice block, uint64_t log_id, uint32_t segment,
                                       uint64_t generation, uint32_t segment_bytes,
                                       struct log_footer_header *ret_header);

// Where the body begins in a segment.
static inline uint32_t log_footer_body_from(uint32_t segment_bytes, uint32_t body_bytes)
{
    return segment_bytes - LOG_BLOCK_BYTES - log_frame_span(body_bytes);
}

// Reading: one frame after the other, each with all of its records.
struct log_footer_reader {
    struct log_footer_header header;
    struct log_footer_state state;
    const uint8_t *at;
    const uint8_t *end;
    uint32_t vnode_bits;
    uint32_t key_bytes; // of a record, in the body
    uint32_t frames_left;
    uint32_t records_left; // of the frame
};

// A reader of a body, of which everything is as it should be: its checksum, and all that it says.
// False, and it is damaged. Bytes that hold stay where they are while it is read.
bool log_footer_read(struct slice body, const struct log_footer_header *header,
                     uint32_t segment_bytes, struct log_footer_reader *ret_reader);

// The next frame: its header as far as a footer knows it (previous_checksum is 0, and the checksum
// of all but the last one). The records of the one before were read. False at the end.
bool log_footer_next_frame(struct log_footer_reader *reader, struct log_frame_header *ret_header);

// The next record of the frame, and its place in the segment. There is one.
void log_footer_next(struct log_footer_reader *reader, struct log_footer_record *ret_record);
