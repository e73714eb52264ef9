// rldbd in the simulated world: one node on the real code of core, engines, ring and cluster, whose
// cores the world steps.
//
// It does what cli/rldbd.c does, in fibers in place of threads: node_open(), all shards opened,
// then listening, then one reactor_turn() a step. After each step it looks at all cores: none may
// sleep with work in its hands or in an inbox while nobody is on the way to wake it; data and
// unread replies lie inside their bounds; the turn did no more than a slice of work.
//
// Ownership: the caller closes it with sim_rldb_close() before the world; its machine (sim_node)
// stays the world's.
#pragma once

#include "cluster/node.h"
#include "cluster/shard.h"
#include "tests/sim/sim_oracle.h"
#include "tests/sim/sim_world.h"

struct sim_rldb;

// What is told of starts. Each may be NULL.
struct sim_rldb_hooks {
    void *context;
    // A shard is open and serves nobody yet. Called in its fiber: may wait in io_turn(). False: the
    // start has failed.
    bool (*opened)(void *context, struct shard *shard);
    // A start has failed, and why. True: it is tried again. Without it that aborts.
    bool (*failed)(void *context, const char *error);
    // A line of its log, terminated.
    void (*said)(void *context, enum log_level level, const char *line);
};

// From the next start on.
void sim_rldb_hook(struct sim_rldb *rldb, const struct sim_rldb_hooks *hooks);

// A process that was not started yet, on a machine with an empty disk. `config` is YAML as rldbd
// reads it; one that is none aborts with its message.
struct sim_rldb *sim_rldb_new(struct sim_world *world, const char *ip, uint32_t shards,
                              const char *config, const struct io_uring_options *options);

// The same, started: returns when it serves.
struct sim_rldb *sim_rldb_start(struct sim_world *world, const char *ip, uint32_t shards,
                                const char *config, const struct io_uring_options *options);

// From now on violations are told to this function, and the run goes on; without it they abort.
void sim_rldb_watch(struct sim_rldb *rldb, sim_violation_fn *violation, void *context);

// Makes bounds small, so that they are met: requests that a core may have under way at each other
// one, hops of a core in all. 0: as in core/limits.h. Before the world runs.
struct sim_rldb_bounds {
    uint32_t credits;
    uint32_t hops;
};
void sim_rldb_bound(struct sim_rldb *rldb, const struct sim_rldb_bounds *bounds);

// How many buckets the index of a core has at least, for all of its life (engines/index.h; 0: as in
// life). What looks through all keys takes most of its time for those that are empty.
void sim_rldb_index(struct sim_rldb *rldb, uint32_t buckets_log);

struct node *sim_rldb_node(struct sim_rldb *rldb);
struct shard *sim_rldb_shard(struct sim_rldb *rldb, uint32_t index);
struct sim_node *sim_rldb_machine(struct sim_rldb *rldb);

// The process or its machine ends in the middle of whatever it does, as sim_node_stop() says, and
// all that it held in RAM is gone. Until it is started again, on the disk that is left, only
// sim_rldb_machine(), sim_rldb_up() and sim_rldb_close() may be called. Not from inside a step.
//
// What a process holds that only the requests under way lead to is not given back: a test that
// kills many processes ends its own now and then. sim_rldb_leaked() says whether there was one.
//
// A start takes virtual time (recovery), and may be killed too; it is up when it serves.
void sim_rldb_kill(struct sim_rldb *rldb, enum sim_stop how);
void sim_rldb_restart(struct sim_rldb *rldb);

// Before the next start an operator lets `rldb repair` mend the data directory.
void sim_rldb_repair(struct sim_rldb *rldb);

// It did, and could make nothing of what is there.
bool sim_rldb_beyond_repair(const struct sim_rldb *rldb);

// From the next start on it has so many cores. While it is down.
void sim_rldb_resize(struct sim_rldb *rldb, uint32_t shards);

// And this configuration.
void sim_rldb_configure(struct sim_rldb *rldb, const char *config);
bool sim_rldb_up(const struct sim_rldb *rldb);
bool sim_rldb_leaked(const struct sim_rldb *rldb);

// The end of a process that has stopped; it can be started again. Waits while the world goes on.
void sim_rldb_end(struct sim_rldb *rldb);

// Whether a core's writing has ended since a write failed: until it is started anew.
bool sim_rldb_broken(const struct sim_rldb *rldb);

// Writes and syncs of its files are on their way.
bool sim_rldb_writing(const struct sim_rldb *rldb);

// The core takes no step any more, as one that the system does not let run; and goes on.
void sim_rldb_hang(struct sim_rldb *rldb, uint32_t index, bool hang);

// SIGTERM. Not from inside a core's step.
void sim_rldb_stop(struct sim_rldb *rldb);

// All reactors have ended. Takes a struct sim_rldb *; a sim_done_fn.
bool sim_rldb_stopped(void *rldb);

// What a node must have given back when no client is connected and nothing is under way. NULL, or
// the first thing that is left, in words that stay until the next call.
const char *sim_rldb_left_over(struct sim_rldb *rldb);

// Turns of all cores so far.
uint64_t sim_rldb_turns(const struct sim_rldb *rldb);

// The flags (enum client_flags) that clients had after some turn.
uint32_t sim_rldb_flags_seen(const struct sim_rldb *rldb);

// After sim_rldb_stopped(), or while it is down.
void sim_rldb_close(struct sim_rldb *rldb);
