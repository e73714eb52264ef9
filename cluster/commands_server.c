// The server: TIME, SAVE, SHUTDOWN, MEMORY, DEBUG. How long commands took is told by
// commands_latency.c.
#include "cluster/client.h"
#include "cluster/commands.h"
#include "cluster/help.h"
#include "cluster/item.h"
#include "cluster/multi.h"
#include "cluster/shard.h"
#include "cluster/slowlog.h"
#include "core/memory.h"
#include "core/number.h"
#include "core/process.h"

#include <inttypes.h>
#include <stdio.h>

static void server_time(struct exec *x)
{
    // The clock of the turn, as everything that this turn stamps.
    uint64_t wall_us = x->shard->io->wall_ms * 1000;
    reply_array(&x->reply, 2);
    reply_bulk_integer(&x->reply, (int64_t)(wall_us / 1000000));
    reply_bulk_integer(&x->reply, (int64_t)(wall_us % 1000000));
}

// Persistence --------------------------------------------------------------------------------

// SAVE is a checkpoint of every shard's log, which is durable without: a start after it replays
// nothing from before it.

static void server_lastsave(struct exec *x)
{
    // As Redis before its first save: when the server started.
    reply_integer(&x->reply, (int64_t)(shard_saved_ms(x->shard) / 1000));
}

// Refuses what there is nothing to do for.
static bool server_save_target(struct exec *x, uint32_t *ret_shard)
{
    (void)ret_shard; // all of them
    if (x->argc > 2 || (x->argc == 2 && !exec_word(x, 1, "schedule"))) {
        exec_error_syntax(x);
        return false;
    }
    if (!x->shard->durable) {
        exec_error(x, "ERR storage.engine is memory: it keeps nothing on disk, so there is "
                      "nothing to save");
        return false;
    }
    return true;
}

enum { SAVE_POLL_NS = 1000 * 1000 };

// SAVE's, while its part waits for a checkpoint that began after it came.
struct save {
    struct timer timer;
    struct shard *shard;
    struct part *part;
    struct engine_stats before;
    uint64_t wanted; // checkpoints
};

static void save_look(struct timer *timer)
{
    struct save *save = (struct save *)((uint8_t *)timer - offsetof(struct save, timer));
    part_wake(save->shard, save->part);
}

static struct save *save_of_part(struct exec *x)
{
    struct save *save = x->part->data;
    if (save != NULL) {
        return save;
    }
    save = memory_allocate(sizeof *save);
    if (save == NULL) {
        exec_error(x, "ERR out of memory");
        return NULL;
    }
    *save = (struct save){.timer = {.fire = save_look}, .shard = x->shard, .part = x->part};
    engine_stats(x->shard->engine, &save->before);
    save->wanted = save->before.checkpoints + 1 + save->before.checkpoints_running;
    x->part->data = save;
    x->part->data_size = sizeof *save;
    return save;
}

static void server_save(struct exec *x)
{
    struct shard *shard = x->shard;
    struct save *save = save_of_part(x);
    struct engine_stats now;
    int error;
    if (save == NULL) {
        return;
    }
    engine_stats(shard->engine, &now);
    (void)engine_committed(shard->engine, &error);
    if (now.checkpoints >= save->wanted) {
        return;
    }
    if (now.checkpoint_failures != save->before.checkpoint_failures || error != 0) {
        exec_error(x, "IOERR the checkpoint could not be written; the log tells more");
        return;
    }
    if (now.checkpoints_running == 0) {
        engine_save(shard->engine);
    }
    x->part->more = x->part->waits = true;
    timer_arm(&shard->timers, &save->timer, shard->io->now_ns + SAVE_POLL_NS);
}

static void server_save_finish(struct exec *x)
{
    reply_ok(&x->reply);
}

static void server_bgsave(struct exec *x)
{
    engine_save(x->shard->engine);
}

static void server_bgsave_finish(struct exec *x)
{
    reply_simple(&x->reply, "Background saving started");
}

static void server_shutdown(struct exec *x)
{
    struct node *node = x->shard->node;
    bool abort = false, save = false, nosave = false, other = false;
    for (uint32_t i = 1; i < x->argc; i++) {
        bool known = true;
        if (exec_word(x, i, "abort")) {
            abort = true;
        } else if (exec_word(x, i, "save")) {
            save = true;
        } else if (exec_word(x, i, "nosave")) {
            nosave = true;
        } else {
            other = true;
            known = exec_word(x, i, "now") || exec_word(x, i, "force");
        }
        if (!known) {
            exec_error_syntax(x);
            return;
        }
    }
    if ((save && nosave) || (abort && (save || nosave || other))) {
        exec_error_syntax(x);
        return;
    }
    if (abort) {
        exec_error(x, "ERR No shutdown in progress.");
        return;
    }
    if (node->request_stop == NULL) {
        exec_error(x, "ERR this node is not stopped by its clients");
        return;
    }
    client_close_after_reply(x->client); // without a reply, as Redis does
    node->request_stop(node->request_stop_context);
}

// MEMORY -------------------------------------------------------------------------------------

enum { MEMORY_INDEX_BYTES = 12 }; // of the index, a key, on average

static void memory_usage(struct exec *x)
{
    for (uint32_t i = 3; i < x->argc; i += 2) {
        int64_t samples;
        if (!exec_word(x, i, "samples") || i + 1 == x->argc) {
            exec_error_syntax(x);
            return;
        }
        if (!exec_integer(x, i + 1, &samples)) {
            return;
        }
        if (samples < 0) {
            exec_error_syntax(x);
            return;
        }
    }
    if (!x->item->exists) {
        reply_null(&x->reply);
        return;
    }
    reply_integer(&x->reply,
                  (int64_t)(x->item->op.key.size + x->item->op.object.size + MEMORY_INDEX_BYTES));
}

static void memory_stats_run(struct exec *x)
{
    struct engine_stats *stats = memory_allocate(sizeof *stats);
    if (stats == NULL) {
        exec_error(x, "ERR out of memory");
        return;
    }
    shard_engine_stats(x->shard, stats);
    x->part->data = stats;
    x->part->data_size = sizeof *stats;
}

static void memory_number(struct exec *x, const char *name, uint64_t value)
{
    reply_bulk_text(&x->reply, name);
    reply_integer(&x->reply, (int64_t)value);
}

static void memory_stats_finish(struct exec *x)
{
    struct engine_stats total = {0};
    struct process_usage usage;
    process_usage(&usage);
    for (uint32_t p = 0; p < x->part_count; p++) {
        const struct engine_stats *stats = x->parts[p].data;
        total.records += stats->records - stats->tombstones;
        total.index_bytes += stats->index_bytes;
        total.data_bytes += stats->data_bytes;
        total.live_bytes += stats->live_bytes;
    }
    uint64_t allocated = total.index_bytes + total.data_bytes;
    reply_map(&x->reply, 8);
    memory_number(x, "peak.allocated", usage.resident_max_bytes);
    memory_number(x, "total.allocated", allocated);
    memory_number(x, "rss.bytes", usage.resident_bytes);
    memory_number(x, "keys.count", total.records);
    memory_number(x, "keys.bytes-per-key", total.records == 0 ? 0 : allocated / total.records);
    memory_number(x, "index.bytes", total.index_bytes);
    memory_number(x, "dataset.bytes", total.live_bytes);
    memory_number(x, "overhead.total", allocated - total.live_bytes);
}

static void memory_help(struct exec *x)
{
    static const char *const lines[] = {
        "MEMORY <subcommand> [<arg> [value] [opt] ...]. Subcommands are:",
        "STATS",
        "    Tell what memory is used for.",
        "USAGE <key> [SAMPLES <count>]",
        "    Tell the bytes that a key takes with its metadata and its share of the index.",
        "HELP",
        "    Print this help.",
        NULL,
    };
    help_reply(x, lines);
}

// DEBUG --------------------------------------------------------------------------------------

static void debug_sleep_over(struct timer *timer)
{
    struct pending_later *later =
        (struct pending_later *)((uint8_t *)timer - offsetof(struct pending_later, timer));
    struct shard *shard = later->shard;
    struct reply reply = {.out = &later->pending.out, .cache = &shard->outbufs, .protocol = 2};
    later->pending.client->flags &= ~(uint32_t)CLIENT_BARRIER;
    reply_ok(&reply);
    client_pending_done(&later->pending);
}

// Only the connection that asks sleeps; the core goes on with others (Redis stops all).
static void debug_sleep(struct exec *x)
{
    long double seconds;
    if (!number_parse_ld(x->argv[2], &seconds) || seconds < 0 || seconds > 86400) {
        exec_error(x, "ERR value is not a valid float");
        return;
    }
    struct pending_later *later = memory_allocate_zeroed(sizeof *later);
    if (later == NULL) {
        exec_error(x, "ERR out of memory");
        return;
    }
    later->shard = x->shard;
    later->timer.fire = debug_sleep_over;
    client_pending_add(x->client, &later->pending, PENDING_LATER);
    x->client->flags |= CLIENT_BARRIER;
    uint64_t takes_ns = (uint64_t)(seconds * 1000000000);
    timer_arm(&x->shard->timers, &later->timer, x->shard->io->now_ns + takes_ns);
    // Now, while its arguments are here: it will have taken as long as it was told.
    slowlog_note(x->shard, x, takes_ns);
    x->later = true;
}

static void debug_object(struct exec *x)
{
    if (!x->item->exists) {
        exec_error(x, "ERR no such key");
        return;
    }
    char text[256];
    (void)snprintf(text, sizeof text,
                   "Value at:slot-%u refcount:1 encoding:%s serializedlength:%zu lru:0 "
                   "lru_seconds_idle:0 values:%u hlc:%" PRIu64,
                   x->item->slot, item_encoding(x->item), x->item->op.object.size,
                   x->item->object.values, x->item->object.winner.dot.hlc);
    reply_simple(&x->reply, text);
}

static void debug_ok(struct exec *x)
{
    reply_ok(&x->reply);
}

static void debug_help(struct exec *x)
{
    static const char *const lines[] = {
        "DEBUG <subcommand> [<arg> [value] [opt] ...]. Subcommands are:",
        "OBJECT <key>",
        "    Tell how a key is stored.",
        "SET-ACTIVE-EXPIRE (0|1)",
        "    Accepted; expired keys are never shown either way.",
        "SLEEP <seconds>",
        "    Hold this connection for a time.",
        "HELP",
        "    Print this help.",
        NULL,
    };
    help_reply(x, lines);
}

// Rows ---------------------------------------------------------------------------------------

static const struct command memory_rows[] = {
    {SERVER_ROW("help", memory_help, 2, COMMAND_LOADING | COMMAND_STALE, ACL_SLOW, "4.0.0", "O(1)",
                "Prints help about MEMORY"),
     .label = "memory|help", .route = ROUTE_CONNECTION},
    {SERVER_ROW("stats", memory_stats_run, 2, 0, ACL_SLOW, "4.0.0", "O(1)",
                "Tells what memory is used for"),
     .tips = "nondeterministic_output,request_policy:all_shards,response_policy:special",
     .label = "memory|stats", .route = ROUTE_ALL, .finish = memory_stats_finish},
    {SERVER_ROW("usage", memory_usage, -3, COMMAND_READONLY, ACL_READ | ACL_SLOW, "4.0.0", "O(1)",
                "Tells the bytes that a key takes"),
     .label = "memory|usage", .route = ROUTE_KEY, .key_first = 2, .key_last = 2, .key_step = 1,
     .key_flags = "RO"},
};

static const struct command debug_rows[] = {
    {SERVER_ROW("help", debug_help, 2, SERVER_ADMIN, ACL_SERVER_ADMIN, "1.0.0", "O(1)",
                "Prints help about DEBUG"),
     .label = "debug|help", .route = ROUTE_CONNECTION},
    {SERVER_ROW("object", debug_object, 3, SERVER_ADMIN, ACL_SERVER_ADMIN, "1.0.0", "O(1)",
                "Tells how a key is stored"),
     .label = "debug|object", .route = ROUTE_KEY, .key_first = 2, .key_last = 2, .key_step = 1,
     .key_flags = "RO"},
    {SERVER_ROW("set-active-expire", debug_ok, 3, SERVER_ADMIN, ACL_SERVER_ADMIN, "1.0.0", "O(1)",
                "Accepted, changes nothing"),
     .label = "debug|set-active-expire", .route = ROUTE_CONNECTION},
    {SERVER_ROW("sleep", debug_sleep, 3, SERVER_ADMIN, ACL_SERVER_ADMIN, "1.0.0", "O(1)",
                "Holds this connection for a time"),
     .label = "debug|sleep", .route = ROUTE_CONNECTION},
};

static const struct command server_rows[] = {
    {SERVER_ROW("bgsave", server_bgsave, -1,
                COMMAND_ADMIN | COMMAND_NOSCRIPT | COMMAND_NO_ASYNC_LOADING, ACL_SERVER_ADMIN,
                "1.0.0", "O(1)", "Begins a checkpoint, so that the next start is quick"),
     .route = ROUTE_ALL, .target = server_save_target, .finish = server_bgsave_finish},
    {SERVER_ROW("debug", NULL, -2, SERVER_ADMIN | COMMAND_NOSCRIPT, ACL_SERVER_ADMIN, "1.0.0",
                "Depends on subcommand.", "Helps tests"),
     .route = ROUTE_CONNECTION, .subcommands = debug_rows,
     .subcommand_count = sizeof debug_rows / sizeof *debug_rows},
    {SERVER_ROW("lastsave", server_lastsave, 1,
                COMMAND_LOADING | COMMAND_STALE | COMMAND_FAST | COMMAND_STATELESS,
                ACL_ADMIN | ACL_FAST | ACL_DANGEROUS, "1.0.0", "O(1)",
                "Tells when the last checkpoint was written, or the server started"),
     .tips = "nondeterministic_output", .route = ROUTE_CONNECTION},
    SERVER_CONTAINER("memory", memory_rows, "4.0.0", "Tells what memory is used for"),
    {SERVER_ROW("save", server_save, 1,
                COMMAND_ADMIN | COMMAND_NOSCRIPT | COMMAND_NO_ASYNC_LOADING | COMMAND_NO_MULTI,
                ACL_SERVER_ADMIN, "1.0.0", "O(N) in the number of keys",
                "Writes a checkpoint, so that the next start is quick"),
     .route = ROUTE_ALL, .target = server_save_target, .finish = server_save_finish},
    {SERVER_ROW("shutdown", server_shutdown, -1,
                SERVER_ADMIN | COMMAND_NOSCRIPT | COMMAND_NO_MULTI | COMMAND_ALLOW_BUSY,
                ACL_SERVER_ADMIN, "1.0.0", "O(1)",
                "Stops the node when it has answered what it took"),
     .route = ROUTE_CONNECTION},
    {SERVER_ROW("time", server_time, 1,
                COMMAND_LOADING | COMMAND_STALE | COMMAND_FAST | COMMAND_STATELESS, ACL_FAST,
                "2.6.0", "O(1)", "Tells the time of the node"),
     .tips = "nondeterministic_output", .route = ROUTE_CONNECTION},
};

const struct command_module commands_server = COMMAND_ROWS(server_rows);
