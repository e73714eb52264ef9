#include "core/random.h"

#include <criterion/criterion.h>

// The first outputs from the state 1, 2, 3, 4, as the authors' own code gives them.
Test(core_random, is_xoshiro256_star_star)
{
    struct random random = {.state = {1, 2, 3, 4}};

    cr_assert_eq(random_u64(&random), 11520);
    cr_assert_eq(random_u64(&random), 0);
    cr_assert_eq(random_u64(&random), 1509978240);
    cr_assert_eq(random_u64(&random), UINT64_C(1215971899390074240));
}

Test(core_random, seeds_by_splitmix64)
{
    uint64_t state = 1234567;

    cr_assert_eq(random_split(&state), UINT64_C(6457827717110365317));
    cr_assert_eq(random_split(&state), UINT64_C(3203168211198807973));
}

Test(core_random, a_seed_gives_one_sequence)
{
    struct random a;
    struct random b;

    random_seed(&a, 7);
    random_seed(&b, 7);
    for (int i = 0; i < 1000; i++) {
        cr_assert_eq(random_u64(&a), random_u64(&b));
    }
    random_seed(&b, 8);
    cr_assert_neq(random_u64(&a), random_u64(&b));
}

Test(core_random, below_is_even_and_reaches_all)
{
    enum { BOUND = 6, DRAWS = 60000 };
    uint32_t counts[BOUND] = {0};
    struct random random;

    random_seed(&random, 1);
    for (int i = 0; i < DRAWS; i++) {
        const uint64_t value = random_below(&random, BOUND);

        cr_assert_lt(value, BOUND);
        counts[value]++;
    }
    for (int i = 0; i < BOUND; i++) {
        // Five standard deviations (sqrt(60000 * 1/6 * 5/6) = 91) around the mean.
        cr_assert(counts[i] > 10000 - 456 && counts[i] < 10000 + 456, "%d: %u", i, counts[i]);
    }
    cr_assert_eq(random_below(&random, 1), 0);
}

// Of 3 * 2^62 values, a plain product would give those below 2^62 twice as often as the others.
Test(core_random, below_has_no_bias_for_large_bounds)
{
    enum { DRAWS = 30000 };
    const uint64_t quarter = UINT64_C(1) << 62;
    uint32_t counts[3] = {0};
    struct random random;

    random_seed(&random, 2);
    for (int i = 0; i < DRAWS; i++) {
        const uint64_t value = random_below(&random, 3 * quarter);

        cr_assert_lt(value, 3 * quarter);
        // Rejected are the products with the smallest low halves: they fall on value % 3 == 0.
        counts[value % 3]++;
    }
    for (int i = 0; i < 3; i++) {
        cr_assert(counts[i] > 10000 - 410 && counts[i] < 10000 + 410, "%d: %u", i, counts[i]);
    }
}

Test(core_random, fills_exactly_the_bytes_given)
{
    uint8_t bytes[20];
    struct random random;

    random_seed(&random, 3);
    for (size_t size = 0; size < sizeof bytes; size++) {
        memset(bytes, 0, sizeof bytes);
        random_bytes(&random, bytes, size);
        for (size_t i = size; i < sizeof bytes; i++) {
            cr_assert_eq(bytes[i], 0);
        }
    }
    random_bytes(&random, bytes, sizeof bytes);
    cr_assert_neq(memcmp(bytes, bytes + 8, 8), 0);
}
