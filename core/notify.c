// One of the few places that may call socket and sendmsg: see tests/tidy.
#include "core/notify.h"

#include "core/check.h"

#include <errno.h>
#include <stddef.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

int notify_send(const char *socket_name, const char *state)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};

    CHECK(state != NULL);
    if (socket_name == NULL || socket_name[0] == '\0') {
        return 0;
    }
    const size_t size = strlen(socket_name);
    if ((socket_name[0] != '/' && socket_name[0] != '@') || size >= sizeof(address.sun_path)) {
        return -EINVAL;
    }
    memcpy(address.sun_path, socket_name, size);
    if (address.sun_path[0] == '@') {
        address.sun_path[0] = '\0'; // unix(7): an abstract name begins with a NUL
    }
    const int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0) {
        return -errno;
    }
    // The length counts no terminator: in an abstract name it would be part of the name.
    const socklen_t address_size = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + size);
    const ssize_t sent = sendto(fd, state, strlen(state), MSG_NOSIGNAL,
                                (const struct sockaddr *)&address, address_size);
    const int error = sent < 0 ? -errno : 0;
    close(fd);
    return error;
}
