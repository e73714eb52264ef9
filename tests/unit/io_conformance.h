// What the cases of the conformance suite of core/io.h share. A case is written once and run over
// io_uring, and over the simulated world with many seeds; a failure names the seed.
#pragma once

#include "core/io.h"
#include "core/limits.h"
#include "tests/sim/io_driver.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    TURN_NS = 1000 * 1000,
    TURNS_MAX = 20 * 1000, // 20 seconds: something hangs
    ACCEPTED_MAX = 64,
};

typedef void case_fn(struct io_driver *driver);

static inline void case_run(enum io_driver_kind kind, const struct io_uring_options *options,
                            case_fn *run)
{
    const uint64_t seeds = kind == IO_DRIVER_SIM ? IO_DRIVER_SEEDS : 1;

    for (uint64_t seed = 1; seed <= seeds; seed++) {
        struct io_driver *const driver = io_driver_open(kind, seed, options);

        run(driver);
        io_driver_close(driver);
    }
}

// A case, with the options of its core.
#define CASE_WITH(suite, name, entries, buffers, bytes)                                            \
    static void name(struct io_driver *driver);                                                    \
    Test(suite, uring_##name)                                                                      \
    {                                                                                              \
        case_run(IO_DRIVER_URING, &(struct io_uring_options){entries, buffers, bytes}, name);      \
    }                                                                                              \
    Test(suite, sim_##name)                                                                        \
    {                                                                                              \
        case_run(IO_DRIVER_SIM, &(struct io_uring_options){entries, buffers, bytes}, name);        \
    }                                                                                              \
    static void name(struct io_driver *driver)

#define CASE(suite, name) CASE_WITH(suite, name, 64, 64, 4096)

#define EXPECT(expression)                                                                         \
    cr_assert(expression, "seed %lu: %s", (unsigned long)driver->seed, #expression)

// Turns the core until the condition holds.
#define WAIT(condition)                                                                            \
    do {                                                                                           \
        for (int turns = 0; !(condition); turns++) {                                               \
            EXPECT(turns < TURNS_MAX);                                                             \
            io_turn(driver->io, TURN_NS);                                                          \
        }                                                                                          \
    } while (false)

// Turns it for a while, in which nothing may happen, or anything.
static inline void turn_for(struct io_driver *driver, uint64_t ns)
{
    const uint64_t end_ns = io_clock_ns(driver->io) + ns;

    while (io_clock_ns(driver->io) < end_ns) {
        io_turn(driver->io, TURN_NS);
    }
}

// An op that remembers its result.
struct call {
    struct io_op op; // first
    int32_t result;
    int calls;
};

static inline void call_done(struct io_op *op, int32_t result)
{
    struct call *const call = (struct call *)op;

    call->result = result;
    call->calls++;
}

static inline struct io_op *call_op(struct call *call)
{
    call->op.done = call_done;
    call->calls = 0;
    return &call->op;
}

// The op of those that are waited for at once.
static struct call the_call;

static inline int32_t call_wait(struct io_driver *driver)
{
    WAIT(the_call.calls != 0);
    EXPECT(the_call.calls == 1);
    return the_call.result;
}

// Starts an op with THE_OP, and waits for its result.
#define THE_OP call_op(&the_call)
#define RESULT_OF(start) (start, call_wait(driver))

// Streams -----------------------------------------------------------------------------------------

// Collects what a recv stream delivers.
struct receiver {
    struct io_stream stream; // first
    struct io_driver *driver;
    bool keep; // the leases
    struct io_buffer *kept[ACCEPTED_MAX];
    uint32_t kept_count;
    uint8_t *bytes;
    size_t size;
    int events; // of data
    int ends;
    int32_t end;
};

static inline void receiver_event(struct io_stream *stream, struct io_buffer *buffer,
                                  int32_t result)
{
    struct receiver *const receiver = (struct receiver *)stream;

    if (buffer == NULL) {
        cr_assert(result <= 0 && !stream->active);
        receiver->ends++;
        receiver->end = result;
        return;
    }
    cr_assert(result > 0 && buffer->size == (uint32_t)result && buffer->references == 1);
    receiver->bytes = realloc(receiver->bytes, receiver->size + buffer->size);
    memcpy(receiver->bytes + receiver->size, buffer->bytes, buffer->size);
    receiver->size += buffer->size;
    receiver->events++;
    if (receiver->keep) {
        receiver->kept[receiver->kept_count++] = buffer;
    } else {
        io_buffer_release(receiver->driver->io, buffer);
    }
}

static inline void receiver_start(struct receiver *receiver, struct io_driver *driver, int fd)
{
    receiver->driver = driver;
    receiver->stream.event = receiver_event;
    receiver->ends = 0;
    io_recv_start(driver->io, &receiver->stream, fd);
}

// Collects what an accept stream delivers.
struct acceptor {
    struct io_stream stream; // first
    int listener;
    struct io_address address;
    int fds[ACCEPTED_MAX];
    uint32_t count;
    uint32_t failed;
    int32_t failure;
    int ends;
    int32_t end;
};

static inline void acceptor_event(struct io_stream *stream, struct io_buffer *buffer,
                                  int32_t result)
{
    struct acceptor *const acceptor = (struct acceptor *)stream;

    cr_assert(buffer == NULL);
    if (result >= 0) {
        cr_assert(acceptor->count < ACCEPTED_MAX);
        acceptor->fds[acceptor->count++] = result;
    } else if (!stream->active) {
        acceptor->ends++;
        acceptor->end = result;
    } else {
        acceptor->failed++;
        acceptor->failure = result;
    }
}

// Listens at a port that is free, or at a path, and accepts.
static inline void acceptor_start(struct acceptor *acceptor, struct io_driver *driver,
                                  const char *text)
{
    struct io_address address;

    memset(acceptor, 0, sizeof *acceptor);
    cr_assert(io_address_parse(text, &address) == 0);
    cr_assert_eq(io_listen(driver->io, &address, 0, &acceptor->listener), 0);
    cr_assert_eq(io_socket_name(driver->io, acceptor->listener, false, &acceptor->address), 0);
    acceptor->stream.event = acceptor_event;
    io_accept_start(driver->io, &acceptor->stream, acceptor->listener);
}

static inline void close_fd(struct io_driver *driver, int fd)
{
    EXPECT(RESULT_OF(io_close(driver->io, THE_OP, fd)) == 0);
}

static inline void acceptor_finish(struct acceptor *acceptor, struct io_driver *driver)
{
    io_stream_stop(driver->io, &acceptor->stream);
    WAIT(!acceptor->stream.active);
    close_fd(driver, acceptor->listener);
}

// Stops the stream if it has not ended, closes the descriptor, frees what was received.
static inline void receiver_finish(struct receiver *receiver, struct io_driver *driver)
{
    io_stream_stop(driver->io, &receiver->stream);
    WAIT(!receiver->stream.active);
    close_fd(driver, receiver->stream.fd);
    free(receiver->bytes);
    receiver->bytes = NULL;
}

// A listener, a peer, and the accepted end with its receiver: what most cases begin with.
struct link {
    struct acceptor acceptor;
    struct receiver receiver;
    struct io_peer *peer;
    int fd;
};

static inline void link_open(struct link *link, struct io_driver *driver, const char *text)
{
    memset(link, 0, sizeof *link);
    acceptor_start(&link->acceptor, driver, text);
    link->peer = io_peer_connect(driver, &link->acceptor.address);
    WAIT(link->acceptor.count == 1 && io_peer_connected(link->peer));
    link->fd = link->acceptor.fds[0];
    receiver_start(&link->receiver, driver, link->fd);
}

static inline void link_close(struct link *link, struct io_driver *driver)
{
    receiver_finish(&link->receiver, driver);
    acceptor_finish(&link->acceptor, driver);
    if (link->peer != NULL) {
        io_peer_close(link->peer, false);
    }
}

// Byte `at` of what is sent: another one at every place near it.
static inline uint8_t pattern(size_t at)
{
    return (uint8_t)(at * 7 + at / 251);
}

static inline void pattern_fill(uint8_t *bytes, size_t size, size_t from)
{
    for (size_t i = 0; i < size; i++) {
        bytes[i] = pattern(from + i);
    }
}

static inline bool pattern_holds(const uint8_t *bytes, size_t size, size_t from)
{
    for (size_t i = 0; i < size; i++) {
        if (bytes[i] != pattern(from + i)) {
            return false;
        }
    }
    return true;
}

// The peer sends the next part of `size` bytes of the pattern, as far as there is room.
static inline void peer_feed(struct io_driver *driver, struct io_peer *peer, size_t size,
                             size_t *sent)
{
    uint8_t bytes[4096];
    size_t part = size - *sent;

    if (part == 0) {
        return;
    }
    part = part < sizeof bytes ? part : sizeof bytes;
    pattern_fill(bytes, part, *sent);

    const long taken = io_peer_send(peer, bytes, part);

    EXPECT(taken >= 0);
    *sent += (size_t)taken;
}
