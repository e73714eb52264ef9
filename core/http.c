#include "core/http.h"

#include "core/check.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

static const char END_OF_HEAD[] = {'\r', '\n', '\r', '\n'};

// What the field lines of one request said.
struct http_fields {
    unsigned hosts;
    unsigned content_lengths;
    bool close;
    bool keep_alive;
};

void http_parser_init(struct http_parser *parser)
{
    parser->size = 0;
    parser->matched = 0;
    parser->status = 0;
    parser->complete = false;
    parser->skipped = false;
    parser->request = (struct http_request){0};
}

// What all registered methods begin with.
static bool http_is_letter(char byte)
{
    return (byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z');
}

// RFC 9110, 5.6.2: what methods and field names consist of.
static bool http_is_token_byte(char byte)
{
    return http_is_letter(byte) || (byte >= '0' && byte <= '9') ||
           (byte != '\0' && strchr("!#$%&'*+-.^_`|~", byte) != NULL);
}

static bool http_is_token(struct slice slice)
{
    for (size_t i = 0; i < slice.size; i++) {
        if (!http_is_token_byte((char)slice.bytes[i])) {
            return false;
        }
    }
    return slice.size > 0;
}

static bool http_is(struct slice slice, const char *text)
{
    return slice_equal(slice, slice_from_text(text));
}

static bool http_is_nocase(struct slice slice, const char *text)
{
    return slice.size == strlen(text) &&
           strncasecmp((const char *)slice.bytes, text, slice.size) == 0;
}

// Cuts what precedes the first `byte` off `rest`, and the byte itself. False if it is not there.
static bool http_cut(struct slice *rest, char byte, struct slice *ret_part)
{
    const uint8_t *at = rest->size == 0 ? NULL : memchr(rest->bytes, byte, rest->size);

    if (at == NULL) {
        return false;
    }
    const size_t size = (size_t)(at - rest->bytes);
    *ret_part = slice_of(rest->bytes, size);
    *rest = slice_of(at + 1, rest->size - size - 1);
    return true;
}

static struct slice http_trim(struct slice slice)
{
    while (slice.size > 0 && (slice.bytes[0] == ' ' || slice.bytes[0] == '\t')) {
        slice.bytes++;
        slice.size--;
    }
    while (slice.size > 0 &&
           (slice.bytes[slice.size - 1] == ' ' || slice.bytes[slice.size - 1] == '\t')) {
        slice.size--;
    }
    return slice;
}

// 0 or a status.
static unsigned http_parse_version(struct slice version, bool *ret_keep_alive)
{
    if (http_is(version, "HTTP/1.1") || http_is(version, "HTTP/1.0")) {
        *ret_keep_alive = version.bytes[7] == '1';
        return 0;
    }
    const bool other = version.size == 8 && memcmp(version.bytes, "HTTP/", 5) == 0 &&
                       version.bytes[5] >= '0' && version.bytes[5] <= '9' &&
                       version.bytes[6] == '.' && version.bytes[7] >= '0' &&
                       version.bytes[7] <= '9';
    return other ? 505 : 400;
}

// METHOD SP target SP version. 0 or a status.
static unsigned http_parse_request_line(struct slice line, struct http_request *request)
{
    struct slice method;
    struct slice target;
    struct http_request parsed = {0};

    if (!http_cut(&line, ' ', &method) || !http_cut(&line, ' ', &target) ||
        !http_is_token(method)) {
        return 400;
    }
    const unsigned status = http_parse_version(line, &parsed.keep_alive);
    if (status != 0) {
        return status;
    }
    if (target.size == 0 || target.bytes[0] != '/') {
        return 400;
    }
    for (size_t i = 0; i < target.size; i++) {
        if (target.bytes[i] <= ' ' || target.bytes[i] >= 0x7f || target.bytes[i] == '#') {
            return 400;
        }
    }
    if (!http_is(method, "GET") && !http_is(method, "HEAD")) {
        return 405;
    }
    parsed.method = method.bytes[0] == 'G' ? HTTP_GET : HTTP_HEAD;
    if (http_cut(&target, '?', &parsed.path)) {
        parsed.query = target;
    } else {
        parsed.path = target;
    }
    *request = parsed;
    return 0;
}

// Connection: a list of tokens, of which two matter.
static void http_parse_connection(struct slice value, struct http_fields *fields)
{
    bool more = true;

    while (more) {
        struct slice option;
        more = http_cut(&value, ',', &option);
        option = http_trim(more ? option : value);
        fields->close = fields->close || http_is_nocase(option, "close");
        fields->keep_alive = fields->keep_alive || http_is_nocase(option, "keep-alive");
    }
}

// NAME ':' value. 0 or a status.
static unsigned http_parse_field(struct slice line, struct http_fields *fields)
{
    struct slice name;

    if (!http_cut(&line, ':', &name) || !http_is_token(name)) {
        return 400; // a folded line begins with a blank, and has no token
    }
    const struct slice value = http_trim(line);
    if (http_is_nocase(name, "host")) {
        fields->hosts++;
    } else if (http_is_nocase(name, "connection")) {
        http_parse_connection(value, fields);
    } else if (http_is_nocase(name, "transfer-encoding")) {
        return 501;
    } else if (http_is_nocase(name, "content-length")) {
        fields->content_lengths++;
        for (size_t i = 0; i < value.size; i++) {
            if (value.bytes[i] < '0' || value.bytes[i] > '9') {
                return 400;
            }
        }
        if (value.size == 0 || fields->content_lengths > 1) {
            return 400;
        }
        return http_is(value, "0") ? 0 : 413;
    }
    return 0;
}

// The whole head, with the empty line at its end. Every LF follows a CR: http_parser_byte() saw to
// that. 0 or a status.
static unsigned http_parse_head(struct slice head, struct http_request *request)
{
    struct http_fields fields = {0};
    struct slice line;
    struct slice rest = head;

    CHECK(http_cut(&rest, '\n', &line));
    CHECK(line.size >= 1);
    unsigned status = http_parse_request_line(slice_of(line.bytes, line.size - 1), request);
    const bool one_one = request->keep_alive;
    while (status == 0) {
        CHECK(http_cut(&rest, '\n', &line));
        CHECK(line.size >= 1);
        if (line.size == 1) {
            break;
        }
        status = http_parse_field(slice_of(line.bytes, line.size - 1), &fields);
    }
    if (status != 0) {
        return status;
    }
    CHECK(rest.size == 0);
    if (fields.hosts > 1 || (one_one && fields.hosts == 0)) {
        return 400;
    }
    request->keep_alive = !fields.close && (one_one || fields.keep_alive);
    return 0;
}

// Takes one byte of a head. 0 or a status.
static unsigned http_parser_byte(struct http_parser *parser, char byte)
{
    const bool first = parser->size == 0;
    const bool after_cr = parser->matched == 1 || parser->matched == 3;

    if ((byte == '\n') != after_cr) {
        return 400; // a CR without LF, or the other way round
    }
    if (first && !http_is_letter(byte) && (byte != '\r' || parser->skipped)) {
        return 400; // another protocol, such as RESP or TLS: not to be kept waiting
    }
    if (((unsigned char)byte < ' ' && byte != '\t' && byte != '\r' && byte != '\n') ||
        byte == 0x7f) {
        return 400;
    }
    if (parser->size == sizeof(parser->bytes)) {
        return 431;
    }
    parser->matched = byte == END_OF_HEAD[parser->matched] ? (uint8_t)(parser->matched + 1)
                      : byte == '\r'                       ? 1
                                                           : 0;
    parser->bytes[parser->size] = byte;
    parser->size++;
    if (parser->size == 2 && parser->matched == 2) {
        // An empty line before the request, which some clients send after a body.
        parser->skipped = true;
        parser->size = 0;
        parser->matched = 0;
    }
    return 0;
}

static enum http_event http_parser_refuse(struct http_parser *parser, unsigned status)
{
    CHECK(status >= 400);
    parser->status = (uint16_t)status;
    return HTTP_REFUSED;
}

enum http_event http_parser_feed(struct http_parser *parser, struct slice input, size_t *ret_taken)
{
    CHECK(parser->status == 0);
    if (parser->complete) {
        http_parser_init(parser);
    }
    for (size_t i = 0; i < input.size; i++) {
        const unsigned status = http_parser_byte(parser, (char)input.bytes[i]);
        if (status != 0) {
            *ret_taken = i;
            return http_parser_refuse(parser, status);
        }
        if (parser->matched < sizeof(END_OF_HEAD)) {
            continue;
        }
        *ret_taken = i + 1;
        const struct slice head = slice_of(parser->bytes, parser->size);
        const unsigned refused = http_parse_head(head, &parser->request);
        if (refused != 0) {
            return http_parser_refuse(parser, refused);
        }
        parser->complete = true;
        return HTTP_REQUEST;
    }
    *ret_taken = input.size;
    return HTTP_MORE;
}

const char *http_reason(unsigned status)
{
    switch (status) {
    case 200:
        return "OK";
    case 400:
        return "Bad Request";
    case 404:
        return "Not Found";
    case 405:
        return "Method Not Allowed";
    case 413:
        return "Content Too Large";
    case 431:
        return "Request Header Fields Too Large";
    case 500:
        return "Internal Server Error";
    case 501:
        return "Not Implemented";
    case 503:
        return "Service Unavailable";
    case 505:
        return "HTTP Version Not Supported";
    default:
        return "";
    }
}

void http_head(struct text *text, unsigned status, const char *content_type, size_t content_bytes,
               bool keep_alive)
{
    CHECK(status >= 100 && status <= 599);
    CHECK(content_type != NULL || content_bytes == 0);
    text_printf(text, "HTTP/1.1 %u %s\r\n", status, http_reason(status));
    if (content_type != NULL) {
        text_printf(text, "Content-Type: %s\r\n", content_type);
    }
    text_printf(text, "Content-Length: %zu\r\n", content_bytes);
    if (status == 405) {
        text_string(text, "Allow: GET, HEAD\r\n");
    }
    text_printf(text, "Cache-Control: no-store\r\nConnection: %s\r\n\r\n",
                keep_alive ? "keep-alive" : "close");
}
