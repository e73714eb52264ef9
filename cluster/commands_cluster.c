// CLUSTER: what Redis Cluster clients ask to find the core that owns a key. Each core of this node
// is shown as a master with the slots it owns, at its shard port, so that clients send each key
// straight there.
#include "cluster/client.h"
#include "cluster/commands.h"
#include "cluster/help.h"
#include "cluster/shard.h"
#include "cluster/walk.h"
#include "core/hash.h"
#include "core/memory.h"
#include "core/number.h"
#include "core/text.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

enum { CLUSTER_TEXT_BYTES_MAX = 4 * 1024 * 1024 };

static bool cluster_enabled(struct exec *x)
{
    if (x->shard->node->shard_port_base != 0) {
        return true;
    }
    exec_error(x, "ERR This instance has cluster support disabled");
    return false;
}

// The id of a core: made of the node's, the same at every call, different for each core.
static void cluster_core_id(const struct node *node, uint32_t core, char text[NODE_ID_TEXT_BYTES])
{
    struct node_id id;
    for (uint32_t part = 0; part < sizeof id.bytes; part += sizeof(uint64_t)) {
        uint64_t hash = hash_key(((uint64_t)part << 32) + core + 1, slice_from_text(node->id_text));
        size_t left = sizeof id.bytes - part;
        memcpy(id.bytes + part, &hash, left < sizeof hash ? left : sizeof hash);
    }
    node_id_format(&id, text);
}

// Ranges of one core, allocated; NULL without memory.
static struct slot_range *cluster_ranges(const struct node *node, uint32_t core,
                                         uint32_t *ret_count)
{
    uint32_t capacity = placement_vnodes(node->placement, core);
    struct slot_range *ranges = memory_allocate((capacity + 1) * sizeof *ranges);
    if (ranges != NULL) {
        *ret_count = placement_ranges(node->placement, core, ranges, capacity);
    }
    return ranges;
}

static void cluster_slots(struct exec *x)
{
    const struct node *node = x->shard->node;
    uint32_t total = 0;
    struct outbuf body = {0};
    struct reply reply = x->reply;
    reply.out = &body;
    if (!cluster_enabled(x)) {
        return;
    }
    for (uint32_t core = 0; core < node->shard_count; core++) {
        char id[NODE_ID_TEXT_BYTES];
        uint32_t count = 0;
        struct slot_range *ranges = cluster_ranges(node, core, &count);
        cluster_core_id(node, core, id);
        for (uint32_t i = 0; i < count; i++) {
            reply_array(&reply, 3);
            reply_integer(&reply, ranges[i].first);
            reply_integer(&reply, ranges[i].last);
            reply_array(&reply, 4);
            reply_bulk_text(&reply, node->advertise);
            reply_integer(&reply, node->shard_port_base + core);
            reply_bulk_text(&reply, id);
            reply_map(&reply, 0);
        }
        total += count;
        memory_free(ranges);
    }
    reply_array(&x->reply, total);
    outbuf_splice(x->reply.out, &body, x->reply.cache);
}

static void cluster_shards(struct exec *x)
{
    const struct node *node = x->shard->node;
    if (!cluster_enabled(x)) {
        return;
    }
    reply_array(&x->reply, node->shard_count);
    for (uint32_t core = 0; core < node->shard_count; core++) {
        char id[NODE_ID_TEXT_BYTES];
        uint32_t count = 0;
        struct slot_range *ranges = cluster_ranges(node, core, &count);
        cluster_core_id(node, core, id);
        reply_map(&x->reply, 2);
        reply_bulk_text(&x->reply, "slots");
        reply_array(&x->reply, 2 * count);
        for (uint32_t i = 0; i < count; i++) {
            reply_integer(&x->reply, ranges[i].first);
            reply_integer(&x->reply, ranges[i].last);
        }
        memory_free(ranges);
        reply_bulk_text(&x->reply, "nodes");
        reply_array(&x->reply, 1);
        reply_map(&x->reply, 7);
        reply_bulk_text(&x->reply, "id");
        reply_bulk_text(&x->reply, id);
        reply_bulk_text(&x->reply, "port");
        reply_integer(&x->reply, node->shard_port_base + core);
        reply_bulk_text(&x->reply, "ip");
        reply_bulk_text(&x->reply, node->advertise);
        reply_bulk_text(&x->reply, "endpoint");
        reply_bulk_text(&x->reply, node->advertise);
        reply_bulk_text(&x->reply, "role");
        reply_bulk_text(&x->reply, "master");
        reply_bulk_text(&x->reply, "replication-offset");
        reply_integer(&x->reply, 0);
        reply_bulk_text(&x->reply, "health");
        reply_bulk_text(&x->reply, "online");
    }
}

// NODES --------------------------------------------------------------------------------------

static void cluster_node_line(struct text *text, const struct node *node, const char *id,
                              uint32_t port, bool self)
{
    // The bus port is Redis's convention, port + 10000; nothing of ours listens there. 0 is none.
    uint32_t bus_port = port + 10000 <= UINT16_MAX ? port + 10000 : 0;
    text_printf(text, "%s %s:%u@%u %smaster - 0 0 1 connected", id, node->advertise, port, bus_port,
                self ? "myself," : "");
}

static void cluster_nodes(struct exec *x)
{
    const struct node *node = x->shard->node;
    bool on_shard_port = (x->client->flags & CLIENT_SHARD_PORT) != 0;
    struct text text;
    if (!cluster_enabled(x)) {
        return;
    }
    text_init(&text, CLUSTER_TEXT_BYTES_MAX);
    if (!on_shard_port) {
        cluster_node_line(&text, node, node->id_text, node->client_port, true);
        text_string(&text, "\n");
    }
    for (uint32_t core = 0; core < node->shard_count; core++) {
        char id[NODE_ID_TEXT_BYTES];
        uint32_t count = 0;
        struct slot_range *ranges = cluster_ranges(node, core, &count);
        cluster_core_id(node, core, id);
        cluster_node_line(&text, node, id, node->shard_port_base + core,
                          on_shard_port && core == x->shard->index);
        for (uint32_t i = 0; i < count; i++) {
            if (ranges[i].first == ranges[i].last) {
                text_printf(&text, " %u", ranges[i].first);
            } else {
                text_printf(&text, " %u-%u", ranges[i].first, ranges[i].last);
            }
        }
        memory_free(ranges);
        text_string(&text, "\n");
    }
    reply_verbatim(&x->reply, "txt", text_slice(&text));
    text_free(&text);
}

static void cluster_info(struct exec *x)
{
    const struct node *node = x->shard->node;
    bool on_shard_port = (x->client->flags & CLIENT_SHARD_PORT) != 0;
    uint32_t known = node->shard_count + (on_shard_port ? 0 : 1); // as NODES lists them here
    struct text text;
    if (!cluster_enabled(x)) {
        return;
    }
    text_init(&text, 4096);
    text_printf(&text,
                "cluster_state:ok\r\ncluster_slots_assigned:16384\r\ncluster_slots_ok:16384\r\n"
                "cluster_slots_pfail:0\r\ncluster_slots_fail:0\r\ncluster_known_nodes:%u\r\n"
                "cluster_size:%u\r\ncluster_current_epoch:%" PRIu64 "\r\n"
                "cluster_my_epoch:%" PRIu64 "\r\ncluster_stats_messages_sent:0\r\n"
                "cluster_stats_messages_received:0\r\ntotal_cluster_links_buffer_limit_exceeded:0"
                "\r\n",
                known, node->shard_count, node->ring->epoch, node->ring->epoch);
    reply_verbatim(&x->reply, "txt", text_slice(&text));
    text_free(&text);
}

static void cluster_myid(struct exec *x)
{
    char id[NODE_ID_TEXT_BYTES];
    if (!cluster_enabled(x)) {
        return;
    }
    if (x->client->flags & CLIENT_SHARD_PORT) {
        cluster_core_id(x->shard->node, x->shard->index, id);
        reply_bulk_text(&x->reply, id);
    } else {
        reply_bulk_text(&x->reply, x->shard->node->id_text);
    }
}

static void cluster_keyslot(struct exec *x)
{
    if (cluster_enabled(x)) {
        reply_integer(&x->reply, slot_of_key(x->argv[2]));
    }
}

// Keys of a slot -----------------------------------------------------------------------------

static bool cluster_slot(struct exec *x, uint16_t *ret_slot)
{
    int64_t slot;
    if (!number_parse_i64(x->argv[2], &slot)) {
        exec_error_not_integer(x);
        return false;
    }
    if (slot < 0 || slot >= SLOT_COUNT) {
        exec_error(x, "ERR Invalid slot");
        return false;
    }
    *ret_slot = (uint16_t)slot;
    return true;
}

static bool cluster_slot_target(struct exec *x, uint32_t *ret_shard)
{
    uint16_t slot;
    if (!cluster_enabled(x) || !cluster_slot(x, &slot)) {
        return false;
    }
    *ret_shard = placement_of_slot(x->shard->node->placement, slot).core;
    return true;
}

// GETKEYSINSLOT looks at both of its numbers before it speaks of either.
static bool cluster_slot_of_keys(struct exec *x, uint16_t *ret_slot, int64_t *ret_most)
{
    int64_t slot;
    int64_t most;
    if (!exec_integer(x, 2, &slot) || !exec_integer(x, 3, &most)) {
        return false;
    }
    if (slot < 0 || slot >= SLOT_COUNT || most < 0) {
        exec_error(x, "ERR Invalid slot or number of keys");
        return false;
    }
    *ret_slot = (uint16_t)slot;
    *ret_most = most;
    return true;
}

static bool cluster_keys_target(struct exec *x, uint32_t *ret_shard)
{
    uint16_t slot;
    int64_t most;
    if (!cluster_enabled(x) || !cluster_slot_of_keys(x, &slot, &most)) {
        return false;
    }
    *ret_shard = placement_of_slot(x->shard->node->placement, slot).core;
    return true;
}

enum { SLOT_BUCKETS_AT_ONCE = 8 };

// Walks over the slot's vnode; `at` is the place in it.
static void slot_walk(struct exec *x, struct walk *walk)
{
    struct part *part = x->part;
    uint32_t vnode = placement_of_slot(x->shard->node->placement, walk->slot).vnode;
    walk->has_slot = true;
    do {
        bool moved = walk_go(walk, vnode, &part->at, SLOT_BUCKETS_AT_ONCE);
        part->more = !moved || (part->at != 0 && walk->matched < walk->most);
    } while (part->more && !part->waits && !work_over(&x->shard->work) && !walk->failed);
    if (walk_failed(x, walk)) {
        part->more = false;
    } else if (!part->more) {
        walk_unreadable(x, walk);
    }
}

static void cluster_countkeysinslot(struct exec *x)
{
    bool first;
    struct walk *walk = walk_of_part(x, &first);
    if (walk != NULL && cluster_slot(x, &walk->slot)) {
        walk->counts = true;
        slot_walk(x, walk);
    }
}

static void cluster_countkeysinslot_finish(struct exec *x)
{
    reply_integer(&x->reply, (int64_t)((const struct walk *)x->parts[0].data)->matched);
}

static void cluster_getkeysinslot(struct exec *x)
{
    bool first;
    int64_t most;
    struct walk *walk = walk_of_part(x, &first);
    if (walk != NULL && cluster_slot_of_keys(x, &walk->slot, &most)) {
        walk->most = (uint64_t)most;
        if (most != 0) {
            slot_walk(x, walk);
        }
    }
}

static void cluster_getkeysinslot_finish(struct exec *x)
{
    reply_array(&x->reply, (uint32_t)((const struct walk *)x->parts[0].data)->matched);
    outbuf_splice(x->reply.out, &x->parts[0].out, x->reply.cache);
}

static void cluster_help(struct exec *x)
{
    static const char *const lines[] = {
        "CLUSTER <subcommand> [<arg> [value] [opt] ...]. Subcommands are:",
        "COUNTKEYSINSLOT <slot>",
        "    Count the keys of a slot.",
        "GETKEYSINSLOT <slot> <count>",
        "    List keys of a slot.",
        "INFO",
        "    Tell about the cluster.",
        "KEYSLOT <key>",
        "    Tell the slot of a key.",
        "MYID",
        "    Tell the id of this node, or on a shard port of this core.",
        "NODES",
        "    Tell the nodes and cores in Redis Cluster's text form.",
        "SHARDS",
        "    Tell which core serves which slots.",
        "SLOTS",
        "    The same in the older form.",
        "HELP",
        "    Print this help.",
        NULL,
    };
    help_reply(x, lines);
}

#define CLUSTER_ROW(name_, run_, arity_, ...)                                                      \
    CLUSTER_ABOUT(name_, run_, arity_, COMMAND_STALE, __VA_ARGS__)

#define CLUSTER_ABOUT(name_, run_, arity_, flags_, since_, summary_)                               \
    .name = (name_), .label = "cluster|" name_, .run = (run_), .arity = (arity_),                  \
    .flags = (flags_), .categories = ACL_SLOW, .group = "cluster", .since = (since_),              \
    .complexity = "O(N) in what it tells", .summary = (summary_)

static const struct command cluster_rows[] = {
    {CLUSTER_ABOUT("countkeysinslot", cluster_countkeysinslot, 3, COMMAND_STALE | COMMAND_WALK,
                   "3.0.0", "Counts the keys of a slot"),
     .route = ROUTE_ALL, .target = cluster_slot_target, .finish = cluster_countkeysinslot_finish},
    {CLUSTER_ABOUT("getkeysinslot", cluster_getkeysinslot, 4, COMMAND_STALE | COMMAND_WALK, "3.0.0",
                   "Lists keys of a slot"),
     .tips = "nondeterministic_output", .route = ROUTE_ALL, .target = cluster_keys_target,
     .finish = cluster_getkeysinslot_finish},
    {CLUSTER_ABOUT("help", cluster_help, 2, COMMAND_LOADING | COMMAND_STALE, "5.0.0",
                   "Prints help about CLUSTER"),
     .route = ROUTE_CONNECTION},
    {CLUSTER_ROW("info", cluster_info, 2, "3.0.0", "Tells about the cluster"),
     .tips = "nondeterministic_output", .route = ROUTE_CONNECTION},
    {CLUSTER_ROW("keyslot", cluster_keyslot, 3, "3.0.0", "Tells the slot of a key"),
     .route = ROUTE_CONNECTION},
    {CLUSTER_ROW("myid", cluster_myid, 2, "3.0.0", "Tells the id of this node or core"),
     .route = ROUTE_CONNECTION},
    {CLUSTER_ROW("nodes", cluster_nodes, 2, "3.0.0", "Tells the nodes and cores"),
     .tips = "nondeterministic_output", .route = ROUTE_CONNECTION},
    {CLUSTER_ROW("shards", cluster_shards, 2, "7.0.0", "Tells which core serves which slots"),
     .tips = "nondeterministic_output", .route = ROUTE_CONNECTION},
    {CLUSTER_ROW("slots", cluster_slots, 2, "3.0.0", "Tells which core serves which slots"),
     .tips = "nondeterministic_output", .route = ROUTE_CONNECTION},
};

static const struct command cluster_container[] = {
    {.name = "cluster",
     .arity = -2,
     .categories = ACL_SLOW,
     .route = ROUTE_CONNECTION,
     .group = "cluster",
     .since = "3.0.0",
     .complexity = "Depends on subcommand.",
     .summary = "Tells about the cluster",
     .subcommands = cluster_rows,
     .subcommand_count = sizeof cluster_rows / sizeof *cluster_rows},
};

const struct command_module commands_cluster = COMMAND_ROWS(cluster_container);
