// Replies of the server as text and as JSON.
//
// RESP2 has no maps: the server sends them as arrays of key, value, key, value. The replies of the
// RLDB.* commands are documents of maps and lists, and render_document_json tells them apart so: an
// array is a map when it has an even number of elements, at least two, and every other one, from
// the first on, is a string that reads as a field name (a-z, then a-z 0-9 _) and occurs once. A
// list of names could look the same; so a field whose name is in the table of list fields is always
// a list.
#pragma once

#include "core/text.h"

#include <hiredis/hiredis.h>
#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

// Appends the reply as redis-cli shows it: (integer) 1, "bytes", (nil), (error) ERR ..., 1) 2) for
// arrays, with a newline at the end.
void render_reply(const redisReply *reply, bool colored, struct text *ret_text);

// Bytes as JSON: a string when they are UTF-8, else {"base64": "..."}.
json_t *render_bytes(const void *bytes, size_t size);

// Any reply as JSON: arrays are arrays, (nil) is null, an error is {"error": "..."}.
json_t *render_json(const redisReply *reply);

// The reply of an RLDB.* command as JSON, with maps as objects.
json_t *render_document_json(const redisReply *reply);

// The value of a field in a flattened map; NULL when it is no map or has no such field.
const redisReply *render_field(const redisReply *map, const char *name);

// Appends a JSON document for people: objects as aligned lines of name and value, lists of objects
// as tables, the rest in one line.
void render_document(const json_t *document, bool colored, struct text *ret_text);
