// Scans and samples of the log engine, whose records are mostly on disk.
#include "tests/unit/engines_log_model.h"

#include <errno.h>
#include <stdlib.h>

struct scanning {
    struct engine_scan scan; // first
    struct model *model;
    uint32_t *seen; // of each key
    uint64_t shown;
    uint64_t pended;
    bool ready;
    bool steadily; // each call may show as much as any, and `see` never stops it
};

static bool see(void *context, const struct engine_record *record)
{
    struct scanning *const scanning = context;
    struct model *const model = scanning->model;
    uint32_t number;
    uint64_t version;
    uint64_t body;
    uint8_t bytes[KEY_BYTES_MAX];

    memcpy(&number, record->key.bytes, sizeof number);
    cr_assert_lt(number, model->key_count);
    const struct slice key = key_of(number, bytes);

    cr_assert(key.size == record->key.size && memcmp(key.bytes, record->key.bytes, key.size) == 0);
    cr_assert_eq(record->vnode, number % VNODES);
    check_object(model, number, record->object, &version, &body);
    cr_assert_eq(version, model->keys[number].version);
    cr_assert_eq(record->flags, flags_of(number, version));
    cr_assert_eq(record->expire_ms, expiry_of(version));
    scanning->seen[number]++;
    scanning->shown++;
    return scanning->steadily || scanning->shown % 97 != 0;
}

static void scan_ready(struct engine_scan *scan)
{
    struct scanning *const scanning = (struct scanning *)(void *)scan;

    cr_assert(!scanning->ready);
    scanning->ready = true;
}

static void scanning_begin(struct model *model, struct scanning *ret_scanning)
{
    *ret_scanning = (struct scanning){
        .scan = {.each = see, .context = ret_scanning, .done = scan_ready},
        .model = model,
        .seen = calloc(model->key_count, sizeof ret_scanning->seen[0]),
    };
}

static void wait_for(struct model *model, struct scanning *scanning, uint32_t writes)
{
    const uint64_t reads = scanning->scan.waiting;

    cr_assert_gt(reads, 0);
    scanning->pended++;
    while (!scanning->ready) {
        work(model, writes, 50);
        turn(model, 100000);
    }
    scanning->ready = false;
}

// Scans all vnodes while about `writes` ops a call run.
static void scan_all(struct model *model, struct scanning *scanning, uint32_t writes)
{
    for (uint32_t vnode = 0; vnode < VNODES; vnode++) {
        scanning->scan.vnode = vnode;
        do {
            const engine_cursor before = scanning->scan.cursor;
            const uint64_t shown = scanning->shown;

            if (engine_scan(model->engine, &scanning->scan, 1 + random_below(&model->random, 30)) ==
                ENGINE_PENDING) {
                cr_assert(scanning->scan.cursor == before && scanning->shown == shown);
                wait_for(model, scanning, writes);
                continue;
            }
            cr_assert_null(scanning->scan.held);
            work(model, writes, 50);
        } while (scanning->scan.cursor != 0 || scanning->scan.held != NULL);
    }
    cr_assert_eq(scanning->scan.unreadable, 0);
}

static void fill(struct model *model)
{
    for (uint32_t number = 0; number < model->key_count; number++) {
        while (model->keys[number].version == 0) {
            begin(model, number, OP_PUT, ++model->version);
            turn(model, 100000);
        }
    }
    drain(model);
}

Test(engines_log_scan, shows_what_stays)
{
    struct model model;
    struct scanning scanning;

    model_begin(&model, 5, 6000, small);
    model.steady = 2000;
    fill(&model);
    for (int round = 0; round < 3; round++) {
        scanning_begin(&model, &scanning);
        scan_all(&model, &scanning, 20);
        for (uint32_t number = 0; number < model.steady; number++) {
            cr_assert_eq(scanning.seen[number], 1, "key %u was shown %u times", number,
                         scanning.seen[number]);
        }
        cr_assert_gt(scanning.pended, 20);
        free(scanning.seen);
    }
    drain(&model);
    end_engine(&model, END_CLOSE);
    model_end(&model);
}

// A scan of cold keys leaves the cache as it is, and reads each key once.
Test(engines_log_scan, passes_by_the_cache)
{
    struct model model;
    struct scanning scanning;

    model_begin(&model, 6, 4000, small);
    fill(&model);
    const struct log_engine *const engine = log_engine_of(model.engine);
    const uint64_t evicted = engine->cache.evicted;
    const uint64_t young = engine->cache.rings[CACHE_YOUNG].head;
    const uint64_t reads = engine->disk_reads;

    scanning_begin(&model, &scanning);
    scanning.steadily = true;
    scan_all(&model, &scanning, 0);
    cr_assert_eq(scanning.shown, 4000);
    cr_assert_eq(engine->cache.evicted, evicted);
    cr_assert_eq(engine->cache.rings[CACHE_YOUNG].head, young);
    cr_assert_gt(engine->disk_reads, reads + 1000);
    cr_assert_leq(engine->disk_reads, reads + 4000);
    free(scanning.seen);
    end_engine(&model, END_CLOSE);
    model_end(&model);
}

Test(engines_log_scan, can_be_given_up)
{
    struct model model;
    struct scanning scanning;
    uint32_t given_up = 0;

    model_begin(&model, 7, 4000, small);
    fill(&model);
    scanning_begin(&model, &scanning);
    while (given_up < 50) {
        scanning.scan.cursor = random_u64(&model.random) >> 20;
        if (engine_scan(model.engine, &scanning.scan, 8) == ENGINE_PENDING) {
            const uint64_t turns = random_below(&model.random, 4);

            for (uint64_t i = 0; i < turns; i++) {
                turn(&model, 50000);
            }
            engine_scan_end(model.engine, &scanning.scan);
            scanning.ready = false;
            turn(&model, 0);
            given_up++;
        }
    }
    for (uint32_t i = 0; i < 100; i++) {
        turn(&model, 100000);
    }
    cr_assert(!scanning.ready);
    for (uint32_t i = 0; i < log_engine_of(model.engine)->segment_top; i++) {
        cr_assert_eq(log_engine_of(model.engine)->segments[i].pins, 0);
    }
    free(scanning.seen);
    end_engine(&model, END_CLOSE);
    model_end(&model);
}

Test(engines_log_scan, samples)
{
    struct model model;
    struct scanning scanning;
    uint32_t met = 0;

    model_begin(&model, 8, 1000, small);
    scanning_begin(&model, &scanning);
    cr_assert_eq(engine_sample(model.engine, &scanning.scan, 1), ENGINE_MISS);
    fill(&model);
    for (uint32_t i = 0; i < 8000; i++) {
        const uint64_t random = random_u64(&model.random);
        enum engine_status status;

        while ((status = engine_sample(model.engine, &scanning.scan, random)) == ENGINE_PENDING) {
            wait_for(&model, &scanning, 3);
        }
        cr_assert(status == ENGINE_OK || status == ENGINE_MISS);
    }
    for (uint32_t number = 0; number < model.key_count; number++) {
        met += scanning.seen[number] != 0;
    }
    cr_assert_gt(scanning.pended, 100);
    cr_assert_gt(met, 800);
    free(scanning.seen);
    drain(&model);
    end_engine(&model, END_CLOSE);
    model_end(&model);
}

// Snapshots --------------------------------------------------------------------------------------

struct view {
    struct scanning scanning; // first
    uint64_t *versions;       // of each key when it was opened
    uint32_t vnode;
    uint32_t snapshot;
};

static bool see_view(void *context, const struct engine_record *record)
{
    struct view *const view = context;
    struct model *const model = view->scanning.model;
    uint32_t number;
    uint64_t version;
    uint64_t body;

    memcpy(&number, record->key.bytes, sizeof number);
    cr_assert_eq(record->vnode, view->vnode);
    check_object(model, number, record->object, &version, &body);
    cr_assert_eq(version, view->versions[number], "key %u: version %lu, not %lu", number,
                 (unsigned long)version, (unsigned long)view->versions[number]);
    cr_assert_eq(record->flags, flags_of(number, version));
    view->scanning.seen[number]++;
    view->scanning.shown++;
    return view->scanning.shown % 97 != 0;
}

static void view_open(struct model *model, struct view *ret_view, uint32_t vnode)
{
    scanning_begin(model, &ret_view->scanning);
    ret_view->scanning.scan.each = see_view;
    ret_view->vnode = vnode;
    ret_view->versions = calloc(model->key_count, sizeof ret_view->versions[0]);
    for (uint32_t number = vnode; number < model->key_count; number += VNODES) {
        ret_view->versions[number] = model->keys[number].version;
    }
    cr_assert_eq(engine_snapshot_open(model->engine, vnode, &ret_view->snapshot), 0);
}

static void view_close(struct model *model, struct view *view)
{
    engine_snapshot_close(model->engine, view->snapshot);
    free(view->versions);
    free(view->scanning.seen);
}

// True when all was shown.
static bool view_on(struct model *model, struct view *view)
{
    const int result = engine_snapshot_scan(model->engine, view->snapshot, &view->scanning.scan,
                                            1 + random_below(&model->random, 6));

    cr_assert(result == 0 || result == 1 || result == -EINPROGRESS, "scan: %d", result);
    if (result == -EINPROGRESS) {
        wait_for(model, &view->scanning, 6);
    }
    if (result != 0) {
        return false;
    }
    for (uint32_t number = 0; number < model->key_count; number++) {
        cr_assert_eq(view->scanning.seen[number], view->versions[number] != 0,
                     "key %u was shown %u times", number, view->scanning.seen[number]);
    }
    return true;
}

Test(engines_log_scan, snapshots_show_one_instant)
{
    struct model model;
    uint64_t moved = 0;
    struct engine_options options = small;

    options.disk_max_bytes = 80 << 20;
    for (uint64_t seed = 1; seed <= 1; seed++) {
        model_begin(&model, seed, 3000, options);
        model.object_max = 12000;
        fill(&model);
        for (int round = 0; round < 2; round++) {
            struct view views[3];
            uint32_t open = 3;

            work(&model, 3000, 70);
            for (uint32_t i = 0; i < 3; i++) {
                view_open(&model, &views[i], i == 2 ? 0 : i);
                work(&model, 200, 70);
            }
            const uint64_t before = log_engine_of(model.engine)->compacted_bytes;

            while (open != 0) {
                struct view *const view = &views[random_below(&model.random, open)];

                work(&model, 20, 70);
                if (view_on(&model, view)) {
                    view_close(&model, view);
                    // A scan's struct is not moved while it waits: only those that rest are.
                    *view = views[--open];
                    view->scanning.scan.context = view;
                }
            }
            moved += log_engine_of(model.engine)->compacted_bytes - before;
        }
        drain(&model);
        check_all(&model);
        for (uint32_t i = 0; i < 300; i++) {
            turn(&model, 100000);
        }
        for (uint32_t i = 0; i < log_engine_of(model.engine)->segment_top; i++) {
            cr_assert_leq(log_engine_of(model.engine)->segments[i].pins, 1); // a victim's
        }
        end_engine(&model, END_CLOSE);
        model_end(&model);
    }
    cr_assert_gt(moved, 0);
}

Test(engines_log_scan, snapshots_end_early)
{
    struct model model;
    struct view view;
    uint32_t snapshots[LIMIT_ENGINE_SNAPSHOTS];
    uint32_t one_more;

    model_begin(&model, 9, 1000, small);
    fill(&model);
    view_open(&model, &view, 1);
    engine_drop(model.engine, 1);
    cr_assert_eq(engine_snapshot_scan(model.engine, view.snapshot, &view.scanning.scan, 1),
                 -ESTALE);
    view_close(&model, &view);
    for (uint32_t i = 0; i < LIMIT_ENGINE_SNAPSHOTS; i++) {
        cr_assert_eq(engine_snapshot_open(model.engine, 0, &snapshots[i]), 0);
    }
    cr_assert_eq(engine_snapshot_open(model.engine, 0, &one_more), -EMFILE);
    engine_snapshot_close(model.engine, snapshots[3]);
    cr_assert_eq(engine_snapshot_open(model.engine, 0, &one_more), 0);
    for (uint32_t number = 1; number < model.key_count; number += VNODES) {
        model.keys[number].version = 0;
    }
    // Compaction needs the room: they are given up rather than that puts are refused for good.
    uint32_t rounds = 0;

    view = (struct view){.vnode = 0, .snapshot = one_more};
    while (log_engine_of(model.engine)->snapshots[one_more].error == 0) {
        work(&model, 500, 90);
        cr_assert_lt(++rounds, 1000);
    }
    scanning_begin(&model, &view.scanning);
    cr_assert_eq(engine_snapshot_scan(model.engine, one_more, &view.scanning.scan, 1), -ENOBUFS);
    drain(&model);
    check_all(&model);
    free(view.scanning.seen);
    end_engine(&model, END_CLOSE);
    model_end(&model);
}
