// Who may do what: the users of a node, from a file in the format of Redis's ACL files.
//
// Read once at start, checked strictly, immutable after that: all shards of a node read the one
// copy. There are no commands to change users; edit the file and start again.
//
//     # a comment, or an empty line
//     user NAME RULE RULE ...
//
//     on, off                    may log in, or not
//     nopass, resetpass          any password will do; none of those before
//     >text, #hex                a password, or its SHA-256 in 64 lower-case hex digits
//     <text, !hex                takes a password back
//     ~pattern                   keys it may use (core/glob.h)
//     %R~pattern, %W~, %RW~      keys it may read, write, both
//     allkeys, resetkeys         ~*; none
//     +name, -name               a command, with all its subcommands
//     +name|sub, -name|sub       one subcommand
//     +@name, -@name             a category: one of Redis's 21, or all
//     allcommands, nocommands    +@all; -@all
//     reset                      as a new user is: off, no password, no keys, no commands
//     &pattern, allchannels, resetchannels, sanitize-payload, skip-sanitize-payload, clearselectors
//                                taken without effect: Redis writes them into its files, and there
//                                is nothing here that they could be about
//
// Rules take effect from left to right. Differences from Redis 7.0: a file that does not name the
// user `default` leaves it off (Redis: open to everyone), selectors "( ... )" and first arguments
// of commands without subcommands (+select|0) are refused. A command that rldb does not have is
// refused when it is allowed, and when it is taken away too, as Redis does with commands it does
// not know.
//
// Passwords are kept as SHA-256 (fast on purpose, as in Redis: a login is one hash on a shard's
// loop. Use long random passwords). They are compared without telling where they differ.
//
// Source of the format: redis.io, "ACL", and what redis-server 7.0 accepts.
#pragma once

#include "core/limits.h"
#include "core/slice.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct acl;
struct acl_user;

// Redis's categories, in the order in which ACL CAT lists them.
enum acl_category {
    ACL_KEYSPACE = 1 << 0,
    ACL_READ = 1 << 1,
    ACL_WRITE = 1 << 2,
    ACL_SET = 1 << 3,
    ACL_SORTEDSET = 1 << 4,
    ACL_LIST = 1 << 5,
    ACL_HASH = 1 << 6,
    ACL_STRING = 1 << 7,
    ACL_BITMAP = 1 << 8,
    ACL_HYPERLOGLOG = 1 << 9,
    ACL_GEO = 1 << 10,
    ACL_STREAM = 1 << 11,
    ACL_PUBSUB = 1 << 12,
    ACL_ADMIN = 1 << 13,
    ACL_FAST = 1 << 14,
    ACL_SLOW = 1 << 15,
    ACL_BLOCKING = 1 << 16,
    ACL_DANGEROUS = 1 << 17,
    ACL_CONNECTION = 1 << 18,
    ACL_TRANSACTION = 1 << 19,
    ACL_SCRIPTING = 1 << 20,
};

enum { ACL_CATEGORIES = 21 };

// "keyspace" ..., without the @. NULL past the last (index >= ACL_CATEGORIES).
const char *acl_category_name(uint32_t index);

// What the caller's command table says of one command or subcommand. The index is the position.
struct acl_command {
    const char *name;       // lower case: "get", "config"
    const char *subcommand; // lower case: "get" of "config|get"; NULL for a command itself
    uint32_t categories;    // enum acl_category
};

// Fills *ret with the command at `index` (< LIMIT_ACL_COMMANDS) and returns true; false past the
// last.
typedef bool acl_command_fn(void *context, uint32_t index, struct acl_command *ret_command);

enum acl_access { ACL_ACCESS_READ = 1, ACL_ACCESS_WRITE = 2 };

// Texts of Redis 7.0, without the leading '-'. %.*s is the command's name, "config|set" for a
// subcommand.
#define ACL_ERROR_NOAUTH "NOAUTH Authentication required."
#define ACL_ERROR_WRONGPASS "WRONGPASS invalid username-password pair or user is disabled."
#define ACL_ERROR_COMMAND_FORMAT "NOPERM this user has no permissions to run the '%.*s' command"
#define ACL_ERROR_KEY                                                                              \
    "NOPERM this user has no permissions to access one of the keys used as arguments"
#define ACL_ERROR_NO_PASSWORD_SET                                                                  \
    "ERR AUTH <password> called without any password configured for the default user. Are you "    \
    "sure your configuration is correct?"

// Users from the text of a file, `name` is the file's for messages. 0; -EINVAL with "FILE:LINE:
// what, and what was expected" in ret_error[LIMIT_ACL_ERROR_BYTES]; -ENOMEM. The commands are asked
// for during the call only.
int acl_parse(const char *name, struct slice text, acl_command_fn *commands, void *context,
              struct acl **ret_acl, char *ret_error);

// Reads the file and parses it. Blocking: at start only. 0, -EINVAL, -errno of reading, always with
// a text in ret_error.
int acl_load(const char *path, acl_command_fn *commands, void *context, struct acl **ret_acl,
             char *ret_error);

// Without a file: the user `default`, on, without password, for all keys and commands. NULL: no
// memory.
struct acl *acl_default(void);

// NULL is allowed.
void acl_destroy(struct acl *acl);

// The user of connections that have not said who they are, or NULL when they have to (NOAUTH):
// `default` if it is on and needs no password.
const struct acl_user *acl_initial_user(const struct acl *acl);

// Whether `AUTH password`, without a user, has a point: false when `default` needs no password.
bool acl_default_has_password(const struct acl *acl);

// The user, or NULL: no such user, wrong password, or off. Valid as long as the acl.
const struct acl_user *acl_authenticate(const struct acl *acl, struct slice name,
                                        struct slice password);

// Whether there is a user of this name, on or off.
bool acl_has_user(const struct acl *acl, struct slice name);

struct slice acl_user_name(const struct acl_user *user);

// Whether the user may run the command (or subcommand) with this index.
bool acl_check_command(const struct acl_user *user, uint32_t command);

// Whether the user may use the key for all that `access` says (enum acl_access, or'ed).
bool acl_check_key(const struct acl_user *user, struct slice key, uint32_t access);

// What every user's struct begins with; the rest is acl.c's.
struct acl_user_head {
    bool unlimited; // all commands, all keys
};

// Whether everything is allowed, so that nothing else needs to be asked. A field test, for the hot
// path.
static inline bool acl_user_is_unlimited(const struct acl_user *user)
{
    return ((const struct acl_user_head *)(const void *)user)->unlimited;
}
