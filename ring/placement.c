#include "ring/placement.h"

#include "core/memory.h"

#include <errno.h>

static_assert((int)LIMIT_SHARDS < (int)PLACEMENT_NONE,
              "cores are 16 bits, and one value says none");

// One block: the placement, starts, entries, order, in descending alignment.
static struct placement *placement_allocate(uint32_t partitions, uint32_t cores)
{
    const size_t starts_size = ((size_t)cores + 1) * sizeof(uint32_t);
    const size_t entries_size = (size_t)partitions * sizeof(struct placement_entry);
    const size_t order_size = (size_t)partitions * sizeof(uint16_t);
    struct placement *const placement =
        memory_allocate_zeroed(sizeof *placement + starts_size + entries_size + order_size);

    if (placement == NULL) {
        return NULL;
    }
    placement->partitions = partitions;
    placement->cores = cores;
    placement->starts = (uint32_t *)(void *)(placement + 1);
    placement->entries = (struct placement_entry *)(void *)(placement->starts + cores + 1);
    placement->order = (uint16_t *)(void *)(placement->entries + partitions);
    return placement;
}

int placement_create(const struct ring *ring, uint32_t member, uint32_t cores,
                     struct placement **ret_placement)
{
    CHECK(member < ring->member_count);
    if (cores < 1 || cores > LIMIT_SHARDS) {
        return -EINVAL;
    }
    struct placement *const placement = placement_allocate(ring->partitions, cores);

    if (placement == NULL) {
        return -ENOMEM;
    }
    for (uint32_t partition = 0; partition < ring->partitions; partition++) {
        placement->entries[partition] = (struct placement_entry){.core = PLACEMENT_NONE};
        if (ring_is_primary(ring, partition, member)) {
            placement->order[placement->held++] = (uint16_t)partition;
        }
    }
    // The first held % cores cores have one more than the others.
    const uint32_t each = placement->held / cores;
    const uint32_t longer = placement->held % cores;

    for (uint32_t core = 0; core < cores; core++) {
        const uint32_t start = placement->starts[core];
        const uint32_t count = each + (core < longer ? 1 : 0);

        placement->starts[core + 1] = start + count;
        for (uint32_t vnode = 0; vnode < count; vnode++) {
            placement->entries[placement->order[start + vnode]] =
                (struct placement_entry){.core = (uint16_t)core, .vnode = (uint16_t)vnode};
        }
    }
    CHECK(placement->starts[cores] == placement->held);
    *ret_placement = placement;
    return 0;
}

void placement_destroy(struct placement *placement)
{
    memory_free(placement);
}

uint32_t placement_ranges(const struct placement *placement, uint32_t core,
                          struct slot_range *ret_ranges, uint32_t capacity)
{
    const uint32_t vnodes = placement_vnodes(placement, core);
    uint32_t count = 0;

    for (uint32_t vnode = 0; vnode < vnodes; vnode++) {
        const uint32_t partition = placement_partition(placement, core, vnode);
        const struct slot_range range = partition_range(partition, placement->partitions);
        const bool adjacent =
            vnode != 0 && placement_partition(placement, core, vnode - 1) + 1 == partition;

        if (!adjacent) {
            count++;
        }
        if (count > capacity) {
            continue; // goes on counting
        }
        if (!adjacent) {
            ret_ranges[count - 1].first = range.first;
        }
        ret_ranges[count - 1].last = range.last;
    }
    return count;
}
