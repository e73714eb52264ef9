// A model of the log engine's keys, for its property tests, over the simulated disk, with crashes
// at any moment.
//
// Each key's object is a function of the key's number, a version that only grows, and the version
// whose put wrote its body: those after it may have kept that by tail_bytes. The model keeps which
// versions a key may have after a crash: the newest that was durable, and all that were put since.
#pragma once

#include "core/hash.h"
#include "core/memory.h"
#include "core/random.h"
#include "engines/engine.h"
#include "engines/log.h"
#include "tests/sim/sim_world.h"

#include <criterion/criterion.h>
#include <stdio.h>

// TAIL: puts a new head before the body that is there. GET_TAIL: right after a get of the same op.
enum op_kind { OP_GET, OP_PUT, OP_REMOVE, OP_CHECK, OP_TAIL, OP_GET_TAIL };

enum {
    VNODES = 4,
    HISTORY = 256,
    OPS = 64,
    KEY_BYTES_MAX = 200,
    HEAD_BYTES = 16, // version, version of the body
    HEAD_BYTES_MAX = 32,
};

struct event {
    uint64_t version; // 0: removed
    uint64_t commit;
};

struct key {
    uint64_t version; // the newest put; 0: absent
    uint64_t body;    // version that wrote its body
    bool busy;
    uint32_t events; // since the last one known to be durable, that one first
    struct event event[HISTORY];
};

struct model_op {
    struct engine_op op; // first
    struct model *model;
    uint32_t number;
    uint64_t version; // of a put
    uint8_t key[KEY_BYTES_MAX];
    uint8_t head[HEAD_BYTES_MAX];
    uint8_t *object; // the body of a put
    struct engine_stage stage;
    enum op_kind kind;
    bool busy;
};

struct model {
    struct sim_world *world;
    struct sim_node *node;
    struct io *io;
    struct engine *engine;
    struct engine_options options;
    struct random random;
    struct key *keys;
    uint32_t key_count;
    uint32_t steady; // keys below this one are left alone by work()
    uint64_t version;
    uint32_t object_max;
    uint32_t large_every; // 0, or every so many bodies are larger than a frame takes
    struct model_op ops[OPS];
    uint32_t pending;
    uint64_t reads_checked;
    uint64_t full;
};

static inline uint64_t shape(uint32_t number, uint64_t version)
{
    uint64_t state = number * UINT64_C(0x9e3779b97f4a7c15) + version;

    return random_split(&state);
}

static inline struct slice key_of(uint32_t number, uint8_t *bytes)
{
    const uint32_t size = 4 + number % 13 * (number % 13 == 7 ? 14 : 1); // up to 102

    memset(bytes, 'k', size);
    memcpy(bytes, &number, sizeof number);
    return slice_of(bytes, size);
}

static inline uint32_t body_size(const struct model *model, uint32_t number, uint64_t version)
{
    const uint64_t bits = shape(number, version);

    if (model->large_every != 0 && (bits >> 40) % model->large_every == 0) {
        return LOG_RECORD_BYTES_MAX + (uint32_t)((bits >> 8) % (2 << 20));
    }
    switch (bits % 16) {
    case 0:
        return 8 + (uint32_t)((bits >> 8) % model->object_max);
    case 1:
    case 2:
        return 8 + (uint32_t)((bits >> 8) % 5000);
    default:
        return 8 + (uint32_t)((bits >> 8) % 200);
    }
}

static inline void fill_body(uint8_t *bytes, uint32_t size, uint32_t number, uint64_t version)
{
    uint64_t state = shape(number, version) ^ 1;

    for (uint32_t i = 0; i < size; i += 8) {
        const uint64_t bits = random_split(&state);

        memcpy(bytes + i, &bits, size - i < 8 ? size - i : 8);
    }
}

// Heads are of different lengths, so that a body that is kept moves a little.
static inline struct slice fill_head(uint8_t *bytes, uint64_t version, uint64_t body)
{
    memset(bytes, 'h', HEAD_BYTES_MAX);
    memcpy(bytes, &version, sizeof version);
    memcpy(bytes + 8, &body, sizeof body);
    return slice_of(bytes, HEAD_BYTES + version % 5);
}

static inline uint64_t expiry_of(uint64_t version)
{
    return version % 3 == 0 ? (UINT64_C(1) << 50) + version : 0;
}

static inline void check_object(const struct model *model, uint32_t number, struct slice object,
                                uint64_t *ret_version, uint64_t *ret_body)
{
    uint8_t head_bytes[HEAD_BYTES_MAX];

    cr_assert_geq(object.size, HEAD_BYTES);
    memcpy(ret_version, object.bytes, 8);
    memcpy(ret_body, object.bytes + 8, 8);
    const struct slice head = fill_head(head_bytes, *ret_version, *ret_body);
    const uint32_t size = body_size(model, number, *ret_body);
    uint8_t *const expected = memory_allocate(size);

    cr_assert_eq(object.size, head.size + size);
    fill_body(expected, size, number, *ret_body);
    cr_assert(memcmp(object.bytes, head.bytes, head.size) == 0);
    cr_assert(memcmp(object.bytes + head.size, expected, size) == 0);
    memory_free(expected);
}

// What was durable when the process ended is the first event; forget what is before it.
static inline void settle(struct key *key, uint64_t committed)
{
    uint32_t first = 0;

    for (uint32_t i = 0; i < key->events; i++) {
        if (key->event[i].commit <= committed) {
            first = i;
        }
    }
    memmove(key->event, key->event + first, (key->events - first) * sizeof key->event[0]);
    key->events -= first;
}

static inline uint32_t flags_of(uint32_t number, uint64_t version)
{
    return shape(number, version) % 10 == 3 ? ENGINE_TOMBSTONE : 0;
}

static inline void note(struct model *model, struct key *key, uint64_t version, uint64_t commit)
{
    int error;

    settle(key, engine_committed(model->engine, &error));
    cr_assert_lt(key->events, HISTORY);
    key->event[key->events++] = (struct event){.version = version, .commit = commit};
    key->version = version;
}

static inline void finish_check(struct model *model, struct model_op *op)
{
    struct key *const key = &model->keys[op->number];
    uint64_t version = 0;
    bool allowed = false;

    if (op->op.status == ENGINE_OK) {
        check_object(model, op->number, op->op.object, &version, &key->body);
    }
    for (uint32_t i = 0; i < key->events; i++) {
        allowed = allowed || key->event[i].version == version;
    }
    cr_assert(allowed, "key %u has version %lu, which it cannot have: %lu to %lu", op->number,
              (unsigned long)version, (unsigned long)key->event[0].version,
              (unsigned long)key->version);
    key->version = version;
    key->events = 1;
    key->event[0] = (struct event){.version = version};
}

static inline void finish_get(struct model *model, struct model_op *op)
{
    const struct key *const key = &model->keys[op->number];
    uint64_t version;
    uint64_t body;

    cr_assert_eq(op->op.status, key->version != 0 ? ENGINE_OK : ENGINE_MISS, "key %u", op->number);
    if (op->op.status == ENGINE_OK) {
        check_object(model, op->number, op->op.object, &version, &body);
        cr_assert_eq(body, key->body);
        cr_assert_eq(op->op.expire_ms, expiry_of(version));
        cr_assert_eq(version, key->version, "key %u: version %lu, not %lu", op->number,
                     (unsigned long)version, (unsigned long)key->version);
        cr_assert_eq(op->op.flags, flags_of(op->number, version));
    }
    model->reads_checked++;
}

static inline void start(struct model *model, struct model_op *op);

static inline void finish(struct model *model, struct model_op *op)
{
    struct key *const key = &model->keys[op->number];

    cr_assert_neq(op->op.status, ENGINE_ERROR, "error %d", op->op.error);
    switch (op->kind) {
    case OP_GET:
        finish_get(model, op);
        break;
    case OP_GET_TAIL:
        finish_get(model, op);
        if (op->op.status == ENGINE_OK) {
            op->kind = OP_TAIL;
            start(model, op);
            return;
        }
        break;
    case OP_TAIL:
        cr_assert(op->op.status == ENGINE_FULL ||
                  op->op.status == (key->version != 0 ? ENGINE_OK : ENGINE_MISS));
        if (op->op.status == ENGINE_OK) {
            note(model, key, op->version, op->op.commit);
        }
        break;
    case OP_CHECK:
        finish_check(model, op);
        break;
    case OP_REMOVE:
        cr_assert(op->op.status == ENGINE_FULL ||
                  op->op.status == (key->version != 0 ? ENGINE_OK : ENGINE_MISS));
        if (op->op.status == ENGINE_OK) {
            note(model, key, 0, op->op.commit);
        }
        break;
    case OP_PUT:
        cr_assert(op->op.status == ENGINE_OK || op->op.status == ENGINE_FULL);
        if (op->op.status == ENGINE_OK) {
            note(model, key, op->version, op->op.commit);
            key->body = op->version;
        }
        engine_stage_close(model->engine, &op->stage);
        break;
    }
    model->full += op->op.status == ENGINE_FULL ? 1 : 0;
    key->busy = false;
    op->busy = false;
    memory_free(op->object);
    op->object = NULL;
}

static inline void op_done(struct engine_op *base)
{
    struct model_op *const op = (struct model_op *)(void *)base;

    op->model->pending--;
    finish(op->model, op);
}

static inline struct model_op *free_op(struct model *model)
{
    for (uint32_t i = 0; i < OPS; i++) {
        if (!model->ops[i].busy) {
            return &model->ops[i];
        }
    }
    return NULL;
}

static inline void prepare_put(struct model *model, struct model_op *op)
{
    const uint32_t number = op->number;
    const uint64_t body = op->kind == OP_TAIL ? model->keys[number].body : op->version;
    const uint32_t size = body_size(model, number, body);

    op->op.parts[0] = fill_head(op->head, op->version, body);
    op->op.flags = flags_of(number, op->version);
    op->op.expire_ms = expiry_of(op->version);
    if (op->kind == OP_TAIL) {
        op->op.tail_bytes = size;
        return;
    }
    op->object = memory_allocate(size);
    fill_body(op->object, size, number, body);
    op->op.parts[1] = slice_of(op->object, size);
    op->stage = (struct engine_stage){.bytes = op->op.parts[0].size + size};
    enum engine_status status =
        op->version % 2 != 0 ? ENGINE_FULL : engine_stage_open(model->engine, &op->op, &op->stage);

    // What a get has found stays until the turn ends: a put that goes with it cannot wait.
    while (status == ENGINE_PENDING && op->op.memory == 0) {
        io_turn(model->io, 20000);
        status = engine_stage_open(model->engine, &op->op, &op->stage);
    }
    if (status == ENGINE_PENDING) {
        engine_stage_close(model->engine, &op->stage);
    }
    if (status == ENGINE_OK) {
        memcpy(op->stage.object, op->op.parts[0].bytes, op->op.parts[0].size);
        memcpy(op->stage.object + op->op.parts[0].size, op->object, size);
        op->op.flags |= ENGINE_STAGED;
        op->op.stage = &op->stage;
    }
}

static inline void start(struct model *model, struct model_op *op)
{
    struct engine_op *const ops[1] = {&op->op};
    const bool loaded = op->op.memory != 0; // a get has gone before

    if (op->kind == OP_GET || op->kind == OP_CHECK || op->kind == OP_GET_TAIL) {
        engine_get(model->engine, ops, 1);
    } else if (op->kind == OP_PUT || op->kind == OP_TAIL) {
        prepare_put(model, op);
        engine_put(model->engine, ops, 1);
        cr_assert(!loaded || op->op.status != ENGINE_PENDING);
    } else {
        engine_remove(model->engine, ops, 1);
    }
    if (op->op.status == ENGINE_PENDING) {
        model->pending++;
    } else {
        finish(model, op);
    }
}

static inline void begin(struct model *model, uint32_t number, enum op_kind kind, uint64_t version)
{
    struct model_op *const op = free_op(model);

    if (op == NULL || model->keys[number].busy) {
        return;
    }
    *op = (struct model_op){
        .model = model,
        .number = number,
        .kind = kind,
        .version = version,
        .busy = true,
    };
    model->keys[number].busy = true;
    op->op.key = key_of(number, op->key);
    op->op.hash = hash_key(model->options.hash_seed, op->op.key);
    op->op.vnode = number % VNODES;
    op->op.done = op_done;
    start(model, op);
}

static inline void turn(struct model *model, uint64_t timeout_ns)
{
    engine_commit(model->engine);
    engine_step(model->engine, 1 + (uint32_t)random_below(&model->random, 65536));
    io_turn(model->io, timeout_ns);
    if (random_below(&model->random, 16) == 0) {
        log_verify(model->engine);
    }
}

static inline void drain(struct model *model)
{
    while (model->pending != 0) {
        turn(model, 1000000);
    }
}

static inline void work(struct model *model, uint32_t steps, uint32_t put_percent)
{
    for (uint32_t i = 0; i < steps; i++) {
        const uint64_t kind = random_below(&model->random, 100);
        // Some keys are hot.
        const uint32_t range = random_below(&model->random, 2) == 0
                                   ? model->key_count
                                   : model->steady + (model->key_count - model->steady) / 16;
        const uint32_t number =
            model->steady + (uint32_t)random_below(&model->random, range - model->steady);

        if (kind < put_percent / 3) {
            begin(model, number, kind % 2 == 0 ? OP_TAIL : OP_GET_TAIL, ++model->version);
        } else if (kind < put_percent) {
            begin(model, number, OP_PUT, ++model->version);
        } else if (kind < put_percent + 10) {
            begin(model, number, OP_REMOVE, 0);
        } else {
            begin(model, number, OP_GET, 0);
        }
        if (random_below(&model->random, 8) == 0) {
            turn(model, random_below(&model->random, 3) * 20000);
        }
    }
}

static inline void open_engine(struct model *model)
{
    const struct io_uring_options options = {
        .queue_entries = 256, .buffer_count = 16, .buffer_bytes = 4096};

    model->io = sim_core_open(model->node, &options);
    model->options.io = model->io;
    const int error = log_engine_open(&model->options, &model->engine);

    cr_assert_eq(error, 0, "log_engine_open: %d", error);
}

// After a crash or a stop each key has one of the versions that it may have, and keeps it.
static inline void check_all(struct model *model)
{
    for (uint32_t number = 0; number < model->key_count; number++) {
        while (free_op(model) == NULL) {
            turn(model, 1000000);
        }
        begin(model, number, OP_CHECK, 0);
    }
    drain(model);
}

enum end { END_CLOSE, END_KILL, END_POWER_LOSS };

static inline void end_engine(struct model *model, enum end how)
{
    int error;
    uint64_t committed;

    if (how == END_CLOSE) {
        drain(model);
        engine_close(model->engine);
        io_destroy(model->io);
        committed = UINT64_MAX;
    } else {
        committed = engine_committed(model->engine, &error);
        sim_node_stop(model->node, how == END_KILL ? SIM_KILL : SIM_POWER_LOSS);
        log_engine_abandon(model->engine);
    }
    for (uint32_t i = 0; i < OPS; i++) {
        struct model_op *const op = &model->ops[i];

        if (op->busy) { // it was under way: it may have happened
            struct key *const key = &model->keys[op->number];

            if (op->kind != OP_GET && op->kind != OP_CHECK) {
                key->event[key->events++] = (struct event){op->version, UINT64_MAX};
            }
            key->busy = false;
            memory_free(op->object);
            *op = (struct model_op){0};
        }
    }
    model->pending = 0;
    for (uint32_t number = 0; number < model->key_count; number++) {
        settle(&model->keys[number], how == END_CLOSE ? UINT64_MAX : committed);
    }
}

static inline void model_begin(struct model *model, uint64_t seed, uint32_t keys,
                               struct engine_options options)
{
    memset(model, 0, sizeof *model);
    model->world = sim_world_open(seed, NULL);
    model->node = sim_node_add(model->world, "10.0.0.1");
    random_seed(&model->random, seed);
    model->key_count = keys;
    model->keys = memory_allocate_zeroed(keys * sizeof model->keys[0]);
    model->object_max = 60000;
    for (uint32_t i = 0; i < keys; i++) {
        model->keys[i].events = 1; // absent, and durably so
    }
    model->options = options;
    model->options.directory = "/log";
    model->options.vnodes = VNODES;
    model->options.shards = 1;
    model->options.hash_seed = 42;
    open_engine(model);
}

static inline void model_end(struct model *model)
{
    memory_free(model->keys);
    sim_world_close(model->world);
}

static const struct engine_options small = {
    .cache_bytes = 512 << 10,
    .segment_bytes = 2 << 20,
    .disk_max_bytes = 48 << 20,
};
