// What is io_uring's own, and cannot be seen through core/io.h.
#include "core/io_uring.h"

#include "core/limits.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static struct io *open_io(void)
{
    const struct io_uring_options options = {64, 8, 256};
    struct io *io = NULL;

    cr_assert_eq(io_uring_open(&options, &io, NULL), 0);
    return io;
}

static void count_done(struct io_op *op, int32_t result)
{
    (void)result;
    op->backend = op; // seen
}

// The submission entry that was prepared last.
static const struct io_uring_sqe *last_sqe(struct io *io)
{
    const struct io_uring_sq *const sq = &uring_of(io)->ring.sq;

    return &sq->sqes[(sq->sqe_tail - 1) & sq->ring_mask];
}

Test(core_io_uring, only_durable_writes_ask_for_durability)
{
    struct io *const io = open_io();
    struct io_op ops[2] = {{.done = count_done}, {.done = count_done}};
    const uint8_t byte = 0;

    io_write(io, &ops[0], -1, &byte, 1, 0, 0);
    cr_expect_eq(last_sqe(io)->rw_flags, 0);
    io_write(io, &ops[1], -1, &byte, 1, 0, IO_WRITE_DURABLE);
    cr_expect_eq(last_sqe(io)->rw_flags, RWF_DSYNC);
    while (ops[0].pending || ops[1].pending) {
        io_turn(io, UINT64_MAX);
    }
    io_destroy(io);
}

Test(core_io_uring, a_disk_need_not_wait_for_the_last_read_of_a_batch)
{
    struct io *const io = open_io();
    struct io_op ops[URING_READS_TOGETHER + 1];
    uint8_t bytes[URING_READS_TOGETHER + 1];

    for (unsigned i = 0; i <= URING_READS_TOGETHER; i++) {
        ops[i] = (struct io_op){.done = count_done};
        io_read(io, &ops[i], -1, &bytes[i], 1, 0);
        cr_expect_eq(io_uring_sq_ready(&uring_of(io)->ring), (i + 1) % URING_READS_TOGETHER);
    }
    for (unsigned i = 0; i <= URING_READS_TOGETHER; i++) {
        while (ops[i].pending) {
            io_turn(io, UINT64_MAX);
        }
    }
    io_destroy(io);
}

// What a stream was told, as a line of text: a letter for the stream, and how many bytes.
struct told {
    struct io_stream stream; // first
    struct io *io;
    char letter;
    char *text;
    uint64_t bytes;
};

static void told_event(struct io_stream *stream, struct io_buffer *buffer, int32_t result)
{
    struct told *const told = (struct told *)stream;
    const size_t length = strlen(told->text);

    snprintf(told->text + length, 64, "%c%d ", told->letter, result);
    if (buffer != NULL) {
        told->bytes += (uint32_t)result;
        io_buffer_release(told->io, buffer);
    }
}

static void tell(struct told *told, int32_t result, uint32_t buffer, bool more)
{
    const uint32_t flags =
        (more ? IORING_CQE_F_MORE : 0) |
        (result > 0 ? IORING_CQE_F_BUFFER | buffer << IORING_CQE_BUFFER_SHIFT : 0);

    uring_recv_event(uring_of(told->io), &told->stream, result, flags);
}

Test(core_io_uring, short_requests_do_not_wait_for_long_ones)
{
    enum { BUFFER_BYTES = 8192, BUFFERS = 256, FULL = LIMIT_IO_BYTES_A_TURN / BUFFER_BYTES };
    const struct io_uring_options options = {64, BUFFERS, BUFFER_BYTES};
    static char text[64 * BUFFERS];
    struct io *io = NULL;

    static_assert(FULL + 4 < BUFFERS, "room for what is kept");
    cr_assert_eq(io_uring_open(&options, &io, NULL), 0);
    struct told long_one = {.stream.event = told_event, .io = io, .letter = 'L', .text = text};
    struct told short_one = {.stream.event = told_event, .io = io, .letter = 's', .text = text};
    uint32_t buffer = 0;

    long_one.stream.active = long_one.stream.op.pending = true;
    short_one.stream.active = short_one.stream.op.pending = true;
    while (long_one.bytes < LIMIT_IO_BYTES_A_TURN) {
        tell(&long_one, BUFFER_BYTES, buffer++, true);
    }
    cr_expect_eq(buffer, FULL);
    text[0] = '\0';
    tell(&long_one, BUFFER_BYTES, buffer++, true);
    tell(&short_one, LIMIT_IO_SHORT_BYTES, buffer++, true);
    tell(&long_one, 7, buffer++, true); // as short as a request, but behind others of its stream
    tell(&long_one, 0, 0, false);
    tell(&short_one, 14, buffer++, true);
    cr_expect_str_eq(text, "s4096 s14 ");
    text[0] = '\0';
    cr_expect_eq(uring_of(io)->late_count, 3);
    io_turn(io, 0);
    cr_expect_str_eq(text, "L8192 L7 L0 ");
    cr_expect(!long_one.stream.active && short_one.stream.active);
    io_destroy(io);
}

static int accepted = -1;

static void on_accepted(struct io_stream *stream, struct io_buffer *buffer, int32_t result)
{
    (void)stream;
    (void)buffer;
    accepted = result >= 0 ? result : accepted;
}

Test(core_io_uring, accepted_and_connected_sockets_do_not_delay_small_sends)
{
    struct io *const io = open_io();
    struct io_op connect_op = {.done = count_done};
    struct io_stream accept = {.event = on_accepted};
    struct io_address address;
    int listener = -1;
    int fds[2] = {-1, -1};

    cr_assert_eq(io_address_parse("127.0.0.1:0", &address), 0);
    cr_assert_eq(io_listen(io, &address, 0, &listener), 0);
    cr_assert_eq(io_socket_name(io, listener, false, &address), 0);
    io_accept_start(io, &accept, listener);
    cr_assert_eq(io_connect(io, &connect_op, &address, &fds[0]), 0);
    while (accepted < 0 || connect_op.pending) {
        io_turn(io, UINT64_MAX);
    }
    fds[1] = accepted;
    for (int i = 0; i < 2; i++) {
        int on = 0;
        socklen_t size = sizeof on;

        cr_assert_eq(getsockopt(fds[i], IPPROTO_TCP, TCP_NODELAY, &on, &size), 0);
        cr_expect_eq(on, 1);
        close(fds[i]);
    }
    io_stream_stop(io, &accept);
    while (accept.active) {
        io_turn(io, UINT64_MAX);
    }
    close(listener);
    io_destroy(io);
}

Test(core_io_uring, kernels_that_are_too_old_are_named)
{
    char error[IO_ERROR_TEXT_MAX] = "";

    cr_expect_eq(uring_check_kernel("6.1.0-18-amd64", error), 0);
    cr_expect_eq(uring_check_kernel("6.12", error), 0);
    cr_expect_eq(uring_check_kernel("10.0.1", error), 0);
    cr_expect_str_empty(error);
    cr_expect_eq(uring_check_kernel("6.0.9", error), -ENOSYS);
    cr_expect_eq(uring_check_kernel("5.15.0-91-generic", error), -ENOSYS);
    cr_expect_not_null(strstr(error, "5.15.0-91-generic"));
    cr_expect_not_null(strstr(error, "6.1 or newer"));
}

Test(core_io_uring, what_the_kernel_refuses_is_said_in_a_line)
{
    // More entries than the kernel allows (32768).
    const struct io_uring_options options = {1 << 20, 8, 256};
    char error[IO_ERROR_TEXT_MAX] = "";
    struct io *io = NULL;

    cr_expect_eq(io_uring_open(&options, &io, error), -EINVAL);
    cr_expect_null(io);
    cr_expect(strlen(error) > 20 && strchr(error, '\n') == NULL);
}

Test(core_io_uring, a_wake_to_a_ring_that_is_gone_disturbs_nobody)
{
    struct io *const io = open_io();
    struct io *const target = open_io();
    struct uring copy = *uring_of(target); // what another thread may still read: the descriptor

    io_destroy(target);
    for (int i = 0; i < 3; i++) {
        const uint64_t completions = io->completions;

        io_wake(io, &copy.io);
        io_turn(io, 0);
        io_turn(io, 1000 * 1000);
        cr_expect_eq(io->completions, completions);
    }
    // Also when its number belongs to a file now.
    const int reused = dup(STDERR_FILENO);

    cr_expect_eq(reused, copy.ring.ring_fd);
    io_wake(io, &copy.io);
    io_turn(io, 0);
    io_turn(io, 1000 * 1000);
    close(reused);
    io_destroy(io);
}
