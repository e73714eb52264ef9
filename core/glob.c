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

void glob_begin(struct glob *glob, struct slice pattern, struct slice text, bool ignore_case)
{
    *glob = (struct glob){
        .pattern = pattern, .text = text, .star = SIZE_MAX, .ignore_case = ignore_case};
}

// Behind the stars that are at `at` of the pattern.
static size_t glob_skip_stars(struct slice pattern, size_t at)
{
    while (at < pattern.size && pattern.bytes[at] == '*') {
        at++;
    }
    return at;
}

// One step: a run of stars, or a byte of the text that fits or does not. Returns GLOB_MORE unless
// that decides it, and the bytes of the pattern that were read.
static enum glob_result glob_step(struct glob *glob, uint64_t *ret_read)
{
    const struct slice pattern = glob->pattern;
    size_t at = glob->at;
    bool fits = false;

    if (at < pattern.size && pattern.bytes[at] == '*') {
        at = glob_skip_stars(pattern, at);
        *ret_read = at - glob->at;
        glob->at = glob->star = at;
        glob->star_text = glob->in_text;
        return at == pattern.size ? GLOB_MATCH : GLOB_MORE;
    }
    if (at < pattern.size) {
        fits = glob_match_one(pattern, &at, glob->text.bytes[glob->in_text], glob->ignore_case);
    }
    *ret_read = at - glob->at + 1;
    if (fits) {
        glob->at = at;
        glob->in_text++;
    } else if (glob->star != SIZE_MAX) {
        // Let the last '*' take one byte more. Earlier ones need not: whatever they could give it,
        // it can take itself.
        glob->star_text++;
        glob->in_text = glob->star_text;
        glob->at = glob->star;
    } else {
        return GLOB_NO_MATCH;
    }
    return GLOB_MORE;
}

enum glob_result glob_run(struct glob *glob, uint64_t *steps)
{
    if (glob->text.size == 0) {
        return glob->pattern.size == 0 ? GLOB_MATCH : GLOB_NO_MATCH;
    }
    while (glob->in_text < glob->text.size) {
        uint64_t read;

        if (*steps == 0) {
            return GLOB_MORE;
        }
        const enum glob_result result = glob_step(glob, &read);

        *steps -= read < *steps ? read : *steps;
        if (result != GLOB_MORE) {
            return result;
        }
    }
    return glob_skip_stars(glob->pattern, glob->at) == glob->pattern.size ? GLOB_MATCH
                                                                          : GLOB_NO_MATCH;
}

bool glob_match(struct slice pattern, struct slice text, bool ignore_case)
{
    struct glob glob;
    uint64_t steps = UINT64_MAX;

    glob_begin(&glob, pattern, text, ignore_case);
    return glob_run(&glob, &steps) == GLOB_MATCH;
}
