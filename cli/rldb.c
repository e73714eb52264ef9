// rldb: the operator's and the user's command line. Here are only the words before the verb.
#include "cli/help.h"
#include "cli/output.h"
#include "cli/verb.h"
#include "core/file.h"
#include "core/memory.h"

#include <errno.h>
#include <locale.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum {
    TIMEOUT_SECONDS_DEFAULT = 30,
    PAGE_BYTES_MAX = 1 << 20, // a man page without its verbs
};

static int print_text(const struct cli *cli, struct text *text)
{
    return cli_flush(cli, cli_print_text(cli, text));
}

static int print_help(const struct cli *cli)
{
    struct text text = output_text();

    help_program(cli->color, &text);
    return print_text(cli, &text);
}

// The hidden words that the build and the completion use: --words [VERB], and --mdoc PAGE, which
// prints a man page with the verbs in it.
static int print_hidden(const struct cli *cli, int argc, char **argv)
{
    struct text text = output_text();
    char *page = NULL;
    size_t size = 0;

    if (strcmp(argv[1], "--words") == 0) {
        help_words(argc > 2 ? verb_find(argv[2]) : NULL, &text);
        return print_text(cli, &text);
    }
    const int error = argc > 2 ? file_read(argv[2], PAGE_BYTES_MAX, &page, &size) : -ENOENT;

    if (error != 0) {
        return cli_fail(cli, "--mdoc PAGE: %s", strerror(-error));
    }
    help_mdoc_page(page, &text);
    memory_free(page);
    return print_text(cli, &text);
}

static int no_such_verb(const struct cli *cli, const char *name)
{
    const struct verb *const near = verb_near(name);

    if (near != NULL) {
        return cli_misused(cli, "there is no verb %.60s; did you mean %s?", name, near->name);
    }
    return cli_misused(cli,
                       "there is no verb %.60s; `rldb --help` lists them, and `rldb shell` takes "
                       "any command of the server",
                       name);
}

static int run(struct cli *cli, int argc, char **argv)
{
    const char *values[GLOBAL_OPTIONS] = {NULL};
    const struct option_group group = {verb_global_options(), GLOBAL_OPTIONS, values};
    char error[OPTIONS_ERROR_SIZE];
    int count = 0;
    int code = EXIT_DONE;

    if (options_parse(&group, 1, argc - 1, argv + 1, true, error, &count) != 0) {
        return cli_misused(cli, "%s; see rldb --help", error);
    }
    if (values[GLOBAL_VERSION] != NULL) {
        printf("rldb %s\n", RLDB_VERSION);
        return cli_flush(cli, EXIT_DONE);
    }
    // What newcomers type first: `rldb help`, `rldb help get`.
    if (count > 0 && strcmp(argv[1], "help") == 0) {
        values[GLOBAL_HELP] = "";
        argv++;
        count--;
    }
    if (values[GLOBAL_HELP] != NULL && count == 0) {
        return print_help(cli);
    }
    code = verb_apply_globals(cli, values);
    if (code != EXIT_DONE) {
        return code;
    }
    if (count == 0) {
        return cli_misused(cli, "what to do? `rldb --help` lists the verbs");
    }
    const struct verb *const verb = verb_find(argv[1]);
    char help[] = "--help";

    if (verb == NULL) {
        return no_such_verb(cli, argv[1]);
    }
    if (values[GLOBAL_HELP] != NULL) {
        char *only_help[] = {help};

        return verb_run(cli, verb, 1, only_help);
    }
    return verb_run(cli, verb, count - 1, argv + 2);
}

int main(int argc, char **argv)
{
    struct cli cli = {
        .client.target = {.host = "127.0.0.1",
                          .port = CLIENT_PORT_DEFAULT,
                          .timeout_seconds = TIMEOUT_SECONDS_DEFAULT},
        .terminal = isatty(STDOUT_FILENO) == 1,
        .color = output_colored(stdout),
        .color_errors = output_colored(stderr),
    };
    int code = EXIT_DONE;

    // For libedit, which edits wide characters. Numbers keep their point.
    setlocale(LC_CTYPE, "");
    // A closed pipe is an error of a write, told once, and not a death without a word.
    signal(SIGPIPE, SIG_IGN);
    if (argc > 1 && (strcmp(argv[1], "--words") == 0 || strcmp(argv[1], "--mdoc") == 0)) {
        code = print_hidden(&cli, argc, argv);
    } else {
        code = run(&cli, argc, argv);
    }
    client_close(&cli.client);
    client_forget(&cli.client);
    return code;
}
