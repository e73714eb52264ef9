#include "core/slice.h"

#include <criterion/criterion.h>

Test(core_slice, equal_compares_size_and_every_byte)
{
    cr_assert(slice_equal(slice_from_text("shard"), slice_from_text("shard")));
    cr_assert_not(slice_equal(slice_from_text("shard"), slice_from_text("sharD")));
    cr_assert_not(slice_equal(slice_from_text("shard"), slice_from_text("shards")));
}

Test(core_slice, bytes_may_be_nul)
{
    cr_assert(slice_equal(slice_of("a\0b", 3), slice_of("a\0b", 3)));
    cr_assert_not(slice_equal(slice_of("a\0b", 3), slice_of("a\0c", 3)));
    cr_assert_eq(slice_from_text("a\0b").size, 1);
}

Test(core_slice, empty_slices_are_equal_whatever_they_point_to)
{
    cr_assert(slice_equal(slice_of(NULL, 0), slice_from_text("")));
    cr_assert_not(slice_equal(slice_of(NULL, 0), slice_from_text("a")));
}
