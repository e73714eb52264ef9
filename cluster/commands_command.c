// COMMAND: the table told to clients, in the form of Redis 7.0.
#include "cluster/commands.h"
#include "cluster/help.h"
#include "cluster/shard.h"
#include "core/glob.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

// Telling of one command ---------------------------------------------------------------------

static const struct {
    uint32_t flag;
    const char *name;
} flag_names[] = {
    {COMMAND_WRITE, "write"},
    {COMMAND_READONLY, "readonly"},
    {COMMAND_DENYOOM, "denyoom"},
    {COMMAND_ADMIN, "admin"},
    {COMMAND_NOSCRIPT, "noscript"},
    {COMMAND_LOADING, "loading"},
    {COMMAND_STALE, "stale"},
    {COMMAND_SKIP_MONITOR, "skip_monitor"},
    {COMMAND_SKIP_SLOWLOG, "skip_slowlog"},
    {COMMAND_FAST, "fast"},
    {COMMAND_NO_AUTH, "no_auth"},
    {COMMAND_MAY_REPLICATE, "may_replicate"},
    {COMMAND_NO_ASYNC_LOADING, "no_async_loading"},
    {COMMAND_NO_MULTI, "no_multi"},
    {COMMAND_MOVABLEKEYS, "movablekeys"},
    {COMMAND_ALLOW_BUSY, "allow_busy"},
};

enum { FLAG_NAMES = sizeof flag_names / sizeof *flag_names };

static void reply_flags(struct reply *reply, uint32_t flags)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < FLAG_NAMES; i++) {
        count += (flags & flag_names[i].flag) != 0;
    }
    reply_set(reply, count);
    for (uint32_t i = 0; i < FLAG_NAMES; i++) {
        if (flags & flag_names[i].flag) {
            reply_simple(reply, flag_names[i].name);
        }
    }
}

static void reply_categories(struct reply *reply, uint32_t categories)
{
    reply_set(reply, (uint32_t)__builtin_popcount(categories));
    for (uint32_t i = 0; i < ACL_CATEGORIES; i++) {
        if (categories & (1U << i)) {
            char text[32];
            (void)snprintf(text, sizeof text, "@%s", acl_category_name(i));
            reply_simple(reply, text);
        }
    }
}

// The words of one specification of `text`, which are separated by spaces; specifications by ", ".
static void reply_words(struct reply *reply, const char *text, size_t size)
{
    uint32_t count = size != 0;
    for (size_t i = 0; i < size; i++) {
        count += text[i] == ' ';
    }
    reply_set(reply, count);
    while (size != 0) {
        const char *end = memchr(text, ' ', size);
        size_t length = end == NULL ? size : (size_t)(end - text);
        char word[32];
        (void)snprintf(word, sizeof word, "%.*s", (int)length, text);
        reply_simple(reply, word);
        text += end == NULL ? length : length + 1;
        size -= end == NULL ? length : length + 1;
    }
}

static void reply_key_spec(struct reply *reply, const char *flags, size_t size, int64_t index,
                           int64_t last, int64_t step)
{
    reply_map(reply, 3);
    reply_bulk_text(reply, "flags");
    reply_words(reply, flags, size);
    reply_bulk_text(reply, "begin_search");
    reply_map(reply, 2);
    reply_bulk_text(reply, "type");
    reply_bulk_text(reply, "index");
    reply_bulk_text(reply, "spec");
    reply_map(reply, 1);
    reply_bulk_text(reply, "index");
    reply_integer(reply, index);
    reply_bulk_text(reply, "find_keys");
    reply_map(reply, 2);
    reply_bulk_text(reply, "type");
    reply_bulk_text(reply, "range");
    reply_bulk_text(reply, "spec");
    reply_map(reply, 3);
    reply_bulk_text(reply, "lastkey");
    reply_integer(reply, last);
    reply_bulk_text(reply, "keystep");
    reply_integer(reply, step);
    reply_bulk_text(reply, "limit");
    reply_integer(reply, 0);
}

// One specification for all keys; where the flags of two keys differ, one for each.
static void reply_key_specs(struct reply *reply, const struct command *command)
{
    if (command->key_first == 0) {
        reply_set(reply, 0);
        return;
    }
    const char *comma = strstr(command->key_flags, ", ");
    if (comma == NULL) {
        int64_t last =
            command->key_last < 0 ? command->key_last : command->key_last - command->key_first;
        reply_set(reply, 1);
        reply_key_spec(reply, command->key_flags, strlen(command->key_flags), command->key_first,
                       last, command->key_step);
        return;
    }
    reply_set(reply, 2);
    reply_key_spec(reply, command->key_flags, (size_t)(comma - command->key_flags), 1, 0, 1);
    reply_key_spec(reply, comma + 2, strlen(comma + 2), 2, 0, 1);
}

static void reply_tips(struct reply *reply, const char *tips)
{
    if (tips == NULL) {
        reply_set(reply, 0);
        return;
    }
    uint32_t count = 1;
    for (const char *at = tips; *at != '\0'; at++) {
        count += *at == ',';
    }
    reply_set(reply, count);
    for (const char *at = tips; count > 0; count--) {
        size_t length = strcspn(at, ",");
        reply_bulk(reply, slice_of(at, length));
        at += length + 1;
    }
}

static void reply_command(struct reply *reply, const struct command *command)
{
    char name[64];
    command_full_name(command, name, sizeof name);
    reply_array(reply, 10);
    reply_bulk_text(reply, name);
    reply_integer(reply, command->arity);
    reply_flags(reply, command->flags);
    reply_integer(reply, command->key_first);
    reply_integer(reply, command->key_last);
    reply_integer(reply, command->key_step);
    reply_categories(reply, command->categories);
    reply_tips(reply, command->tips);
    reply_key_specs(reply, command);
    reply_set(reply, command->subcommand_count);
    for (uint32_t i = 0; i < command->subcommand_count; i++) {
        reply_command(reply, &command->subcommands[i]);
    }
}

static void reply_docs(struct reply *reply, const struct command *command)
{
    reply_map(reply, command->subcommand_count != 0 ? 5 : 4);
    reply_bulk_text(reply, "summary");
    reply_bulk_text(reply, command->summary);
    reply_bulk_text(reply, "since");
    reply_bulk_text(reply, command->since);
    reply_bulk_text(reply, "group");
    reply_bulk_text(reply, command->group);
    reply_bulk_text(reply, "complexity");
    reply_bulk_text(reply, command->complexity);
    if (command->subcommand_count == 0) {
        return;
    }
    reply_bulk_text(reply, "subcommands");
    reply_map(reply, command->subcommand_count);
    for (uint32_t i = 0; i < command->subcommand_count; i++) {
        reply_bulk_text(reply, command->subcommands[i].label);
        reply_docs(reply, &command->subcommands[i]);
    }
}

// Subcommands --------------------------------------------------------------------------------

typedef void command_each_fn(void *context, const struct command *command);

// Every command; subcommands are told with their containers.
static void command_each(struct exec *x, command_each_fn *each, void *context)
{
    const struct command *command;
    for (uint32_t i = 0; (command = command_at(x->shard->node->commands, i)) != NULL; i++) {
        if (command->parent == NULL) {
            each(context, command);
        }
    }
}

static void command_count_one(void *context, const struct command *command)
{
    (void)command;
    (*(uint32_t *)context)++;
}

static uint32_t command_total(struct exec *x)
{
    uint32_t count = 0;
    command_each(x, command_count_one, &count);
    return count;
}

// "get", "client|list", or NULL.
static const struct command *command_by_full_name(struct exec *x, struct slice name)
{
    const uint8_t *bar = name.size == 0 ? NULL : memchr(name.bytes, '|', name.size);
    size_t length = bar == NULL ? name.size : (size_t)(bar - name.bytes);
    const struct command *command =
        command_find(x->shard->node->commands, slice_of(name.bytes, length));
    if (bar == NULL || command == NULL) {
        return command;
    }
    return command_find_sub(command, slice_of(bar + 1, name.size - length - 1));
}

static void command_tell(void *context, const struct command *command)
{
    reply_command(context, command);
}

static void command_command(struct exec *x)
{
    reply_array(&x->reply, command_total(x));
    command_each(x, command_tell, &x->reply);
}

static void command_count(struct exec *x)
{
    reply_integer(&x->reply, command_total(x));
}

// What it tells depends on no core: the connection's own does it.
static bool command_info_target(struct exec *x, uint32_t *ret_shard)
{
    *ret_shard = x->shard->index;
    return true;
}

// A container is told with all of its subcommands, in some us: many names take slices.
static void command_info(struct exec *x)
{
    struct part *part = x->part;
    struct work_list *work = &x->shard->work;
    while (part->at + 2 < x->argc && !work_over(work)) {
        size_t before = x->reply.out->bytes;
        const struct command *command = command_by_full_name(x, x->argv[part->at + 2]);
        if (command == NULL) {
            reply_null(&x->reply);
        } else {
            reply_command(&x->reply, command);
        }
        part->at++;
        work_spend(work, WORK_KEY_LOOK + (x->reply.out->bytes - before) / WORK_TOLD_BYTES_A_UNIT);
    }
    part->more = part->at + 2 < x->argc;
}

static void command_info_finish(struct exec *x)
{
    if (x->argc == 2) {
        command_command(x);
        return;
    }
    reply_array(&x->reply, x->argc - 2);
    outbuf_splice(x->reply.out, &x->parts[0].out, x->reply.cache);
}

static void command_tell_docs(void *context, const struct command *command)
{
    reply_bulk_text(context, command->label != NULL ? command->label : command->name);
    reply_docs(context, command);
}

static void command_docs(struct exec *x)
{
    if (x->argc == 2) {
        reply_map(&x->reply, command_total(x));
        command_each(x, command_tell_docs, &x->reply);
        return;
    }
    uint32_t count = 0;
    for (uint32_t i = 2; i < x->argc; i++) {
        count += command_by_full_name(x, x->argv[i]) != NULL;
    }
    reply_map(&x->reply, count);
    for (uint32_t i = 2; i < x->argc; i++) {
        const struct command *command = command_by_full_name(x, x->argv[i]);
        if (command != NULL) {
            command_tell_docs(&x->reply, command);
        }
    }
}

struct command_filter {
    struct reply *reply; // NULL: only counts
    uint32_t count;
    uint32_t category;
    struct slice pattern;
    bool by_category, by_pattern, none;
};

static void command_list_one(void *context, const struct command *command)
{
    struct command_filter *filter = context;
    const char *name = command->label != NULL ? command->label : command->name;
    bool matches = !filter->none;
    if (filter->by_category) {
        matches = matches && (command->categories & filter->category) != 0;
    }
    if (filter->by_pattern) {
        matches = matches && glob_match(filter->pattern, slice_from_text(name), true);
    }
    if (matches) {
        filter->count++;
        if (filter->reply != NULL) {
            reply_bulk_text(filter->reply, name);
        }
    }
    for (uint32_t i = 0; i < command->subcommand_count; i++) {
        command_list_one(context, &command->subcommands[i]);
    }
}

static bool command_filter_parse(struct exec *x, struct command_filter *filter)
{
    if (x->argc == 2) {
        return true;
    }
    if (x->argc != 5 || !exec_word(x, 2, "filterby")) {
        exec_error_syntax(x);
        return false;
    }
    struct slice value = x->argv[4];
    if (exec_word(x, 3, "module")) {
        filter->none = true;
    } else if (exec_word(x, 3, "aclcat")) {
        filter->by_category = true;
        for (uint32_t i = 0; i < ACL_CATEGORIES; i++) {
            const char *name = acl_category_name(i);
            if (strlen(name) == value.size &&
                strncasecmp(name, (const char *)value.bytes, value.size) == 0) {
                filter->category = 1U << i;
            }
        }
    } else if (exec_word(x, 3, "pattern")) {
        if (value.size > LIMIT_NAME_PATTERN_BYTES) {
            exec_errorf(x, "TOOLARGE a pattern of names may have up to %d bytes",
                        LIMIT_NAME_PATTERN_BYTES);
            return false;
        }
        filter->by_pattern = true;
        filter->pattern = value;
    } else {
        exec_error_syntax(x);
        return false;
    }
    return true;
}

static void command_list(struct exec *x)
{
    struct command_filter filter = {0};
    if (!command_filter_parse(x, &filter)) {
        return;
    }
    command_each(x, command_list_one, &filter);
    reply_array(&x->reply, filter.count);
    filter.reply = &x->reply;
    command_each(x, command_list_one, &filter);
}

// The words of the key at argv[at] of the command that begins at argv[first]: those that its
// specification has, and where it says that they vary (SET), those that they are here.
static struct slice command_key_words(const struct exec *x, const struct command *command,
                                      uint32_t first, uint32_t at)
{
    struct slice words = slice_from_text(command->key_flags);
    const char *comma = strstr(command->key_flags, ", ");
    if (comma != NULL) {
        size_t size = (size_t)(comma - command->key_flags);
        words = at == first ? slice_of(words.bytes, size) : slice_from_text(comma + 2);
    }
    if (strstr(command->key_flags, "variable_flags") != NULL) {
        words = slice_from_text("OW update");
        for (uint32_t i = 2 + first + 2; i < x->argc; i++) {
            words = exec_word(x, i, "get") ? slice_from_text("RW access update") : words;
        }
    }
    return words;
}

static void command_getkeys(struct exec *x)
{
    uint32_t first, end, step;
    bool with_flags = strcmp(x->command->name, "getkeysandflags") == 0;
    uint32_t argc = x->argc - 2;
    const struct command *command = command_find(x->shard->node->commands, x->argv[2]);
    if (command != NULL && command->subcommand_count != 0 && argc > 1) {
        command = command_find_sub(command, x->argv[3]);
    }
    if (command == NULL) {
        exec_error(x, "ERR Invalid command specified");
    } else if (command->key_first == 0) {
        exec_error(x, "ERR The command has no key arguments");
    } else if (!command_arity_ok(command, argc) ||
               !command_keys(command, argc, &first, &end, &step)) {
        exec_error(x, "ERR Invalid number of arguments specified for command");
    } else {
        reply_array(&x->reply, (end - first + step - 1) / step);
        for (uint32_t i = first; i < end; i += step) {
            if (with_flags) {
                struct slice words = command_key_words(x, command, first, i);
                reply_array(&x->reply, 2);
                reply_bulk(&x->reply, x->argv[i + 2]);
                reply_words(&x->reply, (const char *)words.bytes, words.size);
            } else {
                reply_bulk(&x->reply, x->argv[i + 2]);
            }
        }
    }
}

static void command_help(struct exec *x)
{
    static const char *const lines[] = {
        "COMMAND <subcommand> [<arg> [value] [opt] ...]. Subcommands are:",
        "(no subcommand)",
        "    Tell about all commands.",
        "COUNT",
        "    Tell how many commands there are.",
        "DOCS [<command-name> ...]",
        "    Tell what commands are for.",
        "GETKEYS <full-command>",
        "    Tell the keys of a full command.",
        "GETKEYSANDFLAGS <full-command>",
        "    Tell the keys of a full command and how they are used.",
        "INFO [<command-name> ...]",
        "    Tell about commands.",
        "LIST [FILTERBY (MODULE <name>|ACLCAT <category>|PATTERN <pattern>)]",
        "    List the names of commands.",
        "HELP",
        "    Print this help.",
        NULL,
    };
    help_reply(x, lines);
}

enum { ANY = COMMAND_LOADING | COMMAND_STALE | COMMAND_SENTINEL };

#define COMMAND_ABOUT(name_, run_, arity_, since_, tips_, summary_)                                \
    .name = (name_), .label = "command|" name_, .run = (run_), .arity = (arity_), .flags = ANY,    \
    .categories = ACL_SLOW | ACL_CONNECTION, .group = "server", .since = (since_),                 \
    .complexity = "O(N) in the number of commands", .summary = (summary_), .tips = (tips_)

#define COMMAND_ROW(...)                                                                           \
    {                                                                                              \
        COMMAND_ABOUT(__VA_ARGS__), .route = ROUTE_CONNECTION                                      \
    }

static const char UNORDERED[] = "nondeterministic_output_order";

static const struct command command_rows[] = {
    COMMAND_ROW("count", command_count, 2, "2.8.13", NULL, "Tells how many commands there are"),
    COMMAND_ROW("docs", command_docs, -2, "7.0.0", UNORDERED, "Tells what commands are for"),
    COMMAND_ROW("getkeys", command_getkeys, -4, "2.8.13", NULL, "Tells the keys of a full command"),
    COMMAND_ROW("getkeysandflags", command_getkeys, -4, "7.0.0", NULL,
                "Tells the keys of a full command and how they are used"),
    COMMAND_ROW("help", command_help, 2, "5.0.0", NULL, "Prints help about COMMAND"),
    {COMMAND_ABOUT("info", command_info, -2, "2.8.13", UNORDERED, "Tells about commands"),
     .route = ROUTE_ALL, .target = command_info_target, .finish = command_info_finish},
    COMMAND_ROW("list", command_list, -2, "7.0.0", UNORDERED, "Lists the names of commands"),
};

static const struct command command_container[] = {
    {.name = "command",
     .run = command_command,
     .arity = -1,
     .flags = ANY,
     .categories = ACL_SLOW | ACL_CONNECTION,
     .route = ROUTE_CONNECTION,
     .group = "server",
     .since = "2.8.13",
     .complexity = "O(N) in the number of commands",
     .summary = "Tells about all commands",
     .tips = UNORDERED,
     .subcommands = command_rows,
     .subcommand_count = sizeof command_rows / sizeof *command_rows},
};

const struct command_module commands_command = COMMAND_ROWS(command_container);
