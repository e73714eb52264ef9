// Making segments ready for the heads, ahead of their need; and giving files back.
//
// A segment's file has its full size from the start, and room on the disk up to its limit: behind
// that it is a hole. Usually the limit is the whole. What waits for writers where little is there
// and nobody writes is small: one with LOG_SEGMENT_SMALL_BYTES, and one that is reserved with the
// least that there is. Once the small one is full, each that is made ready has more than the one
// before. One that is used anew gets what it lacks then. Small ones count as whole ones wherever
// room is reckoned with, so there are some only on a disk with room for many more.
#include "engines/log.h"

#include "core/memory.h"
#include "engines/log_checkpoint.h"
#include "engines/log_manifest.h"

#include <errno.h>

enum {
    ZERO_BYTES = 1 << 20,
    SEGMENTS_READY_WANTED = 3,
    SEGMENTS_READY_FIRST = 2, // while nobody writes and little is there
    SMALL_SEGMENTS_LIVE = 4,  // "little": in segments
    SMALL_GROWTH = 4,
};

enum preparation_step {
    PREPARATION_IDLE,
    PREPARATION_CLEAR,  // the manifest is told that the frames in it are nobody's: zeros follow
    PREPARATION_FORGET, // the manifest is told that the file is nothing of ours
    PREPARATION_CLOSE,
    PREPARATION_UNLINK,
    PREPARATION_OPEN,
    PREPARATION_ALLOCATE,
    PREPARATION_ZERO,
    PREPARATION_SYNC,
    PREPARATION_SYNC_DIRECTORY,
    PREPARATION_MANIFEST,
    // Or the other way: a file is given back.
    PREPARATION_GIVE, // the manifest is told that it is a spare one, which may be missing
    PREPARATION_GIVE_CLOSE,
    PREPARATION_GIVE_UNLINK,
    PREPARATION_GIVE_SYNC,
    PREPARATION_GIVEN, // the manifest is told that its number is free: only then it may be taken
};

struct log_preparation {
    struct io_op op; // first
    struct log_engine *engine;
    enum preparation_step step;
    uint32_t number;
    uint32_t limit; // that it is to have
    uint32_t zeroed;
    uint64_t version; // of the manifest that names it
    uint8_t *zeros;   // ZERO_BYTES while they are needed
    char path[LOG_PATH_BYTES];
};

static void preparation_end(struct log_preparation *task)
{
    memory_free(task->zeros);
    task->zeros = NULL;
    task->step = PREPARATION_IDLE;
}

// Of a segment, as the engine counts them: a hole in its file. One that is being made has none.
static uint64_t unused(const struct log_engine *engine, const struct log_segment *segment)
{
    return segment->state <= LOG_SEGMENT_MAKING ? 0 : engine->segment_bytes - segment->limit;
}

// The file of a segment is gone.
static void given(struct log_preparation *task)
{
    struct log_engine *const engine = task->engine;

    engine->unused_bytes -= unused(engine, &engine->segments[task->number]);
    engine->segments[task->number] = (struct log_segment){.state = LOG_SEGMENT_ABSENT};
    engine->segments_unmade++;
    task->version = log_manifest_changed(engine);
}

static void preparation_go(struct log_preparation *task)
{
    struct log_engine *const engine = task->engine;
    struct log_segment *const segment = &engine->segments[task->number];
    struct io *const io = engine->options.io;
    const uint32_t left = task->limit - task->zeroed;

    switch (task->step) {
    case PREPARATION_CLEAR:
    case PREPARATION_FORGET:
    case PREPARATION_GIVE:
        task->version = log_manifest_changed(engine);
        return;
    case PREPARATION_CLOSE:
    case PREPARATION_GIVE_CLOSE:
        segment->dirty = false;
        io_close(io, &task->op, segment->fd);
        return;
    case PREPARATION_UNLINK:
    case PREPARATION_GIVE_UNLINK:
        segment->fd = -1;
        io_unlink(io, &task->op, task->path, false);
        return;
    case PREPARATION_OPEN:
        io_open(io, &task->op, task->path, IO_OPEN_WRITE | IO_OPEN_CREATE | IO_OPEN_DIRECT);
        return;
    case PREPARATION_ALLOCATE:
        io_allocate(io, &task->op, segment->fd, task->zeroed, left);
        return;
    case PREPARATION_ZERO:
        io_write(io, &task->op, segment->fd, task->zeros, left < ZERO_BYTES ? left : ZERO_BYTES,
                 task->zeroed, 0);
        return;
    case PREPARATION_SYNC:
        io_sync(io, &task->op, segment->fd, false);
        return;
    case PREPARATION_SYNC_DIRECTORY:
    case PREPARATION_GIVE_SYNC:
        io_sync(io, &task->op, engine->directory_fd, false);
        return;
    case PREPARATION_MANIFEST:
        segment->generation = ++engine->generation;
        segment->sequence_first = segment->sequence_last = 0;
        segment->used = segment->packed = 0;
        segment->live_bytes = 0;
        segment->filled_bytes = 0;
        segment->stuck = segment->unsaid = false;
        segment->settled = segment->sweep_ms = 0;
        segment->stamp_min = UINT64_MAX;
        segment->removal_stamp_max = 0;
        engine->unused_bytes -= unused(engine, segment);
        segment->limit = task->limit;
        segment->patchy = false;
        segment->state = LOG_SEGMENT_PREPARING;
        engine->unused_bytes += unused(engine, segment);
        task->version = log_manifest_changed(engine);
        return;
    case PREPARATION_GIVEN:
        given(task);
        return;
    case PREPARATION_IDLE:
        return;
    }
}

// No room for a new segment ends this attempt and not all writing: what is there can be reused.
static void preparation_failed(struct log_preparation *task, int error)
{
    struct log_engine *const engine = task->engine;
    struct log_segment *const segment = &engine->segments[task->number];

    if (segment->state == LOG_SEGMENT_SPARE && task->step < PREPARATION_GIVE) {
        engine->segments_spare++; // and it stays one
    } else {
        engine->unused_bytes -= unused(engine, segment);
        segment->limit = 0;
        segment->state = LOG_SEGMENT_MAKING;
        engine->segments_unmade++;
    }
    if (log_may_pass(error)) {
        engine->space_refused = true;
        engine->space_retry_ms = engine->options.io->wall_ms + LOG_SPACE_RETRY_MS;
        preparation_end(task);
        return;
    }
    preparation_end(task);
    log_fail(engine, error);
}

static void preparation_done(struct io_op *op, int32_t result)
{
    struct log_preparation *const task = (struct log_preparation *)(void *)op;
    struct log_engine *const engine = task->engine;
    struct log_segment *const segment = &engine->segments[task->number];

    // A file system that gives blocks only to what is written: the zeros that follow are.
    const bool none = task->step == PREPARATION_ALLOCATE && result == -EOPNOTSUPP;

    if (result < 0 && !none) {
        preparation_failed(task, result);
        return;
    }
    if (task->step == PREPARATION_OPEN) {
        segment->fd = result;
        result = io_truncate(engine->options.io, segment->fd, engine->segment_bytes);
        if (result < 0) {
            preparation_failed(task, result);
            return;
        }
    }
    if (task->step == PREPARATION_ZERO) {
        const uint32_t zeroed = (uint32_t)result & ~(uint32_t)(LOG_BLOCK_BYTES - 1);

        task->zeroed += zeroed;
        engine->zeroed_bytes += zeroed;
        if (task->zeroed < task->limit) {
            preparation_go(task);
            return;
        }
    }
    task->step++;
    preparation_go(task);
}

// The limit of what is made ready next.
static uint32_t limit_wanted(const struct log_engine *engine)
{
    const uint32_t small = engine->segment_bytes < LOG_SEGMENT_SMALL_BYTES
                               ? engine->segment_bytes
                               : LOG_SEGMENT_SMALL_BYTES;

    if (!log_space_is_ample(engine)) {
        return engine->segment_bytes;
    }
    if (!engine->small) {
        return engine->segment_limit;
    }
    for (uint32_t i = 0; i < engine->segment_top; i++) {
        const struct log_segment *const segment = &engine->segments[i];

        if (segment->state == LOG_SEGMENT_READY && segment->limit >= small) {
            return LOG_SEGMENT_BYTES_MIN;
        }
    }
    return small;
}

// While small ones are wanted, those that are larger are left to be given back.
static bool pick_spare(const struct log_engine *engine, uint32_t limit, uint32_t *ret_number)
{
    for (uint32_t i = 0; i < engine->segment_top; i++) {
        const struct log_segment *const segment = &engine->segments[i];

        if (segment->state == LOG_SEGMENT_SPARE && (!engine->small || segment->limit <= limit)) {
            *ret_number = i;
            return true;
        }
    }
    return false;
}

// A number for a file that is to be made: one whose making was given up, one that a manifest does
// not name, or the next.
static bool pick_new(struct log_engine *engine, uint32_t *ret_number)
{
    for (uint32_t i = 0; i < engine->segment_top; i++) {
        struct log_segment *const segment = &engine->segments[i];

        if (segment->state == LOG_SEGMENT_ABSENT) {
            segment->state = LOG_SEGMENT_MAKING;
            segment->fd = -1;
        }
        if (segment->state == LOG_SEGMENT_MAKING) {
            engine->segments_unmade--;
            *ret_number = i;
            return true;
        }
    }
    if (engine->segment_top >= log_segments_allowed(engine)) {
        return false;
    }
    *ret_number = engine->segment_top++;
    engine->segments[*ret_number].state = LOG_SEGMENT_MAKING;
    engine->segments[*ret_number].fd = -1;
    return true;
}

bool log_segment_shared(const struct log_engine *engine, uint32_t number)
{
    char path[LOG_PATH_BYTES];
    struct io_stat stat;

    log_segment_path(engine, path, number);
    return io_stat(engine->options.io, path, &stat) == 0 && stat.links > 1;
}

// What the disk keeps in reserve is for removals and what compaction moves: one each at a time.
static bool may_make(const struct log_engine *engine)
{
    return engine->space_left >= engine->segment_bytes ||
           (engine->segments_ready <= LOG_SEGMENTS_RESERVED &&
            engine->space_last >= engine->segment_bytes);
}

// Room and zeros for what a file lacks of its limit. False when memory is short.
static bool preparation_fills(struct log_preparation *task)
{
    task->zeros = memory_allocate_aligned(ZERO_BYTES, LOG_BLOCK_BYTES);
    if (task->zeros == NULL) {
        return false; // another time
    }
    memset(task->zeros, 0, ZERO_BYTES);
    return true;
}

// A spare segment is taken: as it is, or with more room. False when that is not to be had.
static bool preparation_reuses(struct log_preparation *task)
{
    struct log_engine *const engine = task->engine;
    struct log_segment *const segment = &engine->segments[task->number];

    if (segment->limit >= task->limit && !segment->patchy) {
        task->limit = segment->limit;
        task->step = PREPARATION_MANIFEST;
    } else {
        if (engine->space_refused || !may_make(engine)) {
            task->limit = segment->limit; // better a small one than none
        }
        if (task->limit < LOG_SEGMENT_BYTES_MIN || (segment->patchy && engine->space_refused) ||
            !preparation_fills(task)) {
            return false;
        }
        task->zeroed = segment->patchy ? 0 : segment->limit;
        task->step = segment->patchy              ? PREPARATION_CLEAR
                     : task->zeroed < task->limit ? PREPARATION_ALLOCATE
                                                  : PREPARATION_MANIFEST;
    }
    engine->segments_spare--;
    preparation_go(task);
    return true;
}

static void preparation_begin(struct log_engine *engine)
{
    struct log_preparation *const task = engine->preparation;

    task->limit = limit_wanted(engine);
    while (pick_spare(engine, task->limit, &task->number)) {
        struct log_segment *const segment = &engine->segments[task->number];

        if (!segment->cut && !log_segment_shared(engine, task->number)) {
            if (preparation_reuses(task)) {
                return;
            }
            break;
        }
        engine->segments_spare--;
        engine->unused_bytes -= unused(engine, segment);
        segment->cut = false; // recovery has found it so
        segment->limit = 0;
        segment->state = LOG_SEGMENT_MAKING;
        engine->segments_unmade++;
    }
    log_space_look(engine);
    if (engine->space_refused || !may_make(engine) || !pick_new(engine, &task->number)) {
        return;
    }
    if (!preparation_fills(task)) {
        engine->segments_unmade++;
        return;
    }
    task->zeroed = 0;
    log_segment_path(engine, task->path, task->number);
    // A file that an earlier attempt has opened is gone on with.
    task->step = log_segment_shared(engine, task->number) ? PREPARATION_FORGET
                 : engine->segments[task->number].fd >= 0 ? PREPARATION_ALLOCATE
                                                          : PREPARATION_OPEN;
    preparation_go(task);
}

static uint32_t ready_wanted(const struct log_engine *engine)
{
    if (engine->small && log_hot_left(engine) >= LOG_STALL_BYTES) {
        return LOG_SEGMENTS_RESERVED;
    }
    return engine->sequence == 0 || engine->small ? SEGMENTS_READY_FIRST : SEGMENTS_READY_WANTED;
}

bool log_segment_give_back(struct log_engine *engine, uint32_t number)
{
    struct log_preparation *const task = engine->preparation;
    struct log_segment *const segment = &engine->segments[number];

    if (task->step != PREPARATION_IDLE || engine->failed != 0 || engine->closing) {
        return false;
    }
    CHECK(segment->state == LOG_SEGMENT_SPARE && segment->pins == 0);
    engine->segments_spare--; // to the manifest it is one until its name is gone
    task->number = number;
    log_segment_path(engine, task->path, number);
    task->step = PREPARATION_GIVE;
    preparation_go(task);
    return true;
}

void log_segments_step(struct log_engine *engine)
{
    struct log_preparation *const task = engine->preparation;

    if (task->step == PREPARATION_CLEAR && engine->failed == 0 &&
        engine->manifest_durable >= task->version) {
        task->step = PREPARATION_ALLOCATE;
        preparation_go(task);
    }
    if (task->step == PREPARATION_FORGET && engine->failed == 0 &&
        engine->manifest_durable >= task->version && !log_tail_syncs(engine)) {
        task->step =
            engine->segments[task->number].fd >= 0 ? PREPARATION_CLOSE : PREPARATION_UNLINK;
        preparation_go(task);
    }
    if (task->step == PREPARATION_GIVE && engine->failed == 0 &&
        engine->manifest_durable >= task->version && !log_tail_syncs(engine)) {
        task->step = PREPARATION_GIVE_CLOSE;
        preparation_go(task);
    }
    if (task->step == PREPARATION_GIVEN && engine->manifest_durable >= task->version) {
        preparation_end(task);
    }
    if (task->step == PREPARATION_MANIFEST && engine->manifest_durable >= task->version) {
        engine->segments[task->number].state = LOG_SEGMENT_READY;
        engine->segments_ready++;
        preparation_end(task);
    }
    if (task->step == PREPARATION_IDLE && engine->failed == 0 && !engine->closing &&
        engine->segments_ready < ready_wanted(engine)) {
        preparation_begin(engine);
    }
}

bool log_segments_preparing(const struct log_engine *engine)
{
    return engine->preparation->step != PREPARATION_IDLE;
}

static bool waits_for_manifest(enum preparation_step step)
{
    return step == PREPARATION_MANIFEST || step == PREPARATION_CLEAR ||
           step == PREPARATION_FORGET || step == PREPARATION_GIVE || step == PREPARATION_GIVEN;
}

bool log_segments_busy(const struct log_engine *engine)
{
    const enum preparation_step step = engine->preparation->step;

    return log_manifest_busy(engine) ||
           (step != PREPARATION_IDLE && (!waits_for_manifest(step) || log_manifest_comes(engine)));
}

int log_ready_open(struct log_engine *engine)
{
    engine->preparation = memory_allocate_zeroed(sizeof *engine->preparation);
    if (engine->preparation == NULL) {
        return -ENOMEM;
    }
    engine->preparation->engine = engine;
    engine->preparation->op.done = preparation_done;
    return 0;
}

void log_ready_close(struct log_engine *engine)
{
    if (engine->preparation != NULL) {
        memory_free(engine->preparation->zeros);
    }
    memory_free(engine->preparation);
}

// Small and large ---------------------------------------------------------------------------------

void log_segments_grow(struct log_engine *engine)
{
    const uint64_t limit = (uint64_t)engine->segment_limit * SMALL_GROWTH;

    engine->small = false;
    engine->segment_limit = limit < engine->segment_bytes ? (uint32_t)limit : engine->segment_bytes;
}

bool log_segments_may_be_small(const struct log_engine *engine)
{
    return engine->segment_bytes > LOG_SEGMENT_SMALL_BYTES && log_space_is_ample(engine) &&
           engine->live_bytes < (uint64_t)engine->segment_bytes * SMALL_SEGMENTS_LIVE;
}

// Whether a head's segment is not worth what it takes: it is sealed then, to be given up, or moved.
static bool is_wasted(const struct log_engine *engine, const struct log_head *head)
{
    return head->segment != LOG_SEGMENTS_MAX &&
           (engine->live_bytes == 0 || log_head_limit(engine, head) > LOG_SEGMENT_SMALL_BYTES);
}

void log_segments_begin_small(struct log_engine *engine)
{
    engine->small = log_segments_may_be_small(engine);
    engine->segment_limit = engine->small ? LOG_SEGMENT_SMALL_BYTES : engine->segment_bytes;
}

void log_segments_enlarge(struct log_engine *engine)
{
    for (uint32_t i = 0; i < engine->segment_top && !log_space_is_ample(engine); i++) {
        struct log_segment *const segment = &engine->segments[i];

        if (segment->state == LOG_SEGMENT_READY && segment->limit < engine->segment_bytes) {
            log_ready_to_spare(engine, segment);
        }
    }
    log_segments_step(engine);
}

void log_segments_shrink(struct log_engine *engine)
{
    if (!log_segments_may_be_small(engine) || engine->frames_first != NULL) {
        return;
    }
    engine->small = true;
    engine->segment_limit = LOG_SEGMENT_SMALL_BYTES;
    if (is_wasted(engine, &engine->hot) || is_wasted(engine, &engine->cold)) {
        log_heads_leave(engine);
    }
    for (uint32_t i = 0; i < engine->segment_top; i++) {
        struct log_segment *const segment = &engine->segments[i];

        if (segment->state == LOG_SEGMENT_READY && segment->limit > LOG_SEGMENT_SMALL_BYTES) {
            log_ready_to_spare(engine, segment);
        }
    }
    log_submit(engine);
    log_segments_step(engine);
}
