// One of the few places that may call open and write: see tests/tidy.
#include "core/log_file.h"

#include "core/check.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

static bool log_file_is_stderr(const char *path)
{
    return strcmp(path, "-") == 0;
}

static int log_file_descriptor(const char *path, int *ret_fd)
{
    const int fd = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOCTTY, 0640);

    if (fd < 0) {
        return -errno;
    }
    *ret_fd = fd;
    return 0;
}

int log_file_open(struct log_file *file, const char *path)
{
    int fd = STDERR_FILENO;

    CHECK(path != NULL);
    const int error = log_file_is_stderr(path) ? 0 : log_file_descriptor(path, &fd);
    if (error != 0) {
        return error;
    }
    *file = (struct log_file){.fd = fd, .path = path};
    return 0;
}

int log_file_reopen(struct log_file *file)
{
    int fd = -1;

    if (log_file_is_stderr(file->path)) {
        return 0;
    }
    int error = log_file_descriptor(file->path, &fd);
    if (error != 0) {
        return error;
    }
    // dup3 replaces what the number means in one step: a thread that writes meanwhile reaches the
    // old file or the new one.
    if (dup3(fd, file->fd, O_CLOEXEC) < 0) {
        error = -errno;
    }
    close(fd);
    return error;
}

void log_file_close(struct log_file *file)
{
    if (!log_file_is_stderr(file->path)) {
        close(file->fd);
    }
    file->fd = -1;
}

void log_file_write(void *context, enum log_level level, const char *line, size_t size)
{
    const struct log_file *file = context;
    ssize_t written;

    (void)level;
    do {
        written = write(file->fd, line, size);
    } while (written < 0 && errno == EINTR);
}
