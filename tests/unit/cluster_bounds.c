// What a shard may hold is bounded, whatever its clients do: stories on the simulator.
#include "core/limits.h"
#include "tests/unit/node_story.h"

// More sockets for a core that does not run than a queue has places for messages.
Test(bounds, sockets_for_a_core_that_hangs)
{
    enum { SOCKETS = 2 * LIMIT_MESSAGES_QUEUE + 4000 };
    struct story story = story_open(2, "clients: { max: 40000 }\n");
    struct sim_talk **const talks = calloc(SOCKETS, sizeof *talks);
    uint32_t answered = 0;

    sim_rldb_hang(story.rldb, 1, true);
    for (uint32_t i = 0; i < SOCKETS; i++) {
        talks[i] = sim_talk_open(story.world, sim_rldb_machine(story.rldb), "unix:/rldb.sock");
        if (i % 500 == 499) {
            story_run(&story, 5);
        }
    }
    cr_assert_eq(sim_rldb_shard(story.rldb, 0)->sockets_out, LIMIT_SOCKETS_OUT);
    sim_rldb_hang(story.rldb, 1, false);
    story_run(&story, 100);
    cr_assert_eq(sim_rldb_shard(story.rldb, 0)->sockets_out, 0);
    for (uint32_t i = 0; i < SOCKETS; i += 500) {
        sim_talk_say(talks[i], "PING\r\n");
        answered += strcmp(sim_talk_hear(talks[i], 5, NULL), "+PONG\r\n") == 0;
    }
    cr_assert_eq(answered, (SOCKETS + 499) / 500);
    for (uint32_t i = 0; i < SOCKETS; i++) {
        sim_talk_close(talks[i], true);
    }
    story_run(&story, 100);
    free(talks);
    story_close(&story);
}

Test(bounds, scratch_is_given_back)
{
    struct story story = story_open(1, "");
    struct sim_talk *const talk = story_talk(&story, 0);
    const struct shard *const shard = sim_rldb_shard(story.rldb, 0);

    story_expect(talk, "SETRANGE big 5000000 x\r\n", ":5000001\r\n");
    cr_assert_leq(shard->scratch_size, LIMIT_SCRATCH_KEPT_BYTES);
    story_expect(talk, "SETRANGE small 500000 x\r\n", ":500001\r\n");
    cr_assert_geq(shard->scratch_size, 500000, "small ones are kept");
    story_close(&story);
}

// Two cores each send as many requests to a third as may be under way: its own client is served in
// the very turn in which it has all of these to do.
Test(bounds, requests_of_other_cores_leave_room_for_own_clients)
{
    enum { TALKS = 48, ASKS = 64 };
    struct story story = story_open(3, "");
    struct sim_talk *talks[2 * TALKS];
    struct sim_talk *const own = story_talk(&story, 0);
    const struct shard *const shard = sim_rldb_shard(story.rldb, 0);
    char key[STORY_KEY_BYTES];
    static char asks[ASKS * (32 + HOP_INSIDE_BYTES)];
    size_t size = 0;

    story_key(&story, 0, 0, key); // and so long that each request is a message
    for (int i = 0; i < ASKS; i++) {
        size += (size_t)snprintf(asks + size, sizeof asks - size, "GET {%s}%0*d\r\n", key,
                                 HOP_INSIDE_BYTES, 0);
    }
    for (uint32_t i = 0; i < 2 * TALKS; i++) {
        talks[i] = sim_talk_open(story.world, NULL, i < TALKS ? "10.0.0.1:7381" : "10.0.0.1:7382");
        for (int warm = 0; warm < 4; warm++) { // windows grow to their full width
            sim_talk_send(talks[i], asks, size);
            (void)sim_talk_hear(talks[i], 3, NULL);
        }
    }
    sim_rldb_hang(story.rldb, 0, true);
    for (uint32_t i = 0; i < 2 * TALKS; i++) {
        sim_talk_send(talks[i], asks, size);
    }
    sim_talk_say(own, "PING\r\n");
    story_run(&story, 50);
    for (uint32_t core = 1; core < 3; core++) {
        cr_assert_eq(sim_rldb_shard(story.rldb, core)->credits[0], 0, "all that may be sent");
    }
    const uint64_t received = shard->stats.hops_received;
    const uint64_t commands = shard->clients->commands;

    sim_rldb_hang(story.rldb, 0, false);
    while (shard->stats.hops_received < received + LIMIT_REQUESTS_A_TURN) {
        sim_world_run_until(story.world, sim_world_now_ns(story.world) + 1000);
    }
    cr_assert_eq(shard->clients->commands, commands + 1, "served beside them");
    story_run(&story, 200);
    for (uint32_t i = 0; i < 2 * TALKS; i++) {
        sim_talk_close(talks[i], false);
    }
    story_close(&story);
}

// Replies that wait behind one which does not come: the connections of a shard share one bound, and
// go on when it comes.
Test(bounds, replies_held_by_a_core_that_hangs)
{
    enum { TALKS = 16, ASKS = 20, BYTES = 1000000 };
    struct story story = story_open(3, "clients: { memory_max: 1GiB }\n");
    struct sim_talk *const own = story_talk(&story, 0);
    struct sim_talk *talks[TALKS];
    const struct shard *const shard = sim_rldb_shard(story.rldb, 0);
    char slow[STORY_KEY_BYTES], large[STORY_KEY_BYTES], line[64], ask[64];
    size_t most = 0;

    story_key(&story, 1, 0, slow);
    story_key(&story, 2, 0, large);
    (void)snprintf(line, sizeof line, "SETRANGE %s %d x\r\n", large, BYTES - 1);
    story_expect(own, line, ":1000000\r\n");
    (void)snprintf(ask, sizeof ask, "GET %s\r\n", large);
    (void)snprintf(line, sizeof line, "GET %s\r\n", slow);
    for (uint32_t i = 0; i < TALKS; i++) {
        talks[i] = sim_talk_open(story.world, NULL, "10.0.0.1:7380");
        for (int warm = 0; warm < 8; warm++) { // its window grows
            sim_talk_say(talks[i], "PING\r\nPING\r\nPING\r\nPING\r\n");
            (void)sim_talk_hear(talks[i], 2, NULL);
        }
    }
    sim_rldb_hang(story.rldb, 1, true);
    for (uint32_t i = 0; i < TALKS; i++) {
        sim_talk_say(talks[i], line);
    }
    for (uint32_t n = 0; n < ASKS; n++) {
        for (uint32_t i = 0; i < TALKS; i++) {
            sim_talk_say(talks[i], ask);
            story_run(&story, 1);
            most = shard->held_bytes > most ? shard->held_bytes : most;
        }
    }
    cr_assert_gt(most, LIMIT_HELD_BYTES, "%zu: the bound was reached", most);
    cr_assert_lt(most, LIMIT_HELD_BYTES + 2 * TALKS * BYTES, "%zu", most);
    sim_rldb_hang(story.rldb, 1, false);
    for (uint32_t i = 0; i < TALKS; i++) {
        size_t heard = 0;

        for (int wait = 0; wait < 400 && heard < (size_t)ASKS * BYTES; wait++) {
            size_t size;

            (void)sim_talk_hear(talks[i], 10, &size);
            heard += size;
        }
        cr_assert_geq(heard, (size_t)ASKS * BYTES, "%u heard %zu", i, heard);
        sim_talk_close(talks[i], false);
    }
    cr_assert_eq(shard->held_bytes, 0);
    story_close(&story);
}
