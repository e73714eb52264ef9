// CLIENT: who is connected, and what becomes of them. LIST, KILL, PAUSE and UNPAUSE go to every
// core.
#include "cluster/client.h"
#include "cluster/commands.h"
#include "cluster/help.h"
#include "cluster/session.h"
#include "cluster/shard.h"
#include "core/memory.h"
#include "core/number.h"
#include "core/text.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { CLIENT_LIST_BYTES_MAX = 1024 * 1024 }; // of one slice

// Describing ---------------------------------------------------------------------------------

static void client_flags_text(const struct client *client, char *text)
{
    char *at = text;
    *at++ = client->flags & CLIENT_UNIX ? 'U' : '\0';
    at -= at[-1] == '\0';
    if (client->flags & CLIENT_READONLY_MODE) {
        *at++ = 'r';
    }
    if (client->flags & CLIENT_CLOSE_AFTER_REPLY) {
        *at++ = 'c';
    }
    if (client->flags & CLIENT_NO_EVICT) {
        *at++ = 'e';
    }
    if (client->flags & CLIENT_NO_TOUCH) {
        *at++ = 'T';
    }
    if (at == text) {
        *at++ = 'N';
    }
    *at = '\0';
}

// The line of CLIENT LIST in Redis's fields, with '\n'.
static void client_describe(const struct client *client, struct text *text)
{
    const struct shard *shard = client->shard;
    char peer[IO_ADDRESS_TEXT_MAX], own[IO_ADDRESS_TEXT_MAX], flags[8], command[64] = "NULL";
    uint64_t age_ms = shard->io->wall_ms - client->created_ms;
    uint64_t idle_ns = shard->io->now_ns - client->active_ns;
    size_t input = client->gather == NULL ? 0 : client->gather->capacity;
    size_t output = client->out.bytes + client->late.bytes;
    struct slice user =
        client->user == NULL ? slice_from_text("default") : acl_user_name(client->user);
    client_address(client, true, peer, sizeof peer);
    client_address(client, false, own, sizeof own);
    client_flags_text(client, flags);
    if (client->last_command != NULL) {
        command_full_name(client->last_command, command, sizeof command);
    }
    text_printf(text,
                "id=%" PRIu64 " addr=%s laddr=%s fd=%d name=%s age=%" PRIu64 " idle=%" PRIu64
                " flags=%s db=0 sub=0 psub=0 ssub=0 multi=-1",
                client->id, peer, own, client->fd, client->name == NULL ? "" : client->name,
                age_ms / 1000, idle_ns / 1000000000, flags);
    text_printf(text,
                " qbuf=%zu qbuf-free=0 argv-mem=0 multi-mem=0 rbs=0 rbp=0 obl=0 oll=%u omem=%zu"
                " tot-mem=%zu events=r cmd=%s user=%.*s redir=-1 resp=%u\n",
                input, client->pending_count, output, sizeof *client + input + output, command,
                (int)user.size, (const char *)user.bytes, client->protocol);
}

static void client_reply_text(struct exec *x, struct text *text)
{
    if (text_error(text) != 0) {
        exec_error(x, "ERR the list is too long to be told in one reply");
    } else {
        reply_verbatim(&x->reply, "txt", text_slice(text));
    }
    text_free(text);
}

static void client_info(struct exec *x)
{
    struct text text;
    text_init(&text, 4096);
    client_describe(x->client, &text);
    client_reply_text(x, &text);
}

static void client_id(struct exec *x)
{
    reply_integer(&x->reply, (int64_t)x->client->id);
}

// LIST ---------------------------------------------------------------------------------------

enum client_type { TYPE_ALL, TYPE_NORMAL, TYPE_NONE, TYPE_UNKNOWN };

static enum client_type client_type_word(const struct exec *x, uint32_t at)
{
    if (exec_word(x, at, "normal")) {
        return TYPE_NORMAL;
    }
    bool other = exec_word(x, at, "master") || exec_word(x, at, "replica") ||
                 exec_word(x, at, "slave") || exec_word(x, at, "pubsub");
    return other ? TYPE_NONE : TYPE_UNKNOWN;
}

// Replies the error there is in the arguments; the same on every core.
static bool client_list_valid(struct exec *x)
{
    if (x->argc == 2) {
        return true;
    }
    if (x->argc == 4 && exec_word(x, 2, "type")) {
        if (client_type_word(x, 3) != TYPE_UNKNOWN) {
            return true;
        }
        exec_errorf(x, "ERR Unknown client type '%.*s'", (int)x->argv[3].size,
                    (const char *)x->argv[3].bytes);
        return false;
    }
    if (x->argc > 3 && exec_word(x, 2, "id")) {
        for (uint32_t at = 3; at < x->argc; at++) {
            int64_t id;
            if (!number_parse_i64(x->argv[at], &id)) {
                exec_error(x, "ERR Invalid client ID");
                return false;
            }
        }
        return true;
    }
    exec_error_syntax(x);
    return false;
}

// What a walk over the clients of one core keeps from slice to slice.
struct list_part {
    struct client_walk walk;
    bool by_id;
    bool none; // of a type that nobody is of
    uint32_t id_count;
    uint64_t ids[]; // ascending
};

static int id_compare(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a;
    uint64_t y = *(const uint64_t *)b;
    return x < y ? -1 : x > y;
}

static struct list_part *list_begin(struct exec *x)
{
    if (!client_list_valid(x)) {
        return NULL;
    }
    struct list_part *part = memory_allocate(sizeof *part + x->argc * sizeof(uint64_t));
    if (part == NULL) {
        exec_error(x, "ERR out of memory");
        return NULL;
    }
    *part = (struct list_part){.by_id = x->argc > 2 && exec_word(x, 2, "id")};
    part->none = x->argc > 2 && !part->by_id && client_type_word(x, 3) == TYPE_NONE;
    for (uint32_t at = 3; part->by_id && at < x->argc; at++) {
        int64_t id = 0;
        (void)number_parse_i64(x->argv[at], &id);
        part->ids[part->id_count++] = (uint64_t)id;
    }
    qsort(part->ids, part->id_count, sizeof *part->ids, id_compare);
    x->part->data = part;
    x->part->data_size = sizeof *part;
    client_walk_begin(x->shard, &part->walk);
    return part;
}

static bool list_wants(const struct list_part *part, const struct client *client)
{
    return (client->flags & CLIENT_CLOSING) == 0 && !part->none &&
           (!part->by_id ||
            bsearch(&client->id, part->ids, part->id_count, sizeof *part->ids, id_compare) != NULL);
}

static void client_list(struct exec *x)
{
    struct work_list *work = &x->shard->work;
    struct list_part *part = x->part->data != NULL ? x->part->data : list_begin(x);
    struct text text;
    if (part == NULL) {
        return;
    }
    text_init(&text, CLIENT_LIST_BYTES_MAX);
    while (part->walk.at != NULL && !work_over(work)) {
        const struct client *client = client_walk_next(&part->walk);
        work_spend(work, WORK_KEY_LOOK);
        if (list_wants(part, client)) {
            client_describe(client, &text);
            work_spend(work, WORK_LINE);
        }
    }
    struct slice bytes = text_slice(&text);
    outbuf_append(x->reply.out, x->reply.cache, bytes.bytes, bytes.size);
    x->reply.out->failed = x->reply.out->failed || text_error(&text) != 0;
    text_free(&text);
    x->part->more = part->walk.at != NULL;
    if (!x->part->more) {
        client_walk_end(x->shard, &part->walk);
    }
}

static void client_list_finish(struct exec *x)
{
    size_t size = 0;
    for (uint32_t p = 0; p < x->part_count; p++) {
        size += x->parts[p].out.bytes;
    }
    reply_verbatim_header(&x->reply, "txt", size);
    for (uint32_t p = 0; p < x->part_count; p++) {
        outbuf_splice(x->reply.out, &x->parts[p].out, x->reply.cache);
    }
    REPLY_LITERAL(&x->reply, "\r\n");
}

// KILL ---------------------------------------------------------------------------------------

struct kill {
    bool by_address; // the old form: CLIENT KILL addr:port
    bool skip_me;
    bool none; // a type that nobody is of
    uint64_t id;
    struct slice address, own_address, user;
    bool has_address, has_own_address, has_user;
};

static bool kill_filter(struct exec *x, uint32_t at, struct kill *kill)
{
    struct slice value = x->argv[at + 1];
    int64_t id;
    if (exec_word(x, at, "id")) {
        if (!number_parse_i64(value, &id) || id < 1) {
            exec_error(x, "ERR client-id should be greater than 0");
            return false;
        }
        kill->id = (uint64_t)id;
    } else if (exec_word(x, at, "type")) {
        enum client_type type = client_type_word(x, at + 1);
        if (type == TYPE_UNKNOWN) {
            exec_errorf(x, "ERR Unknown client type '%.*s'", (int)value.size,
                        (const char *)value.bytes);
            return false;
        }
        kill->none = kill->none || type == TYPE_NONE;
    } else if (exec_word(x, at, "addr")) {
        kill->address = value;
        kill->has_address = true;
    } else if (exec_word(x, at, "laddr")) {
        kill->own_address = value;
        kill->has_own_address = true;
    } else if (exec_word(x, at, "user")) {
        if (!acl_has_user(x->shard->node->acl, value)) {
            exec_errorf(x, "ERR No such user '%.*s'", (int)value.size, (const char *)value.bytes);
            return false;
        }
        kill->user = value;
        kill->has_user = true;
    } else if (exec_word(x, at, "skipme") &&
               (exec_word(x, at + 1, "yes") || exec_word(x, at + 1, "no"))) {
        kill->skip_me = exec_word(x, at + 1, "yes");
    } else {
        exec_error_syntax(x);
        return false;
    }
    return true;
}

static bool kill_parse(struct exec *x, struct kill *kill)
{
    *kill = (struct kill){.skip_me = true};
    if (x->argc == 3) {
        kill->by_address = true;
        kill->skip_me = false;
        kill->address = x->argv[2];
        kill->has_address = true;
        return true;
    }
    if (x->argc % 2 != 0) {
        exec_error_syntax(x);
        return false;
    }
    for (uint32_t at = 2; at < x->argc; at += 2) {
        if (!kill_filter(x, at, kill)) {
            return false;
        }
    }
    return true;
}

static bool kill_matches(const struct kill *kill, const struct client *client, uint64_t me)
{
    char text[IO_ADDRESS_TEXT_MAX];
    if (kill->none || (client->flags & CLIENT_CLOSING) || (kill->skip_me && client->id == me) ||
        (kill->id != 0 && client->id != kill->id)) {
        return false;
    }
    if (kill->has_address) {
        client_address(client, true, text, sizeof text);
        if (!slice_equal(kill->address, slice_from_text(text))) {
            return false;
        }
    }
    if (kill->has_own_address) {
        client_address(client, false, text, sizeof text);
        if (!slice_equal(kill->own_address, slice_from_text(text))) {
            return false;
        }
    }
    return !kill->has_user ||
           (client->user != NULL && slice_equal(kill->user, acl_user_name(client->user)));
}

static void client_kill(struct exec *x)
{
    struct work_list *work = &x->shard->work;
    struct client_walk *walk = x->part->data;
    struct kill kill;
    if (!kill_parse(x, &kill)) {
        return;
    }
    if (walk == NULL) {
        walk = memory_allocate(sizeof *walk);
        if (walk == NULL) {
            exec_error(x, "ERR out of memory");
            return;
        }
        x->part->data = walk;
        x->part->data_size = sizeof *walk;
        client_walk_begin(x->shard, walk);
    }
    while (walk->at != NULL && !work_over(work)) {
        struct client *client = client_walk_next(walk);
        work_spend(work, kill.has_address || kill.has_own_address ? WORK_LINE : WORK_KEY_LOOK);
        if (!kill_matches(&kill, client, x->caller_id)) {
            continue;
        }
        x->sum++;
        work_spend(work, WORK_KEY_RUN);
        if (client->id == x->caller_id) {
            client_close_after_reply(client);
        } else {
            client_close(client);
        }
    }
    x->part->more = walk->at != NULL;
    if (!x->part->more) {
        client_walk_end(x->shard, walk);
    }
}

static void client_kill_finish(struct exec *x)
{
    int64_t killed = 0;
    for (uint32_t p = 0; p < x->part_count; p++) {
        killed += x->parts[p].sum;
    }
    if (x->argc != 3) {
        reply_integer(&x->reply, killed);
    } else if (killed != 0) {
        reply_ok(&x->reply);
    } else {
        exec_error(x, "ERR No such client");
    }
}

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
        exec_error(x, "ERR out of memory");
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
        exec_errorf(x, "ERR Unrecognized option '%.*s'", (int)x->argv[2].size,
                    (const char *)x->argv[2].bytes);
        return;
    }
    if (!session_name_valid(x->argv[3])) {
        exec_errorf(x, "ERR %s cannot contain spaces, newlines or special characters.",
                    text == &x->client->library ? "lib-name" : "lib-ver");
    } else if (!session_set_text(text, x->argv[3])) {
        exec_error(x, "ERR out of memory");
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
