#include "engines/log_stream.h"

#include "core/memory.h"
#include "core/wait.h"
#include "engines/log.h"

#include <errno.h>

enum { STREAM_BYTES = 2 * LOG_FRAME_CAPACITY };

// Makes sure that at least `bytes` from the stream's offset on are in memory, as far as the segment
// has them. What cannot be read is as if it were not there.
static void stream_fill(struct stream *stream, uint32_t bytes)
{
    struct log_engine *const engine = stream->engine;
    const uint32_t left = engine->segment_bytes - stream->offset;
    const int fd = engine->segments[stream->segment].fd;
    uint32_t got = 0;

    bytes = bytes < left ? bytes : left;
    if (stream->offset >= stream->begin && stream->offset + bytes <= stream->end) {
        return;
    }
    uint32_t wanted = left < STREAM_BYTES ? left : STREAM_BYTES;
    int error = wait_read_some(engine->options.io, fd, stream->bytes, wanted, stream->offset, &got);

    if (error != 0) { // perhaps of a block further on
        wanted = bytes;
        error = wait_read_some(engine->options.io, fd, stream->bytes, wanted, stream->offset, &got);
    }
    got = error != 0 ? 0 : got & ~(uint32_t)(LOG_BLOCK_BYTES - 1);
    if (error == 0 && got < wanted) {
        stream->file_end = stream->offset + got;
    }
    stream->begin = stream->offset;
    stream->end = stream->offset + got;
}

static struct slice stream_rest_of(const struct stream *stream)
{
    return slice_of(stream->bytes + (stream->offset - stream->begin), stream->end - stream->offset);
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

    stream_fill(stream, LOG_BLOCK_BYTES);
    if (stream->end <= stream->offset) {
        return false;
    }
    enum log_frame_status status = log_frame_open(stream_rest_of(stream), log_id, &header);

    if (status == LOG_FRAME_NONE || !is_of_stream(stream, &header)) {
        return false;
    }
    if (status == LOG_FRAME_CUT) {
        stream_fill(stream, log_frame_span(header.bytes));
        if (stream->end <= stream->offset) {
            return false;
        }
        status = log_frame_open(stream_rest_of(stream), log_id, &header);
    }
    if (status != LOG_FRAME_VALID || !is_of_stream(stream, &header)) {
        return false;
    }
    stream->header = header;
    stream->frame = stream->bytes + (stream->offset - stream->begin);
    return true;
}

// Goes to the next valid frame from the stream's offset on.
static void stream_seek(struct stream *stream)
{
    const uint32_t limit = stream->limit;
    const uint32_t from = stream->offset;

    while (stream->offset < limit && stream->offset < stream->file_end) {
        if (stream_look(stream)) {
            if (stream->header.sequence > stream->sequence_max) {
                break; // cut off by an earlier recovery
            }
            if (stream->offset != from) {
                stream->hole_from = from;
                stream->hole_to = stream->offset;
            }
            return;
        }
        stream->offset += LOG_BLOCK_BYTES;
    }
    // What is behind the last frame: two may have been on their way.
    stream->hole_from = from;
    stream->hole_to = limit - from < STREAM_BYTES ? limit : from + STREAM_BYTES;
    stream->ended = true;
    stream_rest(stream);
}

int stream_begin(struct stream *stream)
{
    stream->bytes = memory_allocate_aligned(STREAM_BYTES, LOG_BLOCK_BYTES);
    if (stream->bytes == NULL) {
        return -ENOMEM;
    }
    stream->begin = stream->end = 0;
    stream->file_end = UINT32_MAX;
    stream_seek(stream);
    return 0;
}

void stream_rest(struct stream *stream)
{
    memory_free(stream->bytes);
    stream->bytes = NULL;
    stream->frame = NULL;
}

void stream_next(struct stream *stream)
{
    stream->hole_after = stream->header.sequence;
    stream->offset += log_frame_span(stream->header.bytes);
    stream->hole_from = stream->hole_to = stream->offset;
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
