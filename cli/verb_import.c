// import: records from a file of JSON lines, pipelined.
#include "cli/lines.h"
#include "cli/output.h"
#include "cli/progress.h"
#include "cli/record.h"
#include "cli/verb.h"
#include "core/check.h"
#include "core/memory.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>

enum {
    IMPORT_BATCH_RECORDS = 512,    // commands in flight: the round trip's cost is gone long before
    IMPORT_BATCH_BYTES = 1 << 20,  // and not more than this, whatever the values' size
    IMPORT_COMMAND_OVERHEAD = 100, // bytes of a SET's framing
};

enum import_option { IMPORT_FROM, IMPORT_OPTIONS };

static const struct option IMPORT_TABLE[IMPORT_OPTIONS] = {
    [IMPORT_FROM] = {"from", 0, "LINE",
                     "begin at this line: where an import that failed said it stopped"},
};

struct import {
    struct cli *cli;
    const char *path; // as errors name it
    struct lines *lines;
    struct progress progress;
    int64_t from;         // the first line to store
    uint64_t whole_bytes; // of the file; 0: unknown
    uint64_t stored;      // records that the server has acknowledged
    uint64_t resume_line; // all before it are stored
    int pending;          // commands sent or about to be
    size_t pending_bytes;
    uint64_t pending_lines[IMPORT_BATCH_RECORDS];
};

// Waits for the answers to all that is in flight.
static int import_drain(struct import *import)
{
    int code = EXIT_DONE;

    for (int i = 0; i < import->pending; i++) {
        redisReply *reply = NULL;

        if (client_receive(&import->cli->client, &reply) != 0) {
            return cli_fail(import->cli, "%s", import->cli->client.error);
        }
        if (reply->type == REDIS_REPLY_ERROR && code == EXIT_DONE) {
            struct text error = output_text();

            output_printable(&error, reply->str, reply->len);
            code = cli_fail(import->cli, "%s:%llu: the server refused it: %.300s", import->path,
                            (unsigned long long)import->pending_lines[i], text_c(&error));
            text_free(&error);
        }
        if (code == EXIT_DONE) {
            import->stored++;
            import->resume_line = import->pending_lines[i] + 1;
        }
        freeReplyObject(reply);
    }
    import->pending = 0;
    import->pending_bytes = 0;
    progress_update(&import->progress, import->stored, import->lines->bytes_read,
                    import->whole_bytes);
    return code;
}

static int import_send(struct import *import, const struct record *record)
{
    char expire_ms[24];
    const char *const words[5] = {"SET", (const char *)record->key.bytes,
                                  (const char *)record->value.bytes, "PXAT", expire_ms};
    const int length = snprintf(expire_ms, sizeof expire_ms, "%lld", (long long)record->expire_ms);
    const size_t sizes[5] = {3, record->key.size, record->value.size, 4, (size_t)length};

    if (client_append(&import->cli->client, record->expire_ms != 0 ? 5 : 3, words, sizes) != 0) {
        return cli_fail(import->cli, "%s", import->cli->client.error);
    }
    import->pending_lines[import->pending++] = import->lines->number;
    import->pending_bytes += record->key.size + record->value.size + IMPORT_COMMAND_OVERHEAD;
    if (import->pending == IMPORT_BATCH_RECORDS || import->pending_bytes >= IMPORT_BATCH_BYTES) {
        return import_drain(import);
    }
    return EXIT_DONE;
}

static bool import_is_blank(struct slice line)
{
    for (size_t i = 0; i < line.size; i++) {
        if (line.bytes[i] != ' ' && line.bytes[i] != '\t') {
            return false;
        }
    }
    return true;
}

static int import_line(struct import *import, struct slice line)
{
    char error[RECORD_ERROR_SIZE];
    struct record record;
    int code = EXIT_DONE;

    if (import->lines->number < (uint64_t)import->from || import_is_blank(line)) {
        return EXIT_DONE;
    }
    if (record_decode((const char *)line.bytes, line.size, &record, error) != 0) {
        // What was sent before counts, and is told before the error.
        const uint64_t number = import->lines->number;

        code = import_drain(import);
        return code != EXIT_DONE ? code
                                 : cli_fail(import->cli, "%s:%llu: %s", import->path,
                                            (unsigned long long)number, error);
    }
    code = import_send(import, &record);
    record_free(&record);
    return code;
}

static int import_all(struct import *import)
{
    struct slice line;
    int code = EXIT_DONE;
    int result = 0;

    // Without this an empty file would pass, whatever the server.
    if (client_connect(&import->cli->client) != 0) {
        return cli_fail(import->cli, "%s", import->cli->client.error);
    }
    do {
        result = lines_next(import->lines, &line);
        if (result == 1) {
            code = import_line(import, line);
        }
    } while (result == 1 && code == EXIT_DONE);
    if (code == EXIT_DONE) {
        code = import_drain(import);
    }
    if (code == EXIT_DONE && result < 0) {
        code = cli_fail(import->cli, "%s:%llu: %s", import->path,
                        (unsigned long long)import->lines->number,
                        result == -EFBIG ? "the line is over 1 GiB" : strerror(-result));
    }
    return code;
}

static int import_report(struct import *import, int code, double seconds)
{
    struct text line = output_text();

    if (import->cli->json) {
        const int printed = cli_print_json(
            import->cli, json_pack("{s:I, s:I, s:f, s:b}", "records", (json_int_t)import->stored,
                                   "next_line", (json_int_t)import->resume_line, "seconds", seconds,
                                   "complete", code == EXIT_DONE));

        text_free(&line);
        return code != EXIT_DONE ? code : printed;
    }
    text_printf(&line, "stored %llu records in ", (unsigned long long)import->stored);
    output_duration(&line, seconds);
    if (import->stored != 0) {
        text_string(&line, " (");
        output_count(&line, (double)import->stored / seconds);
        text_string(&line, "/s)");
    }
    if (code != EXIT_DONE) {
        text_printf(&line, "; to go on: rldb import --from %llu %s",
                    (unsigned long long)import->resume_line, import->path);
    }
    fprintf(stderr, "%s\n", text_c(&line));
    text_free(&line);
    return code;
}

static int import_run(struct cli *cli, const struct verb_input *input)
{
    const char *const path = input->words[0];
    const bool standard = strcmp(path, "-") == 0;
    FILE *const file = standard ? stdin : fopen(path, "rb");
    struct import import = {.cli = cli, .path = standard ? "standard input" : path, .from = 1};
    struct stat status;
    int code = EXIT_DONE;

    if (file == NULL) {
        return cli_fail(cli, "cannot open %s: %s", path, strerror(errno));
    }
    if (input->values[IMPORT_FROM] != NULL &&
        options_number(input->values[IMPORT_FROM], 1, INT64_MAX, &import.from) != 0) {
        code =
            cli_misused(cli, "--from %s: a line's number, from 1 on", input->values[IMPORT_FROM]);
    } else {
        import.lines = cli_allocate(sizeof *import.lines);
        import.resume_line = (uint64_t)import.from;
        if (fstat(fileno(file), &status) == 0 && S_ISREG(status.st_mode)) {
            import.whole_bytes = (uint64_t)status.st_size;
        }
        lines_start(import.lines, file, RECORD_LINE_BYTES_MAX);
        progress_start(&import.progress, "import", "records");
        code = import_all(&import);
        code = import_report(&import, code, progress_finish(&import.progress));
        lines_finish(import.lines);
        memory_free(import.lines);
    }
    if (!standard) {
        fclose(file);
    }
    return code;
}

const struct verb verb_import = {
    .name = "import",
    .arguments = "FILE",
    .summary = "store the records of a file of JSON lines",
    .details =
        "FILE - is standard input. A line is {\"key\": \"...\", \"value\": \"...\", \"expire_ms\": "
        "N}; bytes "
        "that are not text stand in base64 under key_base64 and value_base64, expire_ms (ms since "
        "1970) may be missing. Keys that exist are replaced. The first line that is wrong, or that "
        "the "
        "server refuses, ends the import with FILE:LINE and the reason, and with the line to go on "
        "from; "
        "storing a line twice does no harm.",
    .options = IMPORT_TABLE,
    .option_count = IMPORT_OPTIONS,
    .words_min = 1,
    .words_max = 1,
    .run = import_run,
};
