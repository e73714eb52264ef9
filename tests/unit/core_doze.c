// When a core under load waits for more: the judgement alone.
#include "core/doze.h"
#include "core/limits.h"

#include <criterion/criterion.h>

// What the core does after a window in which each of so many connections sent so many times.
static uint32_t count_after(uint32_t connections, uint32_t times, uint64_t window_ns)
{
    struct doze doze = {.window_ns = 1000};

    for (uint32_t i = 0; i < times; i++) {
        for (uint32_t c = 0; c < connections; c++) {
            doze_note(&doze, i == 0 ? 999 : 1000 + i);
        }
    }
    doze_update(&doze, 1000 + window_ns);
    return doze.count;
}

Test(core_doze, few_connections_are_answered_at_once_however_fast_they_ask)
{
    for (uint32_t connections = 0; connections < DOZE_SOURCES_MIN; connections++) {
        cr_expect_eq(count_after(connections, 1000, DOZE_WINDOW_NS), 0, "%u", connections);
    }
}

Test(core_doze, some_connections_keep_it_busy_and_half_of_the_others)
{
    cr_expect_eq(count_after(15, 100, DOZE_WINDOW_NS), 5);
    cr_expect_eq(count_after(25, 20, DOZE_WINDOW_NS), 10);
    cr_expect_eq(count_after(50, 10, DOZE_WINDOW_NS), 22);
    cr_expect_eq(count_after(10000, 10, DOZE_WINDOW_NS), LIMIT_DOZE_ARRIVALS);
}

Test(core_doze, it_waits_for_no_more_than_will_come)
{
    const uint32_t dozes = DOZE_WINDOW_NS / LIMIT_DOZE_NS;

    cr_expect_eq(count_after(DOZE_ARRIVALS_MIN * dozes, 1, DOZE_WINDOW_NS), DOZE_ARRIVALS_MIN);
    cr_expect_eq(count_after(DOZE_ARRIVALS_MIN * dozes - 1, 1, DOZE_WINDOW_NS), 0);
    cr_expect_eq(count_after(6 * dozes, 1, DOZE_WINDOW_NS), 6);
    cr_expect_eq(count_after(6 * dozes, 1, DOZE_WINDOW_NS * 100), 0, "a long time for so few");
}

Test(core_doze, a_window_is_judged_when_it_is_over_and_forgotten_then)
{
    struct doze doze = {0};

    for (uint32_t i = 0; i < 100; i++) {
        doze_note(&doze, 1);
    }
    cr_expect_eq(doze.sources, 0, "each was seen in this window before");
    doze_update(&doze, DOZE_WINDOW_NS - 1);
    cr_expect_eq(doze.arrivals, 100);
    doze_update(&doze, DOZE_WINDOW_NS);
    cr_expect_eq(doze.arrivals, 0);
    for (uint32_t i = 0; i < 100; i++) {
        doze_note(&doze, i % 2 == 0 ? DOZE_WINDOW_NS - 1 : DOZE_WINDOW_NS);
    }
    cr_expect_eq(doze.sources, 100,
                 "asked in the turn that began the window, and asks again in it");
    doze_update(&doze, 2 * DOZE_WINDOW_NS);
    cr_expect_eq(doze.count, 10);
    doze_update(&doze, 3 * DOZE_WINDOW_NS);
    cr_expect_eq(doze.count, 0, "nothing came");
}

// What is awaited lasts so long, and the core looks when its doze is over, or when it is told.
static uint64_t learned_after(struct doze *doze, int times, uint64_t lasts_ns)
{
    uint64_t now_ns = 1000 * 1000;

    for (int i = 0; i < times; i++) {
        const uint64_t begin_ns = now_ns;

        doze_await(doze, now_ns);
        while (now_ns < begin_ns + lasts_ns) {
            const uint64_t wait_ns = doze_wait_ns(doze, now_ns);

            cr_assert(wait_ns > 0 && wait_ns <= LIMIT_DOZE_NS);
            now_ns += wait_ns;
        }
        doze_came(doze, now_ns);
        cr_assert_eq(doze->awaited_ns, 0);
        cr_assert_eq(doze_wait_ns(doze, now_ns), LIMIT_DOZE_NS, "nothing is awaited");
    }
    return doze->lasts_ns;
}

Test(core_doze, it_learns_how_long_what_is_awaited_lasts)
{
    struct doze doze = {0};
    uint64_t lasts_ns = learned_after(&doze, 200, 100 * 1000);

    cr_expect(lasts_ns > 80 * 1000 && lasts_ns < 120 * 1000, "%lu", (unsigned long)lasts_ns);
    lasts_ns = learned_after(&doze, 200, 60 * 1000);
    cr_expect(lasts_ns > 48 * 1000 && lasts_ns < 72 * 1000, "%lu", (unsigned long)lasts_ns);
    lasts_ns = learned_after(&doze, 200, 150 * 1000);
    cr_expect(lasts_ns > 120 * 1000 && lasts_ns < 180 * 1000, "%lu", (unsigned long)lasts_ns);
    cr_expect_eq(learned_after(&doze, 200, 1000), DOZE_AWAITED_NS_MIN);
    cr_expect_eq(learned_after(&doze, 200, LIMIT_DOZE_NS * 10), LIMIT_DOZE_NS);
}

Test(core_doze, what_is_awaited_is_not_forgotten_with_a_window)
{
    struct doze doze = {0};

    doze_await(&doze, 1000);
    doze_update(&doze, DOZE_WINDOW_NS * 2);
    cr_expect_eq(doze.awaited_ns, 1000);
    cr_expect_eq(doze_wait_ns(&doze, 1000), LIMIT_DOZE_NS, "not known yet");
    doze_came(&doze, 1000 + LIMIT_DOZE_NS / 2);
    cr_expect_lt(doze.lasts_ns, LIMIT_DOZE_NS, "it was heard of early");
}
