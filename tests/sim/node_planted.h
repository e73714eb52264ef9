// The bugs of core/planted.h that sim has to find: by which oracles, within how many seeds.
#pragma once

#include "tests/sim/planted.h"

extern const struct planted_row node_planted_rows[];
extern const uint32_t node_planted_count;
