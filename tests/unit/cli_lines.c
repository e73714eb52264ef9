#include "cli/lines.h"

#include <criterion/criterion.h>
#include <errno.h>

static void assert_line(struct lines *lines, const char *expected)
{
    struct slice line;

    cr_assert_eq(lines_next(lines, &line), 1);
    cr_assert(slice_equal(line, slice_from_text(expected)), "line %llu is '%.*s'",
              (unsigned long long)lines->number, (int)line.size, (const char *)line.bytes);
}

Test(cli_lines, ends_of_lines_and_of_the_file)
{
    static char bytes[] = "one\n\ntwo\r\nlast";
    FILE *const file = fmemopen(bytes, sizeof bytes - 1, "r");
    struct lines lines;
    struct slice line;

    lines_start(&lines, file, 100);
    assert_line(&lines, "one");
    cr_assert_eq(lines.bytes_read, 4);
    assert_line(&lines, "");
    assert_line(&lines, "two");
    cr_assert_eq(lines.number, 3);
    assert_line(&lines, "last");
    cr_assert_eq(lines_next(&lines, &line), 0);
    lines_finish(&lines);
    fclose(file);
}

Test(cli_lines, lines_across_chunks_are_whole)
{
    const size_t size = 3 * LINES_CHUNK_BYTES + 17;
    char *const bytes = malloc(size);
    struct lines lines;
    struct slice line;

    // Lines of 1000 bytes, so that some lie across the ends of chunks.
    for (size_t i = 0; i < size; i++) {
        bytes[i] = i % 1000 == 999 ? '\n' : (char)('a' + i / 1000 % 26);
    }
    FILE *const file = fmemopen(bytes, size, "r");

    lines_start(&lines, file, 100000);
    for (size_t i = 0; i < size / 1000; i++) {
        cr_assert_eq(lines_next(&lines, &line), 1);
        cr_assert_eq(line.size, 999);
        for (size_t j = 0; j < line.size; j++) {
            cr_assert_eq(line.bytes[j], 'a' + i % 26);
        }
    }
    cr_assert_eq(lines_next(&lines, &line), 1);
    cr_assert_eq(line.size, size % 1000);
    cr_assert_eq(lines_next(&lines, &line), 0);
    cr_assert_eq(lines.bytes_read, size);
    lines_finish(&lines);
    fclose(file);
    free(bytes);
}

Test(cli_lines, a_line_over_the_bound_is_refused_with_its_number)
{
    static char bytes[] = "12345\n123456\n";
    FILE *const file = fmemopen(bytes, sizeof bytes - 1, "r");
    struct lines lines;
    struct slice line;

    lines_start(&lines, file, 5);
    assert_line(&lines, "12345");
    cr_assert_eq(lines_next(&lines, &line), -EFBIG);
    cr_assert_eq(lines.number, 2);
    lines_finish(&lines);
    fclose(file);
}
