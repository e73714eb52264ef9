// What a connection is to its user.
#include "cluster/session.h"

#include "tests/unit/desk.h"

#include <stdio.h>

static bool valid(const char *bytes, size_t size)
{
    return session_name_valid(slice_of(bytes, size));
}

Test(session, names_are_printable_without_blanks)
{
    cr_expect(valid("", 0));
    cr_expect(valid("!", 1));
    cr_expect(valid("~", 1));
    cr_expect(valid("worker-7:\"q\"", 12));
    cr_expect_not(valid("a b", 3));
    cr_expect_not(valid("a\n", 2));
    cr_expect_not(valid("\0", 1));
    cr_expect_not(valid("\x7f", 1));
    cr_expect_not(valid("\xc3\xbc", 2));
}

Test(session, texts_are_copied_replaced_and_taken_away)
{
    char bytes[] = "first";
    char *text = NULL;

    cr_assert(session_set_text(&text, slice_from_text(bytes)));
    bytes[0] = 'x';
    cr_expect_str_eq(text, "first");
    cr_assert(session_set_text(&text, slice_of("second", 3)));
    cr_expect_str_eq(text, "sec");
    static const uint8_t longest[LIMIT_CLIENT_NAME_BYTES + 1];
    cr_assert_not(session_set_text(&text, slice_of(longest, sizeof longest)));
    cr_assert_eq(strncmp(session_text_error(slice_of(longest, sizeof longest)), "TOOLARGE ", 9), 0);
    cr_assert(session_set_text(&text, slice_of(NULL, 0)));
    cr_expect_null(text);
    cr_assert(session_set_text(&text, slice_of(NULL, 0)));
    cr_expect_null(text);
}

static bool login(struct desk *desk, const char *user, const char *password)
{
    return session_authenticate(desk->client, slice_from_text(user), slice_from_text(password));
}

static const char *user_of(const struct desk *desk)
{
    static char name[32];
    const struct slice is = acl_user_name(desk->client->user);

    (void)snprintf(name, sizeof name, "%.*s", (int)is.size, (const char *)is.bytes);
    return name;
}

Test(session, a_failed_login_changes_nothing_and_is_counted)
{
    struct desk desk;

    desk_open(&desk);
    desk_users(&desk, "user default off\nuser ada on >lovelace ~* +@all\n"
                      "user eve off >apple ~* +@all\n");
    cr_expect_null(desk.client->user);
    cr_expect_not(login(&desk, "ada", "lovelac"));
    cr_expect_not(login(&desk, "ada", ""));
    cr_expect_not(login(&desk, "eve", "apple"));
    cr_expect_not(login(&desk, "nobody", "lovelace"));
    cr_expect_null(desk.client->user);
    cr_expect_eq(desk.client->flags & CLIENT_AUTHENTICATED, 0);
    cr_expect_eq(desk.shard->stats.auth_failures, 4);
    cr_expect(login(&desk, "ada", "lovelace"));
    cr_expect_str_eq(user_of(&desk), "ada");
    cr_expect_neq(desk.client->flags & CLIENT_AUTHENTICATED, 0);
    cr_expect_not(login(&desk, "eve", "apple"));
    cr_expect_str_eq(user_of(&desk), "ada");
    cr_expect_neq(desk.client->flags & CLIENT_AUTHENTICATED, 0);
    cr_expect_eq(desk.shard->stats.auth_failures, 5);
    desk_close(&desk);
}

Test(session, reset_makes_the_connection_new)
{
    static const uint32_t gone = CLIENT_REPLY_OFF | CLIENT_REPLY_SKIP | CLIENT_REPLY_SKIP_NEXT |
                                 CLIENT_READONLY_MODE | CLIENT_NO_TOUCH;
    struct desk desk;

    desk_open(&desk);
    desk_users(&desk, "user default on nopass ~* +@all\nuser ada on >lovelace ~* +@all\n");
    cr_assert(login(&desk, "ada", "lovelace"));
    cr_assert(session_set_name(desk.client, slice_from_text("engine")));
    cr_assert(session_set_text(&desk.client->library, slice_from_text("libra")));
    desk.client->protocol = 3;
    desk.client->flags |= gone | CLIENT_NO_EVICT | CLIENT_SHARD_PORT;
    session_reset(desk.client);
    cr_expect_eq(desk.client->protocol, 2);
    cr_expect_null(desk.client->name);
    cr_expect_str_eq(desk.client->library, "libra"); // as in Redis, as is NO-EVICT
    cr_expect_str_eq(user_of(&desk), "default");
    cr_expect_eq(desk.client->flags,
                 CLIENT_AUTHENTICATED | CLIENT_NO_EVICT | CLIENT_UNIX | CLIENT_SHARD_PORT);
    cr_assert(session_set_text(&desk.client->library, slice_of(NULL, 0)));
    desk_close(&desk);
}

Test(session, reset_logs_out_where_a_password_is_needed)
{
    struct desk desk;

    desk_open(&desk);
    desk_users(&desk, "user default on >sesame ~* +@all\n");
    cr_assert(login(&desk, "default", "sesame"));
    session_reset(desk.client);
    cr_expect_null(desk.client->user);
    cr_expect_eq(desk.client->flags & CLIENT_AUTHENTICATED, 0);
    desk_close(&desk);
}
