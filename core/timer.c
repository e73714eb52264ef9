#include "core/timer.h"

#include <assert.h>

enum {
    TIMERS_SLOT_BITS = 6,
    TIMERS_NS_A_MS = 1000 * 1000,
};

// The last ms that can be told in ns.
#define TIMERS_MS_MAX (UINT64_MAX / TIMERS_NS_A_MS)

static_assert(1 << TIMERS_SLOT_BITS == TIMERS_SLOTS, "a level is 6 bits of the deadline");
static_assert(TIMERS_MS_MAX >> (TIMERS_SLOT_BITS * TIMERS_LEVELS) == 0,
              "every deadline has a level");
static_assert(offsetof(struct timer, link) == 0, "a link is converted to its timer");

// The slot at `level` whose time `ms` belongs to.
static unsigned timers_slot_at(uint64_t ms, unsigned level)
{
    return (unsigned)(ms >> (TIMERS_SLOT_BITS * level)) % TIMERS_SLOTS;
}

static void timers_unlink(struct timers *timers, struct timer *timer)
{
    struct timer_link *const next = timer->link.next;

    CHECK(timers->count > 0);
    next->previous = timer->link.previous;
    timer->link.previous->next = next;
    if (next == next->previous) {
        // Only the head of the slot's ring links to itself.
        timers->used[timer->level] &= ~(UINT64_C(1) << timer->slot);
    }
    timer->link.next = NULL;
    timers->count--;
}

// Links a timer whose deadline is set where it belongs.
static void timers_link(struct timers *timers, struct timer *timer)
{
    const uint64_t at_ms =
        timer->deadline_ms > timers->wheel_ms ? timer->deadline_ms : timers->wheel_ms;
    // The bit 0 that is added makes the difference of equal times level 0.
    const uint64_t difference = (at_ms ^ timers->wheel_ms) | 1;
    const unsigned level = (63U - (unsigned)__builtin_clzll(difference)) / TIMERS_SLOT_BITS;
    const unsigned slot = timers_slot_at(at_ms, level);
    struct timer_link *const head = &timers->slots[level][slot];

    timer->level = (uint8_t)level;
    timer->slot = (uint8_t)slot;
    timer->link.next = head;
    timer->link.previous = head->previous;
    head->previous->next = &timer->link;
    head->previous = &timer->link;
    timers->used[level] |= UINT64_C(1) << slot;
    timers->count++;
}

void timers_init(struct timers *timers, uint64_t now_ns)
{
    *timers = (struct timers){.wheel_ms = now_ns / TIMERS_NS_A_MS};
    timers->floor_ms = timers->wheel_ms;
    for (unsigned level = 0; level < TIMERS_LEVELS; level++) {
        for (unsigned slot = 0; slot < TIMERS_SLOTS; slot++) {
            struct timer_link *const head = &timers->slots[level][slot];

            *head = (struct timer_link){.next = head, .previous = head};
        }
    }
}

void timer_arm(struct timers *timers, struct timer *timer, uint64_t deadline_ns)
{
    uint64_t deadline_ms = deadline_ns / TIMERS_NS_A_MS + (deadline_ns % TIMERS_NS_A_MS != 0);

    CHECK(timer->fire != NULL);
    if (deadline_ms > TIMERS_MS_MAX) {
        deadline_ms = TIMERS_MS_MAX;
    }
    if (deadline_ms < timers->floor_ms) {
        deadline_ms = timers->floor_ms;
    }
    if (timer_armed(timer)) {
        if (deadline_ms >= timer->deadline_ms) {
            timer->deadline_ms = deadline_ms;
            return;
        }
        timers_unlink(timers, timer);
    }
    timer->deadline_ms = deadline_ms;
    timers_link(timers, timer);
}

void timer_cancel(struct timers *timers, struct timer *timer)
{
    if (timer_armed(timer)) {
        timers_unlink(timers, timer);
    }
}

// The earliest slot in use and the ms at which its time starts. False when there is none.
static bool timers_first(const struct timers *timers, unsigned *ret_level, uint64_t *ret_ms)
{
    if (timers->moving_level != 0) {
        // Its time has come, and some of what is in it may be earlier than what lies below.
        *ret_level = timers->moving_level;
        *ret_ms = timers->wheel_ms;
        return true;
    }
    for (unsigned level = 0; level < TIMERS_LEVELS; level++) {
        if (timers->used[level] != 0) {
            const unsigned shift = TIMERS_SLOT_BITS * level;
            const uint64_t slot = (uint64_t)__builtin_ctzll(timers->used[level]);
            const uint64_t slots_before = timers->wheel_ms >> shift & ~(uint64_t)(TIMERS_SLOTS - 1);

            *ret_level = level;
            *ret_ms = (slots_before | slot) << shift;
            CHECK(*ret_ms >= timers->wheel_ms);
            return true;
        }
    }
    return false;
}

uint64_t timers_next_ns(const struct timers *timers)
{
    unsigned level = 0;
    uint64_t ms = 0;

    return timers_first(timers, &level, &ms) ? ms * TIMERS_NS_A_MS : UINT64_MAX;
}

// Takes timers out of the slot whose time the wheel has reached, until it is empty or the budget is
// used up: fires those that are due and moves the others down. Returns how many fired.
static uint32_t timers_empty_slot(struct timers *timers, unsigned level, uint32_t *budget)
{
    const struct timer_link *const head =
        &timers->slots[level][timers_slot_at(timers->wheel_ms, level)];
    uint32_t fired = 0;

    while (head->next != head && *budget != 0) {
        struct timer *const timer = (struct timer *)(void *)head->next;

        (*budget)--;
        timers_unlink(timers, timer);
        if (level != 0 || timer->deadline_ms > timers->wheel_ms) {
            timers_link(timers, timer);
        } else {
            timer->fire(timer);
            fired++;
        }
    }
    timers->moving_level = head->next == head ? 0 : level;
    return fired;
}

uint32_t timers_run(struct timers *timers, uint64_t now_ns, uint32_t budget)
{
    const uint64_t now_ms = now_ns / TIMERS_NS_A_MS;
    uint32_t fired = 0;
    unsigned level = 0;
    uint64_t ms = 0;

    timers->floor_ms = now_ms + 1;
    while (timers_first(timers, &level, &ms) && ms <= now_ms) {
        if (budget == 0) {
            timers->floor_ms = timers->wheel_ms;
            return fired;
        }
        timers->wheel_ms = ms;
        fired += timers_empty_slot(timers, level, &budget);
    }
    if (now_ms > timers->wheel_ms) {
        timers->wheel_ms = now_ms;
    }
    timers->floor_ms = timers->wheel_ms;
    return fired;
}
