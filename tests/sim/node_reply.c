// What comes back: each reply is held against its request, and noted for the model.
#include "tests/sim/node_load.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void reply_wrong(struct session *session, const struct request *request,
                        const struct sim_reply *reply)
{
    const bool walks = request->expect == EXPECT_SCAN || request->expect == EXPECT_KEYS;

    load_fail(session->load, walks ? SIM_ORACLE_SCAN : SIM_ORACLE_REPLIES,
              "session %u, connection %u, request %u: expected %u (types %x, '%s'), got type %d, "
              "%lld, '%.100s'",
              session->index, session->connection, session->request_answered - 1, request->expect,
              request->types, request->text, reply->type, (long long)reply->integer, reply->text);
}

static uint32_t reply_value(struct session *session, const struct sim_reply *reply)
{
    return reply->type == SIM_STRING
               ? model_value(session->load->values, slice_of(reply->text, reply->size))
               : 0;
}

static bool reply_is_value(const struct sim_reply *reply)
{
    return reply->type == SIM_STRING || reply->type == SIM_NULL;
}

// The values of MGET; those of one key of the model are equal.
static bool reply_take_values(struct session *session, const struct load_object *object,
                              struct model_op *op, const struct sim_reply *reply)
{
    if (reply->count != op->key_count * object->width) {
        return false;
    }
    op->reply.kind = MODEL_ARRAY;
    for (uint32_t i = 0; i < reply->count; i++) {
        if (!reply_is_value(&reply->elements[i])) {
            return false;
        }
        const uint32_t value = reply_value(session, &reply->elements[i]);

        if (i % object->width == 0) {
            op->reply.values[i / object->width] = value;
        } else if (op->reply.values[i / object->width] != value) {
            load_fail(session->load, SIM_ORACLE_WHOLE,
                      "session %u: MGET shows half of an MSET: %s has another value than %s",
                      session->index, object->names[i], object->names[i - 1]);
            return true;
        }
    }
    return true;
}

static bool text_begins(const char *text, const char *with)
{
    return strncmp(text, with, strlen(with)) == 0;
}

// An error that says that nothing was done.
static bool reply_is_refusal(struct load *load, const struct sim_reply *reply)
{
    const bool overloaded = load->features.scarce && text_begins(reply->text, "OVERLOADED ");
    const bool full = load->features.limited && text_begins(reply->text, "OOM ");
    const bool no_space = load->durable && text_begins(reply->text, "NOSPACE ") &&
                          (load->features.limited || load_disk_fills(load));

    load_mark(load, MARK_OVERLOADED, overloaded);
    load_mark(load, MARK_FULL, full);
    load_mark(load, MARK_NO_SPACE, no_space);
    return overloaded || full || no_space ||
           (load->features.output_max && strstr(reply->text, "clients.output_max") != NULL);
}

// An error that leaves open what was done: nobody knows, as after no reply.
static bool reply_is_open(struct load *load, const struct sim_reply *reply)
{
    const bool failed =
        load->durable && (load_disk_fails(load) || load_is_damaged(load)) &&
        (text_begins(reply->text, "IOERR ") || text_begins(reply->text, "CORRUPT "));

    load_mark(load, MARK_IO_ERROR, failed);
    load_mark(load, MARK_CORRUPT, failed && load_is_damaged(load));
    return failed;
}

static bool reply_take_op(struct session *session, struct load_op *op,
                          const struct sim_reply *reply)
{
    const struct load_object *const object = &session->load->objects[op->object];
    struct model_reply *const model = &op->op.reply;

    switch (reply->type) {
    case SIM_ERROR:
        // On a full disk some keys of an MSET may be set: engines/README.
        if (reply_is_open(session->load, reply) ||
            (text_begins(reply->text, "NOSPACE ") && op->op.key_count * object->width > 1)) {
            op->op.answered_ns = MODEL_NEVER;
            return true;
        }
        model->kind = reply_is_refusal(session->load, reply) ? MODEL_REFUSED : MODEL_ERROR;
        return model->kind == MODEL_REFUSED || model_kind_may_fail(op->op.kind);
    case SIM_STATUS:
        model->kind = MODEL_OK;
        return strcmp(reply->text, "OK") == 0;
    case SIM_INTEGER:
        model->kind = MODEL_INTEGER;
        model->number = reply->integer;
        if (object->width > 1 && op->op.kind != MODEL_MSETNX) { // DEL, EXISTS: all or none
            model->number /= object->width;
            if (reply->integer % object->width != 0) {
                load_fail(session->load, SIM_ORACLE_WHOLE, "session %u: %lld of %u keys of %s",
                          session->index, (long long)reply->integer, object->width,
                          object->names[0]);
            }
            return true;
        }
        return true;
    case SIM_STRING:
    case SIM_NULL:
        model->kind = MODEL_VALUE;
        model->values[0] = reply_value(session, reply);
        return true;
    case SIM_ARRAY:
        return reply_take_values(session, object, &op->op, reply);
    default:
        return false;
    }
}

static bool reply_take(struct session *session, const struct request *request,
                       const struct sim_reply *reply)
{
    struct load *const load = session->load;
    const uint64_t now_ns = sim_world_now_ns(load->world);

    for (uint32_t i = 0; i < request->op_count; i++) {
        struct load_op *const op = &load->ops[request->op + i];

        op->op.answered_ns = now_ns;
        if (op->op.kind == MODEL_CLEAR) { // done by now, though no reply tells of each key
            if (reply->type != SIM_STATUS) {
                op->op.answered_ns = MODEL_NEVER;
                return reply_is_open(load, reply);
            }
        } else if (!reply_take_op(session, op, reply)) {
            return false;
        }
    }
    return true;
}

// Whether the connection sees this stable key: a shard port has those of its core.
static bool stable_visible(const struct session *session, uint32_t index)
{
    return session->core == UINT32_MAX || session->load->stable_core[index] == session->core;
}

static bool stable_note(struct session *session, const struct sim_reply *key, bool *seen)
{
    for (uint32_t i = 0; i < LOAD_STABLE_KEYS; i++) {
        if (strcmp(key->text, session->load->stable[i]) == 0) {
            seen[i] = true;
            return stable_visible(session, i);
        }
    }
    return true;
}

static bool stable_all(const struct session *session, const bool *seen)
{
    for (uint32_t i = 0; i < LOAD_STABLE_KEYS; i++) {
        if (!seen[i] && session->load->stable_stored[i] && stable_visible(session, i) &&
            !session->load->features.flush && !session->load->features.evicts &&
            !load_loses(session->load)) {
            return false;
        }
    }
    return true;
}

static bool reply_take_scan(struct session *session, const struct sim_reply *reply)
{
    session->scanning = false;
    if (reply->type != SIM_ARRAY || reply->count != 2 || reply->elements[1].type != SIM_ARRAY) {
        return false;
    }
    if (strcmp(session->cursor, "0") == 0) {
        memset(session->scanned, 0, sizeof session->scanned);
    }
    for (size_t i = 0; i < reply->elements[1].count; i++) {
        if (!stable_note(session, &reply->elements[1].elements[i], session->scanned)) {
            return false;
        }
    }
    (void)snprintf(session->cursor, sizeof session->cursor, "%s", reply->elements[0].text);
    // SCAN leaves out what the disk fails to read; KEYS says so instead.
    return strcmp(session->cursor, "0") != 0 || load_reads_fail(session->load) ||
           stable_all(session, session->scanned);
}

static bool reply_take_keys(struct session *session, const struct sim_reply *reply)
{
    bool seen[LOAD_STABLE_KEYS] = {false};

    for (size_t i = 0; i < reply->count; i++) {
        if (!stable_note(session, &reply->elements[i], seen)) {
            return false;
        }
    }
    return reply->type == SIM_ARRAY && stable_all(session, seen);
}

// At the end: keys that were set once, and that nobody deletes or lets expire.
static bool reply_take_fillers(struct session *session, const struct sim_reply *reply)
{
    struct load *const load = session->load;
    uint64_t evicted = 0;

    for (uint32_t i = 0; i < load->cores; i++) {
        evicted += sim_rldb_shard(load->rldb, i)->stats.keys_evicted;
    }
    if (reply->type == SIM_ARRAY && !load_loses(load) &&
        reply->count + evicted < load->fillers_stored) {
        load_fail(load, SIM_ORACLE_EVICTIONS,
                  "%u keys were set and never deleted, %zu are there, %llu were evicted",
                  load->fillers_stored, reply->count, (unsigned long long)evicted);
    }
    return reply->type == SIM_ARRAY;
}

static void reply_note_marks(struct session *session, const struct request *request,
                             const struct sim_reply *reply)
{
    struct load *const load = session->load;

    load_mark(load, MARK_RESP3, reply->type == SIM_MAP);
    load_mark(load, MARK_RESP3_LATE,
              request->protocol == 3 && request->expect == EXPECT_OP && reply->type == SIM_NULL);
    load_mark(load, MARK_VETO,
              request->expect == EXPECT_OP && load->ops[request->op].op.kind == MODEL_MSETNX &&
                  reply->integer == 0);
}

static void note_stored(struct load *load, const char *name, bool stored)
{
    load->fillers_stored += stored && name[0] == 'f' && !load->features.flush;
    for (uint32_t i = 0; i < LOAD_STABLE_KEYS && name[0] == 's'; i++) {
        load->stable_stored[i] =
            strcmp(name, load->stable[i]) == 0 ? stored : load->stable_stored[i];
    }
}

void request_answered(struct session *session, struct request *request,
                      const struct sim_reply *reply)
{
    struct load *const load = session->load;
    bool right = false;

    reply_note_marks(session, request, reply);
    switch ((enum expect)request->expect) {
    case EXPECT_OP:
        right = reply_take(session, request, reply);
        break;
    case EXPECT_TEXT:
        right = (reply->type == SIM_STATUS || reply->type == SIM_STRING) &&
                strcmp(reply->text, request->text) == 0;
        break;
    case EXPECT_STABLE:
        right =
            reply->type == SIM_STRING
                ? strcmp(reply->text, request->text) == 0
                : reply->type == SIM_NULL &&
                      (load_loses(load) || !load->stable_stored[strtoul(request->text, NULL, 10)]);
        break;
    case EXPECT_ERROR:
        right = reply->type == SIM_ERROR;
        break;
    case EXPECT_TYPES:
        right = (request->types & (1U << reply->type)) != 0;
        break;
    case EXPECT_SCAN:
        right = reply_take_scan(session, reply);
        break;
    case EXPECT_KEYS:
        right = reply_take_keys(session, reply);
        break;
    case EXPECT_ID:
        right = reply->type == SIM_INTEGER;
        session->client_id = (uint64_t)reply->integer;
        break;
    case EXPECT_FILLER:
        right = reply->type == SIM_STATUS && strcmp(reply->text, "OK") == 0;
        note_stored(load, request->text, right);
        break;
    case EXPECT_FILLERS:
        right = reply_take_fillers(session, reply);
        break;
    case EXPECT_CREATED:
    case EXPECT_DELETED:
        right = reply->type == SIM_STATUS || snapshot_may_fail(load, request, reply);
        snapshot_answered(session, request, reply);
        break;
    case EXPECT_NOTHING:
        break;
    }
    if (!right && !(reply->type == SIM_ERROR &&
                    (reply_is_refusal(load, reply) || reply_is_open(load, reply)))) {
        reply_wrong(session, request, reply);
    }
}
