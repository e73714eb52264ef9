// The log engine alone under crashes and failing disks: log_run.h.
//
//     sim_log                        the short form: SHORT_SEEDS seeds
//     sim_log --seeds A..B [--verbose]
//     sim_log --seed N [--trace]     one, twice: the traces have to be equal
//     sim_log --planted              the bugs of core/planted.h that it finds
//     sim_log --planted NAME ...     with that bug, in a build with -Dplanted=true
//
// Exit 0 when every seed held, and from SHORT_SEEDS seeds on every mark was reached.
#include "tests/sim/log_run.h"
#include "tests/sim/planted.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

enum {
    SHORT_SEEDS = 150,
    AGAIN_EVERY = 25,   // seeds that are run a second time, for the same trace
    EXIT_VIOLATION = 3, // an oracle found something, and has said so
};

#define ORACLE(name) (1U << SIM_ORACLE_##name)

// Where two oracles are named, chance says which of them meets the damage first.
static const struct planted_row planted_rows[] = {
    {PLANTED_EARLY_ACKNOWLEDGE, 100, ORACLE(DURABLE) | ORACLE(DAMAGE), false, NULL},
    {PLANTED_SKIP_DIRECTORY_SYNC, 300, ORACLE(DURABLE) | ORACLE(DAMAGE), false, NULL},
    {PLANTED_MOVE_LATE, 1000, ORACLE(DURABLE) | ORACLE(HISTORY) | ORACLE(CHECK), false, NULL},
    {PLANTED_ERROR_IS_MISS, 100, ORACLE(HISTORY) | ORACLE(DURABLE) | ORACLE(DAMAGE) | ORACLE(CHECK),
     false, NULL},
    {PLANTED_REPLAY_TORN, 300, ORACLE(DURABLE) | ORACLE(DAMAGE) | ORACLE(CHECK), false, NULL},
    {PLANTED_EARLY_REUSE, 1000, ORACLE(DURABLE) | ORACLE(DAMAGE) | ORACLE(CHECK), false, NULL},
    {PLANTED_IGNORE_CHECKSUM, 300, ORACLE(DAMAGE) | ORACLE(CHECK), false, NULL},
    {PLANTED_FREE_PINNED, 300, ORACLE(DAMAGE) | ORACLE(CHECK), false, NULL},
    {PLANTED_FORGET_REMOVAL, 300, ORACLE(DURABLE) | ORACLE(DAMAGE) | ORACLE(CHECK), false, NULL},
    {PLANTED_SYNC_SHORT, 1000, ORACLE(DURABLE) | ORACLE(DAMAGE) | ORACLE(CHECK), false, NULL},
    {PLANTED_ACKNOWLEDGE_AHEAD, 300, ORACLE(DURABLE) | ORACLE(DAMAGE), false, NULL},
    {PLANTED_REUSE_UNSETTLED, 1000, ORACLE(DURABLE) | ORACLE(DAMAGE) | ORACLE(CHECK), false, NULL},
    {PLANTED_EARLY_LARGE, 500, ORACLE(DURABLE) | ORACLE(DAMAGE) | ORACLE(CHECK), false, NULL},
    {PLANTED_EARLY_DROP, 100, ORACLE(DURABLE), false, NULL},
    {PLANTED_REPLAY_DROP, 300, ORACLE(DURABLE), false, NULL},
    {PLANTED_REAP_UNSAID, 300, ORACLE(DURABLE) | ORACLE(DAMAGE) | ORACLE(CHECK), false, NULL},
    {PLANTED_STALE_FOOTER, 1000, ORACLE(DURABLE) | ORACLE(DAMAGE) | ORACLE(CHECK), false, NULL},
};

struct options {
    uint64_t first;
    uint64_t last;
    bool verbose;
    bool trace;
};

static const char *const mark_names[LOG_MARK_COUNT] = {
#define MARK_NAME(name, text) [LOG_MARK_##name] = (text),
    LOG_MARKS(MARK_NAME)
#undef MARK_NAME
};

static bool run_seed(const struct options *options, uint64_t seed, struct log_result *ret_result)
{
    struct log_result again;

    log_run(seed, options->trace, ret_result);
    if (!ret_result->fine || options->trace ||
        (seed % AGAIN_EVERY != 0 && options->first != options->last)) {
        return ret_result->fine;
    }
    log_run(seed, false, &again);
    if (again.fine && again.hash != ret_result->hash) {
        (void)fprintf(stderr, "oracle %s: two runs, two traces\nseed %" PRIu64 "\n",
                      sim_oracle_name(SIM_ORACLE_TRACE), seed);
    }
    return again.fine && again.hash == ret_result->hash;
}

static int run_all(const struct options *options, uint64_t *seed)
{
    const bool enough = options->last - options->first + 1 >= SHORT_SEEDS;
    uint64_t operations = 0;
    uint64_t lives = 0;
    uint64_t traces = 0;
    double virtual_s = 0;
    uint64_t marks[LOG_MARK_COUNT] = {0};
    bool fine = true;

    for (*seed = options->first; *seed <= options->last; ++*seed) {
        struct log_result result;

        if (!run_seed(options, *seed, &result)) {
            _exit(EXIT_VIOLATION); // what stopped in the middle has not given back its memory
        }
        operations += result.operations;
        lives += result.lives;
        traces = traces * 31 + result.hash;
        virtual_s += (double)result.virtual_ns / 1e9;
        for (uint32_t i = 0; i < LOG_MARK_COUNT; i++) {
            marks[i] += result.marks[i];
        }
    }
    (void)printf("runs %" PRIu64 ", operations %" PRIu64 ", lives %" PRIu64
                 ", %.0f s simulated, traces %016" PRIx64 "\n",
                 options->last - options->first + 1, operations, lives, virtual_s, traces);
    for (uint32_t i = 0; i < LOG_MARK_COUNT; i++) {
        const bool missed = enough && marks[i] == 0;

        if (options->verbose || missed) {
            (void)printf("%6" PRIu64 " %s%s\n", marks[i], mark_names[i],
                         missed ? "   <-- never reached" : "");
        }
        fine = fine && !missed;
    }
    return fine ? EXIT_SUCCESS : EXIT_VIOLATION;
}

// In a process of its own, so that a seed that aborts can be named.
static int run_watched(const struct options *options)
{
    uint64_t *const seed =
        mmap(NULL, sizeof *seed, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    int status = 0;

    if (seed == MAP_FAILED) {
        perror("sim_log: mmap");
        return EXIT_FAILURE;
    }
    const pid_t child = fork();

    if (child == 0) {
        exit(run_all(options, seed));
    }
    if (child < 0 || waitpid(child, &status, 0) != child) {
        perror("sim_log: a process for the seeds");
        return EXIT_FAILURE;
    }
    if (WIFEXITED(status) &&
        (WEXITSTATUS(status) == EXIT_SUCCESS || WEXITSTATUS(status) == EXIT_VIOLATION)) {
        return WEXITSTATUS(status);
    }
    (void)fprintf(stderr,
                  "oracle %s: the message is above\nseed %" PRIu64
                  "\nreplay: sim_log --seed %" PRIu64 "\n",
                  sim_oracle_name(SIM_ORACLE_CHECK), *seed, *seed);
    return EXIT_VIOLATION;
}

static bool parse_seeds(const char *text, struct options *options)
{
    char *rest = NULL;

    options->first = options->last = strtoull(text, &rest, 10);
    if (rest == text) {
        return false;
    }
    if (strncmp(rest, "..", 2) == 0) {
        text = rest + 2;
        options->last = strtoull(text, &rest, 10);
    }
    return rest != text && *rest == '\0' && options->first <= options->last;
}

static bool parse_options(int argc, char **argv, struct options *options)
{
    for (int i = 1; i < argc; i++) {
        const bool more = i + 1 < argc;

        if (strcmp(argv[i], "--verbose") == 0) {
            options->verbose = true;
        } else if (strcmp(argv[i], "--trace") == 0) {
            options->trace = true;
        } else if (more && strncmp(argv[i], "--seed", 6) == 0) {
            if (!parse_seeds(argv[++i], options)) {
                return false;
            }
        } else if (!more || strcmp(argv[i], "--planted") != 0 || !planted_choose(argv[++i])) {
            return false;
        }
    }
    return !options->trace || options->first == options->last;
}

int main(int argc, char **argv)
{
    struct options options = {.first = 1, .last = SHORT_SEEDS};

    if (argc == 2 && strcmp(argv[1], "--planted") == 0) {
        planted_print(planted_rows, sizeof planted_rows / sizeof *planted_rows);
        return EXIT_SUCCESS;
    }
    if (!parse_options(argc, argv, &options)) {
        (void)fprintf(stderr, "usage: sim_log [--seed N [--trace] | --seeds A..B] [--verbose] "
                              "[--planted NAME]\n"
                              "       sim_log --planted\n");
        return 2;
    }
    return run_watched(&options);
}
