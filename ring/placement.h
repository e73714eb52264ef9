// Where the vnodes of one node live: partition -> core -> index inside that core's engine, and
// back.
//
// The partitions that the node holds, in order, are cut into as many contiguous runs as there are
// cores; runs differ in length by at most one. So cores are even, and adjacent partitions share a
// core, which keeps CLUSTER SLOTS short: a node that holds all Q partitions has one range per core.
//
//     partitions held   0 1 2 3 4 5 6 7 8 9      cores 3
//     core              0 0 0 0 1 1 1 2 2 2
//     vnode             0 1 2 3 0 1 2 0 1 2
//
// Made from a ring at start and when the ring changes; immutable after that, and shared by the
// node's cores. Cores may be more than partitions: some then hold none.
#pragma once

#include "ring/ring.h"

#include <stdint.h>

enum { PLACEMENT_NONE = 0xffff }; // the core of a partition that the node does not hold

struct placement_entry {
    uint16_t core;
    uint16_t vnode;
};

struct placement {
    uint32_t partitions; // Q
    uint32_t cores;
    uint32_t held;                   // partitions that the node holds
    struct placement_entry *entries; // of each partition
    uint16_t *order;  // the partitions held, ascending: a core's run lies in one piece
    uint32_t *starts; // core c has order[starts[c]..starts[c + 1])
};

// The placement of the partitions of which `member` is a primary in `ring`. -EINVAL when cores is
// not 1..LIMIT_SHARDS, -ENOMEM.
int placement_create(const struct ring *ring, uint32_t member, uint32_t cores,
                     struct placement **ret_placement);

// NULL is allowed.
void placement_destroy(struct placement *placement);

// The core that has the partition, or PLACEMENT_NONE.
static inline uint32_t placement_core(const struct placement *placement, uint32_t partition)
{
    CHECK(partition < placement->partitions);
    return placement->entries[partition].core;
}

// The index of the partition's vnode inside the engine of its core. Only for partitions held.
static inline uint32_t placement_vnode(const struct placement *placement, uint32_t partition)
{
    CHECK(partition < placement->partitions);
    CHECK_SLOW(placement->entries[partition].core != PLACEMENT_NONE);
    return placement->entries[partition].vnode;
}

// Number of vnodes that the core has.
static inline uint32_t placement_vnodes(const struct placement *placement, uint32_t core)
{
    CHECK(core < placement->cores);
    return placement->starts[core + 1] - placement->starts[core];
}

// The inverse: the partition of a core's vnode.
static inline uint32_t placement_partition(const struct placement *placement, uint32_t core,
                                           uint32_t vnode)
{
    CHECK(vnode < placement_vnodes(placement, core));
    return placement->order[placement->starts[core] + vnode];
}

// Core and vnode of a slot, or core PLACEMENT_NONE.
static inline struct placement_entry placement_of_slot(const struct placement *placement,
                                                       uint16_t slot)
{
    return placement->entries[partition_of_slot(slot, placement->partitions)];
}

// The slots of the core as ranges, ascending, adjacent ones merged: writes up to `capacity` of them
// and returns how many there are (at most placement_vnodes()).
uint32_t placement_ranges(const struct placement *placement, uint32_t core,
                          struct slot_range *ret_ranges, uint32_t capacity);
