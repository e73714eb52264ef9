#include "tests/sim/node_planted.h"

#include <assert.h>

#define ORACLE(name) (1U << SIM_ORACLE_##name)

// Where two oracles are named, chance says which of them meets the damage first.
const struct planted_row node_planted_rows[] = {
    {PLANTED_OVERTAKE, 50, ORACLE(REPLIES), false},
    {PLANTED_FORGET_REPLY, 50, ORACLE(REPLIES) | ORACLE(HANG_UP) | ORACLE(PROGRESS), false},
    {PLANTED_FORGET_PROTOCOL, 50, ORACLE(REPLIES), false},
    {PLANTED_LOSE_WAKE, 50, ORACLE(SLEEP), false},
    {PLANTED_SKIP_WAKE, 50, ORACLE(SLEEP), false},
    {PLANTED_REUSE_SEND, 50, ORACLE(REPLIES) | ORACLE(CHECK), false},
    {PLANTED_REUSE_RECEIVE, 50, ORACLE(REPLIES) | ORACLE(CHECK), false},
    {PLANTED_DROP_HOP, 50, ORACLE(PROGRESS), false},
    {PLANTED_LEAK_CREDIT, 50, ORACLE(LEFT_OVER) | ORACLE(PROGRESS), false},
    {PLANTED_KEEP_GATE, 50, ORACLE(PROGRESS) | ORACLE(CHECK), false},
    {PLANTED_IGNORE_GATE, 300, ORACLE(HISTORY) | ORACLE(WHOLE), false},
    {PLANTED_HALF_MULTI, 50, ORACLE(HISTORY) | ORACLE(WHOLE) | ORACLE(CHECK), false},
    {PLANTED_SKIP_BARRIER, 50, ORACLE(HISTORY), false},
    {PLANTED_WRONG_CORE, 50, ORACLE(HISTORY) | ORACLE(WHOLE), false},
    {PLANTED_LOSE_UPDATE, 50, ORACLE(HISTORY), false},
    {PLANTED_SERVE_EXPIRED, 50, ORACLE(HISTORY) | ORACLE(CHECK), false},
    {PLANTED_EVICT_UNCOUNTED, 50, ORACLE(EVICTIONS), false},
    {PLANTED_LOSE_MOVED, 50, ORACLE(EVICTIONS) | ORACLE(HISTORY), false},
    {PLANTED_SCAN_SKIP, 50, ORACLE(SCAN), false},
    {PLANTED_OVER_MEMORY, 50, ORACLE(MEMORY) | ORACLE(SLICE), false},
    {PLANTED_OVER_OUTPUT, 50, ORACLE(MEMORY), false},
    {PLANTED_LONG_SLICE, 500, ORACLE(SLICE), false},
    {PLANTED_NEVER_IDLE, 50, ORACLE(IDLE), false},
    {PLANTED_FORGET_PAUSED, 50, ORACLE(PROGRESS), false},
    {PLANTED_HANG_UP_HALF, 50, ORACLE(HANG_UP), false},
    {PLANTED_LEAK_SOCKET, 50, ORACLE(LEFT_OVER), false},
    {PLANTED_DRAW_ADDRESS, 300, ORACLE(TRACE), false},
    {PLANTED_LATE_LEASE, 50, ORACLE(CLOCK), true},
};

#define ONE(name, text, what) +1
static_assert(sizeof node_planted_rows / sizeof *node_planted_rows == PLANTED_NODE_BUGS(ONE),
              "each bug has to be found");
#undef ONE

const uint32_t node_planted_count = sizeof node_planted_rows / sizeof *node_planted_rows;
