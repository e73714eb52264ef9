// Segments that are given up: when they may be used anew.
//
// Recovery loads the newest checkpoint and replays all frames after it. So a segment with any frame
// after it is needed until the next checkpoint: "held". One whose frames all come before is not
// read by replay, though entries of the checkpoint may lead to it: of each, a record that was
// written later says where it has gone, or that it has, and replay comes by that record before it
// comes by any that the new use of the segment holds. So it may be used anew when
//
//  - the frames with these records are durable;
//  - each of them has such a record: what went with its vnode has none (segment.unsaid);
//  - the checkpoint is of this run, so that no damage was met on the way from it to here;
//  - no checkpoint is being written: its entries may lead to this use as well as to the next one,
//    and replay could not tell them apart;
//  - no copy is about to be cut: it has what is sealed, and its checkpoint has to lead there.
//
// Else it waits for a checkpoint that began after it was given up: nothing of that leads to it.
// With the first rule alone a checkpoint is written by what replay would cost, and hardly ever for
// room.
//
// A file that is used anew needs no zeroing, so spare ones are kept as long as writers come for
// them: of those that nobody took in two seconds two are kept, or none where little is live, and
// the others are removed, one by one. When the log is quiet a checkpoint frees what is held, and
// where little is live all that waits for writers becomes small (log_segment.c).
#include "core/planted.h"
#include "engines/log.h"
#include "engines/log_checkpoint.h"
#include "engines/log_copy.h"

enum {
    AT_HAND_FEW = 3, // segments to write to, below which a checkpoint is written for more
    HELD_MANY = 4,   // that wait for one: so many, and
    HELD_SHARE = 4,  // a part of all that there are, are worth one at any time
    WINDOW_MS = 2000,
    SPARE_KEPT = 2,
    QUIET_WINDOWS_LEAST = 3, // until what is small has become so
    QUIET_WINDOWS_MAX = 8,   // after which nothing more is expected
};

void log_segment_give_up(struct log_engine *engine, struct log_segment *segment)
{
    segment->state = LOG_SEGMENT_EMPTIED;
    segment->emptied = engine->checkpoint_next; // it closes the frames with what emptied it
    segment->emptied_commit = engine->commit_open;
    segment->settled = 0;
    engine->segments_emptied++;
}

// Whether what emptied it is durable. Its last records went in the hot frame that was filling then,
// or were moved in frames that were closed before its victim's pin was let go.
static bool is_settled(const struct log_engine *engine, struct log_segment *segment)
{
    if (segment->settled == 0 &&
        (engine->hot.open == NULL || engine->commit_open > segment->emptied_commit)) {
        segment->settled = engine->sequence;
    }
    return (segment->settled != 0 && segment->settled <= engine->durable) ||
           planted(PLANTED_REUSE_UNSETTLED);
}

// Whether only a checkpoint can free it that is not there yet.
static bool is_held(const struct log_engine *engine, const struct log_segment *segment)
{
    return segment->emptied > engine->checkpoint_own &&
           (engine->checkpoint_own == 0 || segment->unsaid ||
            segment->sequence_last > engine->checkpoint_sequence);
}

static bool may_reuse(const struct log_engine *engine, struct log_segment *segment)
{
    if (planted(PLANTED_EARLY_REUSE) || segment->emptied <= engine->checkpoint_own) {
        return true;
    }
    return !is_held(engine, segment) && log_checkpoint_idle(engine) && !log_copy_prepares(engine) &&
           is_settled(engine, segment);
}

// Under `interval` and `never` nothing is made durable by itself; nor is the frame closed that
// holds what emptied it, where puts are refused and so do not fill it.
static void flush_if_short(struct log_engine *engine, const struct log_segment *segment)
{
    const bool filling =
        segment->settled == 0 && engine->options.durability.sync != ENGINE_SYNC_ALWAYS;

    if (engine->segments_ready + engine->segments_spare <=
            LOG_SEGMENTS_RESERVED + LOG_SEGMENTS_SPARED && // puts are refused
        (filling || engine->flush < segment->settled) &&
        log_checkpoint_idle(engine)) {
        log_flush(engine);
    }
}

void log_segments_reclaim(struct log_engine *engine)
{
    bool changed = false;

    if (engine->segments_emptied == engine->segments_held) {
        return; // none, or none that could be anything but held
    }
    engine->segments_held = engine->segments_pinned = 0;
    for (uint32_t i = 0; i < engine->segment_top; i++) {
        struct log_segment *const segment = &engine->segments[i];

        if (segment->state != LOG_SEGMENT_EMPTIED) {
            continue;
        }
        if (segment->pins != 0 && !planted(PLANTED_FREE_PINNED)) {
            engine->segments_pinned++;
        } else if (may_reuse(engine, segment)) {
            CHECK(segment->live_bytes == 0);
            segment->state = LOG_SEGMENT_SPARE;
            engine->segments_emptied--;
            engine->segments_spare++;
            changed = true;
        } else if (is_held(engine, segment)) {
            engine->segments_held++;
        } else {
            flush_if_short(engine, segment);
        }
    }
    if (changed) {
        engine->space_refused = false;
        log_segments_step(engine);
    }
}

static uint32_t at_hand(const struct log_engine *engine)
{
    return engine->segments_spare + engine->segments_ready + log_segments_to_come(engine);
}

uint32_t log_segments_free(const struct log_engine *engine)
{
    return at_hand(engine) + engine->segments_emptied - engine->segments_pinned;
}

static uint32_t spare_kept(const struct log_engine *engine)
{
    return engine->live_bytes == 0 || engine->small ? 0 : SPARE_KEPT;
}

// Whether a spare segment's file is no one's: neither the newest checkpoint leads to it nor the one
// before this run did.
static bool is_no_ones(const struct log_engine *engine, const struct log_segment *segment)
{
    return segment->state == LOG_SEGMENT_SPARE && engine->checkpoint_own != 0 &&
           segment->emptied <= engine->checkpoint_own;
}

// Whether spare files are too many, and it takes a checkpoint to give them back.
static bool is_unproven(const struct log_engine *engine)
{
    uint32_t unproven = 0;

    if (engine->segments_spare <= spare_kept(engine)) {
        return false;
    }
    for (uint32_t i = 0; i < engine->segment_top; i++) {
        const struct log_segment *const segment = &engine->segments[i];

        unproven += segment->state == LOG_SEGMENT_SPARE && !is_no_ones(engine, segment) ? 1 : 0;
    }
    return unproven > spare_kept(engine);
}

bool log_segments_want_checkpoint(const struct log_engine *engine)
{
    const uint32_t held = engine->segments_held;
    const uint32_t made = engine->segment_top - engine->segments_unmade;

    if (engine->quiet_windows != 0 && (held != 0 || is_unproven(engine))) {
        return true;
    }
    return held != 0 &&
           (at_hand(engine) < AT_HAND_FEW || (held >= HELD_MANY && held >= made / HELD_SHARE));
}

static void window_end(struct log_engine *engine, uint64_t now_ms)
{
    const uint32_t kept = spare_kept(engine);
    const bool quiet = engine->sequence == engine->window_sequence;

    engine->segments_excess = engine->segments_least > kept ? engine->segments_least - kept : 0;
    engine->quiet_windows = quiet ? engine->quiet_windows + 1 : 0;
    engine->segments_least = engine->segments_spare;
    engine->window_sequence = engine->sequence;
    engine->window_ms = now_ms + WINDOW_MS;
    if (engine->quiet_windows != 0) {
        log_segments_shrink(engine);
    }
    if (!log_space_is_ample(engine)) {
        log_segments_enlarge(engine);
    }
}

static bool give_one_back(struct log_engine *engine)
{
    for (uint32_t i = engine->segment_top; i-- != 0;) {
        const struct log_segment *const segment = &engine->segments[i];

        if (is_no_ones(engine, segment) && segment->pins == 0 && segment->fd >= 0) {
            return log_segment_give_back(engine, i);
        }
    }
    return false;
}

void log_segments_trim(struct log_engine *engine)
{
    const uint64_t now_ms = engine->options.io->wall_ms;

    if (engine->segments_spare < engine->segments_least) {
        engine->segments_least = engine->segments_spare;
    }
    if (now_ms >= engine->window_ms) {
        window_end(engine, now_ms);
    }
    if (engine->segments_excess != 0 && give_one_back(engine)) {
        engine->segments_excess--;
    }
}

bool log_segments_trim_later(const struct log_engine *engine)
{
    return engine->failed == 0 && engine->quiet_windows < QUIET_WINDOWS_MAX &&
           (engine->segments_emptied != 0 || engine->segments_spare > spare_kept(engine) ||
            (log_segments_may_be_small(engine) && engine->quiet_windows < QUIET_WINDOWS_LEAST));
}
