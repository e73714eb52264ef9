// How fast compaction goes, by the latency of frames and the room there is.
#include "engines/log_pace.h"

#include <criterion/criterion.h>

enum { FRAME_BYTES = 8 << 10, SLICE_BYTES = 64 << 10, US = 1000 };

static void note(struct log_pace *pace, uint32_t times, uint64_t took_us)
{
    for (uint32_t i = 0; i < times; i++) {
        log_pace_note(pace, FRAME_BYTES, took_us * US, 0);
    }
}

// Bytes that slices look at in a second of virtual time; each takes what it is thought to.
static uint64_t speed(struct log_pace *pace, uint32_t shortness)
{
    const uint64_t end_ns = UINT64_C(1000000000);
    uint64_t bytes = 0;

    pace->rest_until_ns = 0;
    for (uint64_t now_ns = 0; now_ns < end_ns; now_ns += 10 * US) {
        pace->heard_ns = now_ns; // writers are there
        if (!log_pace_rests(pace, now_ns)) {
            now_ns += SLICE_BYTES / 1024 * PACE_NS_PER_KIB;
            bytes += SLICE_BYTES;
            log_pace_spend(pace, SLICE_BYTES, shortness, now_ns);
        }
    }
    return bytes;
}

Test(engines_log_pace, a_calm_disk_does_not_hold_it_up)
{
    struct log_pace pace = {0};

    cr_expect_eq(log_pace_share(&pace, 0), PACE_SHARE_ONE, "no frame was seen");
    note(&pace, 100, 125);
    cr_expect_eq(log_pace_share(&pace, 0), PACE_SHARE_ONE);
    note(&pace, 100, 240);
    cr_expect_eq(log_pace_share(&pace, 0), PACE_SHARE_ONE);
    log_pace_spend(&pace, SLICE_BYTES, 0, 5000);
    cr_expect_not(log_pace_rests(&pace, 5000));
}

Test(engines_log_pace, it_slows_down_as_frames_take_longer_and_comes_back)
{
    struct log_pace pace = {0};
    uint64_t before;

    note(&pace, 100, 125);
    before = speed(&pace, 0);
    for (uint64_t took_us = 400; took_us <= 1600; took_us *= 2) {
        note(&pace, 100, took_us);
        const uint64_t now = speed(&pace, 0);

        cr_expect_lt(now, before, "%lu us: %lu bytes after %lu", took_us, now, before);
        before = now;
    }
    note(&pace, 100, 125);
    cr_expect_eq(log_pace_share(&pace, 0), PACE_SHARE_ONE);
}

Test(engines_log_pace, it_never_stops)
{
    struct log_pace pace = {0};

    note(&pace, 10, 100);
    const uint64_t calm = speed(&pace, 0);

    note(&pace, 100, 1000 * 1000);
    cr_expect_eq(log_pace_share(&pace, 0), PACE_SHARE_ONE / PACE_SHARE_MIN);
    cr_expect_geq(speed(&pace, 0), calm / PACE_SHARE_MIN / 2);
}

Test(engines_log_pace, the_shorter_room_is_the_less_it_heeds_the_disk)
{
    struct log_pace pace = {0};
    uint32_t before = 0;

    note(&pace, 10, 100);
    note(&pace, 100, 10000);
    for (uint32_t shortness = 0; shortness <= PACE_SHARE_ONE; shortness += PACE_SHARE_ONE / 4) {
        cr_expect_gt(log_pace_share(&pace, shortness), before);
        before = log_pace_share(&pace, shortness);
    }
    cr_expect_eq(before, PACE_SHARE_ONE, "where room has run out it goes as fast as it can");
}

Test(engines_log_pace, a_slower_disk_becomes_the_measure)
{
    struct log_pace pace = {0};

    note(&pace, 100, 100);
    note(&pace, 20, 500);
    cr_expect_lt(log_pace_share(&pace, 0), PACE_SHARE_ONE);
    note(&pace, 5000, 500);
    cr_expect_eq(log_pace_share(&pace, 0), PACE_SHARE_ONE);
}

Test(engines_log_pace, large_frames_say_nothing)
{
    struct log_pace pace = {0};

    note(&pace, 100, 100);
    log_pace_note(&pace, PACE_FRAME_BYTES_MAX + 1, 100 * 1000 * US, 0);
    cr_expect_eq(log_pace_share(&pace, 0), PACE_SHARE_ONE);
}

Test(engines_log_pace, it_does_not_rest_where_nobody_writes)
{
    struct log_pace pace = {0};

    note(&pace, 10, 100);
    note(&pace, 100, 10000);
    log_pace_note(&pace, FRAME_BYTES, 10000 * US, 5000);
    log_pace_spend(&pace, 1 << 20, 0, 5000);
    cr_expect(log_pace_rests(&pace, 5000 + US));
    pace.rest_until_ns = UINT64_MAX;
    cr_expect(log_pace_rests(&pace, 5000 + PACE_HEARD_NS - 1));
    cr_expect_not(log_pace_rests(&pace, 5000 + PACE_HEARD_NS));
}
