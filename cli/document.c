// render_document of render.h: JSON documents for people.
#include "cli/output.h"
#include "cli/render.h"
#include "core/check.h"

#include <stdio.h>
#include <string.h>

static void document_value(const json_t *value, struct text *ret_text);

// A list of at most this many values fits a line; a longer one is told by its size and its ends.
enum { DOCUMENT_LIST_MAX = 12, DOCUMENT_LIST_ENDS = 4 };

static void document_list(const json_t *list, struct text *ret_text)
{
    const size_t count = json_array_size(list);

    for (size_t i = 0; i < count; i++) {
        if (count > DOCUMENT_LIST_MAX && i == DOCUMENT_LIST_ENDS) {
            text_printf(ret_text, ", ... %zu in all ...", count);
            i = count - DOCUMENT_LIST_ENDS;
        }
        if (i != 0) {
            text_string(ret_text, ", ");
        }
        document_value(json_array_get(list, i), ret_text);
    }
    if (count == 0) {
        output_char(ret_text, '-');
    }
}

// Any value in one line.
static void document_value(const json_t *value, struct text *ret_text)
{
    switch (json_typeof(value)) {
    case JSON_STRING:
        output_printable(ret_text, json_string_value(value), json_string_length(value));
        break;
    case JSON_INTEGER:
        text_printf(ret_text, "%" JSON_INTEGER_FORMAT, json_integer_value(value));
        break;
    case JSON_REAL:
        text_printf(ret_text, "%g", json_real_value(value));
        break;
    case JSON_TRUE:
        text_string(ret_text, "yes");
        break;
    case JSON_FALSE:
        text_string(ret_text, "no");
        break;
    case JSON_NULL:
        output_char(ret_text, '-');
        break;
    case JSON_ARRAY:
        document_list(value, ret_text);
        break;
    case JSON_OBJECT: {
        const char *separator = "";
        const char *name = NULL;
        json_t *member = NULL;

        json_object_foreach((json_t *)value, name, member)
        {
            text_printf(ret_text, "%s%s=", separator, name);
            document_value(member, ret_text);
            separator = " ";
        }
        break;
    }
    }
}

// Whether it is a list of objects that have the same names: a table then.
static bool document_is_table(const json_t *value)
{
    const json_t *const first = json_array_get(value, 0);

    if (!json_is_object(first) || json_object_size(first) > TABLE_COLUMNS_MAX ||
        json_object_size(first) == 0) {
        return false;
    }
    for (size_t i = 1; i < json_array_size(value); i++) {
        const json_t *const row = json_array_get(value, i);
        const char *name = NULL;
        json_t *member = NULL;

        if (json_object_size(row) != json_object_size(first)) {
            return false;
        }
        json_object_foreach((json_t *)first, name, member)
        {
            if (json_object_get(row, name) == NULL) {
                return false;
            }
        }
    }
    return true;
}

static void document_table(const json_t *rows, bool colored, size_t indent, struct text *ret_text)
{
    json_t *const first = json_array_get(rows, 0);
    char alignment[TABLE_COLUMNS_MAX + 1];
    size_t columns = 0;
    struct table table;
    struct text cell = output_text();
    const char *name = NULL;
    json_t *member = NULL;

    json_object_foreach(first, name, member)
    {
        alignment[columns++] = json_is_number(member) ? 'r' : 'l';
    }
    alignment[columns] = '\0';
    table_start(&table, alignment);
    table_color(&table, COLOR_BOLD);
    json_object_foreach(first, name, member)
    {
        table_cell(&table, name);
    }
    table_color(&table, COLOR_PLAIN);
    for (size_t i = 0; i < json_array_size(rows); i++) {
        json_object_foreach(first, name, member)
        {
            text_clear(&cell);
            document_value(json_object_get(json_array_get(rows, i), name), &cell);
            table_cell(&table, text_c(&cell));
        }
    }
    text_free(&cell);
    table_finish(&table, colored, indent, ret_text);
}

static void document_nested(const json_t *value, bool colored, size_t indent,
                            struct text *ret_text);

static bool document_is_block(const json_t *value)
{
    return json_is_object(value) || document_is_table(value);
}

// First the fields that fit a line, aligned; then each larger one under its name.
static void document_object(json_t *object, bool colored, size_t indent, struct text *ret_text)
{
    const char *name = NULL;
    json_t *member = NULL;
    struct table table;
    struct text cell = output_text();

    table_start(&table, "ll");
    json_object_foreach(object, name, member)
    {
        if (!document_is_block(member)) {
            table_color(&table, COLOR_CYAN);
            table_cell(&table, name);
            table_color(&table, COLOR_PLAIN);
            text_clear(&cell);
            document_value(member, &cell);
            table_cell(&table, text_c(&cell));
        }
    }
    text_free(&cell);
    table_finish(&table, colored, indent, ret_text);
    json_object_foreach(object, name, member)
    {
        if (document_is_block(member)) {
            output_char(ret_text, '\n');
            output_repeat(ret_text, ' ', indent);
            output_color(ret_text, colored, COLOR_BOLD, name);
            output_char(ret_text, '\n');
            document_nested(member, colored, indent + 2, ret_text);
        }
    }
}

static void document_nested(const json_t *value, bool colored, size_t indent, struct text *ret_text)
{
    if (json_is_object(value)) {
        document_object((json_t *)value, colored, indent, ret_text);
    } else if (document_is_table(value)) {
        document_table(value, colored, indent, ret_text);
    } else if (json_is_array(value) && json_array_size(value) > 0) {
        for (size_t i = 0; i < json_array_size(value); i++) {
            document_nested(json_array_get(value, i), colored, indent, ret_text);
        }
    } else {
        output_repeat(ret_text, ' ', indent);
        document_value(value, ret_text);
        output_char(ret_text, '\n');
    }
}

void render_document(const json_t *document, bool colored, struct text *ret_text)
{
    document_nested(document, colored, 0, ret_text);
}
