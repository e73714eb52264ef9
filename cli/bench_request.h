// The bytes of a request.
#pragma once

#include "cli/bench_source.h"
#include "cli/bench_values.h"

enum { BENCH_TEMPLATE_SIZE = 64 };

// What all requests of a run have in common, written once.
struct bench_request {
    const struct bench_plan *plan;
    const struct bench_values *values;
    size_t get_size;
    size_t set_size;
    size_t key_size;
    size_t ttl_size;
    uint8_t get[BENCH_TEMPLATE_SIZE]; // all of a GET that stands before its key
    uint8_t set[BENCH_TEMPLATE_SIZE];
    uint8_t key[BENCH_TEMPLATE_SIZE]; // the header of a key alone, for MGET
    uint8_t ttl[BENCH_TEMPLATE_SIZE]; // what follows the value, CRLF first
};

void bench_request_init(struct bench_request *request, const struct bench_plan *plan,
                        const struct bench_values *values);

// The most bytes that one request of the plan takes.
size_t bench_request_bytes_max(const struct bench_plan *plan);

// Writes the request and returns the first byte after it.
uint8_t *bench_request_write(const struct bench_request *request, const struct bench_item *item,
                             uint8_t *at);

// Whether the item writes a value.
static inline bool bench_item_writes(const struct bench_item *item)
{
    return item->operation == BENCH_UPDATE || item->operation == BENCH_INSERT || item->writing;
}
