// What can still be read where a frame is damaged: its records have checksums of their own, which
// hold at one place of one use of a segment only. So a record that is found in a hole is a record
// of that frame, wherever the frame's own header is.
//
// One that is damaged itself, but begins where it has to, names a key that may be right: the index
// is led to it, so that a reader of that key meets the error and not what the record has replaced.
#include "core/memory.h"
#include "core/wait.h"
#include "engines/log.h"
#include "engines/log_replay.h"

#include <errno.h>

struct salvage {
    struct recovery *recovery;
    struct stream *stream;
    uint8_t *bytes; // of the hole
    uint32_t size;
    uint32_t there; // of them, before the file ends; the others are zeros
    uint32_t at;
    uint32_t frame_end; // of the frame that `at` is in, 0: its header is gone
    bool begins;        // a record has to begin at `at`
    uint64_t next;      // frames from this one on are left
    uint64_t sequence;  // of that frame, 0: unknown
    uint64_t epoch;     // and the run that wrote it
    uint64_t stamp;     // of the next record without one, if its header could be read
    uint32_t records;
    uint32_t unreadable;
    uint32_t lost; // bytes
};

static bool hole_read(struct salvage *salvage)
{
    struct log_engine *const engine = salvage->recovery->engine;
    const struct stream *const stream = salvage->stream;
    const int fd = engine->segments[stream->segment].fd;

    salvage->size = stream->hole_to - stream->hole_from;
    salvage->bytes = memory_allocate_aligned(salvage->size, LOG_BLOCK_BYTES);
    if (salvage->bytes == NULL) {
        return false;
    }
    uint32_t got;

    if (wait_read_some(engine->options.io, fd, salvage->bytes, salvage->size, stream->hole_from,
                       &salvage->there) == 0) {
        memset(salvage->bytes + salvage->there, 0, salvage->size - salvage->there);
        return true;
    }
    // Block by block, since some of them are not readable; those stay zeros.
    salvage->there = salvage->size;
    for (uint32_t at = 0; at < salvage->size; at += LOG_BLOCK_BYTES) {
        memset(salvage->bytes + at, 0, LOG_BLOCK_BYTES);
        (void)wait_read_some(engine->options.io, fd, salvage->bytes + at, LOG_BLOCK_BYTES,
                             stream->hole_from + at, &got);
    }
    return true;
}

static struct slice rest(const struct salvage *salvage, uint32_t at)
{
    return slice_of(salvage->bytes + at, salvage->size - at);
}

static bool record_at(const struct salvage *salvage, uint32_t at, struct log_record *ret_record)
{
    const struct stream *const stream = salvage->stream;
    const uint64_t location = log_location(stream->segment, (uint64_t)stream->hole_from + at);

    return at < salvage->size &&
           log_record_read(rest(salvage, at),
                           log_record_seed_at(salvage->recovery->engine, location), ret_record);
}

// Where the next record that is whole begins, or the frame ends, or the block after.
static uint32_t next_border(const struct salvage *salvage)
{
    struct log_record record;
    struct log_frame_header header;
    uint32_t at = salvage->at + LOG_RECORD_ALIGN;

    while (at < salvage->size && at != salvage->frame_end && !record_at(salvage, at, &record) &&
           !(at % LOG_BLOCK_BYTES == 0 &&
             stream_damaged_header(salvage->recovery->engine, salvage->stream->segment,
                                   salvage->stream->hole_from + at, rest(salvage, at), &header))) {
        at += LOG_RECORD_ALIGN;
    }
    return at;
}

static bool is_zero(const uint8_t *bytes, uint32_t size)
{
    return size == 0 || (bytes[0] == 0 && memcmp(bytes, bytes + 1, size - 1) == 0);
}

// What the index leads to is in the part of the segment that is in use.
static void note_used(const struct salvage *salvage)
{
    struct log_segment *const segment =
        &salvage->recovery->engine->segments[salvage->stream->segment];
    const uint32_t used = salvage->stream->hole_from + log_frame_span(salvage->at);

    segment->used = used > segment->used ? used : segment->used;
}

// Whether a record is not older than what the index knows. Frames from the expected one on are all
// newer, but for what an earlier run's end has torn; where nothing tells the frame, the record has
// to prove it.
static bool counts(const struct salvage *salvage, const struct log_record *record)
{
    struct recovery *const recovery = salvage->recovery;

    if (!recovery->scratch && salvage->sequence != 0) {
        return salvage->sequence >= recovery->expected && salvage->epoch >= recovery->epoch;
    }
    if (!recovery->scratch &&
        salvage->stream->hole_after >= recovery->engine->checkpoint_sequence) {
        return true;
    }
    return log_is_newer(recovery, record, record->stamp != 0 ? record->stamp : salvage->stamp);
}

// Bytes up to a border in which nothing is whole. The key of what begins there may be.
static void pass_damaged(struct salvage *salvage)
{
    const uint32_t end = next_border(salvage);
    struct slice bytes = slice_of(salvage->bytes + salvage->at, end - salvage->at);
    struct log_record record = {0};
    const bool known = salvage->begins && log_record_parse_damaged(bytes, &record);

    // It has taken a stamp of the frame's, if it has none of its own: what follows has the next.
    salvage->stamp += salvage->stamp != 0 && salvage->begins && record.stamp == 0 ? 1 : 0;
    if (known && counts(salvage, &record)) {
        log_apply_unreadable(salvage->recovery, &record, salvage->stream->segment,
                             (uint64_t)salvage->stream->hole_from + salvage->at);
        salvage->unreadable++;
    } else if (!is_zero(bytes.bytes, (uint32_t)bytes.size)) {
        salvage->lost += (uint32_t)bytes.size;
    }
    salvage->at = end;
    salvage->begins = true;
    note_used(salvage);
}

// Whether all of the hole was written after the checkpoint began. A removal that was moved is of
// before that, and older; or it is itself among the frames to come.
static bool is_after_checkpoint(const struct salvage *salvage)
{
    const struct recovery *const recovery = salvage->recovery;
    const struct stream *const stream = salvage->stream;
    const uint64_t checkpoint = recovery->engine->checkpoint_sequence;
    const uint64_t first = recovery->engine->segments[stream->segment].sequence_first;

    return !recovery->scratch &&
           (stream->hole_after >= checkpoint ||
            (stream->hole_from == 0 && recovery->manifest && (first == 0 || first > checkpoint)));
}

static void pass_record(struct salvage *salvage, const struct log_record *record)
{
    struct recovery *const recovery = salvage->recovery;
    const uint64_t offset = (uint64_t)salvage->stream->hole_from + salvage->at;
    const bool is_newer = counts(salvage, record);
    const bool is_late = is_after_checkpoint(salvage);
    const bool is_known = salvage->stamp != 0 || is_late;
    uint64_t stamp = record->stamp;

    if (stamp == 0) {
        // Without its frame's header nothing tells its stamp: what it removes was there before it,
        // and what it holds may be as old as anything but what came before the frame.
        const uint64_t guess = is_late || record->kind == LOG_REMOVAL || record->kind == LOG_DROP
                                   ? recovery->engine->stamp
                                   : 1;

        stamp = salvage->stamp != 0 ? salvage->stamp++ : guess;
    }
    if (is_newer) {
        log_apply_record(recovery, record, salvage->stream->segment, offset, stamp);
        if (record->stamp == 0 && is_known) {
            log_note_salvaged(recovery, log_location(salvage->stream->segment, offset), stamp);
        }
        salvage->records++;
    }
    salvage->at += record->bytes;
    salvage->begins = true;
    note_used(salvage);
}

// The rest of a frame's last block is zeros.
static void pass_end(struct salvage *salvage)
{
    salvage->at = log_frame_span(salvage->at);
    salvage->frame_end = 0;
    salvage->begins = false;
    salvage->sequence = salvage->epoch = salvage->stamp = 0;
}

// Whether a damaged header says of its frame's number and run what its neighbours allow: numbers
// grow in a segment, and one use of it is of one run.
static bool is_between(const struct stream *stream, const struct log_frame_header *header)
{
    return header->sequence > stream->hole_after &&
           (stream->ended || header->sequence < stream->header.sequence) &&
           ((stream->ended && stream->hole_after == 0) || header->epoch == stream->header.epoch);
}

// False where the frame is none of those that are missing.
static bool pass_header(struct salvage *salvage, const struct log_frame_header *header)
{
    const struct stream *const stream = salvage->stream;
    const bool known = is_between(stream, header);

    if ((known ? header->sequence : stream->hole_after + 1) >= salvage->next) {
        return false;
    }
    // Its length may be what is damaged: one past the hole says nothing of where it ends.
    salvage->frame_end =
        header->bytes <= salvage->size - salvage->at ? salvage->at + header->bytes : 0;
    salvage->sequence = known ? header->sequence : 0;
    salvage->epoch = header->epoch;
    salvage->stamp = header->stamp;
    salvage->at += LOG_FRAME_HEADER_BYTES;
    salvage->begins = true;
    return true;
}

// False where the frame that comes now is none of those that are missing.
static bool salvage_some(struct salvage *salvage)
{
    const struct stream *const stream = salvage->stream;
    struct log_frame_header header;
    struct log_record record;

    if (salvage->frame_end != 0 && salvage->at == salvage->frame_end) {
        pass_end(salvage);
    } else if (salvage->at % LOG_BLOCK_BYTES == 0 &&
               stream_damaged_header(salvage->recovery->engine, stream->segment,
                                     stream->hole_from + salvage->at, rest(salvage, salvage->at),
                                     &header)) {
        return pass_header(salvage, &header);
    } else if (record_at(salvage, salvage->at, &record)) {
        pass_record(salvage, &record);
    } else {
        pass_damaged(salvage);
    }
    return true;
}

static bool begins_with_header(const struct salvage *salvage)
{
    struct log_frame_header header;

    return stream_damaged_header(salvage->recovery->engine, salvage->stream->segment,
                                 salvage->stream->hole_from, rest(salvage, 0), &header);
}

void log_salvage(struct recovery *recovery, struct stream *stream, uint64_t next, bool sure)
{
    struct salvage salvage = {.recovery = recovery, .stream = stream, .next = next};

    if (!hole_read(&salvage)) {
        recovery->error = -ENOMEM;
        return;
    }
    if (sure && !begins_with_header(&salvage)) {
        memory_free(salvage.bytes);
        return;
    }
    while (salvage.at < salvage.size && recovery->error == 0 && salvage_some(&salvage)) {
    }
    // Behind the last frame of a segment that is being filled is what an earlier use has left.
    const bool old =
        stream->ended && recovery->engine->segments[stream->segment].state == LOG_SEGMENT_HEAD;

    if (salvage.records != 0 || salvage.unreadable != 0 || (salvage.lost != 0 && !old)) {
        log_complain(recovery->report,
                     "segment-%05u at %u: %u bytes are damaged: %u records in them can be read, %u "
                     "are known by their key only, and of %u bytes nothing is known",
                     stream->segment, stream->hole_from, salvage.at, salvage.records,
                     salvage.unreadable, salvage.lost);
    }
    stream->hole_from += salvage.at < salvage.size ? salvage.at : salvage.size;
    memory_free(salvage.bytes);
}

// Whether records that are whole go on up to the file's end, in the midst of a frame. Frames before
// the one that comes next were durable.
static bool cut_explains(const struct salvage *salvage)
{
    const uint32_t from = salvage->stream->hole_from;
    const uint64_t expected = salvage->recovery->expected;
    struct log_frame_header header;
    struct log_record record;
    uint32_t at = LOG_FRAME_HEADER_BYTES;

    if (!stream_damaged_header(salvage->recovery->engine, salvage->stream->segment, from,
                               slice_of(salvage->bytes, salvage->there), &header)) {
        return false;
    }
    if (header.sequence != expected || log_frame_span(header.bytes) <= salvage->there) {
        return header.sequence < expected;
    }
    const uint32_t end = header.bytes < salvage->size ? header.bytes : salvage->size;

    while (at < end && record_at(salvage, at, &record)) {
        at += record.bytes;
    }
    return at >= end || at + LOG_RECORD_HEADER_BYTES > salvage->there ||
           (log_record_parse(slice_of(salvage->bytes + at, end - at), &record) &&
            at + record.bytes > salvage->there);
}

bool log_salvage_is_cut(struct recovery *recovery, const struct stream *stream)
{
    struct stream copy = *stream;
    struct salvage salvage = {.recovery = recovery, .stream = &copy};

    if (!hole_read(&salvage)) {
        recovery->error = -ENOMEM;
        return false;
    }
    const bool is_cut = cut_explains(&salvage);

    memory_free(salvage.bytes);
    return is_cut;
}

bool log_salvage_would(struct recovery *recovery, const struct stream *stream)
{
    struct stream copy = *stream;
    struct salvage salvage = {.recovery = recovery, .stream = &copy};
    struct log_frame_header header;
    struct log_record record;
    bool found = false;

    if (copy.hole_from == copy.hole_to || !hole_read(&salvage)) {
        return false;
    }
    while (salvage.at < salvage.size && !found) {
        const uint32_t left = salvage.size - salvage.at;

        // Most of it was prepared and never written to. No record begins with zeros, and no frame.
        if (salvage.at % LOG_BLOCK_BYTES == 0 && left >= LOG_BLOCK_BYTES &&
            is_zero(salvage.bytes + salvage.at, LOG_BLOCK_BYTES)) {
            salvage.at += LOG_BLOCK_BYTES;
            continue;
        }
        found = record_at(&salvage, salvage.at, &record) ||
                (salvage.at % LOG_BLOCK_BYTES == 0 &&
                 stream_damaged_header(recovery->engine, copy.segment, copy.hole_from + salvage.at,
                                       rest(&salvage, salvage.at), &header));
        salvage.at += LOG_RECORD_ALIGN;
    }
    memory_free(salvage.bytes);
    return found;
}
