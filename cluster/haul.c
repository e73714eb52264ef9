#include "cluster/haul.h"

#include "cluster/hop.h"
#include "cluster/item.h"
#include "cluster/request.h"
#include "cluster/shard.h"
#include "core/limits.h"
#include "core/memory.h"

#include <stddef.h>
#include <stdio.h>

enum { HAUL_PIECE_BYTES = 64 * 1024 };

struct haul {
    struct work work; // first
    struct haul *next;
    struct hop *hop;
    size_t size; // of the value
    size_t at;
    uint64_t began_ns;
    struct outbuf out;
};

bool haul_wanted(const struct exec *x)
{
    return (x->command->flags & COMMAND_HAULED) != 0 && !x->shard->durable && x->item->exists &&
           item_value(x->item).size > LIMIT_HAUL_BYTES;
}

static void haul_end(struct shard *shard, struct exec *x)
{
    struct haul *haul = shard->haul_first;
    shard->haul_first = haul->next;
    if (haul->next == NULL) {
        shard->haul_last = NULL;
    } else {
        work_add(&shard->work, &haul->next->work);
    }
    request_count_late(x, shard->io->now_ns - haul->began_ns);
    hop_done(shard, haul->hop, &haul->out, x->commit);
    memory_free(haul);
}

// The value is not what it was: what there is now is the reply.
static void haul_anew(struct haul *haul, struct exec *x)
{
    outbuf_clear(&haul->out, x->reply.cache);
    if (item_load(x, x->item) == ITEM_LOADED) {
        x->command->run(x);
    }
}

static void haul_work(struct shard *shard, struct work *work)
{
    struct haul *haul = (struct haul *)(void *)work;
    struct slice spans[HOP_ARGUMENTS];
    struct item item = {0};
    struct exec x = {0};
    hop_exec(shard, haul->hop, spans, &x);
    hop_item(haul->hop, x.argv, &item);
    x.item = &item;
    x.reply.out = &haul->out;
    x.no_touch = true; // it was touched when it began
    if (item_load(&x, &item) != ITEM_LOADED || !item.exists ||
        item_value(&item).size != haul->size) {
        haul_anew(haul, &x);
        haul_end(shard, &x);
        return;
    }
    struct slice value = item_value(&item);
    while (haul->at < haul->size && !work_over(&shard->work)) {
        size_t rest = haul->size - haul->at;
        size_t piece = rest < HAUL_PIECE_BYTES ? rest : HAUL_PIECE_BYTES;
        outbuf_append(&haul->out, &shard->outbufs, value.bytes + haul->at, piece);
        haul->at += piece;
        work_spend(&shard->work, piece / WORK_FRESH_BYTES_A_UNIT);
    }
    if (haul->at < haul->size) {
        work_add(&shard->work, &haul->work);
        return;
    }
    outbuf_append(&haul->out, &shard->outbufs, "\r\n", 2);
    item_count_access(shard, &item);
    haul_end(shard, &x);
}

bool haul_begin(struct exec *x, struct hop *hop)
{
    struct shard *shard = x->shard;
    char head[32];
    if (!hop->gated && !gate_room(shard->gates, 1)) {
        return false;
    }
    struct haul *haul = memory_allocate(sizeof *haul);
    if (haul == NULL) {
        return false;
    }
    *haul = (struct haul){
        .work = {.run = haul_work},
        .hop = hop,
        .size = item_value(x->item).size,
        .began_ns = shard->io->now_ns,
    };
    int size = snprintf(head, sizeof head, "$%zu\r\n", haul->size);
    outbuf_append(&haul->out, &shard->outbufs, head, (size_t)size);
    if (!hop->gated) {
        hop_hold_gate(shard, hop);
    }
    if (shard->haul_last != NULL) {
        shard->haul_last->next = haul;
    } else {
        shard->haul_first = haul;
        work_add(&shard->work, &haul->work);
    }
    shard->haul_last = haul;
    return true;
}
