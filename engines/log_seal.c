#include "engines/log_seal.h"

#include "core/memory.h"
#include "core/planted.h"
#include "engines/log.h"
#include "engines/log_checkpoint.h"
#include "engines/log_footer.h"

#include <errno.h>

enum {
    LOG_SEALS_MAX = 2,       // that wait, or are being written
    PIECE_BYTES = 256 << 10, // written at once, so that frames need not wait for longer
    // A footer is worth its room and its bytes where it takes one byte for so many of frames, or
    // not more than this. README.md has the figures.
    WORTH_SHARE = 22,
    WORTH_BYTES = 64 << 10,
};

enum step { GATHER, WAIT, SYNC_FRAMES, BODY, SYNC_BODY, HEADER };

struct log_seal {
    struct io_op op; // first
    struct log_engine *engine;
    struct log_seal *next;
    struct log_footer_writer writer;
    uint32_t segment;
    uint32_t frames_bytes; // that replay is spared
    enum step step;
    uint32_t body_span;
    uint32_t body_from;
    uint32_t written;
    uint8_t *block; // the last one
    uint8_t *bytes;
};

struct log_seals {
    struct log_seal *first; // the only one that is being written
    struct log_seal *last;
    uint32_t count;
};

int log_seals_open(struct log_engine *engine)
{
    engine->seals = memory_allocate_zeroed(sizeof *engine->seals);
    return engine->seals == NULL ? -ENOMEM : 0;
}

static void seal_free(struct log_seal *seal)
{
    memory_free(seal->bytes);
    memory_free(seal->block);
    memory_free(seal);
}

void log_seal_forget(struct log_head *head)
{
    if (head->seal != NULL) {
        seal_free(head->seal);
        head->seal = NULL;
    }
}

void log_seals_close(struct log_engine *engine)
{
    struct log_seals *const seals = engine->seals;

    if (seals == NULL) {
        return;
    }
    log_seal_forget(&engine->hot);
    log_seal_forget(&engine->cold);
    while (seals->first != NULL) {
        struct log_seal *const seal = seals->first;

        seals->first = seal->next;
        seal_free(seal);
    }
    memory_free(seals);
}

// Gathering --------------------------------------------------------------------------------------

static void seal_done(struct io_op *op, int32_t result);

void log_seal_begin(struct log_engine *engine, struct log_head *head)
{
    const uint32_t capacity = engine->segment_bytes / LOG_FOOTER_SHARE & ~(LOG_BLOCK_BYTES - 1U);
    const struct log_footer_header header = {
        .log_id = engine->log_id,
        .hash_seed = engine->options.hash_seed,
        .generation = engine->segments[head->segment].generation,
        .epoch = engine->epoch,
        .segment = head->segment,
        .vnodes = engine->options.vnodes,
        .hash_bits = (uint8_t)(engine->index.base_bits + INDEX_FINGERPRINT_BITS),
    };
    CHECK(head->seal == NULL);
    // A small one's file has a hole at its end. What a sync leaves out a footer's own would make up
    // for, so that bug is looked for without.
    if (log_head_limit(engine, head) != engine->segment_bytes || planted(PLANTED_SYNC_SHORT)) {
        return;
    }
    struct log_seal *const seal = memory_allocate_zeroed(sizeof *seal);

    if (seal == NULL) {
        return;
    }
    seal->engine = engine;
    seal->op.done = seal_done;
    seal->segment = head->segment;
    seal->bytes = memory_allocate_aligned(capacity, LOG_BLOCK_BYTES);
    seal->block = memory_allocate_aligned(LOG_BLOCK_BYTES, LOG_BLOCK_BYTES);
    if (seal->bytes == NULL || seal->block == NULL) {
        seal_free(seal);
        return;
    }
    log_footer_begin(&seal->writer, &header, seal->bytes, capacity);
    head->seal = seal;
}

struct gathering {
    const struct log_engine *engine;
    struct log_footer_writer *writer;
};

static bool gather(void *context, const struct log_record *record, uint64_t stamp, uint64_t offset)
{
    const struct gathering *const gathering = context;
    const struct log_footer_record said = log_footer_record_of(
        record, stamp, record->kind == LOG_DROP ? 0 : log_hash(gathering->engine, record->key));

    (void)offset;
    log_footer_add(gathering->writer, &said);
    return true;
}

void log_seal_add(struct log_engine *engine, struct log_head *head, const struct log_frame *frame)
{
    struct log_seal *const seal = head->seal;

    if (seal == NULL) {
        return;
    }
    struct gathering gathering = {.engine = engine, .writer = &seal->writer};

    if (!log_footer_add_frame(&seal->writer, &frame->header)) {
        log_seal_forget(head);
        return;
    }
    const bool whole = log_frame_each(frame->bytes, &frame->header, gather, &gathering);

    CHECK(whole);
    seal->frames_bytes += log_frame_span(frame->header.bytes);
    if (seal->writer.header.body_bytes > WORTH_BYTES + seal->frames_bytes / WORTH_SHARE) {
        log_seal_forget(head);
    }
}

uint32_t log_seal_room(const struct log_head *head, uint32_t records)
{
    if (head->seal == NULL) {
        return 0;
    }
    return LOG_BLOCK_BYTES +
           log_frame_span(head->seal->writer.header.body_bytes + LOG_FOOTER_FRAME_BYTES_MAX +
                          records * LOG_FOOTER_RECORD_BYTES_MAX);
}

// Writing ----------------------------------------------------------------------------------------

static void seal_go(struct log_seal *seal)
{
    struct log_engine *const engine = seal->engine;
    struct io *const io = engine->options.io;
    const int fd = engine->segments[seal->segment].fd;
    const uint32_t left = seal->body_span - seal->written;

    switch (seal->step) {
    case SYNC_FRAMES:
    case SYNC_BODY:
        io_sync(io, &seal->op, fd, true);
        return;
    case BODY:
        io_write(io, &seal->op, fd, seal->bytes + seal->written,
                 left < PIECE_BYTES ? left : PIECE_BYTES, (uint64_t)seal->body_from + seal->written,
                 0);
        return;
    case HEADER:
        io_write(io, &seal->op, fd, seal->block, LOG_BLOCK_BYTES,
                 engine->segment_bytes - LOG_BLOCK_BYTES, 0);
        return;
    case GATHER:
    case WAIT:
        return;
    }
}

// The first one has come to its end, or is not gone on with.
static void seal_leave(struct log_engine *engine)
{
    struct log_seals *const seals = engine->seals;
    struct log_seal *const seal = seals->first;

    seals->first = seal->next;
    seals->last = seals->first == NULL ? NULL : seals->last;
    seals->count--;
    engine->segments[seal->segment].pins--;
    seal_free(seal);
}

void log_seal_end(struct log_engine *engine, struct log_head *head)
{
    struct log_seals *const seals = engine->seals;
    struct log_seal *const seal = head->seal;

    if (seal == NULL || seal->writer.header.frames == 0 || seals->count == LOG_SEALS_MAX ||
        engine->segments[seal->segment].state != LOG_SEGMENT_SEALED) {
        log_seal_forget(head);
        return;
    }
    head->seal = NULL;
    log_footer_seal(&seal->writer, seal->block);
    seal->body_span = log_frame_span(seal->writer.header.body_bytes);
    seal->body_from = log_footer_body_from(engine->segment_bytes, seal->writer.header.body_bytes);
    CHECK(engine->segments[seal->segment].used <= seal->body_from);
    seal->step = WAIT;
    engine->segments[seal->segment].pins++;
    seals->count++;
    if (seals->last != NULL) {
        seals->last->next = seal;
    } else {
        seals->first = seal;
    }
    seals->last = seal;
    log_seals_step(engine);
}

void log_seals_forget(struct log_engine *engine)
{
    struct log_seals *const seals = engine->seals;

    if (engine->hot.segment == LOG_SEGMENTS_MAX) {
        log_seal_forget(&engine->hot);
    }
    if (engine->cold.segment == LOG_SEGMENTS_MAX) {
        log_seal_forget(&engine->cold);
    }
    if (seals->first == NULL) {
        return;
    }
    struct log_seal *const first = seals->first;

    while (first->next != NULL) {
        struct log_seal *const seal = first->next;

        first->next = seal->next;
        seals->count--;
        engine->segments[seal->segment].pins--;
        seal_free(seal);
    }
    seals->last = first;
    if (first->step == WAIT) {
        seal_leave(engine);
    }
}

// What replay is spared counts no more towards the next checkpoint, if that has to come by all of
// the segment's frames.
static void seal_written(struct log_seal *seal)
{
    struct log_engine *const engine = seal->engine;
    const uint64_t said = (uint64_t)seal->body_span + LOG_BLOCK_BYTES;

    engine->footers++;
    if (seal->writer.header.sequence_first > log_checkpoint_begun(engine) &&
        seal->frames_bytes > said) {
        const uint64_t spared = seal->frames_bytes - said;

        engine->replay_bytes -= spared < engine->replay_bytes ? spared : engine->replay_bytes;
    }
    seal_leave(engine);
}

static void seal_advance(struct log_seal *seal, uint32_t result)
{
    struct log_engine *const engine = seal->engine;

    if (seal->step == BODY || seal->step == HEADER) {
        const uint32_t whole = result & ~(uint32_t)(LOG_BLOCK_BYTES - 1);

        engine->footer_bytes += whole;
        seal->written += whole;
        if (seal->written < (seal->step == BODY ? seal->body_span : LOG_BLOCK_BYTES)) {
            seal_go(seal);
            return;
        }
        seal->written = 0;
    }
    if (seal->step == HEADER) {
        seal_written(seal);
        log_seals_step(engine);
        return;
    }
    seal->step++;
    seal_go(seal);
}

static void seal_done(struct io_op *op, int32_t result)
{
    struct log_seal *const seal = (struct log_seal *)(void *)op;
    struct log_engine *const engine = seal->engine;

    if (result < 0) {
        seal_leave(engine);
        log_fail(engine, result); // as with a frame: what the disk has now nobody can tell
        return;
    }
    if (engine->failed != 0) {
        seal_leave(engine);
        return;
    }
    seal_advance(seal, (uint32_t)result);
}

void log_seals_step(struct log_engine *engine)
{
    struct log_seal *const seal = engine->seals->first;

    if (seal == NULL || seal->step != WAIT || engine->failed != 0 ||
        engine->written < seal->writer.header.sequence_last) {
        return;
    }
    seal->step = engine->durable >= seal->writer.header.sequence_last ? BODY : SYNC_FRAMES;
    seal_go(seal);
}

bool log_seals_busy(const struct log_engine *engine)
{
    return engine->seals->first != NULL && engine->seals->first->step != WAIT;
}
