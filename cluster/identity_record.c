#include "cluster/identity_record.h"

#include "core/check.h"
#include "core/codec.h"
#include "core/hlc.h"
#include "core/limits.h"

enum { ACTOR_BYTES = 12 };

const char IDENTITY_KEY_ACTORS[] = "actors";
const char IDENTITY_KEY_LEASE[] = "lease";
const char IDENTITY_KEY_LIFE[] = "life";

uint32_t identity_record_newer(struct slice bytes)
{
    struct codec_reader reader = codec_reader_of(bytes);
    const uint32_t version = codec_read_u32(&reader);
    return version > IDENTITY_VERSION ? version : 0;
}

size_t identity_actors_bytes(const struct actor_table *tables, uint32_t vnodes)
{
    size_t size = 8 + (size_t)vnodes * 4;
    for (uint32_t vnode = 0; vnode < vnodes; vnode++) {
        size += (size_t)tables[vnode].count * ACTOR_BYTES;
    }
    return size;
}

void identity_actors_write(uint8_t *bytes, size_t size, const struct actor_table *tables,
                           uint32_t vnodes)
{
    struct codec_writer writer = codec_writer_of(bytes, size);
    codec_write_u32(&writer, IDENTITY_VERSION);
    codec_write_u32(&writer, vnodes);
    for (uint32_t vnode = 0; vnode < vnodes; vnode++) {
        const struct actor_table *actors = &tables[vnode];
        codec_write_u32(&writer, actors->count);
        for (uint32_t i = 0; i < actors->count; i++) {
            codec_write_u64(&writer, actors->ids[i].vnode_id);
            codec_write_u32(&writer, actors->ids[i].incarnation);
        }
    }
    CHECK(codec_writer_size(&writer) == size);
}

static bool identity_read_table(struct codec_reader *reader, struct actor_table *actors)
{
    uint32_t count = codec_read_u32(reader);
    if (count > LIMIT_ACTORS) {
        return false;
    }
    for (uint32_t i = 0; i < count; i++) {
        struct actor_id id = {.vnode_id = codec_read_u64(reader),
                              .incarnation = codec_read_u32(reader)};
        uint32_t index;
        if (reader->failed || actor_table_enter(actors, &id, &index) < 0) {
            return false;
        }
    }
    return actors->count == count; // none twice
}

bool identity_actors_read(struct slice bytes, struct actor_table *tables, uint32_t vnodes)
{
    struct codec_reader reader = codec_reader_of(bytes);
    bool valid = codec_read_u32(&reader) == IDENTITY_VERSION && codec_read_u32(&reader) == vnodes;
    for (uint32_t vnode = 0; valid && vnode < vnodes; vnode++) {
        valid = identity_read_table(&reader, &tables[vnode]);
    }
    return valid && codec_reader_done(&reader);
}

void identity_lease_write(uint8_t ret_bytes[IDENTITY_LEASE_BYTES], uint64_t lease)
{
    struct codec_writer writer = codec_writer_of(ret_bytes, IDENTITY_LEASE_BYTES);
    codec_write_u32(&writer, IDENTITY_VERSION);
    codec_write_u32(&writer, 0);
    codec_write_u64(&writer, lease);
}

bool identity_lease_read(struct slice bytes, uint64_t *ret_lease)
{
    struct codec_reader reader = codec_reader_of(bytes);
    bool valid = codec_read_u32(&reader) == IDENTITY_VERSION;
    (void)codec_read_u32(&reader);
    uint64_t lease = codec_read_u64(&reader);
    valid = valid && codec_reader_done(&reader) && hlc_ms(lease) < HLC_MS_MAX;
    if (valid) {
        *ret_lease = lease;
    }
    return valid;
}

void identity_life_write(uint8_t ret_bytes[IDENTITY_LIFE_BYTES], uint64_t snapshot)
{
    struct codec_writer writer = codec_writer_of(ret_bytes, IDENTITY_LIFE_BYTES);
    codec_write_u32(&writer, IDENTITY_VERSION);
    codec_write_u32(&writer, 0);
    codec_write_u64(&writer, snapshot);
}

bool identity_life_read(struct slice bytes, uint64_t *ret_snapshot)
{
    struct codec_reader reader = codec_reader_of(bytes);
    bool valid = codec_read_u32(&reader) == IDENTITY_VERSION;
    (void)codec_read_u32(&reader);
    uint64_t snapshot = codec_read_u64(&reader);
    valid = valid && codec_reader_done(&reader);
    if (valid) {
        *ret_snapshot = snapshot;
    }
    return valid;
}

int identity_enter_apart(struct actor_table *table, struct random *random)
{
    const struct actor_id id = {.vnode_id = random_u64(random), .incarnation = 1};
    uint32_t index;
    return actor_table_enter(table, &id, &index);
}

int identity_enter_next(struct actor_table *table, struct random *random)
{
    struct actor_id id = {.vnode_id = random_u64(random)};
    uint32_t index;
    if (table->count != 0) {
        id = *actor_table_id(table, table->count - 1);
    }
    id.incarnation++;
    return actor_table_enter(table, &id, &index);
}
