#include "engines/log_check.h"

#include "core/memory.h"
#include "core/wait.h"
#include "engines/log.h"
#include "engines/log_manifest.h"
#include "engines/log_newer.h"
#include "engines/log_recover.h"
#include "engines/log_stream.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

enum {
    WINDOW_BYTES = 4 << 20, // read at once; the largest record and more
    CHUNK_BYTES = 1 << 20,  // of a large value
    LARGE_HEADER_MAX = 68 << 10,
    MANIFEST_BYTES_MAX = 2 << 20,
    CACHE_BYTES = 1 << 20,
    NAME_BYTES = 64,
};

// Of a payload: its record is whole, and the large value that it names is not.
static const uint64_t payload_is_whole = UINT64_C(1) << 63;

// Where the index has an entry.
struct entry_of {
    uint64_t hash;
    uint64_t location;
    uint32_t vnode;
};

// What all records are read with: the locations that keys lead to, in their order.
struct checking {
    struct log_check *check;
    struct log_engine *engine;
    uint64_t *payloads;
    uint64_t count;
    uint64_t bad_count; // of the first ones in `payloads`, which are those that cannot be read
    struct entry_of *bad;
    uint64_t bad_found;
    uint32_t vnode; // that is being scanned, from
    uint64_t position;
    uint8_t *window;
    uint8_t *chunk;   // of the file of a large value
    uint8_t *object;  // all of one, for who wants it
    uint32_t segment; // that the window is of
    uint32_t begin;
    uint32_t end;
};

// What the directory is of ------------------------------------------------------------------------

static int read_manifest(struct log_check *check, struct log_manifest *ret_manifest)
{
    char path[LOG_PATH_BYTES];
    uint32_t size = 0;

    if (snprintf(path, sizeof path, "%s/MANIFEST", check->directory) >= LOG_PATH_BYTES) {
        return -ENAMETOOLONG;
    }
    const int fd = wait_open(check->io, path, IO_OPEN_READ);

    if (fd < 0) {
        return fd;
    }
    uint8_t *const bytes = memory_allocate(MANIFEST_BYTES_MAX);
    int error = bytes == NULL ? -ENOMEM
                              : wait_read_some(check->io, fd, bytes, MANIFEST_BYTES_MAX, 0, &size);

    (void)wait_close(check->io, fd);
    error = error != 0 ? error : log_manifest_read(slice_of(bytes, size), ret_manifest);
    if (error == -EPROTONOSUPPORT) {
        struct log_recovery report = {.say = check->say, .context = check->context};

        log_tell_newer(&report, "MANIFEST", log_manifest_version(slice_of(bytes, size)));
    }
    memory_free(bytes);
    return error;
}

// Reading records ---------------------------------------------------------------------------------

static void collect(void *context, uint64_t entry)
{
    struct checking *const checking = context;

    checking->payloads[checking->count++] = index_payload(entry);
}

static int compare_payloads(const void *a, const void *b)
{
    const uint64_t first = *(const uint64_t *)a & LOG_PAYLOAD_WHERE;
    const uint64_t second = *(const uint64_t *)b & LOG_PAYLOAD_WHERE;

    return first < second ? -1 : first > second ? 1 : 0;
}

static void each_table(struct checking *checking, index_entry_fn *each)
{
    struct log_engine *const engine = checking->engine;

    for (uint32_t i = 0; i < engine->options.vnodes; i++) {
        checking->vnode = i;
        checking->position = 0;
        do {
            checking->position = index_scan(&engine->index, &engine->vnodes[i].table,
                                            checking->position, each, checking);
        } while (checking->position != 0);
    }
}

// The bytes from a place on, as many as can be read of those that are asked for.
static struct slice look(struct checking *checking, uint32_t segment, uint32_t offset,
                         uint32_t bytes)
{
    struct log_engine *const engine = checking->engine;
    const uint32_t begin = offset & ~(uint32_t)(LOG_BLOCK_BYTES - 1);
    const uint32_t left = engine->segment_bytes - begin;
    const uint32_t needed = log_frame_span(offset - begin + bytes);
    const int fd = engine->segments[segment].fd;
    uint32_t got = 0;

    if (segment != checking->segment || begin < checking->begin ||
        (offset + bytes > checking->end && checking->end < engine->segment_bytes)) {
        int error = fd < 0 ? -EBADF
                           : wait_read_some(engine->options.io, fd, checking->window,
                                            left < WINDOW_BYTES ? left : WINDOW_BYTES, begin, &got);

        if (error != 0 && fd >= 0) { // perhaps of a block further on
            error = wait_read_some(engine->options.io, fd, checking->window,
                                   left < needed ? left : needed, begin, &got);
        }
        checking->segment = segment;
        checking->begin = begin;
        checking->end = begin + (error != 0 ? 0 : got);
    }
    return offset >= checking->end
               ? slice_of(NULL, 0)
               : slice_of(checking->window + (offset - checking->begin), checking->end - offset);
}

// The file of a large value: whether all of it is as it was written.
static bool large_is_whole(struct checking *checking, int fd, uint64_t number,
                           uint64_t object_bytes)
{
    struct io *const io = checking->check->io;
    struct log_large_header header;
    XXH3_state_t hash;
    uint32_t got = 0;

    if (wait_read_some(io, fd, checking->chunk, CHUNK_BYTES, 0, &got) != 0 ||
        !log_large_header_read(slice_of(checking->chunk, got), checking->engine->log_id, &header) ||
        header.number != number || header.object_bytes != object_bytes) {
        return false;
    }
    uint64_t at = log_large_object_from(header.key.size);
    const uint64_t end = at + object_bytes;

    hash_pieces_begin(&hash, checking->engine->log_id ^ number);
    while (at < end) {
        const uint32_t part = end - at < CHUNK_BYTES ? (uint32_t)(end - at) : CHUNK_BYTES;

        if (wait_read(io, fd, checking->chunk, part, at) != 0) {
            return false;
        }
        (void)XXH3_64bits_update(&hash, checking->chunk, part);
        if (checking->object != NULL) {
            memcpy(checking->object + (object_bytes - (end - at)), checking->chunk, part);
        }
        at += part;
    }
    return XXH3_64bits_digest(&hash) == header.checksum;
}

static uint64_t large_bytes(struct slice name)
{
    uint64_t bytes;

    memcpy(&bytes, name.bytes + 8, sizeof bytes);
    return bytes;
}

static void set_large_aside(struct checking *checking, const char *name)
{
    struct log_check *const check = checking->check;
    char path[LOG_PATH_BYTES];
    char aside[LOG_PATH_BYTES];
    char to[NAME_BYTES];

    (void)snprintf(to, sizeof to, "aside-%.40s", name);
    log_path(checking->engine, path, name);
    log_path(checking->engine, aside, to);
    check->aside += wait_rename(check->io, path, aside) == 0 ? 1 : 0;
}

// Where mending, a file that is not whole gets another name: nothing would keep it else.
static bool check_large(struct checking *checking, struct slice object)
{
    struct log_check *const check = checking->check;
    const uint64_t number = log_large_number(object);
    char name[NAME_BYTES];
    char path[LOG_PATH_BYTES];

    if (number == 0) {
        return false;
    }
    (void)snprintf(name, sizeof name, "large-%016" PRIx64, number);
    log_path(checking->engine, path, name);
    const int fd = wait_open(check->io, path, IO_OPEN_READ);

    if (fd < 0) {
        return false;
    }
    const bool whole = large_is_whole(checking, fd, number, large_bytes(object));

    (void)wait_close(check->io, fd);
    if (!whole && check->mend) {
        set_large_aside(checking, name);
    }
    return whole;
}

// Whether a file says of itself whose it is, or has no header yet: one that never was whole.
static bool header_is_whole(struct checking *checking, const char *name, uint64_t number)
{
    struct io *const io = checking->check->io;
    struct log_large_header header;
    char path[LOG_PATH_BYTES];
    uint32_t got = 0;

    log_path(checking->engine, path, name);
    const int fd = wait_open(io, path, IO_OPEN_READ);
    const int error =
        fd < 0 ? fd : wait_read_some(io, fd, checking->chunk, LARGE_HEADER_MAX, 0, &got);

    if (fd >= 0) {
        (void)wait_close(io, fd);
    }
    if (error != 0 || got < LOG_BLOCK_BYTES || checking->chunk[0] == 0) {
        return true;
    }
    return log_large_header_read(slice_of(checking->chunk, got), checking->engine->log_id,
                                 &header) &&
           header.number == number;
}

struct larges {
    char (*names)[NAME_BYTES];
    uint32_t count;
    uint32_t capacity;
    int error;
};

static bool list_large(void *context, const char *name)
{
    struct larges *const larges = context;

    if (strncmp(name, "large-", sizeof "large-" - 1) != 0 || strlen(name) >= NAME_BYTES) {
        return true;
    }
    if (larges->count == larges->capacity) {
        const uint32_t capacity = larges->capacity * 2 + 64;
        char(*const names)[NAME_BYTES] =
            memory_resize(larges->names, capacity * sizeof larges->names[0]);

        if (names == NULL) {
            larges->error = -ENOMEM;
            return false;
        }
        larges->names = names;
        larges->capacity = capacity;
    }
    (void)snprintf(larges->names[larges->count++], NAME_BYTES, "%s", name);
    return true;
}

// Files of large values that do not say what they are, which no record may name. As a start does
// (log_large_look.c).
static int check_headers(struct checking *checking)
{
    struct log_check *const check = checking->check;
    struct larges larges = {0};
    const int error = io_list(check->io, check->directory, list_large, &larges);

    for (uint32_t i = 0; i < larges.count; i++) {
        const char *const name = larges.names[i];

        if (!header_is_whole(checking, name, strtoull(name + sizeof "large-" - 1, NULL, 16))) {
            log_report(checking->engine, true, "%s: its header is damaged", name);
            if (check->mend) {
                set_large_aside(checking, name);
            }
        }
    }
    memory_free(larges.names);
    return error != 0 ? error : larges.error;
}

// Room for the whole of a large value, where somebody wants it.
static int take_object(struct checking *checking, const struct log_record *record)
{
    if (!record->large || log_large_number(record->object[0]) == 0) {
        return 0;
    }
    const uint64_t bytes = large_bytes(record->object[0]);

    checking->object = bytes > LIMIT_ENGINE_RECORD_BYTES ? NULL : memory_allocate(bytes);
    return checking->object == NULL ? -ENOMEM : 0;
}

static int give_record(struct checking *checking, const struct log_record *record)
{
    const struct engine_record given = {
        .key = record->key,
        .object = record->large ? slice_of(checking->object, large_bytes(record->object[0]))
                                : record->object[0],
        .vnode = record->vnode,
        .flags = record->kind == LOG_TOMBSTONE ? ENGINE_TOMBSTONE : 0,
        .expire_ms = record->expire_ms,
    };

    return checking->check->each(checking->check->context, &given);
}

static int check_record(struct checking *checking, uint64_t payload)
{
    struct log_engine *const engine = checking->engine;
    struct log_check *const check = checking->check;
    const uint64_t location = payload & LOG_PAYLOAD_WHERE;
    const uint32_t class_bytes = log_class_bytes(log_payload_class(payload));
    struct slice bytes = look(checking, log_location_segment(location),
                              (uint32_t)log_location_offset(location), class_bytes);
    struct log_record record = {.vnode = UINT32_MAX};

    bytes.size = bytes.size < class_bytes ? bytes.size : class_bytes;
    const bool whole = log_record_read(bytes, log_record_seed_at(engine, location), &record);

    int error = whole && check->each != NULL ? take_object(checking, &record) : 0;

    if (error != 0) {
        return error;
    }
    const bool good = whole && (!record.large || check_large(checking, record.object[0]));

    error = good && check->each != NULL ? give_record(checking, &record) : 0;
    memory_free(checking->object);
    checking->object = NULL;
    if (good) {
        return error;
    }
    const bool known = whole || log_record_parse_damaged(bytes, &record);

    checking->payloads[checking->bad_count++] = payload | (whole ? payload_is_whole : 0);
    check->unreadable++;
    if (check->lost != NULL) {
        check->lost(check->context, known ? record.vnode : UINT32_MAX,
                    known ? record.key : slice_of(NULL, 0));
    }
    return 0;
}

static int check_records(struct checking *checking)
{
    struct log_engine *const engine = checking->engine;

    checking->payloads = memory_allocate((engine->records + 1) * sizeof checking->payloads[0]);
    checking->window = memory_allocate_aligned(WINDOW_BYTES, LOG_BLOCK_BYTES);
    checking->segment = LOG_SEGMENTS_MAX;
    checking->chunk = memory_allocate_aligned(CHUNK_BYTES, LOG_BLOCK_BYTES);
    if (checking->payloads == NULL || checking->window == NULL || checking->chunk == NULL) {
        return -ENOMEM;
    }
    each_table(checking, collect);
    qsort(checking->payloads, checking->count, sizeof checking->payloads[0], compare_payloads);
    int error = 0;

    for (uint64_t i = 0; i < checking->count && error == 0; i++) {
        error = check_record(checking, checking->payloads[i]);
    }
    return error != 0 ? error : check_headers(checking);
}

struct weighing {
    struct checking *checking;
    uint64_t bytes;
};

static bool weigh_file(void *context, const char *name)
{
    struct weighing *const weighing = context;
    char path[LOG_PATH_BYTES];
    struct io_stat stat;

    log_path(weighing->checking->engine, path, name);
    if (strncmp(name, "large-", sizeof "large-" - 1) == 0 &&
        io_stat(weighing->checking->check->io, path, &stat) == 0) {
        weighing->bytes += stat.size_bytes;
    }
    return true;
}

// What the directory holds that is of use.
static int weigh(struct checking *checking)
{
    struct weighing weighing = {.checking = checking, .bytes = checking->engine->live_bytes};
    struct log_check *const check = checking->check;
    const int error = io_list(check->io, check->directory, weigh_file, &weighing);

    check->records = checking->engine->records;
    check->bytes = weighing.bytes;
    return error;
}

// Mending -----------------------------------------------------------------------------------------

static int copy_bytes(struct checking *checking, int from, int to)
{
    struct io *const io = checking->check->io;
    const uint32_t size = checking->engine->segment_bytes;
    int error = 0;

    checking->segment = LOG_SEGMENTS_MAX; // the window is used for other things
    for (uint32_t at = 0; at < size && error == 0; at += LOG_BLOCK_BYTES) {
        uint32_t got = 0;

        // Block by block: one that cannot be read leaves zeros.
        memset(checking->window, 0, LOG_BLOCK_BYTES);
        (void)wait_read_some(io, from, checking->window, LOG_BLOCK_BYTES, at, &got);
        error = wait_write(io, to, checking->window, LOG_BLOCK_BYTES, at);
    }
    return error != 0 ? error : wait_sync(io, to);
}

static int copy_aside(struct checking *checking, uint32_t number)
{
    struct log_engine *const engine = checking->engine;
    struct log_check *const check = checking->check;
    struct io_stat stat;
    char name[NAME_BYTES];
    char path[LOG_PATH_BYTES];
    char text[LOG_REPORT_TEXT_MAX];

    for (uint32_t i = 0; i == 0 || io_stat(check->io, path, &stat) == 0; i++) {
        (void)snprintf(name, sizeof name, "aside-%u-segment-%05u", i, number);
        log_path(engine, path, name);
    }
    const int fd = wait_open(check->io, path, IO_OPEN_WRITE | IO_OPEN_CREATE | IO_OPEN_EXCLUSIVE);

    if (fd < 0) {
        return fd;
    }
    int error = copy_bytes(checking, engine->segments[number].fd, fd);

    (void)wait_close(check->io, fd);
    error = error != 0 ? error : wait_sync(check->io, engine->directory_fd);
    if (error == 0) {
        check->aside++;
        (void)snprintf(text, sizeof text, "segment-%05u as it is was copied to %s", number, name);
        check->say(check->context, false, text);
    }
    return error;
}

// What cannot be read of a segment would end every start that has to read it. So it is written over
// with zeros, which is damage like any other, now that the rest is copied: blocks that fail again.
static int renew(struct checking *checking, uint32_t number)
{
    const struct log_segment *const segment = &checking->engine->segments[number];
    struct io *const io = checking->check->io;
    int error = 0;

    checking->segment = LOG_SEGMENTS_MAX;
    for (uint32_t at = 0; at < segment->limit && error == 0; at += LOG_BLOCK_BYTES) {
        uint32_t got = 0;

        if (wait_read_some(io, segment->fd, checking->window, LOG_BLOCK_BYTES, at, &got) == -EIO) {
            memset(checking->window, 0, LOG_BLOCK_BYTES);
            error = wait_write(io, segment->fd, checking->window, LOG_BLOCK_BYTES, at);
        }
    }
    return error != 0 ? error : wait_sync(io, segment->fd);
}

static void find_bad(void *context, uint64_t entry)
{
    struct checking *const checking = context;
    const uint64_t payload = index_payload(entry);

    if (bsearch(&payload, checking->payloads, checking->bad_count, sizeof payload,
                compare_payloads) != NULL) {
        checking->bad[checking->bad_found++] = (struct entry_of){
            .hash = index_hash_at(&checking->engine->index, checking->position, entry),
            .location = payload & LOG_PAYLOAD_WHERE,
            .vnode = checking->vnode,
        };
    }
}

static void forget(struct checking *checking, const struct entry_of *bad)
{
    struct log_engine *const engine = checking->engine;
    uint64_t *const slot = log_slot_of(engine, bad->vnode, bad->hash, bad->location);
    const uint32_t class = log_payload_class(index_payload(*slot));

    index_remove(&engine->index, &engine->vnodes[bad->vnode].table, bad->hash, slot);
    engine->records--;
    log_kill(engine, bad->location, class);
}

// The keys of what cannot be read lead nowhere, once the segments that it was in are copied.
static int mend(struct checking *checking)
{
    uint32_t copied = LOG_SEGMENTS_MAX;

    for (uint32_t i = 0; i < checking->engine->segment_top; i++) {
        const struct log_segment *const segment = &checking->engine->segments[i];
        int error = segment->unread ? copy_aside(checking, i) : 0;

        if (error == 0 && segment->unread) {
            error = renew(checking, i);
        }
        if (error != 0) {
            return error;
        }
    }
    for (uint64_t i = 0; i < checking->bad_count; i++) {
        const uint32_t segment = log_location_segment(checking->payloads[i] & LOG_PAYLOAD_WHERE);

        if ((checking->payloads[i] & payload_is_whole) != 0) {
            continue;
        }
        if (segment != copied && checking->engine->segments[segment].fd >= 0 &&
            !checking->engine->segments[segment].unread) {
            const int error = copy_aside(checking, segment);

            if (error != 0) {
                return error;
            }
        }
        copied = segment;
    }
    if (checking->bad_count == 0) {
        return 0;
    }
    checking->bad = memory_allocate(checking->bad_count * sizeof checking->bad[0]);
    if (checking->bad == NULL) {
        return -ENOMEM;
    }
    each_table(checking, find_bad);
    for (uint64_t i = 0; i < checking->bad_found; i++) {
        forget(checking, &checking->bad[i]);
    }
    return 0;
}

// Footers ----------------------------------------------------------------------------------------

struct footing {
    const struct log_engine *engine;
    struct log_footer_writer writer;
};

static bool say_record(void *context, const struct log_record *record, uint64_t stamp,
                       uint64_t offset)
{
    struct footing *const footing = context;
    const struct log_footer_record said = log_footer_record_of(
        record, stamp, record->kind == LOG_DROP ? 0 : log_hash(footing->engine, record->key));

    (void)offset;
    log_footer_add(&footing->writer, &said);
    return true;
}

// Says of a segment's frames what its footer should. False where they are not all there, and so say
// nothing of it.
static bool say_frames(struct footing *footing, uint32_t segment, uint64_t last)
{
    struct stream stream = {
        .engine = (struct log_engine *)(uintptr_t)footing->engine,
        .segment = segment,
        .limit = footing->engine->segment_bytes,
        .sequence_max = last,
    };
    bool whole = stream_begin(&stream) == 0;

    while (whole && !stream.ended) {
        whole = stream.hole_from == stream.hole_to &&
                log_footer_add_frame(&footing->writer, &stream.header) &&
                log_frame_each(stream.frame, &stream.header, say_record, footing);
        if (whole) {
            stream_next(&stream);
        }
    }
    stream_rest(&stream);
    return whole && stream.error == 0 && footing->writer.header.sequence_last == last;
}

// Whether a segment has no footer, or one that says what its frames do.
static int look_at_footer(struct checking *checking, uint32_t segment, bool *ret_holds)
{
    struct log_engine *const engine = checking->engine;
    const uint32_t capacity = engine->segment_bytes / LOG_FOOTER_SHARE;
    struct footing footing = {.engine = engine};
    struct log_footer_reader reader;
    enum log_footer_status status;
    uint8_t *body = NULL;
    int error = stream_footer_read(engine, segment, &status, &body, &reader);

    *ret_holds = error != 0 || status != LOG_FOOTER_DAMAGED;
    if (error != 0 || status != LOG_FOOTER_VALID) {
        return error;
    }
    uint8_t *const bytes = memory_allocate_aligned(capacity, LOG_BLOCK_BYTES);
    uint8_t *const block = memory_allocate_aligned(LOG_BLOCK_BYTES, LOG_BLOCK_BYTES);

    error = bytes == NULL || block == NULL ? -ENOMEM : 0;
    if (error == 0 && reader.header.tree_bytes == 0) {
        struct log_footer_header header = reader.header;

        header.frames = header.records = header.body_bytes = 0;
        log_footer_begin(&footing.writer, &header, bytes, capacity);
        if (say_frames(&footing, segment, reader.header.sequence_last)) {
            log_footer_seal(&footing.writer, block);
            *ret_holds = memcmp(&footing.writer.header, &reader.header, sizeof header) == 0;
        }
    }
    memory_free(body);
    memory_free(bytes);
    memory_free(block);
    return error;
}

// A footer says nothing that is not in the frames. So where it is damaged it is taken away, once
// the segment is copied.
static int remove_footer(struct checking *checking, uint32_t segment)
{
    struct log_engine *const engine = checking->engine;
    struct io *const io = checking->check->io;
    const int fd = engine->segments[segment].fd;
    int error = copy_aside(checking, segment);

    memset(checking->window, 0, LOG_BLOCK_BYTES);
    error = error != 0 ? error
                       : wait_write(io, fd, checking->window, LOG_BLOCK_BYTES,
                                    engine->segment_bytes - LOG_BLOCK_BYTES);
    return error != 0 ? error : wait_sync(io, fd);
}

static int check_footers(struct checking *checking)
{
    struct log_engine *const engine = checking->engine;
    int error = 0;

    for (uint32_t i = 0; i < engine->segment_top && error == 0; i++) {
        const struct log_segment *const segment = &engine->segments[i];
        bool holds = true;

        if (segment->fd >= 0 &&
            (segment->state == LOG_SEGMENT_SEALED || segment->state == LOG_SEGMENT_EMPTIED)) {
            error = look_at_footer(checking, i, &holds);
        }
        if (!holds) {
            log_report(engine, true, "segment-%05u: its footer is not what its frames say", i);
            error = checking->check->mend ? remove_footer(checking, i) : error;
        }
    }
    return error;
}

// What the directory is of, by its manifest, or else by what the caller knows. A file of segments
// has to be there then, or mending would begin a new log.
static int find_manifest(struct log_check *check, struct log_manifest *ret_manifest)
{
    int error = read_manifest(check, ret_manifest);
    char path[LOG_PATH_BYTES];
    struct io_stat stat;

    if (error == 0 && check->vnodes != 0 &&
        (ret_manifest->vnodes != check->vnodes || ret_manifest->shard != check->shard ||
         ret_manifest->shards != check->shards)) {
        error = -EINVAL; // it may have been put there from another directory
    }
    // What the disk fails to read is as good as damaged, to who looks at a disk that is not
    // trusted.
    if ((error != -ENOENT && error != -EBADMSG && error != -EINVAL && error != -EIO) ||
        check->vnodes == 0) {
        return error;
    }
    *ret_manifest = (struct log_manifest){
        .shard = check->shard,
        .shards = check->shards,
        .vnodes = check->vnodes,
        .hash_seed = check->hash_seed,
        .segment_bytes = LOG_SEGMENT_BYTES_MAX,
    };
    for (uint32_t i = 0; i < LOG_SEGMENTS_MAX; i++) {
        if (snprintf(path, sizeof path, "%s/segment-%05u", check->directory, i) >= LOG_PATH_BYTES) {
            return -ENAMETOOLONG;
        }
        if (io_stat(check->io, path, &stat) == 0) {
            return 0;
        }
    }
    return error;
}

int log_check_run(struct log_check *check)
{
    struct log_manifest manifest;
    struct checking checking = {.check = check};
    int error = find_manifest(check, &manifest);

    if (error != 0) {
        return error;
    }
    const struct engine_options options = {
        .io = check->io,
        .directory = check->directory,
        .shard = manifest.shard,
        .shards = manifest.shards,
        .vnodes = manifest.vnodes,
        .hash_seed = manifest.hash_seed,
        .segment_bytes = manifest.segment_bytes,
        .cache_bytes = CACHE_BYTES,
        .report = check->say,
        .report_context = check->context,
    };
    struct log_recovery report = {
        .say = check->say, .context = check->context, .past_unread = true};

    check->records = check->bytes = check->unreadable = 0;
    check->damages = check->aside = 0;
    error = log_engine_begin(&options, !check->mend, &report, &checking.engine);
    if (error != 0) {
        check->damages = report.damages;
        return error;
    }
    error = weigh(&checking);
    error = error != 0 || check->brief ? error : check_records(&checking);
    error = error != 0 || check->brief ? error : check_footers(&checking);
    if (error == 0 && check->mend) {
        error = mend(&checking);
    }
    memory_free(checking.payloads);
    memory_free(checking.bad);
    memory_free(checking.window);
    memory_free(checking.chunk);
    if (error != 0 && checking.engine->failed == 0) {
        log_fail(checking.engine, error); // and no checkpoint is written
    }
    check->damages = (uint32_t)checking.engine->damages;
    engine_close(&checking.engine->engine);
    return error;
}
