#include "cluster/commands.h"

const struct command_module *const *command_modules(uint32_t *ret_count)
{
    // clang-format off
    static const struct command_module *const modules[] = {
        &commands_client,
        &commands_cluster,
        &commands_command,
        &commands_config,
        &commands_connection,
        &commands_info,
        &commands_key,
        &commands_keyspace,
        &commands_latency,
        &commands_rldb,
        &commands_rldb_cluster,
        &commands_rldb_snapshot,
        &commands_server,
        &commands_string,
    };
    // clang-format on
    *ret_count = sizeof modules / sizeof modules[0];
    return modules;
}
