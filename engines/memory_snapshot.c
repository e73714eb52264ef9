// Snapshots: one instant of a vnode, for a scan, while writers go on.
//
// A record is new to a snapshot when it was written after the snapshot was opened, which its place
// in the log tells: segments are numbered by an `order` that rises with each fresh segment, and
// within the segment that was the head at that moment the offset decides. The scan walks the index
// in order of position and shows what is old. A write that replaces or removes an old record, which
// the scan has not passed, has to keep it: it goes to a list, and its segment is not cleaned until
// the snapshot has shown it.
//
// Records that the cleaner moves keep their side: segments of moved records have an order that is
// not the newest but one on the same side of every open snapshot, snapshot_order(). Opening a
// snapshot leaves a number out, so that there always is one.
//
// Ending a snapshot only marks it: what it keeps is let go of in steps, and the number can be used
// again when that is done.
#include "core/memory.h"
#include "engines/memory.h"

#include <errno.h>

enum { KEPT_A_BUCKET = 16 }; // kept records shown for each bucket that the caller allows

static bool snapshot_is_new(const struct memory_engine *engine, const struct snapshot *snapshot,
                            uint64_t place)
{
    const uint32_t number = segment_number(engine, place);
    const struct segment *const segment = &engine->segments[number];

    if (number + 1 == snapshot->head && segment->order == snapshot->head_order) {
        return place % SEGMENT_BYTES >= snapshot->head_offset;
    }
    return segment->order > snapshot->order;
}

uint64_t snapshot_order(const struct memory_engine *engine, uint64_t place)
{
    uint64_t order = 0;

    for (uint32_t i = 0; i < LIMIT_ENGINE_SNAPSHOTS && engine->snapshots_open != 0; i++) {
        const struct snapshot *const it = &engine->snapshots[i];

        if (it->open && it->order + 1 > order && snapshot_is_new(engine, it, place)) {
            order = it->order + 1;
        }
    }
    return order;
}

// The snapshots that have yet to show a reachable record, as bits.
static uint32_t snapshots_of(const struct memory_engine *engine, uint64_t hash,
                             const struct record *record)
{
    const uint64_t place = record_place(engine, record);
    uint32_t left = engine->vnodes[record->vnode].snapshots;
    uint32_t seeing = 0;

    while (left != 0) {
        const uint32_t number = (uint32_t)__builtin_ctz(left);
        const struct snapshot *const it = &engine->snapshots[number];

        left &= left - 1;
        if (!it->walked && !snapshot_is_new(engine, it, place) &&
            index_position(&engine->index, hash) >= it->position) {
            seeing |= UINT32_C(1) << number;
        }
    }
    return seeing;
}

bool snapshot_sees(const struct memory_engine *engine, uint64_t hash, const struct record *record)
{
    return snapshots_of(engine, hash, record) != 0;
}

// ending ----------------------------------------------------------------------------------------

static void kept_release(struct memory_engine *engine, struct kept_block *block, struct kept *kept)
{
    struct segment *const segment = &engine->segments[segment_number(engine, kept->place)];

    CHECK(segment->kept > 0);
    segment->kept--;
    engine->kept_bytes -= kept->bytes;
    engine->kept_now--;
    block->left--;
    segment_kill(engine, kept->place, kept->bytes);
    kept->place = PLACE_NONE;
}

static void kept_trim(struct memory_engine *engine)
{
    while (engine->kept_first != NULL && engine->kept_first->left == 0 &&
           (engine->kept_first->next != NULL || engine->kept_now == 0)) {
        struct kept_block *const block = engine->kept_first;

        if (engine->kept_sweep == block) {
            engine->kept_sweep = block->next;
        }
        engine->kept_first = block->next;
        if (block->next == NULL) {
            engine->kept_last = NULL;
            engine->kept_count = block->first + KEPT_A_BLOCK;
        }
        memory_free(block);
    }
    if (engine->kept_first == NULL) {
        // Nothing is kept, so nobody waits for it.
        engine->snapshots_ending = 0;
        engine->snapshots_sweeping = 0;
    }
}

// From now on nothing is kept for it, and what was kept will be let go of.
static void snapshot_end(struct memory_engine *engine, uint32_t number)
{
    const uint32_t bit = UINT32_C(1) << number;

    engine->vnodes[engine->snapshots[number].vnode].snapshots &= ~bit;
    engine->snapshots_ending |= bit;
    kept_trim(engine);
}

bool snapshot_step(struct memory_engine *engine, uint32_t budget)
{
    if (engine->snapshots_sweeping == 0) {
        engine->snapshots_sweeping = engine->snapshots_ending;
        engine->kept_sweep = engine->kept_first;
        engine->kept_sweep_next = 0;
    }
    for (; engine->snapshots_sweeping != 0 && engine->kept_sweep != NULL && budget > 0; budget--) {
        struct kept_block *const block = engine->kept_sweep;
        struct kept *const kept = &block->kept[engine->kept_sweep_next++];

        if (block->first + engine->kept_sweep_next > engine->kept_count) {
            engine->kept_sweep = NULL;
            break;
        }
        if (kept->place != PLACE_NONE) {
            kept->snapshots &= ~engine->snapshots_sweeping;
            if (kept->snapshots == 0) {
                kept_release(engine, block, kept);
            }
        }
        if (engine->kept_sweep_next == KEPT_A_BLOCK) {
            engine->kept_sweep = block->next;
            engine->kept_sweep_next = 0;
        }
    }
    if (engine->kept_sweep == NULL) {
        engine->snapshots_ending &= ~engine->snapshots_sweeping;
        engine->snapshots_sweeping = 0;
    }
    kept_trim(engine);
    return engine->snapshots_ending != 0;
}

static void snapshot_break(struct memory_engine *engine, uint32_t number, int error)
{
    struct snapshot *const it = &engine->snapshots[number];

    if (it->open && it->error == 0) {
        it->error = error;
        snapshot_end(engine, number);
    }
}

void snapshot_break_all(struct memory_engine *engine)
{
    for (uint32_t i = 0; i < LIMIT_ENGINE_SNAPSHOTS; i++) {
        snapshot_break(engine, i, -ENOBUFS);
    }
}

void snapshot_dropped(struct memory_engine *engine, uint32_t vnode)
{
    for (uint32_t i = 0; i < LIMIT_ENGINE_SNAPSHOTS; i++) {
        if (vnode == ENGINE_ALL_VNODES || engine->snapshots[i].vnode == vnode) {
            snapshot_break(engine, i, -ESTALE);
        }
    }
}

void snapshot_forget_kept(struct memory_engine *engine)
{
    while (engine->kept_first != NULL) {
        struct kept_block *const block = engine->kept_first;

        engine->kept_first = block->next;
        memory_free(block);
    }
    engine->kept_last = NULL;
    engine->kept_sweep = NULL;
    engine->kept_now = 0;
    engine->kept_bytes = 0;
    kept_trim(engine);
}

// keeping ---------------------------------------------------------------------------------------

static bool kept_add(struct memory_engine *engine, const struct kept *kept)
{
    struct kept_block *block = engine->kept_last;

    if (engine->kept_now >= LIMIT_ENGINE_SNAPSHOT_KEPT) {
        return false;
    }
    if (block == NULL || engine->kept_count == block->first + KEPT_A_BLOCK) {
        block = memory_allocate(sizeof *block);
        if (block == NULL) {
            return false;
        }
        block->next = NULL;
        block->first = engine->kept_count;
        block->left = 0;
        if (engine->kept_last != NULL) {
            engine->kept_last->next = block;
        } else {
            engine->kept_first = block;
        }
        engine->kept_last = block;
    }
    block->kept[engine->kept_count - block->first] = *kept;
    block->left++;
    engine->kept_count++;
    engine->kept_now++;
    engine->kept_bytes += kept->bytes;
    engine->segments[segment_number(engine, kept->place)].kept++;
    return true;
}

bool snapshot_keep(struct memory_engine *engine, uint64_t hash, const struct record *record)
{
    const struct kept kept = {
        .place = record_place(engine, record),
        .snapshots = snapshots_of(engine, hash, record),
        .bytes = record->bytes,
    };

    if (kept.snapshots == 0) {
        return false;
    }
    if (!kept_add(engine, &kept)) {
        snapshot_break_all(engine);
        return false;
    }
    return true;
}

// the calls -------------------------------------------------------------------------------------

int snapshot_open(struct engine *base, uint32_t vnode, uint32_t *ret_snapshot)
{
    struct memory_engine *const engine = (struct memory_engine *)base;
    uint32_t number = 0;

    CHECK(vnode < engine->options.vnodes);
    while (number < LIMIT_ENGINE_SNAPSHOTS &&
           (engine->snapshots[number].open || (engine->snapshots_ending >> number & 1) != 0)) {
        number++;
    }
    if (number == LIMIT_ENGINE_SNAPSHOTS) {
        return -EMFILE;
    }
    const uint32_t head = engine->fresh.segment;
    const struct segment *const segment = head != SEGMENT_NONE ? &engine->segments[head - 1] : NULL;

    engine->snapshots[number] = (struct snapshot){
        .open = true,
        .vnode = vnode,
        .order = engine->order,
        .head = head,
        .head_order = segment != NULL ? segment->order : 0,
        .head_offset = segment != NULL ? segment->used : 0,
        .kept_seen = engine->kept_count,
    };
    engine->order++; // what the cleaner moves from the new side
    engine->vnodes[vnode].snapshots |= UINT32_C(1) << number;
    engine->snapshots_open++;
    *ret_snapshot = number;
    return 0;
}

struct view {
    struct memory_engine *engine;
    const struct snapshot *snapshot;
    engine_scan_fn *each;
    void *context;
    bool go_on;
};

static void view_show(struct view *view, uint64_t place)
{
    struct engine_record record;

    record_show(view->engine, place, &record);
    view->go_on = view->each(view->context, &record) && view->go_on;
}

static void view_entry(void *context, uint64_t entry)
{
    struct view *const view = context;

    if (!snapshot_is_new(view->engine, view->snapshot, payload_place(entry))) {
        view_show(view, payload_place(entry));
    }
}

// Shows up to `count` of the records that were kept for the snapshot.
static void view_kept(struct view *view, struct snapshot *snapshot, size_t count)
{
    struct memory_engine *const engine = view->engine;
    const uint32_t bit = UINT32_C(1) << (snapshot - engine->snapshots);
    struct kept_block *block = engine->kept_first;

    while (block != NULL && view->go_on && count > 0 && snapshot->kept_seen < engine->kept_count) {
        if (snapshot->kept_seen < block->first) {
            snapshot->kept_seen = block->first;
        }
        if (snapshot->kept_seen >= block->first + KEPT_A_BLOCK) {
            block = block->next;
            continue;
        }
        struct kept *const kept = &block->kept[snapshot->kept_seen++ - block->first];

        count--;
        if (kept->place != PLACE_NONE && (kept->snapshots & bit) != 0) {
            view_show(view, kept->place);
            kept->snapshots &= ~bit;
            if (kept->snapshots == 0) {
                kept_release(engine, block, kept);
            }
        }
    }
    if (block == NULL) {
        snapshot->kept_seen = engine->kept_count;
    }
    kept_trim(engine);
}

int snapshot_scan(struct engine *base, uint32_t number, struct engine_scan *scan,
                  size_t buckets_max)
{
    struct memory_engine *const engine = (struct memory_engine *)base;

    CHECK(number < LIMIT_ENGINE_SNAPSHOTS && engine->snapshots[number].open);
    struct snapshot *const it = &engine->snapshots[number];
    const struct index_table *const table = &engine->vnodes[it->vnode].table;
    struct view view = {engine, it, scan->each, scan->context, true};

    if (it->error != 0) {
        return it->error;
    }
    view_kept(&view, it, buckets_max * KEPT_A_BUCKET);
    for (size_t i = 0; i < buckets_max && view.go_on && !it->walked; i++) {
        it->position = index_scan(&engine->index, table, it->position, view_entry, &view);
        it->walked = it->position == 0;
    }
    return it->walked && it->kept_seen >= engine->kept_count ? 0 : 1;
}

void snapshot_close(struct engine *base, uint32_t number)
{
    struct memory_engine *const engine = (struct memory_engine *)base;

    CHECK(number < LIMIT_ENGINE_SNAPSHOTS && engine->snapshots[number].open);
    if (engine->snapshots[number].error == 0) {
        snapshot_end(engine, number);
    }
    engine->snapshots[number].open = false;
    engine->snapshots_open--;
}
