// Long blocks of memory, for what comes in pieces and whose length nobody knows: a block has its
// whole capacity in addresses from the start, and takes memory as it is touched. So it never has to
// move when it grows, and room that was announced and never filled costs nothing.
//
//     bytes                                                        bytes + capacity
//     | touched: memory of small pages      | addresses without memory           |
//
// Blocks that are given back are kept for the next who asks, so that a loop of taking and giving
// does not fault its pages in each time; but for long ones, and for those that nobody asked for
// between two calls of block_trim(), which a shard makes every second while there are any. These
// are unmapped, which takes the kernel some milliseconds for 64 MiB: so block_release() does it a
// piece at a time.
//
//     taken --> kept --> leaving --> unmapped
//          <--
//
// All zero but for `touched_kept` is an empty store. One thread; a block may be given to another
// store than the one that it was taken from.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct block_free; // lies in a block that was given back

struct block_store {
    struct block_free *kept;
    uint32_t kept_count;
    uint32_t kept_least;        // since the last block_trim()
    uint32_t surplus;           // of the kept ones, to be unmapped
    struct block_free *leaving; // to be unmapped
    size_t leaving_bytes;       // of memory
    size_t touched_kept;        // a block with more memory than this is not kept
};

// At least *capacity bytes, whole pages; *capacity is set to how many. NULL when the system refuses
// it. The content is undefined.
void *block_take(struct block_store *store, size_t *capacity);

// `size` bytes at `at`, of a block, are about to be written: their memory is made in one go, which
// takes two thirds of the time of a fault for each page (340 against 530 us a MiB with the copy).
void block_touch(void *at, size_t size);

// `capacity` as taken; no byte past the first `touched` ones was written to since.
void block_give(struct block_store *store, void *bytes, size_t capacity, size_t touched);

// Some time is over: what nobody needed in it is surplus. True while blocks are kept or leaving.
bool block_trim(struct block_store *store);

// Unmaps about `budget` bytes of memory of what is leaving or surplus (a page takes some 0.1 us).
// True when there is more.
bool block_release(struct block_store *store, size_t budget);

// Everything at once. All blocks were given back.
void block_store_close(struct block_store *store);
