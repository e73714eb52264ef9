#include "core/outbuf.h"

#include "core/random.h"

#include <criterion/criterion.h>
#include <stdlib.h>

enum { IOVS = 64 };

// The bytes of an outbuf in one block; freed by the caller.
static char *flatten(struct outbuf *out)
{
    char *const flat = malloc(out->bytes + 1);
    size_t size = 0;

    for (const struct outbuf_chunk *chunk = out->head; chunk != NULL; chunk = chunk->next) {
        memcpy(flat + size, chunk->bytes + chunk->begin, chunk->end - chunk->begin);
        size += chunk->end - chunk->begin;
    }
    cr_assert_eq(size, out->bytes);
    flat[size] = '\0';
    return flat;
}

static size_t chunks_of(const struct outbuf *out)
{
    size_t count = 0;

    for (const struct outbuf_chunk *chunk = out->head; chunk != NULL; chunk = chunk->next) {
        cr_assert(chunk->next != NULL || chunk == out->tail);
        count++;
    }
    return count;
}

static void put(struct outbuf *out, struct outbuf_cache *cache, const char *text)
{
    outbuf_append(out, cache, text, strlen(text));
}

static void expect_content(struct outbuf *out, const char *expected)
{
    char *const flat = flatten(out);

    cr_expect_str_eq(flat, expected, "%s", flat);
    free(flat);
}

Test(core_outbuf, holds_no_chunk_when_it_has_no_bytes)
{
    struct outbuf out = {0};
    struct outbuf_cache cache;
    struct iovec iov[IOVS];

    outbuf_cache_init(&cache, 2, 2);
    cr_assert_eq(outbuf_iov(&out, iov, IOVS), 0);
    put(&out, &cache, "+OK\r\n");
    cr_assert_eq(outbuf_iov(&out, iov, IOVS), 1);
    cr_assert_eq(iov[0].iov_len, 5);
    outbuf_consume(&out, &cache, 5);
    cr_assert_null(out.head);
    cr_assert_null(out.tail);
    cr_assert_eq(cache.small_count, 1);
    outbuf_cache_destroy(&cache);
}

Test(core_outbuf, reserves_in_one_piece_and_commits_a_part)
{
    struct outbuf out = {0};
    struct outbuf_cache cache;

    outbuf_cache_init(&cache, 2, 2);
    memset(outbuf_reserve(&out, &cache, 100), 'x', 100);
    outbuf_commit(&out, 1);
    memset(outbuf_reserve(&out, &cache, OUTBUF_RESERVE_MAX), 'y', OUTBUF_RESERVE_MAX);
    outbuf_commit(&out, 2);
    memset(outbuf_reserve(&out, &cache, 1), 'z', 1);
    outbuf_commit(&out, 1);
    expect_content(&out, "xyyz");
    outbuf_clear(&out, &cache);
    outbuf_cache_destroy(&cache);
}

Test(core_outbuf, replies_of_a_pipeline_are_one_piece)
{
    struct outbuf out = {0};
    struct outbuf_cache cache;

    outbuf_cache_init(&cache, 2, 2);
    for (int i = 0; i < 64; i++) {
        memset(outbuf_reserve(&out, &cache, 70), 'a', 70);
        outbuf_commit(&out, 70);
    }
    cr_assert_eq(chunks_of(&out), 1);
    cr_assert_eq(out.bytes, 64 * 70);
    outbuf_clear(&out, &cache);
    outbuf_cache_destroy(&cache);
}

Test(core_outbuf, what_is_being_sent_does_not_move)
{
    struct outbuf out = {0};
    struct outbuf_cache cache;
    struct iovec iov[IOVS];
    char large[2000];

    outbuf_cache_init(&cache, 2, 2);
    memset(large, 'b', sizeof large);
    put(&out, &cache, "first");
    cr_assert_eq(outbuf_iov(&out, iov, IOVS), 1);
    outbuf_append(&out, &cache, large, sizeof large);
    cr_assert_eq(memcmp(iov[0].iov_base, "first", 5), 0);
    cr_assert_eq(out.head->bytes, iov[0].iov_base);
    outbuf_consume(&out, &cache, 3);
    cr_assert_gt(outbuf_iov(&out, iov, IOVS), 0);
    cr_assert_eq(memcmp(iov[0].iov_base, "stbbb", 5), 0);
    outbuf_consume(&out, &cache, 0);
    outbuf_clear(&out, &cache);
    outbuf_cache_destroy(&cache);
}

Test(core_outbuf, a_large_reply_lies_in_huge_chunks_and_goes_back_to_the_system)
{
    enum { SIZE = 1000000 };
    struct outbuf out = {0};
    struct outbuf_cache cache;
    uint8_t *const bytes = malloc(SIZE);

    outbuf_cache_init(&cache, 2, 2);
    memset(bytes, 'c', SIZE);
    put(&out, &cache, "$1000000\r\n");
    outbuf_append(&out, &cache, bytes, SIZE);
    put(&out, &cache, "\r\n");
    cr_assert_eq(chunks_of(&out), 1 + 4, "a small one and four huge ones");
    cr_assert_eq(out.bytes, SIZE + 12);
    cr_assert_geq(outbuf_memory(&out), out.bytes);
    cr_assert_eq(out.tail->capacity, OUTBUF_HUGE_BYTES);
    outbuf_clear(&out, &cache);
    cr_assert_eq(outbuf_memory(&out), 0);
    cr_assert_eq(cache.small_count, 1);
    cr_assert_eq(cache.large_count, 0);
    cr_assert_eq(cache.huge.kept_count, 4);
    outbuf_append(&out, &cache, bytes, OUTBUF_HUGE_FROM - 1);
    cr_assert_eq(cache.huge.kept_count, 4, "not for what is not that long");
    outbuf_append(&out, &cache, bytes, OUTBUF_HUGE_FROM);
    cr_assert_eq(cache.huge.kept_count, 3);
    outbuf_clear(&out, &cache);
    cr_assert(block_trim(&cache.huge));
    cr_assert(block_trim(&cache.huge));
    while (block_release(&cache.huge, SIZE)) {
    }
    cr_assert_eq(cache.huge.kept_count, 0);
    outbuf_cache_destroy(&cache);
    free(bytes);
}

Test(core_outbuf, the_cache_is_bounded)
{
    struct outbuf outs[5] = {0};
    struct outbuf_cache cache;

    outbuf_cache_init(&cache, 3, 1);
    for (size_t round = 0; round < 3; round++) {
        for (size_t i = 0; i < 5; i++) {
            put(&outs[i], &cache, "x");
        }
        for (size_t i = 0; i < 5; i++) {
            outbuf_clear(&outs[i], &cache);
        }
        cr_assert_eq(cache.small_count, 3);
    }
    cr_assert_eq(cache.allocated, 5 + 2 + 2);
    outbuf_cache_destroy(&cache);
}

Test(core_outbuf, splicing_links_long_content_and_copies_short)
{
    struct outbuf to = {0};
    struct outbuf from = {0};
    struct outbuf_cache home;
    struct outbuf_cache away;
    char long_text[3001];

    outbuf_cache_init(&home, 4, 4);
    outbuf_cache_init(&away, 4, 4);
    memset(long_text, 'd', 3000);
    long_text[3000] = '\0';
    put(&from, &away, "one");
    outbuf_splice(&to, &from, &home);
    cr_assert_null(from.head);
    put(&from, &away, "two");
    outbuf_splice(&to, &from, &home);
    cr_assert_eq(chunks_of(&to), 1);
    cr_assert_eq(to.head->capacity, OUTBUF_SMALL_BYTES);
    expect_content(&to, "onetwo");
    put(&from, &away, long_text);
    outbuf_splice(&to, &from, &home);
    cr_assert_eq(chunks_of(&to), 2);
    cr_assert_eq(from.bytes, 0);
    cr_assert_null(from.head);
    cr_assert_eq(to.bytes, 3006);
    outbuf_splice(&to, &from, &home);
    cr_assert_eq(to.bytes, 3006);
    outbuf_clear(&to, &home);
    cr_assert_eq(home.small_count + home.large_count, 3, "chunks go to whoever releases them");
    outbuf_cache_destroy(&home);
    outbuf_cache_destroy(&away);
}

Test(core_outbuf, reading_empties_and_keeps_a_chunk)
{
    struct outbuf out = {0};
    struct outbuf_cache cache;
    uint8_t bytes[1003];
    char long_text[1001];

    outbuf_cache_init(&cache, 4, 4);
    memset(long_text, 'd', 1000);
    long_text[1000] = '\0';
    outbuf_read(&out, &cache, bytes);
    for (uint32_t round = 0; round < 3; round++) {
        put(&out, &cache, "one");
        outbuf_read(&out, &cache, bytes);
        cr_assert_eq(memcmp(bytes, "one", 3), 0);
        cr_assert_eq(out.bytes, 0);
    }
    cr_assert_eq(cache.allocated, 1);
    put(&out, &cache, "one");
    put(&out, &cache, long_text);
    outbuf_read(&out, &cache, bytes);
    cr_assert_eq(memcmp(bytes, "one", 3), 0);
    cr_assert_eq(memcmp(bytes + 3, long_text, 1000), 0);
    cr_assert_eq(out.bytes, 0);
    outbuf_clear(&out, &cache);
    outbuf_cache_destroy(&cache);
}

Test(core_outbuf, a_failure_sticks_and_goes_along)
{
    struct outbuf to = {0};
    struct outbuf from = {0};
    struct outbuf_cache cache;

    outbuf_cache_init(&cache, 4, 4);
    put(&from, &cache, "half");
    from.failed = true;
    put(&from, &cache, "other half");
    cr_assert_eq(from.bytes, 4);
    cr_assert_null(outbuf_reserve(&from, &cache, 4000));
    put(&to, &cache, "before");
    outbuf_move(&to, &from, &cache, 2);
    cr_assert(to.failed);
    outbuf_clear(&to, &cache);
    cr_assert_not(to.failed);
    put(&to, &cache, "before");
    outbuf_splice(&to, &from, &cache);
    cr_assert(to.failed);
    cr_assert_null(from.head);
    outbuf_clear(&to, &cache);
    outbuf_cache_destroy(&cache);
}

// Random appends, reservations, splices and short sends, against what should come out.
static void against_model(uint64_t seed)
{
    enum { MAX = 400000 };
    struct outbuf out = {0};
    struct outbuf side = {0};
    struct outbuf_cache cache;
    struct random random;
    uint8_t *const model = malloc(MAX);
    uint8_t *const piece = malloc(40000);
    size_t written = 0;
    size_t sent = 0;

    random_seed(&random, seed);
    outbuf_cache_init(&cache, 2, 2);
    while (written < MAX - 40000) {
        const size_t size = random_below(&random, UINT64_C(1) << random_below(&random, 16)) % 40000;
        struct iovec iov[IOVS];

        random_bytes(&random, piece, size);
        memcpy(model + written, piece, size);
        written += size;
        const uint64_t way = random_below(&random, 4);

        if (way == 0) {
            outbuf_append(&side, &cache, piece, size);
            outbuf_splice(&out, &side, &cache);
        } else if (way == 3) {
            outbuf_append(&side, &cache, piece, size);
            outbuf_move(&out, &side, &cache, size / 3);
            outbuf_move(&out, &side, &cache, size);
        } else if (way == 1 && size <= OUTBUF_RESERVE_MAX) {
            memcpy(outbuf_reserve(&out, &cache, size), piece, size);
            outbuf_commit(&out, size);
        } else {
            outbuf_append(&out, &cache, piece, size);
        }
        if (out.sending) {
            continue;
        }
        const unsigned count = outbuf_iov(&out, iov, 1 + (unsigned)random_below(&random, 4));
        size_t offered = 0;

        for (unsigned i = 0; i < count; i++) {
            cr_assert_eq(memcmp(model + sent + offered, iov[i].iov_base, iov[i].iov_len), 0,
                         "seed %llu", (unsigned long long)seed);
            offered += iov[i].iov_len;
        }
        const size_t part = random_below(&random, offered + 1);

        outbuf_consume(&out, &cache, part);
        sent += part;
        cr_assert_eq(out.bytes, written - sent);
        // Sometimes a send stays in flight while more is appended.
        if (random_below(&random, 3) == 0 && outbuf_iov(&out, iov, 1) != 0) {
            uint8_t *const before = malloc(iov[0].iov_len);

            memcpy(before, iov[0].iov_base, iov[0].iov_len);
            outbuf_append(&out, &cache, piece, 600);
            memcpy(model + written, piece, 600);
            written += 600;
            cr_assert_eq(memcmp(before, iov[0].iov_base, iov[0].iov_len), 0);
            free(before);
            outbuf_consume(&out, &cache, 0);
        }
    }
    outbuf_clear(&out, &cache);
    outbuf_cache_destroy(&cache);
    free(model);
    free(piece);
}

Test(core_outbuf, sends_what_was_appended)
{
    for (uint64_t seed = 1; seed <= 40; seed++) {
        against_model(seed);
    }
}
