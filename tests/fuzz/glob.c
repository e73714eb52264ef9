// A pattern and a text, parted by the first newline; the first byte says whether case counts. The
// matcher must agree with a model that reads the pattern into sets of bytes first, and then keeps
// all places of the pattern where it could be at once.
#include "core/glob.h"
#include "core/check.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

enum { SIZE_MAX_HERE = 512 }; // of pattern and text; the model is slow

// What one place of a pattern takes: any number of bytes, or one of a set.
struct place {
    bool star;
    bool takes[256];
};

// The C locale's tolower(3) of a signed char, as Redis calls it.
static int lowered(uint8_t byte)
{
    if (byte >= 0x80) {
        return byte == 0xff ? -1 : byte;
    }
    return tolower(byte);
}

static void take_byte(struct place *place, uint8_t wanted, bool fold)
{
    for (unsigned b = 0; b < 256; b++) {
        place->takes[b] |= fold ? lowered((uint8_t)b) == lowered(wanted) : b == wanted;
    }
}

static void take_range(struct place *place, uint8_t from, uint8_t to, bool fold)
{
    if ((int8_t)from > (int8_t)to) {
        const uint8_t swapped = from;

        from = to;
        to = swapped;
    }
    for (unsigned b = 0; b < 256; b++) {
        place->takes[b] |=
            fold ? lowered((uint8_t)b) >= lowered(from) && lowered((uint8_t)b) <= lowered(to)
                 : (int8_t)b >= (int8_t)from && (int8_t)b <= (int8_t)to;
    }
}

// Reads a class whose '[' is before `at`; returns where it ends.
static size_t read_class(struct slice pattern, size_t at, bool fold, struct place *place)
{
    const uint8_t *const p = pattern.bytes;
    const bool negated = at < pattern.size && p[at] == '^';

    at += negated;
    while (at < pattern.size && p[at] != ']') {
        const size_t left = pattern.size - at;

        if (p[at] == '\\' && left >= 2) {
            take_byte(place, p[at + 1], false);
            at += 2;
        } else if (left >= 3 && p[at + 1] == '-') {
            take_range(place, p[at], p[at + 2], fold);
            at += 3;
        } else {
            take_byte(place, p[at], fold);
            at++;
        }
    }
    for (unsigned b = 0; b < 256 && negated; b++) {
        place->takes[b] = !place->takes[b];
    }
    return at < pattern.size ? at + 1 : at;
}

static size_t read_pattern(struct slice pattern, bool fold, struct place *ret_places)
{
    const uint8_t *const p = pattern.bytes;
    size_t count = 0;

    for (size_t at = 0; at < pattern.size; count++) {
        struct place *const place = &ret_places[count];

        *place = (struct place){0};
        if (p[at] == '*') {
            place->star = true;
            at++;
        } else if (p[at] == '?') {
            memset(place->takes, true, sizeof place->takes);
            at++;
        } else if (p[at] == '[') {
            at = read_class(pattern, at + 1, fold, place);
        } else {
            at += p[at] == '\\' && at + 1 < pattern.size;
            take_byte(place, p[at], fold);
            at++;
        }
    }
    return count;
}

static bool model(struct slice pattern, struct slice text, bool fold)
{
    static struct place places[SIZE_MAX_HERE];
    const size_t count = read_pattern(pattern, fold, places);
    bool now[SIZE_MAX_HERE + 1] = {true};

    if (text.size == 0) {
        return count == 0;
    }
    for (size_t i = 0;; i++) {
        for (size_t s = 0; s < count; s++) {
            now[s + 1] |= now[s] && places[s].star;
        }
        if (i == text.size) {
            return now[count];
        }
        bool next[SIZE_MAX_HERE + 1] = {false};

        for (size_t s = 0; s < count; s++) {
            if (now[s] && places[s].star) {
                next[s] = true;
            } else if (now[s] && places[s].takes[text.bytes[i]]) {
                next[s + 1] = true;
            }
        }
        memcpy(now, next, sizeof now);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    if (size < 2 || size > SIZE_MAX_HERE) {
        return 0;
    }
    const uint8_t *const newline = memchr(bytes + 1, '\n', size - 1);

    if (newline == NULL) {
        return 0;
    }
    const struct slice pattern = slice_of(bytes + 1, (size_t)(newline - bytes - 1));
    const struct slice text = slice_of(newline + 1, (size_t)(bytes + size - newline - 1));
    const bool fold = (bytes[0] & 1) != 0;

    CHECK(glob_match(pattern, text, fold) == model(pattern, text, fold));
    return 0;
}
