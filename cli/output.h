// What people see: colours, aligned tables, numbers with units, bytes made harmless for a terminal.
//
// Colours appear only on a terminal, and not when NO_COLOR is set (https://no-color.org) or TERM is
// "dumb". All functions that build text append to a struct text, so that the pure part of every
// output can be tested without a terminal.
#pragma once

#include "core/text.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

enum color {
    COLOR_PLAIN,
    COLOR_BOLD,   // headings
    COLOR_DIM,    // what matters less: units, indices
    COLOR_GREEN,  // good
    COLOR_YELLOW, // look here
    COLOR_RED,    // bad
    COLOR_CYAN,   // names
};

// An empty text for output: its bound is only there to stop what went wrong.
struct text output_text(void);

void output_char(struct text *text, char appended);
void output_repeat(struct text *text, char appended, size_t count);

// Whether what is written to `file` may be coloured.
bool output_colored(const FILE *file);

// Appends `word` in that colour, or plainly when not `colored`.
void output_color(struct text *text, bool colored, enum color color, const char *word);

// Appends bytes between double quotes, with \" \\ \n \r \t \a \b and \xHH for what is not printable
// ASCII: the same notation that the shell reads.
void output_quoted(struct text *text, const void *bytes, size_t size);

// Appends bytes for a terminal: printable UTF-8 as it is, all else as \xHH, so that a key cannot
// move the cursor.
void output_printable(struct text *text, const void *bytes, size_t size);

// The same for a text of several lines: \n and \t stay as well.
void output_lines(struct text *text, const void *bytes, size_t size);

// Appends a size in the unit that keeps it short: "17 B", "1.5 KiB", "64 MiB".
void output_bytes(struct text *text, double bytes);

// Appends a count with k, M or G: "950", "12.3k", "1.20M".
void output_count(struct text *text, double count);

// Appends a duration in the unit that keeps it short: "83 us", "1.25 ms", "3.1 s", "4m 05s", "2h
// 10m", "3d 4h".
void output_duration(struct text *text, double seconds);

// Whether the bytes are well-formed UTF-8 (RFC 3629).
bool output_is_utf8(const void *bytes, size_t size);

// A table: cells are added row by row, and the columns are as wide as their widest cell. The last
// column is never padded. Fields are the module's.
enum { TABLE_COLUMNS_MAX = 16 };

struct table {
    size_t columns;
    bool right[TABLE_COLUMNS_MAX]; // align this column to the right
    size_t cells;
    struct text text;             // all cells one after another, each with a NUL
    enum color color_of_row_next; // applies to cells added from now on
    struct text colors;           // a byte per cell
};

// `alignment` has one letter per column: 'l' or 'r'.
void table_start(struct table *table, const char *alignment);
void table_cell(struct table *table, const char *cell);
void table_cellf(struct table *table, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
void table_color(struct table *table, enum color color);

// A row of headings, one word per column between single spaces; "-" leaves one empty.
void table_headings(struct table *table, const char *headings);

// Appends the table, each line after `indent` spaces, and frees it.
void table_finish(struct table *table, bool colored, size_t indent, struct text *ret_text);
