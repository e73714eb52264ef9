#include "cli/output.h"
#include "cli/shell.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <stdlib.h>

// The words of a line that has to be well formed; to be given back with shell_words_free.
static struct shell_words split(const char *line)
{
    struct shell_words words;
    const char *reason = NULL;

    cr_assert_eq(shell_split(line, strlen(line), &words, &reason), 0, "%s: %s", line, reason);
    return words;
}

static int split_count(const char *line)
{
    struct shell_words words = split(line);
    const int count = words.count;

    shell_words_free(&words);
    return count;
}

static bool split_is_memorable(const char *line)
{
    struct shell_words words = split(line);
    const bool memorable = shell_is_memorable(&words);

    shell_words_free(&words);
    return memorable;
}

Test(cli_shell, words_quotes_and_escapes)
{
    struct shell_words words = split("set  'a b'  \"x\\x00\\n\\\"y\" '' \"\\x41\"");

    cr_assert_eq(words.count, 5);
    cr_assert_str_eq(words.words[0], "set");
    cr_assert_str_eq(words.words[1], "a b");
    cr_assert_eq(words.sizes[2], 5);
    cr_assert_arr_eq(words.words[2], "x\0\n\"y", 6);
    cr_assert_eq(words.sizes[3], 0);
    cr_assert_str_eq(words.words[4], "A");
    shell_words_free(&words);
}

Test(cli_shell, empty_lines_and_stars_are_harmless)
{
    cr_assert_eq(split_count(""), 0);
    cr_assert_eq(split_count("   \t "), 0);

    struct shell_words words = split("*3");

    cr_assert_str_eq(words.words[0], "*3");
    shell_words_free(&words);
}

Test(cli_shell, quotes_that_do_not_close_are_refused)
{
    static const char *const lines[] = {"get \"a", "get 'a", "get \"a\"b"};

    for (size_t i = 0; i < sizeof lines / sizeof lines[0]; i++) {
        struct shell_words words;
        const char *reason = NULL;

        cr_assert_eq(shell_split(lines[i], strlen(lines[i]), &words, &reason), -EINVAL);
        cr_assert_str_eq(reason, "the quotes are not balanced");
        shell_words_free(&words);
    }
}

Test(cli_shell, passwords_are_not_remembered)
{
    cr_assert(split_is_memorable("get auth"));
    cr_assert_not(split_is_memorable("AUTH secret"));
    cr_assert_not(split_is_memorable("hello 2 auth user secret"));
    cr_assert_not(split_is_memorable("config set maxmemory 1 RequirePass secret"));
    cr_assert_not(split_is_memorable(""));
}

// Without a server, names that are known already.
static void assert_matches(const char *line, const char *names, size_t start, const char *expected)
{
    struct cli cli = {.client.target.host = "127.0.0.1"};
    struct shell_names known = {.asked = true, .names = output_text()};
    struct text matches = output_text();
    size_t ret_start = 0;

    text_string(&known.names, names);
    shell_matches(&cli, &known, line, strlen(line), &ret_start, &matches);
    cr_assert_eq(ret_start, start, "%s", line);
    cr_assert_str_eq(text_c(&matches), expected, "%s", line);
    text_free(&matches);
    text_free(&known.names);
}

Test(cli_shell, commands_verbs_and_options_are_completed)
{
    assert_matches("GE", "get\ngetset\nset\n", 0, "get\ngetset\n");
    assert_matches("  he", "hello\n", 2, "help\nhello\n");
    assert_matches(":cl", "clear\n", 0, ":cluster\n");
    assert_matches(":cluster tr", "", 9, "transfers\n");
    assert_matches(":put k v --t", "", 9, "--ttl\n--timeout\n");
    assert_matches("help se", "get\nset\n", 5, "set\n");
    assert_matches("help :tt", "", 5, ":ttl\n");
    assert_matches(":nope --", "", 6, "");
}

Test(cli_shell, the_common_prefix_ignores_case)
{
    struct text matches = output_text();

    text_string(&matches, "getset\nGETdel\ngetex\n");
    cr_assert_eq(shell_common_prefix(&matches), 3);
    text_clear(&matches);
    text_string(&matches, "one\n");
    cr_assert_eq(shell_common_prefix(&matches), 3);
    text_clear(&matches);
    cr_assert_eq(shell_common_prefix(&matches), 0);
    text_free(&matches);
}

Test(cli_shell, the_history_goes_where_xdg_says)
{
    char folder[] = "/tmp/rldb_history_XXXXXX";
    char expected[128];
    char path[SHELL_PATH_SIZE];

    cr_assert_not_null(mkdtemp(folder));
    setenv("XDG_STATE_HOME", folder, 1);
    snprintf(expected, sizeof expected, "%s/rldb/history", folder);
    cr_assert_eq(shell_history_path(path), 0);
    cr_assert_str_eq(path, expected);
    setenv("XDG_STATE_HOME", "relative", 1);
    setenv("HOME", folder, 1);
    snprintf(expected, sizeof expected, "%s/.local/state/rldb/history", folder);
    cr_assert_eq(shell_history_path(path), 0);
    cr_assert_str_eq(path, expected);
}
