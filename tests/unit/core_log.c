#include "core/log.h"

#include <criterion/criterion.h>

#include <errno.h>
#include <stdio.h>
#include <string.h>

struct capture {
    char bytes[8192];
    size_t size;
    unsigned lines;
    enum log_level level;
};

static void capture_line(void *context, enum log_level level, const char *line, size_t size)
{
    struct capture *capture = context;

    cr_assert_leq(size, LIMIT_LOG_LINE_BYTES);
    cr_assert_eq(line[size - 1], '\n');
    cr_assert_null(memchr(line, '\n', size - 1), "one line");
    cr_assert_lt(capture->size + size, sizeof(capture->bytes));
    memcpy(capture->bytes + capture->size, line, size);
    capture->size += size;
    capture->bytes[capture->size] = '\0';
    capture->lines++;
    capture->level = level;
}

// 2026-01-31 12:34:56.007 UTC
static const uint64_t wall_ms = UINT64_C(1769862896007);

static struct log log_to(struct capture *capture, enum log_format format)
{
    *capture = (struct capture){0};
    return (struct log){.level = LOG_LEVEL_INFO,
                        .format = format,
                        .sink = capture_line,
                        .context = capture,
                        .wall_ms = &wall_ms};
}

static void log_example(struct log *log)
{
    struct log_line line;

    log_begin(&line, log, LOG_LEVEL_WARNING, "shard started");
    log_u64(&line, "shard", 1);
    log_text(&line, "listen", "127.0.0.1:7381");
    log_text(&line, "name", "two words");
    log_text(&line, "empty", "");
    log_i64(&line, "offset", -5);
    log_bool(&line, "pinned", true);
    log_errno(&line, -ENOENT);
    log_end(&line);
}

Test(core_log, a_line_of_text)
{
    static struct capture capture;
    struct log log = log_to(&capture, LOG_FORMAT_TEXT);

    log_example(&log);
    cr_expect_str_eq(capture.bytes,
                     "2026-01-31T12:34:56.007Z warning shard started shard=1 listen=127.0.0.1:7381 "
                     "name=\"two words\" empty=\"\" offset=-5 pinned=true "
                     "error=\"No such file or directory\" errno=2\n");
    cr_expect_eq(capture.level, LOG_LEVEL_WARNING);
}

Test(core_log, a_line_of_json)
{
    static struct capture capture;
    struct log log = log_to(&capture, LOG_FORMAT_JSON);

    log_example(&log);
    cr_expect_str_eq(
        capture.bytes,
        "{\"time\":\"2026-01-31T12:34:56.007Z\",\"level\":\"warning\",\"message\":\"shard "
        "started\","
        "\"shard\":1,\"listen\":\"127.0.0.1:7381\",\"name\":\"two words\",\"empty\":\"\","
        "\"offset\":-5,\"pinned\":true,\"error\":\"No such file or directory\",\"errno\":2}\n");
}

Test(core_log, levels_below_are_not_built)
{
    static struct capture capture;
    struct log log = log_to(&capture, LOG_FORMAT_TEXT);

    log_print(&log, LOG_LEVEL_DEBUG, "no");
    cr_expect_eq(capture.lines, 0);
    log_print(&log, LOG_LEVEL_INFO, "yes %d", 1);
    log_print(&log, LOG_LEVEL_ERROR, "yes %d", 2);
    cr_expect_str_eq(capture.bytes, "2026-01-31T12:34:56.007Z info    yes 1\n"
                                    "2026-01-31T12:34:56.007Z error   yes 2\n");
    log.level = LOG_LEVEL_DEBUG;
    log_print(&log, LOG_LEVEL_DEBUG, "now");
    cr_expect_eq(capture.lines, 3);
    log.sink = NULL;
    log_example(&log);
    cr_expect_eq(capture.lines, 3);
}

Test(core_log, without_a_clock_there_is_no_time)
{
    static struct capture capture;
    struct log log = log_to(&capture, LOG_FORMAT_TEXT);

    log.wall_ms = NULL;
    log_print(&log, LOG_LEVEL_INFO, "a");
    log.format = LOG_FORMAT_JSON;
    log_print(&log, LOG_LEVEL_INFO, "b");
    cr_expect_str_eq(capture.bytes, "info    a\n{\"level\":\"info\",\"message\":\"b\"}\n");
}

struct escape {
    const char *bytes;
    size_t size;
    const char *text;
    const char *json;
};

Test(core_log, no_input_can_forge_a_line_or_reach_the_terminal)
{
    static const struct escape escapes[] = {
        {"a\nb", 3, "\"a\\nb\"", "\"a\\nb\""},
        {"\r\t", 2, "\"\\r\\t\"", "\"\\r\\t\""},
        {"\x1b[31m", 5, "\"\\x1b[31m\"", "\"\\u001b[31m\""},
        {"\0", 1, "\"\\x00\"", "\"\\u0000\""},
        {"\x7f", 1, "\"\\x7f\"", "\"\\u007f\""},
        {"\xc2\x9b", 2, "\"\\xc2\\x9b\"", "\"\\ufffd\\ufffd\""}, // C1: CSI in one byte
        {"\"\\", 2, "\"\\\"\\\\\"", "\"\\\"\\\\\""},
        {"a=b", 3, "\"a=b\"", "\"a=b\""},
        {"\xc3\xa9", 2, "\xc3\xa9", "\"\xc3\xa9\""},
        {"\xf0\x9f\xa6\x80", 4, "\xf0\x9f\xa6\x80", "\"\xf0\x9f\xa6\x80\""},
        {"\xc0\xaf", 2, "\"\\xc0\\xaf\"", "\"\\ufffd\\ufffd\""},                 // overlong
        {"\xe0\x9f\xbf", 3, "\"\\xe0\\x9f\\xbf\"", "\"\\ufffd\\ufffd\\ufffd\""}, // overlong
        {"\xed\xa0\x80", 3, "\"\\xed\\xa0\\x80\"", "\"\\ufffd\\ufffd\\ufffd\""}, // a surrogate
        {"\xf4\x90\x80\x80", 4, "\"\\xf4\\x90\\x80\\x80\"", "\"\\ufffd\\ufffd\\ufffd\\ufffd\""},
        {"a\xc3", 2, "\"a\\xc3\"", "\"a\\ufffd\""}, // cut
    };

    for (size_t i = 0; i < sizeof(escapes) / sizeof(escapes[0]); i++) {
        for (int json = 0; json <= 1; json++) {
            static struct capture capture;
            struct log log = log_to(&capture, json != 0 ? LOG_FORMAT_JSON : LOG_FORMAT_TEXT);
            struct log_line line;
            char expected[256];
            log.wall_ms = NULL;
            log_begin(&line, &log, LOG_LEVEL_INFO, "m");
            log_slice(&line, "v", slice_of(escapes[i].bytes, escapes[i].size));
            log_end(&line);
            snprintf(expected, sizeof(expected),
                     json != 0 ? "{\"level\":\"info\",\"message\":\"m\",\"v\":%s}\n"
                               : "info    m v=%s\n",
                     json != 0 ? escapes[i].json : escapes[i].text);
            cr_expect_str_eq(capture.bytes, expected, "%zu: %s, not %s", i, capture.bytes,
                             expected);
        }
    }
}

Test(core_log, a_message_is_escaped_too)
{
    static struct capture capture;
    struct log log = log_to(&capture, LOG_FORMAT_TEXT);

    log.wall_ms = NULL;
    log_print(&log, LOG_LEVEL_INFO, "a\n%s", "\x1b");
    cr_expect_str_eq(capture.bytes, "info    a\\n\\x1b\n");
}

// Whatever is too long is cut and marked, and the line still ends as its format wants.
Test(core_log, long_lines_lose_their_end_and_say_so)
{
    static char huge[10000];

    memset(huge, 'x', sizeof(huge) - 1);
    for (int json = 0; json <= 1; json++) {
        static struct capture capture;
        struct log log = log_to(&capture, json != 0 ? LOG_FORMAT_JSON : LOG_FORMAT_TEXT);
        const char *end = json != 0 ? ",\"truncated\":true}\n" : " truncated=true\n";
        struct log_line line;
        log_begin(&line, &log, LOG_LEVEL_INFO, huge);
        log_text(&line, "a", huge);
        log_u64(&line, "b", 1);
        log_text(&line, "c", huge);
        log_u64(&line, "d", 2);
        log_end(&line);
        cr_expect_eq(capture.lines, 1);
        cr_expect_str_eq(capture.bytes + capture.size - strlen(end), end);
        cr_expect_not_null(strstr(capture.bytes, json != 0 ? "\"a\":\"xxx" : " a=xxx"));
        cr_expect_not_null(strstr(capture.bytes, json != 0 ? "\"b\":1" : " b=1"));
        cr_expect_null(strstr(capture.bytes, json != 0 ? "\"c\":" : " c="));
        cr_expect_null(strstr(capture.bytes, json != 0 ? "\"d\":" : " d="),
                       "nothing after the cut");
    }
}

// All lengths around the bound, so that no field stops half-way.
Test(core_log, the_bound_is_met_exactly)
{
    static struct capture capture;
    struct log log = log_to(&capture, LOG_FORMAT_TEXT);

    log.wall_ms = NULL;
    for (int extra = 0; extra < 64; extra++) {
        static char value[64];
        struct log_line line;
        memset(value, 'y', sizeof(value));
        capture.size = 0;
        log_begin(&line, &log, LOG_LEVEL_INFO, "m");
        log_slice(&line, "s", slice_of(value, (size_t)extra));
        for (int i = 0; i < 200; i++) {
            log_u64(&line, "field", 1234567);
        }
        log_end(&line);
        const char *last = strrchr(capture.bytes, '=');
        cr_expect_str_eq(last, "=true\n");
        cr_expect(strncmp(last - strlen("1234567 truncated"), "1234567 truncated=", 18) == 0);
    }
}

Test(core_log, a_call_site_can_be_limited)
{
    struct log_limit limit = {0};
    uint32_t suppressed = 99;
    unsigned passed = 0;

    for (uint64_t now = 0; now < 1000; now++) {
        passed += log_limit_pass(&limit, now, 1000, 3, &suppressed) ? 1 : 0;
    }
    cr_expect_eq(passed, 3);
    cr_expect_eq(suppressed, 0);
    cr_expect(log_limit_pass(&limit, 1000, 1000, 3, &suppressed));
    cr_expect_eq(suppressed, 997);
    cr_expect(log_limit_pass(&limit, 1001, 1000, 3, &suppressed));
    cr_expect_eq(suppressed, 0);
}
