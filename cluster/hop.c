#include "cluster/hop.h"

#include "cluster/client.h"
#include "cluster/load.h"
#include "cluster/shard.h"
#include "cluster/slowlog.h"
#include "core/check.h"
#include "core/copy.h"
#include "core/limits.h"
#include "core/memory.h"
#include "core/planted.h"

#include <stddef.h>
#include <string.h>

static const char TEXT_LOADS[] = "OVERLOADED too many requests wait for the disk; retry";

static struct hop *hop_of_pending(struct pending *pending)
{
    return (struct hop *)((uint8_t *)pending - offsetof(struct hop, pending));
}

static struct hop *hop_of_waiter(struct gate_waiter *waiter)
{
    return (struct hop *)((uint8_t *)waiter - offsetof(struct hop, waiter));
}

// What a request takes inside. More than there is where its arguments are too many.
static inline size_t hop_request_bytes(const struct exec *x)
{
    const uint32_t argc = x->argc;
    size_t size = sizeof(struct hop_request) + argc * sizeof(uint16_t);
    if (argc > HOP_ARGUMENTS) {
        return HOP_INSIDE_BYTES + 1;
    }
    for (const struct slice *at = x->argv, *end = at + argc; at != end; at++) {
        size += at->size;
    }
    return (size + alignof(struct hop_request) - 1) & ~(alignof(struct hop_request) - 1);
}

static inline struct hop_request *hop_describe(struct hop *hop, size_t at, const struct exec *x)
{
    struct hop_request *request = (struct hop_request *)(void *)(hop->inside + at);
    const struct item *item = x->item;
    CHECK(item->argument <= UINT16_MAX);
    request->command = x->command;
    request->hash = item->op.hash;
    request->vnode = item->op.vnode;
    request->argc = x->argc;
    request->slot = item->slot;
    request->argument = (uint16_t)item->argument;
    request->bytes = sizeof *request;
    return request;
}

// Copies the request, which takes `size`, into the message behind those that it carries.
static inline void hop_pack(struct hop *hop, const struct exec *x, size_t size)
{
    struct hop_request *request =
        hop_describe(hop, hop->message.bytes - offsetof(struct hop, inside), x);
    uint8_t *sizes = (uint8_t *)(request + 1);
    uint8_t *bytes = sizes + x->argc * sizeof(uint16_t);
    for (uint32_t i = 0; i < x->argc; i++) {
        struct slice argument = x->argv[i];
        uint16_t argument_size = (uint16_t)argument.size;
        memcpy(sizes, &argument_size, sizeof argument_size);
        sizes += sizeof argument_size;
        if (argument_size != 0) {
            copy_short(bytes, argument.bytes, argument_size);
            bytes += argument_size;
        }
    }
    request->bytes = (uint32_t)size;
    hop->message.bytes = (uint16_t)(hop->message.bytes + size);
}

const struct slice *hop_arguments(const struct hop *hop, const struct hop_request *request,
                                  struct slice *spans)
{
    if (!hop->packed) {
        return hop->argv;
    }
    const uint8_t *sizes = (const uint8_t *)(request + 1);
    const uint8_t *bytes = sizes + request->argc * sizeof(uint16_t);
    for (uint32_t i = 0; i < request->argc; i++) {
        uint16_t size;
        memcpy(&size, sizes, sizeof size);
        sizes += sizeof size;
        spans[i] = slice_of(bytes, size);
        bytes += size;
    }
    return spans;
}

// The argument slices are the batch's, and go with it: the hop needs its own. The bytes of a
// request that came from another core stay until all of its hop are done.
static bool hop_refer(struct hop *hop, const struct exec *x)
{
    struct slice *spans = hop->spans;
    hop->packed = false;
    hop->argument_bytes = NULL;
    hop->lease = (struct client_lease){0};
    if (x->argc > HOP_ARGUMENTS) {
        spans = memory_allocate(x->argc * sizeof *spans);
        if (spans == NULL) {
            return false;
        }
    }
    memcpy(spans, x->argv, x->argc * sizeof *spans);
    hop->argv = spans;
    if (x->hop != NULL) {
        return true;
    }
    if (!x->batch_bytes) {
        hop->lease = client_lease_hold(x->client);
        return true;
    }
    if (!exec_copy_argument_bytes(spans, x->argc, &hop->argument_bytes)) {
        if (spans != hop->spans) {
            memory_free(spans);
        }
        return false;
    }
    return true;
}

static struct hop *hop_make(const struct exec *x, uint32_t core)
{
    struct shard *shard = x->shard;
    struct hop *hop = pool_take(&shard->hops);
    if (hop == NULL) {
        return NULL;
    }
    const size_t size = hop_request_bytes(x);
    hop->message = (struct message){.kind = MESSAGE_HOP,
                                    .from = (uint8_t)shard->index,
                                    .to = (uint8_t)core,
                                    .bytes = offsetof(struct hop, inside)};
    if (size <= HOP_INSIDE_BYTES) {
        hop->packed = true;
        hop_pack(hop, x, size);
    } else if (hop_refer(hop, x)) {
        hop_describe(hop, 0, x);
    } else {
        pool_give(&shard->hops, hop);
        return NULL;
    }
    hop->count = 1;
    hop->ran = 0;
    hop->stood = 0;
    hop->protocol = planted(PLANTED_FORGET_PROTOCOL) ? 2 : x->reply.protocol;
    hop->no_touch = x->no_touch;
    hop->outside = false;
    hop->timed = false;
    hop->commit = 0;
    hop->reply_at = 0;
    hop->gated = false;
    hop->stands_in = NULL;
    hop->pending.out = (struct outbuf){0};
    return hop;
}

// Where the reply goes: to the client, or with those of the hop that the request came by.
static void hop_place(const struct exec *x, struct hop *hop)
{
    struct hop *of = x->hop;
    if (of == NULL) {
        client_pending_add(x->client, &hop->pending, PENDING_HOP);
        return;
    }
    of->standing = of->stood == 0 ? 1 : of->standing + 1;
    of->stood |= (uint8_t)(1U << of->ran);
    of->stand_ins[of->ran] = hop;
    hop->stands_in = of;
    hop->pending.since_ns = x->shard->io->now_ns;
    hop->pending.discard = false;
}

bool hop_send(struct exec *x, uint32_t core)
{
    struct shard *shard = x->shard;
    struct hop *hop = hop_make(x, core);
    if (hop == NULL) {
        return false;
    }
    hop_place(x, hop);
    if (core == shard->index) {
        shard->stats.gate_waits++;
        hop_wait(shard, hop);
        return true;
    }
    shard->stats.hops_sent++;
    shard->hop_open = hop;
    shard_post(shard, &hop->message);
    return true;
}

bool hop_join(const struct exec *x, uint32_t core)
{
    struct shard *shard = x->shard;
    struct client *client = x->client;
    struct hop *hop = shard->hop_open;
    if (hop == NULL || &hop->pending != client->pending_last || hop->message.to != core ||
        hop->count == HOP_REQUESTS || !hop->packed || hop->protocol != x->reply.protocol ||
        hop->no_touch != x->no_touch || shard->slowlog_each ||
        hop->pending.discard != ((client->flags & (CLIENT_REPLY_OFF | CLIENT_REPLY_SKIP)) != 0)) {
        return false;
    }
    const size_t size = hop_request_bytes(x);
    if (size > offsetof(struct hop, pending) - hop->message.bytes) {
        return false;
    }
    hop_pack(hop, x, size);
    client_pending_join(client, &hop->pending, &hop->late_before[hop->count]);
    hop->count++;
    shard->stats.hops_sent++;
    return true;
}

bool hop_load(struct exec *x)
{
    struct hop *hop = hop_make(x, x->shard->index);
    if (hop == NULL) {
        return false;
    }
    hop_place(x, hop);
    if (!load_for_hop(x, hop)) {
        struct exec late = {0};
        hop_exec(x->shard, hop, hop->spans, &late);
        exec_error(&late, TEXT_LOADS);
        hop_done(x->shard, hop, &x->shard->hop_reply, 0);
    }
    return true;
}

struct hop *hop_haul(struct exec *x)
{
    struct hop *hop = hop_make(x, x->shard->index);
    if (hop != NULL) {
        hop_place(x, hop);
    }
    return hop;
}

void hop_item(const struct hop_request *request, const struct slice *argv, struct item *ret_item)
{
    ret_item->argument = request->argument;
    ret_item->slot = request->slot;
    ret_item->op.hash = request->hash;
    ret_item->op.vnode = request->vnode;
    ret_item->op.key = argv[request->argument];
}

void hop_request_exec(struct shard *shard, struct hop *hop, const struct hop_request *request,
                      struct slice *spans, struct exec *ret_exec)
{
    struct exec *x = ret_exec; // field by field: clearing all of it first costs more than the rest
    x->shard = shard;
    x->client = NULL;
    x->command = request->command;
    x->argv = hop_arguments(hop, request, spans);
    x->argc = request->argc;
    x->reply.out = &shard->hop_replies;
    x->reply.cache = &shard->outbufs;
    x->reply.errors = 0;
    x->reply.protocol = hop->protocol;
    x->item = NULL;
    x->hop = hop;
    x->sum = 0;
    x->commit = 0;
    x->veto = x->failed = x->scoped = x->reserved = x->batch_bytes = x->later = false;
    x->no_touch = hop->no_touch;
}

void hop_exec(struct shard *shard, struct hop *hop, struct slice *spans, struct exec *ret_exec)
{
    hop_request_exec(shard, hop, hop_first(hop), spans, ret_exec);
    ret_exec->reply.out = &shard->hop_reply;
    ret_exec->hop = NULL;
}

static void hop_granted(struct gate_waiter *waiter)
{
    struct hop *hop = hop_of_waiter(waiter);
    hop_list_add(&hop->waiting_at->granted, hop);
}

void hop_wait(struct shard *shard, struct hop *hop)
{
    hop->waiter = (struct gate_waiter){.hash = hop_first(hop)->hash, .granted = hop_granted};
    hop->waiting_at = shard;
    hop->gated = true;
    hop->haul = NULL;
    gate_wait(shard->gates, &hop->waiter);
}

void hop_hold_gate(struct shard *shard, struct hop *hop)
{
    hop->waiter = (struct gate_waiter){.hash = hop_first(hop)->hash, .granted = hop_granted};
    hop->waiting_at = shard;
    hop->gated = true;
    hop->haul = NULL;
    gate_hold(shard->gates, &hop->waiter);
}

static void hop_stood_in(struct shard *shard, struct hop *hop);

static void hop_go_back(struct shard *shard, struct hop *hop)
{
    if (hop->message.from != shard->index) {
        hop->message.returning = true;
        shard_post(shard, &hop->message);
    } else if (hop->stands_in != NULL) {
        hop_stood_in(shard, hop);
    } else {
        hop_return(shard, hop);
    }
}

// All replies, whose sizes are known.
static void hop_take_in(struct shard *shard, struct hop *hop, struct outbuf *replies)
{
    const size_t end = offsetof(struct hop, inside) + replies->bytes;
    if (replies->bytes <= HOP_INSIDE_BYTES && !hop->timed && !replies->failed) {
        outbuf_read(replies, &shard->outbufs, hop->inside);
        hop->message.bytes = end > hop->message.bytes ? (uint16_t)end : hop->message.bytes;
        hop->outside = false;
    } else {
        hop->pending.out = *replies;
        hop->outside = true;
        *replies = (struct outbuf){0};
    }
}

static void hop_release(struct shard *shard, struct hold *hold, int error)
{
    struct hop *hop = (struct hop *)((uint8_t *)hold - offsetof(struct hop, hold));
    if (error != 0) {
        struct outbuf *out = &shard->hop_reply;
        struct reply reply = {.out = out, .cache = &shard->outbufs, .protocol = hop->protocol};
        outbuf_clear(&hop->pending.out, &shard->outbufs);
        for (uint32_t i = 0; i < hop->count; i++) {
            const size_t before = out->bytes;
            reply_error_text(&reply, HOLD_ERROR_TEXT);
            hop->reply_bytes[i] = (uint32_t)(out->bytes - before);
        }
        hop_take_in(shard, hop, out);
    }
    hop_go_back(shard, hop);
}

// The replies are there: they go as soon as they may.
static void hop_leave(struct shard *shard, struct hop *hop, uint64_t commit)
{
    if (hold_waits(shard, commit)) {
        hop->hold.release = hop_release;
        hold_add(shard, &hop->hold, commit);
        return;
    }
    hop_go_back(shard, hop);
}

void hop_done(struct shard *shard, struct hop *hop, struct outbuf *reply, uint64_t commit)
{
    hop->reply_bytes[0] = (uint32_t)reply->bytes;
    hop_take_in(shard, hop, reply);
    if (hop->gated) {
        hop->gated = false;
        gate_release(shard->gates, &hop->waiter);
    }
    hop_leave(shard, hop, commit);
}

// The reply to one of its requests goes behind `to`.
static void hop_take_reply(struct shard *shard, struct hop *hop, uint32_t at, struct outbuf *to)
{
    const uint32_t size = hop->reply_bytes[at];
    if (!hop->outside) {
        uint8_t *room = outbuf_reserve(to, &shard->outbufs, size);
        if (room != NULL) {
            copy_short(room, hop->inside + hop->reply_at, size);
            outbuf_commit(to, size);
        }
        hop->reply_at += size;
    } else if (hop->count == 1) {
        outbuf_splice(to, &hop->pending.out, &shard->outbufs);
    } else {
        outbuf_move(to, &hop->pending.out, &shard->outbufs, size);
    }
}

// The replies of its stand-ins take their places between those that were there at once.
static void hop_gather(struct shard *shard, struct hop *hop)
{
    struct outbuf all = {0};
    for (uint32_t i = 0; i < hop->count; i++) {
        if ((hop->stood & 1U << i) == 0) {
            outbuf_move(&all, &hop->pending.out, &shard->outbufs, hop->reply_bytes[i]);
            continue;
        }
        struct hop *stand_in = hop->stand_ins[i];
        const size_t before = all.bytes;
        hop_take_reply(shard, stand_in, 0, &all);
        hop->reply_bytes[i] = (uint32_t)(all.bytes - before);
        outbuf_clear(&stand_in->pending.out, &shard->outbufs);
        hop_free(shard, &stand_in->pending);
    }
    outbuf_clear(&hop->pending.out, &shard->outbufs);
    hop->pending.out = all;
    hop_leave(shard, hop, hop->commit);
}

static void hop_stood_in(struct shard *shard, struct hop *hop)
{
    struct hop *of = hop->stands_in;
    stats_note_stage(&shard->stats, STAGE_WAIT, shard->io->now_ns - hop->pending.since_ns);
    if (hop->timed && of->count == 1) {
        of->timed = true;
        of->took_ns = hop->took_ns;
    }
    if (--of->standing == 0 && of->ran == of->count) {
        hop_gather(shard, of);
    }
}

void hop_ran(struct shard *shard, struct hop *hop)
{
    struct outbuf *replies = &shard->hop_replies;
    if (hop->ran == hop->count && hop->stood == 0 && !hop->outside) {
        hop_take_in(shard, hop, replies);
        hop_leave(shard, hop, hop->commit);
        return;
    }
    outbuf_splice(&hop->pending.out, replies, &shard->outbufs);
    outbuf_clear(replies, &shard->outbufs);
    hop->outside = true;
    if (hop->ran == hop->count && hop->stood == 0) {
        hop_leave(shard, hop, hop->commit);
    } else if (hop->ran == hop->count && hop->standing == 0) {
        hop_gather(shard, hop);
    }
}

void hop_return(struct shard *shard, struct hop *hop)
{
    const uint64_t took_ns = shard->io->now_ns - hop->pending.since_ns;
    if (hop->message.to != shard->index) {
        shard->credits[hop->message.to]++;
        stats_note_stage_run(&shard->stats, STAGE_HOP, &shard->hops_back, took_ns, hop->count);
    } else {
        stats_note_stage(&shard->stats, STAGE_WAIT, took_ns);
    }
    if (hop->timed) {
        struct slice spans[HOP_ARGUMENTS];
        const struct hop_request *request = hop_first(hop);
        const struct exec x = {.client = hop->pending.client,
                               .command = request->command,
                               .argv = hop_arguments(hop, request, spans),
                               .argc = request->argc};
        slowlog_note(shard, &x, hop->took_ns);
    }
    bool forget = planted(PLANTED_FORGET_REPLY) && shard->stats.hops_sent % 16 == 5;
    if (hop->pending.discard || forget) {
        memset(hop->reply_bytes, 0, sizeof hop->reply_bytes);
    }
    client_pending_done(&hop->pending);
}

void hop_take_replies(struct shard *shard, struct pending *pending, struct outbuf *to)
{
    struct hop *hop = hop_of_pending(pending);
    hop_take_reply(shard, hop, 0, to);
    for (uint32_t i = 1; i < hop->count; i++) {
        client_late_take(pending->client, hop->late_before[i]);
        hop_take_reply(shard, hop, i, to);
    }
}

void hop_free(struct shard *shard, struct pending *pending)
{
    struct hop *hop = hop_of_pending(pending);
    if (!hop->packed) {
        client_lease_release(shard, &hop->lease);
        memory_free(hop->argument_bytes);
        if (hop->argv != hop->spans) {
            memory_free((void *)(uintptr_t)hop->argv);
        }
    }
    pool_give(&shard->hops, hop);
}
