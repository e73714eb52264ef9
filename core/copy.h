// Copies of a few bytes, whose number is not known when they are compiled.
#pragma once

#include <stddef.h>
#include <stdint.h>
#include <string.h>

// memcpy() in place: what is up to 16 bytes takes two loads and stores that may overlap. The call,
// and finding out there which of its ways to copy fits, costs more than that for keys and replies.
static inline void copy_short(void *to, const void *from, size_t size)
{
    uint8_t *const out = to;
    const uint8_t *const in = from;

    if (size > 16) {
        memcpy(to, from, size);
    } else if (size >= 8) {
        uint64_t first;
        uint64_t last;
        memcpy(&first, in, sizeof first);
        memcpy(&last, in + size - sizeof last, sizeof last);
        memcpy(out, &first, sizeof first);
        memcpy(out + size - sizeof last, &last, sizeof last);
    } else if (size >= 4) {
        uint32_t first;
        uint32_t last;
        memcpy(&first, in, sizeof first);
        memcpy(&last, in + size - sizeof last, sizeof last);
        memcpy(out, &first, sizeof first);
        memcpy(out + size - sizeof last, &last, sizeof last);
    } else if (size != 0) {
        const uint8_t middle = in[size / 2];
        const uint8_t last = in[size - 1];
        out[0] = in[0];
        out[size / 2] = middle;
        out[size - 1] = last;
    }
}
