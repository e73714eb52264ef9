// The io_uring backend: receive buffers, and the streams accept and recv.
//
// A stream is in one of four states while `active`:
//
//      armed ---- last completion, can go on at once ----> armed
//        |------- ENOBUFS ---------> want_buffer --- buffers came back ---> armed
//        |------- EMFILE, ... -----> want_pause ---- pause is over -------> armed
//        |                                |
//        +-- stopped: cancel, last        +-- stopped: want_cancel --> last event in the next turn
//            completion is the last event
#include "core/io_uring.h"

#include "core/check.h"
#include "core/limits.h"
#include "core/memory.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>

enum {
    HUGE_PAGE_BYTES = 2 << 20,
    CACHE_LINE_BYTES = 64,
    SHOWN_BYTES = 2 << 20, // of buffers, until a stream has found none
};

static void waiting_init(struct uring_waiting *waiting)
{
    waiting->first = NULL;
    waiting->end = &waiting->first;
}

static void waiting_push(struct uring_waiting *waiting, struct io_stream *stream)
{
    CHECK(!stream->waiting);
    stream->waiting = true;
    stream->next_waiting = NULL;
    *waiting->end = stream;
    waiting->end = &stream->next_waiting;
}

static struct io_stream *waiting_pop(struct uring_waiting *waiting)
{
    struct io_stream *const stream = waiting->first;

    if (stream != NULL) {
        waiting->first = stream->next_waiting;
        if (waiting->first == NULL) {
            waiting->end = &waiting->first;
        }
        stream->next_waiting = NULL;
        stream->waiting = false;
    }
    return stream;
}

// True if it was there.
static bool waiting_remove(struct uring_waiting *waiting, struct io_stream *stream)
{
    struct io_stream **at = &waiting->first;

    while (*at != NULL && *at != stream) {
        at = &(*at)->next_waiting;
    }
    if (*at == NULL) {
        return false;
    }
    *at = stream->next_waiting;
    if (waiting->end == &stream->next_waiting) {
        waiting->end = at;
    }
    stream->next_waiting = NULL;
    stream->waiting = false;
    return true;
}

// Buffers --------------------------------------------------------------------------------------

// Buffers of a power of two in a row would put all their first lines, often all that is used of
// them, into a few sets of the caches; one more line each spreads them.
static size_t buffer_stride(const struct uring *uring)
{
    return uring->buffer_bytes + CACHE_LINE_BYTES;
}

static uint8_t *buffer_bytes(const struct uring *uring, uint32_t index)
{
    return uring->buffer_memory + index * buffer_stride(uring);
}

static void buffer_give(struct uring *uring, uint32_t index)
{
    io_uring_buf_ring_add(uring->buffer_ring, buffer_bytes(uring, index), uring->buffer_bytes,
                          (unsigned short)index, io_uring_buf_ring_mask(uring->buffer_count),
                          (int)uring->buffers_returned);
    uring->buffers_returned++;
}

// That the kernel may take.
static uint32_t buffers_available(const struct uring *uring)
{
    return uring->buffer_count - uring->buffers_leased - uring->buffers_resting;
}

// Shows the kernel what was given back, once a turn.
static void buffers_publish(struct uring *uring)
{
    while (uring->buffers_resting != 0 && buffers_available(uring) < uring->buffers_shown) {
        buffer_give(uring, uring->resting[--uring->buffers_resting]);
    }
    if (uring->buffers_returned != 0) {
        io_uring_buf_ring_advance(uring->buffer_ring, (int)uring->buffers_returned);
        uring->buffers_returned = 0;
    }
}

static void *map_pages(size_t size)
{
    void *const pages =
        mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    return pages == MAP_FAILED ? NULL : pages;
}

int uring_buffers_open(struct uring *uring, uint32_t count, uint32_t bytes)
{
    CHECK((count & (count - 1)) == 0 && count <= 32768);
    uring->buffer_count = count;
    uring->buffer_bytes = bytes;
    if (count == 0) {
        return 0; // a core that receives nothing
    }
    uring->buffer_ring_size = count * sizeof(struct io_uring_buf);
    uring->buffer_memory_size = count * buffer_stride(uring);
    uring->buffers = memory_allocate_zeroed(count * sizeof *uring->buffers);
    uring->late_max = 2 * count;
    uring->late = memory_allocate_zeroed(uring->late_max * sizeof *uring->late);
    uring->resting = memory_allocate_zeroed(count * sizeof *uring->resting);
    uring->buffer_ring = map_pages(uring->buffer_ring_size);
    uring->buffer_memory = map_pages(uring->buffer_memory_size);

    int result = -ENOMEM;

    if (uring->buffers != NULL && uring->late != NULL && uring->resting != NULL &&
        uring->buffer_ring != NULL && uring->buffer_memory != NULL) {
        struct io_uring_buf_reg registration = {
            .ring_addr = (uint64_t)(uintptr_t)uring->buffer_ring,
            .ring_entries = count,
            .bgid = URING_BUFFER_GROUP,
        };

        // Fewer misses of the TLB where the system grants them; its refusal costs only that.
        (void)madvise(uring->buffer_memory, uring->buffer_memory_size, MADV_HUGEPAGE);
        result = io_uring_register_buf_ring(&uring->ring, &registration, 0);
    }
    if (result != 0) {
        uring_buffers_close(uring);
        return result;
    }
    io_uring_buf_ring_init(uring->buffer_ring);
    uring->buffers_shown = SHOWN_BYTES / bytes + 1;
    for (uint32_t i = count; i-- > 0;) {
        uring->buffers[i].index = i;
        uring->buffers[i].bytes = buffer_bytes(uring, i);
        uring->resting[uring->buffers_resting++] = (uint16_t)i;
    }
    buffers_publish(uring);
    return 0;
}

void uring_buffers_close(struct uring *uring)
{
    if (uring->buffer_ring != NULL) {
        munmap(uring->buffer_ring, uring->buffer_ring_size);
    }
    if (uring->buffer_memory != NULL) {
        munmap(uring->buffer_memory, uring->buffer_memory_size);
    }
    memory_free(uring->buffers);
    memory_free(uring->late);
    memory_free(uring->resting);
    uring->late = NULL;
    uring->resting = NULL;
    uring->buffer_ring = NULL;
    uring->buffer_memory = NULL;
    uring->buffers = NULL;
}

void uring_buffer_return(struct io *io, struct io_buffer *buffer)
{
    struct uring *const uring = uring_of(io);

    CHECK(uring->buffers_leased > 0 && buffer->references == 0);
    const bool enough = buffers_available(uring) >= uring->buffers_shown;

    uring->buffers_leased--;
    if (enough) {
        uring->resting[uring->buffers_resting++] = (uint16_t)buffer->index;
    } else {
        buffer_give(uring, buffer->index);
    }
}

// The buffer that a completion took; NULL if it took none.
static struct io_buffer *buffer_taken(struct uring *uring, uint32_t flags)
{
    if ((flags & IORING_CQE_F_BUFFER) == 0) {
        return NULL;
    }
    const uint32_t index = flags >> IORING_CQE_BUFFER_SHIFT;

    CHECK(index < uring->buffer_count && uring->buffers[index].references == 0);
    uring->buffers_leased++;
    uring->buffers[index].references = 1;
    return &uring->buffers[index];
}

// Streams --------------------------------------------------------------------------------------

void uring_streams_init(struct uring *uring)
{
    waiting_init(&uring->want_buffer);
    waiting_init(&uring->want_pause);
    waiting_init(&uring->want_cancel);
}

static void recv_arm(struct uring *uring, struct io_stream *stream)
{
    struct io_uring_sqe *const sqe = uring_sqe(uring);

    io_uring_prep_recv_multishot(sqe, stream->fd, NULL, 0, 0);
    sqe->flags |= IOSQE_BUFFER_SELECT;
    sqe->buf_group = URING_BUFFER_GROUP;
    uring_start(uring, &stream->op, sqe, URING_KIND_RECV);
}

static void accept_arm(struct uring *uring, struct io_stream *stream)
{
    struct io_uring_sqe *const sqe = uring_sqe(uring);

    io_uring_prep_multishot_accept(sqe, stream->fd, NULL, NULL, SOCK_CLOEXEC);
    uring_start(uring, &stream->op, sqe, URING_KIND_ACCEPT);
}

static void stream_begin(struct io_stream *stream, int fd)
{
    CHECK(!stream->active && stream->event != NULL);
    stream->fd = fd;
    stream->active = true;
    stream->waiting = false;
    stream->stopping = false;
    stream->late = 0;
    stream->op.pending = false;
}

void uring_recv_start(struct io *io, struct io_stream *stream, int fd)
{
    CHECK(uring_of(io)->buffer_count != 0);
    stream_begin(stream, fd);
    recv_arm(uring_of(io), stream);
}

void uring_accept_start(struct io *io, struct io_stream *stream, int fd)
{
    stream_begin(stream, fd);
    accept_arm(uring_of(io), stream);
}

static void stream_deliver(struct uring *uring, struct io_stream *stream, struct io_buffer *buffer,
                           int32_t result)
{
    uring->io.completions++;
    stream->event(stream, buffer, result);
}

static void stream_end(struct uring *uring, struct io_stream *stream, int32_t result)
{
    stream->active = false;
    stream_deliver(uring, stream, NULL, result);
}

void uring_stream_stop(struct io *io, struct io_stream *stream)
{
    struct uring *const uring = uring_of(io);

    if (!stream->active || stream->stopping) {
        return;
    }
    stream->stopping = true;
    if (stream->op.pending) {
        uring_cancel_op(uring, &stream->op);
    } else if (stream->waiting) {
        CHECK(waiting_remove(&uring->want_buffer, stream) ||
              waiting_remove(&uring->want_pause, stream));
        waiting_push(&uring->want_cancel, stream);
    }
    // Else: called by the event function of the last completion, which is about to end the stream.
}

static void recv_event(struct uring *uring, struct io_stream *stream, int32_t result,
                       uint32_t flags)
{
    struct io_buffer *const buffer = buffer_taken(uring, flags);
    const bool more = (flags & IORING_CQE_F_MORE) != 0;

    stream->op.pending = more;
    if (result > 0) {
        CHECK(buffer != NULL);
        buffer->size = (uint32_t)result;
        uring->received += (uint32_t)result;
        stream_deliver(uring, stream, buffer, result);
        if (more) {
            return;
        }
        // The kernel ends the operation where its completion queue is full, for one; the stream
        // goes on.
        if (stream->stopping) {
            stream_end(uring, stream, -ECANCELED);
        } else {
            recv_arm(uring, stream);
        }
        return;
    }
    if (buffer != NULL) { // some kernels take a buffer to tell the end of the stream
        io_buffer_release(&uring->io, buffer);
    }
    if (more) {
        return;
    }
    if (result == -ENOBUFS && !stream->stopping) {
        waiting_push(&uring->want_buffer, stream);
        return;
    }
    stream_end(uring, stream, stream->stopping && result < 0 ? -ECANCELED : result);
}

// Who sends a long value fills thousands of buffers while others send a line each. What a turn
// takes of that is bounded, and the rest is kept, behind which nobody else's events have to wait.
void uring_recv_event(struct uring *uring, struct io_stream *stream, int32_t result, uint32_t flags)
{
    const bool full = uring->received >= LIMIT_IO_BYTES_A_TURN;

    if (stream->late == 0 && !(full && result > LIMIT_IO_SHORT_BYTES)) {
        recv_event(uring, stream, result, flags);
        return;
    }
    CHECK(uring->late_count < uring->late_max);
    uring->late[(uring->late_first + uring->late_count) & (uring->late_max - 1)] =
        (struct uring_late){stream, result, flags};
    uring->late_count++;
    stream->late++;
}

void uring_late_deliver(struct uring *uring)
{
    while (uring->late_count != 0 && uring->received < LIMIT_IO_BYTES_A_TURN) {
        const struct uring_late late = uring->late[uring->late_first];

        uring->late_first = (uring->late_first + 1) & (uring->late_max - 1);
        uring->late_count--;
        late.stream->late--;
        recv_event(uring, late.stream, late.result, late.flags);
    }
}

enum accept_next { ACCEPT_AGAIN, ACCEPT_PAUSE, ACCEPT_END };

static enum accept_next accept_next(int32_t result)
{
    if (result >= 0) {
        return ACCEPT_AGAIN;
    }
    switch (-result) {
    case ECONNABORTED: // the connection's fault: there is one less of them now
    case EINTR:
    case EAGAIN:
        return ACCEPT_AGAIN;
    case EBADF: // the listener's fault: it will never work again
    case EINVAL:
    case ENOTSOCK:
    case EOPNOTSUPP:
    case EFAULT:
    case ECANCELED:
        return ACCEPT_END;
    default: // ours: descriptors, memory; or the network's, accept(2)
        return ACCEPT_PAUSE;
    }
}

void uring_accept_event(struct uring *uring, struct io_stream *stream, int32_t result,
                        uint32_t flags)
{
    const enum accept_next next = accept_next(result);

    stream->op.pending = (flags & IORING_CQE_F_MORE) != 0;
    if (stream->op.pending) {
        stream_deliver(uring, stream, NULL, result);
        return;
    }
    if (stream->stopping && result < 0) {
        stream_end(uring, stream, -ECANCELED);
        return;
    }
    if (next == ACCEPT_END) {
        stream_end(uring, stream, result);
        return;
    }
    stream_deliver(uring, stream, NULL, result);
    if (stream->stopping) {
        stream_end(uring, stream, -ECANCELED);
    } else if (next == ACCEPT_AGAIN) {
        accept_arm(uring, stream);
    } else {
        uring->pause_until_ns = uring->io.now_ns + LIMIT_IO_ACCEPT_PAUSE_NS;
        waiting_push(&uring->want_pause, stream);
    }
}

void uring_streams_prepare(struct uring *uring)
{
    if (uring->want_buffer.first != NULL && uring->buffers_shown < uring->buffer_count) {
        uring->buffers_shown *= 2;
    }
    buffers_publish(uring);

    uint32_t available = buffers_available(uring);

    // Not more streams than there are buffers: the others would only find none again.
    while (uring->want_buffer.first != NULL && available > 0) {
        recv_arm(uring, waiting_pop(&uring->want_buffer));
        available--;
    }
    if (uring->want_pause.first != NULL && uring->io.now_ns >= uring->pause_until_ns) {
        struct io_stream *stream = NULL;

        while ((stream = waiting_pop(&uring->want_pause)) != NULL) {
            accept_arm(uring, stream);
        }
    }
}

uint64_t uring_streams_timeout(const struct uring *uring, uint64_t timeout_ns)
{
    if (uring->want_pause.first == NULL) {
        return timeout_ns;
    }
    const uint64_t pause_ns =
        uring->pause_until_ns > uring->io.now_ns ? uring->pause_until_ns - uring->io.now_ns : 0;

    return timeout_ns < pause_ns ? timeout_ns : pause_ns;
}

void uring_streams_finish(struct uring *uring)
{
    // Only those that were there at the beginning: an event function may stop another stream.
    struct uring_waiting due = uring->want_cancel;
    struct io_stream *stream = NULL;

    if (due.first == NULL) {
        return;
    }
    waiting_init(&uring->want_cancel);
    while ((stream = waiting_pop(&due)) != NULL) {
        stream_end(uring, stream, -ECANCELED);
    }
}
