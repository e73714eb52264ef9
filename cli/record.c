#include "cli/record.h"

#include "cli/base64.h"
#include "cli/output.h"
#include "core/check.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

static int record_fail(char *error, const char *reason)
{
    snprintf(error, RECORD_ERROR_SIZE, "%s", reason);
    return -EINVAL;
}

// Names that are not known are refused.
static int record_check_names(const json_t *document, char *error)
{
    static const char *const names[] = {"key", "key_base64", "value", "value_base64", "expire_ms"};
    const char *name = NULL;
    json_t *member = NULL;

    json_object_foreach((json_t *)document, name, member)
    {
        bool known = false;

        for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
            known = known || strcmp(name, names[i]) == 0;
        }
        if (!known) {
            struct text printable = output_text();

            output_printable(&printable, name, strlen(name));
            snprintf(error, RECORD_ERROR_SIZE,
                     "unknown name \"%.60s\"; there are key, key_base64, value, value_base64 and "
                     "expire_ms",
                     text_c(&printable));
            text_free(&printable);
            return -EINVAL;
        }
    }
    return 0;
}

// Reads `name` or `name`_base64, whichever is there.
static int record_bytes(const json_t *document, const char *name, struct text *decoded,
                        struct slice *ret_bytes, char *error)
{
    char encoded_name[32];

    snprintf(encoded_name, sizeof encoded_name, "%s_base64", name);
    const json_t *const plain = json_object_get(document, name);
    const json_t *const encoded = json_object_get(document, encoded_name);
    const json_t *const member = plain != NULL ? plain : encoded;

    if (plain != NULL && encoded != NULL) {
        snprintf(error, RECORD_ERROR_SIZE, "both %s and %s_base64: one is enough", name, name);
        return -EINVAL;
    }
    if (member == NULL) {
        snprintf(error, RECORD_ERROR_SIZE, "%s (or %s_base64) is missing", name, name);
        return -EINVAL;
    }
    if (!json_is_string(member)) {
        snprintf(error, RECORD_ERROR_SIZE, "%s has to be a string",
                 plain != NULL ? name : encoded_name);
        return -EINVAL;
    }
    if (plain != NULL) {
        *ret_bytes = slice_of(json_string_value(plain), json_string_length(plain));
        return 0;
    }
    if (base64_decode(json_string_value(encoded), json_string_length(encoded), decoded) != 0) {
        snprintf(error, RECORD_ERROR_SIZE, "%s is no padded base64", encoded_name);
        return -EINVAL;
    }
    *ret_bytes = slice_of(text_c(decoded), decoded->size);
    return 0;
}

static int record_read(struct record *record, char *error)
{
    const json_t *const expire = json_object_get(record->document, "expire_ms");
    int result = 0;

    if (!json_is_object(record->document)) {
        return record_fail(error, "a line has to be a JSON object");
    }
    result = record_check_names(record->document, error);
    if (result == 0) {
        result = record_bytes(record->document, "key", &record->key_decoded, &record->key, error);
    }
    if (result == 0) {
        result =
            record_bytes(record->document, "value", &record->value_decoded, &record->value, error);
    }
    if (result != 0) {
        return result;
    }
    if (record->key.size > RECORD_KEY_BYTES_MAX) {
        return record_fail(error, "the key is over 65535 bytes");
    }
    if (expire != NULL) {
        if (!json_is_integer(expire) || json_integer_value(expire) <= 0) {
            return record_fail(error, "expire_ms has to be a whole number above 0: ms since 1970");
        }
        record->expire_ms = json_integer_value(expire);
    }
    return 0;
}

int record_decode(const char *line, size_t size, struct record *ret_record,
                  char error[RECORD_ERROR_SIZE])
{
    struct record record = {.key_decoded = output_text(), .value_decoded = output_text()};
    json_error_t reason;
    int result = 0;

    if (size > RECORD_LINE_BYTES_MAX) {
        return record_fail(error, "the line is over 1 GiB");
    }
    record.document = json_loadb(line, size, JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL, &reason);
    if (record.document == NULL) {
        struct text printable = output_text();

        output_printable(&printable, reason.text, strlen(reason.text));
        snprintf(error, RECORD_ERROR_SIZE, "no JSON object: %.160s (at byte %d)",
                 text_c(&printable), reason.position);
        text_free(&printable);
        return -EINVAL;
    }
    result = record_read(&record, error);
    if (result != 0) {
        record_free(&record);
        return result;
    }
    CHECK(record.key.bytes != NULL && record.value.bytes != NULL);
    *ret_record = record;
    return 0;
}

void record_free(struct record *record)
{
    json_decref(record->document);
    record->document = NULL;
    text_free(&record->key_decoded);
    text_free(&record->value_decoded);
}

// Whether people can read these bytes in a JSON string.
static bool record_is_readable(struct slice bytes)
{
    for (size_t i = 0; i < bytes.size; i++) {
        const uint8_t byte = bytes.bytes[i];

        if ((byte < 0x20 && byte != '\t' && byte != '\n' && byte != '\r') || byte == 0x7f) {
            return false;
        }
    }
    return output_is_utf8(bytes.bytes, bytes.size);
}

static void record_set(json_t *document, const char *name, struct slice bytes)
{
    const char *const from = bytes.size != 0 ? (const char *)bytes.bytes : "";

    if (record_is_readable(bytes)) {
        json_object_set_new(document, name, json_stringn_nocheck(from, bytes.size));
        return;
    }
    struct text encoded = output_text();
    char encoded_name[32];

    snprintf(encoded_name, sizeof encoded_name, "%s_base64", name);
    base64_encode(bytes.bytes, bytes.size, &encoded);
    json_object_set_new(document, encoded_name,
                        json_stringn_nocheck(text_c(&encoded), encoded.size));
    text_free(&encoded);
}

static int record_append(const char *bytes, size_t size, void *text)
{
    text_append(text, bytes, size);
    return text_error(text);
}

void record_encode(struct slice key, struct slice value, int64_t expire_ms, struct text *ret_line)
{
    json_t *const document = json_object();

    CHECK(expire_ms >= 0);
    record_set(document, "key", key);
    record_set(document, "value", value);
    if (expire_ms != 0) {
        json_object_set_new(document, "expire_ms", json_integer(expire_ms));
    }
    json_dump_callback(document, record_append, ret_line, JSON_COMPACT);
    json_decref(document);
    output_char(ret_line, '\n');
}
