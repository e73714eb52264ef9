// top: what the server is doing now, again and again.
#include "cli/interrupt.h"
#include "cli/output.h"
#include "cli/progress.h"
#include "cli/top.h"
#include "cli/verb.h"
#include "core/check.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <string.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

enum top_option { TOP_ONCE, TOP_INTERVAL, TOP_COUNT, TOP_OPTIONS };

static const struct option TOP_TABLE[TOP_OPTIONS] = {
    [TOP_ONCE] = {"once", 0, NULL, "look at one interval, print it, and end"},
    [TOP_INTERVAL] = {"interval", 'i', "TIME", "between two looks (default 1s)"},
    [TOP_COUNT] = {"count", 'n', "N", "end after N intervals"},
};

enum { TOP_INTERVAL_SECONDS_MAX = 3600 };

struct top_loop {
    struct cli *cli;
    double interval;
    int64_t count;         // intervals to show; INT64_MAX: until told to end
    bool screen;           // redraws in place, and listens to keys
    struct termios before; // of the terminal, if `keys`
    bool keys;
};

// One look: the reply to INFO, and when it was.
struct top_look {
    redisReply *reply;
    uint64_t at_ns;
};

// The look's reply stays NULL when Ctrl-C was pressed meanwhile.
static int top_take_look(struct cli *cli, struct top_look *look)
{
    static const char *const words[] = {"INFO", TOP_SECTIONS};
    const int count = sizeof words / sizeof words[0];
    redisReply *reply = NULL;
    const int error = client_call(&cli->client, count, words, NULL, &reply);
    int code = EXIT_DONE;

    if (error != 0) {
        return error == -EINTR ? EXIT_DONE : cli_fail(cli, "%s", cli->client.error);
    }
    if (reply->type == REDIS_REPLY_STRING) {
        look->reply = reply;
        look->at_ns = progress_now_ns();
        return EXIT_DONE;
    }
    code = cli_strange_reply(cli, "INFO", reply);
    freeReplyObject(reply);
    return code;
}

// Sleeps one interval. False: a key or Ctrl-C said to end.
static bool top_sleep(const struct top_loop *loop)
{
    const uint64_t until_ns = progress_now_ns() + (uint64_t)(loop->interval * 1e9);
    struct pollfd keyboard = {.fd = loop->keys ? STDIN_FILENO : -1, .events = POLLIN};

    for (uint64_t now_ns = progress_now_ns(); now_ns < until_ns; now_ns = progress_now_ns()) {
        const uint64_t left_ns = until_ns - now_ns;
        const struct timespec left = {.tv_sec = (time_t)(left_ns / 1000000000),
                                      .tv_nsec = (long)(left_ns % 1000000000)};
        const int ready = interrupt_wait(&keyboard, 1, &left);
        char key = 0;

        if (ready == -EINTR) {
            return false;
        }
        if (ready > 0 && read(STDIN_FILENO, &key, 1) == 1 && (key == 'q' || key == 'Q')) {
            return false;
        }
        if (ready > 0 && key == 0) {
            keyboard.fd = -1; // the end of standard input
        }
    }
    return true;
}

// From the top left on; each line ends what was there of the one before, and the last all below.
// What has no room is left out: a line more would scroll the first away.
static void top_draw(const char *text)
{
    struct winsize size;
    const bool known = ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_row != 0;
    const int rows = known ? size.ws_row : INT_MAX;

    fputs("\033[H", stdout);
    for (int row = 0; row < rows && *text != '\0'; row++) {
        const int length = (int)strcspn(text, "\n");

        printf("%s%.*s\033[K", row == 0 ? "" : "\n", length, text);
        text += length + (text[length] == '\n');
    }
    fputs("\033[J", stdout);
}

static int top_show(const struct top_loop *loop, const struct top_look *before,
                    const struct top_look *after)
{
    char name[128];
    const struct top top = {
        .before = slice_of(before->reply->str, before->reply->len),
        .after = slice_of(after->reply->str, after->reply->len),
        .seconds = (double)(after->at_ns - before->at_ns) / 1e9,
        .server = name,
    };
    struct text text = output_text();

    if (loop->cli->json) {
        text_free(&text);
        return cli_print_json(loop->cli, top_json(&top));
    }
    client_name(&loop->cli->client, name, sizeof name);
    top_render(&top, loop->cli->color, &text);
    if (!loop->screen) {
        output_char(&text, '\n');
        return cli_print_text(loop->cli, &text);
    }
    top_draw(text_c(&text));
    text_free(&text);
    return EXIT_DONE;
}

static int top_intervals(const struct top_loop *loop)
{
    struct top_look before = {.reply = NULL};
    int code = top_take_look(loop->cli, &before);

    for (int64_t i = 0; i < loop->count && before.reply != NULL; i++) {
        struct top_look after = {.reply = NULL};

        if (!top_sleep(loop)) {
            break;
        }
        code = top_take_look(loop->cli, &after);
        if (after.reply == NULL) {
            break;
        }
        code = cli_flush(loop->cli, top_show(loop, &before, &after));
        freeReplyObject(before.reply);
        before = after;
        if (code != EXIT_DONE) {
            break;
        }
    }
    if (before.reply != NULL) {
        freeReplyObject(before.reply);
    }
    return code;
}

// Takes the screen and the keyboard, and gives them back.
static int top_with_screen(struct top_loop *loop)
{
    struct interrupt before;
    int code = EXIT_DONE;

    interrupt_hold(&before);
    loop->cli->client.interruptible = true;
    loop->keys = isatty(STDIN_FILENO) == 1 && tcgetattr(STDIN_FILENO, &loop->before) == 0;
    if (loop->keys) {
        struct termios raw = loop->before;

        raw.c_lflag &= (tcflag_t) ~(ICANON | ECHO);
        tcsetattr(STDIN_FILENO, TCSANOW, &raw);
    }
    // A screen of its own, without a cursor, where long lines do not wrap.
    fputs("\033[?1049h\033[?25l\033[?7l\033[H\033[2J", stdout);
    fflush(stdout);
    code = top_intervals(loop);
    fputs("\033[?7h\033[?25h\033[?1049l", stdout);
    fflush(stdout);
    if (loop->keys) {
        tcsetattr(STDIN_FILENO, TCSANOW, &loop->before);
    }
    interrupt_release(&before);
    return code;
}

static int top_run(struct cli *cli, const struct verb_input *input)
{
    const bool once = input->values[TOP_ONCE] != NULL;
    struct top_loop loop = {.cli = cli, .interval = 1, .count = once ? 1 : INT64_MAX};

    if (input->values[TOP_INTERVAL] != NULL &&
        options_duration(input->values[TOP_INTERVAL], 0.01, TOP_INTERVAL_SECONDS_MAX,
                         &loop.interval) != 0) {
        return cli_misused(cli, "--interval %s: a time from 10ms to 1h",
                           input->values[TOP_INTERVAL]);
    }
    if (input->values[TOP_COUNT] != NULL &&
        options_number(input->values[TOP_COUNT], 1, INT64_MAX, &loop.count) != 0) {
        return cli_misused(cli, "--count %s: a number from 1 on", input->values[TOP_COUNT]);
    }
    loop.screen = cli->terminal && !cli->json && !once;
    return loop.screen ? top_with_screen(&loop) : top_intervals(&loop);
}

const struct verb verb_top = {
    .name = "top",
    .arguments = "",
    .summary = "watch what the server is doing",
    .details =
        "Operations, CPU, memory and traffic of the last interval, then a line for each shard and "
        "for the "
        "busiest commands. On a terminal it is redrawn in place until q or Ctrl-C; elsewhere one "
        "block follows the other, and with --json one document.",
    .options = TOP_TABLE,
    .option_count = TOP_OPTIONS,
    .words_min = 0,
    .words_max = 0,
    .run = top_run,
};
