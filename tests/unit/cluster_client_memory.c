// What all connections of a shard hold together is bounded, and comes back: stories on the
// simulator.
#include "core/limits.h"
#include "tests/unit/node_story.h"

enum { MIB = 1 << 20, SHARE = 4 * MIB };

// Two shards of 4 MiB each.
static struct story story_bounded(void)
{
    return story_open(2, "clients: { memory_max: 8MiB }\n");
}

// A value of 20 MB is announced, and so much of it comes.
static void send_some(struct sim_talk *talk, size_t size)
{
    char *const bytes = calloc(1, size);

    sim_talk_say(talk, "*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$20000000\r\n");
    sim_talk_send(talk, bytes, size);
    free(bytes);
}

static const struct shard *first_shard(const struct story *story)
{
    return sim_rldb_shard(story->rldb, 0);
}

Test(client_memory, counts_what_came_and_not_what_was_announced)
{
    struct story story = story_bounded();
    const struct client_memory *const memory = &first_shard(&story)->client_memory;
    struct sim_talk *talks[40];

    cr_assert_eq(memory->max_bytes, SHARE);
    for (int i = 0; i < 40; i++) {
        talks[i] = story_talk(&story, 0);
        send_some(talks[i], 100);
    }
    story_run(&story, 100);
    cr_assert_leq(memory->held_bytes, 40 * LIMIT_GATHER_BYTES_MIN);
    send_some(talks[0], MIB);
    story_run(&story, 1000);
    cr_assert_geq(memory->held_bytes, MIB);
    cr_assert_leq(memory->held_bytes, MIB + 60 * LIMIT_GATHER_BYTES_MIN);
    cr_assert_eq(first_shard(&story)->client_count, 40);
    story_close(&story);
}

Test(client_memory, the_client_that_holds_most_is_closed)
{
    enum { SMALL = 6, SMALL_BYTES = 400 * 1000 };
    struct story story = story_bounded();
    const struct shard *const shard = first_shard(&story);
    struct sim_talk *small[SMALL];
    struct sim_talk *const other = story_talk(&story, 0);
    struct sim_talk *const large = story_talk(&story, 0);

    for (int i = 0; i < SMALL; i++) {
        small[i] = story_talk(&story, 0);
        send_some(small[i], SMALL_BYTES);
    }
    story_run(&story, 500);
    send_some(large, 3 * MIB);
    for (int i = 0; i < 2000; i++) {
        story_run(&story, 1);
        cr_assert_leq(shard->client_memory.held_bytes - shard->client_memory.leaving_bytes,
                      SHARE + LIMIT_IO_BUFFER_BYTES);
    }
    cr_assert(sim_talk_ended(large));
    cr_assert_eq(shard->client_count, SMALL + 1, "and nobody else");
    cr_assert_eq(shard->stats.clients_evicted, 1);
    story_expect(other, "PING\r\n", "+PONG\r\n");
    story_close(&story);
}

Test(client_memory, replies_that_nobody_reads_count)
{
    enum { TALKS = 12 };
    struct story story = story_bounded();
    const struct shard *const shard = first_shard(&story);
    struct sim_talk *const other = story_talk(&story, 0);

    story_expect(other, "SETRANGE big 700000 x\r\n", ":700001\r\n");
    for (int i = 0; i < TALKS; i++) {
        struct sim_talk *const talk = story_talk(&story, 0);

        sim_talk_deaf(talk, true);
        sim_talk_say(talk, "GET big\r\n");
        story_run(&story, 50);
        cr_assert_leq(shard->client_memory.held_bytes - shard->client_memory.leaving_bytes, SHARE);
    }
    story_run(&story, 100);
    const uint64_t ended = shard->stats.clients_evicted;

    cr_assert_eq(shard->client_count, 1 + TALKS - ended);
    cr_assert_geq(ended, TALKS - SHARE / 700000 - 1);
    cr_assert_leq(ended, TALKS - SHARE / 700000 + 2);
    cr_assert_eq(shard->client_memory.closed.lines, LIMIT_CLOSED_LOG_LINES);
    story_expect(other, "PING\r\n", "+PONG\r\n");
    story_close(&story);
}

Test(client_memory, who_may_not_be_evicted_stays)
{
    struct story story = story_bounded();
    const struct shard *const shard = first_shard(&story);
    struct sim_talk *const spared = story_talk(&story, 0);
    struct sim_talk *const small = story_talk(&story, 0);

    story_expect(spared, "CLIENT NO-EVICT on\r\n", "+OK\r\n");
    send_some(small, 300 * 1000);
    send_some(spared, SHARE + MIB);
    story_run(&story, 2000);
    cr_assert(sim_talk_ended(small));
    cr_assert_not(sim_talk_ended(spared));
    cr_assert_eq(shard->client_count, 1);
    story_close(&story);
}

Test(client_memory, commands_over_many_keys_count_and_are_refused)
{
    enum { KEYS = 80000 };
    struct story story = story_bounded();
    struct sim_talk *const talk = story_talk(&story, 0);
    const struct client_memory *const memory = &first_shard(&story)->client_memory;
    char *const text = malloc((size_t)KEYS * 8 + 64);
    uint64_t most = 0;

    for (int keys = 10000; keys <= KEYS; keys += KEYS - 10000) {
        size_t size = (size_t)snprintf(text, 64, "*%d\r\n$3\r\nDEL\r\n", keys + 1);
        const char *heard = "";

        for (int i = 0; i < keys; i++) {
            size += (size_t)snprintf(text + size, 8, "$1\r\n%c\r\n", 'a' + i % 26);
        }
        sim_talk_send(talk, text, size);
        // Looked at after each event: the command is over within a millisecond.
        for (int i = 0; i < 1000 * 1000 && *heard == '\0'; i++) {
            (void)sim_world_step(story.world);
            heard = sim_talk_hear(talk, 0, NULL);
            most = memory->held_bytes > most ? memory->held_bytes : most;
        }
        if (keys < KEYS) {
            cr_assert_str_eq(heard, ":0\r\n");
            cr_assert_geq(most, 10000 * sizeof(struct slice), "%zu", (size_t)most);
        } else {
            cr_assert_eq(strncmp(heard, "-OVERLOADED ", 12), 0, "%s", heard);
        }
    }
    free(text);
    story_close(&story);
}

// Values are gathered a slice at a time, for many clients side by side.
Test(client_memory, replies_that_grow_count_before_they_are_there)
{
    enum { TALKS = 30, KEYS = 8, SIZE = 200 * 1000, REPLY = SIZE * KEYS };
    struct story story = story_bounded();
    const struct shard *const shard = first_shard(&story);
    struct sim_talk *const own = story_talk(&story, 0);
    struct sim_talk *talks[TALKS];
    char key[STORY_KEY_BYTES], text[64 + KEYS * STORY_KEY_BYTES];
    uint32_t refused = 0, closed = 0, answered = 0;
    size_t size;

    story_key(&story, 0, 0, key);
    (void)snprintf(text, sizeof text, "SETRANGE %s %d x\r\n", key, SIZE - 1);
    story_expect(own, text, ":200000\r\n");
    size = (size_t)snprintf(text, sizeof text, "MGET");
    for (int i = 0; i < KEYS; i++) {
        size += (size_t)snprintf(text + size, sizeof text - size, " %s", key);
    }
    (void)snprintf(text + size, sizeof text - size, "\r\n");
    for (int i = 0; i < TALKS; i++) {
        talks[i] = story_talk(&story, 0);
    }
    story_run(&story, 20);
    for (int i = 0; i < TALKS; i++) {
        sim_talk_say(talks[i], text);
    }
    for (int i = 0; i < 3000; i++) {
        sim_world_run_until(story.world, sim_world_now_ns(story.world) + 20 * 1000);
        cr_assert_leq(shard->client_memory.held_bytes, SHARE + 2 * REPLY, "%zu",
                      (size_t)shard->client_memory.held_bytes);
    }
    for (int i = 0; i < TALKS; i++) {
        const char *const heard = sim_talk_hear(talks[i], 500, &size);

        refused += strncmp(heard, "-OVERLOADED ", 12) == 0;
        closed += sim_talk_ended(talks[i]);
        answered += size >= REPLY;
    }
    cr_assert_geq(answered, 1);
    cr_assert_geq(refused, 1, "%u answered, %u refused, %u closed", answered, refused, closed);
    cr_assert_eq(answered + refused + closed, TALKS, "%u answered, %u refused, %u closed", answered,
                 refused, closed);
    story_expect(own, "PING\r\n", "+PONG\r\n");
    story_close(&story);
}

// When hostile clients have left nothing is kept for them, and the core sleeps.
Test(client_memory, comes_back)
{
    enum { TALKS = 20 };
    struct story story = story_open(1, "clients: { memory_max: 1GiB }\n");
    const struct shard *const shard = first_shard(&story);
    struct sim_talk *const other = story_talk(&story, 0);
    struct sim_talk *talks[TALKS];

    story_expect(other, "SETRANGE big 3000000 x\r\n", ":3000001\r\n");
    for (int i = 0; i < TALKS; i++) {
        talks[i] = story_talk(&story, 0);
        sim_talk_deaf(talks[i], true);
        sim_talk_say(talks[i], "GET big\r\nGET big\r\n");
        send_some(talks[i], 2 * MIB);
    }
    story_run(&story, 2000);
    cr_assert_geq(shard->client_memory.held_bytes, TALKS * 7 * 1000 * 1000);
    for (int i = 0; i < TALKS; i++) {
        story_hang_up(&story, talks[i], true);
    }
    story_run(&story, 3000);
    cr_assert_eq(shard->client_memory.held_bytes, 0);
    cr_assert_eq(shard->client_memory.leaving_bytes, 0);
    cr_assert_null(shard->blocks.kept);
    cr_assert_null(shard->blocks.leaving);
    cr_assert_null(shard->outbufs.huge.kept);
    cr_assert_null(shard->outbufs.huge.leaving);
    const uint64_t turns = story_turns(&story);

    story_run(&story, 10000);
    cr_assert_lt(story_turns(&story) - turns, 20);
    story_close(&story);
}
