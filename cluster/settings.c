#include "cluster/settings.h"

#include "cluster/shard.h"
#include "cluster/slowlog.h"
#include "core/number.h"

#include <assert.h>
#include <inttypes.h>
#include <string.h>
#include <strings.h>

#define NS_PER_S UINT64_C(1000000000)

static const char *const policies[] = {
    [CONFIG_EVICTION_REFUSE] = "noeviction",
    [CONFIG_EVICTION_LRU] = "allkeys-lru",
    [CONFIG_EVICTION_RANDOM] = "allkeys-random",
    [CONFIG_EVICTION_TTL] = "volatile-ttl",
};

const char *settings_policy_name(const struct config *config)
{
    return policies[config->storage.eviction];
}

// What is in force --------------------------------------------------------------------------

uint64_t settings_memory_max_bytes(const struct shard *shard)
{
    const struct cpu_facts facts = {.memory_bytes = shard->node->memory_total_bytes};
    return config_memory_max_bytes(&shard->config, &facts);
}

uint64_t settings_memory_share_bytes(const struct shard *shard)
{
    uint64_t all = settings_memory_max_bytes(shard);
    uint64_t share = all / shard->node->shard_count;
    // A bound below one byte a shard is still a bound: 0 would lift it.
    return all != 0 && share == 0 ? 1 : share;
}

uint64_t settings_clients_memory_bytes(const struct shard *shard)
{
    const struct cpu_facts facts = {.memory_bytes = shard->node->memory_total_bytes};
    return config_clients_memory_bytes(&shard->config, &facts, shard->node->shard_count);
}

uint64_t settings_clients_memory_share_bytes(const struct shard *shard)
{
    return settings_clients_memory_bytes(shard) / shard->node->shard_count;
}

uint32_t settings_segment_bytes(const struct config *config)
{
    return (uint32_t)config->storage.segment_bytes & ~(uint32_t)(IO_DIRECT_ALIGN - 1);
}

uint64_t settings_cache_share_bytes(const struct shard *shard)
{
    uint64_t all = shard->config.storage.cache_bytes;
    all = all != 0 ? all : shard->node->memory_total_bytes / 4;
    return all / shard->node->shard_count;
}

struct engine_durability settings_durability(const struct shard *shard)
{
    static const enum engine_sync syncs[] = {
        [CONFIG_SYNC_ALWAYS] = ENGINE_SYNC_ALWAYS,
        [CONFIG_SYNC_INTERVAL] = ENGINE_SYNC_INTERVAL,
        [CONFIG_SYNC_NEVER] = ENGINE_SYNC_NEVER,
    };
    const struct config_storage *storage = &shard->config.storage;
    return (struct engine_durability){
        .sync = syncs[storage->sync],
        .sync_interval_ms = (storage->sync_interval_ns + 999999) / 1000000,
        .disk_reserve_percent = storage->disk_reserve_percent,
    };
}

enum engine_eviction settings_eviction(const struct shard *shard)
{
    static const enum engine_eviction evictions[] = {
        [CONFIG_EVICTION_REFUSE] = EVICTION_REFUSE,
        [CONFIG_EVICTION_LRU] = EVICTION_LRU,
        [CONFIG_EVICTION_RANDOM] = EVICTION_RANDOM,
        [CONFIG_EVICTION_TTL] = EVICTION_TTL,
    };
    return evictions[shard->config.storage.eviction];
}

void settings_take(const struct shard *shard, struct settings *ret_settings)
{
    *ret_settings = (struct settings){
        .config = shard->config,
        .slowlog_threshold_us = slowlog_threshold_us(shard->slowlog),
        .slowlog_length = slowlog_length_max(shard->slowlog),
        .latency_threshold_ms = shard->latency_threshold_ms,
    };
}

void settings_apply(struct shard *shard, const struct settings *settings)
{
    const struct config before = shard->config;
    const struct config *now = &settings->config;
    shard->config = *now;
    shard->log.level = (enum log_level)now->log.level;
    shard->latency_threshold_ms = settings->latency_threshold_ms;
    slowlog_configure(shard->slowlog, settings->slowlog_threshold_us, settings->slowlog_length);
    shard->slowlog_each = settings->slowlog_threshold_us >= 0 &&
                          settings->slowlog_threshold_us < SLOWLOG_EACH_BELOW_US;
    shard_init_limits(shard);
    client_memory_configure(shard);
    if (now->storage.memory_max_bytes != before.storage.memory_max_bytes ||
        now->storage.eviction != before.storage.eviction) {
        engine_set_memory_max(shard->engine, settings_memory_share_bytes(shard),
                              settings_eviction(shard));
    }
    if (now->storage.sync != before.storage.sync ||
        now->storage.sync_interval_ns != before.storage.sync_interval_ns ||
        now->storage.disk_reserve_percent != before.storage.disk_reserve_percent) {
        const struct engine_durability durability = settings_durability(shard);
        engine_set_durability(shard->engine, &durability);
        shard_cron_arm(shard);
    }
    if (now->clients.idle_timeout_ns != before.clients.idle_timeout_ns) {
        client_round_begin(shard);
    }
}

// Values as Redis takes them ----------------------------------------------------------------

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

// The choice of that name, in any case; -1: none.
static int choice_parse(const char *const *names, size_t count, struct slice value)
{
    for (size_t i = 0; i < count; i++) {
        if (strlen(names[i]) == value.size &&
            strncasecmp(names[i], (const char *)value.bytes, value.size) == 0) {
            return (int)i;
        }
    }
    return -1;
}

static bool number_parse(struct slice value, int64_t least, int64_t most, int64_t *ret_number)
{
    return number_parse_i64(value, ret_number) && *ret_number >= least && *ret_number <= most;
}

// Why number_parse() refused.
static const char *number_problem(struct slice value, const char *range)
{
    int64_t number;
    return number_parse_i64(value, &number) ? range : "argument couldn't be parsed into an integer";
}

// Redis's names -----------------------------------------------------------------------------

static void get_maxmemory(const struct shard *shard, struct text *text)
{
    text_u64(text, settings_memory_max_bytes(shard));
}

static const char *set_maxmemory(const struct shard *shard, struct slice value,
                                 struct settings *settings)
{
    (void)shard;
    uint64_t bytes;
    if (!memory_parse(value, &bytes)) {
        return "argument must be a memory value";
    }
    settings->config.storage.memory_max_bytes = bytes == 0 ? CONFIG_SIZE_OFF : bytes;
    return NULL;
}

static void get_maxmemory_clients(const struct shard *shard, struct text *text)
{
    text_u64(text, settings_clients_memory_bytes(shard));
}

// As maxmemory, or a percentage of it.
static const char *set_maxmemory_clients(const struct shard *shard, struct slice value,
                                         struct settings *settings)
{
    uint64_t bytes;
    int64_t percent;
    if (value.size != 0 && value.bytes[value.size - 1] == '%') {
        if (!number_parse(slice_of(value.bytes, value.size - 1), 0, INT64_MAX, &percent)) {
            return "argument must be a memory or percent value";
        }
        if (percent > 100) {
            return "percentage argument must be less or equal to 100";
        }
        bytes = settings_memory_max_bytes(shard) / 100 * (uint64_t)percent;
    } else if (!memory_parse(value, &bytes)) {
        return "argument must be a memory or percent value";
    }
    settings->config.clients.memory_max_bytes = bytes == 0 ? CONFIG_SIZE_OFF : bytes;
    return NULL;
}

static void get_policy(const struct shard *shard, struct text *text)
{
    text_string(text, settings_policy_name(&shard->config));
}

static const char *set_policy(const struct shard *shard, struct slice value,
                              struct settings *settings)
{
    (void)shard;
    int policy = choice_parse(policies, sizeof policies / sizeof policies[0], value);
    if (policy < 0) {
        return "argument(s) must be one of the following: noeviction, allkeys-lru, "
               "allkeys-random, volatile-ttl";
    }
    settings->config.storage.eviction = (enum config_eviction)policy;
    return NULL;
}

static const char *const syncs[] = {
    [CONFIG_SYNC_ALWAYS] = "always",
    [CONFIG_SYNC_INTERVAL] = "everysec",
    [CONFIG_SYNC_NEVER] = "no",
};

static void get_sync(const struct shard *shard, struct text *text)
{
    text_string(text, syncs[shard->config.storage.sync]);
}

static const char *set_sync(const struct shard *shard, struct slice value,
                            struct settings *settings)
{
    (void)shard;
    int sync = choice_parse(syncs, sizeof syncs / sizeof syncs[0], value);
    if (sync < 0) {
        return "argument(s) must be one of the following: always, everysec, no";
    }
    settings->config.storage.sync = (enum config_sync)sync;
    return NULL;
}

static void get_timeout(const struct shard *shard, struct text *text)
{
    text_u64(text, shard->config.clients.idle_timeout_ns / NS_PER_S);
}

static const char *set_timeout(const struct shard *shard, struct slice value,
                               struct settings *settings)
{
    (void)shard;
    int64_t seconds;
    if (!number_parse(value, 0, INT32_MAX, &seconds)) {
        return number_problem(value, "argument must be between 0 and 2147483647 inclusive");
    }
    settings->config.clients.idle_timeout_ns = (uint64_t)seconds * NS_PER_S;
    return NULL;
}

static void get_maxclients(const struct shard *shard, struct text *text)
{
    text_u64(text, shard->config.clients.max);
}

static const char *set_maxclients(const struct shard *shard, struct slice value,
                                  struct settings *settings)
{
    (void)shard;
    int64_t most;
    if (!number_parse(value, 1, UINT32_MAX, &most)) {
        return number_problem(value, "argument must be between 1 and 4294967295 inclusive");
    }
    settings->config.clients.max = (uint32_t)most;
    return NULL;
}

static void get_query_limit(const struct shard *shard, struct text *text)
{
    text_u64(text, shard->config.clients.request_max_bytes);
}

static const char *set_query_limit(const struct shard *shard, struct slice value,
                                   struct settings *settings)
{
    (void)shard;
    const struct config_key *key = config_key_find("clients.request_max");
    uint64_t bytes;
    if (!memory_parse(value, &bytes)) {
        return "argument must be a memory value";
    }
    if (bytes < key->min || bytes > key->max) {
        return "argument must be between 65536 and 4294967296 inclusive";
    }
    settings->config.clients.request_max_bytes = bytes;
    return NULL;
}

static void get_loglevel(const struct shard *shard, struct text *text)
{
    static const char *const levels[] = {
        [LOG_LEVEL_DEBUG] = "debug",
        [LOG_LEVEL_INFO] = "notice",
        [LOG_LEVEL_WARNING] = "warning",
        [LOG_LEVEL_ERROR] = "warning",
    };
    text_string(text, levels[shard->config.log.level]);
}

static const char *set_loglevel(const struct shard *shard, struct slice value,
                                struct settings *settings)
{
    (void)shard;
    static const char *const names[] = {"debug", "verbose", "notice", "warning"};
    static const enum log_level levels[] = {LOG_LEVEL_DEBUG, LOG_LEVEL_DEBUG, LOG_LEVEL_INFO,
                                            LOG_LEVEL_WARNING};
    int level = choice_parse(names, sizeof names / sizeof names[0], value);
    if (level < 0) {
        return "argument(s) must be one of the following: debug, verbose, notice, warning";
    }
    settings->config.log.level = levels[level];
    return NULL;
}

static void get_slowlog_threshold(const struct shard *shard, struct text *text)
{
    text_printf(text, "%" PRId64, slowlog_threshold_us(shard->slowlog));
}

static const char *set_slowlog_threshold(const struct shard *shard, struct slice value,
                                         struct settings *settings)
{
    (void)shard;
    int64_t threshold_us;
    if (!number_parse(value, -1, INT64_MAX, &threshold_us)) {
        return number_problem(value,
                              "argument must be between -1 and 9223372036854775807 inclusive");
    }
    settings->slowlog_threshold_us = threshold_us;
    return NULL;
}

static void get_slowlog_length(const struct shard *shard, struct text *text)
{
    text_u64(text, slowlog_length_max(shard->slowlog));
}

static const char *set_slowlog_length(const struct shard *shard, struct slice value,
                                      struct settings *settings)
{
    (void)shard;
    int64_t length;
    static_assert(LIMIT_SLOWLOG_ENTRIES == 1024, "the text says so");
    if (!number_parse(value, 0, LIMIT_SLOWLOG_ENTRIES, &length)) {
        return number_problem(value, "argument must be between 0 and 1024 inclusive");
    }
    settings->slowlog_length = (uint32_t)length;
    return NULL;
}

static void get_latency_threshold(const struct shard *shard, struct text *text)
{
    text_u64(text, shard->latency_threshold_ms);
}

static const char *set_latency_threshold(const struct shard *shard, struct slice value,
                                         struct settings *settings)
{
    (void)shard;
    int64_t threshold_ms;
    if (!number_parse(value, 0, INT64_MAX, &threshold_ms)) {
        return number_problem(value,
                              "argument must be between 0 and 9223372036854775807 inclusive");
    }
    settings->latency_threshold_ms = (uint64_t)threshold_ms;
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

static void get_output_limit(const struct shard *shard, struct text *text)
{
    text_printf(text, "normal %" PRIu64 " 0 0 slave 0 0 0 pubsub 0 0 0",
                shard->config.clients.output_max_bytes);
}

const struct settings_name settings_names[] = {
    {.name = "aclfile", .path = "auth.users_file", .get = get_aclfile},
    {.name = "activedefrag", .fixed = "no"},
    {"appendfsync", "storage.sync", NULL, get_sync, set_sync},
    {.name = "appendonly", .fixed = "no"},
    {.name = "bind", .get = get_bind},
    {.name = "client-output-buffer-limit", .path = "clients.output_max", .get = get_output_limit},
    {"client-query-buffer-limit", "clients.request_max", NULL, get_query_limit, set_query_limit},
    {.name = "cluster-enabled", .path = "listen.shard_ports", .get = get_cluster_enabled},
    {.name = "daemonize", .fixed = "no"},
    {.name = "databases", .fixed = "1"},
    {.name = "dbfilename", .fixed = ""},
    {.name = "dir", .path = "node.data_dir", .get = get_dir},
    {.name = "hz", .fixed = "10"},
    {.name = "io-threads", .fixed = "1"},
    {"latency-monitor-threshold", NULL, NULL, get_latency_threshold, set_latency_threshold},
    {"loglevel", "log.level", NULL, get_loglevel, set_loglevel},
    {"maxclients", "clients.max", NULL, get_maxclients, set_maxclients},
    {"maxmemory", "storage.memory_max", NULL, get_maxmemory, set_maxmemory},
    {"maxmemory-clients", "clients.memory_max", NULL, get_maxmemory_clients, set_maxmemory_clients},
    {"maxmemory-policy", "storage.eviction", NULL, get_policy, set_policy},
    {.name = "maxmemory-samples", .fixed = "5"},
    {.name = "notify-keyspace-events", .fixed = ""},
    {.name = "port", .get = get_port},
    {.name = "proto-max-bulk-len", .path = "storage.value_max", .get = get_value_max},
    {.name = "requirepass", .fixed = ""},
    {.name = "save", .fixed = ""},
    {"slowlog-log-slower-than", NULL, NULL, get_slowlog_threshold, set_slowlog_threshold},
    {"slowlog-max-len", NULL, NULL, get_slowlog_length, set_slowlog_length},
    {.name = "tcp-keepalive", .fixed = "0"},
    {"timeout", "clients.idle_timeout", NULL, get_timeout, set_timeout},
    {.name = "unixsocket", .get = get_unixsocket},
};

const uint32_t settings_name_count = sizeof settings_names / sizeof settings_names[0];
