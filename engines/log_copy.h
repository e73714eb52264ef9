// A copy of a log's directory as it was at one moment, made while writers go on: of hard links, and
// of what the heads had filled. For the log engine's own files.
//
// The copy is what a crash at that moment would have left, with every frame up to it durable and
// none after it. So it needs no format of its own, and a start on it is a recovery like any other:
//
//     prepare   a checkpoint, so that a start on the copy replays little
//     cut       one moment: open frames are closed, and where both heads are then is noted
//     write     those frames are durable -> links: the checkpoint, segments, files of large
//               values -> the heads' parts of their segments, in files of the copy's own
//               (log_copy_head.h) -> MANIFEST, of the moment of the cut -> fsync of it and of the
//               directory
//
//     live       segment-00003 (sealed)   segment-00007 (sealed)   segment-00001 (head)  MANIFEST
//                     |                        |                        : copied
//     copy       segment-00003            segment-00007            segment-00001         MANIFEST'
//
// Heads stay where they are: were they sealed instead, each copy would have new segments zeroed for
// them, and what was sealed could not be recycled.
//
// From the cut until they are linked segments are pinned, and no file of a large value is removed.
// From then on the link itself keeps them: a segment whose file has another name is never used anew
// (log.h). A checkpoint that is removed before it was linked, since a newer one took its place,
// makes the copy fail with -EAGAIN.
//
// MANIFEST is what makes a copy of it: it is written last, and without it there is no log. Its
// epoch and the next use of a segment leap ahead, so that the two logs, which have one id and write
// on from here each for itself, never give the same name to different things.
//
// A copy in which some segment could not be opened at the start (LOG_SEGMENT_BAD) lacks it too.
#pragma once

#include "engines/engine.h"

struct log_engine;

// engine_copy().
int log_copy(struct engine *base, struct engine_copy *copy, enum engine_copy_step step);

// Goes on where it waits for frames, checkpoints or segments. True when there is more to do now.
bool log_copy_step(struct log_engine *engine);

// Whether an operation of it is under way.
bool log_copy_busy(const struct log_engine *engine);

// Whether one has begun that has not been cut yet: what its checkpoint leads to is not used anew.
bool log_copy_prepares(const struct log_engine *engine);

// Whether files of large values have to stay where they are.
bool log_copy_keeps_large(const struct log_engine *engine);

int log_copy_open(struct log_engine *engine);

// The engine closes: a file that is open is closed, and waited for. No operation is under way.
void log_copy_give_up(struct log_engine *engine);

void log_copy_close(struct log_engine *engine);
