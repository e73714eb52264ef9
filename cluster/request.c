#include "cluster/request.h"

#include "cluster/client.h"
#include "cluster/haul.h"
#include "cluster/hop.h"
#include "cluster/load.h"
#include "cluster/multi.h"
#include "cluster/shard.h"
#include "cluster/slowlog.h"
#include "core/check.h"
#include "core/limits.h"
#include "core/memory.h"
#include "core/planted.h"

#include <errno.h>
#include <string.h>

enum { BATCH_SLICES = LIMIT_BATCH * 8, BATCH_SPANS = 64 };
static_assert(BATCH_SLICES >= LIMIT_BATCH * HOP_ARGUMENTS, "packed hops find room");

// What becomes of a request, decided when it is parsed.
enum request_kind {
    REQUEST_LOCAL_KEY, // its key lives here
    REQUEST_REMOTE,    // one key or shard, on another core
    REQUEST_OTHER,     // connection commands, several keys, errors
    REQUEST_HOP,       // was freed by a gate
};

struct request {
    struct exec exec;
    struct item item;
    struct hop *hop; // of this core to itself; else NULL
    uint32_t core;
    uint8_t kind; // enum request_kind
    bool credit;  // one towards `core` is taken for it
};

static const char TEXT_OVERLOADED[] =
    "OVERLOADED the core that owns this key has too many requests waiting; retry";

struct batch {
    uint32_t count;
    uint32_t most; // requests of the next: fewer while they carry large values
    uint32_t slice_count;
    uint32_t op_count;
    uint32_t client_count;
    uint32_t spill_count;
    struct engine_op *ops[LIMIT_BATCH];
    struct client *clients[LIMIT_BATCH];
    bool partial[LIMIT_BATCH];     // what the client has left is no whole request
    void *spills[2 * LIMIT_BATCH]; // argument arrays too long for `slices`, copied arguments
    struct request requests[LIMIT_BATCH];
    struct slice slices[BATCH_SLICES];
    struct resp_args args;
    struct resp_span spans[BATCH_SPANS];
    uint32_t calls[COMMAND_INDEX_MAX]; // in this batch
    uint16_t called[LIMIT_BATCH];      // the commands with calls
    uint32_t called_count;
};

int batch_open(struct batch **ret_batch)
{
    struct batch *batch = memory_allocate(sizeof *batch);
    if (batch == NULL) {
        return -ENOMEM;
    }
    memset(batch, 0, sizeof *batch);
    batch->most = LIMIT_BATCH;
    resp_args_init(&batch->args, batch->spans, BATCH_SPANS);
    *ret_batch = batch;
    return 0;
}

void batch_close(struct batch *batch)
{
    memory_free(batch);
}

// Parsing ------------------------------------------------------------------------------------

static struct slice *batch_slices(struct batch *batch, uint32_t count)
{
    if (count <= BATCH_SLICES - batch->slice_count) {
        struct slice *slices = batch->slices + batch->slice_count;
        batch->slice_count += count;
        return slices;
    }
    struct slice *slices = memory_allocate(count * sizeof *slices);
    if (slices != NULL) {
        batch->spills[batch->spill_count++] = slices;
    }
    return slices;
}

// Gives back the slices and spills that a request took which is not run now: a batch in which
// nothing runs is never finished, and the same request may be looked at many times.
static void batch_undo(struct batch *batch, uint32_t slice_count, uint32_t spill_count)
{
    while (batch->spill_count > spill_count) {
        memory_free(batch->spills[--batch->spill_count]);
    }
    batch->slice_count = slice_count;
}

static void request_add_op(struct batch *batch, struct request *request)
{
    batch->ops[batch->op_count++] = &request->item.op;
}

// Finds the command and where it runs.
static void request_route(struct shard *shard, struct batch *batch, struct request *request)
{
    struct exec *x = &request->exec;
    const struct command *command = command_find(shard->node->commands, x->argv[0]);
    if (command != NULL && command->subcommand_count != 0 && x->argc > 1) {
        const struct command *sub = command_find_sub(command, x->argv[1]);
        command = sub != NULL ? sub : command;
    }
    x->command = command;
    request->kind = REQUEST_OTHER;
    if (command == NULL || !command_arity_ok(command, x->argc)) {
        return;
    }
    if (command->route == ROUTE_KEY) {
        uint32_t at = (uint32_t)command->key_first;
        item_place(shard, &request->item, x->argv[at], at, &request->core);
        x->item = &request->item;
        if (request->core == shard->index) {
            request->kind = REQUEST_LOCAL_KEY;
            request_add_op(batch, request);
        } else {
            request->kind = REQUEST_REMOTE;
        }
    }
}

// Whether nothing of the same client may be parsed behind this one before it has run: it may change
// how the rest is to be read, or it has to be through first.
static bool request_ends_parse(const struct exec *x)
{
    const struct command *command = x->command;
    if (command == NULL) {
        return false;
    }
    return command->route == ROUTE_CONNECTION ? (command->flags & COMMAND_STATELESS) == 0
                                              : command->route != ROUTE_KEY;
}

// Commands over several cores begin when all before them is replied: after this batch, or when the
// last place of the FIFO is done.
static bool request_must_wait(const struct shard *shard, struct client *client,
                              const struct command *command)
{
    if (command == NULL) {
        return false;
    }
    // On the only core gates see to the order of what is asked of each key. What is asked of all of
    // them has to wait there too: one before it may wait for the disk, and have no gate yet.
    bool wide = command->route == ROUTE_ALL ||
                (shard->node->shard_count != 1 &&
                 (command->route == ROUTE_KEYS || command->route == ROUTE_TRANSFER));
    if (wide && client->pending_count != 0) {
        client->flags |= CLIENT_BEHIND;
    }
    return wide && (client->pending_count != 0 || client->in_batch != 0) &&
           !planted(PLANTED_SKIP_BARRIER);
}

// What is refused anyway is not held, as in Redis.
static bool request_paused(const struct shard *shard, const struct exec *x)
{
    const struct command *command = x->command;
    if (request_is_refused(x)) {
        return false;
    }
    switch (shard->pause) {
    case SHARD_PAUSE_NONE:
        return false;
    case SHARD_PAUSE_WRITES:
        return (command->flags & COMMAND_WRITE) != 0;
    case SHARD_PAUSE_ALL:
        return (command->flags & COMMAND_UNPAUSES) == 0;
    }
    return false;
}

// Whether it can be part of this batch. If not it is left in the input, and the client noted where
// it will be thought of again.
static bool request_may_go(struct shard *shard, struct client *client, struct request *request)
{
    const struct command *command = request->exec.command;
    if (shard->pause != SHARD_PAUSE_NONE && request_paused(shard, &request->exec)) {
        client->flags |= CLIENT_PAUSED;
        shard->paused_count++;
        return false;
    }
    request->credit = false;
    if (request->kind == REQUEST_REMOTE) {
        if (shard->credits[request->core] == 0) {
            client->flags |= CLIENT_STARVED;
            client->next_starved = shard->starved_first;
            shard->starved_first = client;
            return false;
        }
        shard->credits[request->core]--;
        request->credit = true;
    }
    return !request_must_wait(shard, client, command);
}

static int request_take_many(struct batch *batch, struct exec *x, struct resp_args *args)
{
    struct slice *argv = NULL;
    x->argc = args->count;
    x->batch_bytes = false;
    int result = client_parse_place(x->client, args, &argv);
    if (result == 0) {
        x->argv = batch->spills[batch->spill_count++] = argv;
    }
    return result;
}

// The arguments as slices of the client's input. Those of an inline request were unescaped into
// memory that goes with the parser's arguments: they are copied. -EAGAIN: not all of them yet.
static int request_take_arguments(struct batch *batch, struct exec *x, struct resp_args *args)
{
    if (args->count > LIMIT_PLACE_ARGUMENTS && args->text == NULL) {
        return request_take_many(batch, x, args);
    }
    struct slice *argv = batch_slices(batch, args->count);
    if (argv == NULL) {
        return -ENOMEM;
    }
    for (uint32_t i = 0; i < args->count; i++) {
        argv[i] = slice_of(args->base + args->spans[i].offset, args->spans[i].size);
    }
    x->argv = argv;
    x->argc = args->count;
    x->batch_bytes = args->text != NULL;
    if (!x->batch_bytes) {
        return 0;
    }
    void *bytes = NULL;
    if (!exec_copy_argument_bytes(argv, args->count, &bytes)) {
        return -ENOMEM;
    }
    batch->spills[batch->spill_count++] = bytes;
    return 0;
}

// NOTHING: no whole request is there. LATER: there is one that has to wait. LAST: no more before it
// has run.
enum parse_result { PARSE_REQUEST, PARSE_LAST, PARSE_LATER, PARSE_NOTHING };

static enum parse_result request_parse(struct shard *shard, struct client *client)
{
    struct batch *batch = shard->batch;
    struct resp_args *args;
    const struct resp_limits *limits =
        &shard->resp_limits[(client->flags & CLIENT_AUTHENTICATED) != 0];
    enum resp_status status = client_parse(client, limits, &batch->args, &args);
    if (status == RESP_MORE) {
        return PARSE_NOTHING;
    }
    struct request *request = &batch->requests[batch->count];
    struct exec *x = &request->exec;
    x->client = client;
    x->command = NULL;
    x->item = NULL;
    x->sum = 0;
    x->commit = 0;
    x->veto = x->failed = x->later = x->scoped = x->reserved = x->no_touch = false;
    x->may_haul = false;
    x->haul = NULL;
    x->hop = NULL;
    request->hop = NULL;
    request->credit = false;
    if (status == RESP_ERROR) {
        client_args_done(client, &batch->args);
        x->argc = 0;
        request->kind = REQUEST_OTHER;
        batch->count++;
        return PARSE_LAST;
    }
    uint32_t slice_count = batch->slice_count;
    uint32_t spill_count = batch->spill_count;
    int taken = request_take_arguments(batch, x, args);
    if (taken == -EAGAIN) {
        return PARSE_NOTHING; // CLIENT_PARSING
    } else if (taken != 0) {
        batch_undo(batch, slice_count, spill_count);
        resp_args_clear(&batch->args);
        client_close(client);
        return PARSE_NOTHING;
    }
    uint32_t ops = batch->op_count;
    request_route(shard, batch, request);
    if (!request_may_go(shard, client, request)) {
        batch->op_count = ops;
        batch_undo(batch, slice_count, spill_count);
        resp_args_clear(&batch->args);
        client_parse_undo(client);
        return PARSE_LATER;
    }
    client_parse_accept(client);
    client_args_done(client, &batch->args);
    batch->count++;
    return request_ends_parse(x) ? PARSE_LAST : PARSE_REQUEST;
}

bool request_take_spill(const struct exec *x)
{
    struct batch *batch = x->shard->batch;
    for (uint32_t i = 0; i < batch->spill_count; i++) {
        if (batch->spills[i] == x->argv) {
            batch->spills[i] = NULL;
            return true;
        }
    }
    return false;
}

// Running ------------------------------------------------------------------------------------

// Runs one key's command here and now, on a key that no gate holds. False, with nothing done, when
// its record is on disk.
enum run_result { RUN_DONE, RUN_LATER, RUN_WAITS };

// LATER: it is hauled, as `hop` or as one that was made of it. WAITS: for its record.
static enum run_result request_run_key(struct exec *x, struct hop *hop)
{
    switch (item_load(x, x->item)) {
    case ITEM_LOADED:
        return haul_run(x, hop) ? RUN_DONE : RUN_LATER;
    case ITEM_REFUSED:
        return RUN_DONE;
    case ITEM_WAITS:
        break;
    }
    return RUN_WAITS;
}

void request_count_late(const struct exec *x, uint64_t took_ns)
{
    struct stats *stats = &x->shard->stats;
    struct command_stats *of = &stats->of[x->command->index];
    stats->commands++;
    of->calls++;
    of->failed += x->failed;
    of->time_ns += took_ns;
    histogram_record(&of->latency, took_ns);
}

static void exec_count(struct exec *x)
{
    struct batch *batch = x->shard->batch;
    uint16_t index = x->command->index;
    x->shard->stats.commands++;
    if (batch->calls[index]++ == 0) {
        batch->called[batch->called_count++] = index;
    }
    if (x->failed) {
        x->shard->stats.of[index].failed++;
    }
}

static bool request_start_reply(struct exec *x)
{
    struct client *client = x->client;
    if (client->flags & CLIENT_CLOSING) {
        return false;
    }
    x->reply.cache = &x->shard->outbufs;
    x->reply.protocol = client->protocol;
    x->reply.out = (client->flags & (CLIENT_REPLY_OFF | CLIENT_REPLY_SKIP)) == 0
                       ? client_out(client)
                       : &x->shard->discarded;
    return !client_output_exceeded(client);
}

// On another core, or here behind a gate. A credit that was taken goes along where it is needed.
static void request_send(struct request *request, uint32_t core)
{
    struct exec *x = &request->exec;
    if (request->credit && hop_join(x, core)) {
        x->later = true;
        return;
    }
    if (hop_send(x, core)) {
        request->credit = false;
        x->later = true;
        return;
    }
    exec_error(x, TEXT_OVERLOADED);
}

// One whose key lives here, of a client or of another core's hop. What has to wait becomes a hop of
// this core to itself.
static void request_run_here(struct shard *shard, struct request *request)
{
    struct exec *x = &request->exec;
    if (gate_any(shard->gates) && gate_taken(shard->gates, x->item->op.hash) &&
        !planted(PLANTED_IGNORE_GATE)) {
        request_send(request, shard->index);
        return;
    }
    switch (request_run_key(x, NULL)) {
    case RUN_DONE:
        exec_count(x);
        return;
    case RUN_LATER:
        x->later = true;
        return;
    case RUN_WAITS:
        x->later = hop_load(x);
        if (!x->later) {
            exec_error(x, TEXT_OVERLOADED);
        }
        return;
    }
}

static void request_dispatch(struct shard *shard, struct request *request)
{
    struct exec *x = &request->exec;
    switch ((enum request_kind)request->kind) {
    case REQUEST_LOCAL_KEY:
        request_run_here(shard, request);
        return;
    case REQUEST_REMOTE:
        request_send(request, request->core);
        return;
    case REQUEST_OTHER:
    case REQUEST_HOP:
        switch ((enum command_route)x->command->route) {
        case ROUTE_CONNECTION:
            x->command->run(x);
            break;
        case ROUTE_KEYS:
        case ROUTE_TRANSFER:
        case ROUTE_ALL:
            if (!multi_start(x)) {
                x->later = true;
                return;
            }
            break;
        case ROUTE_KEY:
            CHECK(false); // routed to its key when it was parsed
        }
        break;
    }
    exec_count(x);
}

static void request_credit_back(struct shard *shard, struct request *request)
{
    if (request->credit && !planted(PLANTED_LEAK_CREDIT)) {
        request->credit = false;
        shard->credits[request->core]++;
        shard->credits_back = true;
    }
}

// What was replied behind `before` may not leave before its group commit is durable.
static void request_hold(const struct exec *x, size_t before)
{
    struct client *client = x->client;
    if (x->reply.out == &client->out) {
        hold_output(client, before, x->commit);
    } else if (x->reply.out == &client->late && x->commit > client->hold.late) {
        client->hold.late = x->commit;
    }
}

static void request_run(struct shard *shard, struct request *request)
{
    struct exec *x = &request->exec;
    struct client *client = x->client;
    x->shard = shard;
    x->no_touch = (client->flags & CLIENT_NO_TOUCH) != 0;
    if (!request_start_reply(x)) {
        request_credit_back(shard, request);
        return;
    }
    client->active_ns = shard->io->now_ns;
    if (x->argc == 0) {
        char text[RESP_ERROR_TEXT_MAX];
        resp_error_text(&client->parser, text);
        stats_note_error(&shard->stats, slice_from_text(text));
        reply_error_text(&x->reply, text);
        client_close_after_reply(client);
    } else if (request_admit(x)) {
        size_t before = x->reply.out->bytes;
        client->commands++;
        client->last_command = x->command;
        request_dispatch(shard, request);
        client_window_note(client, x->reply.out->bytes - before);
        work_spend(&shard->work, (x->reply.out->bytes - before) / WORK_BYTES_A_UNIT);
        if (x->commit != 0) {
            request_hold(x, before);
        }
    }
    request_credit_back(shard, request);
    if (client->flags & (CLIENT_REPLY_SKIP | CLIENT_REPLY_SKIP_NEXT | CLIENT_REPLY_OFF)) {
        outbuf_clear(&shard->discarded, &shard->outbufs);
        client->flags &= ~(uint32_t)CLIENT_REPLY_SKIP;
        if (client->flags & CLIENT_REPLY_SKIP_NEXT) {
            client->flags &= ~(uint32_t)CLIENT_REPLY_SKIP_NEXT;
            client->flags |= CLIENT_REPLY_SKIP;
        }
    }
    client_mark_flush(client);
}

// A hop of this core to itself, whose turn at the gate of its key has come. False when it has to
// wait for the disk.
static bool request_run_hop(struct shard *shard, struct request *request)
{
    struct exec *x = &request->exec;
    struct hop *hop = request->hop;
    switch (request_run_key(x, hop)) {
    case RUN_DONE:
        break;
    case RUN_LATER:
        return false;
    case RUN_WAITS:
        if (load_for_hop(x, hop)) {
            return false;
        }
        exec_error(x, TEXT_OVERLOADED);
    }
    work_spend(&shard->work, x->reply.out->bytes / WORK_BYTES_A_UNIT);
    exec_count(x);
    return true;
}

// One of another core's hop.
static void request_run_carried(struct shard *shard, struct request *request)
{
    struct exec *x = &request->exec;
    struct hop *hop = x->hop;
    const size_t before = x->reply.out->bytes;
    request_run_here(shard, request);
    const size_t size = x->reply.out->bytes - before;
    hop->reply_bytes[hop->ran] = (uint32_t)size;
    hop->commit = x->commit > hop->commit ? x->commit : hop->commit;
    hop->ran++;
    work_spend(&shard->work, size / WORK_BYTES_A_UNIT);
}

// A batch cannot end early: what one spent beyond a slice the next has fewer requests for.
static void batch_adapt(struct batch *batch, uint64_t spent)
{
    if (spent > LIMIT_SLICE_UNITS) {
        uint64_t fits = (uint64_t)batch->count * LIMIT_SLICE_UNITS / spent;
        batch->most = fits == 0 ? 1 : (uint32_t)fits;
    } else if (batch->most < LIMIT_BATCH && spent < LIMIT_SLICE_UNITS / 2) {
        batch->most = 2 * batch->most < LIMIT_BATCH ? 2 * batch->most : LIMIT_BATCH;
    }
}

// A batch ----------------------------------------------------------------------------------

static void batch_finish(struct shard *shard, struct batch *batch, uint64_t began_ns)
{
    CHECK(batch->count != 0);
    uint64_t now_ns = io_clock_ns(shard->io);
    uint64_t took_ns = now_ns - began_ns;
    uint64_t share_ns = took_ns / batch->count;
    uint64_t latency_ns = now_ns - shard->io->now_ns;
    stats_note_stage(&shard->stats, STAGE_BATCH, took_ns);
    for (uint32_t i = 0; i < batch->called_count; i++) {
        struct command_stats *of = &shard->stats.of[batch->called[i]];
        uint32_t calls = batch->calls[batch->called[i]];
        of->calls += calls;
        of->time_ns += share_ns * calls;
        histogram_record_n(&of->latency, latency_ns, calls);
        batch->calls[batch->called[i]] = 0;
    }
    shard->stats.batches++;
    for (uint32_t i = 0; i < batch->spill_count; i++) {
        memory_free(batch->spills[i]);
    }
    batch->count = batch->slice_count = batch->op_count = 0;
    batch->called_count = batch->spill_count = 0;
}

static void batch_run(struct shard *shard, struct batch *batch)
{
    uint64_t began_ns = io_clock_ns(shard->io);
    uint64_t spent = shard->work.spent;
    if (shard->io->wall_ms >= shard->identity.renew_ms) {
        identity_extend(shard);
    }
    if (batch->op_count > 1) {
        engine_prepare(shard->engine, batch->ops, batch->op_count);
    }
    for (uint32_t i = 0; i < batch->count; i++) {
        struct request *request = &batch->requests[i];
        const struct command *command = request->exec.command;
        bool timed = shard->slowlog_each || (command != NULL && command->route >= ROUTE_KEYS);
        uint64_t one_ns = timed ? io_clock_ns(shard->io) : 0;
        struct hop *carrier = request->exec.hop;
        if (carrier != NULL) {
            request_run_carried(shard, request);
            if (timed && !request->exec.later && carrier->count == 1) {
                carrier->timed = true;
                carrier->took_ns = io_clock_ns(shard->io) - one_ns;
            }
            if (i + 1 == batch->count || request[1].exec.hop != carrier) {
                hop_ran(shard, carrier);
            }
        } else if (request->hop == NULL) {
            request_run(shard, request);
            if (timed && !request->exec.later) {
                slowlog_note(shard, &request->exec, io_clock_ns(shard->io) - one_ns);
            }
        } else if (request_run_hop(shard, request)) {
            struct hop *hop = request->hop;
            if (timed) {
                hop->timed = true;
                hop->took_ns = io_clock_ns(shard->io) - one_ns;
            }
            hop_done(shard, hop, &shard->hop_reply, request->exec.commit);
        }
    }
    batch_adapt(batch, shard->work.spent - spent);
    batch_finish(shard, batch, began_ns);
}

static struct request *batch_add_hop(struct batch *batch, const struct hop_request *of)
{
    struct request *request = &batch->requests[batch->count++];
    request->hop = NULL;
    request->kind = REQUEST_HOP;
    request->credit = false;
    request->exec.item = &request->item;
    hop_item(of, request->exec.argv, &request->item);
    batch->slice_count += HOP_ARGUMENTS;
    request_add_op(batch, request);
    return request;
}

// As many of a hop's requests as fit: those that did not run yet. False when some are left.
static bool batch_fill_carried(struct shard *shard, struct batch *batch, struct hop *hop)
{
    const struct hop_request *of = hop_first(hop);
    for (uint32_t i = 0; i < hop->count; i++, of = hop_next(of)) {
        if (i < hop->ran) {
            continue;
        }
        if (batch->count == batch->most) {
            return false;
        }
        struct exec *x = &batch->requests[batch->count].exec;
        hop_request_exec(shard, hop, of, batch->slices + batch->slice_count, x);
        batch_add_hop(batch, of);
    }
    return true;
}

static bool batch_fill_hops(struct shard *shard, struct batch *batch)
{
    while (batch->count < batch->most) {
        struct hop *hop = hop_list_take(&shard->granted);
        if (hop == NULL) {
            break;
        }
        struct exec *x = &batch->requests[batch->count].exec;
        hop_exec(shard, hop, batch->slices + batch->slice_count, x);
        batch_add_hop(batch, hop_first(hop))->hop = hop;
    }
    while (batch->count < batch->most && shard->received.first != NULL &&
           batch_fill_carried(shard, batch, shard->received.first)) {
        hop_list_take(&shard->received);
    }
    return batch->count != 0;
}

static struct client *ready_take(struct shard *shard)
{
    struct client *client = shard->ready_first;
    shard->ready_first = client->next_ready;
    if (shard->ready_first == NULL) {
        shard->ready_last = NULL;
    }
    client->flags &= ~(uint32_t)CLIENT_IN_READY;
    return client;
}

// Parses as many of the client's requests as fit.
static void batch_fill_client(struct shard *shard, struct batch *batch, struct client *client)
{
    uint32_t before = batch->count;
    enum parse_result result = PARSE_REQUEST;
    while (result == PARSE_REQUEST && batch->count < batch->most && !client_blocked(client) &&
           (client->flags & (CLIENT_CLOSING | CLIENT_CLOSE_AFTER_REPLY)) == 0 &&
           client_may_ask(client)) {
        result = request_parse(shard, client);
        client->in_batch = (uint16_t)(batch->count - before);
    }
    batch->partial[batch->client_count] =
        result == PARSE_NOTHING && (client->flags & CLIENT_PARSING) == 0;
    batch->clients[batch->client_count++] = client;
}

// After the batch: the client's input is put in order, and it comes again if more may be parsed.
static void batch_settle_client(struct client *client, bool partial)
{
    if (client->in_batch != 0) {
        client_batch_done(client);
    }
    if (client->flags & CLIENT_CLOSING) {
        client_release_from_list(client);
        return;
    }
    bool blocked = client_blocked(client);
    bool more = client_input_settle(client, partial || blocked);
    while (more && blocked && client->buffer != NULL) {
        more = client_input_settle(client, true);
    }
    if (client->flags & CLIENT_CLOSING) {
        return;
    }
    if (more && !blocked) {
        client_mark_ready(client);
    } else if (!more && (client->flags & CLIENT_READ_ENDED) && client->pending_first == NULL &&
               !blocked) {
        client_close_after_reply(client);
    }
    if (!more && !blocked) {
        client->flags |= CLIENT_DRY;
    } else {
        client->flags &= ~(uint32_t)CLIENT_DRY;
    }
    client_memory_note(client);
    client_read_resume(client, !more && !blocked);
}

static uint32_t batch_fill_clients(struct shard *shard, struct batch *batch)
{
    batch->client_count = 0;
    while (batch->count < batch->most && batch->client_count < LIMIT_BATCH &&
           shard->ready_first != NULL) {
        struct client *client = ready_take(shard);
        if (client->flags & CLIENT_CLOSING) {
            client_release_from_list(client);
            continue;
        }
        batch_fill_client(shard, batch, client);
    }
    return batch->count;
}

// Requests of own clients and hops of other cores take turns, batch by batch: as many of either as
// come cannot keep the others from being served. The lines of the hops come meanwhile. A turn that
// has used up its slice (large values, commands on many keys) ends after a batch of each.
bool request_execute(struct shard *shard)
{
    struct batch *batch = shard->batch;
    uint32_t done = 0;
    uint32_t batches = 0;
    bool hops_next = shard->ready_first == NULL;
    if (shard->durable && engine_stalled(shard->engine)) {
        shard->stats.stalls++;
        return false; // a completion brings the next turn
    }
    while (done < LIMIT_REQUESTS_A_TURN && (batches < 2 || !work_over(&shard->work))) {
        if (hops_next && batch_fill_hops(shard, batch)) {
            done += batch->count;
            batches++;
            batch_run(shard, batch);
            hops_next = shard->ready_first == NULL;
            continue;
        }
        hops_next = true;
        if (shard->parts_granted != NULL) {
            struct multi_part *part = shard->parts_granted;
            shard->parts_granted = part->next_granted;
            multi_part_granted(shard, part);
            continue;
        }
        if (shard->ready_first == NULL) {
            if (shard->received.first == NULL && shard->granted.first == NULL) {
                return false;
            }
            continue;
        }
        uint32_t count = batch_fill_clients(shard, batch);
        done += count != 0 ? count : 1;
        batches++;
        if (count != 0) {
            batch_run(shard, batch);
        }
        for (uint32_t i = 0; i < batch->client_count; i++) {
            batch_settle_client(batch->clients[i], batch->partial[i]);
        }
    }
    return true;
}
