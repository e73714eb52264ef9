#include "engines/log_footer.h"

#include "core/codec.h"

enum {
    CHECKSUM_FROM = 16,
    ZERO_BYTES = 10,
    KIND_MASK = 3,
    HAS_EXPIRY = 4,
    HAS_STAMP = 8,
    NAMES_FILE = 16,
    OTHER_LENGTH = 32,
    REPLACES_SHIFT = 6,
    LOCATION_BYTES = 5, // with its two bits
    NEAR = 1 << 20,     // units of 16 bytes; three bytes as a number
};

enum replaces { REPLACES_NOTHING, REPLACES_LOCATION, REPLACES_NEAR };

static const uint8_t magic[4] = {'r', 'l', 'F', 'T'};

static uint64_t zigzag(uint64_t difference)
{
    return difference << 1 ^ (0 - (difference >> 63));
}

static uint64_t unzigzag(uint64_t number)
{
    return number >> 1 ^ (0 - (number & 1));
}

static uint32_t vnode_bits(const struct log_footer_header *header)
{
    return header->vnodes <= 1 ? 0 : 32 - (uint32_t)__builtin_clz(header->vnodes - 1);
}

static uint32_t key_bytes(const struct log_footer_header *header)
{
    return (vnode_bits(header) + header->hash_bits + 7) / 8;
}

static uint64_t low_bits(uint64_t value, uint32_t bits)
{
    return value & ((UINT64_C(1) << bits) - 1);
}

static uint64_t body_checksum(const uint8_t *bytes, const struct log_footer_header *header)
{
    return XXH3_64bits_withSeed(bytes, header->body_bytes, header->log_id ^ header->generation);
}

// Writing ----------------------------------------------------------------------------------------

void log_footer_begin(struct log_footer_writer *writer, const struct log_footer_header *header,
                      uint8_t *bytes, uint32_t capacity)
{
    CHECK(header->hash_bits <= 42 && header->vnodes <= UINT16_MAX + 1U &&
          (header->tree_bytes == 0 || header->tree_bytes == LOG_FOOTER_TREE_BYTES));
    *writer = (struct log_footer_writer){.header = *header, .bytes = bytes, .capacity = capacity};
}

static struct codec_writer end_of(const struct log_footer_writer *writer)
{
    return codec_writer_of(writer->bytes + writer->header.body_bytes,
                           writer->capacity - writer->header.body_bytes);
}

static void end_at(struct log_footer_writer *writer, const struct codec_writer *codec)
{
    CHECK(!codec->failed);
    writer->header.body_bytes = (uint32_t)(codec->at - writer->bytes);
}

bool log_footer_add_frame(struct log_footer_writer *writer, const struct log_frame_header *frame)
{
    struct log_footer_header *const header = &writer->header;
    struct log_footer_state *const state = &writer->state;
    const uint64_t needed =
        LOG_FOOTER_FRAME_BYTES_MAX + (uint64_t)frame->records * LOG_FOOTER_RECORD_BYTES_MAX;

    CHECK(writer->records_left == 0 && frame->bytes % LOG_RECORD_ALIGN == 0);
    CHECK(frame->generation == header->generation && frame->offset == state->offset);
    if (writer->capacity - header->body_bytes < needed) {
        return false;
    }
    if (header->frames == 0) {
        header->sequence_first = frame->sequence;
        header->durable_first = state->durable = frame->durable;
        header->stamp_first = state->stamp = frame->stamp;
        state->sequence = frame->sequence - 1;
    }
    CHECK(frame->sequence > state->sequence && frame->epoch == header->epoch);
    struct codec_writer codec = end_of(writer);

    codec_write_varint(&codec, frame->sequence - state->sequence - 1);
    codec_write_varint(&codec, frame->bytes / LOG_RECORD_ALIGN);
    codec_write_varint(&codec, frame->records);
    codec_write_varint(&codec, frame->durable - state->durable);
    codec_write_varint(&codec, zigzag(frame->stamp - state->stamp));
    end_at(writer, &codec);
    state->sequence = frame->sequence;
    state->durable = frame->durable;
    state->stamp = frame->stamp;
    state->offset += log_frame_span(frame->bytes);
    header->sequence_last = frame->sequence;
    header->last_checksum = frame->checksum;
    header->frames++;
    header->records += frame->records;
    writer->records_left = frame->records;
    return true;
}

static enum replaces form_of(const struct log_footer_state *state, uint64_t replaces)
{
    if (replaces == LOG_LOCATION_NONE) {
        return REPLACES_NOTHING;
    }
    return replaces - state->replaced + NEAR / 2 < NEAR ? REPLACES_NEAR : REPLACES_LOCATION;
}

static uint8_t *add_varint(uint8_t *to, uint64_t value)
{
    for (; value >= 0x80; value >>= 7) {
        *to++ = (uint8_t)(value | 0x80);
    }
    *to++ = (uint8_t)value;
    return to;
}

// log_footer_add_frame() has made sure that there is room.
void log_footer_add(struct log_footer_writer *writer, const struct log_footer_record *record)
{
    struct log_footer_state *const state = &writer->state;
    const uint32_t bits = vnode_bits(&writer->header);
    const uint64_t key = record->vnode | low_bits(record->hash, writer->header.hash_bits) << bits;
    const enum replaces form = form_of(state, record->replaces);
    const bool other_length = record->bytes != state->record_bytes;
    const bool stamped = record->own_stamp != 0;
    uint8_t *to = writer->bytes + writer->header.body_bytes;

    CHECK(writer->records_left != 0 && record->vnode < writer->header.vnodes &&
          writer->capacity - writer->header.body_bytes >= LOG_FOOTER_RECORD_BYTES_MAX);
    writer->records_left--;
    *to++ = (uint8_t)((uint32_t)(record->kind - LOG_VALUE) | (record->expires ? HAS_EXPIRY : 0U) |
                      (stamped ? HAS_STAMP : 0U) | (record->large ? NAMES_FILE : 0U) |
                      (other_length ? OTHER_LENGTH : 0U) | (uint32_t)form << REPLACES_SHIFT);
    memcpy(to, &key, sizeof key); // what is too much of it is written over
    to += key_bytes(&writer->header);
    if (other_length) {
        to = add_varint(to, record->bytes / LOG_RECORD_ALIGN);
        state->record_bytes = record->bytes;
    }
    if (form == REPLACES_LOCATION) {
        memcpy(to, &record->replaces, LOCATION_BYTES);
        to += LOCATION_BYTES;
    } else if (form == REPLACES_NEAR) {
        to = add_varint(to, zigzag(record->replaces - state->replaced));
    }
    state->replaced = form == REPLACES_NOTHING ? state->replaced : record->replaces;
    if (stamped) {
        to = add_varint(to, zigzag(record->own_stamp - state->own_stamp));
        state->own_stamp = record->own_stamp;
    } else {
        state->stamp++;
        if (writer->header.tree_bytes != 0) {
            memcpy(to, &record->leaf, 2);
            memcpy(to + 2, &record->tree_hash, 4);
            to += LOG_FOOTER_TREE_BYTES;
        }
    }
    writer->header.body_bytes = (uint32_t)(to - writer->bytes);
}

void log_footer_seal(struct log_footer_writer *writer, uint8_t *block)
{
    static const uint8_t zeros[ZERO_BYTES];
    struct log_footer_header *const header = &writer->header;
    struct codec_writer codec = codec_writer_of(block, LOG_FOOTER_HEADER_BYTES);

    CHECK(writer->records_left == 0 && header->frames != 0);
    memset(writer->bytes + header->body_bytes, 0,
           log_frame_span(header->body_bytes) - header->body_bytes);
    header->body_checksum = body_checksum(writer->bytes, header);
    codec_write_bytes(&codec, magic, sizeof magic);
    codec_write_u16(&codec, LOG_FOOTER_VERSION);
    codec_write_u16(&codec, UINT16_MAX ^ LOG_FOOTER_VERSION);
    codec_write_u64(&codec, 0);
    codec_write_u64(&codec, header->log_id);
    codec_write_u64(&codec, header->hash_seed);
    codec_write_u64(&codec, header->generation);
    codec_write_u64(&codec, header->epoch);
    codec_write_u64(&codec, header->sequence_first);
    codec_write_u64(&codec, header->sequence_last);
    codec_write_u64(&codec, header->last_checksum);
    codec_write_u64(&codec, header->body_checksum);
    codec_write_u64(&codec, header->durable_first);
    codec_write_u64(&codec, header->stamp_first);
    codec_write_u32(&codec, header->segment);
    codec_write_u32(&codec, header->frames);
    codec_write_u32(&codec, header->records);
    codec_write_u32(&codec, header->body_bytes);
    codec_write_u32(&codec, header->vnodes);
    codec_write_u8(&codec, header->hash_bits);
    codec_write_u8(&codec, header->tree_bytes);
    codec_write_bytes(&codec, zeros, sizeof zeros);
    CHECK(!codec.failed && codec.at == codec.end);
    memset(block + LOG_FOOTER_HEADER_BYTES, 0, LOG_BLOCK_BYTES - LOG_FOOTER_HEADER_BYTES);

    const uint64_t checksum = XXH3_64bits_withSeed(
        block + CHECKSUM_FROM, LOG_FOOTER_HEADER_BYTES - CHECKSUM_FROM, header->log_id);

    memcpy(block + 8, &checksum, sizeof checksum);
}

// Reading ----------------------------------------------------------------------------------------

// Whether a header says nothing that cannot be, whoever wrote it.
static bool is_possible(const struct log_footer_header *header, uint32_t segment_bytes)
{
    return header->frames != 0 && header->vnodes != 0 && header->vnodes <= UINT16_MAX + 1U &&
           header->hash_bits <= 42 &&
           (header->tree_bytes == 0 || header->tree_bytes == LOG_FOOTER_TREE_BYTES) &&
           header->body_bytes <= segment_bytes - 2 * LOG_BLOCK_BYTES &&
           header->sequence_first != 0 && header->sequence_last >= header->sequence_first;
}

enum log_footer_status log_footer_open(struct slice block, uint64_t log_id, uint32_t segment,
                                       uint64_t generation, uint32_t segment_bytes,
                                       struct log_footer_header *ret_header)
{
    struct codec_reader codec = codec_reader_of(block);
    const struct slice found_magic = codec_read_bytes(&codec, sizeof magic);
    const uint16_t version = codec_read_u16(&codec);
    const uint16_t complement = codec_read_u16(&codec);
    const uint64_t checksum = codec_read_u64(&codec);
    struct log_footer_header header;

    header.log_id = codec_read_u64(&codec);
    header.hash_seed = codec_read_u64(&codec);
    header.generation = codec_read_u64(&codec);
    header.epoch = codec_read_u64(&codec);
    header.sequence_first = codec_read_u64(&codec);
    header.sequence_last = codec_read_u64(&codec);
    header.last_checksum = codec_read_u64(&codec);
    header.body_checksum = codec_read_u64(&codec);
    header.durable_first = codec_read_u64(&codec);
    header.stamp_first = codec_read_u64(&codec);
    header.segment = codec_read_u32(&codec);
    header.frames = codec_read_u32(&codec);
    header.records = codec_read_u32(&codec);
    header.body_bytes = codec_read_u32(&codec);
    header.vnodes = codec_read_u32(&codec);
    header.hash_bits = codec_read_u8(&codec);
    header.tree_bytes = codec_read_u8(&codec);
    header.zero = 0;
    (void)codec_read_bytes(&codec, ZERO_BYTES);

    if (codec.failed || memcmp(found_magic.bytes, magic, sizeof magic) != 0 ||
        header.log_id != log_id || header.segment != segment || header.generation != generation) {
        return LOG_FOOTER_NONE;
    }
    if (version > LOG_FOOTER_VERSION && (version ^ complement) == UINT16_MAX) {
        return LOG_FOOTER_NEWER;
    }
    const uint8_t *const at = block.bytes;

    if (version != LOG_FOOTER_VERSION || (version ^ complement) != UINT16_MAX ||
        XXH3_64bits_withSeed(at + CHECKSUM_FROM, LOG_FOOTER_HEADER_BYTES - CHECKSUM_FROM, log_id) !=
            checksum ||
        !is_possible(&header, segment_bytes)) {
        return LOG_FOOTER_DAMAGED;
    }
    *ret_header = header;
    return LOG_FOOTER_VALID;
}

static bool read_frame(struct log_footer_reader *reader, struct log_frame_header *ret_header)
{
    const struct log_footer_header *const header = &reader->header;
    struct log_footer_state *const state = &reader->state;
    struct codec_reader codec = {.at = reader->at, .end = reader->end};
    const uint64_t passed = codec_read_varint(&codec);
    const uint64_t units = codec_read_varint(&codec);
    const uint64_t records = codec_read_varint(&codec);
    const uint64_t durable = codec_read_varint(&codec);
    const uint64_t stamp = codec_read_varint(&codec);

    if (codec.failed || units > LOG_SEGMENT_BYTES_MAX / LOG_RECORD_ALIGN || records > units ||
        passed >= header->sequence_last) {
        return false;
    }
    *ret_header = (struct log_frame_header){
        .sequence = state->sequence + passed + 1,
        .generation = header->generation,
        .segment = header->segment,
        .offset = state->offset,
        .bytes = (uint32_t)units * LOG_RECORD_ALIGN,
        .records = (uint32_t)records,
        .epoch = header->epoch,
        .durable = state->durable + durable,
        .stamp = state->stamp + unzigzag(stamp),
        .log_id = header->log_id,
        .checksum = reader->frames_left == 1 ? header->last_checksum : 0,
    };
    state->sequence = ret_header->sequence;
    state->durable = ret_header->durable;
    state->stamp = ret_header->stamp;
    state->offset += log_frame_span(ret_header->bytes);
    reader->at = codec.at;
    reader->frames_left--;
    reader->records_left = ret_header->records;
    return true;
}

// The longest that a record can be said in is there to be looked at, if not all of it its own.
static uint64_t take_varint(const uint8_t **at)
{
    uint64_t value = 0;
    uint32_t shift = 0;
    uint8_t byte;

    do {
        byte = *(*at)++;
        value |= (uint64_t)(byte & 0x7f) << shift;
        shift += 7;
    } while ((byte & 0x80) != 0 && shift < 64);
    return value;
}

static uint64_t take_bytes(const uint8_t **at, uint32_t bytes)
{
    uint64_t value;

    memcpy(&value, *at, sizeof value);
    *at += bytes;
    return bytes == 8 ? value : low_bits(value, 8 * bytes);
}

// From memory of which LOG_FOOTER_RECORD_BYTES_MAX can be looked at. False where it says what
// cannot be.
static bool parse_record(struct log_footer_reader *reader, const uint8_t *at,
                         struct log_footer_record *record, const uint8_t **ret_end)
{
    struct log_footer_state *const state = &reader->state;
    const uint32_t flags = *at++;
    const enum replaces form = (enum replaces)(flags >> REPLACES_SHIFT);
    const uint64_t key = take_bytes(&at, reader->key_bytes);
    bool possible = form <= REPLACES_NEAR;

    record->kind = (enum log_kind)(LOG_VALUE + (flags & KIND_MASK));
    record->expires = (flags & HAS_EXPIRY) != 0;
    record->large = (flags & NAMES_FILE) != 0;
    record->vnode = (uint32_t)low_bits(key, reader->vnode_bits);
    record->hash = low_bits(key >> reader->vnode_bits, reader->header.hash_bits);
    record->replaces = LOG_LOCATION_NONE;
    record->leaf = 0;
    record->tree_hash = 0;
    if ((flags & OTHER_LENGTH) != 0) {
        const uint64_t units = take_varint(&at);

        possible = possible && units <= LOG_SEGMENT_BYTES_MAX / LOG_RECORD_ALIGN;
        state->record_bytes = (uint32_t)units * LOG_RECORD_ALIGN;
    }
    record->bytes = state->record_bytes;
    if (form != REPLACES_NOTHING) {
        record->replaces = form == REPLACES_NEAR ? state->replaced + unzigzag(take_varint(&at))
                                                 : take_bytes(&at, LOCATION_BYTES);
        state->replaced = record->replaces;
        possible = possible && record->replaces < LOG_LOCATION_NONE;
    }
    if ((flags & HAS_STAMP) != 0) {
        state->own_stamp += unzigzag(take_varint(&at));
        record->own_stamp = record->stamp = state->own_stamp;
        possible = possible && record->own_stamp != 0;
    } else {
        record->own_stamp = 0;
        record->stamp = state->stamp++;
        if (reader->header.tree_bytes != 0) {
            record->leaf = (uint16_t)take_bytes(&at, 2);
            record->tree_hash = (uint32_t)take_bytes(&at, 4);
        }
    }
    *ret_end = at;
    return possible && record->bytes != 0 && record->bytes <= log_class_bytes(LOG_CLASSES - 1) &&
           record->vnode < reader->header.vnodes;
}

static bool read_record(struct log_footer_reader *reader, struct log_footer_record *ret_record)
{
    uint8_t last[LOG_FOOTER_RECORD_BYTES_MAX];
    const size_t left = (size_t)(reader->end - reader->at);
    const uint8_t *at = reader->at;
    const uint8_t *end;

    if (left < sizeof last) { // the body ends
        memset(last, 0, sizeof last);
        memcpy(last, reader->at, left);
        at = last;
    }
    if (!parse_record(reader, at, ret_record, &end) || (size_t)(end - at) > left) {
        return false;
    }
    reader->at += end - at;
    reader->records_left--;
    return true;
}

static struct log_footer_reader reader_of(struct slice body, const struct log_footer_header *header)
{
    return (struct log_footer_reader){
        .header = *header,
        .state = {.sequence = header->sequence_first - 1,
                  .durable = header->durable_first,
                  .stamp = header->stamp_first},
        .at = body.bytes,
        .end = body.bytes + body.size,
        .vnode_bits = vnode_bits(header),
        .key_bytes = key_bytes(header),
        .frames_left = header->frames,
    };
}

// Whether the frames lie one behind the other in front of the body, and the records in them.
static bool is_sound(struct slice body, const struct log_footer_header *header,
                     uint32_t segment_bytes)
{
    struct log_footer_reader reader = reader_of(body, header);
    const uint32_t limit = log_footer_body_from(segment_bytes, header->body_bytes);
    struct log_frame_header frame;
    struct log_footer_record record;
    uint64_t records = 0;

    while (reader.frames_left != 0) {
        if (!read_frame(&reader, &frame) || reader.state.offset > limit) {
            return false;
        }
        uint64_t bytes = LOG_FRAME_HEADER_BYTES;

        records += frame.records;
        while (reader.records_left != 0) {
            if (!read_record(&reader, &record)) {
                return false;
            }
            bytes += record.bytes;
        }
        if (bytes != frame.bytes) {
            return false;
        }
    }
    return reader.at == reader.end && records == header->records &&
           reader.state.sequence == header->sequence_last;
}

bool log_footer_read(struct slice body, const struct log_footer_header *header,
                     uint32_t segment_bytes, struct log_footer_reader *ret_reader)
{
    if (body.size != header->body_bytes ||
        body_checksum(body.bytes, header) != header->body_checksum ||
        !is_sound(body, header, segment_bytes)) {
        return false;
    }
    *ret_reader = reader_of(body, header);
    return true;
}

bool log_footer_next_frame(struct log_footer_reader *reader, struct log_frame_header *ret_header)
{
    CHECK(reader->records_left == 0);
    if (reader->frames_left == 0) {
        return false;
    }
    const bool sound = read_frame(reader, ret_header);

    CHECK(sound); // log_footer_read() went through all of it
    return true;
}

void log_footer_next(struct log_footer_reader *reader, struct log_footer_record *ret_record)
{
    CHECK(reader->records_left != 0);
    const bool sound = read_record(reader, ret_record);

    CHECK(sound);
}
