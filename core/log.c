#include "core/log.h"

#include "core/check.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

enum {
    LOG_TAIL_BYTES = 32, // kept free for the mark of truncation and the end of the line
    LOG_VALUE_BYTES =
        512, // of one value as it is written: the next fields matter more than its rest
    LOG_MESSAGE_BYTES = LIMIT_LOG_LINE_BYTES / 2,
};

static_assert(LOG_MESSAGE_BYTES + LOG_VALUE_BYTES + LOG_TAIL_BYTES + 128 < LIMIT_LOG_LINE_BYTES,
              "time, level, a whole message and one field always fit");

const char *log_level_name(enum log_level level)
{
    static const char *const names[] = {[LOG_LEVEL_DEBUG] = "debug",
                                        [LOG_LEVEL_INFO] = "info",
                                        [LOG_LEVEL_WARNING] = "warning",
                                        [LOG_LEVEL_ERROR] = "error"};

    CHECK((unsigned)level < sizeof(names) / sizeof(names[0]));
    return names[level];
}

// Bytes of the printable UTF-8 character at the front; 0 for a control character (C1 too: terminals
// obey those) or a byte that begins none. RFC 3629: no overlong forms, no surrogates, up to
// U+10FFFF.
static size_t log_printable(const uint8_t *bytes, size_t size)
{
    const uint8_t first = bytes[0];

    if (first < 0x80) {
        return first >= ' ' && first != 0x7f ? 1 : 0;
    }
    const size_t length = first >= 0xf0 ? 4 : first >= 0xe0 ? 3 : 2;
    if (first < 0xc2 || first > 0xf4 || size < length) {
        return 0;
    }
    for (size_t i = 1; i < length; i++) {
        if ((bytes[i] & 0xc0) != 0x80) {
            return 0;
        }
    }
    const uint8_t second = bytes[1];
    if ((first == 0xc2 && second < 0xa0) || (first == 0xe0 && second < 0xa0) ||
        (first == 0xed && second >= 0xa0) || (first == 0xf0 && second < 0x90) ||
        (first == 0xf4 && second >= 0x90)) {
        return 0;
    }
    return length;
}

// One character that is not printable, or a quote or backslash, as both forms can write it.
static void log_escape(struct text *text, uint8_t byte, bool json)
{
    switch (byte) {
    case '\n':
        text_string(text, "\\n");
        break;
    case '\r':
        text_string(text, "\\r");
        break;
    case '\t':
        text_string(text, "\\t");
        break;
    case '"':
    case '\\':
        text_printf(text, "\\%c", byte);
        break;
    default:
        if (!json) {
            text_printf(text, "\\x%02x", byte);
        } else if (byte < 0x80) {
            text_printf(text, "\\u%04x", byte);
        } else {
            text_string(text, "\\ufffd"); // RFC 8259 has no way to write bytes
        }
    }
}

// Appends `value` with what is not printable escaped, at most about `bound` bytes of output.
static void log_escaped(struct log_line *line, struct slice value, size_t bound, bool quoted)
{
    const bool json = line->log->format == LOG_FORMAT_JSON;
    const size_t start = line->text.size;

    for (size_t i = 0; i < value.size;) {
        if (line->text.size - start > bound - sizeof("\\u0000...")) {
            text_string(&line->text, "...");
            line->truncated = true;
            return;
        }
        const uint8_t byte = value.bytes[i];
        const size_t length = log_printable(value.bytes + i, value.size - i);
        if (length == 0 || (quoted && (byte == '"' || byte == '\\'))) {
            log_escape(&line->text, byte, json);
            i++;
        } else {
            text_append(&line->text, value.bytes + i, length);
            i += length;
        }
    }
}

static bool log_needs_quotes(struct slice value)
{
    for (size_t i = 0; i < value.size;) {
        const uint8_t byte = value.bytes[i];
        const size_t length = log_printable(value.bytes + i, value.size - i);
        if (length == 0 || byte == ' ' || byte == '"' || byte == '\\' || byte == '=') {
            return true;
        }
        i += length;
    }
    return value.size == 0;
}

// RFC 3339, UTC, milliseconds.
static void log_time(struct text *text, uint64_t wall_ms)
{
    const time_t seconds = (time_t)(wall_ms / 1000);
    struct tm tm;

    if (gmtime_r(&seconds, &tm) == NULL) {
        return;
    }
    text_printf(text, "%04d-%02d-%02dT%02d:%02d:%02d.%03uZ", tm.tm_year + 1900, tm.tm_mon + 1,
                tm.tm_mday, tm.tm_hour, tm.tm_min, tm.tm_sec, (unsigned)(wall_ms % 1000));
}

void log_begin(struct log_line *line, struct log *log, enum log_level level, const char *message)
{
    CHECK(message != NULL);
    line->log = log_enabled(log, level) ? log : NULL;
    line->level = level;
    line->truncated = false;
    struct text *text = &line->text;
    text_init_fixed(text, line->bytes, sizeof(line->bytes) - LOG_TAIL_BYTES);
    if (line->log == NULL) {
        return;
    }
    const bool json = log->format == LOG_FORMAT_JSON;
    if (json) {
        text_string(text, "{");
    }
    if (log->wall_ms != NULL) {
        text_string(text, json ? "\"time\":\"" : "");
        log_time(text, *log->wall_ms);
        text_string(text, json ? "\"," : " ");
    }
    text_printf(text, json ? "\"level\":\"%s\",\"message\":\"" : "%-7s ", log_level_name(level));
    log_escaped(line, slice_from_text(message), LOG_MESSAGE_BYTES, json);
    text_string(text, json ? "\"" : "");
    CHECK(text_error(text) == 0);
}

// Begins a field. False when the line takes no more.
static bool log_field(struct log_line *line, const char *name)
{
    if (line->log == NULL || text_error(&line->text) != 0) {
        return false;
    }
    const bool json = line->log->format == LOG_FORMAT_JSON;
    text_printf(&line->text, json ? ",\"%s\":" : " %s=", name);
    return true;
}

// Ends the field that began at `start`: one that did not fit is taken back whole, and the error
// that stays in the text keeps out the fields after it.
static void log_field_end(struct log_line *line, size_t start)
{
    if (text_error(&line->text) != 0) {
        text_cut(&line->text, start);
        line->text.error = -ENOSPC;
        line->truncated = true;
    }
}

void log_slice(struct log_line *line, const char *name, struct slice value)
{
    const size_t start = line->text.size;

    if (!log_field(line, name)) {
        return;
    }
    const bool quoted = line->log->format == LOG_FORMAT_JSON || log_needs_quotes(value);
    text_string(&line->text, quoted ? "\"" : "");
    log_escaped(line, value, LOG_VALUE_BYTES, quoted);
    text_string(&line->text, quoted ? "\"" : "");
    log_field_end(line, start);
}

void log_text(struct log_line *line, const char *name, const char *value)
{
    log_slice(line, name, slice_from_text(value));
}

void log_u64(struct log_line *line, const char *name, uint64_t value)
{
    const size_t start = line->text.size;

    if (log_field(line, name)) {
        text_u64(&line->text, value);
        log_field_end(line, start);
    }
}

void log_i64(struct log_line *line, const char *name, int64_t value)
{
    const size_t start = line->text.size;

    if (log_field(line, name)) {
        text_printf(&line->text, "%" PRId64, value);
        log_field_end(line, start);
    }
}

void log_bool(struct log_line *line, const char *name, bool value)
{
    const size_t start = line->text.size;

    if (log_field(line, name)) {
        text_string(&line->text, value ? "true" : "false");
        log_field_end(line, start);
    }
}

void log_errno(struct log_line *line, int error)
{
    const int positive = error < 0 ? -error : error;
    const char *description = strerrordesc_np(positive); // untranslated, safe with threads

    log_text(line, "error", description == NULL ? "unknown error" : description);
    log_i64(line, "errno", positive);
}

void log_end(struct log_line *line)
{
    if (line->log == NULL) {
        return;
    }
    const bool json = line->log->format == LOG_FORMAT_JSON;
    const char *mark = !line->truncated ? "" : json ? ",\"truncated\":true" : " truncated=true";
    const size_t room = sizeof(line->bytes) - line->text.size;
    const int tail =
        snprintf(line->bytes + line->text.size, room, "%s%s", mark, json ? "}\n" : "\n");
    CHECK(tail > 0 && tail < LOG_TAIL_BYTES);
    line->log->sink(line->log->context, line->level, line->bytes, line->text.size + (size_t)tail);
    line->log = NULL;
}

void log_print(struct log *log, enum log_level level, const char *format, ...)
{
    char message[LOG_MESSAGE_BYTES];
    struct log_line line;
    va_list arguments;

    if (!log_enabled(log, level)) {
        return;
    }
    va_start(arguments, format);
    const int size = vsnprintf(message, sizeof(message), format, arguments);
    va_end(arguments);
    CHECK(size >= 0);
    log_begin(&line, log, level, message);
    log_end(&line);
}

bool log_limit_pass(struct log_limit *limit, uint64_t now_ns, uint64_t window_ns, uint32_t burst,
                    uint32_t *ret_suppressed)
{
    CHECK(burst > 0);
    if (now_ns >= limit->window_end_ns) {
        limit->window_end_ns = now_ns + window_ns;
        limit->lines = 0;
    }
    if (limit->lines >= burst) {
        limit->suppressed += limit->suppressed < UINT32_MAX ? 1 : 0;
        return false;
    }
    limit->lines++;
    *ret_suppressed = limit->suppressed;
    limit->suppressed = 0;
    return true;
}
