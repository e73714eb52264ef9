#include "cluster/shard.h"

#include "cluster/hop.h"
#include "cluster/http_server.h"
#include "cluster/load.h"
#include "cluster/metrics_page.h"
#include "cluster/multi.h"
#include "cluster/request.h"
#include "cluster/settings.h"
#include "cluster/slowlog.h"
#include "cluster/snapshot.h"
#include "core/check.h"
#include "core/limits.h"
#include "core/memory.h"
#include "core/planted.h"

#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

enum {
    SHARD_DRAIN_NS =
        2000 * 1000 * 1000, // clients that do not read their replies are closed after it
    SHARD_DRAIN_POLL_NS = 5 * 1000 * 1000,
    SHARD_INBOX_BATCH = 64,
    SHARD_FETCH_AHEAD = 3, // messages on their way here while one is worked off
    SHARD_FETCH_REST = 2,  // so many behind, its first line is there
};

static struct shard *shard_of_timer(struct timer *timer, size_t offset)
{
    return (struct shard *)((uint8_t *)timer - offset);
}

// Messages -----------------------------------------------------------------------------------

void shard_post(struct shard *shard, struct message *message)
{
    uint32_t to = message->returning ? message->from : message->to;
    bool pushed = spsc_push(node_queue(shard->node, shard->index, to), message);
    CHECK(pushed); // credits bound what is under way, limits.h asserts that it fits
}

static void shard_accept_fd(struct shard *shard, int fd, uint32_t flags);

// A descriptor on its way out that belongs to nothing else.
struct shard_closing {
    struct io_op op; // first
    struct shard *shard;
};

static void shard_take_message(struct shard *shard, struct message *message)
{
    switch ((enum message_kind)message->kind) {
    case MESSAGE_HOP: {
        struct hop *hop = (struct hop *)message;
        if (message->returning) {
            hop_return(shard, hop);
            return;
        }
        shard->stats.hops_received += hop->count;
        if (planted(PLANTED_DROP_HOP) && shard->stats.hops_received % 128 < hop->count) {
            return;
        }
        hop_list_add(&shard->received, hop);
        return;
    }
    case MESSAGE_PART:
        if (message->returning) {
            multi_part_return(shard, (struct multi_part *)message);
        } else {
            multi_part_receive(shard, (struct multi_part *)message);
        }
        return;
    case MESSAGE_METRICS:
        if (message->returning) {
            metrics_page_return(shard, (struct metrics_message *)message);
        } else {
            metrics_page_receive(shard, (struct metrics_message *)message);
        }
        return;
    case MESSAGE_SNAPSHOT:
        if (message->returning) {
            snapshot_part_return(shard, (struct snapshot_part *)message);
        } else {
            snapshot_part_receive(shard, (struct snapshot_part *)message);
        }
        return;
    case MESSAGE_SOCKET:
        if (message->returning) {
            shard->sockets_out--;
            memory_free(message);
            return;
        }
        struct socket_message *socket = (struct socket_message *)message;
        shard_accept_fd(shard, socket->fd, socket->flags);
        message->returning = true;
        shard_post(shard, message);
        return;
    }
}

static void shard_feed_starved(struct shard *shard)
{
    struct client *client = shard->starved_first;
    shard->starved_first = NULL;
    while (client != NULL) {
        struct client *next = client->next_starved;
        client->flags &= ~(uint32_t)CLIENT_STARVED;
        if (client->flags & CLIENT_CLOSING) {
            client_release_from_list(client);
        } else {
            client_mark_ready(client);
        }
        client = next;
    }
}

// They are asked for ahead of their turn, but no more at a time than a core waits for at once: past
// that it stands still, where it could work off those that are there.
static void shard_take_messages(struct shard *shard, void *const *messages, uint32_t count)
{
    for (uint32_t i = 0; i < count + SHARD_FETCH_AHEAD; i++) {
        if (i < count) {
            message_fetch(messages[i]);
        }
        if (i >= SHARD_FETCH_REST && i - SHARD_FETCH_REST < count) {
            message_fetch_rest(messages[i - SHARD_FETCH_REST]);
        }
        if (i >= SHARD_FETCH_AHEAD) {
            shard_take_message(shard, messages[i - SHARD_FETCH_AHEAD]);
        }
    }
}

static bool shard_inbox(void *context)
{
    struct shard *shard = context;
    bool any = shard->commits_changed;
    hold_settle(shard);
    for (uint32_t from = 0; from < shard->node->shard_count; from++) {
        if (from == shard->index) {
            continue;
        }
        void *messages[SHARD_INBOX_BATCH];
        struct spsc *queue = node_queue(shard->node, from, shard->index);
        // Bounded by the queue: who sends more meanwhile is seen in the next turn.
        for (uint32_t taken = 0; taken < LIMIT_MESSAGES_QUEUE;) {
            uint32_t count = spsc_drain(queue, messages, SHARD_INBOX_BATCH);
            shard_take_messages(shard, messages, count);
            any = any || count != 0;
            taken += count;
            if (count < SHARD_INBOX_BATCH) {
                break;
            }
        }
    }
    stats_end_stage_run(&shard->stats, STAGE_HOP, &shard->hops_back);
    if (any && shard->starved_first != NULL) {
        shard_feed_starved(shard);
    }
    return any;
}

static bool shard_inbox_ready(void *context)
{
    struct shard *shard = context;
    for (uint32_t from = 0; from < shard->node->shard_count; from++) {
        if (from != shard->index && spsc_ready(node_queue(shard->node, from, shard->index))) {
            return true;
        }
    }
    return atomic_load_explicit(&shard->node->stop, memory_order_acquire) && !shard->draining;
}

// The other phases ---------------------------------------------------------------------------

static bool shard_execute(void *context)
{
    struct shard *shard = context;
    if (!shard->draining && atomic_load_explicit(&shard->node->stop, memory_order_relaxed)) {
        shard_drain(shard);
    }
    bool more = request_execute(shard);
    // Those that came back unused bring no message: who found none left must not wait for one.
    if (shard->credits_back) {
        shard->credits_back = false;
        shard_feed_starved(shard);
    }
    return more;
}

static bool shard_background(void *context)
{
    struct shard *shard = context;
    work_settle(&shard->work); // of what was executed
    bool more = work_slice(shard, &shard->work);
    work_settle(&shard->work);
    more = client_memory_step(shard) || more;
    more = client_round_step(shard) || more;
    // What ended here lets clients, and others at its gates, go on: that is for the next turn.
    more = more || shard->ready_first != NULL || shard->granted.first != NULL ||
           shard->parts_granted != NULL || shard->commits_changed;
    uint32_t slices = planted(PLANTED_LONG_SLICE) ? 64 : 1;
    shard_cron_keep(shard);
    return engine_step(shard->engine, slices * LIMIT_BACKGROUND_BYTES) || more;
}

static void shard_flush_clients(struct shard *shard)
{
    while (shard->flush_first != NULL) {
        struct client *client = shard->flush_first;
        shard->flush_first = client->next_flush;
        client->flags &= ~(uint32_t)CLIENT_IN_FLUSH;
        if (client->flags & CLIENT_CLOSING) {
            client_release_from_list(client);
        } else {
            client_flush(client);
        }
    }
}

static void shard_trim(struct shard *shard)
{
    if (shard->scratch_size > LIMIT_SCRATCH_KEPT_BYTES) {
        memory_free(shard->scratch);
        shard->scratch = NULL;
        shard->scratch_size = 0;
    }
}

static void shard_flush(void *context)
{
    struct shard *shard = context;
    shard_trim(shard);
    engine_commit(shard->engine);
    hold_await(shard);
    shard_flush_clients(shard);
    shard->hop_open = NULL;
    for (uint32_t to = 0; to < shard->node->shard_count; to++) {
        if (to == shard->index || !spsc_publish(node_queue(shard->node, shard->index, to))) {
            continue;
        }
        struct shard *target = shard->node->shards[to];
        if (planted(PLANTED_SKIP_WAKE) && shard->stats.commands % 64 == 3) {
            continue;
        }
        if (sleep_flag_must_wake(&target->sleep_flag)) {
            shard->stats.wakes_sent++;
            io_wake(shard->io, target->io);
        }
    }
}

// CLIENT PAUSE -------------------------------------------------------------------------------

void shard_unpause(struct shard *shard)
{
    shard->pause = SHARD_PAUSE_NONE;
    timer_cancel(&shard->timers, &shard->pause_timer);
    client_round_begin(shard);
}

static void shard_pause_over(struct timer *timer)
{
    shard_unpause(shard_of_timer(timer, offsetof(struct shard, pause_timer)));
}

void shard_pause(struct shard *shard, enum shard_pause_kind what, uint64_t until_ns)
{
    // As Redis: a pause of writes does not soften one of everything, and none ends earlier than it
    // said.
    if (shard->pause == SHARD_PAUSE_NONE || what == SHARD_PAUSE_ALL) {
        shard->pause = what;
    }
    if (until_ns > shard->pause_until_ns || !timer_armed(&shard->pause_timer)) {
        shard->pause_until_ns = until_ns;
        timer_arm(&shard->timers, &shard->pause_timer, until_ns);
    }
}

// Accepting ----------------------------------------------------------------------------------

uint64_t shard_client_id(struct shard *shard)
{
    return shard->client_id_next++ * shard->node->shard_count + shard->index + 1;
}

static void shard_accept_fd(struct shard *shard, int fd, uint32_t flags)
{
    struct client *client;
    if (shard->draining) { // accepted on its way: nobody would end it any more
        shard_close_fd(shard, fd);
        return;
    }
    if (client_open(shard, fd, flags, &client) < 0) {
        shard->stats.connections_refused++;
        shard_close_fd(shard, fd);
        return;
    }
    shard_cron_arm(shard);
    if (node_client_came(shard->node) >= shard->config.clients.max) {
        struct reply reply = {.out = &client->out, .cache = &shard->outbufs, .protocol = 2};
        shard->stats.connections_refused++;
        reply_error_text(&reply, "ERR max number of clients reached");
        client_close_after_reply(client);
    }
}

static void shard_hand_out(struct shard *shard, int fd, uint32_t flags)
{
    uint32_t to = shard->socket_next++ % shard->node->shard_count;
    struct socket_message *message = NULL;
    if (to != shard->index && shard->sockets_out < LIMIT_SOCKETS_OUT) {
        message = memory_allocate(sizeof *message);
    }
    if (message == NULL) {
        shard_accept_fd(shard, fd, flags);
        return;
    }
    *message = (struct socket_message){
        .message = {.kind = MESSAGE_SOCKET, .from = (uint8_t)shard->index, .to = (uint8_t)to},
        .fd = fd,
        .flags = flags,
    };
    shard->sockets_out++;
    shard_post(shard, &message->message);
}

static void shard_accepted(struct io_stream *stream, struct io_buffer *buffer, int32_t result)
{
    (void)buffer;
    struct listener *listener = (struct listener *)stream;
    struct shard *shard = listener->shard;
    if (result < 0) {
        if (result != -ECANCELED) {
            shard->stats.accept_errors++;
        }
        return;
    }
    if (listener->client_flags & CLIENT_UNIX) {
        shard_hand_out(shard, result, listener->client_flags);
    } else {
        shard_accept_fd(shard, result, listener->client_flags);
    }
}

static int shard_listen_at(struct shard *shard, const char *text, uint32_t client_flags,
                           char *ret_error)
{
    const char *key =
        client_flags == CLIENT_SHARD_PORT ? "listen.shard_port_base" : "listen.client";
    struct io_address address;
    struct listener *listener = &shard->listeners[shard->listener_count];
    int error = io_address_parse(text, &address);
    if (error == 0) {
        unsigned flags = client_flags == 0 ? IO_LISTEN_SHARED_PORT : 0;
        error = io_listen(shard->io, &address, flags, &listener->fd);
    }
    if (error < 0) {
        node_listen_error(text, key, error, ret_error);
        return error;
    }
    listener->shard = shard;
    listener->client_flags = client_flags;
    listener->stream.event = shard_accepted;
    shard->listener_count++;
    io_accept_start(shard->io, &listener->stream, listener->fd);
    return 0;
}

int shard_listen(struct shard *shard, char *ret_error)
{
    const struct config_listen *listen = &shard->node->config.listen;
    int http_error = metrics_page_open(shard, ret_error);
    if (http_error < 0) {
        return http_error;
    }
    for (uint32_t i = 0; i < listen->client.count; i++) {
        const struct config_address *at = &listen->client.at[i];
        bool is_unix = at->port == 0;
        if (is_unix && shard->index != 0) {
            continue; // a path has one listener: it hands the connections out
        }
        int error = shard_listen_at(shard, at->text, is_unix ? CLIENT_UNIX : 0, ret_error);
        if (error < 0) {
            return error;
        }
    }
    if (!listen->shard_ports || shard->node->client_port == 0) {
        return 0;
    }
    char text[sizeof shard->node->host + 16];
    (void)snprintf(text, sizeof text, "%s:%u", shard->node->host,
                   shard->node->shard_port_base + shard->index);
    return shard_listen_at(shard, text, CLIENT_SHARD_PORT, ret_error);
}

// Stopping -----------------------------------------------------------------------------------

static void shard_drain_check(struct timer *timer)
{
    struct shard *shard = shard_of_timer(timer, offsetof(struct shard, drain_timer));
    struct node *node = shard->node;
    if (shard->io->now_ns >= shard->drain_until_ns) {
        struct client *next;
        for (struct client *client = shard->clients; client != NULL; client = next) {
            next = client->next;
            client_close(client);
        }
    }
    bool listening = false;
    for (uint32_t i = 0; i < shard->listener_count; i++) {
        listening = listening || shard->listeners[i].stream.active;
    }
    if (!shard->drained && shard->clients == NULL && !listening && shard->multis == 0 &&
        shard->closing == 0 && (shard->http == NULL || http_server_stopped(shard->http))) {
        shard->drained = true;
        atomic_fetch_add_explicit(&node->drained, 1, memory_order_acq_rel);
    }
    // A shard without clients still serves those of the others.
    if (shard->drained &&
        atomic_load_explicit(&node->drained, memory_order_acquire) == node->shard_count) {
        reactor_stop(&shard->reactor);
        return;
    }
    timer_arm(&shard->timers, timer, shard->io->now_ns + SHARD_DRAIN_POLL_NS);
}

void shard_drain(struct shard *shard)
{
    if (shard->draining) {
        return;
    }
    shard->draining = true;
    shard->drain_until_ns = shard->io->now_ns + SHARD_DRAIN_NS;
    shard_unpause(shard);
    client_round_whole(shard);
    for (uint32_t i = 0; i < shard->listener_count; i++) {
        io_stream_stop(shard->io, &shard->listeners[i].stream);
    }
    for (struct client *client = shard->clients; client != NULL; client = client->next) {
        client_drain(client);
    }
    if (shard->http != NULL) {
        http_server_stop(shard->http);
    }
    timer_arm(&shard->timers, &shard->drain_timer, shard->io->now_ns + SHARD_DRAIN_POLL_NS);
}

void shard_close_listeners(struct shard *shard)
{
    for (uint32_t i = 0; i < shard->listener_count; i++) {
        CHECK(!shard->listeners[i].stream.active);
        shard_close_fd(shard, shard->listeners[i].fd);
    }
    shard->listener_count = 0;
    if (shard->http != NULL) {
        http_server_close(shard->http);
        memory_free(shard->http);
        shard->http = NULL;
    }
    while (shard->closing != 0) {
        io_turn(shard->io, UINT64_MAX);
    }
}

static void shard_fd_closed(struct io_op *op, int32_t result)
{
    (void)result;
    struct shard_closing *closing = (struct shard_closing *)op;
    closing->shard->closing--;
    memory_free(closing);
}

void shard_close_fd(struct shard *shard, int fd)
{
    struct shard_closing *closing = memory_allocate(sizeof *closing);
    if (closing == NULL) {
        io_shutdown(shard->io,
                    fd); // it stays open until the end of the process: better than an abort
        return;
    }
    *closing = (struct shard_closing){.op = {.done = shard_fd_closed}, .shard = shard};
    shard->closing++;
    io_close(shard->io, &closing->op, fd);
}

// Opening ------------------------------------------------------------------------------------

uint8_t *shard_scratch(struct shard *shard, size_t size)
{
    if (size > shard->scratch_size || shard->scratch == NULL) {
        size_t capacity = size + size / 2 + 1; // NULL is no place, also for nothing
        uint8_t *scratch = memory_allocate(capacity);
        if (scratch == NULL) {
            return NULL;
        }
        memory_free(shard->scratch);
        shard->scratch = scratch;
        shard->scratch_size = capacity;
    }
    return shard->scratch;
}

static void shard_removed(void *context, uint32_t vnode, struct slice key, enum engine_removal why)
{
    (void)vnode;
    (void)key;
    struct shard *shard = context;
    if (why == ENGINE_REMOVED_EXPIRED) {
        shard->stats.keys_expired++;
    } else {
        shard->stats.keys_evicted++;
    }
}

static void shard_report(void *context, bool damage, const char *text)
{
    struct shard *shard = context;
    struct log_line line;
    log_begin(&line, &shard->log, damage ? LOG_LEVEL_ERROR : LOG_LEVEL_WARNING,
              damage ? "damaged data" : "data directory");
    log_u64(&line, "shard", shard->index);
    log_text(&line, "what", text);
    log_end(&line);
}

static void shard_memory_options(struct shard *shard, struct engine_options *options)
{
    options->memory_max_bytes =
        settings_memory_share_bytes(shard) * (planted(PLANTED_OVER_MEMORY) ? 2 : 1);
    options->eviction = settings_eviction(shard);
}

static void shard_log_options(struct shard *shard, struct engine_options *options)
{
    options->vnodes++; // identity.h
    options->shard = shard->index;
    options->shards = shard->node->shard_count;
    options->durability = settings_durability(shard);
    options->cache_bytes = settings_cache_share_bytes(shard);
    options->segment_bytes = settings_segment_bytes(&shard->config);
    options->committed = hold_committed;
    options->committed_context = shard;
    options->report = shard_report;
    options->report_context = shard;
}

static int shard_open_engine(struct shard *shard)
{
    const struct node *node = shard->node;
    shard->durable = node_is_durable(node);
    shard->vnode_count = placement_vnodes(node->placement, shard->index);
    struct engine_options options = {
        .io = shard->io,
        .hash_seed = node->identity.hash_seed,
        .random_seed = random_u64(&shard->random),
        .vnodes = shard->vnode_count,
        .index_buckets_log = node->index_buckets_log,
        .record_max_bytes =
            LIMIT_KEY_BYTES + shard->config.storage.value_max_bytes + SHARD_HEAD_SCRATCH_BYTES,
        .removed = shard_removed,
        .removed_context = shard,
    };
    if (!shard->durable) {
        shard_memory_options(shard, &options);
        return memory_engine_open(&options, &shard->engine);
    }
    CHECK(node->identity.shards == node->shard_count); // node_settle()
    data_dir_shard_path(node->config.node.data_dir, &node->identity, shard->index,
                        shard->directory);
    options.directory = shard->directory;
    shard_log_options(shard, &options);
    int error = log_engine_open(&options, &shard->engine);
    if (error == 0) {
        shard_log_opened(shard);
    }
    return error;
}

void shard_init_limits(struct shard *shard)
{
    const struct config *config = &shard->config;
    uint64_t request = config->clients.request_max_bytes;
    for (uint32_t authenticated = 0; authenticated < 2; authenticated++) {
        shard->resp_limits[authenticated] = (struct resp_limits){
            .bulk_bytes_max = 512 * 1024 * 1024,
            .request_bytes_max = request > UINT32_MAX ? UINT32_MAX : (uint32_t)request,
            .args_max = LIMIT_REQUEST_ARGUMENTS,
            .authenticated = authenticated != 0,
        };
    }
}

static void shard_init(struct shard *shard, struct node *node, uint32_t index, struct io *io)
{
    uint64_t seed = 0;
    *shard = (struct shard){.node = node, .index = index, .io = io, .config = node->config};
    shard->log = (struct log){.level = (enum log_level)node->config.log.level,
                              .format = (enum log_format)node->config.log.format,
                              .sink = node->log_sink,
                              .context = node->log_context,
                              .wall_ms = &io->wall_ms};
    (void)io_entropy(io, &seed, sizeof seed);
    random_seed(&shard->random, seed);
    timers_init(&shard->timers, io->now_ns);
    sleep_flag_init(&shard->sleep_flag);
    outbuf_cache_init(&shard->outbufs, LIMIT_OUTBUF_SMALL_FREE, LIMIT_OUTBUF_LARGE_FREE);
    shard->blocks.touched_kept = LIMIT_BLOCK_KEPT_BYTES;
    client_memory_configure(shard);
    pool_init(&shard->clients_pool, sizeof(struct client), 64,
              shard->config.clients.max + LIMIT_CLIENTS_REFUSED);
    pool_init(&shard->hops, sizeof(struct hop), 64, LIMIT_HOPS);
    pool_init(&shard->loads, load_bytes(), 64, LIMIT_LOADS);
    shard->pause_timer.fire = shard_pause_over;
    shard->drain_timer.fire = shard_drain_check;
    shard_cron_init(shard);
    shard_init_limits(shard);
    const struct reactor_phases phases = {
        .context = shard,
        .inbox = shard_inbox,
        .inbox_ready = shard_inbox_ready,
        .execute = shard_execute,
        .background = shard_background,
        .flush = shard_flush,
    };
    reactor_init(&shard->reactor, io, &shard->timers, &shard->sleep_flag, &phases);
}

static int shard_open_parts(struct shard *shard)
{
    uint32_t shards = shard->node->shard_count;
    shard->credits = memory_allocate(shards * sizeof *shard->credits);
    shard->head_scratch = memory_allocate(SHARD_HEAD_SCRATCH_BYTES);
    if (shard->credits == NULL || shard->head_scratch == NULL) {
        return -ENOMEM;
    }
    for (uint32_t i = 0; i < shards; i++) {
        shard->credits[i] = LIMIT_MESSAGES_OUT;
    }
    int error = gate_table_open(&shard->gates);
    error = error < 0 ? error : batch_open(&shard->batch);
    error = error < 0 ? error : stats_open(&shard->stats);
    error = error < 0 ? error : slowlog_open(&shard->slowlog);
    error = error < 0 ? error : shard_open_engine(shard);
    return error < 0 ? error : identity_open(shard);
}

static void shard_explain(const struct shard *shard, uint32_t index, int error, char *ret_error)
{
    const char *why =
        error == -EBADMSG           ? "its data is damaged, see rldb check"
        : error == -EPROTONOSUPPORT ? "a newer version of rldb wrote its data: start that one"
        : error == -ENOSPC          ? "No space left on device: make room there, then start "
                                      "again"
        : error == -EDQUOT          ? "Disk quota exceeded: raise it, or make room, then start "
                                      "again"
        : error == -EIO             ? "the disk fails (Input/output error): start again, and where "
                                      "that fails too see rldb check, and rldb repair"
        : error == -EINVAL
            ? "its data is of another shard, or not of this node: put back what was here"
            : strerror(-error);
    (void)snprintf(ret_error, NODE_ERROR_BYTES, "shard %u cannot start%s%.300s: %s", index,
                   shard != NULL && shard->durable ? " on " : "",
                   shard != NULL ? shard->directory : "", why);
}

int shard_open(struct node *node, uint32_t index, struct io *io, struct shard **ret_shard,
               char *ret_error)
{
    struct shard *shard = memory_allocate_aligned(sizeof *shard, LIMIT_CACHE_LINE_BYTES);
    int error = -ENOMEM;
    if (shard != NULL) {
        shard_init(shard, node, index, io);
        error = shard_open_parts(shard);
    }
    if (error < 0) {
        shard_explain(shard, index, error, ret_error);
        if (shard != NULL) {
            shard_close(shard);
        }
        return error;
    }
    node->shards[index] = shard;
    *ret_shard = shard;
    return 0;
}

void shard_close(struct shard *shard)
{
    CHECK(shard->clients == NULL);
    if (shard->engine != NULL) {
        identity_close(shard);
        engine_close(shard->engine);
    }
    for (uint32_t vnode = 0; shard->actors != NULL && vnode < shard->vnode_count; vnode++) {
        actor_table_free(&shard->actors[vnode]);
    }
    memory_free(shard->actors);
    slowlog_close(shard->slowlog);
    stats_close(&shard->stats);
    batch_close(shard->batch);
    gate_table_close(shard->gates);
    memory_free(shard->head_scratch);
    memory_free(shard->scratch);
    memory_free(shard->credits);
    outbuf_clear(&shard->discarded, &shard->outbufs);
    outbuf_clear(&shard->hop_reply, &shard->outbufs);
    outbuf_clear(&shard->hop_replies, &shard->outbufs);
    outbuf_cache_destroy(&shard->outbufs);
    block_store_close(&shard->blocks);
    pool_destroy(&shard->clients_pool);
    pool_destroy(&shard->hops);
    pool_destroy(&shard->loads);
    shard->node->shards[shard->index] = NULL;
    memory_free(shard);
}
