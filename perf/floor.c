// The least that a RESP server can cost on this machine: it receives, counts requests and answers
// each with the same bulk string, and does no work of a database at all. What rldbd costs above it
// is rldbd's own.
//
//     perf_floor PORT THREADS [VALUE_BYTES]      thread i is pinned to CPU i
//
// One uring for each thread: a multishot accept, a multishot receive for each connection into
// provided buffers, one send in flight for each connection, one system call for all that a turn
// started. A request is taken to be a '*' in the bytes received: true of what benchmarks send.

#include "core/check.h"

#include <liburing.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <sched.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
    QUEUE_ENTRIES = 2048,
    COMPLETION_ENTRIES = 8192,
    BUFFER_COUNT = 1024,
    BUFFER_BYTES = 16384,
    PEERS_MAX = 4096, // descriptors
    OUTPUT_BYTES = 1 << 20,
    REPLY_BYTES_MAX = 1 << 16,
    BACKLOG = 1024,
    THREADS_MAX = 64,
};

// What a completion is about, in the upper half of user_data; the descriptor is the lower half.
enum event { EVENT_ACCEPT, EVENT_RECEIVED, EVENT_SENT };

struct peer {
    uint8_t *output;
    size_t size; // bytes of replies there
    size_t sent;
    bool sending;
    bool dirty; // received something in this turn
};

struct floor {
    struct io_uring ring;
    struct io_uring_buf_ring *buffer_ring;
    uint8_t *buffers;
    struct peer peers[PEERS_MAX];
    int dirty[PEERS_MAX];
    unsigned dirty_count;
    unsigned returned; // buffers given back and not yet shown to the kernel
    int listener;
    uint16_t port;
    int cpu;
    size_t reply_size;
    uint8_t reply[REPLY_BYTES_MAX];
};

static struct io_uring_sqe *floor_sqe(struct floor *server, enum event event, int fd)
{
    struct io_uring_sqe *sqe = io_uring_get_sqe(&server->ring);

    if (sqe == NULL) {
        CHECK(io_uring_submit(&server->ring) >= 0);
        sqe = io_uring_get_sqe(&server->ring);
        CHECK(sqe != NULL);
    }
    sqe->user_data = (uint64_t)event << 32 | (uint32_t)fd; // kept by the preparing functions
    return sqe;
}

static void floor_receive(struct floor *server, int fd)
{
    struct io_uring_sqe *const sqe = floor_sqe(server, EVENT_RECEIVED, fd);

    io_uring_prep_recv_multishot(sqe, fd, NULL, 0, 0);
    sqe->flags |= IOSQE_BUFFER_SELECT;
    sqe->buf_group = 0;
}

static void floor_send(struct floor *server, int fd)
{
    struct peer *const peer = &server->peers[fd];

    if (peer->sending || peer->sent == peer->size) {
        return;
    }
    struct io_uring_sqe *const sqe = floor_sqe(server, EVENT_SENT, fd);

    io_uring_prep_send(sqe, fd, peer->output + peer->sent, peer->size - peer->sent, MSG_NOSIGNAL);
    peer->sending = true;
}

static void floor_accepted(struct floor *server, int fd)
{
    if (fd < 0) {
        fprintf(stderr, "accept: %s\n", strerror(-fd));
        return;
    }
    CHECK(fd < PEERS_MAX);
    struct peer *const peer = &server->peers[fd];

    if (peer->output == NULL) {
        peer->output = malloc(OUTPUT_BYTES);
        CHECK(peer->output != NULL);
    }
    peer->size = 0;
    peer->sent = 0;
    peer->sending = false;
    floor_receive(server, fd);
}

static void floor_answer(struct floor *server, struct peer *peer, const uint8_t *at, size_t size)
{
    const uint8_t *const end = at + size;

    while ((at = memchr(at, '*', (size_t)(end - at))) != NULL) {
        at++;
        CHECK(peer->size + server->reply_size <= OUTPUT_BYTES);
        memcpy(peer->output + peer->size, server->reply, server->reply_size);
        peer->size += server->reply_size;
    }
}

static void floor_received(struct floor *server, int fd, const struct io_uring_cqe *cqe)
{
    struct peer *const peer = &server->peers[fd];

    if (cqe->res <= 0) {
        if (cqe->res == -ENOBUFS) {
            floor_receive(server, fd);
        } else {
            close(fd); // a benchmark's clients have nothing in flight when they leave
        }
        return;
    }
    const unsigned index = cqe->flags >> IORING_CQE_BUFFER_SHIFT;
    uint8_t *const bytes = server->buffers + (size_t)index * BUFFER_BYTES;

    floor_answer(server, peer, bytes, (size_t)cqe->res);
    io_uring_buf_ring_add(server->buffer_ring, bytes, BUFFER_BYTES, (unsigned short)index,
                          io_uring_buf_ring_mask(BUFFER_COUNT), (int)server->returned);
    server->returned++;
    if (!peer->dirty) {
        peer->dirty = true;
        server->dirty[server->dirty_count++] = fd;
    }
    if ((cqe->flags & IORING_CQE_F_MORE) == 0) {
        floor_receive(server, fd);
    }
}

static void floor_sent(struct floor *server, int fd, int32_t result)
{
    struct peer *const peer = &server->peers[fd];

    peer->sending = false;
    peer->sent += result > 0 ? (size_t)result : peer->size - peer->sent;
    if (peer->sent == peer->size) {
        peer->sent = 0;
        peer->size = 0;
    }
    floor_send(server, fd);
}

static void floor_turn(struct floor *server)
{
    const struct io_uring_cqe *cqe = NULL;
    unsigned head = 0;
    unsigned count = 0;

    CHECK(io_uring_submit_and_wait(&server->ring, 1) >= 0);
    io_uring_for_each_cqe(&server->ring, head, cqe)
    {
        const int fd = (int)(uint32_t)cqe->user_data;

        count++;
        switch ((enum event)(cqe->user_data >> 32)) {
        case EVENT_ACCEPT:
            floor_accepted(server, cqe->res);
            break;
        case EVENT_RECEIVED:
            floor_received(server, fd, cqe);
            break;
        case EVENT_SENT:
            floor_sent(server, fd, cqe->res);
            break;
        }
    }
    io_uring_buf_ring_advance(server->buffer_ring, (int)server->returned);
    server->returned = 0;
    io_uring_cq_advance(&server->ring, count);
    while (server->dirty_count != 0) {
        const int fd = server->dirty[--server->dirty_count];

        server->peers[fd].dirty = false;
        floor_send(server, fd);
    }
}

static void floor_open_ring(struct floor *server)
{
    struct io_uring_params params = {
        .flags = IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN | IORING_SETUP_CQSIZE,
        .cq_entries = COMPLETION_ENTRIES,
    };
    const size_t ring_bytes = BUFFER_COUNT * sizeof(struct io_uring_buf);
    struct io_uring_buf_reg registration = {.ring_entries = BUFFER_COUNT};

    CHECK(io_uring_queue_init_params(QUEUE_ENTRIES, &server->ring, &params) == 0);
    server->buffer_ring = aligned_alloc(4096, ring_bytes);
    server->buffers = malloc((size_t)BUFFER_COUNT * BUFFER_BYTES);
    CHECK(server->buffer_ring != NULL && server->buffers != NULL);
    registration.ring_addr = (uint64_t)(uintptr_t)server->buffer_ring;
    CHECK(io_uring_register_buf_ring(&server->ring, &registration, 0) == 0);
    io_uring_buf_ring_init(server->buffer_ring);
    for (unsigned i = 0; i < BUFFER_COUNT; i++) {
        io_uring_buf_ring_add(server->buffer_ring, server->buffers + (size_t)i * BUFFER_BYTES,
                              BUFFER_BYTES, (unsigned short)i, io_uring_buf_ring_mask(BUFFER_COUNT),
                              (int)i);
    }
    io_uring_buf_ring_advance(server->buffer_ring, BUFFER_COUNT);
}

static void floor_listen(struct floor *server)
{
    const int on = 1;
    const struct sockaddr_in address = {
        .sin_family = AF_INET,
        .sin_port = htons(server->port),
        .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
    };

    server->listener = socket(AF_INET, SOCK_STREAM, 0);
    CHECK(server->listener >= 0);
    setsockopt(server->listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    setsockopt(server->listener, SOL_SOCKET, SO_REUSEPORT, &on, sizeof on);
    setsockopt(server->listener, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on); // inherited
    if (bind(server->listener, (const struct sockaddr *)&address, sizeof address) != 0 ||
        listen(server->listener, BACKLOG) != 0) {
        perror("listen");
        exit(1);
    }
    io_uring_prep_multishot_accept(floor_sqe(server, EVENT_ACCEPT, server->listener),
                                   server->listener, NULL, NULL, 0);
}

static void *floor_run(void *context)
{
    struct floor *const server = context;
    cpu_set_t set;

    CPU_ZERO(&set);
    CPU_SET((size_t)server->cpu, &set);
    if (sched_setaffinity(0, sizeof set, &set) != 0) {
        perror("pin");
        exit(1);
    }
    floor_open_ring(server);
    floor_listen(server);
    for (;;) {
        floor_turn(server);
    }
    return NULL;
}

int main(int argc, char **argv)
{
    const long threads = argc > 2 ? strtol(argv[2], NULL, 10) : 0;
    const long value_bytes = argc > 3 ? strtol(argv[3], NULL, 10) : 3;
    pthread_t ids[THREADS_MAX];

    if (threads < 1 || threads > THREADS_MAX || value_bytes < 0 ||
        value_bytes > REPLY_BYTES_MAX - 32) {
        fprintf(stderr, "usage: %s PORT THREADS [VALUE_BYTES]\n", argv[0]);
        return 2;
    }
    for (long i = 0; i < threads; i++) {
        struct floor *const server = calloc(1, sizeof *server);

        CHECK(server != NULL);
        server->port = (uint16_t)strtoul(argv[1], NULL, 10);
        server->cpu = (int)i;
        const int head = snprintf((char *)server->reply, REPLY_BYTES_MAX, "$%ld\r\n", value_bytes);

        memset(server->reply + head, 'x', (size_t)value_bytes);
        memcpy(server->reply + head + value_bytes, "\r\n", 2);
        server->reply_size = (size_t)head + (size_t)value_bytes + 2;
        CHECK(pthread_create(&ids[i], NULL, floor_run, server) == 0);
    }
    pthread_join(ids[0], NULL);
    return 0;
}
