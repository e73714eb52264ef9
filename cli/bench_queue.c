#include "cli/bench_queue.h"

#include "cli/verb.h"
#include "core/check.h"
#include "core/memory.h"

void bench_queue_init(struct bench_queue *queue, uint32_t item_capacity, uint32_t idle_capacity)
{
    CHECK(item_capacity > 0 && idle_capacity > 0);
    *queue = (struct bench_queue){
        .items = cli_allocate(item_capacity * sizeof *queue->items),
        .item_capacity = item_capacity,
        .idle = cli_allocate(idle_capacity * sizeof *queue->idle),
        .idle_capacity = idle_capacity,
    };
}

void bench_queue_free(struct bench_queue *queue)
{
    memory_free(queue->items);
    memory_free(queue->idle);
    *queue = (struct bench_queue){.items = NULL};
}

// head + offset in a ring; both are at most `capacity`.
static uint32_t queue_index(uint32_t head, uint32_t offset, uint32_t capacity)
{
    const uint32_t index = head + offset;

    return index >= capacity ? index - capacity : index;
}

void bench_queue_push(struct bench_queue *queue, const struct bench_item *item)
{
    CHECK(queue->item_count < queue->item_capacity);
    queue->items[queue_index(queue->item_head, queue->item_count, queue->item_capacity)] = *item;
    queue->item_count++;
}

void bench_queue_push_front(struct bench_queue *queue, const struct bench_item *item)
{
    CHECK(queue->item_count < queue->item_capacity);
    queue->item_head =
        queue_index(queue->item_head, queue->item_capacity - 1, queue->item_capacity);
    queue->items[queue->item_head] = *item;
    queue->item_count++;
}

struct bench_item *bench_queue_first(const struct bench_queue *queue)
{
    CHECK(queue->item_count > 0);
    return &queue->items[queue->item_head];
}

void bench_queue_pop(struct bench_queue *queue)
{
    CHECK(queue->item_count > 0);
    queue->item_head = queue_index(queue->item_head, 1, queue->item_capacity);
    queue->item_count--;
}

void bench_queue_add_idle(struct bench_queue *queue, uint32_t connection)
{
    CHECK(queue->idle_count < queue->idle_capacity);
    queue->idle[queue_index(queue->idle_head, queue->idle_count, queue->idle_capacity)] =
        connection;
    queue->idle_count++;
}

uint32_t bench_queue_take_idle(struct bench_queue *queue)
{
    CHECK(queue->idle_count > 0);
    const uint32_t connection = queue->idle[queue->idle_head];

    queue->idle_head = queue_index(queue->idle_head, 1, queue->idle_capacity);
    queue->idle_count--;
    return connection;
}
