#include "tests/scenario/story_lines.h"

#include "core/check.h"

#include <stdlib.h>
#include <string.h>

enum {
    TOGETHER_MAX = 8, // lines that come again
    TIMES_MIN = 3,
};

struct story_line {
    const char *whose; // NULL: not to be counted
    const char *what;
    const char *text;
};

static struct story_line line_of(char *text)
{
    char *const what = strchr(text, '\t');
    struct story_line line = {.text = text};

    if (what != NULL) {
        char *const detail = strchr(what + 1, '\t');

        *what = *detail = '\0';
        line = (struct story_line){.whose = text, .what = what + 1, .text = detail + 1};
    }
    return line;
}

void story_lines_open(struct story_lines *lines, const struct text *told)
{
    lines->text = strdup(text_c(told));
    lines->at = calloc(told->size + 1, sizeof lines->at[0]);
    lines->count = 0;
    CHECK(lines->text != NULL && lines->at != NULL);
    for (char *at = strtok(lines->text, "\n"); at != NULL; at = strtok(NULL, "\n")) {
        lines->at[lines->count++] = line_of(at);
    }
}

void story_lines_close(struct story_lines *lines)
{
    free(lines->text);
    free(lines->at);
}

// What comes again --------------------------------------------------------------------------------

// How often `together` lines come, one time after another.
static size_t times_of(const struct story_line *lines, size_t count, size_t together)
{
    size_t same = 0;

    while (together + same < count && lines[together + same].whose == NULL &&
           strcmp(lines[same].text, lines[together + same].text) == 0) {
        same++;
    }
    return 1 + same / together;
}

// Writes the longest run that begins there; says how many lines that was.
static size_t run_write(const struct story_line *lines, size_t count, struct text *to)
{
    size_t together = 1;
    size_t times = 1;

    for (size_t i = 1; i <= TOGETHER_MAX && i <= count; i++) {
        const size_t of = times_of(lines, count, i);

        if (of >= TIMES_MIN && of * i > times * together) {
            together = i;
            times = of;
        }
    }
    for (size_t i = 0; i < together; i++) {
        text_printf(to, "  %s", lines[i].text);
        text_string(to, i + 1 < together ? "\n" : "");
    }
    if (times > 1 && together == 1) {
        text_printf(to, ", %zu times", times);
    } else if (times > 1) {
        text_printf(to, "\n  these %zu lines %zu times", together, times);
    }
    text_string(to, "\n");
    return together * times;
}

// What is counted ---------------------------------------------------------------------------------

static bool is_first(const struct story_line *lines, size_t at, const char *what)
{
    for (size_t i = 0; i < at; i++) {
        if (strcmp(lines[i].whose, lines[at].whose) == 0 &&
            (what == NULL || strcmp(lines[i].what, what) == 0)) {
            return false;
        }
    }
    return true;
}

static void counts_write(const struct story_line *lines, size_t count, size_t of, struct text *to)
{
    const char *const whose = lines[of].whose;
    const char *before = ": ";

    text_printf(to, "  %s", whose);
    for (size_t i = of; i < count; i++) {
        if (strcmp(lines[i].whose, whose) != 0 || !is_first(lines, i, lines[i].what)) {
            continue;
        }
        size_t times = 0;

        for (size_t j = i; j < count; j++) {
            times += strcmp(lines[j].whose, whose) == 0 && strcmp(lines[j].what, lines[i].what) == 0
                         ? 1
                         : 0;
        }
        text_printf(to, "%s%s %zu", before, lines[i].what, times);
        before = ", ";
    }
    text_string(to, "\n");
}

void story_lines_write(const struct story_lines *lines, size_t from, size_t to,
                       struct text *ret_text)
{
    while (from < to) {
        const struct story_line *const at = &lines->at[from];
        size_t counted = 0;

        while (from + counted < to && at[counted].whose != NULL) {
            counted++;
        }
        if (counted < 2) {
            size_t end = from + 1; // a run ends where something is counted

            while (end < to && lines->at[end].whose == NULL) {
                end++;
            }
            from += run_write(at, counted == 1 ? 1 : end - from, ret_text);
            continue;
        }
        for (size_t i = 0; i < counted; i++) {
            if (is_first(at, i, NULL)) {
                counts_write(at, counted, i, ret_text);
            }
        }
        from += counted;
    }
}
