// The modules of commands: each commands_*.c has the handlers of one group and the rows that
// declare them.
#pragma once

#include "cluster/acl.h"
#include "cluster/command.h"

#define COMMAND_ROWS(table)                                                                        \
    {                                                                                              \
        .rows = (table), .count = sizeof(table) / sizeof *(table)                                  \
    }

// In the order in which COMMAND lists them.
const struct command_module *const *command_modules(uint32_t *ret_count);

extern const struct command_module commands_client;
extern const struct command_module commands_cluster;
extern const struct command_module commands_command;
extern const struct command_module commands_config;
extern const struct command_module commands_connection;
extern const struct command_module commands_info;
extern const struct command_module commands_key;
extern const struct command_module commands_keyspace;
extern const struct command_module commands_latency;
extern const struct command_module commands_rldb;
extern const struct command_module commands_rldb_cluster;
extern const struct command_module commands_server;
extern const struct command_module commands_string;
