// Lines of a file of any size, one after another, with their numbers.
#pragma once

#include "core/slice.h"
#include "core/text.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

enum { LINES_CHUNK_BYTES = 1 << 16 }; // a read; the lines of most files are far shorter

struct lines {
    FILE *file;          // the caller's
    uint64_t number;     // of the line returned last; the first is 1
    uint64_t bytes_read; // up to the end of that line
    size_t line_bytes_max;
    struct text line; // a line that lay across chunks
    size_t begin;     // what is unread of `chunk`
    size_t end;
    char chunk[LINES_CHUNK_BYTES];
};

void lines_start(struct lines *lines, FILE *file, size_t line_bytes_max);

// The next line without its end ("\n" or "\r\n"); the last one needs none. *ret_line is valid until
// the next call. 1, 0 at the end of the file, -EFBIG when the line is longer than allowed, or
// -errno; then `number` is the line that could not be read.
int lines_next(struct lines *lines, struct slice *ret_line);

void lines_finish(struct lines *lines);
