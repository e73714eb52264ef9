// The man pages' parts of help.h.
#include "cli/help.h"
#include "cli/output.h"
#include "core/config.h"

#include <stdio.h>
#include <string.h>

// A word or sentence for roff: backslashes and hyphens are written so that they print as
// themselves, and a line never begins with a control character.
static void help_mdoc_escaped(const char *words, struct text *ret_text)
{
    bool start = true;

    for (; *words != '\0'; words++) {
        if (start && (*words == '.' || *words == '\'')) {
            text_string(ret_text, "\\&");
        }
        if (*words == '\\') {
            text_string(ret_text, "\\e");
        } else if (*words == '-') {
            text_string(ret_text, "\\-");
        } else if (words[0] == '\n' && words[1] == '\n') {
            text_string(ret_text, "\n.Pp"); // mdoc wants no empty lines
        } else {
            output_char(ret_text, *words);
        }
        start = *words == '\n';
    }
    output_char(ret_text, '\n');
}

static void help_mdoc_option(const struct option *option, struct text *ret_text)
{
    text_string(ret_text, ".It ");
    if (option->letter != 0) {
        text_printf(ret_text, "Fl %c , ", option->letter);
    }
    text_printf(ret_text, "Fl \\-%s", option->name);
    if (option->argument != NULL) {
        text_printf(ret_text, " Ar %s", option->argument);
    }
    output_char(ret_text, '\n');
    help_mdoc_escaped(option->help, ret_text);
}

static void help_mdoc_options(const struct option *options, size_t count, struct text *ret_text)
{
    text_string(ret_text, ".Bl -tag -width Ds -compact\n");
    for (size_t i = 0; i < count; i++) {
        help_mdoc_option(&options[i], ret_text);
    }
    text_string(ret_text, ".El\n");
}

void help_mdoc(struct text *ret_text)
{
    size_t count = 0;
    const struct verb *const *const verbs = verb_table(&count);

    text_string(ret_text, ".Sh OPTIONS\nThese stand before the verb, or after it.\n");
    help_mdoc_options(verb_global_options(), GLOBAL_OPTIONS, ret_text);
    text_string(ret_text, ".Sh VERBS\n.Bl -tag -width Ds\n");
    for (size_t i = 0; i < count; i++) {
        text_printf(ret_text, ".It Ic %s", verbs[i]->name);
        if (verbs[i]->arguments[0] != '\0') {
            text_printf(ret_text, " Li \"%s\"", verbs[i]->arguments);
        }
        output_char(ret_text, '\n');
        text_string(ret_text, "\\&");
        help_mdoc_escaped(verbs[i]->summary, ret_text);
        if (verbs[i]->details != NULL) {
            text_string(ret_text, ".Pp\n");
            help_mdoc_escaped(verbs[i]->details, ret_text);
        }
        if (verbs[i]->option_count != 0) {
            text_string(ret_text, ".Pp\n");
            help_mdoc_options(verbs[i]->options, verbs[i]->option_count, ret_text);
        }
    }
    text_string(ret_text, ".El\n");
}

// A line of the full configuration without its indentation, up to its end.
struct key_line {
    const char *text;
    size_t size;
    size_t indent;
};

static const char *key_next_line(const char *at, struct key_line *line)
{
    const size_t size = strcspn(at, "\n");
    const size_t indent = strspn(at, " ");

    *line = (struct key_line){at + indent, size - indent, indent};
    return at + size + (at[size] == '\n' ? 1 : 0);
}

static void help_mdoc_key(const char *section, const struct key_line *line, struct text *help,
                          struct text *ret_text)
{
    struct text item = output_text();

    text_printf(&item, "%s%.*s", section, (int)line->size, line->text);
    text_string(ret_text, ".It Li \"");
    for (const char *at = text_c(&item); *at != '\0'; at++) {
        // A quote inside a quoted argument is written twice.
        text_append(ret_text, *at == '"' ? "\"\"" : at, *at == '"' ? 2 : 1);
    }
    text_string(ret_text, "\"\n");
    help_mdoc_escaped(text_c(help), ret_text);
    text_clear(help);
    text_free(&item);
}

void help_mdoc_keys(struct text *ret_text)
{
    struct text full = output_text();
    struct text help = output_text();
    char section[32] = "";
    struct key_line line;

    config_full_text(&full);
    text_string(ret_text, ".Sh KEYS\nEach with its default.\n.Bl -tag -width Ds\n");
    for (const char *at = text_c(&full); *at != '\0';) {
        at = key_next_line(at, &line);
        if (line.indent == 0 && line.size > 1 && line.text[0] != '#') {
            // "node:" becomes "node.", to stand before its keys.
            text_clear(&help);
            snprintf(section, sizeof section, "%.*s.", (int)(line.size - 1), line.text);
        } else if (line.indent != 0 && line.size > 2 && line.text[0] == '#') {
            text_append(&help, line.text + 2, line.size - 2);
            output_char(&help, '\n');
        } else if (line.indent != 0 && line.size != 0) {
            text_cut(&help, help.size != 0 ? help.size - 1 : 0);
            help_mdoc_key(section, &line, &help, ret_text);
        }
    }
    text_string(ret_text, ".El\n");
    text_free(&full);
    text_free(&help);
}

void help_mdoc_page(const char *page, struct text *ret_text)
{
    static const char verbs[] = ".\\\" VERBS";
    static const char keys[] = ".\\\" KEYS";

    while (*page != '\0') {
        const size_t size = strcspn(page, "\n");

        if (size == sizeof verbs - 1 && memcmp(page, verbs, size) == 0) {
            help_mdoc(ret_text);
        } else if (size == sizeof keys - 1 && memcmp(page, keys, size) == 0) {
            help_mdoc_keys(ret_text);
        } else {
            text_append(ret_text, page, size);
            output_char(ret_text, '\n');
        }
        page += size + (page[size] == '\n' ? 1 : 0);
    }
}
