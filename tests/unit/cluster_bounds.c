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
