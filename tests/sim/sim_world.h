// The simulated world: many nodes of several cores each, in one thread, in virtual time.
//
// It implements core/io.h over a network and disks in memory. All that can happen is an event in
// one queue, ordered by virtual time: a segment arrives, a disk is done, a core takes a step. Every
// choice (how long something takes, where received bytes are cut, which of two completions comes
// first, which core steps first) is drawn from one generator with one seed. So a run is a function
// of its seed, and sim_world_hash(), into which every effect is mixed, tells whether two runs were
// the same.
//
// A core is stepped by the world: its step function does exactly one turn of its loop and ends with
// io_turn(), which returns at once. What follows a wait in real life (the woken hook, completions)
// runs before the next step, when the wait is over:
//
//      world     | event | woken, completions | step: inbox ... flush, io_turn() | cost | sleep ...
//
// Real cores run at the same time. Here one may take its step in the middle of another's, where
// that looks at the clock (as a reactor does before it announces sleep).
//
// Outside of a step (in a test's main, at a node's start) io_turn() blocks as the real one does:
// the world goes on, other cores step, until this core's wait is over.
//
// What the world enforces with CHECK are the rules of core/io.h: one send in flight per socket,
// nothing in flight on what is closed, no op started twice, the bytes of a send or write unchanged
// until it completes, one io_turn() a step.
//
// Ownership: the world owns nodes, cores, clients and all that they hold; sim_world_close() frees
// them. Buffers, iovecs and paths given to an op must stay until it completes, as in core/io.h.
#pragma once

#include "core/io.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

struct sim_node;
struct sim_world;

static const uint64_t SIM_NEVER = UINT64_MAX;

// Something that happens to a file or a name: it is on its way; it takes effect, for all to see;
// and then, perhaps later, it is done: what it was to make durable is. Valid during the call.
enum sim_disk_phase { SIM_DISK_BEGUN, SIM_DISK_EFFECT, SIM_DISK_DONE };

struct sim_disk_event {
    const char *what; // "open", "read", "write", "sync", "rename", "unlink" ...
    const char *path;
    const char *path_to;
    const char *name; // the last part of its path
    const char *name_to;
    const uint8_t *bytes; // of a read or write
    uint64_t offset;
    int32_t result; // of what is BEGUN: its size
    bool durable;   // a write that is, when it is done
    bool made;      // an open that made the file
    enum sim_disk_phase phase;
};

// What becomes of a write that the disk says is done: it is there; or it is not; or elsewhere, over
// something else.
enum sim_fate { SIM_FATE_KEPT, SIM_FATE_LOST, SIM_FATE_MISDIRECTED };

// What a fault profile decides on. Each may be NULL: nothing goes wrong then.
struct sim_hooks {
    void *context;
    // The time a segment takes from node to node, given what it would take; SIM_NEVER: it is lost,
    // and is sent again, with another question, after LOST_AGAIN_NS of virtual time.
    uint64_t (*network_delay)(void *context, const struct sim_node *from, const struct sim_node *to,
                              uint64_t delay_ns);
    // 0, or the -errno with which an operation on a file or name of the node fails, without effect.
    int (*disk_error)(void *context, const struct sim_node *node, const char *what);
    // The fate of a write that did not fail; of one that is misdirected, where: any number.
    enum sim_fate (*write_fate)(void *context, const struct sim_node *node, const char *name,
                                uint64_t *ret_number);
    // How long such an operation takes until it has its effect, given what it would take.
    uint64_t (*disk_delay)(void *context, const struct sim_node *node, const char *what,
                           uint64_t delay_ns);
    // True: the wake that one core sends another gets lost. Both are numbers of the world's cores.
    bool (*wake_lost)(void *context, uint32_t from, uint32_t to);
    // Decides nothing: is told. For stories.
    void (*disk_event)(void *context, const struct sim_node *node,
                       const struct sim_disk_event *event);
};

// What a power loss leaves of what was not durable: SOME is drawn, NOTHING is but for the first
// `sectors` of each file. With `names` all changes of names are kept: a file may have its new name
// and not its bytes.
enum sim_keep { SIM_KEEP_SOME, SIM_KEEP_NOTHING, SIM_KEEP_ALL };

struct sim_loss {
    enum sim_keep keep;
    uint32_t sectors;
    bool names;
};

// Ranges from which times and sizes are drawn, evenly. sim_profile_default() fills in a quick local
// network and disk.
struct sim_profile {
    uint64_t network_ns_min; // one way, between nodes; a tenth of it inside a node
    uint64_t network_ns_max;
    uint32_t socket_bytes_min; // sent and not yet consumed, per direction of a connection
    uint32_t socket_bytes_max;
    uint32_t cut_per_mille; // how often received bytes are cut, and sends, reads and writes short
    uint64_t disk_ns_min;
    uint64_t disk_ns_max;
    uint64_t step_ns_min; // what a core's turn costs it
    uint64_t step_ns_max;
    uint64_t wake_ns_max;          // from a completion to the step of a sleeping core
    uint32_t interleave_per_mille; // how often another core steps where one looks at the clock
    uint64_t buffer_ns_max;        // from a receive buffer's return to its next use
    uint32_t descriptors_max;      // of a node
    uint64_t disk_bytes_max;       // of a node
    bool in_order;                 // nothing is drawn: all takes its least time, what happens at
                                   // one time happens in the order in which it began, and of 1000
                                   // per mille nothing is left to chance
    struct sim_loss loss;
    struct sim_hooks hooks;
};

struct sim_profile sim_profile_default(void);

// `profile` is copied; NULL: the default.
struct sim_world *sim_world_open(uint64_t seed, const struct sim_profile *profile);
void sim_world_close(struct sim_world *world);

// The profile in use, for changes on the way.
struct sim_profile *sim_world_profile(struct sim_world *world);

uint64_t sim_world_now_ns(const struct sim_world *world);

// Every effect is told from now on, as a line in `to`; NULL: no more.
void sim_world_tell(struct sim_world *world, FILE *to);

// A line of the caller's beside them; nothing when nobody listens.
void sim_world_say(const struct sim_world *world, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

// Changes with every effect; equal runs have equal hashes.
uint64_t sim_world_hash(const struct sim_world *world);

// How often what is rare was met.
struct sim_counts {
    uint64_t interleaved;   // steps of cores in the middle of others' steps
    uint64_t buffers_out;   // streams that waited for a receive buffer
    uint64_t segments_lost; // by hooks
    uint64_t sends_short;   // that took less than they were given
};

const struct sim_counts *sim_world_counts(const struct sim_world *world);

// Calls `function` when virtual time is at_ns (at once, where that is past).
typedef void sim_event_fn(void *context);
void sim_world_at(struct sim_world *world, uint64_t at_ns, sim_event_fn *function, void *context);

// Runs the next event. False if there is none: everyone sleeps for ever.
bool sim_world_step(struct sim_world *world);

// Runs all events up to at_ns, which is the time then.
void sim_world_run_until(struct sim_world *world, uint64_t at_ns);

// Runs events until `done` says true: true. False when at_ns was reached first, or nothing is left.
typedef bool sim_done_fn(void *context);
bool sim_world_run(struct sim_world *world, uint64_t at_ns, sim_done_fn *done, void *context);

// Nodes and cores ---------------------------------------------------------------------------------

// A machine with an address, "10.0.0.1" for one, an empty disk and no cores. It also answers at
// 127.0.0.1, to itself.
struct sim_node *sim_node_add(struct sim_world *world, const char *ip);

// What the node's wall clock shows beyond the true time. Monotonic clocks show the world's.
void sim_node_set_wall_offset(struct sim_node *node, int64_t offset_ms);
int64_t sim_node_wall_offset(const struct sim_node *node); // now, with what drift has made of it

// From now on the node's wall clock gains so many millionths, or loses them (more than -1000000).
void sim_node_set_drift(struct sim_node *node, int32_t ppm);

// Every TCP connection of the node is reset at both ends, as by a box between them.
void sim_node_reset_connections(struct sim_node *node);

// The backend of a new core of the node. io_destroy() removes it.
struct io *sim_core_open(struct sim_node *node, const struct io_uring_options *options);

// From now on the world steps the core. NULL: it does no more, as a core that hangs.
typedef void sim_step_fn(void *context);
void sim_core_run(struct io *io, sim_step_fn *step, void *context);

// In a step or completion function: the work just done took this long, beyond what a step costs.
void sim_core_charge(struct io *io, uint64_t ns);

// Receive buffers of the core that are out.
uint32_t sim_core_buffers_leased(struct io *io);

// The node's disk has no more than so many bytes, whatever the profile grants.
void sim_node_disk_max(struct sim_node *node, uint64_t bytes);

// Turns a bit of a file over, now and durably, as bits rot on a medium. Nothing where there is no
// such file, or it is shorter.
void sim_node_rot(struct sim_node *node, const char *path, uint64_t bit);

// No read of the block at that offset succeeds any more (EIO), until it is written anew.
void sim_node_spoil(struct sim_node *node, const char *path, uint64_t offset);

// The same to one of its files that hold anything, wherever the number says, and some bytes of it;
// with `spoil` what lies there cannot be read any more (EIO) until it is written anew. Not of files
// whose names are `but` or begin with it. False: nothing was hit.
bool sim_node_damage(struct sim_node *node, uint64_t number, bool spoil, const char *but);

// All that its disk held is gone. While the node is stopped.
void sim_node_wipe(struct sim_node *node);

// How often something of its disk was damaged: by these, and by hooks.
uint32_t sim_node_damages(const struct sim_node *node);

// Whether who reads all of the disk can notice that.
bool sim_node_damage_shows(const struct sim_node *node);

// Whether blocks of it cannot be read, or could not once.
bool sim_node_spoiled(const struct sim_node *node);

enum sim_stop {
    SIM_KILL,       // the process ends: its connections are reset, its disk keeps everything
    SIM_POWER_LOSS, // the machine ends: nobody is told, and the disk keeps what was durable; of
                    // what was not, each name as some earlier moment left it and each sector old or
                    // new
};

// Ends all cores of the node in the middle of whatever they did: no completion runs any more, and
// their `struct io` are gone. New ones can be opened, on what is left of the disk.
void sim_node_stop(struct sim_node *node, enum sim_stop how);

// How many descriptors are open, the three standard ones counted, if none was closed.
int sim_node_descriptors(const struct sim_node *node);

// The content of a file, as a reader would see it; NULL when there is none. To be freed with
// free().
uint8_t *sim_node_file(struct sim_node *node, const char *path, size_t *ret_size);

// Makes a file, durable in all, with that content. Its directory is made if it is not there.
void sim_node_put_file(struct sim_node *node, const char *path, const uint8_t *bytes, size_t size);

// Calls `each` for the names in a directory. 0 or -errno.
int sim_node_list(struct sim_node *node, const char *path, io_list_fn *each, void *context);
