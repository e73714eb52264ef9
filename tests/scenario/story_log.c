// The cast of one log engine on the disk of one machine, with two vnodes and segments of 2 MiB.
//
//     disk [segments N] [full|roomy] [slow TIME] [fails WHAT ERROR [after N] | works]
//                       before `start`: how many segments there may be; at any time: the file
//                       system has no more room, or has; how long an operation takes; operations
//                       of one kind (read, write, sync, rename ...) fail with EIO or ENOSPC, at
//                       once or after N that do not
//     start [always|interval TIME|never]
//                       opens the log, which makes or recovers it
//     put KEY=VALUE ... in one turn; a VALUE of #12K is that many bytes, KEY*40 are 40 keys;
//                       `put expires TIME KEY=VALUE` gives them an expiry
//     remove KEY ...
//     get KEY ...
//     drop VNODE        all keys of one of the two, as FLUSHALL does with each
//     work              background work, a slice a turn, until there is none: segments made ready,
//                       compaction, reaping
//     checkpoint
//     wait TIME         with background work
//     close             as SIGTERM does
//     kill              the process ends: what it wrote is there
//     power-loss [nothing|names|everything|sectors N]
//                       the machine ends: of what was not durable that much is there; names: all
//                       that was made, renamed and removed, and no bytes
//     rot segment-00000 BYTE    a bit turns over, behind everyone's back
//     segments          what each segment is used for, and whether anything of it is live
//     show nothing|[frames] [files] [starts] [reads] [zeroing] [uses]
//                       what is told of, from now on; `show frames` at first; starts: also what
//                       `start` does; uses: what a segment is used for, when that changes
#include "tests/scenario/log_stage.h"

#include "engines/log.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

enum {
    OBJECT_BYTES_MAX = 2 << 20,
    STEP_MS = 10, // of `wait`, between two turns
};

static bool is_started(struct stage *stage)
{
    if (stage->engine == NULL) {
        story_wrong(stage->story, "the log is not started");
    }
    return stage->engine != NULL;
}

// Commands --------------------------------------------------------------------------------------

static void object_make(struct call *call, const char *value)
{
    if (value[0] == '#') {
        call->object_bytes = story_bytes(call->stage->story, value + 1);
        if (call->object_bytes > OBJECT_BYTES_MAX) {
            story_wrong(call->stage->story, "'%s' is too much", value);
            call->object_bytes = 0;
        }
        call->object = sim_allocate(call->object_bytes + 1);
        for (size_t i = 0; i < call->object_bytes; i++) {
            call->object[i] = (uint8_t)('a' + i % 26);
        }
    } else {
        call->object_bytes = strlen(value);
        call->object = (uint8_t *)strdup(value);
        CHECK(call->object != NULL);
    }
}

static struct call *call_add(struct stage *stage, enum call_kind kind, const char *key,
                             const char *value, uint64_t expire_ms)
{
    CHECK(stage->call_count < STAGE_CALLS);
    struct call *const call = &stage->calls[stage->call_count++];

    call->stage = stage;
    call->kind = kind;
    call->op.expire_ms = expire_ms;
    (void)snprintf(call->key, sizeof call->key, "%s", key);
    if (kind == PUT) {
        object_make(call, value);
    }
    return call;
}

// "KEY=VALUE", "KEY", or either with KEY*N for KEY1 to KEYN.
static void calls_of(struct stage *stage, enum call_kind kind, char *word, uint64_t expire_ms)
{
    char key[STAGE_KEY_BYTES];
    char *const equals = strchr(word, '=');
    const char *const value = equals == NULL ? "" : equals + 1;

    if (equals != NULL) {
        *equals = '\0';
    }
    char *const star = strchr(word, '*');

    if (star == NULL) {
        (void)call_add(stage, kind, word, value, expire_ms);
        return;
    }
    *star = '\0';
    const uint64_t count = story_bytes(stage->story, star + 1);

    if (stage->call_count + count > STAGE_CALLS) {
        story_wrong(stage->story, "too many keys at once");
        return;
    }
    for (uint64_t i = 1; i <= count; i++) {
        (void)snprintf(key, sizeof key, "%.20s%" PRIu64, word, i);
        (void)snprintf(call_add(stage, kind, key, value, expire_ms)->many, sizeof key, "%.20s",
                       word);
    }
}

static void command_calls(struct story *story, enum call_kind kind, char **words, size_t count)
{
    struct stage *const stage = story->cast;
    uint64_t expire_ms = 0;
    size_t from = 1;

    if (!is_started(stage)) {
        return;
    }
    if (kind == PUT && strcmp(words[1], "expires") == 0 && count > 3) {
        expire_ms = stage->io->wall_ms + story_time(story, words[2]) / 1000000;
        from = 3;
    }
    stage_calls_clear(stage);
    for (size_t i = from; i < count; i++) {
        calls_of(stage, kind, words[i], expire_ms);
    }
    stage_run(stage);
}

static void command_put(struct story *story, char **words, size_t count)
{
    command_calls(story, PUT, words, count);
}

static void command_remove(struct story *story, char **words, size_t count)
{
    command_calls(story, REMOVE, words, count);
}

static void command_get(struct story *story, char **words, size_t count)
{
    command_calls(story, GET, words, count);
}

static void command_drop(struct story *story, char **words, size_t count)
{
    struct stage *const stage = story->cast;
    const uint64_t vnode = story_bytes(story, words[1]);

    (void)count;
    if (!is_started(stage)) {
        return;
    }
    if (vnode >= STAGE_VNODES) {
        story_wrong(story, "no vnode %s", words[1]);
        return;
    }
    stage_tell(stage, "vnode %u is dropped", (unsigned)vnode);
    (void)engine_drop(stage->engine, (uint32_t)vnode);
    stage_run(stage);
}

static void tell_started(struct stage *stage)
{
    const struct log_engine *const engine = log_engine_of(stage->engine);
    char from[STORY_LINE_BYTES] = "";

    if (engine->loaded_records != 0) {
        (void)snprintf(from, sizeof from, ", from checkpoint %" PRIu64, engine->checkpoint_number);
    }
    memset(stage->use, 0, sizeof stage->use);
    stage_tell(stage, "it is started: epoch %" PRIu64 ", %" PRIu64 " records%s", engine->epoch,
               engine_count(stage->engine, ENGINE_ALL_VNODES), from);
}

static void command_start(struct story *story, char **words, size_t count)
{
    static const struct io_uring_options io_options = {
        .queue_entries = 256, .buffer_count = 16, .buffer_bytes = 4096};
    struct stage *const stage = story->cast;

    if (stage->engine != NULL) {
        story_wrong(story, "the log is started");
        return;
    }
    if (count > 1) {
        stage->options.durability.sync = strcmp(words[1], "never") == 0      ? ENGINE_SYNC_NEVER
                                         : strcmp(words[1], "interval") == 0 ? ENGINE_SYNC_INTERVAL
                                                                             : ENGINE_SYNC_ALWAYS;
    }
    if (count > 2) {
        stage->options.durability.sync_interval_ms = story_time(story, words[2]) / 1000000;
    }
    stage->io = sim_core_open(stage->node, &io_options);
    stage->options.io = stage->io;
    stage->opening = true;
    const int error = log_engine_open(&stage->options, &stage->engine);

    if (error != 0) {
        stage_tell(stage, "it does not start: %s", strerror(-error));
        io_destroy(stage->io);
        stage->engine = NULL;
        return;
    }
    tell_started(stage);
    sim_core_run(stage->io, stage_step, stage);
    stage_run(stage);
    stage->opening = false;
}

static void command_close(struct story *story, char **words, size_t count)
{
    struct stage *const stage = story->cast;

    (void)words;
    (void)count;
    if (!is_started(stage)) {
        return;
    }
    sim_core_run(stage->io, NULL, NULL);
    engine_close(stage->engine);
    io_destroy(stage->io);
    stage->engine = NULL;
    stage_calls_clear(stage);
}

static void stop(struct story *story, enum sim_stop how)
{
    struct stage *const stage = story->cast;

    if (!is_started(stage)) {
        return;
    }
    sim_node_stop(stage->node, how);
    log_engine_abandon(stage->engine);
    stage->engine = NULL;
    stage_calls_clear(stage);
}

static void command_kill(struct story *story, char **words, size_t count)
{
    (void)words;
    (void)count;
    stop(story, SIM_KILL);
}

static void command_power_loss(struct story *story, char **words, size_t count)
{
    struct stage *const stage = story->cast;
    story_loss(story, words, count, &sim_world_profile(stage->world)->loss);
    stop(story, SIM_POWER_LOSS);
}

static void command_work(struct story *story, char **words, size_t count)
{
    struct stage *const stage = story->cast;

    (void)words;
    (void)count;
    if (is_started(stage)) {
        stage->working = true;
        stage_run(stage);
        stage->working = false;
    }
}

static void command_checkpoint(struct story *story, char **words, size_t count)
{
    struct stage *const stage = story->cast;

    (void)words;
    (void)count;
    if (is_started(stage)) {
        engine_save(stage->engine);
        stage->working = true;
        stage_run(stage);
        stage->working = false;
    }
}

static void command_wait(struct story *story, char **words, size_t count)
{
    struct stage *const stage = story->cast;
    const uint64_t end_ns = sim_world_now_ns(stage->world) + story_time(story, words[1]);

    (void)count;
    stage->working = true; // as a server does, whose timers step the engine
    while (sim_world_now_ns(stage->world) < end_ns && !story->met) {
        sim_world_run_until(stage->world,
                            sim_world_now_ns(stage->world) + UINT64_C(1000000) * STEP_MS);
        stage_run(stage);
    }
    stage->working = false;
}

static void command_rot(struct story *story, char **words, size_t count)
{
    struct stage *const stage = story->cast;
    char path[STORY_LINE_BYTES];

    (void)count;
    (void)snprintf(path, sizeof path, "/log/%s", words[1]);
    sim_node_rot(stage->node, path, story_bytes(story, words[2]) * 8);
}

static int error_of(struct story *story, const char *word)
{
    if (strcmp(word, "EIO") == 0) {
        return -EIO;
    }
    if (strcmp(word, "ENOSPC") != 0) {
        story_wrong(story, "EIO or ENOSPC, and not '%s'", word);
    }
    return -ENOSPC;
}

static void command_disk(struct story *story, char **words, size_t count)
{
    static const char *const verbs[] = {"open", "read", "write", "sync", "rename", "allocate"};
    struct stage *const stage = story->cast;
    struct sim_profile *const profile = sim_world_profile(stage->world);
    const char *const argument = count > 2 ? words[2] : "";

    if (strcmp(words[1], "segments") == 0) {
        stage->options.disk_max_bytes = story_bytes(story, argument) * LOG_SEGMENT_BYTES_MIN;
    } else if (strcmp(words[1], "full") == 0) {
        profile->disk_bytes_max = 0;
    } else if (strcmp(words[1], "roomy") == 0) {
        profile->disk_bytes_max = sim_profile_default().disk_bytes_max;
    } else if (strcmp(words[1], "slow") == 0) {
        profile->disk_ns_min = profile->disk_ns_max = story_time(story, argument);
    } else if (strcmp(words[1], "works") == 0) {
        stage->failing = NULL;
    } else if (strcmp(words[1], "fails") == 0 && count > 3) {
        stage->failing_error = error_of(story, words[3]);
        stage->failing_after = count > 5 ? story_bytes(story, words[5]) : 0;
        for (size_t i = 0; i < sizeof verbs / sizeof verbs[0]; i++) {
            stage->failing = strcmp(verbs[i], argument) == 0 ? verbs[i] : stage->failing;
        }
    } else {
        story_wrong(story, "no word of `disk`: %s", words[1]);
    }
}

static void command_segments(struct story *story, char **words, size_t count)
{
    struct stage *const stage = story->cast;

    (void)words;
    (void)count;
    if (!is_started(stage)) {
        return;
    }
    const struct log_engine *const engine = log_engine_of(stage->engine);

    for (uint32_t i = 0; i < engine->segment_top; i++) {
        const struct log_segment *const segment = &engine->segments[i];

        if (segment->state != LOG_SEGMENT_ABSENT) {
            stage_tell(stage, "segment-%05u is %s, %s", i, stage_use(stage, i),
                       segment->live_bytes == 0                      ? "nothing of it live"
                       : segment->live_bytes < segment->filled_bytes ? "some of it live"
                                                                     : "all of it live");
        }
    }
}

static void command_show(struct story *story, char **words, size_t count)
{
    struct stage *const stage = story->cast;
    bool nothing;
    const struct {
        const char *name;
        bool *shown;
    } all[] = {{"frames", &stage->frames},  {"files", &stage->files}, {"starts", &stage->starts},
               {"reads", &stage->reads},    {"uses", &stage->uses},   {"nothing", &nothing},
               {"zeroing", &stage->zeroing}};
    const size_t all_count = sizeof all / sizeof all[0];

    for (size_t i = 0; i < all_count; i++) {
        *all[i].shown = false;
    }
    for (size_t i = 1; i < count; i++) {
        size_t found = 0;

        while (found < all_count && strcmp(all[found].name, words[i]) != 0) {
            found++;
        }
        if (found == all_count) {
            story_wrong(story, "nothing to show: %s", words[i]);
            return;
        }
        *all[found].shown = true;
    }
}

static const struct story_command commands[] = {
    {"disk", 1, command_disk}, {"start", 0, command_start},
    {"put", 1, command_put},   {"remove", 1, command_remove},
    {"get", 1, command_get},   {"drop", 1, command_drop},
    {"work", 0, command_work}, {"checkpoint", 0, command_checkpoint},
    {"wait", 1, command_wait}, {"close", 0, command_close},
    {"kill", 0, command_kill}, {"power-loss", 0, command_power_loss},
    {"rot", 2, command_rot},   {"segments", 0, command_segments},
    {"show", 1, command_show}, {NULL, 0, NULL},
};

// The cast --------------------------------------------------------------------------------------

static void stage_open(struct story *story)
{
    struct stage *const stage = sim_allocate(sizeof *stage);
    struct sim_profile profile = sim_profile_default();

    profile.in_order = true;
    profile.disk_ns_min = profile.disk_ns_max = 100 * 1000;
    profile.hooks = (struct sim_hooks){
        .context = stage, .disk_error = stage_disk_error, .disk_event = stage_disk_event};
    *stage = (struct stage){
        .story = story,
        .world = sim_world_open(1, &profile),
        .frames = true,
        .options = {.directory = "/log",
                    .vnodes = STAGE_VNODES,
                    .shards = 1,
                    .hash_seed = 42,
                    .durability.sync = ENGINE_SYNC_ALWAYS,
                    .durability.sync_interval_ms = 1000,
                    .cache_bytes = 256 << 10,
                    .segment_bytes = LOG_SEGMENT_BYTES_MIN,
                    .disk_max_bytes = UINT64_C(16) * LOG_SEGMENT_BYTES_MIN,
                    .report = stage_report,
                    .report_context = stage},
    };
    stage->node = sim_node_add(stage->world, "10.0.0.1");
    story->cast = stage;
}

static void stage_close(struct story *story)
{
    struct stage *const stage = story->cast;

    story->met = false;
    story->until = NULL;
    if (stage->engine != NULL) {
        stop(story, SIM_KILL);
    }
    stage_calls_clear(stage);
    sim_world_close(stage->world);
    free(stage);
}

const struct story_cast story_log = {"log", commands, stage_open, stage_close};
