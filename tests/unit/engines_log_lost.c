// What the log engine does for keys whose records cannot be read, and when it has no room to say
// that a vnode was dropped.
#include "core/wait.h"
#include "tests/unit/engines_log_model.h"

enum { LOST_KEYS = 2000 };

struct told {
    uint32_t lines;
    char last[256];
};

static void tell(void *context, bool damage, const char *text)
{
    struct told *const told = context;

    cr_assert(damage);
    told->lines++;
    (void)snprintf(told->last, sizeof told->last, "%s", text);
}

static void lose_file(struct model *model, const char *path)
{
    const struct io_uring_options options = {
        .queue_entries = 256, .buffer_count = 16, .buffer_bytes = 4096};
    struct io *const io = sim_core_open(model->node, &options);

    cr_assert_eq(wait_unlink(io, path), 0);
    io_destroy(io);
}

struct call {
    struct engine_op op; // first
    bool done;
    uint8_t key[KEY_BYTES_MAX];
    uint8_t head[HEAD_BYTES_MAX];
    uint8_t body[8];
};

static void call_done(struct engine_op *op)
{
    ((struct call *)(void *)op)->done = true;
}

static enum engine_status call(struct model *model, struct call *it, uint32_t number,
                               enum op_kind kind)
{
    struct engine_op *const ops[1] = {&it->op};

    it->done = false;
    it->op.key = key_of(number, it->key);
    it->op.hash = hash_key(model->options.hash_seed, it->op.key);
    it->op.vnode = number % VNODES;
    it->op.done = call_done;
    if (kind == OP_GET) {
        engine_get(model->engine, ops, 1);
    } else if (kind == OP_PUT) {
        it->op.parts[0] = slice_of("again", 5);
        engine_put(model->engine, ops, 1);
    } else {
        engine_remove(model->engine, ops, 1);
    }
    if (it->op.status == ENGINE_PENDING) {
        while (!it->done) {
            turn(model, 100000);
        }
    }
    return it->op.status;
}

static enum engine_status call_once(struct model *model, uint32_t number, enum op_kind kind)
{
    struct call it = {0};

    return call(model, &it, number, kind);
}

static void check_object_is(struct model *model, uint32_t number, struct slice expected)
{
    struct call it = {0};

    cr_assert_eq(call(model, &it, number, OP_GET), ENGINE_OK);
    cr_assert(it.op.object.size == expected.size &&
              memcmp(it.op.object.bytes, expected.bytes, expected.size) == 0);
}

// One of the keys that cannot be read in turn: put without a get, put after a get, removed, removed
// after a get, left.
static void use_lost(struct model *model, uint32_t number, uint32_t turn_number)
{
    struct call it = {0};

    switch (turn_number % 5) {
    case 0:
        cr_assert_eq(call(model, &it, number, OP_PUT), ENGINE_OK);
        break;
    case 1:
        cr_assert_eq(call(model, &it, number, OP_GET), ENGINE_ERROR);
        it.done = true;
        cr_assert_eq(call(model, &it, number, OP_PUT), ENGINE_OK);
        cr_assert(!it.done); // what the get has met is remembered
        break;
    case 2:
        cr_assert_eq(call(model, &it, number, OP_REMOVE), ENGINE_OK);
        break;
    case 3:
        cr_assert_eq(call(model, &it, number, OP_GET), ENGINE_ERROR);
        cr_assert_eq(call(model, &it, number, OP_REMOVE), ENGINE_OK);
        break;
    default:
        it.op.tail_bytes = 1;
        it.op.parts[0] = slice_of(NULL, 0);
        cr_assert_eq(call(model, &it, number, OP_PUT), ENGINE_ERROR);
        cr_assert_neq(it.op.error, 0);
        break;
    }
}

static void check_used(struct model *model, uint32_t number, uint32_t turn_number)
{
    if (turn_number % 5 < 2) {
        check_object_is(model, number, slice_of("again", 5));
    } else {
        cr_assert_eq(call_once(model, number, OP_GET),
                     turn_number % 5 < 4 ? ENGINE_MISS : ENGINE_ERROR);
    }
}

static void reopen(struct model *model)
{
    end_engine(model, END_CLOSE);
    open_engine(model);
}

Test(engines_log_lost, a_lost_key_is_an_error_until_it_is_written)
{
    struct model model;
    struct told told = {0};
    struct engine_options options = small;
    uint32_t lost[LOST_KEYS];
    uint32_t count = 0;

    options.report = tell;
    options.report_context = &told;
    model_begin(&model, 9, LOST_KEYS, options);
    for (uint32_t number = 0; number < LOST_KEYS; number++) {
        while (model.keys[number].version == 0) {
            begin(&model, number, OP_PUT, ++model.version);
            turn(&model, 100000);
        }
    }
    drain(&model);
    end_engine(&model, END_CLOSE);
    lose_file(&model, "/log/segment-00000");
    open_engine(&model);
    cr_assert_eq(told.lines, 1);
    for (uint32_t number = 0; number < LOST_KEYS; number++) {
        const enum engine_status status = call_once(&model, number, OP_GET);

        cr_assert(status == ENGINE_OK || status == ENGINE_ERROR);
        if (status == ENGINE_ERROR) {
            lost[count++] = number;
        }
    }
    cr_assert_gt(count, 50);
    cr_assert_lt(count, LOST_KEYS);
    for (uint32_t i = 0; i < count; i++) {
        use_lost(&model, lost[i], i);
        check_used(&model, lost[i], i);
    }
    cr_assert_eq(told.lines, 1 + count - count / 5, "%u %u %s", told.lines, count, told.last);
    for (uint32_t i = 0; i < count; i++) {
        check_used(&model, lost[i], i);
    }
    reopen(&model);
    for (uint32_t i = 0; i < count; i++) {
        check_used(&model, lost[i], i);
    }
    end_engine(&model, END_CLOSE);
    model_end(&model);
}

// A log without room for as much as a record of the drop. What is dropped stays dropped all the
// same once anything else could be written.
Test(engines_log_lost, a_drop_without_room_is_made_up_for)
{
    struct model model;

    model_begin(&model, 10, 16, small);
    for (uint32_t number = 0; number < 16; number++) {
        cr_assert_eq(call_once(&model, number, OP_PUT), ENGINE_OK);
    }
    engine_sync_all(model.engine);
    for (int i = 0; i < 50; i++) {
        turn(&model, 1000000);
    }
    struct log_engine *const engine = log_engine_of(model.engine);
    struct log_frame *const frames_free = engine->frames_free;
    const uint32_t frames = engine->frames;

    cr_assert_null(engine->hot.open);
    engine->frames_free = NULL;
    engine->frames = LIMIT_LOG_FRAMES;
    (void)engine_drop(model.engine, 0);
    cr_assert_eq(engine->drops_owed, 1);
    cr_assert_eq(call_once(&model, 4, OP_PUT), ENGINE_FULL);
    cr_assert_eq(call_once(&model, 0, OP_GET), ENGINE_MISS);
    cr_assert_eq(call_once(&model, 1, OP_GET), ENGINE_OK);
    engine->frames_free = frames_free;
    engine->frames = frames;
    cr_assert_eq(call_once(&model, 4, OP_PUT), ENGINE_OK);
    cr_assert_eq(engine->drops_owed, 0);
    engine_sync_all(model.engine);
    for (int i = 0; i < 50; i++) {
        turn(&model, 1000000);
    }
    end_engine(&model, END_KILL);
    open_engine(&model);
    cr_assert_eq(call_once(&model, 0, OP_GET), ENGINE_MISS);
    cr_assert_eq(call_once(&model, 1, OP_GET), ENGINE_OK);
    cr_assert_eq(call_once(&model, 4, OP_GET), ENGINE_OK);
    cr_assert_eq(engine_count(model.engine, 0), 1);
    end_engine(&model, END_CLOSE);
    model_end(&model);
}
