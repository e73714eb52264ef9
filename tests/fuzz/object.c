// Objects: whatever the bytes, opening refuses them or gives an object that can be read, written
// over and merged with another, and what comes out of that opens again. The input is two objects: a
// byte that says how long the first is, the first, the second.

#include "cluster/object.h"

#include "core/check.h"

#include <errno.h>
#include <stdlib.h>

enum { ACTORS = 4, NOW_MS = 1000 };

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

// A copy in a block of its own size, so that ASan sees a read past its end. Freed by the caller.
static uint8_t *exact_copy(const uint8_t *bytes, size_t size)
{
    uint8_t *const copy = malloc(size != 0 ? size : 1);

    CHECK(copy != NULL);
    if (size != 0) {
        memcpy(copy, bytes, size);
    }
    return copy;
}

static void must_open(const uint8_t *bytes, size_t size, struct slice tail)
{
    uint8_t *const whole = malloc(size + tail.size + 1);
    struct object_view view;

    CHECK(whole != NULL);
    memcpy(whole, bytes, size);
    if (tail.size != 0) {
        memcpy(whole + size, tail.bytes, tail.size);
    }
    CHECK(object_open(slice_of(whole, size + tail.size), &view));
    free(whole);
}

static void read_object(const struct object_view *view)
{
    struct object_iterator iterator;
    struct object_value value;
    struct causal_history history;
    char text[NUMBER_I64_BYTES_MAX];
    uint32_t values = 0;
    uint64_t hlc = DOT_HLC_MAX;

    object_values(view, &iterator);
    while (object_next(&iterator, &value)) {
        const struct slice shown = object_value_bytes(&value, text);

        CHECK(value.kind == OBJECT_COUNTER || shown.size == 0 ||
              (shown.bytes >= view->encoded.bytes &&
               shown.bytes + shown.size <= view->encoded.bytes + view->encoded.size));
        CHECK(value.dot.hlc <= hlc);
        if (values++ == 0) {
            CHECK(dot_equal(value.dot, view->winner.dot) && value.kind == view->winner.kind);
            CHECK(slice_equal(value.bytes, view->winner.bytes));
            CHECK(value.integer == view->winner.integer);
            CHECK(value.expire_ms == object_expire_ms(view));
        }
        hlc = value.dot.hlc;
    }
    CHECK(values == view->values && view->tombstones <= values);
    object_history(view, &history);
    CHECK(history.versions_count >= 1 && history.versions_count <= LIMIT_OBJECT_VERSIONS);
    for (uint32_t i = 0; i < history.versions_count; i++) {
        CHECK(object_newest(view, history.versions[i].actor) >= history.versions[i].hlc);
    }
}

static void write_over(const struct object_view *view, const struct actor_table *actors)
{
    const struct dot dot = {.hlc = DOT_HLC_MAX, .actor = 1};
    const size_t capacity = object_head_bound(view);
    uint8_t *const head = malloc(capacity);
    const struct slice none = slice_of(NULL, 0);
    int64_t total = 0;
    size_t size = 0;

    CHECK(head != NULL);
    if (object_write_register(head, capacity, view, dot, 0, &size) == 0) {
        must_open(head, size, slice_from_text("value"));
    }
    if (object_write_register(head, capacity, view, dot, 77, &size) == 0) {
        must_open(head, size, none);
    }
    if (object_write_tombstone(head, capacity, view, dot, &size) == 0) {
        must_open(head, size, none);
    }
    if (object_write_counter(head, capacity, actors, view, dot, 5, NOW_MS, &total, &size) == 0) {
        must_open(head, size, none);
    }
    if (object_write_expiry(head, capacity, view, dot, 88, &size) == 0) {
        must_open(head, size, object_tail(view));
    }
    free(head);
}

static void put_and_delete(const struct object_view *view, const struct causal_history *context,
                           const struct actor_table *actors)
{
    const struct object_put put = {.old = view,
                                   .context = context,
                                   .dot = {.hlc = DOT_HLC_MAX, .actor = 2},
                                   .value = slice_from_text("put"),
                                   .now_ms = NOW_MS};
    const size_t capacity = object_put_bound(view, context, put.value.size);
    uint8_t *const out = malloc(capacity);
    struct causal_history after;
    bool removed = false;
    size_t size = 0;
    int error = object_put_with_context(actors, &put, out, capacity, &size, &after);

    CHECK(out != NULL);
    CHECK(error != -ENOBUFS);
    if (error == 0) {
        must_open(out, size, slice_of(NULL, 0));
        CHECK(causal_history_covers(&after, put.dot));
    }
    error = object_delete_with_context(actors, &put, out, capacity, &size, &removed);
    CHECK(error != -ENOBUFS);
    if (error == 0) {
        must_open(out, size, slice_of(NULL, 0));
    }
    free(out);
}

static void merge(const struct object_view *a, const struct object_view *b,
                  const struct actor_table *actors)
{
    const size_t capacity = object_merge_bound(a, b);
    uint8_t *const ab = malloc(capacity);
    uint8_t *const ba = malloc(capacity);
    size_t ab_size = 0;
    size_t ba_size = 0;

    CHECK(ab != NULL && ba != NULL);
    const int error = object_merge(actors, a, b, ab, capacity, &ab_size);

    CHECK(error == 0 || error == -EOVERFLOW);
    CHECK(object_merge(actors, b, a, ba, capacity, &ba_size) == error);
    if (error == 0) {
        CHECK(slice_equal(slice_of(ab, ab_size), slice_of(ba, ba_size)));
        must_open(ab, ab_size, slice_of(NULL, 0));
    }
    free(ab);
    free(ba);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    const size_t first_size = size == 0 ? 0 : bytes[0] < size - 1 ? bytes[0] : size - 1;
    uint8_t *const first = exact_copy(bytes + 1, first_size);
    uint8_t *const second =
        size == 0 ? exact_copy(NULL, 0) : exact_copy(bytes + 1 + first_size, size - 1 - first_size);
    const size_t second_size = size == 0 ? 0 : size - 1 - first_size;
    struct actor_table actors;
    struct object_view a;
    struct object_view b;

    actor_table_init(&actors);
    for (uint32_t i = 0; i < ACTORS; i++) {
        const struct actor_id id = {.vnode_id = ACTORS - i};
        uint32_t index = 0;

        CHECK(actor_table_enter(&actors, &id, &index) == 0);
    }
    const bool a_good = object_open(slice_of(first, first_size), &a);
    const bool b_good = object_open(slice_of(second, second_size), &b);

    if (a_good) {
        struct causal_history context;

        read_object(&a);
        write_over(&a, &actors);
        merge(&a, &a, &actors);
        object_history(&a, &context);
        put_and_delete(&a, NULL, &actors);
        put_and_delete(&a, &context, &actors);
        if (b_good) {
            put_and_delete(&b, &context, &actors);
            merge(&a, &b, &actors);
        }
    }
    actor_table_free(&actors);
    free(first);
    free(second);
    return 0;
}
