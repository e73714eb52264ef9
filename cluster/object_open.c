// Whether bytes are an object: nothing that comes after this looks at their validity again.

#include "cluster/object.h"

#include "cluster/object_event.h"

struct base_id {
    struct dot dot;
    int64_t integer;
};

// What open_general() has to remember between values.
struct opening {
    struct object_view *view;
    struct codec_reader reader;
    struct causal_history history;
    uint32_t bases_count;
    struct dot dots[LIMIT_OBJECT_EVENTS];      // of the view's events
    struct base_id bases[LIMIT_OBJECT_EVENTS]; // of counters
    struct object_head head;                   // of the value read last
    struct object_event sum;                   // and its newest sum
    uint64_t hlc_max;                          // values come newest first
    uint64_t tail_size;                        // of the registers so far
    uint64_t winner_size;                      // of the first value's bytes
    bool winner_to_end;                        // unless they are the last ones
    bool registers;                            // there was one
    bool to_end;                               // and the last one, which takes all that is left
    bool endless;                              // some value never expires
};

// An event may be there once, and has been seen.
static bool open_event(struct opening *opening, struct dot dot, uint64_t hlc_max)
{
    const uint32_t count = opening->view->events;

    if (dot.hlc == 0 || dot.hlc > hlc_max || count == LIMIT_OBJECT_EVENTS ||
        !causal_history_covers(&opening->history, dot)) {
        return false;
    }
    for (uint32_t i = 0; i < count; i++) {
        if (dot_equal(opening->dots[i], dot)) {
            return false;
        }
    }
    opening->dots[count] = dot;
    opening->view->events = count + 1;
    return true;
}

// All that counts on one base is one counter.
static bool open_base(struct opening *opening, const struct object_head *head)
{
    const struct base_id base = {.dot = head->dot, .integer = head->base_integer};

    for (uint32_t i = 0; i < opening->bases_count; i++) {
        if (dot_equal(opening->bases[i].dot, base.dot) &&
            opening->bases[i].integer == base.integer) {
            return false;
        }
    }
    opening->bases[opening->bases_count++] = base; // no more than values
    return true;
}

// The events of a counter. Its dot is that of the newest sum.
static bool open_counter(struct opening *opening, struct object_value *value)
{
    const struct object_head *const head = &opening->head;
    struct object_expiry expiry = head->expiry;
    uint64_t total = head->base_stored ? (uint64_t)head->base_integer : 0;
    uint64_t hlc_max = DOT_HLC_MAX;

    if (!open_base(opening, head) ||
        (head->base_stored && !open_event(opening, head->dot, DOT_HLC_MAX))) {
        return false;
    }
    for (uint64_t i = 0; i < head->sums; i++) {
        struct object_event sum;

        object_read_sum(&opening->reader, head, &sum);
        if (opening->reader.failed || !open_event(opening, sum.dot, hlc_max)) {
            return false;
        }
        hlc_max = sum.dot.hlc;
        total += (uint64_t)sum.sum;
        if (object_expiry_holds(&sum.expiry, &expiry, NULL)) {
            expiry = sum.expiry;
        }
        if (i == 0) {
            opening->sum = sum;
            value->dot = sum.dot;
        }
    }
    value->integer = (int64_t)total;
    value->expire_ms = expiry.at_ms;
    return true;
}

static bool open_register(struct opening *opening)
{
    if (opening->to_end) {
        return false; // the last one was to be the last
    }
    opening->registers = true;
    opening->to_end = opening->head.to_end;
    opening->tail_size += opening->head.bytes_size;
    // Also keeps the sum of sizes from overflowing.
    return opening->tail_size <= codec_reader_left(&opening->reader);
}

// Checks one value; the reader is then at the next one.
static bool open_value(struct opening *opening)
{
    struct object_view *const view = opening->view;
    struct object_head *const head = &opening->head;

    object_read_head(&opening->reader, head);
    if (opening->reader.failed) {
        return false;
    }
    struct object_value value = {
        .kind = head->kind, .dot = head->dot, .expire_ms = head->expiry.at_ms};

    if (head->kind == OBJECT_COUNTER ? !open_counter(opening, &value)
                                     : !open_event(opening, head->dot, DOT_HLC_MAX)) {
        return false;
    }
    if (value.dot.hlc > opening->hlc_max ||
        (head->kind == OBJECT_REGISTER && !open_register(opening))) {
        return false;
    }
    opening->hlc_max = value.dot.hlc;
    if (view->values++ == 0) {
        view->winner = value;
        opening->winner_size = head->bytes_size;
        opening->winner_to_end = head->to_end;
    }
    if (head->kind == OBJECT_TOMBSTONE) {
        view->tombstones++;
    } else {
        opening->endless |= value.expire_ms == 0;
        view->reap_ms = value.expire_ms > view->reap_ms ? value.expire_ms : view->reap_ms;
    }
    return true;
}

static bool open_history(struct opening *opening)
{
    struct codec_reader *const reader = &opening->reader;
    struct object_view *const view = opening->view;
    struct causal_history *const history = &opening->history;
    const uint64_t versions = codec_read_varint(reader);

    causal_history_init(history);
    view->versions_at = (uint32_t)(reader->at - view->encoded.bytes);
    if (versions < 1 || versions > LIMIT_OBJECT_VERSIONS) {
        return false;
    }
    for (uint32_t i = 0; i < versions; i++) {
        history->versions[i] = object_read_dot(reader);
        if (reader->failed ||
            (i != 0 && history->versions[i].actor <= history->versions[i - 1].actor)) {
            return false;
        }
    }
    history->versions_count = (uint32_t)versions;
    const uint64_t dots = codec_read_varint(reader);

    view->dots_at = (uint32_t)(reader->at - view->encoded.bytes);
    if (dots > LIMIT_HISTORY_DOTS) {
        return false;
    }
    for (uint32_t i = 0; i < dots; i++) {
        const struct dot dot = object_read_dot(reader);

        // Ascending, and none that the vector has.
        if (reader->failed ||
            (i != 0 &&
             (dot.actor < history->dots[i - 1].actor ||
              (dot.actor == history->dots[i - 1].actor && dot.hlc <= history->dots[i - 1].hlc))) ||
            causal_history_version(history, dot.actor) >= dot.hlc) {
            return false;
        }
        history->dots[i] = dot;
    }
    history->dots_count = (uint32_t)dots;
    view->versions_count = (uint32_t)versions;
    view->dots_count = (uint32_t)dots;
    return !reader->failed;
}

// Whether the object, which is well-formed otherwise, should have had one of the other forms.
static bool fits_smaller_form(const struct opening *opening)
{
    const struct dot version = opening->history.versions[0];
    const struct object_head *const head = &opening->head;
    const struct object_event *const sum = &opening->sum;

    if (opening->history.versions_count != 1 || opening->history.dots_count != 0 ||
        opening->view->values != 1) {
        return false;
    }
    if (head->kind != OBJECT_COUNTER) {
        return dot_equal(head->dot, version) &&
               (head->expiry.stamp.hlc == 0 || head->expiry.stamp.actor == version.actor);
    }
    return head->sums == 1 && head->expiry.stamp.hlc == 0 && dot_equal(sum->dot, version) &&
           sum->expiry.stamp.hlc == 0 && head->base_stored == (head->base_integer != 0) &&
           (head->dot.hlc == 0 ||
            (head->dot.actor == version.actor && head->dot.hlc < version.hlc));
}

static bool open_general(struct slice encoded, struct object_view *view)
{
    struct opening opening;

    opening.view = view;
    opening.reader = codec_reader_of(encoded);
    opening.bases_count = 0;
    opening.hlc_max = DOT_HLC_MAX;
    opening.tail_size = 0;
    opening.winner_size = 0;
    opening.winner_to_end = false;
    opening.registers = false;
    opening.to_end = false;
    opening.endless = false;
    codec_read_u8(&opening.reader);
    if (!open_history(&opening)) {
        return false;
    }
    const uint64_t values = codec_read_varint(&opening.reader);

    if (opening.reader.failed || values > LIMIT_OBJECT_EVENTS) {
        return false;
    }
    view->values_at = (uint32_t)(opening.reader.at - encoded.bytes);
    view->winner.kind = OBJECT_TOMBSTONE; // unless there are values
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
    view->tail_at = (uint32_t)(encoded.size - left);
    view->reap_ms = opening.endless ? 0 : view->reap_ms;
    if (view->winner.kind == OBJECT_REGISTER) {
        view->winner.bytes =
            slice_of(opening.reader.at, opening.winner_to_end ? left : opening.winner_size);
    }
    return !fits_smaller_form(&opening);
}

// Forms 1 to 5: tag, actor, hlc, as many 64-bit words as `words`, and a register's bytes.
static bool open_small(struct slice encoded, size_t words, struct object_view *view)
{
    struct codec_reader reader = codec_reader_of(encoded);
    struct object_value *const winner = &view->winner;
    uint64_t word[3] = {0};

    codec_read_u8(&reader);
    winner->dot = object_read_dot(&reader);
    for (size_t i = 0; i < words; i++) {
        word[i] = codec_read_u64(&reader);
    }
    view->tail_at = (uint32_t)(reader.at - encoded.bytes);
    view->values = 1;
    view->events = 1;
    view->versions_count = 1;
    if (reader.failed) {
        return false;
    }
    switch (view->form) {
    case OBJECT_FORM_TOMBSTONE:
        winner->kind = OBJECT_TOMBSTONE;
        view->tombstones = 1;
        return codec_reader_left(&reader) == 0;
    case OBJECT_FORM_COUNTER: // base id's hlc and integer, sum
        winner->kind = OBJECT_COUNTER;
        winner->integer = (int64_t)(word[1] + word[2]);
        view->events = word[1] != 0 ? 2 : 1;
        return codec_reader_left(&reader) == 0 && word[0] < winner->dot.hlc &&
               (word[0] != 0 || word[1] == 0);
    case OBJECT_FORM_REGISTER_EXPIRY:  // expire_ms
    case OBJECT_FORM_REGISTER_STAMPED: // expire_ms, hlc of its stamp
        winner->expire_ms = word[0];
        view->reap_ms = word[0];
        break;
    case OBJECT_FORM_REGISTER:
    case OBJECT_FORM_GENERAL:
        break;
    }
    winner->bytes = slice_of(reader.at, codec_reader_left(&reader));
    return view->form != OBJECT_FORM_REGISTER_STAMPED ||
           (word[1] != 0 && word[1] <= DOT_HLC_MAX && word[1] != winner->dot.hlc);
}

// Field by field: gcc zeroes a struct of this size with "rep stos", which costs 30 ns.
static inline void view_init(struct object_view *view, struct slice encoded, uint8_t form)
{
    view->encoded = encoded;
    view->winner.bytes = slice_of(NULL, 0);
    view->winner.integer = 0;
    view->winner.expire_ms = 0;
    view->winner.dot = (struct dot){0};
    view->winner.kind = OBJECT_REGISTER;
    view->reap_ms = 0;
    view->values = 0;
    view->tombstones = 0;
    view->events = 0;
    view->form = form;
    view->versions_at = 0;
    view->dots_at = 0;
    view->values_at = 0;
    view->tail_at = 0;
    view->versions_count = 0;
    view->dots_count = 0;
}

bool object_open_any(struct slice encoded, struct object_view *ret)
{
    static const uint8_t words[] = {
        [OBJECT_FORM_REGISTER - OBJECT_FORM_GENERAL] = 0,
        [OBJECT_FORM_REGISTER_EXPIRY - OBJECT_FORM_GENERAL] = 1,
        [OBJECT_FORM_TOMBSTONE - OBJECT_FORM_GENERAL] = 0,
        [OBJECT_FORM_COUNTER - OBJECT_FORM_GENERAL] = 3,
        [OBJECT_FORM_REGISTER_STAMPED - OBJECT_FORM_GENERAL] = 2,
    };

    if (encoded.size == 0 || encoded.size > UINT32_MAX) {
        return false;
    }
    const uint8_t form = encoded.bytes[0];

    if (form < OBJECT_FORM_GENERAL || (size_t)(form - OBJECT_FORM_GENERAL) >= sizeof words) {
        return false; // of another version, or no object
    }
    view_init(ret, encoded, form);
    return form == OBJECT_FORM_GENERAL
               ? open_general(encoded, ret)
               : open_small(encoded, words[form - OBJECT_FORM_GENERAL], ret);
}
