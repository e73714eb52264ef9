#include "cli/progress.h"

#include "cli/output.h"
#include "core/check.h"

#include <stdio.h>
#include <time.h>
#include <unistd.h>

enum {
    PROGRESS_INTERVAL_NS = 100 * 1000 * 1000, // often enough to look alive
    PROGRESS_BAR_COLUMNS = 26,
};

uint64_t progress_now_ns(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000U + (uint64_t)now.tv_nsec;
}

void progress_start(struct progress *progress, const char *task, const char *unit)
{
    const uint64_t now_ns = progress_now_ns();

    *progress = (struct progress){
        .task = task,
        .unit = unit,
        .shown = isatty(STDERR_FILENO) == 1,
        .started_ns = now_ns,
        .drawn_ns = now_ns,
    };
}

static void progress_bar(struct text *line, double share)
{
    const int filled = (int)(share * PROGRESS_BAR_COLUMNS);

    text_string(line, "[");
    for (int i = 0; i < PROGRESS_BAR_COLUMNS; i++) {
        output_char(line, i < filled ? '=' : i == filled ? '>' : ' ');
    }
    text_printf(line, "] %3.0f%%  ", share * 100);
}

static void progress_draw(const struct progress *progress, uint64_t now_ns, uint64_t count,
                          double share)
{
    struct text line = output_text();

    text_printf(&line, "\r%s  ", progress->task);
    if (share > 0) {
        progress_bar(&line, share);
    }
    output_count(&line, (double)count);
    text_printf(&line, " %s  ", progress->unit);
    output_count(&line, progress->rate);
    text_string(&line, "/s");
    if (share > 0 && share < 1) {
        const double elapsed = (double)(now_ns - progress->started_ns) / 1e9;

        text_string(&line, "  ");
        output_duration(&line, elapsed / share * (1 - share));
        text_string(&line, " to go");
    }
    text_string(&line, "\033[K");
    fputs(text_c(&line), stderr);
    text_free(&line);
}

void progress_update(struct progress *progress, uint64_t count, uint64_t part, uint64_t whole)
{
    if (!progress->shown) {
        return;
    }
    const uint64_t now_ns = progress_now_ns();

    if (now_ns - progress->drawn_ns < PROGRESS_INTERVAL_NS) {
        return;
    }
    CHECK(count >= progress->drawn_count);
    const double rate =
        (double)(count - progress->drawn_count) * 1e9 / (double)(now_ns - progress->drawn_ns);
    const double share = whole == 0 ? 0 : (double)part / (double)whole;

    progress->rate = progress->drawn_count == 0 ? rate : progress->rate * 0.8 + rate * 0.2;
    progress->drawn_ns = now_ns;
    progress->drawn_count = count;
    progress_draw(progress, now_ns, count, share > 1 ? 1 : share);
}

double progress_finish(struct progress *progress)
{
    if (progress->shown) {
        fputs("\r\033[K", stderr);
    }
    return (double)(progress_now_ns() - progress->started_ns) / 1e9;
}
