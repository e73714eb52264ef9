#include "tests/sim/node_planted.h"

#include <assert.h>
#include <stddef.h>

#define ORACLE(name) (1U << SIM_ORACLE_##name)

// Where two oracles are named, chance says which of them meets the damage first.
const struct planted_row node_planted_rows[] = {
    {PLANTED_OVERTAKE, 50, ORACLE(REPLIES), false, NULL},
    {PLANTED_FORGET_REPLY, 50,
     ORACLE(REPLIES) | ORACLE(HANG_UP) | ORACLE(PROGRESS) | ORACLE(HISTORY), false, NULL},
    {PLANTED_FORGET_PROTOCOL, 50, ORACLE(REPLIES), false, NULL},
    {PLANTED_LOSE_WAKE, 50, ORACLE(SLEEP), false, NULL},
    {PLANTED_SKIP_WAKE, 50, ORACLE(SLEEP), false, NULL},
    {PLANTED_REUSE_SEND, 50, ORACLE(REPLIES) | ORACLE(HANG_UP) | ORACLE(CHECK), false, NULL},
    {PLANTED_REUSE_RECEIVE, 50, ORACLE(REPLIES) | ORACLE(CHECK), false, NULL},
    {PLANTED_DROP_HOP, 50, ORACLE(PROGRESS), false, NULL},
    {PLANTED_LEAK_CREDIT, 50, ORACLE(LEFT_OVER) | ORACLE(PROGRESS), false, NULL},
    {PLANTED_KEEP_GATE, 50, ORACLE(PROGRESS) | ORACLE(CHECK), false, NULL},
    {PLANTED_IGNORE_GATE, 300, ORACLE(HISTORY) | ORACLE(WHOLE), false, NULL},
    {PLANTED_HALF_MULTI, 50, ORACLE(HISTORY) | ORACLE(WHOLE) | ORACLE(CHECK), false, NULL},
    {PLANTED_SKIP_BARRIER, 50, ORACLE(HISTORY), false, NULL},
    {PLANTED_WRONG_CORE, 50, ORACLE(HISTORY) | ORACLE(WHOLE), false, NULL},
    {PLANTED_LOSE_UPDATE, 50, ORACLE(HISTORY), false, NULL},
    {PLANTED_SERVE_EXPIRED, 50, ORACLE(HISTORY) | ORACLE(CHECK), false, NULL},
    {PLANTED_EVICT_UNCOUNTED, 50, ORACLE(EVICTIONS), false, NULL},
    {PLANTED_LOSE_MOVED, 50, ORACLE(EVICTIONS) | ORACLE(HISTORY), false, NULL},
    {PLANTED_SCAN_SKIP, 50, ORACLE(SCAN), false, NULL},
    {PLANTED_OVER_MEMORY, 50, ORACLE(MEMORY) | ORACLE(SLICE), false, NULL},
    {PLANTED_OVER_OUTPUT, 50, ORACLE(MEMORY), false, NULL},
    {PLANTED_LONG_SLICE, 500, ORACLE(SLICE), false, NULL},
    {PLANTED_NEVER_IDLE, 50, ORACLE(IDLE), false, NULL},
    {PLANTED_FORGET_PAUSED, 50, ORACLE(PROGRESS), false, NULL},
    {PLANTED_HANG_UP_HALF, 50, ORACLE(HANG_UP), false, NULL},
    {PLANTED_LEAK_SOCKET, 50, ORACLE(LEFT_OVER), false, NULL},
    {PLANTED_DRAW_ADDRESS, 300, ORACLE(TRACE), false, NULL},
    {PLANTED_LATE_LEASE, 50, ORACLE(CLOCK), true, NULL},
    {PLANTED_TRUST_PLACE, 300, ORACLE(HISTORY) | ORACLE(WHOLE) | ORACLE(DAMAGE) | ORACLE(CHECK),
     true, "disk"},
    {PLANTED_HUSH_DAMAGE, 300, ORACLE(DAMAGE), true, "disk"},
    {PLANTED_EARLY_LEASE, 300, ORACLE(CLOCK), true, "crash"},
};

#define ONE(name, text, what) +1
static_assert(sizeof node_planted_rows / sizeof *node_planted_rows == PLANTED_NODE_BUGS(ONE),
              "each bug has to be found");
#undef ONE

const uint32_t node_planted_count = sizeof node_planted_rows / sizeof *node_planted_rows;
