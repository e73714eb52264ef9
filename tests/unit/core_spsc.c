#include "core/sleep.h"
#include "core/spsc.h"

#include <criterion/criterion.h>

// One thread plays both sides here; tests/threads/spsc.c has two.

Test(core_spsc, what_is_staged_is_seen_when_it_is_published)
{
    struct spsc queue;
    int items[3];
    void *got[4] = {NULL};

    cr_assert_eq(spsc_init(&queue, 4), 0);
    cr_assert_not(spsc_publish(&queue));
    cr_assert(spsc_push(&queue, &items[0]));
    cr_assert(spsc_push(&queue, &items[1]));
    cr_assert_not(spsc_ready(&queue));
    cr_assert_eq(spsc_drain(&queue, got, 4), 0);
    cr_assert(spsc_publish(&queue));
    cr_assert_not(spsc_publish(&queue));
    cr_assert(spsc_ready(&queue));
    cr_assert(spsc_push(&queue, &items[2]));
    cr_assert_eq(spsc_drain(&queue, got, 4), 2);
    cr_assert_eq(got[0], &items[0]);
    cr_assert_eq(got[1], &items[1]);
    cr_assert_not(spsc_ready(&queue));
    spsc_destroy(&queue);
}

Test(core_spsc, full_is_said_and_drained_slots_are_free_again)
{
    struct spsc queue;
    int items[5];
    void *got[4];

    cr_assert_eq(spsc_init(&queue, 4), 0);
    cr_assert_eq(spsc_room(&queue), 4);
    for (int i = 0; i < 4; i++) {
        cr_assert(spsc_push(&queue, &items[i]));
    }
    cr_assert_eq(spsc_room(&queue), 0);
    cr_assert_not(spsc_push(&queue, &items[4]));
    spsc_publish(&queue);
    cr_assert_not(spsc_push(&queue, &items[4]));
    cr_assert_eq(spsc_drain(&queue, got, 3), 3);
    cr_assert_eq(spsc_room(&queue), 3);
    cr_assert(spsc_push(&queue, &items[4]));
    spsc_publish(&queue);
    cr_assert_eq(spsc_drain(&queue, got, 4), 1, "the rest of what it knew of");
    cr_assert_eq(got[0], &items[3]);
    cr_assert_eq(spsc_drain(&queue, got, 4), 1);
    cr_assert_eq(got[0], &items[4]);
    spsc_destroy(&queue);
}

Test(core_spsc, keeps_order_when_indices_wrap)
{
    enum { NEAR_WRAP = 5 };
    const uint32_t start = UINT32_MAX - NEAR_WRAP;
    struct spsc queue;
    uint8_t items[64];
    void *got[8];

    cr_assert_eq(spsc_init(&queue, 8), 0);
    queue.staged = queue.published_local = queue.drained_seen = start;
    queue.drained_local = queue.published_seen = start;
    atomic_store(&queue.published, start);
    atomic_store(&queue.drained, start);
    for (uint32_t i = 0; i < 64; i += 8) {
        for (uint32_t j = 0; j < 8; j++) {
            cr_assert(spsc_push(&queue, &items[i + j]));
        }
        cr_assert_not(spsc_push(&queue, &items[0]));
        spsc_publish(&queue);
        cr_assert_eq(spsc_drain(&queue, got, 8), 8);
        for (uint32_t j = 0; j < 8; j++) {
            cr_assert_eq(got[j], &items[i + j]);
        }
    }
    spsc_destroy(&queue);
}

Test(core_spsc, only_one_publisher_wakes_a_sleeper)
{
    struct sleep_flag flag;

    sleep_flag_init(&flag);
    cr_assert_not(sleep_flag_must_wake(&flag));
    sleep_flag_announce(&flag);
    cr_assert(sleep_flag_must_wake(&flag));
    cr_assert_not(sleep_flag_must_wake(&flag));
    sleep_flag_announce(&flag);
    sleep_flag_retract(&flag);
    cr_assert_not(sleep_flag_must_wake(&flag));
}
