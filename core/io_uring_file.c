// The io_uring backend: files and names.
#include "core/io_uring.h"

#include "core/check.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

enum {
    FILE_MODE = 0640,
    DIRECTORY_MODE = 0750,
    STAT_BLOCK_BYTES = 512, // the unit of st_blocks, stat(2)
};

// Which descriptors are O_DIRECT: file systems want different alignments of them, some none at all,
// and the callers are held to one.
static void direct_set(struct uring *uring, int fd, bool direct)
{
    if (fd >= 0 && fd < URING_DIRECT_FDS) {
        const uint64_t bit = UINT64_C(1) << (fd % 64);

        uring->direct[fd / 64] =
            direct ? uring->direct[fd / 64] | bit : uring->direct[fd / 64] & ~bit;
    }
}

static bool direct_get(const struct uring *uring, int fd)
{
    return fd >= 0 && fd < URING_DIRECT_FDS && (uring->direct[fd / 64] >> (fd % 64) & 1) != 0;
}

void uring_direct_opened(struct uring *uring, int32_t result)
{
    direct_set(uring, result, true);
}

static bool is_misaligned(const struct uring *uring, int fd, const void *bytes, uint32_t size,
                          uint64_t offset)
{
    return direct_get(uring, fd) &&
           (((uintptr_t)bytes | size | offset) & (IO_DIRECT_ALIGN - 1)) != 0;
}

static void open_start(struct uring *uring, struct io_op *op, const char *path, unsigned flags,
                       enum uring_kind kind)
{
    struct io_uring_sqe *const sqe = uring_sqe(uring);
    int system_flags = O_CLOEXEC | ((flags & IO_OPEN_WRITE) != 0 ? O_RDWR : O_RDONLY);

    system_flags |= (flags & IO_OPEN_CREATE) != 0 ? O_CREAT : 0;
    system_flags |= (flags & IO_OPEN_EXCLUSIVE) != 0 ? O_EXCL : 0;
    system_flags |= (flags & IO_OPEN_DIRECT) != 0 ? O_DIRECT : 0;
    system_flags |= (flags & IO_OPEN_DIRECTORY) != 0 ? O_DIRECTORY : 0;
    system_flags |= (flags & IO_OPEN_TRUNCATE) != 0 ? O_TRUNC : 0;
    io_uring_prep_openat(sqe, AT_FDCWD, path, system_flags, FILE_MODE);
    uring_start(uring, op, sqe, kind);
}

void uring_open(struct io *io, struct io_op *op, const char *path, unsigned flags)
{
    const bool direct = (flags & IO_OPEN_DIRECT) != 0;

    if (direct) {
        op->backend = (void *)(uintptr_t)path;
        op->open_flags = (uint8_t)flags;
    }
    open_start(uring_of(io), op, path, flags, direct ? URING_KIND_OPEN_DIRECT : URING_KIND_OP);
}

void uring_open_buffered(struct uring *uring, struct io_op *op)
{
    uring->io.buffered = true;
    open_start(uring, op, op->backend, op->open_flags & ~(unsigned)IO_OPEN_DIRECT,
               URING_KIND_OPEN_BUFFERED);
}

// Completes with -EINVAL, in its turn.
static void refuse(struct uring *uring, struct io_op *op, struct io_uring_sqe *sqe)
{
    io_uring_prep_nop(sqe);
    uring_start(uring, op, sqe, URING_KIND_MISALIGNED);
}

void uring_read(struct io *io, struct io_op *op, int fd, void *bytes, uint32_t size,
                uint64_t offset)
{
    struct uring *const uring = uring_of(io);
    struct io_uring_sqe *const sqe = uring_sqe(uring);

    if (is_misaligned(uring, fd, bytes, size, offset)) {
        refuse(uring, op, sqe);
        return;
    }
    io_uring_prep_read(sqe, fd, bytes, size, offset);
    uring_start(uring, op, sqe, URING_KIND_OP);
    if (++uring->reads == URING_READS_TOGETHER) {
        uring->reads = 0;
        (void)io_uring_submit(&uring->ring);
    }
}

void uring_write(struct io *io, struct io_op *op, int fd, const void *bytes, uint32_t size,
                 uint64_t offset, unsigned flags)
{
    struct uring *const uring = uring_of(io);
    struct io_uring_sqe *const sqe = uring_sqe(uring);

    if (is_misaligned(uring, fd, bytes, size, offset)) {
        refuse(uring, op, sqe);
        return;
    }
    io_uring_prep_write(sqe, fd, bytes, size, offset);
    if ((flags & IO_WRITE_DURABLE) == 0) {
        uring_start(uring, op, sqe, URING_KIND_OP);
        return;
    }
    sqe->rw_flags = RWF_DSYNC;
    uring_start(uring, op, sqe, URING_KIND_OP);
    // Others wait for it, and what is submitted together reaches the disk when all of it has been
    // started (the kernel plugs the queue): behind 40 sends that was 100 us later.
    (void)io_uring_submit(&uring->ring);
}

void uring_sync(struct io *io, struct io_op *op, int fd, bool data_only)
{
    struct io_uring_sqe *const sqe = uring_sqe(uring_of(io));

    io_uring_prep_fsync(sqe, fd, data_only ? IORING_FSYNC_DATASYNC : 0);
    uring_start(uring_of(io), op, sqe, URING_KIND_OP);
}

void uring_allocate(struct io *io, struct io_op *op, int fd, uint64_t offset, uint64_t size)
{
    struct io_uring_sqe *const sqe = uring_sqe(uring_of(io));

    io_uring_prep_fallocate(sqe, fd, 0, (off_t)offset, (off_t)size);
    uring_start(uring_of(io), op, sqe, URING_KIND_OP);
}

void uring_rename(struct io *io, struct io_op *op, const char *from, const char *to)
{
    struct io_uring_sqe *const sqe = uring_sqe(uring_of(io));

    io_uring_prep_renameat(sqe, AT_FDCWD, from, AT_FDCWD, to, 0);
    uring_start(uring_of(io), op, sqe, URING_KIND_OP);
}

void uring_unlink(struct io *io, struct io_op *op, const char *path, bool directory)
{
    struct io_uring_sqe *const sqe = uring_sqe(uring_of(io));

    io_uring_prep_unlinkat(sqe, AT_FDCWD, path, directory ? AT_REMOVEDIR : 0);
    uring_start(uring_of(io), op, sqe, URING_KIND_OP);
}

void uring_link(struct io *io, struct io_op *op, const char *from, const char *to)
{
    struct io_uring_sqe *const sqe = uring_sqe(uring_of(io));

    io_uring_prep_linkat(sqe, AT_FDCWD, from, AT_FDCWD, to, 0);
    uring_start(uring_of(io), op, sqe, URING_KIND_OP);
}

void uring_mkdir(struct io *io, struct io_op *op, const char *path)
{
    struct io_uring_sqe *const sqe = uring_sqe(uring_of(io));

    io_uring_prep_mkdirat(sqe, AT_FDCWD, path, DIRECTORY_MODE);
    uring_start(uring_of(io), op, sqe, URING_KIND_OP);
}

int uring_stat(struct io *io, const char *path, struct io_stat *ret_stat)
{
    struct stat status;

    (void)io;
    if (stat(path, &status) != 0) {
        return -errno;
    }
    *ret_stat = (struct io_stat){
        .size_bytes = (uint64_t)status.st_size,
        .blocks_bytes = (uint64_t)status.st_blocks * STAT_BLOCK_BYTES,
        .links = (uint32_t)status.st_nlink,
        .directory = S_ISDIR(status.st_mode),
    };
    return 0;
}

int uring_space(struct io *io, const char *path, struct io_space *ret_space)
{
    struct statvfs status;

    (void)io;
    if (statvfs(path, &status) != 0) {
        return -errno;
    }
    if (status.f_blocks == 0) { // ramfs and its like do not tell, and have no bound of their own
        *ret_space = (struct io_space){.total_bytes = INT64_MAX, .free_bytes = INT64_MAX};
        return 0;
    }
    *ret_space = (struct io_space){
        .total_bytes = (uint64_t)status.f_blocks * status.f_frsize,
        .free_bytes = (uint64_t)status.f_bavail * status.f_frsize,
    };
    return 0;
}

int uring_truncate(struct io *io, int fd, uint64_t size)
{
    (void)io;
    return ftruncate(fd, (off_t)size) != 0 ? -errno : 0;
}

int uring_list(struct io *io, const char *path, io_list_fn *each, void *context)
{
    DIR *const directory = opendir(path);
    bool more = true;
    int result = 0;

    (void)io;
    if (directory == NULL) {
        return -errno;
    }
    while (more) {
        errno = 0;
        const struct dirent *const entry = readdir(directory);

        if (entry == NULL) {
            result = -errno; // 0 at the end
            break;
        }
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0) {
            more = each(context, entry->d_name);
        }
    }
    closedir(directory);
    return result;
}

int uring_lock(struct io *io, int fd)
{
    (void)io;
    return flock(fd, LOCK_EX | LOCK_NB) != 0 ? -errno : 0;
}

void uring_close(struct io *io, struct io_op *op, int fd)
{
    struct io_uring_sqe *const sqe = uring_sqe(uring_of(io));

    direct_set(uring_of(io), fd, false);
    io_uring_prep_close(sqe, fd);
    uring_start(uring_of(io), op, sqe, URING_KIND_OP);
}
