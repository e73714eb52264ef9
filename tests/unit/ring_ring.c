#include "ring/ring.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>

static struct ring_member member_of(uint32_t number)
{
    struct ring_member member = {.weight = 1, .cores = 2};

    member.id.bytes[0] = (uint8_t)number;
    member.id.bytes[19] = (uint8_t)(number >> 8);
    snprintf(member.name, sizeof member.name, "n%u", number);
    snprintf(member.address.host, sizeof member.address.host, "127.0.0.1");
    return member;
}

// Partition p has the members p, p + 1, ... in its list.
static struct ring *ring_of(uint32_t partitions, uint32_t replicas, uint32_t members)
{
    struct ring *ring = NULL;

    cr_assert_eq(ring_create(partitions, replicas, members, &ring), 0);
    for (uint32_t i = 0; i < members; i++) {
        ring->members[i] = member_of(i);
    }
    for (uint32_t partition = 0; partition < partitions; partition++) {
        for (uint32_t i = 0; i < ring->width; i++) {
            ring->preferences[partition * ring->width + i] = (uint16_t)((partition + i) % members);
        }
    }
    return ring;
}

static void assert_invalid(const struct ring *ring, const char *why)
{
    char error[RING_ERROR_TEXT_MAX] = "";

    cr_assert_eq(ring_validate(ring, error), -EINVAL, "%s", why);
    cr_assert_neq(strstr(error, why), NULL, "\"%s\" is not in \"%s\"", why, error);
}

Test(ring_ring, a_cluster_of_one_has_every_partition)
{
    const struct ring_member self = member_of(7);
    char error[RING_ERROR_TEXT_MAX] = "";
    struct ring *ring = NULL;

    cr_assert_eq(ring_single(&self, 256, &ring), 0);
    cr_assert_eq(ring_validate(ring, error), 0, "%s", error);
    cr_assert_eq(ring->epoch, 1);
    cr_assert_eq(ring_primaries(ring), 1);
    for (uint32_t partition = 0; partition < 256; partition++) {
        const struct ring_preference list = ring_preference(ring, partition);

        cr_assert_eq(list.count, 1);
        cr_assert_eq(list.primaries, 1);
        cr_assert_eq(list.members[0], 0);
        cr_assert(ring_is_primary(ring, partition, 0));
    }
    cr_assert_str_eq(ring->members[0].name, "n7");
    ring_destroy(ring);
}

Test(ring_ring, primaries_come_first_and_fallbacks_after_them)
{
    struct ring *const ring = ring_of(8, 3, 5);
    char error[RING_ERROR_TEXT_MAX] = "";
    const struct ring_preference list = ring_preference(ring, 6);

    cr_assert_eq(ring_validate(ring, error), 0, "%s", error);
    cr_assert_eq(list.count, 5);
    cr_assert_eq(list.primaries, 3);
    cr_assert_eq(list.members[0], 1);
    cr_assert(ring_is_primary(ring, 6, 3));
    cr_assert_not(ring_is_primary(ring, 6, 4));
    ring_destroy(ring);
}

Test(ring_ring, fewer_members_than_replicas_are_all_primaries)
{
    struct ring *const ring = ring_of(8, 3, 2);

    cr_assert_eq(ring_primaries(ring), 2);
    cr_assert_eq(ring_preference(ring, 0).primaries, 2);
    ring_destroy(ring);
}

Test(ring_ring, lists_are_bounded)
{
    struct ring *const ring = ring_of(16, 3, 100);

    cr_assert_eq(ring_preference(ring, 15).count, LIMIT_RING_PREFERENCE);
    ring_destroy(ring);
}

Test(ring_ring, dimensions_out_of_bounds_are_refused)
{
    struct ring *ring = NULL;

    cr_assert_eq(ring_create(0, 1, 1, &ring), -EINVAL);
    cr_assert_eq(ring_create(48, 1, 1, &ring), -EINVAL);
    cr_assert_eq(ring_create(32768, 1, 1, &ring), -EINVAL);
    cr_assert_eq(ring_create(16, 0, 1, &ring), -EINVAL);
    cr_assert_eq(ring_create(16, LIMIT_RING_REPLICAS + 1, 1, &ring), -EINVAL);
    cr_assert_eq(ring_create(16, 1, 0, &ring), -EINVAL);
    cr_assert_eq(ring_create(16, 1, LIMIT_RING_MEMBERS + 1, &ring), -EINVAL);
    cr_assert_eq(ring, NULL);
}

Test(ring_ring, every_fault_is_named)
{
    struct ring *const ring = ring_of(8, 3, 5);

    ring->members[4].id = ring->members[2].id;
    assert_invalid(ring, "members 2 and 4: the same id");
    ring->members[4] = member_of(4);
    memcpy(ring->members[3].name, "n1", 3);
    assert_invalid(ring, "members 1 and 3: the same name n1");
    ring->members[3].name[0] = '\0';
    assert_invalid(ring, "member 3: no name");
    memset(ring->members[3].name, 'x', sizeof ring->members[3].name);
    assert_invalid(ring, "member 3: a text that is not terminated");
    ring->members[3] = member_of(3);
    ring->members[0].weight = 0;
    assert_invalid(ring, "member 0 (n0): weight 0");
    ring->members[0].weight = 1;
    ring->members[0].cores = LIMIT_SHARDS + 1;
    assert_invalid(ring, "member 0 (n0): 129 cores");
    ring->members[0].cores = 1;
    ring->preferences[3 * ring->width + 2] = ring->preferences[3 * ring->width];
    assert_invalid(ring, "partition 3: member 3 twice");
    ring->preferences[3 * ring->width + 2] = 5;
    assert_invalid(ring, "partition 3: no member 5");
    ring->preferences[3 * ring->width + 2] = 0;
    ring->epoch = 0;
    assert_invalid(ring, "count from 1");
    ring->epoch = 1;
    ring->width = 4;
    assert_invalid(ring, "lists of 4");
    ring_destroy(ring);
}

Test(ring_ring, members_are_found_by_id)
{
    struct ring *const ring = ring_of(8, 3, 5);
    const struct ring_member stranger = member_of(5);
    uint32_t found = 99;

    cr_assert(ring_find(ring, &ring->members[3].id, &found));
    cr_assert_eq(found, 3);
    cr_assert_not(ring_find(ring, &stranger.id, &found));
    ring_destroy(ring);
}

Test(ring_ring, node_ids_are_printed_as_redis_prints_them)
{
    const char *const text = "07c37dfeb235213a872192d90877d0cd55635b91";
    char printed[NODE_ID_TEXT_BYTES];
    struct node_id id;

    cr_assert_eq(node_id_parse(slice_from_text(text), &id), 0);
    cr_assert_eq(id.bytes[0], 0x07);
    cr_assert_eq(id.bytes[19], 0x91);
    node_id_format(&id, printed);
    cr_assert_str_eq(printed, text);
    cr_assert_eq(node_id_parse(slice_of(text, 39), &id), -EINVAL);
    cr_assert_eq(node_id_parse(slice_from_text("07c37dfeb235213a872192d90877d0cd55635b9G"), &id),
                 -EINVAL);
    cr_assert_eq(node_id_parse(slice_from_text("07C37dfeb235213a872192d90877d0cd55635b91"), &id),
                 -EINVAL);
}
