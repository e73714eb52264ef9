// From a slot to its partition. The slots are cut into Q partitions of equal length, in order; Q is
// a power of two that is fixed when the cluster is born: the third strategy of the Dynamo paper
// (DeCandia et al., 2007, section 6.2: Q/S tokens a node, equal-sized partitions), whose partitions
// move between nodes as whole files and whose membership changes move no boundary.
#pragma once

#include "core/check.h"
#include "ring/slot.h"

#include <stdbool.h>
#include <stdint.h>

// Slots first..last, both included.
struct slot_range {
    uint16_t first;
    uint16_t last;
};

static inline bool partition_count_valid(uint32_t partitions)
{
    return partitions >= 1 && partitions <= SLOT_COUNT && (partitions & (partitions - 1)) == 0;
}

// Slots that one partition has.
static inline uint32_t partition_slots(uint32_t partitions)
{
    return SLOT_COUNT / partitions;
}

static inline uint32_t partition_of_slot(uint16_t slot, uint32_t partitions)
{
    CHECK(slot < SLOT_COUNT);
    CHECK_SLOW(partition_count_valid(partitions));
    // A division by a power of two that is not known here: 16384 / partitions = 2^(14 - log2).
    return (uint32_t)slot >> (14 - __builtin_ctz(partitions));
}

static inline struct slot_range partition_range(uint32_t partition, uint32_t partitions)
{
    CHECK(partition < partitions);
    const uint32_t slots = partition_slots(partitions);

    return (struct slot_range){.first = (uint16_t)(partition * slots),
                               .last = (uint16_t)((partition + 1) * slots - 1)};
}
