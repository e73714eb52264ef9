#include "core/number.h"

#include "core/check.h"

#include <ctype.h>
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

const char number_digit_pairs[201] = "0001020304050607080910111213141516171819"
                                     "2021222324252627282930313233343536373839"
                                     "4041424344454647484950515253545556575859"
                                     "6061626364656667686970717273747576777879"
                                     "8081828384858687888990919293949596979899";

uint8_t *number_write_u64_slowly(uint8_t *at, uint64_t value)
{
    uint8_t digits[NUMBER_I64_BYTES_MAX];
    size_t start = sizeof digits;

    while (value >= 100) {
        start -= 2;
        memcpy(digits + start, number_digit_pairs + 2 * (value % 100), 2);
        value /= 100;
    }
    if (value >= 10) {
        start -= 2;
        memcpy(digits + start, number_digit_pairs + 2 * value, 2);
    } else {
        digits[--start] = (uint8_t)('0' + value);
    }
    memcpy(at, digits + start, sizeof digits - start);
    return at + (sizeof digits - start);
}

bool number_parse_i64(struct slice text, int64_t *ret_value)
{
    const uint8_t *at = text.bytes;
    const uint8_t *const end = text.bytes + text.size;
    uint64_t magnitude = 0;

    if (text.size == 0) {
        return false;
    }
    if (text.size == 1 && *at == '0') {
        *ret_value = 0;
        return true;
    }
    const bool negative = *at == '-';

    at += negative;
    if (at == end || *at == '0') {
        return false;
    }
    for (; at != end; at++) {
        const uint64_t digit = *at - (uint64_t)'0';

        if (digit > 9 || __builtin_mul_overflow(magnitude, 10, &magnitude) ||
            __builtin_add_overflow(magnitude, digit, &magnitude)) {
            return false;
        }
    }
    if (magnitude > (uint64_t)INT64_MAX + negative) {
        return false;
    }
    *ret_value = (int64_t)(negative ? 0 - magnitude : magnitude);
    return true;
}

bool number_parse_ld(struct slice text, long double *ret_value)
{
    char terminated[NUMBER_LD_BYTES_MAX];
    char *end = NULL;

    if (text.size == 0 || text.size >= sizeof terminated) {
        return false;
    }
    memcpy(terminated, text.bytes, text.size);
    terminated[text.size] = '\0';
    errno = 0;
    const long double value = strtold(terminated, &end);

    // A result that is denormal sets ERANGE too and is taken, as Redis does.
    const bool out_of_range = errno == ERANGE && (isinf(value) || fpclassify(value) == FP_ZERO);

    if (isspace((unsigned char)terminated[0]) || end != terminated + text.size || out_of_range ||
        isnan(value)) {
        return false;
    }
    *ret_value = value;
    return true;
}

size_t number_format_ld(long double value, char *ret_text)
{
    CHECK(!isnan(value));
    if (isinf(value)) {
        return (size_t)snprintf(ret_text, NUMBER_LD_BYTES_MAX, "%s", value > 0 ? "inf" : "-inf");
    }
    const int printed = snprintf(ret_text, NUMBER_LD_BYTES_MAX, "%.17Lf", value);

    CHECK(printed > 0 && printed < NUMBER_LD_BYTES_MAX);
    size_t size = (size_t)printed;

    while (ret_text[size - 1] == '0') {
        size--;
    }
    if (ret_text[size - 1] == '.') {
        size--;
    }
    if (size == 2 && memcmp(ret_text, "-0", 2) == 0) {
        ret_text[0] = '0';
        size = 1;
    }
    ret_text[size] = '\0';
    return size;
}
