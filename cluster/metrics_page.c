#include "cluster/metrics_page.h"

#include "cluster/http_server.h"
#include "cluster/shard.h"
#include "core/memory.h"
#include "core/metrics.h"

#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

enum { PARTS = 4 };

static const char CONTENT_METRICS[] = "text/plain; version=0.0.4; charset=utf-8";
static const char CONTENT_TEXT[] = "text/plain; charset=utf-8";

// What is read from elsewhere when a page is made.
struct gauges {
    uint64_t clients;
    uint64_t clients_memory_bytes;
    uint64_t clients_memory_max_bytes;
    uint64_t uptime_ns;
};

static const struct metric gauge_rows[] = {
    {.name = "clients",
     .help = "Connections now",
     .kind = METRIC_GAUGE,
     .offset = offsetof(struct gauges, clients)},
    {.name = "clients_memory",
     .help = "Memory of requests that are not whole and of replies that are not read",
     .kind = METRIC_GAUGE,
     .unit = METRIC_BYTES,
     .offset = offsetof(struct gauges, clients_memory_bytes)},
    {.name = "clients_memory_max",
     .help = "Bound on it; 0 for none",
     .kind = METRIC_GAUGE,
     .unit = METRIC_BYTES,
     .offset = offsetof(struct gauges, clients_memory_max_bytes)},
    {.name = "uptime",
     .help = "Time since the start",
     .kind = METRIC_GAUGE,
     .unit = METRIC_NS,
     .offset = offsetof(struct gauges, uptime_ns)},
};

#define REACTOR_ROW(field, name_, kind_, unit_, help_)                                             \
    {                                                                                              \
        .name = (name_), .help = (help_), .kind = (kind_), .unit = (unit_),                        \
        .offset = offsetof(struct reactor_metrics, field)                                          \
    }

static const struct metric reactor_rows[] = {
    REACTOR_ROW(turns, "turns", METRIC_COUNTER, METRIC_COUNT, "Turns of the loop"),
    REACTOR_ROW(sleeps, "sleeps", METRIC_COUNTER, METRIC_COUNT, "Turns that could wait"),
    REACTOR_ROW(dozes, "dozes", METRIC_COUNTER, METRIC_COUNT,
                "Turns that waited for several arrivals, the core being under load"),
    REACTOR_ROW(busy_ns, "busy", METRIC_COUNTER, METRIC_NS, "Time not spent waiting"),
    REACTOR_ROW(turn_ns_max, "turn_max", METRIC_GAUGE, METRIC_NS, "The longest turn so far"),
};

#define TABLE(module_, rows_)                                                                      \
    {                                                                                              \
        .module = (module_), .rows = (rows_), .row_count = sizeof(rows_) / sizeof *(rows_)         \
    }

static const struct metrics_table gauge_table = TABLE("node", gauge_rows);
static const struct metrics_table reactor_table = TABLE("reactor", reactor_rows);

static void page_parts(const struct gauges *gauges, const struct reactor_metrics *reactor,
                       const struct engine_stats *engine, const struct stats *stats,
                       struct metrics_part parts[PARTS])
{
    parts[0] = (struct metrics_part){.table = &gauge_table, .values = gauges};
    parts[1] = (struct metrics_part){.table = &reactor_table, .values = reactor};
    parts[2] = (struct metrics_part){.table = &engine_stats_table, .values = engine};
    parts[3] = (struct metrics_part){.table = &stats_table, .values = stats};
}

// Asking all shards --------------------------------------------------------------------------

struct metrics_page;

struct metrics_message {
    struct message message; // first
    struct metrics_page *page;
    uint64_t *cells;
};

struct metrics_page {
    struct http_page *http;
    uint32_t open; // messages not back yet
    uint32_t shard_count;
    struct metrics_message messages[];
};

static void page_fill(struct shard *shard, uint64_t *cells)
{
    const struct gauges gauges = {
        .clients = shard->client_count,
        .clients_memory_bytes = shard->client_memory.held_bytes,
        .clients_memory_max_bytes = shard->client_memory.max_bytes,
        .uptime_ns = shard->io->now_ns - shard->node->started_ns,
    };
    struct engine_stats engine;
    struct metrics_part parts[PARTS];
    shard_engine_stats(shard, &engine);
    page_parts(&gauges, &shard->reactor.metrics, &engine, &shard->stats, parts);
    metrics_snapshot(parts, PARTS, cells);
}

static void page_finish(struct metrics_page *page, unsigned status)
{
    if (status == 200) {
        const uint64_t *cells[LIMIT_SHARDS];
        struct metrics_part parts[PARTS];
        page_parts(NULL, NULL, NULL, NULL, parts);
        for (uint32_t i = 0; i < page->shard_count; i++) {
            cells[i] = page->messages[i].cells;
        }
        metrics_render_prometheus(&page->http->body, parts, PARTS, cells, page->shard_count);
    }
    http_page_done(page->http, status, status == 200 ? CONTENT_METRICS : CONTENT_TEXT);
    for (uint32_t i = 0; i < page->shard_count; i++) {
        memory_free(page->messages[i].cells);
    }
    memory_free(page);
}

void metrics_page_receive(struct shard *shard, struct metrics_message *message)
{
    page_fill(shard, message->cells);
    message->message.returning = true;
    shard_post(shard, &message->message);
}

void metrics_page_return(struct shard *shard, struct metrics_message *message)
{
    (void)shard;
    if (--message->page->open == 0) {
        page_finish(message->page, 200);
    }
}

static struct metrics_page *page_create(const struct shard *shard, struct http_page *http)
{
    uint32_t shards = shard->node->shard_count;
    struct metrics_part parts[PARTS];
    struct metrics_page *page =
        memory_allocate_zeroed(sizeof *page + shards * sizeof *page->messages);
    if (page == NULL) {
        return NULL;
    }
    page_parts(NULL, NULL, NULL, NULL, parts);
    page->http = http;
    for (; page->shard_count < shards; page->shard_count++) {
        // Zeroed as it is touched: a command that nobody used takes no memory here either.
        page->messages[page->shard_count].cells =
            memory_allocate_zeroed(metrics_cell_count(parts, PARTS) * sizeof(uint64_t));
        if (page->messages[page->shard_count].cells == NULL) {
            return page;
        }
    }
    return page;
}

static void page_metrics(void *context, struct http_page *http)
{
    struct shard *shard = context;
    struct metrics_page *page = page_create(shard, http);
    if (page == NULL) {
        http_page_done(http, 503, CONTENT_TEXT);
        return;
    }
    if (page->shard_count < shard->node->shard_count) {
        page_finish(page, 503);
        return;
    }
    page->open = page->shard_count;
    for (uint32_t i = 0; i < page->shard_count; i++) {
        struct metrics_message *message = &page->messages[i];
        message->page = page;
        message->message = (struct message){
            .kind = MESSAGE_METRICS, .from = (uint8_t)shard->index, .to = (uint8_t)i};
        if (i != shard->index) {
            shard_post(shard, &message->message);
        }
    }
    page_fill(shard, page->messages[shard->index].cells);
    metrics_page_return(shard, &page->messages[shard->index]);
}

static void page_healthz(void *context, struct http_page *http)
{
    (void)context;
    text_string(&http->body, "ok\n");
    http_page_done(http, 200, CONTENT_TEXT);
}

static void page_readyz(void *context, struct http_page *http)
{
    const struct shard *shard = context;
    const bool failed = atomic_load_explicit(&shard->node->write_ended, memory_order_relaxed) != 0;
    text_string(&http->body, shard->draining ? "stopping\n"
                             : failed        ? "a disk failed: no writes\n"
                                             : "ready\n");
    http_page_done(http, shard->draining || failed ? 503 : 200, CONTENT_TEXT);
}

static const struct http_route routes[] = {
    {"/metrics", page_metrics},
    {"/healthz", page_healthz},
    {"/readyz", page_readyz},
};

int metrics_page_open(struct shard *shard, char *ret_error)
{
    const char *text = shard->node->config.listen.http.text;
    struct io_address address;
    if (shard->index != 0 || text[0] == '\0') {
        return 0;
    }
    struct http_server *server = memory_allocate_zeroed(sizeof *server);
    int error = server == NULL ? -ENOMEM : io_address_parse(text, &address);
    if (error == 0) {
        error = http_server_open(server, shard->io, &shard->timers, &address, routes,
                                 sizeof routes / sizeof *routes, shard);
    }
    if (error < 0) {
        node_listen_error(text, "listen.http", error, ret_error);
        memory_free(server);
        return error;
    }
    shard->http = server;
    return 0;
}
