#include "cluster/object_event.h"

#include <errno.h>

static struct dot read_dot_or_null(struct codec_reader *reader)
{
    const uint64_t actor = codec_read_varint(reader);
    const uint64_t hlc = codec_read_u64(reader);

    if (actor > UINT32_MAX || hlc > DOT_HLC_MAX || (hlc == 0 && actor != 0)) {
        reader->failed = true;
    }
    return (struct dot){.hlc = hlc, .actor = (uint32_t)actor};
}

struct dot object_read_dot(struct codec_reader *reader)
{
    const struct dot dot = read_dot_or_null(reader);

    if (dot.hlc == 0) {
        reader->failed = true;
    }
    return dot;
}

static struct object_expiry read_expiry(struct codec_reader *reader, uint8_t flags, struct dot own)
{
    struct object_expiry expiry = {0};

    if ((flags & HEAD_FLAG_EXPIRY) == 0) {
        return expiry;
    }
    expiry.at_ms = codec_read_u64(reader);
    if ((flags & HEAD_FLAG_EXPIRY_OWN) != 0) {
        expiry.stamp = own;
    } else {
        expiry.stamp = object_read_dot(reader);
        reader->failed |= dot_equal(expiry.stamp, own);
    }
    return expiry;
}

static bool flags_are_valid(uint8_t flags, uint8_t known)
{
    const bool own_without_expiry =
        (flags & (HEAD_FLAG_EXPIRY | HEAD_FLAG_EXPIRY_OWN)) == HEAD_FLAG_EXPIRY_OWN;

    return (flags & ~known) == 0 && !own_without_expiry;
}

static void read_head_counter(struct codec_reader *reader, uint8_t flags, struct object_head *head)
{
    head->base_stored = (flags & HEAD_FLAG_BASE) != 0;
    head->dot = read_dot_or_null(reader);
    head->expiry = read_expiry(reader, flags, head->dot);
    head->base_integer = (int64_t)codec_read_u64(reader);
    head->sums = codec_read_varint(reader);
    // Only a stored base has an expiry; the null base is 0, a base of 0 is not stored, and nothing
    // at all is no value.
    if ((!head->base_stored && ((flags & HEAD_FLAG_EXPIRY) != 0 || head->sums == 0)) ||
        (head->dot.hlc == 0 && head->base_integer != 0) ||
        (head->base_stored && head->base_integer == 0)) {
        reader->failed = true;
    }
}

void object_read_head(struct codec_reader *reader, struct object_head *ret_head)
{
    static const uint8_t known[] = {
        [OBJECT_REGISTER] =
            OBJECT_REGISTER | HEAD_FLAG_EXPIRY | HEAD_FLAG_EXPIRY_OWN | HEAD_FLAG_TO_END,
        [OBJECT_TOMBSTONE] = OBJECT_TOMBSTONE,
        [OBJECT_COUNTER] =
            OBJECT_COUNTER | HEAD_FLAG_EXPIRY | HEAD_FLAG_EXPIRY_OWN | HEAD_FLAG_BASE,
    };
    const uint8_t flags = codec_read_u8(reader);
    const uint8_t kind = flags & HEAD_FLAGS_KIND;

    // Field by field: gcc zeroes a struct of this size with "rep stos", which costs 30 ns.
    ret_head->dot = (struct dot){0};
    ret_head->expiry.at_ms = 0;
    ret_head->expiry.stamp = (struct dot){0};
    ret_head->bytes_size = 0;
    ret_head->base_integer = 0;
    ret_head->sums = 0;
    ret_head->kind = OBJECT_TOMBSTONE;
    ret_head->to_end = false;
    ret_head->base_stored = false;
    if (kind >= sizeof known || !flags_are_valid(flags, known[kind])) {
        reader->failed = true;
        return;
    }
    ret_head->kind = kind;
    if (kind == OBJECT_COUNTER) {
        read_head_counter(reader, flags, ret_head);
        return;
    }
    ret_head->dot = object_read_dot(reader);
    ret_head->expiry = read_expiry(reader, flags, ret_head->dot);
    ret_head->to_end = (flags & HEAD_FLAG_TO_END) != 0;
    if (kind == OBJECT_REGISTER && !ret_head->to_end) {
        ret_head->bytes_size = codec_read_varint(reader);
    }
}

void object_read_sum(struct codec_reader *reader, const struct object_head *head,
                     struct object_event *ret_event)
{
    const uint8_t flags = codec_read_u8(reader);

    *ret_event = (struct object_event){
        .kind = EVENT_SUM, .base = head->dot, .base_integer = head->base_integer};
    if (!flags_are_valid(flags, HEAD_FLAG_EXPIRY | HEAD_FLAG_EXPIRY_OWN)) {
        reader->failed = true;
        return;
    }
    ret_event->dot = object_read_dot(reader);
    ret_event->sum = (int64_t)codec_read_u64(reader);
    ret_event->expiry = read_expiry(reader, flags, ret_event->dot);
}

static int compare_u64(uint64_t a, uint64_t b)
{
    return (a > b) - (a < b);
}

static int compare_dot_numbers(struct dot a, struct dot b)
{
    return a.hlc != b.hlc ? compare_u64(a.hlc, b.hlc) : compare_u64(a.actor, b.actor);
}

bool object_expiry_holds(const struct object_expiry *a, const struct object_expiry *b,
                         const struct actor_table *actors)
{
    if (a->stamp.hlc != b->stamp.hlc) {
        return a->stamp.hlc > b->stamp.hlc;
    }
    if (a->at_ms != b->at_ms) {
        return a->at_ms - 1 > b->at_ms - 1; // which makes "never" (0) the latest of all
    }
    return actors != NULL ? dot_compare(actors, a->stamp, b->stamp) > 0
                          : a->stamp.actor > b->stamp.actor;
}

// Payloads of one dot: a base is more than the register that it was. All other differences are
// damage.
static int payload_compare(const struct object_event *a, const struct object_event *b)
{
    if (a->kind != b->kind) {
        return compare_u64(a->kind, b->kind);
    }
    if (a->kind == EVENT_TOMBSTONE) {
        return 0;
    }
    if (a->kind == EVENT_REGISTER) {
        return a->bytes.size != b->bytes.size ? compare_u64(a->bytes.size, b->bytes.size)
               : a->bytes.size == 0           ? 0
                                    : memcmp(a->bytes.bytes, b->bytes.bytes, a->bytes.size);
    }
    if (!dot_equal(a->base, b->base)) {
        return compare_dot_numbers(a->base, b->base);
    }
    return a->base_integer != b->base_integer
               ? compare_u64((uint64_t)a->base_integer, (uint64_t)b->base_integer)
               : compare_u64((uint64_t)a->sum, (uint64_t)b->sum);
}

void object_event_join(struct object_event *event, const struct object_event *other,
                       const struct actor_table *actors)
{
    const struct object_expiry expiry =
        object_expiry_holds(&event->expiry, &other->expiry, actors) ? event->expiry : other->expiry;

    CHECK(dot_equal(event->dot, other->dot));
    if (payload_compare(event, other) < 0) {
        *event = *other;
    }
    event->expiry = expiry;
}

void object_events_remove(struct object_events *events, uint32_t index)
{
    CHECK(index < events->count);
    events->count--;
    memmove(&events->at[index], &events->at[index + 1],
            (events->count - index) * sizeof events->at[0]);
}

bool object_events_add(struct object_events *events, const struct object_event *event)
{
    if (events->count == LIMIT_OBJECT_EVENTS) {
        return false;
    }
    events->at[events->count++] = *event;
    return true;
}

// object_open() saw to it that there is room, and no dot twice.
static void load_event(struct object_events *events, const struct object_event *event)
{
    CHECK(object_events_add(events, event));
}

static void load_general(const struct object_view *view, struct object_events *events)
{
    struct object_iterator iterator;

    object_values(view, &iterator);
    for (uint32_t i = 0; i < view->values; i++) {
        struct object_head head;
        struct object_event event = {0};

        object_read_head(&iterator.heads, &head);
        event.dot = head.dot;
        event.expiry = head.expiry;
        if (head.kind == OBJECT_REGISTER) {
            const size_t left = codec_reader_left(&iterator.tail);

            event.kind = EVENT_REGISTER;
            event.bytes =
                codec_read_bytes(&iterator.tail, head.to_end ? left : (size_t)head.bytes_size);
        } else if (head.kind == OBJECT_COUNTER) {
            event.kind = EVENT_BASE;
            event.base = head.dot;
            event.base_integer = head.base_integer;
        }
        if (head.kind != OBJECT_COUNTER || head.base_stored) {
            load_event(events, &event);
        }
        for (uint64_t sum = 0; sum < head.sums; sum++) {
            object_read_sum(&iterator.heads, &head, &event);
            load_event(events, &event);
        }
    }
    CHECK(!iterator.heads.failed && !iterator.tail.failed); // object_open() saw to it
}

// Form 4, whose base id and sum are not in the view.
static void load_counter(const struct object_view *view, struct object_events *events)
{
    struct codec_reader reader = codec_reader_of(view->encoded);
    struct object_event base = {.kind = EVENT_BASE};
    struct object_event sum = {.kind = EVENT_SUM};

    codec_read_u8(&reader);
    sum.dot = object_read_dot(&reader);
    base.dot.hlc = codec_read_u64(&reader);
    base.dot.actor = base.dot.hlc == 0 ? 0 : sum.dot.actor;
    base.base_integer = (int64_t)codec_read_u64(&reader);
    sum.sum = (int64_t)codec_read_u64(&reader);
    base.base = base.dot;
    sum.base = base.dot;
    sum.base_integer = base.base_integer;
    if (base.base_integer != 0) {
        load_event(events, &base);
    }
    load_event(events, &sum);
    CHECK(!reader.failed);
}

void object_events_load(const struct object_view *view, struct object_events *ret_events)
{
    const struct object_value *const winner = &view->winner;
    struct object_event event = {.dot = winner->dot};

    object_history(view, &ret_events->history);
    ret_events->count = 0;
    switch (view->form) {
    case OBJECT_FORM_GENERAL:
        load_general(view, ret_events);
        return;
    case OBJECT_FORM_COUNTER:
        load_counter(view, ret_events);
        return;
    case OBJECT_FORM_REGISTER_EXPIRY:
        event.expiry = (struct object_expiry){.at_ms = winner->expire_ms, .stamp = winner->dot};
        break;
    case OBJECT_FORM_REGISTER_STAMPED:
        event.expiry = (struct object_expiry){.at_ms = winner->expire_ms,
                                              .stamp = {.actor = winner->dot.actor}};
        memcpy(&event.expiry.stamp.hlc,
               view->encoded.bytes + view->tail_at - sizeof event.expiry.stamp.hlc,
               sizeof event.expiry.stamp.hlc);
        break;
    case OBJECT_FORM_REGISTER:
    case OBJECT_FORM_TOMBSTONE:
        break;
    }
    event.kind = winner->kind == OBJECT_TOMBSTONE ? EVENT_TOMBSTONE : EVENT_REGISTER;
    event.bytes = winner->bytes;
    load_event(ret_events, &event);
}

// A counter is as new as its newest sum; when it has none, as its base.
static struct dot value_dot(const struct object_events *events, const struct object_event *event,
                            const struct actor_table *actors)
{
    struct dot newest = {0};

    if (!object_event_counts(event)) {
        return event->dot;
    }
    for (uint32_t i = 0; i < events->count; i++) {
        const struct object_event *const other = &events->at[i];

        if (other->kind == EVENT_SUM && object_same_base(event, other) &&
            dot_compare(actors, other->dot, newest) > 0) {
            newest = other->dot;
        }
    }
    return newest.hlc != 0 ? newest : event->dot;
}

// Dots are unique, so values never compare equal, nor do events of one value.
static bool event_is_before(const struct object_event *a, const struct object_event *b,
                            const struct actor_table *actors)
{
    if (!dot_equal(a->value_dot, b->value_dot)) {
        return dot_compare(actors, a->value_dot, b->value_dot) > 0;
    }
    if (a->kind != b->kind) {
        return a->kind == EVENT_BASE;
    }
    return dot_compare(actors, a->dot, b->dot) > 0;
}

void object_events_order(struct object_events *events, const struct actor_table *actors)
{
    for (uint32_t i = 0; i < events->count; i++) {
        events->at[i].value_dot = value_dot(events, &events->at[i], actors);
    }
    // By insertion: they come nearly ordered, and are few.
    for (uint32_t i = 1; i < events->count; i++) {
        const struct object_event event = events->at[i];
        uint32_t place = i;

        for (; place > 0 && event_is_before(&event, &events->at[place - 1], actors); place--) {
            events->at[place] = events->at[place - 1];
        }
        events->at[place] = event;
    }
}
