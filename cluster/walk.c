#include "cluster/walk.h"

#include "cluster/command.h"
#include "cluster/multi.h"
#include "cluster/object.h"
#include "cluster/shard.h"
#include "core/glob.h"
#include "core/memory.h"
#include "ring/slot.h"

#include <inttypes.h>
#include <string.h>

enum {
    WALK_STEPS_FIRST = 256, // of a match, in place: enough for all but patterns made to take long
    WALK_STEPS_LATE = 4096, // of a late one, between two looks at the slice
};

// A match that was not over at once.
struct walk_match {
    struct walk_match *next;
    struct glob glob;
    uint32_t size;
    uint8_t bytes[];
};

static bool walk_each(void *context, const struct engine_record *record);

static void walk_read(struct engine_scan *scan)
{
    struct walk *walk = scan->context;
    part_wake(walk->shard, walk->part);
}

struct walk *walk_of_part(struct exec *x, bool *ret_first)
{
    struct part *part = x->part;
    *ret_first = part->data == NULL;
    if (*ret_first) {
        struct walk *walk = memory_allocate_zeroed(sizeof *walk);
        if (walk == NULL) {
            exec_error(x, "ERR out of memory");
            return NULL;
        }
        walk->scan = (struct engine_scan){.each = walk_each, .context = walk, .done = walk_read};
        walk->shard = x->shard;
        walk->part = part;
        walk->reply = x->reply;
        walk->most = UINT64_MAX;
        part->data = walk;
        part->data_size = sizeof *walk;
    }
    return part->data;
}

bool walk_set_pattern(struct exec *x, struct walk *walk, struct slice pattern)
{
    if (pattern.size > LIMIT_KEY_BYTES) {
        exec_errorf(x, "TOOLARGE a pattern may have up to %d bytes, this one has %zu",
                    LIMIT_KEY_BYTES, pattern.size);
        return false;
    }
    walk->pattern = pattern;
    walk->has_pattern = !glob_matches_all(pattern);
    return true;
}

static void walk_found(struct walk *walk, struct slice key)
{
    if (walk->matched == walk->most) {
        return;
    }
    walk->matched++;
    if (!walk->counts) {
        reply_bulk(&walk->reply, key);
        work_spend(&walk->shard->work, key.size / WORK_BYTES_A_UNIT);
    }
}

// What a run of a matcher cost.
static enum glob_result walk_match(struct walk *walk, struct glob *glob, uint64_t steps)
{
    uint64_t left = steps;
    enum glob_result result = glob_run(glob, &left);
    work_spend(&walk->shard->work, (steps - left) / WORK_STEPS_A_UNIT);
    return result;
}

static void walk_put_aside(struct walk *walk, const struct glob *glob)
{
    struct walk_match *match = memory_allocate(sizeof *match + glob->text.size);
    if (match == NULL) {
        walk->failed = true;
        return;
    }
    *match =
        (struct walk_match){.next = walk->late, .glob = *glob, .size = (uint32_t)glob->text.size};
    memcpy(match->bytes, glob->text.bytes, glob->text.size);
    match->glob.text = slice_of(match->bytes, match->size);
    walk->late = match;
}

bool walk_is_live(const struct shard *shard, const struct engine_record *record)
{
    struct object_view view;
    if ((record->flags & ENGINE_TOMBSTONE) != 0) {
        return false;
    }
    if ((record->flags & ENGINE_PARTIAL) != 0) {
        return record->expire_ms == 0 || record->expire_ms > shard->io->wall_ms;
    }
    return object_open(record->object, &view) && object_is_live(&view, shard->io->wall_ms);
}

static bool walk_each(void *context, const struct engine_record *record)
{
    struct walk *walk = context;
    walk->seen++;
    work_spend(&walk->shard->work, WORK_KEY_LOOK);
    if (walk->nothing || (walk->has_slot && slot_of_key(record->key) != walk->slot) ||
        !walk_is_live(walk->shard, record)) {
        return true;
    }
    if (!walk->has_pattern) {
        walk_found(walk, record->key);
        return true;
    }
    struct glob glob;
    glob_begin(&glob, walk->pattern, record->key, false);
    switch (walk_match(walk, &glob, WALK_STEPS_FIRST)) {
    case GLOB_MATCH:
        walk_found(walk, record->key);
        break;
    case GLOB_MORE:
        walk_put_aside(walk, &glob);
        break;
    case GLOB_NO_MATCH:
        break;
    }
    return true;
}

static void walk_finish_late(struct walk *walk)
{
    while (walk->late != NULL && !work_over(&walk->shard->work)) {
        struct walk_match *match = walk->late;
        enum glob_result result = walk_match(walk, &match->glob, WALK_STEPS_LATE);
        if (result == GLOB_MORE) {
            continue;
        }
        if (result == GLOB_MATCH) {
            walk_found(walk, slice_of(match->bytes, match->size));
        }
        walk->late = match->next;
        memory_free(match);
    }
}

bool walk_go(struct walk *walk, uint32_t vnode, engine_cursor *cursor, size_t buckets)
{
    bool moved = false;
    if (walk->late == NULL) {
        walk->scan.vnode = vnode;
        walk->scan.cursor = *cursor;
        enum engine_status status = engine_scan(walk->shard->engine, &walk->scan, buckets);
        moved = status == ENGINE_OK;
        walk->part->waits = status == ENGINE_PENDING;
        walk->failed = walk->failed || status == ENGINE_ERROR;
        *cursor = walk->scan.cursor;
        work_spend(&walk->shard->work, buckets); // empty ones cost time too
    }
    walk_finish_late(walk);
    return moved;
}

bool walk_failed(struct exec *x, struct walk *walk)
{
    if (!walk->failed && x->part->out.bytes <= x->shard->config.clients.output_max_bytes) {
        return false;
    }
    outbuf_clear(&x->part->out, x->reply.cache);
    exec_error(x, walk->failed ? "ERR out of memory"
                               : "ERR the reply would be larger than clients.output_max; use SCAN");
    walk_drop(walk);
    return true;
}

void walk_unreadable(struct exec *x, struct walk *walk)
{
    if (walk->scan.unreadable == 0) {
        return;
    }
    outbuf_clear(&x->part->out, x->reply.cache);
    exec_errorf(x,
                "CORRUPT %" PRIu64 " keys cannot be read from disk; SCAN tells the others, "
                "rldb check which",
                walk->scan.unreadable);
    walk_drop(walk);
}

void walk_drop(struct walk *walk)
{
    engine_scan_end(walk->shard->engine, &walk->scan);
    walk->part->waits = false;
    while (walk->late != NULL) {
        struct walk_match *match = walk->late;
        walk->late = match->next;
        memory_free(match);
    }
}
