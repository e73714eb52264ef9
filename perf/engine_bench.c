// An engine alone, on one core: how many operations a second, how long the worst of them takes
// while the index grows or records are evicted, and what a key costs of memory.
//
//     taskset -c 1 perf_engine_bench [--keys N] [--value-size N] [--vnodes N] [--operations N]
//                                    [--batches N,N...] [--dir DIRECTORY] [PART...]
//
// The parts are throughput, growth, and eviction, which is lru, random and ttl, of the memory
// engine; without one, all of them. And log: throughput of the log engine, in a new directory under
// the one named, with `sync: never` and a cache that holds all; its time is the core's as well, in
// system calls too, and not what it waits for the disk. As in a server, which ends each turn so, a
// slice of background work follows every TURN_OPERATIONS puts. Its time counts in the throughput of
// new keys; latencies are of puts, and of slices apart.
//
// Keys have 16 bytes, and objects 10 of metadata and a value, of 100 if not told. A GET copies the
// value out, as a server does into its reply. The bare table, in the same run, says what the
// machine can do: entries of 8 bytes in buckets of 64, records of 160, nothing but the look-up and
// a comparison of the key.
#include "core/arena.h"
#include "core/hash.h"
#include "core/io.h"
#include "core/limits.h"
#include "core/random.h"
#include "engines/engine.h"
#include "perf/scratch.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <time.h>

enum {
    KEY_BYTES = 16,
    METADATA_BYTES = 10,
    VALUE_BYTES_MAX = 4096,
    BATCH_MAX = 64,
    BATCHES_MAX = 8,
    BARE_RECORD_BYTES = 160,
    LATENCY_STEPS = 256, // of 2^(1/8) ns
    BATCH = 16,          // of which latencies are taken, beside single operations
    TURN_OPERATIONS = 64,
    SLOT_OVERHEAD_BYTES = 18, // of the log engine's cache, beside key and object
};

struct bench {
    struct io io_clock; // for the memory engine, which only asks for the time
    struct io *io;
    const char *directory; // of the log engine; NULL: the memory engine
    struct engine *engine;
    struct random random;
    uint64_t keys;
    uint64_t operations;
    uint32_t vnodes;
    uint32_t value_bytes;
    uint32_t batches[BATCHES_MAX]; // up to the first 0
    uint8_t metadata[METADATA_BYTES];
    uint8_t value[VALUE_BYTES_MAX];
    uint8_t reply[VALUE_BYTES_MAX];
    uint8_t key_bytes[BATCH_MAX][KEY_BYTES];
    struct engine_op ops[BATCH_MAX];
    struct engine_op *pointers[BATCH_MAX];
};

// Seconds of the core's time that the thread has had: others that share the core do not count.
static double now(void)
{
    struct timespec at;

    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &at);
    return (double)at.tv_sec + (double)at.tv_nsec / 1e9;
}

static uint64_t now_ns(void)
{
    struct timespec at;

    clock_gettime(CLOCK_MONOTONIC, &at);
    return (uint64_t)at.tv_sec * 1000000000 + (uint64_t)at.tv_nsec;
}

static uint64_t resident_bytes(void)
{
    FILE *const file = fopen("/proc/self/statm", "r");
    char text[128] = "";
    char *end = text;

    if (file == NULL) {
        return 0;
    }
    const size_t size = fread(text, 1, sizeof text - 1, file);

    text[size] = 0;
    fclose(file);
    (void)strtoull(text, &end, 10);
    return strtoull(end, NULL, 10) * 4096;
}

static void make_key(uint64_t number, uint8_t *ret_key)
{
    const uint64_t words[2] = {number * UINT64_C(0x9e3779b97f4a7c15), number};

    memcpy(ret_key, words, KEY_BYTES);
}

static void *huge_pages(uint64_t bytes)
{
    void *const at = arena_table_open(bytes);

    if (at == NULL) {
        perror("mmap");
        exit(1);
    }
    madvise(at, bytes, MADV_HUGEPAGE);
    return at;
}

// latencies -------------------------------------------------------------------------------------

// Of each operation the least of some rounds that do exactly the same. What the engine does, it
// does in all of them at the same operation; what comes from elsewhere, such as another thread or
// virtual machine that takes the core, strikes another operation each time. Operations that were
// slow because memory was touched for the first time are told apart: the kernel clears 2 MiB for
// them, and a virtual machine's host may have to find these first.
enum {
    ROUNDS = 3,
    LOOK_OPERATIONS = 256, // between two looks at the count of page faults
    SLOW_NS = 100 * 1000,
};

static const uint32_t FAULTED = UINT32_C(1) << 31; // beside the ns of an operation

struct latencies {
    uint32_t *least_ns; // an item for each operation
    uint64_t count;
    int64_t faults; // of the thread, when last looked at
};

static int64_t page_faults(void)
{
    struct rusage usage;

    getrusage(RUSAGE_THREAD, &usage);
    return usage.ru_minflt;
}

static void latency_begin(uint64_t count, struct latencies *ret_latencies)
{
    ret_latencies->least_ns = huge_pages(count * sizeof ret_latencies->least_ns[0]);
    ret_latencies->count = count;
    memset(ret_latencies->least_ns, 0xff, count * sizeof ret_latencies->least_ns[0]);
    ret_latencies->faults = page_faults();
}

static void latency_add(struct latencies *latencies, uint64_t operation, uint64_t ns)
{
    uint32_t value = ns < FAULTED ? (uint32_t)ns : FAULTED - 1;

    if (ns > SLOW_NS || operation % LOOK_OPERATIONS == 0) {
        const int64_t before = latencies->faults;

        latencies->faults = page_faults();
        value |= ns > SLOW_NS && latencies->faults != before ? FAULTED : 0;
    }
    if (value < latencies->least_ns[operation]) {
        latencies->least_ns[operation] = value;
    }
}

static double latency_us(const uint64_t *counts, uint64_t count, double quantile)
{
    uint64_t seen = 0;

    for (uint32_t step = 0; step < LATENCY_STEPS; step++) {
        seen += counts[step];
        if ((double)seen >= (double)count * quantile) {
            return (double)(UINT64_C(1) << (step / 8)) * (1.0 + (step % 8 + 1) / 8.0) / 1e3;
        }
    }
    return 0;
}

static void latency_end(const char *what, struct latencies *latencies)
{
    uint64_t counts[LATENCY_STEPS] = {0};
    uint64_t count = 0;
    uint32_t max_ns = 0;
    uint32_t fault_max_ns = 0;

    for (uint64_t i = 0; i < latencies->count; i++) {
        const uint32_t ns = latencies->least_ns[i] & ~FAULTED;
        const uint64_t value = ns < 1 ? 1 : ns;
        const uint32_t power = 63 - (uint32_t)__builtin_clzll(value);

        if ((latencies->least_ns[i] & FAULTED) != 0) {
            fault_max_ns = ns > fault_max_ns ? ns : fault_max_ns;
            continue;
        }
        counts[power * 8 + (power >= 3 ? (uint32_t)(value >> (power - 3)) & 7 : 0)]++;
        max_ns = ns > max_ns ? ns : max_ns;
        count++;
    }
    printf("%-24s p50 %5.2f  p99 %5.2f  p99.9 %5.2f  p99.99 %6.2f  max %6.1f us of %" PRIu64
           ", the least of %d rounds\n    and %" PRIu64
           " that waited for a page of memory, max %.1f us\n",
           what, latency_us(counts, count, 0.5), latency_us(counts, count, 0.99),
           latency_us(counts, count, 0.999), latency_us(counts, count, 0.9999),
           (double)max_ns / 1e3, count, ROUNDS, latencies->count - count,
           (double)fault_max_ns / 1e3);
    arena_table_close(latencies->least_ns, latencies->count * sizeof latencies->least_ns[0]);
}

// the bare table --------------------------------------------------------------------------------

struct bare {
    uint64_t (*buckets)[8];
    uint8_t *records;
    uint64_t mask;
};

static void bare_fill(struct bare *bare, uint64_t keys)
{
    for (uint64_t number = 0; number < keys; number++) {
        uint8_t *const record = bare->records + number * BARE_RECORD_BYTES;

        make_key(number, record);
        const uint64_t hash = hash_key(1, slice_of(record, KEY_BYTES));
        uint64_t bucket = hash & bare->mask;

        for (uint32_t slot = 0;; slot = (slot + 1) % 8) {
            if (bare->buckets[bucket][slot] == 0) {
                bare->buckets[bucket][slot] = (hash >> 42) << 42 | (number + 1);
                break;
            }
            bucket = slot == 7 ? (bucket + 1) & bare->mask : bucket;
        }
    }
}

static uint64_t bare_find(const struct bare *bare, uint64_t hash, const uint8_t *key)
{
    for (uint64_t bucket = hash & bare->mask;; bucket = (bucket + 1) & bare->mask) {
        for (uint32_t slot = 0; slot < 8; slot++) {
            const uint64_t entry = bare->buckets[bucket][slot];

            if (entry == 0) {
                return 0;
            }
            if (entry >> 42 == hash >> 42) {
                const uint64_t number = (entry & ((UINT64_C(1) << 42) - 1)) - 1;

                if (memcmp(bare->records + number * BARE_RECORD_BYTES, key, KEY_BYTES) == 0) {
                    return number + 1;
                }
            }
        }
    }
}

static double bare_run(const struct bare *bare, struct bench *bench, uint32_t batch)
{
    uint64_t hashes[BATCH_MAX];
    uint64_t found = 0;
    const double begin = now();

    for (uint64_t done = 0; done < bench->operations; done += batch) {
        for (uint32_t i = 0; i < batch; i++) {
            make_key(random_below(&bench->random, bench->keys), bench->key_bytes[i]);
            hashes[i] = hash_key(1, slice_of(bench->key_bytes[i], KEY_BYTES));
            __builtin_prefetch(bare->buckets[hashes[i] & bare->mask]);
        }
        for (uint32_t i = 0; i < batch && batch > 1; i++) {
            const uint64_t *const bucket = bare->buckets[hashes[i] & bare->mask];

            for (uint32_t slot = 0; slot < 8; slot++) {
                if (bucket[slot] >> 42 == hashes[i] >> 42) {
                    __builtin_prefetch(bare->records +
                                       ((bucket[slot] & ((UINT64_C(1) << 42) - 1)) - 1) *
                                           BARE_RECORD_BYTES);
                }
            }
        }
        for (uint32_t i = 0; i < batch; i++) {
            found += bare_find(bare, hashes[i], bench->key_bytes[i]) != 0;
        }
    }
    if (found < bench->operations) {
        printf("the bare table lost keys\n");
        exit(1);
    }
    return (double)bench->operations / (now() - begin) / 1e6;
}

static void bare_bench(struct bench *bench)
{
    struct bare bare = {.mask = 1};
    double best[2] = {0, 0};

    while (bare.mask * 6 < bench->keys) {
        bare.mask *= 2;
    }
    const uint64_t bucket_bytes = bare.mask * sizeof bare.buckets[0];
    const uint64_t record_bytes = bench->keys * BARE_RECORD_BYTES;

    bare.buckets = huge_pages(bucket_bytes);
    bare.records = huge_pages(record_bytes);
    bare.mask--;
    bare_fill(&bare, bench->keys);
    for (uint32_t round = 0; round < 3; round++) {
        const double single = bare_run(&bare, bench, 1);
        const double batched = bare_run(&bare, bench, 16);

        best[0] = single > best[0] ? single : best[0];
        best[1] = batched > best[1] ? batched : best[1];
    }
    printf("bare table: GET %.2fM/s one by one, %.2fM/s in batches of 16\n", best[0], best[1]);
    arena_table_close(bare.buckets, bucket_bytes);
    arena_table_close(bare.records, record_bytes);
}

// the engine ------------------------------------------------------------------------------------

// That all of it fits: a slot a key, and the young ring's share.
static uint64_t log_cache_bytes(const struct bench *bench)
{
    const uint64_t slot_bytes =
        KEY_BYTES + METADATA_BYTES + bench->value_bytes + SLOT_OVERHEAD_BYTES;

    return bench->keys * slot_bytes * 5 / 3;
}

static void engine_begin(struct bench *bench, uint64_t memory_max_bytes,
                         enum engine_eviction eviction)
{
    const struct engine_options options = {
        .io = bench->io,
        .directory = bench->directory,
        .shards = 1,
        .durability.sync = ENGINE_SYNC_NEVER,
        .cache_bytes = log_cache_bytes(bench),
        .segment_bytes = 64 << 20,
        .hash_seed = 1,
        .random_seed = 1,
        .vnodes = bench->vnodes,
        .memory_max_bytes = memory_max_bytes,
        .eviction = eviction,
    };
    const int error = bench->directory != NULL ? log_engine_open(&options, &bench->engine)
                                               : memory_engine_open(&options, &bench->engine);

    if (error != 0) {
        printf("cannot open: %s\n", strerror(-error));
        exit(1);
    }
}

static void op_set(struct bench *bench, uint32_t i, uint64_t number)
{
    struct engine_op *const op = &bench->ops[i];

    make_key(number, bench->key_bytes[i]);
    op->key = slice_of(bench->key_bytes[i], KEY_BYTES);
    op->hash = hash_key(1, op->key);
    // As a partition is: by a hash of its own.
    op->vnode = (uint32_t)((number * UINT64_C(0xd1342543de82ef95)) >> 40) % bench->vnodes;
    op->flags = 0;
    op->expire_ms = 0;
    op->memory = 0;
    op->parts[0] = slice_of(bench->metadata, METADATA_BYTES);
    op->parts[1] = slice_of(bench->value, bench->value_bytes);
}

static void expect(const struct bench *bench, uint32_t batch, enum engine_status status)
{
    for (uint32_t i = 0; i < batch; i++) {
        if (bench->ops[i].status != status) {
            printf("an operation answered %d\n", (int)bench->ops[i].status);
            exit(1);
        }
    }
}

// The background work of a turn.
static void turn_end(struct bench *bench)
{
    if (bench->directory != NULL) {
        engine_commit(bench->engine);
        io_turn(bench->io, 0);
    }
    (void)engine_step(bench->engine, LIMIT_BACKGROUND_BYTES);
}

// Puts a batch; where the log waits for a segment it waits too.
static void put(struct bench *bench, uint32_t batch)
{
    engine_put(bench->engine, bench->pointers, batch);
    for (uint32_t i = 0; i < batch && bench->directory != NULL; i++) {
        while (bench->ops[i].status == ENGINE_FULL) {
            turn_end(bench);
            io_turn(bench->io, 1000000);
            engine_put(bench->engine, &bench->pointers[i], 1);
        }
    }
    expect(bench, batch, ENGINE_OK);
}

enum kind { GET_HIT, GET_MISS, PUT_SAME, MIXED };

static double run(struct bench *bench, enum kind kind, uint32_t batch)
{
    const double begin = now();

    for (uint64_t done = 0; done < bench->operations; done += batch) {
        const uint64_t offset = kind == GET_MISS ? bench->keys : 0;

        for (uint32_t i = 0; i < batch; i++) {
            op_set(bench, i, offset + random_below(&bench->random, bench->keys));
        }
        if (kind == PUT_SAME || (kind == MIXED && (done / batch) % 2 == 0)) {
            put(bench, batch);
            if (bench->directory != NULL && (done + batch) % TURN_OPERATIONS == 0) {
                turn_end(bench);
            }
            continue;
        }
        engine_get(bench->engine, bench->pointers, batch);
        expect(bench, batch, kind == GET_MISS ? ENGINE_MISS : ENGINE_OK);
        for (uint32_t i = 0; i < batch && kind != GET_MISS; i++) {
            memcpy(bench->reply, bench->ops[i].object.bytes + METADATA_BYTES, bench->value_bytes);
            __asm__ volatile("" : : "r"(bench->reply) : "memory");
        }
    }
    return (double)bench->operations / (now() - begin) / 1e6;
}

static double best_of(struct bench *bench, enum kind kind, uint32_t batch)
{
    double best = 0;

    for (uint32_t round = 0; round < 3; round++) {
        const double rate = run(bench, kind, batch);

        best = rate > best ? rate : best;
    }
    return best;
}

// Seconds of it outside the kernel, which clears the pages that are touched for the first time.
static double now_user(void)
{
    struct rusage usage;

    getrusage(RUSAGE_THREAD, &usage);
    return (double)usage.ru_utime.tv_sec + (double)usage.ru_utime.tv_usec / 1e6;
}

static double fill(struct bench *bench, uint32_t batch, double *ret_user)
{
    const double begin = now();
    const double begin_user = now_user();

    for (uint64_t number = 0; number < bench->keys; number += batch) {
        for (uint32_t i = 0; i < batch; i++) {
            op_set(bench, i, number + i);
        }
        put(bench, batch);
        if ((number + batch) % TURN_OPERATIONS == 0) {
            turn_end(bench);
        }
    }
    *ret_user = (double)bench->keys / (now_user() - begin_user) / 1e6;
    return (double)bench->keys / (now() - begin) / 1e6;
}

static void print_bytes(const struct bench *bench, uint64_t keys, uint64_t resident_before)
{
    struct engine_stats stats;

    engine_stats(bench->engine, &stats);
    printf("%10" PRIu64 " keys: index %6.2f  records %7.2f  together %7.2f  resident %7.2f bytes a "
           "key, %5.2f%% overflow lines\n",
           keys, (double)stats.index_bytes / (double)keys, (double)stats.data_bytes / (double)keys,
           (double)(stats.index_bytes + stats.data_bytes) / (double)keys,
           (double)(resident_bytes() - resident_before) / (double)keys,
           100.0 * 64.0 * (double)stats.index_overflow_lines / (double)stats.index_bytes);
}

struct timed {
    struct latencies puts;
    struct latencies slices;
    uint32_t batch;
};

static void timed_begin(const struct bench *bench, uint32_t batch, struct timed *ret_timed)
{
    ret_timed->batch = batch;
    latency_begin(bench->keys / batch, &ret_timed->puts);
    latency_begin(bench->keys / TURN_OPERATIONS, &ret_timed->slices);
}

static void timed_end(const char *what, struct timed *timed)
{
    char text[64];

    (void)snprintf(text, sizeof text, "%.32s, %u", what, timed->batch);
    latency_end(text, &timed->puts);
    latency_end("    slices", &timed->slices);
}

// Puts a batch of new keys, timing it, and the background work when a turn is over.
static void timed_put(struct bench *bench, struct timed *timed, uint64_t number, bool expires)
{
    for (uint32_t i = 0; i < timed->batch; i++) {
        op_set(bench, i, number + i);
        if (expires) {
            bench->ops[i].expire_ms = bench->io->wall_ms + 1000000 + number + i;
        }
    }
    const uint64_t begin = now_ns();

    engine_put(bench->engine, bench->pointers, timed->batch);
    latency_add(&timed->puts, number / timed->batch, now_ns() - begin);
    expect(bench, timed->batch, ENGINE_OK);
    if ((number + timed->batch) % TURN_OPERATIONS == 0) {
        const uint64_t turn = now_ns();

        turn_end(bench);
        latency_add(&timed->slices, number / TURN_OPERATIONS, now_ns() - turn);
    }
}

static void growth_round(struct bench *bench, struct timed *timed, bool show)
{
    const uint64_t before = resident_bytes();
    double index_sum = 0;
    double index_max = 0;
    uint32_t points = 0;

    engine_begin(bench, 0, EVICTION_REFUSE);
    for (uint64_t number = 0; number < bench->keys; number += timed->batch) {
        const uint64_t keys = number + timed->batch;

        timed_put(bench, timed, number, false);
        if (show && keys * 2 > bench->keys && keys % 4096 == 0) { // the last doubling
            struct engine_stats stats;

            engine_stats(bench->engine, &stats);
            const double index = (double)stats.index_bytes / (double)keys;

            index_sum += index;
            index_max = index > index_max ? index : index_max;
            points++;
        }
        if (show && keys % (bench->keys / 8) < timed->batch) {
            print_bytes(bench, keys, before);
        }
    }
    if (show) {
        printf("index over the last doubling: %.2f bytes a key, at most %.2f\n", index_sum / points,
               index_max);
    }
    engine_close(bench->engine);
}

// Grows from nothing; prints bytes a key on the way.
static void growth(struct bench *bench)
{
    for (uint32_t batch = 1; batch <= BATCH; batch += BATCH - 1) {
        struct timed timed;

        timed_begin(bench, batch, &timed);
        for (uint32_t round = 1; round <= ROUNDS; round++) {
            growth_round(bench, &timed, batch == 1 && round == ROUNDS);
        }
        timed_end("PUT while growing", &timed);
    }
}

static void eviction_round(struct bench *bench, enum engine_eviction policy, uint64_t max_bytes,
                           struct timed *timed, struct engine_stats *ret_stats)
{
    engine_begin(bench, max_bytes, policy);
    for (uint64_t number = 0; number < bench->keys; number += timed->batch) {
        timed_put(bench, timed, number, policy == EVICTION_TTL);
    }
    engine_stats(bench->engine, ret_stats);
    engine_close(bench->engine);
}

// 10 million keys into 1 GiB, which holds two thirds of them.
static void eviction(struct bench *bench, const char *what, enum engine_eviction policy)
{
    const uint64_t max_bytes = bench->keys * (UINT64_C(1) << 30) / 10000000;

    for (uint32_t batch = 1; batch <= BATCH; batch += BATCH - 1) {
        struct timed timed;
        struct engine_stats stats;
        const double begin = now();

        timed_begin(bench, batch, &timed);
        for (uint32_t round = 0; round < ROUNDS; round++) {
            eviction_round(bench, policy, max_bytes, &timed, &stats);
        }
        const double seconds = (now() - begin) / ROUNDS;

        timed_end(what, &timed);
        printf("    %.2fM/s timed, evicted %.1f%%, moved %.2f bytes a byte put, %.1f%% of the "
               "limit is reachable records, %.1f%% index\n",
               (double)bench->keys / seconds / 1e6,
               100.0 * (double)stats.evicted / (double)bench->keys,
               (double)stats.compacted_bytes / (double)(bench->keys * 132),
               100.0 * (double)stats.live_bytes / (double)max_bytes,
               100.0 * (double)stats.index_bytes / (double)max_bytes);
    }
}

static void throughput(struct bench *bench)
{
    printf("%-8s %10s %10s %10s %10s %10s %10s   M/s\n", "batch", "PUT new", "(user)", "GET hit",
           "GET miss", "PUT same", "50/50");
    for (size_t i = 0; i < BATCHES_MAX && bench->batches[i] != 0; i++) {
        const uint32_t batch = bench->batches[i];

        engine_begin(bench, 0, EVICTION_REFUSE);
        double put_user = 0;
        const double put_new = fill(bench, batch, &put_user);
        const double get_hit = best_of(bench, GET_HIT, batch);
        const double get_miss = best_of(bench, GET_MISS, batch);
        const double put_same = best_of(bench, PUT_SAME, batch);
        const double mixed = best_of(bench, MIXED, batch);

        printf("%-8u %10.2f %10.2f %10.2f %10.2f %10.2f %10.2f\n", batch, put_new, put_user,
               get_hit, get_miss, put_same, mixed);
        fflush(stdout);
        engine_close(bench->engine);
        if (bench->directory != NULL) {
            scratch_remove(bench->directory);
        }
    }
}

// The first touch of memory that a virtual machine's host has not backed yet costs milliseconds,
// and is none of the engine's doing.
static void touch_host(uint64_t bytes)
{
    uint8_t *const at = huge_pages(bytes);

    for (uint64_t offset = 0; offset < bytes; offset += 4096) {
        at[offset] = 1;
    }
    arena_table_close(at, bytes);
}

// In a new directory, which the engine of each batch size makes anew.
static void throughput_of_log(struct bench *bench, const char *under)
{
    const struct io_uring_options options = {
        .queue_entries = 256, .buffer_count = 16, .buffer_bytes = 4096};
    char directory[1024];
    char log[1100];
    char error[IO_ERROR_TEXT_MAX];

    (void)snprintf(directory, sizeof directory, "%s/engine-bench-XXXXXX", under);
    if (mkdtemp(directory) == NULL || io_uring_open(&options, &bench->io, error) != 0) {
        perror(directory);
        exit(1);
    }
    (void)snprintf(log, sizeof log, "%s/log", directory);
    bench->directory = log;
    throughput(bench);
    bench->directory = NULL;
    scratch_remove(directory);
    io_destroy(bench->io);
    bench->io = &bench->io_clock;
}

static bool run_part(struct bench *bench, const char *part, const char *under)
{
    if (strcmp(part, "log") == 0) {
        throughput_of_log(bench, under);
    } else if (strcmp(part, "throughput") == 0) {
        bare_bench(bench);
        throughput(bench);
    } else if (strcmp(part, "growth") == 0) {
        growth(bench);
    } else if (strcmp(part, "eviction") == 0) {
        (void)run_part(bench, "lru", under);
        (void)run_part(bench, "random", under);
        (void)run_part(bench, "ttl", under);
    } else if (strcmp(part, "lru") == 0) {
        eviction(bench, "PUT, eviction lru", EVICTION_LRU);
    } else if (strcmp(part, "random") == 0) {
        eviction(bench, "PUT, eviction random", EVICTION_RANDOM);
    } else if (strcmp(part, "ttl") == 0) {
        eviction(bench, "PUT, eviction ttl", EVICTION_TTL);
    } else {
        return false;
    }
    return true;
}

static void usage(void)
{
    printf("usage: perf_engine_bench [--keys N] [--value-size N] [--vnodes N] [--operations N]\n"
           "                         [--batches N,N...] [--dir DIRECTORY]\n"
           "                         [throughput|growth|eviction|lru|random|ttl|log ...]\n");
    exit(2);
}

static uint64_t number_of(const char *text, uint64_t most)
{
    char *end = NULL;
    const uint64_t number = strtoull(text, &end, 10);

    if (end == text || *end != 0 || number == 0 || number > most) {
        usage();
    }
    return number;
}

// Sizes of batches: powers of two, so that each divides the number of keys.
static void batches_set(struct bench *bench, char *text)
{
    size_t count = 0;
    char *rest = NULL;

    memset(bench->batches, 0, sizeof bench->batches);
    for (const char *word = strtok_r(text, ",", &rest); word != NULL;
         word = strtok_r(NULL, ",", &rest)) {
        const uint32_t batch = (uint32_t)number_of(word, BATCH_MAX);

        if (count == BATCHES_MAX || (batch & (batch - 1)) != 0) {
            usage();
        }
        bench->batches[count++] = batch;
    }
}

// Takes `--name value` pairs; returns how many words they were.
static int options_read(struct bench *bench, int count, char **arguments, const char **ret_under)
{
    static const char *const names[] = {"--keys", "--operations", "--value-size", "--vnodes"};
    uint64_t numbers[] = {1000000, 2000000, 100, 128};
    int at = 1;

    for (; at + 1 < count && strncmp(arguments[at], "--", 2) == 0; at += 2) {
        const char *const name = arguments[at];
        size_t i = 0;

        while (i < sizeof names / sizeof names[0] && strcmp(name, names[i]) != 0) {
            i++;
        }
        if (i < sizeof names / sizeof names[0]) {
            numbers[i] = number_of(arguments[at + 1], UINT64_C(1) << 36);
        } else if (strcmp(name, "--batches") == 0) {
            batches_set(bench, arguments[at + 1]);
        } else if (strcmp(name, "--dir") == 0) {
            *ret_under = arguments[at + 1];
        } else {
            usage();
        }
    }
    bench->keys = numbers[0] - numbers[0] % (BATCH_MAX * 16);
    bench->operations = numbers[1];
    bench->value_bytes = (uint32_t)numbers[2];
    bench->vnodes = (uint32_t)numbers[3];
    if (bench->keys == 0 || bench->value_bytes > VALUE_BYTES_MAX) {
        usage();
    }
    return at;
}

int main(int count, char **arguments)
{
    static const char *const parts[] = {"throughput", "growth", "eviction"};
    static struct bench bench = {.io_clock = {.wall_ms = 1700000000000}, .batches = {1, 4, 16, 64}};
    const char *under = ".";
    const int first = options_read(&bench, count, arguments, &under);

    bench.io = &bench.io_clock;
    random_seed(&bench.random, 1);
    for (uint32_t i = 0; i < BATCH_MAX; i++) {
        bench.pointers[i] = &bench.ops[i];
    }
    printf("%" PRIu64 " keys, %u vnodes, %" PRIu64 " operations\n", bench.keys, bench.vnodes,
           bench.operations);
    touch_host(bench.keys * (bench.value_bytes + 80) + (64 << 20));
    for (int i = first; i < count; i++) {
        if (!run_part(&bench, arguments[i], under)) {
            printf("no part '%s'\n", arguments[i]);
            return 2;
        }
    }
    for (size_t i = 0; first == count && i < sizeof parts / sizeof parts[0]; i++) {
        (void)run_part(&bench, parts[i], under);
    }
    return 0;
}
