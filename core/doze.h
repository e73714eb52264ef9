// How long a core under load waits for more before it works.
//
// To be woken costs more than a request does: the processor leaves its idle state, which on a
// virtual machine is a matter for the host, and whoever wakes it pays an interrupt. A core that
// sleeps whenever it has nothing to do pays that for every request or two, if they come one by one
// at short distance. So a core that was busy dozes: it waits until a number of arrivals are there,
// LIMIT_DOZE_NS at most, and then works them off together. What network cards do about interrupts
// is the model (ethtool(8), adaptive-rx, rx-usecs and rx-frames).
//
// A core dozes only when it pays and delays nobody who is alone, which it judges by the last window
// of DOZE_WINDOW_NS:
//
//  - of the connections that sent something DOZE_BUSY and half of the others keep it busy when it
//    wakes: it waits for no more than the rest, else server and clients would take turns;
//  - it waits for no more arrivals than are to be expected meanwhile, and if these are fewer than
//    DOZE_ARRIVALS_MIN it does not doze;
//  - with fewer than DOZE_SOURCES_MIN connections it does not either: a doze sets a timer, which
//    costs what a few wakes do, and who is alone is to be answered at once.
//
// Who dozes is not asleep by the protocol of core/sleep.h: other cores need not wake it, since it
// looks at its inboxes in a moment by itself. A doze in which nothing came is followed by sleep.
//
// Embedded in the reactor, which acts on it; the owner says what arrives. One thread.
#pragma once

#include <stdint.h>

enum {
    DOZE_WINDOW_NS = 2 * 1000 * 1000, // a connection at 500 requests a second is seen in each
    DOZE_ARRIVALS_MIN = 4,
    DOZE_SOURCES_MIN = 15,
    DOZE_BUSY = 5,
};

// All zero is a core that does not doze.
struct doze {
    uint64_t window_ns; // when the window began
    uint32_t arrivals;  // in it: pieces of input received
    uint32_t sources;   // connections they came from
    uint32_t count;     // arrivals to wait for; 0: it does not doze
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
