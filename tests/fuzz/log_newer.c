// How files of later versions are told: hostile bytes. What is told as newer is not read as ours,
// and no bit of what the checksum is of may be another.
#include "core/check.h"
#include "engines/log_format.h"

#include <stdint.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

enum { LOG_ID = 77, CHECKSUM_AT = 8, CHECKED_FROM = 16 };

static void check(struct slice bytes)
{
    struct log_frame_header frame;
    struct log_large_header large;

    CHECK(log_frame_open(bytes, LOG_ID, &frame) != LOG_FRAME_VALID);
    CHECK(!log_large_header_read(bytes, LOG_ID, &large));
}

// As it is, and with a checksum that holds.
int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    uint32_t end;
    const uint32_t version = log_newer_version(slice_of(bytes, size), &end);

    if (log_newer_holds(slice_of(bytes, size), LOG_ID)) {
        CHECK(version > LOG_VERSION && end > CHECKED_FROM && end <= size);
        check(slice_of(bytes, size));
    }
    if (version == 0 || end > size) {
        CHECK(!log_newer_holds(slice_of(bytes, size), LOG_ID));
        return 0;
    }
    uint8_t *const sealed = malloc(size);

    CHECK(sealed != NULL);
    memcpy(sealed, bytes, size);
    const uint64_t checksum = XXH3_64bits_withSeed(sealed + CHECKED_FROM, end - CHECKED_FROM,
                                                   log_version_seed(LOG_ID, version));

    memcpy(sealed + CHECKSUM_AT, &checksum, sizeof checksum);
    CHECK(log_newer_holds(slice_of(sealed, size), LOG_ID));
    check(slice_of(sealed, size));
    for (uint32_t bit = 0; bit < 16; bit++) {
        sealed[4 + bit / 8] ^= (uint8_t)(1U << bit % 8);
        CHECK(!log_newer_holds(slice_of(sealed, size), LOG_ID));
        sealed[4 + bit / 8] ^= (uint8_t)(1U << bit % 8);
    }
    free(sealed);
    return 0;
}
