// Events written as an object: the other direction of object_event.c.
#include "cluster/object_event.h"

#include "core/check.h"

#include <errno.h>

static void write_dot(struct codec_writer *writer, struct dot dot)
{
    codec_write_varint(writer, dot.actor);
    codec_write_u64(writer, dot.hlc);
}

static bool expiry_is_none(const struct object_event *event)
{
    return event->expiry.stamp.hlc == 0;
}

static uint8_t expiry_flags(const struct object_event *event)
{
    if (expiry_is_none(event)) {
        return 0;
    }
    return dot_equal(event->expiry.stamp, event->dot) ? HEAD_FLAG_EXPIRY | HEAD_FLAG_EXPIRY_OWN
                                                      : HEAD_FLAG_EXPIRY;
}

static void write_expiry(struct codec_writer *writer, const struct object_event *event)
{
    const uint8_t flags = expiry_flags(event);

    if ((flags & HEAD_FLAG_EXPIRY) != 0) {
        codec_write_u64(writer, event->expiry.at_ms);
        if ((flags & HEAD_FLAG_EXPIRY_OWN) == 0) {
            write_dot(writer, event->expiry.stamp);
        }
    }
}

static void write_small(struct codec_writer *writer, enum object_form form, struct dot dot)
{
    codec_write_u8(writer, (uint8_t)form);
    write_dot(writer, dot);
}

// The counter of form 4: its sum, and before it its base unless that is 0.
static bool encode_small_counter(const struct object_events *events, struct codec_writer *writer)
{
    const struct object_event *const sum = &events->at[events->count - 1];
    const uint32_t count = sum->base_integer != 0 ? 2 : 1;

    if (events->count != count || sum->kind != EVENT_SUM ||
        (count == 2 &&
         (events->at[0].kind != EVENT_BASE || !object_same_base(&events->at[0], sum) ||
          !expiry_is_none(&events->at[0]))) ||
        !expiry_is_none(sum) || !dot_equal(sum->dot, events->history.versions[0]) ||
        sum->base.hlc >= sum->dot.hlc ||
        (sum->base.hlc != 0 && sum->base.actor != sum->dot.actor)) {
        return false;
    }
    write_small(writer, OBJECT_FORM_COUNTER, sum->dot);
    codec_write_u64(writer, sum->base.hlc);
    codec_write_u64(writer, (uint64_t)sum->base_integer);
    codec_write_u64(writer, (uint64_t)sum->sum);
    return true;
}

// Forms 1 to 5; false when none of them fits.
static bool encode_small(const struct object_events *events, struct codec_writer *writer)
{
    const struct object_event *const event = &events->at[0];

    if (events->count == 0 || events->history.versions_count != 1 ||
        events->history.dots_count != 0) {
        return false;
    }
    if (object_event_counts(event)) {
        return encode_small_counter(events, writer);
    }
    if (events->count != 1 || !dot_equal(event->dot, events->history.versions[0])) {
        return false;
    }
    if (event->kind == EVENT_TOMBSTONE) {
        write_small(writer, OBJECT_FORM_TOMBSTONE, event->dot);
    } else if (expiry_is_none(event)) {
        write_small(writer, OBJECT_FORM_REGISTER, event->dot);
    } else if (dot_equal(event->expiry.stamp, event->dot)) {
        write_small(writer, OBJECT_FORM_REGISTER_EXPIRY, event->dot);
        codec_write_u64(writer, event->expiry.at_ms);
    } else if (event->expiry.stamp.actor == event->dot.actor) {
        write_small(writer, OBJECT_FORM_REGISTER_STAMPED, event->dot);
        codec_write_u64(writer, event->expiry.at_ms);
        codec_write_u64(writer, event->expiry.stamp.hlc);
    } else {
        return false;
    }
    return true;
}

static void encode_history(const struct causal_history *history, struct codec_writer *writer)
{
    codec_write_varint(writer, history->versions_count);
    for (uint32_t i = 0; i < history->versions_count; i++) {
        write_dot(writer, history->versions[i]);
    }
    codec_write_varint(writer, history->dots_count);
    for (uint32_t i = 0; i < history->dots_count; i++) {
        write_dot(writer, history->dots[i]);
    }
}

uint32_t object_events_value_end(const struct object_events *events, uint32_t index)
{
    CHECK(index < events->count);
    const struct object_event *const first = &events->at[index];
    uint32_t end = index + 1;

    if (object_event_counts(first)) {
        while (end < events->count && object_event_counts(&events->at[end]) &&
               object_same_base(first, &events->at[end])) {
            end++;
        }
    }
    return end;
}

struct object_expiry object_events_expiry(const struct object_events *events, uint32_t index,
                                          uint32_t end, const struct actor_table *actors)
{
    CHECK(index < end && end <= events->count);
    struct object_expiry expiry = events->at[index].expiry;

    for (uint32_t i = index + 1; i < end; i++) {
        if (object_expiry_holds(&events->at[i].expiry, &expiry, actors)) {
            expiry = events->at[i].expiry;
        }
    }
    return expiry;
}

static void encode_counter(const struct object_events *events, uint32_t index, uint32_t end,
                           struct codec_writer *writer)
{
    const struct object_event *const first = &events->at[index];
    const bool base = first->kind == EVENT_BASE;

    codec_write_u8(writer,
                   (uint8_t)(OBJECT_COUNTER | (base ? HEAD_FLAG_BASE | expiry_flags(first) : 0)));
    write_dot(writer, first->base);
    if (base) {
        write_expiry(writer, first);
        index++;
    }
    codec_write_u64(writer, (uint64_t)first->base_integer);
    codec_write_varint(writer, end - index);
    for (; index < end; index++) {
        const struct object_event *const sum = &events->at[index];

        codec_write_u8(writer, expiry_flags(sum));
        write_dot(writer, sum->dot);
        codec_write_u64(writer, (uint64_t)sum->sum);
        write_expiry(writer, sum);
    }
}

static void encode_single(const struct object_event *event, bool to_end,
                          struct codec_writer *writer)
{
    if (event->kind == EVENT_TOMBSTONE) {
        codec_write_u8(writer, OBJECT_TOMBSTONE);
        write_dot(writer, event->dot);
        return;
    }
    codec_write_u8(
        writer, (uint8_t)(OBJECT_REGISTER | expiry_flags(event) | (to_end ? HEAD_FLAG_TO_END : 0)));
    write_dot(writer, event->dot);
    write_expiry(writer, event);
    if (!to_end) {
        codec_write_varint(writer, event->bytes.size);
    }
}

static void encode_values(const struct object_events *events, struct codec_writer *writer)
{
    uint32_t values = 0;
    uint32_t last_register = 0;

    for (uint32_t i = 0; i < events->count; i = object_events_value_end(events, i)) {
        values++;
        last_register = events->at[i].kind == EVENT_REGISTER ? i : last_register;
    }
    codec_write_varint(writer, values);
    for (uint32_t i = 0; i < events->count; i = object_events_value_end(events, i)) {
        if (object_event_counts(&events->at[i])) {
            encode_counter(events, i, object_events_value_end(events, i), writer);
        } else {
            encode_single(&events->at[i], i == last_register, writer);
        }
    }
}

int object_events_encode(const struct object_events *events, struct codec_writer *writer)
{
    CHECK(events->history.versions_count != 0);
    for (uint32_t i = 0; i < events->count; i++) {
        if (!causal_history_covers(&events->history, events->at[i].dot)) {
            return -EOVERFLOW;
        }
    }
    if (!encode_small(events, writer)) {
        codec_write_u8(writer, OBJECT_FORM_GENERAL);
        encode_history(&events->history, writer);
        encode_values(events, writer);
    }
    return writer->failed ? -ENOBUFS : 0;
}

int object_events_encode_whole(const struct object_events *events, struct codec_writer *writer)
{
    const int error = object_events_encode(events, writer);

    if (error != 0) {
        return error;
    }
    for (uint32_t i = 0; i < events->count; i++) {
        if (events->at[i].kind == EVENT_REGISTER) {
            codec_write_bytes(writer, events->at[i].bytes.bytes, events->at[i].bytes.size);
        }
    }
    return writer->failed ? -ENOBUFS : 0;
}
