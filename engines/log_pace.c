#include "engines/log_pace.h"

#include "core/check.h"

enum {
    MEAN_OF = 8,
    FLOOR_RISES = 1024, // by one part of so many with each frame, so that it follows another disk
    REST_NS_MAX = 20 * 1000 * 1000,
};

void log_pace_note(struct log_pace *pace, uint32_t bytes, uint64_t took_ns, uint64_t now_ns)
{
    if (bytes > PACE_FRAME_BYTES_MAX || took_ns == 0) {
        return;
    }
    pace->heard_ns = now_ns;
    if (pace->floor_ns == 0) {
        pace->floor_ns = pace->latency_ns = took_ns;
        return;
    }
    pace->floor_ns += pace->floor_ns / FLOOR_RISES;
    pace->floor_ns = took_ns < pace->floor_ns ? took_ns : pace->floor_ns;
    pace->latency_ns += took_ns / MEAN_OF;
    pace->latency_ns -= pace->latency_ns / (MEAN_OF + 1);
}

uint32_t log_pace_share(const struct log_pace *pace, uint32_t shortness)
{
    uint64_t share = PACE_SHARE_ONE;

    CHECK(shortness <= PACE_SHARE_ONE);
    if (pace->latency_ns > pace->floor_ns * PACE_CALM) {
        share = PACE_SHARE_ONE * pace->floor_ns * PACE_CALM / pace->latency_ns;
        share = share < PACE_SHARE_ONE / PACE_SHARE_MIN ? PACE_SHARE_ONE / PACE_SHARE_MIN : share;
    }
    return (uint32_t)(share + (PACE_SHARE_ONE - share) * shortness / PACE_SHARE_ONE);
}

void log_pace_spend(struct log_pace *pace, uint32_t bytes, uint32_t shortness, uint64_t now_ns)
{
    const uint64_t worked_ns = (uint64_t)bytes * PACE_NS_PER_KIB / 1024;
    const uint32_t share = log_pace_share(pace, shortness);
    const uint64_t rest_ns = worked_ns * (PACE_SHARE_ONE - share) / share;

    pace->rest_until_ns = now_ns + (rest_ns < REST_NS_MAX ? rest_ns : REST_NS_MAX);
}
