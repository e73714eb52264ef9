// The bugs of core/planted.h that sim_node has to find: by which oracles, within how many seeds.
#pragma once

#include "core/planted.h"
#include "tests/sim/sim_oracle.h"

#include <stdbool.h>

// Prints the list, one a line: name, seeds, oracles joined by '|', what goes wrong; fields are
// separated by tabs.
void planted_print(void);

// Chooses the bug of that name. False: there is none, or this build has none.
bool planted_choose(const char *name);
