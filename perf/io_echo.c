// What core/io.h costs: a server that does nothing but count the commands in what it receives
// (lines that begin with '*') and answer each with the same bulk string, over the io_uring backend.
// Beside the same done on liburing directly, the difference in CPU per request is the cost of the
// backend.
//
//     perf_io_echo PORT THREADS [VALUE_BYTES]      PIN=1: threads are pinned to CPU 0, 1, ...

#include "core/check.h"
#include "core/io.h"
#include "core/limits.h"

#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    OUTPUT_BYTES = 1 << 20,
    REPLY_BYTES_MAX = 1 << 16,
};

struct server {
    struct io *io;
    struct io_stream accept;
    struct connection *dirty; // received something in this turn
    int listener;
    uint16_t port;
    int cpu; // -1: not pinned
    char reply[REPLY_BYTES_MAX];
    size_t reply_size;
};

struct connection {
    struct io_stream recv; // first
    struct io_op send;
    struct io_op close;
    struct server *server;
    struct connection *next_dirty;
    int fd;
    bool is_dirty;
    size_t size;
    size_t sent;
    char *output; // apart, lest the connections be a megabyte apart, all in the same sets of the
                  // caches
};

static void on_sent(struct io_op *op, int32_t result);

static struct connection *connection_of_send(struct io_op *op)
{
    return (struct connection *)((char *)op - offsetof(struct connection, send));
}

static void connection_flush(struct connection *connection)
{
    if (connection->send.pending || connection->size == 0) {
        return;
    }
    const struct iovec part = {.iov_base = connection->output + connection->sent,
                               .iov_len = connection->size - connection->sent};

    connection->send.done = on_sent;
    io_send(connection->server->io, &connection->send, connection->fd, &part, 1);
}

static void on_sent(struct io_op *op, int32_t result)
{
    struct connection *const connection = connection_of_send(op);

    connection->sent += result > 0 ? (size_t)result : connection->size - connection->sent;
    if (connection->sent == connection->size) {
        connection->sent = 0;
        connection->size = 0;
        return;
    }
    connection_flush(connection);
}

static void on_closed(struct io_op *op, int32_t result)
{
    (void)result;
    struct connection *const connection =
        (struct connection *)((char *)op - offsetof(struct connection, close));

    free(connection->output);
    free(connection);
}

static void connection_receive(struct connection *connection, const struct io_buffer *buffer)
{
    const struct server *const server = connection->server;
    const char *at = (const char *)buffer->bytes;
    const char *const end = at + buffer->size;

    while ((at = memchr(at, '*', (size_t)(end - at))) != NULL) {
        at++;
        if (connection->size + server->reply_size <= OUTPUT_BYTES) {
            memcpy(connection->output + connection->size, server->reply, server->reply_size);
            connection->size += server->reply_size;
        }
    }
}

static void on_received(struct io_stream *stream, struct io_buffer *buffer, int32_t result)
{
    struct connection *const connection = (struct connection *)stream;
    struct server *const server = connection->server;

    if (result <= 0) { // a benchmark's clients have nothing in flight when they leave
        connection->close.done = on_closed;
        io_close(server->io, &connection->close, connection->fd);
        return;
    }
    connection_receive(connection, buffer);
    io_buffer_release(server->io, buffer);
    if (!connection->is_dirty) {
        connection->is_dirty = true;
        connection->next_dirty = server->dirty;
        server->dirty = connection;
    }
}

static void on_accepted(struct io_stream *stream, struct io_buffer *buffer, int32_t result)
{
    struct server *const server =
        (struct server *)((char *)stream - offsetof(struct server, accept));

    (void)buffer;
    if (result < 0) {
        fprintf(stderr, "accept: %s\n", strerror(-result));
        return;
    }
    struct connection *const connection = calloc(1, sizeof *connection);

    CHECK(connection != NULL);
    connection->output = malloc(OUTPUT_BYTES);
    CHECK(connection->output != NULL);
    connection->server = server;
    connection->fd = result;
    connection->recv.event = on_received;
    io_recv_start(server->io, &connection->recv, result);
}

static void *server_run(void *context)
{
    struct server *const server = context;
    const struct io_uring_options options = {LIMIT_IO_QUEUE_ENTRIES, LIMIT_IO_BUFFER_COUNT,
                                             LIMIT_IO_BUFFER_BYTES};
    char text[IO_ERROR_TEXT_MAX];
    struct io_address address;

    if (server->cpu >= 0) {
        cpu_set_t set;

        CPU_ZERO(&set);
        CPU_SET((size_t)server->cpu, &set);
        sched_setaffinity(0, sizeof set, &set);
    }
    if (io_uring_open(&options, &server->io, text) != 0) {
        fprintf(stderr, "%s\n", text);
        exit(1);
    }
    snprintf(text, sizeof text, "127.0.0.1:%u", server->port);
    CHECK(io_address_parse(text, &address) == 0);
    const int result = io_listen(server->io, &address, IO_LISTEN_SHARED_PORT, &server->listener);

    if (result != 0) {
        fprintf(stderr, "%s: %s\n", text, strerror(-result));
        exit(1);
    }
    server->accept.event = on_accepted;
    io_accept_start(server->io, &server->accept, server->listener);
    for (;;) {
        io_turn(server->io, UINT64_MAX);
        while (server->dirty != NULL) {
            struct connection *const connection = server->dirty;

            server->dirty = connection->next_dirty;
            connection->is_dirty = false;
            connection_flush(connection);
        }
    }
    return NULL;
}

int main(int argc, char **argv)
{
    if (argc < 3) {
        fprintf(stderr, "usage: %s PORT THREADS [VALUE_BYTES]\n", argv[0]);
        return 2;
    }
    const long threads = strtol(argv[2], NULL, 10);
    const long value_bytes = argc > 3 ? strtol(argv[3], NULL, 10) : 3;
    pthread_t last;

    for (long i = 0; i < threads; i++) {
        struct server *const server = calloc(1, sizeof *server);

        CHECK(server != NULL && value_bytes >= 0 && value_bytes < REPLY_BYTES_MAX - 32);
        server->port = (uint16_t)strtoul(argv[1], NULL, 10);
        server->cpu = getenv("PIN") != NULL ? (int)i : -1;
        server->reply_size =
            (size_t)snprintf(server->reply, REPLY_BYTES_MAX, "$%ld\r\n", value_bytes);
        memset(server->reply + server->reply_size, 'x', (size_t)value_bytes);
        server->reply_size += (size_t)value_bytes;
        memcpy(server->reply + server->reply_size, "\r\n", 2);
        server->reply_size += 2;
        CHECK(pthread_create(&last, NULL, server_run, server) == 0);
    }
    pthread_join(last, NULL);
    return 0;
}
