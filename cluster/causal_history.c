#include "cluster/causal_history.h"

#include <string.h>

void causal_history_init(struct causal_history *history)
{
    history->versions_count = 0;
    history->dots_count = 0;
}

// The first version whose actor is not below `actor`.
static uint32_t versions_place(const struct causal_history *history, uint32_t actor)
{
    uint32_t low = 0;
    uint32_t high = history->versions_count;

    while (low < high) {
        const uint32_t middle = (low + high) / 2;

        if (history->versions[middle].actor < actor) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

uint64_t causal_history_version(const struct causal_history *history, uint32_t actor)
{
    const uint32_t place = versions_place(history, actor);

    return place < history->versions_count && history->versions[place].actor == actor
               ? history->versions[place].hlc
               : 0;
}

bool causal_history_covers(const struct causal_history *history, struct dot dot)
{
    if (dot.hlc <= causal_history_version(history, dot.actor)) {
        return true;
    }
    for (uint32_t i = 0; i < history->dots_count; i++) {
        if (dot_equal(history->dots[i], dot)) {
            return true;
        }
    }
    return false;
}

static void dots_remove(struct causal_history *history, uint32_t place)
{
    CHECK(place < history->dots_count);
    history->dots_count--;
    memmove(&history->dots[place], &history->dots[place + 1],
            (history->dots_count - place) * sizeof history->dots[0]);
}

bool causal_history_add_version(struct causal_history *history, struct dot dot)
{
    const uint32_t place = versions_place(history, dot.actor);

    CHECK(dot.hlc != 0 && dot.hlc <= DOT_HLC_MAX);
    if (place < history->versions_count && history->versions[place].actor == dot.actor) {
        if (history->versions[place].hlc < dot.hlc) {
            history->versions[place].hlc = dot.hlc;
        }
    } else {
        if (history->versions_count == LIMIT_OBJECT_VERSIONS) {
            return false;
        }
        memmove(&history->versions[place + 1], &history->versions[place],
                (history->versions_count - place) * sizeof history->versions[0]);
        history->versions[place] = dot;
        history->versions_count++;
    }
    for (uint32_t i = history->dots_count; i-- > 0;) {
        if (history->dots[i].actor == dot.actor && history->dots[i].hlc <= dot.hlc) {
            dots_remove(history, i);
        }
    }
    return true;
}

static bool dot_is_before(struct dot a, struct dot b)
{
    return a.actor != b.actor ? a.actor < b.actor : a.hlc < b.hlc;
}

// Of two dots the one that is forgotten first, whatever the order in which they came.
static bool dot_is_older(struct dot a, struct dot b)
{
    return a.hlc != b.hlc ? a.hlc < b.hlc : a.actor < b.actor;
}

void causal_history_add_dot(struct causal_history *history, struct dot dot)
{
    CHECK(dot.hlc != 0 && dot.hlc <= DOT_HLC_MAX);
    if (causal_history_covers(history, dot)) {
        return;
    }
    if (history->dots_count == LIMIT_HISTORY_DOTS) {
        uint32_t oldest = 0;

        for (uint32_t i = 1; i < history->dots_count; i++) {
            if (dot_is_older(history->dots[i], history->dots[oldest])) {
                oldest = i;
            }
        }
        if (dot_is_older(dot, history->dots[oldest])) {
            return;
        }
        dots_remove(history, oldest);
    }
    uint32_t place = history->dots_count;

    for (; place > 0 && dot_is_before(dot, history->dots[place - 1]); place--) {
        history->dots[place] = history->dots[place - 1];
    }
    history->dots[place] = dot;
    history->dots_count++;
}

bool causal_history_join(struct causal_history *history, const struct causal_history *other)
{
    for (uint32_t i = 0; i < other->versions_count; i++) {
        if (!causal_history_add_version(history, other->versions[i])) {
            return false;
        }
    }
    for (uint32_t i = 0; i < other->dots_count; i++) {
        causal_history_add_dot(history, other->dots[i]);
    }
    return true;
}
