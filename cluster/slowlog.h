// The slow log of a shard: the last commands that took longer than slowlog-log-slower-than.
//
// A ring of LIMIT_SLOWLOG_ENTRIES entries; arguments are cut as Redis cuts them (32 arguments, 128
// bytes each). Ids are unique in the node and grow with time in each shard.
#pragma once

#include "core/slice.h"

#include <stdbool.h>
#include <stdint.h>

struct exec;
struct shard;
struct slowlog;

enum { SLOWLOG_ARGUMENTS = 32, SLOWLOG_ARGUMENT_BYTES = 128 };

// Below this threshold every command is timed by itself; above, only where a whole batch took long.
enum { SLOWLOG_EACH_BELOW_US = 1000 };

struct slowlog_entry {
    uint64_t id;
    uint64_t wall_s;
    uint64_t took_us;
    uint32_t argument_count;
    char *arguments[SLOWLOG_ARGUMENTS]; // sizes[] bytes each, in one allocation at arguments[0]
    uint32_t sizes[SLOWLOG_ARGUMENTS];
    size_t reply_at, reply_bytes; // SLOWLOG GET: where it stands in its part of the reply
    char client[64];
    char client_name[64];
};

int slowlog_open(struct slowlog **ret_log);
void slowlog_close(struct slowlog *log);

// Notes the command if it took longer than the shard's threshold.
void slowlog_note(struct shard *shard, const struct exec *x, uint64_t took_ns);

// us; negative: nothing is noted. The most entries that are kept.
void slowlog_configure(struct slowlog *log, int64_t threshold_us, uint32_t length);
int64_t slowlog_threshold_us(const struct slowlog *log);
uint32_t slowlog_length_max(const struct slowlog *log);

uint32_t slowlog_count(const struct slowlog *log);
// The newest is 0.
const struct slowlog_entry *slowlog_at(const struct slowlog *log, uint32_t index);
void slowlog_reset(struct slowlog *log);
