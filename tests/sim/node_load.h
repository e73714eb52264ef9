// A workload against simulated nodes: who sends what, and what must come back.
//
//     sim.c            the program: seeds, what to print
//     node_run.c       a run: its nodes, rounds of sessions, faults
//     node_load.c      a node: what happens in it at all, its beginning and end
//     node_lives.c     its lives: how each ended, and what the next one found on its disk
//     node_damage.c    what it may show on a damaged disk, and what it must say
//     node_snapshots.c snapshots asked for, and what a node that starts on one must have
//     node_judge.c     what its histories tell at the end
//     node_session.c   a session: one connection after another, how they send, read and end
//     node_request.c   requests drawn at random
//     node_reply.c     what each must be answered
//     node_model.h     what the answers together must look like
//
// Each seed draws which kinds of things happen in it at all (struct load_features): a run with
// everything in it would reach less, since much of it hides the rest.
#pragma once

#include "core/random.h"
#include "ring/slot.h"
#include "tests/sim/node_marks.h"
#include "tests/sim/node_model.h"
#include "tests/sim/sim_client.h"
#include "tests/sim/sim_faults.h"
#include "tests/sim/sim_internal.h"
#include "tests/sim/sim_oracle.h"
#include "tests/sim/sim_reply.h"
#include "tests/sim/sim_rldb.h"

enum {
    LOAD_SESSIONS_MAX = 16,
    LOAD_OBJECTS_MAX = 24,
    LOAD_NAME_BYTES = 32,
    LOAD_STABLE_KEYS = 60, // set at the start and never touched: SCAN must return them
    LOAD_PORT = 7379,      // shard ports follow
    LOAD_LIVES_MAX = 2 * SIM_FAULTS_MAX,
    LOAD_SNAPSHOTS_MAX = 8, // at one time
};

enum load_engine { LOAD_ENGINE_MEMORY, LOAD_ENGINE_LOG, LOAD_ENGINE_COUNT };
extern const char *const load_engine_names[LOAD_ENGINE_COUNT];

struct load_features {
    bool flush;         // FLUSHALL now and then
    bool expiry;        // keys that expire
    bool pause;         // CLIENT PAUSE
    bool kill;          // CLIENT KILL
    bool silence;       // CLIENT REPLY OFF and SKIP
    bool debug_sleep;   //
    bool large;         // values of up to hundreds of KB
    bool burst;         // pipelines of thousands
    bool slow_readers;  //
    bool aborts;        // connections that end in the middle of anything
    bool garbage;       // requests that break the protocol
    bool slowlog;       // every command is timed and noted
    bool max_clients;   // fewer clients allowed than there are
    bool output_max;    // little patience with slow readers
    bool idle_timeout;  // connections that say nothing are closed
    bool stop_early;    // SIGTERM under load
    bool few_buffers;   // receive buffers run out
    bool wide_groups;   // MSET of many keys
    bool resp3;         // some connections speak RESP3
    bool limited;       // little memory: writes are refused, or keys evicted
    bool evicts;        // the latter
    bool scarce;        // few credits or hops
    bool frozen;        // readers that stop for more than a minute
    bool snapshots;     // RLDB.SNAPSHOT CREATE and DELETE
    bool snapshots_cut; // a process ends in the middle of one, rather than at any other moment
};

// Of an op that is none of one object: history_of_life() leaves it out.
static const uint32_t LOAD_NO_OBJECT = UINT32_MAX;

// Keys that commands use together, checked together.
struct load_object {
    uint32_t key_count; // of the model
    uint32_t width;     // names for each key of the model: written and read together only
    char (*names)[LOAD_NAME_BYTES];
    uint16_t mix[MODEL_KINDS]; // weights
    bool expires;
    bool numbers; // values are integers
};

struct load_op {
    struct model_op op;
    uint32_t object;
};

enum expect {
    EXPECT_OP,      // of the model: ops[op], op_count of them
    EXPECT_TEXT,    // these very bytes, as status or string
    EXPECT_STABLE,  // the same, or nothing when the process that held it has ended
    EXPECT_ERROR,   // an error
    EXPECT_TYPES,   // one of these types
    EXPECT_SCAN,    // a step of the session's SCAN
    EXPECT_KEYS,    // KEYS s:*
    EXPECT_ID,      // CLIENT ID
    EXPECT_FILLER,  // OK to a SET of a key that is set once
    EXPECT_FILLERS, // KEYS f:*
    EXPECT_CREATED, // OK to RLDB.SNAPSHOT CREATE: snapshots[types], at the time of ops[op]
    EXPECT_DELETED, // OK to RLDB.SNAPSHOT DELETE: snapshots[types]
    EXPECT_NOTHING, // no reply
};

struct request {
    uint64_t end; // of its bytes, in the connection's stream
    uint8_t expect;
    uint8_t protocol; // in which it is answered
    uint32_t op;
    uint32_t op_count;
    uint32_t types; // EXPECT_TYPES: a bit each by enum sim_reply_type
    char text[LOAD_NAME_BYTES];
    char what[48]; // as it begins, for who looks at a failure
};

enum session_end {
    END_CLEAN, // closes when all is answered
    END_QUIT,  //
    END_HALF,  // no more to send, reads to the end
    END_CUT,   // the same, in the middle of a request
    END_BREAK, // breaks the protocol
    END_ABORT, // goes away at any moment
    END_RESET, // the same, with a reset
    END_KINDS,
};

struct session {
    struct load *load;
    uint32_t index;
    struct random random;
    struct sim_event event; // its next turn
    uint32_t connections_left;
    bool done;
    // the connection
    struct sim_client *client;
    struct sim_replies replies;
    uint8_t protocol;    // of what it asks next
    uint32_t connection; // its number, unique in the run
    uint32_t core;       // on a shard port its core, else UINT32_MAX
    uint64_t client_id;  // as CLIENT ID said; 0: unknown
    uint32_t sequence;
    uint32_t quota;           // requests still to be made
    uint32_t depth;           // requests that may be unanswered
    uint64_t pace_ns;         // between two turns: up to this
    uint64_t began_ns;        // the connection
    uint64_t frozen_until_ns; // reads nothing before
    uint32_t waits;           // turns in a row that brought nothing
    uint32_t answered_before; // after the last turn
    enum session_end end;
    bool burst;
    bool reads_slowly;
    bool pushes;     // large values behind a pause
    bool cuts;       // sends in pieces
    bool inlines;    // now and then
    bool ended;      // nothing more to send
    bool may_end;    // the node may hang up at any time
    bool was_killed; // somebody asked for that
    bool silent;     // CLIENT REPLY OFF
    bool skip_next;  // CLIENT REPLY SKIP
    bool scanning;   // a SCAN is unanswered
    char cursor[24]; // of the next SCAN
    bool scanned[LOAD_STABLE_KEYS];
    // bytes to send
    uint8_t *out;
    size_t out_size;
    size_t out_capacity;
    size_t out_at;
    uint64_t sent;   // in the connection's stream
    uint64_t queued; //
    // requests made: [request_answered, request_count); the first request_sent of all are sent
    struct request *requests;
    uint32_t request_count;
    uint32_t request_capacity;
    uint32_t request_sent;
    uint32_t request_answered;
};

// A key of the model as it was on disk.
struct load_found {
    uint32_t value;     // 0: it was not there
    uint32_t names;     // of it that were there
    bool torn;          // and not all of them with one value
    bool bad;           // it cannot be read
    uint64_t expire_ms; // virtual; 0: never
};

// A life that is over.
struct load_life {
    uint64_t ended_ns;
    bool clean;      // by SIGTERM
    uint32_t looked; // bits of cores that were looked at after it
    uint64_t looked_ns;
    uint32_t damages; // of the disk, by its end
    bool damaged;     // it was, when it was looked at
    bool shows;       // and nobody could miss that
    bool told;        // somebody was told, in this life or the start after it
    struct load_found found[LOAD_OBJECTS_MAX][MODEL_KEYS];
};

enum load_snapshot_state {
    LOAD_SNAPSHOT_NONE,  // and none of the disk's may be it
    LOAD_SNAPSHOT_ASKED, // for it, or to delete it, and nobody knows what came of that
    LOAD_SNAPSHOT_MADE,  // it has to be there
};

struct load_snapshot {
    uint8_t state;   // enum load_snapshot_state
    uint32_t number; // of its name
    uint32_t round;
    uint32_t op; // of that round: when it was asked for, and answered
    uint32_t core_count;
    bool listed;           // it is on the disk
    bool seen;             // a node has started on it
    struct load_life look; // what that node had
};

// A history that is being put together.
struct history {
    struct model_op *ops;
    uint32_t count;
};

// The last stamp that a core gave out as an actor, in any life: in a cluster others may have seen
// it, whatever of it the core's own disk has kept.
struct load_clock {
    struct actor_id actor; // of its first vnode
    uint64_t last;         // 0: none
};

struct run;

// One node of a run, and what is done to it.
struct load {
    struct run *run;
    uint32_t index;
    char ip[20];
    uint64_t seed;
    uint32_t cores;
    struct random random;
    struct load_features features;
    struct sim_world *world;
    struct sim_rldb *rldb;
    uint32_t eviction;                       // of enum engine_eviction
    bool durable;                            // the log engine
    uint32_t sync;                           // of enum config_sync
    uint64_t sync_interval_ns;               //
    struct load_life *lives[LOAD_LIVES_MAX]; // that are over
    uint32_t lost_count;                     // of them
    uint32_t life_first;                     // of this round
    struct load_clock clocks[LIMIT_SHARDS];
    bool start_fails;             // the last one, at first
    uint64_t disk_fails_until_ns; // for that
    uint64_t told_ns;             // when the node last said that its data is damaged
    uint32_t starts_failed;       // in a row, on a damaged disk
    uint64_t disk_bytes;          // of its disk; 0: no bound of its own
    bool wide;                    // keys of the model may have several names
    uint32_t fillers_stored;      // acknowledged
    uint32_t filler_next;
    uint32_t round;
    struct model_values *values;
    struct load_object objects[LOAD_OBJECTS_MAX];
    uint32_t object_count;
    char stable[LOAD_STABLE_KEYS][LOAD_NAME_BYTES];
    bool stable_stored[LOAD_STABLE_KEYS]; // acknowledged: a small disk may have had no room
    uint32_t stable_core[LOAD_STABLE_KEYS];
    uint8_t slot_core[SLOT_COUNT];
    struct load_op *ops;
    uint32_t op_count;
    uint32_t op_capacity;
    uint32_t value_next;
    struct load_snapshot snapshots[LOAD_SNAPSHOTS_MAX];
    uint32_t snapshot_next;
    struct load_snapshot *restored; // the node starts on it; NULL: on its own data
    struct session sessions[LOAD_SESSIONS_MAX];
    uint32_t session_count;
    uint32_t connection_next;
    bool stopping; // SIGTERM was sent
    bool failed;   // the run
    bool marks[MARK_COUNT];
    uint64_t requests;
    uint64_t operations; // checked
    uint64_t undecided;  // objects whose check grew too long
};

static inline void load_mark(struct load *load, enum load_mark mark, bool reached)
{
    load->marks[mark] = load->marks[mark] || reached;
}

static inline uint32_t load_draw(struct random *random, uint32_t bound)
{
    return (uint32_t)random_below(random, bound);
}

static inline bool load_chance(struct random *random, uint32_t per_mille)
{
    return load_draw(random, 1000) < per_mille;
}

// A number of at most so many bits less one: each count of them is as likely.
static inline uint64_t load_draw_bits(struct random *random, uint32_t least, uint32_t most)
{
    const uint32_t bits = least + load_draw(random, most - least);

    return (UINT64_C(1) << bits) + random_below(random, UINT64_C(1) << bits);
}

// Notes the first violation; the run ends then.
void load_fail(struct load *load, enum sim_oracle oracle, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

// The faults of a run are for all of its nodes.
struct run {
    struct sim_world *world;
    struct sim_faults *faults;
    uint64_t faults_end_ns;
    uint64_t began_ns;
    uint64_t until_ns;         // rounds begin until then
    uint64_t round_until_ns;   // sessions of this one go on until then, in a long run
    uint64_t patient_until_ns; // nobody is slow on purpose after that
    uint32_t kinds;            // of faults that may be in it
    struct load *loads;
    uint32_t count;
    bool is_long; // rounds for a given time
    bool failed;
    enum sim_oracle oracle; // that said so
    char failure[512];
};

// Whether reads and writes of the node's disk may fail in this run.
bool load_disk_fails(const struct load *load);
bool load_reads_fail(const struct load *load);
bool load_lacks_descriptors(const struct load *load);
bool load_disk_fills(const struct load *load); // and it may have no room

// Whether it may get so little time, or its disk, that what recurs is late.
bool load_is_slow(const struct load *load);

// Whether faults may end connections that nobody wants to end.
bool load_breaks(const struct load *load);

// Whether nothing may come of a connection that was made so long ago, and nobody will say so.
bool load_may_be_dead(const struct load *load, uint64_t connected_ns);

// Whether what is sent to or from the node is lost now.
bool load_is_cut(const struct load *load);

// node_run.c
enum { LOAD_NODES_MAX = 8, LOAD_CORES_MAX = 8 };

struct load_options {
    uint64_t seed;
    uint32_t nodes;       // 0: the seed says
    uint32_t cores;       // 0: the seed says
    uint32_t profile;     // of enum sim_fault_profile; SIM_FAULT_PROFILE_COUNT: the seed says
    uint32_t engine;      // of enum load_engine; LOAD_ENGINE_COUNT: the seed says
    uint64_t time_ns;     // virtual time for which rounds of load begin; 0: one round
    const bool *keep;     // [SIM_FAULTS_MAX]: faults that are not left out; NULL: all are kept
    bool tell;            // every effect, to standard output
    uint32_t *ret_faults; // or NULL: how many were drawn, known before the run goes on
};

struct load_result {
    bool fine;
    bool leaked;            // processes were killed, and could not give back all
    enum sim_oracle oracle; // that found the violation
    uint64_t hash;          // of the trace
    uint64_t requests;
    uint64_t operations;
    uint64_t undecided;
    uint64_t virtual_ns;
    uint64_t loaded_ns;   // of those, under load: in rounds
    uint32_t fault_kinds; // bits of those that were in it
    uint32_t engine;      // what was drawn, or given
    uint32_t profile;
    uint32_t sync; // the log engine's
    uint32_t cores;
    bool marks[MARK_COUNT];
};

// Runs a seed. A violation is printed, and a line that replays it.
void load_run(const struct load_options *options, struct load_result *ret_result);

// node_load.c: one node, in the order of its life.
void load_draw_engine(struct load *load, uint32_t engine, struct random *random);
void load_draw_features(struct load *load, uint32_t fault_kinds);
void load_start_node(struct load *load);
void load_await_start(struct load *load);
void load_prepare(struct load *load);
void load_stop(struct load *load); // SIGTERM
void load_read_back(struct load *load);
void load_crash_at_rest(struct load *load);
void load_finish_node(struct load *load);
void load_make_room(struct load *load); // on its disk
void load_stop_now(struct load *load);
void load_configure(const struct load *load, const char *data_dir, char *text, size_t size);

// node_lives.c
void load_life_over(struct load *load, bool clean); // now; what is under way may have happened
void load_forget_lives(struct load *load);          // those of rounds before
void load_free_lives(struct load *load);
bool load_look(void *load, struct shard *shard); // struct sim_rldb_hooks
void load_hear(void *load, enum log_level level, const char *line);
void load_state_after(const struct load *load, uint32_t life, uint32_t object,
                      struct model_state *ret_state);

// Whether what was acknowledged may be gone.
bool load_loses(const struct load *load);

// node_damage.c
bool load_is_damaged(const struct load *load);                 // its disk, so far
void load_told(struct load *load);                             // that its data is damaged
bool load_damaged_start(struct load *load, const char *error); // false: there is no damage
// In a start: looks for each key of the model whether it can be read. False: try another time.
bool load_look_unreadable(struct load *load, struct shard *shard, struct load_life *life);
void load_check_damaged(struct load *load, uint32_t object, uint32_t life, struct history *history);

// node_snapshots.c
void request_snapshot(struct session *session); // draws one, or that one goes
void snapshot_answered(struct session *session, const struct request *request,
                       const struct sim_reply *reply);
bool snapshot_may_fail(struct load *load, const struct request *request,
                       const struct sim_reply *reply);
void load_start_on_snapshots(struct load *load); // on some of them, while the node is down
bool load_snapshot_start(struct load *load, const char *error); // failed: true, it is tried again
void load_list_snapshots(struct load *load); // after a start: nothing half made is left
void load_check_snapshots(struct load *load);
void load_begin_snapshot(struct load *load, struct session *session); // and runs on for a while
bool load_makes_snapshot(const struct load *load); // or deletes one, at the moment

// node_judge.c
// The part of an object's history that one life saw. `parts`: what was not answered may be there in
// part.
void load_history_of_life(const struct load *load, uint32_t object, uint32_t life, bool parts,
                          struct history *history);
enum model_verdict load_verdict(const struct load *load, uint32_t object, uint32_t life,
                                struct history *history);
bool load_tears(const struct load *load); // what failed may be there in part
void load_print_history(const struct load *load, struct model_op *ops, uint32_t count);
// Whether a key of an object had that at some moment of a life.
bool load_key_was(const struct load *load, uint32_t object, uint32_t key, uint32_t life,
                  const struct load_found *found, struct history *history);
void load_check_histories(struct load *load);
void load_mark_all(struct load *load);

// node_request.c
void load_make_stable(struct load *load);
void load_make_objects(struct load *load);
void load_free_objects(struct load *load);

// Draws a request, appends it to what the session has to send, and notes what to expect.
void request_draw(struct session *session);
void request_burst(struct session *session);
void request_push(struct session *session);                   // a large value
void request_large(struct session *session);                  // a reply of tens of KB
void request_stable(struct session *session, uint32_t index); // SET of a stable key
void request_tokens(struct session *session);                 // what the model begins with
void request_read_all(struct session *session);               // every key of the model
void request_fillers(struct session *session);                // names of keys that were set once
void request_hello(struct session *session, uint8_t protocol);
struct request *request_plain(struct session *session, const char *name, enum expect expect,
                              const char *text);
struct model_op *request_add_op(struct session *session, uint32_t object);

// The core that holds a key.
uint32_t load_core_of(const struct load *load, const char *key);

// As much of a failed run as helps to understand it.
void load_explain(const struct load *load);

// node_reply.c: looks at the reply to a request.
void request_answered(struct session *session, struct request *request,
                      const struct sim_reply *reply);

// node_session.c
void session_open(struct load *load, struct session *session, uint32_t index);
void session_start(struct session *session);
void session_close(struct session *session);
void session_append(struct session *session, const void *bytes, size_t size);
struct request *session_request(struct session *session, enum expect expect);

// A connection that is driven to its end at once: for the start and the end of a run.
void session_connect_plain(struct session *session);
void session_send(struct session *session); // what it has to, as far as it goes
bool session_drive(struct session *session);
