// The tables of output.h.
#include "cli/output.h"

#include "core/check.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

void table_start(struct table *table, const char *alignment)
{
    *table = (struct table){
        .columns = strlen(alignment), .text = output_text(), .colors = output_text()};
    CHECK(table->columns > 0 && table->columns <= TABLE_COLUMNS_MAX);
    for (size_t i = 0; i < table->columns; i++) {
        CHECK(alignment[i] == 'l' || alignment[i] == 'r');
        table->right[i] = alignment[i] == 'r';
    }
}

void table_color(struct table *table, enum color color)
{
    table->color_of_row_next = color;
}

void table_cell(struct table *table, const char *cell)
{
    text_append(&table->text, cell, strlen(cell) + 1);
    output_char(&table->colors, (char)table->color_of_row_next);
    table->cells++;
}

void table_cellf(struct table *table, const char *format, ...)
{
    char cell[256];
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(cell, sizeof cell, format, arguments);
    va_end(arguments);
    table_cell(table, cell);
}

void table_headings(struct table *table, const char *headings)
{
    const char *at = headings;

    CHECK(table->cells % table->columns == 0);
    table_color(table, COLOR_BOLD);
    for (size_t i = 0; i < table->columns; i++) {
        const size_t size = strcspn(at, " ");

        CHECK(size > 0);
        if (size == 1 && at[0] == '-') {
            table_cell(table, "");
        } else {
            table_cellf(table, "%.*s", (int)size, at);
        }
        at += size + (at[size] == ' ' ? 1 : 0);
    }
    CHECK(*at == '\0');
    table_color(table, COLOR_PLAIN);
}

// How many columns of a terminal it takes: one per code point, which is right for what rldb itself
// prints.
static size_t table_width(const char *cell)
{
    size_t width = 0;

    for (; *cell != '\0'; cell++) {
        width += ((uint8_t)*cell & 0xc0) != 0x80 ? 1 : 0;
    }
    return width;
}

static void table_line(const struct table *table, size_t row, const char *cell,
                       const size_t *widths, bool colored, struct text *ret_text)
{
    size_t padding = 0; // owed before the next cell, so that no line ends in spaces

    for (size_t i = 0; i < table->columns; i++, cell += strlen(cell) + 1) {
        const size_t room = widths[i] - table_width(cell);
        const enum color color = (enum color)(uint8_t)table->colors.bytes[row * table->columns + i];

        if (cell[0] != '\0') {
            output_repeat(ret_text, ' ', padding + (table->right[i] ? room : 0));
            output_color(ret_text, colored, color, cell);
            padding = table->right[i] ? 2 : room + 2;
        } else {
            padding += widths[i] + 2;
        }
    }
    output_char(ret_text, '\n');
}

void table_finish(struct table *table, bool colored, size_t indent, struct text *ret_text)
{
    size_t widths[TABLE_COLUMNS_MAX] = {0};
    const char *cell = text_c(&table->text);

    CHECK(table->cells % table->columns == 0);
    for (size_t i = 0; i < table->cells; i++, cell += strlen(cell) + 1) {
        const size_t width = table_width(cell);

        widths[i % table->columns] =
            width > widths[i % table->columns] ? width : widths[i % table->columns];
    }
    cell = text_c(&table->text);
    for (size_t row = 0; row < table->cells / table->columns; row++) {
        output_repeat(ret_text, ' ', indent);
        table_line(table, row, cell, widths, colored, ret_text);
        for (size_t i = 0; i < table->columns; i++) {
            cell += strlen(cell) + 1;
        }
    }
    text_free(&table->text);
    text_free(&table->colors);
}
