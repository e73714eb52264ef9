// The log's sink of a real process: a file, or standard error.
//
// One write(2) a line on a descriptor opened with O_APPEND: the kernel keeps lines of several
// threads whole on files, and up to PIPE_BUF on pipes. Called by cli/, which owns it and gives it
// to every shard's struct log. A line that cannot be written (disk full) is dropped, never
// waited for.
#pragma once

#include "core/log.h"

#include <stddef.h>
#include <stdint.h>

struct log_file {
    int fd;
    const char *path; // the caller's, lives as long; "-" is standard error
};

// 0 or -errno. The file is created with mode 0640.
int log_file_open(struct log_file *file, const char *path);

// Opens the path anew behind the same descriptor, after a rotation (SIGHUP). Threads may log
// meanwhile. On failure the old file stays in use. Nothing happens on "-".
int log_file_reopen(struct log_file *file);

void log_file_close(struct log_file *file);

// A log_sink_fn; context is the struct log_file.
void log_file_write(void *context, enum log_level level, const char *line, size_t size);
