#include "core/pool.h"

#include "core/limits.h"
#include "core/memory.h"

#include <assert.h>
#include <stdalign.h>

// One cache line, so that the objects behind it keep the slab's alignment.
struct pool_slab {
    alignas(LIMIT_CACHE_LINE_BYTES) struct pool_slab *next;
};

enum { POOL_OBJECT_ALIGN = 16 };

static_assert(sizeof(struct pool_slab) == LIMIT_CACHE_LINE_BYTES, "objects start on a line");
static_assert(sizeof(struct pool_free) <= POOL_OBJECT_ALIGN, "a free object holds its link");

void pool_init(struct pool *pool, size_t object_bytes, uint32_t slab_objects, uint32_t objects_max)
{
    const size_t align = POOL_OBJECT_ALIGN;

    CHECK(object_bytes > 0 && object_bytes <= UINT32_MAX / 2);
    CHECK(slab_objects > 0);
    CHECK(objects_max > 0);
    *pool = (struct pool){
        .object_bytes = (uint32_t)((object_bytes + align - 1) / align * align),
        .slab_objects = slab_objects,
        .objects_max = objects_max,
    };
}

void pool_destroy(struct pool *pool)
{
    CHECK(pool->taken == 0);
    while (pool->slabs != NULL) {
        struct pool_slab *const slab = pool->slabs;

        pool->slabs = slab->next;
        memory_free(slab);
    }
    pool->free = NULL;
    pool->objects = 0;
}

bool pool_grow(struct pool *pool)
{
    const uint32_t left = pool->objects_max - pool->objects;
    const uint32_t count = left < pool->slab_objects ? left : pool->slab_objects;
    const size_t line = LIMIT_CACHE_LINE_BYTES;
    const size_t bytes = sizeof(struct pool_slab) + (size_t)count * pool->object_bytes;

    if (count == 0) {
        return false;
    }
    struct pool_slab *const slab = memory_allocate_aligned((bytes + line - 1) / line * line, line);

    if (slab == NULL) {
        return false;
    }
    slab->next = pool->slabs;
    pool->slabs = slab;
    pool->objects += count;
    // From the last to the first, so that objects are taken in the order of their addresses.
    for (uint32_t i = count; i-- > 0;) {
        struct pool_free *const object =
            (void *)((uint8_t *)(slab + 1) + (size_t)i * pool->object_bytes);

        object->next = pool->free;
        pool->free = object;
    }
    return true;
}
