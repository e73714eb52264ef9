#include "cli/output.h"
#include "cli/top.h"

#include <criterion/criterion.h>
#include <string.h>

static const char BEFORE[] =
    "# "
    "Server\r\nredis_version:7.0.15\r\nrldb_version:1.0\r\nprocess_id:42\r\nuptime_in_seconds:"
    "60\r\n"
    "# Clients\r\nconnected_clients:3\r\n"
    "# Stats\r\ntotal_commands_processed:1000\r\nkeyspace_hits:100\r\nkeyspace_misses:0\r\n"
    "total_net_input_bytes:0\r\ntotal_error_replies:5\r\n"
    "# CPU\r\nused_cpu_sys:1.0\r\nused_cpu_user:2.0\r\n"
    "# Shards\r\nshard0:keys=5,commands=400,busy_us=0,memory=1024,turn_us_max=10\r\n"
    "# Commandstats\r\ncmdstat_get:calls=500,usec=1000,failed_calls=0\r\n"
    "cmdstat_set:calls=500,usec=1000,failed_calls=0\r\n";

static const char AFTER[] =
    "# "
    "Server\r\nredis_version:7.0.15\r\nrldb_version:1.0\r\nprocess_id:42\r\nuptime_in_seconds:"
    "62\r\n"
    "# Clients\r\nconnected_clients:4\r\n# Memory\r\nused_memory:2048\r\nmaxmemory:0\r\n"
    "# Stats\r\ntotal_commands_processed:5000\r\nkeyspace_hits:1000\r\nkeyspace_misses:100\r\n"
    "total_net_input_bytes:4096\r\ntotal_error_replies:5\r\n"
    "# CPU\r\nused_cpu_sys:1.5\r\nused_cpu_user:2.5\r\n"
    "# Keyspace\r\ndb0:keys=12345,expires=0,avg_ttl=0\r\n"
    "# Shards\r\nshard0:keys=7,commands=2400,busy_us=1000000,memory=2048,turn_us_max=20\r\n"
    "shard1:keys=8,commands=100,busy_us=0,memory=0,turn_us_max=1\r\n"
    "# Commandstats\r\ncmdstat_get:calls=1500,usec=5000,failed_calls=0\r\n"
    "cmdstat_set:calls=3500,usec=4000,failed_calls=200\r\n"
    "cmdstat_del:calls=0,usec=0,failed_calls=0\r\n"
    "# Latencystats\r\nlatency_percentiles_usec_get:p50=1.5,p99=20.25,p99.9=300\r\n";

static struct top top_of(const char *before, const char *after)
{
    return (struct top){.before = slice_from_text(before),
                        .after = slice_from_text(after),
                        .seconds = 2,
                        .server = "127.0.0.1:7379"};
}

static double number(const json_t *document, const char *name)
{
    const json_t *const value = json_object_get(document, name);

    cr_assert(json_is_number(value), "%s", name);
    return json_number_value(value);
}

Test(cli_top, rates_are_differences_over_time)
{
    const struct top top = top_of(BEFORE, AFTER);
    json_t *const document = top_json(&top);

    cr_assert_float_eq(number(document, "operations"), 2000, 1e-6);
    cr_assert_float_eq(number(document, "cpu"), 0.5, 1e-6);
    cr_assert_float_eq(number(document, "cpu_us_per_operation"), 250, 1e-6);
    cr_assert_float_eq(number(document, "hit_share"), 0.9, 1e-6);
    cr_assert_float_eq(number(document, "keys"), 12345, 1e-6);
    cr_assert_float_eq(number(document, "clients"), 4, 1e-6);
    cr_assert_float_eq(number(document, "received_bytes"), 2048, 1e-6);
    cr_assert_float_eq(number(document, "errors"), 0, 1e-6);
    const json_t *const shards = json_object_get(document, "shards");

    cr_assert_eq(json_array_size(shards), 2);
    cr_assert_float_eq(number(json_array_get(shards, 0), "operations"), 1000, 1e-6);
    cr_assert_float_eq(number(json_array_get(shards, 0), "busy"), 0.5, 1e-6);
    cr_assert_float_eq(number(json_array_get(shards, 1), "shard"), 1, 1e-6);
    // The busiest command comes first, one without calls not at all.
    const json_t *const commands = json_object_get(document, "commands");

    cr_assert_eq(json_array_size(commands), 2);
    cr_assert_str_eq(json_string_value(json_object_get(json_array_get(commands, 0), "command")),
                     "set");
    cr_assert_float_eq(number(json_array_get(commands, 0), "calls"), 1500, 1e-6);
    cr_assert_float_eq(number(json_array_get(commands, 0), "failed"), 100, 1e-6);
    cr_assert_float_eq(number(json_array_get(commands, 0), "mean_us"), 1, 1e-6);
    cr_assert(json_is_null(json_object_get(json_array_get(commands, 0), "p50_us")));
    cr_assert_float_eq(number(json_array_get(commands, 1), "p99_us"), 20.25, 1e-6);
    json_decref(document);
}

Test(cli_top, a_server_that_was_started_anew_shows_no_negative_rates)
{
    const struct top top = top_of(AFTER, BEFORE);
    json_t *const document = top_json(&top);

    cr_assert_float_eq(number(document, "operations"), 0, 1e-9);
    cr_assert_float_eq(number(document, "cpu"), 0, 1e-9);
    json_decref(document);
}

Test(cli_top, people_see_aligned_tables)
{
    const struct top top = top_of(BEFORE, AFTER);
    struct text text = output_text();

    top_render(&top, false, &text);
    cr_assert(strstr(text_c(&text), "127.0.0.1:7379  rldb 1.0, up 1m 02s, pid 42\n") != NULL, "%s",
              text_c(&text));
    cr_assert(strstr(text_c(&text), "operations/s  2.00k") != NULL);
    cr_assert(strstr(text_c(&text), "hits          90.0%") != NULL, "%s", text_c(&text));
    cr_assert(strstr(text_c(&text), "    0  1.00k   50%     7 ") != NULL, "%s", text_c(&text));
    cr_assert(strstr(text_c(&text), "20.2 us") != NULL || strstr(text_c(&text), "20.3 us") != NULL);
    text_free(&text);
}

Test(cli_top, any_text_is_survived)
{
    static const char *const texts[] = {"", "\r\n",
                                        "shard:\r\nshard0:\r\nshard9x:a=b\r\ncmdstat_:calls=1\r\n",
                                        "db0:\r\nused_cpu_user:x\r\ncmdstat_x:calls=nan,usec=1\r\n",
                                        "# \x1b[2J\r\nrldb_version:\x1b[2J\r\n"};

    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        const struct top top = top_of("", texts[i]);
        struct text text = output_text();

        top_render(&top, true, &text);
        cr_assert(strstr(text_c(&text), "\x1b[2J") == NULL);
        json_decref(top_json(&top));
        text_free(&text);
    }
}
