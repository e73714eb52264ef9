#include "engines/log_copy_head.h"

#include "core/memory.h"
#include "core/wait.h"

#include <errno.h>

enum { PIECE_BYTES = 128 << 10 };

enum step { IDLE, OPEN, ALLOCATE, WAIT, READ, WRITE, SYNC, CLOSE };

static void head_ended(struct log_copy_head *task)
{
    memory_free(task->piece);
    task->piece = NULL;
    task->step = IDLE;
    task->done(task->context, task->error);
}

static void head_go(struct log_copy_head *task)
{
    struct io *const io = task->engine->options.io;
    const uint32_t left = task->used - task->at;

    switch ((enum step)task->step) {
    case OPEN:
        io_open(io, &task->op, task->path,
                IO_OPEN_WRITE | IO_OPEN_CREATE | IO_OPEN_EXCLUSIVE | IO_OPEN_DIRECT);
        return;
    case ALLOCATE:
        io_allocate(io, &task->op, task->fd, 0, task->used);
        return;
    case READ:
        io_read(io, &task->op, task->from_fd, task->piece, left < PIECE_BYTES ? left : PIECE_BYTES,
                task->at);
        return;
    case WRITE:
        io_write(io, &task->op, task->fd, task->piece + task->written, task->read - task->written,
                 task->at + task->written, 0);
        return;
    case SYNC:
        io_sync(io, &task->op, task->fd, false);
        return;
    case CLOSE:
        io_close(io, &task->op, task->fd);
        return;
    case IDLE:
    case WAIT:
        return;
    }
}

static void head_failed(struct log_copy_head *task, int error)
{
    task->error = error;
    if (task->fd < 0) {
        head_ended(task);
        return;
    }
    task->step = CLOSE;
    head_go(task);
}

static int head_prepare(struct log_copy_head *task)
{
    struct log_engine *const engine = task->engine;

    log_space_look(engine);
    if (engine->space_left < task->used) {
        return -ENOSPC;
    }
    task->piece = memory_allocate_aligned(PIECE_BYTES, IO_DIRECT_ALIGN);
    return task->piece == NULL ? -ENOMEM
                               : io_truncate(engine->options.io, task->fd, engine->segment_bytes);
}

// A short read or write goes on from a border that O_DIRECT allows.
static uint32_t whole_blocks(int32_t result)
{
    return (uint32_t)result & ~(uint32_t)(LOG_BLOCK_BYTES - 1);
}

// The step behind one that has ended well.
static int head_advance(struct log_copy_head *task, int32_t result)
{
    switch ((enum step)task->step) {
    case OPEN:
        task->fd = result;
        task->step = ALLOCATE;
        return head_prepare(task);
    case ALLOCATE:
        task->step = WAIT;
        return 0;
    case READ:
        task->read = whole_blocks(result);
        task->written = 0;
        task->step = WRITE;
        return task->read == 0 ? -EIO : 0; // the file ends before what is durable of it
    case WRITE:
        task->written += whole_blocks(result);
        if (task->written == task->read) {
            task->at += task->read;
            task->step = task->at == task->used ? SYNC : WAIT;
        }
        return result == 0 ? -EIO : 0;
    default:
        task->step++;
        return 0;
    }
}

static void head_done(struct io_op *op, int32_t result)
{
    struct log_copy_head *const task = (struct log_copy_head *)(void *)op;

    // A file system that gives blocks only to what is written.
    if (task->step == ALLOCATE && result == -EOPNOTSUPP) {
        result = 0;
    }
    if (task->step == CLOSE) {
        task->fd = -1;
        head_ended(task);
        return;
    }
    const int error = result < 0 ? result : head_advance(task, result);

    if (error < 0) {
        head_failed(task, error);
        return;
    }
    head_go(task);
    log_copy_head_step(task);
}

void log_copy_head_begin(struct log_copy_head *task, struct log_engine *engine, uint32_t segment,
                         uint32_t used)
{
    CHECK(task->step == IDLE && used != 0 && used % LOG_BLOCK_BYTES == 0);
    task->op.done = head_done;
    task->engine = engine;
    task->error = 0;
    task->fd = -1;
    task->from_fd = engine->segments[segment].fd;
    task->used = used;
    task->at = 0;
    task->frames = engine->written;
    task->step = OPEN;
    head_go(task);
}

void log_copy_head_step(struct log_copy_head *task)
{
    const struct log_engine *const engine = task->engine;

    if (task->step == WAIT && engine->failed != 0) {
        head_failed(task, engine->failed);
        return;
    }
    if (task->step != WAIT ||
        (engine->frames_writing != 0 && engine->written < task->frames + LOG_COPY_FRAMES_BEFORE)) {
        return;
    }
    task->frames = engine->written;
    task->step = READ;
    head_go(task);
}

void log_copy_head_give_up(struct log_copy_head *task)
{
    CHECK(!task->op.pending);
    if (task->step == WAIT) {
        (void)wait_close(task->engine->options.io, task->fd);
        task->fd = -1;
    }
    memory_free(task->piece);
    task->piece = NULL;
}
