// scenario FILE...: tells the stories in the files, and compares what happens with what they say.
// scenario --write FILE... writes what happens into them, for who has changed the code knowingly.
// scenario --all FILE... tries each step of `at each step`, also of what is only counted.
#include "core/check.h"
#include "tests/scenario/story.h"
#include "tests/scenario/story_lines.h"

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum {
    TEXT_BYTES_MAX = 4 << 20,
    COUNTED_STEP = 20, // of events that are counted, which are many
};

static const char EACH[] = ", at each step ";
static const char THEN[] = ", then ";

static const struct story_cast *const casts[] = {&story_log, &story_node};

// `line` is what `until` waits for.
static void tell_line(struct story *story, const char *counted_by, const char *line)
{
    if (story->met) {
        return; // it stopped there: what comes of the same event is not seen any more
    }
    text_printf(story->told, "%s%s\n", counted_by, line);
    story->met = story->until != NULL && strstr(line, story->until) != NULL;
    if (story->each != NULL) {
        story->each(story, counted_by[0] != '\0');
    }
}

void story_tell(struct story *story, const char *format, ...)
{
    char line[STORY_LINE_BYTES];
    va_list arguments;

    va_start(arguments, format);
    (void)vsnprintf(line, sizeof line, format, arguments);
    va_end(arguments);
    tell_line(story, "", line);
}

void story_count(struct story *story, const char *whose, const char *what, const char *line)
{
    char counted_by[STORY_LINE_BYTES];

    (void)snprintf(counted_by, sizeof counted_by, "%s\t%s\t", whose, what);
    tell_line(story, counted_by, line);
}

void story_wrong(struct story *story, const char *format, ...)
{
    va_list arguments;

    if (story->wrong[0] != '\0') {
        return;
    }
    va_start(arguments, format);
    (void)vsnprintf(story->wrong, sizeof story->wrong, format, arguments);
    va_end(arguments);
}

static uint64_t number_with(struct story *story, const char *word, const char *const *units,
                            const uint64_t *factors)
{
    char *end = NULL;
    const uint64_t number = strtoull(word, &end, 10);

    for (size_t i = 0; end != word && units[i] != NULL; i++) {
        if (strcmp(end, units[i]) == 0) {
            return number * factors[i];
        }
    }
    story_wrong(story, "'%s' is no number with a unit", word);
    return 0;
}

uint64_t story_bytes(struct story *story, const char *word)
{
    static const char *const units[] = {"", "K", "M", NULL};
    static const uint64_t factors[] = {1, 1024, 1024 * 1024};

    return number_with(story, word, units, factors);
}

uint64_t story_time(struct story *story, const char *word)
{
    static const char *const units[] = {"us", "ms", "s", NULL};
    static const uint64_t factors[] = {1000, 1000 * 1000, 1000 * 1000 * 1000};

    return number_with(story, word, units, factors);
}

void story_loss(struct story *story, char **words, size_t count, struct sim_loss *ret_loss)
{
    const char *const what = count > 1 ? words[1] : "nothing";

    *ret_loss = (struct sim_loss){.keep = SIM_KEEP_NOTHING};
    if (strcmp(what, "everything") == 0) {
        ret_loss->keep = SIM_KEEP_ALL;
    } else if (strcmp(what, "names") == 0) {
        ret_loss->names = true;
    } else if (strcmp(what, "sectors") == 0 && count > 2) {
        ret_loss->sectors = (uint32_t)story_bytes(story, words[2]);
    } else if (strcmp(what, "nothing") != 0) {
        story_wrong(story, "nothing, names, everything, or sectors N");
    }
}

// One file --------------------------------------------------------------------------------------

struct teller {
    const char *path;
    struct story story;
    struct text told;   // by one command
    struct text actual; // the file as it would have to be
    struct steps *steps;
    const struct story_cast *cast;
    uint32_t line;
    bool all; // steps
};

static void teller_open(struct teller *teller, const char *path)
{
    *teller = (struct teller){.path = path};
    text_init(&teller->told, TEXT_BYTES_MAX);
    text_init(&teller->actual, TEXT_BYTES_MAX);
    teller->story.told = &teller->told;
    teller->story.teller = teller;
}

static void teller_close(struct teller *teller, bool *ret_leaked)
{
    if (teller->cast != NULL) {
        teller->cast->close(&teller->story);
    }
    *ret_leaked = *ret_leaked || teller->story.leaked;
    text_free(&teller->told);
    text_free(&teller->actual);
}

static char *read_file(const char *path)
{
    FILE *const file = fopen(path, "r");
    size_t size = 0;
    size_t got = 0;
    char *text = NULL;

    if (file == NULL) {
        return NULL;
    }
    do {
        size = size * 2 + 4096;
        text = realloc(text, size);
        CHECK(text != NULL);
        got += fread(text + got, 1, size - 1 - got, file);
    } while (got == size - 1);
    text[got] = '\0';
    (void)fclose(file);
    return text;
}

// Splits a copy of the line at spaces. ", until TEXT" at its end is taken off.
static size_t split(struct teller *teller, char *line, char **words)
{
    char *const until = strstr(line, ", until ");
    size_t count = 0;

    teller->story.until = NULL;
    if (until != NULL) {
        *until = '\0';
        teller->story.until = until + strlen(", until ");
    }
    for (char *at = strtok(line, " "); at != NULL && count < STORY_WORDS; at = strtok(NULL, " ")) {
        words[count++] = at;
    }
    return count;
}

static void choose_cast(struct teller *teller, char **words, size_t count)
{
    for (size_t i = 0; i < sizeof casts / sizeof casts[0]; i++) {
        if (count == 2 && strcmp(words[0], "cast") == 0 && strcmp(words[1], casts[i]->name) == 0) {
            teller->cast = casts[i];
            teller->cast->open(&teller->story);
            return;
        }
    }
    story_wrong(&teller->story, "a story begins with its cast, `cast log` for one");
}

static void run_words(struct teller *teller, char **words, size_t count)
{
    if (teller->cast == NULL) {
        choose_cast(teller, words, count);
        return;
    }
    for (const struct story_command *at = teller->cast->commands; at->name != NULL; at++) {
        if (strcmp(at->name, words[0]) == 0) {
            if (count - 1 < at->arguments_min) {
                story_wrong(&teller->story, "%s wants %zu arguments", at->name, at->arguments_min);
            } else {
                at->run(&teller->story, words, count);
            }
            return;
        }
    }
    story_wrong(&teller->story, "no command of the cast: %s", words[0]);
}

// Runs one command to its end, or to what it waits for; what happens is in `told`.
// False: it cannot be done.
static bool command_run(struct teller *teller, const char *line)
{
    struct story *const story = &teller->story;
    char copy[STORY_LINE_BYTES];
    char *words[STORY_WORDS];

    (void)snprintf(copy, sizeof copy, "%s", line);
    text_clear(&teller->told);
    story->met = false;
    run_words(teller, words, split(teller, copy, words));
    if (story->until != NULL && !story->met) {
        story_wrong(story, "nothing happened with '%s' in its line", story->until);
    }
    if (story->wrong[0] != '\0') {
        (void)fprintf(stderr, "%s:%u: %s: %s\n%.*s", teller->path, teller->line, line, story->wrong,
                      (int)teller->told.size, text_c(&teller->told));
    }
    return story->wrong[0] == '\0';
}

// Each step of a command --------------------------------------------------------------------------
//
// The command runs in a process of its own, which is forked again at each event: the child leaves
// the command there, runs what follows, and says what happened.

struct steps {
    struct teller *teller;
    const char *then;
    uint64_t counted; // events that are
    size_t from;      // the first line that is not written yet
    struct text outcome, before, written;
    int child; // where the child of an event writes, or -1: this is the parent
};

// Reads all that a child says, and waits for its end. False: it was not a good one.
static bool child_hear(pid_t child, int fd, struct text *to)
{
    char bytes[4096];
    int status = 0;
    ssize_t size = 0;

    while ((size = read(fd, bytes, sizeof bytes)) > 0) {
        text_append(to, bytes, (size_t)size);
    }
    (void)close(fd);
    return waitpid(child, &status, 0) == child && size == 0 && WIFEXITED(status) &&
           WEXITSTATUS(status) == 0;
}

__attribute__((noreturn)) static void child_end(int fd, const struct text *said, bool fine)
{
    const char *at = text_c(said);
    size_t left = said->size;

    while (left > 0) {
        const ssize_t size = write(fd, at, left);

        CHECK(size > 0);
        at += size;
        left -= (size_t)size;
    }
    _exit(!fine);
}

// 0 in the child, with where it writes; in the parent with where that is read.
static pid_t child_begin(int *ret_fd)
{
    int fds[2];

    CHECK(pipe(fds) == 0);
    (void)fflush(stdout);
    const pid_t child = fork();

    CHECK(child >= 0);
    (void)close(fds[child == 0 ? 0 : 1]);
    *ret_fd = fds[child == 0 ? 1 : 0];
    return child;
}

static void told_write(struct text *to, const struct text *told)
{
    struct story_lines lines;

    story_lines_open(&lines, told);
    story_lines_write(&lines, 0, lines.count, to);
    story_lines_close(&lines);
}

static void text_indent(struct text *to, const struct text *text)
{
    for (const char *at = text_c(text); *at != '\0';) {
        const size_t size = strcspn(at, "\n") + 1;

        text_printf(to, "  %.*s", (int)size, at);
        at += size;
    }
}

// Writes the lines up to the present event, and below it what comes of it.
static void steps_write(struct steps *steps, bool event)
{
    struct story_lines lines;

    story_lines_open(&lines, &steps->teller->told);
    const size_t last = lines.count - (event ? 1 : 0);

    story_lines_write(&lines, steps->from, last, &steps->written);
    story_lines_write(&lines, last, lines.count, &steps->written);
    steps->from = lines.count;
    story_lines_close(&lines);
    text_indent(&steps->written, &steps->outcome);
}

// An outcome is written below the first event that has it.
static void step_try(struct story *story, bool counted)
{
    struct teller *const teller = story->teller;
    struct steps *const steps = teller->steps;
    int fd;

    if (counted && !teller->all && ++steps->counted % COUNTED_STEP != 0) {
        return;
    }
    const pid_t child = child_begin(&fd);

    if (child == 0) {
        steps->child = fd;
        story->met = true; // the command is left
        story->each = NULL;
        return;
    }
    text_clear(&steps->outcome);
    if (!child_hear(child, fd, &steps->outcome)) {
        story_wrong(story, "what comes of it after the last of this ends with an error:\n%s",
                    text_c(&steps->outcome));
        story->met = true;
        story->each = NULL;
        return;
    }
    if (strcmp(text_c(&steps->outcome), text_c(&steps->before)) != 0) {
        steps_write(steps, true);
        text_clear(&steps->before);
        text_string(&steps->before, text_c(&steps->outcome));
    }
}

// In the child of an event: what follows it.
static bool steps_then(struct steps *steps)
{
    char line[STORY_LINE_BYTES];
    bool fine = true;

    text_clear(&steps->outcome);
    for (const char *at = steps->then; fine && at != NULL;) {
        const char *const next = strstr(at, THEN);

        (void)snprintf(line, sizeof line, "%.*s", (int)(next == NULL ? (int)strlen(at) : next - at),
                       at);
        fine = command_run(steps->teller, line);
        told_write(&steps->outcome, &steps->teller->told);
        at = next == NULL ? NULL : next + strlen(THEN);
    }
    return fine;
}

__attribute__((noreturn)) static void steps_tell(struct teller *teller, const char *command,
                                                 const char *then, int fd)
{
    struct steps steps = {.teller = teller, .then = then, .child = -1};

    text_init(&steps.outcome, TEXT_BYTES_MAX);
    text_init(&steps.before, TEXT_BYTES_MAX);
    text_init(&steps.written, TEXT_BYTES_MAX);
    teller->steps = &steps;
    teller->story.each = step_try;
    const bool fine = command_run(teller, command);

    teller->story.each = NULL;
    if (steps.child >= 0) {
        const bool then_fine = steps_then(&steps);

        child_end(steps.child, &steps.outcome, then_fine);
    }
    text_clear(&steps.outcome);
    steps_write(&steps, false);
    child_end(fd, &steps.written, fine);
}

static bool steps_run(struct teller *teller, const char *line, const char *each)
{
    char command[STORY_LINE_BYTES];
    int fd;

    (void)snprintf(command, sizeof command, "%.*s", (int)(each - line), line);
    const pid_t child = child_begin(&fd);

    if (child == 0) {
        steps_tell(teller, command, each + strlen(EACH), fd);
    }
    return child_hear(child, fd, &teller->actual);
}

// False: it cannot be done.
static bool line_run(struct teller *teller, const char *line)
{
    const char *const each = strstr(line, EACH);

    if (each != NULL) {
        return steps_run(teller, line, each);
    }
    const bool fine = command_run(teller, line);

    told_write(&teller->actual, &teller->told);
    return fine;
}

// Runs the script; `actual` is what the file should be.
static bool tell(struct teller *teller, char *script)
{
    bool fine = true;

    for (char *line = script, *end = NULL; fine && *line != '\0'; line = end) {
        end = line + strcspn(line, "\n");
        if (*end != '\0') {
            *end++ = '\0';
        }
        teller->line++;
        if (line[0] == ' ') {
            continue; // what is expected
        }
        text_printf(&teller->actual, "%s\n", line);
        fine = line[0] == '#' || line[0] == '\0' || line_run(teller, line);
    }
    return fine;
}

// The first line in which two texts differ, with what comes before it.
static void show_difference(const char *path, const char *expected, const char *actual)
{
    uint32_t line = 1;
    size_t from = 0;
    size_t at = 0;

    while (expected[at] != '\0' && expected[at] == actual[at]) {
        if (expected[at] == '\n') {
            line++;
            from = at + 1;
        }
        at++;
    }
    (void)fprintf(stderr, "%s:%u: this was to happen:\n%.*s\nand this happened:\n", path, line,
                  (int)strcspn(expected + from, "\n"), expected + from);
    for (uint32_t i = 0; i < 6 && actual[from] != '\0'; i++) {
        const size_t size = strcspn(actual + from, "\n");

        (void)fprintf(stderr, "%.*s\n", (int)size, actual + from);
        from += size + (actual[from + size] == '\n' ? 1 : 0);
    }
    (void)fprintf(stderr, "(if that is right now: scenario --write %s, and read what it changed)\n",
                  path);
}

static bool write_file(const char *path, const struct text *text)
{
    FILE *const file = fopen(path, "w");
    bool fine = file != NULL && fwrite(text->bytes, 1, text->size, file) == text->size;

    fine = file != NULL && fclose(file) == 0 && fine;
    if (!fine) {
        (void)fprintf(stderr, "%s: %s\n", path, strerror(errno));
    }
    return fine;
}

// `ret_leaked` is left as it is where all was given back.
static bool scenario(const char *path, bool write, bool all, bool *ret_leaked)
{
    struct teller teller;
    char *const expected = read_file(path);
    bool fine = false;

    if (expected == NULL) {
        (void)fprintf(stderr, "%s: %s\n", path, strerror(errno));
        return false;
    }
    char *const script = strdup(expected);

    CHECK(script != NULL);
    teller_open(&teller, path);
    teller.all = all;
    if (tell(&teller, script)) {
        const char *const actual = text_c(&teller.actual);

        fine = strcmp(expected, actual) == 0;
        if (!fine && write) {
            fine = write_file(path, &teller.actual);
        } else if (!fine) {
            show_difference(path, expected, actual);
        }
    }
    teller_close(&teller, ret_leaked);
    free(script);
    free(expected);
    return fine;
}

int main(int argc, char **argv)
{
    const bool write = argc > 1 && strcmp(argv[1], "--write") == 0;
    const bool all = argc > 1 && strcmp(argv[1], "--all") == 0;
    const int first = write || all ? 2 : 1;
    bool leaked = false;
    int failed = 0;

    if (argc <= first) {
        (void)fprintf(stderr, "usage: scenario [--write|--all] FILE...\n");
        return 2;
    }
    for (int i = first; i < argc; i++) {
        if (!scenario(argv[i], write, all, &leaked)) {
            failed++;
        }
    }
    (void)fflush(stdout);
    if (leaked) {
        _exit(failed != 0); // a leak sanitizer would look for what killed processes held
    }
    return failed != 0;
}
