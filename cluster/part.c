// A part of a command: what one core does for it (multi.h).
#include "cluster/haul.h"
#include "cluster/load.h"
#include "cluster/multi.h"
#include "cluster/shard.h"
#include "core/check.h"
#include "core/limits.h"
#include "core/planted.h"

#include <stddef.h>

enum { PART_CHUNK = 32 }; // keys whose memory is fetched ahead together

static const char TEXT_MEMORY[] =
    "OVERLOADED all connections together hold as much as they may (clients.memory_max); retry";

static const char TEXT_GATES[] =
    "OVERLOADED too many keys of commands over several keys are under way on this node; retry";
static const char TEXT_LOADS[] = "OVERLOADED too many requests wait for the disk; retry";

// Keys ---------------------------------------------------------------------------------------

void part_key_place(const struct shard *shard, const struct slice *argv, uint32_t argument,
                    struct part_key *ret_key)
{
    struct item item;
    uint32_t core;
    item_place(shard, &item, argv[argument], argument, &core);
    *ret_key = (struct part_key){.waiter = {.hash = item.op.hash},
                                 .vnode = item.op.vnode,
                                 .argument = argument,
                                 .next = PART_KEY_NONE,
                                 .slot = item.slot,
                                 .core = (uint8_t)core};
}

void part_key_item(const struct part_key *key, const struct slice *argv, struct item *ret_item)
{
    ret_item->op.hash = key->waiter.hash;
    ret_item->op.vnode = key->vnode;
    ret_item->op.key = argv[key->argument];
    ret_item->argument = key->argument;
    ret_item->slot = key->slot;
}

// What the keys have replied so far, apart from all else.
static void keys_drop(struct exec *x)
{
    if (x->command->merge == MERGE_ARRAY) {
        outbuf_clear(x->reply.out, x->reply.cache);
    }
}

// More than a connection may have unread: of a part only an error goes back; on the connection's
// own core the connection is closed for it, as it would be for any reply.
static void keys_too_large(struct exec *x)
{
    x->failed = true;
    if (x->part != NULL) {
        keys_drop(x);
        exec_error(x, "ERR the reply would be larger than clients.output_max");
    }
}

// False: it cannot be read. The error alone is replied then: what the keys before it replied is
// dropped.
static bool key_loaded(struct exec *x, struct item *item)
{
    struct outbuf *out = x->reply.out;
    struct outbuf error = {0};
    x->reply.out = &error;
    bool loaded = item_loaded(x, item);
    x->reply.out = out;
    if (!loaded) {
        keys_drop(x);
        outbuf_splice(out, &error, x->reply.cache);
    }
    return loaded;
}

// On a key that is loaded. False: it has asked for what comes in slices.
static bool key_run(struct exec *x, struct part_key *key, command_fn *fn)
{
    struct shard *shard = x->shard;
    size_t before = x->reply.out->bytes;
    fn(x);
    if (haul_asked(x->haul)) {
        return false;
    }
    bool brought = x->haul != NULL; // and paid for
    haul_free(shard, x->haul);
    x->haul = NULL;
    key->reply_bytes = (uint32_t)(x->reply.out->bytes - before);
    work_spend(&shard->work, WORK_KEY_RUN + (brought ? 0 : key->reply_bytes / WORK_BYTES_A_UNIT));
    if (x->reply.out->bytes > shard->config.clients.output_max_bytes) {
        keys_too_large(x);
    }
    return true;
}

// Room on the disk is being made: until then nothing may be put, and the slice is over.
static bool part_stalls(struct shard *shard)
{
    if (!shard->durable || !engine_stalled(shard->engine)) {
        return false;
    }
    work_end(&shard->work);
    return true;
}

static enum keys_result keys_run(struct exec *x, struct item *items, struct part_key *keys,
                                 uint32_t *at, command_fn *fn)
{
    struct shard *shard = x->shard;
    struct engine_op *ops[PART_CHUNK];
    while (*at != PART_KEY_NONE && !x->failed) {
        uint32_t chunk = 0;
        for (uint32_t i = *at; i != PART_KEY_NONE && chunk < PART_CHUNK; i = keys[i].next) {
            part_key_item(&keys[i], x->argv, &items[chunk]);
            ops[chunk] = &items[chunk].op;
            chunk++;
        }
        engine_prepare(shard->engine, ops, chunk);
        for (uint32_t i = 0; i < chunk && !x->failed; i++) {
            if (work_over(&shard->work) || (x->part != NULL && part_stalls(shard))) {
                return KEYS_SLICE;
            }
            x->item = &items[i];
            item_load_at_hand(x, x->item);
            if (x->item->op.status == ENGINE_PENDING) {
                return KEYS_DISK;
            }
            if (key_loaded(x, x->item) && !key_run(x, &keys[*at], fn)) {
                return KEYS_SLICE;
            }
            *at = keys[*at].next;
        }
    }
    return KEYS_THROUGH;
}

enum keys_result part_keys_run(struct exec *x, struct part_key *keys, uint32_t *at, command_fn *fn)
{
    struct item items[PART_CHUNK];
    enum keys_result result = keys_run(x, items, keys, at, fn);
    x->item = NULL; // it was one of these
    return result;
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
        .no_touch = multi->no_touch,
        .reserved = part->reserved,
        .may_haul = true,
        .haul = part->haul,
        .caller_id = multi->caller_id,
        .part = &part->result,
        .reply = {.out = &part->result.out, .cache = &shard->outbufs, .protocol = multi->protocol},
    };
}

static bool part_is_over_keys(const struct multi_part *part)
{
    return part->multi->command->route != ROUTE_ALL;
}

// Gates --------------------------------------------------------------------------------------

static struct multi_part *part_of_group(struct gate_group *group)
{
    return (struct multi_part *)((uint8_t *)group - offsetof(struct multi_part, group));
}

// For the shard's loop: gates are released in the middle of others' work.
static void part_note(struct gate_group *group)
{
    struct multi_part *part = part_of_group(group);
    part->next_granted = part->at->parts_granted;
    part->at->parts_granted = part;
}

static void part_key_granted(struct gate_waiter *waiter)
{
    struct multi_part *part = part_of_group(waiter->group);
    CHECK(part->ungranted > 0);
    if (--part->ungranted == 0 && part->phase == PART_WAIT) {
        part_note(&part->group);
    }
}

static uint8_t part_scope(const struct command *command)
{
    if (command->flags & COMMAND_WHOLE) {
        return GATE_EXCLUSIVE;
    }
    return command->flags & COMMAND_WALK ? GATE_SHARED : GATE_KEYS;
}

// Its turn has come: the phase that follows.
static void part_admitted(struct shard *shard, struct multi_part *part)
{
    if (part->group.scope != GATE_KEYS) {
        part->gated = true;
        part->phase = PART_CHECK;
        return;
    }
    part->phase = PART_TAKE;
    if (!gate_room(shard->gates, part->key_count)) {
        struct exec x = part_exec(shard, part);
        exec_error(&x, TEXT_GATES);
        part->failed = true;
        gate_entered(shard->gates, &part->group);
        part->phase = PART_DONE;
    }
}

static void part_enter(struct shard *shard, struct multi_part *part)
{
    part->group =
        (struct gate_group){.admitted = part_note, .scope = part_scope(part->multi->command)};
    part->phase = PART_LINE;
    if (gate_enter(shard->gates, &part->group)) {
        part_admitted(shard, part);
    } else {
        shard->stats.gate_waits++;
    }
}

static void part_take(struct shard *shard, struct multi_part *part)
{
    struct part_key *keys = part->multi->keys;
    part->gated = true;
    while (part->key_at != PART_KEY_NONE && !work_over(&shard->work)) {
        struct part_key *key = &keys[part->key_at];
        key->waiter.granted = part_key_granted;
        key->waiter.group = &part->group;
        enum gate_result result = gate_take(shard->gates, &key->waiter);
        key->gated = result != GATE_OWN;
        part->ungranted += result == GATE_QUEUED;
        part->key_at = key->next;
        work_spend(&shard->work, WORK_KEY_LOOK);
    }
    if (part->key_at != PART_KEY_NONE) {
        return;
    }
    gate_entered(shard->gates, &part->group);
    part->key_at = part->key_first;
    part->phase = PART_CHECK;
    if (part->ungranted != 0) {
        shard->stats.gate_waits++;
        part->phase = PART_WAIT;
    }
}

static void part_release(struct shard *shard, struct multi_part *part)
{
    struct part_key *keys = part->multi->keys;
    if (part->reserved) {
        engine_unreserve(shard->engine, part->bytes, part->key_count);
        part->reserved = false;
    }
    if (part->gated && part->group.scope != GATE_KEYS) {
        gate_leave(shard->gates, &part->group);
        part->gated = false;
    }
    while (part->gated && part->key_at != PART_KEY_NONE) {
        struct part_key *key = &keys[part->key_at];
        if (work_over(&shard->work)) {
            return;
        }
        bool keep = planted(PLANTED_KEEP_GATE) && part->veto;
        if (key->gated && !keep) {
            gate_release(shard->gates, &key->waiter);
        }
        part->key_at = key->next;
        work_spend(&shard->work, WORK_KEY_LOOK);
    }
    part->gated = false;
    part->phase = PART_DONE;
}

// Its work ------------------------------------------------------------------------------------

// What the phase does with each key; NULL: nothing.
static command_fn *part_step_fn(const struct multi_part *part)
{
    const struct command *command = part->multi->command;
    if (part->phase == PART_APPLY) {
        return command->route == ROUTE_TRANSFER ? transfer_apply
               : command->merge != MERGE_ARRAY  ? command->run
                                                : NULL;
    }
    return command->route == ROUTE_TRANSFER ? transfer_read
           : command->merge == MERGE_UNLESS ? command->check
           : command->merge == MERGE_ARRAY  ? command->run
                                            : NULL;
}

// What an execution on some of its keys has come to.
static void part_take_in(struct multi_part *part, const struct exec *x)
{
    part->veto = part->veto || x->veto;
    part->failed = part->failed || x->failed || x->reply.out->failed;
    part->commit = x->commit > part->commit ? x->commit : part->commit;
    part->result.sum += x->sum;
}

// The keys from key_at on. False: they are not through, since the slice was over or since one is on
// disk.
// Replies that grow a slice at a time, of many commands side by side, are memory of the clients
// before any client has them. False: that has reached its bound, and the command is refused.
static bool part_has_room(struct shard *shard, struct multi_part *part, struct exec *x)
{
    size_t bytes = part->result.out.bytes;
    if (x->command->merge != MERGE_ARRAY) {
        return true;
    }
    client_memory_orphan(shard, (int64_t)bytes - (int64_t)part->counted_bytes);
    part->counted_bytes = bytes;
    if (bytes == 0 || client_memory_room(shard, 0)) {
        return true;
    }
    keys_drop(x);
    exec_error(x, TEXT_MEMORY);
    return false;
}

// What the key at hand has asked for. False: there is more to do.
static bool part_haul(struct shard *shard, struct multi_part *part)
{
    struct exec x = part_exec(shard, part);
    struct item item = {0};
    if (!haul_asked(part->haul)) {
        return true;
    }
    part_key_item(&part->multi->keys[part->key_at], part->multi->argv, &item);
    x.item = &item;
    return haul_slice(part->haul, &x);
}

static bool part_keys(struct shard *shard, struct multi_part *part)
{
    struct exec x = part_exec(shard, part);
    command_fn *fn = part_step_fn(part);
    enum keys_result result = KEYS_THROUGH;
    if (!part_haul(shard, part)) {
        return false;
    }
    if (part->failed) { // at a key that was read from disk: the error is all that is replied
        return true;
    }
    if (fn != NULL && !part_has_room(shard, part, &x)) {
        part_take_in(part, &x);
    } else if (fn != NULL) {
        result = part_keys_run(&x, part->multi->keys, &part->key_at, fn);
        part->haul = x.haul;
        if (result == KEYS_DISK && !load_for_part(shard, part)) {
            keys_drop(&x);
            exec_error(&x, TEXT_LOADS);
        }
        part_take_in(part, &x);
    }
    return result == KEYS_THROUGH || part->failed;
}

void multi_part_loaded(struct shard *shard, struct multi_part *part, struct item *item)
{
    struct exec x = part_exec(shard, part);
    struct part_key *key = &part->multi->keys[part->key_at];
    part->loading = false;
    x.item = item;
    bool through = !key_loaded(&x, item) || key_run(&x, key, part_step_fn(part));
    part->haul = x.haul;
    part_take_in(part, &x);
    if (through) {
        part->key_at = key->next;
    }
}

void multi_part_ahead(struct shard *shard, struct multi_part *part)
{
    part->ahead--;
    if (part->ahead == 0 && part->phase == PART_DONE) {
        work_add(&shard->work, &part->work); // it waited for this alone
    }
}

// Pairs are set all or none: the memory is set aside before the first is set. False: not in this
// turn. Whoever has it waits only for cores and room that come later in this order, so all get it.
static bool part_reserve(struct shard *shard, struct multi_part *part)
{
    struct exec x = part_exec(shard, part);
    if ((x.command->flags & COMMAND_PAIRS) == 0 || part->failed || part->veto) {
        return true;
    }
    enum engine_status status = engine_reserve(shard->engine, part->bytes, part->key_count);
    part->reserved = status == ENGINE_OK;
    if (status == ENGINE_FULL) {
        exec_error_full(&x);
        part->failed = true;
    }
    return status != ENGINE_PENDING;
}

static bool part_apply_slices(struct shard *shard, struct multi_part *part, struct exec *x)
{
    do {
        part->result.more = part->result.waits = false;
        x->command->run(x);
        part->failed = part->failed || x->failed;
    } while (part->result.more && !part->result.waits && !x->failed && !work_over(&shard->work));
    part->result.sum += x->sum;
    if (x->command->flags & (COMMAND_WALK | COMMAND_WHOLE)) {
        part->commit = engine_newest(shard->engine);
    }
    return !part->result.more || x->failed;
}

static bool part_apply(struct shard *shard, struct multi_part *part)
{
    struct exec x = part_exec(shard, part);
    if (x.command->route == ROUTE_ALL) {
        return part_apply_slices(shard, part, &x);
    }
    if (!part_keys(shard, part)) {
        return false;
    }
    if (x.command->route == ROUTE_TRANSFER && part->step == PART_SOLO && !part->failed) {
        transfer_reply(&x);
    }
    return true;
}

static void part_next_phase(struct multi_part *part, enum part_phase phase)
{
    part->phase = (uint8_t)phase;
    part->key_at = part->key_first;
}

// What was read and could be reserved decides: here, when this part is alone or the last of a
// command that nothing can veto, else at the coordinator. False: not in this turn.
static bool part_checked(struct shard *shard, struct multi_part *part)
{
    if (!part_reserve(shard, part)) {
        work_spend(&shard->work, WORK_WAIT);
        return false;
    }
    if (part->step == PART_GATE) {
        part->phase = PART_DONE;
        return true;
    }
    bool apply = !part->failed && !part->veto;
    if (apply && part->multi->command->route == ROUTE_TRANSFER) {
        // The reply lies in the part's result.
        struct exec x = part_exec(shard, part);
        apply = transfer_decide(&x, part->multi);
        part->failed = x.failed;
    }
    part_next_phase(part, apply ? PART_APPLY : PART_RELEASE);
    return true;
}

static void part_go_back(struct shard *shard, struct multi_part *part)
{
    client_memory_orphan(shard, -(int64_t)part->counted_bytes);
    part->counted_bytes = 0;
    haul_free(shard, part->haul); // of a key that could not be read
    part->haul = NULL;
    part->at = NULL;
    if (part->message.from == shard->index) {
        multi_part_return(shard, part);
        return;
    }
    part->message.returning = true;
    shard_post(shard, &part->message);
}

static void part_release_held(struct shard *shard, struct hold *hold, int error)
{
    struct multi_part *part =
        (struct multi_part *)((uint8_t *)hold - offsetof(struct multi_part, hold));
    if (error != 0) {
        struct exec x = part_exec(shard, part);
        outbuf_clear(x.reply.out, x.reply.cache);
        exec_error(&x, HOLD_ERROR_TEXT);
        part->failed = true;
    }
    part_go_back(shard, part);
}

static void part_done(struct shard *shard, struct multi_part *part)
{
    // One that has gates is asked to finish first.
    if (hold_waits(shard, part->commit) && !part->gated) {
        part->hold.release = part_release_held;
        hold_add(shard, &part->hold, part->commit);
        return;
    }
    part_go_back(shard, part);
}

static void part_run(struct shard *shard, struct multi_part *part)
{
    while (part->phase != PART_DONE) {
        if (part->phase == PART_LINE || part->phase == PART_WAIT || part->loading) {
            return; // until part_note(), or multi_part_loaded()
        }
        if (work_over(&shard->work)) {
            work_add(&shard->work, &part->work);
            return;
        }
        switch ((enum part_phase)part->phase) {
        case PART_ENTER:
            part_enter(shard, part);
            break;
        case PART_TAKE:
            part_take(shard, part);
            break;
        case PART_CHECK:
            if ((!part_is_over_keys(part) || part_keys(shard, part)) &&
                !part_checked(shard, part)) {
                work_add(&shard->work, &part->work);
                return;
            }
            break;
        case PART_APPLY:
            if (part_apply(shard, part)) {
                part_next_phase(part, PART_RELEASE);
            } else if (part->result.waits) {
                return; // until part_wake()
            }
            break;
        case PART_RELEASE:
            part_release(shard, part);
            break;
        case PART_LINE:
        case PART_WAIT:
        case PART_DONE:
            CHECK(false); // looked at above
        }
    }
    if (part->ahead == 0) { // else multi_part_ahead() comes
        part_done(shard, part);
    }
}

static void part_work(struct shard *shard, struct work *work)
{
    part_run(shard, (struct multi_part *)((uint8_t *)work - offsetof(struct multi_part, work)));
}

void part_wake(struct shard *shard, struct part *result)
{
    struct multi_part *part =
        (struct multi_part *)((uint8_t *)result - offsetof(struct multi_part, result));
    CHECK(result->waits && part->phase == PART_APPLY);
    result->waits = false;
    work_add(&shard->work, &part->work);
}

void multi_part_granted(struct shard *shard, struct multi_part *part)
{
    if (part->phase == PART_LINE) {
        part_admitted(shard, part);
    } else {
        CHECK(part->phase == PART_WAIT);
        part->phase = PART_CHECK;
    }
    part_run(shard, part);
}

void multi_part_receive(struct shard *shard, struct multi_part *part)
{
    part->at = shard;
    part->work.run = part_work;
    switch ((enum part_step)part->step) {
    case PART_SOLO:
    case PART_GATE:
        part_next_phase(part, PART_ENTER);
        break;
    case PART_FINISH:
        if (planted(PLANTED_HALF_MULTI) && shard->index == 0) {
            part_next_phase(part, PART_RELEASE);
            break;
        }
        part_next_phase(part, part->multi->apply ? PART_APPLY : PART_RELEASE);
        break;
    case PART_ALL:
        part_next_phase(part, PART_APPLY);
        break;
    }
    part_run(shard, part);
}
