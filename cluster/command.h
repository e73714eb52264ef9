// Commands: what the table says of each, and what a handler sees while it runs.
//
// A handler is synchronous and touches one shard only. What it needs is brought to it:
//
//     ROUTE_CONNECTION  runs on the connection's own shard; x->client is the connection.
//     ROUTE_KEY         runs on the shard that owns the key argv[key_first]; x->item is that key,
//                       loaded.
//     ROUTE_KEYS        several keys: runs once for each key, on its owner, x->item that key
//                       (x->item->argument is its place in argv). The replies are merged as `merge`
//                       says. All-or-nothing to other clients (gate.h).
//     ROUTE_TRANSFER    two keys that may live on two shards: RENAME, RENAMENX, COPY. Run by
//                       transfer.c.
//     ROUTE_ALL         runs on every shard (on a shard port, with COMMAND_SCOPED: on that shard
//                       alone; with target(): on the one that it names) in slices, and fills
//                       x->part; then finish() runs on the connection's shard, sees all parts and
//                       replies.
//
// x->client is NULL in everything but ROUTE_CONNECTION handlers and finish(): the others may run
// far from the connection. They reply through x->reply alone.
#pragma once

#include "core/outbuf.h"
#include "core/reply.h"
#include "core/slice.h"

#include <stdbool.h>
#include <stdint.h>

struct client;
struct exec;
struct haul;
struct item;
struct part;
struct shard;

enum command_route {
    ROUTE_CONNECTION,
    ROUTE_KEY,
    // from here on commands that may be long, and that may take several cores
    ROUTE_KEYS,
    ROUTE_TRANSFER,
    ROUTE_ALL,
};

// How the replies to the keys of a ROUTE_KEYS command become one.
enum command_merge {
    MERGE_NONE,
    MERGE_SUM,    // run() adds to x->sum; the reply is the total
    MERGE_ARRAY,  // run() replies for its key; the reply is the array of these, in the order of the
                  // keys
    MERGE_OK,     // +OK, or the first error
    MERGE_UNLESS, // two rounds: check() may set x->veto; when no key did, run() follows. :1 or :0
};

enum command_flags {
    COMMAND_WRITE = 1 << 0,
    COMMAND_READONLY = 1 << 1,
    COMMAND_DENYOOM = 1 << 2,
    COMMAND_ADMIN = 1 << 3,
    COMMAND_NOSCRIPT = 1 << 4,
    COMMAND_LOADING = 1 << 5,
    COMMAND_STALE = 1 << 6,
    COMMAND_FAST = 1 << 7,
    COMMAND_NO_AUTH = 1 << 8, // may be sent before authentication
    COMMAND_ALLOW_BUSY = 1 << 9,
    COMMAND_SKIP_SLOWLOG = 1 << 10,
    COMMAND_NO_ASYNC_LOADING = 1 << 11,
    COMMAND_NO_MULTI = 1 << 12,
    COMMAND_SENTINEL = 1 << 13,
    COMMAND_SKIP_MONITOR = 1 << 14,
    COMMAND_MAY_REPLICATE = 1 << 15,
    COMMAND_PROTECTED = 1 << 16,
    COMMAND_MOVABLEKEYS = 1 << 17,
    // ours, not shown to clients
    COMMAND_BLIND = 1 << 21,   // without options it replaces or deletes a key whatever it holds,
                               // also one that cannot be read
    COMMAND_TOUCHES = 1 << 23, // counts as a use even where CLIENT NO-TOUCH is on
    COMMAND_SCOPED = 1 << 24,  // ROUTE_ALL: on a shard port covers that shard's slots alone
    COMMAND_STATELESS =
        1 << 27, // ROUTE_CONNECTION: what follows it in a pipeline may be parsed before it ran
    COMMAND_UNPAUSES = 1 << 28, // goes through CLIENT PAUSE
    COMMAND_WALK = 1 << 29,     // ROUTE_ALL: reads all keys, at one moment for groups (gate.h)
    COMMAND_WHOLE = 1 << 30,    // ROUTE_ALL: writes all keys, at one moment for everybody
    COMMAND_PAIRS = 1 << 26,    // key value pairs: an even number of arguments after the name
};

typedef void command_fn(struct exec *x);

// ROUTE_ALL on one shard: which. False when the arguments are wrong: it has replied.
typedef bool command_target_fn(struct exec *x, uint32_t *ret_shard);

// After the part of that shard: whether, and with what in it, a part of another one follows.
// Shards come in ascending order, each once.
typedef bool command_onward_fn(struct exec *x, const struct part *done, struct part *next,
                               uint32_t *ret_shard);

struct command {
    const char *name; // lower case; of a subcommand its own part ("getname")
    command_fn *run;
    command_fn *finish;        // ROUTE_ALL
    command_fn *check;         // MERGE_UNLESS
    command_target_fn *target; // ROUTE_ALL, or NULL
    command_onward_fn *onward; // with target, or NULL
    const struct command *subcommands;
    uint32_t subcommand_count;
    uint32_t flags;      // enum command_flags
    uint32_t categories; // acl.h
    int16_t arity;       // as Redis counts: the name included, -n for at least n
    int16_t key_first;   // 0: no keys
    int16_t key_last;    // -1: the last argument
    int16_t key_step;
    uint8_t route;
    uint8_t merge;
    uint16_t index;      // unique below COMMAND_INDEX_MAX; metrics and users' rights are kept by it
    const char *parent;  // of a subcommand: its container's name
    const char *label;   // of a subcommand: "client|list"
    const char *group;   // as COMMAND DOCS says it: string, generic, connection, server, cluster
    const char *summary; // in our words
    const char *since;   // of Redis
    const char *complexity;
    const char *key_flags; // of its key specification, space separated: "RW access update"
    const char *tips;      // comma separated
};

enum { COMMAND_INDEX_MAX = 256 };

// What one shard contributes to a ROUTE_ALL command. `data` is allocated by run() with
// memory_allocate() and freed by the framework.
//
// A run() that is long works until its slice is over (work.h), notes in `at`, `step` and `data`
// where it is, and sets `more`: it is called again in a later slice, so that others are served in
// between.
struct part {
    int64_t sum;
    uint64_t at;
    uint32_t step;
    bool more;
    bool waits; // with `more`: not before part_wake()
    struct outbuf out;
    void *data;
    size_t data_size;
};

// One command in execution on one shard.
struct exec {
    struct shard *shard;
    struct client *client; // see above
    const struct command *command;
    const struct slice *argv;
    uint32_t argc;
    struct reply reply;
    struct item *item;
    int64_t sum;
    uint64_t commit; // the reply waits until this group commit is durable; 0: it need not
    bool veto;
    bool failed;        // an error was replied through exec_error(); counted in commandstats
    uint64_t caller_id; // ROUTE_ALL: number of the connection that asked
    bool scoped;        // the client came by a shard port
    bool no_touch;      // CLIENT NO-TOUCH: what the client reads does not count as used
    bool reserved;      // memory was set aside for what it puts
    bool batch_bytes;   // the arguments' bytes go with the batch, not with the client's input
    bool may_haul;      // long values may be asked for, to be brought in slices (haul.h)
    bool later;         // went to another core, or waits: it is counted where and when it runs
    struct haul *haul;  // what was asked for and brought, or NULL
    struct hop *hop;    // of another core, that this is a request of; else NULL
    struct part *part;  // ROUTE_ALL, run(): of this shard
    struct part *parts; // ROUTE_ALL, finish(): of all shards asked
    uint32_t part_count;
};

// Replies an error (text without '-', with its code: "ERR syntax error") and marks x as failed.
void exec_error(struct exec *x, const char *text);
void exec_errorf(struct exec *x, const char *format, ...) __attribute__((format(printf, 2, 3)));
void exec_error_memory(struct exec *x);                 // storage.memory_max is reached
void exec_error_full(struct exec *x);                   // that, or the disk's bound
void exec_error_too_large(struct exec *x, size_t size); // a value is beyond storage.value_max
void exec_error_syntax(struct exec *x);
void exec_error_not_integer(struct exec *x);
void exec_error_arity(struct exec *x); // ERR wrong number of arguments for 'x' command
// ERR unknown subcommand or wrong number of arguments for 'y'. Try X HELP.
void exec_error_subcommand(struct exec *x);
bool exec_integer_32(struct exec *x, uint32_t at, int64_t *ret_value); // as Redis takes an int

// For %.*s: as much of an argument as an error repeats. (Printing counts all that it is given.)
int exec_shown(struct slice argument);

// True when argv[at] is this word, whatever its case.
bool exec_word(const struct exec *x, uint32_t at, const char *lower_case_word);

// argv[at] as an integer: false, having replied ERR value is not an integer or out of range.
bool exec_integer(struct exec *x, uint32_t at, int64_t *ret_value);

// Points the slices at one copy of their bytes, *ret_bytes, which the caller frees. False: no
// memory.
bool exec_copy_argument_bytes(struct slice *argv, uint32_t argc, void **ret_bytes);

// The rows of one module (commands_*.c), in any order. A row's `index` and `parent`, and those of
// its subcommands, are filled in by command_index_open().
struct command_module {
    const struct command *rows;
    uint32_t count;
};

// Built once for a node and read by all its shards: every module's rows, found by name.
struct command_index;
int command_index_open(struct command_index **ret_index);
void command_index_close(struct command_index *index);

// The command of this name (any case), or NULL.
const struct command *command_find(const struct command_index *index, struct slice name);

// The subcommand of this name, or NULL.
const struct command *command_find_sub(const struct command *container, struct slice name);

// Commands and subcommands by their index, 0 on; NULL past the last.
const struct command *command_at(const struct command_index *index, uint32_t at);

// "get", "client|list": from the static tables alone, for the labels of metrics. NULL past the
// last.
const char *command_name_of_index(uint32_t at);

// Whether argc satisfies the command's arity.
static inline bool command_arity_ok(const struct command *command, uint32_t argc)
{
    return command->arity >= 0 ? argc == (uint32_t)command->arity
                               : argc >= (uint32_t)-command->arity;
}

// The places of the command's keys in an argv of argc: first, one past the last, step. False when
// it has none.
bool command_keys(const struct command *command, uint32_t argc, uint32_t *ret_first,
                  uint32_t *ret_end, uint32_t *ret_step);

// "get", or "client|list" for a subcommand.
void command_full_name(const struct command *command, char *text, size_t size);
