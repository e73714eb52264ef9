#include "core/io.h"

#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <errno.h>
#include <stddef.h>
#include <string.h>

Test(core_io_address, what_is_written_is_read)
{
    static const char *const texts[] = {
        "127.0.0.1:7379", "0.0.0.0:0",         "255.255.255.255:65535", "[::1]:7379",
        "[::]:1",         "[fe80::1:2]:17379", "unix:/run/rldb.sock",   "unix:relative"};

    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        struct io_address address;
        char text[IO_ADDRESS_TEXT_MAX];

        cr_assert_eq(io_address_parse(texts[i], &address), 0, "%s", texts[i]);
        io_address_format(&address, text);
        cr_expect_str_eq(text, texts[i]);
    }
}

Test(core_io_address, fields_are_in_network_order)
{
    struct io_address address;

    cr_assert_eq(io_address_parse("1.2.3.4:258", &address), 0);
    cr_expect_eq(address.u.any.sa_family, AF_INET);
    cr_expect_eq(address.size, sizeof(struct sockaddr_in));
    cr_expect_eq(address.u.in.sin_port, htons(258));
    cr_expect_eq(address.u.in.sin_addr.s_addr, htonl(0x01020304));
    cr_assert_eq(io_address_parse("[::1]:1", &address), 0);
    cr_expect_eq(address.u.any.sa_family, AF_INET6);
    cr_expect_eq(address.size, sizeof(struct sockaddr_in6));
}

Test(core_io_address, anything_else_is_refused_and_changes_nothing)
{
    static const char *const texts[] = {
        "",
        ":",
        "7379",
        "127.0.0.1",
        "127.0.0.1:",
        ":7379",
        "127.0.0.1:65536",
        "127.0.0.1:-1",
        "127.0.0.1:+1",
        "127.0.0.1: 1",
        "127.0.0.1:1 ",
        "127.0.0.1:000001",
        "127.0.0:1",
        "127.0.0.256:1",
        "localhost:7379",
        "::1:7379",
        "[::1]",
        "[::1]7379",
        "[::1]:",
        "[::1:7379",
        "[]:1",
        "[127.0.0.1]:1",
        "unix:",
        "unix",
        "127.0.0.1:1:2",
        "127.000000000000000000000000000000000000.0.1:1",
        "[0000000000000000000000000000000000000000000000000000000000000000::1]:1"};

    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        struct io_address address;
        struct io_address untouched;

        memset(&address, 0x5a, sizeof address);
        untouched = address;
        cr_expect_eq(io_address_parse(texts[i], &address), -EINVAL, "%s", texts[i]);
        cr_expect_arr_eq(&address, &untouched, sizeof address);
    }
}

Test(core_io_address, unix_paths_end_where_the_structure_does)
{
    struct io_address address;
    const size_t path_max = sizeof address.u.un.sun_path;
    char text[IO_ADDRESS_TEXT_MAX + sizeof address.u.un.sun_path];
    char formatted[IO_ADDRESS_TEXT_MAX];

    memset(text, 'p', sizeof text);
    memcpy(text, "unix:", 5);
    text[5 + path_max - 1] = '\0'; // the longest
    cr_assert_eq(io_address_parse(text, &address), 0);
    io_address_format(&address, formatted);
    cr_expect_str_eq(formatted, text);
    text[5 + path_max - 1] = 'p';
    text[5 + path_max] = '\0';
    cr_expect_eq(io_address_parse(text, &address), -EINVAL);
    // A peer without a name, as the kernel gives it.
    address.u.un.sun_family = AF_UNIX;
    address.size = sizeof(sa_family_t);
    io_address_format(&address, formatted);
    cr_expect_str_eq(formatted, "unix:");
    // A path that fills the structure has no NUL.
    memset(address.u.un.sun_path, 'q', path_max);
    address.size = sizeof address.u.un;
    io_address_format(&address, formatted);
    cr_expect_eq(strlen(formatted), 5 + path_max);
}
