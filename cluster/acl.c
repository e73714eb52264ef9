#include "cluster/acl.h"
#include <stdlib.h>
struct acl {
    int x;
};
static struct acl_user_head head = {true};
int acl_load(const char *p, acl_command_fn *c, void *x, struct acl **r, char *e)
{
    (void)p;
    (void)c;
    (void)x;
    (void)r;
    (void)e;
    return -22;
}
struct acl *acl_default(void)
{
    return malloc(8);
}
void acl_destroy(struct acl *a)
{
    free(a);
}
const struct acl_user *acl_initial_user(const struct acl *a)
{
    (void)a;
    return (const struct acl_user *)&head;
}
bool acl_default_has_password(const struct acl *a)
{
    (void)a;
    return false;
}
const struct acl_user *acl_authenticate(const struct acl *acl, struct slice name,
                                        struct slice password)
{
    (void)acl;
    (void)name;
    (void)password;
    return NULL;
}
struct slice acl_user_name(const struct acl_user *u)
{
    (void)u;
    return slice_from_text("default");
}
bool acl_check_command(const struct acl_user *u, uint32_t c)
{
    (void)u;
    (void)c;
    return true;
}
bool acl_check_key(const struct acl_user *u, struct slice k, uint32_t a)
{
    (void)u;
    (void)k;
    (void)a;
    return true;
}
bool acl_has_user(const struct acl *a, struct slice name)
{
    (void)a;
    (void)name;
    return true;
}
