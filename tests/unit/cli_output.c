#include "cli/output.h"

#include <criterion/criterion.h>

#define ASSERT_TEXT(text, expected)                                                                \
    do {                                                                                           \
        cr_assert_str_eq(text_c(&(text)), (expected));                                             \
        text_clear(&(text));                                                                       \
    } while (0)

Test(cli_output, quoted_bytes_read_back_in_the_shell)
{
    struct text text = output_text();

    output_quoted(&text, "a\"\\\n\r\t\a\b\0\x7f\xff z", 13);
    ASSERT_TEXT(text, "\"a\\\"\\\\\\n\\r\\t\\a\\b\\x00\\x7f\\xff z\"");
    output_quoted(&text, NULL, 0);
    ASSERT_TEXT(text, "\"\"");
    text_free(&text);
}

Test(cli_output, printable_keeps_utf8_and_hides_control_characters)
{
    struct text text = output_text();

    output_printable(&text, "gr\xc3\xbc\xc3\x9f\x1b[2J\x00\xff", 12);
    ASSERT_TEXT(text, "gr\xc3\xbc\xc3\x9f\\x1b[2J\\x00\\xff");
    output_printable(&text,
                     "\xc2\x9b" // CSI as one character of C1
                     "A",
                     3);
    ASSERT_TEXT(text, "\\xc2\\x9bA");
    text_free(&text);
}

Test(cli_output, lines_stay_lines)
{
    struct text text = output_text();

    output_lines(&text, "a\tb\r\n\n\x1b[2J\x07", 11);
    ASSERT_TEXT(text, "a\tb\\x0d\n\n\\x1b[2J\\x07");
    output_lines(&text, "\n\xc3\xbc\n", 4);
    ASSERT_TEXT(text, "\n\xc3\xbc\n");
    output_lines(&text, NULL, 0);
    ASSERT_TEXT(text, "");
    text_free(&text);
}

Test(cli_output, utf8_is_checked_as_the_rfc_says)
{
    static const struct {
        const char *bytes;
        bool valid;
    } cases[] = {
        {"", true},
        {"plain", true},
        {"\xc3\xa9", true},
        {"\xe2\x82\xac", true},
        {"\xf0\x9f\x98\x80", true},
        {"\xf4\x8f\xbf\xbf", true},
        {"\x80", false},             // a continuation alone
        {"\xc3", false},             // cut
        {"\xe2\x82", false},         // cut
        {"\xc0\x80", false},         // longer than needed
        {"\xe0\x80\x80", false},     // longer than needed
        {"\xf0\x80\x80\x80", false}, // longer than needed
        {"\xed\xa0\x80", false},     // a surrogate
        {"\xf4\x90\x80\x80", false}, // beyond U+10FFFF
        {"\xff", false},
    };

    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        cr_assert_eq(output_is_utf8(cases[i].bytes, strlen(cases[i].bytes)), cases[i].valid,
                     "case %zu", i);
    }
    cr_assert(output_is_utf8("a\0b", 3));
}

Test(cli_output, sizes_counts_and_durations_are_short)
{
    struct text text = output_text();

    output_bytes(&text, 17);
    ASSERT_TEXT(text, "17 B");
    output_bytes(&text, 1536);
    ASSERT_TEXT(text, "1.50 KiB");
    output_bytes(&text, 64.0 * (1 << 20));
    ASSERT_TEXT(text, "64.0 MiB");
    output_count(&text, 950);
    ASSERT_TEXT(text, "950");
    output_count(&text, 12345);
    ASSERT_TEXT(text, "12.3k");
    output_count(&text, 999999);
    ASSERT_TEXT(text, "1.00M");
    output_duration(&text, 83e-6);
    ASSERT_TEXT(text, "83.0 us");
    output_duration(&text, 999.9e-6);
    ASSERT_TEXT(text, "1.00 ms");
    output_duration(&text, 3.14);
    ASSERT_TEXT(text, "3.14 s");
    output_duration(&text, 245);
    ASSERT_TEXT(text, "4m 05s");
    output_duration(&text, 7800);
    ASSERT_TEXT(text, "2h 10m");
    output_duration(&text, 3 * 86400 + 4 * 3600);
    ASSERT_TEXT(text, "3d 04h");
    text_free(&text);
}

Test(cli_output, a_table_is_aligned_and_ends_no_line_in_spaces)
{
    struct table table;
    struct text text = output_text();

    table_start(&table, "lrl");
    table_headings(&table, "name keys -");
    table_cell(&table, "n1");
    table_cellf(&table, "%d", 5);
    table_cell(&table, "up");
    table_cell(&table, "\xc3\xa9t\xc3\xa9-node");
    table_cellf(&table, "%d", 12345);
    table_cell(&table, "");
    table_finish(&table, false, 2, &text);
    ASSERT_TEXT(text, "  name       keys\n"
                      "  n1            5  up\n"
                      "  \xc3\xa9t\xc3\xa9-node  12345\n");
    text_free(&text);
}

Test(cli_output, colour_does_not_change_the_alignment)
{
    struct table table;
    struct text text = output_text();

    table_start(&table, "lr");
    table_color(&table, COLOR_RED);
    table_cell(&table, "a");
    table_color(&table, COLOR_PLAIN);
    table_cell(&table, "1");
    table_cell(&table, "bbb");
    table_cell(&table, "22");
    table_finish(&table, true, 0, &text);
    ASSERT_TEXT(text, "\033[31ma\033[0m     1\nbbb  22\n");
    text_free(&text);
}
