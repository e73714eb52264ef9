// The directory of a node: who lives there, one at a time, and what is refused.
#include "cluster/data_dir.h"

#include "core/hash.h"
#include "core/wait.h"
#include "tests/sim/sim_world.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <stdlib.h>

enum { VERSION_AT = 8, COMPLEMENT_AT = 12, CHECKSUM_AT = 16, CHECKED_FROM = 24 };

// A machine with a disk, and who asks for a directory on it.
struct bench {
    struct sim_world *world;
    struct sim_node *machine;
    struct io *io;
    int failing; // 0, or -errno of every operation that writes
    int lock;
    struct data_identity identity;
    char error[DATA_DIR_ERROR_BYTES];
};

static int fail_writes(void *context, const struct sim_node *node, const char *what)
{
    const struct bench *const bench = context;

    (void)node;
    return strcmp(what, "read") == 0 ? 0 : bench->failing;
}

static struct data_identity identity_of(uint32_t partitions)
{
    struct data_identity identity = {
        .hash_seed = 7, .generation = 1, .shards = 2, .partitions = partitions};

    memset(&identity.id, 3, sizeof identity.id);
    memset(&identity.secret, 4, sizeof identity.secret);
    return identity;
}

static void bench_begin(struct bench *bench)
{
    static const struct io_uring_options options = {64, 16, 4096};
    struct sim_profile profile = sim_profile_default();

    profile.cut_per_mille = 0; // who reads small files takes what is short for their end
    *bench = (struct bench){.lock = -1};
    bench->world = sim_world_open(5, &profile);
    bench->machine = sim_node_add(bench->world, "10.0.0.1");
    bench->io = sim_core_open(bench->machine, &options);
    sim_world_profile(bench->world)->hooks =
        (struct sim_hooks){.context = bench, .disk_error = fail_writes};
}

static int bench_open(struct bench *bench, uint32_t partitions)
{
    bench->identity = identity_of(partitions);
    bench->error[0] = '\0';
    return data_dir_open(bench->io, "/data", &bench->identity, &bench->lock, bench->error);
}

static void bench_close(struct bench *bench)
{
    data_dir_close(bench->io, bench->lock);
    bench->lock = -1;
}

static void bench_end(struct bench *bench)
{
    sim_node_stop(bench->machine, SIM_KILL);
    sim_world_close(bench->world);
}

// Refused, and each of the words is said.
static void refused(struct bench *bench, int error, const char *word, const char *remedy)
{
    cr_assert_eq(bench_open(bench, 256), error, "%s", bench->error);
    cr_assert_not_null(strstr(bench->error, word), "%s", bench->error);
    cr_assert_not_null(strstr(bench->error, remedy), "%s", bench->error);
    cr_assert_eq(bench->lock, -1);
}

static void put_current(struct bench *bench, const uint8_t *bytes, size_t size)
{
    sim_node_put_file(bench->machine, "/data/CURRENT", bytes, size);
}

Test(cluster_data_dir, is_who_it_was)
{
    struct bench bench;
    struct data_identity first;

    bench_begin(&bench);
    cr_assert_eq(bench_open(&bench, 256), 0, "%s", bench.error);
    first = bench.identity;
    bench_close(&bench);
    bench.identity.hash_seed = 99; // what it would be, if it were new
    cr_assert_eq(bench_open(&bench, 256), 0);
    cr_assert_eq(memcmp(&first.id, &bench.identity.id, sizeof first.id), 0);
    cr_assert_eq(bench.identity.hash_seed, 7);
    cr_assert_eq(bench.identity.generation, 1);
    bench_close(&bench);
    cr_assert_eq(bench_open(&bench, 128), -EINVAL);
    cr_assert_not_null(strstr(bench.error, "set it to 256"), "%s", bench.error);
    cr_assert_eq(bench_open(&bench, 256), 0); // the lock was let go of
    bench_close(&bench);
    bench_end(&bench);
}

Test(cluster_data_dir, one_at_a_time)
{
    struct bench bench;

    bench_begin(&bench);
    cr_assert_eq(bench_open(&bench, 256), 0);
    const int held = bench.lock;

    bench.lock = -1;
    refused(&bench, -EWOULDBLOCK, "in use by another rldbd", "a directory of its own");
    data_dir_close(bench.io, held);
    cr_assert_eq(bench_open(&bench, 256), 0);
    bench_close(&bench);
    bench_end(&bench);
}

Test(cluster_data_dir, says_what_to_do)
{
    static const struct {
        int error;
        const char *remedy;
    } cases[] = {{-EROFS, "mount it to be written to"},
                 {-EACCES, "let the user of rldbd read and write there"},
                 {-ENOSPC, "make room"},
                 {-EDQUOT, "make room"}};
    struct bench bench;

    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        bench_begin(&bench);
        bench.failing = cases[i].error;
        refused(&bench, cases[i].error, "/data", cases[i].remedy);
        bench.failing = 0;
        cr_assert_eq(bench_open(&bench, 256), 0, "%s", bench.error);
        bench_close(&bench);
        bench_end(&bench);
    }
}

// Data without CURRENT is somebody's: it is no new node's.
Test(cluster_data_dir, current_is_missing)
{
    struct bench bench;

    bench_begin(&bench);
    cr_assert_eq(bench_open(&bench, 256), 0);
    bench_close(&bench);
    sim_node_put_file(bench.machine, "/data/generation-1/MANIFEST", (const uint8_t *)"x", 1);
    cr_assert_eq(wait_unlink(bench.io, "/data/CURRENT"), 0);
    refused(&bench, -EBADMSG, "no file CURRENT", "restore that file");
    bench_end(&bench);
}

// Torn in its writing, at any byte, or with a flipped bit, it is damage, whatever that says. It is
// never half of what it was.
Test(cluster_data_dir, current_is_torn)
{
    const struct data_identity identity = identity_of(256);
    uint8_t bytes[DATA_DIR_CURRENT_BYTES];
    struct bench bench;
    struct data_identity found = {.generation = 77};

    data_dir_write_current(bytes, &identity);
    for (size_t size = 0; size < sizeof bytes; size++) {
        cr_assert_eq(data_dir_read_current(slice_of(bytes, size), &found), -EBADMSG, "%zu", size);
    }
    for (size_t bit = 0; bit < sizeof bytes * 8; bit++) {
        if (bit / 8 >= COMPLEMENT_AT && bit / 8 < CHECKSUM_AT) {
            continue; // zeros that nobody looks at
        }
        bytes[bit / 8] ^= (uint8_t)(1U << bit % 8);
        cr_assert_eq(data_dir_read_current(slice_of(bytes, sizeof bytes), &found), -EBADMSG,
                     "bit %zu", bit);
        bytes[bit / 8] ^= (uint8_t)(1U << bit % 8);
    }
    cr_assert_eq(found.generation, 77);
    bench_begin(&bench);
    cr_assert_eq(bench_open(&bench, 256), 0);
    bench_close(&bench);
    put_current(&bench, bytes, sizeof bytes / 2);
    refused(&bench, -EBADMSG, "CURRENT cannot be read (it is damaged)", "restore it");
    bytes[VERSION_AT] ^= 8;
    put_current(&bench, bytes, sizeof bytes);
    refused(&bench, -EBADMSG, "CURRENT cannot be read (it is damaged)", "restore it");
    bench_end(&bench);
}

// A later version says so by its complement; or by a number that no one bit makes of ours.
Test(cluster_data_dir, current_is_newer)
{
    static const uint32_t versions[] = {3, 4, 1000};
    const struct data_identity identity = identity_of(256);
    uint8_t bytes[DATA_DIR_CURRENT_BYTES];
    char said[64];
    struct bench bench;

    data_dir_write_current(bytes, &identity);
    bench_begin(&bench);
    cr_assert_eq(bench_open(&bench, 256), 0);
    bench_close(&bench);
    for (size_t i = 0; i < sizeof versions / sizeof versions[0]; i++) {
        const uint32_t complement = ~versions[i];

        memcpy(bytes + VERSION_AT, &versions[i], 4);
        memcpy(bytes + COMPLEMENT_AT, &complement, 4);
        put_current(&bench, bytes, sizeof bytes);
        (void)snprintf(said, sizeof said, "its format is %u, this one reads up to 2", versions[i]);
        refused(&bench, -EPROTONOSUPPORT, said, "start that one");
    }
    memset(bytes + COMPLEMENT_AT, 0, 4);
    put_current(&bench, bytes, sizeof bytes);
    refused(&bench, -EPROTONOSUPPORT, "its format is 1000", "start that one");
    bench_end(&bench);
}

// CURRENT is older than the data.
Test(cluster_data_dir, generation_is_unknown)
{
    struct bench bench;

    bench_begin(&bench);
    cr_assert_eq(bench_open(&bench, 256), 0);
    bench_close(&bench);
    sim_node_put_file(bench.machine, "/data/generation-2/MANIFEST", (const uint8_t *)"x", 1);
    refused(&bench, -EBADMSG, "generation-2, is there", "restore the CURRENT");
    bench_end(&bench);
}
