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

void object_history(const struct object_view *view, struct causal_history *ret_history)
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
