// What surrounds a snapshot: its names, CURRENT, the record of lives, and what a start removes.
// Snapshots themselves: engines_log_copy.c, tests/e2e/snapshot.py.
#include "cluster/data_dir.h"
#include "cluster/gate.h"
#include "cluster/identity_record.h"
#include "core/hash.h"
#include "core/wait.h"
#include "tests/unit/node_story.h"

#include <errno.h>

enum { CURRENT_BYTES_VERSION_1 = 116, CHECKED_FROM = 24 };

static struct data_identity identity_of(uint64_t snapshot)
{
    struct data_identity identity = {
        .hash_seed = 7, .generation = 3, .shards = 2, .partitions = 256, .snapshot = snapshot};

    memset(&identity.id, 1, sizeof identity.id);
    memset(&identity.secret, 2, sizeof identity.secret);
    return identity;
}

Test(cluster_snapshot, names)
{
    static const char *const good[] = {"a", "2026-11-23", "a.b_C", "-", "_.."};
    static const char *const bad[] = {"", ".", "..", ".a", "a/b", "a b", "a\n", "\xc3\xa4"};
    char longest[LIMIT_SNAPSHOT_NAME_BYTES + 2];

    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
        cr_assert(data_dir_is_snapshot_name(slice_from_text(good[i])), "%s", good[i]);
    }
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        cr_assert(!data_dir_is_snapshot_name(slice_from_text(bad[i])), "%s", bad[i]);
    }
    memset(longest, 'x', sizeof longest);
    cr_assert(data_dir_is_snapshot_name(slice_of(longest, LIMIT_SNAPSHOT_NAME_BYTES)));
    cr_assert(!data_dir_is_snapshot_name(slice_of(longest, LIMIT_SNAPSHOT_NAME_BYTES + 1)));
}

Test(cluster_snapshot, current_says_of_which_it_is)
{
    const struct data_identity identity = identity_of(UINT64_C(0x1122334455667788));
    struct data_identity found = {0};
    uint8_t bytes[DATA_DIR_CURRENT_BYTES];

    data_dir_write_current(bytes, &identity);
    cr_assert_eq(data_dir_read_current(slice_of(bytes, sizeof bytes), &found), 0);
    cr_assert_eq(found.snapshot, identity.snapshot);
    cr_assert_eq(found.partitions, 256);
    for (size_t at = 0; at < sizeof bytes; at++) {
        const bool counts = at < 12 || at >= 16; // zeros that nobody looks at

        bytes[at] ^= 0x40;
        cr_assert_eq(data_dir_read_current(slice_of(bytes, sizeof bytes), &found) != 0, counts,
                     "byte %zu", at);
        bytes[at] ^= 0x40;
    }
    cr_assert_eq(data_dir_read_current(slice_of(bytes, CURRENT_BYTES_VERSION_1), &found), -EBADMSG);
}

// What was written before there were snapshots is of none.
Test(cluster_snapshot, current_of_version_1)
{
    const struct data_identity identity = identity_of(5);
    struct data_identity found = {0};
    uint8_t bytes[DATA_DIR_CURRENT_BYTES];

    data_dir_write_current(bytes, &identity);
    bytes[8] = 1;
    const uint64_t checksum =
        hash_checksum(bytes + CHECKED_FROM, CURRENT_BYTES_VERSION_1 - CHECKED_FROM);

    memcpy(bytes + 16, &checksum, sizeof checksum);
    cr_assert_eq(data_dir_read_current(slice_of(bytes, CURRENT_BYTES_VERSION_1), &found), 0);
    cr_assert_eq(found.snapshot, 0);
    cr_assert_eq(found.generation, 3);
    cr_assert_eq(data_dir_read_current(slice_of(bytes, sizeof bytes), &found), -EBADMSG);
}

Test(cluster_snapshot, lives)
{
    struct actor_table table;
    struct random random;
    uint8_t bytes[IDENTITY_LIFE_BYTES];
    uint64_t snapshot = 0;

    identity_life_write(bytes, 42);
    cr_assert(identity_life_read(slice_of(bytes, sizeof bytes), &snapshot));
    cr_assert_eq(snapshot, 42);
    cr_assert(!identity_life_read(slice_of(bytes, sizeof bytes - 1), &snapshot));
    bytes[0]++;
    cr_assert(!identity_life_read(slice_of(bytes, sizeof bytes), &snapshot));

    random_seed(&random, 1);
    actor_table_init(&table);
    cr_assert_eq(identity_enter_next(&table, &random), 0);
    cr_assert_eq(identity_enter_apart(&table, &random), 0);
    cr_assert_eq(table.count, 2);
    cr_assert_neq(table.ids[0].vnode_id, table.ids[1].vnode_id);
    actor_table_free(&table);
}

static bool note_name(void *context, const char *name)
{
    char *const names = context;

    (void)snprintf(names + strlen(names), 256 - strlen(names), "%s ", name);
    return true;
}

// What has a name is whole, and stays; what has begun with a point goes, with all below it.
Test(cluster_snapshot, a_start_removes_what_is_not_whole)
{
    static const struct io_uring_options options = {64, 16, 4096};
    struct sim_world *const world = sim_world_open(1, NULL);
    struct sim_node *const node = sim_node_add(world, "10.0.0.1");
    struct data_identity identity = identity_of(0);
    char error[DATA_DIR_ERROR_BYTES];
    static const char *const directories[] = {
        "/data",
        "/data/snapshots",
        "/data/snapshots/whole",
        "/data/snapshots/whole/generation-3",
        "/data/snapshots/.unfinished-a",
        "/data/snapshots/.unfinished-a/generation-3",
        "/data/snapshots/.unfinished-a/generation-3/shard-0",
        "/data/snapshots/.removed-b",
    };
    char names[256] = "";
    int lock;

    struct io *const io = sim_core_open(node, &options);

    for (size_t i = 0; i < sizeof directories / sizeof directories[0]; i++) {
        char path[128];

        cr_assert_eq(wait_mkdir(io, directories[i]), 0);
        (void)snprintf(path, sizeof path, "%s/FILE", directories[i]);
        sim_node_put_file(node, path, (const uint8_t *)"file", 4);
    }
    cr_assert_eq(data_dir_open(io, "/data", &identity, &lock, error), 0, "%s", error);
    cr_assert_eq(sim_node_list(node, "/data/snapshots", note_name, names), 0);
    cr_assert(strcmp(names, "whole FILE ") == 0 || strcmp(names, "FILE whole ") == 0, "%s", names);
    names[0] = '\0';
    cr_assert_eq(sim_node_list(node, "/data/snapshots/whole/generation-3", note_name, names), 0);
    cr_assert_str_eq(names, "FILE ");
    data_dir_close(io, lock);
    io_destroy(io);
    sim_world_close(world);
}

static const char STORAGE[] = "storage: { engine: log, segment: 2MiB, cache: 2MiB }\n";
static const char RESTORED[] = "listen: { client: '10.0.0.1:7379' }\n"
                               "auth: { insecure: true }\n"
                               "storage: { engine: log, segment: 2MiB, cache: 2MiB }\n"
                               "node: { data_dir: data/snapshots/s }\n";

static bool is_taken(struct story *story, uint32_t core)
{
    return sim_rldb_shard(story->rldb, core)->gates->exclusive;
}

// While one core is not taken yet those that are serve nobody, and are not cut: what is done there
// is acknowledged after the moment of the snapshot, and not in it.
Test(cluster_snapshot, no_core_is_cut_before_all_are_taken)
{
    enum { STEPS_MAX = 1000000 };
    struct story story = story_open(2, STORAGE);
    struct sim_talk *ann = story_talk(&story, 0);
    struct sim_talk *bob = story_talk(&story, 1);
    uint32_t steps = 0;

    // apple is core 0's.
    story_run(&story, 100);
    sim_talk_say(ann, "SET apple old\r\n");
    cr_assert_str_eq(sim_talk_hear(ann, 1000, NULL), "+OK\r\n");
    sim_talk_say(bob, "RLDB.SNAPSHOT CREATE s\r\n");
    while (!is_taken(&story, 0)) {
        cr_assert(sim_world_step(story.world) && ++steps < STEPS_MAX, "no core is taken");
    }
    cr_assert(!is_taken(&story, 1));
    sim_rldb_hang(story.rldb, 1, true);
    sim_talk_say(ann, "SET apple new\r\n");
    cr_assert_str_eq(sim_talk_hear(ann, 1000, NULL), "");
    cr_assert(is_taken(&story, 0));
    sim_rldb_hang(story.rldb, 1, false);
    cr_assert_str_eq(sim_talk_hear(ann, 1000, NULL), "+OK\r\n");
    cr_assert_str_eq(sim_talk_hear(bob, 1000, NULL), "+OK\r\n");
    cr_assert(!is_taken(&story, 0) && !is_taken(&story, 1));
    story_hang_up(&story, ann, false);
    story_hang_up(&story, bob, false);

    sim_rldb_stop(story.rldb);
    while (!sim_rldb_stopped(story.rldb)) {
        cr_assert(sim_world_step(story.world));
    }
    sim_rldb_end(story.rldb);
    sim_rldb_configure(story.rldb, RESTORED);
    sim_rldb_restart(story.rldb);
    while (!sim_rldb_up(story.rldb)) {
        cr_assert(sim_world_step(story.world));
    }
    ann = story_talk(&story, 0);
    story_run(&story, 100);
    sim_talk_say(ann, "GET apple\r\n");
    cr_assert_str_eq(sim_talk_hear(ann, 1000, NULL), "$3\r\nold\r\n");
    story_close(&story);
}
