#include "engines/log_files.h"

#include "core/memory.h"
#include "core/wait.h"
#include "engines/log.h"
#include "engines/log_checkpoint.h"
#include "engines/log_replay.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>

enum { NAME_BYTES = 64 };

// What the frames of a file say that it is.
struct claim {
    bool there;   // a file of this number
    bool unread;  // the disk fails to read how it begins: replay sees
    bool strange; // it begins with a frame of another log
    bool frame;   // a frame of this log was found, and says:
    uint32_t segment;
    uint64_t generation;
    uint64_t epoch;
    uint32_t path; // the number in the file's name
    uint64_t size;
    uint64_t taken; // of the disk
};

struct files {
    struct log_engine *engine;
    struct log_recovery *report;
    struct claim *claims; // LOG_SEGMENTS_MAX; they go with the files where those change places
    uint32_t top;
    uint64_t size_max;
};

// Listing -----------------------------------------------------------------------------------------

// The number in "segment-00012": false for other names.
static bool number_of(const char *name, const char *prefix, size_t digits, uint64_t *ret_number)
{
    const size_t size = strlen(prefix);
    uint64_t number = 0;

    if (strncmp(name, prefix, size) != 0 || strlen(name + size) != digits) {
        return false;
    }
    for (const char *at = name + size; *at != '\0'; at++) {
        if (*at < '0' || *at > '9') {
            return false;
        }
        number = number * 10 + (uint64_t)(*at - '0');
    }
    *ret_number = number;
    return true;
}

static bool list_segment(void *context, const char *name)
{
    struct files *const files = context;
    uint64_t number;

    if (number_of(name, "segment-", 5, &number) && number < LOG_SEGMENTS_MAX) {
        files->claims[number].there = true;
        files->top = number >= files->top ? (uint32_t)number + 1 : files->top;
    }
    return true;
}

struct checkpoint_search {
    uint64_t below;
    uint64_t found;
};

static bool list_checkpoint(void *context, const char *name)
{
    struct checkpoint_search *const search = context;
    uint64_t number;

    if (number_of(name, "checkpoint-", 10, &number) && number < search->below &&
        number > search->found) {
        search->found = number;
    }
    return true;
}

unsigned long long log_files_checkpoint(struct log_engine *engine, unsigned long long below)
{
    struct checkpoint_search search = {.below = below};

    (void)io_list(engine->options.io, engine->options.directory, list_checkpoint, &search);
    return search.found;
}

static int files_begin(struct files *files)
{
    files->claims = memory_allocate_zeroed(LOG_SEGMENTS_MAX * sizeof files->claims[0]);
    if (files->claims == NULL) {
        return -ENOMEM;
    }
    files->top = files->engine->segment_top;
    return io_list(files->engine->options.io, files->engine->options.directory, list_segment,
                   files);
}

// One file ----------------------------------------------------------------------------------------

static int open_segment(struct files *files, uint32_t number)
{
    struct log_engine *const engine = files->engine;
    struct io_stat stat;
    char path[LOG_PATH_BYTES];

    log_segment_path(engine, path, number);
    const int fd = wait_open(engine->options.io, path,
                             (engine->looking ? IO_OPEN_READ : IO_OPEN_WRITE) | IO_OPEN_DIRECT);

    files->claims[number].path = number;
    if (fd >= 0 && io_stat(engine->options.io, path, &stat) == 0) {
        files->claims[number].size = stat.size_bytes;
        files->claims[number].taken = stat.blocks_bytes;
    }
    engine->segments[number].fd = fd < 0 ? -1 : fd;
    return fd < 0 ? fd : 0;
}

static void close_segment(struct log_engine *engine, uint32_t number)
{
    (void)wait_close(engine->options.io, engine->segments[number].fd);
    engine->segments[number].fd = -1;
}

// Gives a file that is no segment's another name, so that nothing is written over it.
static void set_aside(struct files *files, uint32_t number, const char *what)
{
    struct log_engine *const engine = files->engine;
    const uint32_t file = files->claims[number].path;
    struct io_stat stat;
    char name[NAME_BYTES];
    char path[LOG_PATH_BYTES];
    char to[LOG_PATH_BYTES];

    close_segment(engine, number);
    files->claims[number] = (struct claim){.path = LOG_SEGMENTS_MAX};
    if (engine->looking) {
        log_complain(files->report, "segment-%05u %s", file, what);
        return;
    }
    log_segment_path(engine, path, file);
    for (uint32_t i = 0; i == 0 || io_stat(engine->options.io, to, &stat) == 0; i++) {
        (void)snprintf(name, sizeof name, "aside-%u-segment-%05u", i, file);
        log_path(engine, to, name);
    }
    const int error = wait_rename(engine->options.io, path, to);

    log_complain(files->report, "segment-%05u %s: it is set aside as %s%s", file, what, name,
                 error != 0 ? ", which failed" : "");
}

// How a file begins: with a frame, and whose. One that is not what is expected says so only with a
// checksum that holds.
static int look_at_begin(struct files *files, uint32_t number, uint8_t *bytes)
{
    struct log_engine *const engine = files->engine;
    struct claim *const claim = &files->claims[number];
    const int fd = engine->segments[number].fd;
    struct log_frame_header header = {0};
    uint32_t got = 0;
    int error = wait_read_some(engine->options.io, fd, bytes, LOG_BLOCK_BYTES, 0, &got);
    enum log_frame_status status =
        log_frame_open(slice_of(bytes, error != 0 ? 0 : got), engine->log_id, &header);

    claim->strange =
        error == 0 && status == LOG_FRAME_NONE && log_frame_is_any(slice_of(bytes, got));
    if (status == LOG_FRAME_CUT &&
        (header.segment != number || header.generation != engine->segments[number].generation)) {
        error = wait_read_some(engine->options.io, fd, bytes, LOG_FRAME_CAPACITY, 0, &got);
        status = log_frame_open(slice_of(bytes, error != 0 ? 0 : got), engine->log_id, &header);
        status = status == LOG_FRAME_CUT ? LOG_FRAME_DAMAGED : status;
    }
    claim->unread = error != 0;
    claim->frame = status == LOG_FRAME_VALID || status == LOG_FRAME_CUT;
    if (claim->frame) {
        claim->segment = header.segment;
        claim->generation = header.generation;
    }
    return error == -ENOMEM ? error : 0;
}

// What cannot be read now tells nothing of what a file is: 0 where that is passed, or -errno.
static int refuse_unread(struct files *files, uint32_t number, int error)
{
    if (error == 0 || files->report->past_unread) {
        return 0;
    }
    log_complain(files->report,
                 "segment-%05u: the disk fails to read it (%s), and no MANIFEST says what it is; "
                 "start again, and where that fails too, let rldb repair set aside what cannot be "
                 "read, or copy the file to a disk that works",
                 number, strerror(-error));
    return error;
}

// All frames of a file, of any use of it: the newest says what the file is.
static int look_at_all(struct files *files, uint32_t number)
{
    struct claim *const claim = &files->claims[number];
    struct stream stream = {
        .engine = files->engine,
        .segment = number,
        .limit = files->engine->segment_bytes,
        .sequence_max = UINT64_MAX,
        .any = true,
    };
    bool unread = false;

    (void)stream_begin(&stream);
    while (!stream.ended) {
        if (!claim->frame || stream.header.generation > claim->generation) {
            claim->segment = stream.header.segment;
            claim->generation = stream.header.generation;
        }
        claim->frame = true;
        claim->epoch = stream.header.epoch > claim->epoch ? stream.header.epoch : claim->epoch;
        unread = unread || stream.unread;
        stream_next(&stream);
    }
    unread = unread || stream.unread;
    return stream.error != 0 ? stream.error : refuse_unread(files, number, unread ? -EIO : 0);
}

// Which file is which -----------------------------------------------------------------------------

static void swap(struct files *files, uint32_t a, uint32_t b)
{
    struct log_segment *const segments = files->engine->segments;
    const int32_t fd = segments[a].fd;
    const struct claim claim = files->claims[a];

    segments[a].fd = segments[b].fd;
    segments[b].fd = fd;
    files->claims[a] = files->claims[b];
    files->claims[b] = claim;
}

static void rename_segment(struct files *files, uint32_t number, uint32_t to_number)
{
    struct log_engine *const engine = files->engine;
    char path[LOG_PATH_BYTES];
    char to[LOG_PATH_BYTES];

    log_segment_path(engine, path, files->claims[number].path);
    log_segment_path(engine, to, to_number);
    if (!engine->looking && wait_rename(engine->options.io, path, to) == 0) {
        files->claims[number].path = to_number;
    }
}

// Whether a claim is at home in a segment.
static bool is_home(const struct files *files, uint32_t number)
{
    const struct claim *const claim = &files->claims[number];

    return claim->frame && claim->segment == number &&
           claim->generation == files->engine->segments[number].generation;
}

// Whether a file is of another segment, which has none that is right.
static bool is_misplaced(const struct files *files, uint32_t number)
{
    const struct claim *const claim = &files->claims[number];
    const struct log_segment *const segments = files->engine->segments;

    return claim->frame && claim->segment != number && claim->segment < files->top &&
           segments[claim->segment].state != LOG_SEGMENT_ABSENT &&
           claim->generation == segments[claim->segment].generation &&
           !is_home(files, claim->segment);
}

// Files go where they belong: by name where that name is free, else for this run only, in which
// both are found by what they hold.
static void put_right(struct files *files)
{
    for (uint32_t i = 0; i < files->top; i++) {
        while (is_misplaced(files, i)) {
            const struct log_segment *const segments = files->engine->segments;
            const uint32_t home = files->claims[i].segment;

            log_complain(files->report, "segment-%05u holds what is segment-%05u's",
                         files->claims[i].path, home);
            if (segments[i].state == LOG_SEGMENT_ABSENT && segments[home].fd >= 0) {
                set_aside(files, home, "holds something else");
            }
            if (segments[home].fd < 0) {
                rename_segment(files, i, home);
            }
            swap(files, i, home);
        }
    }
}

// Whether a file that is some other segment has the name of this one: it must not be made anew.
static bool is_name_taken(const struct files *files, uint32_t number)
{
    for (uint32_t i = 0; i < files->top; i++) {
        if (i != number && files->engine->segments[i].fd >= 0 && files->claims[i].path == number) {
            return true;
        }
    }
    return false;
}

// What room the files have on the disk. A file is a hole behind its limit, or was copied by
// somebody who left holes where zeros were.
static void note_room(struct files *files)
{
    struct log_engine *const engine = files->engine;

    for (uint32_t i = 0; i < files->top; i++) {
        struct log_segment *const segment = &engine->segments[i];
        const uint64_t taken = files->claims[i].taken;

        segment->patchy = segment->fd >= 0 && taken < engine->segment_bytes;
        segment->limit = segment->patchy ? (uint32_t)taken & ~(uint32_t)(LOG_BLOCK_BYTES - 1)
                                         : engine->segment_bytes;
        if (segment->state <= LOG_SEGMENT_MAKING) {
            segment->patchy = false;
            segment->limit = 0;
        }
    }
}

// Of which log the files are
// ------------------------------------------------------------------------

struct belonging {
    struct log_engine *engine;
    uint64_t log_id;
    uint8_t *bytes; // LOG_FRAME_CAPACITY
    uint32_t *numbers;
    uint32_t count;
};

static bool list_number(void *context, const char *name)
{
    struct belonging *const belonging = context;
    uint64_t number;

    if (number_of(name, "segment-", 5, &number) && number < LOG_SEGMENTS_MAX) {
        belonging->numbers[belonging->count++] = (uint32_t)number;
    }
    return belonging->count < LOG_SEGMENTS_MAX;
}

// The id in its first frame, 0 where it begins with none that is whole. What cannot be read may be
// of this log.
static uint64_t id_in(struct belonging *belonging, uint32_t number)
{
    struct io *const io = belonging->engine->options.io;
    char path[LOG_PATH_BYTES];
    uint32_t got = 0;

    log_segment_path(belonging->engine, path, number);
    const int fd = wait_open(io, path, IO_OPEN_READ | IO_OPEN_DIRECT);

    if (fd < 0) {
        return belonging->log_id;
    }
    struct log_frame_header header;
    int error = wait_read_some(io, fd, belonging->bytes, LOG_BLOCK_BYTES, 0, &got);
    uint64_t id = belonging->log_id;

    if (error == 0) {
        id = log_frame_is_any(slice_of(belonging->bytes, got)) ? log_frame_id(belonging->bytes) : 0;
    }
    if (id != 0 && id != belonging->log_id) { // or damaged: its checksum tells
        error = wait_read_some(io, fd, belonging->bytes, LOG_FRAME_CAPACITY, 0, &got);
        id = error != 0 ? belonging->log_id
             : log_frame_open(slice_of(belonging->bytes, got), id, &header) == LOG_FRAME_VALID ? id
                                                                                               : 0;
    }
    (void)wait_close(io, fd);
    return id;
}

bool log_files_are_foreign(struct log_engine *engine, unsigned long long log_id)
{
    struct belonging belonging = {.engine = engine, .log_id = log_id};
    bool others = false;
    bool ours = false;

    belonging.numbers = memory_allocate(LOG_SEGMENTS_MAX * sizeof belonging.numbers[0]);
    belonging.bytes = memory_allocate_aligned(LOG_FRAME_CAPACITY, LOG_BLOCK_BYTES);
    if (belonging.numbers != NULL && belonging.bytes != NULL) {
        (void)io_list(engine->options.io, engine->options.directory, list_number, &belonging);
    }
    for (uint32_t i = 0; i < belonging.count && !ours; i++) {
        const uint64_t found = id_in(&belonging, belonging.numbers[i]);

        ours = found == log_id;
        others = others || (found != 0 && !ours);
    }
    memory_free(belonging.numbers);
    memory_free(belonging.bytes);
    return others && !ours;
}

// Opening what a manifest has named ---------------------------------------------------------------

// A segment without a file is damage: what was in it is gone, and all else is served.
static void judge_missing(struct files *files, uint32_t number)
{
    struct log_segment *const segment = &files->engine->segments[number];
    const bool spare = segment->state == LOG_SEGMENT_SPARE;

    if (spare && segment->fd == -1 && !files->claims[number].there) {
        log_remark(files->report, "segment-%05u, which held nothing, was removed", number);
    } else {
        log_complain(files->report, "segment-%05u cannot be opened", number);
    }
    files->report->files_lost = files->report->files_lost || !spare;
    segment->state = spare && !is_name_taken(files, number) ? LOG_SEGMENT_MAKING : LOG_SEGMENT_BAD;
}

// Says what is wrong with a segment's file, now that files are where they belong. A first frame
// that is not there, and was not known to be durable, may be what the stop has torn: replay tells
// then, by the frames behind it.
static void judge(struct files *files, uint32_t number)
{
    struct log_segment *const segment = &files->engine->segments[number];
    const struct claim *const claim = &files->claims[number];
    const bool counts = segment->sequence_first != 0 && segment->state != LOG_SEGMENT_SPARE &&
                        segment->sequence_first <= files->engine->durable;

    if (segment->fd < 0) {
        judge_missing(files, number);
        return;
    }
    if (claim->size != files->engine->segment_bytes) {
        log_complain(files->report, "segment-%05u has %" PRIu64 " bytes and not %u", number,
                     claim->size, files->engine->segment_bytes);
        segment->cut = true;
        files->report->files_lost = true;
    }
    if (is_home(files, number) || claim->unread) {
        return;
    }
    files->report->files_lost =
        files->report->files_lost || claim->strange || claim->frame || counts;
    if (claim->strange) {
        log_complain(files->report, "segment-%05u holds another log's frames", number);
    } else if (claim->frame && claim->segment != number) {
        log_complain(files->report, "segment-%05u is a copy of segment-%05u", number,
                     claim->segment);
    } else if (claim->frame && counts) {
        log_complain(files->report, "segment-%05u is as it was before its present use", number);
    } else if (!claim->frame && counts) {
        log_complain(files->report, "segment-%05u does not begin with a frame", number);
    }
}

// A file that the manifest does not name: one that was being made, or nobody's.
static void judge_unnamed(struct files *files, uint32_t number)
{
    struct log_engine *const engine = files->engine;
    const struct claim *const claim = &files->claims[number];

    // One that a copy of the directory shares, or did, was being let go of: as it was before.
    const bool before =
        log_segment_shared(engine, number) ||
        (claim->frame && claim->segment == number && claim->generation <= engine->generation);

    if (engine->segments[number].fd >= 0 && !before && (claim->frame || claim->strange)) {
        set_aside(files, number, "is no segment of this log");
    } else if (engine->segments[number].fd >= 0) {
        close_segment(engine, number);
    }
    engine->segments[number] = (struct log_segment){0};
}

// Whether it is the system that fails now, and not the file that is none.
static bool may_open_later(int error)
{
    return error != -ENOENT && error != -EISDIR && error != -ELOOP && error != -EINVAL;
}

static bool is_refused(struct files *files, uint32_t number, int error)
{
    const bool refused = error != 0 && !files->engine->looking && may_open_later(error);

    if (refused) {
        log_complain(files->report,
                     "segment-%05u is there and cannot be opened (%s): a start without it "
                     "would lose what it holds; see to that, then start again",
                     number, strerror(-error));
    }
    return refused;
}

int log_files_open(struct log_engine *engine, struct log_recovery *report, bool *ret_stale)
{
    struct files files = {.engine = engine, .report = report};
    uint8_t *const bytes = memory_allocate_aligned(LOG_FRAME_CAPACITY, LOG_BLOCK_BYTES);
    int error = bytes == NULL ? -ENOMEM : files_begin(&files);
    bool stale = false;

    for (uint32_t i = 0; i < files.top && error == 0; i++) {
        const struct claim *const claim = &files.claims[i];

        engine->segments[i].fd = -1;
        if (!claim->there) {
            continue;
        }
        const int refused = open_segment(&files, i);

        if (refused == 0) {
            error = look_at_begin(&files, i, bytes);
            stale = stale ||
                    (claim->frame && claim->segment == i && claim->generation > engine->generation);
        } else if (is_refused(&files, i, refused)) {
            error = refused;
        }
    }
    if (error == 0 && !stale) {
        put_right(&files);
    }
    for (uint32_t i = 0; i < files.top && error == 0; i++) {
        if (engine->segments[i].state == LOG_SEGMENT_ABSENT && !stale) {
            judge_unnamed(&files, i);
        } else if (!stale) {
            judge(&files, i);
        }
    }
    if (stale) {
        engine->segment_top = files.top;
    } else if (error == 0) {
        note_room(&files);
    }
    *ret_stale = stale;
    memory_free(files.claims);
    memory_free(bytes);
    return error;
}

void log_files_close(struct log_engine *engine)
{
    for (uint32_t i = 0; i < engine->segment_top; i++) {
        if (engine->segments[i].fd >= 0) {
            close_segment(engine, i);
        }
        engine->segments[i] = (struct log_segment){0};
    }
    engine->segment_top = 0;
}

// Finding them without one ------------------------------------------------------------------------

// The log that most files begin with a frame of, and whether there is anything in any.
static int find_log(struct files *files, uint8_t *bytes, bool *ret_bytes)
{
    struct log_engine *const engine = files->engine;
    uint64_t votes = 0;

    *ret_bytes = false;
    for (uint32_t i = 0; i < files->top; i++) {
        const int refused = files->claims[i].there ? open_segment(files, i) : -ENOENT;
        uint32_t got = 0;
        uint64_t log_id;

        if (is_refused(files, i, refused)) {
            return refused;
        }
        if (refused != 0) {
            continue;
        }
        files->size_max =
            files->claims[i].size > files->size_max ? files->claims[i].size : files->size_max;
        const int error = refuse_unread(files, i,
                                        wait_read_some(engine->options.io, engine->segments[i].fd,
                                                       bytes, LOG_FRAME_CAPACITY, 0, &got));

        if (error != 0) {
            return error;
        }
        for (uint32_t at = 0; at < got && !*ret_bytes; at++) {
            *ret_bytes = bytes[at] != 0;
        }
        // Boyer and Moore's majority vote.
        if (log_frame_is_any(slice_of(bytes, got))) {
            log_id = log_frame_id(bytes);
            engine->log_id = votes == 0 ? log_id : engine->log_id;
            votes = log_id == engine->log_id ? votes + 1 : votes - 1;
        }
    }
    return 0;
}

// The newest use of each segment that any file is of.
static void settle_claims(struct files *files)
{
    struct log_engine *const engine = files->engine;
    const uint32_t files_top = files->top;

    for (uint32_t i = 0; i < files_top; i++) {
        const struct claim *const claim = &files->claims[i];

        if (!claim->frame) {
            continue;
        }
        for (; files->top <= claim->segment; files->top++) {
            engine->segments[files->top] =
                (struct log_segment){.fd = -1, .state = LOG_SEGMENT_MAKING};
        }
        struct log_segment *const segment = &engine->segments[claim->segment];

        segment->generation =
            claim->generation > segment->generation ? claim->generation : segment->generation;
        engine->generation =
            claim->generation > engine->generation ? claim->generation : engine->generation;
        engine->epoch = claim->epoch >= engine->epoch ? claim->epoch + 1 : engine->epoch;
    }
    engine->segment_top = files->top;
}

static void adopt_found(struct files *files, uint32_t number)
{
    struct log_segment *const segment = &files->engine->segments[number];

    if (is_home(files, number)) {
        segment->state = LOG_SEGMENT_HEAD;
        segment->stamp_min = UINT64_MAX;
        segment->cut = files->claims[number].size != files->engine->segment_bytes;
        files->report->files_lost = files->report->files_lost || segment->cut;
        return;
    }
    segment->generation = 0;
    if (files->claims[number].frame || files->claims[number].strange) {
        files->report->files_lost = true; // it may have taken the place of one that was
        set_aside(files, number, "is no segment of this log");
    }
    if (is_name_taken(files, number)) {
        segment->state = LOG_SEGMENT_BAD;
    }
}

int log_files_find(struct log_engine *engine, struct log_recovery *report, bool *ret_empty)
{
    struct files files = {.engine = engine, .report = report};
    const uint64_t known_id = engine->log_id;
    uint8_t *const bytes = memory_allocate_aligned(LOG_FRAME_CAPACITY, LOG_BLOCK_BYTES);
    bool any = false;
    int error = bytes == NULL ? -ENOMEM : files_begin(&files);

    for (uint32_t i = 0; i < files.top && error == 0; i++) {
        engine->segments[i] = (struct log_segment){.fd = -1, .state = LOG_SEGMENT_MAKING};
    }
    engine->segment_top = files.top;
    if (error == 0) {
        error = find_log(&files, bytes, &any);
    }
    engine->log_id = known_id != 0 ? known_id : engine->log_id;
    *ret_empty = engine->log_id == 0 && !any;
    if (error == 0 && engine->log_id == 0 && any) {
        error = -EBADMSG;
    }
    if (engine->segment_bytes == 0) {
        engine->segment_bytes =
            files.size_max >= LOG_SEGMENT_BYTES_MIN && files.size_max <= LOG_SEGMENT_BYTES_MAX
                ? (uint32_t)files.size_max & ~(uint32_t)(LOG_BLOCK_BYTES - 1)
                : engine->options.segment_bytes;
    }
    for (uint32_t i = 0; i < files.top && error == 0 && !*ret_empty; i++) {
        if (engine->segments[i].fd >= 0) {
            error = look_at_all(&files, i);
        }
    }
    if (error == 0 && !*ret_empty) {
        settle_claims(&files);
        put_right(&files);
        for (uint32_t i = 0; i < files.top; i++) {
            adopt_found(&files, i);
        }
        note_room(&files);
    }
    memory_free(files.claims);
    memory_free(bytes);
    return error;
}
