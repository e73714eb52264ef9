#include "core/outbuf.h"

#include "core/limits.h"
#include "core/memory.h"

#include <assert.h>

enum {
    // A splice copies content up to this size; longer content is linked.
    OUTBUF_COPY_MAX = OUTBUF_SMALL_BYTES,
    OUTBUF_HUGE_BLOCK = OUTBUF_HUGE_BYTES + (int)sizeof(struct outbuf_chunk),
};

static_assert(OUTBUF_SMALL_BYTES > 256, "the header is small beside a chunk");
static_assert(OUTBUF_HUGE_BLOCK % 4096 == 0, "whole pages");
static_assert(sizeof(struct outbuf_chunk) == 24,
              "sizes of chunks are those of the allocator's blocks");

void outbuf_cache_init(struct outbuf_cache *cache, uint32_t small_max, uint32_t large_max)
{
    *cache = (struct outbuf_cache){.small_max = small_max,
                                   .large_max = large_max,
                                   .huge = {.touched_kept = OUTBUF_HUGE_BLOCK}};
}

static void outbuf_free_chunks(struct outbuf_chunk *chunk)
{
    while (chunk != NULL) {
        struct outbuf_chunk *const next = chunk->next;

        memory_free(chunk);
        chunk = next;
    }
}

void outbuf_cache_destroy(struct outbuf_cache *cache)
{
    outbuf_free_chunks(cache->small);
    outbuf_free_chunks(cache->large);
    block_store_close(&cache->huge);
    outbuf_cache_init(cache, 0, 0);
}

// An empty chunk of `capacity` bytes; NULL without memory.
static struct outbuf_chunk *outbuf_take(struct outbuf_cache *cache, size_t capacity)
{
    struct outbuf_chunk *chunk = NULL;

    if (capacity == OUTBUF_SMALL_BYTES && cache->small != NULL) {
        chunk = cache->small;
        cache->small = chunk->next;
        cache->small_count--;
    } else if (capacity == OUTBUF_LARGE_BYTES && cache->large != NULL) {
        chunk = cache->large;
        cache->large = chunk->next;
        cache->large_count--;
    } else {
        size_t bytes = sizeof *chunk + capacity;

        chunk = capacity == OUTBUF_HUGE_BYTES ? block_take(&cache->huge, &bytes)
                                              : memory_allocate(bytes);
        if (chunk == NULL) {
            return NULL;
        }
        cache->allocated++;
    }
    chunk->next = NULL;
    chunk->capacity = (uint32_t)capacity;
    chunk->begin = 0;
    chunk->end = 0;
    return chunk;
}

static void outbuf_release(struct outbuf_cache *cache, struct outbuf_chunk *chunk)
{
    if (chunk->capacity == OUTBUF_SMALL_BYTES && cache->small_count < cache->small_max) {
        chunk->next = cache->small;
        cache->small = chunk;
        cache->small_count++;
    } else if (chunk->capacity == OUTBUF_LARGE_BYTES && cache->large_count < cache->large_max) {
        chunk->next = cache->large;
        cache->large = chunk;
        cache->large_count++;
    } else if (chunk->capacity == OUTBUF_HUGE_BYTES) {
        block_give(&cache->huge, chunk, OUTBUF_HUGE_BLOCK, sizeof *chunk + chunk->end);
    } else {
        memory_free(chunk);
    }
}

// Adds an empty chunk at the end. False, and `failed`, without memory.
static bool outbuf_extend(struct outbuf *out, struct outbuf_cache *cache, size_t capacity)
{
    struct outbuf_chunk *const chunk = outbuf_take(cache, capacity);

    if (chunk == NULL) {
        out->failed = true;
        return false;
    }
    if (out->tail == NULL) {
        out->head = chunk;
    } else {
        out->tail->next = chunk;
    }
    out->tail = chunk;
    return true;
}

// Where the only chunk is a small one, moves its content into a large one, so that a pipeline's
// replies go out as one piece. Not while the kernel reads the chunk.
static void outbuf_enlarge(struct outbuf *out, struct outbuf_cache *cache)
{
    struct outbuf_chunk *const old = out->head;

    if (old == NULL || old != out->tail || out->sending || old->capacity != OUTBUF_SMALL_BYTES) {
        return;
    }
    struct outbuf_chunk *const chunk = outbuf_take(cache, OUTBUF_LARGE_BYTES);

    if (chunk == NULL) {
        return;
    }
    chunk->end = old->end - old->begin;
    memcpy(chunk->bytes, old->bytes + old->begin, chunk->end);
    out->head = chunk;
    out->tail = chunk;
    outbuf_release(cache, old);
}

// Of the next chunk, when `size` bytes are to be appended.
static size_t outbuf_capacity_for(const struct outbuf *out, size_t size)
{
    if (out->tail == NULL && size <= OUTBUF_SMALL_BYTES) {
        return OUTBUF_SMALL_BYTES;
    }
    return out->bytes + size <= OUTBUF_HUGE_FROM ? OUTBUF_LARGE_BYTES : OUTBUF_HUGE_BYTES;
}

uint8_t *outbuf_reserve_slowly(struct outbuf *out, struct outbuf_cache *cache, size_t size)
{
    CHECK(size <= OUTBUF_RESERVE_MAX);
    if (out->failed) {
        return NULL;
    }
    outbuf_enlarge(out, cache);
    if ((out->tail == NULL || out->tail->capacity - out->tail->end < size) &&
        !outbuf_extend(out, cache, outbuf_capacity_for(out, size))) {
        return NULL;
    }
    return out->tail->bytes + out->tail->end;
}

// Copies as much as the tail has room for; returns how much.
static size_t outbuf_fill(struct outbuf *out, const uint8_t *bytes, size_t size)
{
    if (out->tail == NULL) {
        return 0;
    }
    const size_t room = out->tail->capacity - out->tail->end;
    const size_t part = size < room ? size : room;

    memcpy(out->tail->bytes + out->tail->end, bytes, part);
    outbuf_commit(out, part);
    return part;
}

void outbuf_append(struct outbuf *out, struct outbuf_cache *cache, const void *bytes, size_t size)
{
    const uint8_t *at = bytes;

    if (size == 0 || out->failed) {
        return;
    }
    if (size <= OUTBUF_LARGE_BYTES && out->tail != NULL &&
        out->tail->capacity - out->tail->end < size) {
        outbuf_enlarge(out, cache);
    }
    for (;;) {
        const size_t part = outbuf_fill(out, at, size);

        at += part;
        size -= part;
        if (size == 0) {
            return;
        }
        if (!outbuf_extend(out, cache, outbuf_capacity_for(out, size))) {
            return;
        }
    }
}

void outbuf_splice(struct outbuf *to, struct outbuf *from, struct outbuf_cache *cache)
{
    CHECK(to != from);
    CHECK(!from->sending);
    if (to->failed || from->failed) {
        to->failed = true;
        outbuf_clear(from, cache);
        return;
    }
    if (from->head == NULL) {
        return;
    }
    if (from->bytes <= OUTBUF_COPY_MAX && to->tail != NULL) {
        for (const struct outbuf_chunk *chunk = from->head; chunk != NULL; chunk = chunk->next) {
            outbuf_append(to, cache, chunk->bytes + chunk->begin, chunk->end - chunk->begin);
        }
        outbuf_clear(from, cache);
        return;
    }
    if (to->tail == NULL) {
        to->head = from->head;
    } else {
        to->tail->next = from->head;
    }
    to->tail = from->tail;
    to->bytes += from->bytes;
    *from = (struct outbuf){0};
}

// Links the first chunk of `from`, which is long, behind those of `to`.
static void outbuf_move_chunk(struct outbuf *to, struct outbuf *from)
{
    struct outbuf_chunk *const chunk = from->head;
    const size_t size = chunk->end - chunk->begin;

    from->head = chunk->next;
    from->tail = from->head == NULL ? NULL : from->tail;
    from->bytes -= size;
    chunk->next = NULL;
    if (to->tail == NULL) {
        to->head = chunk;
    } else {
        to->tail->next = chunk;
    }
    to->tail = chunk;
    to->bytes += size;
}

void outbuf_move(struct outbuf *to, struct outbuf *from, struct outbuf_cache *cache, size_t size)
{
    CHECK(to != from);
    CHECK(!from->sending);
    to->failed = to->failed || from->failed;
    while (size != 0 && from->head != NULL) {
        struct outbuf_chunk *const chunk = from->head;
        const size_t have = chunk->end - chunk->begin;
        const size_t piece = have < size ? have : size;

        if (piece == have && have > OUTBUF_COPY_MAX && !to->failed) {
            outbuf_move_chunk(to, from);
        } else {
            outbuf_append(to, cache, chunk->bytes + chunk->begin, piece);
            if (piece < have) {
                chunk->begin += (uint32_t)piece;
                from->bytes -= piece;
            } else {
                outbuf_consume(from, cache, piece);
            }
        }
        size -= piece;
    }
}

void outbuf_read(struct outbuf *out, struct outbuf_cache *cache, uint8_t *ret_bytes)
{
    CHECK(!out->sending);
    for (struct outbuf_chunk *chunk = out->head; chunk != NULL; chunk = chunk->next) {
        memcpy(ret_bytes, chunk->bytes + chunk->begin, chunk->end - chunk->begin);
        ret_bytes += chunk->end - chunk->begin;
    }
    if (out->head == NULL || out->head != out->tail) {
        outbuf_clear(out, cache);
        return;
    }
    out->head->begin = 0;
    out->head->end = 0;
    out->bytes = 0;
}

unsigned outbuf_iov(struct outbuf *out, struct iovec *ret_iov, unsigned max)
{
    unsigned count = 0;
    size_t room = LIMIT_IO_SEND_BYTES;

    CHECK(!out->sending);
    for (struct outbuf_chunk *chunk = out->head; chunk != NULL && count < max && room != 0;
         chunk = chunk->next) {
        const size_t have = chunk->end - chunk->begin;
        const size_t piece = have < room ? have : room;

        if (piece != 0) {
            ret_iov[count].iov_base = chunk->bytes + chunk->begin;
            ret_iov[count].iov_len = piece;
            room -= piece;
            count++;
        }
    }
    out->sending = count != 0;
    return count;
}

void outbuf_consume(struct outbuf *out, struct outbuf_cache *cache, size_t size)
{
    CHECK(size <= out->bytes);
    out->sending = false;
    out->bytes -= size;
    while (out->head != NULL) {
        struct outbuf_chunk *const chunk = out->head;
        const size_t left = chunk->end - chunk->begin;

        if (left > size) {
            chunk->begin += (uint32_t)size;
            return;
        }
        size -= left;
        out->head = chunk->next;
        outbuf_release(cache, chunk);
    }
    CHECK(size == 0);
    out->tail = NULL;
}

void outbuf_clear(struct outbuf *out, struct outbuf_cache *cache)
{
    CHECK(!out->sending);
    while (out->head != NULL) {
        struct outbuf_chunk *const chunk = out->head;

        out->head = chunk->next;
        outbuf_release(cache, chunk);
    }
    *out = (struct outbuf){0};
}
