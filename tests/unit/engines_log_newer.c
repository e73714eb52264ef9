// Files of the log engine that a later version has written: refused by name, and left alone.
#include "engines/log_manifest.h"
#include "tests/unit/engines_log_image.h"

#include <errno.h>

enum { VERSION_AT = 4, NEWER = LOG_VERSION + 6 };

static uint64_t log_id_of(struct image *image)
{
    const struct file *const file = image_find(image, "MANIFEST");
    struct log_manifest manifest;

    cr_assert_eq(log_manifest_read(slice_of(file->bytes, file->size), &manifest), 0);
    return manifest.log_id;
}

// As a later version would have begun the file.
static void make_newer(struct file *file, uint64_t log_id)
{
    const uint16_t version = NEWER;
    uint32_t end;

    memcpy(file->bytes + VERSION_AT, &version, sizeof version);
    cr_assert_eq(log_newer_version(slice_of(file->bytes, file->size), &end), NEWER);
    cr_assert_leq(end, file->size);
    const uint64_t checksum =
        XXH3_64bits_withSeed(file->bytes + 16, end - 16, log_version_seed(log_id, NEWER));

    memcpy(file->bytes + 8, &checksum, sizeof checksum);
    cr_assert(log_newer_holds(slice_of(file->bytes, file->size), log_id));
}

static struct file *first_of(struct image *image, const char *prefix)
{
    for (uint32_t i = 0; i < image->count; i++) {
        if (strncmp(image->files[i].name, prefix, strlen(prefix)) == 0 &&
            image->files[i].size >= LOG_BLOCK_BYTES && image->files[i].bytes[0] != 0) {
            return &image->files[i];
        }
    }
    cr_assert(false, "no %s", prefix);
    return NULL;
}

// A directory of every kind of file.
static void image_all(struct image *ret_image)
{
    static const char name[] = "large-0000000000000009";
    const struct log_large_header header = {
        .number = 9, .object_bytes = 100, .vnode = 1, .key = slice_from_text("key")};
    uint8_t bytes[2 * LOG_BLOCK_BYTES] = {0};

    image_simple(true, ret_image);
    memcpy(bytes + LOG_LARGE_HEADER_BYTES, header.key.bytes, header.key.size);
    log_large_header_write(bytes, &header, log_id_of(ret_image));
    image_put(ret_image, name, bytes, sizeof bytes);
}

static void check_same(struct bench *bench, struct image *image)
{
    struct image after;

    image_take(bench->node, &after);
    cr_assert_eq(after.count, image->count);
    for (uint32_t i = 0; i < after.count; i++) {
        const struct file *const file = image_find(image, after.files[i].name);

        cr_assert(file != NULL && file->size == after.files[i].size &&
                      memcmp(file->bytes, after.files[i].bytes, file->size) == 0,
                  "%s was changed", after.files[i].name);
    }
    image_free(&after);
}

// Opens it. Said: what has to be in the report; NULL where it is to be opened.
static void check_open(struct image *image, const char *said)
{
    struct bench *const bench = malloc(sizeof *bench);

    bench_open(bench, 3, image);
    if (said != NULL) {
        cr_assert_eq(bench->error, -EPROTONOSUPPORT, "%d: %s", bench->error, bench->text);
        cr_assert_not_null(strstr(bench->text, said), "%s", bench->text);
        cr_assert_eq(bench->damages, 0);
        check_same(bench, image);
    } else {
        cr_assert_eq(bench->error, 0, "%d: %s", bench->error, bench->text);
        cr_assert_null(strstr(bench->text, "newer"), "%s", bench->text);
    }
    bench_done(bench);
    free(bench);
}

static void check_kind(const char *prefix)
{
    struct image image;
    char said[160];

    image_all(&image);
    struct file *const file = first_of(&image, prefix);

    (void)snprintf(said, sizeof said,
                   "%s was written by a newer version of rldb (its format is %u, this one reads "
                   "up to %u)",
                   file->name, (uint32_t)NEWER, (uint32_t)LOG_VERSION);
    // A flipped bit in the version of this format is damage.
    for (uint32_t bit = 0; bit < 16; bit++) {
        file->bytes[VERSION_AT + bit / 8] ^= (uint8_t)(1U << bit % 8);
        check_open(&image, NULL);
        file->bytes[VERSION_AT + bit / 8] ^= (uint8_t)(1U << bit % 8);
    }
    make_newer(file, log_id_of(&image));
    check_open(&image, said);
    // And so is one in a newer one.
    file->bytes[20] ^= 4;
    check_open(&image, NULL);
    file->bytes[20] ^= 4;
    // Nothing else says what it is of.
    image_remove(&image, image_find(&image, "MANIFEST"));
    check_open(&image, said);
    image_put(&image, "MANIFEST", (const uint8_t *)"junk", 4);
    check_open(&image, said);
    image_free(&image);
}

Test(engines_log_newer, segment)
{
    check_kind("segment-");
}

Test(engines_log_newer, checkpoint)
{
    check_kind("checkpoint-");
}

Test(engines_log_newer, large_value)
{
    check_kind("large-");
}

// Many are not told one by one.
Test(engines_log_newer, many)
{
    struct image image;
    char name[32];

    image_all(&image);
    struct file *file = first_of(&image, "large-");

    make_newer(file, log_id_of(&image));
    for (uint32_t i = 0; i < 20; i++) {
        (void)snprintf(name, sizeof name, "large-%016x", 100 + i);
        file = first_of(&image, "large-");
        image_put(&image, name, file->bytes, file->size);
    }
    check_open(&image, "and 13 more files were");
    image_free(&image);
}

// What is no file of the log, or is too short, says nothing.
Test(engines_log_newer, others)
{
    struct image image;

    image_all(&image);
    const uint64_t log_id = log_id_of(&image);
    struct file *file = first_of(&image, "segment-");

    image_put(&image, "aside-0-segment-00000", file->bytes, file->size);
    image_put(&image, "notes", file->bytes, file->size);
    make_newer(image_find(&image, "aside-0-segment-00000"), log_id);
    make_newer(image_find(&image, "notes"), log_id);
    image_put(&image, "large-00000000000000aa", (const uint8_t *)"rlLV\2", 5);
    check_open(&image, NULL);
    image_free(&image);
}
