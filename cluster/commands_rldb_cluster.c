// RLDB.CLUSTER: the cluster seen from this node. It is a cluster of one: what would change its
// members says so.
#include "cluster/commands.h"
#include "cluster/help.h"
#include "cluster/shard.h"

#include <inttypes.h>
#include <string.h>

static void tell_text(struct exec *x, const char *name, const char *value)
{
    reply_bulk_text(&x->reply, name);
    reply_bulk_text(&x->reply, value);
}

static void tell_number(struct exec *x, const char *name, uint64_t value)
{
    reply_bulk_text(&x->reply, name);
    reply_integer(&x->reply, (int64_t)value);
}

static void tell_member(struct exec *x, const struct ring_member *member)
{
    char id[NODE_ID_TEXT_BYTES];
    node_id_format(&member->id, id);
    reply_map(&x->reply, 9);
    tell_text(x, "id", id);
    tell_text(x, "name", member->name);
    tell_text(x, "state", "alive");
    tell_text(x, "zone", member->zone);
    tell_number(x, "weight", member->weight);
    tell_number(x, "shards", member->cores);
    tell_text(x, "host", member->address.host);
    tell_number(x, "client_port", member->address.client_port);
    tell_number(x, "partitions", x->shard->node->ring->partitions);
}

static void tell_members(struct exec *x)
{
    const struct ring *ring = x->shard->node->ring;
    reply_bulk_text(&x->reply, "members");
    reply_array(&x->reply, ring->member_count);
    for (uint32_t i = 0; i < ring->member_count; i++) {
        tell_member(x, &ring->members[i]);
    }
}

static void rldb_cluster_status(struct exec *x)
{
    const struct node *node = x->shard->node;
    const struct ring *ring = node->ring;
    reply_map(&x->reply, 10);
    tell_text(x, "cluster", node->config.cluster.name);
    tell_text(x, "state", "ok");
    tell_text(x, "node", node->config.node.name);
    tell_text(x, "id", node->id_text);
    tell_number(x, "generation", ring->generation);
    tell_number(x, "epoch", ring->epoch);
    tell_number(x, "partitions", ring->partitions);
    tell_number(x, "replicas", node->config.cluster.replicas);
    tell_number(x, "effective_replicas", ring_primaries(ring));
    tell_members(x);
}

// Partitions with one preference list and one core, in a row.
struct ring_run {
    uint32_t first, last, core;
};

static bool ring_run_next(const struct node *node, uint32_t from, struct ring_run *run)
{
    if (from >= node->ring->partitions) {
        return false;
    }
    *run = (struct ring_run){from, from, placement_core(node->placement, from)};
    while (run->last + 1 < node->ring->partitions &&
           placement_core(node->placement, run->last + 1) == run->core) {
        run->last++;
    }
    return true;
}

static void rldb_cluster_ring(struct exec *x)
{
    const struct node *node = x->shard->node;
    const struct ring *ring = node->ring;
    struct ring_run run;
    uint32_t runs = 0;
    for (uint32_t at = 0; ring_run_next(node, at, &run); at = run.last + 1) {
        runs++;
    }
    reply_map(&x->reply, 5);
    tell_number(x, "epoch", ring->epoch);
    tell_number(x, "partitions", ring->partitions);
    tell_number(x, "replicas", ring_primaries(ring));
    tell_members(x);
    reply_bulk_text(&x->reply, "ranges");
    reply_array(&x->reply, runs);
    for (uint32_t at = 0; ring_run_next(node, at, &run); at = run.last + 1) {
        struct slot_range low = partition_range(run.first, ring->partitions);
        struct slot_range high = partition_range(run.last, ring->partitions);
        reply_map(&x->reply, 6);
        tell_number(x, "first_partition", run.first);
        tell_number(x, "last_partition", run.last);
        tell_number(x, "first_slot", low.first);
        tell_number(x, "last_slot", high.last);
        tell_number(x, "shard", run.core);
        reply_bulk_text(&x->reply, "preference_list");
        reply_array(&x->reply, 1);
        reply_bulk_text(&x->reply, node->config.node.name);
    }
}

static void rldb_cluster_alone(struct exec *x)
{
    exec_errorf(x, "TOPOLOGY this version of rldb serves one node alone and cannot %s members",
                x->command->name);
}

static void rldb_cluster_plan(struct exec *x)
{
    reply_map(&x->reply, 2);
    tell_number(x, "epoch", x->shard->node->ring->epoch);
    reply_bulk_text(&x->reply, "changes");
    reply_array(&x->reply, 0);
}

static void rldb_cluster_commit(struct exec *x)
{
    exec_error(x, "TOPOLOGY there is no planned change to commit");
}

static void rldb_cluster_clear(struct exec *x)
{
    reply_ok(&x->reply); // no change is planned, and after this none is
}

static void rldb_cluster_transfers(struct exec *x)
{
    reply_array(&x->reply, 0);
}

static void rldb_cluster_repair(struct exec *x)
{
    exec_error(x, "TOPOLOGY each key has one replica: there is none to repair it from");
}

static void rldb_cluster_help(struct exec *x)
{
    static const char *const lines[] = {
        "RLDB.CLUSTER <subcommand> [<arg> ...]. Subcommands are:",
        "STATUS",
        "    Tell about the cluster and its members.",
        "RING",
        "    Tell which node and core holds which partitions.",
        "PLAN",
        "    Tell the changes of members that are planned.",
        "COMMIT",
        "    Carry the planned changes out.",
        "CLEAR",
        "    Forget the planned changes.",
        "TRANSFERS",
        "    Tell the partitions that are moving.",
        "JOIN <host:port> | LEAVE [<node>] | REMOVE <node> | REPLACE <old> <new>",
        "    Not in this version: it serves one node alone.",
        "REPAIR [<partition>]",
        "    Needs replicas.",
        "HELP",
        "    Print this help.",
        NULL,
    };
    help_reply(x, lines);
}

#define RLDB_CLUSTER_ROW(name_, run_, arity_, flags_, summary_)                                    \
    {                                                                                              \
        .name = (name_), .label = "rldb.cluster|" name_, .run = (run_), .arity = (arity_),         \
        .flags = (flags_), .route = ROUTE_CONNECTION, .group = "rldb", .since = "1.0.0",           \
        .categories = (flags_)&COMMAND_ADMIN ? ACL_SLOW | ACL_ADMIN | ACL_DANGEROUS : ACL_SLOW,    \
        .complexity = "O(N) in the number of members", .summary = (summary_)                       \
    }

static const struct command rldb_cluster_rows[] = {
    RLDB_CLUSTER_ROW("clear", rldb_cluster_clear, 2, COMMAND_ADMIN, "Forgets planned changes"),
    RLDB_CLUSTER_ROW("commit", rldb_cluster_commit, 2, COMMAND_ADMIN,
                     "Carries planned changes out"),
    RLDB_CLUSTER_ROW("help", rldb_cluster_help, 2, COMMAND_STALE, "Prints help"),
    RLDB_CLUSTER_ROW("join", rldb_cluster_alone, 3, COMMAND_ADMIN, "Joins another node's cluster"),
    RLDB_CLUSTER_ROW("leave", rldb_cluster_alone, -2, COMMAND_ADMIN, "Leaves the cluster"),
    RLDB_CLUSTER_ROW("plan", rldb_cluster_plan, 2, COMMAND_ADMIN, "Tells planned changes"),
    RLDB_CLUSTER_ROW("remove", rldb_cluster_alone, 3, COMMAND_ADMIN, "Removes a member"),
    RLDB_CLUSTER_ROW("repair", rldb_cluster_repair, -2, COMMAND_ADMIN, "Repairs from replicas"),
    RLDB_CLUSTER_ROW("replace", rldb_cluster_alone, 4, COMMAND_ADMIN, "Replaces a member"),
    RLDB_CLUSTER_ROW("ring", rldb_cluster_ring, 2, COMMAND_STALE, "Tells who holds what"),
    RLDB_CLUSTER_ROW("status", rldb_cluster_status, 2, COMMAND_STALE, "Tells about the cluster"),
    RLDB_CLUSTER_ROW("transfers", rldb_cluster_transfers, 2, COMMAND_STALE, "Tells what is moving"),
};

static const struct command rldb_cluster_container[] = {
    {.name = "rldb.cluster",
     .arity = -2,
     .categories = ACL_SLOW,
     .route = ROUTE_CONNECTION,
     .group = "rldb",
     .since = "1.0.0",
     .complexity = "Depends on subcommand.",
     .summary = "Tells about the cluster and manages its members",
     .subcommands = rldb_cluster_rows,
     .subcommand_count = sizeof rldb_cluster_rows / sizeof *rldb_cluster_rows},
};

const struct command_module commands_rldb_cluster = COMMAND_ROWS(rldb_cluster_container);
