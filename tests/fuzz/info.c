// Any bytes as the answer to INFO: what is found lies in the text, all ways to look find the same,
// and the JSON made of it is JSON.
#include "cli/info.h"

#include "core/check.h"

#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

enum { NAME_BYTES_MAX = 64 };

static bool lies_in(struct slice part, struct slice whole)
{
    return part.bytes >= whole.bytes && part.bytes + part.size <= whole.bytes + whole.size;
}

// Of the first field of a name, which is what is found by it.
static void check_first(struct slice info, const struct info_line *line, const char *name)
{
    struct slice value;

    CHECK(info_find(info, name, &value));
    CHECK(value.bytes <= line->value.bytes);
    CHECK(!isnan(info_number(info, name)) && !isinf(info_number(info, name)));
    CHECK(!isnan(info_part_number(value, name)) && !isinf(info_part_number(value, name)));
    if (info_part(line->value, name, &value)) {
        CHECK(lies_in(value, line->value));
        CHECK(value.size == 0 || memchr(value.bytes, ',', value.size) == NULL);
    }
}

static void check_line(struct slice info, const struct info_line *line)
{
    char name[NAME_BYTES_MAX];

    CHECK(lies_in(line->name, info) && lies_in(line->value, info));
    CHECK(line->name.size == 0 || memchr(line->name.bytes, ':', line->name.size) == NULL);
    CHECK(line->value.size == 0 || memchr(line->value.bytes, '\n', line->value.size) == NULL);
    CHECK(line->section.size == 0 || lies_in(line->section, info));
    if (line->name.size < sizeof name &&
        (line->name.size == 0 || memchr(line->name.bytes, '\0', line->name.size) == NULL)) {
        memcpy(name, line->name.bytes, line->name.size);
        name[line->name.size] = '\0';
        check_first(info, line, name);
    }
}

// Whatever is in the text is in the document, and the document can be written and read.
static void check_json(struct slice info, uint64_t lines)
{
    json_t *const document = info_json(info);
    json_error_t error;
    const char *section = NULL;
    json_t *fields = NULL;
    uint64_t members = 0;

    CHECK(json_is_object(document));
    json_object_foreach(document, section, fields)
    {
        CHECK(json_is_object(fields) && json_object_size(fields) > 0);
        members += json_object_size(fields);
    }
    CHECK(members <= lines && (members > 0) == (lines > 0));
    char *const text = json_dumps(document, JSON_COMPACT);

    CHECK(text != NULL);
    json_t *const again = json_loads(text, JSON_ALLOW_NUL, &error);

    CHECK(again != NULL && json_equal(document, again));
    json_decref(again);
    json_decref(document);
    free(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    const struct slice info = slice_of(bytes, size);
    struct info_line line = {.section = {NULL, 0}};
    size_t position = 0, before = 0;
    uint64_t lines = 0;

    while (info_next(info, &position, &line)) {
        CHECK(position > before && position <= size);
        before = position;
        check_line(info, &line);
        lines++;
    }
    check_json(info, lines);
    return 0;
}
