#include "cli/info.h"

#include "cli/output.h"
#include "cli/render.h"

#include <ctype.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { INFO_NUMBER_SIZE = 40 }; // digits of any number, more is text

static struct slice info_trimmed(const uint8_t *bytes, size_t size)
{
    return slice_of(bytes, size != 0 && bytes[size - 1] == '\r' ? size - 1 : size);
}

bool info_next(struct slice info, size_t *position, struct info_line *line)
{
    while (*position < info.size) {
        const uint8_t *const from = info.bytes + *position;
        const uint8_t *const newline = memchr(from, '\n', info.size - *position);
        const size_t size = newline != NULL ? (size_t)(newline - from) : info.size - *position;
        const struct slice whole = info_trimmed(from, size);

        *position += newline != NULL ? size + 1 : size;
        if (whole.size >= 2 && whole.bytes[0] == '#' && whole.bytes[1] == ' ') {
            line->section = slice_of(whole.bytes + 2, whole.size - 2);
            continue;
        }
        const uint8_t *const colon = whole.size != 0 ? memchr(whole.bytes, ':', whole.size) : NULL;

        if (colon != NULL) {
            const size_t name_size = (size_t)(colon - whole.bytes);

            line->name = slice_of(whole.bytes, name_size);
            line->value = slice_of(colon + 1, whole.size - name_size - 1);
            return true;
        }
    }
    return false;
}

bool info_find(struct slice info, const char *name, struct slice *ret_value)
{
    const struct slice wanted = slice_from_text(name);
    struct info_line line = {.section = {NULL, 0}};
    size_t position = 0;

    while (info_next(info, &position, &line)) {
        if (slice_equal(line.name, wanted)) {
            *ret_value = line.value;
            return true;
        }
    }
    return false;
}

// Whether the whole value is a number; `percent` allows one sign at its end.
static bool info_is_number(struct slice value, bool percent, double *ret_number)
{
    char digits[INFO_NUMBER_SIZE];
    char *end = NULL;

    if (value.size == 0 || value.size >= sizeof digits ||
        (!isdigit(value.bytes[0]) && value.bytes[0] != '-')) {
        return false;
    }
    memcpy(digits, value.bytes, value.size);
    digits[value.size] = '\0';
    if (strspn(digits, "-0123456789.eE+%") != value.size) {
        return false;
    }
    const double number = strtod(digits, &end);

    // What is beyond all numbers is a text: JSON has no infinity.
    if (!isfinite(number) || (*end != '\0' && !(percent && strcmp(end, "%") == 0))) {
        return false;
    }
    *ret_number = number;
    return true;
}

double info_number(struct slice info, const char *name)
{
    struct slice value;
    double number = 0;

    return info_find(info, name, &value) && info_is_number(value, true, &number) ? number : 0;
}

// Takes the next a=1 of a value; false when there is none, or it is not written so.
static bool info_next_part(struct slice value, size_t *position, struct slice *ret_name,
                           struct slice *ret_part)
{
    if (*position >= value.size) {
        return false;
    }
    const uint8_t *const from = value.bytes + *position;
    const size_t left = value.size - *position;
    const uint8_t *const comma = memchr(from, ',', left);
    const size_t size = comma != NULL ? (size_t)(comma - from) : left;
    const uint8_t *const equals = memchr(from, '=', size);

    if (equals == NULL || equals == from) {
        return false;
    }
    *ret_name = slice_of(from, (size_t)(equals - from));
    *ret_part = slice_of(equals + 1, size - ret_name->size - 1);
    *position += comma != NULL ? size + 1 : size;
    return true;
}

bool info_part(struct slice value, const char *name, struct slice *ret_part)
{
    const struct slice wanted = slice_from_text(name);
    struct slice found;
    struct slice part;
    size_t position = 0;

    while (info_next_part(value, &position, &found, &part)) {
        if (slice_equal(found, wanted)) {
            *ret_part = part;
            return true;
        }
    }
    return false;
}

double info_part_number(struct slice value, const char *name)
{
    struct slice part;
    double number = 0;

    return info_part(value, name, &part) && info_is_number(part, true, &number) ? number : 0;
}

static json_t *info_scalar_json(struct slice value)
{
    double number = 0;
    // The zeros of redis_git_sha1:00000000 are not the number 0.
    const bool padded = value.size > 1 && value.bytes[0] == '0' && isdigit(value.bytes[1]);

    if (padded || !info_is_number(value, false, &number)) {
        return render_bytes(value.bytes, value.size);
    }
    // What has neither point nor exponent and fits is whole.
    for (size_t i = 0; i < value.size; i++) {
        if (!isdigit(value.bytes[i]) && value.bytes[i] != '-') {
            return json_real(number);
        }
    }
    char digits[INFO_NUMBER_SIZE];

    memcpy(digits, value.bytes, value.size);
    digits[value.size] = '\0';
    return number < 9.2e18 && number > -9.2e18 ? json_integer(strtoll(digits, NULL, 10))
                                               : json_real(number);
}

// Sets the member of that name, with what is no text of it escaped; takes the value.
static void info_set(json_t *object, struct slice name, json_t *value)
{
    struct text key = output_text();

    output_printable(&key, name.bytes, name.size);
    json_object_set_new(object, text_c(&key), value);
    text_free(&key);
}

static json_t *info_value_json(struct slice value)
{
    json_t *const parts = json_object();
    struct slice name;
    struct slice part;
    size_t position = 0;

    while (info_next_part(value, &position, &name, &part)) {
        info_set(parts, name, info_scalar_json(part));
    }
    if (value.size != 0 && position == value.size) {
        return parts;
    }
    json_decref(parts);
    return info_scalar_json(value);
}

// The object of the fields of that section, which is made when it is the first of them.
static json_t *info_section(json_t *document, struct slice name)
{
    struct text key = output_text();

    output_printable(&key, name.bytes, name.size);
    for (size_t i = 0; i < key.size; i++) {
        key.bytes[i] = (char)tolower((unsigned char)key.bytes[i]);
    }
    json_t *fields = json_object_get(document, text_c(&key));

    if (fields == NULL) {
        fields = json_object();
        json_object_set_new(document, text_c(&key), fields);
    }
    text_free(&key);
    return fields;
}

json_t *info_json(struct slice info)
{
    json_t *const document = json_object();
    struct info_line line = {.section = slice_from_text("info")};
    size_t position = 0;

    while (info_next(info, &position, &line)) {
        info_set(info_section(document, line.section), line.name, info_value_json(line.value));
    }
    return document;
}
