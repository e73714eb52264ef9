// bench: the load generator. bench.h lists its parts.
#include "cli/bench_options.h"
#include "cli/bench_report.h"
#include "cli/bench_run.h"
#include "cli/output.h"
#include "cli/verb.h"
#include "core/check.h"

static int bench_verdict(const struct cli *cli, const struct bench_plan *plan,
                         const struct bench_result *result)
{
    const struct bench_stats *const phases[] = {&result->load.stats, &result->run.stats};

    for (size_t i = 0; i < sizeof phases / sizeof phases[0]; i++) {
        if (phases[i]->values_wrong + phases[i]->values_missing + phases[i]->values_stale != 0) {
            return cli_fail(cli, "bench: --verify found values that the server must not return");
        }
        if (!plan->allow_errors && bench_stats_failed(phases[i])) {
            return cli_fail(cli, "bench: requests failed (--allow-errors makes that no failure)");
        }
    }
    return EXIT_DONE;
}

static int bench_run_verb(struct cli *cli, const struct verb_input *input)
{
    struct bench_plan plan = {.target = cli->client.target};
    struct bench_result result;
    char error[BENCH_OPTIONS_ERROR_SIZE];
    struct text text = output_text();
    int code = EXIT_DONE;

    if (bench_options_read(input->values, &plan, error) != 0) {
        return cli_misused(cli, "bench: %s", error);
    }
    if (client_password(&cli->client, &plan.password) != 0) {
        return cli_fail(cli, "%s", cli->client.error);
    }
    code = bench_run(cli, &plan, &result);
    if (code == EXIT_DONE) {
        if (cli->json) {
            code = cli_print_json(cli, bench_report_json(&plan, &result));
        } else {
            bench_report_text(&plan, &result, cli->color, &text);
            code = cli_print_text(cli, &text);
        }
    }
    if (code == EXIT_DONE) {
        code = bench_verdict(cli, &plan, &result);
    }
    bench_result_free(&result);
    return code;
}

const struct verb verb_bench = {
    .name = "bench",
    .arguments = "",
    .summary = "put load on the server and measure it",
    .details =
        "Workloads a to f are those of YCSB: a reads and updates by halves, b reads 95%, c reads "
        "only, d reads the "
        "latest and inserts 5%, e scans and inserts 5%, f reads, or reads and then writes, by "
        "halves. A scan is "
        "an MGET of keys with consecutive numbers, since keys have no order here. get, set and "
        "mixed "
        "are uniform.\n"
        "\n"
        "Without --rate it is a closed loop: each of connections times pipeline users sends when "
        "its last request is "
        "answered. With --rate it is an open loop: requests are sent at their time, and latencies "
        "count "
        "from that time, so that what waited because the server stalled is counted in full.\n"
        "\n"
        "Exit status 3: a request failed, or --verify found a value that was never written, is "
        "gone, or is older "
        "than a write that was answered before. Keys and operations follow from --seed.",
    .options = bench_option_table,
    .option_count = BENCH_OPTIONS,
    .words_min = 0,
    .words_max = 0,
    .run = bench_run_verb,
};
