#include "cluster/item.h"

#include "cluster/command.h"
#include "cluster/haul.h"
#include "cluster/shard.h"
#include "core/check.h"
#include "core/hash.h"
#include "core/hlc.h"
#include "core/number.h"
#include "core/planted.h"
#include "ring/slot.h"

#include <errno.h>
#include <string.h>

void item_place(const struct shard *shard, struct item *item, struct slice key, uint32_t argument,
                uint32_t *ret_core)
{
    const struct node *node = shard->node;
    item->slot = slot_of_key(key);
    struct placement_entry entry = placement_of_slot(node->placement, item->slot);
    if (planted(PLANTED_WRONG_CORE) && shard->index == 1 && item->slot % 16 == 5) {
        entry = placement_of_slot(node->placement, SLOT_COUNT - 1U - item->slot);
    }
    item->op.hash = hash_key(node->identity.hash_seed, key);
    item->op.key = key;
    item->op.vnode = entry.vnode;
    item->argument = argument;
    *ret_core = entry.core;
}

bool item_touches(const struct exec *x)
{
    return !x->no_touch || (x->command->flags & COMMAND_TOUCHES) != 0;
}

static void item_get(struct shard *shard, struct item *item, uint32_t flags)
{
    struct engine_op *op = &item->op;
    op->flags = flags;
    op->commit = 0;
    engine_get(shard->engine, &op, 1);
}

void item_load_begin(struct shard *shard, struct item *item, bool touches)
{
    item_get(shard, item, touches ? 0 : ENGINE_NO_TOUCH);
}

void item_load_ahead(struct shard *shard, struct item *item)
{
    item_get(shard, item, ENGINE_PARTIAL | ENGINE_NO_TOUCH);
}

void item_load_at_hand(const struct exec *x, struct item *item)
{
    item_get(x->shard, item, ENGINE_AT_HAND | (item_touches(x) ? 0U : ENGINE_NO_TOUCH));
}

enum item_result item_load(struct exec *x, struct item *item)
{
    item_load_at_hand(x, item);
    if (item->op.status == ENGINE_PENDING) {
        return ITEM_WAITS;
    }
    return item_loaded(x, item) ? ITEM_LOADED : ITEM_REFUSED;
}

// What of the op the reply will show waits for this.
static void item_note_commit(struct exec *x, const struct item *item)
{
    if (item->op.commit > x->commit) {
        x->commit = item->op.commit;
    }
}

// A key whose record cannot be read is neither there nor not there.
static bool item_unreadable(struct exec *x, int error)
{
    x->shard->stats.load_errors++;
    if (error == -EBADMSG) {
        exec_error(x, "CORRUPT the record of this key on the disk is damaged; DEL it, or restore "
                      "it from a copy");
    } else if (error == -ENOMEM) {
        exec_error(x, "OVERLOADED there is no memory to read this key; retry");
    } else {
        exec_errorf(x, "IOERR reading this key from the disk failed: %s", strerror(-error));
    }
    return false;
}

// Whether the command needs nothing of what the key holds.
static bool item_is_blind(const struct exec *x)
{
    const struct command *command = x->command;
    return (command->flags & COMMAND_BLIND) != 0 &&
           (command->route != ROUTE_KEY || command->arity > 0 || x->argc == 3);
}

bool item_loaded(struct exec *x, struct item *item)
{
    const struct engine_op *op = &item->op;
    item->stored = false;
    item->exists = false;
    item->unreadable = false;
    if (x->shard->commit_error != 0 && hold_waits(x->shard, op->commit)) {
        exec_error(x, HOLD_ERROR_TEXT); // it shows what will never be known to be durable
        return false;
    }
    item_note_commit(x, item);
    if (op->status == ENGINE_MISS) {
        return true;
    }
    if (op->status != ENGINE_OK) {
        CHECK(op->status == ENGINE_ERROR);
        // Not with EIO, though SET and DEL do without the old value. The index knows a few bits of
        // a key, so what was not read may be another key's record: once in thousands of writes. Of
        // a record that is damaged nothing is lost by that; one whose read failed for the moment
        // may be whole, and acknowledged. A block that never reads is told from such a moment by
        // `rldb repair` alone, and until then its keys answer IOERR.
        item->unreadable = op->error == -EBADMSG && item_is_blind(x);
        return item->unreadable || item_unreadable(x, op->error);
    }
    // What an engine in memory holds is what object.c wrote: anything else is a bug of ours.
    bool valid = object_open(op->object, &item->object);
    CHECK(valid || x->shard->durable);
    if (!valid) {
        return item_unreadable(x, -EBADMSG);
    }
    item->stored = true;
    item->exists =
        object_is_live(&item->object, x->shard->io->wall_ms) || planted(PLANTED_SERVE_EXPIRED);
    return true;
}

void item_count_access(struct shard *shard, const struct item *item)
{
    if (item->exists) {
        shard->stats.keyspace_hits++;
    } else {
        shard->stats.keyspace_misses++;
    }
}

struct slice item_value(struct item *item)
{
    return object_value_bytes(&item->object.winner, item->digits);
}

uint64_t item_expire_ms(const struct item *item)
{
    return object_expire_ms(&item->object);
}

bool item_integer(struct item *item, int64_t *ret_value)
{
    if (item->object.winner.kind == OBJECT_COUNTER) {
        *ret_value = item->object.winner.integer;
        return true;
    }
    return number_parse_i64(item->object.winner.bytes, ret_value);
}

const char *item_encoding(struct item *item)
{
    enum { EMBSTR_BYTES_MAX = 44 }; // what Redis keeps in the object itself
    int64_t integer;
    if (item_integer(item, &integer)) {
        return "int";
    }
    return item_value(item).size <= EMBSTR_BYTES_MAX ? "embstr" : "raw";
}

// Stamping and storing -----------------------------------------------------------------------

// The next dot of this vnode, past what the key has seen. False, with the error replied, when there
// is none to be had.
static bool item_dot(struct exec *x, const struct item *item, struct dot *ret_dot)
{
    struct shard *shard = x->shard;
    struct dot dot = {.actor = shard->identity.actor};
    if (!identity_stamp(shard, &dot.hlc)) {
        exec_error_full(x);
        return false;
    }
    // One clock stamps all this core's vnodes, and only goes forward.
    if (item->stored && object_newest(&item->object, dot.actor) >= dot.hlc) {
        CHECK(shard->durable);
        return item_unreadable(x, -EBADMSG); // it says to have been written in the future
    }
    *ret_dot = dot;
    return true;
}

// What became of a put or a removal. False: it has replied an error.
static bool item_written(struct exec *x, const struct item *item)
{
    const struct engine_op *op = &item->op;
    switch (op->status) {
    case ENGINE_OK:
        item_note_commit(x, item);
        return true;
    case ENGINE_FULL:
    case ENGINE_MISS: // what was to be kept was evicted for it
        exec_error_full(x);
        return false;
    case ENGINE_TOO_LARGE:
        exec_error(x, "TOOLARGE what the key would hold is larger than storage.value_max, or than "
                      "this engine keeps");
        return false;
    case ENGINE_ERROR:
        exec_error(x, HOLD_ERROR_TEXT);
        return false;
    case ENGINE_PENDING:
        break;
    }
    CHECK(false); // what was loaded is written without waiting
    return false;
}

// What Redis still does when memory is full (EXPIRE, PERSIST, RENAME) has a share of its own.
static uint32_t item_put_flags(const struct exec *x)
{
    return ((x->command->flags & COMMAND_DENYOOM) == 0 ? ENGINE_SPARED : 0U) |
           (x->reserved ? ENGINE_RESERVED : 0U);
}

// Stores what was staged in slices.
static bool item_store_staged(struct exec *x, struct item *item, struct haul *haul)
{
    struct engine_op *op = &item->op;
    op->parts[0] = op->parts[1] = slice_of(NULL, 0);
    op->tail_bytes = 0;
    op->expire_ms = haul->stage_expire_ms;
    op->flags = haul->stage_flags | ENGINE_STAGED;
    op->stage = &haul->stage;
    engine_put(x->shard->engine, &op, 1);
    return item_written(x, item);
}

// Stores head, tail, and the last kept_bytes of the object that is there.
static bool item_store_kept(struct exec *x, struct item *item, struct slice head, struct slice tail,
                            uint64_t kept_bytes, uint64_t expire_ms)
{
    struct engine_op *op = &item->op;
    op->parts[0] = head;
    op->parts[1] = tail;
    op->tail_bytes = kept_bytes;
    op->expire_ms = expire_ms;
    op->flags = item_put_flags(x);
    engine_put(x->shard->engine, &op, 1);
    work_spend(&x->shard->work, (head.size + tail.size) / WORK_BYTES_A_UNIT);
    return item_written(x, item);
}

static bool item_store(struct exec *x, struct item *item, struct slice head, struct slice tail,
                       uint64_t expire_ms)
{
    return item_store_kept(x, item, head, tail, 0, expire_ms);
}

static bool item_failed(struct exec *x, int error)
{
    CHECK(error == -EOVERFLOW); // item_dot() rules -ESTALE out
    exec_error(x,
               "ERR the key has been written by too many replaced nodes; DEL it and set it anew");
    return false;
}

static bool item_too_large(struct exec *x, size_t size)
{
    if (size <= x->shard->config.storage.value_max_bytes) {
        return false;
    }
    exec_error_too_large(x, size);
    return true;
}

// A value in parts that may lie in the engine's memory, or be zeros, as one in the scratch.
static bool item_gather(struct exec *x, const struct slice *parts, uint32_t count, size_t size,
                        struct slice *ret_value)
{
    uint8_t *bytes = shard_scratch(x->shard, size);
    if (bytes == NULL) {
        exec_error_memory(x);
        return false;
    }
    *ret_value = slice_of(bytes, size);
    for (uint32_t i = 0; i < count; i++) {
        if (parts[i].size != 0 && parts[i].bytes != NULL) {
            memcpy(bytes, parts[i].bytes, parts[i].size);
        } else if (parts[i].size != 0) {
            memset(bytes, 0, parts[i].size);
        }
        bytes += parts[i].size;
    }
    work_spend(&x->shard->work, size / WORK_BYTES_A_UNIT);
    return true;
}

// A value in parts; several are item_splice()'s.
static bool item_write_parts(struct exec *x, struct item *item, const struct slice *parts,
                             uint32_t count, uint64_t expire_ms)
{
    uint8_t small[OBJECT_HEAD_SMALL];
    uint8_t *head = small;
    size_t capacity = sizeof small;
    size_t head_size;
    const struct object_view *old = item->stored ? &item->object : NULL;
    struct haul *haul = haul_staged(x);
    struct slice value = parts[0];
    size_t size = 0;
    if (haul != NULL) {
        return item_store_staged(x, item, haul);
    }
    for (uint32_t i = 0; i < count; i++) {
        size += parts[i].size;
    }
    if (item_too_large(x, size)) {
        return false;
    }
    size_t bound = object_head_bound(old);
    if (bound > capacity) {
        head = shard_head_scratch(x->shard);
        capacity = SHARD_HEAD_SCRATCH_BYTES;
    }
    struct dot dot;
    if (!item_dot(x, item, &dot)) {
        return false;
    }
    int error = object_write_register(head, capacity, old, dot, expire_ms, &head_size);
    if (error < 0) {
        return item_failed(x, error);
    }
    if (haul_stage(x, slice_of(head, head_size), parts, count, item_put_flags(x), expire_ms) ||
        (count > 1 && !item_gather(x, parts, count, size, &value))) {
        return false;
    }
    return item_store(x, item, slice_of(head, head_size), value, expire_ms);
}

static bool item_write(struct exec *x, struct item *item, struct slice value, uint64_t expire_ms)
{
    return item_write_parts(x, item, &value, 1, expire_ms);
}

bool item_set(struct exec *x, struct item *item, struct slice value, uint64_t expire_ms)
{
    if (expire_ms != 0 && expire_ms <= x->shard->io->wall_ms) {
        return !item->stored || item_delete(x, item); // it was never there for anybody
    }
    return item_write(x, item, value, expire_ms);
}

bool item_replace(struct exec *x, struct item *item, struct slice value)
{
    return item_write(x, item, value, item->exists ? item_expire_ms(item) : 0);
}

bool item_splice(struct exec *x, struct item *item, size_t offset, struct slice part)
{
    struct slice old = item->exists ? item_value(item) : slice_of(NULL, 0);
    size_t before = offset < old.size ? offset : old.size;
    size_t end = offset + part.size;
    const struct slice parts[] = {
        slice_of(old.bytes, before),
        slice_of(NULL, offset - before),
        part,
        end < old.size ? slice_of(old.bytes + end, old.size - end) : slice_of(NULL, 0),
    };
    return item_write_parts(x, item, parts, sizeof parts / sizeof *parts,
                            item->exists ? item_expire_ms(item) : 0);
}

bool item_add(struct exec *x, struct item *item, int64_t delta, int64_t *ret_total)
{
    uint8_t small[OBJECT_HEAD_SMALL];
    uint8_t *head = small;
    size_t capacity = sizeof small;
    size_t head_size;
    const struct object_view *old = item->stored ? &item->object : NULL;
    if (object_head_bound(old) > capacity) {
        head = shard_head_scratch(x->shard);
        capacity = SHARD_HEAD_SCRATCH_BYTES;
    }
    struct dot dot;
    if (!item_dot(x, item, &dot)) {
        return false;
    }
    int error = object_write_counter(head, capacity, &x->shard->actors[item->op.vnode], old, dot,
                                     delta, x->shard->io->wall_ms, ret_total, &head_size);
    if (error == -EINVAL) {
        exec_error_not_integer(x);
        return false;
    }
    if (error == -ERANGE) {
        exec_error(x, "ERR increment or decrement would overflow");
        return false;
    }
    if (error < 0) {
        return item_failed(x, error);
    }
    if (planted(PLANTED_LOSE_UPDATE) && x->client == NULL && *ret_total % 8 == 3) {
        return true;
    }
    uint64_t expire_ms = item->exists ? item_expire_ms(item) : 0;
    return item_store(x, item, slice_of(head, head_size), slice_of(NULL, 0), expire_ms);
}

bool item_expire(struct exec *x, struct item *item, uint64_t expire_ms)
{
    CHECK(item->exists);
    struct haul *haul = haul_staged(x);
    if (haul != NULL) {
        return item_store_staged(x, item, haul);
    }
    uint8_t small[OBJECT_HEAD_SMALL];
    uint8_t *head = small;
    size_t capacity = sizeof small;
    size_t head_size;
    if (object_head_bound(&item->object) > capacity) {
        head = shard_head_scratch(x->shard);
        capacity = SHARD_HEAD_SCRATCH_BYTES;
    }
    struct dot dot;
    if (!item_dot(x, item, &dot)) {
        return false;
    }
    int error = object_write_expiry(head, capacity, &item->object, dot, expire_ms, &head_size);
    if (error < 0) {
        return item_failed(x, error);
    }
    // The memory engine leaves the value where it is; on disk it is written anew.
    struct slice tail = object_tail(&item->object);
    if (x->shard->durable &&
        haul_stage(x, slice_of(head, head_size), &tail, 1, item_put_flags(x), expire_ms)) {
        return false;
    }
    return item_store_kept(x, item, slice_of(head, head_size), slice_of(NULL, 0),
                           object_tail(&item->object).size, expire_ms);
}

// With no replica to tell, nothing has to remember the deletion: its clock stays ahead of every dot
// it gave out, so a later write is newer than what any old context has seen. (With replicas a
// tombstone stays until it is reaped.)
bool item_delete(struct exec *x, struct item *item)
{
    CHECK(item->stored || item->unreadable);
    struct engine_op *op = &item->op;
    uint64_t stamp;
    (void)identity_stamp(x->shard, &stamp);
    engine_remove(x->shard->engine, &op, 1);
    return op->status == ENGINE_MISS || item_written(x, item); // it has expired meanwhile
}

// Versions -----------------------------------------------------------------------------------

static bool item_store_object(struct exec *x, struct item *item, struct slice object)
{
    struct object_view view;
    bool valid = object_open(object, &view);
    CHECK(valid);
    if (!object_is_tombstone(&view)) {
        return item_store(x, item, object, slice_of(NULL, 0), object_reap_ms(&view));
    }
    return !item->stored || item_delete(x, item);
}

static bool item_put_of(struct exec *x, struct item *item, const struct causal_history *context,
                        struct object_put *ret_put)
{
    *ret_put = (struct object_put){
        .old = item->stored ? &item->object : NULL,
        .context = context,
        .now_ms = x->shard->io->wall_ms,
    };
    return item_dot(x, item, &ret_put->dot);
}

bool item_put(struct exec *x, struct item *item, const struct causal_history *context,
              struct slice value, uint64_t expire_ms, struct causal_history *ret_seen)
{
    size_t size;
    struct object_put put;
    if (item_too_large(x, value.size) || !item_put_of(x, item, context, &put)) {
        return false;
    }
    put.value = value;
    put.expire_ms = expire_ms;
    size_t capacity = object_put_bound(put.old, context, value.size);
    uint8_t *out = shard_scratch(x->shard, capacity);
    if (out == NULL) {
        exec_error_memory(x);
        return false;
    }
    int error = object_put_with_context(&x->shard->actors[item->op.vnode], &put, out, capacity,
                                        &size, ret_seen);
    if (error == -EMLINK) {
        exec_errorf(x,
                    "SIBLINGS the key has %d values already; read it with RLDB.GET and put with "
                    "the context",
                    LIMIT_SIBLINGS);
        return false;
    }
    return error < 0 ? item_failed(x, error) : item_store_object(x, item, slice_of(out, size));
}

bool item_remove(struct exec *x, struct item *item, const struct causal_history *context,
                 bool *ret_removed)
{
    size_t size;
    if (!item->stored) {
        *ret_removed = false;
        return true;
    }
    struct object_put put;
    if (!item_put_of(x, item, context, &put)) {
        return false;
    }
    size_t capacity = object_put_bound(put.old, context, 0);
    uint8_t *out = shard_scratch(x->shard, capacity);
    if (out == NULL) {
        exec_error_memory(x);
        return false;
    }
    int error = object_delete_with_context(&x->shard->actors[item->op.vnode], &put, out, capacity,
                                           &size, ret_removed);
    return error < 0 ? item_failed(x, error) : item_store_object(x, item, slice_of(out, size));
}
