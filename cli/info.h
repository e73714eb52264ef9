// The text that INFO answers: "# Section" lines, then "name:value" lines, each ended by CR LF.
#pragma once

#include "core/slice.h"

#include <jansson.h>
#include <stdbool.h>

struct info_line {
    struct slice section; // without "# "
    struct slice name;
    struct slice value;
};

// The next field of the text at *position, which starts at 0 and is moved on; `line` keeps the
// section between calls. False at the end.
bool info_next(struct slice info, size_t *position, struct info_line *line);

// The value of a field, in whatever section. False: there is none.
bool info_find(struct slice info, const char *name, struct slice *ret_value);

// The same as a number, 0 where there is none or it is not one. "0.50%" reads as 0.5.
double info_number(struct slice info, const char *name);

// One part of a value that is written a=1,b=2.
bool info_part(struct slice value, const char *name, struct slice *ret_part);
double info_part_number(struct slice value, const char *name);

// {"section": {"name": value}}: numbers where they are, a=1,b=2 as objects.
json_t *info_json(struct slice info);
