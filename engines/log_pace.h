// How fast compaction goes: by credit that rises as room falls, and shrinks while the disk makes
// writers wait longer than it has to.
//
// What compaction reads and writes goes through the same disk as the frames of writers. Their time
// from submission to completion is looked at, of frames small enough that their size does not
// matter: its mean over the last ones beside its floor, the least of late. Up to PACE_CALM times
// the floor the disk is calm, and compaction goes as fast as its slices do. Above that it rests
// between slices, so that its share of the time falls as the latency rises, to 1/PACE_SHARE_MIN at
// the least. Where room is short nothing of that holds: writers who wait for the disk are better
// off than those who are refused. Nor does it where no such frame was durable for PACE_HEARD_NS:
// nobody waits for one then.
//
// Pure; the clock is the caller's. One thread.
#pragma once

#include <stdbool.h>
#include <stdint.h>

enum {
    PACE_FRAME_BYTES_MAX = 64 << 10,
    PACE_CALM = 2,
    PACE_SHARE_MIN = 8,
    PACE_SHARE_ONE = 1024,
    PACE_NS_PER_KIB = 2000, // that a slice is thought to take: what is read, moved and written
    PACE_HEARD_NS = 20 * 1000 * 1000,
};

// All zero is one that has seen nothing.
struct log_pace {
    uint64_t floor_ns;   // 0: no frame yet
    uint64_t latency_ns; // mean of the last 8 or so
    uint64_t heard_ns;   // when the last one was durable
    uint64_t rest_until_ns;
};

// A frame of so many bytes was durable now, took_ns after it was submitted.
void log_pace_note(struct log_pace *pace, uint32_t bytes, uint64_t took_ns, uint64_t now_ns);

// Compaction's share of the time, of PACE_SHARE_ONE. `shortness` is how short room is: 0 for not at
// all, PACE_SHARE_ONE for what may not wait any longer.
uint32_t log_pace_share(const struct log_pace *pace, uint32_t shortness);

// Whether the next slice may be now; and one that looked at so many bytes is over.
static inline bool log_pace_rests(const struct log_pace *pace, uint64_t now_ns)
{
    return now_ns < pace->rest_until_ns && now_ns - pace->heard_ns < PACE_HEARD_NS;
}

void log_pace_spend(struct log_pace *pace, uint32_t bytes, uint32_t shortness, uint64_t now_ns);
