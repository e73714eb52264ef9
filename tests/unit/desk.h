// Where a handler or a check sits when its module is tested alone: a shard, its node and a client
// that are no more than their fields, a request, and what is replied to it.
#pragma once

#include "cluster/client.h"
#include "cluster/shard.h"
#include "core/memory.h"
#include "core/outbuf.h"
#include "engines/engine.h"

#include <criterion/criterion.h>
#include <stdarg.h>
#include <string.h>

enum { DESK_WORDS = 64, DESK_REPLY_BYTES = 1024 * 1024 };

struct desk {
    struct io io;
    struct node *node;
    struct shard *shard;
    struct client *client;
    struct exec exec;
    struct slice argv[DESK_WORDS];
    struct outbuf out;
    char *reply;
};

static inline void desk_open(struct desk *desk)
{
    memset(desk, 0, sizeof *desk);
    desk->node = memory_allocate_zeroed(sizeof *desk->node);
    // It has fields that are alone on their cache lines.
    desk->shard = memory_allocate_aligned(sizeof *desk->shard, LIMIT_CACHE_LINE_BYTES);
    desk->client = memory_allocate_zeroed(sizeof *desk->client);
    desk->reply = memory_allocate_zeroed(DESK_REPLY_BYTES);
    cr_assert(desk->node != NULL && desk->shard != NULL && desk->client != NULL);
    memset(desk->shard, 0, sizeof *desk->shard);
    config_defaults(&desk->node->config);
    desk->node->config.storage.engine = CONFIG_ENGINE_MEMORY;
    desk->node->config.listen.client = (struct config_listeners){
        .count = 1, .at = {{.text = "unix:/desk.sock"}}}; // from where the client came
    desk->node->shard_count = 1;
    desk->node->acl = acl_default();
    cr_assert_eq(command_index_open(&desk->node->commands), 0);
    desk->io.wall_ms = UINT64_C(1700000000000);
    desk->io.now_ns = UINT64_C(5000000000);
    desk->shard->io = &desk->io;
    desk->shard->node = desk->node;
    desk->shard->config = desk->node->config;
    outbuf_cache_init(&desk->shard->outbufs, 4, 4);
    desk->client->shard = desk->shard;
    desk->client->id = 7;
    desk->client->protocol = 2;
    desk->client->fd = -1;
    desk->client->user = acl_initial_user(desk->node->acl);
    desk->client->flags = CLIENT_AUTHENTICATED | CLIENT_UNIX;
}

static inline void desk_close(struct desk *desk)
{
    outbuf_clear(&desk->out, &desk->shard->outbufs);
    outbuf_cache_destroy(&desk->shard->outbufs);
    command_index_close(desk->node->commands);
    acl_destroy(desk->node->acl);
    memory_free(desk->reply);
    memory_free(desk->client);
    memory_free(desk->shard);
    memory_free(desk->node);
}

static inline bool desk_acl_command(void *context, uint32_t index, struct acl_command *ret_command)
{
    const struct command *const command = command_at(context, index);

    if (command == NULL) {
        return false;
    }
    *ret_command = (struct acl_command){
        .name = command->parent != NULL ? command->parent : command->name,
        .subcommand = command->parent != NULL ? command->name : NULL,
        .categories = command->categories,
    };
    return true;
}

// The users of the node from now on; the client is as one that has just come.
static inline void desk_users(struct desk *desk, const char *file)
{
    char error[LIMIT_ACL_ERROR_BYTES] = "";

    acl_destroy(desk->node->acl);
    cr_assert_eq(acl_parse("users", slice_from_text(file), desk_acl_command, desk->node->commands,
                           &desk->node->acl, error),
                 0, "%s", error);
    desk->client->user = acl_initial_user(desk->node->acl);
    desk->client->flags &= ~(uint32_t)CLIENT_AUTHENTICATED;
    desk->client->flags |= desk->client->user != NULL ? CLIENT_AUTHENTICATED : 0;
}

// A request of these arguments, which stay the caller's.
static inline struct exec *desk_request_of(struct desk *desk, const struct slice *argv,
                                           uint32_t argc)
{
    const struct command *command = command_find(desk->node->commands, argv[0]);

    if (command != NULL && command->subcommand_count != 0 && argc > 1) {
        const struct command *const sub = command_find_sub(command, argv[1]);

        command = sub != NULL ? sub : command;
    }
    outbuf_clear(&desk->out, &desk->shard->outbufs);
    desk->exec = (struct exec){
        .shard = desk->shard,
        .client = desk->client,
        .command = command,
        .argv = argv,
        .argc = argc,
        .reply = {.out = &desk->out, .cache = &desk->shard->outbufs, .protocol = 2},
    };
    return &desk->exec;
}

// A request of the words between single spaces.
static inline struct exec *desk_request(struct desk *desk, const char *words)
{
    uint32_t argc = 0;

    for (const char *at = words; *at != '\0' && argc < DESK_WORDS;) {
        const size_t size = strcspn(at, " ");

        desk->argv[argc++] = slice_of(at, size);
        at += size + (at[size] == ' ');
    }
    return desk_request_of(desk, desk->argv, argc);
}

// What was replied since the request was made, terminated; nothing is left of it.
static inline const char *desk_reply(struct desk *desk)
{
    const size_t size = desk->out.bytes;

    cr_assert_lt(size, DESK_REPLY_BYTES);
    outbuf_read(&desk->out, &desk->shard->outbufs, (uint8_t *)desk->reply);
    desk->reply[size] = '\0';
    return desk->reply;
}
