// Cores that sleep without a limit and wake each other: messages go round between reactors on
// io_uring, over the queues between cores, by the sleep protocol. A lost wake-up hangs it; under
// TSan a missing fence or a field shared by mistake is reported.

#include "core/reactor.h"
#include "core/check.h"
#include "core/io.h"
#include "core/random.h"
#include "core/sleep.h"
#include "core/spsc.h"

#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    CORES = 3,
    ROUNDS = 3000,     // of each core's messages
    MESSAGES_MAX = 16, // of a core in a round
    QUEUE = 64,
};

struct message {
    uint32_t owner;
    uint32_t hops_left;
};

struct node;

struct core {
    struct sleep_flag sleep_flag; // first: alone on its line
    struct node *node;
    uint32_t index;
    struct io *io;
    struct reactor reactor;
    struct random random;
    struct message messages[MESSAGES_MAX];
    uint32_t away; // own messages under way
    uint32_t rounds;
    uint32_t held_count;
    struct message *held[CORES * MESSAGES_MAX]; // to be sent on
    uint32_t ended;                             // cores that are through, this one included
    struct message farewells[CORES];
    pthread_t thread;
};

struct node {
    struct core cores[CORES];
    struct spsc queues[CORES][CORES]; // from, to
    pthread_barrier_t opened;
    pthread_barrier_t stopped;
};

static const uint32_t farewell = UINT32_MAX; // hops_left of who says that it is through

static void core_begin_round(struct core *core)
{
    core->away = 1 + (uint32_t)random_below(&core->random, MESSAGES_MAX);
    for (uint32_t i = 0; i < core->away; i++) {
        core->messages[i] =
            (struct message){core->index, 1 + (uint32_t)random_below(&core->random, 4)};
        core->held[core->held_count++] = &core->messages[i];
    }
}

static void core_take(struct core *core, struct message *message)
{
    if (message->hops_left == farewell) {
        core->ended++;
    } else if (message->hops_left == 0 && message->owner == core->index) {
        core->away--;
    } else {
        core->held[core->held_count++] = message;
    }
}

static bool core_inbox(void *context)
{
    struct core *const core = context;
    bool any = false;

    for (uint32_t from = 0; from < CORES; from++) {
        void *messages[QUEUE];
        const uint32_t count = spsc_drain(&core->node->queues[from][core->index], messages, QUEUE);

        for (uint32_t i = 0; i < count; i++) {
            core_take(core, messages[i]);
            any = true;
        }
    }
    return any;
}

static bool core_inbox_ready(void *context)
{
    struct core *const core = context;

    for (uint32_t from = 0; from < CORES; from++) {
        if (spsc_ready(&core->node->queues[from][core->index])) {
            return true;
        }
    }
    return false;
}

static void core_send(struct core *core, struct message *message)
{
    uint32_t to = message->owner; // home after its last hop

    if (message->hops_left > 0) {
        message->hops_left--;
        to = (core->index + 1 + (uint32_t)random_below(&core->random, CORES - 1)) % CORES;
    }
    // The queues hold more than there are messages.
    CHECK(spsc_push(&core->node->queues[core->index][to], message));
}

static void core_farewell(struct core *core)
{
    core->ended++;
    for (uint32_t to = 0; to < CORES; to++) {
        if (to != core->index) {
            core->farewells[to].hops_left = farewell;
            CHECK(spsc_push(&core->node->queues[core->index][to], &core->farewells[to]));
        }
    }
}

static bool core_execute(void *context)
{
    struct core *const core = context;

    while (core->held_count > 0) {
        core_send(core, core->held[--core->held_count]);
    }
    if (core->away == 0 && core->rounds < ROUNDS) {
        if (++core->rounds == ROUNDS) {
            core_farewell(core);
        } else {
            core_begin_round(core);
        }
    }
    if (core->ended == CORES) {
        reactor_stop(&core->reactor);
    }
    return core->held_count > 0;
}

static void core_flush(void *context)
{
    struct core *const core = context;

    for (uint32_t to = 0; to < CORES; to++) {
        if (spsc_publish(&core->node->queues[core->index][to]) && to != core->index &&
            sleep_flag_must_wake(&core->node->cores[to].sleep_flag)) {
            io_wake(core->io, core->node->cores[to].io);
        }
    }
}

static void *core_run(void *context)
{
    struct core *const core = context;
    const struct io_uring_options options = {64, 8, 256};
    const struct reactor_phases phases = {.context = core,
                                          .inbox = core_inbox,
                                          .inbox_ready = core_inbox_ready,
                                          .execute = core_execute,
                                          .flush = core_flush};
    char error[IO_ERROR_TEXT_MAX];

    if (io_uring_open(&options, &core->io, error) != 0) {
        fprintf(stderr, "%s\n", error);
        exit(1);
    }
    pthread_barrier_wait(&core->node->opened);
    reactor_init(&core->reactor, core->io, NULL, &core->sleep_flag, &phases);
    core->reactor.spin_ns = core->index == 1 ? 5000 : 0; // one of them polls for a while
    core_begin_round(core);
    reactor_run(&core->reactor);
    // Others may still name it as the target of a wake.
    pthread_barrier_wait(&core->node->stopped);
    io_destroy(core->io);
    return NULL;
}

int main(void)
{
    struct node *const node = aligned_alloc(LIMIT_CACHE_LINE_BYTES, sizeof *node);
    uint64_t sleeps = 0;

    CHECK(node != NULL);
    memset(node, 0, sizeof *node);
    pthread_barrier_init(&node->opened, NULL, CORES);
    pthread_barrier_init(&node->stopped, NULL, CORES);
    for (uint32_t i = 0; i < CORES; i++) {
        node->cores[i].node = node;
        node->cores[i].index = i;
        random_seed(&node->cores[i].random, i);
        sleep_flag_init(&node->cores[i].sleep_flag);
        for (uint32_t j = 0; j < CORES; j++) {
            CHECK(spsc_init(&node->queues[i][j], QUEUE) == 0);
        }
    }
    for (uint32_t i = 0; i < CORES; i++) {
        CHECK(pthread_create(&node->cores[i].thread, NULL, core_run, &node->cores[i]) == 0);
    }
    for (uint32_t i = 0; i < CORES; i++) {
        pthread_join(node->cores[i].thread, NULL);
        sleeps += node->cores[i].reactor.metrics.sleeps;
    }
    for (uint32_t i = 0; i < CORES; i++) {
        for (uint32_t j = 0; j < CORES; j++) {
            spsc_destroy(&node->queues[i][j]);
        }
    }
    printf("%d rounds a core, %lu sleeps\n", ROUNDS, (unsigned long)sleeps);
    CHECK(sleeps > 0); // else nothing was shown
    free(node);
    return 0;
}
