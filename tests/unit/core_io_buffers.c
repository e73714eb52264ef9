// Conformance of both backends of core/io.h: receive buffers, leased and given back.
#include "tests/unit/io_conformance.h"

static const char any_port[] = "127.0.0.1:0";

CASE_WITH(core_io_buffers, without_free_buffers_receiving_waits_and_goes_on, 64, 4, 512)
{
    struct link link;
    size_t sent = 0;
    const size_t size = 20000;

    link_open(&link, driver, any_port);
    link.receiver.keep = true;
    while (link.receiver.kept_count < 4) {
        peer_feed(driver, link.peer, size, &sent);
        io_turn(driver->io, 0);
    }
    turn_for(driver, 20 * TURN_NS);
    EXPECT(link.receiver.kept_count == 4 && link.receiver.stream.active);
    for (size_t i = 0, at = 0; i < 4; i++) { // untouched as long as they are leased
        EXPECT(pattern_holds(link.receiver.kept[i]->bytes, link.receiver.kept[i]->size, at));
        at += link.receiver.kept[i]->size;
    }
    // One comes back: one more is received.
    io_buffer_hold(link.receiver.kept[2]);
    io_buffer_release(driver->io, link.receiver.kept[2]);
    turn_for(driver, 5 * TURN_NS);
    EXPECT(link.receiver.kept_count == 4);
    io_buffer_release(driver->io, link.receiver.kept[2]);
    while (link.receiver.kept_count < 5) {
        peer_feed(driver, link.peer, size, &sent);
        io_turn(driver->io, TURN_NS);
    }
    turn_for(driver, 5 * TURN_NS);
    EXPECT(link.receiver.kept_count == 5);
    link.receiver.keep = false;
    for (size_t i = 0; i < 5; i++) {
        if (i != 2) {
            io_buffer_release(driver->io, link.receiver.kept[i]);
        }
    }
    while (link.receiver.size < size) {
        peer_feed(driver, link.peer, size, &sent);
        io_turn(driver->io, sent == size ? TURN_NS : 0);
    }
    EXPECT(pattern_holds(link.receiver.bytes, size, 0));
    link_close(&link, driver);
}

// A backend may keep buffers back that nobody needs (io_uring does beyond 2 MiB): all are there to
// those who hold some.
CASE_WITH(core_io_buffers, buffers_may_all_be_held, 64, 16, 1 << 20)
{
    enum { HELD = 16, PIECE = 100 };
    struct link link;
    size_t sent = 0;

    for (size_t round = 0; round < 2; round++) {
        link_open(&link, driver, any_port);
        link.receiver.keep = true;
        sent = 0;
        for (size_t i = 0; i < HELD; i++) {
            WAIT((peer_feed(driver, link.peer, (i + 1) * PIECE, &sent),
                  link.receiver.size == sent || link.receiver.kept_count == HELD));
        }
        EXPECT(pattern_holds(link.receiver.bytes, link.receiver.size, 0));
        for (size_t i = 0; i < link.receiver.kept_count; i++) {
            io_buffer_release(driver->io, link.receiver.kept[i]);
        }
        link.receiver.kept_count = 0;
        link.receiver.keep = false;
        link_close(&link, driver);
    }
}

CASE_WITH(core_io_buffers, many_streams_share_few_buffers, 64, 2, 256)
{
    enum { LINKS = 10, SIZE = 3000 };
    struct acceptor acceptor;
    struct io_peer *peers[LINKS];
    struct receiver receivers[LINKS];
    size_t sent[LINKS] = {0};
    size_t done = 0;

    memset(receivers, 0, sizeof receivers);
    acceptor_start(&acceptor, driver, any_port);
    for (uint32_t i = 0; i < LINKS; i++) {
        peers[i] = io_peer_connect(driver, &acceptor.address);
        WAIT(acceptor.count == i + 1);
        receiver_start(&receivers[i], driver, acceptor.fds[i]);
    }
    for (int turns = 0; done < LINKS; turns++) {
        EXPECT(turns < TURNS_MAX);
        done = 0;
        for (size_t i = 0; i < LINKS; i++) {
            peer_feed(driver, peers[i], SIZE, &sent[i]);
            done += receivers[i].size == SIZE;
        }
        io_turn(driver->io, 0);
    }
    for (size_t i = 0; i < LINKS; i++) {
        EXPECT(pattern_holds(receivers[i].bytes, SIZE, 0));
        receiver_finish(&receivers[i], driver);
        io_peer_close(peers[i], false);
    }
    acceptor_finish(&acceptor, driver);
}

// More is received than the completion queue holds, before anyone looks.
CASE_WITH(core_io_buffers, streams_survive_a_flood_of_completions, 4, 256, 64)
{
    enum { LINKS = 30, SIZE = 2000, SEND = 10 };
    struct acceptor acceptor;
    struct io_peer *peers[LINKS];
    struct receiver receivers[LINKS];
    size_t sent[LINKS] = {0};
    size_t done = 0;

    memset(receivers, 0, sizeof receivers);
    acceptor_start(&acceptor, driver, any_port);
    for (uint32_t i = 0; i < LINKS; i++) {
        peers[i] = io_peer_connect(driver, &acceptor.address);
        WAIT(acceptor.count == i + 1 && io_peer_connected(peers[i]));
        receiver_start(&receivers[i], driver, acceptor.fds[i]);
    }
    io_turn(driver->io, 0);
    for (int turns = 0; done < LINKS; turns++) {
        EXPECT(turns < TURNS_MAX);
        done = 0;
        for (size_t i = 0; i < LINKS; i++) {
            peer_feed(driver, peers[i], SIZE, &sent[i]);
            EXPECT(receivers[i].stream.active);
            done += receivers[i].size == SIZE;
        }
        io_turn(driver->io, turns % SEND == 0 ? TURN_NS : 0);
    }
    for (size_t i = 0; i < LINKS; i++) {
        EXPECT(pattern_holds(receivers[i].bytes, SIZE, 0));
        receiver_finish(&receivers[i], driver);
        io_peer_close(peers[i], false);
    }
    acceptor_finish(&acceptor, driver);
}

CASE_WITH(core_io_buffers, a_stream_that_waits_for_a_buffer_can_be_stopped, 64, 1, 64)
{
    struct link link;
    uint8_t bytes[1000];

    pattern_fill(bytes, sizeof bytes, 0);
    link_open(&link, driver, any_port);
    link.receiver.keep = true;
    WAIT(io_peer_send(link.peer, bytes, sizeof bytes) > 0);
    WAIT(link.receiver.kept_count == 1);
    turn_for(driver, 5 * TURN_NS);
    io_stream_stop(driver->io, &link.receiver.stream);
    EXPECT(link.receiver.ends == 0);
    WAIT(link.receiver.ends == 1);
    EXPECT(link.receiver.end == -ECANCELED && link.receiver.kept_count == 1);
    io_buffer_release(driver->io, link.receiver.kept[0]);
    link_close(&link, driver);
}

CASE_WITH(core_io_buffers, buffers_come_back_in_any_order, 64, 8, 256)
{
    enum { SIZE = 20000, STEP = 5 }; // 5 and 8 have no divisor in common
    struct link link;
    size_t sent = 0;

    link_open(&link, driver, any_port);
    link.receiver.keep = true;
    while (link.receiver.size < SIZE) {
        const uint32_t held = link.receiver.kept_count;

        peer_feed(driver, link.peer, SIZE, &sent);
        io_turn(driver->io, sent == SIZE ? TURN_NS : 0);
        if (held < 8 && (sent != SIZE || link.receiver.kept_count != held)) {
            continue; // more may come
        }
        for (uint32_t i = 0; i < held; i++) { // not those that came first, and some in later turns
            struct io_buffer **const kept = &link.receiver.kept[i * STEP % held];

            if (*kept != NULL) {
                io_buffer_hold(*kept);
                io_buffer_release(driver->io, *kept);
                io_buffer_release(driver->io, *kept);
                *kept = NULL;
            }
            if (i % 3 == 0) {
                link.receiver.keep = false;
                io_turn(driver->io, 0);
                link.receiver.keep = true;
            }
        }
        for (uint32_t i = 0; i < held; i++) {
            if (link.receiver.kept[i] != NULL) {
                io_buffer_release(driver->io, link.receiver.kept[i]);
            }
        }
        link.receiver.kept_count = 0;
    }
    for (uint32_t i = 0; i < link.receiver.kept_count; i++) {
        io_buffer_release(driver->io, link.receiver.kept[i]);
    }
    EXPECT(link.receiver.size == SIZE && pattern_holds(link.receiver.bytes, SIZE, 0));
    link.receiver.keep = false;
    link_close(&link, driver);
}

CASE_WITH(core_io_buffers, a_lease_outlives_its_stream_and_its_descriptor, 64, 4, 64)
{
    struct link link;
    struct io_buffer *kept[2];
    uint32_t sizes[2];
    size_t sent = 0;

    link_open(&link, driver, any_port);
    link.receiver.keep = true;
    while (link.receiver.kept_count < 2) {
        peer_feed(driver, link.peer, link.receiver.size + 40, &sent);
        io_turn(driver->io, TURN_NS);
    }
    link.receiver.keep = false;
    for (int i = 0; i < 2; i++) {
        kept[i] = link.receiver.kept[i];
        sizes[i] = kept[i]->size;
    }
    for (uint32_t i = 2; i < link.receiver.kept_count; i++) {
        io_buffer_release(driver->io, link.receiver.kept[i]);
    }
    link_close(&link, driver);
    for (int round = 0; round < 2; round++) { // the others serve whoever comes; then all
        link_open(&link, driver, any_port);
        sent = 0;
        while (link.receiver.size < 5000) {
            peer_feed(driver, link.peer, 5000, &sent);
            io_turn(driver->io, sent == 5000 ? TURN_NS : 0);
        }
        EXPECT(pattern_holds(link.receiver.bytes, 5000, 0));
        link_close(&link, driver);
        for (int i = 0; i < 2 && round == 0; i++) {
            EXPECT(kept[i]->size == sizes[i] && kept[i]->references == 1);
            EXPECT(pattern_holds(kept[i]->bytes, sizes[i], i == 0 ? 0 : sizes[0]));
            io_buffer_release(driver->io, kept[i]);
        }
    }
}

// Holds all buffers of the core, with the peer's end behind what they hold.
static void hold_all(struct link *link, struct io_driver *driver, uint32_t count)
{
    size_t sent = 0;

    link_open(link, driver, any_port);
    link->receiver.keep = true;
    while (link->receiver.kept_count < count) {
        peer_feed(driver, link->peer, link->receiver.size + 1, &sent);
        io_turn(driver->io, TURN_NS);
    }
}

CASE_WITH(core_io_buffers, an_end_is_told_when_a_buffer_is_free, 64, 2, 64)
{
    struct link link;

    hold_all(&link, driver, 2);
    io_peer_shutdown(link.peer);
    turn_for(driver, 10 * TURN_NS);
    EXPECT(link.receiver.ends == 0 && link.receiver.stream.active);
    io_buffer_release(driver->io, link.receiver.kept[1]);
    WAIT(link.receiver.ends == 1);
    EXPECT(link.receiver.end == 0 && link.receiver.kept_count == 2);
    io_buffer_release(driver->io, link.receiver.kept[0]);
    link_close(&link, driver);
}

CASE_WITH(core_io_buffers, a_reset_is_told_when_a_buffer_is_free, 64, 2, 64)
{
    struct link link;

    hold_all(&link, driver, 2);
    io_peer_close(link.peer, true);
    link.peer = NULL;
    turn_for(driver, 10 * TURN_NS);
    EXPECT(link.receiver.ends == 0);
    io_buffer_release(driver->io, link.receiver.kept[0]);
    io_buffer_release(driver->io, link.receiver.kept[1]);
    WAIT(link.receiver.ends == 1);
    EXPECT(link.receiver.end == -ECONNRESET);
    link_close(&link, driver);
}

CASE_WITH(core_io_buffers, a_shutdown_without_free_buffers_needs_a_stop_or_one, 64, 2, 64)
{
    struct link link;

    hold_all(&link, driver, 2);
    io_shutdown(driver->io, link.fd);
    turn_for(driver, 5 * TURN_NS);
    io_stream_stop(driver->io, &link.receiver.stream);
    WAIT(link.receiver.ends == 1);
    EXPECT(link.receiver.end == -ECANCELED || link.receiver.end == 0);
    io_buffer_release(driver->io, link.receiver.kept[1]);
    io_buffer_release(driver->io, link.receiver.kept[0]);
    link_close(&link, driver);
}
