#include "core/resp.h"

#include "core/memory.h"
#include "core/number.h"

#include <stdio.h>

enum resp_phase {
    RESP_PHASE_START,  // nothing read yet, or a part of the first line
    RESP_PHASE_ARGS,   // the number of arguments is known
    RESP_PHASE_FAILED, // the stream cannot be read on
};

enum resp_line {
    RESP_LINE_FOUND,
    RESP_LINE_MORE,
    RESP_LINE_TOO_BIG,
};

enum {
    // Digits of a header that the quick path reads: as many as cannot overflow 32 bits.
    RESP_QUICK_DIGITS = 9,

    // CRLF after a bulk, which nobody looks at.
    RESP_CRLF_BYTES = 2,
};

// What the loop over arguments works on.
struct resp_scan {
    struct resp_parser *parser;
    const struct resp_limits *limits;
    struct resp_args *args;
    const uint8_t *bytes;
    const uint8_t *end;
};

void resp_args_shrink(struct resp_args *args)
{
    if (args->spans != args->fixed) {
        memory_free(args->spans);
    }
    memory_free(args->text);
    resp_args_init(args, args->fixed, args->fixed_capacity);
}

// Makes room for one more span; false without memory.
static bool resp_args_grow(struct resp_args *args)
{
    const bool first = args->spans == args->fixed;
    const uint32_t capacity = args->capacity * 2;
    const size_t bytes = (size_t)capacity * sizeof *args->spans;
    struct resp_span *const spans =
        first ? memory_allocate(bytes) : memory_resize(args->spans, bytes);

    CHECK(args->capacity <= UINT32_MAX / 2);
    if (spans == NULL) {
        return false;
    }
    if (first) {
        memcpy(spans, args->fixed, (size_t)args->count * sizeof *spans);
    }
    args->spans = spans;
    args->capacity = capacity;
    args->spilled = true;
    return true;
}

bool resp_args_move(struct resp_args *to, struct resp_args *from)
{
    CHECK(to->count == 0 && !to->spilled);
    if (from->count > to->capacity) {
        if (from->spans == from->fixed) {
            // Only an array of the caller's that is larger than the other; make it the heap's.
            if (!resp_args_grow(from)) {
                return false;
            }
        }
        to->spans = from->spans;
        to->capacity = from->capacity;
        from->spans = from->fixed;
        from->capacity = from->fixed_capacity;
    } else {
        memcpy(to->spans, from->spans, (size_t)from->count * sizeof *to->spans);
    }
    to->count = from->count;
    to->base = from->base;
    to->text = from->text;
    to->spilled = to->spans != to->fixed || to->text != NULL;
    from->text = NULL;
    resp_args_clear(from);
    return true;
}

static enum resp_status resp_fail(struct resp_parser *parser, enum resp_error error)
{
    parser->phase = RESP_PHASE_FAILED;
    parser->error = (uint8_t)error;
    return RESP_ERROR;
}

static enum resp_status resp_finish(struct resp_parser *parser, size_t consumed,
                                    enum resp_status status)
{
    *parser = (struct resp_parser){.consumed = (uint32_t)consumed};
    return status;
}

// Looks for the end of the line that starts at `line`, from where the last look ended.
static enum resp_line resp_find_end(struct resp_parser *parser, const uint8_t *line,
                                    const uint8_t *end, int terminator, const uint8_t **ret_end)
{
    const size_t size = (size_t)(end - line);
    const size_t window = size < RESP_LINE_BYTES_MAX + 1 ? size : RESP_LINE_BYTES_MAX + 1;
    const size_t rest = window - parser->searched;
    const uint8_t *const from = line + parser->searched;
    const uint8_t *const found = memchr(from, terminator, rest);
    const uint8_t *const nul = memchr(from, 0, found != NULL ? (size_t)(found - from) : rest);

    if (found != NULL && nul == NULL) {
        *ret_end = found;
        return RESP_LINE_FOUND;
    }
    parser->searched = (uint32_t)(nul != NULL ? (size_t)(nul - line) : window);
    return size > RESP_LINE_BYTES_MAX ? RESP_LINE_TOO_BIG : RESP_LINE_MORE;
}

// The same for a header, which needs the byte after its CR too.
static enum resp_line resp_find_header_end(struct resp_parser *parser, const uint8_t *line,
                                           const uint8_t *end, const uint8_t **ret_end)
{
    const uint8_t *found = NULL;
    const enum resp_line result = resp_find_end(parser, line, end, '\r', &found);

    if (result != RESP_LINE_FOUND) {
        return result;
    }
    if (end - found < RESP_CRLF_BYTES) {
        parser->searched = (uint32_t)(found - line);
        return RESP_LINE_MORE;
    }
    parser->searched = 0;
    *ret_end = found;
    return RESP_LINE_FOUND;
}

// Reads a whole header that has nothing unusual: the type byte, up to nine digits, CR, any byte.
// Returns the byte after it, or NULL: then it is not whole, wrong, or unusual, and the slow path
// tells.
static inline const uint8_t *resp_quick_header(const uint8_t *at, const uint8_t *end, uint8_t type,
                                               uint32_t *ret_value)
{
    if (end - at < 4 || at[0] != type) {
        return NULL;
    }
    const ptrdiff_t whole = RESP_QUICK_DIGITS + RESP_CRLF_BYTES; // type byte, digits, CR
    const uint8_t *const limit = end - at > whole ? at + whole : end;
    uint32_t value = at[1] - (uint32_t)'0';

    if (value > 9 || (value == 0 && at[2] != '\r')) {
        return NULL;
    }
    for (at += 2; at != limit && *at != '\r'; at++) {
        const uint32_t digit = *at - (uint32_t)'0';

        if (digit > 9) {
            return NULL;
        }
        value = value * 10 + digit;
    }
    if (at == limit || end - at < RESP_CRLF_BYTES) {
        return NULL;
    }
    *ret_value = value;
    return at + RESP_CRLF_BYTES;
}

// As isspace(3) in the C locale: what separates and surrounds inline arguments.
static bool resp_is_space(uint8_t byte)
{
    return byte == ' ' || (byte >= '\t' && byte <= '\r');
}

// What ends an inline argument outside quotes; not quite the same set, in Redis too.
static bool resp_ends_argument(uint8_t byte)
{
    return byte == ' ' || byte == '\n' || byte == '\r' || byte == '\t';
}

static bool resp_args_push(struct resp_args *args, size_t offset, size_t size)
{
    if (args->count == args->capacity && !resp_args_grow(args)) {
        return false;
    }
    args->spans[args->count++] = (struct resp_span){(uint32_t)offset, (uint32_t)size};
    return true;
}

// Splits a line without quotes. False without memory.
static bool resp_split_plain(const uint8_t *line, size_t size, struct resp_args *args)
{
    size_t at = 0;

    for (;;) {
        while (at < size && resp_is_space(line[at])) {
            at++;
        }
        if (at == size) {
            args->base = line;
            return true;
        }
        const size_t start = at;

        while (at < size && !resp_ends_argument(line[at])) {
            at++;
        }
        if (!resp_args_push(args, start, at - start)) {
            return false;
        }
    }
}

// The value of a hexadecimal digit, or -1.
static int resp_hex(uint8_t byte)
{
    if (byte >= '0' && byte <= '9') {
        return byte - '0';
    }
    byte |= 0x20;
    return byte >= 'a' && byte <= 'f' ? byte - 'a' + 10 : -1;
}

static uint8_t resp_escape(uint8_t letter)
{
    switch (letter) {
    case 'n':
        return '\n';
    case 'r':
        return '\r';
    case 't':
        return '\t';
    case 'b':
        return '\b';
    case 'a':
        return '\a';
    default:
        return letter;
    }
}

// A line that is being unescaped. Reading past its end gives NULs, of which it has none.
struct resp_unescape {
    const uint8_t *at;
    const uint8_t *end;
    uint8_t *to;
};

static uint8_t resp_peek(const struct resp_unescape *u, size_t ahead)
{
    return (size_t)(u->end - u->at) > ahead ? u->at[ahead] : 0;
}

// Unescapes up to the closing quote, and past it. False when the quote is not closed, or is closed
// in the middle of a word.
static bool resp_unescape_quoted(struct resp_unescape *u, uint8_t quote)
{
    while (resp_peek(u, 0) != 0 && *u->at != quote) {
        uint8_t byte = *u->at;
        const uint8_t second = resp_peek(u, 1);

        if (byte == '\\' && quote == '\'' && second == '\'') {
            u->at++;
            byte = '\'';
        } else if (byte == '\\' && quote == '"' && second != 0) {
            const int high = resp_hex(resp_peek(u, 2));
            const int low = resp_hex(resp_peek(u, 3));

            if (second == 'x' && high >= 0 && low >= 0) {
                u->at += 3;
                byte = (uint8_t)(high * 16 + low);
            } else {
                u->at++;
                byte = resp_escape(second);
            }
        }
        *u->to++ = byte;
        u->at++;
    }
    if (u->at == u->end) {
        return false;
    }
    u->at++;
    return u->at == u->end || resp_is_space(*u->at);
}

// Splits a line with quotes into `args->text`, which has room for `size` bytes.
static enum resp_error resp_split_quoted(const uint8_t *line, size_t size, struct resp_args *args)
{
    struct resp_unescape u = {.at = line, .end = line + size, .to = args->text};

    for (;;) {
        while (u.at != u.end && resp_is_space(*u.at)) {
            u.at++;
        }
        if (u.at == u.end) {
            args->base = args->text;
            return RESP_ERROR_NONE;
        }
        const uint8_t *const start = u.to;
        bool quoted = false;

        // A quote may open in the middle of a word; where it closes, the word ends.
        while (!quoted && u.at != u.end && !resp_ends_argument(*u.at)) {
            const uint8_t byte = *u.at++;

            if (byte == '"' || byte == '\'') {
                if (!resp_unescape_quoted(&u, byte)) {
                    return RESP_ERROR_QUOTES;
                }
                quoted = true;
            } else {
                *u.to++ = byte;
            }
        }
        if (!resp_args_push(args, (size_t)(start - args->text), (size_t)(u.to - start))) {
            return RESP_ERROR_MEMORY;
        }
    }
}

static enum resp_error resp_split(const uint8_t *line, size_t size, struct resp_args *args)
{
    if (memchr(line, '"', size) == NULL && memchr(line, '\'', size) == NULL) {
        return resp_split_plain(line, size, args) ? RESP_ERROR_NONE : RESP_ERROR_MEMORY;
    }
    args->text = memory_allocate(size);
    if (args->text == NULL) {
        return RESP_ERROR_MEMORY;
    }
    args->spilled = true;
    return resp_split_quoted(line, size, args);
}

static enum resp_status resp_parse_inline(const struct resp_scan *scan)
{
    struct resp_parser *const parser = scan->parser;
    const uint8_t *newline = NULL;

    switch (resp_find_end(parser, scan->bytes, scan->end, '\n', &newline)) {
    case RESP_LINE_TOO_BIG:
        return resp_fail(parser, RESP_ERROR_INLINE_SIZE);
    case RESP_LINE_MORE:
        parser->need = (uint32_t)(scan->end - scan->bytes) + 1;
        return RESP_MORE;
    case RESP_LINE_FOUND:
        break;
    }
    size_t size = (size_t)(newline - scan->bytes);
    const size_t consumed = size + 1;

    if (size != 0 && scan->bytes[size - 1] == '\r') {
        size--;
    }
    const enum resp_error error = resp_split(scan->bytes, size, scan->args);

    if (error != RESP_ERROR_NONE) {
        return resp_fail(parser, error);
    }
    return resp_finish(parser, consumed, scan->args->count != 0 ? RESP_COMMAND : RESP_EMPTY);
}

// Reads "*COUNT\r\n" at the start of a request. RESP_COMMAND means: go on with the arguments.
static enum resp_status resp_parse_count(const struct resp_scan *scan)
{
    struct resp_parser *const parser = scan->parser;
    const struct resp_limits *const limits = scan->limits;
    uint32_t quick = 0;
    int64_t count = 0;
    const uint8_t *next = resp_quick_header(scan->bytes, scan->end, '*', &quick);

    if (next != NULL) {
        count = quick;
    } else {
        const uint8_t *cr = NULL;

        switch (resp_find_header_end(parser, scan->bytes, scan->end, &cr)) {
        case RESP_LINE_TOO_BIG:
            return resp_fail(parser, RESP_ERROR_COUNT_SIZE);
        case RESP_LINE_MORE:
            parser->need = (uint32_t)(scan->end - scan->bytes) + 1;
            return RESP_MORE;
        case RESP_LINE_FOUND:
            break;
        }
        const struct slice text = slice_of(scan->bytes + 1, (size_t)(cr - scan->bytes - 1));

        if (!number_parse_i64(text, &count)) {
            return resp_fail(parser, RESP_ERROR_COUNT);
        }
        next = cr + RESP_CRLF_BYTES;
    }
    if (count > limits->args_max) {
        return resp_fail(parser, RESP_ERROR_COUNT);
    }
    if (count > RESP_UNAUTHENTICATED_ARGS_MAX && !limits->authenticated) {
        return resp_fail(parser, RESP_ERROR_COUNT_UNAUTHENTICATED);
    }
    if (count <= 0) {
        return resp_finish(parser, (size_t)(next - scan->bytes), RESP_EMPTY);
    }
    parser->phase = RESP_PHASE_ARGS;
    parser->searched = 0;
    parser->position = (uint32_t)(next - scan->bytes);
    parser->args_left = (uint32_t)count;
    return RESP_COMMAND;
}

// Reads "$SIZE\r\n" where the quick path could not: *ret_next is the byte after it.
static enum resp_status resp_parse_bulk_header(const struct resp_scan *scan, const uint8_t *at,
                                               uint32_t *ret_size, const uint8_t **ret_next)
{
    struct resp_parser *const parser = scan->parser;
    const uint8_t *cr = NULL;
    int64_t size = 0;

    switch (resp_find_header_end(parser, at, scan->end, &cr)) {
    case RESP_LINE_TOO_BIG:
        return resp_fail(parser, RESP_ERROR_BULK_SIZE);
    case RESP_LINE_MORE:
        parser->need = (uint32_t)(scan->end - scan->bytes) + 1;
        return RESP_MORE;
    case RESP_LINE_FOUND:
        break;
    }
    if (*at != '$') {
        parser->got = *at;
        return resp_fail(parser, RESP_ERROR_DOLLAR);
    }
    if (!number_parse_i64(slice_of(at + 1, (size_t)(cr - at - 1)), &size) || size < 0 ||
        size > UINT32_MAX) {
        return resp_fail(parser, RESP_ERROR_BULK);
    }
    *ret_size = (uint32_t)size;
    *ret_next = cr + RESP_CRLF_BYTES;
    return RESP_COMMAND;
}

// Which limit a bulk of `size` bytes after `position` bytes of the request breaks.
static enum resp_error resp_check_bulk(const struct resp_limits *limits, uint32_t size,
                                       size_t position)
{
    if (size > limits->bulk_bytes_max) {
        return RESP_ERROR_BULK;
    }
    if (size > RESP_UNAUTHENTICATED_BULK_BYTES_MAX && !limits->authenticated) {
        return RESP_ERROR_BULK_UNAUTHENTICATED;
    }
    if (position + size + RESP_CRLF_BYTES > limits->request_bytes_max) {
        return RESP_ERROR_REQUEST_SIZE;
    }
    return RESP_ERROR_NONE;
}

// Reads the arguments that are still missing, as far as they are there.
static enum resp_status resp_parse_args(const struct resp_scan *scan)
{
    struct resp_parser *const parser = scan->parser;
    struct resp_args *const args = scan->args;
    const uint8_t *at = scan->bytes + parser->position;

    while (parser->args_left != 0) {
        if (parser->bulk == 0) {
            uint32_t size = 0;
            const uint8_t *next = resp_quick_header(at, scan->end, '$', &size);

            if (__builtin_expect(next == NULL, 0)) {
                const enum resp_status status = resp_parse_bulk_header(scan, at, &size, &next);

                if (status != RESP_COMMAND) {
                    return status;
                }
            }
            at = next;
            const size_t position = (size_t)(at - scan->bytes);
            const enum resp_error error = resp_check_bulk(scan->limits, size, position);

            if (__builtin_expect(error != RESP_ERROR_NONE, 0)) {
                return resp_fail(parser, error);
            }
            parser->position = (uint32_t)position;
            parser->searched = 0;
            parser->bulk = size + 1;
        }
        const uint32_t size = parser->bulk - 1;

        if ((size_t)(scan->end - at) < (size_t)size + RESP_CRLF_BYTES) {
            parser->need = parser->position + size + RESP_CRLF_BYTES;
            return RESP_MORE;
        }
        if (!resp_args_push(args, parser->position, size)) {
            return resp_fail(parser, RESP_ERROR_MEMORY);
        }
        at += size + RESP_CRLF_BYTES;
        parser->position += size + RESP_CRLF_BYTES;
        parser->bulk = 0;
        parser->args_left--;
    }
    args->base = scan->bytes;
    return resp_finish(parser, parser->position, RESP_COMMAND);
}

enum resp_status resp_parse(struct resp_parser *parser, const struct resp_limits *limits,
                            const uint8_t *bytes, size_t size, struct resp_args *args)
{
    // A request and the line after it fit into 32 bits, so what lies beyond is not of this one.
    const size_t seen = size < UINT32_MAX ? size : UINT32_MAX - 1;
    const struct resp_scan scan = {parser, limits, args, bytes, bytes + seen};

    CHECK(size > 0);
    if (parser->phase == RESP_PHASE_START) {
        CHECK(args->count == 0);
        if (bytes[0] != '*') {
            return resp_parse_inline(&scan);
        }
        const enum resp_status status = resp_parse_count(&scan);

        if (status != RESP_COMMAND) {
            return status;
        }
    } else if (parser->phase == RESP_PHASE_FAILED) {
        return RESP_ERROR;
    }
    return resp_parse_args(&scan);
}

void resp_error_text(const struct resp_parser *parser, char ret_text[RESP_ERROR_TEXT_MAX])
{
    static const char *const texts[] = {
        [RESP_ERROR_NONE] = "ERR Protocol error",
        [RESP_ERROR_INLINE_SIZE] = "ERR Protocol error: too big inline request",
        [RESP_ERROR_QUOTES] = "ERR Protocol error: unbalanced quotes in request",
        [RESP_ERROR_COUNT_SIZE] = "ERR Protocol error: too big mbulk count string",
        [RESP_ERROR_COUNT] = "ERR Protocol error: invalid multibulk length",
        [RESP_ERROR_COUNT_UNAUTHENTICATED] = "ERR Protocol error: unauthenticated multibulk length",
        [RESP_ERROR_DOLLAR] = "ERR Protocol error: expected '$', got ",
        [RESP_ERROR_BULK_SIZE] = "ERR Protocol error: too big bulk count string",
        [RESP_ERROR_BULK] = "ERR Protocol error: invalid bulk length",
        [RESP_ERROR_BULK_UNAUTHENTICATED] = "ERR Protocol error: unauthenticated bulk length",
        [RESP_ERROR_REQUEST_SIZE] = "TOOLARGE the request is larger than clients.request_max",
        [RESP_ERROR_MEMORY] = "OVERLOADED no memory for the arguments of the request",
    };

    CHECK(parser->error < sizeof texts / sizeof texts[0]);
    if (parser->error == RESP_ERROR_DOLLAR) {
        snprintf(ret_text, RESP_ERROR_TEXT_MAX, "%s'%c'", texts[RESP_ERROR_DOLLAR], parser->got);
        return;
    }
    snprintf(ret_text, RESP_ERROR_TEXT_MAX, "%s", texts[parser->error]);
}
