// What a shard says of its engine, and asks of all of it.
#include "cluster/node.h"
#include "cluster/shard.h"

#include <string.h>

void shard_log_opened(struct shard *shard)
{
    struct engine_stats stats;
    struct log_line line;
    engine_stats(shard->engine, &stats);
    log_begin(&line, &shard->log, LOG_LEVEL_INFO, "engine opened");
    log_u64(&line, "shard", shard->index);
    log_u64(&line, "records", stats.records);
    log_u64(&line, "from_checkpoint", stats.loaded_records);
    log_u64(&line, "replayed_frames", stats.replayed_frames);
    log_u64(&line, "replayed_records", stats.replayed_records);
    log_u64(&line, "replayed_bytes", stats.replayed_bytes);
    log_u64(&line, "load_us", stats.load_ns / 1000);
    log_u64(&line, "replay_us", stats.replay_ns / 1000);
    log_u64(&line, "open_us", stats.open_ns / 1000);
    log_end(&line);
}

void shard_log_write_ended(struct shard *shard)
{
    struct log_line line;
    log_begin(&line, &shard->log, LOG_LEVEL_ERROR,
              "writing to the disk failed: no writes until the node is started anew");
    log_u64(&line, "shard", shard->index);
    log_text(&line, "directory", shard->directory);
    log_text(&line, "error", strerror(-shard->commit_error));
    log_end(&line);
}

void shard_log_newer(struct shard *shard, const char *record, uint32_t version, uint32_t ours)
{
    struct log_line line;
    log_begin(&line, &shard->log, LOG_LEVEL_ERROR,
              "a record of the node was written by a newer version of rldb: start that one");
    log_u64(&line, "shard", shard->index);
    log_text(&line, "record", record);
    log_u64(&line, "format", version);
    log_u64(&line, "reads_up_to", ours);
    log_end(&line);
}

void shard_engine_stats(const struct shard *shard, struct engine_stats *ret_stats)
{
    engine_stats(shard->engine, ret_stats);
    ret_stats->records -= shard->durable ? engine_count(shard->engine, shard->vnode_count) : 0;
}

uint64_t shard_saved_ms(struct shard *shard)
{
    struct engine_stats stats;
    engine_stats(shard->engine, &stats);
    if (stats.checkpoints != shard->checkpoints || shard->saved_ms == 0) {
        shard->checkpoints = stats.checkpoints;
        shard->saved_ms =
            stats.checkpoints == 0 ? shard->node->started_wall_ms : shard->io->wall_ms;
    }
    return shard->saved_ms;
}

uint64_t shard_key_count(const struct shard *shard)
{
    uint64_t count = engine_count(shard->engine, ENGINE_ALL_VNODES);
    return count - (shard->durable ? engine_count(shard->engine, shard->vnode_count) : 0);
}

void shard_drop_keys(struct shard *shard)
{
    if (!shard->durable) {
        engine_drop(shard->engine, ENGINE_ALL_VNODES);
        return;
    }
    for (uint32_t vnode = 0; vnode < shard->vnode_count; vnode++) {
        engine_drop(shard->engine, vnode);
    }
}
