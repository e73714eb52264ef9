// Bugs planted on purpose, to prove that the tests see: one at a time, by name, in builds for it.
//
//     if (inbox_ready(...) && !planted(PLANTED_LOSE_WAKE)) {
//
// Without -Dplanted=true (every build but that of the suite `planted`) planted() is false at
// compile time and nothing of this is in the program. With it, a program chooses a bug at its start
// by planted_select(), before anything else runs; what was not chosen does not happen.
//
// The programs' tables say by which oracle and within how many seeds each must be found.
#pragma once

#include <stdbool.h>

// X(NAME, "name", what goes wrong): those of a node, found by tests/sim/sim.c
#define PLANTED_NODE_BUGS(X)                                                                       \
    X(OVERTAKE, "overtake", "a reply overtakes that of an earlier request of its connection")      \
    X(FORGET_REPLY, "forget-reply", "the reply of a hop is dropped now and then")                  \
    X(FORGET_PROTOCOL, "forget-protocol", "replies from other cores are in RESP2 always")          \
    X(LOSE_WAKE, "lose-wake", "no second look at the inbox after announcing sleep")                \
    X(SKIP_WAKE, "skip-wake", "a core that sleeps is not woken now and then")                      \
    X(REUSE_SEND, "reuse-send", "output goes back to the cache while it is being sent")            \
    X(REUSE_RECEIVE, "reuse-receive", "a receive buffer is given back while a hop reads from it")  \
    X(DROP_HOP, "drop-hop", "a request to another core is dropped now and then")                   \
    X(LEAK_CREDIT, "leak-credit", "a credit is not given back when its request is not sent")       \
    X(KEEP_GATE, "keep-gate", "a vetoed command leaves a gate taken")                              \
    X(IGNORE_GATE, "ignore-gate", "a request runs through a gate that is taken")                   \
    X(HALF_MULTI, "half-multi", "a core leaves out its part of a command over several keys")       \
    X(SKIP_BARRIER, "skip-barrier", "a command over several cores overtakes those before it")      \
    X(WRONG_CORE, "wrong-core", "one core sends some slots to the wrong one")                      \
    X(LOSE_UPDATE, "lose-update", "INCR from another core replies and does not store")             \
    X(SERVE_EXPIRED, "serve-expired", "an expired value is read until it is reaped")               \
    X(EVICT_UNCOUNTED, "evict-uncounted", "evicted keys are not counted")                          \
    X(LOSE_MOVED, "lose-moved", "the cleaner leaves a record behind now and then")                 \
    X(SCAN_SKIP, "scan-skip", "a scan leaves a record out now and then")                           \
    X(OVER_MEMORY, "over-memory", "each core takes twice its share of memory_max")                 \
    X(OVER_OUTPUT, "over-output", "clients.output_max is not kept")                                \
    X(LONG_SLICE, "long-slice", "background work takes many slices at once")                       \
    X(NEVER_IDLE, "never-idle", "an idle core wakes up again and again")                           \
    X(FORGET_PAUSED, "forget-paused", "after CLIENT PAUSE a connection is forgotten")              \
    X(HANG_UP_HALF, "hang-up-half", "who says that it sends no more is not answered")              \
    X(LEAK_SOCKET, "leak-socket", "the descriptor of a unix socket stays open")                    \
    X(DRAW_ADDRESS, "draw-address", "an address in memory decides what happens")                   \
    X(LATE_LEASE, "late-lease", "the lease of a clock says what was used, and not what may be")    \
    X(TRUST_PLACE, "trust-place", "a record is believed wherever it lies")                         \
    X(HUSH_DAMAGE, "hush-damage", "nobody is told that frames are missing")                        \
    X(EARLY_LEASE, "early-lease", "the lease of a clock counts before it is durable")              \
    X(EARLY_SNAPSHOT, "early-snapshot", "a snapshot gets its name before what is in it lasts")     \
    X(CUT_LATE, "cut-late", "a core's part of a snapshot is of a later moment")                    \
    X(LEAVE_HEAD, "leave-head", "a snapshot lacks what a core was filling")                        \
    X(KEEP_UNFINISHED, "keep-unfinished", "a start leaves half a snapshot where it is")

// And those of the log engine, found by tests/sim/sim_log.c
#define PLANTED_LOG_BUGS(X)                                                                        \
    X(EARLY_ACKNOWLEDGE, "early-acknowledge", "writes count as durable when they are done")        \
    X(SKIP_DIRECTORY_SYNC, "skip-directory-sync", "a manifest's new name is not made durable")     \
    X(MOVE_LATE, "move-late", "a relocated record comes after a newer one of its key")             \
    X(ERROR_IS_MISS, "error-is-miss", "what cannot be read is said not to be there")               \
    X(REPLAY_TORN, "replay-torn", "recovery goes on behind a torn frame")                          \
    X(EARLY_REUSE, "early-reuse", "segments are used anew that the newest checkpoint leads to")    \
    X(IGNORE_CHECKSUM, "ignore-checksum", "records are believed whatever their checksum")          \
    X(FREE_PINNED, "free-pinned", "segments are used anew while somebody reads there")             \
    X(FORGET_REMOVAL, "forget-removal", "compaction leaves removals behind that are needed")       \
    X(SYNC_SHORT, "sync-short", "a sync forgets a segment whose last frames are on their way")     \
    X(ACKNOWLEDGE_AHEAD, "acknowledge-ahead", "a frame counts before those in front of it")        \
    X(REUSE_UNSETTLED, "reuse-unsettled", "segments are used anew before what emptied them lasts") \
    X(EARLY_LARGE, "early-large", "a frame that names a file does not wait for it")                \
    X(EARLY_DROP, "early-drop", "FLUSHALL is acknowledged before it is durable")                   \
    X(REPLAY_DROP, "replay-drop", "a FLUSHALL that compaction moved is replayed where it went")    \
    X(REAP_UNSAID, "reap-unsaid", "the log does not say which expired records were reaped")        \
    X(STALE_FOOTER, "stale-footer", "a footer is believed whatever use of its segment it is of")

#define PLANTED_BUGS(X) PLANTED_NODE_BUGS(X) PLANTED_LOG_BUGS(X)

#define PLANTED_ENUM(name, text, what) PLANTED_##name,
enum planted { PLANTED_NONE, PLANTED_BUGS(PLANTED_ENUM) PLANTED_COUNT };
#undef PLANTED_ENUM

#ifdef RLDB_PLANTED
bool planted(enum planted bug);

// Once, at the start of the program.
void planted_select(enum planted bug);
#else
static inline bool planted(enum planted bug)
{
    (void)bug;
    return false;
}
#endif
