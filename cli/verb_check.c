// check and repair: verify a data directory without a server, and mend it.
#include "cli/output.h"
#include "cli/render.h"
#include "cli/verb.h"
#include "cluster/data_dir.h"
#include "cluster/identity.h"
#include "core/wait.h"
#include "engines/log_check.h"

#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum { PATH_BYTES = 4096, SHARDS_MAX = 4096 };

struct checking {
    struct cli *cli;
    bool mend;
    json_t *shards; // with --json
    json_t *damages;
    json_t *notices;
    json_t *keys;
    struct text text; // what is said of the present shard
    uint64_t records;
    uint64_t unreadable;
    uint64_t unnamed; // of the present shard: records whose bytes do not even tell their key
    uint32_t count;
    int code;
};

static bool exists(const char *path, const char *name)
{
    char full[PATH_BYTES];
    struct stat status;

    return snprintf(full, sizeof full, "%s/%s", path, name) < PATH_BYTES &&
           stat(full, &status) == 0;
}

// One shard ---------------------------------------------------------------------------------------

static void say(void *context, bool damage, const char *what)
{
    struct checking *const checking = context;

    if (checking->cli->json) {
        json_array_append_new(damage ? checking->damages : checking->notices,
                              render_bytes(what, strlen(what)));
        return;
    }
    text_string(&checking->text, "  ");
    output_printable(&checking->text, what, strlen(what));
    text_string(&checking->text, "\n");
}

static void say_lost(void *context, uint32_t vnode, struct slice key)
{
    struct checking *const checking = context;

    (void)vnode;
    if (key.bytes == NULL) {
        checking->unnamed++;
    } else if (checking->cli->json) {
        json_array_append_new(checking->keys, render_bytes(key.bytes, key.size));
    } else {
        text_string(&checking->text, "  cannot be read: key ");
        output_quoted(&checking->text, key.bytes, key.size);
        text_string(&checking->text, "\n");
    }
}

static const char *why(int error)
{
    switch (error) {
    case -ENOENT:
        return "there is no log here";
    case -EBADMSG:
        return "its MANIFEST is damaged; give the node's data directory, which knows what it said";
    case -EPROTONOSUPPORT:
        return "a newer version of rldb wrote it";
    case -EINVAL:
        return "it is of another shard, or not of this node: put back what was here";
    default:
        return strerror(-error);
    }
}

static void show_shard(struct checking *checking, const char *path, const struct log_check *check,
                       int error)
{
    struct text line = output_text();

    if (checking->cli->json) {
        json_array_append_new(checking->shards,
                              json_pack("{s:s, s:I, s:I, s:I, s:o, s:o, s:o, s:o?}", "directory",
                                        path, "records", (json_int_t)check->records, "unreadable",
                                        (json_int_t)check->unreadable, "unnamed",
                                        (json_int_t)checking->unnamed, "damages", checking->damages,
                                        "notices", checking->notices, "keys", checking->keys,
                                        "error", error != 0 ? json_string(why(error)) : NULL));
        text_free(&line);
        return;
    }
    text_printf(&line, "%s: ", path);
    if (error != 0) {
        output_color(&line, checking->cli->color, COLOR_RED, why(error));
    } else if (check->unreadable == 0 && check->damages == 0) {
        output_color(&line, checking->cli->color, COLOR_GREEN, "whole");
        text_printf(&line, ", %llu records", (unsigned long long)check->records);
    } else {
        output_color(&line, checking->cli->color, COLOR_RED, "damaged");
        text_printf(&line, ", %llu of %llu records cannot be read",
                    (unsigned long long)check->unreadable, (unsigned long long)check->records);
    }
    text_string(&line, "\n");
    text_append(&line, text_slice(&checking->text).bytes, text_slice(&checking->text).size);
    if (checking->unnamed != 0) {
        text_printf(&line, "  cannot be read: %llu records of keys that are not known\n",
                    (unsigned long long)checking->unnamed);
    }
    cli_print_text(checking->cli, &line);
}

// `identity` is that of the node, NULL where it is not known.
static void check_shard(struct checking *checking, struct io *io, const char *path,
                        const struct data_identity *identity, uint32_t shard)
{
    const bool known = identity != NULL && shard < identity->shards;
    struct log_check check = {
        .io = io,
        .directory = path,
        .mend = checking->mend,
        .shard = shard,
        .shards = known ? identity->shards : 0,
        .vnodes = known ? identity_vnodes(identity, shard) : 0,
        .hash_seed = known ? identity->hash_seed : 0,
        .context = checking,
        .say = say,
        .lost = say_lost,
    };

    checking->text = output_text();
    checking->damages = checking->cli->json ? json_array() : NULL;
    checking->notices = checking->cli->json ? json_array() : NULL;
    checking->keys = checking->cli->json ? json_array() : NULL;
    checking->unnamed = 0;
    const int error = log_check_run(&check);

    show_shard(checking, path, &check, error);
    text_free(&checking->text);
    checking->count++;
    checking->records += check.records;
    checking->unreadable += check.unreadable;
    if (error != 0 || (!checking->mend && (check.unreadable != 0 || check.damages != 0))) {
        checking->code = EXIT_FAILED;
    }
}

// A node's directory ------------------------------------------------------------------------------

// Who lives there, and which generation holds the data.
static int find_identity(struct io *io, const char *path, struct data_identity *ret_identity,
                         char *ret_why)
{
    uint8_t bytes[DATA_DIR_CURRENT_BYTES + 1];
    char name[PATH_BYTES];
    uint32_t size = 0;

    (void)snprintf(name, sizeof name, "%.4000s/CURRENT", path);
    const int fd = wait_open(io, name, IO_OPEN_READ);

    int error = fd < 0 ? fd : wait_read_some(io, fd, bytes, sizeof bytes, 0, &size);

    if (fd >= 0) {
        (void)wait_close(io, fd);
    }
    error = error != 0 ? error : data_dir_read_current(slice_of(bytes, size), ret_identity);
    if (error == -EPROTONOSUPPORT) {
        data_dir_explain_newer(path, data_dir_current_version(slice_of(bytes, size)), ret_why);
    } else if (error != 0) {
        (void)snprintf(ret_why, DATA_DIR_ERROR_BYTES, "%.200s/CURRENT cannot be read (%s)", path,
                       error == -EBADMSG ? "it is damaged" : strerror(-error));
    }
    return error;
}

// Nobody else may run there meanwhile: 0 with the lock's descriptor, -1 where there is no lock
// file.
static int take_lock(struct io *io, const char *path, int *ret_fd)
{
    char name[PATH_BYTES];

    (void)snprintf(name, sizeof name, "%.4000s/LOCK", path);
    *ret_fd = wait_open(io, name, IO_OPEN_READ);
    if (*ret_fd == -ENOENT) {
        *ret_fd = -1;
        return 0;
    }
    const int error = *ret_fd < 0 ? *ret_fd : io_lock(io, *ret_fd);

    if (error != 0 && *ret_fd >= 0) {
        (void)wait_close(io, *ret_fd);
    }
    return error;
}

static int check_node(struct checking *checking, struct io *io, const char *path)
{
    char shard[PATH_BYTES];
    char name[64];
    char why_not[DATA_DIR_ERROR_BYTES];
    struct data_identity identity;
    int lock = -1;
    int error = take_lock(io, path, &lock);

    if (error != 0) {
        return cli_fail(checking->cli, "%s: %s", path,
                        error == -EWOULDBLOCK ? "a node runs on it; stop it first"
                                              : strerror(-error));
    }
    error = find_identity(io, path, &identity, why_not);
    if (error != 0) {
        checking->code = cli_fail(checking->cli, "%s", why_not);
    }
    for (uint32_t i = 0; error == 0 && i < SHARDS_MAX; i++) {
        (void)snprintf(name, sizeof name, "generation-%u/shard-%u", identity.generation, i);
        if (!exists(path, name)) {
            break;
        }
        (void)snprintf(shard, sizeof shard, "%.4000s/%s", path, name);
        check_shard(checking, io, shard, &identity, i);
    }
    if (lock >= 0) {
        (void)wait_close(io, lock);
    }
    return checking->code;
}

// The verbs ---------------------------------------------------------------------------------------

static int run(struct cli *cli, const char *path, bool mend)
{
    const struct io_uring_options options = {
        .queue_entries = 64, .buffer_count = 16, .buffer_bytes = 4096};
    struct checking checking = {.cli = cli, .mend = mend, .code = EXIT_DONE};
    char why_not[IO_ERROR_TEXT_MAX];
    struct stat status;
    struct io *io;

    if (stat(path, &status) != 0 || !S_ISDIR(status.st_mode)) {
        return cli_fail(cli, "cannot read %s: %s", path, strerror(errno != 0 ? errno : ENOTDIR));
    }
    if (io_uring_open(&options, &io, why_not) != 0) {
        return cli_fail(cli, "%s", why_not);
    }
    checking.shards = cli->json ? json_array() : NULL;
    if (exists(path, "MANIFEST") || exists(path, "segment-00000")) {
        check_shard(&checking, io, path, NULL, 0);
    } else if (exists(path, "CURRENT")) {
        checking.code = check_node(&checking, io, path);
    }
    io_destroy(io);
    if (checking.count == 0 && checking.code == EXIT_DONE) {
        json_decref(checking.shards);
        return cli_fail(cli, "%s: nothing was checked: there is no data of the log engine in it",
                        path);
    }
    if (cli->json) {
        const int code =
            cli_print_json(cli, json_pack("{s:s, s:I, s:I, s:b, s:o}", "directory", path, "records",
                                          (json_int_t)checking.records, "unreadable",
                                          (json_int_t)checking.unreadable, "whole",
                                          checking.code == EXIT_DONE && checking.unreadable == 0,
                                          "shards", checking.shards));

        return code != EXIT_DONE ? code : checking.code;
    }
    return checking.code;
}

static int check_run(struct cli *cli, const struct verb_input *input)
{
    return run(cli, input->words[0], false);
}

static int repair_run(struct cli *cli, const struct verb_input *input)
{
    return run(cli, input->words[0], true);
}

const struct verb verb_check = {
    .name = "check",
    .arguments = "DIR",
    .summary = "verify a data directory of a stopped node",
    .details =
        "DIR is node.data_dir, or the directory of one shard in it. Reads every record that a "
        "key leads to, and changes nothing. Says which files are damaged and which keys cannot be "
        "read, and exits with 3 when there are any, or when nothing could be checked. Frames that "
        "the last stop has cut off in their writing are told as torn, which is no damage: nobody "
        "was told that they were durable. A shard whose MANIFEST is lost is told as damaged, and "
        "looked through all the same, when DIR is node.data_dir.",
    .words_min = 1,
    .words_max = 1,
    .run = check_run,
};

const struct verb verb_repair = {
    .name = "repair",
    .arguments = "DIR",
    .summary = "set aside what is damaged in a data directory of a stopped node",
    .details =
        "Finds what can be found, as rldbd does when it starts. Then copies each segment with "
        "records that cannot be read to a file aside-* beside it, and lets the keys of these "
        "records lead nowhere: what reads as an error before is not found after. Blocks that the "
        "disk fails to read are written over with zeros. Deletes no file, and makes a MANIFEST "
        "anew that is lost or cannot be read. Run check first, and repair only what no other "
        "replica can give back.",
    .words_min = 1,
    .words_max = 1,
    .run = repair_run,
};
