// scan: the names of the keys.
#include "cli/output.h"
#include "cli/render.h"
#include "cli/verb.h"
#include "core/check.h"

#include <stdlib.h>
#include <string.h>

enum { SCAN_COUNT_MAX = 1000000 };
#define SCAN_COUNT_DEFAULT "1000" // a page of some tens of KiB

enum scan_option { SCAN_MATCH, SCAN_COUNT, SCAN_LIMIT, SCAN_OPTIONS };

static const struct option SCAN_TABLE[SCAN_OPTIONS] = {
    [SCAN_MATCH] = {"match", 0, "GLOB", "only keys that match: * ? [a-z] \\x"},
    [SCAN_COUNT] = {"count", 0, "N",
                    "how many keys the server looks at in one step (default 1000)"},
    [SCAN_LIMIT] = {"limit", 0, "N", "stop after N keys"},
};

struct scan {
    struct cli *cli;
    int64_t limit; // INT64_MAX: none
    int64_t printed;
};

static void scan_print(struct scan *scan, const redisReply *key)
{
    if (scan->cli->json) {
        json_t *const bytes = render_bytes(key->str, key->len);

        fputs(scan->printed == 0 ? "[" : ",", stdout);
        json_dumpf(bytes, stdout, JSON_ENCODE_ANY | JSON_COMPACT);
        json_decref(bytes);
    } else if (scan->cli->terminal) {
        struct text line = output_text();

        output_printable(&line, key->str, key->len);
        puts(text_c(&line));
        text_free(&line);
    } else {
        fwrite(key->str, 1, key->len, stdout);
        fputc('\n', stdout);
    }
    scan->printed++;
}

// Whether it is what SCAN answers: a cursor and a list of strings.
static bool scan_is_page(const redisReply *reply)
{
    if (reply->type != REDIS_REPLY_ARRAY || reply->elements != 2 ||
        reply->element[0]->type != REDIS_REPLY_STRING ||
        reply->element[1]->type != REDIS_REPLY_ARRAY) {
        return false;
    }
    for (size_t i = 0; i < reply->element[1]->elements; i++) {
        if (reply->element[1]->element[i]->type != REDIS_REPLY_STRING) {
            return false;
        }
    }
    return true;
}

// Prints pages until the server's cursor is 0 again.
static int scan_pages(struct scan *scan, const char *match, const char *count)
{
    char cursor[32] = "0";
    int code = EXIT_DONE;

    do {
        const char *const words[] = {"SCAN", cursor, "COUNT", count, "MATCH", match};
        redisReply *reply = NULL;

        code = cli_call(scan->cli, match != NULL ? 6 : 4, words, NULL, &reply);
        if (code != EXIT_DONE) {
            return code;
        }
        if (!scan_is_page(reply)) {
            code = cli_strange_reply(scan->cli, "SCAN", reply);
            freeReplyObject(reply);
            return code;
        }
        const redisReply *const keys = reply->element[1];

        for (size_t i = 0; i < keys->elements && scan->printed < scan->limit; i++) {
            scan_print(scan, keys->element[i]);
        }
        snprintf(cursor, sizeof cursor, "%s", reply->element[0]->str);
        freeReplyObject(reply);
        code = cli_flush(scan->cli, code);
    } while (code == EXIT_DONE && strcmp(cursor, "0") != 0 && scan->printed < scan->limit);
    return code;
}

static int scan_run(struct cli *cli, const struct verb_input *input)
{
    const char *const count = input->values[SCAN_COUNT];
    struct scan scan = {.cli = cli, .limit = INT64_MAX};
    int64_t number = 0;
    int code = EXIT_DONE;

    if (count != NULL && options_number(count, 1, SCAN_COUNT_MAX, &number) != 0) {
        return cli_misused(cli, "--count %s: a number from 1 to %d", count, SCAN_COUNT_MAX);
    }
    if (input->values[SCAN_LIMIT] != NULL &&
        options_number(input->values[SCAN_LIMIT], 1, INT64_MAX, &scan.limit) != 0) {
        return cli_misused(cli, "--limit %s: a number from 1 on", input->values[SCAN_LIMIT]);
    }
    code = scan_pages(&scan, input->values[SCAN_MATCH], count != NULL ? count : SCAN_COUNT_DEFAULT);
    if (cli->json) {
        // Closed even after an error, which the exit status tells.
        puts(scan.printed == 0 ? "[]" : "]");
    }
    return code;
}

const struct verb verb_scan = {
    .name = "scan",
    .arguments = "",
    .summary = "print the names of the keys",
    .details = "In no particular order. Keys that are there from the scan's start to its end are "
               "all printed, "
               "in rare cases twice; others may be. On a terminal bytes that are not printable are "
               "shown as \\xHH; elsewhere keys are written as they are, one a line, so that for "
               "keys that hold line "
               "ends --json is the way.",
    .options = SCAN_TABLE,
    .option_count = SCAN_OPTIONS,
    .words_min = 0,
    .words_max = 0,
    .run = scan_run,
};
