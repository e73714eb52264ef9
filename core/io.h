// All outside effects of one core: sockets, files, time, wake-ups, entropy.
//
// A core owns one `struct io` and is the only one to call it. There are two backends behind the
// same calls: io_uring (core/io_uring.c, production) and the simulated world (tests/sim). One
// conformance suite runs over both, so the code above cannot tell which it is on.
//
// Rules
//  - The caller owns every op and stream; it lives until its completion function ran. A completion
//    function runs only inside io_turn(), never inside the call that started the op. It may start
//    other ops, reuse its own op, or free it.
//  - Buffers, iovecs, paths and addresses given to an op stay valid and unchanged until it
//    completes.
//  - Starting an op cannot fail: what goes wrong arrives as a negative errno in its completion.
//  - Results are those of the system call: bytes moved (short reads, writes and sends happen and
//    are the caller's to finish), a descriptor, 0, or -errno.
//  - A descriptor is closed only when nothing is in flight on it: stop its streams and cancel its
//    ops (or shut it down), wait for their completions, then io_close().
//
// Streams deliver many events from one start: accepted descriptors, received bytes. Received bytes
// come in leased buffers of the core: the receiver holds a reference while it looks at the bytes
// and gives it back with io_buffer_release(). When all buffers are leased the backend stops
// receiving and goes on by itself when some come back: leases must be short, or copied out. Until
// then a stream is not told of its end either.
#pragma once

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <sys/un.h>

struct io;
struct io_op;
struct io_stream;

typedef void io_done_fn(struct io_op *op, int32_t result);

// One operation in flight. All but `done` belongs to the backend.
struct io_op {
    io_done_fn *done;
    void *backend;       // simulator: the record of the pending effect. uring: path of an open
    uint32_t generation; // uring: a completion of an earlier life of this op is recognised by it
    bool pending;
    uint8_t kind;
    uint8_t open_flags; // uring: of an open that may be tried anew
};

// A leased receive buffer. References are counted by the owning core alone.
struct io_buffer {
    const uint8_t *bytes;
    uint32_t size; // bytes received into it
    uint32_t references;
    uint32_t index; // the backend's
};

// accept: `result` is a descriptor or -errno, `buffer` is NULL.
// recv: result > 0 with a buffer (one reference, the receiver's); 0 at the end of the peer's
// stream; -errno on failure.
// After a result <= 0 of a recv stream, or -ECANCELED or another fatal error of an accept stream,
// the stream has ended and may be started again or freed. `stream->active` tells.
typedef void io_event_fn(struct io_stream *stream, struct io_buffer *buffer, int32_t result);

struct io_stream {
    struct io_op op; // the backend's
    io_event_fn *event;
    struct io_stream *next_waiting; // the backend's: streams that wait for a buffer
    int fd;
    bool active;
    bool waiting;  // the backend's: stopped for want of a buffer
    bool stopping; // the backend's: io_stream_stop() was called
    uint32_t late; // the backend's: events that are kept for later turns
};

enum { IO_ADDRESS_TEXT_MAX = 128 };

struct io_address {
    union {
        struct sockaddr any;
        struct sockaddr_in in;
        struct sockaddr_in6 in6;
        struct sockaddr_un un;
    } u;
    socklen_t size; // bytes of the union in use
};

enum io_listen_flags {
    IO_LISTEN_SHARED_PORT = 1, // SO_REUSEPORT: each core has its own listener on the port
};

enum io_open_flags { // as open(2); the values are ours so that the simulator needs no others
    IO_OPEN_READ = 0,
    IO_OPEN_WRITE = 1, // read and write
    IO_OPEN_CREATE = 2,
    IO_OPEN_EXCLUSIVE = 4,
    // O_DIRECT: memory, offset and size are multiples of IO_DIRECT_ALIGN. On a file system that has
    // none it is left out, and io.buffered says so.
    IO_OPEN_DIRECT = 8,
    IO_OPEN_DIRECTORY = 16,
    IO_OPEN_TRUNCATE = 32,
};

enum io_write_flags {
    IO_WRITE_DURABLE = 1, // RWF_DSYNC: complete only when the bytes are durable
};

enum { IO_DIRECT_ALIGN = 4096 };

struct io_stat {
    uint64_t size_bytes;
    uint64_t blocks_bytes; // space really taken
    uint32_t links;
    bool directory;
};

// Of a filesystem: what it has, and what of it this program may still take.
struct io_space {
    uint64_t total_bytes;
    uint64_t free_bytes;
};

// Called for each name of a directory but "." and ".."; false stops the listing.
typedef bool io_list_fn(void *context, const char *name);

struct io_vtable {
    // time and sleep
    void (*turn)(struct io *io, uint64_t timeout_ns, uint32_t count, bool exact);
    uint64_t (*clock_ns)(struct io *io);
    void (*wake)(struct io *io, struct io *target);
    int (*entropy)(struct io *io, void *bytes, size_t size);
    // network
    int (*listen)(struct io *io, const struct io_address *address, unsigned flags, int *ret_fd);
    int (*socket_name)(struct io *io, int fd, bool peer, struct io_address *ret_address);
    void (*accept_start)(struct io *io, struct io_stream *stream, int fd);
    void (*recv_start)(struct io *io, struct io_stream *stream, int fd);
    void (*stream_stop)(struct io *io, struct io_stream *stream);
    void (*buffer_return)(struct io *io, struct io_buffer *buffer);
    void (*send)(struct io *io, struct io_op *op, int fd, const struct iovec *parts,
                 unsigned count);
    int (*connect)(struct io *io, struct io_op *op, const struct io_address *address, int *ret_fd);
    void (*shutdown)(struct io *io, int fd);
    // files
    void (*open)(struct io *io, struct io_op *op, const char *path, unsigned flags);
    void (*read)(struct io *io, struct io_op *op, int fd, void *bytes, uint32_t size,
                 uint64_t offset);
    void (*write)(struct io *io, struct io_op *op, int fd, const void *bytes, uint32_t size,
                  uint64_t offset, unsigned flags);
    void (*sync)(struct io *io, struct io_op *op, int fd, bool data_only);
    void (*allocate)(struct io *io, struct io_op *op, int fd, uint64_t offset, uint64_t size);
    void (*rename)(struct io *io, struct io_op *op, const char *from, const char *to);
    void (*unlink)(struct io *io, struct io_op *op, const char *path, bool directory);
    void (*link)(struct io *io, struct io_op *op, const char *from, const char *to);
    void (*mkdir)(struct io *io, struct io_op *op, const char *path);
    int (*stat)(struct io *io, const char *path, struct io_stat *ret_stat);
    int (*space)(struct io *io, const char *path, struct io_space *ret_space);
    int (*truncate)(struct io *io, int fd, uint64_t size);
    int (*list)(struct io *io, const char *path, io_list_fn *each, void *context);
    int (*lock)(struct io *io, int fd);
    // any
    void (*close)(struct io *io, struct io_op *op, int fd);
    void (*cancel)(struct io *io, struct io_op *op);
    void (*destroy)(struct io *io);
};

typedef void io_woken_fn(void *context);

// The part of a backend that everyone may read. Embedded first in each backend's own struct.
struct io {
    const struct io_vtable *vtable;
    uint64_t now_ns;      // monotonic, read once a turn
    uint64_t wall_ms;     // milliseconds since the epoch, read once a turn
    uint64_t completions; // completion and event functions run so far
    uint64_t wakes;       // sent by this core so far
    bool buffered;        // a file was opened without O_DIRECT, which its file system has not
    // Or NULL; the reactor's: called in each turn when the wait is over and the clock was read,
    // before completion functions run.
    io_woken_fn *woken;
    void *woken_context;
};

// Submits what was started, waits until something completes, a wake arrives or timeout_ns has
// passed (0: does not wait; UINT64_MAX: without limit), reads the clock, then runs completion
// functions, at most LIMIT_IO_COMPLETIONS_A_TURN of them. When LIMIT_IO_BYTES_A_TURN were received,
// what is longer than LIMIT_IO_SHORT_BYTES is kept for the next turn, and what is shorter goes
// first.
static inline void io_turn(struct io *io, uint64_t timeout_ns)
{
    io->vtable->turn(io, timeout_ns, 1, true);
}

// The same, but waits for `count` completions and wakes instead of for the first. Those of sends
// that began since the last turn do not count: they are nearly always there at once. It may end
// with fewer, and unless it is exact may last twice as long as timeout_ns, which spares the backend
// a timer for each (io_uring.c); timeout_ns is not UINT64_MAX, since with fewer nothing else might
// end it.
static inline void io_gather(struct io *io, uint64_t timeout_ns, uint32_t count, bool exact)
{
    io->vtable->turn(io, timeout_ns, count, exact);
}

// The monotonic clock read anew, ns: only to measure work inside a turn.
static inline uint64_t io_clock_ns(struct io *io)
{
    return io->vtable->clock_ns(io);
}

// Ends the target core's wait in io_turn(), the present or the next one; it goes out with what the
// caller's next io_turn() submits. Any core may name any core of its node as target, also one that
// is past its last turn but not yet destroyed; `io` is the caller's own. May be spurious; cheap
// only compared to a lost message.
static inline void io_wake(struct io *io, struct io *target)
{
    io->vtable->wake(io, target);
}

// Fills `bytes` with unpredictable bytes (getrandom(2)). 0 or -errno.
static inline int io_entropy(struct io *io, void *bytes, size_t size)
{
    return io->vtable->entropy(io, bytes, size);
}

// Binds and listens. TCP listeners get SO_REUSEADDR; a unix socket whose path is stale (nobody
// answers there) is replaced, one that is alive is -EADDRINUSE, and what is no socket at all
// -ENOTSOCK. 0 or -errno.
static inline int io_listen(struct io *io, const struct io_address *address, unsigned flags,
                            int *ret_fd)
{
    return io->vtable->listen(io, address, flags, ret_fd);
}

// getsockname(2), or getpeername(2) with `peer`. 0 or -errno: -ENOTCONN of a peer that is gone.
static inline int io_socket_name(struct io *io, int fd, bool peer, struct io_address *ret_address)
{
    return io->vtable->socket_name(io, fd, peer, ret_address);
}

// Accepted TCP sockets have TCP_NODELAY set. Errors that pass (-EMFILE, -ENFILE, -ENOMEM,
// -ECONNABORTED) are delivered and the stream goes on, re-armed by the backend after a pause.
static inline void io_accept_start(struct io *io, struct io_stream *stream, int fd)
{
    io->vtable->accept_start(io, stream, fd);
}

static inline void io_recv_start(struct io *io, struct io_stream *stream, int fd)
{
    io->vtable->recv_start(io, stream, fd);
}

// The stream's last event (result <= 0, -ECANCELED unless it ended by itself first) comes later,
// from io_turn(). Events that were already on their way come before it. No-op on a stream not
// active.
static inline void io_stream_stop(struct io *io, struct io_stream *stream)
{
    io->vtable->stream_stop(io, stream);
}

static inline void io_buffer_hold(struct io_buffer *buffer)
{
    buffer->references++;
}

static inline void io_buffer_release(struct io *io, struct io_buffer *buffer)
{
    if (--buffer->references == 0) {
        io->vtable->buffer_return(io, buffer);
    }
}

// Sends up to `count` (<= LIMIT_IO_SEND_PARTS) parts in order; MSG_NOSIGNAL. The iovec array may be
// reused as soon as the call returns if count is 1; else it stays valid until completion. One send
// in flight per socket is the caller's rule.
static inline void io_send(struct io *io, struct io_op *op, int fd, const struct iovec *parts,
                           unsigned count)
{
    io->vtable->send(io, op, fd, parts, count);
}

// Makes a socket (ret_fd at once, the caller's to close) and connects it; completes with 0 or
// -errno. Returns -errno where no socket could be made: then nothing was started.
static inline int io_connect(struct io *io, struct io_op *op, const struct io_address *address,
                             int *ret_fd)
{
    return io->vtable->connect(io, op, address, ret_fd);
}

// shutdown(2) both ways: streams and sends in flight on fd complete soon, but for a stream that
// waits for a buffer. Immediate.
static inline void io_shutdown(struct io *io, int fd)
{
    io->vtable->shutdown(io, fd);
}

// Completes with a descriptor or -errno. Created files have mode 0640.
static inline void io_open(struct io *io, struct io_op *op, const char *path, unsigned flags)
{
    io->vtable->open(io, op, path, flags);
}

static inline void io_read(struct io *io, struct io_op *op, int fd, void *bytes, uint32_t size,
                           uint64_t offset)
{
    io->vtable->read(io, op, fd, bytes, size, offset);
}

static inline void io_write(struct io *io, struct io_op *op, int fd, const void *bytes,
                            uint32_t size, uint64_t offset, unsigned flags)
{
    io->vtable->write(io, op, fd, bytes, size, offset, flags);
}

// fsync(2), or fdatasync(2) with data_only. Directories too. A failure is final: never retry.
static inline void io_sync(struct io *io, struct io_op *op, int fd, bool data_only)
{
    io->vtable->sync(io, op, fd, data_only);
}

// fallocate(2) mode 0: the space is reserved, the extents stay unwritten.
static inline void io_allocate(struct io *io, struct io_op *op, int fd, uint64_t offset,
                               uint64_t size)
{
    io->vtable->allocate(io, op, fd, offset, size);
}

// Names: durable only after io_sync() of the directory.
static inline void io_rename(struct io *io, struct io_op *op, const char *from, const char *to)
{
    io->vtable->rename(io, op, from, to);
}

static inline void io_unlink(struct io *io, struct io_op *op, const char *path, bool directory)
{
    io->vtable->unlink(io, op, path, directory);
}

static inline void io_link(struct io *io, struct io_op *op, const char *from, const char *to)
{
    io->vtable->link(io, op, from, to);
}

static inline void io_mkdir(struct io *io, struct io_op *op, const char *path)
{
    io->vtable->mkdir(io, op, path);
}

// Immediate calls, for start, stop and rare work. 0 or -errno.
static inline int io_stat(struct io *io, const char *path, struct io_stat *ret_stat)
{
    return io->vtable->stat(io, path, ret_stat);
}

// Of the filesystem that the path is on (statvfs(3)).
static inline int io_space(struct io *io, const char *path, struct io_space *ret_space)
{
    return io->vtable->space(io, path, ret_space);
}

static inline int io_truncate(struct io *io, int fd, uint64_t size)
{
    return io->vtable->truncate(io, fd, size);
}

static inline int io_list(struct io *io, const char *path, io_list_fn *each, void *context)
{
    return io->vtable->list(io, path, each, context);
}

// Takes an exclusive advisory lock on an open file, held until it is closed: 0, or -EWOULDBLOCK.
static inline int io_lock(struct io *io, int fd)
{
    return io->vtable->lock(io, fd);
}

static inline void io_close(struct io *io, struct io_op *op, int fd)
{
    io->vtable->close(io, op, fd);
}

// Asks for an early end of a pending op: it still completes, with its result or -ECANCELED. Work on
// files that a device has begun is not cancelled. No-op on an op that is not pending.
static inline void io_cancel(struct io *io, struct io_op *op)
{
    io->vtable->cancel(io, op);
}

// No op or stream may be in flight.
static inline void io_destroy(struct io *io)
{
    io->vtable->destroy(io);
}

// core/io_address.c: "127.0.0.1:7379", "[::1]:7379", "unix:/run/rldb.sock". Numeric addresses only.
// 0 or -EINVAL.
int io_address_parse(const char *text, struct io_address *ret_address);

// Writes the same form, terminated, into text[IO_ADDRESS_TEXT_MAX].
void io_address_format(const struct io_address *address, char *text);

// core/io_uring.c: a backend on a uring of its own, used by the calling thread alone. Fails with
// -errno and one line in ret_error (if not NULL) where the kernel lacks what is needed.
enum { IO_ERROR_TEXT_MAX = 256 };

struct io_uring_options {
    uint32_t queue_entries; // submission queue, power of two
    uint32_t buffer_count;  // receive buffers, power of two <= 32768
    uint32_t buffer_bytes;  // size of each
};

int io_uring_open(const struct io_uring_options *options, struct io **ret_io, char *ret_error);
