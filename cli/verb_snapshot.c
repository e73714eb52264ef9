// snapshot: copies of the server's data directory.
#include "cli/output.h"
#include "cli/verb.h"
#include "core/check.h"

#include <string.h>

struct snapshot_order {
    const char *name;
    const char *command;   // the subcommand of RLDB.SNAPSHOT
    const char *arguments; // as usage shows them
    int words;
};

static const struct snapshot_order ORDERS[] = {
    {"create", "CREATE", " NAME", 1},
    {"delete", "DELETE", " NAME", 1},
    {"list", "LIST", "", 0},
};

static int print_names(struct cli *cli, const redisReply *reply)
{
    json_t *const names = cli->json ? json_array() : NULL;
    struct text text = output_text();

    for (size_t i = 0; i < reply->elements; i++) {
        const redisReply *const name = reply->element[i];

        if (cli->json) {
            json_array_append_new(names, json_stringn(name->str, name->len));
        } else {
            output_printable(&text, name->str, name->len);
            text_string(&text, "\n");
        }
    }
    if (cli->json) {
        text_free(&text);
        return cli_print_json(cli, names);
    }
    return cli_print_text(cli, &text);
}

static int print_done(struct cli *cli, const struct snapshot_order *order, const char *name)
{
    const bool created = strcmp(order->name, "create") == 0;
    struct text text = output_text();

    if (cli->json) {
        text_free(&text);
        return cli_print_json(
            cli, json_pack("{s:s, s:b}", "name", name, created ? "created" : "deleted", 1));
    }
    text_printf(&text, "%s: %s\n", name, created ? "created" : "deleted");
    return cli_print_text(cli, &text);
}

static int snapshot_run(struct cli *cli, const struct verb_input *input)
{
    const struct snapshot_order *order = NULL;
    const char *words[3] = {"RLDB.SNAPSHOT"};
    redisReply *reply = NULL;

    for (size_t i = 0; i < sizeof ORDERS / sizeof ORDERS[0]; i++) {
        if (strcmp(ORDERS[i].name, input->words[0]) == 0) {
            order = &ORDERS[i];
        }
    }
    if (order == NULL) {
        return cli_misused(cli, "there is no `snapshot %.60s`; see rldb snapshot --help",
                           input->words[0]);
    }
    if (input->count - 1 != order->words) {
        return cli_misused(cli, "usage: rldb snapshot %s%s", order->name, order->arguments);
    }
    words[1] = order->command;
    words[2] = order->words != 0 ? input->words[1] : NULL;
    int code = cli_call(cli, 2 + order->words, words, NULL, &reply);

    if (code != EXIT_DONE) {
        return code;
    }
    if (order->words != 0) {
        code = print_done(cli, order, input->words[1]);
    } else if (reply->type == REDIS_REPLY_ARRAY) {
        code = print_names(cli, reply);
    } else {
        code = cli_strange_reply(cli, "RLDB.SNAPSHOT LIST", reply);
    }
    freeReplyObject(reply);
    return code;
}

const struct verb verb_snapshot = {
    .name = "snapshot",
    .arguments = "ORDER [NAME]",
    .summary = "copy the data directory as it is at one moment",
    .details = "Orders: create NAME makes snapshots/NAME in the server's data directory while it "
               "serves, nearly all of hard links: it takes up to two segments a core, and more as "
               "the data changes; list tells their names; delete NAME removes one. To restore one, "
               "start rldbd with node.data_dir set "
               "to it, or to a copy of it. A large one may take longer than --timeout waits.",
    .subwords = "create delete list",
    .words_min = 1,
    .words_max = 2,
    .run = snapshot_run,
};
