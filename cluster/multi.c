#include "cluster/multi.h"

#include "cluster/client.h"
#include "cluster/haul.h"
#include "cluster/request.h"
#include "cluster/shard.h"
#include "cluster/slowlog.h"
#include "core/check.h"
#include "core/limits.h"
#include "core/memory.h"

#include <stddef.h>
#include <string.h>

enum {
    MULTI_AT_ONCE_KEYS = 64, // as many may be done at once, without gates: about 100 us
    MERGE_PIECE_BYTES = 16 * 1024,
};

static const char TEXT_OVERLOADED[] =
    "OVERLOADED too many commands over several keys are under way on this node; retry";
static const char TEXT_MEMORY[] =
    "OVERLOADED all connections together hold as much as they may (clients.memory_max); retry";

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

static bool multi_is_gated(const struct command *command)
{
    return command->route != ROUTE_ALL || (command->flags & (COMMAND_WALK | COMMAND_WHOLE)) != 0;
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
        .no_touch = multi->no_touch,
        .reply = {.out = &multi->pending.out,
                  .cache = &multi->shard->outbufs,
                  .protocol = multi->protocol},
    };
}

// The replies of the parts, interleaved in the order of the arguments. False: the slice was over
// before it was through.
static bool multi_merge_array(struct multi *multi, struct exec *x)
{
    struct work_list *work = &multi->shard->work;
    if (multi->part_count == 1) {
        reply_array(&x->reply, multi->key_count);
        outbuf_splice(x->reply.out, &multi->parts[0].result.out, x->reply.cache);
        return true;
    }
    while (multi->key_at < multi->key_count) {
        struct part_key *key = &multi->keys[multi->key_at];
        if (work_over(work)) {
            return false;
        }
        if (!multi->headed) {
            reply_array(&x->reply, multi->key_count);
            multi->headed = true;
        }
        struct multi_part *part = &multi->parts[multi->cores[key->core].part];
        size_t piece = key->reply_bytes < MERGE_PIECE_BYTES ? key->reply_bytes : MERGE_PIECE_BYTES;
        outbuf_move(x->reply.out, &part->result.out, x->reply.cache, piece);
        work_spend(work, WORK_KEY_LOOK + piece / WORK_FRESH_BYTES_A_UNIT);
        key->reply_bytes -= (uint32_t)piece;
        multi->key_at += key->reply_bytes == 0;
    }
    return true;
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
        break; // multi_merge_array()
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

static void multi_reply_transfer(struct multi *multi, struct exec *x)
{
    if (multi->part_count == 1) {
        outbuf_splice(x->reply.out, &multi->parts[0].result.out, x->reply.cache);
    } else if (multi->apply) {
        transfer_reply(x);
    }
}

// The error that a part replied instead of what it was asked for.
static void multi_note_error(struct shard *shard, const struct outbuf *out)
{
    const struct outbuf_chunk *head = out->head;
    if (head != NULL && head->end > head->begin && head->bytes[head->begin] == '-') {
        stats_note_error(&shard->stats,
                         slice_of(head->bytes + head->begin + 1, head->end - head->begin - 1));
    }
}

// Everything is back: the one reply is made of the parts'. May take several slices.
static void multi_reply(struct multi *multi)
{
    struct exec x = multi_exec(multi);
    struct shard *shard = multi->shard;
    x.failed = multi->failed;
    for (uint32_t p = 0; p < multi->part_count && !x.failed; p++) {
        struct multi_part *part = &multi->parts[p];
        if (part->failed) {
            // Only the error: what its keys replied before it is dropped, and so is what
            // transfer_decide() replied before the part lost what it showed.
            multi_note_error(shard, &part->result.out);
            outbuf_clear(x.reply.out, &shard->outbufs);
            outbuf_splice(x.reply.out, &part->result.out, &shard->outbufs);
            x.failed = true;
        }
    }
    if (x.failed) {
    } else if (multi->command->route == ROUTE_ALL) {
        multi_finish_all(multi, &x);
    } else if (multi->command->route == ROUTE_TRANSFER) {
        multi_reply_transfer(multi, &x);
    } else if (multi->command->merge == MERGE_ARRAY) {
        if (!multi_merge_array(multi, &x)) {
            work_add(&shard->work, &multi->work);
            return;
        }
    } else {
        multi_merge(multi, &x);
    }
    multi_count(multi, &x);
    struct client *client = multi->pending.client;
    client->flags &= ~(uint32_t)CLIENT_BARRIER;
    stats_note_stage(&multi->shard->stats, STAGE_MULTI,
                     multi->shard->io->now_ns - multi->pending.since_ns);
    client_pending_done(&multi->pending);
}

static void multi_replies(struct multi *multi)
{
    multi->merging = true;
    multi->key_at = 0;
    multi_reply(multi);
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
        multi_replies(multi);
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
        gated += multi->parts[p].gated;
    }
    if (apply && multi->command->route == ROUTE_TRANSFER) {
        apply = transfer_decide(&x, multi);
    }
    multi->apply = apply;
    multi->round = 2;
    if (gated == 0) {
        multi_replies(multi);
        return;
    }
    multi->parts_open = 1; // this function's own, so that the last part to return is seen once
    for (uint32_t p = 0; p < multi->part_next; p++) {
        struct multi_part *part = &multi->parts[p];
        if (part->gated && !multi_waits_for_destination(multi, part)) {
            part_send(multi, part, PART_FINISH);
        }
    }
    if (--multi->parts_open == 0) {
        multi_round_over(multi);
    }
}

static struct multi_part *multi_add_part(struct multi *multi, uint32_t core);

// Commands that go from shard to shard as long as they like: another part follows the last one.
static void multi_go_onward(struct multi *multi, struct multi_part *part)
{
    struct exec x = multi_exec(multi);
    struct part next = {0};
    uint32_t core;
    if (multi->command->onward != NULL && !part->failed &&
        multi->command->onward(&x, &part->result, &next, &core)) {
        CHECK(core > part->message.to && core < multi->shard->node->shard_count);
        multi_add_part(multi, core)->result = next;
    }
}

// What the part replied is its client's now.
static void multi_note_part(struct multi *multi, struct multi_part *part)
{
    struct client *client = multi->pending.client;
    size_t bytes = part->result.out.bytes;
    multi->memory_bytes += bytes - part->returned_bytes;
    client->places_bytes += bytes - part->returned_bytes;
    part->returned_bytes = bytes;
    client_memory_note(client);
}

void multi_part_return(struct shard *shard, struct multi_part *part)
{
    (void)shard;
    struct multi *multi = part->multi;
    CHECK(multi->parts_open > 0);
    multi_note_part(multi, part);
    multi->parts_open--;
    if (multi->round == 1 && multi_is_gated(multi->command)) {
        multi_go_onward(multi, part);
        if (part->failed || multi->part_next == multi->part_count) {
            if (multi->part_count == 1) {
                multi->apply = !part->failed && !part->veto;
                multi_replies(multi);
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
    if (multi_is_gated(multi->command)) {
        multi_round_over(multi);
    } else {
        multi_replies(multi);
    }
}

// Starting -----------------------------------------------------------------------------------

static void multi_destroy(struct shard *shard, struct multi *multi)
{
    for (uint32_t p = 0; p < multi->part_count; p++) {
        struct multi_part *part = &multi->parts[p];
        outbuf_clear(&part->result.out, &shard->outbufs);
        memory_free(part->result.data);
    }
    client_lease_release(shard, &multi->lease);
    outbuf_clear(&multi->pending.out, &shard->outbufs);
    transfer_free(shard, &multi->transfer);
    memory_free(multi->argument_bytes);
    memory_free((void *)(uintptr_t)multi->argv);
    memory_free(multi->keys);
    memory_free(multi->cores);
    memory_free(multi->parts);
    memory_free(multi);
    shard->multis--;
}

void multi_free(struct shard *shard, struct pending *pending)
{
    multi_destroy(shard, (struct multi *)((uint8_t *)pending - offsetof(struct multi, pending)));
}

size_t multi_memory(const struct pending *pending)
{
    return ((const struct multi *)((const uint8_t *)pending - offsetof(struct multi, pending)))
        ->memory_bytes;
}

// The batch's argument array, and where it owns them their bytes, do not outlive this turn.
static bool multi_keep_arguments(struct multi *multi, const struct exec *x)
{
    multi->argc = x->argc;
    if (request_take_spill(x)) {
        multi->argv = x->argv;
    } else {
        struct slice *argv = memory_allocate(x->argc * sizeof *argv);
        if (argv == NULL) {
            return false;
        }
        memcpy(argv, x->argv, x->argc * sizeof *argv);
        multi->argv = argv;
        if (x->batch_bytes) {
            return exec_copy_argument_bytes(argv, x->argc, &multi->argument_bytes);
        }
    }
    multi->lease = client_lease_hold(x->client);
    return true;
}

static void multi_work(struct shard *shard, struct work *work);

// NULL: it has replied why.
static struct multi *multi_create(struct exec *x, uint32_t key_count)
{
    struct shard *shard = x->shard;
    uint32_t shards = shard->node->shard_count;
    uint32_t parts = key_count == 0 || key_count > shards ? shards : key_count;
    size_t bytes = sizeof(struct multi) + parts * sizeof(struct multi_part) +
                   key_count * sizeof(struct part_key) + x->argc * sizeof *x->argv;
    // It is not given up when its client is closed. Of a command without keys there is little, and
    // it may be what finds or ends those who hold the memory.
    if (key_count != 0 && !client_memory_room(shard, bytes)) {
        exec_error(x, TEXT_MEMORY);
        return NULL;
    }
    struct multi *multi = shard->multis == LIMIT_MULTIS ? NULL : memory_allocate(sizeof *multi);
    if (multi == NULL) {
        exec_error(x, TEXT_OVERLOADED);
        return NULL;
    }
    *multi = (struct multi){
        .shard = shard,
        .work = {.run = multi_work},
        .command = x->command,
        .protocol = x->client->protocol,
        .scoped = (x->client->flags & CLIENT_SHARD_PORT) != 0,
        .no_touch = x->no_touch,
        .caller_id = x->client->id,
        .began_ns = shard->io->now_ns,
        .round = 1,
        .apply = true,
        .key_count = key_count,
        .memory_bytes = bytes,
    };
    shard->multis++;
    multi->parts = memory_allocate_zeroed(parts * sizeof *multi->parts);
    if (key_count != 0) {
        multi->keys = memory_allocate(key_count * sizeof *multi->keys);
        multi->cores = memory_allocate(shards * sizeof *multi->cores);
    }
    bool allocated =
        multi->parts != NULL && (key_count == 0 || (multi->keys != NULL && multi->cores != NULL));
    if (!allocated || !multi_keep_arguments(multi, x)) {
        multi_destroy(shard, multi);
        exec_error(x, TEXT_OVERLOADED);
        return NULL;
    }
    for (uint32_t core = 0; key_count != 0 && core < shards; core++) {
        multi->cores[core] = (struct multi_core){.first = PART_KEY_NONE, .last = PART_KEY_NONE};
    }
    return multi;
}

static struct multi_part *multi_add_part(struct multi *multi, uint32_t core)
{
    struct multi_part *part = &multi->parts[multi->part_count++];
    part->multi = multi;
    part->key_first = PART_KEY_NONE;
    part->message = (struct message){
        .kind = MESSAGE_PART, .from = (uint8_t)multi->shard->index, .to = (uint8_t)core};
    return part;
}

// Round 1 begins, or with a command that takes no gates all of it.
static void multi_go(struct multi *multi)
{
    if (multi_is_gated(multi->command)) {
        multi_next(multi);
        return;
    }
    multi->parts_open = 1;
    for (uint32_t p = 0; p < multi->part_count; p++) {
        part_send(multi, &multi->parts[p], PART_ALL);
    }
    if (--multi->parts_open == 0) {
        multi_replies(multi);
    }
}

// Its client waits for it from now on.
static void multi_begin(struct multi *multi, struct client *client)
{
    client_pending_add(client, &multi->pending, PENDING_MULTI);
    client->places_bytes += multi->memory_bytes;
    client_memory_note(client);
    client->flags |= CLIENT_BARRIER;
    multi->shard->stats.multis++;
}

static bool multi_start_all(struct exec *x)
{
    struct shard *shard = x->shard;
    uint32_t cores = shard->node->shard_count;
    uint32_t only = LIMIT_SHARDS;
    x->scoped = (x->client->flags & CLIENT_SHARD_PORT) != 0;
    if (x->command->target != NULL && !x->command->target(x, &only)) {
        return true;
    }
    if (x->scoped && (x->command->flags & COMMAND_SCOPED) != 0) {
        only = shard->index;
    }
    struct multi *multi = multi_create(x, 0);
    if (multi == NULL) {
        return true;
    }
    for (uint32_t core = 0; core < cores; core++) {
        if (only == LIMIT_SHARDS || only == core) {
            (void)multi_add_part(multi, core);
        }
    }
    multi_begin(multi, x->client);
    multi_go(multi);
    return false;
}

// Placing ------------------------------------------------------------------------------------

static void multi_chain(struct multi *multi, uint32_t index)
{
    struct part_key *key = &multi->keys[index];
    struct multi_core *core = &multi->cores[key->core];
    if (core->last != PART_KEY_NONE && multi->command->route == ROUTE_TRANSFER) {
        key->next = core->first; // the destination comes first
        core->first = index;
    } else if (core->last == PART_KEY_NONE) {
        core->first = index;
    } else {
        multi->keys[core->last].next = index;
    }
    if (key->next == PART_KEY_NONE) {
        core->last = index;
    }
    core->count++;
    core->bytes += multi->argv[key->argument].size;
    if (multi->command->flags & COMMAND_PAIRS) {
        core->bytes += multi->argv[key->argument + 1].size;
    }
}

static void multi_placed(struct multi *multi)
{
    for (uint32_t core = 0; core < multi->shard->node->shard_count; core++) {
        struct multi_core *of = &multi->cores[core];
        if (of->count == 0) {
            continue;
        }
        of->part = multi->part_count;
        struct multi_part *part = multi_add_part(multi, core);
        part->key_first = of->first;
        part->key_count = of->count;
        part->bytes = of->bytes;
    }
    multi_go(multi);
}

// The checks of request_admit() that are about single keys are made here: many of them take more
// than a slice. Nothing has been done yet when one fails.
static void multi_place(struct multi *multi)
{
    struct work_list *work = &multi->shard->work;
    struct exec x = multi_exec(multi);
    for (; multi->key_at < multi->key_count; multi->key_at++) {
        uint32_t argument = multi->argument_first + multi->key_at * multi->argument_step;
        if (work_over(work)) {
            work_add(work, &multi->work);
            return;
        }
        if (!request_admit_key(&x, argument)) {
            multi->failed = true;
            multi_replies(multi);
            return;
        }
        part_key_place(multi->shard, multi->argv, argument, &multi->keys[multi->key_at]);
        multi_chain(multi, multi->key_at);
        work_spend(work, WORK_KEY_LOOK);
    }
    multi_placed(multi);
}

static void multi_work(struct shard *shard, struct work *work)
{
    struct multi *multi = (struct multi *)((uint8_t *)work - offsetof(struct multi, work));
    CHECK(multi->shard == shard);
    if (multi->merging) {
        multi_reply(multi);
    } else {
        multi_place(multi);
    }
}

// At once ------------------------------------------------------------------------------------

// The values of MGET are collected apart: when they are more than may be copied at once, or one is
// on disk, that is noticed on the way, and nothing was replied.
static bool at_once_array(struct exec *x, struct part_key *keys, uint32_t count)
{
    uint32_t at = 0;
    struct outbuf *out = x->reply.out;
    struct outbuf values = {0};
    uint64_t hits = x->shard->stats.keyspace_hits;
    uint64_t misses = x->shard->stats.keyspace_misses;
    x->reply.out = &values;
    x->may_haul = true;
    bool through = part_keys_run(x, keys, &at, x->command->run) == KEYS_THROUGH;
    x->reply.out = out;
    haul_free(x->shard, x->haul);
    x->haul = NULL;
    if (!through) {
        outbuf_clear(&values, x->reply.cache);
        x->shard->stats.keyspace_hits = hits; // they are counted when they are told
        x->shard->stats.keyspace_misses = misses;
        return false;
    }
    if (!x->failed) {
        reply_array(&x->reply, count);
    }
    outbuf_splice(out, &values, x->reply.cache);
    return true;
}

static void at_once_reply(struct exec *x, bool apply)
{
    switch ((enum command_merge)x->command->merge) {
    case MERGE_SUM:
        reply_integer(&x->reply, x->sum);
        break;
    case MERGE_UNLESS:
        reply_integer(&x->reply, apply ? 1 : 0);
        break;
    case MERGE_OK:
        reply_simple(&x->reply, "OK");
        break;
    case MERGE_ARRAY:
    case MERGE_NONE:
        break;
    }
}

// All keys are here and nobody holds a gate: the command takes effect at once. False: it is too
// long for that, or one of its records is on disk, and nothing was done.
static bool multi_run_here(struct exec *x, struct part_key *keys, uint32_t count, uint64_t bytes)
{
    const struct command *command = x->command;
    enum keys_result result = KEYS_THROUGH;
    uint32_t at = 0;
    x->sum = 0;
    x->veto = false;
    if (command->merge == MERGE_ARRAY) {
        return at_once_array(x, keys, count);
    }
    if (command->merge == MERGE_UNLESS) {
        result = part_keys_run(x, keys, &at, command->check);
        at = 0;
    }
    bool apply = !x->veto && !x->failed && result == KEYS_THROUGH;
    bool pairs = (command->flags & COMMAND_PAIRS) != 0;
    enum engine_status room =
        apply && pairs ? engine_reserve(x->shard->engine, bytes, count) : ENGINE_OK;
    if (room == ENGINE_FULL) {
        exec_error_full(x);
        return true;
    }
    if (room == ENGINE_PENDING) {
        return false;
    }
    x->reserved = apply && pairs;
    if (apply) {
        result = part_keys_run(x, keys, &at, command->run);
        CHECK(result != KEYS_SLICE); // its caller saw that there is room for it in this slice
    }
    if (x->reserved) {
        engine_unreserve(x->shard->engine, bytes, count);
    }
    x->reserved = false;
    if (result != KEYS_THROUGH) {
        CHECK(count == 1 || (command->flags & COMMAND_WRITE) == 0);
        return false;
    }
    if (!x->failed) {
        at_once_reply(x, apply);
    }
    return true;
}

// Does it at once, if it is short, all keys are here and nobody has their gates. Where a record may
// be on disk, writes of several keys do not begin before they are known to be able to end.
static bool multi_try_here(struct exec *x, uint32_t first, uint32_t step, uint32_t count)
{
    struct shard *shard = x->shard;
    struct part_key keys[MULTI_AT_ONCE_KEYS];
    uint64_t bytes = 0;
    if (count > MULTI_AT_ONCE_KEYS || x->command->route != ROUTE_KEYS ||
        shard->gates->groups != 0 ||
        (shard->durable && count > 1 && (x->command->flags & COMMAND_WRITE) != 0)) {
        return false;
    }
    for (uint32_t i = 0; i < count; i++) {
        uint32_t argument = first + i * step;
        part_key_place(shard, x->argv, argument, &keys[i]);
        if (keys[i].core != shard->index ||
            (gate_any(shard->gates) && gate_taken(shard->gates, keys[i].waiter.hash))) {
            return false;
        }
        keys[i].next = i + 1 < count ? i + 1 : PART_KEY_NONE;
        bytes += x->argv[argument].size;
        if (x->command->flags & COMMAND_PAIRS) {
            bytes += x->argv[argument + 1].size;
        }
    }
    // Twice: once to check, once to run.
    if (!work_room(&shard->work, 2 * (count * WORK_KEY_RUN + bytes / WORK_BYTES_A_UNIT))) {
        return false;
    }
    return multi_run_here(x, keys, count, bytes);
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
    if (multi_try_here(x, first, step, count)) {
        return true;
    }
    x->commit = 0;
    struct multi *multi = multi_create(x, count);
    if (multi == NULL) {
        return true;
    }
    multi->argument_first = first;
    multi->argument_step = step;
    multi_begin(multi, x->client);
    multi_place(multi);
    return false;
}
