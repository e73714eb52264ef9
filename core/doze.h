// How long a core under load waits for more before it works.
//
// To be woken costs more than a request does: the processor leaves its idle state, which on a
// virtual machine is a matter for the host, and whoever wakes it pays an interrupt. A core that
// sleeps whenever it has nothing to do pays that for every request or two, if they come one by one
// at short distance. So a core that was busy dozes: it waits until a number of arrivals are there,
// about LIMIT_DOZE_NS, or twice that where little comes and nothing is awaited (core/io_uring.c,
// uring_gather), and then works them off together. What network cards do about
// interrupts is the model (ethtool(8), adaptive-rx, rx-usecs and rx-frames).
//
// A core dozes only when it pays and delays nobody who is alone, which it judges by the last window
// of DOZE_WINDOW_NS:
//
//  - of the connections that sent something DOZE_BUSY and half of the others keep it busy when it
//    wakes: it waits for no more than the rest, else server and clients would take turns;
//  - it waits for no more arrivals than are to be expected meanwhile, and if these are fewer than
//    DOZE_ARRIVALS_MIN it does not doze;
//  - with fewer than DOZE_SOURCES_MIN connections it does not either: a doze may set a timer, which
//    costs what a few wakes do, and who is alone is to be answered at once.
//
// Where connections wait for one thing, such as a group commit, few others can send meanwhile, and
// all of them do when it has come. So the owner says when that has begun and when it has come; a
// core learns how long it lasts, and dozes no longer. It hears of the end only when it wakes: so
// what it thinks shrinks by a little each time it was not too early, and grows by more each time it
// was. A wake too early costs some microseconds of CPU, one too late that much time of them all.
//
// Who dozes is not asleep by the protocol of core/sleep.h: other cores need not wake it, since it
// looks at its inboxes in a moment by itself. A doze in which nothing came is followed by sleep.
//
// Embedded in the reactor, which acts on it; the owner says what arrives. One thread.
#pragma once

#include <stdbool.h>
#include <stdint.h>

enum {
    DOZE_WINDOW_NS = 2 * 1000 * 1000, // a connection at 500 requests a second is seen in each
    DOZE_ARRIVALS_MIN = 4,
    DOZE_SOURCES_MIN = 15,
    DOZE_BUSY = 5,
    DOZE_AWAITED_NS_MIN = 20 * 1000,
};

// All zero is a core that does not doze.
struct doze {
    uint64_t window_ns;  // when the window began
    uint32_t arrivals;   // in it: pieces of input received
    uint32_t sources;    // connections they came from
    uint32_t count;      // arrivals to wait for; 0: it does not doze
    bool late;           // what is awaited had not come when it should have
    uint64_t awaited_ns; // since when; 0: nothing is awaited
    uint64_t lasts_ns;   // how long that is thought to last; 0: not known
};

// Input of a connection arrived, whose one before was looked at in the turn of last_ns: the turn
// that began the window counts as before it.
static inline void doze_note(struct doze *doze, uint64_t last_ns)
{
    doze->arrivals++;
    doze->sources += last_ns <= doze->window_ns;
}

// Once a turn, by the clock of the turn: judges anew when the window is over.
void doze_update(struct doze *doze, uint64_t now_ns);

// Something has begun at now_ns that many connections wait for; it has come.
void doze_await(struct doze *doze, uint64_t now_ns);
void doze_came(struct doze *doze, uint64_t now_ns);

// Whether a doze that is too long delays all who wait for that: then it ends when it should, and is
// worth a timer of its own.
static inline bool doze_awaits(const struct doze *doze)
{
    return doze->awaited_ns != 0;
}

// Before each wait: how long a doze may be.
uint64_t doze_wait_ns(struct doze *doze, uint64_t now_ns);
