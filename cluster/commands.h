// The modules of commands: each commands_*.c has the handlers of one group and the rows that
// declare them.
#pragma once

#include "cluster/acl.h"
#include "cluster/command.h"

#define COMMAND_ROWS(table)                                                                        \
    {                                                                                              \
        .rows = (table), .count = sizeof(table) / sizeof *(table)                                  \
    }

// What rows of the "server" group share (commands_server.c, commands_latency.c).
enum {
    SERVER_ADMIN = COMMAND_ADMIN | COMMAND_LOADING | COMMAND_STALE,
    ACL_SERVER_ADMIN = ACL_ADMIN | ACL_SLOW | ACL_DANGEROUS,
};

#define SERVER_ROW(name_, run_, arity_, flags_, categories_, since_, complexity_, summary_)        \
    .name = (name_), .run = (run_), .arity = (arity_), .flags = (flags_),                          \
    .categories = (categories_), .group = "server", .since = (since_),                             \
    .complexity = (complexity_), .summary = (summary_)

#define SERVER_CONTAINER(name_, rows_, since_, summary_)                                           \
    {                                                                                              \
        SERVER_ROW(name_, NULL, -2, 0, ACL_SLOW, since_, "Depends on subcommand.", summary_),      \
            .route = ROUTE_CONNECTION, .subcommands = (rows_),                                     \
            .subcommand_count = sizeof(rows_) / sizeof *(rows_)                                    \
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
extern const struct command_module commands_rldb_snapshot;
extern const struct command_module commands_server;
extern const struct command_module commands_string;
