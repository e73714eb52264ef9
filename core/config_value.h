// One value of the configuration, between its text and its field. config_value.c reads,
// config_text.c writes. Of the other files only those of core/config_*.c include this.
#pragma once

#include "core/config.h"
#include "core/slice.h"
#include "core/text.h"

#include <stdbool.h>

struct config_scalar {
    struct slice text;
    bool quoted; // written in quotes: "5" is a text, 5 a number
};

// The units that a key's numbers may have, ascending, ended by one without name.
struct config_unit {
    const char *name;
    uint64_t factor;
};

extern const struct config_unit config_size_units[];
extern const struct config_unit config_time_units[];
extern const struct config_unit config_no_units[];

const struct config_unit *config_units(const struct config_key *key);

// Letters, digits, '.', '_', '-'.
bool config_is_name_byte(uint8_t byte);

// Empties the field of a list; other fields stay as they are.
void config_value_begin(struct config *config, const struct config_key *key);

// Takes a scalar: the value, or one of the list (in_list) that the value is. 0, or -EINVAL with
// what is wrong and what was expected in ret_problem.
int config_value_scalar(struct config *config, const struct config_key *key,
                        const struct config_scalar *scalar, bool in_list, struct text *ret_problem);

// After the last scalar of a list.
int config_value_list_end(struct config *config, const struct config_key *key,
                          struct text *ret_problem);

// Whether the key takes a list.
bool config_value_is_list(const struct config_key *key);

// Appends what the key takes: "a size from 1MiB to 1GiB, such as 64MiB".
void config_value_expected(const struct config_key *key, struct text *text);

// Appends a text from outside in quotes, cut and without control bytes.
void config_value_quote(struct text *text, struct slice value);
