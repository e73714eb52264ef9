#include "engines/log_large.h"

#include "core/memory.h"
#include "core/planted.h"
#include "engines/log.h"
#include "engines/log_copy.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>

enum {
    CHUNK_BYTES = 1 << 20,       // written, read and summed up at a time: a third of a millisecond
    HEADER_BYTES_MAX = 68 << 10, // with the longest key
};

static_assert(HEADER_BYTES_MAX >= LOG_LARGE_HEADER_BYTES + LOG_KEY_BYTES_MAX &&
                  HEADER_BYTES_MAX % LOG_BLOCK_BYTES == 0,
              "a header is looked at when that much was read");

enum step {
    REST,
    OPEN_NEW,
    ALLOCATE,
    HOLD,  // of a stage that is being filled: nothing is under way
    WRITE, // the object
    WRITE_HEADER,
    SYNC,
    SYNC_NAME,
    CLOSE_WRITTEN,
    OPEN_TO_READ,
    READ,
    CLOSE_READ,
    REMOVE,
};

// What an operation under way needs, and a file that is held.
struct log_large_work {
    XXH3_state_t hash;
    char path[LOG_PATH_BYTES];
    char path_aside[LOG_PATH_BYTES];
};

static void large_go(struct log_large *large);
static void large_done(struct io_op *op, int32_t result);

// The table --------------------------------------------------------------------------------------

static uint32_t bucket_of(uint64_t number)
{
    return (uint32_t)(number % LOG_LARGE_BUCKETS);
}

struct log_large *log_large_find(const struct log_engine *engine, uint64_t number)
{
    struct log_large *large = engine->large.table[bucket_of(number)];

    while (large != NULL && large->number != number) {
        large = large->next;
    }
    return large;
}

struct log_large *log_large_add(struct log_engine *engine, uint64_t number)
{
    struct log_large *const large = memory_allocate_zeroed(sizeof *large);

    if (large == NULL) {
        return NULL;
    }
    large->engine = engine;
    large->op.done = large_done;
    large->number = number;
    large->fd = -1;
    large->next = engine->large.table[bucket_of(number)];
    engine->large.table[bucket_of(number)] = large;
    return large;
}

static bool take_buffer(struct log_large *large)
{
    large->capacity = large->size;
    large->buffer = block_take(&large->engine->large.blocks, &large->capacity);
    return large->buffer != NULL;
}

static void give_buffer(struct log_large *large)
{
    if (large->buffer != NULL) {
        block_give(&large->engine->large.blocks, large->buffer, large->capacity, large->size);
        large->buffer = NULL;
    }
}

static void large_forget(struct log_large *large)
{
    struct log_large **at = &large->engine->large.table[bucket_of(large->number)];

    while (*at != large) {
        at = &(*at)->next;
    }
    *at = large->next;
    large->engine->large.bytes -= large->size;
    memory_free(large->work);
    give_buffer(large);
    memory_free(large);
}

static bool work_begin(struct log_large *large)
{
    char name[40];

    large->work = memory_allocate_aligned((sizeof *large->work + 63) & ~(size_t)63, 64);
    if (large->work == NULL) {
        return false;
    }
    (void)snprintf(name, sizeof name, "large-%016" PRIx64, large->number);
    log_path(large->engine, large->work->path, name);
    (void)snprintf(name, sizeof name, "aside-large-%016" PRIx64, large->number);
    log_path(large->engine, large->work->path_aside, name);
    return true;
}

static void work_end(struct log_large *large)
{
    memory_free(large->work);
    large->work = NULL;
    large->step = REST;
    large->engine->large.busy--;
}

static void hash_begin(struct log_large *large)
{
    hash_pieces_begin(&large->work->hash, large->engine->log_id ^ large->number);
}

void log_large_settle_later(struct log_large *large)
{
    struct log_engine *const engine = large->engine;

    large->settling = true;
    large->next_listed = engine->large.settling;
    engine->large.settling = large;
}

void log_large_settle(struct log_engine *engine)
{
    struct log_large *large = engine->large.settling;

    engine->large.settling = NULL;
    for (struct log_large *next; large != NULL; large = next) {
        next = large->next_listed;
        large->settling = false;
        if (large->pins != 0) {
            continue; // log_large_unpin() comes
        }
        give_buffer(large);
        large->at_hand = false;
        engine->large.buffer_bytes -= large->size;
    }
    while (engine->large.wanted != NULL &&
           (engine->large.buffer_bytes == 0 ||
            engine->large.buffer_bytes + engine->large.wanted->size <= LIMIT_LOG_LARGE_BYTES)) {
        struct log_large *const wanted = engine->large.wanted;

        engine->large.wanted = wanted->next_listed;
        engine->large.buffer_bytes += wanted->size;
        large_go(wanted);
    }
}

bool log_large_at_hand(const struct log_engine *engine, uint64_t number, struct slice *ret_object)
{
    const struct log_large *const large = log_large_find(engine, number);

    if (large == NULL || !large->at_hand) {
        return false;
    }
    *ret_object = slice_of(large->buffer + large->object_from, large->object_bytes);
    return true;
}

// Writing ----------------------------------------------------------------------------------------

uint64_t log_large_file_bytes(size_t key_bytes, uint64_t object_bytes)
{
    const uint64_t bytes = log_large_object_from(key_bytes) + object_bytes;

    return (bytes + (LOG_BLOCK_BYTES - 1)) & ~(uint64_t)(LOG_BLOCK_BYTES - 1);
}

// Of a stage the object is there already.
static void fill_buffer(struct log_large *large, struct slice key, const struct slice *parts)
{
    uint8_t *to = large->buffer + large->object_from;

    memset(large->buffer, 0, large->object_from);
    if (key.size != 0) {
        memcpy(large->buffer + LOG_LARGE_HEADER_BYTES, key.bytes, key.size);
    }
    if (parts == NULL) {
        to += large->object_bytes;
    }
    for (int i = 0; parts != NULL && i < 3; i++) {
        if (parts[i].size != 0) {
            memcpy(to, parts[i].bytes, parts[i].size);
            to += parts[i].size;
        }
    }
    memset(to, 0, (size_t)(large->buffer + large->size - to));
}

// A new file, with a buffer and room for what it is made with. NULL without memory.
static struct log_large *large_begin(struct log_engine *engine, uint64_t size)
{
    // The epoch makes a number unique in the log.
    struct log_large *const large =
        log_large_add(engine, engine->epoch << 32 | ++engine->large.count);

    if (large == NULL) {
        return NULL;
    }
    large->size = size;
    engine->large.bytes += size;
    if (!work_begin(large) || !take_buffer(large)) {
        large_forget(large);
        return NULL;
    }
    engine->large.buffer_bytes += size;
    engine->large.busy++;
    large->known = true;
    large->step = OPEN_NEW;
    return large;
}

uint64_t log_large_make(struct log_engine *engine, size_t key_bytes, uint64_t object_bytes)
{
    struct log_large *const large =
        large_begin(engine, log_large_file_bytes(key_bytes, object_bytes));

    if (large == NULL) {
        return 0;
    }
    large->object_from = log_large_object_from(key_bytes);
    large->staged = true;
    large_go(large);
    return large->number;
}

bool log_large_made(struct log_engine *engine, uint64_t number, int *ret_error)
{
    const struct log_large *const large = log_large_find(engine, number);

    *ret_error = large == NULL ? -ENOSPC : large->error; // gone already: it failed
    return large == NULL || large->error != 0 || large->step == HOLD;
}

static void stage_ends(struct log_large *large)
{
    large->staged = false;
    large->engine->large.buffer_bytes -= large->size;
    give_buffer(large);
}

void log_large_give_up(struct log_engine *engine, uint64_t number)
{
    struct log_large *const large = log_large_find(engine, number);

    if (large == NULL || !large->staged) {
        return;
    }
    stage_ends(large);
    large->error = -ECANCELED;
    if (large->step == HOLD) {
        engine->large.busy++;
        large->step = CLOSE_WRITTEN;
        large_go(large);
    }
}

uint64_t log_large_write(struct log_engine *engine, const struct engine_op *op,
                         const struct slice parts[3])
{
    struct engine_stage *const stage = (op->flags & ENGINE_STAGED) != 0 ? op->stage : NULL;
    const uint64_t bytes =
        stage != NULL ? stage->bytes : (uint64_t)parts[0].size + parts[1].size + parts[2].size;
    const uint64_t size = log_large_file_bytes(op->key.size, bytes);

    log_space_look(engine);
    // What was reserved for it may be less than it takes, by what rounds it up.
    if (stage == NULL && (op->flags & ENGINE_RESERVED) == 0 && !log_large_has_room(engine, size)) {
        return 0;
    }
    struct log_large *const large =
        stage == NULL ? large_begin(engine, size) : log_large_find(engine, stage->looked);

    if (large == NULL) {
        return 0;
    }
    if (stage != NULL) {
        CHECK(large->staged && large->step == HOLD && large->size == size);
        large->staged = false;
        large->step = WRITE;
        engine->large.busy++;
        stage->object = NULL;
        stage->looked = 0;
    }
    large->object_bytes = bytes;
    large->object_from = log_large_object_from(op->key.size);
    large->key_bytes = (uint32_t)op->key.size;
    large->vnode = op->vnode;
    large->at_hand = true;
    large->at = large->summed = large->object_from;
    fill_buffer(large, op->key, stage != NULL ? NULL : parts);
    hash_begin(large);
    large_go(large);
    return large->number;
}

void log_large_named(struct log_engine *engine, uint64_t number, struct log_frame *frame)
{
    struct log_large *const large = log_large_find(engine, number);

    CHECK(large != NULL && large->frame == NULL && large->step != REST);
    if (planted(PLANTED_EARLY_LARGE)) {
        return;
    }
    large->frame = frame;
    frame->waits++;
}

// Sums up what of the object is in [from, to) of the buffer.
static void hash_more(struct log_large *large, uint64_t from, uint64_t to)
{
    const uint64_t end = large->object_from + large->object_bytes;

    from = from < large->object_from ? large->object_from : from;
    to = to < end ? to : end;
    if (from < to) {
        (void)XXH3_64bits_update(&large->work->hash, large->buffer + from, to - from);
    }
}

static void write_object(struct log_large *large)
{
    const uint64_t left = large->size - large->at;
    const uint32_t bytes = (uint32_t)(left < CHUNK_BYTES ? left : CHUNK_BYTES);

    if (large->summed < large->at + bytes) {
        hash_more(large, large->summed, large->at + bytes);
        large->summed = large->at + bytes;
    }
    io_write(large->engine->options.io, &large->op, large->fd, large->buffer + large->at, bytes,
             large->at, 0);
}

// Written last: a file without it is not whole.
static void write_header(struct log_large *large)
{
    const struct log_large_header header = {
        .number = large->number,
        .object_bytes = large->object_bytes,
        .checksum = XXH3_64bits_digest(&large->work->hash),
        .vnode = large->vnode,
        .key = slice_of(large->buffer + LOG_LARGE_HEADER_BYTES, large->key_bytes),
    };

    log_large_header_write(large->buffer, &header, large->engine->log_id);
    io_write(large->engine->options.io, &large->op, large->fd, large->buffer + large->at,
             large->object_from - (uint32_t)large->at, large->at, 0);
}

// It is durable, with its name: the frame that names it may go. Or it could not be made, or was
// given up, and nothing names it.
static void large_written(struct log_large *large)
{
    struct log_engine *const engine = large->engine;

    work_end(large);
    if (large->error != 0) {
        if (large->staged) {
            stage_ends(large);
        }
        if (large->frame == NULL && !large->at_hand) {
            log_large_die(large, 0);
        }
        return; // else all writing has ended
    }
    log_large_settle_later(large);
    if (large->frame != NULL) {
        CHECK(large->frame->waits > 0);
        large->frame->waits--;
        large->frame = NULL;
    }
    log_submit(engine);
}

// Reading ----------------------------------------------------------------------------------------

static void give_answers(struct log_large *large, int error)
{
    struct log_engine *const engine = large->engine;
    struct engine_op *op = large->waiting;

    large->waiting = NULL;
    for (struct engine_op *next; op != NULL; op = next) {
        next = op->next;
        if (error == 0 && op->intent != ENGINE_INTENT_GET) {
            log_write_one(engine, op);
            if (op->status == ENGINE_PENDING) {
                continue;
            }
        } else {
            op->status = error == 0 ? ENGINE_OK : ENGINE_ERROR;
            op->error = error;
            op->object = error == 0
                             ? slice_of(large->buffer + large->object_from, large->object_bytes)
                             : slice_of(NULL, 0);
        }
        op->done(op);
    }
}

// Looks at the header, when enough of the file is there, and sums up what has come.
static int read_more(struct log_large *large, uint32_t got)
{
    struct log_large_header header;

    large->at += got;
    if (large->at < (large->size < HEADER_BYTES_MAX ? large->size : HEADER_BYTES_MAX)) {
        return 0;
    }
    if (!log_large_header_read(slice_of(large->buffer, large->at), large->engine->log_id,
                               &header) ||
        header.number != large->number ||
        log_large_file_bytes(header.key.size, header.object_bytes) != large->size) {
        return -EBADMSG;
    }
    large->object_from = log_large_object_from(header.key.size);
    large->object_bytes = header.object_bytes;
    large->vnode = header.vnode;
    hash_more(large, large->summed, large->at);
    large->summed = large->at;
    return large->at == large->size && XXH3_64bits_digest(&large->work->hash) != header.checksum
               ? -EBADMSG
               : 0;
}

static void large_was_read(struct log_large *large)
{
    large->at_hand = large->error == 0;
    large->engine->corrupt_records += large->error == -EBADMSG ? 1 : 0;
    work_end(large);
    log_large_settle_later(large);
    give_answers(large, large->error);
}

void log_large_read(struct log_engine *engine, struct engine_op *op, uint64_t number)
{
    struct log_large *const large = log_large_find(engine, number);

    // One that has just failed is not tried again in this turn. Of one that a record names and that
    // was not there when the engine opened nobody will ever have the value.
    int error = large == NULL ? -EBADMSG : large->settling ? large->error : 0;

    engine->corrupt_records += large == NULL ? 1 : 0;

    if (error == 0 && large->step == REST && !work_begin(large)) {
        error = -ENOMEM;
    }
    if (error != 0) {
        op->status = ENGINE_ERROR;
        op->error = error;
        return;
    }
    op->status = ENGINE_PENDING;
    op->next = large->waiting;
    large->waiting = op;
    if (large->step != REST) {
        return; // it is being read
    }
    large->step = OPEN_TO_READ;
    engine->disk_reads++;
    large->error = 0;
    large->at = large->summed = 0;
    engine->large.busy++;
    if (engine->large.buffer_bytes == 0 ||
        engine->large.buffer_bytes + large->size <= LIMIT_LOG_LARGE_BYTES) {
        engine->large.buffer_bytes += large->size;
        large_go(large);
        return;
    }
    struct log_large **at = &engine->large.wanted;

    while (*at != NULL) {
        at = &(*at)->next_listed;
    }
    large->next_listed = NULL;
    *at = large;
}

// Dying ------------------------------------------------------------------------------------------

void log_large_die(struct log_large *large, uint64_t after)
{
    struct log_engine *const engine = large->engine;
    struct log_large **at = &engine->large.dead_last;

    if (large->dead) {
        return;
    }
    large->dead = large->known = true;
    large->dead_after = after;
    large->next_dead = NULL;
    if (*at != NULL) {
        (*at)->next_dead = large;
    } else {
        engine->large.dead_first = large;
    }
    *at = large;
    if (after == UINT64_MAX && engine->large.dead_unsure == NULL) {
        engine->large.dead_unsure = large;
    }
}

// The number that the hot frame gets is not known before it is closed: what compaction moves may
// close frames meanwhile.
static uint64_t frame_that_kills(const struct log_engine *engine)
{
    return engine->hot.open != NULL ? UINT64_MAX : engine->sequence + 1;
}

void log_large_hot_closed(struct log_engine *engine)
{
    for (struct log_large *large = engine->large.dead_unsure; large != NULL;
         large = large->next_dead) {
        large->dead_after = engine->sequence;
    }
    engine->large.dead_unsure = NULL;
}

void log_large_kill(struct log_engine *engine, uint64_t number)
{
    struct log_large *const large = log_large_find(engine, number);

    if (large != NULL) {
        log_large_die(large, frame_that_kills(engine));
    }
}

void log_large_drop(struct log_engine *engine, uint32_t vnode)
{
    for (uint32_t i = 0; i < LOG_LARGE_BUCKETS; i++) {
        for (struct log_large *large = engine->large.table[i]; large != NULL; large = large->next) {
            if (large->object_bytes != 0 && large->vnode == vnode) {
                log_large_die(large, frame_that_kills(engine));
            }
        }
    }
}

static void remove_first(struct log_engine *engine)
{
    struct log_large *const large = engine->large.dead_first;

    if (large == NULL || engine->large.removing || large->step != REST || large->at_hand ||
        large->buffer != NULL || large->waiting != NULL || large->dead_after > engine->durable ||
        log_large_is_looked_at(large) || engine->failed != 0 || log_copy_keeps_large(engine) ||
        !work_begin(large)) {
        return;
    }
    engine->large.removing = true;
    engine->large.busy++;
    large->step = REMOVE;
    large_go(large);
}

// It is gone, or will be found again by the next start.
static void large_removed(struct log_large *large)
{
    struct log_engine *const engine = large->engine;

    engine->large.removing = false;
    engine->large.dead_first = large->next_dead;
    if (engine->large.dead_first == NULL) {
        engine->large.dead_last = NULL;
    }
    work_end(large);
    large_forget(large);
    engine->space_refused = false;
}

// Steps of writing, reading and removing ---------------------------------------------------------

static void large_go(struct log_large *large)
{
    struct log_engine *const engine = large->engine;
    struct io *const io = engine->options.io;
    const uint64_t left = large->size - large->at;

    switch ((enum step)large->step) {
    case OPEN_NEW:
        io_open(io, &large->op, large->work->path,
                IO_OPEN_WRITE | IO_OPEN_CREATE | IO_OPEN_TRUNCATE | IO_OPEN_DIRECT);
        return;
    case ALLOCATE:
        io_allocate(io, &large->op, large->fd, 0, large->size);
        return;
    case WRITE:
        write_object(large);
        return;
    case WRITE_HEADER:
        write_header(large);
        return;
    case SYNC:
        io_sync(io, &large->op, large->fd, false);
        return;
    case SYNC_NAME:
        io_sync(io, &large->op, engine->directory_fd, false);
        return;
    case CLOSE_WRITTEN:
    case CLOSE_READ:
        io_close(io, &large->op, large->fd);
        return;
    case OPEN_TO_READ:
        io_open(io, &large->op, large->work->path, IO_OPEN_READ | IO_OPEN_DIRECT);
        return;
    case READ:
        io_read(io, &large->op, large->fd, large->buffer + large->at,
                (uint32_t)(left < CHUNK_BYTES ? left : CHUNK_BYTES), large->at);
        return;
    case REMOVE:
        if (large->aside) {
            io_rename(io, &large->op, large->work->path, large->work->path_aside);
        } else {
            io_unlink(io, &large->op, large->work->path, false);
        }
        return;
    case REST:
    case HOLD:
        CHECK(false);
    }
}

// Opened to be read: memory is taken now.
static int begin_reading(struct log_large *large)
{
    hash_begin(large);
    return take_buffer(large) ? 0 : -ENOMEM;
}

// What an operation has brought. True when its step is over.
static bool step_over(struct log_large *large, uint32_t result)
{
    const uint32_t whole = result & ~(uint32_t)(LOG_BLOCK_BYTES - 1);

    switch ((enum step)large->step) {
    case OPEN_NEW:
    case OPEN_TO_READ:
        large->fd = (int32_t)result;
        large->error = large->step == OPEN_TO_READ ? begin_reading(large) : large->error;
        return true;
    case WRITE:
        large->at += whole;
        return large->at == large->size;
    case WRITE_HEADER:
        large->at += whole;
        return large->at == large->object_from;
    case READ:
        // O_DIRECT brings whole blocks, but where the file ends: that was cut.
        large->error = whole == 0 ? -EBADMSG : read_more(large, whole);
        return large->error != 0 || large->at == large->size;
    default:
        return true;
    }
}

// A file that no record names yet could not be made. Where it is room that is short another put of
// as much would fail too, and may have no stage.
static void note_unmade(struct log_large *large)
{
    struct log_engine *const engine = large->engine;

    if (!log_may_pass(large->error) && large->error != -EFBIG) { // a limit of the process
        log_fail(engine, large->error);
        return;
    }
    engine->large.refused_bytes = large->size;
    engine->large.refused_until_ms = engine->options.io->wall_ms + LOG_SPACE_RETRY_MS;
}

static void note_error(struct log_large *large, int error)
{
    const bool making = large->step == OPEN_NEW || large->step == ALLOCATE;

    if (large->error == -ECANCELED) { // given up meanwhile
        return;
    }
    large->error = error;
    if (making && large->staged) {
        note_unmade(large);
    } else if (large->step < OPEN_TO_READ) {
        log_fail(large->engine, error);
    }
}

static void large_done(struct io_op *op, int32_t result)
{
    struct log_large *const large = (struct log_large *)(void *)op;
    const bool reads = large->step >= OPEN_TO_READ && large->step <= CLOSE_READ;
    const bool closed = large->step == CLOSE_WRITTEN || large->step == CLOSE_READ;

    if (large->step == REMOVE) {
        large_removed(large);
        return;
    }
    bool over = true;

    if (large->step == ALLOCATE && result == -EOPNOTSUPP) {
        result = 0; // a file system that gives blocks only to what is written
    }
    if (result < 0 && !closed) {
        note_error(large, result);
    } else if (!closed) {
        over = step_over(large, (uint32_t)result);
    }
    if (closed || (large->error != 0 && large->fd < 0)) {
        large->fd = -1;
        if (reads) {
            large_was_read(large);
        } else {
            large_written(large);
        }
        return;
    }
    if (large->error != 0) {
        large->step = reads ? CLOSE_READ : CLOSE_WRITTEN;
    } else if (over && large->step == ALLOCATE && large->staged) {
        large->step = HOLD;
        large->engine->large.busy--;
        return;
    } else if (over) {
        large->step = large->step == ALLOCATE ? WRITE : large->step + 1;
        large->at = large->step == WRITE_HEADER ? 0 : large->at;
    }
    large_go(large);
}

// All ---------------------------------------------------------------------------------------------

bool log_large_step(struct log_engine *engine)
{
    remove_first(engine);
    log_large_look(engine);
    return block_release(&engine->large.blocks, LIMIT_RELEASE_BYTES);
}

bool log_large_busy(const struct log_engine *engine)
{
    return engine->large.busy != 0;
}

void log_large_close(struct log_engine *engine)
{
    for (uint32_t i = 0; i < LOG_LARGE_BUCKETS; i++) {
        while (engine->large.table[i] != NULL) {
            large_forget(engine->large.table[i]);
        }
    }
    log_large_look_close(engine);
    block_store_close(&engine->large.blocks);
}
