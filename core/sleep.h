// How a core goes to sleep without missing a message, and how others learn that it must be woken.
//
// Waking a core costs a system call, so it is done only for a core that sleeps. Each core has one
// flag. Its owner and the others follow this protocol:
//
//     the owner, before it may block              who published something for it (spsc_publish())
//     1. sleep_flag_announce(): flag = 1          1. the message is in the queue
//     2. full fence                               2. full fence
//     3. look at every inbox once more            3. flag read; where it is 1, set to 0 and wake
//        found something: sleep_flag_retract()
//        else wait
//     4. after the wait sleep_flag_retract()
//
// Why no message is lost (Dekker's argument). Each side first writes, then fences, then reads what
// the other writes. The two fences are ordered one way or the other. If the owner's comes first,
// the publisher's read of the flag comes after the announcement: it sees 1 and wakes, or it sees
// the 0 of another publisher that took the flag and wakes. If the publisher's comes first, the
// owner's look comes after the publication and finds the message. A publisher that reads 0 because
// the owner is awake need do nothing: the owner announces and looks again before it blocks the next
// time, and the argument starts anew. So 0 means: awake, or being woken. Of many publishers only
// the one whose exchange returned 1 pays for the wake. A wake may reach an owner that is awake
// already; it is spurious and harmless.
//
// A core that only dozes (core/doze.h) announces nothing: it looks at its inboxes soon by itself.
//
// Without the fences both could read the old value (x86 too lets a store pass a later load), and
// the message would lie there until something else wakes the core.
//
// Ownership: each core embeds one, alone on its cache line. Any thread of the node may call
// sleep_flag_must_wake().
#pragma once

#include "core/limits.h"

#include <stdalign.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

struct sleep_flag {
    alignas(LIMIT_CACHE_LINE_BYTES) _Atomic uint32_t asleep;
};

static inline void sleep_flag_init(struct sleep_flag *flag)
{
    atomic_init(&flag->asleep, 0);
}

// The full fence between a core's own write and its read of what the other side writes.
static inline void sleep_fence(void)
{
#if defined(__SANITIZE_THREAD__)
    // TSan does not know fences, and gcc refuses them there. A sequentially consistent exchange is
    // a full barrier on the machines that TSan runs on.
    _Atomic uint32_t barrier = 0;

    (void)atomic_exchange_explicit(&barrier, 1, memory_order_seq_cst);
#else
    atomic_thread_fence(memory_order_seq_cst);
#endif
}

// Owner. Afterwards it looks at every inbox, and retracts or waits.
static inline void sleep_flag_announce(struct sleep_flag *flag)
{
    atomic_store_explicit(&flag->asleep, 1, memory_order_relaxed);
    sleep_fence();
}

// Owner: it is awake. Also right when it never announced.
static inline void sleep_flag_retract(struct sleep_flag *flag)
{
    atomic_store_explicit(&flag->asleep, 0, memory_order_relaxed);
}

// Publisher, after it published for the flag's owner: whether it has to wake it now. Costs a full
// fence (about 20 cycles), so it is called once a turn and target, not once a message.
static inline bool sleep_flag_must_wake(struct sleep_flag *flag)
{
    sleep_fence();
    return atomic_load_explicit(&flag->asleep, memory_order_relaxed) != 0 &&
           atomic_exchange_explicit(&flag->asleep, 0, memory_order_relaxed) != 0;
}
