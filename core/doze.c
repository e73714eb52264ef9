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
    doze->count = expected >= DOZE_ARRIVALS_MIN && doze->sources >= DOZE_SOURCES_MIN ? count : 0;
    doze->window_ns = now_ns;
    doze->arrivals = doze->sources = 0;
}

static uint64_t bounded(uint64_t lasts_ns)
{
    lasts_ns = lasts_ns < DOZE_AWAITED_NS_MIN ? DOZE_AWAITED_NS_MIN : lasts_ns;
    return lasts_ns < LIMIT_DOZE_NS ? lasts_ns : LIMIT_DOZE_NS;
}

void doze_await(struct doze *doze, uint64_t now_ns)
{
    doze->awaited_ns = now_ns;
    doze->late = false;
    doze->lasts_ns = doze->lasts_ns == 0 ? LIMIT_DOZE_NS : doze->lasts_ns;
}

void doze_came(struct doze *doze, uint64_t now_ns)
{
    const uint64_t passed_ns = now_ns - doze->awaited_ns;

    if (doze->awaited_ns == 0) {
        return;
    }
    doze->awaited_ns = 0;
    if (passed_ns < doze->lasts_ns) {
        doze->lasts_ns = bounded(doze->lasts_ns - (doze->lasts_ns - passed_ns) / 4);
    } else if (!doze->late) {
        doze->lasts_ns = bounded(doze->lasts_ns - doze->lasts_ns / 32);
    }
}

uint64_t doze_wait_ns(struct doze *doze, uint64_t now_ns)
{
    if (doze->awaited_ns == 0) {
        return LIMIT_DOZE_NS;
    }
    if (now_ns < doze->awaited_ns + doze->lasts_ns) {
        return doze->awaited_ns + doze->lasts_ns - now_ns;
    }
    if (!doze->late) {
        doze->late = true;
        doze->lasts_ns = bounded(doze->lasts_ns + doze->lasts_ns / 8);
    }
    return DOZE_AWAITED_NS_MIN;
}
