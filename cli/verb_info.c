// info: what the server says about itself.
#include "cli/info.h"
#include "cli/output.h"
#include "cli/verb.h"

#include <string.h>

static void info_for_people(const redisReply *reply, bool colored, struct text *ret_text)
{
    const struct slice info = slice_of(reply->str, reply->len);
    struct info_line line = {.section = {NULL, 0}};
    struct slice section = {NULL, 0};
    struct table table;
    struct text word = output_text();
    size_t position = 0;
    bool started = false;

    while (info_next(info, &position, &line)) {
        if (!started || !slice_equal(section, line.section)) {
            if (started) {
                table_finish(&table, colored, 2, ret_text);
                output_char(ret_text, '\n');
            }
            section = line.section;
            text_clear(&word);
            output_printable(&word, section.bytes, section.size);
            output_color(ret_text, colored, COLOR_BOLD, text_c(&word));
            output_char(ret_text, '\n');
            table_start(&table, "ll");
            started = true;
        }
        text_clear(&word);
        output_printable(&word, line.name.bytes, line.name.size);
        table_color(&table, COLOR_CYAN);
        table_cell(&table, text_c(&word));
        table_color(&table, COLOR_PLAIN);
        text_clear(&word);
        output_printable(&word, line.value.bytes, line.value.size);
        table_cell(&table, text_c(&word));
    }
    if (started) {
        table_finish(&table, colored, 2, ret_text);
    }
    text_free(&word);
}

static int info_run(struct cli *cli, const struct verb_input *input)
{
    const char *const words[] = {"INFO", input->count == 1 ? input->words[0] : NULL};
    redisReply *reply = NULL;
    int code = cli_call(cli, 1 + input->count, words, NULL, &reply);

    if (code != EXIT_DONE) {
        return code;
    }
    if (reply->type != REDIS_REPLY_STRING) {
        code = cli_strange_reply(cli, "INFO", reply);
    } else if (reply->len == 0 && input->count == 1) {
        cli_fail(cli, "the server knows no section %.60s; `rldb info` shows them", words[1]);
        code = EXIT_NOT_FOUND;
    } else if (cli->json) {
        code = cli_print_json(cli, info_json(slice_of(reply->str, reply->len)));
    } else if (cli->terminal) {
        struct text text = output_text();

        info_for_people(reply, cli->color, &text);
        code = cli_print_text(cli, &text);
    } else {
        fwrite(reply->str, 1, reply->len, stdout);
    }
    freeReplyObject(reply);
    return code;
}

const struct verb verb_info = {
    .name = "info",
    .arguments = "[SECTION]",
    .summary = "print what the server says about itself",
    .details = "On a terminal aligned, elsewhere the lines of INFO as they are. --json: an object "
               "of sections, "
               "with numbers as numbers.",
    .subwords = "server clients memory persistence stats replication cpu modules commandstats "
                "errorstats latencystats keyspace shards engine cluster transfers default all "
                "everything",
    .words_min = 0,
    .words_max = 1,
    .run = info_run,
};
