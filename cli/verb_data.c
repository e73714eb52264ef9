// get, put, del, exists, ttl: one key.
#include "cli/output.h"
#include "cli/render.h"
#include "cli/verb.h"
#include "core/check.h"
#include "core/text.h"

#include <errno.h>
#include <string.h>

enum {
    VALUE_BYTES_MAX = 512 << 20, // as much as RESP allows in one string
    TTL_SECONDS_MAX = 1 << 30,   // 34 years; more is a mistake in the unit
    READ_BYTES = 64 << 10,
};

enum get_option { GET_CONTEXT, GET_OPTIONS };

static const struct option GET_TABLE[GET_OPTIONS] = {
    [GET_CONTEXT] = {"context", 0, NULL,
                     "print the context too, on a line of its own after the value"},
};

static json_t *get_value_json(const redisReply *value)
{
    static const char *const fields[] = {"value", "hlc", "expire_ms", "actor"};
    json_t *const object = json_object();

    for (size_t i = 0; i < sizeof fields / sizeof fields[0]; i++) {
        const redisReply *const field = render_field(value, fields[i]);

        json_object_set_new(object, fields[i], field != NULL ? render_json(field) : json_null());
    }
    return object;
}

static int get_json(struct cli *cli, const char *key, const redisReply *context,
                    const redisReply *values)
{
    json_t *const list = json_array();

    for (size_t i = 0; i < values->elements; i++) {
        json_array_append_new(list, get_value_json(values->element[i]));
    }
    json_t *const document = json_object();

    json_object_set_new(document, "key", render_bytes(key, strlen(key)));
    json_object_set_new(document, "context", render_json(context));
    json_object_set_new(document, "values", list);
    return cli_print_json(cli, document);
}

// On a terminal. False when it is more than can be shown.
static bool get_show(const redisReply *value)
{
    struct text shown = output_text();

    output_lines(&shown, value->str, value->len);
    const struct slice bytes = text_slice(&shown);
    const bool whole = text_error(&shown) == 0;

    if (whole) {
        fwrite(bytes.bytes, 1, bytes.size, stdout);
    }
    text_free(&shown);
    return whole;
}

static int get_plain(struct cli *cli, const struct verb_input *input, const redisReply *context,
                     const redisReply *values)
{
    const redisReply *const value = render_field(values->element[0], "value");
    const bool with_context = input->values[GET_CONTEXT] != NULL;

    if (value == NULL || value->type != REDIS_REPLY_STRING) {
        return cli_strange_reply(cli, "RLDB.GET", values);
    }
    if (!cli->terminal) {
        fwrite(value->str, 1, value->len, stdout);
    } else if (!get_show(value)) {
        return cli_fail(cli, "the value is too large to be shown; write it to a file");
    }
    if (cli->terminal || with_context) {
        fputc('\n', stdout);
    }
    if (with_context) {
        printf("context: %.*s\n", (int)context->len, context->str);
    }
    if (values->elements > 1) {
        fflush(stdout);
        fprintf(stderr,
                "rldb: this is the newest of %zu siblings; --json shows all, and "
                "put --context replaces them\n",
                values->elements);
    }
    return EXIT_DONE;
}

static int get_run(struct cli *cli, const struct verb_input *input)
{
    const char *const words[] = {"RLDB.GET", input->words[0]};
    redisReply *reply = NULL;
    int code = cli_call(cli, 2, words, NULL, &reply);

    if (code != EXIT_DONE) {
        return code;
    }
    const redisReply *const context = render_field(reply, "context");
    const redisReply *const values = render_field(reply, "values");

    if (reply->type == REDIS_REPLY_NIL) {
        code = EXIT_NOT_FOUND;
        if (cli->json) {
            cli_print_json(cli, json_null());
        } else {
            fprintf(stderr, "rldb: no such key\n");
        }
    } else if (context == NULL || context->type != REDIS_REPLY_STRING || values == NULL ||
               values->type != REDIS_REPLY_ARRAY || values->elements == 0) {
        code = cli_strange_reply(cli, "RLDB.GET", reply);
    } else if (cli->json) {
        code = get_json(cli, input->words[0], context, values);
    } else {
        code = get_plain(cli, input, context, values);
    }
    freeReplyObject(reply);
    return code;
}

const struct verb verb_get = {
    .name = "get",
    .arguments = "KEY",
    .summary = "print the value of a key",
    .details =
        "On a terminal what could control it is shown as \\xHH, and a newline follows the value; "
        "elsewhere the value's bytes are all that is printed. "
        "When concurrent writes left siblings, the newest is printed, and a line on standard "
        "error tells how many there are. --json prints all, each with its stamp, and the "
        "context that `put` and `del` take. Exit status 1: there is no such key.",
    .options = GET_TABLE,
    .option_count = GET_OPTIONS,
    .words_min = 1,
    .words_max = 1,
    .run = get_run,
};

enum put_option { PUT_CONTEXT, PUT_TTL, PUT_OPTIONS };

static const struct option PUT_TABLE[PUT_OPTIONS] = {
    [PUT_CONTEXT] = {"context", 0, "C", "replace exactly what `get --context` showed"},
    [PUT_TTL] = {"ttl", 0, "S", "let it expire after S seconds (also 500ms, 5m, 2h)"},
};

static int put_read_input(const struct cli *cli, struct text *ret_value)
{
    char chunk[READ_BYTES];
    size_t size = 0;

    do {
        size = fread(chunk, 1, sizeof chunk, stdin);
        text_append(ret_value, chunk, size);
    } while (size != 0 && text_error(ret_value) == 0);
    if (text_error(ret_value) != 0) {
        return cli_fail(cli, "the value on standard input is over %d bytes, or over the memory",
                        VALUE_BYTES_MAX);
    }
    if (ferror(stdin)) {
        return cli_fail(cli, "cannot read standard input: %s", strerror(errno));
    }
    return EXIT_DONE;
}

// Without a context it is a plain SET, which replaces what its coordinator has seen; RLDB.PUT
// without one would add a sibling.
static int put_send(struct cli *cli, const char *key, const char *value, size_t value_size,
                    const char *context, const char *ttl_ms)
{
    const char *words[7] = {context != NULL ? "RLDB.PUT" : "SET", key, value};
    size_t sizes[7] = {strlen(words[0]), strlen(key), value_size};
    int count = 3;
    redisReply *reply = NULL;
    int code = EXIT_DONE;

    if (context != NULL) {
        words[count++] = "CONTEXT";
        words[count++] = context;
    }
    if (ttl_ms != NULL) {
        words[count++] = "PX";
        words[count++] = ttl_ms;
    }
    for (int i = 3; i < count; i++) {
        sizes[i] = strlen(words[i]);
    }
    code = cli_call(cli, count, words, sizes, &reply);
    if (code != EXIT_DONE) {
        return code;
    }
    if (cli->json) {
        json_t *const document = json_object();

        json_object_set_new(document, "key", render_bytes(key, strlen(key)));
        json_object_set_new(document, "context",
                            context != NULL ? render_json(reply) : json_null());
        code = cli_print_json(cli, document);
    } else if (cli->terminal) {
        printf("stored\n");
    }
    freeReplyObject(reply);
    return code;
}

static int put_run(struct cli *cli, const struct verb_input *input)
{
    const bool from_input = strcmp(input->words[1], "-") == 0;
    struct text read;
    char ttl_ms[32];
    double seconds = 0;
    int code = EXIT_DONE;

    if (input->values[PUT_TTL] != NULL) {
        if (options_duration(input->values[PUT_TTL], 1e-3, TTL_SECONDS_MAX, &seconds) != 0) {
            return cli_misused(cli, "--ttl %s: a time is written 60, 60s, 500ms, 5m or 2h",
                               input->values[PUT_TTL]);
        }
        snprintf(ttl_ms, sizeof ttl_ms, "%.0f", seconds * 1e3);
    }
    text_init(&read, VALUE_BYTES_MAX);
    if (from_input) {
        code = put_read_input(cli, &read);
    }
    if (code == EXIT_DONE) {
        code = put_send(cli, input->words[0], from_input ? text_c(&read) : input->words[1],
                        from_input ? read.size : strlen(input->words[1]),
                        input->values[PUT_CONTEXT], input->values[PUT_TTL] != NULL ? ttl_ms : NULL);
    }
    text_free(&read);
    return code;
}

const struct verb verb_put = {
    .name = "put",
    .arguments = "KEY VALUE",
    .summary = "store a value under a key",
    .details =
        "VALUE - reads standard input to its end, any bytes. Without --context what is there is "
        "replaced, whoever wrote it. With the context that `get` printed exactly the values it "
        "showed are replaced: what another client wrote meanwhile stays beside them as a sibling. "
        "--json prints the new context.",
    .options = PUT_TABLE,
    .option_count = PUT_OPTIONS,
    .words_min = 2,
    .words_max = 2,
    .run = put_run,
};

// Asks for an integer about one key.
static int data_integer(struct cli *cli, int count, const char *const *words,
                        long long *ret_integer)
{
    redisReply *reply = NULL;
    int code = cli_call(cli, count, words, NULL, &reply);

    if (code != EXIT_DONE) {
        return code;
    }
    if (reply->type == REDIS_REPLY_INTEGER) {
        *ret_integer = reply->integer;
    } else {
        code = cli_strange_reply(cli, words[0], reply);
    }
    freeReplyObject(reply);
    return code;
}

// Prints {"key": key, name: value} with --json, else the word.
static int data_answer(struct cli *cli, const char *key, const char *name, json_t *value,
                       const char *word)
{
    if (!cli->json) {
        json_decref(value);
        printf("%s\n", word);
        return EXIT_DONE;
    }
    json_t *const document = json_object();

    json_object_set_new(document, "key", render_bytes(key, strlen(key)));
    json_object_set_new(document, name, value);
    return cli_print_json(cli, document);
}

enum del_option { DEL_CONTEXT, DEL_OPTIONS };

static const struct option DEL_TABLE[DEL_OPTIONS] = {
    [DEL_CONTEXT] = {"context", 0, "C", "delete exactly what `get --context` showed"},
};

static int del_run(struct cli *cli, const struct verb_input *input)
{
    const char *const context = input->values[DEL_CONTEXT];
    const char *const words[] = {context != NULL ? "RLDB.DEL" : "DEL", input->words[0], "CONTEXT",
                                 context};
    long long deleted = 0;
    int code = data_integer(cli, context != NULL ? 4 : 2, words, &deleted);

    if (code != EXIT_DONE) {
        return code;
    }
    code = data_answer(cli, input->words[0], "deleted", json_boolean(deleted != 0),
                       deleted != 0      ? "deleted"
                       : context != NULL ? "nothing to delete"
                                         : "no such key");
    return code == EXIT_DONE && deleted == 0 ? EXIT_NOT_FOUND : code;
}

const struct verb verb_del = {
    .name = "del",
    .arguments = "KEY",
    .summary = "delete a key",
    .details = "With the context that `get` printed exactly the values it showed are deleted. Exit "
               "status 1: there was no such key.",
    .options = DEL_TABLE,
    .option_count = DEL_OPTIONS,
    .words_min = 1,
    .words_max = 1,
    .run = del_run,
};

static int exists_run(struct cli *cli, const struct verb_input *input)
{
    const char *const words[] = {"EXISTS", input->words[0]};
    long long exists = 0;
    int code = data_integer(cli, 2, words, &exists);

    if (code != EXIT_DONE) {
        return code;
    }
    code = data_answer(cli, input->words[0], "exists", json_boolean(exists != 0),
                       exists != 0 ? "yes" : "no");
    return code == EXIT_DONE && exists == 0 ? EXIT_NOT_FOUND : code;
}

const struct verb verb_exists = {
    .name = "exists",
    .arguments = "KEY",
    .summary = "tell whether a key exists",
    .details = "Prints yes, or no and exits with 1.",
    .words_min = 1,
    .words_max = 1,
    .run = exists_run,
};

static int ttl_run(struct cli *cli, const struct verb_input *input)
{
    const char *const words[] = {"PTTL", input->words[0]};
    struct text word = output_text();
    long long ttl_ms = 0;
    int code = data_integer(cli, 2, words, &ttl_ms);

    if (code != EXIT_DONE) {
        return code;
    }
    if (ttl_ms == -2) {
        text_string(&word, "no such key");
    } else if (ttl_ms < 0) {
        text_string(&word, cli->terminal ? "-1 (does not expire)" : "-1");
    } else {
        text_printf(&word, "%lld", (ttl_ms + 500) / 1000);
        if (cli->terminal) {
            text_string(&word, " (");
            output_duration(&word, (double)ttl_ms / 1e3);
            text_string(&word, ")");
        }
    }
    code = data_answer(cli, input->words[0], "ttl_ms",
                       ttl_ms >= 0 ? json_integer(ttl_ms) : json_null(), text_c(&word));
    text_free(&word);
    return code == EXIT_DONE && ttl_ms == -2 ? EXIT_NOT_FOUND : code;
}

const struct verb verb_ttl = {
    .name = "ttl",
    .arguments = "KEY",
    .summary = "print in how many seconds a key expires",
    .details = "-1: it does not expire. Exit status 1: there is no such key. --json prints "
               "milliseconds, and null for a key that does not expire.",
    .words_min = 1,
    .words_max = 1,
    .run = ttl_run,
};
