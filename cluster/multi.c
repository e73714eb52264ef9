#include "cluster/multi.h"

#include "cluster/client.h"
#include "cluster/request.h"
#include "cluster/shard.h"
#include "cluster/slowlog.h"
#include "core/check.h"
#include "core/limits.h"
#include "core/memory.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>

enum { MULTI_CHUNK = 32 }; // keys whose memory is fetched ahead together

static const char TEXT_OVERLOADED[] =
    "OVERLOADED too many commands over several keys are under way on this node; retry";

static struct multi_part *part_of_waiter(struct gate_waiter *waiter);

// Running over keys --------------------------------------------------------------------------

static void item_of_key(struct item *item, const struct part_key *key, const struct slice *argv)
{
    item->op.hash = key->hash;
    item->op.vnode = key->vnode;
    item->op.key = argv[key->argument];
    item->argument = key->argument;
    item->slot = key->slot;
}

// More than a connection may have unread: of a part only an error goes back; on the connection's
// own core the connection is closed for it, as it would be for any reply.
static void keys_too_large(struct exec *x)
{
    x->failed = true;
    if (x->part != NULL) {
        outbuf_clear(x->reply.out, x->reply.cache);
        exec_error(x, "ERR the reply would be larger than clients.output_max");
    }
}

// Pairs are set all or none: whether the values of these have room is asked before the first is
// set.
static bool keys_fit(struct exec *x, const struct part_key *keys, uint32_t count)
{
    uint64_t bytes = 0;
    if ((x->command->flags & COMMAND_PAIRS) == 0) {
        return true;
    }
    for (uint32_t i = 0; i < count; i++) {
        bytes += x->argv[keys[i].argument].size + x->argv[keys[i].argument + 1].size;
    }
    if (engine_fits(x->shard->engine, bytes, count)) {
        return true;
    }
    exec_error_memory(x);
    return false;
}

// Calls fn for each key, loaded, in order; stops at the first error. Lengths of replies are noted
// in the keys.
static void keys_run(struct exec *x, struct part_key *keys, uint32_t count, command_fn *fn)
{
    struct shard *shard = x->shard;
    struct item items[MULTI_CHUNK];
    struct engine_op *ops[MULTI_CHUNK];
    for (uint32_t begin = 0; begin < count && !x->failed; begin += MULTI_CHUNK) {
        uint32_t chunk = count - begin < MULTI_CHUNK ? count - begin : MULTI_CHUNK;
        for (uint32_t i = 0; i < chunk; i++) {
            item_of_key(&items[i], &keys[begin + i], x->argv);
            ops[i] = &items[i].op;
        }
        engine_prepare(shard->engine, ops, chunk);
        for (uint32_t i = 0; i < chunk && !x->failed; i++) {
            size_t before = x->reply.out->bytes;
            x->item = &items[i];
            item_load(shard, x->item);
            fn(x);
            if (x->reply.out->bytes > shard->config.clients.output_max_bytes) {
                keys_too_large(x);
                return;
            }
            keys[begin + i].reply_bytes = (uint32_t)(x->reply.out->bytes - before);
        }
    }
}

static struct exec part_exec(struct shard *shard, struct multi_part *part)
{
    const struct multi *multi = part->multi;
    return (struct exec){
        .shard = shard,
        .command = multi->command,
        .argv = multi->argv,
        .argc = multi->argc,
        .scoped = multi->scoped,
        .caller_id = multi->caller_id,
        .part = &part->result,
        .reply = {.out = &part->result.out, .cache = &shard->outbufs, .protocol = multi->protocol},
    };
}

// What only reads: under the gates, in round 1.
static void part_check(struct shard *shard, struct multi_part *part)
{
    struct exec x = part_exec(shard, part);
    if (x.command->route == ROUTE_TRANSFER) {
        transfer_read(&x, part->multi, part);
    } else if (x.command->merge == MERGE_UNLESS) {
        keys_run(&x, part->keys, part->key_count, x.command->check);
        part->veto = x.veto;
    } else if (x.command->merge == MERGE_ARRAY) {
        keys_run(&x, part->keys, part->key_count, x.command->run);
    }
    if (!x.failed && !part->veto) {
        (void)keys_fit(&x, part->keys, part->key_count);
    }
    part->failed = x.failed || x.reply.out->failed;
}

static void part_apply(struct shard *shard, struct multi_part *part)
{
    struct exec x = part_exec(shard, part);
    if (x.command->route == ROUTE_TRANSFER) {
        transfer_apply(&x, part->multi, part);
        if (part->step == PART_SOLO && !x.failed) {
            transfer_reply(&x);
        }
    } else if (x.command->merge != MERGE_ARRAY) {
        keys_run(&x, part->keys, part->key_count, x.command->run);
        part->result.sum = x.sum;
    }
    part->failed = part->failed || x.failed;
}

// Gates --------------------------------------------------------------------------------------

static void part_waiter_granted(struct gate_waiter *waiter)
{
    struct multi_part *part = part_of_waiter(waiter);
    part->granted++;
    part->next_granted = part->at->parts_granted;
    part->at->parts_granted = part;
}

// The waiters of a part lie in one array; the one that queues is always the first not granted.
static struct multi_part *part_of_waiter(struct gate_waiter *waiter)
{
    return ((struct part_waiter *)waiter)->part;
}

static void part_release(struct shard *shard, struct multi_part *part)
{
    while (part->granted > 0) {
        gate_release(shard->gates, &part->waiters[--part->granted].waiter);
    }
}

static void part_done(struct shard *shard, struct multi_part *part)
{
    part->at = NULL;
    if (part->message.from == shard->index) {
        multi_part_return(shard, part);
        return;
    }
    part->message.returning = true;
    shard_post(shard, &part->message);
}

static void part_gated(struct shard *shard, struct multi_part *part)
{
    struct multi *multi = part->multi;
    part_check(shard, part);
    if (part->step == PART_SOLO) {
        bool apply = !part->failed && !part->veto;
        if (apply && multi->command->route == ROUTE_TRANSFER) {
            // Alone it decides and replies itself; the reply lies in the part's result.
            struct exec x = part_exec(shard, part);
            apply = transfer_decide(&x, multi);
            part->failed = x.failed;
        }
        if (apply) {
            part_apply(shard, part);
        }
        part_release(shard, part);
    }
    part_done(shard, part);
}

static void part_take_gates(struct shard *shard, struct multi_part *part)
{
    while (part->granted < part->waiter_count) {
        struct gate_waiter *waiter = &part->waiters[part->granted].waiter;
        switch (gate_take(shard->gates, waiter)) {
        case GATE_GRANTED:
            part->granted++;
            break;
        case GATE_QUEUED:
            shard->stats.gate_waits++;
            return;
        case GATE_TABLE_FULL: {
            part_release(shard, part);
            struct exec x = part_exec(shard, part);
            exec_error(&x, TEXT_OVERLOADED);
            part->failed = true;
            part_done(shard, part);
            return;
        }
        }
    }
    part_gated(shard, part);
}

void multi_part_granted(struct shard *shard, struct multi_part *part)
{
    part_take_gates(shard, part);
}

static void part_run_slice(struct shard *shard, struct multi_part *part)
{
    struct exec x = part_exec(shard, part);
    part->result.more = false;
    x.command->run(&x);
    part->result.sum += x.sum;
    part->failed = x.failed;
    if (part->result.more && !part->failed) {
        part->next_granted = NULL;
        if (shard->parts_slicing_last != NULL) {
            shard->parts_slicing_last->next_granted = part;
        } else {
            shard->parts_slicing = part;
        }
        shard->parts_slicing_last = part;
        return;
    }
    part_done(shard, part);
}

bool multi_slice(struct shard *shard)
{
    struct multi_part *part = shard->parts_slicing;
    if (part == NULL) {
        return false;
    }
    shard->parts_slicing = part->next_granted;
    if (shard->parts_slicing == NULL) {
        shard->parts_slicing_last = NULL;
    }
    part_run_slice(shard, part);
    return shard->parts_slicing != NULL;
}

void multi_part_receive(struct shard *shard, struct multi_part *part)
{
    part->at = shard;
    switch ((enum part_step)part->step) {
    case PART_SOLO:
    case PART_GATE:
        part_take_gates(shard, part);
        return;
    case PART_FINISH:
        if (part->multi->apply) {
            part_apply(shard, part);
        }
        part_release(shard, part);
        break;
    case PART_ALL:
        part_run_slice(shard, part);
        return;
    }
    part_done(shard, part);
}

// The coordinator ----------------------------------------------------------------------------

static void part_send(struct multi *multi, struct multi_part *part, enum part_step step)
{
    struct shard *shard = multi->shard;
    part->step = (uint8_t)step;
    part->message.returning = false;
    multi->parts_open++;
    if (part->message.to == shard->index) {
        multi_part_receive(shard, part);
    } else {
        shard_post(shard, &part->message);
    }
}

// Whether round 1 can bring a "no": then nothing may be applied before it is over.
static bool multi_can_be_vetoed(const struct command *command)
{
    return command->merge == MERGE_UNLESS || command->route == ROUTE_TRANSFER;
}

static void multi_next(struct multi *multi)
{
    struct multi_part *part = &multi->parts[multi->part_next++];
    bool last = multi->part_next == multi->part_count;
    bool solo = multi->part_count == 1 || (last && !multi_can_be_vetoed(multi->command));
    part_send(multi, part, solo ? PART_SOLO : PART_GATE);
}

static struct exec multi_exec(struct multi *multi)
{
    return (struct exec){
        .shard = multi->shard,
        .client = multi->pending.client,
        .command = multi->command,
        .argv = multi->argv,
        .argc = multi->argc,
        .scoped = multi->scoped,
        .reply = {.out = &multi->pending.out,
                  .cache = &multi->shard->outbufs,
                  .protocol = multi->protocol},
    };
}

// The replies of the parts, interleaved in the order of the arguments.
static void multi_merge_array(struct multi *multi, struct exec *x)
{
    uint32_t *at = memory_allocate(multi->part_count * sizeof *at);
    if (at == NULL) {
        x->reply.out->failed = true;
        return;
    }
    memset(at, 0, multi->part_count * sizeof *at);
    reply_array(&x->reply, multi->key_count);
    for (uint32_t done = 0; done < multi->key_count; done++) {
        uint32_t best = 0;
        uint32_t argument = UINT32_MAX;
        for (uint32_t p = 0; p < multi->part_count; p++) {
            const struct multi_part *part = &multi->parts[p];
            if (at[p] < part->key_count && part->keys[at[p]].argument < argument) {
                argument = part->keys[at[p]].argument;
                best = p;
            }
        }
        struct multi_part *part = &multi->parts[best];
        outbuf_move(x->reply.out, &part->result.out, x->reply.cache,
                    part->keys[at[best]++].reply_bytes);
    }
    memory_free(at);
}

static void multi_merge(struct multi *multi, struct exec *x)
{
    switch ((enum command_merge)multi->command->merge) {
    case MERGE_NONE:
        break;
    case MERGE_SUM: {
        int64_t sum = 0;
        for (uint32_t p = 0; p < multi->part_count; p++) {
            sum += multi->parts[p].result.sum;
        }
        reply_integer(&x->reply, sum);
        break;
    }
    case MERGE_ARRAY:
        multi_merge_array(multi, x);
        break;
    case MERGE_OK:
        reply_simple(&x->reply, "OK");
        break;
    case MERGE_UNLESS:
        reply_integer(&x->reply, multi->apply ? 1 : 0);
        break;
    }
}

static void multi_finish_all(struct multi *multi, struct exec *x)
{
    struct part *parts = memory_allocate(multi->part_count * sizeof *parts);
    if (parts == NULL) {
        x->reply.out->failed = true;
        return;
    }
    for (uint32_t p = 0; p < multi->part_count; p++) {
        parts[p] = multi->parts[p].result;
    }
    x->parts = parts;
    x->part_count = multi->part_count;
    multi->command->finish(x);
    for (uint32_t p = 0; p < multi->part_count; p++) {
        multi->parts[p].result = parts[p];
    }
    memory_free(parts);
}

// What it took is all the time that it was under way, waiting included.
static void multi_count(const struct multi *multi, const struct exec *x)
{
    struct shard *shard = multi->shard;
    uint64_t took_ns = io_clock_ns(shard->io) - multi->began_ns;
    struct command_stats *of = &shard->stats.of[multi->command->index];
    shard->stats.commands++;
    of->calls++;
    of->failed += x->failed;
    of->time_ns += took_ns;
    histogram_record(&of->latency, took_ns);
    slowlog_note(shard, x, took_ns);
}

// Everything is back: the one reply is made of the parts'.
static void multi_reply(struct multi *multi)
{
    struct exec x = multi_exec(multi);
    struct shard *shard = multi->shard;
    for (uint32_t p = 0; p < multi->part_count && !x.failed; p++) {
        struct multi_part *part = &multi->parts[p];
        if (part->failed) {
            // Only the error: what its keys replied before it is dropped.
            outbuf_splice(x.reply.out, &part->result.out, &shard->outbufs);
            x.failed = true;
        }
    }
    if (!x.failed) {
        if (multi->command->route == ROUTE_ALL) {
            multi_finish_all(multi, &x);
        } else if (multi->command->route == ROUTE_TRANSFER) {
            if (multi->part_count == 1) {
                outbuf_splice(x.reply.out, &multi->parts[0].result.out, &shard->outbufs);
            } else if (multi->apply) {
                transfer_reply(&x);
            }
        } else {
            multi_merge(multi, &x);
        }
    }
    multi_count(multi, &x);
    struct client *client = multi->pending.client;
    client->flags &= ~(uint32_t)CLIENT_BARRIER;
    client_pending_done(&multi->pending);
}

// The source of RENAME and COPY is finished when its destination was written, or was refused.
static bool multi_waits_for_destination(const struct multi *multi, const struct multi_part *part)
{
    return multi->command->route == ROUTE_TRANSFER && multi->apply &&
           !transfer_holds_destination(part);
}

// Nothing is under way any more of round 2 or 3.
static void multi_round_over(struct multi *multi)
{
    if (multi->round == 3 || multi->command->route != ROUTE_TRANSFER || !multi->apply) {
        multi_reply(multi);
        return;
    }
    multi->round = 3;
    for (uint32_t p = 0; p < multi->part_count; p++) {
        multi->apply = multi->apply && !multi->parts[p].failed;
    }
    for (uint32_t p = 0; p < multi->part_count; p++) {
        if (!transfer_holds_destination(&multi->parts[p])) {
            part_send(multi, &multi->parts[p], PART_FINISH);
            return;
        }
    }
    CHECK(false); // two parts: one of them holds the source
}

// Round 1 is over: what it found decides.
static void multi_second_round(struct multi *multi)
{
    struct exec x = multi_exec(multi);
    bool apply = true;
    uint32_t gated = 0;
    for (uint32_t p = 0; p < multi->part_next; p++) {
        apply = apply && !multi->parts[p].failed && !multi->parts[p].veto;
        gated += multi->parts[p].granted != 0;
    }
    if (apply && multi->command->route == ROUTE_TRANSFER) {
        apply = transfer_decide(&x, multi);
    }
    multi->apply = apply;
    multi->round = 2;
    if (gated == 0) {
        multi_reply(multi);
        return;
    }
    multi->parts_open = 1; // this function's own, so that the last part to return is seen once
    for (uint32_t p = 0; p < multi->part_next; p++) {
        struct multi_part *part = &multi->parts[p];
        if (part->granted != 0 && !multi_waits_for_destination(multi, part)) {
            part_send(multi, part, PART_FINISH);
        }
    }
    if (--multi->parts_open == 0) {
        multi_round_over(multi);
    }
}

void multi_part_return(struct shard *shard, struct multi_part *part)
{
    (void)shard;
    struct multi *multi = part->multi;
    CHECK(multi->parts_open > 0);
    multi->parts_open--;
    if (multi->round == 1 && multi->command->route != ROUTE_ALL) {
        if (part->failed || multi->part_next == multi->part_count) {
            if (multi->part_count == 1) {
                multi->apply = !part->failed && !part->veto;
                multi_reply(multi);
            } else {
                multi_second_round(multi);
            }
        } else {
            multi_next(multi);
        }
        return;
    }
    if (multi->parts_open != 0) {
        return;
    }
    if (multi->command->route == ROUTE_ALL) {
        multi_reply(multi);
    } else {
        multi_round_over(multi);
    }
}

// Starting -----------------------------------------------------------------------------------

static int part_key_compare(const void *a, const void *b)
{
    uint64_t x = ((const struct part_waiter *)a)->waiter.hash;
    uint64_t y = ((const struct part_waiter *)b)->waiter.hash;
    return x < y ? -1 : x > y;
}

static bool part_make_waiters(struct multi_part *part)
{
    part->waiters = memory_allocate(part->key_count * sizeof *part->waiters);
    if (part->waiters == NULL) {
        return false;
    }
    for (uint32_t i = 0; i < part->key_count; i++) {
        part->waiters[i] = (struct part_waiter){
            .waiter = {.granted = part_waiter_granted, .hash = part->keys[i].hash}, .part = part};
    }
    qsort(part->waiters, part->key_count, sizeof *part->waiters, part_key_compare);
    uint32_t unique = 0;
    for (uint32_t i = 0; i < part->key_count; i++) {
        if (i == 0 || part->waiters[i].waiter.hash != part->waiters[unique - 1].waiter.hash) {
            part->waiters[unique++] = part->waiters[i];
        }
    }
    part->waiter_count = unique;
    return true;
}

static void multi_destroy(struct shard *shard, struct multi *multi)
{
    for (uint32_t p = 0; p < multi->part_count; p++) {
        struct multi_part *part = &multi->parts[p];
        outbuf_clear(&part->result.out, &shard->outbufs);
        memory_free(part->result.data);
        memory_free(part->keys);
        memory_free(part->waiters);
    }
    client_lease_release(shard, &multi->lease);
    outbuf_clear(&multi->pending.out, &shard->outbufs);
    memory_free(multi->transfer.bytes);
    memory_free(multi->argument_bytes);
    memory_free((void *)(uintptr_t)multi->argv);
    memory_free(multi->parts);
    memory_free(multi);
    shard->multis--;
}

void multi_free(struct shard *shard, struct pending *pending)
{
    multi_destroy(shard, (struct multi *)((uint8_t *)pending - offsetof(struct multi, pending)));
}

// The batch's argument array, and where it owns them their bytes, do not outlive this turn.
static bool multi_copy_arguments(struct multi *multi, const struct exec *x)
{
    struct slice *argv = memory_allocate(x->argc * sizeof *argv);
    if (argv == NULL) {
        return false;
    }
    memcpy(argv, x->argv, x->argc * sizeof *argv);
    multi->argv = argv;
    multi->argc = x->argc;
    if (x->batch_bytes) {
        return exec_copy_argument_bytes(argv, x->argc, &multi->argument_bytes);
    }
    multi->lease = client_lease_hold(x->client);
    return true;
}

static struct multi *multi_create(struct exec *x, uint32_t parts)
{
    struct shard *shard = x->shard;
    if (shard->multis == LIMIT_MULTIS) {
        return NULL;
    }
    struct multi *multi = memory_allocate(sizeof *multi);
    if (multi == NULL) {
        return NULL;
    }
    *multi = (struct multi){
        .shard = shard,
        .command = x->command,
        .protocol = x->client->protocol,
        .scoped = (x->client->flags & CLIENT_SHARD_PORT) != 0,
        .caller_id = x->client->id,
        .began_ns = shard->io->now_ns,
        .round = 1,
        .apply = true,
    };
    shard->multis++;
    multi->parts = memory_allocate(parts * sizeof *multi->parts);
    if (multi->parts != NULL) {
        memset(multi->parts, 0, parts * sizeof *multi->parts);
    }
    if (multi->parts == NULL || !multi_copy_arguments(multi, x)) {
        multi_destroy(shard, multi);
        return NULL;
    }
    return multi;
}

static struct multi_part *multi_add_part(struct multi *multi, uint32_t core)
{
    struct multi_part *part = &multi->parts[multi->part_count++];
    part->multi = multi;
    part->message = (struct message){
        .kind = MESSAGE_PART, .from = (uint8_t)multi->shard->index, .to = (uint8_t)core};
    return part;
}

// Sorts the keys to the cores that hold them.
static bool multi_add_keys(struct multi *multi, const struct part_key *keys, const uint8_t *cores,
                           uint32_t count, const uint32_t *of_core)
{
    uint32_t place[LIMIT_SHARDS];
    uint32_t shards = multi->shard->node->shard_count;
    multi->key_count = count;
    for (uint32_t core = 0; core < shards; core++) {
        if (of_core[core] == 0) {
            continue;
        }
        place[core] = multi->part_count;
        struct multi_part *part = multi_add_part(multi, core);
        part->keys = memory_allocate(of_core[core] * sizeof *part->keys);
        if (part->keys == NULL) {
            return false;
        }
    }
    for (uint32_t i = 0; i < count; i++) {
        struct multi_part *part = &multi->parts[place[cores[i]]];
        part->keys[part->key_count++] = keys[i];
    }
    for (uint32_t p = 0; p < multi->part_count; p++) {
        if (!part_make_waiters(&multi->parts[p])) {
            return false;
        }
    }
    return true;
}

static void multi_go(struct multi *multi, struct client *client)
{
    client_pending_add(client, &multi->pending, PENDING_MULTI);
    client->flags |= CLIENT_BARRIER;
    multi->shard->stats.multis++;
    if (multi->command->route != ROUTE_ALL) {
        multi_next(multi);
        return;
    }
    multi->parts_open = 1;
    for (uint32_t p = 0; p < multi->part_count; p++) {
        part_send(multi, &multi->parts[p], PART_ALL);
    }
    if (--multi->parts_open == 0) {
        multi_reply(multi);
    }
}

static bool multi_start_all(struct exec *x)
{
    struct shard *shard = x->shard;
    uint32_t cores = shard->node->shard_count;
    bool scoped =
        (x->client->flags & CLIENT_SHARD_PORT) != 0 && (x->command->flags & COMMAND_SCOPED) != 0;
    struct multi *multi = multi_create(x, cores);
    if (multi == NULL) {
        exec_error(x, TEXT_OVERLOADED);
        return true;
    }
    for (uint32_t core = 0; core < cores; core++) {
        if (!scoped || core == shard->index) {
            (void)multi_add_part(multi, core);
        }
    }
    multi_go(multi, x->client);
    return false;
}

// All keys are here and nobody holds a gate: the command takes effect at once.
static void multi_run_here(struct exec *x, struct part_key *keys, uint32_t count)
{
    const struct command *command = x->command;
    bool apply = true;
    if (command->merge == MERGE_UNLESS) {
        keys_run(x, keys, count, command->check);
        apply = !x->veto;
    } else if (command->merge == MERGE_ARRAY) {
        reply_array(&x->reply, count);
    }
    if (apply && keys_fit(x, keys, count)) {
        keys_run(x, keys, count, command->run);
    }
    if (x->failed) {
        return;
    }
    if (command->merge == MERGE_SUM) {
        reply_integer(&x->reply, x->sum);
    } else if (command->merge == MERGE_UNLESS) {
        reply_integer(&x->reply, apply ? 1 : 0);
    } else if (command->merge == MERGE_OK) {
        reply_simple(&x->reply, "OK");
    }
}

static bool multi_start_keys(struct exec *x, struct part_key *keys, uint8_t *cores, uint32_t count,
                             uint32_t first, uint32_t step)
{
    struct shard *shard = x->shard;
    uint32_t of_core[LIMIT_SHARDS] = {0};
    uint32_t used = 0;
    for (uint32_t i = 0; i < count; i++) {
        struct item item;
        uint32_t core;
        item_place(shard, &item, x->argv[first + i * step], first + i * step, &core);
        keys[i] = (struct part_key){.hash = item.op.hash,
                                    .vnode = item.op.vnode,
                                    .argument = item.argument,
                                    .slot = item.slot};
        cores[i] = (uint8_t)core;
        used += of_core[core]++ == 0;
    }
    if (x->command->route == ROUTE_KEYS && of_core[shard->index] == count &&
        !gate_any(shard->gates)) {
        x->sum = 0;
        x->veto = false;
        multi_run_here(x, keys, count);
        return true;
    }
    struct multi *multi = multi_create(x, used);
    if (multi != NULL && !multi_add_keys(multi, keys, cores, count, of_core)) {
        multi_destroy(shard, multi);
        multi = NULL;
    }
    if (multi == NULL) {
        exec_error(x, TEXT_OVERLOADED);
        return true;
    }
    multi_go(multi, x->client);
    return false;
}

bool multi_start(struct exec *x)
{
    uint32_t first, end, step;
    if (x->command->route == ROUTE_ALL) {
        return multi_start_all(x);
    }
    if ((x->command->flags & COMMAND_PAIRS) != 0 && x->argc % 2 == 0) {
        exec_error_arity(x);
        return true;
    }
    if (x->command->route == ROUTE_TRANSFER && !transfer_valid(x)) {
        return true;
    }
    bool has_keys = command_keys(x->command, x->argc, &first, &end, &step);
    CHECK(has_keys);
    uint32_t count = (end - first + step - 1) / step;
    struct part_key few[MULTI_CHUNK];
    uint8_t few_cores[MULTI_CHUNK];
    if (count <= MULTI_CHUNK) {
        return multi_start_keys(x, few, few_cores, count, first, step);
    }
    struct part_key *keys = memory_allocate(count * sizeof *keys);
    uint8_t *cores = memory_allocate(count);
    bool done = true;
    if (keys == NULL || cores == NULL) {
        exec_error(x, TEXT_OVERLOADED);
    } else {
        done = multi_start_keys(x, keys, cores, count, first, step);
    }
    memory_free(keys);
    memory_free(cores);
    return done;
}
