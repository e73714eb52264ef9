// A run is one thing, from what its seed draws to what must be there after each life: each part of
// it works on all of struct run.
#include "tests/sim/log_run.h"

#include "core/hash.h"
#include "core/random.h"
#include "engines/engine.h"
#include "engines/log.h"
#include "tests/sim/log_shape.h"
#include "tests/sim/sim_internal.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum {
    VNODES = 4,
    OPS = 48,
    KEY_BYTES = 24,
    TURNS_MAX = 200 * 1000, // in which nothing that is waited for may still be under way
    QUIET_NS = 200 * 1000 * 1000,
    SEGMENT_BYTES_LARGE = 8 << 20,
};

static_assert((int)SEGMENT_BYTES_LARGE > (int)LOG_SEGMENT_SMALL_BYTES, "there are smaller ones");

#define COMMIT_UNKNOWN UINT64_MAX // it was under way: it may have happened

enum kind { GET, PUT, REMOVE, LOOK };
enum end { END_CLOSE, END_KILL, END_POWER_LOSS, ENDS };

struct event {
    uint64_t version; // 0: removed
    uint64_t commit;
    uint64_t expire_ms; // by the engine's clock; UINT64_MAX: never
};

struct key {
    uint64_t version; // 0: absent
    uint64_t expire_ms;
    bool busy;
    uint64_t seen; // by the look after a life, which lasted
    uint64_t seen_from_ms;
    uint64_t seen_to_ms;
    bool reaped;  // and not put since
    bool expired; // some version of it has, or will
    struct event *events;
    uint32_t count; // the first is durable
    uint32_t capacity;
};

struct run;

struct call {
    struct engine_op op; // first
    struct run *run;
    enum kind kind;
    uint32_t number;
    uint64_t version;
    uint64_t expire_ms;
    uint64_t began_ms;
    bool busy;
    uint8_t key[KEY_BYTES];
    uint8_t *object;
};

struct run {
    uint64_t seed;
    struct log_shape shape;
    struct random random;
    struct sim_world *world;
    struct sim_node *node;
    struct io *io;
    struct engine *engine;
    struct engine_options options;
    struct key *keys;
    uint32_t key_count;
    uint64_t version;
    uint64_t order; // of writes, in this life
    struct call calls[OPS];
    uint32_t pending;
    uint32_t reads_fail_per_mille;
    uint32_t writes_fail_per_mille;
    bool write_failed; // or will, since it is on its way
    bool open_failed;  // maybe of a large value's file, whose get is told so
    uint32_t reads_slow_per_mille;
    bool pauses;       // its segments can be small, and it has quiet times in which they become so
    bool crashed;      // the life before did not end by a close
    bool reads_failed; // in this life, maybe
    bool over;
    bool rotten;
    bool checkpoints_rotten; // before the next start
    bool index_anew;         // they were, before that of this life
    bool broken;             // all writing has ended
    bool failed;
    char failure[400];
    struct log_result *result;
};

static void run_fail(struct run *run, enum sim_oracle oracle, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

static void run_fail(struct run *run, enum sim_oracle oracle, const char *format, ...)
{
    va_list arguments;

    if (run->failed) {
        return;
    }
    run->failed = true;
    run->result->oracle = oracle;
    const int size =
        snprintf(run->failure, sizeof run->failure, "oracle %s: ", sim_oracle_name(oracle));

    va_start(arguments, format);
    (void)vsnprintf(run->failure + size, sizeof run->failure - (size_t)size, format, arguments);
    va_end(arguments);
}

static void mark(struct run *run, enum log_mark which, bool reached)
{
    run->result->marks[which] = run->result->marks[which] || reached;
}

static uint32_t draw(struct run *run, uint32_t bound)
{
    return (uint32_t)random_below(&run->random, bound);
}

// Objects -----------------------------------------------------------------------------------------

// The version of an object that is whole; 0 and a violation when it is not.
static uint64_t object_version(struct run *run, const struct call *call)
{
    const struct slice object = call->op.object;
    uint64_t version = 0;

    if (object.size >= sizeof version) {
        memcpy(&version, object.bytes, sizeof version);
    }
    const uint32_t size = log_object_bytes(&run->shape, call->number, version);
    uint8_t *const expected = sim_allocate(size);

    log_object_fill(expected, size, call->number, version);
    if (version == 0 || object.size != size || memcmp(object.bytes, expected, size) != 0 ||
        call->op.flags != log_object_flags(call->number, version)) {
        run_fail(run, SIM_ORACLE_DAMAGE, "key %u: an object of %zu bytes that nobody put",
                 call->number, object.size);
        version = 0;
    }
    free(expected);
    return version;
}

// The model ---------------------------------------------------------------------------------------

static void key_note(struct key *key, uint64_t version, uint64_t expire_ms, uint64_t commit)
{
    if (key->count == key->capacity) {
        key->capacity = key->capacity * 2 + 8;
        key->events = realloc(key->events, key->capacity * sizeof *key->events);
        CHECK(key->events != NULL);
    }
    key->events[key->count++] =
        (struct event){.version = version, .commit = commit, .expire_ms = expire_ms};
}

static void key_settle(struct key *key, uint64_t version, uint64_t expire_ms)
{
    key->version = version;
    key->expire_ms = expire_ms;
    key->count = 0;
    key_note(key, version, expire_ms, 0);
}

// Whether a version may be seen, or 0 in its place, by who looked from one time to another: in
// between it may have expired.
static bool may_see(uint64_t seen, uint64_t version, uint64_t expire_ms, uint64_t from_ms,
                    uint64_t to_ms)
{
    return (seen == version && (version == 0 || expire_ms > from_ms)) ||
           (seen == 0 && expire_ms <= to_ms);
}

// Whether a call may be answered an error now.
static bool may_fail(struct run *run)
{
    int error = 0;

    (void)engine_committed(run->engine, &error);
    run->broken = run->broken || error != 0;
    return run->broken || run->rotten || run->reads_failed;
}

static void finish_get(struct run *run, struct call *call)
{
    struct key *const key = &run->keys[call->number];
    const uint64_t version = call->op.status == ENGINE_OK ? object_version(run, call) : 0;

    if (run->failed) {
        return;
    }
    if (call->kind == LOOK) {
        key->seen = version;
        key->seen_from_ms = call->began_ms;
        key->seen_to_ms = run->io->wall_ms;
    } else if (!may_see(version, key->version, key->expire_ms, call->began_ms, run->io->wall_ms)) {
        run_fail(run, SIM_ORACLE_HISTORY, "key %u has version %" PRIu64 ", and not %" PRIu64,
                 call->number, version, key->version);
    }
}

static void finish_write(struct run *run, struct call *call)
{
    struct key *const key = &run->keys[call->number];

    if (call->op.status == ENGINE_FULL) {
        mark(run, LOG_MARK_FULL, true);
    } else if (call->op.status == ENGINE_OK) {
        // What cannot be read may be what has expired.
        if ((key->version == 0 || key->expire_ms <= call->began_ms) && call->kind == REMOVE &&
            !(key->expired && may_fail(run))) {
            run_fail(run, SIM_ORACLE_HISTORY, "key %u was removed, and was not there",
                     call->number);
        }
        mark(run, LOG_MARK_ANEW, key->reaped && call->kind == PUT);
        key->reaped = false;
        key->version = call->version;
        key->expire_ms = call->expire_ms;
        // Without a promise each is a commit of its own: then there are no holes either.
        run->order++;
        key_note(key, call->version, call->expire_ms,
                 run->options.durability.sync == ENGINE_SYNC_ALWAYS ? call->op.commit : run->order);
    } else if (call->kind == PUT ||
               !may_see(0, key->version, key->expire_ms, call->began_ms, run->io->wall_ms)) {
        run_fail(run, SIM_ORACLE_HISTORY, "key %u of version %" PRIu64 " was missing", call->number,
                 key->version);
    }
}

static void finish(struct run *run, struct call *call)
{
    if (call->op.status == ENGINE_ERROR) {
        if (!may_fail(run) && !(run->open_failed && call->op.error == -EIO)) {
            run_fail(run, SIM_ORACLE_DAMAGE, "key %u: error %d, and nothing had failed",
                     call->number, call->op.error);
        }
        mark(run, LOG_MARK_READ_FAILED, run->reads_failed && !run->broken);
        mark(run, LOG_MARK_ROTTEN, run->rotten && call->op.error == -EBADMSG);
        run->keys[call->number].seen = UINT64_MAX;
    } else if (call->kind == GET || call->kind == LOOK) {
        finish_get(run, call);
    } else {
        finish_write(run, call);
    }
    run->keys[call->number].busy = false;
    call->busy = false;
    free(call->object);
    call->object = NULL;
    run->result->operations++;
}

static void call_done(struct engine_op *op)
{
    struct call *const call = (struct call *)(void *)op;

    call->run->pending--;
    finish(call->run, call);
}

static struct call *call_free(struct run *run)
{
    for (uint32_t i = 0; i < OPS; i++) {
        if (!run->calls[i].busy) {
            return &run->calls[i];
        }
    }
    return NULL;
}

static void call_begin(struct run *run, uint32_t number, enum kind kind)
{
    struct call *const call = call_free(run);
    struct engine_op *ops[1];

    if (call == NULL || run->keys[number].busy) {
        return;
    }
    *call = (struct call){
        .run = run,
        .kind = kind,
        .number = number,
        .busy = true,
        .began_ms = run->io->wall_ms,
        .expire_ms = UINT64_MAX,
    };
    run->keys[number].busy = true;
    memset(call->key, 'k', sizeof call->key);
    memcpy(call->key, &number, sizeof number);
    call->op.key = slice_of(call->key, 4 + number % (KEY_BYTES - 4));
    call->op.hash = hash_key(run->options.hash_seed, call->op.key);
    call->op.vnode = number % VNODES;
    call->op.done = call_done;
    ops[0] = &call->op;
    if (kind == PUT) {
        call->version = ++run->version;
        const uint32_t size = log_object_bytes(&run->shape, number, call->version);

        call->object = sim_allocate(size);
        log_object_fill(call->object, size, number, call->version);
        call->op.parts[0] = slice_of(call->object, size / 3);
        call->op.parts[1] = slice_of(call->object + size / 3, size - size / 3);
        call->op.flags = log_object_flags(number, call->version);
        call->op.expire_ms = log_object_expires(&run->shape, number, call->version);
        if (call->op.expire_ms != 0) {
            call->expire_ms = call->op.expire_ms += run->io->wall_ms;
            run->keys[number].expired = true;
        }
        engine_put(run->engine, ops, 1);
    } else if (kind == REMOVE) {
        engine_remove(run->engine, ops, 1);
    } else {
        engine_get(run->engine, ops, 1);
    }
    if (call->op.status == ENGINE_PENDING) {
        run->pending++;
    } else {
        finish(run, call);
    }
}

// A life ------------------------------------------------------------------------------------------

static void turn(struct run *run, uint64_t timeout_ns)
{
    engine_commit(run->engine);
    engine_step(run->engine, 1 + draw(run, 65536));
    io_turn(run->io, timeout_ns);
    if (draw(run, 64) == 0) {
        log_verify(run->engine);
    }
}

static void drain(struct run *run)
{
    for (uint32_t i = 0; run->pending != 0 && !run->failed; i++) {
        turn(run, 1000000);
        if (i == TURNS_MAX) {
            run_fail(run, SIM_ORACLE_PROGRESS, "%u operations are stuck", run->pending);
        }
    }
}

// Without rot and failing reads nothing is taken for damaged, even where nobody is told since the
// record is found elsewhere.
static void look_for_damage(struct run *run)
{
    const struct log_engine *const engine = log_engine_of(run->engine);

    if (engine->corrupt_records != 0 && !run->rotten && !run->reads_failed) {
        run_fail(run, SIM_ORACLE_DAMAGE, "%" PRIu64 " records were read that were none",
                 engine->corrupt_records);
    }
}

static bool is_broken(struct run *run)
{
    int error = 0;

    (void)engine_committed(run->engine, &error);
    run->broken = run->broken || error != 0;
    mark(run, LOG_MARK_WRITING_ENDED, run->broken);
    return run->broken;
}

// A vnode is dropped while nothing is under way, so that it is known what was dropped.
static void drop(struct run *run)
{
    const uint32_t vnode = draw(run, VNODES);

    drain(run);
    if (run->failed || is_broken(run)) {
        return;
    }
    const uint64_t commit = engine_drop(run->engine, vnode);

    run->order++;
    for (uint32_t i = vnode; i < run->key_count; i += VNODES) {
        run->keys[i].version = 0;
        run->keys[i].expire_ms = UINT64_MAX;
        key_note(&run->keys[i], 0, UINT64_MAX,
                 run->options.durability.sync == ENGINE_SYNC_ALWAYS ? commit : run->order);
    }
    mark(run, LOG_MARK_DROPPED, true);
}

// What is put once, and little later.
static void crowd(struct run *run)
{
    for (uint32_t number = 0; number < run->shape.crowd && !run->failed && !is_broken(run);
         number++) {
        call_begin(run, number, PUT);
        while (call_free(run) == NULL && !run->failed) {
            turn(run, 1000000);
        }
        turn(run, 0);
    }
}

// Nobody writes for some seconds; at times after all keys were removed.
static void pause(struct run *run)
{
    const bool empties = draw(run, 2) == 0;
    const uint32_t turns = 20 + draw(run, 80);

    for (uint32_t number = 0; empties && number < run->key_count && !run->failed; number++) {
        if (!run->keys[number].busy) {
            call_begin(run, number, REMOVE);
        }
        if (call_free(run) == NULL || draw(run, 16) == 0) {
            turn(run, 20000);
        }
    }
    for (uint32_t i = 0; i < turns && !run->failed; i++) {
        const uint32_t made = log_engine_of(run->engine)->segments_unmade;

        sim_world_run_until(run->world, sim_world_now_ns(run->world) + QUIET_NS);
        for (uint32_t j = 0; j < 8; j++) {
            turn(run, 20000);
        }
        mark(run, LOG_MARK_GIVEN_BACK, log_engine_of(run->engine)->segments_unmade > made);
    }
    mark(run, LOG_MARK_SMALL, log_engine_of(run->engine)->unused_bytes != 0);
}

static void work(struct run *run, uint32_t steps, uint32_t put_percent)
{
    for (uint32_t i = 0; i < steps && !run->failed && !is_broken(run); i++) {
        // Some keys are hot.
        const uint32_t cold_of = run->shape.crowd != 0 ? 8 : 2;
        const uint32_t number =
            draw(run, draw(run, cold_of) == 0 ? run->key_count : run->shape.hot_keys);
        const uint32_t kind = draw(run, 100);

        call_begin(run, number,
                   kind < put_percent                               ? PUT
                   : kind < put_percent + run->shape.remove_percent ? REMOVE
                                                                    : GET);
        if (run->shape.drop_every != 0 && draw(run, run->shape.drop_every) == 0) {
            drop(run);
        }
        if (draw(run, 8) == 0) {
            turn(run, draw(run, 3) * run->shape.turn_ns);
        }
        if (draw(run, 1000) == 0) {
            engine_save(run->engine);
        }
        if (run->pauses && draw(run, 300) == 0) {
            pause(run);
        }
    }
}

static int disk_error(void *context, const struct sim_node *node, const char *what)
{
    struct run *const run = context;
    const bool reads = strcmp(what, "read") == 0;

    (void)node;
    if (draw(run, 1000) >= (reads ? run->reads_fail_per_mille : run->writes_fail_per_mille)) {
        return 0;
    }
    run->write_failed = run->write_failed || !reads;
    run->open_failed = run->open_failed || strcmp(what, "open") == 0;
    return -EIO;
}

// A few reads take as long as some disks let one wait now and then.
static uint64_t disk_delay(void *context, const struct sim_node *node, const char *what,
                           uint64_t delay_ns)
{
    struct run *const run = context;

    (void)node;
    return strcmp(what, "read") == 0 && draw(run, 1000) < run->reads_slow_per_mille
               ? delay_ns * run->shape.reads_slow_times
               : delay_ns;
}

// After a stop in the middle of writing something may be torn, and nothing is ever damaged.
static void report(void *context, bool damage, const char *text)
{
    struct run *const run = context;
    const bool torn = run->crashed && !damage;
    const bool told =
        run->index_anew && (strstr(text, "the index is made anew") != NULL ||
                            strstr(text, "no record names it; it is set aside") != NULL);

    mark(run, LOG_MARK_TORN, torn);
    if (!run->rotten && !run->reads_failed && !torn && !told) {
        run_fail(run, SIM_ORACLE_DAMAGE, "recovery: %s", text);
    }
}

static void removed(void *context, uint32_t vnode, struct slice key, enum engine_removal why)
{
    struct run *const run = context;
    uint32_t number;

    (void)vnode;
    if (why == ENGINE_REMOVED_EXPIRED) {
        memcpy(&number, key.bytes, sizeof number);
        run->keys[number].reaped = true;
        mark(run, LOG_MARK_REAPED, true);
    }
}

static void life_begin(struct run *run)
{
    const struct io_uring_options options = {
        .queue_entries = 256, .buffer_count = 16, .buffer_bytes = 4096};

    run->broken = run->reads_failed = run->write_failed = run->open_failed = false;
    run->index_anew = run->checkpoints_rotten;
    run->order = 0;
    run->reads_fail_per_mille = run->writes_fail_per_mille = 0;
    run->io = sim_core_open(run->node, &options);
    run->options.io = run->io;
    const int error = log_engine_open(&run->options, &run->engine);

    if (error != 0) {
        run_fail(run, SIM_ORACLE_DURABLE, "the log cannot be opened: %s", strerror(-error));
    }
    run->result->lives++;
}

// What was under way may have happened.
static void calls_end(struct run *run)
{
    for (uint32_t i = 0; i < OPS; i++) {
        struct call *const call = &run->calls[i];

        if (call->busy && call->kind != GET && call->kind != LOOK) {
            key_note(&run->keys[call->number], call->version, call->expire_ms, COMMIT_UNKNOWN);
        }
        if (call->busy) {
            run->keys[call->number].busy = false;
        }
        free(call->object);
        *call = (struct call){0};
    }
    run->pending = 0;
}

static void note_figures(struct run *run)
{
    const struct log_engine *const engine = log_engine_of(run->engine);

    mark(run, LOG_MARK_COLD_READ, engine->disk_reads != 0);
    mark(run, LOG_MARK_MOVED, engine->compacted_bytes != 0);
    mark(run, LOG_MARK_REUSED, engine->generation > engine->segment_top);
    mark(run, LOG_MARK_CHECKPOINT, engine->checkpoints != 0);
    mark(run, LOG_MARK_LARGE, engine->large.count != 0);
}

// Returns the group commit up to which all has to be there.
static uint64_t life_end(struct run *run, enum end how)
{
    int error = 0;

    if (how == END_CLOSE && (run->broken || is_broken(run))) {
        how = END_KILL;
    }
    if (how == END_CLOSE) {
        run->reads_fail_per_mille = run->writes_fail_per_mille = 0;
        drain(run);
        if (run->failed) {
            return 0;
        }
        note_figures(run);
        const uint64_t before = engine_committed(run->engine, &error);

        engine_close(run->engine);
        io_destroy(run->io);
        mark(run, LOG_MARK_CLOSED, true);
        run->crashed = run->write_failed; // the close may have met it
        if (run->write_failed) {
            return run->options.durability.sync == ENGINE_SYNC_ALWAYS ? before : 0;
        }
        return COMMIT_UNKNOWN - 1;
    }
    const uint64_t committed = engine_committed(run->engine, &error);
    note_figures(run);
    mark(run, how == END_KILL ? LOG_MARK_KILLED : LOG_MARK_POWER_LOSS,
         log_engine_of(run->engine)->frames_writing != 0);
    sim_node_stop(run->node, how == END_KILL ? SIM_KILL : SIM_POWER_LOSS);
    log_engine_abandon(run->engine);
    run->crashed = true;
    calls_end(run);
    return run->options.durability.sync == ENGINE_SYNC_ALWAYS ? committed : 0;
}

// After a life --------------------------------------------------------------------------------

// The newest event of a key that explains what was seen.
static struct event *key_event(struct key *key)
{
    for (uint32_t i = key->count; i-- > 0;) {
        if (may_see(key->seen, key->events[i].version, key->events[i].expire_ms, key->seen_from_ms,
                    key->seen_to_ms)) {
            return &key->events[i];
        }
    }
    return NULL;
}

static void key_judge(struct run *run, uint32_t number, uint64_t committed, uint64_t newest)
{
    struct key *const key = &run->keys[number];
    const struct event *const seen = key_event(key);

    if (seen == NULL) {
        run_fail(run, SIM_ORACLE_DURABLE, "key %u has version %" PRIu64 ", which it cannot have",
                 number, key->seen);
        return;
    }
    for (const struct event *at = seen + 1; at < key->events + key->count; at++) {
        if (at->commit == COMMIT_UNKNOWN) {
            continue;
        }
        mark(run, LOG_MARK_LOST, true);
        if (at->commit <= committed) {
            run_fail(run, SIM_ORACLE_DURABLE,
                     "key %u has version %" PRIu64 ", and %" PRIu64
                     " was acknowledged (commit %" PRIu64 " of %" PRIu64 ")",
                     number, key->seen, at->version, at->commit, committed);
        } else if (at->commit <= newest) {
            run_fail(run, SIM_ORACLE_DURABLE,
                     "key %u has version %" PRIu64 ", and lost %" PRIu64 " of commit %" PRIu64
                     ", while commit %" PRIu64 " is there",
                     number, key->seen, at->version, at->commit, newest);
        }
    }
    mark(run, LOG_MARK_KEPT, seen->commit > committed && seen->commit != COMMIT_UNKNOWN);
    key_settle(key, key->seen, key->seen == 0 ? UINT64_MAX : seen->expire_ms);
}

static void look_at_all(struct run *run)
{
    for (uint32_t number = 0; number < run->key_count && !run->failed; number++) {
        while (call_free(run) == NULL && !run->failed) {
            turn(run, 1000000);
        }
        call_begin(run, number, LOOK);
    }
    drain(run);
}

static void judge_all(struct run *run, uint64_t committed)
{
    uint64_t newest = 0;

    look_at_all(run);
    for (uint32_t i = 0; i < run->key_count && !run->failed; i++) {
        const struct event *const seen = key_event(&run->keys[i]);

        // A removal may be one of many, and what has expired may be lost.
        if (seen != NULL && run->keys[i].seen != 0 && seen->commit != COMMIT_UNKNOWN &&
            seen->commit > newest) {
            newest = seen->commit;
        }
    }
    for (uint32_t i = 0; i < run->key_count && !run->failed; i++) {
        key_judge(run, i, committed, newest);
    }
}

// Bits rot in segments; what is served then is right all the same, or an error.
static void rot(struct run *run)
{
    const uint32_t segments = log_engine_of(run->engine)->segment_top;

    run->rotten = true;
    for (uint32_t i = 0; i < 200; i++) {
        char path[64];

        (void)snprintf(path, sizeof path, "/log/segment-%05u", draw(run, segments));
        sim_node_rot(run->node, path, draw(run, 256 << 10) * UINT64_C(8));
    }
    look_at_all(run);
    for (uint32_t i = 0; i < run->key_count && !run->failed; i++) {
        const struct key *const key = &run->keys[i];

        if (key->seen != UINT64_MAX &&
            !may_see(key->seen, key->version, key->expire_ms, key->seen_from_ms, key->seen_to_ms)) {
            run_fail(run, SIM_ORACLE_DAMAGE,
                     "key %u has version %" PRIu64 ", and not %" PRIu64 ", after its bits rotted",
                     i, key->seen, key->version);
        }
    }
}

static bool rot_checkpoint(void *context, const char *name)
{
    struct run *const run = context;
    char path[64];

    if (strncmp(name, "checkpoint-", 11) == 0) {
        (void)snprintf(path, sizeof path, "/log/%s", name);
        for (uint32_t i = 0; i < 8; i++) {
            sim_node_rot(run->node, path, draw(run, 4096) * UINT64_C(8));
        }
        run->checkpoints_rotten = true;
    }
    return true;
}

// Not where a life ended before it could say in the log what was dropped: then only the checkpoint
// knows.
//
// The next start cannot read the checkpoint, and makes the index anew from all segments: what is
// there then is no less, and what was removed stays so.
static void rot_checkpoints(struct run *run)
{
    CHECK(sim_node_list(run->node, "/log", rot_checkpoint, run) == 0);
}

static void run_life(struct run *run, bool last)
{
    static const uint32_t puts[] = {20, 60, 80};
    const uint32_t steps = draw(run, 4) == 0 ? 4000 : 1200;
    const uint32_t rot_percent = run->shape.rot_percent;

    if (last && draw(run, 2) == 0) {
        rot(run); // before anything is in the cache
        (void)life_end(run, END_KILL);
        return;
    }
    look_at_all(run);
    run->reads_slow_per_mille = draw(run, 4) == 0 || run->shape.reads_slow_per_mille > 20
                                    ? run->shape.reads_slow_per_mille
                                    : 0;
    if (!last && draw(run, 3) == 0) {
        run->reads_fail_per_mille = draw(run, 2) == 0 ? 300 : 0;
        run->writes_fail_per_mille = run->reads_fail_per_mille == 0 ? 3 : 0;
        run->reads_failed = run->reads_fail_per_mille != 0;
    }
    work(run, 1 + draw(run, steps), puts[draw(run, 3)]);
    if (run->failed) {
        return;
    }
    if (run->reads_failed) { // what came after it is not followed: README
        (void)life_end(run, END_KILL);
        run->over = true;
        return;
    }
    run->reads_slow_per_mille = 0;
    if (run->shape.drop_every != 0 && draw(run, 3) == 0) {
        drop(run);
    }
    look_for_damage(run);
    const enum end drawn = last ? END_CLOSE : (enum end)draw(run, ENDS);
    const enum end how = !last && run->shape.power_loss ? END_POWER_LOSS : drawn;
    const uint64_t committed = life_end(run, how);

    if (!last && !run->failed) {
        const bool rots = draw(run, 6) == 0 || (rot_percent != 0 && draw(run, 100) < rot_percent);

        if (rots) {
            rot_checkpoints(run);
        }
        life_begin(run);
        mark(run, LOG_MARK_INDEX_ANEW, run->checkpoints_rotten);
        run->checkpoints_rotten = false;
        if (!run->failed) {
            judge_all(run, committed);
        }
        // So that the next life begins with nothing in RAM.
        if (!run->failed) {
            (void)life_end(run, END_CLOSE);
        }
        if (!run->failed) {
            life_begin(run);
        }
    }
}

// How the seed leans, in what was drawn for all.
static void run_lean(struct run *run, struct sim_profile *profile)
{
    const struct log_shape *const shape = &run->shape;

    if (shape->unsynced && run->options.durability.sync == ENGINE_SYNC_ALWAYS) {
        run->options.durability.sync = ENGINE_SYNC_INTERVAL;
    }
    if (shape->forgetful) {
        profile->loss.keep = SIM_KEEP_NOTHING;
        profile->loss.sectors = (uint32_t)run->seed / 2 % 64;
    }
    if (shape->large_every != 0) {
        run->options.disk_max_bytes += UINT64_C(16) << 20;
    }
}

static void run_open(struct run *run)
{
    static const uint64_t disk_ns_max[] = {50 * 1000, 400 * 1000, 5 * 1000 * 1000};
    struct sim_profile profile = sim_profile_default();

    run->shape = log_shape_draw(run->seed);
    random_seed(&run->random, run->seed);
    profile.cut_per_mille = draw(run, 3) * 100;
    profile.disk_ns_max = disk_ns_max[draw(run, 3)];
    profile.hooks =
        (struct sim_hooks){.context = run, .disk_error = disk_error, .disk_delay = disk_delay};
    run->world = sim_world_open(run->seed, &profile);
    run->node = sim_node_add(run->world, "10.0.0.1");
    run->key_count = 16U << draw(run, 5);
    run->key_count += run->shape.crowd;
    run->shape.hot_keys = run->key_count / 16 + 1;
    run->keys = sim_allocate(run->key_count * sizeof *run->keys);
    for (uint32_t i = 0; i < run->key_count; i++) {
        key_settle(&run->keys[i], 0, UINT64_MAX);
    }
    run->shape.object_max = 100U << draw(run, 11);
    run->options = (struct engine_options){
        .directory = "/log",
        .vnodes = VNODES,
        .shards = 1,
        .hash_seed = 42,
        .durability.sync = draw(run, 2) == 0 ? ENGINE_SYNC_ALWAYS : (enum engine_sync)draw(run, 3),
        .durability.sync_interval_ms = 1 + draw(run, 5),
        .cache_bytes = UINT64_C(128) << (10 + draw(run, 3)),
        .segment_bytes = LOG_SEGMENT_BYTES_MIN,
        .disk_max_bytes = (uint64_t)(12 + draw(run, 12)) << 20,
        .report = report,
        .report_context = run,
        .removed = removed,
        .removed_context = run,
    };
    run_lean(run, sim_world_profile(run->world));
    run->pauses = run->seed % 8 == 2;
    if (run->pauses) {
        run->options.segment_bytes = SEGMENT_BYTES_LARGE;
        run->options.disk_max_bytes = (10 + draw(run, 10)) * (uint64_t)SEGMENT_BYTES_LARGE;
    }
}

void log_run(uint64_t seed, bool tell, struct log_result *ret_result)
{
    struct run *const run = sim_allocate(sizeof *run);

    *ret_result = (struct log_result){0};
    run->seed = seed;
    run->result = ret_result;
    run_open(run);
    if (tell) {
        sim_world_tell(run->world, stdout);
    }
    const uint64_t began_ns = sim_world_now_ns(run->world);
    const uint32_t lives = 2 + draw(run, 4);

    life_begin(run);
    crowd(run);
    for (uint32_t life = 0; life < lives && !run->failed && !run->over; life++) {
        run_life(run, life + 1 == lives);
    }
    ret_result->fine = !run->failed;
    ret_result->hash = sim_world_hash(run->world);
    ret_result->virtual_ns = sim_world_now_ns(run->world) - began_ns;
    if (run->failed) {
        (void)fprintf(stderr, "%s\nseed %" PRIu64 "\nreplay: sim_log --seed %" PRIu64 "\n",
                      run->failure, seed, seed);
        return; // what stopped in the middle cannot be taken down
    }
    for (uint32_t i = 0; i < run->key_count; i++) {
        free(run->keys[i].events);
    }
    free(run->keys);
    sim_world_close(run->world);
    free(run);
}
