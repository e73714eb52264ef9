// What the cases of the conformance suite on files and names share.
#pragma once

#include "tests/unit/io_conformance.h"

enum { PATH_BYTES = 512 };

// A path in the driver's directory. Several are needed at once.
struct path {
    char text[PATH_BYTES];
};

static inline struct path path_of(const struct io_driver *driver, const char *name)
{
    struct path path;

    snprintf(path.text, sizeof path.text, "%s/%s", driver->directory, name);
    return path;
}

static inline int32_t open_name(struct io_driver *driver, const char *name, unsigned flags)
{
    const struct path path = path_of(driver, name);

    return RESULT_OF(io_open(driver->io, THE_OP, path.text, flags));
}

static inline int create(struct io_driver *driver, const char *name)
{
    const int fd = open_name(driver, name, IO_OPEN_WRITE | IO_OPEN_CREATE | IO_OPEN_EXCLUSIVE);

    EXPECT(fd >= 0);
    return fd;
}

static inline void write_all(struct io_driver *driver, int fd, const uint8_t *bytes, uint32_t size,
                             uint64_t offset, unsigned flags)
{
    while (size > 0) {
        const int32_t written =
            RESULT_OF(io_write(driver->io, THE_OP, fd, bytes, size, offset, flags));

        EXPECT(written > 0 && (uint32_t)written <= size);
        bytes += written;
        size -= (uint32_t)written;
        offset += (uint32_t)written;
    }
}

// Reads until the size is full or the file ends. Returns how much.
static inline uint32_t read_all(struct io_driver *driver, int fd, uint8_t *bytes, uint32_t size,
                                uint64_t offset)
{
    uint32_t done = 0;

    while (done < size) {
        const int32_t got =
            RESULT_OF(io_read(driver->io, THE_OP, fd, bytes + done, size - done, offset + done));

        EXPECT(got >= 0);
        if (got == 0) {
            break;
        }
        done += (uint32_t)got;
    }
    return done;
}

static inline struct io_stat stat_name(struct io_driver *driver, const char *name)
{
    const struct path path = path_of(driver, name);
    struct io_stat status;

    memset(&status, 0xff, sizeof status);
    EXPECT(io_stat(driver->io, path.text, &status) == 0);
    return status;
}

static inline bool exists(struct io_driver *driver, const char *name)
{
    const struct path path = path_of(driver, name);
    struct io_stat status;
    const int result = io_stat(driver->io, path.text, &status);

    EXPECT(result == 0 || result == -ENOENT);
    return result == 0;
}

static inline int32_t rename_names(struct io_driver *driver, const char *from, const char *to)
{
    const struct path from_path = path_of(driver, from);
    const struct path to_path = path_of(driver, to);

    return RESULT_OF(io_rename(driver->io, THE_OP, from_path.text, to_path.text));
}

static inline int32_t link_names(struct io_driver *driver, const char *from, const char *to)
{
    const struct path from_path = path_of(driver, from);
    const struct path to_path = path_of(driver, to);

    return RESULT_OF(io_link(driver->io, THE_OP, from_path.text, to_path.text));
}

static inline int32_t unlink_name(struct io_driver *driver, const char *name, bool directory)
{
    const struct path path = path_of(driver, name);

    return RESULT_OF(io_unlink(driver->io, THE_OP, path.text, directory));
}

static inline int32_t mkdir_name(struct io_driver *driver, const char *name)
{
    const struct path path = path_of(driver, name);

    return RESULT_OF(io_mkdir(driver->io, THE_OP, path.text));
}
