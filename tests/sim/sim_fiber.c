#include "tests/sim/sim_fiber.h"

#include "tests/sim/sim_internal.h"

#include <sys/mman.h>
#include <ucontext.h>

#if defined(__SANITIZE_ADDRESS__)
#define SIM_ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define SIM_ASAN 1
#endif
#endif
#ifdef SIM_ASAN
#include <sanitizer/common_interface_defs.h>
#endif

enum { STACK_BYTES = 1 << 20 }; // touched only where used

struct sim_fiber {
    struct sim_world *world;
    sim_fiber_fn *function;
    void *context;
    uint8_t *stack;
    ucontext_t own;
    ucontext_t resumer;
    bool ended;
    // what AddressSanitizer has to know of stacks
    void *fake;
    const void *resumer_stack;
    size_t resumer_bytes;
};

// To and from, as AddressSanitizer wants it told -------------------------------------------------

static void tell_leaving(void **fake, const void *stack, size_t bytes)
{
#ifdef SIM_ASAN
    __sanitizer_start_switch_fiber(fake, stack, bytes);
#else
    (void)fake;
    (void)stack;
    (void)bytes;
#endif
}

static void tell_arrived(void *fake, const void **ret_stack, size_t *ret_bytes)
{
#ifdef SIM_ASAN
    __sanitizer_finish_switch_fiber(fake, ret_stack, ret_bytes);
#else
    (void)fake;
    (void)ret_stack;
    (void)ret_bytes;
#endif
}

static void fiber_leave(struct sim_fiber *fiber)
{
    // A stack that nobody comes back to has nothing to keep.
    tell_leaving(fiber->ended ? NULL : &fiber->fake, fiber->resumer_stack, fiber->resumer_bytes);
    CHECK(swapcontext(&fiber->own, &fiber->resumer) == 0);
    tell_arrived(fiber->fake, &fiber->resumer_stack, &fiber->resumer_bytes);
}

// makecontext() hands over ints only.
static void fiber_main(unsigned high, unsigned low)
{
    struct sim_fiber *const fiber = (struct sim_fiber *)((uintptr_t)high << 32 | (uintptr_t)low);

    tell_arrived(NULL, &fiber->resumer_stack, &fiber->resumer_bytes);
    fiber->function(fiber->context);
    fiber->ended = true;
    fiber_leave(fiber);
    CHECK(false);
}

// Verbs -------------------------------------------------------------------------------------------

void sim_fiber_resume(struct sim_fiber *fiber)
{
    struct sim_world *const world = fiber->world;
    void *fake = NULL;

    CHECK(world->fiber == NULL && !fiber->ended);
    world->fiber = fiber;
    tell_leaving(&fake, fiber->stack, STACK_BYTES);
    CHECK(swapcontext(&fiber->resumer, &fiber->own) == 0);
    tell_arrived(fake, NULL, NULL);
    world->fiber = NULL;
}

void sim_fiber_wait(struct sim_fiber *fiber)
{
    CHECK(fiber->world->fiber == fiber);
    fiber_leave(fiber);
}

struct sim_fiber *sim_fiber_start(struct sim_world *world, sim_fiber_fn *function, void *context)
{
    struct sim_fiber *const fiber = sim_allocate(sizeof *fiber);
    const uintptr_t self = (uintptr_t)fiber;

    fiber->world = world;
    fiber->function = function;
    fiber->context = context;
    fiber->stack = mmap(NULL, STACK_BYTES, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    CHECK(fiber->stack != MAP_FAILED);
    CHECK(mprotect(fiber->stack, 4096, PROT_NONE) == 0); // who needs more stack finds out
    CHECK(getcontext(&fiber->own) == 0);
    fiber->own.uc_stack.ss_sp = fiber->stack;
    fiber->own.uc_stack.ss_size = STACK_BYTES;
    makecontext(&fiber->own, (void (*)(void))fiber_main, 2, (unsigned)(self >> 32), (unsigned)self);
    sim_fiber_resume(fiber);
    return fiber;
}

void sim_fiber_close(struct sim_fiber *fiber)
{
    CHECK(fiber->world->fiber != fiber);
    CHECK(munmap(fiber->stack, STACK_BYTES) == 0);
    free(fiber);
}
