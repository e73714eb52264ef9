// Bytes on their way out: a chain of chunks that grows at the tail and is sent from the head.
//
// One for each connection, or for the reply to one request that another core executes; moving a
// reply to its connection links chunks instead of copying bytes. An outbuf without bytes holds no
// chunk, so an idle connection costs sizeof(struct outbuf) and nothing else.
//
//     struct outbuf   head --> chunk --> chunk --> NULL
//                     tail -----------------^
//     chunk           [ header | sent already | to be sent | room ]
//                              0          begin          end    capacity
//
// Chunks come in three sizes, small for the reply to a request, large for pipelines, and huge for
// what is longer than OUTBUF_HUGE_FROM, through a cache of the shard (struct outbuf_cache). Small
// and large ones are the allocator's, and a bounded number of free ones is kept; huge ones are
// blocks (core/block.h), which go back to the system when they are not needed any more. A chunk may
// be released at another shard than the one that took it: it goes into that shard's cache.
//
// When memory is exhausted the outbuf is marked `failed`, and what should have been appended is
// dropped; the owner closes the connection, since a reply with a hole in it is worse than none.
// The caller bounds `bytes` (clients.output_max); the outbuf does not.
//
// While a send is in flight the kernel reads the chunks named by outbuf_iov(). Appending to the
// tail is allowed then; outbuf_clear(), or being the `from` of a splice, is not. Ended by
// outbuf_consume().
#pragma once

#include "core/block.h"
#include "core/check.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/uio.h>

struct outbuf_chunk {
    struct outbuf_chunk *next;
    uint32_t capacity;
    uint32_t begin; // first byte not yet sent
    uint32_t end;   // first byte of the room
    uint8_t bytes[];
};

enum {
    // With its header a small chunk is one 512-byte block of the allocator, a large one 16 KiB.
    OUTBUF_SMALL_BYTES = 512 - (int)sizeof(struct outbuf_chunk),
    OUTBUF_LARGE_BYTES = 16 * 1024 - (int)sizeof(struct outbuf_chunk),

    OUTBUF_HUGE_BYTES = 256 * 1024 - (int)sizeof(struct outbuf_chunk),
    OUTBUF_HUGE_FROM = 64 * 1024,

    // The most that outbuf_reserve() gives in one piece.
    OUTBUF_RESERVE_MAX = OUTBUF_LARGE_BYTES,
};

// All zero is an empty outbuf.
struct outbuf {
    struct outbuf_chunk *head;
    struct outbuf_chunk *tail;
    size_t bytes; // to be sent
    bool failed;  // bytes were dropped for want of memory; stays until outbuf_clear()
    bool sending; // between outbuf_iov() and outbuf_consume()
};

// The free chunks of one shard. One thread.
struct outbuf_cache {
    struct outbuf_chunk *small;
    struct outbuf_chunk *large;
    uint32_t small_count;
    uint32_t large_count;
    uint32_t small_max;
    uint32_t large_max;
    struct block_store huge;
    uint64_t allocated; // chunks that did not come from the cache, for metrics
};

// How many free small and large chunks are kept. Allocates nothing yet. The free huge ones are to
// be seen to by block_trim() and block_release().
void outbuf_cache_init(struct outbuf_cache *cache, uint32_t small_max, uint32_t large_max);

// Frees the chunks in the cache; those in outbufs stay theirs.
void outbuf_cache_destroy(struct outbuf_cache *cache);

// The part of outbuf_reserve() that takes a new chunk.
uint8_t *outbuf_reserve_slowly(struct outbuf *out, struct outbuf_cache *cache, size_t size);

// At least `size` writable bytes in one piece at the end, size <= OUTBUF_RESERVE_MAX; the caller
// writes any part of them and then says so by outbuf_commit(). NULL, and `failed`, without memory.
// What is reserved and not committed is free for the next call.
static inline uint8_t *outbuf_reserve(struct outbuf *out, struct outbuf_cache *cache, size_t size)
{
    struct outbuf_chunk *const tail = out->tail;

    if (__builtin_expect(tail != NULL && tail->capacity - tail->end >= size, 1)) {
        return tail->bytes + tail->end;
    }
    return outbuf_reserve_slowly(out, cache, size);
}

// The first `size` bytes of the last reservation are content now.
static inline void outbuf_commit(struct outbuf *out, size_t size)
{
    CHECK(size <= out->tail->capacity - out->tail->end);
    out->tail->end += (uint32_t)size;
    out->bytes += size;
}

// Copies any number of bytes to the end.
void outbuf_append(struct outbuf *out, struct outbuf_cache *cache, const void *bytes, size_t size);

// Moves all bytes of `from` behind those of `to`; `from` is empty then. `failed` goes along. Short
// content is copied, since a chain of nearly empty chunks costs memory and iovecs.
void outbuf_splice(struct outbuf *to, struct outbuf *from, struct outbuf_cache *cache);

// Moves the first `size` bytes of `from` (or all, if there are fewer) behind those of `to`: long
// chunks as they are, else as copies. `failed` goes along.
void outbuf_move(struct outbuf *to, struct outbuf *from, struct outbuf_cache *cache, size_t size);

// Copies all bytes to ret_bytes, which has room for them; none are left then. The first chunk stays
// for what is appended next, whatever it is: for an outbuf that is used again at once.
void outbuf_read(struct outbuf *out, struct outbuf_cache *cache, uint8_t *ret_bytes);

// Names the bytes to send, from the head, in up to `max` pieces of up to LIMIT_IO_SEND_BYTES
// together. Returns how many pieces. The
// memory stays valid and unchanged until outbuf_consume().
unsigned outbuf_iov(struct outbuf *out, struct iovec *ret_iov, unsigned max);

// Ends a send of which `size` bytes went out (0 when it failed), and releases chunks that are
// empty.
void outbuf_consume(struct outbuf *out, struct outbuf_cache *cache, size_t size);

// Drops everything; the outbuf is as new.
void outbuf_clear(struct outbuf *out, struct outbuf_cache *cache);

// The memory of its chunks, all but exactly: what is sent and what is room counts too.
static inline size_t outbuf_memory(const struct outbuf *out)
{
    return out->head == NULL
               ? 0
               : out->bytes + out->head->begin + (out->tail->capacity - out->tail->end);
}
