#include "engines/log_copy.h"

#include "core/memory.h"
#include "core/planted.h"
#include "engines/log.h"
#include "engines/log_checkpoint.h"
#include "engines/log_copy_head.h"
#include "engines/log_manifest.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>

enum {
    HEADS = 2,                  // of what clients write, and of what compaction moves
    GATHER_BUCKETS = 64,        // of the table of large values, in one step
    RENDER_SEGMENTS = 1024,     // entries of the manifest, in one step
    EPOCHS_LEAP_MIN = 1 << 12,  // starts of one log that may come before another copy's numbers
    EPOCHS_LEAP_MASK = 0xfffff, // large values' numbers leave an epoch 32 bits
};

#define USES_LEAP_MIN (UINT64_C(1) << 24)
#define USES_LEAP_MASK ((UINT64_C(1) << 40) - 1)

enum step {
    IDLE,
    MAKE_DIRECTORY,
    WAIT_CHECKPOINT,
    PREPARED, // the caller's turn
    CUT,      // likewise
    WAIT_DURABLE,
    LINK_CHECKPOINT,
    LINK_SEGMENT,
    GATHER,
    LINK_LARGE,
    COPY_HEADS,
    RENDER,
    OPEN,
    WRITE,
    SYNC,
    CLOSE,
    OPEN_DIRECTORY,
    SYNC_DIRECTORY,
    CLOSE_DIRECTORY,
    GIVE_UP, // a file that is open is closed
};

struct log_copy {
    struct io_op op; // first
    struct log_engine *engine;
    struct engine_copy *copy; // NULL: there is none
    enum step step;
    bool cut; // segments are pinned
    int error;
    int fd;
    bool checkpoint_asked;
    uint64_t checkpoint_wanted;
    uint64_t checkpoint_failures;
    uint64_t sequence;                        // of the last frame
    struct log_manifest manifest;             // of the cut
    struct log_manifest_segment heads[HEADS]; // at the cut
    struct log_manifest_drop *drops;          // at the cut; NULL: none
    uint32_t head_count;
    uint32_t head;    // the next
    uint32_t segment; // the next
    uint32_t bucket;
    uint64_t *large; // numbers
    uint64_t large_count;
    uint64_t large_capacity;
    uint64_t large_at;
    uint64_t large_bound; // numbers of this run from it on came after the cut
    uint8_t *bytes;       // of the manifest
    uint32_t rendered;
    size_t size;
    size_t written;
    struct log_copy_head head_task;
    char from[LOG_PATH_BYTES];
    char to[LOG_PATH_BYTES];
};

int log_copy_open(struct log_engine *engine)
{
    struct log_copy *const task = memory_allocate_zeroed(sizeof *task);

    engine->copy = task;
    return task == NULL ? -ENOMEM : 0;
}

void log_copy_close(struct log_engine *engine)
{
    if (engine->copy != NULL) {
        memory_free(engine->copy->large);
        memory_free(engine->copy->bytes);
    }
    memory_free(engine->copy);
}

void log_copy_give_up(struct log_engine *engine)
{
    if (engine->copy != NULL) {
        log_copy_head_give_up(&engine->copy->head_task);
    }
}

bool log_copy_busy(const struct log_engine *engine)
{
    return engine->copy->op.pending || engine->copy->head_task.op.pending;
}

bool log_copy_prepares(const struct log_engine *engine)
{
    return engine->copy->copy != NULL && !engine->copy->cut;
}

bool log_copy_keeps_large(const struct log_engine *engine)
{
    return engine->copy->cut && engine->copy->step <= LINK_LARGE;
}

static void path_to(struct log_copy *task, const char *name)
{
    const int size = snprintf(task->to, LOG_PATH_BYTES, "%s/%s", task->copy->directory, name);

    CHECK(size > 0 && size < LOG_PATH_BYTES);
}

// A file with the same name here and in the copy.
static void paths_of(struct log_copy *task, const char *name)
{
    log_path(task->engine, task->from, name);
    path_to(task, name);
}

// Ending ------------------------------------------------------------------------------------------

// What the copy does not need any more may be used anew.
static void let_go(struct log_copy *task)
{
    struct log_engine *const engine = task->engine;

    for (uint32_t i = 0; task->cut && i < engine->segment_top; i++) {
        struct log_segment *const segment = &engine->segments[i];

        if (segment->copied) {
            segment->copied = false;
            segment->pins--;
        }
    }
    task->cut = false;
    memory_free(task->large);
    memory_free(task->bytes);
    memory_free(task->drops);
    task->large = NULL;
    task->bytes = NULL;
    task->drops = NULL;
    task->large_count = task->large_capacity = 0;
    if (engine->failed == 0) {
        log_segments_reclaim(engine);
    }
}

// The caller hears of what has ended.
static void tell(struct log_copy *task, enum step next, int error)
{
    task->step = next;
    task->copy->error = error;
    task->copy->done(task->copy);
}

static void copy_go(struct log_copy *task);

static void copy_failed(struct log_copy *task, int error)
{
    if (task->fd >= 0) {
        task->error = error;
        task->step = GIVE_UP;
        copy_go(task);
        return;
    }
    let_go(task);
    tell(task, IDLE, error);
}

// Steps -------------------------------------------------------------------------------------------

// What was a head at the cut, as it was then; NULL: it was none.
static const struct log_manifest_segment *head_at_cut(const struct log_copy *task, uint32_t number)
{
    for (uint32_t i = 0; i < task->head_count; i++) {
        if (task->heads[i].number == number) {
            return &task->heads[i];
        }
    }
    return NULL;
}

static bool is_linked(const struct log_copy *task, uint32_t number)
{
    const struct log_segment *const segment = &task->engine->segments[number];

    return segment->copied && segment->fd >= 0 && head_at_cut(task, number) == NULL;
}

static bool next_segment(struct log_copy *task)
{
    while (task->segment < task->engine->segment_top && !is_linked(task, task->segment)) {
        task->segment++;
    }
    return task->segment < task->engine->segment_top;
}

static void segment_paths(struct log_copy *task, uint32_t number)
{
    char name[32];

    (void)snprintf(name, sizeof name, "segment-%05u", number);
    log_segment_path(task->engine, task->from, number);
    path_to(task, name);
}

static void link_segment(struct log_copy *task)
{
    segment_paths(task, task->segment);
    io_link(task->engine->options.io, &task->op, task->from, task->to);
}

static void link_large(struct log_copy *task)
{
    char name[40];

    (void)snprintf(name, sizeof name, "large-%016" PRIx64, task->large[task->large_at]);
    paths_of(task, name);
    io_link(task->engine->options.io, &task->op, task->from, task->to);
}

static void copy_heads(struct log_copy *task)
{
    const struct log_manifest_segment *const head = &task->heads[task->head];

    if (task->head == task->head_count || planted(PLANTED_LEAVE_HEAD)) {
        task->step = RENDER;
        return;
    }
    segment_paths(task, head->number);
    log_copy_head_begin(&task->head_task, task->engine, head->number, (uint32_t)head->used);
}

static void link_checkpoint(struct log_copy *task)
{
    char name[40];

    (void)snprintf(name, sizeof name, "checkpoint-%010llu",
                   (unsigned long long)task->manifest.checkpoint);
    paths_of(task, name);
    io_link(task->engine->options.io, &task->op, task->from, task->to);
}

static void copy_go(struct log_copy *task)
{
    struct io *const io = task->engine->options.io;

    switch (task->step) {
    case MAKE_DIRECTORY:
        io_mkdir(io, &task->op, task->copy->directory);
        return;
    case LINK_CHECKPOINT:
        link_checkpoint(task);
        return;
    case LINK_SEGMENT:
        link_segment(task);
        return;
    case LINK_LARGE:
        link_large(task);
        return;
    case COPY_HEADS:
        copy_heads(task);
        return;
    case OPEN:
        path_to(task, "MANIFEST");
        io_open(io, &task->op, task->to, IO_OPEN_WRITE | IO_OPEN_CREATE | IO_OPEN_EXCLUSIVE);
        return;
    case WRITE:
        io_write(io, &task->op, task->fd, task->bytes + task->written,
                 (uint32_t)(task->size - task->written), task->written, 0);
        return;
    case SYNC:
    case SYNC_DIRECTORY:
        io_sync(io, &task->op, task->fd, false);
        return;
    case OPEN_DIRECTORY:
        io_open(io, &task->op, task->copy->directory, IO_OPEN_READ | IO_OPEN_DIRECTORY);
        return;
    case CLOSE:
    case CLOSE_DIRECTORY:
    case GIVE_UP:
        io_close(io, &task->op, task->fd);
        return;
    default: // log_copy_step() goes on with the others
        return;
    }
}

static void linked(struct log_copy *task, uint64_t bytes)
{
    task->copy->files++;
    task->copy->bytes += bytes;
}

static void head_copied(void *context, int error)
{
    struct log_copy *const task = context;

    if (error < 0) {
        copy_failed(task, error);
        return;
    }
    linked(task, task->heads[task->head].used);
    task->head++;
    copy_heads(task);
}

// The step after one whose operation has ended well. True: copy_go() begins it.
static bool copy_advance(struct log_copy *task, int32_t result)
{
    switch (task->step) {
    case LINK_CHECKPOINT:
        linked(task, 0);
        task->step = next_segment(task) ? LINK_SEGMENT : GATHER;
        return task->step == LINK_SEGMENT;
    case LINK_SEGMENT:
        linked(task, task->engine->segment_bytes);
        task->segment++;
        task->step = next_segment(task) ? LINK_SEGMENT : GATHER;
        return task->step == LINK_SEGMENT;
    case LINK_LARGE:
        linked(task, 0);
        task->step = ++task->large_at < task->large_count ? LINK_LARGE : COPY_HEADS;
        return true;
    case OPEN:
    case OPEN_DIRECTORY:
        task->fd = result;
        break;
    case WRITE:
        task->written += (size_t)result;
        if (task->written < task->size) {
            return true;
        }
        break;
    case CLOSE:
        task->fd = -1;
        break;
    default:
        break;
    }
    task->step++;
    return true;
}

static void copy_done(struct io_op *op, int32_t result)
{
    struct log_copy *const task = (struct log_copy *)(void *)op;

    if (task->step == GIVE_UP) {
        task->fd = -1;
        copy_failed(task, task->error);
    } else if (result < 0) {
        // It was there when the copy was cut, so a newer one has taken its place.
        copy_failed(task, task->step == LINK_CHECKPOINT && result == -ENOENT ? -EAGAIN : result);
    } else if (task->step == CLOSE_DIRECTORY) {
        task->fd = -1;
        let_go(task);
        tell(task, IDLE, 0);
    } else if (copy_advance(task, result)) {
        copy_go(task);
    }
}

// Preparing ---------------------------------------------------------------------------------------

static void wait_checkpoint(struct log_copy *task)
{
    struct log_engine *const engine = task->engine;

    if (!task->checkpoint_asked && log_checkpoint_idle(engine)) {
        task->checkpoint_asked = true;
        task->checkpoint_failures = engine->checkpoint_failures;
        task->checkpoint_wanted = engine->checkpoint_next;
        log_checkpoint_begin(engine);
    }
    if (!task->checkpoint_asked && !log_checkpoint_busy(engine)) {
        copy_failed(task, engine->manifest_error); // it waits for the manifest, which was put off
    } else if (task->checkpoint_asked && engine->checkpoint_failures != task->checkpoint_failures) {
        copy_failed(task, log_checkpoint_error(engine));
    } else if (task->checkpoint_asked && engine->checkpoint_number >= task->checkpoint_wanted &&
               !log_checkpoint_busy(engine)) {
        tell(task, PREPARED, 0);
    }
}

static int copy_prepare(struct log_engine *engine, struct engine_copy *copy)
{
    struct log_copy *const task = engine->copy;

    if (task->copy != NULL) {
        return -EBUSY;
    }
    if (engine->failed != 0) {
        return engine->failed;
    }
    *task = (struct log_copy){
        .op = {.done = copy_done},
        .engine = engine,
        .copy = copy,
        .step = MAKE_DIRECTORY,
        .fd = -1,
        .head_task = {.done = head_copied, .context = task, .path = task->to},
    };
    copy->error = 0;
    copy->files = copy->bytes = 0;
    copy_go(task);
    return 0;
}

// The cut -----------------------------------------------------------------------------------------

// Its frames so far are the copy's, and what it is filled with later is not. Both close what they
// fill: so the frames up to the last one closed are all that is there.
static void cut_head(struct log_copy *task, struct log_head *head)
{
    struct log_engine *const engine = task->engine;

    log_close_frame(engine, head);
    if (head->segment == LOG_SEGMENTS_MAX || engine->segments[head->segment].sequence_last == 0) {
        return;
    }
    const struct log_segment *const segment = &engine->segments[head->segment];
    struct log_manifest_segment *const entry = &task->heads[task->head_count++];

    *entry = log_manifest_entry(head->segment, segment);
    entry->sequence_last = segment->sequence_last;
}

static bool belongs(const struct log_copy *task, uint32_t number)
{
    const struct log_segment *const segment = &task->engine->segments[number];

    return head_at_cut(task, number) != NULL || segment->state == LOG_SEGMENT_SEALED ||
           segment->state == LOG_SEGMENT_EMPTIED || segment->state == LOG_SEGMENT_BAD;
}

static int cut_drops(struct log_copy *task)
{
    const uint32_t count = log_manifest_drops(task->engine, NULL);

    if (count == 0) {
        return 0;
    }
    task->drops = memory_allocate(count * sizeof task->drops[0]);
    if (task->drops == NULL) {
        return -ENOMEM;
    }
    (void)log_manifest_drops(task->engine, task->drops);
    return 0;
}

static int copy_cut(struct log_copy *task)
{
    struct log_engine *const engine = task->engine;

    CHECK(task->step == PREPARED);
    if (engine->failed != 0) {
        return engine->failed;
    }
    const int error = cut_drops(task);

    if (error != 0) {
        return error;
    }
    cut_head(task, &engine->hot);
    cut_head(task, &engine->cold);
    task->sequence = engine->sequence;
    task->large_bound = engine->epoch << 32 | (engine->large.count + 1);
    task->manifest = log_manifest_of(engine);
    task->manifest.durable = engine->sequence;
    task->manifest.epoch +=
        EPOCHS_LEAP_MIN + (task->copy->leap & EPOCHS_LEAP_MASK & ~(uint64_t)(EPOCHS_LEAP_MIN - 1));
    task->manifest.generation += USES_LEAP_MIN + (task->copy->leap & USES_LEAP_MASK);
    for (uint32_t i = 0; i < engine->segment_top; i++) {
        struct log_segment *const segment = &engine->segments[i];

        if (belongs(task, i)) {
            segment->copied = true;
            segment->pins++;
            task->manifest.segments++;
        }
    }
    task->cut = true;
    task->step = CUT;
    return 0;
}

static int copy_write(struct log_copy *task)
{
    CHECK(task->step == CUT);
    task->step = WAIT_DURABLE;
    log_flush(task->engine);
    return 0;
}

static void copy_end(struct log_copy *task)
{
    CHECK(!task->op.pending && (task->step == IDLE || task->step == PREPARED || task->step == CUT));
    let_go(task);
    task->copy = NULL;
    task->step = IDLE;
}

int log_copy(struct engine *base, struct engine_copy *copy, enum engine_copy_step step)
{
    struct log_engine *const engine = log_engine_of(base);

    switch (step) {
    case ENGINE_COPY_PREPARE:
        return copy_prepare(engine, copy);
    case ENGINE_COPY_CUT:
        CHECK(engine->copy->copy == copy);
        return copy_cut(engine->copy);
    case ENGINE_COPY_WRITE:
        CHECK(engine->copy->copy == copy);
        return copy_write(engine->copy);
    case ENGINE_COPY_END:
        if (engine->copy->copy == copy) {
            copy_end(engine->copy);
        }
        return 0;
    }
    return -EINVAL;
}

// What the copy holds -----------------------------------------------------------------------------

// Whether a file of a large value was needed at the cut.
static bool was_needed(const struct log_copy *task, const struct log_large *large)
{
    return large->number < task->large_bound && !large->staged &&
           (!large->dead || large->dead_after > task->sequence);
}

static bool add_large(struct log_copy *task, uint64_t number)
{
    if (task->large_count == task->large_capacity) {
        const uint64_t capacity = task->large_capacity == 0 ? 64 : 2 * task->large_capacity;
        uint64_t *const numbers = memory_resize(task->large, capacity * sizeof numbers[0]);

        if (numbers == NULL) {
            return false;
        }
        task->large = numbers;
        task->large_capacity = capacity;
    }
    task->large[task->large_count++] = number;
    return true;
}

static bool gather(struct log_copy *task)
{
    const uint32_t end = task->bucket + GATHER_BUCKETS;

    for (; task->bucket < end && task->bucket < LOG_LARGE_BUCKETS; task->bucket++) {
        for (const struct log_large *large = task->engine->large.table[task->bucket]; large != NULL;
             large = large->next) {
            if (was_needed(task, large) && !add_large(task, large->number)) {
                copy_failed(task, -ENOMEM);
                return false;
            }
        }
    }
    if (task->bucket < LOG_LARGE_BUCKETS) {
        return true;
    }
    task->segment = 0;
    task->step = task->large_count != 0 ? LINK_LARGE : COPY_HEADS;
    copy_go(task);
    return task->step == RENDER;
}

static bool render(struct log_copy *task)
{
    struct log_engine *const engine = task->engine;
    const uint32_t end = task->segment + RENDER_SEGMENTS;

    if (task->bytes == NULL) {
        task->size = log_manifest_bytes(task->manifest.segments, task->manifest.drops);
        task->bytes = memory_allocate(task->size);
        if (task->bytes == NULL) {
            copy_failed(task, -ENOMEM);
            return false;
        }
        log_manifest_write(task->bytes, &task->manifest);
    }
    for (; task->segment < end && task->segment < engine->segment_top; task->segment++) {
        if (engine->segments[task->segment].copied) {
            const struct log_manifest_segment *const head = head_at_cut(task, task->segment);
            const struct log_manifest_segment entry =
                head != NULL ? *head
                             : log_manifest_entry(task->segment, &engine->segments[task->segment]);

            log_manifest_write_segment(task->bytes, task->rendered++, &entry);
        }
    }
    if (task->segment < engine->segment_top) {
        return true;
    }
    CHECK(task->rendered == task->manifest.segments);
    for (uint32_t i = 0; i < task->manifest.drops; i++) {
        log_manifest_write_drop(task->bytes, task->rendered, i, &task->drops[i]);
    }
    log_manifest_seal(task->bytes, task->size);
    task->step = OPEN;
    copy_go(task);
    return false;
}

static void wait_durable(struct log_copy *task)
{
    if (task->engine->durable < task->sequence || log_seals_busy(task->engine)) {
        return; // or a segment's footer is still being written
    }
    task->step = task->manifest.checkpoint != 0 ? LINK_CHECKPOINT
                 : next_segment(task)           ? LINK_SEGMENT
                                                : GATHER;
    copy_go(task);
}

bool log_copy_step(struct log_engine *engine)
{
    struct log_copy *const task = engine->copy;

    if (task->copy == NULL || task->op.pending || task->step == IDLE || task->step == PREPARED ||
        task->step == CUT) {
        return false;
    }
    if (task->step == COPY_HEADS) {
        log_copy_head_step(&task->head_task);
        return task->step == RENDER;
    }
    if (engine->failed != 0) {
        copy_failed(task, engine->failed);
        return false;
    }
    switch (task->step) {
    case WAIT_CHECKPOINT:
        wait_checkpoint(task);
        return false;
    case WAIT_DURABLE:
        wait_durable(task);
        return task->step == GATHER;
    case GATHER:
        return gather(task);
    case RENDER:
        return render(task);
    default:
        return false;
    }
}
