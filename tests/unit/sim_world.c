// The simulated world: that a run is a function of its seed, what a power loss leaves, what hooks
// for faults do. What it shares with io_uring is in the conformance suite, core_io_*.c.
#include "tests/sim/sim_world.h"
#include "core/limits.h"
#include "core/reactor.h"
#include "core/timer.h"
#include "tests/sim/sim_client.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    SEEDS = 60,
    MESSAGES = 40,
    MESSAGE_BYTES = 3000,
};

static const struct io_uring_options options = {64, 16, 1024};
static const uint64_t second_ns = UINT64_C(1000000000);

// An echo server on a reactor ---------------------------------------------------------------------

struct echo {
    struct io *io;
    struct reactor reactor;
    struct timers timers;
    struct timer timer;
    struct io_stream accept;
    struct echo_connection *connections; // all that ever were
    int listener;
    int ticks;
};

struct echo_connection {
    struct io_stream recv; // first
    struct echo_connection *next;
    struct io_op send;
    struct io_op close;
    struct echo *echo;
    int fd;
    size_t size;
    size_t sent;
    uint8_t bytes[MESSAGES * MESSAGE_BYTES];
};

static void echo_go_on(struct echo_connection *connection);

static void echo_sent(struct io_op *op, int32_t result)
{
    struct echo_connection *const connection =
        (struct echo_connection *)((char *)op - offsetof(struct echo_connection, send));

    cr_assert(result > 0);
    connection->sent += (size_t)result;
    echo_go_on(connection);
}

static void echo_go_on(struct echo_connection *connection)
{
    const struct iovec part = {connection->bytes + connection->sent,
                               connection->size - connection->sent};

    if (part.iov_len != 0 && !connection->send.pending) {
        connection->send.done = echo_sent;
        io_send(connection->echo->io, &connection->send, connection->fd, &part, 1);
    }
}

static void echo_closed(struct io_op *op, int32_t result)
{
    (void)op;
    cr_assert_eq(result, 0);
}

// When its core is gone.
static void echo_free(struct echo *echo)
{
    while (echo->connections != NULL) {
        struct echo_connection *const connection = echo->connections;

        echo->connections = connection->next;
        free(connection);
    }
}

static void echo_received(struct io_stream *stream, struct io_buffer *buffer, int32_t result)
{
    struct echo_connection *const connection = (struct echo_connection *)stream;

    if (result <= 0) {
        connection->close.done = echo_closed;
        io_close(connection->echo->io, &connection->close, connection->fd);
        return;
    }
    memcpy(connection->bytes + connection->size, buffer->bytes, buffer->size);
    connection->size += buffer->size;
    io_buffer_release(connection->echo->io, buffer);
    echo_go_on(connection);
}

static void echo_accepted(struct io_stream *stream, struct io_buffer *buffer, int32_t result)
{
    struct echo *const echo = (struct echo *)((char *)stream - offsetof(struct echo, accept));
    struct echo_connection *const connection = calloc(1, sizeof *connection);

    (void)buffer;
    if (result < 0) {
        free(connection);
        return;
    }
    connection->echo = echo;
    connection->next = echo->connections;
    echo->connections = connection;
    connection->fd = result;
    connection->recv.event = echo_received;
    io_recv_start(echo->io, &connection->recv, result);
}

static void echo_tick(struct timer *timer)
{
    struct echo *const echo = (struct echo *)((char *)timer - offsetof(struct echo, timer));

    echo->ticks++;
    timer_arm(&echo->timers, timer, echo->io->now_ns + second_ns);
}

static void echo_step(void *context)
{
    reactor_turn(&((struct echo *)context)->reactor);
}

static void echo_open(struct echo *echo, struct sim_node *node, const char *at)
{
    const struct reactor_phases phases = {0};
    struct io_address address;

    memset(echo, 0, sizeof *echo);
    echo->io = sim_core_open(node, &options);
    timers_init(&echo->timers, echo->io->now_ns);
    reactor_init(&echo->reactor, echo->io, &echo->timers, NULL, &phases);
    echo->timer.fire = echo_tick;
    timer_arm(&echo->timers, &echo->timer, echo->io->now_ns + second_ns);
    cr_assert_eq(io_address_parse(at, &address), 0);
    cr_assert_eq(io_listen(echo->io, &address, IO_LISTEN_SHARED_PORT, &echo->listener), 0);
    echo->accept.event = echo_accepted;
    io_accept_start(echo->io, &echo->accept, echo->listener);
    sim_core_run(echo->io, echo_step, echo);
}

// A client that sends its messages as there is room, and wants them back.
struct talker {
    size_t sent;
    size_t seen;
    bool wrong;
    long end; // -errno
};

static void talker_ready(struct sim_client *client, void *context)
{
    struct talker *const talker = context;
    uint8_t bytes[MESSAGE_BYTES];
    const size_t size = MESSAGES * MESSAGE_BYTES;
    long moved = 0;

    while (talker->sent < size) {
        for (size_t i = 0; i < sizeof bytes; i++) {
            bytes[i] = (uint8_t)((talker->sent + i) * 31 / 7);
        }
        moved = sim_client_send(
            client, bytes, size - talker->sent < sizeof bytes ? size - talker->sent : sizeof bytes);
        if (moved <= 0) {
            break;
        }
        talker->sent += (size_t)moved;
    }
    while ((moved = sim_client_recv(client, bytes, sizeof bytes)) > 0) {
        for (size_t i = 0; i < (size_t)moved; i++) {
            talker->wrong = talker->wrong || bytes[i] != (uint8_t)((talker->seen + i) * 31 / 7);
        }
        talker->seen += (size_t)moved;
    }
    talker->end = moved == -EAGAIN ? talker->end : moved;
}

// Two cores at one port, three talkers, a minute. Returns the hash.
static uint64_t echo_run(uint64_t seed)
{
    struct sim_world *const world = sim_world_open(seed, NULL);
    struct sim_node *const node = sim_node_add(world, "10.0.0.1");
    struct echo echoes[2];
    struct talker talkers[3] = {0};
    uint64_t hash = 0;

    echo_open(&echoes[0], node, "0.0.0.0:7379");
    echo_open(&echoes[1], node, "0.0.0.0:7379");
    for (int i = 0; i < 3; i++) {
        sim_client_connect(world, NULL, "10.0.0.1:7379", talker_ready, &talkers[i]);
    }
    sim_world_run_until(world, sim_world_now_ns(world) + 60 * second_ns);
    for (int i = 0; i < 3; i++) {
        cr_assert(talkers[i].seen == MESSAGES * MESSAGE_BYTES && !talkers[i].wrong, "seed %lu",
                  (unsigned long)seed);
    }
    for (int i = 0; i < 2; i++) {
        cr_assert(echoes[i].ticks == 59 || echoes[i].ticks == 60, "%d", echoes[i].ticks);
        // It slept whenever there was nothing to do.
        cr_assert_lt(echoes[i].reactor.metrics.turns, 20000);
        cr_assert_lt(echoes[i].reactor.metrics.busy_ns, second_ns);
    }
    hash = sim_world_hash(world);
    sim_world_close(world);
    echo_free(&echoes[0]);
    echo_free(&echoes[1]);
    return hash;
}

Test(sim_world, a_run_is_a_function_of_its_seed)
{
    uint64_t hashes[10];

    for (uint64_t seed = 0; seed < 10; seed++) {
        hashes[seed] = echo_run(seed);
        cr_expect_eq(echo_run(seed), hashes[seed]);
        for (uint64_t other = 0; other < seed; other++) {
            cr_expect_neq(hashes[other], hashes[seed]);
        }
    }
}

// Disks -------------------------------------------------------------------------------------------

struct machine {
    struct sim_world *world;
    struct sim_node *node;
    struct io *io;
    struct io_op op;
    int32_t result;
};

static void machine_open(struct machine *machine, uint64_t seed)
{
    machine->world = sim_world_open(seed, NULL);
    machine->node = sim_node_add(machine->world, "10.0.0.1");
    machine->io = sim_core_open(machine->node, &options);
}

static void machine_done(struct io_op *op, int32_t result)
{
    ((struct machine *)((char *)op - offsetof(struct machine, op)))->result = result;
}

static struct io_op *machine_op(struct machine *machine)
{
    machine->op.done = machine_done;
    return &machine->op;
}

static int32_t machine_wait(struct machine *machine)
{
    while (machine->op.pending) {
        io_turn(machine->io, UINT64_MAX);
    }
    return machine->result;
}

static int machine_create(struct machine *machine, const char *path)
{
    io_open(machine->io, machine_op(machine), path, IO_OPEN_WRITE | IO_OPEN_CREATE);
    return machine_wait(machine);
}

static void machine_sync_directory(struct machine *machine, const char *path)
{
    io_open(machine->io, machine_op(machine), path, IO_OPEN_DIRECTORY);
    const int fd = machine_wait(machine);

    cr_assert(fd >= 0);
    io_sync(machine->io, machine_op(machine), fd, false);
    cr_assert_eq(machine_wait(machine), 0);
    io_close(machine->io, machine_op(machine), fd);
    cr_assert_eq(machine_wait(machine), 0);
}

static void machine_write(struct machine *machine, int fd, uint8_t byte, uint32_t size,
                          unsigned flags)
{
    uint8_t *const bytes = malloc(size);

    memset(bytes, byte, size);
    for (uint32_t done = 0; done < size;) {
        io_write(machine->io, machine_op(machine), fd, bytes + done, size - done, done, flags);
        const int32_t written = machine_wait(machine);

        cr_assert(written > 0);
        done += (uint32_t)written;
    }
    free(bytes);
}

static void machine_sync(struct machine *machine, int fd)
{
    io_sync(machine->io, machine_op(machine), fd, true);
    cr_assert_eq(machine_wait(machine), 0);
}

static void machine_power_loss(struct machine *machine)
{
    sim_node_stop(machine->node, SIM_POWER_LOSS);
    machine->io = sim_core_open(machine->node, &options);
    machine->op.pending = false;
}

static bool machine_has(struct machine *machine, const char *path)
{
    struct io_stat status;

    return io_stat(machine->io, path, &status) == 0;
}

static void machine_close(struct machine *machine)
{
    sim_world_close(machine->world);
}

enum { FILE_BYTES = 8 * 1024, SECTOR_BYTES = 512 };

// How many of the file's sectors are all of that byte; every sector is of one byte.
static uint32_t sectors_of(struct machine *machine, const char *path, uint8_t byte,
                           uint32_t *ret_all)
{
    size_t size = 0;
    uint8_t *const bytes = sim_node_file(machine->node, path, &size);
    uint32_t count = 0;

    cr_assert_not_null(bytes);
    *ret_all = 0;
    for (size_t at = 0; at + SECTOR_BYTES <= size; at += SECTOR_BYTES) {
        for (size_t i = 1; i < SECTOR_BYTES; i++) {
            cr_assert_eq(bytes[at + i], bytes[at]);
        }
        count += bytes[at] == byte;
        ++*ret_all;
    }
    free(bytes);
    return count;
}

Test(sim_world, what_was_made_durable_survives_a_power_loss_and_the_rest_may_not)
{
    uint32_t mixed = 0;

    for (uint64_t seed = 0; seed < SEEDS; seed++) {
        struct machine machine = {0};
        uint32_t all = 0;

        machine_open(&machine, seed);
        const int durable = machine_create(&machine, "/durable");
        const int synced = machine_create(&machine, "/synced");
        const int loose = machine_create(&machine, "/loose");

        machine_write(&machine, durable, 'd', FILE_BYTES, IO_WRITE_DURABLE);
        machine_write(&machine, synced, 's', FILE_BYTES, 0);
        machine_sync(&machine, synced);
        machine_write(&machine, loose, 'o', FILE_BYTES, 0);
        machine_sync(&machine, loose);
        machine_write(&machine, loose, 'n', FILE_BYTES, 0); // old or new, by sector
        machine_sync_directory(&machine, "/");
        machine_power_loss(&machine);
        cr_expect_eq(sectors_of(&machine, "/durable", 'd', &all), FILE_BYTES / SECTOR_BYTES);
        cr_expect_eq(sectors_of(&machine, "/synced", 's', &all), FILE_BYTES / SECTOR_BYTES);
        const uint32_t new = sectors_of(&machine, "/loose", 'n', &all);

        cr_expect_eq(all, FILE_BYTES / SECTOR_BYTES);
        cr_expect_eq(new + sectors_of(&machine, "/loose", 'o', &all), all);
        mixed += new > 0 && new < all;
        machine_close(&machine);
    }
    cr_expect_gt(mixed, SEEDS / 2);
}

Test(sim_world, a_write_in_flight_at_a_power_loss_is_not_durable_yet)
{
    uint32_t whole = 0;
    uint32_t none = 0;
    uint8_t *const bytes = malloc(FILE_BYTES);

    memset(bytes, 'n', FILE_BYTES);
    for (uint64_t seed = 0; seed < SEEDS; seed++) {
        struct machine machine = {0};
        uint32_t all = 0;

        machine_open(&machine, seed);
        sim_world_profile(machine.world)->cut_per_mille = 0;
        const int fd = machine_create(&machine, "/f");

        machine_sync_directory(&machine, "/");
        machine_write(&machine, fd, 'o', FILE_BYTES, IO_WRITE_DURABLE);
        io_write(machine.io, machine_op(&machine), fd, bytes, FILE_BYTES, 0, IO_WRITE_DURABLE);
        for (uint64_t turns = seed % 20; turns > 0 && machine.op.pending; turns--) {
            io_turn(machine.io, 30 * 1000);
        }
        const bool acknowledged = !machine.op.pending;

        machine_power_loss(&machine);
        const uint32_t new = sectors_of(&machine, "/f", 'n', &all);

        cr_expect(!acknowledged || new == all);
        whole += new == all;
        none += new == 0;
        machine_close(&machine);
    }
    free(bytes);
    cr_expect(whole > 0 && none > 0 && whole + none < SEEDS); // and some are in between
}

Test(sim_world, a_sync_covers_what_was_written_before_it_began)
{
    uint32_t lost = 0;
    uint32_t early = 0;

    for (uint64_t seed = 0; seed < SEEDS; seed++) {
        struct machine machine = {0};
        struct io_op write = {.done = NULL};
        uint8_t late[SECTOR_BYTES];
        uint32_t all = 0;

        machine_open(&machine, seed);
        sim_world_profile(machine.world)->cut_per_mille = 0;
        const int fd = machine_create(&machine, "/f");

        machine_sync_directory(&machine, "/");
        machine_write(&machine, fd, 'a', SECTOR_BYTES, 0);
        memset(late, 'b', sizeof late);
        write.done = machine_done; // into a machine that nobody looks at
        struct machine other = {.op = write};

        io_sync(machine.io, machine_op(&machine), fd, true);
        io_write(machine.io, &other.op, fd, late, sizeof late, 0, 0);
        machine_wait(&machine);
        const bool in_time = !other.op.pending; // done before the sync was, and yet not covered

        while (other.op.pending) {
            io_turn(machine.io, UINT64_MAX);
        }
        machine_power_loss(&machine);
        const uint32_t old = sectors_of(&machine, "/f", 'a', &all);

        cr_expect_eq(all, 1); // never the state before the sync
        lost += old;
        early += in_time ? old : 0;
        machine_close(&machine);
    }
    cr_expect_gt(early, 0);
    cr_expect_lt(lost, SEEDS);
}

Test(sim_world, names_need_a_sync_of_their_directory)
{
    uint32_t kept = 0;

    for (uint64_t seed = 0; seed < SEEDS; seed++) {
        struct machine machine = {0};

        machine_open(&machine, seed);
        io_mkdir(machine.io, machine_op(&machine), "/d");
        cr_assert_eq(machine_wait(&machine), 0);
        machine_sync_directory(&machine, "/");
        machine_create(&machine, "/d/synced");
        machine_sync_directory(&machine, "/d");
        const int fd = machine_create(&machine, "/d/loose");

        machine_write(&machine, fd, 'x', 100, IO_WRITE_DURABLE);
        machine_sync(&machine, fd); // of the file, which says nothing of its name
        machine_create(&machine, "/other");
        machine_sync_directory(&machine, "/"); // not the one
        machine_power_loss(&machine);
        cr_expect(machine_has(&machine, "/d/synced") && machine_has(&machine, "/other"));
        kept += machine_has(&machine, "/d/loose");
        machine_close(&machine);
    }
    cr_expect_gt(kept, 0);
    cr_expect_lt(kept, SEEDS);
}

Test(sim_world, a_rename_is_made_whole_or_not_at_all)
{
    uint32_t renamed = 0;

    for (uint64_t seed = 0; seed < SEEDS; seed++) {
        struct machine machine = {0};
        uint32_t all = 0;

        machine_open(&machine, seed);
        machine_write(&machine, machine_create(&machine, "/a"), 'a', SECTOR_BYTES,
                      IO_WRITE_DURABLE);
        machine_write(&machine, machine_create(&machine, "/b"), 'b', SECTOR_BYTES,
                      IO_WRITE_DURABLE);
        io_mkdir(machine.io, machine_op(&machine), "/d");
        cr_assert_eq(machine_wait(&machine), 0);
        machine_sync_directory(&machine, "/");
        io_rename(machine.io, machine_op(&machine), "/a", "/b");
        cr_assert_eq(machine_wait(&machine), 0);
        io_rename(machine.io, machine_op(&machine), "/b", "/d/c");
        cr_assert_eq(machine_wait(&machine), 0);
        if (seed % 2 == 0) {
            machine_sync_directory(&machine, "/d"); // and so the rename before it, too
        }
        machine_power_loss(&machine);
        const bool a = machine_has(&machine, "/a");
        const bool b = machine_has(&machine, "/b");
        const bool c = machine_has(&machine, "/d/c");

        cr_expect((a && b && !c) || (!a && b && !c) || (!a && !b && c), "%d %d %d", a, b, c);
        cr_expect(seed % 2 == 1 || c);
        if (b) {
            cr_expect_eq(sectors_of(&machine, "/b", a ? 'b' : 'a', &all), 1);
        }
        renamed += seed % 2 == 1 && c;
        machine_close(&machine);
    }
    cr_expect_gt(renamed, 0);
}

Test(sim_world, a_killed_process_loses_nothing_of_its_files)
{
    struct machine machine = {0};
    uint32_t all = 0;

    machine_open(&machine, 1);
    machine_write(&machine, machine_create(&machine, "/f"), 'f', FILE_BYTES, 0);
    sim_node_stop(machine.node, SIM_KILL);
    machine.io = sim_core_open(machine.node, &options);
    cr_expect_eq(sectors_of(&machine, "/f", 'f', &all), FILE_BYTES / SECTOR_BYTES);
    machine_close(&machine);
}

Test(sim_world, a_full_disk_refuses_writes)
{
    struct machine machine = {0};
    uint8_t bytes[100] = {0};
    int32_t result = 0;

    machine_open(&machine, 1);
    sim_world_profile(machine.world)->disk_bytes_max = 10 * 4096;
    const int fd = machine_create(&machine, "/f");

    machine_write(&machine, fd, 'f', 10 * 4096, 0);
    io_write(machine.io, machine_op(&machine), fd, bytes, 100, 10 * 4096, 0);
    cr_expect_eq(machine_wait(&machine), -ENOSPC);
    io_allocate(machine.io, machine_op(&machine), fd, 0, 11 * 4096);
    cr_expect_eq(machine_wait(&machine), -ENOSPC);
    io_write(machine.io, machine_op(&machine), fd, bytes, 100, 0, 0); // over what is there
    result = machine_wait(&machine);
    cr_expect(result > 0);
    io_unlink(machine.io, machine_op(&machine), "/f", false);
    cr_expect_eq(machine_wait(&machine), 0);
    machine_close(&machine);
}

// Faults
// --------------------------------------------------------------------------------------------

static int disk_fails(void *context, const struct sim_node *node, const char *what)
{
    (void)node;
    return strcmp(what, context) == 0 ? -EIO : 0;
}

Test(sim_world, a_hook_makes_disks_fail)
{
    struct machine machine = {0};
    uint8_t byte = 'x';

    machine_open(&machine, 1);
    const int fd = machine_create(&machine, "/f");

    sim_world_profile(machine.world)->hooks =
        (struct sim_hooks){.context = (void *)(uintptr_t) "sync", .disk_error = disk_fails};
    io_write(machine.io, machine_op(&machine), fd, &byte, 1, 0, 0);
    cr_expect_eq(machine_wait(&machine), 1);
    io_sync(machine.io, machine_op(&machine), fd, true);
    cr_expect_eq(machine_wait(&machine), -EIO);
    machine_close(&machine);
}

struct partition {
    bool on;
    int lost;
};

static uint64_t network_partition(void *context, const struct sim_node *from,
                                  const struct sim_node *to, uint64_t delay_ns)
{
    struct partition *const partition = context;

    cr_assert(from != to);
    partition->lost += partition->on;
    return partition->on ? SIM_NEVER : delay_ns;
}

Test(sim_world, what_a_partition_holds_back_arrives_when_it_heals)
{
    for (uint64_t seed = 0; seed < 10; seed++) {
        struct sim_world *const world = sim_world_open(seed, NULL);
        struct sim_node *const node = sim_node_add(world, "10.0.0.1");
        struct echo echo;
        struct talker talker = {0};
        struct partition partition = {0};

        sim_world_profile(world)->hooks =
            (struct sim_hooks){.context = &partition, .network_delay = network_partition};
        echo_open(&echo, node, "10.0.0.1:7379");
        sim_client_connect(world, NULL, "10.0.0.1:7379", talker_ready, &talker);
        while (talker.seen < 1000) {
            cr_assert(sim_world_step(world));
        }
        partition.on = true;
        sim_world_run_until(world, sim_world_now_ns(world) + second_ns);
        const size_t seen = talker.seen;

        cr_expect_lt(seen, MESSAGES * MESSAGE_BYTES);
        sim_world_run_until(world, sim_world_now_ns(world) + 60 * second_ns);
        cr_expect_eq(talker.seen, seen);
        cr_expect_gt(partition.lost, 0);
        partition.on = false;
        sim_world_run_until(world, sim_world_now_ns(world) + 10 * second_ns);
        cr_expect(talker.seen == MESSAGES * MESSAGE_BYTES && !talker.wrong);
        sim_world_close(world);
        echo_free(&echo);
    }
}

Test(sim_world, who_is_gone_is_noticed_by_time_and_who_was_killed_at_once)
{
    for (int how = SIM_KILL; how <= SIM_POWER_LOSS; how++) {
        struct sim_world *const world = sim_world_open(7, NULL);
        struct sim_node *const node = sim_node_add(world, "10.0.0.1");
        struct echo echo;
        struct talker talker = {0};

        echo_open(&echo, node, "10.0.0.1:7379");
        struct sim_client *const client =
            sim_client_connect(world, NULL, "10.0.0.1:7379", talker_ready, &talker);

        sim_world_run_until(world, sim_world_now_ns(world) + 10 * second_ns);
        cr_assert_eq(talker.seen, MESSAGES * MESSAGE_BYTES);
        sim_node_stop(node, (enum sim_stop)how);
        sim_world_run_until(world, sim_world_now_ns(world) + second_ns);
        // The one was reset; the other stays in the dark.
        cr_expect_eq(talker.end, how == SIM_KILL ? -ECONNRESET : 0);
        echo_free(&echo);

        struct sim_client *const late =
            sim_client_connect(world, NULL, "10.0.0.1:7379", NULL, NULL);

        sim_world_run_until(world, sim_world_now_ns(world) + second_ns);
        cr_expect_eq(sim_client_state(late), how == SIM_KILL ? -ECONNREFUSED : -EINPROGRESS);
        if (how == SIM_POWER_LOSS) {
            // Back, it knows nothing of the connection.
            echo_open(&echo, node, "10.0.0.1:7379");
            cr_expect_eq(sim_client_send(client, "x", 1), 1);
            sim_world_run_until(world, sim_world_now_ns(world) + second_ns);
            cr_expect_eq(talker.end, -ECONNRESET);
            cr_expect_eq(sim_client_state(late), 0);
        }
        sim_world_close(world);
        echo_free(&echo);
    }
}

Test(sim_world, clocks_of_nodes_may_differ)
{
    struct sim_world *const world = sim_world_open(1, NULL);
    struct sim_node *const late = sim_node_add(world, "10.0.0.2");

    sim_node_set_wall_offset(late, -3000);
    struct io *const a = sim_core_open(sim_node_add(world, "10.0.0.1"), &options);
    struct io *const b = sim_core_open(late, &options);

    cr_expect_eq(a->wall_ms, b->wall_ms + 3000);
    io_turn(b, second_ns);
    cr_expect(b->wall_ms >= a->wall_ms - 3000 + 1000);
    cr_expect(b->now_ns > a->now_ns);
    sim_world_close(world);
}
