#include "tests/sim/sim_rldb.h"

#include "cluster/client.h"
#include "cluster/data_dir.h"
#include "cluster/http_server.h"
#include "cluster/multi.h"
#include "cluster/settings.h"
#include "core/check.h"
#include "core/memory.h"
#include "engines/log.h"
#include "engines/log_check.h"
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
    START_AGAIN_NS = 100 * 1000 * 1000, // as a supervisor does
};

struct sim_rldb_core {
    struct sim_rldb *rldb;
    struct io *io;
    struct shard *shard;     // NULL: not open
    struct sim_fiber *fiber; // that opens it
    bool hung;
    uint64_t commands;   // after the turn before
    uint64_t live_bytes; //
    uint64_t evicted;
    uint64_t records;
    uint64_t engine_bytes; // that its engine had taken when it was last looked at
};

enum rldb_state { RLDB_DOWN, RLDB_STARTING, RLDB_UP };

struct sim_rldb {
    struct sim_world *world;
    enum rldb_state state;
    struct sim_event event;  // the next step of a start
    struct sim_fiber *fiber; // that opens the node
    uint32_t opening;        // cores that are not open yet
    bool failed;             // to start
    bool repairs;            // before the next start
    bool beyond_repair;
    bool leaked;
    struct sim_rldb_hooks hooks;
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
    uint32_t index_buckets_log;
    sim_violation_fn *violation;
    void *context;
    char text[256];
    char error[NODE_ERROR_BYTES]; // of a start that failed
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

// Writes wait for room that is being made: what makes it is on its way, and its end wakes the core.
static bool core_waits_for_room(const struct sim_rldb_core *core)
{
    if (!core->shard->durable || !engine_stalled(core->shard->engine)) {
        return false;
    }
    for (const struct sim_op *op = sim_core_of(core->io)->ops; op != NULL; op = op->next_all) {
        if (op->op != NULL && op->verb > SIM_CONNECT && op->verb <= SIM_CLOSE) {
            return true;
        }
    }
    return false;
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
        if (shard_holds_work(shard) && !core_waits_for_room(&rldb->cores[i])) {
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

// The log engine's is its cache, and the index.
static uint64_t core_memory_max(const struct shard *shard, const struct engine_stats *stats)
{
    enum { ENTRY_BYTES_MAX = 64, TABLE_BYTES = 16 * 1024, CACHE_BYTES_LEAST = 256 * 1024 };

    if (!shard->durable) {
        return settings_memory_share_bytes(shard);
    }
    const uint64_t share = settings_cache_share_bytes(shard);

    return (share < CACHE_BYTES_LEAST ? CACHE_BYTES_LEAST : share) + 64 * 1024 +
           stats->records * ENTRY_BYTES_MAX + (uint64_t)(shard->vnode_count + 1) * TABLE_BYTES;
}

// `quiet`: nothing was there to do for anybody but the engine.
static void core_check_engine(struct sim_rldb_core *core, bool quiet)
{
    const uint64_t commands = core->shard->stats.commands - core->commands;
    struct engine_stats stats;

    engine_stats(core->shard->engine, &stats);
    const uint64_t most = core_memory_max(core->shard, &stats);
    const uint64_t bytes = stats.data_bytes + stats.index_bytes;

    // What is there when the bound is lowered below it goes in steps, and does not grow meanwhile.
    if (bytes > most && bytes > core->engine_bytes) {
        rldb_violation(core->rldb, SIM_ORACLE_MEMORY, "the engine took more than its memory_max");
    }
    if (core->shard->stats.commands > core->commands && commands > TURN_COMMANDS_MAX) {
        rldb_violation(core->rldb, SIM_ORACLE_SLICE, "more commands in a turn than its bound");
    }
    // What is evicted goes by whole segments, which is little work for many bytes.
    if (quiet && commands == 0 && !core->shard->durable && stats.evicted == core->evicted &&
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

// Starting ---------------------------------------------------------------------------------------

static void boot_next(struct sim_rldb *rldb, sim_run_fn *run)
{
    rldb->event.run = run;
    rldb->event.owner = rldb;
    sim_schedule(rldb->world, &rldb->event, rldb->world->now_ns);
}

static void boot_again(void *owner)
{
    sim_rldb_restart(owner);
}

// The process has ended with an error. It is started again a while later, where it may be.
static void boot_failed(void *owner)
{
    struct sim_rldb *const rldb = owner;

    if (rldb->hooks.failed == NULL) {
        rldb_fail("start", rldb->error);
    }
    sim_trace(rldb->world, "start failed", rldb->machine->index, 0, 0);
    sim_world_say(rldb->world, "node %u does not start: %s", rldb->machine->index, rldb->error);
    sim_rldb_kill(rldb, SIM_KILL);
    if (rldb->hooks.failed(rldb->hooks.context, rldb->error)) {
        rldb->event.run = boot_again;
        sim_schedule(rldb->world, &rldb->event, rldb->world->now_ns + START_AGAIN_NS);
    }
}

static void boot_close_fibers(struct sim_rldb *rldb)
{
    if (rldb->fiber != NULL) {
        sim_fiber_close(rldb->fiber);
        rldb->fiber = NULL;
    }
    for (uint32_t i = 0; i < rldb->shards; i++) {
        if (rldb->cores[i].fiber != NULL) {
            sim_fiber_close(rldb->cores[i].fiber);
            rldb->cores[i].fiber = NULL;
        }
    }
}

// All cores are open: they listen, then run.
static void boot_serve(void *owner)
{
    struct sim_rldb *const rldb = owner;

    for (uint32_t i = 0; i < rldb->shards && !rldb->failed; i++) {
        rldb->failed = shard_listen(rldb->cores[i].shard, rldb->error) < 0;
    }
    if (rldb->failed) {
        boot_failed(rldb);
        return;
    }
    boot_close_fibers(rldb);
    rldb->descriptors = sim_node_descriptors(rldb->machine);
    rldb->state = RLDB_UP;
    sim_rldb_bound(rldb, &rldb->bounds);
    for (uint32_t i = 0; i < rldb->shards; i++) {
        if (!rldb->cores[i].hung) {
            sim_core_run(rldb->cores[i].io, core_step, &rldb->cores[i]);
        }
    }
}

static void boot_core(void *context)
{
    struct sim_rldb_core *const core = context;
    struct sim_rldb *const rldb = core->rldb;
    struct shard *shard = NULL;

    if (shard_open(rldb->node, (uint32_t)(core - rldb->cores), core->io, &shard, rldb->error) < 0) {
        rldb->failed = true;
    } else {
        core->shard = shard;
        if (rldb->hooks.opened != NULL && !rldb->hooks.opened(rldb->hooks.context, shard)) {
            (void)snprintf(rldb->error, sizeof rldb->error, "its data could not be read");
            rldb->failed = true;
        }
    }
    if (--rldb->opening == 0) {
        boot_next(rldb, rldb->failed ? boot_failed : boot_serve);
    }
}

static void boot_hear(void *context, enum log_level level, const char *line, size_t size)
{
    const struct sim_rldb *const rldb = context;
    char text[LIMIT_LOG_LINE_BYTES + 1];

    (void)snprintf(text, sizeof text, "%.*s", (int)size, line);
    sim_world_say(rldb->world, "node %u says: %s", rldb->machine->index, text);
    if (rldb->hooks.said != NULL) {
        rldb->hooks.said(rldb->hooks.context, level, text);
    }
}

static void boot_cores(void *owner)
{
    struct sim_rldb *const rldb = owner;

    rldb->node->index_buckets_log = rldb->index_buckets_log;
    rldb->node->request_stop = request_stop;
    rldb->node->request_stop_context = rldb;
    rldb->node->log_sink = boot_hear;
    rldb->node->log_context = rldb;
    rldb->opening = rldb->shards;
    for (uint32_t i = 0; i < rldb->shards; i++) {
        struct sim_rldb_core *const core = &rldb->cores[i];

        *core = (struct sim_rldb_core){.rldb = rldb, .hung = core->hung};
        core->io = sim_core_open(rldb->machine, &rldb->options);
    }
    for (uint32_t i = 0; i < rldb->shards; i++) {
        rldb->cores[i].fiber = sim_fiber_start(rldb->world, boot_core, &rldb->cores[i]);
    }
}

static void repair_say(void *context, bool damage, const char *text)
{
    boot_hear(context, damage ? LOG_LEVEL_ERROR : LOG_LEVEL_WARNING, text, strlen(text));
}

static void repair_lost(void *context, uint32_t vnode, struct slice key)
{
    (void)context;
    (void)vnode;
    (void)key;
}

// What `rldb repair` does to a data directory.
static int boot_repair(struct sim_rldb *rldb)
{
    struct data_identity identity;
    char path[SIM_PATH_BYTES_MAX];
    size_t size = 0;
    int error = 0;
    uint8_t *const bytes = sim_node_file(rldb->machine, "/data/CURRENT", &size);

    if (bytes == NULL) {
        return 0; // it was wiped meanwhile
    }
    if (data_dir_read_current(slice_of(bytes, size), &identity) != 0) {
        rldb_fail("repair", "CURRENT cannot be read");
    }
    free(bytes);
    for (uint32_t i = 0; i < identity.shards && error == 0; i++) {
        data_dir_shard_path("/data", &identity, i, path);
        struct log_check check = {
            .io = rldb->io,
            .directory = path,
            .mend = true,
            .shard = i,
            .shards = identity.shards,
            .vnodes = identity_vnodes(&identity, i),
            .hash_seed = identity.hash_seed,
            .context = rldb,
            .say = repair_say,
            .lost = repair_lost,
        };

        error = check.vnodes == 1 ? 0 : log_check_run(&check);
    }
    sim_trace(rldb->world, "repaired", rldb->machine->index, (uint64_t)-error, 0);
    return error;
}

static void boot_node(void *context)
{
    static const uint64_t memory_bytes = UINT64_C(1) << 32;
    struct sim_rldb *const rldb = context;
    struct config *const config = sim_allocate(sizeof *config);
    struct cpu_facts *const facts = sim_allocate(sizeof *facts);
    struct node *node = NULL;

    if (rldb->repairs) { // where that fails, so does the start, perhaps
        const int error = boot_repair(rldb);

        rldb->repairs = error != 0;
        rldb->beyond_repair = error == -EBADMSG;
    }
    facts->memory_bytes = memory_bytes;
    rldb_configure(rldb->config, config);
    if (node_open(config, facts, rldb->shards, rldb->io, &node, rldb->error) < 0) {
        rldb->failed = true;
    } else {
        rldb->node = node;
        rldb->failed = node_settle(node, rldb->io, rldb->error) < 0;
    }
    free(config);
    free(facts);
    boot_next(rldb, rldb->failed ? boot_failed : boot_cores);
}

// The process begins: what rldbd's main does, without threads.
static void rldb_boot(struct sim_rldb *rldb)
{
    static const struct io_uring_options main_options = {8, 1, 4096};

    CHECK(rldb->state == RLDB_DOWN);
    rldb->state = RLDB_STARTING;
    rldb->failed = false;
    rldb->beyond_repair = false;
    rldb->credits = LIMIT_MESSAGES_OUT;
    rldb->io = sim_core_open(rldb->machine, &main_options);
    rldb->fiber = sim_fiber_start(rldb->world, boot_node, rldb);
}

struct sim_rldb *sim_rldb_new(struct sim_world *world, const char *ip, uint32_t shards,
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
    return rldb;
}

struct sim_rldb *sim_rldb_start(struct sim_world *world, const char *ip, uint32_t shards,
                                const char *config_text, const struct io_uring_options *options)
{
    struct sim_rldb *const rldb = sim_rldb_new(world, ip, shards, config_text, options);

    rldb_boot(rldb);
    while (!sim_rldb_up(rldb)) {
        CHECK(sim_world_step(world));
    }
    return rldb;
}

// Ending ------------------------------------------------------------------------------------------

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
    shard->loads.taken = 0;
    if (shard->http != NULL) {
        shard->http->connections.taken = 0;
        pool_destroy(&shard->http->connections);
        memory_free(shard->http);
        shard->http = NULL;
    }
    if (shard->durable) {
        log_engine_abandon(shard->engine);
        shard->engine = NULL;
    }
    shard_close(shard);
}

void sim_rldb_kill(struct sim_rldb *rldb, enum sim_stop how)
{
    rldb->leaked = true;
    sim_unschedule(rldb->world, &rldb->event);
    sim_node_stop(rldb->machine, how);
    boot_close_fibers(rldb);
    for (uint32_t i = 0; i < rldb->shards; i++) {
        if (rldb->cores[i].shard != NULL) { // else what it had opened is lost
            shard_abandon(rldb->cores[i].shard);
            rldb->cores[i].shard = NULL;
        }
    }
    if (rldb->node != NULL) {
        rldb->node->data_lock = -1; // went with the process
        node_close(rldb->node);
        rldb->node = NULL;
    }
    rldb->state = RLDB_DOWN;
}

void sim_rldb_restart(struct sim_rldb *rldb)
{
    sim_unschedule(rldb->world, &rldb->event);
    rldb_boot(rldb);
}

void sim_rldb_repair(struct sim_rldb *rldb)
{
    rldb->repairs = true;
}

bool sim_rldb_beyond_repair(const struct sim_rldb *rldb)
{
    return rldb->beyond_repair;
}

void sim_rldb_resize(struct sim_rldb *rldb, uint32_t shards)
{
    CHECK(rldb->state == RLDB_DOWN && shards >= 1 && shards <= LIMIT_SHARDS);
    rldb->shards = shards;
}

void sim_rldb_configure(struct sim_rldb *rldb, const char *config_text)
{
    CHECK(rldb->state == RLDB_DOWN);
    free(rldb->config);
    rldb->config = strdup(config_text);
    CHECK(rldb->config != NULL);
}

bool sim_rldb_up(const struct sim_rldb *rldb)
{
    return rldb->state == RLDB_UP;
}

bool sim_rldb_broken(const struct sim_rldb *rldb)
{
    int error = 0;

    for (uint32_t i = 0; i < rldb->shards && sim_rldb_up(rldb) && error == 0; i++) {
        if (rldb->cores[i].shard->durable) {
            (void)engine_committed(rldb->cores[i].shard->engine, &error);
        }
    }
    return error != 0;
}

bool sim_rldb_writing(const struct sim_rldb *rldb)
{
    for (const struct sim_core *core = rldb->machine->cores; core != NULL; core = core->next) {
        for (const struct sim_op *op = core->ops; op != NULL; op = op->next_all) {
            if (op->verb == SIM_WRITE || op->verb == SIM_SYNC || op->verb == SIM_RENAME) {
                return true;
            }
        }
    }
    return false;
}

bool sim_rldb_leaked(const struct sim_rldb *rldb)
{
    return rldb->leaked;
}

void sim_rldb_hook(struct sim_rldb *rldb, const struct sim_rldb_hooks *hooks)
{
    rldb->hooks = *hooks;
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
    if (!sim_rldb_up(rldb)) {
        return; // when it has started
    }
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

void sim_rldb_index(struct sim_rldb *rldb, uint32_t buckets_log)
{
    CHECK(rldb->state == RLDB_DOWN);
    rldb->index_buckets_log = buckets_log;
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

    core->hung = hang;
    if (sim_rldb_up(rldb) && !core->shard->reactor.stopped) {
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

void sim_rldb_end(struct sim_rldb *rldb)
{
    CHECK(sim_rldb_stopped(rldb));
    for (uint32_t i = 0; i < rldb->shards; i++) {
        shard_close_listeners(rldb->cores[i].shard);
    }
    for (uint32_t i = 0; i < rldb->shards; i++) {
        shard_close(rldb->cores[i].shard);
        rldb->cores[i].shard = NULL;
        io_destroy(rldb->cores[i].io);
    }
    node_close(rldb->node);
    rldb->node = NULL;
    io_destroy(rldb->io);
    rldb->state = RLDB_DOWN;
}

void sim_rldb_close(struct sim_rldb *rldb)
{
    if (sim_rldb_up(rldb)) {
        sim_rldb_end(rldb);
    } else if (rldb->state == RLDB_STARTING) {
        sim_rldb_kill(rldb, SIM_KILL);
    }
    sim_unschedule(rldb->world, &rldb->event);
    free(rldb->config);
    free(rldb);
}
