// What a shard counts.
#include "cluster/stats.h"

#include "core/limits.h"

#include <criterion/criterion.h>
#include <string.h>

Test(stats, every_command_has_a_histogram_of_its_own)
{
    static struct stats stats;

    cr_assert_eq(stats_open(&stats), 0);
    // The later, the shorter: what another counted would be met before a command's own.
    for (uint32_t i = 0; i < COMMAND_INDEX_MAX; i++) {
        histogram_record(&stats.of[i].latency, UINT64_C(1000) * (COMMAND_INDEX_MAX - i));
    }
    for (uint32_t i = 0; i < COMMAND_INDEX_MAX; i++) {
        cr_assert_eq(stats.of[i].latency.count, 1, "%u", i);
        cr_assert_eq(histogram_percentile(&stats.of[i].latency, 50),
                     UINT64_C(1000) * (COMMAND_INDEX_MAX - i), "%u", i);
    }
    stats_close(&stats);
    cr_expect_null(stats.latency_buckets);
}

Test(stats, a_reset_forgets_what_was_counted_and_keeps_what_is)
{
    static struct stats stats, fresh;

    cr_assert_eq(stats_open(&stats), 0);
    cr_assert_eq(stats_open(&fresh), 0);
    stats.input_gathered_bytes = 4711; // memory that is in use now
    stats.commands = stats.keyspace_hits = stats.accept_errors = 5;
    stats_note_error(&stats, slice_from_text("OOM no"));
    for (uint32_t i = 0; i < STAGE_COUNT; i++) {
        stats_note_stage(&stats, i, 77);
    }
    for (uint32_t i = 0; i < COMMAND_INDEX_MAX; i += 5) {
        histogram_record(&stats.of[i].latency, i + 1);
        stats.of[i].calls = stats.of[i].time_ns = stats.of[i].rejected = stats.of[i].failed = 1;
    }
    stats_reset(&stats);
    cr_expect_eq(stats.input_gathered_bytes, 4711);
    stats.input_gathered_bytes = 0;
    cr_expect_eq(memcmp(&stats, &fresh, offsetof(struct stats, stages)), 0);
    cr_expect_eq(memcmp(&stats.error_counts, &fresh.error_counts, sizeof stats.error_counts), 0);
    for (uint32_t i = 0; i < STAGE_COUNT; i++) {
        cr_expect_eq(stats.stages[i].histogram.count, 0);
    }
    for (uint32_t i = 0; i < COMMAND_INDEX_MAX; i++) {
        const struct command_stats *const of = &stats.of[i];

        cr_assert_eq(of->calls + of->time_ns + of->rejected + of->failed + of->latency.count, 0);
    }
    histogram_record(&stats.of[5].latency, 3); // and it counts on
    cr_expect_eq(histogram_percentile(&stats.of[5].latency, 100), 3);
    stats_close(&stats);
    stats_close(&fresh);
}

Test(stats, an_error_counts_in_all_and_by_its_code)
{
    static struct stats stats;

    stats_note_error(&stats, slice_from_text("WRONGPASS x"));
    stats_note_error(&stats, slice_from_text("ERR x"));
    cr_expect_eq(stats.errors, 2);
    cr_expect_eq(stats.error_counts.used, 2);
}

Test(stats, what_took_equally_long_is_noted_together_and_none_is_lost)
{
    static struct stats stats;
    struct stage_run run = {0};
    const struct histogram *const hops = &stats.stages[STAGE_HOP].histogram;

    cr_assert_eq(stats_open(&stats), 0);
    stats_end_stage_run(&stats, STAGE_HOP, &run); // of none
    cr_expect_eq(hops->count, 0);
    for (uint32_t i = 0; i < 7; i++) {
        stats_note_stage_run(&stats, STAGE_HOP, &run, 1000, 1);
    }
    for (uint32_t i = 0; i < 3; i++) {
        stats_note_stage_run(&stats, STAGE_HOP, &run, 9000, 1);
    }
    stats_note_stage_run(&stats, STAGE_HOP, &run, 1000, 1);
    stats_end_stage_run(&stats, STAGE_HOP, &run);
    stats_end_stage_run(&stats, STAGE_HOP, &run); // it was ended: nothing is noted twice
    cr_expect_eq(hops->count, 11);
    cr_expect_eq(hops->sum, 8 * 1000 + 3 * 9000);
    cr_expect_eq(hops->max, 9000);
    stats_note_stage_run(&stats, STAGE_HOP, &run, 1000, 1); // a new one, as long as the last
    stats_end_stage_run(&stats, STAGE_HOP, &run);
    cr_expect_eq(hops->count, 12);
    cr_expect_eq(hops->sum, 9 * 1000 + 3 * 9000);
    stats_close(&stats);
}
