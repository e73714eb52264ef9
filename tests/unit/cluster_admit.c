// Whether a request may run.
#include "cluster/request.h"

#include "tests/unit/desk.h"

#include <stdio.h>
#include <stdlib.h>

static const char SYNTHETIC_USERS[] = "user default off\n"
                                      "user reader on nopass %R~open:* +@read +@connection\n"
                                      "user writer on nopass %W~open:* +@all\n";

static void be(struct desk *desk, const char *user)
{
    desk->client->user =
        acl_authenticate(desk->node->acl, slice_from_text(user), slice_of(NULL, 0));
    cr_assert_not_null(desk->client->user);
    desk->client->flags |= CLIENT_AUTHENTICATED;
}

// That it is admitted (`reply` "") or refused so; and what is refused for what it is, is refused by
// the short check too.
static void expect_admitted(struct desk *desk, const char *words, const char *reply)
{
    cr_expect_eq(request_admit(desk_request(desk, words)), reply[0] == '\0', "%s", words);
    cr_expect_str_eq(desk_reply(desk), reply, "%s", words);
    if (reply[0] == '\0') {
        cr_expect_not(request_is_refused(&desk->exec), "%s", words);
    }
}

static void expect_refused_early(struct desk *desk, const char *words, const char *reply)
{
    expect_admitted(desk, words, reply);
    cr_expect(request_is_refused(&desk->exec), "%s", words);
}

Test(admit, names_and_arities_come_first)
{
    struct desk desk;

    desk_open(&desk);
    expect_admitted(&desk, "get k", "");
    expect_refused_early(&desk, "gat k x",
                         "-ERR unknown command 'gat', with args beginning with: 'k' 'x' \r\n");
    expect_refused_early(&desk, "get", "-ERR wrong number of arguments for 'get' command\r\n");
    expect_refused_early(&desk, "get a b", "-ERR wrong number of arguments for 'get' command\r\n");
    expect_refused_early(&desk, "client",
                         "-ERR wrong number of arguments for 'client' command\r\n");
    expect_refused_early(&desk, "client nosuch",
                         "-ERR unknown subcommand 'nosuch'. Try CLIENT HELP.\r\n");
    expect_refused_early(&desk, "client getname x",
                         "-ERR wrong number of arguments for 'client|getname' command\r\n");
    expect_refused_early(&desk, "debug object",
                         "-ERR unknown subcommand or wrong number of arguments for 'object'. Try "
                         "DEBUG HELP.\r\n");
    // They come before the login: so the short check may be asked before it, too.
    desk_users(&desk, SYNTHETIC_USERS);
    expect_refused_early(&desk, "get", "-ERR wrong number of arguments for 'get' command\r\n");
    expect_refused_early(&desk, "get k", "-NOAUTH Authentication required.\r\n");
    expect_admitted(&desk, "auth reader x", "");
    expect_admitted(&desk, "hello 3", "");
    desk_close(&desk);
}

Test(admit, an_unknown_command_is_repeated_in_part)
{
    static char name[300], argument[300];
    struct slice argv[] = {slice_of(name, sizeof name), slice_of(argument, 100),
                           slice_of(argument, sizeof argument), slice_of(argument, 5)};
    struct desk desk;
    char expected[600];

    desk_open(&desk);
    memset(name, 'n', sizeof name);
    memset(argument, 'a', sizeof argument);
    cr_expect_not(request_admit(desk_request_of(&desk, argv, 4)));
    // 128 bytes of the name, and of the arguments with their quotes: 103, and the rest of the next.
    (void)snprintf(expected, sizeof expected,
                   "-ERR unknown command '%.128s', with args beginning with: '%.100s' '%.25s' \r\n",
                   name, argument, argument);
    cr_expect_str_eq(desk_reply(&desk), expected);
    desk_close(&desk);
}

Test(admit, long_arguments_are_for_commands_with_keys)
{
    enum { MOST = LIMIT_ADMIT_ARGUMENT_BYTES };
    static uint8_t bytes[MOST + 1];
    static const char *const refused[] = {"auth", "info", "hello"};
    struct slice argv[] = {slice_from_text(""), slice_of(bytes, MOST)};
    struct desk desk;
    char expected[128];

    desk_open(&desk);
    for (size_t i = 0; i < sizeof refused / sizeof *refused; i++) {
        argv[0] = slice_from_text(refused[i]);
        argv[1].size = MOST;
        cr_expect(request_admit(desk_request_of(&desk, argv, 2)), "%s", refused[i]);
        argv[1].size = MOST + 1;
        cr_expect_not(request_admit(desk_request_of(&desk, argv, 2)), "%s", refused[i]);
        (void)snprintf(expected, sizeof expected,
                       "-TOOLARGE an argument of '%s' may have up to %d bytes, this one has %d\r\n",
                       refused[i], MOST, MOST + 1);
        cr_expect_str_eq(desk_reply(&desk), expected);
    }
    argv[0] = slice_from_text("echo"); // says it again, and no more
    cr_expect(request_admit(desk_request_of(&desk, argv, 2)));
    desk_close(&desk);
}

Test(admit, users_may_what_their_rules_say)
{
    static const char KEY[] = "-NOPERM this user has no permissions to access one of the keys used "
                              "as arguments\r\n";
    static const char SET[] = "-NOPERM this user has no permissions to run the 'set' command\r\n";
    struct desk desk;

    desk_open(&desk);
    desk_users(&desk, SYNTHETIC_USERS);
    be(&desk, "reader");
    expect_admitted(&desk, "get open:1", "");
    expect_admitted(&desk, "get closed:1", KEY);
    expect_admitted(&desk, "mget open:1 open:2 closed:1", KEY);
    expect_refused_early(&desk, "set open:1 v", SET);
    expect_refused_early(&desk, "set closed:1 v", SET); // the command before the key
    expect_admitted(&desk, "auth reader x", "");
    be(&desk, "writer");
    expect_admitted(&desk, "get open:1", KEY);
    expect_admitted(&desk, "set open:1 v", "");
    expect_admitted(&desk, "set open:1 v get", KEY); // shows the value
    expect_admitted(&desk, "set open:1 v ex 1 GET", KEY);
    expect_admitted(&desk, "set open:1 get", "");
    expect_admitted(&desk, "exists open:1", ""); // tells of its being there alone
    expect_admitted(&desk, "exists closed:1", KEY);
    expect_admitted(&desk, "rename open:1 open:2", KEY); // reads the first
    expect_admitted(&desk, "copy open:1 open:2", KEY);
    desk_close(&desk);
}

static bool admit_sizes_of(struct desk *desk, const char *name, size_t key_bytes,
                           size_t value_bytes)
{
    static uint8_t bytes[LIMIT_KEY_BYTES + 2];
    struct slice argv[] = {slice_from_text(name), slice_from_text("k"), slice_from_text("v"),
                           slice_of(bytes, key_bytes), slice_of(bytes, value_bytes)};

    return request_admit(desk_request_of(desk, argv, 5));
}

Test(admit, keys_and_the_values_of_pairs_have_their_sizes)
{
    struct desk desk;

    desk_open(&desk);
    desk.shard->config.storage.value_max_bytes = 1000;
    cr_expect(admit_sizes_of(&desk, "mset", LIMIT_KEY_BYTES, 1000));
    cr_expect_not(admit_sizes_of(&desk, "mset", LIMIT_KEY_BYTES + 1, 0));
    cr_expect_str_eq(desk_reply(&desk),
                     "-TOOLARGE a key may have up to 65535 bytes, this one has 65536\r\n");
    cr_expect_not(admit_sizes_of(&desk, "mset", 1, 1001));
    cr_expect_str_eq(desk_reply(&desk), "-TOOLARGE the value has 1001 bytes, storage.value_max "
                                        "allows 1000\r\n");
    cr_expect_not(admit_sizes_of(&desk, "del", 1, LIMIT_KEY_BYTES + 1), "a key, not a value");
    cr_expect(admit_sizes_of(&desk, "del", 1, 1001));
    desk_close(&desk);
}

Test(admit, many_arguments_are_for_commands_on_keys)
{
    static struct slice argv[LIMIT_ADMIT_ARGUMENTS + 1];
    struct desk desk;
    char expected[160];

    desk_open(&desk);
    for (uint32_t i = 0; i <= LIMIT_ADMIT_ARGUMENTS; i++) {
        argv[i] = slice_from_text("x");
    }
    argv[0] = slice_from_text("info");
    cr_expect(request_admit(desk_request_of(&desk, argv, LIMIT_ADMIT_ARGUMENTS)));
    cr_expect_not(request_admit(desk_request_of(&desk, argv, LIMIT_ADMIT_ARGUMENTS + 1)));
    (void)snprintf(expected, sizeof expected,
                   "-ERR too many arguments for 'info' command: up to %d are taken\r\n",
                   LIMIT_ADMIT_ARGUMENTS);
    cr_expect_str_eq(desk_reply(&desk), expected);
    argv[0] = slice_from_text("mget");
    desk_users(&desk, SYNTHETIC_USERS);
    be(&desk, "reader");
    // Its keys are asked for one by one when it works, since they are many.
    cr_expect(request_admit(desk_request_of(&desk, argv, LIMIT_ADMIT_ARGUMENTS + 1)));
    cr_expect_not(request_admit_key(&desk.exec, 7));
    argv[7] = slice_from_text("open:");
    cr_expect(request_admit_key(&desk.exec, 7));
    desk_close(&desk);
}

Test(admit, what_is_refused_is_counted_as_rejected)
{
    struct desk desk;

    desk_open(&desk);
    const uint16_t get = desk_request(&desk, "get k")->command->index;

    (void)request_admit(desk_request(&desk, "get k"));
    cr_expect_eq(desk.shard->stats.of[get].rejected, 0);
    (void)request_admit(desk_request(&desk, "get"));
    cr_expect_eq(desk.shard->stats.of[get].rejected, 1);
    (void)request_admit(desk_request(&desk, "nosuch"));
    cr_expect_eq(desk.shard->stats.errors, 2);
    desk_close(&desk);
}
