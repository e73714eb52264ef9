// No reply leaves before what it tells is durable: a node on the log engine whose disk takes 50 ms
// for each write.
#include "tests/unit/node_story.h"

#include <errno.h>

enum { DISK_MS = 50, SOON_MS = 20, LATE_MS = 150 };

static struct story hold_open(void)
{
    return story_open(2, "node: { data_dir: /data }\n"
                         "storage: { engine: log, cache: 2MiB, segment: 2MiB }\n");
}

// What was begun with a quick disk is over before.
static void hold_slow_disk(struct story *story)
{
    story_run(story, LATE_MS);
    sim_world_profile(story->world)->disk_ns_min = DISK_MS * UINT64_C(1000000);
    sim_world_profile(story->world)->disk_ns_max = DISK_MS * UINT64_C(1000000);
}

static void hold_quick_disk(struct story *story)
{
    sim_world_profile(story->world)->disk_ns_min = 50000;
    sim_world_profile(story->world)->disk_ns_max = 200000;
    story_run(story, LATE_MS);
}

static void hold_say(struct sim_talk *talk, const char *verb, const char *key, const char *value)
{
    char line[128];

    (void)snprintf(line, sizeof line, "%s %s %s\r\n", verb, key, value);
    sim_talk_say(talk, line);
}

static void hold_expect(struct sim_talk *talk, uint64_t ms, const char *hear)
{
    cr_assert_str_eq(sim_talk_hear(talk, ms, NULL), hear);
}

Test(hold, a_write_is_acknowledged_when_it_is_durable)
{
    struct story story = hold_open();
    struct sim_talk *const talk = story_talk(&story, 0);
    char here[STORY_KEY_BYTES];
    char there[STORY_KEY_BYTES];

    story_key(&story, 0, 0, here);
    story_key(&story, 1, 0, there);
    for (int round = 0; round < 2; round++) { // on its own core, and over a hop
        const char *const key = round == 0 ? here : there;

        hold_slow_disk(&story);
        hold_say(talk, "SET", key, "1");
        hold_expect(talk, SOON_MS, "");
        hold_expect(talk, LATE_MS, "+OK\r\n");
        hold_say(talk, "DEL", key, "");
        hold_expect(talk, SOON_MS, "");
        hold_expect(talk, LATE_MS, ":1\r\n");
        hold_quick_disk(&story);
    }
    story_close(&story);
}

Test(hold, nobody_is_shown_what_is_not_durable)
{
    struct story story = hold_open();
    struct sim_talk *const writer = story_talk(&story, 0);
    struct sim_talk *const reader = story_talk(&story, 0);
    struct sim_talk *const far = story_talk(&story, 1);
    struct sim_talk *const other = story_talk(&story, 0);
    char key[STORY_KEY_BYTES];
    char old[STORY_KEY_BYTES];

    story_key(&story, 0, 0, key);
    story_key(&story, 0, 1, old);
    hold_say(writer, "SET", old, "9");
    hold_expect(writer, LATE_MS, "+OK\r\n");
    hold_slow_disk(&story);
    hold_say(writer, "SET", key, "1");
    story_run(&story, 2);
    hold_say(reader, "GET", key, "");
    hold_say(far, "MGET", key, old);
    hold_say(other, "GET", old, "");
    hold_expect(other, 5, "$1\r\n9\r\n"); // is durable
    hold_expect(reader, 5, "");
    hold_expect(far, 5, "");
    hold_expect(writer, 5, "");
    hold_expect(reader, LATE_MS, "$1\r\n1\r\n");
    hold_expect(far, 5, "*2\r\n$1\r\n1\r\n$1\r\n9\r\n");
    hold_expect(writer, 5, "+OK\r\n");

    hold_say(writer, "DEL", key, "");
    story_run(&story, 2);
    hold_say(reader, "GET", key, "");
    hold_say(other, "DBSIZE", "", "");
    hold_expect(reader, SOON_MS, ""); // that it is gone is not durable either
    hold_expect(other, 2, "");
    hold_expect(reader, LATE_MS, "$-1\r\n");
    hold_expect(other, 5, ":1\r\n");
    hold_quick_disk(&story);
    story_close(&story);
}

Test(hold, only_what_comes_before_goes_out)
{
    struct story story = hold_open();
    struct sim_talk *const talk = story_talk(&story, 0);
    char key[STORY_KEY_BYTES];
    char line[256];

    story_key(&story, 0, 0, key);
    hold_slow_disk(&story);
    (void)snprintf(line, sizeof line, "ECHO 1\r\nSET %s 1\r\nECHO 2\r\nAPPEND %s 2\r\nECHO 3\r\n",
                   key, key);
    sim_talk_say(talk, line);
    hold_expect(talk, SOON_MS, "$1\r\n1\r\n");
    hold_expect(talk, LATE_MS, "+OK\r\n$1\r\n2\r\n:2\r\n$1\r\n3\r\n");
    hold_quick_disk(&story);
    story_close(&story);
}

Test(hold, a_command_over_several_cores_waits_for_both)
{
    struct story story = hold_open();
    struct sim_talk *const talk = story_talk(&story, 0);
    char here[STORY_KEY_BYTES];
    char there[STORY_KEY_BYTES];
    char line[256];

    story_key(&story, 0, 0, here);
    story_key(&story, 1, 0, there);
    hold_slow_disk(&story);
    (void)snprintf(line, sizeof line, "MSET %s 1 %s 2\r\n", here, there);
    sim_talk_say(talk, line);
    hold_expect(talk, SOON_MS, "");
    hold_expect(talk, LATE_MS, "+OK\r\n");
    (void)snprintf(line, sizeof line, "RENAME %s %s\r\n", there, here);
    sim_talk_say(talk, line);
    hold_expect(talk, SOON_MS, "");
    hold_expect(talk, 2 * LATE_MS, "+OK\r\n");
    sim_talk_say(talk, "FLUSHALL\r\n");
    hold_expect(talk, SOON_MS, "");
    hold_expect(talk, LATE_MS, "+OK\r\n");
    hold_quick_disk(&story);
    story_close(&story);
}

// A disk that fails every write.
static int hold_disk_error(void *context, const struct sim_node *node, const char *what)
{
    (void)context;
    (void)node;
    return strcmp(what, "write") == 0 ? -EIO : 0;
}

// The code of the error that is heard.
static const char *story_error(struct sim_talk *talk)
{
    static char code[7];

    (void)snprintf(code, sizeof code, "%s", sim_talk_hear(talk, SOON_MS, NULL));
    return code;
}

Test(hold, a_reply_that_cannot_leave_ends_its_connection)
{
    struct story story = hold_open();
    struct sim_talk *const local = story_talk(&story, 0);
    char key[STORY_KEY_BYTES];

    story_key(&story, 0, 0, key);
    story_run(&story, LATE_MS);
    sim_world_profile(story.world)->hooks.disk_error = hold_disk_error;
    hold_say(local, "SET", key, "1");
    hold_expect(local, LATE_MS, "");
    cr_assert(sim_talk_ended(local), "nobody can tell what became of it");
    sim_world_profile(story.world)->hooks.disk_error = NULL;
    story_close(&story);
}

Test(hold, what_cannot_become_durable_is_not_acknowledged)
{
    struct story story = hold_open();
    struct sim_talk *const local = story_talk(&story, 0);
    struct sim_talk *const far = story_talk(&story, 1);
    struct sim_talk *const reader = story_talk(&story, 0);
    char key[STORY_KEY_BYTES];
    char old[STORY_KEY_BYTES];

    story_key(&story, 0, 0, key);
    story_key(&story, 0, 1, old);
    hold_say(local, "SET", old, "9");
    hold_expect(local, LATE_MS, "+OK\r\n");
    story_run(&story, LATE_MS);
    sim_world_profile(story.world)->hooks.disk_error = hold_disk_error;
    hold_say(far, "SET", key, "2");
    cr_assert_str_eq(story_error(far), "-IOERR");
    for (int i = 0; i < 2; i++) { // and who asks later is told so, and keeps his connection
        hold_say(reader, "GET", key, "");
        cr_assert_str_eq(story_error(reader), "-IOERR");
        hold_say(reader, "SET", key, "3");
        cr_assert_str_eq(story_error(reader), "-IOERR");
    }
    hold_say(reader, "GET", old, "");
    hold_expect(reader, SOON_MS, "$1\r\n9\r\n");
    hold_say(reader, "SET", old, "8");
    cr_assert_str_eq(story_error(reader), "-IOERR");
    hold_say(reader, "GET", old, "");
    hold_expect(reader, SOON_MS, "$1\r\n9\r\n");

    struct sim_talk *const page = sim_talk_open(story.world, NULL, "10.0.0.1:7480");

    sim_talk_say(page, "GET /readyz HTTP/1.1\r\nHost: rldb\r\n\r\n");
    cr_assert_not_null(strstr(sim_talk_hear(page, SOON_MS, NULL), " 503 "));
    sim_talk_close(page, false);
    sim_world_profile(story.world)->hooks.disk_error = NULL;
    story_close(&story);
}

// CONFIG SET decides from its reply on, in both directions.
Test(hold, how_writes_are_acknowledged_may_change)
{
    struct story story = hold_open();
    struct sim_talk *const talk = story_talk(&story, 0);
    char key[STORY_KEY_BYTES];

    story_key(&story, 0, 0, key);
    for (int round = 0; round < 3; round++) {
        story_expect(talk, "CONFIG SET appendfsync no\r\n", "+OK\r\n");
        story_expect(talk, "CONFIG GET storage.sync\r\n",
                     "*2\r\n$12\r\nstorage.sync\r\n$5\r\nnever\r\n");
        hold_slow_disk(&story);
        hold_say(talk, "SET", key, "1");
        hold_expect(talk, SOON_MS, "+OK\r\n");
        story_expect(talk, "CONFIG SET storage.sync always\r\n", "+OK\r\n");
        hold_say(talk, "SET", key, "2");
        hold_expect(talk, SOON_MS, "");
        hold_expect(talk, 4 * LATE_MS, "+OK\r\n");
        hold_say(talk, "SET", key, "3");
        hold_expect(talk, SOON_MS, "");
        hold_expect(talk, LATE_MS, "+OK\r\n");
        hold_say(talk, "SET", key, "4"); // what is held when it changes is answered all the same
        hold_expect(talk, SOON_MS, "");
        hold_quick_disk(&story);
        hold_expect(talk, LATE_MS, "+OK\r\n");
    }
    story_close(&story);
}

// With sync: interval nothing that is older than the interval may be lost: also what somebody who
// has long been connected writes after a silence, in which nothing recurs.
Test(hold, what_is_written_after_a_silence_is_synced_too)
{
    struct story story = story_open(1, "node: { data_dir: /data }\n"
                                       "storage: { engine: log, sync: interval, "
                                       "sync_interval: 40ms, cache: 2MiB, segment: 2MiB }\n");
    struct sim_talk *const talk = story_talk(&story, 0);
    struct engine_stats stats;

    for (int round = 0; round < 2; round++) {
        hold_say(talk, "SET", "key", "1");
        hold_expect(talk, SOON_MS, "+OK\r\n"); // at once, and it is due at once
        hold_say(talk, "SET", "key", "2");
        hold_expect(talk, SOON_MS, "+OK\r\n"); // is due later, when nobody says anything
        story_run(&story, 1000);
        engine_stats(sim_rldb_shard(story.rldb, 0)->engine, &stats);
        cr_assert_eq(stats.unsynced_bytes, 0, "round %d", round);
    }
    story_close(&story);
}
