#include "cluster/http_server.h"

#include "core/check.h"
#include "core/limits.h"
#include "core/memory.h"

#include <errno.h>
#include <stddef.h>
#include <string.h>

enum {
    HTTP_HEAD_BYTES = 256, // of a response: http_head() writes less
    HTTP_SLAB_CONNECTIONS = 4,
    NS_PER_MS = 1000 * 1000,
};

static const char plain_text[] = "text/plain; charset=utf-8";

struct http_connection {
    struct http_server *server;
    struct http_connection *next;
    struct http_connection *previous;
    struct io_stream recv;
    struct io_op send;
    struct io_op close;
    struct timer timer;
    int fd;
    bool answering;  // a request was taken and its answer is not sent yet
    bool page_out;   // the route's function has the page
    bool head_only;  // HEAD
    bool last;       // the connection ends after this answer
    bool discarding; // what still comes is read and dropped, so that the answer is not lost
    bool closing;    // shut down; waits for what is in flight
    struct http_page page;
    struct text head;
    char head_bytes[HTTP_HEAD_BYTES];
    struct iovec parts[2]; // of the answer, what is not sent yet
    struct http_parser parser;
};

static struct http_connection *http_connection_of(void *member, size_t offset)
{
    return (struct http_connection *)(void *)((char *)member - offset);
}

static void http_connection_arm(struct http_connection *connection, uint64_t delay_ms)
{
    struct http_server *server = connection->server;

    timer_arm(server->timers, &connection->timer, server->io->now_ns + delay_ms * NS_PER_MS);
}

static void http_connection_closed(struct io_op *op, int32_t result)
{
    struct http_connection *connection =
        http_connection_of(op, offsetof(struct http_connection, close));
    struct http_server *server = connection->server;

    (void)result; // nothing is left to do about it
    if (connection->previous == NULL) {
        server->first = connection->next;
    } else {
        connection->previous->next = connection->next;
    }
    if (connection->next != NULL) {
        connection->next->previous = connection->previous;
    }
    text_free(&connection->page.body);
    pool_give(&server->connections, connection);
}

// Goes on with the end once nothing is in flight and nobody has the page.
static void http_connection_settle(struct http_connection *connection)
{
    if (!connection->closing || connection->recv.active || connection->send.pending ||
        connection->page_out || connection->close.pending) {
        return;
    }
    connection->close.done = http_connection_closed;
    io_close(connection->server->io, &connection->close, connection->fd);
}

static void http_connection_end(struct http_connection *connection)
{
    if (!connection->closing) {
        connection->closing = true;
        timer_cancel(connection->server->timers, &connection->timer);
        io_shutdown(connection->server->io, connection->fd);
        io_stream_stop(connection->server->io, &connection->recv);
    }
    http_connection_settle(connection);
}

static void http_connection_expired(struct timer *timer)
{
    http_connection_end(http_connection_of(timer, offsetof(struct http_connection, timer)));
}

// The answer is sent.
static void http_connection_answered(struct http_connection *connection)
{
    connection->answering = false;
    text_clear(&connection->page.body);
    if (connection->discarding) {
        http_connection_arm(connection, LIMIT_HTTP_LINGER_MS);
    } else if (connection->last || !connection->recv.active || connection->server->stopping) {
        http_connection_end(connection);
    } else {
        http_connection_arm(connection, LIMIT_HTTP_IDLE_MS);
    }
}

static void http_connection_send(struct http_connection *connection)
{
    struct iovec *first =
        connection->parts[0].iov_len != 0 ? &connection->parts[0] : &connection->parts[1];
    const unsigned count =
        first == &connection->parts[0] && connection->parts[1].iov_len != 0 ? 2 : 1;

    io_send(connection->server->io, &connection->send, connection->fd, first, count);
}

static void http_connection_sent(struct io_op *op, int32_t result)
{
    struct http_connection *connection =
        http_connection_of(op, offsetof(struct http_connection, send));

    if (connection->closing || result <= 0) {
        http_connection_end(connection);
        return;
    }
    size_t sent = (size_t)result;
    for (unsigned i = 0; i < 2; i++) {
        struct iovec *part = &connection->parts[i];
        const size_t taken = sent < part->iov_len ? sent : part->iov_len;
        part->iov_base = (char *)part->iov_base + taken;
        part->iov_len -= taken;
        sent -= taken;
    }
    CHECK(sent == 0);
    if (connection->parts[0].iov_len == 0 && connection->parts[1].iov_len == 0) {
        http_connection_answered(connection);
    } else {
        http_connection_send(connection);
    }
}

// Sends the page's body, or only its head.
static void http_connection_answer(struct http_connection *connection, unsigned status,
                                   const char *content_type)
{
    struct text *body = &connection->page.body;

    CHECK(connection->answering && !connection->page_out);
    text_init_fixed(&connection->head, connection->head_bytes, sizeof(connection->head_bytes));
    http_head(&connection->head, status, content_type, body->size,
              !connection->last && !connection->server->stopping);
    CHECK(text_error(&connection->head) == 0);
    connection->parts[0] = (struct iovec){connection->head.bytes, connection->head.size};
    connection->parts[1] = (struct iovec){body->bytes, connection->head_only ? 0 : body->size};
    connection->send.done = http_connection_sent;
    http_connection_arm(connection, LIMIT_HTTP_ANSWER_MS);
    http_connection_send(connection);
}

void http_page_done(struct http_page *page, unsigned status, const char *content_type)
{
    struct http_connection *connection = page->connection;

    CHECK(connection->page_out);
    connection->page_out = false;
    if (connection->closing) {
        http_connection_settle(connection);
        return;
    }
    if (text_error(&page->body) != 0) {
        text_clear(&page->body);
        text_string(&page->body, "the page is too large\n");
        status = 500;
        content_type = plain_text;
    }
    http_connection_answer(connection, status, content_type);
}

static void http_connection_error(struct http_connection *connection, unsigned status)
{
    text_clear(&connection->page.body);
    text_printf(&connection->page.body, "%s\n", http_reason(status));
    http_connection_answer(connection, status, plain_text);
}

// A whole request, or one that is refused, is in the parser.
static void http_connection_request(struct http_connection *connection, enum http_event event)
{
    struct http_server *server = connection->server;
    const struct http_request *request = &connection->parser.request;

    connection->answering = true;
    if (event == HTTP_REFUSED) {
        server->metrics.refused++;
        connection->head_only = false;
        connection->last = true;
        connection->discarding = true;
        http_connection_error(connection, connection->parser.status);
        return;
    }
    server->metrics.requests++;
    connection->head_only = request->method == HTTP_HEAD;
    connection->last = connection->last || !request->keep_alive;
    timer_cancel(server->timers, &connection->timer); // the page takes as long as it takes
    for (uint32_t i = 0; i < server->route_count; i++) {
        if (slice_equal(request->path, slice_from_text(server->routes[i].path))) {
            connection->page_out = true;
            server->routes[i].page(server->context, &connection->page);
            return;
        }
    }
    http_connection_error(connection, 404);
}

static void http_connection_read(struct http_connection *connection, struct slice input)
{
    if (connection->discarding) {
        return;
    }
    if (connection->answering) {
        connection->last = true;
        return;
    }
    if (connection->parser.complete || connection->parser.size == 0) {
        http_connection_arm(connection, LIMIT_HTTP_REQUEST_MS);
    }
    size_t taken = 0;
    const enum http_event event = http_parser_feed(&connection->parser, input, &taken);
    if (event == HTTP_MORE) {
        return;
    }
    if (taken < input.size) {
        connection->last = true;
    }
    http_connection_request(connection, event);
}

static void http_connection_received(struct io_stream *stream, struct io_buffer *buffer,
                                     int32_t result)
{
    struct http_connection *connection =
        http_connection_of(stream, offsetof(struct http_connection, recv));
    struct http_server *server = connection->server;

    if (result > 0) {
        if (!connection->closing) {
            http_connection_read(connection, slice_of(buffer->bytes, (size_t)result));
        }
        io_buffer_release(server->io, buffer);
        return;
    }
    // The peer sends nothing more. It may still read the answer that is under way.
    if (result == 0 && connection->answering && !connection->closing) {
        connection->last = true;
        connection->discarding = false;
        return;
    }
    http_connection_end(connection);
}

// The close of a connection that there was no room for.
struct http_reject {
    struct io_op op;
    struct http_server *server;
};

static void http_reject_closed(struct io_op *op, int32_t result)
{
    struct http_reject *reject =
        (struct http_reject *)(void *)((char *)op - offsetof(struct http_reject, op));

    (void)result;
    reject->server->rejecting--;
    memory_free(reject);
}

static void http_server_reject(struct http_server *server, int fd)
{
    struct http_reject *reject = memory_allocate_zeroed(sizeof(*reject));

    server->metrics.rejected++;
    if (reject == NULL) {
        io_shutdown(server->io, fd); // the number is lost, which beats ending the process
        return;
    }
    reject->server = server;
    reject->op.done = http_reject_closed;
    server->rejecting++;
    io_close(server->io, &reject->op, fd);
}

static void http_listener_closed(struct io_op *op, int32_t result)
{
    struct http_server *server =
        (struct http_server *)(void *)((char *)op - offsetof(struct http_server, listener_close));

    (void)result;
    server->closed = true;
}

static void http_server_accepted(struct io_stream *stream, struct io_buffer *buffer, int32_t result)
{
    struct http_server *server =
        (struct http_server *)(void *)((char *)stream - offsetof(struct http_server, listener));

    CHECK(buffer == NULL);
    if (result < 0) {
        // Errors that pass are the backend's to get over; only the end of the stream matters.
        if (!stream->active) {
            server->listener_close.done = http_listener_closed;
            io_close(server->io, &server->listener_close, server->fd);
        }
        return;
    }
    struct http_connection *connection = server->stopping ? NULL : pool_take(&server->connections);
    if (connection == NULL) {
        http_server_reject(server, result);
        return;
    }
    memset(connection, 0, offsetof(struct http_connection, parser));
    http_parser_init(&connection->parser);
    connection->server = server;
    connection->fd = result;
    connection->recv.event = http_connection_received;
    connection->timer.fire = http_connection_expired;
    connection->page.connection = connection;
    text_init(&connection->page.body, LIMIT_HTTP_RESPONSE_BYTES);
    connection->next = server->first;
    if (server->first != NULL) {
        server->first->previous = connection;
    }
    server->first = connection;
    http_connection_arm(connection, LIMIT_HTTP_REQUEST_MS);
    io_recv_start(server->io, &connection->recv, connection->fd);
}

int http_server_open(struct http_server *server, struct io *io, struct timers *timers,
                     const struct io_address *address, const struct http_route *routes,
                     uint32_t route_count, void *context)
{
    int fd;

    CHECK(routes != NULL && route_count > 0);
    const int error = io_listen(io, address, 0, &fd);
    if (error != 0) {
        return error;
    }
    *server = (struct http_server){
        .io = io,
        .timers = timers,
        .routes = routes,
        .route_count = route_count,
        .context = context,
        .listener = {.event = http_server_accepted},
        .fd = fd,
    };
    pool_init(&server->connections, sizeof(struct http_connection), HTTP_SLAB_CONNECTIONS,
              LIMIT_HTTP_CONNECTIONS);
    io_accept_start(io, &server->listener, fd);
    return 0;
}

void http_server_stop(struct http_server *server)
{
    if (server->stopping) {
        return;
    }
    server->stopping = true;
    io_stream_stop(server->io, &server->listener);
    for (struct http_connection *connection = server->first; connection != NULL;) {
        struct http_connection *next = connection->next;
        if (!connection->answering) {
            http_connection_end(connection);
        }
        connection = next;
    }
}

bool http_server_stopped(const struct http_server *server)
{
    return server->closed && server->first == NULL && server->rejecting == 0;
}

void http_server_close(struct http_server *server)
{
    CHECK(http_server_stopped(server));
    pool_destroy(&server->connections);
}
