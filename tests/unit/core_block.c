#include "core/block.h"

#include <criterion/criterion.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>

enum { PAGE = 4096, MIB = 1 << 20 };

// Pages of the range that are in memory; SIZE_MAX when some of it is not mapped.
static size_t resident(void *bytes, size_t size)
{
    static unsigned char pages[(64 * MIB) / PAGE];
    size_t count = 0;

    if (mincore(bytes, size, pages) != 0) {
        return SIZE_MAX;
    }
    for (size_t i = 0; i < size / PAGE; i++) {
        count += pages[i] & 1;
    }
    return count;
}

Test(block, takes_memory_only_where_it_is_touched)
{
    struct block_store store = {0};
    size_t capacity = 64 * MIB - 1;
    uint8_t *const bytes = block_take(&store, &capacity);

    cr_assert_not_null(bytes);
    cr_assert_eq(capacity, (size_t)64 * MIB);
    cr_assert_eq(resident(bytes, capacity), 0);
    memset(bytes, 1, 10 * PAGE + 1);
    cr_assert_eq(resident(bytes, capacity), 11);
    bytes[capacity - 1] = 1;
    block_give(&store, bytes, capacity, capacity);
    block_store_close(&store);
    cr_assert_eq(resident(bytes, PAGE), SIZE_MAX, "unmapped");
}

Test(block, goes_in_pieces)
{
    struct block_store store = {0};
    uint8_t *blocks[2];
    size_t capacity;

    for (int i = 0; i < 2; i++) {
        capacity = 8 * MIB;
        blocks[i] = block_take(&store, &capacity);
        memset(blocks[i], 1, 3 * MIB);
        block_give(&store, blocks[i], capacity, 3 * MIB);
    }
    cr_assert_eq(store.leaving_bytes, (size_t)6 * MIB);
    for (int left = 5; left >= 0; left--) {
        cr_assert_eq(block_release(&store, MIB), left != 0, "%d", left);
        cr_assert_eq(store.leaving_bytes, (size_t)left * MIB);
    }
    cr_assert_eq(resident(blocks[0], PAGE), SIZE_MAX);
    cr_assert_eq(resident(blocks[1], PAGE), SIZE_MAX);
    cr_assert_not(block_release(&store, MIB));
}

Test(block, keeps_what_is_needed_again)
{
    enum { BLOCKS = 10, NEEDED = 3 };
    struct block_store store = {.touched_kept = MIB};
    uint8_t *blocks[BLOCKS];
    size_t capacity = 4 * MIB;

    for (int i = 0; i < BLOCKS; i++) {
        capacity = 4 * MIB;
        blocks[i] = block_take(&store, &capacity);
        memset(blocks[i], 1, PAGE);
    }
    for (int i = 0; i < BLOCKS; i++) {
        block_give(&store, blocks[i], capacity, PAGE);
    }
    cr_assert_eq(store.kept_count, BLOCKS);
    cr_assert(block_trim(&store));
    cr_assert_not(block_release(&store, MIB), "they were all needed just now");
    for (int round = 0; round < 5; round++) {
        for (int i = 0; i < NEEDED; i++) {
            capacity = 4 * MIB;
            blocks[i] = block_take(&store, &capacity);
            cr_assert_eq(resident(blocks[i], PAGE), 1, "warm");
        }
        for (int i = 0; i < NEEDED; i++) {
            block_give(&store, blocks[i], capacity, PAGE);
        }
    }
    cr_assert(block_trim(&store));
    cr_assert_eq(store.surplus, BLOCKS - NEEDED);
    cr_assert(block_release(&store, PAGE), "one at a time");
    while (block_release(&store, MIB)) {
    }
    cr_assert_eq(store.kept_count, NEEDED);
    cr_assert(block_trim(&store));
    cr_assert_not(block_release(&store, MIB));
    cr_assert_eq(store.kept_count, 0, "%u: nobody needed them", store.kept_count);
    cr_assert_not(block_trim(&store));
    block_store_close(&store);
}

Test(block, does_not_keep_a_long_one)
{
    struct block_store store = {.touched_kept = MIB};
    size_t capacity = 4 * MIB;
    uint8_t *const block = block_take(&store, &capacity);

    block_give(&store, block, capacity, MIB + 1);
    cr_assert_eq(store.kept_count, 0);
    cr_assert_eq(store.leaving_bytes, (size_t)MIB + PAGE);
    cr_assert(block_trim(&store));
    cr_assert_not(block_release(&store, 2 * MIB));
    cr_assert_eq(resident(block, PAGE), SIZE_MAX);
}
