#include "engines/log_recover.h"

#include "core/memory.h"
#include "core/wait.h"
#include "engines/log.h"
#include "engines/log_checkpoint.h"
#include "engines/log_manifest.h"
#include "engines/log_replay.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>

enum { MANIFEST_BYTES_MAX = 2 << 20 };

static_assert(LOG_MANIFEST_HEADER_BYTES + LOG_SEGMENTS_MAX * LOG_MANIFEST_SEGMENT_BYTES <=
                  MANIFEST_BYTES_MAX,
              "a manifest is read whole");

static void complain(struct log_recovery *report, const char *text)
{
    report->damages++;
    if (report->say != NULL) {
        report->say(report->context, text);
    }
}

// The manifest ----------------------------------------------------------------------------------

// Its bytes, to be freed: 0, -ENOENT, or -errno.
static int manifest_load(struct log_engine *engine, struct slice *ret_bytes)
{
    struct io *const io = engine->options.io;
    char path[LOG_PATH_BYTES];
    uint32_t size;

    log_path(engine, path, "MANIFEST");
    const int fd = wait_open(io, path, IO_OPEN_READ);

    if (fd < 0) {
        return fd;
    }
    uint8_t *const bytes = memory_allocate(MANIFEST_BYTES_MAX);
    const int error =
        bytes == NULL ? -ENOMEM : wait_read_some(io, fd, bytes, MANIFEST_BYTES_MAX, 0, &size);

    (void)wait_close(io, fd);
    if (error != 0) {
        memory_free(bytes);
        return error;
    }
    *ret_bytes = slice_of(bytes, size);
    return 0;
}

static void adopt_segment(struct log_engine *engine, const struct log_manifest_segment *entry)
{
    struct log_segment *const segment = &engine->segments[entry->number];

    *segment = (struct log_segment){
        .generation = entry->generation,
        .sequence_first = entry->sequence_first,
        .sequence_last = entry->sequence_last,
        .used = (uint32_t)entry->used,
        .stamp_min = entry->stamp_min,
        .removal_stamp_max = entry->removal_stamp_max,
        .filled_bytes = entry->filled,
        .fd = -1,
        .state = entry->state == LOG_MANIFEST_SPARE ? LOG_SEGMENT_SPARE
                 : entry->sequence_last != 0        ? LOG_SEGMENT_SEALED
                                                    : LOG_SEGMENT_HEAD, // it may be one
    };
    if (entry->number >= engine->segment_top) {
        engine->segment_top = entry->number + 1;
    }
}

static int adopt(struct log_engine *engine, struct slice bytes)
{
    struct log_manifest manifest;
    const int error = log_manifest_read(bytes, &manifest);

    if (error != 0) {
        return error;
    }
    if (manifest.vnodes != engine->options.vnodes || manifest.shard != engine->options.shard ||
        manifest.shards != engine->options.shards) {
        return -EINVAL;
    }
    engine->log_id = manifest.log_id;
    engine->options.hash_seed = manifest.hash_seed;
    engine->segment_bytes = manifest.segment_bytes;
    engine->epoch = manifest.epoch + 1;
    engine->generation = manifest.generation;
    engine->stamp = manifest.stamp;
    engine->checkpoint_number = manifest.checkpoint;
    engine->checkpoint_next = manifest.checkpoint + 1;
    engine->checkpoint_sequence = manifest.checkpoint_sequence;
    for (uint32_t i = 0; i < manifest.segments; i++) {
        struct log_manifest_segment entry;

        if (!log_manifest_read_segment(bytes, i, &entry)) {
            return -EBADMSG;
        }
        adopt_segment(engine, &entry);
    }
    return 0;
}

// Files of segments -------------------------------------------------------------------------------

// A segment whose file cannot be opened is damage: what was in it is gone, and all else is served.
static void open_files(struct log_engine *engine, struct log_recovery *report)
{
    char path[LOG_PATH_BYTES];
    char text[LOG_REPORT_TEXT_MAX];

    for (uint32_t i = 0; i < engine->segment_top; i++) {
        struct log_segment *const segment = &engine->segments[i];

        if (segment->state == LOG_SEGMENT_ABSENT) {
            continue;
        }
        log_segment_path(engine, path, i);
        segment->fd = wait_open(engine->options.io, path, IO_OPEN_WRITE | IO_OPEN_DIRECT);
        if (segment->fd < 0) {
            (void)snprintf(text, sizeof text, "segment-%05u cannot be opened: error %d", i,
                           -segment->fd);
            if (segment->state != LOG_SEGMENT_SPARE) {
                complain(report, text);
            }
            segment->fd = -1;
            segment->state =
                segment->state == LOG_SEGMENT_SPARE ? LOG_SEGMENT_MAKING : LOG_SEGMENT_BAD;
        }
    }
}

// The index ---------------------------------------------------------------------------------------

static void forget_index(struct log_engine *engine)
{
    for (uint32_t i = 0; i < engine->options.vnodes; i++) {
        struct log_vnode *const vnode = &engine->vnodes[i];

        while (vnode->table.entries != 0) {
            (void)index_shed(&engine->index, &vnode->table, log_ignore_entry, NULL);
        }
        vnode->tombstones = vnode->with_expiry = 0;
    }
}

static int load_and_replay(struct log_engine *engine, struct log_recovery *report)
{
    char text[LOG_REPORT_TEXT_MAX];
    bool careful = false;
    uint64_t after = engine->checkpoint_sequence;

    if (engine->checkpoint_number != 0) {
        const int error = log_checkpoint_load(engine, engine->checkpoint_number);

        if (error == -EPROTONOSUPPORT || error == -ENOMEM) {
            return error;
        }
        if (error != 0) {
            (void)snprintf(text, sizeof text,
                           "checkpoint %" PRIu64
                           " cannot be read (error %d): the index is made anew from all segments",
                           engine->checkpoint_number, -error);
            complain(report, text);
            forget_index(engine);
            careful = true;
            after = 0;
        }
    }
    return log_replay(engine, after, careful, report);
}

static void count_live(void *context, uint64_t entry)
{
    struct log_engine *const engine = context;
    const uint64_t payload = index_payload(entry);

    const uint32_t bytes = log_class_bytes(log_payload_class(payload));

    engine->segments[log_location_segment(payload & LOG_PAYLOAD_WHERE)].live_bytes += bytes;
    engine->live_bytes += bytes;
}

// What is live where, and what no segment is needed for. All that was filling is sealed where its
// last frame ends.
static void settle_segments(struct log_engine *engine)
{
    for (uint32_t i = 0; i < engine->options.vnodes; i++) {
        struct log_vnode *const vnode = &engine->vnodes[i];

        if (vnode->table.entries == 0) {
            continue;
        }
        engine->records += vnode->table.entries;
        engine->tombstones += vnode->tombstones;
        engine->with_expiry += vnode->with_expiry;
        uint64_t position = 0;

        do {
            position = index_scan(&engine->index, &vnode->table, position, count_live, engine);
        } while (position != 0);
    }
    for (uint32_t i = 0; i < engine->segment_top; i++) {
        struct log_segment *const segment = &engine->segments[i];

        if (segment->state == LOG_SEGMENT_HEAD && segment->sequence_last == 0) {
            segment->state = LOG_SEGMENT_SPARE; // nothing of its present use was written
        } else if (segment->state == LOG_SEGMENT_HEAD) {
            log_segment_seal(engine, i);
        } else if (segment->state == LOG_SEGMENT_SEALED) {
            log_segment_reconsider(engine, i);
        }
        engine->segments_spare += segment->state == LOG_SEGMENT_SPARE ? 1 : 0;
    }
}

// What was replayed was written, and perhaps not durable: a frame that nobody was told of. It is
// served from now on, so it must not go away again.
static int sync_replayed(struct log_engine *engine)
{
    int error = 0;

    for (uint32_t i = 0; i < engine->segment_top && error == 0; i++) {
        const struct log_segment *const segment = &engine->segments[i];

        if (segment->fd >= 0 && segment->sequence_last > engine->checkpoint_sequence) {
            error = wait_sync(engine->options.io, segment->fd);
        }
    }
    return error;
}

// A new log
// ----------------------------------------------------------------------------------------

static bool other_file(void *context, const char *name)
{
    bool *const ret_found = context;

    *ret_found = strncmp(name, "segment-", 8) == 0 || strncmp(name, "checkpoint-", 11) == 0;
    return !*ret_found;
}

static int begin_anew(struct log_engine *engine, struct log_recovery *report)
{
    struct io *const io = engine->options.io;
    bool found = false;
    int error = io_list(io, engine->options.directory, other_file, &found);

    if (error != 0 || found) {
        // Segments without a manifest: somebody's data, which a new log would write over.
        return error != 0 ? error : -EBADMSG;
    }
    error = io_entropy(io, &engine->log_id, sizeof engine->log_id);
    report->fresh = true;
    engine->epoch = 1;
    engine->stamp = 1;
    engine->checkpoint_next = 1;
    engine->segment_bytes = engine->options.segment_bytes;
    return error;
}

// All
// ----------------------------------------------------------------------------------------------

// Makes the names in the directory above durable: this one's may be new.
static int sync_parent(struct log_engine *engine)
{
    struct io *const io = engine->options.io;
    const char *const directory = engine->options.directory;
    const char *const slash = strrchr(directory, '/');
    char parent[LOG_PATH_BYTES] = ".";

    if (slash != NULL) {
        const size_t size = slash == directory ? 1 : (size_t)(slash - directory);

        memcpy(parent, directory, size);
        parent[size] = '\0';
    }
    const int fd = wait_open(io, parent, IO_OPEN_READ | IO_OPEN_DIRECTORY);

    if (fd < 0) {
        return fd;
    }
    const int error = wait_sync(io, fd);

    (void)wait_close(io, fd);
    return error;
}

static int open_directory(struct log_engine *engine)
{
    struct io *const io = engine->options.io;
    int error = wait_mkdir(io, engine->options.directory);

    if (error != 0 && error != -EEXIST) {
        return error;
    }
    error = sync_parent(engine);
    if (error != 0) {
        return error;
    }
    engine->directory_fd =
        wait_open(io, engine->options.directory, IO_OPEN_READ | IO_OPEN_DIRECTORY);
    return engine->directory_fd < 0 ? engine->directory_fd : 0;
}

// Until the manifest names this run, and there is a segment to write to beside the one that is
// reserved: if one can be made.
static int wait_ready(struct log_engine *engine)
{
    const uint64_t version = log_manifest_changed(engine);

    log_segments_step(engine);
    while (engine->failed == 0 && (engine->manifest_durable < version ||
                                   engine->segments_ready <= LOG_SEGMENTS_RESERVED)) {
        if (!log_segments_busy(engine)) {
            break;
        }
        io_turn(engine->options.io, UINT64_MAX);
    }
    return engine->failed;
}

int log_recover(struct log_engine *engine, struct log_recovery *report)
{
    struct slice bytes = {0};
    int error = open_directory(engine);

    if (error != 0) {
        return error;
    }
    error = manifest_load(engine, &bytes);
    if (error == -ENOENT) {
        error = begin_anew(engine, report);
    } else if (error == 0) {
        error = adopt(engine, bytes);
        memory_free((void *)(uintptr_t)bytes.bytes);
        if (error == 0) {
            open_files(engine, report);
            error = load_and_replay(engine, report);
        }
        error = error != 0 ? error : sync_replayed(engine);
        if (error == 0) {
            engine->written = engine->durable = engine->sequence;
            settle_segments(engine);
        }
    }
    return error != 0 ? error : wait_ready(engine);
}
