// A plain model of what an engine holds, for the property tests of the memory engine, and a check
// of the engine's own books.
//
// Keys are numbers; a key's bytes and an object's bytes follow from number and version, so that the
// model only has to remember those.
#pragma once

#include "core/hash.h"
#include "core/random.h"
#include "engines/memory.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>

enum {
    MODEL_KEY_BYTES_MAX = 80,
    MODEL_OBJECT_BYTES_MAX = 100000, // of what most tests put
    MODEL_BUFFER_BYTES = 64 << 20,   // of what any may put
};

struct model_record {
    uint32_t version; // 0: not there
    uint32_t bytes;   // of the object
    uint32_t flags;
    uint64_t expire_ms;
};

struct model {
    struct io io;
    struct engine *engine;
    struct random random;
    uint32_t vnodes;
    uint32_t keys;
    uint32_t version;
    uint64_t removed[2]; // by enum engine_removal
    struct model_record *records;
    uint8_t *object; // scratch
};

static inline uint32_t model_vnode(const struct model *model, uint32_t number)
{
    return number * 7919U % model->vnodes;
}

// Keys of many lengths: some bytes of text that say which.
static inline struct slice model_key(uint32_t number, uint8_t *bytes)
{
    const uint32_t size = 4 + number % 23 + (number % 101 == 0 ? 40 : 0);

    memset(bytes, (int)('a' + number % 26), size);
    memcpy(bytes, &number, sizeof number);
    return slice_of(bytes, size);
}

static inline uint32_t model_number(struct slice key)
{
    uint32_t number;

    memcpy(&number, key.bytes, sizeof number);
    return number;
}

static inline void model_object(uint32_t number, uint32_t version, uint32_t bytes,
                                uint8_t *ret_object)
{
    uint64_t seed = (uint64_t)number << 32 | version;

    for (uint32_t i = 0; i < bytes; i += 8) {
        const uint64_t word = random_split(&seed);

        memcpy(ret_object + i, &word, bytes - i < 8 ? bytes - i : 8);
    }
}

// Set where a test wants many keys with few hashes.
static inline uint64_t model_bad_hash(uint64_t seed, struct slice key)
{
    return (hash_key(seed, key) & 15) << 20 | (model_number(key) & 3) << 13;
}

static inline void model_removed(void *context, uint32_t vnode, struct slice key,
                                 enum engine_removal why)
{
    struct model *const model = context;
    const uint32_t number = model_number(key);

    cr_assert(number < model->keys);
    cr_assert_eq(vnode, model_vnode(model, number));
    cr_assert(model->records[number].version != 0, "removed key %u was not there", number);
    if (why == ENGINE_REMOVED_EXPIRED) {
        cr_assert(model->records[number].expire_ms != 0 &&
                  model->records[number].expire_ms <= model->io.wall_ms);
    }
    model->records[number] = (struct model_record){0};
    model->removed[why]++;
}

static inline void model_open(struct model *model, uint64_t seed, uint32_t keys,
                              struct engine_options options)
{
    *model = (struct model){
        .io = {.wall_ms = 1000000},
        .vnodes = options.vnodes,
        .keys = keys,
        .records = calloc(keys, sizeof(struct model_record)),
        .object = malloc(MODEL_BUFFER_BYTES + 8),
    };
    random_seed(&model->random, seed);
    options.io = &model->io;
    options.hash_seed = seed;
    options.random_seed = seed;
    options.removed = model_removed;
    options.removed_context = model;
    cr_assert_eq(memory_engine_open(&options, &model->engine), 0);
    fprintf(stderr, "seed %llu\n", (unsigned long long)seed);
}

static inline void model_close(struct model *model)
{
    engine_close(model->engine);
    free(model->records);
    free(model->object);
}

static inline struct memory_engine *model_memory(const struct model *model)
{
    return (struct memory_engine *)model->engine;
}

static inline struct engine_op model_op(const struct model *model, uint32_t number, uint8_t *bytes)
{
    const struct slice key = model_key(number, bytes);

    return (struct engine_op){
        .key = key,
        .vnode = model_vnode(model, number),
        .hash = memory_hash(model_memory(model), key),
    };
}

// Puts the object together in a stage, however often that takes making room. False: it has none.
static inline bool model_stage(struct model *model, struct engine_op *op, uint32_t bytes,
                               struct engine_stage *ret_stage)
{
    enum engine_status status = ENGINE_PENDING;

    *ret_stage = (struct engine_stage){.bytes = bytes};
    while (status == ENGINE_PENDING) {
        status = engine_stage_open(model->engine, op, ret_stage);
    }
    if (status != ENGINE_OK) {
        cr_assert_eq(status, ENGINE_FULL);
        return false;
    }
    memcpy(ret_stage->object, model->object, bytes);
    op->stage = ret_stage;
    op->flags |= ENGINE_STAGED;
    op->parts[0] = op->parts[1] = slice_of(NULL, 0);
    return true;
}

// Stores a new version, every second long one by a stage. Returns the engine's answer; the model
// follows it.
static inline enum engine_status model_put(struct model *model, uint32_t number, uint32_t bytes,
                                           uint32_t flags, uint64_t expire_ms)
{
    uint8_t key[MODEL_KEY_BYTES_MAX];
    struct engine_op op = model_op(model, number, key);
    struct engine_op *ops[1] = {&op};
    const uint32_t version = ++model->version;
    const uint32_t cut = bytes != 0 ? version % bytes : 0;

    model_object(number, version, bytes, model->object);
    op.parts[0] = slice_of(model->object, cut);
    op.parts[1] = slice_of(model->object + cut, bytes - cut);
    op.flags = flags;
    op.expire_ms = expire_ms;
    struct engine_stage stage;
    const bool staged =
        bytes > UINT16_MAX && version % 2 == 0 && model_stage(model, &op, bytes, &stage);
    engine_put(model->engine, ops, 1);
    if (staged) {
        engine_stage_close(model->engine, &stage);
    }
    if (op.status == ENGINE_OK) {
        model->records[number] =
            (struct model_record){version, bytes, flags & ENGINE_TOMBSTONE, expire_ms};
    }
    return op.status;
}

static inline bool model_visible(const struct model *model, uint32_t number)
{
    const struct model_record *const record = &model->records[number];

    return record->version != 0 &&
           (record->expire_ms == 0 || record->expire_ms > model->io.wall_ms);
}

static inline void model_compare(const struct model *model, uint32_t number, struct slice object,
                                 uint32_t flags, uint64_t expire_ms)
{
    const struct model_record *const record = &model->records[number];

    cr_assert_eq(object.size, record->bytes, "key %u: %zu bytes, not %u", number, object.size,
                 record->bytes);
    model_object(number, record->version, record->bytes, model->object);
    cr_assert(object.size == 0 || memcmp(object.bytes, model->object, object.size) == 0,
              "key %u: another object", number);
    cr_assert_eq(flags, record->flags);
    cr_assert_eq(expire_ms, record->expire_ms);
}

static inline void model_get(struct model *model, uint32_t number)
{
    uint8_t key[MODEL_KEY_BYTES_MAX];
    struct engine_op op = model_op(model, number, key);
    struct engine_op *ops[1] = {&op};

    engine_get(model->engine, ops, 1);
    cr_assert_eq(op.status, model_visible(model, number) ? ENGINE_OK : ENGINE_MISS,
                 "key %u: status %d, version %u", number, op.status,
                 model->records[number].version);
    if (op.status == ENGINE_OK) {
        model_compare(model, number, op.object, op.flags, op.expire_ms);
    }
}

static inline void model_delete(struct model *model, uint32_t number)
{
    uint8_t key[MODEL_KEY_BYTES_MAX];
    struct engine_op op = model_op(model, number, key);
    struct engine_op *ops[1] = {&op};
    const bool visible = model_visible(model, number);

    engine_remove(model->engine, ops, 1);
    cr_assert_eq(op.status, visible ? ENGINE_OK : ENGINE_MISS);
    model->records[number] = (struct model_record){0};
}

static inline void model_get_all(struct model *model)
{
    for (uint32_t number = 0; number < model->keys; number++) {
        model_get(model, number);
    }
}

// Walks the list of segments with an expiry, and returns how many there are.
static inline uint64_t model_expiring(const struct memory_engine *engine)
{
    uint64_t count = 0;

    for (uint32_t next = engine->expiring_first; next != SEGMENT_NONE; count++) {
        cr_assert(engine->segments[next - 1].expire_ms_min != EXPIRE_NEVER);
        next = engine->segments[next - 1].expiring_next;
    }
    return count;
}

// Walks all segments and tables, and compares with what the engine says of itself.
static inline void model_verify(struct model *model)
{
    struct memory_engine *const engine = model_memory(model);
    uint64_t blocks = 0;
    uint64_t used = 0;
    uint64_t dead = 0;
    uint64_t large = 0;
    uint64_t live_at_most = 0;
    uint64_t kept = 0, expiring = 0;

    for (uint32_t next = engine->age_first; next != SEGMENT_NONE;) {
        const uint32_t number = next - 1;
        const struct segment *const segment = &engine->segments[number];
        uint32_t dead_here = 0;
        struct record record;

        cr_assert(segment->state != SEGMENT_FREE);
        for (uint32_t offset = 0; offset < segment->used; offset += record.bytes) {
            record_read(engine->arena.base + segment_first(engine, number) + offset,
                        engine->vnode_bytes, &record);
            cr_assert(record.bytes > 0 && offset + record.bytes <= segment->used);
            if ((record.flags & RECORD_DEAD) != 0) {
                dead_here += record.bytes;
                continue;
            }
            live_at_most += record.bytes;
            // A sweep that is under way notes the bound anew; what is kept does not count.
            if (record.expire_ms != 0 && record.expire_ms < segment->expire_ms_min &&
                engine->reap.segment != next && engine->evict.segment != next) {
                cr_assert_eq(memory_find_place(engine, &engine->vnodes[record.vnode].table,
                                               memory_hash(engine, record.key),
                                               record_place(engine, &record)),
                             NULL);
            }
        }
        cr_assert_eq(dead_here, segment->dead);
        expiring += segment->expire_ms_min != EXPIRE_NEVER;
        cr_assert(segment->state == SEGMENT_HEAD || segment->dead < segment->used ||
                  segment->kept != 0);
        kept += segment->kept;
        if (segment->state == SEGMENT_LARGE) {
            large += arena_extent_bytes(segment->lead + segment->used);
        } else {
            blocks++;
            used += segment->used;
            dead += segment->dead;
        }
        cr_assert(segment->age_next == SEGMENT_NONE ||
                  engine->segments[segment->age_next - 1].age_previous == next);
        next = segment->age_next;
    }
    cr_assert_eq(expiring, model_expiring(engine));
    cr_assert_eq(used, engine->used_bytes);
    cr_assert_eq(dead, engine->dead_bytes);
    cr_assert_eq(kept, engine->kept_now);
    if (engine->condemned == SEGMENT_NONE) {
        cr_assert_eq(blocks, engine->blocks);
        cr_assert_eq(large, engine->large_bytes);
        if (engine->dropped == NULL) {
            cr_assert_eq(live_at_most, engine->live_bytes + engine->kept_bytes);
        }
    }
    uint64_t records = 0;

    for (uint32_t vnode = 0; vnode < engine->options.vnodes; vnode++) {
        index_verify(&engine->index, &engine->vnodes[vnode].table);
        records += engine->vnodes[vnode].table.entries;
    }
    cr_assert_eq(records, engine->records);
}

// The engine's numbers against the model's.
static inline void model_check_counts(struct model *model)
{
    struct engine_stats stats;
    uint64_t records = 0;
    uint64_t tombstones = 0;
    uint64_t with_expiry = 0;
    uint64_t live_bytes = 0;
    uint8_t key[MODEL_KEY_BYTES_MAX];

    for (uint32_t number = 0; number < model->keys; number++) {
        const struct model_record *const record = &model->records[number];

        if (record->version != 0) {
            records++;
            tombstones += (record->flags & ENGINE_TOMBSTONE) != 0;
            with_expiry += record->expire_ms != 0;
            live_bytes += record_bytes(model_key(number, key).size, record->bytes,
                                       record->expire_ms, model_memory(model)->vnode_bytes);
        }
    }
    engine_stats(model->engine, &stats);
    cr_assert_eq(stats.records, records);
    cr_assert_eq(stats.tombstones, tombstones);
    cr_assert_eq(stats.with_expiry, with_expiry);
    cr_assert_eq(stats.live_bytes, live_bytes);
    cr_assert_eq(engine_count(model->engine, ENGINE_ALL_VNODES), records - tombstones);
    cr_assert(stats.memory_max_bytes == 0 ||
                  stats.index_bytes + stats.data_bytes <= stats.memory_max_bytes,
              "%llu + %llu over %llu", (unsigned long long)stats.index_bytes,
              (unsigned long long)stats.data_bytes, (unsigned long long)stats.memory_max_bytes);
}
