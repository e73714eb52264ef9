// What a head had filled of its segment, in a file of its own in a copy (log_copy.h). For the log
// engine's own files.
//
// The head goes on in its segment, so a link would show the copy what is written later, and a
// segment with two links can never be recycled. Its part is read and written piece by piece
// instead, while frames go to the same disk: a piece waits until no frame is under way, so a writer
// waits for one piece at most. Where frames follow each other without a rest a piece goes after
// each FRAMES_BEFORE of them, so that the copy ends.
//
//     segment-00001    | frames of the copy  |  later ones  |  zeros       |
//     copy             | the same            |  hole                       |
//                      0                     used           segment_bytes
//
// The bytes are what the disk has. Whoever starts on the copy verifies them, as he does what was
// linked.
#pragma once

#include "core/io.h"
#include "engines/log.h"

typedef void log_copy_head_fn(void *context, int error);

enum { LOG_COPY_FRAMES_BEFORE = 4 };

struct log_copy_head {
    struct io_op op; // first
    struct log_engine *engine;
    log_copy_head_fn *done;
    void *context;
    uint8_t step; // of log_copy_head.c
    int error;    // that ends it
    int fd;       // of the copy; -1: none
    int from_fd;  // the segment's
    uint32_t used;
    uint32_t at;      // up to here it is copied
    uint32_t read;    // bytes of the piece that were read
    uint32_t written; // and written
    uint64_t frames;  // that were written when the last piece began
    uint8_t *piece;
    const char *path; // of the copy
};

// Copies the first `used` bytes of a segment, which are durable, to a file that is not there, and
// makes it durable; its name is the caller's to make so. The segment is pinned. path, done and
// context are set; done() gets 0 or -errno, not before this returns, and no file is open then.
// -ENOSPC: there is no room for it beside what the disk keeps in reserve.
void log_copy_head_begin(struct log_copy_head *task, struct log_engine *engine, uint32_t segment,
                         uint32_t used);

// Goes on where it waits for frames, or ends where no frame will come: in each turn.
void log_copy_head_step(struct log_copy_head *task);

// The engine closes: a file that is open is closed, and waited for. No operation is under way.
void log_copy_head_give_up(struct log_copy_head *task);
