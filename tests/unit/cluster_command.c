// The table of commands: that it is whole, that it says of each what Redis 7.0 says, that names are
// found and keys are placed.
#include "cluster/acl.h"
#include "cluster/command.h"
#include "cluster/commands.h"
#include "cluster/stats.h"
#include "core/random.h"
#include "tests/unit/redis_commands.h"

#include <criterion/criterion.h>
#include <ctype.h>
#include <stdio.h>
#include <string.h>

enum { REDIS_COMMANDS = sizeof redis_commands / sizeof *redis_commands, TEXT_BYTES = 256 };

static struct command_index *open_index(void)
{
    struct command_index *index = NULL;

    cr_assert_eq(command_index_open(&index), 0);
    return index;
}

static const struct command *find(const struct command_index *index, const char *name)
{
    return command_find(index, slice_from_text(name));
}

// "get", "client|list".
static const struct command *find_full(const struct command_index *index, const char *name)
{
    const char *const bar = strchr(name, '|');

    if (bar == NULL) {
        return find(index, name);
    }
    const struct command *const container =
        command_find(index, slice_of(name, (size_t)(bar - name)));

    return container == NULL ? NULL : command_find_sub(container, slice_from_text(bar + 1));
}

// Whole -------------------------------------------------------------------------------------------

// "7.0.0"
static bool is_version(const char *text)
{
    int dots = 0;

    for (const char *at = text; *at != '\0'; at++) {
        dots += *at == '.';
        if (*at != '.' && !isdigit((unsigned char)*at)) {
            return false;
        }
    }
    return dots == 2;
}

static bool is_group(const char *text)
{
    static const char *const groups[] = {"string", "generic", "connection",
                                         "server", "cluster", "rldb"};

    for (size_t i = 0; i < sizeof groups / sizeof *groups; i++) {
        if (strcmp(groups[i], text) == 0) {
            return true;
        }
    }
    return false;
}

static void check_words(const struct command *command, const char *name)
{
    cr_assert_not_null(command->summary, "%s", name);
    cr_assert(isupper((unsigned char)command->summary[0]), "%s: %s", name, command->summary);
    cr_assert_neq(command->summary[strlen(command->summary) - 1], '.', "%s", name);
    cr_assert_not_null(command->since, "%s", name);
    cr_assert(is_version(command->since), "%s: %s", name, command->since);
    cr_assert_not_null(command->group, "%s", name);
    cr_assert(is_group(command->group), "%s: %s", name, command->group);
    cr_assert_not_null(command->complexity, "%s", name);
    cr_assert(strncmp(command->complexity, "O(", 2) == 0 ||
                  strcmp(command->complexity, "Depends on subcommand.") == 0,
              "%s: %s", name, command->complexity);
    for (const char *at = command->name; *at != '\0'; at++) {
        cr_assert_not(isupper((unsigned char)*at), "%s: names are lower case", name);
    }
}

static void check_flags(const struct command *command, const char *name)
{
    const bool writes = (command->flags & COMMAND_WRITE) != 0;
    const bool reads = (command->flags & COMMAND_READONLY) != 0;
    const bool fast = (command->flags & COMMAND_FAST) != 0;

    cr_assert_not(writes && reads, "%s", name);
    cr_assert_eq(writes, (command->categories & ACL_WRITE) != 0, "%s", name);
    cr_assert_eq(reads, (command->categories & ACL_READ) != 0, "%s", name);
    cr_assert_eq(fast, (command->categories & ACL_FAST) != 0, "%s", name);
    cr_assert_eq(!fast, (command->categories & ACL_SLOW) != 0, "%s", name);
    if (command->flags & COMMAND_ADMIN) {
        cr_assert(command->categories & ACL_ADMIN, "%s", name);
        cr_assert(command->categories & ACL_DANGEROUS, "%s", name);
    }
    if (command->key_first != 0 && !(command->flags & COMMAND_ADMIN)) {
        cr_assert(writes || reads, "%s has keys: it reads or writes", name);
    }
}

static void check_route(const struct command *command, const char *name)
{
    const bool container = command->subcommand_count != 0;
    const bool keys = command->route == ROUTE_KEY || command->route == ROUTE_KEYS ||
                      command->route == ROUTE_TRANSFER;

    cr_assert_eq(keys, command->key_first != 0, "%s", name);
    cr_assert_eq(command->key_first != 0, command->key_step != 0, "%s", name);
    cr_assert(command->run != NULL || container || command->route == ROUTE_TRANSFER, "%s", name);
    cr_assert_eq(command->finish != NULL, command->route == ROUTE_ALL, "%s", name);
    cr_assert(command->target == NULL || command->route == ROUTE_ALL, "%s", name);
    cr_assert_eq(command->merge != MERGE_NONE, command->route == ROUTE_KEYS, "%s", name);
    cr_assert_eq(command->check != NULL, command->merge == MERGE_UNLESS, "%s", name);
    if (command->flags & COMMAND_PAIRS) {
        cr_assert_eq(command->key_step, 2, "%s", name);
    }
    if (command->route == ROUTE_KEY) {
        cr_assert_eq(command->key_first, command->key_last, "%s has one key", name);
    }
    // The least request holds the first key.
    const int least = command->arity < 0 ? -command->arity : command->arity;

    cr_assert_gt(least, command->key_first, "%s", name);
    cr_assert_geq(least, command->parent != NULL ? 2 : 1, "%s", name);
}

Test(command, every_row_is_whole)
{
    struct command_index *const index = open_index();
    uint32_t count = 0;

    for (; command_at(index, count) != NULL; count++) {
        const struct command *const command = command_at(index, count);
        char name[TEXT_BYTES];

        command_full_name(command, name, sizeof name);
        cr_assert_eq(command->index, count, "%s", name);
        cr_assert_str_eq(command_name_of_index(count), name);
        check_words(command, name);
        check_flags(command, name);
        check_route(command, name);
        for (uint32_t other = 0; other < count; other++) {
            char other_name[TEXT_BYTES];

            command_full_name(command_at(index, other), other_name, sizeof other_name);
            cr_assert_str_neq(name, other_name);
        }
    }
    cr_assert_gt(count, 100);
    cr_assert_lt(count, COMMAND_INDEX_MAX);
    cr_assert_null(command_name_of_index(count));
    cr_assert_null(command_at(index, COMMAND_INDEX_MAX));
    cr_assert_null(command_at(index, UINT32_MAX));
    command_index_close(index);
}

// As Redis says it
// ----------------------------------------------------------------------------------

static void join(char *text, const char *word)
{
    const size_t size = strlen(text);

    (void)snprintf(text + size, TEXT_BYTES - size, "%s%s", size == 0 ? "" : " ", word);
}

static void flags_text(uint32_t flags, char *text)
{
    static const struct {
        uint32_t flag;
        const char *name;
    } sorted[] = {
        {COMMAND_ADMIN, "admin"},
        {COMMAND_ALLOW_BUSY, "allow_busy"},
        {COMMAND_DENYOOM, "denyoom"},
        {COMMAND_FAST, "fast"},
        {COMMAND_LOADING, "loading"},
        {COMMAND_MAY_REPLICATE, "may_replicate"},
        {COMMAND_MOVABLEKEYS, "movablekeys"},
        {COMMAND_NO_ASYNC_LOADING, "no_async_loading"},
        {COMMAND_NO_AUTH, "no_auth"},
        {COMMAND_NO_MULTI, "no_multi"},
        {COMMAND_NOSCRIPT, "noscript"},
        {COMMAND_READONLY, "readonly"},
        {COMMAND_SKIP_MONITOR, "skip_monitor"},
        {COMMAND_SKIP_SLOWLOG, "skip_slowlog"},
        {COMMAND_STALE, "stale"},
        {COMMAND_WRITE, "write"},
    };

    text[0] = '\0';
    for (size_t i = 0; i < sizeof sorted / sizeof *sorted; i++) {
        if (flags & sorted[i].flag) {
            join(text, sorted[i].name);
        }
    }
}

static void categories_text(uint32_t categories, char *text)
{
    text[0] = '\0';
    // The alphabet's order: the smallest name that is greater than the last.
    for (const char *last = "";;) {
        const char *next = NULL;

        for (uint32_t i = 0; i < ACL_CATEGORIES; i++) {
            const char *const name = acl_category_name(i);

            if ((categories & (1U << i)) && strcmp(name, last) > 0 &&
                (next == NULL || strcmp(name, next) < 0)) {
                next = name;
            }
        }
        if (next == NULL) {
            return;
        }
        join(text, next);
        last = next;
    }
}

Test(command, says_what_redis_says)
{
    struct command_index *const index = open_index();
    char text[TEXT_BYTES];

    for (size_t i = 0; i < REDIS_COMMANDS; i++) {
        const struct redis_command *const redis = &redis_commands[i];
        const struct command *const command = find_full(index, redis->name);

        cr_assert_not_null(command, "%s", redis->name);
        cr_assert_eq(command->arity, redis->arity, "%s", redis->name);
        cr_assert_eq(command->key_first, redis->key_first, "%s", redis->name);
        cr_assert_eq(command->key_last, redis->key_last, "%s", redis->name);
        cr_assert_eq(command->key_step, redis->key_step, "%s", redis->name);
        cr_assert_str_eq(command->since, redis->since, "%s", redis->name);
        cr_assert_str_eq(command->group, redis->group, "%s", redis->name);
        cr_assert_str_eq(command->tips == NULL ? "" : command->tips, redis->tips, "%s",
                         redis->name);
        flags_text(command->flags, text);
        cr_assert_str_eq(text, redis->flags, "%s", redis->name);
        categories_text(command->categories, text);
        cr_assert_str_eq(text, redis->categories, "%s", redis->name);
    }
    command_index_close(index);
}

// What neither Redis 7.0 has nor is ours by name was forgotten in redis_commands.h, or misspelt.
Test(command, has_none_that_nobody_knows)
{
    static const char *const newer[] = {"client|no-touch", "client|setinfo"}; // Redis 7.2
    struct command_index *const index = open_index();

    for (uint32_t at = 0; command_at(index, at) != NULL; at++) {
        char name[TEXT_BYTES];
        bool known = false;

        command_full_name(command_at(index, at), name, sizeof name);
        known = strncmp(name, "rldb.", 5) == 0 || strncmp(name, "debug|", 6) == 0;
        for (size_t i = 0; i < REDIS_COMMANDS && !known; i++) {
            known = strcmp(redis_commands[i].name, name) == 0;
        }
        for (size_t i = 0; i < sizeof newer / sizeof *newer && !known; i++) {
            known = strcmp(newer[i], name) == 0;
        }
        cr_assert(known, "%s", name);
    }
    command_index_close(index);
}

// Finding
// -------------------------------------------------------------------------------------------

Test(command, finds_names_in_any_case)
{
    struct command_index *const index = open_index();
    struct random random;

    random_seed(&random, 1);
    for (uint32_t at = 0; command_at(index, at) != NULL; at++) {
        const struct command *const command = command_at(index, at);
        const struct command *const container =
            command->parent == NULL ? NULL : find(index, command->parent);

        for (int i = 0; i < 8; i++) {
            char name[TEXT_BYTES];
            const size_t size = strlen(command->name);

            for (size_t c = 0; c <= size; c++) {
                const char lower = command->name[c];

                name[c] = (char)(random_below(&random, 2) == 0 ? toupper(lower) : lower);
            }
            cr_assert_eq(container == NULL ? command_find(index, slice_of(name, size))
                                           : command_find_sub(container, slice_of(name, size)),
                         command, "%s", name);
        }
    }
    command_index_close(index);
}

Test(command, finds_nothing_else)
{
    struct command_index *const index = open_index();
    static const char with_nul[] = "get\0set\0get\0set";
    char longer[65536];

    cr_assert_null(find(index, ""));
    cr_assert_null(find(index, "ge"));
    cr_assert_null(find(index, "gett"));
    cr_assert_null(find(index, "client|list"));
    cr_assert_null(find(index, "GE\xd4")); // 'T' with its high bit set
    cr_assert_null(find(index, "FLUSH ALL"));
    memset(longer, 'g', sizeof longer);
    for (size_t size = 1; size <= sizeof longer; size *= 2) {
        cr_assert_null(command_find(index, slice_of(longer, size)));
    }
    // A slice may end anywhere, and hold anything: what lies behind a NUL counts.
    for (size_t size = 4; size < sizeof with_nul; size++) {
        cr_assert_null(command_find(index, slice_of(with_nul, size)), "%zu", size);
    }
    const struct command *const client = find(index, "client");

    // Only letters have another case: 0x0e is not '.', though they differ by the same bit.
    cr_assert_not_null(command_find(index, slice_from_text("RlDb.GeT")));
    cr_assert_null(command_find(index, slice_from_text("rldb\x0egEt")));
    cr_assert_not_null(command_find_sub(client, slice_from_text("LiSt")));
    cr_assert_null(command_find_sub(client, slice_from_text("")));
    cr_assert_null(command_find_sub(client, slice_from_text("lis")));
    cr_assert_null(command_find_sub(client, slice_of("list\0", 5)));
    cr_assert_null(command_find_sub(client, slice_of(longer, sizeof longer)));
    cr_assert_null(command_find_sub(find(index, "get"), slice_from_text("list")));
    command_index_close(index);
}

Test(command, holds_arguments_to_the_arity)
{
    struct command_index *const index = open_index();

    cr_assert(command_arity_ok(find(index, "get"), 2));
    cr_assert_not(command_arity_ok(find(index, "get"), 1));
    cr_assert_not(command_arity_ok(find(index, "get"), 3));
    cr_assert_not(command_arity_ok(find(index, "mset"), 2));
    cr_assert(command_arity_ok(find(index, "mset"), 3));
    cr_assert(command_arity_ok(find(index, "mset"), 1000000));
    command_index_close(index);
}

// Keys
// ----------------------------------------------------------------------------------------------

static void check_keys(const char *name, uint32_t argc, uint32_t first, uint32_t end, uint32_t step)
{
    struct command_index *const index = open_index();
    uint32_t got_first = 77;
    uint32_t got_end = 77;
    uint32_t got_step = 77;
    const bool has = command_keys(find_full(index, name), argc, &got_first, &got_end, &got_step);

    cr_assert_eq(has, first != 0, "%s of %u", name, argc);
    if (has) {
        cr_assert_eq(got_first, first, "%s of %u", name, argc);
        cr_assert_eq(got_end, end, "%s of %u", name, argc);
        cr_assert_eq(got_step, step, "%s of %u", name, argc);
    }
    command_index_close(index);
}

Test(command, places_keys)
{
    check_keys("get", 2, 1, 2, 1);
    check_keys("set", 5, 1, 2, 1);
    check_keys("del", 2, 1, 2, 1);
    check_keys("del", 9, 1, 9, 1);
    check_keys("mset", 3, 1, 3, 2);
    check_keys("mset", 7, 1, 7, 2);
    check_keys("rename", 3, 1, 3, 1);
    check_keys("copy", 6, 1, 3, 1);
    check_keys("object|encoding", 3, 2, 3, 1);
    check_keys("memory|usage", 5, 2, 3, 1);
    check_keys("ping", 1, 0, 0, 0);
    check_keys("scan", 4, 0, 0, 0);
    // Too few arguments for any key: refused elsewhere, and not read past here.
    check_keys("get", 1, 0, 0, 0);
    check_keys("del", 1, 0, 0, 0);
    check_keys("rename", 2, 1, 2, 1);
}

// Metrics
// -------------------------------------------------------------------------------------------

Test(command, has_metrics_that_are_declared_well)
{
    struct stats *const stats = calloc(1, sizeof *stats);
    const struct metrics_part parts[] = {{.table = &stats_table, .values = stats},
                                         {.table = &engine_stats_table}};

    cr_assert_eq(stats_open(stats), 0);
    cr_assert_null(metrics_check(parts, 2), "%s", metrics_check(parts, 2));
    stats_close(stats);
    free(stats);
}
