// The receiving half of bench_thread.h: replies, what they say about the values, and the loop.
#include "cli/bench_thread.h"

#include "cli/progress.h"
#include "core/check.h"

#include <errno.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/socket.h>

enum { ANSWER_WAIT_MAX_NS = 100 * 1000 * 1000 }; // how late a stop may be noticed

// How long answers are waited for after the last request.
#define ANSWER_DRAIN_NS (UINT64_C(10) * 1000 * 1000 * 1000)

struct answer {
    struct bench_thread *thread;
    struct bench_connection *connection;
};

// --verify: a value was read to its end.
static void answer_check_value(struct bench_thread *thread, struct bench_connection *connection)
{
    struct bench_ledger *const ledger = thread->shared->ledger;
    const struct bench_item *const item = bench_connection_first(connection);
    const uint64_t key = connection->check.key;
    uint64_t version = 0;

    thread->stats.values_checked++;
    if (!bench_value_check_end(&connection->check, &thread->shared->values, &version)) {
        thread->stats.values_wrong++;
        return;
    }
    // Only keys that this run loaded have a known history.
    if (!thread->shared->plan->load || key >= ledger->keys) {
        return;
    }
    if (version == 0 || version > bench_ledger_issued(ledger, key)) {
        thread->stats.values_wrong++;
    } else if (version < item->floor) {
        thread->stats.values_stale++;
    }
}

// --verify: a value was asked for and is not there.
static void answer_check_null(struct bench_thread *thread, uint64_t key)
{
    const struct bench_plan *const plan = thread->shared->plan;

    if (plan->load && plan->ttl_ms == 0 && key < plan->keys) {
        thread->stats.values_missing++;
    }
}

// bench_reader_bytes_fn of --verify.
static void answer_bytes(void *context, const uint8_t *bytes, size_t size, uint64_t left,
                         bool first)
{
    const struct answer *const answer = context;
    struct bench_connection *const connection = answer->connection;

    if (connection->flight_count == 0) {
        return; // a reply that nobody asked for; answer_finish reports it
    }
    const struct bench_item *const item = bench_connection_first(connection);
    const uint64_t key = item->key + connection->element;

    if (bench_item_writes(item)) {
        return;
    }
    if (bytes == NULL) {
        answer_check_null(answer->thread, key);
        connection->element++;
        return;
    }
    if (first) {
        bench_value_check_start(&connection->check, key, size + left);
    }
    bench_value_check_bytes(&connection->check, &answer->thread->shared->values, bytes, size);
    if (left == 0) {
        answer_check_value(answer->thread, connection);
        connection->element++;
    }
}

// Whether the reply is of the kind that the item asks for.
static bool answer_fits(const struct bench_item *item, const struct bench_reply *reply)
{
    if (bench_item_writes(item)) {
        return reply->type == '+' && reply->text_size == 2 && memcmp(reply->text, "OK", 2) == 0;
    }
    if (item->operation == BENCH_SCAN) {
        return reply->type == '*' && reply->number == (int64_t)item->length;
    }
    return reply->type == '$' || reply->type == '_';
}

// Counts what went wrong with the reply. Whether nothing did.
static bool answer_accept(struct bench_thread *thread, const struct bench_item *item,
                          const struct bench_reply *reply)
{
    static const char strange[] = "unexpected reply";

    if (reply->errors != 0) {
        bench_stats_error(&thread->stats, reply->text, reply->text_size);
        return false;
    }
    if (!answer_fits(item, reply)) {
        bench_stats_error(&thread->stats, strange, sizeof strange - 1);
        return false;
    }
    thread->stats.misses += item->measured ? reply->nulls : 0;
    if (bench_item_writes(item) && thread->shared->ledger != NULL &&
        item->key < thread->shared->ledger->keys) {
        bench_ledger_answer(thread->shared->ledger, item->key, item->version);
    }
    return true;
}

// The oldest item of the connection is answered.
static void answer_finish(struct bench_thread *thread, struct bench_connection *connection)
{
    const struct bench_reply *const reply = &connection->reader.reply;
    struct bench_item item = *bench_connection_first(connection);
    const bool accepted = answer_accept(thread, &item, reply);

    bench_connection_pop(connection);
    connection->element = 0;
    if (accepted && item.operation == BENCH_READ_MODIFY_WRITE && !item.writing) {
        item.writing = true;
        bench_queue_push_front(&thread->queues[connection->node], &item);
        return;
    }
    CHECK(thread->outstanding > 0);
    thread->outstanding--;
    if (item.operation == BENCH_INSERT && item.key >= thread->shared->plan->keys) {
        bench_keys_inserted(&thread->source.keys, item.key);
    }
    if (accepted && item.measured) {
        bench_stats_record(&thread->stats, (enum bench_operation)item.operation, item.start_ns,
                           thread->now_ns);
    }
    atomic_fetch_add_explicit(&thread->live.operations, 1, memory_order_relaxed);
}

// Reads the replies in `size` bytes. False: the connection is lost.
static bool answer_read(struct bench_thread *thread, struct bench_connection *connection,
                        const uint8_t *bytes, size_t size)
{
    struct answer answer = {.thread = thread, .connection = connection};
    const bench_reader_bytes_fn bytes_fn = thread->shared->ledger != NULL ? answer_bytes : NULL;
    uint64_t replies = 0;
    size_t at = 0;

    while (at < size) {
        size_t used = 0;
        const enum bench_reader_status status =
            bench_reader_feed(&connection->reader, bytes + at, size - at, bytes_fn, &answer, &used);

        if (status == BENCH_READER_MORE) {
            break;
        }
        if (status == BENCH_READER_WRONG || connection->flight_count == 0) {
            bench_thread_lose(thread, connection,
                              status == BENCH_READER_WRONG ? "what came is no RESP"
                                                           : "a reply that nobody asked for");
            return false;
        }
        answer_finish(thread, connection);
        replies++;
        at += used;
    }
    atomic_fetch_add_explicit(&thread->live.replies, replies, memory_order_relaxed);
    atomic_fetch_add_explicit(&thread->live.bytes_received, size, memory_order_relaxed);
    return true;
}

void bench_thread_receive(struct bench_thread *thread, uint32_t index)
{
    struct bench_connection *const connection = &thread->connections[index];
    const ssize_t size = recv(connection->fd, thread->received, BENCH_RECEIVE_BYTES, 0);

    if (size < 0 && (errno == EAGAIN || errno == EINTR)) {
        return;
    }
    if (size <= 0) {
        bench_thread_lose(thread, connection, size == 0 ? "closed by the server" : strerror(errno));
        return;
    }
    thread->now_ns = progress_now_ns();
    if (answer_read(thread, connection, thread->received, (size_t)size)) {
        bench_thread_offer(thread, index);
    }
}

static void answer_event(struct bench_thread *thread, const struct epoll_event *event)
{
    const uint32_t index = event->data.u32;
    struct bench_connection *const connection = &thread->connections[index];

    if ((event->events & EPOLLOUT) != 0 && connection->fd >= 0 && connection->spill != NULL) {
        const int result = bench_connection_flush(connection);

        if (result != 0) {
            bench_thread_lose(thread, connection, strerror(-result));
        } else if (connection->spill == NULL) {
            bench_thread_watch(thread, index, false);
            bench_thread_offer(thread, index);
        }
    }
    if ((event->events & (EPOLLIN | EPOLLERR | EPOLLHUP)) != 0 && connection->fd >= 0) {
        bench_thread_receive(thread, index);
    }
}

// How long to sleep: to when the next operation is due, if it may be sent then.
static struct timespec answer_wait(const struct bench_thread *thread)
{
    const uint64_t due_ns = bench_source_due_ns(&thread->source, thread->now_ns);
    uint64_t wait_ns = ANSWER_WAIT_MAX_NS;

    if (thread->outstanding < (uint64_t)thread->open_count * thread->pipeline &&
        due_ns - thread->now_ns < wait_ns) {
        wait_ns = due_ns - thread->now_ns;
    }
    if (thread->source.end_ns > thread->now_ns &&
        thread->source.end_ns - thread->now_ns < wait_ns) {
        wait_ns = thread->source.end_ns - thread->now_ns;
    }
    return (struct timespec){.tv_nsec = (long)wait_ns};
}

// Whether the phase goes on: there is more to send, or something to wait for.
static bool answer_goes_on(struct bench_thread *thread, uint64_t *drain_ns)
{
    if (atomic_load_explicit(&thread->shared->stop, memory_order_relaxed) &&
        thread->source.end_ns > thread->now_ns) {
        thread->source.end_ns = thread->now_ns;
    }
    const bool ended = bench_source_ended(&thread->source, thread->now_ns);

    if (thread->open_count == 0) {
        return false;
    }
    if (!ended) {
        return true;
    }
    if (*drain_ns == 0) {
        *drain_ns = thread->now_ns + ANSWER_DRAIN_NS;
    }
    return thread->outstanding != 0 && thread->now_ns < *drain_ns;
}

void bench_thread_phase(struct bench_thread *thread)
{
    const struct bench_shared *const shared = thread->shared;
    struct epoll_event events[BENCH_EVENTS];
    uint64_t drain_ns = 0;

    // The default slack of 50 us would make every request of an open loop that much late.
    prctl(PR_SET_TIMERSLACK, 1UL);
    bench_stats_clear(&thread->stats);
    thread->pipeline = shared->loading ? bench_load_pipeline(shared->plan) : shared->plan->pipeline;
    bench_source_start(&thread->source, shared->loading, shared->phase_start_ns);
    thread->now_ns = progress_now_ns();
    for (uint32_t i = 0; i < thread->connection_count; i++) {
        bench_thread_offer(thread, i);
    }
    while (answer_goes_on(thread, &drain_ns)) {
        if (drain_ns == 0) {
            bench_thread_feed(thread);
        } else {
            bench_thread_drain(thread);
        }
        const struct timespec wait = answer_wait(thread);
        const int count = epoll_pwait2(thread->epoll, events, BENCH_EVENTS, &wait, NULL);

        thread->now_ns = progress_now_ns();
        for (int i = 0; i < count; i++) {
            answer_event(thread, &events[i]);
        }
    }
    thread->stats.unsent = bench_source_unsent(&thread->source);
    bench_thread_abandon(thread);
    atomic_store_explicit(&thread->live.finished, true, memory_order_release);
}
