// The turn of a shard: requests in batches, as many as come, wherever they run.
#include "cluster/request.h"

#include "core/random.h"
#include "tests/unit/node_script.h"

enum { SEED = 20260202, COUNTERS = 6 };

// So many requests in one pipeline, on counters here and elsewhere: each replied once, in order.
static void play_pipeline(struct story *story, struct sim_talk *talk, uint32_t requests)
{
    char keys[COUNTERS][STORY_KEY_BYTES];
    int64_t totals[COUNTERS] = {0};
    struct script script;

    script_open(&script);
    for (uint32_t i = 0; i < COUNTERS; i++) {
        story_key(story, i % 2, i / 2, keys[i]);
        script_words(&script, "SET", keys[i], "0", NULL);
        script_hears(&script, "+OK");
    }
    script_play(&script, talk, 100);
    for (uint32_t i = 0; i < requests; i++) {
        char line[24];

        script_words(&script, "INCR", keys[i % COUNTERS], NULL);
        (void)snprintf(line, sizeof line, ":%lld", (long long)++totals[i % COUNTERS]);
        script_hears(&script, line);
    }
    script_play(&script, talk, 2000);
    script_close(&script);
}

Test(request, pipelines_of_any_length_around_a_batch)
{
    struct story story = story_open(2, "");
    struct sim_talk *const talk = story_talk(&story, 0);

    for (uint32_t batches = 1; batches <= 3; batches++) {
        for (uint32_t off = 0; off < 5; off++) {
            play_pipeline(&story, talk, batches * LIMIT_BATCH + off - 2);
        }
    }
    play_pipeline(&story, talk, 5000);
    story_close(&story);
}

// Of several clients a batch takes what each has sent.
Test(request, batches_of_many_clients)
{
    enum { CLIENTS = 40, ROUNDS = 25 };
    struct story story = story_open(2, "");
    struct sim_talk *talks[CLIENTS];
    struct script script;

    script_open(&script);
    for (uint32_t i = 0; i < CLIENTS; i++) {
        talks[i] = story_talk(&story, i % 2);
    }
    for (uint32_t round = 0; round < ROUNDS; round++) {
        for (uint32_t i = 0; i < CLIENTS; i++) {
            sim_talk_say(talks[i], "INCR shared\r\nPING\r\n");
        }
    }
    uint64_t sum = 0;

    for (uint32_t i = 0; i < CLIENTS; i++) {
        size_t size = 0;
        const char *at = sim_talk_hear(talks[i], 50, &size);
        int64_t last = 0;

        for (uint32_t round = 0; round < ROUNDS; round++) {
            long long total = 0;
            int length = 0;

            cr_assert_eq(sscanf(at, ":%lld\r\n%n", &total, &length), 1, "%.40s", at);
            cr_assert_gt(total, last);
            last = total;
            sum += (uint64_t)total;
            cr_assert_eq(strncmp(at + length, "+PONG\r\n", 7), 0, "%.40s", at);
            at += length + 7;
        }
        cr_assert_eq(*at, '\0');
    }
    // Each number from 1 on was given once.
    const uint64_t all = CLIENTS * ROUNDS;

    cr_expect_eq(sum, all * (all + 1) / 2);
    story_expect(talks[0], "GET shared\r\n", "$4\r\n1000\r\n");
    script_close(&script);
    story_close(&story);
}

// A batch has room for so many arguments; requests with more of them, or with ones that had to be
// unescaped, keep theirs apart. Here they come in every mixture.
Test(request, arguments_of_all_kinds_in_one_pipeline)
{
    enum { REQUESTS = 1500, KEYS = 700 };
    static char names[KEYS][STORY_KEY_BYTES];
    static struct slice argv[1 + KEYS];
    struct story story = story_open(2, "");
    struct sim_talk *const talk = story_talk(&story, 1);
    struct script script;
    struct random random;
    char far[STORY_KEY_BYTES], near[STORY_KEY_BYTES], text[160];

    random_seed(&random, SEED);
    script_open(&script);
    story_key(&story, 0, 0, far);
    story_key(&story, 1, 0, near);
    for (uint32_t i = 0; i < KEYS; i++) {
        (void)snprintf(names[i], sizeof names[i], "absent%u", i);
        argv[1 + i] = slice_from_text(names[i]);
    }
    for (uint32_t i = 0; i < REQUESTS; i++) {
        const char *const key = random_below(&random, 2) == 0 ? far : near;
        const uint32_t many = 1 + (uint32_t)random_below(&random, KEYS);

        switch (random_below(&random, 5)) {
        case 0: // unescaped, and on its way to another core while the next is parsed
            text_printf(&script.say, "SET \"%s\" \"a\\x00b\\n%u\"\r\n", key, i);
            script_hears(&script, "+OK");
            (void)snprintf(text, sizeof text, "a_b\n%u", i);
            text[1] = '\0';
            script_words(&script, "GET", key, NULL);
            script_hears_bulk(&script, slice_of(text, 4 + strlen(text + 4)));
            break;
        case 1:
            argv[0] = slice_from_text("EXISTS");
            script_request(&script, argv, 1 + many);
            script_hears(&script, ":0");
            break;
        case 2:
            argv[0] = slice_from_text("GET");
            script_request(&script, argv, 1 + many);
            script_hears(&script,
                         many == 1 ? "$-1" : "-ERR wrong number of arguments for 'get' command");
            break;
        case 3:
            (void)snprintf(text, sizeof text, "v%u", i);
            script_words(&script, "SET", key, text, "PXAT", "4000000000000", NULL);
            script_hears(&script, "+OK");
            script_words(&script, "GETDEL", key, NULL);
            script_hears_bulk(&script, slice_from_text(text));
            break;
        default:
            text_string(&script.say, "  \r\nPING\t'a b'\r\n\r\n");
            script_hears_bulk(&script, slice_from_text("a b"));
        }
    }
    script_play(&script, talk, 20000);
    script_close(&script);
    story_close(&story);
}

// What decides by the connection's state does so when the request runs.
// Whatever may change how the rest of a client's input is read, or has to be through before it, is
// the last of its batch; all else shares one.
Test(request, ends_a_batch_where_the_rest_may_be_read_otherwise)
{
    enum { TIMES = 20 };
    static const struct {
        const char *line;
        bool ends;
    } rows[] = {
        {"PING\r\n", false},
        {"ECHO x\r\n", false},
        {"TIME\r\n", false},
        {"GET k\r\n", false},
        {"SET k v\r\n", false},
        {"APPEND k v\r\n", false},
        {"GET\r\n", false},
        {"NOSUCH k\r\n", false},
        {"CLIENT ID\r\n", true},
        {"CLIENT SETNAME x\r\n", true},
        {"SELECT 0\r\n", true},
        {"HELLO 2\r\n", true},
        {"MGET a b\r\n", true},
        {"MSET a 1 b 2\r\n", true},
        {"RENAME k k\r\n", true},
        {"DBSIZE\r\n", true},
        {"CONFIG GET save\r\n", true},
    };
    struct story story = story_open(1, "");
    struct sim_talk *const talk = story_talk(&story, 0);
    const struct stats *const stats = &sim_rldb_shard(story.rldb, 0)->stats;

    story_expect(talk, "SET k v\r\n", "+OK\r\n");
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        const uint64_t before = stats->batches;
        const size_t size = strlen(rows[i].line);
        char lines[TIMES * 32];

        for (size_t n = 0; n < TIMES; n++) {
            memcpy(lines + n * size, rows[i].line, size);
        }
        sim_talk_send(talk, lines, TIMES * size);
        (void)sim_talk_hear(talk, 100, NULL);

        const uint64_t batches = stats->batches - before;

        cr_expect(rows[i].ends ? batches == TIMES : batches <= TIMES / 4, "%s: %zu batches",
                  rows[i].line, (size_t)batches);
    }
    story_close(&story);
}

Test(request, sees_what_the_one_before_it_did_to_the_connection)
{
    struct story story = story_open(2, "");
    struct sim_talk *const talk = story_talk(&story, 0);

    story_expect(talk,
                 "GET nosuch\r\nHELLO 3 SETNAME \"a b\"\r\nGET nosuch\r\nCLIENT SETNAME n\r\n"
                 "CLIENT GETNAME\r\nCLIENT REPLY SKIP\r\nPING\r\nPING x\r\nRESET\r\nGET nosuch\r\n"
                 "CLIENT GETNAME\r\n",
                 "$-1\r\n-ERR Client names cannot contain spaces, newlines or special "
                 "characters.\r\n$-1\r\n+OK\r\n$1\r\nn\r\n$1\r\nx\r\n+RESET\r\n$-1\r\n$-1\r\n");
    story_expect(talk,
                 "CLIENT REPLY OFF\r\nSET a 1\r\nMSET b 2 c 3\r\nCLIENT REPLY ON\r\n"
                 "MGET a b c\r\n",
                 "+OK\r\n*3\r\n$1\r\n1\r\n$1\r\n2\r\n$1\r\n3\r\n");
    story_close(&story);
}

// What comes behind a command that takes its time is not even begun.
Test(request, waits_for_what_the_one_before_it_waits_for)
{
    struct story story = story_open(1, "");
    struct sim_talk *const talk = story_talk(&story, 0), *const other = story_talk(&story, 0);

    story_expect(talk, "DEBUG SLEEP 0.5\r\nSET k v\r\nGET k\r\n", "");
    story_expect(other, "GET k\r\n", "$-1\r\n");
    story_run(&story, 600);
    story_expect(other, "GET k\r\n", "$1\r\nv\r\n");
    cr_expect_str_eq(sim_talk_hear(talk, 5, NULL), "+OK\r\n+OK\r\n$1\r\nv\r\n");
    story_close(&story);
}
