// The log engine where room is short: what it keeps of the filesystem, who may write then, how a
// full disk is emptied, what belongs together; and how being durable changes while it runs.
#include "tests/unit/engines_log_image.h"

#include <errno.h>

enum {
    KEYS_MAX = 60000,
    RESERVE_PERCENT = 25,
    TRIES = 400, // turns of a removal that waits for room
    DISK_BYTES = 24 << 20,
};

static void turns(struct bench *bench, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        bench_turn(bench);
    }
}

static void pass_ms(struct bench *bench, uint64_t ms)
{
    sim_world_run_until(bench->world, sim_world_now_ns(bench->world) + ms * 1000000);
    turns(bench, 200);
}

static void disk_is(struct bench *bench, uint64_t bytes)
{
    sim_world_profile(bench->world)->disk_bytes_max = bytes;
}

static uint64_t disk_free(struct bench *bench)
{
    struct io_space space;

    cr_assert_eq(io_space(bench->io, "/", &space), 0);
    return space.free_bytes;
}

// Each write is durable before the next: a group commit, and its block, for each.
static void settle(struct bench *bench)
{
    int error = 0;

    for (uint32_t i = 0; engine_committed(bench->engine, &error) < bench->commit; i++) {
        cr_assert(error == 0 && i < 10000, "error %d", error);
        bench_turn(bench);
    }
}

// Puts new keys one by one until one is refused for good: their number.
static uint32_t fill(struct bench *bench, uint32_t from)
{
    uint32_t refused = 0;

    for (uint32_t number = from; number < KEYS_MAX;) {
        const enum engine_status status = bench_put(bench, number, number + 1);

        cr_assert(status == ENGINE_OK || status == ENGINE_FULL, "status %d", status);
        if (status == ENGINE_OK) {
            settle(bench);
            number++;
            refused = 0;
        } else if (++refused == 50) {
            return number;
        } else {
            turns(bench, 100);
        }
    }
    cr_assert(false, "the disk was never full");
    return 0;
}

// All keys, one by one, each durable before the next.
static void remove_all(struct bench *bench, uint32_t keys)
{
    for (uint32_t number = 0; number < keys; number++) {
        enum engine_status status = bench_remove(bench, number);

        for (uint32_t i = 0; i < TRIES && status == ENGINE_FULL; i++) {
            turns(bench, 10);
            status = bench_remove(bench, number);
        }
        cr_assert_eq(status, ENGINE_OK, "key %u of %u: %d", number, keys, status);
        turns(bench, 3);
    }
    turns(bench, 5000);
}

static struct engine_stats stats_of(struct bench *bench)
{
    struct engine_stats stats;

    engine_stats(bench->engine, &stats);
    return stats;
}

static struct bench *open_reserving(uint64_t seed, uint32_t percent)
{
    struct bench *const bench = malloc(sizeof *bench);

    bench_empty(bench, seed, NULL);
    bench->disk_max_bytes = 0;
    bench->durability.disk_reserve_percent = percent;
    disk_is(bench, DISK_BYTES);
    bench_open_engine(bench);
    cr_assert_eq(bench->error, 0);
    return bench;
}

Test(engines_log_space, keeps_the_reserve_from_values)
{
    struct bench *const bench = open_reserving(1, RESERVE_PERCENT);
    const uint64_t reserve = (uint64_t)DISK_BYTES / 100 * RESERVE_PERCENT;
    const uint32_t keys = fill(bench, 0);

    cr_assert_geq(disk_free(bench) + IMAGE_SEGMENT_BYTES * 2, reserve, "compaction may take of it");
    bench_assert_there(bench, 0, keys);
    remove_all(bench, keys);
    cr_assert_eq(bench_put(bench, 1, 2), ENGINE_OK);
    (void)fill(bench, 2);
    cr_assert_geq(disk_free(bench) + IMAGE_SEGMENT_BYTES * 2, reserve, "removals may take of it");
    log_verify(bench->engine);
    bench_close(bench);
    bench_done(bench);
    free(bench);
}

// Somebody else takes the disk, and gives it back.
Test(engines_log_space, refuses_values_while_the_reserve_is_not_free)
{
    struct bench *const bench = open_reserving(2, RESERVE_PERCENT);

    for (uint32_t number = 0; number < 100; number++) {
        cr_assert_eq(bench_put(bench, number, number + 1), ENGINE_OK);
    }
    const uint64_t used = DISK_BYTES - disk_free(bench);

    disk_is(bench, used + used / 10);
    pass_ms(bench, 1000);
    cr_assert_eq(stats_of(bench).disk_short, 1);
    cr_assert_eq(bench_put(bench, 100, 101), ENGINE_FULL);
    cr_assert_eq(bench_remove(bench, 0), ENGINE_OK);
    bench_assert_there(bench, 1, 100);
    disk_is(bench, DISK_BYTES);
    pass_ms(bench, 1000);
    cr_assert_eq(stats_of(bench).disk_short, 0);
    cr_assert_eq(bench_put(bench, 100, 101), ENGINE_OK);

    struct engine_durability durability = bench->durability;

    durability.disk_reserve_percent = 90;
    engine_set_durability(bench->engine, &durability);
    cr_assert_eq(bench_put(bench, 101, 102), ENGINE_FULL);
    durability.disk_reserve_percent = 0;
    engine_set_durability(bench->engine, &durability);
    cr_assert_eq(bench_put(bench, 101, 102), ENGINE_OK);
    bench_close(bench);
    bench_done(bench);
    free(bench);
}

// By single removals, each of which takes a block: more of them than segments are kept for. What
// bounds the log is its own limit, or the end of the disk.
static void empty_a_full_disk(bool own_limit, uint64_t seed)
{
    struct bench *const bench = open_reserving(seed, 0);

    if (own_limit) {
        bench_close(bench);
        bench->disk_max_bytes = IMAGE_DISK_BYTES;
        bench_open_engine(bench);
        cr_assert_eq(bench->error, 0);
    }
    const uint32_t keys = fill(bench, 0);

    cr_assert_gt(keys, 2 * LOG_SEGMENTS_SPARED * IMAGE_SEGMENT_BYTES / LOG_BLOCK_BYTES,
                 "%u keys are too few to see", keys);
    remove_all(bench, keys);
    cr_assert_eq(engine_count(bench->engine, ENGINE_ALL_VNODES), 0);
    cr_assert_eq(stats_of(bench).disk_live_bytes, 0);

    const uint32_t again = fill(bench, 0);

    cr_assert_gt(again, keys - keys / 4, "%u keys at first, and %u when it was empty again", keys,
                 again);
    bench_assert_there(bench, 0, again);
    log_verify(bench->engine);
    bench_kill(bench, SIM_POWER_LOSS);
    bench_open_engine(bench);
    cr_assert_eq(bench->error, 0);
    bench_assert_there(bench, 0, again);
    bench_done(bench);
    free(bench);
}

Test(engines_log_space, empties_a_log_at_its_limit)
{
    empty_a_full_disk(true, 3);
}

Test(engines_log_space, empties_a_disk_that_it_has_filled)
{
    empty_a_full_disk(false, 4);
}

static enum engine_status put_reserved(struct bench *bench, uint32_t number)
{
    struct bench_op op;
    struct engine_op *const ops[1] = {bench_op(&op, number)};

    image_object(number, number + 1, bench->object);
    ops[0]->parts[0] = slice_of(bench->object, image_object_size(number, number + 1));
    ops[0]->flags = ENGINE_RESERVED;
    engine_put(bench->engine, ops, 1);
    bench_wait(bench, &op);
    bench->commit = op.op.commit;
    return op.op.status;
}

// As many as could be reserved can be put, whatever others do meanwhile.
Test(engines_log_space, what_belongs_together_is_whole)
{
    struct bench *const bench = open_reserving(5, 0);
    enum { TOGETHER = 200 };
    uint32_t from = KEYS_MAX;
    uint32_t rounds = 0;
    uint32_t others = 0;
    uint64_t bytes = 0;

    for (;; from += TOGETHER, rounds++) {
        bytes = 0;
        for (uint32_t i = 0; i < TOGETHER; i++) {
            bytes += IMAGE_KEY_BYTES + image_object_size(from + i, from + i + 1);
        }
        if (engine_reserve(bench->engine, bytes, TOGETHER) != ENGINE_OK) {
            break;
        }
        for (uint32_t i = 0; i < TOGETHER; i++) {
            for (uint32_t j = 0; rounds != 0 && j < 100; j++, others++) { // to the end of the disk
                (void)bench_put(bench, others, others + 1);
                settle(bench);
            }
            while (engine_stalled(bench->engine)) {
                bench_turn(bench);
            }
            cr_assert_eq(put_reserved(bench, from + i), ENGINE_OK, "%u of round %u", i, rounds);
            settle(bench);
        }
        engine_unreserve(bench->engine, bytes, TOGETHER);
    }
    cr_assert_geq(rounds, 2);
    bench_assert_there(bench, KEYS_MAX, from);
    bench_close(bench);
    bench_done(bench);
    free(bench);
}

// Buffers for large values are few. Many small records are none, and what is under way is waited
// for: neither means that the disk is full.
Test(engines_log_space, what_is_reserved_waits_for_buffers_and_small_records_take_none)
{
    enum { SMALL = 100 * 1000, LARGE_BYTES = LIMIT_LOG_LARGE_BYTES / 4 * 3 };
    struct bench *const bench = open_reserving(77, 0);

    disk_is(bench, UINT64_C(1) << 40);
    pass_ms(bench, 1000);
    for (int i = 0; i < 3; i++) {
        cr_assert_eq(engine_reserve(bench->engine, SMALL * 32, SMALL), ENGINE_OK, "%d", i);
    }
    cr_assert_eq(engine_reserve(bench->engine, LARGE_BYTES, 2), ENGINE_OK);
    cr_assert_eq(engine_reserve(bench->engine, LARGE_BYTES, 2), ENGINE_PENDING);
    engine_unreserve(bench->engine, LARGE_BYTES, 2);
    cr_assert_eq(engine_reserve(bench->engine, LARGE_BYTES, 2), ENGINE_OK);
    engine_unreserve(bench->engine, LARGE_BYTES, 2);
    for (int i = 0; i < 3; i++) {
        engine_unreserve(bench->engine, SMALL * 32, SMALL);
    }
    bench_close(bench);
    bench_done(bench);
    free(bench);
}

// What was put before a change to `always` is durable when what is put after it is; and nothing
// that was acknowledged with `always` is lost by a change away from it.
Test(engines_log_space, a_change_of_sync_holds_from_then_on)
{
    for (uint64_t seed = 10; seed < 40; seed++) {
        struct bench *const bench = malloc(sizeof *bench);
        struct engine_durability durability = {.sync = ENGINE_SYNC_NEVER};
        uint32_t number = 0;

        bench_empty(bench, seed, NULL);
        bench->durability = durability;
        bench_open_engine(bench);
        for (int round = 0; round < 3; round++) {
            for (uint32_t i = 0; i < 40 + seed * 3; i++) {
                cr_assert_eq(bench_put(bench, number, number + 1), ENGINE_OK);
                number++;
                turns(bench, (uint32_t)(seed % 4));
            }
            durability.sync = ENGINE_SYNC_ALWAYS;
            engine_set_durability(bench->engine, &durability);
            cr_assert_eq(bench_put(bench, number, number + 1), ENGINE_OK);
            number++;
            cr_assert_neq(bench->commit, 0);
            settle(bench);
            if (round == 2) {
                break;
            }
            durability.sync = ENGINE_SYNC_NEVER;
            engine_set_durability(bench->engine, &durability);
        }
        bench_kill(bench, SIM_POWER_LOSS);
        bench_open_engine(bench);
        cr_assert_eq(bench->error, 0);
        bench_assert_there(bench, 0, number);
        bench_done(bench);
        free(bench);
    }
}
