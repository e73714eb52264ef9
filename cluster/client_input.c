// What a client sent, until it is a request: leased buffers, what is gathered of a request that
// came in pieces, the parser's progress, and the leases of requests under way.
#include "cluster/client.h"

#include "cluster/shard.h"
#include "core/check.h"
#include "core/limits.h"
#include "core/memory.h"
#include "core/planted.h"

#include <errno.h>
#include <string.h>

enum { PARSE_COUNTED = 64 }; // arguments: fewer are not worth counting

// Counts what it takes of memory: more by `bytes`, or less.
static void gather_count(struct shard *shard, const struct gather *gather, int64_t bytes)
{
    shard->stats.input_gathered_bytes += (uint64_t)bytes;
    if (gather->left) {
        client_memory_orphan(shard, bytes);
    }
}

static void gather_release(struct shard *shard, struct gather *gather)
{
    if (--gather->references != 0) {
        return;
    }
    gather_count(shard, gather, -(int64_t)gather_memory(gather));
    if (gather->block) {
        block_give(&shard->blocks, gather, gather->capacity + sizeof *gather,
                   gather->touched + sizeof *gather);
    } else {
        memory_free(gather);
    }
}

// The client lets go of it.
static void client_gather_drop(struct client *client)
{
    struct gather *gather = client->gather;
    client->gather = NULL;
    if (gather->references > 1) {
        gather->left = true;
        client_memory_orphan(client->shard, (int64_t)gather_memory(gather));
    }
    gather_release(client->shard, gather);
}

static struct gather *gather_allocate(struct shard *shard, size_t capacity)
{
    struct gather *gather;
    bool block = capacity > LIMIT_GATHER_STEP_BYTES;
    if (block) {
        // What the longest request takes, so that none ever has to be moved.
        uint64_t request = shard->config.clients.request_max_bytes + LIMIT_CLIENT_BACKLOG_BYTES;
        size_t bytes = sizeof *gather + (capacity < request ? request : capacity);
        gather = block_take(&shard->blocks, &bytes);
        capacity = bytes - sizeof *gather;
    } else {
        gather = memory_allocate(sizeof *gather + capacity);
    }
    if (gather != NULL) {
        *gather = (struct gather){.references = 1, .block = block, .capacity = capacity};
        gather_count(shard, gather, (int64_t)gather_memory(gather));
    }
    return gather;
}

static void gather_append(struct shard *shard, struct gather *gather, const void *bytes,
                          size_t size)
{
    if (gather->block && gather->size + size > gather->touched) {
        block_touch(gather->bytes + gather->size, size);
    }
    memcpy(gather->bytes + gather->size, bytes, size);
    gather->size += size;
    if (gather->block && gather->size > gather->touched) {
        gather_count(shard, gather, (int64_t)(gather->size - gather->touched));
        gather->touched = gather->size;
    }
}

// Room for `more` bytes behind what the client has gathered. What is known of the request under way
// decides the size of a short one; a long one gets a block, which takes memory as its bytes come.
static bool gather_reserve(struct client *client, size_t more)
{
    struct gather *old = client->gather;
    size_t rest = old == NULL ? 0 : old->size - old->at;
    // What was parsed of a block goes when it is more than what was not: who sends without end
    // would fill all of it.
    bool worn = old != NULL && old->block && old->at > LIMIT_GATHER_STEP_BYTES && old->at > rest;
    if (old != NULL && old->capacity - old->size >= more && !worn) {
        return true;
    }
    size_t needed = rest + more;
    size_t announced = client->parser.need;
    size_t capacity =
        needed < LIMIT_GATHER_BYTES_MIN ? LIMIT_GATHER_BYTES_MIN : needed + needed / 2;
    if (announced > needed &&
        (announced - needed <= LIMIT_GATHER_STEP_BYTES || announced < capacity)) {
        capacity = announced;
    }
    struct gather *gather = gather_allocate(client->shard, capacity);
    if (gather == NULL) {
        return false;
    }
    if (old != NULL) {
        gather_append(client->shard, gather, old->bytes + old->at, rest);
        client_gather_drop(client);
    }
    client->gather = gather;
    return true;
}

static void client_buffer_drop(struct client *client)
{
    io_buffer_release(client->shard->io, client->buffer);
    client->buffer = NULL;
    client->buffer_at = 0;
}

// Moves what is left of the leased buffer behind what is gathered. False without memory.
bool client_buffer_gather(struct client *client)
{
    size_t rest = client->buffer->size - client->buffer_at;
    if (rest != 0) {
        if (!gather_reserve(client, rest)) {
            return false;
        }
        gather_append(client->shard, client->gather, client->buffer->bytes + client->buffer_at,
                      rest);
    }
    client_buffer_drop(client);
    return true;
}

static void client_partial_drop(struct client *client)
{
    if (client->partial != NULL) {
        resp_args_clear(&client->partial->args);
        memory_free(client->partial->argv);
        memory_free(client->partial);
        client->partial = NULL;
    }
}

void client_input_drop(struct client *client)
{
    client_partial_drop(client);
    if (client->buffer != NULL) {
        client_buffer_drop(client);
    }
    if (client->gather != NULL) {
        client_gather_drop(client);
    }
}

static bool client_partial_make(struct client *client, struct resp_args *args)
{
    struct client_partial *partial = memory_allocate(sizeof *partial);
    if (partial == NULL) {
        return false;
    }
    resp_args_init(&partial->args, partial->spans, CLIENT_PARTIAL_SPANS);
    if (!resp_args_move(&partial->args, args)) {
        memory_free(partial);
        return false;
    }
    partial->whole = false;
    partial->argv = NULL;
    partial->base = NULL;
    partial->placed = 0;
    client->partial = partial;
    return true;
}

// A request that is long and not whole yet keeps the spans found so far, so that they are not
// looked for again; a short one is parsed anew when more of it has come.
static bool client_partial_keep(struct client *client, struct resp_args *args, size_t size)
{
    if (client->partial != NULL) {
        return true;
    }
    if (size <= LIMIT_REPARSE_BYTES) {
        uint32_t need = client->parser.need;
        resp_args_clear(args);
        client->parser = (struct resp_parser){.need = need};
        return true;
    }
    return client_partial_make(client, args);
}

static bool client_input_window(struct client *client, const uint8_t **ret_bytes, size_t *ret_size)
{
    if (client->gather != NULL) {
        *ret_bytes = client->gather->bytes + client->gather->at;
        *ret_size = client->gather->size - client->gather->at;
    } else if (client->buffer != NULL) {
        *ret_bytes = client->buffer->bytes + client->buffer_at;
        *ret_size = client->buffer->size - client->buffer_at;
    } else {
        return false;
    }
    return *ret_size != 0;
}

// So many of the bytes that are there are looked at in one step: arguments of a few bytes each take
// some 20 ns. Never too few for the parser to get on.
static size_t client_parse_reach(const struct client *client, size_t size)
{
    size_t reach = (size_t)client->parser.position + client->parser.searched + LIMIT_PARSE_BYTES;
    reach = reach < client->parser.need ? client->parser.need : reach;
    return reach < size ? reach : size;
}

static enum resp_status client_parse_some(struct client *client, const struct resp_limits *limits,
                                          const uint8_t *bytes, size_t size, struct resp_args *args)
{
    uint32_t before = args->count;
    if (client->partial != NULL && client->partial->whole) {
        args->base = bytes; // which may have moved since
        return RESP_COMMAND;
    }
    enum resp_status status = resp_parse(&client->parser, limits, bytes, size, args);
    if (args->count - before > PARSE_COUNTED && bytes[0] == '*') {
        work_spend(&client->shard->work, (args->count - before) * WORK_ARGUMENT_PARSED);
    }
    return status;
}

enum resp_status client_parse(struct client *client, const struct resp_limits *limits,
                              struct resp_args *scratch, struct resp_args **ret_args)
{
    const uint8_t *bytes;
    size_t size;
    client->flags &= ~(uint32_t)CLIENT_PARSING;
    while (client_input_window(client, &bytes, &size)) {
        struct resp_args *args = client->partial != NULL ? &client->partial->args : scratch;
        size_t reach = client_parse_reach(client, size);
        enum resp_status status = client_parse_some(client, limits, bytes, reach, args);
        switch (status) {
        case RESP_EMPTY:
            client_parse_accept(client);
            client_partial_drop(client);
            continue;
        case RESP_MORE:
            if (!client_partial_keep(client, args, reach)) {
                resp_args_clear(args);
                client_close(client);
                return RESP_MORE;
            }
            if (reach == size) {
                return RESP_MORE;
            }
            if (work_over(&client->shard->work)) {
                client->flags |= CLIENT_PARSING;
                return RESP_MORE;
            }
            continue;
        case RESP_COMMAND:
        case RESP_ERROR:
            *ret_args = args;
            return status;
        }
    }
    return RESP_MORE;
}

static void client_place_some(struct client *client, struct client_partial *partial)
{
    const struct resp_args *args = &partial->args;
    uint32_t from = partial->placed;
    uint32_t end =
        args->count - from < LIMIT_PLACE_ARGUMENTS ? args->count : from + LIMIT_PLACE_ARGUMENTS;
    for (uint32_t i = from; i < end; i++) {
        partial->argv[i] = slice_of(args->base + args->spans[i].offset, args->spans[i].size);
    }
    work_spend(&client->shard->work, end - from);
    partial->placed = end;
}

int client_parse_place(struct client *client, struct resp_args *args, struct slice **ret_argv)
{
    if (client->partial == NULL && !client_partial_make(client, args)) {
        return -ENOMEM;
    }
    struct client_partial *partial = client->partial;
    args = &partial->args;
    if (partial->argv == NULL) {
        partial->argv = memory_allocate(args->count * sizeof *partial->argv);
    }
    if (partial->argv == NULL) {
        return -ENOMEM;
    }
    if (partial->base != args->base) { // the input has moved
        partial->base = args->base;
        partial->placed = 0;
    }
    while (partial->placed < args->count) {
        if (work_over(&client->shard->work)) {
            partial->whole = true;
            client->flags |= CLIENT_PARSING;
            return -EAGAIN;
        }
        client_place_some(client, partial);
    }
    *ret_argv = partial->argv;
    partial->argv = NULL;
    return 0;
}

void client_parse_accept(struct client *client)
{
    size_t consumed = client->parser.consumed;
    if (client->gather != NULL) {
        client->gather->at += consumed;
    } else {
        client->buffer_at += (uint32_t)consumed;
    }
    client->parser = (struct resp_parser){0};
}

void client_parse_undo(struct client *client)
{
    client_partial_drop(client);
    client->parser = (struct resp_parser){0};
}

void client_args_done(struct client *client, struct resp_args *scratch)
{
    resp_args_clear(scratch);
    client_partial_drop(client);
}

bool client_input_settle(struct client *client, bool partial)
{
    CHECK(client->in_batch == 0);
    struct gather *gather = client->gather;
    if (client->flags & CLIENT_CLOSE_AFTER_REPLY) {
        client_input_drop(client); // nobody will ask for it
        return false;
    }
    if (gather != NULL && gather->at == gather->size) {
        client_gather_drop(client);
        gather = NULL;
        partial = false; // said of the gather; what the buffer holds was not looked at
    } else if (gather != NULL && client->buffer == NULL) {
        return !partial;
    }
    if (client->buffer == NULL) {
        return false;
    }
    if (client->buffer_at == client->buffer->size) {
        client_buffer_drop(client);
        return gather != NULL && !partial;
    }
    if (!partial) {
        return true;
    }
    if (!client_buffer_gather(client)) {
        client_close(client);
        return false;
    }
    return gather != NULL; // the joined bytes may make a whole request
}

size_t client_backlog_bytes(const struct client *client)
{
    // What was looked at of a long request does not wait.
    size_t looked_at = client->partial != NULL ? client->parser.position : 0;
    return client->gather == NULL ? 0 : client->gather->size - client->gather->at - looked_at;
}

struct client_lease client_lease_hold(struct client *client)
{
    struct client_lease lease = {0};
    if (planted(PLANTED_REUSE_RECEIVE)) {
        return lease;
    }
    if (client->gather != NULL) {
        client->gather->references++;
        lease.gather = client->gather;
    } else if (client->buffer != NULL) {
        io_buffer_hold(client->buffer);
        lease.buffer = client->buffer;
    }
    return lease;
}

void client_lease_release(struct shard *shard, struct client_lease *lease)
{
    if (lease->gather != NULL) {
        gather_release(shard, lease->gather);
        lease->gather = NULL;
    }
    if (lease->buffer != NULL) {
        io_buffer_release(shard->io, lease->buffer);
        lease->buffer = NULL;
    }
}
