// Where memory comes from: mimalloc in programs, libc under sanitizers (which watch libc's names).
// This is the only place that knows; nothing else calls malloc or mi_malloc. It is called at start
// and where bounded pools grow, never in the hot path.
//
// All functions return NULL on exhaustion, and the caller turns that into -ENOMEM. Whoever
// allocates frees, with memory_free. A size of 0 gives a pointer that can be freed, and nothing
// else.
#pragma once

#include <stddef.h>
#include <stdlib.h>

#ifdef RLDB_MIMALLOC
#include <mimalloc.h>
#endif

static inline void *memory_allocate(size_t size)
{
#ifdef RLDB_MIMALLOC
    return mi_malloc(size);
#else
    return malloc(size);
#endif
}

static inline void *memory_allocate_zeroed(size_t size)
{
#ifdef RLDB_MIMALLOC
    return mi_zalloc(size);
#else
    return calloc(1, size);
#endif
}

// `alignment` is a power of two, `size` a multiple of it.
static inline void *memory_allocate_aligned(size_t size, size_t alignment)
{
#ifdef RLDB_MIMALLOC
    return mi_malloc_aligned(size, alignment);
#else
    return aligned_alloc(alignment, size);
#endif
}

// Keeps the first min(old size, new size) bytes. On NULL `pointer` is still valid and still the
// caller's. Not for what memory_allocate_aligned returned: the alignment would be lost.
static inline void *memory_resize(void *pointer, size_t size)
{
#ifdef RLDB_MIMALLOC
    return mi_realloc(pointer, size);
#else
    return realloc(pointer, size != 0 ? size : 1); // realloc(p, 0) would free p
#endif
}

// Gives back to the system what was freed of this thread's memory and the allocator keeps:
// measured, 25 us a MiB. libc does that by itself.
static inline void memory_give_back(void)
{
#ifdef RLDB_MIMALLOC
    mi_collect(false);
#endif
}

// NULL is allowed and does nothing.
static inline void memory_free(void *pointer)
{
#ifdef RLDB_MIMALLOC
    mi_free(pointer);
#else
    free(pointer);
#endif
}
