// Any bytes as HTTP requests: what comes of them does not depend on how they were cut.
#include "core/http.h"
#include "core/check.h"

#include <stdint.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

static bool slice_is_within(struct slice slice, const struct http_parser *parser)
{
    const char *first = (const char *)slice.bytes;

    return slice.size == 0 ||
           (first >= parser->bytes && first + slice.size <= parser->bytes + sizeof(parser->bytes));
}

static void check_same(const struct http_parser *a, const struct http_parser *b)
{
    CHECK(a->status == b->status);
    CHECK(a->size == b->size);
    CHECK(memcmp(a->bytes, b->bytes, a->size) == 0);
    CHECK(a->request.method == b->request.method);
    CHECK(a->request.keep_alive == b->request.keep_alive);
    CHECK(slice_equal(a->request.path, b->request.path));
    CHECK(slice_equal(a->request.query, b->request.query));
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    static struct http_parser whole;
    static struct http_parser cut;
    enum http_event event = HTTP_REQUEST;
    size_t at = 0;

    http_parser_init(&whole);
    http_parser_init(&cut);
    while (event == HTTP_REQUEST && at < size) {
        size_t taken = 0;
        event = http_parser_feed(&whole, slice_of(bytes + at, size - at), &taken);
        CHECK(taken <= size - at);
        CHECK((event == HTTP_MORE) <= (taken == size - at));
        enum http_event cut_event = HTTP_MORE;
        size_t cut_at = 0;
        while (cut_event == HTTP_MORE && at + cut_at < size) {
            size_t one = 0;
            cut_event = http_parser_feed(&cut, slice_of(bytes + at + cut_at, 1), &one);
            cut_at += one;
        }
        CHECK(cut_event == event);
        CHECK(cut_at == taken);
        check_same(&whole, &cut);
        if (event == HTTP_REQUEST) {
            CHECK(slice_is_within(whole.request.path, &whole));
            CHECK(slice_is_within(whole.request.query, &whole));
            CHECK(whole.request.path.size > 0 && whole.request.path.bytes[0] == '/');
        }
        at += taken;
    }
    return 0;
}
