#include "tests/sim/planted.h"

#include <stdio.h>
#include <string.h>

static const struct {
    const char *name;
    const char *what;
} names[PLANTED_COUNT] = {
#define NAMED(bug, text, wrong) [PLANTED_##bug] = {.name = (text), .what = (wrong)},
    PLANTED_BUGS(NAMED)
#undef NAMED
};

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

void planted_print(const struct planted_row *rows, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        (void)printf("%s\t%u\t", names[rows[i].bug].name, rows[i].seeds);
        print_oracles(rows[i].oracles);
        (void)printf("\t%s\t%s\t%s\n", rows[i].durable ? "log" : "memory",
                     rows[i].profile != NULL ? rows[i].profile : "calm", names[rows[i].bug].what);
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
