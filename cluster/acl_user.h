// What acl.c (who may do what) and acl_parse.c (the file) share. Not for others, who see
// cluster/acl.h.
#pragma once

#include "cluster/acl.h"

#include <sodium.h>

enum { ACL_HASH_BYTES = crypto_hash_sha256_BYTES };

struct acl_pattern {
    struct slice glob;
    uint32_t access; // enum acl_access
};

struct acl_user {
    struct acl_user_head head;
    bool on;
    bool nopass;
    bool all_keys;
    struct slice name;
    uint64_t commands[LIMIT_ACL_COMMANDS / 64]; // one bit a command
    uint32_t passwords_count;
    uint32_t patterns_count;
    uint8_t passwords[LIMIT_ACL_PASSWORDS][ACL_HASH_BYTES];
    struct acl_pattern patterns[LIMIT_ACL_PATTERNS];
};

struct acl {
    struct acl_user *users;
    uint32_t users_count;
    uint32_t users_capacity;
    uint8_t *names; // bytes of users' names and patterns; never passwords
    size_t names_size;
};

// As a user is before the first rule: off, nothing allowed.
void acl_user_reset(struct acl_user *user);

static inline void acl_user_set_command(struct acl_user *user, uint32_t index, bool allowed)
{
    const uint64_t bit = UINT64_C(1) << (index % 64);

    user->commands[index / 64] =
        allowed ? user->commands[index / 64] | bit : user->commands[index / 64] & ~bit;
}

// Sets head.unlimited from the rest.
void acl_user_finish(struct acl_user *user);

// A new user, reset. NULL: no memory. Pointers to other users are no longer valid.
struct acl_user *acl_add_user(struct acl *acl, struct slice name);

// Without memory, and with nobody in it. names_capacity: bytes that `names` will need.
struct acl *acl_create(size_t names_capacity);
