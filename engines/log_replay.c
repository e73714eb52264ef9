// From what a stop has left to an engine that serves.
//
//  1. The manifest names segments and the newest checkpoint, and where replay begins.
//  2. The checkpoint is loaded into the index.
//  3. Frames after its beginning are replayed in the order of their sequence, over all segments.
//     Each record names the location that it replaces: compare and swap. The checkpoint may be
//     ahead of the frame that is replayed, never behind; what it has already is left as it is.
//  4. What is acknowledged is always a run of frames without a gap. So the first frame that is
//     missing or damaged ends the log, and what is behind it was never acknowledged, unless a later
//     frame, the manifest or the checkpoint says that it was durable. Then it is damage: it is
//     reported, and replay goes on behind it, carefully. Of several that are missing some may be
//     known and the last ones not: the log ends there. That holds whether or not there is a
//     checkpoint or a manifest. One thing else explains a gap: a segment's file that is lost, and
//     more frames than the engine has under way at a time. Without `always` so many may be missing
//     that nothing says were durable, and what is behind them is not given up for that.
//
// Careful replay does not trust in having seen everything: before an entry is added, entries that
// may be of the same key are read and compared, and the one with the larger stamp stays. That is
// also how an index is made anew when no checkpoint can be read.
#include "engines/log_replay.h"

#include "core/memory.h"
#include "core/planted.h"
#include "core/wait.h"
#include "engines/log.h"

#include <errno.h>
#include <inttypes.h>

// Behind its last frame, a segment that is being filled, or was made ready to be, holds nothing of
// its present use: looking for more there up to its end was most of what a start after a crash
// took. Two frames may have been on their way; twice that is looked through, and all of it where
// there is any sign of damage.
enum { PATIENCE_BYTES = 4 * LOG_FRAME_CAPACITY };

// The run of frames ------------------------------------------------------------------------------

// The open stream with the smallest sequence, NULL when all have ended. Of two runs' frames with
// one sequence the later run's counts: the earlier run's was cut off.
static struct stream *stream_first(struct recovery *recovery)
{
    struct stream *first = NULL;

    for (uint32_t i = 0; i < recovery->stream_count; i++) {
        struct stream *const stream = &recovery->streams[i];

        if (!stream->ended && (first == NULL || stream->header.sequence < first->header.sequence ||
                               (stream->header.sequence == first->header.sequence &&
                                stream->header.epoch > first->header.epoch))) {
            first = stream;
        }
    }
    return first;
}

// Whether any frame from here on says that the missing one was durable. Reads all of them.
static bool was_durable(struct recovery *recovery, uint64_t sequence)
{
    for (uint32_t i = 0; i < recovery->stream_count && recovery->durable < sequence; i++) {
        struct stream look = recovery->streams[i];

        if (look.ended) {
            continue;
        }
        look.ahead = NULL;
        look.body = NULL;
        look.footer = NULL;
        look.footers = false;
        look.patience = 0;
        recovery->error = stream_begin(&look);
        if (recovery->error != 0) {
            return true;
        }
        while (!look.ended && recovery->durable < sequence) {
            if (look.header.durable > recovery->durable) {
                recovery->durable = look.header.durable;
            }
            stream_next(&look);
        }
        stream_rest(&look);
        if (look.error != 0) {
            recovery->error = look.error;
            return true;
        }
    }
    return recovery->durable >= sequence;
}

// Whether the hole of a stream is just the frames from the expected one on, up to `next`.
static bool explains(const struct recovery *recovery, const struct stream *stream, uint64_t next)
{
    return stream->hole_from != stream->hole_to && !stream->ended &&
           stream->hole_after + 1 == recovery->expected && stream->header.sequence == next;
}

// Whether a hole may be what the stop has torn: at the end of a segment that was being filled, or
// in front of a frame before which not all is known to have been durable.
static bool may_be_torn(struct recovery *recovery, const struct stream *stream)
{
    if (stream->ended) {
        return recovery->engine->segments[stream->segment].state == LOG_SEGMENT_HEAD;
    }
    return !was_durable(recovery, stream->header.sequence - 1);
}

// Frames before `next` are missing. Where one hole is all of them, the others are of later ones. A
// file that is lost may be where they were, and of all segments old frames are missing that were
// used anew. Then a hole that does not say which frames it was may be what the stop has torn.
static void salvage_holes(struct recovery *recovery, uint64_t next, bool cut_off)
{
    const struct stream *only = NULL;

    for (uint32_t i = 0; i < recovery->stream_count && only == NULL; i++) {
        only = explains(recovery, &recovery->streams[i], next) ? &recovery->streams[i] : NULL;
    }
    for (uint32_t i = 0; i < recovery->stream_count; i++) {
        struct stream *const stream = &recovery->streams[i];

        if (stream->hole_from != stream->hole_to && (only == NULL || only == stream)) {
            const bool sure = (recovery->files_lost && (cut_off || stream->ended)) ||
                              (recovery->scratch && may_be_torn(recovery, stream));

            log_salvage(recovery, stream, next, sure);
        }
    }
}

// A read that fails says nothing of what is there, and a later one may be able to read it. Passed
// over, keys would show what they had before, and go on with that.
static void refuse_unread(struct recovery *recovery)
{
    for (uint32_t i = 0; i < recovery->stream_count && recovery->error == 0; i++) {
        const struct stream *const stream = &recovery->streams[i];

        if (stream->hole_from == stream->hole_to || !stream->unread) {
            continue;
        }
        log_complain(recovery->report, "segment-%05u behind %u: the disk fails to read the log%s",
                     stream->segment, stream->hole_from,
                     recovery->report->past_unread
                         ? ""
                         : "; start again, and where that fails too, let rldb repair set aside "
                           "what cannot be read, or copy the file to a disk that works");
        if (recovery->report->past_unread) {
            recovery->engine->segments[stream->segment].unread = true;
        } else {
            recovery->error = -EIO;
        }
    }
}

// Frames up to `last` are damaged, or their files are.
static void tell_gap(struct recovery *recovery, uint64_t last, bool cut_off)
{
    refuse_unread(recovery);
    if (recovery->error != 0) {
        return;
    }
    if (last > recovery->whole_from) {
        const uint64_t from = recovery->expected > recovery->whole_from ? recovery->expected
                                                                        : recovery->whole_from + 1;

        if (!planted(PLANTED_HUSH_DAMAGE)) {
            log_complain(recovery->report,
                         "frames %" PRIu64 " to %" PRIu64 " are missing or damaged", from, last);
        }
    }
    recovery->careful = true;
    salvage_holes(recovery, last + 1, cut_off);
}

// Frames from the expected one on up to `next` are not there. False where the log ends in between:
// those from there on were written and never acknowledged.
static bool pass_gap(struct recovery *recovery, uint64_t next)
{
    log_apply_settle(recovery);
    if (!was_durable(recovery, next - 1)) {
        const uint64_t known =
            recovery->durable >= recovery->expected ? recovery->durable : recovery->expected - 1;

        // More than can have been on their way at a time, without `always`: a lost file had them.
        if (!recovery->files_lost || next - 1 - known <= LIMIT_LOG_FRAMES) {
            if (recovery->error == 0 && known >= recovery->expected) {
                tell_gap(recovery, known, true);
                recovery->expected = known + 1;
            }
            return false;
        }
    }
    tell_gap(recovery, next - 1, false);
    return recovery->error == 0;
}

// After the last frame: what is behind it was durable, or in a file that was cut, or was torn. A
// frame whose bytes are all there, in a file that was cut behind it, was torn.
static void end_run(struct recovery *recovery)
{
    if (recovery->durable >= recovery->expected) {
        (void)pass_gap(recovery, recovery->durable + 1);
    }
    for (uint32_t i = 0; i < recovery->stream_count && recovery->error == 0; i++) {
        struct stream *const stream = &recovery->streams[i];

        if (stream->hole_from != stream->hole_to &&
            recovery->engine->segments[stream->segment].cut &&
            log_salvage_is_cut(recovery, stream)) {
            recovery->careful = true;
            log_salvage(recovery, stream, UINT64_MAX, false);
        } else if (!recovery->report->torn) {
            recovery->report->torn = log_salvage_would(recovery, stream);
        }
    }
}

static int replay_frame(struct recovery *recovery, struct stream *stream, bool known)
{
    if (known && stream->hole_from != stream->hole_to) {
        log_complain(recovery->report,
                     "segment-%05u at %u: %u bytes are damaged; the index leads to what was there",
                     stream->segment, stream->hole_from, stream->hole_to - stream->hole_from);
    }
    stream->hole_from = stream->hole_to;
    const int error = log_apply_frame(recovery, stream, known);

    recovery->epoch = stream->header.epoch;
    stream_next(stream);
    return error != 0 ? error : stream->error;
}

// What a footer should have told is read from the frames.
static void tell_footer(struct recovery *recovery, struct stream *stream)
{
    if (stream->footer_damaged) {
        log_complain(recovery->report,
                     "segment-%05u: its footer is damaged; its frames are read instead",
                     stream->segment);
        stream->footer_damaged = false;
    }
}

// Footers have no keys, which careful replay compares.
static void leave_footers(struct recovery *recovery)
{
    recovery->footers = false;
    for (uint32_t i = 0; i < recovery->stream_count && recovery->error == 0; i++) {
        recovery->error = stream_leave_footer(&recovery->streams[i]);
    }
}

// Where a sealed segment has a footer, its stream need not begin to say which frame is its first.
// -EPROTONOSUPPORT: a newer version's.
static int look_at_footer(struct recovery *recovery, struct stream *stream)
{
    struct log_footer_header header;

    if (!recovery->footers) {
        return 0;
    }
    switch (stream_footer(recovery->engine, stream->segment, &header)) {
    case LOG_FOOTER_NEWER:
        log_complain(recovery->report,
                     "segment-%05u has a footer of a newer format: use the version of rldbd that "
                     "wrote it, or a newer one",
                     stream->segment);
        return -EPROTONOSUPPORT;
    case LOG_FOOTER_DAMAGED:
        stream->footer_damaged = true;
        tell_footer(recovery, stream);
        return 0;
    case LOG_FOOTER_VALID:
        stream->footers = true;
        stream->header.sequence =
            stream->header.sequence == 0 ? header.sequence_first : stream->header.sequence;
        return 0;
    case LOG_FOOTER_NONE:
        return 0;
    }
    return 0;
}

static int replay(struct recovery *recovery)
{
    struct stream *stream;

    while ((stream = stream_first(recovery)) != NULL && recovery->error == 0) {
        const uint64_t sequence = stream->header.sequence;

        if (!stream_is_begun(stream)) {
            recovery->error = stream_begin(stream);
            tell_footer(recovery, stream);
            continue;
        }
        if (stream->header.epoch < recovery->epoch) { // cut off when a later run began
            stream_next(stream);
            recovery->error = stream->error;
            continue;
        }
        if (sequence > recovery->expected && !pass_gap(recovery, sequence) &&
            !planted(PLANTED_REPLAY_TORN)) {
            recovery->report->torn = true;
            break;
        }
        if (recovery->careful && recovery->error == 0 && recovery->footers) {
            recovery->expected = sequence > recovery->expected ? sequence : recovery->expected;
            leave_footers(recovery);
            continue;
        }
        if (recovery->error == 0) {
            recovery->error = replay_frame(recovery, stream, sequence < recovery->expected);
        }
        if (sequence >= recovery->expected) {
            recovery->expected = sequence + 1;
        }
    }
    log_apply_settle(recovery);
    if (recovery->error == 0) {
        refuse_unread(recovery); // nobody can tell whether the log ends there
    }
    if (stream == NULL && recovery->error == 0) {
        end_run(recovery);
    }
    if (recovery->report->torn && recovery->error == 0) {
        log_remark(recovery->report,
                   "the log ends with frame %" PRIu64
                   ": what was written after it was torn by the stop, and is not used",
                   recovery->expected - 1);
    }
    return recovery->error;
}

// A stream for each segment that may hold frames to be replayed.
static int open_streams(struct recovery *recovery, uint64_t after)
{
    struct log_engine *const engine = recovery->engine;

    for (uint32_t i = 0; i < engine->segment_top; i++) {
        const struct log_segment *const segment = &engine->segments[i];
        const bool sealed = segment->state == LOG_SEGMENT_SEALED;

        if (segment->fd < 0 || (!sealed && segment->state != LOG_SEGMENT_HEAD) ||
            (sealed && segment->sequence_last <= after)) {
            continue;
        }
        struct stream *const stream = &recovery->streams[recovery->stream_count++];

        *stream = (struct stream){
            .engine = engine,
            .segment = i,
            .limit = sealed && segment->used < engine->segment_bytes ? segment->used
                                                                     : engine->segment_bytes,
            .sequence_max = sealed ? segment->sequence_last : UINT64_MAX,
            .header.sequence = sealed ? segment->sequence_first : 0,
            .patience =
                sealed || recovery->careful || recovery->report->damages != 0 ? 0 : PATIENCE_BYTES,
        };
        int error = look_at_footer(recovery, stream);

        if (error == 0 && stream->header.sequence != 0) {
            continue; // it is begun when it is its turn
        }
        error = error != 0 ? error : stream_begin(stream);

        if (error != 0) {
            return error;
        }
        stream_rest(stream);
    }
    return 0;
}

static int oldest_open(struct recovery *recovery)
{
    const uint32_t count = recovery->engine->segment_top + 1U;

    recovery->oldest = memory_allocate(count * sizeof recovery->oldest[0]);
    for (uint32_t i = 0; i < count && recovery->oldest != NULL; i++) {
        recovery->oldest[i] = UINT64_MAX;
    }
    return recovery->oldest == NULL ? -ENOMEM : 0;
}

int log_replay(struct log_engine *engine, enum replay_from from, struct log_recovery *report)
{
    const bool scratch = from == REPLAY_ALL || from == REPLAY_ALL_UNKNOWN;
    const uint64_t after = scratch ? 0 : engine->checkpoint_sequence;
    struct recovery recovery = {
        .engine = engine,
        .report = report,
        .expected = after + 1,
        .durable = engine->durable > engine->checkpoint_sequence ? engine->durable
                                                                 : engine->checkpoint_sequence,
        .whole_from = from == REPLAY_ALL_UNKNOWN ? UINT64_MAX : engine->checkpoint_sequence,
        .files_lost = report->files_lost,
        .careful = scratch,
        .scratch = scratch,
        .footers = from == REPLAY_AFTER_CHECKPOINT && report->damages == 0,
        .manifest = from == REPLAY_AFTER_CHECKPOINT,
    };

    const uint64_t begin_ns = io_clock_ns(engine->options.io);

    recovery.streams =
        memory_allocate_zeroed((engine->segment_top + 1U) * sizeof *recovery.streams);
    recovery.twin = memory_allocate_aligned(LOG_FRAME_CAPACITY, LOG_BLOCK_BYTES);
    int error = recovery.streams == NULL || recovery.twin == NULL ? -ENOMEM : 0;

    if (error == 0 && scratch) {
        error = oldest_open(&recovery);
    }
    error = error != 0 ? error : log_apply_open(&recovery);
    if (error == 0) {
        error = open_streams(&recovery, after);
    }
    if (error == 0) {
        error = replay(&recovery);
    }
    if (error == 0 && recovery.careful) {
        log_apply_overtaken(&recovery);
    }
    for (uint32_t i = 0; i < recovery.stream_count; i++) {
        stream_rest(&recovery.streams[i]);
    }
    memory_free(recovery.oldest);
    log_apply_close(&recovery);
    memory_free(recovery.overtaken);
    memory_free(recovery.salvaged);
    // Frames that a checkpoint has seen are not numbered again, also where they are gone.
    engine->sequence = recovery.expected - 1 > engine->checkpoint_sequence
                           ? recovery.expected - 1
                           : engine->checkpoint_sequence;
    engine->replay_ns = io_clock_ns(engine->options.io) - begin_ns;
    memory_free(recovery.streams);
    memory_free(recovery.twin);
    return error;
}
