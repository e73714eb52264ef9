// One simulated node under a random workload: real cores on a simulated network, with all that
// clients do.
//
//     sim_node                          the short form: SHORT_SEEDS seeds
//     sim_node --seeds A..B [--cores C] [--verbose]
//     sim_node --seed N [--cores C]
//     sim_node --planted                the bugs of core/planted.h, and who finds them
//     sim_node --planted NAME ...       with that bug, in a build with -Dplanted=true
//
// A seed decides everything; without --cores it decides their number too. What a run is held to,
// and by whom: sim_oracle.h. Exit 0 when every seed held, and from SHORT_SEEDS seeds on every mark
// of node_marks.h was reached.
#include "tests/sim/node_load.h"
#include "tests/sim/node_planted.h"

#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

enum {
    SHORT_SEEDS = 300,
    AGAIN_EVERY = 25,   // seeds that are run a second time, for the same trace
    EXIT_VIOLATION = 3, // an oracle found something, and has said so
};

struct run_options {
    uint64_t first;
    uint64_t last;
    uint32_t cores; // 0: the seed says
    bool verbose;
};

struct totals {
    uint64_t runs;
    uint64_t requests;
    uint64_t operations;
    uint64_t undecided;
    uint64_t virtual_ns;
    uint64_t marks[MARK_COUNT]; // runs that reached it
};

// What the process that runs seeds leaves for the one that watches it.
struct watched {
    uint64_t seed; // the one under way
};

static const char *const mark_names[MARK_COUNT] = {
#define MARK_NAME(name, text) [MARK_##name] = (text),
    LOAD_MARKS(MARK_NAME)
#undef MARK_NAME
};

// Seeds ---------------------------------------------------------------------------------------

static bool run_again(const struct load_options *options, const struct load_result *before)
{
    struct load_result result;

    load_run(options, &result);
    if (result.fine && result.hash != before->hash) {
        (void)fprintf(stderr,
                      "oracle %s: two runs, two traces: %016" PRIx64 " and %016" PRIx64
                      "\nseed %" PRIu64 "\nreplay: sim_node --seed %" PRIu64 "\n",
                      sim_oracle_name(SIM_ORACLE_TRACE), before->hash, result.hash, options->seed,
                      options->seed);
    }
    return result.fine && result.hash == before->hash;
}

static void totals_add(struct totals *totals, const struct load_result *result)
{
    totals->runs++;
    totals->requests += result->requests;
    totals->operations += result->operations;
    totals->undecided += result->undecided;
    totals->virtual_ns += result->virtual_ns;
    for (uint32_t i = 0; i < MARK_COUNT; i++) {
        totals->marks[i] += result->marks[i];
    }
}

static bool run_seeds(const struct run_options *options, struct watched *watched,
                      struct totals *totals)
{
    for (uint64_t seed = options->first; seed <= options->last; seed++) {
        const struct load_options run = {
            .seed = seed, .cores = options->cores, .verbose = options->verbose};
        struct load_result result;

        watched->seed = seed;
        if (options->verbose) {
            (void)fprintf(stderr, "seed %" PRIu64 "\n", seed);
        }
        load_run(&run, &result);
        if (!result.fine || ((seed % AGAIN_EVERY == 0 || options->first == options->last) &&
                             !run_again(&run, &result))) {
            return false;
        }
        totals_add(totals, &result);
    }
    return true;
}

// False when a mark was not reached by as many seeds as should.
static bool totals_print(const struct run_options *options, const struct totals *totals)
{
    const bool enough = totals->runs >= SHORT_SEEDS && options->cores == 0;
    bool fine = true;

    (void)printf("runs %" PRIu64 ", requests %" PRIu64 ", operations checked %" PRIu64
                 ", undecided %" PRIu64 ", %.0f s of virtual time\n",
                 totals->runs, totals->requests, totals->operations, totals->undecided,
                 (double)totals->virtual_ns / 1e9);
    for (uint32_t i = 0; i < MARK_COUNT; i++) {
        const bool missed = enough && totals->marks[i] == 0;

        if (options->verbose || missed) {
            (void)printf("%6" PRIu64 " %s%s\n", totals->marks[i], mark_names[i],
                         missed ? "   <-- never reached" : "");
        }
        fine = fine && !missed;
    }
    (void)fflush(stdout);
    return fine;
}

static int run_here(const struct run_options *options, struct watched *watched)
{
    struct totals totals = {0};

    if (!run_seeds(options, watched, &totals)) {
        _exit(EXIT_VIOLATION); // a world that stopped in the middle has not given back its memory
    }
    return totals_print(options, &totals) ? EXIT_SUCCESS : EXIT_VIOLATION;
}

// Many seeds run in a process of their own, so that one that aborts can be named.
static int run_watched(const struct run_options *options)
{
    struct watched *const watched =
        mmap(NULL, sizeof *watched, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    int status = 0;

    if (watched == MAP_FAILED) {
        perror("sim_node: mmap");
        return EXIT_FAILURE;
    }
    const pid_t child = fork();

    if (child <= 0) {
        (void)prctl(PR_SET_PDEATHSIG, SIGKILL); // whoever ends the watcher means both
        return run_here(options, watched);
    }
    if (waitpid(child, &status, 0) != child) {
        perror("sim_node: waitpid");
        return EXIT_FAILURE;
    }
    if (!WIFEXITED(status) ||
        (WEXITSTATUS(status) != EXIT_SUCCESS && WEXITSTATUS(status) != EXIT_VIOLATION)) {
        (void)fprintf(stderr,
                      "oracle %s: the message is above\nseed %" PRIu64
                      "\nreplay: sim_node --seed %" PRIu64 "\n",
                      sim_oracle_name(SIM_ORACLE_CHECK), watched->seed, watched->seed);
        return EXIT_VIOLATION;
    }
    return WEXITSTATUS(status);
}

// Options -------------------------------------------------------------------------------------

static bool parse_number(const char *text, uint64_t *ret_number, const char **ret_rest)
{
    char *end = NULL;

    *ret_number = strtoull(text, &end, 10);
    *ret_rest = end;
    return end != text;
}

static bool parse_seeds(const char *text, struct run_options *options)
{
    const char *rest = NULL;

    if (!parse_number(text, &options->first, &rest)) {
        return false;
    }
    options->last = options->first;
    if (strncmp(rest, "..", 2) == 0 && !parse_number(rest + 2, &options->last, &rest)) {
        return false;
    }
    return *rest == '\0';
}

static bool parse_option(const char *name, const char *value, struct run_options *options)
{
    const char *rest = NULL;
    uint64_t cores = 0;

    if (strcmp(name, "--seed") == 0 || strcmp(name, "--seeds") == 0) {
        return parse_seeds(value, options);
    }
    if (strcmp(name, "--cores") == 0) {
        options->cores = parse_number(value, &cores, &rest) && cores <= 8 ? (uint32_t)cores : 0;
        return options->cores != 0 && *rest == '\0';
    }
    return strcmp(name, "--planted") == 0 && planted_choose(value);
}

static bool parse_options(int argc, char **argv, struct run_options *options)
{
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--verbose") == 0) {
            options->verbose = true;
        } else if (i + 1 == argc || !parse_option(argv[i], argv[i + 1], options)) {
            return false;
        } else {
            i++;
        }
    }
    return true;
}

int main(int argc, char **argv)
{
    struct run_options options = {.first = 1, .last = SHORT_SEEDS};
    struct watched alone;

    if (argc == 2 && strcmp(argv[1], "--planted") == 0) {
        planted_print();
        return EXIT_SUCCESS;
    }
    if (!parse_options(argc, argv, &options)) {
        (void)fprintf(stderr, "usage: sim_node [--seed N | --seeds A..B] [--cores C] [--verbose] "
                              "[--planted NAME]\n"
                              "       sim_node --planted\n");
        return 2;
    }
    return options.first == options.last ? run_here(&options, &alone) : run_watched(&options);
}
