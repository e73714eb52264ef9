#include "core/reply.h"

#include <stdarg.h>
#include <stdio.h>

enum {
    // A formatted error or bulk; longer is cut.
    REPLY_FORMATTED_MAX = 1024,
};

void reply_simple(struct reply *reply, const char *text)
{
    REPLY_LITERAL(reply, "+");
    reply_raw(reply, slice_from_text(text));
    REPLY_LITERAL(reply, "\r\n");
}

static bool reply_is_line_end(uint8_t byte)
{
    return byte == '\r' || byte == '\n';
}

void reply_error(struct reply *reply, struct slice text)
{
    while (text.size != 0 && reply_is_line_end(text.bytes[0])) {
        text = slice_of(text.bytes + 1, text.size - 1);
    }
    while (text.size != 0 && reply_is_line_end(text.bytes[text.size - 1])) {
        text.size--;
    }
    reply->errors++;
    REPLY_LITERAL(reply, "-");
    while (text.size != 0) {
        const size_t part = text.size < OUTBUF_SMALL_BYTES ? text.size : OUTBUF_SMALL_BYTES;
        uint8_t *const to = outbuf_reserve(reply->out, reply->cache, part);

        if (to == NULL) {
            return;
        }
        for (size_t i = 0; i < part; i++) {
            to[i] = reply_is_line_end(text.bytes[i]) ? ' ' : text.bytes[i];
        }
        outbuf_commit(reply->out, part);
        text = slice_of(text.bytes + part, text.size - part);
    }
    REPLY_LITERAL(reply, "\r\n");
}

void reply_error_text(struct reply *reply, const char *text)
{
    reply_error(reply, slice_from_text(text));
}

void reply_bulk_slowly(struct reply *reply, struct slice value)
{
    reply_header(reply, '$', (int64_t)value.size);
    outbuf_append(reply->out, reply->cache, value.bytes, value.size);
    REPLY_LITERAL(reply, "\r\n");
}

void reply_bulk_integer(struct reply *reply, int64_t value)
{
    uint8_t digits[NUMBER_I64_BYTES_MAX];

    reply_bulk(reply, slice_of(digits, (size_t)(number_write_i64(digits, value) - digits)));
}

void reply_bulkf(struct reply *reply, const char *format, ...)
{
    char text[REPLY_FORMATTED_MAX];
    va_list arguments;

    va_start(arguments, format);
    const int size = vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    CHECK(size >= 0);
    reply_bulk(reply, slice_of(text, size < REPLY_FORMATTED_MAX ? (size_t)size : sizeof text - 1));
}

void reply_verbatim_header(struct reply *reply, const char *extension, size_t size)
{
    CHECK(strlen(extension) == 3);
    if (reply->protocol == 2) {
        reply_header(reply, '$', (int64_t)size);
        return;
    }
    reply_header(reply, '=', (int64_t)size + 4);
    reply_raw(reply, slice_of(extension, 3));
    REPLY_LITERAL(reply, ":");
}

void reply_verbatim(struct reply *reply, const char *extension, struct slice text)
{
    reply_verbatim_header(reply, extension, text.size);
    reply_raw(reply, text);
    REPLY_LITERAL(reply, "\r\n");
}
