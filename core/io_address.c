// Addresses as people write them: "127.0.0.1:7379", "[::1]:7379", "unix:/run/rldb.sock".
#include "core/io.h"

#include "core/check.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

static const char unix_prefix[] = "unix:";

enum {
    PORT_MAX = 65535,
    PORT_DIGITS_MAX = 5,
    UNIX_PREFIX_SIZE = sizeof unix_prefix - 1,
};

// Decimal digits only, 0 to 65535. 0 or -EINVAL.
static int parse_port(const char *text, uint16_t *ret_port)
{
    uint32_t port = 0;
    const size_t size = strlen(text);

    if (size == 0 || size > PORT_DIGITS_MAX || strspn(text, "0123456789") != size) {
        return -EINVAL;
    }
    for (size_t i = 0; i < size; i++) {
        port = port * 10 + (uint32_t)(text[i] - '0');
    }
    if (port > PORT_MAX) {
        return -EINVAL;
    }
    *ret_port = htons((uint16_t)port);
    return 0;
}

static int parse_unix(const char *path, struct io_address *ret_address)
{
    struct io_address address = {.size = sizeof address.u.un};
    const size_t size = strlen(path);

    if (size == 0 || size >= sizeof address.u.un.sun_path) {
        return -EINVAL;
    }
    address.u.un.sun_family = AF_UNIX;
    memcpy(address.u.un.sun_path, path, size);
    *ret_address = address;
    return 0;
}

static int parse_in6(const char *text, struct io_address *ret_address)
{
    struct io_address address = {.size = sizeof address.u.in6};
    char host[INET6_ADDRSTRLEN];
    const char *const end = strchr(text, ']');

    if (end == NULL || end[1] != ':' || (size_t)(end - text) >= sizeof host) {
        return -EINVAL;
    }
    memcpy(host, text, (size_t)(end - text));
    host[end - text] = '\0';
    address.u.in6.sin6_family = AF_INET6;
    if (inet_pton(AF_INET6, host, &address.u.in6.sin6_addr) != 1 ||
        parse_port(end + 2, &address.u.in6.sin6_port) != 0) {
        return -EINVAL;
    }
    *ret_address = address;
    return 0;
}

static int parse_in(const char *text, struct io_address *ret_address)
{
    struct io_address address = {.size = sizeof address.u.in};
    char host[INET_ADDRSTRLEN];
    const char *const end = strchr(text, ':');

    if (end == NULL || (size_t)(end - text) >= sizeof host) {
        return -EINVAL;
    }
    memcpy(host, text, (size_t)(end - text));
    host[end - text] = '\0';
    address.u.in.sin_family = AF_INET;
    if (inet_pton(AF_INET, host, &address.u.in.sin_addr) != 1 ||
        parse_port(end + 1, &address.u.in.sin_port) != 0) {
        return -EINVAL;
    }
    *ret_address = address;
    return 0;
}

int io_address_parse(const char *text, struct io_address *ret_address)
{
    if (strncmp(text, unix_prefix, UNIX_PREFIX_SIZE) == 0) {
        return parse_unix(text + UNIX_PREFIX_SIZE, ret_address);
    }
    return text[0] == '[' ? parse_in6(text + 1, ret_address) : parse_in(text, ret_address);
}

void io_address_format(const struct io_address *address, char *text)
{
    char host[INET6_ADDRSTRLEN] = "";

    switch (address->u.any.sa_family) {
    case AF_INET:
        inet_ntop(AF_INET, &address->u.in.sin_addr, host, sizeof host);
        snprintf(text, IO_ADDRESS_TEXT_MAX, "%s:%u", host, ntohs(address->u.in.sin_port));
        return;
    case AF_INET6:
        inet_ntop(AF_INET6, &address->u.in6.sin6_addr, host, sizeof host);
        snprintf(text, IO_ADDRESS_TEXT_MAX, "[%s]:%u", host, ntohs(address->u.in6.sin6_port));
        return;
    case AF_UNIX: {
        // A peer that has not bound has no path, and the kernel counts the bytes instead of a NUL.
        const size_t path_max = sizeof address->u.un.sun_path;
        const size_t header = offsetof(struct sockaddr_un, sun_path);
        size_t size = address->size > header ? address->size - header : 0;

        size = strnlen(address->u.un.sun_path, size < path_max ? size : path_max);
        snprintf(text, IO_ADDRESS_TEXT_MAX, "%s%.*s", unix_prefix, (int)size,
                 address->u.un.sun_path);
        return;
    }
    default:
        snprintf(text, IO_ADDRESS_TEXT_MAX, "?");
    }
}
