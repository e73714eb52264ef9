// RLDB.GET, RLDB.PUT, RLDB.DEL and RLDB.KEY: keys with their versions.
#include "cluster/commands.h"
#include "cluster/context.h"
#include "cluster/expire.h"
#include "cluster/item.h"
#include "cluster/quorum.h"
#include "cluster/shard.h"
#include "core/number.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

struct rldb_options {
    bool has_context;
    struct causal_history context;
    uint64_t expire_ms;
};

// Options that name replicas ("r", "pr") or ("w", "pw"), CONTEXT, EX or PX, TIMEOUT; from
// argv[first] on. CONTEXT and the expiry at most once: of two, neither may be dropped unsaid.
enum { TAKES_CONTEXT = 1, TAKES_EXPIRY = 2 };

static bool rldb_context(struct exec *x, uint32_t at, struct rldb_options *options)
{
    struct shard *shard = x->shard;
    int error = context_decode(&shard->node->identity.secret, x->item->op.key, x->argv[at],
                               &shard->actors[x->item->op.vnode], &options->context);
    if (error < 0) {
        exec_error(x, "CONTEXT the context is malformed or belongs to another key or cluster; "
                      "take a new one from RLDB.GET");
        return false;
    }
    if (shard->durable && actor_table_pending(&shard->actors[x->item->op.vnode])) {
        exec_error(x, "CONTEXT the context names actors of which the record was lost; take a new "
                      "one from RLDB.GET");
        return false;
    }
    options->has_context = true;
    return true;
}

static bool rldb_timeout(struct exec *x, uint32_t at)
{
    int64_t timeout_ms;
    if (!exec_integer(x, at, &timeout_ms)) {
        return false;
    }
    if (timeout_ms <= 0) {
        exec_error(x, "ERR TIMEOUT is a number of milliseconds above 0");
        return false;
    }
    return true;
}

static bool rldb_options(struct exec *x, uint32_t first, const char *quorum, const char *primaries,
                         unsigned takes, struct rldb_options *options)
{
    options->has_context = false;
    options->expire_ms = 0;
    for (uint32_t at = first; at < x->argc; at += 2) {
        enum expire_unit unit = expire_word(x, at);
        if (at + 1 >= x->argc) {
            exec_error_syntax(x);
            return false;
        }
        if (exec_word(x, at, quorum) || exec_word(x, at, primaries)) {
            if (!quorum_check(x, at)) {
                return false;
            }
        } else if (exec_word(x, at, "timeout")) {
            if (!rldb_timeout(x, at + 1)) {
                return false;
            }
        } else if ((takes & TAKES_CONTEXT) && exec_word(x, at, "context")) {
            takes &= ~(unsigned)TAKES_CONTEXT;
            if (!rldb_context(x, at + 1, options)) {
                return false;
            }
        } else if ((takes & TAKES_EXPIRY) && (unit == EXPIRE_SECONDS || unit == EXPIRE_MS)) {
            takes &= ~(unsigned)TAKES_EXPIRY;
            if (!expire_parse_positive(x, at + 1, unit, &options->expire_ms)) {
                return false;
            }
        } else {
            exec_error_syntax(x);
            return false;
        }
    }
    return true;
}

static void rldb_reply_context(struct exec *x, const struct causal_history *history)
{
    struct shard *shard = x->shard;
    char text[CONTEXT_TEXT_MAX];
    size_t size = context_encode(&shard->node->identity.secret, x->item->op.key, history,
                                 &shard->actors[x->item->op.vnode], text);
    reply_bulk(&x->reply, slice_of(text, size));
}

// GET ----------------------------------------------------------------------------------------

static void rldb_reply_value(struct exec *x, const struct object_value *value)
{
    char digits[NUMBER_I64_BYTES_MAX];
    const struct actor_id *actor =
        actor_table_id(&x->shard->actors[x->item->op.vnode], value->dot.actor);
    reply_map(&x->reply, 4);
    reply_bulk_text(&x->reply, "value");
    reply_bulk(&x->reply, object_value_bytes(value, digits));
    reply_bulk_text(&x->reply, "hlc");
    reply_integer(&x->reply, (int64_t)value->dot.hlc);
    reply_bulk_text(&x->reply, "expire_ms");
    reply_integer(&x->reply, (int64_t)value->expire_ms);
    reply_bulk_text(&x->reply, "actor");
    reply_bulkf(&x->reply, "%016" PRIx64 ".%" PRIu32, actor->vnode_id, actor->incarnation);
}

static uint32_t rldb_live_values(struct exec *x, bool reply)
{
    struct object_iterator iterator;
    struct object_value value;
    uint32_t count = 0;
    object_values(&x->item->object, &iterator);
    while (object_next(&iterator, &value)) {
        if (object_value_is_live(&value, x->shard->io->wall_ms)) {
            count++;
            if (reply) {
                rldb_reply_value(x, &value);
            }
        }
    }
    return count;
}

static void rldb_get(struct exec *x)
{
    struct rldb_options options;
    if (!rldb_options(x, 2, "r", "pr", 0, &options)) {
        return;
    }
    item_count_access(x->shard, x->item);
    uint32_t count = x->item->stored ? rldb_live_values(x, false) : 0;
    if (count == 0) {
        reply_null(&x->reply);
        return;
    }
    struct causal_history history;
    object_history(&x->item->object, &history);
    reply_map(&x->reply, 2);
    reply_bulk_text(&x->reply, "context");
    rldb_reply_context(x, &history);
    reply_bulk_text(&x->reply, "values");
    reply_array(&x->reply, count);
    (void)rldb_live_values(x, true);
}

// PUT, DEL -----------------------------------------------------------------------------------

static void rldb_put(struct exec *x)
{
    struct rldb_options options;
    struct causal_history seen;
    if (!rldb_options(x, 3, "w", "pw", TAKES_CONTEXT | TAKES_EXPIRY, &options)) {
        return;
    }
    if (item_put(x, x->item, options.has_context ? &options.context : NULL, x->argv[2],
                 options.expire_ms, &seen)) {
        rldb_reply_context(x, &seen);
    }
}

static void rldb_del(struct exec *x)
{
    struct rldb_options options;
    bool removed = false;
    if (!rldb_options(x, 2, "w", "pw", TAKES_CONTEXT, &options)) {
        return;
    }
    if (item_remove(x, x->item, options.has_context ? &options.context : NULL, &removed)) {
        reply_integer(&x->reply, removed);
    }
}

// KEY ----------------------------------------------------------------------------------------

static void rldb_reply_number(struct exec *x, const char *name, uint64_t value)
{
    reply_bulk_text(&x->reply, name);
    reply_integer(&x->reply, (int64_t)value);
}

static void rldb_reply_replica(struct exec *x, const char *name)
{
    const struct item *item = x->item;
    reply_map(&x->reply, 6);
    reply_bulk_text(&x->reply, "node");
    reply_bulk_text(&x->reply, name);
    reply_bulk_text(&x->reply, "holds");
    reply_bulk_text(&x->reply, !item->stored ? "nothing" : item->exists ? "value" : "deleted");
    rldb_reply_number(x, "values", item->stored ? rldb_live_values(x, false) : 0);
    rldb_reply_number(x, "bytes", item->stored ? item->op.object.size : 0);
    rldb_reply_number(x, "hlc", item->stored ? item->object.winner.dot.hlc : 0);
    rldb_reply_number(x, "expire_ms", item->stored ? object_expire_ms(&item->object) : 0);
}

static void rldb_key(struct exec *x)
{
    const struct node *node = x->shard->node;
    uint32_t partition = partition_of_slot(x->item->slot, node->ring->partitions);
    struct ring_preference preference = ring_preference(node->ring, partition);
    reply_map(&x->reply, 6);
    rldb_reply_number(x, "slot", x->item->slot);
    rldb_reply_number(x, "partition", partition);
    rldb_reply_number(x, "shard", x->shard->index);
    rldb_reply_number(x, "port",
                      node->shard_port_base == 0 ? node->client_port
                                                 : node->shard_port_base + x->shard->index);
    reply_bulk_text(&x->reply, "preference_list");
    reply_array(&x->reply, preference.count);
    for (uint32_t i = 0; i < preference.count; i++) {
        reply_bulk_text(&x->reply, node->ring->members[preference.members[i]].name);
    }
    reply_bulk_text(&x->reply, "replicas");
    reply_array(&x->reply, 1);
    rldb_reply_replica(x, node->config.node.name);
}

#define RLDB_ROW(name_, run_, arity_, flags_, categories_, key_flags_, complexity_, summary_)      \
    {                                                                                              \
        .name = (name_), .run = (run_), .arity = (arity_), .flags = (flags_),                      \
        .categories = (categories_), .key_first = 1, .key_last = 1, .key_step = 1,                 \
        .route = ROUTE_KEY, .group = "rldb", .key_flags = (key_flags_), .since = "1.0.0",          \
        .complexity = (complexity_), .summary = (summary_)                                         \
    }

static const struct command rldb_rows[] = {
    RLDB_ROW("rldb.del", rldb_del, -2, COMMAND_WRITE, ACL_KEYSPACE | ACL_WRITE | ACL_SLOW,
             "RW delete", "O(N) in the number of siblings",
             "Deletes a key, or what its context has seen"),
    RLDB_ROW("rldb.get", rldb_get, -2, COMMAND_READONLY, ACL_STRING | ACL_READ | ACL_SLOW,
             "RO access", "O(N) in the number of siblings",
             "Tells all values of a key and their context"),
    RLDB_ROW("rldb.key", rldb_key, 2, COMMAND_READONLY, ACL_KEYSPACE | ACL_READ | ACL_SLOW, "RO",
             "O(N) in the number of replicas", "Tells where a key is and who holds what"),
    RLDB_ROW("rldb.put", rldb_put, -3, COMMAND_WRITE | COMMAND_DENYOOM,
             ACL_STRING | ACL_WRITE | ACL_SLOW, "RW update", "O(N) in the number of siblings",
             "Sets a key: replaces what its context has seen, else adds a sibling"),
};

const struct command_module commands_rldb = COMMAND_ROWS(rldb_rows);
