// How long commands took: SLOWLOG and LATENCY.
#include "cluster/commands.h"
#include "cluster/help.h"
#include "cluster/shard.h"
#include "cluster/slowlog.h"
#include "core/check.h"
#include "core/memory.h"
#include "core/number.h"

#include <stdio.h>

// SLOWLOG ------------------------------------------------------------------------------------

enum { SLOWLOG_GET_DEFAULT = 10 };

static int64_t slowlog_sum(const struct exec *x)
{
    int64_t sum = 0;
    for (uint32_t p = 0; p < x->part_count; p++) {
        sum += x->parts[p].sum;
    }
    return sum;
}

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
    int64_t all = slowlog_sum(x);
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
    reply_integer(&x->reply, slowlog_sum(x));
}

static void slowlog_forget(struct exec *x)
{
    slowlog_reset(x->shard->slowlog);
}

static void slowlog_reset_finish(struct exec *x)
{
    reply_ok(&x->reply);
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

// Rows ---------------------------------------------------------------------------------------

static const struct command slowlog_rows[] = {
    {SERVER_ROW("get", slowlog_get, -2, SERVER_ADMIN, ACL_SERVER_ADMIN, "2.2.12",
                "O(N) in what is told", "Tells the slowest commands of late"),
     .tips = "request_policy:all_nodes,nondeterministic_output", .label = "slowlog|get",
     .route = ROUTE_ALL, .finish = slowlog_get_finish},
    {SERVER_ROW("help", slowlog_help, 2, COMMAND_LOADING | COMMAND_STALE, ACL_SLOW, "6.2.0", "O(1)",
                "Prints help about SLOWLOG"),
     .label = "slowlog|help", .route = ROUTE_CONNECTION},
    {SERVER_ROW("len", slowlog_len, 2, SERVER_ADMIN, ACL_SERVER_ADMIN, "2.2.12", "O(1)",
                "Tells how many commands the slow log has"),
     .tips = "request_policy:all_nodes,response_policy:agg_sum,nondeterministic_output",
     .label = "slowlog|len", .route = ROUTE_ALL, .finish = slowlog_len_finish},
    {SERVER_ROW("reset", slowlog_forget, 2, SERVER_ADMIN, ACL_SERVER_ADMIN, "2.2.12",
                "O(N) in the entries", "Empties the slow log"),
     .tips = "request_policy:all_nodes,response_policy:all_succeeded", .label = "slowlog|reset",
     .route = ROUTE_ALL, .finish = slowlog_reset_finish},
};

static const struct command latency_rows[] = {
    {SERVER_ROW("doctor", latency_doctor, 2, SERVER_ADMIN | COMMAND_NOSCRIPT, ACL_SERVER_ADMIN,
                "2.8.13", "O(1)", "Tells where latencies are measured"),
     .tips = "nondeterministic_output,request_policy:all_nodes,response_policy:special",
     .label = "latency|doctor", .route = ROUTE_CONNECTION},
    {SERVER_ROW("help", latency_help, 2, COMMAND_LOADING | COMMAND_STALE, ACL_SLOW, "2.8.13",
                "O(1)", "Prints help about LATENCY"),
     .label = "latency|help", .route = ROUTE_CONNECTION},
    {SERVER_ROW("histogram", latency_histogram, -2, SERVER_ADMIN | COMMAND_NOSCRIPT,
                ACL_SERVER_ADMIN, "7.0.0", "O(N) in the number of commands",
                "Tells how long commands took"),
     .tips = "nondeterministic_output,request_policy:all_nodes,response_policy:special",
     .label = "latency|histogram", .route = ROUTE_ALL, .finish = latency_histogram_finish},
    {SERVER_ROW("history", latency_none, 3, SERVER_ADMIN | COMMAND_NOSCRIPT, ACL_SERVER_ADMIN,
                "2.8.13", "O(1)", "Always empty"),
     .tips = "nondeterministic_output,request_policy:all_nodes,response_policy:special",
     .label = "latency|history", .route = ROUTE_CONNECTION},
    {SERVER_ROW("latest", latency_none, 2, SERVER_ADMIN | COMMAND_NOSCRIPT, ACL_SERVER_ADMIN,
                "2.8.13", "O(1)", "Always empty"),
     .tips = "nondeterministic_output,request_policy:all_nodes,response_policy:special",
     .label = "latency|latest", .route = ROUTE_CONNECTION},
    {SERVER_ROW("reset", latency_reset, -2, SERVER_ADMIN | COMMAND_NOSCRIPT, ACL_SERVER_ADMIN,
                "2.8.13", "O(1)", "Always 0"),
     .tips = "request_policy:all_nodes,response_policy:all_succeeded", .label = "latency|reset",
     .route = ROUTE_CONNECTION},
};

static const struct command latency_containers[] = {
    SERVER_CONTAINER("latency", latency_rows, "2.8.13", "Tells how long commands took"),
    SERVER_CONTAINER("slowlog", slowlog_rows, "2.2.12", "Tells the slowest commands of late"),
};

const struct command_module commands_latency = COMMAND_ROWS(latency_containers);
