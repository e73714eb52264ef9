#include "cli/bench_run.h"

#include "cli/bench_thread.h"
#include "cli/progress.h"
#include "core/check.h"
#include "core/memory.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

enum {
    RUN_POLL_NS = 20 * 1000 * 1000,       // how often the main thread looks
    RUN_DESCRIPTORS_SPARE = 64,           // beside the connections
    RUN_START_DELAY_NS = 1 * 1000 * 1000, // so that all threads are there when the phase begins
};

struct run {
    struct cli *cli;
    const struct bench_plan *plan;
    struct bench_shared *shared;
    struct bench_thread *threads;
    struct bench_result *result;
};

// What a thread does: open, wait for the word, then phase after phase until the barrier says to
// end.
static void *run_thread(void *argument)
{
    struct bench_thread *const thread = argument;
    struct bench_shared *const shared = thread->shared;

    if (bench_thread_open(thread) != 0) {
        atomic_store(&shared->stop, true);
    }
    pthread_barrier_wait(&shared->barrier);
    for (;;) {
        pthread_barrier_wait(&shared->barrier);
        if (shared->ending) {
            return NULL;
        }
        bench_thread_phase(thread);
        pthread_barrier_wait(&shared->barrier);
    }
}

// Sleeps a little; true when someone pressed Ctrl-C, which all threads have blocked.
static bool run_sleep(void)
{
    const struct timespec time = {.tv_nsec = RUN_POLL_NS};
    sigset_t signals;

    sigemptyset(&signals);
    sigaddset(&signals, SIGINT);
    return sigtimedwait(&signals, NULL, &time) == SIGINT;
}

struct run_counts {
    uint64_t replies;
    uint64_t operations;
    uint64_t bytes_sent;
    uint64_t bytes_received;
    bool finished;
};

static struct run_counts run_count(const struct run *run)
{
    struct run_counts counts = {.finished = true};

    for (uint32_t i = 0; i < run->plan->threads; i++) {
        struct bench_live *const live = &run->threads[i].live;

        counts.replies += atomic_load_explicit(&live->replies, memory_order_relaxed);
        counts.operations += atomic_load_explicit(&live->operations, memory_order_relaxed);
        counts.bytes_sent += atomic_load_explicit(&live->bytes_sent, memory_order_relaxed);
        counts.bytes_received += atomic_load_explicit(&live->bytes_received, memory_order_relaxed);
        counts.finished =
            counts.finished && atomic_load_explicit(&live->finished, memory_order_acquire);
    }
    return counts;
}

// Where the CPU is looked at: after the warm-up, and at the end.
struct run_look {
    bool taken;
    uint64_t replies;
    struct bench_cpu server;
    struct bench_cpu client;
};

static void run_take_look(const struct run *run, struct run_look *look)
{
    // The server's first, so that its answer to INFO is not among the replies.
    look->server = bench_cpu_server(run->plan, &run->cli->client);
    look->client = bench_cpu_self();
    look->replies = run_count(run).replies;
    look->taken = true;
}

static void run_show(const struct run *run, struct progress *progress, uint64_t operations)
{
    const struct bench_plan *const plan = run->plan;
    const uint64_t whole_ns = plan->warmup_ns + plan->duration_ns;

    if (run->shared->loading) {
        progress_update(progress, operations, operations, plan->keys);
    } else if (plan->requests != 0) {
        progress_update(progress, operations, operations, plan->requests);
    } else {
        progress_update(progress, operations, progress_now_ns() - run->shared->phase_start_ns,
                        whole_ns);
    }
}

// Watches the threads until all have finished the phase. `first` was taken before it began; where
// there is a warm-up another is taken after that.
static void run_watch(struct run *run, struct run_look first, struct bench_phase *phase)
{
    const uint64_t warm_ns = run->shared->phase_start_ns + run->plan->warmup_ns;
    const struct run_counts before = run_count(run);
    struct run_counts now = before;
    struct run_look last;
    struct progress progress;

    now.finished = false;
    progress_start(&progress, run->shared->loading ? "load" : "run", "operations");
    while (!now.finished) {
        if (!first.taken && progress_now_ns() >= warm_ns) {
            run_take_look(run, &first);
        }
        if (run_sleep()) {
            run->result->stopped = true;
            atomic_store(&run->shared->stop, true);
        }
        now = run_count(run);
        run_show(run, &progress, now.operations - before.operations);
    }
    run_take_look(run, &last);
    progress_finish(&progress);
    phase->bytes_sent = now.bytes_sent - before.bytes_sent;
    phase->bytes_received = now.bytes_received - before.bytes_received;
    if (first.taken) {
        phase->replies = last.replies - first.replies;
        phase->server = bench_cpu_between(&first.server, &last.server);
        phase->client = bench_cpu_between(&first.client, &last.client);
    }
}

static void run_phase(struct run *run, bool loading, struct bench_phase *phase)
{
    struct bench_shared *const shared = run->shared;
    struct run_look first = {.taken = false};

    for (uint32_t i = 0; i < run->plan->threads; i++) {
        atomic_store(&run->threads[i].live.finished, false);
    }
    if (loading || run->plan->warmup_ns == 0) {
        run_take_look(run, &first);
    }
    shared->loading = loading;
    shared->phase_start_ns = progress_now_ns() + RUN_START_DELAY_NS;
    pthread_barrier_wait(&shared->barrier); // begin
    run_watch(run, first, phase);
    pthread_barrier_wait(&shared->barrier); // all have ended
    phase->done = true;
    bench_stats_init(&phase->stats);
    for (uint32_t i = 0; i < run->plan->threads; i++) {
        bench_stats_merge(&phase->stats, &run->threads[i].stats);
    }
    phase->seconds = (double)(phase->stats.last_ns - phase->stats.first_ns) / 1e9;
}

// Finds where keys go. EXIT_DONE or EXIT_FAILED.
static int run_route(struct run *run)
{
    static const char *const words[] = {"CLUSTER", "SLOTS"};
    struct bench_route *const route = &run->shared->route;
    char error[BENCH_ROUTE_ERROR_SIZE];
    redisReply *reply = NULL;
    int code = EXIT_DONE;

    bench_route_single(route, &run->plan->target);
    if (!run->plan->cluster) {
        return EXIT_DONE;
    }
    code = cli_call(run->cli, 2, words, NULL, &reply);
    if (code != EXIT_DONE) {
        return code;
    }
    if (bench_route_read(route, reply, run->plan->target.host, error) != 0) {
        code = cli_fail(run->cli, "%s", error);
    } else if (run->plan->connections < route->node_count * run->plan->threads) {
        code = cli_misused(run->cli,
                           "bench: --cluster wants a connection for each of %u nodes in each "
                           "thread: --connections %u or more",
                           route->node_count, route->node_count * run->plan->threads);
    }
    freeReplyObject(reply);
    return code;
}

// Each connection is a descriptor; the usual limit is 1024.
static int run_raise_limit(const struct run *run)
{
    const rlim_t wanted = (rlim_t)run->plan->connections + run->plan->idle_connections +
                          run->plan->threads + RUN_DESCRIPTORS_SPARE;
    struct rlimit limit;

    CHECK(getrlimit(RLIMIT_NOFILE, &limit) == 0);
    if (limit.rlim_cur >= wanted) {
        return EXIT_DONE;
    }
    if (limit.rlim_max < wanted) {
        return cli_fail(run->cli,
                        "bench: %llu descriptors are needed and %llu allowed: raise the limit "
                        "(ulimit -Hn), or open fewer connections",
                        (unsigned long long)wanted, (unsigned long long)limit.rlim_max);
    }
    limit.rlim_cur = wanted;
    return setrlimit(RLIMIT_NOFILE, &limit) == 0
               ? EXIT_DONE
               : cli_fail(run->cli, "bench: cannot raise the limit of descriptors: %s",
                          strerror(errno));
}

// Starts the threads and waits until all are connected.
static int run_start(struct run *run)
{
    const uint64_t start_ns = progress_now_ns();

    for (uint32_t i = 0; i < run->plan->threads; i++) {
        struct bench_thread *const thread = &run->threads[i];

        thread->shared = run->shared;
        thread->number = i;
        thread->epoll = -1;
        const int error = pthread_create(&thread->thread, NULL, run_thread, thread);

        if (error != 0) {
            // Those that run already wait at the barrier for ever: there is nothing to clean up to.
            cli_fail(run->cli, "bench: cannot start a thread: %s", strerror(error));
            exit(EXIT_FAILED);
        }
    }
    pthread_barrier_wait(&run->shared->barrier);
    run->result->connect_seconds = (double)(progress_now_ns() - start_ns) / 1e9;
    for (uint32_t i = 0; i < run->plan->threads; i++) {
        if (run->threads[i].error[0] != '\0') {
            return cli_fail(run->cli, "bench: cannot connect: %s", run->threads[i].error);
        }
    }
    return EXIT_DONE;
}

static void run_stop(struct run *run)
{
    run->shared->ending = true;
    pthread_barrier_wait(&run->shared->barrier);
    for (uint32_t i = 0; i < run->plan->threads; i++) {
        pthread_join(run->threads[i].thread, NULL);
        bench_thread_close(&run->threads[i]);
    }
}

// With the threads there: the phases.
static int run_phases(struct run *run)
{
    int code = run_start(run);

    if (code == EXIT_DONE && run->plan->load) {
        run_phase(run, true, &run->result->load);
    }
    if (code == EXIT_DONE && run->plan->run && !atomic_load(&run->shared->stop)) {
        run_phase(run, false, &run->result->run);
    }
    run_stop(run);
    return code;
}

int bench_run(struct cli *cli, const struct bench_plan *plan, struct bench_result *ret_result)
{
    struct bench_shared *const shared = cli_allocate(sizeof *shared);
    struct bench_ledger *const ledger = plan->verify ? cli_allocate(sizeof *ledger) : NULL;
    struct run run = {.cli = cli, .plan = plan, .shared = shared, .result = ret_result};
    sigset_t interrupt;
    sigset_t before;
    int code = EXIT_DONE;

    *ret_result = (struct bench_result){.connect_seconds = 0};
    shared->plan = plan;
    shared->ledger = ledger;
    code = run_route(&run);
    if (code == EXIT_DONE) {
        code = run_raise_limit(&run);
    }
    if (code == EXIT_DONE) {
        ret_result->nodes = shared->route.node_count;
        run.threads = cli_allocate_aligned(plan->threads * sizeof *run.threads, 64);
        bench_values_init(&shared->values, plan);
        bench_request_init(&shared->request, plan, &shared->values);
        if (ledger != NULL) {
            bench_ledger_init(ledger, plan->keys);
        }
        pthread_barrier_init(&shared->barrier, NULL, plan->threads + 1);
        sigemptyset(&interrupt);
        sigaddset(&interrupt, SIGINT);
        pthread_sigmask(SIG_BLOCK, &interrupt, &before);
        code = run_phases(&run);
        pthread_sigmask(SIG_SETMASK, &before, NULL);
        pthread_barrier_destroy(&shared->barrier);
        if (ledger != NULL) {
            bench_ledger_free(ledger);
        }
        bench_values_free(&shared->values);
        memory_free(run.threads);
    }
    memory_free(ledger);
    memory_free(shared);
    return code;
}

void bench_result_free(struct bench_result *result)
{
    bench_stats_free(&result->load.stats);
    bench_stats_free(&result->run.stats);
}
