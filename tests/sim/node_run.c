// A run: the node of one seed, its sessions, and the oracles at its end.
#include "cluster/client.h"
#include "core/check.h"
#include "ring/slot.h"
#include "tests/sim/node_load.h"
#include "tests/sim/sim_internal.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum {
    IDLE_TURNS_MAX = 40,    // of a core in a second: it looks for expired keys ten times
    RUN_S_MAX = 40,         // virtual
    FROZEN_RUN_S_MAX = 150, // a frozen reader stays for up to 90 s
    LIMITED_MIB = 3,        // of memory for a core, where there is little
    ALONE_MIB = 4,          // for the only one, which has twice as many vnodes as each of two
};

static const uint64_t ms = 1000 * 1000;
static const uint64_t second_ns = UINT64_C(1000000000);

void load_fail(struct load *load, enum sim_oracle oracle, const char *format, ...)
{
    va_list arguments;

    if (load->failed) {
        return;
    }
    load->failed = true;
    const int size =
        snprintf(load->failure, sizeof load->failure, "oracle %s: ", sim_oracle_name(oracle));

    va_start(arguments, format);
    (void)vsnprintf(load->failure + size, sizeof load->failure - (size_t)size, format, arguments);
    va_end(arguments);
}

uint32_t load_core_of(const struct load *load, const char *key)
{
    const struct node *const node = sim_rldb_node(load->rldb);

    return placement_of_slot(node->placement, slot_of_key(slice_from_text(key))).core;
}

// Setting up --------------------------------------------------------------------------------------

static void load_draw_features(struct load *load)
{
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
        .outages = load_chance(random, 150),
    };
    if (load->features.limited) {
        load->eviction = load_draw(random, EVICTION_TTL + 1);
        load->features.evicts = load->eviction != EVICTION_REFUSE;
        load->features.flush = false; // what is gone was evicted, then
    }
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

static void load_start_node(struct load *load)
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
                   "listen: { client: [ '10.0.0.1:%d', 'unix:/rldb.sock' ] }\n"
                   "auth: { insecure: true }\n"
                   "storage: { engine: memory, memory_max: %uMiB, eviction: %s }\n"
                   "clients: { max: %d, output_max: %s, idle_timeout: %s }\n",
                   LOAD_PORT, features->limited ? limited_mib : 1024, evictions[load->eviction],
                   features->max_clients ? 3 : 1000, features->output_max ? "64KiB" : "128MiB",
                   features->idle_timeout ? "1s" : "0");
    load->rldb = sim_rldb_start(load->world, "10.0.0.1", load->cores, config, &options);
    sim_rldb_watch(load->rldb, load_violation, load);
    for (uint32_t i = 0; i < LOAD_STABLE_KEYS; i++) {
        load->stable_core[i] = load_core_of(load, load->stable[i]);
    }
}

static uint64_t load_network_delay(void *context, const struct sim_node *from,
                                   const struct sim_node *to, uint64_t delay_ns)
{
    const struct load *const load = context;

    (void)from;
    (void)to;
    return sim_world_now_ns(load->world) < load->outage_until_ns ? SIM_NEVER : delay_ns;
}

static struct sim_profile load_profile(struct load *load)
{
    struct sim_profile profile = sim_profile_default();
    struct random *const random = &load->random;

    profile.hooks = (struct sim_hooks){.context = load, .network_delay = load_network_delay};

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

// Keys that SCAN must find, and what the model begins with.
static void load_prepare(struct load *load)
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

// Running -----------------------------------------------------------------------------------------

static bool sessions_done(void *context)
{
    const struct load *const load = context;

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

static void load_outage(void *context)
{
    struct load *const load = context;

    load->outage_until_ns = sim_world_now_ns(load->world) + random_below(&load->random, 1500 * ms);
}

static void load_stop(void *context)
{
    struct load *const load = context;

    for (uint32_t i = 0; i < load->session_count; i++) {
        const struct session *const session = &load->sessions[i];

        load_mark(load, MARK_STOPPED_LOADED,
                  session->client != NULL && session->request_answered < session->request_sent);
    }
    load->stopping = true;
    sim_rldb_stop(load->rldb);
}

static void load_run_sessions(struct load *load)
{
    const uint64_t now_ns = sim_world_now_ns(load->world);
    const uint64_t time_ns = (load->features.frozen ? FROZEN_RUN_S_MAX : RUN_S_MAX) * second_ns;

    load->session_count = 2 + load_draw(&load->random, LOAD_SESSIONS_MAX - 2);
    for (uint32_t i = 0; i < load->session_count; i++) {
        session_open(load, &load->sessions[i], i);
        session_start(&load->sessions[i]);
    }
    if (load->features.stop_early) {
        sim_world_at(load->world, now_ns + random_below(&load->random, 60 * ms), load_stop, load);
    }
    if (load->features.outages) {
        sim_world_at(load->world, now_ns + random_below(&load->random, 20 * ms), load_outage, load);
    }
    if (sim_world_run(load->world, now_ns + time_ns, sessions_done, load)) {
        return;
    }
    for (uint32_t i = 0; i < load->session_count; i++) {
        if (!load->sessions[i].done) {
            load_fail(load, SIM_ORACLE_PROGRESS, "session %u is stuck", i);
        }
    }
}

static void load_read_back(struct load *load)
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

static void load_finish_node(struct load *load)
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

// Checking ----------------------------------------------------------------------------------------

static uint32_t load_history(const struct load *load, uint32_t object, struct model_op *ret_ops)
{
    uint32_t count = 0;

    for (uint32_t i = 0; i < load->op_count; i++) {
        if (load->ops[i].object == object && load->ops[i].op.invoked_ns != MODEL_NEVER) {
            ret_ops[count++] = load->ops[i].op;
        }
    }
    return count;
}

static int by_time(const void *a, const void *b)
{
    const struct model_op *const x = a;
    const struct model_op *const y = b;

    return x->invoked_ns < y->invoked_ns ? -1 : x->invoked_ns > y->invoked_ns;
}

static void load_print_history(const struct load *load, struct model_op *ops, uint32_t count)
{
    qsort(ops, count, sizeof *ops, by_time);
    for (uint32_t i = 0; i < count; i++) {
        model_print_op(stderr, load->values, &ops[i]);
    }
}

static void load_check_histories(struct load *load)
{
    const struct model_rules rules = {.in_order = load->cores == 1,
                                      .evicts = load->features.evicts,
                                      .refuses = load->features.scarce || load->features.limited};
    struct model_op *const ops = sim_allocate((load->op_count + 1) * sizeof *ops);

    for (uint32_t object = 0; object < load->object_count && !load->failed; object++) {
        const uint32_t count = load_history(load, object, ops);

        load->operations += count;
        switch (model_check(load->values, ops, count, &rules)) {
        case MODEL_FINE:
            break;
        case MODEL_UNDECIDED:
            load->undecided++;
            break;
        case MODEL_WRONG:
            load_fail(load, SIM_ORACLE_HISTORY, "no order explains what was seen of %s and its kin",
                      load->objects[object].names[0]);
            load_print_history(load, ops, count);
            break;
        }
    }
    free(ops);
}

static void load_mark_flags(struct load *load)
{
    const uint32_t seen = sim_rldb_flags_seen(load->rldb);

    load_mark(load, MARK_STARVED, seen & CLIENT_STARVED);
    load_mark(load, MARK_WINDOWED, seen & CLIENT_WINDOWED);
    load_mark(load, MARK_SHRUNK, seen & CLIENT_SHRUNK);
    load_mark(load, MARK_HELD, seen & CLIENT_HELD);
    load_mark(load, MARK_READ_PAUSED, seen & CLIENT_READ_PAUSED);
    load_mark(load, MARK_BEHIND, seen & CLIENT_BEHIND);
    load_mark(load, MARK_PAUSED, seen & CLIENT_PAUSED);
    load_mark(load, MARK_SILENT, seen & (CLIENT_REPLY_OFF | CLIENT_REPLY_SKIP));
}

static void load_mark_stats(struct load *load)
{
    const struct sim_counts *const counts = sim_world_counts(load->world);

    load_mark(load, MARK_INTERLEAVED, counts->interleaved != 0);
    load_mark(load, MARK_BUFFERS_OUT, counts->buffers_out != 0);
    load_mark(load, MARK_SEND_SHORT, counts->sends_short != 0);
    load_mark(load, MARK_LOST, counts->segments_lost != 0);
    for (uint32_t i = 0; i < load->cores; i++) {
        const struct shard *const shard = sim_rldb_shard(load->rldb, i);
        const struct stats *const stats = &shard->stats;
        struct engine_stats engine;

        engine_stats(shard->engine, &engine);
        load_mark(load, MARK_HOP, stats->hops_sent != 0);
        load_mark(load, MARK_GATE_WAIT, stats->gate_waits != 0);
        load_mark(load, load->features.frozen ? MARK_STUCK : MARK_OUTPUT_MAX,
                  stats->output_limit_disconnections != 0);
        load_mark(load, MARK_EXPIRED, engine.expired != 0);
        load_mark(load, MARK_CLEANED, engine.compacted_bytes != 0);
        if (load->features.evicts) {
            load_mark(load, MARK_EVICTED_LRU + load->eviction - EVICTION_LRU, engine.evicted != 0);
        }
    }
}

static void explain_session(const struct session *session)
{
    (void)fprintf(stderr,
                  "  session %u, connection %u, %s, end %d%s: %u made, %u sent, %u answered",
                  session->index, session->connection, session->client == NULL ? "closed" : "open",
                  session->end, session->reads_slowly ? ", slow" : "", session->request_count,
                  session->request_sent, session->request_answered);
    const uint32_t answered = session->request_answered;

    for (uint32_t i = answered < 3 ? 0 : answered - 3;
         i < session->request_sent && i < answered + 4; i++) {
        (void)fprintf(stderr, "%s%s", i == answered ? " / " : "; ", session->requests[i].what);
    }
    (void)fprintf(stderr, "\n");
}

static void explain_client(const struct client *client)
{
    if (client->gather)
        (void)fprintf(
            stderr, "  client %" PRIu64 " at core %u: flags %x, pending %u (%d), out %zu\n",
            client->id, client->shard->index, client->flags, client->pending_count,
            client->pending_first != NULL ? client->pending_first->kind : -1, client->out.bytes);
}

void load_explain(const struct load *load)
{
    for (uint32_t i = 0; i < load->session_count; i++) {
        if (!load->sessions[i].done) {
            explain_session(&load->sessions[i]);
        }
    }
    for (uint32_t i = 0; i < load->cores; i++) {
        const struct shard *const shard = sim_rldb_shard(load->rldb, i);

        for (const struct client *at = shard->clients; at != NULL; at = at->next) {
            explain_client(at);
        }
    }
}

// A run ---------------------------------------------------------------------------------------

static void load_print_failure(const struct load *load, const struct load_options *options)
{
    (void)fprintf(stderr, "%s\nseed %" PRIu64 ", %u cores\n", load->failure, load->seed,
                  load->cores);
    load_explain(load);
    (void)fprintf(stderr, "replay: sim_node --seed %" PRIu64, load->seed);
    (void)fprintf(stderr, options->cores != 0 ? " --cores %u\n" : "\n", options->cores);
}

static void load_live(struct load *load)
{
    load_prepare(load);
    if (!load->failed) {
        load_run_sessions(load);
    }
    if (!load->failed && !load->stopping) {
        load_read_back(load);
    }
    if (!load->failed) {
        load_finish_node(load);
    }
    if (!load->failed) {
        load_check_histories(load);
    }
}

static void load_take_result(struct load *load, struct load_result *ret_result)
{
    load_mark_flags(load);
    load_mark_stats(load);
    *ret_result = (struct load_result){
        .fine = !load->failed,
        .hash = sim_world_hash(load->world),
        .requests = load->requests,
        .operations = load->operations,
        .undecided = load->undecided,
        .virtual_ns = sim_world_now_ns(load->world) - load->began_ns,
    };
    memcpy(ret_result->marks, load->marks, sizeof load->marks);
}

void load_run(const struct load_options *options, struct load_result *ret_result)
{
    struct load *const load = sim_allocate(sizeof *load);

    load->seed = options->seed;
    load->verbose = options->verbose;
    random_seed(&load->random, load->seed);
    load_draw_features(load);
    load->cores = 1 + load_draw(&load->random, load->features.limited ? 2 : 4);
    load->cores = options->cores != 0 ? options->cores : load->cores;
    const struct sim_profile profile = load_profile(load);

    load->world = sim_world_open(load->seed, &profile);
    load->began_ns = sim_world_now_ns(load->world);
    load->values = model_values_open();
    load_make_objects(load);
    load_start_node(load);
    load_live(load);
    load_take_result(load, ret_result);
    if (load->failed) {
        load_print_failure(load, options);
    }
    for (uint32_t i = 0; i < load->session_count; i++) {
        session_close(&load->sessions[i]);
    }
    if (!load->failed) { // a world that stopped in the middle cannot be taken down
        sim_rldb_close(load->rldb);
        sim_world_close(load->world);
    }
    load_free_objects(load);
    free(load->ops);
    model_values_close(load->values);
    free(load);
}
