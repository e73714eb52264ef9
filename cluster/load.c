#include "cluster/load.h"

#include "cluster/haul.h"
#include "cluster/hop.h"
#include "cluster/multi.h"
#include "cluster/request.h"
#include "cluster/shard.h"
#include "core/check.h"
#include "core/limits.h"

enum { LOAD_AHEAD = 32 }; // keys of a part that are read together

struct load {
    struct item item; // first
    struct shard *shard;
    struct hop *hop;         // whose it is; or
    struct multi_part *part; // this part's
    uint64_t began_ns;
    struct slice spans[HOP_ARGUMENTS];
};

size_t load_bytes(void)
{
    return sizeof(struct load);
}

static struct load *load_take(struct shard *shard, engine_done_fn *done)
{
    struct load *load = pool_take(&shard->loads);
    if (load != NULL) {
        load->shard = shard;
        load->hop = NULL;
        load->part = NULL;
        load->began_ns = shard->io->now_ns;
        load->item.op.done = done;
    }
    return load;
}

static void load_give(struct load *load)
{
    pool_give(&load->shard->loads, load);
}

// Begins to read. False when it needs no reading after all, or there was no memory for it: it is
// over.
static bool load_begin(struct load *load, bool touches)
{
    load->shard->stats.loads++;
    item_load_begin(load->shard, &load->item, touches);
    if (load->item.op.status != ENGINE_PENDING) {
        return false;
    }
    work_spend(&load->shard->work, WORK_READ);
    return true;
}

// Of hops --------------------------------------------------------------------------------------

static void load_run_hop(struct load *load)
{
    struct shard *shard = load->shard;
    struct hop *hop = load->hop;
    struct exec x = {0};
    hop_exec(shard, hop, load->spans, &x);
    x.item = &load->item;
    if (!item_loaded(&x, x.item)) {
        haul_free(shard, hop->haul);
        hop->haul = NULL;
    } else if (!haul_run(&x, hop)) {
        load_give(load);
        return;
    }
    request_count_late(&x, shard->io->now_ns - load->began_ns);
    if (shard->slowlog_each) {
        hop->timed = true;
        hop->took_ns = shard->io->now_ns - load->began_ns;
    }
    load_give(load);
    hop_done(shard, hop, &shard->hop_reply, x.commit);
}

static void load_hop_done(struct engine_op *op)
{
    load_run_hop((struct load *)(void *)op);
}

bool load_for_hop(struct exec *x, struct hop *hop)
{
    struct shard *shard = x->shard;
    if (!hop->gated && !gate_room(shard->gates, 1)) {
        return false;
    }
    struct load *load = load_take(shard, load_hop_done);
    if (load == NULL) {
        return false;
    }
    if (!hop->gated) {
        hop_hold_gate(shard, hop);
    }
    load->hop = hop;
    hop_item(hop_first(hop), hop_arguments(hop, hop_first(hop), load->spans), &load->item);
    if (!load_begin(load, item_touches(x))) {
        load_run_hop(load);
    }
    return true;
}

// Of parts ---------------------------------------------------------------------------------------

static void load_part_done(struct engine_op *op)
{
    struct load *load = (struct load *)(void *)op;
    struct multi_part *part = load->part;
    multi_part_loaded(load->shard, part, &load->item);
    work_add(&load->shard->work, &part->work);
    load_give(load);
}

static void load_ahead_done(struct engine_op *op)
{
    struct load *load = (struct load *)(void *)op;
    multi_part_ahead(load->shard, load->part);
    load_give(load);
}

// So that the record is in the cache when its turn comes, or nearly so. What finds no room, or no
// time in this slice, is read when it is needed.
static void load_ahead(struct shard *shard, struct multi_part *part, uint32_t from)
{
    const struct part_key *keys = part->multi->keys;
    uint32_t ahead = 0;
    for (uint32_t i = from; i != PART_KEY_NONE && ahead < LOAD_AHEAD; i = keys[i].next, ahead++) {
        struct load *load = work_over(&shard->work) ? NULL : load_take(shard, load_ahead_done);
        if (load == NULL) {
            return;
        }
        part_key_item(&keys[i], part->multi->argv, &load->item);
        load->part = part;
        part->ahead++;
        item_load_ahead(shard, &load->item);
        if (load->item.op.status != ENGINE_PENDING) {
            load_ahead_done(&load->item.op);
        } else {
            shard->stats.loads++;
        }
    }
}

bool load_for_part(struct shard *shard, struct multi_part *part)
{
    const struct part_key *key = &part->multi->keys[part->key_at];
    struct load *load = load_take(shard, load_part_done);
    if (load == NULL) {
        return false;
    }
    load->part = part;
    part->loading = true;
    part_key_item(key, part->multi->argv, &load->item);
    load_ahead(shard, part, key->next);
    if (!load_begin(load, !part->multi->no_touch)) {
        multi_part_loaded(shard, part, &load->item);
        load_give(load);
    }
    return true;
}
