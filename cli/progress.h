// A line on standard error that tells how far a long task is, redrawn in place. On anything but a
// terminal it stays silent.
//
//     import  [==========>               ]  42%  1.21M records  350k/s  12.0 s to go
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct progress {
    const char *task;     // "import"
    const char *unit;     // "records"
    bool shown;           // standard error is a terminal
    uint64_t started_ns;  // CLOCK_MONOTONIC
    uint64_t drawn_ns;    // when the line was last drawn
    uint64_t drawn_count; // and at which count
    double rate;          // smoothed, a second
};

// ns of CLOCK_MONOTONIC.
uint64_t progress_now_ns(void);

void progress_start(struct progress *progress, const char *task, const char *unit);

// `count` units are done, and the share `part` of `whole` (0: unknown) of the work. Cheap: it draws
// ten times a second.
void progress_update(struct progress *progress, uint64_t count, uint64_t part, uint64_t whole);

// Takes the line away. Returns the seconds since the start.
double progress_finish(struct progress *progress);
