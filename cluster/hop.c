#include "cluster/hop.h"

#include "cluster/client.h"
#include "cluster/shard.h"
#include "cluster/slowlog.h"
#include "core/check.h"
#include "core/limits.h"
#include "core/memory.h"

#include <stddef.h>
#include <string.h>

static struct hop *hop_of_pending(struct pending *pending)
{
    return (struct hop *)((uint8_t *)pending - offsetof(struct hop, pending));
}

static struct hop *hop_of_waiter(struct gate_waiter *waiter)
{
    return (struct hop *)((uint8_t *)waiter - offsetof(struct hop, waiter));
}

// The argument slices are the batch's, and go with it: the hop needs its own.
static bool hop_copy_arguments(struct hop *hop, const struct exec *x)
{
    struct slice *arguments = hop->arguments;
    hop->argv = arguments;
    if (x->argc > HOP_ARGUMENTS_INLINE) {
        arguments = memory_allocate(x->argc * sizeof *arguments);
        if (arguments == NULL) {
            return false;
        }
    }
    memcpy(arguments, x->argv, x->argc * sizeof *arguments);
    hop->argv = arguments;
    hop->argc = x->argc;
    hop->argument_bytes = NULL;
    hop->lease = (struct client_lease){0};
    if (!x->batch_bytes) {
        hop->lease = client_lease_hold(x->client);
        return true;
    }
    return exec_copy_argument_bytes(arguments, x->argc, &hop->argument_bytes);
}

bool hop_send(struct exec *x, uint32_t core)
{
    struct shard *shard = x->shard;
    struct client *client = x->client;
    struct hop *hop = pool_take(&shard->hops);
    if (hop == NULL) {
        return false;
    }
    if (!hop_copy_arguments(hop, x)) {
        if (hop->argv != hop->arguments) {
            memory_free((void *)(uintptr_t)hop->argv);
        }
        pool_give(&shard->hops, hop);
        return false;
    }
    hop->message =
        (struct message){.kind = MESSAGE_HOP, .from = (uint8_t)shard->index, .to = (uint8_t)core};
    hop->waiter = (struct gate_waiter){0};
    hop->waiting_at = NULL;
    hop->command = x->command;
    hop->hash = x->item->op.hash;
    hop->vnode = x->item->op.vnode;
    hop->slot = x->item->slot;
    hop->argument = x->item->argument;
    hop->protocol = client->protocol;
    hop->timed = false;
    hop->scoped = (client->flags & CLIENT_SHARD_PORT) != 0;
    hop->pending.out = (struct outbuf){0};
    client_pending_add(client, &hop->pending, PENDING_HOP);
    if (core == shard->index) {
        shard->stats.gate_waits++;
        if (!hop_wait(shard, hop)) {
            // Cannot be: whoever waits joins a gate that is there.
            CHECK(false);
        }
        return true;
    }
    // The room for the reply comes from here: chunks would drift to the other core's cache
    // otherwise.
    (void)outbuf_reserve(&hop->pending.out, &shard->outbufs, 1);
    shard->stats.hops_sent++;
    shard_post(shard, &hop->message);
    return true;
}

static void hop_granted(struct gate_waiter *waiter)
{
    struct hop *hop = hop_of_waiter(waiter);
    struct shard *shard = hop->waiting_at;
    hop->next_granted = NULL;
    if (shard->granted_last != NULL) {
        shard->granted_last->next_granted = hop;
    } else {
        shard->granted_first = hop;
    }
    shard->granted_last = hop;
}

bool hop_wait(struct shard *shard, struct hop *hop)
{
    hop->waiter.hash = hop->hash;
    hop->waiter.granted = hop_granted;
    hop->waiting_at = shard;
    switch (gate_take(shard->gates, &hop->waiter)) {
    case GATE_GRANTED:
        hop_granted(&hop->waiter);
        return true;
    case GATE_QUEUED:
        return true;
    case GATE_TABLE_FULL:
        break;
    }
    hop->waiting_at = NULL;
    return false;
}

void hop_done(struct shard *shard, struct hop *hop)
{
    if (hop->waiting_at != NULL) {
        hop->waiting_at = NULL;
        gate_release(shard->gates, &hop->waiter);
    }
    if (hop->message.from == shard->index) {
        hop_return(shard, hop);
        return;
    }
    hop->message.returning = true;
    shard_post(shard, &hop->message);
}

void hop_return(struct shard *shard, struct hop *hop)
{
    if (hop->message.to != shard->index) {
        shard->credits[hop->message.to]++;
    }
    if (hop->timed) {
        const struct exec x = {.client = hop->pending.client,
                               .command = hop->command,
                               .argv = hop->argv,
                               .argc = hop->argc};
        slowlog_note(shard, &x, hop->took_ns);
    }
    client_pending_done(&hop->pending);
}

void hop_free(struct shard *shard, struct pending *pending)
{
    struct hop *hop = hop_of_pending(pending);
    client_lease_release(shard, &hop->lease);
    memory_free(hop->argument_bytes);
    if (hop->argv != hop->arguments) {
        memory_free((void *)(uintptr_t)hop->argv);
    }
    pool_give(&shard->hops, hop);
}
