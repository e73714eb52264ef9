// What waits for one node in one thread: operations that no connection took yet, and connections
// that wait for something to send. Both are rings of a fixed size.
#pragma once

#include "cli/bench_source.h"

struct bench_queue {
    struct bench_item *items;
    uint32_t item_head;
    uint32_t item_count;
    uint32_t item_capacity;

    uint32_t *idle; // numbers of connections
    uint32_t idle_head;
    uint32_t idle_count;
    uint32_t idle_capacity;
};

void bench_queue_init(struct bench_queue *queue, uint32_t item_capacity, uint32_t idle_capacity);
void bench_queue_free(struct bench_queue *queue);

// At the end, or, for what has to go out before all else, at the front. There is room.
void bench_queue_push(struct bench_queue *queue, const struct bench_item *item);
void bench_queue_push_front(struct bench_queue *queue, const struct bench_item *item);
struct bench_item *bench_queue_first(const struct bench_queue *queue);
void bench_queue_pop(struct bench_queue *queue);

void bench_queue_add_idle(struct bench_queue *queue, uint32_t connection);
uint32_t bench_queue_take_idle(struct bench_queue *queue);
