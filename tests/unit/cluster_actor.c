#include "cluster/actor.h"

#include "core/limits.h"

#include <criterion/criterion.h>
#include <errno.h>

Test(cluster_actor, identities_get_indexes_in_order_and_keep_them)
{
    struct actor_table table;
    uint32_t index = 99;

    actor_table_init(&table);
    for (uint32_t i = 0; i < 1000; i++) {
        const struct actor_id id = {.vnode_id = i / 2, .incarnation = i % 2};

        cr_assert_not(actor_table_find(&table, &id, &index));
        cr_assert_eq(actor_table_enter(&table, &id, &index), 0);
        cr_assert_eq(index, i);
        cr_assert_eq(actor_table_enter(&table, &id, &index), 0);
        cr_assert_eq(index, i);
    }
    cr_assert_eq(table.count, 1000);
    cr_assert_eq(actor_table_id(&table, 7)->vnode_id, 3);
    cr_assert_eq(actor_table_id(&table, 7)->incarnation, 1);
    actor_table_free(&table);
    cr_assert_eq(table.count, 0);
}

Test(cluster_actor, new_entries_are_pending_until_they_are_durable)
{
    struct actor_table table;
    const struct actor_id id = {.vnode_id = 1};
    uint32_t index = 0;

    actor_table_init(&table);
    cr_assert_not(actor_table_pending(&table));
    cr_assert_eq(actor_table_enter(&table, &id, &index), 0);
    cr_assert(actor_table_pending(&table));
    actor_table_durable(&table, table.count);
    cr_assert_not(actor_table_pending(&table));
    actor_table_free(&table);
}

Test(cluster_actor, dots_are_ordered_by_clock_then_by_identity)
{
    struct actor_table table;
    const struct actor_id ids[] = {{.vnode_id = 9, .incarnation = 1},
                                   {.vnode_id = 3, .incarnation = 2},
                                   {.vnode_id = 3, .incarnation = 1}};
    const struct dot a = {.actor = 0, .hlc = 5};
    const struct dot b = {.actor = 1, .hlc = 5};
    const struct dot c = {.actor = 2, .hlc = 5};
    const struct dot stranger = {.actor = 77, .hlc = 5};
    const struct dot newer = {.actor = 2, .hlc = 6};
    uint32_t index = 0;

    actor_table_init(&table);
    for (size_t i = 0; i < 3; i++) {
        cr_assert_eq(actor_table_enter(&table, &ids[i], &index), 0);
    }
    cr_assert_gt(dot_compare(&table, a, b), 0);
    cr_assert_gt(dot_compare(&table, b, c), 0);
    cr_assert_lt(dot_compare(&table, c, a), 0);
    cr_assert_gt(dot_compare(&table, newer, a), 0);
    cr_assert_eq(dot_compare(&table, b, b), 0);
    cr_assert_lt(dot_compare(&table, stranger, c), 0);
    cr_assert_gt(dot_compare(&table, c, stranger), 0);
    actor_table_free(&table);
}
