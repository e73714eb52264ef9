// Who stamps a shard's writes, over stops and starts of a node on the log engine.
#include "cluster/identity.h"

#include "core/hash.h"
#include "tests/unit/node_story.h"

static const char config[] = "node: { data_dir: /data }\n"
                             "storage: { engine: log, segment: 2MiB, cache: 1MiB }\n";

struct life {
    struct actor_id actor;
    uint64_t lease;
    uint64_t clock;
};

// What is to be done to the records of the node before it serves, and what its log has said.
struct meddling {
    bool armed;
    bool failed;
    const char *key;
    uint8_t bytes[64];
    size_t size;
    char said[4096];
    size_t said_size;
};

static struct life life_of(struct story *story)
{
    const struct shard *const shard = sim_rldb_shard(story->rldb, 0);

    return (struct life){
        .actor = *actor_table_id(&shard->actors[0], shard->identity.actor),
        .lease = shard->identity.lease,
        .clock = shard->clock.last,
    };
}

struct put {
    struct engine_op op; // first
    bool done;
};

static void put_done(struct engine_op *op)
{
    ((struct put *)(void *)op)->done = true;
}

// A shard is open, and its records become others.
static bool meddle(void *context, struct shard *shard)
{
    struct meddling *const meddling = context;
    const struct slice key = slice_from_text(meddling->key);
    struct put put = {.op = {.hash = hash_key(shard->node->identity.hash_seed, key),
                             .key = key,
                             .vnode = shard->vnode_count,
                             .done = put_done,
                             .parts = {slice_of(meddling->bytes, meddling->size)}}};
    struct engine_op *op = &put.op;

    if (!meddling->armed) {
        return true;
    }
    meddling->armed = false;
    engine_put(shard->engine, &op, 1);
    while (op->status == ENGINE_PENDING && !put.done) {
        engine_commit(shard->engine);
        io_turn(shard->io, UINT64_MAX);
    }
    cr_assert_eq(op->status, ENGINE_OK);
    return true;
}

static bool failed(void *context, const char *error)
{
    struct meddling *const meddling = context;

    meddling->failed = true;
    (void)error;
    return true;
}

static void said(void *context, enum log_level level, const char *line)
{
    struct meddling *const meddling = context;
    const size_t size = strlen(line);

    (void)level;
    if (meddling->said_size + size < sizeof meddling->said) {
        memcpy(meddling->said + meddling->said_size, line, size + 1);
        meddling->said_size += size;
    }
}

static void again(struct story *story)
{
    sim_rldb_restart(story->rldb);
    for (uint32_t i = 0; i < 1000 && !sim_rldb_up(story->rldb); i++) {
        story_run(story, 10);
    }
    cr_assert(sim_rldb_up(story->rldb));
}

static bool is_same_actor(const struct life *a, const struct life *b)
{
    return a->actor.vnode_id == b->actor.vnode_id && a->actor.incarnation == b->actor.incarnation;
}

// A kill leaves the lease: the next life is the same actor's, and begins where no stamp was given
// out.
Test(cluster_identity, goes_on_at_the_lease)
{
    struct story story = story_open(1, config);
    struct life first;

    story_expect(story_talk(&story, 0), "SET a 1\r\n", "+OK\r\n");
    first = life_of(&story);
    cr_assert_lt(first.clock, first.lease);
    story_hang_up(&story, story.talks[0], true);
    sim_rldb_kill(story.rldb, SIM_KILL);
    again(&story);
    const struct life second = life_of(&story);

    cr_assert(is_same_actor(&first, &second));
    cr_assert_geq(second.clock, first.clock);
    cr_assert_geq(second.clock, first.lease);
    story_expect(story_talk(&story, 0), "GET a\r\n", "$1\r\n1\r\n");
    story_close(&story);
}

// What cannot be read proves nothing: a new life.
static void check_meddled(const char *key, const uint8_t *bytes, size_t size, bool same)
{
    struct meddling meddling = {.armed = true, .key = key, .size = size};
    const struct sim_rldb_hooks hooks = {.context = &meddling, .opened = meddle, .said = said};
    struct story story = story_open(1, config);
    const struct life first = life_of(&story);

    memcpy(meddling.bytes, bytes, size);
    sim_rldb_kill(story.rldb, SIM_KILL);
    sim_rldb_hook(story.rldb, &hooks);
    again(&story); // and its records are others now
    sim_rldb_kill(story.rldb, SIM_KILL);
    again(&story);
    const struct life third = life_of(&story);

    cr_assert_eq(is_same_actor(&first, &third), same, "%s", key);
    story_close(&story);
}

Test(cluster_identity, begins_anew_without_a_lease)
{
    uint8_t bytes[IDENTITY_LEASE_BYTES];

    identity_lease_write(bytes, UINT64_C(1) << 60);
    check_meddled(IDENTITY_KEY_LEASE, bytes, sizeof bytes - 1, false); // torn
    check_meddled(IDENTITY_KEY_LEASE, bytes, 0, false);
    memset(bytes, 0, 4); // no version
    check_meddled(IDENTITY_KEY_LEASE, bytes, sizeof bytes, false);
}

Test(cluster_identity, begins_anew_without_actors)
{
    check_meddled(IDENTITY_KEY_ACTORS, (const uint8_t *)"\1\0\0\0\1\0\0\0\1", 9, false);
}

// Of a later version: not a new life, which would forget the one that is there.
Test(cluster_identity, refuses_what_is_newer)
{
    static const char *const keys[] = {"actors", "lease", "life"};

    for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++) {
        struct meddling meddling = {
            .armed = true, .key = keys[i], .bytes = {IDENTITY_VERSION + 1}, .size = 16};
        const struct sim_rldb_hooks hooks = {
            .context = &meddling, .opened = meddle, .failed = failed, .said = said};
        struct story story = story_open(1, config);

        sim_rldb_kill(story.rldb, SIM_KILL);
        sim_rldb_hook(story.rldb, &hooks);
        again(&story);
        sim_rldb_kill(story.rldb, SIM_KILL);
        sim_rldb_restart(story.rldb);
        for (uint32_t t = 0; t < 1000 && !meddling.failed; t++) {
            story_run(&story, 10);
        }
        cr_assert(meddling.failed, "%s", keys[i]);
        cr_assert_not_null(strstr(meddling.said, "newer version of rldb: start that one"), "%s",
                           meddling.said);
        cr_assert_not_null(strstr(meddling.said, keys[i]));
        // And it is so at the next start: the failed one has written nothing.
        meddling.failed = false;
        for (uint32_t t = 0; t < 1000 && !meddling.failed; t++) {
            story_run(&story, 10);
        }
        cr_assert(meddling.failed && !sim_rldb_up(story.rldb));
        sim_rldb_kill(story.rldb, SIM_KILL);
        sim_rldb_close(story.rldb);
        sim_world_close(story.world);
    }
}
