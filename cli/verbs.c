#include "cli/help.h"
#include "cli/output.h"
#include "cli/verb.h"
#include "core/check.h"
#include "core/text.h"

#include <stdlib.h>
#include <string.h>

static const struct verb *const VERBS[] = {
    &verb_get,    &verb_put,    &verb_del,   &verb_exists,  &verb_ttl,      &verb_scan,
    &verb_import, &verb_export, &verb_key,   &verb_cluster, &verb_info,     &verb_top,
    &verb_bench,  &verb_shell,  &verb_check, &verb_repair,  &verb_snapshot,
};

static const struct option GLOBALS[GLOBAL_OPTIONS] = {
    [GLOBAL_HOST] = {"host", 'h', "HOST", "where the server is (default 127.0.0.1)"},
    [GLOBAL_PORT] = {"port", 'p', "PORT", "its client port (default 7379)"},
    [GLOBAL_SOCKET] = {"socket", 's', "PATH", "its unix socket, instead of host and port"},
    [GLOBAL_USER] = {"user", 0, "USER",
                     "who to log in as; without RLDB_PASSWORD the password is asked for"},
    [GLOBAL_TIMEOUT] = {"timeout", 0, "TIME",
                        "how long to wait for an answer (default 30s; 0: for ever)"},
    [GLOBAL_JSON] = {"json", 0, NULL, "print JSON"},
    [GLOBAL_HELP] = {"help", 0, NULL, "print help, of the verb if there is one"},
    [GLOBAL_VERSION] = {"version", 0, NULL, "print the version"},
};

enum { TIMEOUT_SECONDS_MAX = 86400 };

const struct verb *const *verb_table(size_t *ret_count)
{
    *ret_count = sizeof VERBS / sizeof VERBS[0];
    return VERBS;
}

const struct verb *verb_find(const char *name)
{
    for (size_t i = 0; i < sizeof VERBS / sizeof VERBS[0]; i++) {
        if (strcmp(VERBS[i]->name, name) == 0) {
            return VERBS[i];
        }
    }
    return NULL;
}

// Whether one letter makes the difference, or two that changed places. Not the first: `set` is no
// `get`.
static bool words_are_near(const char *a, const char *b)
{
    if (*a != *b) {
        return false;
    }
    while (*a != '\0' && *a == *b) {
        a++;
        b++;
    }
    if (*a == '\0' || *b == '\0') {
        return strlen(a) + strlen(b) <= 1;
    }
    return strcmp(a + 1, b + 1) == 0 || strcmp(a + 1, b) == 0 || strcmp(a, b + 1) == 0 ||
           (a[0] == b[1] && a[1] == b[0] && strcmp(a + 2, b + 2) == 0);
}

const struct verb *verb_near(const char *name)
{
    for (size_t i = 0; i < sizeof VERBS / sizeof VERBS[0]; i++) {
        if (words_are_near(VERBS[i]->name, name)) {
            return VERBS[i];
        }
    }
    return NULL;
}

const struct option *verb_global_options(void)
{
    return GLOBALS;
}

int verb_apply_globals(struct cli *cli, const char *const *values)
{
    struct target *const target = &cli->client.target;
    int64_t port = 0;

    if (values[GLOBAL_PORT] != NULL) {
        if (options_number(values[GLOBAL_PORT], 1, 65535, &port) != 0) {
            return cli_misused(cli, "--port %s: a port is a number from 1 to 65535",
                               values[GLOBAL_PORT]);
        }
        target->port = (int)port;
        target->socket_path = NULL;
    }
    if (values[GLOBAL_TIMEOUT] != NULL &&
        options_duration(values[GLOBAL_TIMEOUT], 0, TIMEOUT_SECONDS_MAX,
                         &target->timeout_seconds) != 0) {
        return cli_misused(cli, "--timeout %s: a time is written 500ms, 30s or 5m",
                           values[GLOBAL_TIMEOUT]);
    }
    if (values[GLOBAL_HOST] != NULL) {
        target->host = values[GLOBAL_HOST];
        target->socket_path = NULL;
    }
    if (values[GLOBAL_SOCKET] != NULL) {
        target->socket_path = values[GLOBAL_SOCKET];
    }
    if (values[GLOBAL_USER] != NULL) {
        target->user = values[GLOBAL_USER];
    }
    cli->json = cli->json || values[GLOBAL_JSON] != NULL;
    return EXIT_DONE;
}

static int verb_help(const struct cli *cli, const struct verb *verb)
{
    struct text text = output_text();

    help_verb(verb, cli->color, &text);
    return cli_flush(cli, cli_print_text(cli, &text));
}

int verb_run(struct cli *cli, const struct verb *verb, int argc, char **argv)
{
    const char *globals[GLOBAL_OPTIONS] = {NULL};
    const char *values[VERB_OPTIONS_MAX] = {NULL};
    const struct option_group groups[] = {
        {verb->options, verb->option_count, values},
        {GLOBALS, GLOBAL_OPTIONS, globals},
    };
    char error[OPTIONS_ERROR_SIZE];
    struct verb_input input = {.values = values, .words = argv};
    int code = EXIT_DONE;

    CHECK(verb->option_count <= VERB_OPTIONS_MAX);
    if (options_parse(groups, 2, argc, argv, false, error, &input.count) != 0) {
        return cli_misused(cli, "%s: %s; see rldb %s --help", verb->name, error, verb->name);
    }
    if (globals[GLOBAL_HELP] != NULL) {
        return verb_help(cli, verb);
    }
    code = verb_apply_globals(cli, globals);
    if (code != EXIT_DONE) {
        return code;
    }
    if (input.count < verb->words_min || input.count > verb->words_max) {
        return cli_misused(cli, "%s: usage: rldb %s%s%s%s", verb->name, verb->name,
                           verb->option_count != 0 ? " [options]" : "",
                           verb->arguments[0] != '\0' ? " " : "", verb->arguments);
    }
    return cli_flush(cli, verb->run(cli, &input));
}
