#include "core/block.h"

#include "core/check.h"

#include <stdint.h>
#include <sys/mman.h>

enum { BLOCK_PAGE_BYTES = 4096 };

struct block_free {
    struct block_free *next;
    size_t mapped; // bytes from its beginning
    size_t touched;
};

static size_t block_pages(size_t bytes)
{
    return (bytes + BLOCK_PAGE_BYTES - 1) & ~(size_t)(BLOCK_PAGE_BYTES - 1);
}

static struct block_free *block_pop_kept(struct block_store *store)
{
    struct block_free *const block = store->kept;

    store->kept = block->next;
    store->kept_count--;
    if (store->kept_least > store->kept_count) {
        store->kept_least = store->kept_count;
    }
    if (store->surplus > store->kept_count) {
        store->surplus = store->kept_count;
    }
    return block;
}

void *block_take(struct block_store *store, size_t *capacity)
{
    const size_t bytes = block_pages(*capacity);

    CHECK(bytes >= *capacity && bytes != 0);
    if (store->kept != NULL && store->kept->mapped >= bytes) {
        struct block_free *const block = block_pop_kept(store);

        *capacity = block->mapped;
        return block;
    }
    // Not to be counted as used before it is: most of it never is.
    void *const at = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
                          MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

    if (at == MAP_FAILED) {
        return NULL;
    }
    *capacity = bytes;
    return at;
}

// Whole pages: that of the first byte was touched by what lies before it, or is by its fault.
void block_touch(void *at, size_t size)
{
    const uintptr_t first = block_pages((uintptr_t)at);
    const uintptr_t end = block_pages((uintptr_t)at + size);

    if (end > first + BLOCK_PAGE_BYTES) {
        // Without it (Linux before 5.14, no memory left) each page is made when it is written to.
        (void)madvise((void *)first, end - first, MADV_POPULATE_WRITE);
    }
}

static void block_leave(struct block_store *store, struct block_free *block)
{
    block->next = store->leaving;
    store->leaving = block;
    store->leaving_bytes += block->touched;
}

void block_give(struct block_store *store, void *bytes, size_t capacity, size_t touched)
{
    struct block_free *const block = bytes;

    touched = touched == 0 ? BLOCK_PAGE_BYTES : block_pages(touched);
    CHECK(touched <= capacity && capacity % BLOCK_PAGE_BYTES == 0);
    *block = (struct block_free){.next = store->kept, .mapped = capacity, .touched = touched};
    if (touched > store->touched_kept) {
        block_leave(store, block);
        return;
    }
    store->kept = block;
    store->kept_count++;
}

bool block_trim(struct block_store *store)
{
    store->surplus = store->kept_least;
    store->kept_least = store->kept_count;
    return store->kept != NULL || store->leaving != NULL;
}

static void block_unmap(void *bytes, size_t size)
{
    const int failed = munmap(bytes, size);

    CHECK(failed == 0);
}

bool block_release(struct block_store *store, size_t budget)
{
    budget = block_pages(budget);
    while (budget != 0) {
        if (store->leaving == NULL && store->surplus != 0) {
            const uint32_t rest = store->surplus - 1;

            block_leave(store, block_pop_kept(store));
            store->surplus = rest;
        }
        struct block_free *const block = store->leaving;

        if (block == NULL) {
            return false;
        }
        if (block->touched > budget) { // from its end, since its beginning is this struct
            block->touched -= budget;
            store->leaving_bytes -= budget;
            block_unmap((uint8_t *)block + block->touched, block->mapped - block->touched);
            block->mapped = block->touched;
            return true;
        }
        budget -= block->touched;
        store->leaving_bytes -= block->touched;
        store->leaving = block->next;
        block_unmap(block, block->mapped);
    }
    return store->leaving != NULL || store->surplus != 0;
}

void block_store_close(struct block_store *store)
{
    store->kept_least = store->kept_count;
    (void)block_trim(store);
    while (block_release(store, SIZE_MAX / 2)) {
    }
}
