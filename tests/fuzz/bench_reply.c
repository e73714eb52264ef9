// Replies as the load generator reads them: whatever the bytes, and however they are cut, the same
// replies come out, and no more bytes are taken than there are.

#include "cli/bench_reply.h"
#include "core/check.h"

#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

// What a stream came to.
struct outcome {
    enum bench_reader_status status;
    uint64_t replies;
    uint64_t bytes; // of strings
    uint64_t strings;
    uint64_t nulls;
    uint64_t errors;
};

static void on_bytes(void *context, const uint8_t *bytes, size_t size, uint64_t left, bool first)
{
    struct outcome *const outcome = context;

    CHECK(bytes != NULL || (size == 0 && left == 0 && first));
    outcome->bytes += size;
    outcome->strings += bytes != NULL && left == 0 ? 1 : 0;
    outcome->nulls += bytes == NULL ? 1 : 0;
}

static struct outcome read_in_pieces(const uint8_t *bytes, size_t size, size_t piece)
{
    struct outcome outcome = {.status = BENCH_READER_MORE};
    struct bench_reader reader = {.skip = 0};

    for (size_t at = 0; at < size;) {
        const size_t part = size - at < piece ? size - at : piece;
        size_t used = 0;

        outcome.status = bench_reader_feed(&reader, bytes + at, part, on_bytes, &outcome, &used);
        if (outcome.status == BENCH_READER_WRONG) {
            return outcome;
        }
        CHECK(used > 0 && used <= part);
        CHECK(outcome.status == BENCH_READER_REPLY || used == part);
        if (outcome.status == BENCH_READER_REPLY) {
            outcome.replies++;
            outcome.errors += reader.reply.errors;
            CHECK(reader.reply.text_size <= sizeof reader.reply.text);
        }
        at += used;
    }
    return outcome;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    const struct outcome whole = read_in_pieces(bytes, size, size);

    for (size_t piece = 1; piece < 8 && piece < size; piece += 3) {
        const struct outcome cut = read_in_pieces(bytes, size, piece);

        CHECK(cut.status == whole.status && cut.replies == whole.replies);
        CHECK(cut.errors == whole.errors && cut.strings == whole.strings);
        CHECK(cut.nulls == whole.nulls && cut.bytes == whole.bytes);
    }
    return 0;
}
