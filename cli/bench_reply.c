#include "cli/bench_reply.h"

#include "core/check.h"

#include <string.h>

enum {
    READER_ELEMENTS_MAX = 1 << 30, // of one reply; more is a broken stream
    READER_STRING_MAX = 1 << 30,   // bytes of a string: twice what RESP allows
};

// A signed decimal number that fills the line. False when it is not one.
static bool reader_number(const char *digits, size_t size, int64_t *ret_number)
{
    const bool negative = size != 0 && digits[0] == '-';
    int64_t number = 0;

    if (size == (negative ? 1U : 0U) || size > 19) {
        return false;
    }
    for (size_t i = negative ? 1 : 0; i < size; i++) {
        if (digits[i] < '0' || digits[i] > '9') {
            return false;
        }
        number = number * 10 + (digits[i] - '0');
    }
    *ret_number = negative ? -number : number;
    return true;
}

static void reader_keep_text(struct bench_reply *reply, const char *text, size_t size)
{
    if (reply->text_size == 0) {
        reply->text_size = (uint8_t)(size < sizeof reply->text ? size : sizeof reply->text);
        memcpy(reply->text, text, reply->text_size);
    }
}

static void reader_null(struct bench_reader *reader)
{
    reader->reply.nulls++;
    if (reader->bytes_fn != NULL) {
        reader->bytes_fn(reader->context, NULL, 0, 0, true);
    }
}

// A header that announces strings or elements. False when the stream is broken.
static bool reader_announced(struct bench_reader *reader, char type, int64_t number)
{
    const bool string = type == '$' || type == '=' || type == '!';

    if (number < -1 || number > (string ? READER_STRING_MAX : READER_ELEMENTS_MAX)) {
        return false;
    }
    if (number == -1) {
        reader_null(reader);
        return true;
    }
    if (string) {
        reader->skip = (uint64_t)number + 2;
        reader->pending++; // until its last byte
        reader->reply.values += type == '$' || type == '=' ? 1 : 0;
        reader->reply.errors += type == '!' ? 1 : 0;
        return true;
    }
    reader->pending += (uint64_t)number * (type == '%' || type == '|' ? 2 : 1);
    if (type == '|') {
        reader->pending++; // what the attribute is about follows
    }
    return reader->pending <= READER_ELEMENTS_MAX;
}

// One whole line, without CRLF. False when the stream is broken.
static bool reader_line(struct bench_reader *reader, const char *line, size_t size)
{
    struct bench_reply *const reply = &reader->reply;
    const char type = size != 0 ? line[0] : '\0';
    // The reply itself begins at once, or after its attribute.
    const bool top = reader->pending == 0 || (reader->attribute && reader->pending == 1);
    int64_t number = 0;

    if (top) {
        reader->push = reader->pending == 0 ? type == '>' : reader->push;
        reader->attribute = false;
        *reply = (struct bench_reply){.type = (uint8_t)type};
    }
    reader->pending -= reader->pending != 0 ? 1 : 0;
    switch (type) {
    case '+':
        reader_keep_text(reply, line + 1, size - 1);
        return true;
    case '-':
        reply->errors++;
        reader_keep_text(reply, line + 1, size - 1);
        return true;
    case '_':
        reply->null = top;
        reader_null(reader);
        return true;
    case '#':
    case ',':
    case '(':
        return true;
    case ':':
    case '$':
    case '=':
    case '!':
    case '*':
    case '~':
    case '%':
    case '|':
    case '>':
        if (!reader_number(line + 1, size - 1, &number)) {
            return false;
        }
        if (top) {
            reply->number = number;
            reply->null = number == -1 && type != ':';
            reader->attribute = type == '|';
        }
        return type == ':' || reader_announced(reader, type, number);
    default:
        return false;
    }
}

// Takes bytes of the string that is being read, the CRLF after it included.
static size_t reader_string(struct bench_reader *reader, const uint8_t *bytes, size_t size)
{
    const size_t used = size < reader->skip ? size : (size_t)reader->skip;
    const uint64_t content = reader->skip > 2 ? reader->skip - 2 : 0; // without the CRLF

    if (reader->bytes_fn != NULL && (content != 0 || !reader->in_string)) {
        const size_t part = used < content ? used : (size_t)content;

        reader->bytes_fn(reader->context, bytes, part, content - part, !reader->in_string);
    }
    reader->in_string = true;
    reader->skip -= used;
    if (reader->skip == 0) {
        reader->pending--;
        reader->in_string = false;
    }
    return used;
}

// Takes a line, or what is there of it. Returns false when the stream is broken.
static bool reader_take_line(struct bench_reader *reader, const uint8_t *bytes, size_t size,
                             size_t *ret_used)
{
    const uint8_t *const newline = memchr(bytes, '\n', size);
    const size_t used = newline != NULL ? (size_t)(newline - bytes) + 1 : size;
    const size_t room = sizeof reader->line - reader->line_size;
    const char *line = (const char *)bytes;
    size_t length = used;

    *ret_used = used;
    if (newline == NULL || reader->line_size != 0) {
        const size_t kept = used < room ? used : room;

        memcpy(reader->line + reader->line_size, bytes, kept);
        reader->line_size = (uint8_t)(reader->line_size + kept);
        if (newline == NULL) {
            return true;
        }
        line = reader->line;
        length = reader->line_size;
        reader->line_size = 0;
    }
    while (length != 0 && (line[length - 1] == '\n' || line[length - 1] == '\r')) {
        length--;
    }
    return reader_line(reader, line, length);
}

enum bench_reader_status bench_reader_feed(struct bench_reader *reader, const uint8_t *bytes,
                                           size_t size, bench_reader_bytes_fn bytes_fn,
                                           void *context, size_t *ret_used)
{
    size_t at = 0;

    reader->bytes_fn = bytes_fn;
    reader->context = context;
    while (at < size) {
        size_t used = 0;
        bool whole_line = true;

        if (reader->skip != 0) {
            used = reader_string(reader, bytes + at, size - at);
        } else {
            if (!reader_take_line(reader, bytes + at, size - at, &used)) {
                return BENCH_READER_WRONG;
            }
            whole_line = bytes[at + used - 1] == '\n';
        }
        at += used;
        if (reader->pending == 0 && whole_line) {
            if (!reader->push) {
                *ret_used = at;
                return BENCH_READER_REPLY;
            }
            reader->push = false;
        }
    }
    *ret_used = at;
    return BENCH_READER_MORE;
}
