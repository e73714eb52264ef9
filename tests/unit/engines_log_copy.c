// Copies of a log that are made while it is written to: each holds exactly what was there at the
// cut, stays as it is whatever becomes of the log, and costs the log nothing where it fails.
#include "core/wait.h"
#include "tests/unit/engines_log_image.h"

#include <errno.h>

enum {
    KEYS = 200,
    LARGE = 4, // keys behind those, with files of their own
    ALL = KEYS + LARGE,
    SEEDS = 40,
    TURNS_MAX = 200000,
    LARGE_BYTES = (1 << 20) + 4096,
};

struct copying {
    struct engine_copy copy; // first
    bool ended;
};

static void copy_ended(struct engine_copy *copy)
{
    ((struct copying *)(void *)copy)->ended = true;
}

struct story {
    struct bench bench;
    struct random random;
    uint64_t version;
    uint64_t now[ALL]; // of each key; 0: it has none
    uint64_t cut[ALL];
    bool large_too;
    uint8_t *large; // scratch
};

static size_t large_size(uint64_t version)
{
    return LARGE_BYTES + version % 7 * 1000;
}

static void put_large(struct story *story, uint32_t number)
{
    struct bench_op op;
    struct engine_op *const ops[1] = {bench_op(&op, number)};
    const size_t size = large_size(story->version);

    memset(story->large, (int)(story->version % 251), size);
    memcpy(story->large, &story->version, 8);
    ops[0]->parts[0] = slice_of(story->large, size);
    engine_put(story->bench.engine, ops, 1);
    bench_wait(&story->bench, &op);
    if (op.op.status == ENGINE_OK) {
        story->now[number] = story->version;
    }
}

// A removal is refused only while a segment is being made ready, which a shard would wait for.
static void take_away(struct story *story, uint32_t number)
{
    enum engine_status status = bench_remove(&story->bench, number);

    for (uint32_t turns = 0; status == ENGINE_FULL; turns++) {
        cr_assert_lt(turns, TURNS_MAX);
        cr_assert(engine_stalled(story->bench.engine));
        bench_turn(&story->bench);
        status = bench_remove(&story->bench, number);
    }
    cr_assert(status == ENGINE_OK || status == ENGINE_MISS);
    story->now[number] = 0;
}

static void change(struct story *story)
{
    const uint32_t number = (uint32_t)random_below(&story->random, story->large_too ? ALL : KEYS);

    story->version++;
    if (number >= KEYS) {
        if (random_below(&story->random, 4) == 0) {
            put_large(story, number);
        }
    } else if (random_below(&story->random, 8) == 0) {
        take_away(story, number);
    } else if (bench_put(&story->bench, number, story->version) == ENGINE_OK) {
        story->now[number] = story->version;
    }
}

// Until the step has ended, with others' writes in between.
static void go_on(struct story *story, const struct copying *copying)
{
    for (uint32_t turns = 0; !copying->ended; turns++) {
        cr_assert_lt(turns, TURNS_MAX);
        if (random_below(&story->random, 3) != 0) {
            change(story);
        }
        bench_turn(&story->bench);
    }
}

static void begin(struct story *story, uint64_t seed, bool large_too)
{
    *story = (struct story){.large_too = large_too};
    random_seed(&story->random, seed);
    story->large = malloc(LARGE_BYTES + 7000);
    bench_empty(&story->bench, seed, NULL);
    story->bench.disk_max_bytes = 3 * IMAGE_DISK_BYTES;
    story->bench.durability.sync =
        seed % 3 == 0 ? ENGINE_SYNC_NEVER : ENGINE_SYNC_ALWAYS; // a copy is durable either way
    bench_open_engine(&story->bench);
    cr_assert_eq(story->bench.error, 0);
    const uint64_t changes = random_below(&story->random, 2000);

    for (uint64_t i = 0; i < changes; i++) {
        change(story);
        if (random_below(&story->random, 4) == 0) {
            bench_turn(&story->bench);
        }
    }
}

static void end(struct story *story)
{
    bench_done(&story->bench);
    free(story->large);
}

// All three steps.
static void make(struct story *story, struct copying *copying, const char *directory)
{
    struct engine *const engine = story->bench.engine;

    *copying = (struct copying){
        .copy = {.directory = directory, .done = copy_ended, .leap = 0x123456789abc}};
    cr_assert_eq(engine_copy(engine, &copying->copy, ENGINE_COPY_PREPARE), 0);
    go_on(story, copying);
    cr_assert_eq(copying->copy.error, 0);
    cr_assert_eq(engine_copy(engine, &copying->copy, ENGINE_COPY_CUT), 0);
    memcpy(story->cut, story->now, sizeof story->cut);
    change(story);
    copying->ended = false;
    cr_assert_eq(engine_copy(engine, &copying->copy, ENGINE_COPY_WRITE), 0);
    go_on(story, copying);
    cr_assert_eq(copying->copy.error, 0);
    engine_copy(engine, &copying->copy, ENGINE_COPY_END);
}

static void expect_large(struct bench *bench, uint32_t number, uint64_t wanted)
{
    struct bench_op op;
    struct engine_op *const ops[1] = {bench_op(&op, number)};

    engine_get(bench->engine, ops, 1);
    while (op.op.status == ENGINE_PENDING && !op.done) {
        io_turn(bench->io, 20000);
    }
    cr_assert_eq(op.op.status, wanted == 0 ? ENGINE_MISS : ENGINE_OK, "key %u", number);
    if (wanted != 0) {
        cr_assert_eq(op.op.object.size, large_size(wanted));
        cr_assert_eq(memcmp(op.op.object.bytes, &wanted, 8), 0, "key %u", number);
        cr_assert_eq(op.op.object.bytes[op.op.object.size - 1], wanted % 251);
    }
    engine_commit(bench->engine);
}

static void expect(struct bench *bench, const uint64_t *wanted)
{
    for (uint32_t number = 0; number < KEYS; number++) {
        uint64_t version;
        const enum engine_status status = bench_get(bench, number, &version);

        cr_assert_eq(status, wanted[number] == 0 ? ENGINE_MISS : ENGINE_OK, "key %u", number);
        cr_assert_eq(version, wanted[number], "key %u", number);
    }
    for (uint32_t number = KEYS; number < ALL; number++) {
        expect_large(bench, number, wanted[number]);
    }
}

struct taking {
    struct sim_node *node;
    struct image *image;
    const char *directory;
};

static bool take_file(void *context, const char *name)
{
    const struct taking *const taking = context;
    char path[128];
    size_t size;

    (void)snprintf(path, sizeof path, "%s/%s", taking->directory, name);
    uint8_t *const bytes = sim_node_file(taking->node, path, &size);

    image_put(taking->image, name, bytes, size);
    free(bytes);
    return true;
}

// A start on the copy alone, somewhere else: it is whole, and is what was there at the cut.
static void expect_copy(struct story *story, const char *directory, uint64_t seed)
{
    struct image image = {0};
    struct taking taking = {story->bench.node, &image, directory};
    struct bench other;

    cr_assert_eq(sim_node_list(story->bench.node, directory, take_file, &taking), 0);
    bench_open(&other, seed, &image);
    cr_assert_eq(other.error, 0, "%s", other.text);
    cr_assert_eq(other.reports, 0, "%s", other.text);
    expect(&other, story->cut);
    log_verify(other.engine);
    bench_done(&other);
    image_free(&image);
}

static uint32_t links(struct story *story, const char *directory, uint32_t segment)
{
    struct io_stat stat;
    char path[64];

    (void)snprintf(path, sizeof path, "%s/segment-%05u", directory, segment);
    cr_assert_eq(io_stat(story->bench.io, path, &stat), 0, "%s", path);
    return stat.links;
}

static void sync_root(struct bench *bench)
{
    const int fd = wait_open(bench->io, "/", IO_OPEN_READ | IO_OPEN_DIRECTORY);

    cr_assert_geq(fd, 0);
    cr_assert_eq(wait_sync(bench->io, fd), 0);
    (void)wait_close(bench->io, fd);
}

Test(engines_log_copy, holds_one_moment_and_stays)
{
    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        struct story story;
        struct copying copying;

        begin(&story, seed, seed % 2 == 0);
        make(&story, &copying, "/copy");
        cr_assert_gt(copying.copy.files, 0);
        log_verify(story.bench.engine);
        // The log goes round its segments.
        for (uint32_t i = 0; i < 3000; i++) {
            change(&story);
            bench_turn(&story.bench);
        }
        expect(&story.bench, story.now);
        expect_copy(&story, "/copy", seed + 1000);
        end(&story);
    }
}

// Heads go on in their segments, which no copy shares: so these can be recycled.
Test(engines_log_copy, leaves_heads_where_they_are)
{
    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        struct story story;
        struct copying copying;

        begin(&story, seed, false);
        const struct log_engine *const engine = log_engine_of(story.bench.engine);
        const uint64_t order = engine->order;
        const uint32_t hot = engine->hot.segment;
        const bool filled = hot != LOG_SEGMENTS_MAX && engine->segments[hot].sequence_last != 0;

        make(&story, &copying, "/copy");
        if (filled && engine->order == order) { // it was not full meanwhile
            cr_assert_eq(engine->hot.segment, hot);
            cr_assert_eq(links(&story, "/log", hot), 1);
            cr_assert_eq(links(&story, "/copy", hot), 1);
        }
        expect_copy(&story, "/copy", seed + 1000);
        end(&story);
    }
}

// What was told to be durable is, and what was going on when the power went harms nobody.
static void survive(uint64_t seed)
{
    struct story story;
    struct copying copying;

    begin(&story, seed, seed % 4 == 0);
    make(&story, &copying, "/copy");
    sync_root(&story.bench);
    for (uint64_t i = random_below(&story.random, 300); i > 0; i--) {
        change(&story);
        bench_turn(&story.bench);
    }
    bench_kill(&story.bench, SIM_POWER_LOSS);
    bench_open_engine(&story.bench);
    cr_assert_eq(story.bench.error, 0);
    cr_assert_eq(story.bench.damages, 0, "%s", story.bench.text);
    log_verify(story.bench.engine);
    expect_copy(&story, "/copy", seed + 1000);
    end(&story);
}

Test(engines_log_copy, survives_the_end_of_the_machine)
{
    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        survive(seed);
    }
}

// With this seed the machine ends when a segment that the copy shares was let go of, and the newest
// checkpoint still led to it: replay comes by what took the place of that.
Test(engines_log_copy, starts_by_a_checkpoint_that_leads_to_what_is_gone)
{
    survive(247);
}

// Ends at any step: the log begins as if there had been no copy, and makes another.
static void end_at_any_step(uint64_t seed)
{
    struct story story;
    struct copying copying = {
        .copy = {.directory = "/half", .done = copy_ended, .leap = seed << 24}};

    begin(&story, seed, seed % 4 == 0);
    struct engine *const engine = story.bench.engine;
    uint64_t left = random_below(&story.random, 120);
    bool cut = false;

    cr_assert_eq(engine_copy(engine, &copying.copy, ENGINE_COPY_PREPARE), 0);
    while (left-- > 0) {
        if (copying.ended && copying.copy.error == 0 && !cut) {
            cut = engine_copy(engine, &copying.copy, ENGINE_COPY_CUT) == 0;
            copying.ended = false;
            cr_assert_eq(engine_copy(engine, &copying.copy, ENGINE_COPY_WRITE), 0);
        }
        if (left % 4 == 0) {
            change(&story);
        }
        bench_turn(&story.bench);
    }
    bench_kill(&story.bench, seed % 2 == 0 ? SIM_KILL : SIM_POWER_LOSS);
    bench_open_engine(&story.bench);
    cr_assert_eq(story.bench.error, 0);
    cr_assert_eq(story.bench.damages, 0, "%s", story.bench.text);
    log_verify(story.bench.engine);
    for (uint32_t number = 0; number < KEYS; number++) {
        cr_assert_neq(bench_get(&story.bench, number, &story.now[number]), ENGINE_ERROR);
    }
    story.large_too = false;
    for (uint32_t number = KEYS; number < ALL; number++) {
        if (bench_remove(&story.bench, number) == ENGINE_OK) {
            story.now[number] = 0;
        }
        story.now[number] = 0;
    }
    make(&story, &copying, "/copy");
    expect_copy(&story, "/copy", seed + 1000);
    end(&story);
}

Test(engines_log_copy, may_end_at_any_step)
{
    for (uint64_t seed = 1; seed <= 4 * SEEDS; seed++) {
        end_at_any_step(seed);
    }
}

// With this seed compaction takes one of the two segments that wait after a cut before anybody has
// written. The other is kept for it, so a removal has to wait until a third is made.
Test(engines_log_copy, removals_wait_for_what_compaction_took)
{
    end_at_any_step(833);
}

// Given up between its steps, or refused: nothing stays pinned, and a later one is whole.
Test(engines_log_copy, may_fail)
{
    struct story story;
    struct copying copying = {.copy = {.directory = "/none/copy", .done = copy_ended}};
    struct copying second = {.copy = {.directory = "/second", .done = copy_ended}};

    begin(&story, 7, true);
    struct engine *const engine = story.bench.engine;

    cr_assert_eq(engine_copy(engine, &copying.copy, ENGINE_COPY_PREPARE), 0);
    cr_assert_eq(engine_copy(engine, &second.copy, ENGINE_COPY_PREPARE), -EBUSY);
    go_on(&story, &copying);
    cr_assert_eq(copying.copy.error, -ENOENT);
    engine_copy(engine, &copying.copy, ENGINE_COPY_END);

    copying = (struct copying){.copy = {.directory = "/log", .done = copy_ended}};
    cr_assert_eq(engine_copy(engine, &copying.copy, ENGINE_COPY_PREPARE), 0);
    go_on(&story, &copying);
    cr_assert_eq(copying.copy.error, -EEXIST);
    engine_copy(engine, &copying.copy, ENGINE_COPY_END);

    copying = (struct copying){.copy = {.directory = "/given-up", .done = copy_ended}};
    cr_assert_eq(engine_copy(engine, &copying.copy, ENGINE_COPY_PREPARE), 0);
    go_on(&story, &copying);
    cr_assert_eq(copying.copy.error, 0);
    cr_assert_eq(engine_copy(engine, &copying.copy, ENGINE_COPY_CUT), 0);
    engine_copy(engine, &copying.copy, ENGINE_COPY_END);
    for (uint32_t i = 0; i < log_engine_of(engine)->segment_top; i++) {
        cr_assert(!log_engine_of(engine)->segments[i].copied);
    }
    make(&story, &copying, "/copy");
    expect_copy(&story, "/copy", 1007);
    end(&story);
}

// A frozen view that is opened while no segment is filling is of that moment.
struct counting {
    struct engine_scan scan;
    uint32_t seen;
};

static bool count_record(void *context, const struct engine_record *record)
{
    struct counting *const counting = context;

    (void)record;
    counting->seen++;
    return true;
}

static void scan_ready(struct engine_scan *scan)
{
    (void)scan;
}

Test(engines_log_copy, a_view_opened_while_nothing_fills_shows_all)
{
    struct story story;
    struct counting counting = {
        .scan = {.each = count_record, .context = &counting, .done = scan_ready}};
    uint32_t view;
    uint32_t wanted = 0;
    int more = 1;

    begin(&story, 8, false);
    struct engine *const engine = story.bench.engine;

    log_heads_leave(log_engine_of(engine));
    cr_assert_eq(engine_snapshot_open(engine, 0, &view), 0);
    for (uint32_t number = 0; number < KEYS; number += IMAGE_VNODES) {
        wanted += story.now[number] != 0;
    }
    for (uint32_t i = 0; i < 500; i++) {
        change(&story);
    }
    while (more == 1 || more == -EINPROGRESS) {
        more = engine_snapshot_scan(engine, view, &counting.scan, 16);
        do {
            bench_turn(&story.bench);
        } while (counting.scan.waiting != 0);
    }
    cr_assert_eq(more, 0);
    cr_assert_eq(counting.seen, wanted);
    engine_snapshot_close(engine, view);
    end(&story);
}
