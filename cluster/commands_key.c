// Keys: DEL, EXPIRE, TTL, TYPE, RENAME, OBJECT and their kin. Each handler is Redis 7.0's command
// of that name on one loaded key. What walks over many keys is in commands_keyspace.c.
#include "cluster/commands.h"
#include "cluster/expire.h"
#include "cluster/help.h"
#include "cluster/item.h"
#include "cluster/shard.h"
#include "core/number.h"

#include <string.h>

static void key_del(struct exec *x)
{
    if ((x->item->exists || x->item->unreadable) && item_delete(x, x->item)) {
        x->sum++;
    }
}

static void key_exists(struct exec *x)
{
    item_count_access(x->shard, x->item);
    x->sum += x->item->exists;
}

static void key_type(struct exec *x)
{
    item_count_access(x->shard, x->item);
    reply_simple(&x->reply, x->item->exists ? "string" : "none");
}

// Time ---------------------------------------------------------------------------------------

// :-2 no key, :-1 no expiry; else the time by `convert`.
static void key_reply_time(struct exec *x, int64_t (*convert)(uint64_t expire_ms, uint64_t now_ms))
{
    item_count_access(x->shard, x->item);
    if (!x->item->exists) {
        reply_integer(&x->reply, -2);
        return;
    }
    uint64_t expire_ms = item_expire_ms(x->item);
    reply_integer(&x->reply, expire_ms == 0 ? -1 : convert(expire_ms, x->shard->io->wall_ms));
}

static int64_t time_left_ms(uint64_t expire_ms, uint64_t now_ms)
{
    return expire_ms < now_ms ? 0 : (int64_t)(expire_ms - now_ms);
}

static int64_t time_left_s(uint64_t expire_ms, uint64_t now_ms)
{
    return (time_left_ms(expire_ms, now_ms) + 500) / 1000;
}

static int64_t time_at_ms(uint64_t expire_ms, uint64_t now_ms)
{
    (void)now_ms;
    return (int64_t)expire_ms;
}

static int64_t time_at_s(uint64_t expire_ms, uint64_t now_ms)
{
    (void)now_ms;
    return (int64_t)((expire_ms + 500) / 1000);
}

static void key_ttl(struct exec *x)
{
    key_reply_time(x, time_left_s);
}

static void key_pttl(struct exec *x)
{
    key_reply_time(x, time_left_ms);
}

static void key_expiretime(struct exec *x)
{
    key_reply_time(x, time_at_s);
}

static void key_pexpiretime(struct exec *x)
{
    key_reply_time(x, time_at_ms);
}

enum expire_condition { IF_NX = 1, IF_XX = 2, IF_GT = 4, IF_LT = 8 };

static bool expire_conditions(struct exec *x, unsigned *ret_conditions)
{
    unsigned conditions = 0;
    for (uint32_t at = 3; at < x->argc; at++) {
        if (exec_word(x, at, "nx")) {
            conditions |= IF_NX;
        } else if (exec_word(x, at, "xx")) {
            conditions |= IF_XX;
        } else if (exec_word(x, at, "gt")) {
            conditions |= IF_GT;
        } else if (exec_word(x, at, "lt")) {
            conditions |= IF_LT;
        } else {
            exec_errorf(x, "ERR Unsupported option %.*s", exec_shown(x->argv[at]),
                        (const char *)x->argv[at].bytes);
            return false;
        }
    }
    if ((conditions & IF_NX) && (conditions & (IF_XX | IF_GT | IF_LT))) {
        exec_error(x, "ERR NX and XX, GT or LT options at the same time are not compatible");
        return false;
    }
    if ((conditions & IF_GT) && (conditions & IF_LT)) {
        exec_error(x, "ERR GT and LT options at the same time are not compatible");
        return false;
    }
    *ret_conditions = conditions;
    return true;
}

// No expiry counts as one that never comes.
static bool expire_conditions_hold(unsigned conditions, uint64_t now, int64_t then)
{
    if (((conditions & IF_NX) && now != 0) || ((conditions & IF_XX) && now == 0)) {
        return false;
    }
    if ((conditions & IF_GT) && (now == 0 || then <= (int64_t)now)) {
        return false;
    }
    return !((conditions & IF_LT) && now != 0 && then >= (int64_t)now);
}

static void key_expire_unit(struct exec *x, bool seconds, bool relative)
{
    unsigned conditions;
    int64_t when;
    int64_t now_ms = (int64_t)x->shard->io->wall_ms;
    if (!expire_conditions(x, &conditions) || !exec_integer(x, 2, &when)) {
        return;
    }
    bool valid = !seconds || (when <= INT64_MAX / 1000 && when >= INT64_MIN / 1000);
    if (valid && seconds) {
        when *= 1000;
    }
    if (!valid || (relative && when > INT64_MAX - now_ms)) {
        exec_errorf(x, "ERR invalid expire time in '%s' command", x->command->name);
        return;
    }
    when += relative ? now_ms : 0;
    if (!x->item->exists || !expire_conditions_hold(conditions, item_expire_ms(x->item), when)) {
        reply_integer(&x->reply, 0);
        return;
    }
    bool done = when <= now_ms ? item_delete(x, x->item) : item_expire(x, x->item, (uint64_t)when);
    if (done) {
        reply_integer(&x->reply, 1);
    }
}

static void key_expire(struct exec *x)
{
    key_expire_unit(x, true, true);
}

static void key_pexpire(struct exec *x)
{
    key_expire_unit(x, false, true);
}

static void key_expireat(struct exec *x)
{
    key_expire_unit(x, true, false);
}

static void key_pexpireat(struct exec *x)
{
    key_expire_unit(x, false, false);
}

static void key_persist(struct exec *x)
{
    if (!x->item->exists || item_expire_ms(x->item) == 0) {
        reply_integer(&x->reply, 0);
    } else if (item_expire(x, x->item, 0)) {
        reply_integer(&x->reply, 1);
    }
}

// OBJECT, MEMORY USAGE -----------------------------------------------------------------------

static void key_reply_none(struct exec *x)
{
    reply_null(&x->reply);
}

static void key_object_encoding(struct exec *x)
{
    if (!x->item->exists) {
        key_reply_none(x);
    } else {
        reply_bulk_text(&x->reply, item_encoding(x->item));
    }
}

static void key_object_refcount(struct exec *x)
{
    int64_t integer;
    if (!x->item->exists) {
        key_reply_none(x);
        return;
    }
    // Redis shares the integers 0 to 9999 and says so with this number.
    bool shared = item_integer(x->item, &integer) && integer >= 0 && integer < 10000;
    reply_integer(&x->reply, shared ? INT32_MAX : 1);
}

static void key_object_idletime(struct exec *x)
{
    if (!x->item->exists) {
        key_reply_none(x);
        return;
    }
    // What the key's stamp tells: when it was last written. Reads leave no time behind.
    uint64_t written_ms = hlc_ms(x->item->object.winner.dot.hlc);
    uint64_t now_ms = x->shard->io->wall_ms;
    reply_integer(&x->reply, written_ms < now_ms ? (int64_t)((now_ms - written_ms) / 1000) : 0);
}

static void key_object_freq(struct exec *x)
{
    if (!x->item->exists) {
        key_reply_none(x);
        return;
    }
    exec_error(x, "ERR An LFU maxmemory policy is not selected, access frequency not tracked. "
                  "Please note that when switching between policies at runtime LRU and LFU data "
                  "will take some time to adjust.");
}

static void key_object_help(struct exec *x)
{
    static const char *const lines[] = {
        "OBJECT <subcommand> [<arg> [value] [opt] ...]. Subcommands are:",
        "ENCODING <key>",
        "    Tell how Redis would keep the value: int, embstr or raw.",
        "FREQ <key>",
        "    Needs an LFU policy, which rldb does not have.",
        "IDLETIME <key>",
        "    Tell the seconds since the key was last written.",
        "REFCOUNT <key>",
        "    Tell what Redis would count as references to the value.",
        "HELP",
        "    Print this help.",
        NULL,
    };
    help_reply(x, lines);
}

#define KEY_ABOUT(name_, run_, arity_, flags_, categories_, key_flags_, since_, complexity_,       \
                  summary_)                                                                        \
    .name = (name_), .run = (run_), .arity = (arity_), .flags = (flags_),                          \
    .categories = ACL_KEYSPACE | (categories_), .group = "generic", .key_flags = (key_flags_),     \
    .since = (since_), .complexity = (complexity_), .summary = (summary_)

#define KEY_ROW(...)                                                                               \
    KEY_ABOUT(__VA_ARGS__), .key_first = 1, .key_last = 1, .key_step = 1, .route = ROUTE_KEY
#define KEY_KEYS(...)                                                                              \
    KEY_ABOUT(__VA_ARGS__), .key_first = 1, .key_last = -1, .key_step = 1, .route = ROUTE_KEYS,    \
                            .merge = MERGE_SUM
#define KEY_TRANSFER(...)                                                                          \
    KEY_ABOUT(__VA_ARGS__), .key_first = 1, .key_last = 2, .key_step = 1, .route = ROUTE_TRANSFER
#define KEY_SUB(label_, ...)                                                                       \
    KEY_ABOUT(__VA_ARGS__), .label = (label_), .key_first = 2, .key_last = 2, .key_step = 1,       \
                            .route = ROUTE_KEY

enum {
    READ_FAST = COMMAND_READONLY | COMMAND_FAST,
    WRITE_FAST = COMMAND_WRITE | COMMAND_FAST,
    ACL_READ_FAST = ACL_READ | ACL_FAST,
    ACL_WRITE_FAST = ACL_WRITE | ACL_FAST,
    ACL_WRITE_SLOW = ACL_WRITE | ACL_SLOW,
};

static const struct command object_rows[] = {
    {KEY_SUB("object|encoding", "encoding", key_object_encoding, 3, COMMAND_READONLY,
             ACL_READ | ACL_SLOW, "RO", "2.2.3", "O(1)", "Tells how Redis would keep the value"),
     .tips = "nondeterministic_output"},
    {KEY_SUB("object|freq", "freq", key_object_freq, 3, COMMAND_READONLY, ACL_READ | ACL_SLOW, "RO",
             "4.0.0", "O(1)", "Needs an LFU policy, which rldb does not have"),
     .tips = "nondeterministic_output"},
    {KEY_ABOUT("help", key_object_help, 2, COMMAND_LOADING | COMMAND_STALE, ACL_SLOW, "", "6.2.0",
               "O(1)", "Prints help about OBJECT"),
     .label = "object|help", .route = ROUTE_CONNECTION},
    {KEY_SUB("object|idletime", "idletime", key_object_idletime, 3, COMMAND_READONLY,
             ACL_READ | ACL_SLOW, "RO", "2.2.3", "O(1)",
             "Tells the seconds since the key was written"),
     .tips = "nondeterministic_output"},
    {KEY_SUB("object|refcount", "refcount", key_object_refcount, 3, COMMAND_READONLY,
             ACL_READ | ACL_SLOW, "RO", "2.2.3", "O(1)",
             "Tells what Redis would count as references"),
     .tips = "nondeterministic_output"},
};

static const struct command key_rows[] = {
    {KEY_TRANSFER("copy", NULL, -3, COMMAND_WRITE | COMMAND_DENYOOM, ACL_WRITE_SLOW,
                  "RO access, OW update", "6.2.0", "O(N) in the size of the value",
                  "Copies a key's value to another key")},
    {KEY_KEYS("del", key_del, -2, COMMAND_WRITE | COMMAND_BLIND, ACL_WRITE_SLOW, "RM delete",
              "1.0.0", "O(N) in the number of keys", "Deletes keys"),
     .tips = "request_policy:multi_shard,response_policy:agg_sum"},
    {KEY_KEYS("exists", key_exists, -2, READ_FAST, ACL_READ_FAST, "RO", "1.0.0",
              "O(N) in the number of keys", "Counts the keys that are there"),
     .tips = "request_policy:multi_shard,response_policy:agg_sum"},
    {KEY_ROW("expire", key_expire, -3, WRITE_FAST, ACL_WRITE_FAST, "RW update", "1.0.0", "O(1)",
             "Lets a key expire after seconds")},
    {KEY_ROW("expireat", key_expireat, -3, WRITE_FAST, ACL_WRITE_FAST, "RW update", "1.2.0", "O(1)",
             "Lets a key expire at a time in seconds")},
    {KEY_ROW("expiretime", key_expiretime, 2, READ_FAST, ACL_READ_FAST, "RO access", "7.0.0",
             "O(1)", "Tells when a key expires, in seconds")},
    {.name = "object",
     .arity = -2,
     .categories = ACL_SLOW,
     .group = "generic",
     .since = "2.2.3",
     .complexity = "Depends on subcommand.",
     .summary = "Tells about the inside of a key",
     .subcommands = object_rows,
     .subcommand_count = sizeof object_rows / sizeof *object_rows,
     .route = ROUTE_CONNECTION},
    {KEY_ROW("persist", key_persist, 2, WRITE_FAST, ACL_WRITE_FAST, "RW update", "2.2.0", "O(1)",
             "Removes a key's expiry")},
    {KEY_ROW("pexpire", key_pexpire, -3, WRITE_FAST, ACL_WRITE_FAST, "RW update", "2.6.0", "O(1)",
             "Lets a key expire after milliseconds")},
    {KEY_ROW("pexpireat", key_pexpireat, -3, WRITE_FAST, ACL_WRITE_FAST, "RW update", "2.6.0",
             "O(1)", "Lets a key expire at a time in milliseconds")},
    {KEY_ROW("pexpiretime", key_pexpiretime, 2, READ_FAST, ACL_READ_FAST, "RO access", "7.0.0",
             "O(1)", "Tells when a key expires, in milliseconds")},
    {KEY_ROW("pttl", key_pttl, 2, READ_FAST, ACL_READ_FAST, "RO access", "2.6.0", "O(1)",
             "Tells the milliseconds that a key has left"),
     .tips = "nondeterministic_output"},
    {KEY_TRANSFER("rename", NULL, 3, COMMAND_WRITE, ACL_WRITE_SLOW, "RW access delete, OW update",
                  "1.0.0", "O(1)", "Renames a key, over what the new name held")},
    {KEY_TRANSFER("renamenx", NULL, 3, COMMAND_WRITE | COMMAND_FAST, ACL_WRITE_FAST,
                  "RW access delete, OW insert", "1.0.0", "O(1)",
                  "Renames a key if the new name is free")},
    {KEY_KEYS("touch", key_exists, -2, READ_FAST | COMMAND_TOUCHES, ACL_READ_FAST, "RO", "3.2.1",
              "O(N) in the number of keys", "Counts the keys that are there, and marks them used"),
     .tips = "request_policy:multi_shard,response_policy:agg_sum"},
    {KEY_ROW("ttl", key_ttl, 2, READ_FAST, ACL_READ_FAST, "RO access", "1.0.0", "O(1)",
             "Tells the seconds that a key has left"),
     .tips = "nondeterministic_output"},
    {KEY_ROW("type", key_type, 2, READ_FAST, ACL_READ_FAST, "RO", "1.0.0", "O(1)",
             "Tells what a key holds")},
    {KEY_KEYS("unlink", key_del, -2, WRITE_FAST | COMMAND_BLIND, ACL_WRITE_FAST, "RM delete",
              "4.0.0", "O(N) in the number of keys", "Deletes keys; their memory is freed later"),
     .tips = "request_policy:multi_shard,response_policy:agg_sum"},
};

const struct command_module commands_key = COMMAND_ROWS(key_rows);
