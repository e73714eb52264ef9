#include "cli/bench_report.h"

#include "cli/output.h"
#include "core/check.h"

#include <stdio.h>

// Printed for every operation. The names are those of the JSON.
static const struct {
    const char *name;
    const char *heading;
    double percent;
} PERCENTILES[] = {
    {"p50", "p50", 50},        {"p90", "p90", 90},       {"p95", NULL, 95},
    {"p99", "p99", 99},        {"p99_9", "p99.9", 99.9}, {"p99_99", NULL, 99.99},
    {"p99_999", NULL, 99.999},
};

enum { PERCENTILE_COUNT = sizeof PERCENTILES / sizeof PERCENTILES[0] };

static double report_rate(const struct bench_phase *phase, uint64_t count)
{
    return phase->seconds > 0 ? (double)count / phase->seconds : 0;
}

static void report_latency_cell(struct table *table, double ns)
{
    struct text cell = output_text();

    output_duration(&cell, ns / 1e9);
    table_cell(table, text_c(&cell));
    text_free(&cell);
}

static void report_row(struct table *table, const struct bench_phase *phase,
                       enum bench_operation operation)
{
    const struct histogram *const latency = &phase->stats.latencies[operation];
    struct text cell = output_text();

    table_cell(table, bench_operation_name(operation));
    table_cellf(table, "%llu", (unsigned long long)latency->count);
    output_count(&cell, report_rate(phase, latency->count));
    table_cell(table, text_c(&cell));
    text_free(&cell);
    report_latency_cell(table, histogram_mean(latency));
    for (size_t i = 0; i < PERCENTILE_COUNT; i++) {
        if (PERCENTILES[i].heading != NULL) {
            report_latency_cell(table,
                                (double)histogram_percentile(latency, PERCENTILES[i].percent));
        }
    }
    report_latency_cell(table, (double)latency->max);
}

static void report_problem(struct text *text, bool colored, uint64_t count, const char *what)
{
    if (count != 0) {
        char line[128];

        snprintf(line, sizeof line, "  %llu %s", (unsigned long long)count, what);
        output_color(text, colored, COLOR_RED, line);
        output_char(text, '\n');
    }
}

static void report_problems(const struct bench_plan *plan, const struct bench_stats *stats,
                            bool colored, struct text *text)
{
    report_problem(text, colored, stats->errors, "errors");
    for (size_t i = 0; i < BENCH_ERROR_KINDS && stats->kinds[i].count != 0; i++) {
        text_printf(text, "    %llu times: ", (unsigned long long)stats->kinds[i].count);
        output_printable(text, stats->kinds[i].text, strlen(stats->kinds[i].text));
        output_char(text, '\n');
    }
    report_problem(text, colored, stats->lost, "operations lost with their connections");
    report_problem(text, colored, stats->unsent,
                   "operations were due and never sent: the server, or this program, is too slow "
                   "for the rate");
    report_problem(text, colored, stats->values_wrong, "values were not what was written");
    report_problem(text, colored, stats->values_missing, "values are gone");
    report_problem(text, colored, stats->values_stale, "values were older than an answered write");
    if (plan->verify) {
        text_printf(text, "  %llu values checked\n", (unsigned long long)stats->values_checked);
    }
    if (stats->misses != 0) {
        text_printf(text, "  %llu keys asked for were not there\n",
                    (unsigned long long)stats->misses);
    }
}

static void report_cpu(const struct bench_phase *phase, const char *whose,
                       const struct bench_cpu *cpu, struct text *text)
{
    const double seconds = cpu->user_seconds + cpu->system_seconds;

    if (!cpu->known || phase->replies == 0) {
        return;
    }
    text_printf(text, "  %s CPU: %.3f us a request (%.2f s user, %.2f s system)\n", whose,
                seconds * 1e6 / (double)phase->replies, cpu->user_seconds, cpu->system_seconds);
}

static void report_phase(const struct bench_plan *plan, const char *name,
                         const struct bench_phase *phase, bool colored, struct text *text)
{
    const uint64_t operations = bench_stats_operations(&phase->stats);
    struct text rate = output_text();
    struct table table;

    output_color(text, colored, COLOR_BOLD, name);
    text_printf(text, ": %llu operations in ", (unsigned long long)operations);
    output_duration(text, phase->seconds);
    text_string(text, ", ");
    output_count(&rate, report_rate(phase, operations));
    text_string(&rate, "/s");
    output_color(text, colored, COLOR_GREEN, text_c(&rate));
    text_free(&rate);
    output_char(text, '\n');
    table_start(&table, "lrrrrrrrr");
    table_headings(&table, "- count rate/s mean p50 p90 p99 p99.9 max");
    for (size_t i = 0; i < BENCH_OPERATIONS; i++) {
        if (phase->stats.latencies[i].count != 0) {
            report_row(&table, phase, (enum bench_operation)i);
        }
    }
    table_finish(&table, colored, 2, text);
    report_cpu(phase, "server", &phase->server, text);
    report_cpu(phase, "client", &phase->client, text);
    report_problems(plan, &phase->stats, colored, text);
}

static void report_value_size(const struct bench_plan *plan, struct text *text)
{
    if (plan->size_kind == BENCH_SIZE_EXPONENTIAL) {
        text_printf(text, "values of %u bytes on average (exponential)", plan->value_bytes_mean);
    } else if (plan->value_bytes_min == plan->value_bytes_max) {
        text_printf(text, "values of %u bytes", plan->value_bytes_min);
    } else {
        text_printf(text, "values of %u to %u bytes", plan->value_bytes_min, plan->value_bytes_max);
    }
}

void bench_report_text(const struct bench_plan *plan, const struct bench_result *result,
                       bool colored, struct text *ret_text)
{
    text_printf(ret_text, "workload %s, %s keys, %llu of %u bytes, ", plan->workload,
                bench_distribution_name(plan->distribution), (unsigned long long)plan->keys,
                plan->key_bytes);
    report_value_size(plan, ret_text);
    text_printf(ret_text, "\n%u connections to %u %s, pipeline %u, %u %s, ", plan->connections,
                result->nodes, result->nodes == 1 ? "port" : "ports", plan->pipeline, plan->threads,
                plan->threads == 1 ? "thread" : "threads");
    if (plan->rate > 0) {
        text_printf(ret_text, "open loop at %g/s%s", plan->rate, plan->poisson ? " (Poisson)" : "");
    } else {
        text_string(ret_text, "closed loop");
    }
    text_printf(ret_text, ", RESP%d, seed %llu\n", plan->resp3 ? 3 : 2,
                (unsigned long long)plan->seed);
    if (result->load.done) {
        report_phase(plan, "load", &result->load, colored, ret_text);
    }
    if (result->run.done) {
        report_phase(plan, "run", &result->run, colored, ret_text);
    }
    if (result->stopped) {
        text_string(ret_text, "stopped before its end\n");
    }
}

static json_t *report_latency_json(const struct histogram *latency)
{
    json_t *const object = json_pack("{s:f}", "mean", histogram_mean(latency) / 1e3);

    for (size_t i = 0; i < PERCENTILE_COUNT; i++) {
        const uint64_t ns = histogram_percentile(latency, PERCENTILES[i].percent);

        json_object_set_new(object, PERCENTILES[i].name, json_real((double)ns / 1e3));
    }
    json_object_set_new(object, "max", json_real((double)latency->max / 1e3));
    return object;
}

static json_t *report_cpu_json(const struct bench_phase *phase, const struct bench_cpu *cpu)
{
    const double seconds = cpu->user_seconds + cpu->system_seconds;

    if (!cpu->known) {
        return json_null();
    }
    return json_pack("{s:f, s:f, s:o}", "user_seconds", cpu->user_seconds, "system_seconds",
                     cpu->system_seconds, "us_per_request",
                     phase->replies != 0 ? json_real(seconds * 1e6 / (double)phase->replies)
                                         : json_null());
}

static json_t *report_errors_json(const struct bench_stats *stats)
{
    json_t *const list = json_array();

    for (size_t i = 0; i < BENCH_ERROR_KINDS && stats->kinds[i].count != 0; i++) {
        struct text text = output_text();

        output_printable(&text, stats->kinds[i].text, strlen(stats->kinds[i].text));
        json_array_append_new(list, json_pack("{s:s, s:I}", "error", text_c(&text), "count",
                                              (json_int_t)stats->kinds[i].count));
        text_free(&text);
    }
    return list;
}

static json_t *report_phase_json(const struct bench_phase *phase)
{
    const struct bench_stats *const stats = &phase->stats;
    const uint64_t operations = bench_stats_operations(stats);
    json_t *const by_name = json_object();

    if (!phase->done) {
        json_decref(by_name);
        return json_null();
    }
    for (size_t i = 0; i < BENCH_OPERATIONS; i++) {
        if (stats->latencies[i].count != 0) {
            json_object_set_new(by_name, bench_operation_name((enum bench_operation)i),
                                json_pack("{s:I, s:f, s:o}", "count",
                                          (json_int_t)stats->latencies[i].count, "per_second",
                                          report_rate(phase, stats->latencies[i].count),
                                          "latency_us", report_latency_json(&stats->latencies[i])));
        }
    }
    return json_pack(
        "{s:I, s:f, s:f, s:o, s:I, s:I, s:I, s:I, s:I, s:o, s:{s:I, s:I, s:I, s:I}, s:I, s:I, s:o, "
        "s:o}",
        "count", (json_int_t)operations, "seconds", phase->seconds, "per_second",
        report_rate(phase, operations), "operations", by_name, "requests_for_cpu",
        (json_int_t)phase->replies, "misses", (json_int_t)stats->misses, "lost",
        (json_int_t)stats->lost, "unsent", (json_int_t)stats->unsent, "errors",
        (json_int_t)stats->errors, "error_kinds", report_errors_json(stats), "verify", "checked",
        (json_int_t)stats->values_checked, "wrong", (json_int_t)stats->values_wrong, "missing",
        (json_int_t)stats->values_missing, "stale", (json_int_t)stats->values_stale, "bytes_sent",
        (json_int_t)phase->bytes_sent, "bytes_received", (json_int_t)phase->bytes_received,
        "server_cpu", report_cpu_json(phase, &phase->server), "client_cpu",
        report_cpu_json(phase, &phase->client));
}

static json_t *report_mix_json(const struct bench_plan *plan)
{
    json_t *const object = json_object();

    for (size_t i = 0; i < BENCH_OPERATIONS; i++) {
        json_object_set_new(object, bench_operation_name((enum bench_operation)i),
                            json_real(plan->mix[i]));
    }
    return object;
}

static json_t *report_plan_json(const struct bench_plan *plan)
{
    const bool exponential = plan->size_kind == BENCH_SIZE_EXPONENTIAL;
    json_t *const object =
        json_pack("{s:s, s:o, s:s, s:f, s:[f, f], s:i, s:I, s:i, s:{s:s, s:i, s:i, s:i}, s:I}",
                  "workload", plan->workload, "mix", report_mix_json(plan), "distribution",
                  bench_distribution_name(plan->distribution), "theta", plan->theta, "hot",
                  plan->hot_keys, plan->hot_share, "scan_length_max", (int)plan->scan_length_max,
                  "keys", (json_int_t)plan->keys, "key_bytes", (int)plan->key_bytes, "value_bytes",
                  "distribution", exponential ? "exponential" : "uniform", "min",
                  (int)plan->value_bytes_min, "max", (int)plan->value_bytes_max, "mean",
                  (int)plan->value_bytes_mean, "ttl_ms", (json_int_t)plan->ttl_ms);
    json_t *const rest = json_pack(
        "{s:i, s:i, s:i, s:i, s:b, s:f, s:b, s:b, s:b, s:I, s:f, s:f, s:I, s:b, s:b, s:b}",
        "connections", (int)plan->connections, "idle_connections", (int)plan->idle_connections,
        "threads", (int)plan->threads, "pipeline", (int)plan->pipeline, "window", plan->window,
        "rate", plan->rate, "poisson", plan->poisson, "load", plan->load, "run", plan->run,
        "requests", (json_int_t)plan->requests, "duration_seconds", (double)plan->duration_ns / 1e9,
        "warmup_seconds", (double)plan->warmup_ns / 1e9, "seed", (json_int_t)plan->seed, "cluster",
        plan->cluster, "resp3", plan->resp3, "verify", plan->verify);

    CHECK(object != NULL && rest != NULL);
    json_object_update(object, rest);
    json_decref(rest);
    return object;
}

json_t *bench_report_json(const struct bench_plan *plan, const struct bench_result *result)
{
    json_t *const document =
        json_pack("{s:s, s:o, s:f, s:i, s:b, s:o, s:o}", "version", RLDB_VERSION, "parameters",
                  report_plan_json(plan), "connect_seconds", result->connect_seconds, "nodes",
                  (int)result->nodes, "stopped", result->stopped, "load",
                  report_phase_json(&result->load), "run", report_phase_json(&result->run));

    CHECK(document != NULL);
    return document;
}
