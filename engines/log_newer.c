#include "engines/log_newer.h"

#include "core/memory.h"
#include "core/wait.h"
#include "engines/log.h"
#include "engines/log_replay.h"

#include <errno.h>
#include <stdio.h>

enum {
    LOOKS = 16, // files that are looked at together
    NAME_BYTES = 31,
    NAMES_MORE = 256,
    TOLD_MAX = 8, // each by its name
};

struct named {
    char name[NAME_BYTES];
    bool suspect; // it names a later version
};

enum look_step { LOOK_REST, LOOK_OPEN, LOOK_READ, LOOK_CLOSE };

struct looking;

// A file that is being looked at.
struct look {
    struct io_op op; // first
    struct looking *looking;
    struct named *named;
    enum look_step step;
    int32_t fd;
    uint8_t *bytes; // a block
    char path[LOG_PATH_BYTES];
};

struct looking {
    struct log_engine *engine;
    struct log_recovery *report;
    struct named *files;
    uint32_t count;
    uint32_t capacity;
    uint32_t next; // to be looked at
    uint32_t flying;
    uint64_t log_id; // 0: not known yet
    int error;
    uint8_t *blocks;
    struct look looks[LOOKS];
};

// Listing -----------------------------------------------------------------------------------------

static bool begins(const char *name, const char *prefix)
{
    return strncmp(name, prefix, strlen(prefix)) == 0;
}

static bool list_name(void *context, const char *name)
{
    struct looking *const looking = context;

    if (strlen(name) >= NAME_BYTES ||
        !(begins(name, "segment-") || begins(name, "checkpoint-") || begins(name, "large-"))) {
        return true;
    }
    if (looking->count == looking->capacity) {
        const uint32_t capacity = looking->capacity * 2 + NAMES_MORE;
        struct named *const files =
            memory_resize(looking->files, capacity * sizeof looking->files[0]);

        if (files == NULL) {
            looking->error = -ENOMEM;
            return false;
        }
        looking->files = files;
        looking->capacity = capacity;
    }
    struct named *const named = &looking->files[looking->count++];

    named->suspect = false;
    (void)snprintf(named->name, sizeof named->name, "%s", name);
    return true;
}

// How files begin ---------------------------------------------------------------------------------

static void look_next(struct look *look)
{
    struct looking *const looking = look->looking;

    if (looking->next == looking->count) {
        look->step = LOOK_REST;
        return;
    }
    look->named = &looking->files[looking->next++];
    look->step = LOOK_OPEN;
    looking->flying++;
    log_path(looking->engine, look->path, look->named->name);
    io_open(looking->engine->options.io, &look->op, look->path, IO_OPEN_READ | IO_OPEN_DIRECT);
}

static void look_read(struct look *look, struct slice bytes)
{
    struct looking *const looking = look->looking;
    uint32_t end;

    if (looking->log_id == 0 && log_frame_is_any(bytes)) {
        looking->log_id = log_frame_id(bytes.bytes);
    }
    look->named->suspect = log_newer_version(bytes, &end) != 0;
}

static void look_done(struct io_op *op, int32_t result)
{
    struct look *const look = (struct look *)(void *)op;
    struct looking *const looking = look->looking;
    struct io *const io = looking->engine->options.io;

    if (look->step == LOOK_OPEN && result >= 0) {
        look->fd = result;
        look->step = LOOK_READ;
        io_read(io, op, look->fd, look->bytes, LOG_BLOCK_BYTES, 0);
        return;
    }
    if (look->step == LOOK_READ) {
        if (result > 0) {
            look_read(look, slice_of(look->bytes, (uint32_t)result));
        }
        look->step = LOOK_CLOSE;
        io_close(io, op, look->fd);
        return;
    }
    looking->flying--;
    look_next(look);
}

static int look_at_all(struct looking *looking)
{
    looking->blocks = memory_allocate_aligned((size_t)LOOKS * LOG_BLOCK_BYTES, LOG_BLOCK_BYTES);
    if (looking->blocks == NULL) {
        return -ENOMEM;
    }
    for (uint32_t i = 0; i < LOOKS; i++) {
        struct look *const look = &looking->looks[i];

        look->looking = looking;
        look->op.done = look_done;
        look->bytes = looking->blocks + (size_t)i * LOG_BLOCK_BYTES;
        look_next(look);
    }
    while (looking->flying != 0) {
        io_turn(looking->engine->options.io, UINT64_MAX);
    }
    return 0;
}

// One that names a later version ------------------------------------------------------------------

// The version if it is what a later program wrote, else 0. What cannot be read is not.
static uint32_t read_version(struct looking *looking, const struct named *named)
{
    struct io *const io = looking->engine->options.io;
    uint8_t *const head = looking->blocks;
    char path[LOG_PATH_BYTES];
    uint32_t version = 0;
    uint32_t got = 0;
    uint32_t end = 0;

    log_path(looking->engine, path, named->name);
    const int fd = wait_open(io, path, IO_OPEN_READ | IO_OPEN_DIRECT);

    if (fd < 0) {
        return 0;
    }
    if (wait_read_some(io, fd, head, LOG_BLOCK_BYTES, 0, &got) == 0) {
        version = log_newer_version(slice_of(head, got), &end);
    }
    const uint32_t span = log_frame_span(end);
    const uint64_t log_id = version != 0 && log_frame_is_any(slice_of(head, got))
                                ? log_frame_id(head)
                                : looking->log_id;
    uint8_t *const bytes = version != 0 ? memory_allocate_aligned(span, LOG_BLOCK_BYTES) : NULL;

    if (bytes == NULL || wait_read_some(io, fd, bytes, span, 0, &got) != 0 ||
        !log_newer_holds(slice_of(bytes, got), log_id)) {
        version = 0;
    }
    memory_free(bytes);
    (void)wait_close(io, fd);
    return version;
}

void log_tell_newer(struct log_recovery *report, const char *name, uint32_t version)
{
    log_remark(report,
               "%s was written by a newer version of rldb (its format is %u, this one reads up to "
               "%u): start that one",
               name, version, (uint32_t)LOG_VERSION);
}

static int tell(struct looking *looking)
{
    uint32_t told = 0;

    for (uint32_t i = 0; i < looking->count; i++) {
        const struct named *const named = &looking->files[i];
        const uint32_t version = named->suspect ? read_version(looking, named) : 0;

        if (version == 0) {
            continue;
        }
        if (told++ < TOLD_MAX) {
            log_tell_newer(looking->report, named->name, version);
        }
    }
    if (told > TOLD_MAX) {
        log_remark(looking->report, "and %u more files were", told - TOLD_MAX);
    }
    return told != 0 ? -EPROTONOSUPPORT : 0;
}

int log_newer_look(struct log_engine *engine, struct log_recovery *report)
{
    struct looking *const looking = memory_allocate_zeroed(sizeof *looking);

    if (looking == NULL) {
        return -ENOMEM;
    }
    looking->engine = engine;
    looking->report = report;
    looking->log_id = engine->log_id;
    int error = io_list(engine->options.io, engine->options.directory, list_name, looking);

    error = error != 0 ? error : looking->error;
    error = error != 0 ? error : look_at_all(looking);
    error = error != 0 ? error : tell(looking);
    memory_free(looking->blocks);
    memory_free(looking->files);
    memory_free(looking);
    return error;
}
