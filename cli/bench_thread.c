#include "cli/bench_thread.h"

#include "cli/progress.h"
#include "cli/verb.h"
#include "core/check.h"
#include "core/memory.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

enum {
    LOAD_PIPELINE = 64,    // a request then costs little beside its own work
    LOAD_IN_FLIGHT = 4096, // of all connections
};

uint32_t bench_load_pipeline(const struct bench_plan *plan)
{
    const uint32_t deep = LOAD_IN_FLIGHT / plan->connections;
    const uint32_t pipeline = deep < 1 ? 1 : deep > LOAD_PIPELINE ? LOAD_PIPELINE : deep;

    return pipeline > plan->pipeline ? pipeline : plan->pipeline;
}

uint32_t bench_thread_connections(const struct bench_plan *plan, uint32_t thread)
{
    return plan->connections / plan->threads + (thread < plan->connections % plan->threads ? 1 : 0);
}

static int thread_open_connection(struct bench_thread *thread, uint32_t index)
{
    const struct bench_plan *const plan = thread->shared->plan;
    const struct bench_route *const route = &thread->shared->route;
    const uint16_t node = (uint16_t)(index % route->node_count);
    struct bench_connection *const connection = &thread->connections[index];
    struct epoll_event event = {.events = EPOLLIN, .data.u32 = index};
    int fd = -1;
    const int result = bench_connect(plan, &route->nodes[node], &fd, thread->error);

    if (result != 0) {
        return result;
    }
    bench_connection_init(connection, fd, node, bench_load_pipeline(plan));
    thread->connection_count++;
    thread->open_count++;
    thread->open_of_node[node]++;
    if (epoll_ctl(thread->epoll, EPOLL_CTL_ADD, fd, &event) != 0) {
        snprintf(thread->error, sizeof thread->error, "epoll_ctl: %s", strerror(errno));
        return -errno;
    }
    return 0;
}

static int thread_open_idle(struct bench_thread *thread)
{
    const struct bench_plan *const plan = thread->shared->plan;
    const uint32_t wanted = plan->idle_connections / plan->threads +
                            (thread->number < plan->idle_connections % plan->threads ? 1 : 0);

    thread->idle_sockets = cli_allocate(wanted * sizeof *thread->idle_sockets);
    while (thread->idle_count < wanted) {
        const int result = bench_connect(plan, &thread->shared->route.nodes[0],
                                         &thread->idle_sockets[thread->idle_count], thread->error);

        if (result != 0) {
            return result;
        }
        thread->idle_count++;
    }
    return 0;
}

int bench_thread_open(struct bench_thread *thread)
{
    const struct bench_plan *const plan = thread->shared->plan;
    const uint32_t nodes = thread->shared->route.node_count;
    const uint32_t wanted = bench_thread_connections(plan, thread->number);
    int result = 0;

    thread->in_flight_max = (uint64_t)wanted * bench_load_pipeline(plan);
    thread->request_bytes_max = bench_request_bytes_max(plan);
    bench_stats_init(&thread->stats);
    bench_source_init(&thread->source, plan, thread->number, thread->in_flight_max);
    thread->received = cli_allocate(BENCH_RECEIVE_BYTES);
    thread->sending = cli_allocate(BENCH_SEND_BYTES + thread->request_bytes_max);
    thread->connections = cli_allocate(wanted * sizeof *thread->connections);
    thread->queues = cli_allocate(nodes * sizeof *thread->queues);
    thread->open_of_node = cli_allocate(nodes * sizeof *thread->open_of_node);
    for (uint32_t i = 0; i < nodes; i++) {
        bench_queue_init(&thread->queues[i], (uint32_t)thread->in_flight_max, wanted);
    }
    thread->epoll = epoll_create1(EPOLL_CLOEXEC);
    if (thread->epoll < 0) {
        snprintf(thread->error, sizeof thread->error, "epoll_create1: %s", strerror(errno));
        return -errno;
    }
    for (uint32_t i = 0; i < wanted && result == 0; i++) {
        result = thread_open_connection(thread, i);
    }
    return result == 0 ? thread_open_idle(thread) : result;
}

void bench_thread_close(struct bench_thread *thread)
{
    for (uint32_t i = 0; i < thread->connection_count; i++) {
        bench_connection_free(&thread->connections[i]);
    }
    for (uint32_t i = 0; i < thread->idle_count; i++) {
        close(thread->idle_sockets[i]);
    }
    for (uint32_t i = 0; i < thread->shared->route.node_count; i++) {
        bench_queue_free(&thread->queues[i]);
    }
    if (thread->epoll >= 0) {
        close(thread->epoll);
    }
    memory_free(thread->idle_sockets);
    memory_free(thread->connections);
    memory_free(thread->queues);
    memory_free(thread->open_of_node);
    memory_free(thread->received);
    memory_free(thread->sending);
    bench_source_free(&thread->source);
    bench_stats_free(&thread->stats);
}

// Counts what was on its way and will not be answered.
static void thread_lose(struct bench_thread *thread, const struct bench_item *item)
{
    CHECK(thread->outstanding > 0);
    thread->outstanding--;
    thread->stats.lost++;
    if (item->operation == BENCH_INSERT && item->key >= thread->shared->plan->keys) {
        bench_keys_inserted(&thread->source.keys, item->key);
    }
}

void bench_thread_lose(struct bench_thread *thread, struct bench_connection *connection,
                       const char *reason)
{
    struct bench_queue *const queue = &thread->queues[connection->node];
    char text[BENCH_ERROR_BYTES_MAX];
    const int size = snprintf(text, sizeof text, "connection lost: %s", reason);

    bench_stats_error(&thread->stats, text, (size_t)size);
    close(connection->fd);
    connection->fd = -1;
    memory_free(connection->spill);
    connection->spill = NULL;
    for (; connection->flight_count != 0; bench_connection_pop(connection)) {
        thread_lose(thread, bench_connection_first(connection));
    }
    thread->open_count--;
    thread->open_of_node[connection->node]--;
    if (thread->open_of_node[connection->node] == 0) {
        for (; queue->item_count != 0; bench_queue_pop(queue)) {
            thread_lose(thread, bench_queue_first(queue));
        }
    }
}

void bench_thread_abandon(struct bench_thread *thread)
{
    for (uint32_t i = 0; i < thread->connection_count; i++) {
        if (thread->connections[i].fd >= 0 && thread->connections[i].flight_count != 0) {
            bench_thread_lose(thread, &thread->connections[i], "no answer in time");
        }
    }
    for (uint32_t node = 0; node < thread->shared->route.node_count; node++) {
        struct bench_queue *const queue = &thread->queues[node];

        for (; queue->item_count != 0; bench_queue_pop(queue)) {
            thread_lose(thread, bench_queue_first(queue));
        }
    }
    CHECK(thread->outstanding == 0);
}

void bench_thread_watch(struct bench_thread *thread, uint32_t index, bool writing)
{
    struct epoll_event event = {.events = EPOLLIN | (writing ? (uint32_t)EPOLLOUT : 0),
                                .data.u32 = index};

    CHECK(epoll_ctl(thread->epoll, EPOLL_CTL_MOD, thread->connections[index].fd, &event) == 0);
}

void bench_thread_offer(struct bench_thread *thread, uint32_t index)
{
    struct bench_connection *const connection = &thread->connections[index];
    const bool window = thread->shared->plan->window || thread->source.interval_ns > 0;
    const bool room =
        window ? connection->flight_count < thread->pipeline : connection->flight_count == 0;

    if (room && !connection->idle_listed && connection->fd >= 0 && connection->spill == NULL) {
        connection->idle_listed = true;
        bench_queue_add_idle(&thread->queues[connection->node], index);
    }
}

// Gives the item what is known only now that it is sent.
static void thread_stamp(struct bench_thread *thread, struct bench_item *item)
{
    struct bench_ledger *const ledger = thread->shared->ledger;
    const bool listed = ledger != NULL && item->key < ledger->keys;

    if (item->start_ns == 0) {
        item->start_ns = thread->now_ns;
    }
    if (bench_item_writes(item)) {
        item->version = listed ? bench_ledger_issue(ledger, item->key) : ++thread->version;
    } else if (listed && item->operation != BENCH_SCAN) {
        item->floor = bench_ledger_floor(ledger, item->key);
    }
}

// Lets one idle connection take what it can of its node's queue.
static void thread_send(struct bench_thread *thread, uint32_t node)
{
    struct bench_queue *const queue = &thread->queues[node];
    const uint32_t index = bench_queue_take_idle(queue);
    struct bench_connection *const connection = &thread->connections[index];
    uint8_t *at = thread->sending;

    connection->idle_listed = false;
    if (connection->fd < 0) {
        return;
    }
    thread->now_ns = progress_now_ns();
    while (queue->item_count != 0 && connection->flight_count < thread->pipeline &&
           at < thread->sending + BENCH_SEND_BYTES) {
        struct bench_item *const item = bench_queue_first(queue);

        thread_stamp(thread, item);
        at = bench_request_write(&thread->shared->request, item, at);
        bench_connection_push(connection, item);
        bench_queue_pop(queue);
    }
    const size_t size = (size_t)(at - thread->sending);
    const int result = bench_connection_send(connection, thread->sending, size);

    atomic_fetch_add_explicit(&thread->live.bytes_sent, size, memory_order_relaxed);
    if (result != 0) {
        bench_thread_lose(thread, connection, strerror(-result));
        return;
    }
    if (connection->spill != NULL) {
        bench_thread_watch(thread, index, true);
    }
    bench_thread_offer(thread, index);
}

void bench_thread_drain(struct bench_thread *thread)
{
    for (uint32_t node = 0; node < thread->shared->route.node_count; node++) {
        while (thread->queues[node].item_count != 0 && thread->queues[node].idle_count != 0) {
            thread_send(thread, node);
        }
    }
}

void bench_thread_feed(struct bench_thread *thread)
{
    const struct bench_route *const route = &thread->shared->route;
    struct bench_item item;

    while (thread->outstanding < (uint64_t)thread->open_count * thread->pipeline &&
           bench_source_next(&thread->source, thread->now_ns, &item)) {
        uint32_t node = 0;

        thread->outstanding++;
        if (route->by_slot) {
            uint8_t name[BENCH_KEY_BYTES_MAX];

            bench_key_write(thread->shared->plan, item.key, name);
            node = bench_route_node(route, slice_of(name, thread->shared->plan->key_bytes));
        }
        if (thread->open_of_node[node] == 0) {
            thread_lose(thread, &item);
        } else {
            bench_queue_push(&thread->queues[node], &item);
        }
    }
    bench_thread_drain(thread);
}
