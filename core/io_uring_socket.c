// The io_uring backend: listeners, connects, sends.
//
// Sockets are in blocking mode: io_uring polls for them by itself, and would give EAGAIN to whoever
// uses it on a socket in non-blocking mode.
#include "core/io_uring.h"

#include "core/check.h"
#include "core/limits.h"

#include <errno.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static int set_option(int fd, int level, int option)
{
    const int on = 1;

    return setsockopt(fd, level, option, &on, sizeof on) != 0 ? -errno : 0;
}

static bool address_is_unix(const struct io_address *address)
{
    return address->u.any.sa_family == AF_UNIX;
}

// 0 if the path is a socket at which nobody listens, else why it is not ours to remove.
static int unix_check_stale(const struct io_address *address)
{
    struct stat status;

    if (lstat(address->u.un.sun_path, &status) != 0) {
        return -errno;
    }
    if (!S_ISSOCK(status.st_mode)) {
        return -ENOTSOCK; // somebody's file; connect would be refused by it too
    }
    const int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

    if (fd < 0) {
        return -errno;
    }
    const bool stale = connect(fd, &address->u.any, address->size) != 0 && errno == ECONNREFUSED;

    close(fd);
    return stale ? 0 : -EADDRINUSE;
}

static int bind_address(int fd, const struct io_address *address)
{
    if (bind(fd, &address->u.any, address->size) == 0) {
        return 0;
    }
    if (errno != EADDRINUSE || !address_is_unix(address)) {
        return -errno;
    }
    const int result = unix_check_stale(address);

    if (result != 0) {
        return result;
    }
    if (unlink(address->u.un.sun_path) != 0) {
        return -errno;
    }
    return bind(fd, &address->u.any, address->size) != 0 ? -errno : 0;
}

static int listen_options(int fd, const struct io_address *address, unsigned flags)
{
    int result = 0;

    if (address_is_unix(address)) {
        return 0;
    }
    result = set_option(fd, SOL_SOCKET, SO_REUSEADDR);
    if (result == 0 && (flags & IO_LISTEN_SHARED_PORT) != 0) {
        result = set_option(fd, SOL_SOCKET, SO_REUSEPORT);
    }
    if (result == 0 && address->u.any.sa_family == AF_INET6) {
        result =
            set_option(fd, IPPROTO_IPV6, IPV6_V6ONLY); // [::] leaves 0.0.0.0 to its own listener
    }
    // Accepted sockets inherit it from their listener on Linux: no system call for each of them.
    return result != 0 ? result : set_option(fd, IPPROTO_TCP, TCP_NODELAY);
}

int uring_listen(struct io *io, const struct io_address *address, unsigned flags, int *ret_fd)
{
    const int fd = socket(address->u.any.sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    int result = 0;

    (void)io;
    if (fd < 0) {
        return -errno;
    }
    result = listen_options(fd, address, flags);
    if (result == 0) {
        result = bind_address(fd, address);
    }
    if (result == 0 && listen(fd, LIMIT_IO_LISTEN_BACKLOG) != 0) {
        result = -errno;
    }
    if (result != 0) {
        close(fd);
        return result;
    }
    *ret_fd = fd;
    return 0;
}

int uring_socket_name(struct io *io, int fd, bool peer, struct io_address *ret_address)
{
    struct io_address address = {.size = sizeof address.u};
    const int result = peer ? getpeername(fd, &address.u.any, &address.size)
                            : getsockname(fd, &address.u.any, &address.size);

    (void)io;
    if (result != 0) {
        return -errno;
    }
    *ret_address = address;
    return 0;
}

void uring_send(struct io *io, struct io_op *op, int fd, const struct iovec *parts, unsigned count)
{
    struct uring *const uring = uring_of(io);
    struct io_uring_sqe *const sqe = uring_sqe(uring);

    CHECK(count >= 1 && count <= LIMIT_IO_SEND_PARTS);
    if (count == 1) {
        io_uring_prep_send(sqe, fd, parts->iov_base, parts->iov_len, MSG_NOSIGNAL);
    } else {
        // The kernel copies the header when it takes the submission (IORING_FEAT_SUBMIT_STABLE), so
        // there is one for each entry of the queue.
        struct msghdr *const message = &uring->messages[sqe - uring->ring.sq.sqes];

        message->msg_iov = (struct iovec *)(uintptr_t)parts; // which sendmsg only reads
        message->msg_iovlen = count;
        io_uring_prep_sendmsg(sqe, fd, message, MSG_NOSIGNAL);
    }
    uring->sends++;
    uring_start(uring, op, sqe, URING_KIND_OP);
}

int uring_connect(struct io *io, struct io_op *op, const struct io_address *address, int *ret_fd)
{
    struct uring *const uring = uring_of(io);
    const int fd = socket(address->u.any.sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);

    if (fd < 0) {
        return -errno;
    }
    if (!address_is_unix(address)) {
        const int result = set_option(fd, IPPROTO_TCP, TCP_NODELAY);

        if (result != 0) {
            close(fd);
            return result;
        }
    }
    struct io_uring_sqe *const sqe = uring_sqe(uring);

    io_uring_prep_connect(sqe, fd, &address->u.any, address->size);
    uring_start(uring, op, sqe, URING_KIND_OP);
    *ret_fd = fd;
    return 0;
}

void uring_shutdown(struct io *io, int fd)
{
    (void)io;
    // It fails only where there is nothing to shut down any more (ENOTCONN): the peer was first.
    (void)shutdown(fd, SHUT_RDWR);
}
