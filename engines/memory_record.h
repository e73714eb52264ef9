// A record of the memory engine, as it lies in a segment, aligned to 4 bytes:
//
//     offset  bytes  what
//     0       1      flags: bit 0 tombstone, bit 1 has an expiry, bits 2..3 width of the object's
//                    length (0: 1 byte, 1: 2 bytes, 2: 4 bytes), bit 4 the key's length has 2
//                    bytes, bit 5 dead, bits 6..7 recency
//     1       1, 2   vnode: 2 bytes in an engine of more than 256 vnodes
//     .       1, 2   key length
//     .       1 2 4  object length; of 4 bytes the top two bits are not of the length, but of `pad`
//     .       0, 8   expiry, milliseconds since the epoch
//     .       pad    0 to 3 unused bytes: a long object that stays where it is gets another head
//     .              key, object, up to 3 bytes of padding
//
// Little-endian, as the machine is: records never leave the process. A key of up to 255 bytes with
// an object of up to 255 costs 4 bytes, and the padding.
//
// The dead bit tells the cleaner that no entry leads here any more, without asking the index. The
// recency counts reads since eviction last looked at the record, up to 3.
#pragma once

#include "core/check.h"
#include "core/slice.h"

#include <stdint.h>
#include <string.h>

enum {
    RECORD_TOMBSTONE = 1,
    RECORD_EXPIRES = 2,
    RECORD_OBJECT_2 = 4,
    RECORD_OBJECT_4 = 8,
    RECORD_KEY_2 = 16,
    RECORD_DEAD = 32,
    RECORD_RECENCY_ONE = 64,
    RECORD_RECENCY_MASK = 192,
    RECORD_ALIGN = 4,
    RECORD_KEY_MAX = 65535,
    RECORD_LENGTH_4_BITS = 30, // of the length in 4 bytes; what is above is `pad`
};

static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "lengths are read as they are stored");

struct record {
    uint8_t *at;
    struct slice key;
    struct slice object;
    uint64_t expire_ms; // 0: never
    uint32_t vnode;
    uint32_t bytes; // with header and padding
    uint8_t flags;
};

static inline uint64_t record_round(uint64_t bytes)
{
    return (bytes + (RECORD_ALIGN - 1)) & ~(uint64_t)(RECORD_ALIGN - 1);
}

static inline uint32_t record_flags(uint64_t key_bytes, uint64_t object_bytes, uint64_t expire_ms)
{
    return (key_bytes > 255 ? RECORD_KEY_2 : 0U) |
           (object_bytes > 65535 ? RECORD_OBJECT_4
            : object_bytes > 255 ? RECORD_OBJECT_2
                                 : 0U) |
           (expire_ms != 0 ? RECORD_EXPIRES : 0U);
}

static inline uint32_t record_header_bytes(uint32_t flags, uint32_t vnode_bytes)
{
    return 1 + vnode_bytes + ((flags & RECORD_KEY_2) != 0 ? 2 : 1) +
           (UINT32_C(1) << (flags >> 2 & 3)) + ((flags & RECORD_EXPIRES) != 0 ? 8 : 0);
}

// What a record takes, with header and padding.
static inline uint64_t record_bytes(uint64_t key_bytes, uint64_t object_bytes, uint64_t expire_ms,
                                    uint32_t vnode_bytes)
{
    const uint32_t flags = record_flags(key_bytes, object_bytes, expire_ms);

    return record_round(record_header_bytes(flags, vnode_bytes) + key_bytes + object_bytes);
}

static inline uint32_t record_load(const uint8_t *at, uint32_t bytes)
{
    uint16_t two;
    uint32_t four;

    switch (bytes) {
    case 1:
        return *at;
    case 2:
        memcpy(&two, at, sizeof two);
        return two;
    default:
        memcpy(&four, at, sizeof four);
        return four;
    }
}

static inline void record_read(uint8_t *at, uint32_t vnode_bytes, struct record *ret_record)
{
    const uint8_t *from = at;
    const uint8_t flags = *from++;
    const uint32_t key_width = (flags & RECORD_KEY_2) != 0 ? 2 : 1;
    const uint32_t object_width = UINT32_C(1) << (flags >> 2 & 3);
    uint32_t pad = 0;

    ret_record->at = at;
    ret_record->flags = flags;
    ret_record->vnode = record_load(from, vnode_bytes);
    from += vnode_bytes;
    ret_record->key.size = record_load(from, key_width);
    from += key_width;
    ret_record->object.size = record_load(from, object_width);
    from += object_width;
    if ((flags & RECORD_OBJECT_4) != 0) {
        pad = (uint32_t)(ret_record->object.size >> RECORD_LENGTH_4_BITS);
        ret_record->object.size &= (UINT32_C(1) << RECORD_LENGTH_4_BITS) - 1;
    }
    ret_record->expire_ms = 0;
    if ((flags & RECORD_EXPIRES) != 0) {
        memcpy(&ret_record->expire_ms, from, sizeof ret_record->expire_ms);
        from += sizeof ret_record->expire_ms;
    }
    from += pad;
    ret_record->key.bytes = from;
    ret_record->object.bytes = from + ret_record->key.size;

    const uint64_t bytes = (uint64_t)(from - at) + ret_record->key.size + ret_record->object.size;

    ret_record->bytes = (uint32_t)record_round(bytes);
}

static inline uint8_t *record_put(uint8_t *to, const void *bytes, size_t size)
{
    if (size != 0) {
        memcpy(to, bytes, size);
    }
    return to + size;
}

// What is written. Key and parts lie elsewhere; the tail, which follows them, may lie where the
// record is written, and stays if it is in its place.
struct record_new {
    uint32_t vnode;
    uint32_t flags; // tombstone and recency
    uint32_t pad;   // only with an object of more than 65535 bytes
    uint64_t expire_ms;
    struct slice key;
    struct slice parts[2];
    struct slice tail;
};

static inline uint64_t record_new_object_bytes(const struct record_new *it)
{
    return (uint64_t)it->parts[0].size + it->parts[1].size + it->tail.size;
}

// Bytes before the tail.
static inline uint64_t record_new_head_bytes(const struct record_new *it, uint32_t vnode_bytes)
{
    const uint32_t flags = record_flags(it->key.size, record_new_object_bytes(it), it->expire_ms);

    return record_header_bytes(flags, vnode_bytes) + it->pad + it->key.size + it->parts[0].size +
           it->parts[1].size;
}

// Writes a record where it fits.
static inline void record_write(uint8_t *at, uint32_t vnode_bytes, const struct record_new *it)
{
    const uint32_t object_bytes = (uint32_t)record_new_object_bytes(it);
    const uint32_t key_bytes = (uint32_t)it->key.size;
    const uint32_t flags = it->flags | record_flags(key_bytes, object_bytes, it->expire_ms);
    const uint32_t length = object_bytes | it->pad << RECORD_LENGTH_4_BITS;

    if (it->tail.size != 0) {
        uint8_t *const tail_at = at + record_new_head_bytes(it, vnode_bytes);

        if (tail_at != it->tail.bytes) {
            memmove(tail_at, it->tail.bytes, it->tail.size);
        }
    }
    *at++ = (uint8_t)flags;
    at = record_put(at, &it->vnode, vnode_bytes);
    at = record_put(at, &key_bytes, (flags & RECORD_KEY_2) != 0 ? 2 : 1);
    at = record_put(at, &length, (size_t)1 << (flags >> 2 & 3));
    if ((flags & RECORD_EXPIRES) != 0) {
        at = record_put(at, &it->expire_ms, sizeof it->expire_ms);
    }
    at = record_put(at + it->pad, it->key.bytes, it->key.size);
    at = record_put(at, it->parts[0].bytes, it->parts[0].size);
    record_put(at, it->parts[1].bytes, it->parts[1].size);
}
