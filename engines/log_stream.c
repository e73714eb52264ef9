#include "engines/log_stream.h"

#include "core/memory.h"
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

int stream_begin(struct stream *stream)
{
    struct log_engine *const engine = stream->engine;

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
}

void stream_next(struct stream *stream)
{
    stream->hole_after = stream->header.sequence;
    stream->offset += log_frame_span(stream->header.bytes);
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
