// Footers of the log engine's segments: hostile bytes, with checksums that hold or not. What is
// read stays inside the bytes, and a body that is believed is one that can be gone through.
#include "engines/log_footer.h"
#include "core/check.h"

#include <stdint.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

enum { SEGMENT_BYTES = 2 << 20 };

static void walk(struct log_footer_reader *reader)
{
    struct log_frame_header frame;
    struct log_footer_record record;
    uint32_t offset = 0;

    while (log_footer_next_frame(reader, &frame)) {
        uint32_t bytes = LOG_FRAME_HEADER_BYTES;

        CHECK(frame.offset == offset && frame.offset + frame.bytes <= SEGMENT_BYTES);
        for (uint32_t i = 0; i < frame.records; i++) {
            log_footer_next(reader, &record);
            CHECK(record.kind >= LOG_VALUE && record.kind <= LOG_DROP && record.bytes != 0 &&
                  record.vnode < reader->header.vnodes && record.replaces <= LOG_LOCATION_NONE);
            bytes += record.bytes;
        }
        CHECK(bytes == frame.bytes);
        offset += log_frame_span(frame.bytes);
    }
}

// The input is a header, and a body behind it.
int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    struct log_footer_header header;
    struct log_footer_reader reader;
    uint64_t log_id;
    uint64_t generation;
    uint32_t segment;

    if (size < LOG_FOOTER_HEADER_BYTES || size > SEGMENT_BYTES) {
        return 0;
    }
    memcpy(&log_id, bytes + 16, sizeof log_id);
    memcpy(&generation, bytes + 32, sizeof generation);
    memcpy(&segment, bytes + 96, sizeof segment);
    uint8_t *const copy = malloc(size);

    CHECK(copy != NULL);
    memcpy(copy, bytes, size);
    // Sealed anew, both checksums hold, whatever they are of.
    const uint32_t body_bytes = (uint32_t)(size - LOG_FOOTER_HEADER_BYTES);
    const uint64_t body_checksum =
        XXH3_64bits_withSeed(copy + LOG_FOOTER_HEADER_BYTES, body_bytes, log_id ^ generation);

    memcpy(copy + 72, &body_checksum, sizeof body_checksum);
    memcpy(copy + 108, &body_bytes, sizeof body_bytes);
    const uint64_t checksum = XXH3_64bits_withSeed(copy + 16, LOG_FOOTER_HEADER_BYTES - 16, log_id);

    memcpy(copy + 8, &checksum, sizeof checksum);
    for (uint32_t sealed = 0; sealed < 2; sealed++) {
        const uint8_t *const at = sealed == 0 ? bytes : copy;

        if (log_footer_open(slice_of(at, LOG_FOOTER_HEADER_BYTES), log_id, segment, generation,
                            SEGMENT_BYTES, &header) == LOG_FOOTER_VALID &&
            log_footer_read(slice_of(at + LOG_FOOTER_HEADER_BYTES, body_bytes), &header,
                            SEGMENT_BYTES, &reader)) {
            walk(&reader);
        }
    }
    free(copy);
    return 0;
}
