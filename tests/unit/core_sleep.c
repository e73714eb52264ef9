// The flag by which a core is woken: who has to pay for a wake, and every order in which an owner
// that goes to sleep and two publishers can take their steps. That the fences keep these orders
// apart on a real machine is what tests/threads show.
#include "core/sleep.h"

#include <criterion/criterion.h>

Test(core_sleep, who_is_awake_needs_no_wake)
{
    struct sleep_flag flag;

    sleep_flag_init(&flag);
    cr_expect_not(sleep_flag_must_wake(&flag));
    sleep_flag_retract(&flag); // also where nothing was announced
    cr_expect_not(sleep_flag_must_wake(&flag));
    sleep_flag_announce(&flag);
    sleep_flag_retract(&flag);
    cr_expect_not(sleep_flag_must_wake(&flag));
}

Test(core_sleep, one_of_many_publishers_wakes)
{
    struct sleep_flag flag;

    sleep_flag_init(&flag);
    for (int round = 0; round < 3; round++) {
        sleep_flag_announce(&flag);
        cr_expect(sleep_flag_must_wake(&flag));
        cr_expect_not(sleep_flag_must_wake(&flag));
        cr_expect_not(sleep_flag_must_wake(&flag));
    }
    sleep_flag_announce(&flag); // woken by something else: nobody has to any more
    sleep_flag_retract(&flag);
    cr_expect_not(sleep_flag_must_wake(&flag));
}

// Flags of two cores lie on lines of their own, so that announcing does not disturb a neighbour.
Test(core_sleep, a_flag_is_alone_on_its_line)
{
    cr_expect_eq(sizeof(struct sleep_flag), LIMIT_CACHE_LINE_BYTES);
    cr_expect_eq(_Alignof(struct sleep_flag), LIMIT_CACHE_LINE_BYTES);
}

enum { PUBLISHERS = 2, OWNER_STEPS = 3, STEPS = OWNER_STEPS + 2 * PUBLISHERS };

struct world {
    struct sleep_flag flag;
    unsigned messages; // published
    unsigned seen;     // by the owner, when it looked
    unsigned wakes;
    bool waits;
};

// Announces, looks, retracts or waits.
static void owner_step(struct world *world, int step)
{
    switch (step) {
    case 0:
        sleep_flag_announce(&world->flag);
        break;
    case 1:
        world->seen = world->messages;
        break;
    default:
        if (world->seen != 0) {
            sleep_flag_retract(&world->flag);
        } else {
            world->waits = true;
        }
    }
}

static void publisher_step(struct world *world, int step)
{
    if (step == 0) {
        world->messages++;
    } else if (sleep_flag_must_wake(&world->flag)) {
        world->wakes++;
    }
}

// `order` has a digit to the base of 3 for each step: whose it is. False when it is none, somebody
// having taken too few or too many.
static bool run_order(unsigned order, struct world *world)
{
    int taken[1 + PUBLISHERS] = {0};

    sleep_flag_init(&world->flag);
    for (int i = 0; i < STEPS; i++, order /= 3) {
        const unsigned who = order % 3;
        const int step = taken[who]++;

        if (step >= (who == 0 ? OWNER_STEPS : 2)) {
            return false;
        }
        if (who == 0) {
            owner_step(world, step);
        } else {
            publisher_step(world, step);
        }
    }
    return true;
}

Test(core_sleep, no_order_of_steps_loses_a_message)
{
    unsigned orders = 0, waits = 0, all = 1;

    for (int i = 0; i < STEPS; i++) {
        all *= 3;
    }
    for (unsigned order = 0; order < all; order++) {
        struct world world = {.messages = 0};

        if (!run_order(order, &world)) {
            continue;
        }
        orders++;
        waits += world.waits;
        // Who waits and has not seen a message is woken for it, by one publisher.
        cr_assert(!world.waits || world.wakes == 1, "order %u: %u wakes", order, world.wakes);
        cr_assert_leq(world.wakes, 1, "order %u", order);
    }
    cr_expect_eq(orders, 210); // 7! / (3! 2! 2!)
    cr_expect_gt(waits, 0);
}
