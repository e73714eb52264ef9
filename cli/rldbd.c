// rldbd: the daemon. Reads the configuration, starts a thread for each shard, waits for a signal,
// stops them.
#include "cluster/node.h"
#include "cluster/shard.h"
#include "core/check.h"
#include "core/config.h"
#include "core/cpu.h"
#include "core/io.h"
#include "core/limits.h"
#include "core/log_file.h"
#include "core/memory.h"
#include "core/notify.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

enum { EXIT_USAGE = 2, EXIT_FAILED = 3 };

// Descriptors that are nobody's connection: standard streams, log, HTTP and its connections; a
// shard's ring and listeners.
enum { DESCRIPTORS_OF_NODE = 16, DESCRIPTORS_OF_SHARD = 8 };

#define EXTEND_NS UINT64_C(10000000000) // between two words to the supervisor while a start lasts

enum { PORT_TRIES = 50, PORT_PAUSE_NS = 20 * 1000 * 1000 }; // a second in all

static const char USAGE[] =
    "usage: rldbd --config FILE [--check]\n"
    "       rldbd --version | --help\n"
    "\n"
    "Starts a node of rldb, a key/value database that speaks the Redis protocol.\n"
    "\n"
    "  --config FILE   the configuration, YAML (conf/full.yaml shows every key); an empty file\n"
    "                  is a valid standalone node\n"
    "  --check         read and check the configuration, say what is wrong with it, and exit\n"
    "  --version       print the version and exit\n"
    "  --help          print this and exit\n"
    "\n"
    "It prints one line, \"ready: ...\", when it serves, logs to standard error (or log.file,\n"
    "opened anew on SIGHUP), and ends on SIGTERM or SIGINT when it has answered what it took.\n"
    "\n"
    "exit: 0 stopped as asked or configuration valid, 2 wrong usage or configuration, 3 failed\n";

// One shard's thread. The steps are taken together: all open, then all listen, then all run.
enum step { STEP_OPEN, STEP_LISTEN, STEP_RUN, STEP_STOP };

struct daemon {
    struct config config;
    struct cpu_facts facts;
    struct node *node;
    struct io *io; // the main thread's, to wake shards with
    struct log_file *log;
    uint32_t shards;
    rlim_t descriptors; // that the process may have
    pthread_mutex_t mutex;
    pthread_cond_t changed;
    enum step step;   // what the threads shall do next
    uint32_t waiting; // threads that are done with the step before
    bool failed;
    uint64_t extended_ns; // when the supervisor was last told that the start goes on
    char error[NODE_ERROR_BYTES];
};

struct thread {
    struct daemon *daemon;
    uint32_t index;
    uint16_t cpu;
    pthread_t id;
    struct io *io;
    struct shard *shard;
};

// Says what became of the last step, and waits for the next.
static enum step thread_next(struct thread *thread, const char *error)
{
    struct daemon *daemon = thread->daemon;
    (void)pthread_mutex_lock(&daemon->mutex);
    if (error != NULL && !daemon->failed) {
        daemon->failed = true;
        (void)snprintf(daemon->error, sizeof daemon->error, "%s", error);
    }
    enum step before = daemon->step;
    daemon->waiting++;
    (void)pthread_cond_broadcast(&daemon->changed);
    while (daemon->step == before) {
        (void)pthread_cond_wait(&daemon->changed, &daemon->mutex);
    }
    enum step step = daemon->step;
    (void)pthread_mutex_unlock(&daemon->mutex);
    return step;
}

static int thread_open(struct thread *thread, char *ret_error)
{
    struct daemon *daemon = thread->daemon;
    const struct io_uring_options options = {
        .queue_entries = LIMIT_IO_QUEUE_ENTRIES,
        .buffer_count = LIMIT_IO_BUFFER_COUNT,
        .buffer_bytes = LIMIT_IO_BUFFER_BYTES,
    };
    int error = cpu_pin_thread(thread->cpu);
    if (error < 0) {
        (void)snprintf(ret_error, NODE_ERROR_BYTES, "cannot run shard %u on CPU %u: %s",
                       thread->index, thread->cpu, strerror(-error));
        return error;
    }
    char text[IO_ERROR_TEXT_MAX];
    error = io_uring_open(&options, &thread->io, text);
    if (error < 0) {
        (void)snprintf(ret_error, NODE_ERROR_BYTES, "%s", text);
        return error;
    }
    return shard_open(daemon->node, thread->index, thread->io, &thread->shard, ret_error);
}

static void *thread_main(void *argument)
{
    struct thread *thread = argument;
    char error[NODE_ERROR_BYTES];
    bool failed = thread_open(thread, error) < 0;
    enum step step = thread_next(thread, failed ? error : NULL);
    if (step == STEP_LISTEN) {
        failed = shard_listen(thread->shard, error) < 0;
        step = thread_next(thread, failed ? error : NULL);
    }
    if (step == STEP_RUN) {
        reactor_run(&thread->shard->reactor);
        shard_close_listeners(thread->shard);
        step = thread_next(thread, NULL);
    }
    CHECK(step == STEP_STOP);
    if (!thread->daemon->failed) {
        shard_close(thread->shard);
        io_destroy(thread->io);
    }
    return NULL;
}

// Until all threads are done with the step before. Whether all went well.
static bool daemon_wait(struct daemon *daemon)
{
    (void)pthread_mutex_lock(&daemon->mutex);
    while (daemon->waiting < daemon->shards) {
        (void)pthread_cond_wait(&daemon->changed, &daemon->mutex);
    }
    bool ok = !daemon->failed;
    (void)pthread_mutex_unlock(&daemon->mutex);
    return ok;
}

// Lets all threads take a step.
static void daemon_step(struct daemon *daemon, enum step step)
{
    (void)pthread_mutex_lock(&daemon->mutex);
    daemon->step = step;
    daemon->waiting = 0;
    (void)pthread_cond_broadcast(&daemon->changed);
    (void)pthread_mutex_unlock(&daemon->mutex);
}

static bool daemon_start_threads(struct daemon *daemon, struct thread *threads)
{
    uint16_t cpus[LIMIT_SHARDS];
    const struct config_shards *told = &daemon->config.node.shards;
    cpu_plan(&daemon->facts, daemon->shards, told->listed ? &told->cpus : NULL, cpus);
    for (uint32_t i = 0; i < daemon->shards; i++) {
        threads[i] = (struct thread){.daemon = daemon, .index = i, .cpu = cpus[i]};
        int error = pthread_create(&threads[i].id, NULL, thread_main, &threads[i]);
        if (error != 0) {
            (void)fprintf(stderr, "rldbd: cannot start a thread: %s\n", strerror(error));
            exit(EXIT_FAILED); // nothing was opened that needs closing
        }
    }
    return daemon_wait(daemon);
}

static void daemon_end_threads(struct daemon *daemon, struct thread *threads)
{
    daemon_step(daemon, STEP_STOP);
    for (uint32_t i = 0; i < daemon->shards; i++) {
        (void)pthread_join(threads[i].id, NULL);
    }
}

static void daemon_request_stop(void *context)
{
    (void)context;
    (void)kill(getpid(), SIGTERM);
}

static void daemon_log(struct daemon *daemon, enum log_level level, const char *message)
{
    const struct config_log *config = &daemon->config.log;
    struct log log = {.level = (enum log_level)config->level,
                      .format = (enum log_format)config->format,
                      .sink = log_file_write,
                      .context = daemon->log,
                      .wall_ms = &daemon->io->wall_ms};
    struct log_line line;
    io_turn(daemon->io, 0); // reads the clock
    log_begin(&line, &log, level, message);
    log_text(&line, "version", RLDB_VERSION);
    log_u64(&line, "shards", daemon->shards);
    log_end(&line);
}

static void daemon_say(struct daemon *daemon, const char *message)
{
    daemon_log(daemon, LOG_LEVEL_INFO, message);
}

// SIGHUP: the log's file was moved away and is opened anew. Returns on the others.
static int daemon_wait_for_signal(struct daemon *daemon, const sigset_t *signals)
{
    int signal = 0;
    do {
        if (sigwait(signals, &signal) != 0) {
            continue;
        }
        if (signal == SIGHUP && log_file_reopen(daemon->log) < 0) {
            (void)fprintf(stderr, "rldbd: cannot open the log %s again\n", daemon->log->path);
        }
    } while (signal == SIGHUP || signal == 0);
    return signal;
}

static void daemon_closed(struct io_op *op, int32_t result)
{
    (void)op;
    (void)result;
}

// The cores share their port, and so could two programs of one user: who listens alone for a moment
// finds out. A process that was killed gives its sockets back some tens of ms after it is gone,
// when the kernel has torn its rings down: what is in use is looked at again for a while.
static bool daemon_port_is_free(struct daemon *daemon, const char *text, const char *key)
{
    struct io_address address;
    int fd = -1;
    int error = io_address_parse(text, &address);
    if (error == 0) {
        error = io_listen(daemon->io, &address, 0, &fd);
    }
    for (int i = 0; error == -EADDRINUSE && i < PORT_TRIES; i++) {
        io_turn(daemon->io, PORT_PAUSE_NS);
        error = io_listen(daemon->io, &address, 0, &fd);
    }
    if (error < 0) {
        char problem[NODE_ERROR_BYTES];
        node_listen_error(text, key, error, problem);
        (void)fprintf(stderr, "rldbd: %s\n", problem);
        return false;
    }
    struct io_op op = {.done = daemon_closed};
    io_close(daemon->io, &op, fd);
    while (op.pending) {
        io_turn(daemon->io, UINT64_MAX);
    }
    return true;
}

static bool daemon_ports_are_free(struct daemon *daemon)
{
    const struct config_listen *listen = &daemon->config.listen;
    const struct node *node = daemon->node;
    for (uint32_t i = 0; i < listen->client.count; i++) {
        if (!daemon_port_is_free(daemon, listen->client.at[i].text, "listen.client")) {
            return false;
        }
    }
    for (uint32_t i = 0; node->shard_port_base != 0 && i < daemon->shards; i++) {
        char text[sizeof node->host + 16];
        (void)snprintf(text, sizeof text, "%s:%u", node->host, node->shard_port_base + i);
        if (!daemon_port_is_free(daemon, text, "listen.shard_port_base")) {
            return false;
        }
    }
    return listen->http.text[0] == '\0' ||
           daemon_port_is_free(daemon, listen->http.text, "listen.http");
}

// Their listeners are closed, and nobody else can be at them: a node that finds one in use refuses
// to start.
static void daemon_remove_sockets(const struct daemon *daemon)
{
    const struct config_listeners *client = &daemon->config.listen.client;
    for (uint32_t i = 0; i < client->count; i++) {
        if (strncmp(client->at[i].text, "unix:", 5) == 0) {
            (void)unlink(client->at[i].text + 5);
        }
    }
}

static int daemon_serve(struct daemon *daemon, const sigset_t *signals)
{
    struct thread threads[LIMIT_SHARDS] = {0};
    char text[NODE_DESCRIPTION_BYTES];
    bool ok = daemon_start_threads(daemon, threads);
    if (ok) {
        daemon_step(daemon, STEP_LISTEN);
        ok = daemon_wait(daemon);
    }
    if (!ok) {
        (void)fprintf(stderr, "rldbd: %s\n", daemon->error);
        daemon_end_threads(daemon, threads); // what they have open goes with the process
        return EXIT_FAILED;
    }
    node_describe(daemon->node, text);
    (void)printf("ready: %s\n", text);
    (void)fflush(stdout);
    daemon_step(daemon, STEP_RUN);
    (void)notify_send(getenv("NOTIFY_SOCKET"), "READY=1");
    daemon_say(daemon, text);
    int signal = daemon_wait_for_signal(daemon, signals);
    (void)notify_send(getenv("NOTIFY_SOCKET"), "STOPPING=1");
    daemon_say(daemon, signal == SIGINT ? "stopping on SIGINT" : "stopping on SIGTERM");
    node_stop(daemon->node, daemon->io);
    io_turn(daemon->io, 0); // sends the wakes
    (void)daemon_wait(daemon);
    daemon_end_threads(daemon, threads);
    return EXIT_SUCCESS;
}

// As many descriptors as clients may need: raised as far as the system lets us. Where that is less,
// clients.max is what there is room for, so that who comes too late is told so instead of waiting.
static void daemon_raise_descriptors(struct daemon *daemon)
{
    uint32_t *const clients_max = &daemon->config.clients.max;
    const rlim_t own = DESCRIPTORS_OF_NODE + DESCRIPTORS_OF_SHARD * (rlim_t)daemon->shards;
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) < 0) {
        return;
    }
    const rlim_t wanted = *clients_max + own + LIMIT_CLIENTS_REFUSED;
    if (limit.rlim_cur < wanted) {
        const rlim_t before = limit.rlim_cur;
        limit.rlim_cur = limit.rlim_max < wanted ? limit.rlim_max : wanted;
        if (setrlimit(RLIMIT_NOFILE, &limit) < 0) {
            limit.rlim_cur = before;
        }
    }
    daemon->descriptors = limit.rlim_cur;
    if (limit.rlim_cur < *clients_max + own) {
        *clients_max = limit.rlim_cur > own ? (uint32_t)(limit.rlim_cur - own) : 1;
    }
}

static void daemon_say_clients_max(struct daemon *daemon, uint32_t wanted)
{
    char text[160];
    if (daemon->config.clients.max != wanted) {
        (void)snprintf(text, sizeof text,
                       "clients.max is %u, not %u: the system allows %llu descriptors (ulimit -n, "
                       "LimitNOFILE=)",
                       daemon->config.clients.max, wanted, (unsigned long long)daemon->descriptors);
        daemon_log(daemon, LOG_LEVEL_WARNING, text);
    }
}

// Whether a signal that ends the program waits to be taken, asked while a start takes long; the
// supervisor is told that it goes on.
static bool daemon_interrupted(void *context)
{
    struct daemon *daemon = context;
    sigset_t signals;
    if (daemon->io->now_ns - daemon->extended_ns >= EXTEND_NS) {
        daemon->extended_ns = daemon->io->now_ns;
        (void)notify_send(getenv("NOTIFY_SOCKET"), "EXTEND_TIMEOUT_USEC=60000000");
    }
    return sigpending(&signals) == 0 &&
           (sigismember(&signals, SIGTERM) == 1 || sigismember(&signals, SIGINT) == 1);
}

// The data directory, where its data is of another number of shards.
static int daemon_settle(struct daemon *daemon)
{
    char text[NODE_ERROR_BYTES];
    daemon->node->interrupted = daemon_interrupted;
    daemon->node->interrupted_context = daemon;
    int error = node_settle(daemon->node, daemon->io, text);
    if (error == -EINTR) {
        daemon_say(daemon, text);
    } else if (error < 0) {
        (void)fprintf(stderr, "rldbd: %s\n", text);
    }
    return error;
}

static int daemon_run(struct daemon *daemon, struct log_file *log)
{
    char text[NODE_ERROR_BYTES];
    sigset_t signals;
    const struct io_uring_options options = {
        .queue_entries = 64, .buffer_count = 1, .buffer_bytes = 4096};
    (void)sigemptyset(&signals);
    (void)sigaddset(&signals, SIGTERM);
    (void)sigaddset(&signals, SIGINT);
    (void)sigaddset(&signals, SIGHUP);
    (void)pthread_sigmask(SIG_BLOCK, &signals, NULL);
    (void)signal(SIGPIPE, SIG_IGN);
    (void)signal(SIGXFSZ, SIG_IGN); // ulimit -f: the write fails, and the shard says so
    daemon->log = log;
    const uint32_t clients_max = daemon->config.clients.max;
    daemon_raise_descriptors(daemon);
    if (io_uring_open(&options, &daemon->io, text) < 0 ||
        node_open(&daemon->config, &daemon->facts, daemon->shards, daemon->io, &daemon->node,
                  text) < 0) {
        (void)fprintf(stderr, "rldbd: %s\n", text);
        return EXIT_FAILED;
    }
    daemon->node->log_sink = log_file_write;
    daemon->node->log_context = log;
    daemon->node->request_stop = daemon_request_stop;
    daemon_say_clients_max(daemon, clients_max);
    if (!daemon_ports_are_free(daemon)) {
        return EXIT_FAILED;
    }
    int error = daemon_settle(daemon);
    int status = error == -EINTR ? EXIT_SUCCESS
                 : error < 0     ? EXIT_FAILED
                                 : daemon_serve(daemon, &signals);
    if (status == EXIT_SUCCESS) {
        daemon_remove_sockets(daemon);
        node_close(daemon->node);
        io_destroy(daemon->io);
    }
    return status;
}

static int daemon_configure(struct daemon *daemon, const char *path, bool check)
{
    struct config_error error;
    if (config_load(path, &daemon->config, &error) < 0) {
        (void)fprintf(stderr, "rldbd: %s\n", error.text);
        return EXIT_USAGE;
    }
    int result = cpu_facts_read("", &daemon->facts);
    if (result < 0) {
        (void)fprintf(stderr, "rldbd: cannot tell what this machine grants: %s\n",
                      strerror(-result));
        return EXIT_FAILED;
    }
    if (config_check(&daemon->config, &daemon->facts, &error) < 0) {
        (void)fprintf(stderr, "rldbd: %s\n", error.text);
        return EXIT_USAGE;
    }
    daemon->shards = config_shard_count(&daemon->config, &daemon->facts);
    char text[NODE_ERROR_BYTES];
    if (check && node_check_users(&daemon->config, text) < 0) {
        (void)fprintf(stderr, "rldbd: %s\n", text);
        return EXIT_USAGE;
    }
    if (check) {
        (void)printf("%s: valid\n", path);
    }
    return EXIT_SUCCESS;
}

static int daemon_main(struct daemon *daemon, const char *path, bool check)
{
    struct log_file log;
    int status = daemon_configure(daemon, path, check);
    if (status != EXIT_SUCCESS || check) {
        return status;
    }
    int error = log_file_open(&log, daemon->config.log.file);
    if (error < 0) {
        (void)fprintf(stderr, "rldbd: cannot write the log to %s: %s\n", daemon->config.log.file,
                      strerror(-error));
        return EXIT_FAILED;
    }
    status = daemon_run(daemon, &log);
    log_file_close(&log);
    return status;
}

// What --help and --version say. That nobody gets it (a full disk) is a failure.
static int tell(const char *text)
{
    if (fputs(text, stdout) >= 0 && fflush(stdout) == 0) {
        return EXIT_SUCCESS;
    }
    (void)fprintf(stderr, "rldbd: writing to standard output failed: %s\n", strerror(errno));
    return EXIT_FAILED;
}

int main(int argc, char **argv)
{
    const char *path = NULL;
    bool check = false;
    for (int i = 1; i < argc; i++) {
        const bool apart = strcmp(argv[i], "--config") == 0;
        if (apart && i + 1 == argc) {
            (void)fprintf(stderr, "rldbd: --config needs a FILE\n\n%s", USAGE);
            return EXIT_USAGE;
        }
        if (apart || strncmp(argv[i], "--config=", 9) == 0) {
            if (path != NULL) {
                (void)fprintf(stderr, "rldbd: --config is given twice\n\n%s", USAGE);
                return EXIT_USAGE;
            }
            path = apart ? argv[++i] : argv[i] + 9;
        } else if (strcmp(argv[i], "--check") == 0) {
            check = true;
        } else if (strcmp(argv[i], "--version") == 0) {
            return tell("rldbd " RLDB_VERSION "\n");
        } else if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0) {
            return tell(USAGE);
        } else {
            (void)fprintf(stderr, "rldbd: unknown argument '%s'\n\n%s", argv[i], USAGE);
            return EXIT_USAGE;
        }
    }
    if (path == NULL) {
        (void)fprintf(stderr, "rldbd: --config FILE is missing\n\n%s", USAGE);
        return EXIT_USAGE;
    }
    struct daemon *daemon = memory_allocate_zeroed(sizeof *daemon);
    if (daemon == NULL) {
        (void)fprintf(stderr, "rldbd: no memory to start with; see ulimit -v and free(1)\n");
        return EXIT_FAILED;
    }
    (void)pthread_mutex_init(&daemon->mutex, NULL);
    (void)pthread_cond_init(&daemon->changed, NULL);
    int status = daemon_main(daemon, path, check);
    memory_free(daemon);
    return status;
}
