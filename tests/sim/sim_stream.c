// A simulated core's streams and receive buffers.
#include "core/limits.h"
#include "tests/sim/sim_internal.h"

#include <string.h>

enum { STOP_NS_MAX = 20 * 1000 }; // a stop's way: events may overtake it

void sim_streams_init(struct sim_core *core)
{
    core->streams_ready_end = &core->streams_ready;
    core->streams_waiting_end = &core->streams_waiting;
}

// Buffers ---------------------------------------------------------------------------------------

// It can be received into again.
static void buffer_back(void *owner)
{
    const struct sim_buffer *const buffer = owner;
    struct sim_core *const core = buffer->core;

    core->buffers_free[core->buffers_free_count++] = buffer->buffer.index;
    if (core->streams_waiting != NULL) {
        sim_core_rouse(core);
    }
}

void sim_buffers_open(struct sim_core *core, const struct io_uring_options *options)
{
    core->buffer_count = options->buffer_count;
    core->buffer_bytes = options->buffer_bytes;
    core->buffers_free_count = core->buffer_count;
    core->buffers = sim_allocate(core->buffer_count * sizeof *core->buffers);
    core->buffers_free = sim_allocate(core->buffer_count * sizeof *core->buffers_free);
    for (uint32_t i = 0; i < core->buffer_count; i++) {
        core->buffers[i].buffer.index = i;
        core->buffers[i].core = core;
        core->buffers[i].event = (struct sim_event){.run = buffer_back, .owner = &core->buffers[i]};
        core->buffers_free[i] = i;
    }
}

void sim_buffers_close(struct sim_core *core)
{
    for (uint32_t i = 0; i < core->buffer_count; i++) {
        sim_unschedule(core->world, &core->buffers[i].event);
        free(core->buffers[i].bytes);
    }
    free(core->buffers);
    free(core->buffers_free);
}

static struct io_buffer *buffer_lease(struct sim_core *core, uint32_t size)
{
    struct sim_buffer *const buffer =
        &core->buffers[core->buffers_free[--core->buffers_free_count]];

    CHECK(buffer->bytes == NULL && buffer->buffer.references == 0);
    buffer->bytes = sim_allocate_plain(size);
    buffer->buffer.bytes = buffer->bytes;
    buffer->buffer.size = size;
    buffer->buffer.references = 1;
    return &buffer->buffer;
}

void sim_buffer_return(struct io *io, struct io_buffer *buffer)
{
    struct sim_core *const core = sim_core_of(io);
    struct sim_buffer *const ours = &core->buffers[buffer->index];

    CHECK(&ours->buffer == buffer && buffer->references == 0 && ours->bytes != NULL);
    // Who still reads them reads nonsense; under ASan, freed memory.
    memset(ours->bytes, 0xdd, buffer->size);
    free(ours->bytes);
    ours->bytes = NULL;
    buffer->bytes = NULL;
    if (core->world->profile.buffer_ns_max == 0) {
        core->buffers_free[core->buffers_free_count++] = buffer->index;
    } else {
        sim_schedule(core->world, &ours->event,
                     core->world->now_ns +
                         sim_between(core->world, 0, core->world->profile.buffer_ns_max));
    }
}

uint32_t sim_core_buffers_leased(struct io *io)
{
    const struct sim_core *const core = sim_core_of(io);

    return core->buffer_count - core->buffers_free_count;
}

// Lists -----------------------------------------------------------------------------------------

static void ready_push(struct sim_stream *stream)
{
    stream->ready = true;
    stream->next_ready = NULL;
    *stream->core->streams_ready_end = stream;
    stream->core->streams_ready_end = &stream->next_ready;
}

static void ready_remove(struct sim_stream *stream)
{
    struct sim_stream **at = &stream->core->streams_ready;

    while (*at != stream) {
        CHECK(*at != NULL);
        at = &(*at)->next_ready;
    }
    *at = stream->next_ready;
    if (*at == NULL) {
        stream->core->streams_ready_end = at;
    }
    stream->ready = false;
}

static void waiting_push(struct sim_stream *stream)
{
    stream->waiting = true;
    stream->next_waiting = NULL;
    stream->core->world->counts.buffers_out++;
    *stream->core->streams_waiting_end = stream;
    stream->core->streams_waiting_end = &stream->next_waiting;
}

static void waiting_remove(struct sim_stream *stream)
{
    struct sim_stream **at = &stream->core->streams_waiting;

    while (*at != stream) {
        CHECK(*at != NULL);
        at = &(*at)->next_waiting;
    }
    *at = stream->next_waiting;
    if (*at == NULL) {
        stream->core->streams_waiting_end = at;
    }
    stream->waiting = false;
}

void sim_stream_ready(struct sim_stream *stream)
{
    if (!stream->ready && !stream->waiting) {
        ready_push(stream);
        sim_core_rouse(stream->core);
    }
}

void sim_streams_rearm(struct sim_core *core)
{
    uint32_t available = core->buffers_free_count;

    while (available-- > 0 && core->streams_waiting != NULL) {
        struct sim_stream *const stream = core->streams_waiting;

        waiting_remove(stream);
        ready_push(stream);
    }
}

// Start and stop ----------------------------------------------------------------------------------

static void stream_start(struct io *io, struct io_stream *stream, int fd, enum sim_verb verb)
{
    struct sim_core *const core = sim_core_of(io);
    struct sim_stream *const ours = sim_allocate(sizeof *ours);

    CHECK(!stream->active && stream->event != NULL);
    stream->active = true;
    stream->waiting = false;
    stream->stopping = false;
    stream->fd = fd;
    stream->op.backend = ours;
    ours->core = core;
    ours->stream = stream;
    ours->next_all = core->streams;
    ours->previous_all = &core->streams;
    if (core->streams != NULL) {
        core->streams->previous_all = &ours->next_all;
    }
    core->streams = ours;

    struct sim_op *const request = sim_op_new(core, NULL, verb);

    request->fd = fd;
    request->stream = ours;
}

void sim_accept_start(struct io *io, struct io_stream *stream, int fd)
{
    stream_start(io, stream, fd, SIM_ACCEPT_STREAM);
}

void sim_recv_start(struct io *io, struct io_stream *stream, int fd)
{
    CHECK(sim_core_of(io)->buffer_count != 0);
    stream_start(io, stream, fd, SIM_RECV_STREAM);
}

void sim_stream_stop(struct io *io, struct io_stream *stream)
{
    if (!stream->active || stream->stopping) {
        return;
    }
    stream->stopping = true;
    sim_op_new(sim_core_of(io), NULL, SIM_STREAM_STOP)->stream = stream->op.backend;
}

void sim_stream_free(struct sim_stream *stream)
{
    struct sim_core *const core = stream->core;

    sim_unschedule(core->world, &stream->event);
    if (stream->ready) {
        ready_remove(stream);
    }
    if (stream->waiting) {
        waiting_remove(stream);
    }
    if (stream->socket != NULL) {
        stream->socket->stream = NULL;
    }
    if (stream->listener != NULL) {
        stream->listener->stream = NULL;
    }
    for (struct sim_op *op = core->ops; op != NULL; op = op->next_all) {
        op->stream = op->stream == stream ? NULL : op->stream;
    }
    *stream->previous_all = stream->next_all;
    if (stream->next_all != NULL) {
        stream->next_all->previous_all = stream->previous_all;
    }
    free(stream);
}

static void stream_fails(void *owner)
{
    sim_stream_ready(owner);
}

void sim_stream_begin(struct sim_op *request)
{
    struct sim_stream *const stream = request->stream;
    const struct sim_descriptor *const descriptor =
        sim_descriptor_get(request->core->node, request->fd);
    const bool accepts = request->verb == SIM_ACCEPT_STREAM;

    sim_op_free(request);
    stream->event.run = stream_fails;
    stream->event.owner = stream;
    if (descriptor == NULL) {
        stream->error = -EBADF;
    } else if (descriptor->kind != (accepts ? SIM_LISTENER : SIM_SOCKET)) {
        stream->error = accepts && descriptor->kind == SIM_SOCKET ? -EINVAL : -ENOTSOCK;
    } else if (accepts) {
        CHECK(descriptor->u.listener->stream == NULL);
        stream->listener = descriptor->u.listener;
        stream->listener->stream = stream;
    } else {
        CHECK(descriptor->u.socket->stream == NULL);
        stream->socket = descriptor->u.socket;
        stream->socket->stream = stream;
    }
    if (stream->error != 0 ||
        (accepts ? stream->listener->queue != NULL : sim_socket_readable(stream->socket))) {
        sim_schedule(stream->core->world, &stream->event, stream->core->busy_until_ns);
    }
}

void sim_stream_fail(struct sim_stream *stream, int error)
{
    stream->error = error;
    sim_stream_ready(stream);
}

static void stop_arrives(void *owner)
{
    struct sim_stream *const stream = owner;

    stream->stopped = true;
    if (stream->waiting) {
        waiting_remove(stream);
    }
    sim_stream_ready(stream);
}

void sim_stream_stop_begin(struct sim_op *request)
{
    struct sim_stream *const stream = request->stream;

    sim_op_free(request);
    if (stream == NULL) {
        return; // it has ended by itself
    }
    struct sim_world *const world = stream->core->world;

    stream->event.run = stop_arrives;
    sim_schedule(world, &stream->event,
                 stream->core->busy_until_ns + sim_between(world, 0, STOP_NS_MAX));
}

// Delivery ----------------------------------------------------------------------------------------

static void stream_tell(struct sim_core *core, struct io_stream *stream, struct io_buffer *buffer,
                        int32_t result)
{
    sim_trace(core->world, "event", core->index, (uint64_t)stream->fd, (uint64_t)(int64_t)result);
    core->io.completions++;
    stream->event(stream, buffer, result);
}

static void stream_end(struct sim_stream *stream, int32_t result)
{
    struct sim_core *const core = stream->core;
    struct io_stream *const user = stream->stream;

    sim_stream_free(stream);
    user->active = false;
    user->op.backend = NULL;
    stream_tell(core, user, NULL, result);
}

static void pause_over(void *owner)
{
    sim_stream_ready(owner);
}

static void accept_deliver(struct sim_stream *stream)
{
    struct sim_core *const core = stream->core;
    struct io_stream *const user = stream->stream;
    struct sim_listener *const listener = stream->listener;
    struct sim_socket *const socket = listener->queue;

    if (socket == NULL) {
        return;
    }
    const int fd = sim_descriptor_add(core->node, SIM_SOCKET, socket);

    if (fd >= 0) {
        listener->queue = socket->next_queued;
        listener->queued--;
        if (listener->queue == NULL) {
            listener->queue_end = &listener->queue;
        } else {
            ready_push(stream);
        }
    } else if (stream->event.place == 0) { // else it is being stopped
        stream->event.run = pause_over;
        sim_schedule(core->world, &stream->event, core->world->now_ns + LIMIT_IO_ACCEPT_PAUSE_NS);
    }
    stream_tell(core, user, NULL, fd);
}

static void recv_deliver(struct sim_stream *stream)
{
    struct sim_core *const core = stream->core;
    struct io_stream *const user = stream->stream;
    struct sim_socket *const socket = stream->socket;

    if (!sim_socket_readable(socket)) {
        return;
    }
    if (core->buffers_free_count == 0) { // for an end too, as on Linux
        waiting_push(stream);
        return;
    }
    if (socket->received_bytes == 0) {
        const int error = socket->error;

        socket->error = 0; // told once
        stream_end(stream, error);
        return;
    }
    uint32_t size = core->buffer_bytes;

    if (size > socket->received_bytes) {
        size = (uint32_t)socket->received_bytes;
    }
    size = sim_cut(core->world, size);
    struct io_buffer *const buffer = buffer_lease(core, size);

    CHECK(sim_socket_take(socket, core->buffers[buffer->index].bytes, size) == (long)size);
    sim_trace_bytes(core->world, buffer->bytes, size);
    if (sim_socket_readable(socket)) {
        ready_push(stream);
    }
    stream_tell(core, user, buffer, (int32_t)size);
}

void sim_stream_deliver(struct sim_stream *stream)
{
    ready_remove(stream);
    if (stream->stopped) {
        stream_end(stream, -ECANCELED);
    } else if (stream->error != 0) {
        stream_end(stream, stream->error);
    } else if (stream->listener != NULL) {
        accept_deliver(stream);
    } else {
        recv_deliver(stream);
    }
}
