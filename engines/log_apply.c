#include "engines/log_replay.h"

#include "core/memory.h"
#include "core/planted.h"
#include "core/wait.h"
#include "engines/log.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

static void say(struct log_recovery *report, bool damage, const char *format, va_list arguments)
    __attribute__((format(printf, 3, 0)));

static void say(struct log_recovery *report, bool damage, const char *format, va_list arguments)
{
    char text[LOG_REPORT_TEXT_MAX];

    if (report->say != NULL) {
        (void)vsnprintf(text, sizeof text, format, arguments);
        report->say(report->context, damage, text);
    }
}

void log_complain(struct log_recovery *report, const char *format, ...)
{
    va_list arguments;

    report->damages++;
    va_start(arguments, format);
    say(report, true, format, arguments);
    va_end(arguments);
}

void log_remark(struct log_recovery *report, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    say(report, false, format, arguments);
    va_end(arguments);
}

// Careful replay ---------------------------------------------------------------------------------

// Reads the record at a location into `twin`: 0, -EBADMSG, or -errno.
static int read_record(struct recovery *recovery, uint64_t payload, struct log_record *ret_record)
{
    struct log_engine *const engine = recovery->engine;
    const uint64_t location = payload & LOG_PAYLOAD_WHERE;
    const uint32_t number = log_location_segment(location);
    const uint32_t offset = (uint32_t)log_location_offset(location);
    const uint32_t begin = offset & ~(uint32_t)(LOG_BLOCK_BYTES - 1);
    const uint32_t from = offset - begin;
    uint32_t size = log_frame_span(from + log_class_bytes(log_payload_class(payload)));

    size = size < engine->segment_bytes - begin ? size : engine->segment_bytes - begin;
    if (engine->segments[number].fd < 0) {
        return -ENOENT;
    }
    uint32_t got;
    const int error = wait_read_some(engine->options.io, engine->segments[number].fd,
                                     recovery->twin, size, begin, &got);

    if (error != 0) {
        return error;
    }
    return got > from && log_record_read(slice_of(recovery->twin + from, got - from),
                                         log_record_seed_at(engine, location), ret_record)
               ? 0
               : -EBADMSG;
}

struct stamp_search {
    uint64_t offset;
    uint64_t stamp; // 0: not found
};

static bool stamp_each(void *context, const struct log_record *record, uint64_t stamp,
                       uint64_t offset)
{
    struct stamp_search *const search = context;

    (void)record;
    search->stamp = offset == search->offset ? stamp : 0;
    return offset < search->offset;
}

// The stamp of the record at a location, by way of its frame; 0 when that is damaged.
static uint64_t stamp_at(struct recovery *recovery, uint64_t location)
{
    struct stream stream = {
        .engine = recovery->engine,
        .segment = log_location_segment(location),
        .limit = recovery->engine->segment_bytes,
        .sequence_max = UINT64_MAX,
    };
    struct stamp_search search = {.offset = log_location_offset(location)};

    if (stream_begin(&stream) != 0) {
        return 0;
    }
    while (!stream.ended && stream.offset + stream.header.bytes <= search.offset) {
        stream_next(&stream);
    }
    if (!stream.ended) {
        log_frame_each(stream.frame, &stream.header, stamp_each, &search);
    }
    stream_rest(&stream);
    return search.stamp;
}

void log_note_salvaged(struct recovery *recovery, uint64_t location, uint64_t stamp)
{
    if (recovery->salvaged_count == recovery->salvaged_capacity) {
        const uint32_t capacity =
            recovery->salvaged_capacity == 0 ? 256 : 2 * recovery->salvaged_capacity;
        struct salvaged *const grown =
            memory_resize(recovery->salvaged, capacity * sizeof grown[0]);

        if (grown == NULL) {
            recovery->error = -ENOMEM;
            return;
        }
        recovery->salvaged = grown;
        recovery->salvaged_capacity = capacity;
    }
    recovery->salvaged[recovery->salvaged_count++] = (struct salvaged){location, stamp};
    recovery->salvaged_sorted = false;
}

static int compare_salvaged(const void *a, const void *b)
{
    const uint64_t left = ((const struct salvaged *)a)->location;
    const uint64_t right = ((const struct salvaged *)b)->location;

    return left < right ? -1 : left > right;
}

static uint64_t salvaged_stamp(struct recovery *recovery, uint64_t location)
{
    const struct salvaged key = {.location = location};

    if (recovery->salvaged_count == 0) {
        return 0;
    }
    if (!recovery->salvaged_sorted) {
        qsort(recovery->salvaged, recovery->salvaged_count, sizeof key, compare_salvaged);
        recovery->salvaged_sorted = true;
    }
    const struct salvaged *const found =
        bsearch(&key, recovery->salvaged, recovery->salvaged_count, sizeof key, compare_salvaged);

    return found == NULL ? 0 : found->stamp;
}

// The stamp of a record that was read there: what was moved carries its own, what was salvaged has
// its frame's. 0: nothing tells.
static uint64_t stamp_of(struct recovery *recovery, const struct log_record *record, uint64_t slot)
{
    const uint64_t location = index_payload(slot) & LOG_PAYLOAD_WHERE;
    uint64_t stamp = record->stamp;

    stamp = stamp != 0 ? stamp : salvaged_stamp(recovery, location);
    return stamp != 0 ? stamp : stamp_at(recovery, location);
}

static bool is_same_key(const struct log_record *record, const struct log_record *other)
{
    return other->vnode == record->vnode && other->key.size == record->key.size &&
           (other->key.size == 0 ||
            memcmp(other->key.bytes, record->key.bytes, other->key.size) == 0);
}

// The entry of the record's key, found by reading what may be it. One that cannot be read is taken
// for it: of no use to any other key, it would stand before this one. Its kind is 0 then.
static uint64_t *find_by_key(struct recovery *recovery, const struct log_record *record,
                             uint64_t hash, struct log_record *ret_other)
{
    struct log_engine *const engine = recovery->engine;
    struct index_probe probe;
    uint64_t *unreadable = NULL;
    uint64_t *slot;

    index_probe_begin(&engine->index, &engine->vnodes[record->vnode].table, hash, &probe);
    while ((slot = index_probe_next(&engine->index, &probe)) != NULL) {
        if (read_record(recovery, index_payload(*slot), ret_other) != 0) {
            unreadable = slot;
        } else if (is_same_key(record, ret_other)) {
            return slot;
        }
    }
    *ret_other = (struct log_record){0};
    return unreadable;
}

// Applying records -------------------------------------------------------------------------------

// What was lost may have been counted: no count goes below zero.
static void count(struct log_engine *engine, uint32_t vnode, bool tombstone, bool expires,
                  bool more)
{
    struct log_vnode *const counts = &engine->vnodes[vnode];

    if (tombstone && (more || counts->tombstones != 0)) {
        counts->tombstones += more ? 1 : UINT64_MAX;
    }
    if (expires && (more || counts->with_expiry != 0)) {
        counts->with_expiry += more ? 1 : UINT64_MAX;
    }
}

static void count_replaced(struct log_engine *engine, const struct log_record *record)
{
    if (record->replaces != LOG_LOCATION_NONE) {
        count(engine, record->vnode, (record->replaces & LOG_REPLACES_TOMBSTONE) != 0,
              (record->replaces & LOG_REPLACES_EXPIRY) != 0, false);
    }
}

static void count_new(struct log_engine *engine, const struct log_record *record)
{
    if (record->kind != LOG_REMOVAL) {
        count(engine, record->vnode, record->kind == LOG_TOMBSTONE, record->expire_ms != 0, true);
    }
}

static void apply_drop(struct recovery *recovery, const struct log_record *record)
{
    struct log_engine *const engine = recovery->engine;
    struct log_vnode *const vnode = &engine->vnodes[record->vnode];

    while (vnode->table.buckets != 0) {
        (void)index_shed(&engine->index, &vnode->table, log_ignore_entry, NULL);
    }
    vnode->tombstones = vnode->with_expiry = 0;
}

// The slots that lead to the record itself, and to what it replaces, NULL for none, in one walk
// through the bucket, no further than is needed. A location that is none is that of no entry.
static void find_places(const struct log_engine *engine, const struct log_record *record,
                        uint64_t hash, uint64_t location, uint64_t **ret_own, uint64_t **ret_old)
{
    const uint64_t mask = LOG_PAYLOAD_CACHED | LOG_PAYLOAD_WHERE;
    const uint64_t replaces = record->replaces == LOG_LOCATION_NONE
                                  ? LOG_LOCATION_NONE
                                  : record->replaces & LOG_PAYLOAD_WHERE;
    struct index_probe probe;
    uint64_t *slot;

    *ret_own = *ret_old = NULL;
    if (location == LOG_LOCATION_NONE && replaces == LOG_LOCATION_NONE) {
        return;
    }
    index_probe_begin(&engine->index, &engine->vnodes[record->vnode].table, hash, &probe);
    while ((slot = index_probe_next(&engine->index, &probe)) != NULL) {
        const uint64_t where = index_payload(*slot) & mask;

        *ret_own = where == location ? slot : *ret_own;
        *ret_old = where == replaces ? slot : *ret_old;
        if (*ret_old != NULL && location == LOG_LOCATION_NONE) {
            return;
        }
    }
}

// What the record takes the place of, NULL for none: `old` if the index leads to what it names.
// Where replay starts from nothing, what goes is counted here.
static uint64_t *find_old(struct recovery *recovery, const struct log_record *record, uint64_t hash,
                          uint64_t *old, struct log_record *ret_other)
{
    struct log_engine *const engine = recovery->engine;

    *ret_other = (struct log_record){.kind = LOG_VALUE};
    if (old != NULL && recovery->scratch && record->stamp == 0) {
        count_replaced(engine, record);
    } else if (old != NULL && recovery->scratch) { // moved: as it was
        count(engine, record->vnode, record->kind == LOG_TOMBSTONE, record->expire_ms != 0, false);
    } else if (old == NULL && recovery->careful) {
        old = find_by_key(recovery, record, hash, ret_other);
        if (old != NULL && recovery->scratch) {
            count(engine, record->vnode, ret_other->kind == LOG_TOMBSTONE,
                  ret_other->expire_ms != 0, false);
        }
    }
    return old;
}

bool log_is_newer(struct recovery *recovery, const struct log_record *record, uint64_t stamp)
{
    struct log_engine *const engine = recovery->engine;

    if (record->vnode >= engine->options.vnodes || record->kind == LOG_DROP) {
        return false;
    }
    const uint64_t hash = log_hash(engine, record->key);
    struct log_record other;

    if (record->replaces != LOG_LOCATION_NONE &&
        log_slot_of(engine, record->vnode, hash, record->replaces & LOG_PAYLOAD_WHERE) != NULL) {
        return true;
    }
    const uint64_t *const slot = find_by_key(recovery, record, hash, &other);

    return slot == NULL || other.kind == 0 || stamp_of(recovery, &other, *slot) < stamp;
}

static void apply_removal(struct recovery *recovery, const struct log_record *record, uint64_t hash,
                          uint64_t stamp)
{
    struct log_engine *const engine = recovery->engine;
    struct log_record other;
    uint64_t *own;
    uint64_t *named;

    find_places(engine, record, hash, LOG_LOCATION_NONE, &own, &named);
    uint64_t *slot = find_old(recovery, record, hash, named, &other);

    // One that was moved may be behind a record that was put after it.
    if (slot != NULL && record->stamp != 0 &&
        (other.kind == 0 || stamp_of(recovery, &other, *slot) > stamp)) {
        slot = NULL;
    }
    if (slot != NULL) {
        index_remove(&engine->index, &engine->vnodes[record->vnode].table, hash, slot);
    }
}

static bool note_overtaken(struct recovery *recovery, uint32_t vnode, uint64_t hash,
                           uint64_t location)
{
    if (recovery->overtaken_count == recovery->overtaken_capacity) {
        const uint32_t capacity =
            recovery->overtaken_capacity == 0 ? 256 : 2 * recovery->overtaken_capacity;
        struct overtaken *const grown =
            memory_resize(recovery->overtaken, capacity * sizeof grown[0]);

        if (grown == NULL) {
            return false;
        }
        recovery->overtaken = grown;
        recovery->overtaken_capacity = capacity;
    }
    recovery->overtaken[recovery->overtaken_count++] =
        (struct overtaken){.hash = hash, .location = location, .vnode = vnode};
    return true;
}

// Whether an entry that may be of the same key leads to what cannot be read.
static bool has_unreadable(struct recovery *recovery, const struct overtaken *overtaken)
{
    struct log_engine *const engine = recovery->engine;
    struct index_probe probe;
    struct log_record other;
    const uint64_t *slot;

    index_probe_begin(&engine->index, &engine->vnodes[overtaken->vnode].table, overtaken->hash,
                      &probe);
    while ((slot = index_probe_next(&engine->index, &probe)) != NULL) {
        if ((index_payload(*slot) & LOG_PAYLOAD_WHERE) != overtaken->location &&
            read_record(recovery, index_payload(*slot), &other) != 0) {
            return true;
        }
    }
    return false;
}

void log_apply_overtaken(struct recovery *recovery)
{
    struct log_engine *const engine = recovery->engine;

    for (uint32_t i = 0; i < recovery->overtaken_count; i++) {
        const struct overtaken *const overtaken = &recovery->overtaken[i];
        uint64_t *const slot =
            log_slot_of(engine, overtaken->vnode, overtaken->hash, overtaken->location);

        if (slot != NULL && has_unreadable(recovery, overtaken)) {
            index_remove(&engine->index, &engine->vnodes[overtaken->vnode].table, overtaken->hash,
                         slot);
        }
    }
}

// What a drop that was moved takes away.
struct drop_search {
    struct recovery *recovery;
    const struct log_record *record;
    struct entry_older *found;
    uint32_t count;
    uint32_t capacity;
};

struct entry_older {
    uint64_t hash;
    uint64_t location;
    bool tombstone;
    bool expires;
};

static void note_older(struct drop_search *search, const struct entry_older *entry)
{
    if (search->count == search->capacity) {
        const uint32_t capacity = search->capacity == 0 ? 256 : 2 * search->capacity;
        struct entry_older *const grown =
            memory_resize(search->found, capacity * sizeof search->found[0]);

        if (grown == NULL) {
            search->recovery->error = -ENOMEM;
            return;
        }
        search->found = grown;
        search->capacity = capacity;
    }
    search->found[search->count++] = *entry;
}

// An entry whose record cannot be read stays: who asks for its key hears of an error.
static void drop_older(void *context, uint64_t entry)
{
    struct drop_search *const search = context;
    struct recovery *const recovery = search->recovery;
    const uint64_t location = index_payload(entry) & LOG_PAYLOAD_WHERE;
    const uint64_t stamp = search->record->stamp;
    struct log_record other;

    if (recovery->oldest != NULL && recovery->oldest[log_location_segment(location)] > stamp) {
        return; // as all that was applied from there
    }
    if (recovery->error != 0 || read_record(recovery, index_payload(entry), &other) != 0 ||
        stamp_of(recovery, &other, entry) >= stamp) {
        return;
    }
    note_older(search, &(struct entry_older){
                           .hash = log_hash(recovery->engine, other.key),
                           .location = location,
                           .tombstone = other.kind == LOG_TOMBSTONE,
                           .expires = other.expire_ms != 0,
                       });
}

// Compaction has moved the drop behind records that were put after it, which stay. Where the
// checkpoint that replay began with is known, all that was older had gone before.
static void apply_moved_drop(struct recovery *recovery, const struct log_record *record)
{
    struct log_engine *const engine = recovery->engine;
    struct index_table *const table = &engine->vnodes[record->vnode].table;
    struct drop_search search = {.recovery = recovery, .record = record};
    uint64_t position = 0;

    if (!recovery->careful || table->entries == 0) {
        return;
    }
    do {
        position = index_scan(&engine->index, table, position, drop_older, &search);
    } while (position != 0);
    for (uint32_t i = 0; i < search.count; i++) {
        const struct entry_older *const older = &search.found[i];
        uint64_t *const slot = log_slot_of(engine, record->vnode, older->hash, older->location);

        CHECK(slot != NULL);
        index_remove(&engine->index, table, older->hash, slot);
        count(engine, record->vnode, older->tombstone, older->expires, false);
    }
    memory_free(search.found);
}

static bool apply_value(struct recovery *recovery, const struct log_record *record, uint64_t hash,
                        uint64_t location)
{
    struct log_engine *const engine = recovery->engine;
    struct index_table *const table = &engine->vnodes[record->vnode].table;
    const uint64_t payload = log_payload(location, log_class(record->bytes));
    struct log_record other;
    uint64_t *own;
    uint64_t *named;

    // Nothing leads to the record yet that the checkpoint does not lead to, of those that replay
    // comes by in their order.
    const bool comes_new =
        !recovery->careful &&
        log_location_offset(location) >= engine->segments[log_location_segment(location)].loaded_to;

    find_places(engine, record, hash, comes_new ? LOG_LOCATION_NONE : location, &own, &named);
    if (own != NULL) {
        if (named != NULL) { // the checkpoint was ahead, and an earlier frame has come after it
            index_remove(&engine->index, table, hash, named);
        }
        return true;
    }
    uint64_t *const old = find_old(recovery, record, hash, named, &other);

    if (recovery->scratch) {
        count_new(engine, record);
    }
    if (old != NULL) {
        *old = index_entry(index_fingerprint(&engine->index, hash), payload);
        return true;
    }
    if (!recovery->careful && record->replaces != LOG_LOCATION_NONE &&
        !note_overtaken(recovery, record->vnode, hash, location)) {
        return false;
    }
    return index_insert(&engine->index, table, hash, payload);
}

// What the segment that is being looked through holds. Of a sealed one the manifest knows it.
static void note_record(struct log_engine *engine, struct log_segment *segment, enum log_kind kind,
                        uint32_t bytes, uint64_t stamp)
{
    engine->stamp = stamp >= engine->stamp ? stamp + 1 : engine->stamp;
    if (segment->state != LOG_SEGMENT_HEAD) {
        return;
    }
    if (kind == LOG_VALUE || kind == LOG_TOMBSTONE) {
        segment->stamp_min = stamp < segment->stamp_min ? stamp : segment->stamp_min;
        segment->filled_bytes += log_class_bytes(log_class(bytes));
    } else if (stamp > segment->removal_stamp_max) {
        segment->removal_stamp_max = stamp;
    }
}

// Whether a record that was read may be believed. What cannot be is told.
static bool is_possible(struct recovery *recovery, const struct log_record *record,
                        uint32_t segment, uint64_t offset)
{
    if (record->bytes > log_class_bytes(LOG_CLASSES - 1)) {
        log_complain(recovery->report,
                     "segment-%05u at %" PRIu64 ": a record of %u bytes, which is too large",
                     segment, offset, record->bytes);
        return false;
    }
    if (record->vnode >= recovery->engine->options.vnodes) {
        log_complain(recovery->report, "segment-%05u at %" PRIu64 ": a record of vnode %u, of %u",
                     segment, offset, record->vnode, recovery->engine->options.vnodes);
        return false;
    }
    return true;
}

static void apply(struct recovery *recovery, const struct log_record *record, uint64_t hash,
                  uint32_t segment, uint64_t offset, uint64_t stamp)
{
    struct log_engine *const engine = recovery->engine;

    recovery->report->records++;
    if (stamp < engine->vnodes[record->vnode].drop_listed) {
        return;
    }
    if (!recovery->scratch && record->stamp == 0) { // what moves changes nothing
        count_replaced(engine, record);
        count_new(engine, record);
    }
    if (recovery->oldest != NULL && stamp < recovery->oldest[segment]) {
        recovery->oldest[segment] = stamp;
    }
    if (record->kind == LOG_DROP && record->stamp != 0 && !planted(PLANTED_REPLAY_DROP)) {
        apply_moved_drop(recovery, record);
    } else if (record->kind == LOG_DROP) {
        apply_drop(recovery, record);
    } else if (record->kind == LOG_REMOVAL) {
        apply_removal(recovery, record, hash, stamp);
    } else if (!apply_value(recovery, record, hash, log_location(segment, offset))) {
        recovery->error = -ENOMEM;
    }
}

void log_apply_record(struct recovery *recovery, const struct log_record *record, uint32_t segment,
                      uint64_t offset, uint64_t stamp)
{
    if (is_possible(recovery, record, segment, offset)) {
        note_record(recovery->engine, &recovery->engine->segments[segment], record->kind,
                    record->bytes, stamp);
        apply(recovery, record, log_hash(recovery->engine, record->key), segment, offset, stamp);
    }
}

void log_apply_unreadable(struct recovery *recovery, const struct log_record *record,
                          uint32_t segment, uint64_t offset)
{
    const bool careful = recovery->careful;

    if (record->bytes <= log_class_bytes(LOG_CLASSES - 1) &&
        record->vnode < recovery->engine->options.vnodes) {
        recovery->careful = true;
        if (recovery->oldest != NULL) {
            recovery->oldest[segment] = 0; // nothing tells
        }
        if (!apply_value(recovery, record, log_hash(recovery->engine, record->key),
                         log_location(segment, offset))) {
            recovery->error = -ENOMEM;
        }
        recovery->careful = careful;
    }
}

// Records whose index lines are on their way: nearly all of what replay takes is waiting for
// memory. A record goes in and has the two lines of its bucket asked for; a third of the ring later
// what hangs on them, then what hangs on that; and it is applied when the ring has come round.
enum { AHEAD_RECORDS = 96, AHEAD_STAGES = 3, AHEAD_STAGE = AHEAD_RECORDS / AHEAD_STAGES };

struct record_ahead {
    struct log_footer_record said;
    struct slice key; // while its frame is there
    uint32_t segment;
    uint32_t offset;
};

struct records_ahead {
    uint32_t in; // place of the next one
    uint32_t count;
    struct record_ahead of[AHEAD_RECORDS];
};

int log_apply_open(struct recovery *recovery)
{
    recovery->ahead = memory_allocate_zeroed(sizeof *recovery->ahead);
    return recovery->ahead == NULL ? -ENOMEM : 0;
}

void log_apply_close(struct recovery *recovery)
{
    memory_free(recovery->ahead);
}

// The record that went in so many before the next one.
static struct record_ahead *ahead_at(struct records_ahead *ahead, uint32_t before)
{
    const uint32_t at = ahead->in + AHEAD_RECORDS - before;

    return &ahead->of[at < AHEAD_RECORDS ? at : at - AHEAD_RECORDS];
}

static void apply_first(struct recovery *recovery)
{
    struct records_ahead *const ahead = recovery->ahead;
    const struct record_ahead *const next = ahead_at(ahead, ahead->count--);
    const struct log_record record = {
        .kind = next->said.kind,
        .vnode = next->said.vnode,
        .replaces = next->said.replaces,
        .expire_ms = next->said.expires ? 1 : 0,
        .stamp = next->said.own_stamp,
        .large = next->said.large,
        .key = next->key,
        .bytes = next->said.bytes,
    };

    if (recovery->error == 0) {
        apply(recovery, &record, next->said.hash, next->segment, next->offset, next->said.stamp);
    }
}

void log_apply_settle(struct recovery *recovery)
{
    while (recovery->ahead->count != 0) {
        apply_first(recovery);
    }
}

// A record of a frame that was read, or told of by a footer.
struct applying {
    struct recovery *recovery;
    const struct log_frame_header *header;
    const bool known; // the checkpoint has it: it is only counted
};

static bool apply_next(const struct applying *applying, const struct log_footer_record *said,
                       struct slice key, uint64_t offset)
{
    struct recovery *const recovery = applying->recovery;
    struct log_engine *const engine = recovery->engine;
    struct records_ahead *const ahead = recovery->ahead;

    if (ahead->count == AHEAD_RECORDS) {
        apply_first(recovery);
    }
    for (uint32_t stage = 1; stage < AHEAD_STAGES && ahead->count >= stage * AHEAD_STAGE; stage++) {
        const struct log_footer_record *const next = &ahead_at(ahead, stage * AHEAD_STAGE)->said;

        index_prefetch_overflow(&engine->index, &engine->vnodes[next->vnode].table, next->hash,
                                stage);
    }
    *ahead_at(ahead, 0) = (struct record_ahead){
        .said = *said,
        .key = key,
        .segment = applying->header->segment,
        .offset = (uint32_t)offset,
    };
    ahead->in = ahead->in + 1 < AHEAD_RECORDS ? ahead->in + 1 : 0;
    ahead->count++;
    index_prefetch(&engine->index, &engine->vnodes[said->vnode].table, said->hash);
    return recovery->error == 0;
}

static bool apply_one(void *context, const struct log_record *record, uint64_t stamp,
                      uint64_t offset)
{
    const struct applying *const applying = context;
    struct recovery *const recovery = applying->recovery;
    const uint32_t segment = applying->header->segment;
    const struct log_footer_record said = log_footer_record_of(
        record, stamp, applying->known ? 0 : log_hash(recovery->engine, record->key));

    if (!applying->known && !is_possible(recovery, record, segment, offset)) {
        return true;
    }
    note_record(recovery->engine, &recovery->engine->segments[segment], record->kind, record->bytes,
                stamp);
    return applying->known || apply_next(applying, &said, record->key, offset);
}

// What the segment's footer says of the frame's records.
static void apply_footer(const struct applying *applying, struct log_footer_reader *footer)
{
    struct log_engine *const engine = applying->recovery->engine;
    struct log_segment *const segment = &engine->segments[applying->header->segment];
    uint64_t at = (uint64_t)applying->header->offset + LOG_FRAME_HEADER_BYTES;

    for (uint32_t i = 0; i < applying->header->records; i++) {
        struct log_footer_record said;

        log_footer_next(footer, &said);
        note_record(engine, segment, said.kind, said.bytes, said.stamp);
        if (!applying->known) {
            (void)apply_next(applying, &said, slice_of(NULL, 0), at);
        }
        at += said.bytes;
    }
    if (!applying->known) {
        engine->footer_records += applying->header->records;
    }
}

int log_apply_frame(struct recovery *recovery, const struct stream *stream, bool known)
{
    struct log_engine *const engine = recovery->engine;
    struct log_segment *const segment = &engine->segments[stream->segment];
    struct applying applying = {.recovery = recovery, .header = &stream->header, .known = known};
    bool whole = true;

    if (stream->footer != NULL) {
        apply_footer(&applying, stream->footer);
    } else {
        whole = log_frame_each(stream->frame, &stream->header, apply_one, &applying);
    }
    if (recovery->careful) {
        log_apply_settle(recovery); // while its keys are there
    }
    if (!whole) {
        log_complain(recovery->report,
                     "segment-%05u at %u: a frame whose records are not as it says",
                     stream->segment, stream->offset);
    }
    if (segment->sequence_first == 0) {
        segment->sequence_first = stream->header.sequence;
    }
    segment->sequence_last = stream->header.sequence;
    segment->used = stream->offset + log_frame_span(stream->header.bytes);
    engine->chain = stream->header.checksum;
    if (stream->header.durable > recovery->durable) {
        recovery->durable = stream->header.durable;
    }
    if (!known) {
        recovery->report->frames++;
        recovery->report->bytes += stream->footer != NULL ? 0 : stream->header.bytes;
    }
    return recovery->error;
}
