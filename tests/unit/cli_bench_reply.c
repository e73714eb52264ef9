#include "cli/bench_reply.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

// What a stream of replies comes to, one line each, whatever the size of the pieces it comes in.
struct seen {
    char text[4096];
    size_t size;
};

static void seen_add(struct seen *seen, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

static void seen_add(struct seen *seen, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    seen->size += (size_t)vsnprintf(seen->text + seen->size, sizeof seen->text - seen->size, format,
                                    arguments);
    va_end(arguments);
}

static void on_bytes(void *context, const uint8_t *bytes, size_t size, uint64_t left, bool first)
{
    struct seen *const seen = context;

    if (bytes == NULL) {
        seen_add(seen, "<nil>");
        return;
    }
    seen_add(seen, "%s%.*s%s", first ? "<" : "", (int)size, (const char *)bytes,
             left == 0 ? ">" : "");
}

static enum bench_reader_status feed(const char *resp, size_t size, size_t piece, struct seen *seen)
{
    struct bench_reader reader = {.skip = 0};
    enum bench_reader_status status = BENCH_READER_MORE;

    *seen = (struct seen){.size = 0};
    for (size_t at = 0; at < size;) {
        const size_t part = size - at < piece ? size - at : piece;
        size_t used = 0;

        status =
            bench_reader_feed(&reader, (const uint8_t *)resp + at, part, on_bytes, seen, &used);
        if (status == BENCH_READER_WRONG) {
            return status;
        }
        if (status == BENCH_READER_REPLY) {
            const struct bench_reply *const reply = &reader.reply;

            seen_add(seen, "%c%s n=%lld v=%u 0=%u e=%u '%.*s'\n", reply->type,
                     reply->null ? " null" : "", (long long)reply->number, reply->values,
                     reply->nulls, reply->errors, (int)reply->text_size, reply->text);
        }
        at += used;
    }
    return status;
}

static void assert_seen(const char *resp, const char *expected)
{
    // In one piece, and cut at every place.
    for (size_t piece = strlen(resp); piece > 0; piece--) {
        struct seen seen;

        cr_assert_eq(feed(resp, strlen(resp), piece, &seen), BENCH_READER_REPLY, "%s", resp);
        cr_assert_str_eq(seen.text, expected, "in pieces of %zu: %s", piece, seen.text);
    }
}

Test(cli_bench_reply, resp2)
{
    assert_seen("+OK\r\n", "+ n=0 v=0 0=0 e=0 'OK'\n");
    assert_seen(":-42\r\n", ": n=-42 v=0 0=0 e=0 ''\n");
    assert_seen("-ERR no\r\n", "- n=0 v=0 0=0 e=1 'ERR no'\n");
    assert_seen("$3\r\na\nb\r\n", "<a\nb>$ n=3 v=1 0=0 e=0 ''\n");
    assert_seen("$0\r\n\r\n", "<>$ n=0 v=1 0=0 e=0 ''\n");
    assert_seen("$-1\r\n", "<nil>$ null n=-1 v=0 0=1 e=0 ''\n");
    assert_seen("*-1\r\n", "<nil>* null n=-1 v=0 0=1 e=0 ''\n");
    assert_seen("*0\r\n", "* n=0 v=0 0=0 e=0 ''\n");
    assert_seen("*3\r\n$1\r\na\r\n$-1\r\n$2\r\nbc\r\n", "<a><nil><bc>* n=3 v=2 0=1 e=0 ''\n");
    assert_seen("*2\r\n*1\r\n$1\r\na\r\n*1\r\n-ERR x\r\n", "<a>* n=2 v=1 0=0 e=1 'ERR x'\n");
}

Test(cli_bench_reply, resp3)
{
    assert_seen("_\r\n", "<nil>_ null n=0 v=0 0=1 e=0 ''\n");
    assert_seen("#t\r\n", "# n=0 v=0 0=0 e=0 ''\n");
    assert_seen(",1.5\r\n", ", n=0 v=0 0=0 e=0 ''\n");
    assert_seen("%2\r\n+a\r\n:1\r\n+b\r\n_\r\n", "<nil>% n=2 v=0 0=1 e=0 'a'\n");
    assert_seen("=6\r\ntxt:ab\r\n", "<txt:ab>= n=6 v=1 0=0 e=0 ''\n");
    assert_seen("!5\r\nERR x\r\n", "<ERR x>! n=5 v=0 0=0 e=1 ''\n");
    assert_seen("~2\r\n:1\r\n:2\r\n", "~ n=2 v=0 0=0 e=0 ''\n");
}

Test(cli_bench_reply, pushes_and_attributes_are_passed_over)
{
    assert_seen(">2\r\n+invalidate\r\n*1\r\n:1\r\n+OK\r\n", "+ n=0 v=0 0=0 e=0 'OK'\n");
    assert_seen("|1\r\n+ttl\r\n:9\r\n$1\r\nx\r\n", "<x>$ n=1 v=1 0=0 e=0 ''\n");
    assert_seen("*2\r\n|1\r\n+ttl\r\n:9\r\n:1\r\n:2\r\n", "* n=2 v=0 0=0 e=0 'ttl'\n");
}

Test(cli_bench_reply, replies_follow_each_other)
{
    assert_seen("+OK\r\n$1\r\na\r\n*1\r\n:1\r\n+OK\r\n", "+ n=0 v=0 0=0 e=0 'OK'\n"
                                                         "<a>$ n=1 v=1 0=0 e=0 ''\n"
                                                         "* n=1 v=0 0=0 e=0 ''\n"
                                                         "+ n=0 v=0 0=0 e=0 'OK'\n");
}

Test(cli_bench_reply, long_lines_are_cut_and_not_kept)
{
    char resp[4096];
    struct seen seen;

    memset(resp, 'x', sizeof resp);
    memcpy(resp, "-ERR ", 5);
    memcpy(resp + sizeof resp - 2, "\r\n", 2);
    for (size_t piece = 1; piece <= sizeof resp; piece *= 2) {
        cr_assert_eq(feed(resp, sizeof resp, piece, &seen), BENCH_READER_REPLY);
        cr_assert_eq(memcmp(seen.text, "- n=0 v=0 0=0 e=1 'ERR xxx", 26), 0);
        cr_assert_lt(seen.size, 120);
    }
}

Test(cli_bench_reply, what_is_no_resp_is_refused)
{
    static const char *const streams[] = {
        "HTTP/1.1 200 OK\r\n",       "\r\n",  "$x\r\n",      "$-2\r\n",        "*\r\n",
        "$99999999999999999999\r\n", ":\r\n", "*1\r\n?\r\n", "$9999999999\r\n"};

    for (size_t i = 0; i < sizeof streams / sizeof streams[0]; i++) {
        struct seen seen;

        cr_assert_eq(feed(streams[i], strlen(streams[i]), 100, &seen), BENCH_READER_WRONG, "%s",
                     streams[i]);
    }
}
