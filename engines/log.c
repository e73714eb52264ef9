#include "engines/log.h"

enum { PREFETCH_BYTES_MAX = 512 };

// Finding ----------------------------------------------------------------------------------------

uint64_t log_hash(const struct log_engine *engine, struct slice key)
{
    engine_hash_fn *const hash = engine->options.hash;

    return hash != NULL ? hash(engine->options.hash_seed, key)
                        : hash_key(engine->options.hash_seed, key);
}

static bool key_is(struct slice key, struct slice other)
{
    return key.size == other.size &&
           (key.size == 0 || memcmp(key.bytes, other.bytes, key.size) == 0);
}

const uint8_t *log_in_ram(const struct log_engine *engine, uint64_t location)
{
    const struct log_read *const read = log_read_at_hand(engine, location);

    return read != NULL ? read->bytes + read->from : log_in_frame(engine, location);
}

static bool match_cached(const struct log_engine *engine, uint64_t payload,
                         const struct engine_op *op, struct log_found *ret_found)
{
    struct cached cached;

    cached_read(cache_at(&engine->cache, log_payload_place(payload)), &cached);
    if (cached.vnode != op->vnode || !key_is(cached.key, op->key)) {
        return false;
    }
    *ret_found = (struct log_found){
        .cached = cached.at,
        .cached_bytes = cached.bytes,
        .location = cached.location,
        .class = cached.class,
        .object = cached.object,
        .expire_ms = cached.expire_ms,
        .tombstone = (cached.flags & CACHED_TOMBSTONE) != 0,
    };
    return true;
}

static bool match_record(const uint8_t *at, uint64_t payload, const struct engine_op *op,
                         struct log_found *ret_found)
{
    struct log_record record;
    const bool whole =
        log_record_parse(slice_of(at, log_class_bytes(log_payload_class(payload))), &record);

    CHECK(whole); // it was written or verified in this run
    if (!key_is(record.key, op->key) || record.vnode != op->vnode) {
        return false;
    }
    *ret_found = (struct log_found){
        .location = payload & LOG_PAYLOAD_WHERE,
        .class = log_payload_class(payload),
        .object = record.object[0],
        .expire_ms = record.expire_ms,
        .tombstone = record.kind == LOG_TOMBSTONE,
    };
    return true;
}

// Remembering what was found on disk: a put after the get of the same op reads nothing again, and a
// search goes on after the records that turned out to have other keys. Both hold as long as nothing
// was moved.
static bool remembers(const struct log_engine *engine, const struct engine_op *op,
                      enum engine_memory memory)
{
    return op->memory == memory && op->memory_moves == engine->moves;
}

static void remember(const struct log_engine *engine, struct engine_op *op,
                     const struct log_found *found)
{
    op->memory = ENGINE_MEMORY_RESOLVED;
    op->memory_moves = engine->moves;
    op->memory_location = found->location;
    op->memory_flags = (uint8_t)((found->expire_ms != 0 ? LOG_EXPIRES : 0U) |
                                 (uint32_t)(found->tombstone ? LOG_TOMBSTONE : LOG_VALUE));
}

static bool match_remembered(const struct engine_op *op, uint64_t payload,
                             struct log_found *ret_found)
{
    if (op->memory_location != (payload & LOG_PAYLOAD_WHERE)) {
        return false;
    }
    *ret_found = (struct log_found){
        .location = payload & LOG_PAYLOAD_WHERE,
        .class = log_payload_class(payload),
        .expire_ms = (op->memory_flags & LOG_EXPIRES) != 0 ? UINT64_MAX : 0,
        .tombstone = (op->memory_flags & LOG_KIND_MASK) == LOG_TOMBSTONE,
    };
    return true;
}

enum log_find_result log_find(struct log_engine *engine, struct engine_op *op,
                              struct log_found *ret_found)
{
    const bool resolved = remembers(engine, op, ENGINE_MEMORY_RESOLVED);
    const uint64_t after = remembers(engine, op, ENGINE_MEMORY_SEARCHING) ? op->memory_location : 0;
    struct index_probe probe;
    uint64_t *slot;
    uint64_t *cold = NULL; // the entry with the next location on disk

    CHECK(op->vnode < engine->options.vnodes);
    index_probe_begin(&engine->index, &engine->vnodes[op->vnode].table, op->hash, &probe);
    while ((slot = index_probe_next(&engine->index, &probe)) != NULL) {
        const uint64_t payload = index_payload(*slot);
        const uint64_t where = payload & LOG_PAYLOAD_WHERE;
        const uint8_t *at = NULL;
        bool matches = false;

        if ((payload & LOG_PAYLOAD_CACHED) != 0) {
            matches = match_cached(engine, payload, op, ret_found);
        } else if ((at = log_in_ram(engine, where)) != NULL) {
            matches = match_record(at, payload, op, ret_found);
        } else if (resolved) {
            matches = match_remembered(op, payload, ret_found);
        } else if (where > after &&
                   (cold == NULL || where < (index_payload(*cold) & LOG_PAYLOAD_WHERE))) {
            cold = slot;
        }
        if (matches) {
            ret_found->slot = slot;
            return LOG_FOUND;
        }
    }
    *ret_found = (struct log_found){.location = LOG_LOCATION_NONE};
    if (cold == NULL) {
        return LOG_ABSENT;
    }
    ret_found->location = index_payload(*cold) & LOG_PAYLOAD_WHERE;
    ret_found->class = log_payload_class(index_payload(*cold));
    return LOG_ON_DISK;
}

// get --------------------------------------------------------------------------------------------

static bool expired(const struct log_engine *engine, const struct log_found *found)
{
    return found->expire_ms != 0 && found->expire_ms <= engine->options.io->wall_ms;
}

static void get_found(struct log_engine *engine, struct engine_op *op,
                      const struct log_found *found)
{
    if (found->cached != NULL) {
        cached_touch(found->cached);
    }
    op->commit = log_commit_of(engine, found->location);
    if (expired(engine, found)) {
        op->status = ENGINE_MISS;
        return;
    }
    op->object = found->object;
    op->flags = found->tombstone ? ENGINE_TOMBSTONE : 0;
    op->expire_ms = found->expire_ms;
    op->status = ENGINE_OK;
}

// Goes as far as RAM leads: the op has its answer then, or a read has been asked for and the op is
// pending.
void log_get_one(struct log_engine *engine, struct engine_op *op)
{
    struct log_found found;

    op->commit = 0;
    switch (log_find(engine, op, &found)) {
    case LOG_FOUND:
        get_found(engine, op, &found);
        break;
    case LOG_ABSENT:
        op->status = ENGINE_MISS;
        break;
    case LOG_ON_DISK:
        op->status = ENGINE_PENDING;
        log_read_for(engine, op, found.location, found.class);
        return;
    }
    remember(engine, op, &found);
}

static void prefetch_lines(const struct log_engine *engine, struct engine_op *const *ops,
                           size_t count)
{
    for (size_t i = 0; i < count; i++) {
        CHECK(ops[i]->vnode < engine->options.vnodes);
        index_prefetch(&engine->index, &engine->vnodes[ops[i]->vnode].table, ops[i]->hash);
    }
}

static void prefetch_cached(const struct log_engine *engine, struct engine_op *const *ops,
                            size_t count)
{
    for (size_t i = 0; i < count; i++) {
        struct index_probe probe;
        uint64_t *slot;

        index_probe_begin(&engine->index, &engine->vnodes[ops[i]->vnode].table, ops[i]->hash,
                          &probe);
        slot = index_probe_next(&engine->index, &probe);
        if (slot != NULL && (*slot & LOG_PAYLOAD_CACHED) != 0) {
            const uint8_t *const at =
                cache_at(&engine->cache, log_payload_place(index_payload(*slot)));
            const uint32_t bytes = log_class_bytes(log_payload_class(index_payload(*slot)));

            for (uint32_t line = 0; line < bytes && line < PREFETCH_BYTES_MAX;
                 line += LIMIT_CACHE_LINE_BYTES) {
                __builtin_prefetch(at + line);
            }
        }
    }
}

static size_t wave_size(size_t count, size_t from)
{
    return from >= count ? 0 : count - from < LOG_BATCH ? count - from : LOG_BATCH;
}

// The index lines of a group of ops are under way while the records of the one before are asked
// for.
void log_prepare(struct engine *base, struct engine_op *const *ops, size_t count)
{
    const struct log_engine *const engine = log_engine_of(base);

    prefetch_lines(engine, ops, wave_size(count, 0));
    for (size_t i = 0; i < count; i += LOG_BATCH) {
        prefetch_lines(engine, ops + i + LOG_BATCH, wave_size(count, i + LOG_BATCH));
        prefetch_cached(engine, ops + i, wave_size(count, i));
    }
}

void log_get(struct engine *base, struct engine_op *const *ops, size_t count)
{
    struct log_engine *const engine = log_engine_of(base);

    for (size_t i = 0; i < count; i++) {
        if (i % LOG_BATCH == 0 && count > 1) {
            log_prepare(base, ops + i, wave_size(count, i));
        }
        ops[i]->memory = ENGINE_MEMORY_NONE;
        ops[i]->intent = ENGINE_INTENT_GET;
        log_get_one(engine, ops[i]);
    }
}

// put --------------------------------------------------------------------------------------------

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
// still filling; else to the end. NULL when there is no room.
static uint8_t *place_record(struct log_engine *engine, const struct log_found *old,
                             struct log_record *record, uint64_t bytes, uint64_t *ret_location)
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
    uint8_t *const at = old->slot != NULL
                            ? log_append_after(engine, old->location, (uint32_t)bytes, ret_location)
                            : log_append(engine, &engine->hot, (uint32_t)bytes, ret_location);

    if (at != NULL) {
        engine->stamp++;
    }
    return at;
}

// The payload of an entry for a record that was just put: in the cache, if it takes it.
static uint64_t cache_record(struct log_engine *engine, const struct engine_op *op,
                             const struct log_found *old, uint64_t location, uint32_t class)
{
    const uint64_t object_bytes = (uint64_t)op->parts[0].size + op->parts[1].size;
    const uint64_t bytes = cached_bytes(op->key.size, object_bytes, op->expire_ms);
    struct cached cached = {
        .key = op->key,
        .location = location,
        .class = class,
        .vnode = op->vnode,
        .expire_ms = op->expire_ms,
        .flags = (op->flags & ENGINE_TOMBSTONE) != 0 ? CACHED_TOMBSTONE : 0,
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
    cached_write(at, &cached, op->parts);
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

static enum engine_status put_found(struct log_engine *engine, struct engine_op *op,
                                    const struct log_found *old)
{
    const bool tombstone = (op->flags & ENGINE_TOMBSTONE) != 0;
    const uint64_t bytes = log_record_bytes(
        op->key.size, (uint64_t)op->parts[0].size + op->parts[1].size, op->expire_ms, 0);
    const uint32_t class = log_class(bytes);
    struct log_record record = {
        .kind = tombstone ? LOG_TOMBSTONE : LOG_VALUE,
        .vnode = op->vnode,
        .replaces = replaced(old),
        .expire_ms = op->expire_ms,
        .key = op->key,
        .object = {op->parts[0], op->parts[1]},
    };
    uint64_t location;
    uint8_t *const at = place_record(engine, old, &record, bytes, &location);

    if (at == NULL) {
        return ENGINE_FULL;
    }
    log_record_write(at, &record, log_record_seed_at(engine, location));

    const uint64_t payload = cache_record(engine, op, old, location, class);

    if (!lead_to(engine, op, old, payload)) {
        if ((payload & LOG_PAYLOAD_CACHED) != 0) {
            cache_kill(&engine->cache, log_payload_place(payload));
        }
        log_unappend(engine, (uint32_t)bytes);
        return ENGINE_FULL;
    }
    if (old->slot != NULL) {
        log_count(engine, op->vnode, old->tombstone, old->expire_ms != 0, UINT64_MAX);
    }
    log_count(engine, op->vnode, tombstone, op->expire_ms != 0, 1);
    if (location != old->location) {
        log_revive(engine, location, class);
    }
    if (old->slot != NULL && location != old->location) {
        log_kill(engine, old->location, old->class);
    }
    engine->record_bytes += bytes;
    op->commit = engine->options.sync == ENGINE_SYNC_ALWAYS ? engine->commit_open : 0;
    return ENGINE_OK;
}

// remove -----------------------------------------------------------------------------------------

// The key leaves nothing but a record that says so, for recovery.
static enum engine_status remove_found(struct log_engine *engine, struct engine_op *op,
                                       const struct log_found *old)
{
    const struct log_record record = {
        .kind = LOG_REMOVAL,
        .vnode = op->vnode,
        .replaces = replaced(old),
        .key = op->key,
    };
    const uint64_t bytes = log_record_bytes(op->key.size, 0, 0, 0);
    uint64_t location;
    uint8_t *const at = log_append_after(engine, old->location, (uint32_t)bytes, &location);

    if (at == NULL) {
        return ENGINE_FULL;
    }
    log_record_write(at, &record, log_record_seed_at(engine, location));
    log_note_stamp(engine, location, engine->stamp, true);
    engine->stamp++;
    if (old->cached != NULL) {
        cache_kill(&engine->cache, cache_place(&engine->cache, old->cached));
    }
    index_remove(&engine->index, &engine->vnodes[op->vnode].table, op->hash, old->slot);
    log_count(engine, op->vnode, old->tombstone, old->expire_ms != 0, UINT64_MAX);
    log_kill(engine, old->location, old->class);
    engine->record_bytes += bytes;
    op->commit = engine->options.sync == ENGINE_SYNC_ALWAYS ? engine->commit_open : 0;
    return ENGINE_OK;
}

// Both -------------------------------------------------------------------------------------------

static enum engine_status write_found(struct log_engine *engine, struct engine_op *op,
                                      const struct log_found *old)
{
    if (engine->failed != 0) {
        op->error = engine->failed;
        return ENGINE_ERROR;
    }
    if (op->intent == ENGINE_INTENT_PUT) {
        return put_found(engine, op, old);
    }
    if (old->slot == NULL) {
        return ENGINE_MISS;
    }
    const bool gone = expired(engine, old) && old->expire_ms != UINT64_MAX;
    const enum engine_status status = remove_found(engine, op, old);

    return status == ENGINE_OK && gone ? ENGINE_MISS : status;
}

void log_write_one(struct log_engine *engine, struct engine_op *op)
{
    struct log_found old;

    op->commit = 0;
    if (op->intent == ENGINE_INTENT_PUT &&
        op->key.size + op->parts[0].size + (uint64_t)op->parts[1].size > engine->record_max) {
        op->status = ENGINE_TOO_LARGE;
        return;
    }
    if (log_find(engine, op, &old) == LOG_ON_DISK) {
        op->status = ENGINE_PENDING;
        log_read_for(engine, op, old.location, old.class);
        return;
    }
    op->status = write_found(engine, op, &old);
    engine->refused += op->status == ENGINE_FULL ? 1 : 0;
    op->memory = ENGINE_MEMORY_NONE;
}

static void write_batch(struct engine *base, struct engine_op *const *ops, size_t count,
                        enum engine_intent intent)
{
    struct log_engine *const engine = log_engine_of(base);

    for (size_t i = 0; i < count; i++) {
        if (i % LOG_BATCH == 0 && count > 1) {
            log_prepare(base, ops + i, wave_size(count, i));
        }
        CHECK(ops[i]->key.size <= LOG_KEY_BYTES_MAX);
        CHECK(intent != ENGINE_INTENT_PUT || ops[i]->tail_bytes == 0);
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
    write_batch(base, ops, count, ENGINE_INTENT_REMOVE);
}
