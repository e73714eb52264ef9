// Snapshots of the memory engine: one instant, each record once, whatever writers do meanwhile.
#include "tests/unit/engines_model.h"

#include <errno.h>

struct view {
    const struct model *model;
    struct model_record *records; // the instant
    uint32_t *seen;
    uint32_t vnode;
    uint8_t *object;
    uint64_t shown;
};

static bool show(void *context, const struct engine_record *record)
{
    struct view *const view = context;
    const uint32_t number = model_number(record->key);
    const struct model_record *const expected = &view->records[number];

    cr_assert_eq(record->vnode, view->vnode);
    cr_assert(expected->version != 0, "key %u was not there at the instant", number);
    cr_assert_eq(record->object.size, expected->bytes);
    cr_assert_eq(record->expire_ms, expected->expire_ms);
    cr_assert_eq(record->flags, expected->flags);
    model_object(number, expected->version, expected->bytes, view->object);
    cr_assert(memcmp(record->object.bytes, view->object, expected->bytes) == 0,
              "key %u: not the version of the instant", number);
    cr_assert_eq(view->seen[number], 0, "key %u is shown twice", number);
    view->seen[number]++;
    view->shown++;
    return view->shown % 997 != 0;
}

struct open_view {
    struct view view;
    uint32_t snapshot;
    bool open;
};

static void view_open(struct model *model, uint32_t vnode, struct open_view *ret_view)
{
    *ret_view = (struct open_view){
        .view = {.model = model,
                 .records = malloc(model->keys * sizeof model->records[0]),
                 .seen = calloc(model->keys, sizeof(uint32_t)),
                 .vnode = vnode,
                 .object = malloc(MODEL_OBJECT_BYTES_MAX + 8)},
        .open = true,
    };
    memcpy(ret_view->view.records, model->records, model->keys * sizeof model->records[0]);
    cr_assert_eq(engine_snapshot_open(model->engine, vnode, &ret_view->snapshot), 0);
}

static void view_close(struct model *model, struct open_view *view)
{
    engine_snapshot_close(model->engine, view->snapshot);
    free(view->view.records);
    free(view->view.seen);
    free(view->view.object);
    view->open = false;
}

// True when it is complete; then all of the instant was shown.
static int scan(struct model *model, uint32_t snapshot, size_t buckets, struct view *view)
{
    struct engine_scan scan = {.each = show, .context = view};

    return engine_snapshot_scan(model->engine, snapshot, &scan, buckets);
}

static bool view_on(struct model *model, struct open_view *view, size_t buckets)
{
    const int result = scan(model, view->snapshot, buckets, &view->view);

    cr_assert(result == 0 || result == 1, "scan: %d", result);
    if (result == 1) {
        return false;
    }
    for (uint32_t number = 0; number < model->keys; number++) {
        const bool there = view->view.records[number].version != 0 &&
                           model_vnode(model, number) == view->view.vnode;

        cr_assert_eq(view->view.seen[number], there ? 1 : 0, "key %u", number);
    }
    return true;
}

static void write_some(struct model *model, uint32_t count, uint32_t put_percent)
{
    struct random *const random = &model->random;

    for (uint32_t i = 0; i < count; i++) {
        const uint32_t number = (uint32_t)random_below(random, model->keys);

        if (random_below(random, 100) < put_percent) {
            const uint32_t bytes =
                random_below(random, 2) == 0 && model->records[number].version != 0
                    ? model->records[number].bytes
                    : (uint32_t)random_below(random, random_below(random, 50) == 0 ? 50000 : 300);
            const uint64_t expire_ms = random_below(random, 5) == 0
                                           ? model->io.wall_ms + 1 + random_below(random, 300)
                                           : 0;

            cr_assert_eq(model_put(model, number, bytes, 0, expire_ms), ENGINE_OK);
        } else {
            model_delete(model, number);
        }
    }
}

static void snapshots_run(uint64_t seed, uint32_t vnodes, uint32_t rounds, uint64_t buckets_max)
{
    enum { VIEWS = 4 };
    struct model model;
    struct open_view views[VIEWS] = {{.open = false}};
    uint32_t complete = 0;

    model_open(&model, seed, 6000, (struct engine_options){.vnodes = vnodes});
    write_some(&model, 8000, 90);
    for (uint32_t round = 0; round < rounds; round++) {
        struct open_view *const view = &views[random_below(&model.random, VIEWS)];

        if (!view->open) {
            view_open(&model, (uint32_t)random_below(&model.random, vnodes), view);
        } else if (view_on(&model, view, 1 + random_below(&model.random, buckets_max))) {
            view_close(&model, view);
            complete++;
        } else if (random_below(&model.random, 40) == 0) {
            view_close(&model, view); // before its end
        }
        write_some(&model, (uint32_t)random_below(&model.random, 400), round / 64 % 2 ? 40 : 80);
        model.io.wall_ms += random_below(&model.random, 20);
        for (uint64_t steps = random_below(&model.random, 6); steps > 0; steps--) {
            engine_step(model.engine, 65536);
        }
        if (round % 128 == 0) {
            model_verify(&model);
        }
    }
    cr_assert_gt(complete, rounds / 200);
    for (uint32_t i = 0; i < VIEWS; i++) {
        if (views[i].open) {
            while (!view_on(&model, &views[i], 3)) {
                write_some(&model, 5, 50);
            }
            view_close(&model, &views[i]);
        }
    }
    while (engine_step(model.engine, 65536)) {
    }
    model_get_all(&model);
    model_verify(&model);
    model_check_counts(&model);
    cr_assert_eq(model_memory(&model)->kept_now, 0);
    cr_assert_eq(model_memory(&model)->kept_bytes, 0);
    cr_assert_eq(model_memory(&model)->kept_first, NULL);
    cr_assert_gt(model_memory(&model)->compacted_bytes, 0, "the cleaner had nothing to do");
    model_close(&model);
}

Test(engines_memory_snapshot, shows_one_instant_of_one_vnode)
{
    snapshots_run(1, 1, 1500, 2000);
}

Test(engines_memory_snapshot, shows_one_instant_among_others)
{
    snapshots_run(2, 5, 2000, 400);
    snapshots_run(3, 2, 1500, 1000);
}

Test(engines_memory_snapshot, is_not_written_over_in_place)
{
    struct model model;
    struct open_view view;

    model_open(&model, 4, 2000, (struct engine_options){.vnodes = 1});
    for (uint32_t number = 0; number < model.keys; number++) {
        cr_assert_eq(model_put(&model, number, 100, 0, 0), ENGINE_OK);
    }
    view_open(&model, 0, &view);
    for (uint32_t round = 0; round < 3; round++) {
        for (uint32_t number = 0; number < model.keys; number++) {
            cr_assert_eq(model_put(&model, number, 100, 0, 0), ENGINE_OK);
        }
    }
    cr_assert_eq(model_memory(&model)->kept_now, model.keys);
    while (!view_on(&model, &view, 2)) {
    }
    cr_assert_eq(model_memory(&model)->kept_now, 0);
    view_close(&model, &view);
    model_get_all(&model);
    model_close(&model);
}

Test(engines_memory_snapshot, ends_when_its_vnode_is_dropped)
{
    struct model model;
    struct open_view views[3];

    model_open(&model, 5, 3000, (struct engine_options){.vnodes = 3});
    write_some(&model, 6000, 90);
    for (uint32_t vnode = 0; vnode < 3; vnode++) {
        view_open(&model, vnode, &views[vnode]);
    }
    write_some(&model, 3000, 70);
    engine_drop(model.engine, 1);
    for (uint32_t number = 0; number < model.keys; number++) {
        if (model_vnode(&model, number) == 1) {
            model.records[number] = (struct model_record){0};
        }
    }
    cr_assert_eq(scan(&model, views[1].snapshot, 1, &views[1].view), -ESTALE);
    write_some(&model, 3000, 70);
    while (!view_on(&model, &views[0], 2)) {
        write_some(&model, 10, 50);
    }
    engine_drop(model.engine, ENGINE_ALL_VNODES);
    memset(model.records, 0, model.keys * sizeof model.records[0]);
    cr_assert_eq(scan(&model, views[2].snapshot, 1, &views[2].view), -ESTALE);
    write_some(&model, 3000, 70);
    for (uint32_t vnode = 0; vnode < 3; vnode++) {
        view_close(&model, &views[vnode]);
    }
    while (engine_step(model.engine, 65536)) {
    }
    model_get_all(&model);
    model_verify(&model);
    model_check_counts(&model);
    model_close(&model);
}

Test(engines_memory_snapshot, are_few)
{
    struct model model;
    uint32_t snapshots[LIMIT_ENGINE_SNAPSHOTS];
    uint32_t one_more = 77;

    model_open(&model, 6, 100, (struct engine_options){.vnodes = 1});
    for (uint32_t i = 0; i < LIMIT_ENGINE_SNAPSHOTS; i++) {
        cr_assert_eq(engine_snapshot_open(model.engine, 0, &snapshots[i]), 0);
    }
    cr_assert_eq(engine_snapshot_open(model.engine, 0, &one_more), -EMFILE);
    cr_assert_eq(one_more, 77);
    engine_snapshot_close(model.engine, snapshots[3]);
    cr_assert_eq(engine_snapshot_open(model.engine, 0, &one_more), 0);
    cr_assert_eq(one_more, snapshots[3]);
    model_close(&model);
}

// More is replaced than may be kept: the snapshot says so, and what it kept is freed.
Test(engines_memory_snapshot, breaks_when_too_much_is_replaced)
{
    struct model model;
    uint32_t snapshot = 0;
    uint8_t key[MODEL_KEY_BYTES_MAX];
    const uint32_t keys = LIMIT_ENGINE_SNAPSHOT_KEPT + 1000;
    struct view view = {.model = &model};

    model_open(&model, 7, keys, (struct engine_options){.vnodes = 1});
    for (uint32_t round = 0; round < 2; round++) {
        for (uint32_t number = 0; number < keys; number++) {
            struct engine_op op = model_op(&model, number, key);
            struct engine_op *ops[1] = {&op};

            op.parts[0] = slice_of(&number, 1);
            engine_put(model.engine, ops, 1);
            cr_assert_eq(op.status, ENGINE_OK);
            model.records[number].version = 1;
        }
        if (round == 0) {
            cr_assert_eq(engine_snapshot_open(model.engine, 0, &snapshot), 0);
        }
    }
    cr_assert_eq(scan(&model, snapshot, 1, &view), -ENOBUFS);
    while (engine_step(model.engine, 1 << 20)) {
    }
    cr_assert_eq(model_memory(&model)->kept_now, 0);
    engine_snapshot_close(model.engine, snapshot);
    cr_assert_eq(engine_snapshot_open(model.engine, 0, &snapshot), 0);
    model_verify(&model);
    model_close(&model);
}
