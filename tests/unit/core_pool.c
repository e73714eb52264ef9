#include "core/pool.h"

#include <criterion/criterion.h>
#include <string.h>

Test(core_pool, gives_distinct_objects_up_to_its_bound)
{
    enum { COUNT = 10 };
    struct pool pool;
    uint8_t *objects[COUNT];

    pool_init(&pool, 40, 4, COUNT);
    for (int i = 0; i < COUNT; i++) {
        objects[i] = pool_take(&pool);
        cr_assert_not_null(objects[i]);
        cr_assert_eq((uintptr_t)objects[i] % 16, 0);
        memset(objects[i], i, 40);
    }
    cr_assert_null(pool_take(&pool));
    cr_assert_null(pool_take(&pool));
    cr_assert_eq(pool.taken, COUNT);
    cr_assert_eq(pool.objects, COUNT);
    cr_assert_eq(pool.refused, 2);
    for (int i = 0; i < COUNT; i++) {
        for (int j = 0; j < 40; j++) {
            cr_assert_eq(objects[i][j], i);
        }
        pool_give(&pool, objects[i]);
    }
    cr_assert_eq(pool.taken, 0);
    cr_assert_eq(pool.taken_max, COUNT);
    pool_destroy(&pool);
}

Test(core_pool, takes_memory_only_as_it_is_needed)
{
    struct pool pool;

    pool_init(&pool, 64, 4, 100);
    cr_assert_eq(pool.objects, 0);
    void *const a = pool_take(&pool);

    cr_assert_eq(pool.objects, 4);
    pool_give(&pool, a);
    for (int i = 0; i < 1000; i++) {
        void *const b = pool_take(&pool);

        cr_assert_eq(b, a, "what was given back last is taken first");
        pool_give(&pool, b);
    }
    cr_assert_eq(pool.objects, 4);
    pool_destroy(&pool);
}

Test(core_pool, objects_of_whole_lines_lie_on_lines)
{
    struct pool pool;
    void *objects[5];

    pool_init(&pool, 128, 3, 5);
    for (int i = 0; i < 5; i++) {
        objects[i] = pool_take(&pool);
        cr_assert_eq((uintptr_t)objects[i] % 64, 0);
    }
    for (int i = 0; i < 5; i++) {
        pool_give(&pool, objects[i]);
    }
    pool_destroy(&pool);
}

Test(core_pool, can_be_filled_at_start)
{
    struct pool pool;

    pool_init(&pool, 8, 4, 6);
    cr_assert(pool_grow(&pool));
    cr_assert(pool_grow(&pool));
    cr_assert_eq(pool.objects, 6);
    cr_assert_not(pool_grow(&pool));
    pool_destroy(&pool);
}
