#include "cluster/object_event.h"

#include <errno.h>

enum {
    FLAGS_KIND = 3,
    FLAG_EXPIRY = 1 << 2,
    FLAG_EXPIRY_OWN = 1 << 3, // its stamp is the event's dot
    FLAG_BASE = 1 << 4,
    FLAG_TO_END = 1 << 5,
};

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

    if ((flags & FLAG_EXPIRY) == 0) {
        return expiry;
    }
    expiry.at_ms = codec_read_u64(reader);
    if ((flags & FLAG_EXPIRY_OWN) != 0) {
        expiry.stamp = own;
    } else {
        expiry.stamp = object_read_dot(reader);
        reader->failed |= dot_equal(expiry.stamp, own);
    }
    return expiry;
}

static bool flags_are_valid(uint8_t flags, uint8_t known)
{
    const bool own_without_expiry = (flags & (FLAG_EXPIRY | FLAG_EXPIRY_OWN)) == FLAG_EXPIRY_OWN;

    return (flags & ~known) == 0 && !own_without_expiry;
}

static void read_head_counter(struct codec_reader *reader, uint8_t flags, struct object_head *head)
{
    head->base_stored = (flags & FLAG_BASE) != 0;
    head->dot = read_dot_or_null(reader);
    head->expiry = read_expiry(reader, flags, head->dot);
    head->base_integer = (int64_t)codec_read_u64(reader);
    head->sums = codec_read_varint(reader);
    // Only a stored base has an expiry; the null base is 0, a base of 0 is not stored, and nothing
    // at all is no value.
    if ((!head->base_stored && ((flags & FLAG_EXPIRY) != 0 || head->sums == 0)) ||
        (head->dot.hlc == 0 && head->base_integer != 0) ||
        (head->base_stored && head->base_integer == 0)) {
        reader->failed = true;
    }
}

void object_read_head(struct codec_reader *reader, struct object_head *ret_head)
{
    static const uint8_t known[] = {
        [OBJECT_REGISTER] = OBJECT_REGISTER | FLAG_EXPIRY | FLAG_EXPIRY_OWN | FLAG_TO_END,
        [OBJECT_TOMBSTONE] = OBJECT_TOMBSTONE,
        [OBJECT_COUNTER] = OBJECT_COUNTER | FLAG_EXPIRY | FLAG_EXPIRY_OWN | FLAG_BASE,
    };
    const uint8_t flags = codec_read_u8(reader);
    const uint8_t kind = flags & FLAGS_KIND;

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
    ret_head->to_end = (flags & FLAG_TO_END) != 0;
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
    if (!flags_are_valid(flags, FLAG_EXPIRY | FLAG_EXPIRY_OWN)) {
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
    return dot_equal(event->expiry.stamp, event->dot) ? FLAG_EXPIRY | FLAG_EXPIRY_OWN : FLAG_EXPIRY;
}

static void write_expiry(struct codec_writer *writer, const struct object_event *event)
{
    const uint8_t flags = expiry_flags(event);

    if ((flags & FLAG_EXPIRY) != 0) {
        codec_write_u64(writer, event->expiry.at_ms);
        if ((flags & FLAG_EXPIRY_OWN) == 0) {
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
                   (uint8_t)(OBJECT_COUNTER | (base ? FLAG_BASE | expiry_flags(first) : 0)));
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
    codec_write_u8(writer,
                   (uint8_t)(OBJECT_REGISTER | expiry_flags(event) | (to_end ? FLAG_TO_END : 0)));
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
