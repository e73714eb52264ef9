// Completion in the shell: shell_matches and shell_common_prefix of shell.h.
#include "cli/help.h"
#include "cli/output.h"
#include "cli/shell.h"
#include "core/check.h"

#include <ctype.h>
#include <string.h>
#include <strings.h>

// Words that the shell itself knows.
static const char SHELL_OWN[] = "help\nclear\nquit\nexit\n";

// Asks the server for its commands. A server that does not tell leaves only the shell's own words.
static void shell_ask_names(struct cli *cli, struct shell_names *names)
{
    static const char *const words[] = {"COMMAND", "LIST"};
    redisReply *reply = NULL;

    if (names->asked || client_call(&cli->client, 2, words, NULL, &reply) != 0) {
        return;
    }
    names->asked = true;
    names->names = output_text();
    for (size_t i = 0; reply->type == REDIS_REPLY_ARRAY && i < reply->elements; i++) {
        const redisReply *const name = reply->element[i];

        // Subcommands are listed as cluster|slots by some; they follow their command below.
        if ((name->type == REDIS_REPLY_STRING || name->type == REDIS_REPLY_STATUS) &&
            memchr(name->str, '|', name->len) == NULL) {
            output_printable(&names->names, name->str, name->len);
            output_char(&names->names, '\n');
        }
    }
    freeReplyObject(reply);
}

// Appends the lines of `words` that begin with the prefix, case aside.
static void shell_filter(const char *words, const char *prefix, size_t prefix_size,
                         struct text *ret_matches)
{
    while (*words != '\0') {
        const size_t size = strcspn(words, "\n");

        if (size >= prefix_size && strncasecmp(words, prefix, prefix_size) == 0) {
            text_append(ret_matches, words, size);
            output_char(ret_matches, '\n');
        }
        words += size + (words[size] == '\n' ? 1 : 0);
    }
}

// The subcommands of one command: the tenth element of what COMMAND INFO says, each with its full
// name, "cluster|slots", first.
static void shell_ask_subcommands(struct cli *cli, const char *command, size_t size,
                                  struct text *ret_words)
{
    const char *const words[] = {"COMMAND", "INFO", command};
    const size_t sizes[] = {7, 4, size};
    redisReply *reply = NULL;

    if (client_call(&cli->client, 3, words, sizes, &reply) != 0) {
        return;
    }
    const redisReply *const info =
        reply->type == REDIS_REPLY_ARRAY && reply->elements == 1 ? reply->element[0] : NULL;
    const redisReply *const subcommands =
        info != NULL && info->type == REDIS_REPLY_ARRAY && info->elements >= 10 ? info->element[9]
                                                                                : NULL;

    for (size_t i = 0;
         subcommands != NULL && subcommands->type == REDIS_REPLY_ARRAY && i < subcommands->elements;
         i++) {
        const redisReply *const entry = subcommands->element[i];

        if (entry->type == REDIS_REPLY_ARRAY && entry->elements > 0 &&
            (entry->element[0]->type == REDIS_REPLY_STRING ||
             entry->element[0]->type == REDIS_REPLY_STATUS)) {
            const char *const bar = strchr(entry->element[0]->str, '|');

            output_printable(ret_words, bar != NULL ? bar + 1 : entry->element[0]->str,
                             strlen(bar != NULL ? bar + 1 : entry->element[0]->str));
            output_char(ret_words, '\n');
        }
    }
    freeReplyObject(reply);
}

// ":verb" and what follows it.
static void shell_verb_matches(const char *first, size_t first_size, const char *word,
                               size_t word_size, bool is_first, struct text *ret_matches)
{
    struct text words = output_text();
    char name[32];
    size_t count = 0;
    const struct verb *const *const verbs = verb_table(&count);

    if (is_first) {
        for (size_t i = 0; i < count; i++) {
            text_printf(&words, ":%s\n", verbs[i]->name);
        }
    } else if (first_size - 1 < sizeof name) {
        memcpy(name, first + 1, first_size - 1);
        name[first_size - 1] = '\0';
        if (verb_find(name) != NULL) {
            help_words(verb_find(name), &words);
        }
    }
    shell_filter(text_c(&words), word, word_size, ret_matches);
    text_free(&words);
}

void shell_matches(struct cli *cli, struct shell_names *names, const char *line, size_t size,
                   size_t *ret_start, struct text *ret_matches)
{
    size_t first = 0;
    size_t first_size = 0;
    size_t start = size;
    size_t words_before = 0;

    while (first < size && line[first] == ' ') {
        first++;
    }
    while (first + first_size < size && line[first + first_size] != ' ') {
        first_size++;
    }
    while (start > 0 && line[start - 1] != ' ') {
        start--;
    }
    for (size_t i = first; i < start; i++) {
        words_before += line[i] != ' ' && (i == first || line[i - 1] == ' ') ? 1 : 0;
    }
    const bool is_help = first_size == 4 && strncasecmp(line + first, "help", 4) == 0;

    *ret_start = start;
    if (first_size != 0 && line[first] == ':') {
        shell_verb_matches(line + first, first_size, line + start, size - start, words_before == 0,
                           ret_matches);
    } else if (words_before == 0 || (is_help && words_before == 1)) {
        shell_ask_names(cli, names);
        shell_filter(SHELL_OWN, line + start, size - start, ret_matches);
        if (names->asked) {
            shell_filter(text_c(&names->names), line + start, size - start, ret_matches);
        }
        if (size == start || (is_help && line[start] == ':')) {
            shell_verb_matches(line + first, first_size, line + start, size - start, true,
                               ret_matches);
        }
    } else if (words_before == 1) {
        struct text words = output_text();

        shell_ask_subcommands(cli, line + first, first_size, &words);
        shell_filter(text_c(&words), line + start, size - start, ret_matches);
        text_free(&words);
    }
}

size_t shell_common_prefix(const struct text *matches)
{
    const char *const first = text_c(matches);
    size_t common = strcspn(first, "\n");

    for (const char *line = first; *line != '\0';) {
        const size_t size = strcspn(line, "\n");
        size_t same = 0;

        while (same < common && same < size &&
               tolower((unsigned char)first[same]) == tolower((unsigned char)line[same])) {
            same++;
        }
        common = same;
        line += size + (line[size] == '\n' ? 1 : 0);
    }
    return common;
}
