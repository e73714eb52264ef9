// The loop of one core.
//
//      +-> completions   io_turn(): what the kernel finished, received bytes, accepted sockets
//      |   inbox         messages of the other cores
//      |   timers        what is due by io->now_ns
//      |   execute       what became ready above: parse, probe, reply
//      |   background    one slice of long work (compaction, transfers), by a budget of its own
//      |   flush         sends, the log's frame, messages to other cores: published once a turn
//      +-- wait          io_turn(): one system call submits all that was started, and waits
//
// The reactor knows none of that work: its owner registers a function for each phase. It decides
// one thing, how long to wait: not at all when a phase said that it left work behind, else until
// the next timer, else until something happens. An idle core makes no system call.
//
// Before a wait that may block it follows the sleep protocol (core/sleep.h): announce, fence, look
// at the inboxes once more, wait. It retracts the announcement as soon as the wait is over, before
// completions run (by io's `woken` hook), so that nobody pays for waking a core that is awake.
//
// A core under load dozes first, if its owner tells it what arrives (core/doze.h): a wait for
// several arrivals, short and without an announcement.
//
// Ownership: the reactor is embedded in its owner and used by one thread. It does not own io,
// timers or sleep flag. In the simulator reactor_turn() is the step of a core: io_turn() at its end
// returns at once there, and the world runs what follows (woken, completions) before the next step.
// So nothing may come after io_turn() in a turn.
#pragma once

#include "core/doze.h"

#include <stdbool.h>
#include <stdint.h>

struct io;
struct sleep_flag;
struct timers;

// Each may be NULL. `context` is theirs.
struct reactor_phases {
    void *context;
    // Drains the inboxes, within the owner's bound. True if it took anything.
    bool (*inbox)(void *context);
    // Looks without taking: whether inbox() would find something. Asked after sleep was announced.
    // Needed with a sleep flag.
    bool (*inbox_ready)(void *context);
    // Processes what became ready. True if it left ready work behind (its bound was reached).
    bool (*execute)(void *context);
    // One slice of long work, aiming at 500 us or less. True if more is pending.
    bool (*background)(void *context);
    // Sends, and publishes to other cores (where it also wakes those that announced sleep).
    void (*flush)(void *context);
};

// Written by the reactor, read on its thread. Counted since reactor_init(). Wakes sent and
// completions are counted in struct io.
struct reactor_metrics {
    uint64_t turns;
    uint64_t sleeps;      // waits that could block
    uint64_t dozes;       // waits for several arrivals
    uint64_t busy_ns;     // all time but that of sleeps and dozes
    uint64_t turn_ns_max; // the longest time from the end of one wait to the begin of the next
};

struct reactor {
    struct io *io;
    struct timers *timers;
    struct sleep_flag *sleep_flag;
    struct reactor_phases phases;
    struct reactor_metrics metrics;
    uint64_t spin_ns; // the owner's: how long after the last work it polls instead of sleeping
    struct doze doze; // the owner calls doze_note()
    // Below: the reactor's own.
    uint64_t woken_ns;    // when the last wait ended
    uint64_t active_ns;   // when there was work last
    uint64_t completions; // io->completions when it was looked at last
    bool asleep;          // in a wait that may block, dozing too
    bool stopped;
};

// `timers` and `sleep_flag` may be NULL (the latter where no other core sends messages). Takes io's
// `woken` hook. spin_ns is 0 after it.
void reactor_init(struct reactor *reactor, struct io *io, struct timers *timers,
                  struct sleep_flag *sleep_flag, const struct reactor_phases *phases);

// Exactly one turn: inbox, timers, execute, background, flush, wait and completions.
void reactor_turn(struct reactor *reactor);

// Turns until reactor_stop().
void reactor_run(struct reactor *reactor);

// From a phase or a completion function: reactor_run() returns after this turn, which does not
// block.
void reactor_stop(struct reactor *reactor);
