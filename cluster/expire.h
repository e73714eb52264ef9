// Times of expiry as commands give them: Redis's rules and words.
#pragma once

#include "cluster/command.h"

#include <stdbool.h>
#include <stdint.h>

enum expire_unit {
    EXPIRE_NONE,
    EXPIRE_SECONDS,    // from now
    EXPIRE_MS,         // from now
    EXPIRE_AT_SECONDS, // since the epoch
    EXPIRE_AT_MS,      // since the epoch
};

// The wall time in ms that argv[at] means. False, having replied, when it is no integer, or (not
// below one) out of range. What is <= 0 is out of range for SET and its kin.
bool expire_parse_positive(struct exec *x, uint32_t at, enum expire_unit unit,
                           uint64_t *ret_expire_ms);

// The unit that argv[at] names ("ex", "px", "exat", "pxat"), or EXPIRE_NONE.
enum expire_unit expire_word(const struct exec *x, uint32_t at);
