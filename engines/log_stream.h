// Streams: the frames of one segment, one after another, as recovery reads them. For the log
// engine's own files. Waits in io_turn().
//
// Where the bytes are no valid frame of the segment's present use, a stream goes on from block to
// block. What it passed then is a hole: bytes that were frames, or, behind the last frame, nothing
// or a torn one.
#pragma once

#include "engines/log_format.h"

struct ahead;
struct log_engine;

struct stream {
    struct log_engine *engine;
    uint32_t segment;
    uint32_t limit;      // no frame is beyond it
    uint32_t offset;     // of `frame` in the segment
    struct ahead *ahead; // while it is open
    const uint8_t *frame;
    struct log_frame_header header; // of `frame`
    uint64_t sequence_max;          // frames beyond it do not count
    uint64_t hole_after;            // sequence of the frame before the hole, 0: none
    uint32_t hole_from; // bytes that are no frame, up to hole_to; none where both are equal
    uint32_t hole_to;
    bool unread; // something in the hole, or in what was looked through after it, is unreadable
    uint32_t patience; // bytes without a trace of a frame after which it ends; 0: without limit
    bool any;          // frames of any segment and any use count
    bool traces;       // a damaged frame was met since the last good one
    bool ended;
    int error; // -ENOMEM has ended it
};

// To the first frame at or after the stream's offset, with memory of its own: 0 or -ENOMEM.
int stream_begin(struct stream *stream);

// To the next frame. At the end the memory is given back.
void stream_next(struct stream *stream);

// Keeps the header of its frame, and not the memory.
void stream_rest(struct stream *stream);

// The header of a frame at `bytes`, which is damaged: false where nothing there looks like one of
// that place. Nothing in it is sure.
bool stream_damaged_header(const struct log_engine *engine, uint32_t segment, uint32_t offset,
                           struct slice bytes, struct log_frame_header *ret_header);
