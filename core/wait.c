#include "core/wait.h"

#include <errno.h>

struct wait {
    struct io_op op; // first
    int32_t result;
    bool done;
};

static void wait_done(struct io_op *op, int32_t result)
{
    struct wait *const wait = (struct wait *)(void *)op;

    wait->result = result;
    wait->done = true;
}

static struct wait wait_begin(void)
{
    return (struct wait){.op = {.done = wait_done}};
}

static int wait_end(struct io *io, const struct wait *wait)
{
    while (!wait->done) {
        io_turn(io, UINT64_MAX);
    }
    return wait->result;
}

int wait_open(struct io *io, const char *path, unsigned flags)
{
    struct wait wait = wait_begin();

    io_open(io, &wait.op, path, flags);
    return wait_end(io, &wait);
}

int wait_close(struct io *io, int fd)
{
    struct wait wait = wait_begin();

    io_close(io, &wait.op, fd);
    return wait_end(io, &wait);
}

int wait_read_some(struct io *io, int fd, void *bytes, uint32_t size, uint64_t offset,
                   uint32_t *ret_size)
{
    uint32_t got = 0;

    while (got < size) {
        struct wait wait = wait_begin();

        io_read(io, &wait.op, fd, (uint8_t *)bytes + got, size - got, offset + got);
        const int result = wait_end(io, &wait);

        // O_DIRECT goes on from whole blocks only: less than that was the file's end. Of any other
        // file it may have been a short read.
        if (result == 0 || (result == -EINVAL && got % IO_DIRECT_ALIGN != 0)) {
            break;
        }
        if (result < 0) {
            return result;
        }
        got += (uint32_t)result;
    }
    *ret_size = got;
    return 0;
}

int wait_read(struct io *io, int fd, void *bytes, uint32_t size, uint64_t offset)
{
    uint32_t got = 0;
    const int error = wait_read_some(io, fd, bytes, size, offset, &got);

    return error != 0 ? error : got == size ? 0 : -ENODATA;
}

int wait_write(struct io *io, int fd, const void *bytes, uint32_t size, uint64_t offset)
{
    uint32_t put = 0;

    while (put < size) {
        struct wait wait = wait_begin();

        io_write(io, &wait.op, fd, (const uint8_t *)bytes + put, size - put, offset + put, 0);
        const int result = wait_end(io, &wait);

        if (result <= 0) {
            return result < 0 ? result : -EIO;
        }
        put += (uint32_t)result;
    }
    return 0;
}

int wait_sync(struct io *io, int fd)
{
    struct wait wait = wait_begin();

    io_sync(io, &wait.op, fd, false);
    return wait_end(io, &wait);
}

int wait_rename(struct io *io, const char *from, const char *to)
{
    struct wait wait = wait_begin();

    io_rename(io, &wait.op, from, to);
    return wait_end(io, &wait);
}

int wait_unlink(struct io *io, const char *path)
{
    struct wait wait = wait_begin();

    io_unlink(io, &wait.op, path, false);
    return wait_end(io, &wait);
}

int wait_rmdir(struct io *io, const char *path)
{
    struct wait wait = wait_begin();

    io_unlink(io, &wait.op, path, true);
    return wait_end(io, &wait);
}

int wait_mkdir(struct io *io, const char *path)
{
    struct wait wait = wait_begin();

    io_mkdir(io, &wait.op, path);
    return wait_end(io, &wait);
}
