// Times of expiry as commands give them.
#include "cluster/expire.h"

#include "tests/unit/desk.h"

#include <inttypes.h>
#include <stdio.h>

#define NOW_MS UINT64_C(1700000000000)

Test(expire, units_are_found_in_any_case)
{
    static const struct {
        const char *word;
        enum expire_unit unit;
    } rows[] = {
        {"ex", EXPIRE_SECONDS},   {"Px", EXPIRE_MS},    {"EXAT", EXPIRE_AT_SECONDS},
        {"pxAT", EXPIRE_AT_MS},   {"e", EXPIRE_NONE},   {"exx", EXPIRE_NONE},
        {"keepttl", EXPIRE_NONE}, {"pxa", EXPIRE_NONE}, {"ex\n", EXPIRE_NONE},
    };
    struct desk desk;

    desk_open(&desk);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        char words[64];

        (void)snprintf(words, sizeof words, "set k v %s", rows[i].word);
        cr_expect_eq(expire_word(desk_request(&desk, words), 3), rows[i].unit, "%s", rows[i].word);
    }
    desk_close(&desk);
}

// What `value` of that unit comes to; 0: refused, `reply` says with what.
static void expect_time(struct desk *desk, enum expire_unit unit, const char *value,
                        uint64_t expire_ms, const char *reply)
{
    char words[128];
    uint64_t got = 0;

    (void)snprintf(words, sizeof words, "set k v ex %s", value);
    const bool valid = expire_parse_positive(desk_request(desk, words), 4, unit, &got);

    cr_expect_eq(valid, expire_ms != 0, "%d %s", (int)unit, value);
    cr_expect_eq(got, expire_ms, "%d %s: %" PRIu64, (int)unit, value, got);
    cr_expect_str_eq(desk_reply(desk), reply, "%d %s", (int)unit, value);
}

Test(expire, times_are_from_now_or_since_the_epoch)
{
    struct desk desk;

    desk_open(&desk);
    expect_time(&desk, EXPIRE_SECONDS, "1", NOW_MS + 1000, "");
    expect_time(&desk, EXPIRE_MS, "1", NOW_MS + 1, "");
    expect_time(&desk, EXPIRE_AT_SECONDS, "1", 1000, ""); // long over, and that is allowed
    expect_time(&desk, EXPIRE_AT_MS, "1", 1, "");
    desk_close(&desk);
}

Test(expire, what_leaves_the_range_is_refused)
{
    static const char INVALID[] = "-ERR invalid expire time in 'set' command\r\n";
    static const char NO_INTEGER[] = "-ERR value is not an integer or out of range\r\n";
    struct desk desk;

    desk_open(&desk);
    for (int unit = EXPIRE_SECONDS; unit <= EXPIRE_AT_MS; unit++) {
        expect_time(&desk, (enum expire_unit)unit, "0", 0, INVALID);
        expect_time(&desk, (enum expire_unit)unit, "-1", 0, INVALID);
        expect_time(&desk, (enum expire_unit)unit, "-9223372036854775808", 0, INVALID);
        expect_time(&desk, (enum expire_unit)unit, "9223372036854775808", 0, NO_INTEGER);
        expect_time(&desk, (enum expire_unit)unit, "1.5", 0, NO_INTEGER);
        expect_time(&desk, (enum expire_unit)unit, " 1", 0, NO_INTEGER);
    }
    // The last that is a time, and the first that is none: in ms it has to fit into an int64.
    expect_time(&desk, EXPIRE_AT_MS, "9223372036854775807", INT64_MAX, "");
    expect_time(&desk, EXPIRE_MS, "9223370336854775807", INT64_MAX, "");
    expect_time(&desk, EXPIRE_MS, "9223370336854775808", 0, INVALID);
    expect_time(&desk, EXPIRE_AT_SECONDS, "9223372036854775", UINT64_C(9223372036854775000), "");
    expect_time(&desk, EXPIRE_AT_SECONDS, "9223372036854776", 0, INVALID);
    expect_time(&desk, EXPIRE_SECONDS, "9223370336854775", UINT64_C(9223372036854775000), "");
    expect_time(&desk, EXPIRE_SECONDS, "9223370336854776", 0, INVALID);
    desk_close(&desk);
}
