// Whether a request may run: the checks that come before every command, in Redis's order and words.
#include "cluster/acl.h"
#include "cluster/client.h"
#include "cluster/command.h"
#include "cluster/request.h"
#include "cluster/shard.h"

#include <stdio.h>
#include <string.h>

enum { UNKNOWN_ARGUMENT_BYTES = 128 }; // as much of unknown names and arguments as Redis repeats

// DEBUG is no container in Redis: it words all that it does not like in one way.
static bool is_debug(const struct command *command)
{
    return strcmp(command->parent != NULL ? command->parent : command->name, "debug") == 0;
}

static bool admit_arity(struct exec *x)
{
    if (command_arity_ok(x->command, x->argc)) {
        return true;
    }
    if (x->argc > 1 && is_debug(x->command)) {
        exec_error_subcommand(x);
    } else {
        exec_error_arity(x);
    }
    return false;
}

// Commands on many keys are worked off in slices; all others look at their arguments in one go.
static bool admit_count(struct exec *x)
{
    if (x->argc <= LIMIT_ADMIT_ARGUMENTS || x->command->route == ROUTE_KEYS) {
        return true;
    }
    char name[64];
    command_full_name(x->command, name, sizeof name);
    exec_errorf(x, "ERR too many arguments for '%s' command: up to %d are taken", name,
                LIMIT_ADMIT_ARGUMENTS);
    return false;
}

// A command without keys looks at its arguments in one go, if it does not only repeat them.
static bool admit_words(struct exec *x)
{
    const struct command *command = x->command;
    bool looks = command->route == ROUTE_ALL ||
                 (command->route == ROUTE_CONNECTION && (command->flags & COMMAND_STATELESS) == 0);
    for (uint32_t i = 1; looks && i < x->argc; i++) {
        if (x->argv[i].size > LIMIT_ADMIT_ARGUMENT_BYTES) {
            char name[64];
            command_full_name(command, name, sizeof name);
            exec_errorf(x, "TOOLARGE an argument of '%s' may have up to %d bytes, this one has %zu",
                        name, LIMIT_ADMIT_ARGUMENT_BYTES, x->argv[i].size);
            return false;
        }
    }
    return true;
}

static bool admit_known(struct exec *x)
{
    const struct command *command = x->command;
    if (command != NULL && command->subcommand_count != 0 && x->argc > 1) {
        if (is_debug(command)) {
            exec_error_subcommand(x);
            return false;
        }
        char upper[32];
        size_t length = strlen(command->name);
        for (size_t i = 0; i <= length && i < sizeof upper; i++) {
            char c = command->name[i];
            upper[i] = c >= 'a' && c <= 'z' ? (char)(c - 'a' + 'A') : c;
        }
        exec_errorf(x, "ERR unknown subcommand '%.*s'. Try %s HELP.",
                    (int)(x->argv[1].size < UNKNOWN_ARGUMENT_BYTES ? x->argv[1].size
                                                                   : UNKNOWN_ARGUMENT_BYTES),
                    (const char *)x->argv[1].bytes, upper);
        return false;
    }
    if (command != NULL) {
        return true;
    }
    char text[2 * UNKNOWN_ARGUMENT_BYTES + 64];
    size_t size = 0;
    text[0] = '\0';
    for (uint32_t i = 1; i < x->argc && size < UNKNOWN_ARGUMENT_BYTES; i++) {
        int room = (int)(UNKNOWN_ARGUMENT_BYTES - size);
        int length = (int)(x->argv[i].size < (size_t)room ? x->argv[i].size : (size_t)room);
        int wrote = snprintf(text + size, sizeof text - size, "'%.*s' ", length,
                             (const char *)x->argv[i].bytes);
        size += wrote > 0 ? (size_t)wrote : 0;
    }
    exec_errorf(
        x, "ERR unknown command '%.*s', with args beginning with: %s",
        (int)(x->argv[0].size < UNKNOWN_ARGUMENT_BYTES ? x->argv[0].size : UNKNOWN_ARGUMENT_BYTES),
        (const char *)x->argv[0].bytes, text);
    return false;
}

static bool words_have(const char *words, size_t size, const char *word)
{
    return memmem(words, size, word, strlen(word)) != NULL;
}

// What a user needs for a key, as Redis derives it from the key's specification: to show the value
// is to read; to insert, delete or update is to write; to tell of its being there is neither.
static uint32_t key_access(const struct exec *x, const char *words, size_t size)
{
    uint32_t access = words_have(words, size, "access") ? ACL_ACCESS_READ : 0;
    if (words_have(words, size, "insert") || words_have(words, size, "delete") ||
        words_have(words, size, "update")) {
        access |= ACL_ACCESS_WRITE;
    }
    if (words_have(words, size, "variable_flags")) { // SET: reads only with GET
        access &= ~(uint32_t)ACL_ACCESS_READ;
        for (uint32_t i = 3; i < x->argc; i++) {
            access |= exec_word(x, i, "get") ? ACL_ACCESS_READ : 0;
        }
    }
    return access;
}

// The access that a command with these words asks for the key at argv[at]: those of its first key
// come first.
static uint32_t admit_access(const struct exec *x, uint32_t at)
{
    const char *words = x->command->key_flags;
    const char *comma = strstr(words, ", "); // then those of the others
    if (comma == NULL) {
        return key_access(x, words, strlen(words));
    }
    return at == (uint32_t)x->command->key_first ? key_access(x, words, (size_t)(comma - words))
                                                 : key_access(x, comma, strlen(comma));
}

static bool admit_right(struct exec *x, uint32_t at)
{
    if (acl_check_key(x->client->user, x->argv[at], admit_access(x, at))) {
        return true;
    }
    exec_error(x, ACL_ERROR_KEY);
    return false;
}

// Keys are at most 65,535 bytes: the engines' records have 16 bits for them.
static bool admit_size(struct exec *x, uint32_t at)
{
    if (x->argv[at].size > LIMIT_KEY_BYTES) {
        exec_errorf(x, "TOOLARGE a key may have up to %d bytes, this one has %zu", LIMIT_KEY_BYTES,
                    x->argv[at].size);
        return false;
    }
    if ((x->command->flags & COMMAND_PAIRS) != 0 &&
        x->argv[at + 1].size > x->shard->config.storage.value_max_bytes) {
        exec_error_too_large(x, x->argv[at + 1].size); // of pairs all are set or none
        return false;
    }
    return true;
}

bool request_admit_key(struct exec *x, uint32_t argument)
{
    if (x->argc <= LIMIT_ADMIT_ARGUMENTS) {
        return true; // request_admit() did
    }
    return (acl_user_is_unlimited(x->client->user) || admit_right(x, argument)) &&
           admit_size(x, argument);
}

// A command with many keys has them looked at one by one where it works in slices.
static bool admit_has_keys(const struct exec *x, uint32_t *ret_first, uint32_t *ret_end,
                           uint32_t *ret_step)
{
    return x->argc <= LIMIT_ADMIT_ARGUMENTS &&
           command_keys(x->command, x->argc, ret_first, ret_end, ret_step);
}

static bool admit_keys(struct exec *x)
{
    uint32_t first, end, step;
    if (!admit_has_keys(x, &first, &end, &step)) {
        return true;
    }
    for (uint32_t i = first; i < end; i += step) {
        if (!admit_right(x, i)) {
            return false;
        }
    }
    return true;
}

static bool admit_user(struct exec *x)
{
    const struct client *client = x->client;
    if ((client->flags & CLIENT_AUTHENTICATED) == 0) {
        if (x->command->flags & COMMAND_NO_AUTH) {
            return true;
        }
        exec_error(x, ACL_ERROR_NOAUTH);
        return false;
    }
    if (acl_user_is_unlimited(client->user)) {
        return true;
    }
    if ((x->command->flags & COMMAND_NO_AUTH) == 0 &&
        !acl_check_command(client->user, x->command->index)) {
        char name[64];
        command_full_name(x->command, name, sizeof name);
        exec_errorf(x, ACL_ERROR_COMMAND_FORMAT, (int)strlen(name), name);
        return false;
    }
    return admit_keys(x);
}

static bool admit_sizes(struct exec *x)
{
    uint32_t first, end, step;
    if (!admit_has_keys(x, &first, &end, &step) ||
        ((x->command->flags & COMMAND_PAIRS) != 0 && x->argc % 2 == 0)) {
        return true; // of a key without its value the command itself tells
    }
    for (uint32_t i = first; i < end; i += step) {
        if (!admit_size(x, i)) {
            return false;
        }
    }
    return true;
}

// The first words of a browser that was sent here: what follows them may be meant as commands by
// whoever sent it.
static bool admit_word(const struct exec *x)
{
    if (x->command != NULL || (!exec_word(x, 0, "post") && !exec_word(x, 0, "host:"))) {
        return true;
    }
    client_close(x->client);
    return false;
}

bool request_is_refused(const struct exec *x)
{
    const struct command *command = x->command;
    const struct client *client = x->client;
    if (command == NULL || !command_arity_ok(command, x->argc) ||
        (command->subcommand_count != 0 && x->argc > 1)) {
        return true;
    }
    if ((command->flags & COMMAND_NO_AUTH) != 0) {
        return false;
    }
    return (client->flags & CLIENT_AUTHENTICATED) == 0 ||
           (!acl_user_is_unlimited(client->user) &&
            !acl_check_command(client->user, command->index));
}

bool request_admit(struct exec *x)
{
    if (!admit_word(x)) {
        return false;
    }
    bool admitted = admit_known(x);
    admitted = admitted && admit_arity(x) && admit_count(x) && admit_words(x) && admit_user(x) &&
               admit_sizes(x);
    if (!admitted && x->command != NULL) {
        x->shard->stats.of[x->command->index].rejected++;
    }
    return admitted;
}
