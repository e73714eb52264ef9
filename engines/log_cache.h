// Records of the log engine that are in RAM. For the log engine's own files.
//
// Two rings in one mapping. What is new goes round the young one, a tenth of the memory; what was
// read there moves to the old one, and goes round that for as long as it is read. (Yang, Zhang,
// Qiu, Yue and Rashmi, "FIFO queues are all you need for cache eviction", SOSP 2023, without the
// queue of ghosts.) So a scan of cold keys passes through the young ring and leaves the rest alone.
//
//       young:  | ... | .. | new |                 old:  | .... | ... | .. |
//               tail         head                        tail         head
//                 |                                        |  ^        ^
//                 +-- read since: moves to the old one ----|--|--------+
//                 +-- not read: the entry leads to disk    |  |
//                                                          +--+ read since: once more round
//
// A slot that is let go of costs nothing but its entry, which leads to the location in the log
// again: there is nothing to write. A record that is replaced by one of the same size is written
// over.
//
// SLOT, on 16-byte borders:
//
//     offset  bytes  what
//     0       5      location in the log
//     5       1      flags: 1 tombstone, 2 has an expiry, 4 dead, 8 names a file,
//                    bits 6..7 times read
//     6       2      vnode
//     8       2      key bytes
//     10      1      length class of the record in the log
//     11      1      zero
//     12      4      object bytes; of a dead slot: its own bytes
//     16      0, 8   expiry
//     .              key, object, to the next 16
#pragma once

#include "core/slice.h"

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

enum {
    CACHED_TOMBSTONE = 1,
    CACHED_EXPIRES = 2,
    CACHED_DEAD = 4,
    CACHED_LARGE = 8,
    CACHED_READ_ONE = 64,
    CACHED_READ_MASK = 192,
    CACHED_HEADER_BYTES = 16,
    CACHED_ALIGN = 16,
    CACHE_BYTES_MIN = 256 << 10,
};

#define CACHE_NONE UINT64_MAX

struct cached {
    uint8_t *at;
    struct slice key;
    struct slice object;
    uint64_t location;
    uint64_t expire_ms; // 0: never
    uint32_t vnode;
    uint32_t class;
    uint32_t bytes; // the slot's
    uint32_t flags;
};

struct cache_ring {
    uint8_t *base;
    uint64_t bytes;
    uint64_t head; // bytes ever appended; head - tail <= bytes
    uint64_t tail;
};

enum cache_ring_name { CACHE_YOUNG, CACHE_OLD };

// Told of each live slot that is moved to another place, or let go of (`to` is CACHE_NONE): the
// owner changes the index entry, which leads to `from`.
typedef void cache_moved_fn(void *context, const struct cached *cached, uint64_t from, uint64_t to);

struct cache {
    uint8_t *base; // of both rings
    uint64_t bytes;
    struct cache_ring rings[2];
    cache_moved_fn *moved;
    void *context;
    uint64_t evicted;
};

// `bytes` is rounded up to CACHE_BYTES_MIN and to whole 64 KiB. Memory is touched as it is used. 0
// or -ENOMEM.
int cache_open(struct cache *cache, uint64_t bytes, cache_moved_fn *moved, void *context);
void cache_close(struct cache *cache);

// Of its bytes, those that have been used.
static inline uint64_t cache_touched(const struct cache *cache)
{
    uint64_t bytes = 0;

    for (uint32_t i = 0; i < 2; i++) {
        const struct cache_ring *const ring = &cache->rings[i];

        bytes += ring->head < ring->bytes ? ring->head : ring->bytes;
    }
    return bytes;
}

// What a slot for such a record takes.
static inline uint64_t cached_bytes(uint64_t key_bytes, uint64_t object_bytes, uint64_t expire_ms)
{
    return (CACHED_HEADER_BYTES + (expire_ms != 0 ? 8U : 0U) + key_bytes + object_bytes +
            (CACHED_ALIGN - 1)) &
           ~(uint64_t)(CACHED_ALIGN - 1);
}

// A slot of cached_bytes() bytes in a ring, to be written at once by cached_write(): makes room by
// letting go of others. CACHE_NONE when it is more than an eighth of the ring.
uint64_t cache_take(struct cache *cache, enum cache_ring_name ring, uint64_t bytes);

// The slot at `place` is of no use any more.
void cache_kill(struct cache *cache, uint64_t place);

void cached_read(uint8_t *at, struct cached *ret_cached);

// Writes a slot whole; `cached` has all but `at`, and the object in two parts.
void cached_write(uint8_t *at, const struct cached *cached, const struct slice parts[2]);

static inline uint8_t *cache_at(const struct cache *cache, uint64_t place)
{
    return cache->base + place;
}

static inline uint64_t cache_place(const struct cache *cache, const uint8_t *at)
{
    return (uint64_t)(at - cache->base);
}

static inline enum cache_ring_name cache_ring_of(const struct cache *cache, uint64_t place)
{
    return place < cache->rings[CACHE_YOUNG].bytes ? CACHE_YOUNG : CACHE_OLD;
}

// Its record is elsewhere in the log now.
static inline void cached_relocate(uint8_t *at, uint64_t location, uint32_t class)
{
    memcpy(at, &location, 5);
    at[10] = (uint8_t) class;
}

// Its record was read: counts up to 3.
static inline void cached_touch(uint8_t *at)
{
    if ((at[5] & CACHED_READ_MASK) != CACHED_READ_MASK) {
        at[5] = (uint8_t)(at[5] + CACHED_READ_ONE);
    }
}
