// HTTP/1.1, as far as a page of metrics needs it: a parser of GET and HEAD requests without a body,
// and the head of a response. Pure: bytes in, a request out; cluster/http_server.c has the sockets.
//
// Strict, since whoever scrapes metrics speaks well, and what does not is not ours to guess about.
// By RFC 9112 (syntax) and RFC 9110 (meaning):
//  - lines end with CRLF; one empty line before the request line is skipped (RFC 9112, 2.2)
//  - request line: METHOD SP origin-form SP HTTP/1.0 or 1.1, single spaces; the target begins with
// '/'
//  - field lines: token ':' optional blanks, value, optional blanks; no folding, no control bytes
//  - HTTP/1.1 needs exactly one Host; a body (Content-Length other than 0, Transfer-Encoding) is
// refused
//  - Connection: close and keep-alive are understood; 1.0 closes unless asked to keep alive
// A whole request takes at most LIMIT_HTTP_REQUEST_BYTES. Percent-encoding is not decoded: no path
// that is served has any.
//
// What is refused is answered with the status in the event, and the connection is closed after it.
#pragma once

#include "core/limits.h"
#include "core/slice.h"
#include "core/text.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum http_method { HTTP_GET, HTTP_HEAD };

enum http_event {
    HTTP_MORE,    // all bytes were taken, the request is not complete
    HTTP_REQUEST, // `parser->request` is one; the next feed begins the next
    HTTP_REFUSED, // `parser->status` says why; the parser takes no more bytes
};

// Slices point into the parser and are valid until the next feed.
struct http_request {
    enum http_method method;
    struct slice path;  // "/metrics", without the query
    struct slice query; // what follows the '?', maybe empty
    bool keep_alive;
};

struct http_parser {
    struct http_request request;
    uint16_t status; // of HTTP_REFUSED: 400, 405, 413, 431, 501 or 505
    uint16_t size;   // bytes in `bytes`
    uint8_t matched; // how much of CR LF CR LF the last bytes are
    bool skipped;    // an empty line was dropped before this request
    bool complete;   // the last feed gave a request: the next begins anew
    char bytes[LIMIT_HTTP_REQUEST_BYTES];
};

void http_parser_init(struct http_parser *parser);

// Takes bytes up to the end of one request at most; ret_taken says how many. Feed the rest (a
// pipelined request) once this one was answered.
enum http_event http_parser_feed(struct http_parser *parser, struct slice input, size_t *ret_taken);

// "OK", "Not Found" ...; "" for a status that the server never sends.
const char *http_reason(unsigned status);

// Appends status line and fields, with the empty line that ends them. content_type may be NULL when
// content_bytes is 0. 405 names the methods that are allowed.
void http_head(struct text *text, unsigned status, const char *content_type, size_t content_bytes,
               bool keep_alive);
