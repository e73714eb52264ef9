// The log: one event, one line, one write.
//
// Only cli/ and a shard's top level log; everything below returns errors. A struct log is a value
// that each thread has for itself (no globals, no locks); the sink behind it takes whole lines, so
// that lines of several shards do not mix and the simulator can capture them.
//
//     struct log_line line;
//
//     log_begin(&line, log, LOG_LEVEL_INFO, "shard started");
//     log_u64(&line, "shard", index);
//     log_text(&line, "listen", address);
//     log_end(&line);
//
//     text:  2026-01-31T12:00:00.123Z info    shard started shard=1 listen=127.0.0.1:7381
//     json:  {"time":"2026-01-31T12:00:00.123Z","level":"info","message":"shard started","shard":1}
//
// Values with blanks, quotes, '=' or control bytes are quoted in the text form; quotes, backslashes
// and control bytes are escaped (\n, \x1b), bytes that are not UTF-8 as \xNN (text) or U+FFFD
// (json). So no input can forge a line or reach a terminal's control sequences. A line longer than
// LIMIT_LOG_LINE_BYTES loses its last fields and says so with truncated=true.
#pragma once

#include "core/limits.h"
#include "core/text.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum log_level { LOG_LEVEL_DEBUG, LOG_LEVEL_INFO, LOG_LEVEL_WARNING, LOG_LEVEL_ERROR };
enum log_format { LOG_FORMAT_TEXT, LOG_FORMAT_JSON };

// Takes one line, its '\n' included. Must not fail and must not keep the pointer.
typedef void log_sink_fn(void *context, enum log_level level, const char *line, size_t size);

struct log {
    enum log_level level; // lines below it are dropped before they are built
    enum log_format format;
    log_sink_fn *sink; // NULL: nothing is logged
    void *context;
    const uint64_t *wall_ms; // the time of a line: a shard's &io->wall_ms; NULL writes no time
};

// A line being built. On the stack of whoever logs.
struct log_line {
    struct log *log; // NULL when the level is too low: all calls do nothing
    enum log_level level;
    bool truncated;
    struct text text;
    char bytes[LIMIT_LOG_LINE_BYTES];
};

static inline bool log_enabled(const struct log *log, enum log_level level)
{
    return level >= log->level && log->sink != NULL;
}

void log_begin(struct log_line *line, struct log *log, enum log_level level, const char *message);

// Field names are literals: [a-z0-9_]+.
void log_text(struct log_line *line, const char *name, const char *value);
void log_slice(struct log_line *line, const char *name, struct slice value);
void log_u64(struct log_line *line, const char *name, uint64_t value);
void log_i64(struct log_line *line, const char *name, int64_t value);
void log_bool(struct log_line *line, const char *name, bool value);

// error="No such file or directory" errno=2, from an errno value of either sign.
void log_errno(struct log_line *line, int error);

// Hands the line to the sink.
void log_end(struct log_line *line);

// A whole line of a formatted message without fields.
void log_print(struct log *log, enum log_level level, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

// Stops a call site that could flood: at most `burst` lines a window. One struct for each site,
// zeroed, in the struct of whoever logs.
struct log_limit {
    uint64_t window_end_ns;
    uint32_t lines;      // passed in this window
    uint32_t suppressed; // since the last that passed
};

// True when a line may be written; ret_suppressed is how many were not since the last one (log it).
bool log_limit_pass(struct log_limit *limit, uint64_t now_ns, uint64_t window_ns, uint32_t burst,
                    uint32_t *ret_suppressed);

const char *log_level_name(enum log_level level);
