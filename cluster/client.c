#include "cluster/client.h"

#include "cluster/hop.h"
#include "cluster/multi.h"
#include "cluster/shard.h"
#include "core/check.h"
#include "core/limits.h"
#include "core/memory.h"
#include "core/planted.h"

#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

enum { CLIENT_SEND_PARTS = 16 };

static void client_finish_close(struct client *client);

static struct client *client_of_recv(struct io_stream *stream)
{
    return (struct client *)((uint8_t *)stream - offsetof(struct client, recv));
}

static struct client *client_of_send(struct io_op *op)
{
    return (struct client *)((uint8_t *)op - offsetof(struct client, send_op));
}

static struct client *client_of_close(struct io_op *op)
{
    return (struct client *)((uint8_t *)op - offsetof(struct client, close_op));
}

// Input --------------------------------------------------------------------------------------

bool client_blocked(const struct client *client)
{
    return (client->flags & (CLIENT_BARRIER | CLIENT_STARVED | CLIENT_PAUSED | CLIENT_HELD |
                             CLIENT_WINDOWED | CLIENT_BEHIND)) != 0;
}

// The window ------------------------------------------------------------------------------------

static uint64_t client_output_share(const struct client *client)
{
    return client->shard->config.clients.output_max_bytes / LIMIT_CLIENT_OUTPUT_SHARE;
}

// Whether it sends faster than its requests are run, so that receiving has to stop.
static bool client_is_ahead(const struct client *client)
{
    return client_backlog_bytes(client) > LIMIT_CLIENT_BACKLOG_BYTES;
}

// Bytes of replies that may be unread when the next request begins. Who sends his whole pipeline
// before he reads would wait for us to receive as we wait for him to read: what he has sent past
// what is taken in for later runs. Whom that does not help, since he has sent even more, is seen to
// take nothing: he is held no longer, and has output_max or is closed.
static uint64_t client_output_hold(const struct client *client)
{
    uint64_t share = client_output_share(client);
    if (client->flags & CLIENT_UNHELD) {
        return client->shard->config.clients.output_max_bytes;
    }
    return client_is_ahead(client) ? share * (LIMIT_CLIENT_OUTPUT_SHARE - 1) : share;
}

// Begins anew to wait for a client that is held to take something.
static void client_stuck_arm(struct client *client)
{
    uint64_t ms = client_is_ahead(client) ? LIMIT_CLIENT_STALLED_MS : LIMIT_CLIENT_STUCK_MS;
    timer_arm(&client->shard->timers, &client->stuck_timer,
              client->shard->io->now_ns + ms * UINT64_C(1000000));
}

bool client_may_ask(struct client *client)
{
    struct shard *shard = client->shard;
    if (client->out.bytes > client_output_hold(client)) {
        client->flags |= CLIENT_HELD;
        client_stuck_arm(client);
        return false;
    }
    // What waits behind replies that are still under way is let go of as these come, whether or not
    // anybody reads: so a client with nothing under way may always ask.
    bool short_of_memory = shard->held_bytes > LIMIT_HELD_BYTES || shard->client_memory.tight;
    uint32_t window = short_of_memory ? 1 : client->window;
    if (client->pending_count + client->in_batch >= window) {
        if (client->pending_count >= window) {
            client->flags |= CLIENT_WINDOWED; // else it is looked at again after this batch
        }
        return false;
    }
    return true;
}

void client_window_note_slowly(struct client *client, size_t bytes)
{
    uint64_t fits = client_output_share(client) / bytes;
    client->flags |= CLIENT_SHRUNK;
    if (fits < client->window) {
        client->window = fits == 0 ? 1 : (uint16_t)fits;
    }
}

// Requests that brought no large reply let it grow: doubling, so that a pipeline is at full width
// after a few turns.
static void client_window_grow(struct client *client)
{
    if ((client->flags & CLIENT_SHRUNK) == 0 && client->window < LIMIT_CLIENT_WINDOW) {
        client->window = (uint16_t)(2 * client->window);
    }
    client->flags &= ~(uint32_t)CLIENT_SHRUNK;
}

static void client_hold_end(struct client *client)
{
    client->flags &= ~(uint32_t)CLIENT_HELD;
    timer_cancel(&client->shard->timers, &client->stuck_timer);
    client_mark_ready(client);
}

// What held the client back may be over.
static void client_ask_again(struct client *client)
{
    if (client->out.bytes <= client_output_share(client) / 2) {
        client->flags &= ~(uint32_t)CLIENT_UNHELD;
        if (client->flags & CLIENT_HELD) {
            client_hold_end(client);
        }
    }
    if ((client->flags & CLIENT_WINDOWED) && client->pending_count <= client->window / 2U) {
        client->flags &= ~(uint32_t)CLIENT_WINDOWED;
        client_mark_ready(client);
    }
}

// More is there than should wait: no more is received until it is worked off. But not while it may
// be one large request, whose rest has to come.
static void client_backlog_bound(struct client *client)
{
    if (!client_is_ahead(client)) {
        return;
    }
    if ((client->flags & CLIENT_HELD) && client->out.bytes <= client_output_hold(client)) {
        client_hold_end(client);
    } else if ((client->flags & (CLIENT_HELD | CLIENT_READ_PAUSED)) == CLIENT_HELD) {
        client_stuck_arm(client);
    }
    bool waits = client_blocked(client) || (client->flags & CLIENT_DRY) == 0;
    if (waits && !(client->flags & CLIENT_READ_PAUSED)) {
        client->flags |= CLIENT_READ_PAUSED;
        io_stream_stop(client->shard->io, &client->recv);
    }
}

static void client_received(struct io_stream *stream, struct io_buffer *buffer, int32_t result)
{
    struct client *client = client_of_recv(stream);
    if (client->flags & CLIENT_CLOSING) {
        if (result > 0) {
            io_buffer_release(client->shard->io, buffer);
        }
        client_finish_close(client);
        return;
    }
    if (result == -ECANCELED && (client->flags & (CLIENT_READ_PAUSED | CLIENT_READ_ENDED))) {
        client_mark_ready(client);
        return;
    }
    if (result <= 0) {
        // The peer sends nothing more: what it asked is still answered, as it may read on.
        client->flags |= CLIENT_READ_ENDED;
        if (result < 0 || planted(PLANTED_HANG_UP_HALF)) {
            client_close(client);
        } else {
            client_mark_ready(client);
        }
        return;
    }
    doze_note(&client->shard->reactor.doze, client->active_ns);
    client->input_bytes_total += (uint32_t)result;
    client->shard->stats.net_input_bytes += (uint32_t)result;
    if (client->flags & CLIENT_CLOSE_AFTER_REPLY) {
        io_buffer_release(client->shard->io, buffer);
        return;
    }
    if (client->buffer != NULL && !client_buffer_gather(client)) {
        io_buffer_release(client->shard->io, buffer);
        client_close(client);
        return;
    }
    client->buffer = buffer;
    client->buffer_at = 0;
    if (client_blocked(client)) {
        // Leases are short: what cannot be parsed now is copied out.
        if (!client_buffer_gather(client)) {
            client_close(client);
            return;
        }
    } else {
        client_mark_ready(client);
    }
    client_memory_note(client);
    client_backlog_bound(client);
}

void client_read_resume(struct client *client, bool partial)
{
    // Who is held shows by sending more that he does not read yet: client_output_hold().
    size_t backlog_max =
        client->flags & CLIENT_HELD ? LIMIT_CLIENT_BACKLOG_BYTES : LIMIT_CLIENT_BACKLOG_BYTES / 2;
    if ((client->flags & CLIENT_READ_PAUSED) && !client->recv.active &&
        (client->flags & (CLIENT_CLOSING | CLIENT_READ_ENDED)) == 0 &&
        (partial || client_backlog_bytes(client) <= backlog_max)) {
        client->flags &= ~(uint32_t)CLIENT_READ_PAUSED;
        io_recv_start(client->shard->io, &client->recv, client->fd);
    }
}

// Lists --------------------------------------------------------------------------------------

void client_mark_ready(struct client *client)
{
    struct shard *shard = client->shard;
    if (client->flags & (CLIENT_IN_READY | CLIENT_CLOSING)) {
        return;
    }
    client->flags |= CLIENT_IN_READY;
    client->next_ready = NULL;
    if (shard->ready_last != NULL) {
        shard->ready_last->next_ready = client;
    } else {
        shard->ready_first = client;
    }
    shard->ready_last = client;
}

void client_mark_flush(struct client *client)
{
    if ((client->flags & CLIENT_IN_FLUSH) == 0) {
        client->flags |= CLIENT_IN_FLUSH;
        client->next_flush = client->shard->flush_first;
        client->shard->flush_first = client;
    }
}

// Output -------------------------------------------------------------------------------------

void client_pending_add(struct client *client, struct pending *pending, enum pending_kind kind)
{
    pending->next = NULL;
    pending->client = client;
    pending->since_ns = client->shard->io->now_ns;
    pending->kind = (uint8_t)kind;
    pending->done = false;
    pending->requests = 1;
    pending->late_before = client->late.bytes - client->late_claimed;
    client->late_claimed = client->late.bytes;
    pending->discard = (client->flags & (CLIENT_REPLY_OFF | CLIENT_REPLY_SKIP)) != 0;
    if (client->pending_last != NULL) {
        client->pending_last->next = pending;
    } else {
        client->pending_first = pending;
    }
    client->pending_last = pending;
    client->pending_count++;
}

void client_pending_join(struct client *client, struct pending *pending, size_t *ret_late_before)
{
    CHECK(pending == client->pending_last);
    *ret_late_before = client->late.bytes - client->late_claimed;
    client->late_claimed = client->late.bytes;
    pending->requests++;
    client->pending_count++;
}

static void client_pending_free(struct client *client, struct pending *pending)
{
    struct shard *shard = client->shard;
    if (pending->out.head != NULL) {
        outbuf_clear(&pending->out, &shard->outbufs);
    }
    switch ((enum pending_kind)pending->kind) {
    case PENDING_LATER:
        memory_free(pending);
        break;
    case PENDING_HOP:
        hop_free(shard, pending);
        break;
    case PENDING_MULTI:
        client->places_bytes -= multi_memory(pending);
        multi_free(shard, pending);
        break;
    }
}

// Replies that were moved from `late` to `out`, behind `before` bytes, wait for what they waited
// for there.
static void client_late_hold(struct client *client, size_t before)
{
    if (client->hold.late != 0 && client->out.bytes != before) {
        hold_output(client, before, client->hold.late);
        client->hold.late = client->late.bytes == 0 ? 0 : client->hold.late;
    }
}

void client_late_take(struct client *client, size_t size)
{
    const size_t before = client->out.bytes;
    if (size != 0) {
        outbuf_move(&client->out, &client->late, &client->shard->outbufs, size);
        client->late_claimed -= size;
        client_late_hold(client, before);
    }
}

// What was ready and stood before the first place is next; without a place, all of it.
static void client_late_drain(struct client *client)
{
    struct pending *first = client->pending_first;
    const size_t before = client->out.bytes;
    if (first != NULL) {
        client_late_take(client, first->late_before);
        first->late_before = 0;
    } else if (client->late.head != NULL || client->late.failed) {
        outbuf_splice(&client->out, &client->late, &client->shard->outbufs);
        client_late_hold(client, before);
    }
}

// Replies at the head of the FIFO that are done move to `out`.
static void client_pending_drain(struct client *client)
{
    struct shard *shard = client->shard;
    while (client->pending_first != NULL && client->pending_first->done) {
        struct pending *first = client->pending_first;
        client->pending_first = first->next;
        if (client->pending_first == NULL) {
            client->pending_last = NULL;
        }
        client->pending_count -= first->requests;
        shard->held_bytes -= first->out.bytes;
        client->places_bytes -= first->out.bytes;
        if ((client->flags & CLIENT_CLOSING) == 0) {
            if (planted(PLANTED_OVERTAKE)) { // what was ready stood behind it
                outbuf_splice(&client->out, &client->late, &shard->outbufs);
                client->late_claimed = 0;
            }
            if (first->kind == PENDING_HOP) {
                hop_take_replies(shard, first, &client->out);
            } else {
                outbuf_splice(&client->out, &first->out, &shard->outbufs);
            }
            client_late_drain(client);
            client_mark_flush(client);
        }
        client_pending_free(client, first);
    }
}

void client_pending_done(struct pending *pending)
{
    struct client *client = pending->client;
    pending->done = true;
    if (pending->discard) {
        outbuf_clear(&pending->out, &client->shard->outbufs);
    }
    client_window_note(client, pending->out.bytes / pending->requests);
    client->shard->held_bytes += pending->out.bytes;
    client->places_bytes += pending->out.bytes;
    client_pending_drain(client);
    client_memory_note(client);
    if (client->flags & CLIENT_CLOSING) {
        client_finish_close(client);
        return;
    }
    client_ask_again(client);
    if (client->pending_first == NULL) {
        client->flags &= ~(uint32_t)CLIENT_BEHIND;
        client_mark_ready(client); // a command over several cores may have waited for this
    }
}

// Nobody waits any more for what only a timer would bring.
static void client_pending_hurry(struct client *client)
{
    for (struct pending *at = client->pending_first; at != NULL; at = at->next) {
        if (at->kind == PENDING_LATER && !at->done) {
            struct pending_later *later = (struct pending_later *)at;
            timer_cancel(&client->shard->timers, &later->timer);
            at->done = true;
        }
    }
    client_pending_drain(client);
}

static void client_sent(struct io_op *op, int32_t result)
{
    struct client *client = client_of_send(op);
    memory_free(client->send_parts);
    client->send_parts = NULL;
    struct shard *shard = client->shard;
    if (client->flags & CLIENT_CLOSING) {
        outbuf_consume(&client->out, &shard->outbufs, 0); // nothing of it is being sent any more
        outbuf_clear(&client->out, &shard->outbufs);
        client_finish_close(client);
        return;
    }
    if (result < 0) {
        outbuf_consume(&client->out, &shard->outbufs, 0);
        client_close(client);
        return;
    }
    if (!planted(PLANTED_REUSE_SEND)) {
        outbuf_consume(&client->out, &shard->outbufs, (size_t)result);
    }
    client_memory_note(client);
    client->output_bytes_total += (uint32_t)result;
    shard->stats.net_output_bytes += (uint32_t)result;
    if (client->flags & CLIENT_HELD) {
        client_stuck_arm(client);
    }
    if (client->flags & (CLIENT_HELD | CLIENT_UNHELD)) {
        client_ask_again(client);
    }
    if (client->out.bytes != 0) {
        client_mark_flush(client);
    } else if (client->flags & CLIENT_CLOSE_AFTER_REPLY && client->pending_first == NULL) {
        client_close(client);
    }
}

void client_log_closed(const struct client *client, struct log_limit *limit, const char *message,
                       const char *bytes_name, uint64_t bytes)
{
    struct shard *shard = client->shard;
    struct log_line line;
    uint32_t suppressed;
    char address[IO_ADDRESS_TEXT_MAX];
    if (!log_limit_pass(limit, shard->io->now_ns, LIMIT_CLOSED_LOG_MS * UINT64_C(1000000),
                        LIMIT_CLOSED_LOG_LINES, &suppressed)) {
        return;
    }
    client_address(client, true, address, sizeof address);
    log_begin(&line, &shard->log, LOG_LEVEL_WARNING, message);
    log_u64(&line, "client", client->id);
    log_text(&line, "address", address);
    log_u64(&line, bytes_name, bytes);
    if (suppressed != 0) {
        log_u64(&line, "lines_left_out", suppressed);
    }
    log_end(&line);
}

bool client_output_exceeded(struct client *client)
{
    struct shard *shard = client->shard;
    size_t bytes = client->out.bytes + client->late.bytes;
    if (planted(PLANTED_OVER_OUTPUT) || (bytes <= shard->config.clients.output_max_bytes &&
                                         !client->out.failed && !client->late.failed)) {
        return false;
    }
    client_log_closed(client, &shard->output_closed,
                      "closed a client that does not read its replies (clients.output_max)",
                      "unread_bytes", bytes);
    shard->stats.output_limit_disconnections++;
    client_close(client);
    return true;
}

// Whether more of the pipeline's replies are about to come back from another core: one send for all
// costs half of two. client_pending_done() brings the client here again.
static bool client_reply_follows(const struct client *client)
{
    const struct pending *first = client->pending_first;
    return first != NULL && first->kind == PENDING_HOP && client->out.bytes < OUTBUF_LARGE_BYTES;
}

// The next to be sent, up to so many bytes.
static unsigned client_send_parts(struct client *client, struct iovec *parts, uint64_t bytes_max)
{
    unsigned count = outbuf_iov(&client->out, parts, CLIENT_SEND_PARTS);
    for (unsigned i = 0; i < count; i++) {
        if (parts[i].iov_len >= bytes_max) {
            parts[i].iov_len = bytes_max;
            return i + 1;
        }
        bytes_max -= parts[i].iov_len;
    }
    return count;
}

void client_flush(struct client *client)
{
    if ((client->flags & CLIENT_CLOSING) || client_output_exceeded(client)) {
        return;
    }
    client_memory_note(client);
    if (client->send_op.pending || client_reply_follows(client)) {
        return;
    }
    if (client->out.bytes == 0) {
        if (client->flags & CLIENT_CLOSE_AFTER_REPLY && client->pending_first == NULL) {
            client_close(client);
        }
        return;
    }
    const uint64_t sendable = hold_sendable(client);
    if (sendable == 0) {
        return;
    }
    struct iovec parts[CLIENT_SEND_PARTS];
    unsigned count = client_send_parts(client, parts, sendable);
    const struct iovec *stable = parts;
    if (count > 1) {
        client->send_parts = memory_allocate(count * sizeof *parts);
        if (client->send_parts == NULL) {
            count = 1;
        } else {
            memcpy(client->send_parts, parts, count * sizeof *parts);
            stable = client->send_parts;
        }
    }
    io_send(client->shard->io, &client->send_op, client->fd, stable, count);
    if (planted(PLANTED_REUSE_SEND)) {
        outbuf_consume(&client->out, &client->shard->outbufs, parts[0].iov_len);
    }
}

// Life ---------------------------------------------------------------------------------------

static void client_closed(struct io_op *op, int32_t result)
{
    (void)result; // the descriptor is gone whatever close(2) says
    struct client *client = client_of_close(op);
    client->flags |= CLIENT_CLOSED;
    client_finish_close(client);
}

void client_walk_begin(struct shard *shard, struct client_walk *walk)
{
    *walk = (struct client_walk){.next = shard->client_walks, .at = shard->clients_last};
    shard->client_walks = walk;
}

struct client *client_walk_next(struct client_walk *walk)
{
    struct client *client = walk->at;
    walk->at = client->previous; // the next newer one
    return client;
}

void client_walk_end(struct shard *shard, struct client_walk *walk)
{
    struct client_walk **at = &shard->client_walks;
    while (*at != walk) {
        CHECK(*at != NULL);
        at = &(*at)->next;
    }
    *at = walk->next;
}

static void client_unlink(struct client *client)
{
    struct shard *shard = client->shard;
    for (struct client_walk *walk = shard->client_walks; walk != NULL; walk = walk->next) {
        walk->at = walk->at == client ? client->previous : walk->at;
    }
    *(client->previous != NULL ? &client->previous->next : &shard->clients) = client->next;
    *(client->next != NULL ? &client->next->previous : &shard->clients_last) = client->previous;
    shard->client_count--;
}

static void client_free(struct client *client)
{
    struct shard *shard = client->shard;
    client_unlink(client);
    client_memory_end(client);
    node_client_gone(shard->node);
    outbuf_clear(&client->out, &shard->outbufs); // what was replied after it was closed
    outbuf_clear(&client->late, &shard->outbufs);
    memory_free(client->name);
    memory_free(client->library);
    memory_free(client->library_version);
    pool_give(&shard->clients_pool, client);
}

// Steps of an end: completions of streams and sends, then the descriptor, then the last pending
// reply.
static void client_finish_close(struct client *client)
{
    if (client->recv.active || client->send_op.pending || client->close_op.pending) {
        return;
    }
    if ((client->flags & CLIENT_UNIX) != 0 && planted(PLANTED_LEAK_SOCKET)) {
        client->flags |= CLIENT_CLOSED;
    }
    if ((client->flags & CLIENT_CLOSED) == 0) {
        io_close(client->shard->io, &client->close_op, client->fd);
        return;
    }
    if (client->pending_first != NULL ||
        (client->flags & (CLIENT_IN_READY | CLIENT_IN_FLUSH | CLIENT_STARVED)) ||
        client->in_batch != 0) {
        return;
    }
    client_free(client);
}

void client_release_from_list(struct client *client)
{
    if (client->flags & CLIENT_CLOSING) {
        client_finish_close(client);
    }
}

void client_close(struct client *client)
{
    if (client->flags & CLIENT_CLOSING) {
        return;
    }
    struct shard *shard = client->shard;
    shard->paused_count -= (client->flags & CLIENT_PAUSED) != 0;
    client->flags &= ~(uint32_t)CLIENT_PAUSED;
    client->flags |= CLIENT_CLOSING;
    client_memory_leave(client);
    timer_cancel(&shard->timers, &client->idle_timer);
    timer_cancel(&shard->timers, &client->stuck_timer);
    // Requests of this turn's batch may still look at the input: it goes when they are through.
    if (client->in_batch == 0) {
        client_input_drop(client);
    }
    hold_forget(client);
    io_shutdown(shard->io, client->fd);
    io_stream_stop(shard->io, &client->recv);
    if (!client->send_op.pending) {
        outbuf_clear(&client->out, &shard->outbufs);
    }
    client_pending_hurry(client);
    client_memory_note(client);
    client_finish_close(client);
}

void client_batch_done(struct client *client)
{
    CHECK(client->in_batch > 0);
    client->in_batch = 0;
    client_window_grow(client);
    if (client->flags & CLIENT_CLOSING) {
        client_input_drop(client);
    }
}

void client_drain(struct client *client)
{
    if (client->flags & CLIENT_CLOSING) {
        return;
    }
    client->flags |= CLIENT_READ_ENDED;
    io_stream_stop(client->shard->io, &client->recv);
    client_mark_ready(client);
}

void client_close_after_reply(struct client *client)
{
    if ((client->flags & CLIENT_CLOSE_AFTER_REPLY) == 0) {
        client->flags |= CLIENT_CLOSE_AFTER_REPLY;
        client_mark_flush(client);
    }
}

static void client_stuck(struct timer *timer)
{
    struct client *client =
        (struct client *)((uint8_t *)timer - offsetof(struct client, stuck_timer));
    client->flags |= CLIENT_UNHELD;
    client_hold_end(client);
}

static void client_idle(struct timer *timer)
{
    struct client *client =
        (struct client *)((uint8_t *)timer - offsetof(struct client, idle_timer));
    struct shard *shard = client->shard;
    uint64_t timeout_ns = shard->config.clients.idle_timeout_ns;
    if (timeout_ns == 0) {
        return;
    }
    uint64_t deadline_ns = client->active_ns + timeout_ns;
    // Who waits for a reply is not idle, be it for a core or for the disk.
    bool waits = client->pending_first != NULL || client->hold.count != 0;
    if (waits || deadline_ns > shard->io->now_ns) {
        timer_arm(&shard->timers, timer,
                  deadline_ns > shard->io->now_ns ? deadline_ns : shard->io->now_ns + timeout_ns);
        return;
    }
    client_close(client);
}

void client_idle_arm(struct client *client)
{
    uint64_t timeout_ns = client->shard->config.clients.idle_timeout_ns;
    if (timeout_ns != 0) {
        timer_arm(&client->shard->timers, &client->idle_timer, client->active_ns + timeout_ns);
    }
}

int client_open(struct shard *shard, int fd, uint32_t flags, struct client **ret_client)
{
    struct client *client = pool_take(&shard->clients_pool);
    if (client == NULL) {
        return -ENOMEM;
    }
    *client = (struct client){
        .recv = {.event = client_received},
        .send_op = {.done = client_sent},
        .close_op = {.done = client_closed},
        .shard = shard,
        .fd = fd,
        .flags = flags,
        .protocol = 2,
        .id = shard_client_id(shard),
        .created_ms = shard->io->wall_ms,
        .active_ns = shard->io->now_ns,
        .idle_timer = {.fire = client_idle},
        .stuck_timer = {.fire = client_stuck},
        .window = 1,
        .next = shard->clients,
    };
    client->user = acl_initial_user(shard->node->acl);
    if (client->user != NULL) {
        client->flags |= CLIENT_AUTHENTICATED;
    }
    *(shard->clients != NULL ? &shard->clients->previous : &shard->clients_last) = client;
    shard->clients = client;
    shard->client_count++;
    shard->stats.connections_received++;
    client_idle_arm(client);
    io_recv_start(shard->io, &client->recv, fd);
    *ret_client = client;
    return 0;
}

void client_address(const struct client *client, bool peer, char *text, size_t size)
{
    if (client->flags & CLIENT_UNIX) {
        const struct config_listeners *listeners = &client->shard->node->config.listen.client;
        for (uint32_t i = 0; i < listeners->count; i++) {
            if (listeners->at[i].port == 0) {
                (void)snprintf(text, size, "%s:0", listeners->at[i].text + strlen("unix:"));
                return;
            }
        }
    }
    struct io_address address;
    char form[IO_ADDRESS_TEXT_MAX];
    if ((client->flags & CLIENT_CLOSED) ||
        io_socket_name(client->shard->io, client->fd, peer, &address) < 0) {
        (void)snprintf(text, size, "?:0");
        return;
    }
    io_address_format(&address, form);
    (void)snprintf(text, size, "%s", form);
}
