// Cursors that read and write little-endian formats inside fixed bounds.
//
// A reader never looks past its end and a writer never writes past it. The first access that would
// sets `failed`, which stays set: from then on reads give zeros and writes do nothing. So a decoder
// reads a whole structure straight through and asks once, at the end, whether all of it was there.
// What comes back after a failure is zeros, never stale bytes; a count that was read must still be
// compared with what its unit allows before it drives a loop.
//
//     u8 u16 u32 u64   1, 2, 4, 8 bytes, least significant first
//     varint           7 bits a byte, least significant first, the high bit set on all but the last
//                      byte; at most 10 bytes; only the shortest form is accepted, so that equal
//                      values have equal bytes (their checksums and MACs are compared)
//     bytes            as they are; the reader hands out a view into its input and copies nothing
//
// Neither cursor owns its memory. Source of varint: LEB128, as in the DWARF 5 specification, 7.6.
#pragma once

#include "core/check.h"
#include "core/slice.h"

#include <assert.h>

enum { CODEC_VARINT_BYTES_MAX = 10 };

static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "the cursors copy little-endian integers");

struct codec_reader {
    const uint8_t *at;  // next byte to read
    const uint8_t *end; // first byte that is not ours
    bool failed;
};

struct codec_writer {
    uint8_t *start;
    uint8_t *at;
    uint8_t *end;
    bool failed;
};

static inline struct codec_reader codec_reader_of(struct slice input)
{
    // Pointer arithmetic on NULL is undefined, even with 0.
    static const uint8_t nothing[1];
    const uint8_t *const bytes = input.size == 0 ? nothing : input.bytes;

    return (struct codec_reader){.at = bytes, .end = bytes + input.size};
}

static inline size_t codec_reader_left(const struct codec_reader *reader)
{
    return (size_t)(reader->end - reader->at);
}

// Whether the input was read whole: nothing was missing and nothing is left.
static inline bool codec_reader_done(const struct codec_reader *reader)
{
    return !reader->failed && reader->at == reader->end;
}

// The next `size` bytes as a view into the input; the empty slice when they are not all there.
static inline struct slice codec_read_bytes(struct codec_reader *reader, size_t size)
{
    const uint8_t *const bytes = reader->at;

    if (reader->failed || size > codec_reader_left(reader)) {
        reader->failed = true;
        return slice_of(NULL, 0);
    }
    reader->at += size;
    return slice_of(bytes, size);
}

static inline void codec_read_into(struct codec_reader *reader, void *to, size_t size)
{
    const struct slice bytes = codec_read_bytes(reader, size);

    memset(to, 0, size);
    if (bytes.size != 0) {
        memcpy(to, bytes.bytes, size);
    }
}

static inline uint8_t codec_read_u8(struct codec_reader *reader)
{
    uint8_t value = 0;

    codec_read_into(reader, &value, sizeof value);
    return value;
}

static inline uint16_t codec_read_u16(struct codec_reader *reader)
{
    uint16_t value = 0;

    codec_read_into(reader, &value, sizeof value);
    return value;
}

static inline uint32_t codec_read_u32(struct codec_reader *reader)
{
    uint32_t value = 0;

    codec_read_into(reader, &value, sizeof value);
    return value;
}

static inline uint64_t codec_read_u64(struct codec_reader *reader)
{
    uint64_t value = 0;

    codec_read_into(reader, &value, sizeof value);
    return value;
}

static inline uint64_t codec_read_varint(struct codec_reader *reader)
{
    uint64_t value = 0;

    for (unsigned shift = 0; shift < 64; shift += 7) {
        const uint8_t byte = codec_read_u8(reader);

        // The tenth byte has room for one bit, and a last byte of zero is a longer form.
        if ((shift == 63 && byte > 1) || (shift > 0 && byte == 0)) {
            break;
        }
        value |= (uint64_t)(byte & 0x7f) << shift;
        if (byte < 0x80) {
            return reader->failed ? 0 : value;
        }
    }
    reader->failed = true;
    return 0;
}

// A varint that says how many bytes follow, and a view of these.
static inline struct slice codec_read_sized(struct codec_reader *reader)
{
    const uint64_t size = codec_read_varint(reader);

    if (reader->failed || size > codec_reader_left(reader)) {
        reader->failed = true;
        return slice_of(NULL, 0);
    }
    return codec_read_bytes(reader, (size_t)size);
}

static inline struct codec_writer codec_writer_of(void *bytes, size_t capacity)
{
    CHECK(bytes != NULL);
    return (struct codec_writer){.start = bytes, .at = bytes, .end = (uint8_t *)bytes + capacity};
}

// Bytes written so far.
static inline size_t codec_writer_size(const struct codec_writer *writer)
{
    return (size_t)(writer->at - writer->start);
}

static inline void codec_write_bytes(struct codec_writer *writer, const void *bytes, size_t size)
{
    if (writer->failed || size > (size_t)(writer->end - writer->at)) {
        writer->failed = true;
        return;
    }
    if (size != 0) {
        memcpy(writer->at, bytes, size);
        writer->at += size;
    }
}

static inline void codec_write_u8(struct codec_writer *writer, uint8_t value)
{
    codec_write_bytes(writer, &value, sizeof value);
}

static inline void codec_write_u16(struct codec_writer *writer, uint16_t value)
{
    codec_write_bytes(writer, &value, sizeof value);
}

static inline void codec_write_u32(struct codec_writer *writer, uint32_t value)
{
    codec_write_bytes(writer, &value, sizeof value);
}

static inline void codec_write_u64(struct codec_writer *writer, uint64_t value)
{
    codec_write_bytes(writer, &value, sizeof value);
}

// Bytes that a value takes as a varint, 1 to CODEC_VARINT_BYTES_MAX.
static inline size_t codec_varint_size(uint64_t value)
{
    return (size_t)(70 - __builtin_clzll(value | 1)) / 7;
}

static inline void codec_write_varint(struct codec_writer *writer, uint64_t value)
{
    uint8_t bytes[CODEC_VARINT_BYTES_MAX];
    size_t size = 0;

    while (value >= 0x80) {
        bytes[size++] = (uint8_t)(value | 0x80);
        value >>= 7;
    }
    bytes[size++] = (uint8_t)value;
    codec_write_bytes(writer, bytes, size);
}

// The size as a varint, then the bytes.
static inline void codec_write_sized(struct codec_writer *writer, struct slice value)
{
    codec_write_varint(writer, value.size);
    codec_write_bytes(writer, value.bytes, value.size);
}
