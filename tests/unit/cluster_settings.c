// Settings that CONFIG SET changes: two names of one are one, and a command changes all or nothing.
#include "cluster/settings.h"

#include "cluster/node.h"
#include "tests/unit/node_story.h"

#include <errno.h>

// Appended to replies: the map of CONFIG GET with one setting.
static void expect_setting(struct sim_talk *talk, const char *name, const char *value)
{
    char say[128], hear[256];

    (void)snprintf(say, sizeof say, "CONFIG GET %s\r\n", name);
    (void)snprintf(hear, sizeof hear, "*2\r\n$%zu\r\n%s\r\n$%zu\r\n%s\r\n", strlen(name), name,
                   strlen(value), value);
    story_expect(talk, say, hear);
}

static void set(struct sim_talk *talk, const char *name, const char *value)
{
    char say[256];

    (void)snprintf(say, sizeof say, "CONFIG SET %s %s\r\n", name, value);
    story_expect(talk, say, "+OK\r\n");
}

static uint64_t bound_of(const struct shard *shard)
{
    struct engine_stats stats;

    engine_stats(shard->engine, &stats);
    return stats.memory_max_bytes;
}

// Of every core: what its engine was told.
static void expect_bounds(struct story *story, uint64_t bytes, enum engine_eviction eviction)
{
    const struct node *const node = sim_rldb_node(story->rldb);

    for (uint32_t i = 0; i < node->shard_count; i++) {
        cr_expect_eq(bound_of(node->shards[i]), bytes, "shard %u: %llu", i,
                     (unsigned long long)bound_of(node->shards[i]));
        cr_expect_eq(settings_eviction(node->shards[i]), eviction, "shard %u", i);
    }
}

Test(settings, both_names_tell_what_either_set)
{
    static const struct {
        const char *set, *value;     // this is set,
        const char *other, *becomes; // and the other name tells it so,
        const char *itself;          // and itself so; NULL: as it was set
    } rows[] = {
        {"maxmemory", "64mb", "storage.memory_max", "64MiB", "67108864"},
        {"maxmemory", "5000001", "storage.memory_max", "5000001B", NULL},
        {"maxmemory", "0", "storage.memory_max", "off", NULL},
        {"storage.memory_max", "2GiB", "maxmemory", "2147483648", NULL},
        {"storage.memory_max", "off", "maxmemory", "0", NULL},
        {"maxmemory-policy", "allkeys-lru", "storage.eviction", "lru", NULL},
        {"maxmemory-policy", "allkeys-random", "storage.eviction", "random", NULL},
        {"maxmemory-policy", "VOLATILE-ttl", "storage.eviction", "ttl", "volatile-ttl"},
        {"storage.eviction", "refuse", "maxmemory-policy", "noeviction", NULL},
        {"storage.eviction", "lru", "maxmemory-policy", "allkeys-lru", NULL},
        {"appendfsync", "everysec", "storage.sync", "interval", NULL},
        {"appendfsync", "NO", "storage.sync", "never", "no"},
        {"storage.sync", "always", "appendfsync", "always", NULL},
        {"timeout", "90", "clients.idle_timeout", "90s", NULL},
        {"timeout", "0", "clients.idle_timeout", "0", NULL},
        {"clients.idle_timeout", "5m", "timeout", "300", NULL},
        {"maxclients", "17", "clients.max", "17", NULL},
        {"clients.max", "18", "maxclients", "18", NULL},
        {"maxmemory-clients", "64mb", "clients.memory_max", "64MiB", "67108864"},
        {"maxmemory-clients", "0", "clients.memory_max", "off", NULL},
        {"clients.memory_max", "3MiB", "maxmemory-clients", "3145728", NULL},
        {"client-query-buffer-limit", "1mb", "clients.request_max", "1MiB", "1048576"},
        {"clients.request_max", "2MiB", "client-query-buffer-limit", "2097152", NULL},
        {"loglevel", "warning", "log.level", "warning", NULL},
        {"loglevel", "verbose", "log.level", "debug", "debug"},
        {"log.level", "info", "loglevel", "notice", NULL},
        {"log.level", "error", "loglevel", "warning", NULL},
        {"clients.output_max", "70MiB", "client-output-buffer-limit",
         "normal 73400320 0 0 slave 0 0 0 pubsub 0 0 0", NULL},
    };
    struct story story = story_open(2, "");
    struct sim_talk *const talk = story_talk(&story, 0);
    struct sim_talk *const elsewhere = story_talk(&story, 1);

    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        set(talk, rows[i].set, rows[i].value);
        expect_setting(talk, rows[i].other, rows[i].becomes);
        expect_setting(elsewhere, rows[i].other, rows[i].becomes);
        expect_setting(talk, rows[i].set, rows[i].itself != NULL ? rows[i].itself : rows[i].value);
    }
    story_close(&story);
}

Test(settings, a_bound_on_memory_reaches_every_engine)
{
    struct story story = story_open(2, "storage: { engine: memory, memory_max: 64MiB }\n");
    struct sim_talk *const talk = story_talk(&story, 0);

    expect_bounds(&story, UINT64_C(32) << 20, EVICTION_REFUSE);
    set(talk, "maxmemory", "8mb");
    expect_bounds(&story, UINT64_C(4) << 20, EVICTION_REFUSE);
    // What was set stays when the other of the two changes, by either name.
    set(talk, "storage.eviction", "lru");
    expect_bounds(&story, UINT64_C(4) << 20, EVICTION_LRU);
    set(talk, "maxmemory-policy", "allkeys-random");
    expect_bounds(&story, UINT64_C(4) << 20, EVICTION_RANDOM);
    set(talk, "storage.memory_max", "16MiB");
    expect_bounds(&story, UINT64_C(8) << 20, EVICTION_RANDOM);
    // What leaves a core nothing to keep data in is refused, by either name; none is none.
    story_expect(talk, "CONFIG SET timeout 7 maxmemory 1\r\n",
                 "-ERR CONFIG SET failed (possibly related to argument 'maxmemory') - 1 bytes are "
                 "too few for 2 shards to keep anything, expected 4MiB or more\r\n");
    story_expect(talk, "CONFIG SET storage.memory_max 4095KiB\r\n",
                 "-ERR CONFIG SET failed (possibly related to argument 'storage.memory_max') - "
                 "4193280 bytes are too few for 2 shards to keep anything, expected 4MiB or "
                 "more\r\n");
    expect_bounds(&story, UINT64_C(8) << 20, EVICTION_RANDOM);
    expect_setting(talk, "timeout", "0");
    set(talk, "maxmemory", "4mb");
    expect_bounds(&story, UINT64_C(2) << 20, EVICTION_RANDOM);
    set(talk, "maxmemory", "0");
    expect_bounds(&story, 0, EVICTION_RANDOM);
    set(talk, "storage.memory_max", "auto");
    const struct node *const node = sim_rldb_node(story.rldb);

    expect_bounds(&story, settings_memory_max_bytes(node->shards[0]) / 2, EVICTION_RANDOM);
    cr_expect_neq(bound_of(node->shards[0]), 0);
    story_close(&story);
}

Test(settings, all_of_a_command_or_nothing)
{
    static const struct {
        const char *say, *hear;
    } rows[] = {
        {"CONFIG SET timeout 7 maxmemory abc\r\n",
         "-ERR CONFIG SET failed (possibly related to argument 'maxmemory') - argument must be a "
         "memory value\r\n"},
        {"CONFIG SET timeout 7 maxmemory-clients 101%\r\n",
         "-ERR CONFIG SET failed (possibly related to argument 'maxmemory-clients') - percentage "
         "argument must be less or equal to 100\r\n"},
        {"CONFIG SET timeout 7 maxmemory-clients -1%\r\n",
         "-ERR CONFIG SET failed (possibly related to argument 'maxmemory-clients') - argument "
         "must be a memory or percent value\r\n"},
        {"CONFIG SET clients.idle_timeout 7s slowlog-max-len -3\r\n",
         "-ERR CONFIG SET failed (possibly related to argument 'slowlog-max-len') - argument must "
         "be between 0 and 1024 inclusive\r\n"},
        {"CONFIG SET timeout 7 slowlog-max-len 1025\r\n",
         "-ERR CONFIG SET failed (possibly related to argument 'slowlog-max-len') - argument must "
         "be between 0 and 1024 inclusive\r\n"},
        {"CONFIG SET slowlog-log-slower-than 3 storage.sync often\r\n",
         "-ERR CONFIG SET failed (possibly related to argument 'storage.sync') - storage.sync: "
         "\"often\" is unknown, expected always, interval or never\r\n"},
        {"CONFIG SET timeout 7 port 1\r\n",
         "-ERR CONFIG SET failed (possibly related to argument 'port') - can't set immutable "
         "config\r\n"},
        {"CONFIG SET timeout 7 clients.idle_timeout 8s\r\n",
         "-ERR CONFIG SET failed (possibly related to argument 'clients.idle_timeout') - "
         "duplicate parameter\r\n"},
        {"CONFIG SET timeout 7 maxclients 10001\r\n",
         "-ERR CONFIG SET failed (possibly related to argument 'maxclients') - argument must be "
         "between 1 and clients.max of the configuration file\r\n"},
        {"CONFIG SET timeout 7 clients.max 10001\r\n",
         "-ERR CONFIG SET failed (possibly related to argument 'clients.max') - argument must be "
         "between 1 and clients.max of the configuration file\r\n"},
        {"CONFIG SET timeout 7 client-query-buffer-limit 1kb\r\n",
         "-ERR CONFIG SET failed (possibly related to argument 'client-query-buffer-limit') - "
         "argument must be between 65536 and 4294967296 inclusive\r\n"},
        {"CONFIG SET timeout 7 \"storage.sync\\x00\" never\r\n",
         "-ERR Unknown option or number of arguments for CONFIG SET - 'storage.sync'\r\n"},
        {"CONFIG SET timeout 7 storage.sync \"never\\x00\"\r\n",
         "-ERR CONFIG SET failed (possibly related to argument 'storage.sync') - argument is too "
         "long or has a NUL byte\r\n"},
    };
    struct story story = story_open(2, "");
    struct sim_talk *const talk = story_talk(&story, 1);

    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        story_expect(talk, rows[i].say, rows[i].hear);
        expect_setting(talk, "timeout", "0");
        expect_setting(talk, "slowlog-log-slower-than", "10000");
        expect_setting(talk, "storage.sync", "always");
    }
    story_expect(talk, "CONFIG SET TIMEOUT 7 Storage.Sync never slowlog-max-len 5\r\n", "+OK\r\n");
    expect_setting(talk, "clients.idle_timeout", "7s");
    expect_setting(talk, "storage.sync", "never");
    expect_setting(talk, "slowlog-max-len", "5");
    story_close(&story);
}

Test(settings, a_timeout_takes_hold_of_who_is_connected)
{
    struct story story = story_open(2, "");
    struct sim_talk *const talk = story_talk(&story, 0);
    struct sim_talk *const idle = story_talk(&story, 1);

    story_expect(idle, "PING\r\n", "+PONG\r\n");
    set(talk, "clients.idle_timeout", "1s");
    for (int i = 0; i < 5; i++) {
        story_run(&story, 500);
        story_expect(talk, "PING\r\n", "+PONG\r\n");
    }
    cr_expect(sim_talk_ended(idle), "an idle client is still there");
    cr_expect_not(sim_talk_ended(talk));
    story_close(&story);
}

Test(settings, what_cannot_be_listened_on_says_what_to_do)
{
    char error[NODE_ERROR_BYTES];

    node_listen_error("127.0.0.1:7379", "listen.client", -EADDRINUSE, error);
    cr_expect_str_eq(error, "cannot listen on 127.0.0.1:7379: Address already in use; is another "
                            "program (or another rldbd) using it?");
    node_listen_error("unix:/tmp/a", "listen.client", -ENOTSOCK, error);
    cr_expect_str_eq(error, "cannot listen on unix:/tmp/a: a file that is no socket is there; move "
                            "it away, or choose another path for listen.client");
    node_listen_error("192.0.2.1:7379", "listen.http", -EADDRNOTAVAIL, error);
    cr_expect_str_eq(error,
                     "cannot listen on 192.0.2.1:7379: Cannot assign requested address; check "
                     "listen.http in the configuration");
}
