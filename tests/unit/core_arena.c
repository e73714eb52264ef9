#include "core/arena.h"

#include "core/random.h"

#include <criterion/criterion.h>
#include <string.h>
#include <sys/mman.h>

static void open_small(struct arena *arena)
{
    cr_assert_eq(arena_open(arena, 0), 0);
}

static bool is_zero(const struct arena *arena, uint64_t place, uint64_t bytes)
{
    const uint8_t *const at = arena->base + place;

    for (uint64_t i = 0; i < bytes; i++) {
        if (at[i] != 0) {
            return false;
        }
    }
    return true;
}

Test(core_arena, blocks_do_not_overlap)
{
    struct arena arena;
    struct arena_pool pools[2];
    enum { BLOCKS = 700 };
    uint64_t places[2][BLOCKS];
    static const uint32_t sizes[2] = {8 << 10, 256 << 10};

    open_small(&arena);
    for (uint32_t p = 0; p < 2; p++) {
        arena_pool_open(&pools[p], &arena, sizes[p]);
    }
    for (uint32_t i = 0; i < BLOCKS; i++) {
        for (uint32_t p = 0; p < 2; p++) {
            places[p][i] = arena_block_take(&pools[p]);
            cr_assert_neq(places[p][i], ARENA_NONE);
            cr_assert_eq(places[p][i] % sizes[p], 0);
            memset(arena.base + places[p][i], (int)(i * 2 + p), sizes[p]);
        }
    }
    for (uint32_t i = 0; i < BLOCKS; i++) {
        for (uint32_t p = 0; p < 2; p++) {
            const uint8_t *const at = arena.base + places[p][i];

            cr_assert_eq(at[0], (uint8_t)(i * 2 + p));
            cr_assert_eq(at[sizes[p] - 1], (uint8_t)(i * 2 + p));
            arena_block_free(&pools[p], places[p][i]);
        }
    }
    cr_assert_eq(pools[0].taken, 0);
    cr_assert_eq(arena.runs_dirty_count, arena.run_top);
    arena_close(&arena);
}

Test(core_arena, freed_blocks_are_taken_again_before_new_ones)
{
    struct arena arena;
    struct arena_pool pool;

    open_small(&arena);
    arena_pool_open(&pool, &arena, 64 << 10);
    const uint64_t first = arena_block_take(&pool);
    const uint64_t second = arena_block_take(&pool);

    arena_block_free(&pool, first);
    cr_assert_eq(arena_block_take(&pool), first);
    arena_block_free(&pool, second);
    arena_block_free(&pool, first);
    for (uint32_t i = 0; i < 1000; i++) {
        arena_block_free(&pool, arena_block_take(&pool));
    }
    cr_assert_eq(arena.run_top, 1);
    arena_close(&arena);
}

Test(core_arena, says_when_its_addresses_are_used_up)
{
    struct arena arena;
    struct arena_pool pool;
    uint64_t place = 0;
    uint32_t blocks = 0;

    open_small(&arena);
    arena_pool_open(&pool, &arena, ARENA_RUN_BYTES);
    while ((place = arena_block_take(&pool)) != ARENA_NONE) {
        blocks++;
    }
    cr_assert_eq(blocks, arena.extents_start / ARENA_RUN_BYTES);
    uint64_t extents = 0;

    while ((place = arena_extent_take(&arena, 200 << 20)) != ARENA_NONE) {
        extents++;
    }
    cr_assert_eq(extents, (arena.bytes - arena.extents_start) / (256 << 20));
    cr_assert_eq(arena_extent_take(&arena, (256 << 20) + 1), ARENA_NONE);
    arena_close(&arena);
}

Test(core_arena, extents_split_and_join)
{
    struct arena arena;
    struct random random;
    enum { EXTENTS = 64 };
    struct {
        uint64_t place;
        uint64_t bytes;
    } extents[EXTENTS] = {{0}};

    open_small(&arena);
    random_seed(&random, 5);
    for (uint32_t i = 0; i < 20000; i++) {
        const uint32_t which = (uint32_t)random_below(&random, EXTENTS);

        if (extents[which].bytes != 0) {
            const uint8_t *const at = arena.base + extents[which].place;

            cr_assert_eq(at[0], (uint8_t)which);
            cr_assert_eq(at[extents[which].bytes - 1], (uint8_t)which);
            arena_extent_free(&arena, extents[which].place, extents[which].bytes);
            extents[which].bytes = 0;
        } else {
            extents[which].bytes = 1 + random_below(&random, 900000);
            extents[which].place = arena_extent_take(&arena, extents[which].bytes);
            cr_assert_neq(extents[which].place, ARENA_NONE);
            uint8_t *const at = arena.base + extents[which].place;

            at[0] = (uint8_t)which;
            at[extents[which].bytes - 1] = (uint8_t)which;
        }
        if (i % 16 == 0) {
            (void)arena_release(&arena, 1 << 20, 0);
        }
    }
    for (uint32_t which = 0; which < EXTENTS; which++) {
        if (extents[which].bytes != 0) {
            arena_extent_free(&arena, extents[which].place, extents[which].bytes);
        }
    }
    while (arena_release(&arena, 1 << 20, 0)) {
    }
    // All is one again: the largest fits where the first was.
    cr_assert_eq(arena.extents_dirty_bytes, 0);
    cr_assert_eq(arena_extent_take(&arena, 256 << 20), arena.extents_start);
    cr_assert_eq(arena.extent_top, 1 << (ARENA_EXTENT_ORDERS - 1));
    arena_close(&arena);
}

Test(core_arena, a_loop_of_extents_gives_memory_back)
{
    struct arena arena;

    open_small(&arena);
    for (uint32_t i = 0; i < 400; i++) {
        const uint64_t bytes = (i % 2 == 0 ? UINT64_C(10) : UINT64_C(40)) << 20;
        const uint64_t place = arena_extent_take(&arena, bytes);

        cr_assert_neq(place, ARENA_NONE);
        memset(arena.base + place, 1, 4096);
        arena_extent_free(&arena, place, bytes);
        cr_assert_leq(arena.extents_dirty_bytes, 80 << 20);
    }
    arena_close(&arena);
}

Test(core_arena, released_memory_is_zero_and_can_be_taken_again)
{
    struct arena arena;
    struct arena_pool pool;
    enum { BLOCKS = 64 };
    uint64_t places[BLOCKS];

    open_small(&arena);
    arena_pool_open(&pool, &arena, ARENA_RUN_BYTES);
    for (uint32_t i = 0; i < BLOCKS; i++) {
        places[i] = arena_block_take(&pool);
        memset(arena.base + places[i], 1, ARENA_RUN_BYTES);
    }
    for (uint32_t i = 0; i < BLOCKS; i++) {
        arena_block_free(&pool, places[i]);
    }
    uint32_t slices = 0;

    while (arena_release(&arena, 1, 8)) {
        slices++;
    }
    cr_assert_eq(slices, BLOCKS - 8 - 1);
    cr_assert_eq(arena.runs_dirty_count, 8);
    uint32_t zeroed = 0;

    for (uint32_t i = 0; i < BLOCKS; i++) {
        places[i] = arena_block_take(&pool);
        zeroed += is_zero(&arena, places[i], ARENA_RUN_BYTES);
    }
    cr_assert_eq(zeroed, BLOCKS - 8);
    cr_assert_eq(arena.run_top, BLOCKS);
    arena_close(&arena);
}

Test(core_arena, prefault_has_the_next_run_cleared)
{
    struct arena arena;
    struct arena_pool pool;
    unsigned char resident[ARENA_RUN_BYTES / 4096];

    open_small(&arena);
    arena_pool_open(&pool, &arena, ARENA_RUN_BYTES / 8);
    cr_assert_eq(arena_blocks_left(&pool), 0);
    cr_assert(arena_prefault(&arena, 1));
    cr_assert_not(arena_prefault(&arena, 1), "one is enough");

    const uint64_t place = arena_block_take(&pool);

    cr_assert_eq(arena_blocks_left(&pool), 7);
    cr_assert_eq(mincore(arena.base + place, ARENA_RUN_BYTES, resident), 0);
    for (uint32_t page = 0; page < sizeof resident; page++) {
        cr_assert_eq(resident[page] & 1, 1, "page %u", page);
    }
    arena_block_free(&pool, place);
    cr_assert_eq(arena_blocks_left(&pool), 0);
    arena_close(&arena);
}

Test(core_arena, extents_are_available_until_they_are_not)
{
    struct arena arena;
    const uint64_t largest = (uint64_t)ARENA_EXTENT_UNIT_BYTES << (ARENA_EXTENT_ORDERS - 1);

    open_small(&arena);
    while (arena_extent_available(&arena, largest)) {
        cr_assert_neq(arena_extent_take(&arena, largest), ARENA_NONE);
    }
    cr_assert_eq(arena_extent_take(&arena, largest), ARENA_NONE);
    cr_assert_not(arena_extent_available(&arena, 1));
    arena_close(&arena);
}
