// The records in which a shard keeps who stamps its writes: hostile bytes.
#include "cluster/identity_record.h"

#include "core/check.h"
#include "core/hlc.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

enum { VNODES = 2 };

// What can be read is written as the same bytes.
static void read_actors(struct slice bytes)
{
    struct actor_table tables[VNODES];

    for (uint32_t i = 0; i < VNODES; i++) {
        actor_table_init(&tables[i]);
    }
    if (identity_actors_read(bytes, tables, VNODES)) {
        const size_t size = identity_actors_bytes(tables, VNODES);
        uint8_t *const written = malloc(size);

        CHECK(written != NULL && size == bytes.size);
        identity_actors_write(written, size, tables, VNODES);
        CHECK(memcmp(written, bytes.bytes, size) == 0);
        free(written);
    }
    for (uint32_t i = 0; i < VNODES; i++) {
        actor_table_free(&tables[i]);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    const struct slice all = slice_of(bytes, size);
    uint64_t lease = 77;
    uint64_t life = 77;

    read_actors(all);
    if (identity_lease_read(all, &lease)) {
        CHECK(size == IDENTITY_LEASE_BYTES && hlc_ms(lease) < HLC_MS_MAX);
    } else {
        CHECK(lease == 77);
    }
    if (identity_life_read(all, &life)) {
        CHECK(size == IDENTITY_LIFE_BYTES);
    } else {
        CHECK(life == 77);
    }
    return 0;
}
