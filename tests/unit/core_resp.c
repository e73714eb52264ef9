#include "core/random.h"
#include "core/resp.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>

enum { SPANS = 4 }; // few, so that longer requests go to the heap

static const struct resp_limits generous = {
    .bulk_bytes_max = 512 << 20,
    .request_bytes_max = 1 << 30,
    .args_max = 1 << 20,
    .authenticated = true,
};
static const struct resp_limits stranger = {
    .bulk_bytes_max = 512 << 20,
    .request_bytes_max = 1 << 30,
    .args_max = 1 << 20,
    .authenticated = false,
};

// A stream that is parsed as its bytes arrive, and what was read from it as text: "[GET|key]" for a
// request, "." for an empty one, "!text" for an error.
struct reading {
    struct resp_parser parser;
    const struct resp_limits *limits;
    struct resp_span fixed[SPANS];
    struct resp_args args;
    uint8_t *bytes; // of the request under way: always a block of exactly its size
    size_t size;
    bool failed;
    bool scribble; // overwrites what the parser has read, to see that it does not look again
    char *text;
    size_t text_size;
    FILE *out;
};

static void reading_start(struct reading *r, const struct resp_limits *limits)
{
    *r = (struct reading){.limits = limits};
    resp_args_init(&r->args, r->fixed, SPANS);
    r->out = open_memstream(&r->text, &r->text_size);
}

// The text; freed by the caller.
static char *reading_end(struct reading *r)
{
    resp_args_clear(&r->args);
    free(r->bytes);
    fclose(r->out);
    return r->text;
}

static void reading_print(struct reading *r)
{
    for (uint32_t i = 0; i < r->args.count; i++) {
        const struct slice arg = resp_arg(&r->args, i);

        fputs(i == 0 ? "[" : "|", r->out);
        if (r->scribble) {
            fprintf(r->out, "%zu", arg.size);
        } else if (arg.size != 0) {
            fwrite(arg.bytes, 1, arg.size, r->out);
        }
    }
    fputs("]", r->out);
}

// Replaces the bytes by others, at another address.
static void reading_keep(struct reading *r, const uint8_t *bytes, size_t size)
{
    uint8_t *const moved = malloc(size != 0 ? size : 1);

    if (size != 0) {
        memcpy(moved, bytes, size);
    }
    free(r->bytes);
    r->bytes = moved;
    r->size = size;
}

// One call of the parser. True while there may be more to read.
static bool reading_step(struct reading *r)
{
    char error[RESP_ERROR_TEXT_MAX];

    if (r->size == 0 || r->failed) {
        return false;
    }
    switch (resp_parse(&r->parser, r->limits, r->bytes, r->size, &r->args)) {
    case RESP_COMMAND:
        reading_print(r);
        resp_args_clear(&r->args);
        break;
    case RESP_EMPTY:
        fputs(".", r->out);
        cr_assert_eq(r->args.count, 0);
        break;
    case RESP_MORE:
        cr_assert_gt(r->parser.need, r->size);
        if (r->scribble) {
            memset(r->bytes, '#', r->parser.position);
        }
        return false;
    case RESP_ERROR:
        resp_error_text(&r->parser, error);
        fprintf(r->out, "!%s", error);
        r->failed = true;
        return false;
    }
    cr_assert_gt(r->parser.consumed, 0);
    cr_assert_leq(r->parser.consumed, r->size);
    reading_keep(r, r->bytes + r->parser.consumed, r->size - r->parser.consumed);
    return true;
}

static void reading_arrive(struct reading *r, const uint8_t *bytes, size_t size)
{
    uint8_t *const joined = malloc(r->size + size);

    if (r->size != 0) {
        memcpy(joined, r->bytes, r->size);
    }
    memcpy(joined + r->size, bytes, size);
    free(r->bytes);
    r->bytes = joined;
    r->size += size;
    while (reading_step(r)) {
    }
}

static char *read_whole(const struct resp_limits *limits, struct slice stream)
{
    struct reading r;

    reading_start(&r, limits);
    reading_arrive(&r, stream.bytes, stream.size);
    return reading_end(&r);
}

#define EXPECT(limits, stream, expected)                                                           \
    expect(limits, slice_of("" stream, sizeof(stream) - 1), expected, __LINE__)

static void expect(const struct resp_limits *limits, struct slice stream, const char *expected,
                   int line)
{
    char *const got = read_whole(limits, stream);

    cr_expect_str_eq(got, expected, "line %d: got %s", line, got);
    free(got);
}

Test(core_resp, reads_arrays_of_bulks)
{
    EXPECT(&generous, "*2\r\n$3\r\nGET\r\n$3\r\nkey\r\n", "[GET|key]");
    EXPECT(&generous, "*1\r\n$4\r\nPING\r\n*2\r\n$4\r\nECHO\r\n$0\r\n\r\n", "[PING][ECHO|]");
    EXPECT(&generous, "*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$12\r\n*1\r\n$4\r\nPING\r\n",
           "[SET|k|*1\r\n$4\r\nPING]");
    EXPECT(&generous, "*6\r\n$1\r\na\r\n$1\r\nb\r\n$1\r\nc\r\n$1\r\nd\r\n$1\r\ne\r\n$1\r\nf\r\n",
           "[a|b|c|d|e|f]");
}

Test(core_resp, arguments_may_hold_nul)
{
    struct resp_parser parser = {0};
    struct resp_span fixed[SPANS];
    struct resp_args args;
    const char stream[] = "*2\r\n$3\r\nGET\r\n$3\r\na\0b\r\n";

    resp_args_init(&args, fixed, SPANS);
    cr_assert_eq(resp_parse(&parser, &generous, (const uint8_t *)stream, sizeof stream - 1, &args),
                 RESP_COMMAND);
    cr_assert_eq(parser.consumed, sizeof stream - 1);
    cr_assert_eq(args.count, 2);
    cr_assert(slice_equal(resp_arg(&args, 1), slice_of("a\0b", 3)));
}

Test(core_resp, an_array_without_elements_is_no_command)
{
    EXPECT(&generous, "*0\r\n*1\r\n$4\r\nPING\r\n", ".[PING]");
    EXPECT(&generous, "*-1\r\n*-9223372036854775808\r\n*1\r\n$4\r\nPING\r\n", "..[PING]");
}

Test(core_resp, the_bytes_after_a_header_and_after_a_bulk_are_not_looked_at)
{
    EXPECT(&generous, "*1\rX$4\rYPINGab*1\r\n$4\r\nPING\r\n", "[PING][PING]");
    EXPECT(&generous, "*0\r**1\r\n$4\r\nPING\r\n", ".[PING]");
}

Test(core_resp, refuses_numbers_of_arguments_that_are_none)
{
    static const char error[] = "!ERR Protocol error: invalid multibulk length";

    EXPECT(&generous, "*\r\n", error);
    EXPECT(&generous, "*x\r\n", error);
    EXPECT(&generous, "*01\r\n", error);
    EXPECT(&generous, "*+1\r\n", error);
    EXPECT(&generous, "* 1\r\n", error);
    EXPECT(&generous, "*1 \r\n", error);
    EXPECT(&generous, "*-0\r\n", error);
    EXPECT(&generous, "*1\n\r\n", error);
    EXPECT(&generous, "*1048577\r\n", error);
    EXPECT(&generous, "*2147483648\r\n", error);
    EXPECT(&generous, "*4294967297\r\n", error);
    EXPECT(&generous, "*9223372036854775808\r\n", error);
    EXPECT(&generous, "*99999999999999999999999999\r\n", error);
    EXPECT(&generous, "*-99999999999999999999999999\r\n", error);
    EXPECT(&generous, "*1048576\r\n", "");
}

Test(core_resp, refuses_lengths_that_are_none)
{
    static const char error[] = "!ERR Protocol error: invalid bulk length";

    EXPECT(&generous, "*1\r\n$\r\n", error);
    EXPECT(&generous, "*1\r\n$-1\r\n", error);
    EXPECT(&generous, "*1\r\n$04\r\n", error);
    EXPECT(&generous, "*1\r\n$+4\r\n", error);
    EXPECT(&generous, "*1\r\n$ 4\r\n", error);
    EXPECT(&generous, "*1\r\n$4x\r\n", error);
    EXPECT(&generous, "*1\r\n$536870913\r\n", error);
    EXPECT(&generous, "*1\r\n$4294967300\r\n", error);
    EXPECT(&generous, "*1\r\n$18446744073709551620\r\n", error);
    EXPECT(&generous, "*2\r\n$3\r\nGET\r\n$abc\r\n", error);
    EXPECT(&generous, "*1\r\n$536870912\r\n", "");
}

Test(core_resp, refuses_what_is_not_a_bulk_once_its_line_is_there)
{
    EXPECT(&generous, "*1\r\n:1", "");
    EXPECT(&generous, "*1\r\n:1\r", "");
    EXPECT(&generous, "*1\r\n:1\r\n", "!ERR Protocol error: expected '$', got ':'");
    EXPECT(&generous, "*1\r\n*1\r\n", "!ERR Protocol error: expected '$', got '*'");
    EXPECT(&generous, "*1\r\n\r\n", "!ERR Protocol error: expected '$', got '\r'");
    EXPECT(&generous, "*2\r\n$3\r\nGETkey\r\n", "!ERR Protocol error: expected '$', got 'y'");
}

Test(core_resp, a_nul_hides_the_end_of_its_line)
{
    EXPECT(&generous, "*1\0\r\n$4\r\nPING\r\n", "");
    EXPECT(&generous, "*1\r\n$4\0\r\nPING\r\n", "");
    EXPECT(&generous, "PING\0\r\nPING\r\n", "");
}

// The line is `first`, then as many 'a' as make `size` bytes, then `last`.
static void expect_long_line(const char *first, size_t size, struct slice last,
                             const char *expected)
{
    char *const bytes = malloc(size + last.size);

    memset(bytes, 'a', size);
    memcpy(bytes, first, strlen(first));
    if (last.size != 0) {
        memcpy(bytes + size, last.bytes, last.size);
    }
    expect(&generous, slice_of(bytes, size + last.size), expected, (int)size);
    free(bytes);
}

Test(core_resp, refuses_lines_that_do_not_end)
{
    const struct slice none = {0};
    const struct slice nul = slice_of("\0\r\n", 3);

    expect_long_line("*", 65536, none, "");
    expect_long_line("*", 65537, none, "!ERR Protocol error: too big mbulk count string");
    expect_long_line("*", 65534, nul, "!ERR Protocol error: too big mbulk count string");
    expect_long_line("*1\r\n$", 65540, none, "");
    expect_long_line("*1\r\n$", 65541, none, "!ERR Protocol error: too big bulk count string");
    expect_long_line("*1\r\nx", 65541, none, "!ERR Protocol error: too big bulk count string");
    expect_long_line("", 65536, none, "");
    expect_long_line("", 65537, none, "!ERR Protocol error: too big inline request");
    expect_long_line("", 65534, nul, "!ERR Protocol error: too big inline request");
    expect_long_line("", 100000, none, "!ERR Protocol error: too big inline request");
    expect_long_line("*", 65536, slice_of("\r\n", 2),
                     "!ERR Protocol error: invalid multibulk length");
}

Test(core_resp, an_inline_request_of_the_largest_size_is_taken)
{
    char *const bytes = malloc(65537);
    struct resp_parser parser = {0};
    struct resp_span fixed[SPANS];
    struct resp_args args;

    memset(bytes, 'a', 65536);
    bytes[65536] = '\n';
    resp_args_init(&args, fixed, SPANS);
    cr_assert_eq(resp_parse(&parser, &generous, (const uint8_t *)bytes, 65537, &args),
                 RESP_COMMAND);
    cr_assert_eq(resp_arg(&args, 0).size, 65536);
    free(bytes);
}

Test(core_resp, strangers_are_given_little)
{
    EXPECT(&stranger, "*10\r\n", "");
    EXPECT(&stranger, "*11\r\n", "!ERR Protocol error: unauthenticated multibulk length");
    EXPECT(&stranger, "*1\r\n$16384\r\n", "");
    EXPECT(&stranger, "*1\r\n$16385\r\n", "!ERR Protocol error: unauthenticated bulk length");
    EXPECT(&stranger, "*1\r\n$536870913\r\n", "!ERR Protocol error: invalid bulk length");
    EXPECT(&stranger, "*1048577\r\n", "!ERR Protocol error: invalid multibulk length");
}

Test(core_resp, splits_inline_requests)
{
    EXPECT(&generous, "PING\r\n", "[PING]");
    EXPECT(&generous, "PING\n", "[PING]");
    EXPECT(&generous, "\r\n\n  \t\v\f\r\nPING\r\n", "...[PING]");
    EXPECT(&generous, "  SET\tk   v  \r\nGET k\r\n", "[SET|k|v][GET|k]");
    EXPECT(&generous, "a\rb\r\r\n", "[a|b]");
    EXPECT(&generous, "a\vb\fc d\r\n", "[a\vb\fc|d]");
    EXPECT(&generous, "$4\r\nPING\r\n", "[$4][PING]");
    EXPECT(&generous, "\\n a\\b\r\n", "[\\n|a\\b]");
}

Test(core_resp, unescapes_quotes_of_inline_requests)
{
    EXPECT(&generous, "SET k \"a b\"\r\n", "[SET|k|a b]");
    EXPECT(&generous, "SET k ''\r\nSET \"\" k\n", "[SET|k|][SET||k]");
    EXPECT(&generous, "SET k \"\\x41\\x4a\\x4A\\n\\r\\t\\b\\a\\\\\\\"\\q\\x4\\xzz\"\r\n",
           "[SET|k|AJJ\n\r\t\b\a\\\"qx4xzz]");
    EXPECT(&generous, "SET k 'it\\'s \\n \\x41 \"'\r\n", "[SET|k|it's \\n \\x41 \"]");
    EXPECT(&generous, "a\"b c\" d'e f'\r\n", "[ab c|de f]");
    EXPECT(&generous, "\"a\"\v'b'\r\n", "[a|b]");
}

Test(core_resp, refuses_quotes_that_do_not_fit)
{
    static const char error[] = "!ERR Protocol error: unbalanced quotes in request";

    EXPECT(&generous, "SET k \"a\r\n", error);
    EXPECT(&generous, "SET k 'a\r\n", error);
    EXPECT(&generous, "SET k \"a\"b\r\n", error);
    EXPECT(&generous, "SET k 'a'\"b\"\r\n", error);
    EXPECT(&generous, "SET k \"a\\\"\r\n", error);
    EXPECT(&generous, "SET k 'a\\'\r\n", error);
    EXPECT(&generous, "SET k \"a\\\r\n", error);
    EXPECT(&generous, "\"\r\n", error);
}

Test(core_resp, bounds_bulks_requests_and_arguments)
{
    const struct resp_limits small = {
        .bulk_bytes_max = 100, .request_bytes_max = 64, .args_max = 3, .authenticated = true};

    EXPECT(&small, "*1\r\n$101\r\n", "!ERR Protocol error: invalid bulk length");
    EXPECT(&small, "*1\r\n$55\r\n", "!TOOLARGE the request is larger than clients.request_max");
    EXPECT(&small, "*1\r\n$53\r\n", "");
    EXPECT(&small, "*2\r\n$10\r\n0123456789\r\n$37\r\n",
           "!TOOLARGE the request is larger than clients.request_max");
    EXPECT(&small, "*4\r\n", "!ERR Protocol error: invalid multibulk length");
    EXPECT(&small, "*3\r\n", "");
}

Test(core_resp, a_failed_stream_stays_failed)
{
    struct resp_parser parser = {0};
    struct resp_span fixed[SPANS];
    struct resp_args args;
    char text[RESP_ERROR_TEXT_MAX];

    resp_args_init(&args, fixed, SPANS);
    cr_assert_eq(resp_parse(&parser, &generous, (const uint8_t *)"*x\r\n", 4, &args), RESP_ERROR);
    cr_assert_eq(resp_parse(&parser, &generous, (const uint8_t *)"PING\r\n", 6, &args), RESP_ERROR);
    resp_error_text(&parser, text);
    cr_assert_str_eq(text, "ERR Protocol error: invalid multibulk length");
}

Test(core_resp, tells_how_much_a_request_needs)
{
    struct resp_parser parser = {0};
    struct resp_span fixed[SPANS];
    struct resp_args args;
    const uint8_t *const stream = (const uint8_t *)"*2\r\n$3\r\nGET\r\n$1000\r\nabc";

    resp_args_init(&args, fixed, SPANS);
    cr_assert_eq(resp_parse(&parser, &generous, stream, 3, &args), RESP_MORE);
    cr_assert_eq(parser.need, 4);
    cr_assert_eq(resp_parse(&parser, &generous, stream, 8, &args), RESP_MORE);
    cr_assert_eq(parser.need, 13);
    cr_assert_eq(resp_parse(&parser, &generous, stream, 13, &args), RESP_MORE);
    cr_assert_eq(parser.need, 14);
    cr_assert_eq(resp_parse(&parser, &generous, stream, 23, &args), RESP_MORE);
    cr_assert_eq(parser.need, 4 + 9 + 7 + 1000 + 2);
}

Test(core_resp, an_announced_count_takes_no_memory)
{
    struct resp_parser parser = {0};
    struct resp_span fixed[SPANS];
    struct resp_args args;

    resp_args_init(&args, fixed, SPANS);
    cr_assert_eq(
        resp_parse(&parser, &generous, (const uint8_t *)"*1048576\r\n$1\r\na\r\n", 17, &args),
        RESP_MORE);
    cr_assert_eq(args.count, 1);
    cr_assert_eq(args.spans, fixed);
}

// What is read in two parts, cut at every byte, and byte by byte, is what is read at once. In
// blocks of exactly the size that is there, so that ASan sees a look beyond.
static void expect_same_however_cut(struct slice stream, const struct resp_limits *limits,
                                    uint64_t seed)
{
    char *const whole = read_whole(limits, stream);
    struct reading r;

    for (size_t cut = 1; cut < stream.size; cut++) {
        reading_start(&r, limits);
        reading_arrive(&r, stream.bytes, cut);
        reading_arrive(&r, stream.bytes + cut, stream.size - cut);
        char *const parts = reading_end(&r);

        cr_assert_str_eq(parts, whole, "seed %llu, cut at %zu: %s, not %s",
                         (unsigned long long)seed, cut, parts, whole);
        free(parts);
    }
    reading_start(&r, limits);
    for (size_t i = 0; i < stream.size; i++) {
        reading_arrive(&r, stream.bytes + i, 1);
    }
    char *const bytes = reading_end(&r);

    cr_assert_str_eq(bytes, whole, "seed %llu, byte by byte: %s, not %s", (unsigned long long)seed,
                     bytes, whole);
    free(bytes);
    free(whole);
}

// A stream of requests, of which some are damaged.
static size_t make_stream(struct random *random, uint8_t *ret_bytes, size_t capacity)
{
    static const char *const pieces[] = {
        "*2\r\n$3\r\nGET\r\n$3\r\nkey\r\n",
        "*1\r\n$4\r\nPING\r\n",
        "*0\r\n",
        "*-1\r\n",
        "PING\r\n",
        "SET k \"a\\x41 b\" 'c d'\r\n",
        "\r\n",
        "a b c d e f g\n",
        "*5\r\n$1\r\na\r\n$0\r\n\r\n$10\r\n0123456789\r\n$1\r\nb\r\n$2\r\n\r\n\r\n",
        "*1\r\n$11\r\nabcdefghijk\r\n",
        "*10\r\n",
        "$1\r\n",
        "\"x\"y\r\n",
        "*1\r\n:1\r\n",
    };
    const uint64_t count = 1 + random_below(random, 5);
    size_t size = 0;

    for (uint64_t i = 0; i < count; i++) {
        const char *const piece = pieces[random_below(random, sizeof pieces / sizeof pieces[0])];
        const size_t length = strlen(piece);

        cr_assert_leq(size + length, capacity);
        memcpy(ret_bytes + size, piece, length);
        size += length;
    }
    for (uint64_t edits = random_below(random, 3); edits > 0; edits--) {
        static const char telling[] = "\0\r\n*$09-+ \"'\\x:a";

        ret_bytes[random_below(random, size)] =
            (uint8_t)telling[random_below(random, sizeof telling - 1)];
    }
    return size;
}

Test(core_resp, how_a_stream_is_cut_changes_nothing)
{
    for (uint64_t seed = 1; seed <= 1500; seed++) {
        struct random random;
        uint8_t bytes[512];

        random_seed(&random, seed);
        const size_t size = make_stream(&random, bytes, sizeof bytes);

        expect_same_however_cut(slice_of(bytes, size), seed % 4 == 0 ? &stranger : &generous, seed);
    }
}

// Reads the stream in pieces of `piece` bytes; what the parser has passed is overwritten in
// between.
static void expect_read_once(struct slice stream, size_t piece, const char *expected)
{
    struct reading r;

    reading_start(&r, &generous);
    r.scribble = true;
    for (size_t at = 0; at < stream.size; at += piece) {
        const size_t left = stream.size - at;

        reading_arrive(&r, stream.bytes + at, left < piece ? left : piece);
    }
    char *const got = reading_end(&r);

    cr_assert_str_eq(got, expected, "in pieces of %zu: %s", piece, got);
    free(got);
}

Test(core_resp, looks_at_nothing_twice)
{
    const struct slice stream =
        slice_from_text("*7\r\n$4\r\nMSET\r\n$1\r\na\r\n$0\r\n\r\n$10\r\n0123456789\r\n$1\r\nb\r\n"
                        "$1\r\nc\r\n$12\r\n*1\r\n$4\r\nPING\r\n*1\r\n$4\r\nPING\r\n");

    for (size_t piece = 1; piece < stream.size; piece++) {
        expect_read_once(stream, piece, "[4|1|0|10|1|1|12][4]");
    }
}

Test(core_resp, takes_a_hundred_thousand_arguments_in_pieces)
{
    enum { COUNT = 100000, PIECE = 16384 };
    uint8_t *const bytes = malloc(COUNT * 16 + 16);
    size_t size = (size_t)snprintf((char *)bytes, 16, "*%d\r\n", COUNT);
    struct resp_parser parser = {0};
    struct resp_span fixed[SPANS];
    struct resp_args args;
    enum resp_status status = RESP_MORE;

    for (int i = 0; i < COUNT; i++) {
        size += (size_t)snprintf((char *)bytes + size, 17, "$6\r\n%06d\r\n", i);
    }
    resp_args_init(&args, fixed, SPANS);
    for (size_t there = PIECE; status == RESP_MORE; there += PIECE) {
        const uint32_t before = args.count;

        status = resp_parse(&parser, &generous, bytes, there < size ? there : size, &args);
        cr_assert(status == RESP_COMMAND || args.count > before);
    }
    cr_assert_eq(status, RESP_COMMAND);
    cr_assert_eq(parser.consumed, size);
    cr_assert_eq(args.count, COUNT);
    for (uint32_t i = 0; i < COUNT; i++) {
        cr_assert_eq(strtoul((const char *)resp_arg(&args, i).bytes, NULL, 10), i);
    }
    resp_args_clear(&args);
    cr_assert_eq(args.spans, fixed);
    free(bytes);
}

static void parse_into(struct resp_args *args, const char *text)
{
    struct resp_parser parser = {0};

    cr_assert_eq(resp_parse(&parser, &generous, (const uint8_t *)text, strlen(text), args),
                 RESP_COMMAND);
}

static void expect_moved(const char *text, uint32_t from_capacity, uint32_t to_capacity)
{
    struct resp_span from_fixed[8];
    struct resp_span to_fixed[8];
    struct resp_args from;
    struct resp_args to;

    resp_args_init(&from, from_fixed, from_capacity);
    resp_args_init(&to, to_fixed, to_capacity);
    parse_into(&from, text);
    const uint32_t count = from.count;

    cr_assert(resp_args_move(&to, &from));
    cr_assert_eq(from.count, 0);
    cr_assert_eq(from.spans, from_fixed);
    cr_assert_not(from.spilled);
    memset(from_fixed, 0xff, sizeof from_fixed);
    cr_assert_eq(to.count, count);
    for (uint32_t i = 0; i < count; i++) {
        cr_assert_eq(resp_arg(&to, i).size, 1);
        cr_assert_eq(resp_arg(&to, i).bytes[0], 'a' + i);
    }
    resp_args_clear(&to);
    cr_assert_eq(to.spans, to_fixed);
}

Test(core_resp, arguments_move_between_arrays_and_heap)
{
    static const char *const texts[] = {"a b c d e\r\n", "'a' b c d \"e\"\r\n"};

    for (size_t i = 0; i < 2; i++) {
        expect_moved(texts[i], 8, 8);
        expect_moved(texts[i], 8, 2);
        expect_moved(texts[i], 2, 8);
        expect_moved(texts[i], 2, 2);
        expect_moved(texts[i], 5, 4);
    }
}
