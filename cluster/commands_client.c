// CLIENT: this connection, and pauses of all. LIST, INFO and KILL are in commands_client_list.c.
#include "cluster/client.h"
#include "cluster/commands.h"
#include "cluster/commands_client_list.h"
#include "cluster/help.h"
#include "cluster/session.h"
#include "cluster/shard.h"
#include "core/number.h"

// PAUSE --------------------------------------------------------------------------------------

static void client_pause(struct exec *x)
{
    int64_t timeout_ms;
    enum shard_pause_kind what = SHARD_PAUSE_ALL;
    if (x->argc > 4) {
        exec_error_subcommand(x);
        return;
    }
    if (x->argc == 4 && !exec_word(x, 3, "write") && !exec_word(x, 3, "all")) {
        exec_error(x, "ERR CLIENT PAUSE mode must be WRITE or ALL");
        return;
    }
    if (x->argc == 4 && exec_word(x, 3, "write")) {
        what = SHARD_PAUSE_WRITES;
    }
    if (!number_parse_i64(x->argv[2], &timeout_ms)) {
        exec_error(x, "ERR timeout is not an integer or out of range");
    } else if (timeout_ms < 0) {
        exec_error(x, "ERR timeout is negative");
    } else {
        uint64_t most_ms = UINT64_MAX / 4 / 1000000;
        uint64_t ms = (uint64_t)timeout_ms < most_ms ? (uint64_t)timeout_ms : most_ms;
        shard_pause(x->shard, what, x->shard->io->now_ns + ms * 1000000);
    }
}

static void client_unpause(struct exec *x)
{
    shard_unpause(x->shard);
}

static void client_finish_ok(struct exec *x)
{
    reply_ok(&x->reply);
}

// This connection ----------------------------------------------------------------------------

static void client_id(struct exec *x)
{
    reply_integer(&x->reply, (int64_t)x->client->id);
}

static void client_getname(struct exec *x)
{
    if (x->client->name == NULL) {
        reply_null(&x->reply);
    } else {
        reply_bulk_text(&x->reply, x->client->name);
    }
}

static void client_setname(struct exec *x)
{
    if (!session_name_valid(x->argv[2])) {
        exec_error(x, SESSION_ERROR_NAME);
    } else if (!session_set_name(x->client, x->argv[2])) {
        exec_error(x, session_text_error(x->argv[2]));
    } else {
        reply_ok(&x->reply);
    }
}

static void client_setinfo(struct exec *x)
{
    char **text;
    if (exec_word(x, 2, "lib-name")) {
        text = &x->client->library;
    } else if (exec_word(x, 2, "lib-ver")) {
        text = &x->client->library_version;
    } else {
        exec_errorf(x, "ERR Unrecognized option '%.*s'", exec_shown(x->argv[2]),
                    (const char *)x->argv[2].bytes);
        return;
    }
    if (!session_name_valid(x->argv[3])) {
        exec_errorf(x, "ERR %s cannot contain spaces, newlines or special characters.",
                    text == &x->client->library ? "lib-name" : "lib-ver");
    } else if (!session_set_text(text, x->argv[3])) {
        exec_error(x, session_text_error(x->argv[3]));
    } else {
        reply_ok(&x->reply);
    }
}

static void client_switch(struct exec *x, uint32_t flag)
{
    if (exec_word(x, 2, "on")) {
        x->client->flags |= flag;
    } else if (exec_word(x, 2, "off")) {
        x->client->flags &= ~flag;
    } else {
        exec_error_syntax(x);
        return;
    }
    reply_ok(&x->reply);
}

static void client_no_evict(struct exec *x)
{
    client_switch(x, CLIENT_NO_EVICT);
}

static void client_no_touch(struct exec *x)
{
    client_switch(x, CLIENT_NO_TOUCH);
}

static void client_reply(struct exec *x)
{
    struct client *client = x->client;
    if (exec_word(x, 2, "on")) {
        client->flags &= ~(uint32_t)(CLIENT_REPLY_OFF | CLIENT_REPLY_SKIP);
        x->reply.out = client_out(client);
        reply_ok(&x->reply);
    } else if (exec_word(x, 2, "off")) {
        client->flags |= CLIENT_REPLY_OFF;
    } else if (exec_word(x, 2, "skip")) {
        if ((client->flags & CLIENT_REPLY_OFF) == 0) {
            client->flags |= CLIENT_REPLY_SKIP_NEXT;
        }
    } else {
        exec_error_syntax(x);
    }
}

static void client_help(struct exec *x)
{
    static const char *const lines[] = {
        "CLIENT <subcommand> [<arg> [value] [opt] ...]. Subcommands are:",
        "GETNAME",
        "    Tell the name of this connection.",
        "ID",
        "    Tell the number of this connection.",
        "INFO",
        "    Tell about this connection.",
        "KILL <ip:port>",
        "    Close the connection from ip:port.",
        "KILL <option> <value> [<option> <value> [...]]",
        "    Close connections. Options are:",
        "    * ADDR (<ip:port>|<unixsocket>:0)",
        "    * LADDR (<ip:port>|<unixsocket>:0)",
        "    * TYPE (NORMAL|MASTER|REPLICA|PUBSUB)",
        "    * USER <username>",
        "    * SKIPME (YES|NO)",
        "    * ID <client-id>",
        "LIST [TYPE (NORMAL|MASTER|REPLICA|PUBSUB) | ID <client-id> ...]",
        "    Tell about connections.",
        "NO-EVICT (ON|OFF)",
        "    Accepted; connections are not closed to make room.",
        "NO-TOUCH (ON|OFF)",
        "    Whether this connection's reads leave keys' recency alone.",
        "PAUSE <timeout-ms> [WRITE|ALL]",
        "    Hold all requests, or all that write, for a time.",
        "REPLY (ON|OFF|SKIP)",
        "    Whether this connection is replied to.",
        "SETINFO (LIB-NAME|LIB-VER) <value>",
        "    Note the client library of this connection.",
        "SETNAME <name>",
        "    Name this connection.",
        "UNPAUSE",
        "    End a pause.",
        "HELP",
        "    Print this help.",
        NULL,
    };
    help_reply(x, lines);
}

enum {
    OWN = COMMAND_NOSCRIPT | COMMAND_LOADING | COMMAND_STALE | COMMAND_SENTINEL,
    OTHERS = COMMAND_ADMIN | OWN,
    ACL_OWN = ACL_CONNECTION | ACL_SLOW,
    ACL_OTHERS = ACL_CONNECTION | ACL_SLOW | ACL_ADMIN | ACL_DANGEROUS,
};

#define CLIENT_ROW(name_, run_, arity_, flags_, categories_, since_, complexity_, summary_)        \
    .name = (name_), .label = "client|" name_, .run = (run_), .arity = (arity_),                   \
    .flags = (flags_), .categories = (categories_), .group = "connection", .since = (since_),      \
    .complexity = (complexity_), .summary = (summary_)

static const struct command client_rows[] = {
    {CLIENT_ROW("getname", client_getname, 2, OWN, ACL_OWN, "2.6.9", "O(1)",
                "Tells the name of this connection"),
     .route = ROUTE_CONNECTION},
    {CLIENT_ROW("help", client_help, 2, COMMAND_LOADING | COMMAND_STALE | COMMAND_SENTINEL, ACL_OWN,
                "5.0.0", "O(1)", "Prints help about CLIENT"),
     .route = ROUTE_CONNECTION},
    {CLIENT_ROW("id", client_id, 2, OWN, ACL_OWN, "5.0.0", "O(1)",
                "Tells the number of this connection"),
     .route = ROUTE_CONNECTION},
    {CLIENT_ROW("info", client_info, 2, OWN, ACL_OWN, "6.2.0", "O(1)",
                "Tells about this connection"),
     .tips = "nondeterministic_output", .route = ROUTE_CONNECTION},
    {CLIENT_ROW("kill", client_kill, -3, OTHERS, ACL_OTHERS, "2.4.0",
                "O(N) in the number of connections", "Closes connections"),
     .route = ROUTE_ALL, .finish = client_kill_finish},
    {CLIENT_ROW("list", client_list, -2, OTHERS, ACL_OTHERS, "2.4.0",
                "O(N) in the number of connections", "Lists connections"),
     .tips = "nondeterministic_output", .route = ROUTE_ALL, .finish = client_list_finish},
    {CLIENT_ROW("no-evict", client_no_evict, 3, OTHERS, ACL_OTHERS, "7.0.0", "O(1)",
                "Accepted; connections are not closed to make room"),
     .route = ROUTE_CONNECTION},
    {CLIENT_ROW("no-touch", client_no_touch, 3, OWN, ACL_OWN, "7.2.0", "O(1)",
                "Whether reads leave keys' recency alone"),
     .route = ROUTE_CONNECTION},
    {CLIENT_ROW("pause", client_pause, -3, OTHERS, ACL_OTHERS, "2.9.50", "O(1)",
                "Holds requests for a time"),
     .route = ROUTE_ALL, .finish = client_finish_ok},
    {CLIENT_ROW("reply", client_reply, 3, OWN, ACL_OWN, "3.2.0", "O(1)",
                "Whether this connection is replied to"),
     .route = ROUTE_CONNECTION},
    {CLIENT_ROW("setinfo", client_setinfo, 4, OWN, ACL_OWN, "7.2.0", "O(1)",
                "Notes the client library of this connection"),
     .route = ROUTE_CONNECTION},
    {CLIENT_ROW("setname", client_setname, 3, OWN, ACL_OWN, "2.6.9", "O(1)",
                "Names this connection"),
     .route = ROUTE_CONNECTION},
    {CLIENT_ROW("unpause", client_unpause, 2, OTHERS | COMMAND_UNPAUSES, ACL_OTHERS, "6.2.0",
                "O(N) in the number of connections held", "Ends a pause"),
     .route = ROUTE_ALL, .finish = client_finish_ok},
};

static const struct command client_container[] = {
    {.name = "client",
     .arity = -2,
     .flags = COMMAND_SENTINEL,
     .categories = ACL_SLOW,
     .route = ROUTE_CONNECTION,
     .group = "connection",
     .since = "2.4.0",
     .complexity = "Depends on subcommand.",
     .summary = "Tells about connections and manages them",
     .subcommands = client_rows,
     .subcommand_count = sizeof client_rows / sizeof *client_rows},
};

const struct command_module commands_client = COMMAND_ROWS(client_container);
