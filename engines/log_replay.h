// Replay: the part of recovery that reads frames (log_recover.h). For the log engine's own files.
//
//     log_stream.h, .c   the frames of one segment
//     log_replay.c       in which order they count, and where they end
//     log_apply.c        their records, applied to the index
//     log_salvage.c      what can still be read of damaged ones
#pragma once

#include "engines/log_recover.h"
#include "engines/log_stream.h"

struct log_record;

// A record whose predecessor the index does not know: the checkpoint was ahead, and leads to what
// came after it. That takes its place when its frame is replayed, unless that frame is lost.
struct overtaken {
    uint64_t hash;
    uint64_t location;
    uint32_t vnode;
};

// The stamp of a record that was read out of a damaged frame, which is not read again.
struct salvaged {
    uint64_t location;
    uint64_t stamp;
};

struct recovery {
    struct log_engine *engine;
    struct log_recovery *report;
    struct stream *streams;
    uint32_t stream_count;
    uint64_t expected;   // sequence of the next frame
    uint64_t durable;    // frames up to it were durable, that is known
    uint64_t whole_from; // no frame after this one is missing but by damage
    uint64_t epoch;      // of the frame applied last
    bool files_lost;     // frames may be missing because their segment's file is
    bool careful;        // not all that was before is known: keys are compared
    bool footers;        // nothing is wrong so far: what footers say need not be read
    bool scratch;        // the index was empty, and segments may be older than what was reused
    bool manifest;       // where segments began is known, of all frames up to the checkpoint
    uint8_t *twin;       // a buffer for a record that is compared
    uint64_t *oldest;    // by segment: the smallest stamp applied from there; of scratch only
    struct overtaken *overtaken;
    uint32_t overtaken_count;
    uint32_t overtaken_capacity;
    struct salvaged *salvaged; // by location, once salvaged_sorted
    uint32_t salvaged_count;
    uint32_t salvaged_capacity;
    bool salvaged_sorted;
    struct records_ahead *ahead; // that are about to be applied
    int error;
};

enum replay_from {
    REPLAY_AFTER_CHECKPOINT,
    REPLAY_AFTER_UNKNOWN, // the same of a log whose manifest is not known
    REPLAY_ALL,           // onto an empty index, of a log whose manifest is known
    REPLAY_ALL_UNKNOWN,   // and of one whose manifest is not
};

// Applies the frames after the engine's checkpoint_sequence, or all, to the index, in their order,
// over all segments that are open. Sets the engine's sequence, chain and stamp, and what the
// segments hold. 0 or -errno.
int log_replay(struct log_engine *engine, enum replay_from from, struct log_recovery *report);

// log_apply.c

// Tells of a damage, or of something that is none.
void log_complain(struct log_recovery *report, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
void log_remark(struct log_recovery *report, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

int log_apply_open(struct recovery *recovery);
void log_apply_close(struct recovery *recovery);

// The frame of a stream. Known: the checkpoint has it, and it is only counted. 0 or -errno. Its
// last records are applied later, in their order, unless replay is careful.
void log_apply_settle(struct recovery *recovery); // now
int log_apply_frame(struct recovery *recovery, const struct stream *stream, bool known);

// A record that was read whole, at a place that counts as its frame's.
void log_apply_record(struct recovery *recovery, const struct log_record *record, uint32_t segment,
                      uint64_t offset, uint64_t stamp);

// Such a record was applied, out of a damaged frame whose header gives it this stamp.
void log_note_salvaged(struct recovery *recovery, uint64_t location, uint64_t stamp);

// Whether a record with this stamp (0: not known) is newer than what the index leads to.
bool log_is_newer(struct recovery *recovery, const struct log_record *record, uint64_t stamp);

// A record whose checksum does not hold and whose key may be right: the index leads to it, so that
// who asks for the key hears of an error and not of what was there before.
void log_apply_unreadable(struct recovery *recovery, const struct log_record *record,
                          uint32_t segment, uint64_t offset);

// At the end, where frames are lost: of two entries for one key the one that cannot be read is the
// newer, and stays alone.
void log_apply_overtaken(struct recovery *recovery);

// log_salvage.c

// Applies what can be read in the hole of a stream, and tells. The hole is gone then, or what is
// left of it begins with the header of a frame from `next` on, whose turn has not come. Sure: a
// hole is left alone if nothing is left of the header that it has to begin with.
void log_salvage(struct recovery *recovery, struct stream *stream, uint64_t next, bool sure);

// Whether the hole begins with the frame that comes next, and the file's end explains all that is
// missing of it; or with one before that. What the stop has torn may look so too, if all that it
// has torn was behind that end: then records of a frame that was never acknowledged are applied,
// each of them whole.
bool log_salvage_is_cut(struct recovery *recovery, const struct stream *stream);

// Whether there is anything in the hole that a frame of this segment's use has left.
bool log_salvage_would(struct recovery *recovery, const struct stream *stream);
