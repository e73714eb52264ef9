// What a node's histories tell at the end, and what of it is shown to people.
#include "cluster/client.h"
#include "core/check.h"
#include "tests/sim/node_load.h"
#include "tests/sim/sim_internal.h"

#include <inttypes.h>
#include <stdio.h>

// The part of an object's history that one life of the process saw: what it held in RAM went with
// it, and what was asked of it and not answered then took effect in its life or never.
static uint32_t load_history(const struct load *load, uint32_t object, uint32_t life,
                             struct model_op *ret_ops)
{
    const uint64_t from_ns = life == 0 ? 0 : load->lost_ns[life - 1] + 1;
    const uint64_t to_ns = life == load->lost_count ? MODEL_NEVER - 1 : load->lost_ns[life];
    uint32_t count = 0;

    for (uint32_t i = 0; i < load->op_count; i++) {
        const struct load_op *const op = &load->ops[i];

        if (op->object == object && op->op.invoked_ns >= from_ns && op->op.invoked_ns <= to_ns) {
            ret_ops[count++] = op->op;
        }
    }
    return count;
}

static int by_time(const void *a, const void *b)
{
    const struct model_op *const x = a;
    const struct model_op *const y = b;

    return x->invoked_ns < y->invoked_ns ? -1 : x->invoked_ns > y->invoked_ns;
}

static void load_print_history(const struct load *load, struct model_op *ops, uint32_t count)
{
    qsort(ops, count, sizeof *ops, by_time);
    for (uint32_t i = 0; i < count; i++) {
        model_print_op(stderr, load->values, &ops[i]);
    }
}

static void load_check_history(struct load *load, uint32_t object, uint32_t life,
                               struct model_op *ops)
{
    const struct model_rules rules = {.in_order = load->cores == 1,
                                      .evicts = load->features.evicts,
                                      .refuses = load->features.scarce || load->features.limited};
    const uint32_t count = load_history(load, object, life, ops);

    load->operations += count;
    switch (model_check(load->values, ops, count, &rules)) {
    case MODEL_FINE:
        break;
    case MODEL_UNDECIDED:
        load->undecided++;
        break;
    case MODEL_WRONG:
        load_fail(load, SIM_ORACLE_HISTORY, "no order explains what was seen of %s and its kin",
                  load->objects[object].names[0]);
        load_print_history(load, ops, count);
        break;
    }
}

void load_check_histories(struct load *load)
{
    struct model_op *const ops = sim_allocate((load->op_count + 1) * sizeof *ops);

    for (uint32_t object = 0; object < load->object_count; object++) {
        for (uint32_t life = 0; life <= load->lost_count && !load->failed; life++) {
            load_check_history(load, object, life, ops);
        }
    }
    free(ops);
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
        load_mark(load, MARK_CLEANED, engine.compacted_bytes != 0);
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
