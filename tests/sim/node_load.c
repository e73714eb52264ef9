// One node of a run: what happens in it at all, how it begins, what is left of it at its end.
#include "tests/sim/node_load.h"
#include "core/check.h"
#include "ring/slot.h"
#include "tests/sim/sim_internal.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

enum {
    IDLE_TURNS_MAX = 40, // of a core in a second: it looks for expired keys ten times
    LIMITED_MIB = 3,     // of memory for a core, where there is little
    ALONE_MIB = 4,       // for the only one, which has twice as many vnodes as each of two
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
    struct random *const random = &load->random;

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
        load->eviction = load_draw(random, EVICTION_TTL + 1);
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

static void load_violation(void *context, enum sim_oracle oracle, const char *text)
{
    load_fail(context, oracle, "%s", text);
}

void load_start_node(struct load *load)
{
    static const char *const evictions[] = {"refuse", "lru", "random", "ttl"};
    const struct load_features *const features = &load->features;
    static const uint32_t sizes[] = {64, 300, 1024, 4096, 16384};
    struct io_uring_options options = {64, 256, sizes[load_draw(&load->random, 5)]};
    const uint32_t limited_mib = load->cores == 1 ? ALONE_MIB : LIMITED_MIB * load->cores;
    char config[512];

    if (features->few_buffers) {
        options.buffer_count = 2 + load_draw(&load->random, 8);
    }
    (void)snprintf(config, sizeof config,
                   "listen: { client: [ '%s:%d', 'unix:/rldb.sock' ] }\n"
                   "auth: { insecure: true }\n"
                   "storage: { engine: memory, memory_max: %uMiB, eviction: %s }\n"
                   "clients: { max: %d, output_max: %s, idle_timeout: %s }\n",
                   load->ip, LOAD_PORT, features->limited ? limited_mib : 1024,
                   evictions[load->eviction], features->max_clients ? 3 : 1000,
                   features->output_max ? "64KiB" : "128MiB", features->idle_timeout ? "1s" : "0");
    load->rldb = sim_rldb_start(load->world, load->ip, load->cores, config, &options);
    sim_rldb_watch(load->rldb, load_violation, load);
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
        const uint64_t turns = sim_rldb_turns(load->rldb);

        sim_world_run_until(load->world, until_ns + second_ns);
        if (sim_rldb_turns(load->rldb) - turns > IDLE_TURNS_MAX * load->cores) {
            load_fail(load, SIM_ORACLE_IDLE, "an idle node takes %" PRIu64 " turns a second",
                      sim_rldb_turns(load->rldb) - turns);
        }
        load_stop(load);
        until_ns = sim_world_now_ns(load->world) + 5 * second_ns;
    }
    if (!sim_world_run(load->world, until_ns, sim_rldb_stopped, load->rldb)) {
        load_fail(load, SIM_ORACLE_PROGRESS, "the node has not stopped after five seconds");
    }
}
