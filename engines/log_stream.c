#include "engines/log_stream.h"

#include "core/memory.h"
#include "core/planted.h"
#include "core/wait.h"
#include "engines/log.h"
#include "engines/log_ahead.h"

#include <errno.h>

// Of what is behind the last frame: two may have been on their way.
enum { TAIL_BYTES = 2 * LOG_FRAME_CAPACITY };

static_assert((int)AHEAD_WINDOW_BYTES >= (int)LOG_FRAME_CAPACITY,
              "a frame is looked at in one stretch");

// At least `bytes` from the stream's offset on, as far as the segment has them; nothing when memory
// is short.
static struct slice stream_bytes(struct stream *stream, uint32_t bytes)
{
    struct slice window = slice_of(NULL, 0);

    stream->error = ahead_window(stream->ahead, stream->offset,
                                 bytes < AHEAD_WINDOW_BYTES ? bytes : AHEAD_WINDOW_BYTES, &window);
    return window;
}

static bool is_of_stream(const struct stream *stream, const struct log_frame_header *header)
{
    return stream->any ||
           (header->generation == stream->engine->segments[stream->segment].generation &&
            header->segment == stream->segment && header->offset == stream->offset);
}

// Whether a frame of this segment's present use begins at the stream's offset.
static bool stream_look(struct stream *stream)
{
    const uint64_t log_id = stream->engine->log_id;
    struct log_frame_header header;

    struct slice bytes = stream_bytes(stream, LOG_BLOCK_BYTES);
    enum log_frame_status status = log_frame_open(bytes, log_id, &header);

    if (status == LOG_FRAME_NONE || !is_of_stream(stream, &header)) {
        return false;
    }
    if (status == LOG_FRAME_CUT) {
        bytes = stream_bytes(stream, log_frame_span(header.bytes));
        status = log_frame_open(bytes, log_id, &header);
    }
    if (status != LOG_FRAME_VALID || !is_of_stream(stream, &header)) {
        stream->traces = true;
        return false;
    }
    stream->header = header;
    stream->frame = bytes.bytes;
    return true;
}

// Goes to the next valid frame from the stream's offset on.
static void stream_seek(struct stream *stream)
{
    const uint32_t limit = stream->limit;
    const uint32_t from = stream->offset;

    stream->traces = false;
    while (stream->error == 0 && stream->offset < limit &&
           stream->offset < stream->ahead->file_end) {
        if (stream->patience != 0 && stream->offset - from >= stream->patience && !stream->traces) {
            break;
        }
        if (stream_look(stream)) {
            if (stream->header.sequence > stream->sequence_max) {
                break; // cut off by an earlier recovery
            }
            if (stream->offset != from) {
                stream->hole_from = from;
                stream->hole_to = stream->offset;
                stream->unread = stream->ahead->unread_end > from;
            }
            return;
        }
        stream->offset += LOG_BLOCK_BYTES;
    }
    stream->hole_from = from;
    stream->hole_to = limit - from < TAIL_BYTES ? limit : from + TAIL_BYTES;
    stream->unread = stream->ahead->unread_end > from;
    stream->ended = true;
    stream_rest(stream);
}

// The footer -------------------------------------------------------------------------------------

static enum log_footer_status open_footer(const struct log_engine *engine, uint32_t segment,
                                          uint8_t *block, struct log_footer_header *ret_header)
{
    const uint32_t at = engine->segment_bytes - LOG_BLOCK_BYTES;
    uint64_t generation = engine->segments[segment].generation;
    uint32_t got = 0;

    if (wait_read_some(engine->options.io, engine->segments[segment].fd, block, LOG_BLOCK_BYTES, at,
                       &got) != 0) {
        return LOG_FOOTER_NONE;
    }
    if (planted(PLANTED_STALE_FOOTER) && got == LOG_BLOCK_BYTES) {
        memcpy(&generation, block + 32, sizeof generation);
    }
    return log_footer_open(slice_of(block, got), engine->log_id, segment, generation,
                           engine->segment_bytes, ret_header);
}

enum log_footer_status stream_footer(const struct log_engine *engine, uint32_t segment,
                                     struct log_footer_header *ret_header)
{
    uint8_t *const block = memory_allocate_aligned(LOG_BLOCK_BYTES, LOG_BLOCK_BYTES);

    if (block == NULL) {
        return LOG_FOOTER_NONE;
    }
    const enum log_footer_status status = open_footer(engine, segment, block, ret_header);

    memory_free(block);
    return status;
}

int stream_footer_read(const struct log_engine *engine, uint32_t segment,
                       enum log_footer_status *ret_status, uint8_t **ret_body,
                       struct log_footer_reader *ret_reader)
{
    struct log_footer_header header;
    enum log_footer_status status = stream_footer(engine, segment, &header);
    uint32_t got = 0;

    *ret_status = status;
    if (status != LOG_FOOTER_VALID) {
        return 0;
    }
    const uint32_t span = log_frame_span(header.body_bytes);
    uint8_t *const body = memory_allocate_aligned(span, LOG_BLOCK_BYTES);

    if (body == NULL) {
        return -ENOMEM;
    }
    // A read that fails says nothing of what is there, and all of it is in the frames.
    if (wait_read_some(engine->options.io, engine->segments[segment].fd, body, span,
                       log_footer_body_from(engine->segment_bytes, header.body_bytes), &got) != 0) {
        memory_free(body);
        *ret_status = LOG_FOOTER_NONE;
        return 0;
    }
    if (got < header.body_bytes || !log_footer_read(slice_of(body, header.body_bytes), &header,
                                                    engine->segment_bytes, ret_reader)) {
        memory_free(body);
        *ret_status = LOG_FOOTER_DAMAGED;
        return 0;
    }
    *ret_body = body;
    return 0;
}

// Whether a footer says things as this engine's index wants them.
static bool is_of_index(const struct log_engine *engine, const struct log_footer_header *header)
{
    return header->hash_seed == engine->options.hash_seed &&
           header->vnodes == engine->options.vnodes &&
           header->hash_bits == engine->index.base_bits + INDEX_FINGERPRINT_BITS;
}

static void footer_end(struct stream *stream)
{
    memory_free(stream->body);
    memory_free(stream->footer);
    stream->body = NULL;
    stream->footer = NULL;
}

static void footer_next(struct stream *stream)
{
    struct log_frame_header header;

    stream->hole_from = stream->hole_to = stream->offset;
    if (!log_footer_next_frame(stream->footer, &header) || header.sequence > stream->sequence_max) {
        footer_end(stream);
        stream->ended = true;
        return;
    }
    stream->header = header;
    stream->offset = header.offset;
}

// Whether the stream goes by the segment's footer.
static int footer_begin(struct stream *stream)
{
    struct log_engine *const engine = stream->engine;
    enum log_footer_status status;

    stream->footers = false; // if not now, then not at all
    stream->footer = memory_allocate(sizeof *stream->footer);
    const int error = stream->footer == NULL ? -ENOMEM
                                             : stream_footer_read(engine, stream->segment, &status,
                                                                  &stream->body, stream->footer);

    if (error != 0 || status != LOG_FOOTER_VALID || !is_of_index(engine, &stream->footer->header)) {
        stream->footer_damaged = error == 0 && status == LOG_FOOTER_DAMAGED;
        footer_end(stream);
        return error;
    }
    footer_next(stream);
    return 0;
}

int stream_leave_footer(struct stream *stream)
{
    stream->footers = false;
    if (stream->footer == NULL) {
        return 0;
    }
    footer_end(stream);
    return stream_begin(stream);
}

// All --------------------------------------------------------------------------------------------

int stream_begin(struct stream *stream)
{
    struct log_engine *const engine = stream->engine;

    if (stream->footers && stream->offset == 0) {
        stream->error = footer_begin(stream);
        stream->ended = stream->ended || stream->error != 0;
        if (stream->error != 0 || stream->footer != NULL || stream->ended) {
            return stream->error;
        }
    }
    stream->ahead = memory_allocate_zeroed(sizeof *stream->ahead);
    if (stream->ahead == NULL) {
        stream->ended = true;
        stream->error = -ENOMEM;
        return -ENOMEM;
    }
    ahead_begin(stream->ahead, engine->options.io, engine->segments[stream->segment].fd,
                stream->offset, engine->segment_bytes);
    stream_seek(stream);
    return stream->error;
}

void stream_rest(struct stream *stream)
{
    if (stream->ahead != NULL) {
        ahead_end(stream->ahead);
        memory_free(stream->ahead);
    }
    stream->ahead = NULL;
    stream->frame = NULL;
    footer_end(stream);
}

void stream_next(struct stream *stream)
{
    stream->hole_after = stream->header.sequence;
    stream->offset += log_frame_span(stream->header.bytes);
    if (stream->footer != NULL) {
        footer_next(stream);
        return;
    }
    stream->hole_from = stream->hole_to = stream->offset;
    stream->unread = false; // one that rests keeps what it has met
    stream_seek(stream);
}

bool stream_damaged_header(const struct log_engine *engine, uint32_t segment, uint32_t offset,
                           struct slice bytes, struct log_frame_header *ret_header)
{
    struct log_frame_header header;
    const enum log_frame_status status = log_frame_open(bytes, engine->log_id, &header);

    if (status == LOG_FRAME_NONE || header.segment != segment ||
        header.generation != engine->segments[segment].generation || header.offset != offset ||
        header.bytes < LOG_FRAME_HEADER_BYTES) {
        return false;
    }
    *ret_header = header;
    return true;
}
