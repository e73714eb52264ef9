#include "engines/log.h"

#include "core/planted.h"

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
        .large = (cached.flags & CACHED_LARGE) != 0 ? log_large_number(cached.object) : 0,
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
        .large = record.large ? log_large_number(record.object[0]) : 0,
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

void log_remember(const struct log_engine *engine, struct engine_op *op,
                  const struct log_found *found, bool damaged)
{
    op->memory = ENGINE_MEMORY_RESOLVED;
    op->memory_moves = engine->moves;
    op->memory_location = found->location;
    op->memory_large = found->large;
    op->memory_flags =
        (uint8_t)((found->expire_ms != 0 ? LOG_EXPIRES : 0U) | (damaged ? LOG_MEMORY_DAMAGED : 0U) |
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
        .large = op->memory_large,
        .remembered = true,
    };
    return true;
}

// The record that could not be read in this search, if it is still there.
static bool find_damaged(const struct log_engine *engine, const struct engine_op *op,
                         struct log_found *ret_found)
{
    uint64_t *const slot =
        op->memory == ENGINE_MEMORY_SEARCHING && (op->memory_flags & LOG_MEMORY_DAMAGED) != 0
            ? log_slot_of(engine, op->vnode, op->hash, op->memory_damaged)
            : NULL;

    if (slot != NULL) {
        *ret_found = (struct log_found){
            .slot = slot,
            .location = op->memory_damaged,
            .class = log_payload_class(index_payload(*slot)),
        };
    }
    return slot != NULL;
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
            return ret_found->remembered && (op->memory_flags & LOG_MEMORY_DAMAGED) != 0
                       ? LOG_UNREADABLE
                       : LOG_FOUND;
        }
    }
    *ret_found = (struct log_found){.location = LOG_LOCATION_NONE};
    if (cold == NULL) {
        return find_damaged(engine, op, ret_found) ? LOG_UNREADABLE : LOG_ABSENT;
    }
    ret_found->location = index_payload(*cold) & LOG_PAYLOAD_WHERE;
    ret_found->class = log_payload_class(index_payload(*cold));
    return LOG_ON_DISK;
}

// get --------------------------------------------------------------------------------------------

static void get_found(struct log_engine *engine, struct engine_op *op,
                      const struct log_found *found)
{
    if (found->cached != NULL) {
        cached_touch(found->cached);
    }
    op->commit = log_commit_of(engine, found->location);
    if (log_expired(engine, found)) {
        op->status = ENGINE_MISS;
        return;
    }
    const bool at_hand_only = (op->flags & ENGINE_AT_HAND) != 0;
    const bool partial = (op->flags & ENGINE_PARTIAL) != 0;

    op->flags = found->tombstone ? ENGINE_TOMBSTONE : 0;
    op->expire_ms = found->expire_ms;
    op->object = found->object;
    op->status = ENGINE_OK;
    if (found->large != 0 && !log_large_at_hand(engine, found->large, &op->object)) {
        if (partial) {
            op->flags |= ENGINE_PARTIAL;
            return;
        }
        op->status = ENGINE_PENDING;
        if (!at_hand_only) {
            log_large_read(engine, op, found->large);
        }
    }
}

// Goes as far as RAM leads: the op has its answer then, or a read has been asked for and the op is
// pending.
void log_get_one(struct log_engine *engine, struct engine_op *op)
{
    struct log_found found;
    const enum log_find_result result = log_find(engine, op, &found);

    op->commit = 0;
    switch (result) {
    case LOG_FOUND:
        get_found(engine, op, &found);
        break;
    case LOG_ABSENT:
        op->status = ENGINE_MISS;
        op->commit = engine->commit_removal > engine->commit_written ? engine->commit_removal : 0;
        break;
    case LOG_UNREADABLE:
        // op->error was set when it was met
        op->status = planted(PLANTED_ERROR_IS_MISS) ? ENGINE_MISS : ENGINE_ERROR;
        break;
    case LOG_ON_DISK:
        op->status = ENGINE_PENDING;
        if ((op->flags & ENGINE_AT_HAND) == 0) {
            log_read_for(engine, op, found.location, found.class);
        }
        return;
    }
    log_remember(engine, op, &found, result == LOG_UNREADABLE);
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

// Called for each group of a batch before it: the index lines of the group behind it are under way
// while the records of this one are asked for.
void log_prefetch(const struct log_engine *engine, struct engine_op *const *ops, size_t count,
                  size_t from)
{
    if (from == 0) {
        prefetch_lines(engine, ops, wave_size(count, 0));
    }
    prefetch_lines(engine, ops + from + LOG_BATCH, wave_size(count, from + LOG_BATCH));
    prefetch_cached(engine, ops + from, wave_size(count, from));
}

void log_prepare(struct engine *base, struct engine_op *const *ops, size_t count)
{
    for (size_t i = 0; i < count; i += LOG_BATCH) {
        log_prefetch(log_engine_of(base), ops, count, i);
    }
}

void log_get(struct engine *base, struct engine_op *const *ops, size_t count)
{
    struct log_engine *const engine = log_engine_of(base);

    for (size_t i = 0; i < count; i++) {
        if (i % LOG_BATCH == 0 && count > 1) {
            log_prefetch(engine, ops, count, i);
        }
        ops[i]->memory = ENGINE_MEMORY_NONE;
        ops[i]->intent = ENGINE_INTENT_GET;
        log_get_one(engine, ops[i]);
    }
}
