#include "tests/scenario/log_stage.h"

#include "engines/log.h"

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

static void tell_frame(struct stage *stage, const struct sim_disk_event *event)
{
    static const char *const phases[] = {
        [SIM_DISK_BEGUN] = "is on its way to", [SIM_DISK_EFFECT] = "is written to"};
    struct log_frame_header header;
    const struct slice bytes = slice_of(event->bytes, (size_t)event->result);
    // Of any log: the id is in it.
    const bool whole = log_frame_is_any(bytes) && log_frame_open(bytes, log_frame_id(event->bytes),
                                                                 &header) == LOG_FRAME_VALID;

    if (!whole || !stage->frames) {
        return;
    }
    if (event->phase == SIM_DISK_DONE) {
        stage_tell(stage, "frame %" PRIu64 " is %s", header.sequence,
                   event->durable ? "durable" : "done");
        return;
    }
    stage_tell(stage, "frame %" PRIu64 " %s %s at %" PRIu64 ": %u record%s, %d bytes",
               header.sequence, phases[event->phase], event->name, event->offset, header.records,
               header.records == 1 ? "" : "s", event->result);
}

// Lines about files that say the same again, slice by slice, are told once.
static void tell_once(struct stage *stage, const char *name, const char *what, const char *more)
{
    char line[STORY_LINE_BYTES];

    (void)snprintf(line, sizeof line, "%s%s%s", name, what, more);
    if (strcmp(line, stage->last) != 0) {
        (void)snprintf(stage->last, sizeof stage->last, "%s", line);
        stage_tell(stage, "%s", line);
    }
}

static void tell_file(struct stage *stage, const struct sim_disk_event *event)
{
    if (strcmp(event->what, "rename") == 0) {
        tell_once(stage, event->name, " becomes ", event->name_to);
    } else if (strcmp(event->what, "unlink") == 0) {
        tell_once(stage, event->name, " is removed", "");
    } else if (strcmp(event->what, "write") == 0) {
        tell_once(stage, event->name, " is written", "");
    } else if (strcmp(event->what, "sync") == 0 && event->phase == SIM_DISK_DONE) {
        tell_once(stage, event->name, " is durable", "");
    }
}

void stage_disk_event(void *context, const struct sim_node *node,
                      const struct sim_disk_event *event)
{
    struct stage *const stage = context;
    const bool segment = strncmp(event->name, "segment-", 8) == 0;
    const bool write = strcmp(event->what, "write") == 0;

    (void)node;
    if (event->result < 0) {
        if (event->phase == SIM_DISK_EFFECT && event->result != -ENOENT &&
            event->result != -EEXIST) {
            char fails[STORY_LINE_BYTES];

            (void)snprintf(fails, sizeof fails, ": %s fails: ", event->what);
            tell_once(stage, event->name, fails, strerror(-event->result));
        }
        return;
    }
    if (stage->opening && !stage->starts) {
        return;
    }
    if (segment && write) {
        if (log_frame_is_any(slice_of(event->bytes, (size_t)event->result))) {
            tell_frame(stage, event);
        } else if (stage->zeroing) {
            tell_once(stage, event->name, " is zeroed", "");
        }
    } else if (segment && strcmp(event->what, "read") == 0) {
        if (stage->reads && event->phase == SIM_DISK_EFFECT) {
            stage_tell(stage, "%d bytes are read at %" PRIu64 " of %s", event->result,
                       event->offset, event->name);
        }
    } else if (stage->files &&
               (event->phase == SIM_DISK_EFFECT || strcmp(event->what, "sync") == 0)) {
        tell_file(stage, event);
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
    stage->last[0] = '\0';
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
