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

// Copies the arguments into the message. False when they do not fit.
static bool hop_pack(struct hop *hop, const struct exec *x)
{
    if (x->argc > HOP_ARGUMENTS) {
        return false;
    }
    size_t size = x->argc * sizeof(uint16_t);
    for (uint32_t i = 0; i < x->argc; i++) {
        size += x->argv[i].size;
    }
    if (size > HOP_INSIDE_BYTES) {
        return false;
    }
    uint8_t *sizes = hop->inside;
    uint8_t *bytes = hop->inside + x->argc * sizeof(uint16_t);
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
    hop->packed_bytes = (uint16_t)size;
    return true;
}

const struct slice *hop_arguments(const struct hop *hop, struct slice *spans)
{
    if (hop->packed_bytes == 0) {
        return hop->argv;
    }
    const uint8_t *sizes = hop->inside;
    const uint8_t *bytes = hop->inside + hop->argc * sizeof(uint16_t);
    for (uint32_t i = 0; i < hop->argc; i++) {
        uint16_t size;
        memcpy(&size, sizes, sizeof size);
        sizes += sizeof size;
        spans[i] = slice_of(bytes, size);
        bytes += size;
    }
    return spans;
}

// The argument slices are the batch's, and go with it: the hop needs its own.
static bool hop_refer(struct hop *hop, const struct exec *x)
{
    struct slice *spans = hop->spans;
    hop->packed_bytes = 0;
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
    struct client *client = x->client;
    struct hop *hop = pool_take(&shard->hops);
    if (hop == NULL) {
        return NULL;
    }
    if (!hop_pack(hop, x) && !hop_refer(hop, x)) {
        pool_give(&shard->hops, hop);
        return NULL;
    }
    CHECK(x->item->argument <= UINT16_MAX);
    hop->message =
        (struct message){.kind = MESSAGE_HOP, .from = (uint8_t)shard->index, .to = (uint8_t)core};
    hop->command = x->command;
    hop->hash = x->item->op.hash;
    hop->vnode = x->item->op.vnode;
    hop->argc = x->argc;
    hop->slot = x->item->slot;
    hop->argument = (uint16_t)x->item->argument;
    hop->reply_bytes = 0;
    hop->protocol = planted(PLANTED_FORGET_PROTOCOL) ? 2 : client->protocol;
    hop->no_touch = x->no_touch;
    hop->timed = false;
    hop->gated = false;
    hop->pending.out = (struct outbuf){0};
    return hop;
}

bool hop_send(struct exec *x, uint32_t core)
{
    struct shard *shard = x->shard;
    struct hop *hop = hop_make(x, core);
    if (hop == NULL) {
        return false;
    }
    client_pending_add(x->client, &hop->pending, PENDING_HOP);
    if (core == shard->index) {
        shard->stats.gate_waits++;
        hop_wait(shard, hop);
        return true;
    }
    shard->stats.hops_sent++;
    shard_post(shard, &hop->message);
    return true;
}

bool hop_load(struct exec *x)
{
    struct hop *hop = hop_make(x, x->shard->index);
    if (hop == NULL) {
        return false;
    }
    client_pending_add(x->client, &hop->pending, PENDING_HOP);
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
        client_pending_add(x->client, &hop->pending, PENDING_HOP);
    }
    return hop;
}

void hop_item(const struct hop *hop, const struct slice *argv, struct item *ret_item)
{
    ret_item->argument = hop->argument;
    ret_item->slot = hop->slot;
    ret_item->op.hash = hop->hash;
    ret_item->op.vnode = hop->vnode;
    ret_item->op.key = argv[hop->argument];
}

void hop_exec(struct shard *shard, struct hop *hop, struct slice *spans, struct exec *ret_exec)
{
    struct exec *x = ret_exec; // field by field: clearing all of it first costs more than the rest
    x->shard = shard;
    x->client = NULL;
    x->command = hop->command;
    x->argv = hop_arguments(hop, spans);
    x->argc = hop->argc;
    x->reply.out = &shard->hop_reply;
    x->reply.cache = &shard->outbufs;
    x->reply.errors = 0;
    x->reply.protocol = hop->protocol;
    x->item = NULL;
    x->sum = 0;
    x->commit = 0;
    x->veto = x->failed = x->scoped = x->reserved = x->batch_bytes = x->later = false;
    x->no_touch = hop->no_touch;
}

static void hop_granted(struct gate_waiter *waiter)
{
    struct hop *hop = hop_of_waiter(waiter);
    hop_list_add(&hop->waiting_at->granted, hop);
}

void hop_wait(struct shard *shard, struct hop *hop)
{
    hop->waiter = (struct gate_waiter){.hash = hop->hash, .granted = hop_granted};
    hop->waiting_at = shard;
    hop->gated = true;
    hop->haul = NULL;
    gate_wait(shard->gates, &hop->waiter);
}

void hop_hold_gate(struct shard *shard, struct hop *hop)
{
    hop->waiter = (struct gate_waiter){.hash = hop->hash, .granted = hop_granted};
    hop->waiting_at = shard;
    hop->gated = true;
    hop->haul = NULL;
    gate_hold(shard->gates, &hop->waiter);
}

static void hop_go_back(struct shard *shard, struct hop *hop)
{
    if (hop->message.from == shard->index) {
        hop_return(shard, hop);
        return;
    }
    hop->message.returning = true;
    shard_post(shard, &hop->message);
}

static void hop_take_in(struct shard *shard, struct hop *hop, struct outbuf *reply)
{
    if (reply->bytes <= HOP_INSIDE_BYTES && !hop->timed && !reply->failed) {
        hop->reply_bytes = (uint16_t)reply->bytes;
        outbuf_read(reply, &shard->outbufs, hop->inside);
    } else {
        hop->pending.out = *reply;
        *reply = (struct outbuf){0};
    }
}

static void hop_release(struct shard *shard, struct hold *hold, int error)
{
    struct hop *hop = (struct hop *)((uint8_t *)hold - offsetof(struct hop, hold));
    if (error != 0) {
        struct reply reply = {
            .out = &shard->hop_reply, .cache = &shard->outbufs, .protocol = hop->protocol};
        outbuf_clear(&hop->pending.out, &shard->outbufs);
        reply_error_text(&reply, HOLD_ERROR_TEXT);
        hop_take_in(shard, hop, &shard->hop_reply);
    }
    hop_go_back(shard, hop);
}

void hop_done(struct shard *shard, struct hop *hop, struct outbuf *reply, uint64_t commit)
{
    hop_take_in(shard, hop, reply);
    if (hop->gated) {
        hop->gated = false;
        gate_release(shard->gates, &hop->waiter);
    }
    if (hold_waits(shard, commit)) {
        hop->hold.release = hop_release;
        hold_add(shard, &hop->hold, commit);
        return;
    }
    hop_go_back(shard, hop);
}

void hop_return(struct shard *shard, struct hop *hop)
{
    const uint64_t took_ns = shard->io->now_ns - hop->pending.since_ns;
    if (hop->message.to != shard->index) {
        shard->credits[hop->message.to]++;
        stats_note_stage_run(&shard->stats, STAGE_HOP, &shard->hops_back, took_ns);
    } else {
        stats_note_stage(&shard->stats, STAGE_WAIT, took_ns);
    }
    if (hop->timed) {
        struct slice spans[HOP_ARGUMENTS];
        const struct exec x = {.client = hop->pending.client,
                               .command = hop->command,
                               .argv = hop_arguments(hop, spans),
                               .argc = hop->argc};
        slowlog_note(shard, &x, hop->took_ns);
    }
    bool forget = planted(PLANTED_FORGET_REPLY) && hop->hash % 16 == 5;
    if (hop->pending.discard || forget) {
        hop->reply_bytes = 0;
    }
    client_pending_done(&hop->pending);
}

void hop_take_reply(struct shard *shard, struct pending *pending, struct outbuf *to)
{
    struct hop *hop = hop_of_pending(pending);
    if (hop->reply_bytes != 0) {
        uint8_t *at = outbuf_reserve(to, &shard->outbufs, hop->reply_bytes);
        if (at != NULL) {
            copy_short(at, hop->inside, hop->reply_bytes);
            outbuf_commit(to, hop->reply_bytes);
        }
        return; // it is here or there
    }
    outbuf_splice(to, &pending->out, &shard->outbufs);
}

void hop_free(struct shard *shard, struct pending *pending)
{
    struct hop *hop = hop_of_pending(pending);
    if (hop->packed_bytes == 0) {
        client_lease_release(shard, &hop->lease);
        memory_free(hop->argument_bytes);
        if (hop->argv != hop->spans) {
            memory_free((void *)(uintptr_t)hop->argv);
        }
    }
    pool_give(&shard->hops, hop);
}
