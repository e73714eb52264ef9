// Frames of the log engine that are damaged in a chosen way: torn, cut, or forged.
#include "engines/log_check.h"
#include "tests/unit/engines_log_image.h"

#include <errno.h>

// A log that goes on in its second segment, without a checkpoint, whose process was killed.
static void long_image(enum engine_sync sync, struct image *ret_image)
{
    struct bench *const bench = malloc(sizeof *bench);
    struct random random;

    random_seed(&random, 3);
    bench_empty(bench, 3, NULL);
    bench->durability.sync = sync;
    bench_open_engine(bench);
    cr_assert_eq(bench->error, 0);
    for (uint64_t version = 1; log_engine_of(bench->engine)->order < 2; version++) {
        (void)bench_put(bench, (uint32_t)random_below(&random, IMAGE_KEYS), version);
        bench_turn(bench);
    }
    bench_kill(bench, SIM_KILL);
    image_take(bench->node, ret_image);
    bench_done(bench);
    free(bench);
}

// The first frame of the log's first segment is lost. `interval` or `never`: it may be that the
// disk had written the later ones and not this one, when power was lost. Then the log ends before
// it, and that is no damage (sim_log, seed 1194). `always`: the later ones say that it was durable.
static void lose_first_frame(enum engine_sync sync, bool damage, const char *said)
{
    struct bench *const bench = malloc(sizeof *bench);
    struct image image;
    uint64_t version;
    uint32_t found = 0;

    long_image(sync, &image);
    struct file *const file = image_find(&image, "segment-00000");

    cr_assert(log_frame_is_any(slice_of(file->bytes, file->size)));
    memset(file->bytes, 0, LOG_BLOCK_BYTES);
    bench_open(bench, 4, &image);
    cr_assert_eq(bench->error, 0);
    cr_assert_eq(bench->damages != 0, damage, "said:\n%s", bench->text);
    cr_assert(strstr(bench->text, said) != NULL, "said:\n%s", bench->text);
    for (uint32_t number = 0; number < IMAGE_KEYS; number++) {
        found += bench_get(bench, number, &version) == ENGINE_OK ? 1 : 0;
    }
    cr_assert_eq(found != 0, damage, "%u keys are there", found);
    log_verify(bench->engine);
    bench_close(bench);
    bench_open_engine(bench);
    cr_assert_eq(bench->reports != 0, damage, "after a close:\n%s", bench->text);
    bench_done(bench);
    free(bench);
    image_free(&image);
}

Test(engines_log_frames, is_not_what_a_stop_has_torn)
{
    lose_first_frame(ENGINE_SYNC_NEVER, false, "torn by the stop");
    lose_first_frame(ENGINE_SYNC_ALWAYS, true, "frames 1 to 1 are missing or damaged");
}
// How many of the keys are there, in a log of one frame that nothing says was durable, whose file
// ends at `cut`. Torn: a record that is there is not whole. Says that the file is cut, and what of
// it cannot be used.
static uint32_t open_cut_frame(bool torn, bool cut_behind, const char *said)
{
    struct bench *const bench = malloc(sizeof *bench);
    struct image image;
    struct log_frame_header header;
    uint32_t found = 0;

    image_simple(false, &image);
    struct file *const file = image_find(&image, "segment-00000");

    (void)log_frame_open(slice_of(file->bytes, file->size), log_frame_id(file->bytes), &header);
    cr_assert_eq(header.records, 50);
    cr_assert_gt(header.bytes, 3 * LOG_BLOCK_BYTES);
    if (torn) {
        file->bytes[LOG_FRAME_HEADER_BYTES + 40] ^= 1;
    }
    file->size = cut_behind ? file->size - LOG_BLOCK_BYTES : header.bytes / 2;
    bench_open(bench, 4, &image);
    cr_assert_eq(bench->error, 0);
    cr_assert_eq(bench->damages, strstr(said, "torn") != NULL ? 1 : 2, "said:\n%s", bench->text);
    cr_assert(strstr(bench->text, "and not 2097152") != NULL, "said:\n%s", bench->text);
    cr_assert(strstr(bench->text, said) != NULL, "said:\n%s", bench->text);
    for (uint32_t number = 0; number < 50; number++) {
        uint64_t version;

        found += bench_get(bench, number, &version) == ENGINE_OK ? 1 : 0;
    }
    log_verify(bench->engine);
    bench_done(bench);
    free(bench);
    image_free(&image);
    return found;
}

// Of a frame that may have been acknowledged what a cut of its file has left is used. One of which
// more is missing, or less, is what the stop has torn: nothing of it was acknowledged, nor is
// shown.
Test(engines_log_frames, uses_what_a_cut_has_left)
{
    const uint32_t found = open_cut_frame(false, false, "records in them can be read");

    cr_assert(found > 5 && found < 45, "%u keys", found);
    cr_assert_eq(open_cut_frame(true, false, "torn by the stop"), 0);
    cr_assert_eq(open_cut_frame(true, true, "torn by the stop"), 0);
}

// A log of 50 frames: key n has version n + 26.
static void frames_image(struct bench *bench, struct image *ret_image)
{
    bench_open(bench, 7, NULL);
    for (uint32_t number = 0; number < 50; number++) {
        cr_assert_eq(bench_put(bench, number % 25, number + 1), ENGINE_OK);
        for (uint32_t i = 0; i < 50; i++) { // until it is durable
            bench_turn(bench);
        }
    }
    bench_kill(bench, SIM_KILL);
    image_take(bench->node, ret_image);
    bench_done(bench);
}

static void assert_versions(struct bench *bench, uint32_t which)
{
    for (uint32_t number = 0; number < 25; number++) {
        uint64_t version;

        cr_assert_eq(bench_get(bench, number, &version), ENGINE_OK, "%u, key %u", which, number);
        cr_assert_eq(version, 25 + number + 1, "%u, key %u: version %lu", which, number,
                     (unsigned long)version);
    }
}

struct bad_reads {
    uint32_t count;
    uint32_t first;
    uint32_t second;
};

static int fail_reads(void *context, const struct sim_node *node, const char *what)
{
    struct bad_reads *const bad = context;

    (void)node;
    if (strcmp(what, "read") != 0) {
        return 0;
    }
    bad->count++;
    return bad->count == bad->first || bad->count == bad->second ? -EIO : 0;
}

// A read that fails, and fails again block by block, is no damage: the start has all, or it ends
// and the next one has all.
Test(engines_log_frames, are_not_damaged_where_a_read_fails)
{
    struct bench *const bench = malloc(sizeof *bench);
    struct image image;
    uint32_t refused = 0;

    frames_image(bench, &image);
    for (uint32_t i = 0; i < 120; i++) {
        struct bad_reads bad = {.first = 1 + i / 6};

        bad.second = bad.first + 1 + (i % 6) * 12; // the block of a frame, or behind all
        bench_empty(bench, 4, &image);
        sim_world_profile(bench->world)->hooks =
            (struct sim_hooks){.context = &bad, .disk_error = fail_reads};
        bench_open_engine(bench);
        sim_world_profile(bench->world)->hooks = (struct sim_hooks){0};
        if (bench->error != 0) {
            cr_assert_eq(bench->error, -EIO);
            refused += strstr(bench->text, "let rldb repair") != NULL ? 1 : 0;
            bench_kill(bench, SIM_KILL);
            bench_open_engine(bench);
            cr_assert_eq(bench->error, 0);
        }
        cr_assert_eq(bench->damages, 0, "reads %u and %u:\n%s", bad.first, bad.second, bench->text);
        assert_versions(bench, i);
        bench_done(bench);
    }
    cr_assert_geq(refused, 5, "%u starts were refused", refused);
    image_free(&image);
    free(bench);
}

static void mend_say(void *context, bool damage, const char *text)
{
    (void)text;
    *(uint32_t *)context += damage ? 1 : 0;
}

static void mend_lost(void *context, uint32_t vnode, struct slice key)
{
    (void)context;
    (void)vnode;
    (void)key;
}

// Where it goes on failing, mending says what it passes, copies what there is, and starts go on.
Test(engines_log_frames, are_mended_where_reads_go_on_failing)
{
    struct bench *const bench = malloc(sizeof *bench);
    struct image image;
    uint32_t passed = 0;

    frames_image(bench, &image);
    for (uint32_t i = 0; i < 40; i++) {
        struct bad_reads bad = {.first = 1 + i, .second = 1 + i + 1 + 30};
        uint32_t said = 0;

        bench_empty(bench, 4, &image);
        const struct io_uring_options uring = {
            .queue_entries = 256, .buffer_count = 16, .buffer_bytes = 4096};

        bench->io = sim_core_open(bench->node, &uring);
        struct log_check check = {.io = bench->io,
                                  .directory = "/log",
                                  .mend = true,
                                  .context = &said,
                                  .say = mend_say,
                                  .lost = mend_lost};

        sim_world_profile(bench->world)->hooks =
            (struct sim_hooks){.context = &bad, .disk_error = fail_reads};
        const int error = log_check_run(&check);

        sim_world_profile(bench->world)->hooks = (struct sim_hooks){0};
        cr_assert(error == 0 || error == -EIO, "%d", error);
        passed += error == 0 && said != 0 && check.aside != 0 ? 1 : 0;
        io_destroy(bench->io);
        bench_open_engine(bench);
        cr_assert_eq(bench->error, 0);
        bench_done(bench);
    }
    cr_assert_gt(passed, 0);
    image_free(&image);
    free(bench);
}

// A block that can never be read: a start refuses it, and mending writes over it, so that starts go
// on (sim, profile disk, seeds 227 and 868 of --engine log).
static bool mend_spoiled(const struct image *image, const char *path, uint32_t block)
{
    struct bench *const bench = malloc(sizeof *bench);
    const struct io_uring_options uring = {
        .queue_entries = 256, .buffer_count = 16, .buffer_bytes = 4096};
    uint32_t said = 0;

    bench_empty(bench, 4, image);
    sim_node_spoil(bench->node, path, (uint64_t)block * LOG_BLOCK_BYTES);
    bench_open_engine(bench);
    const bool refused = bench->error != 0;

    if (refused) {
        cr_assert_eq(bench->error, -EIO);
        bench_kill(bench, SIM_KILL);
        bench->io = sim_core_open(bench->node, &uring);
        struct log_check check = {.io = bench->io,
                                  .directory = "/log",
                                  .mend = true,
                                  .shards = 1,
                                  .vnodes = IMAGE_VNODES,
                                  .hash_seed = 42,
                                  .context = &said,
                                  .say = mend_say,
                                  .lost = mend_lost};

        cr_assert_eq(log_check_run(&check), 0, "%s, block %u", path, block);
        cr_assert_neq(said, 0);
        io_destroy(bench->io);
        bench_open_engine(bench);
    }
    cr_assert_eq(bench->error, 0, "%s, block %u:\n%s", path, block, bench->text);
    bench_done(bench);
    free(bench);
    return refused;
}

Test(engines_log_frames, are_mended_where_blocks_can_never_be_read)
{
    struct bench *const bench = malloc(sizeof *bench);
    struct image image;
    uint32_t refused = 0;

    frames_image(bench, &image);
    cr_assert(mend_spoiled(&image, "/log/MANIFEST", 0));
    for (uint32_t block = 0; block < 8; block++) {
        refused += mend_spoiled(&image, "/log/segment-00000", block) ? 1 : 0;
    }
    cr_assert_gt(refused, 0);
    image_free(&image);
    free(bench);
}

// Whichever bit is flipped in the header of a frame, its records are all read.
Test(engines_log_frames, are_read_behind_any_header)
{
    struct bench *const bench = malloc(sizeof *bench);
    struct image image;
    struct log_frame_header header;
    size_t at = 0;

    frames_image(bench, &image);
    struct file *const file = image_find(&image, "segment-00000");

    while (log_frame_open(slice_of(file->bytes + at, file->size - at), log_frame_id(file->bytes),
                          &header) == LOG_FRAME_VALID &&
           header.sequence < 30) {
        at += log_frame_span(header.bytes);
    }
    cr_assert_eq(header.sequence, 30);
    for (uint32_t i = 0; i < LOG_FRAME_HEADER_BYTES; i++) {
        const uint8_t bit = (uint8_t)(1U << i % 8);

        file->bytes[at + i] ^= bit;
        bench_open(bench, 4, &image);
        cr_assert_eq(bench->error, 0);
        cr_assert_neq(bench->damages, 0, "byte %u", i);
        assert_versions(bench, i);
        bench_done(bench);
        file->bytes[at + i] ^= bit;
    }
    image_free(&image);
    free(bench);
}

// Forged files: their checksums hold, and what they say cannot be
// -----------------------------------

// How many of the keys have what they should.
static uint32_t open_forged(const struct image *image, const char *said)
{
    struct bench *const bench = malloc(sizeof *bench);
    uint32_t right = 0;

    bench_open(bench, 8, image);
    cr_assert_eq(bench->error, 0);
    cr_assert(strstr(bench->text, said) != NULL, "said:\n%s", bench->text);
    for (uint32_t number = 0; number < 50; number++) {
        uint64_t version;

        right += bench_get(bench, number, &version) == ENGINE_OK && version == number + 1 ? 1 : 0;
    }
    log_verify(bench->engine);
    bench_close(bench);
    bench_done(bench);
    free(bench);
    return right;
}

Test(engines_log_frames, believes_no_vnode)
{
    struct image image;
    struct log_frame_header header;
    struct log_record record;

    image_simple(false, &image);
    uint8_t *const frame = image_find(&image, "segment-00000")->bytes;
    const uint64_t log_id = log_frame_id(frame);

    cr_assert_eq(log_frame_open(slice_of(frame, IMAGE_SEGMENT_BYTES), log_id, &header),
                 LOG_FRAME_VALID);
    uint8_t *const at = frame + LOG_FRAME_HEADER_BYTES;
    uint8_t *const object = malloc(65536);

    cr_assert(log_record_parse(slice_of(at, header.bytes - LOG_FRAME_HEADER_BYTES), &record));
    memcpy(object, record.object[0].bytes, record.object[0].size);
    record.object[0] = slice_of(object, record.object[0].size);
    uint8_t key[IMAGE_KEY_BYTES];

    memcpy(key, record.key.bytes, record.key.size);
    record.key = slice_of(key, record.key.size);
    record.vnode = 60000;
    log_record_write(at, &record,
                     log_record_seed(log_id, header.generation, LOG_FRAME_HEADER_BYTES));
    log_frame_seal(frame, &header);
    cr_assert_eq(open_forged(&image, "a record of vnode 60000"), 49);
    free(object);
    image_free(&image);
}

Test(engines_log_frames, believes_no_segment_number)
{
    struct image image;

    image_simple(true, &image);
    uint8_t *const block = image_find(&image, "checkpoint-0000000001")->bytes;
    const uint64_t log_id = log_frame_id(image_find(&image, "segment-00000")->bytes);
    uint64_t entry;
    uint32_t bytes;

    memcpy(&bytes, block + 28, sizeof bytes);
    memcpy(&entry, block + 56, sizeof entry); // the first of the first group
    entry |= UINT64_C(0x3fff) << LOG_OFFSET_BITS;
    memcpy(block + 56, &entry, sizeof entry);
    const uint64_t checksum = XXH3_64bits_withSeed(block + 16, bytes - 16, log_id);

    memcpy(block + 8, &checksum, sizeof checksum);
    cr_assert_eq(open_forged(&image, "checkpoint 1 cannot be read"), 50);
    image_free(&image);
}
