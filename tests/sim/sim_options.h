// What the program `sim` is told, and how to tell it again.
#pragma once

#include "tests/sim/sim_faults.h"

enum { SIM_SHORT_SEEDS = 300, SIM_OPTIONS_TEXT_MAX = 2048 };

struct sim_options {
    uint64_t first;
    uint64_t last;
    uint64_t time_ns; // 0: one round of load
    uint32_t nodes;   // 0: the seed says
    uint32_t cores;   // 0: the seed says
    uint32_t profile; // of enum sim_fault_profile; SIM_FAULT_PROFILE_COUNT: the seed says
    uint32_t engine;  // of enum load_engine; LOAD_ENGINE_COUNT: the seed says
    bool narrowed;    // something is not left to the seed
    bool verbose;
    bool trace;
    bool minimize;
    bool only;
    bool keep[SIM_FAULTS_MAX]; // with `only`: faults that are not left out
};

extern const char sim_options_usage[];

// Chooses the planted bug too. False where that makes no sense.
bool sim_options_parse(int argc, char **argv, struct sim_options *ret_options);

// What stands behind `sim --seed N` to run it in the same way; terminated.
void sim_options_print(const struct sim_options *options, char *text);
