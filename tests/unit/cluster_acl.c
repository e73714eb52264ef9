#include "cluster/acl.h"

#include "core/text.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

// A little command table.
enum { GET, SET, DEL, CONFIG, CONFIG_GET, CONFIG_SET, PING, FLUSHALL, COMMANDS };

static const struct acl_command commands[COMMANDS] = {
    [GET] = {.name = "get", .categories = ACL_READ | ACL_STRING | ACL_FAST},
    [SET] = {.name = "set", .categories = ACL_WRITE | ACL_STRING | ACL_SLOW},
    [DEL] = {.name = "del", .categories = ACL_KEYSPACE | ACL_WRITE | ACL_SLOW},
    [CONFIG] = {.name = "config", .categories = ACL_SLOW},
    [CONFIG_GET] = {.name = "config",
                    .subcommand = "get",
                    .categories = ACL_ADMIN | ACL_SLOW | ACL_DANGEROUS},
    [CONFIG_SET] = {.name = "config",
                    .subcommand = "set",
                    .categories = ACL_ADMIN | ACL_SLOW | ACL_DANGEROUS},
    [PING] = {.name = "ping", .categories = ACL_FAST | ACL_CONNECTION},
    [FLUSHALL] = {.name = "flushall",
                  .categories = ACL_KEYSPACE | ACL_WRITE | ACL_SLOW | ACL_DANGEROUS},
};

static bool command_at(void *context, uint32_t index, struct acl_command *ret_command)
{
    cr_assert_eq(*(int *)context, 42);
    if (index >= COMMANDS) {
        return false;
    }
    *ret_command = commands[index];
    return true;
}

static struct acl *parse(const char *text)
{
    char error[LIMIT_ACL_ERROR_BYTES] = "";
    struct acl *acl = NULL;
    int context = 42;

    cr_assert_eq(acl_parse("users.acl", slice_from_text(text), command_at, &context, &acl, error),
                 0, "%s", error);
    return acl;
}

static void assert_refused(const char *text, const char *message)
{
    char error[LIMIT_ACL_ERROR_BYTES] = "";
    struct acl *acl = NULL;
    int context = 42;

    cr_assert_eq(acl_parse("users.acl", slice_from_text(text), command_at, &context, &acl, error),
                 -EINVAL, "%s", text);
    cr_assert_eq(acl, NULL);
    cr_assert_neq(strstr(error, message), NULL, "\"%s\" gave \"%s\"", text, error);
}

static const struct acl_user *login(const struct acl *acl, const char *name, const char *password)
{
    return acl_authenticate(acl, slice_from_text(name), slice_from_text(password));
}

// The user `u`, without password, with these rules. One at a time.
static const struct acl_user *user_with(struct acl **acl, const char *rules)
{
    char line[512];

    acl_destroy(*acl);
    snprintf(line, sizeof line, "user u on nopass %s\n", rules);
    *acl = parse(line);
    return login(*acl, "u", "");
}

static bool may(const struct acl_user *user, const char *key, uint32_t access)
{
    return acl_check_key(user, slice_from_text(key), access);
}

// The commands that the user may run, as letters.
static const char *allowed(const struct acl_user *user, char *text)
{
    static const char letters[COMMANDS + 1] = "gsdcGSpf";
    char *at = text;

    for (uint32_t i = 0; i < COMMANDS; i++) {
        if (acl_check_command(user, i)) {
            *at++ = letters[i];
        }
    }
    *at = '\0';
    return text;
}

Test(cluster_acl, without_a_file_everyone_may_everything)
{
    struct acl *const acl = acl_default();
    const struct acl_user *const user = acl_initial_user(acl);

    cr_assert_neq(user, NULL);
    cr_assert(acl_user_is_unlimited(user));
    cr_assert(acl_check_command(user, LIMIT_ACL_COMMANDS - 1));
    cr_assert(may(user, "any", ACL_ACCESS_READ | ACL_ACCESS_WRITE));
    cr_assert(slice_equal(acl_user_name(user), slice_from_text("default")));
    cr_assert_eq(login(acl, "default", "whatever"), user);
    cr_assert_not(acl_default_has_password(acl));
    acl_destroy(acl);
    acl_destroy(NULL);
}

Test(cluster_acl, passwords_are_texts_or_hashes)
{
    // The SHA-256 of "p".
    struct acl *const acl =
        parse("user a on >secret >second\n"
              "user b on #148de9c5a7a44d19e56cd9ae1a554bf67847afb0c58f6e12fa29ac7ddfca9940\n"
              "user c on nopass\n"
              "user d >secret\n"
              "user e on >old >new <old\n"
              "user f on >p !148de9c5a7a44d19e56cd9ae1a554bf67847afb0c58f6e12fa29ac7ddfca9940\n"
              "user g on nopass >late\n"
              "user h on >early nopass\n"
              "user i on >x resetpass\n");

    cr_assert_neq(login(acl, "a", "secret"), NULL);
    cr_assert_neq(login(acl, "a", "second"), NULL);
    cr_assert_eq(login(acl, "a", "secre"), NULL);
    cr_assert_eq(login(acl, "a", ""), NULL);
    cr_assert_neq(login(acl, "b", "p"), NULL);
    cr_assert_eq(login(acl, "b", "P"), NULL);
    cr_assert_neq(login(acl, "c", "anything"), NULL);
    cr_assert_eq(login(acl, "d", "secret"), NULL); // off
    cr_assert_eq(login(acl, "e", "old"), NULL);
    cr_assert_neq(login(acl, "e", "new"), NULL);
    cr_assert_eq(login(acl, "f", "p"), NULL);
    cr_assert_neq(login(acl, "g", "late"), NULL);
    cr_assert_eq(login(acl, "g", "other"), NULL);
    cr_assert_neq(login(acl, "h", "other"), NULL);
    cr_assert_eq(login(acl, "i", "x"), NULL);
    cr_assert_eq(login(acl, "nobody", "secret"), NULL);
    cr_assert_eq(login(acl, "A", "secret"), NULL);
    cr_assert_eq(acl_authenticate(acl, slice_of(NULL, 0), slice_of(NULL, 0)), NULL);
    acl_destroy(acl);
}

Test(cluster_acl, the_default_user_is_off_unless_the_file_has_it)
{
    struct acl *acl = parse("user a on nopass ~* +@all\n");

    cr_assert_eq(acl_initial_user(acl), NULL);
    cr_assert_eq(login(acl, "default", ""), NULL);
    cr_assert_not(acl_has_user(acl, slice_from_text("default")));
    cr_assert(acl_has_user(acl, slice_from_text("a")));
    cr_assert(acl_default_has_password(acl));
    acl_destroy(acl);
    acl = parse("user default on >p ~* +@all");
    cr_assert_eq(acl_initial_user(acl), NULL);
    cr_assert_neq(login(acl, "default", "p"), NULL);
    cr_assert(acl_default_has_password(acl));
    acl_destroy(acl);
    acl = parse("user default on nopass +ping");
    cr_assert_neq(acl_initial_user(acl), NULL);
    cr_assert_not(acl_user_is_unlimited(acl_initial_user(acl)));
    acl_destroy(acl);
    acl = parse("");
    cr_assert_eq(acl_initial_user(acl), NULL);
    acl_destroy(acl);
}

Test(cluster_acl, commands_are_allowed_from_left_to_right)
{
    static const struct {
        const char *rules;
        const char *allowed;
    } cases[] = {
        {"", ""},
        {"+get", "g"},
        {"+GET +Set", "gs"},
        {"+get -get", ""},
        {"-get +get", "g"},
        {"+config", "cGS"},
        {"+config -config|set", "cG"},
        {"+config|get", "G"},
        {"+config|get -config", ""},
        {"+@all", "gsdcGSpf"},
        {"allcommands -@dangerous", "gsdcp"},
        {"+@write -@dangerous", "sd"},
        {"+@write -@string +@connection", "dpf"},
        {"+@all nocommands +get", "g"},
        {"+@all -@all +ping", "p"},
        {"+@READ", "g"},
        {"+@list", ""}, // known, though no command is of it
    };
    char text[COMMANDS + 1];
    struct acl *acl = NULL;

    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        cr_assert_str_eq(allowed(user_with(&acl, cases[i].rules), text), cases[i].allowed, "%s",
                         cases[i].rules);
    }
    acl_destroy(acl);
}

Test(cluster_acl, keys_are_allowed_by_pattern_and_access)
{
    const uint32_t both = ACL_ACCESS_READ | ACL_ACCESS_WRITE;
    struct acl *acl = NULL;
    const struct acl_user *user = user_with(&acl, "~a* %R~r* %w~w* %rW~c? %R~x %W~x");

    cr_assert(may(user, "apple", both));
    cr_assert(may(user, "r1", ACL_ACCESS_READ));
    cr_assert_not(may(user, "r1", ACL_ACCESS_WRITE));
    cr_assert_not(may(user, "r1", both));
    cr_assert(may(user, "w1", ACL_ACCESS_WRITE));
    cr_assert_not(may(user, "w1", ACL_ACCESS_READ));
    cr_assert(may(user, "c1", both));
    cr_assert_not(may(user, "c12", ACL_ACCESS_READ));
    cr_assert_not(may(user, "b", ACL_ACCESS_READ));
    cr_assert_not(may(user, "", ACL_ACCESS_READ));
    cr_assert_not(may(user, "x", both)); // one pattern has to grant both
    cr_assert_not(may(user_with(&acl, "+@all"), "a", ACL_ACCESS_READ));
    cr_assert(may(user_with(&acl, "allkeys"), "a", both));
    cr_assert(may(user_with(&acl, "~a ~*"), "b", both));
    cr_assert_not(may(user_with(&acl, "~* resetkeys ~a"), "b", ACL_ACCESS_READ));
    cr_assert(may(user_with(&acl, "~* resetkeys ~a"), "a", both));
    acl_destroy(acl);
}

Test(cluster_acl, only_who_may_everything_is_unlimited)
{
    struct acl *acl = NULL;

    cr_assert(acl_user_is_unlimited(user_with(&acl, "~* +@all")));
    cr_assert_not(acl_user_is_unlimited(user_with(&acl, "~* +@all -get")));
    cr_assert_not(acl_user_is_unlimited(user_with(&acl, "~* +get")));
    cr_assert_not(acl_user_is_unlimited(user_with(&acl, "~a* +@all")));
    cr_assert_not(acl_user_is_unlimited(user_with(&acl, "+@all")));
    acl_destroy(acl);
}

Test(cluster_acl, reset_makes_a_user_new)
{
    struct acl *const acl = parse("user a on >p ~* +@all reset on >q +get ~k\n");
    const struct acl_user *const user = login(acl, "a", "q");
    char text[COMMANDS + 1];

    cr_assert_neq(user, NULL);
    cr_assert_eq(login(acl, "a", "p"), NULL);
    cr_assert_str_eq(allowed(user, text), "g");
    cr_assert_not(may(user, "other", ACL_ACCESS_READ));
    acl_destroy(acl);
}

Test(cluster_acl, what_acl_save_of_redis_writes_is_taken)
{
    struct acl *const acl = parse(
        "user default on nopass sanitize-payload ~* &* +@all\r\n"
        "\r\n"
        "# and a comment\n"
        "  \t\n"
        "user u on #148de9c5a7a44d19e56cd9ae1a554bf67847afb0c58f6e12fa29ac7ddfca9940 ~a* %R~r* "
        "resetchannels -@all +get +config|get");

    cr_assert(acl_user_is_unlimited(acl_initial_user(acl)));
    cr_assert_neq(login(acl, "u", "p"), NULL);
    acl_destroy(acl);
}

Test(cluster_acl, every_error_says_where_and_what)
{
    assert_refused("usr a on", "users.acl:1: 'usr': expected `user NAME RULES...`");
    assert_refused("\n\nuser\n", "users.acl:3: a user without a name");
    assert_refused("user a on\nuser b on\nuser a off\n", "users.acl:3: user 'a' is there twice");
    assert_refused("user a onn", "users.acl:1: 'onn' is no rule");
    assert_refused("user a +nosuch", "users.acl:1: '+nosuch': no such command");
    assert_refused("user a -nosuch", "users.acl:1: '-nosuch': no such command");
    assert_refused("user a +", "'+': no such command");
    assert_refused("user a +config|nosuch", "'+config|nosuch': no such subcommand");
    assert_refused("user a +config|", "'+config|': no such subcommand");
    assert_refused("user a +get|x", "'+get|x': the command has no subcommands");
    assert_refused("user a +@nosuch", "'+@nosuch': no such category");
    assert_refused("user a +@", "'+@': no such category");
    assert_refused("user a #abc", "'#' wants the SHA-256 of a password in 64");
    assert_refused("user a #148DE9c5a7a44d19e56cd9ae1a554bf67847afb0c58f6e12fa29ac7ddfca9940",
                   "lower case");
    assert_refused("user a >", "'>' without a password");
    assert_refused("user a <p", "the password to take back is not one of this user's");
    assert_refused("user a %X~k", "'%X~k': expected %R~, %W~ or %RW~");
    assert_refused("user a %~k", "'%~k': expected");
    assert_refused("user a %R", "'%R': expected");
    assert_refused("user a %RR~k", "'%RR~k': expected");
    assert_refused("user a ~* ~k", "'~k' after all keys were allowed has no effect");
    assert_refused("user a (+get ~x)", "selectors, rules in parentheses, are not offered");
}

Test(cluster_acl, messages_show_no_passwords)
{
    char error[LIMIT_ACL_ERROR_BYTES] = "";
    struct acl *acl = NULL;
    int context = 42;
    const char *const text = "user a on <topsecret";

    cr_assert_eq(acl_parse("f", slice_from_text(text), command_at, &context, &acl, error), -EINVAL);
    cr_assert_eq(strstr(error, "topsecret"), NULL);
}

Test(cluster_acl, a_nul_byte_is_no_text)
{
    char error[LIMIT_ACL_ERROR_BYTES] = "";
    struct acl *acl = NULL;
    int context = 42;

    cr_assert_eq(
        acl_parse("f", slice_of("user a on\nuser b\0on", 18), command_at, &context, &acl, error),
        -EINVAL);
    cr_assert_neq(strstr(error, "f:2: a NUL byte"), NULL, "%s", error);
}

// "user a on", and `count` rules.
static void assert_too_many(const char *rule, int count, const char *message)
{
    struct text text;

    text_init(&text, 1 << 20);
    text_string(&text, "user a on");
    for (int i = 0; i < count; i++) {
        text_printf(&text, " %s%d", rule, i);
    }
    assert_refused(text_c(&text), message);
    text_free(&text);
}

Test(cluster_acl, everything_has_a_bound)
{
    char word[100001];
    struct text text;

    assert_too_many("~key", LIMIT_ACL_PATTERNS + 1, "more than 64 key patterns");
    assert_too_many(">password", LIMIT_ACL_PASSWORDS + 1, "more than 16 passwords");
    text_init(&text, 1 << 20);
    for (int i = 0; i <= LIMIT_ACL_USERS; i++) {
        text_printf(&text, "user u%d\n", i);
    }
    assert_refused(text_c(&text), "users.acl:1025: more than 1024 users");
    memset(word, 'x', sizeof word);
    text_clear(&text);
    text_printf(&text, "user %.*s", LIMIT_ACL_NAME_BYTES + 1, word);
    assert_refused(text_c(&text), "a user's name of 257 bytes");
    text_clear(&text);
    text_printf(&text, "user %.*s", LIMIT_ACL_NAME_BYTES, word);
    acl_destroy(parse(text_c(&text)));
    // A long word does not burst the message.
    text_clear(&text);
    text_printf(&text, "user a %.*s", (int)sizeof word, word);
    assert_refused(text_c(&text), "xxx' is no rule");
    text_free(&text);
}

Test(cluster_acl, files_are_read_whole_or_the_reason_is_said)
{
    char path[] = "/tmp/rldb_acl_XXXXXX";
    char error[LIMIT_ACL_ERROR_BYTES] = "";
    struct acl *acl = NULL;
    int context = 42;
    const int fd = mkstemp(path);
    FILE *const file = fdopen(fd, "w");

    cr_assert_neq(file, NULL);
    fputs("user a on >p +get\n", file);
    fclose(file);
    cr_assert_eq(acl_load(path, command_at, &context, &acl, error), 0, "%s", error);
    cr_assert_neq(login(acl, "a", "p"), NULL);
    acl_destroy(acl);
    acl = NULL;
    unlink(path);
    cr_assert_eq(acl_load(path, command_at, &context, &acl, error), -ENOENT);
    cr_assert_neq(strstr(error, "cannot read the users file: No such file"), NULL, "%s", error);
    cr_assert_eq(acl, NULL);
}

Test(cluster_acl, categories_are_those_of_redis)
{
    cr_assert_str_eq(acl_category_name(0), "keyspace");
    cr_assert_str_eq(acl_category_name(__builtin_ctz(ACL_DANGEROUS)), "dangerous");
    cr_assert_str_eq(acl_category_name(__builtin_ctz(ACL_CONNECTION)), "connection");
    cr_assert_str_eq(acl_category_name(ACL_CATEGORIES - 1), "scripting");
    cr_assert_eq(acl_category_name(ACL_CATEGORIES), NULL);
}
