#include "core/metrics.h"

#include "core/memory.h"

#include <criterion/criterion.h>

#include <stddef.h>
#include <string.h>

enum { COMMANDS = 3 };

struct client_metrics {
    uint64_t accepted;
    uint64_t connected;
    uint64_t received;
    uint64_t calls[COMMANDS];
    struct histogram_latency latency[COMMANDS];
};

struct loop_metrics {
    uint64_t longest_turn;
    struct histogram batch;
    uint64_t batch_buckets[(10 - 2 + 1) << 2];
};

static const char *command_name(uint32_t index)
{
    static const char *const names[] = {"get", "set", "we\"ird\\"};

    return names[index];
}

static const struct metric client_rows[] = {
    {.name = "connections_accepted",
     .help = "Connections taken",
     .kind = METRIC_COUNTER,
     .offset = offsetof(struct client_metrics, accepted)},
    {.name = "connected_clients",
     .help = "Connections now",
     .kind = METRIC_GAUGE,
     .offset = offsetof(struct client_metrics, connected)},
    {.name = "received",
     .help = "Bytes read from clients",
     .kind = METRIC_COUNTER,
     .unit = METRIC_BYTES,
     .offset = offsetof(struct client_metrics, received)},
    {.name = "command_calls",
     .help = "Calls of each command",
     .kind = METRIC_COUNTER,
     .offset = offsetof(struct client_metrics, calls),
     .elements = COMMANDS,
     .stride = sizeof(uint64_t),
     .label_name = "command",
     .label = command_name},
    {.name = "command_latency",
     .help = "From parsed to answered",
     .kind = METRIC_HISTOGRAM,
     .unit = METRIC_NS,
     .offset = offsetof(struct client_metrics, latency),
     .elements = COMMANDS,
     .stride = sizeof(struct histogram_latency),
     .label_name = "command",
     .label = command_name,
     .sub_bits = HISTOGRAM_LATENCY_SUB_BITS,
     .bucket_count = HISTOGRAM_LATENCY_BUCKETS},
};

static const struct metric loop_rows[] = {
    {.name = "longest_turn",
     .help = "The longest turn so far",
     .kind = METRIC_GAUGE,
     .unit = METRIC_NS,
     .offset = offsetof(struct loop_metrics, longest_turn)},
    {.name = "batch",
     .help = "Requests in a turn",
     .kind = METRIC_HISTOGRAM,
     .offset = offsetof(struct loop_metrics, batch),
     .sub_bits = 2,
     .bucket_count = (10 - 2 + 1) << 2},
};

static const struct metrics_table client_table = {"client", client_rows, 5};
static const struct metrics_table loop_table = {"loop", loop_rows, 2};

struct shard {
    struct client_metrics client;
    struct loop_metrics loop;
    struct metrics_part parts[2];
};

static void shard_init(struct shard *shard)
{
    memset(shard, 0, sizeof(*shard));
    for (int i = 0; i < COMMANDS; i++) {
        histogram_latency_init(&shard->client.latency[i]);
    }
    histogram_init(&shard->loop.batch, 2, 10, shard->loop.batch_buckets);
    shard->parts[0] = (struct metrics_part){&client_table, &shard->client};
    shard->parts[1] = (struct metrics_part){&loop_table, &shard->loop};
}

static uint64_t *snapshot(const struct shard *shard)
{
    const size_t count = metrics_cell_count(shard->parts, 2);
    uint64_t *cells = memory_allocate(count * sizeof(*cells));

    memset(cells, 0xee, count * sizeof(*cells)); // what is not written must not be read
    metrics_snapshot(shard->parts, 2, cells);
    return cells;
}

// Two shards: 3 and 4 connections, GET on both, SET on the second.
static void fill(struct shard shards[2])
{
    shard_init(&shards[0]);
    shard_init(&shards[1]);
    shards[0].client.accepted = 3;
    shards[1].client.accepted = 4;
    shards[0].client.connected = 1;
    shards[1].client.received = 1000;
    shards[0].client.calls[0] = 2;
    shards[1].client.calls[0] = 5;
    shards[1].client.calls[1] = 1;
    histogram_record(&shards[0].client.latency[0].histogram, 1500);
    histogram_record(&shards[0].client.latency[0].histogram, 3000000);
    histogram_record(&shards[1].client.latency[0].histogram, 2500000000);
    histogram_record(&shards[1].client.latency[1].histogram, 800);
    shards[0].loop.longest_turn = 7000;
    shards[1].loop.longest_turn = 9500;
    histogram_record_n(&shards[0].loop.batch, 16, 10);
}

Test(core_metrics, tables_are_checked)
{
    struct shard shard;
    struct metric row = client_rows[0];
    const struct metrics_table table = {"x", &row, 1};
    const struct metrics_part part = {&table, NULL};
    const struct metrics_part twice[] = {part, part};

    shard_init(&shard);
    cr_expect_null(metrics_check(shard.parts, 2));
    cr_expect_str_eq(metrics_check(twice, 2), "a name twice");
    row.name = "Accepted";
    cr_expect_str_eq(metrics_check(&part, 1), "a name that is not snake_case");
    row = client_rows[0];
    row.help = "";
    cr_expect_str_eq(metrics_check(&part, 1), "no help");
    row = client_rows[3];
    row.label = NULL;
    cr_expect_str_eq(metrics_check(&part, 1), "several elements without a label");
    row = client_rows[3];
    row.stride = 0;
    cr_expect_str_eq(metrics_check(&part, 1), "several elements in one place");
    row = client_rows[4];
    row.bucket_count = 17;
    cr_expect_str_eq(metrics_check(&part, 1), "a shape that is none");
    row = client_rows[0];
    row.offset = 4;
    cr_expect_str_eq(metrics_check(&part, 1), "an offset or stride that is not aligned");
}

Test(core_metrics, a_snapshot_becomes_lines)
{
    static struct shard shards[2];
    struct text text;

    fill(shards);
    uint64_t *cells = snapshot(&shards[0]);
    text_init(&text, 10000);
    metrics_render_lines(&text, shards[0].parts, 2, "client", cells);
    cr_expect_str_eq(text_c(&text), "connections_accepted:3\r\n"
                                    "connected_clients:1\r\n"
                                    "received_bytes:0\r\n"
                                    "command_calls_get:2\r\n"
                                    "command_latency_get:count=2,mean_us=1500.750,p50_us=1.535,"
                                    "p99_us=3000.000,p99_9_us=3000.000,max_us=3000.000\r\n");
    text_clear(&text);
    metrics_render_lines(&text, shards[0].parts, 2, "loop", cells);
    cr_expect_str_eq(text_c(&text),
                     "longest_turn_us:7\r\nbatch:count=10,mean=16.000,p50=16,p99=16,p99_9=16,max=16"
                     "\r\n");
    text_free(&text);
    memory_free(cells);
}

static void expect_in(const char *text, const char *line)
{
    cr_expect_not_null(strstr(text, line), "missing: %s\nin:\n%s", line, text);
}

static unsigned count_in(const char *text, const char *part)
{
    unsigned count = 0;

    for (const char *at = strstr(text, part); at != NULL; at = strstr(at + 1, part)) {
        count++;
    }
    return count;
}

Test(core_metrics, prometheus_gets_families_of_all_shards)
{
    static struct shard shards[2];
    struct text text;

    fill(shards);
    shards[1].client.calls[2] = 1;
    uint64_t *cells[2] = {snapshot(&shards[0]), snapshot(&shards[1])};
    const uint64_t *each[2] = {cells[0], cells[1]};
    text_init(&text, 100000);
    metrics_render_prometheus(&text, shards[0].parts, 2, each, 2);
    const char *page = text_c(&text);
    expect_in(page, "# HELP rldb_connections_accepted_total Connections taken\n"
                    "# TYPE rldb_connections_accepted_total counter\n"
                    "rldb_connections_accepted_total{shard=\"0\"} 3\n"
                    "rldb_connections_accepted_total{shard=\"1\"} 4\n");
    expect_in(page, "# TYPE rldb_connected_clients gauge\n"
                    "rldb_connected_clients{shard=\"0\"} 1\n"
                    "rldb_connected_clients{shard=\"1\"} 0\n");
    expect_in(page, "rldb_received_bytes_total{shard=\"1\"} 1000\n");
    expect_in(page, "rldb_command_calls_total{command=\"get\",shard=\"0\"} 2\n"
                    "rldb_command_calls_total{command=\"get\",shard=\"1\"} 5\n"
                    "rldb_command_calls_total{command=\"set\",shard=\"1\"} 1\n"
                    "rldb_command_calls_total{command=\"we\\\"ird\\\\\",shard=\"1\"} 1\n");
    expect_in(page, "rldb_longest_turn_seconds{shard=\"1\"} 0.000009500\n");
    expect_in(page, "# TYPE rldb_command_latency_seconds histogram\n");
    expect_in(page, "rldb_command_latency_seconds_bucket{command=\"get\",shard=\"0\","
                    "le=\"0.000001023\"} 0\n");
    expect_in(page, "rldb_command_latency_seconds_bucket{command=\"get\",shard=\"0\","
                    "le=\"0.000002047\"} 1\n");
    expect_in(page, "rldb_command_latency_seconds_bucket{command=\"get\",shard=\"0\","
                    "le=\"0.004194303\"} 2\n");
    expect_in(page, "rldb_command_latency_seconds_bucket{command=\"get\",shard=\"0\","
                    "le=\"+Inf\"} 2\n"
                    "rldb_command_latency_seconds_sum{command=\"get\",shard=\"0\"} 0.003001500\n"
                    "rldb_command_latency_seconds_count{command=\"get\",shard=\"0\"} 2\n");
    expect_in(page, "rldb_command_latency_seconds_sum{command=\"get\",shard=\"1\"} 2.500000000\n");
    expect_in(page, "rldb_batch_bucket{shard=\"0\",le=\"15\"} 0\n"
                    "rldb_batch_bucket{shard=\"0\",le=\"31\"} 10\n");
    expect_in(page, "rldb_batch_bucket{shard=\"1\",le=\"1073741823\"} 0\n"
                    "rldb_batch_bucket{shard=\"1\",le=\"+Inf\"} 0\n"
                    "rldb_batch_sum{shard=\"1\"} 0\n");
    cr_expect_eq(count_in(page, "# TYPE rldb_command_latency_seconds "), 1, "one family, once");
    cr_expect_eq(count_in(page, "command_latency_seconds_count{command=\"set\",shard=\"0\""), 0);
    cr_expect_eq(count_in(page, "# HELP"), 7);
    cr_expect_eq(page[text.size - 1], '\n');
    text_free(&text);
    memory_free(cells[0]);
    memory_free(cells[1]);
}

// Buckets are cumulative, and the last finite one never exceeds +Inf.
Test(core_metrics, a_value_beyond_the_last_bucket_is_in_inf_alone)
{
    static struct shard shard;
    struct text text;

    shard_init(&shard);
    histogram_record(&shard.client.latency[0].histogram, UINT64_C(20) << 30);
    uint64_t *cells = snapshot(&shard);
    const uint64_t *each[] = {cells};
    text_init(&text, 100000);
    metrics_render_prometheus(&text, shard.parts, 2, each, 1);
    expect_in(text_c(&text), "le=\"17.179869183\"} 0\n");
    expect_in(text_c(&text), "le=\"+Inf\"} 1\n");
    text_free(&text);
    memory_free(cells);
}
