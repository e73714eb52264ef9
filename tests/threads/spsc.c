// Queues and the sleep protocol under stress. A thread with nothing to do sleeps until it is woken,
// and whoever waits for longer than the machine can have stalled fails the test.
//
// Mesh: three threads send messages to each other; each comes back to its sender and is sent again.
// Nothing may be lost, doubled or out of order.
//
// Ping-pong: two threads hand one message to and fro, so that nothing else repairs a wake that was
// missed. Each looks for it a random number of times before it goes to sleep, which makes it likely
// that one announces sleep in the very moment in which the other publishes. Without the fences of
// core/sleep.h about every second run of a release build hangs here.
//
//     threads_spsc [SEED [MESSAGES [HANDOVERS]]]

#include "core/spsc.h"
#include "core/random.h"
#include "core/sleep.h"

#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

enum {
    CORES = 3,
    CAPACITY = 8,         // of a queue: smaller than WINDOW, so that queues are full at times
    WINDOW = 16,          // messages of a core that are under way, at most
    BATCH_MAX = 5,        // taken from an inbox at a time
    MESSAGES = 30000,     // by each core
    HANDOVERS = 200000,   // of the ping-pong
    LOOKS_MAX = 20,       // before it sleeps
    STALL_MS = 60 * 1000, // no wait is longer unless a wake was lost
};

struct message {
    uint32_t owner;
    uint32_t target;
    uint64_t number; // of those from owner to target, so that their order shows
};

struct core {
    struct sleep_flag flag;
    struct spsc inboxes[CORES]; // by sender; the own one is not used
    int wake_fd;
    uint32_t id;
    uint32_t inbox_count;
    uint32_t window_size; // messages that it has under way, at most
    uint32_t messages;
    uint64_t seed;
    struct core *cores;
    pthread_t thread;

    // The thread's own.
    struct random random;
    struct message window[WINDOW];
    struct message *idle[WINDOW]; // own messages that are at home
    uint32_t idle_count;
    struct message *blocked[CORES * WINDOW]; // to be sent on when there is room
    uint32_t blocked_count;
    uint32_t started;
    uint32_t finished;
    uint64_t sent_to[CORES];
    uint64_t seen_from[CORES];
    uint64_t back_from[CORES];
    uint64_t sleeps;
    uint64_t wakes; // that it gave
    uint32_t others_done;
    bool told;
};

static void fail(const struct core *core, const char *what)
{
    fprintf(stderr, "core %u, seed %llu: %s\n", core->id, (unsigned long long)core->seed, what);
    abort();
}

static struct spsc *inbox(struct core *to, const struct core *from)
{
    return &to->inboxes[from->id];
}

// Sends a message on to whom it concerns next; keeps it when the queue is full.
static void pass_on(struct core *core, struct message *message)
{
    const uint32_t next = message->owner == core->id ? message->target : message->owner;

    // Not past one that waits, which may be for the same core.
    if (core->blocked_count != 0 || !spsc_push(inbox(&core->cores[next], core), message)) {
        core->blocked[core->blocked_count++] = message;
    }
}

static void receive(struct core *core, struct message *message)
{
    if (message->owner == core->id) {
        if (message->number != core->back_from[message->target]++) {
            fail(core, "a reply out of order");
        }
        core->idle[core->idle_count++] = message;
        core->finished++;
    } else {
        if (message->target != core->id || message->number != core->seen_from[message->owner]++) {
            fail(core, "a message out of order");
        }
        pass_on(core, message);
    }
}

static bool drain(struct core *core)
{
    bool any = false;

    for (uint32_t from = 0; from < CORES; from++) {
        void *items[BATCH_MAX];
        const uint32_t max = 1 + (uint32_t)random_below(&core->random, BATCH_MAX);
        const uint32_t count = spsc_drain(&core->inboxes[from], items, max);

        for (uint32_t i = 0; i < count; i++) {
            if (items[i] == &core->cores[from]) {
                core->others_done++; // the sender's last word
            } else {
                receive(core, items[i]);
            }
        }
        any |= count != 0;
    }
    return any;
}

// What could not be sent before goes first, in its order.
static bool retry(struct core *core)
{
    const uint32_t count = core->blocked_count;

    core->blocked_count = 0;
    for (uint32_t i = 0; i < count; i++) {
        pass_on(core, core->blocked[i]);
    }
    return core->blocked_count < count;
}

static bool start_more(struct core *core)
{
    bool any = false;

    while (core->blocked_count == 0 && core->idle_count != 0 && core->started < core->messages &&
           random_below(&core->random, 4) != 0) {
        struct message *const message = core->idle[--core->idle_count];

        message->target = (core->id + 1 + (uint32_t)random_below(&core->random, CORES - 1)) % CORES;
        message->number = core->sent_to[message->target]++;
        core->started++;
        pass_on(core, message);
        any = true;
    }
    return any;
}

static bool tell_done(struct core *core)
{
    if (core->told || core->finished < core->messages || core->blocked_count != 0) {
        return false;
    }
    for (uint32_t to = 0; to < CORES; to++) {
        if (to != core->id && spsc_room(inbox(&core->cores[to], core)) == 0) {
            return false;
        }
    }
    for (uint32_t to = 0; to < CORES; to++) {
        if (to != core->id && !spsc_push(inbox(&core->cores[to], core), core)) {
            fail(core, "no room where there was room");
        }
    }
    core->told = true;
    return true;
}

static void publish_to(struct core *core, struct core *target, struct spsc *queue)
{
    const uint64_t one = 1;

    if (spsc_publish(queue) && sleep_flag_must_wake(&target->flag)) {
        core->wakes++;
        if (write(target->wake_fd, &one, sizeof one) != sizeof one) {
            fail(core, "eventfd");
        }
    }
}

static void publish(struct core *core)
{
    for (uint32_t to = 0; to < CORES; to++) {
        struct core *const target = &core->cores[to];

        if (to != core->id) {
            publish_to(core, target, inbox(target, core));
        }
    }
}

static bool inboxes_ready(struct core *core)
{
    bool ready = false;

    for (uint32_t from = 0; from < core->inbox_count; from++) {
        ready |= spsc_ready(&core->inboxes[from]);
    }
    return ready;
}

static void sleep_until_woken(struct core *core)
{
    struct pollfd wait = {.fd = core->wake_fd, .events = POLLIN};
    uint64_t count = 0;

    sleep_flag_announce(&core->flag);
    if (!inboxes_ready(core)) {
        core->sleeps++;
        if (poll(&wait, 1, STALL_MS) != 1) {
            fail(core,
                 inboxes_ready(core) ? "slept with a message in an inbox" : "was never woken");
        }
        if (read(core->wake_fd, &count, sizeof count) != sizeof count) {
            fail(core, "eventfd");
        }
    }
    sleep_flag_retract(&core->flag);
}

static void *core_main(void *argument)
{
    struct core *const core = argument;

    random_seed(&core->random, core->seed + core->id);
    for (uint32_t i = 0; i < core->window_size; i++) {
        core->window[i].owner = core->id;
        core->idle[core->idle_count++] = &core->window[i];
    }
    while (!core->told || core->others_done < CORES - 1 || core->blocked_count != 0) {
        bool any = retry(core);

        any |= drain(core);
        any |= start_more(core);
        any |= tell_done(core);
        publish(core);
        // With messages blocked it must look for room again, which nobody tells it of.
        const bool more_to_start = core->idle_count != 0 && core->started < core->messages;

        if (core->blocked_count != 0 || (!core->told && core->finished == core->messages)) {
            sched_yield();
        } else if (!any && !more_to_start) {
            sleep_until_woken(core);
        }
    }
    return NULL;
}

// One run with `window` messages of each core under way: with one, cores sleep nearly always, with
// many, queues are full nearly always.
static void run(struct core *cores, uint64_t seed, uint32_t window, uint32_t messages)
{
    uint64_t sleeps = 0;
    uint64_t wakes = 0;

    memset(cores, 0, CORES * sizeof(struct core));
    for (uint32_t i = 0; i < CORES; i++) {
        struct core *const core = &cores[i];

        core->id = i;
        core->cores = cores;
        core->seed = seed;
        core->inbox_count = CORES;
        core->window_size = window;
        core->messages = messages;
        core->wake_fd = eventfd(0, 0);
        CHECK(core->wake_fd >= 0);
        sleep_flag_init(&core->flag);
        for (uint32_t from = 0; from < CORES; from++) {
            CHECK(spsc_init(&core->inboxes[from], CAPACITY) == 0);
        }
    }
    for (uint32_t i = 0; i < CORES; i++) {
        CHECK(pthread_create(&cores[i].thread, NULL, core_main, &cores[i]) == 0);
    }
    for (uint32_t i = 0; i < CORES; i++) {
        CHECK(pthread_join(cores[i].thread, NULL) == 0);
        CHECK(cores[i].finished == messages && cores[i].idle_count == window);
        sleeps += cores[i].sleeps;
        wakes += cores[i].wakes;
    }
    for (uint32_t i = 0; i < CORES; i++) {
        for (uint32_t from = 0; from < CORES; from++) {
            CHECK(!spsc_ready(&cores[i].inboxes[from]));
            spsc_destroy(&cores[i].inboxes[from]);
        }
        close(cores[i].wake_fd);
    }
    printf("seed %llu, %u under way: %u messages there and back, %llu sleeps, %llu wakes\n",
           (unsigned long long)seed, window, CORES * messages, (unsigned long long)sleeps,
           (unsigned long long)wakes);
    CHECK(wakes >= sleeps);
    CHECK(window > 1 || sleeps > 0);
}

// One of two threads that hand the message over.
struct player {
    struct core core; // what it needs of it: flag, inboxes[0], wake_fd
    struct player *other;
    uint32_t handovers;
    bool serves;
};

static void *player_main(void *argument)
{
    struct player *const player = argument;
    struct core *const core = &player->core;
    struct core *const other = &player->other->core;
    void *item = player->serves ? player : NULL;

    random_seed(&core->random, core->seed + core->id);
    for (uint32_t done = 0; done < player->handovers; done++) {
        for (uint64_t looks = random_below(&core->random, LOOKS_MAX); looks > 0 && item == NULL;
             looks--) {
            spsc_drain(&core->inboxes[0], &item, 1);
        }
        while (item == NULL && spsc_drain(&core->inboxes[0], &item, 1) == 0) {
            sleep_until_woken(core);
        }
        if (!spsc_push(&other->inboxes[0], item)) {
            fail(core, "a queue of one message is full");
        }
        item = NULL;
        publish_to(core, other, &other->inboxes[0]);
    }
    return NULL;
}

static void ping_pong(uint64_t seed, uint32_t handovers)
{
    struct player *const players =
        aligned_alloc(_Alignof(struct player), 2 * sizeof(struct player));

    CHECK(players != NULL);
    memset(players, 0, 2 * sizeof(struct player));
    for (uint32_t i = 0; i < 2; i++) {
        struct player *const player = &players[i];

        player->core.id = i;
        player->core.seed = seed;
        player->core.wake_fd = eventfd(0, 0);
        CHECK(player->core.wake_fd >= 0);
        sleep_flag_init(&player->core.flag);
        CHECK(spsc_init(&player->core.inboxes[0], 1) == 0);
        player->core.inbox_count = 1;
        player->other = &players[1 - i];
        player->handovers = handovers;
        player->serves = i == 0;
    }
    for (uint32_t i = 0; i < 2; i++) {
        CHECK(pthread_create(&players[i].core.thread, NULL, player_main, &players[i]) == 0);
    }
    for (uint32_t i = 0; i < 2; i++) {
        CHECK(pthread_join(players[i].core.thread, NULL) == 0);
    }
    printf("seed %llu, ping-pong: %u handovers, %llu sleeps, %llu wakes\n",
           (unsigned long long)seed, 2 * handovers,
           (unsigned long long)(players[0].core.sleeps + players[1].core.sleeps),
           (unsigned long long)(players[0].core.wakes + players[1].core.wakes));
    for (uint32_t i = 0; i < 2; i++) {
        spsc_destroy(&players[i].core.inboxes[0]);
        close(players[i].core.wake_fd);
    }
    free(players);
}

int main(int argc, char **argv)
{
    struct core *const cores = aligned_alloc(_Alignof(struct core), CORES * sizeof(struct core));
    const uint64_t seed = argc > 1 ? strtoull(argv[1], NULL, 10) : 1;
    const uint32_t messages = argc > 2 ? (uint32_t)strtoul(argv[2], NULL, 10) : MESSAGES;

    const uint32_t handovers = argc > 3 ? (uint32_t)strtoul(argv[3], NULL, 10) : HANDOVERS;

    CHECK(cores != NULL);
    run(cores, seed, 1, messages);
    run(cores, seed, 3, messages);
    run(cores, seed, WINDOW, messages);
    free(cores);
    ping_pong(seed, handovers);
    return 0;
}
