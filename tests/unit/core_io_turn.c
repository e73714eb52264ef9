// Conformance of both backends of core/io.h: time, sleep, wakes, several cores.
#include "tests/unit/io_conformance.h"

#include <stdatomic.h>

static void hook(void *context)
{
    (*(int *)context)++;
}

CASE(core_io_turn, a_turn_waits_as_long_as_told)
{
    static const uint64_t timeouts_ms[] = {30, 5, 20, 1, 0, 15};
    const uint64_t ns_per_ms = 1000 * 1000;

    for (size_t i = 0; i < sizeof timeouts_ms / sizeof *timeouts_ms; i++) {
        const uint64_t timeout_ns = timeouts_ms[i] * ns_per_ms;
        const uint64_t before_ns = io_clock_ns(driver->io);
        uint64_t waited_ns = 0;
        int turns = 0;

        // It may end early, but not often: that would be no sleep.
        do {
            io_turn(driver->io, timeout_ns - waited_ns);
            EXPECT(driver->io->now_ns >= before_ns);
            waited_ns = driver->io->now_ns - before_ns;
            turns++;
        } while (waited_ns < timeout_ns);
        EXPECT(turns <= 3);
    }
}

CASE(core_io_turn, a_short_wait_after_a_long_one_is_short)
{
    const uint64_t hour_ns = UINT64_C(3600000000000);
    uint8_t byte = 0;
    uint64_t before_ns = 0;

    for (int i = 0; i < 3; i++) {
        struct call call = {0};

        io_read(driver->io, call_op(&call), 9999, &byte, 1, 0);
        for (int turns = 0; call.calls == 0; turns++) { // ended by the completion
            EXPECT(turns < TURNS_MAX);
            io_turn(driver->io, hour_ns);
        }
        before_ns = io_clock_ns(driver->io);
        while (driver->io->now_ns - before_ns < 3 * TURN_NS || driver->io->now_ns < before_ns) {
            io_turn(driver->io, 3 * TURN_NS);
        }
        EXPECT(driver->io->now_ns - before_ns < hour_ns / 100);
    }
}

CASE(core_io_turn, clocks_are_read_once_a_turn_and_never_go_back)
{
    uint64_t now_ns = driver->io->now_ns;
    const uint64_t wall_ms = driver->io->wall_ms;

    EXPECT(wall_ms > UINT64_C(1700000000000)); // 2023
    EXPECT(driver->io->now_ns == now_ns);
    for (int i = 0; i < 20; i++) {
        io_turn(driver->io, TURN_NS);
        EXPECT(driver->io->now_ns >= now_ns && io_clock_ns(driver->io) >= driver->io->now_ns);
        now_ns = driver->io->now_ns;
    }
    // 20 ms and more on the one, so about that on the other: it is not adjusted by seconds now.
    EXPECT(driver->io->wall_ms >= wall_ms && driver->io->wall_ms < wall_ms + 60000);
}

struct order {
    struct call call; // first
    int *hooks;
    int hooks_seen;
};

static void order_done(struct io_op *op, int32_t result)
{
    struct order *const order = (struct order *)op;

    call_done(op, result);
    order->hooks_seen = *order->hooks;
}

CASE(core_io_turn, the_hook_runs_once_a_turn_before_completions)
{
    int hooks = 0;
    struct order order = {.hooks = &hooks};
    uint8_t byte = 0;
    int turns = 0;

    driver->io->woken = hook;
    driver->io->woken_context = &hooks;
    order.call.op.done = order_done;
    io_read(driver->io, &order.call.op, 9999, &byte, 1, 0);
    while (order.call.calls == 0) {
        io_turn(driver->io, TURN_NS);
        turns++;
        EXPECT(hooks == turns && turns < TURNS_MAX);
    }
    EXPECT(order.hooks_seen == turns);
    driver->io->woken = NULL;
}

CASE(core_io_turn, entropy_differs)
{
    uint8_t bytes[4][1000];

    memset(bytes, 0, sizeof bytes);
    for (int i = 0; i < 4; i++) {
        EXPECT(io_entropy(driver->io, bytes[i], sizeof bytes[i]) == 0);
        for (int j = 0; j < i; j++) {
            EXPECT(memcmp(bytes[i], bytes[j], sizeof bytes[i]) != 0);
        }
    }
    EXPECT(io_entropy(driver->io, bytes[0], 0) == 0);
}

enum { GATHERED = 5 };

// Starts so many operations that fail when they are submitted, which none of them is before the
// turn.
static void gather_start(struct io_driver *driver, struct call *calls, int count)
{
    for (int i = 0; i < count; i++) {
        calls[i] = (struct call){0};
        io_sync(driver->io, call_op(&calls[i]), 9999, true);
    }
}

static int gather_done(const struct call *calls, int count)
{
    int done = 0;

    for (int i = 0; i < count; i++) {
        done += (int)calls[i].calls;
    }
    return done;
}

CASE(core_io_turn, gathering_ends_when_all_are_there)
{
    const uint64_t hour_ns = UINT64_C(3600000000000);
    const uint64_t before_ns = io_clock_ns(driver->io);
    struct call calls[GATHERED];
    int done = 0;

    gather_start(driver, calls, GATHERED);
    for (int turns = 0; done < GATHERED; turns++) {
        EXPECT(turns < TURNS_MAX);
        io_gather(driver->io, hour_ns, (uint32_t)(GATHERED - done), false);
        done = gather_done(calls, GATHERED);
    }
    EXPECT(driver->io->now_ns - before_ns < hour_ns / 100);
}

CASE(core_io_turn, gathering_waits_for_more_than_the_first)
{
    int early = 0;

    for (int i = 0; i < 20; i++) {
        const uint64_t before_ns = io_clock_ns(driver->io);
        struct call calls[GATHERED];

        gather_start(driver, calls, GATHERED);
        io_gather(driver->io, 3 * TURN_NS, GATHERED + 1, false);
        early += driver->io->now_ns < before_ns + 3 * TURN_NS;
        while (gather_done(calls, GATHERED) < GATHERED) { // delivered in parts
            io_turn(driver->io, TURN_NS);
        }
    }
    EXPECT(early < 10); // it may end early, but not often
}

CASE(core_io_turn, gatherings_end_though_nothing_comes)
{
    static const uint64_t timeouts_us[] = {200, 200, 40000, 200, 1000, 150, 100, 200};
    const uint64_t hour_ns = UINT64_C(3600000000000);
    const uint64_t before_ns = io_clock_ns(driver->io);
    struct call calls[GATHERED];

    for (size_t i = 0; i < sizeof timeouts_us / sizeof *timeouts_us; i++) {
        io_gather(driver->io, timeouts_us[i] * 1000, GATHERED, false);
    }
    // What the last of them may have left behind ends no op, and nothing is lost by it.
    gather_start(driver, calls, GATHERED);
    for (int turns = 0; gather_done(calls, GATHERED) < GATHERED; turns++) {
        EXPECT(turns < TURNS_MAX);
        io_turn(driver->io, hour_ns);
    }
    EXPECT(driver->io->now_ns - before_ns < hour_ns / 100);
}

CASE(core_io_turn, a_core_can_wake_itself)
{
    const uint64_t before_ns = io_clock_ns(driver->io);

    io_wake(driver->io, driver->io);
    io_turn(driver->io, UINT64_MAX);
    EXPECT(driver->io->now_ns - before_ns < UINT64_C(10000000000));
    EXPECT(driver->io->wakes == 1);
}

// Cores that wake each other in turn: each waits without a limit until it is its turn.
struct ring {
    struct io_actor actors[3];
    atomic_uint turn;
    unsigned rounds;
};

static bool ring_step(struct io_actor *actor)
{
    struct ring *const ring = actor->context;
    const unsigned own = (unsigned)(actor - ring->actors);
    const unsigned turn = atomic_load(&ring->turn);

    if (turn / 3 >= ring->rounds) {
        // Over. The next one may sleep; it may also be past its last turn already.
        io_wake(actor->io, ring->actors[(own + 1) % 3].io);
        io_turn(actor->io, 0);
        return false;
    }
    if (turn % 3 == own) {
        atomic_store(&ring->turn, turn + 1);
        io_wake(actor->io, ring->actors[(own + 1) % 3].io);
    }
    io_turn(actor->io, UINT64_MAX);
    return true;
}

CASE(core_io_turn, cores_wake_each_other)
{
    struct ring ring = {.rounds = 200};

    atomic_init(&ring.turn, 0);
    for (int i = 0; i < 3; i++) {
        ring.actors[i] = (struct io_actor){.step = ring_step, .context = &ring};
    }
    io_driver_run(driver, ring.actors, 3);
    EXPECT(atomic_load(&ring.turn) == 600);
}

// Two cores that listen at one port, a third that connects to it.
struct shared {
    struct io_actor actors[3];
    struct io_address address;
    atomic_uint listening;
    atomic_uint accepted[2];
    atomic_uint phase; // 0: accept, 1: close
};

enum { SHARED_CONNECTIONS = 40 };

struct shared_core {
    struct shared *shared;
    struct io_driver driver; // so that the helpers can be used
    struct acceptor acceptor;
    struct call call;
    int fds[SHARED_CONNECTIONS];
    int opened;
    int closed;
    bool begun;
};

static struct shared_core shared_cores[3];

static void shared_listen(struct io_actor *actor, struct shared_core *core)
{
    core->acceptor = (struct acceptor){.stream.event = acceptor_event};
    cr_assert_eq(io_listen(actor->io, &core->shared->address, IO_LISTEN_SHARED_PORT,
                           &core->acceptor.listener),
                 0);
    io_accept_start(actor->io, &core->acceptor.stream, core->acceptor.listener);
    core->begun = true;
}

// Closes what was accepted, then the listener. True while there is something left.
static bool shared_close(struct io_actor *actor, struct shared_core *core)
{
    if (core->call.op.pending) {
        return true;
    }
    if ((uint32_t)core->closed < core->acceptor.count) {
        io_close(actor->io, call_op(&core->call), core->acceptor.fds[core->closed++]);
        return true;
    }
    io_stream_stop(actor->io, &core->acceptor.stream);
    if (core->acceptor.stream.active) {
        return true;
    }
    if (core->acceptor.listener >= 0) {
        io_close(actor->io, call_op(&core->call), core->acceptor.listener);
        core->acceptor.listener = -1;
        return true;
    }
    return false;
}

static bool shared_server_step(struct io_actor *actor)
{
    struct shared_core *const core = actor->context;
    struct shared *const shared = core->shared;
    bool more = true;

    if (!core->begun) {
        shared_listen(actor, core);
    } else if (atomic_load(&shared->listening) < 2 && core->opened == 0) {
        // The listener was made in a turn before this one.
        core->opened = 1;
        atomic_fetch_add(&shared->listening, 1);
    }
    atomic_store(&shared->accepted[core - shared_cores], core->acceptor.count);
    if (atomic_load(&shared->phase) == 1) {
        more = shared_close(actor, core);
    }
    io_turn(actor->io, more ? TURN_NS : 0);
    return more;
}

static bool shared_client_step(struct io_actor *actor)
{
    struct shared_core *const core = actor->context;
    struct shared *const shared = core->shared;
    bool more = true;

    if (atomic_load(&shared->listening) == 2 && !core->call.op.pending) {
        if (core->opened < SHARED_CONNECTIONS) {
            cr_assert_eq(io_connect(actor->io, call_op(&core->call), &shared->address,
                                    &core->fds[core->opened++]),
                         0);
        } else if (core->closed < SHARED_CONNECTIONS) {
            if (atomic_load(&shared->accepted[0]) + atomic_load(&shared->accepted[1]) ==
                SHARED_CONNECTIONS) {
                io_close(actor->io, call_op(&core->call), core->fds[core->closed++]);
            }
        } else {
            atomic_store(&shared->phase, 1);
            more = false;
        }
    }
    io_turn(actor->io, more ? TURN_NS : 0);
    return more;
}

CASE(core_io_turn, a_shared_port_spreads_connections_over_its_cores)
{
    struct shared shared;
    struct acceptor acceptor;

    memset(&shared, 0, sizeof shared);
    memset(shared_cores, 0, sizeof shared_cores);
    acceptor_start(&acceptor, driver, "127.0.0.1:0"); // for a port that is free
    shared.address = acceptor.address;
    acceptor_finish(&acceptor, driver);
    for (int i = 0; i < 3; i++) {
        shared_cores[i].shared = &shared;
        shared.actors[i] = (struct io_actor){
            .step = i < 2 ? shared_server_step : shared_client_step, .context = &shared_cores[i]};
    }
    io_driver_run(driver, shared.actors, 3);
    EXPECT(shared.accepted[0] + shared.accepted[1] == SHARED_CONNECTIONS);
    EXPECT(shared.accepted[0] > 0 && shared.accepted[1] > 0);
}
