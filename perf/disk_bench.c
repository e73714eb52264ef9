// The log engine alone against its disk: filling it, and reading what is cold.
//
//     perf_disk_bench fill DIRECTORY KEYS VALUE_BYTES
//     perf_disk_bench cold DIRECTORY KEYS VALUE_BYTES DEPTH SECONDS
//
// fill: KEYS puts of different keys in a random order, one by one, with `sync: never`, until all of
// it is on the disk. cold: gets of such a directory with a cache of a twentieth of the data, DEPTH
// of them under way at any time: those that have come back are asked for anew in one batch, as a
// server has them, and the core sleeps when there is nothing else to do, as fio does.
//
// Keys have 16 bytes, objects 10 and a value, as in engine_bench.c. Figures are printed as `name
// value`, and perf/disk reads them.
#include "core/hash.h"
#include "core/io.h"
#include "core/limits.h"
#include "core/random.h"
#include "engines/engine.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
    KEY_BYTES = 16,
    METADATA_BYTES = 10,
    VALUE_BYTES_MAX = 4096,
    SLOT_OVERHEAD_BYTES = 18, // of the cache, beside key and object
    VNODES = 128,
    SEGMENT_BYTES = 64 << 20,
    DEPTH_MAX = 256,
    TURN_OPERATIONS = 64,
    CACHE_SHARE = 20, // of the data that is cold, a cache holds one part
    NS_A_SECOND = 1000000000,
    WAIT_NS_MAX = 1000000,
    SETTLE_TURNS = 20000,
};

struct cold_op {
    struct engine_op op; // first
    struct bench *bench;
    uint8_t key[KEY_BYTES];
    struct cold_op *next_done;
};

struct bench {
    struct io *io;
    struct engine *engine;
    const char *directory;
    uint64_t keys;
    struct random random;
    uint32_t object_bytes;
    uint8_t object[METADATA_BYTES + VALUE_BYTES_MAX];
    struct cold_op *done;
    struct cold_op ops[DEPTH_MAX];
};

static void fail(const char *what)
{
    printf("failed: %s\n", what);
    exit(1);
}

static void op_done(struct engine_op *op)
{
    struct cold_op *const cold = (struct cold_op *)(void *)op;

    cold->next_done = cold->bench->done;
    cold->bench->done = cold;
}

static struct engine_op *op_set(struct bench *bench, struct cold_op *cold, uint64_t number)
{
    const uint64_t words[2] = {number * UINT64_C(0x9e3779b97f4a7c15), number};

    memcpy(cold->key, words, KEY_BYTES);
    cold->bench = bench;
    cold->op = (struct engine_op){
        .key = slice_of(cold->key, KEY_BYTES),
        .vnode = (uint32_t)((number * UINT64_C(0xd1342543de82ef95)) >> 40) % VNODES,
        .parts = {slice_of(bench->object, bench->object_bytes)},
        .done = op_done,
    };
    cold->op.hash = hash_key(1, cold->op.key);
    return &cold->op;
}

static void begin(struct bench *bench)
{
    const uint64_t slot_bytes = KEY_BYTES + bench->object_bytes + SLOT_OVERHEAD_BYTES;
    const struct engine_options options = {
        .io = bench->io,
        .directory = bench->directory,
        .shards = 1,
        .durability.sync = ENGINE_SYNC_NEVER,
        .cache_bytes = bench->keys * slot_bytes / CACHE_SHARE,
        .segment_bytes = SEGMENT_BYTES,
        .hash_seed = 1,
        .random_seed = 1,
        .vnodes = VNODES,
    };

    if (log_engine_open(&options, &bench->engine) != 0) {
        fail("the engine does not open");
    }
}

// The background work of a turn, and the disk's answers.
static bool turn(struct bench *bench, uint64_t timeout_ns)
{
    engine_commit(bench->engine);
    const bool more = engine_step(bench->engine, LIMIT_BACKGROUND_BYTES);

    io_turn(bench->io, more ? 0 : timeout_ns);
    return more;
}

static void settle(struct bench *bench)
{
    engine_sync_all(bench->engine);
    for (uint32_t i = 0; i < SETTLE_TURNS; i++) {
        struct engine_stats stats;

        (void)turn(bench, WAIT_NS_MAX);
        engine_stats(bench->engine, &stats);
        if (stats.unsynced_bytes == 0) {
            return;
        }
    }
    fail("what was put does not become durable");
}

static void put(struct bench *bench, uint64_t number)
{
    struct engine_op *const op = op_set(bench, &bench->ops[0], number);

    engine_put(bench->engine, &op, 1);
    while (op->status == ENGINE_PENDING) { // a fingerprint matched, and its key has to be read
        (void)turn(bench, WAIT_NS_MAX);
        if (bench->done != NULL) {
            bench->done = NULL;
            break;
        }
    }
    if (op->status != ENGINE_OK) {
        fail("a put");
    }
}

static void put_all(struct bench *bench)
{
    for (uint64_t i = 0; i < bench->keys; i++) {
        if (i % TURN_OPERATIONS == 0) {
            (void)turn(bench, 0);
            while (engine_stalled(bench->engine)) {
                (void)turn(bench, WAIT_NS_MAX);
            }
        }
        put(bench, i);
    }
}

static double seconds_since(struct bench *bench, uint64_t begin_ns)
{
    return (double)(io_clock_ns(bench->io) - begin_ns) / NS_A_SECOND;
}

// Parts -----------------------------------------------------------------------------------------

static void fill(struct bench *bench)
{
    begin(bench);
    const uint64_t begin_ns = io_clock_ns(bench->io);

    put_all(bench);
    settle(bench);
    const double seconds = seconds_since(bench, begin_ns);
    struct engine_stats stats;

    engine_stats(bench->engine, &stats);
    printf("puts_a_second %.0f\nkeys %" PRIu64 "\n", (double)bench->keys / seconds, stats.records);
    engine_close(bench->engine);
}

// Gets of random keys in one batch, as a server has them. Those that RAM answers are put behind the
// others; returns how many wait for the disk.
static uint32_t get_random(struct bench *bench, struct cold_op **cold, uint32_t count)
{
    struct engine_op *ops[DEPTH_MAX];
    uint32_t pending = 0;

    for (uint32_t i = 0; i < count; i++) {
        ops[i] = op_set(bench, cold[i], random_below(&bench->random, bench->keys));
    }
    engine_get(bench->engine, ops, count);
    for (uint32_t i = 0; i < count; i++) {
        struct cold_op *const op = cold[i];

        if (op->op.status == ENGINE_PENDING) {
            cold[i] = cold[pending];
            cold[pending++] = op;
        } else if (op->op.status != ENGINE_OK) {
            fail("a get");
        }
    }
    return pending;
}

static void cold(struct bench *bench, uint32_t depth, double seconds)
{
    uint64_t gets = 0;
    uint64_t pended = 0;
    uint32_t under_way = 0;
    struct engine_stats before;
    struct engine_stats after;

    begin(bench);
    engine_stats(bench->engine, &before);
    const uint64_t begin_ns = io_clock_ns(bench->io);
    struct cold_op *free_ops[DEPTH_MAX];

    for (uint32_t i = 0; i < depth; i++) {
        free_ops[i] = &bench->ops[i];
    }
    while (seconds_since(bench, begin_ns) < seconds) {
        while (under_way < depth) {
            const uint32_t count = depth - under_way;
            // The free ones lie at the end.
            const uint32_t pending = get_random(bench, free_ops + under_way, count);

            gets += count;
            pended += pending;
            under_way += pending;
        }
        (void)turn(bench, WAIT_NS_MAX);
        while (bench->done != NULL) {
            struct cold_op *const done = bench->done;

            bench->done = done->next_done;
            if (done->op.status != ENGINE_OK || done->op.object.size != bench->object_bytes) {
                fail("a get that was read");
            }
            under_way--;
            free_ops[under_way] = done;
        }
    }
    const double took = seconds_since(bench, begin_ns);

    engine_stats(bench->engine, &after);
    const double reads = (double)(after.disk_reads - before.disk_reads);

    printf("gets_a_second %.0f\nreads_a_second %.0f\nreads_a_cold_get %.4f\n", (double)gets / took,
           reads / took, reads / (double)pended);
    printf("hits_in_ram %.4f\n", 1 - (double)pended / (double)gets);
    while (under_way != 0) {
        (void)turn(bench, WAIT_NS_MAX);
        for (; bench->done != NULL; bench->done = bench->done->next_done) {
            under_way--;
        }
    }
    engine_close(bench->engine);
}

int main(int count, char **arguments)
{
    const struct io_uring_options uring = {
        .queue_entries = 512, .buffer_count = 16, .buffer_bytes = 4096};
    static struct bench bench;
    char error[IO_ERROR_TEXT_MAX];
    const char *const part = count > 4 ? arguments[1] : "";

    if (io_uring_open(&uring, &bench.io, error) != 0) {
        fail(error);
    }
    bench.directory = count > 4 ? arguments[2] : "";
    bench.keys = count > 4 ? strtoull(arguments[3], NULL, 10) : 0;
    bench.object_bytes = METADATA_BYTES + (count > 4 ? (uint32_t)atoi(arguments[4]) : 0);
    random_seed(&bench.random, (uint64_t)getpid());
    if (bench.keys == 0 || bench.object_bytes > sizeof bench.object ||
        (strcmp(part, "fill") != 0 && (strcmp(part, "cold") != 0 || count != 7))) {
        printf("usage: perf_disk_bench fill DIRECTORY KEYS VALUE_BYTES\n"
               "       perf_disk_bench cold DIRECTORY KEYS VALUE_BYTES DEPTH SECONDS\n");
        return 2;
    }
    if (strcmp(part, "cold") == 0) {
        const uint32_t depth = (uint32_t)strtoul(arguments[5], NULL, 10);

        cold(&bench, depth < DEPTH_MAX ? depth : DEPTH_MAX, strtod(arguments[6], NULL));
    } else {
        fill(&bench);
    }
    io_destroy(bench.io);
    return 0;
}
