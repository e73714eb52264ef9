// What the simulators' programs say of the bugs of core/planted.h.
#pragma once

#include "core/planted.h"
#include "tests/sim/sim_oracle.h"

#include <stdbool.h>
#include <stdint.h>

// Found within so many seeds by one of these oracles.
struct planted_row {
    enum planted bug;
    uint32_t seeds;
    uint32_t oracles;    // bits
    bool durable;        // of `sim`: it takes a node of the log engine, and not one of memory
    const char *profile; // of faults; NULL: "calm"
};

// Prints a table, a bug a line: name, seeds, oracles joined by '|', engine, profile, what goes
// wrong; fields are separated by tabs.
void planted_print(const struct planted_row *rows, uint32_t count);

// Chooses the bug of that name. False: there is none, or this build has none.
bool planted_choose(const char *name);
