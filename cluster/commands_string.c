// Strings: GET, SET and their kin. Each handler is Redis 7.0's command of that name on one loaded
// key.
#include "cluster/commands.h"
#include "cluster/expire.h"
#include "cluster/haul.h"
#include "cluster/item.h"
#include "cluster/shard.h"
#include "core/memory.h"
#include "core/number.h"

#include <math.h>
#include <string.h>

static const char TEXT_TOO_LONG[] = "ERR string exceeds maximum allowed size (proto-max-bulk-len)";

enum { STRING_BYTES_MAX = 512 * 1024 * 1024 }; // proto-max-bulk-len, as Redis has it

// Reading ------------------------------------------------------------------------------------

// The value, to `out`. False: it was asked for in slices.
static bool string_tell(struct exec *x, struct outbuf *out)
{
    struct reply reply = x->reply;
    if (x->item->exists && !haul_bulk(x, out, item_value(x->item))) {
        return false;
    }
    if (!x->item->exists) {
        reply.out = out;
        reply_null(&reply);
    }
    item_count_access(x->shard, x->item);
    return true;
}

static void string_get(struct exec *x)
{
    (void)string_tell(x, x->reply.out);
}

// The value as it was, for a command that changes it and tells it. It lies in the engine's memory,
// so it is written down before the change, and told only where the change was not refused. False:
// it was asked for in slices.
static bool string_note_old(struct exec *x, struct outbuf *ret_old)
{
    *ret_old = (struct outbuf){0};
    return string_tell(x, ret_old);
}

static void string_tell_old(struct exec *x, struct outbuf *old, bool changed)
{
    if (changed) {
        outbuf_splice(x->reply.out, old, x->reply.cache);
    } else if (haul_asked(x->haul)) {
        haul_bulk_return(x, old); // the change has not been tried yet
    } else {
        outbuf_clear(old, x->reply.cache);
    }
}

static void string_strlen(struct exec *x)
{
    item_count_access(x->shard, x->item);
    reply_integer(&x->reply, x->item->exists ? (int64_t)item_value(x->item).size : 0);
}

static void string_getrange(struct exec *x)
{
    int64_t start, end;
    if (!exec_integer(x, 2, &start) || !exec_integer(x, 3, &end)) {
        return;
    }
    struct slice value = x->item->exists ? item_value(x->item) : slice_of(NULL, 0);
    struct slice part = {0};
    int64_t size = (int64_t)value.size;
    bool backwards = start < 0 && end < 0 && start > end;
    start = start < 0 ? (start + size < 0 ? 0 : start + size) : start;
    end = end < 0 ? (end + size < 0 ? 0 : end + size) : end;
    end = end >= size ? size - 1 : end;
    if (size != 0 && start <= end && !backwards) {
        part = slice_of(value.bytes + start, (size_t)(end - start + 1));
    }
    if (haul_bulk(x, x->reply.out, part)) {
        item_count_access(x->shard, x->item);
    }
}

// SET ----------------------------------------------------------------------------------------

struct set_options {
    bool nx, xx, get, keep_ttl, persist;
    enum expire_unit unit;
    uint32_t expire_at; // place of the time in argv
};

// One option at argv[*at]. False: it is none, or it contradicts one before.
static bool set_option(struct exec *x, uint32_t *at, bool getex, struct set_options *options)
{
    enum expire_unit unit = expire_word(x, *at);
    if (unit != EXPIRE_NONE) {
        // As in Redis, the same option may come again, and the last one counts.
        bool other = options->unit != EXPIRE_NONE && options->unit != unit;
        if (other || options->keep_ttl || options->persist || *at + 1 >= x->argc) {
            return false;
        }
        options->unit = unit;
        options->expire_at = ++*at;
    } else if (getex) {
        if (!exec_word(x, *at, "persist") || options->unit != EXPIRE_NONE) {
            return false;
        }
        options->persist = true;
    } else if (exec_word(x, *at, "nx") && !options->xx) {
        options->nx = true;
    } else if (exec_word(x, *at, "xx") && !options->nx) {
        options->xx = true;
    } else if (exec_word(x, *at, "get")) {
        options->get = true;
    } else if (exec_word(x, *at, "keepttl") && options->unit == EXPIRE_NONE) {
        options->keep_ttl = true;
    } else {
        return false;
    }
    return true;
}

static bool set_options_parse(struct exec *x, uint32_t first, bool getex,
                              struct set_options *ret_options)
{
    struct set_options options = {0};
    for (uint32_t at = first; at < x->argc; at++) {
        if (!set_option(x, &at, getex, &options)) {
            exec_error_syntax(x);
            return false;
        }
    }
    *ret_options = options;
    return true;
}

static void string_set_with(struct exec *x)
{
    struct set_options options;
    uint64_t expire_ms = 0;
    struct item *item = x->item;
    if (!set_options_parse(x, 3, false, &options)) {
        return;
    }
    if (options.unit != EXPIRE_NONE &&
        !expire_parse_positive(x, options.expire_at, options.unit, &expire_ms)) {
        return;
    }
    if ((options.nx && item->exists) || (options.xx && !item->exists)) {
        if (options.get) {
            string_get(x);
        } else {
            reply_null(&x->reply);
        }
        return;
    }
    if (!options.get) {
        if (options.keep_ttl ? item_replace(x, item, x->argv[2])
                             : item_set(x, item, x->argv[2], expire_ms)) {
            reply_ok(&x->reply);
        }
        return;
    }
    struct outbuf old;
    if (!string_note_old(x, &old)) {
        return;
    }
    string_tell_old(x, &old,
                    options.keep_ttl ? item_replace(x, item, x->argv[2])
                                     : item_set(x, item, x->argv[2], expire_ms));
}

static void string_set(struct exec *x)
{
    if (x->argc != 3) {
        string_set_with(x);
    } else if (item_set(x, x->item, x->argv[2], 0)) {
        reply_ok(&x->reply);
    }
}

static void string_setnx(struct exec *x)
{
    if (x->item->exists) {
        reply_integer(&x->reply, 0);
    } else if (item_set(x, x->item, x->argv[2], 0)) {
        reply_integer(&x->reply, 1);
    }
}

static void string_set_expiring(struct exec *x, enum expire_unit unit)
{
    uint64_t expire_ms;
    if (expire_parse_positive(x, 2, unit, &expire_ms) &&
        item_set(x, x->item, x->argv[3], expire_ms)) {
        reply_ok(&x->reply);
    }
}

static void string_setex(struct exec *x)
{
    string_set_expiring(x, EXPIRE_SECONDS);
}

static void string_psetex(struct exec *x)
{
    string_set_expiring(x, EXPIRE_MS);
}

static void string_mset(struct exec *x)
{
    (void)item_set(x, x->item, x->argv[x->item->argument + 1], 0);
}

static void string_msetnx_check(struct exec *x)
{
    x->veto = x->veto || x->item->exists;
}

// Reading and changing -----------------------------------------------------------------------

static void string_getset(struct exec *x)
{
    struct outbuf old;
    if (string_note_old(x, &old)) {
        string_tell_old(x, &old, item_set(x, x->item, x->argv[2], 0));
    }
}

static void string_getdel(struct exec *x)
{
    if (!x->item->exists) {
        string_get(x);
        return;
    }
    struct outbuf old;
    if (string_note_old(x, &old)) {
        string_tell_old(x, &old, item_delete(x, x->item));
    }
}

static void string_getex(struct exec *x)
{
    struct set_options options;
    uint64_t expire_ms = 0;
    if (!set_options_parse(x, 2, true, &options)) {
        return;
    }
    if (!x->item->exists) {
        string_get(x);
        return;
    }
    if (options.unit != EXPIRE_NONE &&
        !expire_parse_positive(x, options.expire_at, options.unit, &expire_ms)) {
        return;
    }
    struct outbuf old;
    bool absolute = options.unit == EXPIRE_AT_SECONDS || options.unit == EXPIRE_AT_MS;
    bool done = true;
    if (!string_note_old(x, &old)) {
        return;
    }
    if (absolute && expire_ms <= x->shard->io->wall_ms) {
        done = item_delete(x, x->item);
    } else if (options.unit != EXPIRE_NONE || (options.persist && item_expire_ms(x->item) != 0)) {
        done = item_expire(x, x->item, expire_ms);
    }
    string_tell_old(x, &old, done);
}

// Writes parts of values ----------------------------------------------------------------------

static bool string_fits(struct exec *x, uint64_t size)
{
    if (size <= STRING_BYTES_MAX) {
        return true;
    }
    exec_error(x, TEXT_TOO_LONG);
    return false;
}

static void string_append(struct exec *x)
{
    struct slice more = x->argv[2];
    size_t old_size = x->item->exists ? item_value(x->item).size : 0;
    size_t size = old_size + more.size;
    if (string_fits(x, size) && item_splice(x, x->item, old_size, more)) {
        reply_integer(&x->reply, (int64_t)size);
    }
}

static void string_setrange(struct exec *x)
{
    int64_t offset;
    struct slice part = x->argv[3];
    if (!exec_integer(x, 2, &offset)) {
        return;
    }
    if (offset < 0) {
        exec_error(x, "ERR offset is out of range");
        return;
    }
    size_t old_size = x->item->exists ? item_value(x->item).size : 0;
    if (part.size == 0) {
        reply_integer(&x->reply, (int64_t)old_size);
        return;
    }
    if ((uint64_t)offset > STRING_BYTES_MAX || !string_fits(x, (uint64_t)offset + part.size)) {
        if (!x->failed) {
            exec_error(x, TEXT_TOO_LONG);
        }
        return;
    }
    size_t end = (size_t)offset + part.size;
    size_t size = end > old_size ? end : old_size;
    if (item_splice(x, x->item, (size_t)offset, part)) {
        reply_integer(&x->reply, (int64_t)size);
    }
}

// Numbers ------------------------------------------------------------------------------------

static void string_add(struct exec *x, int64_t delta)
{
    int64_t total;
    if (item_add(x, x->item, delta, &total)) {
        reply_integer(&x->reply, total);
    }
}

static void string_incr(struct exec *x)
{
    string_add(x, 1);
}

static void string_decr(struct exec *x)
{
    string_add(x, -1);
}

static void string_incrby(struct exec *x)
{
    int64_t delta;
    if (exec_integer(x, 2, &delta)) {
        string_add(x, delta);
    }
}

static void string_decrby(struct exec *x)
{
    int64_t delta;
    if (!exec_integer(x, 2, &delta)) {
        return;
    }
    if (delta == INT64_MIN) {
        exec_error(x, "ERR decrement would overflow");
        return;
    }
    string_add(x, -delta);
}

static void string_incrbyfloat(struct exec *x)
{
    long double value = 0, delta;
    char text[NUMBER_LD_BYTES_MAX];
    if ((x->item->exists && !number_parse_ld(item_value(x->item), &value)) ||
        !number_parse_ld(x->argv[2], &delta)) {
        exec_error(x, "ERR value is not a valid float");
        return;
    }
    value += delta;
    if (isnan(value) || isinf(value)) {
        exec_error(x, "ERR increment would produce NaN or Infinity");
        return;
    }
    size_t size = number_format_ld(value, text);
    if (item_replace(x, x->item, slice_of(text, size))) {
        reply_bulk(&x->reply, slice_of(text, size));
    }
}

// The rows -----------------------------------------------------------------------------------

enum {
    READ_FAST = COMMAND_READONLY | COMMAND_FAST,
    WRITE_FAST = COMMAND_WRITE | COMMAND_DENYOOM | COMMAND_FAST,
    WRITE_SLOW = COMMAND_WRITE | COMMAND_DENYOOM,
    ACL_STRING_READ_FAST = ACL_READ | ACL_STRING | ACL_FAST,
    ACL_STRING_READ_SLOW = ACL_READ | ACL_STRING | ACL_SLOW,
    ACL_STRING_WRITE_FAST = ACL_WRITE | ACL_STRING | ACL_FAST,
    ACL_STRING_WRITE_SLOW = ACL_WRITE | ACL_STRING | ACL_SLOW,
};

#define STRING_ABOUT(name_, run_, arity_, flags_, categories_, key_flags_, since_, complexity_,    \
                     summary_)                                                                     \
    .name = (name_), .run = (run_), .arity = (arity_), .flags = (flags_),                          \
    .categories = (categories_), .key_first = 1, .group = "string", .key_flags = (key_flags_),     \
    .since = (since_), .complexity = (complexity_), .summary = (summary_)

// On one key, on several, on pairs of key and value.
#define STRING_ROW(...) STRING_ABOUT(__VA_ARGS__), .key_last = 1, .key_step = 1, .route = ROUTE_KEY
#define STRING_KEYS(...)                                                                           \
    STRING_ABOUT(__VA_ARGS__), .key_last = -1, .key_step = 1, .route = ROUTE_KEYS
#define STRING_PAIRS(...)                                                                          \
    STRING_ABOUT(__VA_ARGS__), .key_last = -1, .key_step = 2, .route = ROUTE_KEYS

static const struct command string_rows[] = {
    {STRING_ROW("append", string_append, 3, WRITE_FAST, ACL_STRING_WRITE_FAST, "RW insert", "2.0.0",
                "O(N) in the size of the value",
                "Puts bytes behind a key's value, or makes the key of them")},
    {STRING_ROW("decr", string_decr, 2, WRITE_FAST, ACL_STRING_WRITE_FAST, "RW access update",
                "1.0.0", "O(1)", "Takes one from a key's integer")},
    {STRING_ROW("decrby", string_decrby, 3, WRITE_FAST, ACL_STRING_WRITE_FAST, "RW access update",
                "1.0.0", "O(1)", "Takes a number from a key's integer")},
    {STRING_ROW("get", string_get, 2, READ_FAST, ACL_STRING_READ_FAST, "RO access", "1.0.0", "O(1)",
                "Tells a key's value")},
    {STRING_ROW("getdel", string_getdel, 2, COMMAND_WRITE | COMMAND_FAST, ACL_STRING_WRITE_FAST,
                "RW access delete", "6.2.0", "O(1)", "Tells a key's value and deletes the key")},
    {STRING_ROW("getex", string_getex, -2, COMMAND_WRITE | COMMAND_FAST, ACL_STRING_WRITE_FAST,
                "RW access update", "6.2.0", "O(1)",
                "Tells a key's value and sets or removes its expiry")},
    {STRING_ROW("getrange", string_getrange, 4, COMMAND_READONLY, ACL_STRING_READ_SLOW, "RO access",
                "2.4.0", "O(N) in the size of the part", "Tells a part of a key's value")},
    {STRING_ROW("getset", string_getset, 3, WRITE_FAST, ACL_STRING_WRITE_FAST, "RW access update",
                "1.0.0", "O(1)", "Sets a key and tells what it was before")},
    {STRING_ROW("incr", string_incr, 2, WRITE_FAST, ACL_STRING_WRITE_FAST, "RW access update",
                "1.0.0", "O(1)", "Adds one to a key's integer")},
    {STRING_ROW("incrby", string_incrby, 3, WRITE_FAST, ACL_STRING_WRITE_FAST, "RW access update",
                "1.0.0", "O(1)", "Adds a number to a key's integer")},
    {STRING_ROW("incrbyfloat", string_incrbyfloat, 3, WRITE_FAST, ACL_STRING_WRITE_FAST,
                "RW access update", "2.6.0", "O(1)", "Adds a decimal number to a key's number")},
    {STRING_KEYS("mget", string_get, -2, READ_FAST, ACL_STRING_READ_FAST, "RO access", "1.0.0",
                 "O(N) in the number of keys", "Tells the values of several keys"),
     .tips = "request_policy:multi_shard", .merge = MERGE_ARRAY},
    {STRING_PAIRS("mset", string_mset, -3, WRITE_SLOW | COMMAND_PAIRS | COMMAND_BLIND,
                  ACL_STRING_WRITE_SLOW, "OW update", "1.0.1", "O(N) in the number of keys",
                  "Sets several keys"),
     .tips = "request_policy:multi_shard,response_policy:all_succeeded", .merge = MERGE_OK},
    {STRING_PAIRS("msetnx", string_mset, -3, WRITE_SLOW | COMMAND_PAIRS, ACL_STRING_WRITE_SLOW,
                  "OW insert", "1.0.1", "O(N) in the number of keys",
                  "Sets several keys if none of them is there"),
     .tips = "request_policy:multi_shard,response_policy:agg_min", .merge = MERGE_UNLESS,
     .check = string_msetnx_check},
    {STRING_ROW("psetex", string_psetex, 4, WRITE_SLOW | COMMAND_BLIND, ACL_STRING_WRITE_SLOW,
                "OW update", "2.6.0", "O(1)", "Sets a key that expires after milliseconds")},
    {STRING_ROW("set", string_set, -3, WRITE_SLOW | COMMAND_BLIND, ACL_STRING_WRITE_SLOW,
                "RW access update variable_flags", "1.0.0", "O(1)", "Sets a key")},
    {STRING_ROW("setex", string_setex, 4, WRITE_SLOW | COMMAND_BLIND, ACL_STRING_WRITE_SLOW,
                "OW update", "2.0.0", "O(1)", "Sets a key that expires after seconds")},
    {STRING_ROW("setnx", string_setnx, 3, WRITE_FAST, ACL_STRING_WRITE_FAST, "OW insert", "1.0.0",
                "O(1)", "Sets a key if it is not there")},
    {STRING_ROW("setrange", string_setrange, 4, WRITE_SLOW, ACL_STRING_WRITE_SLOW, "RW update",
                "2.2.0", "O(N) in the size of the value", "Overwrites a part of a key's value")},
    {STRING_ROW("strlen", string_strlen, 2, READ_FAST, ACL_STRING_READ_FAST, "RO", "2.2.0", "O(1)",
                "Tells the size of a key's value")},
    {STRING_ROW("substr", string_getrange, 4, COMMAND_READONLY, ACL_STRING_READ_SLOW, "RO access",
                "1.0.0", "O(N) in the size of the part", "Tells a part of a key's value")},
};

const struct command_module commands_string = COMMAND_ROWS(string_rows);
