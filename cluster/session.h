// What a connection is to its user: who it is logged in as, what it calls itself.
#pragma once

#include "core/slice.h"

#include <stdbool.h>

struct client;

// The Redis whose commands, replies and errors are kept: what HELLO and INFO say as redis_version.
#define SESSION_REDIS_VERSION "7.0.15"

#define SESSION_ERROR_NAME "ERR Client names cannot contain spaces, newlines or special characters."

// Logs the connection in as this user, or leaves it as it was and counts the failure.
bool session_authenticate(struct client *client, struct slice user, struct slice password);

// Printable ASCII without spaces, as Redis wants it.
bool session_name_valid(struct slice name);

// The name of a valid name; an empty one takes it away. False: it is longer than
// LIMIT_CLIENT_NAME_BYTES, or there is no memory; session_text_error() says which.
bool session_set_name(struct client *client, struct slice name);

// One of the texts of CLIENT SETINFO, by the same rules.
bool session_set_text(char **text, struct slice value);

// The error to be replied when a text could not be set.
const char *session_text_error(struct slice value);

// RESET: RESP2, no name, the user of new connections, replies on. NO-EVICT stays, as in Redis.
void session_reset(struct client *client);
