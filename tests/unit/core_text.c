#include "core/text.h"

#include <criterion/criterion.h>

#include <errno.h>
#include <inttypes.h>
#include <string.h>

Test(core_text, grows_and_stays_terminated)
{
    struct text text;

    text_init(&text, 100000);
    cr_expect_str_eq(text_c(&text), "");
    for (unsigned i = 0; i < 1000; i++) {
        text_printf(&text, "%u,", i);
        cr_assert_eq(text_c(&text)[text.size], '\0');
        cr_assert_eq(strlen(text_c(&text)), text.size);
    }
    cr_expect_eq(text_error(&text), 0);
    cr_expect_eq(text.size, 10 * 2 + 90 * 3 + 900 * 4);
    cr_expect(strncmp(text_c(&text), "0,1,2,", 6) == 0);
    cr_expect_str_eq(text_c(&text) + text.size - 8, "998,999,");
    text_free(&text);
    cr_expect_str_eq(text_c(&text), "");
    text_string(&text, "again");
    cr_expect_str_eq(text_c(&text), "again");
    text_free(&text);
}

// Each size of the memory is met exactly, once by each way to append; a sanitizer sees an overrun.
Test(core_text, grows_byte_by_byte)
{
    for (int formatted = 0; formatted <= 1; formatted++) {
        struct text text;
        text_init(&text, 3000);
        for (size_t i = 0; i < 3000; i++) {
            if (formatted != 0) {
                text_printf(&text, "%c", 'x');
            } else {
                text_append(&text, "x", 1);
            }
        }
        cr_expect_eq(text_error(&text), 0);
        cr_expect_eq(strspn(text_c(&text), "x"), 3000);
        text_append(&text, "x", 1);
        cr_expect_eq(text_error(&text), -ENOSPC);
        text_free(&text);
    }
}

Test(core_text, numbers_are_written_whole)
{
    struct text text;

    text_init(&text, 100);
    text_u64(&text, 0);
    text_string(&text, " ");
    text_u64(&text, 10);
    text_string(&text, " ");
    text_u64(&text, UINT64_MAX);
    cr_expect_str_eq(text_c(&text), "0 10 18446744073709551615");
    text_free(&text);
}

Test(core_text, an_append_is_taken_whole_or_not_at_all)
{
    struct text text;

    text_init(&text, 5);
    text_string(&text, "abc");
    text_string(&text, "def");
    cr_expect_eq(text_error(&text), -ENOSPC);
    cr_expect_str_eq(text_c(&text), "abc");
    text_string(&text, "d");
    cr_expect_str_eq(text_c(&text), "abc", "the error is sticky");
    text_printf(&text, "%d", 4);
    cr_expect_str_eq(text_c(&text), "abc");
    text_cut(&text, 3);
    text_printf(&text, "%d", 45);
    cr_expect_eq(text_error(&text), 0);
    cr_expect_str_eq(text_c(&text), "abc45");
    text_printf(&text, "%d", 6);
    cr_expect_eq(text_error(&text), -ENOSPC);
    cr_expect_str_eq(text_c(&text), "abc45");
    text_free(&text);
}

// Every size around the capacity, both ways to append.
Test(core_text, fixed_storage_is_never_overrun)
{
    for (size_t size = 1; size <= 12; size++) {
        for (size_t used = 0; used <= 12; used++) {
            char storage[16];
            char bytes[] = "0123456789ab";
            struct text text;
            memset(storage, '#', sizeof(storage));
            text_init_fixed(&text, storage, size);
            bytes[used] = '\0';
            if (size % 2 == 0) {
                text_printf(&text, "%s", bytes);
            } else {
                text_string(&text, bytes);
            }
            cr_expect_eq(text_error(&text), used < size ? 0 : -ENOSPC);
            cr_expect_str_eq(text_c(&text), used < size ? bytes : "");
            for (size_t i = size; i < sizeof(storage); i++) {
                cr_assert_eq(storage[i], '#');
            }
            text_free(&text);
        }
    }
}

Test(core_text, bytes_may_be_nul)
{
    struct text text;

    text_init(&text, 100);
    text_append(&text, "a\0b", 3);
    text_append(&text, NULL, 0);
    cr_expect_eq(text.size, 3);
    cr_expect(slice_equal(text_slice(&text), slice_of("a\0b", 3)));
    text_clear(&text);
    cr_expect_eq(text.size, 0);
    cr_expect_str_eq(text_c(&text), "");
    text_free(&text);
}
