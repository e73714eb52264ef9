// How long durable puts, and gets from RAM, take beside compaction: the log engine alone.
//
//     perf_pause_bench DIRECTORY KEYS VALUE_BYTES RATE ROUNDS SECONDS LIVE_PERCENT SEGMENT_MIB
//
// The engine's segments are bounded so that LIVE_PERCENT of them are live, and keys are put over
// evenly until it has long been full. Then, with `sync: always`, RATE batches of 16 puts and as
// many gets come a second at a steady pace, whatever became of those before: a time is from when
// one was due until it is durable, or answered, so a pause is in the times of all that were due in
// it. Each of the ROUNDS does it three times, SECONDS each:
//
//     floor    no engine: one block is written for each group of what is due, durably and in
//              place, one at a time, to a file that is there. What the disk itself does
//     without  compaction rests, and what is put goes to room that it had made before
//     with     compaction makes room for this phase and for that one
//
// One after the other, on one engine and the same files: the difference between the last two is
// compaction. Before each the disk is waited for, and disk_p50 is a bare write then. The first part
// of each phase is not counted. Lines of figures are names and values, and perf/pauses reads them:
// times in us, amounts by bytes put. Keys are as in log_load.h.
#include "core/histogram.h"
#include "core/memory.h"
#include "engines/log.h"
#include "perf/log_load.h"
#include "perf/scratch.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <unistd.h>

enum {
    UNDER_WAY = 1 << 14,
    SUB_BITS = 8,
    VALUE_BITS = 40,
    BUCKETS = (VALUE_BITS - SUB_BITS + 1) << SUB_BITS,
    FLOOR_BYTES = 64 << 20,
    FLOOR_FRAME_BYTES = LOG_BLOCK_BYTES,
    NS_A_SECOND = 1000000000,
    CALM_WRITES = 100,
    CALM_WRITE_NS = 1000000, // far above what a durable write takes
    CALM_PAUSE_NS = 100000000,
    SKIPPED_NS = 300000000, // of each phase: what was under way ends
    CONTENT_TURNS = 300,    // of nothing to do, and nothing under way
    CONTENT_TURN_NS = 1000000,
    WARM_UP_PARTS = 4, // of as many puts as there are keys
};

enum phase { PHASE_FLOOR, PHASE_WITHOUT, PHASE_WITH, PHASES };

#define CALM_NS_MAX UINT64_C(5000000000)

static const char *const phase_names[PHASES] = {"floor", "without", "with"};

struct times {
    struct histogram histogram;
    uint64_t buckets[BUCKETS];
};

struct waiting {
    uint64_t commit;
    uint64_t due_ns;
};

struct floor_file {
    struct io_op op; // first
    int fd;
    uint64_t offset;
    uint64_t carries; // batches up to it, in the block that is under way; 0: none is
    uint8_t *bytes;
};

struct pauses {
    struct bench bench;
    uint64_t rate;
    uint64_t phase_ns;
    struct waiting waiting[UNDER_WAY]; // puts: a ring, in the order of their commits
    uint64_t first;
    uint64_t next;
    uint64_t counted_from_ns;
    struct floor_file file;
    struct times puts;
    struct times gets;
};

static void times_begin(struct times *times)
{
    histogram_init(&times->histogram, SUB_BITS, VALUE_BITS, times->buckets);
}

static void times_tell(const char *what, const struct times *times)
{
    const struct histogram *const found = &times->histogram;

    printf(" %s %" PRIu64 " %s_p50 %.1f %s_p99 %.1f %s_p99_9 %.1f %s_max %.1f", what, found->count,
           what, (double)histogram_percentile(found, 50) / 1000, what,
           (double)histogram_percentile(found, 99) / 1000, what,
           (double)histogram_percentile(found, 99.9) / 1000, what, (double)found->max / 1000);
}

static void note(struct pauses *pauses, struct times *times, uint64_t due_ns, uint64_t now_ns)
{
    if (due_ns >= pauses->counted_from_ns) {
        histogram_record(&times->histogram, now_ns - due_ns);
    }
}

// What was put up to a number, as `commit` says, is durable.
static void settle_puts(struct pauses *pauses, uint64_t committed)
{
    const uint64_t now_ns = io_clock_ns(pauses->bench.io);

    while (pauses->first != pauses->next) {
        const struct waiting *const waiting = &pauses->waiting[pauses->first % UNDER_WAY];

        if (waiting->commit > committed) {
            return;
        }
        note(pauses, &pauses->puts, waiting->due_ns, now_ns);
        pauses->first++;
    }
}

// The floor --------------------------------------------------------------------------------------

static void floor_done(struct io_op *op, int32_t result)
{
    struct floor_file *const file = (struct floor_file *)(void *)op;

    if (result != FLOOR_FRAME_BYTES) {
        fail("a write", result < 0 ? -result : EIO);
    }
    file->offset = (file->offset + FLOOR_FRAME_BYTES) % FLOOR_BYTES;
    file->op.done = NULL;
}

static void floor_open(struct floor_file *file, const char *path)
{
    file->bytes = memory_allocate_aligned(FLOOR_FRAME_BYTES, LOG_BLOCK_BYTES);
    file->fd = open(path, O_RDWR | O_CREAT | O_DIRECT | O_CLOEXEC, 0600);
    if (file->bytes == NULL || file->fd < 0) {
        fail(path, errno);
    }
    memset(file->bytes, 1, FLOOR_FRAME_BYTES);
    for (uint64_t at = 0; at < FLOOR_BYTES; at += FLOOR_FRAME_BYTES) {
        if (pwrite(file->fd, file->bytes, FLOOR_FRAME_BYTES, (off_t)at) != FLOOR_FRAME_BYTES) {
            fail(path, errno);
        }
    }
    if (fsync(file->fd) != 0) {
        fail(path, errno);
    }
}

static void floor_turn(struct pauses *pauses)
{
    struct floor_file *const file = &pauses->file;

    if (file->op.done == NULL && pauses->next != pauses->first) {
        file->op.done = floor_done;
        file->carries = pauses->next;
        io_write(pauses->bench.io, &file->op, file->fd, file->bytes, FLOOR_FRAME_BYTES,
                 file->offset, IO_WRITE_DURABLE);
    }
    io_turn(pauses->bench.io, 0);
    if (file->op.done == NULL) {
        settle_puts(pauses, file->carries);
    }
}

// The median of some bare writes, one after another, ns.
static uint64_t floor_median(struct pauses *pauses)
{
    static struct times times;
    struct floor_file *const file = &pauses->file;

    times_begin(&times);
    for (uint32_t i = 0; i < CALM_WRITES; i++) {
        const uint64_t begin_ns = io_clock_ns(pauses->bench.io);

        file->op.done = floor_done;
        io_write(pauses->bench.io, &file->op, file->fd, file->bytes, FLOOR_FRAME_BYTES,
                 file->offset, IO_WRITE_DURABLE);
        while (file->op.done != NULL) {
            io_turn(pauses->bench.io, 0);
        }
        histogram_record(&times.histogram, io_clock_ns(pauses->bench.io) - begin_ns);
    }
    return histogram_percentile(&times.histogram, 50);
}

// A disk that holds each durable write for milliseconds, also bare ones, is waited for, for a
// while: what it does then is not compaction's. Returns how long a bare write takes now.
static uint64_t calm(struct pauses *pauses)
{
    const uint64_t until_ns = io_clock_ns(pauses->bench.io) + CALM_NS_MAX;

    for (;;) {
        const uint64_t median_ns = floor_median(pauses);

        if (median_ns <= CALM_WRITE_NS || io_clock_ns(pauses->bench.io) > until_ns) {
            return median_ns;
        }
        io_turn(pauses->bench.io, CALM_PAUSE_NS);
    }
}

// The engine -------------------------------------------------------------------------------------

static void engine_turn(struct pauses *pauses, bool rests)
{
    struct bench *const bench = &pauses->bench;
    int error;

    if (rests) { // between two slices, as compaction itself does
        log_engine_of(bench->engine)->pace.rest_until_ns = UINT64_MAX;
    }
    turn_end(bench);
    const uint64_t committed = engine_committed(bench->engine, &error);

    if (error != 0) {
        fail("a commit", -error);
    }
    settle_puts(pauses, committed);
}

static void engine_one(struct pauses *pauses, bool put, uint64_t due_ns)
{
    struct bench *const bench = &pauses->bench;

    for (uint32_t i = 0; i < BATCH; i++) {
        op_set(bench, i, pick(bench));
    }
    batch(bench, put ? engine_put : engine_get, BATCH);
    if (!put) {
        note(pauses, &pauses->gets, due_ns, io_clock_ns(bench->io));
        return;
    }
    pauses->waiting[pauses->next++ % UNDER_WAY] =
        (struct waiting){.commit = bench->ops[BATCH - 1].commit, .due_ns = due_ns};
}

// Phases -----------------------------------------------------------------------------------------

static void one(struct pauses *pauses, enum phase phase, bool put, uint64_t due_ns)
{
    if (phase != PHASE_FLOOR) {
        engine_one(pauses, put, due_ns);
    } else if (put) {
        pauses->next++;
        pauses->waiting[(pauses->next - 1) % UNDER_WAY] =
            (struct waiting){.commit = pauses->next, .due_ns = due_ns};
    }
}

static void load(struct pauses *pauses, enum phase phase)
{
    const uint64_t begin_ns = io_clock_ns(pauses->bench.io);
    const uint64_t gap_ns = NS_A_SECOND / pauses->rate / 2; // puts and gets in turns
    const uint64_t count = (pauses->phase_ns + SKIPPED_NS) / gap_ns;
    uint64_t done = 0;

    pauses->counted_from_ns = begin_ns + SKIPPED_NS;
    pauses->first = pauses->next = 0;
    while (done < count || pauses->first != pauses->next) {
        const uint64_t now_ns = io_clock_ns(pauses->bench.io);

        for (uint32_t i = 0; i < TURN_OPERATIONS && done < count; i++, done++) {
            const uint64_t due_ns = begin_ns + done * gap_ns;

            if (due_ns > now_ns || pauses->next - pauses->first == UNDER_WAY) {
                break;
            }
            one(pauses, phase, done % 2 == 0, due_ns);
        }
        if (phase == PHASE_FLOOR) {
            floor_turn(pauses);
        } else {
            engine_turn(pauses, phase == PHASE_WITHOUT);
        }
    }
}

static void run(struct pauses *pauses, enum phase phase)
{
    struct engine *const engine = pauses->bench.engine;
    struct engine_stats before;
    struct engine_stats after;

    times_begin(&pauses->puts);
    times_begin(&pauses->gets);
    const uint64_t disk_ns = calm(pauses);

    engine_stats(engine, &before);
    load(pauses, phase);
    engine_stats(engine, &after);
    printf("phase %s disk_p50 %.1f", phase_names[phase], (double)disk_ns / 1000);
    times_tell("puts", &pauses->puts);
    if (phase != PHASE_FLOOR) {
        const double put = (double)(after.record_bytes - before.record_bytes);

        times_tell("gets", &pauses->gets);
        printf(" commits %" PRIu64 " written %.3f moved %.3f checkpoints %" PRIu64
               " zeroed_mib %.0f free %u live_percent %.1f share %" PRIu64,
               after.commits - before.commits,
               (double)(after.written_bytes - before.written_bytes) / put,
               (double)(after.compacted_bytes - before.compacted_bytes) / put,
               after.checkpoints - before.checkpoints,
               (double)(after.zeroed_bytes - before.zeroed_bytes) / 1048576.0,
               log_segments_free(log_engine_of(engine)),
               100.0 * (double)(after.records * bench_record_bytes(&pauses->bench)) /
                   (double)after.disk_bytes,
               after.compaction_share);
    }
    printf("\n");
    (void)fflush(stdout);
}

// What the log is like before a measurement.
static void tell_room(struct pauses *pauses, const char *when)
{
    struct engine_stats stats;

    engine_stats(pauses->bench.engine, &stats);
    printf("room when %s: %.1f of %.0f MiB live, %u segments free, moved %.3f, written %.3f\n",
           when, (double)(stats.records * bench_record_bytes(&pauses->bench)) / 1048576.0,
           (double)stats.disk_bytes / 1048576.0,
           log_segments_free(log_engine_of(pauses->bench.engine)),
           (double)stats.compacted_bytes / (double)stats.record_bytes,
           (double)stats.written_bytes / (double)stats.record_bytes);
    (void)fflush(stdout);
}

// Until compaction finds nothing that is worth its while, so that it can rest for a phase.
static void make_room(struct bench *bench)
{
    uint32_t idle = 0;

    while (idle < CONTENT_TURNS) {
        engine_commit(bench->engine);
        io_turn(bench->io, CONTENT_TURN_NS);
        idle = engine_step(bench->engine, LIMIT_BACKGROUND_BYTES) ? 0 : idle + 1;
    }
}

static void measure(struct pauses *pauses, uint32_t live_percent, uint32_t rounds)
{
    struct bench *const bench = &pauses->bench;
    const struct engine_durability always = {.sync = ENGINE_SYNC_ALWAYS};
    const uint64_t record = bench_record_bytes(bench);

    // Nothing is read from the disk but by compaction.
    bench->cache_bytes = bench->keys * (record + CACHE_BYTES_A_RECORD);
    bench->disk_max_bytes = bench->keys * record * 100 / live_percent;
    io_begin(bench);
    engine_begin(bench);
    fill(bench, 0, bench->keys);
    tell_room(pauses, "filled");
    for (uint32_t i = 0; i < WARM_UP_PARTS; i++) {
        put_over(bench, bench->keys / WARM_UP_PARTS);
        tell_room(pauses, "put over");
    }
    engine_set_durability(bench->engine, &always);
    for (uint32_t i = 0; i < rounds; i++) {
        make_room(bench);
        for (enum phase phase = PHASE_FLOOR; phase < PHASES; phase++) {
            run(pauses, phase);
        }
    }
    engine_close(bench->engine);
    io_destroy(bench->io);
}

int main(int count, char **arguments)
{
    static struct pauses pauses;
    struct bench *const bench = &pauses.bench;
    uint64_t numbers[9] = {0};
    char path[1100];

    for (int i = 2; i < count && i < 9; i++) {
        numbers[i] = strtoull(arguments[i], NULL, 10);
    }
    bench->keys = numbers[2] - numbers[2] % (4 * TURN_OPERATIONS);
    bench->value_bytes = (uint32_t)numbers[3];
    bench->vnodes = 128;
    pauses.rate = numbers[4];
    pauses.phase_ns = numbers[6] * NS_A_SECOND;
    if (count != 9 || bench->keys == 0 || numbers[3] > VALUE_BYTES_MAX || pauses.rate == 0 ||
        pauses.rate > NS_A_SECOND / 2 || numbers[7] == 0 || numbers[7] > 100 || numbers[8] == 0) {
        printf("usage: perf_pause_bench DIRECTORY KEYS VALUE_BYTES RATE ROUNDS SECONDS "
               "LIVE_PERCENT SEGMENT_MIB\n");
        return 2;
    }
    (void)snprintf(bench->directory, sizeof bench->directory, "%s/pause-bench", arguments[1]);
    (void)snprintf(path, sizeof path, "%s-floor", bench->directory);
    bench_begin(bench);
    bench->segment_bytes = (uint32_t)numbers[8] << 20;
    scratch_remove(bench->directory);
    floor_open(&pauses.file, path);
    measure(&pauses, (uint32_t)numbers[7], (uint32_t)numbers[5]);
    memory_free(pauses.file.bytes);
    scratch_remove(bench->directory);
    scratch_remove(path);
    return 0;
}
