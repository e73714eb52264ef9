#include "cluster/object.h"

#include "cluster/object_event.h"

#include <errno.h>

enum {
    DOT_BYTES_MAX = 5 + 8,
    EXPIRY_BYTES_MAX = 8 + DOT_BYTES_MAX,
};

size_t object_head_bound(const struct object_view *old)
{
    if (old == NULL || old->form != OBJECT_FORM_GENERAL) {
        return OBJECT_HEAD_SMALL;
    }
    // One more version, one more event, and an expiry for each.
    return old->tail_at + (size_t)old->events * EXPIRY_BYTES_MAX + OBJECT_HEAD_SMALL;
}

// The fast way of most writes: where all that was seen was the same actor's, the history that
// remains is the new event's dot. True with *ret_error 0, or -ESTALE.
static inline bool overwrites_own(const struct object_view *old, struct dot dot, int *ret_error)
{
    *ret_error = 0;
    if (old == NULL) {
        return true;
    }
    if (old->versions_count != 1 || old->dots_count != 0) {
        return false;
    }
    const uint64_t newest = object_newest(old, dot.actor);

    *ret_error = newest < dot.hlc ? 0 : -ESTALE;
    return newest != 0;
}

static inline size_t write_small(uint8_t *head, enum object_form form, struct dot dot)
{
    uint8_t *at = head;
    uint32_t actor = dot.actor;

    *at++ = (uint8_t)form;
    for (; actor >= 0x80; actor >>= 7) {
        *at++ = (uint8_t)(actor | 0x80);
    }
    *at++ = (uint8_t)actor;
    memcpy(at, &dot.hlc, sizeof dot.hlc);
    return (size_t)(at - head) + sizeof dot.hlc;
}

// What was seen, and the new event after it.
static int history_write(struct causal_history *history, const struct object_view *old,
                         struct dot dot)
{
    causal_history_init(history);
    if (old != NULL) {
        if (object_newest(old, dot.actor) >= dot.hlc) {
            return -ESTALE;
        }
        object_history(old, history);
    }
    return causal_history_add_version(history, dot) ? 0 : -EOVERFLOW;
}

static int events_write(const struct object_events *events, uint8_t *head, size_t capacity,
                        size_t *ret_head_size)
{
    struct codec_writer writer = codec_writer_of(head, capacity);
    const int error = object_events_encode(events, &writer);

    CHECK(error != -ENOBUFS); // the capacity was looked at before
    if (error == 0) {
        *ret_head_size = codec_writer_size(&writer);
    }
    return error;
}

static __attribute__((noinline)) int write_single(uint8_t *head, size_t capacity,
                                                  const struct object_view *old,
                                                  const struct object_event *event,
                                                  size_t *ret_head_size)
{
    struct object_events events;
    const int error = history_write(&events.history, old, event->dot);

    if (error != 0) {
        return error;
    }
    events.count = 1;
    events.at[0] = *event;
    return events_write(&events, head, capacity, ret_head_size);
}

int object_write_register(uint8_t *head, size_t capacity, const struct object_view *old,
                          struct dot dot, uint64_t expire_ms, size_t *ret_head_size)
{
    int error = 0;

    CHECK(dot.hlc != 0 && dot.hlc <= DOT_HLC_MAX);
    CHECK(capacity >= object_head_bound(old));
    if (!overwrites_own(old, dot, &error)) {
        const struct object_event event = {
            .kind = EVENT_REGISTER,
            .dot = dot,
            .expiry = {.at_ms = expire_ms, .stamp = expire_ms != 0 ? dot : (struct dot){0}}};

        return write_single(head, capacity, old, &event, ret_head_size);
    }
    if (error != 0) {
        return error;
    }
    if (expire_ms == 0) {
        *ret_head_size = write_small(head, OBJECT_FORM_REGISTER, dot);
    } else {
        const size_t size = write_small(head, OBJECT_FORM_REGISTER_EXPIRY, dot);

        memcpy(head + size, &expire_ms, sizeof expire_ms);
        *ret_head_size = size + sizeof expire_ms;
    }
    return 0;
}

int object_write_tombstone(uint8_t *head, size_t capacity, const struct object_view *old,
                           struct dot dot, size_t *ret_head_size)
{
    int error = 0;

    CHECK(dot.hlc != 0 && dot.hlc <= DOT_HLC_MAX);
    CHECK(capacity >= object_head_bound(old));
    if (!overwrites_own(old, dot, &error)) {
        const struct object_event event = {.kind = EVENT_TOMBSTONE, .dot = dot};

        return write_single(head, capacity, old, &event, ret_head_size);
    }
    if (error == 0) {
        *ret_head_size = write_small(head, OBJECT_FORM_TOMBSTONE, dot);
    }
    return error;
}

// Makes a counter of the winner, which is live, and nothing else: `sum` gets its base id, what the
// actor had added before, and the expiry. Returns -EINVAL when the winner is no integer.
static int count_on(struct object_events *events, struct object_event *sum,
                    const struct actor_table *actors)
{
    struct object_event *const first = &events->at[0];

    events->count = object_events_value_end(events, 0);
    sum->expiry = object_events_expiry(events, 0, events->count, actors);
    if (first->kind == EVENT_REGISTER) {
        if (!number_parse_i64(first->bytes, &first->base_integer)) {
            return -EINVAL;
        }
        first->kind = EVENT_BASE;
        first->base = first->dot;
        first->bytes = slice_of(NULL, 0);
    }
    sum->base = first->base;
    sum->base_integer = first->base_integer;
    if (first->kind == EVENT_BASE && first->base_integer == 0) {
        object_events_remove(events, 0);
    }
    for (uint32_t i = events->count; i-- > 0;) {
        if (events->at[i].kind == EVENT_SUM && events->at[i].dot.actor == sum->dot.actor) {
            sum->sum = (int64_t)((uint64_t)sum->sum + (uint64_t)events->at[i].sum);
            object_events_remove(events, i);
        }
    }
    return 0;
}

// Leaves nothing of a dead winner but the base id.
static void count_anew(struct object_events *events, struct object_event *sum,
                       const struct actor_table *actors)
{
    const struct object_event *const first = &events->at[0];

    if (events->count != 0) {
        const uint32_t end = object_events_value_end(events, 0);

        sum->base = first->kind == EVENT_TOMBSTONE
                        ? first->dot
                        : object_events_expiry(events, 0, end, actors).stamp;
    }
    events->count = 0;
}

static __attribute__((noinline)) int write_counter_general(uint8_t *head, size_t capacity,
                                                           const struct actor_table *actors,
                                                           const struct object_view *old,
                                                           struct dot dot, int64_t delta, bool live,
                                                           size_t *ret_head_size)
{
    struct object_events events;
    struct object_event sum = {.kind = EVENT_SUM, .dot = dot, .sum = delta};

    object_events_load(old, &events);
    if (live) {
        const int error = count_on(&events, &sum, actors);

        if (error != 0) {
            return error;
        }
    } else {
        count_anew(&events, &sum, actors);
    }
    if (!object_events_add(&events, &sum)) {
        return -EOVERFLOW;
    }
    const int error = history_write(&events.history, old, dot);

    if (error != 0) {
        return error;
    }
    object_events_order(&events, actors);
    return events_write(&events, head, capacity, ret_head_size);
}

// Whether form 4 of the actor can be counted on in place: all but the stamp and the sum stay.
static size_t count_in_place(uint8_t *head, const struct object_view *old, struct dot dot,
                             int64_t delta)
{
    const size_t base_at = old->tail_at - 3 * sizeof(uint64_t);
    const size_t size = write_small(head, OBJECT_FORM_COUNTER, dot);
    uint64_t sum = 0;

    memcpy(head + size, old->encoded.bytes + base_at, 2 * sizeof(uint64_t));
    memcpy(&sum, old->encoded.bytes + base_at + 2 * sizeof(uint64_t), sizeof sum);
    sum += (uint64_t)delta;
    memcpy(head + size + 2 * sizeof(uint64_t), &sum, sizeof sum);
    return size + 3 * sizeof(uint64_t);
}

int object_write_counter(uint8_t *head, size_t capacity, const struct actor_table *actors,
                         const struct object_view *old, struct dot dot, int64_t delta,
                         uint64_t now_ms, int64_t *ret_total, size_t *ret_head_size)
{
    const bool live = old != NULL && object_is_live(old, now_ms);
    int64_t total = 0;
    int error = 0;

    CHECK(dot.hlc != 0 && dot.hlc <= DOT_HLC_MAX);
    CHECK(capacity >= object_head_bound(old));
    if (live && old->winner.kind == OBJECT_COUNTER) {
        total = old->winner.integer;
    } else if (live && !number_parse_i64(old->winner.bytes, &total)) {
        return -EINVAL;
    }
    if (__builtin_add_overflow(total, delta, &total)) {
        return -ERANGE;
    }
    if (old == NULL) {
        const struct object_event sum = {.kind = EVENT_SUM, .dot = dot, .sum = delta};

        error = write_single(head, capacity, NULL, &sum, ret_head_size);
    } else if (live && old->form == OBJECT_FORM_COUNTER && old->winner.dot.actor == dot.actor) {
        error = dot.hlc > old->winner.dot.hlc ? 0 : -ESTALE;
        if (error == 0) {
            *ret_head_size = count_in_place(head, old, dot, delta);
        }
    } else {
        error = write_counter_general(head, capacity, actors, old, dot, delta, live, ret_head_size);
    }
    if (error == 0) {
        *ret_total = total;
    }
    return error;
}

int object_write_expiry(uint8_t *head, size_t capacity, const struct object_view *old,
                        struct dot stamp, uint64_t expire_ms, size_t *ret_head_size)
{
    struct object_events events;
    struct object_expiry expiry = {.at_ms = expire_ms, .stamp = stamp};

    CHECK(stamp.hlc != 0 && stamp.hlc <= DOT_HLC_MAX);
    CHECK(capacity >= object_head_bound(old));
    object_events_load(old, &events);
    for (uint32_t i = 0; i < events.count; i++) {
        const uint64_t replaced = events.at[i].expiry.stamp.hlc;

        if (replaced >= expiry.stamp.hlc) {
            expiry.stamp.hlc = replaced < DOT_HLC_MAX ? replaced + 1 : DOT_HLC_MAX;
        }
    }
    for (uint32_t i = 0; i < events.count; i++) {
        if (events.at[i].kind != EVENT_TOMBSTONE) {
            events.at[i].expiry = expiry;
        }
    }
    return events_write(&events, head, capacity, ret_head_size);
}
