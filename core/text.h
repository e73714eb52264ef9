// A text that is put together piece by piece, up to a bound.
//
// Used where replies to people are made (INFO, metrics, configuration listings), never on the path
// of a request: it allocates as it grows. The bytes are terminated at all times, so `text_c()` can
// be printed.
//
// Errors are sticky and looked at once, at the end: after an append that did not fit, or for which
// there was no memory, later appends do nothing and text_error() says which it was. What was
// appended before stays whole: an append is taken fully or not at all.
//
//     struct text text;
//     text_init(&text, LIMIT_INFO_BYTES);
//     text_printf(&text, "uptime_in_seconds:%" PRIu64 "\r\n", uptime_s);
//     error = text_error(&text);
//     text_free(&text);
#pragma once

#include "core/slice.h"

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct text {
    char *bytes;     // NULL until the first append of a text that grows; else terminated
    size_t size;     // bytes without the terminator
    size_t capacity; // bytes that `bytes` has room for, the terminator included
    size_t bound;    // the largest size that is allowed
    int error;       // 0, -ENOSPC (the bound) or -ENOMEM
    bool fixed;      // `bytes` is the caller's and does not grow
};

// Grows on the heap up to bound_bytes; ends with text_free().
void text_init(struct text *text, size_t bound_bytes);

// Lies in the caller's storage of size >= 1 bytes, which holds size - 1 bytes and the terminator.
// Needs no text_free(), and survives one.
void text_init_fixed(struct text *text, char *storage, size_t size);

// Frees the heap memory; the text is as after its init.
void text_free(struct text *text);

// Empties it and clears the error; memory is kept.
void text_clear(struct text *text);

// Takes the text back to a size it had before, and clears the error: how a caller that is out of
// room leaves out a whole block.
void text_cut(struct text *text, size_t size);

void text_append(struct text *text, const void *bytes, size_t size);
void text_string(struct text *text, const char *string);
void text_u64(struct text *text, uint64_t value);
void text_printf(struct text *text, const char *format, ...) __attribute__((format(printf, 2, 3)));
void text_vprintf(struct text *text, const char *format, va_list arguments)
    __attribute__((format(printf, 2, 0)));

// The bytes, terminated; "" when there are none. Valid until the next append.
const char *text_c(const struct text *text);
struct slice text_slice(const struct text *text);

// 0, -ENOSPC or -ENOMEM.
static inline int text_error(const struct text *text)
{
    return text->error;
}
