// /metrics, /healthz and /readyz of a node: figures of all cores in one page, whatever they do
// meanwhile.
#include "cluster/metrics_page.h"

#include "tests/unit/node_story.h"

static struct sim_talk *page_talk(struct story *story)
{
    cr_assert_lt(story->talk_count, STORY_TALKS);
    story->talks[story->talk_count] = sim_talk_open(story->world, NULL, "10.0.0.1:7480");
    return story->talks[story->talk_count++];
}

static void ask(struct sim_talk *talk, const char *path)
{
    char say[128];

    (void)snprintf(say, sizeof say, "GET %s HTTP/1.1\r\nHost: n1\r\n\r\n", path);
    sim_talk_say(talk, say);
}

static const char *scrape(struct sim_talk *talk)
{
    ask(talk, "/metrics");
    const char *const page = sim_talk_hear(talk, 200, NULL);

    cr_assert_eq(strncmp(page, "HTTP/1.1 200 OK\r\n", 17), 0, "%.100s", page);
    return page;
}

// The sample of that core; -1: there is none.
static double sample(const char *page, const char *name, uint32_t shard)
{
    char begin[128];

    (void)snprintf(begin, sizeof begin, "\n%s{shard=\"%u\"} ", name, shard);
    const char *const at = strstr(page, begin);

    return at == NULL ? -1 : strtod(at + strlen(begin), NULL);
}

Test(metrics_page, every_core_tells_its_own)
{
    struct story story = story_open(3, "");
    struct sim_talk *const talk = story_talk(&story, 2);
    struct sim_talk *const page = page_talk(&story);
    char key[STORY_KEY_BYTES], say[128];

    story_key(&story, 1, 0, key);
    (void)snprintf(say, sizeof say, "SET %s 1\r\nGET %s\r\nGET %s\r\nPING\r\n", key, key, key);
    story_expect(talk, say, "+OK\r\n$1\r\n1\r\n$1\r\n1\r\n+PONG\r\n");
    const char *const text = scrape(page);

    for (uint32_t i = 0; i < 3; i++) {
        cr_expect_eq(sample(text, "rldb_clients", i), i == 2 ? 1 : 0, "core %u", i);
        cr_expect_eq(sample(text, "rldb_commands_total", i),
                     i == 1   ? 3
                     : i == 2 ? 1
                              : 0,
                     "core %u: %g", i, sample(text, "rldb_commands_total", i));
        cr_expect_eq(sample(text, "rldb_engine_records", i), i == 1 ? 1 : 0, "core %u", i);
        cr_expect_eq(sample(text, "rldb_hops_sent_total", i), i == 2 ? 3 : 0, "core %u", i);
        cr_expect_eq(sample(text, "rldb_keyspace_hits_total", i), i == 1 ? 2 : 0, "core %u", i);
        cr_expect_gt(sample(text, "rldb_turns_total", i), 0, "core %u", i);
    }
    cr_expect_eq(sample(text, "rldb_clients", 3), -1, "there are three");
    // What nobody used has no line, what was used has one on the core that ran it.
    cr_expect_null(strstr(text, "command=\"setrange\""));
    cr_expect_not_null(
        strstr(text, "\nrldb_command_latency_seconds_count{command=\"get\",shard=\"1\"} 2\n"));
    story_close(&story);
}

Test(metrics_page, waits_for_a_core_that_is_busy)
{
    struct story story = story_open(2, "");
    struct sim_talk *const page = page_talk(&story), *const other = page_talk(&story);

    (void)scrape(page);
    sim_rldb_hang(story.rldb, 1, true);
    ask(page, "/metrics");
    cr_expect_str_eq(sim_talk_hear(page, 2000, NULL), "");
    ask(other, "/healthz"); // that the node lives can be seen all the while
    cr_expect_not_null(strstr(sim_talk_hear(other, 100, NULL), "\r\n\r\nok\n"));
    sim_rldb_hang(story.rldb, 1, false);
    const char *const text = sim_talk_hear(page, 200, NULL);

    cr_expect_eq(strncmp(text, "HTTP/1.1 200 OK\r\n", 17), 0, "%.60s", text);
    cr_expect_geq(sample(text, "rldb_turns_total", 1), 1);
    story_close(&story);
}

// The page is given back when all cores have answered, whether anyone still wants it or not.
Test(metrics_page, outlives_who_asked)
{
    struct story story = story_open(3, "");
    struct sim_talk *const page = page_talk(&story), *const other = page_talk(&story);

    (void)scrape(page);
    sim_rldb_hang(story.rldb, 2, true);
    ask(page, "/metrics");
    ask(other, "/metrics");
    story_run(&story, 50);
    story_hang_up(&story, page, true);
    story_run(&story, 50);
    sim_rldb_hang(story.rldb, 2, false);
    const char *const text = sim_talk_hear(other, 200, NULL);

    cr_expect_eq(strncmp(text, "HTTP/1.1 200 OK\r\n", 17), 0, "%.60s", text);
    (void)scrape(other);
    story_close(&story);
}

Test(metrics_page, many_at_once_are_each_whole)
{
    enum { PAGES = 20 };
    struct story story = story_open(2, "");
    struct sim_talk *pages[PAGES];

    for (int i = 0; i < PAGES; i++) {
        pages[i] = page_talk(&story);
        ask(pages[i], "/metrics");
    }
    for (int i = 0; i < PAGES; i++) {
        size_t size = 0;
        unsigned long length = 0;
        const char *const text = sim_talk_hear(pages[i], 200, &size);
        const char *const says = strstr(text, "Content-Length: ");
        const char *const body = strstr(text, "\r\n\r\n");

        cr_assert(says != NULL && body != NULL, "%.200s", text);
        cr_assert_eq(sscanf(says, "Content-Length: %lu", &length), 1);
        cr_expect_eq(length, size - (size_t)(body + 4 - text));
        cr_expect_geq(sample(text, "rldb_uptime_seconds", 1), 0);
    }
    story_close(&story);
}
