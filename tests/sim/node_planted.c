#include "tests/sim/node_planted.h"

#include <assert.h>

#include <stdint.h>
#include <stdio.h>
#include <string.h>

#define ORACLE(name) (1U << SIM_ORACLE_##name)

static const struct {
    const char *name;
    const char *what;
} names[PLANTED_COUNT] = {
#define NAMED(bug, text, wrong) [PLANTED_##bug] = {.name = (text), .what = (wrong)},
    PLANTED_BUGS(NAMED)
#undef NAMED
};

// Where two oracles are named, chance says which of them meets the damage first.
static const struct {
    enum planted bug;
    uint32_t seeds;
    uint32_t oracles;
} found[] = {
    {PLANTED_OVERTAKE, 50, ORACLE(REPLIES)},
    {PLANTED_FORGET_REPLY, 50, ORACLE(REPLIES) | ORACLE(HANG_UP) | ORACLE(PROGRESS)},
    {PLANTED_FORGET_PROTOCOL, 50, ORACLE(REPLIES)},
    {PLANTED_LOSE_WAKE, 50, ORACLE(SLEEP)},
    {PLANTED_SKIP_WAKE, 50, ORACLE(SLEEP)},
    {PLANTED_REUSE_SEND, 50, ORACLE(REPLIES) | ORACLE(CHECK)},
    {PLANTED_REUSE_RECEIVE, 50, ORACLE(CHECK)},
    {PLANTED_DROP_HOP, 50, ORACLE(PROGRESS)},
    {PLANTED_LEAK_CREDIT, 50, ORACLE(LEFT_OVER) | ORACLE(PROGRESS)},
    {PLANTED_KEEP_GATE, 50, ORACLE(PROGRESS) | ORACLE(CHECK)},
    {PLANTED_IGNORE_GATE, 300, ORACLE(HISTORY) | ORACLE(WHOLE)},
    {PLANTED_HALF_MULTI, 50, ORACLE(HISTORY) | ORACLE(WHOLE) | ORACLE(CHECK)},
    {PLANTED_SKIP_BARRIER, 50, ORACLE(HISTORY)},
    {PLANTED_WRONG_CORE, 50, ORACLE(HISTORY) | ORACLE(WHOLE)},
    {PLANTED_LOSE_UPDATE, 50, ORACLE(HISTORY)},
    {PLANTED_SERVE_EXPIRED, 50, ORACLE(HISTORY) | ORACLE(CHECK)},
    {PLANTED_EVICT_UNCOUNTED, 50, ORACLE(EVICTIONS)},
    {PLANTED_LOSE_MOVED, 50, ORACLE(EVICTIONS) | ORACLE(HISTORY)},
    {PLANTED_SCAN_SKIP, 50, ORACLE(SCAN)},
    {PLANTED_OVER_MEMORY, 50, ORACLE(MEMORY) | ORACLE(SLICE)},
    {PLANTED_OVER_OUTPUT, 50, ORACLE(MEMORY)},
    {PLANTED_LONG_SLICE, 300, ORACLE(SLICE)},
    {PLANTED_NEVER_IDLE, 50, ORACLE(IDLE)},
    {PLANTED_FORGET_PAUSED, 50, ORACLE(PROGRESS)},
    {PLANTED_HANG_UP_HALF, 50, ORACLE(HANG_UP)},
    {PLANTED_LEAK_SOCKET, 50, ORACLE(LEFT_OVER)},
    {PLANTED_DRAW_ADDRESS, 300, ORACLE(TRACE)},
};

static_assert(sizeof found / sizeof *found == PLANTED_COUNT - 1, "each bug has to be found");

static void print_oracles(uint32_t oracles)
{
    const char *between = "";

    for (uint32_t i = 0; i < SIM_ORACLE_COUNT; i++) {
        if (oracles & (1U << i)) {
            (void)printf("%s%s", between, sim_oracle_name((enum sim_oracle)i));
            between = "|";
        }
    }
}

void planted_print(void)
{
    for (uint32_t i = 0; i < sizeof found / sizeof *found; i++) {
        (void)printf("%s\t%u\t", names[found[i].bug].name, found[i].seeds);
        print_oracles(found[i].oracles);
        (void)printf("\t%s\n", names[found[i].bug].what);
    }
}

bool planted_choose(const char *name)
{
#ifdef RLDB_PLANTED
    for (uint32_t bug = 1; bug < PLANTED_COUNT; bug++) {
        if (strcmp(names[bug].name, name) == 0) {
            planted_select((enum planted)bug);
            return true;
        }
    }
#endif
    (void)name;
    return false;
}
