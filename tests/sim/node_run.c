// A run: the nodes of one seed in one world, their sessions, and the faults.
#include "core/check.h"
#include "tests/sim/node_load.h"
#include "tests/sim/sim_internal.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum {
    RUN_S_MAX = 40,         // virtual, from the end of the faults to the last reply
    FROZEN_RUN_S_MAX = 150, // a frozen reader stays for up to 90 s
    PATIENT_S = 15,         // from the end of the faults on; after that nobody is slow on purpose
    DEAD_S = 3,             // after which a client gives up who may wait for nobody
    SUPERVISED_MS = 20,     // how often somebody looks whether a node still writes
    SUPERVISED_S = 2,       // for so long after the faults
    ROUND_MS_LOG_MIN = 6,   // in a long run: from 64 ms
    ROUND_MS_LOG_MAX = 14,  // to 16 s, each power of two as likely
    RESTS_PER_MILLE = 200,  // of rounds there, after which the node rests for up to as long
};

static const uint64_t ms = 1000 * 1000;
static const uint64_t second_ns = UINT64_C(1000000000);

void load_fail(struct load *load, enum sim_oracle oracle, const char *format, ...)
{
    struct run *const run = load->run;
    va_list arguments;

    if (run->failed) {
        return;
    }
    run->failed = true;
    run->oracle = oracle;
    for (uint32_t i = 0; i < run->count; i++) {
        run->loads[i].failed = true;
    }
    const int size =
        snprintf(run->failure, sizeof run->failure, "oracle %s: ", sim_oracle_name(oracle));

    va_start(arguments, format);
    (void)vsnprintf(run->failure + size, sizeof run->failure - (size_t)size, format, arguments);
    va_end(arguments);
}

// Faults --------------------------------------------------------------------------------------

#define BIT(name) (UINT32_C(1) << SIM_FAULT_##name)

static bool run_has(const struct run *run, uint32_t kinds)
{
    return run->faults != NULL && // before that, nothing goes wrong
           (sim_faults_kinds(run->faults) & kinds) != 0;
}

// Of the log engine's files, which need descriptors too.
bool load_disk_fails(const struct load *load)
{
    return load->durable && run_has(load->run, BIT(DISK_ERROR) | BIT(DISK_FULL) | BIT(DESCRIPTORS));
}

bool load_reads_fail(const struct load *load)
{
    return load->durable && run_has(load->run, BIT(DISK_ERROR));
}

bool load_lacks_descriptors(const struct load *load)
{
    return run_has(load->run, BIT(DESCRIPTORS));
}

bool load_disk_fills(const struct load *load)
{
    return load->durable && run_has(load->run, BIT(DISK_FULL) | BIT(DESCRIPTORS));
}

bool load_is_slow(const struct load *load)
{
    return run_has(load->run, BIT(PAUSE) | BIT(FREEZE) | BIT(BUSY) | BIT(SLOW_DISK) |
                                  BIT(DISK_ERROR) | BIT(DISK_FULL) | BIT(DESCRIPTORS));
}

bool load_breaks(const struct load *load)
{
    return run_has(load->run, BIT(RESET) | BIT(KILL) | BIT(POWER_LOSS)) || load_disk_fails(load);
}

bool load_may_be_dead(const struct load *load, uint64_t connected_ns)
{
    return (sim_faults_kinds(load->run->faults) & BIT(POWER_LOSS)) != 0 &&
           connected_ns < load->run->faults_end_ns &&
           sim_world_now_ns(load->world) > connected_ns + DEAD_S * second_ns;
}

bool load_is_cut(const struct load *load)
{
    return (sim_faults_now(load->run->faults, load->index) &
            (BIT(CUT) | BIT(CUT_IN) | BIT(CUT_OUT))) != 0;
}

static struct sim_node *fault_machine(void *context, uint32_t node)
{
    const struct run *const run = context;

    return sim_rldb_machine(run->loads[node].rldb);
}

static void fault_hang(void *context, uint32_t node, uint32_t core, bool hang)
{
    const struct run *const run = context;

    sim_rldb_hang(run->loads[node].rldb, core, hang);
}

static void fault_stop(void *context, uint32_t node, enum sim_stop how)
{
    const struct run *const run = context;
    struct load *const load = &run->loads[node];

    for (uint32_t i = 0; i < load->session_count; i++) {
        load_mark(load, MARK_KILLED_LOADED,
                  load->sessions[i].request_answered < load->sessions[i].request_sent);
    }
    if (sim_rldb_up(load->rldb)) {
        load_mark(load, MARK_WRITING, load->durable && sim_rldb_writing(load->rldb));
        load_life_over(load, false);
    } else { // what it found so far is looked for again
        load_mark(load, MARK_STARTING_KILLED, load->durable);
        load->lives[load->lost_count - 1]->looked = 0;
    }
    sim_rldb_kill(load->rldb, how);
}

static void fault_restart(void *context, uint32_t node)
{
    const struct run *const run = context;

    load_mark(&run->loads[node], MARK_RESTARTED, true);
    sim_rldb_restart(run->loads[node].rldb);
}

static bool fault_writing(void *context, uint32_t node)
{
    const struct run *const run = context;
    const struct load *const load = &run->loads[node];

    return load->durable && sim_rldb_writing(load->rldb) &&
           (!load->features.snapshots_cut || load_makes_snapshot(load));
}

// Who watches the node starts it anew when its writing has ended.
static void load_mend(struct load *load)
{
    if (load->failed || !sim_rldb_broken(load->rldb)) {
        return;
    }
    if (!load_disk_fails(load)) {
        load_fail(load, SIM_ORACLE_DAMAGE, "all writing has ended, and no disk had failed");
        return;
    }
    load_mark(load, MARK_WRITING_ENDED, true);
    load_life_over(load, false);
    sim_rldb_kill(load->rldb, SIM_KILL);
    sim_rldb_restart(load->rldb);
}

static void run_supervise(void *context)
{
    struct run *const run = context;
    const uint64_t now_ns = sim_world_now_ns(run->world);

    for (uint32_t i = 0; i < run->count && !run->failed; i++) {
        if (!run->loads[i].stopping) {
            load_mend(&run->loads[i]);
        }
    }
    if (!run->failed && now_ns < run->faults_end_ns + SUPERVISED_S * second_ns) {
        sim_world_at(run->world, now_ns + SUPERVISED_MS * ms, run_supervise, run);
    }
}

static void run_draw_faults(struct run *run, const struct load_options *options,
                            enum sim_fault_profile profile, struct random *random)
{
    const struct sim_fault_targets targets = {run,        fault_machine, fault_hang,
                                              fault_stop, fault_restart, fault_writing};
    const uint64_t now_ns = sim_world_now_ns(run->world);
    const uint64_t time_ns =
        options->time_ns != 0 ? options->time_ns : (20 + random_below(random, 1500)) * ms;
    const struct sim_faults_shape shape = {
        .seed = options->seed,
        .profile = profile,
        .nodes = run->count,
        .cores = run->loads[0].cores,
        .from_ns = now_ns,
        .until_ns = now_ns + time_ns,
        .kinds = run->kinds,
    };

    run->until_ns = options->time_ns != 0 ? shape.until_ns : 0;
    run->faults = sim_faults_draw(&shape);
    if (options->ret_faults != NULL) {
        *options->ret_faults = sim_faults_count(run->faults);
    }
    if (options->keep != NULL) {
        sim_faults_keep(run->faults, options->keep);
    }
    run->faults_end_ns = sim_faults_end_ns(run->faults);
    sim_faults_begin(run->faults, run->world, &targets);
    if (load_disk_fails(&run->loads[0])) {
        sim_world_at(run->world, now_ns, run_supervise, run);
    }
}

// Nodes ---------------------------------------------------------------------------------------

static struct sim_profile run_profile(struct random *random)
{
    struct sim_profile profile = sim_profile_default();

    profile.cut_per_mille = load_draw(random, 3) * 200;
    if (load_chance(random, 200)) {
        profile.socket_bytes_min = 200; // nothing fits in one piece
        profile.socket_bytes_max = 3000;
    }
    if (load_chance(random, 300)) {
        profile.step_ns_max = 500 * 1000; // cores that are far apart in time
    }
    return profile;
}

static void run_open(struct run *run, const struct load_options *options,
                     enum sim_fault_profile profile, struct random *random)
{
    uint32_t cores = options->cores;
    struct random drawn; // what is so for all

    run->is_long = options->time_ns != 0;
    run->count = options->nodes != 0 ? options->nodes : 1 + (load_chance(random, 200) ? 1 : 0);
    run->loads = sim_allocate(run->count * sizeof *run->loads);
    random_seed(&drawn, options->seed ^ UINT64_C(0x656e67696e65));
    const uint32_t engine = options->engine != LOAD_ENGINE_COUNT
                                ? options->engine
                                : load_draw(&drawn, LOAD_ENGINE_COUNT);

    // With clocks that jump nobody could say when a key expires.
    run->kinds = engine == LOAD_ENGINE_LOG && load_chance(&drawn, 500) ? ~(BIT(JUMP) | BIT(DRIFT))
                                                                       : UINT32_MAX;
    for (uint32_t i = 0; i < run->count; i++) {
        struct load *const load = &run->loads[i];

        load->run = run;
        load->index = i;
        load->seed = options->seed + i * UINT64_C(0x100000000);
        (void)snprintf(load->ip, sizeof load->ip, "10.0.0.%u", 1 + i);
        random_seed(&load->random, load->seed);
        load_draw_engine(load, engine, &drawn);
        load_draw_features(load, sim_fault_profile_kinds(profile) & run->kinds);
        const uint32_t drawn_cores = 1 + load_draw(&load->random, load->features.limited ? 2 : 4);

        cores = cores != 0 ? cores : drawn_cores; // the same for all
        load->cores = cores;
        load->values = model_values_open();
        load_make_stable(load);
    }
    const struct sim_profile world_profile = run_profile(&run->loads[0].random);

    run->world = sim_world_open(options->seed, &world_profile);
    if (options->tell) {
        sim_world_tell(run->world, stdout);
    }
    for (uint32_t i = 0; i < run->count; i++) {
        run->loads[i].world = run->world;
        load_make_objects(&run->loads[i]);
        load_start_node(&run->loads[i]);
    }
}

// Running -----------------------------------------------------------------------------------------

static bool load_done(const struct load *load)
{
    // Who was not accepted before the end waits for the process to go.
    if (load->stopping && sim_rldb_stopped(load->rldb)) {
        return true;
    }
    for (uint32_t i = 0; i < load->session_count && !load->failed; i++) {
        if (!load->sessions[i].done) {
            return false;
        }
    }
    return true;
}

static bool run_done(void *context)
{
    const struct run *const run = context;

    for (uint32_t i = 0; i < run->count && !run->failed; i++) {
        if (!load_done(&run->loads[i])) {
            return false;
        }
    }
    return true;
}

// Unless the round was over before, and the node is down or on its way there.
static void stop_early(void *context)
{
    struct load *const load = context;

    if (!load->stopping && sim_rldb_up(load->rldb)) {
        load_stop(load);
    }
}

static void load_begin_round(struct load *load)
{
    const uint64_t now_ns = sim_world_now_ns(load->world);

    load->session_count = 2 + load_draw(&load->random, LOAD_SESSIONS_MAX - 2);
    for (uint32_t i = 0; i < load->session_count; i++) {
        session_open(load, &load->sessions[i], i);
        session_start(&load->sessions[i]);
    }
    if (load->features.stop_early && load->run->until_ns == 0) {
        sim_world_at(load->world, now_ns + random_below(&load->random, 60 * ms), stop_early, load);
    }
}

static uint64_t run_draw_round_ns(struct run *run)
{
    return load_draw_bits(&run->loads[0].random, ROUND_MS_LOG_MIN, ROUND_MS_LOG_MAX) * ms;
}

// The liveness phase is its end: when the faults are over, all that was asked is answered in time.
static void run_round(struct run *run)
{
    uint64_t time_s = RUN_S_MAX;

    run->round_until_ns = 0;
    if (run->is_long) {
        run->round_until_ns = sim_world_now_ns(run->world) + run_draw_round_ns(run);
        run->round_until_ns =
            run->round_until_ns < run->until_ns ? run->round_until_ns : run->until_ns;
    }
    for (uint32_t i = 0; i < run->count; i++) {
        load_begin_round(&run->loads[i]);
        time_s = run->loads[i].features.frozen ? FROZEN_RUN_S_MAX : time_s;
    }
    const uint64_t now_ns = sim_world_now_ns(run->world);
    uint64_t from_ns = now_ns > run->faults_end_ns ? now_ns : run->faults_end_ns;

    from_ns = from_ns > run->round_until_ns ? from_ns : run->round_until_ns;
    run->patient_until_ns = from_ns + PATIENT_S * second_ns;
    if (sim_world_run(run->world, from_ns + time_s * second_ns, run_done, run)) {
        return;
    }
    for (uint32_t i = 0; i < run->count; i++) {
        for (uint32_t j = 0; j < run->loads[i].session_count; j++) {
            if (!run->loads[i].sessions[j].done) {
                load_fail(&run->loads[i], SIM_ORACLE_PROGRESS, "session %u is stuck", j);
            }
        }
    }
}

// Forgets what was checked, for a round with keys of its own.
static void load_next_round(struct load *load)
{
    for (uint32_t i = 0; i < load->session_count; i++) {
        session_close(&load->sessions[i]);
    }
    load->session_count = 0;
    load_free_objects(load);
    load->op_count = 0;
    load_forget_lives(load);
    load->round++;
    load_make_objects(load);
}

static bool run_failed(void *context)
{
    const struct run *const run = context;

    return run->failed;
}

// Between some rounds nobody asks for anything: timers, expiry, checkpoints and compaction have
// their time, and faults meet a node at rest.
static void run_rest(struct run *run)
{
    struct random *const random = &run->loads[0].random;

    if (!load_chance(random, RESTS_PER_MILLE)) {
        return;
    }
    const uint64_t until_ns =
        sim_world_now_ns(run->world) + random_below(random, run_draw_round_ns(run));

    (void)sim_world_run(run->world, until_ns < run->until_ns ? until_ns : run->until_ns, run_failed,
                        run);
}

static void run_rounds(struct run *run, uint64_t *ret_loaded_ns)
{
    for (;;) {
        const uint64_t began_ns = sim_world_now_ns(run->world);

        run_round(run);
        *ret_loaded_ns += sim_world_now_ns(run->world) - began_ns;
        if (run->failed || sim_world_now_ns(run->world) >= run->until_ns) {
            return;
        }
        for (uint32_t i = 0; i < run->count && !run->failed; i++) {
            load_await_start(&run->loads[i]);
        }
        for (uint32_t i = 0; i < run->count && !run->failed; i++) {
            load_check_histories(&run->loads[i]);
        }
        if (!run->failed) {
            run_rest(run);
        }
        for (uint32_t i = 0; i < run->count && !run->failed; i++) {
            load_await_start(&run->loads[i]);
        }
        for (uint32_t i = 0; i < run->count && !run->failed; i++) {
            load_next_round(&run->loads[i]);
        }
    }
}

static void run_live(struct run *run, struct load_result *ret_result)
{
    run_rounds(run, &ret_result->loaded_ns);
    if (!run->failed && sim_world_now_ns(run->world) < run->faults_end_ns) {
        sim_world_run_until(run->world, run->faults_end_ns);
    }
    for (uint32_t i = 0; i < run->count && !run->failed; i++) {
        struct load *const load = &run->loads[i];

        load_await_start(load);
        if (!load->stopping && !load->failed) {
            load_mend(load);
            load_await_start(load);
        }
        if (!load->stopping && !load->failed) {
            load_read_back(load);
        }
        if (!load->stopping && !load->failed && load->durable && load_chance(&load->random, 600)) {
            load_crash_at_rest(load);
        }
        if (!load->failed) {
            load_finish_node(load);
        }
        if (!load->failed) {
            load_check_histories(load);
        }
        if (!load->failed) {
            load_check_snapshots(load);
        }
    }
}

// Its end -------------------------------------------------------------------------------------

static void run_print_failure(const struct run *run, const struct load_options *options)
{
    (void)fprintf(stderr, "%s\nseed %" PRIu64 ", %u nodes, %u cores\n", run->failure, options->seed,
                  run->count, run->loads[0].cores);
    for (uint32_t i = 0; i < sim_faults_count(run->faults); i++) {
        char text[128];

        sim_fault_print(sim_faults_at(run->faults, i), run->began_ns, text, sizeof text);
        (void)fprintf(stderr, "  fault: %s\n", text);
    }
    for (uint32_t i = 0; i < run->count; i++) {
        load_explain(&run->loads[i]);
    }
}

static void load_take_result(struct load *load, struct load_result *ret_result)
{
    if (sim_rldb_up(load->rldb)) {
        load_mark_all(load);
    }
    ret_result->requests += load->requests;
    ret_result->operations += load->operations;
    ret_result->undecided += load->undecided;
    ret_result->leaked = ret_result->leaked || sim_rldb_leaked(load->rldb);
    for (uint32_t i = 0; i < MARK_COUNT; i++) {
        ret_result->marks[i] = ret_result->marks[i] || load->marks[i];
    }
}

static void load_close(struct load *load)
{
    for (uint32_t i = 0; i < load->session_count; i++) {
        session_close(&load->sessions[i]);
    }
    if (!load->failed) { // a world that stopped in the middle cannot be taken down
        sim_rldb_close(load->rldb);
    }
    load_free_objects(load);
    load_free_lives(load);
    free(load->ops);
    model_values_close(load->values);
}

void load_run(const struct load_options *options, struct load_result *ret_result)
{
    struct run *const run = sim_allocate(sizeof *run);
    struct random random;

    random_seed(&random, options->seed ^ UINT64_C(0x70726f66696c65));
    const uint32_t drawn = load_chance(&random, 400) ? SIM_FAULT_PROFILE_CALM
                                                     : load_draw(&random, SIM_FAULT_PROFILE_COUNT);
    const uint32_t profile = options->profile != SIM_FAULT_PROFILE_COUNT ? options->profile : drawn;

    *ret_result = (struct load_result){0};
    run_open(run, options, (enum sim_fault_profile)profile, &random);
    run->began_ns = sim_world_now_ns(run->world);
    run->faults = NULL;
    for (uint32_t i = 0; i < run->count && !run->failed; i++) {
        load_prepare(&run->loads[i]);
    }
    run_draw_faults(run, options, (enum sim_fault_profile)profile, &random);
    if (!run->failed) {
        run_live(run, ret_result);
    }
    for (uint32_t i = 0; i < run->count; i++) {
        load_take_result(&run->loads[i], ret_result);
    }
    ret_result->fine = !run->failed;
    ret_result->oracle = run->oracle;
    ret_result->hash = sim_world_hash(run->world);
    ret_result->virtual_ns = sim_world_now_ns(run->world) - run->began_ns;
    ret_result->fault_kinds = sim_faults_kinds(run->faults);
    ret_result->engine = run->loads[0].durable ? LOAD_ENGINE_LOG : LOAD_ENGINE_MEMORY;
    ret_result->profile = profile;
    ret_result->sync = run->loads[0].sync;
    ret_result->cores = run->loads[0].cores;
    if (run->failed) {
        run_print_failure(run, options);
    }
    sim_world_profile(run->world)->hooks = (struct sim_hooks){0}; // which look at all nodes
    for (uint32_t i = 0; i < run->count; i++) {
        load_close(&run->loads[i]);
    }
    if (!run->failed) {
        sim_world_close(run->world);
    }
    sim_faults_close(run->faults);
    free(run->loads);
    free(run);
}
