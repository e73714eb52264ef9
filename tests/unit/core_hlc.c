#include "core/hlc.h"

#include "core/random.h"

#include <criterion/criterion.h>

Test(core_hlc, follows_the_wall_clock)
{
    struct hlc clock = {0};

    cr_assert_eq(hlc_next(&clock, 1000), hlc_of(1000, 0));
    cr_assert_eq(hlc_next(&clock, 1000), hlc_of(1000, 1));
    cr_assert_eq(hlc_next(&clock, 1001), hlc_of(1001, 0));
    cr_assert_eq(hlc_ms(hlc_of(1001, 9)), 1001);
    cr_assert_eq(hlc_logical(hlc_of(1001, 9)), 9);
}

Test(core_hlc, goes_on_when_the_wall_clock_goes_back)
{
    struct hlc clock = {0};

    hlc_next(&clock, 1000);
    cr_assert_eq(hlc_next(&clock, 10), hlc_of(1000, 1));
}

Test(core_hlc, a_full_counter_carries_into_the_physical_part)
{
    struct hlc clock = {.last = hlc_of(1000, UINT16_MAX)};

    cr_assert_eq(hlc_next(&clock, 1000), hlc_of(1001, 0));
}

Test(core_hlc, passes_remote_stamps_within_the_skew)
{
    struct hlc clock = {0};

    hlc_next(&clock, 1000);
    cr_assert(hlc_observe(&clock, hlc_of(1500, 7), 1000, 500));
    cr_assert_eq(hlc_next(&clock, 1000), hlc_of(1500, 8));
    // An older one changes nothing.
    cr_assert(hlc_observe(&clock, hlc_of(3, 0), 1000, 500));
    cr_assert_eq(hlc_next(&clock, 1000), hlc_of(1500, 9));
}

Test(core_hlc, refuses_remote_stamps_beyond_the_skew)
{
    struct hlc clock = {0};

    hlc_next(&clock, 1000);
    cr_assert_not(hlc_observe(&clock, hlc_of(1501, 0), 1000, 500));
    cr_assert_not(hlc_observe(&clock, UINT64_MAX, 1000, UINT64_MAX));
    cr_assert_eq(hlc_next(&clock, 1000), hlc_of(1000, 1));
}

// Two clocks that observe each other, over wall clocks that jump: stamps of each are strictly
// increasing, one's next stamp is above what it observed, and neither runs away from its wall
// clock.
Test(core_hlc, is_strictly_increasing_whatever_the_wall_clock_does)
{
    for (uint64_t seed = 1; seed <= 50; seed++) {
        struct random random;
        struct hlc clocks[2] = {{0}, {0}};
        uint64_t last[2] = {0, 0};
        uint64_t wall[2] = {100000, 100000};
        uint64_t wall_max = 100000;

        random_seed(&random, seed);
        for (int step = 0; step < 2000; step++) {
            const size_t i = random_below(&random, 2);

            wall[i] += random_below(&random, 20);
            wall[i] -= random_below(&random, 15);
            wall_max = wall[i] > wall_max ? wall[i] : wall_max;
            if (random_below(&random, 2) == 0 &&
                hlc_observe(&clocks[i], last[1 - i], wall[i], 50)) {
                last[i] = last[1 - i] > last[i] ? last[1 - i] : last[i];
            }
            const uint64_t stamp = hlc_next(&clocks[i], wall[i]);

            cr_assert_gt(stamp, last[i], "seed %llu", (unsigned long long)seed);
            cr_assert_geq(hlc_ms(stamp), wall[i], "seed %llu", (unsigned long long)seed);
            cr_assert_leq(hlc_ms(stamp), wall_max + 1, "seed %llu", (unsigned long long)seed);
            last[i] = stamp;
        }
    }
}
