#include "core/doze.h"

#include "core/limits.h"

void doze_update(struct doze *doze, uint64_t now_ns)
{
    const uint64_t passed_ns = now_ns - doze->window_ns;

    if (passed_ns < DOZE_WINDOW_NS) {
        return;
    }
    const uint64_t expected = (uint64_t)doze->arrivals * LIMIT_DOZE_NS / passed_ns;
    uint32_t count = doze->sources > DOZE_BUSY ? (doze->sources - DOZE_BUSY) / 2 : 0;

    count = count < expected ? count : (uint32_t)expected;
    count = count < LIMIT_DOZE_ARRIVALS ? count : LIMIT_DOZE_ARRIVALS;
    *doze = (struct doze){
        .window_ns = now_ns,
        .count = expected >= DOZE_ARRIVALS_MIN && doze->sources >= DOZE_SOURCES_MIN ? count : 0,
    };
}
