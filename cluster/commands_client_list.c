// Who is connected, and closing some of them.
#include "cluster/commands_client_list.h"

#include "cluster/acl.h"
#include "cluster/client.h"
#include "cluster/shard.h"
#include "core/memory.h"
#include "core/number.h"
#include "core/text.h"

#include <inttypes.h>
#include <stdlib.h>

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
    size_t input = client->gather == NULL ? 0 : gather_memory(client->gather);
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

void client_info(struct exec *x)
{
    struct text text;
    text_init(&text, 4096);
    client_describe(x->client, &text);
    client_reply_text(x, &text);
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
        exec_errorf(x, "ERR Unknown client type '%.*s'", exec_shown(x->argv[3]),
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

void client_list(struct exec *x)
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

void client_list_finish(struct exec *x)
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
            exec_errorf(x, "ERR Unknown client type '%.*s'", exec_shown(value),
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
            exec_errorf(x, "ERR No such user '%.*s'", exec_shown(value), (const char *)value.bytes);
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

void client_kill(struct exec *x)
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

void client_kill_finish(struct exec *x)
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
