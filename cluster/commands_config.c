// CONFIG: our own keys ("storage.sync") as the file has them, and the names that Redis clients ask
// for, answered with what is true here. What may be set is set on every core.
#include "cluster/commands_config.h"

#include "cluster/commands.h"
#include "cluster/help.h"
#include "cluster/shard.h"
#include "cluster/slowlog.h"
#include "core/glob.h"
#include "core/number.h"
#include "core/text.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

enum { CONFIG_VALUE_BYTES_MAX = 8192 };

static const char *const policies[] = {
    [CONFIG_EVICTION_REFUSE] = "noeviction",
    [CONFIG_EVICTION_LRU] = "allkeys-lru",
    [CONFIG_EVICTION_RANDOM] = "allkeys-random",
    [CONFIG_EVICTION_TTL] = "volatile-ttl",
};

const char *config_policy_name(const struct config *config)
{
    return policies[config->storage.eviction];
}

// Redis's names ------------------------------------------------------------------------------

typedef void config_get_fn(const struct shard *shard, struct text *text);
// NULL, or why the value cannot be set.
typedef const char *config_set_fn(struct shard *shard, struct slice value);

static void get_maxmemory(const struct shard *shard, struct text *text)
{
    struct engine_stats stats;
    engine_stats(shard->engine, &stats);
    text_u64(text, stats.memory_max_bytes * shard->node->shard_count);
}

struct memory_unit {
    const char *unit;
    uint64_t bytes;
};

// As Redis: a number, or one with b, k, kb, m, mb, g, gb (k is 1000, kb is 1024).
static bool memory_parse(struct slice value, uint64_t *ret_bytes)
{
    static const struct memory_unit units[] = {
        {"", 1},           {"b", 1},
        {"k", 1000},       {"kb", 1024},
        {"m", 1000000},    {"mb", 1024 * 1024},
        {"g", 1000000000}, {"gb", 1024 * 1024 * 1024},
    };
    size_t digits = 0;
    uint64_t number = 0;
    while (digits < value.size && value.bytes[digits] >= '0' && value.bytes[digits] <= '9') {
        uint64_t digit = (uint64_t)value.bytes[digits++] - '0';
        if (number > (UINT64_MAX / 2 - digit) / 10) {
            return false;
        }
        number = number * 10 + digit;
    }
    for (size_t i = 0; digits != 0 && i < sizeof units / sizeof *units; i++) {
        if (strlen(units[i].unit) == value.size - digits &&
            strncasecmp(units[i].unit, (const char *)value.bytes + digits, value.size - digits) ==
                0 &&
            number <= UINT64_MAX / 2 / units[i].bytes) {
            *ret_bytes = number * units[i].bytes;
            return true;
        }
    }
    return false;
}

static void shard_apply_memory(struct shard *shard, uint64_t all_bytes)
{
    static const enum engine_eviction evictions[] = {
        [CONFIG_EVICTION_REFUSE] = EVICTION_REFUSE,
        [CONFIG_EVICTION_LRU] = EVICTION_LRU,
        [CONFIG_EVICTION_RANDOM] = EVICTION_RANDOM,
        [CONFIG_EVICTION_TTL] = EVICTION_TTL,
    };
    uint64_t share = all_bytes / shard->node->shard_count;
    // A bound below one byte a shard is still a bound: 0 would lift it.
    engine_set_memory_max(shard->engine, all_bytes != 0 && share == 0 ? 1 : share,
                          evictions[shard->config.storage.eviction]);
}

static const char *set_maxmemory(struct shard *shard, struct slice value)
{
    uint64_t bytes;
    if (!memory_parse(value, &bytes)) {
        return "argument must be a memory value";
    }
    shard_apply_memory(shard, bytes);
    return NULL;
}

static void get_policy(const struct shard *shard, struct text *text)
{
    text_string(text, config_policy_name(&shard->config));
}

static const char *set_policy(struct shard *shard, struct slice value)
{
    for (size_t i = 0; i < sizeof policies / sizeof *policies; i++) {
        if (strlen(policies[i]) == value.size &&
            strncasecmp(policies[i], (const char *)value.bytes, value.size) == 0) {
            struct engine_stats stats;
            engine_stats(shard->engine, &stats);
            shard->config.storage.eviction = (enum config_eviction)i;
            shard_apply_memory(shard, stats.memory_max_bytes * shard->node->shard_count);
            return NULL;
        }
    }
    return "argument(s) must be one of the following: noeviction, allkeys-lru, allkeys-random, "
           "volatile-ttl";
}

static bool set_number(struct slice value, int64_t least, int64_t most, int64_t *ret_number)
{
    return number_parse_i64(value, ret_number) && *ret_number >= least && *ret_number <= most;
}

static void get_timeout(const struct shard *shard, struct text *text)
{
    text_u64(text, shard->config.clients.idle_timeout_ns / 1000000000);
}

// Why set_number() refused.
static const char *number_problem(struct slice value, const char *range)
{
    int64_t number;
    return number_parse_i64(value, &number) ? range : "argument couldn't be parsed into an integer";
}

static const char *set_timeout(struct shard *shard, struct slice value)
{
    int64_t seconds;
    if (!set_number(value, 0, INT32_MAX, &seconds)) {
        return number_problem(value, "argument must be between 0 and 2147483647 inclusive");
    }
    shard->config.clients.idle_timeout_ns = (uint64_t)seconds * 1000000000;
    for (struct client *client = shard->clients; client != NULL; client = client->next) {
        client_idle_arm(client);
    }
    return NULL;
}

static void get_maxclients(const struct shard *shard, struct text *text)
{
    text_u64(text, shard->config.clients.max);
}

static const char *set_maxclients(struct shard *shard, struct slice value)
{
    int64_t most;
    if (!set_number(value, 1, shard->node->config.clients.max, &most)) {
        return number_problem(
            value, "argument must be between 1 and clients.max of the configuration file");
    }
    shard->config.clients.max = (uint32_t)most;
    return NULL;
}

static void get_slowlog_threshold(const struct shard *shard, struct text *text)
{
    text_printf(text, "%" PRId64, slowlog_threshold_us(shard->slowlog));
}

static const char *set_slowlog_threshold(struct shard *shard, struct slice value)
{
    int64_t threshold_us;
    if (!set_number(value, -1, INT64_MAX, &threshold_us)) {
        return number_problem(value,
                              "argument must be between -1 and 9223372036854775807 inclusive");
    }
    slowlog_configure(shard->slowlog, threshold_us, slowlog_length_max(shard->slowlog));
    shard->slowlog_each = threshold_us >= 0 && threshold_us < SLOWLOG_EACH_BELOW_US;
    return NULL;
}

static void get_slowlog_length(const struct shard *shard, struct text *text)
{
    text_u64(text, slowlog_length_max(shard->slowlog));
}

static const char *set_slowlog_length(struct shard *shard, struct slice value)
{
    int64_t length;
    if (!set_number(value, 0, INT64_MAX, &length)) {
        return number_problem(value,
                              "argument must be between 0 and 9223372036854775807 inclusive");
    }
    uint32_t kept = length < LIMIT_SLOWLOG_ENTRIES ? (uint32_t)length : LIMIT_SLOWLOG_ENTRIES;
    slowlog_configure(shard->slowlog, slowlog_threshold_us(shard->slowlog), kept);
    return NULL;
}

static void get_latency_threshold(const struct shard *shard, struct text *text)
{
    text_u64(text, shard->latency_threshold_ms);
}

static const char *set_latency_threshold(struct shard *shard, struct slice value)
{
    int64_t threshold_ms;
    if (!set_number(value, 0, INT64_MAX, &threshold_ms)) {
        return number_problem(value,
                              "argument must be between 0 and 9223372036854775807 inclusive");
    }
    shard->latency_threshold_ms = (uint64_t)threshold_ms;
    return NULL;
}

static void get_port(const struct shard *shard, struct text *text)
{
    text_u64(text, shard->node->client_port);
}

static void get_bind(const struct shard *shard, struct text *text)
{
    text_string(text, shard->node->host);
}

static void get_unixsocket(const struct shard *shard, struct text *text)
{
    const struct config_listeners *listeners = &shard->node->config.listen.client;
    for (uint32_t i = 0; i < listeners->count; i++) {
        if (listeners->at[i].port == 0) {
            text_string(text, listeners->at[i].text + strlen("unix:"));
            return;
        }
    }
}

static void get_dir(const struct shard *shard, struct text *text)
{
    text_string(text, shard->node->config.node.data_dir);
}

static void get_value_max(const struct shard *shard, struct text *text)
{
    text_u64(text, shard->config.storage.value_max_bytes);
}

static void get_cluster_enabled(const struct shard *shard, struct text *text)
{
    text_string(text, shard->node->shard_port_base != 0 ? "yes" : "no");
}

static void get_aclfile(const struct shard *shard, struct text *text)
{
    text_string(text, shard->node->config.auth.users_file);
}

static void get_loglevel(const struct shard *shard, struct text *text)
{
    static const char *const levels[] = {"debug", "notice", "warning", "warning"};
    text_string(text, levels[shard->config.log.level]);
}

static void get_output_limit(const struct shard *shard, struct text *text)
{
    text_printf(text, "normal %" PRIu64 " 0 0 slave 0 0 0 pubsub 0 0 0",
                shard->config.clients.output_max_bytes);
}

static void get_query_limit(const struct shard *shard, struct text *text)
{
    text_u64(text, shard->config.clients.request_max_bytes);
}

// Sorted by name. `fixed`: what it always is here.
static const struct {
    const char *name;
    const char *fixed;
    config_get_fn *get;
    config_set_fn *set;
} names[] = {
    {"aclfile", NULL, get_aclfile, NULL},
    {"activedefrag", "no", NULL, NULL},
    {"appendfsync", "everysec", NULL, NULL},
    {"appendonly", "no", NULL, NULL},
    {"bind", NULL, get_bind, NULL},
    {"client-output-buffer-limit", NULL, get_output_limit, NULL},
    {"client-query-buffer-limit", NULL, get_query_limit, NULL},
    {"cluster-enabled", NULL, get_cluster_enabled, NULL},
    {"daemonize", "no", NULL, NULL},
    {"databases", "1", NULL, NULL},
    {"dbfilename", "", NULL, NULL},
    {"dir", NULL, get_dir, NULL},
    {"hz", "10", NULL, NULL},
    {"io-threads", "1", NULL, NULL},
    {"latency-monitor-threshold", NULL, get_latency_threshold, set_latency_threshold},
    {"loglevel", NULL, get_loglevel, NULL},
    {"maxclients", NULL, get_maxclients, set_maxclients},
    {"maxmemory", NULL, get_maxmemory, set_maxmemory},
    {"maxmemory-policy", NULL, get_policy, set_policy},
    {"maxmemory-samples", "5", NULL, NULL},
    {"notify-keyspace-events", "", NULL, NULL},
    {"port", NULL, get_port, NULL},
    {"proto-max-bulk-len", NULL, get_value_max, NULL},
    {"requirepass", "", NULL, NULL},
    {"save", "", NULL, NULL},
    {"slowlog-log-slower-than", NULL, get_slowlog_threshold, set_slowlog_threshold},
    {"slowlog-max-len", NULL, get_slowlog_length, set_slowlog_length},
    {"tcp-keepalive", "0", NULL, NULL},
    {"timeout", NULL, get_timeout, set_timeout},
    {"unixsocket", NULL, get_unixsocket, NULL},
};

enum { NAMES = sizeof names / sizeof *names };

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
    for (uint32_t i = 0; i < NAMES; i++) {
        count += config_asked(x, names[i].name, &name);
    }
    for (uint32_t i = 0; i < config_key_count; i++) {
        count += config_asked(x, config_keys[i].path, &name);
    }
    reply_map(&x->reply, count);
    char storage[CONFIG_VALUE_BYTES_MAX];
    struct text text;
    text_init_fixed(&text, storage, sizeof storage);
    for (uint32_t i = 0; i < NAMES; i++) {
        if (config_asked(x, names[i].name, &name)) {
            text_clear(&text);
            if (names[i].get != NULL) {
                names[i].get(x->shard, &text);
            } else {
                text_string(&text, names[i].fixed);
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

static bool config_set_redis(struct exec *x, uint32_t at, bool *ret_known)
{
    for (uint32_t i = 0; i < NAMES; i++) {
        if (!exec_word(x, at, names[i].name)) {
            continue;
        }
        *ret_known = true;
        const char *why = names[i].set == NULL ? NULL : names[i].set(x->shard, x->argv[at + 1]);
        if (why != NULL) {
            config_failed(x, x->argv[at], why);
        }
        return why == NULL;
    }
    *ret_known = false;
    return false;
}

// What of our own keys is used by other than looking at the configuration.
static void config_apply(struct shard *shard, const struct config_key *key)
{
    if (strcmp(key->path, "clients.idle_timeout") == 0) {
        for (struct client *client = shard->clients; client != NULL; client = client->next) {
            client_idle_arm(client);
        }
    } else if (strcmp(key->path, "storage.eviction") == 0) {
        struct engine_stats stats; // the bound in force stays, whoever set it
        engine_stats(shard->engine, &stats);
        shard_apply_memory(shard, stats.memory_max_bytes * shard->node->shard_count);
    } else if (strcmp(key->path, "storage.memory_max") == 0) {
        const struct cpu_facts facts = {.memory_bytes = shard->node->memory_total_bytes};
        shard_apply_memory(shard, config_memory_max_bytes(&shard->config, &facts));
    } else if (strcmp(key->path, "log.level") == 0) {
        shard->log.level = (enum log_level)shard->config.log.level;
    } else {
        shard_init_limits(shard);
    }
}

static const struct config_key *config_own_key(const struct exec *x, uint32_t at)
{
    char path[128];
    (void)snprintf(path, sizeof path, "%.*s", (int)x->argv[at].size,
                   (const char *)x->argv[at].bytes);
    return config_key_find(path);
}

static bool config_set_own(struct exec *x, uint32_t at)
{
    char value[CONFIG_VALUE_BYTES_MAX];
    (void)snprintf(value, sizeof value, "%.*s", (int)x->argv[at + 1].size,
                   (const char *)x->argv[at + 1].bytes);
    const struct config_key *key = config_own_key(x, at);
    struct config_error error;
    if (config_set(&x->shard->config, key, value, &error) < 0) {
        config_failed(x, x->argv[at], error.text);
        return false;
    }
    config_apply(x->shard, key);
    return true;
}

// Whether argv[at] names a setting that may be set to the next argument, and was not named before.
static bool config_set_check(struct exec *x, uint32_t at)
{
    bool known = false;
    bool fixed = false;
    for (uint32_t i = 0; i < NAMES && !known; i++) {
        known = exec_word(x, at, names[i].name);
        fixed = known && names[i].set == NULL &&
                (names[i].fixed == NULL || // it may be set to what it is
                 !slice_equal(x->argv[at + 1], slice_from_text(names[i].fixed)));
    }
    if (!known && config_own_key(x, at) == NULL) {
        exec_errorf(x, "ERR Unknown option or number of arguments for CONFIG SET - '%.*s'",
                    (int)x->argv[at].size, (const char *)x->argv[at].bytes);
        return false;
    }
    if (fixed) {
        config_failed(x, x->argv[at], "can't set immutable config");
        return false;
    }
    for (uint32_t before = 2; before < at; before += 2) {
        if (x->argv[before].size == x->argv[at].size &&
            strncasecmp((const char *)x->argv[before].bytes, (const char *)x->argv[at].bytes,
                        x->argv[at].size) == 0) {
            config_failed(x, x->argv[at], "duplicate parameter");
            return false;
        }
    }
    return true;
}

static void config_set_run(struct exec *x)
{
    if (x->argc % 2 != 0) {
        exec_error_syntax(x);
        return;
    }
    for (uint32_t at = 2; at < x->argc; at += 2) {
        if (!config_set_check(x, at)) {
            return;
        }
    }
    for (uint32_t at = 2; at < x->argc; at += 2) {
        bool known;
        if (!config_set_redis(x, at, &known) && (known || !config_set_own(x, at))) {
            return;
        }
    }
}

static void config_finish_ok(struct exec *x)
{
    reply_ok(&x->reply);
}

static void config_resetstat(struct exec *x)
{
    stats_reset(&x->shard->stats);
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
