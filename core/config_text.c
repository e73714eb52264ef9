// The configuration as text: what a key takes, and what a field holds.
#include "core/config_value.h"

#include "core/check.h"

#include <inttypes.h>
#include <string.h>

enum {
    QUOTE_BYTES = 40, // of a value that a message repeats
};

// Ascending, so that a value is written with the largest that divides it.
const struct config_unit config_size_units[] = {
    {"B", 1},
    {"KiB", UINT64_C(1) << 10},
    {"MiB", UINT64_C(1) << 20},
    {"GiB", UINT64_C(1) << 30},
    {"TiB", UINT64_C(1) << 40},
    {NULL, 0},
};

const struct config_unit config_time_units[] = {
    {"ns", 1},
    {"us", 1000},
    {"ms", 1000 * 1000},
    {"s", 1000 * 1000 * 1000},
    {"m", UINT64_C(60) * 1000 * 1000 * 1000},
    {"h", UINT64_C(3600) * 1000 * 1000 * 1000},
    {NULL, 0},
};

static const struct config_unit percent_units[] = {{"%", 1}, {NULL, 0}};
const struct config_unit config_no_units[] = {{NULL, 0}};

const struct config_unit *config_units(const struct config_key *key)
{
    switch (key->type) {
    case CONFIG_SIZE:
        return config_size_units;
    case CONFIG_TIME:
        return config_time_units;
    case CONFIG_PERCENT:
        return percent_units;
    default:
        return config_no_units;
    }
}

bool config_is_name_byte(uint8_t byte)
{
    return (byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z') ||
           (byte >= '0' && byte <= '9') || byte == '.' || byte == '_' || byte == '-';
}

void config_value_quote(struct text *text, struct slice value)
{
    const size_t size = value.size < QUOTE_BYTES ? value.size : QUOTE_BYTES;

    text_string(text, "\"");
    for (size_t i = 0; i < size; i++) {
        const uint8_t byte = value.bytes[i];
        text_append(text, byte < ' ' || byte == 0x7f ? "?" : (const char *)&byte, 1);
    }
    text_string(text, size < value.size ? "...\"" : "\"");
}

// A number in the largest unit that divides it.
static void config_number_text(struct text *text, const struct config_unit *units, uint64_t value)
{
    const struct config_unit *best = NULL;

    for (const struct config_unit *unit = units; unit->name != NULL; unit++) {
        if (value % unit->factor == 0) {
            best = unit;
        }
    }
    if (value == 0 && units != percent_units) {
        best = NULL; // 0 needs no unit
    }
    text_u64(text, best == NULL ? value : value / best->factor);
    text_string(text, best == NULL ? "" : best->name);
}

static void config_expected_range(const struct config_key *key, const char *what, struct text *text)
{
    const struct config_unit *units = config_units(key);

    text_printf(text, "%s from ", what);
    config_number_text(text, units, key->min);
    text_string(text, " to ");
    config_number_text(text, units, key->max);
}

static void config_expected_choices(const struct config_key *key, struct text *text)
{
    for (const char *const *choice = key->choices; *choice != NULL; choice++) {
        const bool first = choice == key->choices;
        text_string(text, first ? "" : choice[1] == NULL ? " or " : ", ");
        text_string(text, *choice);
    }
}

void config_value_expected(const struct config_key *key, struct text *text)
{
    const bool may_be_off = (key->flags & CONFIG_OFF) != 0;

    if ((key->flags & CONFIG_AUTO) != 0) {
        text_string(text, may_be_off ? "auto, " : "auto or ");
    }
    text_string(text, may_be_off ? "off or " : "");
    text_string(text, (key->flags & CONFIG_ZERO) != 0 ? "0 or " : "");
    switch (key->type) {
    case CONFIG_SWITCH:
        text_string(text, "on or off");
        break;
    case CONFIG_COUNT:
        config_expected_range(key, "a whole number", text);
        break;
    case CONFIG_SIZE:
        config_expected_range(key, "a size", text);
        break;
    case CONFIG_TIME:
        config_expected_range(key, "a time", text);
        break;
    case CONFIG_PERCENT:
        config_expected_range(key, "a part", text);
        break;
    case CONFIG_CHOICE:
        config_expected_choices(key, text);
        break;
    case CONFIG_NAME:
        text_printf(text, "at most %d letters, digits, '.', '_' and '-'",
                    LIMIT_CONFIG_NAME_BYTES - 1);
        break;
    case CONFIG_PATH:
        text_printf(text, "a path of at most %d bytes", LIMIT_CONFIG_PATH_BYTES - 1);
        break;
    case CONFIG_HOST:
        text_string(text, "the name or address of a host");
        break;
    case CONFIG_PORT:
        config_expected_range(key, "a port", text);
        break;
    case CONFIG_ADDRESS:
        text_string(text, "an address such as 127.0.0.1:7380 or [::1]:7380");
        break;
    case CONFIG_LISTENERS:
        text_printf(text, "up to %d addresses such as 127.0.0.1:7379, [::1]:7379 or unix:PATH",
                    LIMIT_CONFIG_LISTENERS);
        break;
    case CONFIG_SEEDS:
        text_printf(text, "up to %d addresses such as db1.example.org:17379", LIMIT_CONFIG_SEEDS);
        break;
    case CONFIG_SHARDS:
        config_expected_range(key, "a number", text);
        text_string(text, ", or a list of CPUs such as [0, 2]");
        break;
    }
}

static const void *config_field_const(const struct config *config, const struct config_key *key)
{
    return (const char *)config + key->offset;
}

// A text as YAML reads it back: quoted unless it is plainly a word, a path or an address.
static void config_word_text(const char *word, struct text *text)
{
    bool plain = word[0] != '\0' && word[0] != '-' && word[0] != ':';

    for (const char *c = word; *c != '\0'; c++) {
        const bool colon = *c == ':' && c[1] != '\0';
        plain = plain && (config_is_name_byte((uint8_t)*c) || *c == '/' || colon);
    }
    if (plain) {
        text_string(text, word);
        return;
    }
    text_string(text, "\"");
    for (const char *c = word; *c != '\0'; c++) {
        text_printf(text, *c == '"' || *c == '\\' ? "\\%c" : "%c", *c);
    }
    text_string(text, "\"");
}

static void config_listeners_text(const struct config_listeners *listeners, struct text *text)
{
    text_string(text, listeners->count == 1 ? "" : "[");
    for (uint32_t i = 0; i < listeners->count; i++) {
        text_string(text, i == 0 ? "" : ", ");
        config_word_text(listeners->at[i].text, text);
    }
    text_string(text, listeners->count == 1 ? "" : "]");
}

static void config_seeds_text(const struct config_seeds *seeds, struct text *text)
{
    text_string(text, "[");
    for (uint32_t i = 0; i < seeds->count; i++) {
        const bool in6 = strchr(seeds->at[i].host, ':') != NULL;
        text_printf(text, in6 ? "%s\"[%s]:%u\"" : "%s\"%s:%u\"", i == 0 ? "" : ", ",
                    seeds->at[i].host, seeds->at[i].port);
    }
    text_string(text, "]");
}

static void config_shards_text(const struct config_shards *shards, struct text *text)
{
    if (!shards->listed) {
        text_u64(text, shards->count);
        return;
    }
    for (uint32_t i = 0; i < shards->cpus.count; i++) {
        text_printf(text, "%s%u", i == 0 ? "[" : ", ", shards->cpus.ids[i]);
    }
    text_string(text, "]");
}

// Whether the field holds what `auto`, and but for sizes `off` too, is kept as.
static bool config_value_is_none(const struct config_key *key, const void *field)
{
    switch (key->type) {
    case CONFIG_SIZE:
    case CONFIG_TIME:
        return *(const uint64_t *)field == 0;
    case CONFIG_PORT:
        return *(const uint16_t *)field == 0;
    case CONFIG_SHARDS:
        return ((const struct config_shards *)field)->count == 0;
    default:
        return *(const char *)field == '\0';
    }
}

void config_value_text(const struct config *config, const struct config_key *key, struct text *text)
{
    const void *field = config_field_const(config, key);

    if ((key->flags & (CONFIG_AUTO | CONFIG_OFF)) != 0 && config_value_is_none(key, field)) {
        text_string(text, (key->flags & CONFIG_AUTO) != 0 ? "auto" : "off");
        return;
    }
    if (key->type == CONFIG_SIZE && *(const uint64_t *)field == CONFIG_SIZE_OFF) {
        text_string(text, "off");
        return;
    }
    switch (key->type) {
    case CONFIG_SWITCH:
        text_string(text, *(const bool *)field ? "on" : "off");
        break;
    case CONFIG_COUNT:
    case CONFIG_PERCENT:
        config_number_text(text, config_units(key), *(const uint32_t *)field);
        break;
    case CONFIG_PORT:
        text_u64(text, *(const uint16_t *)field);
        break;
    case CONFIG_SIZE:
    case CONFIG_TIME:
        config_number_text(text, config_units(key), *(const uint64_t *)field);
        break;
    case CONFIG_CHOICE:
        text_string(text, key->choices[*(const unsigned *)field]);
        break;
    case CONFIG_NAME:
    case CONFIG_PATH:
    case CONFIG_HOST:
        config_word_text(field, text);
        break;
    case CONFIG_ADDRESS:
        config_word_text(((const struct config_address *)field)->text, text);
        break;
    case CONFIG_LISTENERS:
        config_listeners_text(field, text);
        break;
    case CONFIG_SEEDS:
        config_seeds_text(field, text);
        break;
    case CONFIG_SHARDS:
        config_shards_text(field, text);
        break;
    }
}
