#include "engines/log_checkpoint.h"

#include "core/codec.h"
#include "core/memory.h"
#include "core/wait.h"
#include "engines/log.h"
#include "engines/log_drop.h"

#include <errno.h>
#include <stdio.h>

enum {
    GROUP_BYTES = 8,
    REMOVED_BEYOND = 1024, // segments: numbers are the lowest that are free
    LAST_BYTES = 32,       // of the last block before its counts
    // What replay may cost before the next checkpoint, by the size of that: see README.md.
    REPLAY_A_BYTE = 36,
    ENTRY_BYTES = 9, // of a checkpoint, its share of headers with it
};

static const uint64_t replay_bytes_min = UINT64_C(256) << 20;

enum step {
    IDLE,
    OPEN,
    COLLECT,     // no op is under way: log_checkpoint_collect() fills the block
    WAIT_FRAMES, // before the last block: all that entries lead to has to be durable
    WRITE,
    SYNC,
    CLOSE,
    SYNC_DIRECTORY,
    WAIT_MANIFEST,
    UNLINK,
};

struct log_checkpoint {
    struct io_op op; // first
    struct log_engine *engine;
    enum step step;
    int fd;
    uint8_t *block;
    uint32_t bytes; // of the block in use
    uint32_t block_number;
    uint64_t block_entries;
    uint64_t entries;
    uint32_t written;
    bool last;      // the block is the last one
    bool abandoned; // it found no room, and its file is removed
    int error;      // of the last that failed
    uint64_t number;
    uint64_t sequence; // replay begins after it
    uint64_t sequence_end;
    uint64_t version; // of the manifest
    uint32_t vnode;
    uint64_t position;
    uint64_t *counts; // two for each vnode, as at the beginning
    uint64_t
        *drops; // for each vnode what the manifest lists, and the log had said at the beginning
    char path[LOG_PATH_BYTES];
};

int log_checkpoint_open(struct log_engine *engine)
{
    struct log_checkpoint *const task = memory_allocate_zeroed(sizeof *task);

    if (task == NULL) {
        return -ENOMEM;
    }
    engine->checkpoint = task;
    task->engine = engine;
    task->block = memory_allocate_aligned(CHECKPOINT_BLOCK_BYTES, LOG_BLOCK_BYTES);
    task->fd = -1;
    task->counts = memory_allocate((size_t)engine->options.vnodes * 2 * sizeof task->counts[0]);
    task->drops = memory_allocate((size_t)engine->options.vnodes * sizeof task->drops[0]);
    return task->block != NULL && task->counts != NULL && task->drops != NULL ? 0 : -ENOMEM;
}

void log_checkpoint_give_up(struct log_engine *engine)
{
    if (engine->checkpoint != NULL && engine->checkpoint->fd >= 0) {
        (void)wait_close(engine->options.io, engine->checkpoint->fd);
        engine->checkpoint->fd = -1;
    }
}

void log_checkpoint_close(struct log_engine *engine)
{
    if (engine->checkpoint != NULL) {
        memory_free(engine->checkpoint->block);
        memory_free(engine->checkpoint->counts);
        memory_free(engine->checkpoint->drops);
        memory_free(engine->checkpoint);
    }
}

static void checkpoint_path(const struct log_engine *engine, char *path, uint64_t number)
{
    char name[40];

    (void)snprintf(name, sizeof name, "checkpoint-%010llu", (unsigned long long)number);
    log_path(engine, path, name);
}

// Writing ----------------------------------------------------------------------------------------

static void block_begin(struct log_checkpoint *task)
{
    task->bytes = CHECKPOINT_HEADER_BYTES;
    task->block_entries = 0;
    task->written = 0;
}

static void block_seal(struct log_checkpoint *task)
{
    struct codec_writer writer = codec_writer_of(task->block, CHECKPOINT_HEADER_BYTES);

    codec_write_bytes(&writer, LOG_MAGIC_CHECKPOINT, LOG_MAGIC_BYTES);
    codec_write_u16(&writer, LOG_VERSION);
    codec_write_u16(&writer, task->last ? 1 : 0);
    codec_write_u64(&writer, 0);
    codec_write_u64(&writer, task->number);
    codec_write_u32(&writer, task->block_number);
    codec_write_u32(&writer, task->bytes);
    codec_write_u64(&writer, task->block_entries);
    codec_write_u64(&writer, 0);
    CHECK(!writer.failed && writer.at == writer.end);
    memset(task->block + task->bytes, 0, CHECKPOINT_BLOCK_BYTES - task->bytes);

    const uint64_t checksum = XXH3_64bits_withSeed(
        task->block + 16, task->bytes - 16, log_version_seed(task->engine->log_id, LOG_VERSION));

    memcpy(task->block + 8, &checksum, sizeof checksum);
}

static void checkpoint_go(struct log_checkpoint *task)
{
    struct log_engine *const engine = task->engine;
    struct io *const io = engine->options.io;

    switch (task->step) {
    case OPEN:
        io_open(io, &task->op, task->path,
                IO_OPEN_WRITE | IO_OPEN_CREATE | IO_OPEN_TRUNCATE | IO_OPEN_DIRECT);
        return;
    case WRITE:
        io_write(io, &task->op, task->fd, task->block + task->written,
                 CHECKPOINT_BLOCK_BYTES - task->written,
                 (uint64_t)task->block_number * CHECKPOINT_BLOCK_BYTES + task->written, 0);
        return;
    case SYNC:
        io_sync(io, &task->op, task->fd, false);
        return;
    case CLOSE:
        io_close(io, &task->op, task->fd);
        return;
    case SYNC_DIRECTORY:
        io_sync(io, &task->op, engine->directory_fd, false);
        return;
    case UNLINK:
        io_unlink(io, &task->op, task->path, false);
        return;
    case IDLE:
    case COLLECT:
    case WAIT_FRAMES:
    case WAIT_MANIFEST:
        return;
    }
}

static void checkpoint_end(struct log_checkpoint *task)
{
    task->step = IDLE;
}

// It becomes the one that the manifest names. What was said before it began need not be listed.
static void checkpoint_adopt(struct log_checkpoint *task)
{
    struct log_engine *const engine = task->engine;

    engine->checkpoint_previous = engine->checkpoint_number;
    engine->checkpoint_number = task->number;
    engine->checkpoint_sequence = task->sequence;
    for (uint32_t i = 0; i < engine->options.vnodes; i++) {
        struct log_vnode *const vnode = &engine->vnodes[i];

        vnode->drop_listed = vnode->drop_listed == task->drops[i] ? 0 : vnode->drop_listed;
    }
}

// The next state, when what the present one waited for has come.
static void checkpoint_advance(struct log_checkpoint *task)
{
    struct log_engine *const engine = task->engine;

    switch (task->step) {
    case OPEN:
        task->step = COLLECT;
        break;
    case WRITE:
        task->block_number++;
        engine->checkpoint_bytes += CHECKPOINT_BLOCK_BYTES;
        if (!task->last) {
            block_begin(task);
            task->step = COLLECT;
            break;
        }
        task->step = SYNC;
        break;
    case SYNC_DIRECTORY:
        checkpoint_adopt(task);
        task->step = WAIT_MANIFEST;
        task->version = log_manifest_changed(engine);
        return;
    case UNLINK:
        checkpoint_end(task);
        return;
    case CLOSE:
        task->fd = -1;
        task->step = task->abandoned ? UNLINK : SYNC_DIRECTORY;
        break;
    default:
        task->step++;
        break;
    }
    checkpoint_go(task);
}

// The old one stands, and what was written since is replayed from it. Without space a later attempt
// may do better; any other failure may be the disk's end.
static void checkpoint_failed(struct log_checkpoint *task, int error)
{
    struct log_engine *const engine = task->engine;
    const bool is_open = task->step == WRITE || task->step == SYNC;

    engine->checkpoint_failures++;
    task->error = error;
    engine->space_retry_ms = engine->options.io->wall_ms + LOG_SPACE_RETRY_MS;
    if (!log_may_pass(error)) {
        log_fail(engine, error);
    }
    if (!is_open) {
        task->fd = -1;
        checkpoint_end(task);
        return;
    }
    task->abandoned = true;
    task->step = CLOSE;
    checkpoint_go(task);
}

static void checkpoint_done(struct io_op *op, int32_t result)
{
    struct log_checkpoint *const task = (struct log_checkpoint *)(void *)op;

    if (result < 0 && task->step == UNLINK) {
        checkpoint_end(task); // a file too many, which the next start removes
        return;
    }
    if (result < 0) {
        checkpoint_failed(task, result);
        return;
    }
    if (task->step == OPEN) {
        task->fd = result;
    }
    if (task->step == WRITE) {
        task->written += (uint32_t)result & ~(uint32_t)(LOG_BLOCK_BYTES - 1);
        if (task->written < CHECKPOINT_BLOCK_BYTES) {
            checkpoint_go(task);
            return;
        }
    }
    checkpoint_advance(task);
}

static void block_write(struct log_checkpoint *task)
{
    block_seal(task);
    task->step = WRITE;
    checkpoint_go(task);
}

static void last_block(struct log_checkpoint *task)
{
    struct log_engine *const engine = task->engine;
    const size_t counts_bytes = (size_t)engine->options.vnodes * 2 * sizeof task->counts[0];
    const uint32_t vnodes = engine->options.vnodes;

    CHECK(CHECKPOINT_HEADER_BYTES + LAST_BYTES + counts_bytes <= CHECKPOINT_BLOCK_BYTES);
    task->last = true;
    memset(task->block + task->bytes, 0, 16);
    memcpy(task->block + task->bytes, &task->entries, 8);
    memcpy(task->block + task->bytes + 8, &vnodes, 4);
    memcpy(task->block + task->bytes + 16, &task->sequence, 8);
    memcpy(task->block + task->bytes + 24, &engine->options.hash_seed, 8);
    memcpy(task->block + task->bytes + LAST_BYTES, task->counts, counts_bytes);
    task->bytes += (uint32_t)(LAST_BYTES + counts_bytes);
    block_write(task);
}

void log_checkpoint_step(struct log_engine *engine)
{
    struct log_checkpoint *const task = engine->checkpoint;

    if (task->step == WAIT_FRAMES && engine->durable >= task->sequence_end) {
        last_block(task);
    }
    if (task->step == WAIT_MANIFEST && engine->manifest_durable >= task->version) {
        engine->checkpoints++;
        engine->checkpoint_own = task->number;
        engine->segments_held = 0;
        log_segments_reclaim(engine);
        if (engine->checkpoint_previous == 0) {
            checkpoint_end(task);
            return;
        }
        checkpoint_path(engine, task->path, engine->checkpoint_previous);
        task->step = UNLINK;
        checkpoint_go(task);
    }
}

bool log_checkpoint_busy(const struct log_engine *engine)
{
    const enum step step = engine->checkpoint->step;
    const bool waits = step == COLLECT || step == WAIT_FRAMES;

    // When all writing has ended nothing comes that it could wait for.
    return step != IDLE && (step != WAIT_MANIFEST || log_manifest_comes(engine)) &&
           (!waits || engine->failed == 0);
}

bool log_checkpoint_idle(const struct log_engine *engine)
{
    return engine->checkpoint->step == IDLE;
}

int log_checkpoint_error(const struct log_engine *engine)
{
    return engine->checkpoint->error;
}

uint64_t log_checkpoint_begun(const struct log_engine *engine)
{
    return engine->checkpoint->step != IDLE ? engine->checkpoint->sequence
                                            : engine->checkpoint_sequence;
}

void log_checkpoint_begin(struct log_engine *engine)
{
    struct log_checkpoint *const task = engine->checkpoint;

    if (task->step != IDLE || engine->failed != 0) {
        return;
    }
    // What comes from now on is in frames after this one.
    log_close_frame(engine, &engine->hot);
    log_close_frame(engine, &engine->cold);
    task->op.done = checkpoint_done;
    task->number = engine->checkpoint_next++;
    task->sequence = engine->sequence;
    task->vnode = 0;
    task->position = 0;
    task->entries = 0;
    task->block_number = 0;
    task->last = task->abandoned = false;
    for (uint32_t i = 0; i < engine->options.vnodes; i++) {
        task->counts[2 * (size_t)i] = engine->vnodes[i].tombstones;
        task->counts[2 * (size_t)i + 1] = engine->vnodes[i].with_expiry;
        task->drops[i] = log_drop_is_unsaid(&engine->vnodes[i]) ? 0 : engine->vnodes[i].drop_listed;
    }
    engine->replay_bytes = 0;
    block_begin(task);
    checkpoint_path(engine, task->path, task->number);
    task->step = OPEN;
    checkpoint_go(task);
    log_submit(engine);
}

bool log_checkpoint_due(const struct log_engine *engine)
{
    const uint64_t wanted = engine->records * ENTRY_BYTES * REPLAY_A_BYTE;

    return engine->replay_bytes > (wanted > replay_bytes_min ? wanted : replay_bytes_min);
}

// Collecting -------------------------------------------------------------------------------------

// An entry as it is on disk: its location, also where the cache has the record.
static uint64_t entry_on_disk(const struct log_engine *engine, uint64_t entry)
{
    struct cached cached;

    if ((entry & LOG_PAYLOAD_CACHED) == 0) {
        return entry;
    }
    cached_read(cache_at(&engine->cache, log_payload_place(index_payload(entry))), &cached);
    return index_entry((uint32_t)(entry >> INDEX_PAYLOAD_BITS),
                       log_payload(cached.location, cached.class));
}

static void block_add(struct log_checkpoint *task, uint64_t position,
                      const struct log_bucket *bucket)
{
    const uint16_t vnode = (uint16_t)task->vnode;
    const uint16_t count = (uint16_t)bucket->count;
    const uint32_t low = (uint32_t)index_hash_at(&task->engine->index, position, 0);
    uint8_t *to = task->block + task->bytes;

    memcpy(to, &vnode, 2);
    memcpy(to + 2, &count, 2);
    memcpy(to + 4, &low, 4);
    to += GROUP_BYTES;
    for (uint32_t i = 0; i < bucket->count; i++) {
        const uint64_t entry = entry_on_disk(task->engine, bucket->entries[i]);

        memcpy(to, &entry, 8);
        to += 8;
    }
    task->bytes = (uint32_t)(to - task->block);
    task->block_entries += bucket->count;
    task->entries += bucket->count;
}

// What was collected leads to no frame after this one.
static void wait_frames(struct log_checkpoint *task)
{
    struct log_engine *const engine = task->engine;

    log_close_frame(engine, &engine->hot);
    log_close_frame(engine, &engine->cold);
    task->sequence_end = engine->sequence;
    task->step = WAIT_FRAMES;
    log_flush(engine);
    log_checkpoint_step(engine);
}

bool log_checkpoint_collect(struct log_engine *engine, uint32_t entries)
{
    struct log_checkpoint *const task = engine->checkpoint;
    struct log_bucket bucket;
    uint32_t seen = 0;

    log_bucket_begin(&bucket, engine);
    while (task->step == COLLECT && seen < entries) {
        if (task->vnode == engine->options.vnodes) {
            if (task->block_entries != 0) {
                block_write(task);
            } else {
                wait_frames(task);
            }
            return false;
        }
        const uint64_t position = task->position;
        const uint64_t next = index_scan(&engine->index, &engine->vnodes[task->vnode].table,
                                         position, log_bucket_entry, &bucket);
        const uint32_t bytes = GROUP_BYTES + bucket.count * 8;

        if (CHECKPOINT_BLOCK_BYTES - task->bytes < bytes) {
            block_write(task);
            return false;
        }
        if (bucket.count != 0) {
            block_add(task, position, &bucket);
        }
        seen += bucket.count + 1;
        bucket.count = 0;
        task->position = next;
        task->vnode += next == 0 ? 1 : 0;
    }
    return task->step == COLLECT;
}

// Loading ----------------------------------------------------------------------------------------

struct load {
    struct log_engine *engine;
    uint64_t number;
    uint32_t blocks;
    uint64_t entries;
    uint32_t segment_top; // of the manifest
    bool last;
};

// An entry may lead to a segment that was given up later, and whose file was removed, or belongs to
// a copy alone: replay comes by the records that have taken the place of what was there
// (log_reclaim.c). log_recover() looks whether it has. False for a number that is far beyond those
// that there are.
static bool note_segment(struct load *load, uint32_t number, uint64_t offset)
{
    struct log_engine *const engine = load->engine;
    struct log_segment *const segment = &engine->segments[number];

    if (segment->state == LOG_SEGMENT_ABSENT) {
        if (number >= load->segment_top + REMOVED_BEYOND) {
            return false;
        }
        segment->state = LOG_SEGMENT_MAKING;
        segment->fd = -1;
        engine->segment_top = number < engine->segment_top ? engine->segment_top : number + 1;
    }
    segment->loaded_to = offset < segment->loaded_to ? segment->loaded_to : (uint32_t)offset + 1;
    return true;
}

static bool load_group(struct load *load, struct codec_reader *reader)
{
    struct log_engine *const engine = load->engine;
    const uint16_t vnode = codec_read_u16(reader);
    const uint16_t count = codec_read_u16(reader);
    const uint32_t low = codec_read_u32(reader);

    if (reader->failed || vnode >= engine->options.vnodes || low >> engine->index.base_bits != 0) {
        return false;
    }
    for (uint32_t i = 0; i < count; i++) {
        const uint64_t entry = codec_read_u64(reader);
        const uint64_t hash = low | entry >> INDEX_PAYLOAD_BITS << engine->index.base_bits;
        const uint64_t payload = index_payload(entry);
        const uint32_t segment = log_location_segment(payload & LOG_PAYLOAD_WHERE);

        if (reader->failed || entry >> INDEX_PAYLOAD_BITS == 0 ||
            !note_segment(load, segment, log_location_offset(payload & LOG_PAYLOAD_WHERE)) ||
            (payload & LOG_PAYLOAD_CACHED) != 0 ||
            !index_insert(&engine->index, &engine->vnodes[vnode].table, hash, payload)) {
            return false;
        }
    }
    load->entries += count;
    return true;
}

static bool load_last(struct load *load, struct codec_reader *reader)
{
    struct log_engine *const engine = load->engine;
    const uint64_t entries = codec_read_u64(reader);
    const uint32_t vnodes = codec_read_u32(reader);

    (void)codec_read_u32(reader);
    const uint64_t sequence = codec_read_u64(reader);
    const uint64_t hash_seed = codec_read_u64(reader);

    if (reader->failed || entries != load->entries || vnodes != engine->options.vnodes) {
        return false;
    }
    for (uint32_t i = 0; i < vnodes; i++) {
        engine->vnodes[i].tombstones = codec_read_u64(reader);
        engine->vnodes[i].with_expiry = codec_read_u64(reader);
    }
    if (reader->failed) {
        return false;
    }
    engine->checkpoint_sequence = sequence;
    engine->options.hash_seed = hash_seed;
    load->last = true;
    return true;
}

static int load_block(struct load *load, const uint8_t *block)
{
    struct codec_reader reader = codec_reader_of(slice_of(block, CHECKPOINT_HEADER_BYTES));
    const struct slice found_magic = codec_read_bytes(&reader, LOG_MAGIC_BYTES);
    const uint16_t version = codec_read_u16(&reader);
    const uint16_t last = codec_read_u16(&reader);
    const uint64_t checksum = codec_read_u64(&reader);
    const uint64_t number = codec_read_u64(&reader);
    const uint32_t block_number = codec_read_u32(&reader);
    const uint32_t bytes = codec_read_u32(&reader);

    if (memcmp(found_magic.bytes, LOG_MAGIC_CHECKPOINT, LOG_MAGIC_BYTES) != 0 ||
        version != LOG_VERSION || last > 1 || number != load->number ||
        block_number != load->blocks || bytes < CHECKPOINT_HEADER_BYTES ||
        bytes > CHECKPOINT_BLOCK_BYTES ||
        XXH3_64bits_withSeed(block + 16, bytes - 16,
                             log_version_seed(load->engine->log_id, LOG_VERSION)) != checksum) {
        return -EBADMSG;
    }
    reader =
        codec_reader_of(slice_of(block + CHECKPOINT_HEADER_BYTES, bytes - CHECKPOINT_HEADER_BYTES));
    if (last == 1) {
        return load_last(load, &reader) ? 0 : -EBADMSG;
    }
    while (codec_reader_left(&reader) != 0) {
        if (!load_group(load, &reader)) {
            return -EBADMSG;
        }
    }
    load->blocks++;
    return 0;
}

int log_checkpoint_load(struct log_engine *engine, uint64_t number)
{
    struct load load = {.engine = engine, .number = number, .segment_top = engine->segment_top};
    struct log_checkpoint *const task = engine->checkpoint;
    struct io *const io = engine->options.io;
    uint64_t offset = 0;

    checkpoint_path(engine, task->path, number);
    const int fd = wait_open(io, task->path, IO_OPEN_READ | IO_OPEN_DIRECT);

    if (fd < 0) {
        return fd;
    }
    int error = 0;

    while (error == 0 && !load.last) {
        error = wait_read(io, fd, task->block, CHECKPOINT_BLOCK_BYTES, offset);
        error = error == 0 ? load_block(&load, task->block) : error;
        offset += CHECKPOINT_BLOCK_BYTES;
    }
    (void)wait_close(io, fd);
    return error;
}
