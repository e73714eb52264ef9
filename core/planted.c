#include "core/planted.h"

#ifdef RLDB_PLANTED

// Nobody but the simulator's program writes it, before anything else runs.
static enum planted selected;

bool planted(enum planted bug)
{
    return selected == bug;
}

void planted_select(enum planted bug)
{
    selected = bug;
}

#endif
