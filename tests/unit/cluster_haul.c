// A long value is replied in slices, and nobody can tell: stories on the simulator.
#include "core/limits.h"
#include "tests/unit/node_story.h"

enum { SIZE = 6 * 1000 * 1000, HEAD = sizeof "$6000000\r\n" - 1, REPLY = HEAD + SIZE + 2 };
enum { ONE_STEP = 64 * 1024 / WORK_FRESH_BYTES_A_UNIT + 500 };

static void set_long(struct sim_talk *talk, const char *key, char byte)
{
    char *const bytes = malloc(SIZE + 2);
    char text[128];

    memset(bytes, byte, SIZE);
    memcpy(bytes + SIZE, "\r\n", 2);
    (void)snprintf(text, sizeof text, "*3\r\n$3\r\nSET\r\n$%zu\r\n%s\r\n$%d\r\n", strlen(key), key,
                   SIZE);
    sim_talk_say(talk, text);
    sim_talk_send(talk, bytes, SIZE + 2);
    free(bytes);
}

// All that comes in so many ms, to be freed.
static char *hear_all(struct sim_talk *talk, int ms, size_t *ret_size)
{
    char *all = malloc(1);
    size_t size = 0;

    for (int i = 0; i < ms; i += 20) {
        size_t more;
        const char *const heard = sim_talk_hear(talk, 20, &more);

        all = realloc(all, size + more + 1);
        memcpy(all + size, heard, more);
        size += more;
    }
    all[size] = '\0';
    *ret_size = size;
    return all;
}

static void expect_value(const char *reply, char byte)
{
    cr_assert_eq(strncmp(reply, "$6000000\r\n", HEAD), 0, "%.40s", reply);
    for (size_t i = 0; i < SIZE; i++) {
        cr_assert_eq(reply[HEAD + i], byte, "at %zu: %d", i, reply[HEAD + i]);
    }
    cr_assert_eq(strncmp(reply + HEAD + SIZE, "\r\n", 2), 0);
}

static void expect_no_hauls(struct story *story)
{
    for (uint32_t core = 0; core < sim_rldb_node(story->rldb)->shard_count; core++) {
        const struct shard *const shard = sim_rldb_shard(story->rldb, core);

        cr_assert_null(shard->haul_first);
        cr_assert_null(shard->haul_last);
        cr_assert(!gate_any(shard->gates));
    }
}

static bool hauls(struct story *story, uint32_t core)
{
    return sim_rldb_shard(story->rldb, core)->haul_first != NULL;
}

static void wait_for_haul(struct story *story, uint32_t core)
{
    for (int i = 0; i < 100000 && !hauls(story, core); i++) {
        sim_world_run_until(story->world, sim_world_now_ns(story->world) + 1000);
    }
    cr_assert(hauls(story, core));
}

Test(haul, others_are_served_between_its_slices)
{
    struct story story = story_open(2, "");
    struct sim_talk *const talk = story_talk(&story, 0);
    struct sim_talk *const other = story_talk(&story, 0);
    struct shard *const shard = sim_rldb_shard(story.rldb, 0);
    char key[STORY_KEY_BYTES], line[64];
    uint32_t pongs = 0;
    size_t size;

    story_key(&story, 0, 0, key);
    set_long(talk, key, 'a');
    free(hear_all(talk, 1000, &size));
    const uint64_t slices = shard->work.slices;

    shard->work.spent_max = 0; // SET copies at once

    (void)snprintf(line, sizeof line, "GET %s\r\n", key);
    sim_talk_say(talk, line);
    wait_for_haul(&story, 0);
    while (hauls(&story, 0)) {
        sim_talk_say(other, "PING\r\n");
        pongs += *sim_talk_hear(other, 0, NULL) != '\0';
        sim_world_run_until(story.world, sim_world_now_ns(story.world) + 100 * 1000);
    }
    pongs += *sim_talk_hear(other, 20, NULL) != '\0';
    cr_assert_geq(shard->work.slices - slices,
                  SIZE / WORK_FRESH_BYTES_A_UNIT / LIMIT_SLICE_UNITS / 2);
    cr_assert_leq(shard->work.spent_max, LIMIT_SLICE_UNITS + ONE_STEP);
    cr_assert_geq(pongs, 1);
    char *const reply = hear_all(talk, 2000, &size);

    cr_assert_eq(size, REPLY, "%zu", size);
    expect_value(reply, 'a');
    free(reply);
    expect_no_hauls(&story);
    story_close(&story);
}

// From both cores, in a pipeline with writes of the same key before and behind.
Test(haul, keeps_its_place_among_the_requests_on_its_key)
{
    struct story story = story_open(2, "");

    for (uint32_t core = 0; core < 2; core++) {
        struct sim_talk *const talk = story_talk(&story, core);
        char key[STORY_KEY_BYTES], line[256];
        size_t size;

        story_key(&story, 0, 0, key);
        set_long(talk, key, 'b');
        (void)snprintf(line, sizeof line, "GET %s\r\nSET %s short\r\nGET %s\r\nPING\r\n", key, key,
                       key);
        sim_talk_say(talk, line);
        set_long(talk, key, 'c');
        (void)snprintf(line, sizeof line, "GET %s\r\nGET %s\r\nDEL %s\r\nGET %s\r\n", key, key, key,
                       key);
        sim_talk_say(talk, line);
        char *const reply = hear_all(talk, 4000, &size);
        const char *at = reply;
        static const char middle[] = "+OK\r\n$5\r\nshort\r\n+PONG\r\n+OK\r\n";

        cr_assert_eq(size, 5 + REPLY + strlen(middle) + (size_t)2 * REPLY + strlen(":1\r\n$-1\r\n"),
                     "%zu", size);
        cr_assert_eq(strncmp(at, "+OK\r\n", 5), 0);
        expect_value(at + 5, 'b');
        at += 5 + REPLY;
        cr_assert_eq(strncmp(at, middle, strlen(middle)), 0, "%.60s", at);
        at += strlen(middle);
        expect_value(at, 'c');
        expect_value(at + REPLY, 'c');
        cr_assert_str_eq(at + 2 * REPLY, ":1\r\n$-1\r\n");
        free(reply);
        expect_no_hauls(&story);
    }
    story_close(&story);
}

// Others write the key, or empty the node, while its value is on its way.
Test(haul, is_one_value_whatever_others_do)
{
    static const struct {
        const char *before, *behind; // the key
    } lines[] = {{"SET", "short"},      {"FLUSHALL", NULL}, {"DEL", ""},
                 {"MSET", "short x y"}, {"EXPIRE", "1"},    {"RENAME", "elsewhere"}};
    struct story story = story_open(2, "");
    struct sim_talk *const other = story_talk(&story, 1);

    for (size_t i = 0; i < sizeof lines / sizeof *lines; i++) {
        struct sim_talk *const talk = story_talk(&story, 0);
        char key[STORY_KEY_BYTES], line[64];
        size_t size;

        story_key(&story, 0, 0, key);
        set_long(talk, key, 'd');
        free(hear_all(talk, 1000, &size));
        (void)snprintf(line, sizeof line, "GET %s\r\n", key);
        sim_talk_say(talk, line);
        wait_for_haul(&story, 0);
        (void)snprintf(line, sizeof line, "%s %s %s\r\n", lines[i].before,
                       lines[i].behind == NULL ? "" : key,
                       lines[i].behind == NULL ? "" : lines[i].behind);
        sim_talk_say(other, line);
        char *const reply = hear_all(talk, 2000, &size);

        if (size == 5) {
            cr_assert_str_eq(reply, "$-1\r\n", "after %s", line);
            cr_assert_eq(i, 1, "only what empties all does not wait");
        } else {
            cr_assert_eq(size, REPLY);
            expect_value(reply, 'd');
        }
        cr_assert_neq(*sim_talk_hear(other, 100, NULL), '\0', "%s", line);
        free(reply);
        expect_no_hauls(&story);
    }
    story_close(&story);
}

Test(haul, goes_on_when_its_client_has_gone)
{
    struct story story = story_open(2, "");
    struct sim_talk *const own = story_talk(&story, 0);
    char key[STORY_KEY_BYTES], line[64];
    size_t size;

    story_key(&story, 0, 0, key);
    (void)snprintf(line, sizeof line, "GET %s\r\n", key);
    set_long(own, key, 'e');
    free(hear_all(own, 1000, &size));
    for (uint32_t core = 0; core < 2; core++) {
        struct sim_talk *talks[3];

        for (int i = 0; i < 3; i++) { // one is under way, others stand behind it
            talks[i] = story_talk(&story, core);
            sim_talk_say(talks[i], line);
        }
        wait_for_haul(&story, 0);
        for (int i = 0; i < 3; i++) {
            story_hang_up(&story, talks[i], true);
        }
        story_run(&story, 2000);
        expect_no_hauls(&story);
    }
    story_close(&story);
}
