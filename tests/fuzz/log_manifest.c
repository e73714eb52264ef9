// Manifests of the log engine: hostile bytes, as they are and with a checksum that holds.
#include "engines/log_manifest.h"

#include "core/check.h"
#include "core/hash.h"
#include "engines/log_format.h"

#include <errno.h>
#include <stdint.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

enum { CHECKSUM_AT = 8, CHECKSUM_FROM = 16 };

static void read_all(struct slice bytes)
{
    struct log_manifest manifest;
    struct log_manifest_segment segment;
    struct log_manifest_drop drop;
    const int error = log_manifest_read(bytes, &manifest);

    CHECK(error == 0 || error == -EBADMSG || error == -EPROTONOSUPPORT);
    if (error != 0) {
        return;
    }
    CHECK(log_manifest_bytes(manifest.segments, manifest.drops) == bytes.size);
    CHECK(manifest.vnodes != 0);
    for (uint32_t i = 0; i < manifest.segments; i++) {
        if (log_manifest_read_segment(bytes, i, &segment)) {
            CHECK(segment.number < LOG_SEGMENTS_MAX);
        }
    }
    for (uint32_t i = 0; i < manifest.drops; i++) {
        if (log_manifest_read_drop(bytes, &manifest, i, &drop)) {
            CHECK(drop.vnode < manifest.vnodes && drop.stamp != 0);
        }
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    read_all(slice_of(bytes, size));
    if (size <= CHECKSUM_FROM) {
        return 0;
    }
    uint8_t *const sealed = malloc(size);

    CHECK(sealed != NULL);
    memcpy(sealed, bytes, size);
    const uint64_t checksum = hash_checksum(sealed + CHECKSUM_FROM, size - CHECKSUM_FROM);

    memcpy(sealed + CHECKSUM_AT, &checksum, sizeof checksum);
    read_all(slice_of(sealed, size));
    free(sealed);
    return 0;
}
