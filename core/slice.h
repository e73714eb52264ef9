// A slice: some bytes and how many of them there are. It never owns them; whoever hands one out
// says how long the bytes stay. It may hold NULs, and is not terminated by one. The empty slice may
// have NULL bytes.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct slice {
    const uint8_t *bytes;
    size_t size;
};

static inline struct slice slice_of(const void *bytes, size_t size)
{
    return (struct slice){.bytes = bytes, .size = size};
}

// The bytes of a C string, without its NUL.
static inline struct slice slice_from_text(const char *text)
{
    return slice_of(text, strlen(text));
}

static inline bool slice_equal(struct slice a, struct slice b)
{
    // memcmp must not be given NULL, not even with a size of 0.
    return a.size == b.size && (a.size == 0 || memcmp(a.bytes, b.bytes, a.size) == 0);
}
