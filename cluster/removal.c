#include "cluster/removal.h"

#include "cluster/shard.h"
#include "core/check.h"

#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

enum {
    SLICE_BYTES = 256 << 10, // 0.14 ms on that ext4
    SLICES_MAX = 256,        // in one go, where they take no time
    SPENT_NS = 100 * 1000,   // on slices in one go
    REST_SHARE = 4,
};

enum step { OPEN, CUT, CLOSE, UNLINK };

static void removal_next(struct removal *removal);

static void removal_go(struct removal *removal, enum step step)
{
    struct io *io = removal->shard->io;
    removal->step = (uint8_t)step;
    switch (step) {
    case OPEN:
        io_open(io, &removal->op, removal->at, IO_OPEN_WRITE);
        return;
    case CUT:
        timer_arm(&removal->shard->timers, &removal->timer, io->now_ns);
        return;
    case CLOSE:
        io_close(io, &removal->op, removal->fd);
        return;
    case UNLINK:
        io_unlink(io, &removal->op, removal->at, false);
        return;
    }
}

// The next slices; or an error, which does not matter: the file goes as a whole then.
static void removal_cut(struct timer *timer)
{
    struct removal *removal =
        (struct removal *)((uint8_t *)timer - offsetof(struct removal, timer));
    struct io *io = removal->shard->io;
    const uint64_t began_ns = io_clock_ns(io);
    uint64_t spent_ns = 0;
    for (uint32_t slices = 0; slices < SLICES_MAX && spent_ns < SPENT_NS; slices++) {
        if (removal->size <= SLICE_BYTES || removal->shard->draining ||
            io_truncate(io, removal->fd, removal->size - SLICE_BYTES) < 0) {
            removal_go(removal, CLOSE);
            return;
        }
        removal->size -= SLICE_BYTES;
        spent_ns = io_clock_ns(io) - began_ns;
    }
    timer_arm(&removal->shard->timers, timer, io->now_ns + spent_ns * (1 + REST_SHARE));
}

static void removal_done(struct io_op *op, int32_t result)
{
    struct removal *removal = (struct removal *)(void *)op;
    const bool last = strcmp(removal->at, removal->root) == 0;
    switch ((enum step)removal->step) {
    case OPEN:
        removal->fd = result;
        removal_go(removal, result < 0 ? UNLINK : CUT);
        return;
    case CUT:
    case CLOSE:
        removal_go(removal, UNLINK);
        return;
    case UNLINK:
        if (result < 0 || last) {
            removal->done(removal, result < 0 ? result : 0);
            return;
        }
        *strrchr(removal->at, '/') = '\0';
        removal_next(removal);
    }
}

static bool first_name(void *context, const char *name)
{
    struct removal *removal = context;
    const size_t size = strlen(removal->at);
    if (size + 1 + strlen(name) < sizeof removal->at) {
        (void)snprintf(removal->at + size, sizeof removal->at - size, "/%s", name);
    }
    return false;
}

// Goes down to a file, or to a directory that is empty, and begins with that.
static void removal_next(struct removal *removal)
{
    struct io *io = removal->shard->io;
    struct io_stat stat = {.directory = true};
    size_t size = 0;
    int error = 0;
    while (error == 0 && stat.directory && size != strlen(removal->at)) {
        size = strlen(removal->at);
        error = io_list(io, removal->at, first_name, removal);
        error = error < 0 ? error : io_stat(io, removal->at, &stat);
    }
    if (error < 0) {
        removal->done(removal, error == -ENOENT ? 0 : error);
    } else if (stat.directory) {
        removal->step = UNLINK;
        io_unlink(io, &removal->op, removal->at, true);
    } else {
        removal->size = stat.size_bytes;
        removal_go(removal, stat.links == 1 && stat.blocks_bytes > SLICE_BYTES ? OPEN : UNLINK);
    }
}

void removal_begin(struct removal *removal, struct shard *shard, const char *root,
                   removal_done_fn *done)
{
    CHECK(!removal->op.pending && !timer_armed(&removal->timer));
    removal->op.done = removal_done;
    removal->timer.fire = removal_cut;
    removal->shard = shard;
    removal->root = root;
    removal->done = done;
    (void)snprintf(removal->at, sizeof removal->at, "%s", root);
    removal_next(removal);
}
