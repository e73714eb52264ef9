// A users file: whatever the bytes, it is refused with a message, or gives users who can be asked.

#include "cluster/acl.h"

#include "core/check.h"

#include <errno.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

static bool command_at(void *context, uint32_t index, struct acl_command *ret_command)
{
    static const struct acl_command commands[] = {
        {.name = "get", .categories = ACL_READ | ACL_STRING},
        {.name = "set", .categories = ACL_WRITE | ACL_STRING},
        {.name = "config", .categories = ACL_SLOW},
        {.name = "config", .subcommand = "get", .categories = ACL_ADMIN},
    };

    CHECK(context == NULL);
    if (index >= sizeof commands / sizeof commands[0]) {
        return false;
    }
    *ret_command = commands[index];
    return true;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    char error[LIMIT_ACL_ERROR_BYTES] = "";
    struct acl *acl = NULL;
    const int result = acl_parse("fuzz", slice_of(bytes, size), command_at, NULL, &acl, error);

    if (result != 0) {
        CHECK(result == -EINVAL && acl == NULL);
        CHECK(strncmp(error, "fuzz:", 5) == 0 && memchr(error, '\0', sizeof error) != NULL);
        return 0;
    }
    const struct acl_user *const user =
        acl_authenticate(acl, slice_from_text("default"), slice_from_text("p"));

    if (user != NULL) {
        CHECK(acl_has_user(acl, acl_user_name(user)));
        const bool key = acl_check_key(user, slice_from_text("key"), ACL_ACCESS_READ);
        const bool command = acl_check_command(user, 1);

        CHECK(!acl_user_is_unlimited(user) || (key && command));
    }
    CHECK(acl_initial_user(acl) == NULL || !acl_default_has_password(acl));
    acl_destroy(acl);
    return 0;
}
