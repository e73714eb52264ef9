// scenario FILE...: tells the stories in the files, and compares what happens with what they say.
// scenario --write FILE... writes what happens into them, for who has changed the code knowingly.
#include "core/check.h"
#include "tests/scenario/story.h"

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { TEXT_BYTES_MAX = 4 << 20 };

static const struct story_cast *const casts[] = {&story_log, &story_node};

void story_tell(struct story *story, const char *format, ...)
{
    char line[STORY_LINE_BYTES];
    va_list arguments;

    va_start(arguments, format);
    (void)vsnprintf(line, sizeof line, format, arguments);
    va_end(arguments);
    if (story->met) {
        return; // it stopped there: what comes of the same event is not seen any more
    }
    text_printf(story->told, "  %s\n", line);
    story->met = story->until != NULL && strstr(line, story->until) != NULL;
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

// One file --------------------------------------------------------------------------------------

struct teller {
    const char *path;
    struct story story;
    struct text told;   // by one command
    struct text actual; // the file as it would have to be
    const struct story_cast *cast;
    uint32_t line;
};

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

// False: it cannot be done.
static bool run_command(struct teller *teller, const char *line)
{
    char copy[STORY_LINE_BYTES];
    char *words[STORY_WORDS];

    (void)snprintf(copy, sizeof copy, "%s", line);
    text_clear(&teller->told);
    teller->story.met = false;
    run_words(teller, words, split(teller, copy, words));
    if (teller->story.until != NULL && !teller->story.met) {
        story_wrong(&teller->story, "nothing happened with '%s' in its line", teller->story.until);
    }
    text_string(&teller->actual, text_c(&teller->told));
    if (teller->story.wrong[0] != '\0') {
        (void)fprintf(stderr, "%s:%u: %s: %s\n%.*s", teller->path, teller->line, line,
                      teller->story.wrong, (int)teller->told.size, text_c(&teller->told));
        return false;
    }
    return true;
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
        fine = line[0] == '#' || line[0] == '\0' || run_command(teller, line);
    }
    if (teller->cast != NULL) {
        teller->cast->close(&teller->story);
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
static bool scenario(const char *path, bool write, bool *ret_leaked)
{
    struct teller teller = {.path = path};
    char *const expected = read_file(path);
    bool fine = false;

    if (expected == NULL) {
        (void)fprintf(stderr, "%s: %s\n", path, strerror(errno));
        return false;
    }
    char *const script = strdup(expected);

    CHECK(script != NULL);
    text_init(&teller.told, TEXT_BYTES_MAX);
    text_init(&teller.actual, TEXT_BYTES_MAX);
    teller.story.told = &teller.told;
    if (tell(&teller, script)) {
        const char *const actual = text_c(&teller.actual);

        fine = strcmp(expected, actual) == 0;
        if (!fine && write) {
            fine = write_file(path, &teller.actual);
        } else if (!fine) {
            show_difference(path, expected, actual);
        }
    }
    *ret_leaked = *ret_leaked || teller.story.leaked;
    text_free(&teller.told);
    text_free(&teller.actual);
    free(script);
    free(expected);
    return fine;
}

int main(int argc, char **argv)
{
    const bool write = argc > 1 && strcmp(argv[1], "--write") == 0;
    bool leaked = false;
    int failed = 0;

    if (argc < 2 + write) {
        (void)fprintf(stderr, "usage: scenario [--write] FILE...\n");
        return 2;
    }
    for (int i = 1 + write; i < argc; i++) {
        if (!scenario(argv[i], write, &leaked)) {
            failed++;
        }
    }
    (void)fflush(stdout);
    if (leaked) {
        _exit(failed != 0); // a leak sanitizer would look for what killed processes held
    }
    return failed != 0;
}
