#include "core/hash.h"

#include <criterion/criterion.h>

// The values that XXH3 has had since libxxhash 0.8.0: they are in files and on the wire.
Test(core_hash, is_xxh3)
{
    cr_assert_eq(hash_checksum("", 0), UINT64_C(0x2d06800538d394c2));
    cr_assert_eq(hash_checksum("a", 1), UINT64_C(0xe6c632b61e964e1f));
    cr_assert_eq(hash_checksum("abc", 3), UINT64_C(0x78af5f94892f3950));
    cr_assert_eq(hash_key(0, slice_from_text("abc")), UINT64_C(0x78af5f94892f3950));
}

Test(core_hash, the_seed_and_every_byte_count)
{
    uint8_t bytes[300] = {0};
    const uint64_t hash = hash_key(1, slice_of(bytes, sizeof bytes));

    cr_assert_neq(hash_key(2, slice_of(bytes, sizeof bytes)), hash);
    for (size_t i = 0; i < sizeof bytes; i++) {
        bytes[i] = 1;
        cr_assert_neq(hash_key(1, slice_of(bytes, sizeof bytes)), hash);
        bytes[i] = 0;
    }
}

Test(core_hash, zeroed_blocks_have_no_checksum_of_zero)
{
    static const uint8_t zeros[8192];

    for (size_t size = 0; size <= sizeof zeros; size++) {
        cr_assert_neq(hash_checksum(zeros, size), 0);
    }
}

// Whatever the state's memory held before: the same seed for one, and no secret that belongs to it.
Test(core_hash, pieces_sum_up_to_the_whole)
{
    const uint64_t seed = 42;
    uint8_t bytes[3000];
    XXH3_state_t state;

    for (size_t i = 0; i < sizeof bytes; i++) {
        bytes[i] = (uint8_t)(i * 7);
    }
    for (int held = 0; held < 256; held++) {
        memset(&state, held, sizeof state);
        state.seed = seed;
        state.extSecret = NULL;
        hash_pieces_begin(&state, seed);
        (void)XXH3_64bits_update(&state, bytes, 1000);
        (void)XXH3_64bits_update(&state, bytes + 1000, sizeof bytes - 1000);
        cr_assert_eq(XXH3_64bits_digest(&state), hash_key(seed, slice_of(bytes, sizeof bytes)));
    }
}
