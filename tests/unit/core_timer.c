#include "core/timer.h"

#include "core/random.h"

#include <criterion/criterion.h>
#include <stdlib.h>

static const uint32_t ALL = UINT32_MAX;
static const uint64_t ms = 1000 * 1000;

// A timer that notes when it fired.
struct probe {
    struct timer timer; // first
    struct timers *timers;
    const uint64_t *now_ns;
    uint64_t fired_ns; // 0: not yet
    uint32_t order;    // of all that fired
    uint32_t *fired_count;
    uint64_t again_ns;    // fire() arms it once more for then; 0: no
    struct probe *victim; // fire() cancels it
};

static void probe_fire(struct timer *timer)
{
    struct probe *const probe = (struct probe *)timer;

    cr_assert_not(timer_armed(timer));
    probe->fired_ns = *probe->now_ns;
    probe->order = (*probe->fired_count)++;
    if (probe->victim != NULL) {
        timer_cancel(probe->timers, &probe->victim->timer);
    }
    if (probe->again_ns != 0) {
        timer_arm(probe->timers, timer, probe->again_ns);
    }
}

// Some probes on one wheel.
struct bench {
    struct timers timers;
    uint64_t now_ns;
    uint32_t fired;
    struct probe probes[64];
};

static struct bench *bench_make(uint64_t now_ns)
{
    struct bench *const bench = calloc(1, sizeof *bench);

    bench->now_ns = now_ns;
    timers_init(&bench->timers, now_ns);
    for (size_t i = 0; i < 64; i++) {
        bench->probes[i] = (struct probe){.timer.fire = probe_fire,
                                          .timers = &bench->timers,
                                          .now_ns = &bench->now_ns,
                                          .fired_count = &bench->fired};
    }
    return bench;
}

static uint32_t bench_run(struct bench *bench, uint64_t now_ns, uint32_t budget)
{
    bench->now_ns = now_ns;
    return timers_run(&bench->timers, now_ns, budget);
}

Test(core_timer, nothing_armed_is_nothing_to_wait_for)
{
    struct bench *const bench = bench_make(5 * ms);

    cr_assert_eq(timers_next_ns(&bench->timers), UINT64_MAX);
    cr_assert_eq(bench_run(bench, 1000000 * ms, ALL), 0);
    timer_arm(&bench->timers, &bench->probes[0].timer, 2000000 * ms);
    cr_assert_neq(timers_next_ns(&bench->timers), UINT64_MAX);
    timer_cancel(&bench->timers, &bench->probes[0].timer);
    timer_cancel(&bench->timers, &bench->probes[0].timer);
    cr_assert_eq(timers_next_ns(&bench->timers), UINT64_MAX);
    cr_assert_eq(bench->timers.count, 0);
    free(bench);
}

Test(core_timer, fires_not_before_its_deadline_rounded_up)
{
    struct bench *const bench = bench_make(5 * ms + 700);

    timer_arm(&bench->timers, &bench->probes[0].timer, 7 * ms + 1);
    cr_assert_eq(timers_next_ns(&bench->timers), 8 * ms);
    cr_assert_eq(bench_run(bench, 8 * ms - 1, ALL), 0);
    cr_assert(timer_armed(&bench->probes[0].timer));
    cr_assert_eq(bench_run(bench, 8 * ms, ALL), 1);
    cr_assert_not(timer_armed(&bench->probes[0].timer));
    cr_assert_eq(bench_run(bench, 100 * ms, ALL), 0);
    free(bench);
}

Test(core_timer, a_deadline_that_has_passed_fires_in_the_next_run)
{
    struct bench *const bench = bench_make(5 * ms);

    bench_run(bench, 90 * ms, ALL);
    timer_arm(&bench->timers, &bench->probes[0].timer, 3 * ms);
    cr_assert_leq(timers_next_ns(&bench->timers), 90 * ms);
    cr_assert_eq(bench_run(bench, 90 * ms, ALL), 1);
    free(bench);
}

Test(core_timer, one_that_arms_itself_does_not_hold_the_run)
{
    struct bench *const bench = bench_make(0);

    bench->probes[0].again_ns = 1; // long past by then
    timer_arm(&bench->timers, &bench->probes[0].timer, 1 * ms);
    cr_assert_eq(bench_run(bench, 50 * ms, 1000), 1);
    cr_assert(timer_armed(&bench->probes[0].timer));
    cr_assert_eq(timers_next_ns(&bench->timers), 51 * ms);
    cr_assert_eq(bench_run(bench, 50 * ms, 1000), 0);
    cr_assert_eq(bench_run(bench, 51 * ms, 1000), 1);
    free(bench);
}

Test(core_timer, after_a_long_idle_time_the_next_deadline_is_told_exactly)
{
    struct bench *const bench = bench_make(7 * ms);
    const uint64_t later_ns = UINT64_C(40000000) * ms;

    bench_run(bench, later_ns, ALL);
    timer_arm(&bench->timers, &bench->probes[0].timer, later_ns + 5 * ms);
    cr_assert_eq(timers_next_ns(&bench->timers), later_ns + 5 * ms);
    free(bench);
}

Test(core_timer, fires_in_order_of_deadline_over_all_levels)
{
    struct bench *const bench = bench_make(3 * ms);
    const uint64_t deadlines[] = {4,    5,    66,     67,      4000,     4200,
                                  5000, 9999, 300000, 9000000, 20000000, UINT32_MAX};
    enum { COUNT = sizeof deadlines / sizeof deadlines[0] };

    for (size_t i = COUNT; i-- > 0;) {
        timer_arm(&bench->timers, &bench->probes[i].timer, deadlines[i] * ms);
    }
    cr_assert_eq(bench_run(bench, (uint64_t)UINT32_MAX * ms, ALL), COUNT);
    for (size_t i = 0; i < COUNT; i++) {
        cr_assert_eq(bench->probes[i].order, i);
    }
    free(bench);
}

Test(core_timer, equal_deadlines_fire_in_order_of_arming)
{
    struct bench *const bench = bench_make(0);

    for (size_t i = 0; i < 64; i++) {
        timer_arm(&bench->timers, &bench->probes[i].timer, 5000 * ms - i);
    }
    cr_assert_eq(bench_run(bench, 5000 * ms, ALL), 64);
    for (size_t i = 0; i < 64; i++) {
        cr_assert_eq(bench->probes[i].order, i);
    }
    free(bench);
}

Test(core_timer, one_may_cancel_another_of_the_same_run)
{
    struct bench *const bench = bench_make(0);

    bench->probes[0].victim = &bench->probes[1];
    for (size_t i = 0; i < 3; i++) {
        timer_arm(&bench->timers, &bench->probes[i].timer, 10 * ms);
    }
    cr_assert_eq(bench_run(bench, 10 * ms, ALL), 2);
    cr_assert_eq(bench->probes[1].fired_ns, 0);
    cr_assert_eq(bench->probes[2].order, 1);
    free(bench);
}

Test(core_timer, moved_later_it_does_not_fire_earlier)
{
    struct bench *const bench = bench_make(0);

    timer_arm(&bench->timers, &bench->probes[0].timer, 10 * ms);
    timer_arm(&bench->timers, &bench->probes[0].timer, 500 * ms);
    cr_assert_eq(bench->timers.count, 1);
    cr_assert_eq(bench_run(bench, 499 * ms, ALL), 0);
    cr_assert_eq(bench_run(bench, 500 * ms, ALL), 1);
    free(bench);
}

Test(core_timer, moved_earlier_it_fires_earlier)
{
    struct bench *const bench = bench_make(0);

    timer_arm(&bench->timers, &bench->probes[0].timer, 100000 * ms);
    timer_arm(&bench->timers, &bench->probes[0].timer, 10 * ms);
    cr_assert_eq(timers_next_ns(&bench->timers), 10 * ms);
    cr_assert_eq(bench_run(bench, 10 * ms, ALL), 1);
    cr_assert_eq(timers_next_ns(&bench->timers), UINT64_MAX);
    free(bench);
}

Test(core_timer, what_exceeds_the_budget_is_done_later)
{
    struct bench *const bench = bench_make(0);
    uint32_t fired = 0;
    uint32_t runs = 0;

    // 4,096 ms is the start of a slot of level 2, so each is moved down before it fires.
    for (size_t i = 0; i < 64; i++) {
        timer_arm(&bench->timers, &bench->probes[i].timer, (4100 + i) * ms);
    }
    while (fired < 64) {
        cr_assert_leq(timers_next_ns(&bench->timers), 5000 * ms);
        fired += bench_run(bench, 5000 * ms, 7);
        runs++;
    }
    cr_assert_geq(runs, 64 / 7);
    for (size_t i = 0; i < 64; i++) {
        cr_assert_eq(bench->probes[i].order, i);
    }
    cr_assert_eq(timers_next_ns(&bench->timers), UINT64_MAX);
    free(bench);
}

Test(core_timer, deadlines_at_the_end_of_time_are_kept)
{
    struct bench *const bench = bench_make(0);

    timer_arm(&bench->timers, &bench->probes[0].timer, UINT64_MAX);
    cr_assert_lt(timers_next_ns(&bench->timers), UINT64_MAX);
    cr_assert_eq(bench_run(bench, UINT64_MAX / 2, ALL), 0);
    cr_assert_eq(bench_run(bench, UINT64_MAX, ALL), 1);
    free(bench);
}

// A sleeper that wakes when timers_next_ns() says so misses no deadline, and wakes a few times
// only.
Test(core_timer, waiting_until_next_misses_nothing)
{
    struct bench *const bench = bench_make(123 * ms);
    const uint64_t deadline_ns = 123 * ms + UINT64_C(300000) * ms + 17;
    uint32_t wakes = 0;

    timer_arm(&bench->timers, &bench->probes[0].timer, deadline_ns);
    while (bench->fired == 0) {
        const uint64_t next_ns = timers_next_ns(&bench->timers);

        cr_assert_gt(next_ns, bench->now_ns);
        bench_run(bench, next_ns, ALL);
        wakes++;
    }
    cr_assert_eq(bench->probes[0].fired_ns, (deadline_ns + ms - 1) / ms * ms);
    cr_assert_leq(wakes, TIMERS_LEVELS);
    free(bench);
}

// Against a plain array of deadlines: random arming, moving, cancelling, and runs with random
// budgets.
static void against_model(uint64_t seed)
{
    struct bench *const bench = bench_make(seed * ms);
    uint64_t deadlines[64] = {0}; // in ns, 0: not armed
    struct random random;

    random_seed(&random, seed);
    for (int step = 0; step < 2000; step++) {
        const size_t i = random_below(&random, 64);
        const uint64_t span = UINT64_C(1) << random_below(&random, 45);

        if (random_below(&random, 4) == 0) {
            timer_cancel(&bench->timers, &bench->probes[i].timer);
            deadlines[i] = 0;
        } else {
            deadlines[i] = bench->now_ns + 1 + random_below(&random, span);
            timer_arm(&bench->timers, &bench->probes[i].timer, deadlines[i]);
        }
        if (random_below(&random, 8) == 0) {
            const uint64_t now_ns = bench->now_ns + random_below(&random, span);
            const bool whole = random_below(&random, 2) == 0;

            bench_run(bench, now_ns, whole ? ALL : (uint32_t)random_below(&random, 20));
            if (whole) {
                cr_assert_gt(timers_next_ns(&bench->timers), now_ns / ms * ms);
            }
            for (size_t j = 0; j < 64; j++) {
                struct probe *const probe = &bench->probes[j];
                const uint64_t due_ns = (deadlines[j] + ms - 1) / ms * ms;
                const bool fired = probe->fired_ns != 0;

                cr_assert(!fired || (deadlines[j] != 0 && due_ns <= now_ns), "seed %llu: early",
                          (unsigned long long)seed);
                if (fired) {
                    deadlines[j] = 0;
                    probe->fired_ns = 0;
                }
                cr_assert_eq(timer_armed(&probe->timer), deadlines[j] != 0, "seed %llu: lost",
                             (unsigned long long)seed);
                cr_assert(!whole || deadlines[j] == 0 || due_ns > now_ns, "seed %llu: late",
                          (unsigned long long)seed);
            }
        }
        uint64_t earliest_ns = UINT64_MAX;
        uint32_t count = 0;

        for (size_t j = 0; j < 64; j++) {
            if (deadlines[j] != 0) {
                const uint64_t due_ns = (deadlines[j] + ms - 1) / ms * ms;

                earliest_ns = due_ns < earliest_ns ? due_ns : earliest_ns;
                count++;
            }
        }
        cr_assert_leq(timers_next_ns(&bench->timers), earliest_ns, "seed %llu: would oversleep",
                      (unsigned long long)seed);
        cr_assert_eq(bench->timers.count, count);
    }
    free(bench);
}

Test(core_timer, does_what_a_plain_array_of_deadlines_does)
{
    for (uint64_t seed = 1; seed <= 60; seed++) {
        against_model(seed);
    }
}
