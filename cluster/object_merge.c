#include "cluster/object.h"

#include "cluster/object_event.h"

#include <errno.h>

size_t object_merge_bound(const struct object_view *a, const struct object_view *b)
{
    // Forms 1 to 5 grow when they become form 0.
    return (a != NULL ? a->encoded.size + OBJECT_HEAD_SMALL : 0) +
           (b != NULL ? b->encoded.size + OBJECT_HEAD_SMALL : 0);
}

size_t object_put_bound(const struct object_view *old, const struct causal_history *context,
                        size_t value_size)
{
    enum { DOT_BYTES_MAX = 5 + 8 };
    const size_t dots = context == NULL ? 0 : context->versions_count + context->dots_count;

    return object_merge_bound(old, NULL) + dots * DOT_BYTES_MAX + OBJECT_HEAD_SMALL + value_size;
}

static struct object_event *event_find(struct object_events *events, struct dot dot)
{
    for (uint32_t i = 0; i < events->count; i++) {
        if (dot_equal(events->at[i].dot, dot)) {
            return &events->at[i];
        }
    }
    return NULL;
}

// Takes away the events of `events` that the other side saw and does not have.
static void remove_replaced(struct object_events *events, struct object_events *other)
{
    for (uint32_t i = events->count; i-- > 0;) {
        const struct dot dot = events->at[i].dot;

        if (causal_history_covers(&other->history, dot) && event_find(other, dot) == NULL) {
            object_events_remove(events, i);
        }
    }
}

// Both have lost what the other replaced; what is left of `other` comes into `events`.
static int join_events(struct object_events *events, const struct object_events *other,
                       const struct actor_table *actors)
{
    for (uint32_t i = 0; i < other->count; i++) {
        struct object_event *const same = event_find(events, other->at[i].dot);

        if (same != NULL) {
            object_event_join(same, &other->at[i], actors);
        } else if (!object_events_add(events, &other->at[i])) {
            return -EOVERFLOW;
        }
    }
    return causal_history_join(&events->history, &other->history) ? 0 : -EOVERFLOW;
}

static int copy_object(struct slice encoded, uint8_t *out, size_t capacity, size_t *ret_size)
{
    if (encoded.size > capacity) {
        return -ENOBUFS;
    }
    memcpy(out, encoded.bytes, encoded.size);
    *ret_size = encoded.size;
    return 0;
}

static int write_whole(struct object_events *events, const struct actor_table *actors, uint8_t *out,
                       size_t capacity, size_t *ret_size)
{
    struct codec_writer writer = codec_writer_of(out, capacity);

    object_events_order(events, actors);
    const int error = object_events_encode_whole(events, &writer);

    if (error == 0) {
        *ret_size = codec_writer_size(&writer);
    }
    return error;
}

int object_merge(const struct actor_table *actors, const struct object_view *a,
                 const struct object_view *b, uint8_t *out, size_t capacity, size_t *ret_size)
{
    struct object_events events;
    struct object_events other;

    CHECK(a != NULL || b != NULL);
    if (a == NULL || b == NULL) {
        return copy_object(a != NULL ? a->encoded : b->encoded, out, capacity, ret_size);
    }
    object_events_load(a, &events);
    object_events_load(b, &other);
    remove_replaced(&events, &other);
    remove_replaced(&other, &events);
    const int error = join_events(&events, &other, actors);

    return error != 0 ? error : write_whole(&events, actors, out, capacity, ret_size);
}

// Whether the value that begins at `index` is live, and where it ends.
static bool value_is_live(const struct object_events *events, uint32_t index, uint64_t now_ms,
                          const struct actor_table *actors, uint32_t *ret_end)
{
    const uint32_t end = object_events_value_end(events, index);
    const struct object_expiry expiry = object_events_expiry(events, index, end, actors);

    *ret_end = end;
    return events->at[index].kind != EVENT_TOMBSTONE &&
           (expiry.at_ms == 0 || now_ms <= expiry.at_ms);
}

// Takes away dead values. Returns how many live ones there are.
static uint32_t remove_dead(struct object_events *events, uint64_t now_ms,
                            const struct actor_table *actors)
{
    uint32_t values = 0;

    for (uint32_t i = 0; i < events->count;) {
        uint32_t end = 0;

        if (value_is_live(events, i, now_ms, actors, &end)) {
            values++;
            i = end;
            continue;
        }
        while (end-- > i) {
            object_events_remove(events, end);
        }
    }
    return values;
}

// Takes away what was read. Returns whether anything was.
static bool remove_read(struct object_events *events, const struct causal_history *context)
{
    bool removed = false;

    for (uint32_t i = events->count; i-- > 0;) {
        if (context == NULL || causal_history_covers(context, events->at[i].dot)) {
            object_events_remove(events, i);
            removed = true;
        }
    }
    return removed;
}

// The history of put->old and put->context.
static int join_context(const struct object_put *put, struct object_events *events)
{
    if (put->context != NULL && !causal_history_join(&events->history, put->context)) {
        return -EOVERFLOW;
    }
    return 0;
}

// Adds the new event's dot, which must be beyond all that is known of its actor.
static int history_stamp(struct causal_history *history, struct dot dot)
{
    uint64_t newest = causal_history_version(history, dot.actor);

    CHECK(dot.hlc != 0 && dot.hlc <= DOT_HLC_MAX);
    for (uint32_t i = 0; i < history->dots_count; i++) {
        if (history->dots[i].actor == dot.actor && history->dots[i].hlc > newest) {
            newest = history->dots[i].hlc;
        }
    }
    if (newest >= dot.hlc) {
        return -ESTALE;
    }
    return causal_history_add_version(history, dot) ? 0 : -EOVERFLOW;
}

// Before which hlc a client may claim all that the object has seen of an actor: that of the actor's
// oldest event that is still there and that the client has not read.
static uint64_t unread_from(const struct object_events *events, uint32_t actor, struct dot written)
{
    uint64_t oldest = UINT64_MAX;

    for (uint32_t i = 0; i < events->count; i++) {
        const struct dot dot = events->at[i].dot;

        if (dot.actor == actor && dot.hlc < oldest && !dot_equal(dot, written)) {
            oldest = dot.hlc;
        }
    }
    return oldest;
}

// What a client may claim after its PUT: all that the object has seen, less the siblings that it
// has not read and what their actors did after them; and of this again what the client is known to
// have read or written. What it does not claim though it was replaced does not matter much: should
// it meet a replica that still has it, it gets it as a sibling.
static void context_after(const struct object_events *events, const struct object_put *put,
                          struct causal_history *ret_context)
{
    const struct causal_history *const seen = &events->history;

    causal_history_init(ret_context);
    for (uint32_t i = 0; i < seen->versions_count; i++) {
        struct dot version = seen->versions[i];
        const uint64_t unread = unread_from(events, version.actor, put->dot);

        version.hlc = version.hlc < unread ? version.hlc : unread - 1;
        if (version.hlc != 0) {
            // No longer than the history that it is made of.
            CHECK(causal_history_add_version(ret_context, version));
        }
    }
    for (uint32_t i = 0; i < seen->dots_count; i++) {
        if (seen->dots[i].hlc < unread_from(events, seen->dots[i].actor, put->dot)) {
            causal_history_add_dot(ret_context, seen->dots[i]);
        }
    }
    if (put->context != NULL) {
        for (uint32_t i = 0; i < put->context->dots_count; i++) {
            causal_history_add_dot(ret_context, put->context->dots[i]);
        }
    }
    causal_history_add_dot(ret_context, put->dot);
}

static void load_old(const struct object_view *old, struct object_events *ret_events)
{
    if (old != NULL) {
        object_events_load(old, ret_events);
    } else {
        ret_events->count = 0;
        causal_history_init(&ret_events->history);
    }
}

int object_put_with_context(const struct actor_table *actors, const struct object_put *put,
                            uint8_t *out, size_t capacity, size_t *ret_size,
                            struct causal_history *ret_context)
{
    struct object_events events;
    struct object_event value = {
        .kind = EVENT_REGISTER,
        .dot = put->dot,
        .bytes = put->value,
        .expiry = {.at_ms = put->expire_ms,
                   .stamp = put->expire_ms != 0 ? put->dot : (struct dot){0}}};

    load_old(put->old, &events);
    if (put->context != NULL) {
        remove_read(&events, put->context);
    }
    if (remove_dead(&events, put->now_ms, actors) >= LIMIT_SIBLINGS) {
        return -EMLINK;
    }
    int error = join_context(put, &events);

    if (error == 0) {
        error = history_stamp(&events.history, put->dot);
    }
    if (error == 0 && !object_events_add(&events, &value)) {
        error = -EOVERFLOW;
    }
    if (error == 0) {
        error = write_whole(&events, actors, out, capacity, ret_size);
    }
    if (error == 0) {
        context_after(&events, put, ret_context);
    }
    return error;
}

int object_delete_with_context(const struct actor_table *actors, const struct object_put *put,
                               uint8_t *out, size_t capacity, size_t *ret_size, bool *ret_removed)
{
    struct object_events events;

    load_old(put->old, &events);
    remove_dead(&events, put->now_ms, actors);
    const bool removed = remove_read(&events, put->context);
    int error = join_context(put, &events);

    if (error == 0 && events.count == 0) {
        const struct object_event tombstone = {.kind = EVENT_TOMBSTONE, .dot = put->dot};

        error = history_stamp(&events.history, put->dot);
        CHECK(object_events_add(&events, &tombstone));
    }
    if (error == 0) {
        error = write_whole(&events, actors, out, capacity, ret_size);
    }
    if (error == 0) {
        *ret_removed = removed;
    }
    return error;
}
