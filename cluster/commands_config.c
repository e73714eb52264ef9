// CONFIG: our own keys ("storage.sync") as the file has them, and the names that Redis clients ask
// for, answered with what is true here. What may be set is set on every core.
#include "cluster/commands.h"
#include "cluster/help.h"
#include "cluster/settings.h"
#include "cluster/shard.h"
#include "core/check.h"
#include "core/glob.h"
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

// Whether the setting is asked for, and the name to tell it by: as it was typed, or its own where
// a pattern asked first.
static bool config_asked(const struct exec *x, const char *name, struct slice *ret_name)
{
    for (uint32_t i = 2; i < x->argc; i++) {
        if (is_glob(x->argv[i])) {
            if (glob_match(x->argv[i], slice_from_text(name), true)) {
                *ret_name = slice_from_text(name);
                return true;
            }
        } else if (exec_word(x, i, name)) {
            *ret_name = x->argv[i];
            return true;
        }
    }
    return false;
}

static void config_tell(struct exec *x, struct slice name, const struct text *text)
{
    reply_bulk(&x->reply, name);
    reply_bulk(&x->reply, text_slice(text));
}

static void config_get(struct exec *x)
{
    uint32_t count = 0;
    struct slice name;
    for (uint32_t i = 0; i < settings_name_count; i++) {
        count += config_asked(x, settings_names[i].name, &name);
    }
    for (uint32_t i = 0; i < config_key_count; i++) {
        count += config_asked(x, config_keys[i].path, &name);
    }
    reply_map(&x->reply, count);
    char storage[CONFIG_VALUE_BYTES_MAX];
    struct text text;
    text_init_fixed(&text, storage, sizeof storage);
    for (uint32_t i = 0; i < settings_name_count; i++) {
        if (config_asked(x, settings_names[i].name, &name)) {
            text_clear(&text);
            if (settings_names[i].get != NULL) {
                settings_names[i].get(x->shard, &text);
            } else {
                text_string(&text, settings_names[i].fixed);
            }
            config_tell(x, name, &text);
        }
    }
    for (uint32_t i = 0; i < config_key_count; i++) {
        if (config_asked(x, config_keys[i].path, &name)) {
            text_clear(&text);
            config_value_text(&x->shard->config, &config_keys[i], &text);
            config_tell(x, name, &text);
        }
    }
}

// SET ----------------------------------------------------------------------------------------

static void config_failed(struct exec *x, struct slice name, const char *why)
{
    exec_errorf(x, "ERR CONFIG SET failed (possibly related to argument '%.*s') - %s",
                (int)name.size, (const char *)name.bytes, why);
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
                    (int)x->argv[at].size, (const char *)x->argv[at].bytes);
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
    {CONFIG_ROW("get", config_get, -3, "2.0.0", "Tells settings"), .route = ROUTE_CONNECTION},
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
