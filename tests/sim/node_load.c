// One node of a run: what happens in it at all, how it begins, what is left of it at its end.
#include "tests/sim/node_load.h"
#include "core/check.h"
#include "ring/slot.h"
#include "tests/sim/sim_internal.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

const char *const load_engine_names[LOAD_ENGINE_COUNT] = {
    [LOAD_ENGINE_MEMORY] = "memory", [LOAD_ENGINE_LOG] = "log"};

enum {
    IDLE_TURNS_MAX = 40, // of a core in a second: it looks for expired keys ten times
    LIMITED_MIB = 3,     // of memory for a core, where there is little
    ALONE_MIB = 4,       // for the only one, which has twice as many vnodes as each of two
    DISK_MIB_MIN = 8,    // for a core, where there is little: four segments of 2 MiB
    START_S_MAX = 60,
    START_FAILS_MS = 250,
    LONG_INDEX_LOG = 8, // of buckets: there are a few hundred keys
};

static const uint64_t second_ns = UINT64_C(1000000000);

uint32_t load_core_of(const struct load *load, const char *key)
{
    return load->slot_core[slot_of_key(slice_from_text(key))];
}

// Setting up --------------------------------------------------------------------------------------

void load_draw_features(struct load *load, uint32_t kinds)
{
    static const uint32_t stopping_kinds =
        UINT32_C(1) << SIM_FAULT_KILL | UINT32_C(1) << SIM_FAULT_POWER_LOSS |
        UINT32_C(1) << SIM_FAULT_PAUSE | UINT32_C(1) << SIM_FAULT_FREEZE;
    static const uint32_t tearing_kinds =
        UINT32_C(1) << SIM_FAULT_KILL | UINT32_C(1) << SIM_FAULT_POWER_LOSS |
        UINT32_C(1) << SIM_FAULT_DISK_ERROR | UINT32_C(1) << SIM_FAULT_DISK_FULL |
        UINT32_C(1) << SIM_FAULT_ROT | UINT32_C(1) << SIM_FAULT_LOST_WRITE |
        UINT32_C(1) << SIM_FAULT_MISDIRECTED;
    struct random *const random = &load->random;
    struct random drawn; // beside all other draws

    load->features = (struct load_features){
        .flush = load_chance(random, 150),
        .expiry = load_chance(random, 300),
        .pause = load_chance(random, 250),
        .kill = load_chance(random, 200),
        .silence = load_chance(random, 250),
        .debug_sleep = load_chance(random, 200),
        .large = load_chance(random, 250),
        .burst = load_chance(random, 60),
        .slow_readers = load_chance(random, 250),
        .aborts = load_chance(random, 500),
        .garbage = load_chance(random, 300),
        .slowlog = load_chance(random, 250),
        .max_clients = load_chance(random, 80),
        .output_max = load_chance(random, 120),
        .idle_timeout = load_chance(random, 60),
        .stop_early = load_chance(random, 250),
        .few_buffers = load_chance(random, 200),
        .wide_groups = load_chance(random, 300),
        .resp3 = load_chance(random, 400),
        .limited = load_chance(random, 300),
        .scarce = load_chance(random, 250),
        .frozen = load_chance(random, 60),
    };
    if (load->features.limited) {
        load->eviction = load->durable ? EVICTION_REFUSE : load_draw(random, EVICTION_TTL + 1);
        load->features.evicts = load->eviction != EVICTION_REFUSE;
        load->features.flush = false; // what is gone was evicted, then
    }
    if ((kinds & (UINT32_C(1) << SIM_FAULT_JUMP | UINT32_C(1) << SIM_FAULT_DRIFT)) != 0) {
        load->features.expiry = false; // nobody could say when
    }
    // A process that is ended, or gets no time, does not stop when it is told to.
    load->features.stop_early = load->features.stop_early && (kinds & stopping_kinds) == 0;
    load->features.large = load->features.large || load->features.output_max;
    load->features.output_max = load->features.output_max || load->features.frozen;
    // FLUSHALL by a shard port is of some of the names of a key, eviction takes one, what finds no
    // room sets some, and of what is not answered before a crash some may be there.
    load->wide = !load->features.flush && !load->features.limited &&
                 (!load->durable || ((kinds & tearing_kinds) == 0 && !load->features.stop_early &&
                                     load->sync == CONFIG_SYNC_ALWAYS));
    random_seed(&drawn, load->seed ^ UINT64_C(0x736e617073686f74));
    load->features.snapshots = load->durable && load_chance(&drawn, 300);
    load->features.snapshots_cut = load->features.snapshots && load_chance(&drawn, 500);
}

void load_draw_engine(struct load *load, uint32_t engine, struct random *random)
{
    load->durable = engine == LOAD_ENGINE_LOG;
    load->sync = load_chance(random, 600) ? CONFIG_SYNC_ALWAYS : load_draw(random, 3);
    load->sync_interval_ns = (1 + load_draw(random, 300)) * UINT64_C(1000000);
}

// Bounds that are met, as they are in no quiet life.
static void load_make_scarce(struct load *load)
{
    struct random *const random = &load->random;
    const struct sim_rldb_bounds bounds = {
        .credits = load_chance(random, 700) ? 1 + load_draw(random, 8) : 0,
        .hops = load_chance(random, 400) ? 1 + load_draw(random, 8) : 0,
    };

    sim_rldb_bound(load->rldb, &bounds);
}

static bool load_is_up(void *context)
{
    const struct load *const load = context;

    return load->failed || sim_rldb_up(load->rldb);
}

void load_await_start(struct load *load)
{
    const uint64_t until_ns = sim_world_now_ns(load->world) + START_S_MAX * second_ns;

    if (!load->failed && !sim_world_run(load->world, until_ns, load_is_up, load)) {
        load_fail(load, SIM_ORACLE_PROGRESS, "the node has not started after a minute");
    }
}

static void load_violation(void *context, enum sim_oracle oracle, const char *text)
{
    load_fail(context, oracle, "%s", text);
}

void load_configure(const struct load *load, const char *data_dir, char *text, size_t size)
{
    static const char *const evictions[] = {"refuse", "lru", "random", "ttl"};
    static const char *const syncs[] = {"always", "interval", "never"};
    const struct load_features *const features = &load->features;
    const uint32_t limited_mib = load->cores == 1 ? ALONE_MIB : LIMITED_MIB * load->cores;
    char storage[256];

    if (load->durable) {
        (void)snprintf(storage, sizeof storage,
                       "{ engine: log, sync: %s, sync_interval: %ums, cache: 1MiB, segment: 2MiB }",
                       syncs[load->sync], (unsigned)(load->sync_interval_ns / 1000000));
    } else {
        (void)snprintf(storage, sizeof storage,
                       "{ engine: memory, memory_max: %uMiB, eviction: %s }",
                       features->limited ? limited_mib : 1024, evictions[load->eviction]);
    }
    (void)snprintf(text, size,
                   "listen: { client: [ '%s:%d', 'unix:/rldb.sock' ] }\n"
                   "node: { data_dir: %s }\n"
                   "auth: { insecure: true }\n"
                   "storage: %s\n"
                   "clients: { max: %d, output_max: %s, idle_timeout: %s }\n",
                   load->ip, LOAD_PORT, data_dir, storage, features->max_clients ? 3 : 1000,
                   features->output_max ? "64KiB" : "128MiB", features->idle_timeout ? "1s" : "0");
}

static bool load_start_failed(void *context, const char *error)
{
    struct load *const load = context;

    if (load->restored != NULL) {
        return load_snapshot_start(load, error);
    }
    load_mark(load, MARK_START_FAILED, true);
    if (load_damaged_start(load, error)) {
        return !load->failed;
    }
    if (!load_disk_fails(load) && !load_lacks_descriptors(load) && !load->start_fails) {
        load_fail(load, SIM_ORACLE_DURABLE, "the node does not start: %s", error);
        return false;
    }
    return true;
}

void load_start_node(struct load *load)
{
    const struct load_features *const features = &load->features;
    static const uint32_t sizes[] = {64, 300, 1024, 4096, 16384};
    struct io_uring_options options = {64, 256, sizes[load_draw(&load->random, 5)]};
    const struct sim_rldb_hooks hooks = {
        .context = load, .opened = load_look, .failed = load_start_failed, .said = load_hear};
    char config[1024];

    if (features->few_buffers) {
        options.buffer_count = 2 + load_draw(&load->random, 8);
    }
    const uint64_t disk_mib =
        load->durable && features->limited ? DISK_MIB_MIN + load_draw(&load->random, 12) : 0;

    load->disk_bytes = load->cores * disk_mib << 20;

    load_configure(load, "/data", config, sizeof config);
    load->rldb = sim_rldb_new(load->world, load->ip, load->cores, config, &options);
    sim_node_disk_max(sim_rldb_machine(load->rldb), load->disk_bytes);
    if (load->run->is_long) {
        sim_rldb_index(load->rldb, LONG_INDEX_LOG);
    }
    sim_rldb_watch(load->rldb, load_violation, load);
    sim_rldb_hook(load->rldb, &hooks);
    sim_rldb_restart(load->rldb);
    load_await_start(load);
    if (load->failed) {
        return;
    }
    for (uint32_t slot = 0; slot < SLOT_COUNT; slot++) {
        load->slot_core[slot] =
            (uint8_t)placement_of_slot(sim_rldb_node(load->rldb)->placement, (uint16_t)slot).core;
    }
    for (uint32_t i = 0; i < LOAD_STABLE_KEYS; i++) {
        load->stable_core[i] = load_core_of(load, load->stable[i]);
    }
}

// Keys that SCAN must find, and what the model begins with.
void load_prepare(struct load *load)
{
    struct session setup;

    session_open(load, &setup, LOAD_SESSIONS_MAX);
    session_connect_plain(&setup);
    if (load->features.slowlog) {
        request_plain(&setup, "CONFIG SET slowlog-log-slower-than 0", EXPECT_TEXT, "OK");
    }
    for (uint32_t i = 0; i < LOAD_STABLE_KEYS; i++) {
        request_stable(&setup, i);
    }
    request_tokens(&setup);
    (void)session_drive(&setup);
    session_close(&setup);
    if (load->features.scarce) {
        load_make_scarce(load);
    }
}

// The end -----------------------------------------------------------------------------------------

void load_read_back(struct load *load)
{
    struct session last;

    session_open(load, &last, LOAD_SESSIONS_MAX + 1);
    session_connect_plain(&last);
    last.may_end = load->features.idle_timeout || load->features.output_max;
    request_plain(&last, "CLIENT UNPAUSE", EXPECT_TEXT, "OK");
    request_read_all(&last);
    request_plain(&last, "KEYS s:*", EXPECT_KEYS, NULL);
    request_fillers(&last);
    (void)session_drive(&last);
    session_close(&last);
}

void load_stop_now(struct load *load)
{
    const uint64_t until_ns = sim_world_now_ns(load->world) + 5 * second_ns;

    sim_rldb_stop(load->rldb);
    if (!sim_world_run(load->world, until_ns, sim_rldb_stopped, load->rldb)) {
        load_fail(load, SIM_ORACLE_PROGRESS, "the node has not stopped after five seconds");
    }
}

static bool load_idle(void *context)
{
    struct load *const load = context;

    return load->failed || sim_rldb_left_over(load->rldb) == NULL;
}

void load_stop(struct load *load)
{
    for (uint32_t i = 0; i < load->session_count; i++) {
        const struct session *const session = &load->sessions[i];

        load_mark(load, MARK_STOPPED_LOADED,
                  session->client != NULL && session->request_answered < session->request_sent);
    }
    load->stopping = true;
    sim_rldb_stop(load->rldb);
}

// What was stopped in all peace has lost nothing.
static void load_come_back(struct load *load)
{
    const bool broken = sim_rldb_broken(load->rldb);

    load_life_over(load, !broken);
    sim_rldb_end(load->rldb);
    load_start_on_snapshots(load);
    if (load->failed) {
        return;
    }
    if (load_chance(&load->random, 100)) {
        const uint64_t time_ns = random_below(&load->random, START_FAILS_MS) * 1000 * 1000;

        load->start_fails = true;
        load->disk_fails_until_ns = sim_world_now_ns(load->world) + time_ns;
        sim_faults_fail_disk(load->run->faults, load->index, load->disk_fails_until_ns);
    }
    sim_rldb_restart(load->rldb);
    load_await_start(load);
    load_mark(load, MARK_CLEAN, !load->failed && !broken);
    if (!load->failed) {
        load_stop_now(load);
    }
}

// The end comes when nobody is there any more and all that was asked is answered, but for a
// snapshot perhaps.
void load_crash_at_rest(struct load *load)
{
    struct session last;

    if (load->features.snapshots) {
        load_begin_snapshot(load, &last);
        session_close(&last);
    }
    if (load->failed || load->stopping) { // it was told to meanwhile
        return;
    }
    load_life_over(load, false);
    sim_rldb_kill(load->rldb, load_chance(&load->random, 700) ? SIM_POWER_LOSS : SIM_KILL);
    sim_rldb_restart(load->rldb);
    load_await_start(load);
}

// Turns of a second in which nobody asks for anything: of the quietest of some, since compaction
// may have its time in one.
static uint64_t load_idle_turns(struct load *load)
{
    enum { SECONDS = 3 };
    uint64_t least = UINT64_MAX;

    for (uint32_t i = 0; i < SECONDS && least > IDLE_TURNS_MAX * load->cores; i++) {
        const uint64_t before = sim_rldb_turns(load->rldb);

        sim_world_run_until(load->world, sim_world_now_ns(load->world) + second_ns);
        const uint64_t turns = sim_rldb_turns(load->rldb) - before;

        least = turns < least ? turns : least;
    }
    return least;
}

void load_finish_node(struct load *load)
{
    uint64_t until_ns = sim_world_now_ns(load->world) + 5 * second_ns;

    if (!load->stopping) {
        if (!sim_world_run(load->world, until_ns, load_idle, load)) {
            load_fail(load, SIM_ORACLE_LEFT_OVER, "left over: %s", sim_rldb_left_over(load->rldb));
            return;
        }
        // Nothing is there to do but to reap what expired: what is sleeping stays asleep.
        sim_world_run_until(load->world, until_ns);
        const uint64_t turns = load_idle_turns(load);

        if (turns > IDLE_TURNS_MAX * load->cores) {
            load_fail(load, SIM_ORACLE_IDLE, "an idle node takes %" PRIu64 " turns a second",
                      turns);
        }
        load_stop(load);
        until_ns = sim_world_now_ns(load->world) + 5 * second_ns;
    }
    if (!sim_world_run(load->world, until_ns, sim_rldb_stopped, load->rldb)) {
        load_fail(load, SIM_ORACLE_PROGRESS, "the node has not stopped after five seconds");
    } else if (load->durable && !load->failed) {
        load_come_back(load);
    }
}
