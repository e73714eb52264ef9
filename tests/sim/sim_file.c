// Operations on a simulated disk: each has its effect at one moment between its submission and its
// completion, both drawn, so that those in flight together take effect and complete in any order.
#include "tests/sim/sim_internal.h"

enum {
    CANCELLED_PER_MILLE = 500,
    PART_PER_MILLE = 500, // of the writes for which there is room in part
};

static const char *const verb_names[SIM_VERBS] = {
    [SIM_OPEN] = "open",     [SIM_READ] = "read",     [SIM_WRITE] = "write",
    [SIM_SYNC] = "sync",     [SIM_RENAME] = "rename", [SIM_ALLOCATE] = "allocate",
    [SIM_UNLINK] = "unlink", [SIM_LINK] = "link",     [SIM_MKDIR] = "mkdir",
};

static struct sim_file *file_of(struct sim_node *node, int fd)
{
    const struct sim_descriptor *const descriptor = sim_descriptor_get(node, fd);

    return descriptor != NULL && descriptor->kind == SIM_FILE ? descriptor->u.file : NULL;
}

// The last part of a path.
static const char *name_of(const char *path)
{
    const char *const slash = strrchr(path, '/');

    return slash == NULL ? path : slash + 1;
}

static void hook_event(const struct sim_op *op, enum sim_disk_phase phase)
{
    const struct sim_hooks *const hooks = &op->core->world->profile.hooks;

    if (hooks->disk_event == NULL) {
        return;
    }
    const struct sim_file *const file = file_of(op->core->node, op->fd);
    const char *const path = op->path != NULL ? op->path : file != NULL ? file->path : "";
    const char *const path_to = op->path_to != NULL ? op->path_to : "";
    const struct sim_disk_event event = {
        .what = verb_names[op->verb],
        .path = path,
        .path_to = path_to,
        .name = name_of(path),
        .name_to = name_of(path_to),
        .bytes = op->bytes,
        .offset = op->offset,
        .result = phase == SIM_DISK_BEGUN ? (int32_t)op->size : op->result,
        .durable = op->verb == SIM_WRITE && (op->flags & IO_WRITE_DURABLE) != 0,
        .made = op->made,
        .phase = phase,
    };

    hooks->disk_event(hooks->context, op->core->node, &event);
}

static int32_t hook_error(const struct sim_op *op)
{
    const struct sim_hooks *const hooks = &op->core->world->profile.hooks;

    return hooks->disk_error == NULL
               ? 0
               : hooks->disk_error(hooks->context, op->core->node, verb_names[op->verb]);
}

static uint64_t disk_max(const struct sim_node *node)
{
    const uint64_t most = node->world->profile.disk_bytes_max;

    return node->disk_bytes_max != 0 && node->disk_bytes_max < most ? node->disk_bytes_max : most;
}

static uint64_t disk_free(const struct sim_node *node)
{
    const uint64_t used = sim_disk_used(node->disk);
    const uint64_t most = disk_max(node);

    return used < most ? most - used : 0;
}

static uint64_t hook_delay(const struct sim_op *op)
{
    struct sim_world *const world = op->core->world;
    const struct sim_hooks *const hooks = &world->profile.hooks;
    const uint64_t delay_ns =
        sim_between(world, world->profile.disk_ns_min, world->profile.disk_ns_max);

    return hooks->disk_delay == NULL
               ? delay_ns
               : hooks->disk_delay(hooks->context, op->core->node, verb_names[op->verb], delay_ns);
}

// Effects: the result of the system call ----------------------------------------------------------

static int open_inode(struct sim_op *op, struct sim_inode **ret_inode)
{
    struct sim_disk *const disk = op->core->node->disk;
    int result = sim_disk_find(disk, op->path, ret_inode);

    if (result == -ENOENT && (op->flags & IO_OPEN_CREATE) != 0) {
        result = sim_disk_create(disk, op->path, SIM_INODE_FILE, ret_inode);
        op->made = result == 0;
        return result;
    }
    if (result == 0 && (op->flags & IO_OPEN_CREATE) != 0 && (op->flags & IO_OPEN_EXCLUSIVE) != 0) {
        sim_inode_put(*ret_inode);
        return -EEXIST;
    }
    return result;
}

// Whether what was found can be opened that way.
static int open_check(enum sim_inode_kind kind, unsigned flags)
{
    if (kind == SIM_INODE_SOCKET) {
        return -ENXIO;
    }
    if (kind == SIM_INODE_DIRECTORY) {
        return (flags & (IO_OPEN_WRITE | IO_OPEN_CREATE | IO_OPEN_TRUNCATE)) != 0 ? -EISDIR : 0;
    }
    return (flags & IO_OPEN_DIRECTORY) != 0 ? -ENOTDIR : 0;
}

static int32_t open_effect(struct sim_op *op)
{
    struct sim_inode *inode = NULL;
    int result = open_inode(op, &inode);

    if (result != 0) {
        return result;
    }
    struct sim_file *const file = sim_allocate(sizeof *file);

    file->inode = inode;
    sim_inode_opened(inode);
    file->writable = (op->flags & IO_OPEN_WRITE) != 0;
    file->direct = (op->flags & IO_OPEN_DIRECT) != 0;
    file->place = sim_place_of(op->path, 0, 0);
    file->path = strdup(op->path);
    CHECK(file->path != NULL);
    result = open_check(sim_inode_kind(inode), op->flags);
    if (result == 0) {
        result = sim_descriptor_add(op->core->node, SIM_FILE, file);
    }
    if (result < 0) {
        sim_file_close(op->core->node, file);
    } else if ((op->flags & IO_OPEN_TRUNCATE) != 0) {
        sim_inode_truncate(inode, 0);
    }
    return result;
}

void sim_file_close(struct sim_node *node, struct sim_file *file)
{
    (void)node;
    sim_inode_unlock(file->inode, file);
    sim_inode_closed(file->inode);
    sim_inode_put(file->inode);
    free(file->path);
    free(file);
}

// As much of the size as is done at once; O_DIRECT moves whole blocks.
static uint32_t size_cut(const struct sim_op *op, const struct sim_file *file)
{
    const uint32_t size = (uint32_t)op->size;
    const uint32_t cut = sim_cut(op->core->world, size);

    if (!file->direct) {
        return cut;
    }
    return cut < IO_DIRECT_ALIGN ? size : cut / IO_DIRECT_ALIGN * IO_DIRECT_ALIGN;
}

static bool is_misaligned(const struct sim_op *op, const struct sim_file *file)
{
    return file->direct &&
           (((uintptr_t)op->bytes | op->size | op->offset) & (IO_DIRECT_ALIGN - 1)) != 0;
}

static int32_t read_effect(struct sim_op *op, struct sim_file *file)
{
    if (sim_inode_kind(file->inode) == SIM_INODE_DIRECTORY) {
        return -EISDIR;
    }
    if (is_misaligned(op, file)) {
        return -EINVAL;
    }
    const uint32_t size = size_cut(op, file);

    return sim_inode_is_spoiled(file->inode, op->offset, size)
               ? -EIO
               : (int32_t)sim_inode_read(file->inode, op->bytes, size, op->offset);
}

// Disks that lose writes, or put them elsewhere --------------------------------------------------

static struct sim_place place_of_op(const struct sim_op *op, const struct sim_file *file)
{
    struct sim_place place = file->place;

    place.offset = op->offset;
    place.size = op->size;
    return place;
}

static enum sim_fate hook_fate(const struct sim_op *op, const struct sim_file *file,
                               uint64_t *ret_number)
{
    const struct sim_hooks *const hooks = &op->core->world->profile.hooks;

    return hooks->write_fate == NULL
               ? SIM_FATE_KEPT
               : hooks->write_fate(hooks->context, op->core->node, name_of(file->path), ret_number);
}

// One of the files that the node writes to.
static struct sim_file *any_file(struct sim_node *node, uint64_t *number)
{
    uint64_t count = 0;
    struct sim_file *found = NULL;

    for (uint32_t pass = 0; pass < 2; pass++) {
        const uint64_t chosen = count == 0 ? 0 : *number % count;

        *number = count == 0 ? *number : *number / count;
        count = 0;
        for (uint32_t fd = 0; fd < node->descriptor_count; fd++) {
            struct sim_file *const file = file_of(node, (int)fd);

            if (file != NULL && file->writable && count++ == chosen) {
                found = file;
            }
        }
    }
    return found;
}

// The bytes lie over some of a file that is there, and are no more than fit.
static void write_elsewhere(struct sim_op *op, uint32_t size, uint64_t number)
{
    struct sim_node *const node = op->core->node;
    struct sim_file *const file = any_file(node, &number);
    struct io_stat stat;

    sim_inode_stat(file->inode, &stat);
    const uint64_t pages = stat.size_bytes / SIM_PAGE_BYTES;

    if (pages == 0) {
        return;
    }
    struct sim_place place = file->place;
    const uint64_t offset = number % pages * SIM_PAGE_BYTES;
    const uint64_t room = pages * SIM_PAGE_BYTES - offset;

    place.offset = offset;
    place.size = size < room ? size : room;
    sim_inode_write(file->inode, op->bytes, (uint32_t)place.size, offset);
    sim_snapshot_commit(sim_snapshot_take(file->inode, offset, place.size));
    sim_damage_hit(&node->damage, &place);
    sim_trace(op->core->world, "misdirected", node->index, offset, place.size);
}

// Whether the write is where it should be. A frame is noted, since those that follow tell of it.
static bool write_takes_place(struct sim_op *op, struct sim_file *file, uint32_t size)
{
    uint64_t number = 0;
    const enum sim_fate fate = hook_fate(op, file, &number);
    const struct sim_place place = place_of_op(op, file);

    if (strncmp(name_of(file->path), "segment-", 8) == 0 && !sim_is_zeros(op->bytes, size)) {
        op->frame = 1 + sim_damage_wrote(&op->core->node->damage, &place, op->begun_ns);
    }
    if (fate == SIM_FATE_MISDIRECTED) {
        write_elsewhere(op, size, number);
    }
    if (fate != SIM_FATE_KEPT) {
        op->lost = true;
        sim_inode_allocate(file->inode, op->offset, size);
        sim_trace(op->core->world, "write lost", op->core->index, op->offset, size);
    }
    return fate == SIM_FATE_KEPT;
}

static void write_is_done(const struct sim_op *op)
{
    struct sim_node *const node = op->core->node;
    const struct sim_file *const file = file_of(node, op->fd);

    if (op->frame != 0 && (op->flags & IO_WRITE_DURABLE) != 0) {
        sim_damage_durable(&node->damage, op->frame - 1, node->world->now_ns);
    }
    if (op->lost && file != NULL) {
        const struct sim_place place = place_of_op(op, file);

        sim_damage_hit(&node->damage, &place);
    }
}

static int32_t write_effect(struct sim_op *op, struct sim_file *file)
{
    if (!file->writable) {
        return -EBADF;
    }
    if (is_misaligned(op, file)) {
        return -EINVAL;
    }
    const uint64_t room = disk_free(op->core->node);
    uint32_t size = size_cut(op, file);

    if (sim_inode_missing(file->inode, op->offset, size) > room) {
        // Some file systems take what there is room for, some nothing.
        if (sim_chance(op->core->world, PART_PER_MILLE)) {
            size = (uint32_t)sim_inode_fitting(file->inode, op->offset, size, room);
        } else {
            size = 0;
        }
        if (size == 0) {
            return -ENOSPC;
        }
    }
    if (write_takes_place(op, file, size)) {
        sim_inode_write(file->inode, op->bytes, size, op->offset);
    }
    const uint64_t written[] = {op->print, size}; // the bytes, which stay as they were

    sim_trace_bytes(op->core->world, written, sizeof written);
    if ((op->flags & IO_WRITE_DURABLE) != 0) {
        op->snapshot = sim_snapshot_take(file->inode, op->offset, size);
    }
    return (int32_t)size;
}

static int32_t allocate_effect(struct sim_op *op, struct sim_file *file)
{
    if (!file->writable) {
        return -EBADF;
    }
    if (op->size == 0) {
        return -EINVAL;
    }
    if (sim_inode_missing(file->inode, op->offset, op->size) > disk_free(op->core->node)) {
        return -ENOSPC;
    }
    sim_inode_allocate(file->inode, op->offset, op->size);
    return 0;
}

static int32_t mkdir_effect(const struct sim_op *op)
{
    struct sim_inode *inode = NULL;
    const int result = sim_disk_create(op->core->node->disk, op->path, SIM_INODE_DIRECTORY, &inode);

    if (result == 0) {
        sim_inode_put(inode);
    }
    return result;
}

static int32_t effect(struct sim_op *op)
{
    struct sim_disk *const disk = op->core->node->disk;
    struct sim_file *const file = file_of(op->core->node, op->fd);
    const int32_t error = hook_error(op);

    if (error != 0) {
        return error;
    }
    switch (op->verb) {
    case SIM_OPEN:
        return open_effect(op);
    case SIM_RENAME:
        return sim_disk_rename(disk, op->path, op->path_to);
    case SIM_LINK:
        return sim_disk_link(disk, op->path, op->path_to);
    case SIM_UNLINK:
        return sim_disk_unlink(disk, op->path, op->flags != 0);
    case SIM_MKDIR:
        return mkdir_effect(op);
    case SIM_READ:
        return file == NULL ? -EBADF : read_effect(op, file);
    case SIM_WRITE:
        return file == NULL ? -EBADF : write_effect(op, file);
    case SIM_ALLOCATE:
        return file == NULL ? -EBADF : allocate_effect(op, file);
    case SIM_SYNC:
        return file == NULL ? -EBADF : 0;
    default:
        CHECK(false);
        return 0;
    }
}

// Times -----------------------------------------------------------------------------------------

static void file_done(void *owner)
{
    struct sim_op *const op = owner;

    if (op->snapshot != NULL && op->result >= 0) {
        sim_snapshot_commit(op->snapshot);
        op->snapshot = NULL;
    }
    if (op->verb == SIM_WRITE && op->result > 0) {
        write_is_done(op);
    }
    hook_event(op, SIM_DISK_DONE);
    sim_complete(op, op->result);
}

static void file_effect(void *owner)
{
    struct sim_op *const op = owner;
    struct sim_world *const world = op->core->world;

    op->started = true;
    op->result = effect(op);
    hook_event(op, SIM_DISK_EFFECT);
    op->event.run = file_done;
    sim_schedule(world, &op->event,
                 world->now_ns + sim_between(world, 0, world->profile.disk_ns_max / 2));
}

void sim_file_begin(struct sim_op *op)
{
    struct sim_world *const world = op->core->world;
    struct sim_file *const file = file_of(op->core->node, op->fd);

    if (op->verb == SIM_SYNC && file != NULL) {
        op->snapshot = sim_snapshot_take(file->inode, 0, UINT64_MAX); // what it promises
    }
    op->begun_ns = world->now_ns;
    // Some are past cancelling at once, as those that a device has.
    op->started = !sim_chance(world, CANCELLED_PER_MILLE);
    hook_event(op, SIM_DISK_BEGUN);
    op->event.run = file_effect;
    op->event.owner = op;
    sim_schedule(world, &op->event, op->core->busy_until_ns + hook_delay(op));
}

// Immediate calls
// -----------------------------------------------------------------------------------

int sim_file_stat(struct io *io, const char *path, struct io_stat *ret_stat)
{
    struct sim_inode *inode = NULL;
    const int result = sim_disk_find(sim_core_of(io)->node->disk, path, &inode);

    if (result == 0) {
        sim_inode_stat(inode, ret_stat);
        sim_inode_put(inode);
    }
    return result;
}

int sim_file_space(struct io *io, const char *path, struct io_space *ret_space)
{
    const struct sim_node *const node = sim_core_of(io)->node;
    struct io_stat stat;
    const int result = sim_file_stat(io, path, &stat);

    if (result == 0) {
        *ret_space = (struct io_space){
            .total_bytes = disk_max(node),
            .free_bytes = disk_free(node),
        };
    }
    return result;
}

int sim_file_truncate(struct io *io, int fd, uint64_t size)
{
    struct sim_file *const file = file_of(sim_core_of(io)->node, fd);

    if (file == NULL) {
        return -EBADF;
    }
    if (!file->writable) {
        return -EINVAL;
    }
    sim_inode_truncate(file->inode, size);
    return 0;
}

int sim_file_list(struct io *io, const char *path, io_list_fn *each, void *context)
{
    return sim_disk_list(sim_core_of(io)->node->disk, path, each, context);
}

int sim_file_lock(struct io *io, int fd)
{
    struct sim_file *const file = file_of(sim_core_of(io)->node, fd);

    if (file == NULL) {
        return -EBADF;
    }
    return sim_inode_lock(file->inode, file) ? 0 : -EWOULDBLOCK;
}
