// shell_split, shell_is_memorable and the history's place, of shell.h.
#include "cli/output.h"
#include "cli/shell.h"
#include "core/check.h"
#include "core/resp.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>

static void shell_take_words(const struct resp_args *args, struct shell_words *words)
{
    for (uint32_t i = 0; i < args->count && words->count < SHELL_WORDS_MAX; i++) {
        const struct slice word = resp_arg(args, i);

        words->sizes[words->count++] = word.size;
        text_append(&words->bytes, word.bytes, word.size);
        text_append(&words->bytes, "", 1);
    }
    // Only now do they stay where they are.
    char *at = words->bytes.bytes;

    for (int i = 0; i < words->count; i++) {
        words->words[i] = at;
        at += words->sizes[i] + 1;
    }
}

int shell_split(const char *line, size_t size, struct shell_words *ret_words,
                const char **ret_reason)
{
    static const struct resp_limits limits = {.bulk_bytes_max = SHELL_LINE_BYTES_MAX,
                                              .request_bytes_max = 2 * SHELL_LINE_BYTES_MAX,
                                              .args_max = SHELL_WORDS_MAX,
                                              .authenticated = true};
    struct resp_parser parser = {.consumed = 0};
    struct resp_span fixed[32];
    struct resp_args args;
    struct text request = output_text();
    int result = 0;

    ret_words->count = 0;
    ret_words->bytes = output_text();
    if (size > SHELL_LINE_BYTES_MAX || memchr(line, '\0', size) != NULL) {
        *ret_reason = "the line is too long, or holds a NUL";
        return -EINVAL;
    }
    // The space keeps a line that begins with '*' an inline request.
    output_char(&request, ' ');
    text_append(&request, line, size);
    output_char(&request, '\n');
    resp_args_init(&args, fixed, sizeof fixed / sizeof fixed[0]);
    switch (resp_parse(&parser, &limits, (const uint8_t *)request.bytes, request.size, &args)) {
    case RESP_COMMAND:
        if (args.count > SHELL_WORDS_MAX) {
            *ret_reason = "too many words";
            result = -EINVAL;
        } else {
            shell_take_words(&args, ret_words);
        }
        break;
    case RESP_EMPTY:
        break;
    default:
        *ret_reason = "the quotes are not balanced";
        result = -EINVAL;
        break;
    }
    resp_args_clear(&args);
    text_free(&request);
    return result;
}

void shell_words_free(struct shell_words *words)
{
    text_free(&words->bytes);
    words->count = 0;
}

bool shell_is_memorable(const struct shell_words *words)
{
    if (words->count == 0) {
        return false;
    }
    if (strcasecmp(words->words[0], "auth") == 0) {
        return false;
    }
    for (int i = 1; i < words->count; i++) {
        if (strcasecmp(words->words[0], "hello") == 0 && strcasecmp(words->words[i], "auth") == 0) {
            return false;
        }
        if (strcasecmp(words->words[0], "config") == 0 &&
            strcasecmp(words->words[i], "requirepass") == 0) {
            return false;
        }
    }
    return true;
}

// Makes the folders that the path names, below those that exist.
static int shell_make_folders(char *path)
{
    for (char *slash = strchr(path + 1, '/'); slash != NULL; slash = strchr(slash + 1, '/')) {
        *slash = '\0';
        const int result = mkdir(path, 0700);
        const int error = errno;

        *slash = '/';
        if (result != 0 && error != EEXIST) {
            return -error;
        }
    }
    return 0;
}

int shell_history_path(char path[SHELL_PATH_SIZE])
{
    const char *const state = getenv("XDG_STATE_HOME");
    const char *const home = getenv("HOME");
    int size = 0;

    // The specification: a path that is not absolute is ignored.
    if (state != NULL && state[0] == '/') {
        size = snprintf(path, SHELL_PATH_SIZE, "%s/rldb/history", state);
    } else if (home != NULL && home[0] == '/') {
        size = snprintf(path, SHELL_PATH_SIZE, "%s/.local/state/rldb/history", home);
    } else {
        return -ENOENT;
    }
    if (size >= SHELL_PATH_SIZE) {
        return -ENAMETOOLONG;
    }
    return shell_make_folders(path);
}
