// What a run of rldb bench came to, for people and as JSON.
#pragma once

#include "cli/bench_run.h"
#include "core/text.h"

#include <jansson.h>

void bench_report_text(const struct bench_plan *plan, const struct bench_result *result,
                       bool colored, struct text *ret_text);

// All parameters and all results. Latencies are in microseconds.
json_t *bench_report_json(const struct bench_plan *plan, const struct bench_result *result);
