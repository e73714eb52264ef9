#include "engines/log.h"

#include "core/memory.h"
#include "core/planted.h"
#include "engines/log_checkpoint.h"
#include "engines/log_manifest.h"

#include <errno.h>
#include <stdio.h>

void log_path(const struct log_engine *engine, char *path, const char *name)
{
    const int size = snprintf(path, LOG_PATH_BYTES, "%s/%s", engine->options.directory, name);

    CHECK(size > 0 &&
          size < LOG_PATH_BYTES); // the directory's length was looked at when it was opened
}

void log_segment_path(const struct log_engine *engine, char *path, uint32_t number)
{
    char name[32];

    (void)snprintf(name, sizeof name, "segment-%05u", number);
    log_path(engine, path, name);
}

// The manifest on disk
// -----------------------------------------------------------------------------

enum manifest_step {
    MANIFEST_OPEN,
    MANIFEST_WRITE,
    MANIFEST_SYNC,
    MANIFEST_CLOSE,
    MANIFEST_RENAME,
    MANIFEST_SYNC_DIRECTORY,
    MANIFEST_DONE,
    MANIFEST_GIVE_UP, // the new file, which found no room
};

struct log_manifest_task {
    struct io_op op; // first
    struct log_engine *engine;
    enum manifest_step step;
    int fd;
    uint8_t *bytes;
    size_t size;
    size_t written;
    uint64_t version; // of what it writes; 0: idle
    char path[LOG_PATH_BYTES];
    char path_new[LOG_PATH_BYTES];
};

static enum log_manifest_state manifest_state(const struct log_segment *segment)
{
    switch ((enum log_segment_state)segment->state) {
    case LOG_SEGMENT_SPARE:
        return LOG_MANIFEST_SPARE;
    case LOG_SEGMENT_BAD:
        return LOG_MANIFEST_BAD;
    default:
        return LOG_MANIFEST_USED;
    }
}

// Segments whose file is not yet made are not named.
static bool manifest_names(const struct log_segment *segment)
{
    return segment->state != LOG_SEGMENT_ABSENT && segment->state != LOG_SEGMENT_MAKING;
}

struct log_manifest_segment log_manifest_entry(uint32_t number, const struct log_segment *segment)
{
    const bool sealed =
        segment->state == LOG_SEGMENT_SEALED || segment->state == LOG_SEGMENT_EMPTIED;

    return (struct log_manifest_segment){
        .number = number,
        .state = manifest_state(segment),
        .generation = segment->generation,
        .sequence_first = segment->sequence_first,
        .sequence_last = sealed ? segment->sequence_last : 0,
        .used = segment->used,
        .stamp_min = segment->stamp_min,
        .removal_stamp_max = segment->removal_stamp_max,
        .filled = segment->filled_bytes,
    };
}

struct log_manifest log_manifest_of(const struct log_engine *engine)
{
    return (struct log_manifest){
        .log_id = engine->log_id,
        .hash_seed = engine->options.hash_seed,
        .vnodes = engine->options.vnodes,
        .segment_bytes = engine->segment_bytes,
        .shard = engine->options.shard,
        .shards = engine->options.shards,
        .epoch = engine->epoch,
        .generation = engine->generation,
        .durable = engine->durable,
        .stamp = engine->stamp,
        .checkpoint = engine->checkpoint_number,
        .checkpoint_sequence = engine->checkpoint_sequence,
        .drops = log_manifest_drops(engine, NULL),
    };
}

uint32_t log_manifest_drops(const struct log_engine *engine, struct log_manifest_drop *drops)
{
    uint32_t count = 0;

    for (uint32_t i = 0; i < engine->options.vnodes; i++) {
        const uint64_t stamp = engine->vnodes[i].drop_listed;

        if (stamp != 0 && drops != NULL) {
            drops[count] = (struct log_manifest_drop){.vnode = i, .stamp = stamp};
        }
        count += stamp != 0 ? 1 : 0;
    }
    return count;
}

static void render_drops(const struct log_engine *engine, uint8_t *bytes, uint32_t segments)
{
    uint32_t index = 0;

    for (uint32_t i = 0; i < engine->options.vnodes; i++) {
        const struct log_manifest_drop drop = {.vnode = i, .stamp = engine->vnodes[i].drop_listed};

        if (drop.stamp != 0) {
            log_manifest_write_drop(bytes, segments, index++, &drop);
        }
    }
}

static int manifest_render(struct log_engine *engine, struct log_manifest_task *task)
{
    struct log_manifest manifest = log_manifest_of(engine);

    for (uint32_t i = 0; i < engine->segment_top; i++) {
        manifest.segments += manifest_names(&engine->segments[i]) ? 1 : 0;
    }
    const size_t size = log_manifest_bytes(manifest.segments, manifest.drops);
    uint8_t *const bytes = memory_resize(task->bytes, size);
    uint32_t index = 0;

    if (bytes == NULL) {
        return -ENOMEM;
    }
    task->bytes = bytes;
    task->size = size;
    log_manifest_write(bytes, &manifest);
    for (uint32_t i = 0; i < engine->segment_top; i++) {
        const struct log_segment *const segment = &engine->segments[i];

        if (manifest_names(segment)) {
            const struct log_manifest_segment entry = log_manifest_entry(i, segment);

            log_manifest_write_segment(bytes, index++, &entry);
        }
    }
    render_drops(engine, bytes, manifest.segments);
    log_manifest_seal(bytes, size);
    return 0;
}

static void manifest_go(struct log_manifest_task *task)
{
    struct io *const io = task->engine->options.io;

    switch (task->step) {
    case MANIFEST_OPEN:
        io_open(io, &task->op, task->path_new, IO_OPEN_WRITE | IO_OPEN_CREATE | IO_OPEN_TRUNCATE);
        return;
    case MANIFEST_WRITE:
        io_write(io, &task->op, task->fd, task->bytes + task->written,
                 (uint32_t)(task->size - task->written), task->written, 0);
        return;
    case MANIFEST_SYNC:
        io_sync(io, &task->op, task->fd, false);
        return;
    case MANIFEST_CLOSE:
    case MANIFEST_GIVE_UP:
        io_close(io, &task->op, task->fd);
        return;
    case MANIFEST_RENAME:
        io_rename(io, &task->op, task->path_new, task->path);
        return;
    case MANIFEST_SYNC_DIRECTORY:
        io_sync(io, &task->op, task->engine->directory_fd, false);
        return;
    case MANIFEST_DONE:
        return;
    }
}

// The old one stands, and the new file is written anew from its beginning.
static void manifest_put_off(struct log_engine *engine, int error)
{
    engine->manifest_error = error;
    engine->manifest->version = 0;
    engine->manifest_retry_ms = engine->options.io->wall_ms + LOG_SPACE_RETRY_MS;
}

static void manifest_begin(struct log_engine *engine)
{
    struct log_manifest_task *const task = engine->manifest;
    const int error = manifest_render(engine, task);

    if (error != 0) {
        manifest_put_off(engine, error);
        return;
    }
    task->version = engine->manifest_wanted;
    task->step = MANIFEST_OPEN;
    task->written = 0;
    manifest_go(task);
}

// Without space a later attempt may do better. Any other failure ends all writing: what is on the
// disk then is not known.
static void manifest_failed(struct log_manifest_task *task, int error)
{
    struct log_engine *const engine = task->engine;

    if (!log_may_pass(error) || task->step > MANIFEST_SYNC) {
        task->version = 0;
        log_fail(engine, error);
    } else if (task->step == MANIFEST_OPEN) {
        manifest_put_off(engine, error);
    } else {
        engine->manifest_error = error;
        task->step = MANIFEST_GIVE_UP;
        manifest_go(task);
    }
}

static void manifest_done(struct io_op *op, int32_t result)
{
    struct log_manifest_task *const task = (struct log_manifest_task *)(void *)op;
    struct log_engine *const engine = task->engine;

    if (task->step == MANIFEST_GIVE_UP) {
        manifest_put_off(engine, engine->manifest_error);
        return;
    }
    if (result < 0) {
        manifest_failed(task, result);
        return;
    }
    if (task->step == MANIFEST_OPEN) {
        task->fd = result;
    }
    if (task->step == MANIFEST_WRITE) {
        task->written += (size_t)result;
        if (task->written < task->size) {
            manifest_go(task);
            return;
        }
    }
    task->step++;
    if (task->step == MANIFEST_SYNC_DIRECTORY && planted(PLANTED_SKIP_DIRECTORY_SYNC)) {
        task->step++;
    }
    if (task->step != MANIFEST_DONE) {
        manifest_go(task);
        return;
    }
    engine->manifest_durable = task->version;
    task->version = 0;
    if (engine->manifest_wanted != engine->manifest_durable) {
        manifest_begin(engine);
    }
    log_segments_step(engine);
    log_checkpoint_step(engine);
}

uint64_t log_manifest_changed(struct log_engine *engine)
{
    engine->manifest_wanted++;
    if (engine->manifest->version == 0 && engine->failed == 0 && engine->manifest_retry_ms == 0) {
        manifest_begin(engine);
    }
    return engine->manifest_wanted;
}

bool log_manifest_busy(const struct log_engine *engine)
{
    return engine->manifest->version != 0;
}

void log_manifest_retry(struct log_engine *engine)
{
    if (engine->manifest_retry_ms != 0 && engine->failed == 0) {
        engine->manifest_retry_ms = 0;
        manifest_begin(engine);
    }
}

int log_segments_open(struct log_engine *engine)
{
    engine->segments = arena_table_open(LOG_SEGMENTS_MAX * sizeof engine->segments[0]);
    engine->manifest = memory_allocate_zeroed(sizeof *engine->manifest);
    if (engine->segments == NULL || engine->manifest == NULL) {
        return -ENOMEM;
    }
    engine->manifest->engine = engine;
    engine->manifest->op.done = manifest_done;
    log_path(engine, engine->manifest->path, "MANIFEST");
    log_path(engine, engine->manifest->path_new, "MANIFEST.new");
    return log_ready_open(engine);
}

void log_segments_close(struct log_engine *engine)
{
    arena_table_close(engine->segments, LOG_SEGMENTS_MAX * sizeof engine->segments[0]);
    if (engine->manifest != NULL) {
        memory_free(engine->manifest->bytes);
    }
    memory_free(engine->manifest);
    log_ready_close(engine);
}

// Use
// ----------------------------------------------------------------------------------------------

uint64_t log_hot_left(const struct log_engine *engine)
{
    const struct log_head *const hot = &engine->hot;
    const uint32_t records = hot->open == NULL ? 0 : hot->open->header.records;
    const uint64_t taken = (hot->open == NULL ? 0 : log_frame_span(hot->open->header.bytes)) +
                           (uint64_t)log_seal_room(hot, records + 1);

    return hot->segment == LOG_SEGMENTS_MAX || log_head_limit(engine, hot) - hot->offset < taken
               ? 0
               : log_head_limit(engine, hot) - hot->offset - taken;
}

// The largest for the hot head, the smallest for the other: LOG_SEGMENTS_MAX for none.
static uint32_t pick_ready(const struct log_engine *engine, bool hot)
{
    uint32_t best = LOG_SEGMENTS_MAX;

    for (uint32_t i = 0; i < engine->segment_top; i++) {
        const struct log_segment *const segment = &engine->segments[i];

        if (segment->state == LOG_SEGMENT_READY &&
            (best == LOG_SEGMENTS_MAX || (hot ? segment->limit > engine->segments[best].limit
                                              : segment->limit < engine->segments[best].limit))) {
            best = i;
        }
    }
    return best;
}

bool log_head_advance(struct log_engine *engine, struct log_head *head)
{
    CHECK(head->open == NULL);
    if (head->hot && engine->segments_ready <= LOG_SEGMENTS_RESERVED) {
        log_segments_step(engine);
        return false;
    }
    const uint32_t next = pick_ready(engine, head->hot);

    if (next == LOG_SEGMENTS_MAX) {
        return false;
    }
    if (head->segment != LOG_SEGMENTS_MAX) {
        log_segment_seal(engine, head->segment);
        log_seal_end(engine, head);
        if (head->hot) {
            log_segments_grow(engine);
        }
    }
    engine->segments_ready--;
    engine->segments[next].state = LOG_SEGMENT_HEAD;
    engine->segments[next].order = head->hot ? ++engine->order : 0;
    head->segment = next;
    head->offset = 0;
    log_seal_begin(engine, head);
    log_segments_step(engine);
    return true;
}

// What was dropped counts as live until its table has been given up.
static bool may_hold_dead(const struct log_engine *engine, const struct log_segment *segment)
{
    return segment->state >= LOG_SEGMENT_HEAD && segment->state != LOG_SEGMENT_SPARE &&
           (segment->live_bytes != segment->filled_bytes || segment->state == LOG_SEGMENT_BAD ||
            engine->dropped != NULL);
}

uint64_t log_oldest_dead(const struct log_engine *engine, uint32_t except, uint32_t *ret_number)
{
    uint64_t oldest = UINT64_MAX;
    uint32_t number = LOG_SEGMENTS_MAX;

    for (uint32_t i = 0; i < engine->segment_top; i++) {
        const struct log_segment *const segment = &engine->segments[i];

        if (i != except && segment->stamp_min < oldest && may_hold_dead(engine, segment)) {
            oldest = segment->stamp_min;
            number = i;
        }
    }
    if (ret_number != NULL) {
        *ret_number = number;
    }
    return oldest;
}

bool log_segment_expendable(const struct log_engine *engine, uint32_t number)
{
    const uint64_t stamp = engine->segments[number].removal_stamp_max;

    return stamp == 0 || stamp < log_oldest_dead(engine, number, NULL) ||
           planted(PLANTED_FORGET_REMOVAL);
}

void log_segment_reconsider(struct log_engine *engine, uint32_t number)
{
    struct log_segment *const segment = &engine->segments[number];

    if (segment->state == LOG_SEGMENT_SEALED && segment->live_bytes == 0 &&
        log_segment_expendable(engine, number)) {
        log_segment_give_up(engine, segment);
    }
}

void log_segment_seal(struct log_engine *engine, uint32_t number)
{
    CHECK(engine->segments[number].state == LOG_SEGMENT_HEAD);
    engine->segments[number].state = LOG_SEGMENT_SEALED;
    log_segment_reconsider(engine, number);
}

static void retire_head(struct log_engine *engine, struct log_head *head)
{
    log_close_frame(engine, head);
    if (head->segment != LOG_SEGMENTS_MAX && engine->segments[head->segment].sequence_last != 0) {
        log_segment_seal(engine, head->segment);
        head->segment = LOG_SEGMENTS_MAX;
    }
}

void log_heads_leave(struct log_engine *engine)
{
    retire_head(engine, &engine->hot);
    retire_head(engine, &engine->cold);
    log_seals_forget(engine);
}

void log_segments_retire(struct log_engine *engine)
{
    engine->closing = true;
    log_heads_leave(engine);
    for (uint32_t i = 0; i < engine->segment_top; i++) {
        if (engine->segments[i].state == LOG_SEGMENT_READY) {
            log_ready_to_spare(engine, &engine->segments[i]);
        }
    }
}

void log_kill(struct log_engine *engine, uint64_t location, uint32_t class)
{
    const uint32_t number = log_location_segment(location);
    struct log_segment *const segment = &engine->segments[number];

    CHECK(segment->live_bytes >= log_class_bytes(class));
    segment->live_bytes -= log_class_bytes(class);
    engine->live_bytes -= log_class_bytes(class);
    if (segment->live_bytes == 0) {
        log_segment_reconsider(engine, number);
    }
}

void log_note_stamp(struct log_engine *engine, uint64_t location, uint64_t stamp, bool removal)
{
    struct log_segment *const segment = &engine->segments[log_location_segment(location)];

    if (!removal) {
        segment->stamp_min = stamp < segment->stamp_min ? stamp : segment->stamp_min;
    } else if (stamp > segment->removal_stamp_max) {
        segment->removal_stamp_max = stamp;
    }
}
