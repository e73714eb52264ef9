// The simulator's program: rldb's nodes under a random workload and random faults, in virtual time.
//
//     sim                              the short form: SHORT_SEEDS seeds
//     sim --seeds A..B                 as many as you like, with a line that tells how far it is
//     sim --seed N                     one, twice: the traces have to be equal
//     sim --seed N --trace             one, told as a story: every effect in a line
//     sim --seed N --minimize          which of its faults a failing seed needs
//     sim --planted                    the bugs of core/planted.h, and who finds them
//     sim --planted NAME ...           with that bug, in a build with -Dplanted=true
//
//     --profile P    the kinds of faults: calm, disk, network, crash, overload, everything
//     --nodes K      nodes, which do not know each other yet
//     --cores C      cores of each
//     --engine E     memory, log
//     --time T       virtual time for which there is load: 500ms, 20s, 5m, 1h
//     --only 1,4     leaves out all faults but these, by their numbers (none: all)
//     --verbose      the marks, and how many seeds reached each
//
// What is not given the seed decides. What a run is held to, and by whom: sim_oracle.h. A failure
// prints the line that replays it. Exit 0 when every seed held, and from SHORT_SEEDS seeds on,
// where the seed decides all, every mark of node_marks.h was reached.
#include "tests/sim/node_load.h"
#include "tests/sim/node_planted.h"
#include "tests/sim/sim_options.h"

#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum {
    AGAIN_EVERY = 25,    // seeds that are run a second time, for the same trace
    PROCESS_SEEDS = 500, // what killed processes leave behind goes with the one that played them
    PROGRESS_S = 5,
    EXIT_VIOLATION = 3, // an oracle found something, and has said so
    SYNC_COUNT = CONFIG_SYNC_NEVER + 1,
};

struct totals {
    uint64_t runs;
    uint64_t requests;
    uint64_t operations;
    uint64_t undecided;
    uint64_t virtual_ns;
    uint64_t loaded_ns;
    uint64_t traces;                  // all hashes in one
    uint64_t faults[SIM_FAULT_KINDS]; // runs that had it
    uint64_t engines[LOAD_ENGINE_COUNT];
    uint64_t profiles[SIM_FAULT_PROFILE_COUNT];
    uint64_t syncs[SYNC_COUNT]; // of runs of the log engine
    uint64_t cores[LOAD_CORES_MAX + 1];
    uint64_t marks[MARK_COUNT]; // runs that reached it
};

// Between the processes that run seeds and the one that watches them.
struct watched {
    uint64_t seed; // the one under way
    struct totals totals;
    double began_s;
    double told_s;   // when the last line of progress was written
    uint32_t faults; // drawn in the run under way
    uint32_t oracle; // of enum sim_oracle: who found the failure
    bool leaked;     // a process cannot end as one that gave all back
};

static const char *const mark_names[MARK_COUNT] = {
#define MARK_NAME(name, text) [MARK_##name] = (text),
    LOAD_MARKS(MARK_NAME)
#undef MARK_NAME
};

static double real_s(void)
{
    struct timespec now;

    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

// One run ---------------------------------------------------------------------------------------

static struct load_options run_options(const struct sim_options *options, uint64_t seed,
                                       struct watched *watched)
{
    return (struct load_options){
        .seed = seed,
        .nodes = options->nodes,
        .cores = options->cores,
        .profile = options->profile,
        .engine = options->engine,
        .time_ns = options->time_ns,
        .keep = options->only ? options->keep : NULL,
        .tell = options->trace,
        .ret_faults = &watched->faults,
    };
}

static bool run_again(const struct load_options *run, const struct load_result *before)
{
    struct load_result result;

    load_run(run, &result);
    if (result.fine && result.hash != before->hash) {
        (void)fprintf(stderr,
                      "oracle %s: two runs, two traces: %016" PRIx64 " and %016" PRIx64
                      "\nseed %" PRIu64 "\n",
                      sim_oracle_name(SIM_ORACLE_TRACE), before->hash, result.hash, run->seed);
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
    totals->loaded_ns += result->loaded_ns;
    totals->traces = totals->traces * 31 + result->hash;
    for (uint32_t i = 0; i < SIM_FAULT_KINDS; i++) {
        totals->faults[i] += result->fault_kinds >> i & 1;
    }
    totals->engines[result->engine]++;
    totals->profiles[result->profile]++;
    totals->syncs[result->sync] += result->engine == LOAD_ENGINE_LOG;
    totals->cores[result->cores]++;
    for (uint32_t i = 0; i < MARK_COUNT; i++) {
        totals->marks[i] += result->marks[i];
    }
}

static uint32_t marks_reached(const struct totals *totals)
{
    uint32_t reached = 0;

    for (uint32_t i = 0; i < MARK_COUNT; i++) {
        reached += totals->marks[i] != 0;
    }
    return reached;
}

static void progress(const struct sim_options *options, struct watched *watched)
{
    const struct totals *const totals = &watched->totals;
    const double now_s = real_s();
    const double simulated_s = (double)totals->virtual_ns / 1e9;

    if (now_s - watched->told_s < PROGRESS_S) {
        return;
    }
    watched->told_s = now_s;
    (void)fprintf(stderr,
                  "seeds %" PRIu64 " of %" PRIu64 ", %.0f s simulated, %.0f times real time, "
                  "%u of %u marks\n",
                  totals->runs, options->last - options->first + 1, simulated_s,
                  simulated_s / (now_s - watched->began_s), marks_reached(totals), MARK_COUNT);
}

static bool run_seed(const struct sim_options *options, uint64_t seed, struct watched *watched)
{
    const struct load_options run = run_options(options, seed, watched);
    const bool twice = seed % AGAIN_EVERY == 0 || options->first == options->last;
    struct load_result result;

    watched->seed = seed;
    watched->oracle = SIM_ORACLE_CHECK; // who is not heard of any more aborted
    load_run(&run, &result);
    watched->leaked = watched->leaked || result.leaked;
    watched->oracle = result.oracle;
    if (!result.fine) {
        return false;
    }
    if (twice && !options->trace && !run_again(&run, &result)) {
        watched->oracle = SIM_ORACLE_TRACE;
        return false;
    }
    totals_add(&watched->totals, &result);
    return true;
}

// Many runs -------------------------------------------------------------------------------------

static int run_here(const struct sim_options *options, uint64_t first, uint64_t last,
                    struct watched *watched)
{
    bool fine = true;

    for (uint64_t seed = first; seed <= last && fine; seed++) {
        fine = run_seed(options, seed, watched);
        if (first != last) {
            progress(options, watched);
        }
    }
    (void)fflush(stdout);
    if (!fine || watched->leaked) {
        // A world that stopped in the middle has not given back its memory.
        _exit(fine ? EXIT_SUCCESS : EXIT_VIOLATION);
    }
    return EXIT_SUCCESS;
}

// In a process of its own, so that a run that aborts can be named. EXIT_SUCCESS, EXIT_VIOLATION, or
// what else it ended with.
static int run_apart(const struct sim_options *options, uint64_t first, uint64_t last, bool quiet,
                     struct watched *watched)
{
    int status = 0;

    watched->leaked = false;
    (void)fflush(stdout);
    const pid_t child = fork();

    if (child == 0) {
        (void)prctl(PR_SET_PDEATHSIG, SIGKILL); // whoever ends the watcher means both
        if (quiet) {
            (void)freopen("/dev/null", "w", stderr);
        }
        exit(run_here(options, first, last, watched));
    }
    if (child < 0 || waitpid(child, &status, 0) != child) {
        perror("sim: a process for the seeds");
        return EXIT_FAILURE;
    }
    return WIFEXITED(status) ? WEXITSTATUS(status) : EXIT_FAILURE;
}

static void print_replay(const struct sim_options *options, uint64_t seed)
{
    char text[SIM_OPTIONS_TEXT_MAX];

    sim_options_print(options, text);
    (void)fprintf(stderr, "replay: sim --seed %" PRIu64 "%s\n", seed, text);
}

// How many runs had what they drew, or were given.
static void totals_print_drawn(const struct totals *totals)
{
    static const char *const syncs[SYNC_COUNT] = {"always", "interval", "never"};

    for (uint32_t i = 0; i < LOAD_ENGINE_COUNT; i++) {
        (void)printf("%6" PRIu64 " engine: %s\n", totals->engines[i], load_engine_names[i]);
    }
    for (uint32_t i = 0; i < SYNC_COUNT; i++) {
        (void)printf("%6" PRIu64 " sync: %s\n", totals->syncs[i], syncs[i]);
    }
    for (uint32_t i = 0; i < SIM_FAULT_PROFILE_COUNT; i++) {
        (void)printf("%6" PRIu64 " profile: %s\n", totals->profiles[i],
                     sim_fault_profile_name((enum sim_fault_profile)i));
    }
    for (uint32_t i = 1; i <= LOAD_CORES_MAX; i++) {
        if (totals->cores[i] != 0) {
            (void)printf("%6" PRIu64 " cores: %u\n", totals->cores[i], i);
        }
    }
    for (uint32_t i = 0; i < SIM_FAULT_KINDS; i++) {
        (void)printf("%6" PRIu64 " fault: %s\n", totals->faults[i],
                     sim_fault_name((enum sim_fault_kind)i));
    }
}

// False when a mark was not reached by as many seeds as should.
static bool totals_print(const struct sim_options *options, const struct watched *watched)
{
    const struct totals *const totals = &watched->totals;
    const bool enough = totals->runs >= SIM_SHORT_SEEDS && !options->narrowed;
    const double real = real_s() - watched->began_s;
    bool fine = true;

    (void)printf("runs %" PRIu64 ", requests %" PRIu64 ", operations checked %" PRIu64
                 ", undecided %" PRIu64 ", %.0f s simulated (%.0f under load) in %.1f s, "
                 "%.0f times real time, traces %016" PRIx64 "\n",
                 totals->runs, totals->requests, totals->operations, totals->undecided,
                 (double)totals->virtual_ns / 1e9, (double)totals->loaded_ns / 1e9, real,
                 (double)totals->virtual_ns / 1e9 / (real > 0 ? real : 1), totals->traces);
    if (options->verbose) {
        totals_print_drawn(totals);
    }
    for (uint32_t i = 0; i < MARK_COUNT; i++) {
        const bool missed = enough && totals->marks[i] == 0;

        if (options->verbose || missed) {
            (void)printf("%6" PRIu64 " %s%s\n", totals->marks[i], mark_names[i],
                         missed ? "   <-- never reached" : "");
        }
        fine = fine && !missed;
    }
    return fine;
}

static int run_all(const struct sim_options *options, struct watched *watched)
{
    for (uint64_t seed = options->first; seed <= options->last; seed += PROCESS_SEEDS) {
        const uint64_t rest = options->last - seed;
        const int status = run_apart(
            options, seed, rest < PROCESS_SEEDS ? options->last : seed + PROCESS_SEEDS - 1, false,
            watched);

        if (status == EXIT_SUCCESS) {
            continue;
        }
        if (status != EXIT_VIOLATION) {
            (void)fprintf(stderr, "oracle %s: the message is above\nseed %" PRIu64 "\n",
                          sim_oracle_name(SIM_ORACLE_CHECK), watched->seed);
        }
        print_replay(options, watched->seed);
        return EXIT_VIOLATION;
    }
    return totals_print(options, watched) ? EXIT_SUCCESS : EXIT_VIOLATION;
}

// Fewer faults ----------------------------------------------------------------------------------

// Whether the seed still fails in the same way with the faults that are kept.
static bool still_fails(const struct sim_options *options, uint32_t oracle, struct watched *watched)
{
    const int status = run_apart(options, options->first, options->first, true, watched);

    return status != EXIT_SUCCESS && watched->oracle == oracle;
}

// Leaves out half of them, then quarters, and so on to single ones: Zeller and Hildebrandt,
// "Simplifying and isolating failure-inducing input", 2002, without its tests of complements.
static void minimize(struct sim_options *options, uint32_t oracle, uint32_t count,
                     struct watched *watched)
{
    for (uint32_t size = count; size != 0;) {
        bool smaller = false;

        for (uint32_t at = 0; at < count; at += size) {
            bool before[SIM_FAULTS_MAX];
            uint32_t dropped = 0;

            memcpy(before, options->keep, sizeof before);
            for (uint32_t i = at; i < count && i < at + size; i++) {
                dropped += options->keep[i];
                options->keep[i] = false;
            }
            if (dropped != 0 && still_fails(options, oracle, watched)) {
                smaller = true;
            } else {
                memcpy(options->keep, before, sizeof before);
            }
        }
        size = size == 1 && smaller ? 1 : size / 2;
    }
}

static int run_minimize(struct sim_options *options, struct watched *watched)
{
    if (run_apart(options, options->first, options->first, true, watched) == EXIT_SUCCESS) {
        (void)printf("seed %" PRIu64 " holds\n", options->first);
        return EXIT_SUCCESS;
    }
    const uint32_t oracle = watched->oracle;
    const uint32_t count = watched->faults;

    for (uint32_t i = 0; i < SIM_FAULTS_MAX; i++) {
        options->keep[i] = (!options->only || options->keep[i]) && i < count;
    }
    options->only = true;
    minimize(options, oracle, count, watched);
    (void)run_apart(options, options->first, options->first, false, watched);
    print_replay(options, options->first);
    return EXIT_VIOLATION;
}

int main(int argc, char **argv)
{
    struct sim_options options;
    struct watched *const watched =
        mmap(NULL, sizeof *watched, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

    if (watched == MAP_FAILED) {
        perror("sim: mmap");
        return EXIT_FAILURE;
    }
    if (argc == 2 && strcmp(argv[1], "--planted") == 0) {
        planted_print(node_planted_rows, node_planted_count);
        return EXIT_SUCCESS;
    }
    if (!sim_options_parse(argc, argv, &options)) {
        (void)fprintf(stderr, "%s", sim_options_usage);
        return 2;
    }
    watched->began_s = watched->told_s = real_s();
    return options.minimize ? run_minimize(&options, watched) : run_all(&options, watched);
}
