#include "cli/bench_options.h"

#include "core/check.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

const struct option bench_option_table[BENCH_OPTIONS] = {
    [BENCH_WORKLOAD] = {"workload", 'w', "NAME",
                        "a b c d e f of YCSB, get, set or mixed (default a)"},
    [BENCH_MIX] = {"mix", 0, "MIX",
                   "shares of operations instead: read=90,update=5,insert=1,scan=3,rmw=1"},
    [BENCH_DISTRIBUTION] = {"distribution", 0, "NAME",
                            "of keys: zipfian, uniform, latest, hotspot (default: the workload's)"},
    [BENCH_THETA] = {"theta", 0, "X",
                     "how uneven zipfian and latest are, above 0 and below 1 (default 0.99)"},
    [BENCH_HOT] =
        {"hot", 0, "X,Y",
         "hotspot: the share X of the keys gets the share Y of operations (default 0.2,0.8)"},
    [BENCH_SCAN_LENGTH] = {"scan-length", 0, "N", "keys of the longest scan (default 100)"},
    [BENCH_KEYS] = {"keys", 'r', "N", "keys that are there from the start (default 100000)"},
    [BENCH_KEY_SIZE] = {"key-size", 0, "BYTES", "of a key's name, 13 to 1024 (default 16)"},
    [BENCH_VALUE_SIZE] = {"value-size", 'd', "BYTES",
                          "of a value: N, MIN-MAX (uniform) or exp:MEAN (default 100)"},
    [BENCH_TTL] = {"ttl", 0, "TIME", "let values expire"},
    [BENCH_CONNECTIONS] = {"connections", 'c', "N", "of all threads (default 50)"},
    [BENCH_IDLE] = {"idle", 0, "N", "open so many more connections, and leave them alone"},
    [BENCH_THREADS] = {"threads", 't', "N", "threads that send (default 1)"},
    [BENCH_PIPELINE] = {"pipeline", 'P', "N", "requests in flight on a connection (default 1)"},
    [BENCH_WINDOW] = {"window", 0, NULL,
                      "refill the pipeline as answers come, instead of when it is empty"},
    [BENCH_RATE] = {"rate", 0, "N", "open loop: N operations a second, whatever the server does"},
    [BENCH_POISSON] = {"poisson", 0, NULL, "open loop: at random moments instead of evenly"},
    [BENCH_LOAD] = {"load", 0, NULL, "first store all keys"},
    [BENCH_LOAD_ONLY] = {"load-only", 0, NULL, "store all keys, and nothing else"},
    [BENCH_REQUESTS] = {"requests", 'n', "N", "end after N operations"},
    [BENCH_DURATION] = {"duration", 0, "TIME", "end after this time (default 10s)"},
    [BENCH_WARMUP] = {"warmup", 0, "TIME",
                      "do not measure this time at the beginning (default 0s)"},
    [BENCH_SEED] = {"seed", 0, "N", "of all that is random (default 1)"},
    [BENCH_CLUSTER] = {"cluster", 0, NULL, "send each key to the port that CLUSTER SLOTS names"},
    [BENCH_RESP3] = {"resp3", 0, NULL, "speak RESP3"},
    [BENCH_VERIFY] = {"verify", 0, NULL, "check that values read are ones that were written"},
    [BENCH_ALLOW_ERRORS] = {"allow-errors", 0, NULL, "exit with 0 although requests failed"},
    [BENCH_SERVER_PID] = {"server-pid", 0, "PID",
                          "take the server's CPU from /proc instead of INFO"},
};

static const struct {
    const char *name;
    enum bench_distribution distribution;
    double mix[BENCH_OPERATIONS]; // read, update, insert, scan, read-modify-write
} WORKLOADS[] = {
    {"a", BENCH_ZIPFIAN, {.5, .5, 0, 0, 0}},     {"b", BENCH_ZIPFIAN, {.95, .05, 0, 0, 0}},
    {"c", BENCH_ZIPFIAN, {1, 0, 0, 0, 0}},       {"d", BENCH_LATEST, {.95, 0, .05, 0, 0}},
    {"e", BENCH_ZIPFIAN, {0, 0, .05, .95, 0}},   {"f", BENCH_ZIPFIAN, {.5, 0, 0, 0, .5}},
    {"get", BENCH_UNIFORM, {1, 0, 0, 0, 0}},     {"set", BENCH_UNIFORM, {0, 1, 0, 0, 0}},
    {"mixed", BENCH_UNIFORM, {.5, .5, 0, 0, 0}},
};

static const char *const OPERATION_NAMES[BENCH_OPERATIONS] = {
    [BENCH_READ] = "read", [BENCH_UPDATE] = "update",         [BENCH_INSERT] = "insert",
    [BENCH_SCAN] = "scan", [BENCH_READ_MODIFY_WRITE] = "rmw",
};

static const char *const DISTRIBUTION_NAMES[] = {
    [BENCH_ZIPFIAN] = "zipfian",
    [BENCH_UNIFORM] = "uniform",
    [BENCH_LATEST] = "latest",
    [BENCH_HOTSPOT] = "hotspot",
};

struct reading {
    const char *const *values;
    struct bench_plan *plan;
    char *error;
};

const char *bench_operation_name(enum bench_operation operation)
{
    CHECK(operation < BENCH_OPERATIONS);
    return OPERATION_NAMES[operation];
}

const char *bench_distribution_name(enum bench_distribution distribution)
{
    CHECK(distribution < sizeof DISTRIBUTION_NAMES / sizeof DISTRIBUTION_NAMES[0]);
    return DISTRIBUTION_NAMES[distribution];
}

static int reading_refuse(const struct reading *reading, enum bench_option option,
                          const char *expected)
{
    snprintf(reading->error, BENCH_OPTIONS_ERROR_SIZE, "--%s %.60s: %s",
             bench_option_table[option].name, reading->values[option], expected);
    return -EINVAL;
}

// A whole number; the plan keeps what it has when the option is not given.
static int reading_number(const struct reading *reading, enum bench_option option, int64_t min,
                          int64_t max, int64_t *number)
{
    char expected[96];

    if (reading->values[option] == NULL ||
        options_number(reading->values[option], min, max, number) == 0) {
        return 0;
    }
    snprintf(expected, sizeof expected, "a whole number from %lld to %lld", (long long)min,
             (long long)max);
    return reading_refuse(reading, option, expected);
}

static int reading_u32(const struct reading *reading, enum bench_option option, int64_t min,
                       int64_t max, uint32_t *number)
{
    int64_t wide = *number;
    const int result = reading_number(reading, option, min, max, &wide);

    *number = (uint32_t)wide;
    return result;
}

static int reading_u64(const struct reading *reading, enum bench_option option, int64_t min,
                       uint64_t *number)
{
    int64_t wide = (int64_t)*number;
    const int result = reading_number(reading, option, min, INT64_C(1) << 40, &wide);

    *number = (uint64_t)wide;
    return result;
}

static int reading_time(const struct reading *reading, enum bench_option option, double min_seconds,
                        double unit, uint64_t *units)
{
    double seconds = 0;

    if (reading->values[option] == NULL) {
        return 0;
    }
    if (options_duration(reading->values[option], min_seconds, 1e7, &seconds) != 0) {
        return reading_refuse(reading, option,
                              min_seconds > 0 ? "a time from 1ms on, as in 500ms, 30s, 5m or 2h"
                                              : "a time, as in 500ms, 30s, 5m or 2h");
    }
    *units = (uint64_t)(seconds * unit);
    return 0;
}

static int reading_workload(const struct reading *reading)
{
    const char *const name =
        reading->values[BENCH_WORKLOAD] != NULL ? reading->values[BENCH_WORKLOAD] : "a";

    for (size_t i = 0; i < sizeof WORKLOADS / sizeof WORKLOADS[0]; i++) {
        if (strcmp(WORKLOADS[i].name, name) == 0) {
            reading->plan->workload = WORKLOADS[i].name;
            reading->plan->distribution = WORKLOADS[i].distribution;
            memcpy(reading->plan->mix, WORKLOADS[i].mix, sizeof reading->plan->mix);
            return 0;
        }
    }
    return reading_refuse(reading, BENCH_WORKLOAD, "there are a b c d e f get set mixed");
}

// One "name=share" of --mix. Where it ends, or NULL.
static const char *reading_mix_part(const struct reading *reading, const char *part)
{
    char word[32];
    const size_t size = strcspn(part, ",");
    double share = 0;

    if (size >= sizeof word) {
        return NULL;
    }
    memcpy(word, part, size);
    word[size] = '\0';
    char *const equals = strchr(word, '=');

    if (equals == NULL || options_real(equals + 1, 0, 1e9, &share) != 0) {
        return NULL;
    }
    *equals = '\0';
    for (size_t i = 0; i < BENCH_OPERATIONS; i++) {
        if (strcmp(OPERATION_NAMES[i], word) == 0 && isnan(reading->plan->mix[i])) {
            reading->plan->mix[i] = share;
            return part + size;
        }
    }
    return NULL;
}

static int reading_mix(const struct reading *reading)
{
    const char *at = reading->values[BENCH_MIX];
    double sum = 0;

    if (at == NULL) {
        return 0;
    }
    for (size_t i = 0; i < BENCH_OPERATIONS; i++) {
        reading->plan->mix[i] = (double)NAN; // not named yet
    }
    reading->plan->workload = "custom";
    while (at != NULL) {
        at = reading_mix_part(reading, at);
        if (at == NULL) {
            return reading_refuse(reading, BENCH_MIX,
                                  "shares are written read=90,update=10; there are read, update, "
                                  "insert, scan and rmw, each at most once");
        }
        at = *at == ',' ? at + 1 : NULL;
    }
    for (size_t i = 0; i < BENCH_OPERATIONS; i++) {
        reading->plan->mix[i] = isnan(reading->plan->mix[i]) ? 0 : reading->plan->mix[i];
        sum += reading->plan->mix[i];
    }
    if (sum <= 0) {
        return reading_refuse(reading, BENCH_MIX, "one share has to be above 0");
    }
    for (size_t i = 0; i < BENCH_OPERATIONS; i++) {
        reading->plan->mix[i] /= sum;
    }
    return 0;
}

static int reading_distribution(const struct reading *reading)
{
    const char *const name = reading->values[BENCH_DISTRIBUTION];
    const char *const theta = reading->values[BENCH_THETA];
    const char *const hot = reading->values[BENCH_HOT];
    const size_t count = sizeof DISTRIBUTION_NAMES / sizeof DISTRIBUTION_NAMES[0];
    size_t found = 0;

    while (name != NULL && found < count && strcmp(DISTRIBUTION_NAMES[found], name) != 0) {
        found++;
    }
    if (found == count) {
        return reading_refuse(reading, BENCH_DISTRIBUTION,
                              "there are zipfian, uniform, latest and hotspot");
    }
    if (name != NULL) {
        reading->plan->distribution = (enum bench_distribution)found;
    }
    // At 1 the method divides by 0, and close to it it loses its digits.
    if (theta != NULL && options_real(theta, 0.01, 0.999, &reading->plan->theta) != 0) {
        return reading_refuse(reading, BENCH_THETA, "a number from 0.01 to 0.999");
    }
    if (hot != NULL) {
        const size_t size = strcspn(hot, ",");
        char keys[16] = "";

        snprintf(keys, sizeof keys, "%.*s", (int)(size < 15 ? size : 15), hot);
        if (hot[size] != ',' || options_real(keys, 0, 1, &reading->plan->hot_keys) != 0 ||
            options_real(hot + size + 1, 0, 1, &reading->plan->hot_share) != 0) {
            return reading_refuse(reading, BENCH_HOT, "two shares from 0 to 1, as in 0.2,0.8");
        }
    }
    return 0;
}

static int reading_value_size(const struct reading *reading)
{
    const char *const size = reading->values[BENCH_VALUE_SIZE];
    struct bench_plan *const plan = reading->plan;
    const char *const dash = size != NULL ? strchr(size, '-') : NULL;
    const uint32_t least = plan->verify ? 16 : 0; // key and version have to fit
    char first[24] = "";
    int64_t min = 100;
    int64_t max = 100;

    if (size != NULL && strncmp(size, "exp:", 4) == 0) {
        if (options_size(size + 4, 1, BENCH_VALUE_BYTES_MAX / 10, &min) != 0) {
            return reading_refuse(reading, BENCH_VALUE_SIZE, "the mean is 1 byte to 6.4 MiB");
        }
        plan->size_kind = BENCH_SIZE_EXPONENTIAL;
        plan->value_bytes_mean = (uint32_t)min;
        plan->value_bytes_min = least;
        return 0;
    }
    if (dash != NULL) {
        snprintf(first, sizeof first, "%.*s", (int)(dash - size < 23 ? dash - size : 23), size);
    }
    if (size != NULL &&
        (options_size(dash != NULL ? first : size, 0, BENCH_VALUE_BYTES_MAX, &min) != 0 ||
         options_size(dash != NULL ? dash + 1 : size, min, BENCH_VALUE_BYTES_MAX, &max) != 0)) {
        return reading_refuse(reading, BENCH_VALUE_SIZE,
                              "a size up to 64MiB, MIN-MAX, or exp:MEAN");
    }
    if (min < least) {
        return reading_refuse(reading, BENCH_VALUE_SIZE, "--verify wants 16 bytes or more");
    }
    plan->size_kind = BENCH_SIZE_UNIFORM;
    plan->value_bytes_min = (uint32_t)min;
    plan->value_bytes_max = (uint32_t)max;
    return 0;
}

static int reading_load(const struct reading *reading)
{
    struct bench_plan *const plan = reading->plan;
    int result =
        reading_u32(reading, BENCH_CONNECTIONS, 1, BENCH_CONNECTIONS_MAX, &plan->connections);

    if (result == 0) {
        result =
            reading_u32(reading, BENCH_IDLE, 0, BENCH_CONNECTIONS_MAX, &plan->idle_connections);
    }
    if (result == 0) {
        result = reading_u32(reading, BENCH_THREADS, 1, BENCH_THREADS_MAX, &plan->threads);
    }
    if (result == 0) {
        result = reading_u32(reading, BENCH_PIPELINE, 1, BENCH_PIPELINE_MAX, &plan->pipeline);
    }
    if (result == 0 && reading->values[BENCH_RATE] != NULL &&
        options_real(reading->values[BENCH_RATE], 0.01, 1e9, &plan->rate) != 0) {
        result =
            reading_refuse(reading, BENCH_RATE, "operations a second, from 0.01 to 1000000000");
    }
    return result;
}

static int reading_keys(const struct reading *reading)
{
    struct bench_plan *const plan = reading->plan;
    int result = reading_u64(reading, BENCH_KEYS, 1, &plan->keys);

    if (result == 0) {
        result = reading_u32(reading, BENCH_KEY_SIZE, BENCH_KEY_BYTES_MIN, BENCH_KEY_BYTES_MAX,
                             &plan->key_bytes);
    }
    if (result == 0) {
        result = reading_u32(reading, BENCH_SCAN_LENGTH, 1, BENCH_SCAN_LENGTH_MAX,
                             &plan->scan_length_max);
    }
    return result == 0 ? reading_value_size(reading) : result;
}

static int reading_times(const struct reading *reading)
{
    struct bench_plan *const plan = reading->plan;
    int result = reading_time(reading, BENCH_DURATION, 0.001, 1e9, &plan->duration_ns);

    if (result == 0) {
        result = reading_time(reading, BENCH_WARMUP, 0, 1e9, &plan->warmup_ns);
    }
    if (result == 0) {
        result = reading_time(reading, BENCH_TTL, 0.001, 1e3, &plan->ttl_ms);
    }
    if (result == 0) {
        result = reading_u64(reading, BENCH_REQUESTS, 1, &plan->requests);
    }
    if (result == 0) {
        result = reading_u64(reading, BENCH_SEED, 0, &plan->seed);
    }
    return result == 0 ? reading_number(reading, BENCH_SERVER_PID, 1, INT32_MAX, &plan->server_pid)
                       : result;
}

// What single options cannot know.
static int reading_together(const struct reading *reading)
{
    const struct bench_plan *const plan = reading->plan;
    const char *wrong = NULL;

    if (plan->connections < plan->threads) {
        wrong = "there are more --threads than --connections: each wants one";
    } else if ((uint64_t)plan->connections * plan->pipeline > BENCH_IN_FLIGHT_MAX) {
        wrong = "--connections times --pipeline is over 4194304 requests in flight";
    } else if (plan->requests != 0 && reading->values[BENCH_DURATION] != NULL) {
        wrong = "--requests or --duration: one of them says when to end";
    } else if (!plan->run && (plan->requests != 0 || reading->values[BENCH_DURATION] != NULL)) {
        wrong = "--load-only stores each key once: --requests and --duration have no say in that";
    } else if (plan->poisson && plan->rate <= 0) {
        wrong = "--poisson is about --rate, which is missing";
    } else if (plan->cluster && plan->target.socket_path != NULL) {
        wrong = "--cluster needs host and port: its nodes have no unix sockets";
    } else if (plan->verify && plan->keys > UINT32_MAX) {
        wrong = "--verify keeps 16 bytes a key: at most 4294967295 --keys";
    }
    if (wrong != NULL) {
        snprintf(reading->error, BENCH_OPTIONS_ERROR_SIZE, "%s", wrong);
        return -EINVAL;
    }
    return 0;
}

int bench_options_read(const char *const *values, struct bench_plan *ret_plan,
                       char error[BENCH_OPTIONS_ERROR_SIZE])
{
    static int (*const steps[])(const struct reading *) = {
        reading_workload, reading_mix,   reading_distribution, reading_keys,
        reading_load,     reading_times, reading_together,
    };
    struct bench_plan plan = {
        .target = ret_plan->target,
        .password = ret_plan->password,
        .theta = 0.99,
        .hot_keys = 0.2,
        .hot_share = 0.8,
        .scan_length_max = 100,
        .keys = 100000,
        .key_bytes = 16,
        .connections = 50,
        .threads = 1,
        .pipeline = 1,
        .window = values[BENCH_WINDOW] != NULL,
        .poisson = values[BENCH_POISSON] != NULL,
        .load = values[BENCH_LOAD] != NULL || values[BENCH_LOAD_ONLY] != NULL,
        .run = values[BENCH_LOAD_ONLY] == NULL,
        .duration_ns = UINT64_C(10) * 1000 * 1000 * 1000,
        .seed = 1,
        .cluster = values[BENCH_CLUSTER] != NULL,
        .resp3 = values[BENCH_RESP3] != NULL,
        .verify = values[BENCH_VERIFY] != NULL,
        .allow_errors = values[BENCH_ALLOW_ERRORS] != NULL,
    };
    const struct reading reading = {values, &plan, error};

    for (size_t i = 0; i < sizeof steps / sizeof steps[0]; i++) {
        const int result = steps[i](&reading);

        if (result != 0) {
            return result;
        }
    }
    *ret_plan = plan;
    return 0;
}
