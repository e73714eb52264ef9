// What the machine grants this process: CPUs, a share of their time, memory. Read once at start.
//
// Sources: sched_getaffinity(2); cgroup v2 cpu.max and memory.max; cgroup v1 cpu.cfs_quota_us over
// cpu.cfs_period_us and memory.limit_in_bytes (kernel Documentation/admin-guide/cgroup-v1 and -v2);
// MemTotal of /proc/meminfo. The cgroups are found through /proc/self/cgroup and
// /proc/self/mountinfo, and the limits of all their ancestors that are visible count, the smallest
// wins.
//
// shards: auto is the number of allowed CPUs, but never more than the quota grants whole. Rounded
// down, because a shard never sleeps for long under load: with a quota of 1.5 CPUs two busy shards
// use up their period early and then the kernel stops both, for up to 100 ms at a time, while one
// never meets the limit. At least one.
//
// Pinning: a list pins as told; a number (or auto) pins only if it is the number of allowed CPUs,
// since then no choice is involved. Else the scheduler places shards better than a guess: several
// nodes with two shards each on one machine would all take the same two CPUs.
#pragma once

#include "core/limits.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { CPU_NONE = UINT16_MAX }; // a shard that is not pinned

struct cpu_list {
    uint32_t count;
    uint16_t ids[LIMIT_CPUS]; // ascending where they come from the system, as told where configured
};

struct cpu_facts {
    struct cpu_list allowed;  // by affinity mask and cpuset
    uint64_t quota_millicpus; // the tightest quota, 1000 a CPU; 0: none
    uint64_t memory_bytes;    // the smaller of the machine's and the cgroups'
};

// `root` is "" or a directory that holds proc/ and sys/ for a test. 0 or -errno of
// sched_getaffinity or of reading /proc/meminfo; a cgroup that cannot be read is no limit.
int cpu_facts_read(const char *root, struct cpu_facts *ret_facts);

// The parts of it.
int cpu_allowed(struct cpu_list *ret_list);
uint64_t cpu_quota_millicpus(const char *root);
int cpu_memory_bytes(const char *root, uint64_t *ret_bytes);

// How many shards `auto` means: 1 to LIMIT_SHARDS.
uint32_t cpu_shards_auto(const struct cpu_facts *facts);

// The CPU of each of `shards` shards into ret_cpus[shards], CPU_NONE where it is not pinned. `told`
// is the configured list or NULL; it then has `shards` entries.
void cpu_plan(const struct cpu_facts *facts, uint32_t shards, const struct cpu_list *told,
              uint16_t *ret_cpus);

// Pins the calling thread; CPU_NONE leaves it as it is. 0 or -errno (-EINVAL: not allowed here).
int cpu_pin_thread(uint16_t cpu);
