// The YAML side of the configuration: sections, keys, places. Reads libyaml's events one after the
// other and stops at the first that does not fit, so that no nesting is followed and no alias
// expanded: memory is bounded by LIMIT_CONFIG_BYTES.
#include "core/config_value.h"

#include "core/check.h"
#include "core/limits.h"

#include <ctype.h>
#include <errno.h>
#include <string.h>
#include <yaml.h>

enum {
    SECTIONS_MAX = 16,
    SECTION_BYTES_MAX = 32,
};

struct config_reader {
    yaml_parser_t parser;
    yaml_event_t event; // the one being looked at
    const char *file;
    struct slice bytes; // all of it
    struct config *config;
    struct config_error *error;
    struct text message;                            // in error->text, after the place
    char sections[SECTIONS_MAX][SECTION_BYTES_MAX]; // seen, to refuse the second
    uint32_t section_lines[SECTIONS_MAX];
    uint32_t section_count;
};

// Begins the message about a place in the file; the caller appends what is wrong.
static struct text *config_at(struct config_reader *reader, yaml_mark_t mark)
{
    struct config_error *error = reader->error;

    error->line = (uint32_t)mark.line + 1;
    error->column = (uint32_t)mark.column + 1;
    text_init_fixed(&reader->message, error->text, sizeof(error->text));
    text_printf(&reader->message, "%s:%u:%u: ", reader->file, error->line, error->column);
    return &reader->message;
}

static int config_refuse(struct config_reader *reader, yaml_mark_t mark, const char *message)
{
    text_string(config_at(reader, mark), message);
    return -EINVAL;
}

static yaml_mark_t config_mark_of(const struct config_reader *reader, size_t offset)
{
    yaml_mark_t mark = {0};

    for (size_t i = 0; i < offset && i < reader->bytes.size; i++) {
        const bool end = reader->bytes.bytes[i] == '\n';
        mark.line += end ? 1 : 0;
        mark.column = end ? 0 : mark.column + 1;
    }
    return mark;
}

static int config_refuse_yaml(struct config_reader *reader)
{
    const yaml_parser_t *parser = &reader->parser;

    if (parser->error == YAML_MEMORY_ERROR) {
        config_refuse(reader, parser->mark, "out of memory");
        return -ENOMEM;
    }
    const bool reading = parser->error == YAML_READER_ERROR; // which knows only an offset
    struct text *text = config_at(reader, reading ? config_mark_of(reader, parser->problem_offset)
                                                  : parser->problem_mark);
    text_printf(text, "this is no YAML: %s", parser->problem);
    if (parser->context != NULL) {
        text_printf(text, " %s", parser->context);
    }
    text_string(text, ", expected sections of keys such as node: {name: n1}");
    return -EINVAL;
}

static bool config_event_is_marked(const yaml_event_t *event)
{
    switch (event->type) {
    case YAML_ALIAS_EVENT:
        return true;
    case YAML_SCALAR_EVENT:
        return event->data.scalar.anchor != NULL || event->data.scalar.tag != NULL;
    case YAML_SEQUENCE_START_EVENT:
        return event->data.sequence_start.anchor != NULL || event->data.sequence_start.tag != NULL;
    case YAML_MAPPING_START_EVENT:
        return event->data.mapping_start.anchor != NULL || event->data.mapping_start.tag != NULL;
    default:
        return false;
    }
}

// Moves on to the next event.
static int config_next(struct config_reader *reader)
{
    yaml_event_delete(&reader->event);
    if (yaml_parser_parse(&reader->parser, &reader->event) == 0) {
        memset(&reader->event, 0, sizeof(reader->event));
        return config_refuse_yaml(reader);
    }
    if (config_event_is_marked(&reader->event)) {
        return config_refuse(reader, reader->event.start_mark,
                             "anchors (&), aliases (*) and tags (!) are not allowed, "
                             "expected a plain value");
    }
    return 0;
}

static struct config_scalar config_event_scalar(const yaml_event_t *event)
{
    CHECK(event->type == YAML_SCALAR_EVENT);
    return (struct config_scalar){
        .text = slice_of(event->data.scalar.value, event->data.scalar.length),
        .quoted = event->data.scalar.style != YAML_PLAIN_SCALAR_STYLE,
    };
}

// How many edits (one byte inserted, removed or changed) turn `a`, in whatever case, into `b`; more
// than `bound` is bound + 1. Wagner and Fischer's algorithm, one row at a time.
static size_t config_distance(const char *a, const char *b, size_t bound)
{
    size_t row[LIMIT_CONFIG_NAME_BYTES];
    const size_t a_size = strlen(a);
    const size_t b_size = strlen(b);

    if (a_size >= LIMIT_CONFIG_NAME_BYTES || b_size >= LIMIT_CONFIG_NAME_BYTES) {
        return bound + 1;
    }
    for (size_t j = 0; j <= b_size; j++) {
        row[j] = j;
    }
    for (size_t i = 1; i <= a_size; i++) {
        size_t diagonal = row[0];
        row[0] = i;
        for (size_t j = 1; j <= b_size; j++) {
            const bool same = tolower((unsigned char)a[i - 1]) == b[j - 1];
            const size_t change = diagonal + (same ? 0 : 1);
            const size_t least = row[j] < row[j - 1] ? row[j] + 1 : row[j - 1] + 1;
            diagonal = row[j];
            row[j] = change < least ? change : least;
        }
    }
    return row[b_size] <= bound ? row[b_size] : bound + 1;
}

// The key or section that was probably meant: a key that is in another section, or the nearest name
// if it is near. `path` has a '.' where a key was looked for. Writes a name into ret_name.
static bool config_nearest(const char *path, char *ret_name, size_t size)
{
    const char *dot = strrchr(path, '.');
    const char *last = dot == NULL ? path : dot + 1;
    const size_t bound = strlen(last) / 3 + 2; // from so many edits on it is another word
    size_t best = bound;

    for (uint32_t i = 0; i < config_key_count; i++) {
        const char *known = config_keys[i].path;
        const char *known_dot = strchr(known, '.');
        if (strcmp(known_dot + 1, last) == 0) {
            snprintf(ret_name, size, "%s", known);
            return true;
        }
        char name[LIMIT_CONFIG_NAME_BYTES];
        const int length = dot == NULL ? (int)(known_dot - known) : (int)strlen(known);
        snprintf(name, sizeof(name), "%.*s", length, known);
        const size_t distance = config_distance(path, name, best);
        if (distance < best) {
            best = distance;
            snprintf(ret_name, size, "%s", name);
        }
    }
    return best < bound;
}

static bool config_is_section(const char *path, const char *section)
{
    const size_t size = strlen(section);

    return strncmp(path, section, size) == 0 && path[size] == '.';
}

// Appends the keys of a section, or with section NULL the sections, with commas.
static void config_list_names(struct text *text, const char *section)
{
    const char *separator = "";
    const char *previous = "";

    for (uint32_t i = 0; i < config_key_count; i++) {
        const char *path = config_keys[i].path;
        const size_t size = (size_t)(strchr(path, '.') - path);
        if (section != NULL && !config_is_section(path, section)) {
            continue;
        }
        if (section == NULL && strncmp(previous, path, size + 1) == 0) {
            continue;
        }
        previous = path;
        text_printf(text, "%s%.*s", separator, (int)(section == NULL ? size : strlen(path)),
                    section == NULL ? path : path + size + 1);
        separator = ", ";
    }
}

static int config_refuse_unknown(struct config_reader *reader, const char *what,
                                 const char *section, struct slice name)
{
    char path[LIMIT_CONFIG_NAME_BYTES];
    struct text spelled;
    struct text *text = config_at(reader, reader->event.start_mark);

    text_init_fixed(&spelled, path, sizeof(path));
    if (section != NULL) {
        text_printf(&spelled, "%s.", section);
    }
    text_append(&spelled, name.bytes, name.size);
    text_printf(text, "unknown %s ", what);
    config_value_quote(text,
                       section != NULL && text_error(&spelled) == 0 ? text_slice(&spelled) : name);
    char nearest[LIMIT_CONFIG_NAME_BYTES];
    if (text_error(&spelled) == 0 && config_nearest(path, nearest, sizeof(nearest))) {
        text_printf(text, ", did you mean %s?", nearest);
    } else {
        text_string(text, section == NULL ? ", expected " : ", expected one of ");
        config_list_names(text, section);
    }
    return -EINVAL;
}

// The value of a key, which is the event at hand.
static int config_read_value(struct config_reader *reader, const struct config_key *key)
{
    const yaml_mark_t mark = reader->event.start_mark;
    struct config *config = reader->config;
    int error = 0;

    if (reader->event.type == YAML_MAPPING_START_EVENT ||
        (reader->event.type == YAML_SEQUENCE_START_EVENT && !config_value_is_list(key))) {
        struct text *text = config_at(reader, mark);
        const bool list = reader->event.type == YAML_SEQUENCE_START_EVENT;
        text_printf(text, "%s: this is a %s, expected ", key->path, list ? "list" : "mapping");
        config_value_expected(key, text);
        return -EINVAL;
    }
    config_value_begin(config, key);
    if (reader->event.type == YAML_SCALAR_EVENT) {
        const struct config_scalar scalar = config_event_scalar(&reader->event);
        return config_value_scalar(config, key, &scalar, false, config_at(reader, mark));
    }
    while ((error = config_next(reader)) == 0 && reader->event.type == YAML_SCALAR_EVENT) {
        const struct config_scalar scalar = config_event_scalar(&reader->event);
        struct text *text = config_at(reader, reader->event.start_mark);
        error = config_value_scalar(config, key, &scalar, true, text);
        if (error != 0) {
            return error;
        }
    }
    if (error != 0) {
        return error;
    }
    if (reader->event.type != YAML_SEQUENCE_END_EVENT) {
        struct text *text = config_at(reader, reader->event.start_mark);
        text_printf(text, "%s: this is no value of a list, expected ", key->path);
        config_value_expected(key, text);
        return -EINVAL;
    }
    return config_value_list_end(config, key, config_at(reader, mark));
}

// A key and its value; the key is the event at hand.
static int config_read_key(struct config_reader *reader, const char *section)
{
    char path[LIMIT_CONFIG_NAME_BYTES];
    struct text spelled;
    const yaml_mark_t mark = reader->event.start_mark;

    if (reader->event.type != YAML_SCALAR_EVENT) {
        return config_refuse(reader, mark, "this is no key, expected a name");
    }
    const struct slice name = config_event_scalar(&reader->event).text;
    text_init_fixed(&spelled, path, sizeof(path));
    text_printf(&spelled, "%s.", section);
    text_append(&spelled, name.bytes, name.size);
    // A name with a NUL in it is longer than what is found.
    const struct config_key *key = text_error(&spelled) == 0 ? config_key_find(path) : NULL;
    if (key == NULL || strlen(path) != spelled.size) {
        return config_refuse_unknown(reader, "key", section, name);
    }
    struct config_mark *seen = &reader->config->marks[key - config_keys];
    if (seen->line != 0) {
        text_printf(config_at(reader, mark), "%s is given twice (first on line %u), expected once",
                    path, seen->line);
        return -EINVAL;
    }
    seen->line = (uint32_t)mark.line + 1;
    seen->column = (uint32_t)mark.column + 1;
    const int error = config_next(reader);
    return error != 0 ? error : config_read_value(reader, key);
}

// Whether a section of that name is known; it is noted, with the line of the one before it in
// ret_line (0: none).
static bool config_section_note(struct config_reader *reader, struct slice name, uint32_t line,
                                char *ret_section, uint32_t *ret_line)
{
    bool known = false;

    for (uint32_t i = 0; i < config_key_count && !known; i++) {
        const char *path = config_keys[i].path;
        const size_t size = (size_t)(strchr(path, '.') - path);
        known = slice_equal(name, slice_of(path, size));
    }
    if (!known) {
        return false;
    }
    CHECK(name.size < SECTION_BYTES_MAX);
    memcpy(ret_section, name.bytes, name.size);
    ret_section[name.size] = '\0';
    for (uint32_t i = 0; i < reader->section_count; i++) {
        if (strcmp(reader->sections[i], ret_section) == 0) {
            *ret_line = reader->section_lines[i];
            return true;
        }
    }
    CHECK(reader->section_count < SECTIONS_MAX);
    memcpy(reader->sections[reader->section_count], ret_section, name.size + 1);
    reader->section_lines[reader->section_count] = line;
    reader->section_count++;
    *ret_line = 0;
    return true;
}

// A section and its keys; its name is the event at hand.
static int config_read_section(struct config_reader *reader)
{
    char section[SECTION_BYTES_MAX];
    uint32_t first_line;
    const yaml_mark_t mark = reader->event.start_mark;

    if (reader->event.type != YAML_SCALAR_EVENT) {
        return config_refuse(reader, mark, "this is no section, expected a name such as node");
    }
    const struct slice name = config_event_scalar(&reader->event).text;
    if (!config_section_note(reader, name, (uint32_t)mark.line + 1, section, &first_line)) {
        return config_refuse_unknown(reader, "section", NULL, name);
    }
    if (first_line != 0) {
        text_printf(config_at(reader, mark),
                    "section %s is given twice (first on line %u), expected once", section,
                    first_line);
        return -EINVAL;
    }
    int error = config_next(reader);
    if (error != 0) {
        return error;
    }
    if (reader->event.type == YAML_SCALAR_EVENT && reader->event.data.scalar.length == 0 &&
        reader->event.data.scalar.style == YAML_PLAIN_SCALAR_STYLE) {
        return 0; // all its keys are commented out
    }
    if (reader->event.type != YAML_MAPPING_START_EVENT) {
        struct text *text = config_at(reader, reader->event.start_mark);
        text_printf(text, "section %s is no mapping, expected keys: ", section);
        config_list_names(text, section);
        return -EINVAL;
    }
    while ((error = config_next(reader)) == 0 && reader->event.type != YAML_MAPPING_END_EVENT) {
        error = config_read_key(reader, section);
        if (error != 0) {
            return error;
        }
    }
    return error;
}

static int config_read_document(struct config_reader *reader)
{
    int error = config_next(reader);

    if (error != 0) {
        return error;
    }
    const yaml_event_t *root = &reader->event;
    const bool empty = root->type == YAML_SCALAR_EVENT && root->data.scalar.length == 0 &&
                       root->data.scalar.style == YAML_PLAIN_SCALAR_STYLE;
    if (!empty && root->type != YAML_MAPPING_START_EVENT) {
        struct text *text = config_at(reader, root->start_mark);
        text_string(text, "the file is no mapping, expected sections: ");
        config_list_names(text, NULL);
        return -EINVAL;
    }
    while (!empty && (error = config_next(reader)) == 0 &&
           reader->event.type != YAML_MAPPING_END_EVENT) {
        error = config_read_section(reader);
        if (error != 0) {
            return error;
        }
    }
    return error != 0 ? error : config_next(reader);
}

static int config_read_stream(struct config_reader *reader)
{
    int error = config_next(reader); // the stream's start

    if (error == 0) {
        error = config_next(reader);
    }
    if (error != 0 || reader->event.type == YAML_STREAM_END_EVENT) {
        return error;
    }
    error = config_read_document(reader);
    if (error != 0) {
        return error;
    }
    CHECK(reader->event.type == YAML_DOCUMENT_END_EVENT);
    error = config_next(reader);
    if (error == 0 && reader->event.type != YAML_STREAM_END_EVENT) {
        return config_refuse(reader, reader->event.start_mark,
                             "a second document begins here, expected one");
    }
    return error;
}

int config_parse(const char *file, const char *bytes, size_t size, struct config *ret_config,
                 struct config_error *ret_error)
{
    struct config config;
    struct config_error error_text = {0};
    struct config_reader reader = {
        .file = file, .bytes = slice_of(bytes, size), .config = &config, .error = &error_text};

    CHECK(file != NULL);
    config_defaults(&config);
    if (size > LIMIT_CONFIG_BYTES) {
        snprintf(ret_error->text, sizeof(ret_error->text),
                 "%s: the file is too large, expected at most %d bytes", file, LIMIT_CONFIG_BYTES);
        ret_error->line = 0;
        ret_error->column = 0;
        return -EINVAL;
    }
    if (yaml_parser_initialize(&reader.parser) == 0) {
        snprintf(ret_error->text, sizeof(ret_error->text), "%s: out of memory", file);
        return -ENOMEM;
    }
    yaml_parser_set_encoding(&reader.parser, YAML_UTF8_ENCODING);
    yaml_parser_set_input_string(&reader.parser, (const unsigned char *)bytes, size);
    const int error = config_read_stream(&reader);
    yaml_event_delete(&reader.event);
    yaml_parser_delete(&reader.parser);
    if (error != 0) {
        *ret_error = error_text;
        return error;
    }
    snprintf(config.file, sizeof(config.file), "%s", file);
    *ret_config = config;
    return 0;
}
