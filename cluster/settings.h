// What CONFIG SET changes while a node runs, and the names that Redis has for it.
//
// A setting has one place: a field of struct config, for which Redis may have another name in other
// units (maxmemory is storage.memory_max in bytes), or a field below, for the few that rldb's
// configuration file does not have. CONFIG SET takes a copy of a shard's settings, changes it under
// whichever names were given, and puts it in force as a whole when all of them were good: each
// shard does that by itself, and all come to the same.
//
//     Redis's name                 ours                       difference
//     ---------------------------  -------------------------  -----------------------------------
//     maxmemory                    storage.memory_max         0 is `off`; no more than a number on
//                                                             the log engine, which keeps it
//     maxmemory-policy             storage.eviction           noeviction is refuse, allkeys-lru
//                                                             lru, allkeys-random random,
//                                                             volatile-ttl ttl
//     timeout                      clients.idle_timeout       in seconds
//     maxclients                   clients.max
//     maxmemory-clients            clients.memory_max         0 is `off`; a percentage is one of
//                                                             storage.memory_max
//     client-query-buffer-limit    clients.request_max        in bytes
//     client-output-buffer-limit   clients.output_max         read only; a part of the text
//     proto-max-bulk-len           storage.value_max          read only
//     loglevel                     log.level                  notice is info; verbose, which there
//                                                             is not, sets debug
//     aclfile, bind, port,         auth.users_file, listen.*  read only
//     unixsocket, cluster-enabled
//     dir                          node.data_dir              read only
#pragma once

#include "core/config.h"
#include "core/slice.h"
#include "core/text.h"
#include "engines/engine.h"

#include <stdint.h>

struct shard;

struct settings {
    struct config config;
    int64_t slowlog_threshold_us;
    uint32_t slowlog_length;
    uint64_t latency_threshold_ms;
};

void settings_take(const struct shard *shard, struct settings *ret_settings);

// Makes them the shard's, and does what a change asks for beyond that.
void settings_apply(struct shard *shard, const struct settings *settings);

// storage.memory_max of all shards together, `auto` resolved; 0: no bound.
uint64_t settings_memory_max_bytes(const struct shard *shard);

// The part of it that one shard has, for its engine: never 0 unless there is no bound.
uint64_t settings_memory_share_bytes(const struct shard *shard);

// clients.memory_max of all shards together, and the part of one; 0: no bound.
uint64_t settings_clients_memory_bytes(const struct shard *shard);
uint64_t settings_clients_memory_share_bytes(const struct shard *shard);

// Bytes of a segment, in whole blocks.
uint32_t settings_segment_bytes(const struct config *config);

// The part of storage.cache that one shard has, `auto` resolved.
uint64_t settings_cache_share_bytes(const struct shard *shard);

enum engine_eviction settings_eviction(const struct shard *shard);
struct engine_durability settings_durability(const struct shard *shard);

// Redis's name of storage.eviction.
const char *settings_policy_name(const struct config *config);

// Appends the value under Redis's name.
typedef void settings_get_fn(const struct shard *shard, struct text *text);
// NULL, or why the value cannot be: Redis's words where it has some.
typedef const char *settings_set_fn(const struct shard *shard, struct slice value,
                                    struct settings *settings);

struct settings_name {
    const char *name;
    const char *path;     // our own name of the same setting; NULL: there is none
    const char *fixed;    // what it always is here; NULL: `get` tells
    settings_get_fn *get; // NULL with `fixed`
    settings_set_fn *set; // NULL: it cannot change
};

// Redis's names, sorted.
extern const struct settings_name settings_names[];
extern const uint32_t settings_name_count;
