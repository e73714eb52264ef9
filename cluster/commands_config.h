// Redis's names for what is configured here.
#pragma once

#include "core/config.h"

// storage.eviction as Redis names it: noeviction, allkeys-lru, allkeys-random, volatile-ttl.
const char *config_policy_name(const struct config *config);
