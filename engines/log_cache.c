#include "engines/log_cache.h"

#include "core/arena.h"
#include "core/check.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>

enum { YOUNG_SHARE = 10, RING_GRAIN = 64 << 10, TAKE_SHARE = 8 };

int cache_open(struct cache *cache, uint64_t bytes, cache_moved_fn *moved, void *context)
{
    bytes = bytes < CACHE_BYTES_MIN ? CACHE_BYTES_MIN : bytes;
    const uint64_t young = (bytes / YOUNG_SHARE + (RING_GRAIN - 1)) & ~(uint64_t)(RING_GRAIN - 1);
    const uint64_t old = (bytes - young + (RING_GRAIN - 1)) & ~(uint64_t)(RING_GRAIN - 1);
    uint8_t *const base = arena_pages_open(young + old);

    if (base == NULL) {
        return -ENOMEM;
    }
    *cache = (struct cache){
        .base = base,
        .bytes = young + old,
        .moved = moved,
        .context = context,
        .rings = {{.base = base, .bytes = young}, {.base = base + young, .bytes = old}},
    };
    return 0;
}

void cache_close(struct cache *cache)
{
    arena_table_close(cache->base, cache->bytes);
}

// Slots ------------------------------------------------------------------------------------------

void cached_read(uint8_t *at, struct cached *ret_cached)
{
    uint16_t vnode;
    uint16_t key_bytes;
    uint32_t object_bytes;
    const uint8_t *from = at + CACHED_HEADER_BYTES;

    *ret_cached = (struct cached){.at = at, .flags = at[5], .class = at[10]};
    memcpy(&ret_cached->location, at, 5);
    memcpy(&vnode, at + 6, 2);
    memcpy(&key_bytes, at + 8, 2);
    memcpy(&object_bytes, at + 12, 4);
    if ((ret_cached->flags & CACHED_DEAD) != 0) {
        ret_cached->bytes = object_bytes;
        return;
    }
    if ((ret_cached->flags & CACHED_EXPIRES) != 0) {
        memcpy(&ret_cached->expire_ms, from, 8);
        from += 8;
    }
    ret_cached->vnode = vnode;
    ret_cached->key = slice_of(from, key_bytes);
    ret_cached->object = slice_of(from + key_bytes, object_bytes);
    ret_cached->bytes = (uint32_t)cached_bytes(key_bytes, object_bytes, ret_cached->expire_ms);
}

void cached_write(uint8_t *at, const struct cached *cached, const struct slice parts[2])
{
    const uint32_t key_bytes = (uint32_t)cached->key.size;
    const uint32_t object_bytes = (uint32_t)(parts[0].size + parts[1].size);
    uint8_t *to = at + CACHED_HEADER_BYTES;

    memcpy(at, &cached->location, 5);
    at[5] = (uint8_t)((cached->flags & ~(uint32_t)CACHED_EXPIRES) |
                      (cached->expire_ms != 0 ? CACHED_EXPIRES : 0U));
    memcpy(at + 6, &cached->vnode, 2);
    memcpy(at + 8, &key_bytes, 2);
    at[10] = (uint8_t)cached->class;
    at[11] = 0;
    memcpy(at + 12, &object_bytes, 4);
    if (cached->expire_ms != 0) {
        memcpy(to, &cached->expire_ms, 8);
        to += 8;
    }
    if (key_bytes != 0) {
        memcpy(to, cached->key.bytes, key_bytes);
    }
    for (int i = 0; i < 2; i++) {
        if (parts[i].size != 0) {
            memcpy(to + key_bytes, parts[i].bytes, parts[i].size);
            to += parts[i].size;
        }
    }
}

static void mark_dead(uint8_t *at, uint32_t bytes)
{
    at[5] = CACHED_DEAD;
    memcpy(at + 12, &bytes, 4);
}

void cache_kill(struct cache *cache, uint64_t place)
{
    struct cached cached;

    cached_read(cache_at(cache, place), &cached);
    CHECK((cached.flags & CACHED_DEAD) == 0);
    mark_dead(cached.at, cached.bytes);
}

// Rings ------------------------------------------------------------------------------------------

// Bytes at the ring's head, without going round its end.
static uint64_t ring_straight(const struct cache_ring *ring)
{
    return ring->bytes - ring->head % ring->bytes;
}

static uint8_t *ring_append(struct cache_ring *ring, uint64_t bytes)
{
    uint8_t *const at = ring->base + ring->head % ring->bytes;

    ring->head += bytes;
    return at;
}

// Whether a slot of `bytes` can be appended; what is left at the ring's end becomes a dead slot.
static bool ring_has_room(struct cache_ring *ring, uint64_t bytes)
{
    const uint64_t straight = ring_straight(ring);
    const uint64_t skipped = straight < bytes ? straight : 0;

    if (ring->head + skipped + bytes - ring->tail > ring->bytes) {
        return false;
    }
    if (skipped != 0) {
        mark_dead(ring_append(ring, skipped), (uint32_t)skipped);
    }
    return true;
}

static void make_room(struct cache *cache, enum cache_ring_name name, uint64_t bytes);

// Moves a slot, from which the tail of its ring has gone on, to the head of the old ring. False
// when there is no room: its own may be just too little at the ring's end.
static bool keep(struct cache *cache, const struct cached *cached)
{
    struct cache_ring *const old = &cache->rings[CACHE_OLD];
    const uint64_t from = cache_place(cache, cached->at);
    struct cached moved;

    if (cache_ring_of(cache, from) == CACHE_YOUNG) {
        make_room(cache, CACHE_OLD, cached->bytes);
    } else if (!ring_has_room(old, cached->bytes)) {
        return false;
    }
    uint8_t *const at = ring_append(old, cached->bytes);

    memmove(at, cached->at, cached->bytes); // a full ring's head is where its tail was
    if ((at[5] & CACHED_READ_MASK) != 0) {
        at[5] = (uint8_t)(at[5] - CACHED_READ_ONE);
    }
    cached_read(at, &moved);
    cache->moved(cache->context, &moved, from, cache_place(cache, at));
    return true;
}

static void evict(struct cache *cache, const struct cached *cached)
{
    cache->evicted++;
    cache->moved(cache->context, cached, cache_place(cache, cached->at), CACHE_NONE);
}

// Whether a slot goes on in the old ring: it was read, or that has room to spare.
static bool worth_keeping(struct cache *cache, const struct cached *cached)
{
    struct cache_ring *const old = &cache->rings[CACHE_OLD];

    return (cached->flags & CACHED_READ_MASK) != 0 ||
           (cache_ring_of(cache, cache_place(cache, cached->at)) == CACHE_YOUNG &&
            ring_has_room(old, cached->bytes));
}

// Lets go of the oldest slot of a ring, or sends it round once more.
static void ring_advance(struct cache *cache, struct cache_ring *ring, bool spare)
{
    struct cached cached;

    cached_read(ring->base + ring->tail % ring->bytes, &cached);
    ring->tail += cached.bytes;
    if ((cached.flags & CACHED_DEAD) != 0) {
        return;
    }
    if (!spare || !worth_keeping(cache, &cached) || !keep(cache, &cached)) {
        evict(cache, &cached);
    }
}

// In the old ring what is read goes round at most until as much again has been looked at as is
// wanted: then the oldest goes, read or not.
static void make_room(struct cache *cache, enum cache_ring_name name, uint64_t bytes)
{
    struct cache_ring *const ring = &cache->rings[name];
    const uint64_t until = ring->tail + 8 * bytes + 4096;

    while (!ring_has_room(ring, bytes)) {
        ring_advance(cache, ring, ring->tail < until);
    }
}

uint64_t cache_take(struct cache *cache, enum cache_ring_name name, uint64_t bytes)
{
    struct cache_ring *const ring = &cache->rings[name];

    if (bytes > ring->bytes / TAKE_SHARE) {
        return CACHE_NONE;
    }
    make_room(cache, name, bytes);
    return cache_place(cache, ring_append(ring, bytes));
}
