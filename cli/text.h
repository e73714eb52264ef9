// A string that grows: what rldb builds its output lines, tables and commands in.
//
// It holds any bytes; one NUL beyond `size` is always there, so that text without NULs inside can
// be handed to functions that want a C string. Zero-initialised it is empty and valid. When the
// machine has no memory left, rldb says so and exits with 3: there is nothing better for a command
// to do, and no caller has to care.
#pragma once

#include <stdbool.h>
#include <stddef.h>

struct text {
    char *bytes; // NULL while nothing was ever appended
    size_t size;
    size_t capacity;
};

void text_append(struct text *text, const void *bytes, size_t size);
void text_append_text(struct text *text, const char *appended);
void text_append_char(struct text *text, char appended);
void text_append_repeated(struct text *text, char appended, size_t count);
void text_appendf(struct text *text, const char *format, ...) __attribute__((format(printf, 2, 3)));

// Makes room for `size` more bytes and returns where they go; the caller adds to `size` what it
// wrote.
char *text_reserve(struct text *text, size_t size);

// Empties it and keeps its memory.
void text_clear(struct text *text);

// Gives its memory back; it may be used again.
void text_free(struct text *text);

// The bytes as a C string; "" when nothing was appended. Valid until the next change.
const char *text_c(const struct text *text);

// Memory for anything else that rldb needs: never NULL, given back with memory_free.
void *text_allocate(size_t size);
char *text_duplicate(const char *text);
