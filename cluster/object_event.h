// Objects taken apart into their events, and put together again: what object.c, object_write.c and
// object_merge.c share. Not for others, who see cluster/object.h.
#pragma once

#include "cluster/object.h"
#include "core/codec.h"

// In ascending rank: of two payloads of one dot the one with the higher rank stays.
enum object_event_kind { EVENT_TOMBSTONE, EVENT_REGISTER, EVENT_BASE, EVENT_SUM };

struct object_expiry {
    uint64_t at_ms;   // 0: never
    struct dot stamp; // null: nobody ever set one
};

struct object_event {
    struct dot dot;
    struct object_expiry expiry;
    struct slice bytes;   // register: not ours
    struct dot base;      // base, sum: the base id
    int64_t base_integer; // base, sum: of the base id; a base's value
    int64_t sum;          // sum
    struct dot value_dot; // of the value that it is part of; set by object_events_order()
    enum object_event_kind kind;
};

struct object_events {
    struct causal_history history;
    uint32_t count;
    struct object_event at[LIMIT_OBJECT_EVENTS]; // events of one value lie together
};

// The bits of the byte that begins a head.
enum {
    HEAD_FLAGS_KIND = 3,
    HEAD_FLAG_EXPIRY = 1 << 2,
    HEAD_FLAG_EXPIRY_OWN = 1 << 3, // its stamp is the event's dot
    HEAD_FLAG_BASE = 1 << 4,
    HEAD_FLAG_TO_END = 1 << 5,
};

// The head of a value in form 0.
struct object_head {
    struct dot dot; // counter: base id
    struct object_expiry expiry;
    uint64_t bytes_size; // register without to_end
    int64_t base_integer;
    uint64_t sums; // counter
    enum object_kind kind;
    bool to_end;      // register
    bool base_stored; // counter
};

// Read a dot that is not null, a head, the sum of a counter with this head. What is malformed sets
// reader->failed.
struct dot object_read_dot(struct codec_reader *reader);
void object_read_head(struct codec_reader *reader, struct object_head *ret_head);
void object_read_sum(struct codec_reader *reader, const struct object_head *head,
                     struct object_event *ret_event);

// Whether `a` holds against `b`, both maybe null: the newer stamp, else the later expiry, else the
// greater actor, which decides nothing that can be seen. `actors` may be NULL where that is all the
// same. False when they are equal.
bool object_expiry_holds(const struct object_expiry *a, const struct object_expiry *b,
                         const struct actor_table *actors);

// Whether base and sum, or two sums, are of one counter.
static inline bool object_same_base(const struct object_event *a, const struct object_event *b)
{
    return dot_equal(a->base, b->base) && a->base_integer == b->base_integer;
}

static inline bool object_event_counts(const struct object_event *event)
{
    return event->kind == EVENT_BASE || event->kind == EVENT_SUM;
}

// All events and the history of an object, in the order of the encoding. No dot is there twice.
void object_events_load(const struct object_view *view, struct object_events *ret_events);

// Joins the payload of `other`, an event with the same dot, into `event`.
void object_event_join(struct object_event *event, const struct object_event *other,
                       const struct actor_table *actors);

// Takes away the event at `index`; the others keep their order.
void object_events_remove(struct object_events *events, uint32_t index);

// Appends; false when there are LIMIT_OBJECT_EVENTS.
bool object_events_add(struct object_events *events, const struct object_event *event);

// Brings the events into the order of the encoding: values newest first; in a counter the base,
// then the sums newest first.
void object_events_order(struct object_events *events, const struct actor_table *actors);

// Where the value that begins at `index` ends.
uint32_t object_events_value_end(const struct object_events *events, uint32_t index);

// The expiry that holds for the value at [index, end). `actors` as above.
struct object_expiry object_events_expiry(const struct object_events *events, uint32_t index,
                                          uint32_t end, const struct actor_table *actors);

// Writes all but the registers' bytes; the events are in order. -EOVERFLOW when the history does
// not cover an event (dots had to be forgotten), -ENOBUFS.
int object_events_encode(const struct object_events *events, struct codec_writer *writer);

// The same, and the registers' bytes after it.
int object_events_encode_whole(const struct object_events *events, struct codec_writer *writer);
