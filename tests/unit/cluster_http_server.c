// Over the real backend: a client is a plain non-blocking socket of the test, and the server's loop
// is turned by hand.
#include "cluster/http_server.h"

#include "core/io.h"
#include "core/limits.h"

#include <criterion/criterion.h>

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { TURNS_MAX = 2000, BIG_BYTES = 3 << 20 };

struct world {
    struct io *io;
    struct timers timers;
    struct http_server server;
    struct io_address address;
    struct http_page *held; // asked for, to be finished later
    unsigned held_count;
};

static void page_now(void *context, struct http_page *page)
{
    (void)context;
    text_string(&page->body, "fine\n");
    http_page_done(page, 200, "text/plain");
}

static void page_later(void *context, struct http_page *page)
{
    struct world *world = context;

    world->held = page;
    world->held_count++;
}

static void page_big(void *context, struct http_page *page)
{
    static char line[1024];

    (void)context;
    memset(line, 'b', sizeof(line));
    for (size_t size = 0; size < BIG_BYTES; size += sizeof(line)) {
        text_append(&page->body, line, sizeof(line));
    }
    http_page_done(page, 200, "text/plain");
}

static void page_too_big(void *context, struct http_page *page)
{
    static char line[1 << 20];

    (void)context;
    for (size_t size = 0; size <= LIMIT_HTTP_RESPONSE_BYTES; size += sizeof(line)) {
        text_append(&page->body, line, sizeof(line));
    }
    http_page_done(page, 200, "text/plain");
}

static const struct http_route routes[] = {
    {"/now", page_now}, {"/later", page_later}, {"/big", page_big}, {"/too_big", page_too_big}};

static void world_open(struct world *world)
{
    const struct io_uring_options options = {
        .queue_entries = 64, .buffer_count = 64, .buffer_bytes = 2048};
    char error[IO_ERROR_TEXT_MAX];

    memset(world, 0, sizeof(*world));
    cr_assert_eq(io_uring_open(&options, &world->io, error), 0, "%s", error);
    timers_init(&world->timers, world->io->now_ns);
    cr_assert_eq(io_address_parse("127.0.0.1:0", &world->address), 0);
    cr_assert_eq(http_server_open(&world->server, world->io, &world->timers, &world->address,
                                  routes, sizeof(routes) / sizeof(routes[0]), world),
                 0);
    cr_assert_eq(io_socket_name(world->io, world->server.fd, false, &world->address), 0);
}

static void turn(struct world *world)
{
    io_turn(world->io, 1000 * 1000);
    timers_run(&world->timers, world->io->now_ns, UINT32_MAX);
}

static void world_close(struct world *world)
{
    http_server_stop(&world->server);
    for (int i = 0; i < TURNS_MAX && !http_server_stopped(&world->server); i++) {
        turn(world);
    }
    cr_assert(http_server_stopped(&world->server));
    http_server_close(&world->server);
    io_destroy(world->io);
}

static int dial(struct world *world)
{
    const int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);

    cr_assert_geq(fd, 0);
    cr_assert(connect(fd, &world->address.u.any, world->address.size) == 0 || errno == EINPROGRESS);
    turn(world);
    return fd;
}

static void say(int fd, const char *text)
{
    cr_assert_eq(send(fd, text, strlen(text), MSG_NOSIGNAL), (ssize_t)strlen(text));
}

// Reads until `size_max` bytes came, the peer closed (true), or nothing comes any more.
static bool hear(struct world *world, int fd, char *bytes, size_t size_max, size_t *ret_size)
{
    size_t size = 0;
    int quiet = 0;

    while (size < size_max && quiet < 50) {
        const ssize_t got = recv(fd, bytes + size, size_max - size, 0);
        if (got == 0 || (got < 0 && errno == ECONNRESET)) {
            bytes[size] = '\0';
            *ret_size = size;
            return true;
        }
        quiet = got > 0 ? 0 : quiet + 1;
        size += got > 0 ? (size_t)got : 0;
        turn(world);
    }
    bytes[size] = '\0';
    *ret_size = size;
    return false;
}

static void expect_answer(struct world *world, int fd, const char *expected, bool closed)
{
    char bytes[1024];
    size_t size;

    const bool ended = hear(world, fd, bytes, sizeof(bytes) - 1, &size);
    cr_expect_str_eq(bytes, expected, "got: %s", bytes);
    cr_expect_eq(ended, closed, "closed: %d", ended);
}

#define HOST "Host: x\r\n"
#define FINE_HEAD                                                                                  \
    "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 5\r\n"                         \
    "Cache-Control: no-store\r\n"

Test(cluster_http_server, requests_are_answered_one_after_the_other)
{
    static struct world world;

    world_open(&world);
    const int fd = dial(&world);
    say(fd, "GET /now HTTP/1.1\r\n" HOST "\r\n");
    expect_answer(&world, fd, FINE_HEAD "Connection: keep-alive\r\n\r\nfine\n", false);
    say(fd, "HEAD /now?x HTTP/1.1\r\n" HOST "\r\n");
    expect_answer(&world, fd, FINE_HEAD "Connection: keep-alive\r\n\r\n", false);
    say(fd, "GET /nothing HTTP/1.1\r\n" HOST "\r\n");
    expect_answer(&world, fd,
                  "HTTP/1.1 404 Not Found\r\nContent-Type: text/plain; charset=utf-8\r\n"
                  "Content-Length: 10\r\nCache-Control: no-store\r\nConnection: keep-alive\r\n\r\n"
                  "Not Found\n",
                  false);
    say(fd, "GET /n");
    turn(&world);
    say(fd, "ow HTTP/1.0\r\n\r\n");
    expect_answer(&world, fd, FINE_HEAD "Connection: close\r\n\r\nfine\n", true);
    cr_expect_eq(world.server.metrics.requests, 4);
    close(fd);
    world_close(&world);
}

Test(cluster_http_server, a_page_may_be_finished_later)
{
    static struct world world;

    world_open(&world);
    const int fd = dial(&world);
    say(fd, "GET /later HTTP/1.1\r\n" HOST "\r\n");
    expect_answer(&world, fd, "", false);
    cr_assert_eq(world.held_count, 1);
    text_string(&world.held->body, "fine\n");
    http_page_done(world.held, 200, "text/plain");
    expect_answer(&world, fd, FINE_HEAD "Connection: keep-alive\r\n\r\nfine\n", false);
    close(fd);
    world_close(&world);
}

// The client is gone before its page is: the page stays valid until it is given back.
Test(cluster_http_server, a_page_outlives_its_client)
{
    static struct world world;
    const struct linger reset = {.l_onoff = 1, .l_linger = 0};

    world_open(&world);
    const int fd = dial(&world);
    say(fd, "GET /later HTTP/1.1\r\n" HOST "\r\n");
    for (int i = 0; i < TURNS_MAX && world.held_count == 0; i++) {
        turn(&world);
    }
    cr_assert_eq(world.held_count, 1);
    cr_assert_eq(setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset)), 0);
    close(fd);
    for (int i = 0; i < 20; i++) {
        turn(&world);
    }
    cr_expect_not_null(world.server.first);
    text_string(&world.held->body, "fine\n");
    http_page_done(world.held, 200, "text/plain");
    for (int i = 0; i < TURNS_MAX && world.server.first != NULL; i++) {
        turn(&world);
    }
    cr_expect_null(world.server.first);
    world_close(&world);
}

Test(cluster_http_server, stopping_answers_what_was_asked)
{
    static struct world world;

    world_open(&world);
    const int idle = dial(&world);
    const int fd = dial(&world);
    say(fd, "GET /later HTTP/1.1\r\n" HOST "\r\n");
    for (int i = 0; i < TURNS_MAX && world.held_count == 0; i++) {
        turn(&world);
    }
    http_server_stop(&world.server);
    expect_answer(&world, idle, "", true);
    cr_expect_not(http_server_stopped(&world.server));
    text_string(&world.held->body, "fine\n");
    http_page_done(world.held, 200, "text/plain");
    expect_answer(&world, fd, FINE_HEAD "Connection: close\r\n\r\nfine\n", true);
    close(fd);
    close(idle);
    world_close(&world);
}

Test(cluster_http_server, large_pages_arrive_whole)
{
    static struct world world;
    static char bytes[BIG_BYTES + 1024];
    size_t size;

    world_open(&world);
    const int fd = dial(&world);
    say(fd, "GET /big HTTP/1.1\r\n" HOST "Connection: close\r\n\r\n");
    cr_expect(hear(&world, fd, bytes, sizeof(bytes) - 1, &size));
    const char *body = strstr(bytes, "\r\n\r\n") + 4;
    cr_expect_eq(strspn(body, "b"), BIG_BYTES);
    cr_expect_eq(size, (size_t)(body - bytes) + BIG_BYTES);
    close(fd);
    const int other = dial(&world);
    say(other, "GET /too_big HTTP/1.1\r\n" HOST "\r\n");
    hear(&world, other, bytes, sizeof(bytes) - 1, &size);
    cr_expect(strncmp(bytes, "HTTP/1.1 500 ", 13) == 0, "%.100s", bytes);
    close(other);
    world_close(&world);
}

Test(cluster_http_server, what_is_no_request_is_told_so_and_closed)
{
    static struct world world;
    static const struct {
        const char *text;
        const char *status;
    } table[] = {
        {"*1\r\n$4\r\nPING\r\n", "HTTP/1.1 400 Bad Request\r\n"},
        {"POST /now HTTP/1.1\r\n" HOST "Content-Length: 3\r\n\r\nabc",
         "HTTP/1.1 405 Method Not Allowed\r\n"},
        {"\x16\x03\x01", "HTTP/1.1 400 Bad Request\r\n"},
    };

    world_open(&world);
    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
        char bytes[1024];
        size_t size;
        const int fd = dial(&world);
        say(fd, table[i].text);
        hear(&world, fd, bytes, sizeof(bytes) - 1, &size);
        cr_expect(strncmp(bytes, table[i].status, strlen(table[i].status)) == 0, "%s", bytes);
        shutdown(fd, SHUT_WR);
        cr_expect(hear(&world, fd, bytes, sizeof(bytes) - 1, &size), "still open");
        close(fd);
    }
    cr_expect_eq(world.server.metrics.refused, 3);
    world_close(&world);
}

Test(cluster_http_server, a_second_request_too_early_closes_after_the_first)
{
    static struct world world;

    world_open(&world);
    const int fd = dial(&world);
    say(fd, "GET /now HTTP/1.1\r\n" HOST "\r\nGET /now HTTP/1.1\r\n" HOST "\r\n");
    expect_answer(&world, fd, FINE_HEAD "Connection: close\r\n\r\nfine\n", true);
    close(fd);
    world_close(&world);
}

Test(cluster_http_server, what_comes_while_a_page_is_made_is_not_answered)
{
    static struct world world;

    world_open(&world);
    const int fd = dial(&world);
    say(fd, "GET /later HTTP/1.1\r\n" HOST "\r\n");
    expect_answer(&world, fd, "", false);
    say(fd, "GET /now HTTP/1.1\r\n" HOST "\r\n");
    expect_answer(&world, fd, "", false);
    text_string(&world.held->body, "fine\n");
    http_page_done(world.held, 200, "text/plain");
    expect_answer(&world, fd, FINE_HEAD "Connection: close\r\n\r\nfine\n", true);
    cr_expect_eq(world.server.metrics.requests, 1);
    close(fd);
    world_close(&world);
}

Test(cluster_http_server, connections_have_a_bound_and_come_back)
{
    static struct world world;
    int fds[LIMIT_HTTP_CONNECTIONS];
    char byte[2];
    size_t size;

    world_open(&world);
    for (int i = 0; i < LIMIT_HTTP_CONNECTIONS; i++) {
        fds[i] = dial(&world);
    }
    const int extra = dial(&world);
    cr_expect(hear(&world, extra, byte, 1, &size), "one too many is closed");
    cr_expect_eq(world.server.metrics.rejected, 1);
    close(extra);
    close(fds[0]);
    for (int i = 0; i < 20; i++) {
        turn(&world);
    }
    fds[0] = dial(&world);
    say(fds[0], "GET /now HTTP/1.1\r\n" HOST "\r\n");
    expect_answer(&world, fds[0], FINE_HEAD "Connection: keep-alive\r\n\r\nfine\n", false);
    for (int i = 0; i < LIMIT_HTTP_CONNECTIONS; i++) {
        close(fds[i]);
    }
    world_close(&world);
}

// Runs the timers as if it were `ms` after `start_ns`.
static void pass(struct world *world, uint64_t start_ns, uint64_t ms)
{
    timers_run(&world->timers, start_ns + ms * 1000 * 1000, UINT32_MAX);
    turn(world);
}

// The time of a request counts from its first byte, however many follow.
Test(cluster_http_server, a_byte_now_and_then_does_not_keep_a_connection)
{
    static struct world world;

    world_open(&world);
    const int fd = dial(&world);
    say(fd, "GET /now HTTP/1.1\r\n");
    expect_answer(&world, fd, "", false);
    const uint64_t start_ns = world.io->now_ns;
    while (world.io->now_ns < start_ns + 30 * 1000 * 1000) {
        turn(&world);
    }
    say(fd, "A: b\r\n");
    expect_answer(&world, fd, "", false);
    pass(&world, start_ns, LIMIT_HTTP_REQUEST_MS - 1000);
    expect_answer(&world, fd, "", false);
    pass(&world, start_ns, LIMIT_HTTP_REQUEST_MS + 2);
    expect_answer(&world, fd, "", true);
    close(fd);
    world_close(&world);
}

Test(cluster_http_server, a_silent_client_is_closed_after_a_while)
{
    static struct world world;

    world_open(&world);
    const int fd = dial(&world);
    say(fd, "GET /now HTTP/1.1\r\n" HOST "\r\n");
    expect_answer(&world, fd, FINE_HEAD "Connection: keep-alive\r\n\r\nfine\n", false);
    pass(&world, world.io->now_ns, LIMIT_HTTP_IDLE_MS - 5000);
    expect_answer(&world, fd, "", false);
    pass(&world, world.io->now_ns, LIMIT_HTTP_IDLE_MS + 1);
    expect_answer(&world, fd, "", true);
    close(fd);
    world_close(&world);
}
