#include "tests/sim/sim_client.h"

#include "tests/sim/sim_internal.h"

struct sim_client {
    struct sim_world *world;
    struct sim_client *next;
    struct sim_client **previous;
    struct sim_socket *socket;
    struct sim_event event;
    sim_ready_fn *ready;
    void *context;
};

static const char clients_ip[] = "10.255.255.254"; // of those that no node was named for

static void client_ready(void *owner)
{
    struct sim_client *const client = owner;

    if (client->ready != NULL) {
        client->ready(client, client->context);
    }
}

void sim_client_notify(struct sim_client *client)
{
    if (client->ready != NULL) {
        sim_schedule(client->world, &client->event, client->world->now_ns);
    }
}

struct sim_client *sim_client_connect(struct sim_world *world, struct sim_node *node,
                                      const char *to, sim_ready_fn *ready, void *context)
{
    struct sim_client *const client = sim_allocate(sizeof *client);
    struct io_address address;

    CHECK(io_address_parse(to, &address) == 0);
    if (node == NULL) {
        if (world->clients_node == NULL) {
            world->clients_node = sim_node_add(world, clients_ip);
        }
        node = world->clients_node;
    }
    client->world = world;
    client->ready = ready;
    client->context = context;
    client->event.run = client_ready;
    client->event.owner = client;
    client->next = world->clients;
    client->previous = &world->clients;
    if (world->clients != NULL) {
        world->clients->previous = &client->next;
    }
    world->clients = client;
    client->socket = sim_socket_open(node, &address);
    client->socket->client = client;
    sim_socket_connect(client->socket, world->now_ns);
    return client;
}

int sim_client_state(const struct sim_client *client)
{
    if (client->socket->connected || client->socket->reset) {
        return client->socket->connected ? 0 : client->socket->error;
    }
    return -EINPROGRESS;
}

long sim_client_send(struct sim_client *client, const void *bytes, size_t size)
{
    const struct iovec part = {.iov_base = (void *)(uintptr_t)bytes, .iov_len = size};

    if (!client->socket->connected && !client->socket->reset) {
        return 0;
    }
    return sim_socket_send(client->socket, &part, 1, client->world->now_ns);
}

long sim_client_recv(struct sim_client *client, void *bytes, size_t size)
{
    struct sim_socket *const socket = client->socket;

    if (socket->received_bytes != 0) {
        return sim_socket_take(socket, bytes, size > INT32_MAX ? INT32_MAX : (uint32_t)size);
    }
    if (!sim_socket_readable(socket)) {
        return -EAGAIN;
    }
    const int error = socket->error;

    socket->error = 0;
    return error;
}

void sim_client_shutdown(struct sim_client *client)
{
    sim_socket_shutdown(client->socket, false, client->world->now_ns);
}

void sim_client_close(struct sim_client *client, bool reset)
{
    sim_unschedule(client->world, &client->event);
    sim_socket_close(client->socket, reset, client->world->now_ns);
    *client->previous = client->next;
    if (client->next != NULL) {
        client->next->previous = client->previous;
    }
    free(client);
}

void sim_clients_close(struct sim_world *world)
{
    while (world->clients != NULL) {
        sim_client_close(world->clients, true);
    }
}
