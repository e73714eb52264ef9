#include "tests/sim/sim_rldb.h"

#include "cluster/client.h"
#include "cluster/multi.h"
#include "cluster/settings.h"
#include "core/check.h"
#include "core/memory.h"
#include "engines/memory.h"
#include "tests/sim/sim_internal.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum {
    // A batch more than its bound, and the commands over several keys that ended in the turn.
    TURN_COMMANDS_MAX = LIMIT_REQUESTS_A_TURN + LIMIT_BATCH + LIMIT_MULTIS,
    // What a turn of background work may let go of.
    TURN_BYTES_MAX = LIMIT_BACKGROUND_BYTES + 2 * LARGE_RECORD_BYTES,
    // A large one is little work for many bytes: so many records are no slice whatever their size.
    TURN_RECORDS_FREE = LIMIT_BACKGROUND_BYTES / 1024,
};

struct sim_rldb_core {
    struct sim_rldb *rldb;
    struct io *io;
    struct shard *shard;
    uint64_t commands;   // after the turn before
    uint64_t live_bytes; //
    uint64_t evicted;
    uint64_t records;
    uint64_t engine_bytes; // that its engine had taken when it was last looked at
};

struct sim_rldb {
    struct sim_world *world;
    struct sim_node *machine;
    struct io *io; // of the program's main thread
    struct node *node;
    int descriptors; // open when it began to listen
    struct sim_rldb_core cores[LIMIT_SHARDS];
    uint32_t flags_seen;
    uint32_t credits; // towards each core at the start
    uint32_t shards;
    char *config;
    struct io_uring_options options;
    struct sim_rldb_bounds bounds;
    sim_violation_fn *violation;
    void *context;
    char text[256];
};

static void rldb_fail(const char *what, const char *why)
{
    (void)fprintf(stderr, "sim_rldb: %s: %s\n", what, why);
    abort();
}

// Oracles over cores ----------------------------------------------------------------------------

static bool shard_holds_work(const struct shard *shard)
{
    return shard->received.first != NULL || shard->granted.first != NULL ||
           shard->parts_granted != NULL || shard->work.first != NULL ||
           shard->ready_first != NULL || shard->flush_first != NULL;
}

static bool shard_has_mail(const struct shard *shard)
{
    for (uint32_t from = 0; from < shard->node->shard_count; from++) {
        if (from != shard->index && spsc_ready(node_queue(shard->node, from, shard->index))) {
            return true;
        }
    }
    return false;
}

static void rldb_violation(const struct sim_rldb *rldb, enum sim_oracle oracle, const char *text)
{
    if (rldb->violation == NULL) {
        rldb_fail(sim_oracle_name(oracle), text);
    }
    rldb->violation(rldb->context, oracle, text);
}

// A flag that is down while its core sleeps was taken by somebody, whose wake is on its way.
static void rldb_check_sleepers(const struct sim_rldb *rldb)
{
    for (uint32_t i = 0; i < rldb->node->shard_count; i++) {
        const struct shard *const shard = rldb->cores[i].shard;

        if (!shard->reactor.asleep) {
            continue;
        }
        if (shard_holds_work(shard)) {
            rldb_violation(rldb, SIM_ORACLE_SLEEP, "a core sleeps with work in its hands");
        }
        if (shard_has_mail(shard) && atomic_load(&shard->sleep_flag.asleep) != 0) {
            rldb_violation(rldb, SIM_ORACLE_SLEEP,
                           "a core sleeps with messages in its inbox and nobody to wake it");
        }
    }
}

// After a turn what a client has not read is inside its bound, or the client on its way out.
static void core_check_clients(const struct sim_rldb_core *core)
{
    const uint64_t most = core->shard->config.clients.output_max_bytes;

    for (const struct client *at = core->shard->clients; at != NULL; at = at->next) {
        core->rldb->flags_seen |= at->flags;
        if (at->out.bytes > most && (at->flags & CLIENT_CLOSING) == 0) {
            rldb_violation(core->rldb, SIM_ORACLE_MEMORY,
                           "a client has more unread replies than clients.output_max");
        }
    }
}

// `quiet`: nothing was there to do for anybody but the engine.
static void core_check_engine(struct sim_rldb_core *core, bool quiet)
{
    const uint64_t commands = core->shard->stats.commands - core->commands;
    const uint64_t most = settings_memory_share_bytes(core->shard);
    struct engine_stats stats;

    engine_stats(core->shard->engine, &stats);
    const uint64_t bytes = stats.data_bytes + stats.index_bytes;

    // What is there when the bound is lowered below it goes in steps, and does not grow meanwhile.
    if (bytes > most && bytes > core->engine_bytes) {
        rldb_violation(core->rldb, SIM_ORACLE_MEMORY, "the engine took more than its memory_max");
    }
    if (core->shard->stats.commands > core->commands && commands > TURN_COMMANDS_MAX) {
        rldb_violation(core->rldb, SIM_ORACLE_SLICE, "more commands in a turn than its bound");
    }
    // What is evicted goes by whole segments, which is little work for many bytes.
    if (quiet && commands == 0 && stats.evicted == core->evicted &&
        core->live_bytes > stats.live_bytes + TURN_BYTES_MAX &&
        core->records > stats.records + TURN_RECORDS_FREE) {
        rldb_violation(core->rldb, SIM_ORACLE_SLICE,
                       "a turn of nothing but background work let go of more than a slice of data");
    }
    core->commands = core->shard->stats.commands;
    core->live_bytes = stats.live_bytes;
    core->engine_bytes = bytes;
    core->evicted = stats.evicted;
    core->records = stats.records;
}

static void core_step(void *context)
{
    struct sim_rldb_core *const core = context;
    const struct sim_counts *const counts = sim_world_counts(core->rldb->world);
    const uint64_t interleaved = counts->interleaved;
    const bool quiet = !shard_has_mail(core->shard) && !shard_holds_work(core->shard);

    reactor_turn(&core->shard->reactor);
    if (core->shard->reactor.stopped) {
        sim_core_run(core->io, NULL, NULL);
    }
    rldb_check_sleepers(core->rldb);
    core_check_clients(core);
    core_check_engine(core, quiet && counts->interleaved == interleaved);
}

static bool rldb_left(struct sim_rldb *rldb, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

static bool rldb_left(struct sim_rldb *rldb, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    (void)vsnprintf(rldb->text, sizeof rldb->text, format, arguments);
    va_end(arguments);
    return true;
}

static bool shard_left_over(struct sim_rldb *rldb, const struct shard *shard)
{
    const uint32_t at = shard->index;

    if (shard->client_count != 0 || shard->clients != NULL || shard->clients_pool.taken != 0) {
        return rldb_left(rldb, "core %u: %u clients, %u of the pool", at, shard->client_count,
                         shard->clients_pool.taken);
    }
    if (shard->hops.taken != 0) {
        return rldb_left(rldb, "core %u: %u hops", at, shard->hops.taken);
    }
    if (shard->held_bytes != 0) {
        return rldb_left(rldb, "core %u: %zu bytes of replies held", at, shard->held_bytes);
    }
    if (gate_any(shard->gates)) {
        return rldb_left(rldb, "core %u: %u gates taken, %u groups", at, shard->gates->taken,
                         shard->gates->groups);
    }
    if (shard->multis != 0) {
        return rldb_left(rldb, "core %u: %u commands over several keys", at, shard->multis);
    }
    if (shard->starved_first != NULL || shard_holds_work(shard) || shard_has_mail(shard)) {
        return rldb_left(rldb, "core %u: work in its lists or inbox", at);
    }
    for (uint32_t to = 0; to < shard->node->shard_count; to++) {
        if (shard->credits[to] != rldb->credits) {
            return rldb_left(rldb, "core %u: %u of %u credits towards core %u", at,
                             shard->credits[to], rldb->credits, to);
        }
    }
    if (shard->stats.input_gathered_bytes != 0) {
        return rldb_left(rldb, "core %u: %llu bytes of input", at,
                         (unsigned long long)shard->stats.input_gathered_bytes);
    }
    if (shard->client_memory.held_bytes != 0 || shard->client_memory.leaving_bytes != 0 ||
        shard->client_memory.used != 0) {
        return rldb_left(rldb, "core %u: clients hold %llu bytes, %llu of them leaving", at,
                         (unsigned long long)shard->client_memory.held_bytes,
                         (unsigned long long)shard->client_memory.leaving_bytes);
    }
    if (shard->discarded.head != NULL) {
        return rldb_left(rldb, "core %u: replies that nobody wants", at);
    }
    if (sim_core_buffers_leased(shard->io) != 0) {
        return rldb_left(rldb, "core %u: %u receive buffers leased", at,
                         sim_core_buffers_leased(shard->io));
    }
    return false;
}

const char *sim_rldb_left_over(struct sim_rldb *rldb)
{
    for (uint32_t i = 0; i < rldb->node->shard_count; i++) {
        if (shard_left_over(rldb, rldb->cores[i].shard)) {
            return rldb->text;
        }
    }
    const int descriptors = sim_node_descriptors(rldb->machine);

    // An engine with files opens more of them as it needs.
    if (descriptors != rldb->descriptors && !node_is_durable(rldb->node)) {
        (void)rldb_left(rldb, "%d descriptors, %d at the start", descriptors, rldb->descriptors);
        return rldb->text;
    }
    return NULL;
}

// Life -------------------------------------------------------------------------------------------

static void stop_later(void *context)
{
    sim_rldb_stop(context);
}

static void request_stop(void *context) // SHUTDOWN, in a core's step
{
    struct sim_rldb *const rldb = context;

    sim_world_at(rldb->world, sim_world_now_ns(rldb->world), stop_later, rldb);
}

static void rldb_configure(const char *text, struct config *ret_config)
{
    struct config_error error;

    if (config_parse("sim", text, strlen(text), ret_config, &error) < 0) {
        rldb_fail("configuration", error.text);
    }
}

// The process begins: what rldbd's main does.
static void rldb_boot(struct sim_rldb *rldb)
{
    static const struct io_uring_options main_options = {8, 1, 4096};
    struct config *const config = sim_allocate(sizeof *config);
    struct cpu_facts *const facts = sim_allocate(sizeof *facts);
    char error[NODE_ERROR_BYTES];

    facts->memory_bytes = UINT64_C(1) << 32;
    rldb_configure(rldb->config, config);
    rldb->credits = LIMIT_MESSAGES_OUT;
    rldb->io = sim_core_open(rldb->machine, &main_options);
    if (node_open(config, facts, rldb->shards, rldb->io, &rldb->node, error) < 0) {
        rldb_fail("node_open", error);
    }
    if (node_settle(rldb->node, rldb->io, error) < 0) {
        rldb_fail("node_settle", error);
    }
    rldb->node->request_stop = request_stop;
    rldb->node->request_stop_context = rldb;
    for (uint32_t i = 0; i < rldb->shards; i++) {
        struct sim_rldb_core *const core = &rldb->cores[i];

        *core = (struct sim_rldb_core){.rldb = rldb};
        core->io = sim_core_open(rldb->machine, &rldb->options);
        if (shard_open(rldb->node, i, core->io, &core->shard, error) < 0) {
            rldb_fail("shard_open", error);
        }
    }
    for (uint32_t i = 0; i < rldb->shards; i++) {
        if (shard_listen(rldb->cores[i].shard, error) < 0) {
            rldb_fail("shard_listen", error);
        }
    }
    rldb->descriptors = sim_node_descriptors(rldb->machine);
    for (uint32_t i = 0; i < rldb->shards; i++) {
        sim_core_run(rldb->cores[i].io, core_step, &rldb->cores[i]);
    }
    free(config);
    free(facts);
}

struct sim_rldb *sim_rldb_start(struct sim_world *world, const char *ip, uint32_t shards,
                                const char *config_text, const struct io_uring_options *options)
{
    struct sim_rldb *const rldb = sim_allocate(sizeof *rldb);

    CHECK(shards >= 1 && shards <= LIMIT_SHARDS);
    rldb->world = world;
    rldb->machine = sim_node_add(world, ip);
    rldb->shards = shards;
    rldb->config = strdup(config_text);
    rldb->options = *options;
    CHECK(rldb->config != NULL);
    rldb_boot(rldb);
    return rldb;
}

// What a process leaves of a core, whose io is gone. Its clients' memory is in pools, but for what
// they have to send and have gathered.
static void shard_abandon(struct shard *shard)
{
    for (struct client *at = shard->clients; at != NULL; at = at->next) {
        at->out.sending = false;
        outbuf_clear(&at->out, &shard->outbufs);
    }
    memory_free(shard->gates); // taken, some of them
    shard->gates = NULL;
    shard->clients = NULL;
    shard->clients_pool.taken = 0;
    shard->hops.taken = 0;
    shard_close(shard);
}

void sim_rldb_kill(struct sim_rldb *rldb, enum sim_stop how)
{
    sim_node_stop(rldb->machine, how);
    for (uint32_t i = 0; i < rldb->shards; i++) {
        shard_abandon(rldb->cores[i].shard);
    }
    node_close(rldb->node);
    rldb->node = NULL;
}

void sim_rldb_restart(struct sim_rldb *rldb)
{
    CHECK(!sim_rldb_up(rldb));
    rldb_boot(rldb);
    sim_rldb_bound(rldb, &rldb->bounds);
}

bool sim_rldb_up(const struct sim_rldb *rldb)
{
    return rldb->node != NULL;
}

void sim_rldb_watch(struct sim_rldb *rldb, sim_violation_fn *violation, void *context)
{
    rldb->violation = violation;
    rldb->context = context;
}

void sim_rldb_bound(struct sim_rldb *rldb, const struct sim_rldb_bounds *bounds)
{
    rldb->bounds = *bounds;
    rldb->credits = bounds->credits != 0 ? bounds->credits : rldb->credits;
    for (uint32_t i = 0; i < rldb->node->shard_count; i++) {
        struct shard *const shard = rldb->cores[i].shard;

        for (uint32_t to = 0; to < rldb->node->shard_count; to++) {
            shard->credits[to] = rldb->credits;
        }
        if (bounds->hops != 0) {
            shard->hops.objects_max = bounds->hops;
        }
    }
}

struct node *sim_rldb_node(struct sim_rldb *rldb)
{
    return rldb->node;
}

struct shard *sim_rldb_shard(struct sim_rldb *rldb, uint32_t index)
{
    CHECK(index < rldb->node->shard_count);
    return rldb->cores[index].shard;
}

struct sim_node *sim_rldb_machine(struct sim_rldb *rldb)
{
    return rldb->machine;
}

void sim_rldb_hang(struct sim_rldb *rldb, uint32_t index, bool hang)
{
    struct sim_rldb_core *const core = &rldb->cores[index];

    if (!core->shard->reactor.stopped) {
        sim_core_run(core->io, hang ? NULL : core_step, core);
    }
}

void sim_rldb_stop(struct sim_rldb *rldb)
{
    node_stop(rldb->node, rldb->io);
    io_turn(rldb->io, 0); // sends the wakes
}

bool sim_rldb_stopped(void *context)
{
    const struct sim_rldb *const rldb = context;

    for (uint32_t i = 0; i < rldb->node->shard_count; i++) {
        if (!rldb->cores[i].shard->reactor.stopped) {
            return false;
        }
    }
    return true;
}

uint64_t sim_rldb_turns(const struct sim_rldb *rldb)
{
    uint64_t turns = 0;

    for (uint32_t i = 0; i < rldb->node->shard_count; i++) {
        turns += rldb->cores[i].shard->reactor.metrics.turns;
    }
    return turns;
}

uint32_t sim_rldb_flags_seen(const struct sim_rldb *rldb)
{
    return rldb->flags_seen;
}

void sim_rldb_close(struct sim_rldb *rldb)
{
    if (sim_rldb_up(rldb)) {
        CHECK(sim_rldb_stopped(rldb));
        for (uint32_t i = 0; i < rldb->shards; i++) {
            shard_close_listeners(rldb->cores[i].shard);
        }
        for (uint32_t i = 0; i < rldb->shards; i++) {
            shard_close(rldb->cores[i].shard);
            io_destroy(rldb->cores[i].io);
        }
        node_close(rldb->node);
        io_destroy(rldb->io);
    }
    free(rldb->config);
    free(rldb);
}
