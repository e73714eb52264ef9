// Requests that run on another core: whatever their size and the size of their reply, which travel
// in the message where they fit and outside of it where not.
#include "cluster/message.h"

#include "core/random.h"
#include "tests/unit/node_script.h"

// Around what fits inside, and around the ends of chunks of a reply.
enum { SIZES_SMALL = 2 * HOP_INSIDE_BYTES + 50, SEED = 20260101 };

static const size_t sizes_large[] = {483,   484,   485,   1024,  2047,  2048,  2049,
                                     16000, 16384, 16385, 65535, 65536, 300000};

static size_t size_at(size_t index)
{
    return index < SIZES_SMALL ? index : sizes_large[index - SIZES_SMALL];
}

static const size_t size_count = SIZES_SMALL + sizeof sizes_large / sizeof sizes_large[0];

static struct slice value_of(char *bytes, size_t size, uint32_t salt)
{
    for (size_t i = 0; i < size; i++) {
        bytes[i] = (char)('a' + (i * 7 + salt) % 26);
    }
    return slice_of(bytes, size);
}

// One after another, so that each has the message for itself; then all in one pipeline.
static void play_sizes(bool piped)
{
    static char bytes[300000];
    struct story story = story_open(2, "");
    struct sim_talk *const talk = story_talk(&story, 0);
    struct script script;
    char key[STORY_KEY_BYTES];

    script_open(&script);
    story_key(&story, 1, 0, key);
    for (size_t i = 0; i < size_count; i++) {
        const struct slice value = value_of(bytes, size_at(i), (uint32_t)i);
        const struct slice set[] = {slice_from_text("SET"), slice_from_text(key), value};
        const struct slice echo[] = {slice_from_text("GETSET"), slice_from_text(key), value};
        char length[24];

        script_request(&script, set, 3);
        script_hears(&script, "+OK");
        script_request(&script, echo, 3); // as large there as back
        script_hears_bulk(&script, value);
        script_words(&script, "GET", key, NULL);
        script_hears_bulk(&script, value);
        script_words(&script, "STRLEN", key, NULL);
        (void)snprintf(length, sizeof length, ":%zu", value.size);
        script_hears(&script, length);
        if (!piped) {
            script_play(&script, talk, 1000);
        }
    }
    script_play(&script, talk, 5000);
    script_close(&script);
    cr_assert_gt(sim_rldb_shard(story.rldb, 0)->stats.hops_sent, 4 * (uint64_t)SIZES_SMALL);
    story_close(&story);
}

Test(hop, requests_and_replies_of_every_size_cross)
{
    play_sizes(false);
}

Test(hop, requests_and_replies_of_every_size_cross_in_a_pipeline)
{
    play_sizes(true);
}

// Keys are what is packed first, and sizes are two bytes each.
Test(hop, keys_of_every_length_cross)
{
    static char key[LIMIT_KEY_BYTES];
    struct story story = story_open(2, "");
    struct sim_talk *const talk = story_talk(&story, 0);
    struct script script;

    script_open(&script);
    memset(key, 'k', sizeof key);
    for (size_t size = 1; size <= LIMIT_KEY_BYTES; size += size < 300 ? 1 : 13001) {
        const struct slice set[] = {slice_from_text("SET"), slice_of(key, size),
                                    slice_from_text("v")};
        const struct slice get[] = {slice_from_text("GET"), slice_of(key, size)};

        script_request(&script, set, 3);
        script_hears(&script, "+OK");
        script_request(&script, get, 2);
        script_hears_bulk(&script, slice_from_text("v"));
    }
    script_play(&script, talk, 3000);
    script_close(&script);
    story_close(&story);
}

// Up to HOP_ARGUMENTS are packed or referred to in the hop; more need a block of their own.
Test(hop, any_number_of_arguments_crosses)
{
    struct story story = story_open(2, "");
    struct sim_talk *const talk = story_talk(&story, 0);
    struct script script;
    char key[STORY_KEY_BYTES];

    script_open(&script);
    story_key(&story, 1, 0, key);
    for (uint32_t argc = 3; argc < 3 * HOP_ARGUMENTS; argc++) {
        struct slice argv[3 * HOP_ARGUMENTS] = {slice_from_text("SET"), slice_from_text(key),
                                                slice_from_text("v")};

        for (uint32_t i = 3; i < argc; i++) {
            argv[i] = slice_from_text("GET"); // may be said more than once
        }
        script_request(&script, argv, argc);
        if (argc == 3) {
            script_hears(&script, "+OK");
        } else {
            script_hears_bulk(&script, slice_from_text("v"));
        }
        argv[argc - 1] = slice_from_text("wrong");
        script_request(&script, argv, argc);
        script_hears(&script, argc == 3 ? "+OK" : "-ERR syntax error");
        script_words(&script, "SET", key, "v", NULL);
        script_hears(&script, "+OK");
    }
    script_play(&script, talk, 1000);
    script_close(&script);
    story_close(&story);
}

// Many under way at once, of all sizes, to both other cores and here: each reply is its own.
Test(hop, replies_find_their_requests)
{
    enum { KEYS = 24, REQUESTS = 3000 };
    static char values[KEYS][4000];
    struct slice held[KEYS];
    char keys[KEYS][STORY_KEY_BYTES];
    struct story story = story_open(3, "");
    struct script script;
    struct random random;

    script_open(&script);
    random_seed(&random, SEED);
    for (uint32_t i = 0; i < KEYS; i++) {
        story_key(&story, i % 3, i / 3, keys[i]);
        held[i] = slice_of(values[i], 0);
    }
    struct sim_talk *const talk = story_talk(&story, 1);

    for (uint32_t i = 0; i < KEYS; i++) {
        script_words(&script, "SET", keys[i], "", NULL);
        script_hears(&script, "+OK");
    }
    for (uint32_t i = 0; i < REQUESTS; i++) {
        const uint32_t at = (uint32_t)random_below(&random, KEYS);

        if (random_below(&random, 3) == 0) {
            const size_t most = random_below(&random, 4) == 0 ? sizeof values[0] : 300;
            const struct slice set[] = {slice_from_text("SET"), slice_from_text(keys[at]),
                                        value_of(values[at], random_below(&random, most), i)};

            held[at] = set[2];
            script_request(&script, set, 3);
            script_hears(&script, "+OK");
        } else {
            script_words(&script, "GET", keys[at], NULL);
            script_hears_bulk(&script, held[at]);
        }
    }
    script_play(&script, talk, 10000);
    script_close(&script);
    story_close(&story);
}

// What a connection asks of one core in one turn is one message, as far as there is room, whatever
// is asked of this core between.
Test(hop, requests_of_one_pipeline_share_messages)
{
    enum { REQUESTS = 3 * HOP_REQUESTS - 2 };
    struct story story = story_open(2, "");
    const struct shard *const shard = sim_rldb_shard(story.rldb, 0);
    struct sim_talk *const talk = story_talk(&story, 0);
    struct script script;
    char here[STORY_KEY_BYTES], there[STORY_KEY_BYTES], number[16];

    script_open(&script);
    story_key(&story, 0, 0, here);
    story_key(&story, 1, 0, there);
    script_words(&script, "SET", there, "0", NULL);
    script_hears(&script, "+OK");
    for (int i = 0; i < 10; i++) { // the window opens
        script_words(&script, "GET", here, NULL);
        script_hears(&script, "$-1");
    }
    script_play(&script, talk, 100);
    for (int i = 0; i < REQUESTS; i++) {
        script_words(&script, "INCR", i % 3 == 1 ? here : there, NULL);
        (void)snprintf(number, sizeof number, ":%d", i % 3 == 1 ? i / 3 + 1 : i - (i + 1) / 3 + 1);
        script_hears(&script, number);
    }
    for (int i = 0; i < 5; i++) { // in the next batch, and yet in this turn
        script_words(&script, "PING", NULL);
        script_hears(&script, "+PONG");
    }
    const uint64_t sent = shard->stats.hops_sent;

    sim_rldb_hang(story.rldb, 1, true);
    sim_talk_send(talk, text_slice(&script.say).bytes, text_slice(&script.say).size);
    story_run(&story, 20);
    cr_assert_eq(shard->stats.hops_sent - sent, 2 * HOP_REQUESTS - 1);
    cr_assert_eq(shard->hops.taken, 2);
    cr_assert_eq(shard->credits[1], LIMIT_MESSAGES_OUT - 2);
    sim_rldb_hang(story.rldb, 1, false);
    text_clear(&script.say);
    script_play(&script, talk, 100);
    cr_assert_eq(shard->hops.taken, 0);
    cr_assert_eq(shard->credits[1], LIMIT_MESSAGES_OUT);
    script_close(&script);
    story_close(&story);
}

// A long value is brought in slices: its reply comes later than those that travel with it, and
// stands between them.
Test(hop, one_that_waits_holds_up_no_other)
{
    static char bytes[LIMIT_HAUL_BYTES + 4096];
    struct story story = story_open(2, "");
    const struct shard *const there = sim_rldb_shard(story.rldb, 1);
    struct sim_talk *const talk = story_talk(&story, 0);
    const struct slice value = value_of(bytes, sizeof bytes, 3);
    struct script script;
    char key[4][STORY_KEY_BYTES];

    script_open(&script);
    for (uint32_t i = 0; i < 4; i++) {
        story_key(&story, i < 3, i % 3, key[i]);
    }
    const struct slice set[] = {slice_from_text("SET"), slice_from_text(key[0]), value};

    script_request(&script, set, 3);
    script_hears(&script, "+OK");
    script_play(&script, talk, 1000);
    for (int round = 0; round < 4; round++) {
        script_words(&script, "SET", key[1], "first", NULL);
        script_hears(&script, "+OK");
        script_words(&script, "GET", key[0], NULL);
        script_hears_bulk(&script, value);
        script_words(&script, "SET", key[3], "here", NULL);
        script_hears(&script, "+OK");
        script_words(&script, "GET", key[1], NULL);
        script_hears_bulk(&script, slice_from_text("first"));
        script_words(&script, "STRLEN", key[3], NULL);
        script_hears(&script, ":4");
        script_words(&script, "GET", key[2], NULL);
        script_hears(&script, "$-1");
        if (round % 2 == 1) { // the last of its message too
            script_words(&script, "GET", key[0], NULL);
            script_hears_bulk(&script, value);
        }
    }
    script_play(&script, talk, 5000);
    cr_assert_gt(there->hops.taken_max, 0); // stand-ins
    script_close(&script);
    story_close(&story);
}

// Whose reply is not wanted goes into a message of its own.
Test(hop, what_is_not_replied_leaves_no_trace_between)
{
    struct story story = story_open(2, "");
    struct sim_talk *const talk = story_talk(&story, 0);
    struct script script;
    char there[STORY_KEY_BYTES];

    script_open(&script);
    story_key(&story, 1, 0, there);
    for (int i = 0; i < 30; i++) {
        script_words(&script, "SET", there, "1", NULL);
        script_hears(&script, "+OK");
        script_words(&script, "CLIENT", "REPLY", "SKIP", NULL);
        script_words(&script, "INCR", there, NULL);
        script_words(&script, "INCR", there, NULL);
        script_hears(&script, ":3");
        script_words(&script, "CLIENT", "REPLY", "OFF", NULL);
        script_words(&script, "INCR", there, NULL);
        script_words(&script, "CLIENT", "REPLY", "ON", NULL);
        script_hears(&script, "+OK");
        script_words(&script, "GET", there, NULL);
        script_hears_bulk(&script, slice_from_text("4"));
    }
    script_play(&script, talk, 1000);
    script_close(&script);
    story_close(&story);
}
