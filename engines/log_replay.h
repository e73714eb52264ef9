// Replay: the part of recovery that reads frames (log_recover.h). For the log engine's own files.
#pragma once

#include "engines/log_recover.h"

// Applies the frames after `after` to the index, in their order, over all segments that are open.
// Careful: as if nothing were known of what was before. Sets the engine's sequence, chain and
// stamp, and what the segments hold. 0 or -errno.
int log_replay(struct log_engine *engine, uint64_t after, bool careful,
               struct log_recovery *report);
