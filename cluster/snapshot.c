#include "cluster/snapshot.h"

#include "cluster/node.h"
#include "cluster/shard.h"
#include "core/check.h"
#include "core/planted.h"

#include <errno.h>
#include <inttypes.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

enum { TRIES_MAX = 8 };

enum step {
    MAKE_SNAPSHOTS,
    SYNC_DATA,
    CLEAR, // what an earlier error could not remove
    MAKE_UNFINISHED,
    MAKE_GENERATION,
    PREPARE, // here the parts' steps begin
    ENTER,
    CUT,
    WRITE,
    LEAVE,
    END,
    SYNC_GENERATION,
    OPEN_CURRENT,
    WRITE_CURRENT,
    FLUSH_CURRENT,
    CLOSE_CURRENT,
    SYNC_UNFINISHED,
    RENAME,
    SYNC_SNAPSHOTS,
    REMOVE,    // an unfinished one
    OPEN_LOCK, // SNAPSHOT_DELETE: CLEAR, then from here on
    CLOSE_LOCK,
    RENAME_AWAY,
    SYNC_AWAY,
    REMOVE_AWAY,
    CLOSE_FAILED, // a file, after an error
};

enum sync_step { SYNC_OPEN, SYNC_FLUSH, SYNC_CLOSE };

// Parts ---------------------------------------------------------------------------------------

static void part_back(struct snapshot_part *part, int error)
{
    struct shard *shard = part->at;
    part->error = error;
    if (part->message.from == shard->index) {
        snapshot_part_return(shard, part);
        return;
    }
    part->message.returning = true;
    shard_post(shard, &part->message);
}

static struct snapshot_part *part_of_work(struct work *work)
{
    return (struct snapshot_part *)((uint8_t *)work - offsetof(struct snapshot_part, work));
}

// The shard is taken.
static void part_entered(struct shard *shard, struct work *work)
{
    struct snapshot_part *part = part_of_work(work);
    (void)shard;
    part->held = true;
    part_back(part, 0);
}

// Gates are released in the middle of others' work: noted, for the next slice.
static void part_admitted(struct gate_group *group)
{
    struct snapshot_part *part =
        (struct snapshot_part *)((uint8_t *)group - offsetof(struct snapshot_part, group));
    work_add(&part->at->work, &part->work);
}

static void part_leave(struct shard *shard, struct snapshot_part *part)
{
    if (part->held) {
        gate_leave(shard->gates, &part->group);
        part->held = false;
    }
}

static void part_copied(struct engine_copy *copy)
{
    struct snapshot_part *part =
        (struct snapshot_part *)((uint8_t *)copy - offsetof(struct snapshot_part, copy));
    part_back(part, copy->error);
}

static void part_prepare(struct shard *shard, struct snapshot_part *part)
{
    part->copy = (struct engine_copy){.directory = part->directory,
                                      .done = part_copied,
                                      .leap = part->snapshot->number ^ shard->index};
    int error = engine_copy(shard->engine, &part->copy, ENGINE_COPY_PREPARE);
    part->begun = error == 0;
    if (error < 0) {
        part_back(part, error);
    }
}

static void part_enter(struct shard *shard, struct snapshot_part *part)
{
    part->work.run = part_entered;
    part->group = (struct gate_group){.admitted = part_admitted, .scope = GATE_EXCLUSIVE};
    if (gate_enter(shard->gates, &part->group)) {
        part->held = true;
        part_back(part, 0);
    }
}

void snapshot_part_receive(struct shard *shard, struct snapshot_part *part)
{
    int error = 0;
    part->at = shard;
    switch ((enum snapshot_part_step)part->step) {
    case SNAPSHOT_PREPARE:
        part_prepare(shard, part);
        return;
    case SNAPSHOT_ENTER:
        part_enter(shard, part);
        return;
    case SNAPSHOT_CUT:
        if (planted(PLANTED_CUT_LATE) && shard->index % 2 == 1) {
            part_leave(shard, part);
            break;
        }
        error = engine_copy(shard->engine, &part->copy, ENGINE_COPY_CUT);
        part_leave(shard, part);
        break;
    case SNAPSHOT_LEAVE:
        part_leave(shard, part);
        break;
    case SNAPSHOT_WRITE:
        if (planted(PLANTED_CUT_LATE) && shard->index % 2 == 1) {
            (void)engine_copy(shard->engine, &part->copy, ENGINE_COPY_CUT);
        }
        error = engine_copy(shard->engine, &part->copy, ENGINE_COPY_WRITE);
        CHECK(error == 0);
        return; // until part_copied()
    case SNAPSHOT_END:
        if (part->begun) {
            (void)engine_copy(shard->engine, &part->copy, ENGINE_COPY_END);
        }
        part->begun = false;
        break;
    }
    part_back(part, error);
}

static void part_send(struct snapshot *snapshot, uint32_t core, enum snapshot_part_step step)
{
    struct snapshot_part *part = &snapshot->parts[core];
    part->step = (uint8_t)step;
    part->message.returning = false;
    snapshot->open++;
    if (core == snapshot->shard->index) {
        snapshot_part_receive(snapshot->shard, part);
    } else {
        shard_post(snapshot->shard, &part->message);
    }
}

static void snapshot_go(struct snapshot *snapshot);

// The present step has ended.
static void step_over(struct snapshot *snapshot, int error);

static void parts_send(struct snapshot *snapshot, enum snapshot_part_step step)
{
    snapshot->open = 1; // this function's own
    snapshot->step_error = 0;
    for (uint32_t core = 0; core < snapshot->part_count; core++) {
        part_send(snapshot, core, step);
    }
    if (--snapshot->open == 0) {
        step_over(snapshot, snapshot->step_error);
    }
}

void snapshot_part_return(struct shard *shard, struct snapshot_part *part)
{
    struct snapshot *snapshot = part->snapshot;
    (void)shard;
    CHECK(snapshot->open > 0);
    snapshot->step_error = snapshot->step_error == 0 ? part->error : snapshot->step_error;
    if (--snapshot->open == 0) {
        step_over(snapshot, snapshot->step_error);
    }
}

// Removing ------------------------------------------------------------------------------------

static void snapshot_removed(struct removal *removal, int error)
{
    step_over((struct snapshot *)((uint8_t *)removal - offsetof(struct snapshot, removal)), error);
}

// Making directories durable ---------------------------------------------------------------------

// The directory that the present step makes durable; NULL: none.
static const char *synced(struct snapshot *snapshot)
{
    const struct node *node = snapshot->shard->node;
    switch ((enum step)snapshot->step) {
    case SYNC_DATA:
        return node->config.node.data_dir;
    case SYNC_GENERATION:
        data_dir_generation_path(snapshot->unfinished, node->identity.generation, snapshot->at);
        return snapshot->at;
    case SYNC_UNFINISHED:
        return snapshot->unfinished;
    case SYNC_SNAPSHOTS:
    case SYNC_AWAY:
        data_dir_snapshots_path(node->config.node.data_dir, "", snapshot->at);
        return snapshot->at;
    default:
        return NULL;
    }
}

static void sync_go(struct snapshot *snapshot, const char *directory)
{
    struct io *io = snapshot->shard->io;
    switch ((enum sync_step)snapshot->sync) {
    case SYNC_OPEN:
        io_open(io, &snapshot->op, directory, IO_OPEN_READ | IO_OPEN_DIRECTORY);
        return;
    case SYNC_FLUSH:
        io_sync(io, &snapshot->op, snapshot->fd, false);
        return;
    case SYNC_CLOSE:
        io_close(io, &snapshot->op, snapshot->fd);
        return;
    }
}

static void sync_done(struct snapshot *snapshot, int32_t result)
{
    if (snapshot->sync == SYNC_CLOSE) {
        snapshot->fd = -1;
        step_over(snapshot, 0);
    } else if (result < 0) {
        step_over(snapshot, result);
    } else {
        snapshot->fd = snapshot->sync == SYNC_OPEN ? result : snapshot->fd;
        snapshot->sync++;
        sync_go(snapshot, synced(snapshot));
    }
}

// Steps ---------------------------------------------------------------------------------------

static void path_in(struct snapshot *snapshot, const char *directory, const char *name)
{
    int size = snprintf(snapshot->at, sizeof snapshot->at, "%s/%s", directory, name);
    CHECK(size > 0 && (size_t)size < sizeof snapshot->at);
}

static void files_go(struct snapshot *snapshot)
{
    const struct node *node = snapshot->shard->node;
    struct io *io = snapshot->shard->io;
    struct io_op *op = &snapshot->op;
    switch ((enum step)snapshot->step) {
    case MAKE_SNAPSHOTS:
        data_dir_snapshots_path(node->config.node.data_dir, "", snapshot->at);
        io_mkdir(io, op, snapshot->at);
        return;
    case MAKE_UNFINISHED:
        io_mkdir(io, op, snapshot->unfinished);
        return;
    case MAKE_GENERATION:
        data_dir_generation_path(snapshot->unfinished, node->identity.generation, snapshot->at);
        io_mkdir(io, op, snapshot->at);
        return;
    case OPEN_CURRENT:
        path_in(snapshot, snapshot->unfinished, "CURRENT");
        io_open(io, op, snapshot->at, IO_OPEN_WRITE | IO_OPEN_CREATE | IO_OPEN_TRUNCATE);
        return;
    case WRITE_CURRENT:
        io_write(io, op, snapshot->fd, snapshot->current + snapshot->written,
                 (uint32_t)(sizeof snapshot->current - snapshot->written), snapshot->written, 0);
        return;
    case FLUSH_CURRENT:
        io_sync(io, op, snapshot->fd, false);
        return;
    case RENAME:
        io_rename(io, op, snapshot->unfinished, snapshot->path);
        return;
    case OPEN_LOCK:
        path_in(snapshot, snapshot->path, "LOCK");
        io_open(io, op, snapshot->at, IO_OPEN_READ);
        return;
    case RENAME_AWAY:
        io_rename(io, op, snapshot->path, snapshot->unfinished);
        return;
    case CLOSE_CURRENT:
    case CLOSE_LOCK:
    case CLOSE_FAILED:
        io_close(io, op, snapshot->fd);
        return;
    default:
        CHECK(false); // snapshot_go() knows the others
    }
}

static void snapshot_go(struct snapshot *snapshot)
{
    const char *directory = synced(snapshot);
    if (planted(PLANTED_EARLY_SNAPSHOT) &&
        (snapshot->step == SYNC_GENERATION || snapshot->step == SYNC_UNFINISHED)) {
        step_over(snapshot, 0);
        return;
    }
    if (directory != NULL) {
        snapshot->sync = SYNC_OPEN;
        sync_go(snapshot, directory);
        return;
    }
    switch ((enum step)snapshot->step) {
    case CLEAR:
    case REMOVE:
    case REMOVE_AWAY:
        removal_begin(&snapshot->removal, snapshot->shard, snapshot->unfinished, snapshot_removed);
        return;
    case PREPARE:
        parts_send(snapshot, SNAPSHOT_PREPARE);
        return;
    case ENTER:
        snapshot->step_error = 0;
        part_send(snapshot, snapshot->core, SNAPSHOT_ENTER);
        return;
    case CUT:
        parts_send(snapshot, SNAPSHOT_CUT);
        return;
    case WRITE:
        parts_send(snapshot, SNAPSHOT_WRITE);
        return;
    case LEAVE:
        parts_send(snapshot, SNAPSHOT_LEAVE);
        return;
    case END:
        parts_send(snapshot, SNAPSHOT_END);
        return;
    default:
        files_go(snapshot);
    }
}

static void snapshot_log(struct snapshot *snapshot)
{
    struct shard *shard = snapshot->shard;
    struct log_line line;
    uint64_t files = 0;
    uint64_t bytes = 0;
    for (uint32_t core = 0; core < snapshot->part_count; core++) {
        files += snapshot->parts[core].copy.files;
        bytes += snapshot->parts[core].copy.bytes;
    }
    const bool create = snapshot->order == SNAPSHOT_CREATE;
    if (snapshot->error == 0) {
        log_begin(&line, &shard->log, LOG_LEVEL_INFO,
                  create ? "snapshot made" : "snapshot deleted");
    } else {
        log_begin(&line, &shard->log, LOG_LEVEL_WARNING,
                  create ? "snapshot not made" : "snapshot not deleted");
    }
    log_text(&line, "name", snapshot->name);
    if (snapshot->error != 0) {
        log_text(&line, "error", strerror(-snapshot->error));
    }
    log_u64(&line, "files", files);
    log_u64(&line, "segment_bytes", bytes);
    log_u64(&line, "took_us", (io_clock_ns(shard->io) - snapshot->began_ns) / 1000);
    log_end(&line);
}

static void snapshot_end(struct snapshot *snapshot)
{
    struct shard *shard = snapshot->shard;
    CHECK(shard->snapshot == snapshot && snapshot->fd < 0);
    shard->snapshot = NULL;
    shard->stats.snapshots_running = 0;
    shard->stats.snapshots += snapshot->error == 0 && snapshot->order == SNAPSHOT_CREATE;
    shard->stats.snapshot_failures += snapshot->error != 0;
    snapshot_log(snapshot);
    snapshot->done(snapshot);
}

static void step_begin(struct snapshot *snapshot, enum step step)
{
    snapshot->step = (uint8_t)step;
    snapshot_go(snapshot);
}

static bool is_taken(const struct snapshot *snapshot)
{
    struct io_stat stat;
    return snapshot->order == SNAPSHOT_CREATE &&
           io_stat(snapshot->shard->io, snapshot->path, &stat) == 0;
}

// The first error counts. What there is to undo is undone.
static void step_failed(struct snapshot *snapshot, int error)
{
    const enum step step = snapshot->step;
    snapshot->error = snapshot->error == 0 ? error : snapshot->error;
    if (snapshot->fd >= 0) {
        step_begin(snapshot, CLOSE_FAILED);
    } else if (step >= PREPARE && step <= WRITE) {
        step_begin(snapshot, LEAVE);
    } else if ((step == SYNC_SNAPSHOTS || step == CLOSE_FAILED) && is_taken(snapshot)) {
        step_begin(snapshot, RENAME_AWAY); // nobody is to find what is said not to be made
    } else if (step == CLOSE_FAILED || (step >= MAKE_UNFINISHED && step <= RENAME)) {
        step_begin(snapshot, snapshot->order == SNAPSHOT_CREATE ? REMOVE : REMOVE_AWAY);
    } else {
        snapshot_end(snapshot);
    }
}

// A core's checkpoint had gone before it was linked: it is begun anew.
static bool tries_again(struct snapshot *snapshot)
{
    if (snapshot->error != -EAGAIN || ++snapshot->tries == TRIES_MAX) {
        return false;
    }
    snapshot->error = 0;
    snapshot->core = 0;
    return true;
}

static void step_over(struct snapshot *snapshot, int error)
{
    const enum step step = snapshot->step;
    if (error < 0) {
        step_failed(snapshot, error);
    } else if (step == SYNC_DATA && is_taken(snapshot)) {
        step_failed(snapshot, -EEXIST);
    } else if (step == CLEAR && snapshot->order == SNAPSHOT_DELETE) {
        step_begin(snapshot, OPEN_LOCK);
    } else if (step == ENTER && ++snapshot->core < snapshot->part_count) {
        snapshot_go(snapshot);
    } else if (step == CLOSE_FAILED) {
        step_failed(snapshot, snapshot->error);
    } else if (step == END && snapshot->error != 0) {
        step_begin(snapshot, REMOVE);
    } else if (step == REMOVE && tries_again(snapshot)) {
        step_begin(snapshot, MAKE_UNFINISHED);
    } else if (step == SYNC_SNAPSHOTS || step == REMOVE || step == REMOVE_AWAY) {
        snapshot_end(snapshot);
    } else {
        step_begin(snapshot, step + 1);
    }
}

// What an operation on a file has brought.
static void snapshot_file_done(struct snapshot *snapshot, int32_t result)
{
    switch ((enum step)snapshot->step) {
    case MAKE_SNAPSHOTS:
        step_over(snapshot, result == -EEXIST ? 0 : result);
        return;
    case OPEN_LOCK:
        if (result == -ENOENT) {
            step_begin(snapshot, RENAME_AWAY); // nobody has ever run on it
            return;
        }
        snapshot->fd = result >= 0 ? result : -1;
        step_over(snapshot, result < 0 ? result : io_lock(snapshot->shard->io, result));
        return;
    case OPEN_CURRENT:
        snapshot->fd = result >= 0 ? result : -1;
        snapshot->written = 0;
        break;
    case WRITE_CURRENT:
        snapshot->written += result > 0 ? (uint32_t)result : 0;
        if (result > 0 && snapshot->written < sizeof snapshot->current) {
            snapshot_go(snapshot); // it took a part of it
            return;
        }
        result = result == 0 ? -EIO : result;
        break;
    case CLOSE_CURRENT:
    case CLOSE_LOCK:
    case CLOSE_FAILED:
        snapshot->fd = -1;
        result = 0;
        break;
    default:
        break;
    }
    step_over(snapshot, result < 0 ? result : 0);
}

static void snapshot_done(struct io_op *op, int32_t result)
{
    struct snapshot *snapshot = (struct snapshot *)(void *)op;
    if (synced(snapshot) != NULL) {
        sync_done(snapshot, result);
    } else {
        snapshot_file_done(snapshot, result);
    }
}

// For others ----------------------------------------------------------------------------------

size_t snapshot_bytes(const struct shard *shard)
{
    return sizeof(struct snapshot) + shard->node->shard_count * sizeof(struct snapshot_part);
}

static void snapshot_init_parts(struct snapshot *snapshot)
{
    const struct node *node = snapshot->shard->node;
    struct data_identity identity = node->identity;
    identity.snapshot = snapshot->number;
    data_dir_write_current(snapshot->current, &identity);
    snapshot->part_count = node->shard_count;
    for (uint32_t core = 0; core < snapshot->part_count; core++) {
        struct snapshot_part *part = &snapshot->parts[core];
        part->snapshot = snapshot;
        part->message = (struct message){
            .kind = MESSAGE_SNAPSHOT, .from = (uint8_t)snapshot->shard->index, .to = (uint8_t)core};
        data_dir_shard_path(snapshot->unfinished, &identity, core, part->directory);
    }
}

bool snapshot_begin(struct snapshot *snapshot, struct shard *shard, enum snapshot_order order,
                    struct slice name, snapshot_done_fn *done)
{
    const char *data_dir = shard->node->config.node.data_dir;
    char unfinished[LIMIT_SNAPSHOT_NAME_BYTES + 16];
    CHECK(shard->index == 0 && shard->durable && data_dir_is_snapshot_name(name));
    if (shard->snapshot != NULL) {
        return false;
    }
    shard->snapshot = snapshot;
    shard->stats.snapshots_running = 1;
    snapshot->op.done = snapshot_done;
    snapshot->shard = shard;
    snapshot->done = done;
    snapshot->order = (uint8_t)order;
    snapshot->fd = -1;
    snapshot->began_ns = io_clock_ns(shard->io);
    snapshot->number = random_u64(&shard->random) | 1;
    memcpy(snapshot->name, name.bytes, name.size);
    (void)snprintf(unfinished, sizeof unfinished, ".%s-%s",
                   order == SNAPSHOT_CREATE ? "unfinished" : "removed", snapshot->name);
    data_dir_snapshots_path(data_dir, snapshot->name, snapshot->path);
    data_dir_snapshots_path(data_dir, unfinished, snapshot->unfinished);
    if (order == SNAPSHOT_CREATE) {
        snapshot_init_parts(snapshot);
    }
    step_begin(snapshot, MAKE_SNAPSHOTS);
    return true;
}

static void explain_links(const struct snapshot *snapshot, char *ret_text, size_t size)
{
    const char *name = snapshot->name;
    switch (-snapshot->error) {
    case EXDEV:
        (void)snprintf(ret_text, size,
                       "IOERR snapshot '%s' cannot be made of hard links, since snapshots in "
                       "node.data_dir is on another filesystem: unmount what is there, and copy "
                       "snapshots away when they are made",
                       name);
        return;
    case EMLINK:
        (void)snprintf(ret_text, size,
                       "IOERR a file that snapshot '%s' needs has as many names as the filesystem "
                       "allows: delete other snapshots",
                       name);
        return;
    default:
        (void)snprintf(ret_text, size,
                       "IOERR the filesystem of node.data_dir refuses the hard links that snapshot "
                       "'%s' is made of (%s): move node.data_dir to one that has them, or copy it "
                       "while the node is stopped",
                       name, strerror(-snapshot->error));
    }
}

void snapshot_explain(const struct snapshot *snapshot, char *ret_text, size_t size)
{
    const char *name = snapshot->name;
    const bool create = snapshot->order == SNAPSHOT_CREATE;
    switch (-snapshot->error) {
    case EEXIST:
        (void)snprintf(ret_text, size,
                       "ERR there is a snapshot '%s' already: delete it, or take another name",
                       name);
        return;
    case ENOENT:
        (void)snprintf(ret_text, size, "ERR there is no snapshot '%s'", name);
        return;
    case EWOULDBLOCK: // EAGAIN
        (void)snprintf(ret_text, size,
                       create ? "OVERLOADED no moment was found for snapshot '%s': retry"
                              : "ERR a node runs on snapshot '%s': stop it first",
                       name);
        return;
    case ENOSPC:
    case EDQUOT:
        (void)snprintf(ret_text, size,
                       create ? "NOSPACE the disk has no room for snapshot '%s', which needs a "
                                "checkpoint and up to two segments for each core: free some, or "
                                "delete other snapshots"
                              : "NOSPACE the disk has no room to note that snapshot '%s' goes: "
                                "free some",
                       name);
        return;
    case EXDEV:
    case EPERM:
    case EMLINK:
    case EOPNOTSUPP:
        explain_links(snapshot, ret_text, size);
        return;
    case EMFILE:
    case ENFILE:
    case ENOMEM:
        (void)snprintf(ret_text, size,
                       "OVERLOADED snapshot '%s' found no %s: retry, and raise the limit of the "
                       "process (%s) where that does not help",
                       name, snapshot->error == -ENOMEM ? "memory" : "descriptor",
                       snapshot->error == -ENOMEM ? "memory" : "open files");
        return;
    case EACCES:
    case EROFS:
    case ENOTDIR:
        (void)snprintf(ret_text, size,
                       "IOERR snapshot '%s': %s: snapshots in node.data_dir has to be a directory "
                       "that rldbd can write to",
                       name, strerror(-snapshot->error));
        return;
    default:
        (void)snprintf(ret_text, size,
                       "IOERR snapshot '%s': %s: look at the log and the disk, then retry; after "
                       "a failed write of the node's own start it anew",
                       name, strerror(-snapshot->error));
    }
}
