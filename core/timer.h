// Timers: a hierarchical timing wheel.
//
// Arming, moving and cancelling a timer takes a few instructions however many there are, which
// matters because nearly every timer (idle connections, request timeouts) is moved or cancelled and
// never fires. Time is given in ns of the monotonic clock and kept in ms: a timer fires at the
// first timers_run() at which its deadline, rounded up to the ms, has passed; never before.
//
//     level 0   64 slots of 1 ms     |....................................|  the current 64 ms
//     level 1   64 slots of 64 ms    |......|......|......|......|......|   the current 4.1 s
//     level 2   64 slots of 4.1 s    ...
//     ...
//     level 7   enough for every deadline that fits into 64 bits of ns
//
// A timer lies at the level of the highest group of 6 bits in which its deadline differs from the
// wheel's own time, in the slot that these 6 bits name. So all of a level is earlier than all of
// the next, and a word of 64 bits a level tells which slots are in use. When the wheel's time
// reaches the start of a slot of an upper level, its timers move down; each moves at most 7 times.
//
// Moving a timer to a later deadline only writes the deadline: the timer stays in its old slot and
// is put in its place when that slot is reached. So a connection can push its idle timeout ahead on
// each request for the price of a store.
//
// Ownership: struct timer is embedded in what it belongs to, and all zero is a timer that is not
// armed. It must be cancelled, or have fired, before its memory goes. In fire() a timer is not
// armed, and fire() may arm or cancel any timer, its own too, or free its owner. One thread.
//
// Source: Varghese and Lauck, "Hashed and hierarchical timing wheels", 1987, scheme 7. Unlike
// there, the wheel does not tick: the words of bits let it jump from slot to slot, and an idle core
// sleep.
#pragma once

#include "core/check.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    TIMERS_LEVELS = 8,
    TIMERS_SLOTS = 64, // a level: one word of bits
};

struct timer_link {
    struct timer_link *next;
    struct timer_link *previous;
};

struct timer {
    struct timer_link link; // first; next is NULL when not armed
    uint64_t deadline_ms;
    void (*fire)(struct timer *timer); // the owner's
    uint8_t level;                     // where it lies
    uint8_t slot;
};

struct timers {
    uint64_t wheel_ms; // the wheel's own time; what was due before it has fired
    uint64_t floor_ms; // the earliest deadline that can be armed: inside a run the next ms
    uint64_t used[TIMERS_LEVELS];
    struct timer_link slots[TIMERS_LEVELS][TIMERS_SLOTS]; // rings, in order of arming
    uint32_t count;                                       // armed
    uint32_t moving_level; // of the slot that a run with too small a budget left half moved; or 0
};

void timers_init(struct timers *timers, uint64_t now_ns);

static inline bool timer_armed(const struct timer *timer)
{
    return timer->link.next != NULL;
}

// Makes the timer fire once at deadline_ns, instead of when it would have if it was armed. A
// deadline in the past fires in the next run (inside fire(): not in this run, so that a timer that
// re-arms itself cannot hold the loop). `fire` is set.
void timer_arm(struct timers *timers, struct timer *timer, uint64_t deadline_ns);

// Nothing happens when it is not armed.
void timer_cancel(struct timers *timers, struct timer *timer);

// When timers_run() has to be called next, in ns: not later than the next deadline (rounded up to
// the ms), and earlier at most a few times for a timer that is far ahead or was moved. In the past
// when a run left work behind. UINT64_MAX when no timer is armed.
uint64_t timers_next_ns(const struct timers *timers);

// Fires what is due at now_ns in order of deadline (within one ms in order of arming, unless
// moved). Takes at most `budget` steps; firing or moving one timer is a step. What is left is done
// in the next run. Returns how many fired.
uint32_t timers_run(struct timers *timers, uint64_t now_ns, uint32_t budget);
