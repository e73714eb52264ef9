#include "core/text.h"

#include "core/check.h"
#include "core/memory.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

enum { TEXT_CAPACITY_MIN = 256 }; // bytes of the first allocation: most short texts need no second

void text_init(struct text *text, size_t bound_bytes)
{
    CHECK(bound_bytes < SIZE_MAX);
    *text = (struct text){.bound = bound_bytes};
}

void text_init_fixed(struct text *text, char *storage, size_t size)
{
    CHECK(storage != NULL);
    CHECK(size >= 1);
    storage[0] = '\0';
    *text = (struct text){.bytes = storage, .capacity = size, .bound = size - 1, .fixed = true};
}

void text_free(struct text *text)
{
    if (!text->fixed) {
        memory_free(text->bytes);
        text_init(text, text->bound);
        return;
    }
    text_clear(text);
}

void text_clear(struct text *text)
{
    text_cut(text, 0);
}

void text_cut(struct text *text, size_t size)
{
    CHECK(size <= text->size);
    text->size = size;
    text->error = 0;
    if (text->bytes != NULL) {
        text->bytes[size] = '\0';
    }
}

// Makes room for `size` more bytes and the terminator. False, with the error set, if there is none.
static bool text_reserve(struct text *text, size_t size)
{
    if (text->error != 0) {
        return false;
    }
    if (size > text->bound - text->size) {
        text->error = -ENOSPC;
        return false;
    }
    const size_t needed = text->size + size + 1;
    if (needed <= text->capacity) {
        return true;
    }
    CHECK(!text->fixed); // its capacity is its bound and the terminator
    size_t capacity = text->capacity > SIZE_MAX / 2 ? SIZE_MAX : text->capacity * 2;
    if (capacity < TEXT_CAPACITY_MIN) {
        capacity = TEXT_CAPACITY_MIN;
    }
    if (capacity < needed) {
        capacity = needed;
    }
    if (capacity > text->bound + 1) {
        capacity = text->bound + 1;
    }
    char *bytes = memory_resize(text->bytes, capacity);
    if (bytes == NULL) {
        text->error = -ENOMEM;
        return false;
    }
    bytes[text->size] = '\0';
    text->bytes = bytes;
    text->capacity = capacity;
    return true;
}

void text_append(struct text *text, const void *bytes, size_t size)
{
    if (size == 0 || !text_reserve(text, size)) {
        return;
    }
    memcpy(text->bytes + text->size, bytes, size);
    text->size += size;
    text->bytes[text->size] = '\0';
}

void text_string(struct text *text, const char *string)
{
    text_append(text, string, strlen(string));
}

void text_u64(struct text *text, uint64_t value)
{
    char digits[20]; // 2^64 - 1 has 20
    size_t first = sizeof(digits);

    do {
        first--;
        digits[first] = (char)('0' + value % 10);
        value /= 10;
    } while (value != 0);
    text_append(text, digits + first, sizeof(digits) - first);
}

void text_vprintf(struct text *text, const char *format, va_list arguments)
{
    if (text->error != 0) {
        return;
    }
    va_list again;
    va_copy(again, arguments);
    const size_t room = text->bytes == NULL ? 0 : text->capacity - text->size;
    char *const end = room == 0 ? NULL : text->bytes + text->size;
    const int needed = vsnprintf(end, room, format, arguments);
    CHECK(needed >= 0);
    const size_t size = (size_t)needed;

    if (size >= room) {
        if (end != NULL) {
            *end = '\0'; // what vsnprintf left there is no part of the text
        }
        if (text_reserve(text, size)) {
            (void)vsnprintf(text->bytes + text->size, size + 1, format, again);
            text->size += size;
        }
    } else {
        text->size += size;
    }
    va_end(again);
}

void text_printf(struct text *text, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    text_vprintf(text, format, arguments);
    va_end(arguments);
}

const char *text_c(const struct text *text)
{
    return text->bytes == NULL ? "" : text->bytes;
}

struct slice text_slice(const struct text *text)
{
    return slice_of(text_c(text), text->size);
}
