// put and remove: what is written, to the log, the cache and the index at once.
#include "engines/log.h"
#include "engines/log_drop.h"

#include <inttypes.h>

void log_count(struct log_engine *engine, uint32_t vnode, bool tombstone, bool expires,
               uint64_t change)
{
    engine->records += change;
    engine->tombstones += tombstone ? change : 0;
    engine->with_expiry += expires ? change : 0;
    engine->vnodes[vnode].tombstones += tombstone ? change : 0;
    engine->vnodes[vnode].with_expiry += expires ? change : 0;
}

static uint64_t replaced(const struct log_found *found)
{
    return found->location | (found->location == LOG_LOCATION_NONE
                                  ? 0
                                  : (found->tombstone ? LOG_REPLACES_TOMBSTONE : 0) |
                                        (found->expire_ms != 0 ? LOG_REPLACES_EXPIRY : 0));
}

// Where the new record goes in the log: over the old one, if that is as large and its frame is
// still filling; else to the end. NULL when there is no room: on a full disk values are refused
// before removals are, which make room.
static uint8_t *place_record(struct log_engine *engine, const struct log_found *old,
                             struct log_record *record, bool spared, uint64_t bytes,
                             uint64_t *ret_location)
{
    if (old->slot != NULL && log_is_filling(engine, old->location)) {
        uint8_t *const at = log_in_frame(engine, old->location);
        struct log_record there;

        if (log_record_parse(slice_of(at, log_class_bytes(old->class)), &there) &&
            there.bytes == bytes && there.stamp == 0) {
            record->replaces = there.replaces;
            *ret_location = old->location;
            return at;
        }
    }
    if (record->kind == LOG_VALUE && !spared && log_is_full(engine, bytes)) {
        return NULL;
    }
    uint8_t *const at = old->slot != NULL
                            ? log_append_after(engine, old->location, (uint32_t)bytes, ret_location)
                            : log_append(engine, &engine->hot, (uint32_t)bytes, ret_location);

    if (at != NULL) {
        engine->stamp++;
    }
    return at;
}

// The payload of an entry for a record that was just put: in the cache, if it takes it. The object
// is as it is in the log, since a part of it may come from the cache itself.
static uint64_t cache_record(struct log_engine *engine, const struct engine_op *op,
                             const struct log_found *old, struct slice object, bool large,
                             uint64_t location, uint32_t class)
{
    const struct slice parts[2] = {object, slice_of(NULL, 0)};
    const uint64_t bytes = cached_bytes(op->key.size, object.size, op->expire_ms);
    struct cached cached = {
        .key = op->key,
        .location = location,
        .class = class,
        .vnode = op->vnode,
        .expire_ms = op->expire_ms,
        .flags = ((op->flags & ENGINE_TOMBSTONE) != 0 ? CACHED_TOMBSTONE : 0U) |
                 (large ? CACHED_LARGE : 0U),
    };
    enum cache_ring_name ring = CACHE_YOUNG;
    uint8_t *at = NULL;

    if (old->cached != NULL) {
        const uint64_t place = cache_place(&engine->cache, old->cached);

        cached.flags |= old->cached[5] & CACHED_READ_MASK;
        ring = cache_ring_of(&engine->cache, place);
        if (old->cached_bytes == bytes) {
            at = old->cached;
        } else {
            cache_kill(&engine->cache, place);
        }
    }
    if (at == NULL) {
        const uint64_t place = cache_take(&engine->cache, ring, bytes);

        if (place == CACHE_NONE) {
            return log_payload(location, class);
        }
        at = cache_at(&engine->cache, place);
    }
    cached_write(at, &cached, parts);
    return log_payload_cached(cache_place(&engine->cache, at), class);
}

// Leads the index to a new record. False when it has no memory for one more key.
static bool lead_to(struct log_engine *engine, const struct engine_op *op,
                    const struct log_found *old, uint64_t payload)
{
    if (old->slot != NULL) {
        *old->slot = index_entry(index_fingerprint(&engine->index, op->hash), payload);
        return true;
    }
    return index_insert(&engine->index, &engine->vnodes[op->vnode].table, op->hash, payload);
}

static uint64_t object_bytes(const struct engine_op *op)
{
    return (op->flags & ENGINE_STAGED) != 0
               ? op->stage->bytes
               : (uint64_t)op->parts[0].size + op->parts[1].size + op->tail_bytes;
}

static struct slice kept_tail(const struct engine_op *op, const struct log_found *old)
{
    return op->tail_bytes == 0
               ? slice_of(NULL, 0)
               : slice_of(old->object.bytes + (old->object.size - op->tail_bytes), op->tail_bytes);
}

// The bytes that go into the log: an object that is too large for a frame goes to a file of its
// own, and only the name of that into the log. Returns the file's number, 0 when there is none, and
// UINT64_MAX when there is no room for it.
static uint64_t name_large(struct log_engine *engine, const struct engine_op *op,
                           struct log_record *record, uint8_t *name)
{
    if (op->key.size + object_bytes(op) <= LOG_OBJECT_BYTES_MAX) {
        return 0;
    }
    log_close_frame(engine, &engine->hot); // what was put before does not wait for the file
    const uint64_t number = log_large_write(engine, op, record->object);

    record->large = true;
    record->object[0] = log_large_name(name, number, object_bytes(op));
    record->object[1] = record->object[2] = slice_of(NULL, 0);
    return number == 0 ? UINT64_MAX : number;
}

// Puts a record into the log, the cache and the index. False when one has no room.
static bool put_record(struct log_engine *engine, const struct engine_op *op,
                       const struct log_found *old, struct log_record *record)
{
    const uint64_t bytes = log_record_bytes(op->key.size,
                                            (uint64_t)record->object[0].size +
                                                record->object[1].size + record->object[2].size,
                                            op->expire_ms, 0);
    const uint32_t class = log_class(bytes);
    uint64_t location;
    uint8_t *const at =
        place_record(engine, old, record, (op->flags & (ENGINE_SPARED | ENGINE_RESERVED)) != 0,
                     bytes, &location);

    if (at == NULL) {
        return false;
    }
    const struct slice object = log_record_write(at, record, log_record_seed_at(engine, location));
    const uint64_t payload = cache_record(engine, op, old, object, record->large, location, class);

    if (!lead_to(engine, op, old, payload)) {
        if ((payload & LOG_PAYLOAD_CACHED) != 0) {
            cache_kill(&engine->cache, log_payload_place(payload));
        }
        log_unappend(engine, (uint32_t)bytes);
        return false;
    }
    if (location != old->location) {
        log_revive(engine, location, class);
    }
    if (old->slot != NULL && location != old->location) {
        if (engine->snapshots_open != 0) {
            log_snapshots_keep(engine, op->vnode, op->hash, old->location, old->class);
        }
        log_kill(engine, old->location, old->class);
    }
    engine->record_bytes += bytes;
    return true;
}

static enum engine_status put_found(struct log_engine *engine, struct engine_op *op,
                                    const struct log_found *old)
{
    const bool tombstone = (op->flags & ENGINE_TOMBSTONE) != 0;
    struct log_record record = {
        .kind = tombstone ? LOG_TOMBSTONE : LOG_VALUE,
        .vnode = op->vnode,
        .replaces = replaced(old),
        .expire_ms = op->expire_ms,
        .key = op->key,
        .object = {op->parts[0], op->parts[1], kept_tail(op, old)},
    };
    uint8_t name[LOG_LARGE_NAME_BYTES];
    const uint64_t large = name_large(engine, op, &record, name);

    if (large == UINT64_MAX) {
        return ENGINE_FULL;
    }
    if (!put_record(engine, op, old, &record)) {
        log_large_kill(engine, large);
        return ENGINE_FULL;
    }
    if (large != 0) {
        log_large_named(engine, large, engine->hot.open);
    }
    if (old->large != 0) {
        log_large_kill(engine, old->large);
    }
    if (old->slot != NULL) {
        log_count(engine, op->vnode, old->tombstone, old->expire_ms != 0, UINT64_MAX);
    }
    log_count(engine, op->vnode, tombstone, op->expire_ms != 0, 1);
    op->commit = engine->options.durability.sync == ENGINE_SYNC_ALWAYS ? engine->commit_open : 0;
    return ENGINE_OK;
}

// remove -----------------------------------------------------------------------------------------

uint32_t log_take_out(struct log_engine *engine, uint32_t vnode, struct slice key, uint64_t hash,
                      const struct log_found *old)
{
    const struct log_record record = {
        .kind = LOG_REMOVAL,
        .vnode = vnode,
        .replaces = replaced(old),
        .key = key,
    };
    const uint32_t bytes = (uint32_t)log_record_bytes(key.size, 0, 0, 0);
    uint64_t location;
    uint8_t *const at = log_append_after(engine, old->location, bytes, &location);

    if (at == NULL) {
        return 0;
    }
    log_record_write(at, &record, log_record_seed_at(engine, location));
    log_note_stamp(engine, location, engine->stamp, true);
    engine->stamp++;
    if (old->cached != NULL) {
        cache_kill(&engine->cache, cache_place(&engine->cache, old->cached));
    }
    if (old->large != 0) {
        log_large_kill(engine, old->large);
    }
    if (engine->snapshots_open != 0) {
        log_snapshots_keep(engine, vnode, hash, old->location, old->class);
    }
    index_remove(&engine->index, &engine->vnodes[vnode].table, hash, old->slot);
    log_count(engine, vnode, old->tombstone, old->expire_ms != 0, UINT64_MAX);
    log_kill(engine, old->location, old->class);
    return bytes;
}

static enum engine_status remove_found(struct log_engine *engine, struct engine_op *op,
                                       const struct log_found *old)
{
    const uint32_t bytes = log_take_out(engine, op->vnode, op->key, op->hash, old);

    if (bytes == 0) {
        return ENGINE_FULL;
    }
    engine->record_bytes += bytes;
    op->commit = engine->options.durability.sync == ENGINE_SYNC_ALWAYS ? engine->commit_open : 0;
    engine->commit_removal = op->commit;
    return ENGINE_OK;
}

// Both -------------------------------------------------------------------------------------------

static enum engine_status write_found(struct log_engine *engine, struct engine_op *op,
                                      const struct log_found *old)
{
    if (engine->drops_owed != 0 && !log_drop_settle(engine)) {
        return ENGINE_FULL;
    }
    if (op->intent == ENGINE_INTENT_PUT) {
        return op->tail_bytes != 0 && (old->slot == NULL || old->object.size < op->tail_bytes)
                   ? ENGINE_MISS
                   : put_found(engine, op, old);
    }
    if (old->slot == NULL) {
        return ENGINE_MISS;
    }
    const bool gone = log_expired(engine, old) && old->expire_ms != UINT64_MAX;
    const enum engine_status status = remove_found(engine, op, old);

    return status == ENGINE_OK && gone ? ENGINE_MISS : status;
}

// The place of a record that cannot be read is taken by what is written to its key. It may have
// been another key's with the same fingerprint: so somebody is told.
static enum engine_status write_over_damage(struct log_engine *engine, struct engine_op *op,
                                            const struct log_found *old)
{
    if (op->tail_bytes != 0) {
        return ENGINE_ERROR; // op->error was set when it was met
    }
    const enum engine_status status = write_found(engine, op, old);

    if (status == ENGINE_OK) {
        log_report(engine, true,
                   "segment-%05u at %" PRIu64
                   ": a record of vnode %u that cannot be read was written over",
                   log_location_segment(old->location), log_location_offset(old->location),
                   op->vnode);
    }
    return status;
}

static bool is_too_large(const struct log_engine *engine, const struct engine_op *op)
{
    return op->intent == ENGINE_INTENT_PUT && op->key.size + object_bytes(op) > engine->record_max;
}

void log_write_one(struct log_engine *engine, struct engine_op *op)
{
    struct log_found old;
    enum log_find_result result = LOG_ABSENT;

    op->commit = 0;
    if (is_too_large(engine, op)) {
        op->status = ENGINE_TOO_LARGE;
        return;
    }
    if (engine->failed != 0) {
        op->status = ENGINE_ERROR;
        op->error = engine->failed;
        return;
    }
    result = log_find(engine, op, &old);
    if (result == LOG_ON_DISK ||
        (result == LOG_FOUND && old.remembered && old.large == 0 && op->tail_bytes != 0)) {
        op->status = ENGINE_PENDING;
        log_read_for(engine, op, old.location, old.class);
        return;
    }
    if (result == LOG_FOUND && old.large != 0 && op->tail_bytes != 0 &&
        !log_large_at_hand(engine, old.large, &old.object)) {
        log_remember(engine, op, &old, false);
        log_large_read(engine, op, old.large);
        return;
    }
    op->status = result == LOG_UNREADABLE ? write_over_damage(engine, op, &old)
                                          : write_found(engine, op, &old);
    engine->refused += op->status == ENGINE_FULL ? 1 : 0;
    op->memory = ENGINE_MEMORY_NONE;
}

static void write_batch(struct engine *base, struct engine_op *const *ops, size_t count,
                        enum engine_intent intent)
{
    struct log_engine *const engine = log_engine_of(base);

    for (size_t i = 0; i < count; i++) {
        if (i % LOG_BATCH == 0 && count > 1) {
            log_prefetch(engine, ops, count, i);
        }
        CHECK(ops[i]->key.size <= LOG_KEY_BYTES_MAX);
        ops[i]->intent = (uint8_t)intent;
        log_write_one(engine, ops[i]);
    }
}

void log_put(struct engine *base, struct engine_op *const *ops, size_t count)
{
    write_batch(base, ops, count, ENGINE_INTENT_PUT);
}

void log_remove(struct engine *base, struct engine_op *const *ops, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        ops[i]->tail_bytes = 0;
    }
    write_batch(base, ops, count, ENGINE_INTENT_REMOVE);
}
