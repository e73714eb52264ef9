// CONFIG: our own keys ("storage.sync") as the file has them, and the names that Redis clients ask
// for, answered with what is true here. What may be set is set on every core.
#include "cluster/commands.h"
#include "cluster/help.h"
#include "cluster/settings.h"
#include "cluster/shard.h"
#include "core/check.h"
#include "core/glob.h"
#include "core/limits.h"
#include "core/memory.h"
#include "core/text.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

enum { CONFIG_VALUE_BYTES_MAX = 8192 };

// GET ----------------------------------------------------------------------------------------

static bool is_glob(struct slice text)
{
    for (size_t i = 0; i < text.size; i++) {
        if (text.bytes[i] == '*' || text.bytes[i] == '?' || text.bytes[i] == '[') {
            return true;
        }
    }
    return false;
}

enum { CONFIG_NAMES_MAX = 256 };

// Which argument asks for each setting: Redis's names, then our own. It is gone through argument by
// argument, in slices.
struct config_asked {
    uint32_t argument;             // the next
    uint32_t name;                 // and the next name for it
    uint16_t by[CONFIG_NAMES_MAX]; // 0: nobody asked
};

static_assert(LIMIT_ADMIT_ARGUMENTS <= UINT16_MAX, "by[] holds places of arguments");

static uint32_t config_name_count(void)
{
    CHECK(settings_name_count + config_key_count <= CONFIG_NAMES_MAX);
    return settings_name_count + config_key_count;
}

static const char *config_name(uint32_t index)
{
    return index < settings_name_count ? settings_names[index].name
                                       : config_keys[index - settings_name_count].path;
}

static bool config_matches(struct exec *x, struct slice word, const char *name)
{
    uint64_t steps = UINT64_MAX;
    struct glob glob;
    if (!is_glob(word)) {
        work_spend(&x->shard->work, WORK_ARGUMENT);
        return word.size == strlen(name) &&
               strncasecmp((const char *)word.bytes, name, word.size) == 0;
    }
    glob_begin(&glob, word, slice_from_text(name), true);
    bool matches = glob_run(&glob, &steps) == GLOB_MATCH;
    work_spend(&x->shard->work, WORK_ARGUMENT + (UINT64_MAX - steps) / WORK_STEPS_A_UNIT);
    return matches;
}

static bool config_get_target(struct exec *x, uint32_t *ret_shard)
{
    for (uint32_t i = 2; i < x->argc; i++) {
        if (x->argv[i].size > LIMIT_NAME_PATTERN_BYTES) {
            exec_errorf(x, "TOOLARGE a pattern of names may have up to %d bytes",
                        LIMIT_NAME_PATTERN_BYTES);
            return false;
        }
    }
    *ret_shard = x->shard->index;
    return true;
}

static void config_get(struct exec *x)
{
    struct part *part = x->part;
    if (part->data == NULL) {
        struct config_asked *asked = memory_allocate_zeroed(sizeof *asked);
        if (asked == NULL) {
            exec_error(x, "ERR out of memory");
            return;
        }
        asked->argument = 2;
        part->data = asked;
        part->data_size = sizeof *asked;
    }
    struct config_asked *asked = part->data;
    uint32_t names = config_name_count();
    while (asked->argument < x->argc && !work_over(&x->shard->work)) {
        struct slice word = x->argv[asked->argument];
        uint16_t *by = &asked->by[asked->name];
        if (*by == 0 && config_matches(x, word, config_name(asked->name))) {
            *by = (uint16_t)asked->argument;
        }
        if (++asked->name == names) {
            asked->name = 0;
            asked->argument++;
        }
    }
    part->more = asked->argument < x->argc;
}

static void config_value(const struct shard *shard, uint32_t index, struct text *text)
{
    text_clear(text);
    if (index >= settings_name_count) {
        config_value_text(&shard->config, &config_keys[index - settings_name_count], text);
    } else if (settings_names[index].get != NULL) {
        settings_names[index].get(shard, text);
    } else {
        text_string(text, settings_names[index].fixed);
    }
}

// Each with the name that it was asked for by: as it was typed, or its own where a pattern asked
// first.
static void config_get_finish(struct exec *x)
{
    const struct config_asked *asked = x->parts[0].data;
    uint32_t count = 0;
    char storage[CONFIG_VALUE_BYTES_MAX];
    struct text text;
    text_init_fixed(&text, storage, sizeof storage);
    for (uint32_t i = 0; i < config_name_count(); i++) {
        count += asked->by[i] != 0;
    }
    reply_map(&x->reply, count);
    for (uint32_t i = 0; i < config_name_count(); i++) {
        if (asked->by[i] != 0) {
            struct slice word = x->argv[asked->by[i]];
            config_value(x->shard, i, &text);
            reply_bulk(&x->reply, is_glob(word) ? slice_from_text(config_name(i)) : word);
            reply_bulk(&x->reply, text_slice(&text));
        }
    }
}

// SET ----------------------------------------------------------------------------------------

static void config_failed(struct exec *x, struct slice name, const char *why)
{
    exec_errorf(x, "ERR CONFIG SET failed (possibly related to argument '%.*s') - %s",
                exec_shown(name), (const char *)name.bytes, why);
}

// What an argument of CONFIG SET names: one of Redis's names, or a key of our own.
struct config_named {
    const struct settings_name *redis;
    const struct config_key *key; // also of Redis's name, where there is one
};

static bool config_find(const struct exec *x, uint32_t at, struct config_named *ret_named)
{
    for (uint32_t i = 0; i < settings_name_count; i++) {
        const struct settings_name *name = &settings_names[i];
        if (exec_word(x, at, name->name)) {
            *ret_named = (struct config_named){
                name, name->path == NULL ? NULL : config_key_find(name->path)};
            return true;
        }
    }
    for (uint32_t i = 0; i < config_key_count; i++) {
        if (exec_word(x, at, config_keys[i].path)) {
            *ret_named = (struct config_named){NULL, &config_keys[i]};
            return true;
        }
    }
    return false;
}

static bool config_same(const struct config_named *a, const struct config_named *b)
{
    return a->key != NULL || b->key != NULL ? a->key == b->key : a->redis == b->redis;
}

// Whether argv[at] names a setting that may be set to the next argument, and was not named before.
static bool config_set_check(struct exec *x, uint32_t at)
{
    struct config_named named, before;
    if (!config_find(x, at, &named)) {
        exec_errorf(x, "ERR Unknown option or number of arguments for CONFIG SET - '%.*s'",
                    exec_shown(x->argv[at]), (const char *)x->argv[at].bytes);
        return false;
    }
    if (named.redis != NULL && named.redis->set == NULL &&
        (named.redis->fixed == NULL || // it may be set to what it is
         !slice_equal(x->argv[at + 1], slice_from_text(named.redis->fixed)))) {
        config_failed(x, x->argv[at], "can't set immutable config");
        return false;
    }
    for (uint32_t i = 2; i < at; i += 2) {
        if (config_find(x, i, &before) && config_same(&named, &before)) {
            config_failed(x, x->argv[at], "duplicate parameter");
            return false;
        }
    }
    return true;
}

static const char *config_set_own(struct settings *settings, const struct config_key *key,
                                  struct slice value, struct config_error *ret_error)
{
    char text[CONFIG_VALUE_BYTES_MAX];
    if (value.size >= sizeof text || memchr(value.bytes, '\0', value.size) != NULL) {
        return "argument is too long or has a NUL byte";
    }
    memcpy(text, value.bytes, value.size);
    text[value.size] = '\0';
    return config_set(&settings->config, key, text, ret_error) < 0 ? ret_error->text : NULL;
}

// What `rldbd --check` refuses is refused here too. The log engine keeps the value and is not bound
// by it: README, "Where it is not Redis".
static const char *config_set_memory(const struct shard *shard, const struct config *config,
                                     struct config_error *ret_error)
{
    const struct cpu_facts facts = {.memory_bytes = shard->node->memory_total_bytes};

    if (config->storage.engine != CONFIG_ENGINE_MEMORY ||
        config_check_memory(config, &facts, shard->node->shard_count, ret_error) == 0) {
        return NULL;
    }
    return ret_error->text + ret_error->reason;
}

static bool config_set_one(struct exec *x, uint32_t at, struct settings *settings)
{
    struct config_error error;
    struct config_named named;
    const char *why = NULL;
    CHECK(config_find(x, at, &named)); // config_set_check() saw to it
    if (named.redis == NULL) {
        why = config_set_own(settings, named.key, x->argv[at + 1], &error);
    } else if (named.redis->set != NULL) {
        why = named.redis->set(x->shard, x->argv[at + 1], settings);
    }
    if (why == NULL && settings->config.clients.max > x->shard->node->config.clients.max) {
        why = "argument must be between 1 and clients.max of the configuration file";
    }
    if (why == NULL && named.key == config_key_find("storage.memory_max")) {
        why = config_set_memory(x->shard, &settings->config, &error);
    }
    if (why != NULL) {
        config_failed(x, x->argv[at], why);
    }
    return why == NULL;
}

static void config_set_run(struct exec *x)
{
    struct settings settings;
    if (x->argc % 2 != 0) {
        exec_error_syntax(x);
        return;
    }
    for (uint32_t at = 2; at < x->argc; at += 2) {
        if (!config_set_check(x, at)) {
            return;
        }
    }
    settings_take(x->shard, &settings);
    for (uint32_t at = 2; at < x->argc; at += 2) {
        if (!config_set_one(x, at, &settings)) {
            return; // nothing of it is in force
        }
    }
    settings_apply(x->shard, &settings);
}

static void config_finish_ok(struct exec *x)
{
    reply_ok(&x->reply);
}

static void config_resetstat(struct exec *x)
{
    stats_reset(&x->shard->stats);
    x->shard->reactor.metrics.turn_ns_max = 0;
    x->shard->work.spent_max = 0;
}

static void config_rewrite(struct exec *x)
{
    exec_error(x, "ERR rldb does not write its configuration file; edit it and restart the node");
}

static void config_help(struct exec *x)
{
    static const char *const lines[] = {
        "CONFIG <subcommand> [<arg> [value] [opt] ...]. Subcommands are:",
        "GET <pattern> [<pattern> ...]",
        "    Tell settings, by rldb's names (storage.sync) and Redis's (maxmemory).",
        "SET <directive> <value> [<directive> <value> ...]",
        "    Change settings until the node stops.",
        "RESETSTAT",
        "    Set what INFO counts back to 0.",
        "HELP",
        "    Print this help.",
        NULL,
    };
    help_reply(x, lines);
}

enum {
    CONFIG_FLAGS = COMMAND_ADMIN | COMMAND_NOSCRIPT | COMMAND_LOADING | COMMAND_STALE,
    CONFIG_CATEGORIES = ACL_ADMIN | ACL_SLOW | ACL_DANGEROUS,
};

#define CONFIG_ABOUT(name_, run_, arity_, flags_, categories_, since_, summary_)                   \
    .name = (name_), .label = "config|" name_, .run = (run_), .arity = (arity_),                   \
    .flags = (flags_), .categories = (categories_), .group = "server", .since = (since_),          \
    .complexity = "O(N) in the number of settings", .summary = (summary_)

#define CONFIG_ROW(name_, run_, arity_, ...)                                                       \
    CONFIG_ABOUT(name_, run_, arity_, CONFIG_FLAGS, CONFIG_CATEGORIES, __VA_ARGS__)

static const struct command config_rows[] = {
    {CONFIG_ROW("get", config_get, -3, "2.0.0", "Tells settings"), .route = ROUTE_ALL,
     .target = config_get_target, .finish = config_get_finish},
    {CONFIG_ABOUT("help", config_help, 2, COMMAND_LOADING | COMMAND_STALE, ACL_SLOW, "5.0.0",
                  "Prints help about CONFIG"),
     .route = ROUTE_CONNECTION},
    {CONFIG_ROW("resetstat", config_resetstat, 2, "2.0.0", "Sets what INFO counts back to 0"),
     .route = ROUTE_ALL, .finish = config_finish_ok},
    {CONFIG_ROW("rewrite", config_rewrite, 2, "2.8.0", "Not offered: the file is the user's"),
     .route = ROUTE_CONNECTION},
    {CONFIG_ROW("set", config_set_run, -4, "2.0.0", "Changes settings"),
     .tips = "request_policy:all_nodes,response_policy:all_succeeded", .route = ROUTE_ALL,
     .finish = config_finish_ok},
};

static const struct command config_container[] = {
    {.name = "config",
     .arity = -2,
     .categories = ACL_SLOW,
     .route = ROUTE_CONNECTION,
     .group = "server",
     .since = "2.0.0",
     .complexity = "Depends on subcommand.",
     .summary = "Tells and changes settings",
     .subcommands = config_rows,
     .subcommand_count = sizeof config_rows / sizeof *config_rows},
};

const struct command_module commands_config = COMMAND_ROWS(config_container);
