// Commands over several keys (multi.c, part.c, transfer.c): on one core or on several, at once or
// in rounds, they do what a plain table says; and where memory is short, all or nothing.
#include "cluster/multi.h"

#include "core/random.h"
#include "tests/unit/node_script.h"

enum {
    CORES = 3,
    KEYS = 9, // few, so that commands name some twice
    WORDS = 12,
    COMMANDS = 600,
    SEEDS = 12,
};

static const int64_t expiry_s = 4000000000; // in a hundred years; told apart by what is added

// What a database with these keys alone holds.
struct model {
    char keys[KEYS][STORY_KEY_BYTES];
    int values[KEYS];   // 0: not there
    int64_t ends[KEYS]; // seconds since 1970; 0: never
    int next;           // value
};

static void model_value(const struct model *model, int key, char *text)
{
    // Of very different lengths, so that replies are joined of parts of any size.
    (void)snprintf(text, 128, "%0*d", 1 + model->values[key] % 97, model->values[key]);
}

static void say_value(struct model *model, int key, struct slice *ret_slice, char *text)
{
    model->values[key] = ++model->next;
    model->ends[key] = 0;
    model_value(model, key, text);
    *ret_slice = slice_from_text(text);
}

static void hears_integer(struct script *script, int64_t number)
{
    char line[24];

    (void)snprintf(line, sizeof line, ":%lld", (long long)number);
    script_hears(script, line);
}

static struct slice name_of(const struct model *model, int key)
{
    return slice_from_text(model->keys[key]);
}

// MGET, and what is said of each key's expiry, of all: the whole state.
static void look(struct script *script, const struct model *model)
{
    struct slice argv[1 + KEYS] = {slice_from_text("MGET")};

    for (int key = 0; key < KEYS; key++) {
        argv[1 + key] = name_of(model, key);
    }
    script_request(script, argv, 1 + KEYS);
    script_hears(script, "*9");
    for (int key = 0; key < KEYS; key++) {
        char text[128];

        model_value(model, key, text);
        if (model->values[key] == 0) {
            script_hears(script, "$-1");
        } else {
            script_hears_bulk(script, slice_from_text(text));
        }
    }
    for (int key = 0; key < KEYS; key++) {
        script_words(script, "EXPIRETIME", model->keys[key], NULL);
        hears_integer(script, model->values[key] == 0 ? -2
                              : model->ends[key] == 0 ? -1
                                                      : model->ends[key]);
    }
}

static void do_pairs(struct script *script, struct model *model, struct random *random, bool nx)
{
    struct slice argv[1 + 2 * WORDS] = {slice_from_text(nx ? "MSETNX" : "MSET")};
    const int pairs = 1 + (int)random_below(random, WORDS);
    static char texts[WORDS][128];
    const struct model before = *model;
    bool vetoed = false;

    for (int i = 0; i < pairs; i++) {
        const int key = (int)random_below(random, KEYS);

        vetoed = vetoed || before.values[key] != 0;
        argv[1 + 2 * i] = name_of(model, key);
        say_value(model, key, &argv[2 + 2 * i], texts[i]);
    }
    script_request(script, argv, 1 + 2 * (uint32_t)pairs);
    if (nx && vetoed) {
        const int next = model->next;

        *model = before;
        model->next = next;
    }
    script_hears(script, !nx ? "+OK" : vetoed ? ":0" : ":1");
}

static void do_count(struct script *script, struct model *model, struct random *random)
{
    static const char *const names[] = {"DEL", "UNLINK", "EXISTS", "TOUCH"};
    const uint32_t which = (uint32_t)random_below(random, 4);
    struct slice argv[1 + WORDS] = {slice_from_text(names[which])};
    const uint32_t count = 1 + (uint32_t)random_below(random, WORDS);
    int found = 0;

    for (uint32_t i = 0; i < count; i++) {
        const int key = (int)random_below(random, KEYS);

        argv[1 + i] = name_of(model, key);
        found += model->values[key] != 0;
        if (which < 2) {
            model->values[key] = 0;
        }
    }
    script_request(script, argv, 1 + count);
    hears_integer(script, found);
}

static void do_get(struct script *script, const struct model *model, struct random *random)
{
    struct slice argv[1 + WORDS] = {slice_from_text("MGET")};
    const uint32_t count = 1 + (uint32_t)random_below(random, WORDS);
    char line[16];

    (void)snprintf(line, sizeof line, "*%u", count);
    script_hears(script, line);
    for (uint32_t i = 0; i < count; i++) {
        const int key = (int)random_below(random, KEYS);
        char text[128];

        argv[1 + i] = name_of(model, key);
        model_value(model, key, text);
        if (model->values[key] == 0) {
            script_hears(script, "$-1");
        } else {
            script_hears_bulk(script, slice_from_text(text));
        }
    }
    script_request(script, argv, 1 + count);
}

static void do_transfer(struct script *script, struct model *model, struct random *random)
{
    static const char *const names[] = {"RENAME", "RENAMENX", "COPY", "COPY"};
    const uint32_t which = (uint32_t)random_below(random, 4);
    const int from = (int)random_below(random, KEYS), to = (int)random_below(random, KEYS);
    const struct slice argv[] = {slice_from_text(names[which]), name_of(model, from),
                                 name_of(model, to), slice_from_text("REPLACE")};
    const bool copy = which >= 2, there = model->values[from] != 0;
    const bool keeps = (which == 1 || which == 2) && model->values[to] != 0;

    script_request(script, argv, which == 3 ? 4 : 3);
    if (copy && from == to) {
        script_hears(script, "-ERR source and destination objects are the same");
    } else if (!there) {
        script_hears(script, copy ? ":0" : "-ERR no such key");
    } else if (keeps) {
        script_hears(script, ":0");
    } else {
        script_hears(script, which == 0 ? "+OK" : ":1");
        model->values[to] = model->values[from];
        model->ends[to] = model->ends[from];
        if (!copy && from != to) {
            model->values[from] = 0;
        }
    }
}

static void do_expire(struct script *script, struct model *model, struct random *random)
{
    const int key = (int)random_below(random, KEYS);
    const int64_t end = expiry_s + (int64_t)random_below(random, 1000);
    char text[24];

    (void)snprintf(text, sizeof text, "%lld", (long long)end);
    script_words(script, "EXPIREAT", model->keys[key], text, NULL);
    hears_integer(script, model->values[key] != 0);
    model->ends[key] = end;
}

static void do_one(struct script *script, struct model *model, struct random *random)
{
    switch (random_below(random, 8)) {
    case 0:
    case 1:
        do_pairs(script, model, random, false);
        break;
    case 2:
        do_pairs(script, model, random, true);
        break;
    case 3:
        do_count(script, model, random);
        break;
    case 4:
        do_get(script, model, random);
        break;
    case 5:
    case 6:
        do_transfer(script, model, random);
        break;
    default:
        do_expire(script, model, random);
    }
}

// Keys on `spread` of the cores; commands come by the port of another one each time.
static void play_seed(uint64_t seed, uint32_t spread)
{
    struct story story = story_open(CORES, "");
    struct model model = {.next = 0};
    struct script script;
    struct random random;
    struct sim_talk *talks[CORES];

    random_seed(&random, seed);
    script_open(&script);
    for (uint32_t i = 0; i < CORES; i++) {
        talks[i] = story_talk(&story, i);
    }
    for (uint32_t i = 0; i < KEYS; i++) {
        story_key(&story, i % spread, i / spread, model.keys[i]);
    }
    for (int i = 0; i < COMMANDS; i++) {
        do_one(&script, &model, &random);
        if (random_below(&random, 8) == 0) {
            look(&script, &model);
            script_play(&script, talks[random_below(&random, CORES)], 2000);
        }
    }
    look(&script, &model);
    script_play(&script, talks[0], 2000);
    script_close(&script);
    story_close(&story);
}

Test(multi, commands_do_what_a_table_says)
{
    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        play_seed(seed, 1 + (uint32_t)seed % CORES);
    }
}

// Fills a core's memory until it refuses.
static void fill(struct story *story, struct sim_talk *talk, uint32_t core)
{
    static char value[8000];
    struct text say;
    size_t size = 0;

    memset(value, 'f', sizeof value);
    text_init(&say, 1 << 20);
    for (uint32_t i = 0; i < 10000; i++) {
        char key[STORY_KEY_BYTES];

        story_key(story, core, 100 + i, key);
        text_clear(&say);
        text_printf(&say, "*3\r\n$3\r\nSET\r\n$%zu\r\n%s\r\n$%zu\r\n", strlen(key), key,
                    sizeof value);
        text_append(&say, value, sizeof value);
        text_string(&say, "\r\n");
        sim_talk_send(talk, text_slice(&say).bytes, text_slice(&say).size);
        const char *const heard = sim_talk_hear(talk, 20, &size);

        if (heard[0] == '-') {
            cr_assert_eq(strncmp(heard, "-OOM ", 5), 0, "%s", heard);
            text_free(&say);
            return;
        }
        cr_assert_str_eq(heard, "+OK\r\n");
    }
    cr_assert_fail("it is never full");
}

static const char OOM[] = "-OOM command not allowed when used memory > 'maxmemory'.";

// One core is full, the other is not: what would take effect on both takes effect on none.
Test(multi, where_a_core_is_full_all_or_nothing)
{
    static char large[300000];
    struct story story = story_open(2, "storage: { engine: memory, memory_max: 16MiB }\n");
    struct sim_talk *const talk = story_talk(&story, 0);
    struct script script;
    char here[STORY_KEY_BYTES], there[STORY_KEY_BYTES], old[STORY_KEY_BYTES];
    const struct slice value = slice_of(large, sizeof large);

    memset(large, 'l', sizeof large);
    story_key(&story, 0, 0, here);
    story_key(&story, 1, 0, there);
    story_key(&story, 1, 1, old);
    script_open(&script);
    const struct slice set[] = {slice_from_text("SET"), slice_from_text(here), value};

    script_request(&script, set, 3);
    script_hears(&script, "+OK");
    script_words(&script, "EXPIREAT", here, "4000000000", NULL);
    script_hears(&script, ":1");
    script_words(&script, "SET", old, "old", NULL);
    script_hears(&script, "+OK");
    script_play(&script, talk, 100);
    fill(&story, talk, 1);

    const struct slice both[] = {slice_from_text("MSET"),
                                 slice_from_text(here),
                                 slice_from_text("new"),
                                 slice_from_text(there),
                                 value,
                                 slice_from_text(old),
                                 value};
    const struct slice nx[] = {slice_from_text("MSETNX"), slice_from_text("not there"),
                               slice_from_text("new"), slice_from_text(there), value};

    script_request(&script, both, 7);
    script_hears(&script, OOM);
    script_request(&script, nx, 5);
    script_hears(&script, OOM);
    script_words(&script, "RENAME", here, there, NULL);
    script_hears(&script, OOM);
    script_words(&script, "RENAMENX", here, there, NULL);
    script_hears(&script, OOM);
    script_words(&script, "RENAME", here, old, NULL);
    script_hears(&script, OOM);
    script_words(&script, "COPY", here, there, NULL);
    script_hears(&script, OOM);
    // Nothing of it happened.
    script_words(&script, "EXISTS", "not there", there, NULL);
    script_hears(&script, ":0");
    script_words(&script, "GET", here, NULL);
    script_hears_bulk(&script, value);
    script_words(&script, "EXPIRETIME", here, NULL);
    script_hears(&script, ":4000000000");
    script_words(&script, "GET", old, NULL);
    script_hears_bulk(&script, slice_from_text("old"));
    // What needs no room on the full core goes on, into the one that has some.
    script_words(&script, "RENAME", old, here, NULL);
    script_hears(&script, "+OK");
    script_words(&script, "MGET", here, old, there, NULL);
    script_hears(&script, "*3");
    script_hears_bulk(&script, slice_from_text("old"));
    script_hears(&script, "$-1");
    script_hears(&script, "$-1");
    script_play(&script, talk, 1000);
    script_close(&script);
    story_close(&story);
}

// RENAME frees its source's room only when the destination is written: on one core too.
Test(multi, a_rename_that_finds_no_room_leaves_both_keys)
{
    static char large[200000];
    struct story story = story_open(1, "storage: { engine: memory, memory_max: 8MiB }\n");
    struct sim_talk *const talk = story_talk(&story, 0);
    struct script script;
    const struct slice value = slice_of(large, sizeof large);
    const struct slice set[] = {slice_from_text("SET"), slice_from_text("from"), value};

    memset(large, 'l', sizeof large);
    script_open(&script);
    script_request(&script, set, 3);
    script_hears(&script, "+OK");
    script_words(&script, "SET", "to", "kept", NULL);
    script_hears(&script, "+OK");
    script_play(&script, talk, 100);
    fill(&story, talk, 0);
    script_words(&script, "COPY", "from", "to", "REPLACE", NULL);
    script_hears(&script, OOM);
    script_words(&script, "RENAME", "from", "to", NULL);
    script_hears(&script, OOM);
    script_words(&script, "GET", "to", NULL);
    script_hears_bulk(&script, slice_from_text("kept"));
    script_words(&script, "GET", "from", NULL);
    script_hears_bulk(&script, value);
    script_play(&script, talk, 1000);
    script_close(&script);
    story_close(&story);
}
