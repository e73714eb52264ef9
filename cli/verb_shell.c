// shell: an interactive client, or the commands of standard input one after another.
#include "cli/help.h"
#include "cli/interrupt.h"
#include "cli/lines.h"
#include "cli/output.h"
#include "cli/render.h"
#include "cli/shell.h"
#include "core/check.h"
#include "core/memory.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/ioctl.h>
#include <unistd.h>

enum { SHELL_COLUMNS_DEFAULT = 80 };

struct shell {
    struct cli *cli;
    struct shell_names names;
    EditLine *edit;
    HistoryW *history;
    char history_path[SHELL_PATH_SIZE]; // "" when there is no place for it
    char prompt[160];
    bool ended; // quit was typed
};

static const char SHELL_HELP[] =
    "A line is a command for the server: SET name \"Ada Lovelace\". Quotes and \\n \\xHH as in "
    "redis-cli.\n"
    "\n"
    "  help COMMAND   what the server says about a command\n"
    "  help :VERB     help for a verb\n"
    "  :VERB ...      a verb of rldb: :cluster status, :export FILE, :top\n"
    "  clear          clear the screen\n"
    "  quit, exit     leave; so does Ctrl-D\n"
    "\n"
    "Tab completes commands, subcommands, verbs and their options; Ctrl-R searches the history.\n";

static int shell_print_help(const struct shell *shell)
{
    struct text text = output_text();
    size_t count = 0;
    const struct verb *const *const verbs = verb_table(&count);

    text_string(&text, SHELL_HELP);
    text_string(&text, "\nVerbs:");
    for (size_t i = 0; i < count; i++) {
        text_printf(&text, " :%s", verbs[i]->name);
    }
    output_char(&text, '\n');
    return cli_print_text(shell->cli, &text);
}

// COMMAND DOCS answers a map of names to maps; of these the fields that fit a line are shown.
static int shell_help_command(struct shell *shell, const char *command)
{
    static const char *const fields[] = {"summary", "since", "group", "complexity"};
    const char *const words[] = {"COMMAND", "DOCS", command};
    struct text text = output_text();
    redisReply *reply = NULL;
    int code = cli_call(shell->cli, 3, words, NULL, &reply);

    if (code != EXIT_DONE) {
        return code;
    }
    if (reply->type != REDIS_REPLY_ARRAY || reply->elements < 2) {
        freeReplyObject(reply);
        text_free(&text);
        return cli_fail(shell->cli, "the server knows no command %.60s", command);
    }
    output_color(&text, shell->cli->color, COLOR_BOLD, command);
    output_char(&text, '\n');
    for (size_t i = 0; i < sizeof fields / sizeof fields[0]; i++) {
        const redisReply *const field = render_field(reply->element[1], fields[i]);

        if (field != NULL && field->type == REDIS_REPLY_STRING) {
            text_printf(&text, "  %-12s", fields[i]);
            output_printable(&text, field->str, field->len);
            output_char(&text, '\n');
        }
    }
    freeReplyObject(reply);
    return cli_print_text(shell->cli, &text);
}

static int shell_help(struct shell *shell, const struct shell_words *words)
{
    const char *const topic = words->count > 1 ? words->words[1] : "";
    struct text text = output_text();

    if (topic[0] == '\0') {
        return shell_print_help(shell);
    }
    if (topic[0] != ':') {
        return shell_help_command(shell, topic);
    }
    if (verb_find(topic + 1) == NULL) {
        return cli_misused(shell->cli, "there is no verb %.60s", topic);
    }
    help_verb(verb_find(topic + 1), shell->cli->color, &text);
    return cli_print_text(shell->cli, &text);
}

// Runs ":verb ..." with a connection of its own, so that options like --port cannot redirect the
// shell.
static int shell_run_verb(struct shell *shell, struct shell_words *words)
{
    const struct verb *const verb = verb_find(words->words[0] + 1);
    struct cli cli = *shell->cli;
    int code = EXIT_DONE;

    if (verb == NULL) {
        return cli_misused(shell->cli, "there is no verb %.60s; `help` lists them",
                           words->words[0]);
    }
    if (verb == &verb_shell) {
        return cli_misused(shell->cli, "this is the shell already");
    }
    cli.client.context = NULL;
    code = verb_run(&cli, verb, words->count - 1, words->words + 1);
    client_close(&cli.client);
    client_forget(&cli.client);
    return code;
}

// Replies that are text in lines are shown as they are, as redis-cli does.
static bool shell_is_text(const struct shell_words *words)
{
    static const char *const commands[][2] = {
        {"info", NULL},       {"cluster", "nodes"}, {"cluster", "info"},
        {"client", "list"},   {"client", "info"},   {"latency", "doctor"},
        {"memory", "doctor"}, {"lolwut", NULL},     {"memory", "malloc-stats"},
    };

    for (size_t i = 0; i < sizeof commands / sizeof commands[0]; i++) {
        if (strcasecmp(words->words[0], commands[i][0]) == 0 &&
            (commands[i][1] == NULL ||
             (words->count > 1 && strcasecmp(words->words[1], commands[i][1]) == 0))) {
            return true;
        }
    }
    return false;
}

static int shell_print_reply(struct shell *shell, const struct shell_words *words,
                             const redisReply *reply)
{
    const struct cli *const cli = shell->cli;
    struct text text = output_text();

    if (cli->json) {
        text_free(&text);
        return cli_print_json(cli, render_json(reply));
    }
    if (reply->type == REDIS_REPLY_STRING && shell_is_text(words)) {
        text_append(&text, reply->str, reply->len);
        if (reply->len == 0 || reply->str[reply->len - 1] != '\n') {
            output_char(&text, '\n');
        }
    } else {
        render_reply(reply, cli->color, &text);
    }
    if (reply->type == REDIS_REPLY_ERROR && verb_find(words->words[0]) != NULL &&
        strncmp(reply->str, "ERR unknown command", 19) == 0) {
        text_printf(&text, "(%s is a verb of rldb: type :%s)\n", words->words[0], words->words[0]);
    }
    return cli_print_text(cli, &text);
}

// Commands after which the answers could not be told apart any more, or understood.
static const char *shell_refusal(const struct shell_words *words)
{
    const char *const first = words->words[0];
    const char *const second = words->count > 1 ? words->words[1] : "";
    const char *const third = words->count > 2 ? words->words[2] : "";

    if (strcasecmp(first, "hello") == 0 && second[0] != '\0' && strcmp(second, "2") != 0) {
        return "the shell speaks RESP2 only";
    }
    if (strcasecmp(first, "client") == 0 && strcasecmp(second, "reply") == 0 &&
        strcasecmp(third, "on") != 0) {
        return "without replies the shell would wait for ever";
    }
    return NULL;
}

static int shell_send(struct shell *shell, const struct shell_words *words)
{
    const char *const refusal = shell_refusal(words);
    redisReply *reply = NULL;
    int code = EXIT_DONE;

    if (refusal != NULL) {
        return cli_fail(shell->cli, "%s", refusal);
    }
    if (client_call(&shell->cli->client, words->count, (const char *const *)words->words,
                    words->sizes, &reply) != 0) {
        return cli_fail(shell->cli, "%s", shell->cli->client.error);
    }
    code = shell_print_reply(shell, words, reply);
    if (code == EXIT_DONE && reply->type == REDIS_REPLY_ERROR) {
        code = EXIT_FAILED;
    }
    freeReplyObject(reply);
    return code;
}

static int shell_run(struct shell *shell, struct shell_words *words)
{
    const char *const first = words->words[0];

    if (first[0] == ':') {
        return shell_run_verb(shell, words);
    }
    if (strcasecmp(first, "quit") == 0 || strcasecmp(first, "exit") == 0) {
        shell->ended = true;
        return EXIT_DONE;
    }
    if (strcasecmp(first, "help") == 0 || strcmp(first, "?") == 0) {
        return shell_help(shell, words);
    }
    if (strcasecmp(first, "clear") == 0) {
        fputs("\033[H\033[2J", stdout);
        return EXIT_DONE;
    }
    return shell_send(shell, words);
}

// The history is libedit's wide one: history_init without the w is also a name of
// cluster/history.h.
static void shell_remember(struct shell *shell, const char *line)
{
    wchar_t *const wide = cli_allocate((strlen(line) + 1) * sizeof *wide);
    HistEventW event;

    if (mbstowcs(wide, line, strlen(line) + 1) != (size_t)-1) {
        history_w(shell->history, &event, H_ENTER, wide);
        if (shell->history_path[0] != '\0') {
            history_w(shell->history, &event, H_SAVE, shell->history_path);
        }
    }
    memory_free(wide);
}

static int shell_line(struct shell *shell, const char *line, size_t size)
{
    struct shell_words *const words = cli_allocate(sizeof *words);
    const char *reason = NULL;
    int code = EXIT_DONE;

    if (shell_split(line, size, words, &reason) != 0) {
        code = cli_misused(shell->cli, "%s", reason);
    }
    if (words->count > 0) {
        if (shell->history != NULL && shell_is_memorable(words)) {
            shell_remember(shell, line);
        }
        code = shell_run(shell, words);
    }
    shell_words_free(words);
    memory_free(words);
    return cli_flush(shell->cli, code);
}

// The first error decides what the script ends with; it runs on all the same, as with redis-cli.
static int shell_script(struct shell *shell)
{
    struct lines *const lines = cli_allocate(sizeof *lines);
    struct slice line;
    int first_error = EXIT_DONE;
    int result = 0;

    lines_start(lines, stdin, SHELL_LINE_BYTES_MAX);
    do {
        result = lines_next(lines, &line);
        if (result == 1) {
            const int code = shell_line(shell, (const char *)line.bytes, line.size);

            first_error = first_error != EXIT_DONE ? first_error : code;
        }
    } while (result == 1 && !shell->ended);
    if (result < 0) {
        first_error =
            cli_fail(shell->cli, "standard input, line %llu: %s", (unsigned long long)lines->number,
                     result == -EFBIG ? "too long" : strerror(-result));
    }
    lines_finish(lines);
    memory_free(lines);
    return first_error;
}

static char *shell_prompt(EditLine *edit)
{
    struct shell *shell = NULL;

    el_get(edit, EL_CLIENTDATA, &shell);
    return shell->prompt;
}

static void shell_set_prompt(struct shell *shell)
{
    char name[128];

    client_name(&shell->cli->client, name, sizeof name);
    snprintf(shell->prompt, sizeof shell->prompt, "%s%s> ", name,
             shell->cli->client.context != NULL ? "" : " (not connected)");
}

static size_t shell_columns(void)
{
    struct winsize size;

    return ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col != 0
               ? size.ws_col
               : (size_t)SHELL_COLUMNS_DEFAULT;
}

// Lists the matches below the line, in columns.
static void shell_list(const struct text *matches)
{
    size_t width = 0;
    size_t column = 0;

    for (const char *line = text_c(matches); *line != '\0'; line += strcspn(line, "\n") + 1) {
        width = strcspn(line, "\n") > width ? strcspn(line, "\n") : width;
    }
    const size_t columns = shell_columns() / (width + 2) != 0 ? shell_columns() / (width + 2) : 1;

    fputc('\n', stdout);
    for (const char *line = text_c(matches); *line != '\0'; line += strcspn(line, "\n") + 1) {
        const int size = (int)strcspn(line, "\n");

        column++;
        printf("%.*s%*s", size, line, column == columns ? 0 : (int)width + 2 - size, "");
        if (column == columns) {
            fputc('\n', stdout);
            column = 0;
        }
    }
    if (column != 0) {
        fputc('\n', stdout);
    }
    fflush(stdout);
}

static unsigned char shell_complete(EditLine *edit, int key)
{
    const LineInfo *const info = el_line(edit);
    const size_t size = (size_t)(info->cursor - info->buffer);
    struct shell *shell = NULL;
    struct text matches = output_text();
    struct text insert = output_text();
    size_t start = 0;
    unsigned char answer = CC_ERROR;

    (void)key;
    el_get(edit, EL_CLIENTDATA, &shell);
    shell_matches(shell->cli, &shell->names, info->buffer, size, &start, &matches);
    const size_t typed = size - start;
    const size_t common = shell_common_prefix(&matches);
    const bool single =
        matches.size != 0 && strchr(matches.bytes, '\n') + 1 == matches.bytes + matches.size;

    // What is inserted follows the case of what was typed.
    for (size_t i = typed; i < common; i++) {
        const bool upper = typed != 0 && isupper((unsigned char)info->buffer[start]);

        output_char(&insert,
                    upper ? (char)toupper((unsigned char)matches.bytes[i]) : matches.bytes[i]);
    }
    if (single) {
        output_char(&insert, ' ');
    }
    if (insert.size != 0) {
        answer = el_insertstr(edit, text_c(&insert)) == 0 ? CC_REFRESH : CC_ERROR;
    } else if (matches.size != 0) {
        shell_list(&matches);
        answer = CC_REDISPLAY;
    }
    text_free(&matches);
    text_free(&insert);
    return answer;
}

static int shell_start_editing(struct shell *shell)
{
    HistEventW event;

    shell->edit = el_init("rldb", stdin, stdout, stderr);
    shell->history = history_winit();
    if (shell->edit == NULL || shell->history == NULL) {
        return cli_fail(shell->cli, "cannot edit lines on this terminal (TERM=%s)",
                        getenv("TERM") != NULL ? getenv("TERM") : "");
    }
    history_w(shell->history, &event, H_SETSIZE, SHELL_HISTORY_LINES);
    history_w(shell->history, &event, H_SETUNIQUE, 1);
    if (shell_history_path(shell->history_path) == 0) {
        history_w(shell->history, &event, H_LOAD, shell->history_path);
    } else {
        shell->history_path[0] = '\0';
    }
    el_set(shell->edit, EL_CLIENTDATA, shell);
    el_set(shell->edit, EL_PROMPT, shell_prompt);
    el_set(shell->edit, EL_EDITOR, "emacs");
    el_set(shell->edit, EL_SIGNAL, 1);
    el_wset(shell->edit, EL_HIST, history_w, shell->history);
    el_set(shell->edit, EL_ADDFN, "rldb-complete", "complete the word", shell_complete);
    el_set(shell->edit, EL_BIND, "\t", "rldb-complete", NULL);
    el_set(shell->edit, EL_BIND, "^R", "em-inc-search-prev", NULL);
    el_source(shell->edit, NULL); // ~/.editrc: the person's own keys win
    return EXIT_DONE;
}

static int shell_edit(struct shell *shell)
{
    struct interrupt before;
    int code = shell_start_editing(shell);

    interrupt_hold(&before);
    shell->cli->client.interruptible = true;
    while (code == EXIT_DONE && !shell->ended) {
        int size = 0;

        shell_set_prompt(shell);
        interrupt_let_in(true);
        const char *const line = el_gets(shell->edit, &size);
        const int reason = errno;

        interrupt_let_in(false);
        if (line == NULL && size == -1 && reason == EINTR) {
            // Ctrl-C throws away what was typed.
            fputc('\n', stdout);
            el_reset(shell->edit);
            continue;
        }
        if (line == NULL || size <= 0) {
            fputc('\n', stdout);
            break;
        }
        const size_t length = strcspn(line, "\n");
        char *const copy = cli_allocate(length + 1);

        memcpy(copy, line, length);
        shell_line(shell, copy, length);
        memory_free(copy);
    }
    interrupt_release(&before);
    if (shell->edit != NULL) {
        el_end(shell->edit);
    }
    if (shell->history != NULL) {
        history_wend(shell->history);
    }
    return code;
}

static int verb_shell_run(struct cli *cli, const struct verb_input *input)
{
    struct shell shell = {.cli = cli};
    int code = EXIT_DONE;

    CHECK(input->count == 0);
    if (client_connect(&cli->client) != 0) {
        return cli_fail(cli, "%s", cli->client.error);
    }
    if (isatty(STDIN_FILENO) == 1 && cli->terminal) {
        printf("rldb %s; `help` helps, Tab completes\n", RLDB_VERSION);
        code = shell_edit(&shell);
    } else {
        code = shell_script(&shell);
    }
    if (shell.names.asked) {
        text_free(&shell.names.names);
    }
    return code;
}

const struct verb verb_shell = {
    .name = "shell",
    .arguments = "",
    .summary = "type commands, with editing, history and completion",
    .details =
        "A line is a command for the server, or :VERB and its arguments. Replies look as in "
        "redis-cli; with "
        "--json each is a JSON document. Without a terminal on standard input its lines are run "
        "one "
        "after another, and the exit status is that of the first that failed. The history is in "
        "$XDG_STATE_HOME/rldb/history (~/.local/state/rldb/history); lines that hold a password "
        "are "
        "not kept.",
    .words_min = 0,
    .words_max = 0,
    .run = verb_shell_run,
};
