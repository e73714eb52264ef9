#include "ring/placement.h"

#include "core/random.h"

#include <criterion/criterion.h>
#include <errno.h>

static struct ring *ring_alone(uint32_t partitions)
{
    const struct ring_member self = {.name = "n1", .weight = 1};
    struct ring *ring = NULL;

    cr_assert_eq(ring_single(&self, partitions, &ring), 0);
    return ring;
}

// What every placement has to keep, whatever the ring and the number of cores.
static void assert_sound(const struct ring *ring, uint32_t member,
                         const struct placement *placement)
{
    uint32_t held = 0;
    uint32_t last_core = 0;

    for (uint32_t partition = 0; partition < ring->partitions; partition++) {
        const uint32_t core = placement_core(placement, partition);

        cr_assert_eq(core != PLACEMENT_NONE, ring_is_primary(ring, partition, member));
        if (core == PLACEMENT_NONE) {
            continue;
        }
        held++;
        cr_assert_geq(core, last_core); // contiguous runs
        last_core = core;
        cr_assert_eq(placement_partition(placement, core, placement_vnode(placement, partition)),
                     partition);
    }
    cr_assert_eq(held, placement->held);
    for (uint32_t core = 0; core < placement->cores; core++) {
        const uint32_t vnodes = placement_vnodes(placement, core);

        cr_assert_geq(vnodes, held / placement->cores);
        cr_assert_leq(vnodes, (held + placement->cores - 1) / placement->cores);
    }
}

Test(ring_placement, a_node_alone_has_one_range_a_core)
{
    for (uint32_t partitions = 1; partitions <= 1024; partitions *= 4) {
        for (uint32_t cores = 1; cores <= LIMIT_SHARDS; cores++) {
            struct ring *const ring = ring_alone(partitions);
            struct placement *placement = NULL;
            uint32_t next = 0;

            cr_assert_eq(placement_create(ring, 0, cores, &placement), 0);
            assert_sound(ring, 0, placement);
            for (uint32_t core = 0; core < cores; core++) {
                struct slot_range range = {0};
                const uint32_t ranges = placement_ranges(placement, core, &range, 1);

                cr_assert_eq(ranges, core < partitions ? 1 : 0);
                if (ranges == 1) {
                    cr_assert_eq(range.first, next);
                    next = (uint32_t)range.last + 1;
                }
            }
            cr_assert_eq(next, SLOT_COUNT);
            placement_destroy(placement);
            ring_destroy(ring);
        }
    }
}

Test(ring_placement, the_drawing_in_the_header_is_true)
{
    struct ring *ring = NULL;
    struct placement *placement = NULL;

    // Sixteen partitions, of which member 1 has the first ten.
    cr_assert_eq(ring_create(16, 1, 2, &ring), 0);
    for (uint32_t partition = 0; partition < 16; partition++) {
        ring->preferences[2 * partition] = partition < 10 ? 1 : 0;
        ring->preferences[2 * partition + 1] = partition < 10 ? 0 : 1;
    }
    cr_assert_eq(placement_create(ring, 1, 3, &placement), 0);
    assert_sound(ring, 1, placement);
    static const uint32_t cores[] = {0, 0, 0, 0, 1, 1, 1, 2, 2, 2};
    static const uint32_t vnodes[] = {0, 1, 2, 3, 0, 1, 2, 0, 1, 2};

    for (uint32_t partition = 0; partition < 10; partition++) {
        cr_assert_eq(placement_core(placement, partition), cores[partition]);
        cr_assert_eq(placement_vnode(placement, partition), vnodes[partition]);
    }
    cr_assert_eq(placement_core(placement, 10), PLACEMENT_NONE);
    cr_assert_eq(placement_of_slot(placement, 4 * 1024).core, 1);
    cr_assert_eq(placement_of_slot(placement, SLOT_COUNT - 1).core, PLACEMENT_NONE);
    placement_destroy(placement);
    ring_destroy(ring);
}

Test(ring_placement, ranges_are_merged_where_partitions_are_adjacent)
{
    struct ring *ring = NULL;
    struct placement *placement = NULL;
    struct slot_range ranges[8];

    // Member 0 has partitions 1, 2, 5, 7 of 8: slots 2048..6143, 10240..12287, 14336..16383.
    cr_assert_eq(ring_create(8, 1, 2, &ring), 0);
    for (uint32_t partition = 0; partition < 8; partition++) {
        const bool ours = partition == 1 || partition == 2 || partition == 5 || partition == 7;

        ring->preferences[2 * partition] = ours ? 0 : 1;
        ring->preferences[2 * partition + 1] = ours ? 1 : 0;
    }
    cr_assert_eq(placement_create(ring, 0, 1, &placement), 0);
    cr_assert_eq(placement_ranges(placement, 0, ranges, 8), 3);
    cr_assert(ranges[0].first == 2048 && ranges[0].last == 6143);
    cr_assert(ranges[1].first == 10240 && ranges[1].last == 12287);
    cr_assert(ranges[2].first == 14336 && ranges[2].last == 16383);
    // With too little room the count is still told, and what fits is right.
    ranges[1].first = 1;
    cr_assert_eq(placement_ranges(placement, 0, ranges, 1), 3);
    cr_assert(ranges[0].first == 2048 && ranges[0].last == 6143 && ranges[1].first == 1);
    cr_assert_eq(placement_ranges(placement, 0, NULL, 0), 3);
    placement_destroy(placement);
    ring_destroy(ring);
}

Test(ring_placement, random_rings_are_placed_soundly)
{
    struct random random;

    random_seed(&random, 2);
    for (int round = 0; round < 300; round++) {
        const uint32_t partitions = 1U << random_below(&random, 10);
        const uint32_t members = 1 + (uint32_t)random_below(&random, 9);
        const uint32_t cores = 1 + (uint32_t)random_below(&random, 20);
        struct placement *placement = NULL;
        struct ring *ring = NULL;

        cr_assert_eq(ring_create(partitions, 3, members, &ring), 0);
        for (uint32_t partition = 0; partition < partitions; partition++) {
            uint16_t *const list = ring->preferences + partition * ring->width;

            for (uint32_t i = 0; i < ring->width; i++) {
                const uint64_t other = random_below(&random, i + 1);

                list[i] = list[other];
                list[other] = (uint16_t)i;
            }
        }
        for (uint32_t member = 0; member < members; member++) {
            cr_assert_eq(placement_create(ring, member, cores, &placement), 0);
            assert_sound(ring, member, placement);
            placement_destroy(placement);
        }
        ring_destroy(ring);
    }
}

Test(ring_placement, the_number_of_cores_is_bounded)
{
    struct ring *const ring = ring_alone(16);
    struct placement *placement = NULL;

    cr_assert_eq(placement_create(ring, 0, 0, &placement), -EINVAL);
    cr_assert_eq(placement_create(ring, 0, LIMIT_SHARDS + 1, &placement), -EINVAL);
    cr_assert_eq(placement, NULL);
    ring_destroy(ring);
}
