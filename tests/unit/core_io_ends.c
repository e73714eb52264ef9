// Conformance of both backends of core/io.h: how connections and streams end.
#include "tests/unit/io_conformance.h"

static const char any_port[] = "127.0.0.1:0";

enum { BIG = 16 << 20 }; // more than any socket holds

// What the peer receives until the stream's end, which has to be a part of the pattern from its
// beginning; the end is 0 or -errno.
static long peer_drain(struct io_driver *driver, struct io_peer *peer, size_t *ret_size)
{
    uint8_t bytes[4096];
    size_t size = 0;

    for (;;) {
        long received = -EAGAIN;

        WAIT((received = io_peer_recv(peer, bytes, sizeof bytes)) != -EAGAIN);
        if (received <= 0) {
            *ret_size = size;
            return received;
        }
        EXPECT(pattern_holds(bytes, (size_t)received, size));
        size += (size_t)received;
    }
}

// Sends until a send waits for room; `call` is that one's. Returns how much was taken before.
static size_t fill(struct io_driver *driver, int fd, struct call *call, const uint8_t *bytes)
{
    size_t sent = 0;

    for (int quiet = 0; quiet < 30; quiet++) {
        if (!call->op.pending) {
            EXPECT(call->result >= 0);
            sent += (size_t)call->result;
            EXPECT(sent < BIG);
            io_send(driver->io, call_op(call), fd,
                    &(struct iovec){(void *)(uintptr_t)(bytes + sent), BIG - sent}, 1);
            quiet = 0;
        }
        io_turn(driver->io, TURN_NS);
    }
    return sent;
}

static uint8_t *big_pattern(void)
{
    uint8_t *const bytes = malloc(BIG);

    pattern_fill(bytes, BIG, 0);
    return bytes;
}

// Closing -----------------------------------------------------------------------------------------

CASE(core_io_ends, what_was_sent_before_a_shutdown_arrives_and_then_the_end)
{
    enum { SIZE = 20000 };
    struct link link;
    uint8_t bytes[SIZE];
    size_t sent = 0;
    size_t seen = 0;

    pattern_fill(bytes, SIZE, 0);
    link_open(&link, driver, any_port);
    while (sent < SIZE) {
        uint8_t received[4096];
        struct call call = {0};
        long got = 0;

        io_send(driver->io, call_op(&call), link.fd, &(struct iovec){bytes + sent, SIZE - sent}, 1);
        while (call.calls == 0) { // the peer reads, since the socket may hold less
            got = io_peer_recv(link.peer, received, sizeof received);
            EXPECT(got > 0 || got == -EAGAIN);
            EXPECT(got < 0 || pattern_holds(received, (size_t)got, seen));
            seen += got > 0 ? (size_t)got : 0;
            io_turn(driver->io, TURN_NS);
        }
        EXPECT(call.result > 0);
        sent += (size_t)call.result;
    }
    io_shutdown(driver->io, link.fd);
    io_shutdown(driver->io, link.fd); // again: nothing more
    WAIT(link.receiver.ends != 0);
    EXPECT(link.receiver.end == 0);
    EXPECT(RESULT_OF(io_send(driver->io, THE_OP, link.fd, &(struct iovec){bytes, 1}, 1)) == -EPIPE);
    for (;;) {
        uint8_t received[4096];
        long got = -EAGAIN;

        WAIT((got = io_peer_recv(link.peer, received, sizeof received)) != -EAGAIN);
        EXPECT(got >= 0 && pattern_holds(received, (size_t)got, seen));
        seen += (size_t)got;
        if (got == 0) {
            break;
        }
    }
    EXPECT(seen == SIZE);
    link_close(&link, driver);
}

CASE(core_io_ends, who_closes_without_having_read_all_resets)
{
    struct link link;
    size_t seen = 0;

    link_open(&link, driver, any_port);
    // Nobody looks at what comes now.
    io_stream_stop(driver->io, &link.receiver.stream);
    WAIT(!link.receiver.stream.active);
    EXPECT(io_peer_send(link.peer, "unread", 6) > 0);
    turn_for(driver, 5 * TURN_NS);
    close_fd(driver, link.fd);
    EXPECT(peer_drain(driver, link.peer, &seen) == -ECONNRESET && seen == 0);
    acceptor_finish(&link.acceptor, driver);
    io_peer_close(link.peer, false);
}

CASE(core_io_ends, a_peer_that_closes_without_having_read_all_resets)
{
    struct link link;
    uint8_t bytes[300];

    pattern_fill(bytes, sizeof bytes, 0);
    link_open(&link, driver, any_port);
    EXPECT(RESULT_OF(
               io_send(driver->io, THE_OP, link.fd, &(struct iovec){bytes, sizeof bytes}, 1)) > 0);
    turn_for(driver, 5 * TURN_NS);
    io_peer_close(link.peer, false);
    link.peer = NULL;
    WAIT(link.receiver.ends != 0);
    EXPECT(link.receiver.end == -ECONNRESET && link.receiver.ends == 1);
    EXPECT(RESULT_OF(io_send(driver->io, THE_OP, link.fd, &(struct iovec){bytes, 1}, 1)) == -EPIPE);
    link_close(&link, driver);
}

// One of the two is told of the reset, whichever comes first; the other that it is over.
CASE(core_io_ends, a_reset_ends_a_send_that_waits)
{
    struct link link;
    struct call call = {0};
    uint8_t *const bytes = big_pattern();

    link_open(&link, driver, any_port);
    (void)fill(driver, link.fd, &call, bytes);
    EXPECT(call.op.pending);
    io_peer_close(link.peer, true);
    link.peer = NULL;
    WAIT(call.calls != 0 && link.receiver.ends != 0);
    EXPECT(call.calls == 1 && link.receiver.ends == 1 && !link.receiver.stream.active);
    EXPECT((call.result == -ECONNRESET && link.receiver.end == 0) ||
           (call.result == -EPIPE && link.receiver.end == -ECONNRESET));
    link_close(&link, driver);
    free(bytes);
}

// All of it, where it had arrived; less, where the reset was quicker or something had got lost on
// its way. What is there comes before the error.
CASE(core_io_ends, of_what_was_sent_before_a_reset_a_part_arrives)
{
    enum { SIZE = 6000 };
    struct link link;
    size_t sent = 0;

    link_open(&link, driver, any_port);
    for (int turns = 0; sent < SIZE && turns < 3; turns++) {
        peer_feed(driver, link.peer, SIZE, &sent);
        io_turn(driver->io, 0);
    }
    io_peer_close(link.peer, true);
    link.peer = NULL;
    WAIT(link.receiver.ends != 0);
    EXPECT(link.receiver.end == -ECONNRESET && link.receiver.ends == 1);
    EXPECT(link.receiver.size <= sent);
    EXPECT(pattern_holds(link.receiver.bytes, link.receiver.size, 0));
    link_close(&link, driver);
}

// Over the simulated world both must happen: code that counts on either is wrong on Linux.
static bool reset_lost_bytes;
static bool reset_lost_none;

static void reset_after_bytes(struct io_driver *driver)
{
    struct link link;
    size_t sent = 0;

    link_open(&link, driver, any_port);
    peer_feed(driver, link.peer, 500, &sent);
    io_peer_close(link.peer, true);
    link.peer = NULL;
    WAIT(link.receiver.ends != 0);
    EXPECT(link.receiver.end == -ECONNRESET);
    reset_lost_bytes = reset_lost_bytes || link.receiver.size < sent;
    reset_lost_none = reset_lost_none || link.receiver.size == sent;
    link_close(&link, driver);
}

Test(core_io_ends, in_the_simulated_world_resets_lose_bytes_or_none)
{
    case_run(IO_DRIVER_SIM, &(struct io_uring_options){64, 64, 4096}, reset_after_bytes);
    cr_expect(reset_lost_bytes && reset_lost_none);
}

CASE(core_io_ends, a_peer_that_sends_no_more_does_not_end_a_send_that_waits)
{
    struct link link;
    struct call call = {0};
    uint8_t *const bytes = big_pattern();
    uint8_t received[4096];
    size_t seen = 0;

    link_open(&link, driver, any_port);
    size_t sent = fill(driver, link.fd, &call, bytes);

    io_peer_shutdown(link.peer);
    WAIT(link.receiver.ends != 0);
    EXPECT(link.receiver.end == 0);
    turn_for(driver, 5 * TURN_NS);
    EXPECT(call.op.pending || call.result > 0);
    while (seen < sent || call.op.pending) {
        const long got = io_peer_recv(link.peer, received, sizeof received);

        EXPECT(got > 0 || got == -EAGAIN);
        EXPECT(got < 0 || pattern_holds(received, (size_t)got, seen));
        seen += got > 0 ? (size_t)got : 0;
        io_turn(driver->io, got > 0 ? 0 : TURN_NS);
        if (call.calls != 0) {
            EXPECT(call.result > 0);
            sent += (size_t)call.result;
            call.calls = 0;
        }
    }
    link_close(&link, driver);
    free(bytes);
}

// Before accepting --------------------------------------------------------------------------------

// Listens without accepting, with a peer that has connected.
struct unaccepted {
    struct acceptor acceptor;
    struct io_peer *peer;
};

static void unaccepted_open(struct unaccepted *unaccepted, struct io_driver *driver)
{
    acceptor_start(&unaccepted->acceptor, driver, any_port);
    io_stream_stop(driver->io, &unaccepted->acceptor.stream);
    WAIT(!unaccepted->acceptor.stream.active);
    unaccepted->peer = io_peer_connect(driver, &unaccepted->acceptor.address);
    WAIT(io_peer_connected(unaccepted->peer));
    EXPECT(unaccepted->acceptor.count == 0);
}

CASE(core_io_ends, bytes_that_came_before_accepting_are_received)
{
    struct unaccepted unaccepted;
    struct receiver receiver = {0};

    unaccepted_open(&unaccepted, driver);
    EXPECT(io_peer_send(unaccepted.peer, "x", 1) == 1);
    io_peer_shutdown(unaccepted.peer);
    turn_for(driver, 5 * TURN_NS);
    io_accept_start(driver->io, &unaccepted.acceptor.stream, unaccepted.acceptor.listener);
    WAIT(unaccepted.acceptor.count == 1);
    receiver_start(&receiver, driver, unaccepted.acceptor.fds[0]);
    WAIT(receiver.ends == 1);
    EXPECT(receiver.end == 0 && receiver.size == 1 && receiver.bytes[0] == 'x');
    receiver_finish(&receiver, driver);
    acceptor_finish(&unaccepted.acceptor, driver);
    io_peer_close(unaccepted.peer, false);
}

CASE(core_io_ends, a_connection_that_was_reset_before_accepting_is_accepted_dead)
{
    struct unaccepted unaccepted;
    struct receiver receiver = {0};
    struct io_address name;
    uint8_t byte = 'x';
    int fd = -1;

    unaccepted_open(&unaccepted, driver);
    io_peer_close(unaccepted.peer, true);
    turn_for(driver, 5 * TURN_NS);
    io_accept_start(driver->io, &unaccepted.acceptor.stream, unaccepted.acceptor.listener);
    WAIT(unaccepted.acceptor.count == 1);
    fd = unaccepted.acceptor.fds[0];
    EXPECT(io_socket_name(driver->io, fd, true, &name) == -ENOTCONN); // nobody is there any more
    EXPECT(io_socket_name(driver->io, fd, false, &name) == 0);
    receiver_start(&receiver, driver, fd);
    WAIT(receiver.ends == 1);
    EXPECT(receiver.end == -ECONNRESET && receiver.size == 0);
    EXPECT(RESULT_OF(io_send(driver->io, THE_OP, fd, &(struct iovec){&byte, 1}, 1)) == -EPIPE);
    receiver_finish(&receiver, driver);
    acceptor_finish(&unaccepted.acceptor, driver);
}

CASE(core_io_ends, closing_a_listener_resets_whom_nobody_accepted)
{
    struct unaccepted unaccepted;
    size_t seen = 0;

    unaccepted_open(&unaccepted, driver);
    close_fd(driver, unaccepted.acceptor.listener);
    EXPECT(peer_drain(driver, unaccepted.peer, &seen) == -ECONNRESET);
    io_peer_close(unaccepted.peer, false);
}

CASE(core_io_ends, a_port_can_be_listened_at_anew_while_its_connections_last)
{
    struct link link;
    struct io_address address;
    int fd = -1;

    link_open(&link, driver, any_port);
    address = link.acceptor.address;
    acceptor_finish(&link.acceptor, driver);
    EXPECT(io_listen(driver->io, &address, 0, &fd) == 0);
    EXPECT(io_peer_send(link.peer, "x", 1) == 1);
    WAIT(link.receiver.size == 1);
    close_fd(driver, fd);
    receiver_finish(&link.receiver, driver);
    io_peer_close(link.peer, false);
}

// Streams -----------------------------------------------------------------------------------------

static void again_event(struct io_stream *stream, struct io_buffer *buffer, int32_t result)
{
    struct receiver *const receiver = (struct receiver *)stream;

    receiver_event(stream, buffer, result);
    if (buffer == NULL && result == -ECANCELED) {
        io_recv_start(receiver->driver->io, stream, stream->fd);
    }
}

CASE(core_io_ends, a_stream_can_be_started_again_in_its_last_event)
{
    enum { SIZE = 3000 };
    struct link link;
    size_t sent = 0;
    int stops = 0;

    link_open(&link, driver, any_port);
    link.receiver.stream.event = again_event;
    while (link.receiver.size < SIZE) {
        peer_feed(driver, link.peer, sent + 1 + SIZE / 20 < SIZE ? sent + 1 + SIZE / 20 : SIZE,
                  &sent);
        io_turn(driver->io, TURN_NS);
        if (stops - link.receiver.ends == 0 && stops < 10) {
            io_stream_stop(driver->io, &link.receiver.stream);
            stops++;
        }
    }
    WAIT(link.receiver.ends == stops);
    EXPECT(link.receiver.stream.active && pattern_holds(link.receiver.bytes, SIZE, 0));
    link.receiver.stream.event = receiver_event;
    link_close(&link, driver);
}

static void free_event(struct io_stream *stream, struct io_buffer *buffer, int32_t result)
{
    struct receiver *const receiver = (struct receiver *)stream;

    receiver_event(stream, buffer, result);
    if (buffer == NULL) {
        receiver->driver->limit_left = 1; // seen
        free(receiver->bytes);
        memset(receiver, 0xdd, sizeof *receiver);
        free(receiver);
    }
}

CASE(core_io_ends, a_stream_can_be_freed_in_its_last_event)
{
    for (int how = 0; how < 3; how++) { // the peer's end, a reset, a stop
        struct acceptor acceptor;
        struct receiver *const receiver = calloc(1, sizeof *receiver);
        struct io_peer *peer = NULL;

        acceptor_start(&acceptor, driver, any_port);
        peer = io_peer_connect(driver, &acceptor.address);
        WAIT(acceptor.count == 1 && io_peer_connected(peer));
        receiver_start(receiver, driver, acceptor.fds[0]);
        receiver->stream.event = free_event;
        driver->limit_left = 0;
        EXPECT(io_peer_send(peer, "x", 1) == 1);
        if (how == 2) {
            io_stream_stop(driver->io, &receiver->stream);
        } else {
            io_peer_close(peer, how == 1);
        }
        WAIT(driver->limit_left == 1);
        turn_for(driver, 2 * TURN_NS);
        close_fd(driver, acceptor.fds[0]);
        acceptor_finish(&acceptor, driver);
        if (how == 2) {
            io_peer_close(peer, false);
        }
    }
}

struct stopper {
    struct receiver receiver; // first
    struct io_stream *other;
};

static void stop_other_event(struct io_stream *stream, struct io_buffer *buffer, int32_t result)
{
    struct stopper *const stopper = (struct stopper *)stream;

    receiver_event(stream, buffer, result);
    io_stream_stop(stopper->receiver.driver->io, stopper->other);
}

CASE(core_io_ends, streams_can_stop_each_other_in_their_events)
{
    struct acceptor acceptor;
    struct stopper stoppers[2] = {0};
    struct io_peer *peers[2];

    acceptor_start(&acceptor, driver, any_port);
    for (uint32_t i = 0; i < 2; i++) {
        peers[i] = io_peer_connect(driver, &acceptor.address);
        WAIT(acceptor.count == i + 1 && io_peer_connected(peers[i]));
    }
    for (int i = 0; i < 2; i++) {
        stoppers[i].other = &stoppers[1 - i].receiver.stream;
        receiver_start(&stoppers[i].receiver, driver, acceptor.fds[i]);
        stoppers[i].receiver.stream.event = stop_other_event;
        EXPECT(io_peer_send(peers[i], "ab", 2) > 0);
    }
    WAIT(!stoppers[0].receiver.stream.active || !stoppers[1].receiver.stream.active);
    for (int i = 0; i < 2; i++) { // what was stopped ends once; the other may have been quicker
        EXPECT(stoppers[i].receiver.ends <= 1);
        EXPECT(stoppers[i].receiver.ends == 0 || stoppers[i].receiver.end == -ECANCELED);
    }
    for (int i = 0; i < 2; i++) {
        receiver_finish(&stoppers[i].receiver, driver);
        EXPECT(stoppers[i].receiver.ends == 1 && stoppers[i].receiver.end == -ECANCELED);
        io_peer_close(peers[i], false);
    }
    acceptor_finish(&acceptor, driver);
}

// Cancels -----------------------------------------------------------------------------------------

CASE(core_io_ends, a_cancelled_connect_completes_once_either_way)
{
    struct acceptor acceptor;

    acceptor_start(&acceptor, driver, any_port);
    for (int round = 0; round < 5; round++) {
        struct call call = {0};
        int fd = -1;

        EXPECT(io_connect(driver->io, call_op(&call), &acceptor.address, &fd) == 0);
        if (round % 2 == 0) {
            io_turn(driver->io, 0);
        }
        io_cancel(driver->io, &call.op);
        WAIT(call.calls != 0);
        turn_for(driver, TURN_NS);
        EXPECT(call.calls == 1 && (call.result == 0 || call.result == -ECANCELED));
        close_fd(driver, fd);
    }
    turn_for(driver, 5 * TURN_NS);
    for (uint32_t i = 0; i < acceptor.count; i++) {
        close_fd(driver, acceptor.fds[i]);
    }
    acceptor_finish(&acceptor, driver);
}

CASE(core_io_ends, what_a_cancelled_send_has_not_taken_can_be_sent_anew)
{
    struct link link;
    struct call call = {0};
    uint8_t *const bytes = big_pattern();
    uint8_t received[4096];
    size_t seen = 0;

    link_open(&link, driver, any_port);
    size_t sent = fill(driver, link.fd, &call, bytes);

    io_cancel(driver->io, &call.op);
    WAIT(!call.op.pending);
    // Room may have come just before, as the kernel moves bytes when it has time to.
    EXPECT(call.result == -ECANCELED || call.result > 0);
    sent += call.result > 0 ? (size_t)call.result : 0;
    // The same op again, which the cancel has nothing to do with.
    io_send(driver->io, call_op(&call), link.fd, &(struct iovec){bytes + sent, 1000}, 1);
    turn_for(driver, 5 * TURN_NS);
    EXPECT(call.op.pending || call.result > 0);
    while (seen < sent || call.op.pending) {
        const long got = io_peer_recv(link.peer, received, sizeof received);

        EXPECT(got > 0 || got == -EAGAIN);
        EXPECT(got < 0 || pattern_holds(received, (size_t)got, seen));
        seen += got > 0 ? (size_t)got : 0;
        io_turn(driver->io, got > 0 ? 0 : TURN_NS);
        if (call.calls != 0) {
            EXPECT(call.result > 0);
            sent += (size_t)call.result;
            call.calls = 0;
        }
    }
    link_close(&link, driver);
    free(bytes);
}
