// Footers of segments: what they say is what the frames say; damaged ones, those of another use and
// those of newer formats are not believed; and a start goes by them, to the same as without.
#include "engines/log_check.h"
#include "engines/log_footer.h"
#include "tests/unit/engines_log_image.h"

#include <errno.h>

enum {
    FRAMES = 200,
    RECORDS_MAX = 40,
    BODY_BYTES = 1 << 19,
    ROUNDS = 60,
    FLIPS = 400,
    LOG_ID = 77,
    FOOTERS = 3,
};

// What is said -----------------------------------------------------------------------------------

struct said {
    struct log_footer_header header;
    struct log_frame_header frames[FRAMES];
    struct log_footer_record records[FRAMES][RECORDS_MAX];
    uint32_t frame_count;
    uint8_t *body;
    uint8_t block[LOG_BLOCK_BYTES];
};

static uint64_t bits(struct random *random, uint32_t most)
{
    return random_u64(random) >> (64 - 1 - random_below(random, most));
}

static struct log_footer_record any_record(struct random *random,
                                           const struct log_footer_header *header, uint64_t *stamp)
{
    static const uint64_t marks[] = {0, LOG_REPLACES_TOMBSTONE, LOG_REPLACES_EXPIRY};
    struct log_footer_record record = {
        .hash = random_u64(random) & ((UINT64_C(1) << header->hash_bits) - 1),
        .replaces = LOG_LOCATION_NONE,
        .vnode = (uint32_t)random_below(random, header->vnodes),
        .kind = (enum log_kind)(LOG_VALUE + random_below(random, 4)),
        .expires = random_below(random, 8) == 0,
        .large = random_below(random, 16) == 0,
        .bytes = 32 + 16 * (uint32_t)random_below(random, random_below(random, 4) == 0 ? 9000 : 2),
    };

    if (random_below(random, 2) == 0) {
        record.replaces = (random_u64(random) >> 28) | marks[random_below(random, 3)];
    }
    if (random_below(random, 3) == 0) {
        record.own_stamp = record.stamp = 1 + bits(random, 60);
        return record;
    }
    record.stamp = (*stamp)++;
    if (header->tree_bytes != 0) {
        record.leaf = (uint16_t)random_u64(random);
        record.tree_hash = (uint32_t)random_u64(random);
    }
    return record;
}

static void say(struct random *random, struct said *said)
{
    static const uint32_t vnodes[] = {1, 2, 3, 128, 16000};
    static const uint8_t hash_bits[] = {28, 35, 42};
    struct log_footer_writer writer;
    const struct log_footer_header header = {
        .log_id = LOG_ID,
        .hash_seed = 5,
        .generation = 9,
        .epoch = 3,
        .segment = 4,
        .vnodes = vnodes[random_below(random, 5)],
        .hash_bits = hash_bits[random_below(random, 3)],
        .tree_bytes = random_below(random, 2) == 0 ? 0 : LOG_FOOTER_TREE_BYTES,
    };
    struct log_frame_header frame = {.generation = 9, .segment = 4, .epoch = 3, .log_id = LOG_ID};
    uint64_t stamp = bits(random, 50);

    said->frame_count = 0;
    log_footer_begin(&writer, &header, said->body, BODY_BYTES);
    for (uint32_t i = 0; i < 1 + random_below(random, FRAMES); i++) {
        frame.sequence += 1 + (random_below(random, 3) == 0 ? bits(random, 20) : 0);
        frame.durable += random_below(random, 3);
        frame.records = (uint32_t)random_below(random, RECORDS_MAX);
        frame.bytes = LOG_FRAME_HEADER_BYTES;
        stamp += random_below(random, 4) == 0 ? bits(random, 20) : 0;
        frame.stamp = stamp;
        for (uint32_t j = 0; j < frame.records; j++) {
            said->records[i][j] = any_record(random, &header, &stamp);
            frame.bytes += said->records[i][j].bytes;
        }
        if (frame.offset + log_frame_span(frame.bytes) > (48 << 20)) {
            break;
        }
        frame.checksum = random_u64(random);
        if (!log_footer_add_frame(&writer, &frame)) {
            break;
        }
        for (uint32_t j = 0; j < frame.records; j++) {
            log_footer_add(&writer, &said->records[i][j]);
        }
        said->frames[said->frame_count++] = frame;
        frame.offset += log_frame_span(frame.bytes);
    }
    cr_assert_gt(said->frame_count, 0);
    log_footer_seal(&writer, said->block);
    said->header = writer.header;
}

static enum log_footer_status open_said(const struct said *said, struct log_footer_header *header)
{
    return log_footer_open(slice_of(said->block, LOG_BLOCK_BYTES), LOG_ID, 4, 9,
                           LOG_SEGMENT_BYTES_MAX, header);
}

static bool read_said(const struct said *said, struct log_footer_reader *reader)
{
    struct log_footer_header header;

    return open_said(said, &header) == LOG_FOOTER_VALID &&
           log_footer_read(slice_of(said->body, header.body_bytes), &header, LOG_SEGMENT_BYTES_MAX,
                           reader);
}

static void expect_record(const struct log_footer_record *record,
                          const struct log_footer_record *wanted)
{
    cr_assert(record->hash == wanted->hash && record->replaces == wanted->replaces &&
              record->own_stamp == wanted->own_stamp && record->stamp == wanted->stamp &&
              record->vnode == wanted->vnode && record->bytes == wanted->bytes &&
              record->kind == wanted->kind && record->expires == wanted->expires &&
              record->large == wanted->large && record->leaf == wanted->leaf &&
              record->tree_hash == wanted->tree_hash);
}

Test(engines_log_footer, says_what_it_was_told)
{
    struct said *const said = calloc(1, sizeof *said);
    struct random random;

    random_seed(&random, 1);
    said->body = memory_allocate_aligned(BODY_BYTES, LOG_BLOCK_BYTES);
    for (uint32_t round = 0; round < ROUNDS; round++) {
        struct log_footer_reader reader;
        struct log_frame_header frame;
        struct log_footer_record record;

        say(&random, said);
        cr_assert(read_said(said, &reader));
        for (uint32_t i = 0; i < said->frame_count; i++) {
            const struct log_frame_header *const wanted = &said->frames[i];

            cr_assert(log_footer_next_frame(&reader, &frame));
            cr_assert(frame.sequence == wanted->sequence && frame.offset == wanted->offset &&
                      frame.bytes == wanted->bytes && frame.records == wanted->records &&
                      frame.durable == wanted->durable && frame.stamp == wanted->stamp &&
                      frame.epoch == wanted->epoch && frame.generation == wanted->generation);
            cr_assert_eq(frame.checksum, i + 1 == said->frame_count ? wanted->checksum : 0);
            for (uint32_t j = 0; j < frame.records; j++) {
                log_footer_next(&reader, &record);
                expect_record(&record, &said->records[i][j]);
            }
        }
        cr_assert(!log_footer_next_frame(&reader, &frame));
    }
    memory_free(said->body);
    free(said);
}

// Any bit of header or body, another place or use, another log; and what is cut.
Test(engines_log_footer, believes_nothing_that_was_changed)
{
    struct said *const said = calloc(1, sizeof *said);
    struct log_footer_reader reader;
    struct log_footer_header header;
    struct random random;

    random_seed(&random, 2);
    said->body = memory_allocate_aligned(BODY_BYTES, LOG_BLOCK_BYTES);
    say(&random, said);
    for (uint32_t i = 0; i < FLIPS; i++) {
        uint8_t *const bytes = i % 2 == 0 ? said->block : said->body;
        const uint32_t size = i % 2 == 0 ? LOG_FOOTER_HEADER_BYTES : said->header.body_bytes;
        uint8_t *const at = &bytes[random_below(&random, size)];
        const uint8_t bit = (uint8_t)(1U << random_below(&random, 8));

        *at ^= bit;
        cr_assert(!read_said(said, &reader), "byte %td", at - bytes);
        *at ^= bit;
    }
    cr_assert(read_said(said, &reader));
    const struct slice block = slice_of(said->block, LOG_BLOCK_BYTES);

    cr_assert_eq(log_footer_open(block, LOG_ID, 4, 10, LOG_SEGMENT_BYTES_MAX, &header),
                 LOG_FOOTER_NONE);
    cr_assert_eq(log_footer_open(block, LOG_ID, 5, 9, LOG_SEGMENT_BYTES_MAX, &header),
                 LOG_FOOTER_NONE);
    cr_assert_eq(log_footer_open(block, LOG_ID + 1, 4, 9, LOG_SEGMENT_BYTES_MAX, &header),
                 LOG_FOOTER_NONE);
    cr_assert_eq(log_footer_open(slice_of(said->block, LOG_FOOTER_HEADER_BYTES - 1), LOG_ID, 4, 9,
                                 LOG_SEGMENT_BYTES_MAX, &header),
                 LOG_FOOTER_NONE);
    said->block[4]++;
    cr_assert_eq(open_said(said, &header), LOG_FOOTER_DAMAGED);
    said->block[6]--;
    cr_assert_eq(open_said(said, &header), LOG_FOOTER_NEWER);
    memory_free(said->body);
    free(said);
}

// A start by them --------------------------------------------------------------------------------

// A log of several segments, whose process was killed.
static void killed_image(enum engine_sync sync, struct image *ret_image)
{
    struct bench *const bench = malloc(sizeof *bench);
    struct random random;

    random_seed(&random, 5);
    bench_empty(bench, 5, NULL);
    bench->durability.sync = sync;
    bench->disk_max_bytes = 2 * IMAGE_DISK_BYTES;
    bench_open_engine(bench);
    cr_assert_eq(bench->error, 0);
    for (uint64_t version = 1; log_engine_of(bench->engine)->footers < FOOTERS; version++) {
        const uint32_t number = (uint32_t)random_below(&random, IMAGE_KEYS);

        if (version % 7 == 0) {
            (void)bench_remove(bench, number);
        } else {
            cr_assert_eq(bench_put(bench, number, version), ENGINE_OK);
        }
        bench_turn(bench);
    }
    bench_kill(bench, SIM_KILL);
    image_take(bench->node, ret_image);
    bench_done(bench);
    free(bench);
}

struct start {
    uint64_t versions[IMAGE_KEYS]; // 0: absent, UINT64_MAX: an error
    uint64_t by_footers;
    uint64_t records;
    uint32_t reports;
    uint32_t damages;
    int error;
    char text[IMAGE_TEXT_BYTES];
};

static void start_on(const struct image *image, struct start *ret_start)
{
    struct bench *const bench = malloc(sizeof *bench);

    bench_open(bench, 6, image);
    ret_start->error = bench->error;
    ret_start->reports = bench->reports;
    ret_start->damages = bench->damages;
    memcpy(ret_start->text, bench->text, sizeof bench->text);
    if (bench->error == 0) {
        ret_start->by_footers = log_engine_of(bench->engine)->footer_records;
        ret_start->records = log_engine_of(bench->engine)->replayed_records;
        log_verify(bench->engine);
        for (uint32_t i = 0; i < IMAGE_KEYS; i++) {
            const enum engine_status status = bench_get(bench, i, &ret_start->versions[i]);

            ret_start->versions[i] = status == ENGINE_ERROR ? UINT64_MAX : ret_start->versions[i];
        }
        bench_close(bench);
        bench_open_engine(bench);
        cr_assert_eq(bench->error, 0);
    }
    bench_done(bench);
    free(bench);
}

static uint8_t *last_block(struct file *file)
{
    return file->bytes + file->size - LOG_BLOCK_BYTES;
}

static bool has_footer(struct file *file)
{
    return strncmp(file->name, "segment-", 8) == 0 && memcmp(last_block(file), "rlFT", 4) == 0;
}

static struct file *first_with_footer(struct image *image)
{
    for (uint32_t i = 0; i < image->count; i++) {
        if (has_footer(&image->files[i])) {
            return &image->files[i];
        }
    }
    cr_assert(false, "no segment has a footer");
    return NULL;
}

static void expect_same(const struct start *start, const struct start *wanted)
{
    for (uint32_t i = 0; i < IMAGE_KEYS; i++) {
        cr_assert_eq(start->versions[i], wanted->versions[i], "key %u", i);
    }
}

// As directories of before footers are, all is in the frames.
static void start_with_and_without(enum engine_sync sync)
{
    struct start *const with = calloc(2, sizeof *with);
    struct start *const without = &with[1];
    struct image image;

    killed_image(sync, &image);
    start_on(&image, with);
    cr_assert_eq(with->error, 0);
    cr_assert_eq(with->damages, 0, "%s", with->text);
    cr_assert_gt(with->by_footers, 0);
    for (uint32_t i = 0; i < image.count; i++) {
        if (has_footer(&image.files[i])) {
            memset(last_block(&image.files[i]), 0, LOG_BLOCK_BYTES);
        }
    }
    start_on(&image, without);
    cr_assert_eq(without->error, 0);
    cr_assert_eq(without->damages, 0, "%s", without->text);
    cr_assert_eq(without->by_footers, 0);
    cr_assert_eq(without->records, with->records);
    expect_same(without, with);
    image_free(&image);
    free(with);
}

Test(engines_log_footer, tells_a_start_all)
{
    start_with_and_without(ENGINE_SYNC_ALWAYS);
    start_with_and_without(ENGINE_SYNC_NEVER);
}

// Its header or its body: the frames are read, and somebody is told.
Test(engines_log_footer, is_not_needed)
{
    struct start *const start = calloc(2, sizeof *start);
    struct start *const truth = &start[1];
    struct image image;

    killed_image(ENGINE_SYNC_ALWAYS, &image);
    start_on(&image, truth);
    for (uint32_t i = 0; i < 2; i++) {
        struct image damaged;
        uint32_t body_bytes;

        image_copy(&image, &damaged);
        uint8_t *const block = last_block(first_with_footer(&damaged));

        memcpy(&body_bytes, block + 108, sizeof body_bytes);
        if (i == 0) {
            block[104] ^= 1;
        } else {
            (block - log_frame_span(body_bytes))[body_bytes / 2] ^= 1;
        }
        start_on(&damaged, start);
        cr_assert_eq(start->error, 0);
        cr_assert_eq(start->damages, 1);
        cr_assert(strstr(start->text, "its footer is damaged") != NULL, "%s", start->text);
        expect_same(start, truth);
        image_free(&damaged);
    }
    image_free(&image);
    free(start);
}

// A record behind it that is damaged reads as an error: never as what was there before.
Test(engines_log_footer, hides_no_damage)
{
    struct start *const start = calloc(2, sizeof *start);
    struct start *const truth = &start[1];
    struct image image;
    uint32_t errors = 0;

    killed_image(ENGINE_SYNC_ALWAYS, &image);
    start_on(&image, truth);
    for (uint32_t i = 0; i < image.count; i++) {
        struct file *const file = &image.files[i];

        for (size_t at = LOG_BLOCK_BYTES; has_footer(file) && at < file->size / 2;
             at += 16 * LOG_BLOCK_BYTES) {
            memset(file->bytes + at, 0x5a, LOG_BLOCK_BYTES);
        }
    }
    start_on(&image, start);
    cr_assert_eq(start->error, 0);
    cr_assert_gt(start->by_footers, 0);
    for (uint32_t i = 0; i < IMAGE_KEYS; i++) {
        errors += start->versions[i] == UINT64_MAX ? 1 : 0;
        cr_assert(start->versions[i] == UINT64_MAX || start->versions[i] == truth->versions[i],
                  "key %u", i);
    }
    cr_assert_gt(errors, 0);
    image_free(&image);
    free(start);
}

Test(engines_log_footer, of_a_newer_format_is_refused)
{
    struct start *const start = calloc(1, sizeof *start);
    struct image image;

    killed_image(ENGINE_SYNC_ALWAYS, &image);
    uint8_t *const block = last_block(first_with_footer(&image));

    block[4]++;
    block[6]--;
    start_on(&image, start);
    cr_assert_eq(start->error, -EPROTONOSUPPORT);
    cr_assert(strstr(start->text, "a footer of a newer format") != NULL, "%s", start->text);
    image_free(&image);
    free(start);
}

// Looking and mending ----------------------------------------------------------------------------

static void hear(void *context, bool damage, const char *text)
{
    uint32_t *const damages = context;

    *damages += damage && strstr(text, "footer") != NULL ? 1 : 0;
}

static uint32_t look(struct bench *bench, bool mend)
{
    const struct io_uring_options uring = {
        .queue_entries = 256, .buffer_count = 16, .buffer_bytes = 4096};
    struct io *const io = sim_core_open(bench->node, &uring);
    uint32_t damages = 0;
    struct log_check check = {
        .io = io, .directory = "/log", .mend = mend, .context = &damages, .say = hear};

    cr_assert_eq(log_check_run(&check), 0);
    cr_assert_eq(check.unreadable, 0);
    cr_assert_eq(check.damages >= damages, true);
    io_destroy(io);
    return damages;
}

// Every footer that a run leaves is what its frames say. One whose checksum holds and that says
// something else is found, and taken away.
Test(engines_log_footer, is_compared_with_its_frames)
{
    struct bench *const bench = malloc(sizeof *bench);
    struct log_footer_header header;
    struct log_footer_writer writer;
    struct image image;

    killed_image(ENGINE_SYNC_ALWAYS, &image);
    bench_empty(bench, 7, &image);
    cr_assert_eq(look(bench, false), 0);
    bench_done(bench);

    struct file *const file = first_with_footer(&image);
    uint8_t *const block = last_block(file);
    uint32_t segment;
    uint64_t generation;

    memcpy(&segment, block + 96, sizeof segment);
    memcpy(&generation, block + 32, sizeof generation);
    cr_assert_eq(log_footer_open(slice_of(block, LOG_BLOCK_BYTES), log_frame_id(file->bytes),
                                 segment, generation, (uint32_t)file->size, &header),
                 LOG_FOOTER_VALID);
    uint8_t *const body =
        file->bytes + log_footer_body_from((uint32_t)file->size, header.body_bytes);

    body[header.body_bytes - 1] ^= 1; // of what the last record replaces, or its hash
    writer = (struct log_footer_writer){.header = header, .bytes = body};
    log_footer_seal(&writer, block);
    bench_empty(bench, 7, &image);
    cr_assert_gt(look(bench, false), 0);
    cr_assert_gt(look(bench, true), 0);
    cr_assert_eq(look(bench, false), 0);
    bench_done(bench);
    image_free(&image);
    free(bench);
}
