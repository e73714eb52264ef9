#include "tests/sim/sim_options.h"

#include "tests/sim/node_load.h"
#include "tests/sim/planted.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const char sim_options_usage[] =
    "usage: sim [--seed N | --seeds A..B] [--profile P] [--nodes K] [--cores C] [--time T]\n"
    "           [--engine E] [--only FAULTS] [--trace] [--minimize] [--verbose] [--planted NAME]\n"
    "       sim --planted\n"
    "P: calm, disk, network, crash, overload, everything. T: 500ms, 20s, 5m, 1h.\n"
    "E: memory, log.\n"
    "--trace and --minimize want one seed. tests/sim/README.md says more.\n";

static bool parse_number(const char *text, uint64_t *ret_number, const char **ret_rest)
{
    char *end = NULL;

    *ret_number = strtoull(text, &end, 10);
    *ret_rest = end;
    return end != text && text[0] != '-';
}

static bool parse_seeds(const char *text, struct sim_options *options)
{
    const char *rest = NULL;

    if (!parse_number(text, &options->first, &rest)) {
        return false;
    }
    options->last = options->first;
    if (strncmp(rest, "..", 2) == 0 && !parse_number(rest + 2, &options->last, &rest)) {
        return false;
    }
    return *rest == '\0' && options->first <= options->last;
}

static bool parse_bounded(const char *text, uint32_t max, uint32_t *ret_number)
{
    const char *rest = NULL;
    uint64_t number = 0;

    if (!parse_number(text, &number, &rest) || *rest != '\0' || number == 0 || number > max) {
        return false;
    }
    *ret_number = (uint32_t)number;
    return true;
}

static bool parse_time(const char *text, uint64_t *ret_ns)
{
    static const struct {
        const char *name;
        uint64_t ns;
    } units[] = {{"ms", 1000 * 1000},
                 {"s", UINT64_C(1000000000)},
                 {"m", UINT64_C(60000000000)},
                 {"h", UINT64_C(3600000000000)}};
    const char *rest = NULL;
    uint64_t number = 0;

    if (!parse_number(text, &number, &rest) || number == 0 || number > 1000 * 1000) {
        return false;
    }
    for (uint32_t i = 0; i < sizeof units / sizeof *units; i++) {
        if (strcmp(rest, units[i].name) == 0) {
            *ret_ns = number * units[i].ns;
            return true;
        }
    }
    return false;
}

static bool parse_only(const char *text, struct sim_options *options)
{
    options->only = true;
    if (strcmp(text, "none") == 0) {
        return true;
    }
    for (;;) {
        uint64_t number = 0;

        if (!parse_number(text, &number, &text) || number >= SIM_FAULTS_MAX) {
            return false;
        }
        options->keep[number] = true;
        if (*text == '\0') {
            return true;
        }
        if (*text++ != ',') {
            return false;
        }
    }
}

static bool parse_profile(const char *text, struct sim_options *options)
{
    enum sim_fault_profile profile = SIM_FAULT_PROFILE_CALM;

    if (!sim_fault_profile_parse(text, &profile)) {
        return false;
    }
    options->profile = profile;
    return true;
}

static bool parse_engine(const char *text, struct sim_options *options)
{
    for (uint32_t i = 0; i < LOAD_ENGINE_COUNT; i++) {
        if (strcmp(text, load_engine_names[i]) == 0) {
            options->engine = i;
            return true;
        }
    }
    return false;
}

static bool parse_option(const char *name, const char *value, struct sim_options *options)
{
    if (strcmp(name, "--seed") == 0 || strcmp(name, "--seeds") == 0) {
        return parse_seeds(value, options);
    }
    if (strcmp(name, "--planted") == 0) {
        return planted_choose(value);
    }
    options->narrowed = true;
    if (strcmp(name, "--cores") == 0) {
        return parse_bounded(value, LOAD_CORES_MAX, &options->cores);
    }
    if (strcmp(name, "--nodes") == 0) {
        return parse_bounded(value, LOAD_NODES_MAX, &options->nodes);
    }
    if (strcmp(name, "--time") == 0) {
        return parse_time(value, &options->time_ns);
    }
    if (strcmp(name, "--only") == 0) {
        return parse_only(value, options);
    }
    if (strcmp(name, "--engine") == 0) {
        return parse_engine(value, options);
    }
    return strcmp(name, "--profile") == 0 && parse_profile(value, options);
}

bool sim_options_parse(int argc, char **argv, struct sim_options *ret_options)
{
    struct sim_options options = {.first = 1,
                                  .last = SIM_SHORT_SEEDS,
                                  .profile = SIM_FAULT_PROFILE_COUNT,
                                  .engine = LOAD_ENGINE_COUNT};

    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--verbose") == 0) {
            options.verbose = true;
        } else if (strcmp(argv[i], "--trace") == 0) {
            options.trace = true;
        } else if (strcmp(argv[i], "--minimize") == 0) {
            options.minimize = true;
        } else if (i + 1 == argc || !parse_option(argv[i], argv[i + 1], &options)) {
            return false;
        } else {
            i++;
        }
    }
    if ((options.trace || options.minimize) && options.first != options.last) {
        return false;
    }
    *ret_options = options;
    return true;
}

static void print_only(const struct sim_options *options, char *text, size_t size)
{
    int at = snprintf(text, size, " --only ");
    const int begin = at;

    for (uint32_t i = 0; i < SIM_FAULTS_MAX; i++) {
        if (options->keep[i]) {
            at += snprintf(text + at, size - (size_t)at, "%s%u", at == begin ? "" : ",", i);
        }
    }
    if (at == begin) {
        (void)snprintf(text + at, size - (size_t)at, "none");
    }
}

void sim_options_print(const struct sim_options *options, char *text)
{
    const size_t size = SIM_OPTIONS_TEXT_MAX;
    int at = 0;

    text[0] = '\0';
    if (options->profile != SIM_FAULT_PROFILE_COUNT) {
        at += snprintf(text + at, size - (size_t)at, " --profile %s",
                       sim_fault_profile_name((enum sim_fault_profile)options->profile));
    }
    if (options->engine != LOAD_ENGINE_COUNT) {
        at += snprintf(text + at, size - (size_t)at, " --engine %s",
                       load_engine_names[options->engine]);
    }
    if (options->nodes != 0) {
        at += snprintf(text + at, size - (size_t)at, " --nodes %u", options->nodes);
    }
    if (options->cores != 0) {
        at += snprintf(text + at, size - (size_t)at, " --cores %u", options->cores);
    }
    if (options->time_ns != 0) {
        at += snprintf(text + at, size - (size_t)at, " --time %" PRIu64 "ms",
                       options->time_ns / (1000 * 1000));
    }
    if (options->only) {
        print_only(options, text + at, size - (size_t)at);
    }
}
