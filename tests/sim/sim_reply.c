#include "tests/sim/sim_reply.h"

#include "core/check.h"
#include "core/number.h"
#include "tests/sim/sim_internal.h"

#include <string.h>

enum { DEPTH_MAX = 16 }; // of nested replies: COMMAND has 10

static const int64_t length_max = INT64_C(1) << 30;

void sim_replies_open(struct sim_replies *replies)
{
    *replies = (struct sim_replies){0};
}

void sim_replies_close(struct sim_replies *replies)
{
    free(replies->bytes);
    *replies = (struct sim_replies){0};
}

void sim_replies_protocol(struct sim_replies *replies, bool resp3)
{
    replies->resp3 = resp3;
}

void sim_replies_feed(struct sim_replies *replies, const void *bytes, size_t size)
{
    if (replies->at == replies->size) {
        replies->at = replies->size = 0;
    }
    if (replies->size + size > replies->capacity) {
        replies->capacity = 2 * (replies->size + size);
        replies->bytes = realloc(replies->bytes, replies->capacity);
        CHECK(replies->bytes != NULL);
    }
    if (size != 0) {
        memcpy(replies->bytes + replies->size, bytes, size);
    }
    replies->size += size;
}

// One value, without those that it holds.
struct value {
    uint8_t mark;
    const uint8_t *text; // behind the mark up to CRLF; of strings their bytes
    size_t size;
    int64_t number; // of integers and lengths
    size_t bytes;   // all of it
};

enum value_status { VALUE_WHOLE, VALUE_CUT, VALUE_WRONG };

static bool mark_has_length(uint8_t mark)
{
    return mark == '$' || mark == '=';
}

static bool mark_is_aggregate(uint8_t mark)
{
    return mark == '*' || mark == '%' || mark == '~' || mark == '>';
}

static bool mark_is_known(const struct sim_replies *replies, uint8_t mark)
{
    return memchr("+-:$*", mark, 5) != NULL ||
           (replies->resp3 && memchr("_%~,#=(>", mark, 8) != NULL);
}

static bool line_is_sound(const struct sim_replies *replies, struct value *value)
{
    const struct slice line = slice_of(value->text, value->size);
    const bool nullable = !replies->resp3 && (value->mark == '$' || value->mark == '*');

    if (memchr(value->text, '\r', value->size) != NULL) {
        return false;
    }
    switch (value->mark) {
    case '+':
    case '-':
        return value->mark == '+' || value->size != 0;
    case '_':
        return value->size == 0;
    case '#':
        value->number = value->size == 1 && value->text[0] == 't';
        return value->size == 1 && (value->text[0] == 't' || value->text[0] == 'f');
    case ',':
    case '(':
        return value->size != 0;
    default: // integers and lengths, in the one way to write them
        return number_parse_i64(line, &value->number) &&
               (value->mark == ':' ||
                (value->number <= length_max && value->number >= (nullable ? -1 : 0)));
    }
}

static enum value_status value_read(const struct sim_replies *replies, size_t at,
                                    struct value *ret_value)
{
    const uint8_t *const bytes = replies->bytes + at;
    const size_t size = replies->size - at;
    const uint8_t *const end = size == 0 ? NULL : memchr(bytes, '\n', size);

    if (size != 0 && !mark_is_known(replies, bytes[0])) {
        return VALUE_WRONG;
    }
    if (end == NULL) {
        return VALUE_CUT;
    }
    struct value value = {.mark = bytes[0], .text = bytes + 1, .size = (size_t)(end - bytes) - 1};

    value.bytes = (size_t)(end - bytes) + 1;
    if (value.size == 0 || end[-1] != '\r') {
        return VALUE_WRONG;
    }
    value.size--;
    if (!line_is_sound(replies, &value)) {
        return VALUE_WRONG;
    }
    if (mark_has_length(value.mark) && value.number >= 0) {
        const size_t length = (size_t)value.number;

        if (size < value.bytes + length + 2) {
            return VALUE_CUT;
        }
        value.text = bytes + value.bytes;
        value.size = length;
        value.bytes += length + 2;
        if (memcmp(value.text + length, "\r\n", 2) != 0 ||
            (value.mark == '=' && (length < 4 || value.text[3] != ':'))) {
            return VALUE_WRONG;
        }
    }
    *ret_value = value;
    return VALUE_WHOLE;
}

static size_t value_elements(const struct value *value)
{
    if (!mark_is_aggregate(value->mark) || value->number < 0) {
        return 0;
    }
    return (size_t)value->number * (value->mark == '%' ? 2 : 1);
}

static enum sim_reply_type value_type(const struct value *value)
{
    static const char marks[] = "+-:$*_%~,#=(>";

    if ((value->mark == '$' || value->mark == '*') && value->number < 0) {
        return SIM_NULL;
    }
    return (enum sim_reply_type)(strchr(marks, value->mark) - marks);
}

static char *text_copy(const uint8_t *bytes, size_t size)
{
    char *const text = sim_allocate(size + 1);

    memcpy(text, bytes, size);
    return text;
}

// Returns where the reply ends. All of it is there.
static size_t reply_make(struct sim_replies *replies, size_t at, uint32_t depth,
                         struct sim_reply *ret_reply)
{
    struct value value;
    const enum value_status status = value_read(replies, at, &value);

    CHECK(status == VALUE_WHOLE);
    const size_t skipped = value.mark == '=' ? 4 : 0;
    const size_t count = value_elements(&value);

    *ret_reply = (struct sim_reply){.type = value_type(&value), .integer = value.number};
    if (depth == DEPTH_MAX) {
        replies->error = "replies nested too deep";
        return at + value.bytes;
    }
    at += value.bytes;
    ret_reply->size = count == 0 && !mark_is_aggregate(value.mark) ? value.size - skipped : 0;
    ret_reply->text = text_copy(value.text + skipped, ret_reply->size);
    ret_reply->count = count;
    ret_reply->elements = sim_allocate(count * sizeof *ret_reply->elements);
    for (size_t i = 0; i < count && replies->error == NULL; i++) {
        at = reply_make(replies, at, depth + 1, &ret_reply->elements[i]);
    }
    return at;
}

static void reply_clear(struct sim_reply *reply)
{
    for (size_t i = 0; i < reply->count; i++) {
        reply_clear(&reply->elements[i]);
    }
    free(reply->elements);
    free(reply->text);
}

void sim_reply_free(struct sim_reply *reply)
{
    if (reply != NULL) {
        reply_clear(reply);
        free(reply);
    }
}

// Goes on through the values of the reply under way until it is whole. Each value is looked at once
// as a part of its reply, however often the bytes were cut.
static bool reply_is_whole(struct sim_replies *replies)
{
    struct value value;

    if (replies->remaining == 0) {
        replies->remaining = 1;
        replies->seen = 0;
    }
    while (replies->remaining != 0) {
        switch (value_read(replies, replies->at + replies->seen, &value)) {
        case VALUE_CUT:
            return false;
        case VALUE_WRONG:
            replies->error = "this is no RESP";
            return false;
        case VALUE_WHOLE:
            replies->seen += value.bytes;
            replies->remaining += value_elements(&value) - 1;
        }
    }
    return true;
}

struct sim_reply *sim_replies_next(struct sim_replies *replies)
{
    if (replies->error != NULL || !reply_is_whole(replies)) {
        return NULL;
    }
    struct sim_reply *const reply = sim_allocate(sizeof *reply);

    replies->at = reply_make(replies, replies->at, 0, reply);
    if (replies->error != NULL) {
        sim_reply_free(reply);
        return NULL;
    }
    return reply;
}
