#include "core/number.h"

#include "core/random.h"

#include <criterion/criterion.h>
#include <float.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>

static void expect_i64(const char *text, int64_t expected)
{
    int64_t value = 0;

    cr_expect(number_parse_i64(slice_from_text(text), &value), "%s", text);
    cr_expect_eq(value, expected, "%s", text);
}

static void expect_no_i64(const char *text)
{
    int64_t value = 7;

    cr_expect_not(number_parse_i64(slice_from_text(text), &value), "%s", text);
    cr_expect_eq(value, 7, "%s", text);
}

Test(core_number, reads_integers)
{
    expect_i64("0", 0);
    expect_i64("7", 7);
    expect_i64("-7", -7);
    expect_i64("1234567890", 1234567890);
    expect_i64("9223372036854775807", INT64_MAX);
    expect_i64("-9223372036854775808", INT64_MIN);
    expect_i64("-9223372036854775807", -INT64_MAX);
}

Test(core_number, reads_nothing_else_as_an_integer)
{
    static const char *const texts[] = {
        "",
        "-",
        "+1",
        " 1",
        "1 ",
        "00",
        "01",
        "-0",
        "-01",
        "--1",
        "1.0",
        "1e3",
        "0x1",
        "12a",
        "9223372036854775808",
        "-9223372036854775809",
        "18446744073709551615",
        "18446744073709551616",
        "18446744073709551617",
        "99999999999999999999",
        "100000000000000000000",
        "-100000000000000000000",
    };

    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        expect_no_i64(texts[i]);
    }
    int64_t value = 7;

    cr_assert_not(number_parse_i64(slice_of("1\0", 2), &value));
    cr_assert_not(number_parse_i64(slice_of(NULL, 0), &value));
}

static void expect_written(int64_t value)
{
    uint8_t bytes[NUMBER_I64_BYTES_MAX];
    char expected[32];
    const size_t size = (size_t)(number_write_i64(bytes, value) - bytes);
    int64_t back = 0;

    cr_assert_eq(snprintf(expected, sizeof expected, "%" PRId64, value), (int)size);
    cr_assert_eq(memcmp(bytes, expected, size), 0);
    cr_assert(number_parse_i64(slice_of(bytes, size), &back));
    cr_assert_eq(back, value);
}

Test(core_number, writes_integers_that_read_back)
{
    struct random random;

    expect_written(INT64_MIN);
    expect_written(INT64_MAX);
    for (int64_t value = -1100; value <= 1100; value++) {
        expect_written(value);
    }
    for (int64_t power = 1; power <= INT64_MAX / 10; power *= 10) {
        expect_written(power * 10 - 1);
        expect_written(power * 10);
        expect_written(-power * 10);
    }
    random_seed(&random, 1);
    for (int i = 0; i < 10000; i++) {
        const uint64_t bits = random_u64(&random);

        expect_written((int64_t)(bits >> (bits & 63)) * ((bits & 64) != 0 ? -1 : 1));
    }
}

static void expect_float(const char *text, const char *expected)
{
    char formatted[NUMBER_LD_BYTES_MAX];
    long double value = 0;

    cr_expect(number_parse_ld(slice_from_text(text), &value), "%s", text);
    const size_t size = number_format_ld(value, formatted);

    cr_expect_str_eq(formatted, expected, "%s: %s", text, formatted);
    cr_expect_eq(strlen(formatted), size);
}

// What Redis 7.0 answers to INCRBYFLOAT of a new key by each.
Test(core_number, reads_and_writes_floats)
{
    expect_float("0", "0");
    expect_float("-0", "0");
    expect_float("-0.000000000000000001", "0");
    expect_float("3.0", "3");
    expect_float("10.50", "10.5");
    expect_float("0.1", "0.1");
    expect_float("5.0e3", "5000");
    expect_float("-5.0e-3", "-0.005");
    expect_float("100", "100");
    expect_float("1e20", "100000000000000000000");
    expect_float("0x10", "16");
    expect_float("+1", "1");
    expect_float(".5", "0.5");
    expect_float("5.", "5");
    expect_float("3.141592653589793238", "3.14159265358979324");
    expect_float("inf", "inf");
    expect_float("-Infinity", "-inf");
}

Test(core_number, reads_nothing_else_as_a_float)
{
    static const char *const texts[] = {"",         " 1",       "1 ", "\n1", "nan",
                                        "-nan",     "1.2.3",    "1e", "abc", "1e99999",
                                        "-1e99999", "1e-99999", "0x", "1,5"};

    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        long double value = 7;

        cr_expect_not(number_parse_ld(slice_from_text(texts[i]), &value), "%s", texts[i]);
        cr_expect_eq(value, 7.0L, "%s", texts[i]);
    }
    long double value = 0;

    cr_expect_not(number_parse_ld(slice_of("1\0", 2), &value));
}

Test(core_number, the_longest_float_is_the_longest)
{
    static char text[NUMBER_LD_BYTES_MAX + 1];
    char formatted[NUMBER_LD_BYTES_MAX];
    long double value = 0;

    cr_assert_eq(number_format_ld(-LDBL_MAX, formatted), 1 + LDBL_MAX_10_EXP + 1);
    memset(text, '0', sizeof text);
    cr_assert(number_parse_ld(slice_of(text, NUMBER_LD_BYTES_MAX - 1), &value));
    cr_assert_not(number_parse_ld(slice_of(text, NUMBER_LD_BYTES_MAX), &value));
}
