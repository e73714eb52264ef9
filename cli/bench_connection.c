#include "cli/bench_connection.h"

#include "cli/verb.h"
#include "core/check.h"
#include "core/memory.h"

#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

enum {
    CONNECT_TIMEOUT_S = 10, // to connect, and for each answer while connecting
    CONNECT_REPLY_BYTES = 4096,
    CONNECT_REQUEST_BYTES = 2048, // AUTH with a user and a password of 512 bytes each
};

static int connect_fail(char *error, const char *what, int reason)
{
    snprintf(error, BENCH_CONNECT_ERROR_SIZE, "%s: %s", what, strerror(reason));
    return -reason;
}

static int connect_unix(const char *path, int *ret_fd, char *error)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    const int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    if (fd < 0) {
        return connect_fail(error, "socket", errno);
    }
    if (strlen(path) >= sizeof address.sun_path) {
        close(fd);
        return connect_fail(error, path, ENAMETOOLONG);
    }
    memcpy(address.sun_path, path, strlen(path));
    if (connect(fd, (const struct sockaddr *)&address, sizeof address) != 0) {
        const int reason = errno;

        close(fd);
        return connect_fail(error, path, reason);
    }
    *ret_fd = fd;
    return 0;
}

static void connect_set_timeouts(int fd, int seconds)
{
    const struct timeval timeout = {.tv_sec = seconds};

    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof timeout);
    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &timeout, sizeof timeout);
}

// One of the addresses that a name has. 0, or -errno.
static int connect_address(const struct addrinfo *info, int *ret_fd)
{
    const int one = 1;
    const int fd = socket(info->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);

    if (fd < 0) {
        return -errno;
    }
    connect_set_timeouts(fd, CONNECT_TIMEOUT_S);
    if (connect(fd, info->ai_addr, info->ai_addrlen) != 0) {
        const int reason = errno == EINPROGRESS ? ETIMEDOUT : errno;

        close(fd);
        return -reason;
    }
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    *ret_fd = fd;
    return 0;
}

static int connect_tcp(const struct bench_node *node, int *ret_fd, char *error)
{
    const struct addrinfo hints = {.ai_socktype = SOCK_STREAM};
    struct addrinfo *found = NULL;
    char name[BENCH_HOST_SIZE + 16];
    char port[16];
    int result = 0;

    snprintf(port, sizeof port, "%d", node->port);
    snprintf(name, sizeof name, "%s:%s", node->host, port);
    result = getaddrinfo(node->host, port, &hints, &found);
    if (result != 0) {
        snprintf(error, BENCH_CONNECT_ERROR_SIZE, "%.200s: %s", name, gai_strerror(result));
        return -EHOSTUNREACH;
    }
    for (const struct addrinfo *info = found; info != NULL; info = info->ai_next) {
        result = connect_address(info, ret_fd);
        if (result == 0) {
            break;
        }
    }
    freeaddrinfo(found);
    return result == 0 ? 0 : connect_fail(error, name, -result);
}

// Sends one request and reads its reply, blocking. 0, or -errno with the reason, as for an error
// reply.
static int connect_ask(int fd, const char *request, size_t size, char *error)
{
    struct bench_reader reader = {.skip = 0};
    uint8_t bytes[CONNECT_REPLY_BYTES];
    size_t used = 0;

    if (send(fd, request, size, MSG_NOSIGNAL) != (ssize_t)size) {
        return connect_fail(error, "send", errno != 0 ? errno : EIO);
    }
    for (;;) {
        const ssize_t received = recv(fd, bytes, sizeof bytes, 0);

        if (received <= 0) {
            const int reason = received == 0 ? ECONNRESET : errno == EAGAIN ? ETIMEDOUT : errno;

            return connect_fail(error, "the server does not answer", reason);
        }
        switch (bench_reader_feed(&reader, bytes, (size_t)received, NULL, NULL, &used)) {
        case BENCH_READER_MORE:
            continue;
        case BENCH_READER_WRONG:
            return connect_fail(error, "the server does not speak RESP", EPROTO);
        default:
            break;
        }
        if (reader.reply.errors != 0) {
            snprintf(error, BENCH_CONNECT_ERROR_SIZE, "the server refused: %.*s",
                     (int)reader.reply.text_size, reader.reply.text);
            return -EACCES;
        }
        return 0;
    }
}

// AUTH, HELLO 3 where they are wanted, and a PING, so that a connection that is open is one that
// works.
static int connect_greet(const struct bench_plan *plan, int fd, char *error)
{
    static const char ping[] = "*1\r\n$4\r\nPING\r\n";
    static const char hello[] = "*2\r\n$5\r\nHELLO\r\n$1\r\n3\r\n";
    const char *const user = plan->target.user != NULL ? plan->target.user : "default";
    int result = 0;

    if (plan->password != NULL) {
        char request[CONNECT_REQUEST_BYTES];
        const int size =
            snprintf(request, sizeof request, "*3\r\n$4\r\nAUTH\r\n$%zu\r\n%s\r\n$%zu\r\n%s\r\n",
                     strlen(user), user, strlen(plan->password), plan->password);

        if (size >= (int)sizeof request) {
            return connect_fail(error, "user and password", E2BIG);
        }
        result = connect_ask(fd, request, (size_t)size, error);
        explicit_bzero(request, sizeof request);
    }
    if (result == 0 && plan->resp3) {
        result = connect_ask(fd, hello, sizeof hello - 1, error);
    }
    return result == 0 ? connect_ask(fd, ping, sizeof ping - 1, error) : result;
}

int bench_connect(const struct bench_plan *plan, const struct bench_node *node, int *ret_fd,
                  char error[BENCH_CONNECT_ERROR_SIZE])
{
    int fd = -1;
    int result = node->host[0] == '\0' ? connect_unix(plan->target.socket_path, &fd, error)
                                       : connect_tcp(node, &fd, error);

    if (result != 0) {
        return result;
    }
    connect_set_timeouts(fd, CONNECT_TIMEOUT_S);
    result = connect_greet(plan, fd, error);
    if (result == 0 && fcntl(fd, F_SETFL, O_NONBLOCK) != 0) {
        result = connect_fail(error, "fcntl", errno);
    }
    if (result != 0) {
        close(fd);
        return result;
    }
    *ret_fd = fd;
    return 0;
}

void bench_connection_init(struct bench_connection *connection, int fd, uint16_t node,
                           uint32_t flight_capacity)
{
    CHECK(flight_capacity > 0);
    *connection = (struct bench_connection){
        .fd = fd,
        .node = node,
        .flight_capacity = flight_capacity,
        .flight = cli_allocate(flight_capacity * sizeof *connection->flight),
    };
}

void bench_connection_free(struct bench_connection *connection)
{
    if (connection->fd >= 0) {
        close(connection->fd);
        connection->fd = -1;
    }
    memory_free(connection->flight);
    memory_free(connection->spill);
    connection->flight = NULL;
    connection->spill = NULL;
}

void bench_connection_push(struct bench_connection *connection, const struct bench_item *item)
{
    uint32_t at = connection->flight_head + connection->flight_count;

    CHECK(connection->flight_count < connection->flight_capacity);
    at -= at >= connection->flight_capacity ? connection->flight_capacity : 0;
    connection->flight[at] = *item;
    connection->flight_count++;
}

void bench_connection_pop(struct bench_connection *connection)
{
    CHECK(connection->flight_count > 0);
    connection->flight_head++;
    connection->flight_head -=
        connection->flight_head == connection->flight_capacity ? connection->flight_capacity : 0;
    connection->flight_count--;
}

int bench_connection_send(struct bench_connection *connection, const uint8_t *bytes, size_t size)
{
    CHECK(connection->spill == NULL);
    const ssize_t sent = send(connection->fd, bytes, size, MSG_NOSIGNAL);

    if (sent < 0 && errno != EAGAIN && errno != EINTR) {
        return -errno;
    }
    const size_t taken = sent < 0 ? 0 : (size_t)sent;

    if (taken < size) {
        connection->spill = cli_allocate(size - taken);
        memcpy(connection->spill, bytes + taken, size - taken);
        connection->spill_size = size - taken;
        connection->spill_sent = 0;
    }
    return 0;
}

int bench_connection_flush(struct bench_connection *connection)
{
    CHECK(connection->spill != NULL);
    const ssize_t sent = send(connection->fd, connection->spill + connection->spill_sent,
                              connection->spill_size - connection->spill_sent, MSG_NOSIGNAL);

    if (sent < 0) {
        return errno == EAGAIN || errno == EINTR ? 0 : -errno;
    }
    connection->spill_sent += (size_t)sent;
    if (connection->spill_sent == connection->spill_size) {
        memory_free(connection->spill);
        connection->spill = NULL;
    }
    return 0;
}
