#include "cli/bench_stats.h"

#include "cli/verb.h"
#include "core/check.h"
#include "core/memory.h"

#include <string.h>

void bench_stats_init(struct bench_stats *stats)
{
    const size_t count = histogram_bucket_count(BENCH_LATENCY_SUB_BITS, BENCH_LATENCY_VALUE_BITS);

    *stats = (struct bench_stats){.buckets = cli_allocate(BENCH_OPERATIONS * count * 8)};
    bench_stats_clear(stats);
}

void bench_stats_clear(struct bench_stats *stats)
{
    const size_t count = histogram_bucket_count(BENCH_LATENCY_SUB_BITS, BENCH_LATENCY_VALUE_BITS);
    uint64_t *const buckets = stats->buckets;

    *stats = (struct bench_stats){.buckets = buckets};
    for (size_t i = 0; i < BENCH_OPERATIONS; i++) {
        histogram_init(&stats->latencies[i], BENCH_LATENCY_SUB_BITS, BENCH_LATENCY_VALUE_BITS,
                       buckets + i * count);
    }
}

void bench_stats_free(struct bench_stats *stats)
{
    memory_free(stats->buckets);
    stats->buckets = NULL;
}

void bench_stats_record(struct bench_stats *stats, enum bench_operation operation,
                        uint64_t start_ns, uint64_t end_ns)
{
    CHECK(operation < BENCH_OPERATIONS);
    CHECK(end_ns >= start_ns);
    histogram_record(&stats->latencies[operation], end_ns - start_ns);
    if (stats->first_ns == 0 || start_ns < stats->first_ns) {
        stats->first_ns = start_ns;
    }
    if (end_ns > stats->last_ns) {
        stats->last_ns = end_ns;
    }
}

static void stats_error_n(struct bench_stats *stats, const char *text, size_t size, uint64_t count)
{
    const char *const space = memchr(text, ' ', size);
    const size_t word = space != NULL ? (size_t)(space - text) : size;

    for (size_t i = 0; i < BENCH_ERROR_KINDS; i++) {
        struct bench_error *const kind = &stats->kinds[i];

        if (kind->count == 0) {
            const size_t kept = size < sizeof kind->text ? size : sizeof kind->text - 1;

            memcpy(kind->text, text, kept);
            kind->text[kept] = '\0';
        } else if (strncmp(kind->text, text, word) != 0 ||
                   (kind->text[word] != ' ' && kind->text[word] != '\0')) {
            continue;
        }
        kind->count += count;
        return;
    }
    stats->errors_other += count;
}

void bench_stats_error(struct bench_stats *stats, const char *text, size_t size)
{
    const size_t kept = size < BENCH_ERROR_BYTES_MAX - 1 ? size : BENCH_ERROR_BYTES_MAX - 1;

    stats->errors++;
    stats_error_n(stats, text, kept, 1);
}

void bench_stats_merge(struct bench_stats *stats, const struct bench_stats *from)
{
    for (size_t i = 0; i < BENCH_OPERATIONS; i++) {
        histogram_merge(&stats->latencies[i], &from->latencies[i]);
    }
    stats->misses += from->misses;
    stats->errors += from->errors;
    stats->lost += from->lost;
    stats->unsent += from->unsent;
    stats->values_checked += from->values_checked;
    stats->values_wrong += from->values_wrong;
    stats->values_missing += from->values_missing;
    stats->values_stale += from->values_stale;
    for (size_t i = 0; i < BENCH_ERROR_KINDS && from->kinds[i].count != 0; i++) {
        stats_error_n(stats, from->kinds[i].text, strlen(from->kinds[i].text),
                      from->kinds[i].count);
    }
    stats->errors_other += from->errors_other;
    if (from->first_ns != 0 && (stats->first_ns == 0 || from->first_ns < stats->first_ns)) {
        stats->first_ns = from->first_ns;
    }
    if (from->last_ns > stats->last_ns) {
        stats->last_ns = from->last_ns;
    }
}

uint64_t bench_stats_operations(const struct bench_stats *stats)
{
    uint64_t count = 0;

    for (size_t i = 0; i < BENCH_OPERATIONS; i++) {
        count += stats->latencies[i].count;
    }
    return count;
}

bool bench_stats_failed(const struct bench_stats *stats)
{
    return stats->errors != 0 || stats->lost != 0 || stats->values_wrong != 0 ||
           stats->values_missing != 0 || stats->values_stale != 0;
}
