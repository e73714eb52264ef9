// cluster and key: questions and orders about the ring.
#include "cli/output.h"
#include "cli/render.h"
#include "cli/verb.h"
#include "core/check.h"

#include <string.h>

struct cluster_order {
    const char *name;
    const char *command;   // the subcommand of RLDB.CLUSTER
    const char *arguments; // as usage shows them
    int words_min;
    int words_max;
};

static const struct cluster_order ORDERS[] = {
    {"status", "STATUS", "", 0, 0},
    {"ring", "RING", "", 0, 0},
    {"join", "JOIN", " HOST:PORT", 1, 1},
    {"leave", "LEAVE", " [NODE]", 0, 1},
    {"remove", "REMOVE", " NODE", 1, 1},
    {"replace", "REPLACE", " OLD NEW", 2, 2},
    {"plan", "PLAN", "", 0, 0},
    {"commit", "COMMIT", "", 0, 0},
    {"clear", "CLEAR", "", 0, 0},
    {"transfers", "TRANSFERS", "", 0, 0},
    {"repair", "REPAIR", " [PARTITION]", 0, 1},
};

enum { CLUSTER_WORDS_MAX = 2 };

// Prints the answer to an RLDB.* command and frees it.
static int cluster_print(struct cli *cli, redisReply *reply)
{
    json_t *const document = render_document_json(reply);
    struct text text = output_text();

    freeReplyObject(reply);
    if (cli->json) {
        text_free(&text);
        return cli_print_json(cli, document);
    }
    render_document(document, cli->color, &text);
    json_decref(document);
    return cli_print_text(cli, &text);
}

static int cluster_run(struct cli *cli, const struct verb_input *input)
{
    const struct cluster_order *order = NULL;
    const char *words[2 + CLUSTER_WORDS_MAX] = {"RLDB.CLUSTER"};
    redisReply *reply = NULL;
    int code = EXIT_DONE;

    for (size_t i = 0; i < sizeof ORDERS / sizeof ORDERS[0]; i++) {
        if (strcmp(ORDERS[i].name, input->words[0]) == 0) {
            order = &ORDERS[i];
        }
    }
    if (order == NULL) {
        return cli_misused(cli, "there is no `cluster %.60s`; see rldb cluster --help",
                           input->words[0]);
    }
    if (input->count - 1 < order->words_min || input->count - 1 > order->words_max) {
        return cli_misused(cli, "usage: rldb cluster %s%s", order->name, order->arguments);
    }
    words[1] = order->command;
    for (int i = 1; i < input->count; i++) {
        words[1 + i] = input->words[i];
    }
    code = cli_call(cli, 1 + input->count, words, NULL, &reply);
    return code != EXIT_DONE ? code : cluster_print(cli, reply);
}

const struct verb verb_cluster = {
    .name = "cluster",
    .arguments = "ORDER ...",
    .summary = "look at the cluster, or change it",
    .details =
        "Orders: status and ring show the nodes and who owns what; join HOST:PORT, leave [NODE], "
        "remove NODE and "
        "replace OLD NEW prepare a change, plan shows what it would move, commit carries it out, "
        "clear forgets it; transfers shows what is moving; repair [PARTITION] compares the "
        "replicas now.",
    .subwords = "status ring join leave remove replace plan commit clear transfers repair",
    .words_min = 1,
    .words_max = 1 + CLUSTER_WORDS_MAX,
    .run = cluster_run,
};

static int key_run(struct cli *cli, const struct verb_input *input)
{
    const char *const words[] = {"RLDB.KEY", input->words[0]};
    redisReply *reply = NULL;
    const int code = cli_call(cli, 2, words, NULL, &reply);

    return code != EXIT_DONE ? code : cluster_print(cli, reply);
}

const struct verb verb_key = {
    .name = "key",
    .arguments = "KEY",
    .summary = "tell where a key lives",
    .details = "Its slot, partition and nodes, the shard that serves it, and what each replica "
               "holds. The key "
               "need not exist.",
    .words_min = 1,
    .words_max = 1,
    .run = key_run,
};
