#include "engines/log.h"

#include "core/memory.h"
#include "core/planted.h"
#include "engines/log_checkpoint.h"

#include <errno.h>

enum { FRAMES_KEPT = 4 }; // free buffers that are not given back

// Buffers ----------------------------------------------------------------------------------------

static void frame_done(struct io_op *op, int32_t result);

static struct log_frame *frame_take(struct log_engine *engine)
{
    struct log_frame *frame = engine->frames_free;

    if (frame != NULL) {
        engine->frames_free = frame->next;
        engine->frames_kept--;
    } else {
        if (engine->frames == LIMIT_LOG_FRAMES) {
            return NULL;
        }
        frame = memory_allocate_zeroed(sizeof *frame);
        if (frame == NULL) {
            return NULL;
        }
        frame->bytes = memory_allocate_aligned(LOG_FRAME_CAPACITY, LOG_BLOCK_BYTES);
        if (frame->bytes == NULL) {
            memory_free(frame);
            return NULL;
        }
        frame->engine = engine;
        frame->op.done = frame_done;
        engine->frames++;
    }
    frame->next = NULL;
    frame->waits = 0;
    return frame;
}

static void frame_free(struct log_engine *engine, struct log_frame *frame)
{
    memory_free(frame->bytes);
    memory_free(frame);
    engine->frames--;
}

static void frame_give(struct log_engine *engine, struct log_frame *frame)
{
    if (engine->frames_kept == FRAMES_KEPT) {
        frame_free(engine, frame);
        return;
    }
    frame->next = engine->frames_free;
    engine->frames_free = frame;
    engine->frames_kept++;
}

void log_tail_close(struct log_engine *engine)
{
    CHECK(engine->frames_writing == 0);
    // Of a log that has failed: what never came to the disk.
    for (struct log_frame *next, *frame = engine->frames_first; frame != NULL; frame = next) {
        next = frame->next;
        frame_free(engine, frame);
    }
    if (engine->hot.open != NULL) {
        frame_free(engine, engine->hot.open);
    }
    if (engine->cold.open != NULL) {
        frame_free(engine, engine->cold.open);
    }
    memory_free(engine->sync);
    while (engine->frames_free != NULL) {
        struct log_frame *const frame = engine->frames_free;

        engine->frames_free = frame->next;
        frame_free(engine, frame);
    }
    CHECK(engine->frames == 0);
}

// Filling ----------------------------------------------------------------------------------------

// Whether a frame of so many bytes and records has room in the head's segment, before its footer.
static bool has_room(const struct log_engine *engine, const struct log_head *head, uint32_t bytes,
                     uint32_t records)
{
    return log_frame_span(bytes) + (uint64_t)log_seal_room(head, records) <=
           log_head_limit(engine, head) - head->offset;
}

static bool frame_begin(struct log_engine *engine, struct log_head *head, uint32_t bytes)
{
    if (head->segment == LOG_SEGMENTS_MAX ||
        !has_room(engine, head, LOG_FRAME_HEADER_BYTES + bytes, 1)) {
        if (!log_head_advance(engine, head)) {
            return false;
        }
    }
    struct log_frame *const frame = frame_take(engine);

    if (frame == NULL) {
        return false;
    }
    const uint32_t left = log_head_limit(engine, head) - head->offset;

    frame->capacity = left < LOG_FRAME_CAPACITY ? left : LOG_FRAME_CAPACITY;
    frame->hot = head->hot;
    frame->header = (struct log_frame_header){
        .generation = engine->segments[head->segment].generation,
        .segment = head->segment,
        .offset = head->offset,
        .bytes = LOG_FRAME_HEADER_BYTES,
        .epoch = engine->epoch,
        .stamp = engine->stamp,
        .log_id = engine->log_id,
    };
    head->open = frame;
    return true;
}

uint8_t *log_append(struct log_engine *engine, struct log_head *head, uint32_t bytes,
                    uint64_t *ret_location)
{
    CHECK(bytes <= LOG_RECORD_BYTES_MAX && bytes % LOG_RECORD_ALIGN == 0);
    if (head->open != NULL && (head->open->capacity - head->open->header.bytes < bytes ||
                               !has_room(engine, head, head->open->header.bytes + bytes,
                                         head->open->header.records + 1))) {
        log_close_frame(engine, head);
    }
    if (head->open == NULL && !frame_begin(engine, head, bytes)) {
        return NULL;
    }
    struct log_frame *const frame = head->open;
    uint8_t *const at = frame->bytes + frame->header.bytes;

    *ret_location = log_location(head->segment, head->offset + frame->header.bytes);
    frame->header.bytes += bytes;
    frame->header.records++;
    return at;
}

// What replaces a record that compaction has just moved has to come after it in the order of
// frames.
uint8_t *log_append_after(struct log_engine *engine, uint64_t replaces, uint32_t bytes,
                          uint64_t *ret_location)
{
    if (engine->cold.open != NULL && !planted(PLANTED_MOVE_LATE) &&
        (replaces == LOG_LOCATION_NONE || log_location_segment(replaces) == engine->cold.segment)) {
        log_close_frame(engine, &engine->cold);
    }
    return log_append(engine, &engine->hot, bytes, ret_location);
}

void log_unappend(struct log_engine *engine, uint32_t bytes)
{
    engine->hot.open->header.bytes -= bytes;
    engine->hot.open->header.records--;
    engine->stamp--;
}

bool log_is_filling(const struct log_engine *engine, uint64_t location)
{
    const uint32_t segment = log_location_segment(location);
    const uint64_t offset = log_location_offset(location);

    return engine->hot.open != NULL && segment == engine->hot.segment &&
           offset >= engine->hot.offset;
}

static uint8_t *in_frame(const struct log_frame *frame, uint32_t segment, uint64_t offset)
{
    return frame != NULL && frame->header.segment == segment && offset >= frame->header.offset &&
                   offset < (uint64_t)frame->header.offset + frame->header.bytes
               ? frame->bytes + (offset - frame->header.offset)
               : NULL;
}

uint8_t *log_in_frame(const struct log_engine *engine, uint64_t location)
{
    const uint32_t segment = log_location_segment(location);
    const uint64_t offset = log_location_offset(location);
    uint8_t *at = in_frame(engine->hot.open, segment, offset);

    if (at == NULL) {
        at = in_frame(engine->cold.open, segment, offset);
    }
    for (struct log_frame *frame = engine->frames_first; at == NULL && frame != NULL;
         frame = frame->next) {
        at = in_frame(frame, segment, offset);
    }
    return at;
}

uint64_t log_commit_of(const struct log_engine *engine, uint64_t location)
{
    const uint32_t segment = log_location_segment(location);
    const uint64_t offset = log_location_offset(location);

    if (engine->options.durability.sync != ENGINE_SYNC_ALWAYS) {
        return 0;
    }
    if (log_is_filling(engine, location)) {
        return engine->commit_open;
    }
    for (const struct log_frame *frame = engine->frames_first; frame != NULL; frame = frame->next) {
        if (frame->hot && in_frame(frame, segment, offset) != NULL) {
            return frame->commit;
        }
    }
    return 0; // durable; or moved by compaction, and durable where it was
}

// Closing and writing ----------------------------------------------------------------------------

void log_close_frame(struct log_engine *engine, struct log_head *head)
{
    struct log_frame *const frame = head->open;

    if (frame == NULL) {
        return;
    }
    struct log_segment *const segment = &engine->segments[head->segment];

    CHECK(segment->used == head->offset);
    head->open = NULL;
    if (frame->header.records == 0) { // all was taken back
        frame_give(engine, frame);
        return;
    }
    head->offset += log_frame_span(frame->header.bytes);
    segment->used = head->offset;
    segment->packed += frame->header.bytes - LOG_FRAME_HEADER_BYTES;
    frame->header.sequence = ++engine->sequence;
    frame->header.previous_checksum = engine->chain;
    frame->header.durable = engine->durable;
    engine->chain = log_frame_seal(frame->bytes, &frame->header);
    segment->sequence_last = frame->header.sequence;
    if (segment->sequence_first == 0) {
        segment->sequence_first = frame->header.sequence;
    }
    segment->dirty = true;
    log_seal_add(engine, head, frame);
    if (frame->hot) {
        segment->stamp_min =
            frame->header.stamp < segment->stamp_min ? frame->header.stamp : segment->stamp_min;
        log_large_hot_closed(engine);
        frame->commit = engine->commit_open++;
        engine->commits++;
    }
    frame->written = 0;
    frame->state = LOG_FRAME_CLOSED;
    if (engine->frames_last != NULL) {
        engine->frames_last->next = frame;
    } else {
        engine->frames_first = frame;
    }
    engine->frames_last = frame;
    engine->replay_bytes += log_frame_span(frame->header.bytes) +
                            (uint64_t)frame->header.records * LOG_REPLAY_RECORD_BYTES;
    engine->frames_closed_bytes += frame->header.bytes;
}

static void frame_write(struct log_engine *engine, struct log_frame *frame)
{
    const struct log_segment *const segment = &engine->segments[frame->header.segment];
    const uint32_t span = log_frame_span(frame->header.bytes);
    const bool durable = engine->options.durability.sync == ENGINE_SYNC_ALWAYS &&
                         !planted(PLANTED_EARLY_ACKNOWLEDGE);

    frame->state = LOG_FRAME_WRITING;
    frame->began_ns = io_clock_ns(engine->options.io);
    io_write(engine->options.io, &frame->op, segment->fd, frame->bytes + frame->written,
             span - frame->written, (uint64_t)frame->header.offset + frame->written,
             durable ? IO_WRITE_DURABLE : 0);
}

// Syncing: for `interval` and `never`, whose frames are written without waiting for the disk. All
// segments written to are synced, then all that was written before that is durable.
struct log_sync {
    struct io_op op; // first
    struct log_engine *engine;
    uint64_t sequence; // durable when it is done
    uint32_t segment;
    bool busy;
};

static void sync_step(struct log_engine *engine);
static void frames_advance(struct log_engine *engine);

// Whether each frame is durable when it is written, after all before it: `always`, once what had
// been written before that was asked for has been synced.
static bool writes_durably(const struct log_engine *engine)
{
    return engine->options.durability.sync == ENGINE_SYNC_ALWAYS &&
           engine->durable >= engine->always_from;
}

static void sync_next(struct log_engine *engine)
{
    struct log_sync *const task = engine->sync;

    while (task->segment < engine->segment_top && !engine->segments[task->segment].dirty) {
        task->segment++;
    }
    if (task->segment == engine->segment_top) {
        task->busy = false;
        if (task->sequence > engine->durable) {
            engine->durable = task->sequence;
        }
        frames_advance(engine);
        log_segments_step(engine); // it may wait to close a file
        return;
    }
    struct log_segment *const segment = &engine->segments[task->segment];

    // It may be written to meanwhile: as a head, or its last frames are still on their way.
    segment->dirty = segment->state == LOG_SEGMENT_HEAD ||
                     (segment->sequence_last > engine->written && !planted(PLANTED_SYNC_SHORT));
    task->segment++;
    io_sync(engine->options.io, &task->op, segment->fd, true);
}

static void sync_done(struct io_op *op, int32_t result)
{
    struct log_sync *const task = (struct log_sync *)(void *)op;

    if (result < 0) {
        task->busy = false;
        log_fail(task->engine, result); // what the disk has now nobody can tell
        return;
    }
    sync_next(task->engine);
}

static void sync_step(struct log_engine *engine)
{
    struct log_sync *const task = engine->sync;

    if (writes_durably(engine) || task->busy || engine->failed != 0 ||
        engine->flush <= engine->durable || engine->written < engine->flush) {
        return;
    }
    task->busy = true;
    task->sequence = engine->written;
    task->segment = 0;
    sync_next(engine);
}

int log_tail_open(struct log_engine *engine)
{
    engine->sync = memory_allocate_zeroed(sizeof *engine->sync);
    if (engine->sync == NULL) {
        return -ENOMEM;
    }
    engine->sync->engine = engine;
    engine->sync->op.done = sync_done;
    engine->hot = (struct log_head){.segment = LOG_SEGMENTS_MAX, .hot = true};
    engine->cold = (struct log_head){.segment = LOG_SEGMENTS_MAX};
    engine->commit_open = 1;
    return 0;
}

bool log_tail_syncs(const struct log_engine *engine)
{
    return engine->sync->busy;
}

bool log_tail_busy(const struct log_engine *engine)
{
    return engine->frames_writing != 0 || engine->sync->busy;
}

// Frames that are written become so in their order: the buffers of a run without gaps are free, and
// what waits for them hears of it.
static void frames_advance(struct log_engine *engine)
{
    const uint64_t before = engine->commit_written;

    while (engine->frames_first != NULL && engine->frames_first->state == LOG_FRAME_WRITTEN) {
        struct log_frame *const frame = engine->frames_first;

        engine->frames_first = frame->next;
        if (engine->frames_first == NULL) {
            engine->frames_last = NULL;
        }
        engine->written = frame->header.sequence;
        if (frame->hot) {
            engine->commit_last = frame->commit;
        }
        engine->frames_closed_bytes -= frame->header.bytes;
        engine->written_bytes += log_frame_span(frame->header.bytes);
        frame_give(engine, frame);
    }
    if (writes_durably(engine)) {
        engine->durable = engine->written;
    }
    if (engine->options.durability.sync != ENGINE_SYNC_ALWAYS || writes_durably(engine)) {
        engine->commit_written = engine->commit_last;
    }
    for (struct log_frame *frame = engine->frames_first;
         planted(PLANTED_ACKNOWLEDGE_AHEAD) && frame != NULL; frame = frame->next) {
        if (frame->hot && frame->state == LOG_FRAME_WRITTEN) {
            engine->commit_written = frame->commit;
        }
    }
    sync_step(engine); // more may have been asked for meanwhile
    log_seals_step(engine);
    log_checkpoint_step(engine);
    if (engine->commit_written != before && engine->options.committed != NULL) {
        engine->options.committed(engine->options.committed_context);
    }
}

static void frame_done(struct io_op *op, int32_t result)
{
    struct log_frame *const frame = (struct log_frame *)(void *)op;
    struct log_engine *const engine = frame->engine;
    const uint32_t span = log_frame_span(frame->header.bytes);

    engine->frames_writing--;
    if (result <= 0) {
        // What is on the disk now nobody can tell: nothing more is written, and nothing again.
        frame->state = LOG_FRAME_CLOSED;
        log_fail(engine, result < 0 ? result : -EIO);
        return;
    }
    // A short write goes on from a border that O_DIRECT allows.
    frame->written = (frame->written + (uint32_t)result) & ~(uint32_t)(LOG_BLOCK_BYTES - 1);
    frame->state = frame->written >= span ? LOG_FRAME_WRITTEN : LOG_FRAME_CLOSED;
    if (frame->state == LOG_FRAME_WRITTEN && frame->hot && writes_durably(engine) &&
        engine->options.io->now_ns > frame->began_ns) {
        log_pace_note(&engine->pace, span, engine->options.io->now_ns - frame->began_ns,
                      engine->options.io->now_ns);
    }
    frames_advance(engine);
    log_submit(engine);
}

static bool hot_is_full(const struct log_engine *engine)
{
    return engine->hot.open != NULL && engine->hot.open->header.bytes >= LOG_FRAME_FULL_BYTES;
}

// One frame under way, a second only when it is a full one that waits: so what comes while a frame
// is written is one group, and not many small ones.
void log_submit(struct log_engine *engine)
{
    if (engine->failed != 0) {
        return;
    }
    const bool eager =
        engine->options.durability.sync == ENGINE_SYNC_ALWAYS || engine->flush > engine->written;

    if (hot_is_full(engine) || (eager && engine->frames_first == NULL)) {
        log_close_frame(engine, &engine->hot);
    }
    for (struct log_frame *frame = engine->frames_first;
         frame != NULL && engine->frames_writing < LOG_FRAMES_WRITING; frame = frame->next) {
        if (frame->waits != 0) {
            break; // and all behind it: they count only after it
        }
        if (frame->state != LOG_FRAME_CLOSED) {
            continue;
        }
        if (engine->frames_writing != 0 && frame->header.bytes < LOG_FRAME_FULL_BYTES) {
            break;
        }
        engine->frames_writing++;
        frame_write(engine, frame);
    }
}

void log_flush(struct log_engine *engine)
{
    log_close_frame(engine, &engine->hot);
    log_close_frame(engine, &engine->cold);
    engine->flush = engine->sequence;
    log_submit(engine);
    sync_step(engine);
}

void log_set_durability(struct engine *base, const struct engine_durability *durability)
{
    struct log_engine *const engine = log_engine_of(base);
    const bool now = durability->sync == ENGINE_SYNC_ALWAYS;
    const bool before = engine->options.durability.sync == ENGINE_SYNC_ALWAYS;

    engine->options.durability = *durability;
    if (engine->failed == 0 && now != before) {
        // Either way all that was put until now is to be durable: before what follows counts as
        // that, or since somebody waits for it.
        log_close_frame(engine, &engine->hot);
        log_close_frame(engine, &engine->cold);
        engine->always_from = now ? engine->sequence : 0;
        log_flush(engine);
    }
    log_space_look(engine);
}
