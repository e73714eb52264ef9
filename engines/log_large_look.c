// Files of large values that were there at the start: whose they are.
//
// One after another, in the background: the header says the key, and the key is looked up. If its
// record names another file or none, this one was never named by a frame that came to the disk, or
// the program ended before it was removed.
#include "core/memory.h"
#include "engines/log.h"
#include "engines/log_large.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

enum { LOOK_BYTES = 68 << 10, NAME_HEAD = sizeof "large-" - 1, NAME_DIGITS = 16 };

enum look_step { LOOK_REST, LOOK_OPEN, LOOK_READ, LOOK_CLOSE, LOOK_OWNER };

struct log_large_look {
    struct io_op op; // first
    struct log_engine *engine;
    struct engine_op owner;
    struct log_large *large;
    uint8_t *bytes;
    uint32_t got;
    uint32_t bucket; // of the table, where to look for the next
    int32_t fd;
    enum look_step step;
    char path[LOG_PATH_BYTES];
};

bool log_large_is_looked_at(const struct log_large *large)
{
    const struct log_large_look *const look = large->engine->large.look;

    return look != NULL && look->large == large;
}

// The frame that no record names it after. What took its record away may be in a frame that is not
// durable yet; one that was never whole never had any.
static uint64_t orphaned_after(const struct log_engine *engine, const struct log_large *large)
{
    const bool filling = engine->hot.open != NULL && engine->hot.open->header.records != 0;

    if (large->object_bytes == 0) {
        return 0;
    }
    return filling ? UINT64_MAX : engine->sequence;
}

static void look_end(struct log_large_look *look, bool orphan)
{
    struct log_engine *const engine = look->engine;
    struct log_large *const large = look->large;

    // A drop that the log has yet to say takes it away when that is said.
    orphan = orphan && (large->object_bytes == 0 || engine->vnodes[large->vnode].drop_owed == 0);
    if (orphan) {
        large->aside = engine->large.damaged;
        log_large_die(large, orphaned_after(engine, large));
    }
    if (orphan && large->aside) {
        log_report(engine, false,
                   "large-%016" PRIx64
                   ": no record names it; it is set aside as aside-large-%016" PRIx64,
                   large->number, large->number);
    }
    large->known = true;
    memory_free(look->bytes);
    look->bytes = NULL;
    look->large = NULL;
    look->step = LOOK_REST;
    engine->large.unknown--;
    engine->large.busy--;
}

void log_large_owner(struct log_engine *engine, struct engine_op *op)
{
    struct log_large_look *const look = engine->large.look;
    struct log_found found;

    CHECK(op == &look->owner && look->step == LOOK_OWNER);
    switch (log_find(engine, op, &found)) {
    case LOG_FOUND:
        look_end(look, found.large != look->large->number);
        return;
    case LOG_ABSENT:
        look_end(look, true);
        return;
    case LOG_UNREADABLE: // it may be named
        look_end(look, false);
        return;
    case LOG_ON_DISK:
        op->status = ENGINE_PENDING;
        log_read_for(engine, op, found.location, found.class);
        if (op->status != ENGINE_PENDING) {
            look_end(look, false);
        }
    }
}

static bool is_zero(const uint8_t *bytes, size_t size)
{
    for (size_t i = 0; i < size; i++) {
        if (bytes[i] != 0) {
            return false;
        }
    }
    return true;
}

// The header is written last: where there is none the file was never whole, and so never named.
static void look_owner(struct log_large_look *look)
{
    struct log_engine *const engine = look->engine;
    struct log_large *const large = look->large;
    struct log_large_header header;

    if (look->got < LOG_BLOCK_BYTES || is_zero(look->bytes, LOG_BLOCK_BYTES)) {
        look_end(look, true);
        return;
    }
    if (!log_large_header_read(slice_of(look->bytes, look->got), engine->log_id, &header) ||
        header.number != large->number || header.vnode >= engine->options.vnodes) {
        log_report(engine, true,
                   "large-%016" PRIx64 ": its header is damaged; the file is left there",
                   large->number);
        look_end(look, false);
        return;
    }
    large->vnode = header.vnode;
    large->object_bytes = header.object_bytes;
    look->step = LOOK_OWNER;
    look->owner = (struct engine_op){
        .hash = log_hash(engine, header.key),
        .key = header.key,
        .vnode = header.vnode,
        .intent = ENGINE_INTENT_OWNER,
    };
    log_large_owner(engine, &look->owner);
}

static void look_go(struct log_large_look *look)
{
    struct io *const io = look->engine->options.io;

    switch (look->step) {
    case LOOK_OPEN:
        io_open(io, &look->op, look->path, IO_OPEN_READ | IO_OPEN_DIRECT);
        return;
    case LOOK_READ:
        io_read(io, &look->op, look->fd, look->bytes, LOOK_BYTES, 0);
        return;
    case LOOK_CLOSE:
        io_close(io, &look->op, look->fd);
        return;
    case LOOK_OWNER:
        look_owner(look);
        return;
    case LOOK_REST:
        CHECK(false);
    }
}

static void look_done(struct io_op *op, int32_t result)
{
    struct log_large_look *const look = (struct log_large_look *)(void *)op;

    if (look->step == LOOK_OPEN) {
        if (result < 0) {
            look_end(look, false);
            return;
        }
        look->fd = result;
    } else if (look->step == LOOK_READ) {
        if (result < 0) {
            look->got = UINT32_MAX; // of which nothing is said
        } else {
            look->got = (uint32_t)result;
        }
    } else if (look->got == UINT32_MAX) {
        look_end(look, false);
        return;
    }
    look->step++;
    look_go(look);
}

static struct log_large *next_unknown(struct log_engine *engine, struct log_large_look *look)
{
    for (uint32_t i = 0; i < LOG_LARGE_BUCKETS; i++) {
        struct log_large *large = engine->large.table[look->bucket];

        while (large != NULL && large->known) {
            large = large->next;
        }
        if (large != NULL) {
            return large;
        }
        look->bucket = (look->bucket + 1) % LOG_LARGE_BUCKETS;
    }
    return NULL;
}

void log_large_look(struct log_engine *engine)
{
    struct log_large_look *const look = engine->large.look;
    char name[40];

    if (look == NULL || look->step != LOOK_REST || engine->large.unknown == 0) {
        return;
    }
    look->large = next_unknown(engine, look);
    if (look->large == NULL) {
        engine->large.unknown = 0; // the others died meanwhile
        return;
    }
    look->bytes = memory_allocate_aligned(LOOK_BYTES, LOG_BLOCK_BYTES);
    if (look->bytes == NULL) {
        look->large = NULL;
        return; // another time
    }
    (void)snprintf(name, sizeof name, "large-%016" PRIx64, look->large->number);
    log_path(engine, look->path, name);
    look->got = 0;
    look->step = LOOK_OPEN;
    engine->large.busy++;
    look_go(look);
}

// The start --------------------------------------------------------------------------------------

struct finding {
    struct log_engine *engine;
    int error;
};

static bool file_found(void *context, const char *name)
{
    struct finding *const finding = context;
    struct log_engine *const engine = finding->engine;
    char path[LOG_PATH_BYTES];
    char *end;
    struct io_stat stat;

    if (strncmp(name, "large-", NAME_HEAD) != 0 || strlen(name) != NAME_HEAD + NAME_DIGITS) {
        return true;
    }
    const uint64_t number = strtoull(name + NAME_HEAD, &end, 16);

    log_path(engine, path, name);
    if (*end != '\0' || number == 0 || io_stat(engine->options.io, path, &stat) != 0) {
        return true;
    }
    struct log_large *const large = log_large_add(engine, number);

    if (large == NULL) {
        finding->error = -ENOMEM;
        return false;
    }
    large->size = (stat.size_bytes + (LOG_BLOCK_BYTES - 1)) & ~(uint64_t)(LOG_BLOCK_BYTES - 1);
    engine->large.bytes += large->size;
    engine->large.unknown++;
    return true;
}

int log_large_open(struct log_engine *engine, bool damaged)
{
    struct finding finding = {.engine = engine};
    const int error = io_list(engine->options.io, engine->options.directory, file_found, &finding);

    engine->large.damaged = damaged;
    if (error != 0 || finding.error != 0) {
        return error != 0 ? error : finding.error;
    }
    if (engine->large.unknown == 0) {
        return 0;
    }
    engine->large.look = memory_allocate_zeroed(sizeof *engine->large.look);
    if (engine->large.look == NULL) {
        return -ENOMEM;
    }
    engine->large.look->engine = engine;
    engine->large.look->op.done = look_done;
    return 0;
}

void log_large_look_close(struct log_engine *engine)
{
    if (engine->large.look != NULL) {
        memory_free(engine->large.look->bytes);
    }
    memory_free(engine->large.look);
}
