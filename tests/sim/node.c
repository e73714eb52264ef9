// One simulated node under a random workload: real cores on a simulated network, with all that
// clients do.
//
//     sim_node                          the short form: SHORT_SEEDS seeds
//     sim_node --seeds A..B [--cores C] [--verbose]
//     sim_node --seed N [--cores C]
//
// A seed decides everything; without --cores it decides their number too. What is held against the
// node, by whom:
//
//     node_session.c  replies come in the order of the requests, each of the right shape; who hangs
//                     up, and when
//     node_check.c    every object's history is linearizable; MSET and its kin all or nothing
//     sim_rldb.c      no core sleeps with work; nothing is left when everyone has gone
//     node.c          all ends in bounded time; the same seed makes the same trace
#include "cluster/client.h"
#include "core/check.h"
#include "ring/slot.h"
#include "tests/sim/node_load.h"
#include "tests/sim/sim_internal.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum {
    SHORT_SEEDS = 300,
    AGAIN_EVERY = 25, // seeds that are run a second time, for the same trace
};

static const uint64_t ms = 1000 * 1000;
static const uint64_t second_ns = UINT64_C(1000000000);

struct run_options {
    uint64_t first;
    uint64_t last;
    uint32_t cores; // 0: the seed says
    bool verbose;
};

struct totals {
    uint64_t runs;
    uint64_t requests;
    uint64_t operations;
    uint64_t undecided;
    uint64_t hops;
    uint64_t gate_waits;
    uint64_t multis;
    uint64_t hung_up;
    uint64_t output_limit;
    uint64_t dozes;
    uint64_t refused;
    uint64_t flags_seen;
    uint64_t virtual_ns;
};

void load_fail(struct load *load, const char *format, ...)
{
    va_list arguments;

    if (load->failed) {
        return;
    }
    load->failed = true;
    va_start(arguments, format);
    (void)vsnprintf(load->failure, sizeof load->failure, format, arguments);
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
        .output_max = load_chance(random, 80),
        .idle_timeout = load_chance(random, 60),
        .stop_early = load_chance(random, 250),
        .few_buffers = load_chance(random, 200),
        .wide_groups = load_chance(random, 300),
    };
}

static void load_start_node(struct load *load)
{
    const struct load_features *const features = &load->features;
    static const uint32_t sizes[] = {64, 300, 1024, 4096, 16384};
    struct io_uring_options options = {64, 256, sizes[load_draw(&load->random, 5)]};
    char config[512];

    if (features->few_buffers) {
        options.buffer_count = 2 + load_draw(&load->random, 8);
    }
    (void)snprintf(config, sizeof config,
                   "listen: { client: [ '10.0.0.1:%d', 'unix:/rldb.sock' ] }\n"
                   "auth: { insecure: true }\n"
                   "storage: { engine: memory }\n"
                   "clients: { max: %d, output_max: %s, idle_timeout: %s }\n",
                   LOAD_PORT, features->max_clients ? 3 : 1000,
                   features->output_max ? "64KiB" : "128MiB", features->idle_timeout ? "1s" : "0");
    load->rldb = sim_rldb_start(load->world, "10.0.0.1", load->cores, config, &options);
    for (uint32_t i = 0; i < LOAD_STABLE_KEYS; i++) {
        load->stable_core[i] = load_core_of(load, load->stable[i]);
    }
}

static struct sim_profile load_profile(struct random *random)
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

static void load_stop(void *context)
{
    struct load *const load = context;

    load->stopping = true;
    sim_rldb_stop(load->rldb);
}

static void load_run_sessions(struct load *load)
{
    const uint64_t now_ns = sim_world_now_ns(load->world);

    load->session_count = 2 + load_draw(&load->random, LOAD_SESSIONS_MAX - 2);
    for (uint32_t i = 0; i < load->session_count; i++) {
        session_open(load, &load->sessions[i], i);
        session_start(&load->sessions[i]);
    }
    if (load->features.stop_early) {
        sim_world_at(load->world, now_ns + random_below(&load->random, 60 * ms), load_stop, load);
    }
    if (sim_world_run(load->world, now_ns + 60 * second_ns, sessions_done, load)) {
        return;
    }
    for (uint32_t i = 0; i < load->session_count; i++) {
        if (!load->sessions[i].done) {
            load_fail(load, "session %u is stuck after a minute", i);
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
    (void)session_drive(&last);
    session_close(&last);
}

static bool load_idle(void *context)
{
    struct load *const load = context;

    return sim_rldb_left_over(load->rldb) == NULL;
}

static void load_finish_node(struct load *load)
{
    uint64_t until_ns = sim_world_now_ns(load->world) + 5 * second_ns;

    if (!load->stopping) {
        if (!sim_world_run(load->world, until_ns, load_idle, load)) {
            load_fail(load, "left over: %s", sim_rldb_left_over(load->rldb));
            return;
        }
        // Nothing is there to do but to reap what expired: what is sleeping stays asleep.
        sim_world_run_until(load->world, until_ns);
        const uint64_t turns = sim_rldb_turns(load->rldb);

        sim_world_run_until(load->world, until_ns + second_ns);
        if (sim_rldb_turns(load->rldb) - turns > 20ULL * load->cores) {
            load_fail(load, "an idle node takes %" PRIu64 " turns a second",
                      sim_rldb_turns(load->rldb) - turns);
        }
        load_stop(load);
        until_ns = sim_world_now_ns(load->world) + 5 * second_ns;
    }
    if (!sim_world_run(load->world, until_ns, sim_rldb_stopped, load->rldb)) {
        load_fail(load, "the node has not stopped after five seconds");
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

static void load_check_histories(struct load *load, struct totals *totals)
{
    struct model_op *const ops = sim_allocate((load->op_count + 1) * sizeof *ops);

    for (uint32_t object = 0; object < load->object_count && !load->failed; object++) {
        const uint32_t count = load_history(load, object, ops);

        totals->operations += count;
        switch (model_check(load->values, ops, count, load->cores == 1)) {
        case MODEL_FINE:
            break;
        case MODEL_UNDECIDED:
            totals->undecided++;
            break;
        case MODEL_WRONG:
            load_fail(load, "no order explains what was seen of %s and its kin",
                      load->objects[object].names[0]);
            load_print_history(load, ops, count);
            break;
        }
    }
    free(ops);
}

static void load_count(const struct load *load, struct totals *totals)
{
    totals->runs++;
    totals->requests += load->requests;
    totals->refused += load->refused;
    totals->hung_up += load->ended_by_node;
    totals->flags_seen |= sim_rldb_flags_seen(load->rldb);
    totals->virtual_ns += sim_world_now_ns(load->world);
    for (uint32_t i = 0; i < load->cores; i++) {
        const struct shard *const shard = sim_rldb_shard(load->rldb, i);
        const struct stats *const stats = &shard->stats;

        totals->dozes += shard->reactor.metrics.dozes;
        totals->hops += stats->hops_sent;
        totals->gate_waits += stats->gate_waits;
        totals->multis += stats->multis;
        totals->output_limit += stats->output_limit_disconnections;
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
    (void)fprintf(stderr, "  client %" PRIu64 " at core %u: flags %x, pending %u (%d), out %zu\n",
                  client->id, client->shard->index, client->flags, client->pending_count,
                  client->pending_first != NULL ? client->pending_first->kind : -1,
                  client->out.bytes);
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

// True when all is well; the trace's hash.
static bool run_seed(const struct run_options *options, uint64_t seed, struct totals *totals,
                     uint64_t *ret_hash)
{
    struct load *const load = sim_allocate(sizeof *load);

    load->seed = seed;
    load->verbose = options->verbose;
    random_seed(&load->random, seed);
    load_draw_features(load);
    load->cores = 1 + load_draw(&load->random, 4);
    load->cores = options->cores != 0 ? options->cores : load->cores;
    const struct sim_profile profile = load_profile(&load->random);

    load->world = sim_world_open(seed, &profile);
    load->values = model_values_open();
    load_make_objects(load);
    load_start_node(load);
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
        load_check_histories(load, totals);
    }
    *ret_hash = sim_world_hash(load->world);
    load_count(load, totals);
    const bool fine = !load->failed;

    if (!fine) {
        (void)fprintf(stderr, "seed %" PRIu64 ", %u cores: %s\n", seed, load->cores, load->failure);
        load_explain(load);
        (void)fprintf(stderr, "replay: sim_node --seed %" PRIu64, seed);
        (void)fprintf(stderr, options->cores != 0 ? " --cores %u\n" : "\n", options->cores);
    }
    for (uint32_t i = 0; i < load->session_count; i++) {
        session_close(&load->sessions[i]);
    }
    if (fine) {
        sim_rldb_close(load->rldb);
        sim_world_close(load->world);
    }
    load_free_objects(load);
    free(load->ops);
    model_values_close(load->values);
    free(load);
    return fine;
}

static bool run_again(const struct run_options *options, uint64_t seed, uint64_t hash)
{
    struct totals unused = {0};
    uint64_t again = 0;

    if (!run_seed(options, seed, &unused, &again)) {
        return false;
    }
    if (again != hash) {
        (void)fprintf(stderr,
                      "seed %" PRIu64 ": two runs, two traces: %016" PRIx64 " and %016" PRIx64 "\n",
                      seed, hash, again);
    }
    return again == hash;
}

static bool run_seeds(const struct run_options *options, struct totals *totals)
{
    for (uint64_t seed = options->first; seed <= options->last; seed++) {
        uint64_t hash = 0;

        if (options->verbose) {
            (void)fprintf(stderr, "seed %" PRIu64 "\n", seed);
        }
        if (!run_seed(options, seed, totals, &hash) ||
            ((seed % AGAIN_EVERY == 0 || options->first == options->last) &&
             !run_again(options, seed, hash))) {
            return false;
        }
    }
    return true;
}

static bool parse_number(const char *text, uint64_t *ret_number, const char **ret_rest)
{
    char *end = NULL;

    *ret_number = strtoull(text, &end, 10);
    *ret_rest = end;
    return end != text;
}

static bool parse_options(int argc, char **argv, struct run_options *options)
{
    const char *rest = NULL;
    uint64_t number = 0;

    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--verbose") == 0) {
            options->verbose = true;
            continue;
        }
        if (i + 1 == argc || !parse_number(argv[i + 1], &number, &rest)) {
            return false;
        }
        if (strcmp(argv[i], "--seed") == 0 || strcmp(argv[i], "--seeds") == 0) {
            options->first = options->last = number;
            if (strncmp(rest, "..", 2) == 0 && !parse_number(rest + 2, &options->last, &rest)) {
                return false;
            }
        } else if (strcmp(argv[i], "--cores") == 0) {
            options->cores = (uint32_t)number;
        } else {
            return false;
        }
        if (*rest != '\0') {
            return false;
        }
        i++;
    }
    return options->cores <= 8;
}

int main(int argc, char **argv)
{
    struct run_options options = {.first = 1, .last = SHORT_SEEDS};
    struct totals totals = {0};

    if (!parse_options(argc, argv, &options)) {
        (void)fprintf(stderr,
                      "usage: sim_node [--seed N | --seeds A..B] [--cores C] [--verbose]\n");
        return 2;
    }
    const bool fine = run_seeds(&options, &totals);

    (void)printf("runs %" PRIu64 ", requests %" PRIu64 ", operations checked %" PRIu64
                 ", undecided %" PRIu64 "; hops %" PRIu64 ", over several keys %" PRIu64
                 ", waits at gates %" PRIu64 ", hung up %" PRIu64 ", over output_max %" PRIu64
                 ", refused %" PRIu64 ", dozes %" PRIu64 ", flags %" PRIx64 "\n",
                 totals.runs, totals.requests, totals.operations, totals.undecided, totals.hops,
                 totals.multis, totals.gate_waits, totals.hung_up, totals.output_limit,
                 totals.refused, totals.dozes, totals.flags_seen);
    (void)fflush(stdout);
    if (!fine) {
        _exit(1); // a world that stopped in the middle has not given back its memory
    }
    return 0;
}
