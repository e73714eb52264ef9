#include "cli/text.h"

#include "core/check.h"
#include "core/memory.h"

#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    TEXT_BYTES_FIRST = 64, // most texts are a line
    EXIT_NO_MEMORY = 3,    // an error, as INTERFACE.md numbers them
};

static _Noreturn void text_out_of_memory(size_t size)
{
    fprintf(stderr, "rldb: out of memory: could not get %zu bytes\n", size);
    exit(EXIT_NO_MEMORY);
}

void *text_allocate(size_t size)
{
    void *const memory = memory_allocate_zeroed(size != 0 ? size : 1);

    if (memory == NULL) {
        text_out_of_memory(size);
    }
    return memory;
}

char *text_duplicate(const char *text)
{
    const size_t size = strlen(text) + 1;
    char *const copy = text_allocate(size);

    memcpy(copy, text, size);
    return copy;
}

char *text_reserve(struct text *text, size_t size)
{
    CHECK(text->size <= text->capacity);
    CHECK(size < SIZE_MAX / 4);
    if (text->capacity - text->size < size + 1) {
        size_t capacity = text->capacity != 0 ? text->capacity * 2 : TEXT_BYTES_FIRST;

        if (capacity < text->size + size + 1) {
            capacity = text->size + size + 1;
        }
        char *const bytes = memory_resize(text->bytes, capacity);

        if (bytes == NULL) {
            text_out_of_memory(capacity);
        }
        text->bytes = bytes;
        text->capacity = capacity;
    }
    return text->bytes + text->size;
}

void text_append(struct text *text, const void *bytes, size_t size)
{
    char *const place = text_reserve(text, size);

    if (size != 0) {
        memcpy(place, bytes, size);
    }
    text->size += size;
    text->bytes[text->size] = '\0';
}

void text_append_text(struct text *text, const char *appended)
{
    text_append(text, appended, strlen(appended));
}

void text_append_char(struct text *text, char appended)
{
    text_append(text, &appended, 1);
}

void text_append_repeated(struct text *text, char appended, size_t count)
{
    memset(text_reserve(text, count), appended, count);
    text->size += count;
    text->bytes[text->size] = '\0';
}

void text_appendf(struct text *text, const char *format, ...)
{
    va_list arguments;
    va_list again;

    va_start(arguments, format);
    va_copy(again, arguments);
    const int size = vsnprintf(NULL, 0, format, arguments);

    CHECK(size >= 0);
    char *const place = text_reserve(text, (size_t)size);

    vsnprintf(place, (size_t)size + 1, format, again);
    text->size += (size_t)size;
    va_end(again);
    va_end(arguments);
}

void text_clear(struct text *text)
{
    text->size = 0;
    if (text->bytes != NULL) {
        text->bytes[0] = '\0';
    }
}

void text_free(struct text *text)
{
    memory_free(text->bytes);
    *text = (struct text){0};
}

const char *text_c(const struct text *text)
{
    return text->bytes != NULL ? text->bytes : "";
}
