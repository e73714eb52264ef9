// Requests as a client sends them. The first byte says how they arrive and under which limits, the
// rest is the stream. It is read twice, in one piece and in many, from blocks of exactly the bytes
// that are there; what is read must be the same, and inside the stream.
#include "core/resp.h"
#include "core/check.h"
#include "core/hash.h"
#include "core/random.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

enum {
    SPANS = 3,
    ARGS_MAX = 4096,
    PIECE_MAX = 40,
};

// What was read so far.
struct transcript {
    uint64_t hash;
    size_t consumed;
    bool failed;
};

static void note(struct transcript *t, uint64_t kind, struct slice bytes)
{
    const uint64_t parts[] = {t->hash, kind, bytes.size, hash_key(kind, bytes)};

    t->hash = hash_checksum(parts, sizeof parts);
}

// Parses what is there until there is no more request. `stream` is moved for each call.
static void read_all(struct transcript *t, struct resp_parser *parser, struct resp_args *args,
                     const struct resp_limits *limits, struct slice stream)
{
    while (!t->failed && t->consumed < stream.size) {
        const size_t left = stream.size - t->consumed;
        uint8_t *const block = malloc(left);
        char text[RESP_ERROR_TEXT_MAX];

        CHECK(block != NULL);
        memcpy(block, stream.bytes + t->consumed, left);
        const enum resp_status status = resp_parse(parser, limits, block, left, args);

        if (status == RESP_COMMAND) {
            CHECK(args->count > 0);
            for (uint32_t i = 0; i < args->count; i++) {
                note(t, i, resp_arg(args, i));
            }
            resp_args_clear(args);
        } else if (status == RESP_ERROR) {
            resp_error_text(parser, text);
            note(t, UINT64_MAX, slice_from_text(text));
            t->failed = true;
        }
        if (status == RESP_COMMAND || status == RESP_EMPTY) {
            CHECK(parser->consumed > 0 && parser->consumed <= left);
            t->consumed += parser->consumed;
        }
        free(block);
        if (status == RESP_MORE) {
            CHECK(parser->need > left);
            return;
        }
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    if (size < 1) {
        return 0;
    }
    const struct resp_limits limits = {
        .bulk_bytes_max = (bytes[0] & 2) != 0 ? 1 << 20 : 100,
        .request_bytes_max = (bytes[0] & 4) != 0 ? 1 << 24 : 300,
        .args_max = ARGS_MAX,
        .authenticated = (bytes[0] & 1) != 0,
    };
    const struct slice stream = slice_of(bytes + 1, size - 1);
    struct transcript whole = {0};
    struct transcript pieces = {0};
    struct resp_parser parser = {0};
    struct resp_span fixed[SPANS];
    struct resp_args args;
    struct random random;

    resp_args_init(&args, fixed, SPANS);
    read_all(&whole, &parser, &args, &limits, stream);
    resp_args_clear(&args);
    parser = (struct resp_parser){0};
    random_seed(&random, bytes[0]);
    for (size_t there = 0; there < stream.size;) {
        there += 1 + random_below(&random, PIECE_MAX);
        there = there < stream.size ? there : stream.size;
        read_all(&pieces, &parser, &args, &limits, slice_of(stream.bytes, there));
    }
    resp_args_clear(&args);
    CHECK(whole.hash == pieces.hash && whole.consumed == pieces.consumed);
    CHECK(whole.failed == pieces.failed);
    return 0;
}
