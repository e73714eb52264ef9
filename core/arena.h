// The memory of one engine: one reservation of address space, carved into blocks and extents.
//
//     base                              base + extents_start                     base + bytes
//     | run | run | run | run | ...     | extent | extent      | ...             |
//       2 MiB each, cut into blocks       1 record each, 64 KiB * 2^n of addresses
//
// A place is an offset from `base`, so that an index entry can hold it in few bits, and memory is
// touched only where something is stored: reserving is free, and a table indexed by place may be
// large. Three things come out of an arena:
//
//  - blocks of one fixed size per pool (index chunks, segments). A pool takes a run, hands out its
//    blocks lowest first, and gives the run back when its last block is freed.
//  - extents, for what is larger than a block: a buddy system (Knuth, The Art of Computer
//    Programming, volume 1, 2.5) over addresses only. An extent occupies a power of two of address
//    space but just the pages that it needs of memory.
//  - free memory goes back to the system in slices, by arena_release(): to free a block or an
//    extent never makes a long system call.
//
// Huge pages: runs are on 2 MiB pages where the system grants them (madvise, which a system set to
// "never" ignores), but for the first few, so that an engine with little in it stays small. Extents
// are on small pages.
//
// The memory of a taken block or extent is not zeroed. Under AddressSanitizer what is free is
// poisoned. Not thread-safe; nothing here is a system call but the mapping itself, a page's first
// touch, and arena_release().
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    ARENA_RUN_BYTES = 2 << 20,       // a huge page of x86-64
    ARENA_BLOCK_BYTES_MIN = 8 << 10, // 256 blocks a run: what a run's bitmap holds
    ARENA_SMALL_RUNS = 4,            // the first runs are on small pages
    ARENA_EXTENT_UNIT_BYTES = 64 << 10,
    ARENA_EXTENT_ORDERS = 13, // extents of up to 2^12 units: 256 MiB
};

#define ARENA_NONE UINT64_MAX

// A run's bookkeeping. Runs are linked by their number + 1, so that zeroed memory is an empty list.
struct arena_run {
    uint64_t free_blocks[4]; // bitmap
    uint32_t next;
    uint32_t previous;
    uint32_t used; // blocks
    uint32_t unused;
};

// An extent's, at the number of its first unit.
struct arena_extent {
    uint32_t next;
    uint32_t previous;
    uint32_t touched_bytes; // of a dirty one: what arena_release() has still to give back
    uint8_t order;
    uint8_t state; // 0: within another extent, or never used
    uint16_t unused;
};

// Everything in it belongs to arena.c; `base` may be read.
struct arena {
    uint8_t *base;
    uint64_t bytes;
    uint64_t extents_start;
    struct arena_run *runs; // of the whole area: address space until touched
    uint32_t run_count;     // that fit
    uint32_t run_top;       // that were ever taken
    uint32_t runs_dirty;    // list of free runs that hold memory
    uint32_t runs_dirty_count;
    uint32_t runs_clean; // list of free runs that do not
    struct arena_extent *extents;
    uint32_t extent_count; // units
    uint32_t extent_top;
    uint32_t extents_free[ARENA_EXTENT_ORDERS];
    uint32_t extents_dirty; // list of freed ones that still hold memory
    uint64_t extents_dirty_bytes;
};

// Blocks of one size, ARENA_BLOCK_BYTES_MIN or larger, a power of two up to ARENA_RUN_BYTES.
struct arena_pool {
    struct arena *arena;
    uint32_t block_bytes;
    uint32_t blocks_a_run;
    uint32_t partial; // list of runs with free blocks
    uint32_t runs;    // it holds
    uint64_t taken;   // blocks
};

// Reserves `bytes` of addresses, or less where the system refuses that much (half, a quarter, down
// to 1 GiB), half of it for extents. 0 or -ENOMEM.
int arena_open(struct arena *arena, uint64_t bytes);
void arena_close(struct arena *arena);

void arena_pool_open(struct arena_pool *pool, struct arena *arena, uint32_t block_bytes);

// The place of a block; ARENA_NONE when the reservation is used up.
uint64_t arena_block_take(struct arena_pool *pool);
void arena_block_free(struct arena_pool *pool, uint64_t place);

// Blocks that can be taken before another run is.
static inline uint64_t arena_blocks_left(const struct arena_pool *pool)
{
    return (uint64_t)pool->runs * pool->blocks_a_run - pool->taken;
}

// Whether arena_block_take() would find one.
bool arena_block_available(const struct arena_pool *pool);

// Has the system clear the memory of a run that nobody holds yet, unless `runs` free ones are
// cleared already: 250 us for 2 MiB, which else the first block taken of the run would cost. True
// when it did one.
bool arena_prefault(struct arena *arena, uint32_t runs);

// The place of `bytes` > 0 contiguous bytes, aligned to ARENA_EXTENT_UNIT_BYTES. ARENA_NONE when
// they are more than the largest extent or the reservation is used up. First gives back about as
// much of what was freed before, so that a loop of taking and freeing does not grow.
uint64_t arena_extent_take(struct arena *arena, uint64_t bytes);

// Whether arena_extent_take() is certain to find addresses.
bool arena_extent_available(const struct arena *arena, uint64_t bytes);

// Does a slice, of about budget_bytes, of what arena_extent_take() of so much would have to give
// back first. True when nothing is left of that.
bool arena_extent_ready(struct arena *arena, uint64_t bytes, uint64_t budget_bytes);

// `bytes` as taken.
void arena_extent_free(struct arena *arena, uint64_t place, uint64_t bytes);

// What an extent of `bytes` takes of memory: whole small pages.
static inline uint64_t arena_extent_bytes(uint64_t bytes)
{
    return (bytes + 4095) & ~UINT64_C(4095);
}

// Address space for a table that is indexed by place: zeroed, and touched only where it is used.
// NULL when the system refuses it. For whoever has an arena; given back by arena_table_close().
void *arena_table_open(uint64_t bytes);

// The same for what is read all over the place: on huge pages, where the system grants them.
void *arena_pages_open(uint64_t bytes);
void arena_table_close(void *table, uint64_t bytes);

// Gives up to about `budget_bytes` (at least a run or 2 MiB of an extent) of free memory back to
// the system, but for `keep_runs` runs, which spare page faults when the load comes back. True when
// there is more to give.
bool arena_release(struct arena *arena, uint64_t budget_bytes, uint32_t keep_runs);

static inline void *arena_at(const struct arena *arena, uint64_t place)
{
    return arena->base + place;
}
