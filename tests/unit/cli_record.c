#include "cli/output.h"
#include "cli/record.h"

#include <criterion/criterion.h>
#include <errno.h>

static struct record decoded(const char *line)
{
    char error[RECORD_ERROR_SIZE] = "";
    struct record record = {.expire_ms = -1};

    cr_assert_eq(record_decode(line, strlen(line), &record, error), 0, "%s: %s", line, error);
    return record;
}

Test(cli_record, a_line_gives_key_value_and_expiry)
{
    struct record record = decoded("{\"key\":\"k\",\"value\":\"v\",\"expire_ms\":1767225600000}");

    cr_assert(slice_equal(record.key, slice_from_text("k")));
    cr_assert(slice_equal(record.value, slice_from_text("v")));
    cr_assert_eq(record.expire_ms, 1767225600000);
    record_free(&record);
    record = decoded(" { \"value\" : \"\" , \"key\" : \"\" } ");
    cr_assert_eq(record.key.size, 0);
    cr_assert_eq(record.value.size, 0);
    cr_assert_eq(record.expire_ms, 0);
    record_free(&record);
}

Test(cli_record, bytes_come_in_base64)
{
    struct record record = decoded("{\"key_base64\":\"AP8=\",\"value_base64\":\"3q2+7w==\"}");

    cr_assert(slice_equal(record.key, slice_of("\0\xff", 2)));
    cr_assert(slice_equal(record.value, slice_of("\xde\xad\xbe\xef", 4)));
    record_free(&record);
}

Test(cli_record, what_is_wrong_is_named)
{
    static const struct {
        const char *line;
        const char *reason;
    } cases[] = {
        {"", "no JSON object"},
        {"{", "no JSON object"},
        {"{\"key\":\"a\",\"value\":\"b\"} x", "no JSON object"},
        {"{\"key\":\"a\",\"key\":\"b\",\"value\":\"c\"}", "duplicate"},
        {"[]", "has to be a JSON object"},
        {"{}", "key (or key_base64) is missing"},
        {"{\"key\":\"a\"}", "value (or value_base64) is missing"},
        {"{\"key\":1,\"value\":\"b\"}", "key has to be a string"},
        {"{\"key\":\"a\",\"value_base64\":null}", "value_base64 has to be a string"},
        {"{\"key\":\"a\",\"key_base64\":\"\",\"value\":\"b\"}", "both key and key_base64"},
        {"{\"key_base64\":\"Zg=\",\"value\":\"b\"}", "key_base64 is no padded base64"},
        {"{\"key\":\"a\",\"value\":\"b\",\"expires_ms\":1}", "unknown name \"expires_ms\""},
        {"{\"key\":\"a\",\"value\":\"b\",\"expire_ms\":0}", "expire_ms has to be"},
        {"{\"key\":\"a\",\"value\":\"b\",\"expire_ms\":-1}", "expire_ms has to be"},
        {"{\"key\":\"a\",\"value\":\"b\",\"expire_ms\":1.5}", "expire_ms has to be"},
        {"{\"key\":\"a\",\"value\":\"b\",\"expire_ms\":\"1\"}", "expire_ms has to be"},
        {"{\"key\":\"a\",\"value\":\"b\",\"expire_ms\":99999999999999999999}", "no JSON object"},
    };

    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char error[RECORD_ERROR_SIZE] = "";
        struct record record;

        cr_assert_eq(record_decode(cases[i].line, strlen(cases[i].line), &record, error), -EINVAL,
                     "%s", cases[i].line);
        cr_assert(strstr(error, cases[i].reason) != NULL, "%s: %s", cases[i].line, error);
    }
}

Test(cli_record, a_key_beyond_the_servers_limit_is_refused)
{
    struct text line = output_text();
    char error[RECORD_ERROR_SIZE] = "";
    struct record record;

    text_string(&line, "{\"value\":\"\",\"key\":\"");
    output_repeat(&line, 'k', RECORD_KEY_BYTES_MAX);
    const size_t size = line.size;

    text_string(&line, "\"}");
    cr_assert_eq(record_decode(line.bytes, line.size, &record, error), 0);
    record_free(&record);
    text_cut(&line, size);
    text_string(&line, "k\"}");
    cr_assert_eq(record_decode(line.bytes, line.size, &record, error), -EINVAL);
    cr_assert_str_eq(error, "the key is over 65535 bytes");
    text_free(&line);
}

Test(cli_record, lines_are_written_as_text_where_they_can_be)
{
    static const struct {
        struct slice value;
        const char *line;
    } cases[] = {
        {{(const uint8_t *)"v", 1}, "{\"key\":\"k\",\"value\":\"v\"}\n"},
        {{NULL, 0}, "{\"key\":\"k\",\"value\":\"\"}\n"},
        {{(const uint8_t *)"a\"\n\t\\", 5}, "{\"key\":\"k\",\"value\":\"a\\\"\\n\\t\\\\\"}\n"},
        {{(const uint8_t *)"\xc3\xbc", 2}, "{\"key\":\"k\",\"value\":\"\xc3\xbc\"}\n"},
        {{(const uint8_t *)"\0", 1}, "{\"key\":\"k\",\"value_base64\":\"AA==\"}\n"},
        {{(const uint8_t *)"\x1b", 1}, "{\"key\":\"k\",\"value_base64\":\"Gw==\"}\n"},
        {{(const uint8_t *)"\xff", 1}, "{\"key\":\"k\",\"value_base64\":\"/w==\"}\n"},
    };

    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct text line = output_text();

        record_encode(slice_from_text("k"), cases[i].value, 0, &line);
        cr_assert_str_eq(text_c(&line), cases[i].line);
        text_free(&line);
    }
    struct text line = output_text();

    record_encode(slice_of("\xff", 1), slice_from_text("v"), 5, &line);
    cr_assert_str_eq(text_c(&line), "{\"key_base64\":\"/w==\",\"value\":\"v\",\"expire_ms\":5}\n");
    text_free(&line);
}
