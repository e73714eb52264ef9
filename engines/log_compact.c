// Compaction: segments are emptied by moving what is live in them to the cold head.
//
// A victim is read frame by frame; a record to which an entry leads is appended to the cold head,
// naming its old place, and the entry (or the cache slot) follows. For a record that has expired a
// removal is put to the hot head instead, as a client's DEL would; a removal moves along while an
// older record of any key is elsewhere. When nothing of it is live the segment is given up, and
// used anew after the next checkpoint (log_segment.c).
//
// Nothing tells how much of a segment has expired until it is read. So where room is short and a
// part of all keys have an expiry, sealed segments are swept in turn with the victims: what has
// expired is reaped, all else stays where it is, and when the first of that expires is kept in
// mind.
//
// The victim is the sealed segment with the most to gain for its cost: (1 - u) * age / (1 + u),
// with u the live part (Rosenblum and Ousterhout, "The design and implementation of a
// log-structured file system", 1992, section 3.6). How much of a victim may be live follows the
// room that is left: a quarter while there is some, since what waits gets deader and costs less;
// from there on the more the shorter room is, up to nearly all. How fast it is moved follows the
// latency of frames, unless room is short (log_pace.h). Room is also what was given up and
// waits for a checkpoint: moving more would not bring it sooner. Segments with nothing but removals
// are left alone until these may go.
//
// What that comes to, with keys written over evenly: of a disk of which the part r is in use by
// live records, room and heads aside, a victim is live by u, where r = (u - 1) / ln u (Desnoyers,
// "Analytic modeling of SSD write performance", 2012: victims are the oldest), and each byte put is
// written 1 / (1 - u) times. Half of a disk live, and a seventh of it kept as room: r = 0.58, u =
// 0.3, 1.43.
#include "engines/log.h"
#include "engines/log_drop.h"

#include "core/memory.h"
#include "core/planted.h"
#include "engines/log_checkpoint.h"

#include <errno.h>

enum {
    READ_BYTES = 2 * LOG_FRAME_CAPACITY,
    LIVE_PERCENT_EASY = 25, // of victims, while this much room is left:
    ROOM_PERCENT_EASY = 15,
    ROOM_SEGMENTS_EASY = 5, // and never less
    LIVE_PERCENT_SHORT = 95,
    ROOM_PERCENT_SHORT = 5,
    ROOM_SEGMENTS_SHORT = 3,
    PINNED_FEW = 3,   // segments with nothing but removals that are left alone
    PINNED_SHARE = 4, // of the sealed ones that they may be
    SWEEP_SHARE = 16, // one key in so many has an expiry where sweeping is worth the reads
    SWEEP_AGAIN_MS = 10 * 1000, // at least, until a segment is swept again
    AHEAD = 16,                 // records whose entries are fetched together
};

enum step { IDLE, READ, READING, FRAME };

struct log_compaction {
    struct io_op op; // first
    uint64_t
        oldest; // log_oldest_dead() of the others when it began: it only rises for what is there
    struct log_engine *engine;
    enum step step;
    uint32_t victim;
    uint32_t offset; // of the next frame in the segment
    uint32_t begin;  // where the bytes read begin
    uint32_t end;
    uint8_t *bytes;
    const uint8_t *frame; // being moved
    struct log_frame_header header;
    uint32_t record;  // next of the frame
    uint32_t at;      // its place in the frame
    uint64_t implied; // its stamp, if it has none of its own
    uint32_t ahead;   // of `hashes`, of the next records
    uint32_t ahead_next;
    bool rests;             // between two slices
    bool sweeps;            // nothing is moved; or what it did last was that
    uint64_t sweep_next_ms; // the soonest expiry of what stays
    bool missed;            // some of the victim could not be read
    uint64_t hashes[AHEAD];
};

static void compaction_done(struct io_op *op, int32_t result);

int log_compaction_open(struct log_engine *engine)
{
    engine->compaction = memory_allocate_zeroed(sizeof *engine->compaction);
    if (engine->compaction == NULL) {
        return -ENOMEM;
    }
    engine->compaction->engine = engine;
    engine->compaction->op.done = compaction_done;
    return 0;
}

void log_compaction_close(struct log_engine *engine)
{
    if (engine->compaction != NULL) {
        memory_free(engine->compaction->bytes);
    }
    memory_free(engine->compaction);
}

bool log_compaction_busy(const struct log_engine *engine)
{
    return engine->compaction->step == READING;
}

// A segment is moved for its empty space alone where that is half of it or more: frames that hold
// what was moved leave less.
#define SPACE_PART_MAX 0.5

// The victim -------------------------------------------------------------------------------------

static uint32_t at_least(uint32_t value, uint32_t least)
{
    return value < least ? least : value;
}

// How much of a victim may be live, in percent.
static uint32_t live_percent_max(const struct log_engine *engine)
{
    const uint32_t total =
        engine->segment_top - engine->segments_unmade + log_segments_to_come(engine);
    const uint32_t easy = at_least(total * ROOM_PERCENT_EASY / 100, ROOM_SEGMENTS_EASY);
    const uint32_t lacking = at_least(total * ROOM_PERCENT_SHORT / 100, ROOM_SEGMENTS_SHORT);
    const uint32_t left = log_segments_free(engine);

    if (left <= lacking) {
        return LIVE_PERCENT_SHORT;
    }
    return left >= easy ? LIVE_PERCENT_EASY
                        : LIVE_PERCENT_SHORT - (LIVE_PERCENT_SHORT - LIVE_PERCENT_EASY) *
                                                   (left - lacking) / (easy - lacking);
}

static bool is_sealed(const struct log_engine *engine, const struct log_segment *segment)
{
    return segment->state == LOG_SEGMENT_SEALED && !segment->stuck &&
           segment->sequence_last <= engine->written && log_snapshots_allow(engine, segment);
}

// At most so many bytes of a segment have to be moved, for the space that it takes: single writes
// and removals leave most of their blocks empty.
static uint32_t bytes_to_move(const struct log_segment *segment, uint64_t oldest)
{
    return segment->removal_stamp_max < oldest && segment->live_bytes < segment->packed
               ? (uint32_t)segment->live_bytes
               : segment->packed;
}

// Whether it holds nothing but removals that have to stay.
static bool is_pinned(const struct log_segment *segment, uint64_t oldest)
{
    return segment->filled_bytes == 0 && segment->removal_stamp_max > oldest;
}

// What part of a segment is left when it was moved: of the records that were in it, or of its
// space where much of that is empty. What was never filled counts only where room is to be given
// back: else each seal before the end, for a copy of the directory, would be followed by a move.
static double live_part(const struct log_engine *engine, const struct log_segment *segment,
                        uint64_t oldest)
{
    const uint32_t taken =
        engine->small && segment->limit > segment->used ? segment->limit : segment->used;
    const double space = (double)bytes_to_move(segment, oldest) / (double)taken;
    double live = is_pinned(segment, oldest) ? 1 : 0;

    if (segment->filled_bytes != 0) {
        live = (double)segment->live_bytes / (double)segment->filled_bytes;
    }
    return space <= SPACE_PART_MAX && space < live ? space : live;
}

// Moving nothing but removals that have to stay gains nothing, unless most of their space is empty:
// they would be moved for ever. Where such segments are many, the one that holds what they have to
// outlive is the victim.
static bool pick_victim(struct log_engine *engine, uint32_t *ret_number)
{
    const uint32_t percent = live_percent_max(engine);
    uint32_t oldest_number;
    const uint64_t oldest = log_oldest_dead(engine, LOG_SEGMENTS_MAX, &oldest_number);
    uint32_t sealed = 0;
    uint32_t pinned = 0;
    double best = 0;

    if (percent == LIVE_PERCENT_SHORT && engine->snapshots_open != 0) {
        log_snapshots_give_up(engine, ENGINE_ALL_VNODES, -ENOBUFS);
    }
    for (uint32_t i = 0; i < engine->segment_top; i++) {
        const struct log_segment *const segment = &engine->segments[i];

        if (!is_sealed(engine, segment)) {
            continue;
        }
        sealed++;
        const double live = live_part(engine, segment, oldest);

        if (live * 100 > percent) {
            pinned += is_pinned(segment, oldest) ? 1 : 0;
            continue;
        }
        const double age = (double)(engine->sequence - segment->sequence_last + 1);
        const double gain = (1 - live) * age / (1 + live);

        if (gain > best) {
            best = gain;
            *ret_number = i;
        }
    }
    if (pinned >= PINNED_FEW && pinned >= sealed / PINNED_SHARE &&
        oldest_number != LOG_SEGMENTS_MAX && is_sealed(engine, &engine->segments[oldest_number])) {
        *ret_number = oldest_number;
        return true;
    }
    return best > 0;
}

// Which segment to sweep: of those in which something may have expired, the one that has been due
// for longest.
static bool pick_swept(const struct log_engine *engine, uint32_t *ret_number)
{
    uint64_t due_ms = engine->options.io->wall_ms + 1;

    if (live_percent_max(engine) == LIVE_PERCENT_EASY ||
        engine->with_expiry < engine->records / SWEEP_SHARE + 1) {
        return false;
    }
    for (uint32_t i = 0; i < engine->segment_top; i++) {
        const struct log_segment *const segment = &engine->segments[i];

        if (segment->sweep_ms < due_ms && segment->live_bytes != 0 && is_sealed(engine, segment)) {
            due_ms = segment->sweep_ms;
            *ret_number = i;
        }
    }
    return due_ms <= engine->options.io->wall_ms;
}

// What was moved may be dead meanwhile: a cold head that is mostly so is sealed, to be a victim.
static bool give_up_cold(struct log_engine *engine)
{
    struct log_head *const cold = &engine->cold;

    if (cold->segment == LOG_SEGMENTS_MAX || live_percent_max(engine) != LIVE_PERCENT_SHORT ||
        engine->segments_ready == 0) {
        return false;
    }
    const struct log_segment *const segment = &engine->segments[cold->segment];

    if (segment->live_bytes * 2 > segment->filled_bytes || segment->filled_bytes == 0) {
        return false;
    }
    log_close_frame(engine, cold);
    log_segment_seal(engine, cold->segment);
    log_seal_end(engine, cold);
    cold->segment = LOG_SEGMENTS_MAX;
    log_submit(engine);
    return true;
}

// Moving records ---------------------------------------------------------------------------------

// The entry that leads to a location, or to a cache slot with the record at it.
static uint64_t *find_entry(const struct log_engine *engine, const struct log_record *record,
                            uint64_t hash, uint64_t location, uint8_t **ret_cached)
{
    struct index_probe probe;
    struct cached cached;
    uint64_t *slot;

    *ret_cached = NULL;
    index_probe_begin(&engine->index, &engine->vnodes[record->vnode].table, hash, &probe);
    while ((slot = index_probe_next(&engine->index, &probe)) != NULL) {
        const uint64_t payload = index_payload(*slot);

        if ((payload & LOG_PAYLOAD_CACHED) == 0) {
            if ((payload & LOG_PAYLOAD_WHERE) == location) {
                return slot;
            }
            continue;
        }
        cached_read(cache_at(&engine->cache, log_payload_place(payload)), &cached);
        if (cached.location == location) {
            *ret_cached = cached.at;
            return slot;
        }
    }
    return NULL;
}

// False when there is no room to move it to.
static bool move_live(struct log_engine *engine, struct log_record *record, uint64_t hash,
                      uint64_t *slot, uint8_t *cached, uint64_t location)
{
    const uint64_t bytes = log_record_bytes(record->key.size, record->object[0].size,
                                            record->expire_ms, record->stamp);
    const uint32_t class = log_class(bytes);
    const uint32_t old_class = log_class(record->bytes);
    uint64_t to;
    uint8_t *const at = log_append(engine, &engine->cold, (uint32_t)bytes, &to);

    if (at == NULL) {
        return false;
    }
    record->replaces = location;
    log_record_write(at, record, log_record_seed_at(engine, to));
    log_note_stamp(engine, to, record->stamp, false);
    if (cached != NULL) {
        cached_relocate(cached, to, class);
        *slot = index_entry(index_fingerprint(&engine->index, hash),
                            log_payload_cached(cache_place(&engine->cache, cached), class));
    } else {
        *slot = index_entry(index_fingerprint(&engine->index, hash), log_payload(to, class));
    }
    engine->moves++;
    engine->compacted_bytes += bytes;
    log_revive(engine, to, class);
    log_kill(engine, location, old_class);
    return true;
}

// What it removed is gone, and something else may be there by now: replay must not take that.
static bool move_removal(struct log_engine *engine, struct log_record *record)
{
    const uint64_t bytes = log_record_bytes(record->key.size, 0, 0, record->stamp);
    uint64_t to;
    uint8_t *const at = log_append(engine, &engine->cold, (uint32_t)bytes, &to);

    if (at == NULL) {
        return false;
    }
    record->replaces = LOG_LOCATION_NONE;
    log_record_write(at, record, log_record_seed_at(engine, to));
    log_note_stamp(engine, to, record->stamp, true);
    engine->compacted_bytes += bytes;
    return true;
}

// False when there is no room to say so: it is moved as if it had not expired.
static bool reap(struct log_engine *engine, const struct log_record *record, uint64_t hash,
                 uint64_t *slot, uint8_t *cached, uint64_t location)
{
    const struct log_found found = {
        .slot = slot,
        .cached = cached,
        .location = location,
        .class = log_class(record->bytes),
        .expire_ms = record->expire_ms,
        .large = record->large ? log_large_number(record->object[0]) : 0,
        .tombstone = record->kind == LOG_TOMBSTONE,
    };
    const uint32_t bytes = engine->drops_owed == 0 || log_drop_settle(engine)
                               ? log_take_out(engine, record->vnode, record->key, hash, &found)
                               : 0;

    if (bytes == 0) {
        return false;
    }
    if (planted(PLANTED_REAP_UNSAID)) {
        log_unappend(engine, bytes);
    }
    engine->compacted_bytes += bytes;
    engine->expired++;
    if (engine->options.removed != NULL) {
        engine->options.removed(engine->options.removed_context, record->vnode, record->key,
                                ENGINE_REMOVED_EXPIRED);
    }
    return true;
}

// Asks for the index lines of the next records, then for the cache slots that they lead to: most
// records of a victim are dead, and cost nothing but these misses.
static void look_ahead(struct log_compaction *task)
{
    struct log_engine *const engine = task->engine;
    const struct index_table *tables[AHEAD];
    uint32_t at = task->at;
    struct log_record record;

    task->ahead = task->ahead_next = 0;
    while (task->ahead < AHEAD && task->record + task->ahead < task->header.records &&
           log_record_parse(slice_of(task->frame + at, task->header.bytes - at), &record)) {
        const bool leads = record.kind != LOG_REMOVAL && record.kind != LOG_DROP &&
                           record.vnode < engine->options.vnodes;

        tables[task->ahead] = leads ? &engine->vnodes[record.vnode].table : NULL;
        task->hashes[task->ahead] = leads ? log_hash(engine, record.key) : 0;
        if (leads) {
            index_prefetch(&engine->index, tables[task->ahead], task->hashes[task->ahead]);
        }
        task->ahead++;
        at += record.bytes;
    }
    for (uint32_t i = 0; i < task->ahead; i++) {
        struct index_probe probe;

        if (tables[i] == NULL) {
            continue;
        }
        index_probe_begin(&engine->index, tables[i], task->hashes[i], &probe);
        const uint64_t *const slot = index_probe_next(&engine->index, &probe);

        if (slot != NULL && (*slot & LOG_PAYLOAD_CACHED) != 0) {
            __builtin_prefetch(cache_at(&engine->cache, log_payload_place(index_payload(*slot))));
        }
    }
}

static bool move_record(struct log_compaction *task, struct log_record *record, uint64_t location,
                        uint64_t hash)
{
    struct log_engine *const engine = task->engine;

    if (record->kind == LOG_REMOVAL || record->kind == LOG_DROP) {
        return task->sweeps || record->stamp < task->oldest || planted(PLANTED_FORGET_REMOVAL) ||
               move_removal(engine, record);
    }
    if (record->vnode >= engine->options.vnodes) {
        return true; // no entry can lead to it
    }
    uint8_t *cached;
    uint64_t *const slot = find_entry(engine, record, hash, location, &cached);

    if (slot == NULL) {
        return true;
    }
    if (record->expire_ms != 0 && record->expire_ms <= engine->options.io->wall_ms &&
        reap(engine, record, hash, slot, cached, location)) {
        return true;
    }
    if (task->sweeps) {
        if (record->expire_ms != 0 && record->expire_ms < task->sweep_next_ms) {
            task->sweep_next_ms = record->expire_ms;
        }
        return true;
    }
    return move_live(engine, record, hash, slot, cached, location);
}

// Moves records of the present frame, about `budget` bytes of them. Returns the bytes looked at;
// stops where there is no room.
static uint32_t move_some(struct log_compaction *task, uint32_t budget, bool *ret_stuck)
{
    uint32_t seen = 0;

    while (task->record < task->header.records && seen < budget) {
        const uint32_t left = task->header.bytes - task->at;
        struct log_record record;

        if (!log_record_parse(slice_of(task->frame + task->at, left), &record)) {
            break; // its checksum held, so it was written so: the frame is left
        }
        const uint64_t stamp = record.stamp != 0 ? record.stamp : task->implied;
        const bool implied = record.stamp == 0;
        const uint32_t bytes = record.bytes;

        record.stamp = stamp;
        if (task->ahead_next == task->ahead) {
            look_ahead(task);
        }
        if (!move_record(task, &record,
                         log_location(task->victim, (uint64_t)task->offset + task->at),
                         task->hashes[task->ahead_next])) {
            *ret_stuck = true;
            return seen;
        }
        task->implied += implied ? 1 : 0;
        task->at += bytes;
        task->record++;
        task->ahead_next++;
        seen += bytes;
    }
    if (seen < budget) {
        task->offset += log_frame_span(task->header.bytes);
        task->frame = NULL;
    }
    return seen;
}

// Reading ----------------------------------------------------------------------------------------

// Goes on where the bytes read end, up to the whole buffer: a frame must not look cut because a
// read was short.
static void read_on(struct log_compaction *task)
{
    struct log_engine *const engine = task->engine;
    const uint32_t left = engine->segments[task->victim].used - task->begin;
    const uint32_t wanted = left < READ_BYTES ? left : READ_BYTES;
    const uint32_t got = task->end - task->begin;

    task->step = READING;
    io_read(engine->options.io, &task->op, engine->segments[task->victim].fd, task->bytes + got,
            wanted - got, task->end);
}

static void read_more(struct log_compaction *task)
{
    task->begin = task->end = task->offset;
    read_on(task);
}

static void victim_end(struct log_compaction *task)
{
    struct log_engine *const engine = task->engine;
    struct log_segment *const segment = &engine->segments[task->victim];

    segment->pins--;
    if (task->sweeps) {
        const uint64_t again_ms = engine->options.io->wall_ms + SWEEP_AGAIN_MS;

        segment->sweep_ms =
            task->missed || task->sweep_next_ms < again_ms ? again_ms : task->sweep_next_ms;
    } else if (segment->state == LOG_SEGMENT_SEALED) {
        if (segment->live_bytes == 0) {
            if (!task->missed) { // its removals were moved, or are of no use
                segment->removal_stamp_max = 0;
            }
            log_segment_reconsider(engine, task->victim);
        }
        // What could not be read stays, and removals in it may be needed; or it is being dropped.
        segment->stuck = segment->state == LOG_SEGMENT_SEALED;
    }
    memory_free(task->bytes);
    task->bytes = NULL;
    task->step = IDLE;
    log_close_frame(engine, &engine->cold);
    log_submit(engine);
}

static void compaction_done(struct io_op *op, int32_t result)
{
    struct log_compaction *const task = (struct log_compaction *)(void *)op;
    const uint32_t used = task->engine->segments[task->victim].used;

    if (result < LOG_BLOCK_BYTES && task->end == task->begin) {
        // What cannot be read stays where it is.
        task->engine->corrupt_records++;
        task->missed = true;
        victim_end(task);
        return;
    }
    if (result >= LOG_BLOCK_BYTES) {
        task->end += (uint32_t)result & ~(uint32_t)(LOG_BLOCK_BYTES - 1);
        if (task->end < used && task->end - task->begin < READ_BYTES) {
            read_on(task);
            return;
        }
    }
    task->step = FRAME;
}

// The next frame of the victim: true when it is there, false when a read is under way or the victim
// is through.
static bool next_frame(struct log_compaction *task)
{
    struct log_engine *const engine = task->engine;

    while (task->offset < engine->segments[task->victim].used) {
        if (task->offset >= task->end) {
            read_more(task);
            return false;
        }
        const uint8_t *const at = task->bytes + (task->offset - task->begin);
        const enum log_frame_status status =
            log_frame_open(slice_of(at, task->end - task->offset), engine->log_id, &task->header);

        if (status == LOG_FRAME_CUT && task->offset != task->begin) {
            read_more(task);
            return false;
        }
        if (status == LOG_FRAME_VALID &&
            task->header.generation == engine->segments[task->victim].generation) {
            task->frame = at;
            task->record = 0;
            task->ahead = task->ahead_next = 0;
            task->at = LOG_FRAME_HEADER_BYTES;
            task->implied = task->header.stamp;
            return true;
        }
        task->offset += LOG_BLOCK_BYTES; // damaged: the records in it stay
        task->missed = true;
    }
    victim_end(task);
    return false;
}

static void victim_begin(struct log_compaction *task, uint32_t number, bool sweeps)
{
    struct log_engine *const engine = task->engine;

    task->bytes = memory_allocate_aligned(READ_BYTES, LOG_BLOCK_BYTES);
    if (task->bytes == NULL) {
        return;
    }
    task->victim = number;
    task->sweeps = sweeps;
    task->sweep_next_ms = UINT64_MAX;
    task->oldest = log_oldest_dead(engine, number, NULL);
    task->offset = task->begin = task->end = 0;
    task->frame = NULL;
    task->missed = false;
    task->step = FRAME;
    engine->segments[number].pins++;
}

// How short room is, for the pace.
static uint32_t shortness(const struct log_engine *engine)
{
    return PACE_SHARE_ONE * (live_percent_max(engine) - LIVE_PERCENT_EASY) /
           (LIVE_PERCENT_SHORT - LIVE_PERCENT_EASY);
}

uint32_t log_compaction_share(const struct log_engine *engine)
{
    return log_pace_share(&engine->pace, shortness(engine)) * 100 / PACE_SHARE_ONE;
}

bool log_compaction_rests(const struct log_engine *engine)
{
    return engine->failed == 0 && engine->compaction->rests;
}

bool log_compact(struct log_engine *engine, uint32_t budget)
{
    struct log_compaction *const task = engine->compaction;
    bool stuck = false;
    uint32_t seen = 0;

    if (engine->failed != 0) {
        return false;
    }
    task->rests = task->step == FRAME &&
                  log_pace_rests(&engine->pace, engine->options.io->now_ns) &&
                  live_percent_max(engine) != LIVE_PERCENT_SHORT;
    if (task->rests) {
        return false; // the next turn goes on, or the owner's clock (step_later)
    }
    if (task->step == IDLE) {
        uint32_t number = 0;
        bool sweeps = !task->sweeps && pick_swept(engine, &number);

        if (!sweeps && !pick_victim(engine, &number)) {
            sweeps = pick_swept(engine, &number);
            if (!sweeps) {
                return give_up_cold(engine);
            }
        }
        victim_begin(task, number, sweeps);
    }
    while (task->step == FRAME && seen < budget && !stuck) {
        if (task->frame == NULL && !next_frame(task)) {
            break;
        }
        seen += move_some(task, budget - seen, &stuck) + 1;
    }
    if (seen != 0) {
        log_pace_spend(&engine->pace, seen, shortness(engine), engine->options.io->now_ns);
    }
    task->rests = task->step == FRAME && log_pace_rests(&engine->pace, engine->options.io->now_ns);
    return task->step == FRAME && !stuck && !task->rests;
}
