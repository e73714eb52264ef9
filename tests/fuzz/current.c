// CURRENT of a data directory: hostile bytes, as they are and with a checksum that holds.
#include "cluster/data_dir.h"

#include "core/check.h"
#include "core/hash.h"

#include <errno.h>
#include <stdint.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

enum { CURRENT_BYTES_VERSION_1 = 116, VERSION_AT = 8, CHECKSUM_AT = 16, CHECKED_FROM = 24 };

// What can be read says the same when it is written again, in the newest version.
static void read_it(struct slice bytes)
{
    struct data_identity identity = {.generation = 77};
    struct data_identity again;
    uint8_t written[DATA_DIR_CURRENT_BYTES];
    const int error = data_dir_read_current(bytes, &identity);

    CHECK(error == 0 || error == -EBADMSG || error == -EPROTONOSUPPORT);
    if (error != 0) {
        CHECK(identity.generation == 77);
        return;
    }
    const uint8_t version = bytes.bytes[VERSION_AT];

    CHECK((version == 1 && bytes.size == CURRENT_BYTES_VERSION_1 && identity.snapshot == 0) ||
          (version == 2 && bytes.size == DATA_DIR_CURRENT_BYTES));
    data_dir_write_current(written, &identity);
    CHECK(memcmp(written + CHECKED_FROM, bytes.bytes + CHECKED_FROM, bytes.size - CHECKED_FROM) ==
          0);
    CHECK(data_dir_read_current(slice_of(written, sizeof written), &again) == 0);
    CHECK(again.snapshot == identity.snapshot && again.shards == identity.shards);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    uint8_t sealed[2 * DATA_DIR_CURRENT_BYTES];

    read_it(slice_of(bytes, size));
    if (size <= CHECKED_FROM || size > sizeof sealed) {
        return 0;
    }
    memcpy(sealed, bytes, size);
    const uint64_t checksum = hash_checksum(sealed + CHECKED_FROM, size - CHECKED_FROM);

    memcpy(sealed + CHECKSUM_AT, &checksum, sizeof checksum);
    read_it(slice_of(sealed, size));
    return 0;
}
