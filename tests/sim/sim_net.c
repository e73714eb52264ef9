// The simulated network: connections as TCP makes them. What is sent on one arrives whole and in
// order, however long and in however many pieces, or the connection ends.
//
//     SYN -> listener's queue, SYN_OK back | REFUSED back
//     DATA, END: numbered; one that arrives early waits for those before it
//     TAKEN: the receiver consumed bytes, the sender has room again; one at a time, as updates of a
//         window are: what is consumed while one is on its way is told by the next
//     RESET: where a live end gives up: behind what it has sent, or overtaking that, which is lost
//         then; at once where a segment meets nobody
//
// A lost segment is sent again; one that never gets through ends its connection with -ETIMEDOUT.
#include "tests/sim/sim_internal.h"

#include <string.h>

enum {
    LOST_AGAIN_NS = 200 * 1000 * 1000, // Linux's smallest retransmission timeout
    LOST_SYN_MAX = 127 * 5,            // tcp_syn_retries: about 127 s
    LOST_DATA_MAX = 900 * 5,           // tcp_retries2: about 15 minutes
    SEND_NS = 1000,
    BACKLOG = 1024,
    LOCAL_DIVISOR = 10, // inside a node segments are that much faster
    OVERTAKES_PER_MILLE = 500,
    TOLD_FIRST_PER_MILLE = 500, // of a reset: a send that waits, before its stream
};

enum segment_kind { SYN, SYN_OK, REFUSED, DATA, END, TAKEN, RESET };

struct sim_segment {
    struct sim_event event;
    struct sim_segment *next; // of those that came early
    struct sim_socket *from;
    struct sim_socket *to;
    enum segment_kind kind;
    uint32_t number; // in its direction; 0: not numbered
    uint32_t lost;   // times
    uint32_t size;
    bool missed; // this time it is lost
    int error;
    struct sim_chunk *chunk; // of DATA
};

static void segment_arrive(void *owner);

const char *sim_segment_text(uint32_t kind)
{
    static const char *const texts[] = {
        [SYN] = "connection",    [SYN_OK] = "acceptance", [REFUSED] = "refusal", [DATA] = "data",
        [END] = "end of stream", [TAKEN] = "room",        [RESET] = "reset",
    };

    return texts[kind];
}

// Life of a pair
// ------------------------------------------------------------------------------------

static void socket_empty(struct sim_socket *socket)
{
    while (socket->received != NULL) {
        struct sim_chunk *const chunk = socket->received;

        socket->received = chunk->next;
        free(chunk);
    }
    socket->received_end = &socket->received;
    socket->received_bytes = 0;
}

static void pair_release(struct sim_pair *pair)
{
    CHECK(pair->references > 0);
    if (--pair->references > 0) {
        return;
    }
    for (int i = 0; i < 2; i++) {
        socket_empty(&pair->ends[i]);
        CHECK(pair->ends[i].early == NULL);
    }
    free(pair);
}

static void segment_free(struct sim_segment *segment)
{
    struct sim_pair *const pair = segment->to->pair;

    free(segment->chunk);
    free(segment);
    pair_release(pair);
}

void sim_segment_drop(struct sim_event *event)
{
    CHECK(event->run == segment_arrive);
    segment_free(event->owner);
}

static void early_drop(struct sim_socket *socket)
{
    while (socket->early != NULL) {
        struct sim_segment *const segment = socket->early;

        socket->early = segment->next;
        segment_free(segment);
    }
}

static void socket_notify(struct sim_socket *socket)
{
    if (socket->stream != NULL) {
        sim_stream_ready(socket->stream);
    }
    if (socket->client != NULL) {
        sim_client_notify(socket->client);
    }
}

// Sending ---------------------------------------------------------------------------------------

static void segment_schedule(struct sim_segment *segment, uint64_t at_ns)
{
    struct sim_world *const world = segment->from->pair->world;
    const struct sim_profile *const profile = &world->profile;
    const struct sim_node *const to = segment->to->node;
    uint64_t delay_ns = sim_between(world, profile->network_ns_min, profile->network_ns_max);

    if (to == NULL || segment->from->node == to) {
        delay_ns /= LOCAL_DIVISOR;
    } else if (profile->hooks.network_delay != NULL) {
        delay_ns =
            profile->hooks.network_delay(profile->hooks.context, segment->from->node, to, delay_ns);
    }
    segment->missed = delay_ns == SIM_NEVER;
    if (segment->missed) {
        segment->lost++;
        world->counts.segments_lost++;
        delay_ns = LOST_AGAIN_NS;
    }
    sim_schedule(world, &segment->event, at_ns + delay_ns);
}

// It came to a machine that does not answer.
static void segment_miss(struct sim_segment *segment)
{
    segment->missed = true;
    segment->lost++;
    sim_schedule(segment->from->pair->world, &segment->event,
                 segment->from->pair->world->now_ns + LOST_AGAIN_NS);
}

static struct sim_segment *segment_new(struct sim_socket *from, enum segment_kind kind,
                                       uint32_t size)
{
    struct sim_segment *const segment = sim_allocate(sizeof *segment);

    segment->event.run = segment_arrive;
    segment->event.owner = segment;
    segment->from = from;
    segment->to = from->peer;
    segment->kind = kind;
    segment->size = size;
    from->pair->references++;
    return segment;
}

// Whether a reset comes before what was sent ahead of it. Linux throws away what it has not sent
// yet, and sends nothing again that got lost; a unix socket has put all of it into the peer's
// hands.
static bool reset_overtakes(const struct sim_socket *from)
{
    return from->peer->connected && from->local.u.any.sa_family != AF_UNIX &&
           sim_chance(from->pair->world, OVERTAKES_PER_MILLE);
}

static void segment_send(struct sim_socket *from, enum segment_kind kind, uint64_t at_ns)
{
    struct sim_segment *const segment = segment_new(from, kind, 0);

    if (kind == SYN_OK || kind == END || (kind == RESET && !reset_overtakes(from))) {
        segment->number = ++from->numbered;
    }
    segment_schedule(segment, at_ns);
}

// To who sent something to an end that is not there.
static void segment_answer(struct sim_socket *from, enum segment_kind kind, int error)
{
    struct sim_segment *const segment = segment_new(from, kind, 0);

    segment->error = error;
    segment_schedule(segment, from->pair->world->now_ns);
}

// Tells the peer what was consumed of what it sent.
static void socket_tell_room(struct sim_socket *socket)
{
    struct sim_segment *const segment = segment_new(socket, TAKEN, (uint32_t)socket->untold_bytes);

    socket->telling = true;
    socket->untold_bytes = 0;
    segment_schedule(segment, socket->pair->world->now_ns);
}

static uint64_t parts_size(const struct iovec *parts, unsigned count)
{
    uint64_t size = 0;

    for (unsigned i = 0; i < count; i++) {
        size += parts[i].iov_len;
    }
    return size;
}

static void parts_copy(const struct iovec *parts, uint64_t skip, uint8_t *bytes, uint64_t size)
{
    for (; size > 0; parts++) {
        if (skip >= parts->iov_len) {
            skip -= parts->iov_len;
            continue;
        }
        const uint64_t rest = parts->iov_len - skip;
        const uint64_t part = rest < size ? rest : size;

        memcpy(bytes, (const uint8_t *)parts->iov_base + skip, part);
        bytes += part;
        size -= part;
        skip = 0;
    }
}

long sim_socket_send(struct sim_socket *socket, const struct iovec *parts, unsigned count,
                     uint64_t at_ns)
{
    struct sim_world *const world = socket->pair->world;
    const uint64_t size = parts_size(parts, count);

    if (socket->reset && socket->error != 0) {
        const int error = socket->error;

        socket->error = 0;
        return error;
    }
    if (socket->reset || socket->write_shut || !socket->connected) {
        return -EPIPE;
    }
    const uint64_t room =
        socket->outstanding < socket->capacity ? socket->capacity - socket->outstanding : 0;
    const uint32_t taken = sim_cut(world, (uint32_t)(size < room ? size : room));

    for (uint32_t sent = 0; sent < taken;) {
        const uint32_t part = sim_cut(world, taken - sent);
        struct sim_segment *const segment = segment_new(socket, DATA, part);
        struct sim_chunk *const chunk = sim_allocate_plain(sizeof *chunk + part);

        *chunk = (struct sim_chunk){.size = part};
        parts_copy(parts, sent, chunk->bytes, part);
        segment->chunk = chunk;
        segment->number = ++socket->numbered;
        sim_trace_bytes(world, chunk->bytes, part);
        segment_schedule(segment, at_ns);
        sent += part;
    }
    socket->outstanding += taken;
    return (long)taken;
}

static void send_go_on(struct sim_op *op)
{
    struct sim_socket *const socket = op->socket;
    struct sim_world *const world = op->core->world;
    const uint64_t at_ns =
        op->core->busy_until_ns > world->now_ns ? op->core->busy_until_ns : world->now_ns;
    const long sent = sim_socket_send(socket, op->parts, op->flags, at_ns);

    if (sent == 0 && parts_size(op->parts, op->flags) != 0) {
        socket->send_waiting = op;
        return;
    }
    socket->send_waiting = NULL;
    world->counts.sends_short += sent > 0 && (uint64_t)sent < parts_size(op->parts, op->flags);
    sim_complete_at(op, (int32_t)sent, at_ns + sim_between(world, 0, SEND_NS));
}

void sim_send_begin(struct sim_op *op)
{
    struct sim_descriptor *const descriptor = sim_descriptor_get(op->core->node, op->fd);

    if (descriptor == NULL || descriptor->kind != SIM_SOCKET) {
        sim_complete_at(op,
                        descriptor == NULL                 ? -EBADF
                        : descriptor->kind == SIM_LISTENER ? -EPIPE
                                                           : -ENOTSOCK,
                        op->core->busy_until_ns);
        return;
    }
    CHECK(!descriptor->u.socket->sending); // one send in flight per socket is the rule
    op->socket = descriptor->u.socket;
    op->socket->sending = true;
    send_go_on(op);
}

long sim_socket_take(struct sim_socket *socket, uint8_t *bytes, uint32_t size)
{
    uint32_t taken = 0;

    while (taken < size && socket->received != NULL) {
        struct sim_chunk *const chunk = socket->received;
        const uint32_t rest = chunk->size - chunk->taken;
        const uint32_t part = rest < size - taken ? rest : size - taken;

        memcpy(bytes + taken, chunk->bytes + chunk->taken, part);
        chunk->taken += part;
        taken += part;
        if (chunk->taken == chunk->size) {
            socket->received = chunk->next;
            if (socket->received == NULL) {
                socket->received_end = &socket->received;
            }
            free(chunk);
        }
    }
    socket->received_bytes -= taken;
    socket->untold_bytes += taken;
    if (taken != 0 && !socket->telling) {
        socket_tell_room(socket);
    }
    return (long)taken;
}

bool sim_socket_readable(const struct sim_socket *socket)
{
    return socket->received_bytes > 0 || socket->reset || socket->end_seen || socket->read_shut;
}

// Arriving --------------------------------------------------------------------------------------

static void connect_finish(struct sim_socket *socket, int result)
{
    struct sim_op *const op = socket->connecting;

    socket->connecting = NULL;
    socket->connected = result == 0;
    if (result != 0) {
        socket->reset = true;
        socket->error = result;
    }
    if (op != NULL) {
        socket->error = 0;
        sim_complete(op, result);
    }
    socket_notify(socket);
}

static void socket_reset(struct sim_socket *socket, int error)
{
    if (socket->reset) {
        return;
    }
    socket->reset = true;
    socket->error = error;
    if (socket->send_waiting != NULL) {
        // One is told why, the other that it is over.
        const bool first = sim_chance(socket->pair->world, TOLD_FIRST_PER_MILLE);

        socket->error = first ? error : 0;
        send_go_on(socket->send_waiting);
        socket->error = first ? 0 : error;
    }
    socket_notify(socket);
}

static void syn_arrive(struct sim_segment *segment)
{
    struct sim_socket *const from = segment->from;
    struct sim_listener *listener = NULL;
    const int error = sim_listener_find(from, &listener);

    if (error == -ETIMEDOUT || (error == 0 && listener->queued >= BACKLOG)) {
        segment_miss(segment);
        return;
    }
    struct sim_socket *const to = segment->to;

    if (error != 0) {
        to->node = from->node; // the answer comes from its own machine's point of view
        segment_answer(to, REFUSED, error);
        segment_free(segment);
        return;
    }
    to->node = listener->node;
    to->local = from->remote;
    to->remote = from->local;
    to->connected = true;
    to->is_open = true; // the listener's, then the accepter's
    to->pair->references++;
    *listener->queue_end = to;
    listener->queue_end = &to->next_queued;
    listener->queued++;
    segment_send(to, SYN_OK, to->pair->world->now_ns);
    if (listener->stream != NULL) {
        sim_stream_ready(listener->stream);
    }
    segment_free(segment);
}

static void data_arrive(struct sim_socket *to, struct sim_segment *segment)
{
    if (to->reset) {
        return;
    }
    if (to->read_shut) { // both ways: nobody wants it
        segment_answer(to, RESET, -ECONNRESET);
        return;
    }
    *to->received_end = segment->chunk;
    to->received_end = &segment->chunk->next;
    segment->chunk = NULL;
    to->received_bytes += segment->size;
    socket_notify(to);
}

// In its order, at an end that is open.
static void segment_process(struct sim_socket *to, struct sim_segment *segment)
{
    switch (segment->kind) {
    case SYN_OK:
        connect_finish(to, 0);
        break;
    case REFUSED:
        connect_finish(to, segment->error);
        break;
    case DATA:
        data_arrive(to, segment);
        break;
    case END:
        to->end_seen = true;
        socket_notify(to);
        break;
    case TAKEN:
        CHECK(to->outstanding >= segment->size);
        to->outstanding -= segment->size;
        to->peer->telling = false;
        if (to->peer->untold_bytes != 0 && to->peer->is_open) {
            socket_tell_room(to->peer);
        }
        if (to->send_waiting != NULL) {
            send_go_on(to->send_waiting);
        }
        if (to->client != NULL) {
            sim_client_notify(to->client);
        }
        break;
    case RESET:
        socket_reset(to, -ECONNRESET);
        break;
    case SYN:
        CHECK(false);
    }
}

static void early_push(struct sim_socket *to, struct sim_segment *segment)
{
    struct sim_segment **at = &to->early;

    while (*at != NULL && (*at)->number < segment->number) {
        at = &(*at)->next;
    }
    segment->next = *at;
    *at = segment;
}

// To an end that is closed. Whoever sends to it must learn of that.
static void closed_arrive(struct sim_socket *to, const struct sim_segment *segment)
{
    if (segment->kind == SYN_OK || segment->kind == DATA) {
        segment_answer(to, RESET, -ECONNRESET);
    }
}

// It did not get there: again, or the end of the connection.
static void segment_again(struct sim_segment *segment)
{
    struct sim_socket *const from = segment->from;

    if (from->silent) {
        segment_free(segment); // nobody is there to send it again
        return;
    }
    if (segment->lost > (segment->kind == SYN ? LOST_SYN_MAX : LOST_DATA_MAX)) {
        if (segment->kind == SYN) {
            connect_finish(from, -ETIMEDOUT);
        } else {
            socket_reset(from, -ETIMEDOUT);
        }
        segment_free(segment);
        return;
    }
    segment_schedule(segment, from->pair->world->now_ns);
}

static void segment_arrive(void *owner)
{
    struct sim_segment *segment = owner;
    struct sim_socket *const to = segment->to;

    if (segment->missed) {
        segment_again(segment);
        return;
    }
    if (segment->kind == SYN) {
        syn_arrive(segment);
        return;
    }
    sim_trace(to->pair->world, "arrive", (uint64_t)segment->kind, segment->number, segment->size);
    if (!to->is_open) {
        if (to->node != NULL && to->node->off) {
            segment_miss(segment);
            return;
        }
        closed_arrive(to, segment);
        segment_free(segment);
        return;
    }
    if (segment->number == 0) {
        segment_process(to, segment);
        segment_free(segment);
        return;
    }
    early_push(to, segment);
    while (to->early != NULL && to->early->number == to->numbered_seen + 1) {
        segment = to->early;
        to->early = segment->next;
        to->numbered_seen++;
        segment_process(to, segment);
        segment_free(segment);
    }
}

// Ends ------------------------------------------------------------------------------------------

struct sim_socket *sim_socket_open(struct sim_node *node, const struct io_address *remote)
{
    struct sim_world *const world = node->world;
    struct sim_pair *const pair = sim_allocate(sizeof *pair);

    pair->world = world;
    pair->references = 1;
    for (int i = 0; i < 2; i++) {
        struct sim_socket *const end = &pair->ends[i];

        end->pair = pair;
        end->peer = &pair->ends[1 - i];
        end->received_end = &end->received;
        end->capacity = (uint32_t)sim_between(world, world->profile.socket_bytes_min,
                                              world->profile.socket_bytes_max);
    }
    pair->ends[0].node = node;
    pair->ends[0].is_open = true;
    pair->ends[0].remote = *remote;
    return &pair->ends[0];
}

void sim_socket_connect(struct sim_socket *socket, uint64_t at_ns)
{
    sim_socket_name_local(socket);
    socket->peer->node = sim_node_find(socket->node, &socket->remote);
    segment_send(socket, SYN, at_ns);
}

void sim_connect_begin(struct sim_op *op)
{
    op->socket->connecting = op;
    sim_socket_connect(op->socket, op->core->busy_until_ns);
}

bool sim_socket_cancel(struct sim_op *op)
{
    struct sim_socket *const socket = op->socket;

    if (socket->send_waiting == op) {
        socket->send_waiting = NULL;
        return true;
    }
    if (socket->connecting == op) {
        socket->connecting = NULL;
        return true;
    }
    return false;
}

void sim_socket_shutdown(struct sim_socket *socket, bool reading, uint64_t at_ns)
{
    if (!socket->connected || socket->reset) {
        return; // ENOTCONN
    }
    if (!socket->write_shut) {
        socket->write_shut = true;
        segment_send(socket, END, at_ns);
    }
    if (reading) {
        socket->read_shut = true;
    }
    if (socket->send_waiting != NULL) {
        send_go_on(socket->send_waiting); // fails with -EPIPE
    }
    socket_notify(socket);
}

void sim_socket_silence(struct sim_socket *socket)
{
    socket->silent = true;
    socket->connected = false; // nothing is sent at its close
}

void sim_socket_break(struct sim_socket *socket)
{
    if (socket->connected && socket->local.u.any.sa_family != AF_UNIX) {
        socket_reset(socket, -ECONNRESET);
        if (socket->peer->is_open) {
            socket_reset(socket->peer, -ECONNRESET);
        }
    }
}

void sim_socket_close(struct sim_socket *socket, bool reset, uint64_t at_ns)
{
    CHECK(socket->is_open);
    if (socket->connected && !socket->reset) {
        // As Linux: who closes without having read all tells the peer that bytes were lost.
        if (reset || socket->received_bytes != 0) {
            segment_send(socket, RESET, at_ns);
        } else if (!socket->write_shut) {
            segment_send(socket, END, at_ns);
        }
    }
    socket->is_open = false;
    socket->client = NULL;
    socket_empty(socket);
    early_drop(socket);
    pair_release(socket->pair);
}
