#include "engines/log_recover.h"

#include "core/memory.h"
#include "core/wait.h"
#include "engines/log.h"
#include "engines/log_checkpoint.h"
#include "engines/log_files.h"
#include "engines/log_manifest.h"
#include "engines/log_newer.h"
#include "engines/log_replay.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>

enum { MANIFEST_BYTES_MAX = 2 << 20 };

static_assert(LOG_MANIFEST_HEADER_BYTES + LOG_SEGMENTS_MAX * LOG_MANIFEST_SEGMENT_BYTES +
                      LOG_VNODES_MAX * LOG_MANIFEST_DROP_BYTES <=
                  MANIFEST_BYTES_MAX,
              "a manifest is read whole");

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
    const bool sealed = entry->sequence_last != 0;

    *segment = (struct log_segment){
        .generation = entry->generation,
        .sequence_first = entry->sequence_first,
        .sequence_last = entry->sequence_last,
        .used = (uint32_t)entry->used,
        .stamp_min = entry->stamp_min,
        .removal_stamp_max = entry->removal_stamp_max,
        .filled_bytes = sealed ? entry->filled : 0, // replay counts what it goes through
        .fd = -1,
        .state = entry->state == LOG_MANIFEST_SPARE ? LOG_SEGMENT_SPARE
                 : sealed                           ? LOG_SEGMENT_SEALED
                                                    : LOG_SEGMENT_HEAD, // it may be one
    };
    if (entry->number >= engine->segment_top) {
        engine->segment_top = entry->number + 1;
    }
}

static void forget_drops(struct log_engine *engine)
{
    for (uint32_t i = 0; i < engine->options.vnodes; i++) {
        engine->vnodes[i].drop_owed = engine->vnodes[i].drop_listed = 0;
    }
    engine->drops_owed = 0;
}

static bool adopt_drops(struct log_engine *engine, struct slice bytes,
                        const struct log_manifest *manifest)
{
    for (uint32_t i = 0; i < manifest->drops; i++) {
        struct log_manifest_drop drop;

        if (!log_manifest_read_drop(bytes, manifest, i, &drop) ||
            engine->vnodes[drop.vnode].drop_owed != 0) {
            forget_drops(engine);
            return false;
        }
        engine->vnodes[drop.vnode].drop_owed = engine->vnodes[drop.vnode].drop_listed = drop.stamp;
        engine->drops_owed++;
    }
    return true;
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
    if (!adopt_drops(engine, bytes, &manifest)) {
        return -EBADMSG;
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
    engine->durable = manifest.durable;
    for (uint32_t i = 0; i < manifest.segments; i++) {
        struct log_manifest_segment entry;

        if (!log_manifest_read_segment(bytes, i, &entry)) {
            memset(engine->segments, 0, engine->segment_top * sizeof engine->segments[0]);
            engine->segment_top = 0;
            return -EBADMSG;
        }
        adopt_segment(engine, &entry);
    }
    return 0;
}

// The index ---------------------------------------------------------------------------------------

static void forget_table(struct log_engine *engine, struct log_vnode *vnode)
{
    while (vnode->table.buckets != 0) {
        (void)index_shed(&engine->index, &vnode->table, log_ignore_entry, NULL);
    }
    vnode->tombstones = vnode->with_expiry = 0;
}

static void forget_index(struct log_engine *engine)
{
    for (uint32_t i = 0; i < engine->options.vnodes; i++) {
        forget_table(engine, &engine->vnodes[i]);
    }
}

// A checkpoint is removed when the manifest names a newer one. So where it is gone, and a newer one
// is there, the manifest has come back from earlier; or the stop came before it named that one, and
// the checkpoint that it does name was lost. Which of the two, nothing tells: the segments do.
static bool is_outdated(struct log_engine *engine)
{
    const uint64_t newest = log_files_checkpoint(engine, UINT64_MAX);
    const bool outdated =
        newest > engine->checkpoint_number && log_checkpoint_load(engine, newest) == 0;

    forget_index(engine);
    return outdated;
}

static int load_checkpoint(struct log_engine *engine, uint64_t number)
{
    const uint64_t begin_ns = io_clock_ns(engine->options.io);
    const int error = log_checkpoint_load(engine, number);

    engine->load_ns = io_clock_ns(engine->options.io) - begin_ns;
    for (uint32_t i = 0; error == 0 && i < engine->options.vnodes; i++) {
        if (engine->vnodes[i].drop_listed != 0) {
            forget_table(engine, &engine->vnodes[i]);
        }
        engine->loaded_records += engine->vnodes[i].table.entries;
    }
    return error;
}

// -ESTALE: the manifest is older than the files.
static int load_and_replay(struct log_engine *engine, struct log_recovery *report)
{
    if (engine->checkpoint_number != 0) {
        const int error = load_checkpoint(engine, engine->checkpoint_number);

        if (error == -ENOMEM) {
            return error;
        }
        if (error == -ENOENT && is_outdated(engine)) {
            log_complain(report,
                         "checkpoint %" PRIu64
                         ", which MANIFEST names, is missing, and a newer one "
                         "is there: the segments are taken for what they say themselves",
                         engine->checkpoint_number);
            return -ESTALE;
        }
        if (error != 0) {
            log_complain(report,
                         "checkpoint %" PRIu64
                         " cannot be read (%s): the index is made anew from all segments",
                         engine->checkpoint_number, strerror(-error));
            forget_index(engine);
            return log_replay(engine, REPLAY_ALL, report);
        }
    }
    return log_replay(engine, REPLAY_AFTER_CHECKPOINT, report);
}

// The newest checkpoint that can be read, if there is one.
static int load_any_checkpoint(struct log_engine *engine, struct log_recovery *report)
{
    uint64_t number = log_files_checkpoint(engine, UINT64_MAX);

    engine->checkpoint_next = number + 1;
    for (; number != 0; number = log_files_checkpoint(engine, number)) {
        const int error = load_checkpoint(engine, number);

        if (error == 0 || error == -ENOMEM) {
            engine->checkpoint_number = number;
            return error;
        }
        log_complain(report, "checkpoint %" PRIu64 " cannot be read (%s)", number,
                     strerror(-error));
        forget_index(engine);
    }
    return 0;
}

// A log whose manifest is lost, or older than its segments.
static int find_log(struct log_engine *engine, struct log_recovery *report, bool *ret_empty)
{
    int error = log_files_find(engine, report, ret_empty);

    engine->checkpoint_number = engine->checkpoint_sequence = 0;
    forget_drops(engine); // those of another checkpoint than the one that is found
    if (error != 0 || *ret_empty) {
        return error;
    }
    error = load_any_checkpoint(engine, report);
    return error != 0 ? error
                      : log_replay(engine,
                                   engine->checkpoint_number != 0 ? REPLAY_AFTER_UNKNOWN
                                                                  : REPLAY_ALL_UNKNOWN,
                                   report);
}

static void count_live(void *context, uint64_t entry)
{
    struct log_engine *const engine = context;
    const uint64_t payload = index_payload(entry);

    const uint32_t bytes = log_class_bytes(log_payload_class(payload));

    engine->segments[log_location_segment(payload & LOG_PAYLOAD_WHERE)].live_bytes += bytes;
    engine->live_bytes += bytes;
}

// Nothing of a segment's present use counts: no frame of it was written, or all of them were cut
// off.
static bool is_unused(const struct log_engine *engine, const struct log_segment *segment)
{
    return segment->live_bytes == 0 &&
           ((segment->state == LOG_SEGMENT_HEAD && segment->sequence_last == 0) ||
            (segment->state == LOG_SEGMENT_SEALED && segment->sequence_first > engine->sequence));
}

// A checkpoint leads to a segment that the log has no more, and nothing has taken the place of
// that: who asks for it gets an error.
static void complain_missing(struct log_engine *engine, uint32_t number,
                             struct log_recovery *report)
{
    log_complain(report,
                 "segment %" PRIu32 ", in which %" PRIu64
                 " bytes of records are live, is missing: they cannot be read",
                 number, engine->segments[number].live_bytes);
    engine->segments[number].state = LOG_SEGMENT_BAD;
}

// What is live where, and what no segment is needed for. All that was filling is sealed where its
// last frame ends.
static void settle_segments(struct log_engine *engine, struct log_recovery *report)
{
    for (uint32_t i = 0; i < engine->options.vnodes; i++) {
        struct log_vnode *const vnode = &engine->vnodes[i];

        if (vnode->table.entries == 0) {
            continue;
        }
        engine->records += vnode->table.entries;
        engine->tombstones += vnode->tombstones;
        engine->with_expiry += vnode->with_expiry;
        for (uint32_t bucket = 0; bucket < vnode->table.buckets; bucket++) {
            (void)index_bucket_each(&engine->index,
                                    index_pair(&engine->index, &vnode->table, bucket), count_live,
                                    engine);
        }
    }
    for (uint32_t i = 0; i < engine->segment_top; i++) {
        struct log_segment *const segment = &engine->segments[i];

        segment->packed = segment->used;
        if (segment->state == LOG_SEGMENT_SPARE && segment->live_bytes != 0) {
            // The frame with what was moved out of it is lost. It still has that, unless it was
            // written over.
            segment->state = LOG_SEGMENT_SEALED;
            segment->stuck = true;
        } else if (is_unused(engine, segment)) {
            segment->state = LOG_SEGMENT_SPARE;
        } else if (segment->state == LOG_SEGMENT_HEAD) {
            log_segment_seal(engine, i);
        } else if (segment->state == LOG_SEGMENT_SEALED) {
            log_segment_reconsider(engine, i);
        } else if (segment->state == LOG_SEGMENT_MAKING && segment->live_bytes != 0) {
            complain_missing(engine, i, report);
        }
        engine->segments_spare += segment->state == LOG_SEGMENT_SPARE ? 1 : 0;
        engine->segments_unmade += segment->state <= LOG_SEGMENT_MAKING ? 1 : 0;
        engine->unused_bytes +=
            segment->state <= LOG_SEGMENT_MAKING ? 0 : engine->segment_bytes - segment->limit;
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

// A new log ---------------------------------------------------------------------------------------

static int begin_anew(struct log_engine *engine, struct log_recovery *report)
{
    report->fresh = true;
    engine->epoch = 1;
    engine->stamp = 1;
    engine->checkpoint_next = 1;
    engine->segment_bytes = engine->options.segment_bytes;
    return io_entropy(engine->options.io, &engine->log_id, sizeof engine->log_id);
}

// All ---------------------------------------------------------------------------------------------

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
    int error = engine->looking ? 0 : wait_mkdir(io, engine->options.directory);

    if (error != 0 && error != -EEXIST) {
        return error;
    }
    error = engine->looking ? 0 : sync_parent(engine);
    if (error != 0) {
        return error;
    }
    engine->directory_fd =
        wait_open(io, engine->options.directory, IO_OPEN_READ | IO_OPEN_DIRECTORY);
    if (engine->directory_fd < 0) {
        return engine->directory_fd;
    }
    log_space_look(engine);
    return 0;
}

// Until the manifest names this run, and there is a segment to write to beside the one that is
// reserved: if one can be made. Where the disk is so full that there is no room for a manifest,
// what is there is served, nothing is written under an epoch that nobody knows, and the manifest is
// tried again every second.
static int wait_ready(struct log_engine *engine, struct log_recovery *report)
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
    if (engine->failed == 0 && engine->manifest_durable < version) {
        if (report->fresh) {
            return engine->manifest_error;
        }
        log_remark(report, "MANIFEST cannot be written, for want of room: make some, writes are "
                           "refused until then");
    }
    return engine->failed;
}

// The manifest is gone, damaged (-EBADMSG) or too old (-ESTALE): the files tell what it should.
static int recover_without(struct log_engine *engine, int why, struct log_recovery *report)
{
    bool empty;

    int error = why == -ESTALE ? 0 : log_newer_look(engine, report);

    if (error != 0) {
        return error;
    }
    engine->stamp = 1;
    error = find_log(engine, report, &empty);

    if (why == -EBADMSG || (why == -ENOENT && error == 0 && !empty)) {
        log_complain(report, "MANIFEST %s: the segments are taken for what they say themselves",
                     why == -ENOENT ? "is missing" : "is damaged");
    }
    return error == 0 && empty ? begin_anew(engine, report) : error;
}

// Whether a manifest that is whole was put here from another directory: its log's segments are not
// here, and another's are.
static bool is_foreign(struct log_engine *engine, struct slice bytes, struct log_recovery *report)
{
    struct log_manifest manifest;
    const bool foreign =
        log_manifest_read(bytes, &manifest) == 0 && log_files_are_foreign(engine, manifest.log_id);

    if (foreign) {
        log_complain(report, "MANIFEST is of another log than the segments");
    }
    return foreign;
}

static int recover_with(struct log_engine *engine, struct slice bytes, struct log_recovery *report)
{
    bool stale = false;
    int error = is_foreign(engine, bytes, report) ? -EBADMSG : adopt(engine, bytes);

    if (error == 0) {
        error = log_newer_look(engine, report);
        error = error != 0 ? error : log_files_open(engine, report, &stale);
    } else if (error == -EPROTONOSUPPORT) {
        log_tell_newer(report, "MANIFEST", log_manifest_version(bytes));
    }
    if (error == -EBADMSG) {
        return recover_without(engine, error, report);
    }
    if (error == 0 && stale) {
        log_complain(report, "MANIFEST is older than the segments: they are taken for what they "
                             "say themselves");
        error = -ESTALE;
    } else if (error == 0) {
        error = load_and_replay(engine, report);
    }
    if (error == -ESTALE) {
        log_files_close(engine);
        error = recover_without(engine, error, report);
    }
    return error;
}

static void note_recovered(struct log_engine *engine, const struct log_recovery *report,
                           uint64_t begin_ns)
{
    engine->replayed_frames = report->frames;
    engine->replayed_records = report->records;
    engine->replayed_bytes = report->bytes;
    engine->open_ns = io_clock_ns(engine->options.io) - begin_ns;
}

int log_recover(struct log_engine *engine, struct log_recovery *report)
{
    const uint64_t begin_ns = io_clock_ns(engine->options.io);
    struct slice bytes = {0};
    int error = open_directory(engine);

    if (error != 0) {
        return error;
    }
    error = manifest_load(engine, &bytes);
    if (error == 0) {
        error = recover_with(engine, bytes, report);
        memory_free((void *)(uintptr_t)bytes.bytes);
    } else if (error == -ENOENT || (error == -EIO && report->past_unread)) {
        error = recover_without(engine, error == -EIO ? -EBADMSG : error, report);
    }
    if (error != 0) {
        return error;
    }
    if (!report->fresh) {
        error = engine->looking ? 0 : sync_replayed(engine);
        if (error == 0 && !engine->looking) {
            error = log_large_open(engine, report->damages != 0);
        }
        if (error != 0) {
            return error;
        }
        engine->written = engine->durable = engine->sequence;
        settle_segments(engine, report);
    }
    if (engine->looking) {
        return report->fresh ? -ENOENT : 0;
    }
    log_segments_begin_small(engine);
    error = wait_ready(engine, report);
    note_recovered(engine, report, begin_ns);
    if (engine->options.io->buffered) {
        log_remark(report, "the file system has no O_DIRECT: files go through the kernel's cache, "
                           "which holds records a second time; what counts as durable is so");
    }
    if (error == 0 && report->damages != 0) {
        // What was read past damages is made the truth, and not read past them again.
        log_checkpoint_begin(engine);
    }
    return error;
}
