// One simulated core: when it steps, what it submits and what is delivered to it; the vtable.
#include "core/hash.h"
#include "core/limits.h"
#include "core/slice.h"
#include "tests/sim/sim_internal.h"

#include <string.h>

enum {
    CLOSE_NS = 2 * 1000,
    CLOCK_READ_NS = 25, // so that time passes for who measures inside a step
};

// Ops -------------------------------------------------------------------------------------------

struct sim_op *sim_op_new(struct sim_core *core, struct io_op *op, enum sim_verb verb)
{
    struct sim_op *const request = sim_allocate(sizeof *request);

    request->core = core;
    request->op = op;
    request->verb = verb;
    request->fd = -1;
    request->next_all = core->ops;
    request->previous_all = &core->ops;
    if (core->ops != NULL) {
        core->ops->previous_all = &request->next_all;
    }
    core->ops = request;
    if (op != NULL) {
        CHECK(!op->pending && op->done != NULL);
        op->pending = true;
        op->backend = request;
    }
    *core->submitted_end = request;
    core->submitted_end = &request->next;
    return request;
}

void sim_op_free(struct sim_op *op)
{
    sim_unschedule(op->core->world, &op->event);
    *op->previous_all = op->next_all;
    if (op->next_all != NULL) {
        op->next_all->previous_all = op->previous_all;
    }
    if (op->socket != NULL) {
        op->socket->send_waiting = op->socket->send_waiting == op ? NULL : op->socket->send_waiting;
        op->socket->connecting = op->socket->connecting == op ? NULL : op->socket->connecting;
    }
    if (op->snapshot != NULL) {
        sim_snapshot_drop(op->snapshot);
    }
    // A cancel of it may still be on its way.
    for (struct sim_op *other = op->core->ops; other != NULL; other = other->next_all) {
        if (other->target == op) {
            other->target = NULL;
        }
    }
    free(op);
}

void sim_complete(struct sim_op *op, int32_t result)
{
    struct sim_core *const core = op->core;

    CHECK(!op->ready);
    sim_unschedule(core->world, &op->event);
    if (op->op == NULL) {
        sim_op_free(op);
        return;
    }
    op->ready = true;
    op->result = result;
    op->next = NULL;
    *core->ready_end = op;
    core->ready_end = &op->next;
    sim_core_rouse(core);
}

static void complete_run(void *owner)
{
    struct sim_op *const op = owner;

    sim_complete(op, op->result);
}

void sim_complete_at(struct sim_op *op, int32_t result, uint64_t at_ns)
{
    op->started = true;
    op->result = result;
    op->event.run = complete_run;
    op->event.owner = op;
    sim_schedule(op->core->world, &op->event, at_ns);
}

// What is in flight stays as it was: its bytes, in words. Zeros, with which files are filled before
// they are used, are quicker compared than hashed.
static uint64_t op_print(const struct sim_op *op)
{
    uint64_t print = 1;

    if (op->verb == SIM_WRITE && sim_is_zeros(op->bytes, op->size)) {
        return op->size;
    }
    if (op->verb == SIM_WRITE) {
        return hash_key(print, slice_of(op->bytes, op->size));
    }
    for (unsigned i = 0; op->verb == SIM_SEND && i < op->flags; i++) {
        print = hash_key(print, slice_of(op->parts[i].iov_base, op->parts[i].iov_len));
    }
    return print;
}

// Submission ------------------------------------------------------------------------------------

static void wake_arrived(void *owner)
{
    struct sim_op *const op = owner;
    struct sim_core *const target = op->wake_target;

    if (target != NULL) {
        target->woken = true;
        sim_core_rouse(target);
    }
    sim_op_free(op);
}

static void wake_begin(struct sim_op *op)
{
    struct sim_world *const world = op->core->world;
    const struct sim_hooks *const hooks = &world->profile.hooks;

    sim_trace(world, "wake", op->core->index,
              op->wake_target != NULL ? op->wake_target->index : UINT64_MAX, 0);
    if (op->wake_target != NULL && hooks->wake_lost != NULL &&
        hooks->wake_lost(hooks->context, op->core->index, op->wake_target->index)) {
        sim_op_free(op);
        return;
    }
    op->event.run = wake_arrived;
    op->event.owner = op;
    sim_schedule(world, &op->event,
                 op->core->busy_until_ns + sim_between(world, 0, world->profile.wake_ns_max));
}

// An op that has begun its effect, or is done, completes with its own result.
static void cancel_begin(struct sim_op *op)
{
    struct sim_op *const target = op->target;

    if (target != NULL && !target->ready && !target->started) {
        if (target->socket == NULL || sim_socket_cancel(target)) {
            sim_complete(target, -ECANCELED);
        }
    }
    sim_op_free(op);
}

static void close_begin(struct sim_op *op)
{
    struct sim_node *const node = op->core->node;
    struct sim_descriptor *const descriptor = sim_descriptor_get(node, op->fd);
    const uint64_t at_ns = op->core->busy_until_ns;

    if (descriptor == NULL) {
        sim_complete_at(op, -EBADF, at_ns);
        return;
    }
    switch (descriptor->kind) {
    case SIM_SOCKET:
        // The rule of core/io.h: nothing is in flight on what is closed.
        CHECK(descriptor->u.socket->stream == NULL && !descriptor->u.socket->sending &&
              descriptor->u.socket->connecting == NULL);
        sim_socket_close(descriptor->u.socket, false, at_ns);
        break;
    case SIM_LISTENER:
        CHECK(descriptor->u.listener->stream == NULL);
        sim_listener_close(descriptor->u.listener, false);
        break;
    case SIM_FILE:
        // A close that has begun is not told of yet, and its number is another's: this one's.
        for (struct sim_op *other = op->core->ops; other != NULL; other = other->next_all) {
            CHECK(other == op || other->op == NULL || other->fd != op->fd ||
                  (other->verb == SIM_CLOSE && other->started));
        }
        sim_file_close(node, descriptor->u.file);
        break;
    case SIM_FREE:
        break;
    }
    descriptor->kind = SIM_FREE;
    sim_complete_at(op, 0, at_ns + CLOSE_NS);
}

static void op_begin(struct sim_op *op)
{
    switch (op->verb) {
    case SIM_SEND:
        sim_send_begin(op);
        return;
    case SIM_CONNECT:
        sim_connect_begin(op);
        return;
    case SIM_CLOSE:
        close_begin(op);
        return;
    case SIM_CANCEL:
        cancel_begin(op);
        return;
    case SIM_WAKE:
        wake_begin(op);
        return;
    case SIM_ACCEPT_STREAM:
    case SIM_RECV_STREAM:
        sim_stream_begin(op);
        return;
    case SIM_STREAM_STOP:
        sim_stream_stop_begin(op);
        return;
    default:
        sim_file_begin(op);
    }
}

// The end of a step: what was started in it goes out.
static void core_submit(struct sim_core *core)
{
    struct sim_world *const world = core->world;

    core->busy_until_ns =
        world->now_ns + core->charged_ns +
        sim_between(world, world->profile.step_ns_min, world->profile.step_ns_max);
    while (core->submitted != NULL) {
        struct sim_op *const op = core->submitted;

        core->submitted = op->next;
        if (core->submitted == NULL) {
            core->submitted_end = &core->submitted;
        }
        op->next = NULL;
        sim_trace(world, "start", core->index, (uint64_t)op->verb, (uint64_t)op->fd);
        op_begin(op);
    }
}

// Steps -----------------------------------------------------------------------------------------

// Whether less is there than its io_gather() waits for.
static bool core_gathers(const struct sim_core *core)
{
    uint32_t count = core->woken ? 1 : 0;

    if (core->count <= 1) {
        return false;
    }
    for (const struct sim_op *op = core->ready; op != NULL; op = op->next) {
        count += op->verb != SIM_SEND;
    }
    for (const struct sim_stream *at = core->streams_ready; at != NULL; at = at->next_ready) {
        count++;
    }
    return count < core->count;
}

static bool core_has_work(const struct sim_core *core)
{
    return core->ready != NULL || core->streams_ready != NULL || core->woken ||
           (core->streams_waiting != NULL && core->buffers_free_count > 0);
}

static void core_schedule(struct sim_core *core, uint64_t at_ns)
{
    if (core->stepping || (core->step == NULL && !core->blocking)) {
        return; // decided at the end of the step; or nobody will look
    }
    if (at_ns < core->busy_until_ns) {
        at_ns = core->busy_until_ns;
    }
    if (core->event.place == 0 || at_ns < core->event.at_ns) {
        sim_schedule(core->world, &core->event, at_ns);
    }
}

void sim_core_rouse(struct sim_core *core)
{
    struct sim_world *const world = core->world;

    if (!core_gathers(core)) {
        core_schedule(core, world->now_ns + sim_between(world, 0, world->profile.wake_ns_max));
    }
}

// Its step is over: when is the next one?
static void core_rest(struct sim_core *core)
{
    if ((core_has_work(core) && !core_gathers(core)) || core->timeout_ns == 0) {
        core_schedule(core, core->busy_until_ns);
    } else if (core->timeout_ns <= UINT64_MAX / 2) {
        core_schedule(core, core->busy_until_ns + core->timeout_ns);
    }
}

static void core_deliver_op(struct sim_core *core)
{
    struct sim_op *const op = core->ready;
    struct io_op *const user = op->op;
    const int32_t result = op->result;

    core->ready = op->next;
    if (core->ready == NULL) {
        core->ready_end = &core->ready;
    }
    if (op->verb == SIM_SEND && op->socket != NULL) {
        op->socket->sending = false;
    }
    if (op->verb == SIM_SEND || op->verb == SIM_WRITE) {
        // The rule of core/io.h: what is given to an op stays as it is until the op completes.
        CHECK(op_print(op) == op->print);
    }
    sim_trace(core->world, "done", core->index, (uint64_t)op->verb, (uint64_t)(int64_t)result);
    sim_op_free(op);
    user->pending = false;
    user->backend = NULL;
    core->io.completions++;
    user->done(user, result);
}

static uint32_t core_ready_count(const struct sim_core *core)
{
    uint32_t count = 0;

    for (const struct sim_op *op = core->ready; op != NULL; op = op->next) {
        count++;
    }
    for (const struct sim_stream *at = core->streams_ready; at != NULL; at = at->next_ready) {
        count++;
    }
    return count;
}

// Ops in the order in which they completed, events of streams anywhere in between; now and then not
// all.
static void core_deliver(struct sim_core *core)
{
    sim_streams_rearm(core);
    uint32_t count = core_ready_count(core);

    if (count > LIMIT_IO_COMPLETIONS_A_TURN) {
        count = LIMIT_IO_COMPLETIONS_A_TURN;
    }
    count = sim_cut(core->world, count);
    while (count-- > 0 && (core->ready != NULL || core->streams_ready != NULL)) {
        if (core->streams_ready == NULL || (core->ready != NULL && sim_chance(core->world, 500))) {
            core_deliver_op(core);
        } else {
            sim_stream_deliver(core->streams_ready);
        }
    }
}

static void core_resume(void *owner)
{
    struct sim_core *const core = owner;

    core->stepping = true;
    core->turned = false;
    core->woken = false;
    core->charged_ns = 0;
    core->io.now_ns = core->world->now_ns;
    core->io.wall_ms = sim_node_wall_ms(core->node);
    sim_trace(core->world, "step", core->index, 0, 0);
    if (core->io.woken != NULL) {
        core->io.woken(core->io.woken_context);
    }
    core_deliver(core);
    if (core->blocking) {
        core->stepping = false;
        core->resumed = true;
        if (core->fiber != NULL) {
            sim_fiber_resume(core->fiber);
        }
        return;
    }
    if (core->step != NULL) { // else a completion function put an end to it
        core->step(core->context);
        CHECK(core->turned); // a step is a turn of the loop, which ends with io_turn()
    }
    core->stepping = false;
    core_rest(core);
}

static void sim_turn(struct io *io, uint64_t timeout_ns, uint32_t wanted, bool exact)
{
    (void)exact; // all of its waits are
    struct sim_core *const core = sim_core_of(io);

    CHECK(!core->turned ||
          !core->stepping); // one io_turn() a step: loops over it need a blocking one
    CHECK(wanted == 1 || (wanted != 0 && timeout_ns != UINT64_MAX));
    core->timeout_ns = timeout_ns;
    // Fewer may come than it asked for: sometimes one ends the wait.
    core->count = wanted > 1 && sim_chance(core->world, 100) ? 1 : wanted;
    core_submit(core);
    core->charged_ns = 0;
    if (core->stepping) {
        core->turned = true;
        return;
    }
    core->blocking = true;
    core->resumed = false;
    sim_unschedule(core->world, &core->event);
    core_rest(core);
    core->fiber = core->world->fiber;
    if (core->fiber != NULL) {
        sim_fiber_wait(core->fiber);
    }
    while (!core->resumed) {
        CHECK(core->fiber == NULL);
        CHECK(sim_world_step(core->world)); // else it would sleep for ever
    }
    core->fiber = NULL;
    core->blocking = false;
    core->turned = false;
    core_schedule(core, core->world->now_ns);
}

void sim_core_run(struct io *io, sim_step_fn *step, void *context)
{
    struct sim_core *const core = sim_core_of(io);

    core->step = step;
    core->context = context;
    if (step == NULL) {
        sim_unschedule(core->world, &core->event);
    } else {
        core_schedule(core, core->world->now_ns);
    }
}

void sim_core_charge(struct io *io, uint64_t ns)
{
    sim_core_of(io)->charged_ns += ns;
}

// Cores that run at the same time ---------------------------------------------------------------

// Another core of the node that would step while this one does.
static struct sim_core *core_beside(const struct sim_core *core)
{
    const uint64_t until_ns = core->world->now_ns + core->world->profile.step_ns_max;
    struct sim_core *chosen = NULL;
    uint64_t seen = 0;

    for (struct sim_core *at = core->node->cores; at != NULL; at = at->next) {
        const bool due = at->step != NULL && !at->stepping && at->event.place != 0 &&
                         at->event.at_ns <= until_ns && at->busy_until_ns <= core->world->now_ns;

        if (due && random_below(&core->world->random, ++seen) == 0) {
            chosen = at;
        }
    }
    return chosen;
}

// In the middle of a core's step another one takes its own, as if they ran in parallel: so what the
// other one publishes arrives between this one's last look at its inbox and its sleep. One level
// deep.
static void core_interleave(struct sim_core *core)
{
    struct sim_world *const world = core->world;
    struct sim_core *const other = core_beside(core);

    if (other == NULL) {
        return;
    }
    world->interleaving = true;
    world->counts.interleaved++;
    sim_unschedule(world, &other->event);
    core_resume(other);
    world->interleaving = false;
}

// Small verbs -----------------------------------------------------------------------------------

static uint64_t sim_clock_ns(struct io *io)
{
    struct sim_core *const core = sim_core_of(io);

    if (core->stepping && !core->world->interleaving &&
        sim_chance(core->world, core->world->profile.interleave_per_mille)) {
        core_interleave(core);
    }
    core->charged_ns += CLOCK_READ_NS;
    return core->world->now_ns + core->charged_ns;
}

static void sim_wake(struct io *io, struct io *target)
{
    io->wakes++;
    sim_op_new(sim_core_of(io), NULL, SIM_WAKE)->wake_target = sim_core_of(target);
}

static int sim_entropy(struct io *io, void *bytes, size_t size)
{
    random_bytes(&sim_core_of(io)->world->random, bytes, size);
    return 0;
}

static void sim_send(struct io *io, struct io_op *op, int fd, const struct iovec *parts,
                     unsigned count)
{
    struct sim_op *const request = sim_op_new(sim_core_of(io), op, SIM_SEND);

    CHECK(count >= 1 && count <= LIMIT_IO_SEND_PARTS);
    request->fd = fd;
    request->part = parts[0];
    request->parts = count == 1 ? &request->part : parts;
    request->flags = count;
    request->print = op_print(request);
}

static void sim_cancel(struct io *io, struct io_op *op)
{
    if (op->pending) {
        sim_op_new(sim_core_of(io), NULL, SIM_CANCEL)->target = op->backend;
    }
}

static void sim_close(struct io *io, struct io_op *op, int fd)
{
    sim_op_new(sim_core_of(io), op, SIM_CLOSE)->fd = fd;
}

static void sim_open(struct io *io, struct io_op *op, const char *path, unsigned flags)
{
    struct sim_op *const request = sim_op_new(sim_core_of(io), op, SIM_OPEN);

    request->path = path;
    request->flags = flags;
}

static void sim_read(struct io *io, struct io_op *op, int fd, void *bytes, uint32_t size,
                     uint64_t offset)
{
    struct sim_op *const request = sim_op_new(sim_core_of(io), op, SIM_READ);

    request->fd = fd;
    request->bytes = bytes;
    request->size = size;
    request->offset = offset;
}

static void sim_write(struct io *io, struct io_op *op, int fd, const void *bytes, uint32_t size,
                      uint64_t offset, unsigned flags)
{
    struct sim_op *const request = sim_op_new(sim_core_of(io), op, SIM_WRITE);

    request->fd = fd;
    request->bytes = (uint8_t *)(uintptr_t)bytes; // which a write only reads
    request->size = size;
    request->offset = offset;
    request->flags = flags;
    request->print = op_print(request);
}

static void sim_sync(struct io *io, struct io_op *op, int fd, bool data_only)
{
    (void)data_only; // the size and extents that data needs are synced with it
    sim_op_new(sim_core_of(io), op, SIM_SYNC)->fd = fd;
}

static void sim_allocate_space(struct io *io, struct io_op *op, int fd, uint64_t offset,
                               uint64_t size)
{
    struct sim_op *const request = sim_op_new(sim_core_of(io), op, SIM_ALLOCATE);

    request->fd = fd;
    request->offset = offset;
    request->size = size;
}

static void sim_rename(struct io *io, struct io_op *op, const char *from, const char *to)
{
    struct sim_op *const request = sim_op_new(sim_core_of(io), op, SIM_RENAME);

    request->path = from;
    request->path_to = to;
}

static void sim_unlink(struct io *io, struct io_op *op, const char *path, bool directory)
{
    struct sim_op *const request = sim_op_new(sim_core_of(io), op, SIM_UNLINK);

    request->path = path;
    request->flags = directory;
}

static void sim_link(struct io *io, struct io_op *op, const char *from, const char *to)
{
    struct sim_op *const request = sim_op_new(sim_core_of(io), op, SIM_LINK);

    request->path = from;
    request->path_to = to;
}

static void sim_mkdir(struct io *io, struct io_op *op, const char *path)
{
    sim_op_new(sim_core_of(io), op, SIM_MKDIR)->path = path;
}

// Life ------------------------------------------------------------------------------------------

void sim_core_abandon(struct sim_core *core)
{
    struct sim_world *const world = core->world;

    CHECK(!core->stepping && (!core->blocking || core->fiber != NULL));
    while (core->ops != NULL) {
        sim_op_free(core->ops);
    }
    while (core->streams != NULL) {
        sim_stream_free(core->streams);
    }
    for (struct sim_node *node = world->nodes; node != NULL; node = node->next) {
        for (struct sim_core *other = node->cores; other != NULL; other = other->next) {
            for (struct sim_op *op = other->ops; op != NULL; op = op->next_all) {
                op->wake_target = op->wake_target == core ? NULL : op->wake_target;
            }
        }
    }
    struct sim_core **at = &core->node->cores;

    while (*at != NULL && *at != core) {
        at = &(*at)->next;
    }
    CHECK(*at == core);
    *at = core->next;
    sim_unschedule(world, &core->event);
    sim_buffers_close(core);
    free(core);
}

static void sim_destroy(struct io *io)
{
    struct sim_core *const core = sim_core_of(io);

    CHECK(core->streams == NULL);
    for (const struct sim_op *op = core->ops; op != NULL; op = op->next_all) {
        CHECK(op->op == NULL); // no op is in flight
    }
    sim_core_abandon(core);
}

static const struct io_vtable sim_vtable = {
    .turn = sim_turn,
    .clock_ns = sim_clock_ns,
    .wake = sim_wake,
    .entropy = sim_entropy,
    .listen = sim_listen,
    .socket_name = sim_socket_name,
    .accept_start = sim_accept_start,
    .recv_start = sim_recv_start,
    .stream_stop = sim_stream_stop,
    .buffer_return = sim_buffer_return,
    .send = sim_send,
    .connect = sim_connect,
    .shutdown = sim_shutdown,
    .open = sim_open,
    .read = sim_read,
    .write = sim_write,
    .sync = sim_sync,
    .allocate = sim_allocate_space,
    .rename = sim_rename,
    .unlink = sim_unlink,
    .link = sim_link,
    .mkdir = sim_mkdir,
    .stat = sim_file_stat,
    .space = sim_file_space,
    .truncate = sim_file_truncate,
    .list = sim_file_list,
    .lock = sim_file_lock,
    .close = sim_close,
    .cancel = sim_cancel,
    .destroy = sim_destroy,
};

struct io *sim_core_open(struct sim_node *node, const struct io_uring_options *options)
{
    struct sim_core *const core = sim_allocate(sizeof *core);
    struct sim_core **end = &node->cores;

    while (*end != NULL) {
        end = &(*end)->next;
    }
    *end = core;
    core->io.vtable = &sim_vtable;
    core->io.now_ns = node->world->now_ns;
    core->io.wall_ms = sim_node_wall_ms(node);
    node->off = false;
    core->node = node;
    core->world = node->world;
    core->index = node->world->core_count++;
    core->event.run = core_resume;
    core->event.owner = core;
    core->submitted_end = &core->submitted;
    core->ready_end = &core->ready;
    sim_streams_init(core);
    sim_buffers_open(core, options);
    return &core->io;
}
