// export: all records into a file of JSON lines, pipelined.
#include "cli/output.h"
#include "cli/progress.h"
#include "cli/record.h"
#include "cli/verb.h"
#include "core/check.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
    EXPORT_WINDOW_MAX = 256,       // keys asked for at once
    EXPORT_WINDOW_FIRST = 16,      // before the size of the values is known
    EXPORT_WINDOW_BYTES = 4 << 20, // what the answers in flight should weigh
    EXPORT_PATH_SIZE = 4096,
};

enum export_option { EXPORT_MATCH, EXPORT_OPTIONS };

static const struct option EXPORT_TABLE[EXPORT_OPTIONS] = {
    [EXPORT_MATCH] = {"match", 0, "GLOB", "only keys that match: * ? [a-z] \\x"},
};

struct export
{
    struct cli *cli;
    const char *path; // as errors name it
    FILE *file;
    const char *match; // NULL: all keys
    struct progress progress;
    struct text line;
    uint64_t expected; // keys that the server has, for the progress
    uint64_t seen;     // keys looked at
    uint64_t written;
    uint64_t written_bytes;
};

static int export_failed_to_write(const struct export *export)
{
    return cli_fail(export->cli, "cannot write to %s: %s", export->path, strerror(errno));
}

// Takes the next answer; it has to be of this type, or of the other.
static int export_receive(struct export *export, int type, int other, redisReply **ret_reply)
{
    redisReply *reply = NULL;

    if (client_receive(&export->cli->client, &reply) != 0) {
        return cli_fail(export->cli, "%s", export->cli->client.error);
    }
    if (reply->type != type && reply->type != other) {
        const int code =
            reply->type == REDIS_REPLY_ERROR
                ? cli_fail(export->cli, "the server refused to answer: %.300s", reply->str)
                : cli_strange_reply(export->cli, "GET or PEXPIRETIME", reply);

        freeReplyObject(reply);
        return code;
    }
    *ret_reply = reply;
    return EXIT_DONE;
}

// Takes the answers for one key, and writes its line if it is still there.
static int export_record(struct export *export, const redisReply *key)
{
    redisReply *value = NULL;
    redisReply *expire = NULL;
    int code = export_receive(export, REDIS_REPLY_STRING, REDIS_REPLY_NIL, &value);

    if (code != EXIT_DONE) {
        return code;
    }
    code = export_receive(export, REDIS_REPLY_INTEGER, REDIS_REPLY_INTEGER, &expire);
    if (code != EXIT_DONE) {
        freeReplyObject(value);
        return code;
    }
    export->seen++;
    // -2: it went between the two, or before; -1: it does not expire.
    if (value->type == REDIS_REPLY_STRING && expire->integer != -2) {
        text_clear(&export->line);
        record_encode(slice_of(key->str, key->len), slice_of(value->str, value->len),
                      expire->integer > 0 ? expire->integer : 0, &export->line);
        if (text_error(&export->line) != 0) {
            code = cli_fail(export->cli, "a line is too long for memory");
        } else if (fwrite(text_c(&export->line), 1, export->line.size, export->file) !=
                   export->line.size) {
            code = export_failed_to_write(export);
        }
        export->written++;
        export->written_bytes += export->line.size;
    }
    freeReplyObject(value);
    freeReplyObject(expire);
    return code;
}

// How many keys to ask for at once, so that answers of large values do not pile up in the server.
static size_t export_window(const struct export *export)
{
    if (export->written == 0) {
        return EXPORT_WINDOW_FIRST;
    }
    const uint64_t mean = export->written_bytes / export->written + 1;
    const uint64_t window = EXPORT_WINDOW_BYTES / mean;

    return window < 1 ? 1 : window > EXPORT_WINDOW_MAX ? EXPORT_WINDOW_MAX : (size_t)window;
}

static int export_ask(struct export *export, const redisReply *key)
{
    static const char *const commands[] = {"GET", "PEXPIRETIME"};

    for (size_t i = 0; i < 2; i++) {
        const char *const words[] = {commands[i], key->str};
        const size_t sizes[] = {strlen(commands[i]), key->len};

        if (client_append(&export->cli->client, 2, words, sizes) != 0) {
            return cli_fail(export->cli, "%s", export->cli->client.error);
        }
    }
    return EXIT_DONE;
}

static int export_keys(struct export *export, const redisReply *keys)
{
    size_t asked = 0;
    int code = EXIT_DONE;

    for (size_t i = 0; i < keys->elements && code == EXIT_DONE; i++) {
        const size_t until = i + export_window(export);

        for (; asked < keys->elements && asked < until && code == EXIT_DONE; asked++) {
            if (keys->element[asked]->type != REDIS_REPLY_STRING) {
                return cli_strange_reply(export->cli, "SCAN", keys);
            }
            code = export_ask(export, keys->element[asked]);
        }
        if (code == EXIT_DONE) {
            code = export_record(export, keys->element[i]);
        }
        progress_update(&export->progress, export->written, export->seen, export->expected);
    }
    return code;
}

static int export_pages(struct export *export)
{
    char cursor[32] = "0";
    int code = EXIT_DONE;

    do {
        const char *const words[] = {"SCAN", cursor, "COUNT", "1000", "MATCH", export->match};
        redisReply *reply = NULL;

        code = cli_call(export->cli, export->match != NULL ? 6 : 4, words, NULL, &reply);
        if (code != EXIT_DONE) {
            return code;
        }
        if (reply->type != REDIS_REPLY_ARRAY || reply->elements != 2 ||
            reply->element[0]->type != REDIS_REPLY_STRING ||
            reply->element[1]->type != REDIS_REPLY_ARRAY) {
            code = cli_strange_reply(export->cli, "SCAN", reply);
        } else {
            code = export_keys(export, reply->element[1]);
            snprintf(cursor, sizeof cursor, "%s", reply->element[0]->str);
        }
        freeReplyObject(reply);
    } while (code == EXIT_DONE && strcmp(cursor, "0") != 0);
    return code;
}

static int export_all(struct export *export)
{
    const char *const words[] = {"DBSIZE"};
    redisReply *reply = NULL;
    int code = cli_call(export->cli, 1, words, NULL, &reply);

    if (code != EXIT_DONE) {
        return code;
    }
    // With a pattern the share that is done cannot be known.
    if (reply->type == REDIS_REPLY_INTEGER && export->match == NULL) {
        export->expected = (uint64_t)reply->integer;
    }
    freeReplyObject(reply);
    code = export_pages(export);
    errno = 0;
    if (code == EXIT_DONE && fflush(export->file) != 0) {
        code = export_failed_to_write(export);
    }
    return code;
}

static void export_report(const struct export *export, double seconds)
{
    struct text line = output_text();

    text_printf(&line, "wrote %llu records, ", (unsigned long long)export->written);
    output_bytes(&line, (double)export->written_bytes);
    text_string(&line, ", in ");
    output_duration(&line, seconds);
    fprintf(stderr, "%s\n", text_c(&line));
    text_free(&line);
}

// Through a file of its own and a rename, so that FILE is never half an export.
static int export_to_file(struct export *export)
{
    char partial[EXPORT_PATH_SIZE];
    int code = EXIT_DONE;

    if (snprintf(partial, sizeof partial, "%s.partial", export->path) >= (int)sizeof partial) {
        return cli_fail(export->cli, "the path is too long: %.60s...", export->path);
    }
    export->file = fopen(partial, "wb");
    if (export->file == NULL) {
        return cli_fail(export->cli, "cannot make %s: %s", partial, strerror(errno));
    }
    code = export_all(export);
    if (code == EXIT_DONE && fsync(fileno(export->file)) != 0 && errno != EINVAL) {
        code = export_failed_to_write(export);
    }
    if (fclose(export->file) != 0 && code == EXIT_DONE) {
        code = export_failed_to_write(export);
    }
    if (code == EXIT_DONE && rename(partial, export->path) != 0) {
        code = export_failed_to_write(export);
    }
    if (code != EXIT_DONE) {
        unlink(partial);
    }
    return code;
}

static int export_run(struct cli *cli, const struct verb_input *input)
{
    const bool standard = strcmp(input->words[0], "-") == 0;
    struct export export = {
        .cli = cli,
        .path = standard ? "standard output" : input->words[0],
        .file = stdout,
        .match = input->values[EXPORT_MATCH],
        .line = output_text(),
    };
    double seconds = 0;
    int code = EXIT_DONE;

    progress_start(&export.progress, "export", "records");
    code = standard ? export_all(&export) : export_to_file(&export);
    seconds = progress_finish(&export.progress);
    text_free(&export.line);
    if (code != EXIT_DONE) {
        return code;
    }
    if (cli->json && !standard) {
        return cli_print_json(
            cli, json_pack("{s:I, s:I, s:f}", "records", (json_int_t) export.written, "bytes",
                           (json_int_t) export.written_bytes, "seconds", seconds));
    }
    export_report(&export, seconds);
    return EXIT_DONE;
}

const struct verb verb_export = {
    .name = "export",
    .arguments = "FILE",
    .summary = "write all records to a file of JSON lines",
    .details = "FILE - is standard output. The lines are what `import` reads. A file appears under "
               "its name when "
               "it is complete; until then it is FILE.partial. Keys that are written meanwhile may "
               "or may not be in "
               "it, in rare cases twice, which does an import no harm. Of siblings the newest is "
               "written.",
    .options = EXPORT_TABLE,
    .option_count = EXPORT_OPTIONS,
    .words_min = 1,
    .words_max = 1,
    .run = export_run,
};
