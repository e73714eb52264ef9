// Small files read whole at start: the configuration, secrets, users, /proc. Blocking, so never
// called by a running shard, whose files go through core/io.h.
#pragma once

#include <stdbool.h>
#include <stddef.h>

// Reads the file into memory of its own, terminated (the size does not count the terminator), to be
// freed with memory_free(). -EFBIG when it has more than bound_bytes, -EISDIR, -EINVAL for what is
// neither a regular file nor a device such as /dev/null (a FIFO would block), -errno.
int file_read(const char *path, size_t bound_bytes, char **ret_bytes, size_t *ret_size);

// Whether file_read() could open the path: 0 or -errno.
int file_readable(const char *path);

// Whether the path is a file that this process can write to, or could be made, its parent being a
// directory: 0 or -errno. Makes nothing.
int file_appendable(const char *path);

// Whether `path` is a directory in which this process can make files, or could be made, its parent
// being one: 0 or -errno. Makes nothing.
int file_directory_usable(const char *path);
