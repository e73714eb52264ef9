// A whole node of several real shards in one process, under load from all sides, stopped by the
// path that SIGTERM takes: under TSan, what cores share by mistake is reported.
//
// cli/rldbd.c in small: threads open, listen and run together. Clients keep pipelines over all
// cores under way by TCP, by the cores' own ports and by the unix socket (whose connections are
// handed from core to core); others come and go, change settings, ask for what every core has to
// tell, flush, read the metrics, kill. The log is opened anew meanwhile, as SIGHUP asks. The node
// is stopped with all of that going on.
//
// What is checked beside races: replies have the right type and order, nobody is hung up on before
// the stop, and all ends.
#include "cluster/node.h"
#include "cluster/shard.h"
#include "core/check.h"
#include "core/config.h"
#include "core/cpu.h"
#include "core/io.h"
#include "core/limits.h"
#include "core/log_file.h"
#include "core/random.h"

#include <arpa/inet.h>
#include <hiredis/hiredis.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum {
    SHARDS = 3,
    RUN_MS = 2500,
    REPLIES_MIN = 3000,     // a run with fewer goes on, on a machine that is slow or busy,
    RUN_MS_MAX = 60 * 1000, // for so long
    KEYS = 200,
    DEPTH_MAX = 64,
    PORT_BLOCK = 20, // as tests/harness/ports.py cuts them; the last is the block's lock
    HTTP_PORT = 10,  // of the block
    TEXT_BYTES = 160,
};

struct core {
    struct server *server;
    uint32_t index;
    struct io *io;
    struct shard *shard;
    pthread_t thread;
    uint64_t hops;    // what the core had done at its end
    uint64_t multis;  //
    uint64_t clients; //
    uint64_t wakes;   //
};

struct server {
    struct config config;
    struct node *node;
    struct io *io; // the main thread's
    struct log_file log;
    char folder[64];
    char socket[96];
    uint16_t port;
    pthread_barrier_t opened, listening, ended;
    struct core cores[SHARDS];
    _Atomic bool stopping;
    _Atomic uint64_t replies;
};

struct visitor {
    struct server *server;
    uint32_t index;
    struct random random;
    pthread_t thread;
};

static _Noreturn void give_up(const char *what, const char *why)
{
    (void)fprintf(stderr, "threads_node: %s: %s\n", what, why);
    exit(1);
}

// The node ------------------------------------------------------------------------------------

static void *core_main(void *context)
{
    const struct io_uring_options options = {256, 64, 4096};
    struct core *const core = context;
    struct server *const server = core->server;
    char error[NODE_ERROR_BYTES];

    if (io_uring_open(&options, &core->io, error) < 0 ||
        shard_open(server->node, core->index, core->io, &core->shard, error) < 0) {
        give_up("cannot open a shard", error);
    }
    (void)pthread_barrier_wait(&server->opened);
    if (shard_listen(core->shard, error) < 0) {
        give_up("cannot listen", error);
    }
    (void)pthread_barrier_wait(&server->listening);
    reactor_run(&core->shard->reactor);
    core->hops = core->shard->stats.hops_received;
    core->multis = core->shard->stats.multis;
    core->clients = core->shard->stats.connections_received;
    core->wakes = core->shard->stats.wakes_sent;
    shard_close_listeners(core->shard);
    (void)pthread_barrier_wait(&server->ended);
    shard_close(core->shard);
    io_destroy(core->io);
    return NULL;
}

static bool port_is_taken(int *ret_fd, uint16_t port)
{
    struct sockaddr_in address = {
        .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};

    *ret_fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    CHECK(*ret_fd >= 0);
    if (bind(*ret_fd, (struct sockaddr *)&address, sizeof address) == 0 &&
        listen(*ret_fd, 1) == 0) {
        return false;
    }
    (void)close(*ret_fd);
    return true;
}

// The first port of a block that nobody uses; its lock stays open until the process ends.
static uint16_t ports_take(void)
{
    const char *const range = getenv("RLDB_TEST_PORTS");
    char *end = NULL;
    const long first = range != NULL ? strtol(range, &end, 10) : 20200;
    const long last = end != NULL && *end == '-' ? strtol(end + 1, NULL, 10) : first + 99;

    for (long base = first; base + PORT_BLOCK <= last + 1; base += PORT_BLOCK) {
        bool taken = false;
        int lock = -1;
        int fd = -1;

        if (port_is_taken(&lock, (uint16_t)(base + PORT_BLOCK - 1))) {
            continue;
        }
        for (long port = base; port < base + PORT_BLOCK - 1 && !taken; port++) {
            taken = port_is_taken(&fd, (uint16_t)port);
            if (!taken) {
                (void)close(fd);
            }
        }
        if (!taken) {
            return (uint16_t)base;
        }
        (void)close(lock);
    }
    give_up("no free block of ports", range != NULL ? range : "20200-20299");
}

static void server_configure(struct server *server)
{
    struct config_error error;
    char text[512];

    server->port = ports_take();
    (void)snprintf(server->folder, sizeof server->folder, "/tmp/rldb-threads-XXXXXX");
    CHECK(mkdtemp(server->folder) != NULL);
    (void)snprintf(server->socket, sizeof server->socket, "%s/socket", server->folder);
    (void)snprintf(text, sizeof text,
                   "listen: { client: [ '127.0.0.1:%u', 'unix:%s' ], http: '127.0.0.1:%u' }\n"
                   "storage: { engine: memory, memory_max: 256MiB }\n"
                   "log: { level: debug }\n",
                   server->port, server->socket, server->port + HTTP_PORT);
    if (config_parse("threads", text, strlen(text), &server->config, &error) < 0) {
        give_up("configuration", error.text);
    }
}

static void server_start(struct server *server)
{
    const struct io_uring_options options = {8, 1, 4096};
    struct cpu_facts *const facts = calloc(1, sizeof *facts);
    static char path[128];
    char error[NODE_ERROR_BYTES];

    CHECK(facts != NULL && cpu_facts_read("", facts) == 0);
    (void)snprintf(path, sizeof path, "%s/log", server->folder);
    CHECK(log_file_open(&server->log, path) == 0);
    if (io_uring_open(&options, &server->io, error) < 0 ||
        node_open(&server->config, facts, SHARDS, server->io, &server->node, error) < 0) {
        give_up("cannot open the node", error);
    }
    free(facts);
    server->node->log_sink = log_file_write;
    server->node->log_context = &server->log;
    (void)pthread_barrier_init(&server->opened, NULL, SHARDS);
    (void)pthread_barrier_init(&server->listening, NULL, SHARDS + 1);
    (void)pthread_barrier_init(&server->ended, NULL, SHARDS + 1);
    for (uint32_t i = 0; i < SHARDS; i++) {
        server->cores[i].server = server;
        server->cores[i].index = i;
        CHECK(pthread_create(&server->cores[i].thread, NULL, core_main, &server->cores[i]) == 0);
    }
    (void)pthread_barrier_wait(&server->listening);
}

static void server_stop(struct server *server)
{
    atomic_store(&server->stopping, true);
    node_stop(server->node, server->io);
    io_turn(server->io, 0); // sends the wakes
    (void)pthread_barrier_wait(&server->ended);
    for (uint32_t i = 0; i < SHARDS; i++) {
        (void)pthread_join(server->cores[i].thread, NULL);
    }
}

static void server_close(struct server *server)
{
    char path[128];

    node_close(server->node);
    io_destroy(server->io);
    log_file_close(&server->log);
    (void)unlink(server->socket);
    (void)snprintf(path, sizeof path, "%s/log", server->folder);
    (void)unlink(path);
    (void)rmdir(server->folder);
}

// Clients -------------------------------------------------------------------------------------

static void wait_ms(long ms)
{
    const struct timespec time = {.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000};

    (void)nanosleep(&time, NULL);
}

static uint32_t draw(struct visitor *visitor, uint32_t bound)
{
    return (uint32_t)random_below(&visitor->random, bound);
}

// One way in after the other: the client port, each core's own, the unix socket. NULL when the node
// stops.
static redisContext *visitor_connect(struct visitor *visitor, uint32_t way)
{
    struct server *const server = visitor->server;
    redisContext *const redis =
        way % (SHARDS + 2) == SHARDS + 1
            ? redisConnectUnix(server->socket)
            : redisConnect("127.0.0.1", server->port + (int)(way % (SHARDS + 2)));

    CHECK(redis != NULL);
    if (redis->err != 0) {
        if (!atomic_load(&server->stopping)) {
            give_up("cannot connect", redis->errstr);
        }
        redisFree(redis);
        return NULL;
    }
    return redis;
}

// The next reply. NULL: hung up, which only a stop explains.
static redisReply *visitor_hear(struct visitor *visitor, redisContext *redis)
{
    void *reply = NULL;

    if (redisGetReply(redis, &reply) != REDIS_OK) {
        if (!atomic_load(&visitor->server->stopping)) {
            give_up("no reply", redis->errstr);
        }
        return NULL;
    }
    atomic_fetch_add(&visitor->server->replies, 1);
    return reply;
}

// Of a pipeline: %u are keys. `type` is the reply's.
static const struct {
    const char *format;
    int type;
} kinds[] = {
    {"SET k:%u value", REDIS_REPLY_STATUS},
    {"SET k:%u value EX 1", REDIS_REPLY_STATUS},
    {"MSET k:%u a k:%u b k:%u c k:%u d", REDIS_REPLY_STATUS},
    {"MSETNX k:%u a k:%u b k:%u c", REDIS_REPLY_INTEGER},
    {"MGET k:%u k:%u k:%u k:%u", REDIS_REPLY_ARRAY},
    {"DEL k:%u k:%u", REDIS_REPLY_INTEGER},
    {"APPEND k:%u more", REDIS_REPLY_INTEGER},
    {"INCR n:%u", REDIS_REPLY_INTEGER},
    {"STRLEN k:%u", REDIS_REPLY_INTEGER},
    {"COPY k:%u k:t%u REPLACE", REDIS_REPLY_INTEGER},
    {"TTL k:%u", REDIS_REPLY_INTEGER},
    {"RLDB.KEY k:%u", REDIS_REPLY_ARRAY},
};

enum { KINDS = sizeof kinds / sizeof *kinds };

static void pipeline_ask(struct visitor *visitor, redisContext *redis, uint32_t kind, uint32_t at)
{
    char text[TEXT_BYTES];

    if (kind == KINDS) { // what tells one reply from another
        CHECK(redisAppendCommand(redis, "ECHO %u", at) == REDIS_OK);
        return;
    }
    const uint32_t key[4] = {draw(visitor, KEYS), draw(visitor, KEYS), draw(visitor, KEYS),
                             draw(visitor, KEYS)};
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
    (void)snprintf(text, sizeof text, kinds[kind].format, key[0], key[1], key[2], key[3]);
#pragma GCC diagnostic pop
    CHECK(redisAppendCommand(redis, text) == REDIS_OK);
}

static bool pipeline_hear(struct visitor *visitor, redisContext *redis, uint32_t kind, uint32_t at)
{
    redisReply *const reply = visitor_hear(visitor, redis);

    if (reply == NULL) {
        return false;
    }
    if (reply->type == REDIS_REPLY_ERROR && strncmp(reply->str, "OOM ", 4) == 0) {
        freeReplyObject(reply); // CONFIG SET maxmemory was at work
        return true;
    }
    if (kind == KINDS ? reply->type != REDIS_REPLY_STRING || strtoul(reply->str, NULL, 10) != at
                      : reply->type != kinds[kind].type) {
        give_up("a wrong reply", reply->str != NULL ? reply->str : "of another type");
    }
    freeReplyObject(reply);
    return true;
}

// Pipelines on one connection until the node stops.
static void *pipeline_main(void *context)
{
    struct visitor *const visitor = context;
    redisContext *const redis = visitor_connect(visitor, visitor->index);
    uint32_t asked[DEPTH_MAX];
    bool going = redis != NULL;

    while (going) {
        const uint32_t depth = 1 + draw(visitor, DEPTH_MAX);

        for (uint32_t i = 0; i < depth; i++) {
            asked[i] = draw(visitor, KINDS + 1);
            pipeline_ask(visitor, redis, asked[i], i);
        }
        for (uint32_t i = 0; i < depth && going; i++) {
            going = pipeline_hear(visitor, redis, asked[i], i);
        }
    }
    redisFree(redis);
    return NULL;
}

// Short visits by all ways in; some leave in the middle of a pipeline.
static void *passing_main(void *context)
{
    struct visitor *const visitor = context;

    for (uint32_t way = 0; !atomic_load(&visitor->server->stopping); way++) {
        redisContext *const redis = visitor_connect(visitor, draw(visitor, 2) ? way : SHARDS + 1);
        uint32_t stays = draw(visitor, 20);

        if (redis == NULL) {
            break;
        }
        for (uint32_t i = 0; i < stays; i++) {
            pipeline_ask(visitor, redis, draw(visitor, KINDS), i);
        }
        for (uint32_t i = 0; i < stays && draw(visitor, 20) != 0; i++) {
            redisReply *const reply = visitor_hear(visitor, redis);

            stays = reply == NULL ? 0 : stays;
            freeReplyObject(reply);
        }
        redisFree(redis);
    }
    return NULL;
}

// What reaches every core, or changes what every core goes by. Not CONFIG RESETSTAT, which would
// take away what check_reached() looks at.
static const char *const admin_commands[] = {
    "FLUSHALL",
    "CONFIG SET slowlog-log-slower-than 0",
    "CONFIG SET slowlog-log-slower-than 10000",
    "CONFIG SET maxmemory 100mb",
    "CONFIG SET maxmemory 200mb",
    "CONFIG SET maxmemory-policy allkeys-lru",
    "CONFIG SET maxmemory-policy noeviction",
    "CONFIG SET maxclients 1000",
    "CONFIG SET timeout 100",
    "CONFIG GET *",
    "INFO everything",
    "CLIENT LIST",
    "CLIENT PAUSE 2 WRITE",
    "CLIENT UNPAUSE",
    "CLIENT KILL TYPE replica",
    "CLIENT SETNAME admin",
    "SLOWLOG GET 20",
    "SLOWLOG LEN",
    "SLOWLOG RESET",
    "DBSIZE",
    "KEYS k:1*",
    "RANDOMKEY",
    "SCAN 0 COUNT 50",
    "CLUSTER SLOTS",
    "CLUSTER SHARDS",
    "MEMORY STATS",
    "COMMAND DOCS",
    "LATENCY RESET",
    "DEBUG SLEEP 0.001",
    "RLDB.CLUSTER STATUS",
    "RLDB.CLUSTER RING",
};

static void *admin_main(void *context)
{
    struct visitor *const visitor = context;
    redisContext *const redis = visitor_connect(visitor, visitor->index);

    while (redis != NULL) {
        wait_ms(draw(visitor, 4));
        const char *const command =
            admin_commands[draw(visitor, sizeof admin_commands / sizeof *admin_commands)];

        CHECK(redisAppendCommand(redis, command) == REDIS_OK);
        redisReply *const reply = visitor_hear(visitor, redis);

        if (reply == NULL) {
            break;
        }
        if (reply->type == REDIS_REPLY_ERROR) {
            give_up(command, reply->str);
        }
        freeReplyObject(reply);
    }
    redisFree(redis);
    return NULL;
}

// One page; false when nobody answers any more.
static bool http_get(const struct server *server, const char *path)
{
    const struct sockaddr_in address = {.sin_family = AF_INET,
                                        .sin_port = htons((uint16_t)(server->port + HTTP_PORT)),
                                        .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    static const char expected[] = "HTTP/1.1 200";
    char text[TEXT_BYTES];
    char page[4096];
    bool fine = connect(fd, (const struct sockaddr *)&address, sizeof address) == 0;
    size_t received = 0;

    const int size = snprintf(text, sizeof text,
                              "GET %s HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n", path);
    fine = fine && send(fd, text, (size_t)size, MSG_NOSIGNAL) == size;
    for (ssize_t got = 1; fine && got > 0; received += (size_t)got) {
        got = recv(fd, page + (received < sizeof expected ? received : sizeof expected),
                   sizeof page - sizeof expected, 0);
        fine = got >= 0;
    }
    fine = fine && received >= sizeof expected && memcmp(page, expected, strlen(expected)) == 0;
    (void)close(fd);
    return fine;
}

static void *scraper_main(void *context)
{
    static const char *const pages[] = {"/metrics", "/metrics", "/healthz", "/readyz"};
    struct visitor *const visitor = context;
    struct server *const server = visitor->server;

    while (!atomic_load(&server->stopping)) {
        const char *const page = pages[draw(visitor, 4)];

        wait_ms(draw(visitor, 4));
        if (!http_get(server, page) && !atomic_load(&server->stopping)) {
            give_up("no page", page);
        }
        atomic_fetch_add(&server->replies, 1);
    }
    return NULL;
}

// A run ---------------------------------------------------------------------------------------

// A run in which some core did nothing shows nothing.
static void check_reached(const struct server *server)
{
    for (uint32_t i = 0; i < SHARDS; i++) {
        const struct core *const core = &server->cores[i];

        (void)printf("core %u: clients %llu, hops %llu, over several keys %llu, wakes %llu\n", i,
                     (unsigned long long)core->clients, (unsigned long long)core->hops,
                     (unsigned long long)core->multis, (unsigned long long)core->wakes);
        CHECK(core->clients != 0 && core->hops != 0 && core->multis != 0 && core->wakes != 0);
    }
}

int main(void)
{
    static void *(*const roles[])(void *) = {pipeline_main, pipeline_main, pipeline_main,
                                             pipeline_main, pipeline_main, passing_main,
                                             admin_main,    scraper_main};
    enum { VISITORS = sizeof roles / sizeof *roles };
    struct server *const server = calloc(1, sizeof *server);
    struct visitor visitors[VISITORS];

    CHECK(server != NULL);
    (void)signal(SIGPIPE, SIG_IGN);
    server_configure(server);
    server_start(server);
    for (uint32_t i = 0; i < VISITORS; i++) {
        visitors[i] = (struct visitor){.server = server, .index = i};
        random_seed(&visitors[i].random, i);
        CHECK(pthread_create(&visitors[i].thread, NULL, roles[i], &visitors[i]) == 0);
    }
    for (uint32_t i = 0; i < 4; i++) {
        wait_ms(RUN_MS / 4);
        CHECK(log_file_reopen(&server->log) == 0);
    }
    for (uint32_t ms = 0; ms < RUN_MS_MAX && atomic_load(&server->replies) < REPLIES_MIN;
         ms += 10) {
        wait_ms(10);
    }
    server_stop(server);
    for (uint32_t i = 0; i < VISITORS; i++) {
        (void)pthread_join(visitors[i].thread, NULL);
    }
    check_reached(server);
    (void)printf("%llu replies\n", (unsigned long long)atomic_load(&server->replies));
    server_close(server);
    free(server);
    return 0;
}
