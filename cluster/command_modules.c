#include "cluster/commands.h"

const struct command_module *const *command_modules(uint32_t *ret_count)
{
    static const struct command_module *const modules[] = {
        &commands_client, &commands_connection, &commands_key, &commands_keyspace, &commands_string,
    };
    *ret_count = sizeof modules / sizeof *modules;
    return modules;
}
