// The io_uring backend: open, the turn, wakes, cancels. Streams, sockets and files are next door.
#include "core/io_uring.h"

#include "core/check.h"
#include "core/limits.h"
#include "core/memory.h"

#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/utsname.h>
#include <time.h>

enum {
    KERNEL_MAJOR_MIN = 6,
    KERNEL_MINOR_MIN = 1,
    WALL_READ_INTERVAL_NS = 500 * 1000, // wall_ms has no finer unit than twice that
    ALARM_NS_MIN = 150 * 1000,          // shorter gatherings have a timeout of their own
    ALARM_LOST_NS = 5 * 1000 * 1000,
};

static const uint64_t ns_per_second = UINT64_C(1000000000);
static const uint64_t ns_per_ms = UINT64_C(1000000);

struct io_uring_sqe *uring_sqe(struct uring *uring)
{
    struct io_uring_sqe *sqe = io_uring_get_sqe(&uring->ring);

    while (__builtin_expect(sqe == NULL, 0)) {
        // Where the kernel is short of memory for a moment (EAGAIN, EBUSY), what is complete is
        // reaped into the completion queue and it is tried again: an op is never lost.
        const int submitted = io_uring_submit_and_get_events(&uring->ring);

        CHECK(submitted >= 0 || submitted == -EAGAIN || submitted == -EBUSY || submitted == -EINTR);
        sqe = io_uring_get_sqe(&uring->ring);
        if (sqe == NULL) {
            sched_yield();
        }
    }
    return sqe;
}

void uring_start(struct uring *uring, struct io_op *op, struct io_uring_sqe *sqe,
                 enum uring_kind kind)
{
    CHECK(!op->pending);
    CHECK((uintptr_t)op >> URING_POINTER_BITS == 0 && (uintptr_t)op >= URING_TAG_MAX);
    op->generation = ++uring->generation;
    op->pending = true;
    op->kind = (uint8_t)kind;
    sqe->user_data = uring_user_data(op);
}

void uring_cancel_op(struct uring *uring, const struct io_op *op)
{
    struct io_uring_sqe *const sqe = uring_sqe(uring);

    io_uring_prep_cancel64(sqe, uring_user_data(op), 0);
    sqe->flags |= IOSQE_CQE_SKIP_SUCCESS;
    sqe->user_data = URING_TAG_IGNORE;
}

static void uring_cancel(struct io *io, struct io_op *op)
{
    if (op->pending) {
        uring_cancel_op(uring_of(io), op);
    }
}

static uint64_t uring_clock_ns(struct io *io)
{
    struct timespec now;

    (void)io;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * ns_per_second + (uint64_t)now.tv_nsec;
}

static void uring_read_clocks(struct uring *uring)
{
    uring->io.now_ns = uring_clock_ns(&uring->io);
    if (uring->io.now_ns - uring->wall_read_ns >= WALL_READ_INTERVAL_NS) {
        struct timespec wall;

        clock_gettime(CLOCK_REALTIME, &wall);
        uring->wall_read_ns = uring->io.now_ns;
        uring->io.wall_ms = (uint64_t)wall.tv_sec * 1000 + (uint64_t)wall.tv_nsec / ns_per_ms;
    }
}

static int uring_entropy(struct io *io, void *bytes, size_t size)
{
    uint8_t *at = bytes;

    (void)io;
    while (size > 0) {
        const ssize_t got = getrandom(at, size, 0);

        if (got < 0 && errno != EINTR) {
            return -errno;
        }
        if (got > 0) {
            at += got;
            size -= (size_t)got;
        }
    }
    return 0;
}

// The target's thread may be anywhere, also past its last turn: its ring descriptor is all that is
// read. A message to a ring that is gone fails, which is as good as delivered.
static void uring_wake(struct io *io, struct io *target)
{
    struct uring *const uring = uring_of(io);

    io->wakes++;
    if (io == target) {
        uring->wake_self = true;
        return;
    }
    struct io_uring_sqe *const sqe = uring_sqe(uring);

    io_uring_prep_msg_ring(sqe, uring_of(target)->ring.ring_fd, 0, URING_TAG_WAKE, 0);
    sqe->flags |= IOSQE_CQE_SKIP_SUCCESS;
    sqe->user_data = URING_TAG_IGNORE;
}

static struct __kernel_timespec timespec_of(uint64_t ns)
{
    return (struct __kernel_timespec){.tv_sec = (int64_t)(ns / ns_per_second),
                                      .tv_nsec = (int64_t)(ns % ns_per_second)};
}

static int uring_wait(struct uring *uring, uint64_t timeout_ns, uint32_t count)
{
    struct __kernel_timespec timeout = timespec_of(timeout_ns);
    struct io_uring_cqe *first = NULL;

    return io_uring_submit_and_wait_timeout(&uring->ring, &first, count, &timeout, NULL);
}

// Waits for `count` completions, but no longer than an alarm lets it.
//
// The timeout of a wait sets a timer and takes it back. Where either changes which timer is the
// processor's next, it is told so: on a virtual machine a matter for the host, 9 us where this was
// measured, as much as 25 pipelined GETs cost. Most gatherings end before their timeout. So an
// alarm is set for twice as long, only when there is something to wait for, and it stays for the
// gatherings that follow, until it goes off. One that a longer gathering has left is no help.
static int uring_gather(struct uring *uring, uint64_t timeout_ns, uint32_t count)
{
    const uint64_t now_ns = uring_clock_ns(&uring->io);

    if (uring->alarm_ns > now_ns + 2 * timeout_ns) {
        return uring_wait(uring, timeout_ns, count);
    }
    if (uring->alarm_ns <= now_ns) {
        const int result = io_uring_submit_and_get_events(&uring->ring);

        if (result < 0 || io_uring_cq_ready(&uring->ring) >= count) {
            return result;
        }
        struct io_uring_sqe *const sqe = uring_sqe(uring);

        uring->alarm = timespec_of(2 * timeout_ns);
        io_uring_prep_timeout(sqe, &uring->alarm, 0, 0);
        sqe->user_data = URING_TAG_ALARM;
        uring->alarm_ns = uring_clock_ns(&uring->io) + 2 * timeout_ns;
    }
    // An alarm that goes off on the way into the wait does not end it. That is what this timeout is
    // for; it is later than the next tick of the kernel's clock, so nobody has to be told of it.
    return uring_wait(uring, timeout_ns + ALARM_LOST_NS, count);
}

// Submits, and waits for `count` completions unless there is something to do already.
static void uring_enter(struct uring *uring, uint64_t timeout_ns, uint32_t count, bool exact)
{
    int result = 0;

    CHECK(count == 1 || (count != 0 && timeout_ns != UINT64_MAX));
    count += count == 1 ? 0 : uring->sends;
    uring->sends = 0;
    uring->reads = 0;

    if (uring->wake_self || uring->want_cancel.first != NULL || uring->late_count != 0 ||
        io_uring_cq_ready(&uring->ring) != 0) {
        timeout_ns = 0;
    }
    uring->wake_self = false;
    timeout_ns = uring_streams_timeout(uring, timeout_ns);
    if (timeout_ns == 0) {
        result = io_uring_submit_and_get_events(&uring->ring);
    } else if (timeout_ns == UINT64_MAX) {
        result = io_uring_submit_and_wait(&uring->ring, 1);
    } else if (!exact && timeout_ns >= ALARM_NS_MIN) {
        result = uring_gather(uring, timeout_ns, count);
    } else {
        result = uring_wait(uring, timeout_ns, count);
    }
    // ETIME: nothing came. EINTR: a signal. EAGAIN, EBUSY: short of memory; what was not taken
    // stays in the queue. All of them end the wait early, which io_turn() may do.
    CHECK(result >= 0 || result == -ETIME || result == -EINTR || result == -EAGAIN ||
          result == -EBUSY);
}

static struct io_op *uring_op(uint64_t user_data)
{
    return (struct io_op *)(uintptr_t)(user_data & ((UINT64_C(1) << URING_POINTER_BITS) - 1));
}

static void uring_completed(struct uring *uring, uint64_t user_data, int32_t result, uint32_t flags)
{
    if (__builtin_expect(user_data < URING_TAG_MAX, 0)) {
        if (user_data == URING_TAG_ALARM && uring->io.now_ns >= uring->alarm_ns) {
            uring->alarm_ns = 0; // and not one that was set after it had gone off
        }
        return; // a wake has done its work by ending the wait
    }
    struct io_op *const op = uring_op(user_data);

    // An op lives until its completion ran and has one in flight at most: anything else is a bug
    // here or in the op's owner, and would complete somebody else's work.
    CHECK(op->pending && (uint16_t)op->generation == user_data >> URING_POINTER_BITS);
    switch ((enum uring_kind)op->kind) {
    case URING_KIND_RECV:
        uring_recv_event(uring, (struct io_stream *)op, result, flags);
        return;
    case URING_KIND_ACCEPT:
        uring_accept_event(uring, (struct io_stream *)op, result, flags);
        return;
    case URING_KIND_OPEN_DIRECT:
        if (result == -EINVAL) {
            op->pending = false;
            uring_open_buffered(uring, op);
            return;
        }
        uring_direct_opened(uring, result);
        break;
    case URING_KIND_OPEN_BUFFERED:
        uring_direct_opened(uring, result);
        break;
    case URING_KIND_MISALIGNED:
        result = -EINVAL;
        break;
    case URING_KIND_OP:
        break;
    case URING_KIND_NONE:
        CHECK(false);
    }
    op->pending = false;
    uring->io.completions++;
    op->done(op, result);
}

static void uring_turn(struct io *io, uint64_t timeout_ns, uint32_t wanted, bool exact)
{
    struct uring *const uring = uring_of(io);
    struct io_uring_cqe *cqe = NULL;
    unsigned head = 0;
    unsigned count = 0;

    uring_streams_prepare(uring);
    uring_enter(uring, timeout_ns, wanted, exact);
    uring_read_clocks(uring);
    if (io->woken != NULL) {
        io->woken(io->woken_context);
    }
    uring_streams_finish(uring);
    uring->received = 0;
    uring_late_deliver(uring);
    const uint64_t completions_max = io->completions + LIMIT_IO_COMPLETIONS_A_TURN;

    io_uring_for_each_cqe(&uring->ring, head, cqe)
    {
        if (io->completions == completions_max) {
            break;
        }
        count++;
        // With many connections the ops are in no cache. The entry after the last is some old one:
        // a prefetch of any address is harmless.
        __builtin_prefetch(
            uring_op(uring->ring.cq.cqes[(head + 1) & uring->ring.cq.ring_mask].user_data));
        uring_completed(uring, cqe->user_data, cqe->res, cqe->flags);
    }
    io_uring_cq_advance(&uring->ring, count);
}

static void uring_destroy(struct io *io)
{
    struct uring *const uring = uring_of(io);

    io_uring_queue_exit(&uring->ring);
    uring_buffers_close(uring);
    memory_free(uring->messages);
    memory_free(uring->direct);
    memory_free(uring);
}

static const struct io_vtable uring_vtable = {
    .turn = uring_turn,
    .clock_ns = uring_clock_ns,
    .wake = uring_wake,
    .entropy = uring_entropy,
    .listen = uring_listen,
    .socket_name = uring_socket_name,
    .accept_start = uring_accept_start,
    .recv_start = uring_recv_start,
    .stream_stop = uring_stream_stop,
    .buffer_return = uring_buffer_return,
    .send = uring_send,
    .connect = uring_connect,
    .shutdown = uring_shutdown,
    .open = uring_open,
    .read = uring_read,
    .write = uring_write,
    .sync = uring_sync,
    .allocate = uring_allocate,
    .rename = uring_rename,
    .unlink = uring_unlink,
    .link = uring_link,
    .mkdir = uring_mkdir,
    .stat = uring_stat,
    .space = uring_space,
    .truncate = uring_truncate,
    .list = uring_list,
    .lock = uring_lock,
    .close = uring_close,
    .cancel = uring_cancel,
    .destroy = uring_destroy,
};

int uring_check_kernel(const char *release, char *error)
{
    char *end = NULL;
    const long major = strtol(release, &end, 10);
    const long minor = *end == '.' ? strtol(end + 1, NULL, 10) : 0;

    if (major > KERNEL_MAJOR_MIN || (major == KERNEL_MAJOR_MIN && minor >= KERNEL_MINOR_MIN)) {
        return 0;
    }
    snprintf(error, IO_ERROR_TEXT_MAX,
             "Linux %.64s is too old: version %d.%d or newer is needed for io_uring with deferred "
             "task work",
             release, KERNEL_MAJOR_MIN, KERNEL_MINOR_MIN);
    return -ENOSYS;
}

static int uring_setup(struct uring *uring, const struct io_uring_options *options, char *error)
{
    struct io_uring_params params = {
        .flags = IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN | IORING_SETUP_CQSIZE |
                 IORING_SETUP_SUBMIT_ALL,
        .cq_entries =
            options->queue_entries * (LIMIT_IO_COMPLETION_ENTRIES / LIMIT_IO_QUEUE_ENTRIES),
    };
    int result = io_uring_queue_init_params(options->queue_entries, &uring->ring, &params);

    if (result != 0) {
        snprintf(
            error, IO_ERROR_TEXT_MAX, "io_uring is not available: %s%s", strerror(-result),
            result == -EPERM || result == -ENOSYS || result == -EACCES
                ? "; is it forbidden by sysctl kernel.io_uring_disabled or by a container's "
                  "seccomp profile?"
            : result == -ENOMEM
                ? "; raise the limit of locked memory (ulimit -l, LimitMEMLOCK=) or of the cgroup"
                : "");
        return result;
    }
    // The calls that wait then need not look the descriptor up; where it is refused nothing is
    // lost.
    (void)io_uring_register_ring_fd(&uring->ring);
    result = uring_buffers_open(uring, options->buffer_count, options->buffer_bytes);
    if (result != 0) {
        snprintf(error, IO_ERROR_TEXT_MAX, "%u receive buffers of %u bytes: %s",
                 options->buffer_count, options->buffer_bytes, strerror(-result));
        io_uring_queue_exit(&uring->ring);
    }
    return result;
}

int io_uring_open(const struct io_uring_options *options, struct io **ret_io, char *ret_error)
{
    char error[IO_ERROR_TEXT_MAX] = "out of memory";
    struct uring *uring = NULL;
    struct utsname name;

    CHECK(uname(&name) == 0);
    int result = uring_check_kernel(name.release, error);

    CHECK((options->queue_entries & (options->queue_entries - 1)) == 0);
    if (result == 0) {
        result = -ENOMEM;
        uring = memory_allocate_zeroed(sizeof *uring);
    }
    if (uring != NULL) {
        uring->messages = memory_allocate_zeroed(options->queue_entries * sizeof *uring->messages);
        uring->direct = memory_allocate_zeroed(URING_DIRECT_FDS / 8);
        if (uring->messages != NULL && uring->direct != NULL) {
            result = uring_setup(uring, options, error);
        }
    }
    if (result != 0) {
        if (uring != NULL) {
            memory_free(uring->messages);
            memory_free(uring->direct);
            memory_free(uring);
        }
        if (ret_error != NULL) {
            memcpy(ret_error, error, sizeof error);
        }
        return result;
    }
    uring->io.vtable = &uring_vtable;
    uring_streams_init(uring);
    uring_read_clocks(uring);
    *ret_io = &uring->io;
    return 0;
}
