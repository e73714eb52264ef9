// A walk through the records of one segment, in slices: what the cleaner, eviction and the reaping
// of expired records have in common. For the memory engine's own files.
#pragma once

#include "engines/memory.h"

enum walk_mode {
    WALK_CLEAN,     // moves what is reachable
    WALK_EVICT_ALL, // evicts it
    WALK_EVICT_LRU, // evicts what was not read since the last visit, and moves the rest
    WALK_EVICT_TTL, // evicts what expires until the threshold, and leaves the rest
    WALK_REAP,      // leaves all but what has expired, which every mode removes
};

struct walk {
    struct memory_engine *engine;
    struct sweep *sweep; // where it is; its segment is none when the segment was freed meanwhile
    enum walk_mode mode;
    uint64_t threshold_ms;
    bool stuck; // set when there was no room to move a record to
};

// Walks on for about `budget` of records, or to the segment's end. Returns what they cost, see
// record_cost().
uint64_t walk_on(struct walk *walk, uint64_t budget);
