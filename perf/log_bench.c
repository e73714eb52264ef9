// The log engine alone: how it starts, how much it writes, how it gives room back.
//
//     perf_log_bench restart DIRECTORY [keys] [value bytes] [vnodes]
//     perf_log_bench empty DIRECTORY [keys] [value bytes] [vnodes]
//     perf_log_bench amplification DIRECTORY [keys] [value bytes] [vnodes] [uniform|zipfian|new]
//     [MiB]
//
// restart: puts so many keys, closes, and opens again; then lets a process put as many, and another
// one put over random keys too until its checkpoint is nearly written, which is when replay is
// longest, ends each with SIGKILL, and opens what it left. empty: removes all keys, and looks at
// the disk and the index then. amplification: all bytes that were written, by what was put, with
// half of the disk's bound live and keys put over evenly or by Zipf's law, or with new keys alone;
// in segments of so many MiB (64).
//
// Keys have 16 bytes and objects 10 of metadata beside the value, and `sync` is `never`. Each makes
// the directory DIRECTORY/log-bench and removes it.
#include "perf/log_load.h"
#include "perf/scratch.h"

#include <errno.h>
#include <ftw.h>
#include <inttypes.h>
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum {
    CACHE_BYTES = 64 << 20,
    LOOKED_AT = 10000,
    SETTLED_TURNS = 2000, // without any work: nothing more comes
    SETTLED_NS = 1000000,
};

static double seconds_of(clockid_t clock)
{
    struct timespec at;

    clock_gettime(clock, &at);
    return (double)at.tv_sec + (double)at.tv_nsec / 1e9;
}

static uint64_t resident_bytes(void)
{
    FILE *const file = fopen("/proc/self/statm", "r");
    unsigned long long pages = 0;

    if (file != NULL) {
        (void)!fscanf(file, "%*s %llu", &pages); // NOLINT: /proc is as it says
        (void)fclose(file);
    }
    return pages * 4096;
}

// Bytes that the process had sent to the disk.
static uint64_t disk_written_bytes(void)
{
    FILE *const file = fopen("/proc/self/io", "r");
    char line[128];
    uint64_t bytes = 0;

    while (file != NULL && fgets(line, sizeof line, file) != NULL) {
        if (strncmp(line, "write_bytes: ", 13) == 0) {
            bytes = strtoull(line + 13, NULL, 10);
        }
    }
    if (file != NULL) {
        (void)fclose(file);
    }
    return bytes;
}

// the engine --------------------------------------------------------------------------------------

// Until it has no work left.
static void settle(struct bench *bench)
{
    uint32_t idle = 0;

    while (idle < SETTLED_TURNS) {
        struct engine_stats stats;

        engine_sync_all(bench->engine);
        engine_commit(bench->engine);
        io_turn(bench->io, idle < SETTLED_TURNS / 2 ? 0 : SETTLED_NS);
        idle = engine_step(bench->engine, LIMIT_BACKGROUND_BYTES) ? 0 : idle + 1;
        engine_stats(bench->engine, &stats);
        idle = stats.checkpoints_running != 0 || stats.step_later != 0 ? 0 : idle;
    }
}

static void look_at_some(struct bench *bench)
{
    for (uint32_t done = 0; done < LOOKED_AT; done++) {
        op_set(bench, 0, random_below(&bench->random, bench->keys));
        batch(bench, engine_get, 1);
        if (bench->ops[0].object.size != METADATA_BYTES + bench->value_bytes) {
            printf("a key has another value\n");
            exit(1);
        }
    }
}

// restart -----------------------------------------------------------------------------------------

static void open_again(struct bench *bench, const char *after)
{
    const double wall = seconds_of(CLOCK_MONOTONIC);
    const double core = seconds_of(CLOCK_THREAD_CPUTIME_ID);
    const uint64_t resident = resident_bytes();
    struct engine_stats stats;

    engine_begin(bench);
    const double took = seconds_of(CLOCK_MONOTONIC) - wall;
    const double took_core = seconds_of(CLOCK_THREAD_CPUTIME_ID) - core;

    engine_stats(bench->engine, &stats);
    const double records = (double)(stats.loaded_records + stats.replayed_records);

    printf("after %s: %.3f s, %.3f s of the core: %.2fM records/s, %.2fM/s of the core\n", after,
           took, took_core, records / took / 1e6, records / took_core / 1e6);
    printf("    checkpoint %" PRIu64 " records in %.3f s; replayed %" PRIu64 " records, %" PRIu64
           " frames, %" PRIu64 " bytes in %.3f s, %" PRIu64 " of the records by footers\n",
           stats.loaded_records, (double)stats.load_ns / 1e9, stats.replayed_records,
           stats.replayed_frames, stats.replayed_bytes, (double)stats.replay_ns / 1e9,
           stats.footer_records);
    printf("    %" PRIu64 " records, index %.2f bytes a key, resident %.2f more, overflow lines "
           "%.2f%%\n",
           stats.records, (double)stats.index_bytes / (double)stats.records,
           (double)(resident_bytes() - resident) / (double)stats.records,
           6400.0 * (double)stats.index_overflow_lines / (double)stats.index_bytes);
    look_at_some(bench);
}

// All keys are put anew, in a cache that holds them, and over until a checkpoint is nearly written;
// ends with SIGKILL.
static void child_run(struct bench *bench, bool over)
{
    struct engine_stats stats;
    uint64_t begin_bytes = 0;
    bool running = false;

    bench->cache_bytes = bench->keys * (bench_record_bytes(bench) + CACHE_BYTES_A_RECORD);
    io_begin(bench);
    engine_begin(bench);
    fill(bench, 0, bench->keys);
    do {
        engine_sync_all(bench->engine);
        turn_end(bench);
        engine_stats(bench->engine, &stats);
    } while (stats.unsynced_bytes != 0);
    if (!over) {
        (void)raise(SIGKILL);
    }
    for (;;) {
        put_over(bench, TURN_OPERATIONS);
        engine_stats(bench->engine, &stats);
        if (stats.checkpoints_running != 0 && !running) {
            running = true;
            begin_bytes = stats.checkpoint_bytes;
        }
        if (running && (stats.checkpoint_bytes - begin_bytes > 8 * bench->keys / 100 * 95 ||
                        stats.checkpoints_running == 0)) {
            (void)raise(SIGKILL);
        }
    }
}

static void open_killed(struct bench *bench, bool over, const char *after)
{
    int status = 0;

    scratch_remove(bench->directory);
    (void)fflush(stdout);
    const pid_t child = fork();

    if (child == 0) {
        child_run(bench, over);
    }
    if (child < 0 || waitpid(child, &status, 0) != child || !WIFSIGNALED(status)) {
        fail("the child", errno);
    }
    io_begin(bench);
    open_again(bench, after);
    engine_close(bench->engine);
    io_destroy(bench->io);
}

static void restart(struct bench *bench)
{
    const double wall = seconds_of(CLOCK_MONOTONIC);

    io_begin(bench);
    engine_begin(bench);
    fill(bench, 0, bench->keys);
    const double filled = seconds_of(CLOCK_MONOTONIC);

    engine_close(bench->engine);
    printf("put in %.1f s (%.2fM/s), closed in %.2f s\n", filled - wall,
           (double)bench->keys / (filled - wall) / 1e6, seconds_of(CLOCK_MONOTONIC) - filled);
    (void)fflush(stdout);
    open_again(bench, "a close");
    engine_close(bench->engine);
    io_destroy(bench->io);
    open_killed(bench, false, "SIGKILL, new keys");
    open_killed(bench, true, "SIGKILL, put over");
}

// empty -------------------------------------------------------------------------------------------

static uint64_t tree_bytes;

static int add_one(const char *path, const struct stat *stat, int type, struct FTW *at)
{
    (void)path;
    (void)type;
    (void)at;
    tree_bytes += (uint64_t)stat->st_blocks * 512;
    return 0;
}

static void show(const struct bench *bench, const char *when)
{
    enum { DESCRIPTORS = 16 };
    struct engine_stats stats;

    engine_stats(bench->engine, &stats);
    tree_bytes = 0;
    (void)nftw(bench->directory, add_one, DESCRIPTORS, FTW_PHYS);
    printf("%s: %" PRIu64 " records, %.1f MiB live, %.1f MiB of files, index %.1f MiB, resident "
           "%.1f MiB\n",
           when, stats.records, (double)stats.disk_live_bytes / 1048576.0,
           (double)tree_bytes / 1048576.0, (double)stats.index_bytes / 1048576.0,
           (double)resident_bytes() / 1048576.0);
    (void)fflush(stdout);
}

static void empty(struct bench *bench)
{
    io_begin(bench);
    engine_begin(bench);
    fill(bench, 0, bench->keys);
    settle(bench);
    show(bench, "full");
    for (uint64_t number = 0; number < bench->keys; number += BATCH) {
        for (uint32_t i = 0; i < BATCH; i++) {
            op_set(bench, i, number + i);
        }
        batch(bench, engine_remove, BATCH);
        turn_end(bench);
    }
    show(bench, "all removed");
    settle(bench);
    show(bench, "and settled");
    engine_close(bench->engine);
    engine_begin(bench);
    settle(bench);
    show(bench, "opened again");
    engine_close(bench->engine);
    io_destroy(bench->io);
}

// amplification -----------------------------------------------------------------------------------

// What was written since the last call, by what was put.
static void amplified(const struct bench *bench, const char *what, struct engine_stats *before,
                      uint64_t *disk_before)
{
    struct engine_stats now;
    const uint64_t disk = disk_written_bytes();

    engine_stats(bench->engine, &now);
    const double put = (double)(now.record_bytes - before->record_bytes);
    const double frames = (double)(now.written_bytes - before->written_bytes);
    const double checkpoints = (double)(now.checkpoint_bytes - before->checkpoint_bytes);
    const double footers = (double)(now.footer_bytes - before->footer_bytes);
    const double zeroed = (double)(now.zeroed_bytes - before->zeroed_bytes);
    const double all = (double)(disk - *disk_before);

    printf(
        "%-9s put %8.1f MiB, written %.3f of it: frames %.3f (moved %.3f), footers %.3f, "
        "checkpoints %.3f; zeroing apart %.3f; the kernel counts %.3f; %.1f%% of %.0f MiB live\n",
        what, put / 1048576.0, (all - zeroed) / put, frames / put,
        (double)(now.compacted_bytes - before->compacted_bytes) / put, footers / put,
        checkpoints / put, zeroed / put, all / put,
        100.0 * (double)now.disk_live_bytes / (double)now.disk_bytes,
        (double)now.disk_bytes / 1048576.0);
    (void)fflush(stdout);
    *before = now;
    *disk_before = disk;
}

static void amplification(struct bench *bench, const char *how)
{
    const uint64_t record = bench_record_bytes(bench);
    const bool grows = strcmp(how, "new") == 0;
    struct engine_stats before = {0};
    uint64_t disk = disk_written_bytes();

    bench->cache_bytes = bench->keys * (record + CACHE_BYTES_A_RECORD);
    if (!grows) {
        bench->disk_max_bytes = 2 * bench->keys * record;
    }
    for (uint64_t i = 1; strcmp(how, "zipfian") == 0 && i <= bench->keys; i++) {
        bench->zipf_zeta += 1 / pow((double)i, zipf_theta);
    }
    io_begin(bench);
    engine_begin(bench);
    fill(bench, 0, grows ? bench->keys / 4 : bench->keys);
    amplified(bench, "filled", &before, &disk);
    if (grows) {
        fill(bench, bench->keys / 4, bench->keys);
        amplified(bench, "new keys", &before, &disk);
    }
    for (uint32_t round = 0; !grows && round < 8; round++) {
        put_over(bench, bench->keys / 2);
        amplified(bench, how, &before, &disk);
    }
    engine_close(bench->engine);
    io_destroy(bench->io);
}

int main(int count, char **arguments)
{
    static struct bench bench;
    const char *const part = count > 2 ? arguments[1] : "";

    bench.keys = count > 3 ? strtoull(arguments[3], NULL, 10) : 1000000;
    bench.value_bytes = count > 4 ? (uint32_t)strtoul(arguments[4], NULL, 10) : 100;
    bench.vnodes = count > 5 ? (uint32_t)strtoul(arguments[5], NULL, 10) : 128;
    bench.keys -= bench.keys % (4 * TURN_OPERATIONS);
    if (bench.keys == 0 || bench.vnodes == 0 || bench.value_bytes > VALUE_BYTES_MAX ||
        (strcmp(part, "restart") != 0 && strcmp(part, "empty") != 0 &&
         strcmp(part, "amplification") != 0)) {
        printf("usage: perf_log_bench restart|empty|amplification DIRECTORY [keys] [value bytes] "
               "[vnodes] [uniform|zipfian|new] [MiB of a segment]\n");
        return 2;
    }
    (void)snprintf(bench.directory, sizeof bench.directory, "%s/log-bench", arguments[2]);
    bench.cache_bytes = CACHE_BYTES;
    bench_begin(&bench);
    if (count > 7) {
        bench.segment_bytes = (uint32_t)strtoul(arguments[7], NULL, 10) << 20;
    }
    scratch_remove(bench.directory);
    printf("%" PRIu64 " keys, values of %u bytes, %u vnodes\n", bench.keys, bench.value_bytes,
           bench.vnodes);
    if (strcmp(part, "restart") == 0) {
        restart(&bench);
    } else if (strcmp(part, "empty") == 0) {
        empty(&bench);
    } else {
        amplification(&bench, count > 6 ? arguments[6] : "uniform");
    }
    scratch_remove(bench.directory);
    return 0;
}
