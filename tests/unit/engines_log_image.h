// Directories of the log engine as bytes, for tests that damage them: what a random workload left
// on a simulated disk, which is copied, changed, and put on a disk of its own again.
//
// Each key's object is a function of the key's number and a version that only grows.
#pragma once

#include "core/hash.h"
#include "core/memory.h"
#include "core/random.h"
#include "engines/engine.h"
#include "engines/log.h"
#include "tests/sim/sim_world.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>

enum {
    IMAGE_VNODES = 4,
    IMAGE_KEYS = 400,
    IMAGE_FILES_MAX = 32,
    IMAGE_KEY_BYTES = 24,
    IMAGE_SEGMENT_BYTES = 2 << 20,
    IMAGE_DISK_BYTES = 16 << 20,
    IMAGE_TEXT_BYTES = 64 << 10,
};

struct file {
    char name[64];
    uint8_t *bytes;
    size_t size;
};

struct image {
    struct file files[IMAGE_FILES_MAX];
    uint32_t count;
};

// An engine on a simulated disk of its own.
struct bench {
    struct sim_world *world;
    struct sim_node *node;
    struct io *io;
    struct engine *engine; // NULL where it could not be opened
    int error;
    uint32_t reports; // lines that recovery has said
    uint32_t damages; // of those
    char text[IMAGE_TEXT_BYTES];
    size_t text_size;
    uint64_t location;     // of what bench_get() has found last
    uint64_t commit;       // of what bench_put() has put last
    uint8_t object[65536]; // scratch
    // for the next bench_open_engine(); bench_empty() sets them
    struct engine_durability durability;
    uint64_t disk_max_bytes;
};

// Images ------------------------------------------------------------------------------------------

static inline struct file *image_find(struct image *image, const char *name)
{
    for (uint32_t i = 0; i < image->count; i++) {
        if (strcmp(image->files[i].name, name) == 0) {
            return &image->files[i];
        }
    }
    return NULL;
}

static inline void image_put(struct image *image, const char *name, const uint8_t *bytes,
                             size_t size)
{
    struct file *file = image_find(image, name);

    if (file == NULL) {
        cr_assert_lt(image->count, IMAGE_FILES_MAX);
        file = &image->files[image->count++];
        *file = (struct file){0};
        cr_assert_lt(strlen(name), sizeof file->name);
        memcpy(file->name, name, strlen(name) + 1);
    }
    uint8_t *const copy = malloc(size + 1); // `bytes` may be the file's own

    memcpy(copy, bytes, size);
    free(file->bytes);
    file->bytes = copy;
    file->size = size;
}

static inline void image_remove(struct image *image, struct file *file)
{
    free(file->bytes);
    *file = image->files[--image->count];
}

static inline void image_free(struct image *image)
{
    while (image->count != 0) {
        image_remove(image, &image->files[0]);
    }
}

static inline void image_copy(const struct image *image, struct image *ret_copy)
{
    *ret_copy = (struct image){0};
    for (uint32_t i = 0; i < image->count; i++) {
        image_put(ret_copy, image->files[i].name, image->files[i].bytes, image->files[i].size);
    }
}

struct image_taking {
    struct sim_node *node;
    struct image *image;
};

static inline bool image_take_file(void *context, const char *name)
{
    const struct image_taking *const taking = context;
    char path[128];
    size_t size;

    (void)snprintf(path, sizeof path, "/log/%s", name);
    uint8_t *const bytes = sim_node_file(taking->node, path, &size);

    image_put(taking->image, name, bytes, size);
    free(bytes);
    return true;
}

// What is in /log of a node now.
static inline void image_take(struct sim_node *node, struct image *ret_image)
{
    struct image_taking taking = {.node = node, .image = ret_image};

    *ret_image = (struct image){0};
    cr_assert_eq(sim_node_list(node, "/log", image_take_file, &taking), 0);
}

// Keys --------------------------------------------------------------------------------------------

static inline struct slice image_key(uint32_t number, uint8_t *bytes)
{
    const uint32_t size = 4 + number % 21;

    memset(bytes, (int)('a' + number % 26), size);
    memcpy(bytes, &number, sizeof number);
    return slice_of(bytes, size);
}

static inline uint32_t image_object_size(uint32_t number, uint64_t version)
{
    uint64_t state = number * UINT64_C(0x9e3779b97f4a7c15) + version;
    const uint64_t bits = random_split(&state);

    return 8 + (uint32_t)((bits >> 8) % (bits % 32 == 0 ? 60000 : bits % 4 == 0 ? 5000 : 200));
}

static inline void image_object(uint32_t number, uint64_t version, uint8_t *bytes)
{
    uint64_t state = ~(number * UINT64_C(0x9e3779b97f4a7c15) + version);
    const uint32_t size = image_object_size(number, version);

    for (uint32_t i = 0; i < size; i += 8) {
        const uint64_t bits = random_split(&state);

        memcpy(bytes + i, &bits, size - i < 8 ? size - i : 8);
    }
    memcpy(bytes, &version, sizeof version);
}

// Engines -----------------------------------------------------------------------------------------

static inline void bench_report(void *context, bool damage, const char *text)
{
    struct bench *const bench = context;

    bench->reports++;
    bench->damages += damage ? 1 : 0;
    bench->text_size += (size_t)snprintf(bench->text + bench->text_size,
                                         sizeof bench->text - bench->text_size, "%s\n", text);
    cr_assert_lt(bench->text_size, sizeof bench->text, "recovery says too much:\n%s", bench->text);
}

static inline void bench_open_engine_of(struct bench *bench, uint32_t segment_bytes,
                                        uint64_t disk_max_bytes)
{
    const struct io_uring_options uring = {
        .queue_entries = 256, .buffer_count = 16, .buffer_bytes = 4096};
    bench->io = sim_core_open(bench->node, &uring);
    const struct engine_options options = {
        .io = bench->io,
        .directory = "/log",
        .shards = 1,
        .vnodes = IMAGE_VNODES,
        .hash_seed = 42,
        .cache_bytes = 512 << 10,
        .segment_bytes = segment_bytes,
        .disk_max_bytes = disk_max_bytes,
        .durability = bench->durability,
        .report = bench_report,
        .report_context = bench,
    };

    bench->reports = bench->damages = 0;
    bench->text_size = 0;
    bench->text[0] = '\0';
    bench->engine = NULL;
    bench->error = log_engine_open(&options, &bench->engine);
}

static inline void bench_open_engine(struct bench *bench)
{
    bench_open_engine_of(bench, IMAGE_SEGMENT_BYTES, bench->disk_max_bytes);
}

// A disk with what is in the image, or an empty one with NULL, and no engine.
static inline void bench_empty(struct bench *bench, uint64_t seed, const struct image *image)
{
    char path[128];

    bench->engine = NULL;
    bench->durability = (struct engine_durability){.sync = ENGINE_SYNC_ALWAYS};
    bench->disk_max_bytes = IMAGE_DISK_BYTES;
    bench->world = sim_world_open(seed, NULL);
    bench->node = sim_node_add(bench->world, "10.0.0.1");
    for (uint32_t i = 0; image != NULL && i < image->count; i++) {
        (void)snprintf(path, sizeof path, "/log/%s", image->files[i].name);
        sim_node_put_file(bench->node, path, image->files[i].bytes, image->files[i].size);
    }
}

// Opens what is in the image, or a new directory with NULL.
static inline void bench_open(struct bench *bench, uint64_t seed, const struct image *image)
{
    bench_empty(bench, seed, image);
    bench_open_engine(bench);
}

// Ends the engine as kill -9 would, or the machine's power.
static inline void bench_kill(struct bench *bench, enum sim_stop how)
{
    sim_node_stop(bench->node, how);
    if (bench->engine != NULL) {
        log_engine_abandon(bench->engine);
    }
    bench->engine = NULL;
}

static inline void bench_close(struct bench *bench)
{
    engine_close(bench->engine);
    io_destroy(bench->io);
    bench->engine = NULL;
}

static inline void bench_done(struct bench *bench)
{
    if (bench->engine != NULL) {
        bench_kill(bench, SIM_KILL);
    }
    sim_world_close(bench->world);
}

static inline void bench_turn(struct bench *bench)
{
    engine_commit(bench->engine);
    engine_step(bench->engine, 65536);
    io_turn(bench->io, 20000);
}

struct bench_op {
    struct engine_op op; // first
    uint8_t key[IMAGE_KEY_BYTES];
    bool done;
};

static inline void bench_op_done(struct engine_op *op)
{
    ((struct bench_op *)(void *)op)->done = true;
}

static inline struct engine_op *bench_op(struct bench_op *op, uint32_t number)
{
    *op = (struct bench_op){.op.vnode = number % IMAGE_VNODES, .op.done = bench_op_done};
    op->op.key = image_key(number, op->key);
    op->op.hash = hash_key(42, op->op.key);
    return &op->op;
}

static inline void bench_wait(struct bench *bench, const struct bench_op *op)
{
    while (op->op.status == ENGINE_PENDING && !op->done) {
        bench_turn(bench);
    }
}

static inline enum engine_status bench_put(struct bench *bench, uint32_t number, uint64_t version)
{
    struct bench_op op;
    struct engine_op *const ops[1] = {bench_op(&op, number)};

    image_object(number, version, bench->object);
    ops[0]->parts[0] = slice_of(bench->object, image_object_size(number, version));
    engine_put(bench->engine, ops, 1);
    bench_wait(bench, &op);
    bench->commit = op.op.commit;
    return op.op.status;
}

static inline enum engine_status bench_remove(struct bench *bench, uint32_t number)
{
    struct bench_op op;
    struct engine_op *const ops[1] = {bench_op(&op, number)};

    engine_remove(bench->engine, ops, 1);
    bench_wait(bench, &op);
    return op.op.status;
}

// The version that a key has, 0 for none. What is shown must be what some put gave it.
static inline enum engine_status bench_get(struct bench *bench, uint32_t number,
                                           uint64_t *ret_version)
{
    struct bench_op op;
    struct engine_op *const ops[1] = {bench_op(&op, number)};
    uint64_t version = 0;

    engine_get(bench->engine, ops, 1);
    while (op.op.status == ENGINE_PENDING && !op.done) {
        io_turn(bench->io, 20000); // and no step, so that the object stays where it is
    }
    if (op.op.status == ENGINE_OK) {
        cr_assert_geq(op.op.object.size, 8);
        memcpy(&version, op.op.object.bytes, sizeof version);
        bench->location = op.op.memory_location;
        cr_assert_eq(op.op.object.size, image_object_size(number, version), "key %u", number);
        image_object(number, version, bench->object);
        cr_assert_arr_eq(op.op.object.bytes, bench->object, op.op.object.size);
    }
    *ret_version = version;
    return op.op.status;
}

// Each key has the version that it was first put with, its number and 1.
static inline void bench_assert_there(struct bench *bench, uint32_t from, uint32_t to)
{
    for (uint32_t number = from; number < to; number++) {
        uint64_t version;

        cr_assert_eq(bench_get(bench, number, &version), ENGINE_OK, "key %u", number);
        cr_assert_eq(version, number + 1);
    }
}

// A directory with some keys and no checkpoint, or one.
static inline void image_simple(bool clean, struct image *ret_image)
{
    struct bench *const bench = malloc(sizeof *bench);

    bench_open(bench, 7, NULL);
    for (uint32_t number = 0; number < 50; number++) {
        cr_assert_eq(bench_put(bench, number, number + 1), ENGINE_OK);
    }
    for (uint32_t i = 0; i < 50; i++) {
        bench_turn(bench);
    }
    if (clean) {
        bench_close(bench);
    } else {
        bench_kill(bench, SIM_KILL);
    }
    image_take(bench->node, ret_image);
    bench_done(bench);
    free(bench);
}
