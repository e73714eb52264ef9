// Numbers as Redis reads and writes them.
//
// Parsing is strict: the whole input is the number, in the one form that formatting would give it.
// So a value that was stored as a number reads back to the same bytes. Sources of the behaviour:
// string2ll(), string2ld(), ld2string() in src/util.c of Redis 7.0.15.
#pragma once

#include "core/slice.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

enum {
    NUMBER_I64_BYTES_MAX = 20,     // "-9223372036854775808"; 2^64 - 1 has as many
    NUMBER_LD_BYTES_MAX = 5 * 1024 // a long double in full, with 17 decimals; as Redis
};

// "00" to "99".
extern const char number_digit_pairs[201];

uint8_t *number_write_u64_slowly(uint8_t *at, uint64_t value);

// Writes `value` in decimal and returns the first byte after it; at most NUMBER_I64_BYTES_MAX
// bytes.
static inline uint8_t *number_write_u64(uint8_t *at, uint64_t value)
{
    if (value < 10) {
        *at = (uint8_t)('0' + value);
        return at + 1;
    }
    if (value < 100) {
        memcpy(at, number_digit_pairs + 2 * value, 2);
        return at + 2;
    }
    return number_write_u64_slowly(at, value);
}

static inline uint8_t *number_write_i64(uint8_t *at, int64_t value)
{
    uint64_t magnitude = (uint64_t)value;

    if (value < 0) {
        *at++ = '-';
        magnitude = 0 - magnitude;
    }
    return number_write_u64(at, magnitude);
}

// A signed integer without leading spaces, zeros or '+', and no "-0". False when it is not one or
// out of range; *ret_value is untouched then.
bool number_parse_i64(struct slice text, int64_t *ret_value);

// A number as strtold(3) reads it in the C locale (so with exponents, "0x" and "inf"), without
// spaces around it. False for NaN, for what is out of range, and from NUMBER_LD_BYTES_MAX bytes on.
bool number_parse_ld(struct slice text, long double *ret_value);

// As INCRBYFLOAT stores it: 17 decimals without the zeros at the end, no exponent, "0" for what
// rounds to -0; "inf", "-inf". `ret_text` has NUMBER_LD_BYTES_MAX bytes and is terminated; returns
// the size without the NUL. The value is no NaN.
size_t number_format_ld(long double value, char *ret_text);
