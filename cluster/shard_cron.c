// What recurs on a shard: figures of a second, the clock's lease, and turns in which the engine
// reaps what expired and syncs what is due (shard.h).
#include "cluster/shard.h"
#include "core/planted.h"

#include <stddef.h>

enum { SHARD_CRON_NS = 100 * 1000 * 1000 };

// With sync: interval what was written becomes durable when the engine's step finds it due.
static bool shard_has_to_sync(const struct shard *shard)
{
    struct engine_stats engine;
    if (!shard->durable || shard->config.storage.sync != CONFIG_SYNC_INTERVAL) {
        return false;
    }
    engine_stats(shard->engine, &engine);
    return engine.unsynced_bytes != 0;
}

static uint64_t shard_cron_ns(const struct shard *shard, bool busy)
{
    const struct config_storage *storage = &shard->config.storage;
    bool often = busy && shard->durable && storage->sync == CONFIG_SYNC_INTERVAL;
    return often && storage->sync_interval_ns < SHARD_CRON_NS ? storage->sync_interval_ns
                                                              : SHARD_CRON_NS;
}

static void shard_cron(struct timer *timer)
{
    struct shard *shard = (struct shard *)((uint8_t *)timer - offsetof(struct shard, cron));
    uint64_t took_ns = shard->io->now_ns - shard->cron_ns;
    uint64_t commands = shard->stats.commands - shard->cron_commands;
    shard->stats.commands_a_second =
        took_ns == 0 ? 0 : (uint64_t)((double)commands * 1e9 / (double)took_ns);
    shard->cron_commands = shard->stats.commands;
    shard->cron_ns = shard->io->now_ns;
    struct engine_stats engine;
    engine_stats(shard->engine, &engine);
    identity_extend(shard);
    (void)shard_saved_ms(shard);
    bool busy = commands != 0 || shard_has_to_sync(shard);
    if (busy || engine.with_expiry != 0 || engine.disk_short != 0 || engine.step_later != 0) {
        timer_arm(&shard->timers, &shard->cron, shard->io->now_ns + shard_cron_ns(shard, busy));
    } else if (planted(PLANTED_NEVER_IDLE)) {
        timer_arm(&shard->timers, &shard->cron, shard->io->now_ns + SHARD_CRON_NS / 64);
    }
}

void shard_cron_arm(struct shard *shard)
{
    if (!timer_armed(&shard->cron)) {
        shard->cron_ns = shard->io->now_ns;
        shard->cron_commands = shard->stats.commands;
        timer_arm(&shard->timers, &shard->cron, shard->io->now_ns + shard_cron_ns(shard, true));
    }
}

void shard_cron_keep(struct shard *shard)
{
    if (!timer_armed(&shard->cron) &&
        (shard->stats.commands != shard->cron_commands || shard_has_to_sync(shard))) {
        shard_cron_arm(shard);
    }
}

void shard_cron_init(struct shard *shard)
{
    shard->cron.fire = shard_cron;
}
