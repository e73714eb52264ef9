// What handlers share: arguments and errors.
#include "tests/unit/desk.h"

#include <stdio.h>
#include <stdlib.h>

Test(exec, words_are_equal_in_any_case_and_in_full)
{
    struct desk desk;
    const struct exec *const x = (desk_open(&desk), desk_request(&desk, "set Get gEt ge gett  nx"));

    cr_expect(exec_word(x, 1, "get"));
    cr_expect(exec_word(x, 2, "get"));
    cr_expect_not(exec_word(x, 3, "get"));
    cr_expect_not(exec_word(x, 4, "get"));
    cr_expect(exec_word(x, 5, ""));
    cr_expect_not(exec_word(x, 5, "get"));
    desk_close(&desk);
}

Test(exec, a_word_with_a_nul_is_another)
{
    static const struct slice argv[] = {{(const uint8_t *)"set", 3}, {(const uint8_t *)"nx\0", 3}};
    struct desk desk;

    desk_open(&desk);
    cr_expect_not(exec_word(desk_request_of(&desk, argv, 2), 1, "nx"));
    desk_close(&desk);
}

Test(exec, integers_are_taken_or_refused_in_redis_words)
{
    static const struct {
        const char *words;
        bool valid;
        int64_t value;
    } rows[] = {
        {"get 0", true, 0},
        {"get -9223372036854775808", true, INT64_MIN},
        {"get 9223372036854775807", true, INT64_MAX},
        {"get 9223372036854775808", false, 99},
        {"get 01", false, 99},
        {"get +1", false, 99},
        {"get -", false, 99},
        {"get 1x", false, 99},
    };
    struct desk desk;

    desk_open(&desk);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        int64_t value = 99;
        struct exec *const x = desk_request(&desk, rows[i].words);

        cr_expect_eq(exec_integer(x, 1, &value), rows[i].valid, "%s", rows[i].words);
        cr_expect_eq(value, rows[i].value, "%s", rows[i].words);
        cr_expect_eq(x->failed, !rows[i].valid, "%s", rows[i].words);
        cr_expect_str_eq(desk_reply(&desk),
                         rows[i].valid ? "" : "-ERR value is not an integer or out of range\r\n");
    }
    desk_close(&desk);
}

Test(exec, an_int_has_32_bits)
{
    static const char REFUSED[] =
        "-ERR value is out of range, value must between -2147483648 and 2147483647\r\n";
    struct desk desk;
    int64_t value = 0;

    desk_open(&desk);
    cr_expect(exec_integer_32(desk_request(&desk, "select 2147483647"), 1, &value));
    cr_expect_eq(value, INT32_MAX);
    cr_expect(exec_integer_32(desk_request(&desk, "select -2147483648"), 1, &value));
    cr_expect_eq(value, INT32_MIN);
    cr_expect_not(exec_integer_32(desk_request(&desk, "select 2147483648"), 1, &value));
    cr_expect_str_eq(desk_reply(&desk), REFUSED);
    cr_expect_not(exec_integer_32(desk_request(&desk, "select -2147483649"), 1, &value));
    cr_expect_str_eq(desk_reply(&desk), REFUSED);
    cr_expect_eq(value, INT32_MIN);
    desk_close(&desk);
}

// An error of a part of several cores counts when it is replied, not where it is found.
Test(exec, errors_are_counted_where_they_are_replied)
{
    struct desk desk;
    struct part part = {0};

    desk_open(&desk);
    exec_error_syntax(desk_request(&desk, "get a b"));
    exec_error_memory(desk_request(&desk, "set a b"));
    cr_expect_eq(desk.shard->stats.errors, 2);
    struct exec *const x = desk_request(&desk, "mset a b");

    x->part = &part;
    exec_error_memory(x);
    cr_expect(x->failed);
    cr_expect_eq(desk.shard->stats.errors, 2);
    desk_close(&desk);
}

static void expect_error(struct desk *desk, size_t size, size_t kept)
{
    char *const text = malloc(size + 1);

    cr_assert_not_null(text);
    memset(text, 'e', size);
    text[size] = '\0';
    exec_errorf(desk_request(desk, "get"), "%s", text);
    const char *const reply = desk_reply(desk);

    cr_expect_eq(strlen(reply), 1 + kept + 2, "%zu: %zu", size, strlen(reply));
    cr_expect_eq(reply[0], '-');
    cr_expect_str_eq(reply + 1 + kept, "\r\n");
    free(text);
}

Test(exec, long_errors_are_whole_up_to_a_bound)
{
    struct desk desk;

    desk_open(&desk);
    expect_error(&desk, 1, 1);
    expect_error(&desk, 1022, 1022);
    expect_error(&desk, 1023, 1023); // the last that needs no memory of its own
    expect_error(&desk, 1024, 1024);
    expect_error(&desk, 65535, 65535);
    expect_error(&desk, 65536, 65535);
    expect_error(&desk, 500000, 65535);
    desk_close(&desk);
}

Test(exec, what_is_said_of_a_subcommand_repeats_little_of_it)
{
    static char word[300];
    const struct slice argv[] = {slice_from_text("client"), slice_of(word, sizeof word)};
    struct desk desk;
    char expected[400];

    desk_open(&desk);
    memset(word, 'w', sizeof word);
    exec_error_subcommand(desk_request_of(&desk, argv, 2));
    (void)snprintf(expected, sizeof expected,
                   "-ERR unknown subcommand or wrong number of arguments for '%.128s'. Try CLIENT "
                   "HELP.\r\n",
                   word);
    cr_expect_str_eq(desk_reply(&desk), expected);
    exec_error_subcommand(desk_request(&desk, "client list x")); // of a subcommand its container's
    cr_expect_str_eq(desk_reply(&desk), "-ERR unknown subcommand or wrong number of arguments for "
                                        "'list'. Try CLIENT HELP.\r\n");
    exec_error_arity(desk_request(&desk, "client getname x"));
    cr_expect_str_eq(desk_reply(&desk),
                     "-ERR wrong number of arguments for 'client|getname' command\r\n");
    desk_close(&desk);
}

Test(exec, arguments_are_copied_into_one_block)
{
    char first[] = "first", third[] = "third";
    struct slice argv[] = {slice_from_text(first), slice_of(NULL, 0), slice_from_text(third)};
    void *bytes = NULL;

    cr_assert(exec_copy_argument_bytes(argv, 3, &bytes));
    first[0] = third[0] = 'x';
    cr_expect(slice_equal(argv[0], slice_from_text("first")));
    cr_expect_eq(argv[1].size, 0);
    cr_expect(slice_equal(argv[2], slice_from_text("third")));
    cr_expect_eq((const void *)argv[0].bytes, bytes);
    memory_free(bytes);
    argv[0].size = argv[2].size = 0; // also of nothing there is a block to free
    cr_assert(exec_copy_argument_bytes(argv, 3, &bytes));
    cr_expect_not_null(bytes);
    memory_free(bytes);
}
