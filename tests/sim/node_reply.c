// What comes back: each reply is held against its request, and noted for the model.
#include "tests/sim/node_load.h"

#include <stdio.h>
#include <string.h>

static void reply_wrong(struct session *session, const struct request *request,
                        const redisReply *reply)
{
    load_fail(session->load,
              "session %u, connection %u, request %u: expected %u (types %x, '%s'), got type %d, "
              "%lld, '%.100s'",
              session->index, session->connection, session->request_answered - 1, request->expect,
              request->types, request->text, reply->type, reply->integer,
              reply->str != NULL ? reply->str : "");
}

static uint32_t reply_value(struct session *session, const redisReply *reply)
{
    return reply->type == REDIS_REPLY_STRING
               ? model_value(session->load->values, slice_of(reply->str, reply->len))
               : 0;
}

static bool reply_is_value(const redisReply *reply)
{
    return reply->type == REDIS_REPLY_STRING || reply->type == REDIS_REPLY_NIL;
}

// The values of MGET; those of one key of the model are equal.
static bool reply_take_values(struct session *session, const struct load_object *object,
                              struct model_op *op, const redisReply *reply)
{
    if (reply->elements != op->key_count * object->width) {
        return false;
    }
    op->reply.kind = MODEL_ARRAY;
    for (uint32_t i = 0; i < reply->elements; i++) {
        if (!reply_is_value(reply->element[i])) {
            return false;
        }
        const uint32_t value = reply_value(session, reply->element[i]);

        if (i % object->width == 0) {
            op->reply.values[i / object->width] = value;
        } else if (op->reply.values[i / object->width] != value) {
            load_fail(session->load,
                      "session %u: MGET shows half of an MSET: %s has another value than %s",
                      session->index, object->names[i], object->names[i - 1]);
            return true;
        }
    }
    return true;
}

// An error that says that nothing was done.
static bool reply_is_refusal(const struct load *load, const redisReply *reply)
{
    return strncmp(reply->str, "OVERLOADED", strlen("OVERLOADED")) == 0 ||
           (load->features.output_max && strstr(reply->str, "clients.output_max") != NULL);
}

static bool reply_take_op(struct session *session, struct load_op *op, const redisReply *reply)
{
    const struct load_object *const object = &session->load->objects[op->object];
    struct model_reply *const model = &op->op.reply;

    switch (reply->type) {
    case REDIS_REPLY_ERROR:
        model->kind = reply_is_refusal(session->load, reply) ? MODEL_REFUSED : MODEL_ERROR;
        return model->kind == MODEL_REFUSED || model_kind_may_fail(op->op.kind);
    case REDIS_REPLY_STATUS:
        model->kind = MODEL_OK;
        return strcmp(reply->str, "OK") == 0;
    case REDIS_REPLY_INTEGER:
        model->kind = MODEL_INTEGER;
        model->number = reply->integer;
        if (object->width > 1 && op->op.kind != MODEL_MSETNX) { // DEL, EXISTS: all or none
            model->number /= object->width;
            return reply->integer % object->width == 0;
        }
        return true;
    case REDIS_REPLY_STRING:
    case REDIS_REPLY_NIL:
        model->kind = MODEL_VALUE;
        model->values[0] = reply_value(session, reply);
        return true;
    case REDIS_REPLY_ARRAY:
        return reply_take_values(session, object, &op->op, reply);
    default:
        return false;
    }
}

static bool reply_take(struct session *session, const struct request *request,
                       const redisReply *reply)
{
    struct load *const load = session->load;
    const uint64_t now_ns = sim_world_now_ns(load->world);

    for (uint32_t i = 0; i < request->op_count; i++) {
        struct load_op *const op = &load->ops[request->op + i];

        op->op.answered_ns = now_ns;
        if (op->op.kind == MODEL_CLEAR) { // done by now, though no reply tells of each key
            if (reply->type != REDIS_REPLY_STATUS) {
                return false;
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

static bool stable_note(struct session *session, const redisReply *key, bool *seen)
{
    for (uint32_t i = 0; i < LOAD_STABLE_KEYS; i++) {
        if (strcmp(key->str, session->load->stable[i]) == 0) {
            seen[i] = true;
            return stable_visible(session, i);
        }
    }
    return true;
}

static bool stable_all(const struct session *session, const bool *seen)
{
    for (uint32_t i = 0; i < LOAD_STABLE_KEYS; i++) {
        if (!seen[i] && stable_visible(session, i) && !session->load->features.flush) {
            return false;
        }
    }
    return true;
}

static bool reply_take_scan(struct session *session, const redisReply *reply)
{
    session->scanning = false;
    if (reply->type != REDIS_REPLY_ARRAY || reply->elements != 2 ||
        reply->element[1]->type != REDIS_REPLY_ARRAY) {
        return false;
    }
    if (strcmp(session->cursor, "0") == 0) {
        memset(session->scanned, 0, sizeof session->scanned);
    }
    for (size_t i = 0; i < reply->element[1]->elements; i++) {
        if (!stable_note(session, reply->element[1]->element[i], session->scanned)) {
            return false;
        }
    }
    (void)snprintf(session->cursor, sizeof session->cursor, "%s", reply->element[0]->str);
    return strcmp(session->cursor, "0") != 0 || stable_all(session, session->scanned);
}

static bool reply_take_keys(struct session *session, const redisReply *reply)
{
    bool seen[LOAD_STABLE_KEYS] = {false};

    for (size_t i = 0; i < reply->elements; i++) {
        if (!stable_note(session, reply->element[i], seen)) {
            return false;
        }
    }
    return reply->type == REDIS_REPLY_ARRAY && stable_all(session, seen);
}

void request_answered(struct session *session, struct request *request, const redisReply *reply)
{
    bool right = false;

    switch ((enum expect)request->expect) {
    case EXPECT_OP:
        right = reply_take(session, request, reply);
        break;
    case EXPECT_TEXT:
        right = (reply->type == REDIS_REPLY_STATUS || reply->type == REDIS_REPLY_STRING) &&
                strcmp(reply->str, request->text) == 0;
        break;
    case EXPECT_ERROR:
        right = reply->type == REDIS_REPLY_ERROR;
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
        right = reply->type == REDIS_REPLY_INTEGER;
        session->client_id = (uint64_t)reply->integer;
        break;
    case EXPECT_NOTHING:
        break;
    }
    if (!right && !(reply->type == REDIS_REPLY_ERROR && reply_is_refusal(session->load, reply))) {
        reply_wrong(session, request, reply);
    }
}
