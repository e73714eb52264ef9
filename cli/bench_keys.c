#include "cli/bench_keys.h"

#include "cli/verb.h"
#include "core/check.h"
#include "core/memory.h"

#include <string.h>

void bench_keys_init(struct bench_keys *keys, const struct bench_plan *plan, uint32_t thread,
                     uint64_t in_flight_max)
{
    CHECK(thread < plan->threads);
    CHECK(in_flight_max > 0);
    *keys = (struct bench_keys){
        .plan = plan,
        .thread = thread,
        .window_size = in_flight_max,
        .window = cli_allocate((in_flight_max + 7) / 8),
    };
    if (plan->distribution == BENCH_ZIPFIAN) {
        bench_zipf_init(&keys->zipf, BENCH_ZIPF_SCRAMBLED_ITEMS, plan->theta);
    } else if (plan->distribution == BENCH_LATEST) {
        bench_zipf_init(&keys->zipf, plan->keys, plan->theta);
    }
}

void bench_keys_free(struct bench_keys *keys)
{
    memory_free(keys->window);
    keys->window = NULL;
}

static uint64_t keys_insert_number(const struct bench_keys *keys, uint64_t insert)
{
    return keys->plan->keys + keys->thread + keys->plan->threads * insert;
}

// The key at a place among all that this thread knows, in the order of their making.
static uint64_t keys_at(const struct bench_keys *keys, uint64_t place)
{
    return place < keys->plan->keys ? place : keys_insert_number(keys, place - keys->plan->keys);
}

static uint64_t keys_hotspot(const struct bench_plan *plan, struct random *random)
{
    const uint64_t hot = (uint64_t)((double)plan->keys * plan->hot_keys);
    const bool is_hot = bench_unit(random) < plan->hot_share;

    if ((is_hot && hot != 0) || hot == plan->keys) {
        return random_below(random, hot);
    }
    return hot + random_below(random, plan->keys - hot);
}

uint64_t bench_keys_next(struct bench_keys *keys, struct random *random)
{
    const uint64_t known = keys->plan->keys + keys->inserts_answered;

    switch (keys->plan->distribution) {
    case BENCH_ZIPFIAN:
        return bench_zipf_scramble(bench_zipf_next(&keys->zipf, random), keys->plan->keys);
    case BENCH_LATEST:
        return keys_at(keys, known - 1 - bench_zipf_next(&keys->zipf, random));
    case BENCH_HOTSPOT:
        return keys_hotspot(keys->plan, random);
    default:
        CHECK(keys->plan->distribution == BENCH_UNIFORM);
        return keys_at(keys, random_below(random, known));
    }
}

uint64_t bench_keys_insert(struct bench_keys *keys)
{
    CHECK(keys->inserts_begun - keys->inserts_answered < keys->window_size);
    return keys_insert_number(keys, keys->inserts_begun++);
}

void bench_keys_inserted(struct bench_keys *keys, uint64_t number)
{
    const uint64_t insert = (number - keys->plan->keys - keys->thread) / keys->plan->threads;
    const uint64_t bit = insert % keys->window_size;

    CHECK(insert >= keys->inserts_answered && insert < keys->inserts_begun);
    keys->window[bit / 8] = (uint8_t)(keys->window[bit / 8] | (1U << bit % 8));
    for (;;) {
        const uint64_t next = keys->inserts_answered % keys->window_size;

        if ((keys->window[next / 8] >> next % 8 & 1) == 0) {
            break;
        }
        keys->window[next / 8] = (uint8_t)(keys->window[next / 8] & ~(1U << next % 8));
        keys->inserts_answered++;
    }
    if (keys->plan->distribution == BENCH_LATEST) {
        bench_zipf_grow(&keys->zipf, keys->plan->keys + keys->inserts_answered);
    }
}

void bench_key_write(const struct bench_plan *plan, uint64_t number, uint8_t *name)
{
    const uint32_t prefix = plan->key_bytes < 16 ? 1 : 4;

    memcpy(name, prefix == 1 ? "k" : "key:", prefix);
    for (uint32_t i = plan->key_bytes; i > prefix; i--) {
        name[i - 1] = (uint8_t)('0' + number % 10);
        number /= 10;
    }
    CHECK(number == 0);
}
