// How many replicas an operation asks for: one, quorum, all, or a number.
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct exec;

// Checks the option argv[at] with its value argv[at + 1] against the replicas there are: false,
// having replied, when it is none of the above or cannot be met.
bool quorum_check(struct exec *x, uint32_t at);
