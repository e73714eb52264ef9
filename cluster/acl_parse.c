#include "cluster/acl.h"

#include "cluster/acl_user.h"
#include "core/check.h"
#include "core/file.h"
#include "core/memory.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <strings.h>

// One run over a file.
struct parser {
    struct acl *acl;
    struct acl_user *user; // of the line
    const char *file;
    unsigned line;
    acl_command_fn *commands;
    void *context;
    char *ret_error;
};

__attribute__((format(printf, 2, 3))) static int parse_fail(struct parser *parser,
                                                            const char *format, ...)
{
    va_list arguments;
    const int used =
        snprintf(parser->ret_error, LIMIT_ACL_ERROR_BYTES, "%s:%u: ", parser->file, parser->line);

    va_start(arguments, format);
    if (used > 0 && used < LIMIT_ACL_ERROR_BYTES) {
        vsnprintf(parser->ret_error + used, (size_t)(LIMIT_ACL_ERROR_BYTES - used), format,
                  arguments);
    }
    va_end(arguments);
    return -EINVAL;
}

// For %.*s: a word, cut where it would fill the message.
static int shown(struct slice word)
{
    return word.size < 100 ? (int)word.size : 100;
}

static const char *text_of(struct slice word)
{
    return (const char *)word.bytes;
}

static bool word_is(struct slice word, const char *text)
{
    return word.size == strlen(text) && strncasecmp(text_of(word), text, word.size) == 0;
}

static struct slice after(struct slice word, size_t count)
{
    CHECK(count <= word.size);
    return slice_of(word.bytes + count, word.size - count);
}

// The names outlive the text they come from.
static struct slice keep(struct parser *parser, struct slice word)
{
    uint8_t *const at = parser->acl->names + parser->acl->names_size;

    memcpy(at, word.bytes, word.size);
    parser->acl->names_size += word.size;
    return slice_of(at, word.size);
}

static int password_add(struct parser *parser, const uint8_t *hash)
{
    struct acl_user *const user = parser->user;

    user->nopass = false;
    for (uint32_t i = 0; i < user->passwords_count; i++) {
        if (memcmp(user->passwords[i], hash, ACL_HASH_BYTES) == 0) {
            return 0;
        }
    }
    if (user->passwords_count == LIMIT_ACL_PASSWORDS) {
        return parse_fail(parser, "more than %d passwords", LIMIT_ACL_PASSWORDS);
    }
    memcpy(user->passwords[user->passwords_count++], hash, ACL_HASH_BYTES);
    return 0;
}

static int password_remove(struct parser *parser, const uint8_t *hash)
{
    struct acl_user *const user = parser->user;

    for (uint32_t i = 0; i < user->passwords_count; i++) {
        if (memcmp(user->passwords[i], hash, ACL_HASH_BYTES) == 0) {
            user->passwords_count--;
            memmove(user->passwords[i], user->passwords[user->passwords_count], ACL_HASH_BYTES);
            return 0;
        }
    }
    return parse_fail(parser, "the password to take back is not one of this user's");
}

// >text <text #hex !hex. No message shows a password.
static int rule_password(struct parser *parser, struct slice rule)
{
    const char sign = (char)rule.bytes[0];
    const struct slice rest = after(rule, 1);
    uint8_t hash[ACL_HASH_BYTES];

    if (sign == '>' || sign == '<') {
        if (rest.size == 0) {
            return parse_fail(parser, "'%c' without a password; for none write nopass", sign);
        }
        crypto_hash_sha256(hash, rest.bytes, rest.size);
    } else {
        size_t size = 0;
        bool lower = rest.size == 2 * sizeof hash;

        for (size_t i = 0; i < rest.size; i++) {
            lower &= strchr("0123456789abcdef", rest.bytes[i]) != NULL;
        }
        if (!lower ||
            sodium_hex2bin(hash, sizeof hash, text_of(rest), rest.size, NULL, &size, NULL) != 0) {
            return parse_fail(parser,
                              "'%c' wants the SHA-256 of a password in 64 hexadecimal digits, "
                              "lower case",
                              sign);
        }
    }
    return sign == '>' || sign == '#' ? password_add(parser, hash) : password_remove(parser, hash);
}

// ~glob %R~glob %W~glob %RW~glob
static int rule_pattern(struct parser *parser, struct slice rule)
{
    struct acl_user *const user = parser->user;
    uint32_t access = 0;
    size_t at = 1;

    if (word_is(rule, "~*")) {
        user->all_keys = true;
        user->patterns_count = 0;
        return 0;
    }
    if (user->all_keys) {
        return parse_fail(parser,
                          "'%.*s' after all keys were allowed has no effect; resetkeys first",
                          shown(rule), text_of(rule));
    }
    if (rule.bytes[0] == '~') {
        access = ACL_ACCESS_READ | ACL_ACCESS_WRITE;
    } else {
        for (; at < rule.size && rule.bytes[at] != '~'; at++) {
            const uint8_t letter = rule.bytes[at] & 0xdf;
            const uint32_t bit = letter == 'R'   ? ACL_ACCESS_READ
                                 : letter == 'W' ? ACL_ACCESS_WRITE
                                                 : 0;

            if (bit == 0 || (access & bit) != 0) {
                access = 0;
                break;
            }
            access |= bit;
        }
        if (access == 0 || at == rule.size) {
            return parse_fail(parser, "'%.*s': expected %%R~, %%W~ or %%RW~ and a pattern",
                              shown(rule), text_of(rule));
        }
        at++;
    }
    if (user->patterns_count == LIMIT_ACL_PATTERNS) {
        return parse_fail(parser, "more than %d key patterns", LIMIT_ACL_PATTERNS);
    }
    user->patterns[user->patterns_count++] =
        (struct acl_pattern){.glob = keep(parser, after(rule, at)), .access = access};
    return 0;
}

// +@name -@name
static int rule_category(struct parser *parser, struct slice rule)
{
    const bool allowed = rule.bytes[0] == '+';
    const struct slice name = after(rule, 2);
    struct acl_command command;
    uint32_t category = 0;

    if (word_is(name, "all")) {
        memset(parser->user->commands, allowed ? 0xff : 0, sizeof parser->user->commands);
        return 0;
    }
    while (category < ACL_CATEGORIES && !word_is(name, acl_category_name(category))) {
        category++;
    }
    if (category == ACL_CATEGORIES) {
        return parse_fail(parser, "'%.*s': no such category of commands", shown(rule),
                          text_of(rule));
    }
    for (uint32_t i = 0; i < LIMIT_ACL_COMMANDS && parser->commands(parser->context, i, &command);
         i++) {
        if ((command.categories >> category & 1) != 0) {
            acl_user_set_command(parser->user, i, allowed);
        }
    }
    return 0;
}

// +name -name +name|sub -name|sub
static int rule_command(struct parser *parser, struct slice rule)
{
    const bool allowed = rule.bytes[0] == '+';
    const uint8_t *const bar = memchr(rule.bytes, '|', rule.size);
    const size_t name_end = bar == NULL ? rule.size : (size_t)(bar - rule.bytes);
    const struct slice name = slice_of(rule.bytes + 1, name_end - 1);
    const struct slice sub = bar == NULL ? slice_of(NULL, 0) : after(rule, name_end + 1);
    struct acl_command command;
    bool known = false;
    bool container = false;
    bool found = false;

    for (uint32_t i = 0; i < LIMIT_ACL_COMMANDS && parser->commands(parser->context, i, &command);
         i++) {
        if (!word_is(name, command.name)) {
            continue;
        }
        known = true;
        container |= command.subcommand != NULL;
        // Without a subcommand the command and all that it contains.
        if (bar == NULL || (command.subcommand != NULL && word_is(sub, command.subcommand))) {
            acl_user_set_command(parser->user, i, allowed);
            found = true;
        }
    }
    if (found) {
        return 0;
    }
    if (known && !container) {
        return parse_fail(parser,
                          "'%.*s': the command has no subcommands, and first arguments cannot "
                          "be told apart",
                          shown(rule), text_of(rule));
    }
    return parse_fail(parser, "'%.*s': no such %s", shown(rule), text_of(rule),
                      known ? "subcommand" : "command");
}

// Rules that are one word. 1 when it is none of them.
static int rule_word(struct parser *parser, struct slice rule)
{
    static const char *const ignored[] = {"allchannels", "resetchannels", "sanitize-payload",
                                          "skip-sanitize-payload", "clearselectors"};
    struct acl_user *const user = parser->user;

    if (word_is(rule, "on") || word_is(rule, "off")) {
        user->on = word_is(rule, "on");
    } else if (word_is(rule, "nopass") || word_is(rule, "resetpass")) {
        user->nopass = word_is(rule, "nopass");
        user->passwords_count = 0;
    } else if (word_is(rule, "allkeys") || word_is(rule, "resetkeys")) {
        user->all_keys = word_is(rule, "allkeys");
        user->patterns_count = 0;
    } else if (word_is(rule, "allcommands") || word_is(rule, "nocommands")) {
        memset(user->commands, word_is(rule, "allcommands") ? 0xff : 0, sizeof user->commands);
    } else if (word_is(rule, "reset")) {
        acl_user_reset(user);
    } else {
        for (size_t i = 0; i < sizeof ignored / sizeof ignored[0]; i++) {
            if (word_is(rule, ignored[i])) {
                return 0;
            }
        }
        return 1;
    }
    return 0;
}

static int parse_rule(struct parser *parser, struct slice rule)
{
    switch (rule.bytes[0]) {
    case '>':
    case '<':
    case '#':
    case '!':
        return rule_password(parser, rule);
    case '~':
    case '%':
        return rule_pattern(parser, rule);
    case '+':
    case '-':
        return rule.size > 1 && rule.bytes[1] == '@' ? rule_category(parser, rule)
                                                     : rule_command(parser, rule);
    case '&':
        return 0; // channels: there are none
    case '(':
        return parse_fail(parser, "selectors, rules in parentheses, are not offered");
    default:
        break;
    }
    const int result = rule_word(parser, rule);

    return result == 1 ? parse_fail(parser, "'%.*s' is no rule", shown(rule), text_of(rule))
                       : result;
}

static bool is_space(uint8_t character)
{
    return character == ' ' || character == '\t' || character == '\r';
}

// Cuts the next word off the line; false when there is none.
static bool next_word(struct slice *line, struct slice *ret_word)
{
    size_t start = 0;

    while (start < line->size && is_space(line->bytes[start])) {
        start++;
    }
    size_t end = start;

    while (end < line->size && !is_space(line->bytes[end])) {
        end++;
    }
    *ret_word = slice_of(line->bytes + start, end - start);
    *line = after(*line, end);
    return end != start;
}

static int begin_user(struct parser *parser, struct slice name)
{
    for (uint32_t i = 0; i < parser->acl->users_count; i++) {
        if (slice_equal(parser->acl->users[i].name, name)) {
            return parse_fail(parser, "user '%.*s' is there twice", shown(name), text_of(name));
        }
    }
    if (name.size > LIMIT_ACL_NAME_BYTES) {
        return parse_fail(parser, "a user's name of %zu bytes, at most %d", name.size,
                          LIMIT_ACL_NAME_BYTES);
    }
    if (parser->acl->users_count == LIMIT_ACL_USERS) {
        return parse_fail(parser, "more than %d users", LIMIT_ACL_USERS);
    }
    parser->user = acl_add_user(parser->acl, keep(parser, name));
    return parser->user != NULL ? 0 : -ENOMEM;
}

static int parse_line(struct parser *parser, struct slice line)
{
    struct slice word;

    if (memchr(line.bytes, '\0', line.size) != NULL) {
        return parse_fail(parser, "a NUL byte; is this a text file?");
    }
    if (!next_word(&line, &word) || word.bytes[0] == '#') {
        return 0;
    }
    if (!word_is(word, "user")) {
        return parse_fail(parser, "'%.*s': expected `user NAME RULES...`", shown(word),
                          text_of(word));
    }
    if (!next_word(&line, &word)) {
        return parse_fail(parser, "a user without a name");
    }
    int error = begin_user(parser, word);

    while (error == 0 && next_word(&line, &word)) {
        error = parse_rule(parser, word);
    }
    if (error == 0) {
        acl_user_finish(parser->user);
    }
    return error;
}

int acl_parse(const char *name, struct slice text, acl_command_fn *commands, void *context,
              struct acl **ret_acl, char *ret_error)
{
    struct parser parser = {.acl = acl_create(text.size),
                            .file = name,
                            .commands = commands,
                            .context = context,
                            .ret_error = ret_error};
    int error = 0;

    if (parser.acl == NULL) {
        return -ENOMEM;
    }
    while (error == 0 && text.size != 0) {
        const uint8_t *const newline = memchr(text.bytes, '\n', text.size);
        const size_t size = newline == NULL ? text.size : (size_t)(newline - text.bytes);

        parser.line++;
        error = size == 0 ? 0 : parse_line(&parser, slice_of(text.bytes, size));
        text = after(text, newline == NULL ? size : size + 1);
    }
    if (error != 0) {
        acl_destroy(parser.acl);
        return error;
    }
    *ret_acl = parser.acl;
    return 0;
}

int acl_load(const char *path, acl_command_fn *commands, void *context, struct acl **ret_acl,
             char *ret_error)
{
    char *bytes = NULL;
    size_t size = 0;
    int error = file_read(path, LIMIT_ACL_FILE_BYTES, &bytes, &size);

    if (error != 0) {
        snprintf(ret_error, LIMIT_ACL_ERROR_BYTES, "%s: cannot read the users file: %s", path,
                 strerror(-error));
        return error;
    }
    error = acl_parse(path, slice_of(bytes, size), commands, context, ret_acl, ret_error);
    sodium_memzero(bytes, size); // it may have passwords in it
    memory_free(bytes);
    if (error == -ENOMEM) {
        snprintf(ret_error, LIMIT_ACL_ERROR_BYTES, "%s: no memory for its users", path);
    }
    return error;
}
