// The lines of what happened, as they are written into a story.
//
// Lines that come again at once, one or up to eight together, at least three times:
//
//     segment-00002 is zeroed, 16 times
//     core 0 wakes core 1
//     core 1 wakes core 0
//     these 2 lines 5 times
//
// Lines that are to be counted (story_count()), where more than one of them come together:
//
//     generation-2/shard-0: made 3, written 4, durable 7
//     generation-2/shard-1: made 3, written 4, durable 7
//
// in the order in which the first of each came. So of what is counted the order is not told.
#pragma once

#include "core/text.h"

// Ownership: they have a copy of the text, from open to close.
struct story_lines {
    char *text;
    struct story_line *at;
    size_t count;
};

// `told`: a line each; one to be counted has whose it is and what before it, with tabs between.
void story_lines_open(struct story_lines *lines, const struct text *told);
void story_lines_close(struct story_lines *lines);

// Writes the lines with these numbers, indented by two.
void story_lines_write(const struct story_lines *lines, size_t from, size_t to,
                       struct text *ret_text);
