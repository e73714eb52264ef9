#include "tests/sim/io_driver.h"

#include "core/check.h"
#include "tests/sim/sim_client.h"
#include "tests/sim/sim_world.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <unistd.h>

enum { ACTORS_MAX = 8 };

struct io_peer {
    struct io_driver *driver;
    int fd;
    struct sim_client *client;
};

static const char node_ip[] = "10.0.0.1";

static struct io *open_core(struct io_driver *driver)
{
    char error[IO_ERROR_TEXT_MAX];
    struct io *io = NULL;

    if (driver->kind == IO_DRIVER_SIM) {
        return sim_core_open(driver->node, &driver->options);
    }
    if (io_uring_open(&driver->options, &io, error) != 0) {
        fprintf(stderr, "%s\n", error);
        abort();
    }
    return io;
}

// What a seed's world is like.
static struct sim_profile profile_of(uint64_t seed)
{
    struct sim_profile profile = sim_profile_default();

    profile.socket_bytes_min = 16 * 1024; // some cases send that much before anybody reads
    if (seed % 2 == 0) {
        profile.cut_per_mille = 800;
        profile.socket_bytes_max = 20 * 1024;
        profile.buffer_ns_max = 2 * 1000 * 1000;
        profile.wake_ns_max = 200 * 1000;
    }
    return profile;
}

struct io_driver *io_driver_open(enum io_driver_kind kind, uint64_t seed,
                                 const struct io_uring_options *options)
{
    struct io_driver *const driver = calloc(1, sizeof *driver);

    CHECK(driver != NULL);
    driver->kind = kind;
    driver->seed = seed;
    driver->options = *options;
    if (kind == IO_DRIVER_SIM) {
        const struct sim_profile profile = profile_of(seed);

        driver->world = sim_world_open(seed, &profile);
        driver->node = sim_node_add(driver->world, node_ip);
        memcpy(driver->directory, "", 1);
    } else {
        snprintf(driver->directory, sizeof driver->directory, "/tmp/rldb-io-XXXXXX");
        CHECK(mkdtemp(driver->directory) != NULL);
    }
    driver->io = open_core(driver);
    return driver;
}

// The suite's directories are not deep.
static void remove_tree(const char *path)
{
    char inner[512];
    DIR *const directory = opendir(path);

    for (struct dirent *entry = NULL; directory != NULL && (entry = readdir(directory)) != NULL;) {
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0) {
            snprintf(inner, sizeof inner, "%s/%.200s", path, entry->d_name);
            remove_tree(inner);
        }
    }
    if (directory != NULL) {
        closedir(directory);
    }
    CHECK(remove(path) == 0);
}

void io_driver_close(struct io_driver *driver)
{
    io_destroy(driver->io);
    if (driver->kind == IO_DRIVER_SIM) {
        sim_world_close(driver->world);
    } else {
        CHECK(!driver->mounted || umount(driver->directory) == 0);
        remove_tree(driver->directory);
    }
    free(driver);
}

void io_driver_limit(struct io_driver *driver, int more)
{
    struct rlimit limit;

    if (driver->kind == IO_DRIVER_SIM) {
        // The suite holds a handful: beyond the standard three the next is the lowest free one.
        sim_world_profile(driver->world)->descriptors_max =
            more < 0 ? 65536 : (uint32_t)(sim_node_descriptors(driver->node) + more);
        return;
    }
    CHECK(getrlimit(RLIMIT_NOFILE, &limit) == 0);
    if (more < 0) {
        limit.rlim_cur = driver->limit_left;
    } else {
        const int next = dup(STDIN_FILENO);

        CHECK(next >= 0);
        close(next);
        driver->limit_left = limit.rlim_cur;
        limit.rlim_cur = (rlim_t)(next + more);
    }
    CHECK(setrlimit(RLIMIT_NOFILE, &limit) == 0);
}

// A mount namespace of our own, as root or as who is root in a user namespace of their own. Nothing
// of it is seen outside, and it is gone with the process.
static bool unshare_mounts(void)
{
    return (unshare(CLONE_NEWNS) == 0 || unshare(CLONE_NEWUSER | CLONE_NEWNS) == 0) &&
           mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0;
}

bool io_driver_disk_max(struct io_driver *driver, uint64_t bytes)
{
    char options[32];

    if (driver->kind == IO_DRIVER_SIM) {
        sim_world_profile(driver->world)->disk_bytes_max = bytes;
        return true;
    }
    snprintf(options, sizeof options, "size=%llu", (unsigned long long)bytes);
    driver->mounted =
        unshare_mounts() && mount("tmpfs", driver->directory, "tmpfs", 0, options) == 0;
    return driver->mounted;
}

static int read_error(void *context, const struct sim_node *node, const char *what)
{
    (void)context;
    (void)node;
    return strcmp(what, "read") == 0 ? -EIO : 0;
}

static int write_error(void *context, const struct sim_node *node, const char *what)
{
    (void)context;
    (void)node;
    return strcmp(what, "write") == 0 ? -EFBIG : 0;
}

const char *io_driver_broken_file(struct io_driver *driver, enum io_driver_broken what)
{
    const bool reads = what == IO_DRIVER_READS_FAIL;

    if (driver->kind == IO_DRIVER_URING) {
        if (reads) {
            return "/proc/self/mem"; // nothing is mapped at the address 0: proc_pid_mem(5)
        }
        snprintf(driver->broken, sizeof driver->broken, "%s/broken", driver->directory);
        close(open(driver->broken, O_CREAT | O_WRONLY | O_CLOEXEC, 0600));
        CHECK(signal(SIGXFSZ, SIG_IGN) != SIG_ERR);
        CHECK(setrlimit(RLIMIT_FSIZE, &(struct rlimit){0, 0}) == 0);
        return driver->broken;
    }
    sim_node_put_file(driver->node, "/broken", (const uint8_t *)"x", 1);
    sim_world_profile(driver->world)->hooks.disk_error = reads ? read_error : write_error;
    return "/broken";
}

// Peers -----------------------------------------------------------------------------------------

struct io_peer *io_peer_connect(struct io_driver *driver, const struct io_address *to)
{
    struct io_peer *const peer = calloc(1, sizeof *peer);
    char text[IO_ADDRESS_TEXT_MAX];

    CHECK(peer != NULL);
    peer->driver = driver;
    if (driver->kind == IO_DRIVER_SIM) {
        io_address_format(to, text);
        peer->client = sim_client_connect(driver->world, driver->node, text, NULL, NULL);
        return peer;
    }
    // Loopback and unix sockets connect at once.
    peer->fd = socket(to->u.any.sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    CHECK(peer->fd >= 0);
    CHECK(connect(peer->fd, &to->u.any, to->size) == 0 || errno == EINPROGRESS);
    return peer;
}

bool io_peer_connected(struct io_peer *peer)
{
    return peer->driver->kind == IO_DRIVER_URING || sim_client_state(peer->client) == 0;
}

long io_peer_send(struct io_peer *peer, const void *bytes, size_t size)
{
    if (peer->driver->kind == IO_DRIVER_SIM) {
        return sim_client_send(peer->client, bytes, size);
    }
    const ssize_t sent = send(peer->fd, bytes, size, MSG_NOSIGNAL);

    if (sent >= 0) {
        return sent;
    }
    return errno == EAGAIN ? 0 : -errno;
}

long io_peer_recv(struct io_peer *peer, void *bytes, size_t size)
{
    if (peer->driver->kind == IO_DRIVER_SIM) {
        return sim_client_recv(peer->client, bytes, size);
    }
    const ssize_t received = recv(peer->fd, bytes, size, 0);

    return received >= 0 ? received : -errno;
}

void io_peer_shutdown(struct io_peer *peer)
{
    if (peer->driver->kind == IO_DRIVER_SIM) {
        sim_client_shutdown(peer->client);
    } else {
        CHECK(shutdown(peer->fd, SHUT_WR) == 0);
    }
}

void io_peer_close(struct io_peer *peer, bool reset)
{
    if (peer->driver->kind == IO_DRIVER_SIM) {
        sim_client_close(peer->client, reset);
    } else {
        const struct linger linger = {.l_onoff = 1, .l_linger = 0};

        if (reset) {
            setsockopt(peer->fd, SOL_SOCKET, SO_LINGER, &linger, sizeof linger);
        }
        close(peer->fd);
    }
    free(peer);
}

// Actors ----------------------------------------------------------------------------------------

struct actor_thread {
    struct io_driver *driver;
    struct io_actor *actor;
    pthread_barrier_t *opened;
    pthread_barrier_t *done;
    pthread_t thread;
};

// A core's thread opens its io itself, and destroys it when nobody can name it as a target any
// more.
static void *actor_thread_run(void *context)
{
    struct actor_thread *const thread = context;

    thread->actor->io = open_core(thread->driver);
    pthread_barrier_wait(thread->opened);
    while (thread->actor->step(thread->actor)) {
    }
    pthread_barrier_wait(thread->done);
    io_destroy(thread->actor->io);
    return NULL;
}

static void run_threads(struct io_driver *driver, struct io_actor *actors, unsigned count)
{
    struct actor_thread threads[ACTORS_MAX];
    pthread_barrier_t opened;
    pthread_barrier_t done;

    pthread_barrier_init(&opened, NULL, count);
    pthread_barrier_init(&done, NULL, count);
    for (unsigned i = 0; i < count; i++) {
        threads[i] = (struct actor_thread){driver, &actors[i], &opened, &done, 0};
        CHECK(pthread_create(&threads[i].thread, NULL, actor_thread_run, &threads[i]) == 0);
    }
    for (unsigned i = 0; i < count; i++) {
        pthread_join(threads[i].thread, NULL);
    }
    pthread_barrier_destroy(&opened);
    pthread_barrier_destroy(&done);
}

static void actor_step(void *context)
{
    struct io_actor *const actor = context;

    actor->done = !actor->step(actor);
    if (actor->done) {
        sim_core_run(actor->io, NULL, NULL);
    }
}

void io_driver_run(struct io_driver *driver, struct io_actor *actors, unsigned count)
{
    CHECK(count <= ACTORS_MAX);
    if (driver->kind == IO_DRIVER_URING) {
        run_threads(driver, actors, count);
        return;
    }
    for (unsigned i = 0; i < count; i++) {
        actors[i].io = open_core(driver);
        sim_core_run(actors[i].io, actor_step, &actors[i]);
    }
    for (unsigned i = 0; i < count; i++) {
        while (!actors[i].done) {
            CHECK(sim_world_step(driver->world));
        }
    }
    for (unsigned i = 0; i < count; i++) {
        io_destroy(actors[i].io);
    }
}
