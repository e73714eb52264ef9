#include "cli/bench_source.h"

#include "core/check.h"

#include <math.h>

enum { SOURCE_GRACE_NS = 50 * 1000 * 1000 };

void bench_source_init(struct bench_source *source, const struct bench_plan *plan, uint32_t thread,
                       uint64_t in_flight_max)
{
    uint64_t seed = plan->seed;
    double sum = 0;

    *source = (struct bench_source){.plan = plan, .thread = thread};
    bench_keys_init(&source->keys, plan, thread, in_flight_max);
    for (uint32_t i = 0; i <= thread; i++) {
        random_seed(&source->random, random_split(&seed));
    }
    for (size_t i = 0; i < BENCH_OPERATIONS; i++) {
        sum += plan->mix[i];
        source->mix[i] = sum;
    }
}

void bench_source_free(struct bench_source *source)
{
    bench_keys_free(&source->keys);
}

// A thread's part of `whole` things that are dealt out one by one.
static uint64_t source_share(const struct bench_source *source, uint64_t whole)
{
    const uint32_t threads = source->plan->threads;

    return whole / threads + (source->thread < whole % threads ? 1 : 0);
}

void bench_source_start(struct bench_source *source, bool loading, uint64_t start_ns)
{
    const struct bench_plan *const plan = source->plan;

    source->loading = loading;
    source->start_ns = start_ns;
    source->drawn = 0;
    source->measured = 0;
    if (loading) {
        source->measure_ns = start_ns;
        source->end_ns = UINT64_MAX;
        source->limit = source_share(source, plan->keys);
        source->interval_ns = 0;
        return;
    }
    source->measure_ns = start_ns + plan->warmup_ns;
    source->end_ns = plan->requests != 0 ? UINT64_MAX : source->measure_ns + plan->duration_ns;
    source->limit = plan->requests != 0 ? source_share(source, plan->requests) : UINT64_MAX;
    source->interval_ns = plan->rate > 0 ? 1e9 * plan->threads / plan->rate : 0;
    // Threads take turns instead of sending all at once.
    source->due_ns = (double)start_ns + source->interval_ns * source->thread / plan->threads;
}

bool bench_source_ended(const struct bench_source *source, uint64_t now_ns)
{
    if (source->measured >= source->limit) {
        return true;
    }
    if (source->interval_ns == 0 || source->end_ns == UINT64_MAX) {
        return now_ns >= source->end_ns;
    }
    // What was due at the very end is sent a little later, since a thread cannot be at work in
    // every moment; what an open loop that lags had still to send then is told by
    // bench_source_unsent.
    return source->due_ns >= (double)source->end_ns || now_ns >= source->end_ns + SOURCE_GRACE_NS;
}

uint64_t bench_source_due_ns(const struct bench_source *source, uint64_t now_ns)
{
    if (bench_source_ended(source, now_ns)) {
        return UINT64_MAX;
    }
    const uint64_t due_ns = source->interval_ns > 0 ? (uint64_t)source->due_ns : source->start_ns;

    return due_ns > now_ns ? due_ns : now_ns;
}

uint64_t bench_source_unsent(const struct bench_source *source)
{
    if (source->interval_ns == 0 || source->end_ns == UINT64_MAX ||
        source->due_ns >= (double)source->end_ns) {
        return 0;
    }
    return (uint64_t)ceil(((double)source->end_ns - source->due_ns) / source->interval_ns);
}

static void source_draw(struct bench_source *source, struct bench_item *item)
{
    const double u = bench_unit(&source->random);
    uint8_t operation = 0;

    while (operation + 1 < BENCH_OPERATIONS && u >= source->mix[operation]) {
        operation++;
    }
    // Rounding may leave a rest of 1e-16 above the last share: it goes to one that has a share.
    while (source->plan->mix[operation] == 0) {
        operation--;
    }
    item->operation = operation;
    if (operation == BENCH_INSERT) {
        item->key = bench_keys_insert(&source->keys);
        return;
    }
    item->key = bench_keys_next(&source->keys, &source->random);
    if (operation == BENCH_SCAN) {
        const uint64_t keys = source->plan->keys;

        item->length = 1 + (uint32_t)random_below(&source->random, source->plan->scan_length_max);
        // Scans stay among the keys that are there from the start.
        if (item->length > keys) {
            item->length = (uint32_t)keys;
        }
        if (item->key > keys - item->length) {
            item->key = keys - item->length;
        }
    }
}

bool bench_source_next(struct bench_source *source, uint64_t now_ns, struct bench_item *ret_item)
{
    struct bench_item item = {.operation = BENCH_INSERT};

    if (bench_source_ended(source, now_ns) || now_ns < source->start_ns ||
        (source->interval_ns > 0 && source->due_ns > (double)now_ns)) {
        return false;
    }
    if (source->loading) {
        item.key = source->thread + source->drawn * source->plan->threads;
        item.measured = true;
    } else {
        source_draw(source, &item);
        if (source->interval_ns > 0) {
            item.start_ns = (uint64_t)source->due_ns;
            source->due_ns += source->plan->poisson
                                  ? -log(1 - bench_unit(&source->random)) * source->interval_ns
                                  : source->interval_ns;
        }
        item.measured = (item.start_ns != 0 ? item.start_ns : now_ns) >= source->measure_ns;
    }
    source->drawn++;
    source->measured += item.measured ? 1 : 0;
    *ret_item = item;
    return true;
}
