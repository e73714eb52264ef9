// The parts of the shell that verb_shell.c puts together. A line is
//
//     COMMAND ARGUMENT ...     a command for the server, with the quotes and escapes of redis-cli
//     :VERB ...                a verb of rldb, with its options
//     help [COMMAND | :VERB]   clear   quit   exit
#pragma once

#include "cli/verb.h"
#include "core/text.h"

#include <histedit.h>

enum {
    SHELL_LINE_BYTES_MAX =
        60 << 10, // what core/resp.h takes as an inline request, less its escapes
    SHELL_WORDS_MAX = 1024,
    SHELL_HISTORY_LINES = 1000,
    SHELL_PATH_SIZE = 4096,
};

// A line's words: in memory of its own, each terminated, so that verbs can use them as C strings.
struct shell_words {
    int count;
    char *words[SHELL_WORDS_MAX];
    size_t sizes[SHELL_WORDS_MAX];
    struct text bytes;
};

// Splits a line. 0, or -EINVAL with the reason in *ret_reason (a literal); freed by
// shell_words_free in both cases.
int shell_split(const char *line, size_t size, struct shell_words *ret_words,
                const char **ret_reason);
void shell_words_free(struct shell_words *words);

// The names of the server's commands, asked for once.
struct shell_names {
    bool asked;
    struct text names; // one a line, in lower case
};

// Appends to ret_matches, one a line, all words that may stand where a line of `size` bytes is
// being continued; *ret_start is where the word that is being typed begins.
void shell_matches(struct cli *cli, struct shell_names *names, const char *line, size_t size,
                   size_t *ret_start, struct text *ret_matches);

// How many bytes all lines of `matches` begin with in common; upper and lower case are one.
size_t shell_common_prefix(const struct text *matches);

// Where the history is kept: $XDG_STATE_HOME/rldb/history, or below ~/.local/state. Makes the
// folders. 0 or -errno.
int shell_history_path(char path[SHELL_PATH_SIZE]);

// Whether the line may be kept in the history: lines that hold a password may not.
bool shell_is_memorable(const struct shell_words *words);
