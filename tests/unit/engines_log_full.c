// The log engine on a disk that is full, or fails: what was acknowledged stays, what cannot be
// written is refused by name, and nothing is tried again that a disk has failed at.
#include "tests/unit/engines_log_image.h"

#include <errno.h>

enum { FILL_KEYS = 20000, DELETED = 2400, ADDED = 200 };

// What a hook does to the operations of the disk.
struct fault {
    const char *what; // operation; NULL: any
    int error;        // 0: none now
    uint64_t after;   // operations that are let through first
    bool once;
    uint64_t hit;
    uint64_t writes; // writes and syncs since the first hit
};

static int fault_hook(void *context, const struct sim_node *node, const char *what)
{
    struct fault *const fault = context;
    const bool writes = strcmp(what, "write") == 0 || strcmp(what, "sync") == 0;

    (void)node;
    fault->writes += fault->hit != 0 && writes ? 1 : 0;
    if (fault->error == 0 || (fault->once && fault->hit != 0) ||
        (fault->what != NULL && strcmp(what, fault->what) != 0)) {
        return 0;
    }
    if (fault->after != 0) {
        fault->after--;
        return 0;
    }
    fault->hit++;
    return fault->error;
}

static void set_fault(struct bench *bench, struct fault *fault)
{
    sim_world_profile(bench->world)->hooks =
        (struct sim_hooks){.context = fault, .disk_error = fault_hook};
}

static void turns(struct bench *bench, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        bench_turn(bench);
    }
}

// Bytes of all segments on the disk.
static uint64_t segment_bytes(const struct bench *bench)
{
    struct image image;
    uint64_t bytes = 0;

    image_take(bench->node, &image);
    for (uint32_t i = 0; i < image.count; i++) {
        bytes += strncmp(image.files[i].name, "segment-", 8) == 0 ? image.files[i].size : 0;
    }
    image_free(&image);
    return bytes;
}

// Puts new keys until one is refused for good: their number.
static uint32_t fill(struct bench *bench, uint32_t from)
{
    uint32_t refused = 0;

    for (uint32_t number = from; number < FILL_KEYS; number++) {
        const enum engine_status status = bench_put(bench, number, number + 1);

        cr_assert(status == ENGINE_OK || status == ENGINE_FULL, "status %d", status);
        if (status == ENGINE_FULL) {
            refused++;
            turns(bench, 20);
            if (refused == 50) {
                return number;
            }
            number--;
        } else {
            refused = 0;
            bench_turn(bench);
        }
    }
    cr_assert(false, "the disk was never full");
    return 0;
}

// Some keys of a full disk go, more than two segments hold; then there is room again.
static void delete_some(struct bench *bench, uint32_t keys)
{
    for (uint32_t number = 0; number < DELETED; number++) {
        uint32_t tries = 0;

        while (bench_remove(bench, number) != ENGINE_OK) { // until room has been made
            cr_assert_lt(++tries, 50, "key %u of %u", number, keys);
            turns(bench, 20);
        }
        if (number % 4 == 0) {
            bench_turn(bench);
        }
    }
    turns(bench, 3000);
}

Test(engines_log_full, refuses_puts_and_not_removals)
{
    struct bench *const bench = malloc(sizeof *bench);

    bench_open(bench, 1, NULL);
    const uint32_t keys = fill(bench, 0);

    cr_assert_leq(segment_bytes(bench), IMAGE_DISK_BYTES);
    bench_assert_there(bench, 0, keys);
    delete_some(bench, keys);
    for (uint32_t number = keys; number < keys + ADDED; number++) {
        cr_assert_eq(bench_put(bench, number, number + 1), ENGINE_OK, "key %u", number);
        bench_turn(bench);
    }
    cr_assert_leq(segment_bytes(bench), IMAGE_DISK_BYTES);
    bench_assert_there(bench, DELETED, keys + ADDED);
    log_verify(bench->engine);
    bench_close(bench);
    bench_open_engine(bench);
    cr_assert_eq(bench->error, 0);
    bench_assert_there(bench, DELETED, keys + ADDED);
    bench_done(bench);
    free(bench);
}

Test(engines_log_full, goes_on_when_the_disk_has_room_again)
{
    struct bench *const bench = malloc(sizeof *bench);

    bench_empty(bench, 2, NULL);
    sim_world_profile(bench->world)->disk_bytes_max = 9 << 20;
    bench_open_engine(bench);
    cr_assert_eq(bench->error, 0);
    const uint32_t keys = fill(bench, 0);

    bench_assert_there(bench, 0, keys);
    cr_assert_eq(bench_remove(bench, 0), ENGINE_OK);
    sim_world_profile(bench->world)->disk_bytes_max = 64 << 20;
    sim_world_run_until(bench->world,
                        sim_world_now_ns(bench->world) + UINT64_C(3) * 1000 * 1000 * 1000);
    turns(bench, 1000);
    for (uint32_t number = keys; number < keys + 1000; number++) {
        cr_assert_eq(bench_put(bench, number, number + 1), ENGINE_OK, "key %u", number);
        bench_turn(bench);
    }
    bench_assert_there(bench, 1, keys + 1000);
    bench_close(bench);
    bench_done(bench);
    free(bench);
}

// Drops ------------------------------------------------------------------------------------------

// One key removed, in a frame of its own, with no work in the background.
static enum engine_status remove_alone(struct bench *bench, uint32_t number)
{
    struct bench_op op;
    struct engine_op *const ops[1] = {bench_op(&op, number)};

    engine_remove(bench->engine, ops, 1);
    while (op.op.status == ENGINE_PENDING && !op.done) {
        io_turn(bench->io, 20000);
    }
    engine_commit(bench->engine);
    io_turn(bench->io, 20000);
    return op.op.status;
}

// Fills the disk to the last frame, drops all, and has a checkpoint written, after which the power
// fails. Returns how many keys there were.
static uint32_t drop_without_room(struct bench *bench)
{
    const struct log_engine *const engine = log_engine_of(bench->engine);
    const uint32_t keys = fill(bench, 0);
    uint32_t number = 0;

    while (remove_alone(bench, number) == ENGINE_OK) {
        number++;
    }
    cr_assert_lt(number, keys);
    cr_assert_neq(engine_drop(bench->engine, ENGINE_ALL_VNODES), 0);
    cr_assert_eq(engine->drops_owed, IMAGE_VNODES);
    const uint64_t before = engine->checkpoints;

    engine_save(bench->engine);
    for (uint32_t turn = 0; engine->checkpoints == before; turn++) {
        cr_assert_lt(turn, 10000);
        cr_assert_eq(engine->drops_owed, IMAGE_VNODES);
        bench_turn(bench);
    }
    bench_kill(bench, SIM_POWER_LOSS);
    return keys;
}

// No checkpoint can be read any more.
static void rot_checkpoints(struct bench *bench)
{
    struct image image;
    char path[128];
    uint32_t found = 0;

    image_take(bench->node, &image);
    for (uint32_t i = 0; i < image.count; i++) {
        if (strncmp(image.files[i].name, "checkpoint-", 11) == 0) {
            (void)snprintf(path, sizeof path, "/log/%s", image.files[i].name);
            sim_node_rot(bench->node, path, 800);
            found++;
        }
    }
    image_free(&image);
    cr_assert_neq(found, 0);
}

static void assert_missing(struct bench *bench, uint32_t from, uint32_t to)
{
    uint64_t version;

    for (uint32_t number = from; number < to; number++) {
        cr_assert_eq(bench_get(bench, number, &version), ENGINE_MISS, "key %u", number);
    }
}

static void open_again(struct bench *bench)
{
    bench_open_engine(bench);
    cr_assert_eq(bench->error, 0);
    log_verify(bench->engine);
}

// What was dropped while the log had no room to say so, and was seen to be gone, does not come back
// where the checkpoint that was written then is damaged.
Test(engines_log_full, lists_a_drop_that_it_had_no_room_for)
{
    struct bench *const bench = malloc(sizeof *bench);

    bench_open(bench, 4, NULL);
    const uint32_t keys = drop_without_room(bench);

    rot_checkpoints(bench);
    open_again(bench);
    cr_assert_neq(bench->damages, 0);
    assert_missing(bench, 0, keys);
    bench_done(bench);
    free(bench);
}

// And what was put after it stays, whatever is replayed, in however many lives.
Test(engines_log_full, keeps_what_was_put_after_a_drop_that_is_listed)
{
    enum { PUT = 40 };
    struct bench *const bench = malloc(sizeof *bench);
    bool listed = false;

    bench_open(bench, 5, NULL);
    const uint32_t keys = drop_without_room(bench);

    open_again(bench);
    assert_missing(bench, 0, keys);
    for (uint32_t life = 0; life < 3; life++) {
        for (uint32_t number = life * PUT; number < (life + 1) * PUT; number++) {
            while (bench_put(bench, number, number + 1) == ENGINE_FULL) {
                bench_turn(bench); // as soon as there is room
            }
        }
        listed = listed || log_manifest_drops(log_engine_of(bench->engine), NULL) != 0;
        turns(bench, 100);
        bench_kill(bench, SIM_POWER_LOSS);
        if (life == 1) {
            rot_checkpoints(bench);
        }
        open_again(bench);
        cr_assert(bench->damages != 0 || life != 1);
        bench_assert_there(bench, 0, (life + 1) * PUT);
        assert_missing(bench, 3 * PUT, keys);
    }
    cr_assert(listed, "nothing was put while it was");
    bench_close(bench);
    open_again(bench);
    bench_assert_there(bench, 0, 3 * PUT);
    assert_missing(bench, 3 * PUT, keys);
    cr_assert_eq(log_manifest_drops(log_engine_of(bench->engine), NULL), 0,
                 "it is listed for ever");
    bench_done(bench);
    free(bench);
}

// A disk that does not answer is not a full one: callers that look whether the engine is stalled
// are never refused, and what is under way ends the stall.
Test(engines_log_full, stalls_before_a_slow_disk_has_all_frames)
{
    enum { PIECE = 4, TURNS = 2 * LIMIT_LOG_FRAMES };
    struct bench *const bench = malloc(sizeof *bench);
    struct bench_op op;
    struct engine_op *const ops[1] = {&op.op};
    uint32_t number = 0;

    bench_empty(bench, 3, NULL);
    bench_open_engine_of(bench, 64 << 20, 0);
    cr_assert_eq(bench->error, 0);
    turns(bench, 1000);
    memset(bench->object, 7, sizeof bench->object);
    for (uint32_t round = 0; round < 2; round++) {
        for (uint32_t turn = 0; !engine_stalled(bench->engine); turn++) {
            cr_assert_lt(turn, TURNS, "it never stalled");
            for (uint32_t i = 0; i < PIECE; i++) { // a frame's worth
                bench_op(&op, number++);
                op.op.parts[0] = slice_of(bench->object, sizeof bench->object);
                engine_put(bench->engine, ops, 1);
                cr_assert_eq(op.op.status, ENGINE_OK, "key %u", number);
            }
            engine_commit(bench->engine); // and the disk completes nothing
        }
        for (uint32_t turn = 0; engine_stalled(bench->engine); turn++) {
            cr_assert_lt(turn, 100000, "it never went on");
            bench_turn(bench);
        }
    }
    bench_close(bench);
    bench_done(bench);
    free(bench);
}

// A failed write ends all writing, is not tried again, and takes nothing that was acknowledged.
static void fail_at(const char *what, uint64_t seed)
{
    struct bench *const bench = malloc(sizeof *bench);
    struct fault fault = {.what = what};
    uint32_t acknowledged = 0;
    uint64_t version;
    int error = 0;

    bench_open(bench, seed, NULL);
    set_fault(bench, &fault);
    for (uint32_t number = 0; number < 300; number++) {
        cr_assert_eq(bench_put(bench, number, number + 1), ENGINE_OK);
        turns(bench, 3);
    }
    turns(bench, 100);
    engine_sync_all(bench->engine);
    turns(bench, 100);
    (void)engine_committed(bench->engine, &error);
    cr_assert_eq(error, 0);
    acknowledged = 300;
    fault.error = -EIO;
    for (uint32_t number = 300; number < 400 && error == 0; number++) {
        (void)bench_put(bench, number, number + 1);
        turns(bench, 5);
        engine_sync_all(bench->engine);
        turns(bench, 5);
        (void)engine_committed(bench->engine, &error);
    }
    cr_assert_eq(error, -EIO);
    cr_assert_eq(bench_put(bench, 500, 1), ENGINE_ERROR);
    cr_assert_eq(bench_remove(bench, 1), ENGINE_ERROR);
    turns(bench, 100);
    engine_save(bench->engine);
    turns(bench, 100);
    cr_assert_leq(fault.writes, LOG_FRAMES_WRITING, "%lu more writes and syncs",
                  (unsigned long)fault.writes);
    bench_assert_there(bench, 0, acknowledged);
    fault.error = 0;
    bench_kill(bench, SIM_POWER_LOSS);
    bench_open_engine(bench);
    cr_assert_eq(bench->error, 0);
    bench_assert_there(bench, 0, acknowledged);
    cr_assert_neq(bench_get(bench, 500, &version), ENGINE_OK, "nobody was told that it is there");
    bench_done(bench);
    free(bench);
}

Test(engines_log_full, ends_writing_at_a_failed_write)
{
    fail_at("write", 3);
}

Test(engines_log_full, tells_a_failed_read)
{
    struct bench *const bench = malloc(sizeof *bench);
    struct fault fault = {.what = "read"};
    uint64_t version;
    uint32_t errors = 0;

    bench_open(bench, 4, NULL);
    for (uint32_t number = 0; number < 2000; number++) {
        (void)bench_put(bench, number, number + 1);
        bench_turn(bench);
    }
    bench_close(bench);
    bench_open_engine(bench);
    set_fault(bench, &fault);
    fault.error = -EIO;
    for (uint32_t number = 0; number < 200; number++) {
        const enum engine_status status = bench_get(bench, number, &version);

        cr_assert_eq(status, ENGINE_ERROR, "key %u: status %d", number, status);
        errors++;
    }
    fault.error = 0;
    bench_assert_there(bench, 0, 2000);
    cr_assert_eq(errors, 200);
    bench_close(bench);
    bench_done(bench);
    free(bench);
}

// A start for whose manifest there is no room serves what is there and writes nothing, also no file
// of a large value, which would bear an epoch that the next start takes too. It goes on once there
// is room.
Test(engines_log_full, starts_without_room_for_a_manifest)
{
    struct bench *const bench = malloc(sizeof *bench);
    struct fault fault = {.what = "write", .error = -ENOSPC};
    struct engine_stage stage = {.bytes = 2 << 20};
    struct bench_op large;
    enum engine_status status;

    bench_open(bench, 5, NULL);
    for (uint32_t number = 0; number < 500; number++) {
        cr_assert_eq(bench_put(bench, number, number + 1), ENGINE_OK);
        turns(bench, 3);
    }
    engine_sync_all(bench->engine);
    turns(bench, 100);
    set_fault(bench, &fault);
    for (int start = 0; start < 3; start++) {
        bench_kill(bench, SIM_POWER_LOSS);
        bench_open_engine(bench);
        cr_assert_eq(bench->error, 0);
        cr_assert_not_null(strstr(bench->text, "MANIFEST cannot be written"), "%s", bench->text);
        bench_assert_there(bench, 0, 500);
        cr_assert_eq(bench_put(bench, 500, 501), ENGINE_FULL);
        cr_assert_eq(bench_remove(bench, 1), ENGINE_FULL);
        cr_assert_eq(engine_stage_open(bench->engine, bench_op(&large, 501), &stage), ENGINE_FULL);
        turns(bench, 100);
        cr_assert_eq(log_engine_of(bench->engine)->failed, 0);
    }
    fault.error = 0;
    for (int i = 0; bench_put(bench, 500, 501) == ENGINE_FULL; i++) {
        cr_assert_lt(i, 10000, "it never goes on");
        sim_world_run_until(bench->world, sim_world_now_ns(bench->world) + 1000000);
        turns(bench, 10);
    }
    while ((status = engine_stage_open(bench->engine, bench_op(&large, 501), &stage)) ==
           ENGINE_PENDING) {
        turns(bench, 1);
    }
    cr_assert_eq(status, ENGINE_OK);
    engine_stage_close(bench->engine, &stage);
    cr_assert_eq(bench_remove(bench, 1), ENGINE_OK);
    engine_sync_all(bench->engine);
    turns(bench, 100);
    bench_kill(bench, SIM_POWER_LOSS);
    bench_open_engine(bench);
    cr_assert_eq(bench->error, 0);
    cr_assert_eq(engine_count(bench->engine, ENGINE_ALL_VNODES), 500);
    bench_assert_there(bench, 2, 501);
    log_verify(bench->engine);
    bench_done(bench);
    free(bench);
}

// Any operation fails at any time, once: the engine says so or goes on, and opens again with all
// that was acknowledged.
static void random_fault(uint64_t seed)
{
    static const int errors[] = {-EIO, -ENOSPC, -EIO, -EDQUOT};
    struct bench *const bench = malloc(sizeof *bench);
    struct random random;
    uint64_t committed[200] = {0}; // commit of each key's put
    uint64_t durable = 0;
    int error = 0;

    random_seed(&random, seed);
    struct fault fault = {.error = errors[random_below(&random, 4)],
                          .after = random_below(&random, 3000),
                          .once = true};

    bench_empty(bench, seed, NULL);
    set_fault(bench, &fault);
    bench_open_engine(bench);
    for (uint32_t i = 0; bench->error == 0 && i < 4000 && error == 0; i++) {
        const uint32_t number = (uint32_t)random_below(&random, 200);

        if (random_below(&random, 4) == 0) {
            bench_turn(bench);
        } else if (bench_put(bench, number, i + 1) == ENGINE_OK) {
            committed[number] = bench->commit;
        }
        if (random_below(&random, 500) == 0) {
            engine_save(bench->engine);
        }
        durable = engine_committed(bench->engine, &error);
    }
    if (bench->error != 0) {
        io_destroy(bench->io); // it has given back what it had
    } else {
        bench_kill(bench, random_below(&random, 2) == 0 ? SIM_KILL : SIM_POWER_LOSS);
    }
    fault.error = 0;
    bench_open_engine(bench);
    cr_assert_eq(bench->error, 0, "seed %lu: %d", (unsigned long)seed, bench->error);
    cr_assert_eq(bench->reports == 0 || strstr(bench->text, "torn") != NULL, true, "%s",
                 bench->text);
    for (uint32_t number = 0; number < 200; number++) {
        uint64_t version;

        if (committed[number] != 0 && committed[number] <= durable) {
            cr_assert_eq(bench_get(bench, number, &version), ENGINE_OK, "seed %lu: key %u",
                         (unsigned long)seed, number);
        }
    }
    log_verify(bench->engine);
    bench_done(bench);
    free(bench);
}

Test(engines_log_full, survives_any_one_failure)
{
    const char *const text = getenv("RLDB_TEST_SEEDS");
    const uint64_t seeds = text != NULL ? strtoull(text, NULL, 10) : 60;

    for (uint64_t seed = 1; seed <= seeds; seed++) {
        random_fault(seed);
    }
}
