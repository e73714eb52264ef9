// Operations on files that wait for their end in io_turn(): for start and stop, when nothing else
// runs on the core. Each returns what the operation returned, or -errno.
#pragma once

#include "core/io.h"

int wait_open(struct io *io, const char *path, unsigned flags);
int wait_close(struct io *io, int fd);

// All of `size` bytes: 0, -ENODATA where the file ends before, or -errno.
int wait_read(struct io *io, int fd, void *bytes, uint32_t size, uint64_t offset);

// As many of `size` bytes as the file has there, in ret_size.
int wait_read_some(struct io *io, int fd, void *bytes, uint32_t size, uint64_t offset,
                   uint32_t *ret_size);

// All of `size` bytes: 0 or -errno.
int wait_write(struct io *io, int fd, const void *bytes, uint32_t size, uint64_t offset);

int wait_sync(struct io *io, int fd);
int wait_rename(struct io *io, const char *from, const char *to);
int wait_unlink(struct io *io, const char *path);
int wait_rmdir(struct io *io, const char *path);
int wait_mkdir(struct io *io, const char *path);
