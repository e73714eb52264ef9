#include "cli/interrupt.h"

#include <errno.h>
#include <stddef.h>

// A handler that does nothing: a signal without one would end the process or be ignored, and
// neither interrupts a wait.
static void interrupt_handle(int number)
{
    (void)number;
}

static sigset_t interrupt_set(void)
{
    sigset_t set;

    sigemptyset(&set);
    sigaddset(&set, SIGINT);
    return set;
}

void interrupt_hold(struct interrupt *ret_before)
{
    const struct sigaction action = {.sa_handler = interrupt_handle};
    const sigset_t set = interrupt_set();

    sigprocmask(SIG_BLOCK, &set, &ret_before->mask);
    sigaction(SIGINT, &action, &ret_before->action);
}

void interrupt_release(const struct interrupt *before)
{
    // One that still waits is taken by the handler that does nothing.
    interrupt_let_in(true);
    sigaction(SIGINT, &before->action, NULL);
    sigprocmask(SIG_SETMASK, &before->mask, NULL);
}

int interrupt_wait(struct pollfd *descriptors, nfds_t count, const struct timespec *time)
{
    sigset_t mask;

    sigprocmask(SIG_BLOCK, NULL, &mask);
    sigdelset(&mask, SIGINT);
    const int ready = ppoll(descriptors, count, time, &mask);

    return ready < 0 ? -errno : ready;
}

void interrupt_let_in(bool in)
{
    const sigset_t set = interrupt_set();

    sigprocmask(in ? SIG_UNBLOCK : SIG_BLOCK, &set, NULL);
}
