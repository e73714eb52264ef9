#include "cluster/session.h"

#include "cluster/client.h"
#include "cluster/shard.h"
#include "core/limits.h"
#include "core/memory.h"

#include <string.h>

bool session_authenticate(struct client *client, struct slice user, struct slice password)
{
    const struct acl_user *found = acl_authenticate(client->shard->node->acl, user, password);
    if (found == NULL) {
        client->shard->stats.auth_failures++;
        return false;
    }
    client->user = found;
    client->flags |= CLIENT_AUTHENTICATED;
    return true;
}

bool session_name_valid(struct slice name)
{
    for (size_t i = 0; i < name.size; i++) {
        if (name.bytes[i] < '!' || name.bytes[i] > '~') {
            return false;
        }
    }
    return true;
}

const char *session_text_error(struct slice value)
{
    return value.size > LIMIT_CLIENT_NAME_BYTES
               ? "TOOLARGE a client's name may have up to 1024 bytes"
               : "ERR out of memory";
}

bool session_set_text(char **text, struct slice value)
{
    static_assert(LIMIT_CLIENT_NAME_BYTES == 1024, "session_text_error() says so");
    char *copy = NULL;
    if (value.size > LIMIT_CLIENT_NAME_BYTES) {
        return false;
    }
    if (value.size != 0) {
        copy = memory_allocate(value.size + 1);
        if (copy == NULL) {
            return false;
        }
        memcpy(copy, value.bytes, value.size);
        copy[value.size] = '\0';
    }
    memory_free(*text);
    *text = copy;
    return true;
}

bool session_set_name(struct client *client, struct slice name)
{
    return session_set_text(&client->name, name);
}

void session_reset(struct client *client)
{
    client->protocol = 2;
    (void)session_set_name(client, slice_of(NULL, 0));
    client->flags &= ~(uint32_t)(CLIENT_REPLY_OFF | CLIENT_REPLY_SKIP | CLIENT_REPLY_SKIP_NEXT |
                                 CLIENT_READONLY_MODE | CLIENT_NO_TOUCH | CLIENT_AUTHENTICATED);
    client->user = acl_initial_user(client->shard->node->acl);
    if (client->user != NULL) {
        client->flags |= CLIENT_AUTHENTICATED;
    }
}
