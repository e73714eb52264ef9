// What a node's histories tell at the end, and what of it is shown to people.
#include "cluster/client.h"
#include "cluster/shard.h"
#include "core/check.h"
#include "tests/sim/node_load.h"
#include "tests/sim/sim_internal.h"

#include <inttypes.h>
#include <stdio.h>

// Histories of lives
// -------------------------------------------------------------------------------

static void history_add(struct history *history, const struct model_op *op)
{
    history->ops[history->count++] = *op;
}

static bool op_is_open(const struct model_op *op)
{
    return op->answered_ns == MODEL_NEVER && op->reply.kind == MODEL_NO_REPLY;
}

// A command over several cores that was not answered may be there in part after a crash, or when a
// disk failed: each of its writes for itself, then.
static void history_add_parts(struct history *history, const struct model_op *op)
{
    struct model_op part = *op;

    part.key_count = 1;
    part.values[1] = 0;
    switch ((enum model_kind)op->kind) {
    case MODEL_MSET:
    case MODEL_MSETNX:
    case MODEL_DEL:
    case MODEL_CLEAR:
        part.kind = op->kind == MODEL_MSET     ? MODEL_SET
                    : op->kind == MODEL_MSETNX ? MODEL_SETNX
                                               : MODEL_DEL;
        for (uint32_t i = 0; i < op->key_count; i++) {
            part.keys[0] = op->keys[i];
            part.values[0] = op->values[i];
            history_add(history, &part);
        }
        return;
    case MODEL_RENAME:
    case MODEL_RENAMENX:
        part.key_count = 2;
        part.kind = MODEL_COPY;
        part.flags = op->kind == MODEL_RENAME ? MODEL_REPLACE : 0;
        history_add(history, &part);
        part.key_count = 1;
        part.kind = MODEL_DEL;
        history_add(history, &part);
        return;
    default:
        history_add(history, op);
    }
}

bool load_tears(const struct load *load)
{
    return load->durable &&
           (load_disk_fails(load) || load_is_damaged(load) || load->features.limited);
}

// What was asked of it and not answered then took effect in its life or never.
void load_history_of_life(const struct load *load, uint32_t object, uint32_t life, bool parts,
                          struct history *history)
{
    const uint64_t from_ns = life == load->life_first ? 0 : load->lives[life - 1]->ended_ns + 1;
    const bool last = life == load->lost_count;
    const uint64_t to_ns = last ? MODEL_NEVER - 1 : load->lives[life]->ended_ns;

    history->count = 0;
    for (uint32_t i = 0; i < load->op_count; i++) {
        const struct load_op *const op = &load->ops[i];

        if (op->object != object || op->op.invoked_ns < from_ns || op->op.invoked_ns > to_ns) {
            continue;
        }
        if (parts && op_is_open(&op->op)) {
            history_add_parts(history, &op->op);
        } else {
            history_add(history, &op->op);
        }
    }
}

static void history_of_life(const struct load *load, uint32_t object, uint32_t life,
                            struct history *history)
{
    const bool crashed = load->durable && life != load->lost_count && !load->lives[life]->clean;

    load_history_of_life(load, object, life, crashed || load_tears(load), history);
}

// How far back what was there after a life may lie.
static uint64_t life_window_ns(const struct load *load, uint32_t life)
{
    enum { SLACK_MS = 200 }; // a look at the clock every 100 ms, and the writes themselves
    static const uint64_t ns_per_ms = 1000 * 1000;

    if (load->sync == CONFIG_SYNC_ALWAYS || load->lives[life]->clean) {
        return 0;
    }
    if (load->sync == CONFIG_SYNC_INTERVAL && !load_is_slow(load)) {
        return load->sync_interval_ns + SLACK_MS * ns_per_ms;
    }
    return MODEL_NEVER;
}

// What the disk held after the life is what somebody would have read at its end, or in the time
// before that in which what was written may be lost: of each key for itself, since cores lose each
// what is theirs.
static void history_add_found(const struct load *load, uint32_t key, uint32_t life,
                              uint64_t window_ns, const struct load_found *found,
                              struct history *history)
{
    const struct load_life *const over = load->lives[life];
    const uint64_t began_ns = life == load->life_first ? 0 : load->lives[life - 1]->looked_ns;
    const uint64_t from_ns =
        over->ended_ns - began_ns > window_ns ? over->ended_ns - window_ns : began_ns;
    const struct model_op look = {
        .kind = MODEL_GET,
        .flags = MODEL_LOOK,
        .connection = UINT32_MAX - key,
        .key_count = 1,
        .keys = {(uint8_t)key},
        .number = (int64_t)found->expire_ms,
        .invoked_ns = from_ns,
        .answered_ns = over->looked_ns,
        .reply = {.kind = MODEL_VALUE, .values = {found->value}},
    };

    history_add(history, &look);
}

static void history_add_look(const struct load *load, uint32_t object, uint32_t life,
                             uint64_t window_ns, struct history *history)
{
    for (uint32_t key = 0; key < load->objects[object].key_count; key++) {
        const struct load_found *const found = &load->lives[life]->found[object][key];

        if (!found->bad) {
            history_add_found(load, key, life, window_ns, found, history);
        }
    }
}

static int by_time(const void *a, const void *b)
{
    const struct model_op *const x = a;
    const struct model_op *const y = b;

    return x->invoked_ns < y->invoked_ns ? -1 : x->invoked_ns > y->invoked_ns;
}

void load_print_history(const struct load *load, struct model_op *ops, uint32_t count)
{
    qsort(ops, count, sizeof *ops, by_time);
    for (uint32_t i = 0; i < count; i++) {
        model_print_op(stderr, load->values, &ops[i]);
    }
}

enum model_verdict load_verdict(const struct load *load, uint32_t object, uint32_t life,
                                struct history *history)
{
    const struct model_rules rules = {.in_order = load->cores == 1,
                                      .evicts = load->features.evicts,
                                      .refuses = load->features.scarce || load->features.limited ||
                                                 load->durable};
    struct model_state start = {0};

    if (life != load->life_first) {
        load_state_after(load, life - 1, object, &start);
    }
    return model_check(load->values, &start, history->ops, history->count, &rules);
}

static enum model_verdict load_try(const struct load *load, uint32_t object, uint32_t life,
                                   bool look, uint64_t window_ns, struct history *history)
{
    history_of_life(load, object, life, history);
    if (look) {
        history_add_look(load, object, life, window_ns, history);
    }
    return load_verdict(load, object, life, history);
}

bool load_key_was(const struct load *load, uint32_t object, uint32_t key, uint32_t life,
                  const struct load_found *found, struct history *history)
{
    history_of_life(load, object, life, history);
    history_add_found(load, key, life, MODEL_NEVER, found, history);
    return load_verdict(load, object, life, history) != MODEL_WRONG;
}

static void load_check_history(struct load *load, uint32_t object, uint32_t life,
                               struct history *history)
{
    const bool over = load->durable && life != load->lost_count;
    const uint64_t window_ns = over ? life_window_ns(load, life) : 0;
    enum model_verdict verdict = load_try(load, object, life, over, 0, history);

    if (verdict == MODEL_WRONG && window_ns != 0) {
        verdict = load_try(load, object, life, over, window_ns, history);
        load_mark(load, MARK_UNSYNCED_LOST, verdict == MODEL_FINE);
    }
    load->operations += history->count;
    if (verdict == MODEL_WRONG && over && load->lives[life]->damaged &&
        load_try(load, object, life, false, 0, history) != MODEL_WRONG) {
        load_check_damaged(load, object, life, history);
        return;
    }
    switch (verdict) {
    case MODEL_FINE:
        break;
    case MODEL_UNDECIDED:
        load->undecided++;
        break;
    case MODEL_WRONG: {
        const bool lost = over && load_try(load, object, life, false, 0, history) == MODEL_FINE;

        if (lost) { // for who reads what is printed
            (void)load_try(load, object, life, true, window_ns, history);
        }
        load_fail(load, lost ? SIM_ORACLE_DURABLE : SIM_ORACLE_HISTORY,
                  "no order explains what was seen of %s and its kin in life %u%s",
                  load->objects[object].names[0], life,
                  lost ? ", and what was there after it" : "");
        load_print_history(load, history->ops, history->count);
        break;
    }
    }
}

// Keys of several names, which are written together only.
static void load_check_whole(struct load *load, uint32_t object, uint32_t life)
{
    for (uint32_t key = 0; key < load->objects[object].key_count; key++) {
        const struct load_found *const found = &load->lives[life]->found[object][key];

        if (found->torn || (found->names != 0 && found->names != load->objects[object].width)) {
            load_fail(load, SIM_ORACLE_WHOLE, "after life %u %u of %u names of %s are there%s",
                      life, found->names, load->objects[object].width,
                      load->objects[object].names[0], found->torn ? ", with other values" : "");
        }
    }
}

// What became of the writes that nobody was told of.
static void mark_late(struct load *load, uint32_t object, const struct load_life *over,
                      const struct history *history)
{
    for (uint32_t i = 0; i < history->count; i++) {
        const struct model_op *const op = &history->ops[i];

        if (op->kind == MODEL_SET && op_is_open(op) && (op->flags & (MODEL_NX | MODEL_XX)) == 0 &&
            load->sync == CONFIG_SYNC_ALWAYS) {
            const bool there = over->found[object][op->keys[0]].value == op->values[0];

            load_mark(load, there ? MARK_LATE_KEPT : MARK_LATE_LOST, true);
        }
    }
}

void load_check_histories(struct load *load)
{
    enum { PARTS_MAX = MODEL_KEYS };
    struct history history = {
        .ops = sim_allocate((load->op_count * PARTS_MAX + MODEL_KEYS) * sizeof *history.ops)};

    for (uint32_t life = load->life_first; life <= load->lost_count && !load->failed; life++) {
        const bool over = load->durable && life != load->lost_count;

        if (over && load->lives[life]->looked != (UINT32_C(1) << load->cores) - 1) {
            load_fail(load, SIM_ORACLE_PROGRESS, "after life %u the node did not start", life);
        }
        for (uint32_t object = 0; object < load->object_count && !load->failed; object++) {
            load_check_history(load, object, life, &history);
            if (over && !load->failed) {
                load_check_whole(load, object, life);
                mark_late(load, object, load->lives[life], &history);
            }
        }
    }
    free(history.ops);
}

static void mark_flags(struct load *load)
{
    const uint32_t seen = sim_rldb_flags_seen(load->rldb);

    load_mark(load, MARK_STARVED, seen & CLIENT_STARVED);
    load_mark(load, MARK_WINDOWED, seen & CLIENT_WINDOWED);
    load_mark(load, MARK_SHRUNK, seen & CLIENT_SHRUNK);
    load_mark(load, MARK_HELD, seen & CLIENT_HELD);
    load_mark(load, MARK_READ_PAUSED, seen & CLIENT_READ_PAUSED);
    load_mark(load, MARK_BEHIND, seen & CLIENT_BEHIND);
    load_mark(load, MARK_PAUSED, seen & CLIENT_PAUSED);
    load_mark(load, MARK_SILENT, seen & (CLIENT_REPLY_OFF | CLIENT_REPLY_SKIP));
}

static void mark_stats(struct load *load)
{
    const struct sim_counts *const counts = sim_world_counts(load->world);

    load_mark(load, MARK_INTERLEAVED, counts->interleaved != 0);
    load_mark(load, MARK_BUFFERS_OUT, counts->buffers_out != 0);
    load_mark(load, MARK_SEND_SHORT, counts->sends_short != 0);
    load_mark(load, MARK_LOST, counts->segments_lost != 0);
    for (uint32_t i = 0; i < load->cores; i++) {
        const struct shard *const shard = sim_rldb_shard(load->rldb, i);
        const struct stats *const stats = &shard->stats;
        struct engine_stats engine;

        engine_stats(shard->engine, &engine);
        load_mark(load, MARK_HOP, stats->hops_sent != 0);
        load_mark(load, MARK_GATE_WAIT, stats->gate_waits != 0);
        load_mark(load, load->features.frozen ? MARK_STUCK : MARK_OUTPUT_MAX,
                  stats->output_limit_disconnections != 0);
        load_mark(load, MARK_EXPIRED, engine.expired != 0);
        load_mark(load, load->durable ? MARK_MOVED : MARK_CLEANED, engine.compacted_bytes != 0);
        load_mark(load, MARK_CHECKPOINT, engine.checkpoints != 0);
        load_mark(load, MARK_COMMIT_HELD, stats->holds != 0);
        load_mark(load, MARK_COLD_READ, stats->loads != 0);
        if (load->features.evicts) {
            load_mark(load, MARK_EVICTED_LRU + load->eviction - EVICTION_LRU, engine.evicted != 0);
        }
    }
}

void load_mark_all(struct load *load)
{
    mark_flags(load);
    mark_stats(load);
}

static void explain_session(const struct session *session)
{
    (void)fprintf(stderr,
                  "  session %u, connection %u, %s, end %d%s: %u made, %u sent, %u answered",
                  session->index, session->connection, session->client == NULL ? "closed" : "open",
                  session->end, session->reads_slowly ? ", slow" : "", session->request_count,
                  session->request_sent, session->request_answered);
    const uint32_t answered = session->request_answered;

    for (uint32_t i = answered < 3 ? 0 : answered - 3;
         i < session->request_sent && i < answered + 4; i++) {
        (void)fprintf(stderr, "%s%s", i == answered ? " / " : "; ", session->requests[i].what);
    }
    (void)fprintf(stderr, "\n");
}

static void explain_client(const struct client *client)
{
    if (client->gather)
        (void)fprintf(
            stderr, "  client %" PRIu64 " at core %u: flags %x, pending %u (%d), out %zu\n",
            client->id, client->shard->index, client->flags, client->pending_count,
            client->pending_first != NULL ? client->pending_first->kind : -1, client->out.bytes);
}

void load_explain(const struct load *load)
{
    for (uint32_t i = 0; i < load->session_count; i++) {
        if (!load->sessions[i].done) {
            explain_session(&load->sessions[i]);
        }
    }
    for (uint32_t i = 0; i < load->cores && sim_rldb_up(load->rldb); i++) {
        const struct shard *const shard = sim_rldb_shard(load->rldb, i);

        for (const struct client *at = shard->clients; at != NULL; at = at->next) {
            explain_client(at);
        }
    }
}
