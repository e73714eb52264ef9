#include "core/arena.h"

#include "core/check.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>

#ifndef MADV_POPULATE_WRITE
#define MADV_POPULATE_WRITE 23 // Linux 5.14
#endif

#if defined(__SANITIZE_ADDRESS__)
#define ARENA_POISONS 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define ARENA_POISONS 1
#endif
#endif

#ifdef ARENA_POISONS
#include <sanitizer/asan_interface.h>
#define arena_poison(at, size) ASAN_POISON_MEMORY_REGION(at, size)
#define arena_unpoison(at, size) ASAN_UNPOISON_MEMORY_REGION(at, size)
#else
#define arena_poison(at, size) ((void)(at), (void)(size))
#define arena_unpoison(at, size) ((void)(at), (void)(size))
#endif

enum {
    EXTENT_FREE = 1,
    EXTENT_TAKEN,
    EXTENT_DIRTY,
};

static const uint64_t reserve_bytes_min = UINT64_C(1) << 30;

void *arena_table_open(uint64_t bytes)
{
    void *at = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
                    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

    return at == MAP_FAILED ? NULL : at;
}

void arena_table_close(void *table, uint64_t bytes)
{
    if (table != NULL) {
        munmap(table, bytes);
    }
}

// Maps more than is needed and cuts off what is not aligned, so that runs can be huge pages.
static uint8_t *map_aligned(uint64_t bytes, uint64_t alignment)
{
    uint8_t *at = arena_table_open(bytes + alignment);

    if (at == NULL) {
        return NULL;
    }
    const uint64_t head = (alignment - (uintptr_t)at % alignment) % alignment;

    if (head != 0) {
        munmap(at, head);
    }
    if (alignment - head != 0) {
        munmap(at + head + bytes, alignment - head);
    }
    return at + head;
}

void *arena_pages_open(uint64_t bytes)
{
    uint8_t *const at = map_aligned(bytes, ARENA_RUN_BYTES);

    if (at != NULL) {
        (void)madvise(at, bytes, MADV_HUGEPAGE); // a wish: small pages do as well
    }
    return at;
}

int arena_open(struct arena *arena, uint64_t bytes)
{
    *arena = (struct arena){0};
    if (bytes < reserve_bytes_min) {
        bytes = reserve_bytes_min;
    }
    // A whole number of the largest extents in either half.
    const uint64_t grain = (uint64_t)ARENA_EXTENT_UNIT_BYTES << ARENA_EXTENT_ORDERS;

    for (bytes -= bytes % grain; bytes >= reserve_bytes_min; bytes = bytes / 2 / grain * grain) {
        arena->base = map_aligned(bytes, ARENA_RUN_BYTES);
        if (arena->base != NULL) {
            break;
        }
    }
    if (arena->base == NULL) {
        return -ENOMEM;
    }
    arena->bytes = bytes;
    arena->extents_start = bytes / 2;
    arena->run_count = (uint32_t)(bytes / 2 / ARENA_RUN_BYTES);
    arena->extent_count = (uint32_t)(bytes / 2 / ARENA_EXTENT_UNIT_BYTES);
    arena->runs = arena_table_open(arena->run_count * sizeof arena->runs[0]);
    arena->extents = arena_table_open(arena->extent_count * sizeof arena->extents[0]);
    if (arena->runs == NULL || arena->extents == NULL) {
        arena_close(arena);
        return -ENOMEM;
    }
    // A wish: where it is refused, the engine works on small pages.
    const uint64_t small = (uint64_t)ARENA_SMALL_RUNS * ARENA_RUN_BYTES;

    (void)madvise(arena->base + small, arena->extents_start - small, MADV_HUGEPAGE);
    return 0;
}

void arena_close(struct arena *arena)
{
    if (arena->base != NULL) {
        arena_unpoison(arena->base, (uint64_t)arena->run_top * ARENA_RUN_BYTES);
        arena_unpoison(arena->base + arena->extents_start,
                       (uint64_t)arena->extent_top * ARENA_EXTENT_UNIT_BYTES);
        munmap(arena->base, arena->bytes);
    }
    arena_table_close(arena->runs, arena->run_count * sizeof arena->runs[0]);
    arena_table_close(arena->extents, arena->extent_count * sizeof arena->extents[0]);
    *arena = (struct arena){0};
}

// runs ------------------------------------------------------------------------------------------

static void run_link(struct arena *arena, uint32_t *head, uint32_t run)
{
    arena->runs[run].next = *head;
    arena->runs[run].previous = 0;
    if (*head != 0) {
        arena->runs[*head - 1].previous = run + 1;
    }
    *head = run + 1;
}

static void run_unlink(struct arena *arena, uint32_t *head, uint32_t run)
{
    const struct arena_run *const it = &arena->runs[run];

    if (it->previous != 0) {
        arena->runs[it->previous - 1].next = it->next;
    } else {
        CHECK(*head == run + 1);
        *head = it->next;
    }
    if (it->next != 0) {
        arena->runs[it->next - 1].previous = it->previous;
    }
}

static uint8_t *run_at(const struct arena *arena, uint32_t run)
{
    return arena->base + (uint64_t)run * ARENA_RUN_BYTES;
}

// One that holds no memory; false when there is none left.
static bool run_take_clean(struct arena *arena, uint32_t *ret_run)
{
    if (arena->runs_clean != 0) {
        *ret_run = arena->runs_clean - 1;
        run_unlink(arena, &arena->runs_clean, *ret_run);
        return true;
    }
    if (arena->run_top < arena->run_count) {
        *ret_run = arena->run_top++;
        arena_poison(run_at(arena, *ret_run), ARENA_RUN_BYTES);
        return true;
    }
    return false;
}

// False when there is none left.
static bool run_take(struct arena *arena, uint32_t *ret_run)
{
    if (arena->runs_dirty == 0) {
        return run_take_clean(arena, ret_run);
    }
    *ret_run = arena->runs_dirty - 1;
    run_unlink(arena, &arena->runs_dirty, *ret_run);
    arena->runs_dirty_count--;
    return true;
}

// blocks ----------------------------------------------------------------------------------------

void arena_pool_open(struct arena_pool *pool, struct arena *arena, uint32_t block_bytes)
{
    CHECK(block_bytes >= ARENA_BLOCK_BYTES_MIN && block_bytes <= ARENA_RUN_BYTES);
    CHECK((block_bytes & (block_bytes - 1)) == 0);
    *pool = (struct arena_pool){
        .arena = arena,
        .block_bytes = block_bytes,
        .blocks_a_run = ARENA_RUN_BYTES / block_bytes,
    };
}

static bool pool_grow(struct arena_pool *pool)
{
    struct arena *const arena = pool->arena;
    uint32_t run = 0;

    if (!run_take(arena, &run)) {
        return false;
    }
    struct arena_run *const it = &arena->runs[run];

    for (uint32_t word = 0; word < 4; word++) {
        const uint32_t first = word * 64;
        const uint32_t bits = pool->blocks_a_run > first ? pool->blocks_a_run - first : 0;

        it->free_blocks[word] = bits >= 64 ? UINT64_MAX : (UINT64_C(1) << bits) - 1;
    }
    it->used = 0;
    run_link(arena, &pool->partial, run);
    pool->runs++;
    return true;
}

bool arena_block_available(const struct arena_pool *pool)
{
    const struct arena *const arena = pool->arena;

    return pool->partial != 0 || arena->runs_dirty != 0 || arena->runs_clean != 0 ||
           arena->run_top < arena->run_count;
}

bool arena_prefault(struct arena *arena, uint32_t runs)
{
    uint32_t run;

    if (arena->runs_dirty_count >= runs || !run_take_clean(arena, &run)) {
        return false;
    }
    // Linux 5.14; before that the run is touched when it is used.
    (void)madvise(run_at(arena, run), ARENA_RUN_BYTES, MADV_POPULATE_WRITE);
    run_link(arena, &arena->runs_dirty, run);
    arena->runs_dirty_count++;
    return true;
}

uint64_t arena_block_take(struct arena_pool *pool)
{
    struct arena *const arena = pool->arena;

    if (pool->partial == 0 && !pool_grow(pool)) {
        return ARENA_NONE;
    }
    const uint32_t run = pool->partial - 1;
    struct arena_run *const it = &arena->runs[run];
    uint32_t word = 0;

    while (it->free_blocks[word] == 0) {
        word++;
        CHECK(word < 4);
    }
    const uint32_t block = word * 64 + (uint32_t)__builtin_ctzll(it->free_blocks[word]);

    it->free_blocks[word] &= it->free_blocks[word] - 1;
    it->used++;
    if (it->used == pool->blocks_a_run) {
        run_unlink(arena, &pool->partial, run);
    }
    pool->taken++;

    const uint64_t place = (uint64_t)run * ARENA_RUN_BYTES + (uint64_t)block * pool->block_bytes;

    arena_unpoison(arena->base + place, pool->block_bytes);
    return place;
}

void arena_block_free(struct arena_pool *pool, uint64_t place)
{
    struct arena *const arena = pool->arena;
    const uint32_t run = (uint32_t)(place / ARENA_RUN_BYTES);
    const uint32_t block = (uint32_t)(place % ARENA_RUN_BYTES / pool->block_bytes);
    struct arena_run *const it = &arena->runs[run];
    const uint64_t bit = UINT64_C(1) << block % 64;

    CHECK(run < arena->run_top && place % pool->block_bytes == 0);
    CHECK((it->free_blocks[block / 64] & bit) == 0 && it->used > 0 && pool->taken > 0);
    arena_poison(arena->base + place, pool->block_bytes);
    it->free_blocks[block / 64] |= bit;
    if (it->used == pool->blocks_a_run) {
        run_link(arena, &pool->partial, run);
    }
    it->used--;
    pool->taken--;
    if (it->used == 0) {
        run_unlink(arena, &pool->partial, run);
        pool->runs--;
        run_link(arena, &arena->runs_dirty, run);
        arena->runs_dirty_count++;
    }
}

// extents ---------------------------------------------------------------------------------------

static void extent_link(struct arena *arena, uint32_t *head, uint32_t unit)
{
    arena->extents[unit].next = *head;
    arena->extents[unit].previous = 0;
    if (*head != 0) {
        arena->extents[*head - 1].previous = unit + 1;
    }
    *head = unit + 1;
}

static void extent_unlink(struct arena *arena, uint32_t *head, uint32_t unit)
{
    const struct arena_extent *const it = &arena->extents[unit];

    if (it->previous != 0) {
        arena->extents[it->previous - 1].next = it->next;
    } else {
        CHECK(*head == unit + 1);
        *head = it->next;
    }
    if (it->next != 0) {
        arena->extents[it->next - 1].previous = it->previous;
    }
}

static uint8_t *extent_at(const struct arena *arena, uint32_t unit)
{
    return arena->base + arena->extents_start + (uint64_t)unit * ARENA_EXTENT_UNIT_BYTES;
}

static void extent_put(struct arena *arena, uint32_t unit, uint8_t order)
{
    arena->extents[unit].state = EXTENT_FREE;
    arena->extents[unit].order = order;
    extent_link(arena, &arena->extents_free[order], unit);
}

// Joins a clean extent with its free buddies.
static void extent_join(struct arena *arena, uint32_t unit, uint8_t order)
{
    while (order + 1 < ARENA_EXTENT_ORDERS) {
        const uint32_t buddy = unit ^ (UINT32_C(1) << order);
        const struct arena_extent *const it = &arena->extents[buddy];

        if (it->state != EXTENT_FREE || it->order != order) {
            break;
        }
        extent_unlink(arena, &arena->extents_free[order], buddy);
        arena->extents[buddy].state = 0;
        arena->extents[unit].state = 0;
        unit &= buddy;
        order++;
    }
    extent_put(arena, unit, order);
}

// Gives back at most `budget_bytes`, from the end of the first dirty extent.
static uint64_t extent_release(struct arena *arena, uint64_t budget_bytes)
{
    const uint32_t unit = arena->extents_dirty - 1;
    struct arena_extent *const it = &arena->extents[unit];
    uint64_t bytes = it->touched_bytes;

    CHECK(it->state == EXTENT_DIRTY);
    if (bytes > budget_bytes) {
        bytes = arena_extent_bytes(budget_bytes);
    }
    it->touched_bytes -= (uint32_t)bytes;
    arena->extents_dirty_bytes -= bytes;
    (void)madvise(extent_at(arena, unit) + it->touched_bytes, bytes, MADV_DONTNEED);
    if (it->touched_bytes == 0) {
        extent_unlink(arena, &arena->extents_dirty, unit);
        extent_join(arena, unit, it->order);
    }
    return bytes;
}

static uint8_t extent_order(uint64_t bytes)
{
    uint8_t order = 0;

    while (((uint64_t)ARENA_EXTENT_UNIT_BYTES << order) < bytes) {
        order++;
    }
    return order;
}

// False when no address space is left for it.
static bool extent_find(struct arena *arena, uint8_t order, uint32_t *ret_unit)
{
    uint8_t larger = order;

    while (larger < ARENA_EXTENT_ORDERS && arena->extents_free[larger] == 0) {
        larger++;
    }
    if (larger == ARENA_EXTENT_ORDERS) {
        const uint32_t units = UINT32_C(1) << (ARENA_EXTENT_ORDERS - 1);

        if (arena->extent_count - arena->extent_top < units) {
            return false;
        }
        larger = ARENA_EXTENT_ORDERS - 1;
        arena_poison(extent_at(arena, arena->extent_top),
                     (uint64_t)units * ARENA_EXTENT_UNIT_BYTES);
        extent_put(arena, arena->extent_top, larger);
        arena->extent_top += units;
    }
    const uint32_t unit = arena->extents_free[larger] - 1;

    extent_unlink(arena, &arena->extents_free[larger], unit);
    while (larger > order) {
        larger--;
        extent_put(arena, unit + (UINT32_C(1) << larger), larger);
    }
    *ret_unit = unit;
    return true;
}

bool arena_extent_available(const struct arena *arena, uint64_t bytes)
{
    uint8_t order = extent_order(bytes);

    while (order < ARENA_EXTENT_ORDERS && arena->extents_free[order] == 0) {
        order++;
    }
    return order < ARENA_EXTENT_ORDERS ||
           arena->extent_count - arena->extent_top >= UINT32_C(1) << (ARENA_EXTENT_ORDERS - 1);
}

uint64_t arena_extent_take(struct arena *arena, uint64_t bytes)
{
    CHECK(bytes > 0);
    if (bytes > (uint64_t)ARENA_EXTENT_UNIT_BYTES << (ARENA_EXTENT_ORDERS - 1)) {
        return ARENA_NONE;
    }
    const uint8_t order = extent_order(bytes);
    uint32_t unit = arena->extents_dirty - 1; // the one freed last, if it has the right size

    if (arena->extents_dirty != 0 && arena->extents[unit].order == order) {
        const uint32_t touched_bytes = arena->extents[unit].touched_bytes;
        const uint64_t needed_bytes = arena_extent_bytes(bytes);

        extent_unlink(arena, &arena->extents_dirty, unit);
        arena->extents_dirty_bytes -= touched_bytes;
        if (touched_bytes > needed_bytes) {
            (void)madvise(extent_at(arena, unit) + needed_bytes, touched_bytes - needed_bytes,
                          MADV_DONTNEED);
        }
    } else {
        for (uint64_t given = 0; given < bytes && arena->extents_dirty != 0;) {
            given += extent_release(arena, bytes - given);
        }
        if (!extent_find(arena, order, &unit)) {
            return ARENA_NONE;
        }
    }
    arena->extents[unit].state = EXTENT_TAKEN;
    arena->extents[unit].order = order;
    arena_unpoison(extent_at(arena, unit), bytes);
    return arena->extents_start + (uint64_t)unit * ARENA_EXTENT_UNIT_BYTES;
}

bool arena_extent_ready(struct arena *arena, uint64_t bytes, uint64_t budget_bytes)
{
    const uint64_t needed_bytes = arena_extent_bytes(bytes);
    const uint8_t order = extent_order(bytes);
    uint64_t given = 0;

    while (arena->extents_dirty != 0) {
        const struct arena_extent *const it = &arena->extents[arena->extents_dirty - 1];
        const uint64_t kept_bytes = it->order == order ? needed_bytes : 0;
        uint64_t part = budget_bytes - given;

        if (it->touched_bytes <= kept_bytes) {
            return true; // it is taken as it is
        }
        if (given >= budget_bytes) {
            return false;
        }
        part = part < it->touched_bytes - kept_bytes ? part : it->touched_bytes - kept_bytes;
        given += extent_release(arena, part);
    }
    return true;
}

void arena_extent_free(struct arena *arena, uint64_t place, uint64_t bytes)
{
    const uint32_t unit = (uint32_t)((place - arena->extents_start) / ARENA_EXTENT_UNIT_BYTES);
    struct arena_extent *const it = &arena->extents[unit];

    CHECK(unit < arena->extent_top && it->state == EXTENT_TAKEN);
    CHECK(extent_order(bytes) == it->order);
    arena_poison(arena->base + place, bytes);
    it->state = EXTENT_DIRTY;
    it->touched_bytes = (uint32_t)arena_extent_bytes(bytes);
    arena->extents_dirty_bytes += it->touched_bytes;
    extent_link(arena, &arena->extents_dirty, unit);
}

bool arena_release(struct arena *arena, uint64_t budget_bytes, uint32_t keep_runs)
{
    const uint64_t slice = ARENA_RUN_BYTES;
    uint64_t given = 0;

    do {
        if (arena->extents_dirty != 0) {
            given += extent_release(arena, slice);
        } else if (arena->runs_dirty_count > keep_runs) {
            const uint32_t run = arena->runs_dirty - 1;

            run_unlink(arena, &arena->runs_dirty, run);
            arena->runs_dirty_count--;
            (void)madvise(run_at(arena, run), ARENA_RUN_BYTES, MADV_DONTNEED);
            run_link(arena, &arena->runs_clean, run);
            given += slice;
        } else {
            return false;
        }
    } while (given < budget_bytes);
    return arena->extents_dirty != 0 || arena->runs_dirty_count > keep_runs;
}
