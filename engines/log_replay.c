// From what a stop has left to an engine that serves.
//
//  1. The manifest names segments and the newest checkpoint, and where replay begins.
//  2. The checkpoint is loaded into the index.
//  3. Frames after its beginning are replayed in the order of their sequence, over all segments.
//     Each record names the location that it replaces: compare and swap. The checkpoint may be
//     ahead of the frame that is replayed, never behind; what it has already is left as it is.
//  4. The first frame that is missing or damaged ends the run. If no later frame says that it was
//     durable, it is the torn tail: what was never acknowledged. Else it is damage: it is reported,
//     and replay goes on behind it, carefully.
//
// Careful replay does not trust in having seen everything: before an entry is added, entries that
// may be of the same key are read and compared, and the one with the larger stamp stays. That is
// also how an index is made anew when no checkpoint can be read.
#include "engines/log_replay.h"

#include "core/memory.h"
#include "core/wait.h"
#include "engines/log.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>

enum { STREAM_BYTES = 2 * LOG_FRAME_CAPACITY };

// The frames of one segment, one after another.
struct stream {
    uint32_t segment;
    uint32_t offset; // of `frame` in the segment
    uint32_t end;    // where the bytes read end
    uint32_t begin;  // where they begin
    uint8_t *bytes;  // STREAM_BYTES while it is open
    const uint8_t *frame;
    struct log_frame_header header; // of `frame`
    uint64_t sequence_max;          // frames beyond it do not count
    bool ended;
};

struct recovery {
    struct log_engine *engine;
    struct log_recovery *report;
    struct stream *streams;
    uint32_t stream_count;
    uint64_t expected;   // sequence of the next frame
    bool expected_known; // false where replay begins with whatever there is
    bool careful;
    uint8_t *twin; // a buffer for a record that is compared
    int error;
};

static void complain(struct recovery *recovery, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

static void complain(struct recovery *recovery, const char *format, ...)
{
    struct log_recovery *const report = recovery->report;
    va_list arguments;

    report->damages++;
    if (report->say == NULL) {
        return;
    }
    char text[LOG_REPORT_TEXT_MAX];

    va_start(arguments, format);
    (void)vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    report->say(report->context, text);
}

// Streams ----------------------------------------------------------------------------------------

// Makes sure that at least `bytes` from the stream's offset on are in memory, as far as the segment
// has them.
static int stream_fill(struct recovery *recovery, struct stream *stream, uint32_t bytes)
{
    struct log_engine *const engine = recovery->engine;
    const uint32_t left = engine->segment_bytes - stream->offset;
    uint32_t got;

    bytes = bytes < left ? bytes : left;
    if (stream->offset >= stream->begin && stream->offset + bytes <= stream->end) {
        return 0;
    }
    const uint32_t wanted = left < STREAM_BYTES ? left : STREAM_BYTES;
    const int error = wait_read_some(engine->options.io, engine->segments[stream->segment].fd,
                                     stream->bytes, wanted, stream->offset, &got);

    if (error != 0) {
        return error;
    }
    stream->begin = stream->offset;
    stream->end = stream->offset + got;
    return 0;
}

// Whether a frame of this segment's present use begins at the stream's offset.
static bool stream_look(struct recovery *recovery, struct stream *stream, bool *ret_damaged)
{
    struct log_engine *const engine = recovery->engine;
    const struct log_segment *const segment = &engine->segments[stream->segment];
    struct log_frame_header header;

    *ret_damaged = false;
    if (stream_fill(recovery, stream, LOG_BLOCK_BYTES) != 0) {
        *ret_damaged = true;
        return false;
    }
    if (stream->end <= stream->offset) {
        return false;
    }
    const uint8_t *const at = stream->bytes + (stream->offset - stream->begin);
    enum log_frame_status status =
        log_frame_open(slice_of(at, stream->end - stream->offset), engine->log_id, &header);

    if (status == LOG_FRAME_NEWER) {
        recovery->error = -EPROTONOSUPPORT;
        return false;
    }
    if (status == LOG_FRAME_NONE || header.generation != segment->generation ||
        header.segment != stream->segment || header.offset != stream->offset) {
        return false;
    }
    if (status == LOG_FRAME_CUT &&
        stream_fill(recovery, stream, log_frame_span(header.bytes)) == 0) {
        status = log_frame_open(slice_of(stream->bytes + (stream->offset - stream->begin),
                                         stream->end - stream->offset),
                                engine->log_id, &header);
    }
    if (status != LOG_FRAME_VALID) {
        *ret_damaged = true;
        return false;
    }
    stream->header = header;
    stream->frame = stream->bytes + (stream->offset - stream->begin);
    return true;
}

// Goes to the next valid frame from the stream's offset on.
static void stream_seek(struct recovery *recovery, struct stream *stream)
{
    struct log_engine *const engine = recovery->engine;
    bool damaged;

    while (stream->offset < engine->segment_bytes && recovery->error == 0) {
        if (stream_look(recovery, stream, &damaged)) {
            if (stream->header.sequence > stream->sequence_max) {
                break; // cut off by an earlier recovery
            }
            return;
        }
        stream->offset += LOG_BLOCK_BYTES;
    }
    stream->ended = true;
    memory_free(stream->bytes);
    stream->bytes = NULL;
}

static int stream_begin(struct recovery *recovery, struct stream *stream)
{
    stream->bytes = memory_allocate_aligned(STREAM_BYTES, LOG_BLOCK_BYTES);
    if (stream->bytes == NULL) {
        return recovery->error = -ENOMEM;
    }
    stream->begin = stream->end = 0;
    stream_seek(recovery, stream);
    return recovery->error;
}

// Keeps the header of its next frame, and not the memory.
static void stream_rest(struct stream *stream)
{
    memory_free(stream->bytes);
    stream->bytes = NULL;
    stream->frame = NULL;
}

static void stream_next(struct recovery *recovery, struct stream *stream)
{
    stream->offset += log_frame_span(stream->header.bytes);
    stream_seek(recovery, stream);
}

// Careful replay ---------------------------------------------------------------------------------

// Reads the record at a location into `twin`: 0, -EBADMSG, or -errno.
static int read_record(struct recovery *recovery, uint64_t payload, struct log_record *ret_record)
{
    struct log_engine *const engine = recovery->engine;
    const uint64_t location = payload & LOG_PAYLOAD_WHERE;
    const uint32_t number = log_location_segment(location);
    const uint32_t offset = (uint32_t)log_location_offset(location);
    const uint32_t begin = offset & ~(uint32_t)(LOG_BLOCK_BYTES - 1);
    const uint32_t from = offset - begin;
    uint32_t size = log_frame_span(from + log_class_bytes(log_payload_class(payload)));

    size = size < engine->segment_bytes - begin ? size : engine->segment_bytes - begin;
    if (engine->segments[number].fd < 0) {
        return -ENOENT;
    }
    const int error =
        wait_read(engine->options.io, engine->segments[number].fd, recovery->twin, size, begin);

    if (error != 0) {
        return error;
    }
    return log_record_read(slice_of(recovery->twin + from, size - from),
                           log_record_seed_at(engine, location), ret_record)
               ? 0
               : -EBADMSG;
}

struct stamp_search {
    uint64_t offset;
    uint64_t stamp; // 0: not found
};

static bool stamp_each(void *context, const struct log_record *record, uint64_t stamp,
                       uint64_t offset)
{
    struct stamp_search *const search = context;

    (void)record;
    search->stamp = offset == search->offset ? stamp : 0;
    return offset < search->offset;
}

// The stamp of the record at a location, by way of its frame; 0 when that is damaged.
static uint64_t stamp_at(struct recovery *recovery, uint64_t location)
{
    struct stream stream = {
        .segment = log_location_segment(location),
        .sequence_max = UINT64_MAX,
    };
    struct stamp_search search = {.offset = log_location_offset(location)};

    if (stream_begin(recovery, &stream) != 0) {
        return 0;
    }
    while (!stream.ended && stream.offset + stream.header.bytes <= search.offset) {
        stream_next(recovery, &stream);
    }
    if (!stream.ended) {
        log_frame_each(stream.frame, &stream.header, stamp_each, &search);
    }
    memory_free(stream.bytes);
    return search.stamp;
}

// The entry of the record's key, found by reading what may be it.
static uint64_t *find_by_key(struct recovery *recovery, const struct log_record *record,
                             uint64_t hash)
{
    struct log_engine *const engine = recovery->engine;
    struct index_probe probe;
    struct log_record other;
    uint64_t *slot;

    index_probe_begin(&engine->index, &engine->vnodes[record->vnode].table, hash, &probe);
    while ((slot = index_probe_next(&engine->index, &probe)) != NULL) {
        if (read_record(recovery, index_payload(*slot), &other) == 0 &&
            other.vnode == record->vnode && other.key.size == record->key.size &&
            (other.key.size == 0 ||
             memcmp(other.key.bytes, record->key.bytes, other.key.size) == 0)) {
            return slot;
        }
    }
    return NULL;
}

// Applying records -------------------------------------------------------------------------------

static void count(struct log_engine *engine, uint32_t vnode, bool tombstone, bool expires,
                  uint64_t change)
{
    engine->vnodes[vnode].tombstones += tombstone ? change : 0;
    engine->vnodes[vnode].with_expiry += expires ? change : 0;
}

static void apply_counts(struct log_engine *engine, const struct log_record *record)
{
    if (record->stamp == 0) { // what moves changes nothing
        if (record->replaces != LOG_LOCATION_NONE) {
            count(engine, record->vnode, (record->replaces & LOG_REPLACES_TOMBSTONE) != 0,
                  (record->replaces & LOG_REPLACES_EXPIRY) != 0, UINT64_MAX);
        }
        if (record->kind != LOG_REMOVAL) {
            count(engine, record->vnode, record->kind == LOG_TOMBSTONE, record->expire_ms != 0, 1);
        }
    }
}

static void apply_drop(struct recovery *recovery, const struct log_record *record)
{
    struct log_engine *const engine = recovery->engine;
    struct log_vnode *const vnode = &engine->vnodes[record->vnode];

    while (vnode->table.entries != 0) {
        (void)index_shed(&engine->index, &vnode->table, log_ignore_entry, NULL);
    }
    vnode->tombstones = vnode->with_expiry = 0;
}

static void apply_removal(struct recovery *recovery, const struct log_record *record, uint64_t hash,
                          uint64_t stamp)
{
    struct log_engine *const engine = recovery->engine;
    uint64_t *slot = log_slot_of(engine, record->vnode, hash, record->replaces & LOG_PAYLOAD_WHERE);

    if (slot == NULL && recovery->careful) {
        slot = find_by_key(recovery, record, hash);
        // One that was moved may be behind a record that was put after it.
        if (slot != NULL && record->stamp != 0 &&
            stamp_at(recovery, index_payload(*slot) & LOG_PAYLOAD_WHERE) > stamp) {
            slot = NULL;
        }
    }
    if (slot != NULL) {
        index_remove(&engine->index, &engine->vnodes[record->vnode].table, hash, slot);
    }
}

static bool apply_value(struct recovery *recovery, const struct log_record *record, uint64_t hash,
                        uint64_t location)
{
    struct log_engine *const engine = recovery->engine;
    struct index_table *const table = &engine->vnodes[record->vnode].table;
    const uint64_t payload = log_payload(location, log_class(record->bytes));
    uint64_t *old =
        record->replaces == LOG_LOCATION_NONE
            ? NULL
            : log_slot_of(engine, record->vnode, hash, record->replaces & LOG_PAYLOAD_WHERE);

    if (log_slot_of(engine, record->vnode, hash, location) != NULL) {
        if (old != NULL) { // the checkpoint was ahead, and an earlier frame has come after it
            index_remove(&engine->index, table, hash, old);
        }
        return true;
    }
    if (old == NULL && recovery->careful) {
        old = find_by_key(recovery, record, hash);
    }
    if (old != NULL) {
        *old = index_entry(index_fingerprint(&engine->index, hash), payload);
        return true;
    }
    return index_insert(&engine->index, table, hash, payload);
}

struct frame_apply {
    struct recovery *recovery;
    const struct log_frame_header *header;
    bool known; // the checkpoint has it: it is only counted
};

// What the segment that is being looked through holds. Of a sealed one the manifest knows it.
static void note_record(struct log_engine *engine, struct log_segment *segment,
                        const struct log_record *record, uint64_t stamp)
{
    engine->stamp = stamp >= engine->stamp ? stamp + 1 : engine->stamp;
    if (segment->state != LOG_SEGMENT_HEAD) {
        return;
    }
    if (record->kind == LOG_VALUE || record->kind == LOG_TOMBSTONE) {
        segment->stamp_min = stamp < segment->stamp_min ? stamp : segment->stamp_min;
        segment->filled_bytes += log_class_bytes(log_class(record->bytes));
    } else if (stamp > segment->removal_stamp_max) {
        segment->removal_stamp_max = stamp;
    }
}

static bool apply_record(void *context, const struct log_record *record, uint64_t stamp,
                         uint64_t offset)
{
    struct frame_apply *const apply = context;
    struct recovery *const recovery = apply->recovery;
    struct log_engine *const engine = recovery->engine;
    const uint32_t number = apply->header->segment;

    if (record->bytes > log_class_bytes(LOG_CLASSES - 1)) {
        complain(recovery, "segment-%05u at %" PRIu64 ": a record of %u bytes, which is too large",
                 number, offset, record->bytes);
        return true;
    }
    note_record(engine, &engine->segments[number], record, stamp);
    if (apply->known) {
        return true;
    }
    if (record->vnode >= engine->options.vnodes) {
        complain(recovery, "segment-%05u at %" PRIu64 ": a record of vnode %u, of %u", number,
                 offset, record->vnode, engine->options.vnodes);
        return true;
    }
    recovery->report->records++;
    apply_counts(engine, record);
    if (record->kind == LOG_DROP) {
        apply_drop(recovery, record);
    } else if (record->kind == LOG_REMOVAL) {
        apply_removal(recovery, record, log_hash(engine, record->key), stamp);
    } else if (!apply_value(recovery, record, log_hash(engine, record->key),
                            log_location(number, offset))) {
        recovery->error = -ENOMEM;
    }
    return recovery->error == 0;
}

static int apply_frame(struct recovery *recovery, const struct stream *stream, bool known)
{
    struct log_engine *const engine = recovery->engine;
    struct log_segment *const segment = &engine->segments[stream->segment];
    struct frame_apply apply = {.recovery = recovery, .header = &stream->header, .known = known};

    if (!log_frame_each(stream->frame, &stream->header, apply_record, &apply)) {
        complain(recovery, "segment-%05u at %u: a frame whose records are not as it says",
                 stream->segment, stream->offset);
    }
    if (segment->sequence_first == 0) {
        segment->sequence_first = stream->header.sequence;
    }
    segment->sequence_last = stream->header.sequence;
    segment->used = stream->offset + log_frame_span(stream->header.bytes);
    engine->chain = stream->header.checksum;
    if (!known) {
        recovery->report->frames++;
        recovery->report->bytes += stream->header.bytes;
    }
    return recovery->error;
}

// The run of frames ------------------------------------------------------------------------------

// The open stream with the smallest sequence, NULL when all have ended.
static struct stream *stream_first(struct recovery *recovery)
{
    struct stream *first = NULL;

    for (uint32_t i = 0; i < recovery->stream_count; i++) {
        struct stream *const stream = &recovery->streams[i];

        if (!stream->ended && (first == NULL || stream->header.sequence < first->header.sequence)) {
            first = stream;
        }
    }
    return first;
}

// Whether any frame from here on says that the missing one was durable. Reads all of them.
static bool was_durable(struct recovery *recovery, uint64_t sequence)
{
    for (uint32_t i = 0; i < recovery->stream_count; i++) {
        struct stream look = recovery->streams[i];
        bool durable = false;

        if (look.ended) {
            continue;
        }
        look.bytes = NULL;
        if (stream_begin(recovery, &look) != 0) {
            return true; // recovery fails
        }
        while (!look.ended && !durable) {
            durable = look.header.durable >= sequence;
            stream_next(recovery, &look);
        }
        memory_free(look.bytes);
        if (durable) {
            return true;
        }
    }
    return false;
}

static int replay(struct recovery *recovery)
{
    struct stream *stream;

    while ((stream = stream_first(recovery)) != NULL) {
        const uint64_t sequence = stream->header.sequence;

        if (stream->bytes == NULL && stream_begin(recovery, stream) != 0) {
            break;
        }
        if (sequence < recovery->expected) { // the checkpoint has it
            (void)apply_frame(recovery, stream, true);
            stream_next(recovery, stream);
            continue;
        }
        if (sequence > recovery->expected) {
            if (recovery->expected_known && !was_durable(recovery, recovery->expected)) {
                recovery->report->torn = true;
                return recovery->error;
            }
            if (recovery->error != 0) {
                return recovery->error;
            }
            if (recovery->expected_known) {
                complain(recovery,
                         "frames %" PRIu64 " to %" PRIu64
                         " are missing or damaged, though they were durable",
                         recovery->expected, sequence - 1);
            }
            recovery->careful = true;
        }
        const int error = apply_frame(recovery, stream, false);

        if (error != 0) {
            return error;
        }
        recovery->expected = sequence + 1;
        recovery->expected_known = true;
        stream_next(recovery, stream);
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
            .segment = i,
            .sequence_max = sealed ? segment->sequence_last : UINT64_MAX,
        };
        if (stream_begin(recovery, stream) != 0) {
            return recovery->error;
        }
        stream_rest(stream);
    }
    return 0;
}

int log_replay(struct log_engine *engine, uint64_t after, bool careful, struct log_recovery *report)
{
    struct recovery recovery = {
        .engine = engine,
        .report = report,
        .expected = after + 1,
        .expected_known = !careful,
        .careful = careful,
    };

    recovery.streams =
        memory_allocate_zeroed((engine->segment_top + 1U) * sizeof *recovery.streams);
    recovery.twin = memory_allocate_aligned(LOG_FRAME_CAPACITY, LOG_BLOCK_BYTES);
    int error = recovery.streams == NULL || recovery.twin == NULL ? -ENOMEM : 0;

    if (error == 0) {
        error = open_streams(&recovery, after);
    }
    if (error == 0) {
        error = replay(&recovery);
    }
    for (uint32_t i = 0; i < recovery.stream_count; i++) {
        memory_free(recovery.streams[i].bytes);
    }
    engine->sequence = recovery.expected - 1;
    memory_free(recovery.streams);
    memory_free(recovery.twin);
    return error;
}
