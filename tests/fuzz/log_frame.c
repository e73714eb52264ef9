// Frames of the log engine, and the records in them: hostile bytes, with a checksum that holds or
// not. What is read stays inside the bytes, and what a record says can be written again.
#include "core/check.h"
#include "engines/log_format.h"

#include <stdint.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

struct walk {
    const uint8_t *frame;
    const struct log_frame_header *header;
    uint64_t at; // where the next record has to begin
};

static bool each(void *context, const struct log_record *record, uint64_t stamp, uint64_t offset)
{
    struct walk *const walk = context;
    const uint8_t *const end = walk->frame + walk->header->bytes;

    (void)stamp;
    CHECK(offset == walk->header->offset + walk->at && record->bytes % LOG_RECORD_ALIGN == 0);
    CHECK(record->key.bytes + record->key.size == record->object[0].bytes &&
          record->object[0].bytes + record->object[0].size <= end);
    CHECK(record->kind >= LOG_VALUE && record->kind <= LOG_DROP);
    walk->at += record->bytes;
    return true;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    struct log_frame_header header;

    if (size < LOG_FRAME_HEADER_BYTES || size > LOG_SEGMENT_BYTES_MAX) {
        return 0;
    }
    const uint64_t log_id = log_frame_id(bytes);
    const enum log_frame_status status = log_frame_open(slice_of(bytes, size), log_id, &header);

    CHECK(log_frame_open(slice_of(bytes, size), log_id + 1, &header) == LOG_FRAME_NONE);
    if (status != LOG_FRAME_VALID && status != LOG_FRAME_DAMAGED) {
        return 0;
    }
    (void)log_frame_open(slice_of(bytes, size), log_id, &header);
    if (header.bytes < LOG_FRAME_HEADER_BYTES || header.bytes > size ||
        log_frame_span(header.bytes) > size || header.offset % LOG_BLOCK_BYTES != 0 ||
        header.offset >= LOG_SEGMENT_BYTES_MAX) {
        return 0;
    }
    // Sealed anew it is valid, whatever its records are.
    uint8_t *const frame = malloc(log_frame_span(header.bytes));

    CHECK(frame != NULL);
    memcpy(frame, bytes, header.bytes);
    log_frame_seal(frame, &header);
    struct walk walk = {.frame = frame, .header = &header, .at = LOG_FRAME_HEADER_BYTES};

    if (log_frame_open(slice_of(frame, log_frame_span(header.bytes)), log_id, &header) ==
        LOG_FRAME_VALID) {
        (void)log_frame_each(frame, &header, each, &walk);
        CHECK(walk.at <= header.bytes);
    }
    free(frame);
    return 0;
}
