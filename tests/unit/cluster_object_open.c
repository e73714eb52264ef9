#include "cluster/object.h"

#include <criterion/criterion.h>

// Whether bytes given as numbers are an object.
#define opens(...)                                                                                 \
    (object_open(slice_of((const uint8_t[]){__VA_ARGS__}, sizeof((const uint8_t[]){__VA_ARGS__})), \
                 &(struct object_view){0}))

// hlc 1, as the format has it.
#define HLC(n) n, 0, 0, 0, 0, 0, 0, 0
#define FULL 255, 255, 255, 255, 255, 255, 255, 255

Test(cluster_object_open, only_the_exact_format_opens)
{
    cr_assert(opens(0x11, 0, HLC(1)));
    cr_assert(opens(0x11, 0, HLC(1), 'v'));
    cr_assert(opens(0x11, 0x80, 1, HLC(1), 'v'));
    cr_assert_not(object_open(slice_of(NULL, 0), &(struct object_view){0}));
    cr_assert_not(opens(0x11, 0, 1, 0, 0, 0, 0, 0, 0)); // cut
    cr_assert_not(opens(0x11, 0, HLC(0), 'v'));         // no hlc
    cr_assert_not(opens(0x11, 0, FULL, 'v'));           // beyond the last hlc
    cr_assert_not(opens(0x11, 0x80, 0, HLC(1)));        // actor in long form
    cr_assert_not(opens(0x21, 0, HLC(1)));              // another version
    cr_assert_not(opens(0x16, 0, HLC(1)));              // another form
    cr_assert(opens(0x12, 0, HLC(1), HLC(9), 'v'));
    cr_assert(opens(0x12, 0, HLC(1), HLC(0), 'v')); // never
    cr_assert_not(opens(0x12, 0, HLC(1), 9, 0, 0));
    cr_assert(opens(0x13, 0, HLC(1)));
    cr_assert_not(opens(0x13, 0, HLC(1), 0)); // something left over
    cr_assert(opens(0x14, 0, HLC(5), HLC(3), HLC(7), HLC(1)));
    cr_assert_not(opens(0x14, 0, HLC(5), HLC(5), HLC(7), HLC(1))); // the base not before the sum
    cr_assert_not(opens(0x14, 0, HLC(5), HLC(0), HLC(7), HLC(1))); // a null base is 0
    cr_assert_not(opens(0x14, 0, HLC(5), HLC(3), HLC(7), HLC(1), 0));
    cr_assert(opens(0x15, 0, HLC(5), HLC(0), HLC(6), 'v'));
    cr_assert_not(opens(0x15, 0, HLC(5), HLC(9), HLC(5), 'v')); // that is form 2
    cr_assert_not(opens(0x15, 0, HLC(5), HLC(9), HLC(0), 'v'));
}

Test(cluster_object_open, only_the_exact_general_format_opens)
{
    // Two versions, no dots, one register that takes the rest.
    cr_assert(opens(0x10, 2, 0, HLC(1), 1, HLC(2), 0, 1, 0x20, 0, HLC(1), 'v'));
    cr_assert_not(opens(0x10, 1, 0, HLC(1), 0, 1, 0x20, 0, HLC(1), 'v')); // that is form 1
    cr_assert_not(opens(0x10, 2, 1, HLC(1), 0, HLC(2), 0, 1, 0x20, 0, HLC(1), 'v')); // order
    cr_assert_not(opens(0x10, 2, 0, HLC(1), 0, HLC(2), 0, 1, 0x20, 0, HLC(1), 'v')); // twice
    cr_assert_not(opens(0x10, 0, 0, 1, 0x20, 0, HLC(1), 'v'));                       // no history
    cr_assert_not(opens(0x10, 2, 0, HLC(1), 1, HLC(2), 0, 1, 0x20, 0, HLC(2), 'v')); // not covered
    cr_assert_not(opens(0x10, 2, 0, HLC(1), 1, HLC(2), 0, 1, 0x20, 2, HLC(1), 'v')); // not covered
    cr_assert_not(opens(0x10, 2, 0, HLC(1), 1, HLC(2), 0, 1, 0x00, 0, HLC(1), 1, 'v')); // no last
    cr_assert_not(opens(0x10, 2, 0, HLC(1), 1, HLC(2), 0, 1, 0x03, 0, HLC(1)));         // no kind
    cr_assert_not(opens(0x10, 2, 0, HLC(1), 1, HLC(2), 0, 1, 0x61, 0, HLC(1)));         // flags
    cr_assert_not(opens(0x10, 2, 0, HLC(1), 1, HLC(2), 0, 1, 0x28, 0, HLC(1), 'v')); // own of none
    // A dot beyond the vector; one within it, or below.
    cr_assert(opens(0x10, 1, 0, HLC(1), 1, 0, HLC(5), 1, 0x20, 0, HLC(5), 'v'));
    cr_assert_not(opens(0x10, 1, 0, HLC(5), 1, 0, HLC(5), 1, 0x20, 0, HLC(5), 'v'));
    // No values at all: deleted, one sibling here and one there.
    cr_assert(opens(0x10, 2, 0, HLC(1), 1, HLC(2), 0, 0));
    cr_assert_not(opens(0x10, 2, 0, HLC(1), 1, HLC(2), 0, 0, 'v'));
    // Two registers: newest first, the first with its size, the last one to the end.
    cr_assert(opens(0x10, 2, 0, HLC(1), 1, HLC(2), 0, 2, 0, 1, HLC(2), 1, 0x20, 0, HLC(1), 'a'));
    cr_assert_not(
        opens(0x10, 2, 0, HLC(1), 1, HLC(2), 0, 2, 0, 0, HLC(1), 1, 0x20, 1, HLC(2), 'a'));
    cr_assert_not(
        opens(0x10, 2, 0, HLC(1), 1, HLC(2), 0, 2, 0, 1, HLC(2), 2, 0x20, 0, HLC(1), 'a'));
    cr_assert_not(
        opens(0x10, 2, 0, HLC(1), 1, HLC(2), 0, 2, 0x20, 1, HLC(2), 0x20, 0, HLC(1), 'a'));
    // No event twice, no counter in two parts.
    cr_assert_not(
        opens(0x10, 2, 0, HLC(1), 1, HLC(2), 0, 2, 0, 1, HLC(2), 0, 0x20, 1, HLC(2), 'a'));
    cr_assert_not(opens(0x10, 2, 0, HLC(1), 1, HLC(2), 0, 2, 2, 0, HLC(0), HLC(0), 1, 0, 1, HLC(2),
                        HLC(7), 2, 0, HLC(0), HLC(0), 1, 0, 0, HLC(1), HLC(7)));
    // A counter: base id, its integer, sums.
    cr_assert(
        opens(0x10, 2, 0, HLC(1), 1, HLC(2), 0, 1, 2, 0, HLC(0), HLC(0), 1, 0, 1, HLC(2), HLC(7)));
    cr_assert_not(opens(0x10, 2, 0, HLC(1), 1, HLC(2), 0, 1, 2, 0, HLC(0), HLC(1), 1, 0, 1, HLC(2),
                        HLC(7))); // a null base is 0
    cr_assert_not(
        opens(0x10, 2, 0, HLC(1), 1, HLC(2), 0, 1, 2, 0, HLC(0), HLC(0), 0)); // nothing counted
    cr_assert(
        opens(0x10, 2, 0, HLC(1), 1, HLC(2), 0, 1, 0x12, 0, HLC(1), HLC(4), 0)); // a base alone
    cr_assert_not(opens(0x10, 2, 0, HLC(1), 1, HLC(2), 0, 1, 0x12, 0, HLC(1), HLC(0), 0));
}
