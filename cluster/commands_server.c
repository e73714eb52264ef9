// The server: TIME, SAVE, SHUTDOWN, SLOWLOG, LATENCY, MEMORY, DEBUG.
#include "cluster/client.h"
#include "cluster/commands.h"
#include "cluster/help.h"
#include "cluster/item.h"
#include "cluster/multi.h"
#include "cluster/shard.h"
#include "cluster/slowlog.h"
#include "core/check.h"
#include "core/memory.h"
#include "core/number.h"
#include "core/process.h"
#include "core/text.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void server_finish_ok(struct exec *x)
{
    reply_ok(&x->reply);
}

static int64_t server_sum(const struct exec *x)
{
    int64_t sum = 0;
    for (uint32_t p = 0; p < x->part_count; p++) {
        sum += x->parts[p].sum;
    }
    return sum;
}

static void server_time(struct exec *x)
{
    // The clock of the turn, as everything that this turn stamps.
    uint64_t wall_us = x->shard->io->wall_ms * 1000;
    reply_array(&x->reply, 2);
    reply_bulk_integer(&x->reply, (int64_t)(wall_us / 1000000));
    reply_bulk_integer(&x->reply, (int64_t)(wall_us % 1000000));
}

// Persistence --------------------------------------------------------------------------------

static void server_lastsave(struct exec *x)
{
    // As Redis before its first save: when the server started.
    reply_integer(&x->reply, (int64_t)(x->shard->node->started_wall_ms / 1000));
}

static void server_save(struct exec *x)
{
    if (x->argc > 2 || (x->argc == 2 && !exec_word(x, 1, "schedule"))) {
        exec_error_syntax(x);
        return;
    }
    exec_error(x, "ERR storage.engine is memory: it keeps nothing on disk, so there is nothing "
                  "to save");
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

// SLOWLOG ------------------------------------------------------------------------------------

enum { SLOWLOG_GET_DEFAULT = 10 };

static bool slowlog_get_count(struct exec *x, int64_t *ret_count)
{
    *ret_count = SLOWLOG_GET_DEFAULT;
    if (x->argc > 3) {
        exec_error_subcommand(x);
        return false;
    }
    if (x->argc == 3 && (!number_parse_i64(x->argv[2], ret_count) || *ret_count < -1)) {
        exec_error(x, "ERR count should be greater than or equal to -1");
        return false;
    }
    if (*ret_count == -1) {
        *ret_count = INT64_MAX;
    }
    return true;
}

static void slowlog_get(struct exec *x)
{
    int64_t count;
    if (!slowlog_get_count(x, &count)) {
        return;
    }
    uint32_t have = slowlog_count(x->shard->slowlog);
    uint32_t tell = count < have ? (uint32_t)count : have;
    struct slowlog_entry *entries = memory_allocate(tell * sizeof *entries);
    if (entries == NULL) {
        exec_error(x, "ERR out of memory");
        return;
    }
    // The texts stay: entries are freed by this core alone, and only when newer ones come.
    for (uint32_t i = 0; i < tell; i++) {
        const struct slowlog_entry *entry = slowlog_at(x->shard->slowlog, i);
        struct reply *reply = &x->reply;
        entries[i] = *entry;
        entries[i].reply_at = x->reply.out->bytes;
        reply_array(reply, 6);
        reply_integer(reply, (int64_t)entry->id);
        reply_integer(reply, (int64_t)entry->wall_s);
        reply_integer(reply, (int64_t)entry->took_us);
        reply_array(reply, entry->argument_count);
        for (uint32_t a = 0; a < entry->argument_count; a++) {
            reply_bulk(reply, slice_of(entry->arguments[a], entry->sizes[a]));
        }
        reply_bulk_text(reply, entry->client);
        reply_bulk_text(reply, entry->client_name);
        entries[i].reply_bytes = x->reply.out->bytes - entries[i].reply_at;
    }
    x->sum = tell;
    x->part->data = entries;
    x->part->data_size = tell * sizeof *entries;
}

// The cores' entries, newest first.
static void slowlog_get_finish(struct exec *x)
{
    int64_t count;
    if (!slowlog_get_count(x, &count)) {
        return;
    }
    int64_t all = server_sum(x);
    uint32_t tell = (uint32_t)(count < all ? count : all);
    uint32_t at[LIMIT_SHARDS] = {0};
    reply_array(&x->reply, tell);
    for (uint32_t i = 0; i < tell; i++) {
        uint32_t best = 0;
        const struct slowlog_entry *newest = NULL;
        for (uint32_t p = 0; p < x->part_count; p++) {
            const struct slowlog_entry *entries = x->parts[p].data;
            if (at[p] < x->parts[p].sum &&
                (newest == NULL || entries[at[p]].wall_s > newest->wall_s)) {
                newest = &entries[at[p]];
                best = p;
            }
        }
        CHECK(newest != NULL); // there are `tell` of them at least
        at[best]++;
        outbuf_move(x->reply.out, &x->parts[best].out, x->reply.cache, newest->reply_bytes);
    }
}

static void slowlog_len(struct exec *x)
{
    x->sum = slowlog_count(x->shard->slowlog);
}

static void slowlog_len_finish(struct exec *x)
{
    reply_integer(&x->reply, server_sum(x));
}

static void slowlog_forget(struct exec *x)
{
    slowlog_reset(x->shard->slowlog);
}

static void slowlog_help(struct exec *x)
{
    static const char *const lines[] = {
        "SLOWLOG <subcommand> [<arg> [value] [opt] ...]. Subcommands are:",
        "GET [<count>]",
        "    Tell the slowest commands of late (10 unless told; -1: all): id, time, us, arguments,",
        "    address and name of the client.",
        "LEN",
        "    Tell how many are kept.",
        "RESET",
        "    Forget them.",
        "HELP",
        "    Print this help.",
        NULL,
    };
    help_reply(x, lines);
}

// LATENCY ------------------------------------------------------------------------------------

// Redis's latency monitor follows events of its event loop, none of which exists here: nothing is
// ever monitored, and that is what these say. HISTOGRAM is served from the commands' own
// histograms.
static void latency_none(struct exec *x)
{
    reply_array(&x->reply, 0);
}

static void latency_reset(struct exec *x)
{
    reply_integer(&x->reply, 0);
}

static void latency_doctor(struct exec *x)
{
    static const char text[] =
        "Latency of commands is measured at all times: see LATENCY HISTOGRAM, INFO latencystats "
        "and /metrics.\n";
    reply_verbatim(&x->reply, "txt", slice_from_text(text));
}

struct latency_part {
    uint64_t calls;
    uint64_t buckets[64]; // up to 2^i us
};

static void latency_histogram(struct exec *x)
{
    struct latency_part *parts = memory_allocate_zeroed(COMMAND_INDEX_MAX * sizeof *parts);
    if (parts == NULL) {
        exec_error(x, "ERR out of memory");
        return;
    }
    for (uint32_t i = 0; i < COMMAND_INDEX_MAX; i++) {
        const struct histogram *latency = &x->shard->stats.of[i].latency;
        parts[i].calls = x->shard->stats.of[i].calls;
        for (uint32_t bit = 0; latency->count != 0 && bit < 34; bit++) {
            parts[i].buckets[bit] = histogram_count_below(latency, (UINT64_C(1) << bit) * 1000);
        }
    }
    x->part->data = parts;
    x->part->data_size = COMMAND_INDEX_MAX * sizeof *parts;
}

// By its own name, or by that of its container ("client" for "client|list").
static bool latency_asked(const struct exec *x, const char *name)
{
    char container[32];
    (void)snprintf(container, sizeof container, "%.*s", (int)strcspn(name, "|"), name);
    for (uint32_t i = 2; i < x->argc; i++) {
        if (exec_word(x, i, name) || exec_word(x, i, container)) {
            return true;
        }
    }
    return x->argc == 2;
}

static void latency_histogram_finish(struct exec *x)
{
    struct latency_part *total = x->parts[0].data;
    uint32_t count = 0;
    for (uint32_t i = 0; i < COMMAND_INDEX_MAX; i++) {
        for (uint32_t p = 1; p < x->part_count; p++) {
            const struct latency_part *part = (const struct latency_part *)x->parts[p].data + i;
            total[i].calls += part->calls;
            for (uint32_t bit = 0; bit < 64; bit++) {
                total[i].buckets[bit] += part->buckets[bit];
            }
        }
        count += total[i].calls != 0 && latency_asked(x, command_name_of_index(i));
    }
    reply_map(&x->reply, count);
    for (uint32_t i = 0; i < COMMAND_INDEX_MAX; i++) {
        if (total[i].calls == 0 || !latency_asked(x, command_name_of_index(i))) {
            continue;
        }
        uint32_t first = 0, last = 0, used = 0;
        while (first < 33 && total[i].buckets[first] == 0) {
            first++;
        }
        for (last = first; last < 33 && total[i].buckets[last] < total[i].calls; last++) {
        }
        used = last - first + 1;
        reply_bulk_text(&x->reply, command_name_of_index(i));
        reply_map(&x->reply, 2);
        reply_bulk_text(&x->reply, "calls");
        reply_integer(&x->reply, (int64_t)total[i].calls);
        reply_bulk_text(&x->reply, "histogram_usec");
        reply_map(&x->reply, used);
        for (uint32_t bit = first; bit <= last; bit++) {
            reply_integer(&x->reply, INT64_C(1) << bit);
            reply_integer(&x->reply, (int64_t)total[i].buckets[bit]);
        }
    }
}

static void latency_help(struct exec *x)
{
    static const char *const lines[] = {
        "LATENCY <subcommand> [<arg> [value] [opt] ...]. Subcommands are:",
        "DOCTOR",
        "    Tell where latencies are measured.",
        "HISTOGRAM [<command> ...]",
        "    Tell how long commands took, cumulative, in us.",
        "HISTORY <event>, LATEST, RESET [<event> ...]",
        "    Of Redis's events, which do not exist here: always empty.",
        "HELP",
        "    Print this help.",
        NULL,
    };
    help_reply(x, lines);
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
    engine_stats(x->shard->engine, stats);
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

enum {
    ADMIN = COMMAND_ADMIN | COMMAND_LOADING | COMMAND_STALE,
    ACL_ADMINS = ACL_ADMIN | ACL_SLOW | ACL_DANGEROUS,
};

#define SERVER_ROW(name_, run_, arity_, flags_, categories_, since_, complexity_, summary_)        \
    .name = (name_), .run = (run_), .arity = (arity_), .flags = (flags_),                          \
    .categories = (categories_), .group = "server", .since = (since_),                             \
    .complexity = (complexity_), .summary = (summary_)

static const struct command slowlog_rows[] = {
    {SERVER_ROW("get", slowlog_get, -2, ADMIN, ACL_ADMINS, "2.2.12", "O(N) in what is told",
                "Tells the slowest commands of late"),
     .tips = "request_policy:all_nodes,nondeterministic_output", .label = "slowlog|get",
     .route = ROUTE_ALL, .finish = slowlog_get_finish},
    {SERVER_ROW("help", slowlog_help, 2, COMMAND_LOADING | COMMAND_STALE, ACL_SLOW, "6.2.0", "O(1)",
                "Prints help about SLOWLOG"),
     .label = "slowlog|help", .route = ROUTE_CONNECTION},
    {SERVER_ROW("len", slowlog_len, 2, ADMIN, ACL_ADMINS, "2.2.12", "O(1)",
                "Tells how many commands the slow log has"),
     .tips = "request_policy:all_nodes,response_policy:agg_sum,nondeterministic_output",
     .label = "slowlog|len", .route = ROUTE_ALL, .finish = slowlog_len_finish},
    {SERVER_ROW("reset", slowlog_forget, 2, ADMIN, ACL_ADMINS, "2.2.12", "O(N) in the entries",
                "Empties the slow log"),
     .tips = "request_policy:all_nodes,response_policy:all_succeeded", .label = "slowlog|reset",
     .route = ROUTE_ALL, .finish = server_finish_ok},
};

static const struct command latency_rows[] = {
    {SERVER_ROW("doctor", latency_doctor, 2, ADMIN | COMMAND_NOSCRIPT, ACL_ADMINS, "2.8.13", "O(1)",
                "Tells where latencies are measured"),
     .tips = "nondeterministic_output,request_policy:all_nodes,response_policy:special",
     .label = "latency|doctor", .route = ROUTE_CONNECTION},
    {SERVER_ROW("help", latency_help, 2, COMMAND_LOADING | COMMAND_STALE, ACL_SLOW, "2.8.13",
                "O(1)", "Prints help about LATENCY"),
     .label = "latency|help", .route = ROUTE_CONNECTION},
    {SERVER_ROW("histogram", latency_histogram, -2, ADMIN | COMMAND_NOSCRIPT, ACL_ADMINS, "7.0.0",
                "O(N) in the number of commands", "Tells how long commands took"),
     .tips = "nondeterministic_output,request_policy:all_nodes,response_policy:special",
     .label = "latency|histogram", .route = ROUTE_ALL, .finish = latency_histogram_finish},
    {SERVER_ROW("history", latency_none, 3, ADMIN | COMMAND_NOSCRIPT, ACL_ADMINS, "2.8.13", "O(1)",
                "Always empty"),
     .tips = "nondeterministic_output,request_policy:all_nodes,response_policy:special",
     .label = "latency|history", .route = ROUTE_CONNECTION},
    {SERVER_ROW("latest", latency_none, 2, ADMIN | COMMAND_NOSCRIPT, ACL_ADMINS, "2.8.13", "O(1)",
                "Always empty"),
     .tips = "nondeterministic_output,request_policy:all_nodes,response_policy:special",
     .label = "latency|latest", .route = ROUTE_CONNECTION},
    {SERVER_ROW("reset", latency_reset, -2, ADMIN | COMMAND_NOSCRIPT, ACL_ADMINS, "2.8.13", "O(1)",
                "Always 0"),
     .tips = "request_policy:all_nodes,response_policy:all_succeeded", .label = "latency|reset",
     .route = ROUTE_CONNECTION},
};

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
    {SERVER_ROW("help", debug_help, 2, ADMIN, ACL_ADMINS, "1.0.0", "O(1)",
                "Prints help about DEBUG"),
     .label = "debug|help", .route = ROUTE_CONNECTION},
    {SERVER_ROW("object", debug_object, 3, ADMIN, ACL_ADMINS, "1.0.0", "O(1)",
                "Tells how a key is stored"),
     .label = "debug|object", .route = ROUTE_KEY, .key_first = 2, .key_last = 2, .key_step = 1,
     .key_flags = "RO"},
    {SERVER_ROW("set-active-expire", debug_ok, 3, ADMIN, ACL_ADMINS, "1.0.0", "O(1)",
                "Accepted, changes nothing"),
     .label = "debug|set-active-expire", .route = ROUTE_CONNECTION},
    {SERVER_ROW("sleep", debug_sleep, 3, ADMIN, ACL_ADMINS, "1.0.0", "O(1)",
                "Holds this connection for a time"),
     .label = "debug|sleep", .route = ROUTE_CONNECTION},
};

#define CONTAINER(name_, rows_, since_, summary_)                                                  \
    {                                                                                              \
        SERVER_ROW(name_, NULL, -2, 0, ACL_SLOW, since_, "Depends on subcommand.", summary_),      \
            .route = ROUTE_CONNECTION, .subcommands = (rows_),                                     \
            .subcommand_count = sizeof(rows_) / sizeof *(rows_)                                    \
    }

static const struct command server_rows[] = {
    {SERVER_ROW("bgsave", server_save, -1,
                COMMAND_ADMIN | COMMAND_NOSCRIPT | COMMAND_NO_ASYNC_LOADING, ACL_ADMINS, "1.0.0",
                "O(1)", "Refused: the engine in memory has nothing on disk"),
     .route = ROUTE_CONNECTION},
    {SERVER_ROW("debug", NULL, -2, ADMIN | COMMAND_NOSCRIPT, ACL_ADMINS, "1.0.0",
                "Depends on subcommand.", "Helps tests"),
     .route = ROUTE_CONNECTION, .subcommands = debug_rows,
     .subcommand_count = sizeof debug_rows / sizeof *debug_rows},
    {SERVER_ROW("lastsave", server_lastsave, 1,
                COMMAND_LOADING | COMMAND_STALE | COMMAND_FAST | COMMAND_STATELESS,
                ACL_ADMIN | ACL_FAST | ACL_DANGEROUS, "1.0.0", "O(1)",
                "Tells when the server started"),
     .tips = "nondeterministic_output", .route = ROUTE_CONNECTION},
    CONTAINER("latency", latency_rows, "2.8.13", "Tells how long commands took"),
    CONTAINER("memory", memory_rows, "4.0.0", "Tells what memory is used for"),
    {SERVER_ROW("save", server_save, 1,
                COMMAND_ADMIN | COMMAND_NOSCRIPT | COMMAND_NO_ASYNC_LOADING | COMMAND_NO_MULTI,
                ACL_ADMINS, "1.0.0", "O(1)", "Refused: the engine in memory has nothing on disk"),
     .route = ROUTE_CONNECTION},
    {SERVER_ROW("shutdown", server_shutdown, -1,
                ADMIN | COMMAND_NOSCRIPT | COMMAND_NO_MULTI | COMMAND_ALLOW_BUSY, ACL_ADMINS,
                "1.0.0", "O(1)", "Stops the node when it has answered what it took"),
     .route = ROUTE_CONNECTION},
    CONTAINER("slowlog", slowlog_rows, "2.2.12", "Tells the slowest commands of late"),
    {SERVER_ROW("time", server_time, 1,
                COMMAND_LOADING | COMMAND_STALE | COMMAND_FAST | COMMAND_STATELESS, ACL_FAST,
                "2.6.0", "O(1)", "Tells the time of the node"),
     .tips = "nondeterministic_output", .route = ROUTE_CONNECTION},
};

const struct command_module commands_server = COMMAND_ROWS(server_rows);
