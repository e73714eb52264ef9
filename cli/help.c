#include "cli/help.h"

#include "cli/output.h"
#include "core/check.h"

#include <stdio.h>
#include <string.h>

enum { HELP_COLUMNS = 80 };

// Appends words, broken into lines that begin after `indent` spaces.
static void help_wrapped(const char *words, size_t indent, struct text *ret_text)
{
    size_t column = 0;

    for (const char *at = words; *at != '\0';) {
        const size_t size = strcspn(at, " \n");

        if (*at == '\n') {
            output_char(ret_text, '\n');
            column = 0;
            at++;
            continue;
        }
        if (column != 0 && column + 1 + size > HELP_COLUMNS) {
            output_char(ret_text, '\n');
            column = 0;
        }
        if (column == 0) {
            output_repeat(ret_text, ' ', indent);
            column = indent;
        } else {
            output_char(ret_text, ' ');
            column++;
        }
        text_append(ret_text, at, size);
        column += size;
        at += size;
        at += *at == ' ' ? 1 : 0;
    }
    output_char(ret_text, '\n');
}

static void help_options(const struct option *options, size_t count, bool colored,
                         struct text *ret_text)
{
    struct table table;

    table_start(&table, "ll");
    for (size_t i = 0; i < count; i++) {
        const struct option *const option = &options[i];
        char letter[8] = "    ";

        if (option->letter != 0) {
            snprintf(letter, sizeof letter, "-%c, ", option->letter);
        }
        table_color(&table, COLOR_CYAN);
        table_cellf(&table, "%s--%s%s%s", letter, option->name, option->argument != NULL ? " " : "",
                    option->argument != NULL ? option->argument : "");
        table_color(&table, COLOR_PLAIN);
        table_cell(&table, option->help);
    }
    table_finish(&table, colored, 2, ret_text);
}

void help_program(bool colored, struct text *ret_text)
{
    size_t count = 0;
    const struct verb *const *const verbs = verb_table(&count);
    struct table table;

    text_string(ret_text, "usage: rldb [-h HOST] [-p PORT] [--user U] [--json] VERB ...\n\n");
    table_start(&table, "ll");
    for (size_t i = 0; i < count; i++) {
        table_color(&table, COLOR_CYAN);
        table_cellf(&table, "%s%s%s", verbs[i]->name, verbs[i]->arguments[0] != '\0' ? " " : "",
                    verbs[i]->arguments);
        table_color(&table, COLOR_PLAIN);
        table_cell(&table, verbs[i]->summary);
    }
    table_finish(&table, colored, 2, ret_text);
    text_string(ret_text, "\nOptions, before or after the verb:\n");
    help_options(verb_global_options(), GLOBAL_OPTIONS, colored, ret_text);
    text_string(
        ret_text,
        "\n`rldb help VERB` tells more. The password is taken from the variable RLDB_PASSWORD, or\n"
        "asked for when --user is given. Exit status: 0 done, 1 not found, 2 wrong usage, 3 "
        "error.\n");
}

void help_verb(const struct verb *verb, bool colored, struct text *ret_text)
{
    text_printf(ret_text, "usage: rldb %s%s%s%s\n\n", verb->name,
                verb->option_count != 0 ? " [options]" : "", verb->arguments[0] != '\0' ? " " : "",
                verb->arguments);
    help_wrapped(verb->summary, 0, ret_text);
    if (verb->details != NULL) {
        output_char(ret_text, '\n');
        help_wrapped(verb->details, 0, ret_text);
    }
    if (verb->option_count != 0) {
        text_string(ret_text, "\nOptions:\n");
        help_options(verb->options, verb->option_count, colored, ret_text);
    }
    text_string(ret_text, "\n`rldb --help` lists the options that every verb takes.\n");
}

static void help_option_words(const struct option *options, size_t count, struct text *ret_text)
{
    for (size_t i = 0; i < count; i++) {
        text_printf(ret_text, "--%s\n", options[i].name);
    }
}

void help_words(const struct verb *verb, struct text *ret_text)
{
    size_t count = 0;
    const struct verb *const *const verbs = verb_table(&count);

    if (verb == NULL) {
        for (size_t i = 0; i < count; i++) {
            text_printf(ret_text, "%s\n", verbs[i]->name);
        }
        text_string(ret_text, "help\n");
        help_option_words(verb_global_options(), GLOBAL_OPTIONS, ret_text);
        return;
    }
    for (const char *at = verb->subwords; at != NULL && *at != '\0';) {
        const size_t size = strcspn(at, " ");

        text_printf(ret_text, "%.*s\n", (int)size, at);
        at += size + (at[size] == ' ' ? 1 : 0);
    }
    help_option_words(verb->options, verb->option_count, ret_text);
    help_option_words(verb_global_options(), GLOBAL_OPTIONS, ret_text);
}
