#include "core/http.h"

#include <criterion/criterion.h>

#include <stdio.h>
#include <string.h>

#define HOST "Host: localhost\r\n"

static enum http_event feed(struct http_parser *parser, const char *text, size_t *ret_taken)
{
    return http_parser_feed(parser, slice_from_text(text), ret_taken);
}

static bool is(struct slice slice, const char *text)
{
    return slice_equal(slice, slice_from_text(text));
}

struct good {
    const char *text;
    enum http_method method;
    const char *path;
    const char *query;
    bool keep_alive;
};

static const struct good goods[] = {
    {"GET /metrics HTTP/1.1\r\n" HOST "\r\n", HTTP_GET, "/metrics", "", true},
    {"HEAD / HTTP/1.1\r\n" HOST "\r\n", HTTP_HEAD, "/", "", true},
    {"GET /a?b=c?d HTTP/1.1\r\n" HOST "\r\n", HTTP_GET, "/a", "b=c?d", true},
    {"GET /a? HTTP/1.1\r\n" HOST "\r\n", HTTP_GET, "/a", "", true},
    {"GET /metrics HTTP/1.0\r\n\r\n", HTTP_GET, "/metrics", "", false},
    {"GET / HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n", HTTP_GET, "/", "", true},
    {"GET / HTTP/1.1\r\n" HOST "Connection: close\r\n\r\n", HTTP_GET, "/", "", false},
    {"GET / HTTP/1.1\r\n" HOST "connection: TE , \tCLOSE\r\n\r\n", HTTP_GET, "/", "", false},
    {"GET / HTTP/1.1\r\n" HOST "Connection: closed\r\n\r\n", HTTP_GET, "/", "", true},
    {"GET / HTTP/1.1\r\nhOsT:x\r\nX-Any: \xc3\xa9\t\"\r\n\r\n", HTTP_GET, "/", "", true},
    {"GET / HTTP/1.1\r\nHost:\r\n\r\n", HTTP_GET, "/", "", true},
    {"GET / HTTP/1.1\r\n" HOST "Content-Length: 0\r\n\r\n", HTTP_GET, "/", "", true},
    {"\r\nGET / HTTP/1.1\r\n" HOST "\r\n", HTTP_GET, "/", "", true},
};

static void expect_good(const struct http_parser *parser, const struct good *good)
{
    cr_expect_eq(parser->request.method, good->method, "%s", good->text);
    cr_expect(is(parser->request.path, good->path), "path of %s", good->text);
    cr_expect(is(parser->request.query, good->query), "query of %s", good->text);
    cr_expect_eq(parser->request.keep_alive, good->keep_alive, "keep_alive of %s", good->text);
}

Test(core_http, good_requests)
{
    static struct http_parser parser;

    for (size_t i = 0; i < sizeof(goods) / sizeof(goods[0]); i++) {
        size_t taken = 0;
        http_parser_init(&parser);
        cr_assert_eq(feed(&parser, goods[i].text, &taken), HTTP_REQUEST, "%s", goods[i].text);
        cr_expect_eq(taken, strlen(goods[i].text));
        expect_good(&parser, &goods[i]);
    }
}

// Cut in two at every place, and fed byte by byte.
Test(core_http, cuts_do_not_matter)
{
    static struct http_parser parser;

    for (size_t i = 0; i < sizeof(goods) / sizeof(goods[0]); i++) {
        const char *text = goods[i].text;
        const size_t size = strlen(text);
        for (size_t cut = 0; cut < size; cut++) {
            size_t taken = 0;
            http_parser_init(&parser);
            cr_assert_eq(http_parser_feed(&parser, slice_of(text, cut), &taken), HTTP_MORE);
            cr_assert_eq(taken, cut);
            cr_assert_eq(http_parser_feed(&parser, slice_of(text + cut, size - cut), &taken),
                         HTTP_REQUEST);
            cr_assert_eq(taken, size - cut);
            expect_good(&parser, &goods[i]);
        }
        http_parser_init(&parser);
        for (size_t at = 0; at < size; at++) {
            size_t taken = 0;
            cr_assert_eq(http_parser_feed(&parser, slice_of(text + at, 1), &taken),
                         at + 1 == size ? HTTP_REQUEST : HTTP_MORE);
            cr_assert_eq(taken, 1);
        }
        expect_good(&parser, &goods[i]);
    }
}

Test(core_http, pipelined_requests_come_one_by_one)
{
    static struct http_parser parser;
    // A slice, and no pointer that is moved on: gcc 12 takes a wrong strlen() of a literal to which
    // two variable offsets were added.
    struct slice rest =
        slice_from_text("GET /a HTTP/1.1\r\n" HOST "\r\nHEAD /b HTTP/1.0\r\n\r\nGET /c");
    size_t taken = 0;

    http_parser_init(&parser);
    cr_assert_eq(http_parser_feed(&parser, rest, &taken), HTTP_REQUEST);
    cr_expect(is(parser.request.path, "/a"));
    rest = slice_of(rest.bytes + taken, rest.size - taken);
    cr_assert_eq(http_parser_feed(&parser, rest, &taken), HTTP_REQUEST);
    cr_expect(is(parser.request.path, "/b"));
    cr_expect_not(parser.request.keep_alive);
    rest = slice_of(rest.bytes + taken, rest.size - taken);
    cr_assert_eq(http_parser_feed(&parser, rest, &taken), HTTP_MORE);
    cr_expect_eq(taken, 6);
}

struct bad {
    const char *text;
    unsigned status;
};

Test(core_http, bad_requests_have_their_status)
{
    static struct http_parser parser;
    static const struct bad bads[] = {
        {"*1\r\n$4\r\nPING\r\n", 400},
        {"\x16\x03\x01\x02", 400},
        {" GET / HTTP/1.1\r\n" HOST "\r\n", 400},
        {"\n", 400},
        {"\r\n\r\n", 400},
        {"\r\r\n", 400},
        {"GET / HTTP/1.1\n" HOST "\r\n", 400},
        {"GET / HTTP/1.1\rX" HOST "\r\n", 400},
        {"GET / HTTP/1.1\r\n" HOST "A: b\nC: d\r\n\r\n", 400},
        {"GET /\r\n\r\n", 400},
        {"GET  / HTTP/1.1\r\n" HOST "\r\n", 400},
        {"GET /  HTTP/1.1\r\n" HOST "\r\n", 400},
        {"GET / HTTP/1.1 \r\n" HOST "\r\n", 400},
        {"GET\t/ HTTP/1.1\r\n" HOST "\r\n", 400},
        {"GET / HTTP/2.0\r\n" HOST "\r\n", 505},
        {"GET / HTTP/1.2\r\n" HOST "\r\n", 505},
        {"GET / http/1.1\r\n" HOST "\r\n", 400},
        {"GET / HTTP/11\r\n" HOST "\r\n", 400},
        {"GET / HTTP/1.1x\r\n" HOST "\r\n", 400},
        {"GET http://localhost/ HTTP/1.1\r\n" HOST "\r\n", 400},
        {"GET * HTTP/1.1\r\n" HOST "\r\n", 400},
        {"GET /#a HTTP/1.1\r\n" HOST "\r\n", 400},
        {"GET /\xc3\xa9 HTTP/1.1\r\n" HOST "\r\n", 400},
        {"POST /metrics HTTP/1.1\r\n" HOST "\r\n", 405},
        {"get / HTTP/1.1\r\n" HOST "\r\n", 405},
        {"OPTIONS * HTTP/1.1\r\n" HOST "\r\n", 400},
        {"G@T / HTTP/1.1\r\n" HOST "\r\n", 400},
        {"GET / HTTP/1.1\r\n\r\n", 400},
        {"GET / HTTP/1.1\r\n" HOST HOST "\r\n", 400},
        {"GET / HTTP/1.0\r\n" HOST HOST "\r\n", 400},
        {"GET / HTTP/1.1\r\n" HOST "A : b\r\n\r\n", 400},
        {"GET / HTTP/1.1\r\n" HOST " folded\r\n\r\n", 400},
        {"GET / HTTP/1.1\r\n" HOST "no colon\r\n\r\n", 400},
        {"GET / HTTP/1.1\r\n" HOST ": b\r\n\r\n", 400},
        {"GET / HTTP/1.1\r\n" HOST "A: b\x01\r\n\r\n", 400},
        {"GET / HTTP/1.1\r\n" HOST "A: b\x7f\r\n\r\n", 400},
        {"GET / HTTP/1.1\r\n" HOST "Content-Length: 5\r\n\r\n", 413},
        {"GET / HTTP/1.1\r\n" HOST "Content-Length: 00\r\n\r\n", 413},
        {"GET / HTTP/1.1\r\n" HOST "Content-Length: -1\r\n\r\n", 400},
        {"GET / HTTP/1.1\r\n" HOST "Content-Length:\r\n\r\n", 400},
        {"GET / HTTP/1.1\r\n" HOST "Content-Length: 0\r\nContent-Length: 0\r\n\r\n", 400},
        {"GET / HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n", 501},
    };

    for (size_t i = 0; i < sizeof(bads) / sizeof(bads[0]); i++) {
        size_t taken = 0;
        http_parser_init(&parser);
        cr_expect_eq(feed(&parser, bads[i].text, &taken), HTTP_REFUSED, "taken: %s", bads[i].text);
        cr_expect_eq(parser.status, bads[i].status, "%u, not %u: %s", parser.status, bads[i].status,
                     bads[i].text);
        cr_expect_str_neq(http_reason(parser.status), "");
    }
}

// Another protocol is refused at once, and not when its first line has ended.
Test(core_http, what_is_no_http_is_not_waited_for)
{
    static struct http_parser parser;
    size_t taken = 0;

    http_parser_init(&parser);
    cr_expect_eq(http_parser_feed(&parser, slice_of("\0", 1), &taken), HTTP_REFUSED);
    http_parser_init(&parser);
    cr_expect_eq(feed(&parser, "\x16", &taken), HTTP_REFUSED);
    cr_expect_eq(taken, 0);
}

Test(core_http, a_request_has_a_bound)
{
    static struct http_parser parser;
    static char text[LIMIT_HTTP_REQUEST_BYTES + 64];
    size_t taken = 0;

    // Exactly as large as may be: the last field is filled up.
    for (int over = 0; over <= 1; over++) {
        const size_t size = (size_t)(LIMIT_HTTP_REQUEST_BYTES + over);
        const int head = snprintf(text, sizeof(text), "GET / HTTP/1.1\r\n" HOST "A: ");
        memset(text + head, 'x', size - (size_t)head);
        memcpy(text + size - 4, "\r\n\r\n", 4);
        http_parser_init(&parser);
        cr_expect_eq(http_parser_feed(&parser, slice_of(text, size), &taken),
                     over == 0 ? HTTP_REQUEST : HTTP_REFUSED);
        cr_expect_eq(parser.status, over == 0 ? 0 : 431);
    }
}

Test(core_http, heads_of_responses)
{
    struct text text;

    text_init(&text, 4096);
    http_head(&text, 200, "text/plain", 12, true);
    cr_expect_str_eq(text_c(&text), "HTTP/1.1 200 OK\r\n"
                                    "Content-Type: text/plain\r\n"
                                    "Content-Length: 12\r\n"
                                    "Cache-Control: no-store\r\n"
                                    "Connection: keep-alive\r\n\r\n");
    text_clear(&text);
    http_head(&text, 405, NULL, 0, false);
    cr_expect_str_eq(text_c(&text), "HTTP/1.1 405 Method Not Allowed\r\n"
                                    "Content-Length: 0\r\n"
                                    "Allow: GET, HEAD\r\n"
                                    "Cache-Control: no-store\r\n"
                                    "Connection: close\r\n\r\n");
    text_free(&text);
}
