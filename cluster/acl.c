#include "cluster/acl.h"

#include "cluster/acl_user.h"
#include "core/check.h"
#include "core/glob.h"
#include "core/memory.h"

static const char *const acl_category_names[] = {
    "keyspace", "read",   "write",       "set",       "sortedset",  "list",        "hash",
    "string",   "bitmap", "hyperloglog", "geo",       "stream",     "pubsub",      "admin",
    "fast",     "slow",   "blocking",    "dangerous", "connection", "transaction", "scripting",
};

static_assert(sizeof acl_category_names / sizeof acl_category_names[0] == ACL_CATEGORIES,
              "one name a category");
static_assert(ACL_SCRIPTING == 1 << (ACL_CATEGORIES - 1), "in the order of their bits");
static_assert(LIMIT_ACL_COMMANDS % 64 == 0, "bits of whole words");

const char *acl_category_name(uint32_t index)
{
    return index < ACL_CATEGORIES ? acl_category_names[index] : NULL;
}

void acl_user_reset(struct acl_user *user)
{
    const struct slice name = user->name;

    sodium_memzero(user, sizeof *user);
    user->name = name;
}

void acl_user_finish(struct acl_user *user)
{
    bool all = user->all_keys;

    for (size_t i = 0; i < LIMIT_ACL_COMMANDS / 64; i++) {
        all &= user->commands[i] == UINT64_MAX;
    }
    user->head.unlimited = all;
}

struct acl_user *acl_add_user(struct acl *acl, struct slice name)
{
    if (acl->users_count == acl->users_capacity) {
        const uint32_t capacity = acl->users_capacity == 0 ? 4 : 2 * acl->users_capacity;
        struct acl_user *const users = memory_resize(acl->users, capacity * sizeof *users);

        if (users == NULL) {
            return NULL;
        }
        acl->users = users;
        acl->users_capacity = capacity;
    }
    struct acl_user *const user = &acl->users[acl->users_count++];

    user->name = name;
    acl_user_reset(user);
    return user;
}

struct acl *acl_create(size_t names_capacity)
{
    struct acl *const acl = memory_allocate_zeroed(sizeof *acl);

    if (acl == NULL) {
        return NULL;
    }
    acl->names = memory_allocate(names_capacity);
    if (acl->names == NULL) {
        memory_free(acl);
        return NULL;
    }
    return acl;
}

struct acl *acl_default(void)
{
    struct acl *const acl = acl_create(0);
    struct acl_user *const user =
        acl == NULL ? NULL : acl_add_user(acl, slice_from_text("default"));

    if (user == NULL) {
        acl_destroy(acl);
        return NULL;
    }
    user->on = true;
    user->nopass = true;
    user->all_keys = true;
    memset(user->commands, 0xff, sizeof user->commands);
    acl_user_finish(user);
    return acl;
}

void acl_destroy(struct acl *acl)
{
    if (acl == NULL) {
        return;
    }
    if (acl->users != NULL) {
        sodium_memzero(acl->users, acl->users_count * sizeof *acl->users);
    }
    memory_free(acl->users);
    memory_free(acl->names);
    memory_free(acl);
}

static const struct acl_user *acl_find(const struct acl *acl, struct slice name)
{
    for (uint32_t i = 0; i < acl->users_count; i++) {
        if (slice_equal(acl->users[i].name, name)) {
            return &acl->users[i];
        }
    }
    return NULL;
}

bool acl_has_user(const struct acl *acl, struct slice name)
{
    return acl_find(acl, name) != NULL;
}

const struct acl_user *acl_initial_user(const struct acl *acl)
{
    const struct acl_user *const user = acl_find(acl, slice_from_text("default"));

    return user != NULL && user->on && user->nopass ? user : NULL;
}

bool acl_default_has_password(const struct acl *acl)
{
    const struct acl_user *const user = acl_find(acl, slice_from_text("default"));

    return user == NULL || !user->nopass;
}

const struct acl_user *acl_authenticate(const struct acl *acl, struct slice name,
                                        struct slice password)
{
    // Somebody that nobody is, so that an unknown name takes as long as a known one.
    static const struct acl_user nobody = {.passwords_count = 1};
    const struct acl_user *const known = acl_find(acl, name);
    const struct acl_user *const user = known != NULL ? known : &nobody;
    uint8_t hash[ACL_HASH_BYTES];
    bool right = user->nopass;

    crypto_hash_sha256(hash, password.bytes, password.size);
    for (uint32_t i = 0; i < user->passwords_count; i++) {
        right |= sodium_memcmp(hash, user->passwords[i], sizeof hash) == 0;
    }
    sodium_memzero(hash, sizeof hash);
    return right && user->on ? known : NULL;
}

struct slice acl_user_name(const struct acl_user *user)
{
    return user->name;
}

bool acl_check_command(const struct acl_user *user, uint32_t command)
{
    CHECK(command < LIMIT_ACL_COMMANDS);
    return (user->commands[command / 64] >> (command % 64) & 1) != 0;
}

bool acl_check_key(const struct acl_user *user, struct slice key, uint32_t access)
{
    CHECK((access & ~(uint32_t)(ACL_ACCESS_READ | ACL_ACCESS_WRITE)) == 0);
    if (user->all_keys) {
        return true;
    }
    for (uint32_t i = 0; i < user->patterns_count; i++) {
        const struct acl_pattern *const pattern = &user->patterns[i];

        // One pattern has to grant all of it, as in Redis.
        if ((pattern->access & access) == access && glob_match(pattern->glob, key, false)) {
            return true;
        }
    }
    return false;
}
