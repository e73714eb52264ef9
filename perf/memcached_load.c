// Load for memcached's text protocol, of the kind that redis-benchmark puts on a Redis server: a
// closed loop over so many connections, each of which sends a pipeline of requests on random keys
// and sends the next when all are answered. redis-benchmark itself does not speak this protocol.
//
//     perf_memcached_load PORT get|set REQUESTS [CONNECTIONS PIPELINE KEYS VALUE_BYTES]
//
// Prints requests, seconds and misses. Keys are redis-benchmark's: key: and twelve digits.
// Source of the protocol: memcached's doc/protocol.txt.

#include "core/check.h"
#include "core/random.h"

#include <errno.h>
#include <inttypes.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum {
    CONNECTIONS_MAX = 1024,
    PIPELINE_MAX = 1024,
    VALUE_BYTES_MAX = 4096,
    REQUEST_HEAD_BYTES_MAX = 64,
    INPUT_BYTES = 1 << 18,
};

struct load {
    struct random random;
    uint16_t port;
    bool set;
    uint64_t requests;
    uint64_t sent; // and done
    uint64_t done;
    uint64_t misses;
    unsigned connections;
    unsigned pipeline;
    uint64_t keys;
    unsigned value_bytes;
    int epoll;
    uint8_t value[VALUE_BYTES_MAX + 2]; // and its end of line
    uint8_t *output;
    uint8_t input[INPUT_BYTES];
};

struct link {
    int fd;
    unsigned in_flight;
    bool value_follows; // a VALUE line was read: the next line is data
    bool hit;
    size_t kept; // bytes of a line that is not whole, at the begin of `rest`
    uint8_t rest[VALUE_BYTES_MAX + 2];
};

static uint64_t clock_ns(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * UINT64_C(1000000000) + (uint64_t)now.tv_nsec;
}

static void link_open(struct load *load, struct link *link)
{
    const int on = 1;
    const struct sockaddr_in address = {
        .sin_family = AF_INET,
        .sin_port = htons(load->port),
        .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
    };
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = link};

    link->fd = socket(AF_INET, SOCK_STREAM, 0);
    CHECK(link->fd >= 0);
    if (connect(link->fd, (const struct sockaddr *)&address, sizeof address) != 0) {
        perror("connect");
        exit(1);
    }
    setsockopt(link->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    CHECK(epoll_ctl(load->epoll, EPOLL_CTL_ADD, link->fd, &event) == 0);
}

// The sockets block: a pipeline is far smaller than their buffers, so it is taken at once.
static void link_send(struct load *load, struct link *link)
{
    uint8_t *at = load->output;

    while (link->in_flight < load->pipeline && load->sent < load->requests) {
        const uint64_t key = random_below(&load->random, load->keys);

        if (load->set) {
            at += snprintf((char *)at, REQUEST_HEAD_BYTES_MAX, "set key:%012" PRIu64 " 0 0 %u\r\n",
                           key, load->value_bytes);
            memcpy(at, load->value, load->value_bytes + 2);
            at += load->value_bytes + 2;
        } else {
            at += snprintf((char *)at, REQUEST_HEAD_BYTES_MAX, "get key:%012" PRIu64 "\r\n", key);
        }
        link->in_flight++;
        load->sent++;
    }
    for (const uint8_t *from = load->output; from != at;) {
        const ssize_t written = write(link->fd, from, (size_t)(at - from));

        CHECK(written > 0 || errno == EINTR);
        from += written > 0 ? written : 0;
    }
}

static bool line_is(const uint8_t *line, size_t size, const char *text)
{
    return size >= strlen(text) && memcmp(line, text, strlen(text)) == 0;
}

static void link_line(struct load *load, struct link *link, const uint8_t *line, size_t size)
{
    if (link->value_follows) {
        link->value_follows = false;
        return;
    }
    if (line_is(line, size, "VALUE ")) {
        link->value_follows = true;
        link->hit = true;
        return;
    }
    if (!line_is(line, size, load->set ? "STORED\r" : "END\r")) {
        fprintf(stderr, "unexpected: %.*s\n", (int)size, (const char *)line);
        exit(1);
    }
    load->misses += !load->set && !link->hit;
    link->hit = false;
    link->in_flight--;
    load->done++;
}

static void link_receive(struct load *load, struct link *link)
{
    memcpy(load->input, link->rest, link->kept);
    const ssize_t got = read(link->fd, load->input + link->kept, INPUT_BYTES - link->kept);

    if (got <= 0) {
        fprintf(stderr, "the server closed a connection\n");
        exit(1);
    }
    const uint8_t *at = load->input;
    const uint8_t *const end = load->input + link->kept + got;
    const uint8_t *newline = NULL;

    while ((newline = memchr(at, '\n', (size_t)(end - at))) != NULL) {
        link_line(load, link, at, (size_t)(newline - at));
        at = newline + 1;
    }
    link->kept = (size_t)(end - at);
    CHECK(link->kept <= sizeof link->rest);
    memcpy(link->rest, at, link->kept);
    if (link->in_flight == 0) {
        link_send(load, link);
    }
}

static void load_run(struct load *load)
{
    struct epoll_event events[64];
    struct link *const links = calloc(load->connections, sizeof *links);
    const uint64_t began_ns = clock_ns();

    CHECK(links != NULL);
    for (unsigned i = 0; i < load->connections; i++) {
        link_open(load, &links[i]);
    }
    for (unsigned i = 0; i < load->connections; i++) {
        link_send(load, &links[i]);
    }
    while (load->done < load->requests) {
        const int count = epoll_wait(load->epoll, events, 64, -1);

        for (int i = 0; i < count; i++) {
            link_receive(load, events[i].data.ptr);
        }
    }
    printf("%" PRIu64 " requests, %.6f seconds, %" PRIu64 " misses\n", load->done,
           (double)(clock_ns() - began_ns) / 1e9, load->misses);
    free(links);
}

static unsigned argument(int argc, char **argv, int at, unsigned otherwise, unsigned max)
{
    const unsigned long value = argc > at ? strtoul(argv[at], NULL, 10) : otherwise;

    if (value < 1 || value > max) {
        fprintf(stderr, "argument %d is not from 1 to %u\n", at, max);
        exit(2);
    }
    return (unsigned)value;
}

int main(int argc, char **argv)
{
    if (argc < 4 || (strcmp(argv[2], "get") != 0 && strcmp(argv[2], "set") != 0)) {
        fprintf(stderr, "usage: %s PORT get|set REQUESTS [CONNECTIONS PIPELINE KEYS VALUE_BYTES]\n",
                argv[0]);
        return 2;
    }
    struct load *const load = calloc(1, sizeof *load);

    CHECK(load != NULL);
    load->port = (uint16_t)argument(argc, argv, 1, 0, UINT16_MAX);
    load->set = strcmp(argv[2], "set") == 0;
    load->requests = argument(argc, argv, 3, 0, UINT32_MAX);
    load->connections = argument(argc, argv, 4, 50, CONNECTIONS_MAX);
    load->pipeline = argument(argc, argv, 5, 1, PIPELINE_MAX);
    load->keys = argument(argc, argv, 6, 100000, UINT32_MAX);
    load->value_bytes = argument(argc, argv, 7, 64, VALUE_BYTES_MAX);
    load->epoll = epoll_create1(0);
    load->output = malloc(load->pipeline * (REQUEST_HEAD_BYTES_MAX + sizeof load->value));
    CHECK(load->epoll >= 0 && load->output != NULL);
    random_seed(&load->random, clock_ns());
    memset(load->value, 'x', load->value_bytes);
    memcpy(load->value + load->value_bytes, "\r\n", 2);
    load_run(load);
    free(load->output);
    free(load);
    return 0;
}
