// The loop of one core, over an io that only records how it was called.
#include "core/io.h"
#include "core/limits.h"
#include "core/reactor.h"
#include "core/sleep.h"
#include "core/timer.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

struct loop {
    struct io io;
    struct io_vtable vtable;
    struct reactor reactor;
    struct timers timers;
    struct timer timer;
    struct sleep_flag sleep_flag;
    char trace[256];
    uint64_t clock_ns;
    uint64_t timeout_ns;     // of the last io_turn()
    uint32_t count;          // of the last io_turn() or io_gather()
    bool exact;              // the same
    uint64_t wait_ns;        // how long io_turn() "waits"
    bool asleep_in_wait;     // what another core would have seen
    bool asleep_in_complete; // the same, in a completion function
    bool inbox_ready;
    bool execute_left;
    bool background_left;
    bool complete; // io_turn() runs a completion
};

static void trace(struct loop *loop, const char *what)
{
    const size_t size = strlen(loop->trace);

    snprintf(loop->trace + size, sizeof loop->trace - size, "%s ", what);
}

static bool is_asleep(struct loop *loop)
{
    return atomic_load(&loop->sleep_flag.asleep) != 0;
}

static void fake_turn(struct io *io, uint64_t timeout_ns, uint32_t count, bool exact)
{
    struct loop *const loop = (struct loop *)io;

    loop->count = count;
    loop->exact = exact;
    trace(loop, "wait");
    loop->timeout_ns = timeout_ns;
    loop->asleep_in_wait = is_asleep(loop);
    loop->clock_ns += loop->wait_ns;
    io->now_ns = loop->clock_ns;
    io->woken(io->woken_context);
    if (loop->complete) {
        loop->asleep_in_complete = is_asleep(loop);
        io->completions++;
    }
}

static uint64_t fake_clock_ns(struct io *io)
{
    return ((struct loop *)io)->clock_ns;
}

static bool on_inbox(void *context)
{
    trace(context, "inbox");
    return false;
}

static bool on_inbox_ready(void *context)
{
    struct loop *const loop = context;

    trace(loop, is_asleep(loop) ? "look(asleep)" : "look");
    return loop->inbox_ready;
}

static bool on_execute(void *context)
{
    trace(context, "execute");
    return ((struct loop *)context)->execute_left;
}

static bool on_background(void *context)
{
    trace(context, "background");
    return ((struct loop *)context)->background_left;
}

static void on_flush(void *context)
{
    struct loop *const loop = context;

    trace(loop, "flush");
    loop->clock_ns += 300; // what the turn cost
}

static void on_timer(struct timer *timer)
{
    trace((struct loop *)((char *)timer - offsetof(struct loop, timer)), "timer");
}

static void loop_init(struct loop *loop)
{
    const struct reactor_phases phases = {.context = loop,
                                          .inbox = on_inbox,
                                          .inbox_ready = on_inbox_ready,
                                          .execute = on_execute,
                                          .background = on_background,
                                          .flush = on_flush};

    memset(loop, 0, sizeof *loop);
    loop->vtable.turn = fake_turn;
    loop->vtable.clock_ns = fake_clock_ns;
    loop->io.vtable = &loop->vtable;
    loop->clock_ns = UINT64_C(1000000000);
    loop->io.now_ns = loop->clock_ns;
    loop->timer.fire = on_timer;
    timers_init(&loop->timers, loop->clock_ns);
    sleep_flag_init(&loop->sleep_flag);
    reactor_init(&loop->reactor, &loop->io, &loop->timers, &loop->sleep_flag, &phases);
}

Test(core_reactor, phases_run_in_their_order_and_sleep_is_announced_before_the_last_look)
{
    struct loop loop;

    loop_init(&loop);
    timer_arm(&loop.timers, &loop.timer, loop.clock_ns);
    reactor_turn(&loop.reactor);
    cr_expect_str_eq(loop.trace, "inbox timer execute background flush look(asleep) wait ");
    cr_expect(loop.asleep_in_wait);
    cr_expect_eq(loop.timeout_ns, UINT64_MAX);
    cr_expect_eq(loop.reactor.metrics.sleeps, 1);
}

Test(core_reactor, work_left_behind_means_no_wait_and_no_announcement)
{
    struct loop loop;

    for (int i = 0; i < 2; i++) {
        loop_init(&loop);
        loop.execute_left = i == 0;
        loop.background_left = i == 1;
        reactor_turn(&loop.reactor);
        cr_expect_str_eq(loop.trace, "inbox execute background flush wait ");
        cr_expect_eq(loop.timeout_ns, 0);
        cr_expect_not(loop.asleep_in_wait);
        cr_expect_eq(loop.reactor.metrics.sleeps, 0);
    }
}

Test(core_reactor, a_message_seen_in_the_last_look_ends_the_sleep_before_it_begins)
{
    struct loop loop;

    loop_init(&loop);
    loop.inbox_ready = true;
    reactor_turn(&loop.reactor);
    cr_expect_eq(loop.timeout_ns, 0);
    cr_expect_not(loop.asleep_in_wait);
}

Test(core_reactor, the_announcement_is_gone_before_completions_run)
{
    struct loop loop;

    loop_init(&loop);
    loop.complete = true;
    reactor_turn(&loop.reactor);
    cr_expect(loop.asleep_in_wait);
    cr_expect_not(loop.asleep_in_complete);
}

Test(core_reactor, a_wait_ends_with_the_next_timer)
{
    struct loop loop;

    loop_init(&loop);
    timer_arm(&loop.timers, &loop.timer, loop.clock_ns + 5000000);
    reactor_turn(&loop.reactor);
    // 300 ns of the time were used up by the turn itself.
    cr_expect_leq(loop.timeout_ns, 5000000 - 300);
    cr_expect_gt(loop.timeout_ns, 0);
    loop.wait_ns = 0;
    loop.clock_ns += 6000000;
    reactor_turn(&loop.reactor);
    cr_expect_eq(loop.timeout_ns, 0); // due by now, though not run: now_ns is of the turn's begin
}

Test(core_reactor, it_polls_for_a_while_after_the_last_work_when_told_to)
{
    struct loop loop;

    loop_init(&loop);
    loop.reactor.spin_ns = 10000;
    loop.wait_ns = 4000;
    loop.complete = true;
    reactor_turn(&loop.reactor);
    cr_expect_eq(loop.timeout_ns, 0, "it was active just now, at init");
    loop.complete = false;
    reactor_turn(&loop.reactor); // sees that a completion ran
    reactor_turn(&loop.reactor);
    cr_expect_eq(loop.timeout_ns, 0);
    reactor_turn(&loop.reactor);
    reactor_turn(&loop.reactor);
    cr_expect_eq(loop.timeout_ns, UINT64_MAX);
}

Test(core_reactor, time_asleep_is_not_counted_as_busy)
{
    struct loop loop;

    loop_init(&loop);
    loop.wait_ns = 1000000;
    reactor_turn(&loop.reactor); // 300 of work, then asleep
    cr_expect_eq(loop.reactor.metrics.busy_ns, 300);
    loop.execute_left = true;
    loop.wait_ns = 50; // what the system call takes without a wait
    reactor_turn(&loop.reactor);
    cr_expect_eq(loop.reactor.metrics.busy_ns, 300 + 350);
    cr_expect_eq(loop.reactor.metrics.turn_ns_max, 350);
    cr_expect_eq(loop.reactor.metrics.turns, 2);
}

Test(core_reactor, a_core_under_load_dozes_unannounced_and_then_sleeps)
{
    struct loop loop;

    loop_init(&loop);
    loop.reactor.doze.count = 7;
    loop.complete = true;
    reactor_turn(&loop.reactor); // nothing came yet: it sleeps
    cr_expect(loop.asleep_in_wait);
    cr_expect_eq(loop.count, 1);
    loop.trace[0] = '\0';
    loop.complete = false;
    loop.wait_ns = 1000;
    reactor_turn(&loop.reactor);
    cr_expect_str_eq(loop.trace, "inbox execute background flush look wait ");
    cr_expect_eq(loop.count, 7);
    cr_expect_not(loop.exact);
    cr_expect_eq(loop.timeout_ns, LIMIT_DOZE_NS);
    cr_expect_not(loop.asleep_in_wait);
    cr_expect_eq(loop.reactor.metrics.dozes, 1);
    cr_expect_eq(loop.reactor.metrics.busy_ns, 600, "a doze is not work");
    reactor_turn(&loop.reactor); // nothing came in the doze
    cr_expect(loop.asleep_in_wait);
    cr_expect_eq(loop.count, 1);
    cr_expect_eq(loop.timeout_ns, UINT64_MAX);
}

Test(core_reactor, a_doze_for_what_many_wait_for_ends_when_it_should)
{
    struct loop loop;

    loop_init(&loop);
    loop.reactor.doze.count = 7;
    loop.reactor.doze.lasts_ns = LIMIT_DOZE_NS / 2;
    doze_await(&loop.reactor.doze, loop.clock_ns);
    loop.io.completions++;
    reactor_turn(&loop.reactor);
    cr_expect_eq(loop.count, 7);
    cr_expect(loop.exact);
    cr_expect_eq(loop.timeout_ns, LIMIT_DOZE_NS / 2 - 300);
}

Test(core_reactor, a_doze_does_not_begin_with_mail)
{
    struct loop loop;

    loop_init(&loop);
    loop.reactor.doze.count = 7;
    loop.io.completions++;
    loop.inbox_ready = true;
    reactor_turn(&loop.reactor);
    cr_expect_eq(loop.timeout_ns, 0);
    cr_expect_eq(loop.reactor.metrics.dozes, 0);
}

static void on_flush_stop(void *context)
{
    struct loop *const loop = context;

    trace(loop, "stop");
    reactor_stop(&loop->reactor);
}

Test(core_reactor, stop_ends_the_run_after_a_turn_that_does_not_block)
{
    struct loop loop;

    loop_init(&loop);
    loop.reactor.phases.flush = on_flush_stop;
    reactor_run(&loop.reactor);
    cr_expect_str_eq(loop.trace, "inbox execute background stop wait ");
    cr_expect_eq(loop.timeout_ns, 0);
}
