// The model of Redis: values and operations. The search is in node_check.c.
#include "tests/sim/node_model.h"

#include "core/check.h"
#include "core/hash.h"
#include "core/number.h"
#include "tests/sim/sim_internal.h"

#include <inttypes.h>
#include <string.h>

enum { PRINTED_BYTES = 40 };

static const uint64_t ns_per_ms = 1000 * 1000;

// Values ----------------------------------------------------------------------------------------

struct model_values {
    struct slice *of; // [1, count)
    uint32_t count;
    uint32_t capacity;
    uint32_t *table; // by hash, open addressing; 0: free
    uint32_t table_size;
};

struct model_values *model_values_open(void)
{
    struct model_values *const values = sim_allocate(sizeof *values);

    values->count = 1;
    values->capacity = 256;
    values->of = sim_allocate(values->capacity * sizeof *values->of);
    values->table_size = 1024;
    values->table = sim_allocate(values->table_size * sizeof *values->table);
    return values;
}

void model_values_close(struct model_values *values)
{
    for (uint32_t i = 1; i < values->count; i++) {
        free((void *)(uintptr_t)values->of[i].bytes);
    }
    free(values->of);
    free(values->table);
    free(values);
}

struct slice model_value_bytes(const struct model_values *values, uint32_t value)
{
    CHECK(value < values->count);
    return value == 0 ? slice_of(NULL, 0) : values->of[value];
}

static uint32_t *values_find(const struct model_values *values, struct slice bytes)
{
    uint64_t at = hash_key(0, bytes);

    for (;; at++) {
        uint32_t *const place = &values->table[at & (values->table_size - 1)];

        if (*place == 0 || slice_equal(values->of[*place], bytes)) {
            return place;
        }
    }
}

static void values_grow(struct model_values *values)
{
    values->capacity *= 2;
    values->of = realloc(values->of, values->capacity * sizeof *values->of);
    CHECK(values->of != NULL);
    free(values->table);
    values->table_size = values->capacity * 4;
    values->table = sim_allocate(values->table_size * sizeof *values->table);
    for (uint32_t i = 1; i < values->count; i++) {
        *values_find(values, values->of[i]) = i;
    }
}

uint32_t model_value(struct model_values *values, struct slice bytes)
{
    uint32_t *place = values_find(values, bytes);

    if (*place != 0) {
        return *place;
    }
    if (values->count == values->capacity) {
        values_grow(values);
        place = values_find(values, bytes);
    }
    uint8_t *const copy = sim_allocate(bytes.size);

    if (bytes.size != 0) {
        memcpy(copy, bytes.bytes, bytes.size);
    }
    values->of[values->count] = slice_of(copy, bytes.size);
    *place = values->count;
    return values->count++;
}

static uint32_t value_joined(struct model_values *values, uint32_t first, uint32_t second)
{
    const struct slice a = model_value_bytes(values, first);
    const struct slice b = model_value_bytes(values, second);
    uint8_t *const bytes = sim_allocate(a.size + b.size);

    if (a.size != 0) {
        memcpy(bytes, a.bytes, a.size);
    }
    if (b.size != 0) {
        memcpy(bytes + a.size, b.bytes, b.size);
    }
    const uint32_t value = model_value(values, slice_of(bytes, a.size + b.size));

    free(bytes);
    return value;
}

static uint32_t value_of_number(struct model_values *values, int64_t number)
{
    char text[32];
    const int size = snprintf(text, sizeof text, "%" PRId64, number);

    return model_value(values, slice_of(text, (size_t)size));
}

// Expiry ----------------------------------------------------------------------------------------

// Virtual times as the node's wall clock counts them, up to a constant.
static uint64_t op_from_ms(const struct model_op *op)
{
    return op->invoked_ns / ns_per_ms;
}

static uint64_t op_to_ms(const struct model_op *op)
{
    return op->answered_ns == MODEL_NEVER ? MODEL_NEVER : op->answered_ns / ns_per_ms;
}

static void key_remove(struct model_state *state, unsigned key)
{
    state->values[key] = 0;
    state->expire_from_ms[key] = 0;
    state->expire_to_ms[key] = 0;
}

static void key_set(struct model_state *state, unsigned key, uint32_t value)
{
    key_remove(state, key);
    state->values[key] = value;
}

static void key_expire(struct model_state *state, unsigned key, const struct model_op *op)
{
    const uint64_t ms = (uint64_t)op->number;

    state->expire_from_ms[key] = op_from_ms(op) + ms;
    state->expire_to_ms[key] = op_to_ms(op) == MODEL_NEVER ? MODEL_NEVER : op_to_ms(op) + ms;
}

static void key_move(struct model_state *state, unsigned from, unsigned to)
{
    state->values[to] = state->values[from];
    state->expire_from_ms[to] = state->expire_from_ms[from];
    state->expire_to_ms[to] = state->expire_to_ms[from];
}

// Whether the key may be there, and may be gone, while the operation runs. A millisecond is the
// clock's grain: one that has just begun counts for both.
static bool key_may_live(const struct model_state *state, unsigned key, const struct model_op *op)
{
    return op_from_ms(op) <= state->expire_to_ms[key];
}

static bool key_may_be_gone(const struct model_state *state, unsigned key,
                            const struct model_op *op)
{
    return op_to_ms(op) >= state->expire_from_ms[key];
}

static bool key_expires(const struct model_state *state, unsigned key)
{
    return state->values[key] != 0 && state->expire_to_ms[key] != 0;
}

unsigned model_undecided(const struct model_state *state, const struct model_op *op)
{
    unsigned undecided = 0;

    for (unsigned i = 0; i < op->key_count; i++) {
        const unsigned key = op->keys[i];

        const bool expires = key_expires(state, key);
        const bool lives = state->values[key] != 0 && (!expires || key_may_live(state, key, op));

        if (lives && (state->evicts || (expires && key_may_be_gone(state, key, op)))) {
            undecided |= 1U << key;
        }
    }
    return undecided;
}

static void state_settle(struct model_state *state, const struct model_op *op, unsigned alive)
{
    const unsigned undecided = model_undecided(state, op);

    for (unsigned i = 0; i < op->key_count; i++) {
        const unsigned key = op->keys[i];
        const bool lives =
            undecided & (1U << key) ? (alive & (1U << key)) != 0 : key_may_live(state, key, op);

        const bool expires = key_expires(state, key);

        if (!(expires || (undecided & (1U << key)))) {
            continue;
        }
        if (!lives) {
            key_remove(state, key);
        } else if (expires && state->expire_from_ms[key] < op_from_ms(op)) {
            state->expire_from_ms[key] = op_from_ms(op);
        }
    }
}

// Operations ------------------------------------------------------------------------------------

bool model_kind_is_wide(enum model_kind kind)
{
    switch (kind) {
    case MODEL_DEL:
    case MODEL_EXISTS:
    case MODEL_MGET:
    case MODEL_MSET:
    case MODEL_MSETNX:
    case MODEL_RENAME:
    case MODEL_RENAMENX:
    case MODEL_COPY:
    case MODEL_CLEAR:
        return true;
    default:
        return false;
    }
}

bool model_kind_may_fail(enum model_kind kind)
{
    return kind == MODEL_RENAME || kind == MODEL_RENAMENX || kind == MODEL_INCRBY;
}

static struct model_reply reply_ok(void)
{
    return (struct model_reply){.kind = MODEL_OK};
}

static struct model_reply reply_error(void)
{
    return (struct model_reply){.kind = MODEL_ERROR};
}

static struct model_reply reply_number(int64_t number)
{
    return (struct model_reply){.kind = MODEL_INTEGER, .number = number};
}

static struct model_reply reply_value(uint32_t value)
{
    return (struct model_reply){.kind = MODEL_VALUE, .values = {value}};
}

static struct model_reply apply_set(struct model_state *state, const struct model_op *op)
{
    const unsigned key = op->keys[0];
    const uint32_t old = state->values[key];
    const bool blocked = ((op->flags & MODEL_NX) && old != 0) || ((op->flags & MODEL_XX) && !old);
    const uint64_t from_ms = state->expire_from_ms[key];
    const uint64_t to_ms = state->expire_to_ms[key];

    if (!blocked) {
        key_set(state, key, op->values[0]);
        if (op->flags & MODEL_PX) {
            key_expire(state, key, op);
        } else if (op->flags & MODEL_KEEPTTL) {
            state->expire_from_ms[key] = from_ms;
            state->expire_to_ms[key] = to_ms;
        }
    }
    if (op->flags & MODEL_RETURN) {
        return reply_value(old);
    }
    return blocked ? reply_value(0) : reply_ok();
}

static struct model_reply apply_incrby(struct model_values *values, struct model_state *state,
                                       const struct model_op *op)
{
    const unsigned key = op->keys[0];
    int64_t number = 0;
    int64_t total = 0;

    if (state->values[key] != 0 &&
        !number_parse_i64(model_value_bytes(values, state->values[key]), &number)) {
        return reply_error();
    }
    if (__builtin_add_overflow(number, op->number, &total)) {
        return reply_error();
    }
    state->values[key] = value_of_number(values, total); // keeps its expiry
    return reply_number(total);
}

// What lay on disk has the expiry that was asked for.
static bool look_fits(const struct model_state *state, unsigned key, const struct model_op *op)
{
    const uint64_t ms = (uint64_t)op->number;

    if (op->reply.values[0] == 0) {
        return true;
    }
    if (state->expire_to_ms[key] == 0 || ms == 0) {
        return state->expire_to_ms[key] == ms;
    }
    const uint64_t from_ms = state->expire_from_ms[key];
    const uint64_t to_ms = state->expire_to_ms[key];

    return ms + 1 >= from_ms && (to_ms == MODEL_NEVER || ms <= to_ms + 1);
}

static struct model_reply apply_one(struct model_values *values, struct model_state *state,
                                    const struct model_op *op)
{
    const unsigned key = op->keys[0];
    const uint32_t old = state->values[key];

    switch ((enum model_kind)op->kind) {
    case MODEL_GET:
        return (op->flags & MODEL_LOOK) == 0 || look_fits(state, key, op) ? reply_value(old)
                                                                          : reply_error();
    case MODEL_SET:
        return apply_set(state, op);
    case MODEL_SETNX:
        if (old == 0) {
            key_set(state, key, op->values[0]);
        }
        return reply_number(old == 0);
    case MODEL_GETSET:
        key_set(state, key, op->values[0]);
        return reply_value(old);
    case MODEL_GETDEL:
        key_remove(state, key);
        return reply_value(old);
    case MODEL_APPEND:
        state->values[key] = value_joined(values, old, op->values[0]); // keeps its expiry
        return reply_number((int64_t)model_value_bytes(values, state->values[key]).size);
    case MODEL_STRLEN:
        return reply_number((int64_t)model_value_bytes(values, old).size);
    case MODEL_INCRBY:
        return apply_incrby(values, state, op);
    case MODEL_PEXPIRE:
        if (old != 0) {
            key_expire(state, key, op);
        }
        return reply_number(old != 0);
    case MODEL_PERSIST: {
        const bool had = key_expires(state, key);

        state->expire_from_ms[key] = 0;
        state->expire_to_ms[key] = 0;
        return reply_number(had);
    }
    default:
        CHECK(false);
        return reply_error();
    }
}

static struct model_reply apply_transfer(struct model_state *state, const struct model_op *op)
{
    const unsigned from = op->keys[0];
    const unsigned to = op->keys[1];
    const bool copy = op->kind == MODEL_COPY;
    const bool keeps = op->kind == MODEL_RENAMENX || (copy && (op->flags & MODEL_REPLACE) == 0);

    if (state->values[from] == 0) {
        return copy ? reply_number(0) : reply_error();
    }
    if (keeps && state->values[to] != 0) {
        return reply_number(0);
    }
    if (from != to) {
        key_move(state, from, to);
        if (!copy) {
            key_remove(state, from);
        }
    }
    return op->kind == MODEL_RENAME ? reply_ok() : reply_number(1);
}

static struct model_reply apply_many(struct model_state *state, const struct model_op *op)
{
    struct model_reply array = {.kind = MODEL_ARRAY};
    int64_t found = 0;

    for (unsigned i = 0; i < op->key_count; i++) {
        const unsigned key = op->keys[i];

        array.values[i] = state->values[key];
        found += state->values[key] != 0;
        if (op->kind == MODEL_DEL || op->kind == MODEL_CLEAR) {
            key_remove(state, key);
        } else if (op->kind == MODEL_MSET) {
            key_set(state, key, op->values[i]);
        }
    }
    if (op->kind == MODEL_MGET) {
        return array;
    }
    if (op->kind == MODEL_MSETNX) {
        for (unsigned i = 0; i < op->key_count && found == 0; i++) {
            key_set(state, op->keys[i], op->values[i]);
        }
        return reply_number(found == 0);
    }
    return op->kind == MODEL_MSET ? reply_ok() : reply_number(found);
}

static bool reply_equal(const struct model_reply *a, const struct model_reply *b)
{
    return a->kind == b->kind && a->number == b->number &&
           memcmp(a->values, b->values, sizeof a->values) == 0;
}

static bool touches_bad(const struct model_state *state, const struct model_op *op)
{
    for (uint32_t i = 0; i < op->key_count; i++) {
        if (state->values[op->keys[i]] == MODEL_BAD) {
            return true;
        }
    }
    return false;
}

// Whether the operation needs nothing of what the keys hold that nobody can read.
static bool is_blind(const struct model_state *state, const struct model_op *op)
{
    switch ((enum model_kind)op->kind) {
    case MODEL_SET:
        return (op->flags & (MODEL_NX | MODEL_XX | MODEL_RETURN | MODEL_KEEPTTL)) == 0;
    case MODEL_MSET:
    case MODEL_DEL:
    case MODEL_CLEAR:
        return true;
    case MODEL_COPY:
        return (op->flags & MODEL_REPLACE) != 0 && state->values[op->keys[0]] != MODEL_BAD;
    case MODEL_RENAME:
        return state->values[op->keys[0]] != MODEL_BAD;
    default:
        return false;
    }
}

bool model_apply(struct model_values *values, struct model_state *state, const struct model_op *op,
                 unsigned alive)
{
    struct model_reply expected;

    if (op->reply.kind == MODEL_REFUSED) {
        return true;
    }
    if (touches_bad(state, op) && !is_blind(state, op)) {
        return op->reply.kind == MODEL_NO_REPLY;
    }
    state_settle(state, op, alive);
    switch ((enum model_kind)op->kind) {
    case MODEL_RENAME:
    case MODEL_RENAMENX:
    case MODEL_COPY:
        expected = apply_transfer(state, op);
        break;
    case MODEL_DEL:
    case MODEL_EXISTS:
    case MODEL_MGET:
    case MODEL_MSET:
    case MODEL_MSETNX:
    case MODEL_CLEAR:
        expected = apply_many(state, op);
        break;
    default:
        expected = apply_one(values, state, op);
    }
    return op->reply.kind == MODEL_NO_REPLY || reply_equal(&expected, &op->reply);
}

// Printing --------------------------------------------------------------------------------------

static const char *const kind_names[MODEL_KINDS] = {
    [MODEL_GET] = "GET",          [MODEL_SET] = "SET",         [MODEL_SETNX] = "SETNX",
    [MODEL_GETSET] = "GETSET",    [MODEL_GETDEL] = "GETDEL",   [MODEL_APPEND] = "APPEND",
    [MODEL_STRLEN] = "STRLEN",    [MODEL_INCRBY] = "INCRBY",   [MODEL_DEL] = "DEL",
    [MODEL_EXISTS] = "EXISTS",    [MODEL_MGET] = "MGET",       [MODEL_MSET] = "MSET",
    [MODEL_MSETNX] = "MSETNX",    [MODEL_RENAME] = "RENAME",   [MODEL_RENAMENX] = "RENAMENX",
    [MODEL_COPY] = "COPY",        [MODEL_PEXPIRE] = "PEXPIRE", [MODEL_PERSIST] = "PERSIST",
    [MODEL_CLEAR] = "(FLUSHALL)",
};

static void print_value(FILE *to, const struct model_values *values, uint32_t value)
{
    const struct slice bytes = model_value_bytes(values, value);
    const size_t shown = bytes.size < PRINTED_BYTES ? bytes.size : PRINTED_BYTES;

    if (value == 0) {
        fprintf(to, " nil");
    } else {
        fprintf(to, " '%.*s'%s", (int)shown, (const char *)bytes.bytes,
                shown < bytes.size ? "..." : "");
    }
}

void model_print_op(FILE *to, const struct model_values *values, const struct model_op *op)
{
    const bool with_values = op->values[0] != 0;

    fprintf(to, "%12.6f ", (double)op->invoked_ns / 1e6);
    if (op->answered_ns == MODEL_NEVER) {
        fprintf(to, "%12s", "-");
    } else {
        fprintf(to, "%12.6f", (double)op->answered_ns / 1e6);
    }
    fprintf(to, " ms  c%u.%u  %s", op->connection, op->sequence, kind_names[op->kind]);
    for (unsigned i = 0; i < op->key_count; i++) {
        fprintf(to, " k%u", op->keys[i]);
        if (with_values && op->values[i] != 0) {
            print_value(to, values, op->values[i]);
        }
    }
    fprintf(to, " %" PRId64 " flags %u ->", op->number, op->flags);
    switch ((enum model_reply_kind)op->reply.kind) {
    case MODEL_NO_REPLY:
        fprintf(to, " ?");
        break;
    case MODEL_REFUSED:
        fprintf(to, " refused");
        break;
    case MODEL_ERROR:
        fprintf(to, " error");
        break;
    case MODEL_OK:
        fprintf(to, " OK");
        break;
    case MODEL_INTEGER:
        fprintf(to, " %" PRId64, op->reply.number);
        break;
    case MODEL_VALUE:
        print_value(to, values, op->reply.values[0]);
        break;
    case MODEL_ARRAY:
        for (unsigned i = 0; i < op->key_count; i++) {
            print_value(to, values, op->reply.values[i]);
        }
        break;
    }
    fprintf(to, op->stuck ? "   <-- no order leads past this\n" : "\n");
}
