// The last commands that took long.
#include "cluster/slowlog.h"

#include "tests/unit/desk.h"

#include <stdio.h>
#include <stdlib.h>

static void note(struct desk *desk, const char *words, uint64_t took_us)
{
    slowlog_note(desk->shard, desk_request(desk, words), took_us * 1000);
}

static struct slowlog *open_log(struct desk *desk, int64_t threshold_us, uint32_t length)
{
    desk_open(desk);
    cr_assert_eq(slowlog_open(&desk->shard->slowlog), 0);
    slowlog_configure(desk->shard->slowlog, threshold_us, length);
    return desk->shard->slowlog;
}

static void close_log(struct desk *desk)
{
    slowlog_close(desk->shard->slowlog);
    desk_close(desk);
}

static void expect_argument(const struct slowlog_entry *entry, uint32_t index, const char *text)
{
    cr_assert_lt(index, entry->argument_count);
    cr_expect_eq(entry->sizes[index], strlen(text), "%u: %u bytes", index, entry->sizes[index]);
    cr_expect_eq(memcmp(entry->arguments[index], text, strlen(text)), 0, "%u: %.*s", index,
                 (int)entry->sizes[index], entry->arguments[index]);
}

Test(slowlog, notes_what_took_as_long_as_the_threshold)
{
    struct desk desk;
    struct slowlog *const log = open_log(&desk, 100, 10);

    note(&desk, "get a", 99);
    cr_expect_eq(slowlog_count(log), 0);
    note(&desk, "get b", 100);
    cr_assert_eq(slowlog_count(log), 1);
    const struct slowlog_entry *const entry = slowlog_at(log, 0);

    cr_expect_eq(entry->took_us, 100);
    cr_expect_eq(entry->wall_s, 1700000000);
    cr_expect_eq(entry->argument_count, 2);
    expect_argument(entry, 0, "get");
    expect_argument(entry, 1, "b");
    slowlog_configure(log, -1, 10); // nothing
    note(&desk, "get c", 1000000);
    cr_expect_eq(slowlog_count(log), 1);
    slowlog_configure(log, 0, 10); // everything
    note(&desk, "get d", 0);
    cr_expect_eq(slowlog_count(log), 2);
    note(&desk, "nosuch d", 1000);
    cr_expect_eq(slowlog_count(log), 2, "what is no command took no time");
    close_log(&desk);
}

Test(slowlog, keeps_the_newest_and_numbers_them)
{
    struct desk desk;
    struct slowlog *const log = open_log(&desk, 0, 3);

    // The second core of three.
    desk.node->shard_count = 3;
    desk.shard->index = 1;
    for (uint32_t i = 0; i < 10; i++) {
        char words[32];

        (void)snprintf(words, sizeof words, "get k%u", i);
        note(&desk, words, i);
    }
    cr_assert_eq(slowlog_count(log), 3);
    for (uint32_t i = 0; i < 3; i++) {
        cr_expect_eq(slowlog_at(log, i)->took_us, 9 - i);
        cr_expect_eq(slowlog_at(log, i)->id, (9 - i) * 3 + 1);
    }
    slowlog_configure(log, 0, 2); // the oldest goes
    cr_assert_eq(slowlog_count(log), 2);
    cr_expect_eq(slowlog_at(log, 1)->took_us, 8);
    slowlog_reset(log);
    cr_expect_eq(slowlog_count(log), 0);
    note(&desk, "get again", 1);
    cr_expect_eq(slowlog_at(log, 0)->id, 10 * 3 + 1, "numbers are not used again");
    slowlog_configure(log, 0, 0); // none are kept
    cr_expect_eq(slowlog_count(log), 0);
    note(&desk, "get again", 1);
    cr_expect_eq(slowlog_count(log), 0);
    close_log(&desk);
}

Test(slowlog, has_a_bound_whatever_is_asked_for)
{
    struct desk desk;
    struct slowlog *const log = open_log(&desk, 0, UINT32_MAX);

    cr_expect_eq(slowlog_length_max(log), LIMIT_SLOWLOG_ENTRIES);
    for (uint32_t i = 0; i < 2 * LIMIT_SLOWLOG_ENTRIES + 5; i++) {
        note(&desk, "get k", i);
    }
    cr_assert_eq(slowlog_count(log), LIMIT_SLOWLOG_ENTRIES);
    for (uint32_t i = 0; i < LIMIT_SLOWLOG_ENTRIES; i++) {
        cr_assert_eq(slowlog_at(log, i)->took_us, 2 * LIMIT_SLOWLOG_ENTRIES + 4 - i);
    }
    close_log(&desk);
}

Test(slowlog, cuts_arguments_as_redis_does)
{
    struct desk desk;
    struct slowlog *const log = open_log(&desk, 0, 10);
    struct slice argv[SLOWLOG_ARGUMENTS + 8];
    char long_text[200], expected[200];

    memset(long_text, 'x', sizeof long_text);
    argv[0] = slice_from_text("mget");
    argv[1] = slice_of(long_text, SLOWLOG_ARGUMENT_BYTES);
    argv[2] = slice_of(long_text, SLOWLOG_ARGUMENT_BYTES + 1);
    argv[3] = slice_of(NULL, 0);
    for (uint32_t i = 4; i < SLOWLOG_ARGUMENTS + 8; i++) {
        argv[i] = slice_from_text("k");
    }
    slowlog_note(desk.shard, desk_request_of(&desk, argv, SLOWLOG_ARGUMENTS), 0);
    const struct slowlog_entry *entry = slowlog_at(log, 0);

    cr_assert_eq(entry->argument_count, SLOWLOG_ARGUMENTS);
    (void)snprintf(expected, sizeof expected, "%.*s", SLOWLOG_ARGUMENT_BYTES, long_text);
    expect_argument(entry, 1, expected);
    (void)snprintf(expected, sizeof expected, "%.*s... (1 more bytes)", SLOWLOG_ARGUMENT_BYTES,
                   long_text);
    expect_argument(entry, 2, expected);
    expect_argument(entry, 3, "");
    expect_argument(entry, SLOWLOG_ARGUMENTS - 1, "k");

    slowlog_note(desk.shard, desk_request_of(&desk, argv, SLOWLOG_ARGUMENTS + 8), 0);
    entry = slowlog_at(log, 0);
    cr_assert_eq(entry->argument_count, SLOWLOG_ARGUMENTS);
    expect_argument(entry, SLOWLOG_ARGUMENTS - 2, "k");
    expect_argument(entry, SLOWLOG_ARGUMENTS - 1, "... (9 more arguments)");
    close_log(&desk);
}

Test(slowlog, names_the_client_as_it_was)
{
    struct desk desk;
    struct slowlog *const log = open_log(&desk, 0, 10);
    char name[] = "worker";

    desk.client->name = name;
    note(&desk, "get k", 0);
    name[0] = 'W';
    cr_expect_str_eq(slowlog_at(log, 0)->client_name, "worker");
    cr_expect_str_eq(slowlog_at(log, 0)->client, "/desk.sock:0");
    desk.client->name = NULL;
    note(&desk, "get k", 0);
    cr_expect_str_eq(slowlog_at(log, 0)->client_name, "");
    struct exec *const x = desk_request(&desk, "get k");

    x->client = NULL; // one of another core
    slowlog_note(desk.shard, x, 0);
    cr_expect_str_eq(slowlog_at(log, 0)->client, "");
    close_log(&desk);
}
