#include "ring/slot.h"

#include "core/random.h"
#include "ring/partition.h"

#include <criterion/criterion.h>

static uint16_t slot_of_text(const char *text)
{
    return slot_of_key(slice_from_text(text));
}

// The definition, bit by bit.
static uint16_t plain_crc16(const uint8_t *bytes, size_t size)
{
    uint32_t crc = 0;

    for (size_t i = 0; i < size; i++) {
        crc ^= (uint32_t)bytes[i] << 8;
        for (int bit = 0; bit < 8; bit++) {
            crc = ((crc & 0x8000) != 0 ? (crc << 1) ^ 0x1021 : crc << 1) & 0xffff;
        }
    }
    return (uint16_t)crc;
}

// The rule as the specification words it.
static uint16_t plain_slot(const uint8_t *key, size_t size)
{
    for (size_t open = 0; open < size; open++) {
        if (key[open] != '{') {
            continue;
        }
        for (size_t close = open + 1; close < size; close++) {
            if (key[close] == '}') {
                return close == open + 1
                           ? plain_crc16(key, size) % SLOT_COUNT
                           : plain_crc16(key + open + 1, close - open - 1) % SLOT_COUNT;
            }
        }
        break;
    }
    return plain_crc16(key, size) % SLOT_COUNT;
}

Test(ring_slot, crc16_has_the_check_value_of_xmodem)
{
    cr_assert_eq(slot_crc16(slice_from_text("123456789")), 0x31c3);
    cr_assert_eq(slot_crc16(slice_from_text("")), 0);
}

// Computed apart, with binascii.crc_hqx() of Python.
Test(ring_slot, slots_are_those_of_redis_cluster)
{
    cr_assert_eq(slot_of_text("foo"), 12182);
    cr_assert_eq(slot_of_text("bar"), 5061);
    cr_assert_eq(slot_of_text("123456789"), 12739);
    cr_assert_eq(slot_of_text(""), 0);
    cr_assert_eq(slot_of_text("somekey"), 11058);
    cr_assert_eq(slot_of_text("key:000000000042"), 7803);
    cr_assert_eq(slot_of_text("{user1000}.following"), slot_of_text("user1000"));
}

Test(ring_slot, only_the_first_tag_that_is_not_empty_counts)
{
    cr_assert_eq(slot_of_text("{user1000}.following"), slot_of_text("{user1000}.followers"));
    cr_assert_eq(slot_of_text("a{b}c"), slot_of_text("b"));
    cr_assert_eq(slot_of_text("foo{{bar}}zap"), slot_of_text("{bar"));
    cr_assert_eq(slot_of_text("foo{bar}{zap}"), slot_of_text("bar"));
    cr_assert_eq(slot_of_text("}{a}"), slot_of_text("a"));
}

Test(ring_slot, without_a_tag_the_whole_key_counts)
{
    static const char *const keys[] = {"{}a", "foo{}{bar}", "{a", "a}", "{", "}", "{}", "}{", "a{"};

    for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++) {
        const struct slice key = slice_from_text(keys[i]);

        cr_assert(slice_equal(slot_tag(key), key), "%s", keys[i]);
        cr_assert_eq(slot_of_key(key), plain_crc16(key.bytes, key.size) % SLOT_COUNT, "%s",
                     keys[i]);
    }
}

Test(ring_slot, the_empty_slice_may_have_no_bytes)
{
    cr_assert_eq(slot_of_key(slice_of(NULL, 0)), 0);
    cr_assert_eq(slot_tag(slice_of(NULL, 0)).size, 0);
}

Test(ring_slot, random_keys_have_the_slots_of_the_definition)
{
    struct random random;
    uint8_t key[80];

    random_seed(&random, 1);
    for (int round = 0; round < 200000; round++) {
        const size_t size = random_below(&random, sizeof key);

        random_bytes(&random, key, size);
        // Braces often enough, in all places.
        for (uint64_t braces = random_below(&random, 4); braces != 0 && size != 0; braces--) {
            key[random_below(&random, size)] = random_below(&random, 2) == 0 ? '{' : '}';
        }
        cr_assert_eq(slot_of_key(slice_of(key, size)), plain_slot(key, size), "seed 1, round %d",
                     round);
    }
}

Test(ring_slot, partitions_are_equal_ranges_in_order)
{
    for (uint32_t partitions = 1; partitions <= SLOT_COUNT; partitions *= 2) {
        uint32_t next = 0;

        cr_assert(partition_count_valid(partitions));
        for (uint32_t partition = 0; partition < partitions; partition++) {
            const struct slot_range range = partition_range(partition, partitions);

            cr_assert_eq(range.first, next);
            cr_assert_eq(range.last - range.first + 1, partition_slots(partitions));
            cr_assert_eq(partition_of_slot(range.first, partitions), partition);
            cr_assert_eq(partition_of_slot(range.last, partitions), partition);
            next = (uint32_t)range.last + 1;
        }
        cr_assert_eq(next, SLOT_COUNT);
    }
    cr_assert_not(partition_count_valid(0));
    cr_assert_not(partition_count_valid(3));
    cr_assert_not(partition_count_valid(2 * SLOT_COUNT));
}
