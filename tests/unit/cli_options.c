#include "cli/options.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>

enum { NAME, FORCE, QUIET, COUNT };

static const struct option TABLE[COUNT] = {
    [NAME] = {"name", 'n', "NAME", "a name"},
    [FORCE] = {"force", 'f', NULL, "a flag"},
    [QUIET] = {"quiet", 'q', NULL, "another"},
};

struct parsed {
    const char *values[COUNT];
    char error[OPTIONS_ERROR_SIZE];
    char *argv[16];
    int words;
    int result;
};

// Parses words separated by single spaces.
static void parse(struct parsed *parsed, const char *line, bool stop)
{
    static char copy[256];
    char *rest = NULL;
    int argc = 0;

    *parsed = (struct parsed){.result = 0};
    snprintf(copy, sizeof copy, "%s", line);
    for (char *word = strtok_r(copy, " ", &rest); word != NULL; word = strtok_r(NULL, " ", &rest)) {
        parsed->argv[argc++] = word;
    }
    const struct option_group group = {TABLE, COUNT, parsed->values};

    parsed->result =
        options_parse(&group, 1, argc, parsed->argv, stop, parsed->error, &parsed->words);
}

Test(cli_options, every_way_to_write_a_value)
{
    static const char *const lines[] = {"--name x", "--name=x", "-n x", "-nx", "-fn x", "-fnx"};

    for (size_t i = 0; i < sizeof lines / sizeof lines[0]; i++) {
        struct parsed parsed;

        parse(&parsed, lines[i], false);
        cr_assert_eq(parsed.result, 0, "%s", lines[i]);
        cr_assert_str_eq(parsed.values[NAME], "x", "%s", lines[i]);
        cr_assert_eq(parsed.words, 0);
    }
}

Test(cli_options, words_and_options_may_be_mixed)
{
    struct parsed parsed;

    parse(&parsed, "a --force b -n x c", false);
    cr_assert_eq(parsed.result, 0);
    cr_assert_eq(parsed.words, 3);
    cr_assert_str_eq(parsed.argv[0], "a");
    cr_assert_str_eq(parsed.argv[1], "b");
    cr_assert_str_eq(parsed.argv[2], "c");
    cr_assert_str_eq(parsed.values[FORCE], "");
    cr_assert_null(parsed.values[QUIET]);
}

Test(cli_options, two_dashes_end_the_options)
{
    struct parsed parsed;

    parse(&parsed, "-f -- --name -q", false);
    cr_assert_eq(parsed.words, 2);
    cr_assert_str_eq(parsed.argv[0], "--name");
    cr_assert_null(parsed.values[NAME]);
    cr_assert_null(parsed.values[QUIET]);
}

Test(cli_options, stop_leaves_what_follows_the_first_word)
{
    struct parsed parsed;

    parse(&parsed, "-f get --name x -- y", true);
    cr_assert_eq(parsed.result, 0);
    cr_assert_eq(parsed.words, 5);
    cr_assert_str_eq(parsed.argv[0], "get");
    cr_assert_str_eq(parsed.argv[1], "--name");
    cr_assert_str_eq(parsed.argv[3], "--");
    cr_assert_null(parsed.values[NAME]);
}

Test(cli_options, a_dash_and_a_negative_number_are_words)
{
    struct parsed parsed;

    parse(&parsed, "- -5 -0.5x", false);
    cr_assert_eq(parsed.words, 3);
}

Test(cli_options, the_last_of_several_wins)
{
    struct parsed parsed;

    parse(&parsed, "-n a --name b", false);
    cr_assert_str_eq(parsed.values[NAME], "b");
}

Test(cli_options, errors_name_the_word)
{
    static const struct {
        const char *line;
        const char *error;
    } cases[] = {
        {"--name", "--name needs a value: --name NAME"},
        {"-n", "--name needs a value: --name NAME"},
        {"--force=1", "--force takes no value"},
        {"--nam x", "unknown option --nam"},
        {"--names x", "unknown option --names"},
        {"-fx", "unknown option -fx"},
    };

    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct parsed parsed;

        parse(&parsed, cases[i].line, false);
        cr_assert_eq(parsed.result, -EINVAL, "%s", cases[i].line);
        cr_assert_str_eq(parsed.error, cases[i].error);
    }
}

Test(cli_options, numbers_are_whole_and_in_range)
{
    int64_t number = -1;

    cr_assert_eq(options_number("65535", 1, 65535, &number), 0);
    cr_assert_eq(number, 65535);
    cr_assert_eq(options_number("-5", -5, 5, &number), 0);
    cr_assert_eq(number, -5);
    static const char *const wrong[] = {
        "", "0", "65536", "1x", " 1", "+1", "-", "0x1", "99999999999999999999"};

    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        cr_assert_eq(options_number(wrong[i], 1, 65535, &number), -EINVAL, "%s", wrong[i]);
        cr_assert_eq(number, -5);
    }
}

Test(cli_options, sizes_have_binary_units)
{
    int64_t bytes = 0;

    cr_assert_eq(options_size("100", 0, 1 << 30, &bytes), 0);
    cr_assert_eq(bytes, 100);
    cr_assert_eq(options_size("3KiB", 0, 1 << 30, &bytes), 0);
    cr_assert_eq(bytes, 3072);
    cr_assert_eq(options_size("2MiB", 0, 1 << 30, &bytes), 0);
    cr_assert_eq(bytes, 2 << 20);
    static const char *const wrong[] = {"",   "KiB",   "1K",   "1kib",
                                        "-1", "1 MiB", "2GiB", "9223372036854775807GiB"};

    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        cr_assert_eq(options_size(wrong[i], 0, 1 << 30, &bytes), -EINVAL, "%s", wrong[i]);
    }
}

Test(cli_options, durations_have_units_and_fractions)
{
    double seconds = 0;

    cr_assert_eq(options_duration("90", 0, 1e6, &seconds), 0);
    cr_assert_float_eq(seconds, 90, 1e-9);
    cr_assert_eq(options_duration("250ms", 0, 1e6, &seconds), 0);
    cr_assert_float_eq(seconds, 0.25, 1e-9);
    cr_assert_eq(options_duration("1.5m", 0, 1e6, &seconds), 0);
    cr_assert_float_eq(seconds, 90, 1e-9);
    cr_assert_eq(options_duration("2h", 0, 1e6, &seconds), 0);
    cr_assert_float_eq(seconds, 7200, 1e-9);
    static const char *const wrong[] = {"", "s", "1d", "-1s", "inf", "nan", "0x10", "1e9h", "1s "};

    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        cr_assert_eq(options_duration(wrong[i], 0, 1e6, &seconds), -EINVAL, "%s", wrong[i]);
    }
}
