// A line of an import or export file: one JSON object for one key.
//
//     {"key": "user:1", "value": "Ada", "expire_ms": 1767225600000}
//     {"key_base64": "AP8=", "value_base64": "3q2+7w=="}
//
//     key, value                 text (JSON strings, so UTF-8)
//     key_base64, value_base64   any bytes, in base64 (RFC 4648, section 4, padded)
//     expire_ms                  when it expires, in ms since 1970; missing: never
//
// Exactly one key and one value. A name that is not listed is refused, so that a misspelt expire_ms
// does not make keys that stay for ever. Writing chooses base64 where the bytes are not UTF-8, or
// hold control characters other than tab and line ends.
#pragma once

#include "core/slice.h"
#include "core/text.h"

#include <jansson.h>
#include <stdint.h>

enum {
    RECORD_LINE_BYTES_MAX = 1 << 30, // a value of 512 MiB, the largest RESP knows, with escapes
    RECORD_KEY_BYTES_MAX = 65535,    // the server's limit: said here with the line's number
    RECORD_ERROR_SIZE = 256,         // a reason with a name cut to a reasonable length
};

struct record {
    struct slice key; // in `document` or in the decoded texts: valid until record_free
    struct slice value;
    int64_t expire_ms; // 0: never
    json_t *document;
    struct text key_decoded;
    struct text value_decoded;
};

// Reads one line, without its end. 0, or -EINVAL and the reason in `error`. The caller frees the
// record after success, and after failure has nothing to free.
int record_decode(const char *line, size_t size, struct record *ret_record,
                  char error[RECORD_ERROR_SIZE]);

void record_free(struct record *record);

// Appends the line with its end. expire_ms 0: never.
void record_encode(struct slice key, struct slice value, int64_t expire_ms, struct text *ret_line);
