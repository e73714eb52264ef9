// The faults of a run: a list that is drawn before the run begins, and played into the world while
// it goes on.
//
// The list is a function of the seed, the profile and the shape of the run (nodes, cores, time). It
// is drawn from a generator of its own, and how bad a fault is belongs to it: so one can be left
// out, and the others stay as they are. That is how a failing run is made smaller
// (sim_minimize.c), and what `sim --only` names: faults by their numbers.
//
// What lasts begins at `at_ns` and ends `for_ns` later. Of those that overlap, all are in force:
// the world's profile is made anew from what it was at the start at each beginning and end. At
// sim_faults_end_ns() all are over, and the liveness phase begins.
//
// Ownership: the caller's; it outlives the world's running.
#pragma once

#include "tests/sim/sim_world.h"

// X(NAME, "name", what happens). `amount` is explained in sim_faults.c, where it is drawn.
#define SIM_FAULTS(X)                                                                              \
    X(CUT, "cut", "all that is sent to and from the machine is lost")                              \
    X(CUT_IN, "cut-in", "what is sent to the machine is lost: its connections are half open")      \
    X(CUT_OUT, "cut-out", "what it sends is lost")                                                 \
    X(LOSSY, "lossy", "some segments are lost")                                                    \
    X(SLOW_NETWORK, "slow-network", "segments take longer, a few of them very much")               \
    X(NARROW, "narrow", "small windows: what is sent and received comes in small pieces")          \
    X(RESET, "reset", "the machine's connections are reset by a box in the middle")                \
    X(PAUSE, "pause", "a core takes no step")                                                      \
    X(FREEZE, "freeze", "no core of the machine takes a step")                                     \
    X(KILL, "kill", "the process ends, and is started again")                                      \
    X(POWER_LOSS, "power-loss", "the machine loses power, and comes back")                         \
    X(JUMP, "jump", "the machine's wall clock jumps")                                              \
    X(DRIFT, "drift", "the machine's wall clock runs fast or slow")                                \
    X(SLOW_DISK, "slow-disk", "what is asked of disks takes longer")                               \
    X(DISK_ERROR, "disk-error", "some of what is asked of the machine's disk fails with EIO")      \
    X(DISK_FULL, "disk-full", "disks have no room")                                                \
    X(ROT, "rot", "bits of the machine's files turn over, or blocks cannot be read any more")      \
    X(LOST_WRITE, "lost-write", "some writes of its disk are not there, which says they are")      \
    X(MISDIRECTED, "misdirected", "some of its writes lie elsewhere, over something else")         \
    X(DESCRIPTORS, "descriptors", "hardly a descriptor is left")                                   \
    X(LATE_BUFFERS, "late-buffers", "receive buffers are handed back late")                        \
    X(BUSY, "busy", "cores get little time: their steps take long")

#define SIM_FAULT_ENUM(name, text, what) SIM_FAULT_##name,
enum sim_fault_kind { SIM_FAULTS(SIM_FAULT_ENUM) SIM_FAULT_KINDS };
#undef SIM_FAULT_ENUM

// X(NAME, "name", the kinds of faults in it)
#define SIM_FAULT_PROFILES(X)                                                                      \
    X(CALM, "calm", "none")                                                                        \
    X(DISK, "disk", "slow-disk, disk-error, disk-full, rot, lost-write, misdirected")              \
    X(NETWORK, "network", "cut, cut-in, cut-out, lossy, slow-network, narrow, reset")              \
    X(CRASH, "crash", "kill, power-loss, pause, freeze, jump, drift")                              \
    X(OVERLOAD, "overload", "pause, busy, narrow, descriptors, late-buffers, slow-network")        \
    X(EVERYTHING, "everything", "all of them")

#define SIM_FAULT_PROFILE_ENUM(name, text, what) SIM_FAULT_PROFILE_##name,
enum sim_fault_profile {
    SIM_FAULT_PROFILES(SIM_FAULT_PROFILE_ENUM) SIM_FAULT_PROFILE_COUNT,
};
#undef SIM_FAULT_PROFILE_ENUM

enum { SIM_FAULTS_MAX = 256, SIM_FAULT_NODES_MAX = 16, SIM_FAULT_CORES_MAX = 8 };

struct sim_fault {
    uint64_t at_ns; // of the world's time
    uint64_t for_ns;
    uint64_t amount;
    uint32_t node; // index of the run's
    uint32_t core;
    enum sim_fault_kind kind;
};

// What the run does to its nodes. Each is called between two events of the world, never in a step.
struct sim_fault_targets {
    void *context;
    struct sim_node *(*machine)(void *context, uint32_t node);
    void (*hang)(void *context, uint32_t node, uint32_t core, bool hang);
    void (*stop)(void *context, uint32_t node, enum sim_stop how);
    void (*restart)(void *context, uint32_t node);
    bool (*writing)(void *context, uint32_t node); // writes are on their way to its disk
};

struct sim_faults_shape {
    uint64_t seed;
    enum sim_fault_profile profile;
    uint32_t nodes;
    uint32_t cores;   // of each
    uint64_t from_ns; // of the world's time
    uint64_t until_ns;
    uint32_t kinds; // bits: those that may be in it at all
};

struct sim_faults;

struct sim_faults *sim_faults_draw(const struct sim_faults_shape *shape);
void sim_faults_close(struct sim_faults *faults);

uint32_t sim_faults_count(const struct sim_faults *faults);
const struct sim_fault *sim_faults_at(const struct sim_faults *faults, uint32_t index);

// Leaves out all but those whose `keep` is true. Before sim_faults_begin().
void sim_faults_keep(struct sim_faults *faults, const bool *keep);

// Plays what is left into the world, whose profile and hooks are the faults' from now on.
void sim_faults_begin(struct sim_faults *faults, struct sim_world *world,
                      const struct sim_fault_targets *targets);

// Beside the list: all that is asked of a node's disk fails until then. For starts.
void sim_faults_fail_disk(struct sim_faults *faults, uint32_t node, uint64_t until_ns);

// When the last one is over; from_ns of the shape when there is none.
uint64_t sim_faults_end_ns(const struct sim_faults *faults);

// Bits of the kinds that are in it, and of those in force at a node now.
uint32_t sim_faults_kinds(const struct sim_faults *faults);
uint32_t sim_faults_now(const struct sim_faults *faults, uint32_t node);

// Bits of the kinds of a profile.
uint32_t sim_fault_profile_kinds(enum sim_fault_profile profile);

const char *sim_fault_name(enum sim_fault_kind kind);
const char *sim_fault_profile_name(enum sim_fault_profile profile);
bool sim_fault_profile_parse(const char *text, enum sim_fault_profile *ret_profile);

// One line, terminated: when, what, where, how bad.
void sim_fault_print(const struct sim_fault *fault, uint64_t began_ns, char *text, size_t size);

static inline uint32_t sim_fault_bit(enum sim_fault_kind kind)
{
    return UINT32_C(1) << kind;
}
