// check: verifies a data directory without a server.
#include "cli/verb.h"

#include <dirent.h>
#include <errno.h>
#include <string.h>

// How many entries the directory has. -errno when it cannot be read.
static int check_count(const char *path, size_t *ret_count)
{
    DIR *const directory = opendir(path);
    size_t count = 0;

    if (directory == NULL) {
        return -errno;
    }
    for (const struct dirent *entry = readdir(directory); entry != NULL;
         entry = readdir(directory)) {
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0) {
            count++;
        }
    }
    closedir(directory);
    *ret_count = count;
    return 0;
}

// Nothing was verified, and that must not look like a success to a script.
static int check_run(struct cli *cli, const struct verb_input *input)
{
    const char *const path = input->words[0];
    size_t count = 0;
    const int error = check_count(path, &count);

    if (error != 0) {
        return cli_fail(cli, "cannot read %s: %s", path, strerror(-error));
    }
    if (cli->json) {
        const int code =
            cli_print_json(cli, json_pack("{s:s, s:I, s:i, s:b}", "directory", path, "entries",
                                          (json_int_t)count, "checked", 0, "complete", 0));

        return code != EXIT_DONE ? code : EXIT_FAILED;
    }
    return cli_fail(cli,
                    "%s: nothing was checked: the memory engine keeps no data on disk, and this "
                    "version has no other engine (the directory holds %zu files)",
                    path, count);
}

const struct verb verb_check = {
    .name = "check",
    .arguments = "DIR",
    .summary = "verify a data directory of a stopped node",
    .details = "Changes nothing. This version's only engine is the memory engine, which keeps no "
               "data on disk: check "
               "then says so and exits with 3, since nothing was verified.",
    .words_min = 1,
    .words_max = 1,
    .run = check_run,
};
