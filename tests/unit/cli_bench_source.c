#include "cli/bench_options.h"
#include "cli/bench_request.h"
#include "cli/bench_source.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <math.h>
#include <string.h>

enum { SECOND = 1000000000 };

static const char *option_values[BENCH_OPTIONS];

static struct bench_plan plan_now(void)
{
    struct bench_plan plan = {.workload = NULL};
    char error[BENCH_OPTIONS_ERROR_SIZE] = "";

    cr_assert_eq(bench_options_read(option_values, &plan, error), 0, "%s", error);
    return plan;
}

static void reset(void)
{
    memset(option_values, 0, sizeof option_values);
}

TestSuite(cli_bench_source, .init = reset);

Test(cli_bench_source, the_mix_is_the_workloads)
{
    static const struct {
        const char *name;
        double shares[BENCH_OPERATIONS];
    } cases[] = {
        {"a", {.5, .5, 0, 0, 0}},   {"b", {.95, .05, 0, 0, 0}}, {"c", {1, 0, 0, 0, 0}},
        {"d", {.95, 0, .05, 0, 0}}, {"e", {0, 0, .05, .95, 0}}, {"f", {.5, 0, 0, 0, .5}},
    };

    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        double counts[BENCH_OPERATIONS] = {0};
        struct bench_source source;
        struct bench_item item;

        option_values[BENCH_WORKLOAD] = cases[i].name;
        option_values[BENCH_REQUESTS] = "100000";
        const struct bench_plan plan = plan_now();

        bench_source_init(&source, &plan, 0, 1000000);
        bench_source_start(&source, false, SECOND);
        // Not before the start, when some threads may not be there yet.
        cr_assert_not(bench_source_next(&source, SECOND - 1, &item));
        cr_assert_eq(bench_source_due_ns(&source, SECOND - 1), SECOND);
        while (bench_source_next(&source, SECOND, &item)) {
            cr_assert(item.measured);
            counts[item.operation]++;
            cr_assert(item.operation != BENCH_SCAN || (item.length >= 1 && item.length <= 100));
            cr_assert(item.operation != BENCH_SCAN || item.key + item.length <= plan.keys);
        }
        cr_assert(bench_source_ended(&source, SECOND));
        for (size_t j = 0; j < BENCH_OPERATIONS; j++) {
            cr_assert_float_eq(counts[j] / 100000, cases[i].shares[j], 0.01, "%s %zu",
                               cases[i].name, j);
        }
        bench_source_free(&source);
    }
}

Test(cli_bench_source, the_seed_decides_what_comes)
{
    static const char *const seeds[] = {"1", "1", "2"};
    uint64_t sums[3] = {0, 0, 0};
    uint64_t threads[2] = {0, 0};

    option_values[BENCH_REQUESTS] = "1000";
    option_values[BENCH_THREADS] = "2";
    for (size_t i = 0; i < 3; i++) {
        option_values[BENCH_SEED] = seeds[i];
        const struct bench_plan plan = plan_now();

        for (uint32_t thread = 0; thread < 2; thread++) {
            struct bench_source source;
            struct bench_item item;
            uint64_t sum = 0;

            bench_source_init(&source, &plan, thread, 10);
            bench_source_start(&source, false, SECOND);
            while (bench_source_next(&source, SECOND, &item)) {
                sum = sum * 31 + item.key * BENCH_OPERATIONS + item.operation;
            }
            cr_assert_eq(source.drawn, 500);
            sums[i] += sum;
            threads[thread] = sum;
            bench_source_free(&source);
        }
    }
    cr_assert_eq(sums[0], sums[1]);
    cr_assert_neq(sums[0], sums[2]);
    cr_assert_neq(threads[0], threads[1]);
}

Test(cli_bench_source, loading_gives_every_key_once)
{
    bool seen[1000] = {false};

    option_values[BENCH_KEYS] = "1000";
    option_values[BENCH_THREADS] = "3";
    const struct bench_plan plan = plan_now();

    for (uint32_t thread = 0; thread < 3; thread++) {
        struct bench_source source;
        struct bench_item item;

        bench_source_init(&source, &plan, thread, 10);
        bench_source_start(&source, true, SECOND);
        while (bench_source_next(&source, SECOND, &item)) {
            cr_assert_eq(item.operation, BENCH_INSERT);
            cr_assert_not(seen[item.key]);
            seen[item.key] = true;
        }
        bench_source_free(&source);
    }
    for (size_t i = 0; i < 1000; i++) {
        cr_assert(seen[i]);
    }
}

Test(cli_bench_source, an_open_loop_keeps_its_times_whatever_happens)
{
    struct bench_source source;
    struct bench_item item;
    int count = 0;

    option_values[BENCH_RATE] = "1000";
    option_values[BENCH_DURATION] = "1s";
    option_values[BENCH_WARMUP] = "100ms";
    const struct bench_plan plan = plan_now();

    bench_source_init(&source, &plan, 0, 10);
    bench_source_start(&source, false, SECOND);
    cr_assert(bench_source_next(&source, SECOND, &item));
    cr_assert_eq(item.start_ns, SECOND);
    cr_assert_not(item.measured);
    cr_assert_not(bench_source_next(&source, SECOND, &item));
    cr_assert_eq(bench_source_due_ns(&source, SECOND), SECOND + 1000000);
    // A server that stalls for half a second: 500 are due, and count from when they were.
    while (bench_source_next(&source, SECOND + SECOND / 2, &item)) {
        count++;
        cr_assert_eq(item.start_ns, SECOND + 1000000 * (uint64_t)count);
        cr_assert_eq(item.measured, count >= 100);
    }
    cr_assert_eq(count, 500);
    // Of 1100 until the end 501 were taken. A little after the end it is over.
    cr_assert_not(bench_source_ended(&source, SECOND + (uint64_t)11 * SECOND / 10));
    cr_assert(bench_source_ended(&source, SECOND + (uint64_t)12 * SECOND / 10));
    cr_assert_eq(bench_source_unsent(&source), 599);
    bench_source_free(&source);
}

Test(cli_bench_source, poisson_times_have_the_rate_and_the_spread)
{
    struct bench_source source;
    struct bench_item item;
    double last = SECOND;
    double sum = 0;
    double squares = 0;

    option_values[BENCH_RATE] = "1000";
    option_values[BENCH_POISSON] = "";
    option_values[BENCH_REQUESTS] = "100000";
    const struct bench_plan plan = plan_now();

    bench_source_init(&source, &plan, 0, 10);
    bench_source_start(&source, false, SECOND);
    while (bench_source_next(&source, UINT64_MAX - 1, &item)) {
        const double gap = ((double)item.start_ns - last) / 1e6;

        sum += gap;
        squares += gap * gap;
        last = (double)item.start_ns;
    }
    // Exponential gaps of mean 1 ms: the mean of squares is twice the square of the mean.
    cr_assert_float_eq(sum / 1e5, 1, 0.02);
    cr_assert_float_eq(squares / 1e5, 2, 0.1);
    bench_source_free(&source);
}

Test(cli_bench_source, options_that_make_no_sense_are_refused)
{
    static const struct {
        enum bench_option option;
        const char *value;
        const char *reason;
    } cases[] = {
        {BENCH_WORKLOAD, "g", "there are a b c"},
        {BENCH_MIX, "read=0", "above 0"},
        {BENCH_MIX, "read", "shares are written"},
        {BENCH_MIX, "read=1,", "shares are written"},
        {BENCH_MIX, "delete=1", "shares are written"},
        {BENCH_MIX, "read=1,scan=1,read=2", "each at most once"},
        {BENCH_DISTRIBUTION, "normal", "there are zipfian"},
        {BENCH_THETA, "1", "from 0.01 to 0.999"},
        {BENCH_HOT, "0.2", "two shares"},
        {BENCH_KEYS, "0", "a whole number from 1"},
        {BENCH_KEY_SIZE, "12", "a whole number from 13"},
        {BENCH_VALUE_SIZE, "200-100", "MIN-MAX"},
        {BENCH_VALUE_SIZE, "1GiB", "up to 64MiB"},
        {BENCH_CONNECTIONS, "100001", "to 100000"},
        {BENCH_THREADS, "51", "more --threads than --connections"},
        {BENCH_RATE, "0", "from 0.01 to"},
        {BENCH_RATE, "1e10", "to 1000000000"},
        {BENCH_DURATION, "10 s", "as in 500ms"},
        {BENCH_DURATION, "0s", "from 1ms on"},
        {BENCH_POISSON, "", "--rate, which is missing"},
        {BENCH_PIPELINE, "0", "a whole number from 1"},
    };

    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct bench_plan plan = {.workload = NULL};
        char error[BENCH_OPTIONS_ERROR_SIZE] = "";

        reset();
        option_values[cases[i].option] = cases[i].value;
        cr_assert_eq(bench_options_read(option_values, &plan, error), -EINVAL, "case %zu", i);
        cr_assert(strstr(error, cases[i].reason) != NULL, "%s", error);
    }
    reset();
    option_values[BENCH_VERIFY] = "";
    option_values[BENCH_VALUE_SIZE] = "15";
    struct bench_plan plan = {.workload = NULL};
    char error[BENCH_OPTIONS_ERROR_SIZE] = "";

    cr_assert_eq(bench_options_read(option_values, &plan, error), -EINVAL);
    reset();
    option_values[BENCH_LOAD_ONLY] = "";
    cr_assert_eq(bench_options_read(option_values, &plan, error), 0);
    option_values[BENCH_REQUESTS] = "10";
    cr_assert_eq(bench_options_read(option_values, &plan, error), -EINVAL);
    cr_assert(strstr(error, "--load-only stores each key once") != NULL, "%s", error);
}

Test(cli_bench_source, sizes_are_read)
{
    option_values[BENCH_VALUE_SIZE] = "1KiB-2KiB";
    struct bench_plan plan = plan_now();

    cr_assert_eq(plan.value_bytes_min, 1024);
    cr_assert_eq(plan.value_bytes_max, 2048);
    option_values[BENCH_VALUE_SIZE] = "exp:500";
    plan = plan_now();
    cr_assert_eq(plan.size_kind, BENCH_SIZE_EXPONENTIAL);
    cr_assert_eq(plan.value_bytes_mean, 500);
}

static void assert_request(const struct bench_plan *plan, const struct bench_item *item,
                           const char *expected)
{
    struct bench_values values;
    struct bench_request request;
    uint8_t bytes[1024];

    bench_values_init(&values, plan);
    bench_request_init(&request, plan, &values);
    cr_assert_leq(strlen(expected), bench_request_bytes_max(plan));
    const uint8_t *const end = bench_request_write(&request, item, bytes);

    cr_assert_eq((size_t)(end - bytes), strlen(expected));
    cr_assert_eq(memcmp(bytes, expected, strlen(expected)), 0, "%.*s", (int)(end - bytes),
                 (char *)bytes);
    bench_values_free(&values);
}

Test(cli_bench_source, requests_are_resp)
{
    struct bench_item item = {.operation = BENCH_READ, .key = 42, .version = 1, .length = 2};

    option_values[BENCH_VALUE_SIZE] = "0";
    option_values[BENCH_MIX] = "scan=1";
    struct bench_plan plan = plan_now();

    assert_request(&plan, &item, "*2\r\n$3\r\nGET\r\n$16\r\nkey:000000000042\r\n");
    item.operation = BENCH_UPDATE;
    assert_request(&plan, &item, "*3\r\n$3\r\nSET\r\n$16\r\nkey:000000000042\r\n$0\r\n\r\n");
    item.operation = BENCH_SCAN;
    assert_request(&plan, &item,
                   "*3\r\n$4\r\nMGET\r\n$16\r\nkey:000000000042\r\n"
                   "$16\r\nkey:000000000043\r\n");
    item.operation = BENCH_READ_MODIFY_WRITE;
    assert_request(&plan, &item, "*2\r\n$3\r\nGET\r\n$16\r\nkey:000000000042\r\n");
    item.writing = true;
    option_values[BENCH_TTL] = "90s";
    plan = plan_now();
    assert_request(&plan, &item,
                   "*5\r\n$3\r\nSET\r\n$16\r\nkey:000000000042\r\n$0\r\n\r\n"
                   "$2\r\nPX\r\n$5\r\n90000\r\n");
}
