// Replies in RESP2 and RESP3, written into an outbuf.
//
// Each function writes one whole element in the form of the connection's protocol; arrays, maps and
// sets write their header, and the caller then writes that many elements. Where RESP2 has no type,
// the form is the one that Redis 7.0 uses:
//
//                   RESP2              RESP3
//     null          $-1                _
//     map of n      *2n                %n
//     set of n      *n                 ~n
//     verbatim      bulk               =size\r\ntxt:...
//
// Nothing is returned: when memory runs out the outbuf says `failed`. The struct is a handful of
// pointers made where replies are written, not kept. Sources:
// https://github.com/redis/redis-specifications, protocol/RESP3.md; src/networking.c of
// Redis 7.0.15.
#pragma once

#include "core/number.h"
#include "core/outbuf.h"
#include "core/slice.h"

#include <stdbool.h>
#include <stdint.h>

struct reply {
    struct outbuf *out;
    struct outbuf_cache *cache;
    uint32_t errors;  // error replies written, for the statistics of commands
    uint8_t protocol; // 2 or 3
};

enum {
    REPLY_HEADER_BYTES = 1 + NUMBER_I64_BYTES_MAX + 2, // type, number, CRLF

    // A bulk up to this size is written in one reservation. Longer ones are split over chunks, so
    // that the ends of chunks do not stay empty.
    REPLY_BULK_AT_ONCE = 2048,
};

static inline uint8_t *reply_crlf(uint8_t *at)
{
    memcpy(at, "\r\n", 2);
    return at + 2;
}

// A type byte, a number, CRLF.
static inline void reply_header(struct reply *reply, char type, int64_t number)
{
    uint8_t *const start = outbuf_reserve(reply->out, reply->cache, REPLY_HEADER_BYTES);

    if (start != NULL) {
        *start = (uint8_t)type;
        uint8_t *const end = reply_crlf(number_write_i64(start + 1, number));

        outbuf_commit(reply->out, (size_t)(end - start));
    }
}

// Bytes that are a reply already, with their CRLF.
static inline void reply_raw(struct reply *reply, struct slice bytes)
{
    if (bytes.size <= REPLY_BULK_AT_ONCE) {
        uint8_t *const start = outbuf_reserve(reply->out, reply->cache, bytes.size);

        if (start != NULL && bytes.size != 0) {
            memcpy(start, bytes.bytes, bytes.size);
            outbuf_commit(reply->out, bytes.size);
        }
        return;
    }
    outbuf_append(reply->out, reply->cache, bytes.bytes, bytes.size);
}

// For a literal.
#define REPLY_LITERAL(reply, literal) reply_raw((reply), slice_of("" literal, sizeof(literal) - 1))

static inline void reply_ok(struct reply *reply)
{
    REPLY_LITERAL(reply, "+OK\r\n");
}

// A status: `text` without CR, LF.
void reply_simple(struct reply *reply, const char *text);

// An error: `text` starts with its code ("ERR ..."), without '-'. CR and LF at its ends are cut
// off, others become spaces, as Redis has it.
void reply_error(struct reply *reply, struct slice text);
void reply_error_text(struct reply *reply, const char *text);

static inline void reply_integer(struct reply *reply, int64_t value)
{
    reply_header(reply, ':', value);
}

void reply_bulk_slowly(struct reply *reply, struct slice value);

static inline void reply_bulk(struct reply *reply, struct slice value)
{
    if (__builtin_expect(value.size > REPLY_BULK_AT_ONCE, 0)) {
        reply_bulk_slowly(reply, value);
        return;
    }
    uint8_t *const start =
        outbuf_reserve(reply->out, reply->cache, value.size + REPLY_HEADER_BYTES + 2);

    if (__builtin_expect(start == NULL, 0)) {
        return;
    }
    *start = '$';
    uint8_t *at = reply_crlf(number_write_u64(start + 1, value.size));

    if (value.size != 0) {
        memcpy(at, value.bytes, value.size);
    }
    at = reply_crlf(at + value.size);
    outbuf_commit(reply->out, (size_t)(at - start));
}

static inline void reply_bulk_text(struct reply *reply, const char *text)
{
    reply_bulk(reply, slice_from_text(text));
}

// An integer as a bulk string.
void reply_bulk_integer(struct reply *reply, int64_t value);

void reply_bulkf(struct reply *reply, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

static inline void reply_null(struct reply *reply)
{
    if (reply->protocol == 2) {
        REPLY_LITERAL(reply, "$-1\r\n");
    } else {
        REPLY_LITERAL(reply, "_\r\n");
    }
}

static inline void reply_array(struct reply *reply, uint32_t count)
{
    reply_header(reply, '*', count);
}

// `count` pairs follow.
static inline void reply_map(struct reply *reply, uint32_t count)
{
    const bool resp2 = reply->protocol == 2;

    reply_header(reply, resp2 ? '*' : '%', (int64_t)count * (resp2 ? 2 : 1));
}

static inline void reply_set(struct reply *reply, uint32_t count)
{
    reply_header(reply, reply->protocol == 2 ? '*' : '~', count);
}

// Text for people; `extension` is its type in three letters: "txt", "mkd".
void reply_verbatim(struct reply *reply, const char *extension, struct slice text);

// The part of it before the text, of so many bytes; the caller appends them and CRLF.
void reply_verbatim_header(struct reply *reply, const char *extension, size_t size);
