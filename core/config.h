// The configuration: one struct, one table, one strict reader.
//
// The file is YAML, read with libyaml's events: a mapping of sections, each a mapping of keys, each
// a scalar or a list of scalars. Every key is declared once in config_keys[] (core/config_keys.c)
// with type, default, range and help; from that table come the defaults, the parser and its
// messages, conf/full.yaml, CONFIG GET and CONFIG SET of our own names.
//
// Strict: an unknown key (the nearest known one is named), a key given twice, a wrong type, a value
// out of range, a bad unit, anchors, aliases, tags, a second document are refused with
//
//     FILE:LINE:COLUMN: what, and what was expected
//
// An empty file is a valid configuration. A struct config is a plain value without pointers: copy
// it freely, nothing is freed. Sizes are bytes, times are nanoseconds.
//
// Values in text: sizes are a number and B, KiB, MiB, GiB or TiB (a bare number is bytes); times a
// number and ns, us, ms, s, m or h (0 needs no unit); switches are on, off, true or false;
// addresses 127.0.0.1:7379,
// [::1]:7379, localhost:7379 (127.0.0.1) or unix:PATH.
#pragma once

#include "core/cpu.h"
#include "core/limits.h"
#include "core/text.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum config_engine { CONFIG_ENGINE_LOG, CONFIG_ENGINE_MEMORY, CONFIG_ENGINE_LSM };
enum config_sync { CONFIG_SYNC_ALWAYS, CONFIG_SYNC_INTERVAL, CONFIG_SYNC_NEVER };
enum config_eviction {
    CONFIG_EVICTION_REFUSE,
    CONFIG_EVICTION_LRU,
    CONFIG_EVICTION_RANDOM,
    CONFIG_EVICTION_TTL,
};

// Where to listen. `text` is what io_address_parse() of core/io.h takes.
struct config_address {
    char text[128]; // "127.0.0.1:7379", "[::]:7379", "unix:/run/rldb.sock"; "" is off
    uint16_t port;  // 0: a unix socket, or off
    bool wildcard;  // 0.0.0.0 or [::]
    bool loopback;  // 127.0.0.0/8, [::1], a unix socket, or off
};

// A peer to find the cluster by: a name or a number, resolved when it is used.
struct config_seed {
    char host[LIMIT_CONFIG_HOST_BYTES];
    uint16_t port;
};

struct config_listeners {
    uint32_t count;
    struct config_address at[LIMIT_CONFIG_LISTENERS];
};

struct config_seeds {
    uint32_t count;
    struct config_seed at[LIMIT_CONFIG_SEEDS];
};

// node.shards: auto (count 0), a count, or a list of CPUs (count is its length).
struct config_shards {
    uint32_t count;
    bool listed;          // `cpus` says where each runs
    struct cpu_list cpus; // in the order given: shard 0 first
};

struct config_node {
    char name[LIMIT_CONFIG_NAME_BYTES];
    char data_dir[LIMIT_CONFIG_PATH_BYTES];
    struct config_shards shards;
};

struct config_listen {
    struct config_listeners client;
    struct config_address peer;
    struct config_address http;              // maybe off
    bool shard_ports;                        // see config_shard_port_base()
    uint16_t shard_port_base;                // 0: auto, the first client port + 1
    char advertise[LIMIT_CONFIG_HOST_BYTES]; // "": auto, the address listened on
};

struct config_storage {
    enum config_engine engine;
    enum config_sync sync;
    uint64_t sync_interval_ns;
    uint64_t cache_bytes; // 0: auto
    uint64_t segment_bytes;
    uint64_t memory_max_bytes; // 0: auto, or CONFIG_SIZE_OFF; see config_memory_max_bytes()
    enum config_eviction eviction;
    uint32_t disk_reserve_percent;
    uint64_t value_max_bytes;
};

struct config_cluster {
    char name[LIMIT_CONFIG_NAME_BYTES];
    uint32_t partitions;
    uint32_t replicas;
    uint32_t read_quorum;
    uint32_t write_quorum;
    struct config_seeds seeds;
    char zone[LIMIT_CONFIG_NAME_BYTES];
    uint32_t weight;
    char secret_file[LIMIT_CONFIG_PATH_BYTES]; // "": none
};

struct config_clients {
    uint32_t max;
    uint64_t idle_timeout_ns; // 0: never
    uint64_t output_max_bytes;
    uint64_t request_max_bytes;
    uint64_t memory_max_bytes; // 0: auto, or CONFIG_SIZE_OFF; see config_clients_memory_bytes()
    uint64_t timeout_ns;
};

struct config_auth {
    char users_file[LIMIT_CONFIG_PATH_BYTES]; // "": no users, everyone may do everything
    bool insecure;
};

struct config_log {
    unsigned level;                     // enum log_level
    unsigned format;                    // enum log_format
    char file[LIMIT_CONFIG_PATH_BYTES]; // "-": standard error
};

enum { CONFIG_KEYS_MAX = 64 };

// What `off` of a size is kept as: there is no bound.
#define CONFIG_SIZE_OFF UINT64_MAX

// Where a value was written, for messages: 0 where the default holds.
struct config_mark {
    uint32_t line;
    uint32_t column;
};

struct config {
    struct config_node node;
    struct config_listen listen;
    struct config_storage storage;
    struct config_cluster cluster;
    struct config_clients clients;
    struct config_auth auth;
    struct config_log log;
    char file[LIMIT_CONFIG_PATH_BYTES];        // it came from; "" for the defaults
    struct config_mark marks[CONFIG_KEYS_MAX]; // by index of config_keys[]
};

// The message is a whole line without '\n'.
struct config_error {
    char text[LIMIT_CONFIG_ERROR_BYTES];
    uint32_t line; // 0: the whole file
    uint32_t column;
    uint32_t reason; // where in `text` file, line, column and key are behind us
};

enum config_type {
    CONFIG_SWITCH,    // bool
    CONFIG_COUNT,     // uint32_t
    CONFIG_SIZE,      // uint64_t, bytes
    CONFIG_TIME,      // uint64_t, ns
    CONFIG_PERCENT,   // uint32_t
    CONFIG_CHOICE,    // unsigned or an enum: index of the choice
    CONFIG_NAME,      // char[LIMIT_CONFIG_NAME_BYTES]: letters, digits, '.', '_', '-'
    CONFIG_PATH,      // char[LIMIT_CONFIG_PATH_BYTES]
    CONFIG_HOST,      // char[LIMIT_CONFIG_HOST_BYTES]
    CONFIG_PORT,      // uint16_t
    CONFIG_ADDRESS,   // struct config_address, host and port
    CONFIG_LISTENERS, // struct config_listeners, unix:PATH too
    CONFIG_SEEDS,     // struct config_seeds
    CONFIG_SHARDS,    // struct config_shards
};

enum config_flags {
    CONFIG_AUTO = 1,    // `auto` is allowed, kept as 0 or ""
    CONFIG_OFF = 2,     // `off` is allowed, kept as "" or CONFIG_SIZE_OFF
    CONFIG_EMPTY = 4,   // "" is allowed
    CONFIG_RUNTIME = 8, // config_set() may change it while the node runs
    CONFIG_ZERO = 16,   // 0 is allowed although below the range: it means never
};

struct config_key {
    const char *path; // "storage.sync"
    enum config_type type;
    unsigned flags;
    uint32_t offset;            // in struct config
    const char *fallback;       // the default, as it would be written in the file
    uint64_t min, max;          // of numbers, sizes (bytes), times (ns)
    const char *const *choices; // ends with NULL
    const char *help;           // what it means, in one or more sentences
};

// The table, in the order of conf/full.yaml.
extern const struct config_key config_keys[];
extern const uint32_t config_key_count;

// NULL if there is none of that name.
const struct config_key *config_key_find(const char *path);

// All defaults.
void config_defaults(struct config *ret_config);

// Reads a text; `file` is only for messages. 0, -EINVAL with a message, or -ENOMEM. Outputs are
// untouched on success (error) and failure (config). Checks each value for itself: then call
// config_check().
int config_parse(const char *file, const char *bytes, size_t size, struct config *ret_config,
                 struct config_error *ret_error);

// The same of a file. Besides -EINVAL and -ENOMEM the -errno of reading it, with a message.
// Blocking; for the start of the program.
int config_load(const char *path, struct config *ret_config, struct config_error *ret_error);

// Whether the values fit together and what they name is there: ports that overlap, listening beyond
// loopback without users, a wildcard without advertise, quorums above replicas, files that must
// exist, an engine that this build lacks. Looks at the file system, changes nothing. 0 or -EINVAL.
int config_check(const struct config *config, const struct cpu_facts *facts,
                 struct config_error *ret_error);

// Whether storage.memory_max leaves each of so many shards what it takes to keep anything: 0 or
// -EINVAL. config_check() asks this of every configuration; who changes one that is in force asks
// it anew, and shows the message from ret_error->reason on.
int config_check_memory(const struct config *config, const struct cpu_facts *facts, uint32_t shards,
                        struct config_error *ret_error);

// What `auto` and the like come to.
uint32_t config_shard_count(const struct config *config, const struct cpu_facts *facts);
uint64_t config_memory_max_bytes(const struct config *config,
                                 const struct cpu_facts *facts); // 0: off
uint64_t config_clients_memory_bytes(const struct config *config, const struct cpu_facts *facts,
                                     uint32_t shards); // 0: off

// The port of shard 0; shard i listens on the next ones, on the host of the first client listener
// that is not a unix socket. 0: there are no shard ports (switched off, or no such listener and the
// switch not set).
uint16_t config_shard_port_base(const struct config *config);

// Appends the value as it would be written in the file: `64MiB`, `[0, 1]`, `auto`, `n1`.
void config_value_text(const struct config *config, const struct config_key *key,
                       struct text *text);

// Changes one value that has CONFIG_RUNTIME, by its text: 0, -EPERM (needs a restart) or -EINVAL,
// with a message that begins with the path in place of the file.
int config_set(struct config *config, const struct config_key *key, const char *value,
               struct config_error *ret_error);

// Appends a whole commented file of all defaults: conf/full.yaml.
void config_full_text(struct text *text);
