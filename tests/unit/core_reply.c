#include "core/reply.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>

struct page {
    struct outbuf out;
    struct outbuf_cache cache;
    struct reply reply;
};

static void page_start(struct page *page, uint8_t protocol)
{
    *page = (struct page){0};
    outbuf_cache_init(&page->cache, 2, 2);
    page->reply = (struct reply){.out = &page->out, .cache = &page->cache, .protocol = protocol};
}

static void page_expect_bytes(struct page *page, struct slice expected)
{
    uint8_t *const flat = malloc(page->out.bytes + 1);
    size_t size = 0;

    for (const struct outbuf_chunk *chunk = page->out.head; chunk != NULL; chunk = chunk->next) {
        memcpy(flat + size, chunk->bytes + chunk->begin, chunk->end - chunk->begin);
        size += chunk->end - chunk->begin;
    }
    cr_expect(slice_equal(slice_of(flat, size), expected), "%.*s, not %.*s", (int)size,
              (const char *)flat, (int)expected.size, (const char *)expected.bytes);
    free(flat);
    outbuf_clear(&page->out, &page->cache);
    outbuf_cache_destroy(&page->cache);
}

// What `call` writes to `reply`, in both protocols.
#define EXPECT(call, resp2, resp3)                                                                 \
    do {                                                                                           \
        static const char *const expected[] = {resp2, resp3};                                      \
        for (uint8_t protocol = 2; protocol <= 3; protocol++) {                                    \
            struct page page;                                                                      \
            struct reply *const reply = &page.reply;                                               \
            page_start(&page, protocol);                                                           \
            call;                                                                                  \
            page_expect_bytes(&page, slice_from_text(expected[protocol - 2]));                     \
        }                                                                                          \
    } while (0)

#define EXPECT_BOTH(call, expected) EXPECT(call, expected, expected)

Test(core_reply, writes_what_both_protocols_have)
{
    EXPECT_BOTH(reply_ok(reply), "+OK\r\n");
    EXPECT_BOTH(reply_simple(reply, "PONG"), "+PONG\r\n");
    EXPECT_BOTH(reply_integer(reply, 0), ":0\r\n");
    EXPECT_BOTH(reply_integer(reply, -1234567), ":-1234567\r\n");
    EXPECT_BOTH(reply_integer(reply, INT64_MIN), ":-9223372036854775808\r\n");
    EXPECT_BOTH(reply_bulk(reply, slice_of(NULL, 0)), "$0\r\n\r\n");
    EXPECT_BOTH(reply_bulk_text(reply, "value"), "$5\r\nvalue\r\n");
    EXPECT_BOTH(reply_bulk_integer(reply, -42), "$3\r\n-42\r\n");
    EXPECT_BOTH(reply_bulkf(reply, "%d-%s", 7, "x"), "$3\r\n7-x\r\n");
    EXPECT_BOTH(reply_array(reply, 0), "*0\r\n");
    EXPECT_BOTH(reply_array(reply, 100), "*100\r\n");
    EXPECT_BOTH(reply_raw(reply, slice_from_text(":1\r\n")), ":1\r\n");
}

Test(core_reply, writes_what_only_resp3_has)
{
    EXPECT(reply_null(reply), "$-1\r\n", "_\r\n");
    EXPECT(reply_map(reply, 3), "*6\r\n", "%3\r\n");
    EXPECT(reply_set(reply, 3), "*3\r\n", "~3\r\n");
    EXPECT(reply_verbatim(reply, "txt", slice_from_text("a\nb")), "$3\r\na\nb\r\n",
           "=7\r\ntxt:a\nb\r\n");
}

Test(core_reply, errors_are_one_line)
{
    EXPECT_BOTH(reply_error_text(reply, "ERR no such key"), "-ERR no such key\r\n");
    EXPECT_BOTH(reply_error_text(reply, "\r\n\nERR a\r\nb\nc\r\n\r\n"), "-ERR a  b c\r\n");
    EXPECT_BOTH(reply_error_text(reply, "\r\n"), "-\r\n");
}

Test(core_reply, errors_are_counted)
{
    struct page page;

    page_start(&page, 2);
    reply_ok(&page.reply);
    cr_assert_eq(page.reply.errors, 0);
    reply_error_text(&page.reply, "ERR a");
    reply_error(&page.reply, slice_from_text("ERR 1"));
    cr_assert_eq(page.reply.errors, 2);
    page_expect_bytes(&page, slice_from_text("+OK\r\n-ERR a\r\n-ERR 1\r\n"));
}

Test(core_reply, long_errors_are_written_whole)
{
    struct page page;
    char text[3001];
    char expected[3004];

    memset(text, 'e', 3000);
    text[3000] = '\0';
    expected[0] = '-';
    memcpy(expected + 1, text, 3000);
    memcpy(expected + 3001, "\r\n", 3);
    page_start(&page, 2);
    reply_error_text(&page.reply, text);
    page_expect_bytes(&page, slice_of(expected, 3003));
}

// Every size around the limits of what is written at once, of a chunk, and of the number's digits.
Test(core_reply, bulks_of_every_size_are_whole)
{
    enum { MAX = 40000 };
    uint8_t *const expected = malloc(MAX + 32);
    uint8_t *const value = malloc(MAX);

    for (size_t i = 0; i < MAX; i++) {
        value[i] = (uint8_t)(i * 31);
    }
    for (size_t size = 0; size < MAX; size += size < 2200 ? 1 : 997) {
        const size_t header = (size_t)snprintf((char *)expected, 32, "+OK\r\n$%zu\r\n", size);
        struct page page;

        memcpy(expected + header, value, size);
        memcpy(expected + header + size, "\r\n", 2);
        page_start(&page, 3);
        reply_ok(&page.reply);
        reply_bulk(&page.reply, slice_of(value, size));
        page_expect_bytes(&page, slice_of(expected, header + size + 2));
    }
    free(expected);
    free(value);
}

Test(core_reply, writes_nothing_more_once_memory_has_failed)
{
    struct page page;

    page_start(&page, 3);
    page.out.failed = true;
    reply_ok(&page.reply);
    reply_integer(&page.reply, 1);
    reply_bulk_text(&page.reply, "value");
    reply_error_text(&page.reply, "ERR");
    cr_assert_eq(page.out.bytes, 0);
    cr_assert_null(page.out.head);
}
