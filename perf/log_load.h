// What benchmarks of the log engine alone share: the engine on a folder of its own, and a load of
// puts and gets that waits for the disk and for room.
//
// Keys have 16 bytes, objects 10 of metadata and a value.
#pragma once

#include "core/hash.h"
#include "core/io.h"
#include "core/limits.h"
#include "core/random.h"
#include "engines/engine.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    KEY_BYTES = 16,
    METADATA_BYTES = 10,
    VALUE_BYTES_MAX = 65536,
    BATCH = 16,
    TURN_OPERATIONS = 64,
    SEGMENT_BYTES = 64 << 20,
    CACHE_BYTES_A_RECORD = 128, // beside the record's own, where no put shall wait for a read
};

static const double zipf_theta = 0.99;

struct bench {
    struct io *io;
    char directory[1024];
    struct engine *engine;
    struct random random;
    uint64_t keys;
    uint64_t disk_max_bytes;
    uint64_t cache_bytes;
    uint32_t segment_bytes;
    uint32_t value_bytes;
    uint32_t vnodes;
    double zipf_zeta; // 0: uniform
    uint8_t object[METADATA_BYTES + VALUE_BYTES_MAX];
    uint8_t key_bytes[BATCH][KEY_BYTES];
    struct engine_op ops[BATCH];
    struct engine_op *pointers[BATCH];
};

static inline void bench_begin(struct bench *bench)
{
    random_seed(&bench->random, 1);
    bench->segment_bytes = SEGMENT_BYTES;
    for (uint32_t i = 0; i < BATCH; i++) {
        bench->pointers[i] = &bench->ops[i];
    }
    for (uint32_t i = 0; i < sizeof bench->object; i++) {
        bench->object[i] = (uint8_t)(i * 7);
    }
}

// That a key takes in the log.
static inline uint64_t bench_record_bytes(const struct bench *bench)
{
    return (18 + KEY_BYTES + METADATA_BYTES + bench->value_bytes + 15) / 16 * 16;
}

static inline void fail(const char *what, int error)
{
    printf("%s: %s\n", what, strerror(error));
    exit(1);
}

static inline void io_begin(struct bench *bench)
{
    const struct io_uring_options options = {
        .queue_entries = 256, .buffer_count = 16, .buffer_bytes = 4096};
    char error[IO_ERROR_TEXT_MAX];

    if (io_uring_open(&options, &bench->io, error) != 0) {
        printf("%s\n", error);
        exit(1);
    }
}

static inline void say(void *context, bool damage, const char *text)
{
    (void)context;
    printf("    the engine says%s: %s\n", damage ? ", of damage" : "", text);
}

static inline void engine_begin(struct bench *bench)
{
    const struct engine_options options = {
        .io = bench->io,
        .directory = bench->directory,
        .shards = 1,
        .durability.sync = ENGINE_SYNC_NEVER,
        .cache_bytes = bench->cache_bytes,
        .segment_bytes = bench->segment_bytes,
        .disk_max_bytes = bench->disk_max_bytes,
        .report = say,
        .hash_seed = 1,
        .random_seed = 1,
        .vnodes = bench->vnodes,
    };
    const int error = log_engine_open(&options, &bench->engine);

    if (error != 0) {
        fail(bench->directory, -error);
    }
}

static inline void turn_end(struct bench *bench)
{
    engine_commit(bench->engine);
    io_turn(bench->io, 0);
    (void)engine_step(bench->engine, LIMIT_BACKGROUND_BYTES);
}

static inline void op_set(struct bench *bench, uint32_t i, uint64_t number)
{
    struct engine_op *const op = &bench->ops[i];
    const uint64_t words[2] = {number * UINT64_C(0x9e3779b97f4a7c15), number};

    memcpy(bench->key_bytes[i], words, KEY_BYTES);
    op->key = slice_of(bench->key_bytes[i], KEY_BYTES);
    op->hash = hash_key(1, op->key);
    op->vnode = (uint32_t)((number * UINT64_C(0xd1342543de82ef95)) >> 40) % bench->vnodes;
    op->flags = 0;
    op->expire_ms = 0;
    op->memory = 0;
    op->parts[0] = slice_of(bench->object, METADATA_BYTES);
    op->parts[1] = slice_of(bench->object + METADATA_BYTES, bench->value_bytes);
}

static inline void ignore_done(struct engine_op *op)
{
    (void)op;
}

typedef void engine_batch_fn(struct engine *engine, struct engine_op *const *ops, size_t count);

// Does it for the first `count` ops, waiting for the disk and for room.
static inline void batch(struct bench *bench, engine_batch_fn *verb, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        bench->ops[i].done = ignore_done;
    }
    verb(bench->engine, bench->pointers, count);
    for (uint32_t i = 0; i < count; i++) {
        struct engine_op *const op = &bench->ops[i];

        while (op->status == ENGINE_FULL || op->status == ENGINE_PENDING) {
            const bool again = op->status == ENGINE_FULL;

            turn_end(bench);
            if (again) {
                verb(bench->engine, &bench->pointers[i], 1);
            }
        }
        if (op->status != ENGINE_OK) {
            printf("an operation answered %d, error %d\n", (int)op->status, op->error);
            exit(1);
        }
    }
}

static inline void fill(struct bench *bench, uint64_t from, uint64_t to)
{
    for (uint64_t number = from; number < to; number += BATCH) {
        for (uint32_t i = 0; i < BATCH; i++) {
            op_set(bench, i, number + i);
        }
        batch(bench, engine_put, BATCH);
        if ((number + BATCH) % TURN_OPERATIONS == 0) {
            turn_end(bench);
        }
    }
}

// Zipf's law as Gray and others draw it ("Quickly generating billion-record synthetic databases",
// SIGMOD 1994, section 3), with the ranks spread over the keys.
static inline uint64_t pick(struct bench *bench)
{
    if (bench->zipf_zeta == 0) {
        return random_below(&bench->random, bench->keys);
    }
    const double n = (double)bench->keys;
    const double alpha = 1 / (1 - zipf_theta);
    const double eta =
        (1 - pow(2 / n, 1 - zipf_theta)) / (1 - (1 + pow(0.5, zipf_theta)) / bench->zipf_zeta);
    const double u = (double)(random_u64(&bench->random) >> 11) / 9007199254740992.0;
    const double uz = u * bench->zipf_zeta;
    uint64_t rank = 0;

    if (uz >= 1) {
        rank = uz < 1 + pow(0.5, zipf_theta) ? 1 : (uint64_t)(n * pow(eta * u - eta + 1, alpha));
    }
    return (rank * UINT64_C(0x9e3779b97f4a7c15) >> 7) % bench->keys;
}

static inline void put_over(struct bench *bench, uint64_t count)
{
    for (uint64_t done = 0; done < count; done += BATCH) {
        for (uint32_t i = 0; i < BATCH; i++) {
            op_set(bench, i, pick(bench));
        }
        batch(bench, engine_put, BATCH);
        if ((done + BATCH) % TURN_OPERATIONS == 0) {
            turn_end(bench);
        }
    }
}
