#include "cluster/causal_history.h"

#include "core/random.h"

#include <criterion/criterion.h>

static struct dot dot_of(uint32_t actor, uint64_t hlc)
{
    return (struct dot){.actor = actor, .hlc = hlc};
}

Test(cluster_causal_history, a_version_covers_all_before_it)
{
    struct causal_history history;

    causal_history_init(&history);
    cr_assert_not(causal_history_covers(&history, dot_of(1, 1)));
    cr_assert(causal_history_add_version(&history, dot_of(1, 5)));
    cr_assert(causal_history_covers(&history, dot_of(1, 1)));
    cr_assert(causal_history_covers(&history, dot_of(1, 5)));
    cr_assert_not(causal_history_covers(&history, dot_of(1, 6)));
    cr_assert_not(causal_history_covers(&history, dot_of(0, 1)));
    cr_assert(causal_history_add_version(&history, dot_of(1, 3))); // is known
    cr_assert_eq(causal_history_version(&history, 1), 5);
    cr_assert_eq(causal_history_version(&history, 2), 0);
}

Test(cluster_causal_history, a_dot_covers_itself_until_the_vector_does)
{
    struct causal_history history;

    causal_history_init(&history);
    causal_history_add_dot(&history, dot_of(1, 5));
    causal_history_add_dot(&history, dot_of(1, 5));
    cr_assert_eq(history.dots_count, 1);
    cr_assert(causal_history_covers(&history, dot_of(1, 5)));
    cr_assert_not(causal_history_covers(&history, dot_of(1, 4)));
    causal_history_add_dot(&history, dot_of(0, 9));
    causal_history_add_dot(&history, dot_of(1, 3));
    cr_assert(dot_equal(history.dots[0], dot_of(0, 9)));
    cr_assert(dot_equal(history.dots[1], dot_of(1, 3)));
    cr_assert(dot_equal(history.dots[2], dot_of(1, 5)));
    cr_assert(causal_history_add_version(&history, dot_of(1, 4)));
    cr_assert_eq(history.dots_count, 2);
    cr_assert(causal_history_add_version(&history, dot_of(1, 5)));
    cr_assert_eq(history.dots_count, 1);
    causal_history_add_dot(&history, dot_of(1, 2)); // covered already
    cr_assert_eq(history.dots_count, 1);
}

Test(cluster_causal_history, a_full_vector_refuses_and_full_dots_forget_the_oldest)
{
    struct causal_history history;
    struct causal_history other;

    causal_history_init(&history);
    for (uint32_t i = 0; i < LIMIT_OBJECT_VERSIONS; i++) {
        cr_assert(causal_history_add_version(&history, dot_of(2 * i, 1)));
    }
    cr_assert_not(causal_history_add_version(&history, dot_of(1, 1)));
    cr_assert(causal_history_add_version(&history, dot_of(2, 7)));
    cr_assert_eq(history.versions_count, LIMIT_OBJECT_VERSIONS);
    causal_history_init(&other);
    cr_assert(causal_history_add_version(&other, dot_of(1, 1)));
    cr_assert_not(causal_history_join(&history, &other));

    for (uint32_t i = 0; i < LIMIT_HISTORY_DOTS; i++) {
        causal_history_add_dot(&history, dot_of(1, 100 - i));
    }
    causal_history_add_dot(&history, dot_of(1, 3)); // older than all: this one is forgotten
    cr_assert_not(causal_history_covers(&history, dot_of(1, 3)));
    causal_history_add_dot(&history, dot_of(3, 200));
    cr_assert(causal_history_covers(&history, dot_of(3, 200)));
    cr_assert_not(causal_history_covers(&history, dot_of(1, 100 - LIMIT_HISTORY_DOTS + 1)));
    cr_assert(causal_history_covers(&history, dot_of(1, 100)));
}

// Against a table of all events of a few actors.
Test(cluster_causal_history, random_histories_cover_what_a_table_says)
{
    enum { ACTORS = 6, HLCS = 20 };
    struct random random;

    random_seed(&random, 5);
    for (int round = 0; round < 20000; round++) {
        bool seen[2][ACTORS][HLCS + 1] = {{{false}}};
        struct causal_history histories[2];

        for (int i = 0; i < 2; i++) {
            causal_history_init(&histories[i]);
            for (uint64_t steps = random_below(&random, 8); steps > 0; steps--) {
                const struct dot dot = dot_of((uint32_t)random_below(&random, ACTORS),
                                              1 + random_below(&random, HLCS));

                if (random_below(&random, 2) == 0) {
                    cr_assert(causal_history_add_version(&histories[i], dot));
                    for (uint64_t hlc = 1; hlc <= dot.hlc; hlc++) {
                        seen[i][dot.actor][hlc] = true;
                    }
                } else {
                    causal_history_add_dot(&histories[i], dot);
                    seen[i][dot.actor][dot.hlc] = true;
                }
            }
        }
        cr_assert(causal_history_join(&histories[0], &histories[1]));
        for (uint32_t actor = 0; actor < ACTORS; actor++) {
            for (uint64_t hlc = 1; hlc <= HLCS; hlc++) {
                cr_assert_eq(causal_history_covers(&histories[0], dot_of(actor, hlc)),
                             seen[0][actor][hlc] || seen[1][actor][hlc], "seed 5, round %d", round);
            }
        }
    }
}
