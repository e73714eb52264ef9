#include "cli/info.h"

#include <criterion/criterion.h>

static const char INFO[] =
    "# Server\r\nredis_version:7.0.15\r\nuptime_in_seconds:12\r\n\r\n"
    "# CPU\r\nused_cpu_user:1.500000\r\n\r\n"
    "# Keyspace\r\ndb0:keys=3,expires=1,avg_ttl=0\r\n"
    "# Other\r\nempty:\r\nratio:0.50%\r\nurl:a=b,c\r\nbig:18446744073709551615\r\n";

static struct slice info(void)
{
    return slice_of(INFO, sizeof INFO - 1);
}

Test(cli_info, fields_are_found_in_all_sections)
{
    struct slice value;

    cr_assert(info_find(info(), "redis_version", &value));
    cr_assert(slice_equal(value, slice_from_text("7.0.15")));
    cr_assert(info_find(info(), "empty", &value));
    cr_assert_eq(value.size, 0);
    cr_assert_not(info_find(info(), "redis", &value));
    cr_assert_not(info_find(slice_of(NULL, 0), "redis", &value));
}

Test(cli_info, numbers_and_parts)
{
    struct slice value;

    cr_assert_float_eq(info_number(info(), "used_cpu_user"), 1.5, 1e-9);
    cr_assert_float_eq(info_number(info(), "ratio"), 0.5, 1e-9);
    cr_assert_float_eq(info_number(info(), "redis_version"), 0, 1e-9);
    cr_assert_float_eq(info_number(info(), "nothing"), 0, 1e-9);
    cr_assert(info_find(info(), "db0", &value));
    cr_assert_float_eq(info_part_number(value, "expires"), 1, 1e-9);
    cr_assert_float_eq(info_part_number(value, "expire"), 0, 1e-9);
}

Test(cli_info, json_has_sections_numbers_and_objects)
{
    json_t *const document = info_json(info());
    char *const printed = json_dumps(document, JSON_COMPACT | JSON_REAL_PRECISION(6));

    cr_assert_str_eq(printed, "{\"server\":{\"redis_version\":\"7.0.15\",\"uptime_in_seconds\":12},"
                              "\"cpu\":{\"used_cpu_user\":1.5},"
                              "\"keyspace\":{\"db0\":{\"keys\":3,\"expires\":1,\"avg_ttl\":0}},"
                              "\"other\":{\"empty\":\"\",\"ratio\":\"0.50%\",\"url\":\"a=b,c\","
                              "\"big\":1.84467e19}}");
    free(printed);
    json_decref(document);
}

Test(cli_info, json_of_zeros_that_are_no_number_is_text)
{
    json_t *const document =
        info_json(slice_from_text("# S\r\nsha:00000000\r\nzero:0\r\nr:0.5\r\n"));
    char *const printed = json_dumps(document, JSON_COMPACT);

    cr_assert_str_eq(printed, "{\"s\":{\"sha\":\"00000000\",\"zero\":0,\"r\":0.5}}");
    free(printed);
    json_decref(document);
}

// As a server that is none may answer: nothing is lost, and what comes out is JSON.
Test(cli_info, json_of_what_is_no_text_is_json)
{
    static const char odd[] = "# S\xff\r\nn\xc3:1\r\nhuge:1e999\r\nparts:\xfe=-1e999,b=2\r\n";
    json_t *const document = info_json(slice_of(odd, sizeof odd - 1));
    char *const printed = json_dumps(document, JSON_COMPACT);

    cr_assert_str_eq(printed, "{\"s\\\\xff\":{\"n\\\\xc3\":1,\"huge\":\"1e999\","
                              "\"parts\":{\"\\\\xfe\":\"-1e999\",\"b\":2}}}");
    free(printed);
    json_decref(document);
}
