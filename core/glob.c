#include "core/glob.h"

#include "core/check.h"

#include <stdint.h>

static int glob_lower(uint8_t byte)
{
    return byte >= 'A' && byte <= 'Z' ? byte + ('a' - 'A') : byte;
}

static bool glob_same(uint8_t a, uint8_t b, bool ignore_case)
{
    return ignore_case ? glob_lower(a) == glob_lower(b) : a == b;
}

// What tolower(3) of glibc makes of a signed byte in the C locale: 0x80 to 0xfe, which are
// negative, come back positive, and only 0xff stays -1.
static int glob_lower_signed(int8_t byte)
{
    return byte < -1 ? byte + 256 : (byte == -1 ? -1 : glob_lower((uint8_t)byte));
}

// As Redis compares in ranges: signed, and the ends are put in order before they are lowered, so
// that a range whose ends cross by that is empty.
static bool glob_in_range(uint8_t first, uint8_t last, uint8_t byte, bool ignore_case)
{
    const int8_t a = (int8_t)first;
    const int8_t b = (int8_t)last;
    const int8_t start = a < b ? a : b;
    const int8_t end = a < b ? b : a;
    const int8_t value = (int8_t)byte;

    if (ignore_case) {
        const int lowered = glob_lower_signed(value);

        return lowered >= glob_lower_signed(start) && lowered <= glob_lower_signed(end);
    }
    return value >= start && value <= end;
}

// Matches one byte against the class whose '[' is at *at, and moves *at behind the class.
static bool glob_match_class(struct slice pattern, size_t *at, uint8_t byte, bool ignore_case)
{
    const uint8_t *const p = pattern.bytes;
    size_t i = *at + 1;
    const bool negated = i < pattern.size && p[i] == '^';
    bool matched = false;

    i += negated;
    for (; i < pattern.size && p[i] != ']'; i++) {
        if (p[i] == '\\' && i + 1 < pattern.size) {
            i++;
            matched |= p[i] == byte;
        } else if (i + 2 < pattern.size && p[i + 1] == '-') {
            matched |= glob_in_range(p[i], p[i + 2], byte, ignore_case);
            i += 2;
        } else {
            matched |= glob_same(p[i], byte, ignore_case);
        }
    }
    *at = i < pattern.size ? i + 1 : i;
    return matched != negated;
}

// Matches one byte against what is at *at of the pattern, no '*', and moves *at behind it.
static bool glob_match_one(struct slice pattern, size_t *at, uint8_t byte, bool ignore_case)
{
    const uint8_t *const p = pattern.bytes;

    switch (p[*at]) {
    case '?':
        (*at)++;
        return true;
    case '[':
        return glob_match_class(pattern, at, byte, ignore_case);
    case '\\':
        if (*at + 1 < pattern.size) {
            (*at)++;
        }
        break;
    default:
        break;
    }
    return glob_same(p[(*at)++], byte, ignore_case);
}

bool glob_match(struct slice pattern, struct slice text, bool ignore_case)
{
    const uint8_t *const p = pattern.bytes;
    size_t at = 0;          // in the pattern
    size_t i = 0;           // in the text
    size_t star = SIZE_MAX; // in the pattern, behind the last '*' passed
    size_t star_text = 0;   // where the text after that '*' was tried to begin

    if (text.size == 0) {
        return pattern.size == 0;
    }
    while (i < text.size) {
        if (at < pattern.size && p[at] == '*') {
            while (at < pattern.size && p[at] == '*') {
                at++;
            }
            if (at == pattern.size) {
                return true;
            }
            star = at;
            star_text = i;
        } else if (at < pattern.size && glob_match_one(pattern, &at, text.bytes[i], ignore_case)) {
            i++;
        } else if (star != SIZE_MAX) {
            // Let the last '*' take one byte more. Earlier ones need not: whatever they could give
            // it, it can take itself.
            star_text++;
            i = star_text;
            at = star;
        } else {
            return false;
        }
    }
    while (at < pattern.size && p[at] == '*') {
        at++;
    }
    return at == pattern.size;
}
