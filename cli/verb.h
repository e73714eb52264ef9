// The verbs of rldb: one table, verbs.c, from which the program's help, the shell's completion,
// bash's completion and the list of the man page are made.
#pragma once

#include "cli/client.h"
#include "cli/options.h"
#include "core/text.h"

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

enum exit_code {
    EXIT_DONE = 0,
    EXIT_NOT_FOUND = 1,
    EXIT_BAD_USAGE = 2,
    EXIT_FAILED = 3,
};

// What a verb is given besides its own words. The shell hands the same one to every verb it runs.
struct cli {
    struct client client;
    bool json;         // --json
    bool terminal;     // standard output is one
    bool color;        // standard output may be coloured
    bool color_errors; // standard error may be
};

// The words after the verb, parsed.
struct verb_input {
    const char *const *values; // by index in the verb's options
    char **words;              // the words that are not options
    int count;                 // as many as the verb allows
};

struct verb {
    const char *name;
    const char *arguments; // as help shows them: "KEY VALUE"
    const char *summary;   // one line without a point
    const char *details;   // what else --help and the man page say, NULL for nothing
    const struct option *options;
    size_t option_count;
    const char *subwords; // what completes its first word, separated by spaces; NULL: nothing
    int words_min;
    int words_max;
    int (*run)(struct cli *cli, const struct verb_input *input); // returns an enum exit_code
};

enum { VERB_OPTIONS_MAX = 48 }; // bench has the most

const struct verb *const *verb_table(size_t *ret_count); // in the order of the help
const struct verb *verb_find(const char *name);          // NULL: there is none

// The verb that was meant, where it is one letter more, less, other or out of place; NULL: none.
const struct verb *verb_near(const char *name);

// The options that stand before the verb, and may also stand after it.
enum global_option {
    GLOBAL_HOST,
    GLOBAL_PORT,
    GLOBAL_SOCKET,
    GLOBAL_USER,
    GLOBAL_TIMEOUT,
    GLOBAL_JSON,
    GLOBAL_HELP,
    GLOBAL_VERSION,
    GLOBAL_OPTIONS,
};
const struct option *verb_global_options(void); // GLOBAL_OPTIONS of them

// Parses the words after the verb's name and runs it. `argv` is reordered. Global options among
// them take effect for this run, --help prints the verb's help.
int verb_run(struct cli *cli, const struct verb *verb, int argc, char **argv);

// Sets what the global options say. 0, or EXIT_BAD_USAGE after saying what is wrong.
int verb_apply_globals(struct cli *cli, const char *const *values);

// Prints "rldb: " and the message to standard error, and returns EXIT_FAILED (or EXIT_BAD_USAGE).
int cli_fail(const struct cli *cli, const char *format, ...) __attribute__((format(printf, 2, 3)));
int cli_misused(const struct cli *cli, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

// Calls the server. An error reply, or none, is told to the person. EXIT_DONE and a reply that the
// caller frees, or EXIT_FAILED.
int cli_call(struct cli *cli, int count, const char *const *words, const size_t *sizes,
             redisReply **ret_reply);

// Says that an answer had another shape than it should, and returns EXIT_FAILED.
int cli_strange_reply(const struct cli *cli, const char *command, const redisReply *reply);

// Zeroed memory, given back with memory_free. Without any left rldb says so and exits: there is
// nothing better for a command to do.
void *cli_allocate(size_t size);
void *cli_allocate_aligned(size_t size, size_t alignment); // a power of two that divides `size`

// Prints the text to standard output, and frees it.
int cli_print_text(const struct cli *cli, struct text *text);

// Prints the document on a line of its own (indented on a terminal), and frees it.
int cli_print_json(const struct cli *cli, json_t *document);

// Flushes standard output; EXIT_FAILED when something could not be written, else `code`.
int cli_flush(const struct cli *cli, int code);

// The verbs, each defined in the file that carries it out. verbs.c has them in order.
extern const struct verb verb_get;
extern const struct verb verb_put;
extern const struct verb verb_del;
extern const struct verb verb_exists;
extern const struct verb verb_ttl;
extern const struct verb verb_scan;
extern const struct verb verb_import;
extern const struct verb verb_export;
extern const struct verb verb_key;
extern const struct verb verb_cluster;
extern const struct verb verb_info;
extern const struct verb verb_top;
extern const struct verb verb_bench;
extern const struct verb verb_shell;
extern const struct verb verb_check;
extern const struct verb verb_repair;
extern const struct verb verb_snapshot;
