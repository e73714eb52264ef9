#include "cluster/slowlog.h"

#include "cluster/client.h"
#include "cluster/shard.h"
#include "core/check.h"
#include "core/limits.h"
#include "core/memory.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

enum { SLOWLOG_THRESHOLD_US = 10000, SLOWLOG_LENGTH = 128 }; // Redis's defaults

struct slowlog {
    int64_t threshold_us;
    uint32_t length_max;
    uint32_t count;
    uint32_t newest; // place of the newest in `entries`
    uint64_t next;
    struct slowlog_entry *entries[LIMIT_SLOWLOG_ENTRIES];
};

int slowlog_open(struct slowlog **ret_log)
{
    struct slowlog *log = memory_allocate(sizeof *log);
    if (log == NULL) {
        return -ENOMEM;
    }
    *log = (struct slowlog){.threshold_us = SLOWLOG_THRESHOLD_US, .length_max = SLOWLOG_LENGTH};
    *ret_log = log;
    return 0;
}

static void slowlog_drop_oldest(struct slowlog *log)
{
    CHECK(log->count > 0);
    uint32_t at = (log->newest + LIMIT_SLOWLOG_ENTRIES - (log->count - 1)) % LIMIT_SLOWLOG_ENTRIES;
    memory_free(log->entries[at]);
    log->entries[at] = NULL;
    log->count--;
}

void slowlog_reset(struct slowlog *log)
{
    while (log->count > 0) {
        slowlog_drop_oldest(log);
    }
}

void slowlog_close(struct slowlog *log)
{
    if (log != NULL) {
        slowlog_reset(log);
        memory_free(log);
    }
}

void slowlog_configure(struct slowlog *log, int64_t threshold_us, uint32_t length)
{
    log->threshold_us = threshold_us;
    log->length_max = length < LIMIT_SLOWLOG_ENTRIES ? length : LIMIT_SLOWLOG_ENTRIES;
    while (log->count > log->length_max) {
        slowlog_drop_oldest(log);
    }
}

int64_t slowlog_threshold_us(const struct slowlog *log)
{
    return log->threshold_us;
}

uint32_t slowlog_length_max(const struct slowlog *log)
{
    return log->length_max;
}

uint32_t slowlog_count(const struct slowlog *log)
{
    return log->count;
}

const struct slowlog_entry *slowlog_at(const struct slowlog *log, uint32_t index)
{
    CHECK(index < log->count);
    return log->entries[(log->newest + LIMIT_SLOWLOG_ENTRIES - index) % LIMIT_SLOWLOG_ENTRIES];
}

// One argument as the log keeps it: the last one says how many more there were, a long one how much
// longer it was.
static uint32_t slowlog_argument(const struct exec *x, uint32_t index, char *text)
{
    enum { ROOM = SLOWLOG_ARGUMENT_BYTES + 48 };
    if (index == SLOWLOG_ARGUMENTS - 1 && x->argc > SLOWLOG_ARGUMENTS) {
        return (uint32_t)snprintf(text, ROOM, "... (%u more arguments)",
                                  x->argc - SLOWLOG_ARGUMENTS + 1);
    }
    struct slice argument = x->argv[index];
    if (argument.size <= SLOWLOG_ARGUMENT_BYTES) {
        if (argument.size != 0) {
            memcpy(text, argument.bytes, argument.size);
        }
        return (uint32_t)argument.size;
    }
    memcpy(text, argument.bytes, SLOWLOG_ARGUMENT_BYTES);
    int more = snprintf(text + SLOWLOG_ARGUMENT_BYTES, ROOM - SLOWLOG_ARGUMENT_BYTES,
                        "... (%zu more bytes)", argument.size - SLOWLOG_ARGUMENT_BYTES);
    return SLOWLOG_ARGUMENT_BYTES + (uint32_t)more;
}

void slowlog_note(struct shard *shard, const struct exec *x, uint64_t took_ns)
{
    struct slowlog *log = shard->slowlog;
    if (log->threshold_us < 0 || took_ns / 1000 < (uint64_t)log->threshold_us ||
        x->command == NULL || x->argc == 0 || (x->command->flags & COMMAND_SKIP_SLOWLOG) ||
        log->length_max == 0) {
        return;
    }
    uint32_t kept = x->argc < SLOWLOG_ARGUMENTS ? x->argc : SLOWLOG_ARGUMENTS;
    struct slowlog_entry *entry =
        memory_allocate(sizeof *entry + kept * (SLOWLOG_ARGUMENT_BYTES + 48));
    if (entry == NULL) {
        return;
    }
    char *text = (char *)(entry + 1);
    *entry = (struct slowlog_entry){
        .id = log->next++ * shard->node->shard_count + shard->index,
        .wall_s = shard->io->wall_ms / 1000,
        .took_us = took_ns / 1000,
        .argument_count = kept,
    };
    for (uint32_t i = 0; i < kept; i++) {
        entry->arguments[i] = text;
        entry->sizes[i] = slowlog_argument(x, i, text);
        text += entry->sizes[i];
    }
    if (x->client != NULL) {
        client_address(x->client, true, entry->client, sizeof entry->client);
        (void)snprintf(entry->client_name, sizeof entry->client_name, "%s",
                       x->client->name == NULL ? "" : x->client->name);
    }
    while (log->count >= log->length_max) {
        slowlog_drop_oldest(log);
    }
    log->newest = (log->newest + 1) % LIMIT_SLOWLOG_ENTRIES;
    log->entries[log->newest] = entry;
    log->count++;
}
