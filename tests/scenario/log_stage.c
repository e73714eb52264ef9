#include "tests/scenario/log_stage.h"

#include "engines/log.h"
#include "tests/scenario/story_disk.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum {
    WORK_BYTES = 64 << 10,
    EVENTS_MAX = 2000 * 1000, // after which a command that has not come to its end never does
};

// What is told ------------------------------------------------------------------------------------

static void flush(struct stage *stage)
{
    if (stage->met_count != 0) {
        story_tell(stage->story, "%u of %s* are %s", stage->met_count, stage->many, stage->met);
    }
    stage->met_count = 0;
}

void stage_tell(struct stage *stage, const char *format, ...)
{
    char line[STORY_LINE_BYTES];
    va_list arguments;

    va_start(arguments, format);
    (void)vsnprintf(line, sizeof line, format, arguments);
    va_end(arguments);
    flush(stage);
    story_tell(stage->story, "%s", line);
}

// What a key met. Of KEY*N those that met the same, one after another, are told in one line.
static void tell_key(const struct call *call, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

static void tell_key(const struct call *call, const char *format, ...)
{
    struct stage *const stage = call->stage;
    char met[STORY_LINE_BYTES];
    va_list arguments;

    va_start(arguments, format);
    (void)vsnprintf(met, sizeof met, format, arguments);
    va_end(arguments);
    if (call->many[0] == '\0') {
        stage_tell(stage, "%s is %s", call->key, met);
        return;
    }
    if (strcmp(call->many, stage->many) != 0 || strcmp(met, stage->met) != 0) {
        flush(stage);
        memcpy(stage->many, call->many, sizeof stage->many);
        memcpy(stage->met, met, sizeof stage->met);
    }
    stage->met_count++;
}

void stage_disk_event(void *context, const struct sim_node *node,
                      const struct sim_disk_event *event)
{
    struct stage *const stage = context;
    char line[STORY_LINE_BYTES];
    const char *what = NULL;
    const enum story_disk_kind kind =
        story_disk_words(event, event->name, event->name_to, line, &what);
    const bool shown[] = {
        [STORY_DISK_NOTHING] = false,     [STORY_DISK_FRAME] = stage->frames,
        [STORY_DISK_FILE] = stage->files, [STORY_DISK_ZEROING] = stage->zeroing,
        [STORY_DISK_READ] = stage->reads, [STORY_DISK_FAILURE] = true,
    };

    (void)node;
    if (shown[kind] && (!stage->opening || stage->starts || kind == STORY_DISK_FAILURE)) {
        stage_tell(stage, "%s", line);
    }
}

int stage_disk_error(void *context, const struct sim_node *node, const char *what)
{
    struct stage *const stage = context;

    (void)node;
    if (stage->failing == NULL || strcmp(stage->failing, what) != 0) {
        return 0;
    }
    if (stage->failing_after != 0) {
        stage->failing_after--;
        return 0;
    }
    return stage->failing_error;
}

void stage_report(void *context, bool damage, const char *text)
{
    struct stage *const stage = context;

    stage_tell(stage, "the log %s: %s", damage ? "finds damage" : "says", text);
}

// Operations ------------------------------------------------------------------------------------

static void tell_get(const struct call *call)
{
    const struct slice object = call->op.object;

    switch (call->op.status) {
    case ENGINE_OK:
        if (object.size <= STAGE_KEY_BYTES) {
            tell_key(call, "%.*s", (int)object.size, (const char *)object.bytes);
        } else {
            tell_key(call, "%.4s..., %zu bytes", (const char *)object.bytes, object.size);
        }
        break;
    case ENGINE_MISS:
        tell_key(call, "not there");
        break;
    default:
        tell_key(call, "not to be read: %s", strerror(-call->op.error));
        break;
    }
}

static void tell_write(struct call *call)
{
    const char *const verb = call->kind == PUT ? "put" : "removed";

    switch (call->op.status) {
    case ENGINE_OK:
        call->waiting = call->op.commit != 0;
        if (call->waiting) {
            tell_key(call, "%s in group %" PRIu64, verb, call->op.commit);
        } else {
            tell_key(call, "%s", verb);
        }
        break;
    case ENGINE_MISS:
        tell_key(call, "not there");
        break;
    case ENGINE_FULL:
        tell_key(call, "not %s: the disk is full", verb);
        break;
    default:
        tell_key(call, "not %s: %s", verb, strerror(-call->op.error));
        break;
    }
}

static void call_finish(struct call *call)
{
    if (call->kind == GET) {
        tell_get(call);
    } else {
        tell_write(call);
    }
}

static void call_done(struct engine_op *op)
{
    call_finish((struct call *)(void *)op);
}

static void call_begin(struct call *call)
{
    struct stage *const stage = call->stage;
    struct engine_op *const ops[1] = {&call->op};

    call->begun = true;
    call->op.key = slice_from_text(call->key);
    call->op.hash = log_hash(log_engine_of(stage->engine), call->op.key);
    call->op.vnode = (uint32_t)call->key[0] % STAGE_VNODES;
    call->op.done = call_done;
    if (call->kind == PUT) {
        call->op.parts[0] = slice_of(call->object, call->object_bytes);
        engine_put(stage->engine, ops, 1);
    } else if (call->kind == REMOVE) {
        engine_remove(stage->engine, ops, 1);
    } else {
        engine_get(stage->engine, ops, 1);
    }
    if (call->op.status != ENGINE_PENDING) {
        call_finish(call);
    }
}

// Those whose group commit is durable.
static void tell_acknowledged(struct stage *stage)
{
    int error = 0;
    const uint64_t committed = engine_committed(stage->engine, &error);

    for (uint32_t i = 0; i < stage->call_count; i++) {
        struct call *const call = &stage->calls[i];

        if (call->waiting && call->op.commit <= committed) {
            call->waiting = false;
            tell_key(call, "acknowledged");
        } else if (call->waiting && error != 0) {
            call->waiting = false;
            tell_key(call, "not acknowledged: %s", strerror(-error));
        }
    }
}

const char *stage_use(const struct stage *stage, uint32_t segment)
{
    static const char *const uses[] = {
        [LOG_SEGMENT_ABSENT] = "not there",
        [LOG_SEGMENT_MAKING] = "being made",
        [LOG_SEGMENT_PREPARING] = "being prepared",
        [LOG_SEGMENT_READY] = "ready",
        [LOG_SEGMENT_HEAD] = "written to",
        [LOG_SEGMENT_SEALED] = "sealed",
        [LOG_SEGMENT_EMPTIED] = "emptied",
        [LOG_SEGMENT_SPARE] = "spare",
        [LOG_SEGMENT_BAD] = "bad",
    };

    return uses[log_engine_of(stage->engine)->segments[segment].state];
}

// What segments are used for, where that has changed.
static void tell_uses(struct stage *stage)
{
    const uint32_t top = log_engine_of(stage->engine)->segment_top;

    for (uint32_t i = 0; i < top && i < STAGE_SEGMENTS; i++) {
        const char *const use = stage_use(stage, i);

        if (stage->uses && stage->use[i] != NULL && use != stage->use[i]) {
            stage_tell(stage, "segment-%05u is %s", i, use);
        }
        stage->use[i] = use;
    }
}

// One turn of the core.
void stage_step(void *context)
{
    struct stage *const stage = context;
    bool more = false;

    for (uint32_t i = 0; i < stage->call_count; i++) {
        if (!stage->calls[i].begun) {
            call_begin(&stage->calls[i]);
        }
    }
    tell_acknowledged(stage);
    flush(stage);
    engine_commit(stage->engine);
    if (stage->working) {
        more = engine_step(stage->engine, WORK_BYTES);
    }
    io_turn(stage->io, more ? 0 : UINT64_MAX);
    tell_uses(stage);
}

void stage_calls_clear(struct stage *stage)
{
    for (uint32_t i = 0; i < stage->call_count; i++) {
        free(stage->calls[i].object);
    }
    memset(stage->calls, 0, sizeof stage->calls);
    stage->call_count = 0;
}

// Lets the world go on, until the event that is waited for or to its end.
void stage_run(struct stage *stage)
{
    if (stage->engine == NULL) {
        return;
    }
    sim_core_rouse(sim_core_of(stage->io));
    for (uint32_t i = 0; !stage->story->met; i++) {
        if (!sim_world_step(stage->world)) {
            stage_calls_clear(stage);
            return;
        }
        if (i == EVENTS_MAX) {
            story_wrong(stage->story, "it does not come to an end");
            return;
        }
    }
}
