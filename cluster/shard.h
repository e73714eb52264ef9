// A shard: one core and all that it owns.
//
// It composes the runtime (io, reactor, timers, queues), its engine, its clients and the commands
// under way, and gives the reactor its phases. Nothing in here is read by another core, but what
// messages hand over.
#pragma once

#include "cluster/client.h"
#include "cluster/client_memory.h"
#include "cluster/client_round.h"
#include "cluster/gate.h"
#include "cluster/hold.h"
#include "cluster/identity.h"
#include "cluster/message.h"
#include "cluster/node.h"
#include "cluster/object.h"
#include "cluster/stats.h"
#include "cluster/work.h"
#include "core/block.h"
#include "core/hlc.h"
#include "core/outbuf.h"
#include "core/pool.h"
#include "core/random.h"
#include "core/reactor.h"
#include "core/sleep.h"
#include "core/timer.h"
#include "engines/engine.h"

struct batch;
struct haul;
struct snapshot;

// A command that may not go on until CLIENT UNPAUSE or this time.
enum shard_pause_kind { SHARD_PAUSE_NONE, SHARD_PAUSE_WRITES, SHARD_PAUSE_ALL };

struct listener {
    struct io_stream stream;
    struct shard *shard;
    int fd;
    uint32_t client_flags;
};

struct shard {
    struct node *node;
    uint32_t index;
    struct io *io;
    struct reactor reactor;
    struct timers timers;
    struct sleep_flag sleep_flag;
    struct random random;
    struct hlc clock;
    struct engine *engine;
    bool durable; // what it keeps outlives a stop, in
    char directory[DATA_DIR_PATH_BYTES];
    struct identity identity;
    uint64_t checkpoints;      // of the engine, when shard_saved_ms() looked last
    uint64_t saved_ms;         // when they were so many
    struct snapshot *snapshot; // shard 0: the one that is being made or deleted
    struct gate_table *gates;
    struct outbuf_cache outbufs;
    struct block_store blocks;         // of long requests
    struct outbuf discarded;           // replies that nobody wants
    struct batch *batch;               // request.c
    struct resp_limits resp_limits[2]; // before and after authentication
    struct log log;
    // clients
    struct pool clients_pool;
    struct client *clients; // all of them, the newest first
    struct client *clients_last;
    struct client_walk *client_walks;
    size_t held_bytes; // replies that wait behind others of their client that are under way
    struct client_memory client_memory;
    struct client_round client_round;
    struct log_limit output_closed; // the log's lines about clients past clients.output_max
    uint32_t client_count;
    uint32_t paused_count; // of them, held back by CLIENT PAUSE
    uint64_t client_id_next;
    struct client *ready_first, *ready_last;
    struct client *flush_first;
    struct client *starved_first;
    // what waits for group commits (hold.h)
    uint64_t committed; // so far
    int commit_error;
    bool commits_changed;
    struct hold *hold_first, *hold_last;
    struct client *hold_clients;
    struct pool loads; // load.h
    // messages
    struct pool hops;
    uint32_t *credits;                // towards each core
    bool credits_back;                // some were taken in this turn, and not needed
    struct hop_list received;         // hops of other cores, to run in this turn
    struct hop_list granted;          // hops that were behind gates until now
    struct hop *hop_open;             // posted last in this turn: may take requests more
    struct outbuf hop_reply;          // of the hop of this core to itself that runs
    struct outbuf hop_replies;        // of the other core's hop whose requests run
    struct stage_run hops_back;       // from other cores, in this turn's inbox
    struct multi_part *parts_granted; // whose turn at the gates has come
    struct work_list work;            // commands that are long
    struct haul *haul_first;          // the one under way; the line behind it
    struct haul *haul_last;
    uint32_t multis;            // under way, coordinated here
    struct actor_table *actors; // of each vnode here
    uint32_t vnode_count;
    uint32_t socket_next; // unix sockets: the core that gets the next
    uint32_t sockets_out; // on their way to another
    // listening
    struct http_server *http; // shard 0's, where it is on
    struct listener listeners[LIMIT_CONFIG_LISTENERS + 1];
    uint32_t listener_count;
    // settings that CONFIG SET changes, equal on all shards
    struct config config;
    // CLIENT PAUSE
    enum shard_pause_kind pause;
    uint64_t pause_until_ns;
    struct timer pause_timer;
    // stopping
    bool draining;
    bool drained;
    uint32_t closing; // descriptors whose close is under way
    uint64_t drain_until_ns;
    struct timer drain_timer;
    // what recurs: rates, reaping of expired keys. Armed only while there is something to do
    struct timer cron;
    uint64_t cron_commands;
    uint64_t cron_ns;
    bool slowlog_each;             // every command is timed by itself
    uint64_t latency_threshold_ms; // latency-monitor-threshold: kept, nothing is monitored
    struct slowlog *slowlog;
    struct stats stats;
    // scratch for values that are built (APPEND, SETRANGE, INCRBYFLOAT)
    uint8_t *scratch;
    size_t scratch_size;
    uint8_t *head_scratch;
};

// On the shard's own thread (or any in the simulator). 0 or -errno; ret_error[NODE_ERROR_BYTES]
// says what failed.
int shard_open(struct node *node, uint32_t index, struct io *io, struct shard **ret_shard,
               char *ret_error);

// Starts accepting. After all shards of the node are open.
int shard_listen(struct shard *shard, char *ret_error);

// Ends it when node_stop() was called: stops accepting, replies to what it took, closes its
// clients, and goes on serving the other shards until they are done too. Called by the loop.
void shard_drain(struct shard *shard);

// After the loop: nothing listens any more.
void shard_close_listeners(struct shard *shard);

// No client and no message may be left.
void shard_close(struct shard *shard);

// Sends a message to message->to, or back to message->from when it is returning. Takes effect at
// the turn's flush.
void shard_post(struct shard *shard, struct message *message);

// Closes a descriptor that nothing is in flight on.
void shard_close_fd(struct shard *shard, int fd);

// A buffer of at least `size` bytes, valid until the next call or the turn's end. NULL when there
// is no memory.
uint8_t *shard_scratch(struct shard *shard, size_t size);

// Room for the head of any object.
enum { SHARD_HEAD_SCRATCH_BYTES = 96 * 1024 };
static inline uint8_t *shard_head_scratch(struct shard *shard)
{
    return shard->head_scratch;
}

// What the engine holds of clients' keys: without the shard's own records (identity.h).
void shard_engine_stats(const struct shard *shard, struct engine_stats *ret_stats);
uint64_t shard_key_count(const struct shard *shard);

// Logs what the start took from the checkpoint, and what it had to replay after it.
void shard_log_opened(struct shard *shard);

// Logs why writing has ended: commit_error.
void shard_log_write_ended(struct shard *shard);

// Logs that one of the shard's own records (identity.h) is of a format that is not known yet.
void shard_log_newer(struct shard *shard, const char *record, uint32_t version, uint32_t ours);

// Wall time at which its last checkpoint was seen to be written; before that, of the start.
uint64_t shard_saved_ms(struct shard *shard);
void shard_drop_keys(struct shard *shard);

// Unique in the node, growing.
uint64_t shard_client_id(struct shard *shard);

// Clients that CLIENT PAUSE held go on.
void shard_unpause(struct shard *shard);
void shard_pause(struct shard *shard, enum shard_pause_kind what, uint64_t until_ns);

// Applies the limits of requests as they are configured now.
void shard_init_limits(struct shard *shard);

// Something recurring may have to be done now (a key with expiry was written, a client came).
void shard_cron_arm(struct shard *shard);

// shard_cron.c, for shard.c. keep: in each turn; who is connected for long may write after a long
// silence.
void shard_cron_init(struct shard *shard);
void shard_cron_keep(struct shard *shard);
