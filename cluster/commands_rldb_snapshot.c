// RLDB.SNAPSHOT: copies of the data directory, made while the node serves (snapshot.h).
#include "cluster/commands.h"
#include "cluster/help.h"
#include "cluster/multi.h"
#include "cluster/shard.h"
#include "cluster/snapshot.h"
#include "core/memory.h"

#include <stdlib.h>
#include <string.h>

// All of them are core 0's.
static bool snapshot_target(struct exec *x, uint32_t *ret_shard)
{
    *ret_shard = 0;
    if (!x->shard->durable) {
        exec_error(x, "ERR storage.engine is memory: it keeps nothing on disk, so there is "
                      "nothing to take a snapshot of");
        return false;
    }
    if (x->argc > 2 && !data_dir_is_snapshot_name(x->argv[2])) {
        exec_error(x, "ERR a snapshot's name is 1 to 64 letters, digits, '_', '-' and '.', and "
                      "does not begin with a point");
        return false;
    }
    return true;
}

static void snapshot_ended(struct snapshot *snapshot)
{
    part_wake(snapshot->shard, snapshot->context);
}

static void snapshot_run(struct exec *x, enum snapshot_order order)
{
    struct snapshot *snapshot = x->part->data;
    char text[384];
    if (snapshot != NULL && snapshot->error != 0) {
        snapshot_explain(snapshot, text, sizeof text);
        exec_error(x, text);
    }
    if (snapshot != NULL) {
        return;
    }
    snapshot = memory_allocate_zeroed(snapshot_bytes(x->shard));
    if (snapshot == NULL) {
        exec_error(x, "ERR out of memory");
        return;
    }
    x->part->data = snapshot;
    x->part->data_size = snapshot_bytes(x->shard);
    snapshot->context = x->part;
    if (!snapshot_begin(snapshot, x->shard, order, x->argv[2], snapshot_ended)) {
        exec_error(x, "OVERLOADED another snapshot is being made or deleted: retry when it is");
        return;
    }
    x->part->more = x->part->waits = true;
}

static void snapshot_create(struct exec *x)
{
    snapshot_run(x, SNAPSHOT_CREATE);
}

static void snapshot_delete(struct exec *x)
{
    snapshot_run(x, SNAPSHOT_DELETE);
}

static void snapshot_finish(struct exec *x)
{
    reply_ok(&x->reply);
}

// LIST ---------------------------------------------------------------------------------------

struct snapshot_names {
    char (*names)[LIMIT_SNAPSHOT_NAME_BYTES + 1];
    uint32_t count;
    bool failed;
};

static bool snapshot_name(void *context, const char *name)
{
    struct snapshot_names *found = context;
    const uint32_t count = found->count;
    if (!data_dir_is_snapshot_name(slice_from_text(name))) {
        return true;
    }
    if ((count & (count - 1)) == 0) {
        void *names = memory_resize(found->names,
                                    (count == 0 ? 1 : 2 * (size_t)count) * sizeof found->names[0]);
        if (names == NULL) {
            found->failed = true;
            return false;
        }
        found->names = names;
    }
    memcpy(found->names[found->count++], name, strlen(name) + 1);
    return true;
}

static int snapshot_compare(const void *a, const void *b)
{
    return strcmp(a, b);
}

static void snapshot_list(struct exec *x)
{
    struct snapshot_names found = {0};
    char path[DATA_DIR_PATH_BYTES];
    data_dir_snapshots_path(x->shard->node->config.node.data_dir, "", path);
    // Where there never was one there is no directory.
    (void)io_list(x->shard->io, path, snapshot_name, &found);
    if (found.failed) {
        exec_error(x, "ERR out of memory");
    } else if (found.count != 0) {
        qsort(found.names, found.count, sizeof found.names[0], snapshot_compare);
    }
    for (uint32_t i = 0; i < found.count && !found.failed; i++) {
        reply_bulk_text(&x->reply, found.names[i]);
    }
    x->sum = found.count;
    memory_free(found.names);
}

static void snapshot_list_finish(struct exec *x)
{
    reply_array(&x->reply, (uint32_t)x->parts[0].sum);
    outbuf_splice(x->reply.out, &x->parts[0].out, x->reply.cache);
}

static void snapshot_help(struct exec *x)
{
    static const char *const lines[] = {
        "RLDB.SNAPSHOT <subcommand> [<arg> [value] [opt] ...]. Subcommands are:",
        "CREATE <name>",
        "    Copy the data directory, as it is at one moment, to snapshots/<name> in it.",
        "DELETE <name>",
        "    Remove a snapshot.",
        "LIST",
        "    Tell the names of the snapshots.",
        "HELP",
        "    Print this help.",
        NULL,
    };
    help_reply(x, lines);
}

#define SNAPSHOT_ROW(name_, run_, finish_, arity_, complexity_, summary_)                          \
    {                                                                                              \
        .name = (name_), .label = "rldb.snapshot|" name_, .run = (run_), .finish = (finish_),      \
        .target = snapshot_target, .arity = (arity_), .flags = COMMAND_ADMIN | COMMAND_NOSCRIPT,   \
        .route = ROUTE_ALL, .group = "rldb", .since = "1.0.0", .categories = ACL_SERVER_ADMIN,     \
        .complexity = (complexity_), .summary = (summary_)                                         \
    }

static const struct command rldb_snapshot_rows[] = {
    SNAPSHOT_ROW("create", snapshot_create, snapshot_finish, 3,
                 "O(N) in the number of segments, after a checkpoint",
                 "Copies the data directory as it is at one moment"),
    SNAPSHOT_ROW("delete", snapshot_delete, snapshot_finish, 3, "O(N) in the number of its files",
                 "Removes a snapshot"),
    {.name = "help",
     .label = "rldb.snapshot|help",
     .run = snapshot_help,
     .arity = 2,
     .flags = COMMAND_STALE,
     .route = ROUTE_CONNECTION,
     .group = "rldb",
     .since = "1.0.0",
     .categories = ACL_SLOW,
     .complexity = "O(1)",
     .summary = "Prints help"},
    SNAPSHOT_ROW("list", snapshot_list, snapshot_list_finish, 2,
                 "O(N log(N)) in the number of snapshots", "Tells the names of the snapshots"),
};

static const struct command rldb_snapshot_container[] = {
    {.name = "rldb.snapshot",
     .arity = -2,
     .categories = ACL_SLOW,
     .route = ROUTE_CONNECTION,
     .group = "rldb",
     .since = "1.0.0",
     .complexity = "Depends on subcommand.",
     .summary = "Makes and manages copies of the data directory",
     .subcommands = rldb_snapshot_rows,
     .subcommand_count = sizeof rldb_snapshot_rows / sizeof *rldb_snapshot_rows},
};

const struct command_module commands_rldb_snapshot = COMMAND_ROWS(rldb_snapshot_container);
