// INFO: each core tells what it counted, the connection's core adds it up and words it as Redis
// does.
#include "cluster/commands.h"
#include "cluster/session.h"
#include "cluster/settings.h"
#include "cluster/shard.h"
#include "core/check.h"
#include "core/memory.h"
#include "core/metrics.h"
#include "core/number.h"
#include "core/process.h"
#include "core/text.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <sys/utsname.h>

enum { INFO_BYTES_MAX = 4 * 1024 * 1024, INFO_SHARD_BYTES = 2048 };

// What one core tells. Figures that add up, and in the end the sum of all.
struct info_part {
    uint64_t clients;
    uint64_t paused;             // of them, held back by CLIENT PAUSE
    uint64_t clients_bytes;      // client_memory.h
    struct client_recent recent; // of one client
    struct engine_stats engine;
    struct reactor_metrics reactor;
    uint64_t slices, slice_units_max; // cluster/work.h
    struct stats stats;               // its histograms are not to be used: they point into the core
    uint64_t p50_ns[COMMAND_INDEX_MAX], p99_ns[COMMAND_INDEX_MAX], p999_ns[COMMAND_INDEX_MAX];
};

struct info {
    struct exec *x;
    struct text text;
    const struct node *node;
    struct info_part *total;
};

// One core's part ----------------------------------------------------------------------------

static uint64_t larger(uint64_t a, uint64_t b)
{
    return a > b ? a : b;
}

static void info_run(struct exec *x)
{
    struct shard *shard = x->shard;
    struct info_part *part = memory_allocate_zeroed(sizeof *part);
    if (part == NULL) {
        exec_error(x, "ERR out of memory");
        return;
    }
    part->clients = shard->client_count;
    part->paused = shard->paused_count;
    part->clients_bytes = shard->client_memory.held_bytes;
    part->recent = client_memory_recent(shard);
    part->reactor = shard->reactor.metrics;
    part->slices = shard->work.slices;
    part->slice_units_max = shard->work.spent_max;
    part->stats = shard->stats;
    shard_engine_stats(shard, &part->engine);
    for (uint32_t i = 0; i < COMMAND_INDEX_MAX; i++) {
        const struct histogram *latency = &shard->stats.of[i].latency;
        if (latency->count != 0) {
            part->p50_ns[i] = histogram_percentile(latency, 50);
            part->p99_ns[i] = histogram_percentile(latency, 99);
            part->p999_ns[i] = histogram_percentile(latency, 99.9);
        }
    }
    x->part->data = part;
    x->part->data_size = sizeof *part;
}

static void info_add(struct info_part *total, const struct info_part *part)
{
    uint64_t *sum = (uint64_t *)&total->engine;
    const uint64_t *add = (const uint64_t *)&part->engine;
    total->clients += part->clients;
    total->paused += part->paused;
    total->clients_bytes += part->clients_bytes;
    total->recent.input_bytes_max =
        larger(total->recent.input_bytes_max, part->recent.input_bytes_max);
    total->recent.output_bytes_max =
        larger(total->recent.output_bytes_max, part->recent.output_bytes_max);
    for (size_t i = 0; i < sizeof total->engine / sizeof *sum; i++) {
        sum[i] += add[i];
    }
    sum = (uint64_t *)&total->stats;
    add = (const uint64_t *)&part->stats;
    for (size_t i = 0; i < offsetof(struct stats, stages) / sizeof *sum; i++) {
        sum[i] += add[i];
    }
    error_counts_add(&total->stats.error_counts, &part->stats.error_counts);
    for (uint32_t i = 0; i < COMMAND_INDEX_MAX; i++) {
        total->stats.of[i].calls += part->stats.of[i].calls;
        total->stats.of[i].time_ns += part->stats.of[i].time_ns;
        total->stats.of[i].rejected += part->stats.of[i].rejected;
        total->stats.of[i].failed += part->stats.of[i].failed;
        // Percentiles of cores do not add up: the slowest core's are told.
        total->p50_ns[i] = larger(total->p50_ns[i], part->p50_ns[i]);
        total->p99_ns[i] = larger(total->p99_ns[i], part->p99_ns[i]);
        total->p999_ns[i] = larger(total->p999_ns[i], part->p999_ns[i]);
    }
}

static_assert(sizeof(struct engine_stats) % sizeof(uint64_t) == 0, "only figures, all of 64 bits");

// Sections -----------------------------------------------------------------------------------

static void info_server(struct info *info)
{
    const struct node *node = info->node;
    const struct io *io = info->x->shard->io;
    struct process_usage usage;
    struct utsname system;
    uint64_t uptime_s = (io->now_ns - node->started_ns) / 1000000000;
    process_usage(&usage);
    if (uname(&system) != 0) {
        memset(&system, 0, sizeof system);
    }
    text_printf(&info->text,
                "redis_version:%s\r\nrldb_version:%s\r\nredis_git_sha1:00000000\r\n"
                "redis_git_dirty:0\r\nredis_build_id:0\r\nredis_mode:%s\r\nos:%s %s %s\r\n"
                "arch_bits:%zu\r\nmonotonic_clock:POSIX clock_gettime\r\n"
                "multiplexing_api:io_uring\r\natomicvar_api:c11-builtin\r\n"
                "gcc_version:%d.%d.%d\r\nprocess_id:%d\r\nprocess_supervised:no\r\nrun_id:%s\r\n"
                "tcp_port:%u\r\n",
                SESSION_REDIS_VERSION, RLDB_VERSION,
                node->shard_port_base != 0 ? "cluster" : "standalone", system.sysname,
                system.release, system.machine, sizeof(void *) * 8, __GNUC__, __GNUC_MINOR__,
                __GNUC_PATCHLEVEL__, usage.pid, node->run_id, node->client_port);
    text_printf(&info->text,
                "server_time_usec:%" PRIu64 "\r\nuptime_in_seconds:%" PRIu64
                "\r\nuptime_in_days:%" PRIu64 "\r\nhz:10\r\nconfigured_hz:10\r\n"
                "executable:rldbd\r\nconfig_file:%s\r\nio_threads_active:0\r\nshards:%u\r\n",
                io->wall_ms * 1000, uptime_s, uptime_s / 86400, node->config.file,
                node->shard_count);
}

static void info_clients(struct info *info)
{
    text_printf(&info->text,
                "connected_clients:%" PRIu64 "\r\ncluster_connections:0\r\nmaxclients:%u\r\n"
                "client_recent_max_input_buffer:%" PRIu64
                "\r\nclient_recent_max_output_buffer:%" PRIu64 "\r\nblocked_clients:%" PRIu64
                "\r\ntracking_clients:0\r\nclients_in_timeout_table:0\r\n",
                info->total->clients, info->x->shard->config.clients.max,
                info->total->recent.input_bytes_max, info->total->recent.output_bytes_max,
                info->total->paused);
}

static void human_bytes(uint64_t bytes, char *text, size_t size)
{
    static const char units[] = "BKMGTP";
    double value = (double)bytes;
    size_t unit = 0;
    while (value >= 1024 && unit + 2 < sizeof units) {
        value /= 1024;
        unit++;
    }
    (void)snprintf(text, size, unit == 0 ? "%.0f%c" : "%.2f%c", value, units[unit]);
}

static void info_bytes(struct info *info, const char *name, uint64_t bytes)
{
    char human[32];
    human_bytes(bytes, human, sizeof human);
    text_printf(&info->text, "%s:%" PRIu64 "\r\n%s_human:%s\r\n", name, bytes, name, human);
}

static void info_memory(struct info *info)
{
    const struct engine_stats *engine = &info->total->engine;
    uint64_t used = engine->index_bytes + engine->data_bytes;
    struct process_usage usage;
    process_usage(&usage);
    info_bytes(info, "used_memory", used);
    info_bytes(info, "used_memory_rss", usage.resident_bytes);
    info_bytes(info, "used_memory_peak", usage.resident_max_bytes);
    text_printf(&info->text,
                "used_memory_overhead:%" PRIu64 "\r\nused_memory_dataset:%" PRIu64 "\r\n",
                engine->index_bytes, engine->live_bytes);
    info_bytes(info, "total_system_memory", info->node->memory_total_bytes);
    info_bytes(info, "maxmemory", settings_memory_max_bytes(info->x->shard));
    text_printf(&info->text,
                "maxmemory_policy:%s\r\nmem_fragmentation_ratio:%.2f\r\nmem_clients_normal:%" PRIu64
                "\r\nmem_clients_max:%" PRIu64
                "\r\nmem_allocator:mimalloc\r\nactive_defrag_running:0\r\n",
                settings_policy_name(&info->x->shard->config),
                used == 0 ? 1.0 : (double)usage.resident_bytes / (double)used,
                info->total->clients_bytes + info->total->clients * sizeof(struct client),
                settings_clients_memory_bytes(info->x->shard));
}

static void info_persistence(struct info *info)
{
    const struct engine_stats *engine = &info->total->engine;
    struct shard *shard = info->x->shard;
    text_printf(&info->text,
                "loading:0\r\nasync_loading:0\r\nrdb_changes_since_last_save:0\r\n"
                "rdb_bgsave_in_progress:%d\r\nrdb_last_save_time:%" PRIu64
                "\r\nrdb_last_bgsave_status:%s\r\naof_enabled:%d\r\naof_rewrite_in_progress:0"
                "\r\nsnapshot_in_progress:%" PRIu64 "\r\nsnapshots_made:%" PRIu64
                "\r\nsnapshot_failures:%" PRIu64 "\r\n",
                engine->checkpoints_running != 0, shard_saved_ms(shard) / 1000,
                engine->checkpoint_failures == 0 ? "ok" : "err", shard->durable,
                info->total->stats.snapshots_running, info->total->stats.snapshots,
                info->total->stats.snapshot_failures);
}

static void info_stats(struct info *info)
{
    const struct stats *stats = &info->total->stats;
    text_printf(&info->text,
                "total_connections_received:%" PRIu64 "\r\ntotal_commands_processed:%" PRIu64
                "\r\ninstantaneous_ops_per_sec:%" PRIu64 "\r\ntotal_net_input_bytes:%" PRIu64
                "\r\ntotal_net_output_bytes:%" PRIu64 "\r\nrejected_connections:%" PRIu64
                "\r\nexpired_keys:%" PRIu64 "\r\nevicted_keys:%" PRIu64
                "\r\nevicted_clients:%" PRIu64 "\r\nkeyspace_hits:%" PRIu64
                "\r\nkeyspace_misses:%" PRIu64 "\r\n",
                stats->connections_received, stats->commands, stats->commands_a_second,
                stats->net_input_bytes, stats->net_output_bytes, stats->connections_refused,
                stats->keys_expired, stats->keys_evicted, stats->clients_evicted,
                stats->keyspace_hits, stats->keyspace_misses);
    text_printf(&info->text,
                "total_error_replies:%" PRIu64 "\r\nclient_output_buffer_limit_disconnections:"
                "%" PRIu64 "\r\nacl_access_denied_auth:%" PRIu64 "\r\nhops_sent:%" PRIu64
                "\r\ngate_waits:%" PRIu64 "\r\nmulti_key_commands:%" PRIu64 "\r\nbatches:%" PRIu64
                "\r\nwakes_sent:%" PRIu64 "\r\n",
                stats->errors, stats->output_limit_disconnections, stats->auth_failures,
                stats->hops_sent, stats->gate_waits, stats->multis, stats->batches,
                stats->wakes_sent);
}

static void info_replication(struct info *info)
{
    text_printf(&info->text,
                "role:master\r\nconnected_slaves:0\r\nmaster_failover_state:no-failover\r\n"
                "master_replid:%s\r\nmaster_repl_offset:0\r\nrepl_backlog_active:0\r\n",
                info->node->run_id);
}

static void info_cpu(struct info *info)
{
    struct process_usage usage;
    process_usage(&usage);
    text_printf(&info->text,
                "used_cpu_sys:%.6f\r\nused_cpu_user:%.6f\r\nused_cpu_sys_children:0.000000\r\n"
                "used_cpu_user_children:0.000000\r\n",
                (double)usage.system_us / 1e6, (double)usage.user_us / 1e6);
}

static void info_modules(struct info *info)
{
    (void)info; // there are none
}

static void info_cluster(struct info *info)
{
    const struct ring *ring = info->node->ring;
    text_printf(&info->text,
                "cluster_enabled:%d\r\ncluster_name:%s\r\ncluster_node:%s\r\ncluster_members:%u\r\n"
                "cluster_epoch:%" PRIu64 "\r\ncluster_partitions:%u\r\ncluster_replicas:%u\r\n",
                info->node->shard_port_base != 0, info->node->config.cluster.name,
                info->node->id_text, ring->member_count, ring->epoch, ring->partitions,
                ring_primaries(ring));
}

static void info_keyspace(struct info *info)
{
    const struct engine_stats *engine = &info->total->engine;
    uint64_t keys = engine->records - engine->tombstones;
    if (keys != 0) {
        text_printf(&info->text, "db0:keys=%" PRIu64 ",expires=%" PRIu64 ",avg_ttl=0\r\n", keys,
                    engine->with_expiry);
    }
}

static void info_engine(struct info *info)
{
    // Counters and gauges alone: a cell is a field.
    const struct metrics_part part = {.table = &engine_stats_table, .values = &info->total->engine};
    uint64_t cells[sizeof info->total->engine / sizeof(uint64_t)];
    CHECK(metrics_cell_count(&part, 1) <= sizeof cells / sizeof *cells);
    metrics_snapshot(&part, 1, cells);
    text_printf(&info->text, "engine:%s\r\n", info->x->shard->engine->vtable->name);
    metrics_render_lines(&info->text, &part, 1, "engine", cells);
}

static void info_shards(struct info *info)
{
    for (uint32_t p = 0; p < info->x->part_count; p++) {
        const struct info_part *part = info->x->parts[p].data;
        text_printf(
            &info->text,
            "shard%u:clients=%" PRIu64 ",keys=%" PRIu64 ",commands=%" PRIu64 ",ops_per_sec=%" PRIu64
            ",hops_sent=%" PRIu64 ",hops_received=%" PRIu64 ",turns=%" PRIu64 ",sleeps=%" PRIu64
            ",dozes=%" PRIu64 ",busy_us=%" PRIu64 ",turn_us_max=%" PRIu64 ",slices=%" PRIu64
            ",slice_units_max=%" PRIu64 ",memory=%" PRIu64 "\r\n",
            p, part->clients, part->engine.records - part->engine.tombstones, part->stats.commands,
            part->stats.commands_a_second, part->stats.hops_sent, part->stats.hops_received,
            part->reactor.turns, part->reactor.sleeps, part->reactor.dozes,
            part->reactor.busy_ns / 1000, part->reactor.turn_ns_max / 1000, part->slices,
            part->slice_units_max, part->engine.index_bytes + part->engine.data_bytes);
    }
}

static void info_transfers(struct info *info)
{
    text_string(&info->text, "transfers_active:0\r\n");
}

static void info_commandstats(struct info *info)
{
    for (uint32_t i = 0; command_name_of_index(i) != NULL; i++) {
        const struct command_stats *of = &info->total->stats.of[i];
        if (of->calls + of->rejected + of->failed != 0) {
            uint64_t us = of->time_ns / 1000;
            text_printf(&info->text,
                        "cmdstat_%s:calls=%" PRIu64 ",usec=%" PRIu64 ",usec_per_call=%.2f"
                        ",rejected_calls=%" PRIu64 ",failed_calls=%" PRIu64 "\r\n",
                        command_name_of_index(i), of->calls, us,
                        of->calls == 0 ? 0.0 : (double)us / (double)of->calls, of->rejected,
                        of->failed);
        }
    }
}

static void info_latencystats(struct info *info)
{
    for (uint32_t i = 0; command_name_of_index(i) != NULL; i++) {
        if (info->total->p50_ns[i] != 0) {
            text_printf(&info->text, "latency_percentiles_usec_%s:p50=%.3f,p99=%.3f,p99.9=%.3f\r\n",
                        command_name_of_index(i), (double)info->total->p50_ns[i] / 1e3,
                        (double)info->total->p99_ns[i] / 1e3,
                        (double)info->total->p999_ns[i] / 1e3);
        }
    }
}

static void info_errorstats(struct info *info)
{
    struct error_counts *counts = &info->total->stats.error_counts;
    error_counts_sort(counts);
    for (uint64_t i = 0; i < counts->used; i++) {
        if (counts->rows[i].count != 0) {
            text_printf(&info->text, "errorstat_%s:count=%" PRIu64 "\r\n", counts->rows[i].code,
                        counts->rows[i].count);
        }
    }
}

static const struct {
    const char *name;
    const char *title;
    void (*write)(struct info *info);
    bool by_default;
} info_sections[] = {
    {"server", "Server", info_server, true},
    {"clients", "Clients", info_clients, true},
    {"memory", "Memory", info_memory, true},
    {"persistence", "Persistence", info_persistence, true},
    {"stats", "Stats", info_stats, true},
    {"replication", "Replication", info_replication, true},
    {"cpu", "CPU", info_cpu, true},
    {"modules", "Modules", info_modules, true},
    {"commandstats", "Commandstats", info_commandstats, false},
    {"errorstats", "Errorstats", info_errorstats, true},
    {"latencystats", "Latencystats", info_latencystats, false},
    {"cluster", "Cluster", info_cluster, true},
    {"keyspace", "Keyspace", info_keyspace, true},
    {"engine", "Engine", info_engine, true},
    {"shards", "Shards", info_shards, true},
    {"transfers", "Transfers", info_transfers, true},
};

static bool info_wanted(const struct exec *x, const char *name, bool by_default)
{
    bool wanted = x->argc == 1 && by_default;
    for (uint32_t i = 1; i < x->argc; i++) {
        wanted = wanted || exec_word(x, i, name) || exec_word(x, i, "all") ||
                 exec_word(x, i, "everything") || (by_default && exec_word(x, i, "default"));
    }
    return wanted;
}

static void info_finish(struct exec *x)
{
    struct info info = {.x = x, .node = x->shard->node};
    info.total = memory_allocate_zeroed(sizeof *info.total);
    if (info.total == NULL) {
        exec_error(x, "ERR out of memory");
        return;
    }
    for (uint32_t p = 0; p < x->part_count; p++) {
        info_add(info.total, x->parts[p].data);
    }
    text_init(&info.text, INFO_BYTES_MAX);
    for (size_t i = 0; i < sizeof info_sections / sizeof *info_sections; i++) {
        if (info_wanted(x, info_sections[i].name, info_sections[i].by_default)) {
            text_printf(&info.text, "%s# %s\r\n", info.text.size == 0 ? "" : "\r\n",
                        info_sections[i].title);
            info_sections[i].write(&info);
        }
    }
    reply_verbatim(&x->reply, "txt", text_slice(&info.text));
    text_free(&info.text);
    memory_free(info.total);
}

static const struct command info_rows[] = {
    {.name = "info",
     .run = info_run,
     .finish = info_finish,
     .arity = -1,
     .flags = COMMAND_LOADING | COMMAND_STALE | COMMAND_SENTINEL,
     .categories = ACL_SLOW | ACL_DANGEROUS,
     .route = ROUTE_ALL,
     .group = "server",
     .since = "1.0.0",
     .complexity = "O(1)",
     .summary = "Tells about the server and what it counted",
     .tips = "nondeterministic_output,request_policy:all_shards,response_policy:special"},
};

const struct command_module commands_info = COMMAND_ROWS(info_rows);
