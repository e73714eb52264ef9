#include "cluster/stats.h"

#include "core/memory.h"
#include "engines/engine.h"

#include <errno.h>
#include <stddef.h>
#include <string.h>

static const char *stats_command_name(uint32_t index)
{
    return command_name_of_index(index);
}

static const char *stats_stage_name(uint32_t index)
{
    static const char *const names[STAGE_COUNT] = {
        [STAGE_BATCH] = "batch",
        [STAGE_HOP] = "hop",
        [STAGE_WAIT] = "wait",
        [STAGE_MULTI] = "multi",
    };
    return names[index];
}

#define COUNTER(field, text)                                                                       \
    {                                                                                              \
        .name = #field, .help = (text), .kind = METRIC_COUNTER,                                    \
        .offset = offsetof(struct stats, field)                                                    \
    }

static const struct metric stats_rows[] = {
    COUNTER(connections_received, "Connections accepted"),
    COUNTER(connections_refused, "Connections refused because clients.max was reached"),
    COUNTER(accept_errors, "Times that accepting a connection failed"),
    COUNTER(commands, "Requests processed"),
    COUNTER(errors, "Error replies"),
    COUNTER(keyspace_hits, "Reads of keys that were there"),
    COUNTER(keyspace_misses, "Reads of keys that were not there"),
    COUNTER(keys_expired, "Keys removed because their time was over"),
    COUNTER(keys_evicted, "Keys removed to make room under storage.memory_max"),
    COUNTER(output_limit_disconnections, "Connections closed for not reading their replies"),
    COUNTER(clients_evicted, "Connections closed because all held more than clients.memory_max"),
    COUNTER(hops_sent, "Requests passed to another core"),
    COUNTER(hops_received, "Requests of other cores run here"),
    COUNTER(gate_waits, "Requests that waited for a command over several cores"),
    COUNTER(multis, "Commands over several keys that took several steps"),
    COUNTER(snapshots, "Snapshots made"),
    COUNTER(snapshot_failures, "Snapshots that could not be made or deleted"),
    COUNTER(holds, "Times that replies waited for what they tell to be durable"),
    COUNTER(loads, "Requests that waited for a record on disk"),
    COUNTER(load_errors, "Records on disk that could not be read"),
    COUNTER(stalls, "Turns in which requests waited for room on the disk to be made ready"),
    COUNTER(failed_commit_disconnections,
            "Connections closed because what they had written could not be made durable"),
    COUNTER(batches, "Batches of requests run together"),
    COUNTER(wakes_sent, "Sleeping cores woken"),
    COUNTER(auth_failures, "Failed authentications"),
    {.name = "net_input",
     .help = "Bytes received from clients",
     .kind = METRIC_COUNTER,
     .unit = METRIC_BYTES,
     .offset = offsetof(struct stats, net_input_bytes)},
    {.name = "net_output",
     .help = "Bytes sent to clients",
     .kind = METRIC_COUNTER,
     .unit = METRIC_BYTES,
     .offset = offsetof(struct stats, net_output_bytes)},
    {.name = "input_gathered",
     .help = "Memory of requests that came in pieces",
     .kind = METRIC_GAUGE,
     .unit = METRIC_BYTES,
     .offset = offsetof(struct stats, input_gathered_bytes)},
    {.name = "snapshots_running",
     .help = "Snapshots that are being made or deleted",
     .kind = METRIC_GAUGE,
     .unit = METRIC_COUNT,
     .offset = offsetof(struct stats, snapshots_running)},
    {.name = "stage_latency",
     .help = "Time of a batch of requests, of a hop to another core and back, of a wait behind a "
             "gate or for the disk, of a command over several keys in several steps",
     .kind = METRIC_HISTOGRAM,
     .unit = METRIC_NS,
     .offset = offsetof(struct stats, stages[0].histogram),
     .elements = STAGE_COUNT,
     .stride = sizeof(struct histogram_latency),
     .label_name = "stage",
     .label = stats_stage_name,
     .sub_bits = HISTOGRAM_LATENCY_SUB_BITS,
     .bucket_count = HISTOGRAM_LATENCY_BUCKETS},
    {.name = "command_latency",
     .help = "Time from receiving requests to their replies, on the core that ran them",
     .kind = METRIC_HISTOGRAM,
     .unit = METRIC_NS,
     .offset = offsetof(struct stats, of[0].latency),
     .elements = COMMAND_INDEX_MAX,
     .stride = sizeof(struct command_stats),
     .label_name = "command",
     .label = stats_command_name,
     .sub_bits = HISTOGRAM_LATENCY_SUB_BITS,
     .bucket_count = HISTOGRAM_LATENCY_BUCKETS},
};

const struct metrics_table stats_table = {
    .module = "stats", .rows = stats_rows, .row_count = sizeof stats_rows / sizeof *stats_rows};

#define ENGINE_ROW(field, name_, kind_, unit_, help_)                                              \
    {                                                                                              \
        .name = (name_), .help = (help_), .kind = (kind_), .unit = (unit_),                        \
        .offset = offsetof(struct engine_stats, field)                                             \
    }

static const struct metric engine_rows[] = {
    ENGINE_ROW(records, "engine_records", METRIC_GAUGE, METRIC_COUNT,
               "Records, tombstones and expired ones not yet reaped included"),
    ENGINE_ROW(tombstones, "engine_tombstones", METRIC_GAUGE, METRIC_COUNT, "Tombstones"),
    ENGINE_ROW(with_expiry, "engine_with_expiry", METRIC_GAUGE, METRIC_COUNT,
               "Records that expire"),
    ENGINE_ROW(index_bytes, "engine_index", METRIC_GAUGE, METRIC_BYTES, "Memory of the index"),
    ENGINE_ROW(data_bytes, "engine_data", METRIC_GAUGE, METRIC_BYTES, "Memory of records"),
    ENGINE_ROW(live_bytes, "engine_live", METRIC_GAUGE, METRIC_BYTES,
               "Bytes of records that can be reached"),
    ENGINE_ROW(memory_max_bytes, "engine_memory_max", METRIC_GAUGE, METRIC_BYTES,
               "Bound on index and records; 0 for none"),
    ENGINE_ROW(compacted_bytes, "engine_compacted", METRIC_COUNTER, METRIC_BYTES,
               "Bytes of records moved by the cleaner"),
    ENGINE_ROW(compaction_share, "engine_compaction_share", METRIC_GAUGE, METRIC_COUNT,
               "Percent of the time that compaction may take now"),
    ENGINE_ROW(commit_latency_ns, "engine_commit_latency", METRIC_GAUGE, METRIC_NS,
               "Mean time of the last small group commits"),
    ENGINE_ROW(refused, "engine_refused", METRIC_COUNTER, METRIC_COUNT,
               "Writes refused for want of memory"),
    ENGINE_ROW(evicted, "engine_evicted", METRIC_COUNTER, METRIC_COUNT,
               "Records removed to make room"),
    ENGINE_ROW(expired, "engine_expired", METRIC_COUNTER, METRIC_COUNT,
               "Records reaped after their time"),
    ENGINE_ROW(index_overflow_lines, "engine_index_overflow_lines", METRIC_GAUGE, METRIC_COUNT,
               "Lines of the index beyond those of its buckets"),
    ENGINE_ROW(unsynced_bytes, "engine_unsynced", METRIC_GAUGE, METRIC_BYTES,
               "Bytes written and not durable yet"),
    ENGINE_ROW(checkpoints, "engine_checkpoints", METRIC_COUNTER, METRIC_COUNT,
               "Checkpoints written"),
    ENGINE_ROW(checkpoint_failures, "engine_checkpoint_failures", METRIC_COUNTER, METRIC_COUNT,
               "Checkpoints that could not be written"),
    ENGINE_ROW(checkpoints_running, "engine_checkpoints_running", METRIC_GAUGE, METRIC_COUNT,
               "Shards that write a checkpoint now"),
    ENGINE_ROW(disk_bytes, "engine_disk", METRIC_GAUGE, METRIC_BYTES, "Size of all segments"),
    ENGINE_ROW(disk_live_bytes, "engine_disk_live", METRIC_GAUGE, METRIC_BYTES,
               "Of that, records that are reachable"),
    ENGINE_ROW(disk_reads, "engine_disk_reads", METRIC_COUNTER, METRIC_COUNT,
               "Records read from disk"),
    ENGINE_ROW(written_bytes, "engine_written", METRIC_COUNTER, METRIC_BYTES,
               "Bytes of frames written, compaction included"),
    ENGINE_ROW(record_bytes, "engine_records_put", METRIC_COUNTER, METRIC_BYTES,
               "Bytes of the records that clients wrote"),
    ENGINE_ROW(commits, "engine_commits", METRIC_COUNTER, METRIC_COUNT, "Group commits"),
    ENGINE_ROW(corrupt_records, "engine_corrupt_records", METRIC_COUNTER, METRIC_COUNT,
               "Records that were found damaged"),
    ENGINE_ROW(damages, "engine_damages", METRIC_COUNTER, METRIC_COUNT,
               "Damages of files that the last start met, and since"),
    ENGINE_ROW(zeroed_bytes, "engine_zeroed", METRIC_COUNTER, METRIC_BYTES,
               "Bytes of new segments zeroed before their first use"),
    ENGINE_ROW(footer_bytes, "engine_footers_written", METRIC_COUNTER, METRIC_BYTES,
               "Bytes of footers of segments written"),
    ENGINE_ROW(checkpoint_bytes, "engine_checkpoint_written", METRIC_COUNTER, METRIC_BYTES,
               "Bytes of checkpoints written"),
    ENGINE_ROW(loaded_records, "engine_start_loaded_records", METRIC_GAUGE, METRIC_COUNT,
               "Records that the start took from the checkpoint"),
    ENGINE_ROW(replayed_frames, "engine_start_replayed_frames", METRIC_GAUGE, METRIC_COUNT,
               "Frames that the start replayed after the checkpoint"),
    ENGINE_ROW(replayed_records, "engine_start_replayed_records", METRIC_GAUGE, METRIC_COUNT,
               "Records in them"),
    ENGINE_ROW(replayed_bytes, "engine_start_replayed", METRIC_GAUGE, METRIC_BYTES,
               "Bytes of them"),
    ENGINE_ROW(footer_records, "engine_start_footer_records", METRIC_GAUGE, METRIC_COUNT,
               "Of the records replayed, those that footers told of"),
    ENGINE_ROW(load_ns, "engine_start_load", METRIC_GAUGE, METRIC_NS,
               "How long the start loaded the checkpoint"),
    ENGINE_ROW(replay_ns, "engine_start_replay", METRIC_GAUGE, METRIC_NS, "How long it replayed"),
    ENGINE_ROW(open_ns, "engine_start", METRIC_GAUGE, METRIC_NS,
               "How long it took in all to open the engine"),
    ENGINE_ROW(disk_short, "engine_disk_short", METRIC_GAUGE, METRIC_COUNT,
               "Shards that refuse writes since less than storage.disk_reserve is free"),
    ENGINE_ROW(write_ended, "engine_write_ended", METRIC_GAUGE, METRIC_COUNT,
               "Shards that take no writes since the disk failed"),
    ENGINE_ROW(snapshots, "engine_snapshots", METRIC_GAUGE, METRIC_COUNT, "Snapshots open now"),
};

const struct metrics_table engine_stats_table = {
    .module = "engine", .rows = engine_rows, .row_count = sizeof engine_rows / sizeof *engine_rows};

int stats_open(struct stats *stats)
{
    size_t size = sizeof(uint64_t) * HISTOGRAM_LATENCY_BUCKETS * COMMAND_INDEX_MAX;
    *stats = (struct stats){0};
    // Zeroed by the system as it is touched: commands that nobody uses take none of it.
    stats->latency_buckets = memory_allocate_zeroed(size);
    if (stats->latency_buckets == NULL) {
        return -ENOMEM;
    }
    for (uint32_t i = 0; i < STAGE_COUNT; i++) {
        histogram_latency_init(&stats->stages[i]);
    }
    for (uint32_t i = 0; i < COMMAND_INDEX_MAX; i++) {
        stats->of[i].latency = (struct histogram){
            .sub_bits = HISTOGRAM_LATENCY_SUB_BITS,
            .bucket_count = HISTOGRAM_LATENCY_BUCKETS,
            .buckets = stats->latency_buckets + (size_t)i * HISTOGRAM_LATENCY_BUCKETS,
        };
    }
    return 0;
}

void stats_close(struct stats *stats)
{
    memory_free(stats->latency_buckets);
    stats->latency_buckets = NULL;
}

void stats_note_error(struct stats *stats, struct slice text)
{
    stats->errors++;
    error_counts_note(&stats->error_counts, text);
}

void stats_reset(struct stats *stats)
{
    uint64_t gathered = stats->input_gathered_bytes;
    uint64_t running = stats->snapshots_running;
    uint64_t *buckets = stats->latency_buckets;
    for (uint32_t i = 0; i < COMMAND_INDEX_MAX; i++) {
        if (stats->of[i].latency.count != 0) {
            histogram_clear(&stats->of[i].latency);
        }
        stats->of[i].calls = stats->of[i].time_ns = 0;
        stats->of[i].rejected = stats->of[i].failed = 0;
    }
    for (uint32_t i = 0; i < STAGE_COUNT; i++) {
        histogram_clear(&stats->stages[i].histogram);
    }
    memset(stats, 0, offsetof(struct stats, stages));
    stats->error_counts = (struct error_counts){0};
    stats->input_gathered_bytes = gathered;
    stats->snapshots_running = running;
    stats->latency_buckets = buckets;
}
