#include "cluster/node.h"

#include "cluster/reshard.h"
#include "cluster/settings.h"
#include "cluster/shard.h"
#include "core/check.h"
#include "core/io.h"
#include "core/limits.h"
#include "core/memory.h"
#include "core/planted.h"
#include "core/sleep.h"
#include "core/text.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

static bool node_acl_command(void *context, uint32_t index, struct acl_command *ret_command)
{
    const struct command *command = command_at(context, index);
    if (command == NULL) {
        return false;
    }
    *ret_command = (struct acl_command){
        .name = command->parent != NULL ? command->parent : command->name,
        .subcommand = command->parent != NULL ? command->name : NULL,
        .categories = command->categories,
    };
    return true;
}

static int node_open_users(struct node *node, char *ret_error)
{
    if (node->config.auth.users_file[0] == '\0') {
        node->acl = acl_default();
        return node->acl == NULL ? -ENOMEM : 0;
    }
    char text[LIMIT_ACL_ERROR_BYTES];
    int error =
        acl_load(node->config.auth.users_file, node_acl_command, node->commands, &node->acl, text);
    if (error < 0) {
        (void)snprintf(ret_error, NODE_ERROR_BYTES, "%s", text);
    }
    return error;
}

int node_check_users(const struct config *config, char *ret_error)
{
    struct node node = {0};
    memcpy(&node.config, config, sizeof *config);
    int error = command_index_open(&node.commands);
    if (error < 0) {
        (void)snprintf(ret_error, NODE_ERROR_BYTES, "no memory");
        return error;
    }
    error = node_open_users(&node, ret_error);
    if (error == 0) {
        acl_destroy(node.acl);
    }
    command_index_close(node.commands);
    return error;
}

// "127.0.0.1:7379" -> "127.0.0.1", "[::1]:7379" -> "[::1]"
static void node_host_of(const char *address, char *host, size_t size)
{
    (void)snprintf(host, size, "%s", address);
    char *colon = strrchr(host, ':');
    if (colon != NULL) {
        *colon = '\0';
    }
}

static void node_find_ports(struct node *node)
{
    const struct config_listen *listen = &node->config.listen;
    for (uint32_t i = 0; i < listen->client.count && node->client_port == 0; i++) {
        const struct config_address *at = &listen->client.at[i];
        if (at->port != 0) {
            node->client_port = at->port;
            node_host_of(at->text, node->host, sizeof node->host);
        }
    }
    if (listen->shard_ports && node->client_port != 0) {
        node->shard_port_base = config_shard_port_base(&node->config);
    }
    const char *advertise = listen->advertise[0] != '\0' ? listen->advertise : node->host;
    size_t length = strlen(advertise);
    bool bracketed = length > 2 && advertise[0] == '[';
    (void)snprintf(node->advertise, sizeof node->advertise, "%.*s",
                   (int)(bracketed ? length - 2 : length), advertise + (bracketed ? 1 : 0));
}

static int node_open_ring(struct node *node)
{
    struct ring_member self = {
        .id = node->identity.id,
        .weight = node->config.cluster.weight,
        .cores = node->shard_count,
        .address = {.peer_port = node->config.listen.peer.port,
                    .client_port = node->client_port,
                    .shard_port_base = node->shard_port_base},
    };
    (void)snprintf(self.name, sizeof self.name, "%s", node->config.node.name);
    (void)snprintf(self.zone, sizeof self.zone, "%s", node->config.cluster.zone);
    (void)snprintf(self.address.host, sizeof self.address.host, "%s", node->advertise);
    int error = ring_single(&self, node->config.cluster.partitions, &node->ring);
    return error < 0 ? error : placement_create(node->ring, 0, node->shard_count, &node->placement);
}

static int node_open_queues(struct node *node)
{
    uint32_t shards = node->shard_count;
    node->queues = memory_allocate_aligned((size_t)shards * shards * sizeof *node->queues,
                                           LIMIT_CACHE_LINE_BYTES);
    if (node->queues == NULL) {
        return -ENOMEM;
    }
    memset(node->queues, 0, (size_t)shards * shards * sizeof *node->queues);
    for (uint32_t from = 0; from < shards; from++) {
        for (uint32_t to = 0; to < shards; to++) {
            int error =
                from == to ? 0 : spsc_init(node_queue(node, from, to), LIMIT_MESSAGES_QUEUE);
            if (error < 0) {
                return error;
            }
        }
    }
    return 0;
}

// Who the node is: drawn anew, which holds where its data directory does not know better.
static int node_draw(struct node *node, struct io *io, char *ret_error)
{
    struct data_identity *identity = &node->identity;
    struct node_id run;
    identity->generation = 1;
    identity->shards = node->shard_count;
    identity->partitions = node->config.cluster.partitions;
    int error = io_entropy(io, identity->id.bytes, sizeof identity->id.bytes);
    error = error < 0 ? error : io_entropy(io, run.bytes, sizeof run.bytes);
    error = error < 0 ? error : io_entropy(io, &identity->hash_seed, sizeof identity->hash_seed);
    error = error < 0 ? error : io_entropy(io, &identity->secret, sizeof identity->secret);
    identity->hash_seed ^= planted(PLANTED_DRAW_ADDRESS) ? (uintptr_t)node : 0;
    if (error == 0 && node_is_durable(node)) {
        error =
            data_dir_open(io, node->config.node.data_dir, identity, &node->data_lock, ret_error);
    }
    if (error == 0) {
        node_id_format(&identity->id, node->id_text);
        node_id_format(&run, node->run_id);
    }
    return error;
}

int node_open(const struct config *config, const struct cpu_facts *facts, uint32_t shards,
              struct io *io, struct node **ret_node, char *ret_error)
{
    CHECK(shards >= 1 && shards <= LIMIT_SHARDS);
    struct node *node = memory_allocate_zeroed(sizeof *node);
    if (node == NULL) {
        (void)snprintf(ret_error, NODE_ERROR_BYTES, "out of memory");
        return -ENOMEM;
    }
    ret_error[0] = '\0';
    node->config = *config;
    node->io = io;
    node->data_lock = -1;
    node->shard_count = shards;
    node->started_wall_ms = io->wall_ms;
    node->started_ns = io->now_ns;
    node->memory_total_bytes = facts->memory_bytes;
    node_find_ports(node);
    int error = command_index_open(&node->commands);
    error = error < 0 ? error : node_open_users(node, ret_error);
    error = error < 0 ? error : node_draw(node, io, ret_error);
    error = error < 0 ? error : node_open_ring(node);
    error = error < 0 ? error : node_open_queues(node);
    if (error < 0) {
        if (ret_error[0] == '\0') {
            (void)snprintf(ret_error, NODE_ERROR_BYTES, "cannot start: %s", strerror(-error));
        }
        node_close(node);
        return error;
    }
    *ret_node = node;
    return 0;
}

int node_settle(struct node *node, struct io *io, char *ret_error)
{
    struct log log = {.level = (enum log_level)node->config.log.level,
                      .format = (enum log_format)node->config.log.format,
                      .sink = node->log_sink,
                      .context = node->log_context,
                      .wall_ms = &io->wall_ms};
    struct reshard reshard = {
        .io = io,
        .log = &log,
        .directory = node->config.node.data_dir,
        .ring = node->ring,
        .from = node->identity,
        .shards = node->shard_count,
        .segment_bytes = settings_segment_bytes(&node->config),
        .interrupted = node->interrupted,
        .context = node->interrupted_context,
    };
    static_assert((int)NODE_ERROR_BYTES >= (int)RESHARD_ERROR_BYTES, "its errors are a node's");
    if (!node_is_durable(node) || node->identity.shards == node->shard_count) {
        return 0;
    }
    int error = reshard_run(&reshard, ret_error);
    if (error == 0) {
        node->identity = reshard.to;
    }
    return error;
}

void node_close(struct node *node)
{
    if (node->data_lock >= 0) {
        data_dir_close(node->io, node->data_lock);
    }
    uint32_t shards = node->shard_count;
    for (uint32_t i = 0; node->queues != NULL && i < shards * shards; i++) {
        spsc_destroy(&node->queues[i]);
    }
    memory_free(node->queues);
    placement_destroy(node->placement);
    ring_destroy(node->ring);
    acl_destroy(node->acl);
    command_index_close(node->commands);
    memory_free(node);
}

void node_stop(struct node *node, struct io *io)
{
    atomic_store_explicit(&node->stop, true, memory_order_release);
    for (uint32_t i = 0; i < node->shard_count; i++) {
        struct shard *shard = node->shards[i];
        // Woken whether it sleeps or not: this is rare, and the caller is none of the cores that
        // the sleep protocol is about.
        if (shard != NULL) {
            (void)sleep_flag_must_wake(&shard->sleep_flag);
            io_wake(io, shard->io);
        }
    }
}

void node_listen_error(const char *address, const char *key, int error, char *ret_error)
{
    if (error == -EADDRINUSE) {
        (void)snprintf(ret_error, NODE_ERROR_BYTES,
                       "cannot listen on %s: %s; is another program (or another rldbd) using it?",
                       address, strerror(-error));
    } else if (error == -ENOTSOCK) {
        (void)snprintf(ret_error, NODE_ERROR_BYTES,
                       "cannot listen on %s: a file that is no socket is there; move it away, or "
                       "choose another path for %s",
                       address, key);
    } else {
        (void)snprintf(ret_error, NODE_ERROR_BYTES,
                       "cannot listen on %s: %s; check %s in the configuration", address,
                       strerror(-error), key);
    }
}

void node_describe(const struct node *node, char ret_text[NODE_DESCRIPTION_BYTES])
{
    const struct config_listeners *client = &node->config.listen.client;
    struct text text;
    text_init_fixed(&text, ret_text, NODE_DESCRIPTION_BYTES);
    text_string(&text, "client ");
    for (uint32_t i = 0; i < client->count; i++) {
        text_printf(&text, "%s%s", i == 0 ? "" : ",", client->at[i].text);
    }
    // Nothing listens on the peer port before a node can join others.
    text_printf(&text, " peer off shards %u engine %s", node->shard_count,
                node_is_durable(node) ? "log" : "memory");
    CHECK(text_error(&text) == 0);
}
