// Requests drawn at random, and what each must be answered.
#include "core/check.h"
#include "tests/sim/node_load.h"
#include "tests/sim/sim_internal.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum {
    ARGUMENTS_MAX = 96,
    VALUE_BYTES_MAX = 400 * 1000,
    FILLER_BYTES_MAX = 30 * 1000,
    FILLER_LARGE_BYTES_MAX = 150 * 1000,
    SNAPSHOTS_PER_MILLE = 20, // of requests, where there are any
};

// Objects ---------------------------------------------------------------------------------------

static const uint16_t mix_register[MODEL_KINDS] = {
    [MODEL_GET] = 30,   [MODEL_SET] = 30,   [MODEL_SETNX] = 5,  [MODEL_GETSET] = 8,
    [MODEL_GETDEL] = 5, [MODEL_APPEND] = 4, [MODEL_STRLEN] = 3, [MODEL_DEL] = 6,
    [MODEL_EXISTS] = 3, [MODEL_MGET] = 3,   [MODEL_MSET] = 3,
};
static const uint16_t mix_counter[MODEL_KINDS] = {
    [MODEL_INCRBY] = 60, [MODEL_GET] = 20, [MODEL_SET] = 3, [MODEL_DEL] = 2};
static const uint16_t mix_group[MODEL_KINDS] = {
    [MODEL_MSET] = 40, [MODEL_MGET] = 40, [MODEL_MSETNX] = 10, [MODEL_DEL] = 8, [MODEL_EXISTS] = 8};
static const uint16_t mix_pair[MODEL_KINDS] = {
    [MODEL_RENAME] = 20, [MODEL_RENAMENX] = 15, [MODEL_COPY] = 20, [MODEL_SET] = 15,
    [MODEL_GET] = 15,    [MODEL_MGET] = 15,     [MODEL_DEL] = 5};
static const uint16_t mix_tokens[MODEL_KINDS] = {[MODEL_RENAMENX] = 50, [MODEL_MGET] = 40};
static const uint16_t mix_all[MODEL_KINDS] = {
    [MODEL_GET] = 10,   [MODEL_SET] = 10,   [MODEL_SETNX] = 3,    [MODEL_GETSET] = 3,
    [MODEL_GETDEL] = 3, [MODEL_APPEND] = 3, [MODEL_STRLEN] = 3,   [MODEL_INCRBY] = 3,
    [MODEL_DEL] = 5,    [MODEL_EXISTS] = 5, [MODEL_MGET] = 10,    [MODEL_MSET] = 10,
    [MODEL_MSETNX] = 5, [MODEL_RENAME] = 5, [MODEL_RENAMENX] = 5, [MODEL_COPY] = 5,
};

static struct load_object *object_add(struct load *load, const char *name, uint32_t key_count,
                                      uint32_t width, const uint16_t *mix)
{
    CHECK(load->object_count < LOAD_OBJECTS_MAX && key_count <= MODEL_KEYS);
    struct load_object *const object = &load->objects[load->object_count++];
    const uint32_t names = key_count * width;

    object->key_count = key_count;
    object->width = width;
    object->names = sim_allocate(names * sizeof *object->names);
    memcpy(object->mix, mix, sizeof object->mix);
    for (uint32_t i = 0; i < names; i++) {
        (void)snprintf(object->names[i], sizeof object->names[i], "%s:%u:%u:%u", name, load->round,
                       load->object_count, i);
    }
    return object;
}

void load_make_objects(struct load *load)
{
    struct random *const random = &load->random;
    const bool wide = load->features.wide_groups;

    for (uint32_t i = 0; i < 3; i++) {
        struct load_object *const object = object_add(load, "register", 1, 1, mix_register);

        object->expires = load->features.expiry && i == 0;
    }
    object_add(load, "counter", 1, 1, mix_counter)->numbers = true;
    for (uint32_t i = 0; i < 2; i++) {
        if (!load->wide) {
            object_add(load, "group", 2 + load_draw(random, 3), 1, mix_group);
        } else {
            object_add(load, "group", 1, 2 + load_draw(random, wide ? 44 : 5), mix_group);
        }
    }
    object_add(load, "pair", 2, 1, mix_pair)->expires = load->features.expiry;
    object_add(load, "tokens", 4, 1, mix_tokens);
    object_add(load, "mixed", 3 + load_draw(random, 2), 1, mix_all)->expires =
        load->features.expiry;
}

void load_make_stable(struct load *load)
{
    for (uint32_t i = 0; i < LOAD_STABLE_KEYS; i++) {
        (void)snprintf(load->stable[i], sizeof load->stable[i], "s:%u", i);
    }
}

void load_free_objects(struct load *load)
{
    for (uint32_t i = 0; i < load->object_count; i++) {
        free(load->objects[i].names);
    }
    load->object_count = 0;
}

// Writing requests ------------------------------------------------------------------------------

struct words {
    struct session *session;
    uint32_t count;
    struct slice words[ARGUMENTS_MAX];
    char numbers[ARGUMENTS_MAX][24];
};

static void word(struct words *words, struct slice text)
{
    CHECK(words->count < ARGUMENTS_MAX);
    words->words[words->count++] = text;
}

static void word_text(struct words *words, const char *text)
{
    word(words, slice_from_text(text));
}

static void word_number(struct words *words, int64_t number)
{
    char *const text = words->numbers[words->count];

    (void)snprintf(text, sizeof words->numbers[0], "%" PRId64, number);
    word_text(words, text);
}

static void words_write(struct words *words)
{
    struct session *const session = words->session;
    char head[32];
    size_t bytes = 0;

    for (uint32_t i = 0; i < words->count; i++) {
        bytes += words->words[i].size;
    }
    if (session->inlines && bytes < 200 && load_chance(&session->random, 500)) {
        for (uint32_t i = 0; i < words->count; i++) {
            const bool quoted = load_chance(&session->random, 300);

            session_append(session, " \"", quoted ? 2 : 1);
            session_append(session, words->words[i].bytes, words->words[i].size);
            session_append(session, "\"", quoted);
        }
        session_append(session, "\r\n", 2);
        return;
    }
    int size = snprintf(head, sizeof head, "*%u\r\n", words->count);

    session_append(session, head, (size_t)size);
    for (uint32_t i = 0; i < words->count; i++) {
        size = snprintf(head, sizeof head, "$%zu\r\n", words->words[i].size);
        session_append(session, head, (size_t)size);
        session_append(session, words->words[i].bytes, words->words[i].size);
        session_append(session, "\r\n", 2);
    }
}

// Writes it, and notes what is to come back for it.
static struct request *words_send(struct words *words, enum expect expect)
{
    struct session *const session = words->session;

    words_write(words);
    if (session->silent || session->skip_next) {
        expect = EXPECT_NOTHING;
        session->skip_next = false;
    }
    struct request *const request = session_request(session, expect);
    size_t size = 0;

    for (uint32_t i = 0; i < words->count && size + 1 < sizeof request->what; i++) {
        const int length = words->words[i].size < 20 ? (int)words->words[i].size : 20;

        size += (size_t)snprintf(request->what + size, sizeof request->what - size, "%.*s ", length,
                                 (const char *)words->words[i].bytes);
    }
    return request;
}

// Words separated by spaces.
static void words_split(struct words *words, const char *text)
{
    while (*text != '\0') {
        const size_t size = strcspn(text, " ");

        word(words, slice_of(text, size));
        text += size + (text[size] == ' ');
    }
}

struct request *request_plain(struct session *session, const char *text, enum expect expect,
                              const char *reply)
{
    struct words words = {.session = session};

    words_split(&words, text);
    struct request *const request = words_send(&words, expect);

    if (reply != NULL) {
        (void)snprintf(request->text, sizeof request->text, "%s", reply);
    }
    return request;
}

static void request_typed(struct session *session, const char *text, uint32_t types,
                          uint32_t types3)
{
    struct words words = {.session = session};

    words_split(&words, text);
    words_send(&words, EXPECT_TYPES)->types = session->protocol == 3 ? types3 : types;
}

// Answered in the new protocol already.
void request_hello(struct session *session, uint8_t protocol)
{
    session->protocol = protocol;
    request_typed(session, protocol == 3 ? "HELLO 3" : "HELLO 2", 1 << SIM_ARRAY, 1 << SIM_MAP);
}

void request_large(struct session *session)
{
    request_typed(session, "COMMAND", 1 << SIM_ARRAY, 1 << SIM_ARRAY);
}

// Requests of the model ---------------------------------------------------------------------------

struct model_op *request_add_op(struct session *session, uint32_t object)
{
    struct load *const load = session->load;

    if (load->op_count == load->op_capacity) {
        load->op_capacity = load->op_capacity * 2 + 1024;
        load->ops = realloc(load->ops, load->op_capacity * sizeof *load->ops);
        CHECK(load->ops != NULL);
    }
    struct load_op *const op = &load->ops[load->op_count++];

    *op = (struct load_op){.object = object,
                           .op = {.invoked_ns = MODEL_NEVER,
                                  .answered_ns = MODEL_NEVER,
                                  .connection = session->connection,
                                  .sequence = session->sequence}};
    return &op->op;
}

// In a burst large values are large, in a long run most of them are not very large.
static uint32_t size_draw(struct session *session, uint32_t most)
{
    const uint32_t bound =
        session->load->run->is_long ? (uint32_t)load_draw_bits(&session->random, 0, 18) : most;

    return load_draw(&session->random, bound < most ? bound : most);
}

static uint32_t value_draw(struct session *session, const struct load_object *object, bool small)
{
    static char bytes[VALUE_BYTES_MAX];
    struct load *const load = session->load;
    const uint32_t number = ++load->value_next;
    size_t size = (size_t)snprintf(bytes, sizeof bytes, object->numbers ? "%u000" : "v%u", number);
    size_t whole = size;

    if (small || object->numbers) {
        return model_value(load->values, slice_of(bytes, size));
    }
    if (load->features.large && load_chance(&session->random, 40)) {
        whole += size_draw(session, VALUE_BYTES_MAX / 2);
    } else if (load_chance(&session->random, 100)) {
        whole += load_draw(&session->random, 3000);
    }
    memset(bytes + size, 'a' + (int)(number % 26), whole - size);
    return model_value(load->values, slice_of(bytes, whole));
}

static void op_draw_keys(struct session *session, const struct load_object *object,
                         struct model_op *op)
{
    struct random *const random = &session->random;
    const bool transfer =
        op->kind == MODEL_RENAME || op->kind == MODEL_RENAMENX || op->kind == MODEL_COPY;
    bool used[MODEL_KEYS] = {false};

    op->key_count = 1;
    if (transfer) {
        op->key_count = 2;
    } else if (model_kind_is_wide(op->kind) && object->key_count > 1) {
        const bool all = object->mix[MODEL_RENAMENX] == 50 || load_chance(random, 600);

        op->key_count =
            (uint8_t)(all ? object->key_count : 1 + load_draw(random, object->key_count));
    }
    for (uint32_t i = 0; i < op->key_count; i++) {
        uint32_t key = load_draw(random, object->key_count);
        // Now and then a key stands there twice; COPY refuses that.
        const bool twice = load_chance(random, 20) && op->kind != MODEL_COPY;

        while (used[key] && !twice) {
            key = (key + 1) % object->key_count;
        }
        used[key] = true;
        op->keys[i] = (uint8_t)key;
    }
}

static void op_draw_flags(struct session *session, const struct load_object *object,
                          struct model_op *op)
{
    struct random *const random = &session->random;

    op->flags = 0;
    if (op->kind == MODEL_COPY) {
        op->flags = load_chance(random, 500) ? MODEL_REPLACE : 0;
    } else if (op->kind == MODEL_SET) {
        static const uint8_t conditions[] = {0, 0, 0, MODEL_NX, MODEL_XX};

        op->flags = conditions[load_draw(random, sizeof conditions)];
        op->flags |= (uint8_t)(load_chance(random, 150) ? MODEL_RETURN : 0);
        if (object->expires && load_chance(random, 400)) {
            op->flags |= (uint8_t)(load_chance(random, 300) ? MODEL_KEEPTTL : MODEL_PX);
        }
    }
    if (op->kind == MODEL_PEXPIRE || (op->flags & MODEL_PX)) {
        op->number = 1 + load_draw(random, 60);
    } else if (op->kind == MODEL_INCRBY) {
        op->number = (int64_t)load_draw(random, 100) - 30;
    }
}

static enum model_kind kind_draw(struct session *session, const struct load_object *object)
{
    uint32_t total = 0;

    if (object->expires && load_chance(&session->random, 100)) {
        return load_chance(&session->random, 700) ? MODEL_PEXPIRE : MODEL_PERSIST;
    }
    for (uint32_t kind = 0; kind < MODEL_KINDS; kind++) {
        total += object->mix[kind];
    }
    uint32_t pick = load_draw(&session->random, total);
    uint32_t kind = 0;

    while (pick >= object->mix[kind]) {
        pick -= object->mix[kind++];
    }
    return kind;
}

static const char *const names_of_kinds[MODEL_KINDS] = {
    [MODEL_GET] = "GET",       [MODEL_SET] = "SET",         [MODEL_SETNX] = "SETNX",
    [MODEL_GETSET] = "GETSET", [MODEL_GETDEL] = "GETDEL",   [MODEL_APPEND] = "APPEND",
    [MODEL_STRLEN] = "STRLEN", [MODEL_INCRBY] = "INCRBY",   [MODEL_DEL] = "DEL",
    [MODEL_EXISTS] = "EXISTS", [MODEL_MGET] = "MGET",       [MODEL_MSET] = "MSET",
    [MODEL_MSETNX] = "MSETNX", [MODEL_RENAME] = "RENAME",   [MODEL_RENAMENX] = "RENAMENX",
    [MODEL_COPY] = "COPY",     [MODEL_PEXPIRE] = "PEXPIRE", [MODEL_PERSIST] = "PERSIST",
};

static bool kind_writes_value(enum model_kind kind)
{
    return kind == MODEL_SET || kind == MODEL_SETNX || kind == MODEL_GETSET ||
           kind == MODEL_APPEND || kind == MODEL_MSET || kind == MODEL_MSETNX;
}

static void op_words(struct words *words, const struct load_object *object,
                     const struct model_op *op)
{
    const struct model_values *const values = words->session->load->values;

    word_text(words, names_of_kinds[op->kind]);
    for (uint32_t i = 0; i < op->key_count; i++) {
        for (uint32_t j = 0; j < object->width; j++) {
            word_text(words, object->names[op->keys[i] * object->width + j]);
            if (kind_writes_value(op->kind)) {
                word(words, model_value_bytes(values, op->values[i]));
            }
        }
    }
    if (op->kind == MODEL_INCRBY || op->kind == MODEL_PEXPIRE) {
        word_number(words, op->number);
    }
    static const struct {
        uint8_t flag;
        const char *word;
    } options[] = {{MODEL_NX, "NX"},           {MODEL_XX, "XX"}, {MODEL_RETURN, "GET"},
                   {MODEL_KEEPTTL, "KEEPTTL"}, {MODEL_PX, "PX"}, {MODEL_REPLACE, "REPLACE"}};

    for (uint32_t i = 0; i < sizeof options / sizeof *options; i++) {
        if (op->flags & options[i].flag) {
            word_text(words, options[i].word);
        }
    }
    if (op->flags & MODEL_PX) {
        word_number(words, op->number);
    }
}

static void request_op(struct session *session, uint32_t index, const struct model_op *drawn)
{
    struct load *const load = session->load;
    struct words words = {.session = session};

    op_words(&words, &load->objects[index], drawn);
    struct request *const request = words_send(&words, EXPECT_OP);
    struct model_op *const op = request_add_op(session, index);

    op->kind = drawn->kind;
    op->flags = drawn->flags;
    op->key_count = drawn->key_count;
    memcpy(op->keys, drawn->keys, sizeof op->keys);
    memcpy(op->values, drawn->values, sizeof op->values);
    op->number = drawn->number;
    request->op = load->op_count - 1;
    request->op_count = 1;
    session->sequence++;
}

static void request_draw_op(struct session *session)
{
    struct load *const load = session->load;
    const uint32_t index = load_draw(&session->random, load->object_count);
    const struct load_object *const object = &load->objects[index];
    struct model_op op = {.kind = (uint8_t)kind_draw(session, object)};

    op_draw_keys(session, object, &op);
    op_draw_flags(session, object, &op);
    for (uint32_t i = 0; kind_writes_value(op.kind) && i < op.key_count; i++) {
        op.values[i] = value_draw(session, object, op.kind == MODEL_APPEND || object->width > 8);
    }
    request_op(session, index, &op);
}

void request_read_all(struct session *session)
{
    struct load *const load = session->load;

    for (uint32_t i = 0; i < load->object_count; i++) {
        struct model_op op = {.kind = MODEL_MGET, .key_count = (uint8_t)load->objects[i].key_count};

        for (uint8_t key = 0; key < op.key_count; key++) {
            op.keys[key] = key;
        }
        request_op(session, i, &op);
    }
}

void request_stable(struct session *session, uint32_t index)
{
    const char *const name = session->load->stable[index];
    char text[2 * LOAD_NAME_BYTES];

    (void)snprintf(text, sizeof text, "SET %s %u", name, index);
    request_plain(session, text, EXPECT_FILLER, name);
}

// Two tokens, which RENAMENX moves about and nothing makes or takes.
void request_tokens(struct session *session)
{
    struct load *const load = session->load;

    for (uint32_t i = 0; i < load->object_count; i++) {
        struct model_op op = {.kind = MODEL_MSET, .key_count = 2, .keys = {0, 1}};

        if (load->objects[i].mix[MODEL_RENAMENX] != mix_tokens[MODEL_RENAMENX]) {
            continue;
        }
        op.values[0] = value_draw(session, &load->objects[i], true);
        op.values[1] = value_draw(session, &load->objects[i], true);
        request_op(session, i, &op);
    }
}

static void request_flush(struct session *session)
{
    struct load *const load = session->load;
    struct words words = {.session = session};
    const uint32_t first = load->op_count;

    word_text(&words, load_chance(&session->random, 500) ? "FLUSHALL" : "FLUSHDB");
    struct request *const request = words_send(&words, EXPECT_OP);

    for (uint32_t i = 0; i < load->object_count; i++) {
        struct model_op clear = {.kind = MODEL_CLEAR};

        for (uint32_t key = 0; key < load->objects[i].key_count; key++) {
            if (session->core == UINT32_MAX || // a shard port flushes its own core
                session->core == load_core_of(load, load->objects[i].names[key])) {
                clear.keys[clear.key_count++] = (uint8_t)key;
            }
        }
        if (clear.key_count != 0) {
            struct model_op *const op = request_add_op(session, i);

            op->kind = clear.kind;
            op->key_count = clear.key_count;
            memcpy(op->keys, clear.keys, sizeof op->keys);
        }
    }
    request->op = first;
    request->op_count = load->op_count - first;
    session->sequence++;
}

// All others --------------------------------------------------------------------------------------

enum {
    STRING = 1 << SIM_STRING,
    STATUS = 1 << SIM_STATUS,
    ARRAY = 1 << SIM_ARRAY,
    INTEGER = 1 << SIM_INTEGER,
    NIL = 1 << SIM_NULL,
    ERROR = 1 << SIM_ERROR,
    MAP = 1 << SIM_MAP,
    VERBATIM = 1 << SIM_VERBATIM,
};

static const struct {
    const char *text;
    uint32_t types;
    uint32_t types3; // in RESP3
} others[] = {
    {"DBSIZE", INTEGER, INTEGER},
    {"RANDOMKEY", STRING | NIL, STRING | NIL},
    {"COMMAND COUNT", INTEGER, INTEGER},
    {"COMMAND", ARRAY, ARRAY},
    {"COMMAND DOCS get mset", ARRAY, MAP},
    {"TIME", ARRAY, ARRAY},
    {"CLUSTER SLOTS", ARRAY | ERROR, ARRAY | ERROR},
    {"CLUSTER SHARDS", ARRAY | ERROR, ARRAY | ERROR},
    {"CLUSTER KEYSLOT x", INTEGER | ERROR, INTEGER | ERROR},
    {"CONFIG GET maxmemory*", ARRAY, MAP},
    {"CLIENT LIST", STRING, VERBATIM},
    {"CLIENT INFO", STRING, VERBATIM},
    {"CLIENT GETNAME", STRING | NIL, STRING | NIL},
    {"CLIENT NO-TOUCH ON", STATUS, STATUS},
    {"SLOWLOG GET 5", ARRAY, ARRAY},
    {"SLOWLOG LEN", INTEGER, INTEGER},
    {"SLOWLOG RESET", STATUS, STATUS},
    {"INFO commandstats", STRING, VERBATIM},
    {"KEYS g*", ARRAY, ARRAY},
    {"NOSUCHCOMMAND a b", ERROR, ERROR},
    {"GET", ERROR, ERROR},
    {"MSET a", ERROR, ERROR},
    {"MSET a b c", ERROR, ERROR},
    {"SET never written BADOPTION", ERROR, ERROR},
    {"COPY a a", ERROR, ERROR},
    {"CLIENT NOSUCH", ERROR, ERROR},
    {"SCAN 18446744073709551616", ERROR, ERROR},
};

// Of a key of some object.
static const struct {
    const char *name;
    uint32_t types;
    uint32_t types3;
} of_keys[] = {
    {"TYPE", STATUS, STATUS},
    {"TTL", INTEGER, INTEGER},
    {"RLDB.GET", ARRAY | NIL, MAP | NIL},
    {"RLDB.KEY", ARRAY, MAP},
    {"MEMORY USAGE", INTEGER | NIL, INTEGER | NIL},
    {"TOUCH", INTEGER, INTEGER},
    {"OBJECT ENCODING", STRING | NIL | ERROR, STRING | NIL | ERROR},
    {"GETRANGE", ERROR, ERROR},
};

static void request_echo(struct session *session)
{
    char reply[LOAD_NAME_BYTES];
    char text[2 * LOAD_NAME_BYTES];

    (void)snprintf(reply, sizeof reply, "e%u.%u", session->connection, session->request_count);
    (void)snprintf(text, sizeof text, "%s %s", load_chance(&session->random, 500) ? "ECHO" : "PING",
                   reply);
    request_plain(session, text, EXPECT_TEXT, reply);
}

static void request_scan(struct session *session)
{
    char text[80];

    if (session->scanning || session->silent || session->skip_next) {
        request_echo(session);
        return;
    }
    session->scanning = true;
    (void)snprintf(text, sizeof text, "SCAN %s COUNT %u", session->cursor,
                   1 + load_draw(&session->random, 30));
    request_plain(session, text, EXPECT_SCAN, NULL);
}

static void request_kill(struct session *session)
{
    struct load *const load = session->load;
    const struct session *const victim =
        &load->sessions[load_draw(&session->random, load->session_count)];
    char text[80];

    if (victim == session || victim->client_id == 0) {
        request_plain(session, "CLIENT ID", EXPECT_ID, NULL);
        return;
    }
    if (load_chance(&session->random, 100)) {
        request_typed(session, "CLIENT KILL TYPE normal", INTEGER, INTEGER);
        return;
    }
    (void)snprintf(text, sizeof text, "CLIENT KILL ID %" PRIu64, victim->client_id);
    request_typed(session, text, INTEGER, INTEGER);
    load->sessions[victim->index].was_killed = true;
}

static void request_pause(struct session *session)
{
    char text[80];

    if (load_chance(&session->random, 300)) {
        request_plain(session, "CLIENT UNPAUSE", EXPECT_TEXT, "OK");
        return;
    }
    // One draw after the other: compilers evaluate arguments in any order.
    const uint32_t time_ms = load_draw(&session->random, 12);
    const bool writes = load_chance(&session->random, 500);

    (void)snprintf(text, sizeof text, "CLIENT PAUSE %u%s", time_ms, writes ? " WRITE" : "");
    request_plain(session, text, EXPECT_TEXT, "OK");
}

// CLIENT REPLY: after OFF all is silent until ON, after SKIP the next.
static void request_silence(struct session *session)
{
    const uint32_t what = load_draw(&session->random, 4);

    if (session->silent) {
        if (what == 0) {
            session->silent = false; // RESET answers again, ON too
            session->protocol = 2;
            request_plain(session, "RESET", EXPECT_TEXT, "RESET");
        } else {
            session->silent = false;
            request_plain(session, "CLIENT REPLY ON", EXPECT_TEXT, "OK");
        }
    } else if (session->skip_next) {
        request_echo(session);
    } else if (what == 0) {
        request_plain(session, "CLIENT REPLY OFF", EXPECT_NOTHING, NULL);
        session->silent = true;
    } else if (what == 1) {
        request_plain(session, "CLIENT REPLY ON", EXPECT_TEXT, "OK");
    } else {
        request_plain(session, "CLIENT REPLY SKIP", EXPECT_NOTHING, NULL);
        session->skip_next = true;
    }
}

static void request_of_key(struct session *session)
{
    const struct load *const load = session->load;
    const struct load_object *const object =
        &load->objects[load_draw(&session->random, load->object_count)];
    const uint32_t pick = load_draw(&session->random, sizeof of_keys / sizeof *of_keys);
    char text[80];

    (void)snprintf(text, sizeof text, "%s %s", of_keys[pick].name,
                   object->names[load_draw(&session->random, object->key_count * object->width)]);
    request_typed(session, text, of_keys[pick].types, of_keys[pick].types3);
}

static void request_other(struct session *session)
{
    struct random *const random = &session->random;
    const struct load_features *const features = &session->load->features;
    const uint32_t pick = load_draw(random, sizeof others / sizeof *others);

    switch (load_draw(random, 10)) {
    case 0:
    case 1:
        request_scan(session);
        return;
    case 2:
        request_of_key(session);
        return;
    case 3:
        request_plain(session, "KEYS s:*", EXPECT_KEYS, NULL);
        return;
    case 4:
        if (features->pause) {
            request_pause(session);
            return;
        }
        break;
    case 5:
        if (features->kill) {
            request_kill(session);
            return;
        }
        break;
    case 6:
        if (features->debug_sleep) {
            request_plain(session, "DEBUG SLEEP 0.002", EXPECT_TEXT, "OK");
            return;
        }
        break;
    case 7:
        if (features->flush && load_chance(random, 300)) {
            request_flush(session);
            return;
        }
        break;
    case 8:
        if (features->resp3 && load_chance(random, 100)) {
            request_hello(session, session->protocol == 3 ? 2 : 3);
            return;
        }
        request_typed(session, others[pick].text, others[pick].types, others[pick].types3);
        return;
    default:
        break;
    }
    request_echo(session);
}

// A key of its own, set once: with little memory they fill it; those that expire make work.
static void request_filler(struct session *session)
{
    static char bytes[FILLER_LARGE_BYTES_MAX];
    struct load *const load = session->load;
    struct random *const random = &session->random;
    const bool expires =
        load->features.expiry && load_chance(random, load->features.limited ? 300 : 800);
    const bool large = load_chance(random, load->durable ? 300 : 50) && !expires;
    struct words words = {.session = session};
    char name[LOAD_NAME_BYTES];

    (void)snprintf(name, sizeof name, "%c:%u", expires ? 'x' : 'f', load->filler_next++);
    word_text(&words, "SET");
    word_text(&words, name);
    const uint32_t size = 1 + size_draw(session, large ? sizeof bytes : FILLER_BYTES_MAX);

    memset(bytes, 'f', size);
    word(&words, slice_of(bytes, size));
    if (expires || load->eviction == EVICTION_TTL) {
        word_text(&words, "PX");
        word_number(&words, expires ? 1 + load_draw(random, 60) : 1000 * 1000);
    }
    (void)snprintf(words_send(&words, EXPECT_FILLER)->text, LOAD_NAME_BYTES, "%s", name);
}

void request_push(struct session *session)
{
    static char bytes[FILLER_BYTES_MAX];
    struct words words = {.session = session};
    char name[LOAD_NAME_BYTES];

    (void)snprintf(name, sizeof name, "p:%u", load_draw(&session->random, 8));
    memset(bytes, 'p', sizeof bytes);
    word_text(&words, "SET");
    word_text(&words, name);
    word(&words, slice_of(bytes, sizeof bytes));
    (void)snprintf(words_send(&words, EXPECT_FILLER)->text, LOAD_NAME_BYTES, "%s", name);
}

void request_fillers(struct session *session)
{
    request_plain(session, "KEYS f:*", EXPECT_FILLERS, NULL);
}

void request_draw(struct session *session)
{
    const struct load_features *const features = &session->load->features;
    const bool silence = features->silence;

    if (features->snapshots && !session->silent && !session->skip_next &&
        load_chance(&session->random, SNAPSHOTS_PER_MILLE)) {
        request_snapshot(session);
    } else if (silence && load_chance(&session->random, session->silent ? 200 : 60)) {
        request_silence(session);
    } else if (features->limited ? load_chance(&session->random, 400)
                                 : features->expiry && load_chance(&session->random, 200)) {
        request_filler(session);
    } else if (load_chance(&session->random, 750)) {
        request_draw_op(session);
    } else {
        request_other(session);
    }
}

void request_burst(struct session *session)
{
    const struct load *const load = session->load;
    const uint32_t index = load_draw(&session->random, LOAD_STABLE_KEYS);
    char text[2 * LOAD_NAME_BYTES];
    char reply[LOAD_NAME_BYTES];

    if (load->features.flush || load->features.evicts || load_chance(&session->random, 5)) {
        request_echo(session);
        return;
    }
    (void)snprintf(text, sizeof text, "GET %s", load->stable[index]);
    (void)snprintf(reply, sizeof reply, "%u", index);
    request_plain(session, text, EXPECT_STABLE, reply);
    session->requests[session->request_count - 1].op = index;
}
