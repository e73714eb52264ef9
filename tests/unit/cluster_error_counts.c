// Error replies counted by their codes.
#include "cluster/error_counts.h"

#include <criterion/criterion.h>

#include <stdio.h>

static void note(struct error_counts *counts, const char *text)
{
    error_counts_note(counts, slice_from_text(text));
}

static uint64_t count_of(const struct error_counts *counts, const char *code)
{
    uint64_t count = 0;

    for (uint64_t i = 0; i < counts->used; i++) {
        if (strcmp(counts->rows[i].code, code) == 0) {
            cr_expect_eq(count, 0, "%s has two rows", code);
            count = counts->rows[i].count;
        }
    }
    return count;
}

static uint64_t total(const struct error_counts *counts)
{
    uint64_t sum = 0;

    for (uint64_t i = 0; i < counts->used; i++) {
        sum += counts->rows[i].count;
    }
    return sum;
}

Test(error_counts, are_kept_by_the_first_word)
{
    struct error_counts counts = {0};

    note(&counts, "ERR syntax error");
    note(&counts, "WRONGPASS invalid username-password pair");
    note(&counts, "ERR value is not an integer or out of range");
    note(&counts, "WRONGPASSES no code of a user");
    cr_expect_eq(count_of(&counts, "ERR"), 2);
    cr_expect_eq(count_of(&counts, "WRONGPASS"), 1);
    cr_expect_eq(count_of(&counts, "WRONGPASSES"), 1);
    cr_expect_eq(total(&counts), 4);
}

Test(error_counts, without_a_code_are_ERR)
{
    struct error_counts counts = {0};

    error_counts_note(&counts, slice_of(NULL, 0));
    note(&counts, "nospace");
    note(&counts, " leading");
    note(&counts, "ABCDEFGHIJKLMNOPQRSTUVWXYZ012345 is one byte too long");
    cr_expect_eq(count_of(&counts, "ERR"), 4);
    note(&counts, "ABCDEFGHIJKLMNOPQRSTUVWXYZ01234 fits");
    cr_expect_eq(count_of(&counts, "ABCDEFGHIJKLMNOPQRSTUVWXYZ01234"), 1);
    cr_expect_eq(total(&counts), 5);
}

Test(error_counts, beyond_the_last_row_are_ERR)
{
    struct error_counts counts = {0};
    char text[32];

    for (int i = 0; i < LIMIT_ERROR_CODES + 10; i++) {
        (void)snprintf(text, sizeof text, "CODE%d text", i);
        note(&counts, text);
    }
    cr_expect_eq(counts.used, LIMIT_ERROR_CODES);
    cr_expect_eq(count_of(&counts, "CODE0"), 1);
    cr_expect_eq(count_of(&counts, "ERR"), 11); // one row is its own
    note(&counts, "CODE0 again");
    cr_expect_eq(count_of(&counts, "CODE0"), 2);
}

Test(error_counts, of_cores_are_added_by_code_and_sorted)
{
    static const char *const sorted[] = {"ERR", "NOAUTH", "OOM", "WRONGPASS"};
    struct error_counts one = {0}, other = {0}, sum = {0};

    note(&one, "WRONGPASS x");
    note(&one, "OOM x");
    note(&other, "NOAUTH x");
    note(&other, "OOM x");
    note(&other, "ERR x");
    error_counts_add(&sum, &one);
    error_counts_add(&sum, &other);
    error_counts_sort(&sum);
    cr_assert_eq(sum.used, 4);
    for (int i = 0; i < 4; i++) {
        cr_expect_str_eq(sum.rows[i].code, sorted[i]);
    }
    cr_expect_eq(count_of(&sum, "OOM"), 2);
    cr_expect_eq(total(&sum), 5);
}
