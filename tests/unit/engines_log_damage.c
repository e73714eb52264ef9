// Damaged directories of the log engine: never a wrong value, never a silent loss, never a crash.
//
// A random workload leaves a directory behind, by a stop or a crash. What a start makes of it
// undamaged is the truth: each key's version, and where its newest record lies. Then copies of it
// are damaged and opened. A key whose newest record has all its bytes must have its version. Any
// other has it too, or reads as an error, or, where recovery has said that something is lost, shows
// what it had before.
#include "engines/log_check.h"
#include "tests/unit/engines_log_image.h"

#include <errno.h>

enum {
    IMAGES = 6,
    DAMAGES_AN_IMAGE = 12,
    PAGE_BYTES = 4096,
};

enum damage {
    DAMAGE_CUT,
    DAMAGE_FLIP,
    DAMAGE_ZERO,
    DAMAGE_GARBAGE,
    DAMAGE_SWAP,
    DAMAGE_DUPLICATE,
    DAMAGE_STRAY,
    DAMAGE_MISSING,
    DAMAGE_STALE,
    DAMAGES,
};

static const char *const damage_names[DAMAGES] = {
    "cut",        "flipped bit", "zeroed page", "overwritten page", "swapped", "copied over",
    "one copied", "missing",     "stale",
};

// What a frame that the stop has torn says of a key, as far as its records go on whole. Where the
// file is cut in the midst of that frame, nothing tells whether the stop has torn it too: what can
// be read of it may be shown, as any write that was sent and never acknowledged, and is reported.
struct doubt {
    bool any;
    bool crosses;     // its record goes on beyond the cut: an error may be shown
    uint64_t version; // 0: a removal
};

// Where a record lies; no bytes: nowhere.
struct place {
    char file[32];
    uint32_t offset;
    uint32_t bytes;
    uint64_t stamp;
    uint64_t sequence; // of its frame
    uint32_t frame_offset;
    uint32_t frame_bytes;
};

struct truth {
    uint64_t version[IMAGE_KEYS]; // 0: absent
    struct place value[IMAGE_KEYS];
    struct place removal[IMAGE_KEYS]; // the newest one
    uint64_t log_id;
    uint64_t durable; // frames after it may have been in flight when all ended
};

struct tally {
    uint64_t exact;
    uint64_t errors;
    uint64_t stale; // and said so
    uint64_t doubtful;
};

// The workload ------------------------------------------------------------------------------------

// `ret_stale` is how the directory was somewhere on the way.
static void workload(uint64_t seed, struct image *ret_image, struct image *ret_stale)
{
    struct bench *const bench = malloc(sizeof *bench);
    struct random random;
    uint64_t version = 0;

    random_seed(&random, seed);
    bench_open(bench, seed, NULL);
    cr_assert_eq(bench->error, 0);
    const uint32_t rounds = 500 + (uint32_t)random_below(&random, 4000);
    const uint32_t stale_at = (uint32_t)random_below(&random, rounds);
    const bool saves = random_below(&random, 3) != 0;

    *ret_stale = (struct image){0};
    for (uint32_t i = 0; i < rounds; i++) {
        const uint32_t number = (uint32_t)random_below(&random, IMAGE_KEYS);
        const uint64_t kind = random_below(&random, 100);

        if (kind < 80) {
            (void)bench_put(bench, number, ++version);
        } else if (kind < 95) {
            (void)bench_remove(bench, number);
        }
        if (random_below(&random, 4) == 0) {
            bench_turn(bench);
        }
        if (saves && random_below(&random, 800) == 0) {
            engine_save(bench->engine);
        }
        if (random_below(&random, 2000) == 0) { // another run
            bench_close(bench);
            bench_open_engine(bench);
            cr_assert_eq(bench->error, 0);
        }
        if (i == stale_at) {
            image_take(bench->node, ret_stale);
        }
    }
    switch (random_below(&random, 3)) {
    case 0:
        bench_close(bench);
        break;
    case 1:
        bench_kill(bench, SIM_KILL);
        break;
    default:
        bench_kill(bench, SIM_POWER_LOSS);
        break;
    }
    image_take(bench->node, ret_image);
    bench_done(bench);
    free(bench);
}

// The truth ---------------------------------------------------------------------------------------

struct seek {
    struct truth *truth;
    const struct log_frame_header *header;
    const char *file;
};

static bool is_at(const struct place *place, const char *file, uint64_t offset)
{
    return place->bytes != 0 && place->offset == offset && strcmp(place->file, file) == 0;
}

static void place_in_frame(struct place *place, const struct log_frame_header *header)
{
    place->sequence = header->sequence;
    place->frame_offset = header->offset;
    place->frame_bytes = header->bytes;
}

static bool seek_record(void *context, const struct log_record *record, uint64_t stamp,
                        uint64_t offset)
{
    const struct seek *const seek = context;
    uint32_t number;

    memcpy(&number, record->key.bytes, sizeof number);
    if (is_at(&seek->truth->value[number], seek->file, offset)) {
        place_in_frame(&seek->truth->value[number], seek->header);
    }
    if (record->kind == LOG_REMOVAL) {
        struct place *const place = &seek->truth->removal[number];

        if (stamp >= place->stamp) {
            *place =
                (struct place){.offset = (uint32_t)offset, .bytes = record->bytes, .stamp = stamp};
            place_in_frame(place, seek->header);
            (void)snprintf(place->file, sizeof place->file, "%s", seek->file);
        }
    }
    return true;
}

static void seek_records(const struct image *image, uint64_t log_id, struct truth *truth)
{
    for (uint32_t i = 0; i < image->count; i++) {
        const struct file *const file = &image->files[i];
        struct log_frame_header header;
        struct seek seek = {.truth = truth, .header = &header, .file = file->name};

        for (size_t at = 0; strncmp(file->name, "segment-", 8) == 0 && at < file->size;
             at += PAGE_BYTES) {
            if (log_frame_open(slice_of(file->bytes + at, file->size - at), log_id, &header) ==
                LOG_FRAME_VALID) {
                truth->durable = header.durable > truth->durable ? header.durable : truth->durable;
                (void)log_frame_each(file->bytes + at, &header, seek_record, &seek);
            }
        }
    }
}

static void find_place(const struct bench *bench, struct image *image, struct place *ret_place)
{
    const uint32_t offset = (uint32_t)log_location_offset(bench->location);
    struct log_record record;

    (void)snprintf(ret_place->file, sizeof ret_place->file, "segment-%05u",
                   log_location_segment(bench->location));
    const struct file *const file = image_find(image, ret_place->file);

    cr_assert(log_record_parse(slice_of(file->bytes + offset, file->size - offset), &record));
    ret_place->offset = offset;
    ret_place->bytes = record.bytes;
}

static void find_truth(struct image *image, struct truth *ret_truth)
{
    struct bench *const bench = malloc(sizeof *bench);

    *ret_truth = (struct truth){0};
    bench_open(bench, 1, image);
    cr_assert_eq(bench->error, 0);
    for (uint32_t number = 0; number < IMAGE_KEYS; number++) {
        const enum engine_status status = bench_get(bench, number, &ret_truth->version[number]);

        cr_assert(status == ENGINE_OK || status == ENGINE_MISS);
        if (status == ENGINE_OK) {
            find_place(bench, image, &ret_truth->value[number]);
        }
    }
    ret_truth->log_id = log_engine_of(bench->engine)->log_id;
    seek_records(image, ret_truth->log_id, ret_truth);
    bench_done(bench);
    free(bench);
}

// Damage ------------------------------------------------------------------------------------------

// One of the files: half of the time any, else a segment.
static struct file *pick(struct random *random, struct image *image, bool segment)
{
    for (;;) {
        struct file *const file = &image->files[random_below(random, image->count)];

        if (strncmp(file->name, "segment-", 8) == 0 || !segment) {
            return file;
        }
    }
}

// A place in the part of the file that holds anything.
static size_t somewhere(struct random *random, const struct file *file)
{
    size_t used = file->size;

    while (used > 1 && file->bytes[used - 1] == 0) {
        used--;
    }
    return random_below(random, used == 0 ? 1 : used);
}

static void overwrite_page(struct random *random, struct file *file, bool zero)
{
    const size_t at = somewhere(random, file) & ~(size_t)(PAGE_BYTES - 1);
    const size_t size = file->size - at < PAGE_BYTES ? file->size - at : PAGE_BYTES;

    for (size_t i = 0; i < size; i++) {
        file->bytes[at + i] = zero ? 0 : (uint8_t)random_u64(random);
    }
}

static void damage_name(struct random *random, struct image *image, enum damage damage,
                        const struct image *stale)
{
    struct file *const file = pick(random, image, damage != DAMAGE_MISSING);
    struct file *const other = pick(random, image, true);
    char name[64];

    switch (damage) {
    case DAMAGE_SWAP:
        memcpy(name, file->name, sizeof name);
        memcpy(file->name, other->name, sizeof name);
        memcpy(other->name, name, sizeof name);
        return;
    case DAMAGE_DUPLICATE:
        // (A blank one says nothing of itself: the log ends before it, as far as anyone can tell.)
        if (!log_frame_is_any(slice_of(file->bytes, file->size))) {
            return;
        }
        image_put(image, other->name, file->bytes, file->size);
        return;
    case DAMAGE_STRAY:
        (void)snprintf(name, sizeof name, "segment-%05u", (uint32_t)random_below(random, 12));
        if (image_find(image, name) == NULL) {
            image_put(image, name, file->bytes, file->size);
        }
        return;
    case DAMAGE_MISSING:
        image_remove(image, file);
        return;
    default:
        break;
    }
    // Stale: the manifest or a checkpoint as it once was. (A segment that is being filled, brought
    // back from earlier, is a log that ends earlier: nothing tells it from one.)
    const struct file *old = &stale->files[random_below(random, stale->count)];

    while (strncmp(old->name, "segment-", 8) == 0) {
        old = &stale->files[random_below(random, stale->count)];
    }
    struct file *target = image_find(image, old->name);

    if (strncmp(old->name, "checkpoint-", 11) == 0) {
        for (uint32_t i = 0; i < image->count; i++) { // over the newest
            target =
                strncmp(image->files[i].name, "checkpoint-", 11) == 0 ? &image->files[i] : target;
        }
    }
    image_put(image, target != NULL ? target->name : old->name, old->bytes, old->size);
}

static void inflict(struct random *random, struct image *image, enum damage damage,
                    const struct image *stale)
{
    struct file *const file = pick(random, image, random_below(random, 2) == 0);

    switch (damage) {
    case DAMAGE_CUT:
        file->size = somewhere(random, file);
        return;
    case DAMAGE_FLIP:
        file->bytes[somewhere(random, file)] ^= (uint8_t)(1U << random_below(random, 8));
        return;
    case DAMAGE_ZERO:
    case DAMAGE_GARBAGE:
        overwrite_page(random, file, damage == DAMAGE_ZERO);
        return;
    default:
        damage_name(random, image, damage, stale);
        return;
    }
}

// Records of a frame that the stop has torn, which goes on beyond `cut`: those up to there, and the
// one that is there. None where one before it is torn: then nothing of the frame may be shown.
static void doubt_frame(const struct file *old, const struct log_frame_header *header, uint64_t cut,
                        struct doubt *ret_doubts)
{
    const uint64_t end = (uint64_t)header->offset + header->bytes;
    uint64_t at = header->offset + LOG_FRAME_HEADER_BYTES;
    struct log_record record;

    while (at < end && at < cut && log_record_parse(slice_of(old->bytes + at, end - at), &record)) {
        const bool crosses = at + record.bytes > cut;
        const uint64_t seed = log_record_seed(header->log_id, header->generation, at);
        uint32_t number;

        memcpy(&number, record.key.bytes, sizeof number);
        if (record.key.size < sizeof number || number >= IMAGE_KEYS ||
            (!crosses && !log_record_read(slice_of(old->bytes + at, end - at), seed, &record))) {
            memset(ret_doubts, 0, IMAGE_KEYS * sizeof ret_doubts[0]);
            return;
        }
        struct doubt *const doubt = &ret_doubts[number];

        doubt->any = true;
        doubt->crosses = crosses;
        if (!crosses && record.kind == LOG_VALUE) {
            memcpy(&doubt->version, record.object[0].bytes, sizeof doubt->version);
        } else if (!crosses) {
            doubt->version = 0;
        }
        at += record.bytes;
    }
}

// Of the file that was cut, if one was.
static void find_doubts(struct image *damaged, const struct image *before,
                        const struct truth *truth, struct doubt *ret_doubts)
{
    memset(ret_doubts, 0, IMAGE_KEYS * sizeof ret_doubts[0]);
    for (uint32_t i = 0; i < before->count; i++) {
        const struct file *const old = &before->files[i];
        const struct file *const file = image_find(damaged, old->name);
        struct log_frame_header header;

        if (strncmp(old->name, "segment-", 8) != 0 || file == NULL || file->size >= old->size) {
            continue;
        }
        for (size_t at = 0; at < file->size; at += PAGE_BYTES) {
            if (log_frame_open(slice_of(old->bytes + at, old->size - at), truth->log_id, &header) ==
                    LOG_FRAME_DAMAGED &&
                header.offset == at && header.sequence > truth->durable &&
                at + log_frame_span(header.bytes) > file->size) {
                doubt_frame(old, &header, file->size, ret_doubts);
            }
        }
    }
}

static bool is_whole(struct image *image, struct image *before, const struct place *place)
{
    const struct file *const file = image_find(image, place->file);
    const struct file *const old = image_find(before, place->file);

    return place->bytes == 0 ||
           (file != NULL && file->size >= place->offset + place->bytes &&
            memcmp(file->bytes + place->offset, old->bytes + place->offset, place->bytes) == 0);
}

// Whether nothing is left of a record's frame by which anybody could tell that there was one: no
// header, and no record that is whole. Other bytes say nothing: segments are used anew.
static bool is_gone(struct image *image, struct image *before, const struct place *place)
{
    const struct file *const old = image_find(before, place->file);
    struct log_frame_header header;
    struct log_record record;
    struct place part = *place;

    part.offset = place->frame_offset;
    part.bytes = LOG_FRAME_HEADER_BYTES;
    bool gone = !is_whole(image, before, &part);

    (void)log_frame_open(slice_of(old->bytes + part.offset, old->size - part.offset),
                         log_frame_id(old->bytes + part.offset), &header);
    part.offset += LOG_FRAME_HEADER_BYTES;
    for (uint32_t i = 0; gone && i < header.records; i++) {
        cr_assert(
            log_record_parse(slice_of(old->bytes + part.offset, old->size - part.offset), &record));
        part.bytes = record.bytes;
        gone = !is_whole(image, before, &part);
        part.offset += record.bytes;
    }
    return gone;
}

// What opens --------------------------------------------------------------------------------------

static void check_key(struct bench *bench, struct image *damaged, struct image *before,
                      const struct truth *truth, const struct doubt *doubt, uint32_t number,
                      struct tally *tally)
{
    const uint64_t right = truth->version[number];
    const struct place *const place = right != 0 ? &truth->value[number] : &truth->removal[number];
    // What was in flight may count as torn, if that is said. Of a last frame that was overwritten
    // from its beginning to its end nothing is left that could tell: the log ends before it.
    const bool last = place->sequence > truth->durable;
    const bool torn = last && strstr(bench->text, "torn") != NULL;
    const bool whole = is_whole(damaged, before, place) && !torn;
    uint64_t version;
    const enum engine_status status = bench_get(bench, number, &version);

    if (status != ENGINE_ERROR && version == right) {
        tally->exact++;
        return;
    }
    if (doubt->any && bench->damages != 0 &&
        (status == ENGINE_ERROR ? doubt->crosses : version == doubt->version)) {
        tally->doubtful++;
        return;
    }
    // A removal tells no more of a value that cannot be read whether that came before it.
    cr_assert(!whole || (right == 0 && status == ENGINE_ERROR && bench->reports != 0),
              "key %u is not damaged, has version %lu and reads %lu, status %d; said:\n%s", number,
              (unsigned long)right, (unsigned long)version, status, bench->text);
    if (status == ENGINE_ERROR) {
        tally->errors++;
        return;
    }
    cr_assert_lt(version, right != 0 ? right : UINT64_MAX, "key %u: %lu, which it never had",
                 number, (unsigned long)version);
    cr_assert(bench->reports != 0 || (last && is_gone(damaged, before, place)),
              "key %u has lost version %lu and shows %lu, without a word", number,
              (unsigned long)right, (unsigned long)version);
    tally->stale++;
}

// It works on, and what it shows stays: through writes, compaction, and a stop.
static void check_going_on(struct bench *bench, struct random *random)
{
    uint64_t shown[IMAGE_KEYS];
    enum engine_status status[IMAGE_KEYS];
    uint64_t version = UINT64_C(1) << 32;

    for (uint32_t number = 0; number < IMAGE_KEYS; number++) {
        status[number] = bench_get(bench, number, &shown[number]);
    }
    for (uint32_t i = 0; i < 100; i++) {
        const uint32_t number = (uint32_t)random_below(random, IMAGE_KEYS);

        if (bench_put(bench, number, ++version) == ENGINE_OK) {
            status[number] = ENGINE_OK;
            shown[number] = version;
        }
        bench_turn(bench);
    }
    log_verify(bench->engine);
    bench_close(bench);
    bench_open_engine(bench);
    cr_assert_eq(bench->error, 0, "it opened once, and then not: %d", bench->error);
    if (getenv("RLDB_TEST_SAY") != NULL) {
        fprintf(stderr, "again:\n%s", bench->text);
    }
    for (uint32_t number = 0; number < IMAGE_KEYS; number++) {
        uint64_t now;
        const enum engine_status again = bench_get(bench, number, &now);

        cr_assert(again == status[number] && now == shown[number],
                  "key %u had version %lu, status %d, and has %lu, status %d", number,
                  (unsigned long)shown[number], status[number], (unsigned long)now, again);
    }
}

static void check_damaged(struct image *damaged, struct image *before, const struct truth *truth,
                          struct random *random, struct tally *tally)
{
    struct bench *const bench = malloc(sizeof *bench);

    bench_open(bench, random_u64(random), damaged);
    if (getenv("RLDB_TEST_SAY") != NULL) {
        fprintf(stderr, "open: %d\n%s", bench->error, bench->text);
    }
    cr_assert_eq(bench->error, 0, "a damaged directory was not opened: %d", bench->error);
    struct doubt *const doubts = malloc(IMAGE_KEYS * sizeof doubts[0]);

    find_doubts(damaged, before, truth, doubts);
    for (uint32_t number = 0; number < IMAGE_KEYS; number++) {
        check_key(bench, damaged, before, truth, &doubts[number], number, tally);
    }
    free(doubts);
    check_going_on(bench, random);
    bench_done(bench);
    free(bench);
}

static uint64_t number_from(const char *name, uint64_t otherwise)
{
    const char *const text = getenv(name);

    return text != NULL ? strtoull(text, NULL, 10) : otherwise;
}

// One directory, damaged in several ways, one after another.
static void check_image(uint64_t seed, struct tally *tally)
{
    struct image image;
    struct image stale;
    struct truth *const truth = malloc(sizeof *truth);

    workload(seed, &image, &stale);
    find_truth(&image, truth);
    for (uint32_t i = 0; i < DAMAGES_AN_IMAGE; i++) {
        struct random random;
        struct image damaged;
        const enum damage damage = (enum damage)((seed * DAMAGES_AN_IMAGE + i) % DAMAGES);

        random_seed(&random, seed << 8 | i);
        image_copy(&image, &damaged);
        inflict(&random, &damaged, damage, &stale);
        fprintf(stderr, "seed %lu, damage %u: %s\n", (unsigned long)seed, i, damage_names[damage]);
        check_damaged(&damaged, &image, truth, &random, &tally[damage]);
        image_free(&damaged);
    }
    free(truth);
    image_free(&image);
    image_free(&stale);
}

// The long form: RLDB_TEST_IMAGES directories, and RLDB_TEST_SEED for the first of them.
Test(engines_log_damage, is_never_silent)
{
    const uint64_t first = number_from("RLDB_TEST_SEED", 1);
    const uint64_t images = number_from("RLDB_TEST_IMAGES", IMAGES);
    struct tally tally[DAMAGES] = {0};

    for (uint64_t seed = first; seed < first + images; seed++) {
        check_image(seed, tally);
    }
    for (uint32_t i = 0; i < DAMAGES; i++) {
        fprintf(stderr, "%-16s exact %lu, errors %lu, as before %lu, in doubt %lu\n",
                damage_names[i], (unsigned long)tally[i].exact, (unsigned long)tally[i].errors,
                (unsigned long)tally[i].stale, (unsigned long)tally[i].doubtful);
    }
}

// What random damages have found:
// - a removal that compaction had moved took away a record that was put after it, since the stamp
//   of what lies in a damaged frame was not known: of one that was moved itself (23), of one that
//   was not (56);
// - where a frame is lost in the middle of the log, what the stop has torn at its end was applied
//   before what is behind the gap (66, of which a key then could not be read);
// - a checkpoint that was whole as a file, while the stop had cut off frames that it led to, was
//   taken in place of the one that the manifest names, which was missing (550);
// - where a segment's file is lost, what the stop had torn was taken for frames that were in it:
//   shown though it had been cut off (1027), applied before what it comes after (1063);
// - of a frame whose header had a flipped bit in its sequence nothing was read (371);
// - a frame that the stop has torn, in a file that was cut in the midst of it (1364: in doubt).
Test(engines_log_damage, stays_as_it_was_found)
{
    static const uint64_t seeds[] = {23, 56, 66, 371, 550, 1027, 1063, 1364};
    struct tally tally[DAMAGES] = {0};

    for (size_t i = 0; i < sizeof seeds / sizeof seeds[0]; i++) {
        check_image(seeds[i], tally);
    }
}

// Looking and mending
// -------------------------------------------------------------------------------

struct looked {
    struct log_check check;
    uint32_t said;
    uint32_t lost_known;
};

static void look_say(void *context, bool damage, const char *text)
{
    struct looked *const looked = context;

    looked->said += damage ? 1 : 0;
    if (getenv("RLDB_TEST_SAY") != NULL) {
        fprintf(stderr, "%s\n", text);
    }
}

static void look_lost(void *context, uint32_t vnode, struct slice key)
{
    struct looked *const looked = context;

    looked->lost_known += key.bytes != NULL && vnode < IMAGE_VNODES ? 1 : 0;
}

static int look(struct bench *bench, bool mend, struct looked *ret_looked)
{
    const struct io_uring_options uring = {
        .queue_entries = 256, .buffer_count = 16, .buffer_bytes = 4096};
    struct io *const io = sim_core_open(bench->node, &uring);

    *ret_looked = (struct looked){.check = {.io = io,
                                            .directory = "/log",
                                            .mend = mend,
                                            .shards = 1,
                                            .vnodes = IMAGE_VNODES,
                                            .hash_seed = 42,
                                            .context = ret_looked,
                                            .say = look_say,
                                            .lost = look_lost}};
    const int error = log_check_run(&ret_looked->check);

    io_destroy(io);
    return error;
}

static void assert_same(const struct image *a, struct image *b)
{
    cr_assert_eq(a->count, b->count);
    for (uint32_t i = 0; i < a->count; i++) {
        const struct file *const other = image_find(b, a->files[i].name);

        cr_assert(other != NULL && other->size == a->files[i].size &&
                      memcmp(other->bytes, a->files[i].bytes, other->size) == 0,
                  "%s was changed", a->files[i].name);
    }
}

// What a start finds and every key that cannot be read is told by a look, which changes nothing;
// and after mending nothing is left to tell, and no key reads as an error.
Test(engines_log_damage, is_told_and_mended)
{
    uint64_t errors = 0;

    for (uint64_t seed = 100; seed < 100 + number_from("RLDB_TEST_IMAGES", IMAGES); seed++) {
        struct bench *const bench = malloc(sizeof *bench);
        struct image image;
        struct image stale;
        struct image after;
        struct random random;
        struct looked looked;
        uint64_t version;
        uint32_t unreadable = 0;

        random_seed(&random, seed);
        workload(seed, &image, &stale);
        inflict(&random, &image, seed % 2 == 0 ? DAMAGE_CUT : DAMAGE_GARBAGE, &stale);
        bench_open(bench, seed, &image);
        for (uint32_t number = 0; number < IMAGE_KEYS; number++) {
            unreadable += bench_get(bench, number, &version) == ENGINE_ERROR ? 1 : 0;
        }
        bench_done(bench);
        bench_empty(bench, seed, &image);
        const int error = look(bench, false, &looked);

        image_take(bench->node, &after);
        assert_same(&image, &after);
        image_free(&after);
        cr_assert_eq(error, 0);
        cr_assert_eq(looked.check.unreadable, unreadable, "%lu keys told, %u read as errors",
                     (unsigned long)looked.check.unreadable, unreadable);
        cr_assert_eq(look(bench, true, &looked), 0);
        cr_assert_eq(looked.check.unreadable, unreadable);
        cr_assert_eq(look(bench, false, &looked), 0);
        cr_assert_eq(looked.check.unreadable, 0);
        bench_open_engine(bench);
        for (uint32_t number = 0; number < IMAGE_KEYS; number++) {
            cr_assert_neq(bench_get(bench, number, &version), ENGINE_ERROR);
        }
        log_verify(bench->engine);
        errors += unreadable;
        bench_done(bench);
        free(bench);
        image_free(&image);
        image_free(&stale);
    }
    cr_assert_gt(errors, 0);
}

// Without a manifest all keys are found, and mending makes one. Where there is nothing else either,
// nothing is made.
Test(engines_log_damage, is_looked_through_without_a_manifest)
{
    struct bench *const bench = malloc(sizeof *bench);
    struct looked looked;
    struct image image;
    image_simple(true, &image);
    image_remove(&image, image_find(&image, "MANIFEST"));
    bench_empty(bench, 9, &image);
    image_free(&image);
    cr_assert_eq(look(bench, false, &looked), 0);
    cr_assert_eq(looked.check.records, 50);
    cr_assert_gt(looked.check.damages, 0);
    cr_assert_eq(look(bench, true, &looked), 0);
    cr_assert_eq(look(bench, false, &looked), 0);
    cr_assert_eq(looked.check.records, 50);
    cr_assert_eq(looked.check.damages, 0);
    bench_done(bench);
    image = (struct image){0};
    image_put(&image, "notes", (const uint8_t *)"x", 1);
    bench_empty(bench, 9, &image);
    cr_assert_eq(look(bench, true, &looked), -ENOENT);
    image_free(&image);
    image_take(bench->node, &image);
    cr_assert_eq(image.count, 1);
    image_free(&image);
    bench_done(bench);
    free(bench);
}

// A manifest that was put here from another directory says nothing of these segments: they say all
// themselves, to a start, and to who looks and mends.
Test(engines_log_damage, manifest_of_another_log)
{
    for (uint32_t mend = 0; mend < 2; mend++) {
        struct bench *const bench = malloc(sizeof *bench);
        struct looked looked;
        struct image image;

        image_simple(mend == 0, &image);
        struct file *const file = image_find(&image, "MANIFEST");

        file->bytes[16] ^= 1; // the log's id
        file->bytes[40] = 7;  // the shard
        const uint64_t checksum = hash_checksum(file->bytes + 16, file->size - 16);

        memcpy(file->bytes + 8, &checksum, sizeof checksum);
        bench_empty(bench, 9, &image);
        cr_assert_eq(look(bench, false, &looked), 0);
        cr_assert_gt(looked.check.damages, 0);
        cr_assert_eq(looked.check.records, 50);
        if (mend != 0) {
            cr_assert_eq(look(bench, true, &looked), 0);
            cr_assert_eq(look(bench, false, &looked), 0);
            cr_assert_eq(looked.check.damages, 0);
        }
        bench_open_engine(bench);
        cr_assert_eq(bench->error, 0, "%s", bench->text);
        cr_assert_eq(bench->damages != 0, mend == 0);
        bench_assert_there(bench, 0, 50);
        bench_done(bench);
        image_free(&image);
        free(bench);
    }
}
