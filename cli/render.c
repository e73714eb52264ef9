#include "cli/render.h"

#include "cli/base64.h"
#include "cli/output.h"
#include "core/check.h"

#include <stdio.h>
#include <string.h>

// Fields of RLDB.* replies whose values are lists, whatever their elements look like.
static const char *const LIST_FIELDS[] = {
    "addresses", "cpus",     "fallbacks", "nodes",  "partitions", "preference", "preference_list",
    "primaries", "replicas", "seeds",     "shards", "slots",      "values",
};

static void render_array(const redisReply *reply, bool colored, size_t indent,
                         struct text *ret_text);

// `indent` is where the lines of a nested array begin; the first line stands there already.
static void render_indented(const redisReply *reply, bool colored, size_t indent,
                            struct text *ret_text)
{
    char number[40];

    switch (reply->type) {
    case REDIS_REPLY_ARRAY:
        render_array(reply, colored, indent, ret_text);
        return;
    case REDIS_REPLY_INTEGER:
        snprintf(number, sizeof number, "(integer) %lld", reply->integer);
        output_color(ret_text, colored, COLOR_CYAN, number);
        break;
    case REDIS_REPLY_NIL:
        output_color(ret_text, colored, COLOR_DIM, "(nil)");
        break;
    case REDIS_REPLY_ERROR:
        output_color(ret_text, colored, COLOR_RED, "(error) ");
        output_printable(ret_text, reply->str, reply->len);
        break;
    case REDIS_REPLY_STATUS:
        output_printable(ret_text, reply->str, reply->len);
        break;
    default:
        CHECK(reply->type == REDIS_REPLY_STRING);
        output_quoted(ret_text, reply->str, reply->len);
        break;
    }
    output_char(ret_text, '\n');
}

static void render_array(const redisReply *reply, bool colored, size_t indent,
                         struct text *ret_text)
{
    char label[40];
    const int width = snprintf(label, sizeof label, "%zu", reply->elements);

    if (reply->elements == 0) {
        output_color(ret_text, colored, COLOR_DIM, "(empty array)");
        output_char(ret_text, '\n');
        return;
    }
    for (size_t i = 0; i < reply->elements; i++) {
        if (i != 0) {
            output_repeat(ret_text, ' ', indent);
        }
        snprintf(label, sizeof label, "%*zu) ", width, i + 1);
        output_color(ret_text, colored, COLOR_DIM, label);
        render_indented(reply->element[i], colored, indent + (size_t)width + 2, ret_text);
    }
}

void render_reply(const redisReply *reply, bool colored, struct text *ret_text)
{
    render_indented(reply, colored, 0, ret_text);
}

json_t *render_bytes(const void *bytes, size_t size)
{
    if (output_is_utf8(bytes, size)) {
        return json_stringn_nocheck(size != 0 ? bytes : "", size);
    }
    struct text encoded = output_text();

    base64_encode(bytes, size, &encoded);
    json_t *const object = json_pack("{s:s}", "base64", text_c(&encoded));

    text_free(&encoded);
    return object;
}

static json_t *render_scalar(const redisReply *reply)
{
    switch (reply->type) {
    case REDIS_REPLY_INTEGER:
        return json_integer(reply->integer);
    case REDIS_REPLY_NIL:
        return json_null();
    case REDIS_REPLY_ERROR:
        return json_pack("{s:o}", "error", render_bytes(reply->str, reply->len));
    default:
        CHECK(reply->type == REDIS_REPLY_STRING || reply->type == REDIS_REPLY_STATUS);
        return render_bytes(reply->str, reply->len);
    }
}

json_t *render_json(const redisReply *reply)
{
    if (reply->type != REDIS_REPLY_ARRAY) {
        return render_scalar(reply);
    }
    json_t *const list = json_array();

    for (size_t i = 0; i < reply->elements; i++) {
        json_array_append_new(list, render_json(reply->element[i]));
    }
    return list;
}

static bool render_is_name(const redisReply *reply)
{
    if ((reply->type != REDIS_REPLY_STRING && reply->type != REDIS_REPLY_STATUS) ||
        reply->len == 0 || reply->str[0] < 'a' || reply->str[0] > 'z') {
        return false;
    }
    return strspn(reply->str, "abcdefghijklmnopqrstuvwxyz0123456789_") == reply->len;
}

static bool render_is_map(const redisReply *reply)
{
    if (reply->type != REDIS_REPLY_ARRAY || reply->elements == 0 || reply->elements % 2 != 0) {
        return false;
    }
    for (size_t i = 0; i < reply->elements; i += 2) {
        if (!render_is_name(reply->element[i])) {
            return false;
        }
        for (size_t before = 0; before < i; before += 2) {
            if (strcmp(reply->element[before]->str, reply->element[i]->str) == 0) {
                return false;
            }
        }
    }
    return true;
}

static bool render_is_list_field(const char *name)
{
    for (size_t i = 0; i < sizeof LIST_FIELDS / sizeof LIST_FIELDS[0]; i++) {
        if (strcmp(LIST_FIELDS[i], name) == 0) {
            return true;
        }
    }
    return false;
}

// `list`: this is one, whatever it looks like.
static json_t *render_document_part(const redisReply *reply, bool list)
{
    if (reply->type != REDIS_REPLY_ARRAY) {
        return render_scalar(reply);
    }
    if (!list && render_is_map(reply)) {
        json_t *const object = json_object();

        for (size_t i = 0; i < reply->elements; i += 2) {
            const char *const name = reply->element[i]->str;

            json_object_set_new(
                object, name,
                render_document_part(reply->element[i + 1], render_is_list_field(name)));
        }
        return object;
    }
    json_t *const array = json_array();

    for (size_t i = 0; i < reply->elements; i++) {
        json_array_append_new(array, render_document_part(reply->element[i], false));
    }
    return array;
}

json_t *render_document_json(const redisReply *reply)
{
    return render_document_part(reply, false);
}

const redisReply *render_field(const redisReply *map, const char *name)
{
    if (map->type != REDIS_REPLY_ARRAY) {
        return NULL;
    }
    for (size_t i = 0; i + 1 < map->elements; i += 2) {
        const redisReply *const field = map->element[i];

        if ((field->type == REDIS_REPLY_STRING || field->type == REDIS_REPLY_STATUS) &&
            strcmp(field->str, name) == 0) {
            return map->element[i + 1];
        }
    }
    return NULL;
}
