// The options of a command line, declared in tables.
//
//     static const struct option GET_OPTIONS[] = {
//         {.name = "context", .help = "print the context too"},
//     };
//
// Parsing, the help texts, the completion and the man page all read the same tables. An option is
// written --name, --name VALUE, --name=VALUE, or with its letter -x, -x VALUE, -xVALUE. Options may
// stand before, between and after the other words, and "--" ends them. A word that is "-" or begins
// with "-" and a digit is not an option, so that `put counter -5` says what it means.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct option {
    const char *name;     // without its dashes
    char letter;          // the one-letter form, 0 for none
    const char *argument; // what help calls its value; NULL: it takes none
    const char *help;     // one line
};

// A table and where its values go: values[i] belongs to options[i], stays NULL when the option is
// not given, and is "" for one that takes no value. The last of several wins.
struct option_group {
    const struct option *options;
    size_t count;
    const char **values;
};

enum { OPTIONS_ERROR_SIZE = 160 }; // room for a message with a name cut to a reasonable length

// Reads the words of argv[0..argc) into the groups; an earlier group wins over a later one of the
// same name. Words that are not options are moved to the front of argv, in their order, and counted
// in *ret_words. With `stop`, parsing ends at the first of them: argv[0] is then that word, and all
// after it follow unread. 0, or -EINVAL with a message in `error` that names the word.
int options_parse(const struct option_group *groups, size_t group_count, int argc, char **argv,
                  bool stop, char error[OPTIONS_ERROR_SIZE], int *ret_words);

// A whole decimal number between min and max, both included. 0 or -EINVAL.
int options_number(const char *text, int64_t min, int64_t max, int64_t *ret_number);

// A finite decimal number between min and max, both included. 0 or -EINVAL.
int options_real(const char *text, double min, double max, double *ret_number);

// A size in bytes: a whole number, alone or followed by KiB, MiB, GiB. 0 or -EINVAL.
int options_size(const char *text, int64_t min, int64_t max, int64_t *ret_bytes);

// A duration: a number, alone (seconds) or followed by ms, s, m or h; fractions are allowed.
// 0 or -EINVAL.
int options_duration(const char *text, double min_seconds, double max_seconds, double *ret_seconds);
