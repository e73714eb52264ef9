// The connection itself: PING, HELLO, AUTH, SELECT, RESET, QUIT and their kin. CLIENT is in
// commands_client.c.
#include "cluster/client.h"
#include "cluster/commands.h"
#include "cluster/session.h"
#include "cluster/shard.h"
#include "core/memory.h"
#include "core/number.h"

#include <stdio.h>
#include <string.h>

static void connection_ping(struct exec *x)
{
    if (x->argc > 2) {
        exec_error_arity(x);
    } else if (x->argc == 2) {
        reply_bulk(&x->reply, x->argv[1]);
    } else {
        REPLY_LITERAL(&x->reply, "+PONG\r\n");
    }
}

static void connection_echo(struct exec *x)
{
    reply_bulk(&x->reply, x->argv[1]);
}

static void connection_select(struct exec *x)
{
    int64_t database;
    if (!exec_integer_32(x, 1, &database)) {
        return;
    }
    if (database != 0) {
        exec_error(x, x->shard->node->shard_port_base != 0
                          ? "ERR SELECT is not allowed in cluster mode"
                          : "ERR DB index is out of range");
    } else {
        reply_ok(&x->reply);
    }
}

static void connection_quit(struct exec *x)
{
    reply_ok(&x->reply);
    client_close_after_reply(x->client);
}

static void connection_reset(struct exec *x)
{
    struct client *client = x->client;
    bool silent = (client->flags & CLIENT_REPLY_OFF) != 0;
    bool skipped = (client->flags & CLIENT_REPLY_SKIP) != 0;
    session_reset(client);
    if (silent && !skipped) {
        x->reply.out = client_out(client); // it ends CLIENT REPLY OFF, and is replied
    }
    x->reply.protocol = client->protocol;
    reply_simple(&x->reply, "RESET");
}

// What Redis answers outside a cluster, where nothing is asked for or read only.
static void connection_readonly(struct exec *x)
{
    if (x->shard->node->shard_port_base == 0) {
        exec_error(x, "ERR This instance has cluster support disabled");
        return;
    }
    if (x->command->name[4] == 'o') {
        x->client->flags |= CLIENT_READONLY_MODE;
    } else {
        x->client->flags &= ~(uint32_t)CLIENT_READONLY_MODE;
    }
    reply_ok(&x->reply);
}

static void connection_asking(struct exec *x)
{
    if (x->shard->node->shard_port_base == 0) {
        exec_error(x, "ERR This instance has cluster support disabled");
        return;
    }
    reply_ok(&x->reply);
}

// Authentication -----------------------------------------------------------------------------

static void connection_auth(struct exec *x)
{
    const struct acl *acl = x->shard->node->acl;
    if (x->argc > 3) {
        exec_error_syntax(x);
        return;
    }
    if (x->argc == 2 && !acl_default_has_password(acl)) {
        exec_error(x, ACL_ERROR_NO_PASSWORD_SET);
        return;
    }
    struct slice name = x->argc == 3 ? x->argv[1] : slice_from_text("default");
    if (session_authenticate(x->client, name, x->argv[x->argc - 1])) {
        reply_ok(&x->reply);
    } else {
        exec_error(x, ACL_ERROR_WRONGPASS);
    }
}

static void hello_reply(struct exec *x)
{
    const struct shard *shard = x->shard;
    reply_map(&x->reply, 7);
    reply_bulk_text(&x->reply, "server");
    reply_bulk_text(&x->reply, "redis");
    reply_bulk_text(&x->reply, "version");
    reply_bulk_text(&x->reply, SESSION_REDIS_VERSION);
    reply_bulk_text(&x->reply, "proto");
    reply_integer(&x->reply, x->client->protocol);
    reply_bulk_text(&x->reply, "id");
    reply_integer(&x->reply, (int64_t)x->client->id);
    reply_bulk_text(&x->reply, "mode");
    reply_bulk_text(&x->reply, shard->node->shard_port_base != 0 ? "cluster" : "standalone");
    reply_bulk_text(&x->reply, "role");
    reply_bulk_text(&x->reply, "master");
    reply_bulk_text(&x->reply, "modules");
    reply_array(&x->reply, 0);
}

// The options of HELLO, each of which takes effect as it is read: what comes before a wrong one
// stays, as in Redis.
static bool hello_options(struct exec *x)
{
    for (uint32_t at = 2; at < x->argc; at++) {
        uint32_t more = x->argc - 1 - at;
        if (exec_word(x, at, "auth") && more >= 2) {
            if (!session_authenticate(x->client, x->argv[at + 1], x->argv[at + 2])) {
                exec_error(x, ACL_ERROR_WRONGPASS);
                return false;
            }
            at += 2;
        } else if (exec_word(x, at, "setname") && more >= 1) {
            if (!session_name_valid(x->argv[++at])) {
                exec_error(x, SESSION_ERROR_NAME);
                return false;
            }
            if (!session_set_name(x->client, x->argv[at])) {
                exec_error(x, session_text_error(x->argv[at]));
                return false;
            }
        } else {
            exec_errorf(x, "ERR Syntax error in HELLO option '%.*s'", exec_shown(x->argv[at]),
                        (const char *)x->argv[at].bytes);
            return false;
        }
    }
    return true;
}

static void connection_hello(struct exec *x)
{
    struct client *client = x->client;
    int64_t protocol = 0;
    if (x->argc >= 2) {
        if (!number_parse_i64(x->argv[1], &protocol)) {
            exec_error(x, "ERR Protocol version is not an integer or out of range");
            return;
        }
        if (protocol < 2 || protocol > 3) {
            exec_error(x, "NOPROTO unsupported protocol version");
            return;
        }
    }
    if (!hello_options(x)) {
        return;
    }
    if ((client->flags & CLIENT_AUTHENTICATED) == 0) {
        exec_error(x, "NOAUTH HELLO must be called with the client already authenticated, "
                      "otherwise the HELLO AUTH <user> <pass> option can be used to "
                      "authenticate the client and select the RESP protocol version at the same "
                      "time");
        return;
    }
    if (protocol != 0) {
        client->protocol = (uint8_t)protocol;
        x->reply.protocol = client->protocol;
    }
    hello_reply(x);
}

enum {
    ANYTIME = COMMAND_NOSCRIPT | COMMAND_LOADING | COMMAND_STALE | COMMAND_FAST,
    GREETING = ANYTIME | COMMAND_NO_AUTH | COMMAND_ALLOW_BUSY,
    ACL_CONNECTION_FAST = ACL_FAST | ACL_CONNECTION,
};

#define CONNECTION_ABOUT(group_, name_, run_, arity_, flags_, since_, complexity_, summary_)       \
    .name = (name_), .run = (run_), .arity = (arity_), .flags = (flags_),                          \
    .categories = ACL_CONNECTION_FAST, .route = ROUTE_CONNECTION, .group = (group_),               \
    .since = (since_), .complexity = (complexity_), .summary = (summary_)

#define CONNECTION_ROW(...)                                                                        \
    {                                                                                              \
        CONNECTION_ABOUT("connection", __VA_ARGS__)                                                \
    }
// About clusters; of the connection all the same.
#define CONNECTION_CLUSTER_ROW(...)                                                                \
    {                                                                                              \
        CONNECTION_ABOUT("cluster", __VA_ARGS__)                                                   \
    }

static const struct command connection_rows[] = {
    CONNECTION_CLUSTER_ROW("asking", connection_asking, 1, COMMAND_FAST, "3.0.0", "O(1)",
                           "Accepted for clients of clusters; changes nothing"),
    CONNECTION_ROW("auth", connection_auth, -2, GREETING | COMMAND_SENTINEL, "1.0.0",
                   "O(N) in the number of passwords of the user", "Logs a user in"),
    CONNECTION_ROW("echo", connection_echo, 2,
                   COMMAND_LOADING | COMMAND_STALE | COMMAND_FAST | COMMAND_STATELESS, "1.0.0",
                   "O(1)", "Says what it was told"),
    CONNECTION_ROW("hello", connection_hello, -1, GREETING | COMMAND_SENTINEL, "6.0.0", "O(1)",
                   "Agrees on the protocol, logs in, names the connection"),
    {CONNECTION_ABOUT("connection", "ping", connection_ping, -1,
                      COMMAND_FAST | COMMAND_SENTINEL | COMMAND_STATELESS, "1.0.0", "O(1)",
                      "Says PONG, or what it was told"),
     .tips = "request_policy:all_shards,response_policy:all_succeeded"},
    CONNECTION_ROW("quit", connection_quit, -1, GREETING, "1.0.0", "O(1)",
                   "Closes the connection when all is replied"),
    CONNECTION_CLUSTER_ROW("readonly", connection_readonly, 1,
                           COMMAND_LOADING | COMMAND_STALE | COMMAND_FAST, "3.0.0", "O(1)",
                           "Accepted for clients of clusters; every node serves reads"),
    CONNECTION_CLUSTER_ROW("readwrite", connection_readonly, 1,
                           COMMAND_LOADING | COMMAND_STALE | COMMAND_FAST, "3.0.0", "O(1)",
                           "Takes READONLY back"),
    CONNECTION_ROW("reset", connection_reset, 1, GREETING, "6.2.0", "O(1)",
                   "Makes the connection as it was when it was opened"),
    CONNECTION_ROW("select", connection_select, 2, COMMAND_LOADING | COMMAND_STALE | COMMAND_FAST,
                   "1.0.0", "O(1)", "Selects database 0, the only one"),
};

const struct command_module commands_connection = COMMAND_ROWS(connection_rows);
