#include "cluster/help.h"

#include "cluster/command.h"

void help_reply(struct exec *x, const char *const *lines)
{
    uint32_t count = 0;
    while (lines[count] != NULL) {
        count++;
    }
    reply_array(&x->reply, count);
    for (uint32_t i = 0; i < count; i++) {
        reply_simple(&x->reply, lines[i]);
    }
}
