// How the log engine starts: what it replays, and how it reads ahead.
#include "core/wait.h"
#include "engines/log_ahead.h"
#include "engines/log_manifest.h"
#include "tests/unit/engines_log_model.h"

#include <errno.h>

static struct engine_stats stats_of(struct model *model)
{
    struct engine_stats stats;

    engine_stats(model->engine, &stats);
    return stats;
}

// The manifest leaves no segment in which the next start would look for frames.
static void check_all_sealed(struct model *model)
{
    enum { MANIFEST_BYTES = 1 << 20 };
    const struct io_uring_options options = {
        .queue_entries = 256, .buffer_count = 16, .buffer_bytes = 4096};
    struct io *const io = sim_core_open(model->node, &options);
    const int fd = wait_open(io, "/log/MANIFEST", IO_OPEN_READ);
    uint8_t *const bytes = malloc(MANIFEST_BYTES);
    struct log_manifest manifest;
    uint32_t size = 0;

    cr_assert_eq(wait_read_some(io, fd, bytes, MANIFEST_BYTES, 0, &size), 0);
    cr_assert_eq(log_manifest_read(slice_of(bytes, size), &manifest), 0);
    cr_assert_neq(manifest.segments, 0);
    for (uint32_t i = 0; i < manifest.segments; i++) {
        struct log_manifest_segment entry;

        cr_assert(log_manifest_read_segment(slice_of(bytes, size), i, &entry));
        cr_assert(
            entry.state != LOG_MANIFEST_USED ||
                (entry.sequence_last != 0 && entry.sequence_last <= manifest.checkpoint_sequence),
            "segment %u: %zu", entry.number, (size_t)entry.sequence_last);
    }
    free(bytes);
    cr_assert_eq(wait_close(io, fd), 0);
    io_destroy(io);
}

Test(engines_log_start, replays_nothing_after_a_close)
{
    struct model model;

    model_begin(&model, 1, 2000, small);
    for (uint32_t round = 0; round < 3; round++) {
        work(&model, 4000, 60);
        end_engine(&model, END_CLOSE);
        check_all_sealed(&model);
        open_engine(&model);
        const struct engine_stats stats = stats_of(&model);

        cr_assert_neq(stats.records, 0);
        cr_assert_eq(stats.loaded_records, stats.records);
        cr_assert_eq(stats.replayed_frames, 0);
        cr_assert_eq(stats.replayed_records, 0);
        cr_assert_eq(stats.replayed_bytes, 0);
        check_all(&model);
        log_verify(model.engine);
    }
    end_engine(&model, END_KILL);
    open_engine(&model);
    check_all(&model);
    end_engine(&model, END_CLOSE);
    model_end(&model);
}

Test(engines_log_start, counts_what_it_replays)
{
    struct model model;

    model_begin(&model, 2, 2000, small);
    work(&model, 4000, 60);
    end_engine(&model, END_CLOSE);
    open_engine(&model);
    work(&model, 500, 90);
    engine_sync_all(model.engine);
    drain(&model);
    end_engine(&model, END_KILL);
    open_engine(&model);
    const struct engine_stats stats = stats_of(&model);

    cr_assert_neq(stats.loaded_records, 0);
    cr_assert_neq(stats.replayed_frames, 0);
    cr_assert(stats.replayed_records >= stats.replayed_frames);
    cr_assert(stats.replayed_bytes >= stats.replayed_frames * LOG_FRAME_HEADER_BYTES);
    check_all(&model);
    end_engine(&model, END_CLOSE);
    model_end(&model);
}

// Reading ahead -----------------------------------------------------------------------------------

enum { FILE_BLOCKS = 4096, BLOCK = IO_DIRECT_ALIGN, TAIL = 1000 };

struct fault {
    uint64_t reads;
    uint64_t from; // reads from this one on fail, up to that one
    uint64_t to;
};

static int fail_read(void *context, const struct sim_node *node, const char *what)
{
    struct fault *const fault = context;

    (void)node;
    if (strcmp(what, "read") != 0) {
        return 0;
    }
    fault->reads++;
    return fault->reads >= fault->from && fault->reads < fault->to ? -EIO : 0;
}

struct files {
    struct sim_world *world;
    struct io *io;
    int fd;
    struct fault fault;
};

static void block_fill(uint8_t *block, uint32_t number)
{
    for (uint32_t i = 0; i < BLOCK; i += 4) {
        const uint32_t word = number * 2654435761U + i;

        memcpy(block + i, &word, 4);
    }
}

static void files_begin(struct files *files)
{
    const struct io_uring_options options = {
        .queue_entries = 256, .buffer_count = 16, .buffer_bytes = 4096};
    uint8_t *const block = memory_allocate_aligned(BLOCK, BLOCK);

    *files = (struct files){.world = sim_world_open(7, NULL)};
    files->io = sim_core_open(sim_node_add(files->world, "10.0.0.1"), &options);
    files->fd = wait_open(files->io, "/file", IO_OPEN_WRITE | IO_OPEN_CREATE);
    cr_assert_geq(files->fd, 0);
    for (uint32_t i = 0; i <= FILE_BLOCKS; i++) {
        block_fill(block, i);
        cr_assert_eq(wait_write(files->io, files->fd, block, i < FILE_BLOCKS ? BLOCK : TAIL,
                                (uint64_t)i * BLOCK),
                     0);
    }
    memory_free(block);
    cr_assert_eq(wait_close(files->io, files->fd), 0);
    files->fd = wait_open(files->io, "/file", IO_OPEN_READ | IO_OPEN_DIRECT);
    cr_assert_geq(files->fd, 0);
    sim_world_profile(files->world)->hooks =
        (struct sim_hooks){.context = &files->fault, .disk_error = fail_read};
}

static void files_end(struct files *files)
{
    cr_assert_eq(wait_close(files->io, files->fd), 0);
    io_destroy(files->io);
    sim_world_close(files->world);
}

// Goes through the file by windows of random sizes. Returns how many blocks are zeros and not what
// was written; all others are.
static uint32_t go_through(struct files *files, uint64_t from, uint64_t limit, uint64_t end)
{
    struct ahead *const ahead = malloc(sizeof *ahead);
    uint8_t *const block = malloc(BLOCK);
    struct random random;
    uint32_t zeros = 0;
    uint64_t at = from;

    random_seed(&random, from + limit);
    ahead_begin(ahead, files->io, files->fd, from, limit);
    while (at < end) {
        const uint32_t bytes = (uint32_t)random_below(&random, AHEAD_WINDOW_BYTES) + 1;
        struct slice window;

        cr_assert_eq(ahead_window(ahead, at, bytes, &window), 0);
        cr_assert(window.size >= (bytes < end - at ? bytes : end - at), "at %zu", (size_t)at);
        cr_assert_leq(at + window.size, end);
        for (size_t i = 0; i + BLOCK <= window.size && i < bytes; i += BLOCK) {
            block_fill(block, (uint32_t)((at + i) / BLOCK));
            if (memcmp(block, window.bytes + i, BLOCK) != 0) {
                memset(block, 0, BLOCK);
                cr_assert_eq(memcmp(block, window.bytes + i, BLOCK), 0, "at %zu", (size_t)(at + i));
                zeros++;
            }
        }
        at += (bytes + BLOCK - 1) / BLOCK * BLOCK;
    }
    struct slice rest;

    cr_assert_eq(ahead_window(ahead, at, BLOCK, &rest), 0);
    cr_assert_eq(rest.size, 0);
    cr_assert_eq(ahead->file_end, limit > end ? end : UINT64_MAX);
    cr_assert_eq(ahead->error, zeros != 0 ? -EIO : 0);
    ahead_end(ahead);
    free(block);
    free(ahead);
    return zeros;
}

Test(engines_log_start, reads_ahead_all_there_is)
{
    struct files files;

    files_begin(&files);
    const uint64_t whole = (uint64_t)FILE_BLOCKS * BLOCK;

    cr_assert_eq(go_through(&files, 0, UINT64_C(1) << 40, whole), 0);
    cr_assert_eq(go_through(&files, 5 * BLOCK, whole, whole), 0);
    cr_assert_eq(go_through(&files, 0, 2000 * BLOCK, 2000 * BLOCK), 0);
    cr_assert_eq(go_through(&files, 0, BLOCK, BLOCK), 0);
    files_end(&files);
}

// The read of a whole piece fails, then that of some of its blocks.
Test(engines_log_start, passes_what_cannot_be_read)
{
    struct files files;
    const uint64_t whole = (uint64_t)FILE_BLOCKS * BLOCK;

    files_begin(&files);
    files.fault = (struct fault){.from = 1, .to = 12};
    cr_assert_eq(go_through(&files, 0, whole, whole), 10);
    files_end(&files);
}

Test(engines_log_start, looks_at_a_beginning_for_one_read)
{
    struct files files;
    struct ahead *const ahead = malloc(sizeof *ahead);
    struct slice window;

    files_begin(&files);
    ahead_begin(ahead, files.io, files.fd, 0, (uint64_t)FILE_BLOCKS * BLOCK);
    cr_assert_eq(ahead_window(ahead, 0, BLOCK, &window), 0);
    cr_assert_geq(window.size, BLOCK);
    cr_assert_eq(files.fault.reads, 1);
    ahead_end(ahead);
    free(ahead);
    files_end(&files);
}
