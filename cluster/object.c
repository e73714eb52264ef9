#include "cluster/object.h"

#include "cluster/object_event.h"

// The value that begins at the reader: its head, and a counter's sums. A register's bytes come from
// the tail.
static void read_value(struct codec_reader *reader, struct codec_reader *tail,
                       struct object_value *ret_value)
{
    struct object_head head;

    object_read_head(reader, &head);
    *ret_value = (struct object_value){.kind = head.kind, .dot = head.dot};
    if (head.kind == OBJECT_REGISTER) {
        const size_t left = codec_reader_left(tail);

        ret_value->bytes = codec_read_bytes(
            tail, head.to_end || head.bytes_size > left ? left : (size_t)head.bytes_size);
    }
    struct object_expiry expiry = head.expiry;
    uint64_t total = head.base_stored ? (uint64_t)head.base_integer : 0;

    for (uint64_t i = 0; i < head.sums && !reader->failed; i++) {
        struct object_event sum;

        object_read_sum(reader, &head, &sum);
        total += (uint64_t)sum.sum;
        if (object_expiry_holds(&sum.expiry, &expiry, NULL)) {
            expiry = sum.expiry;
        }
        if (i == 0) {
            ret_value->dot = sum.dot;
        }
    }
    ret_value->integer = (int64_t)total;
    ret_value->expire_ms = expiry.at_ms;
}

// A reader at the given part of an object in form 0.
static struct codec_reader view_reader(const struct object_view *view, uint32_t at)
{
    return codec_reader_of(slice_of(view->encoded.bytes + at, view->encoded.size - at));
}

static bool view_covers(const struct object_view *view, struct dot dot)
{
    struct codec_reader reader = view_reader(view, view->versions_at);

    for (uint32_t i = 0; i < view->versions_count; i++) {
        const struct dot version = object_read_dot(&reader);

        if (version.actor >= dot.actor) {
            if (version.actor == dot.actor && dot.hlc <= version.hlc) {
                return true;
            }
            break;
        }
    }
    if (view->dots_count == 0) {
        return false;
    }
    reader = view_reader(view, view->dots_at);
    for (uint32_t i = 0; i < view->dots_count; i++) {
        if (dot_equal(object_read_dot(&reader), dot)) {
            return true;
        }
    }
    return false;
}

// What open_general() has to remember between values.
struct opening {
    struct object_view *view;
    struct codec_reader reader;
    uint64_t hlc_max;   // values and sums come newest first
    uint64_t tail_size; // of the registers so far
    bool registers;     // there was one
    bool to_end;        // and the last one, which takes all that is left
};

static bool open_dot(struct opening *opening, struct dot dot, uint64_t hlc_max)
{
    opening->view->events++;
    return dot.hlc != 0 && dot.hlc <= hlc_max && view_covers(opening->view, dot);
}

static bool open_sums(struct opening *opening, const struct object_head *head)
{
    uint64_t hlc_max = opening->hlc_max;

    for (uint64_t i = 0; i < head->sums; i++) {
        struct object_event sum;

        object_read_sum(&opening->reader, head, &sum);
        if (opening->reader.failed || opening->view->events >= LIMIT_OBJECT_EVENTS ||
            !open_dot(opening, sum.dot, hlc_max)) {
            return false;
        }
        hlc_max = sum.dot.hlc;
        if (i == 0) {
            opening->hlc_max = sum.dot.hlc;
        }
    }
    return true;
}

// Checks one value; the reader is then at the next one.
static bool open_value(struct opening *opening)
{
    struct object_view *const view = opening->view;
    struct object_head head;

    object_read_head(&opening->reader, &head);
    if (opening->reader.failed || view->events >= LIMIT_OBJECT_EVENTS) {
        return false;
    }
    switch (head.kind) {
    case OBJECT_REGISTER:
        if (opening->to_end) {
            return false; // the last one was to be the last
        }
        opening->registers = true;
        opening->to_end = head.to_end;
        opening->tail_size += head.bytes_size;
        if (opening->tail_size > codec_reader_left(&opening->reader)) {
            return false; // also keeps the sum of sizes from overflowing
        }
        break;
    case OBJECT_TOMBSTONE:
        view->tombstones++;
        break;
    case OBJECT_COUNTER:
        if (head.base_stored && !open_dot(opening, head.dot, DOT_HLC_MAX)) {
            return false;
        }
        if (head.sums != 0) {
            return open_sums(opening, &head);
        }
        view->events--; // counted again below
        break;
    }
    if (!open_dot(opening, head.dot, opening->hlc_max)) {
        return false;
    }
    opening->hlc_max = head.dot.hlc;
    return true;
}

static bool open_history(struct opening *opening)
{
    struct codec_reader *const reader = &opening->reader;
    struct object_view *const view = opening->view;
    const uint64_t versions = codec_read_varint(reader);
    struct dot last = {0};

    if (versions < 1 || versions > LIMIT_OBJECT_VERSIONS) {
        return false;
    }
    view->versions_count = (uint32_t)versions;
    view->versions_at = (uint32_t)(reader->at - view->encoded.bytes);
    for (uint64_t i = 0; i < versions; i++) {
        const struct dot version = object_read_dot(reader);

        if (reader->failed || (i != 0 && version.actor <= last.actor)) {
            return false;
        }
        last = version;
    }
    const uint64_t dots = codec_read_varint(reader);

    if (reader->failed || dots > LIMIT_HISTORY_DOTS) {
        return false;
    }
    view->dots_at = (uint32_t)(reader->at - view->encoded.bytes);
    for (uint32_t i = 0; i < dots; i++) {
        const struct dot dot = object_read_dot(reader);

        if (reader->failed ||
            (i != 0 &&
             (dot.actor < last.actor || (dot.actor == last.actor && dot.hlc <= last.hlc))) ||
            view_covers(view, dot)) { // by the vector: the view has no dots yet
            return false;
        }
        last = dot;
    }
    view->dots_count = (uint32_t)dots;
    return true;
}

// Whether the object, which is well-formed otherwise, should have had one of the other forms.
static bool fits_smaller_form(const struct object_view *view)
{
    struct codec_reader reader = view_reader(view, view->versions_at);
    const struct dot version = object_read_dot(&reader);
    struct object_head head;

    if (view->versions_count != 1 || view->dots_count != 0 || view->values != 1) {
        return false;
    }
    reader = view_reader(view, view->values_at);
    object_read_head(&reader, &head);
    if (head.kind != OBJECT_COUNTER) {
        return dot_equal(head.dot, version) &&
               (head.expiry.stamp.hlc == 0 || dot_equal(head.expiry.stamp, head.dot));
    }
    if (head.sums != 1 || head.expiry.stamp.hlc != 0) {
        return false;
    }
    struct object_event sum;

    object_read_sum(&reader, &head, &sum);
    return dot_equal(sum.dot, version) && sum.expiry.stamp.hlc == 0 &&
           head.base_stored == (head.base_integer != 0) &&
           (head.dot.hlc == 0 || (head.dot.actor == version.actor && head.dot.hlc < version.hlc));
}

// Finds the winner, and from when on no value lives.
static void open_summary(struct object_view *view)
{
    struct object_iterator iterator;
    struct object_value value;
    bool endless = false;

    view->winner.kind = OBJECT_TOMBSTONE; // unless there are values
    object_values(view, &iterator);
    while (object_next(&iterator, &value)) {
        if (iterator.left + 1 == view->values) {
            view->winner = value;
        }
        if (value.kind == OBJECT_TOMBSTONE) {
            continue;
        }
        endless |= value.expire_ms == 0;
        if (value.expire_ms > view->reap_ms) {
            view->reap_ms = value.expire_ms;
        }
    }
    if (endless) {
        view->reap_ms = 0;
    }
}

static bool open_general(struct slice encoded, struct object_view *view)
{
    struct opening opening = {
        .view = view, .reader = codec_reader_of(encoded), .hlc_max = DOT_HLC_MAX};

    codec_read_u8(&opening.reader);
    if (!open_history(&opening)) {
        return false;
    }
    const uint64_t values = codec_read_varint(&opening.reader);

    if (opening.reader.failed || values > LIMIT_OBJECT_EVENTS) {
        return false;
    }
    view->values = (uint32_t)values;
    view->values_at = (uint32_t)(opening.reader.at - encoded.bytes);
    for (uint64_t i = 0; i < values; i++) {
        if (!open_value(&opening)) {
            return false;
        }
    }
    const size_t left = codec_reader_left(&opening.reader);

    // The last register takes what is left; without registers nothing may be left.
    if (opening.registers ? !opening.to_end || left < opening.tail_size : left != 0) {
        return false;
    }
    view->tail_at = (uint32_t)(opening.reader.at - encoded.bytes);
    if (fits_smaller_form(view)) {
        return false;
    }
    open_summary(view);
    return true;
}

// Forms 1 to 4: tag, actor, hlc, and what `form` adds to it.
static bool open_small(struct slice encoded, struct object_view *view)
{
    struct codec_reader reader = codec_reader_of(encoded);
    struct object_value *const winner = &view->winner;

    view->form = codec_read_u8(&reader);
    winner->dot = object_read_dot(&reader);
    view->values = 1;
    view->events = 1;
    view->versions_count = 1;
    if (view->form == OBJECT_FORM_REGISTER_EXPIRY) {
        winner->expire_ms = codec_read_u64(&reader);
        view->reap_ms = winner->expire_ms;
        reader.failed |= winner->expire_ms == 0;
    } else if (view->form == OBJECT_FORM_TOMBSTONE) {
        winner->kind = OBJECT_TOMBSTONE;
        view->tombstones = 1;
    } else if (view->form == OBJECT_FORM_COUNTER) {
        const uint64_t base_hlc = codec_read_u64(&reader);
        const uint64_t base_integer = codec_read_u64(&reader);

        winner->kind = OBJECT_COUNTER;
        winner->integer = (int64_t)(base_integer + codec_read_u64(&reader));
        view->events = base_integer != 0 ? 2 : 1;
        reader.failed |= base_hlc >= winner->dot.hlc || (base_hlc == 0 && base_integer != 0);
    }
    view->tail_at = (uint32_t)(reader.at - encoded.bytes);
    if (winner->kind != OBJECT_REGISTER) {
        return codec_reader_done(&reader);
    }
    winner->bytes = codec_read_bytes(&reader, codec_reader_left(&reader));
    return !reader.failed;
}

bool object_open_any(struct slice encoded, struct object_view *ret)
{
    struct object_view view = {.encoded = encoded};
    bool good = false;

    if (encoded.size == 0 || encoded.size > UINT32_MAX) {
        return false;
    }
    switch (encoded.bytes[0]) {
    case OBJECT_FORM_GENERAL:
        view.form = OBJECT_FORM_GENERAL;
        good = open_general(encoded, &view);
        break;
    case OBJECT_FORM_REGISTER:
    case OBJECT_FORM_REGISTER_EXPIRY:
    case OBJECT_FORM_TOMBSTONE:
    case OBJECT_FORM_COUNTER:
        good = open_small(encoded, &view);
        break;
    default:
        break; // of another version, or no object
    }
    if (good) {
        *ret = view;
    }
    return good;
}

struct slice object_value_bytes(const struct object_value *value, char *text)
{
    if (value->kind != OBJECT_COUNTER) {
        return value->bytes;
    }
    uint8_t *const end = number_write_i64((uint8_t *)text, value->integer);

    return slice_of(text, (size_t)(end - (uint8_t *)text));
}

void object_values(const struct object_view *view, struct object_iterator *ret_iterator)
{
    const struct slice encoded = view->encoded;

    *ret_iterator = (struct object_iterator){.view = view, .left = view->values};
    if (view->form == OBJECT_FORM_GENERAL) {
        ret_iterator->heads = codec_reader_of(
            slice_of(encoded.bytes + view->values_at, encoded.size - view->values_at));
        ret_iterator->tail = codec_reader_of(object_tail(view));
    }
}

bool object_next(struct object_iterator *iterator, struct object_value *ret_value)
{
    if (iterator->left == 0) {
        return false;
    }
    iterator->left--;
    if (iterator->view->form == OBJECT_FORM_GENERAL) {
        read_value(&iterator->heads, &iterator->tail, ret_value);
        CHECK(!iterator->heads.failed && !iterator->tail.failed); // object_open() saw to it
    } else {
        *ret_value = iterator->view->winner;
    }
    return true;
}

void object_history(const struct object_view *view, struct history *ret_history)
{
    ret_history->versions_count = view->versions_count;
    ret_history->dots_count = view->dots_count;
    if (view->form != OBJECT_FORM_GENERAL) {
        ret_history->versions[0] = view->winner.dot;
        return;
    }
    struct codec_reader reader = view_reader(view, view->versions_at);

    for (uint32_t i = 0; i < view->versions_count; i++) {
        ret_history->versions[i] = object_read_dot(&reader);
    }
    reader = view_reader(view, view->dots_at);
    for (uint32_t i = 0; i < view->dots_count; i++) {
        ret_history->dots[i] = object_read_dot(&reader);
    }
    CHECK(!reader.failed);
}

uint64_t object_newest(const struct object_view *view, uint32_t actor)
{
    uint64_t newest = 0;

    if (view->form != OBJECT_FORM_GENERAL) {
        return view->winner.dot.actor == actor ? view->winner.dot.hlc : 0;
    }
    struct codec_reader reader = view_reader(view, view->versions_at);

    for (uint32_t i = 0; i < view->versions_count; i++) {
        const struct dot version = object_read_dot(&reader);

        newest = version.actor == actor ? version.hlc : newest;
    }
    reader = view_reader(view, view->dots_at);
    for (uint32_t i = 0; i < view->dots_count; i++) {
        const struct dot dot = object_read_dot(&reader);

        newest = dot.actor == actor && dot.hlc > newest ? dot.hlc : newest;
    }
    return newest;
}
