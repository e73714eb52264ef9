#include "cli/options.h"

#include "core/check.h"

#include <ctype.h>
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct option_parse {
    const struct option_group *groups;
    size_t group_count;
    int argc;
    char **argv;
    int next; // the word to read
    char *error;
};

// NULL when none has that name; `size` bytes of `name` count. *ret_value is where its value goes.
static const struct option *options_find(const struct option_parse *parse, const char *name,
                                         size_t size, char letter, const char ***ret_value)
{
    for (size_t g = 0; g < parse->group_count; g++) {
        const struct option_group *const group = &parse->groups[g];

        for (size_t i = 0; i < group->count; i++) {
            const struct option *const option = &group->options[i];
            const bool same =
                letter != 0 ? option->letter == letter
                            : strlen(option->name) == size && memcmp(option->name, name, size) == 0;

            if (same) {
                *ret_value = &group->values[i];
                return option;
            }
        }
    }
    return NULL;
}

// `attached` is the value that was written in the same word, or NULL.
static int options_take(struct option_parse *parse, const struct option *option,
                        const char *attached, const char **value)
{
    if (option->argument == NULL) {
        if (attached != NULL) {
            snprintf(parse->error, OPTIONS_ERROR_SIZE, "--%s takes no value", option->name);
            return -EINVAL;
        }
        *value = "";
        return 0;
    }
    if (attached == NULL) {
        if (parse->next == parse->argc) {
            snprintf(parse->error, OPTIONS_ERROR_SIZE, "--%s needs a value: --%s %s", option->name,
                     option->name, option->argument);
            return -EINVAL;
        }
        attached = parse->argv[parse->next++];
    }
    *value = attached;
    return 0;
}

static int options_unknown(struct option_parse *parse, const char *word)
{
    snprintf(parse->error, OPTIONS_ERROR_SIZE, "unknown option %.60s", word);
    return -EINVAL;
}

static int options_take_long(struct option_parse *parse, const char *word)
{
    const char *const name = word + 2;
    const char *const equals = strchr(name, '=');
    const size_t size = equals != NULL ? (size_t)(equals - name) : strlen(name);
    const char **value = NULL;
    const struct option *const option = options_find(parse, name, size, 0, &value);

    if (option == NULL) {
        return options_unknown(parse, word);
    }
    return options_take(parse, option, equals != NULL ? equals + 1 : NULL, value);
}

// One word may hold several letters of options without a value: -ab.
static int options_take_letters(struct option_parse *parse, const char *word)
{
    for (const char *at = word + 1; *at != '\0'; at++) {
        const char **value = NULL;
        const struct option *const option = options_find(parse, NULL, 0, *at, &value);
        int error = 0;

        if (option == NULL) {
            return options_unknown(parse, word);
        }
        if (option->argument != NULL) {
            return options_take(parse, option, at[1] != '\0' ? at + 1 : NULL, value);
        }
        error = options_take(parse, option, NULL, value);
        if (error != 0) {
            return error;
        }
    }
    return 0;
}

static bool options_is_option(const char *word)
{
    return word[0] == '-' && word[1] != '\0' && !isdigit((unsigned char)word[1]);
}

int options_parse(const struct option_group *groups, size_t group_count, int argc, char **argv,
                  bool stop, char error[OPTIONS_ERROR_SIZE], int *ret_words)
{
    struct option_parse parse = {
        .groups = groups, .group_count = group_count, .argc = argc, .argv = argv, .error = error};
    bool ended = false;
    int words = 0;

    CHECK(argc >= 0);
    while (parse.next < argc) {
        char *const word = argv[parse.next++];
        int result = 0;

        if (ended || !options_is_option(word)) {
            argv[words++] = word;
            ended = ended || stop;
        } else if (strcmp(word, "--") == 0) {
            ended = true;
        } else if (word[1] == '-') {
            result = options_take_long(&parse, word);
        } else {
            result = options_take_letters(&parse, word);
        }
        if (result != 0) {
            return result;
        }
    }
    *ret_words = words;
    return 0;
}

int options_number(const char *text, int64_t min, int64_t max, int64_t *ret_number)
{
    char *end = NULL;

    if (!isdigit((unsigned char)text[0]) && !(text[0] == '-' && isdigit((unsigned char)text[1]))) {
        return -EINVAL;
    }
    errno = 0;
    const long long number = strtoll(text, &end, 10);

    if (errno != 0 || *end != '\0' || number < min || number > max) {
        return -EINVAL;
    }
    *ret_number = number;
    return 0;
}

// Reads the number that `text` begins with; *ret_end is what follows it.
static int options_real_prefix(const char *text, const char **ret_end, double *ret_number)
{
    char *end = NULL;

    // strtod would also take hexadecimal, infinities and leading space.
    if (!isdigit((unsigned char)text[0]) && text[0] != '.' && text[0] != '-') {
        return -EINVAL;
    }
    if (strcspn(text, "xXnNiI") != strlen(text)) {
        return -EINVAL;
    }
    errno = 0;
    const double number = strtod(text, &end);

    if (end == text || errno != 0 || !isfinite(number)) {
        return -EINVAL;
    }
    *ret_end = end;
    *ret_number = number;
    return 0;
}

int options_real(const char *text, double min, double max, double *ret_number)
{
    const char *end = NULL;
    double number = 0;

    if (options_real_prefix(text, &end, &number) != 0 || *end != '\0' || number < min ||
        number > max) {
        return -EINVAL;
    }
    *ret_number = number;
    return 0;
}

int options_size(const char *text, int64_t min, int64_t max, int64_t *ret_bytes)
{
    static const struct {
        const char *name;
        int64_t bytes;
    } units[] = {{"KiB", 1 << 10}, {"MiB", 1 << 20}, {"GiB", 1 << 30}};
    char digits[24];
    const size_t size = strspn(text, "0123456789");
    int64_t unit = text[size] == '\0' ? 1 : 0;
    int64_t number = 0;

    for (size_t i = 0; i < sizeof units / sizeof units[0]; i++) {
        if (strcmp(text + size, units[i].name) == 0) {
            unit = units[i].bytes;
        }
    }
    if (unit == 0 || size == 0 || size >= sizeof digits) {
        return -EINVAL;
    }
    memcpy(digits, text, size);
    digits[size] = '\0';
    if (options_number(digits, 0, INT64_MAX / unit, &number) != 0 || number * unit < min ||
        number * unit > max) {
        return -EINVAL;
    }
    *ret_bytes = number * unit;
    return 0;
}

int options_duration(const char *text, double min_seconds, double max_seconds, double *ret_seconds)
{
    static const struct {
        const char *name;
        double seconds;
    } units[] = {{"", 1}, {"ms", 1e-3}, {"s", 1}, {"m", 60}, {"h", 3600}};
    const char *end = NULL;
    double number = 0;

    if (options_real_prefix(text, &end, &number) != 0) {
        return -EINVAL;
    }
    for (size_t i = 0; i < sizeof units / sizeof units[0]; i++) {
        const double seconds = number * units[i].seconds;

        if (strcmp(end, units[i].name) == 0 && seconds >= min_seconds && seconds <= max_seconds) {
            *ret_seconds = seconds;
            return 0;
        }
    }
    return -EINVAL;
}
