// Values of the log engine that have files of their own.
#include "core/wait.h"
#include "tests/unit/engines_log_model.h"

#include <errno.h>

static const struct engine_options roomy = {
    .cache_bytes = 512 << 10,
    .segment_bytes = 2 << 20,
    .disk_max_bytes = 400 << 20,
};

static bool count_file(void *context, const char *name)
{
    uint32_t *const count = context;

    *count += strncmp(name, "large-", 6) == 0;
    return true;
}

static uint32_t files(struct model *model)
{
    uint32_t count = 0;

    cr_assert_eq(io_list(model->io, "/log", count_file, &count), 0);
    return count;
}

// Those that the model's keys have.
static uint32_t large_keys(const struct model *model)
{
    uint32_t count = 0;

    for (uint32_t number = 0; number < model->key_count; number++) {
        const struct key *const key = &model->keys[number];

        count += key->version != 0 && body_size(model, number, key->body) >= LOG_RECORD_BYTES_MAX;
    }
    return count;
}

static void settle_files(struct model *model)
{
    drain(model);
    engine_sync_all(model->engine);
    for (int i = 0; i < 400; i++) {
        turn(model, 1000000);
    }
    cr_assert_eq(files(model), large_keys(model));
    cr_assert_eq(log_engine_of(model->engine)->large.buffer_bytes, 0);
}

Test(engines_log_large, follows_the_model)
{
    struct model model;

    model_begin(&model, 11, 60, roomy);
    model.large_every = 3;
    for (int phase = 0; phase < 3; phase++) {
        work(&model, 400, phase % 2 == 0 ? 60 : 20);
        drain(&model);
        check_all(&model);
        settle_files(&model);
    }
    cr_assert_gt(large_keys(&model), 5);
    end_engine(&model, END_CLOSE);
    open_engine(&model);
    check_all(&model);
    settle_files(&model);
    engine_drop(model.engine, ENGINE_ALL_VNODES);
    for (uint32_t number = 0; number < model.key_count; number++) {
        model.keys[number].version = 0;
    }
    settle_files(&model);
    end_engine(&model, END_CLOSE);
    model_end(&model);
}

// Whose a file is may be asked when its vnode was dropped: until that is durable, a start after a
// loss of power leads to it.
Test(engines_log_large, stays_until_a_drop_is_durable)
{
    struct engine_options options = roomy;
    struct model model;

    options.durability.sync = ENGINE_SYNC_NEVER;
    model_begin(&model, 12, 40, options);
    model.large_every = 3;
    work(&model, 40, 100);
    settle_files(&model);
    const uint32_t before = files(&model);

    cr_assert_gt(before, 0);
    end_engine(&model, END_CLOSE);
    open_engine(&model);
    engine_drop(model.engine, ENGINE_ALL_VNODES);
    for (int i = 0; i < 300; i++) {
        turn(&model, 1000000);
    }
    cr_assert_eq(log_engine_of(model.engine)->large.unknown, 0, "all were looked at");
    cr_assert_eq(files(&model), before);
    for (uint32_t number = 0; number < model.key_count; number++) {
        model.keys[number].version = 0;
    }
    settle_files(&model);
    end_engine(&model, END_CLOSE);
    model_end(&model);
}

// Also: what no record names after a crash is removed.
Test(engines_log_large, keeps_what_was_acknowledged)
{
    for (uint64_t seed = 1; seed <= 12; seed++) {
        struct model model;

        model_begin(&model, seed, 40, roomy);
        model.large_every = 3;
        for (int run = 0; run < 5; run++) {
            const uint64_t pieces = 1 + random_below(&model.random, 12);

            for (uint64_t piece = 0; piece < pieces; piece++) {
                work(&model, 10, 60);
                for (uint64_t i = random_below(&model.random, 40); i > 0; i--) {
                    turn(&model, 200000); // in which files become durable
                }
            }
            end_engine(&model, (enum end)random_below(&model.random, 3));
            open_engine(&model);
            check_all(&model);
            if (run % 2 == 0) {
                settle_files(&model);
            }
        }
        end_engine(&model, END_CLOSE);
        model_end(&model);
    }
}

// Compaction moves the records that name files, and leaves the files.
Test(engines_log_large, compaction_moves_names)
{
    struct model model;
    struct engine_options options = roomy;

    options.disk_max_bytes = 100 << 20;
    model_begin(&model, 12, 400, options);
    model.steady = 8;
    model.large_every = 1;
    for (uint32_t number = 0; number < model.steady; number++) {
        while (model.keys[number].version == 0) {
            begin(&model, number, OP_PUT, ++model.version);
            turn(&model, 100000);
        }
    }
    settle_files(&model);
    const uint64_t written = log_engine_of(model.engine)->large.count;

    model.large_every = 0;
    work(&model, 20000, 80);
    drain(&model);
    cr_assert_gt(log_engine_of(model.engine)->compacted_bytes, 0);
    model.large_every = 1; // for body_size() of the steady ones
    cr_assert_eq(log_engine_of(model.engine)->large.count, written);
    for (uint32_t number = 0; number < model.steady; number++) {
        begin(&model, number, OP_GET, 0);
        drain(&model);
    }
    cr_assert_eq(files(&model), model.steady);
    end_engine(&model, END_CLOSE);
    model_end(&model);
}

struct partial {
    uint32_t whole;
    uint32_t partial;
};

static bool see_partial(void *context, const struct engine_record *record)
{
    struct partial *const partial = context;

    if ((record->flags & ENGINE_PARTIAL) != 0) {
        cr_assert_eq(record->object.size, 0);
        partial->partial++;
    } else {
        partial->whole++;
    }
    return true;
}

static void scan_ready(struct engine_scan *scan)
{
    (void)scan;
}

// A scan tells of large values without reading them.
Test(engines_log_large, scans_read_no_files)
{
    struct model model;
    struct partial partial = {0};
    struct engine_scan scan = {.each = see_partial, .context = &partial, .done = scan_ready};

    model_begin(&model, 13, 30, roomy);
    model.large_every = 3;
    for (uint32_t number = 0; number < model.key_count; number++) {
        begin(&model, number, OP_PUT, ++model.version);
        drain(&model);
        turn(&model, 100000);
    }
    settle_files(&model);
    for (scan.vnode = 0; scan.vnode < VNODES; scan.vnode++) {
        do {
            while (engine_scan(model.engine, &scan, 100) == ENGINE_PENDING) {
                while (scan.waiting != 0) {
                    turn(&model, 100000);
                }
            }
            cr_assert_eq(log_engine_of(model.engine)->large.buffer_bytes, 0);
        } while (scan.cursor != 0);
    }
    cr_assert_eq(partial.partial, large_keys(&model));
    cr_assert_eq(partial.partial + partial.whole, model.key_count);
    end_engine(&model, END_CLOSE);
    model_end(&model);
}

struct usage {
    struct model *model;
    uint64_t bytes;
};

static bool add_file(void *context, const char *name)
{
    struct usage *const usage = context;
    struct io_stat stat;
    char path[300];

    (void)snprintf(path, sizeof path, "/log/%s", name);
    cr_assert_eq(io_stat(usage->model->io, path, &stat), 0);
    if (strncmp(name, "large-", 6) == 0 || strncmp(name, "segment-", 8) == 0) {
        usage->bytes += stat.size_bytes;
    }
    return true;
}

static uint64_t bytes_used(struct model *model)
{
    struct usage usage = {.model = model};

    cr_assert_eq(io_list(model->io, "/log", add_file, &usage), 0);
    return usage.bytes;
}

// What is larger than disk_max_bytes leaves room for is refused, and taken when there is room.
Test(engines_log_large, respects_the_bound)
{
    struct model model;
    struct engine_options options = roomy;
    uint64_t full;

    options.disk_max_bytes = 20 << 20;
    model_begin(&model, 14, 40, options);
    model.large_every = 1;
    for (uint32_t number = 0; number < model.key_count; number++) {
        begin(&model, number, OP_PUT, ++model.version);
        drain(&model);
        turn(&model, 100000);
    }
    full = model.full;
    cr_assert_gt(full, 10);
    cr_assert_leq(bytes_used(&model), options.disk_max_bytes);
    settle_files(&model);
    check_all(&model);
    for (uint32_t number = 0; number < model.key_count; number++) {
        begin(&model, number, OP_REMOVE, 0);
        drain(&model);
    }
    settle_files(&model);
    for (uint32_t number = 0; number < 3; number++) {
        begin(&model, number, OP_PUT, ++model.version);
        drain(&model);
        turn(&model, 100000);
        cr_assert_neq(model.keys[number].version, 0);
    }
    end_engine(&model, END_CLOSE);
    model_end(&model);
}

struct writing {
    struct io_op op; // first
    int32_t result;
};

static void written(struct io_op *op, int32_t result)
{
    ((struct writing *)(void *)op)->result = result;
}

static void write_garbage(struct model *model, const char *path, uint64_t offset)
{
    struct writing writing = {.op = {.done = written}};
    uint8_t *const block = memory_allocate_aligned(LOG_BLOCK_BYTES, LOG_BLOCK_BYTES);
    const int fd = wait_open(model->io, path, IO_OPEN_WRITE | IO_OPEN_DIRECT);

    memset(block, 'x', LOG_BLOCK_BYTES);
    cr_assert_geq(fd, 0);
    io_write(model->io, &writing.op, fd, block, LOG_BLOCK_BYTES, offset, 0);
    while (writing.result == 0) {
        turn(model, 100000);
    }
    cr_assert_eq(writing.result, LOG_BLOCK_BYTES);
    (void)wait_close(model->io, fd);
    memory_free(block);
}

struct reading {
    struct engine_op op; // first
    bool done;
};

static void was_read(struct engine_op *op)
{
    ((struct reading *)(void *)op)->done = true;
}

static enum engine_status read_key(struct model *model, uint32_t number)
{
    uint8_t key[KEY_BYTES_MAX];
    struct reading reading = {.op = {.key = key_of(number, key), .done = was_read}};
    struct engine_op *const ops[1] = {&reading.op};

    reading.op.hash = hash_key(model->options.hash_seed, reading.op.key);
    reading.op.vnode = number % VNODES;
    engine_get(model->engine, ops, 1);
    while (reading.op.status == ENGINE_PENDING && !reading.done) {
        turn(model, 100000);
    }
    return reading.op.status;
}

static void damage_each(struct model *model)
{
    const struct log_larges *const larges = &log_engine_of(model->engine)->large;

    for (uint32_t i = 0; i < LOG_LARGE_BUCKETS; i++) {
        for (const struct log_large *large = larges->table[i]; large != NULL; large = large->next) {
            char path[64];

            (void)snprintf(path, sizeof path, "/log/large-%016lx", (unsigned long)large->number);
            if (large->vnode == 1) { // the header
                write_garbage(model, path, 0);
            } else if (large->vnode == 2) { // the object's end
                write_garbage(model, path, large->size - LOG_BLOCK_BYTES);
            } else if (large->vnode == 3) {
                cr_assert_eq(wait_unlink(model->io, path), 0);
            }
        }
    }
}

// Damage in a file is an error to a get of that key, and to no other.
Test(engines_log_large, damage_is_an_error)
{
    struct model model;

    model_begin(&model, 15, 4, roomy);
    model.large_every = 1;
    for (uint32_t number = 0; number < model.key_count; number++) {
        begin(&model, number, OP_PUT, ++model.version);
        drain(&model);
        turn(&model, 100000);
    }
    settle_files(&model);
    damage_each(&model);
    for (int run = 0; run < 2; run++) {
        for (uint32_t number = 0; number < model.key_count; number++) {
            cr_assert_eq(read_key(&model, number), number == 0 ? ENGINE_OK : ENGINE_ERROR);
        }
        end_engine(&model, END_CLOSE);
        open_engine(&model);
        for (int i = 0; i < 200; i++) {
            turn(&model, 1000000);
        }
        cr_assert_eq(files(&model), 3); // what is damaged is left there
    }
    for (uint32_t number = 0; number < model.key_count; number++) {
        begin(&model, number, OP_PUT, ++model.version);
        drain(&model);
        turn(&model, 100000);
        cr_assert_eq(read_key(&model, number), ENGINE_OK);
    }
    settle_files(&model);
    end_engine(&model, END_CLOSE);
    model_end(&model);
}

static bool forget_index(void *context, const char *name)
{
    char *const path = context;

    if (strncmp(name, "checkpoint-", 11) == 0) {
        (void)snprintf(path, 64, "/log/%s", name);
        return false;
    }
    return true;
}

static bool count_aside(void *context, const char *name)
{
    uint32_t *const count = context;

    *count += strncmp(name, "aside-large-", 12) == 0;
    return true;
}

// Files whose records damage has taken away are not removed.
Test(engines_log_large, damage_removes_no_files)
{
    const struct io_uring_options options = {
        .queue_entries = 256, .buffer_count = 16, .buffer_bytes = 4096};
    struct model model;
    char path[64];
    uint32_t aside = 0;

    model_begin(&model, 16, 4, roomy);
    model.large_every = 1;
    for (uint32_t number = 0; number < model.key_count; number++) {
        begin(&model, number, OP_PUT, ++model.version);
        drain(&model);
        turn(&model, 100000);
    }
    settle_files(&model);
    end_engine(&model, END_CLOSE);
    struct io *const io = sim_core_open(model.node, &options);

    (void)io_list(io, "/log", forget_index, path);
    cr_assert_eq(wait_unlink(io, path), 0);
    cr_assert_eq(wait_unlink(io, "/log/segment-00000"), 0);
    io_destroy(io);
    open_engine(&model);
    for (int i = 0; i < 400; i++) {
        turn(&model, 1000000);
    }
    cr_assert_eq(files(&model), 0);
    cr_assert_eq(io_list(model.io, "/log", count_aside, &aside), 0);
    cr_assert_eq(aside, 4);
    end_engine(&model, END_CLOSE);
    model_end(&model);
}

static void ignore_done(struct engine_op *op)
{
    (void)op;
}

// What is pinned stays where it is, through turns, another value and the end of its file's write.
Test(engines_log_large, what_is_pinned_stays)
{
    struct model model;

    model_begin(&model, 77, 4, roomy);
    for (int written = 0; written < 2; written++) {
        uint8_t *const bytes = memory_allocate(3 << 20);
        struct engine_op op = {.key = slice_from_text("pinned"), .vnode = 0};
        struct engine_op *const ops[1] = {&op};
        uint64_t pin = 0;

        memset(bytes, 'p', 3 << 20);
        op.hash = log_hash(log_engine_of(model.engine), op.key);
        op.parts[0] = slice_of(bytes, 3 << 20);
        engine_put(model.engine, ops, 1);
        cr_assert_eq(op.status, ENGINE_OK);
        if (written == 1) {
            for (int i = 0; i < 400; i++) {
                turn(&model, 1000000);
            }
            cr_assert_eq(log_engine_of(model.engine)->large.buffer_bytes, 0);
        }
        struct engine_op read = {.key = op.key, .hash = op.hash, .done = ignore_done};
        struct engine_op *const reads[1] = {&read};

        read.status = ENGINE_PENDING;
        engine_get(model.engine, reads, 1);
        while (read.status == ENGINE_PENDING) {
            turn(&model, 1000000);
        }
        cr_assert_eq(read.status, ENGINE_OK);
        cr_assert(engine_pin(model.engine, &read, &pin));
        engine_remove(model.engine, ops, 1);
        for (int i = 0; i < 400; i++) {
            turn(&model, 1000000);
        }
        cr_assert_eq(memcmp(read.object.bytes, bytes, 3 << 20), 0);
        cr_assert_gt(log_engine_of(model.engine)->large.buffer_bytes, 0);
        engine_unpin(model.engine, pin);
        for (int i = 0; i < 400; i++) {
            turn(&model, 1000000);
        }
        cr_assert_eq(log_engine_of(model.engine)->large.buffer_bytes, 0);
        memory_free(bytes);
    }
    end_engine(&model, END_CLOSE);
    model_end(&model);
}

// A disk that refuses blocks, while `error` says so.
static int refuse_blocks(void *context, const struct sim_node *node, const char *what)
{
    (void)node;
    return strcmp(what, "allocate") == 0 ? *(const int *)context : 0;
}

static enum engine_status open_stage(struct model *model, const struct engine_op *op,
                                     struct engine_stage *stage)
{
    enum engine_status status;

    while ((status = engine_stage_open(model->engine, op, stage)) == ENGINE_PENDING) {
        turn(model, 100000);
    }
    return status;
}

// Where the disk has no room for a value's file that value is refused, staged or not, and nothing
// else ends. What was made of the file goes.
Test(engines_log_large, refuses_what_the_disk_has_no_room_for)
{
    static const int errors[] = {-ENOSPC, -EDQUOT, -EFBIG};
    static uint8_t bytes[2 << 20];
    uint8_t key[KEY_BYTES_MAX];
    struct model model;
    int error = 0;

    model_begin(&model, 21, 8, roomy);
    struct engine_op op = {.key = key_of(0, key), .vnode = 0};
    struct engine_op *const ops[1] = {&op};

    op.hash = hash_key(model.options.hash_seed, op.key);
    sim_world_profile(model.world)->hooks =
        (struct sim_hooks){.context = &error, .disk_error = refuse_blocks};
    for (size_t i = 0; i < sizeof errors / sizeof errors[0]; i++) {
        struct engine_stage stage = {.bytes = sizeof bytes};

        error = errors[i];
        cr_assert_eq(open_stage(&model, &op, &stage), ENGINE_FULL);
        op.parts[0] = slice_of(bytes, sizeof bytes);
        op.memory = 0;
        engine_put(model.engine, ops, 1);
        cr_assert_eq(op.status, ENGINE_FULL);
        cr_assert_eq(log_engine_of(model.engine)->failed, 0);
        begin(&model, 1, OP_PUT, ++model.version);
        drain(&model);
        cr_assert_neq(model.keys[1].version, 0);
        error = 0;
        while (!log_large_has_room(log_engine_of(model.engine),
                                   log_large_file_bytes(op.key.size, sizeof bytes))) {
            turn(&model, 10000000);
        }
        stage = (struct engine_stage){.bytes = sizeof bytes};
        cr_assert_eq(open_stage(&model, &op, &stage), ENGINE_OK);
        engine_stage_close(model.engine, &stage);
        settle_files(&model);
    }
    end_engine(&model, END_CLOSE);
    model_end(&model);
}

// A stage may be given up at any moment, and leaves nothing.
Test(engines_log_large, leaves_nothing_of_a_stage)
{
    uint8_t key[KEY_BYTES_MAX];
    struct model model;

    model_begin(&model, 22, 8, roomy);
    struct engine_op op = {.key = key_of(0, key), .vnode = 0};

    op.hash = hash_key(model.options.hash_seed, op.key);
    for (uint32_t turns = 0; turns < 40; turns++) {
        struct engine_stage stage = {.bytes = 2 << 20};

        (void)engine_stage_open(model.engine, &op, &stage);
        for (uint32_t i = 0; i < turns; i++) {
            turn(&model, 10000);
        }
        (void)engine_stage_open(model.engine, &op, &stage);
        engine_stage_close(model.engine, &stage);
        cr_assert_null(stage.object);
    }
    settle_files(&model);
    cr_assert_eq(log_engine_of(model.engine)->large.busy, 0);
    end_engine(&model, END_CLOSE);
    model_end(&model);
}
