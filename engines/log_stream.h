// Streams: the frames of one segment, one after another, as recovery reads them. For the log
// engine's own files. Waits in io_turn().
//
// Where the bytes are no valid frame of the segment's present use, a stream goes on from block to
// block. What it passed then is a hole: bytes that were frames, or, behind the last frame, nothing
// or a torn one.
//
// Or a stream takes what the segment's footer says of its frames, all of which were durable before
// the footer was, and reads none of them. It has no holes then. Where keys are needed it goes on
// with the frames themselves.
#pragma once

#include "engines/log_footer.h"
#include "engines/log_format.h"

struct ahead;
struct log_engine;

struct stream {
    struct log_engine *engine;
    uint32_t segment;
    uint32_t limit;                 // no frame is beyond it
    uint32_t offset;                // of `frame` in the segment
    struct ahead *ahead;            // while it is open
    const uint8_t *frame;           // NULL where the footer is read
    struct log_frame_header header; // of the frame
    uint8_t *body;                  // of the footer, while it is read
    struct log_footer_reader *footer;
    uint64_t sequence_max; // frames beyond it do not count
    uint64_t hole_after;   // sequence of the frame before the hole, 0: none
    uint32_t hole_from;    // bytes that are no frame, up to hole_to; none where both are equal
    uint32_t hole_to;
    bool unread; // something in the hole, or in what was looked through after it, is unreadable
    uint32_t patience; // bytes without a trace of a frame after which it ends; 0: without limit
    bool footers;      // the footer is read if there is one; begun at the segment's beginning
    bool footer_damaged;
    bool any;    // frames of any segment and any use count
    bool traces; // a damaged frame was met since the last good one
    bool ended;
    int error; // -ENOMEM has ended it
};

// The footer of a segment's present use, as far as its last block tells; NONE also where that
// cannot be read.
enum log_footer_status stream_footer(const struct log_engine *engine, uint32_t segment,
                                     struct log_footer_header *ret_header);

// And all of it, with what it says: `ret_body` is to be freed where it is VALID. 0 or -ENOMEM.
int stream_footer_read(const struct log_engine *engine, uint32_t segment,
                       enum log_footer_status *ret_status, uint8_t **ret_body,
                       struct log_footer_reader *ret_reader);

// To the first frame at or after the stream's offset, with memory of its own: 0 or -ENOMEM.
int stream_begin(struct stream *stream);

static inline bool stream_is_begun(const struct stream *stream)
{
    return stream->ahead != NULL || stream->footer != NULL;
}

// Goes on with the frames themselves, from the present one on: 0 or -ENOMEM.
int stream_leave_footer(struct stream *stream);

// To the next frame. At the end the memory is given back.
void stream_next(struct stream *stream);

// Keeps the header of its frame, and not the memory.
void stream_rest(struct stream *stream);

// The header of a frame at `bytes`, which is damaged: false where nothing there looks like one of
// that place. Nothing in it is sure.
bool stream_damaged_header(const struct log_engine *engine, uint32_t segment, uint32_t offset,
                           struct slice bytes, struct log_frame_header *ret_header);
