// A small HTTP server on one shard, for machines that watch: /metrics, /healthz, /readyz.
//
// It knows connections and answers, and nothing of what the pages say: the owner gives it routes,
// and a page may be finished later than it was asked for (the figures of all shards take a round of
// messages).
//
//     accept -> read (core/http.h) -> route -> page filled, now or later -> send -> read the next,
//     or close
//
// One request of a connection at a time. A client that sends on before it was answered is answered,
// and its connection closed (RFC 9112, 9.3.2 lets it try again). A request must be complete within
// LIMIT_HTTP_REQUEST_MS of its first byte and its answer be taken within LIMIT_HTTP_ANSWER_MS; a
// silent connection is closed after LIMIT_HTTP_IDLE_MS. More than LIMIT_HTTP_CONNECTIONS are closed
// as they come.
//
// Ownership: embedded in its shard and used by its thread. A page belongs to the server; the
// route's function fills it and gives it back exactly once with http_page_done(), also when the
// client has gone or the server was stopped meanwhile.
#pragma once

#include "core/http.h"
#include "core/io.h"
#include "core/pool.h"
#include "core/text.h"
#include "core/timer.h"

#include <stdbool.h>
#include <stdint.h>

struct http_connection;
struct http_server;

// An answer being made.
struct http_page {
    struct text body;                   // append to it; bounded by LIMIT_HTTP_RESPONSE_BYTES
    struct http_connection *connection; // the server's
};

// Fills the page, or sees to it that it is filled.
typedef void http_page_fn(void *context, struct http_page *page);

struct http_route {
    const char *path; // "/metrics"
    http_page_fn *page;
};

// Read by anyone on the shard's thread; written by the server.
struct http_server_metrics {
    uint64_t requests;
    uint64_t refused;  // requests that were none
    uint64_t rejected; // connections beyond the bound
};

struct http_server {
    struct io *io;
    struct timers *timers;
    const struct http_route *routes;
    uint32_t route_count;
    void *context;
    struct http_server_metrics metrics;
    // Below: the server's own.
    struct io_stream listener;
    struct io_op listener_close;
    struct pool connections;
    struct http_connection *first;
    uint32_t rejecting; // closes under way
    int fd;
    bool stopping;
    bool closed; // the listener's descriptor
};

// Listens; `routes` and `context` live as long as the server. 0 or -errno.
int http_server_open(struct http_server *server, struct io *io, struct timers *timers,
                     const struct io_address *address, const struct http_route *routes,
                     uint32_t route_count, void *context);

// The answer is complete: `status` with the body so far, as content_type (a literal). A body that
// did not fit becomes a 500. The page is the server's again.
void http_page_done(struct http_page *page, unsigned status, const char *content_type);

// Stops accepting and ends all connections once what they asked is answered; then turn io until
// http_server_stopped().
void http_server_stop(struct http_server *server);
bool http_server_stopped(const struct http_server *server);

// Frees what is left of a stopped server.
void http_server_close(struct http_server *server);
