// The simulated network's addresses: nodes, listeners, who is reached at what; the vtable's calls.
#include "tests/sim/sim_internal.h"

#include <arpa/inet.h>
#include <stddef.h>
#include <string.h>

enum { PORTS_FIRST = 32768, PORTS_END = 61000 }; // of ends that nobody bound, as on Linux

static bool is_unix(const struct io_address *address)
{
    return address->u.any.sa_family == AF_UNIX;
}

static bool is_loopback(struct in_addr ip)
{
    return ntohl(ip.s_addr) >> 24 == 127;
}

// The machine that `address` names, seen from `from`; NULL: nobody is there.
struct sim_node *sim_node_find(struct sim_node *from, const struct io_address *address)
{
    struct sim_node *node = from->world->nodes;

    if (is_unix(address) || is_loopback(address->u.in.sin_addr)) {
        return from;
    }
    while (node != NULL && node->ip.s_addr != address->u.in.sin_addr.s_addr) {
        node = node->next;
    }
    return node;
}

static struct io_address address_unnamed(void)
{
    return (struct io_address){.u.un.sun_family = AF_UNIX, .size = sizeof(sa_family_t)};
}

static struct io_address address_of(struct in_addr ip, uint16_t port)
{
    return (struct io_address){
        .u.in = {.sin_family = AF_INET, .sin_addr = ip, .sin_port = htons(port)},
        .size = sizeof(struct sockaddr_in),
    };
}

static uint16_t port_next(struct sim_world *world)
{
    world->port_next =
        (uint16_t)(world->port_next + 1 >= PORTS_END ? PORTS_FIRST : world->port_next + 1);
    return world->port_next;
}

void sim_socket_name_local(struct sim_socket *socket)
{
    const struct in_addr to = socket->remote.u.in.sin_addr;

    socket->local = is_unix(&socket->remote) ? address_unnamed()
                                             : address_of(is_loopback(to) ? to : socket->node->ip,
                                                          port_next(socket->node->world));
}

// Whether a listener at `at` is reached by `address`, or collides with a bind to it.
static bool address_meets(const struct io_address *at, const struct io_address *address)
{
    if (is_unix(at) || is_unix(address)) {
        return is_unix(at) && is_unix(address) &&
               strncmp(at->u.un.sun_path, address->u.un.sun_path, sizeof at->u.un.sun_path) == 0;
    }
    return at->u.in.sin_port == address->u.in.sin_port &&
           (at->u.in.sin_addr.s_addr == INADDR_ANY || address->u.in.sin_addr.s_addr == INADDR_ANY ||
            at->u.in.sin_addr.s_addr == address->u.in.sin_addr.s_addr);
}

static bool unix_path_exists(struct sim_node *node, const char *path)
{
    struct sim_inode *inode = NULL;

    if (sim_disk_find(node->disk, path, &inode) != 0) {
        return false;
    }
    sim_inode_put(inode);
    return true;
}

int sim_listener_find(struct sim_socket *from, struct sim_listener **ret_listener)
{
    struct sim_node *const node = sim_node_find(from->node, &from->remote);
    uint32_t found = 0;

    if (node == NULL || node->off) {
        return -ETIMEDOUT;
    }
    if (is_unix(&from->remote) && !unix_path_exists(node, from->remote.u.un.sun_path)) {
        return -ENOENT;
    }
    for (struct sim_listener *at = node->listeners; at != NULL; at = at->next) {
        // Of several that share the port any may get it: each with the same probability.
        if (address_meets(&at->address, &from->remote) &&
            random_below(&node->world->random, ++found) == 0) {
            *ret_listener = at;
        }
    }
    return found != 0 ? 0 : -ECONNREFUSED;
}

// 0, or why nobody may listen there. Replaces a stale unix socket.
static int listen_check(struct sim_node *node, const struct io_address *address, unsigned flags)
{
    struct sim_inode *inode = NULL;

    for (const struct sim_listener *at = node->listeners; at != NULL; at = at->next) {
        if (address_meets(&at->address, address) &&
            (!at->shared || (flags & IO_LISTEN_SHARED_PORT) == 0)) {
            return -EADDRINUSE;
        }
    }
    if (!is_unix(address)) {
        const struct in_addr ip = address->u.in.sin_addr;

        return ip.s_addr == INADDR_ANY || is_loopback(ip) || ip.s_addr == node->ip.s_addr
                   ? 0
                   : -EADDRNOTAVAIL;
    }
    if (sim_disk_find(node->disk, address->u.un.sun_path, &inode) == 0) {
        const bool stale = sim_inode_kind(inode) == SIM_INODE_SOCKET;

        sim_inode_put(inode);
        if (!stale) {
            return -ENOTSOCK;
        }
        CHECK(sim_disk_unlink(node->disk, address->u.un.sun_path, false) == 0);
    }
    const int result =
        sim_disk_create(node->disk, address->u.un.sun_path, SIM_INODE_SOCKET, &inode);

    if (result == 0) {
        sim_inode_put(inode);
    }
    return result;
}

int sim_listen(struct io *io, const struct io_address *address, unsigned flags, int *ret_fd)
{
    struct sim_node *const node = sim_core_of(io)->node;
    struct io_address at = *address;

    if (!is_unix(address) && address->u.any.sa_family != AF_INET) {
        return -EAFNOSUPPORT;
    }
    if (!is_unix(address) && at.u.in.sin_port == 0) {
        at.u.in.sin_port = htons(port_next(node->world));
    }
    const int result = listen_check(node, &at, is_unix(address) ? 0 : flags);

    if (result != 0) {
        return result;
    }
    struct sim_listener *const listener = sim_allocate(sizeof *listener);
    const int fd = sim_descriptor_add(node, SIM_LISTENER, listener);

    if (fd < 0) {
        free(listener);
        return fd;
    }
    listener->node = node;
    listener->address = at;
    listener->shared = !is_unix(address) && (flags & IO_LISTEN_SHARED_PORT) != 0;
    listener->queue_end = &listener->queue;
    listener->next = node->listeners;
    node->listeners = listener;
    *ret_fd = fd;
    return 0;
}

void sim_listener_close(struct sim_listener *listener, bool silent)
{
    struct sim_listener **at = &listener->node->listeners;

    while (*at != listener) {
        CHECK(*at != NULL);
        at = &(*at)->next;
    }
    *at = listener->next;
    while (listener->queue != NULL) {
        struct sim_socket *const socket = listener->queue;

        listener->queue = socket->next_queued;
        if (silent) {
            sim_socket_silence(socket);
        }
        sim_socket_close(socket, true, listener->node->world->now_ns);
    }
    free(listener);
}

int sim_socket_name(struct io *io, int fd, bool peer, struct io_address *ret_address)
{
    const struct sim_descriptor *const descriptor = sim_descriptor_get(sim_core_of(io)->node, fd);

    if (descriptor == NULL) {
        return -EBADF;
    }
    if (descriptor->kind == SIM_LISTENER) {
        if (peer) {
            return -ENOTCONN;
        }
        *ret_address = descriptor->u.listener->address;
        return 0;
    }
    if (descriptor->kind != SIM_SOCKET) {
        return -ENOTSOCK;
    }
    // After a reset TCP has forgotten the peer.
    if (peer && (!descriptor->u.socket->connected ||
                 (descriptor->u.socket->reset && !is_unix(&descriptor->u.socket->local)))) {
        return -ENOTCONN;
    }
    *ret_address = peer ? descriptor->u.socket->remote : descriptor->u.socket->local;
    return 0;
}

int sim_connect(struct io *io, struct io_op *op, const struct io_address *address, int *ret_fd)
{
    struct sim_core *const core = sim_core_of(io);
    struct sim_socket *const socket = sim_socket_open(core->node, address);
    const int fd = sim_descriptor_add(core->node, SIM_SOCKET, socket);

    if (fd < 0) {
        sim_socket_close(socket, false, core->world->now_ns);
        return fd;
    }
    struct sim_op *const request = sim_op_new(core, op, SIM_CONNECT);

    request->fd = fd;
    request->socket = socket;
    *ret_fd = fd;
    return 0;
}

void sim_shutdown(struct io *io, int fd)
{
    struct sim_core *const core = sim_core_of(io);
    const struct sim_descriptor *const descriptor = sim_descriptor_get(core->node, fd);

    if (descriptor != NULL && descriptor->kind == SIM_SOCKET) {
        sim_socket_shutdown(descriptor->u.socket, true, core->world->now_ns + core->charged_ns);
    } else if (descriptor != NULL && descriptor->kind == SIM_LISTENER &&
               descriptor->u.listener->stream != NULL) {
        sim_stream_fail(descriptor->u.listener->stream, -EINVAL); // as accept(2) then says
    }
}
