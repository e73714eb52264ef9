// A bounded queue of pointers from one thread to one other thread.
//
// There is one for each ordered pair of cores. The producer stages any number of items and
// publishes them together, once a turn of its loop; the consumer drains what is published in
// batches. No locks and no retries: one release store each way.
//
//     producer:  while (spsc_push(queue, message)) ...   // private to the producer until published
//                if (spsc_publish(queue) && sleep_flag_must_wake(flag)) io_wake(...)
//     consumer:  count = spsc_drain(queue, messages, max)
//
// A message belongs to the producer again when the consumer sends it back by the queue of the other
// direction; the queue itself never looks at it. A full queue is back-pressure: spsc_push() says
// so, and the producer keeps the item and goes on with other work.
//
// Layout: each shared index has a cache line of its own with one writer. Each side keeps a copy of
// the other's index and reads the shared one only when the copy says full (or empty), so that a
// batch moves a line between the cores a few times and not once an item. Source: the cached indices
// are those of Lee, Bu, Chandranmenon, "A lock-free, cache-efficient shared ring buffer", 2009.
#pragma once

#include "core/cache.h"
#include "core/check.h"
#include "core/limits.h"

#include <stdalign.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { SPSC_LINE_SLOTS = LIMIT_CACHE_LINE_BYTES / sizeof(void *) };

// Indices count items since the start and wrap at 2^32; capacity is at most 2^31.
struct spsc {
    // Written at init only.
    alignas(LIMIT_CACHE_LINE_BYTES) void **slots;
    uint32_t mask; // capacity - 1

    // The producer's.
    alignas(LIMIT_CACHE_LINE_BYTES) uint32_t staged; // items pushed, published or not
    uint32_t published_local;                        // what `published` is
    uint32_t drained_seen;                           // what `drained` was when last looked at

    // Written by the producer, read by the consumer.
    alignas(LIMIT_CACHE_LINE_BYTES) _Atomic uint32_t published;

    // The consumer's.
    alignas(LIMIT_CACHE_LINE_BYTES) uint32_t drained_local;
    uint32_t published_seen;

    // Written by the consumer, read by the producer.
    alignas(LIMIT_CACHE_LINE_BYTES) _Atomic uint32_t drained;
};

// `capacity` is a power of two. 0 or -ENOMEM. Before either thread uses it.
int spsc_init(struct spsc *queue, uint32_t capacity);

// After both threads stopped. Items still inside are not touched.
void spsc_destroy(struct spsc *queue);

// Producer: how many items can certainly be pushed now. A caller that must stage several or none
// asks first.
static inline uint32_t spsc_room(struct spsc *queue)
{
    // Acquire: the consumer has read the slots that it says are free.
    queue->drained_seen = atomic_load_explicit(&queue->drained, memory_order_acquire);
    return queue->mask + 1 - (queue->staged - queue->drained_seen);
}

// Producer: stages an item. False when the queue is full; the item is still the caller's.
static inline bool spsc_push(struct spsc *queue, void *item)
{
    if (queue->staged - queue->drained_seen > queue->mask && spsc_room(queue) == 0) {
        return false;
    }
    const uint32_t slot = queue->staged & queue->mask;

    queue->slots[slot] = item;
    queue->staged++;
    if (slot % SPSC_LINE_SLOTS == 0) { // the next line, which the consumer has read
        cache_fetch_to_write(&queue->slots[(slot + SPSC_LINE_SLOTS) & queue->mask]);
    }
    return true;
}

// Producer: lets the consumer see all that was staged. True if that was anything: then the caller
// asks sleep_flag_must_wake().
static inline bool spsc_publish(struct spsc *queue)
{
    if (queue->staged == queue->published_local) {
        return false;
    }
    queue->published_local = queue->staged;
    atomic_store_explicit(&queue->published, queue->staged, memory_order_release);
    return true;
}

// Consumer: takes up to `max` items in the order in which they were pushed. Returns how many.
static inline uint32_t spsc_drain(struct spsc *queue, void **ret_items, uint32_t max)
{
    uint32_t count = queue->published_seen - queue->drained_local;

    if (count == 0) {
        queue->published_seen = atomic_load_explicit(&queue->published, memory_order_acquire);
        count = queue->published_seen - queue->drained_local;
        if (count == 0) {
            return 0;
        }
    }
    CHECK(count <= queue->mask + 1);
    if (count > max) {
        count = max;
    }
    for (uint32_t i = 0; i < count; i++) {
        ret_items[i] = queue->slots[(queue->drained_local + i) & queue->mask];
    }
    queue->drained_local += count;
    atomic_store_explicit(&queue->drained, queue->drained_local, memory_order_release);
    return count;
}

// Consumer: whether spsc_drain() would find something. Takes nothing; what a core asks after it
// announced sleep.
static inline bool spsc_ready(struct spsc *queue)
{
    return atomic_load_explicit(&queue->published, memory_order_acquire) != queue->drained_local;
}
