// Records of the log engine: hostile bytes. What is read is inside them, and written again it is
// what was read.
#include "core/check.h"
#include "engines/log_format.h"

#include <stdint.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

static void check_same(const struct log_record *a, const struct log_record *b)
{
    CHECK(a->kind == b->kind && a->vnode == b->vnode && a->replaces == b->replaces &&
          a->expire_ms == b->expire_ms && a->stamp == b->stamp && a->bytes == b->bytes &&
          a->large == b->large && a->key.size == b->key.size &&
          a->object[0].size == b->object[0].size);
    CHECK(memcmp(a->key.bytes, b->key.bytes, a->key.size) == 0);
    CHECK(memcmp(a->object[0].bytes, b->object[0].bytes, a->object[0].size) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    enum { SEED = 77 };
    struct log_record record;
    struct log_record again;

    if (log_record_parse_damaged(slice_of(bytes, size), &record)) {
        CHECK(record.key.bytes + record.key.size <= bytes + size);
    }
    (void)log_record_read(slice_of(bytes, size), SEED, &record);
    if (!log_record_parse(slice_of(bytes, size), &record)) {
        return 0;
    }
    CHECK(record.bytes <= size && log_class_bytes(0) > 0);
    CHECK(record.object[0].bytes + record.object[0].size <= bytes + record.bytes);
    // A flag that says that there is a field, which is zero, is not written so again.
    const uint64_t written =
        log_record_bytes(record.key.size, record.object[0].size, record.expire_ms, record.stamp);

    if (written != record.bytes) {
        return 0;
    }
    uint8_t *const to = malloc(written);

    CHECK(to != NULL);
    record.object[1] = slice_of(NULL, 0);
    log_record_write(to, &record, SEED);
    CHECK(log_record_read(slice_of(to, written), SEED, &again));
    check_same(&record, &again);
    to[written / 2] ^= 1;
    CHECK(!log_record_read(slice_of(to, written), SEED, &again));
    free(to);
    return 0;
}
