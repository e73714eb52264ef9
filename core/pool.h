// A bounded pool of objects of one size.
//
// Memory comes in slabs of many objects, only as they are needed, up to a stated number of objects;
// it goes back when the pool is destroyed. An object that was given back is the next one taken,
// since its lines are likely still in the cache. At the bound pool_take() returns NULL, and the
// caller refuses or waits: that is how everything in a core stays bounded.
//
// The content of an object is undefined when it is taken. Free objects hold the link of the free
// list in their first bytes. One thread; embedded in its owner.
#pragma once

#include "core/cache.h"
#include "core/check.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct pool_free {
    struct pool_free *next;
};

struct pool_slab; // header of a slab, in pool.c

// Read by anyone on the owner's thread; written by the functions below.
struct pool {
    struct pool_free *free;
    uint32_t taken;     // objects out now
    uint32_t taken_max; // the most ever out at a time
    uint32_t objects;   // objects there is memory for
    uint32_t objects_max;
    uint64_t refused; // pool_take() that returned NULL
    uint32_t object_bytes;
    uint32_t slab_objects;
    struct pool_slab *slabs;
};

// Objects of object_bytes each, aligned to 16 bytes (to a cache line where object_bytes is a
// multiple of one), slab_objects to a slab, objects_max in all. Allocates nothing yet.
void pool_init(struct pool *pool, size_t object_bytes, uint32_t slab_objects, uint32_t objects_max);

// Frees all memory. Every object has been given back.
void pool_destroy(struct pool *pool);

// Adds a slab. False at the bound or out of memory. pool_take() does it by itself; at start it is
// called to have the memory before there is load.
bool pool_grow(struct pool *pool);

// NULL at the bound or out of memory.
static inline void *pool_take(struct pool *pool)
{
    if (pool->free == NULL && !pool_grow(pool)) {
        pool->refused++;
        return NULL;
    }
    struct pool_free *const object = pool->free;

    pool->free = object->next;
    cache_fetch_to_write(pool->free); // what is taken next
    pool->taken++;
    if (pool->taken > pool->taken_max) {
        pool->taken_max = pool->taken;
    }
    return object;
}

// NULL is not allowed.
static inline void pool_give(struct pool *pool, void *object)
{
    struct pool_free *const link = object;

    CHECK(object != NULL);
    CHECK(pool->taken > 0);
    link->next = pool->free;
    pool->free = link;
    pool->taken--;
}
