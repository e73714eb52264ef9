// What the parts of the io_uring backend share. Private to core/io_uring*.c; the manual is
// core/io.h.
//
// One `struct uring` per core: one uring (single issuer, deferred task work), created and used by
// the core's thread alone. The only thing another thread may read of it is ring.ring_fd, constant
// from open to destroy, to which wakes are sent.
//
// user_data of a submission is the op's address in the low 48 bits and 16 bits of its generation
// above. Each start gives an op a new generation from the core's counter, so that a cancel can hit
// only the life of the op that it was meant for. Values below a page are not addresses but tags
// (URING_TAG_).
//
// Sources: io_uring(7), io_uring_enter(2), io_uring_register(2), and the kernel's io_uring/*.c
// where these are silent. Oldest kernel: 6.1 (deferred task work, multishot receive, rings of
// provided buffers).
#pragma once

#include "core/io.h"

#include <liburing.h>

enum uring_kind {
    URING_KIND_NONE = 0,
    URING_KIND_OP,            // completes once: done()
    URING_KIND_OPEN_DIRECT,   // the same, and the descriptor is to be remembered as O_DIRECT
    URING_KIND_OPEN_BUFFERED, // of a file system without O_DIRECT; callers are held to it anyway
    URING_KIND_MISALIGNED,    // completes with -EINVAL whatever the kernel says
    URING_KIND_ACCEPT,        // the op of a stream
    URING_KIND_RECV,          // the op of a stream
};

enum uring_tag {
    URING_TAG_IGNORE = 0, // failures of cancels and of wakes to a core that is closing
    URING_TAG_WAKE,       // another core's wake
    URING_TAG_ALARM,      // the end of a gathering for which not enough came
    URING_TAG_MAX,
};

enum {
    URING_POINTER_BITS = 48,
    URING_BUFFER_GROUP = 0,
    URING_DIRECT_FDS =
        65536, // descriptors whose O_DIRECT alignment is checked here; above: by Linux

    // Reads of files that are submitted together. The disk begins none of them before all are
    // prepared, nor, as the kernel plugs its queue, before all are started: with 32 or 64 at once
    // that cost a sixth of the reads a second. A submission is one system call, and a disk of a
    // virtual machine is told of each.
    URING_READS_TOGETHER = 4,
};

// A queue of streams that wait, first in first out, linked by next_waiting.
struct uring_waiting {
    struct io_stream *first;
    struct io_stream **end;
};

// An event of a recv stream that is kept for a later turn.
struct uring_late {
    struct io_stream *stream;
    int32_t result;
    uint32_t flags;
};

struct uring {
    struct io io; // first: a struct io * is a struct uring *
    struct io_uring ring;
    uint32_t generation;
    uint64_t wall_read_ns; // when wall_ms was read from the system
    bool wake_self;        // the next wait does not block
    uint32_t sends;        // begun since the last turn
    uint32_t reads;        // of files, begun since they were submitted last

    uint64_t alarm_ns;              // when the alarm that was set goes off; 0: it did
    struct __kernel_timespec alarm; // of its submission

    struct io_uring_buf_ring *buffer_ring;
    struct io_buffer *buffers;
    uint8_t *buffer_memory;
    size_t buffer_memory_size;
    size_t buffer_ring_size;
    uint32_t buffer_count;
    uint32_t buffer_bytes;
    uint32_t buffers_leased;   // taken by the kernel's completions and not given back
    uint32_t buffers_returned; // given back and not yet shown to the kernel
    uint32_t buffers_shown;    // what the kernel may take is kept at so many
    uint32_t buffers_resting;  // kept from it: the kernel takes buffers in turn, which would soon
    uint16_t *resting;         // have touched them all. A stack, with the last one used on top

    // Events kept for later turns, in their order: a ring of late_max, a power of two. Each holds a
    // buffer, or is the last of a stream that others are kept of; so twice the buffers are enough.
    struct uring_late *late;
    uint32_t late_max;
    uint32_t late_first;
    uint32_t late_count;
    uint64_t received; // bytes handed over in this turn

    struct uring_waiting want_buffer; // recv streams to arm when there are buffers
    struct uring_waiting want_pause;  // accept streams to arm at pause_until_ns
    struct uring_waiting want_cancel; // stopped while not armed: their last event is due
    uint64_t pause_until_ns;

    struct msghdr
        *messages;    // one for each entry of the submission queue, for sends of several parts
    uint64_t *direct; // bit set: descriptors opened with IO_OPEN_DIRECT
};

static inline struct uring *uring_of(struct io *io)
{
    return (struct uring *)io;
}

// A free submission entry; submits those before it if the queue is full. Never NULL.
struct io_uring_sqe *uring_sqe(struct uring *uring);

// The user_data of an op in its present life.
static inline uint64_t uring_user_data(const struct io_op *op)
{
    return (uint64_t)(uintptr_t)op | (uint64_t)op->generation << URING_POINTER_BITS;
}

// A submission entry prepared by the caller becomes the start of the op.
void uring_start(struct uring *uring, struct io_op *op, struct io_uring_sqe *sqe,
                 enum uring_kind kind);

// Asks the kernel to end the op early.
void uring_cancel_op(struct uring *uring, const struct io_op *op);

// Whether the release, as uname(2) tells it, is that of a kernel which can do all this. 0, or
// -ENOSYS with a line in error[IO_ERROR_TEXT_MAX].
int uring_check_kernel(const char *release, char *error);

// io_uring_stream.c
int uring_buffers_open(struct uring *uring, uint32_t count, uint32_t bytes);
void uring_buffers_close(struct uring *uring);
void uring_streams_init(struct uring *uring);
void uring_streams_prepare(struct uring *uring); // before the wait: re-arms what can go on
uint64_t uring_streams_timeout(const struct uring *uring, uint64_t timeout_ns);
void uring_streams_finish(struct uring *uring); // after the wait: last events of stopped streams
void uring_late_deliver(struct uring *uring);   // after the wait: what was kept by earlier turns
void uring_accept_event(struct uring *uring, struct io_stream *stream, int32_t result,
                        uint32_t flags);
void uring_recv_event(struct uring *uring, struct io_stream *stream, int32_t result,
                      uint32_t flags);
void uring_accept_start(struct io *io, struct io_stream *stream, int fd);
void uring_recv_start(struct io *io, struct io_stream *stream, int fd);
void uring_stream_stop(struct io *io, struct io_stream *stream);
void uring_buffer_return(struct io *io, struct io_buffer *buffer);

// io_uring_socket.c
int uring_listen(struct io *io, const struct io_address *address, unsigned flags, int *ret_fd);
int uring_socket_name(struct io *io, int fd, bool peer, struct io_address *ret_address);
void uring_send(struct io *io, struct io_op *op, int fd, const struct iovec *parts, unsigned count);
int uring_connect(struct io *io, struct io_op *op, const struct io_address *address, int *ret_fd);
void uring_shutdown(struct io *io, int fd);

// io_uring_file.c
void uring_direct_opened(struct uring *uring, int32_t result);

// open(2) says EINVAL: the op begins again without O_DIRECT.
void uring_open_buffered(struct uring *uring, struct io_op *op);
void uring_open(struct io *io, struct io_op *op, const char *path, unsigned flags);
void uring_read(struct io *io, struct io_op *op, int fd, void *bytes, uint32_t size,
                uint64_t offset);
void uring_write(struct io *io, struct io_op *op, int fd, const void *bytes, uint32_t size,
                 uint64_t offset, unsigned flags);
void uring_sync(struct io *io, struct io_op *op, int fd, bool data_only);
void uring_allocate(struct io *io, struct io_op *op, int fd, uint64_t offset, uint64_t size);
void uring_rename(struct io *io, struct io_op *op, const char *from, const char *to);
void uring_unlink(struct io *io, struct io_op *op, const char *path, bool directory);
void uring_link(struct io *io, struct io_op *op, const char *from, const char *to);
void uring_mkdir(struct io *io, struct io_op *op, const char *path);
int uring_stat(struct io *io, const char *path, struct io_stat *ret_stat);
int uring_space(struct io *io, const char *path, struct io_space *ret_space);
int uring_truncate(struct io *io, int fd, uint64_t size);
int uring_list(struct io *io, const char *path, io_list_fn *each, void *context);
int uring_lock(struct io *io, int fd);
void uring_close(struct io *io, struct io_op *op, int fd);
