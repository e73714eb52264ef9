// One of the few places that may call open and read: see tests/tidy.
#include "core/file.h"

#include "core/check.h"
#include "core/memory.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { FILE_CHUNK_BYTES = 4096 }; // what the buffer begins with; /proc says nothing about sizes

// Opens for reading what is a regular file, or a device such as /dev/null. O_NONBLOCK, so that a
// FIFO does not hold us at the door, nor a terminal.
static int file_open_readable(const char *path, int *ret_fd)
{
    struct stat stat;
    int fd = -1;

    do {
        fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    } while (fd < 0 && errno == EINTR);
    if (fd < 0) {
        return -errno;
    }
    int error = 0;
    if (fstat(fd, &stat) != 0) {
        error = -errno;
    } else if (S_ISDIR(stat.st_mode)) {
        error = -EISDIR;
    } else if (!S_ISREG(stat.st_mode) && !S_ISCHR(stat.st_mode)) {
        error = -EINVAL;
    }
    if (error != 0) {
        close(fd);
        return error;
    }
    *ret_fd = fd;
    return 0;
}

static int file_read_all(int fd, size_t bound_bytes, char **bytes, size_t *size)
{
    size_t capacity = 0;

    for (;;) {
        if (*size == capacity) {
            capacity = capacity == 0 ? FILE_CHUNK_BYTES : capacity * 2;
            char *larger = memory_resize(*bytes, capacity + 1);
            if (larger == NULL) {
                return -ENOMEM;
            }
            *bytes = larger;
        }
        const ssize_t got = read(fd, *bytes + *size, capacity - *size);
        if (got < 0 && errno == EINTR) {
            continue;
        }
        if (got < 0) {
            return -errno;
        }
        *size += (size_t)got;
        if (*size > bound_bytes) {
            return -EFBIG;
        }
        if (got == 0) {
            (*bytes)[*size] = '\0';
            return 0;
        }
    }
}

int file_read(const char *path, size_t bound_bytes, char **ret_bytes, size_t *ret_size)
{
    char *bytes = NULL;
    size_t size = 0;
    int fd = -1;

    CHECK(path != NULL);
    int error = file_open_readable(path, &fd);
    if (error != 0) {
        return error;
    }
    error = file_read_all(fd, bound_bytes, &bytes, &size);
    close(fd);
    if (error != 0) {
        memory_free(bytes);
        return error;
    }
    *ret_bytes = bytes;
    *ret_size = size;
    return 0;
}

int file_readable(const char *path)
{
    int fd = -1;

    const int error = file_open_readable(path, &fd);
    if (error != 0) {
        return error;
    }
    close(fd);
    return 0;
}

// Whether a file could be made in the folder that the path names as its last but one.
static int file_parent_usable(const char *path)
{
    struct stat stat_of;
    char parent[4096]; // PATH_MAX
    size_t size = strlen(path);

    if (size >= sizeof(parent)) {
        return -ENAMETOOLONG;
    }
    while (size > 1 && path[size - 1] == '/') {
        size--;
    }
    while (size > 0 && path[size - 1] != '/') {
        size--;
    }
    snprintf(parent, sizeof(parent), "%.*s", size == 0 ? 1 : (int)size, size == 0 ? "." : path);
    if (stat(parent, &stat_of) != 0) {
        return -errno;
    }
    if (!S_ISDIR(stat_of.st_mode)) {
        return -ENOTDIR;
    }
    return access(parent, W_OK | X_OK) == 0 ? 0 : -errno;
}

int file_directory_usable(const char *path)
{
    struct stat stat_of;

    if (stat(path, &stat_of) == 0) {
        if (!S_ISDIR(stat_of.st_mode)) {
            return -ENOTDIR;
        }
        return access(path, W_OK | X_OK) == 0 ? 0 : -errno;
    }
    // It is made at start, its parent is not: a path with a typing error should not grow a tree.
    return errno == ENOENT ? file_parent_usable(path) : -errno;
}

int file_appendable(const char *path)
{
    struct stat stat_of;

    if (stat(path, &stat_of) == 0) {
        if (S_ISDIR(stat_of.st_mode)) {
            return -EISDIR;
        }
        return access(path, W_OK) == 0 ? 0 : -errno;
    }
    return errno == ENOENT ? file_parent_usable(path) : -errno;
}
