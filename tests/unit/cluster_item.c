// One key, read, changed and written: what each change stamps and what a refused one leaves.
#include "cluster/item.h"

#include "tests/unit/node_script.h"

enum { VALUE_BYTES = 300000 };

// The stamp (hlc) of the only value of the key, by RLDB.GET.
static uint64_t stamp_of(struct sim_talk *talk, const char *key)
{
    char say[64];
    unsigned long long stamp = 0;

    (void)snprintf(say, sizeof say, "RLDB.GET %s\r\n", key);
    sim_talk_say(talk, say);
    const char *const heard = sim_talk_hear(talk, 20, NULL);
    const char *const at = strstr(heard, "\r\nhlc\r\n");

    cr_assert_not_null(at, "%s", heard);
    cr_assert_null(strstr(at + 1, "\r\nhlc\r\n"), "siblings: %s", heard);
    cr_assert_eq(sscanf(at, "\r\nhlc\r\n:%llu", &stamp), 1, "%s", at);
    return stamp;
}

Test(item, each_change_stamps_a_later_moment_and_reading_none)
{
    static const struct {
        const char *say, *hear;
        bool changes; // the value
    } rows[] = {
        {"SET k 1\r\n", "+OK\r\n", true},
        {"SET k 1\r\n", "+OK\r\n", true}, // also to what it was
        {"GET k\r\n", "$1\r\n1\r\n", false},
        {"SET k 2 NX\r\n", "$-1\r\n", false},
        {"INCR k\r\n", ":2\r\n", true},
        {"INCRBY k 5\r\n", ":7\r\n", true},
        {"INCRBY k x\r\n", "-ERR value is not an integer or out of range\r\n", false},
        {"INCRBY k 9223372036854775807\r\n", "-ERR increment or decrement would overflow\r\n",
         false},
        {"APPEND k 0\r\n", ":2\r\n", true},
        {"SETRANGE k 1 x\r\n", ":2\r\n", true},
        {"SETRANGE k 5 \"\"\r\n", ":2\r\n", false},
        {"INCR k\r\n", "-ERR value is not an integer or out of range\r\n", false},
        {"GETRANGE k 0 0\r\n", "$1\r\n7\r\n", false},
        {"EXPIRE k 100 XX\r\n", ":0\r\n", false},
        {"GETSET k 3\r\n", "$2\r\n7x\r\n", true},
        {"STRLEN k\r\n", ":1\r\n", false},
        {"GETEX k\r\n", "$1\r\n3\r\n", false},
        {"TOUCH k\r\n", ":1\r\n", false},
        {"INCRBYFLOAT k 0.5\r\n", "$3\r\n3.5\r\n", true},
        {"MSET k 4 l 4\r\n", "+OK\r\n", true},
        {"MSETNX k 5 m 5\r\n", ":0\r\n", false},
    };
    struct story story = story_open(2, "");
    struct sim_talk *const talk = story_talk(&story, 0);
    uint64_t before = 0;

    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        story_expect(talk, rows[i].say, rows[i].hear);
        const uint64_t stamp = stamp_of(talk, "k");

        if (rows[i].changes) {
            cr_assert_gt(stamp, before, "%s", rows[i].say);
        } else {
            cr_assert_eq(stamp, before, "%s", rows[i].say);
        }
        before = stamp;
    }
    story_close(&story);
}

// A pipeline is over before the clock ticks, and its stamps are still different ones.
Test(item, changes_of_one_moment_are_told_apart)
{
    enum { CHANGES = 200 };
    struct story story = story_open(1, "");
    struct sim_talk *const talk = story_talk(&story, 0);
    struct script script;

    script_open(&script);
    for (int i = 0; i < CHANGES; i++) {
        script_words(&script, "INCR", "n", NULL);
        script_words(&script, "RLDB.GET", "n", NULL);
    }
    sim_talk_send(talk, text_slice(&script.say).bytes, text_slice(&script.say).size);
    const char *at = sim_talk_hear(talk, 100, NULL);
    unsigned long long before = 0;

    for (int i = 0; i < CHANGES; i++) {
        unsigned long long stamp = 0;

        at = strstr(at, "\r\nhlc\r\n");
        cr_assert_not_null(at, "%d", i);
        cr_assert_eq(sscanf(at, "\r\nhlc\r\n:%llu", &stamp), 1);
        cr_assert_gt(stamp, before, "%d", i);
        before = stamp;
        at++;
    }
    script_close(&script);
    story_close(&story);
}

Test(item, hits_and_misses_are_counted_of_what_reads)
{
    struct story story = story_open(1, "");
    struct sim_talk *const talk = story_talk(&story, 0);
    const struct stats *const stats = &sim_rldb_shard(story.rldb, 0)->stats;

    story_expect(talk, "SET k 1\r\nINCR k\r\nAPPEND k 1\r\nDEL nosuch\r\n",
                 "+OK\r\n:2\r\n:2\r\n:0\r\n");
    cr_expect_eq(stats->keyspace_hits, 0);
    cr_expect_eq(stats->keyspace_misses, 0);
    story_expect(talk, "GET k\r\nGET nosuch\r\nMGET k k nosuch\r\nEXISTS k\r\n",
                 "$2\r\n21\r\n$-1\r\n*3\r\n$2\r\n21\r\n$2\r\n21\r\n$-1\r\n:1\r\n");
    cr_expect_eq(stats->keyspace_hits, 4);
    cr_expect_eq(stats->keyspace_misses, 2);
    story_close(&story);
}

Test(item, the_end_of_a_key_is_kept_moved_or_taken_off)
{
    static const struct {
        const char *say, *hear, *end;
    } rows[] = {
        {"INCR k\r\n", ":42\r\n", ":4000000000\r\n"},
        {"APPEND k x\r\n", ":3\r\n", ":4000000000\r\n"},
        {"SETRANGE k 1 x\r\n", ":2\r\n", ":4000000000\r\n"},
        {"INCRBYFLOAT k 1\r\n", "$2\r\n42\r\n", ":4000000000\r\n"},
        {"SET k v KEEPTTL\r\n", "+OK\r\n", ":4000000000\r\n"},
        {"SET k v\r\n", "+OK\r\n", ":-1\r\n"},
        {"GETSET k v\r\n", "$2\r\n41\r\n", ":-1\r\n"},
        {"MSET k v\r\n", "+OK\r\n", ":-1\r\n"},
        {"GETEX k PERSIST\r\n", "$2\r\n41\r\n", ":-1\r\n"},
        {"PERSIST k\r\n", ":1\r\n", ":-1\r\n"},
        {"EXPIREAT k 4000000001 GT\r\n", ":1\r\n", ":4000000001\r\n"},
        {"EXPIREAT k 4000000001 LT\r\n", ":0\r\n", ":4000000000\r\n"},
        {"SET k v PXAT 1\r\n", "+OK\r\n", ":-2\r\n"}, // gone: it was never there for anybody
        {"GETEX k PXAT 1\r\n", "$2\r\n41\r\n", ":-2\r\n"},
        {"EXPIREAT k 1\r\n", ":1\r\n", ":-2\r\n"},
    };
    struct story story = story_open(1, "");
    struct sim_talk *const talk = story_talk(&story, 0);

    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        story_expect(talk, "SET k 41 EXAT 4000000000\r\n", "+OK\r\n");
        story_expect(talk, rows[i].say, rows[i].hear);
        story_expect(talk, "EXPIRETIME k\r\n", rows[i].end);
    }
    story_close(&story);
}

// What has expired is not there, for every verb; and a key that begins anew has no expiry.
Test(item, what_has_expired_begins_anew)
{
    static const struct {
        const char *say, *hear, *then;
    } rows[] = {
        {"INCR k\r\n", ":1\r\n", "$1\r\n1\r\n"},
        {"APPEND k ab\r\n", ":2\r\n", "$2\r\nab\r\n"},
        {"SETRANGE k 0 abc\r\n", ":3\r\n", "$3\r\nabc\r\n"},
        {"SET k v KEEPTTL\r\n", "+OK\r\n", "$1\r\nv\r\n"},
        {"SET k v NX GET\r\n", "$-1\r\n", "$1\r\nv\r\n"},
        {"INCRBYFLOAT k 1.5\r\n", "$3\r\n1.5\r\n", "$3\r\n1.5\r\n"},
        {"MSETNX k v\r\n", ":1\r\n", "$1\r\nv\r\n"},
    };
    struct story story = story_open(1, "");
    struct sim_talk *const talk = story_talk(&story, 0);

    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        char then[64];

        story_expect(talk, "SET k 41 PX 50\r\n", "+OK\r\n");
        story_run(&story, 40);
        story_expect(talk, rows[i].say, rows[i].hear);
        (void)snprintf(then, sizeof then, "%s:-1\r\n", rows[i].then);
        story_expect(talk, "GET k\r\nTTL k\r\n", then);
    }
    story_close(&story);
}

// No room: the value, its stamp and its expiry are what they were.
Test(item, a_change_that_finds_no_room_changes_nothing)
{
    static const char OOM[] = "-OOM command not allowed when used memory > 'maxmemory'.";
    static char large[VALUE_BYTES];
    struct story story = story_open(1, "storage: { engine: memory, memory_max: 8MiB }\n");
    struct sim_talk *const talk = story_talk(&story, 0);
    struct script script;
    const struct slice value = slice_of(large, sizeof large);
    const struct slice set[] = {slice_from_text("SET"), slice_from_text("k"), value};
    const struct slice append[] = {slice_from_text("APPEND"), slice_from_text("k"), value};
    const struct slice getset[] = {slice_from_text("GETSET"), slice_from_text("k"), value};
    const struct slice range[] = {slice_from_text("SETRANGE"), slice_from_text("k"),
                                  slice_from_text("1"), value};
    size_t size = 0;

    memset(large, 'l', sizeof large);
    script_open(&script);
    story_expect(talk, "SET k kept EXAT 4000000000\r\n", "+OK\r\n");
    const uint64_t stamp = stamp_of(talk, "k");

    for (int i = 0; i < 1000 && size <= 5; i++) {
        char key[16];
        const struct slice fill[] = {slice_from_text("SET"),
                                     slice_of(key, (size_t)snprintf(key, sizeof key, "f%d", i)),
                                     slice_of(large, 30000)};

        script_request(&script, fill, 3);
        sim_talk_send(talk, text_slice(&script.say).bytes, text_slice(&script.say).size);
        text_clear(&script.say);
        (void)sim_talk_hear(talk, 20, &size);
    }
    cr_assert_gt(size, 5, "it is never full");
    script_request(&script, set, 3);
    script_hears(&script, OOM);
    script_request(&script, append, 3);
    script_hears(&script, OOM);
    script_request(&script, getset, 3);
    script_hears(&script, OOM);
    script_request(&script, range, 4);
    script_hears(&script, OOM);
    script_words(&script, "GET", "k", NULL);
    script_hears_bulk(&script, slice_from_text("kept"));
    script_words(&script, "EXPIRETIME", "k", NULL);
    script_hears(&script, ":4000000000");
    script_play(&script, talk, 1000);
    cr_expect_eq(stamp_of(talk, "k"), stamp);
    script_close(&script);
    story_close(&story);
}
