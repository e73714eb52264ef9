#include "cli/top.h"

#include "cli/info.h"
#include "cli/output.h"
#include "core/check.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

// How much a counter grew in a second; 0 when the server was started anew in between.
static double top_rate(const struct top *top, const char *name)
{
    const double growth = info_number(top->after, name) - info_number(top->before, name);

    return growth > 0 ? growth / top->seconds : 0;
}

// The same for a part of a line like shard0:commands=1,turns=2.
static double top_part_rate(const struct top *top, const char *line, const char *part)
{
    struct slice before = {NULL, 0};
    struct slice after = {NULL, 0};

    if (!info_find(top->after, line, &after)) {
        return 0;
    }
    const bool known = info_find(top->before, line, &before);
    const double growth =
        info_part_number(after, part) - (known ? info_part_number(before, part) : 0);

    return growth > 0 ? growth / top->seconds : 0;
}

struct top_figures {
    double operations;
    double cpu; // cores
    double cpu_us;
    double hits; // share of lookups; below 0: there were none
    double input;
    double output;
    double errors;
    double expired;
    double evicted;
    double connections;
    double keys;
};

static struct top_figures top_figures(const struct top *top)
{
    const double hits = top_rate(top, "keyspace_hits");
    const double misses = top_rate(top, "keyspace_misses");
    struct slice keyspace = {NULL, 0};
    struct top_figures figures = {
        .operations = top_rate(top, "total_commands_processed"),
        .cpu = top_rate(top, "used_cpu_user") + top_rate(top, "used_cpu_sys"),
        .hits = hits + misses > 0 ? hits / (hits + misses) : -1,
        .input = top_rate(top, "total_net_input_bytes"),
        .output = top_rate(top, "total_net_output_bytes"),
        .errors = top_rate(top, "total_error_replies"),
        .expired = top_rate(top, "expired_keys"),
        .evicted = top_rate(top, "evicted_keys"),
        .connections = top_rate(top, "total_connections_received"),
    };

    figures.cpu_us = figures.operations > 0 ? figures.cpu * 1e6 / figures.operations : 0;
    if (info_find(top->after, "db0", &keyspace)) {
        figures.keys = info_part_number(keyspace, "keys");
    }
    return figures;
}

// Appends the value of a field as the server wrote it.
static void top_word(const struct top *top, const char *name, struct text *text)
{
    struct slice value;

    if (info_find(top->after, name, &value)) {
        output_printable(text, value.bytes, value.size);
    }
}

static void top_header(const struct top *top, bool colored, struct text *text)
{
    struct text version = output_text();
    struct slice value;
    const bool is_rldb = info_find(top->after, "rldb_version", &value);

    text_string(&version, is_rldb ? "rldb " : "redis ");
    top_word(top, is_rldb ? "rldb_version" : "redis_version", &version);
    output_color(text, colored, COLOR_BOLD, top->server);
    text_printf(text, "  %s, up ", text_c(&version));
    output_duration(text, info_number(top->after, "uptime_in_seconds"));
    text_string(text, ", pid ");
    top_word(top, "process_id", text);
    output_char(text, '\n');
    text_free(&version);
}

static void top_pair(struct table *table, const char *name, struct text *value)
{
    table_color(table, COLOR_CYAN);
    table_cell(table, name);
    table_color(table, COLOR_PLAIN);
    table_cell(table, text_c(value));
    text_clear(value);
}

// The figures of the whole server, three in a row.
static void top_summary(const struct top *top, bool colored, struct text *text)
{
    const struct top_figures figures = top_figures(top);
    const double memory_max = info_number(top->after, "maxmemory");
    struct text cell = output_text();
    struct table table;

    table_start(&table, "lrlrlr");
    output_count(&cell, figures.operations);
    top_pair(&table, "operations/s", &cell);
    text_printf(&cell, "%.0f%%", figures.cpu * 100);
    top_pair(&table, "  CPU", &cell);
    output_bytes(&cell, info_number(top->after, "used_memory"));
    top_pair(&table, "  memory", &cell);
    text_string(&cell, figures.hits < 0 ? "-" : "");
    if (figures.hits >= 0) {
        text_printf(&cell, "%.1f%%", figures.hits * 100);
    }
    top_pair(&table, "hits", &cell);
    text_printf(&cell, "%.2f us", figures.cpu_us);
    top_pair(&table, "  CPU/operation", &cell);
    if (memory_max > 0) {
        output_bytes(&cell, memory_max);
    } else {
        text_string(&cell, "-");
    }
    top_pair(&table, "  memory max", &cell);
    output_count(&cell, figures.keys);
    top_pair(&table, "keys", &cell);
    output_bytes(&cell, figures.input);
    top_pair(&table, "  received/s", &cell);
    output_bytes(&cell, info_number(top->after, "used_memory_rss"));
    top_pair(&table, "  RSS", &cell);
    output_count(&cell, info_number(top->after, "connected_clients"));
    top_pair(&table, "clients", &cell);
    output_bytes(&cell, figures.output);
    top_pair(&table, "  sent/s", &cell);
    output_count(&cell, figures.expired);
    top_pair(&table, "  expired/s", &cell);
    output_count(&cell, figures.errors);
    top_pair(&table, "errors/s", &cell);
    output_count(&cell, figures.connections);
    top_pair(&table, "  connections/s", &cell);
    output_count(&cell, figures.evicted);
    top_pair(&table, "  evicted/s", &cell);
    table_finish(&table, colored, 2, text);
    text_free(&cell);
}

static void top_shard_row(const struct top *top, struct table *table, const char *name,
                          struct slice now)
{
    const double busy = top_part_rate(top, name, "busy_us") / 1e6;
    struct text cell = output_text();

    table_cell(table, name + 5); // behind "shard"
    output_count(&cell, top_part_rate(top, name, "commands"));
    table_cell(table, text_c(&cell));
    table_color(table, busy > 0.9 ? COLOR_RED : busy > 0.6 ? COLOR_YELLOW : COLOR_PLAIN);
    table_cellf(table, "%.0f%%", busy * 100);
    table_color(table, COLOR_PLAIN);
    text_clear(&cell);
    output_count(&cell, info_part_number(now, "keys"));
    table_cell(table, text_c(&cell));
    text_clear(&cell);
    output_count(&cell, info_part_number(now, "clients"));
    table_cell(table, text_c(&cell));
    text_clear(&cell);
    output_bytes(&cell, info_part_number(now, "memory"));
    table_cell(table, text_c(&cell));
    text_clear(&cell);
    output_count(&cell, top_part_rate(top, name, "hops_sent"));
    table_cell(table, text_c(&cell));
    text_clear(&cell);
    output_count(&cell, top_part_rate(top, name, "hops_received"));
    table_cell(table, text_c(&cell));
    text_clear(&cell);
    output_count(&cell, top_part_rate(top, name, "sleeps"));
    table_cell(table, text_c(&cell));
    text_clear(&cell);
    output_duration(&cell, info_part_number(now, "turn_us_max") / 1e6);
    table_cell(table, text_c(&cell));
    text_free(&cell);
}

// The next shard's line of INFO; its name is copied, terminated.
static bool top_next_shard(const struct top *top, size_t *position, char name[32],
                           struct slice *ret_value)
{
    struct info_line line = {.section = {NULL, 0}};

    while (info_next(top->after, position, &line)) {
        if (line.name.size > 5 && line.name.size < 32 && memcmp(line.name.bytes, "shard", 5) == 0 &&
            line.name.bytes[5] >= '0' && line.name.bytes[5] <= '9') {
            memcpy(name, line.name.bytes, line.name.size);
            name[line.name.size] = '\0';
            *ret_value = line.value;
            return true;
        }
    }
    return false;
}

static void top_shards(const struct top *top, bool colored, struct text *text)
{
    struct table table;
    struct slice value;
    size_t position = 0;
    char name[32];
    bool any = false;

    table_start(&table, "rrrrrrrrrr");
    table_headings(
        &table, "shard ops/s busy keys clients memory hops-out/s hops-in/s sleeps/s longest-turn");
    while (top_next_shard(top, &position, name, &value)) {
        top_shard_row(top, &table, name, value);
        any = true;
    }
    if (any) {
        output_char(text, '\n');
        table_finish(&table, colored, 2, text);
    } else {
        struct text unused = output_text();

        table_finish(&table, colored, 0, &unused);
        text_free(&unused);
    }
}

// A command with calls in this time.
struct top_command {
    char name[64];
    double calls;             // a second
    double mean_us;           // of these calls
    double failed;            // a second
    struct slice percentiles; // since the server's start; empty: not known
};

static int top_compare(const void *a, const void *b)
{
    const double x = ((const struct top_command *)a)->calls;
    const double y = ((const struct top_command *)b)->calls;

    return x < y ? 1 : x > y ? -1 : 0;
}

enum { TOP_COMMANDS_READ = 256 }; // more commands than there are

// Reads all commands that were called, the busiest first. Returns how many.
static size_t top_read_commands(const struct top *top, struct top_command *commands)
{
    static const char prefix[] = "cmdstat_";
    struct info_line line = {.section = {NULL, 0}};
    size_t position = 0;
    size_t count = 0;

    while (count < TOP_COMMANDS_READ && info_next(top->after, &position, &line)) {
        struct top_command *const command = &commands[count];
        char name[96];

        if (line.name.size <= sizeof prefix - 1 || line.name.size >= 64 ||
            memcmp(line.name.bytes, prefix, sizeof prefix - 1) != 0) {
            continue;
        }
        snprintf(name, sizeof name, "%.*s", (int)line.name.size, (const char *)line.name.bytes);
        *command = (struct top_command){.calls = top_part_rate(top, name, "calls"),
                                        .failed = top_part_rate(top, name, "failed_calls")};
        if (command->calls <= 0) {
            continue;
        }
        command->mean_us = top_part_rate(top, name, "usec") / command->calls;
        snprintf(command->name, sizeof command->name, "%.*s",
                 (int)(line.name.size - (sizeof prefix - 1)),
                 (const char *)line.name.bytes + sizeof prefix - 1);
        snprintf(name, sizeof name, "latency_percentiles_usec_%s", command->name);
        if (!info_find(top->after, name, &command->percentiles)) {
            command->percentiles = slice_of(NULL, 0);
        }
        count++;
    }
    qsort(commands, count, sizeof *commands, top_compare);
    return count;
}

static void top_latency_cell(struct table *table, struct slice percentiles, const char *name)
{
    struct text cell = output_text();

    if (percentiles.size == 0) {
        output_char(&cell, '-');
    } else {
        output_duration(&cell, info_part_number(percentiles, name) / 1e6);
    }
    table_cell(table, text_c(&cell));
    text_free(&cell);
}

static void top_commands(const struct top *top, bool colored, struct text *text)
{
    struct top_command commands[TOP_COMMANDS_READ];
    const size_t count = top_read_commands(top, commands);
    struct table table;

    if (count == 0) {
        return;
    }
    output_char(text, '\n');
    table_start(&table, "lrrrrrr");
    table_headings(&table, "command calls/s failed/s mean p50* p99* p99.9*");
    for (size_t i = 0; i < count && i < TOP_COMMANDS_MAX; i++) {
        struct text cell = output_text();

        table_cell(&table, commands[i].name);
        output_count(&cell, commands[i].calls);
        table_cell(&table, text_c(&cell));
        text_clear(&cell);
        output_count(&cell, commands[i].failed);
        table_color(&table, commands[i].failed > 0 ? COLOR_RED : COLOR_PLAIN);
        table_cell(&table, text_c(&cell));
        table_color(&table, COLOR_PLAIN);
        text_clear(&cell);
        output_duration(&cell, commands[i].mean_us / 1e6);
        table_cell(&table, text_c(&cell));
        text_free(&cell);
        top_latency_cell(&table, commands[i].percentiles, "p50");
        top_latency_cell(&table, commands[i].percentiles, "p99");
        top_latency_cell(&table, commands[i].percentiles, "p99.9");
    }
    table_finish(&table, colored, 2, text);
    output_color(text, colored, COLOR_DIM, "  * inside the server, since its start\n");
}

void top_render(const struct top *top, bool colored, struct text *ret_text)
{
    CHECK(top->seconds > 0);
    top_header(top, colored, ret_text);
    top_summary(top, colored, ret_text);
    top_shards(top, colored, ret_text);
    top_commands(top, colored, ret_text);
}

// What counts whole things is a whole number in JSON.
static json_t *top_whole(double number)
{
    return json_integer((json_int_t)number);
}

static json_t *top_shards_json(const struct top *top)
{
    json_t *const list = json_array();
    struct slice value;
    size_t position = 0;
    char name[32];

    while (top_next_shard(top, &position, name, &value)) {
        json_array_append_new(
            list, json_pack("{s:I, s:f, s:f, s:o, s:o, s:o, s:f, s:f, s:f, s:o}", "shard",
                            (json_int_t)strtoll(name + 5, NULL, 10), "operations",
                            top_part_rate(top, name, "commands"), "busy",
                            top_part_rate(top, name, "busy_us") / 1e6, "keys",
                            top_whole(info_part_number(value, "keys")), "clients",
                            top_whole(info_part_number(value, "clients")), "memory_bytes",
                            top_whole(info_part_number(value, "memory")), "hops_sent",
                            top_part_rate(top, name, "hops_sent"), "hops_received",
                            top_part_rate(top, name, "hops_received"), "sleeps",
                            top_part_rate(top, name, "sleeps"), "turn_us_max",
                            top_whole(info_part_number(value, "turn_us_max"))));
    }
    return list;
}

static json_t *top_commands_json(const struct top *top)
{
    struct top_command commands[TOP_COMMANDS_READ];
    const size_t count = top_read_commands(top, commands);
    json_t *const list = json_array();

    for (size_t i = 0; i < count; i++) {
        const struct slice percentiles = commands[i].percentiles;
        const bool known = percentiles.size != 0;

        json_array_append_new(
            list,
            json_pack(
                "{s:s, s:f, s:f, s:f, s:o, s:o, s:o}", "command", commands[i].name, "calls",
                commands[i].calls, "failed", commands[i].failed, "mean_us", commands[i].mean_us,
                "p50_us", known ? json_real(info_part_number(percentiles, "p50")) : json_null(),
                "p99_us", known ? json_real(info_part_number(percentiles, "p99")) : json_null(),
                "p99_9_us",
                known ? json_real(info_part_number(percentiles, "p99.9")) : json_null()));
    }
    return list;
}

json_t *top_json(const struct top *top)
{
    const struct top_figures figures = top_figures(top);
    json_t *document = NULL;

    CHECK(top->seconds > 0);
    document = json_pack(
        "{s:f, s:f, s:f, s:f, s:o, s:o, s:o, s:f, s:f, s:f, s:f, s:f, s:o, s:o, s:o, s:o, s:o}",
        "seconds", top->seconds, "operations", figures.operations, "cpu", figures.cpu,
        "cpu_us_per_operation", figures.cpu_us, "hit_share",
        figures.hits < 0 ? json_null() : json_real(figures.hits), "keys", top_whole(figures.keys),
        "clients", top_whole(info_number(top->after, "connected_clients")), "received_bytes",
        figures.input, "sent_bytes", figures.output, "errors", figures.errors, "expired",
        figures.expired, "evicted", figures.evicted, "memory_bytes",
        top_whole(info_number(top->after, "used_memory")), "memory_max_bytes",
        top_whole(info_number(top->after, "maxmemory")), "rss_bytes",
        top_whole(info_number(top->after, "used_memory_rss")), "shards", top_shards_json(top),
        "commands", top_commands_json(top));
    CHECK(document != NULL);
    return document;
}
