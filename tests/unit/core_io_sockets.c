// Conformance of both backends of core/io.h: connections.
#include "tests/unit/io_conformance.h"

static const char any_port[] = "127.0.0.1:0";

// Sends the pattern's bytes [from, to) and checks every short count on the way.
static void send_all(struct io_driver *driver, int fd, size_t from, size_t to)
{
    uint8_t *const bytes = malloc(to - from);

    pattern_fill(bytes, to - from, from);
    for (size_t at = 0; at < to - from;) {
        const struct iovec part = {bytes + at, to - from - at};
        const int32_t sent = RESULT_OF(io_send(driver->io, THE_OP, fd, &part, 1));

        EXPECT(sent > 0 && (size_t)sent <= part.iov_len);
        at += (size_t)sent;
    }
    free(bytes);
}

// The peer receives the pattern's bytes [from, to).
static void peer_expect(struct io_driver *driver, struct io_peer *peer, size_t from, size_t to)
{
    uint8_t bytes[4096];

    while (from < to) {
        const size_t want = to - from < sizeof bytes ? to - from : sizeof bytes;
        long received = -EAGAIN;

        WAIT((received = io_peer_recv(peer, bytes, want)) != -EAGAIN);
        EXPECT(received > 0);
        EXPECT(pattern_holds(bytes, (size_t)received, from));
        from += (size_t)received;
    }
}

static long peer_end(struct io_driver *driver, struct io_peer *peer)
{
    uint8_t byte = 0;
    long received = -EAGAIN;

    WAIT((received = io_peer_recv(peer, &byte, 1)) != -EAGAIN);
    return received;
}

CASE(core_io_sockets, sends_do_not_end_a_gathering)
{
    struct link link;
    uint8_t byte = 0;
    const struct iovec part = {&byte, 1};
    int early = 0;

    link_open(&link, driver, any_port);
    for (int i = 0; i < 20; i++) {
        const uint64_t before_ns = io_clock_ns(driver->io);
        struct call sent = {0};
        struct call failed = {0};

        io_send(driver->io, call_op(&sent), link.fd, &part, 1);
        io_read(driver->io, call_op(&failed), 9999, &byte, 1, 0);
        io_gather(driver->io, 3 * TURN_NS, 2, false);
        early += driver->io->now_ns < before_ns + 3 * TURN_NS;
        while (sent.calls == 0 || failed.calls == 0) {
            io_turn(driver->io, TURN_NS);
        }
    }
    EXPECT(early < 10);
    link_close(&link, driver);
}

CASE(core_io_sockets, what_a_peer_sends_is_received_whole_and_in_order)
{
    struct link link;
    size_t sent = 0;
    const size_t size = 300 * 1000;

    link_open(&link, driver, any_port);
    while (link.receiver.size < size) {
        peer_feed(driver, link.peer, size, &sent);
        io_turn(driver->io, sent == size ? TURN_NS : 0);
    }
    EXPECT(link.receiver.size == size && pattern_holds(link.receiver.bytes, size, 0));
    EXPECT(link.receiver.stream.active && link.receiver.ends == 0);
    link_close(&link, driver);
}

CASE(core_io_sockets, what_is_sent_reaches_the_peer_whole_and_in_order)
{
    struct link link;

    link_open(&link, driver, any_port);
    for (size_t at = 0; at < 8; at++) {
        send_all(driver, link.fd, at * 1000, at * 1000 + 1000);
    }
    peer_expect(driver, link.peer, 0, 8000);
    link_close(&link, driver);
}

CASE(core_io_sockets, a_half_closed_connection_still_sends)
{
    struct link link;

    link_open(&link, driver, any_port);
    EXPECT(io_peer_send(link.peer, "abc", 3) >= 0);
    io_peer_shutdown(link.peer);
    WAIT(link.receiver.ends != 0);
    EXPECT(link.receiver.end == 0 && link.receiver.ends == 1 && !link.receiver.stream.active);
    send_all(driver, link.fd, 0, 5000);
    peer_expect(driver, link.peer, 0, 5000);
    receiver_finish(&link.receiver, driver);
    EXPECT(peer_end(driver, link.peer) == 0);
    acceptor_finish(&link.acceptor, driver);
    io_peer_close(link.peer, false);
}

CASE(core_io_sockets, a_reset_is_an_error_of_the_stream_and_of_sends)
{
    struct link link;
    const struct iovec part = {(void *)(uintptr_t) "late", 4};

    link_open(&link, driver, any_port);
    io_peer_close(link.peer, true);
    link.peer = NULL;
    WAIT(link.receiver.ends != 0);
    EXPECT(link.receiver.end == -ECONNRESET && link.receiver.ends == 1);
    EXPECT(RESULT_OF(io_send(driver->io, THE_OP, link.fd, &part, 1)) == -EPIPE);
    link_close(&link, driver);
}

CASE(core_io_sockets, sending_to_who_has_closed_fails_in_the_end)
{
    struct link link;
    const struct iovec part = {(void *)(uintptr_t) "late", 4};
    int32_t result = 0;

    link_open(&link, driver, any_port);
    io_peer_close(link.peer, false);
    link.peer = NULL;
    WAIT(link.receiver.ends != 0);
    EXPECT(link.receiver.end == 0);
    while (result >= 0) {
        result = RESULT_OF(io_send(driver->io, THE_OP, link.fd, &part, 1));
    }
    EXPECT(result == -EPIPE || result == -ECONNRESET);
    link_close(&link, driver);
}

CASE(core_io_sockets, a_peer_that_does_not_read_makes_sends_wait)
{
    enum { SIZE = 16 << 20 };
    struct link link;
    uint8_t *const bytes = malloc(SIZE);
    struct iovec part = {bytes, SIZE};
    struct call call = {0};
    size_t sent = 0;
    uint8_t received[1 << 16];
    size_t seen = 0;

    pattern_fill(bytes, SIZE, 0);
    link_open(&link, driver, any_port);
    // Until one waits: for tens of turns nothing becomes of it.
    for (int quiet = 0; quiet < 30; quiet++) {
        if (!call.op.pending) {
            EXPECT(call.result >= 0);
            sent += (size_t)call.result;
            EXPECT(sent < SIZE);
            part = (struct iovec){bytes + sent, SIZE - sent};
            io_send(driver->io, call_op(&call), link.fd, &part, 1);
            quiet = 0;
        }
        io_turn(driver->io, TURN_NS);
    }
    EXPECT(call.op.pending);
    while (seen < sent || call.op.pending) {
        const long got = io_peer_recv(link.peer, received, sizeof received);

        EXPECT(got > 0 || got == -EAGAIN);
        EXPECT(got < 0 || pattern_holds(received, (size_t)got, seen));
        seen += got > 0 ? (size_t)got : 0;
        io_turn(driver->io, got > 0 ? 0 : TURN_NS);
        if (!call.op.pending && call.calls != 0) {
            EXPECT(call.result > 0);
            sent += (size_t)call.result;
            call.calls = 0;
        }
    }
    link_close(&link, driver);
    free(bytes);
}

CASE(core_io_sockets, several_parts_are_sent_in_order)
{
    uint8_t bytes[LIMIT_IO_SEND_PARTS * 100];
    struct iovec parts[LIMIT_IO_SEND_PARTS];
    struct link link;
    size_t sent = 0;

    pattern_fill(bytes, sizeof bytes, 0);
    link_open(&link, driver, any_port);
    while (sent < sizeof bytes) {
        const size_t first = sent / 100; // the part that is not sent whole

        for (size_t i = first; i < LIMIT_IO_SEND_PARTS; i++) {
            const size_t skip = i == first ? sent % 100 : 0;

            parts[i] = (struct iovec){bytes + i * 100 + skip, 100 - skip};
        }
        const int32_t result = RESULT_OF(io_send(driver->io, THE_OP, link.fd, parts + first,
                                                 (unsigned)(LIMIT_IO_SEND_PARTS - first)));

        EXPECT(result > 0);
        sent += (size_t)result;
    }
    peer_expect(driver, link.peer, 0, sizeof bytes);
    link_close(&link, driver);
}

CASE(core_io_sockets, sends_of_several_parts_do_not_mix)
{
    enum { LINKS = 3, PARTS = 5, PART_BYTES = 20 };
    struct acceptor acceptor;
    struct io_peer *peers[LINKS];
    struct call calls[LINKS] = {0};
    struct iovec parts[LINKS][PARTS];
    uint8_t bytes[LINKS][PARTS * PART_BYTES];

    acceptor_start(&acceptor, driver, any_port);
    for (uint32_t i = 0; i < LINKS; i++) {
        peers[i] = io_peer_connect(driver, &acceptor.address);
        WAIT(acceptor.count == i + 1 && io_peer_connected(peers[i]));
    }
    for (size_t i = 0; i < LINKS; i++) {
        memset(bytes[i], 'a' + (int)i, sizeof bytes[i]);
        for (size_t j = 0; j < PARTS; j++) {
            parts[i][j] = (struct iovec){bytes[i] + j * PART_BYTES, PART_BYTES};
        }
        io_send(driver->io, call_op(&calls[i]), acceptor.fds[i], parts[i], PARTS);
    }
    for (size_t i = 0; i < LINKS; i++) {
        uint8_t seen[PARTS * PART_BYTES];

        WAIT(calls[i].calls == 1);
        EXPECT(calls[i].result > 0);
        for (int32_t size = 0; size < calls[i].result;) {
            long received = -EAGAIN;

            WAIT((received = io_peer_recv(peers[i], seen, sizeof seen)) != -EAGAIN);
            EXPECT(received > 0 && memcmp(seen, bytes[i], (size_t)received) == 0);
            size += (int32_t)received;
        }
        close_fd(driver, acceptor.fds[i]);
        io_peer_close(peers[i], false);
    }
    acceptor_finish(&acceptor, driver);
}

CASE(core_io_sockets, one_part_may_be_gone_when_the_call_returns)
{
    struct link link;
    uint8_t bytes[10];
    struct call call = {0};

    pattern_fill(bytes, sizeof bytes, 0);
    link_open(&link, driver, any_port);
    {
        struct iovec part = {bytes, sizeof bytes};

        io_send(driver->io, call_op(&call), link.fd, &part, 1);
        memset(&part, 0xff, sizeof part);
    }
    WAIT(call.calls == 1);
    EXPECT(call.result > 0);
    peer_expect(driver, link.peer, 0, (size_t)call.result);
    link_close(&link, driver);
}

CASE(core_io_sockets, a_stopped_stream_ends_once_and_loses_nothing)
{
    struct link link;
    size_t sent = 0;
    const size_t size = 100000;

    link_open(&link, driver, any_port);
    while (link.receiver.size < size) {
        peer_feed(driver, link.peer, size, &sent);
        io_turn(driver->io, 0);
        io_stream_stop(driver->io, &link.receiver.stream);
        io_stream_stop(driver->io, &link.receiver.stream); // no-op
        EXPECT(link.receiver.stream.active && link.receiver.ends == 0);
        WAIT(!link.receiver.stream.active);
        EXPECT(link.receiver.end == -ECANCELED && link.receiver.ends == 1);
        io_stream_stop(driver->io, &link.receiver.stream); // no-op
        turn_for(driver, TURN_NS);
        EXPECT(link.receiver.ends == 1);
        receiver_start(&link.receiver, driver, link.fd);
        turn_for(driver, TURN_NS / 10);
    }
    EXPECT(pattern_holds(link.receiver.bytes, size, 0));
    link_close(&link, driver);
}

static void stop_in_event(struct io_stream *stream, struct io_buffer *buffer, int32_t result)
{
    struct receiver *const receiver = (struct receiver *)stream;

    receiver_event(stream, buffer, result);
    io_stream_stop(receiver->driver->io, stream); // a no-op at its end
}

CASE(core_io_sockets, a_stream_can_be_stopped_from_its_own_event)
{
    struct link link;

    link_open(&link, driver, any_port);
    link.receiver.stream.event = stop_in_event;
    WAIT(io_peer_send(link.peer, "x", 1) == 1);
    WAIT(link.receiver.ends == 1);
    EXPECT(link.receiver.end == -ECANCELED && link.receiver.size == 1);
    link_close(&link, driver);
}

CASE(core_io_sockets, shutdown_ends_the_stream_and_waiting_sends)
{
    enum { SIZE = 16 << 20 };
    struct link link;
    uint8_t *const bytes = calloc(1, SIZE);
    const struct iovec part = {bytes, SIZE};
    struct call call = {0};

    link_open(&link, driver, any_port);
    io_send(driver->io, call_op(&call), link.fd, &part, 1);
    turn_for(driver, 5 * TURN_NS);
    while (!call.op.pending) { // the first ones fill the buffers, then one waits
        io_send(driver->io, call_op(&call), link.fd, &part, 1);
        turn_for(driver, 5 * TURN_NS);
    }
    io_shutdown(driver->io, link.fd);
    WAIT(!call.op.pending);
    EXPECT(call.result == -EPIPE && call.calls == 1);
    WAIT(!link.receiver.stream.active);
    EXPECT(link.receiver.end == 0 && link.receiver.ends == 1);
    link_close(&link, driver);
    free(bytes);
}

CASE(core_io_sockets, a_waiting_send_can_be_cancelled)
{
    enum { SIZE = 16 << 20 };
    struct link link;
    uint8_t *const bytes = calloc(1, SIZE);
    const struct iovec part = {bytes, SIZE};
    struct call call = {0};

    link_open(&link, driver, any_port);
    do {
        io_send(driver->io, call_op(&call), link.fd, &part, 1);
        turn_for(driver, 5 * TURN_NS);
    } while (!call.op.pending);
    io_cancel(driver->io, &call.op);
    io_cancel(driver->io, &call.op);
    EXPECT(call.op.pending); // told in its time
    WAIT(!call.op.pending);
    EXPECT(call.result == -ECANCELED && call.calls == 1);
    io_cancel(driver->io, &call.op); // no-op
    turn_for(driver, TURN_NS);
    EXPECT(call.calls == 1);
    link_close(&link, driver);
    free(bytes);
}

CASE(core_io_sockets, connecting_gives_both_ends_their_names)
{
    struct acceptor acceptor;
    struct io_address names[4];
    int fd = -1;
    struct call call = {0};

    acceptor_start(&acceptor, driver, any_port);
    EXPECT(io_connect(driver->io, call_op(&call), &acceptor.address, &fd) == 0);
    EXPECT(fd >= 0 && call.calls == 0);
    WAIT(call.calls == 1 && acceptor.count == 1);
    EXPECT(call.result == 0);
    EXPECT(io_socket_name(driver->io, fd, false, &names[0]) == 0);
    EXPECT(io_socket_name(driver->io, fd, true, &names[1]) == 0);
    EXPECT(io_socket_name(driver->io, acceptor.fds[0], false, &names[2]) == 0);
    EXPECT(io_socket_name(driver->io, acceptor.fds[0], true, &names[3]) == 0);
    EXPECT(names[1].u.in.sin_port == acceptor.address.u.in.sin_port);
    EXPECT(names[2].u.in.sin_port == acceptor.address.u.in.sin_port);
    EXPECT(names[0].u.in.sin_port == names[3].u.in.sin_port);
    EXPECT(names[0].u.in.sin_addr.s_addr == names[3].u.in.sin_addr.s_addr);
    close_fd(driver, fd);
    close_fd(driver, acceptor.fds[0]);
    acceptor_finish(&acceptor, driver);
}

CASE(core_io_sockets, connecting_to_nobody_is_refused)
{
    struct acceptor acceptor;
    struct call call = {0};
    int fd = -1;

    acceptor_start(&acceptor, driver, any_port);
    acceptor_finish(&acceptor, driver);
    EXPECT(io_connect(driver->io, call_op(&call), &acceptor.address, &fd) == 0);
    WAIT(call.calls == 1);
    EXPECT(call.result == -ECONNREFUSED);
    close_fd(driver, fd);
}

CASE(core_io_sockets, a_port_can_be_listened_at_once)
{
    struct acceptor acceptor;
    struct io_address elsewhere;
    int fd = -1;

    acceptor_start(&acceptor, driver, any_port);
    EXPECT(io_listen(driver->io, &acceptor.address, 0, &fd) == -EADDRINUSE);
    EXPECT(io_listen(driver->io, &acceptor.address, IO_LISTEN_SHARED_PORT, &fd) == -EADDRINUSE);
    acceptor_finish(&acceptor, driver);
    EXPECT(io_listen(driver->io, &acceptor.address, 0, &fd) == 0);
    close_fd(driver, fd);
    EXPECT(io_address_parse("192.0.2.1:7379", &elsewhere) == 0); // TEST-NET-1: not ours
    EXPECT(io_listen(driver->io, &elsewhere, 0, &fd) == -EADDRNOTAVAIL);
}

CASE(core_io_sockets, a_shared_port_can_be_listened_at_by_those_who_share)
{
    struct acceptor acceptor;
    struct io_address address;
    int first = -1;
    int second = -1;

    acceptor_start(&acceptor, driver, any_port); // for a port that is free
    address = acceptor.address;
    acceptor_finish(&acceptor, driver);
    EXPECT(io_listen(driver->io, &address, IO_LISTEN_SHARED_PORT, &first) == 0);
    EXPECT(io_listen(driver->io, &address, IO_LISTEN_SHARED_PORT, &second) == 0);
    close_fd(driver, first);
    close_fd(driver, second);
}

CASE(core_io_sockets, accepting_can_be_stopped_and_started_again)
{
    struct acceptor acceptor;
    struct io_peer *peer = NULL;

    acceptor_start(&acceptor, driver, any_port);
    turn_for(driver, TURN_NS);
    io_stream_stop(driver->io, &acceptor.stream);
    WAIT(!acceptor.stream.active);
    EXPECT(acceptor.end == -ECANCELED && acceptor.ends == 1);
    peer = io_peer_connect(driver, &acceptor.address);
    turn_for(driver, 3 * TURN_NS);
    EXPECT(acceptor.count == 0);
    io_accept_start(driver->io, &acceptor.stream, acceptor.listener);
    WAIT(acceptor.count == 1);
    close_fd(driver, acceptor.fds[0]);
    io_peer_close(peer, false);
    acceptor_finish(&acceptor, driver);
}

CASE(core_io_sockets, accepting_goes_on_after_descriptors_ran_out)
{
    struct acceptor acceptor;
    struct io_peer *peers[3];
    uint64_t began_ns = 0;

    acceptor_start(&acceptor, driver, any_port);
    for (int i = 0; i < 3; i++) {
        peers[i] = io_peer_connect(driver, &acceptor.address);
    }
    io_driver_limit(driver, 1);
    WAIT(acceptor.failed != 0);
    began_ns = driver->io->now_ns;
    EXPECT(acceptor.failure == -EMFILE && acceptor.count == 1 && acceptor.stream.active);
    // It pauses, instead of failing again and again.
    turn_for(driver, 3 * (uint64_t)LIMIT_IO_ACCEPT_PAUSE_NS);
    EXPECT(acceptor.failed <=
           2 + (driver->io->now_ns - began_ns) / (uint64_t)LIMIT_IO_ACCEPT_PAUSE_NS);
    WAIT(acceptor.failed >= 2);
    io_driver_limit(driver, -1);
    WAIT(acceptor.count == 3);
    for (int i = 0; i < 3; i++) {
        close_fd(driver, acceptor.fds[i]);
        io_peer_close(peers[i], false);
    }
    acceptor_finish(&acceptor, driver);
}

CASE(core_io_sockets, accepting_can_be_stopped_while_it_pauses)
{
    struct acceptor acceptor;
    struct io_peer *peer = NULL;

    acceptor_start(&acceptor, driver, any_port);
    peer = io_peer_connect(driver, &acceptor.address);
    io_driver_limit(driver, 0);
    WAIT(acceptor.failed != 0);
    io_stream_stop(driver->io, &acceptor.stream);
    WAIT(!acceptor.stream.active);
    EXPECT(acceptor.end == -ECANCELED);
    io_driver_limit(driver, -1);
    close_fd(driver, acceptor.listener);
    io_peer_close(peer, false);
}

CASE(core_io_sockets, streams_on_the_wrong_descriptor_end_at_once)
{
    struct acceptor acceptor = {.stream.event = acceptor_event};
    struct receiver receiver = {.stream.event = receiver_event, .driver = driver};

    io_accept_start(driver->io, &acceptor.stream, 9999);
    io_recv_start(driver->io, &receiver.stream, 9999);
    EXPECT(acceptor.ends == 0 && receiver.ends == 0);
    WAIT(acceptor.ends == 1 && receiver.ends == 1);
    EXPECT(acceptor.end == -EBADF && receiver.end == -EBADF);
}

static void unix_text(const struct io_driver *driver, const char *name, char *text, size_t size)
{
    snprintf(text, size, "unix:%s/%s", driver->directory, name);
}

CASE(core_io_sockets, unix_sockets_work_like_the_others)
{
    struct link link;
    char text[IO_ADDRESS_TEXT_MAX];
    struct io_address name;
    size_t sent = 0;

    unix_text(driver, "s", text, sizeof text);
    link_open(&link, driver, text);
    EXPECT(io_socket_name(driver->io, link.fd, true, &name) == 0);
    EXPECT(name.u.any.sa_family == AF_UNIX);
    while (link.receiver.size < 10000) {
        peer_feed(driver, link.peer, 10000, &sent);
        io_turn(driver->io, TURN_NS);
    }
    EXPECT(pattern_holds(link.receiver.bytes, 10000, 0));
    send_all(driver, link.fd, 0, 3000);
    peer_expect(driver, link.peer, 0, 3000);
    link_close(&link, driver);
}

CASE(core_io_sockets, a_stale_unix_socket_is_replaced_and_nothing_else)
{
    struct acceptor acceptor;
    struct io_address address;
    struct io_stat status;
    char text[IO_ADDRESS_TEXT_MAX];
    char path[IO_ADDRESS_TEXT_MAX];
    int fd = -1;

    unix_text(driver, "s", text, sizeof text);
    acceptor_start(&acceptor, driver, text);
    EXPECT(io_address_parse(text, &address) == 0);
    EXPECT(io_listen(driver->io, &address, 0, &fd) == -EADDRINUSE); // alive
    acceptor_finish(&acceptor, driver);
    acceptor_start(&acceptor, driver, text); // stale
    acceptor_finish(&acceptor, driver);

    snprintf(path, sizeof path, "%s/file", driver->directory);
    fd = RESULT_OF(io_open(driver->io, THE_OP, path, IO_OPEN_WRITE | IO_OPEN_CREATE));
    EXPECT(fd >= 0);
    close_fd(driver, fd);
    unix_text(driver, "file", text, sizeof text);
    EXPECT(io_address_parse(text, &address) == 0);
    EXPECT(io_listen(driver->io, &address, 0, &fd) == -ENOTSOCK); // somebody's file
    EXPECT(io_stat(driver->io, path, &status) == 0);

    unix_text(driver, "no/s", text, sizeof text);
    EXPECT(io_address_parse(text, &address) == 0);
    EXPECT(io_listen(driver->io, &address, 0, &fd) == -ENOENT);
}

CASE(core_io_sockets, connecting_to_unix_paths_tells_why_not)
{
    struct acceptor acceptor;
    struct io_address addresses[2];
    char text[IO_ADDRESS_TEXT_MAX];
    int fds[2];
    struct call calls[2] = {0};

    unix_text(driver, "s", text, sizeof text);
    acceptor_start(&acceptor, driver, text);
    acceptor_finish(&acceptor, driver);
    EXPECT(io_address_parse(text, &addresses[0]) == 0);
    EXPECT(io_connect(driver->io, call_op(&calls[0]), &addresses[0], &fds[0]) == 0);
    unix_text(driver, "none", text, sizeof text);
    EXPECT(io_address_parse(text, &addresses[1]) == 0);
    EXPECT(io_connect(driver->io, call_op(&calls[1]), &addresses[1], &fds[1]) == 0);
    WAIT(calls[0].calls == 1 && calls[1].calls == 1);
    EXPECT(calls[0].result == -ECONNREFUSED && calls[1].result == -ENOENT);
    close_fd(driver, fds[0]);
    close_fd(driver, fds[1]);
}
