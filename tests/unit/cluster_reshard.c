// Data of some shards spread over others: all of it arrives, with who stamped it, and whatever ends
// that on the way, the next start finds all of it too.
#include "cluster/reshard.h"

#include "cluster/identity_record.h"
#include "core/hash.h"
#include "core/hlc.h"
#include "core/memory.h"
#include "core/random.h"
#include "engines/engine.h"
#include "ring/placement.h"
#include "tests/sim/sim_world.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

enum {
    PARTITIONS = 16,
    KEYS = 500,
    KEY_BYTES = 24,
    LARGE_EVERY = 100,
    LARGE_BYTES = 1300 << 10,
    SEGMENT_BYTES = 2 << 20,
    OPERATIONS = 8000, // about as many as a re-sharding takes; and of them, on names
    NAME_OPERATIONS = 300,
    ROUNDS = 60,
    SHARDS_MAX = 6,
};

// Operations on the disk that are let through; all others fail from then on, as if the program had
// ended there.
struct fault {
    bool armed;
    bool names; // only operations on names, and syncs, are counted
    uint64_t left;
    uint64_t hit;
};

struct bench {
    struct sim_world *world;
    struct sim_node *machine;
    struct io *io;
    struct ring *ring;
    struct data_identity identity;
    struct actor_id first[PARTITIONS]; // of each partition, the actor of its first life
    uint64_t lease;
    struct fault fault;
    uint32_t lines; // of the log
    uint32_t large; // keys with a value that has a file of its own
    int lock;
    uint32_t polls_left; // until it is interrupted
    char error[RESHARD_ERROR_BYTES];
    uint8_t object[LARGE_BYTES];
};

static int fault_hook(void *context, const struct sim_node *node, const char *what)
{
    struct fault *const fault = context;

    (void)node;
    const bool names = strcmp(what, "read") != 0 && strcmp(what, "write") != 0;

    if (!fault->armed) {
        return 0;
    }
    if (fault->hit == 0 && fault->names && !names) {
        return 0;
    }
    if (fault->left != 0) {
        fault->left--;
        return 0;
    }
    fault->hit++;
    return -EIO;
}

static void open_io(struct bench *bench)
{
    static const struct io_uring_options options = {256, 16, 4096};

    bench->io = sim_core_open(bench->machine, &options);
}

static void open_bench(struct bench *bench, uint64_t seed, uint32_t large)
{
    struct ring_member self = {.weight = 1, .cores = 1, .name = "n1"};
    struct sim_profile profile = sim_profile_default();

    *bench = (struct bench){.large = large, .lock = -1};
    profile.cut_per_mille = 0; // who reads small files takes what is short for their end
    profile.disk_bytes_max = UINT64_C(1) << 30;
    bench->world = sim_world_open(seed, &profile);
    bench->machine = sim_node_add(bench->world, "10.0.0.1");
    sim_world_profile(bench->world)->hooks =
        (struct sim_hooks){.context = &bench->fault, .disk_error = fault_hook};
    cr_assert_eq(ring_single(&self, PARTITIONS, &bench->ring), 0);
    open_io(bench);
}

static void close_bench(struct bench *bench)
{
    sim_node_stop(bench->machine, SIM_KILL);
    ring_destroy(bench->ring);
    sim_world_close(bench->world);
}

// Records ----------------------------------------------------------------------------------------

static struct slice key_of(uint32_t number, char *bytes)
{
    return slice_of(bytes, (size_t)snprintf(bytes, KEY_BYTES, "key-%u", number));
}

static bool is_large(const struct bench *bench, uint32_t number)
{
    return bench->large != 0 && number % LARGE_EVERY == 0 && number / LARGE_EVERY < bench->large;
}

static uint32_t flags_of(uint32_t number)
{
    return number % 7 == 3 ? ENGINE_TOMBSTONE : 0;
}

static uint64_t expire_of(uint32_t number)
{
    return number % 5 == 1 ? UINT64_C(9000000000000) + number : 0;
}

static struct slice object_of(struct bench *bench, uint32_t number)
{
    struct random random;
    size_t size;

    random_seed(&random, number + 1);
    size = is_large(bench, number) ? LARGE_BYTES - number : number % 300;
    for (size_t i = 0; i < size; i++) {
        bench->object[i] = (uint8_t)(random_u64(&random) >> 13);
    }
    return slice_of(bench->object, size);
}

static struct placement *placement_of(const struct bench *bench)
{
    struct placement *placement;

    cr_assert_eq(placement_create(bench->ring, 0, bench->identity.shards, &placement), 0);
    return placement;
}

static struct engine *open_shard(struct bench *bench, const struct placement *placement,
                                 uint32_t shard, char *path)
{
    struct engine *engine;

    data_dir_shard_path("/data", &bench->identity, shard, path);
    const struct engine_options options = {
        .io = bench->io,
        .directory = path,
        .shard = shard,
        .shards = bench->identity.shards,
        .cache_bytes = 512 << 10,
        .segment_bytes = SEGMENT_BYTES,
        .hash_seed = bench->identity.hash_seed,
        .vnodes = placement_vnodes(placement, shard) + 1,
    };
    const int error = log_engine_open(&options, &engine);

    cr_assert_eq(error, 0, "%s: %s", path, strerror(-error));
    return engine;
}

struct waiting {
    struct engine_op op; // first
    bool done;
};

static void is_done(struct engine_op *op)
{
    ((struct waiting *)(void *)op)->done = true;
}

static struct waiting op_of(const struct bench *bench, struct slice key, uint32_t vnode)
{
    return (struct waiting){.op = {.hash = hash_key(bench->identity.hash_seed, key),
                                   .key = key,
                                   .vnode = vnode,
                                   .done = is_done}};
}

static void end_op(struct bench *bench, struct engine *engine, struct waiting *wait)
{
    while (wait->op.status == ENGINE_PENDING && !wait->done) {
        engine_commit(engine);
        io_turn(bench->io, UINT64_MAX);
    }
}

static void put(struct bench *bench, struct engine *engine, struct waiting *wait,
                struct slice object)
{
    struct engine_op *op = &wait->op;

    wait->op.parts[0] = object;
    engine_put(engine, &op, 1);
    end_op(bench, engine, wait);
    cr_assert_eq(wait->op.status, ENGINE_OK);
    engine_commit(engine);
    (void)engine_step(engine, 1 << 16);
    io_turn(bench->io, 0);
}

// Who stamps -------------------------------------------------------------------------------------

struct tables {
    struct actor_table tables[PARTITIONS];
};

static void free_tables(struct tables *tables)
{
    for (uint32_t i = 0; i < PARTITIONS; i++) {
        actor_table_free(&tables->tables[i]);
    }
}

// The vnodes of a shard have had as many lives as its number says.
static void put_identity(struct bench *bench, struct engine *engine,
                         const struct placement *placement, uint32_t shard)
{
    const uint32_t vnodes = placement_vnodes(placement, shard);
    struct waiting actors = op_of(bench, slice_from_text(IDENTITY_KEY_ACTORS), vnodes);
    struct waiting lease = op_of(bench, slice_from_text(IDENTITY_KEY_LEASE), vnodes);
    struct tables tables = {0};
    uint8_t bytes[4096];

    for (uint32_t vnode = 0; vnode < vnodes; vnode++) {
        const uint32_t partition = placement_partition(placement, shard, vnode);
        struct actor_id id = {.vnode_id = 1000 + partition, .incarnation = 1};
        uint32_t index;

        bench->first[partition] = id;
        for (; id.incarnation <= shard + 1; id.incarnation++) {
            cr_assert_eq(actor_table_enter(&tables.tables[vnode], &id, &index), 0);
        }
    }
    const size_t size = identity_actors_bytes(tables.tables, vnodes);

    identity_actors_write(bytes, size, tables.tables, vnodes);
    put(bench, engine, &actors, slice_of(bytes, size));
    identity_lease_write(bytes, hlc_of(5000 + shard, 3));
    bench->lease = hlc_of(5000 + shard, 3); // the last shard's is the largest
    put(bench, engine, &lease, slice_of(bytes, IDENTITY_LEASE_BYTES));
    free_tables(&tables);
}

static void check_identity(struct bench *bench, struct engine *engine,
                           const struct placement *placement, uint32_t shard)
{
    const uint32_t vnodes = placement_vnodes(placement, shard);
    struct waiting actors = op_of(bench, slice_from_text(IDENTITY_KEY_ACTORS), vnodes);
    struct waiting lease = op_of(bench, slice_from_text(IDENTITY_KEY_LEASE), vnodes);
    struct engine_op *op = &actors.op;
    struct tables tables = {0};
    uint64_t until = 0;

    engine_get(engine, &op, 1);
    end_op(bench, engine, &actors);
    cr_assert_eq(actors.op.status, ENGINE_OK);
    cr_assert(identity_actors_read(actors.op.object, tables.tables, vnodes));
    for (uint32_t vnode = 0; vnode < vnodes; vnode++) {
        const struct actor_table *const table = &tables.tables[vnode];
        const uint32_t partition = placement_partition(placement, shard, vnode);

        // Objects name the actors by number: those that there were are where they were.
        cr_assert_eq(table->count, tables.tables[0].count);
        cr_assert_eq(actor_id_compare(&table->ids[0], &bench->first[partition]), 0);
        for (uint32_t i = 0; i < table->count; i++) {
            cr_assert_eq(table->ids[i].vnode_id, bench->first[partition].vnode_id);
            cr_assert_eq(table->ids[i].incarnation, i + 1);
        }
    }
    op = &lease.op;
    engine_get(engine, &op, 1);
    end_op(bench, engine, &lease);
    cr_assert_eq(lease.op.status, ENGINE_OK);
    cr_assert(identity_lease_read(lease.op.object, &until));
    cr_assert_geq(until, bench->identity.generation == 1 ? hlc_of(5000, 3) : bench->lease);
    free_tables(&tables);
}

// Directories ------------------------------------------------------------------------------------

static void take_line(void *context, enum log_level level, const char *line, size_t size)
{
    (void)level;
    (void)line;
    (void)size;
    (*(uint32_t *)context)++;
}

static bool interrupts(void *context)
{
    struct bench *const bench = context;

    return bench->polls_left != 0 && --bench->polls_left == 0;
}

// A start with so many shards.
static int start(struct bench *bench, uint32_t shards)
{
    struct log log = {.level = LOG_LEVEL_INFO, .sink = take_line, .context = &bench->lines};
    char error[DATA_DIR_ERROR_BYTES] = "";

    bench->identity = (struct data_identity){
        .generation = 1, .shards = shards, .partitions = PARTITIONS, .hash_seed = 42};
    bench->error[0] = '\0';
    int result = data_dir_open(bench->io, "/data", &bench->identity, &bench->lock, error);

    if (result < 0) {
        bench->lock = -1;
        (void)snprintf(bench->error, sizeof bench->error, "%s", error);
        return result;
    }
    if (bench->identity.shards == shards) {
        return 0;
    }
    struct reshard reshard = {
        .io = bench->io,
        .log = &log,
        .directory = "/data",
        .ring = bench->ring,
        .from = bench->identity,
        .shards = shards,
        .segment_bytes = SEGMENT_BYTES,
        .interrupted = interrupts,
        .context = bench,
    };

    result = reshard_run(&reshard, bench->error);
    bench->identity = result == 0 ? reshard.to : bench->identity;
    cr_assert(result == 0 || bench->error[0] != '\0');
    return result;
}

static void stop(struct bench *bench, enum sim_stop how)
{
    sim_node_stop(bench->machine, how);
    bench->lock = -1;
    open_io(bench);
}

static void fill(struct bench *bench, uint32_t shards)
{
    struct engine *engines[SHARDS_MAX];
    char paths[SHARDS_MAX][DATA_DIR_PATH_BYTES];

    cr_assert_eq(start(bench, shards), 0);
    struct placement *const placement = placement_of(bench);

    for (uint32_t i = 0; i < shards; i++) {
        engines[i] = open_shard(bench, placement, i, paths[i]);
        put_identity(bench, engines[i], placement, i);
    }
    for (uint32_t number = 0; number < KEYS; number++) {
        char bytes[KEY_BYTES];
        const struct slice key = key_of(number, bytes);
        struct waiting wait = op_of(bench, key, placement_vnode(placement, number % PARTITIONS));

        wait.op.flags = flags_of(number);
        wait.op.expire_ms = expire_of(number);
        put(bench, engines[placement_core(placement, number % PARTITIONS)], &wait,
            object_of(bench, number));
    }
    for (uint32_t i = 0; i < shards; i++) {
        engine_close(engines[i]);
    }
    placement_destroy(placement);
    stop(bench, SIM_KILL);
}

static void check_key(struct bench *bench, struct engine *engine, uint32_t vnode, uint32_t number)
{
    char bytes[KEY_BYTES];
    const struct slice key = key_of(number, bytes);
    struct waiting wait = op_of(bench, key, vnode);
    struct engine_op *op = &wait.op;

    engine_get(engine, &op, 1);
    end_op(bench, engine, &wait);
    cr_assert_eq(wait.op.status, ENGINE_OK, "key %u: %d", number, wait.op.status);
    cr_assert(slice_equal(wait.op.object, object_of(bench, number)), "key %u", number);
    cr_assert_eq(wait.op.flags & ENGINE_TOMBSTONE, flags_of(number));
    cr_assert_eq(wait.op.expire_ms, expire_of(number));
    engine_commit(engine);
}

// All keys where they belong, and nothing else.
static void check(struct bench *bench)
{
    struct placement *const placement = placement_of(bench);
    uint64_t records = 0;
    uint64_t identities = 0;

    for (uint32_t i = 0; i < bench->identity.shards; i++) {
        char path[DATA_DIR_PATH_BYTES];
        struct engine *const engine = open_shard(bench, placement, i, path);
        struct engine_stats stats;

        check_identity(bench, engine, placement, i);
        for (uint32_t number = 0; number < KEYS; number++) {
            if (placement_core(placement, number % PARTITIONS) == i) {
                check_key(bench, engine, placement_vnode(placement, number % PARTITIONS), number);
            }
        }
        engine_stats(engine, &stats);
        records += stats.records;
        identities += 2;
        engine_close(engine);
    }
    cr_assert_eq(records, KEYS + identities);
    placement_destroy(placement);
}

static bool count_generation(void *context, const char *name)
{
    uint32_t *const count = context;
    const bool is_one = strncmp(name, "generation-", 11) == 0 || strncmp(name, "removed-", 8) == 0;

    *count += is_one ? 1 : 0;
    return true;
}

static uint32_t generations(struct bench *bench)
{
    uint32_t count = 0;

    cr_assert_eq(io_list(bench->io, "/data", count_generation, &count), 0);
    return count;
}

// Tests ------------------------------------------------------------------------------------------

Test(reshard, all_arrives_in_few_and_in_many)
{
    static const uint32_t shards[] = {4, 3, 1, 6, 2};
    struct bench *const bench = memory_allocate_zeroed(sizeof *bench);

    open_bench(bench, 1, 4);
    fill(bench, 1);
    for (size_t i = 0; i < sizeof shards / sizeof shards[0]; i++) {
        const int error = start(bench, shards[i]);

        cr_assert_eq(error, 0, "%s", bench->error);
        cr_assert_eq(bench->identity.shards, shards[i]);
        cr_assert_eq(bench->identity.generation, i + 2);
        cr_assert_eq(generations(bench), 1); // the old one is gone
        check(bench);
        stop(bench, SIM_KILL);
    }
    cr_assert_gt(bench->lines, 0); // it told how far it was
    close_bench(bench);
    memory_free(bench);
}

Test(reshard, vnodes_that_lived_more_often_keep_their_numbers)
{
    struct bench *const bench = memory_allocate_zeroed(sizeof *bench);

    open_bench(bench, 2, 0);
    fill(bench, 4); // 1, 2, 3 and 4 lives
    cr_assert_eq(start(bench, 3), 0);
    check(bench);
    stop(bench, SIM_KILL);
    cr_assert_eq(start(bench, 1), 0);
    check(bench);
    close_bench(bench);
    memory_free(bench);
}

Test(reshard, whatever_ends_it_nothing_is_lost)
{
    struct bench *const bench = memory_allocate_zeroed(sizeof *bench);
    struct random random;
    uint32_t ended = 0;
    uint32_t went_on = 0;

    random_seed(&random, 3);
    open_bench(bench, 3, 2);
    fill(bench, 2);
    for (uint32_t round = 0; round < ROUNDS; round++) {
        const uint32_t shards = 1 + (uint32_t)random_below(&random, SHARDS_MAX);

        const bool names = random_below(&random, 2) == 0;

        bench->fault = (struct fault){
            .armed = round % 4 != 3,
            .names = names,
            .left = random_below(&random, names ? NAME_OPERATIONS : OPERATIONS),
        };
        const int error = start(bench, shards);

        cr_assert(error == 0 || bench->fault.hit != 0, "%s", bench->error);
        ended += bench->fault.hit != 0 ? 1 : 0;
        went_on += error == 0 ? 1 : 0;
        if (round % 4 == 3) {
            cr_assert_eq(generations(bench), 1);
            check(bench);
        }
        bench->fault.armed = false;
        stop(bench, random_below(&random, 2) == 0 ? SIM_KILL : SIM_POWER_LOSS);
    }
    cr_assert_gt(ended, ROUNDS / 6);
    cr_assert_gt(went_on, ROUNDS / 4);
    close_bench(bench);
    memory_free(bench);
}

Test(reshard, is_refused_with_the_room_that_it_needs)
{
    struct bench *const bench = memory_allocate_zeroed(sizeof *bench);

    open_bench(bench, 4, 0);
    fill(bench, 2);
    sim_world_profile(bench->world)->disk_bytes_max = 24 << 20;
    cr_assert_eq(start(bench, 4), -ENOSPC);
    cr_assert_not_null(strstr(bench->error, "MiB are needed"), "%s", bench->error);
    cr_assert_not_null(strstr(bench->error, "set node.shards to 2"), "%s", bench->error);
    stop(bench, SIM_KILL);
    sim_world_profile(bench->world)->disk_bytes_max = UINT64_C(1) << 30;
    cr_assert_eq(start(bench, 2), 0, "%s", bench->error); // all as it was
    check(bench);
    close_bench(bench);
    memory_free(bench);
}

Test(reshard, what_is_damaged_is_not_moved)
{
    struct bench *const bench = memory_allocate_zeroed(sizeof *bench);

    open_bench(bench, 5, 0);
    fill(bench, 2);
    sim_node_rot(bench->machine, "/data/generation-1/shard-1/segment-00000", 8 * (5 * 4096 + 140));
    cr_assert_eq(start(bench, 3), -EBADMSG);
    cr_assert_not_null(strstr(bench->error, "set node.shards to 2"), "%s", bench->error);
    cr_assert_eq(generations(bench), 1);
    close_bench(bench);
    memory_free(bench);
}

Test(reshard, can_be_interrupted)
{
    struct bench *const bench = memory_allocate_zeroed(sizeof *bench);

    open_bench(bench, 6, 2);
    fill(bench, 2);
    bench->polls_left = 1;
    cr_assert_eq(start(bench, 3), -EINTR);
    cr_assert_eq(generations(bench), 1);
    stop(bench, SIM_KILL);
    cr_assert_eq(start(bench, 3), 0);
    check(bench);
    close_bench(bench);
    memory_free(bench);
}

// Where CURRENT has come back from earlier, the newer generation is the data.
Test(reshard, a_newer_generation_that_is_whole_is_not_removed)
{
    struct bench *const bench = memory_allocate_zeroed(sizeof *bench);
    size_t size;

    open_bench(bench, 7, 0);
    fill(bench, 1);
    uint8_t *const current = sim_node_file(bench->machine, "/data/CURRENT", &size);

    cr_assert_eq(start(bench, 2), 0);
    stop(bench, SIM_KILL);
    sim_node_put_file(bench->machine, "/data/CURRENT.old", current, size);
    cr_assert_eq(start(bench, 2), 0);
    stop(bench, SIM_KILL);
    sim_node_put_file(bench->machine, "/data/CURRENT", current, size);
    cr_assert_eq(start(bench, 2), -EBADMSG);
    cr_assert_not_null(strstr(bench->error, "generation-2"), "%s", bench->error);
    free(current);
    cr_assert_eq(generations(bench), 1);
    close_bench(bench);
    memory_free(bench);
}
