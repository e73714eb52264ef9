// One connection, from its first byte to its end: see node_story.h for how these stories are told.
#include "cluster/client.h"
#include "core/limits.h"
#include "tests/unit/node_story.h"

static const char two_requests[] = "*3\r\n$3\r\nSET\r\n$2\r\nk0\r\n$5\r\nhello\r\n"
                                   "*2\r\n$3\r\nGET\r\n$2\r\nk0\r\n"
                                   "ECHO 'a b'\r\n";
static const char two_replies[] = "+OK\r\n$5\r\nhello\r\n$3\r\na b\r\n";

// Input -------------------------------------------------------------------------------------------

Test(client, takes_requests_cut_anywhere)
{
    struct story story = story_open(2, "");
    const size_t size = sizeof two_requests - 1;

    for (uint32_t core = 0; core < 2; core++) { // at the key's core, and at the other
        struct sim_talk *const talk = story_talk(&story, core);

        for (size_t cut = 1; cut < size; cut++) {
            char heard[64];

            sim_talk_send(talk, two_requests, cut);
            (void)snprintf(heard, sizeof heard, "%s", sim_talk_hear(talk, 3, NULL));
            sim_talk_send(talk, two_requests + cut, size - cut);
            const size_t before = strlen(heard);

            (void)snprintf(heard + before, sizeof heard - before, "%s",
                           sim_talk_hear(talk, 3, NULL));
            cr_assert_str_eq(heard, two_replies, "cut at %zu", cut);
        }
    }
    story_close(&story);
}

Test(client, takes_a_byte_at_a_time)
{
    struct story story = story_open(2, "");
    struct sim_talk *const talk = story_talk(&story, 1);
    char heard[64] = "";

    for (size_t at = 0; at < sizeof two_requests - 1; at++) {
        const size_t before = strlen(heard);

        sim_talk_send(talk, two_requests + at, 1);
        (void)snprintf(heard + before, sizeof heard - before, "%s", sim_talk_hear(talk, 3, NULL));
    }
    cr_assert_str_eq(heard, two_replies);
    story_close(&story);
}

Test(client, takes_many_arguments_in_pieces)
{
    enum { KEYS = 3000 };
    struct story story = story_open(2, "");
    struct sim_talk *const talk = story_talk(&story, 0);
    char *const text = calloc(KEYS, 32);
    char *const reply = calloc(KEYS, 8);
    size_t size = (size_t)snprintf(text, 32 * KEYS, "*%d\r\n$4\r\nMGET\r\n", KEYS + 1);

    for (int i = 0; i < KEYS; i++) {
        size += (size_t)snprintf(text + size, 32, "$5\r\nm%04d\r\n", i);
    }
    for (size_t at = 0; at < size;) {
        const size_t piece = size - at < 777 ? size - at : 777;

        sim_talk_send(talk, text + at, piece);
        at += piece;
        cr_assert(at == size || sim_talk_hear(talk, 2, NULL)[0] == '\0', "not whole yet");
    }
    size = (size_t)snprintf(reply, 8 * KEYS, "*%d\r\n", KEYS);
    for (int i = 0; i < KEYS; i++) {
        memcpy(reply + size, "$-1\r\n", 6);
        size += 5;
    }
    cr_assert_str_eq(sim_talk_hear(talk, 50, NULL), reply);
    free(text);
    free(reply);
    story_close(&story);
}

Test(client, takes_memory_for_what_came_and_not_for_what_was_announced)
{
    enum { ANNOUNCED = 50 * 1000 * 1000, SENT = 700 * 1000 };
    struct story story = story_open(1, "");
    struct sim_talk *const talk = story_talk(&story, 0);
    const struct stats *const stats = &sim_rldb_shard(story.rldb, 0)->stats;
    char *const bytes = calloc(1, SENT);

    sim_talk_say(talk, "*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$50000000\r\n");
    cr_assert_str_eq(sim_talk_hear(talk, 5, NULL), "");
    cr_assert_leq(stats->input_gathered_bytes, LIMIT_GATHER_BYTES_MIN);
    memset(bytes, 'x', SENT);
    sim_talk_send(talk, bytes, SENT);
    cr_assert_str_eq(sim_talk_hear(talk, 500, NULL), "");
    cr_assert_geq(stats->input_gathered_bytes, SENT);
    cr_assert_leq(stats->input_gathered_bytes, 2 * SENT);
    story_hang_up(&story, talk, false);
    story_run(&story, 100);
    cr_assert_eq(stats->input_gathered_bytes, 0);
    free(bytes);
    story_close(&story);
}

Test(client, takes_a_large_value_and_gives_it_back)
{
    enum { SIZE = 3 * 1000 * 1000 };
    struct story story = story_open(2, "");
    struct sim_talk *const talk = story_talk(&story, 0);
    char *const bytes = calloc(1, SIZE + 1);
    char key[STORY_KEY_BYTES];
    char text[128];
    size_t size = 0;

    story_key(&story, 1, 0, key);
    for (size_t i = 0; i < SIZE; i++) {
        bytes[i] = (char)('a' + i % 23);
    }
    (void)snprintf(text, sizeof text, "*3\r\n$3\r\nSET\r\n$%zu\r\n%s\r\n$%d\r\n", strlen(key), key,
                   SIZE);
    sim_talk_say(talk, text);
    sim_talk_send(talk, bytes, SIZE);
    (void)snprintf(text, sizeof text, "\r\nGET %s\r\n", key);
    sim_talk_say(talk, text);
    const char *const heard = sim_talk_hear(talk, 5000, &size);

    cr_assert_eq(size, strlen("+OK\r\n$3000000\r\n\r\n") + SIZE);
    cr_assert_eq(memcmp(heard, "+OK\r\n$3000000\r\n", 15), 0);
    cr_assert_eq(memcmp(heard + 15, bytes, SIZE), 0);
    free(bytes);
    story_close(&story);
}

// What is sent while nothing may be parsed is kept up to a bound; past it the socket fills.
Test(client, keeps_a_bounded_backlog)
{
    enum { PINGS = 500 * 1000 };
    struct story story = story_open(1, "");
    struct sim_talk *const talk = story_talk(&story, 0);
    struct sim_talk *const other = story_talk(&story, 0);
    const struct stats *const stats = &sim_rldb_shard(story.rldb, 0)->stats;
    char *const text = calloc(PINGS, 6);
    uint64_t pongs = 0;
    size_t size = 0;

    story_expect(other, "CLIENT PAUSE 10000 ALL\r\n", "+OK\r\n");
    for (int i = 0; i < PINGS; i++) {
        memcpy(text + 6 * (size_t)i, "PING\r\n", 6);
    }
    sim_talk_send(talk, text, 6 * PINGS);
    cr_assert_str_eq(sim_talk_hear(talk, 3000, NULL), "");
    cr_assert_gt(stats->input_gathered_bytes, LIMIT_CLIENT_BACKLOG_BYTES);
    cr_assert_lt(stats->input_gathered_bytes, 3 * LIMIT_CLIENT_BACKLOG_BYTES);
    story_expect(other, "CLIENT UNPAUSE\r\n", "+OK\r\n");
    for (int i = 0; i < 1000 && pongs < 7 * PINGS; i++) {
        (void)sim_talk_hear(talk, 100, &size);
        pongs += size;
    }
    cr_assert_eq(pongs, 7 * PINGS);
    free(text);
    story_close(&story);
}

// Output ------------------------------------------------------------------------------------------

Test(client, answers_in_the_order_of_the_requests)
{
    struct story story = story_open(3, "");
    char k[3][STORY_KEY_BYTES];
    char text[1024];
    char reply[1024];

    for (uint32_t core = 0; core < 3; core++) {
        story_key(&story, core, 0, k[core]);
    }
    for (uint32_t core = 0; core < 3; core++) {
        struct sim_talk *const talk = story_talk(&story, core);

        (void)snprintf(text, sizeof text,
                       "SET %s 0\r\nSET %s 1\r\nECHO a\r\nSET %s 2\r\nECHO b\r\n"
                       "DEBUG SLEEP 0.005\r\nECHO c\r\nMGET %s %s %s\r\nGET %s\r\nINCR %s\r\n"
                       "MSET %s x %s y\r\nGET %s\r\nNOSUCH\r\nGET %s\r\nDEL %s %s %s\r\nECHO d\r\n",
                       k[0], k[1], k[2], k[2], k[1], k[0], k[1], k[2], k[0], k[2], k[0], k[2], k[0],
                       k[1], k[2]);
        (void)snprintf(reply, sizeof reply,
                       "+OK\r\n+OK\r\n$1\r\na\r\n+OK\r\n$1\r\nb\r\n+OK\r\n$1\r\nc\r\n"
                       "*3\r\n$1\r\n2\r\n$1\r\n1\r\n$1\r\n0\r\n$1\r\n1\r\n:3\r\n+OK\r\n"
                       "$1\r\nx\r\n-ERR unknown command 'NOSUCH', with args beginning with: \r\n"
                       "$1\r\ny\r\n:3\r\n$1\r\nd\r\n");
        story_expect(talk, text, reply);
    }
    story_close(&story);
}

Test(client, answers_who_sends_nothing_more)
{
    struct story story = story_open(2, "");

    for (uint32_t core = 0; core < 2; core++) {
        struct sim_talk *const talk = story_talk(&story, core);

        sim_talk_say(talk, "SET k0 v\r\nGET k0\r\nDEBUG SLEEP 0.01\r\nMGET k0 k1\r\nGET k");
        sim_talk_shutdown(talk);
        cr_assert_str_eq(sim_talk_hear(talk, 50, NULL),
                         "+OK\r\n$1\r\nv\r\n+OK\r\n*2\r\n$1\r\nv\r\n$-1\r\n",
                         "what is not whole is no request");
        cr_assert(sim_talk_ended(talk));
    }
    story_close(&story);
}

Test(client, hears_nothing_behind_quit)
{
    struct story story = story_open(2, "");
    struct sim_talk *const other = story_talk(&story, 0);

    for (uint32_t core = 0; core < 2; core++) {
        struct sim_talk *const talk = story_talk(&story, core);

        sim_talk_say(talk,
                     "GET k0\r\nGET k1\r\nQUIT\r\nSET k0 v\r\nSET k1 v\r\nMSET k0 v k1 v\r\n");
        cr_assert_str_eq(sim_talk_hear(talk, 50, NULL), "$-1\r\n$-1\r\n+OK\r\n");
        cr_assert(sim_talk_ended(talk));
        story_expect(other, "MGET k0 k1\r\n", "*2\r\n$-1\r\n$-1\r\n");
    }
    story_close(&story);
}

Test(client, hears_what_was_wrong_behind_the_replies_to_what_was_right)
{
    struct story story = story_open(2, "");
    struct sim_talk *const other = story_talk(&story, 0);

    for (uint32_t core = 0; core < 2; core++) {
        struct sim_talk *const talk = story_talk(&story, core);

        sim_talk_say(talk, "GET k0\r\nGET k1\r\n*2\r\n$3\r\nGET\r\n:1\r\n");
        cr_assert_str_eq(sim_talk_hear(talk, 50, NULL),
                         "$-1\r\n$-1\r\n-ERR Protocol error: expected '$', got ':'\r\n");
        cr_assert(sim_talk_ended(talk));
        story_expect(other, "PING\r\n", "+PONG\r\n");
    }
    story_close(&story);
}

// Somebody who reads nothing and asked for more than fits, and for the end: the core sleeps.
Test(client, costs_nothing_while_its_replies_are_unread)
{
    static const char *const ends[] = {"", "QUIT\r\n", "QUIT\r\nPING\r\nPING\r\n",
                                       "GET big\r\nPING\r\n", "*1\r\n:1\r\nPING\r\nPING\r\n"};
    struct story story = story_open(2, "");
    struct sim_talk *const other = story_talk(&story, 0);

    story_expect(other, "SETRANGE big 3000000 x\r\n", ":3000001\r\n");
    for (size_t i = 0; i < 2 * (sizeof ends / sizeof *ends); i++) {
        struct sim_talk *const talk = story_talk(&story, i % 2);

        sim_talk_deaf(talk, true);
        sim_talk_say(talk, "GET big\r\n");
        story_run(&story, 20);
        sim_talk_say(talk, ends[i / 2]);
        story_run(&story, 1000);
        const uint64_t turns = story_turns(&story);

        story_run(&story, 1000);
        cr_assert_lt(story_turns(&story) - turns, 50, "%zu turns in a second, behind: %s",
                     story_turns(&story) - turns, ends[i / 2]);
        story_hang_up(&story, talk, false);
    }
    story_close(&story);
}

Test(client, is_closed_when_it_reads_nothing_for_long)
{
    struct story story = story_open(2, "clients: { output_max: 1MiB }\n");
    struct sim_talk *const talk = story_talk(&story, 0);
    struct sim_talk *const other = story_talk(&story, 0);
    const struct shard *const shard = sim_rldb_shard(story.rldb, 0);

    story_expect(other, "SETRANGE big 300000 x\r\n", ":300001\r\n");
    sim_talk_deaf(talk, true);
    for (int i = 0; i < 200; i++) {
        sim_talk_say(talk, "GET big\r\n");
    }
    for (int i = 0; i < 100 && shard->client_count == 2; i++) {
        size_t bytes = 0;

        story_run(&story, 1000);
        for (const struct client *at = shard->clients; at != NULL; at = at->next) {
            bytes += at->out.bytes;
        }
        cr_assert_leq(bytes, 1024 * 1024);
    }
    cr_assert_eq(shard->client_count, 1);
    cr_assert_eq(shard->stats.output_limit_disconnections, 1);
    story_expect(other, "PING\r\n", "+PONG\r\n");
    story_close(&story);
}

// "GET big" so often, and then more than is taken in while these wait: a client that sends all this
// before it reads.
static void send_and_do_not_read(struct sim_talk *talk, int gets)
{
    enum { VALUE = 900 * 1000, SETS = 4 };
    char *const bytes = calloc(1, VALUE + 3);

    memset(bytes, 'x', VALUE);
    memcpy(bytes + VALUE, "\r\n", 2);
    sim_talk_deaf(talk, true);
    for (int i = 0; i < gets; i++) {
        sim_talk_say(talk, "GET big\r\n");
    }
    for (int i = 0; i < SETS; i++) {
        sim_talk_say(talk, "*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$900000\r\n");
        sim_talk_send(talk, bytes, VALUE + 2);
    }
    free(bytes);
}

Test(client, is_answered_within_output_max_what_it_sent_before_it_read)
{
    enum { GETS = 30, EACH = 500001 };
    static const char ends[] = "+OK\r\n+OK\r\n+OK\r\n+OK\r\n";
    struct story story =
        story_open(2, "clients: { output_max: 16MiB }\nstorage: { value_max: 1MiB }\n");
    struct sim_talk *const other = story_talk(&story, 0);
    const struct shard *const shard = sim_rldb_shard(story.rldb, 0);
    size_t heard = 0;

    story_expect(other, "SETRANGE big 500000 x\r\n", ":500001\r\n");
    struct sim_talk *const talk = story_talk(&story, 0);

    send_and_do_not_read(talk, GETS);
    story_run(&story, 5000);
    cr_assert_eq(shard->client_count, 2, "it is within its bound");
    cr_assert_eq(shard->clients->commands, GETS + 4, "%zu", (size_t)shard->clients->commands);
    cr_assert_gt(shard->clients->out.bytes, 16 * 1024 * 1024 * 3 / 4);
    sim_talk_deaf(talk, false);
    for (int i = 0; i < 100; i++) {
        size_t size;

        (void)sim_talk_hear(talk, 200, &size);
        heard += size;
    }
    cr_assert_eq(heard, GETS * (strlen("$500001\r\n\r\n") + EACH) + strlen(ends));
    cr_assert_eq(shard->clients->flags & CLIENT_UNHELD, 0, "and is held again next time");
    story_close(&story);
}

Test(client, is_closed_at_once_past_output_max)
{
    enum { TALKS = 20 };
    struct story story =
        story_open(2, "clients: { output_max: 2MiB }\nstorage: { value_max: 1MiB }\n");
    struct sim_talk *const other = story_talk(&story, 0);
    const struct shard *const shard = sim_rldb_shard(story.rldb, 0);

    story_expect(other, "SETRANGE big 500000 x\r\n", ":500001\r\n");
    for (int i = 0; i < TALKS; i++) {
        send_and_do_not_read(story_talk(&story, 0), 30);
    }
    story_run(&story, 5000);
    cr_assert_eq(shard->client_count, 1, "%u", shard->client_count);
    cr_assert_eq(shard->stats.output_limit_disconnections, TALKS);
    cr_assert_eq(shard->output_closed.lines, LIMIT_CLOSED_LOG_LINES, "and not a line for each");
    cr_assert_eq(shard->output_closed.suppressed, TALKS - LIMIT_CLOSED_LOG_LINES);
    story_close(&story);
}

Test(client, says_nothing_while_replies_are_off)
{
    struct story story = story_open(2, "");

    for (uint32_t core = 0; core < 2; core++) {
        struct sim_talk *const talk = story_talk(&story, core);

        story_expect(talk,
                     "CLIENT REPLY OFF\r\nSET k0 a\r\nSET k1 b\r\nGET k0\r\nGET k1\r\n"
                     "MGET k0 k1\r\nNOSUCH\r\nCLIENT REPLY ON\r\nMGET k0 k1\r\n",
                     "+OK\r\n*2\r\n$1\r\na\r\n$1\r\nb\r\n");
        story_expect(talk,
                     "CLIENT REPLY SKIP\r\nGET k0\r\nGET k1\r\n"
                     "CLIENT REPLY SKIP\r\nMGET k0 k1\r\nECHO x\r\n",
                     "$1\r\nb\r\n$1\r\nx\r\n");
        story_expect(talk, "CLIENT REPLY OFF\r\nGET k0\r\nGET k1\r\nRESET\r\nGET k1\r\n",
                     "+RESET\r\n$1\r\nb\r\n");
    }
    story_close(&story);
}

// Waiting -----------------------------------------------------------------------------------------

Test(client, sleeps_while_it_waits_for_another_core)
{
    struct story story = story_open(2, "");
    struct sim_talk *const talk = story_talk(&story, 0);
    char here[STORY_KEY_BYTES];
    char there[STORY_KEY_BYTES];
    char text[256];

    story_key(&story, 0, 0, here);
    story_key(&story, 1, 0, there);
    story_expect(talk, "PING\r\n", "+PONG\r\n");
    sim_rldb_hang(story.rldb, 1, true);
    (void)snprintf(text, sizeof text, "GET %s\r\nSET %s v\r\nMGET %s %s\r\nGET %s\r\n", there, here,
                   there, here, here);
    sim_talk_say(talk, text);
    cr_assert_str_eq(sim_talk_hear(talk, 20, NULL), "", "the first reply is not here yet");
    const uint64_t turns = story_turns(&story);

    story_run(&story, 50);
    cr_assert_lt(story_turns(&story) - turns, 10);
    sim_rldb_hang(story.rldb, 1, false);
    cr_assert_str_eq(sim_talk_hear(talk, 20, NULL),
                     "$-1\r\n+OK\r\n*2\r\n$-1\r\n$1\r\nv\r\n$1\r\nv\r\n");
    story_close(&story);
}

Test(client, may_go_while_another_core_works_for_it)
{
    struct story story = story_open(2, "");
    char here[STORY_KEY_BYTES];
    char there[STORY_KEY_BYTES];
    char text[256];

    story_key(&story, 0, 0, here);
    story_key(&story, 1, 0, there);
    (void)snprintf(text, sizeof text,
                   "GET %s\r\nECHO x\r\nSET %s v\r\nMSET %s v %s v\r\nGET %s\r\n", there, there,
                   there, here, here);
    for (uint32_t i = 0; i < 6; i++) { // MSET from either core, closed, reset or half closed
        struct sim_talk *const talk = story_talk(&story, i % 2);

        story_expect(talk, "PING\r\n", "+PONG\r\n");
        sim_rldb_hang(story.rldb, 1 - i % 2, true);
        sim_talk_say(talk, text);
        story_run(&story, 20);
        if (i / 2 == 2) {
            sim_talk_shutdown(talk);
        } else {
            story_hang_up(&story, talk, i / 2 == 0);
        }
        story_run(&story, 20);
        sim_rldb_hang(story.rldb, 1 - i % 2, false);
        story_run(&story, 20);
    }
    story_close(&story);
}

// More requests to one core than may be under way: those over it wait for credit, nothing is lost.
Test(client, waits_for_credit)
{
    enum { CLIENTS = 60, GETS = 100 };
    struct story story = story_open(2, "");
    const struct shard *const shard = sim_rldb_shard(story.rldb, 0);
    struct sim_talk *talks[CLIENTS];
    char there[STORY_KEY_BYTES];
    char text[64 + HOP_INSIDE_BYTES];
    uint32_t starved = 0;

    story_key(&story, 1, 0, there); // and so long that each request is a message
    (void)snprintf(text, sizeof text, "GET {%s}%0*d\r\n", there, HOP_INSIDE_BYTES, 0);
    for (int i = 0; i < CLIENTS; i++) {
        talks[i] = story_talk(&story, 0);
        for (int j = 0; j < GETS; j++) { // opens its window
            sim_talk_say(talks[i], text);
        }
    }
    story_run(&story, 100);
    sim_rldb_hang(story.rldb, 1, true);
    for (int i = 0; i < CLIENTS; i++) {
        for (int j = 0; j < GETS; j++) {
            sim_talk_say(talks[i], text);
        }
    }
    story_run(&story, 100);
    cr_assert_eq(shard->credits[1], 0);
    cr_assert_eq(shard->hops.taken, LIMIT_MESSAGES_OUT);
    for (const struct client *at = shard->clients; at != NULL; at = at->next) {
        starved += (at->flags & CLIENT_STARVED) != 0;
    }
    cr_assert_gt(starved, 5);
    const uint64_t turns = story_turns(&story);

    story_run(&story, 50);
    cr_assert_lt(story_turns(&story) - turns, 10);
    story_hang_up(&story, talks[CLIENTS - 1], true); // in the line
    story_hang_up(&story, talks[0], true);           // and one with all under way
    sim_rldb_hang(story.rldb, 1, false);
    for (int i = 1; i < CLIENTS - 1; i++) {
        size_t size = 0;

        (void)sim_talk_hear(talks[i], 100, &size);
        cr_assert_eq(size, 2 * 5 * GETS);
    }
    story_close(&story);
}

static void story_expect_blocked(struct sim_talk *talk, int count)
{
    char line[40];

    (void)snprintf(line, sizeof line, "\nblocked_clients:%d\r\n", count);
    sim_talk_say(talk, "INFO clients\r\n");
    cr_assert_not_null(strstr(sim_talk_hear(talk, 20, NULL), line), "not %s", line + 1);
}

Test(client, stays_paused_as_long_as_was_said)
{
    struct story story = story_open(2, "");
    struct sim_talk *const talk = story_talk(&story, 1);
    struct sim_talk *const other = story_talk(&story, 0);

    story_expect(other, "CLIENT PAUSE 100 WRITE\r\n", "+OK\r\n");
    sim_talk_say(talk, "GET k0\r\nGET k1\r\nSET k0 v\r\nGET k0\r\n");
    cr_assert_str_eq(sim_talk_hear(talk, 50, NULL), "$-1\r\n$-1\r\n",
                     "reads go on, in their order");
    cr_assert_str_eq(sim_talk_hear(talk, 50, NULL), "+OK\r\n$1\r\nv\r\n");
    story_expect(other, "CLIENT PAUSE 1000 WRITE\r\n", "+OK\r\n");
    story_expect_blocked(other, 0);
    sim_talk_say(talk, "SET k0 v\r\n");
    cr_assert_str_eq(sim_talk_hear(talk, 40, NULL), "");
    story_expect_blocked(other, 1);
    story_expect(other, "CLIENT PAUSE 1000 ALL\r\n", "+OK\r\n");
    cr_assert_str_eq(sim_talk_hear(talk, 40, NULL), "");
    story_expect(other, "CLIENT UNPAUSE\r\n", "+OK\r\n");
    cr_assert_str_eq(sim_talk_hear(talk, 5, NULL), "+OK\r\n");
    story_expect_blocked(other, 0);
    story_close(&story);
}

Test(client, that_hangs_up_while_it_is_paused_is_not_counted_as_blocked)
{
    struct story story = story_open(2, "");
    struct sim_talk *const talk = story_talk(&story, 1);
    struct sim_talk *const other = story_talk(&story, 0);

    story_expect(other, "CLIENT PAUSE 100000 WRITE\r\n", "+OK\r\n");
    sim_talk_say(talk, "SET k0 v\r\n");
    cr_assert_str_eq(sim_talk_hear(talk, 40, NULL), "");
    story_expect_blocked(other, 1);
    story_hang_up(&story, talk, true);
    story_run(&story, 40);
    story_expect_blocked(other, 0);
    story_expect(other, "CLIENT UNPAUSE\r\n", "+OK\r\n");
    story_expect_blocked(other, 0);
    story_close(&story);
}

// Nothing is a value too, and its place is had from a core that had no use for one yet.
Test(client, appends_nothing_to_nothing)
{
    struct story story = story_open(1, "");
    struct sim_talk *const talk = story_talk(&story, 0);

    story_expect(talk, "*3\r\n$6\r\nAPPEND\r\n$1\r\nk\r\n$0\r\n\r\n", ":0\r\n");
    story_expect(talk, "EXISTS k\r\n", ":1\r\n");
    story_close(&story);
}

// What is slept by one is in the log of slow commands, and a container's name asks for all of it.
Test(client, finds_its_commands_in_the_figures)
{
    struct story story = story_open(1, "");
    struct sim_talk *const talk = story_talk(&story, 0);

    story_expect(talk, "DEBUG SLEEP 0.02\r\n", "");
    cr_assert_str_eq(sim_talk_hear(talk, 100, NULL), "+OK\r\n");
    story_expect(talk, "SLOWLOG LEN\r\n", ":1\r\n");
    story_expect(talk, "CLIENT ID\r\n", ":1\r\n");
    story_expect(talk, "CLIENT NO-EVICT off\r\n", "+OK\r\n");
    sim_talk_say(talk, "LATENCY HISTOGRAM client\r\n");
    const char *heard = sim_talk_hear(talk, 20, NULL);

    cr_assert_eq(strncmp(heard, "*4\r\n", 4), 0, "%s", heard);
    cr_assert(strstr(heard, "client|id") != NULL && strstr(heard, "client|no-evict") != NULL, "%s",
              heard);
    story_close(&story);
}

// Limits ------------------------------------------------------------------------------------------

Test(client, is_told_when_there_are_too_many)
{
    struct story story = story_open(2, "clients: { max: 3 }\n");
    struct sim_talk *talks[5];

    for (int i = 0; i < 3; i++) {
        talks[i] = story_talk(&story, (uint32_t)i % 2);
        story_expect(talks[i], "PING\r\n", "+PONG\r\n");
    }
    for (int i = 3; i < 5; i++) {
        talks[i] = story_talk(&story, 1);
        cr_assert_str_eq(sim_talk_hear(talks[i], 20, NULL),
                         "-ERR max number of clients reached\r\n");
        cr_assert(sim_talk_ended(talks[i]));
    }
    story_hang_up(&story, talks[0], false);
    story_run(&story, 20);
    story_expect(story_talk(&story, 0), "PING\r\n", "+PONG\r\n");
    story_close(&story);
}

Test(client, is_closed_when_idle_for_too_long)
{
    struct story story = story_open(2, "clients: { idle_timeout: 2s }\n");
    struct sim_talk *const talk = story_talk(&story, 0);
    struct sim_talk *const other = story_talk(&story, 1);

    for (int i = 0; i < 5; i++) {
        story_expect(talk, "PING\r\n", "+PONG\r\n");
        story_run(&story, 1500);
    }
    cr_assert_not(sim_talk_ended(talk));
    (void)sim_talk_hear(other, 0, NULL);
    cr_assert(sim_talk_ended(other), "that one said nothing");
    (void)sim_talk_hear(talk, 1000, NULL);
    cr_assert(sim_talk_ended(talk));
    story_close(&story);
}
