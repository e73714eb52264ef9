#include "core/reactor.h"

#include "core/check.h"
#include "core/io.h"
#include "core/limits.h"
#include "core/planted.h"
#include "core/sleep.h"
#include "core/timer.h"

// The time from the end of the last wait up to now was work.
static void reactor_account(struct reactor *reactor, uint64_t now_ns)
{
    const uint64_t worked_ns = now_ns - reactor->woken_ns;

    reactor->metrics.busy_ns += worked_ns;
    if (worked_ns > reactor->metrics.turn_ns_max) {
        reactor->metrics.turn_ns_max = worked_ns;
    }
}

// io's hook: the wait is over, completions come next.
static void reactor_woken(void *context)
{
    struct reactor *const reactor = context;

    if (!reactor->asleep) {
        reactor_account(reactor, reactor->io->now_ns);
    } else if (reactor->sleep_flag != NULL) {
        sleep_flag_retract(reactor->sleep_flag);
    }
    reactor->asleep = false;
    reactor->woken_ns = reactor->io->now_ns;
}

void reactor_init(struct reactor *reactor, struct io *io, struct timers *timers,
                  struct sleep_flag *sleep_flag, const struct reactor_phases *phases)
{
    CHECK(sleep_flag == NULL || phases->inbox_ready != NULL);
    *reactor = (struct reactor){
        .io = io,
        .timers = timers,
        .sleep_flag = sleep_flag,
        .phases = *phases,
        .woken_ns = io->now_ns,
        .active_ns = io->now_ns,
        .doze = {.window_ns = io->now_ns},
        .completions = io->completions,
    };
    io->woken = reactor_woken;
    io->woken_context = reactor;
}

// How long a core with nothing left to do may wait.
static uint64_t reactor_timeout(const struct reactor *reactor, uint64_t now_ns)
{
    const uint64_t next_ns = reactor->timers != NULL ? timers_next_ns(reactor->timers) : UINT64_MAX;

    if (reactor->spin_ns != 0 && now_ns - reactor->active_ns < reactor->spin_ns) {
        return 0;
    }
    if (next_ns == UINT64_MAX) {
        return UINT64_MAX;
    }
    return next_ns > now_ns ? next_ns - now_ns : 0;
}

// Whether the core, which was `active` in this turn, waits for several arrivals now, and how many.
static bool reactor_dozes(const struct reactor *reactor, bool active)
{
    return active && reactor->doze.count != 0 && reactor->spin_ns == 0;
}

static bool reactor_inbox_ready(const struct reactor *reactor)
{
    return reactor->phases.inbox_ready != NULL &&
           reactor->phases.inbox_ready(reactor->phases.context);
}

static void reactor_sleeps(struct reactor *reactor, uint64_t now_ns)
{
    reactor->asleep = true;
    reactor_account(reactor, now_ns);
}

static void reactor_wait(struct reactor *reactor, bool active, bool work_left)
{
    uint64_t timeout_ns = 0;

    if (!work_left && !reactor->stopped) {
        const uint64_t now_ns = io_clock_ns(reactor->io);
        const uint64_t doze_ns = doze_wait_ns(&reactor->doze, now_ns);

        timeout_ns = reactor_timeout(reactor, now_ns);
        if (timeout_ns != 0 && reactor_dozes(reactor, active)) {
            timeout_ns = timeout_ns < doze_ns ? timeout_ns : doze_ns;
            timeout_ns = reactor_inbox_ready(reactor) ? 0 : timeout_ns;
            if (timeout_ns != 0) {
                reactor->metrics.dozes++;
                reactor_sleeps(reactor, now_ns);
            }
            io_gather(reactor->io, timeout_ns, reactor->doze.count, doze_awaits(&reactor->doze));
            return;
        }
        if (timeout_ns != 0 && reactor->sleep_flag != NULL) {
            sleep_flag_announce(reactor->sleep_flag);
            if (!planted(PLANTED_LOSE_WAKE) && reactor_inbox_ready(reactor)) {
                sleep_flag_retract(reactor->sleep_flag);
                timeout_ns = 0;
            }
        }
        if (timeout_ns != 0) {
            reactor->metrics.sleeps++;
            reactor_sleeps(reactor, now_ns);
        }
    }
    io_turn(reactor->io, timeout_ns);
}

void reactor_turn(struct reactor *reactor)
{
    const struct reactor_phases *const phases = &reactor->phases;
    bool active = reactor->io->completions != reactor->completions;
    bool work_left = false;

    reactor->completions = reactor->io->completions;
    reactor->metrics.turns++;
    doze_update(&reactor->doze, reactor->io->now_ns);
    if (phases->inbox != NULL && phases->inbox(phases->context)) {
        active = true;
    }
    if (reactor->timers != NULL &&
        timers_run(reactor->timers, reactor->io->now_ns, LIMIT_REACTOR_TIMER_STEPS) != 0) {
        active = true;
    }
    if (phases->execute != NULL && phases->execute(phases->context)) {
        work_left = true;
    }
    if (phases->background != NULL && phases->background(phases->context)) {
        work_left = true;
    }
    if (phases->flush != NULL) {
        phases->flush(phases->context);
    }
    if (active || work_left) {
        reactor->active_ns = reactor->io->now_ns;
    }
    reactor_wait(reactor, active, work_left);
}

void reactor_run(struct reactor *reactor)
{
    // Not since reactor_init(): what lies between is the start of others.
    reactor->woken_ns = io_clock_ns(reactor->io);
    while (!reactor->stopped) {
        reactor_turn(reactor);
    }
}

void reactor_stop(struct reactor *reactor)
{
    reactor->stopped = true;
}
