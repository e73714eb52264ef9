// No command holds a core for longer than a slice: what each may spend in a turn, counted in units
// of work (cluster/work.h), and that others are answered in between.
#include "core/limits.h"
#include "tests/unit/node_story.h"

enum {
    MANY = 20000,    // keys of one command: some tens of slices
    ONE_STEP = 2000, // units: the most that one step adds to a slice that is nearly over
};

struct words {
    char *bytes;
    size_t size;
    size_t capacity;
};

static void words_add(struct words *words, const char *word, size_t size)
{
    if (words->capacity - words->size < size + 32) {
        words->capacity = 2 * words->capacity + size + 32;
        words->bytes = realloc(words->bytes, words->capacity);
    }
    words->size += (size_t)snprintf(words->bytes + words->size, 32, "$%zu\r\n", size);
    memcpy(words->bytes + words->size, word, size);
    words->size += size;
    memcpy(words->bytes + words->size, "\r\n", 2);
    words->size += 2;
}

// "<name> m0 [value] m1 [value] ..."
static struct words words_many(const char *name, const char *value)
{
    struct words words = {.bytes = malloc(64), .capacity = 64};

    words.size = (size_t)snprintf(words.bytes, 64, "*%d\r\n", 1 + (value == NULL ? 1 : 2) * MANY);
    words_add(&words, name, strlen(name));
    for (int i = 0; i < MANY; i++) {
        char key[16];

        words_add(&words, key, (size_t)snprintf(key, sizeof key, "m%d", i));
        if (value != NULL) {
            words_add(&words, value, strlen(value));
        }
    }
    return words;
}

static void say(struct sim_talk *talk, struct words words)
{
    sim_talk_send(talk, words.bytes, words.size);
    free(words.bytes);
}

static uint64_t spent_max(struct story *story)
{
    uint64_t most = 0;

    for (uint32_t core = 0; core < sim_rldb_node(story->rldb)->shard_count; core++) {
        const uint64_t spent = sim_rldb_shard(story->rldb, core)->work.spent_max;

        most = spent > most ? spent : most;
    }
    return most;
}

static uint64_t slices(struct story *story)
{
    uint64_t count = 0;

    for (uint32_t core = 0; core < sim_rldb_node(story->rldb)->shard_count; core++) {
        count += sim_rldb_shard(story->rldb, core)->work.slices;
    }
    return count;
}

static void expect_within_slices(struct story *story, const char *what)
{
    const uint64_t most = spent_max(story);

    cr_assert_leq(most, LIMIT_SLICE_UNITS + ONE_STEP, "%s took %zu units in one turn", what,
                  (size_t)most);
}

// Waits for the reply, and meanwhile asks on another connection, which is answered at once. Returns
// what was heard, until the next call on the talk.
static const char *hear_while_others_are_served(struct sim_talk *talk, struct sim_talk *other,
                                                uint32_t asks_min, const char *what)
{
    uint32_t asks = 0;

    for (int i = 0; i < 100000; i++) {
        sim_talk_say(other, "PING\r\n");
        const char *pong = sim_talk_hear(other, 1, NULL);

        cr_assert(*pong == '\0' || strncmp(pong, "+PONG\r\n", 7) == 0);
        asks += *pong != '\0';
        const char *heard = sim_talk_hear(talk, 0, NULL);

        if (*heard != '\0') {
            cr_assert_geq(asks, asks_min, "%s: others were answered %u times", what, asks);
            return heard;
        }
    }
    cr_assert_fail("%s: no answer", what);
    return "";
}

static void story_many(struct story *story, struct sim_talk *talk, struct sim_talk *other,
                       const char *name, const char *value, const char *hear)
{
    const uint64_t before = slices(story);

    say(talk, words_many(name, value));
    const char *heard = hear_while_others_are_served(talk, other, 2, name);

    if (hear != NULL) {
        cr_assert_str_eq(heard, hear, "after %s", name);
    }
    cr_assert_geq(slices(story) - before, 10, "%s took %zu slices", name,
                  (size_t)(slices(story) - before));
    expect_within_slices(story, name);
    (void)sim_talk_hear(other, 20, NULL);
    (void)sim_talk_hear(talk, 200, NULL);
}

static void many_keys(uint32_t cores)
{
    struct story story = story_open(cores, "");
    struct sim_talk *const talk = story_talk(&story, 0);
    struct sim_talk *const other = story_talk(&story, 0);
    char text[64];

    story_many(&story, talk, other, "MSET", "first", "+OK\r\n");
    story_many(&story, talk, other, "MGET", NULL, NULL);
    (void)snprintf(text, sizeof text, ":%d\r\n", MANY);
    story_many(&story, talk, other, "EXISTS", NULL, text);
    story_many(&story, talk, other, "MSETNX", "second", ":0\r\n");
    story_expect(talk, "GET m0\r\n", "$5\r\nfirst\r\n");
    story_many(&story, talk, other, "DEL", NULL, text);
    story_expect(talk, "DBSIZE\r\n", ":0\r\n");
    story_many(&story, talk, other, "MSETNX", "third", ":1\r\n");
    story_many(&story, talk, other, "TOUCH", NULL, text);
    story_expect(talk, "FLUSHALL\r\n", "+OK\r\n");
    story_close(&story);
}

Test(slices, commands_on_many_keys_of_one_core)
{
    many_keys(1);
}

Test(slices, commands_on_many_keys_of_several_cores)
{
    many_keys(3);
}

Test(slices, nobody_sees_half_of_a_long_mset)
{
    struct story story = story_open(2, "");
    struct sim_talk *const talk = story_talk(&story, 0);
    struct sim_talk *const other = story_talk(&story, 1);
    const char *heard = "";
    uint32_t looks = 0;

    story_many(&story, talk, other, "MSET", "old", "+OK\r\n");
    say(talk, words_many("MSET", "new"));
    while (*heard == '\0') {
        sim_talk_say(other, "MGET m0 m1 m9999 m19998 m19999\r\n");
        const char *values = sim_talk_hear(other, 3, NULL);

        looks += *values != '\0';
        cr_assert(strstr(values, "old") == NULL || strstr(values, "new") == NULL, "%s", values);
        heard = sim_talk_hear(talk, 0, NULL);
    }
    cr_assert_str_eq(heard, "+OK\r\n");
    cr_assert_geq(looks, 1);
    (void)sim_talk_hear(other, 50, NULL);
    story_close(&story);
}

// The head, then so many keys of this client's own, from "<client>-0" on.
static struct words words_own(const char *head, int client, int keys)
{
    struct words words = {.bytes = malloc(64), .capacity = 64};

    words.size = (size_t)snprintf(words.bytes, 64, "%s", head);
    for (int i = 0; i < keys; i++) {
        char key[32];

        words_add(&words, key, (size_t)snprintf(key, sizeof key, "%d-%d", client, i));
    }
    return words;
}

// A slice may be over just when the last part is done, and the replies are joined in the next: of
// many commands of many lengths, whose last part is on their own core, some meet that.
Test(slices, replies_that_are_joined_when_the_slice_is_over)
{
    enum { CLIENTS = 40, KEYS = 100, ROUNDS = 100 };
    struct story story = story_open(2, "");
    struct sim_talk *talks[CLIENTS];
    char line[64];

    for (int i = 0; i < CLIENTS; i++) {
        talks[i] = story_talk(&story, 1);
        for (int k = 0; k < KEYS; k++) {
            (void)snprintf(line, sizeof line, "SET %d-%d %d-%d\r\n", i, k, i, k);
            sim_talk_say(talks[i], line);
        }
        (void)sim_talk_hear(talks[i], 20, NULL);
    }
    for (int at = 0; at < ROUNDS * CLIENTS; at += CLIENTS) {
        for (int i = 0; i < CLIENTS; i++) {
            const int keys = 1 + (at + i) % KEYS;

            (void)snprintf(line, sizeof line, "*%d\r\n$4\r\nMGET\r\n", 1 + keys);
            say(talks[i], words_own(line, i, keys));
        }
        for (int i = 0; i < CLIENTS; i++) {
            const int keys = 1 + (at + i) % KEYS;
            size_t size;
            const char *heard = sim_talk_hear(talks[i], 30, &size);

            (void)snprintf(line, sizeof line, "*%d\r\n", keys);
            struct words want = words_own(line, i, keys);
            cr_assert(size == want.size && memcmp(heard, want.bytes, size) == 0,
                      "MGET of %d keys: %.40s", keys, heard);
            free(want.bytes);
        }
    }
    cr_assert_gt(slices(&story), ROUNDS);
    story_close(&story);
}

Test(slices, walks_over_all_keys)
{
    static const struct {
        const char *line;
        uint32_t slices; // at least
    } walks[] = {
        {"KEYS *", 5},
        {"KEYS *99*", 5},
        {"SCAN 0 COUNT 1000000", 5},
        {"SCAN 0 COUNT 1000000 MATCH *7", 5},
        {"CLUSTER COUNTKEYSINSLOT 77", 1},
        {"CLUSTER GETKEYSINSLOT 77 100000", 1},
        {"DBSIZE", 0},
        {"RANDOMKEY", 0},
        {"FLUSHALL", 0},
    };
    // As few partitions as may be: a slot's keys are looked for among those of an eighth.
    struct story story = story_open(1, "cluster: { partitions: 8 }\n");
    struct sim_talk *const talk = story_talk(&story, 0);
    struct sim_talk *const other = story_talk(&story, 0);

    story_many(&story, talk, other, "MSET", "value", "+OK\r\n");
    for (size_t i = 0; i < sizeof walks / sizeof *walks; i++) {
        const uint64_t before = slices(&story);
        char line[64];

        (void)snprintf(line, sizeof line, "%s\r\n", walks[i].line);
        sim_talk_say(talk, line);
        (void)hear_while_others_are_served(talk, other, walks[i].slices > 1 ? 1 : 0, line);
        cr_assert_geq(slices(&story) - before, walks[i].slices, "%s in %zu slices", line,
                      (size_t)(slices(&story) - before));
        expect_within_slices(&story, line);
        (void)sim_talk_hear(talk, 300, NULL);
        (void)sim_talk_hear(other, 20, NULL);
    }
    story_close(&story);
}

Test(slices, a_scan_of_all_in_one_call_tells_all)
{
    struct story story = story_open(1, "");
    struct sim_talk *const talk = story_talk(&story, 0);
    char head[64];
    size_t size;

    say(talk, words_many("MSET", "value"));
    (void)sim_talk_hear(talk, 1000, NULL);
    sim_talk_say(talk, "SCAN 0 COUNT 1000000\r\n");
    const char *heard = sim_talk_hear(talk, 2000, &size);

    (void)snprintf(head, sizeof head, "*2\r\n$1\r\n0\r\n*%d\r\n", MANY);
    cr_assert_eq(strncmp(heard, head, strlen(head)), 0, "%.60s", heard);
    story_close(&story);
}

// Whichever cores hold them. With more, each call tells as many as it may, and none is told twice.
Test(slices, a_scan_of_few_keys_takes_one_call)
{
    enum { FEW = 30 };
    struct story story = story_open(3, "");
    struct sim_talk *const talk = sim_talk_open(story.world, NULL, "10.0.0.1:7379");
    unsigned long cursor = 0;
    uint32_t calls = 0;
    uint32_t told[FEW] = {0};

    story_expect(talk, "SCAN 0\r\n", "*2\r\n$1\r\n0\r\n*0\r\n");
    for (int i = 0; i < FEW; i++) {
        char line[32];

        (void)snprintf(line, sizeof line, "SET k%d v\r\n", i);
        story_expect(talk, line, "+OK\r\n");
    }
    sim_talk_say(talk, "SCAN 0 COUNT 31\r\n");
    const char *all = sim_talk_hear(talk, 50, NULL);
    cr_assert_eq(strncmp(all, "*2\r\n$1\r\n0\r\n*30\r\n", 16), 0, "%.60s", all);
    do {
        char line[64];

        (void)snprintf(line, sizeof line, "SCAN %lu COUNT 7\r\n", cursor);
        sim_talk_say(talk, line);
        const char *heard = sim_talk_hear(talk, 50, NULL);

        cursor = strtoul(strchr(heard + 4, '\n') + 1, NULL, 10);
        for (const char *key = strstr(heard, "\nk"); key != NULL; key = strstr(key + 1, "\nk")) {
            told[strtoul(key + 2, NULL, 10)]++;
        }
        calls++;
    } while (cursor != 0 && calls < 100);
    cr_assert(calls >= 3 && calls <= 6, "%u calls", calls);
    for (int i = 0; i < FEW; i++) {
        cr_assert_eq(told[i], 1, "k%d was told %u times", i, told[i]);
    }
    sim_talk_close(talk, false);
    story_close(&story);
}

// A pattern and a key that take 40 million steps together.
Test(slices, a_match_that_takes_long)
{
    enum { KEY = 60000, PATTERN = 1400 };
    struct story story = story_open(2, "");
    struct sim_talk *const talk = story_talk(&story, 0);
    struct sim_talk *const other = story_talk(&story, 0);
    char *const text = malloc(KEY + 1);
    static const struct {
        const char *command;
        char last;
    } cases[] = {{"KEYS", 'a'}, {"KEYS", 'b'}, {"SCAN", 'a'}};

    memset(text, 'a', KEY);
    struct words set = {.bytes = malloc(64), .capacity = 64, .size = 0};

    set.size = (size_t)snprintf(set.bytes, 64, "*3\r\n");
    words_add(&set, "SET", 3);
    words_add(&set, text, KEY);
    words_add(&set, "v", 1);
    say(talk, set);
    cr_assert_str_eq(sim_talk_hear(talk, 50, NULL), "+OK\r\n");
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct words ask = {.bytes = malloc(64), .capacity = 64, .size = 0};
        const bool scan = cases[i].command[0] == 'S';
        const uint64_t before = slices(&story);

        text[0] = '*';
        text[PATTERN - 1] = cases[i].last;
        ask.size = (size_t)snprintf(ask.bytes, 64, scan ? "*6\r\n" : "*2\r\n");
        words_add(&ask, cases[i].command, 4);
        if (scan) {
            words_add(&ask, "0", 1);
            words_add(&ask, "COUNT", 5);
            words_add(&ask, "100000", 6);
            words_add(&ask, "MATCH", 5);
        }
        words_add(&ask, text, PATTERN);
        text[PATTERN - 1] = 'a';
        text[0] = 'a';
        say(talk, ask);
        (void)hear_while_others_are_served(talk, other, i == 1 ? 2 : 0, cases[i].command);
        cr_assert(i != 1 || slices(&story) - before > 100, "%zu slices",
                  (size_t)(slices(&story) - before));
        expect_within_slices(&story, cases[i].command);
        (void)sim_talk_hear(talk, 100, NULL);
        (void)sim_talk_hear(other, 20, NULL);
    }
    free(text);
    story_close(&story);
}

Test(slices, commands_without_keys_take_no_endless_arguments)
{
    static const char *const names[] = {"COMMAND", "CONFIG", "LATENCY", "CLIENT"};
    static const char *const subs[] = {"INFO", "GET", "HISTOGRAM", "LIST"};
    struct story story = story_open(1, "");
    struct sim_talk *const talk = story_talk(&story, 0);

    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        struct words words = {.bytes = malloc(64), .capacity = 64};

        words.size = (size_t)snprintf(words.bytes, 64, "*%d\r\n", MANY + 2);
        words_add(&words, names[i], strlen(names[i]));
        words_add(&words, subs[i], strlen(subs[i]));
        for (int j = 0; j < MANY; j++) {
            words_add(&words, "get", 3);
        }
        say(talk, words);
        const char *heard = sim_talk_hear(talk, 100, NULL);

        cr_assert_eq(strncmp(heard, "-ERR too many arguments", 23), 0, "%.60s", heard);
    }
    story_close(&story);
}

// Each client described costs system calls; here so many that one slice cannot do them all.
Test(slices, clients_are_listed_and_looked_through_in_slices)
{
    enum { CLIENTS = 500 };
    struct story story = story_open(2, "");
    struct sim_talk *const talk = story_talk(&story, 0);
    struct sim_talk *talks[CLIENTS];
    uint32_t lines = 0;
    uint64_t before = slices(&story);

    for (uint32_t i = 0; i < CLIENTS; i++) {
        talks[i] = sim_talk_open(story.world, NULL, i % 2 == 0 ? "10.0.0.1:7380" : "10.0.0.1:7381");
    }
    story_run(&story, 100);
    sim_talk_say(talk, "CLIENT LIST\r\n");
    for (const char *heard = sim_talk_hear(talk, 200, NULL); *heard != '\0'; heard++) {
        lines += *heard == '\n';
    }
    cr_assert_eq(lines, CLIENTS + 3, "%u lines, two of them the reply's own", lines);
    cr_assert_geq(slices(&story) - before, 4);
    expect_within_slices(&story, "CLIENT LIST");

    // While it is told, clients come and go.
    sim_talk_say(talk, "CLIENT LIST\r\n");
    for (uint32_t i = 0; i < CLIENTS; i += 2) {
        sim_talk_close(talks[i], true);
        talks[i] = sim_talk_open(story.world, NULL, "10.0.0.1:7380");
        if (i % 50 == 0) {
            story_run(&story, 0);
        }
    }
    cr_assert_eq(sim_talk_hear(talk, 300, NULL)[0], '$');
    cr_assert_null(sim_rldb_shard(story.rldb, 0)->client_walks);

    before = slices(&story);
    story_expect(talk, "CLIENT KILL ADDR 10.9.9.9:1 SKIPME no\r\n", ":0\r\n");
    cr_assert_geq(slices(&story) - before, 4);
    expect_within_slices(&story, "CLIENT KILL");
    for (uint32_t i = 0; i < CLIENTS; i++) {
        sim_talk_close(talks[i], true);
    }
    story_close(&story);
}

Test(slices, commands_are_told_in_slices)
{
    enum { WORDS = 1000 };
    struct story story = story_open(2, "");
    struct sim_talk *const talk = story_talk(&story, 0);
    struct words words = {.bytes = malloc(64), .capacity = 64};
    char head[32];
    size_t one, all;

    sim_talk_say(talk, "COMMAND INFO client\r\n");
    (void)sim_talk_hear(talk, 50, &one);
    const uint64_t before = slices(&story);

    words.size = (size_t)snprintf(words.bytes, 64, "*%d\r\n", 2 + WORDS);
    words_add(&words, "COMMAND", 7);
    words_add(&words, "INFO", 4);
    for (int i = 0; i < WORDS; i++) {
        words_add(&words, i % 2 == 0 ? "client" : "nosuch", 6);
    }
    say(talk, words);
    const char *const heard = sim_talk_hear(talk, 500, &all);

    (void)snprintf(head, sizeof head, "*%d\r\n*10\r\n", WORDS);
    cr_assert_eq(strncmp(heard, head, strlen(head)), 0, "%.40s", heard);
    cr_assert_eq(all, 7 + WORDS / 2 * (one - 4) + WORDS / 2 * strlen("$-1\r\n"));
    cr_assert_geq(slices(&story) - before, 3, "%zu", (size_t)(slices(&story) - before));
    expect_within_slices(&story, "COMMAND INFO");
    story_expect(talk, "COMMAND INFO nosuch\r\n", "*1\r\n$-1\r\n");
    story_close(&story);
}

Test(slices, settings_are_looked_for_in_slices)
{
    enum { WORDS = 1000 };
    struct story story = story_open(1, "");
    struct sim_talk *const talk = story_talk(&story, 0);
    struct words words = {.bytes = malloc(64), .capacity = 64};
    const uint64_t before = slices(&story);

    words.size = (size_t)snprintf(words.bytes, 64, "*%d\r\n", 3 + WORDS);
    words_add(&words, "CONFIG", 6);
    words_add(&words, "GET", 3);
    for (int i = 0; i < WORDS; i++) {
        words_add(&words, "*s*o*m*e*t*h*i*n*g*", 19);
    }
    words_add(&words, "DataBases", 9);
    say(talk, words);
    cr_assert_str_eq(sim_talk_hear(talk, 100, NULL), "*2\r\n$9\r\nDataBases\r\n$1\r\n1\r\n");
    cr_assert_geq(slices(&story) - before, 10);
    expect_within_slices(&story, "CONFIG GET");
    story_close(&story);
}

// A request of these words, of which `long_word` stands for the long value.
static void say_words(struct sim_talk *talk, const char *const *all, uint32_t count,
                      const char *value, size_t size)
{
    struct words words = {.bytes = malloc(64), .capacity = 64};

    words.size = (size_t)snprintf(words.bytes, 64, "*%u\r\n", count);
    for (uint32_t i = 0; i < count; i++) {
        const bool is_long = strcmp(all[i], "<long>") == 0;

        words_add(&words, is_long ? value : all[i], is_long ? size : strlen(all[i]));
    }
    say(talk, words);
}

// Whatever is done with a long value, no turn copies more than its share of it. `a` is on core 0,
// `b` on the last one.
static void long_values(uint32_t cores, const char *config, bool in_place)
{
    enum { LONG = 6 * 1000 * 1000, WORDS_MAX = 6, MS_MAX = 5000 };
    static const struct {
        const char *words[WORDS_MAX];
        const char *hear; // how the reply begins
        bool stays;       // an expiry changes nothing but the head, in memory
    } steps[] = {
        {{"SET", "a", "<long>"}, "+OK\r\n", false},
        {{"SET", "a", "<long>", "EX", "1000"}, "+OK\r\n", false},
        {{"GET", "a"}, "$6000000\r\nv", false},
        {{"APPEND", "a", "more"}, ":6000004\r\n", false},
        {{"SETRANGE", "a", "3000000", "more"}, ":6000004\r\n", false},
        {{"GETRANGE", "a", "1", "-2"}, "$6000002\r\n", false},
        {{"GETEX", "a", "EX", "2000"}, "$6000004\r\n", false},
        {{"EXPIRE", "a", "3000"}, ":1\r\n", true},
        {{"SET", "a", "<long>", "KEEPTTL", "GET"}, "$6000004\r\n", false},
        {{"GETSET", "a", "<long>"}, "$6000000\r\n", false},
        {{"COPY", "a", "b"}, ":1\r\n", false},
        {{"MGET", "a", "b", "nosuch"}, "*3\r\n$6000000\r\n", false},
        {{"MSET", "a", "<long>", "b", "short"}, "+OK\r\n", false},
        {{"RENAME", "a", "b"}, "+OK\r\n", false},
        {{"GETDEL", "b"}, "$6000000\r\n", false},
    };
    struct story story = story_open(cores, config);
    struct sim_talk *const talk = story_talk(&story, 0);
    struct sim_talk *const other = story_talk(&story, 0);
    char a[STORY_KEY_BYTES], b[STORY_KEY_BYTES];
    char *const value = malloc(LONG);

    memset(value, 'v', LONG);
    story_key(&story, 0, 0, a);
    story_key(&story, cores - 1, 1, b);
    for (size_t i = 0; i < sizeof steps / sizeof *steps; i++) {
        const char *words[WORDS_MAX];
        const uint64_t before = slices(&story);
        uint32_t count = 0;

        for (; count < WORDS_MAX && steps[i].words[count] != NULL; count++) {
            const char *const word = steps[i].words[count];

            words[count] = strcmp(word, "a") == 0 ? a : strcmp(word, "b") == 0 ? b : word;
        }
        say_words(talk, words, count, value, LONG);
        const char *heard = sim_talk_hear(talk, MS_MAX, NULL);

        cr_assert_eq(strncmp(heard, steps[i].hear, strlen(steps[i].hear)), 0, "%s: %.40s", words[0],
                     heard);
        const size_t least = steps[i].stays && in_place ? 0 : 10;

        cr_assert_geq(slices(&story) - before, least, "%s took %zu slices", words[0],
                      (size_t)(slices(&story) - before));
        expect_within_slices(&story, words[0]);
        story_expect(other, "PING\r\n", "+PONG\r\n");
    }
    story_expect(talk, "DBSIZE\r\n", ":0\r\n");
    free(value);
    story_close(&story);
}

Test(slices, long_values_on_one_core)
{
    long_values(1, "", true);
}

Test(slices, long_values_on_two_cores)
{
    long_values(2, "", true);
}

Test(slices, long_values_on_disk)
{
    long_values(2,
                "node: { data_dir: '/data' }\n"
                "storage: { engine: log, cache: 2MiB, segment: 2MiB }\n",
                false);
}

// More connections than one turn tells of the end of a pause, and of another timeout.
Test(slices, every_connection_is_told)
{
    enum { TALKS = 3 * LIMIT_ROUND_CLIENTS };
    static struct sim_talk *talks[TALKS];
    struct story story = story_open(1, "");
    struct sim_talk *const other = story_talk(&story, 0);
    const struct shard *const shard = sim_rldb_shard(story.rldb, 0);
    uint32_t most = 0;

    for (int i = 0; i < TALKS; i++) {
        talks[i] = sim_talk_open(story.world, NULL, "10.0.0.1:7380");
    }
    story_run(&story, 100);
    story_expect(other, "CLIENT PAUSE 100000 ALL\r\n", "+OK\r\n");
    for (int i = 0; i < TALKS; i++) {
        sim_talk_say(talks[i], "PING\r\n");
    }
    story_run(&story, 100);
    cr_assert_eq(shard->paused_count, TALKS);
    sim_talk_say(other, "CLIENT UNPAUSE\r\n");
    for (int i = 0; i < 1000000 && shard->paused_count != 0; i++) {
        const uint32_t paused = shard->paused_count;
        const uint64_t turns = story_turns(&story);

        sim_world_run_until(story.world, sim_world_now_ns(story.world) + 100);
        if (story_turns(&story) == turns + 1 && paused - shard->paused_count > most) {
            most = paused - shard->paused_count;
        }
    }
    cr_assert_eq(shard->paused_count, 0);
    cr_assert_leq(most, LIMIT_ROUND_CLIENTS);
    for (int i = 0; i < TALKS; i++) {
        cr_assert_str_eq(sim_talk_hear(talks[i], 1000, NULL), "+PONG\r\n");
    }
    cr_assert_str_eq(sim_talk_hear(other, 1000, NULL), "+OK\r\n");
    story_expect(other, "CONFIG SET timeout 1\r\n", "+OK\r\n");
    story_run(&story, 5000);
    for (int i = 0; i < TALKS; i++) {
        cr_assert(sim_talk_ended(talks[i]), "connection %d", i);
        sim_talk_close(talks[i], false);
    }
    story_close(&story);
}
