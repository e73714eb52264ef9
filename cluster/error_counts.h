// How many error replies there were of each code: the word that an error starts with ("ERR",
// "WRONGPASS"), as INFO errorstats tells it.
//
// A table of LIMIT_ERROR_CODES rows without pointers: a core's can be copied, and added up. Which
// codes there are the node alone decides, never a client; the bound is there all the same, and an
// error that finds no row of its own is counted as ERR, in the first row.
#pragma once

#include "core/limits.h"
#include "core/slice.h"

#include <stdint.h>

enum { ERROR_CODE_BYTES = 32 }; // with its NUL; Redis 7.0 looks for its end within as much

struct error_count {
    char code[ERROR_CODE_BYTES];
    uint64_t count;
};

// All zero: nothing counted.
struct error_counts {
    uint64_t used;
    struct error_count rows[LIMIT_ERROR_CODES];
};

// Counts an error reply, `text` without its '-'. One whose first word does not end within
// ERROR_CODE_BYTES has no code, and is an ERR.
void error_counts_note(struct error_counts *counts, struct slice text);

// Adds another core's to `total`.
void error_counts_add(struct error_counts *total, const struct error_counts *counts);

// Puts the rows in the order of their codes; nothing is to be counted in them after it.
void error_counts_sort(struct error_counts *counts);
