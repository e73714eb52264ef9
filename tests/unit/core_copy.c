// Copies of a few bytes.
#include "core/copy.h"

#include <criterion/criterion.h>

enum { COPY_MOST = 80, COPY_EDGE = 24 };

Test(copy, copies_any_number_of_bytes_and_no_more)
{
    uint8_t from[COPY_MOST];

    for (size_t i = 0; i < sizeof from; i++) {
        from[i] = (uint8_t)(i + 1);
    }
    for (size_t size = 0; size <= sizeof from; size++) {
        uint8_t to[COPY_MOST + 2 * COPY_EDGE];

        memset(to, 0xee, sizeof to);
        copy_short(to + COPY_EDGE, from, size);
        for (size_t i = 0; i < sizeof to; i++) {
            const bool inside = i >= COPY_EDGE && i < COPY_EDGE + size;

            cr_assert_eq(to[i], inside ? from[i - COPY_EDGE] : 0xee, "byte %zu of %zu", i, size);
        }
    }
}
