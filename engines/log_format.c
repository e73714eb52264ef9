#include "engines/log_format.h"

#include "core/codec.h"
#include "core/planted.h"

enum { FRAME_ID_AT = 80, CHECKSUM_FROM = 16 };

// Versions ---------------------------------------------------------------------------------------

enum {
    VERSION_AT = 4,
    CHECKSUM_AT = 8,
    FRAME_BYTES_AT = 40,
    CHECKPOINT_BYTES_AT = 28,
    LARGE_HEADER_BYTES_AT = 6,
    LARGE_KEY_BYTES_AT = 44,
};

static_assert((int)LOG_NEWER_LOOK_BYTES >= (int)FRAME_ID_AT + 8, "a frame's id is among them");

static bool begins_with(struct slice bytes, const char *magic)
{
    return memcmp(bytes.bytes, magic, LOG_MAGIC_BYTES) == 0;
}

static uint32_t u32_at(struct slice bytes, size_t at)
{
    uint32_t number;

    memcpy(&number, bytes.bytes + at, sizeof number);
    return number;
}

static uint32_t u16_at(struct slice bytes, size_t at)
{
    uint16_t number;

    memcpy(&number, bytes.bytes + at, sizeof number);
    return number;
}

// Where the bytes end that a checksum is of; 0 in a file of none of these kinds.
static uint64_t end_of(struct slice bytes)
{
    if (begins_with(bytes, LOG_MAGIC_FRAME)) {
        return u32_at(bytes, FRAME_BYTES_AT);
    }
    if (begins_with(bytes, LOG_MAGIC_CHECKPOINT)) {
        return u32_at(bytes, CHECKPOINT_BYTES_AT);
    }
    if (begins_with(bytes, LOG_MAGIC_LARGE)) {
        return (uint64_t)u16_at(bytes, LARGE_HEADER_BYTES_AT) + u32_at(bytes, LARGE_KEY_BYTES_AT);
    }
    return 0;
}

uint32_t log_newer_version(struct slice bytes, uint32_t *ret_end)
{
    if (bytes.size < LOG_NEWER_LOOK_BYTES) {
        return 0;
    }
    const uint32_t version = u16_at(bytes, VERSION_AT);
    const uint64_t end = end_of(bytes);

    if (version <= LOG_VERSION || end <= CHECKSUM_FROM || end > LOG_SEGMENT_BYTES_MAX) {
        return 0;
    }
    *ret_end = (uint32_t)end;
    return version;
}

bool log_newer_holds(struct slice bytes, uint64_t log_id)
{
    uint32_t end;
    uint64_t checksum;
    const uint32_t version = log_newer_version(bytes, &end);

    if (version == 0 || end > bytes.size) {
        return false;
    }
    memcpy(&checksum, bytes.bytes + CHECKSUM_AT, sizeof checksum);
    return XXH3_64bits_withSeed(bytes.bytes + CHECKSUM_FROM, end - CHECKSUM_FROM,
                                log_version_seed(log_id, version)) == checksum;
}

// Frames ------------------------------------------------------------------------------------------

static uint64_t frame_checksum(const uint8_t *frame, uint32_t bytes, uint64_t log_id)
{
    return XXH3_64bits_withSeed(frame + CHECKSUM_FROM, bytes - CHECKSUM_FROM,
                                log_version_seed(log_id, LOG_VERSION));
}

uint64_t log_frame_seal(uint8_t *frame, struct log_frame_header *header)
{
    CHECK(header->bytes >= LOG_FRAME_HEADER_BYTES && header->offset % LOG_BLOCK_BYTES == 0);
    struct codec_writer writer = codec_writer_of(frame, LOG_FRAME_HEADER_BYTES);

    codec_write_bytes(&writer, LOG_MAGIC_FRAME, LOG_MAGIC_BYTES);
    codec_write_u16(&writer, LOG_VERSION);
    codec_write_u16(&writer, LOG_FRAME_HEADER_BYTES);
    codec_write_u64(&writer, 0);
    codec_write_u64(&writer, header->sequence);
    codec_write_u64(&writer, header->generation);
    codec_write_u32(&writer, header->segment);
    codec_write_u32(&writer, header->offset / LOG_BLOCK_BYTES);
    codec_write_u32(&writer, header->bytes);
    codec_write_u32(&writer, header->records);
    codec_write_u64(&writer, header->epoch);
    codec_write_u64(&writer, header->previous_checksum);
    codec_write_u64(&writer, header->durable);
    codec_write_u64(&writer, header->stamp);
    codec_write_u64(&writer, header->log_id);
    codec_write_u64(&writer, 0);
    CHECK(!writer.failed && writer.at == writer.end);
    memset(frame + header->bytes, 0, log_frame_span(header->bytes) - header->bytes);
    header->checksum = frame_checksum(frame, header->bytes, header->log_id);
    memcpy(frame + CHECKSUM_AT, &header->checksum, sizeof header->checksum);
    return header->checksum;
}

enum log_frame_status log_frame_open(struct slice bytes, uint64_t log_id,
                                     struct log_frame_header *ret_header)
{
    struct codec_reader reader = codec_reader_of(bytes);
    const struct slice magic = codec_read_bytes(&reader, LOG_MAGIC_BYTES);
    const uint16_t version = codec_read_u16(&reader);
    const uint16_t header_bytes = codec_read_u16(&reader);
    struct log_frame_header header;

    header.checksum = codec_read_u64(&reader);
    header.sequence = codec_read_u64(&reader);
    header.generation = codec_read_u64(&reader);
    header.segment = codec_read_u32(&reader);
    const uint32_t block = codec_read_u32(&reader);
    header.bytes = codec_read_u32(&reader);
    header.records = codec_read_u32(&reader);
    header.epoch = codec_read_u64(&reader);
    header.previous_checksum = codec_read_u64(&reader);
    header.durable = codec_read_u64(&reader);
    header.stamp = codec_read_u64(&reader);
    header.log_id = codec_read_u64(&reader);
    const uint64_t zero = codec_read_u64(&reader);

    if (reader.failed || !begins_with(magic, LOG_MAGIC_FRAME) || header.log_id != log_id) {
        return LOG_FRAME_NONE;
    }
    header.offset = block * (uint32_t)LOG_BLOCK_BYTES;
    *ret_header = header;
    if (version != LOG_VERSION || header_bytes != LOG_FRAME_HEADER_BYTES || zero != 0 ||
        block >= LOG_SEGMENT_BYTES_MAX / LOG_BLOCK_BYTES || header.segment >= LOG_SEGMENTS_MAX ||
        header.bytes < LOG_FRAME_HEADER_BYTES || header.bytes > LOG_SEGMENT_BYTES_MAX) {
        return LOG_FRAME_DAMAGED;
    }
    if (log_frame_span(header.bytes) > bytes.size) {
        return LOG_FRAME_CUT;
    }
    return frame_checksum(bytes.bytes, header.bytes, log_id) == header.checksum ? LOG_FRAME_VALID
                                                                                : LOG_FRAME_DAMAGED;
}

bool log_frame_is_any(struct slice bytes)
{
    return bytes.size >= LOG_FRAME_HEADER_BYTES && begins_with(bytes, LOG_MAGIC_FRAME);
}

uint64_t log_frame_id(const uint8_t *frame)
{
    uint64_t log_id;

    memcpy(&log_id, frame + FRAME_ID_AT, sizeof log_id);
    return log_id;
}

static uint8_t *put(uint8_t *to, const void *bytes, size_t size)
{
    if (size != 0) {
        memcpy(to, bytes, size);
    }
    return to + size;
}

static uint32_t record_checksum(const uint8_t *at, size_t bytes, uint64_t seed)
{
    return (uint32_t)XXH3_64bits_withSeed(at + 4, bytes - 4, seed);
}

struct slice log_record_write(uint8_t *at, const struct log_record *record, uint64_t seed)
{
    const uint32_t key_bytes = (uint32_t)record->key.size;
    const size_t head_bytes = record->object[0].size + record->object[1].size;
    const uint32_t object_bytes = (uint32_t)(head_bytes + record->object[2].size);
    const uint64_t bytes =
        log_record_bytes(key_bytes, object_bytes, record->expire_ms, record->stamp);
    uint8_t *const object = at + LOG_RECORD_HEADER_BYTES + (record->expire_ms != 0 ? 8 : 0) +
                            (record->stamp != 0 ? 8 : 0) + key_bytes;
    uint8_t *to = at + 4;

    CHECK(record->key.size <= LOG_KEY_BYTES_MAX && record->vnode <= UINT16_MAX);
    if (record->object[2].size != 0) {
        memmove(object + head_bytes, record->object[2].bytes, record->object[2].size);
    }
    *to++ = (uint8_t)((uint32_t)record->kind | (record->expire_ms != 0 ? LOG_EXPIRES : 0U) |
                      (record->stamp != 0 ? LOG_STAMPED : 0U) | (record->large ? LOG_LARGE : 0U));
    to = put(to, &record->replaces, 5);
    to = put(to, &record->vnode, 2);
    to = put(to, &key_bytes, 2);
    to = put(to, &object_bytes, 4);
    to = put(to, &record->expire_ms, record->expire_ms != 0 ? 8 : 0);
    to = put(to, &record->stamp, record->stamp != 0 ? 8 : 0);
    to = put(to, record->key.bytes, key_bytes);
    CHECK(to == object);
    to = put(to, record->object[0].bytes, record->object[0].size);
    to = put(to, record->object[1].bytes, record->object[1].size);
    to += record->object[2].size;
    memset(to, 0, (size_t)(at + bytes - to));

    const uint32_t checksum = record_checksum(at, bytes, seed);

    memcpy(at, &checksum, sizeof checksum);
    return slice_of(object, object_bytes);
}

// The fixed part of a record, as far as nothing tells whether it is one.
struct record_head {
    struct log_record record; // kind, large, replaces, vnode
    uint32_t flags;
    size_t bytes; // up to the key
    uint16_t key_bytes;
    uint32_t object_bytes;
};

static bool record_head_read(struct slice bytes, struct record_head *ret_head)
{
    if (bytes.size < LOG_RECORD_HEADER_BYTES) {
        return false;
    }
    const uint8_t *const at = bytes.bytes;
    const uint32_t flags = at[4];
    struct record_head head = {
        .flags = flags,
        .bytes = LOG_RECORD_HEADER_BYTES + ((flags & LOG_EXPIRES) != 0 ? 8U : 0U) +
                 ((flags & LOG_STAMPED) != 0 ? 8U : 0U),
        .record = {.kind = (enum log_kind)(flags & LOG_KIND_MASK),
                   .large = (flags & LOG_LARGE) != 0},
    };
    uint16_t vnode;

    memcpy(&head.record.replaces, at + 5, 5);
    memcpy(&vnode, at + 10, 2);
    memcpy(&head.key_bytes, at + 12, 2);
    memcpy(&head.object_bytes, at + 14, 4);
    head.record.vnode = vnode;
    *ret_head = head;
    return true;
}

bool log_record_parse(struct slice bytes, struct log_record *ret_record)
{
    struct record_head head;

    if (!record_head_read(bytes, &head)) {
        return false;
    }
    struct log_record record = head.record;
    const uint64_t used = head.bytes + head.key_bytes + (uint64_t)head.object_bytes;
    const uint64_t size = (used + (LOG_RECORD_ALIGN - 1)) & ~(uint64_t)(LOG_RECORD_ALIGN - 1);

    if ((head.flags & ~(uint32_t)LOG_FLAGS_KNOWN) != 0 || record.kind < LOG_VALUE ||
        record.kind > LOG_DROP || size > bytes.size) {
        return false;
    }
    const uint8_t *from = bytes.bytes + LOG_RECORD_HEADER_BYTES;

    if ((head.flags & LOG_EXPIRES) != 0) {
        memcpy(&record.expire_ms, from, 8);
        from += 8;
    }
    if ((head.flags & LOG_STAMPED) != 0) {
        memcpy(&record.stamp, from, 8);
        from += 8;
    }
    record.key = slice_of(from, head.key_bytes);
    record.object[0] = slice_of(from + head.key_bytes, head.object_bytes);
    record.bytes = (uint32_t)size;
    *ret_record = record;
    return true;
}

bool log_record_parse_damaged(struct slice bytes, struct log_record *ret_record)
{
    struct record_head head;

    if (!record_head_read(bytes, &head) || head.record.kind < LOG_VALUE ||
        head.record.kind > LOG_REMOVAL || head.bytes + head.key_bytes > bytes.size) {
        return false;
    }
    *ret_record = head.record;
    ret_record->key = slice_of(bytes.bytes + head.bytes, head.key_bytes);
    ret_record->bytes = (uint32_t)bytes.size;
    return true;
}

bool log_record_read(struct slice bytes, uint64_t seed, struct log_record *ret_record)
{
    struct log_record record;
    uint32_t checksum;

    if (!log_record_parse(bytes, &record)) {
        return false;
    }
    memcpy(&checksum, bytes.bytes, sizeof checksum);
    if (record_checksum(bytes.bytes, record.bytes, seed) != checksum &&
        !planted(PLANTED_IGNORE_CHECKSUM)) {
        return false;
    }
    *ret_record = record;
    return true;
}

bool log_frame_each(const uint8_t *frame, const struct log_frame_header *header,
                    log_record_fn *each, void *context)
{
    uint32_t at = LOG_FRAME_HEADER_BYTES;
    uint64_t stamp = header->stamp;

    for (uint32_t i = 0; i < header->records; i++) {
        struct log_record record;

        if (!log_record_parse(slice_of(frame + at, header->bytes - at), &record)) {
            return false;
        }
        const uint64_t own = record.stamp != 0 ? record.stamp : stamp++;

        if (!each(context, &record, own, header->offset + at)) {
            return true;
        }
        at += record.bytes;
    }
    return at == header->bytes;
}

// Large values -----------------------------------------------------------------------------------

static uint64_t large_checksum(const uint8_t *at, size_t bytes, uint64_t log_id)
{
    return XXH3_64bits_withSeed(at + CHECKSUM_FROM, bytes - CHECKSUM_FROM,
                                log_version_seed(log_id, LOG_VERSION));
}

void log_large_header_write(uint8_t *at, const struct log_large_header *header, uint64_t log_id)
{
    struct codec_writer writer = codec_writer_of(at, LOG_LARGE_HEADER_BYTES);

    codec_write_bytes(&writer, LOG_MAGIC_LARGE, LOG_MAGIC_BYTES);
    codec_write_u16(&writer, LOG_VERSION);
    codec_write_u16(&writer, LOG_LARGE_HEADER_BYTES);
    codec_write_u64(&writer, 0);
    codec_write_u64(&writer, header->number);
    codec_write_u64(&writer, header->object_bytes);
    codec_write_u64(&writer, header->checksum);
    codec_write_u32(&writer, header->vnode);
    codec_write_u32(&writer, (uint32_t)header->key.size);
    codec_write_u64(&writer, 0);
    codec_write_u64(&writer, 0);
    CHECK(!writer.failed && writer.at == writer.end);

    const uint64_t checksum = large_checksum(at, LOG_LARGE_HEADER_BYTES + header->key.size, log_id);

    memcpy(at + CHECKSUM_AT, &checksum, sizeof checksum);
}

bool log_large_header_read(struct slice bytes, uint64_t log_id, struct log_large_header *ret_header)
{
    struct codec_reader reader = codec_reader_of(bytes);
    const struct slice found_magic = codec_read_bytes(&reader, LOG_MAGIC_BYTES);
    const uint16_t version = codec_read_u16(&reader);
    const uint16_t header_bytes = codec_read_u16(&reader);
    const uint64_t checksum = codec_read_u64(&reader);
    struct log_large_header header;

    header.number = codec_read_u64(&reader);
    header.object_bytes = codec_read_u64(&reader);
    header.checksum = codec_read_u64(&reader);
    header.vnode = codec_read_u32(&reader);
    const uint32_t key_bytes = codec_read_u32(&reader);

    if (reader.failed || !begins_with(found_magic, LOG_MAGIC_LARGE) || version != LOG_VERSION ||
        header_bytes != LOG_LARGE_HEADER_BYTES || key_bytes > LOG_KEY_BYTES_MAX ||
        bytes.size < LOG_LARGE_HEADER_BYTES + (size_t)key_bytes) {
        return false;
    }
    const uint8_t *const at = bytes.bytes;

    if (large_checksum(at, LOG_LARGE_HEADER_BYTES + (size_t)key_bytes, log_id) != checksum) {
        return false;
    }
    header.key = slice_of(at + LOG_LARGE_HEADER_BYTES, key_bytes);
    *ret_header = header;
    return true;
}
