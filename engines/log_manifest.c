#include "engines/log_manifest.h"

#include "core/codec.h"
#include "core/hash.h"
#include "engines/log_format.h"

#include <errno.h>

enum { CHECKSUM_FROM = 16 };

static const uint8_t manifest_magic[4] = {'r', 'l', 'M', 'F'};

void log_manifest_write(uint8_t *bytes, const struct log_manifest *manifest)
{
    struct codec_writer writer = codec_writer_of(bytes, LOG_MANIFEST_HEADER_BYTES);

    codec_write_bytes(&writer, manifest_magic, sizeof manifest_magic);
    codec_write_u16(&writer, LOG_VERSION);
    codec_write_u16(&writer, (uint16_t)~LOG_VERSION);
    codec_write_u64(&writer, 0);
    codec_write_u64(&writer, manifest->log_id);
    codec_write_u64(&writer, manifest->hash_seed);
    codec_write_u32(&writer, manifest->vnodes);
    codec_write_u32(&writer, manifest->segment_bytes);
    codec_write_u32(&writer, manifest->shard);
    codec_write_u32(&writer, manifest->shards);
    codec_write_u64(&writer, manifest->epoch);
    codec_write_u64(&writer, manifest->generation);
    codec_write_u64(&writer, manifest->durable);
    codec_write_u64(&writer, manifest->stamp);
    codec_write_u64(&writer, manifest->checkpoint);
    codec_write_u64(&writer, manifest->checkpoint_sequence);
    codec_write_u32(&writer, manifest->segments);
    codec_write_u32(&writer, manifest->drops);
    CHECK(!writer.failed && writer.at == writer.end);
}

void log_manifest_write_segment(uint8_t *bytes, uint32_t index,
                                const struct log_manifest_segment *segment)
{
    struct codec_writer writer =
        codec_writer_of(bytes + log_manifest_bytes(index, 0), LOG_MANIFEST_SEGMENT_BYTES);

    codec_write_u32(&writer, segment->number);
    codec_write_u8(&writer, (uint8_t)segment->state);
    codec_write_bytes(&writer, "\0\0\0", 3);
    codec_write_u64(&writer, segment->generation);
    codec_write_u64(&writer, segment->sequence_first);
    codec_write_u64(&writer, segment->sequence_last);
    codec_write_u64(&writer, segment->used);
    codec_write_u64(&writer, segment->stamp_min);
    codec_write_u64(&writer, segment->removal_stamp_max);
    codec_write_u64(&writer, segment->filled);
    CHECK(!writer.failed && writer.at == writer.end);
}

void log_manifest_write_drop(uint8_t *bytes, uint32_t segments, uint32_t index,
                             const struct log_manifest_drop *drop)
{
    struct codec_writer writer =
        codec_writer_of(bytes + log_manifest_bytes(segments, index), LOG_MANIFEST_DROP_BYTES);

    codec_write_u32(&writer, drop->vnode);
    codec_write_u32(&writer, 0);
    codec_write_u64(&writer, drop->stamp);
    CHECK(!writer.failed && writer.at == writer.end);
}

void log_manifest_seal(uint8_t *bytes, size_t size)
{
    const uint64_t checksum = hash_checksum(bytes + CHECKSUM_FROM, size - CHECKSUM_FROM);

    memcpy(bytes + 8, &checksum, sizeof checksum);
}

int log_manifest_read(struct slice bytes, struct log_manifest *ret_manifest)
{
    struct codec_reader reader = codec_reader_of(bytes);
    struct log_manifest manifest;
    const struct slice magic = codec_read_bytes(&reader, sizeof manifest_magic);
    const uint16_t version = codec_read_u16(&reader);
    const uint16_t complement = codec_read_u16(&reader);
    const uint64_t checksum = codec_read_u64(&reader);

    manifest.log_id = codec_read_u64(&reader);
    manifest.hash_seed = codec_read_u64(&reader);
    manifest.vnodes = codec_read_u32(&reader);
    manifest.segment_bytes = codec_read_u32(&reader);
    manifest.shard = codec_read_u32(&reader);
    manifest.shards = codec_read_u32(&reader);
    manifest.epoch = codec_read_u64(&reader);
    manifest.generation = codec_read_u64(&reader);
    manifest.durable = codec_read_u64(&reader);
    manifest.stamp = codec_read_u64(&reader);
    manifest.checkpoint = codec_read_u64(&reader);
    manifest.checkpoint_sequence = codec_read_u64(&reader);
    manifest.segments = codec_read_u32(&reader);
    manifest.drops = codec_read_u32(&reader);

    if (reader.failed || memcmp(magic.bytes, manifest_magic, sizeof manifest_magic) != 0 ||
        (version ^ complement) != UINT16_MAX) {
        return -EBADMSG;
    }
    if (version > LOG_VERSION) {
        return -EPROTONOSUPPORT;
    }
    if (version == 0 || manifest.segments > LOG_SEGMENTS_MAX || manifest.drops > manifest.vnodes ||
        bytes.size != log_manifest_bytes(manifest.segments, manifest.drops) ||
        hash_checksum(bytes.bytes + CHECKSUM_FROM, bytes.size - CHECKSUM_FROM) != checksum ||
        manifest.segment_bytes > LOG_SEGMENT_BYTES_MAX || manifest.segment_bytes == 0 ||
        manifest.segment_bytes % LOG_BLOCK_BYTES != 0 || manifest.vnodes == 0) {
        return -EBADMSG;
    }
    *ret_manifest = manifest;
    return 0;
}

bool log_manifest_read_segment(struct slice bytes, uint32_t index,
                               struct log_manifest_segment *ret_segment)
{
    const size_t at = log_manifest_bytes(index, 0);

    CHECK(at + LOG_MANIFEST_SEGMENT_BYTES <= bytes.size);
    struct codec_reader reader =
        codec_reader_of(slice_of(bytes.bytes + at, LOG_MANIFEST_SEGMENT_BYTES));
    struct log_manifest_segment segment;

    segment.number = codec_read_u32(&reader);
    const uint8_t state = codec_read_u8(&reader);

    (void)codec_read_bytes(&reader, 3);
    segment.state = (enum log_manifest_state)state;
    segment.generation = codec_read_u64(&reader);
    segment.sequence_first = codec_read_u64(&reader);
    segment.sequence_last = codec_read_u64(&reader);
    segment.used = codec_read_u64(&reader);
    segment.stamp_min = codec_read_u64(&reader);
    segment.removal_stamp_max = codec_read_u64(&reader);
    segment.filled = codec_read_u64(&reader);
    if (segment.number >= LOG_SEGMENTS_MAX || state < LOG_MANIFEST_USED ||
        state > LOG_MANIFEST_BAD) {
        return false;
    }
    *ret_segment = segment;
    return true;
}

bool log_manifest_read_drop(struct slice bytes, const struct log_manifest *manifest, uint32_t index,
                            struct log_manifest_drop *ret_drop)
{
    const size_t at = log_manifest_bytes(manifest->segments, index);

    CHECK(at + LOG_MANIFEST_DROP_BYTES <= bytes.size);
    struct codec_reader reader =
        codec_reader_of(slice_of(bytes.bytes + at, LOG_MANIFEST_DROP_BYTES));
    const uint32_t vnode = codec_read_u32(&reader);
    const uint32_t zeros = codec_read_u32(&reader);
    const uint64_t stamp = codec_read_u64(&reader);

    if (vnode >= manifest->vnodes || zeros != 0 || stamp == 0) {
        return false;
    }
    *ret_drop = (struct log_manifest_drop){.vnode = vnode, .stamp = stamp};
    return true;
}
