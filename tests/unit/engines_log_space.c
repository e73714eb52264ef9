// The log engine where room is short: what it keeps of the filesystem, who may write then, how a
// full disk is emptied, what belongs together, what it never takes at any step; and how being
// durable changes while it runs.
#include "tests/unit/engines_log_image.h"

#include <errno.h>

enum {
    KEYS_MAX = 60000,
    RESERVE_PERCENT = 25,
    TRIES = 400, // turns of a removal that waits for room
    DISK_BYTES = 24 << 20,
    CHURN_LIMIT_BYTES = 32 << 20,
    CHURN_KEYS = 7000,
    CHURN_KEYS_RESERVING = 3000,
    CHURN_ROUNDS = 3,
    SMALL_BYTES = 100,
    SMALL_KEYS = 130000,
    CHURN_TURNS = 100000, // far beyond what making room takes
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

// At every step
// ------------------------------------------------------------------------------------

// Puts over, removes and puts anew, at random, in a log that is about full; `look` looks at the
// disk after each step of it.
struct churn {
    struct bench *bench;
    void (*look)(struct churn *churn);
    struct random random;
    uint64_t bound; // for `look`
    uint64_t found_max;
    uint64_t versions[CHURN_KEYS]; // 0: none
    uint32_t refused;
};

static void churn_turn(struct churn *churn)
{
    bench_turn(churn->bench);
    churn->look(churn);
}

// Until it is taken, in a log that has room for it.
static void churn_put(struct churn *churn, uint32_t number, uint64_t version)
{
    struct bench *const bench = churn->bench;

    for (uint32_t i = 0;; i++) {
        const enum engine_status status = bench_put(bench, number, version);

        if (status == ENGINE_OK) {
            break;
        }
        cr_assert_eq(status, ENGINE_FULL, "status %d", status);
        cr_assert_lt(i, CHURN_TURNS, "key %u is refused for ever", number);
        churn->refused++;
        churn_turn(churn);
    }
    churn->versions[number] = version;
    churn->look(churn);
}

static void churn_run(struct churn *churn, uint32_t keys, uint32_t rounds)
{
    struct bench *const bench = churn->bench;

    for (uint32_t number = 0; number < keys; number++) {
        churn_put(churn, number, number + 1);
        churn_turn(churn);
    }
    for (uint64_t version = keys + 1; version < (uint64_t)keys * (rounds + 1); version++) {
        const uint32_t number = (uint32_t)random_below(&churn->random, keys);

        if (random_below(&churn->random, 16) == 0 && churn->versions[number] != 0) {
            const enum engine_status status = bench_remove(bench, number);

            cr_assert(status == ENGINE_OK || status == ENGINE_FULL, "status %d", status);
            churn->versions[number] = status == ENGINE_OK ? 0 : churn->versions[number];
        } else {
            churn_put(churn, number, version);
        }
        if (random_below(&churn->random, 4) == 0) {
            churn_turn(churn);
        }
    }
    for (uint32_t number = 0; number < keys; number++) {
        uint64_t version = 0;
        const enum engine_status status = bench_get(bench, number, &version);

        cr_assert_eq(status, churn->versions[number] == 0 ? ENGINE_MISS : ENGINE_OK, "key %u",
                     number);
        cr_assert(churn->versions[number] == 0 || version == churn->versions[number]);
    }
    log_verify(bench->engine);
}

struct segments_sum {
    struct io *io;
    uint64_t bytes;
};

static bool add_segment(void *context, const char *name)
{
    struct segments_sum *const sum = context;
    char path[128];
    struct io_stat stat;

    (void)snprintf(path, sizeof path, "/log/%s", name);
    if (strncmp(name, "segment-", 8) == 0 && io_stat(sum->io, path, &stat) == 0) {
        sum->bytes += stat.size_bytes;
    }
    return true;
}

static void look_at_segments(struct churn *churn)
{
    struct segments_sum sum = {.io = churn->bench->io};

    cr_assert_eq(io_list(sum.io, "/log", add_segment, &sum), 0);
    cr_assert_leq(sum.bytes, churn->bound);
    churn->found_max = sum.bytes > churn->found_max ? sum.bytes : churn->found_max;
}

static void look_at_reserve(struct churn *churn)
{
    const uint64_t taken = DISK_BYTES - disk_free(churn->bench);

    cr_assert_leq(taken, churn->bound);
    churn->found_max = taken > churn->found_max ? taken : churn->found_max;
}

// Whatever `sync` is. With `never` and `interval` nobody closes a frame by itself: the room that
// waits for what is in it has to come all the same, or puts are refused for ever.
static void stays_below_its_limit(enum engine_sync sync, uint64_t seed)
{
    struct bench *const bench = open_reserving(seed, 0);
    struct churn *const churn = calloc(1, sizeof *churn);

    bench_close(bench);
    bench->disk_max_bytes = CHURN_LIMIT_BYTES;
    bench->durability.sync = sync;
    bench->durability.sync_interval_ms = 1000;
    disk_is(bench, UINT64_C(1) << 40);
    bench_open_engine(bench);
    cr_assert_eq(bench->error, 0);
    churn->bench = bench;
    churn->look = look_at_segments;
    churn->bound = CHURN_LIMIT_BYTES;
    random_seed(&churn->random, seed);
    churn_run(churn, CHURN_KEYS, CHURN_ROUNDS);
    cr_assert_eq(churn->found_max, CHURN_LIMIT_BYTES, "it was never full");
    bench_close(bench);
    bench_done(bench);
    free(churn);
    free(bench);
}

Test(engines_log_space, stays_below_its_limit_with_always)
{
    stays_below_its_limit(ENGINE_SYNC_ALWAYS, 50);
}

Test(engines_log_space, stays_below_its_limit_with_interval)
{
    stays_below_its_limit(ENGINE_SYNC_INTERVAL, 51);
}

Test(engines_log_space, stays_below_its_limit_with_never)
{
    for (uint64_t seed = 52; seed < 56; seed++) {
        stays_below_its_limit(ENGINE_SYNC_NEVER, seed);
    }
}

static enum engine_status put_small(struct bench *bench, uint32_t number)
{
    struct bench_op op;
    struct engine_op *const ops[1] = {bench_op(&op, number)};

    ops[0]->parts[0] = slice_of(bench->object, SMALL_BYTES);
    engine_put(bench->engine, ops, 1);
    bench_wait(bench, &op);
    return op.op.status;
}

// Puts that are refused at the end of a segment leave a frame that is neither full nor, with
// `never`, closed by anybody; what compaction empties meanwhile waits for what is in that frame.
static void is_not_refused_for_ever(uint64_t disk_max_bytes, uint32_t keys)
{
    struct bench *const bench = open_reserving(70, 0);
    struct random random;

    bench_close(bench);
    bench->disk_max_bytes = disk_max_bytes;
    bench->durability.sync = ENGINE_SYNC_NEVER;
    disk_is(bench, UINT64_C(1) << 40);
    bench_open_engine(bench);
    cr_assert_eq(bench->error, 0);
    random_seed(&random, 70);
    for (uint32_t done = 0; done < keys * 3; done++) {
        const uint32_t number = done < keys ? done : (uint32_t)random_below(&random, keys);

        for (uint32_t i = 0; put_small(bench, number) == ENGINE_FULL; i++) {
            cr_assert_lt(i, CHURN_TURNS, "put %u is refused for ever", done);
            bench_turn(bench);
        }
        if (done % 64 == 0) {
            bench_turn(bench);
        }
    }
    cr_assert_geq(stats_of(bench).disk_bytes, disk_max_bytes, "it had much room");
    bench_close(bench);
    bench_done(bench);
    free(bench);
}

Test(engines_log_space, room_does_not_wait_for_a_frame_that_nobody_fills)
{
    is_not_refused_for_ever(CHURN_LIMIT_BYTES, SMALL_KEYS);
}

// The segments that are left are all kept from puts: they are as good as none.
Test(engines_log_space, room_does_not_wait_where_what_is_left_is_kept_from_puts)
{
    is_not_refused_for_ever(UINT64_C(7) * IMAGE_SEGMENT_BYTES, 32000);
}

// storage.disk_reserve: values never take of it; compaction may take a segment, and removals one.
Test(engines_log_space, keeps_the_reserve_at_every_step)
{
    for (uint64_t seed = 60; seed < 64; seed++) {
        struct bench *const bench = open_reserving(seed, RESERVE_PERCENT);
        struct churn *const churn = calloc(1, sizeof *churn);

        churn->bench = bench;
        churn->look = look_at_reserve;
        churn->bound =
            DISK_BYTES - (uint64_t)DISK_BYTES / 100 * RESERVE_PERCENT + 2 * IMAGE_SEGMENT_BYTES;
        random_seed(&churn->random, seed);
        churn_run(churn, CHURN_KEYS_RESERVING, CHURN_ROUNDS);
        cr_assert_gt(churn->found_max, churn->bound - 5 * IMAGE_SEGMENT_BYTES, "it had much room");
        bench_close(bench);
        bench_done(bench);
        free(churn);
        free(bench);
    }
}
